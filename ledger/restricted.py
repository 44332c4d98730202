"""What only few may see about a person: why the law bars a direct payment, and ethnicity.

The ground of an exclusion can be criminal-offence data (UK GDPR article 10), and ethnicity is
special category data (article 9). Neither is in an event, a list or a letter: both are sealed
here under the person's key, and erased with it. What is recorded is added; the newest stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, select

from ledger.aggregates.care_decisions import LAWFUL_EXCLUSIONS
from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.durable import people as people_table
from ledger.keyring import place
from ledger.people import People, Row, moment_text
from ledger.privacy_tables import restricted_facts
from ledger.private import Private
from ledger.store import Beside

_PLACE = "restricted_facts.sealed"

RestrictedKind = Literal["exclusion_ground", "ethnicity"]

Ethnicity = Literal[
    "A", "B", "C", "D", "E", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S", "Z"
]
ETHNICITIES: dict[str, str] = {
    "A": "White: British",
    "B": "White: Irish",
    "C": "White: any other",
    "D": "Mixed: White and Black Caribbean",
    "E": "Mixed: White and Black African",
    "F": "Mixed: White and Asian",
    "G": "Mixed: any other",
    "H": "Asian or Asian British: Indian",
    "J": "Asian or Asian British: Pakistani",
    "K": "Asian or Asian British: Bangladeshi",
    "L": "Asian or Asian British: any other",
    "M": "Black or Black British: Caribbean",
    "N": "Black or Black British: African",
    "P": "Black or Black British: any other",
    "R": "Chinese",
    "S": "Any other",
    "Z": "Not stated",
}
"""The codes of the NHS data dictionary (ethnic category, 2001), as client level data has them."""


def in_words(value: str) -> str:
    """An ethnicity, or a ground on which a direct payment is barred, in words."""
    if value in LAWFUL_EXCLUSIONS:
        return f"{value.replace('_', ' ')} ({LAWFUL_EXCLUSIONS[value]})"
    return ETHNICITIES[value]


class RestrictedFact(Private, frozen=True, kw_only=True):
    """One such fact, opened; `budget_reference` is empty where it is about no budget."""

    person_reference: str
    kind: RestrictedKind
    budget_reference: str
    value: str
    recorded_at: str
    recorded_by: str


class Restricted:
    """Builds the rows and reads them back. It writes nothing itself."""

    def __init__(self, people: People) -> None:
        self._people = people

    def rows(
        self,
        person_reference: str,
        facts: Sequence[tuple[RestrictedKind, str, str]],
        recorded_at: datetime,
        recorded_by: str,
    ) -> Beside:
        """Rows that keep facts, each a kind, a budget or "", and a value.

        Raises `PersonUnknown` for a person never recorded, or erased.
        """
        moment = moment_text(recorded_at)
        rows: list[Row] = []
        for kind, budget_reference, value in facts:
            key = self._people.keys({person_reference})[person_reference]
            bound_to = place(_PLACE, person_reference, kind, budget_reference, moment)
            rows.append(
                {
                    "person_reference": person_reference,
                    "kind": kind,
                    "budget_reference": budget_reference,
                    "sealed": self._people.keyring.seal(key, value.encode(), bound_to),
                    "recorded_at": moment,
                    "recorded_by": recorded_by,
                }
            )
        return Beside("restricted_facts", rows)

    def set_apart(
        self, budget: PersonalBudget, grounds: Sequence[str], events: Sequence[Recorded]
    ) -> Beside:
        """Rows for the grounds of exclusion that were told with the newest event of a budget."""
        assert budget.opened is not None, "only an open budget is offered a direct payment"
        said = events[-1].event
        facts: list[tuple[RestrictedKind, str, str]] = [
            ("exclusion_ground", budget.reference, ground) for ground in grounds
        ]
        person = budget.opened.recipient_reference
        return self.rows(person, facts, said.recorded_at, said.recorded_by)

    def of(self, person_reference: str) -> list[RestrictedFact]:
        """All that was ever recorded of a person and can be read, the oldest first."""
        t = restricted_facts
        return list(self._opened(t.c.person_reference == person_reference))

    def newest(self, kind: RestrictedKind) -> Iterable[RestrictedFact]:
        """The newest fact of a kind of each person, or of each of their budgets."""
        found = self._opened(restricted_facts.c.kind == kind)
        return {(fact.person_reference, fact.budget_reference): fact for fact in found}.values()

    def _opened(self, condition: ColumnElement[bool]) -> Iterator[RestrictedFact]:
        t, p = restricted_facts, people_table
        query = (
            select(t, p.c.wrapped_key)
            .join(p, p.c.person_reference == t.c.person_reference)
            .where(condition)
            .order_by(t.c.number)
        )
        keyring = self._people.keyring
        with self._people.engine.connect() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            key = keyring.unwrap(row.wrapped_key, row.person_reference)
            bound_to = place(
                _PLACE, row.person_reference, row.kind, row.budget_reference, row.recorded_at
            )
            yield RestrictedFact(
                person_reference=row.person_reference,
                kind=row.kind,
                budget_reference=row.budget_reference,
                value=keyring.open(key, row.sealed, bound_to).decode(),
                recorded_at=row.recorded_at,
                recorded_by=row.recorded_by,
            )
