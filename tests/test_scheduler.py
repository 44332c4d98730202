"""The scheduler, as the real process it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger, said
from ledger.config import Settings
from scheduler import scheduler_for


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
    }
    return subprocess.Popen(
        [sys.executable, "-m", "scheduler"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_brings_the_read_tables_level_and_stops_when_told(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        open_a_budget(ledger)
        assert ledger.projections.status().position == 0
        process = a_scheduler_process(settings)
        assert process.stdout is not None
        assert process.stdout.readline() == "The scheduler is running.\n"
        assert ledger.projections.status().position == ledger.projections.status().head == 1
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0


def test_it_says_so_when_there_is_no_ledger(sqlite_url, tmp_path):
    process = a_scheduler_process(settings_for(sqlite_url, tmp_path))
    _, said_on_stderr = process.communicate()
    assert process.returncode == 1
    assert said_on_stderr.startswith("ledger-not-initialised: ")


def test_a_late_run_is_made_up_once_and_never_dropped(sqlite_url, tmp_path):
    settings = settings_for(sqlite_url, tmp_path)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        (job,) = scheduler_for(ledger).get_jobs()
    assert job.misfire_grace_time is None
    assert job.coalesce
    assert job.max_instances == 1
