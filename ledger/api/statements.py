"""Statements: a budget's money in a period, as JSON, CSV or a page to print."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.api.idempotency import answer
from ledger.api.openapi import reads
from ledger.api.problems import HEADERS
from ledger.api.requests import KnownAtAsked, PeriodAsked, ledger_of
from ledger.outbox.writing import council_of
from ledger.statements.documents import statement_csv, statement_html
from ledger.statements.statement import Statement, statement_of

router = APIRouter(tags=["budgets"])

# The page needs its own style and nothing else: no script, nothing fetched.
PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def _described() -> dict[str, Any]:
    described = reads(Statement)
    described["responses"][200]["content"] |= {
        "text/csv": {"schema": {"type": "string"}},
        "text/html": {"schema": {"type": "string"}},
    }
    return described


@router.get("/v1/budgets/{reference:reference}/statement", summary="Make a statement",
            **_described())  # fmt: skip
@needs("budgets.read")
def budget_statement(
    request: Request,
    reference: str,
    period: PeriodAsked,
    known_at: KnownAtAsked,
    form: Annotated[
        Literal["json", "csv", "html"],
        Query(alias="format", description="`json`, `csv` for a spreadsheet, or `html` to print."),
    ] = "json",
) -> Response:
    """Gross, contribution, net, paid and put right from `from` to `to`, with a running balance
    and the reasons, as known at `known_at`. A row stands on the day its money moves; a change
    of terms on the day it was recorded."""
    ledger = ledger_of(request)
    history = ledger.history(PersonalBudget, reference)
    made = statement_of(reference, history, period, known_at)
    if form == "json":
        return answer(made)
    if form == "html":
        page = statement_html(made, council_of(ledger.settings))
        return Response(page, 200, {**HEADERS, **PAGE}, "text/html")
    name = f"statement-{reference.replace('/', '-')}-{period.starts_on}-{period.ends_on}.csv"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    # With a byte order mark: spreadsheets read a file without one as another alphabet.
    return Response(statement_csv(made).encode("utf-8-sig"), 200, headers, "text/csv")
