"""Reminders: what people have to see to, worked out from budgets and cycles and stored nowhere.

Each stands for as long as its cause does, so none can be lost, and none is raised twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Literal, NamedTuple

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.pay_calendar import months_after

Kind = Literal[
    "return_due",
    "return_overdue",
    "review_due",
    "suspension_review_due",
    "hold_expires",
    "resumption_to_confirm",
    "file_not_settled",
]

KINDS: dict[Kind, str] = {
    "return_due": "A spend return is due soon.",
    "return_overdue": "A spend return is overdue.",
    "review_due": "The direct payment is to be reviewed.",
    "suspension_review_due": "A suspension is to be reviewed.",
    "hold_expires": "A suspension ends by itself soon.",
    "resumption_to_confirm": "Someone proposed to resume payments, and nobody has done so.",
    "file_not_settled": "A bank file was issued, and nobody has said that the bank paid it.",
}


class Reminder(NamedTuple):
    """Something to see to by a day; `reference` is the budget's or the cycle's."""

    due_on: date
    kind: Kind
    reference: str
    detail: str = ""


class Notice(NamedTuple):
    """How many days people are told before: a return or a review is due, a suspension expires.

    `unsettled` is how many days after a pay date."""

    returns: int
    reviews: int
    unsettled: int
    holds: int


class CycleIssued(NamedTuple):
    """A cycle whose file is with the bank."""

    reference: str
    pay_on: date


def reminders(
    budgets: Iterable[PersonalBudget], issued: Iterable[CycleIssued], today: date, notice: Notice
) -> list[Reminder]:
    """Everything to see to on a day, the longest overdue first."""
    found = [reminder for budget in budgets for reminder in of_budget(budget, today, notice)]
    for cycle in issued:
        due_on = cycle.pay_on + timedelta(days=notice.unsettled)
        if due_on <= today:
            found.append(Reminder(due_on, "file_not_settled", cycle.reference))
    return sorted(found)


def of_budget(budget: PersonalBudget, today: date, notice: Notice) -> Iterator[Reminder]:
    """What one budget asks for. After closing only its returns do."""
    for reference, spend_return in budget.spend_returns.items():
        due_on = spend_return.due_on
        if spend_return.overdue_on(today):
            yield Reminder(due_on, "return_overdue", budget.reference, reference)
        elif spend_return.status in ("requested", "queried") and (
            due_on <= today + timedelta(days=notice.returns)
        ):
            yield Reminder(due_on, "return_due", budget.reference, reference)
    if budget.closed is not None and budget.closed.effective_on < today:
        return
    review_on = next_review_on(budget)
    if review_on is not None and review_on <= today + timedelta(days=notice.reviews):
        yield Reminder(review_on, "review_due", budget.reference)
    yield from _of_suspensions(budget, today, notice)


def _of_suspensions(budget: PersonalBudget, today: date, notice: Notice) -> Iterator[Reminder]:
    """Each is named by its reason. Nobody is told of one that was ended or has expired."""
    for term in budget.suspensions:
        if term.is_resumed or term.ends_on < today:
            continue
        if term.review_on is not None and term.review_on <= today:
            yield Reminder(
                term.review_on, "suspension_review_due", budget.reference, term.reason_code
            )
        if term.ends_on <= today + timedelta(days=notice.holds):
            yield Reminder(term.ends_on, "hold_expires", budget.reference, term.reason_code)
    for proposed in budget.resumptions_proposed.values():
        yield Reminder(
            proposed.effective_on, "resumption_to_confirm", budget.reference, proposed.reason_code
        )


def next_review_on(budget: PersonalBudget) -> date | None:
    """The day by which the direct payment must be reviewed next (SI 2014/2871, regulation 7).

    Within six months of the first payment, then at most twelve months after each review. Only
    a review after the first payment counts; None before there is one.
    """
    paid = [p.pay_on for p in budget.payments.values() if p.stands and not p.is_held]
    if not paid:
        return None
    first_paid_on = min(paid)
    if budget.reviewed_on is not None and budget.reviewed_on >= first_paid_on:
        return months_after(budget.reviewed_on, 12)
    return months_after(first_paid_on, 6)
