"""The read tables: equal to a replay, exactly once, stopped visibly, and sums that tie."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Column, Date, Engine, Table, Text, select, text, update

from ledger.aggregates.event_sourced import Event
from ledger.application import Ledger
from ledger.caseload_import import import_caseload
from ledger.dates import four_weekly
from ledger.errors import ProjectionStopped, ReadTablesOutOfDate
from ledger.projections import APPENDING, KEYED, Projections
from ledger.projections.following import positions
from ledger.projections.tables import Entry, read_table, read_tables
from tests.given import FIRST_DAY
from tests.main_job import (
    IMPORTED_AT,
    a_busy_council,
    a_caseload,
    a_ledger,
    a_row,
    example_caseload,
    fingerprint,
    log_of,
    rows_of,
    run_cycle,
    take_in,
    tell_budget,
)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def following(ledger: Ledger, batch: int) -> Projections:
    """The same read tables, followed in batches of a size."""
    return Projections(ledger.engine, ledger.recorder, APPENDING, KEYED, batch=batch)


# --- equal to a replay ----------------------------------------------------------------------


def test_every_table_equals_a_replay_and_a_rebuild(ledger: Ledger):
    a_busy_council(ledger)
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


@pytest.mark.parametrize("batch", [1, 2, 7, 100, 10_000])
def test_the_size_of_the_batches_makes_no_difference(ledger: Ledger, batch: int):
    a_busy_council(ledger, budgets=25)
    following(ledger, batch).catch_up()
    assert following(ledger, 997).verify() is None


def test_both_databases_have_the_same_rows(sqlite_url: str, postgres_url: str, tmp_path: Path):
    found = []
    for url in (sqlite_url, postgres_url):
        folder = tmp_path / url.partition(":")[0]
        folder.mkdir()
        (folder / "ledger.key").write_text("0f" * 32)
        (folder / "ledger.key").chmod(0o600)
        with a_ledger(url, folder) as ledger:
            a_busy_council(ledger)
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
    a_busy_council(ledger, budgets=25)
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


def test_catching_up_again_applies_nothing_again(ledger: Ledger):
    a_busy_council(ledger, budgets=10)
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
        beside = [pool.submit(append), pool.submit(follow)]
        try:
            rebuilt = [pool.submit(projections.rebuild) for _ in range(4)]
            verified = [pool.submit(projections.verify) for _ in range(4)]
            assert [done.result() for done in verified] == [None] * 4
            assert all(done.result() > 0 for done in rebuilt)
        finally:
            stop.set()
        appended = beside[0].result()
        beside[1].result()
    assert appended > 0
    projections.catch_up()
    assert projections.status().position == len(log_of(ledger))
    assert rows_of(ledger, ["audit"])["audit"][-1]
    assert projections.verify() is None


# --- stopping visibly -----------------------------------------------------------------------


def append_raw(ledger: Ledger, topic: str, state: bytes) -> int:
    """Put an event into the log past every check; returns its position."""
    ledger.recorder.insert_events([StoredEvent(uuid4(), 1, topic, state)])
    return len(log_of(ledger))


FAULTY = {
    "unknown topic": ("personal-budget.renamed.v7", b"{}", "UnknownEvent"),
    "unreadable state": ("personal-budget.closed.v1", b"{nonsense", "DecodeError"),
    "missing field": ("personal-budget.closed.v1", b"{}", "ValidationError"),
    "nothing to apply it to": (
        "personal-budget.payment-confirmed.v1",
        b'{"effective_on":"2026-04-06","recorded_at":"2026-04-06T10:00:00Z","recorded_by":"x",'
        b'"payment_reference":"NONE","cycle_reference":"C","amount_pence":1}',
        "KeyError",
    ),
    "too large for its column": (
        "payment-cycle.prepared.v1",
        b'{"effective_on":"2026-04-06","recorded_at":"2026-04-06T10:00:00Z","recorded_by":"x",'
        b'"reference":"C9","period":{"starts_on":"2026-04-06","ends_on":"2026-05-03"},'
        b'"pay_on":"2026-04-02","line_count":1,"total_pence":99999999999999999999,'
        b'"lines_sha256":"","exception_count":0,"funding":[]}',
        "(OverflowError|NumericValueOutOfRange)",
    ),
}


NOT_A_TEXT = (
    "payment-cycle.prepared.v1",
    FAULTY["too large for its column"][1]
    .replace(b'"C9"', b'"C\\u00009"')
    .replace(b"99999999999999999999", b"1"),
    "(DataError|CharacterNotInRepertoire)",
)


@pytest.mark.parametrize("fault", FAULTY)
def test_an_event_that_cannot_be_applied_stops_everything_at_it(ledger: Ledger, fault: str):
    stops_at(ledger, *FAULTY[fault])


def test_a_text_that_postgresql_cannot_hold_stops_everything_at_it(
    postgres_url: str, tmp_path: Path
):
    with a_ledger(postgres_url, tmp_path) as ledger:
        stops_at(ledger, *NOT_A_TEXT)


def stops_at(ledger: Ledger, topic: str, state: bytes, reason: str) -> None:
    take_in(ledger, example_caseload(5))
    sound = len(log_of(ledger))
    faulty = append_raw(ledger, topic, state)
    import_caseload(ledger, a_caseload(a_row(900)), recorded_at=IMPORTED_AT, recorded_by="alice")
    for _ in range(2):
        with pytest.raises(ProjectionStopped) as stopped:
            ledger.projections.catch_up()
        assert stopped.value.details["position"] == faulty == sound + 1
        status = ledger.projections.status()
        assert not status.healthy
        assert (status.position, status.stopped_at) == (sound, faulty)
        assert re.match(reason, status.stopped_why or ""), status.stopped_why
    assert max(row[0] for row in rows_of(ledger, ["audit"])["audit"]) == sound
    assert "PB000900" not in {row[1] for row in rows_of(ledger, ["budgets"])["budgets"]}
    with pytest.raises(ProjectionStopped):
        ledger.projections.verify()
    with pytest.raises(Exception, match=f"event {faulty}|too large|out of range|0x00"):
        ledger.projections.rebuild()
    assert ledger.projections.status().position == sound, "the tables are as they were"


class Choosy:
    """A projection that cannot take one event until it is cured."""

    cannot = 0

    def __init__(self, table: Table) -> None:
        self.table = table

    def concerns(self, event_type: type[Event]) -> bool:
        return True

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        if entry.position == self.cannot:
            raise ValueError("not this one")
        yield entry.position, entry.topic


@pytest.fixture
def choosy() -> Iterator[Choosy]:
    table = read_table("choosy", Column("position", Text, primary_key=True), Column("topic", Text))
    yield Choosy(table)
    read_tables.remove(table)


@pytest.mark.parametrize("batch", [1, 10, 10_000])
@pytest.mark.parametrize("cannot", [1, 17, 30])
def test_a_projection_that_raises_stops_all_and_goes_on_once_cured(
    ledger: Ledger, choosy: Choosy, cannot: int, batch: int
):
    take_in(ledger, example_caseload(5))
    assert len(log_of(ledger)) > 30
    with ledger.engine.begin() as connection:
        choosy.table.create(connection)
    projections = Projections(
        ledger.engine, ledger.recorder, [*APPENDING, choosy], KEYED, batch=batch
    )
    with ledger.engine.begin() as connection:
        connection.execute(update(positions).values(shape=projections.shape))
    choosy.cannot = cannot
    with pytest.raises(ProjectionStopped, match=f"event {cannot}: ValueError: not this one"):
        projections.catch_up()
    assert projections.status()[2:4] == (cannot, "ValueError: not this one")
    assert len(rows_of(ledger, ["choosy"])["choosy"]) == cannot - 1
    assert len(rows_of(ledger, ["audit"])["audit"]) == cannot - 1
    choosy.cannot = 0
    assert projections.catch_up() == len(log_of(ledger))
    assert projections.status().healthy
    assert projections.verify() is None


def test_a_projection_whose_keys_raise_stops_visibly_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    take_in(ledger, example_caseload(5))
    balances = KEYED[0]
    projections = Projections(ledger.engine, ledger.recorder, APPENDING, [Unkeyed(), *KEYED])
    assert balances in KEYED
    with ledger.engine.begin() as connection:
        Unkeyed.table.create(connection)
        connection.execute(update(positions).values(shape=projections.shape))
    with pytest.raises(ProjectionStopped, match="event 4: ValueError: no key"):
        projections.catch_up()
    assert projections.status()[:1] + projections.status()[2:4] == (3, 4, "ValueError: no key")


class Unkeyed:
    """A projection that cannot say which row an event is about."""

    table = Table("unkeyed", read_tables.__class__(), Column("key", Text, primary_key=True))

    def concerns(self, event_type: type[Event]) -> bool:
        return True

    def keys(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        if entry.position == 4:
            raise ValueError("no key")
        yield from ()

    def apply(self, entry: Entry, rows: dict[tuple[Any, ...], list[Any]]) -> None:
        """Nothing."""


def test_tables_of_another_shape_are_refused_until_rebuilt(ledger: Ledger):
    a_busy_council(ledger, budgets=10)
    ledger.projections.catch_up()
    before = rows_of(ledger)
    with ledger.engine.begin() as connection:
        connection.execute(update(positions).values(shape="older"))
        connection.execute(text("ALTER TABLE balances RENAME COLUMN balance_pence TO pence"))
    assert ledger.projections.status().out_of_date
    assert not ledger.projections.status().healthy
    for refused in (ledger.projections.catch_up, ledger.projections.verify):
        with pytest.raises(ReadTablesOutOfDate):
            refused()
    ledger.projections.rebuild()
    assert rows_of(ledger) == before
    assert ledger.projections.status().healthy
    assert ledger.projections.verify() is None


def test_a_renamed_column_is_another_shape(ledger: Ledger):
    renamed = Choosy(Table("t", read_tables.__class__(), Column("a", Text), Column("b", Text)))
    swapped = Choosy(Table("t", read_tables.__class__(), Column("b", Text), Column("a", Text)))
    shapes = {
        Projections(ledger.engine, ledger.recorder, [one], []).shape for one in (renamed, swapped)
    }
    assert len(shapes) == 2
