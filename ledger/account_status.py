"""How an account stands, for those who help with it: whether money comes, and what is to be done.

Pure, and discreet: it says what would release a payment, and neither why somebody is in hospital
nor that anybody died.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

import msgspec

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.errors import Refusal
from ledger.projections.words import day
from ledger.reminders import next_review_on
from ledger.statements.statement import coming_payment

AccountState = Literal["not_started", "paid", "held", "ended"]
STATES: dict[AccountState, str] = {
    "not_started": "Payments have not started yet.",
    "paid": "Payments are being made.",
    "held": "Payments are held.",
    "ended": "The personal budget has ended.",
}
ReturnState = Literal["none", "due", "overdue"]

_DAY = timedelta(days=1)


class NextPayment(msgspec.Struct, frozen=True):
    """The payment that comes next. `pay_on` is null where no pay day is known yet.

    While it is held nothing is paid: `held_because` says why, and `released_by` what would let
    it go. `amount_pence` is null for who may not see amounts, and while it is held."""

    pay_on: date | None
    is_held: bool
    held_because: tuple[str, ...]
    released_by: tuple[str, ...]
    amount_pence: int | None


class ToContact(msgspec.Struct, frozen=True):
    """One way to reach the council: `way` is such as "Phone"."""

    way: str
    details: str


class AccountStatus(msgspec.Struct, frozen=True):
    """How an account stands on a day. `next_payment` is null if none is due."""

    budget_reference: str
    on: date
    state: AccountState
    next_payment: NextPayment | None
    spend_return: ReturnState
    spend_return_due_on: date | None
    review_due_on: date | None
    contact: tuple[ToContact, ...]


class _Hold(NamedTuple):
    because: str
    released_by: str


_ASK = "The council settling a question. Call the council."
HOLDS: dict[str, _Hold] = {
    "budget-is-closed": _Hold("The personal budget has ended.", "Nothing: no more is paid."),
    "recipient-excluded": _Hold("A direct payment cannot be made.", "A new decision."),
    "offer-not-accepted": _Hold(
        "The offer of a direct payment is not accepted yet.", "The person accepting the offer."
    ),
    "agreement-not-signed": _Hold(
        "The agreement is not signed yet.", "The person signing the agreement."
    ),
    "payee-not-verified": _Hold(
        "The account to pay into is not checked yet.", "The council checking the account."
    ),
    "payee-in-doubt": _Hold(
        "The account to pay into has to be checked again.",
        "The council checking the account, or other account details.",
    ),
    "no-allocation-in-force": _Hold(
        "No support is paid as a direct payment then.", "Support being agreed."
    ),
    "service-fund-not-held": _Hold(
        "Nobody holds the service fund yet.", "The council naming the provider."
    ),
    "payments-are-suspended": _Hold("Payments are suspended.", _ASK),
    # A death is spoken of in person.
    "estate-case-is-open": _Hold("The council has a question.", _ASK),
    "returned-payment-not-settled": _Hold(
        "An earlier payment did not arrive.",
        "The right account details, or the council settling the payment.",
    ),
}
"""Why nothing is paid and what would change it, by the code of each gate of a payment."""

_SUSPENSION_ENDS = {
    "return_missing": "The spend return being sent in.",
    "account_query": "An answer to the council's question about the account.",
}
"""What ends a suspension, where its reason is the account's own; any other is the person's."""


def account_status(
    budget: PersonalBudget,
    today: date,
    next_pay_day: date | None,
    contact: Sequence[ToContact],
    *,
    with_amounts: bool,
) -> AccountStatus:
    """How a budget stands on a day. `next_pay_day` is the pay calendar's, if there is one."""
    next_payment = _next_payment(budget, today, next_pay_day, with_amounts)
    spend_return, due_on = _spend_return(budget, today)
    is_over = budget.closed is not None and budget.closed.effective_on < today
    if is_over:
        state: AccountState = "ended"
    elif not any(payment.stands for payment in budget.payments.values()):
        state = "not_started"
    else:
        state = "held" if next_payment is not None and next_payment.is_held else "paid"
    return AccountStatus(
        budget_reference=budget.reference,
        on=today,
        state=state,
        next_payment=next_payment,
        spend_return=spend_return,
        spend_return_due_on=due_on,
        review_due_on=None if is_over else next_review_on(budget),
        contact=tuple(contact),
    )


def _next_payment(
    budget: PersonalBudget, today: date, next_pay_day: date | None, with_amounts: bool
) -> NextPayment | None:
    coming = coming_payment(budget, today - _DAY)
    if coming is None:
        return None
    amount_pence = coming.amount_pence if with_amounts else None
    if coming.pay_on is not None:
        return NextPayment(coming.pay_on, False, (), (), amount_pence)
    pay_on = next_pay_day or max(today, coming.period.starts_on)
    holds = [
        _hold(budget, refusal, pay_on) for refusal in budget.failed_gates(coming.period, pay_on)
    ]
    if holds:
        because, released_by = zip(*dict.fromkeys(holds), strict=True)
        return NextPayment(next_pay_day, True, because, tuple(dict.fromkeys(released_by)), None)
    if not coming.amount_pence:
        return None
    return NextPayment(next_pay_day, False, (), (), amount_pence)


def _hold(budget: PersonalBudget, refusal: Refusal, pay_on: date) -> _Hold:
    hold = HOLDS[refusal.code]
    suspension = budget.suspension_on(pay_on)
    if refusal.code != "payments-are-suspended" or suspension is None:
        return hold
    released_by = _SUSPENSION_ENDS.get(suspension.reason_code, hold.released_by)
    if suspension.ends_on < date.max:
        released_by = f"{released_by} It ends by itself after {day(suspension.ends_on)}."
    return hold._replace(released_by=released_by)


def _spend_return(budget: PersonalBudget, today: date) -> tuple[ReturnState, date | None]:
    """The return that is due first of those that are still to come."""
    awaited = [
        one for one in budget.spend_returns.values() if one.status in ("requested", "queried")
    ]
    if not awaited:
        return "none", None
    first = min(awaited, key=lambda one: one.due_on)
    return "overdue" if first.overdue_on(today) else "due", first.due_on
