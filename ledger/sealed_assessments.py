"""Financial assessments as they are kept: facts and working, sealed under the person's key.

What someone earns, saves and spends on their disability stays out of the events. Deleting the
person's row in `people` makes every assessment of theirs unreadable, and the contributions that
came of them still stand in the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import select

from ledger.charging.assessment import Assessed
from ledger.charging.facts import Facts
from ledger.durable import financial_assessments
from ledger.durable import people as people_table
from ledger.errors import AssessmentNotFound, SealBroken
from ledger.keyring import place
from ledger.people import People, Row, chunks, moment_text
from ledger.private import Private

_PLACE = "financial_assessments.sealed"


class AssessmentDocument(Private, frozen=True):
    """One financial assessment whole: what was told, and the working from each day on."""

    budget_reference: str
    assessment_reference: str
    person_reference: str
    effective_on: date
    decided_on: date
    facts: Facts
    working: tuple[Assessed, ...]

    @property
    def sha256(self) -> str:
        """The hash that the budget's event gives."""
        return hashlib.sha256(_encode(self)).hexdigest()

    def on(self, day: date) -> Assessed:
        """The working in force on a day, which is not before the assessment takes effect."""
        return [working for working in self.working if working.starts_on <= day][-1]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AssessmentDocument).decode


def sealed(people: People, documents: Iterable[AssessmentDocument], at: datetime) -> list[Row]:
    """Rows of `financial_assessments`. Raises `PersonUnknown`."""
    documents = list(documents)
    keys = people.keys({document.person_reference for document in documents})
    recorded_at = moment_text(at)
    return [
        {
            "budget_reference": document.budget_reference,
            "assessment_reference": document.assessment_reference,
            "person_reference": document.person_reference,
            "sealed": people.keyring.seal(
                keys[document.person_reference], _encode(document), _bound_to(document)
            ),
            "recorded_at": recorded_at,
        }
        for document in documents
    ]


def opened(people: People, budget_reference: str, assessment_reference: str) -> AssessmentDocument:
    """One assessment; `AssessmentNotFound` if never recorded here, or its person was erased."""
    found = opened_many(people, {budget_reference: assessment_reference})
    if not found:
        raise AssessmentNotFound(
            f"There is no financial assessment {assessment_reference} of {budget_reference} "
            "to be read; its person may have been erased."
        )
    return found[budget_reference]


def opened_many(people: People, wanted: dict[str, str]) -> dict[str, AssessmentDocument]:
    """An assessment for each budget, by budget reference; what cannot be read is absent."""
    table = financial_assessments
    joined = table.join(people_table, people_table.c.person_reference == table.c.person_reference)
    query = select(table, people_table.c.wrapped_key).select_from(joined)
    found: dict[str, AssessmentDocument] = {}
    with people.engine.connect() as connection:
        for chunk in chunks(wanted):
            for row in connection.execute(query.where(table.c.budget_reference.in_(chunk))):
                if wanted[row.budget_reference] == row.assessment_reference:
                    found[row.budget_reference] = _opened(people, row)
    return found


def opened_of(people: People, person_reference: str) -> list[AssessmentDocument]:
    """Every assessment of a person, in the order in which they were recorded."""
    table = financial_assessments
    joined = table.join(people_table, people_table.c.person_reference == table.c.person_reference)
    query = select(table, people_table.c.wrapped_key).select_from(joined)
    query = query.where(table.c.person_reference == person_reference).order_by(table.c.recorded_at)
    with people.engine.connect() as connection:
        return [_opened(people, row) for row in connection.execute(query)]


def every(people: People) -> Generator[tuple[str, str, AssessmentDocument | None]]:
    """Each assessment there is: its budget, its reference, and the document.

    None in its place if its person was erased. Raises `SealBroken`."""
    table = financial_assessments
    joined = table.outerjoin(
        people_table, people_table.c.person_reference == table.c.person_reference
    )
    query = select(table, people_table.c.wrapped_key).select_from(joined)
    with (
        people.engine.connect().execution_options(yield_per=1_000) as connection,
        connection.execute(query) as rows,
    ):
        for row in rows:
            document = None if row.wrapped_key is None else _opened(people, row)
            yield row.budget_reference, row.assessment_reference, document


def _opened(people: People, row: Any) -> AssessmentDocument:
    key = people.keyring.unwrap(row.wrapped_key, row.person_reference)
    bound_to = place(_PLACE, row.budget_reference, row.assessment_reference)
    try:
        return _decode(people.keyring.open(key, row.sealed, bound_to))
    except SealBroken as broken:
        raise SealBroken(
            f"Assessment {row.assessment_reference} of {row.budget_reference}: {SealBroken.rule}",
            **broken.details,
        ) from broken


def _bound_to(document: AssessmentDocument) -> str:
    return place(_PLACE, document.budget_reference, document.assessment_reference)
