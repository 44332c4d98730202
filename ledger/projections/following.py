"""Following the log: catch up exactly once, rebuild beside and swap in, verify by replay.

One position row stands for all read tables: rows and position move in one transaction, under
a lock on that row, so any number of processes may catch up at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

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

from ledger.database import one_at_a_time, writing
from ledger.errors import ReadTablesOutOfDate
from ledger.garbage import without_gc
from ledger.projections import bulk
from ledger.projections.accounts import open_from
from ledger.projections.replaying import (
    REBUILT,
    REPLAYED,
    Fold,
    Log,
    Progress,
    Replay,
    reason,
    stopped,
    successor,
    temporary,
)
from ledger.projections.tables import Appending, Entry, Key, Keyed, Reader
from ledger.store import LogRow

BATCH = 10_000
MOST_BYTES = 16_000_000  # a batch as stored; a cycle's lines are large, and larger once decoded
REVISION = 3  # raise it when a projection means something else by the same columns

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


class _Advance(NamedTuple):
    """What one batch came to; `at` is the event that could not be applied, `fault` why."""

    reached: int
    applied: int
    at: int | None
    fault: str


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
        self,
        engine: Engine,
        log: Log,
        appending: Sequence[Appending],
        keyed: Sequence[Keyed],
        batch: int = BATCH,
    ) -> None:
        self._engine = engine
        self._log = log
        self._appending = appending
        self._keyed = keyed
        self._batch = batch
        self.tables = [*(p.table for p in appending), *(p.table for p in keyed)]
        described = repr([(t.name, [(c.name, str(c.type)) for c in t.c]) for t in self.tables])
        self.shape = hashlib.sha256(f"{REVISION} {described}".encode()).hexdigest()[:16]

    # --- making ---------------------------------------------------------------------------

    def create(self, connection: Connection) -> None:
        """Make the tables that are not there yet, at the beginning of the log."""
        _metadata.create_all(connection)
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
        return Status(row.position, head, row.stopped_at, row.stopped_why, row.shape != self.shape)

    # --- following ------------------------------------------------------------------------

    def catch_up(self, progress: Progress = _ignore) -> int:
        """Apply every event not yet applied; returns the position reached.

        Raises `ProjectionStopped` at an event that cannot be applied: what is before it is
        kept, nothing after it is, and `status` names it until it can be.
        """
        with without_gc():
            while True:
                reached, applied = self._one_batch()
                progress(applied)
                if applied == 0:
                    return reached

    def _one_batch(self) -> tuple[int, int]:
        with writing(self._engine).begin() as connection:
            advance = self._advance(connection, self._locked(connection).position)
        if advance.at is not None:
            raise stopped(advance.at, advance.fault)
        return advance.reached, advance.applied

    def _advance(self, connection: Connection, position: int) -> _Advance:
        """Apply one batch after a position, and record where that leaves the tables."""
        log_rows = _not_too_large(self._log.read_log(position, self._batch))
        if not log_rows:
            return _Advance(position, 0, None, "")
        entries, unreadable = _decoded(log_rows, open_from(connection))
        applied, fault = self._apply(connection, entries)
        fault = fault or unreadable
        reached = entries[applied - 1].position if applied else position
        at = log_rows[applied][0] if fault else None
        connection.execute(
            update(positions).values(position=reached, stopped_at=at, stopped_why=fault or None)
        )
        return _Advance(reached, applied, at, fault)

    def _locked(self, connection: Connection) -> Any:
        row = connection.execute(select(positions).with_for_update()).one()
        if row.shape != self.shape:
            raise ReadTablesOutOfDate()
        return row

    def _position(self, connection: Connection) -> Any:
        return connection.execute(select(positions)).one_or_none()

    def _apply(self, connection: Connection, entries: Sequence[Entry]) -> tuple[int, str]:
        """Apply entries up to the first that cannot be; says how many were, and why no more.

        Whatever goes wrong, in a projection or in the database, halving finds the event.
        """
        try:
            with connection.begin_nested():
                self._apply_all(connection, entries)
        except Exception as error:
            if connection.invalidated:
                raise
            if len(entries) == 1:
                return 0, reason(error)
            half = len(entries) // 2
            applied, fault = self._apply(connection, entries[:half])
            if not fault:
                applied, fault = self._apply(connection, entries[half:])
                applied += half
            return applied, fault
        return len(entries), ""

    def _apply_all(self, connection: Connection, entries: Sequence[Entry]) -> None:
        kept = [bulk.take(connection, p.table, _keys(p, entries)) for p in self._keyed]
        fold = Fold(self._appending, self._keyed, kept)
        for entry in entries:
            fold.apply(entry)
        for projection, rows in zip(self._appending, fold.appended, strict=True):
            bulk.insert(connection, projection.table, rows)
        for keyed, changed in zip(self._keyed, kept, strict=True):
            bulk.insert(connection, keyed.table, list(changed.values()))

    # --- rebuilding and verifying ---------------------------------------------------------

    def rebuild(self, progress: Progress = _ignore) -> int:
        """Make every table anew beside the live ones and swap them in; returns the position.

        Readers see the old tables until the swap, and then the new. Killed at any point it
        leaves the old tables as they were.
        """
        with without_gc(), one_at_a_time(self._engine), self._replay(successor) as replay:
            replay.follow(None, progress)
            replay.put_rows()
            with writing(self._engine).begin() as connection:
                connection.execute(select(positions).with_for_update()).one()
                for table in self.tables:
                    connection.execute(text(f"DROP TABLE IF EXISTS {table.name}"))
                    connection.execute(
                        text(f"ALTER TABLE {REBUILT}{table.name} RENAME TO {table.name}")
                    )
                    for index in sorted(table.indexes, key=lambda i: str(i.name)):
                        connection.execute(CreateIndex(index))
                stands = {"position": replay.position, "shape": self.shape}
                connection.execute(
                    update(positions).values(**stands, stopped_at=None, stopped_why=None)
                )
                position = replay.position
                while (came := self._advance(connection, position)).applied:  # meanwhile
                    position = came.reached
        return position

    def verify(self, progress: Progress = _ignore) -> Difference | None:
        """Replay the log beside the live tables and compare every row of every table.

        Returns the first difference, or None if there is none.
        """
        reached = self.catch_up()
        with without_gc(), self._replay(temporary) as replay:
            replay.follow(reached, progress)
            with writing(self._engine).begin() as holder:
                position = self._locked(holder).position
                replay.follow(position, progress)
                replay.put_rows()
                if replay.position != position:
                    return Difference(
                        positions.name, {"position": position}, "where the log has no event"
                    )
                with replay.connection.begin():
                    return next(self._differences(replay.connection), None)

    def _differences(self, connection: Connection) -> Iterator[Difference]:
        for table in self.tables:
            names = [column.name for column in table.columns]
            for one, other, where in (
                (table.name, f"{REPLAYED}{table.name}", "in the table but not in the replay"),
                (f"{REPLAYED}{table.name}", table.name, "in the replay but not in the table"),
            ):
                columns = ", ".join(names)
                first = connection.execute(
                    text(
                        f"SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other} "
                        f"ORDER BY {columns} LIMIT 1"
                    )
                ).one_or_none()
                if first is not None:
                    yield Difference(table.name, dict(zip(names, first, strict=True)), where)

    @contextmanager
    def _replay(self, beside: Callable[[Table], Table]) -> Iterator[Replay]:
        """A replay on a connection of its own, and with it goes whatever is temporary."""
        engine = writing(self._engine) if beside is successor else self._engine
        with engine.connect() as connection:
            connection.detach()
            yield Replay(connection, self._log, self._batch, self._appending, self._keyed, beside)


def _keys(projection: Keyed, entries: Sequence[Entry]) -> set[Key]:
    """The keys of every row that the entries read or change in one table."""
    return {
        key for e in entries if projection.concerns(type(e.event)) for key in projection.keys(e)
    }


def _not_too_large(log_rows: Sequence[LogRow]) -> Sequence[LogRow]:
    """As many of the rows as are not too large together, and at least one."""
    size = 0
    for count, (*_, state) in enumerate(log_rows):
        size += len(state)
        if size > MOST_BYTES:
            return log_rows[: count or 1]
    return log_rows


def _decoded(log_rows: Sequence[LogRow], open_on: date) -> tuple[list[Entry], str]:
    """The entries up to the first that cannot be read, and why it cannot."""
    entries: list[Entry] = []
    reader = Reader(open_on)
    for row in log_rows:
        try:
            entries.append(reader.read(row))
        except Exception as error:
            return entries, reason(error)
    return entries, ""
