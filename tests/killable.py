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
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from ledger import mass_changes, payment_run
from ledger.aggregates.mass_change import MassChange, MassChangeParameters
from ledger.application import Ledger
from ledger.assessments import Assessment, record_assessment
from ledger.bank_reports import import_report
from ledger.calendar_cycles import prepare_due_cycles
from ledger.caseload_import import import_caseload, verify_payees
from ledger.charging.facts import Facts, IncomeLine
from ledger.errors import UnderEighteen
from ledger.mass_changes import apply_mass_change, prepare_mass_change
from ledger.outbox.queueing import queue_letters
from ledger.outbox.sending import send_letters
from ledger.projections import APPENDING, KEYED, Projections
from ledger.store import PostgresRecorder
from tests.bank_reports import Returned, arucs_xml
from tests.given import FIRST_DAY, on
from tests.letters import with_letters
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

CHANGE = "M2026"
CHANGING = MassChangeParameters(
    kind="reassess",
    effective_on=on("04-20"),  # within the days that the cycle paid
    decided_on=on("05-01"),
    uprate=(("state_pension", 480),),
)


def assess(ledger: Ledger) -> None:
    """Everybody who can be is assessed, each a little richer than the one before."""
    for number, budget in enumerate(sorted(ledger.budgets(), key=lambda b: b.reference)):
        assert budget.opened is not None
        born = ledger.people.person(budget.opened.recipient_reference).date_of_birth
        pension = IncomeLine(kind="state_pension", amount_pence=25_000 + 100 * number)
        assessment = Assessment(
            facts=Facts(date_of_birth=born, household="single", income=(pension,)),
            effective_on=max(on("04-06"), budget.opened.effective_on),
            decided_on=on("04-06"),
        )
        with suppress(UnderEighteen):
            record_assessment(ledger, budget.reference, assessment, says("amira", "04-06"))


def approve_change(ledger: Ledger) -> None:
    """Anil approves exactly what Petra prepared."""
    prepared = ledger.load(MassChange, CHANGE).prepared
    assert prepared is not None
    total, sha256 = prepared.totals.now_pence, prepared.lines_sha256
    said = says("anil", "05-01")
    ledger.change(
        MassChange, CHANGE, lambda m: m.approve(now_pence=total, lines_sha256=sha256, **said)
    )


def bring_in_report(ledger: Ledger) -> None:
    """Two payments came back, one of them because of a death, and one item fits nothing."""
    lines = ledger.cycle("C2026-01").lines
    items = [
        Returned(line.payment_reference, line.amount_pence, code)
        for line, code in zip(lines, ("B128", "2128"), strict=False)
    ]
    report = arucs_xml("123456", [*items, Returned("STRANGER", 1)], on("04-08"))
    import_report(ledger, report, says("carol", "04-09"))


STEPS: dict[str, Callable[[Ledger], object]] = {
    "import": lambda ledger: import_caseload(
        ledger, example_caseload(BUDGETS), recorded_at=IMPORTED_AT, recorded_by="alice"
    ),
    "verify payees": lambda ledger: verify_payees(ledger, references=None, said=says("bob")),
    "prepare": prepare,
    "approve": lambda ledger: approve(ledger, ledger.cycle("C2026-01")),
    "issue": lambda ledger: issue(ledger, ledger.cycle("C2026-01")),
    "settle": lambda ledger: settle(ledger, ledger.cycle("C2026-01")),
    "bring in report": bring_in_report,
    "assess": assess,
    "prepare change": lambda ledger: prepare_mass_change(
        ledger, CHANGE, CHANGING, says("petra", "05-01")
    ),
    "approve change": approve_change,
    "apply change": lambda ledger: apply_mass_change(ledger, CHANGE, says("otto", "05-01")),
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
    if step == "prepare due":
        calendar = {"pay_cadence": "four_weekly", "pay_calendar_from": FIRST_DAY}
        settings = settings_for(database_url, folder).model_copy(update=calendar)
        with Ledger(settings) as ledger:
            prepare_due_cycles(ledger, says("the clock", "05-20")["recorded_at"])
        return
    if step.startswith("letters "):
        moment = datetime.fromisoformat(step.removeprefix("letters "))
        with Ledger(with_letters(database_url, folder)) as ledger:
            queue_letters(ledger, moment)
            send_letters(ledger, moment)
        return
    payment_run.SETTLED_AT_A_TIME = mass_changes.AT_A_TIME = 7
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
