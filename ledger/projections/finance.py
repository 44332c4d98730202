"""Finance totals: what each cycle comes to by funding stream and cost centre.

`scheduled` comes from each budget's own payments and `issued` from the cycle's file, the one that
the bank did not refuse, so that their agreement is a control and not a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, Text, select

from ledger.aggregates import cycle_events as cycle
from ledger.aggregates import payments as budget
from ledger.aggregates.event_sourced import Event
from ledger.entitlement import FundingTotal
from ledger.projections.tables import Entry, Key, Row, read_table

SCHEDULED, ISSUED, CONFIRMED, RETURNED, REJECTED = 3, 4, 5, 6, 7


class FinanceTotals:
    """Pence by cycle, funding stream and cost centre."""

    table = read_table(
        "finance_totals",
        Column("cycle_reference", Text, primary_key=True),
        Column("funding_stream", Text, primary_key=True),
        Column("cost_centre", Text, primary_key=True),
        Column("scheduled_pence", BigInteger, nullable=False),
        Column("issued_pence", BigInteger, nullable=False),
        Column("confirmed_pence", BigInteger, nullable=False),
        Column("returned_pence", BigInteger, nullable=False),
        Column("rejected_pence", BigInteger, nullable=False),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in _CONCERNED

    def keys(self, entry: Entry) -> Iterator[Key]:
        return (key for key, _, _ in _changes(entry))

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        for key, column, pence in _changes(entry):
            row = rows.get(key)
            if row is None:
                row = rows[key] = [*key, 0, 0, 0, 0, 0]
            row[column] += pence


_CONCERNED = (
    budget.PaymentScheduled,
    budget.PaymentConfirmed,
    budget.PaymentReturned,
    budget.PaymentRejected,
    budget.PaymentReissued,
    budget.PaymentCancelled,
    cycle.CycleIssued,
    cycle.CycleFileRefused,
)


def _changes(entry: Entry) -> Iterator[tuple[Key, int, int]]:
    event = entry.event
    if isinstance(event, budget.PaymentScheduled):
        for line in event.lines:
            key = (event.cycle_reference, line.funding_stream, line.cost_centre)
            yield key, SCHEDULED, line.amount_pence
        if event.deducted_pence:
            yield (event.cycle_reference, "clawback", ""), SCHEDULED, -event.deducted_pence
    elif isinstance(event, budget.PaymentReissued):
        yield (event.cycle_reference, "reissued", ""), SCHEDULED, event.amount_pence
    elif isinstance(event, budget.PaymentCancelled):
        for total in event.funding:
            key = (event.cycle_reference, total.funding_stream, total.cost_centre)
            yield key, SCHEDULED, -total.amount_pence
    elif isinstance(event, cycle.CycleIssued):
        yield from _of_funding(event.reference, event.funding, ISSUED)
    elif isinstance(event, cycle.CycleFileRefused):
        for key, column, pence in _of_funding(event.reference, event.funding, ISSUED):
            yield key, column, -pence
    elif isinstance(event, budget.PaymentConfirmed):
        yield from _of_funding(event.cycle_reference, event.funding, CONFIRMED)
    elif isinstance(event, budget.PaymentReturned):
        yield from _of_funding(event.cycle_reference, event.funding, RETURNED)
    elif isinstance(event, budget.PaymentRejected):
        yield from _of_funding(event.cycle_reference, event.funding, REJECTED)


def _of_funding(
    reference: str, funding: Iterable[FundingTotal], column: int
) -> Iterator[tuple[Key, int, int]]:
    for total in funding:
        yield (reference, total.funding_stream, total.cost_centre), column, total.amount_pence


def finance_totals(engine: Engine, cycle_reference: str | None = None) -> list[dict[str, Any]]:
    """Totals in pence by cycle, funding stream and cost centre.

    `outstanding_pence` is what was scheduled and the bank has neither confirmed nor refused.
    """
    table = FinanceTotals.table
    outstanding = table.c.scheduled_pence - table.c.confirmed_pence - table.c.rejected_pence
    query = select(table, outstanding.label("outstanding_pence")).order_by(*list(table.c)[:3])
    if cycle_reference is not None:
        query = query.where(table.c.cycle_reference == cycle_reference)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
