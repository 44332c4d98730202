"""Killed with SIGKILL anywhere in the main job and run again, it loses and repeats nothing.

A run kills each step at some of its boundaries, other ones each time; the seed is printed.
LEDGER_KILL_EVERYWHERE=1 kills it at every one (five minutes), LEDGER_KILL_SEED=n as then.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy

from ledger.aggregates.mass_change import MassChange
from ledger.application import Ledger
from ledger.durable import financial_assessments
from ledger.file_looks import bank_file
from ledger.projections.finance import finance_totals
from tests.killable import BUDGETS, CHANGE, STEPS, run
from tests.main_job import bank_file_total, log_of, rows_of, settings_for
from tests.postgres import fresh_database

ROOT = Path(__file__).parent.parent
JOB = ["import", "verify payees", "prepare", "approve", "issue", "settle", "bring in report",
       "assess", "prepare change", "approve change", "apply change"]  # fmt: skip
KINDS = ["sqlite", "postgresql"]
RANDOM_KILLS = 10  # of each kind of database
BOUNDARIES = 5  # of each step, and those of the file system
SEED = int(os.environ.get("LEDGER_KILL_SEED", random.SystemRandom().randrange(10**6)))


# --- processes to kill ----------------------------------------------------------------------


class Runner:
    """Forks a process for each step; see tests/killable.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def start(self, step: str, url: str, folder: Path, kill_at: int | None = None) -> int:
        """Start a step in a process; returns its number."""
        request = {"step": step, "url": url, "folder": str(folder), "kill_at": kill_at}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self._answer())

    def end(self) -> int:
        """Wait for the process; returns its exit code, -9 if it was killed."""
        return int(self._answer())

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself in so short a time."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    command = [sys.executable, "-m", "tests.killable"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


# --- a ledger as it is before each step -----------------------------------------------------


class Before(NamedTuple):
    """Where a ledger is kept as it was before a step, and what the log holds after it."""

    url: str
    folder: Path
    log_after: list[tuple[Any, ...]]


def without_numbers(ledger: Ledger) -> list[tuple[Any, ...]]:
    """The whole log but for notification numbers, which a rolled-back append uses up."""
    return sorted(row[1:] for row in log_of(ledger))


class Council:
    """One kind of database, with a copy of the ledger from before every step."""

    def __init__(self, server: str, kind: str, folder: Path, stack: ExitStack) -> None:
        self.server, self.kind = server, kind
        self.before: dict[str, Before] = {}
        folder.mkdir()
        with self.database(folder) as url:
            Ledger.initialise(settings_for(url, folder))
            for step in JOB:
                kept = self._keep(url, folder, folder.with_name(f"{folder.name}-{step}"), stack)
                run(step, url, folder)
                with Ledger(settings_for(url, folder)) as ledger:
                    self.before[step] = Before(*kept, without_numbers(ledger))
            kept = self._keep(url, folder, folder.with_name(f"{folder.name}-reading"), stack)
            for step in ("catch up", "rebuild"):
                self.before[step] = Before(*kept, self.before[JOB[-1]].log_after)

    @contextmanager
    def database(self, folder: Path, template: str = "template0") -> Iterator[str]:
        if self.kind == "sqlite":
            yield f"sqlite:///{folder}/ledger.db"
        else:
            with fresh_database(self.server, template) as url:
                yield url

    def _keep(self, url: str, folder: Path, to: Path, stack: ExitStack) -> tuple[str, Path]:
        shutil.copytree(folder, to)
        if self.kind == "sqlite":
            return f"sqlite:///{to}/ledger.db", to
        return stack.enter_context(fresh_database(self.server, url.rpartition("/")[2])), to

    @contextmanager
    def copy(self, step: str, to: Path) -> Iterator[str]:
        """The URL of a copy of the ledger from before a step, with its files in a folder."""
        before = self.before[step]
        shutil.copytree(before.folder, to)
        with self.database(to, before.url.rpartition("/")[2]) as url:
            yield url
        shutil.rmtree(to)


@pytest.fixture(scope="module", params=KINDS)
def council(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Council]:
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_server")
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("council") / request.param
        yield Council(server, request.param, folder, stack)


# --- what must hold -------------------------------------------------------------------------


def holds_after_a_kill(ledger: Ledger) -> None:
    """Even before anything is run again: nothing is half done that counts."""
    topics = Counter(topic for _, _, _, topic, _ in log_of(ledger))
    assert topics["personal-budget.opened.v1"] in (0, BUDGETS)
    if topics["payment-cycle.prepared.v1"]:
        cycle = ledger.cycle("C2026-01")
        approved = cycle.approved is not None
        promised = topics["personal-budget.payment-scheduled.v1"]
        assert promised == (len(cycle.lines) if approved else 0), "half approved"
        assert topics["payment-cycle.approved.v1"] == approved
        if cycle.status == "settled":
            assert topics["personal-budget.payment-confirmed.v1"] == promised
    changed_as_approved(ledger)
    for path in ledger.settings.files_folder.glob("[!.]*"):
        issued = ledger.cycle("C2026-01").issued
        assert issued is not None
        assert path.name == issued.file_name, "a file the ledger does not know"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == issued.file_sha256
    status = ledger.projections.status()
    assert status.healthy
    assert status.position <= status.head


