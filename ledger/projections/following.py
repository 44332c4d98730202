"""Following the log: catch up exactly once, rebuild beside and swap in, verify by replay.

One position row stands for all read tables: rows and position move in one transaction, under
a lock on that row, so any number of processes may catch up at once.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateIndex

from ledger.aggregates.event_sourced import Event
from ledger.errors import ProjectionStopped, ReadTablesOutOfDate
from ledger.projections import bulk
from ledger.projections.tables import Appending, Entry, Key, Keyed, Row
from ledger.store import LogRow, writing

BATCH = 10_000
REVISION = 1  # raise it when a projection means something else by the same columns

Progress = Callable[[int], None]

_metadata = MetaData()
positions = Table(
    "read_position",
    _metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("shape", Text, nullable=False),
    Column("stopped_at", BigInteger),
    Column("stopped_why", Text),
)
_NAME = "read-tables"


class Log(Protocol):
    """What is followed."""

    def read_log(self, after: int, limit: int) -> list[LogRow]:
        """Events after a position, in the order of their commits."""
        ...

    def max_notification_id(self) -> int | None:
        """The position of the last event."""
        ...


class Status(NamedTuple):
    """Where the read tables stand against the log."""

    position: int
    head: int
    stopped_at: int | None
    stopped_why: str | None
    out_of_date: bool

    @property
    def healthy(self) -> bool:
        return self.stopped_at is None and not self.out_of_date


class Difference(NamedTuple):
    """The first row in which a table is not what a replay gives."""

    table: str
    row: dict[str, Any]
    where: str


def _ignore(_done: int) -> None:
    """For callers that show no progress."""


class Projections:
    """All read tables, following one log together."""

    def __init__(
        self, engine: Engine, log: Log, appending: Sequence[Appending], keyed: Sequence[Keyed]
    ) -> None:
        self._engine = engine
        self._log = log
        self._appending = appending
        self._keyed = keyed
        self.tables = [projection.table for projection in (*appending, *keyed)]
        described = repr([(t.name, [str(c.type) for c in t.c]) for t in self.tables])
        self.shape = hashlib.sha256(f"{REVISION} {described}".encode()).hexdigest()[:16]

    # --- making ---------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables that are not there yet, at the beginning of the log."""
        _metadata.create_all(self._engine)
        with writing(self._engine).begin() as connection:
            if self._position(connection) is None:
                for table in self.tables:
                    table.create(connection, checkfirst=True)
                row = {"name": _NAME, "position": 0, "shape": self.shape}
                connection.execute(insert(positions).values(row))

    def status(self) -> Status:
        """Where the tables stand; `healthy` says whether they follow the log."""
        with self._engine.connect() as connection:
            row = self._position(connection)
        head = self._log.max_notification_id() or 0
        if row is None:
            return Status(0, head, None, None, True)
        return Status(
            row.position, head, row.stopped_at, row.stopped_why, row.shape != self.shape
        )

    # --- following ------------------------------------------------------------------------

    def catch_up(self, progress: Progress = _ignore) -> int:
        """Apply every event not yet applied; returns the position reached.

        Raises `ProjectionStopped` at an event that cannot be applied: what is before it is
        kept, nothing after it is, and `status` names it until it can be.
        """
        with _without_gc():
            while True:
                reached, applied = self._one_batch()
                progress(applied)
                if applied == 0:
                    return reached

    def _one_batch(self) -> tuple[int, int]:
        with writing(self._engine).begin() as connection:
            row = self._locked(connection)
            log_rows = self._log.read_log(row.position, BATCH)
            if not log_rows:
                return row.position, 0
            entries, fault = _decoded(log_rows)
            with connection.begin_nested() as attempt:
                wrong = self._apply(connection, entries)
                if wrong:
                    attempt.rollback()
            if wrong:
                entries, fault = entries[: wrong[0]], wrong[1]
                self._apply(connection, entries)
            reached = entries[-1].position if entries else row.position
            stopped = log_rows[len(entries)][0] if fault else None
            connection.execute(
                update(positions).values(
                    position=reached, stopped_at=stopped, stopped_why=fault or None
                )
            )
        if fault:
            raise ProjectionStopped(
                f"The read tables stopped at event {stopped}: {fault}", position=stopped
            )
        return reached, len(entries)

    def _locked(self, connection: Connection) -> Any:
        row = connection.execute(select(positions).with_for_update()).one()
        if row.shape != self.shape:
            raise ReadTablesOutOfDate()
        return row

    def _position(self, connection: Connection) -> Any:
        return connection.execute(select(positions)).one_or_none()

    def _apply(
        self, connection: Connection, entries: Sequence[Entry]
    ) -> tuple[int, str] | None:
        """Apply entries to the live tables; at a fault, say how many came before it and why."""
        kept = [bulk.take(connection, p.table, _keys(p, entries)) for p in self._keyed]
        fold = _Fold(self._appending, self._keyed, kept)
        for count, entry in enumerate(entries):
            try:
                fold.apply(entry)
            except Exception as error:  # noqa: BLE001 - whatever it is, stop there and say so
                return count, f"{type(error).__name__}: {error}"
        fold.flush(connection, [projection.table for projection in self._appending])
        for projection, rows in zip(self._keyed, kept, strict=True):
            bulk.insert(connection, projection.table, list(rows.values()))
        return None

    # --- rebuilding and verifying ---------------------------------------------------------

    def rebuild(self, progress: Progress = _ignore) -> int:
        """Make every table anew beside the live ones and swap them in; returns the position.

        Readers see the old tables until the swap, and then the new. Killed at any point it
        leaves the old tables as they were.
        """
        with self._replayed("rebuilt_", progress) as (connection, replay, position):
            for table in self.tables:
                connection.execute(text(f"DROP TABLE IF EXISTS {table.name}"))
                connection.execute(text(f"ALTER TABLE {replay}{table.name} RENAME TO {table.name}"))
                for index in sorted(table.indexes, key=lambda i: str(i.name)):
                    connection.execute(CreateIndex(index))
            connection.execute(
                update(positions).values(
                    position=position, shape=self.shape, stopped_at=None, stopped_why=None
                )
            )
        return position

    def verify(self, progress: Progress = _ignore) -> Difference | None:
        """Replay the log beside the live tables and compare every row of every table.

        Returns the first difference, or None if there is none.
        """
        self.catch_up()
        with self._replayed("replayed_", progress) as (connection, replay, _):
            found = next(self._differences(connection, replay), None)
            for table in self.tables:
                connection.execute(text(f"DROP TABLE {replay}{table.name}"))
        return found

    def _differences(self, connection: Connection, replay: str) -> Iterator[Difference]:
        for table in self.tables:
            names = [column.name for column in table.columns]
            for one, other, where in (
                (table.name, f"{replay}{table.name}", "in the table but not in the replay"),
                (f"{replay}{table.name}", table.name, "in the replay but not in the table"),
            ):
                columns = ", ".join(names)
                first = connection.execute(
                    text(
                        f"SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other} "  # noqa: S608
                        f"ORDER BY {columns} LIMIT 1"
                    )
                ).one_or_none()
                if first is not None:
                    yield Difference(table.name, dict(zip(names, first, strict=True)), where)

    @contextmanager
    def _replayed(
        self, prefix: str, progress: Progress
    ) -> Iterator[tuple[Connection, str, int]]:
        """Replay the whole log into tables with a prefix; yields under the position's lock.

        Most of the log is folded without any lock; only what came meanwhile is folded under
        it, so that the replay and the live tables stand at the same position.
        """
        beside = MetaData()
        tables = [table.to_metadata(beside, name=f"{prefix}{table.name}") for table in self.tables]
        for table in tables:
            table.indexes.clear()
        with writing(self._engine).begin() as connection:
            beside.drop_all(connection)
            beside.create_all(connection)
        appending = tables[: len(self._appending)]
        fold = _Fold(self._appending, self._keyed, [{} for _ in self._keyed])
        position = 0
        with _without_gc():
            while entries := self._read(position):
                position = self._fold_batch(fold, entries, appending, progress)
            with writing(self._engine).begin() as connection:
                row = connection.execute(select(positions).with_for_update()).one()
                while (entries := self._read(position)) and (
                    prefix == "rebuilt_" or entries[0].position <= row.position
                ):
                    position = self._fold_batch(fold, entries, appending, progress, connection)
                for table, rows in zip(tables[len(appending) :], fold.kept, strict=True):
                    bulk.insert(connection, table, list(rows.values()))
                yield connection, prefix, position

    def _read(self, position: int) -> list[Entry]:
        return [Entry.read(row) for row in self._log.read_log(position, BATCH)]

    def _fold_batch(
        self,
        fold: _Fold,
        entries: Sequence[Entry],
        tables: Sequence[Table],
        progress: Progress,
        connection: Connection | None = None,
    ) -> int:
        for entry in entries:
            fold.apply(entry)
        if connection is None:
            with writing(self._engine).begin() as own:
                fold.flush(own, tables)
        else:
            fold.flush(connection, tables)
        progress(len(entries))
        return entries[-1].position


class _Fold:
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
        for table, appended in zip(tables, self.appended, strict=True):
            bulk.insert(connection, table, appended)
            appended.clear()


_Concerned = tuple[
    list[tuple[Keyed, dict[Key, Row]]], list[tuple[Appending, list[tuple[Any, ...]]]]
]


def _keys(projection: Keyed, entries: Sequence[Entry]) -> set[Key]:
    """The keys of every row that the entries read or change in one table."""
    return {
        key for e in entries if projection.concerns(type(e.event)) for key in projection.keys(e)
    }


def _decoded(log_rows: Sequence[LogRow]) -> tuple[list[Entry], str]:
    """The entries up to the first that cannot be read, and why it cannot."""
    entries: list[Entry] = []
    for row in log_rows:
        try:
            entries.append(Entry.read(row))
        except Exception as error:  # noqa: BLE001 - whatever it is, stop there and say so
            return entries, f"{type(error).__name__}: {error}"
    return entries, ""


@contextmanager
def _without_gc() -> Iterator[None]:
    """Events and rows hold no cycles; looking for some in millions of them costs a third."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
