"""One scheduler of several leads: whoever holds a lock that its death lets go.

On PostgreSQL the lock is the session's, on a connection of its own; on SQLite it is the
operating system's, on a file beside the database. Neither leaves anything to tidy up. The
lock only spares work: what a job may do twice is nothing, whoever runs it, because the
ledger's own primary keys see to that.
"""

from __future__ import annotations

import fcntl
import os
from io import TextIOWrapper
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

# A machine that loses its power says no goodbye: the server asks after it, and after 20 seconds
# without an answer lets the lock go. The leader gives up on a silent server sooner than that.
_SERVER_NOTICES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2"
_LEADER_NOTICES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


class _Holding(Protocol):
    """A lock this process may hold."""

    def take(self) -> bool: ...
    def still_held(self) -> bool: ...
    def release(self) -> None: ...


class Leadership:
    """Whether this process leads. Ask before each job: a leader that lost its lock does none."""

    def __init__(self, engine: Engine) -> None:
        postgres = engine.dialect.name == "postgresql"
        self._lock: _Holding = _SessionLock(engine) if postgres else _FileLock(engine)
        self._one_asks = Lock()
        self._leads = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.give_up()

    def held(self) -> bool:
        """Whether this process leads at this moment. It never begins to by being asked this."""
        with self._one_asks:
            if self._leads and not self._lock.still_held():
                self._let_go()
            return self._leads

    def seek(self) -> bool:
        """Lead if nobody else does; whether this process leads now."""
        if self.held():
            return True
        with self._one_asks:
            self._leads = self._lock.take()
            return self._leads

    def give_up(self) -> None:
        """Let another lead."""
        with self._one_asks:
            self._let_go()

    def _let_go(self) -> None:
        self._leads = False
        self._lock.release()


class _SessionLock:
    """PostgreSQL's advisory lock of a session. A pooler between must keep sessions apart."""

    def __init__(self, engine: Engine) -> None:
        self._engine = create_engine(
            engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"options": _SERVER_NOTICES, **_LEADER_NOTICES},
        )
        self._connection: Connection | None = None

    def take(self) -> bool:
        try:
            self._connection = self._engine.connect()
            query = "SELECT pg_try_advisory_lock(hashtext('pbledger scheduler'))"
            if self._connection.exec_driver_sql(query).scalar_one():
                return True
        except SQLAlchemyError:
            pass  # no server to ask: nobody leads without one
        self.release()
        return False

    def still_held(self) -> bool:
        """The lock lives as long as its session, so asking anything at all tells."""
        assert self._connection is not None, "taken before"
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError:
            return False
        return True

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # closes it, whatever state it is in
            connection.close()


class _FileLock:
    """A lock on FILE.scheduler beside the database's file. Not for network file systems."""

    def __init__(self, engine: Engine) -> None:
        self._path = Path(f"{engine.url.database}.scheduler")
        self._file: TextIOWrapper | None = None

    def take(self) -> bool:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return self.still_held()

    def still_held(self) -> bool:
        """It is, unless someone removed the file and so opened the way for another leader."""
        assert self._file is not None, "taken before"
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file.fileno()))

    def release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
