"""A payment cycle as it is answered: where it stands, without its lines."""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.cycle_reading import CycleNow
from ledger.dates import Period
from ledger.entitlement import FundingTotal


class Cycle(msgspec.Struct):
    """Where a cycle stands. `lines_sha256` seals exactly what is approved: the period, the pay
    date, every line and every exception. `is_taken` says that the bank took the file, all but the
    payments it rejected; until it says so, nobody knows."""

    reference: str
    version: int
    status: str
    period: Period
    pay_on: date
    off_cycle: bool
    line_count: int
    total_pence: int
    lines_sha256: str
    exception_count: int
    funding: tuple[FundingTotal, ...]
    prepared_by: str
    approved_by: str | None
    file_name: str | None
    file_sha256: str | None
    submission_serial: str | None
    processing_on: date | None
    is_taken: bool
    rejected_count: int
    rejected_pence: int


def shown(now: CycleNow) -> Cycle:
    """A cycle as it is answered."""
    prepared = now.prepared
    approved, issued = now.cycle.approved, now.cycle.issued
    return Cycle(
        reference=now.cycle.reference,
        version=now.version,
        status=now.cycle.status or "",
        period=prepared.period,
        pay_on=prepared.pay_on,
        off_cycle=prepared.off_cycle,
        line_count=prepared.line_count,
        total_pence=prepared.total_pence,
        lines_sha256=prepared.lines_sha256,
        exception_count=prepared.exception_count,
        funding=prepared.funding,
        prepared_by=prepared.recorded_by,
        approved_by=approved.recorded_by if approved else None,
        file_name=issued.file_name if issued else None,
        file_sha256=issued.file_sha256 if issued else None,
        submission_serial=issued.submission_serial if issued else None,
        processing_on=issued.processing_on if issued else None,
        is_taken=now.cycle.is_taken,
        rejected_count=now.cycle.rejected_count,
        rejected_pence=now.cycle.rejected_pence,
    )
