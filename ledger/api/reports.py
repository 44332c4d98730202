"""What banks send back: reports brought in whole, the items that wait, and what is in suspense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.reach import own_budgets
from ledger.aggregates.bank_report import BankReport, Dismissal, ReportKind
from ledger.aggregates.event_sourced import Recorded
from ledger.api.budgets import catch_up, register_page
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import WRITE_HEADERS, WRITE_PROBLEMS, problems, reads, writes
from ledger.api.paging import AfterDay, AfterReference, Limit, following, page_of
from ledger.api.requests import (
    MOST_ROWS,
    BodyOf,
    LongRoute,
    Write,
    WriteRoute,
    Writing,
    ledger_of,
    read_xml,
    today,
)
from ledger.application import require_version
from ledger.bank_file import working_days
from ledger.bank_reports import ReportBroughtIn, import_report, report_names
from ledger.commands import require_keepable
from ledger.dates import day_in_england, parse_date
from ledger.errors import VersionConflict
from ledger.projections.bank_reports import BankReports, WaitingItem, waiting
from ledger.projections.suspense import Suspense, suspense
from ledger.report_queue import match_item
from ledger.store import Beside

router = APIRouter(tags=["bank reports"])
_AT = "/v1/reports/{reference:cycle}"
DryRun = Annotated[bool, Query(description="Say what would be recorded; record nothing.")]


# --- what is answered ---------------------------------------------------------------------


class ReportEntry(msgspec.Struct):
    """A report's row in the register; `waiting_count` of its queued items are not resolved."""

    reference: str
    kind: ReportKind
    reported_on: date
    imported_at: datetime
    imported_by: str
    cycle_reference: str
    item_count: int
    recorded_count: int
    unchanged_count: int
    queued_count: int
    waiting_count: int


class ReportRegister(msgspec.Struct):
    """Part of the register by reference; ask for `after` = `next_after` for what follows."""

    reports: list[ReportEntry]
    next_after: str | None


class ReportQueue(msgspec.Struct):
    """Items of any report that wait for a person, the oldest first; ask for `after` =
    `next_after` for what follows."""

    queue: list[WaitingItem]
    next_after: str | None


class ReportItemResolved(msgspec.Struct):
    """A report after one of its items was resolved; the items that still wait, by number."""

    reference: str
    version: int
    waiting: list[int]


class InSuspense(Suspense, frozen=True):
    """What was held at the end of a day, the oldest first; ask for `after` = `next_after` for
    what follows. The figures are of all of it, whatever the page.

    `account_pence` is what the account holds on that day; `difference_pence` is nought."""

    next_after: str | None


# --- what is asked ------------------------------------------------------------------------


class ItemMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payment that an item is found to be about; `reason_code` if the bank's says nothing."""

    effective_on: date
    item: int
    budget_reference: str
    payment_reference: str
    reason_code: str = ""


