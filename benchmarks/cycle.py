"""One measurement in a process of its own: a payment cycle over N budgets on one store.

Prints one JSON object. Run it through `make bench`, which starts the database and the table.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from ledger.aggregates.event_sourced import Recorded, Said, stream_id
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.config import Settings
from ledger.dates import Period, four_weekly
from ledger.payment_run import approve_cycle, issue_cycle, prepare_cycle
from ledger.people import PersonDetails
from ledger.projections.balances import balances_of
from ledger.store import Beside
from ledger.terms import AllocationTerm

FIRST_PERIOD = date(2026, 4, 6)
PAY_ON = date(2026, 4, 2)
MADE_AT_ONCE = 2_000


def said(on: date, by: str) -> Said:
    return {"effective_on": on, "recorded_at": datetime(2026, 3, 27, tzinfo=UTC), "recorded_by": by}


def a_budget(number: int, cycles: int, payee_reference: str, fingerprint: str) -> PersonalBudget:
    """A budget in payment, with so many four-weekly cycles scheduled and confirmed before."""
    starts_on = FIRST_PERIOD - timedelta(weeks=4 * cycles)
    opened = said(starts_on, "importer")
    budget = PersonalBudget(f"PB{number:06d}")
    budget.open(
        recipient_reference=f"R{number:06d}",
        legal_basis="care_act_2014",
        primary_support_reason="physical_personal_care",
        **opened,
    )
    budget.offer_direct_payment(occasion="assessment", outcome="accepted", **opened)
    budget.sign_agreement(template_version="2026-1", **opened)
    line = AllocationTerm(
        "personal_care.social_care",
        "personal_care",
        "social_care",
        "direct_payment",
        starts_on,
        weekly_pence=20_000 + number % 40_000,
        cost_centre=f"CC{number % 20:02d}",
    )
    budget.agree_allocation(lines=(line,), **opened)
    budget.assess_contribution(weekly_pence=5_000 + number % 7_000, basis="net", **opened)
    budget.propose_payee(
        payee_reference=payee_reference,
        payee_type="recipient",
        fingerprint=fingerprint,
        **opened,
    )
    budget.verify_payee(payee_reference=payee_reference, **said(starts_on, "checker"))
    for cycle in range(cycles):
        period = four_weekly(starts_on + timedelta(weeks=4 * cycle))
        due = budget.payment_due(period)
        reference = f"H{number:06d}{cycle:03d}"
        budget.schedule_payment(
            payment_reference=reference,
            cycle_reference=f"H{cycle:03d}",
            period=period,
            lines=due.lines,
            amount_pence=due.amount_pence,
            **said(period.starts_on, "history"),
        )
        budget.confirm_payment(payment_reference=reference, **said(period.starts_on, "history"))
    return budget


def make_history(ledger: Ledger, budgets: int, cycles: int) -> int:
    """Append everybody's history in bulk; returns how many events."""
    made_at = datetime(2026, 3, 27, tzinfo=UTC)
    events = 0
    for start in range(1, budgets + 1, MADE_AT_ONCE):
        numbers = range(start, min(start + MADE_AT_ONCE, budgets + 1))
        people = [PersonDetails(f"R{n:06d}", f"Person {n}", date(1950, 1, 1)) for n in numbers]
        payees = [
            ledger.people.new_payee(f"R{n:06d}", f"Person {n}", "200000", f"{n:08d}")
            for n in numbers
        ]
        people_rows = ledger.people.sealed_people(people, made_at)
        payee_rows = ledger.people.sealed_payees(payees, made_at, people_rows)
        recorded = [
            event
            for n, row in zip(numbers, payee_rows, strict=True)
            for event in a_budget(
                n, cycles, row["payee_reference"], row["fingerprint"]
            ).collect_events()
        ]
        ledger.append(
            recorded, [Beside("people", people_rows), Beside("payee_details", payee_rows)]
        )
        events += len(recorded)
    return events


class TimedLedger(Ledger):
    """A ledger that knows how long its last append took, encoding the events included."""

    name = Ledger.name  # or the library would look for tables named after this class
    append_seconds = 0.0

    def append(self, events: Sequence[Recorded], beside: Sequence[Beside] = ()) -> None:
        started = time.perf_counter()
        super().append(events, beside)
        self.append_seconds = time.perf_counter() - started


