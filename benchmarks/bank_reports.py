"""One measurement in a process of its own: a report on which every payment of a cycle came back.

Prints one JSON object. Run it through `make bench`, which starts the database and the table.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.cycle import FIRST_PERIOD, PAY_ON, Clock, make_history, said
from ledger.application import Ledger
from ledger.bank_reports import import_report
from ledger.config import Settings
from ledger.dates import england, four_weekly
from ledger.payment_run import approve_cycle, issue_cycle, prepare_cycle
from ledger.projections.suspense import suspense
from tests.bank_reports import Returned, arucs_xml

SUN = "123456"
BACK_ON = date(2026, 4, 8)


def measure(url: str, budgets: int, cycles: int, folder: Path) -> dict[str, Any]:
    """Bringing the report in, and the list of what is held then."""
    settings = Settings(
        database_url=url,
        key_file=folder / "key",
        files_folder=folder,
        bacs_service_user_number=SUN,
        bacs_sort_code="200000",
        bacs_account_number="12345678",
        bacs_account_name="COUNCIL",
    )
    Ledger.initialise(settings)
    clock = Clock()
    with Ledger(settings) as ledger:
        clock.step("make history", lambda: make_history(ledger, budgets, cycles))
        cycle = prepare_cycle(
            ledger,
            "C1",
            period=four_weekly(FIRST_PERIOD),
            pay_on=PAY_ON,
            said=said(PAY_ON, "anne"),
        )
        assert cycle.prepared is not None
        seen = (cycle.prepared.total_pence, cycle.prepared.lines_sha256)
        approve_cycle(
            ledger, "C1", total_pence=seen[0], lines_sha256=seen[1], said=said(PAY_ON, "bob")
        )
        made_on = date(2026, 3, 27)
        issue_cycle(ledger, "C1", created_on=made_on, said=said(made_on, "carol"))
        ledger.projections.catch_up()
        items = [Returned(x.payment_reference, x.amount_pence, "B128") for x in cycle.lines]
        report = arucs_xml(SUN, items, BACK_ON)
        result = clock.step("bring in", lambda: import_report(ledger, report, said(BACK_ON, "d")))
        clock.step("catch up", ledger.projections.catch_up)
        held = clock.step("suspense", lambda: suspense(ledger.engine, BACK_ON, england()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert result.recorded_count == len(held.items) == budgets
    assert held.difference_pence == 0
    return {
        "items": budgets,
        "cycles_before": cycles,
        "report_megabytes": len(report) / 1e6,
        "seconds": clock.seconds,
        "peak_megabytes": peak,
    }


def row(store: str, result: dict[str, Any]) -> Iterator[str]:
    """The result as a row of the table."""
    seconds = result["seconds"]
    yield store
    yield f"{result['items']:,}"
    yield f"{result['cycles_before']}"
    yield f"{result['report_megabytes']:.1f}"
    for step in ("bring in", "catch up", "suspense"):
        yield f"{seconds[step]:.2f}"
    yield f"{result['peak_megabytes']:.0f}"


COLUMNS = [
    "store",
    "items",
    "cycles before",
    "report MB",
    "bring in s",
    "catch up s",
    "suspense s",
    "peak MB",
]


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