class ItemDismissal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why nothing is to be recorded for an item."""

    effective_on: date
    item: int
    reason_code: Dismissal


_match, _dismiss = BodyOf(ItemMatch), BodyOf(ItemDismissal)


# --- reports --------------------------------------------------------------------------------


def _takes_xml() -> dict[str, Any]:
    described = reads(ReportBroughtIn)
    described["responses"] = {200: described["responses"][200], **problems(*WRITE_PROBLEMS)}
    described["openapi_extra"] = {
        "parameters": WRITE_HEADERS,
        "requestBody": {
            "required": True,
            "content": {"application/xml": {"schema": {"type": "string", "format": "binary"}}},
        },
    }
    return described


@router.post("/v1/reports", summary="Bring in a bank's report", **_takes_xml())
@needs("reports.import")
async def bring_in(write: Annotated[Write, Depends(read_xml)], dry_run: DryRun = False) -> Response:
    """A Bacs input report, ARUCS or AWACS, or an ISO 20022 pain.002, as the bank gives it.

    Recorded whole or refused whole; an item that fits no payment waits in the queue. The very
    same report again records nothing. At most 32,000,000 bytes. A dry run stores no key.
    """
    # One at a time, as everything that takes long.
    return await to_thread.run_sync(_brought_in, write, dry_run, limiter=LongRoute.threads)


def _brought_in(write: Write, dry_run: bool) -> Response:
    if write.expected_version is not None:
        raise VersionConflict("A bank's report has no version to match.")
    once = Once(write)

    def row(result: ReportBroughtIn) -> Sequence[Beside]:
        return [once.row(result)]

    def change() -> ReportBroughtIn:
        said = write.said(day_in_england(write.recorded_at))
        names = report_names(write.ledger.settings)
        return import_report(
            write.ledger, write.body, said, names=names, dry_run=dry_run, beside=row
        )

    return answer(change()) if dry_run else once.do(change, look_first=True)


@router.get("/v1/reports", summary="List the bank reports", **reads(ReportRegister, missing=False))
@needs("reports.read")
def list_reports(
    request: Request,
    after: AfterReference = "",
    limit: Limit = 100,
) -> Response:
    """The register of reports that were brought in, in order of reference."""
    rows, next_after = register_page(ledger_of(request), BankReports.table, after, limit)
    reports = [msgspec.convert(row, ReportEntry) for row in rows]
    return page_of(request, ReportRegister(reports, next_after))


@router.get("/v1/reports/queue", summary="List what waits", **reads(ReportQueue, missing=False))
@needs("reports.read")
def queue(request: Request, after: AfterDay = "", limit: Limit = MOST_ROWS) -> Response:
    """The items that fit no payment, each with why."""
    ledger = ledger_of(request)
    catch_up(ledger)
    found, next_after = following(waiting(ledger.engine), _place, after, limit)
    return page_of(request, ReportQueue(found, next_after))


def _place(item: WaitingItem) -> str:
    """Where an item stands in the queue."""
    return f"{item.queued_on}.{item.report_reference}.{item.queued.item:06d}"


items = APIRouter(route_class=WriteRoute, tags=["bank reports"])


def _resolved(once: Once, report: BankReport) -> list[Beside]:
    left = sorted(report.queue.keys() - report.resolved)
    return [once.row(ReportItemResolved(report.reference, report.version, left))]


@items.post(f"{_AT}/match", summary="Match an item",
            **writes(ReportItemResolved, ItemMatch, if_match=True))  # fmt: skip
@needs("reports.import")
def match(reference: str, write: Writing) -> Response:
    """Record an item that waits on the payment it is found to be about."""
    body = _match.read(write.body)
    for name in ("budget_reference", "payment_reference", "reason_code"):
        require_keepable(getattr(body, name), name)
    if write.expected_version is not None:
        version = write.ledger.load(BankReport, reference).version
        require_version(reference, version, write.expected_version)
    once = Once(write)
    return once.do(
        lambda: match_item(
            write.ledger,
            reference,
            body.item,
            budget_reference=body.budget_reference,
            payment_reference=body.payment_reference,
            reason_code=body.reason_code,
            said=write.said(body.effective_on),
            own=own_budgets(write.ledger, write.actor),
            beside=lambda report: _resolved(once, report),
        )
    )


@items.post(f"{_AT}/dismiss", summary="Dismiss an item",
            **writes(ReportItemResolved, ItemDismissal, if_match=True))  # fmt: skip
@needs("reports.import")
def dismiss(reference: str, write: Writing) -> Response:
    """Decide that nothing is to be recorded for an item that waits."""
    body = _dismiss.read(write.body)
    said = write.said(body.effective_on)
    once = Once(write)

    def rows(report: BankReport, _events: Sequence[Recorded]) -> list[Beside]:
        return _resolved(once, report)

    return once.do(
        lambda: write.ledger.change(
            BankReport,
            reference,
            lambda report: report.dismiss(item=body.item, reason_code=body.reason_code, **said),
            expected_version=write.expected_version,
            beside=rows,
        )
    )


router.routes.extend(items.routes)


# --- suspense -------------------------------------------------------------------------------


@router.get("/v1/suspense", summary="List what came back", **reads(InSuspense, missing=False))
@needs("reports.read")
def in_suspense(
    request: Request,
    on: Annotated[
        str | None,
        Query(description="At the end of this day; today, if not given.",
              json_schema_extra={"format": "date"}),
    ] = None,
    after: AfterDay = "",
    limit: Limit = MOST_ROWS,
) -> Response:  # fmt: skip
    """Every payment that came back and is not settled, the oldest first, with its age.

    `difference_pence` between the payments and the account they stand on is nought.
    """
    ledger = ledger_of(request)
    day = today() if on is None else parse_date(on, "on")
    require_keepable(day, "on")
    catch_up(ledger)
    held = suspense(ledger.engine, day, working_days(ledger))
    items, next_after = following(
        held.items, lambda i: f"{i.held_from}.{i.budget_reference}.{i.payment_reference}",
        after, limit,
    )  # fmt: skip
    facts = {**msgspec.structs.asdict(held), "items": tuple(items)}
    return page_of(request, InSuspense(**facts, next_after=next_after))
