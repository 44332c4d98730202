"""The event store keeps the library's contract, in order, and only ever adds."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import TestCase
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import InfrastructureFactory, IntegrityError, StoredEvent

from ledger import store
from ledger.application import Ledger
from ledger.store import Beside, PostgresRecorder, SQLiteRecorder
from tests.main_job import a_ledger, example_caseload, run_cycle, settings_for, take_in

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

    COPY_FROM = 1

    def insert_events(self, stored_events: Any, **kwargs: Any) -> Any:
        """COPY gives no numbers back; the contract asks for them."""
        before = self.max_notification_id() or 0
        super().insert_events(stored_events, **kwargs)
        return [n.id for n in self.select_notifications(before + 1, len(stored_events))]


# --- the library's own tests ----------------------------------------------------------------


@pytest.fixture(
    params=[("sqlite", SQLiteRecorder), ("postgres", PostgresRecorder), ("postgres", CopyingRecorder)],
    ids=["sqlite", "postgresql", "postgresql-copy"],
)
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """An empty event store's recorder."""
    kind, recorder_class = request.param
    with store.factory(request.getfixturevalue(f"{kind}_url"), "stored") as made:
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
