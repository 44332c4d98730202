"""Bringing in what banks send back: every item once, on the payment it is about, or queued.

A report is read whole and recorded in one transaction: what it says of each payment on that
payment's budget, what it says of the file on its cycle, and its bytes, sealed. The same bytes
again record nothing; the same item in another report is known already. What fits no payment
waits in the report's own queue and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, get_args

import msgspec
from eventsourcing.persistence import IntegrityError
from sqlalchemy import select

from ledger.aggregates.bank_report import BankReport, QueuedItem, ReportKind
from ledger.aggregates.cycle_events import credits_of
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payments import BankRejection
from ledger.application import ATTEMPTS, Ledger
from ledger.bank.arucs import STANDARD_NAMES, ArucsNames, ReturnedCredits, read_arucs_names
from ledger.bank.awacs import WrongAccounts
from ledger.bank.input_report import InputReport, UserFile
from ledger.bank.pain002 import StatusReport
from ledger.bank.reports import Report, read_report
from ledger.config import Settings
from ledger.durable import bank_files, bank_reports
from ledger.errors import (
    BankFileErased,
    ConcurrentChange,
    ReportAboutUnknownFile,
    ReportForAnotherUser,
    ReportNotFound,
    ReportTotalsDiffer,
)
from ledger.file_looks import Door, report_look
from ledger.keyring import place
from ledger.money import format_pounds
from ledger.projections.audit import sentence
from ledger.report_items import Judged, Rejected
from ledger.store import Beside

_PREFIX: dict[ReportKind, str] = {
    "input_report": "INPUT",
    "returned_credits": "ARUCS",
    "wrong_accounts": "AWACS",
    "status_report": "PAIN002",
}


class ReportBroughtIn(msgspec.Struct, frozen=True):
    """What came of a report. `already_imported`: of the very same bytes, brought in before.

    `answers`: what the bank newly says of the file, in sentences. `file_refused`: make another."""

    reference: str
    kind: ReportKind
    reported_on: date
    cycle_reference: str
    item_count: int
    recorded_count: int
    unchanged_count: int
    queued: tuple[QueuedItem, ...]
    already_imported: bool = False
    dry_run: bool = False
    answers: tuple[str, ...] = ()
    file_refused: bool = False


def report_names(settings: Settings) -> ArucsNames:
    """The names that the council's bank uses in ARUCS: of the settings' file, or the usual ones.

    Raises `ReportNamesUnreadable`.
    """
    if settings.arucs_names_file is None:
        return STANDARD_NAMES
    return read_arucs_names(settings.arucs_names_file.read_text("utf-8"))


ReportRows = Callable[[ReportBroughtIn], Sequence[Beside]]
"""Makes rows to save with a report, from what came of it."""


def import_report(
    ledger: Ledger,
    data: bytes,
    said: Said,
    *,
    names: ArucsNames = STANDARD_NAMES,
    dry_run: bool = False,
    beside: ReportRows | None = None,
) -> ReportBroughtIn:
    """Read a bank's report and record all that it says, or refuse it whole.

    `said` is who brings it in and when; what it says takes effect on the report's own day. Raises
    `BankFileUnreadable`, `ReportForAnotherUser`, `ReportAboutUnknownFile`, `ReportTotalsDiffer`.
    """
    report = read_report(data, names)
    sha256 = hashlib.sha256(data).hexdigest()
    reference = f"{_PREFIX[report.kind]}-{sha256[:12].upper()}"
    said = {**said, "effective_on": report.reported_on}
    for _ in range(ATTEMPTS):
        known = ledger.find(BankReport, reference)
        if known is not None:
            result = _brought_in(known, already_imported=True)
            ledger.append([], beside(result) if beside and not dry_run else ())
            return result
        ledger.projections.catch_up()
        judged = Judged(ledger, said)
        cycles = _judge(judged, report, reference)
        stream = BankReport(reference)
        stream.bring_in(
            kind=report.kind,
            sha256=sha256,
            item_count=len(report.items),
            recorded_count=len(judged.recorded),
            unchanged_count=judged.unchanged_count,
            queued=sorted(judged.queued, key=lambda queued: queued.item),
            cycle_reference=cycles[0].reference if len(cycles) == 1 else "",
            **said,
        )
        answered = [recorded for cycle in cycles for recorded in cycle.collect_events()]
        answers = tuple(sentence(recorded.event) for recorded in answered)
        refused = any(cycle.issued is None for cycle in cycles)
        result = _brought_in(stream, answers=answers, file_refused=refused, dry_run=dry_run)
        if dry_run:
            return result
        events = [*stream.collect_events(), *judged.events, *answered]
        sealed = ledger.keyring.seal(
            ledger.keyring.file_key, data, place("bank_reports.sealed", reference)
        )
        row = {"report_reference": reference, "kind": report.kind, "sha256": sha256}
        rows = [
            Beside("bank_reports", [{**row, "sealed": sealed}]),
            *judged.beside,
            *(beside(result) if beside else ()),
        ]
        try:
            ledger.append(events, rows)
        except IntegrityError:
            continue
        return result
    raise ConcurrentChange(f"Budgets that {reference} is about are being changed; try again.")


def _brought_in(report: BankReport, **how: Any) -> ReportBroughtIn:
    imported = report.imported
    assert imported is not None, "it is brought in with its first events"
    return ReportBroughtIn(
        reference=report.reference,
        kind=imported.kind,
        reported_on=imported.effective_on,
        cycle_reference=imported.cycle_reference,
        item_count=imported.item_count,
        recorded_count=imported.recorded_count,
        unchanged_count=imported.unchanged_count,
        queued=tuple(report.queue.values()),
        **how,
    )


def report_file(ledger: Ledger, reference: str) -> bytes:
    """The very bytes of a report, for the ledger itself: whoever hands them to somebody fetches
    them. Raises `ReportNotFound`, and `BankFileErased` once its time is over."""
    query = select(bank_reports.c.sealed).where(bank_reports.c.report_reference == reference)
    with ledger.engine.connect() as connection:
        sealed = connection.execute(query).scalar()
    if sealed is None:
        raise ReportNotFound(f"There is no bank report {reference}.")
    if not sealed:
        raise BankFileErased(f"The bank report {reference} is kept no more.")
    return ledger.keyring.open(
        ledger.keyring.file_key, sealed, place("bank_reports.sealed", reference)
    )


def fetch_report(
    ledger: Ledger, reference: str, *, door: Door, looked_at: datetime, looked_by: str
) -> bytes:
    """Record a look, then give the bytes. Raises as `report_file`, and then nobody looked."""
    content = report_file(ledger, reference)
    ledger.append([], [report_look(reference, door, looked_at, looked_by)])
    return content


# --- each kind of report ------------------------------------------------------------------


def _judge(judged: Judged, report: Report, reference: str) -> list[PaymentCycle]:
    """Put every item of a report to its budget; the cycles that its file is about, decided."""
    if isinstance(report, StatusReport):
        return [_status(judged, report, reference)]
    if isinstance(report, InputReport):
        _require_own(judged.ledger, {file.service_user_number for file in report.files})
        return [_input(judged, report, file, reference) for file in report.files]
    _require_own(judged.ledger, report.service_user_numbers)
    if isinstance(report, ReturnedCredits):
        judged.returned(report.items)
    elif isinstance(report, WrongAccounts):
        judged.wrong_accounts(report.items)
    return []


def _require_own(ledger: Ledger, service_user_numbers: Iterable[str]) -> None:
    own = ledger.settings.bacs_service_user_number
    others = sorted(set(service_user_numbers) - {own})
    if others:
        raise ReportForAnotherUser(
            f"The report is about the service user {', '.join(others)}, not {own}."
        )


def _input(judged: Judged, report: InputReport, file: UserFile, reference: str) -> PaymentCycle:
    """What Bacs says of one file that was sent: refused, or taken but for some payments."""
    cycle = _cycle_of(
        judged.ledger, bank_files.c.submission_serial == file.serial, f"The file {file.serial}"
    )
    read = file.accepted + file.rejected
    _require_totals(cycle, f"The file {file.serial}", read.number, read.pence)
    items = [item for item in report.items if item.serial == file.serial]
    if file.refused_whole:
        cycle.refuse_file(
            report_reference=reference,
            submission_serial=file.serial,
            reason_code="input_error",
            has_moved=judged.has_moved(cycle.reference),
            **judged.said,
        )
        for item in items:
            judged.count(item, "recorded")
        return cycle
    lost = [item for item in items if item.outcome == "not_paid"]
    stated = (file.rejected.number, file.rejected.pence)
    if (len(lost), sum(item.amount_pence for item in lost)) != stated:
        raise ReportTotalsDiffer(
            f"The file {file.serial}: {stated[0]} rejected payment(s) of "
            f"{format_pounds(stated[1])} are stated, and {len(lost)} are listed."
        )
    for item in items:
        if item.outcome != "not_paid":
            judged.count(item, "meaning_unclear", ",".join(item.error_types))
    rejected = judged.rejected(
        cycle.reference,
        (
            Rejected(item.item, item.reference, item.amount_pence, "input_error", "input_error")
            for item in lost
        ),
    )
    cycle.acknowledge(
        report_reference=reference,
        submission_serial=file.serial,
        is_taken=True,
        rejected_count=len(rejected),
        rejected_pence=sum(rejected),
        **judged.said,
    )
    return cycle


def _status(judged: Judged, report: StatusReport, reference: str) -> PaymentCycle:
    """What an ISO 20022 bank says of one message; of what it does not list, nothing is taken."""
    message = report.original_message_id
    cycle = _cycle_of(
        judged.ledger, bank_files.c.file_name == f"{message}.xml", f"The message {message}"
    )
    serial = message.rpartition("-")[2]
    _require_totals(cycle, f"The message {message}", report.original_count, report.original_pence)
    outcomes = {item.outcome for item in report.items}
    if report.unlisted == "rejected" and outcomes <= {"rejected"}:
        cycle.refuse_file(
            report_reference=reference,
            submission_serial=serial,
            reason_code=_rejection(report.group_reasons),
            has_moved=judged.has_moved(cycle.reference),
            **judged.said,
        )
        for item in report.items:
            judged.count(item, "recorded")
        return cycle
    for item in report.items:
        if item.outcome == "not_known":
            judged.count(item, "meaning_unclear", item.status)
        elif item.outcome != "rejected":
            judged.count(item, "unchanged")
    rejected = judged.rejected(
        cycle.reference,
        (
            Rejected(
                item.item,
                item.reference,
                item.amount_pence,
                _rejection(item.reasons),
                " ".join(item.reasons),
            )
            for item in report.items
            if item.outcome == "rejected"
        ),
    )
    every_one = len(report.items) == len(credits_of(cycle.lines))
    is_taken = report.unlisted == "accepted" or (every_one and outcomes <= {"accepted", "rejected"})
    cycle.acknowledge(
        report_reference=reference,
        submission_serial=serial,
        is_taken=is_taken,
        rejected_count=len(rejected),
        rejected_pence=sum(rejected),
        **judged.said,
    )
    return cycle


def _rejection(reasons: Iterable[str]) -> BankRejection:
    """The first reason that the ledger knows by its ISO code; else "other"."""
    known: tuple[BankRejection, ...] = get_args(BankRejection)
    return next((code for reason in reasons for code in known if code == reason), "other")


def _cycle_of(ledger: Ledger, which: Any, what: str) -> PaymentCycle:
    """The cycle that a file was made for. Raises `ReportAboutUnknownFile`."""
    own = bank_files.c.service_user_number == ledger.settings.bacs_service_user_number
    query = select(bank_files.c.cycle_reference).where(own, which)
    with ledger.engine.connect() as connection:
        reference = connection.execute(query).scalar_one_or_none()
    if reference is None:
        raise ReportAboutUnknownFile(f"{what} was not sent from here.")
    return ledger.cycle(reference)


def _require_totals(cycle: PaymentCycle, what: str, count: int | None, pence: int | None) -> None:
    """A report that states totals states those of the file: of its credits."""
    credits = credits_of(cycle.lines)
    made = len(credits), sum(credit.amount_pence for credit in credits)
    said = made[0] if count is None else count, made[1] if pence is None else pence
    if said != made:
        raise ReportTotalsDiffer(
            f"{what} had {made[0]} payment(s) of {format_pounds(made[1])} in all; the report says "
            f"{said[0]} of {format_pounds(said[1])}."
        )
