"""Clawback: money asked back, never without notice, and by whom it was decided.

Care Act 2014 s.33 lets a council require repayment; guidance asks that people are told first.
So: proposed, notified with a day to answer by, perhaps disputed, confirmed by someone else,
then received, deducted from payments in agreed instalments, or waived.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, Unpack

import msgspec

from ledger.aggregates.contributions import Contributions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.dates import day_in_england
from ledger.entitlement import EntitlementLine
from ledger.errors import (
    ClawbackDiffersFromOverpayment,
    ClawbackExceedsOutstanding,
    ClawbackExceedsProposal,
    ClawbackNotExpected,
    ClawbackNotFound,
    ClawbackNoticeNotEnded,
    InvalidMoney,
    ReferenceUsedForOtherFacts,
    SamePersonProposed,
)
from ledger.money import format_pounds

ClawbackCause = Literal[
    "surplus", "unagreed_spending", "overpayment", "budget_ended", "died", "contribution_unpaid"
]
Recovery = Literal["repayment", "deduction"]
WaiverReason = Literal["hardship", "council_error", "uneconomic_to_pursue", "dispute_upheld"]


class ClawbackProposed(Event):
    """Someone proposed to ask for money back, and why."""

    clawback_reference: str
    amount_pence: int
    cause_code: ClawbackCause


class ClawbackNotified(Event):
    """The person was told, and by when they may answer."""

    clawback_reference: str
    respond_by: date


class ClawbackDisputed(Event):
    """The person disagrees; nothing is taken while this stands."""

    clawback_reference: str


class ClawbackConfirmed(Event):
    """A second person decided that the money is owed, how much and how it comes back.

    For an overpayment `lines` are the adjustments it settles: they are now a debt, and no
    later payment is reduced for the same days."""

    clawback_reference: str
    amount_pence: int
    recovery: Recovery
    instalment_pence: int = 0
    lines: tuple[EntitlementLine, ...] = ()


class ClawbackReceived(Event):
    """The person paid some or all of it back."""

    clawback_reference: str
    amount_pence: int
    receipt_reference: str


class ClawbackDeducted(Event):
    """An instalment was taken from a payment."""

    clawback_reference: str
    payment_reference: str
    amount_pence: int


class ClawbackWaived(Event):
    """A second person decided not to pursue some or all of it."""

    clawback_reference: str
    amount_pence: int
    reason_code: WaiverReason


class Deduction(msgspec.Struct, frozen=True, gc=False):
    """An instalment taken from a payment, and what was then left of its clawback to recover."""

    clawback_reference: str
    amount_pence: int
    left_pence: int

    @property
    def taken(self) -> tuple[str, int]:
        """As a payment lists it: the clawback's reference and the pence."""
        return self.clawback_reference, self.amount_pence


class Clawback(msgspec.Struct):
    """Where one clawback stands. Amounts in pence."""

    proposed_by: str
    proposed_pence: int
    cause_code: ClawbackCause
    status: Literal["proposed", "notified", "disputed", "confirmed", "settled"] = "proposed"
    respond_by: date | None = None
    outstanding_pence: int = 0
    recovery: Recovery = "repayment"
    instalment_pence: int = 0
    receipts: dict[str, int] = msgspec.field(default_factory=dict)
    deductions: dict[str, Deduction] = msgspec.field(default_factory=dict)


