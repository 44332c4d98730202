"""What the scheduler costs while there is nothing to do: processor time over a minute and a half.

Prints one JSON object. Run it through `make bench`, which starts the database and the table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.cycle import make_history
from ledger.application import Ledger
from ledger.config import Settings

WATCHED_SECONDS = 90  # more than one run of every job but the reminders, which are hourly

COLUMNS = ["store", "budgets", "idle: % of a core", "reminders, processor s an hour", "resident MB"]


def row(store: str, result: dict[str, Any]) -> list[str]:
    """One row of the table."""
    return [
        store,
        f"{result['budgets']:,}",
        f"{result['idle_percent']:.2f}",
        f"{result['reminder_seconds']:.1f}",
        f"{result['resident_megabytes']:.0f}",
    ]


def used_seconds(pid: int) -> float:
    """Processor time of a process so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """The memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(url: str, budgets: int, cycles: int, folder: Path) -> dict[str, Any]:
    """One scheduler over so many budgets, with a pay calendar whose cycle waits for approval."""
    settings = {"database_url": url, "key_file": str(folder / "key")}
    Ledger.initialise(Settings.model_validate(settings))
    with Ledger(Settings.model_validate(settings)) as ledger:
        make_history(ledger, budgets, cycles)
        ledger.projections.catch_up()
    settings |= {"pay_cadence": "four_weekly", "pay_calendar_from": "2026-04-06"}
    environment = {f"LEDGER_{name}".upper(): value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "scheduler"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while "is running" not in process.stdout.readline():
            pass
        began, used = time.perf_counter(), used_seconds(process.pid)
        time.sleep(WATCHED_SECONDS)
        spent = used_seconds(process.pid) - used
        idle = 100 * spent / (time.perf_counter() - began)
        resident = resident_megabytes(process.pid)
    finally:
        process.terminate()
        process.wait()
    return {
        "budgets": budgets,
        "idle_percent": idle,
        "reminder_seconds": reminders(environment),
        "resident_megabytes": resident,
    }


def reminders(environment: dict[str, str]) -> float:
    """Processor time of the hourly job, beyond that of a program that only starts."""
    spent = []
    for job in ("catch-up", "reminders"):
        command = [sys.executable, "-m", "ledger", "jobs", "run", job]
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
        )
        _, _, used = os.wait4(process.pid, 0)
        spent.append(used.ru_utime + used.ru_stime)
    return spent[1] - spent[0]


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
