"""What projections are made of: entries of the log, and two kinds of read table.

An *appending* projection adds rows and never looks back. A *keyed* one keeps a row for each
key and changes it. Neither reads or writes the database itself, so catching up and rebuilding
run the very same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Column, Index, MetaData, Table

from ledger.aggregates.accounting_periods import ONE_DAY, AccountingPeriodClosed
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
    """One event as the projections see it.

    `stream` is the stream's id in hex. `accounted_on` is the day it takes effect, or the first
    day whose accounts were open when it was recorded, if that is later."""

    position: int
    stream: str
    version: int
    topic: str
    event: Event
    recorded_at: str
    postings: tuple[Posting, ...]
    accounted_on: date


class Reader:
    """Reads the log row by row, in its order, and knows from which day the accounts are open."""

    def __init__(self, open_from: date) -> None:
        """`open_from` is the first open day before the first row; `date.min`: nothing closed."""
        self._open_from = open_from

    def read(self, row: LogRow) -> Entry:
        """Decode a row of the log. Raises `UnknownEvent` or the decoder's own error."""
        position, stream, version, topic, state = row
        event = decode(topic, state)
        if type(event) is AccountingPeriodClosed:
            self._open_from = max(self._open_from, event.closed_to + ONE_DAY)
        return Entry(
            position,
            stream,
            version,
            topic,
            event,
            moment(event.recorded_at),
            postings(event),
            max(event.effective_on, self._open_from),
        )


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
