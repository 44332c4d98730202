"""What is recorded of a payment cycle, and the hash that seals what an approver approves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from ledger.aggregates.event_sourced import Event
from ledger.aggregates.payments import BankRejection, PaidTo
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, FundingTotal
from ledger.terms import Channel

RejectionReason = Literal["totals_unexpected", "exceptions_unexplained", "wrong_period", "other"]


class CycleLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One payment to be made. `budget_version` is the history the amount was worked out from.

    `reissue_of` names the returned payment that this one sends again; it then has no lines. All
    that a provider is paid has one `bulk_reference`: it is one credit at the bank. `interested`
    are the users who have an interest in the budget."""

    budget_reference: str
    budget_version: int
    payment_reference: str
    payee_reference: str
    amount_pence: int
    lines: tuple[EntitlementLine, ...] = ()
    deductions: tuple[tuple[str, int], ...] = ()
    reissue_of: str = ""
    interested: tuple[str, ...] = ()
    channel: Channel = "direct_payment"
    provider_reference: str = ""
    bulk_reference: str = ""

    @property
    def paid_to(self) -> PaidTo:
        """Where it goes."""
        return PaidTo(self.payee_reference, self.provider_reference, self.bulk_reference)

    @property
    def deducted_pence(self) -> int:
        return sum(pence for _, pence in self.deductions)


class CycleException(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something the approver should see before approving, about one channel of one budget."""

    code: str
    budget_reference: str
    payment_reference: str = ""
    detail: str = ""
    was_pence: int | None = None
    now_pence: int | None = None
    channel: Channel = "direct_payment"


class CycleCredit(NamedTuple):
    """One credit of the bank file: a payment, or all that a provider is paid together."""

    reference: str
    payee_reference: str
    amount_pence: int


def credits_of(lines: Iterable[CycleLine]) -> list[CycleCredit]:
    """What the bank is told to pay for some lines, in the order in which they first come."""
    credits: dict[str, CycleCredit] = {}
    for line in lines:
        reference = line.bulk_reference or line.payment_reference
        credit = CycleCredit(reference, line.payee_reference, line.amount_pence)
        if reference in credits:
            before = credits[reference]
            assert before.payee_reference == credit.payee_reference, "one account for one credit"
            credit = credit._replace(amount_pence=before.amount_pence + line.amount_pence)
        credits[reference] = credit
    return list(credits.values())


class CycleLinesListed(Event):
    """Some of the lines and exceptions of the preparation under way."""

    reference: str
    lines: tuple[CycleLine, ...]
    exceptions: tuple[CycleException, ...] = ()


class CyclePrepared(Event):
    """The preparation is whole: its totals, and a hash over exactly the lines listed for it.

    A later preparation replaces it."""

    reference: str
    period: Period
    pay_on: date
    line_count: int
    total_pence: int
    lines_sha256: str
    exception_count: int
    funding: tuple[FundingTotal, ...]
    off_cycle: bool = False


class CycleApproved(Event):
    """Someone other than the preparer approved exactly these lines."""

    total_pence: int
    lines_sha256: str


class CycleRejected(Event):
    """Someone other than the preparer turned the cycle down."""

    reason_code: RejectionReason


class CycleCancelled(Event):
    """The cycle was withdrawn before any file was issued."""


class CycleIssued(Event):
    """The bank file was made. The same bytes can be fetched again.

    `record_count` is how many credits it holds; all that a provider is paid is one."""

    reference: str
    file_name: str
    file_format: str
    file_sha256: str
    record_count: int
    total_pence: int
    submission_serial: str
    processing_on: date
    funding: tuple[FundingTotal, ...]


class CycleFileRefused(Event):
    """The bank refused the whole file: nothing of it is paid, and another can be made."""

    reference: str
    report_reference: str
    submission_serial: str
    reason_code: BankRejection
    funding: tuple[FundingTotal, ...]


class CycleAcknowledged(Event):
    """The bank answered for the file: how many payments it did not take, if any.

    `is_taken` says that it takes all the others. A report may name those not taken and be
    silent about the rest; silence is not acceptance."""

    report_reference: str
    submission_serial: str
    is_taken: bool
    rejected_count: int = 0
    rejected_pence: int = 0


class CycleSettled(Event):
    """The bank paid the file on `effective_on`, but for what it had not taken."""

    total_pence: int


CycleStatus = Literal["prepared", "approved", "rejected", "cancelled", "issued", "settled"]
PROMISED: tuple[CycleStatus, ...] = ("approved", "issued", "settled")
"""The states in which a cycle's payments are promised, sent or paid."""


def lines_hash(
    period: Period, pay_on: date, lines: Iterable[CycleLine], exceptions: Iterable[CycleException]
) -> str:
    """SHA-256, in hex, over everything an approver approves: one line of JSON for each.

    The period and the pay date first, then every payment, then every exception, in order.
    """
    encode = msgspec.json.Encoder().encode
    digest = hashlib.sha256(encode([period, pay_on]))
    for part in (*lines, *exceptions):
        digest.update(b"\n")
        digest.update(encode(part))
    return digest.hexdigest()
