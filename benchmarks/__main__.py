"""`make bench`: what is claimed about speed, measured. Nothing here is a test.

Each row is a process of its own on a fresh database. PostgreSQL is the server that the tests
bring, with durable commits. `--quick` leaves out the 100,000 budgets; names of modules measure
those alone: `python -m benchmarks bank_reports scheduler`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import bank_reports, commands, mass_change, scheduler
from tests.postgres import DURABLE_SETTING, fresh_database, start_bundled_server, wait_for_server

# (budgets, four-weekly cycles of history each); 26 are two years
SIZES = [(1_000, 0), (10_000, 0), (10_000, 26), (100_000, 0)]
CHANGED = [(10_000, 0), (10_000, 26)]
RETURNED = [(20_000, 0), (20_000, 26)]
WHOLE = [(10_000, 0), (100_000, 0)]


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


class Bench(NamedTuple):
    """Something measured: how its table looks, and at which sizes."""

    title: str
    columns: Sequence[str]
    row: Callable[[str, dict[str, Any]], Iterable[str]]
    sizes: Sequence[tuple[int, int]]


BENCHES = {
    "cycle": Bench("A payment cycle", COLUMNS, row, SIZES),
    "mass_change": Bench(
        "A mass change: everybody assessed again", mass_change.COLUMNS, mass_change.row, CHANGED
    ),
    "commands": Bench("Commands as whole processes", commands.COLUMNS, commands.row, WHOLE),
    "bank_reports": Bench(
        "A bank's report: every payment came back", bank_reports.COLUMNS, bank_reports.row, RETURNED
    ),
    "scheduler": Bench(
        "The scheduler while nothing is due", scheduler.COLUMNS, scheduler.row, [(10_000, 0)]
    ),
}


def main() -> None:
    asked = [name for name in sys.argv[1:] if name != "--quick"]
    most = 20_000 if "--quick" in sys.argv else sys.maxsize
    console = Console()
    tables = []
    os.environ[DURABLE_SETTING] = "1"
    server = start_bundled_server()
    try:
        for name in asked or BENCHES:
            bench = BENCHES[name]
            table = Table(*bench.columns, title=bench.title)
            for store, result in on_both(console, name, [s for s in bench.sizes if s[0] <= most]):
                table.add_row(*bench.row(store, result))
            tables.append(table)
        console.print(*tables)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
