"""What changed from the last payment cycle to this one, as JSON, CSV or a page to print."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.openapi import reads
from ledger.api.paging import AfterNumber, Limit, page_of
from ledger.api.problems import HEADERS
from ledger.api.requests import ledger_of
from ledger.api.statements import PAGE
from ledger.cycle_differences import (
    BudgetDifference,
    Cause,
    CauseTotal,
    ComparedCycle,
    CycleDifferences,
    OutcomeTotal,
    biggest_first,
)
from ledger.last_cycle import differences_of
from ledger.statements.cycle_report import differences_csv, differences_html

router = APIRouter(tags=["cycles"])


class CycleChanges(msgspec.Struct):
    """What changed: `was_pence` + `difference_pence` = `now_pence`, and the outcomes and the
    causes each add up to the difference.

    `budgets` are some of the `budget_count` that changed (by the cause asked for), the biggest
    difference first; ask for `after` = `next_after` for what follows. If the `lines_sha256` of
    a cycle changes from page to page, it was prepared again: begin anew."""

    now: ComparedCycle
    was: ComparedCycle | None
    was_pence: int
    now_pence: int
    difference_pence: int
    outcomes: tuple[OutcomeTotal, ...]
    causes: tuple[CauseTotal, ...]
    budget_count: int
    budgets: list[BudgetDifference]
    next_after: int | None


def _described() -> dict[str, Any]:
    described = reads(CycleChanges)
    described["responses"][200]["content"] |= {
        "text/csv": {"schema": {"type": "string"}},
        "text/html": {"schema": {"type": "string"}},
    }
    return described


@router.get("/v1/cycles/{reference:cycle}/differences", summary="Say what changed and why",
            **_described())  # fmt: skip
@needs("cycles.read")
def cycle_changes(
    request: Request,
    reference: str,
    against: Annotated[
        str, Query(max_length=20, description="Another cycle to compare with than the last.")
    ] = "",
    cause: Annotated[
        Cause | None, Query(description="Only budgets with this cause; totals stay whole.")
    ] = None,
    after: AfterNumber = 0,
    limit: Limit = 100,
    form: Annotated[
        Literal["json", "csv", "html"],
        Query(alias="format", description="`json`, `csv` for a spreadsheet, or `html` to print."),
    ] = "json",
) -> Response:
    """New, stopped and changed payments since the last regular cycle that was approved for an
    earlier period, each difference split into its causes. The CSV has every budget, the page
    the biggest changes; neither is narrowed by `cause`, `after` or `limit`."""
    ledger = ledger_of(request)
    found = differences_of(ledger, reference, against)
    if form == "html":
        page = differences_html(found, ledger.settings.council_name)
        return Response(page, 200, {**HEADERS, **PAGE}, "text/html")
    if form == "csv":
        name = f"differences-{reference}.csv"
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
        # With a byte order mark: spreadsheets read a file without one as another alphabet.
        return Response(differences_csv(found).encode("utf-8-sig"), 200, headers, "text/csv")
    return page_of(request, _page(found, biggest_first(found.budgets, cause or ""), after, limit))


def _page(
    found: CycleDifferences, chosen: list[BudgetDifference], after: int, limit: int
) -> CycleChanges:
    return CycleChanges(
        now=found.now,
        was=found.was,
        was_pence=found.was_pence,
        now_pence=found.now_pence,
        difference_pence=found.difference_pence,
        outcomes=found.outcomes,
        causes=found.causes,
        budget_count=len(chosen),
        budgets=chosen[after : after + limit],
        next_after=after + limit if after + limit < len(chosen) else None,
    )
