"""One measurement in a process of its own: an April uplift of N budgets on one store.

Everybody is assessed again with uprated income: tried (a dry run), prepared, approved, applied.
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

from benchmarks.cycle import Clock, make_history, said
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.mass_change import MassChange, MassChangeParameters
from ledger.application import Ledger
from ledger.assessments import Assessment, Policy, document_of, record_on
from ledger.charging.facts import CapitalLine, Facts, HousingCost, IncomeLine
from ledger.charging.rate_book import load_rates
from ledger.config import Settings
from ledger.mass_changes import apply_mass_change, prepare_mass_change
from ledger.sealed_assessments import AssessmentDocument, sealed
from ledger.store import Beside

ASSESSED_FROM = date(2026, 4, 6)
CHANGED_FROM = date(2026, 5, 4)
DECIDED_ON = date(2026, 4, 20)
MADE_AT_ONCE = 2_000


def facts_of(number: int) -> Facts:
    """What one person has, gets and pays; no two next to each other have the same."""
    return Facts(
        date_of_birth=date(1950, 1, 1),
        household="single",
        income=(
            IncomeLine(kind="state_pension", amount_pence=20_000 + number % 5_000),
            IncomeLine(kind="attendance_allowance", amount_pence=7_700 + number % 4_000),
        ),
        capital=(CapitalLine(kind="savings", amount_pence=10_000_00 + number % 9_000 * 100),),
        housing=(HousingCost(kind="council_tax", amount_pence=1_000 + number % 900),),
    )


def assess_everybody(ledger: Ledger) -> None:
    """A financial assessment on every budget, in bulk, as one after another would leave them."""
    rates, policy = load_rates(), Policy.of(ledger.settings)
    told: Said = said(ASSESSED_FROM, "assessor")
    events: list[Recorded] = []
    documents: list[AssessmentDocument] = []

    def save() -> None:
        rows = sealed(ledger.people, documents, told["recorded_at"])
        ledger.append(events, [Beside("financial_assessments", rows)])
        events.clear()
        documents.clear()

    for number, budget in enumerate(ledger.budgets()):
        assessment = Assessment(
            facts=facts_of(number), effective_on=ASSESSED_FROM, decided_on=ASSESSED_FROM
        )
        document = document_of(budget, assessment, rates)
        record_on(budget, document, assessment, policy, told)
        events += budget.collect_events()
        documents.append(document)
        if len(documents) == MADE_AT_ONCE:
            save()
    save()


def measure(url: str, budgets: int, cycles: int, folder: Path) -> dict[str, Any]:
    """Every step of a mass change, timed once in a fresh ledger."""
    settings = Settings(database_url=url, key_file=folder / "key", files_folder=folder)
    Ledger.initialise(settings)
    clock = Clock()
    parameters = MassChangeParameters(
        kind="reassess",
        effective_on=CHANGED_FROM,
        decided_on=DECIDED_ON,
        uprate=(("state_pension", 480), ("attendance_allowance", 380)),
    )
    with Ledger(settings) as ledger:
        clock.step("make history", lambda: make_history(ledger, budgets, cycles))
        clock.step("assess", lambda: assess_everybody(ledger))
        clock.step(
            "try",
            lambda: prepare_mass_change(
                ledger, "M1", parameters, said(DECIDED_ON, "anne"), dry_run=True
            ),
        )
        prepared = clock.step(
            "prepare",
            lambda: prepare_mass_change(ledger, "M1", parameters, said(DECIDED_ON, "anne")),
        ).prepared
        ledger.change(
            MassChange,
            "M1",
            lambda change: change.approve(
                now_pence=prepared.totals.now_pence,
                lines_sha256=prepared.lines_sha256,
                **said(DECIDED_ON, "bob"),
            ),
        )
        applied = clock.step(
            "apply", lambda: apply_mass_change(ledger, "M1", said(DECIDED_ON, "carol"))
        ).applied
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert applied.applied_count == prepared.totals.line_count == budgets
    return {
        "budgets": budgets,
        "cycles_before": cycles,
        "seconds": clock.seconds,
        "tried_and_applied_seconds": clock.seconds["try"] + clock.seconds["apply"],
        "peak_megabytes": peak,
    }


def row(store: str, result: dict[str, Any]) -> Iterator[str]:
    """The result as a row of the table."""
    seconds = result["seconds"]
    yield store
    yield f"{result['budgets']:,}"
    yield f"{result['cycles_before']}"
    for step in ("try", "prepare", "apply"):
        yield f"{seconds[step]:.2f}"
    yield f"{result['tried_and_applied_seconds']:.2f}"
    yield f"{result['peak_megabytes']:.0f}"


COLUMNS = [
    "store",
    "budgets",
    "cycles before",
    "dry run s",
    "prepare s",
    "apply s",
    "dry run + apply s",
    "peak MB",
]


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
