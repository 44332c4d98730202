"""How a dry run is shown: what would be recorded, and what it changes for past and coming days."""

from __future__ import annotations

from typing import Any

from ledger.aggregates.event_sourced import TOPICS, Recorded
from ledger.aggregates.preview import Effect, Tried
from ledger.cli.screen import Screen
from ledger.cli.session import Session
from ledger.money import format_pounds
from ledger.recalculation import WeeklyChange


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
    following = effect.next_payment
    screen.say(
        f"\nNext payment, {following.period.starts_on} to {following.period.ends_on}: "
        f"{format_pounds(following.payment_now_pence)} instead of "
        f"{format_pounds(following.payment_was_pence)}."
        if following.payment_now_pence != following.payment_was_pence
        else f"\nNext payment, {following.period.starts_on} to {following.period.ends_on}: "
        f"{format_pounds(following.payment_now_pence)}, as before."
    )
    if following.carried_now_pence:
        screen.say(f"{format_pounds(-following.carried_now_pence)} is left to recover after it.")


def _weekly(when: str, change: WeeklyChange) -> tuple[str, str, str, str, str]:
    return (
        when,
        format_pounds(change.gross_pence),
        format_pounds(change.contribution_pence),
        format_pounds(change.payment_pence),
        format_pounds(change.invoiced_pence),
    )
