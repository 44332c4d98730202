"""What is kept for a time only: deleted when it is over, however often the job is broken off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from ledger import retention
from ledger.access.refused import MOST_OF_ONE, Refused, keep, kept, only_counted
from ledger.application import Ledger
from ledger.durable import idempotency_keys
from ledger.jobs import JOBS
from ledger.people import moment_text
from ledger.store import Beside
from tests.main_job import a_ledger

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
JOB = JOBS["delete-expired"]


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def a_refusal(refused_at: str) -> Refused:
    return Refused(
        refused_at, "oz", "192.0.2.1", "GET", "/v1/budgets", "budgets.find", "", "not-permitted",
        403, "1",
    )  # fmt: skip


def days_ago(days: int, hours: int = 0) -> str:
    return moment_text(NOW - timedelta(days=days, hours=hours))


def used_key(ledger: Ledger, key: str, at: str) -> None:
    row = {"key": key, "request_sha256": "", "status": 200, "body": b"{}", "recorded_at": at}
    ledger.append([], [Beside("idempotency_keys", [row])])


def keys(ledger: Ledger) -> set[str]:
    with ledger.engine.connect() as connection:
        return set(connection.execute(select(idempotency_keys.c.key)).scalars())


def test_what_is_over_goes_and_nothing_else(ledger: Ledger) -> None:
    for at in (days_ago(366, hours=1), days_ago(366), days_ago(1)):
        keep(ledger, a_refusal(at))
    for key, at in (("old", days_ago(30, 1)), ("last hour", days_ago(30)), ("new", days_ago(0))):
        used_key(ledger, key, at)
    assert JOB.to_do(ledger, NOW) == [
        "1 kept refusal(s) are over their time.",
        "2 hourly count(s) of refusals are over their time.",
        "1 key(s) of API requests are over their time.",
    ]
    assert JOB.run(ledger, NOW) == [
        "1 kept refusal(s) were deleted.",
        "2 hourly count(s) of refusals were deleted.",
        "1 key(s) of API requests were deleted.",
    ]
    assert [one.refused.refused_at for one in kept(ledger)] == [days_ago(366), days_ago(1)]
    assert keys(ledger) == {"last hour", "new"}
    assert JOB.to_do(ledger, NOW) == JOB.run(ledger, NOW) == []


def test_a_refusal_of_now_is_counted_as_before(ledger: Ledger) -> None:
    for _ in range(MOST_OF_ONE + 1):
        keep(ledger, a_refusal(days_ago(0)))
    assert JOB.run(ledger, NOW) == []
    assert [counted.refusals for counted in only_counted(ledger, 5)] == [MOST_OF_ONE + 1]


def test_broken_off_it_goes_on_where_it_stopped(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_A_TIME", 2)
    for number in range(5):
        used_key(ledger, f"{number}", days_ago(40 - number))
    used_key(ledger, "new", days_ago(0))
    deletions = 0

    def breaks(*asked: Any) -> None:
        nonlocal deletions
        deletions += "DELETE FROM idempotency_keys" in asked[2]
        if deletions == 2:
            raise RuntimeError("the power went")

    event.listen(ledger.engine, "before_cursor_execute", breaks)
    with pytest.raises(RuntimeError, match="the power went"):
        JOB.run(ledger, NOW)
    event.remove(ledger.engine, "before_cursor_execute", breaks)
    assert len(keys(ledger)) == 4, "what was done stays done"
    assert JOB.run(ledger, NOW) == ["3 key(s) of API requests were deleted."]
    assert keys(ledger) == {"new"}
