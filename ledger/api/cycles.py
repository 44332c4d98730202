"""Payment cycles: the register, where one stands, its lines, exceptions, totals and file."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.aggregates.cycle_events import CycleException, CycleLine
from ledger.api.budgets import catch_up, register_page
from ledger.api.conditional import has_already
from ledger.api.cycle_shown import Cycle, shown
from ledger.api.idempotency import answer
from ledger.api.openapi import IF_NONE_MATCH, READ_PROBLEMS, problems, reads
from ledger.api.paging import AfterNumber, AfterReference, Limit, page_of
from ledger.api.problems import HEADERS
from ledger.api.requests import ledger_of, now
from ledger.bank_file import media_type
from ledger.cycle_deductions import CycleDeduction, cycle_deductions
from ledger.cycle_reading import listed, read_cycle
from ledger.entitlement import FundingTotal
from ledger.file_looks import fetch_bank_file
from ledger.projections.finance import finance_totals
from ledger.projections.registers import Cycles

router = APIRouter(tags=["cycles"])
_AT = "/v1/cycles/{reference:cycle}"


# --- what is answered ---------------------------------------------------------------------


class CycleEntry(msgspec.Struct):
    """A cycle's row in the register."""

    reference: str
    kind: Literal["regular", "off_cycle"]
    status: str
    starts_on: date
    ends_on: date
    pay_on: date
    line_count: int
    exception_count: int
    total_pence: int
    lines_sha256: str
    prepared_by: str
    approved_by: str | None
    file_name: str | None
    file_sha256: str | None
    processing_on: date | None
    is_taken: bool
    rejected_count: int
    rejected_pence: int


class CycleRegister(msgspec.Struct):
    """Part of the register by reference; ask for `after` = `next_after` for what follows."""

    cycles: list[CycleEntry]
    next_after: str | None


class CycleLines(msgspec.Struct):
    """Some lines in order; ask for `after` = `next_after` for what follows.

    `deductions` say of each instalment of clawback in these lines what it leaves to recover. If
    `lines_sha256` changes from page to page, the cycle was prepared again: begin anew."""

    reference: str
    lines_sha256: str
    line_count: int
    lines: list[CycleLine]
    deductions: list[CycleDeduction]
    next_after: int | None


class CycleExceptions(msgspec.Struct):
    """Some exceptions in order; ask for `after` = `next_after` for what follows."""

    reference: str
    lines_sha256: str
    exception_count: int
    exceptions: list[CycleException]
    next_after: int | None


class CycleFinance(msgspec.Struct):
    """Pence of one funding stream and cost centre, from each budget's own payments
    (scheduled, confirmed, returned) and from the bank file (issued)."""

    funding_stream: str
    cost_centre: str
    scheduled_pence: int
    issued_pence: int
    confirmed_pence: int
    returned_pence: int
    rejected_pence: int
    outstanding_pence: int


class CycleTotals(msgspec.Struct):
    """What was prepared by funding stream and cost centre, and what came of it so far."""

    reference: str
    total_pence: int
    prepared: tuple[FundingTotal, ...]
    finance: list[CycleFinance]


# --- questions ----------------------------------------------------------------------------


@router.get("/v1/cycles", summary="List the cycles", **reads(CycleRegister, missing=False))
@needs("cycles.read")
def list_cycles(
    request: Request,
    after: AfterReference = "",
    limit: Limit = 100,
) -> Response:
    """The register of payment cycles, in order of reference."""
    rows, next_after = register_page(ledger_of(request), Cycles.table, after, limit)
    entries = [CycleEntry(**{**row, "is_taken": bool(row["is_taken"])}) for row in rows]
    return page_of(request, CycleRegister(entries, next_after))


@router.get(_AT, summary="Show a cycle", **reads(Cycle))
@needs("cycles.read")
def show_cycle(request: Request, reference: str) -> Response:
    """Totals, hash and status."""
    now = read_cycle(ledger_of(request), reference)
    return answer(shown(now), version=now.version)


@router.get(f"{_AT}/lines", summary="List the payments of a cycle", **reads(CycleLines))
@needs("cycles.read")
def cycle_lines(
    request: Request, reference: str, after: AfterNumber = 0, limit: Limit = 100
) -> Response:
    """The payments to be made, in order of budget reference, each with how it was worked out."""
    ledger = ledger_of(request)
    now = read_cycle(ledger, reference)
    count = now.prepared.line_count
    lines = listed(now, lambda event: event.lines, count, after, limit)
    deductions = cycle_deductions(ledger, lines)
    following = _following(after, limit, count)
    sealed = now.prepared.lines_sha256
    return page_of(request, CycleLines(reference, sealed, count, lines, deductions, following))


@router.get(f"{_AT}/exceptions", summary="List what the approver should see",
            **reads(CycleExceptions))  # fmt: skip
@needs("cycles.read")
def cycle_exceptions(
    request: Request, reference: str, after: AfterNumber = 0, limit: Limit = 100
) -> Response:
    """What is out of the ordinary, in order of budget reference and code."""
    now = read_cycle(ledger_of(request), reference)
    count = now.prepared.exception_count
    exceptions = listed(now, lambda event: event.exceptions, count, after, limit)
    following = _following(after, limit, count)
    sealed = now.prepared.lines_sha256
    return page_of(request, CycleExceptions(reference, sealed, count, exceptions, following))


@router.get(f"{_AT}/totals", summary="Total a cycle by funding", **reads(CycleTotals))
@needs("cycles.read")
def cycle_totals(request: Request, reference: str) -> Response:
    """By funding stream and cost centre: as prepared, and as scheduled, issued and paid."""
    ledger = ledger_of(request)
    prepared = read_cycle(ledger, reference).prepared
    catch_up(ledger)
    rows = finance_totals(ledger.engine, reference)
    finance = [CycleFinance(**{n: row[n] for n in CycleFinance.__struct_fields__}) for row in rows]
    return answer(CycleTotals(reference, prepared.total_pence, prepared.funding, finance))


@router.get(
    f"{_AT}/file",
    summary="Fetch the bank file",
    openapi_extra={"parameters": [IF_NONE_MATCH]},
    responses={
        200: {
            "description": "The file as it was issued. It holds account details: keep it safe.",
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}}
                for media in ("application/octet-stream", "application/xml")
            },
        },
        304: {"description": "You have this file already."},
        **problems(*READ_PROBLEMS, 409),
    },
)
@needs("cycles.prepare")
def cycle_file(request: Request, reference: str) -> Response:
    """The very bytes that were issued, every time. The one answer with everybody's account in it:
    who fetches it is recorded first. Who has it already is given nothing, and did not look."""
    ledger = ledger_of(request)
    issued = read_cycle(ledger, reference).cycle.require_issued()
    etag = f'"{issued.file_sha256}"'
    content = b""
    if not has_already(request.headers.get("if-none-match"), etag):
        by = actor_of(request).name
        content = fetch_bank_file(ledger, issued, door="api", looked_at=now(), looked_by=by)
    headers = {
        "Content-Disposition": f'attachment; filename="{issued.file_name}"',
        "ETag": etag,
    }
    return Response(content, 200, {**HEADERS, **headers}, media_type(issued.file_format))


# --- how it is put together ---------------------------------------------------------------


def _following(after: int, limit: int, count: int) -> int | None:
    return after + limit if after + limit < count else None
