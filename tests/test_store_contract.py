"""The event store keeps the library's contract, in order, and only ever adds."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import TestCase
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from ledger import database
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.store import Beside, PostgresRecorder, SQLiteRecorder
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    log_of,
    prepare,
    rows_of,
    run_cycle,
    settings_for,
    take_in,
)

# The library's test cases import its AES cipher, which needs a package we have no use for.
with pytest.MonkeyPatch.context() as patch:
    cipher = ModuleType("eventsourcing.cipher")
    cipher.AESCipher = object  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "eventsourcing.cipher", cipher)
    from eventsourcing.tests.persistence import (
        ApplicationRecorderTestCase,
        NonInterleavingNotificationIDsBaseCase,
    )

Recorder = PostgresRecorder | SQLiteRecorder


class CopyingRecorder(PostgresRecorder):
    """Every append goes by COPY, however small."""

    COPY_FROM = A_FEW = 0

    def insert_events(self, stored_events: Any, **kwargs: Any) -> Any:
        """COPY gives no numbers back; the contract asks for them."""
        assert super().insert_events(stored_events, **kwargs) is None, "it went by COPY"
        last = self.max_notification_id() or 0
        return list(range(last + 1 - len(stored_events), last + 1))


# --- the library's own tests ----------------------------------------------------------------


@pytest.fixture(
    params=[
        ("sqlite", SQLiteRecorder),
        ("postgres", PostgresRecorder),
        ("postgres", CopyingRecorder),
    ],
    ids=["sqlite", "postgresql", "postgresql-copy"],
)
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """An empty event store's recorder."""
    kind, recorder_class = request.param
    with database.factory(request.getfixturevalue(f"{kind}_url"), "stored") as made:
        recorder = recorder_class(made.datastore)  # type: ignore[attr-defined]
        recorder.create_table()
        yield recorder


def contract(case: type[TestCase], *left_out: str) -> list[Any]:
    """The test methods of one of the library's cases, but those that only measure time."""
    names = [name for name in dir(case) if name.startswith("test") and name not in left_out]
    return [pytest.param(case, name, id=f"{case.__name__}.{name}") for name in sorted(names)]


CONTRACT = [
    *contract(ApplicationRecorderTestCase, "test_performance", "test_concurrent_throughput"),
    *contract(NonInterleavingNotificationIDsBaseCase),
]


def test_the_contract_is_not_empty():
    assert [param.id for param in CONTRACT] == [
        "ApplicationRecorderTestCase.test_concurrent_no_conflicts",
        "ApplicationRecorderTestCase.test_insert_select",
        "NonInterleavingNotificationIDsBaseCase.test",
    ]


@pytest.mark.parametrize(("case", "name"), CONTRACT)
def test_the_librarys_contract_is_kept(recorder: Recorder, case: type[TestCase], name: str):
    ours = type(case.__name__, (case,), {"create_recorder": lambda _: recorder})
    getattr(ours(name), name)()


# --- the order of the log -------------------------------------------------------------------


def some_events(count: int, stream: UUID | None = None, first: int = 1) -> list[StoredEvent]:
    """New events of one stream."""
    stream = stream or uuid4()
    return [StoredEvent(stream, first + n, "topic", b"{}") for n in range(count)]


def test_a_reader_behind_six_writers_sees_every_event_in_order(recorder: Recorder):
    writing = threading.Event()
    writing.set()

    def write(writer: int) -> list[tuple[str, int]]:
        stream = uuid4()
        written: list[tuple[str, int]] = []
        for n in range(40):
            size = (1, 20, 250)[n % 3] if n < 9 else 1 + n % 3  # by statement, function and COPY
            recorder.insert_events(some_events(size, stream, len(written) + 1))
            written += [(stream.hex, len(written) + 1 + place) for place in range(size)]
        return written

    def tail() -> list[tuple[int, str, int]]:
        seen: list[tuple[int, str, int]] = []
        while True:
            last_look = not writing.is_set()
            rows = recorder.read_log(seen[-1][0] if seen else 0, 100)
            seen += [row[:3] for row in rows]
            if last_look and not rows:
                return seen

    with ThreadPoolExecutor(7) as pool:
        reader = pool.submit(tail)
        try:
            writers = [pool.submit(write, writer) for writer in range(6)]
            written = [event for writer in writers for event in writer.result()]
        finally:
            writing.clear()
        seen = reader.result()

    positions = [position for position, _, _ in seen]
    assert positions == sorted(set(positions))
    assert sorted((stream, version) for _, stream, version in seen) == sorted(written)
    assert [row[:3] for row in recorder.read_log(0, 100_000)] == seen


def test_the_log_can_be_read_while_two_wait_to_write(ledger: Ledger):
    """Catching up reads the log inside its own transaction, which on SQLite keeps others waiting.

    The one that waits for the database must not keep the reader from its connection, or each
    waits for the other until a timeout refuses a change.
    """
    with ThreadPoolExecutor(2) as pool:
        with database.writing(ledger.engine).begin():
            waiting = [pool.submit(ledger.recorder.insert_events, some_events(1)) for _ in "ab"]
            time.sleep(0.3)  # until both have got as far as they can
            began = time.monotonic()
            ledger.recorder.read_log(0, 10)
            took = time.monotonic() - began
        for done in waiting:
            done.result()
    assert took < 1
    assert len(ledger.recorder.read_log(0, 10)) == 2


