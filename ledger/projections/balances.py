"""Balances: what stands on each account, now for everyone and at any two dates for one budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Engine, Text, func, select

from ledger.aggregates.event_sourced import Event
from ledger.projections.journal import Postings
from ledger.projections.postings import POSTED
from ledger.projections.tables import Entry, Key, Row, moment, read_table


class Balances:
    """The current balance of each account of each budget."""

    table = read_table(
        "balances",
        Column("stream", Text, primary_key=True),
        Column("account", Text, primary_key=True),
        Column("balance_pence", BigInteger, nullable=False),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in POSTED

    def keys(self, entry: Entry) -> Iterator[Key]:
        for posting in entry.postings:
            yield entry.stream, posting.account

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        for posting in entry.postings:
            key = (entry.stream, posting.account)
            row = rows.get(key)
            if row is None:
                rows[key] = [*key, posting.amount_pence]
            else:
                row[2] += posting.amount_pence


def balances_of(
    engine: Engine, stream: str, on: date | None = None, known_at: datetime | None = None
) -> dict[str, int]:
    """One budget's accounts in pence, as of the end of a day and as known at a moment.

    `on` leaves out what takes effect after it; `known_at` what was recorded after it.
    """
    table = Postings.table
    query = (
        select(table.c.account, func.sum(table.c.amount_pence))
        .where(table.c.stream == stream)
        .group_by(table.c.account)
        .order_by(table.c.account)
    )
    if on is not None:
        query = query.where(table.c.effective_on <= on)
    if known_at is not None:
        query = query.where(table.c.recorded_at <= moment(known_at))
    with engine.connect() as connection:
        return {account: int(pence) for account, pence in connection.execute(query)}


def all_balances(engine: Engine) -> dict[str, int]:
    """The whole ledger's accounts in pence; they add up to nought."""
    table = Balances.table
    query = select(table.c.account, func.sum(table.c.balance_pence)).group_by(table.c.account)
    with engine.connect() as connection:
        found: list[tuple[str, Any]] = [tuple(row) for row in connection.execute(query)]
    return {account: int(pence) for account, pence in sorted(found)}
