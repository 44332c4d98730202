"""What was refused to whom: kept for auditors, and no more of it than a disk can bear.

Whoever is refused often in an hour has their first requests kept one by one, and is then only
counted; so that nobody can fill the disk by being refused. A job deletes them when their time is
over (`ledger.retention`).
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select, text

from ledger.application import Ledger
from ledger.database import writing
from ledger.durable import refused_counts, refused_requests
from ledger.errors import Refusal

MOST_OF_ONE = 100
"""So many of one person's, or one address's, are kept one by one in an hour,"""
MOST_OF_ALL = 2_000
"""and so many of everybody's."""
EVERYBODY = "everybody"

_COUNT = text(
    "INSERT INTO refused_counts (hour, who, refusals) VALUES (:hour, :who, 1) "
    "ON CONFLICT (hour, who) DO UPDATE SET refusals = refused_counts.refusals + 1 "
    "RETURNING refusals"
)


class Refused(NamedTuple):
    """A request that was refused: by whom, if they are known; the route by its template, what it
    needs, and the budget it was about, if any; the refusal's code; the request's own number."""

    refused_at: str
    refused_by: str
    address: str
    method: str
    route: str
    permission: str
    budget_reference: str
    code: str
    status: int
    request_id: str


class Kept(NamedTuple):
    """One that was kept; `number` is their order."""

    number: int
    refused: Refused


class Counted(NamedTuple):
    """How many requests of somebody's were refused in an hour (UTC), when not all were kept."""

    hour: str
    who: str
    refusals: int


def is_kept(refusal: Refusal) -> bool:
    """Whether auditors are to know: nobody signed in, nothing permitted, or beyond their own."""
    return refusal.status in (401, 403) or refusal.conceals


def keep(ledger: Ledger, refused: Refused) -> None:
    """Keep a refused request, or only count it if there were too many this hour."""
    hour = refused.refused_at[:13]
    who = f"name {refused.refused_by}" if refused.refused_by else f"address {refused.address}"
    with writing(ledger.engine).begin() as connection:
        if (
            _counted(connection, hour, EVERYBODY) <= MOST_OF_ALL
            and _counted(connection, hour, who) <= MOST_OF_ONE
        ):
            connection.execute(insert(refused_requests).values(refused._asdict()))


def _counted(connection: Connection, hour: str, who: str) -> int:
    refusals: int = connection.execute(_COUNT, {"hour": hour, "who": who}).scalar_one()
    return refusals


def kept(
    ledger: Ledger,
    *,
    refused_by: str | None = None,
    budget_reference: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Kept]:
    """The refused requests of somebody, about a budget, or all of them; the oldest first."""
    t = refused_requests.c
    query = select(refused_requests).where(t.number > after).order_by(t.number).limit(limit)
    if refused_by is not None:
        query = query.where(t.refused_by == refused_by)
    if budget_reference is not None:
        query = query.where(t.budget_reference == budget_reference)
    with ledger.engine.connect() as connection:
        return [Kept(number, Refused(*facts)) for number, *facts in connection.execute(query)]


def only_counted(ledger: Ledger, limit: int) -> list[Counted]:
    """Who was refused more often in an hour than is kept one by one; the newest first."""
    t = refused_counts.c
    too_many = (t.refusals > MOST_OF_ONE) & (t.who != EVERYBODY) | (t.refusals > MOST_OF_ALL)
    query = select(refused_counts).where(too_many).order_by(t.hour.desc(), t.who).limit(limit)
    with ledger.engine.connect() as connection:
        return [Counted(*row) for row in connection.execute(query)]
