"""Everything that is held about one person, for them: a page to read, and the same as JSON.

A zip file: `index.html`, `everything.json`, the statement of each budget, and each letter as it
was sent. Making it is recorded as a look at everything, before anything is read.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from ledger.access.users import User, users_who_are
from ledger.aggregates.event_sourced import TOPICS, Recorded
from ledger.aggregates.payees import PayeeProposed, PayeeType
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.budget_looks import budget_looks_at
from ledger.contacts import ContactDetails
from ledger.dates import Period, day_in_england
from ledger.documents import page
from ledger.erasure import Hold, retention_of
from ledger.file_looks import file_looks_at
from ledger.letter_tables import letters
from ledger.money import format_pounds
from ledger.outbox.register import LetterEntry, entry, shown
from ledger.outbox.writing import council_of
from ledger.payee_looks import looks
from ledger.payee_names import ReturnedName
from ledger.people import PayeeDetails
from ledger.person_looks import look_row, person_looks_of
from ledger.private import Private
from ledger.projections.audit import sentence
from ledger.projections.words import day
from ledger.restricted import RestrictedFact, in_words
from ledger.sealed_assessments import AssessmentDocument, opened_of
from ledger.statements.documents import statement_html
from ledger.statements.statement import Statement, statement_of
from ledger.store import Beside

if TYPE_CHECKING:
    from jinja2 import Template

_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")


class Happened(msgspec.Struct, frozen=True):
    """One event of a budget: when it took effect and was recorded, by whom, and in words."""

    version: int
    topic: str
    effective_on: date
    recorded_at: datetime
    recorded_by: str
    sentence: str


class BudgetHeld(msgspec.Struct, frozen=True):
    """A budget: its story from the first event, its statement from the first day, and who looked
    at it from outside the council."""

    reference: str
    story: tuple[Happened, ...]
    statement: Statement
    statement_file: str
    looks: tuple[dict[str, Any], ...]


class PayeeHeld(Private, frozen=True, kw_only=True):
    """An account that was recorded, whose it is said to be, who looked at it, and who fetched bank
    files that it is in."""

    details: PayeeDetails
    payee_types: tuple[PayeeType, ...]
    returned_names: tuple[ReturnedName, ...]
    looks: tuple[dict[str, Any], ...]
    fetched: tuple[dict[str, Any], ...]


class LetterHeld(msgspec.Struct, frozen=True):
    """A letter, and the file of what was sent; none if it was not."""

    entry: LetterEntry
    file: str | None


class Held(Private, frozen=True, kw_only=True):
    """All that is held about a person, as known at a moment."""

    council: str
    exported_at: datetime
    exported_by: str
    person_reference: str
    name: str
    date_of_birth: date
    kept_to: date
    contact: ContactDetails | None
    signs_in: tuple[User, ...]
    budgets: tuple[BudgetHeld, ...]
    payees: tuple[PayeeHeld, ...]
    assessments: tuple[AssessmentDocument, ...]
    letters: tuple[LetterHeld, ...]
    restricted: tuple[RestrictedFact, ...]
    legal_holds: tuple[Hold, ...]
    looks: tuple[dict[str, Any], ...]

    @property
    def acted_for(self) -> list[PayeeHeld]:
        """The accounts of those who received the money for the person."""
        return [payee for payee in self.payees if set(payee.payee_types) - {"recipient"}]


def record_export(
    ledger: Ledger,
    person_reference: str,
    *,
    exported_at: datetime,
    exported_by: str,
    also: Sequence[Beside] = (),
) -> None:
    """Record who exports what is held, before it is `packed`. Raises `PersonUnknown`."""
    ledger.people.person(person_reference)
    look = look_row(person_reference, "everything", "subject_access", exported_at, exported_by)
    ledger.append([], [look, *also])


def packed(ledger: Ledger, person_reference: str, exported_at: datetime, exported_by: str) -> bytes:
    """The zip file of an export that was recorded. Raises `PersonUnknown`."""
    files: dict[str, str] = {}
    held = _held(ledger, person_reference, exported_at, exported_by, files)
    council = council_of(ledger.settings)
    for budget in held.budgets:
        files[budget.statement_file] = statement_html(budget.statement, council, held.name)
    files["everything.json"] = msgspec.json.format(msgspec.json.encode(held)).decode()
    files["index.html"] = _template().render(held=held, plain=msgspec.to_builtins(held))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, exported_at.timetuple()[:6]), files[name])
    return written.getvalue()


def _held(
    ledger: Ledger, person_reference: str, at: datetime, by: str, files: dict[str, str]
) -> Held:
    """All of it; what letters said goes into `files`, by name."""
    person = ledger.people.person(person_reference)
    kept = retention_of(ledger, person_reference)
    histories = {b: list(ledger.history(PersonalBudget, b)) for b in kept.budgets}
    return Held(
        council=ledger.settings.council_name,
        exported_at=at,
        exported_by=by,
        person_reference=person_reference,
        name=person.name,
        date_of_birth=person.date_of_birth,
        kept_to=kept.kept_to,
        contact=ledger.contacts.of([person_reference]).get(person_reference),
        signs_in=tuple(users_who_are(ledger.engine, person_reference)),
        budgets=tuple(_budget(ledger, b, history, at) for b, history in histories.items()),
        payees=tuple(_payees(ledger, person_reference, histories)),
        assessments=tuple(opened_of(ledger.people, person_reference)),
        letters=tuple(_letters(ledger, person_reference, files)),
        restricted=tuple(ledger.restricted.of(person_reference)),
        legal_holds=kept.holds,
        looks=tuple(look._asdict() for look in person_looks_of(ledger, person_reference)),
    )


def _budget(ledger: Ledger, reference: str, history: list[Recorded], at: datetime) -> BudgetHeld:
    story = tuple(
        Happened(
            version,
            TOPICS[type(event)],
            event.effective_on,
            event.recorded_at,
            event.recorded_by,
            sentence(event),
        )
        for _, version, event in history
    )
    first = min(event.effective_on for _, _, event in history)
    period = Period(first, max(first, day_in_england(at)))
    file = f"statements/{reference.replace('/', '-')}.html"
    looks_at = tuple(look._asdict() for look in budget_looks_at(ledger, reference))
    return BudgetHeld(reference, story, statement_of(reference, history, period), file, looks_at)


def _payees(
    ledger: Ledger, person_reference: str, histories: dict[str, list[Recorded]]
) -> list[PayeeHeld]:
    types: dict[str, dict[PayeeType, None]] = {}
    for history in histories.values():
        for _, _, event in history:
            if isinstance(event, PayeeProposed):
                types.setdefault(event.payee_reference, {})[event.payee_type] = None
    return [
        PayeeHeld(
            details=details,
            payee_types=tuple(types.get(details.payee_reference, ())),
            returned_names=tuple(ledger.payee_names.every_returned(details.payee_reference)),
            looks=tuple(
                look._asdict() for look in looks(ledger, payee_reference=details.payee_reference)
            ),
            fetched=tuple(
                look._asdict()
                for look in file_looks_at(ledger, payee_reference=details.payee_reference)
            ),
        )
        for details in ledger.people.payees_of(person_reference)
    ]


def _letters(ledger: Ledger, person_reference: str, files: dict[str, str]) -> list[LetterHeld]:
    t = letters.c
    query = select(t.letter_reference).where(t.person_reference == person_reference)
    with ledger.engine.connect() as connection:
        references = connection.execute(query.order_by(t.queued_at, t.letter_reference)).scalars()
        found = [entry(ledger, reference) for reference in references.all()]
    held = []
    for one in found:
        file = None
        if one.state == "sent":
            letter = shown(ledger, one.letter_reference)
            file = f"letters/{one.letter_reference}.{'html' if letter.is_page else 'txt'}"
            files[file] = letter.content
        held.append(LetterHeld(one, file))
    return held


# --- the page -----------------------------------------------------------------------------


def named(field: str) -> str:
    """A field's name in words: `weekly_pence` is "Weekly"."""
    return field.removesuffix("_pence").replace("_", " ").capitalize()


def told(field: str, value: Any) -> str:
    """A value in words, by the name of its field."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field.endswith("_pence"):
        return format_pounds(int(value))
    text = str(value)
    return text.replace("_", " ") if _CODE.fullmatch(text) else text


@cache
def _template() -> Template:
    return page("subject_access.html", day=day, words=in_words, named=named, told=told)
