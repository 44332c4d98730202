"""What projections are made of: entries of the log, and two kinds of read table.

An *appending* projection adds rows and never looks back. A *keyed* one keeps a row for each
key and changes it. Neither reads or writes the database itself, so catching up and rebuilding
run the very same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Column, Index, MetaData, Table

from ledger.aggregates.event_sourced import Event
from ledger.projections.postings import Posting, postings
from ledger.store import LogRow, decode

read_tables = MetaData()

Key = tuple[Any, ...]
Row = list[Any]


def read_table(name: str, *parts: Column[Any] | Index) -> Table:
    """A disposable table; it is dropped and made again by `rebuild`."""
    return Table(name, read_tables, *parts)


class Entry(NamedTuple):
    """One event as the projections see it; `stream` is the stream's id in hex."""

    position: int
    stream: str
    version: int
    topic: str
    event: Event
    recorded_at: str
    postings: tuple[Posting, ...]

    @classmethod
    def read(cls, row: LogRow) -> Entry:
        """Decode a row of the log. Raises `UnknownEvent` or the decoder's own error."""
        position, stream, version, topic, state = row
        event = decode(topic, state)
        recorded_at = moment(event.recorded_at)
        return cls(position, stream, version, topic, event, recorded_at, postings(event))


@lru_cache(maxsize=4096)
def moment(recorded_at: datetime) -> str:
    """ISO 8601 in UTC, so that text order is time order on both databases."""
    return recorded_at.astimezone(UTC).isoformat(timespec="microseconds")


class Appending(Protocol):
    """A table that only grows."""

    table: Table

    def concerns(self, event_type: type[Event]) -> bool:
        """Whether such an event adds rows."""
        ...

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        """The rows that one event adds, in the order of the table's columns."""
        ...


class Keyed(Protocol):
    """A table with one row a key; the key is the leading columns."""

    table: Table

    def concerns(self, event_type: type[Event]) -> bool:
        """Whether such an event reads or changes rows."""
        ...

    def keys(self, entry: Entry) -> Iterable[Key]:
        """The keys of every row that the event reads or changes."""
        ...

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        """Change rows in place, or put new ones; `rows` holds those of `keys` that exist."""
        ...
