"""Connections: one database URL, as the library's settings and as a SQLAlchemy engine."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.utils import Environment
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url


def environment(database_url: str) -> dict[str, str]:
    """The library's settings for a database URL. Tables are made by `init`, never in passing."""
    url = make_url(database_url)
    settings = {"CREATE_TABLE": "n", "ORIGINATOR_ID_TYPE": "uuid"}
    if url.get_backend_name() == "sqlite":
        return settings | {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "APPLICATION_RECORDER_TOPIC": "ledger.store:SQLiteRecorder",
            "SQLITE_DBNAME": url.database or "ledger.db",
            "SQLITE_LOCK_TIMEOUT": "30",
        }
    host = url.host or _one(url, "host") or ""
    return settings | {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "APPLICATION_RECORDER_TOPIC": "ledger.store:PostgresRecorder",
        "POSTGRES_DBNAME": url.database or "",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": str(url.port or _one(url, "port") or 5432),
        "POSTGRES_USER": url.username or _one(url, "user") or "",
        "POSTGRES_PASSWORD": str(url.password or ""),
        "POSTGRES_POOL_SIZE": "1",
        "POSTGRES_MAX_OVERFLOW": "9",
        "POSTGRES_IDLE_IN_TRANSACTION_SESSION_TIMEOUT": "60",
    }


def factory(database_url: str, name: str) -> InfrastructureFactory[Any]:
    """The library's factory for an event store of that name, as `Application` makes its own."""
    return InfrastructureFactory.construct(Environment(name, environment(database_url)))


def _one(url: URL, key: str) -> str | None:
    value = url.query.get(key)
    return value[0] if isinstance(value, tuple) else value


def connect(database_url: str) -> Engine:
    """A SQLAlchemy engine on the same database, for the durable and the read tables."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 30})
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
        return engine
    return create_engine(url.set(drivername="postgresql+psycopg"), pool_size=2, max_overflow=8)


@contextmanager
def initialising(engine: Engine) -> Iterator[Connection]:
    """A transaction that makes tables: one at a time, however many processes begin at once."""
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('pbledger init'))")
        yield connection


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[None]:
    """Whoever makes the read tables anew waits here for who is at it; a killed one lets go."""
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.detach()  # the lock is the session's, and goes when this closes
            connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('pbledger rebuild'))")
            yield
        return
    with Path(f"{engine.url.database}.rebuild").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def writing(engine: Engine) -> Engine:
    """The engine for transactions that will write; on SQLite they take the lock at once."""
    return engine.execution_options(writing=True)


def _sqlite_begins(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sqlite_connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by whoever needs one
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
