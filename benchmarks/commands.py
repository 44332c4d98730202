"""Commands as whole processes over N payments: what changed between two cycles, and bank files.

Prints one JSON object: seconds and peak memory of each command, from its start to its end. Run
it through `make bench`, which starts the database and the table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.cycle import FIRST_PERIOD, PAY_ON, make_history, said
from ledger.aggregates.cycle_events import CyclePrepared
from ledger.aggregates.event_sourced import Recorded
from ledger.application import Ledger
from ledger.config import Settings
from ledger.dates import four_weekly
from ledger.money import plain_pounds
from ledger.payment_run import approve_cycle, prepare_cycle

SECOND_PERIOD, SECOND_PAY_ON = date(2026, 5, 4), date(2026, 5, 1)

COLUMNS = ["store", "payments", "differences, first", "again", "Bacs file", "pain.001 file"]


def row(store: str, result: dict[str, Any]) -> list[str]:
    """One row of the table."""
    measured = result["commands"]
    return [
        store,
        f"{result['payments']:,}",
        *(
            f"{measured[name]['seconds']:.1f} s, {measured[name]['peak_megabytes']:.0f} MB"
            for name in ("differences, first", "differences, again", "bacs18", "pain.001.001.09")
        ),
    ]


def change_some(ledger: Ledger) -> None:
    """A third have another rate, a seventh of the rest another charge, a few are suspended."""
    events: list[Recorded] = []
    changed = said(date(2026, 5, 10), "ann")
    for number, budget in enumerate(ledger.budgets()):
        if number % 3 == 0:
            line = budget.allocations[0].line_reference
            weekly = 30_000 + number % 1_000
            budget.revise_allocation(line_reference=line, weekly_pence=weekly, **changed)
        elif number % 7 == 0:
            weekly = 6_000 + number % 500
            budget.assess_contribution(weekly_pence=weekly, basis="net", **changed)
        elif number % 50 == 1:
            budget.suspend_payments(
                reason_code="hospital_stay",
                review_on=date(2026, 6, 1),
                interim_arrangement="none_needed",
                **changed,
            )
        events.extend(budget.collect_events())
    ledger.append(events)


def two_cycles(settings: Settings, budgets: int, cycles: int) -> CyclePrepared:
    """A cycle that was approved, changes, and a second cycle prepared."""
    Ledger.initialise(settings)
    anne, bob = (said(date(2026, 3, 27), name) for name in ("anne", "bob"))
    with Ledger(settings) as ledger:
        make_history(ledger, budgets, cycles)
        first, second = four_weekly(FIRST_PERIOD), four_weekly(SECOND_PERIOD)
        prepared = prepare_cycle(ledger, "C1", period=first, pay_on=PAY_ON, said=anne).prepared
        assert prepared is not None
        approve_cycle(
            ledger,
            "C1",
            total_pence=prepared.total_pence,
            lines_sha256=prepared.lines_sha256,
            said=bob,
        )
        change_some(ledger)
        ledger.projections.catch_up()
        cycle = prepare_cycle(ledger, "C2", period=second, pay_on=SECOND_PAY_ON, said=anne)
        assert cycle.prepared is not None
        return cycle.prepared


def command(settings: Settings, *arguments: str) -> dict[str, float]:
    """Run the program; how long it took, and the most memory it had."""
    environment = {
        f"LEDGER_{name}".upper(): str(getattr(settings, name)) for name in settings.model_fields_set
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ledger", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_megabytes": used.ru_maxrss / 1024}


def measure(url: str, budgets: int, cycles: int, folder: Path) -> dict[str, Any]:
    """Two cycles of so many payments, the report on the second, and the file of each."""
    settings = Settings(
        database_url=url,
        key_file=folder / "key",
        files_folder=folder,
        bacs_service_user_number="123456",
        bacs_sort_code="200000",
        bacs_account_number="12345678",
        bacs_account_name="Example Council",
    )
    # In a process of its own: on Linux a command's peak is at least that of who starts it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as aside:
        prepared = aside.submit(two_cycles, settings, budgets, cycles).result()
    report = ("cycle", "differences", "C2", "--csv", f"{folder}/csv", "--html", f"{folder}/html")
    found = {
        "differences, first": command(settings, *report),
        "differences, again": command(settings, *report),
    }
    seen = ("--total", plain_pounds(prepared.total_pence), "--lines-sha256", prepared.lines_sha256)
    command(settings, "--as", "bob", "cycle", "approve", "C2", *seen)
    for reference, day, name in (
        ("C1", "2026-03-27", "bacs18"),
        ("C2", "2026-04-27", "pain.001.001.09"),
    ):
        issue = ("--as", "carol", "cycle", "issue", reference, "--effective-on", day)
        found[name] = command(settings, *issue, "--format", name)
    return {"payments": prepared.line_count, "commands": found}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
