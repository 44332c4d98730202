"""The registers of who acts for whom, of who was given access to what, and of who died."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

from sqlalchemy import Column, Date, Engine, Index, Text, literal, select, union_all

from ledger.aggregates.care_decisions import BudgetClosed
from ledger.aggregates.consents import AccessGranted, AccessRevoked
from ledger.aggregates.estates import EstateCaseDecided
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


class Deaths:
    """The register of budgets whose recipient died, as far as it is recorded."""

    table = read_table(
        "deaths",
        Column("stream", Text, primary_key=True),
        Column("died_on", Date, nullable=False),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in (BudgetClosed, EstateCaseDecided)

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, BudgetClosed) and event.reason_code == "died":
            rows[entry.stream,] = [entry.stream, event.effective_on]
        elif isinstance(event, EstateCaseDecided) and event.died_on is not None:
            rows[entry.stream,] = [entry.stream, event.died_on]


Standing = Literal["recipient", "representative"]
"""What somebody is to a budget."""


class Tie(NamedTuple):
    """What somebody is to a budget: a reason not to act on it for the council, also after its
    recipient `has_died`."""

    budget_reference: str
    standing: Standing
    has_died: bool

    @property
    def speaks_as(self) -> Standing | None:
        """As whom they have a say: nobody speaks for somebody who died, or as them."""
        return None if self.has_died else self.standing


def ties_of(engine: Engine, person_reference: str, budget_reference: str = "") -> list[Tie]:
    """What a person is to every budget, or to one, in order of reference; catch up first.

    Asked by the person, so that it costs what they have to do with, however many budgets
    there are."""
    budgets, acting, deaths = Budgets.table.c, Representatives.table.c, Deaths.table.c
    has_died = deaths.stream.is_not(None)
    own = (
        select(budgets.reference, literal("recipient"), has_died)
        .outerjoin(Deaths.table, deaths.stream == budgets.stream)
        .where(budgets.recipient_reference == person_reference)
    )
    others = (
        select(budgets.reference, literal("representative"), has_died)
        .join(Representatives.table, acting.stream == budgets.stream)
        .outerjoin(Deaths.table, deaths.stream == budgets.stream)
        .where(acting.person_reference == person_reference, acting.ended_on.is_(None))
    )
    if budget_reference:
        own = own.where(budgets.reference == budget_reference)
        others = others.where(budgets.reference == budget_reference)
    with engine.connect() as connection:
        found = connection.execute(union_all(own, others))
        return sorted(Tie(reference, standing, bool(died)) for reference, standing, died in found)


def budgets_of(engine: Engine, person_reference: str) -> list[str]:
    """The budgets of a recipient and those they act for now, by reference; catch up first."""
    return [tie.budget_reference for tie in ties_of(engine, person_reference) if tie.speaks_as]


class GrantEntry(NamedTuple):
    """What an organisation may see of a budget, or might; `revoked_at` is ISO 8601 in UTC.

    With the recipient's death it ends."""

    budget_reference: str
    organisation_reference: str
    facts: str
    starts_on: date
    ends_on: date
    given_by: str
    recorded_by: str
    revoked_at: str | None
    has_died: bool

    def in_force(self, on: date) -> bool:
        is_over = self.revoked_at is not None or self.has_died
        return not is_over and self.starts_on <= on <= self.ends_on


def grants(
    engine: Engine, *, budget_reference: str = "", organisation_reference: str = ""
) -> list[GrantEntry]:
    """The register of grants, all or those of a budget or to an organisation; catch up first."""
    budgets, grant, deaths = Budgets.table.c, Grants.table.c, Deaths.table.c
    query = (
        select(budgets.reference, *list(grant)[1:], deaths.stream.is_not(None))
        .join(Budgets.table, grant.stream == budgets.stream)
        .outerjoin(Deaths.table, deaths.stream == grant.stream)
        .order_by(budgets.reference, grant.organisation_reference)
    )
    if budget_reference:
        query = query.where(budgets.reference == budget_reference)
    if organisation_reference:
        query = query.where(grant.organisation_reference == organisation_reference)
    with engine.connect() as connection:
        return [GrantEntry._make(row) for row in connection.execute(query)]
