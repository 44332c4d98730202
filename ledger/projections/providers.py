"""The register of providers: which account each is paid into, and whose money it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Date, Engine, Index, Integer, Text, or_, select

from ledger.aggregates import provider
from ledger.aggregates.event_sourced import TOPICS, Event
from ledger.projections.registers import Budgets
from ledger.projections.tables import Entry, Key, Row, read_table


class Providers:
    """The register of providers. `account_reference` is the verified account, if there is one."""

    table = read_table(
        "providers",
        Column("stream", Text, primary_key=True),
        Column("reference", Text, nullable=False),
        Column("registered_on", Date, nullable=False),
        Column("ended_on", Date),
        Column("account_reference", Text),
        Column("version", Integer, nullable=False),
        Index("ix_providers_reference", "reference", unique=True),
    )
    _ENDED_ON, _ACCOUNT = 3, 4

    def concerns(self, event_type: type[Event]) -> bool:
        return TOPICS[event_type].startswith("provider.")

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, provider.ProviderRegistered):
            rows[entry.stream,] = [entry.stream, event.reference, event.effective_on, None, None, 0]
        row = rows[entry.stream,]
        row[-1] = entry.version
        if isinstance(event, provider.ProviderAccountVerified):
            row[self._ACCOUNT] = event.account_reference
        elif isinstance(event, provider.ProviderAccountWithdrawn):
            if row[self._ACCOUNT] == event.account_reference:
                row[self._ACCOUNT] = None
        elif isinstance(event, provider.ProviderEnded):
            row[self._ENDED_ON] = event.effective_on


def budgets_held_by(
    engine: Engine, provider_reference: str, *, after: str = "", limit: int | None = None
) -> list[dict[str, Any]]:
    """The budgets, by reference, whose direct payment or service fund a provider holds.

    `after` begins after a reference."""
    t = Budgets.table.c
    managed, fund = t.payee_reference, t.fund_provider_reference
    query = (
        select(t.reference, managed, fund)
        .where(or_(managed == provider_reference, fund == provider_reference))
        .where(t.reference > after)
        .order_by(t.reference)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [
            {
                "budget_reference": reference,
                "managed_account": payee == provider_reference,
                "service_fund": holder == provider_reference,
            }
            for reference, payee, holder in connection.execute(query)
        ]
