"""A statement of a budget for a period: what was owed, paid and put right, row by row.

The balance is what the council owes the person, or the person the council if it is negative:
adjustments of days already paid or invoiced, payments promised and not yet made, and payments
sent back and held; less contributions invoiced and unpaid, and clawbacks confirmed and not yet
paid back. Days that no payment covers yet are not in it: they are owed with the next payment.

It is worked out by replaying the history event by event, so that an adjustment stands with the
event that caused it; the payment that later contains it only *settles* it. A row's day is the
day its money moves. A change of terms moves none, however far back it takes effect: its row
stands on the day it was recorded in England, because the balance changed then, and a financial
assessment's on the day it was decided. Rows are in order of day, then of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from ledger.aggregates import allocations, care_decisions, clawbacks, contributions, suspensions
from ledger.aggregates import payments as paying
from ledger.aggregates.clawbacks import Deduction
from ledger.aggregates.event_sourced import Event, Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import next_period
from ledger.dates import Period, day_in_england
from ledger.entitlement import EntitlementLine, LineKind, adjustments, charges
from ledger.errors import BudgetNotFound
from ledger.recalculation import WeeklyChange, weekly
from ledger.statements.wording import (
    NEVER_CHANGES_WHAT_IS_OWED,
    NOT_PAID_BECAUSE,
    WORDS,
    new_days,
    suspended,
)


class AdjustedDays(msgspec.Struct, frozen=True):
    """What one part of the days paid or invoiced together comes to more, or less, than before.

    Positive is owed to the person, whatever the part."""

    window: Period
    kind: LineKind
    amount_pence: int


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """The money of one row, or of several together.

    `net_pence` is `gross_pence` plus `contribution_pence`, which is negative. `adjustments_pence`
    is what days already paid or invoiced became worth more. Of a payment, `settled_pence` are
    such adjustments, counted when they arose, and `deducted_pence` what was kept back for a
    clawback: it is net plus settled less deducted. `paid_pence` left the council's account and
    is negative where it came back; `received_pence` came in from the person."""

    gross_pence: int = 0
    contribution_pence: int = 0
    net_pence: int = 0
    adjustments_pence: int = 0
    settled_pence: int = 0
    deducted_pence: int = 0
    invoiced_pence: int = 0
    asked_back_pence: int = 0
    received_pence: int = 0
    paid_pence: int = 0

    @property
    def charged_pence(self) -> int:
        """What the person paid in, less what they were charged or asked to pay back."""
        return self.received_pence - self.invoiced_pence - self.asked_back_pence

    @property
    def change_pence(self) -> int:
        """What the balance changes by."""
        return self.net_pence + self.adjustments_pence + self.charged_pence - self.paid_pence


class StatementRow(Amounts, frozen=True):
    """One fact that moved money or changed what is owed; `versions` are the events behind it.

    `reference` is that of the payment, invoice, receipt, clawback or assessment. `adjusted`
    breaks `adjustments_pence` down by the days they put right, `settled` `settled_pence`, and
    `deductions` what was kept back of a payment by clawback."""

    on: date
    versions: tuple[int, ...]
    what: str
    reason: str
    reference: str = ""
    days: Period | None = None
    adjusted: tuple[AdjustedDays, ...] = ()
    settled: tuple[AdjustedDays, ...] = ()
    deductions: tuple[Deduction, ...] = ()
    balance_pence: int = 0


class ComingPayment(msgspec.Struct, frozen=True):
    """The payment after the period: promised, or what it would be if nothing changes.

    A promised one has a reference and a day. `carried_pence` is what is left to take off later
    payments (negative). While anything is in `held_back_by`, nothing is paid."""

    period: Period
    pay_on: date | None
    payment_reference: str
    amount_pence: int
    carried_pence: int
    held_back_by: tuple[str, ...]


class Statement(msgspec.Struct, frozen=True):
    """A budget's money in a period. `weekly` is what a week was worth on its last day.

    `suspensions` say in words what is suspended on that day or later, and why."""

    reference: str
    period: Period
    known_at: datetime | None
    opening_pence: int
    rows: tuple[StatementRow, ...]
    totals: Amounts
    closing_pence: int
    weekly: WeeklyChange
    coming_payment: ComingPayment | None
    suspensions: tuple[str, ...] = ()


def statement_of(
    reference: str, history: Iterable[Recorded], period: Period, known_at: datetime | None = None
) -> Statement:
    """The statement of a budget for a period, as known now or at a moment.

    `history` is all of its events in order. Raises `BudgetNotFound` if nothing was known.
    """
    known = [h for h in history if known_at is None or h.event.recorded_at <= known_at]
    if not known:
        raise BudgetNotFound(f"There is no personal budget {reference}.", reference=reference)
    replay = _Replay(reference)
    for recorded in known:
        replay.take(recorded)
    rows = sorted(replay.rows, key=lambda row: (row.on, row.versions))
    opening = _sum(rows, "change_pence", before=period.starts_on)
    balance, within = opening, []
    for row in rows:
        if period.contains(row.on):
            balance += row.change_pence
            within.append(msgspec.structs.replace(row, balance_pence=balance))
    return Statement(
        reference=reference,
        period=period,
        known_at=known_at,
        opening_pence=opening,
        rows=tuple(within),
        totals=Amounts(**{name: _sum(within, name) for name in Amounts.__struct_fields__}),
        closing_pence=balance,
        weekly=weekly(replay.budget.terms, period.ends_on),
        coming_payment=coming_payment(replay.budget, period.ends_on),
        suspensions=tuple(
            suspended(term) for term in replay.budget.suspensions if term.ends_on >= period.ends_on
        ),
    )


def _sum(rows: Iterable[StatementRow], name: str, before: date = date.max) -> int:
    return sum(getattr(row, name) for row in rows if row.on < before)


def owed_pence(budget: PersonalBudget) -> int:
    """What the council owes the person as the budget stands; negative: the person owes it."""
    payments = budget.payments.values()
    return (
        sum(_adjustments_due(budget).values())
        + sum(p.amount_pence for p in payments if p.status == "scheduled" or p.is_held)
        - budget.contribution_debt_pence
        - sum(clawback.outstanding_pence for clawback in budget.clawbacks.values())
    )


Part = tuple[Period, LineKind]


def _adjustments_due(budget: PersonalBudget) -> Counter[Part]:
    """What days already paid, and days already invoiced, are to be put right by."""
    due: Counter[Part] = Counter()
    for line in budget.adjustments_due():
        due[line.window, line.kind] += line.amount_pence
    for line in adjustments(budget.terms, budget.charged_lines, worked_out=charges):
        due[line.window, line.kind] -= line.amount_pence
    return due


def coming_payment(budget: PersonalBudget, after: date) -> ComingPayment | None:
    """The first payment promised for a day after another; else what the next would be.

    One that came back, or that the bank did not take, is none: it is held or sent again."""
    later = [
        (payment.pay_on, reference, payment)
        for reference, payment in budget.payments.items()
        if payment.pay_on > after and payment.stands and payment.held is None
    ]
    if later:
        pay_on, reference, payment = min(later, key=lambda found: found[:2])
        return ComingPayment(payment.period, pay_on, reference, payment.amount_pence, 0, ())
    coming = next_period(budget, budget.terms.starts_on)
    due = budget.payment_due(coming)
    if budget.closed is not None and due.owed_pence <= 0:
        return None
    refusals = budget.failed_gates(coming, coming.starts_on)
    gates = tuple(NOT_PAID_BECAUSE[refusal.code] for refusal in refusals)
    return ComingPayment(coming, None, "", max(due.amount_pence, 0), min(due.owed_pence, 0), gates)


# --- the replay -----------------------------------------------------------------------------

_CHANGES_TERMS: frozenset[type[Event]] = frozenset(
    {
        allocations.AllocationAgreed,
        allocations.AllocationRevised,
        allocations.AllocationEnded,
        allocations.SwitchedToProvidedServices,
        allocations.DirectPaymentResumed,
        contributions.ContributionAssessed,
        contributions.FinancesAssessed,
        suspensions.PaymentsSuspended,
        suspensions.PaymentsResumed,
        care_decisions.BudgetClosed,
    }
)


class _Replay:
    """A budget lived through again, keeping a row for whatever changes what is owed."""

    def __init__(self, reference: str) -> None:
        self.budget = PersonalBudget(reference)
        self.rows: list[StatementRow] = []
        self._due: Counter[Part] = Counter()
        self._promised: dict[str, int] = {}

    def take(self, recorded: Recorded) -> None:
        """Apply one event; if it changes what is owed, add its row."""
        _, version, event = recorded
        self.budget.apply(event)
        if type(event) in NEVER_CHANGES_WHAT_IS_OWED or self._is_paid_as_promised(version, event):
            return
        before, self._due = self._due, _adjustments_due(self.budget)
        arisen = Counter(self._due)
        arisen.subtract(before)
        settled = _settled(event)
        arisen.update(settled)
        adjusted = _broken_down(arisen)
        if type(event) in _CHANGES_TERMS and not adjusted:
            return
        what, reason = WORDS[type(event)]
        moved: dict[str, int] = MOVES[type(event)](event) if type(event) in MOVES else {}
        if isinstance(event, paying.PaymentScheduled | paying.PaymentReissued):
            self._promised[event.payment_reference] = len(self.rows)
        self.rows.append(
            StatementRow(
                on=_day(event),
                versions=(version,),
                what=what,
                reason=reason(event, self.budget),
                reference=_reference(event),
                days=self._days(event),
                adjusted=adjusted,
                settled=_broken_down(settled),
                deductions=self._deductions(event),
                adjustments_pence=sum(arisen.values()),
                settled_pence=sum(settled.values()),
                **moved,
            )
        )

    def _is_paid_as_promised(self, version: int, event: Event) -> bool:
        """Whether it is a payment made on the day it was promised for: one row shows both."""
        if not isinstance(event, paying.PaymentConfirmed):
            return False
        place = self._promised[event.payment_reference]
        row = self.rows[place]
        if row.on != event.effective_on:
            return False
        self.rows[place] = msgspec.structs.replace(
            row,
            versions=(*row.versions, version),
            what="Care direct payment",
            paid_pence=event.amount_pence,
        )
        return True

    def _deductions(self, event: Event) -> tuple[Deduction, ...]:
        """What a payment that is promised has kept back; recorded just before it."""
        if not isinstance(event, paying.PaymentScheduled):
            return ()
        return self.budget.deductions_from(event.payment_reference)

    def _days(self, event: Any) -> Period | None:
        """The days a payment or an invoice is for, arrears included."""
        if isinstance(event, _HAS_LINES):
            return new_days(event.lines) or event.period
        payment = self.budget.payments.get(getattr(event, "payment_reference", ""))
        return payment.period if payment else None


_HAS_LINES = (
    paying.PaymentScheduled,
    contributions.ContributionInvoiced,
    contributions.ContributionCredited,
)


def _day(event: Event) -> date:
    """The day a row stands on; see the top."""
    if isinstance(event, contributions.FinancesAssessed):
        return event.decided_on
    if type(event) in _CHANGES_TERMS:
        return day_in_england(event.recorded_at)
    return event.effective_on


def _reference(event: Event) -> str:
    """The reference a row is known by: of a receipt rather than of what it pays."""
    names = ("receipt_reference", "payment_reference", "invoice_reference", "clawback_reference",
             "assessment_reference")  # fmt: skip
    return next((str(getattr(event, name)) for name in names if hasattr(event, name)), "")


_UNDOES = paying.PaymentCancelled | paying.PaymentRefunded
"""What makes open again what a payment settled."""


def _settled(event: Event) -> Counter[Part]:
    """The adjustments a payment contains, negative where it was cancelled or refunded."""
    settled: Counter[Part] = Counter()
    if isinstance(event, paying.PaymentScheduled | _UNDOES):
        sign = 1 if isinstance(event, paying.PaymentScheduled) else -1
        for line in event.lines:
            if line.adjustment:
                settled[line.window, line.kind] += sign * line.amount_pence
    return settled


def _broken_down(parts: Counter[Part]) -> tuple[AdjustedDays, ...]:
    return tuple(AdjustedDays(*part, pence) for part, pence in sorted(parts.items()) if pence)


# --- the money of each kind of event --------------------------------------------------------


def _support(lines: Sequence[EntitlementLine], sign: int) -> Iterator[tuple[str, int]]:
    """Gross, contribution and net of lines for days not paid before."""
    new = [line for line in lines if not line.adjustment]
    taken = sum(line.amount_pence for line in new if line.kind == "contribution")
    net = sum(line.amount_pence for line in new)
    yield "gross_pence", sign * (net - taken)
    yield "contribution_pence", sign * taken
    yield "net_pence", sign * net


def _scheduled(e: paying.PaymentScheduled) -> dict[str, int]:
    return {**dict(_support(e.lines, 1)), "deducted_pence": e.deducted_pence}


def _undone(e: paying.PaymentCancelled | paying.PaymentRefunded) -> dict[str, int]:
    deducted = sum(pence for _, pence in e.deductions)
    return {**dict(_support(e.lines, -1)), "deducted_pence": -deducted}


def _amount(name: str, sign: int = 1) -> Callable[[Any], dict[str, int]]:
    return lambda event: {name: sign * event.amount_pence}


MOVES: dict[type[Event], Callable[[Any], dict[str, int]]] = {
    paying.PaymentScheduled: _scheduled,
    paying.PaymentCancelled: _undone,
    paying.PaymentRefunded: _undone,
    paying.PaymentConfirmed: _amount("paid_pence"),
    paying.PaymentReturned: _amount("paid_pence", -1),
    contributions.ContributionInvoiced: _amount("invoiced_pence"),
    contributions.ContributionCredited: _amount("invoiced_pence", -1),
    contributions.ContributionReceived: _amount("received_pence"),
    clawbacks.ClawbackConfirmed: _amount("asked_back_pence"),
    clawbacks.ClawbackReceived: _amount("received_pence"),
    clawbacks.ClawbackWaived: _amount("asked_back_pence", -1),
}
"""What each kind of event moves; a reissue sends on what is held, which changes nothing owed."""
