"""`make bench`: what is claimed about speed, measured. Nothing here is a test.

Each row is a process of its own on a fresh database. PostgreSQL is the server that the tests
bring, with durable commits. `--quick` leaves out the 100,000 budgets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import bank_reports, commands, mass_change, scheduler
from tests.postgres import DURABLE_SETTING, fresh_database, start_bundled_server, wait_for_server

# (budgets, four-weekly cycles of history each); 26 are two years
SIZES = [(1_000, 0), (10_000, 0), (10_000, 26), (100_000, 0)]
CHANGED = [(10_000, 0), (10_000, 26)]
RETURNED = [(20_000, 0), (20_000, 26)]


def measured(module: str, url: str, budgets: int, cycles: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        size = [str(budgets), str(cycles)]
        command = [sys.executable, "-m", f"benchmarks.{module}", url, *size, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def row(store: str, result: dict[str, Any]) -> list[str]:
    seconds = result["seconds"]
    return [
        store,
        f"{result['budgets']:,}",
        f"{result['history_events']:,}",
        *(f"{seconds[step]:.2f}" for step in ("prepare", "approve", "catch up", "write file")),
        f"{result['cycle_seconds']:.2f}",
        f"{result['microseconds_per_budget']:.0f}",
        f"{result['append_events_per_second']:,.0f}",
        f"{result['append_to_raw']:.2f}",
        f"{result['rebuild_events_per_second']:,.0f}",
        f"{result['balance_ms_median']:.2f} / {result['balance_ms_p99']:.2f}",
        f"{result['peak_megabytes']:.0f}",
    ]


COLUMNS = [
    "store",
    "budgets",
    "events before",
    "prepare s",
    "approve s",
    "catch up s",
    "write file s",
    "cycle s",
    "µs a budget",
    "append events/s",
    "append : raw",
    "rebuild events/s",
    "balance ms (median / p99)",
    "peak MB",
]


def on_both(
    console: Console, module: str, sizes: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, Any]]:
    """Each size measured on a fresh database of either kind, with the name of the store."""
    for budgets, cycles in sizes:
        what = f"{module}: {budgets:,} budgets, {cycles} cycles before"
        console.print(f"{what}: SQLite …")
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'ledger.db'}"
            yield "SQLite", measured(module, url, budgets, cycles)
        console.print(f"{what}: PostgreSQL …")
        with fresh_database(wait_for_server()) as url:
            yield "PostgreSQL", measured(module, url, budgets, cycles)


def main() -> None:
    sizes = [size for size in SIZES if size[0] < 100_000 or "--quick" not in sys.argv]
    compared = [(10_000, 0)] if "--quick" in sys.argv else [(10_000, 0), (100_000, 0)]
    console = Console()
    table = Table(*COLUMNS, title="A payment cycle")
    changes = Table(*mass_change.COLUMNS, title="A mass change: everybody assessed again")
    whole = Table(*commands.COLUMNS, title="Commands as whole processes")
    reports = Table(*bank_reports.COLUMNS, title="A bank's report: every payment came back")
    idle = Table(*scheduler.COLUMNS, title="The scheduler while nothing is due")
    os.environ[DURABLE_SETTING] = "1"
    server = start_bundled_server()
    try:
        for store, result in on_both(console, "cycle", sizes):
            table.add_row(*row(store, result))
        for store, result in on_both(console, "mass_change", CHANGED):
            changes.add_row(*mass_change.row(store, result))
        for store, result in on_both(console, "commands", compared):
            whole.add_row(*commands.row(store, result))
        for store, result in on_both(console, "bank_reports", RETURNED):
            reports.add_row(*bank_reports.row(store, result))
        for store, result in on_both(console, "scheduler", [(10_000, 0)]):
            idle.add_row(*scheduler.row(store, result))
        console.print(table, changes, whole, reports, idle)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
