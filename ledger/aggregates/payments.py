"""Payments: what is promised, what the bank did with it, and what would be paid now.

The decisions stand in `personal_budget`, which knows everything a payment depends on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from ledger.aggregates.clawbacks import ClawbackDeducted
from ledger.aggregates.event_sourced import Event, Said
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, FundingTotal, funding_totals

ReturnReason = Literal["0", "2", "3", "5", "B", "C"]
"""Bacs ARUCS codes: invalid details, deceased, transferred, no account, closed, requested."""


class PaymentScheduled(Event):
    """Money promised for a period; it leaves with the cycle's bank file on `effective_on`.

    `amount_pence` is the sum of the lines less `deducted_pence` (clawback instalments)."""

    payment_reference: str
    cycle_reference: str
    payee_reference: str
    period: Period
    lines: tuple[EntitlementLine, ...]
    amount_pence: int
    deducted_pence: int = 0


class PaymentConfirmed(Event):
    """The money left the council's account."""

    payment_reference: str
    cycle_reference: str
    amount_pence: int
    funding: tuple[FundingTotal, ...] = ()


class PaymentReturned(Event):
    """The bank sent the money back; it is held in suspense, not lost to the budget."""

    payment_reference: str
    cycle_reference: str
    amount_pence: int
    reason_code: ReturnReason
    funding: tuple[FundingTotal, ...] = ()


class PaymentReissued(Event):
    """Returned money is sent again under a new reference with another cycle."""

    payment_reference: str
    reissue_of: str
    cycle_reference: str
    payee_reference: str
    amount_pence: int


class PaymentCancelled(Event):
    """A promised payment was withdrawn before any bank file; what it settled is open again."""

    payment_reference: str
    cycle_reference: str
    amount_pence: int
    lines: tuple[EntitlementLine, ...] = ()
    deductions: tuple[tuple[str, int], ...] = ()
    reissue_of: str = ""
    funding: tuple[FundingTotal, ...] = ()


class Payment(msgspec.Struct):
    """Where one payment stands."""

    cycle_reference: str
    payee_reference: str
    amount_pence: int
    period: Period
    pay_on: date
    status: Literal["scheduled", "confirmed", "returned", "reissued", "cancelled"] = "scheduled"
    lines: tuple[EntitlementLine, ...] = ()
    deducted_pence: int = 0
    reissue_of: str = ""

    @property
    def funding(self) -> tuple[FundingTotal, ...]:
        """What it comes to by funding stream and cost centre; adds up to the amount."""
        if not self.lines:
            return funding_totals((), reissued_pence=self.amount_pence)
        return funding_totals(self.lines, self.deducted_pence)


class PaymentDue(NamedTuple):
    """What would be paid for a period now: lines owed, less instalments of clawback."""

    lines: tuple[EntitlementLine, ...]
    deductions: tuple[tuple[str, int], ...]
    owed_pence: int

    @property
    def deducted_pence(self) -> int:
        return sum(pence for _, pence in self.deductions)

    @property
    def amount_pence(self) -> int:
        return self.owed_pence - self.deducted_pence


def payment_events(
    *,
    payment_reference: str,
    cycle_reference: str,
    payee_reference: str,
    period: Period,
    payment: PaymentDue,
    said: Said,
) -> Iterator[Event]:
    """The events that promise a payment: its clawback instalments, then the payment itself."""
    for clawback_reference, pence in payment.deductions:
        yield ClawbackDeducted(
            clawback_reference=clawback_reference,
            payment_reference=payment_reference,
            amount_pence=pence,
            **said,
        )
    yield PaymentScheduled(
        payment_reference=payment_reference,
        cycle_reference=cycle_reference,
        payee_reference=payee_reference,
        period=period,
        lines=payment.lines,
        amount_pence=payment.amount_pence,
        deducted_pence=payment.deducted_pence,
        **said,
    )