def changed_as_approved(ledger: Ledger) -> None:
    """A budget is changed once, with its working sealed beside, or it is not changed at all."""
    change = ledger.find(MassChange, CHANGE)
    approved = {line.budget_reference for line in change.to_apply} if change else set()
    query = sqlalchemy.select(financial_assessments).where(
        financial_assessments.c.assessment_reference == CHANGE
    )
    with ledger.engine.connect() as connection:
        sealed = Counter(row.budget_reference for row in connection.execute(query))
    changed = Counter(
        budget.reference for budget in ledger.budgets() if CHANGE in budget.assessments
    )
    assert changed == sealed
    assert changed.keys() <= approved
    if change is not None and change.status == "applied":
        assert changed.keys() == approved
        assert len(approved) > 2 * 7, "several batches"
        assert any(line.put_right_pence for line in change.to_apply)
    elif change is None or change.status != "approved":
        assert not changed


def holds_in_the_end(ledger: Ledger, step: str, log_after: list[tuple[Any, ...]]) -> None:
    """After it was run again: exactly what a step that nobody killed leaves."""
    holds_after_a_kill(ledger)
    assert without_numbers(ledger) == log_after, "lost, repeated or other than it should be"
    assert ledger.projections.verify() is None
    if step not in JOB[:4]:
        issued = ledger.cycle("C2026-01").issued
        assert issued is not None
        path = ledger.settings.files_folder / issued.file_name
        assert path.read_bytes() == bank_file(ledger, "C2026-01")
        totals = finance_totals(ledger.engine, "C2026-01")
        scheduled = sum(row["scheduled_pence"] for row in totals)
        assert scheduled == sum(row["issued_pence"] for row in totals)
        assert scheduled == bank_file_total(ledger, "C2026-01")
        payments = rows_of(ledger, ["payments"])["payments"]
        assert len(payments) == len({row[0] for row in payments}) == issued.record_count


def look_and_finish(council: Council, step: str, url: str, folder: Path) -> None:
    with Ledger(settings_for(url, folder)) as ledger:
        holds_after_a_kill(ledger)
        STEPS[step](ledger)
        holds_in_the_end(ledger, step, council.before[step].log_after)


def chosen(boundaries: list[str], step: str) -> list[int]:
    """The boundaries to kill at."""
    every = range(len(boundaries))
    if os.environ.get("LEDGER_KILL_EVERYWHERE") or len(boundaries) <= BOUNDARIES:
        return list(every)
    some = set(random.Random(f"{SEED} {step}").sample(every, BOUNDARIES))
    return sorted(some | {n for n in every if boundaries[n].startswith("posix.")})


# --- killed at every boundary, and anywhere -------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_every_call_that_touches_the_world(
    council: Council, runner: Runner, step: str, tmp_path: Path
):
    with council.copy(step, tmp_path / "counted") as url:
        runner.start(step, url, tmp_path / "counted")
        assert runner.end() == 0
        boundaries = json.loads((tmp_path / "counted/boundaries.json").read_text())
    assert boundaries
    killed = 0
    for kill_at in chosen(boundaries, step):
        folder = tmp_path / f"{kill_at}"
        with council.copy(step, folder) as url:
            runner.start(step, url, folder, kill_at)
            ended = runner.end()
            # A rebuild reads and writes in threads, so their order is not always the same.
            assert ended == -signal.SIGKILL or (step == "rebuild" and ended == 0), kill_at
            killed += ended == -signal.SIGKILL
            look_and_finish(council, step, url, folder)
    print(
        f"{council.kind}, {step}: {killed} kills at {len(boundaries)} boundaries "
        f"({', '.join(f'{n} {name}' for name, n in Counter(boundaries).items())}), 0 violations, "
        f"seed {SEED}"
    )


def test_killed_while_the_ledger_is_made(council: Council, runner: Runner, tmp_path: Path):
    kills: list[int | None] = [None]
    for kill_at in kills:
        folder = tmp_path / f"{kill_at}"
        folder.mkdir()
        with council.database(folder) as url:
            runner.start("init", url, folder, kill_at)
            if kill_at is None:
                assert runner.end() == 0
                kills += chosen(json.loads((folder / "boundaries.json").read_text()), "init")
                continue
            assert runner.end() == -signal.SIGKILL
            Ledger.initialise(settings_for(url, folder))
            run("import", url, folder)
            with Ledger(settings_for(url, folder)) as ledger:
                assert ledger.projections.verify() is None
                # The key file is another one, and with it every keyed fingerprint.
                assert [row[:3] for row in without_numbers(ledger)] == [
                    row[:3] for row in council.before["import"].log_after
                ]
    print(f"{council.kind}, init: {len(kills) - 1} kills, 0 violations, seed {SEED}")


def test_killed_at_random_moments(council: Council, runner: Runner, tmp_path: Path):
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    killed: Counter[str] = Counter()
    for turn in range(RANDOM_KILLS):
        step = list(STEPS)[turn % len(STEPS)]
        with council.copy(step, tmp_path / "timed") as url:
            begun = time.monotonic()
            runner.start(step, url, tmp_path / "timed")
            assert runner.end() == 0
            took = time.monotonic() - begun
        folder = tmp_path / f"{turn}"
        with council.copy(step, folder) as url:
            pid = runner.start(step, url, folder)
            if not runner.ends_within(rng.uniform(0, took)):
                os.kill(pid, signal.SIGKILL)
            killed[step] += runner.end() == -signal.SIGKILL
            look_and_finish(council, step, url, folder)
    print(f"{council.kind}: {killed.total()} of {RANDOM_KILLS} killed in time: {dict(killed)}")
    assert killed.total() > 0
