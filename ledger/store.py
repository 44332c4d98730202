"""The event store: the library's recorders with our codec, a bulk append and an append-only guard.

Traps this file exists for (measured; see docs/decisions/0002-append-path.md): the library's own
`insert_events` hangs from about 1,500 events a call; its database-function option takes no lock,
so a reader following the log can pass over events. Every append here takes one lock for the
whole event table, which makes notification order the commit order.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    Mapper,
    OperationalError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresApplicationRecorder
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from eventsourcing.utils import retry
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Connection

from ledger.aggregates.event_sourced import EVENT_TYPES, TOPICS, Event, Recorded
from ledger.errors import UnknownEvent
from ledger.store_sql import (
    COPY_HEADER,
    COPY_TRAILER,
    POSTGRES_OBJECTS,
    RowShape,
    append_with_rows,
    copy_row,
)

_encode = msgspec.json.Encoder().encode


LogRow = tuple[int, str, int, str, bytes]
"""(position, stream id in hex, version, topic, state): an event as the log holds it."""


class Beside(NamedTuple):
    """Rows of a durable table to insert in the same transaction as the events."""

    table: str
    rows: Sequence[Mapping[str, Any]]
    ignore_existing: bool = False


class EventMapper(Mapper[UUID]):
    """Encodes an event's fields as JSON in one call; picks the decoder by permanent topic."""

    def __init__(self) -> None:
        """Needs no transcoder: Structs know how their fields are written."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        event = domain_event.event
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            TOPICS[type(event)],
            _encode(event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        return Recorded(
            stored_event.originator_id,  # type: ignore[arg-type]
            stored_event.originator_version,
            decode(stored_event.topic, stored_event.state),
        )


def decode(topic: str, state: bytes) -> Event:
    """One stored event. Raises `UnknownEvent` for a topic this version does not know."""
    try:
        return EVENT_TYPES[topic].decode(state)
    except KeyError:
        raise UnknownEvent(f"Unknown kind of event: {topic}.", topic=topic) from None


def encoded(events: Iterable[Recorded]) -> list[StoredEvent]:
    """Events as they are stored, ready for a bulk append."""
    return [
        StoredEvent(stream, version, TOPICS[type(event)], _encode(event))
        for stream, version, event in events
    ]


class PostgresRecorder(PostgresApplicationRecorder):
    """One lock, one round trip for a command, COPY for a cycle; rows beside in one transaction.

    The lock is advisory, on the event table's own number, so the application's role needs
    only SELECT and INSERT on the table.
    """

    COPY_FROM = 200  # from this many events on, COPY beats one array parameter
    A_FEW = 8  # up to so many rows go into the statement that appends the events

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {
            "schema": Identifier(self.datastore.schema),
            "table": Identifier(self.events_table_name),
            "append": Identifier(f"{self.events_table_name}_append"),
            "guard": Identifier(f"{self.events_table_name}_guard"),
            "type": Identifier(self.datastore.originator_id_type),
            "name": Literal(f'"{self.datastore.schema}"."{self.events_table_name}"'),
        }
        self._function = f'"{self.datastore.schema}"."{self.events_table_name}_append"'
        self._stream = {
            desc: SQL(
                "SELECT originator_version, topic, state FROM {schema}.{table} "
                "WHERE originator_id = %s AND originator_version > %s "
                f"AND originator_version <= %s ORDER BY originator_version {order} LIMIT %s"
            )
            .format(**names)
            .as_bytes()
            for desc, order in ((False, "ASC"), (True, "DESC"))
        }
        self._lock = SQL("SELECT pg_advisory_xact_lock({name}::regclass::oid::bigint)").format(
            **names
        )
        self._copy = SQL(
            "COPY {schema}.{table} (originator_id, originator_version, topic, state) "
            "FROM STDIN (FORMAT BINARY)"
        ).format(**names)
        # Without the library's unlocked insert function: nothing may append past the lock.
        del self.sql_create_statements[self.create_insert_function_statement_index]
        self.sql_create_statements = [
            statement
            for statement in self.sql_create_statements
            if "CREATE TYPE" not in statement.as_string()
        ] + [SQL(s).format(**names) for s in POSTGRES_OBJECTS]

    def create(self, connection: Connection) -> None:
        """Make the table, its index, functions and guard in a transaction under way."""
        driver: Any = connection.connection.cursor()
        with driver as cursor:
            for statement in self.sql_create_statements:
                cursor.execute(statement)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append all or none, with the rows of `beside`. No retry: a broken commit is in doubt.

        Returns the notification ids, or None for a bulk append, where nobody asks for them.
        """
        beside: Sequence[Beside] = kwargs.get("beside", ())
        few = len(stored_events) < self.COPY_FROM
        with self.datastore.get_connection() as conn:
            if few and sum(len(b.rows) for b in beside) <= self.A_FEW:
                return self._append_at_once(conn, stored_events, beside)
            with conn.transaction():
                ids = (self._append_at_once if few else self._append_many)(conn, stored_events)
                for table in beside:
                    _insert_rows(conn, table)
            return ids

    def _append_at_once(
        self, conn: Any, events: Sequence[StoredEvent], beside: Sequence[Beside] = ()
    ) -> list[int]:
        rows = [(b, row) for b in beside for row in b.rows]
        statement = append_with_rows(
            self._function,
            self.datastore.originator_id_type,
            len(events),
            tuple(RowShape(b.table, tuple(row), b.ignore_existing) for b, row in rows),
        )
        values: list[Any] = []
        for part in ("originator_id", "originator_version", "topic", "state"):
            values += [getattr(event, part) for event in events]
        values += [value for _, row in rows for value in row.values()]
        found = conn.execute(statement, values, prepare=len(events) <= self.A_FEW)
        return [row["id"] for row in found]

    def _append_many(self, conn: Any, events: Sequence[StoredEvent]) -> None:
        conn.execute(self._lock)
        with conn.cursor().copy(self._copy) as copy:
            copy.write(COPY_HEADER)
            for start in range(0, len(events), 1_000):
                copy.write(b"".join(map(copy_row, events[start : start + 1_000])))
            copy.write(COPY_TRAILER)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """One stream's events; the library composes its SQL anew each time, and reads dicts."""
        first, last = -1 if gt is None else gt, 2**62 if lte is None else lte
        with self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                self._stream[desc], (originator_id, first, last, limit), prepare=True, binary=True
            )
            return [StoredEvent(originator_id, *row) for row in cursor.fetchall()]

    def read_log(self, after: int, limit: int) -> list[LogRow]:
        """Events in the order of their commits, after a position."""
        query = SQL(
            "SELECT notification_id, encode(uuid_send(originator_id), 'hex'), originator_version, "
            "topic, state FROM {}.{} WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query, (after, limit), prepare=True, binary=True).fetchall()

    def read_streams(
        self, stream: str, only: Sequence[UUID] | None = None
    ) -> Generator[tuple[str, str, bytes], None, None]:
        """(stream id in hex, topic, state) of one kind of stream, whole streams together."""
        chosen = SQL("topic LIKE %s") if only is None else SQL("originator_id = ANY(%s)")
        query = SQL(
            "SELECT encode(uuid_send(originator_id), 'hex'), topic, state FROM {}.{} WHERE {} "
            "ORDER BY originator_id, originator_version"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name), chosen)
        with (
            self.datastore.get_connection() as conn,
            conn.transaction(),
            conn.cursor("streams", row_factory=tuple_row) as cursor,
        ):
            cursor.itersize = 5_000
            cursor.execute(query, (f"{stream}.%" if only is None else list(only),), binary=True)
            yield from cursor

    def versions(self, stream: str) -> dict[str, int]:
        """The version of every stream of a kind, by stream id in hex."""
        query = SQL(
            "SELECT encode(uuid_send(originator_id), 'hex'), max(originator_version) "
            "FROM {}.{} WHERE topic LIKE %s GROUP BY originator_id"
        ).format(Identifier(self.datastore.schema), Identifier(self.events_table_name))
        with self.datastore.get_connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
            return dict(cursor.execute(query, (f"{stream}.%",)).fetchall())

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Not offered: appends do not NOTIFY (it serialises commits). Follow with `catch_up`."""
        raise NotImplementedError("Follow the log with catch_up; appends do not notify.")


def _insert_rows(conn: psycopg.Connection[Any], beside: Beside) -> None:
    if not beside.rows:
        return
    columns = list(beside.rows[0])
    statement = SQL("INSERT INTO {} ({}) VALUES ({}){}").format(
        Identifier(beside.table),
        SQL(", ").join(map(Identifier, columns)),
        SQL(", ").join([SQL("%s")] * len(columns)),
        SQL(" ON CONFLICT DO NOTHING" if beside.ignore_existing else ""),
    )
    with conn.cursor() as cursor:
        cursor.executemany(statement, [[row[c] for c in columns] for row in beside.rows])


class SQLiteRecorder(SQLiteApplicationRecorder):
    """The same contract on the embedded default: one immediate transaction for everything."""

    datastore: SQLiteDatastore

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who waits for another writer waits here. In the library's pool they would keep readers
        # out, and with them whoever reads the log while holding the database: a deadlock.
        self._one_writer = threading.Lock()

    def construct_create_table_statements(self) -> list[str]:
        table = self.events_table_name
        guards = {
            "no_update": f"UPDATE ON {table}",
            "no_delete": f"DELETE ON {table}",
            # REPLACE deletes without firing the trigger above.
            "no_replace": f"INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE "
            "rowid = NEW.rowid OR (originator_id, originator_version) "
            "= (NEW.originator_id, NEW.originator_version))",
        }
        return [
            *super().construct_create_table_statements(),
            *(
                f"CREATE TRIGGER IF NOT EXISTS {table}_{name} BEFORE {refused} BEGIN "
                f"SELECT RAISE(ABORT, 'Events are only ever added: {refused[:6]} refused.'); END"
                for name, refused in guards.items()
            ),
        ]

    def create(self, connection: Connection) -> None:
        """Make the table and its guards in a transaction under way."""
        for statement in self.create_table_statements:
            connection.exec_driver_sql(statement)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append all or none, with the rows of `beside`; returns the notification ids."""
        beside: Sequence[Beside] = kwargs.get("beside", ())
        with self._immediate() as cursor:
            last = cursor.execute(self.select_max_notification_id_statement).fetchone()[0] or 0
            cursor.executemany(
                self.insert_events_statement,
                (
                    (
                        getattr(e.originator_id, "hex", e.originator_id),
                        e.originator_version,
                        e.topic,
                        e.state,
                    )
                    for e in stored_events
                ),
            )
            for table in beside:
                if table.rows:
                    columns = list(table.rows[0])
                    cursor.executemany(
                        f"INSERT {'OR IGNORE ' if table.ignore_existing else ''}INTO {table.table} "
                        f"({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                        ([row[c] for c in columns] for row in table.rows),
                    )
        return list(range(last + 1, last + 1 + len(stored_events)))

    def read_log(self, after: int, limit: int) -> list[LogRow]:
        """Events in the order of their commits, after a position."""
        return self._all(
            f"SELECT rowid, originator_id, originator_version, topic, state "
            f"FROM {self.events_table_name} WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (after, limit),
        )

    def read_streams(
        self, stream: str, only: Sequence[UUID] | None = None
    ) -> Generator[tuple[str, str, bytes], None, None]:
        """(stream id in hex, topic, state) of one kind of stream, whole streams together."""
        query = f"SELECT originator_id, topic, state FROM {self.events_table_name} WHERE {{}} "
        query += "ORDER BY originator_id, originator_version"
        if only is not None:
            for start in range(0, len(only), 10_000):
                chosen = [stream_id.hex for stream_id in only[start : start + 10_000]]
                marks = ", ".join("?" * len(chosen))
                yield from self._all(query.format(f"originator_id IN ({marks})"), chosen)
            return
        with self.datastore.get_connection(commit=False) as connection:
            cursor = connection.cursor().sqlite_cursor
            cursor.row_factory = None
            yield from cursor.execute(query.format("topic GLOB ?"), (f"{stream}.*",))

    def versions(self, stream: str) -> dict[str, int]:
        """The version of every stream of a kind, by stream id in hex."""
        return dict(
            self._all(
                f"SELECT originator_id, max(originator_version) FROM {self.events_table_name} "
                "WHERE topic GLOB ? GROUP BY originator_id",
                (f"{stream}.*",),
            )
        )

    def _all(self, query: str, params: Sequence[Any]) -> list[Any]:
        with self.datastore.get_connection(commit=False) as connection:
            cursor = connection.cursor().sqlite_cursor
            cursor.row_factory = None
            return cursor.execute(query, params).fetchall()

    @contextmanager
    def _immediate(self) -> Iterator[sqlite3.Cursor]:
        """A write transaction that takes the lock at once, so two writers queue, never clash."""
        with self._one_writer, self.datastore.get_connection(commit=True) as connection:
            cursor = connection.cursor().sqlite_cursor
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException as error:
                if connection._sqlite_conn.in_transaction:
                    connection.rollback()
                if isinstance(error, sqlite3.IntegrityError):
                    raise IntegrityError(str(error)) from error
                if isinstance(error, sqlite3.OperationalError):
                    raise OperationalError(str(error)) from error
                raise