class Clock:
    """Seconds a step took, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - started
        return result


def raw_append_seconds(ledger: Ledger, url: str) -> float:
    """The same payment events by the database's own bulk insert, into a table of the same shape."""
    rows = [
        (stream, version, topic, state)
        for _, stream, version, topic, state in ledger.recorder.read_log(0, 100_000_000)
        if topic == "personal-budget.payment-scheduled.v1" and b'"C1"' in state
    ]
    if make_url(url).get_backend_name() == "sqlite":
        return _raw_sqlite(url, rows)
    columns = "originator_id uuid, originator_version bigint, topic text, state bytea"
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(
            f"CREATE TABLE raw_events ({columns}, notification_id bigserial, "
            "PRIMARY KEY (originator_id, originator_version))"
        )
        raw.execute("CREATE UNIQUE INDEX ON raw_events (notification_id)")
        ready = [(UUID(stream), *others) for stream, *others in rows]
        started = time.perf_counter()
        with (
            raw.transaction(),
            raw.cursor().copy(
                "COPY raw_events (originator_id, originator_version, topic, state) "
                "FROM STDIN (FORMAT BINARY)"
            ) as copy,
        ):
            copy.set_types(["uuid", "int8", "text", "bytea"])
            for row in ready:
                copy.write_row(row)
        return time.perf_counter() - started


def _raw_sqlite(url: str, rows: list[tuple[Any, ...]]) -> float:
    raw = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    raw.execute(
        "CREATE TABLE raw_events (originator_id TEXT, originator_version INTEGER, topic TEXT, "
        "state BLOB, PRIMARY KEY (originator_id, originator_version))"
    )
    started = time.perf_counter()
    raw.execute("BEGIN IMMEDIATE")
    raw.executemany("INSERT INTO raw_events VALUES (?, ?, ?, ?)", rows)
    raw.execute("COMMIT")
    seconds = time.perf_counter() - started
    raw.close()
    return seconds


def balance_milliseconds(ledger: Ledger, budgets: int) -> Iterator[float]:
    known_at = datetime(2026, 12, 31, tzinfo=UTC)
    for sample in range(200):
        stream = stream_id(PersonalBudget.STREAM, f"PB{1 + sample * 37 % budgets:06d}").hex
        started = time.perf_counter()
        balances_of(ledger.engine, stream, on=PAY_ON, known_at=known_at)
        yield (time.perf_counter() - started) * 1000


def measure(url: str, budgets: int, cycles: int, folder: Path) -> dict[str, Any]:
    """Every step of a cycle, timed once in a fresh ledger."""
    settings = Settings(
        database_url=url,
        key_file=folder / "key",
        files_folder=folder,
        bacs_service_user_number="123456",
        bacs_sort_code="200000",
        bacs_account_number="12345678",
        bacs_account_name="Example Council",
    )
    Ledger.initialise(settings)
    clock = Clock()
    with TimedLedger(settings) as ledger:
        history = clock.step("make history", lambda: make_history(ledger, budgets, cycles))
        clock.step("catch up history", ledger.projections.catch_up)
        period: Period = four_weekly(FIRST_PERIOD)
        cycle = clock.step(
            "prepare",
            lambda: prepare_cycle(
                ledger, "C1", period=period, pay_on=PAY_ON, said=said(date(2026, 3, 27), "anne")
            ),
        )
        clock.step(
            "approve",
            lambda: approve_cycle(
                ledger,
                "C1",
                total_pence=cycle.prepared.total_pence,
                lines_sha256=cycle.prepared.lines_sha256,
                said=said(date(2026, 3, 27), "bob"),
            ),
        )
        clock.seconds["append, within approve"] = ledger.append_seconds
        clock.step("catch up", ledger.projections.catch_up)
        clock.step(
            "write file",
            lambda: issue_cycle(
                ledger, "C1", created_on=date(2026, 3, 27), said=said(date(2026, 3, 27), "carol")
            ),
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        head = ledger.recorder.max_notification_id() or 0
        balances = list(balance_milliseconds(ledger, budgets))
        clock.step("rebuild", ledger.projections.rebuild)
        raw = raw_append_seconds(ledger, url)
    cycle_seconds = sum(
        clock.seconds[step] for step in ("prepare", "approve", "catch up", "write file")
    )
    return {
        "budgets": budgets,
        "cycles_before": cycles,
        "history_events": history,
        "payments": cycle.prepared.line_count,
        "seconds": clock.seconds,
        "cycle_seconds": cycle_seconds,
        "microseconds_per_budget": cycle_seconds / budgets * 1e6,
        "append_events_per_second": cycle.prepared.line_count
        / clock.seconds["append, within approve"],
        "raw_events_per_second": cycle.prepared.line_count / raw,
        "append_to_raw": raw / clock.seconds["append, within approve"],
        "rebuild_events_per_second": head / clock.seconds["rebuild"],
        "balance_ms_median": statistics.median(balances),
        "balance_ms_p99": statistics.quantiles(balances, n=100)[98],
        "peak_megabytes": peak,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
