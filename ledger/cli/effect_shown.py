"""How a dry run is shown: what would be recorded, and what it changes for past and coming days."""

from __future__ import annotations

from typing import Any

from ledger.aggregates.event_sourced import TOPICS, Recorded
from ledger.aggregates.preview import Effect, Tried
from ledger.cli.screen import Screen
from ledger.cli.session import Session
from ledger.money import format_pounds
from ledger.recalculation import WeeklyChange
from ledger.terms import Channel

_FUND: dict[Channel, str] = {"direct_payment": "", "service_fund": " (service fund)"}


def event_document(recorded: Recorded) -> dict[str, Any]:
    """An event as programs read it: its facts, and what it says."""
    from ledger.projections.audit import sentence

    return {
        "version": recorded.originator_version,
        "topic": TOPICS[type(recorded.event)],
        "sentence": sentence(recorded.event),
        "event": recorded.event,
    }


def tried_document(tried: Tried) -> dict[str, Any]:
    """A dry run as programs read it; the version is the one there is."""
    return {
        "reference": tried.budget.reference,
        "version": tried.budget.version - len(tried.events),
        "dry_run": True,
        "would_record": [event_document(recorded) for recorded in tried.events],
        "effect": tried.effect,
    }


def show_tried(session: Session, tried: Tried) -> None:
    """Answer a dry run."""
    session.answer(tried_document(tried), lambda screen: say_tried(screen, tried))


def say_tried(screen: Screen, tried: Tried) -> None:
    """A dry run as people read it."""
    from ledger.projections.audit import sentence

    screen.say("Nothing was recorded. This would be:")
    for recorded in tried.events:
        screen.say(f"  {sentence(recorded.event)}")
    if not tried.events:
        screen.say("  Nothing: it is so already.")
    if tried.effect is not None:
        show_effect(screen, tried.effect)


def show_effect(screen: Screen, effect: Effect) -> None:
    """What changes a week, for days already settled, and in the next payment."""
    screen.table(
        "A week",
        ("From", ">Support", ">Contribution", ">Paid", ">Invoiced"),
        [_weekly("before", effect.weekly_was), *(_weekly(str(w.starts_on), w)
                                                 for w in effect.weekly_now)],
    )  # fmt: skip
    rows = [
        (
            f"{window.window.starts_on} to {window.window.ends_on}",
            format_pounds(window.contribution_was_pence),
            format_pounds(window.contribution_now_pence),
            format_pounds(window.payment_was_pence),
            format_pounds(window.payment_now_pence),
            format_pounds(window.difference_pence),
        )
        for window in effect.windows
    ]
    screen.table(
        "Days already paid or invoiced",
        (
            "Days",
            ">Contribution was",
            ">is now",
            ">Payment was",
            ">is now",
            ">Difference",
        ),
        rows,
        "None comes to anything else.",
    )
    if rows:
        owed = effect.total_pence
        who = "is owed to the person" if owed >= 0 else "is owed by the person"
        screen.say(f"\n{format_pounds(abs(owed))} in all {who}.")
    screen.table(
        "Payments to come, if nothing else changes",
        ("Days", "Paid on", ">Would be", ">Will be", ">Less or more", "Stopped by"),
        [
            (
                f"{coming.period.starts_on} to {coming.period.ends_on}{_FUND[coming.channel]}",
                coming.pay_on,
                format_pounds(coming.payment_was_pence),
                format_pounds(coming.payment_now_pence),
                format_pounds(coming.payment_now_pence - coming.payment_was_pence),
                ", ".join(code.replace("-", " ") for code in coming.stopped_by),
            )
            for coming in effect.coming_payments
        ],
    )
    whole = sum(c.payment_now_pence - c.payment_was_pence for c in effect.coming_payments)
    if whole:
        how = "less" if whole < 0 else "more"
        screen.say(f"\n{format_pounds(abs(whole))} {how} in all.")
    last = effect.coming_payments[-1].period
    left = sum(c.carried_now_pence for c in effect.coming_payments if c.period == last)
    if left:
        screen.say(f"{format_pounds(-left)} is left to recover after them.")


def _weekly(when: str, change: WeeklyChange) -> tuple[str, str, str, str, str]:
    return (
        when,
        format_pounds(change.gross_pence),
        format_pounds(change.contribution_pence),
        format_pounds(change.payment_pence),
        format_pounds(change.invoiced_pence),
    )
