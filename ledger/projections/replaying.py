"""Replaying the log: every projection folded in memory, beside the live tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Protocol

from sqlalchemy import Column, Connection, MetaData, Table

from ledger.aggregates.event_sourced import Event
from ledger.errors import ProjectionStopped
from ledger.projections import bulk
from ledger.projections.tables import Appending, Entry, Key, Keyed, Reader, Row
from ledger.store import LogRow

Progress = Callable[[int], None]

REBUILT, REPLAYED = "rebuilt_", "replayed_"  # before the names of tables beside the live ones

_Concerned = tuple[
    list[tuple[Keyed, dict[Key, Row]]], list[tuple[Appending, list[tuple[Any, ...]]]]
]


class Log(Protocol):
    """What is followed."""

    def read_log(self, after: int, limit: int) -> list[LogRow]:
        """Events after a position, in the order of their commits."""
        ...

    def max_notification_id(self) -> int | None:
        """The position of the last event."""
        ...


class Fold:
    """Every projection applied to one entry after another, in memory."""

    def __init__(
        self,
        appending: Sequence[Appending],
        keyed: Sequence[Keyed],
        kept: list[dict[Key, Row]],
    ) -> None:
        self._appending = appending
        self._keyed = keyed
        self.kept = kept
        self.appended: list[list[tuple[Any, ...]]] = [[] for _ in appending]
        self._concerned: dict[type[Event], _Concerned] = {}

    def apply(self, entry: Entry) -> None:
        changing, adding = self._concerned_with(type(entry.event))
        for keyed, rows in changing:
            keyed.apply(entry, rows)
        for appending, appended in adding:
            appended.extend(appending.rows(entry))

    def _concerned_with(self, event_type: type[Event]) -> _Concerned:
        found = self._concerned.get(event_type)
        if found is None:
            keyed = zip(self._keyed, self.kept, strict=True)
            appending = zip(self._appending, self.appended, strict=True)
            found = self._concerned[event_type] = (
                [(p, rows) for p, rows in keyed if p.concerns(event_type)],
                [(p, rows) for p, rows in appending if p.concerns(event_type)],
            )
        return found

    def take_appended(self) -> list[list[tuple[Any, ...]]]:
        """The rows that each appending projection added since the last time."""
        taken = [list(rows) for rows in self.appended]
        for rows in self.appended:
            rows.clear()
        return taken


class Replay:
    """The whole log folded anew, from its beginning to a position, beside the live tables."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        batch: int,
        appending: Sequence[Appending],
        keyed: Sequence[Keyed],
        beside: Callable[[Table], Table],
    ) -> None:
        """Makes the tables to replay into: `beside` says which, for each live one."""
        self.connection = connection
        self.position = 0
        self._log, self._batch = log, batch
        self._reader = Reader(date.min)
        self._fold = Fold(appending, keyed, [{} for _ in keyed])
        self._appending = [beside(projection.table) for projection in appending]
        self._keyed = [beside(projection.table) for projection in keyed]
        with connection.begin():
            if connection.dialect.name == "postgresql":
                # What is lost here is only made again; the swap's own commit waits for the disk.
                connection.exec_driver_sql("SET synchronous_commit = off")
            for table in (*self._appending, *self._keyed):
                table.drop(connection, checkfirst=True)
                table.create(connection)

    def follow(self, upto: int | None, progress: Progress) -> None:
        """Fold the log without any lock, up to a position or its end.

        Reading the next batch and writing the last one go on beside the folding of this one.
        """
        with ThreadPoolExecutor(max_workers=2) as aside:
            reading = aside.submit(self._read, self.position, upto)
            written = aside.submit(self._write, [])
            while rows := reading.result():
                reading = aside.submit(self._read, rows[-1][0], upto)
                self._apply(rows)
                written.result()
                written = aside.submit(self._write, self._fold.take_appended())
                progress(len(rows))
            written.result()

    def put_rows(self) -> None:
        """Put the rows of the keyed tables, once the whole log has been folded."""
        with self.connection.begin():
            for table, kept in zip(self._keyed, self._fold.kept, strict=True):
                bulk.insert(self.connection, table, list(kept.values()))

    def _read(self, after: int, upto: int | None) -> list[LogRow]:
        rows = self._log.read_log(after, self._batch)
        return rows if upto is None else [row for row in rows if row[0] <= upto]

    def _apply(self, rows: Sequence[LogRow]) -> None:
        for row in rows:
            try:
                self._fold.apply(self._reader.read(row))
            except Exception as error:
                raise stopped(row[0], reason(error)) from error
        self.position = rows[-1][0]

    def _write(self, appended: Sequence[Sequence[Sequence[Any]]]) -> None:
        with self.connection.begin():
            for table, rows in zip(self._appending, appended, strict=bool(appended)):
                bulk.insert(self.connection, table, rows)


def temporary(table: Table) -> Table:
    """A table of the session alone, to compare with: two of them never meet."""
    columns = (Column(column.name, column.type) for column in table.columns)
    return Table(f"{REPLAYED}{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])


def successor(table: Table) -> Table:
    """A table to take the live one's place; its indexes are made when it does."""
    rebuilt = table.to_metadata(MetaData(), name=f"{REBUILT}{table.name}")
    rebuilt.indexes.clear()
    return rebuilt


def reason(error: Exception) -> str:
    """Why an event could not be applied, for people to read."""
    return f"{type(error).__name__}: {error}"


def stopped(position: int, why: str) -> ProjectionStopped:
    """The refusal to go past an event."""
    return ProjectionStopped(
        f"The read tables stopped at event {position}: {why}", position=position
    )
