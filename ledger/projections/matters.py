"""Open matters: what waits on a budget for somebody to do something, one row each, and since when.

A row is kept when the matter is over, with another state, as every keyed table keeps its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Literal, NamedTuple

from sqlalchemy import Column, Date, Engine, Index, Text, select

from ledger.aggregates import care_decisions, estates, payees, spend_returns, suspensions
from ledger.aggregates.event_sourced import Event
from ledger.projections.registers import Budgets
from ledger.projections.tables import Entry, Key, Row, read_table

MatterKind = Literal["spend_return", "payee", "resumption", "estate_case", "review"]
DONE = "done"


class _Change(NamedTuple):
    """What an event does to a matter: its new state, and its day if that is another now."""

    kind: MatterKind
    item: str
    state: str
    on: date | None = None


def _suspension(e: Any) -> str:
    return f"{e.reason_code} {e.suspended_from}"


_CHANGES: dict[type[Event], Callable[[Any], _Change]] = {
    spend_returns.SpendReturnRequested: lambda e: _Change(
        "spend_return", e.return_reference, "requested", e.due_on
    ),
    spend_returns.SpendReturnSubmitted: lambda e: _Change(
        "spend_return", e.return_reference, "submitted"
    ),
    spend_returns.SpendReturnQueried: lambda e: _Change(
        "spend_return", e.return_reference, "queried"
    ),
    spend_returns.SpendReturnAccepted: lambda e: _Change("spend_return", e.return_reference, DONE),
    payees.PayeeProposed: lambda e: _Change("payee", e.payee_reference, "proposed", e.effective_on),
    payees.PayeeVerified: lambda e: _Change("payee", e.payee_reference, DONE),
    payees.PayeeWithdrawn: lambda e: _Change("payee", e.payee_reference, DONE),
    suspensions.ResumptionProposed: lambda e: _Change(
        "resumption", _suspension(e), "proposed", e.effective_on
    ),
    suspensions.PaymentsResumed: lambda e: _Change("resumption", _suspension(e), DONE),
    estates.EstateCaseOpened: lambda e: _Change(
        "estate_case", e.case_reference, "open", e.effective_on
    ),
    estates.EstateCaseDecided: lambda e: _Change("estate_case", e.case_reference, DONE),
    care_decisions.DirectPaymentOffered: lambda e: _Change("review", "", "held", e.effective_on),
}


class Matters:
    """Spend returns, account details, resumptions and estate cases, and the latest review.

    `on_day` is when a return is due, details were put forward, payments are to resume, a death
    was reported, or the last review was held."""

    table = read_table(
        "matters",
        Column("stream", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("item", Text, primary_key=True),
        Column("state", Text, nullable=False),
        Column("on_day", Date, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Index("ix_matters_kind", "kind", "state"),
    )
    _STATE, _ON, _BY = 3, 4, 5

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in _CHANGES

    def keys(self, entry: Entry) -> Iterator[Key]:
        change = _CHANGES[type(entry.event)](entry.event)
        yield entry.stream, change.kind, change.item

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, care_decisions.DirectPaymentOffered) and event.occasion != "review":
            return
        change = _CHANGES[type(event)](event)
        key = (entry.stream, change.kind, change.item)
        row = rows.get(key)
        if row is None:
            if change.on is not None:  # else it ends what was never proposed
                rows[key] = [*key, change.state, change.on, event.recorded_by]
            return
        row[self._STATE], row[self._BY] = change.state, event.recorded_by
        if change.kind == "review":
            row[self._ON] = max(str(row[self._ON]), str(change.on))  # SQLite's days are text
        elif change.on is not None:
            row[self._ON] = change.on


class Matter(NamedTuple):
    """One matter as it stands."""

    budget_reference: str
    item: str
    state: str
    on: date
    recorded_by: str


def matters_of(engine: Engine, kind: MatterKind, *states: str) -> list[Matter]:
    """Every matter of a kind in some states, the earliest first. Catch up before."""
    m, b = Matters.table.c, Budgets.table.c
    query = (
        select(b.reference, m.item, m.state, m.on_day, m.recorded_by)
        .join_from(Matters.table, Budgets.table, m.stream == b.stream)
        .where(m.kind == kind, m.state.in_(states))
        .order_by(m.on_day, b.reference, m.item)
    )
    with engine.connect() as connection:
        return [Matter(*row) for row in connection.execute(query)]
