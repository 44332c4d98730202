"""A read table that meets what it cannot apply stops there, visibly, and skips nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Column, MetaData, Table, Text, text, update

from ledger.aggregates.event_sourced import Event
from ledger.application import Ledger
from ledger.caseload_import import import_caseload
from ledger.errors import ProjectionStopped, ReadTablesOutOfDate
from ledger.projections import APPENDING, KEYED, Projections
from ledger.projections.following import positions
from ledger.projections.tables import Entry, read_table, read_tables
from tests.main_job import (
    IMPORTED_AT,
    a_busy_council,
    a_caseload,
    a_ledger,
    a_row,
    example_caseload,
    log_of,
    rows_of,
    take_in,
)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


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


def test_a_projection_whose_keys_raise_stops_visibly_too(ledger: Ledger):
    take_in(ledger, example_caseload(5))
    projections = Projections(ledger.engine, ledger.recorder, APPENDING, [Unkeyed(), *KEYED])
    with ledger.engine.begin() as connection:
        Unkeyed.table.create(connection)
        connection.execute(update(positions).values(shape=projections.shape))
    with pytest.raises(ProjectionStopped, match="event 4: ValueError: no key"):
        projections.catch_up()
    assert projections.status()[:1] + projections.status()[2:4] == (3, 4, "ValueError: no key")


class Unkeyed:
    """A projection that cannot say which row an event is about."""

    table = Table("unkeyed", MetaData(), Column("key", Text, primary_key=True))

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
    renamed = Choosy(Table("t", MetaData(), Column("a", Text), Column("b", Text)))
    swapped = Choosy(Table("t", MetaData(), Column("b", Text), Column("a", Text)))
    shapes = {
        Projections(ledger.engine, ledger.recorder, [one], []).shape for one in (renamed, swapped)
    }
    assert len(shapes) == 2
