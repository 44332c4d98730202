"""The journal: every posting as a row, with both its dates and the day it is accounted on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Text

from ledger.aggregates.event_sourced import Event
from ledger.projections.postings import POSTED
from ledger.projections.tables import Entry, read_table


class Postings:
    """Every posting, with both its dates: the table that balances and totals come from.

    `accounted_on` is the day it counts from in the accounts: the first open day, for what was
    recorded after a close and takes effect before it. By that day a closed period never changes."""

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
        Column("accounted_on", Date, nullable=False),
        Index("ix_postings_stream", "stream"),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in POSTED

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        """A row for each posting of the event."""
        # Days are made text once an event, not once a posting: it is most of a row's cost.
        effective_on = accounted_on = str(entry.event.effective_on)
        if entry.accounted_on is not entry.event.effective_on:
            accounted_on = str(entry.accounted_on)
        for line, posting in enumerate(entry.postings, 1):
            yield (
                entry.position,
                line,
                entry.stream,
                posting.account,
                posting.funding_stream,
                posting.cost_centre,
                posting.amount_pence,
                effective_on,
                entry.recorded_at,
                accounted_on,
            )
