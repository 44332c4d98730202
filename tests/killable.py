"""Runs steps of the main job in processes that are killed, at a chosen boundary or from outside.

A boundary is a call by which a process touches the world: a statement or a commit sent to a
database, a write, sync, rename or link of a file. `sys.setprofile` sees each of them go by, so
the program under test is not changed in any way; at the chosen one the process sends itself
SIGKILL, before the call is made. After a commit therefore means before the boundary after it.

As a program it waits for requests on stdin, forks for each a process that runs one step, and
answers with its number at once and with its end when it ends. Forking spares the imports.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from ledger import payment_run
from ledger.application import Ledger
from ledger.caseload_import import import_caseload, verify_payees
from ledger.projections import APPENDING, KEYED, Projections
from ledger.store import PostgresRecorder
from tests.main_job import (
    IMPORTED_AT,
    approve,
    example_caseload,
    issue,
    prepare,
    says,
    settings_for,
    settle,
)

BUDGETS = 24
BATCH = 60  # several batches of a log this short

STEPS: dict[str, Callable[[Ledger], object]] = {
    "import": lambda ledger: import_caseload(
        ledger, example_caseload(BUDGETS), recorded_at=IMPORTED_AT, recorded_by="alice"
    ),
    "verify payees": lambda ledger: verify_payees(ledger, references=None, said=says("bob")),
    "prepare": prepare,
    "approve": lambda ledger: approve(ledger, ledger.cycle("C2026-01")),
    "issue": lambda ledger: issue(ledger, ledger.cycle("C2026-01")),
    "settle": lambda ledger: settle(ledger, ledger.cycle("C2026-01")),
    "catch up": lambda ledger: following(ledger).catch_up(),
    "rebuild": lambda ledger: following(ledger).rebuild(),
}
"""The main job in its order; the last two can be done at any time."""

IN_PYTHON = {
    "Connection.commit",
    "Connection.execute",
    "Copy.write",
    "Cursor.copy",
    "Cursor.execute",
    "Cursor.executemany",
    "Transaction.__exit__",
}
"""psycopg's calls, written in Python."""

IN_C = {
    "BufferedWriter.write",
    "Connection.commit",
    "Connection.execute",
    "Cursor.execute",
    "Cursor.executemany",
    "posix.fsync",
    "posix.link",
    "posix.replace",
}
"""sqlite3's and the operating system's, written in C."""


def following(ledger: Ledger) -> Projections:
    """The read tables, followed in small batches."""
    return Projections(ledger.engine, ledger.recorder, APPENDING, KEYED, batch=BATCH)


def run(step: str, database_url: str, folder: Path) -> None:
    """One step; small as the ledger is, in several batches and by COPY."""
    if step == "init":
        Ledger.initialise(settings_for(database_url, folder))
        return
    payment_run.SETTLED_AT_A_TIME = 7
    PostgresRecorder.COPY_FROM = 20
    with Ledger(settings_for(database_url, folder)) as ledger:
        STEPS[step](ledger)


class Boundaries:
    """Counts the boundaries that go by, and kills this process at the chosen one."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.seen: list[str] = []

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            name = argument.__qualname__
            if argument.__module__ == "posix":
                name = f"posix.{name}"
            if name not in IN_C:
                return
        elif event == "call" and "psycopg" in frame.f_code.co_filename:
            name = frame.f_code.co_qualname
            if name not in IN_PYTHON:
                return
        else:
            return
        if self.kill_at is not None and len(self.seen) >= self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(name)


def child(request: dict[str, Any]) -> None:
    boundaries = Boundaries(request["kill_at"])
    folder = Path(request["folder"])
    threading.setprofile(boundaries)
    sys.setprofile(boundaries)
    run(request["step"], request["url"], folder)
    sys.setprofile(None)
    (folder / "boundaries.json").write_text(json.dumps(boundaries.seen))


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
