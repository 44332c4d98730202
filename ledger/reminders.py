"""Reminders: what people have to see to, worked out from budgets and cycles and stored nowhere.

Each stands for as long as its cause does, so none can be lost, and none is raised twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal, NamedTuple

from ledger.aggregates.payments import ACT_WITHIN
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import WorkingDays
from ledger.pay_calendar import months_after

_DAY = timedelta(days=1)

Kind = Literal[
    "return_due",
    "return_overdue",
    "review_due",
    "suspension_review_due",
    "hold_expires",
    "resumption_to_confirm",
    "payment_came_back",
    "estate_case_open",
    "payee_in_doubt",
    "report_item_waits",
    "cycle_to_decide",
    "cycle_rejected",
    "cycle_to_issue",
    "file_not_acknowledged",
    "file_not_settled",
]

KINDS: dict[Kind, str] = {
    "return_due": "A spend return is due soon.",
    "return_overdue": "A spend return is overdue.",
    "review_due": "The direct payment is to be reviewed.",
    "suspension_review_due": "A suspension is to be reviewed.",
    "hold_expires": "A suspension ends by itself soon.",
    "resumption_to_confirm": "Someone proposed to resume payments, and nobody has done so.",
    "payment_came_back": "A payment came back, and is not settled.",
    "estate_case_open": "A death was reported, and the case is not decided.",
    "payee_in_doubt": "A later check speaks against the account in use; it is not paid into.",
    "report_item_waits": "Items of a bank's report fit no payment.",
    "cycle_to_decide": "A cycle waits for approval; after that day it cannot be paid in time.",
    "cycle_rejected": "A cycle was rejected: prepare it again, or cancel it.",
    "cycle_to_issue": "A cycle is approved, and its bank file is not made.",
    "file_not_acknowledged": "A bank file was issued, and no report says that the bank took it.",
    "file_not_settled": "A bank file was issued, and nobody has said that the bank paid it.",
}


class Reminder(NamedTuple):
    """Something to see to by a day; `reference` is the budget's, the cycle's or the report's."""

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


class CycleUnderWay(NamedTuple):
    """A cycle that is not over: prepared, rejected, approved, or with the bank.

    `send_by` is the last day on which its file can be sent; `is_taken` says that the bank took it.
    """

    reference: str
    status: str
    pay_on: date
    send_by: date
    is_taken: bool = False


def of_cycle(cycle: CycleUnderWay, today: date, notice: Notice) -> Iterator[Reminder]:
    """What one cycle asks for, from its preparation to its settlement."""
    waits_for: dict[str, Kind] = {
        "prepared": "cycle_to_decide",
        "rejected": "cycle_rejected",
        "approved": "cycle_to_issue",
    }
    if cycle.status in waits_for:
        yield Reminder(cycle.send_by, waits_for[cycle.status], cycle.reference)
        return
    if not cycle.is_taken and cycle.send_by < today:
        yield Reminder(cycle.send_by, "file_not_acknowledged", cycle.reference)
    settled_by = cycle.pay_on + timedelta(days=notice.unsettled)
    if settled_by <= today:
        yield Reminder(settled_by, "file_not_settled", cycle.reference)


def of_report(reference: str, reported_on: date, waiting: int) -> Reminder:
    """What one report asks for, of which so many items wait."""
    return Reminder(reported_on, "report_item_waits", reference, f"{waiting} item(s)")


def of_budget(
    budget: PersonalBudget, today: date, notice: Notice, days: WorkingDays
) -> Iterator[Reminder]:
    """What one budget asks for. After closing only its returns, its money and a death do."""
    for reference, payment in budget.held_payments.items():
        assert payment.held is not None, "what is held came back on a day"
        act_by = days.after(payment.held.on, ACT_WITHIN)
        yield Reminder(act_by, "payment_came_back", budget.reference, reference)
    if case := budget.undecided_estate_case:
        opened_on = budget.estate_cases[case].opened_on
        yield Reminder(opened_on, "estate_case_open", budget.reference, case)
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
    if budget.payee_doubts:
        yield Reminder(today, "payee_in_doubt", budget.reference, ", ".join(budget.payee_doubts))
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
    """The day by which the direct payment must be reviewed next; None before the first payment."""
    paid = [p.pay_on for p in budget.payments.values() if p.stands and not p.is_held]
    return review_due_on(min(paid), budget.reviewed_on) if paid else None


def review_due_on(first_paid_on: date, reviewed_on: date | None) -> date:
    """The day by which a direct payment must be reviewed (SI 2014/2871, regulation 7).

    Within six months of the first payment, then at most twelve months after each review. Only
    a review after the first payment counts.
    """
    if reviewed_on is not None and reviewed_on >= first_paid_on:
        return months_after(reviewed_on, 12)
    return months_after(first_paid_on, 6)


class DueBy(NamedTuple):
    """A review is due by some day if the last one was held, or else the first payment was made,
    on one of these days at the latest."""

    reviewed_on: date
    first_paid_on: date


def reviews_due_by(until: date) -> DueBy:
    """What makes a review due by a day: `review_due_on` the other way round."""
    return DueBy(_latest(until, 12), _latest(until, 6))


def _latest(until: date, months: int) -> date:
    """The latest day of which so many months after are not past another day."""
    latest = months_after(until, -months)
    while months_after(latest + _DAY, months) <= until:
        latest += _DAY
    return latest
