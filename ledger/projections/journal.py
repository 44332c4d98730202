"""The journal: every posting as a row, with both its dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Text

from ledger.aggregates.event_sourced import Event
from ledger.projections.postings import POSTED
from ledger.projections.tables import Entry, read_table


class Postings:
    """Every posting, with both its dates: the table that balances and totals come from."""

    table = read_table(
        "postings",
        Column("position", BigInteger, primary_key=True),
        Column("line", Integer, primary_key=True),
        Column("stream", Text, nullable=False),
        Column("account", Text, nullable=False),
        Column("funding_stream", Text, nullable=False),
        Column("cost_centre", Text, nullable=False),
        Column("amount_pence", BigInteger, nullable=False),
        Column("effective_on", Date, nullable=False),
        Column("recorded_at", Text, nullable=False),
        Index("ix_postings_stream", "stream"),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in POSTED

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        """A row for each posting of the event."""
        event = entry.event
        for line, posting in enumerate(entry.postings, 1):
            yield (
                entry.position,
                line,
                entry.stream,
                posting.account,
                posting.funding_stream,
                posting.cost_centre,
                posting.amount_pence,
                event.effective_on,
                entry.recorded_at,
            )
