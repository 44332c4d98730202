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
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec

from ledger.aggregates import (
    allocations,
    care_decisions,
    contributions,
    service_funds,
    suspensions,
)
from ledger.aggregates import payments as paying
from ledger.aggregates.clawbacks import Deduction
from ledger.aggregates.event_sourced import Event, Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import next_period
from ledger.dates import Period, day_in_england
from ledger.entitlement import LineKind, adjustments, charges
from ledger.errors import BudgetNotFound
from ledger.recalculation import WeeklyChange, weekly
from ledger.statements.moves import MOVES, Part, part_of, settled
from ledger.statements.wording import (
    NEVER_CHANGES_WHAT_IS_OWED,
    NOT_PAID_BECAUSE,
    PAID_BY,
    WORDS,
    new_days,
    suspended,
    what_of,
)
from ledger.terms import CHANNELS, Channel


class AdjustedDays(msgspec.Struct, frozen=True):
    """What one part of the days paid or invoiced together comes to more, or less, than before.

    Positive is owed to the person, whatever the part, and whoever holds the money."""

    window: Period
    kind: LineKind
    amount_pence: int
    channel: Channel = "direct_payment"


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """The money of one row, or of several together.

    `net_pence` is `gross_pence` plus `contribution_pence`, which is negative. `adjustments_pence`
    is what days already paid or invoiced became worth more. Of a payment, `settled_pence` are
    such adjustments, counted when they arose, and `deducted_pence` what was kept back for a
    clawback: it is net plus settled less deducted. `paid_pence` left the council's account, to
    the person or to a provider, and is negative where it came back; `received_pence` came in
    from the person, or from the provider of a service fund."""

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

    `reference` is that of the payment, invoice, receipt, clawback or assessment, and
    `provider_reference` that of the provider who holds the money of a payment. `adjusted`
    breaks `adjustments_pence` down by the days they put right, `settled` `settled_pence`, and
    `deductions` what was kept back of a payment by clawback."""

    on: date
    versions: tuple[int, ...]
    what: str
    reason: str
    reference: str = ""
    provider_reference: str = ""
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

    `coming_payment` is the next direct payment, `coming_fund_payment` the next one into the
    service fund. `suspensions` say in words what is suspended on that day or later, and why."""

    reference: str
    period: Period
    known_at: datetime | None
    opening_pence: int
    rows: tuple[StatementRow, ...]
    totals: Amounts
    closing_pence: int
    weekly: WeeklyChange
    coming_payment: ComingPayment | None
    coming_fund_payment: ComingPayment | None = None
    suspensions: tuple[str, ...] = ()

    @property
    def with_provider(self) -> bool:
        """Whether it tells of money that a provider holds."""
        return self.coming_fund_payment is not None or any(
            row.provider_reference for row in self.rows
        )


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
        coming_fund_payment=coming_payment(replay.budget, period.ends_on, "service_fund"),
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


def _adjustments_due(budget: PersonalBudget) -> Counter[Part]:
    """What days already paid, and days already invoiced, are to be put right by."""
    due: Counter[Part] = Counter()
    for channel in CHANNELS:
        for line in budget.adjustments_due(channel):
            due[part_of(line)] += line.amount_pence
    for line in adjustments(budget.terms, budget.charged_lines, worked_out=charges):
        due[part_of(line)] -= line.amount_pence
    return due


def coming_payment(
    budget: PersonalBudget, after: date, channel: Channel = "direct_payment"
) -> ComingPayment | None:
    """The first payment promised for a day after another; else what the next would be.

    One that came back, or that the bank did not take, is none: it is held or sent again. None
    where nothing more is to be expected."""
    later = [
        (payment.pay_on, reference, payment)
        for reference, payment in budget.payments.items()
        if payment.channel == channel
        and payment.pay_on > after
        and payment.stands
        and payment.held is None
    ]
    if later:
        pay_on, reference, payment = min(later, key=lambda found: found[:2])
        return ComingPayment(payment.period, pay_on, reference, payment.amount_pence, 0, ())
    coming = next_period(budget, budget.terms.starts_on)
    due = budget.payment_due(coming, channel)
    is_over = budget.closed is not None or not _is_expected(budget, channel)
    if is_over and due.owed_pence <= 0:
        return None
    refusals = budget.failed_gates(coming, coming.starts_on, channel=channel)
    gates = tuple(NOT_PAID_BECAUSE[refusal.code] for refusal in refusals)
    return ComingPayment(coming, None, "", max(due.amount_pence, 0), min(due.owed_pence, 0), gates)


def _is_expected(budget: PersonalBudget, channel: Channel) -> bool:
    """Whether a line is paid by a channel; a budget without lines is taken to be to be paid."""
    channels = {term.channel for term in budget.allocations} - {None}
    return channel in (channels or {"direct_payment"})


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
        contained = settled(event)
        arisen.update(contained)
        adjusted = _broken_down(arisen)
        if type(event) in _CHANGES_TERMS and not adjusted:
            return
        moved: dict[str, int] = MOVES[type(event)](event) if type(event) in MOVES else {}
        if isinstance(event, paying.PaymentScheduled | paying.PaymentReissued):
            self._promised[event.payment_reference] = len(self.rows)
        self.rows.append(
            StatementRow(
                on=_day(event),
                versions=(version,),
                what=what_of(event, self.budget),
                reason=WORDS[type(event)].reason(event, self.budget),
                reference=_reference(event),
                provider_reference=self._provider(event),
                days=self._days(event),
                adjusted=adjusted,
                settled=_broken_down(contained),
                deductions=self._deductions(event),
                adjustments_pence=sum(arisen.values()),
                settled_pence=sum(contained.values()),
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
            what=PAID_BY[self.budget.payments[event.payment_reference].channel],
            paid_pence=event.amount_pence,
        )
        return True

    def _provider(self, event: Event) -> str:
        """The provider who holds the money that a row is about, if one does."""
        if isinstance(event, service_funds.ServiceFundRepaid):
            return self.budget.fund_provider
        payment = self.budget.payments.get(getattr(event, "payment_reference", ""))
        return payment.provider_reference if payment else ""

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


def _broken_down(parts: Counter[Part]) -> tuple[AdjustedDays, ...]:
    return tuple(
        AdjustedDays(window, kind, pence, channel)
        for (window, kind, channel), pence in sorted(parts.items())
        if pence
    )
