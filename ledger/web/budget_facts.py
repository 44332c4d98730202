"""What the page of a budget says of it, worked out by the budget itself; no store and no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from markupsafe import Markup

from ledger.aggregates.payees import Payee, answered
from ledger.aggregates.payments import Payment
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import next_period
from ledger.dates import WorkingDays
from ledger.money import format_pounds
from ledger.projections.payee_words import modulus
from ledger.projections.words import begun, day, words
from ledger.reminders import Kind, Notice, Reminder, of_budget
from ledger.statements.wording import days
from ledger.terms import FOR_EVER, SuspensionTerm
from ledger.web.charts import Bar, bar_chart

EVERYTHING = Notice(returns=10_000, reviews=10_000, unsettled=0, holds=10_000)
"""Told of whatever comes, however far off it is."""

COMES: dict[Kind, str] = {
    "payment_came_back": "Act on the payment that came back",
    "estate_case_open": "Decide the estate case",
    "return_overdue": "Overdue: the spend return",
    "return_due": "The spend return is due",
    "review_due": "Review the direct payment",
    "suspension_review_due": "Review the suspension",
    "hold_expires": "The suspension ends by itself",
    "resumption_to_confirm": "Payments are proposed to resume; someone else must do it",
}
"""What is to be done on a budget, in the words of its page."""

STATUS: dict[str, str] = {
    "scheduled": "promised",
    "confirmed": "paid",
    "returned": "sent back by the bank",
    "rejected": "not taken by the bank",
    "reissued": "sent again",
    "refunded": "refunded to the budget",
    "cancelled": "cancelled",
}
"""Where a payment stands, in the words of the page."""

_BARS = {"confirmed": "bar", "scheduled": "bar bar--other"}


class Standing(NamedTuple):
    """Where the budget stands in a word or two, and the class of its tag."""

    text: str
    classes: str


class Coming(NamedTuple):
    """The payment that comes next, if nothing changes, and what stands in its way."""

    period: str
    amount_pence: int
    stopped_by: list[str]


class ToDo(NamedTuple):
    """Something to be done by a day."""

    due_on: date
    what: str
    is_late: bool


def budget_facts(
    budget: PersonalBudget, accounts: Mapping[str, str], today: date, working_days: WorkingDays
) -> dict[str, Any]:
    """Everything that the template is told; `accounts` are the last digits by payee reference."""
    coming = _coming(budget, today)
    return {
        "today": today,
        "standing": _standing(budget, coming, today),
        "coming": coming,
        "to_do": list(_to_do(budget, today, working_days)),
        "payee": _shown(budget.payee, accounts) if budget.payee else "",
        "proposed_payees": [_shown(p, accounts) for p in budget.proposed_payees.values()],
        "contribution": budget.contribution_on(today),
        "lines": budget.lines_in_force(today),
        "suspensions": [_suspended(t) for t in budget.suspensions if t.in_force_on(today)],
        "payments": list(reversed(budget.payments.items())),
        "payments_chart": payments_chart,
        "spend_chart": _spend_chart(budget),
        "payment_status": STATUS,
    }


def _standing(budget: PersonalBudget, coming: Coming | None, today: date) -> Standing:
    if budget.closed is not None and budget.closed.effective_on < today:
        return Standing("Closed", "govuk-tag--grey")
    if budget.suspension_on(today) is not None:
        return Standing("Suspended", "govuk-tag--yellow")
    if coming is None or coming.stopped_by:
        return Standing("Nothing can be paid", "govuk-tag--orange")
    return Standing("In payment", "govuk-tag--green")


def _coming(budget: PersonalBudget, today: date) -> Coming | None:
    if budget.closed is not None and budget.closed.effective_on < today:
        return None
    period = next_period(budget, today)
    stopped_by = [str(refusal) for refusal in budget.failed_gates(period, period.starts_on)]
    return Coming(days(period), max(budget.payment_due(period).amount_pence, 0), stopped_by)


def _to_do(budget: PersonalBudget, today: date, working_days: WorkingDays) -> Iterator[ToDo]:
    """What is to be done, the soonest first."""
    for reminder in sorted(of_budget(budget, today, EVERYTHING, working_days)):
        yield ToDo(reminder.due_on, _what(reminder), reminder.due_on < today)
    for clawback_reference, clawback in budget.clawbacks.items():
        if clawback.status == "notified" and clawback.respond_by is not None:
            what = f"The person may answer the clawback {clawback_reference} until then"
            yield ToDo(clawback.respond_by, what, is_late=False)


def _what(reminder: Reminder) -> str:
    about = f": {words(reminder.detail)}" if reminder.detail else ""
    return f"{COMES[reminder.kind]}{about}"


def _shown(payee: Payee, accounts: Mapping[str, str]) -> str:
    """Who is paid and where, with what the checks said; of the account its last digits."""
    parts = [f"{begun(words(payee.payee_type))}, account {accounts[payee.payee_reference]}"]
    if payee.modulus_check:
        parts.append(modulus(payee.modulus_check, payee.modulus_table_version))
    if payee.name_check:
        parts.append(answered(payee.name_check, payee.name_checked_with))
    if payee.verified_on is None:
        parts.append(f"proposed by {payee.proposed_by}")
    return "; ".join(parts)


def _suspended(term: SuspensionTerm) -> str:
    retainer = term.retainer_weekly_pence
    how = f"down to {format_pounds(retainer)} a week" if retainer else "in full"
    until = "until resumed" if term.ends_on == FOR_EVER else f"to {day(term.ends_on)}"
    meanwhile = words(term.interim_arrangement)
    review = f". To be reviewed on {day(term.review_on)}" if term.review_on else ""
    return (
        f"{begun(how)} from {day(term.starts_on)} {until}: {words(term.reason_code)}"
        + (f". Meanwhile: {meanwhile}" if meanwhile else "")
        + review
    )


# --- pictures -------------------------------------------------------------------------------


def payments_chart(payments: list[tuple[str, Payment]]) -> Markup:
    """The payments as bars, in the order they are in; those that were cancelled are left out."""
    bars = [
        Bar(
            f"{days(payment.period)}: {STATUS[payment.status]}",
            payment.amount_pence,
            _BARS.get(payment.status, "bar bar--held"),
        )
        for _, payment in payments
        if payment.status != "cancelled"
    ]
    return bar_chart("Payments by period", bars, name="payments-chart")


def _spend_chart(budget: PersonalBudget) -> Markup:
    """What came in and what was spent, return by return, the latest first."""
    bars: list[Bar] = []
    for spend_return in reversed(budget.spend_returns.values()):
        sent = spend_return.submitted
        if sent is not None:
            period = days(spend_return.period)
            bars.append(Bar(f"{period}: came in", sent.money_in_pence))
            bars.append(Bar(f"{period}: spent", sent.spending_pence, "bar bar--other"))
    return bar_chart("Money in against money spent", bars, name="spend-chart")
