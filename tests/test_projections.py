"""The read tables: equal to a replay, exactly once, stopped visibly, and sums that tie."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Date, Engine, Table, delete, select, update

from ledger.application import Ledger
from ledger.database import writing
from ledger.dates import four_weekly
from ledger.errors import ProjectionStopped
from ledger.projections import APPENDING, KEYED, Projections
from ledger.projections.following import positions
from ledger.projections.tables import read_tables
from tests.given import FIRST_DAY
from tests.main_job import (
    a_busy_council,
    a_ledger,
    fingerprint,
    log_of,
    rows_of,
    run_cycle,
    tell_budget,
)
from tests.providers import SUNRISE, a_provider_in


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def following(ledger: Ledger, batch: int) -> Projections:
    """The same read tables, followed in batches of a size."""
    return Projections(ledger.engine, ledger.recorder, APPENDING, KEYED, batch=batch)


def a_busy_council_and_a_provider(ledger: Ledger, budgets: int = 200) -> None:
    """Something for every table. The provider holds each service fund from the next cycle on.

    The last person in the caseload has died."""
    a_busy_council(ledger, budgets)
    a_provider_in(ledger)
    for budget in list(ledger.budgets()):
        if budget.has_service_fund:
            assert budget.opened is not None
            begins = budget.opened.effective_on
            tell_budget(ledger, budget.reference, "hold_service_fund", provider_reference=SUNRISE,
                        effective_on=begins)  # fmt: skip
    last = max(budget.reference for budget in ledger.budgets())
    tell_budget(ledger, last, "close", reason_code="died", effective_on=date(2026, 5, 6))


# --- equal to a replay ----------------------------------------------------------------------


def test_every_table_equals_a_replay_and_a_rebuild(ledger: Ledger):
    a_busy_council_and_a_provider(ledger)
    ledger.projections.catch_up()
    caught_up = rows_of(ledger)
    assert all(caught_up.values()), "every table has rows"
    assert ledger.projections.verify() is None
    assert ledger.projections.rebuild() == len(log_of(ledger))
    assert rows_of(ledger) == caught_up
    assert ledger.projections.verify() is None
    assert ledger.projections.status() == (len(log_of(ledger)),) * 2 + (None, None, False)
    run_cycle(ledger, 3)
    assert ledger.projections.verify() is None, "it goes on from a rebuild"


@pytest.mark.parametrize("batch", [1, 7, 100, 10_000])
def test_the_size_of_the_batches_makes_no_difference(ledger: Ledger, batch: int):
    a_busy_council(ledger, budgets=12)
    following(ledger, batch).catch_up()
    assert following(ledger, 997).verify() is None


def test_large_events_are_followed_a_few_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    a_busy_council(ledger, budgets=12)
    followed = ledger.projections.status().position
    sizes = [len(state) for *_, state in log_of(ledger)][followed:]
    monkeypatch.setattr("ledger.projections.following.MOST_BYTES", max(sizes) // 2)
    applied: list[int] = []
    following(ledger, 10_000).catch_up(applied.append)
    assert sum(applied) == len(sizes)
    assert len(applied) > sum(sizes) // max(sizes)
    assert following(ledger, 997).verify() is None


def test_both_databases_have_the_same_rows(sqlite_url: str, postgres_url: str, tmp_path: Path):
    found = []
    for url in (sqlite_url, postgres_url):
        folder = tmp_path / url.partition(":")[0]
        folder.mkdir()
        (folder / "ledger.key").write_text("0f" * 32)
        (folder / "ledger.key").chmod(0o600)
        with a_ledger(url, folder) as ledger:
            a_busy_council_and_a_provider(ledger)
            ledger.projections.catch_up()
            found.append(rows_of(ledger))
    assert fingerprint(found[0]) == fingerprint(found[1])
    assert found[0] == found[1]


# --- tampering ------------------------------------------------------------------------------


def other(value: Any) -> Any:
    """A value that is not this one, of its kind."""
    if isinstance(value, int):
        return value + 1_000_000
    if isinstance(value, date):
        return value + timedelta(days=1)
    return f"{value or ''}x"


def tamper(engine: Engine, table: Table, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Change a cell, take a row away or add one; returns which, and the row as verify names it."""
    with engine.begin() as connection:
        rows = connection.execute(select(table)).mappings().all()
        row = dict(rng.choice(rows))
        is_this = [table.c[c.name] == row[c.name] for c in table.primary_key.columns]
        how = rng.choice(("cell", "taken", "added"))
        if how == "taken":
            connection.execute(table.delete().where(*is_this))
        elif how == "cell":
            name = rng.choice(list(row))
            value = other(date(2000, 1, 1) if _empty_date(table.c[name], row[name]) else row[name])
            connection.execute(update(table).where(*is_this).values({name: value}))
            row[name] = value
        else:
            for column in table.primary_key.columns:
                row[column.name] = other(row[column.name])
            for index in table.indexes:
                if index.unique:
                    row |= {c.name: other(row[c.name]) for c in index.columns}
            connection.execute(table.insert().values(row))
    return how, row


def _empty_date(column: Column[Any], value: Any) -> bool:
    return value is None and isinstance(column.type, Date)


