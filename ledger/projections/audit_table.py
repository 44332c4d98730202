"""The audit as a read table: one row an event, with its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Text

from ledger.aggregates.event_sourced import Event
from ledger.projections.audit import SENTENCES, sentence
from ledger.projections.tables import Entry, read_table


class Audit:
    """Who did what, when, and what it means: one row an event."""

    table = read_table(
        "audit",
        Column("position", BigInteger, primary_key=True),
        Column("stream", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("topic", Text, nullable=False),
        Column("effective_on", Date, nullable=False),
        Column("recorded_at", Text, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("sentence", Text, nullable=False),
        Index("ix_audit_stream", "stream"),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in SENTENCES

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        """One row."""
        event = entry.event
        yield (
            entry.position,
            entry.stream,
            entry.version,
            entry.topic,
            event.effective_on,
            entry.recorded_at,
            event.recorded_by,
            sentence(event),
        )