def test_the_log_is_read_in_the_order_of_commits_whatever_was_rolled_back(recorder: Recorder):
    one, two = some_events(3), some_events(2)
    recorder.insert_events(one)
    with pytest.raises(IntegrityError):
        recorder.insert_events([*two, one[0]])
    recorder.insert_events(two)
    log = recorder.read_log(0, 10)
    assert [(stream, version) for _, stream, version, _, _ in log] == [
        (UUID(str(e.originator_id)).hex, e.originator_version) for e in (*one, *two)
    ]
    assert recorder.read_log(log[2][0], 1) == [log[3]]


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def test_a_history_is_whole_however_few_events_are_read_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    take_in(ledger, a_caseload(a_row(1)))
    prepare(ledger)
    for kind, reference in ((PersonalBudget, "PB000001"), (PaymentCycle, "C2026-01")):
        whole = list(ledger.history(kind, reference))
        assert len(whole) >= 2
        for at_once in (1, 2, len(whole) - 1, len(whole), len(whole) + 1):
            monkeypatch.setattr(kind, "READ_AT_ONCE", at_once)
            assert list(ledger.history(kind, reference)) == whole
        assert list(ledger.history(kind, "NONE")) == []


# --- one transaction with the rows beside --------------------------------------------------


def a_key(key: str) -> Beside:
    row = {"key": key, "request_sha256": "", "status": 200, "body": b"", "recorded_at": ""}
    return Beside("idempotency_keys", [row])


@pytest.mark.parametrize("events", [0, 1, 20, 500])
def test_events_and_the_rows_beside_are_saved_together_or_not_at_all(ledger: Ledger, events: int):
    ledger.recorder.insert_events(some_events(events), beside=[a_key("one")])
    assert len(log_of(ledger)) == events
    with pytest.raises(IntegrityError):
        ledger.recorder.insert_events(some_events(events), beside=[a_key("two"), a_key("one")])
    assert len(log_of(ledger)) == events
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT key FROM idempotency_keys")).all() == [("one",)]


# --- events are only ever added ------------------------------------------------------------

TAMPERING = [
    "UPDATE stored_events SET state = 'x'",
    "UPDATE stored_events SET originator_version = originator_version + 100",
    "DELETE FROM stored_events",
    "DELETE FROM stored_events WHERE originator_version = 1",
    "INSERT INTO stored_events SELECT * FROM stored_events WHERE true "
    "ON CONFLICT (originator_id, originator_version) DO UPDATE SET state = 'x'",
]
TAMPERING_POSTGRESQL = ["TRUNCATE stored_events", "TRUNCATE stored_events CASCADE"]
TAMPERING_SQLITE = [
    "INSERT OR REPLACE INTO stored_events "
    "SELECT originator_id, originator_version, topic, 'x' FROM stored_events",
    "REPLACE INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (1, 'a', 1, 't', 'x')",
    "UPDATE OR REPLACE stored_events SET state = 'x'",
]


def test_no_event_can_be_changed_or_taken_away(ledger: Ledger):
    ledger.recorder.insert_events(some_events(3))
    before = log_of(ledger)
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    for statement in TAMPERING + (TAMPERING_SQLITE if is_sqlite else TAMPERING_POSTGRESQL):
        with (
            pytest.raises(DBAPIError, match=r"only ever added|duplicate key"),
            ledger.engine.begin() as connection,
        ):
            connection.execute(text(statement))
        assert log_of(ledger) == before, statement


# --- making the tables ---------------------------------------------------------------------


def names_in(engine: Engine) -> list[str]:
    return sorted(inspect(engine).get_table_names())


def test_making_a_ledger_again_changes_nothing(ledger: Ledger):
    take_in(ledger, a_caseload(a_row()))
    run_cycle(ledger)
    ledger.projections.catch_up()
    tables, log, rows = names_in(ledger.engine), log_of(ledger), rows_of(ledger)
    key = ledger.settings.key_file.read_bytes()
    Ledger.initialise(ledger.settings)
    assert (names_in(ledger.engine), log_of(ledger), rows_of(ledger)) == (tables, log, rows)
    assert ledger.settings.key_file.read_bytes() == key
    run_cycle(ledger, 2)
    assert ledger.projections.verify() is None


MAKE = """
import sys
from pathlib import Path
from ledger.application import Ledger
from tests.main_job import settings_for
settings = settings_for(sys.argv[1], Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
Ledger.initialise(settings)
Ledger(settings).close()
"""


def test_several_processes_may_make_the_ledger_at_once(database_url: str, tmp_path: Path):
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, database_url, str(tmp_path)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 3
    with Ledger(settings_for(database_url, tmp_path)) as ledger:
        take_in(ledger, a_caseload(a_row()))
        assert ledger.projections.verify() is None