class Clawbacks(Contributions):
    """Everything asked back from the person."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.clawbacks: dict[str, Clawback] = {}

    @command
    def propose_clawback(
        self,
        *,
        clawback_reference: str,
        amount_pence: int,
        cause_code: ClawbackCause,
        **said: Unpack[Said],
    ) -> None:
        """Propose to ask for money back. Nothing is taken: the person must be told first."""
        _require_positive(amount_pence)
        known = self.clawbacks.get(clawback_reference)
        if known is not None:
            if (known.proposed_pence, known.cause_code) == (amount_pence, cause_code):
                return
            raise ReferenceUsedForOtherFacts(
                f"The clawback {clawback_reference} was proposed with other facts."
            )
        self._record(
            ClawbackProposed(
                clawback_reference=clawback_reference,
                amount_pence=amount_pence,
                cause_code=cause_code,
                **said,
            )
        )

    @command
    def notify_clawback(
        self, *, clawback_reference: str, respond_by: date, **said: Unpack[Said]
    ) -> None:
        """Record that the person was told, and the day until which they may answer."""
        self._require_clawback(clawback_reference, "proposed")
        if respond_by <= said["effective_on"]:
            raise ClawbackNoticeNotEnded("The day to answer by must be after the notice itself.")
        self._record(
            ClawbackNotified(clawback_reference=clawback_reference, respond_by=respond_by, **said)
        )

    @command
    def dispute_clawback(self, *, clawback_reference: str, **said: Unpack[Said]) -> None:
        """Record that the person disagrees. It can be confirmed afterwards only by a decision."""
        self._require_clawback(clawback_reference, "notified")
        self._record(ClawbackDisputed(clawback_reference=clawback_reference, **said))

    @command
    def confirm_clawback(
        self,
        *,
        clawback_reference: str,
        amount_pence: int,
        recovery: Recovery,
        instalment_pence: int = 0,
        **said: Unpack[Said],
    ) -> None:
        """Decide that the money is owed: by repayment, or by instalments from payments.

        By someone other than the proposer, after the time to answer, and for no more than the
        person was told. An overpayment must be exactly what days already paid are overpaid by
        now: if a payment has been reduced for it meanwhile, there is nothing left to claw back.
        """
        clawback = self._require_clawback(clawback_reference, "notified", "disputed")
        _require_positive(amount_pence)
        if said["recorded_by"] == clawback.proposed_by:
            raise SamePersonProposed(f"{said['recorded_by']} proposed this clawback.")
        assert clawback.respond_by is not None, "a notice always gives a day to answer by"
        decided_on = min(said["effective_on"], day_in_england(said["recorded_at"]))
        if decided_on <= clawback.respond_by and clawback.status != "disputed":
            raise ClawbackNoticeNotEnded(
                f"The person may answer until {clawback.respond_by}.",
                respond_by=clawback.respond_by.isoformat(),
            )
        if amount_pence > clawback.proposed_pence:
            raise ClawbackExceedsProposal(
                f"The person was told {format_pounds(clawback.proposed_pence)}, not "
                f"{format_pounds(amount_pence)}."
            )
        if recovery == "deduction":
            _require_positive(instalment_pence)
        self._record(
            ClawbackConfirmed(
                clawback_reference=clawback_reference,
                amount_pence=amount_pence,
                recovery=recovery,
                instalment_pence=instalment_pence if recovery == "deduction" else 0,
                lines=self._overpaid(clawback, amount_pence),
                **said,
            )
        )

    @command
    def receive_clawback(
        self,
        *,
        clawback_reference: str,
        amount_pence: int,
        receipt_reference: str,
        **said: Unpack[Said],
    ) -> None:
        """Record money the person paid back; the same receipt twice is recorded once."""
        clawback = self._require_clawback(clawback_reference, "confirmed", "settled")
        received = clawback.receipts.get(receipt_reference)
        if received is not None:
            if received == amount_pence:
                return
            raise ReferenceUsedForOtherFacts(
                f"The receipt {receipt_reference} was recorded for another amount."
            )
        self._require_outstanding(clawback, amount_pence)
        self._record(
            ClawbackReceived(
                clawback_reference=clawback_reference,
                amount_pence=amount_pence,
                receipt_reference=receipt_reference,
                **said,
            )
        )

    @command
    def waive_clawback(
        self,
        *,
        clawback_reference: str,
        amount_pence: int,
        reason_code: WaiverReason,
        **said: Unpack[Said],
    ) -> None:
        """Decide not to pursue some or all of a confirmed clawback; not by its proposer."""
        clawback = self._require_clawback(clawback_reference, "confirmed")
        if said["recorded_by"] == clawback.proposed_by:
            raise SamePersonProposed(f"{said['recorded_by']} proposed this clawback.")
        self._require_outstanding(clawback, amount_pence)
        self._record(
            ClawbackWaived(
                clawback_reference=clawback_reference,
                amount_pence=amount_pence,
                reason_code=reason_code,
                **said,
            )
        )

    def _overpaid(self, clawback: Clawback, amount_pence: int) -> tuple[EntitlementLine, ...]:
        if clawback.cause_code != "overpayment":
            return ()
        lines = self.adjustments_due()
        overpaid_pence = -sum(line.amount_pence for line in lines)
        if overpaid_pence != amount_pence:
            raise ClawbackDiffersFromOverpayment(
                f"Days already paid are overpaid by {format_pounds(overpaid_pence)} now, "
                f"not {format_pounds(amount_pence)}.",
                overpaid_pence=overpaid_pence,
            )
        return tuple(lines)

    def _require_clawback(self, clawback_reference: str, *statuses: str) -> Clawback:
        known = self.clawbacks.get(clawback_reference)
        if known is None:
            raise ClawbackNotFound(f"{self.reference} has no clawback {clawback_reference}.")
        if known.status not in statuses:
            raise ClawbackNotExpected(f"The clawback {clawback_reference} is {known.status}.")
        return known

    def _require_outstanding(self, clawback: Clawback, amount_pence: int) -> None:
        _require_positive(amount_pence)
        if amount_pence > clawback.outstanding_pence:
            raise ClawbackExceedsOutstanding(
                f"{format_pounds(clawback.outstanding_pence)} is outstanding, not "
                f"{format_pounds(amount_pence)}."
            )

    @applies(ClawbackProposed)
    def _clawback_proposed(self, event: ClawbackProposed) -> None:
        self.clawbacks[event.clawback_reference] = Clawback(
            event.recorded_by, event.amount_pence, event.cause_code
        )

    @applies(ClawbackNotified)
    def _clawback_notified(self, event: ClawbackNotified) -> None:
        clawback = self.clawbacks[event.clawback_reference]
        clawback.status, clawback.respond_by = "notified", event.respond_by

    @applies(ClawbackDisputed)
    def _clawback_disputed(self, event: ClawbackDisputed) -> None:
        self.clawbacks[event.clawback_reference].status = "disputed"

    @applies(ClawbackConfirmed)
    def _clawback_confirmed(self, event: ClawbackConfirmed) -> None:
        clawback = self.clawbacks.pop(event.clawback_reference)
        self.clawbacks[event.clawback_reference] = clawback  # in order of decision
        clawback.status, clawback.recovery = "confirmed", event.recovery
        clawback.outstanding_pence = event.amount_pence
        clawback.instalment_pence = event.instalment_pence
        if event.lines:
            self.scheduled_lines.extend(event.lines)
            self.changed_from["direct_payment"] = date.max

    @applies(ClawbackReceived)
    def _clawback_received(self, event: ClawbackReceived) -> None:
        self.clawbacks[event.clawback_reference].receipts[event.receipt_reference] = (
            event.amount_pence
        )
        self._clawback_reduced(event.clawback_reference, event.amount_pence)

    @applies(ClawbackDeducted)
    def _clawback_deducted(self, event: ClawbackDeducted) -> None:
        self._clawback_reduced(event.clawback_reference, event.amount_pence)
        clawback = self.clawbacks[event.clawback_reference]
        clawback.deductions[event.payment_reference] = Deduction(
            event.clawback_reference, event.amount_pence, clawback.outstanding_pence
        )

    @applies(ClawbackWaived)
    def _clawback_waived(self, event: ClawbackWaived) -> None:
        self._clawback_reduced(event.clawback_reference, event.amount_pence)

    def _deduction_cancelled(self, clawback_reference: str, payment_reference: str) -> None:
        clawback = self.clawbacks[clawback_reference]
        clawback.outstanding_pence += clawback.deductions.pop(payment_reference).amount_pence
        clawback.status = "confirmed"

    def _clawback_reduced(self, clawback_reference: str, amount_pence: int) -> None:
        clawback = self.clawbacks[clawback_reference]
        clawback.outstanding_pence -= amount_pence
        if clawback.outstanding_pence == 0:
            clawback.status = "settled"


def _require_positive(amount_pence: int) -> None:
    if amount_pence <= 0:
        raise InvalidMoney("An amount must be above nought.", field="amount_pence")
