"""What is kept for a time only and then deleted: what was refused, and the keys of API requests.

Neither is an account of public money. Looks are evidence and stay, and what is held about people
goes when they are erased.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, delete, func, select, tuple_

from ledger.application import Ledger
from ledger.database import writing
from ledger.durable import idempotency_keys, refused_counts, refused_requests
from ledger.people import moment_text

AT_A_TIME = 1_000
"""So many rows are deleted in one transaction, so that nobody who writes has to wait long."""


class Expired(NamedTuple):
    """What is over in one table: in words, and which of its rows."""

    what: str
    table: Table
    rows: ColumnElement[bool]


def expired(ledger: Ledger, now: datetime) -> list[Expired]:
    """What may go now, to the whole hour: counts of refusals have no minutes."""

    def hour(days: int) -> str:
        return moment_text(now - timedelta(days=days))[:13]

    refused = hour(ledger.settings.refusals_kept_days)
    used = hour(ledger.settings.idempotency_keys_kept_days)
    return [
        Expired("kept refusal(s)", refused_requests, refused_requests.c.refused_at < refused),
        Expired("hourly count(s) of refusals", refused_counts, refused_counts.c.hour < refused),
        Expired("key(s) of API requests", idempotency_keys, idempotency_keys.c.recorded_at < used),
    ]


def count_expired(ledger: Ledger, now: datetime) -> dict[str, int]:
    """How many of each are over."""
    with ledger.engine.connect() as connection:
        return {
            one.what: connection.execute(
                select(func.count()).select_from(one.table).where(one.rows)
            ).scalar_one()
            for one in expired(ledger, now)
        }


def delete_expired(ledger: Ledger, now: datetime) -> dict[str, int]:
    """Delete what is over, a batch in each transaction; returns how many of each.

    Broken off, it goes on where it stopped when it is run again.
    """
    return {one.what: _delete(ledger, one) for one in expired(ledger, now)}


def _delete(ledger: Ledger, one: Expired) -> int:
    keys = tuple_(*one.table.primary_key.columns)
    some = select(*one.table.primary_key.columns).where(one.rows).limit(AT_A_TIME)
    deleted = 0
    while True:
        with writing(ledger.engine).begin() as connection:
            batch = connection.execute(delete(one.table).where(keys.in_(some))).rowcount
        if not batch:
            return deleted
        deleted += batch
