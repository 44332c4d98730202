"""Payment cycles: the list, where one stands, what changed, what is out of the ordinary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import func, select

from ledger.access.guard import actor_of, needs
from ledger.access.roles import Permission
from ledger.aggregates.cycle_events import CycleException
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.bank_file import media_type
from ledger.cycle_deductions import cycle_deductions
from ledger.cycle_differences import CAUSES, Cause, biggest_first
from ledger.cycle_reading import CycleNow, listed, read_cycle
from ledger.file_looks import fetch_bank_file
from ledger.projections.registers import Cycles
from ledger.statements.cycle_report import NAMES, signed, why
from ledger.web.asking import ledger_of
from ledger.web.cycle_findings import differences
from ledger.web.pages import HEADERS, page
from ledger.web.paging import PageAsked, paging

router = APIRouter(include_in_schema=False)
_AT = "/cycles/{reference:cycle}"

STATUS: dict[str, tuple[str, str]] = {
    "prepared": ("Waits for approval", "govuk-tag--yellow"),
    "rejected": ("Rejected", "govuk-tag--red"),
    "cancelled": ("Withdrawn", "govuk-tag--grey"),
    "approved": ("Approved", "govuk-tag--blue"),
    "issued": ("With the bank", "govuk-tag--turquoise"),
    "settled": ("Paid", "govuk-tag--green"),
}
"""Where a cycle stands, and the class of its tag."""


class Step(NamedTuple):
    """Something to do with a cycle next: its title, and the last part of its address."""

    title: str
    name: str


_NEXT: dict[str, list[tuple[Permission, Step]]] = {
    "prepared": [
        ("cycles.approve", Step("Decide", "decide")),
        ("cycles.prepare", Step("Withdraw", "withdraw")),
    ],
    "rejected": [("cycles.prepare", Step("Withdraw", "withdraw"))],
    "approved": [
        ("cycles.prepare", Step("Make the bank file", "issue")),
        ("cycles.prepare", Step("Withdraw", "withdraw")),
    ],
    "issued": [("cycles.prepare", Step("The bank has paid", "settle"))],
}


@router.get("/cycles")
@needs("cycles.read")
def list_cycles(
    request: Request, number: Annotated[PageAsked, Query(alias="page")] = 1
) -> Response:
    """Every cycle, the one for the latest days first."""
    ledger = ledger_of(request)
    ledger.projections.catch_up()
    c = Cycles.table.c
    with ledger.engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(Cycles.table)).scalar_one()
        at = paging(request, number, count)
        query = select(Cycles.table).order_by(c.starts_on.desc(), c.reference.desc())
        rows = connection.execute(query.offset(at.after).limit(at.size)).all()
    prepares = actor_of(request).reach("cycles.prepare") == "all"
    return page(request, "cycles.html", cycles=rows, at=at, states=STATUS, prepares=prepares)


@router.get(_AT)
@needs("cycles.read")
def show(request: Request, reference: str) -> Response:
    """Where one stands, what it comes to, and what can be done with it next."""
    ledger = ledger_of(request)
    now = read_cycle(ledger, reference)
    actor = actor_of(request)
    steps = _NEXT.get(now.cycle.status or "", [])
    return page(
        request,
        "cycle.html",
        **cycle_facts(now),
        streams=_streams(now),
        steps=[step for permission, step in steps if actor.reach(permission) == "all"],
        may_fetch=now.cycle.issued is not None and actor.reach("cycles.prepare") == "all",
    )


def _streams(now: CycleNow) -> dict[str, int]:
    """What the cycle comes to by funding stream."""
    totals: dict[str, int] = {}
    for one in now.prepared.funding:
        totals[one.funding_stream] = totals.get(one.funding_stream, 0) + one.amount_pence
    return totals


def cycle_facts(now: CycleNow) -> dict[str, Any]:
    """What every page of a cycle says of it."""
    text, classes = STATUS[now.cycle.status or ""]
    return {
        "cycle": now.cycle,
        "prepared": now.prepared,
        "standing": text,
        "standing_classes": classes,
        "taken": _taken(now),
    }


def _taken(now: CycleNow) -> str:
    """What the bank has said of the file; nothing if there is none."""
    cycle = now.cycle
    if cycle.issued is None:
        return ""
    if not cycle.rejected_count:
        return "All of it" if cycle.is_taken else "Not known: no report says so"
    which = "All but" if cycle.is_taken else "Not taken:"
    return f"{which} {cycle.rejected_count} payments"


# --- what an approver looks at ----------------------------------------------------------------


@router.get(f"{_AT}/changes")
@needs("cycles.read")
def changes(
    request: Request,
    reference: str,
    cause: Cause | None = None,
    number: Annotated[PageAsked, Query(alias="page")] = 1,
) -> Response:
    """What changed since the last cycle and why, every difference, the biggest first."""
    now = read_cycle(ledger_of(request), reference)
    found = differences(request, now)
    if isinstance(found, Response):
        return found
    budgets = biggest_first(found.budgets, cause or "")
    at = paging(request, number, len(budgets), place="budgets")
    return page(
        request,
        "cycle_changes.html",
        **cycle_facts(now),
        found=found,
        cause=cause,
        budgets=at.of(budgets),
        at=at,
        names=NAMES,
        meanings=CAUSES,
        signed=signed,
        why=why,
    )


@router.get(f"{_AT}/exceptions")
@needs("cycles.read")
def exceptions(
    request: Request,
    reference: str,
    code: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[PageAsked, Query(alias="page")] = 1,
) -> Response:
    """What is out of the ordinary: how many of each kind, and one by one."""
    now = read_cycle(ledger_of(request), reference)
    noted = all_exceptions(now)
    chosen = [one for one in noted if code in ("", one.code)]
    at = paging(request, number, len(chosen), place="each")
    return page(
        request,
        "cycle_exceptions.html",
        **cycle_facts(now),
        kinds=kinds_of(noted),
        meanings=EXCEPTIONS,
        code=code if code in EXCEPTIONS else "",
        exceptions=at.of(chosen),
        at=at,
    )


def all_exceptions(now: CycleNow) -> list[CycleException]:
    """Every exception of the preparation that stands."""
    count = now.prepared.exception_count
    return listed(now, lambda event: event.exceptions, count, 0, count)


def kinds_of(noted: Sequence[CycleException]) -> list[tuple[str, int]]:
    """How many there are of each kind, in the order in which the kinds are explained."""
    counts = Counter(one.code for one in noted)
    return [(code, counts[code]) for code in EXCEPTIONS if counts[code]]


@router.get(f"{_AT}/payments")
@needs("cycles.read")
def payments(
    request: Request, reference: str, number: Annotated[PageAsked, Query(alias="page")] = 1
) -> Response:
    """The payments line by line, in order of budget reference."""
    ledger = ledger_of(request)
    now = read_cycle(ledger, reference)
    count = now.prepared.line_count
    at = paging(request, number, count)
    lines = listed(now, lambda event: event.lines, count, at.after, at.size)
    return page(
        request,
        "cycle_payments.html",
        **cycle_facts(now),
        lines=lines,
        deductions=cycle_deductions(ledger, lines),
        at=at,
    )


@router.get(f"{_AT}/file")
@needs("cycles.prepare")
def file(request: Request, reference: str) -> Response:
    """The very bytes that were issued. They hold account details: who fetches them is recorded."""
    ledger = ledger_of(request)
    issued = read_cycle(ledger, reference).cycle.require_issued()
    by = actor_of(request).name
    content = fetch_bank_file(
        ledger, issued, door="site", looked_at=datetime.now(UTC), looked_by=by
    )
    named = {"Content-Disposition": f'attachment; filename="{issued.file_name}"'}
    return Response(content, 200, {**HEADERS, **named}, media_type(issued.file_format))
