"""A payment cycle: prepared by one person, approved by another, issued to the bank, settled.

The lines are listed in the cycle's own stream in chunks and sealed by a SHA-256 over exactly
those lines, so that what was approved is provably what was paid.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date
from typing import ClassVar, Unpack

from ledger.aggregates.cycle_events import (
    CycleAcknowledged,
    CycleApproved,
    CycleCancelled,
    CycleException,
    CycleFileRefused,
    CycleIssued,
    CycleLine,
    CycleLinesListed,
    CyclePrepared,
    CycleRejected,
    CycleSettled,
    CycleStatus,
    RejectionReason,
    credits_of,
    lines_hash,
)
from ledger.aggregates.event_sourced import EventSourced, Said, applies, register
from ledger.aggregates.payments import BankRejection
from ledger.dates import Period
from ledger.entitlement import funding_totals
from ledger.errors import (
    ApproverPreparedCycle,
    CycleAlreadyDecided,
    CycleChangedSinceSeen,
    CycleIsEmpty,
    CycleNotApproved,
    CycleNotIssued,
    CycleNotSettledYet,
    InterestInBudget,
    InvalidValue,
)
from ledger.money import format_pounds

LINES_IN_AN_EVENT = 500
_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9-]{0,19}")


class PaymentCycle(EventSourced):
    """A run of payments for a period, paid on one day."""

    STREAM: ClassVar[str] = "payment-cycle"
    READ_AT_ONCE: ClassVar[int] = 10  # of 500 lines each

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.status: CycleStatus | None = None
        self.prepared: CyclePrepared | None = None
        self.approved: CycleApproved | None = None
        self.issued: CycleIssued | None = None
        self.refused_serials: set[str] = set()
        self.is_taken = False
        self.rejected_count = self.rejected_pence = 0
        self.lines: list[CycleLine] = []
        self.exceptions: list[CycleException] = []
        self._listing: tuple[list[CycleLine], list[CycleException]] = ([], [])

    def prepare(
        self,
        *,
        period: Period,
        pay_on: date,
        lines: Iterable[CycleLine],
        exceptions: Iterable[CycleException],
        off_cycle: bool = False,
        own: Collection[str] = (),
        **said: Unpack[Said],
    ) -> None:
        """List the payments to make and seal them; preparing again replaces what was listed.

        A preparation that gives the very same lines and exceptions again records nothing. Whom a
        regular cycle pays is nobody's choice; who names budgets has no interest in them, and they
        are none of their `own`: those whose recipient they are, or act for.
        """
        if not _REFERENCE.fullmatch(self.reference):
            raise InvalidValue(
                "A cycle's reference names its bank file: 1 to 20 of A to Z, 0 to 9 and -.",
                field="reference",
            )
        self._require_status("prepare", None, "prepared", "rejected")
        listed, noted = list(lines), list(exceptions)
        released = {one.budget_reference for one in noted if one.code == "released"}
        chosen = [one for one in listed if off_cycle or one.budget_reference in released]
        self._require_no_interest(said["recorded_by"], own, chosen)
        prepared = CyclePrepared(
            reference=self.reference,
            period=period,
            pay_on=pay_on,
            line_count=len(listed),
            total_pence=sum(line.amount_pence for line in listed),
            lines_sha256=lines_hash(period, pay_on, listed, noted),
            exception_count=len(noted),
            funding=funding_totals(
                (owed for line in listed for owed in line.lines),
                deducted_pence=sum(line.deducted_pence for line in listed),
                reissued_pence=sum(line.amount_pence for line in listed if line.reissue_of),
            ),
            off_cycle=off_cycle,
            **said,
        )
        if self.status == "prepared" and self._is_same(prepared):
            return
        for start in range(0, max(len(listed), len(noted)), LINES_IN_AN_EVENT):
            some = slice(start, start + LINES_IN_AN_EVENT)
            self._record(
                CycleLinesListed(
                    reference=self.reference,
                    lines=tuple(listed[some]),
                    exceptions=tuple(noted[some]),
                    **said,
                )
            )
        self._record(prepared)

    def _is_same(self, now: CyclePrepared) -> bool:
        before = self.prepared
        return (
            before is not None
            and (before.recorded_by, before.off_cycle) == (now.recorded_by, now.off_cycle)
            and before.lines_sha256 == now.lines_sha256
        )

    def approve(
        self,
        *,
        total_pence: int,
        lines_sha256: str,
        own: Collection[str] = (),
        **said: Unpack[Said],
    ) -> None:
        """Approve the lines with this total and hash: exactly what the approver looked at.

        Nobody approves a cycle that pays a budget they have an interest in, or one of their
        `own`: those whose recipient they are, or act for."""
        if self.status == "approved" and self.approved is not None:
            if self.approved.lines_sha256 == lines_sha256:
                return
            raise CycleChangedSinceSeen(f"{self.reference} was approved with other lines.")
        prepared = self._require_decidable("approve", said["recorded_by"])
        if (prepared.total_pence, prepared.lines_sha256) != (total_pence, lines_sha256):
            raise CycleChangedSinceSeen(
                f"{self.reference} now totals {format_pounds(prepared.total_pence)} "
                f"(lines {prepared.lines_sha256[:12]}); look again before approving.",
                total_pence=prepared.total_pence,
                lines_sha256=prepared.lines_sha256,
            )
        if not self.lines:
            raise CycleIsEmpty(f"{self.reference} has no payments.")
        self._require_no_interest(said["recorded_by"], own, self.lines)
        self._record(CycleApproved(total_pence=total_pence, lines_sha256=lines_sha256, **said))

    def reject(self, *, reason_code: RejectionReason, **said: Unpack[Said]) -> None:
        """Turn the cycle down; it can be prepared again."""
        if self.status == "rejected":
            return
        self._require_decidable("reject", said["recorded_by"])
        self._record(CycleRejected(reason_code=reason_code, **said))

    def cancel(self, **said: Unpack[Said]) -> None:
        """Withdraw a cycle before any bank file; the payments it promised are to be cancelled."""
        if self.status == "cancelled":
            return
        self._require_status("cancel", "prepared", "rejected", "approved")
        self._record(CycleCancelled(**said))

    def issue(
        self,
        *,
        file_name: str,
        file_format: str,
        file_sha256: str,
        record_count: int,
        total_pence: int,
        submission_serial: str,
        processing_on: date,
        **said: Unpack[Said],
    ) -> None:
        """Record the bank file made from the approved lines: their credits, and their total."""
        self.require_issuable()
        assert self.prepared is not None, "an approved cycle was prepared"
        credit_count = len(credits_of(self.lines))
        if (record_count, total_pence) != (credit_count, self.prepared.total_pence):
            raise CycleChangedSinceSeen(
                f"The file has {record_count} credits of {format_pounds(total_pence)} in all; the "
                f"approved cycle has {credit_count} of {format_pounds(self.prepared.total_pence)}."
            )
        self._record(
            CycleIssued(
                reference=self.reference,
                file_name=file_name,
                file_format=file_format,
                file_sha256=file_sha256,
                record_count=record_count,
                total_pence=total_pence,
                submission_serial=submission_serial,
                processing_on=processing_on,
                funding=self.prepared.funding,
                **said,
            )
        )

    def refuse_file(
        self,
        *,
        report_reference: str,
        submission_serial: str,
        reason_code: BankRejection,
        has_moved: bool = False,
        **said: Unpack[Said],
    ) -> None:
        """Record that the bank refused the whole file: another can be made, or the cycle cancelled.

        The payments stay promised until then, so none of them may have been paid or come back
        (`has_moved`): another file would pay it twice. Said of a file refused before: nothing.
        """
        if submission_serial in self.refused_serials:
            return
        sent = self._require_sent(submission_serial)
        if has_moved or self.rejected_count or self.status == "settled":
            raise CycleNotIssued(f"Some of {self.reference} was taken or is paid already.")
        self._record(
            CycleFileRefused(
                reference=self.reference,
                report_reference=report_reference,
                submission_serial=submission_serial,
                reason_code=reason_code,
                funding=sent.funding,
                **said,
            )
        )

    def acknowledge(
        self,
        *,
        report_reference: str,
        submission_serial: str,
        is_taken: bool,
        rejected_count: int = 0,
        rejected_pence: int = 0,
        **said: Unpack[Said],
    ) -> None:
        """Record what the bank answered; what was known already is not recorded again."""
        self._require_sent(submission_serial)
        if (is_taken and not self.is_taken) or rejected_count:
            self._record(
                CycleAcknowledged(
                    report_reference=report_reference,
                    submission_serial=submission_serial,
                    is_taken=is_taken,
                    rejected_count=rejected_count,
                    rejected_pence=rejected_pence,
                    **said,
                )
            )

    def settle(self, **said: Unpack[Said]) -> None:
        """Record that the bank paid the file; `effective_on` is not before the pay date."""
        if self.status == "settled":
            return
        if self.status != "issued" or self.prepared is None:
            raise CycleNotIssued(f"{self.reference} is {self.status or 'not prepared'}.")
        if said["effective_on"] < self.prepared.pay_on:
            raise CycleNotSettledYet(f"{self.reference} is paid on {self.prepared.pay_on}.")
        paid_pence = self.prepared.total_pence - self.rejected_pence
        self._record(CycleSettled(total_pence=paid_pence, **said))

    def _require_sent(self, submission_serial: str) -> CycleIssued:
        issued = self.require_issued()
        if issued.submission_serial != submission_serial:
            raise CycleNotIssued(
                f"The file {submission_serial} is not the one that was sent for {self.reference}."
            )
        return issued

    def require_issuable(self) -> None:
        """A bank file may be made now: the cycle is approved and none was made before."""
        if self.status != "approved":
            raise CycleNotApproved(f"{self.reference} is {self.status or 'not prepared'}.")

    def require_issued(self) -> CycleIssued:
        """The bank file that stands; none was made, or the bank refused it: `CycleNotIssued`."""
        if self.issued is None:
            raise CycleNotIssued(f"{self.reference} has no bank file.")
        return self.issued

    def _require_decidable(self, step: str, decided_by: str) -> CyclePrepared:
        self._require_status(step, "prepared")
        assert self.prepared is not None, "a prepared cycle has its preparation"
        if self.prepared.recorded_by == decided_by:
            raise ApproverPreparedCycle(f"{decided_by} prepared {self.reference}.")
        return self.prepared

    def _require_no_interest(
        self, user_name: str, own: Collection[str], lines: Iterable[CycleLine]
    ) -> None:
        budgets = [
            line.budget_reference
            for line in lines
            if user_name in line.interested or line.budget_reference in own
        ]
        if budgets:
            raise InterestInBudget(
                f"{user_name} has an interest in {', '.join(budgets)}, which "
                f"{self.reference} pays; someone else must do this.",
                budgets=budgets,
            )

    def _require_status(self, step: str, *allowed: CycleStatus | None) -> None:
        if self.status not in allowed:
            raise CycleAlreadyDecided(f"Cannot {step} {self.reference}: it is {self.status}.")

    @applies(CycleLinesListed)
    def _cycle_lines_listed(self, event: CycleLinesListed) -> None:
        lines, exceptions = self._listing
        lines.extend(event.lines)
        exceptions.extend(event.exceptions)

    @applies(CyclePrepared)
    def _cycle_prepared(self, event: CyclePrepared) -> None:
        self.status, self.prepared = "prepared", event
        self.lines, self.exceptions = self._listing
        self._listing = ([], [])

    @applies(CycleApproved)
    def _cycle_approved(self, event: CycleApproved) -> None:
        self.status, self.approved = "approved", event

    @applies(CycleRejected)
    def _cycle_rejected(self, _event: CycleRejected) -> None:
        self.status = "rejected"

    @applies(CycleCancelled)
    def _cycle_cancelled(self, _event: CycleCancelled) -> None:
        self.status = "cancelled"

    @applies(CycleIssued)
    def _cycle_issued(self, event: CycleIssued) -> None:
        self.status, self.issued = "issued", event

    @applies(CycleFileRefused)
    def _cycle_file_refused(self, event: CycleFileRefused) -> None:
        self.status, self.issued, self.is_taken = "approved", None, False
        self.refused_serials.add(event.submission_serial)

    @applies(CycleAcknowledged)
    def _cycle_acknowledged(self, event: CycleAcknowledged) -> None:
        self.is_taken = self.is_taken or event.is_taken
        self.rejected_count += event.rejected_count
        self.rejected_pence += event.rejected_pence

    @applies(CycleSettled)
    def _cycle_settled(self, _event: CycleSettled) -> None:
        self.status = "settled"


register(
    PaymentCycle.STREAM,
    {
        "lines-listed.v1": CycleLinesListed,
        "prepared.v1": CyclePrepared,
        "approved.v1": CycleApproved,
        "rejected.v1": CycleRejected,
        "cancelled.v1": CycleCancelled,
        "issued.v1": CycleIssued,
        "file-refused.v1": CycleFileRefused,
        "acknowledged.v1": CycleAcknowledged,
        "settled.v1": CycleSettled,
    },
)
