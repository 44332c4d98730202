"""Looking at what few may see about a person: each look is recorded before anything is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import select

from ledger.application import Ledger
from ledger.errors import RestrictedFactUnknown
from ledger.people import moment_text
from ledger.privacy_tables import person_looks
from ledger.restricted import Ethnicity, RestrictedFact, RestrictedKind
from ledger.store import Beside

Looked = Literal["exclusion_ground", "ethnicity", "everything"]
PersonLookReason = Literal["care_decision", "review", "complaint", "correcting", "subject_access"]

FEWEST = 5
"""A count below this is not shown: it could say something of one person."""


class PersonLook(NamedTuple):
    """Who looked at what of whom, when (ISO 8601 in UTC) and why; `number` is their order."""

    number: int
    person_reference: str
    what: Looked
    looked_at: str
    looked_by: str
    reason: PersonLookReason


def look_row(
    person_reference: str, what: Looked, reason: PersonLookReason, at: datetime, by: str
) -> Beside:
    """The row that records a look."""
    row = {
        "person_reference": person_reference,
        "what": what,
        "looked_at": moment_text(at),
        "looked_by": by,
        "reason": reason,
    }
    return Beside("person_looks", [row])


def look_at_person(
    ledger: Ledger,
    person_reference: str,
    *,
    what: RestrictedKind,
    reason: PersonLookReason,
    looked_at: datetime,
    looked_by: str,
    also: Sequence[Beside] = (),
) -> list[RestrictedFact]:
    """Record a look, then give what is known. Raises `PersonUnknown` and `RestrictedFactUnknown`,
    and then nobody looked."""
    known_of(ledger, person_reference, what)
    ledger.append([], [look_row(person_reference, what, reason, looked_at, looked_by), *also])
    return known_of(ledger, person_reference, what)


def known_of(ledger: Ledger, person_reference: str, what: RestrictedKind) -> list[RestrictedFact]:
    """What a recorded look shows: the facts of a kind, the oldest first."""
    ledger.people.person(person_reference)
    found = [fact for fact in ledger.restricted.of(person_reference) if fact.kind == what]
    if not found:
        raise RestrictedFactUnknown(f"No {what.replace('_', ' ')} of {person_reference} is known.")
    return found


def record_ethnicity(
    ledger: Ledger,
    person_reference: str,
    ethnicity: Ethnicity,
    *,
    recorded_at: datetime,
    recorded_by: str,
    also: Sequence[Beside] = (),
) -> None:
    """Seal a person's ethnicity, in their own words' code. Raises `PersonUnknown`."""
    facts: list[tuple[RestrictedKind, str, str]] = [("ethnicity", "", ethnicity)]
    rows = ledger.restricted.rows(person_reference, facts, recorded_at, recorded_by)
    ledger.append([], [rows, *also])


def person_looks_of(
    ledger: Ledger,
    person_reference: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[PersonLook]:
    """The looks at a person, or at anybody; the oldest first."""
    t = person_looks.c
    query = select(person_looks).where(t.number > after).order_by(t.number).limit(limit)
    if person_reference is not None:
        query = query.where(t.person_reference == person_reference)
    with ledger.engine.connect() as connection:
        return [PersonLook(*row) for row in connection.execute(query)]


def counted(ledger: Ledger, kind: RestrictedKind) -> dict[str, int | None]:
    """How many people have each value of a kind; None for fewer than `FEWEST`, and no total, from
    which those could be worked out."""
    values = {(fact.person_reference, fact.value) for fact in ledger.restricted.newest(kind)}
    found = Counter(value for _, value in values)
    return {value: count if count >= FEWEST else None for value, count in sorted(found.items())}
