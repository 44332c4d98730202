"""A budget's history event by event: how it stood before and after each, and what moved.

Nothing is read but the history itself: an auditor sees what the rules make of the events, not
what a table has kept of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from ledger.aggregates.event_sourced import Event, Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.money import format_pounds
from ledger.projections.postings import postings
from ledger.projections.words import day, words

History = Sequence[Recorded]


class Asked(NamedTuple):
    """What is replayed: what took effect by the end of a day, as known at a moment; None: all."""

    on: date | None = None
    known_at: datetime | None = None

    def holds(self, event: Event) -> bool:
        """Whether an event is part of it."""
        is_known = self.known_at is None or event.recorded_at <= self.known_at
        return is_known and self.is_by_then(event)

    def is_by_then(self, event: Event) -> bool:
        """Whether an event took effect by then, whenever it was recorded."""
        return self.on is None or event.effective_on <= self.on


class Fact(NamedTuple):
    """One thing about a budget: before an event, after it, and as known now."""

    name: str
    before: str
    after: str
    now: str

    @property
    def is_changed(self) -> bool:
        """Whether the event changed it."""
        return self.before != self.after

    @property
    def differs(self) -> bool:
        """Whether more is known now."""
        return self.after != self.now


def facts_around(history: History, version: int, asked: Asked, today: date) -> list[Fact]:
    """How a budget stood before and after its event of that version, and stands as known now,
    with the terms in force on the day asked about (today, if none was)."""
    day_asked = asked.on or today
    before, after, now = (
        _standing([r for r in history if r.originator_version <= upto], day_asked)
        | balance_words([r for r in history if r.originator_version <= upto], asked.on)
        for upto in (version - 1, version, history[-1].originator_version)
    )
    names = dict.fromkeys((*now, *after, *before))
    return [
        Fact(name, before.get(name, ""), after.get(name, ""), now.get(name, "")) for name in names
    ]


def balances(history: History, on: date | None) -> dict[str, int]:
    """What stands on each account in pence, from the events' own postings, to the end of a day."""
    sums: defaultdict[str, int] = defaultdict(int)
    for _, _, event in history:
        if on is None or event.effective_on <= on:
            for posting in postings(event):
                sums[posting.account] += posting.amount_pence
    return dict(sorted(sums.items()))


def balance_words(history: History, on: date | None) -> dict[str, str]:
    """The same, as people read it."""
    return {
        f"Account: {words(account)}": format_pounds(pence)
        for account, pence in balances(history, on).items()
    }


def _standing(history: History, on: date) -> dict[str, str]:
    """How a budget stands, in words; nothing before it was opened."""
    budget = PersonalBudget.project(None, history)
    if budget is None:
        return {}
    payee, last, contribution = budget.payee, budget.last_payment, budget.contribution_on(on)
    suspended = [words(t.reason_code) for t in budget.suspensions if t.in_force_on(on)]
    closed = f"closed, last day {day(budget.closed.effective_on)}" if budget.closed else "open"
    standing = {
        "Standing": f"{closed}; suspended: {', '.join(suspended)}" if suspended else closed,
        "Offer": budget.offer_outcome or "not made",
        "Agreement": budget.agreement.template_version if budget.agreement else "not signed",
        "Payee": "not verified",
        "Budget": f"{format_pounds(budget.weekly_budget_pence(on))} a week",
        "Contribution": "not assessed",
        "Owed and not promised": format_pounds(budget.payment_due(Period(on, on)).owed_pence),
        "Promised to": day(last.period.ends_on) if last else "no payment yet",
        "Payments": _payments(budget),
        "Clawback outstanding": format_pounds(
            sum(clawback.outstanding_pence for clawback in budget.clawbacks.values())
        ),
    }
    if payee is not None:
        standing["Payee"] = f"{words(payee.payee_type)}, {payee.payee_reference[:8]}"
    if contribution is not None:
        most = "the full cost"
        if not contribution.full_cost:
            most = f"{format_pounds(contribution.weekly_pence)} a week at most"
        standing["Contribution"] = f"{most}, {contribution.basis}"
    return standing


def _payments(budget: PersonalBudget) -> str:
    """How many payments there are, by where each stands: 3 paid, 1 scheduled."""
    counts: defaultdict[str, int] = defaultdict(int)
    for payment in budget.payments.values():
        counts[payment.status] += 1
    return ", ".join(f"{count} {words(status)}" for status, count in counts.items()) or "none"
