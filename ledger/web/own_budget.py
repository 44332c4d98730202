"""What a recipient, and who acts for them, is told of their budget: in words, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple

from markupsafe import Markup

from ledger.aggregates.payments import Payment, PaymentStatus
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.budget_looks import SEEN, BudgetLook
from ledger.dates import Period, day_in_england
from ledger.outbox.register import LetterEntry
from ledger.projections.words import day, words
from ledger.statements.wording import days, new_days, pounds
from ledger.web.charts import Bar, bar_chart

PAYMENTS_SHOWN = 13
"""A year of four-weekly payments."""

_STATUS: dict[PaymentStatus, str] = {
    "scheduled": "Sent",
    "confirmed": "Paid",
    "returned": "Came back to us",
    "rejected": "The bank did not take it",
    "reissued": "Came back, and is sent again",
    "refunded": "Came back to us",
}


class PaymentTold(NamedTuple):
    """One payment as its recipient reads it."""

    pay_on: date
    amount_pence: int
    status: str
    why: str


class LetterTold(NamedTuple):
    """One letter as its recipient chooses it."""

    letter_reference: str
    what: str
    on: date


class LooksTold(NamedTuple):
    """How often somebody saw the same on a day."""

    on: date
    looked_by: str
    organisation: str
    seen: str
    times: int


def payments_told(budget: PersonalBudget, today: date) -> list[PaymentTold]:
    """Every payment that was made or is promised, the newest first, and what it is made up of."""
    told = [
        PaymentTold(
            payment.pay_on,
            payment.amount_pence,
            "To be paid"
            if payment.status == "scheduled" and payment.pay_on > today
            else _STATUS[payment.status],
            _why(payment),
        )
        for payment in budget.payments.values()
        if payment.status != "cancelled"
    ]
    return sorted(told, key=lambda one: one.pay_on, reverse=True)


def payments_picture(payments: Iterable[PaymentTold]) -> Markup:
    """The same payments as bars; what did not arrive is drawn otherwise, and said."""
    arrived = ("Paid", "Sent", "To be paid")
    return bar_chart(
        "What was paid",
        [
            Bar(
                f"{day(one.pay_on)}: {one.status.lower()}",
                one.amount_pence,
                "bar" if one.status in arrived else "bar bar--held",
            )
            for one in payments
        ],
    )


def _why(payment: Payment) -> str:
    if payment.reissue_of:
        return f"The payment {payment.reissue_of}, sent again."
    period = new_days(payment.lines) or payment.period
    return f"For {days(period)}: {', '.join(_parts(payment))}."


def _parts(payment: Payment) -> Iterator[str]:
    new = [line for line in payment.lines if not line.adjustment]
    contribution = sum(line.amount_pence for line in new if line.kind == "contribution")
    earlier = sum(line.amount_pence for line in payment.lines if line.adjustment)
    yield f"{pounds(sum(line.amount_pence for line in new) - contribution)} of support"
    if contribution:
        yield f"less {pounds(-contribution)} contribution"
    if earlier:
        how = "plus" if earlier > 0 else "less"
        yield f"{how} {pounds(abs(earlier))} put right for earlier days"
    if payment.deducted_pence:
        yield f"less {pounds(payment.deducted_pence)} for money to be paid back"


def letters_told(letters: list[LetterEntry]) -> list[LetterTold]:
    """Letters in the order given."""
    return [
        LetterTold(
            one.letter_reference,
            words(one.kind).capitalize(),
            day_in_england(datetime.fromisoformat(one.queued_at)),
        )
        for one in letters
    ]


def looks_told(looks: list[BudgetLook]) -> list[LooksTold]:
    """Looks day by day in the order given: who saw what, and how often."""
    times: dict[tuple[date, str, str, str], int] = {}
    for look in looks:
        on = day_in_england(datetime.fromisoformat(look.looked_at))
        key = (on, look.looked_by, look.organisation_reference, SEEN[look.seen])
        times[key] = times.get(key, 0) + 1
    return [LooksTold(*key, many) for key, many in times.items()]


def statement_years(budget: PersonalBudget, today: date) -> list[Period]:
    """The council's years from the opening to today, 1 April to 31 March, the newest first."""
    assert budget.opened is not None, "a loaded budget has been opened"
    first = budget.opened.effective_on
    years = range(today.year - (today.month < 4), first.year - (first.month < 4) - 1, -1)
    return [Period(date(year, 4, 1), date(year + 1, 3, 31)) for year in years]
