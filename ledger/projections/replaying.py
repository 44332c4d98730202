"""Replaying the log: every projection folded in memory, beside the live tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, Connection, MetaData, Table

from ledger.aggregates.event_sourced import Event
from ledger.errors import ProjectionStopped
from ledger.projections import bulk
from ledger.projections.tables import Appending, Entry, Key, Keyed, Row
from ledger.store import LogRow

Progress = Callable[[int], None]

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

    def flush(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Write what was appended, each projection's to its table."""
        for table, appended in zip(tables, self.appended, strict=True):
            bulk.insert(connection, table, appended)
            appended.clear()


class Replay:
    """The whole log folded anew, from its beginning to a position, beside the live tables."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        batch: int,
        appending: Sequence[Appending],
        keyed: Sequence[Keyed],
    ) -> None:
        self.connection = connection
        self.position = 0
        self._log, self._batch = log, batch
        self._fold = Fold(appending, keyed, [{} for _ in keyed])
        beside = MetaData()
        self._appending = [_temporary(projection.table, beside) for projection in appending]
        self._keyed = [_temporary(projection.table, beside) for projection in keyed]
        with connection.begin():
            beside.create_all(connection)

    def follow(self, upto: int | None, progress: Progress) -> None:
        """Fold the log without any lock, a transaction a batch, up to a position or its end."""
        while True:
            with self.connection.begin():
                if not self._one_batch(upto, progress):
                    return

    def finish(self, upto: int | None, progress: Progress) -> None:
        """Fold the rest in the transaction under way, and put every row into its table."""
        while self._one_batch(upto, progress):
            pass
        for table, rows in zip(self._keyed, self._fold.kept, strict=True):
            bulk.insert(self.connection, table, list(rows.values()))

    def _one_batch(self, upto: int | None, progress: Progress) -> bool:
        rows = self._log.read_log(self.position, self._batch)
        rows = [row for row in rows if upto is None or row[0] <= upto]
        for row in rows:
            try:
                self._fold.apply(Entry.read(row))
            except Exception as error:
                raise stopped(row[0], reason(error)) from error
        self._fold.flush(self.connection, self._appending)
        if rows:
            self.position = rows[-1][0]
            progress(len(rows))
        return bool(rows)


def _temporary(table: Table, beside: MetaData) -> Table:
    columns = (Column(column.name, column.type) for column in table.columns)
    return Table(f"replayed_{table.name}", beside, *columns, prefixes=["TEMPORARY"])


def reason(error: Exception) -> str:
    """Why an event could not be applied, for people to read."""
    return f"{type(error).__name__}: {error}"


def stopped(position: int, why: str) -> ProjectionStopped:
    """The refusal to go past an event."""
    return ProjectionStopped(
        f"The read tables stopped at event {position}: {why}", position=position
    )
