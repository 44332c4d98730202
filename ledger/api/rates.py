"""The figures that financial assessments use."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import answer
from ledger.api.openapi import reads
from ledger.api.requests import ledger_of, today
from ledger.charging.rate_book import load_rates
from ledger.dates import parse_date

router = APIRouter(tags=["financial assessments"])


class RateShown(msgspec.Struct):
    """One figure in force: pence, or a whole percentage."""

    key: str
    value: int
    unit: str
    year: str
    starts_on: date
    status: str
    source: str
    note: str


class RatesInForce(msgspec.Struct):
    """Every figure that a financial assessment uses on a day, with its source and standing."""

    on: date
    rates: list[RateShown]


@router.get("/v1/rates", summary="Show the charging rates",
            **reads(RatesInForce, missing=False))  # fmt: skip
@needs("rates.read")
def rates_in_force(
    request: Request,
    on: Annotated[
        str | None,
        Query(
            description="In force on this day; today, if not given.",
            json_schema_extra={"format": "date"},
        ),
    ] = None,
) -> Response:
    """The national figures and the council's own, as they are on a day."""
    day = today() if on is None else parse_date(on, "on")
    book = load_rates(ledger_of(request).settings.rates_file)
    rates = [
        RateShown(r.key, r.value, r.unit, r.year, r.starts_on, r.status, r.source, r.note)
        for r in book.in_force(day).values()
    ]
    return answer(RatesInForce(day, rates))
