"""The remittance advice: what one payment is made up of, line by line, to the penny."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from ledger.aggregates.payments import PaymentReissued, PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.entitlement import EntitlementLine
from ledger.letters.changes import need_of
from ledger.letters.letter import Part, Row, Table
from ledger.projections.words import day, words
from ledger.statements.wording import days, new_days, pounds

Promised = PaymentScheduled | PaymentReissued

NextPayDay = Callable[[date], date | None]
"""The pay day that follows a pay day, where a pay calendar says so."""

KIND = "remittance_advice"
_WEEKLY = ("allocation", "retainer")

_LOOK_IN_THE_ACCOUNT = (
    "If it is not in the account at the end of that day, or something looks wrong, call us."
)
_ASK_THE_PROVIDER = (
    "Ask the provider at any time what it holds for you and what it spent. If something looks "
    "wrong, call us."
)


def advice(e: Promised, budget: PersonalBudget, next_pay_day: NextPayDay) -> Part:
    """The advice of one payment, from the budget as it stood when the payment was promised."""
    payment = budget.payments[e.payment_reference]
    period = new_days(payment.lines) or payment.period
    rows = tuple(_rows(e, budget))
    facts = [
        ("Amount", pounds(e.amount_pence)),
        ("Paid on", day(e.effective_on)),
        ("For", days(period)),
        ("Payment", e.payment_reference),
    ]
    following = next_pay_day(e.effective_on)
    if following is not None and _goes_on(budget, period, following):
        facts.append(("Next payment due on", day(following)))
    amount, when = pounds(e.amount_pence), day(e.effective_on)
    if e.provider_reference:
        facts.append(("Held by", f"the provider {e.provider_reference}"))
        said = f"We are paying {amount} for your care and support to the provider who holds the "
        said += (
            f"money for you. The provider will have it on {when}, with what it holds for others."
        )
        subject, look = f"{amount} paid to your provider for you", _ASK_THE_PROVIDER
    else:
        said = f"We are paying {amount} for your care and support. It will be in the account on "
        said += f"{when}."
        subject, look = f"Your care direct payment of {amount}", _LOOK_IN_THE_ACCOUNT
    return Part(
        kind=KIND,
        subject=subject,
        paragraphs=(said, *_also(e, budget)),
        facts=tuple(facts),
        table=Table("What this payment is made up of", rows, "Total paid"),
        to_do=(look,),
        payee_reference=e.payee_reference,
    )


def _goes_on(budget: PersonalBudget, period: Period, following: date) -> bool:
    """Whether another payment is to be expected, as far as is known."""
    if budget.closed is not None and budget.closed.effective_on <= period.ends_on:
        return False
    stopped = budget.suspension_on(following)
    return stopped is None or bool(stopped.retainer_weekly_pence)


def _also(e: Promised, budget: PersonalBudget) -> Iterator[str]:
    if isinstance(e, PaymentReissued):
        held = budget.payments[e.reissue_of].held
        came_back = held is not None and held.status == "returned"
        yield (
            "We paid this before and the bank sent it back. We are now sending it again."
            if came_back
            else "We tried to pay this before, but the bank did not take it. We are trying again."
        )
        return
    unpaid = [line.starts_on for line in e.lines if line.kind in _WEEKLY and not line.adjustment]
    if unpaid and min(unpaid) < e.period.starts_on:
        yield f"It also pays for days from {day(min(unpaid))} that we had not paid for before."
    put_right = sum(line.amount_pence for line in e.lines if line.adjustment)
    if put_right > 0:
        yield f"This payment is {pounds(put_right)} more, to put earlier days right."
    elif put_right < 0:
        yield f"This payment is {pounds(-put_right)} less, to put earlier days right."
    if e.deducted_pence:
        yield f"We have taken off {pounds(e.deducted_pence)} of the money you need to pay back."


def _rows(e: Promised, budget: PersonalBudget) -> Iterator[Row]:
    if isinstance(e, PaymentReissued):
        before = budget.payments[e.reissue_of]
        what = f"The payment of {day(before.pay_on)}, sent again"
        yield Row(what, days(before.period), e.amount_pence)
        return
    for line in e.lines:
        yield Row(_what(line, need_of(budget, line.line_reference)), _for(line), line.amount_pence)
    for deduction in budget.deductions_from(e.payment_reference):
        left = deduction.left_pence
        rest = f"{pounds(left)} is left to pay back" if left else "nothing is left to pay back"
        yield Row(f"Paid back: {deduction.clawback_reference}", rest, -deduction.amount_pence)


def _what(line: EntitlementLine, need: str) -> str:
    if line.kind == "contribution":
        what = f"your contribution to {need}"
    elif line.kind == "retainer":
        what = f"{need} ({words(line.funding_stream)}), while you are paid less"
    else:
        once = ", once" if line.kind == "one_off" else ""
        what = f"{need} ({words(line.funding_stream)}){once}"
    if line.adjustment:
        return f"Put right: {what}"
    return what[:1].upper() + what[1:]


def _for(line: EntitlementLine) -> str:
    """The days a line is for; those it puts right, if it does."""
    if line.adjustment:
        return days(line.window)
    span = days(Period(line.starts_on, line.ends_on))
    return f"{span}, {pounds(abs(line.weekly_pence))} a week" if line.weekly_pence else span