def test_each_of_fifty_tamperings_is_named(ledger: Ledger):
    a_busy_council_and_a_provider(ledger, budgets=25)
    ledger.projections.catch_up()
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    tables = list(read_tables.sorted_tables)
    honest = rows_of(ledger)
    for turn in range(50):
        table = tables[turn % len(tables)]
        how, row = tamper(ledger.engine, table, rng)
        found = ledger.projections.verify()
        assert found is not None, (seed, turn, table.name, how, row)
        assert found.table == table.name
        expected = "in the replay but" if how == "taken" else "in the table but"
        assert found.where.startswith(expected)
        assert {name: str(value) for name, value in found.row.items()} == {
            name: str(value) for name, value in row.items()
        }
        mend(ledger.engine, table, honest[table.name])
    assert ledger.projections.verify() is None


def mend(engine: Engine, table: Table, rows: list[tuple[Any, ...]]) -> None:
    with engine.begin() as connection:
        connection.execute(table.delete())
        names = [column.name for column in table.columns]
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])


@pytest.mark.parametrize("by", [-3, 1_000])
def test_a_tampered_position_is_noticed(ledger: Ledger, by: int):
    a_busy_council(ledger, budgets=10)
    reached = ledger.projections.catch_up()
    with ledger.engine.begin() as connection:
        connection.execute(update(positions).values(position=reached + by))
    if by > 0:
        found = ledger.projections.verify()
        assert found is not None
        assert (found.table, found.row) == ("read_position", {"position": reached + by})
    else:
        with pytest.raises(ProjectionStopped):
            ledger.projections.verify()
        assert not ledger.projections.status().healthy
    ledger.projections.rebuild()
    assert ledger.projections.verify() is None


# --- exactly once ---------------------------------------------------------------------------


def read_from_the_beginning(ledger: Ledger) -> None:
    """Bringing in a report has read on; empty the read tables and begin anew."""
    with writing(ledger.engine).begin() as connection:
        for table in ledger.projections.tables:
            connection.execute(delete(table))
        connection.execute(update(positions).values(position=0))


def test_catching_up_again_applies_nothing_again(ledger: Ledger):
    a_busy_council(ledger, budgets=10)
    read_from_the_beginning(ledger)
    applied: list[int] = []
    ledger.projections.catch_up(applied.append)
    assert sum(applied) == len(log_of(ledger))
    before = rows_of(ledger)
    applied.clear()
    ledger.projections.catch_up(applied.append)
    assert sum(applied) == 0
    assert rows_of(ledger) == before


def test_four_threads_catch_up_at_once(ledger: Ledger):
    a_busy_council(ledger, budgets=25)
    read_from_the_beginning(ledger)
    applied: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        for done in [
            pool.submit(following(ledger, batch).catch_up, applied.append)
            for batch in (10, 11, 12, 13)
        ]:
            assert done.result() == len(log_of(ledger))
    assert sum(applied) == len(log_of(ledger))
    assert ledger.projections.verify() is None


CATCH_UP = """
import sys
from pathlib import Path
from ledger.application import Ledger
from ledger.projections import APPENDING, KEYED, Projections
from tests.main_job import settings_for
with Ledger(settings_for(sys.argv[1], Path(sys.argv[2]))) as ledger:
    projections = Projections(ledger.engine, ledger.recorder, APPENDING, KEYED, batch=10)
    print("ready", flush=True)
    sys.stdin.readline()
    applied = []
    projections.catch_up(applied.append)
    print(sum(applied))
"""


def test_two_processes_catch_up_at_once(ledger: Ledger, database_url: str, tmp_path: Path):
    a_busy_council(ledger, budgets=50)
    read_from_the_beginning(ledger)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CATCH_UP, database_url, str(tmp_path)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    applied = [int(process.communicate()[0]) for process in processes]
    assert sum(applied) == len(log_of(ledger))
    assert ledger.projections.verify() is None


def test_rebuilding_and_verifying_while_others_append_and_catch_up(ledger: Ledger):
    """Rebuilds and verifications, two at a time, with a writer and a follower all along."""
    a_busy_council(ledger, budgets=25)
    projections = following(ledger, 50)
    projections.catch_up()
    stop = threading.Event()

    def append() -> int:
        count = 0
        while not stop.is_set():
            count += 1
            tell_budget(
                ledger,
                "PB000001",
                "request_spend_return",
                return_reference=f"SR{count}",
                period=four_weekly(FIRST_DAY),
                due_on=date(2026, 6, 1),
            )
        return count

    def follow() -> None:
        while not stop.is_set():
            projections.catch_up()

    with ThreadPoolExecutor(6) as pool:
        appending, followed = pool.submit(append), pool.submit(follow)
        try:
            rebuilt = [pool.submit(projections.rebuild) for _ in range(4)]
            verified = [pool.submit(projections.verify) for _ in range(4)]
            assert [done.result() for done in verified] == [None] * 4
            assert all(done.result() > 0 for done in rebuilt)
        finally:
            stop.set()
        appended = appending.result()
        followed.result()
    assert appended > 0
    projections.catch_up()
    assert projections.status().position == len(log_of(ledger))
    assert rows_of(ledger, ["audit"])["audit"][-1]
    assert projections.verify() is None
