"""The scheduler, as the real process it is."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime

import pytest
from eventsourcing.persistence import OperationalError

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger, said
from ledger.config import Settings
from ledger.errors import ConcurrentChange
from scheduler import if_leading, scheduler_for
from scheduler.leader import Leadership

RUNNING = "The scheduler is running."
WAITING = "The scheduler is waiting: another one leads."


def settings_for(database_url, tmp_path) -> Settings:
    return Settings(database_url=database_url, key_file=tmp_path / "key")


def open_a_budget(ledger: Ledger) -> None:
    ledger.change(
        PersonalBudget,
        "PB1",
        lambda budget: budget.open(
            recipient_reference="R1",
            legal_basis="care_act_2014",
            primary_support_reason="mental_health",
            **said(date(2026, 4, 6), datetime(2026, 4, 1, tzinfo=UTC), "cora"),
        ),
        create=True,
    )


def a_scheduler_process(settings: Settings) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_KEY_FILE": str(settings.key_file),
        "LEDGER_SCHEDULER_RETRY_SECONDS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def no_scheduler_outlives_its_test():
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def hear(process: subprocess.Popen[str], within: float = 60) -> str:
    """The next line a scheduler says; fails if it says none in time, or has ended."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], within)[0], "it says nothing"
    line = process.stdout.readline()
    assert line, f"it has ended: {process.wait()}"
    return line.rstrip()


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    _, said_on_stderr = process.communicate(timeout=30)
    assert (process.returncode, said_on_stderr) == (0, "")


def test_it_brings_the_read_tables_level_and_stops_when_told(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        open_a_budget(ledger)
        assert ledger.projections.status().position == 0
        process = a_scheduler_process(settings)
        assert hear(process) == RUNNING
        assert ledger.projections.status().position == ledger.projections.status().head == 1
        stop(process)


# --- one leads ----------------------------------------------------------------------------


def test_another_leads_within_30_seconds_of_the_leaders_death(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    Ledger.initialise(settings)
    leader = a_scheduler_process(settings)
    assert hear(leader) == RUNNING
    waiting = [a_scheduler_process(settings) for _ in range(2)]
    assert [hear(process) for process in waiting] == [WAITING, WAITING]
    leader.kill()
    died = time.monotonic()
    leader.communicate()
    pipes = [process.stdout for process in waiting if process.stdout]
    heard, _, _ = select.select(pipes, [], [], 30)
    took = time.monotonic() - died
    assert len(heard) == 1, "one takes over, and one only"
    (successor,) = (process for process in waiting if process.stdout in heard)
    assert hear(successor) == RUNNING
    print(f"{database_url.partition(':')[0]}: took over after {took:.1f} s")
    assert took < 30
    (other,) = (process for process in waiting if process is not successor)
    stop(successor)
    assert hear(other) == RUNNING
    stop(other)


def test_one_of_two_leads_until_it_gives_up(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    Ledger.initialise(settings)
    with (
        Ledger(settings) as ledger,
        Leadership(ledger.engine) as one,
        Leadership(ledger.engine) as two,
    ):
        assert not one.held(), "asking whether it leads is not taking the lead"
        assert (one.seek(), two.seek(), one.seek(), two.held()) == (True, False, True, False)
        one.give_up()
        assert (two.seek(), one.seek(), one.held()) == (True, False, False)


def test_a_leader_whose_connection_breaks_does_no_job(postgres_url, tmp_path):
    settings = settings_for(postgres_url, tmp_path)
    Ledger.initialise(settings)
    done: list[str] = []
    with Ledger(settings) as ledger, Leadership(ledger.engine) as leadership:
        assert leadership.seek()
        if_leading(leadership, lambda: done.append("while leading"))
        with ledger.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        if_leading(leadership, lambda: done.append("after"))
        assert done == ["while leading"]
        assert leadership.seek(), "and it leads again, as nobody else does"


def test_a_leader_whose_lock_file_was_removed_does_no_job(sqlite_url, tmp_path):
    settings = settings_for(sqlite_url, tmp_path)
    Ledger.initialise(settings)
    with (
        Ledger(settings) as ledger,
        Leadership(ledger.engine) as one,
        Leadership(ledger.engine) as two,
    ):
        assert one.seek()
        (tmp_path / "ledger.db.scheduler").unlink()
        assert two.seek()
        assert not one.held()


def test_what_goes_wrong_in_a_job_is_said_and_stops_nothing(sqlite_url, tmp_path, capsys):
    settings = settings_for(sqlite_url, tmp_path)
    Ledger.initialise(settings)

    def refused() -> None:
        raise ConcurrentChange("PB1 is being changed by others; try again.")

    def unanswered() -> None:
        raise OperationalError("the server\nis gone")

    with Ledger(settings) as ledger, Leadership(ledger.engine) as leadership:
        assert leadership.seek()
        if_leading(leadership, refused)
        if_leading(leadership, unanswered)
    assert capsys.readouterr().out.splitlines() == [
        "concurrent-change: PB1 is being changed by others; try again.",
        "The database did not answer: the server",
    ]


# --- its jobs -----------------------------------------------------------------------------


def test_it_says_so_when_there_is_no_ledger(sqlite_url, tmp_path):
    process = a_scheduler_process(settings_for(sqlite_url, tmp_path))
    _, said_on_stderr = process.communicate()
    assert process.returncode == 1
    assert said_on_stderr.startswith("ledger-not-initialised: ")


def test_a_late_run_is_made_up_once_and_never_dropped(sqlite_url, tmp_path):
    settings = settings_for(sqlite_url, tmp_path)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger, Leadership(ledger.engine) as leadership:
        jobs = scheduler_for(ledger, leadership).get_jobs()
    assert [job.misfire_grace_time for job in jobs] == [None] * len(jobs)
    assert all(job.coalesce and job.max_instances == 1 for job in jobs)
