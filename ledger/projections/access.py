"""The registers of who acts for whom, and of who was given access to what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from sqlalchemy import Column, Date, Engine, Index, Text, select, union

from ledger.aggregates.consents import AccessGranted, AccessRevoked
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.representatives import RepresentativeAppointed, RepresentativeEnded
from ledger.projections.registers import Budgets
from ledger.projections.tables import Entry, Key, Row, read_table


class Representatives:
    """The register of representatives. Who acts no longer has an `ended_on`."""

    table = read_table(
        "representatives",
        Column("stream", Text, primary_key=True),
        Column("person_reference", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("starts_on", Date, nullable=False),
        Column("ended_on", Date),
        Index("ix_representatives_person", "person_reference"),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in (RepresentativeAppointed, RepresentativeEnded)

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield entry.stream, entry.event.person_reference  # type: ignore[attr-defined]

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, RepresentativeAppointed):
            key = (entry.stream, event.person_reference)
            rows[key] = [*key, event.kind, event.effective_on, None]
        elif isinstance(event, RepresentativeEnded):
            rows[entry.stream, event.person_reference][-1] = event.effective_on


class Grants:
    """The register of access granted: the last grant to each organisation for each budget.

    One that was taken back has a `revoked_at`."""

    table = read_table(
        "grants",
        Column("stream", Text, primary_key=True),
        Column("organisation_reference", Text, primary_key=True),
        Column("facts", Text, nullable=False),
        Column("starts_on", Date, nullable=False),
        Column("ends_on", Date, nullable=False),
        Column("given_by", Text, nullable=False),
        Column("recorded_by", Text, nullable=False),
        Column("revoked_at", Text),
        Index("ix_grants_organisation", "organisation_reference"),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in (AccessGranted, AccessRevoked)

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield entry.stream, entry.event.organisation_reference  # type: ignore[attr-defined]

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, AccessGranted):
            key = (entry.stream, event.organisation_reference)
            days = (event.effective_on, event.ends_on)
            rows[key] = [*key, event.facts, *days, event.given_by, event.recorded_by, None]
        elif isinstance(event, AccessRevoked):
            rows[entry.stream, event.organisation_reference][-1] = entry.recorded_at


def budgets_of(engine: Engine, person_reference: str) -> list[str]:
    """The budgets of a recipient and those they act for now, by reference; catch up first."""
    budgets, acting = Budgets.table.c, Representatives.table.c
    own = select(budgets.reference).where(budgets.recipient_reference == person_reference)
    others = (
        select(budgets.reference)
        .join(Representatives.table, acting.stream == budgets.stream)
        .where(acting.person_reference == person_reference, acting.ended_on.is_(None))
    )
    with engine.connect() as connection:
        return sorted(connection.execute(union(own, others)).scalars())


class GrantEntry(NamedTuple):
    """What an organisation may see of a budget, or might; `revoked_at` is ISO 8601 in UTC."""

    budget_reference: str
    organisation_reference: str
    facts: str
    starts_on: date
    ends_on: date
    given_by: str
    recorded_by: str
    revoked_at: str | None

    def in_force(self, on: date) -> bool:
        return self.revoked_at is None and self.starts_on <= on <= self.ends_on


def grants(
    engine: Engine, *, budget_reference: str = "", organisation_reference: str = ""
) -> list[GrantEntry]:
    """The register of grants, all or those of a budget or to an organisation; catch up first."""
    budgets, grant = Budgets.table.c, Grants.table.c
    query = (
        select(budgets.reference, *list(grant)[1:])
        .join(Budgets.table, grant.stream == budgets.stream)
        .order_by(budgets.reference, grant.organisation_reference)
    )
    if budget_reference:
        query = query.where(budgets.reference == budget_reference)
    if organisation_reference:
        query = query.where(grant.organisation_reference == organisation_reference)
    with engine.connect() as connection:
        return [GrantEntry._make(row) for row in connection.execute(query)]
