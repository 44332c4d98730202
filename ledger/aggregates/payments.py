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
from ledger.terms import Channel

ReturnReason = Literal["0", "2", "3", "5", "B", "C"]
"""Bacs ARUCS codes: invalid details, deceased, transferred, no account, closed, requested."""

BankRejection = Literal[
    "AC01", "AC04", "AC06", "AG01", "AM05", "BE01", "MD07", "RC01", "RR04", "input_error", "other"
]
"""Why a bank did not take a payment: ISO 20022 codes, or an error of the Bacs input report."""

ACT_WITHIN = 3
"""Working days within which money that came back should be acted on (Bacs returned credits)."""

DECEASED = frozenset({"2", "MD07"})
"""The reasons that report a death."""


class PaymentScheduled(Event):
    """Money promised for a period; it leaves with the cycle's bank file on `effective_on`.

    `amount_pence` is the sum of the lines less `deducted_pence` (clawback instalments). Where a
    provider is paid, it is part of the one credit with the `bulk_reference`, into the provider's
    account named by `payee_reference`."""

    payment_reference: str
    cycle_reference: str
    payee_reference: str
    period: Period
    lines: tuple[EntitlementLine, ...]
    amount_pence: int
    deducted_pence: int = 0
    channel: Channel = "direct_payment"
    provider_reference: str = ""
    bulk_reference: str = ""


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


class PaymentRejected(Event):
    """The bank did not take the payment: it never left, and is held until it is settled."""

    payment_reference: str
    cycle_reference: str
    amount_pence: int
    reason_code: BankRejection
    funding: tuple[FundingTotal, ...] = ()


class PaymentRefunded(Event):
    """Money that came back was refunded to the budget: what it was for is open again.

    `promised_as` is the payment it was first promised as, before it was ever sent again; the
    lines and deductions are that one's. `case_reference` names the estate case that decided it,
    if one did."""

    payment_reference: str
    promised_as: str
    cycle_reference: str
    amount_pence: int
    lines: tuple[EntitlementLine, ...]
    deductions: tuple[tuple[str, int], ...] = ()
    case_reference: str = ""


class PaymentReissued(Event):
    """Returned money is sent again under a new reference with another cycle."""

    payment_reference: str
    reissue_of: str
    cycle_reference: str
    payee_reference: str
    amount_pence: int
    provider_reference: str = ""
    bulk_reference: str = ""


class PaymentCancelled(Event):
    """A promised payment was withdrawn before any bank file; what it settled is open again."""

    payment_reference: str
    cycle_reference: str
    amount_pence: int
    lines: tuple[EntitlementLine, ...] = ()
    deductions: tuple[tuple[str, int], ...] = ()
    reissue_of: str = ""
    funding: tuple[FundingTotal, ...] = ()


PaymentStatus = Literal[
    "scheduled", "confirmed", "returned", "rejected", "reissued", "refunded", "cancelled"
]


class Held(NamedTuple):
    """Since when money that came back is held, and why: it was sent back, or was not taken."""

    status: Literal["returned", "rejected"]
    on: date
    reason_code: ReturnReason | BankRejection


class PaidTo(NamedTuple):
    """Where a payment goes: account details and, if they are a provider's, the provider and the
    reference of the one credit to it."""

    payee_reference: str
    provider_reference: str = ""
    bulk_reference: str = ""


class Payment(msgspec.Struct):
    """Where one payment stands. `held` says why its money came back, settled since or not."""

    cycle_reference: str
    payee_reference: str
    amount_pence: int
    period: Period
    pay_on: date
    status: PaymentStatus = "scheduled"
    lines: tuple[EntitlementLine, ...] = ()
    deducted_pence: int = 0
    reissue_of: str = ""
    held: Held | None = None
    channel: Channel = "direct_payment"
    provider_reference: str = ""
    bulk_reference: str = ""

    @property
    def is_held(self) -> bool:
        """Whether its money is held by the council and waits to be settled."""
        return self.status in ("returned", "rejected")

    @property
    def stands(self) -> bool:
        """Whether it is a payment at all: neither cancelled nor refunded to the budget."""
        return self.status not in ("cancelled", "refunded")

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
    channel: Channel = "direct_payment"

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
    paid_to: PaidTo,
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
        **paid_to._asdict(),
        period=period,
        lines=payment.lines,
        amount_pence=payment.amount_pence,
        deducted_pence=payment.deducted_pence,
        channel=payment.channel,
        **said,
    )
