"""The register of letters: listed, shown as they were sent, and put back to be tried again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import func, select, tuple_, update

from ledger.application import Ledger
from ledger.database import writing
from ledger.errors import LetterNotFound, LetterUnreadable, SealBroken
from ledger.keyring import place
from ledger.letter_tables import letters
from ledger.outbox.queueing import position_of
from ledger.outbox.sending import SEALED
from ledger.outbox.writing import Finished, Noted, finished
from ledger.people import moment_text

LetterState = Literal["queued", "sent", "failed", "not_sent"]
STATES: dict[LetterState, str] = {
    "queued": "To be sent, or to be tried again.",
    "sent": "Taken on: written to the folder, or by GOV.UK Notify.",
    "failed": "It could not be sent, and is not tried again by itself.",
    "not_sent": "It is not to be sent: no contact details, no letters wanted, a death.",
}
assert tuple(STATES) == get_args(LetterState)


class LetterEntry(msgspec.Struct, frozen=True):
    """A letter's row. `version` is that of the event it tells of: of the cycle that was issued,
    for a remittance advice, and else of the budget. `sha256` is of what was sent."""

    letter_reference: str
    kind: str
    budget_reference: str
    person_reference: str
    payment_reference: str
    version: int
    queued_at: str
    state: LetterState
    due_at: str
    channel: str | None
    attempts: int
    fault: str | None
    sent_at: str | None
    provider_id: str | None
    sha256: str | None


_COLUMNS = [letters.c[name] for name in LetterEntry.__struct_fields__]


class Shown(NamedTuple):
    """A letter's content: a page or plain text, and whether it is what was really sent."""

    content: str
    is_page: bool
    was_sent: bool


class Standing(NamedTuple):
    """How many letters are in each state, how many are due, and events not yet read for letters."""

    states: dict[str, int]
    due: int
    behind: int


def entries(
    ledger: Ledger,
    *,
    state: LetterState | None = None,
    budget_reference: str = "",
    after: str = "",
    limit: int | None = None,
) -> list[LetterEntry]:
    """Letters, the newest first, and those queued at one moment by their references.

    `after` is the reference of the last one seen. Raises `LetterNotFound` if there is none such.
    """
    t = letters.c
    order = tuple_(t.queued_at, t.letter_reference)
    query = select(*_COLUMNS).order_by(t.queued_at.desc(), t.letter_reference.desc())
    if state is not None:
        query = query.where(t.state == state)
    if budget_reference:
        query = query.where(t.budget_reference == budget_reference)
    if after:
        last = entry(ledger, after)
        query = query.where(order < tuple_(last.queued_at, last.letter_reference))
    with ledger.engine.connect() as connection:
        return [LetterEntry(*row) for row in connection.execute(query.limit(limit))]


def entry(ledger: Ledger, letter_reference: str) -> LetterEntry:
    """One letter's row. Raises `LetterNotFound`."""
    query = select(*_COLUMNS).where(letters.c.letter_reference == letter_reference)
    with ledger.engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise LetterNotFound(f"There is no letter {letter_reference}.")
    return LetterEntry(*row)


def shown(ledger: Ledger, letter_reference: str) -> Shown:
    """A letter as it was sent; one that was not, as it would be sent now.

    Raises `LetterNotFound`, and `LetterUnreadable` if its person was erased.
    """
    row = entry(ledger, letter_reference)
    if row.state == "sent":
        content = _kept(ledger, row)
        return Shown(content, content.startswith("<!DOCTYPE html>"), True)
    noted = Noted(row.letter_reference, row.budget_reference, row.version, row.payment_reference)
    letter = finished(ledger, [noted])[letter_reference]
    if not isinstance(letter, Finished):
        raise LetterUnreadable(f"The letter {letter_reference}: {letter}")
    return Shown(letter.html, True, False)


def _kept(ledger: Ledger, row: LetterEntry) -> str:
    """What was sent, proved by its hash."""
    reference = row.letter_reference
    if row.person_reference not in ledger.people.existing([row.person_reference]):
        raise LetterUnreadable(f"The letter {reference} can no longer be read.")
    key = ledger.people.keys({row.person_reference})[row.person_reference]
    query = select(letters.c.sealed).where(letters.c.letter_reference == reference)
    with ledger.engine.connect() as connection:
        sealed: bytes = connection.execute(query).scalar_one()
    content = ledger.keyring.open(key, sealed, place(SEALED, reference))
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise SealBroken(f"The letter {reference} is not the one that was sent.")
    return content.decode()


def try_again(ledger: Ledger, now: datetime, only: Collection[str] = ()) -> int:
    """Put back what failed, was not to be sent, or waits after a fault, to be sent now; how many.

    All of them, or those named. What was sent, or is on its way, is left alone. Raises
    `LetterNotFound` for a reference that is not there.
    """
    for reference in only:
        entry(ledger, reference)
    t = letters.c
    waits = (t.state == "queued") & t.fault.is_not(None)
    again = update(letters).where(t.state.in_(("failed", "not_sent")) | waits)
    if only:
        again = again.where(t.letter_reference.in_(only))
    values = {"state": "queued", "due_at": moment_text(now), "attempts": 0, "fault": None}
    with writing(ledger.engine).begin() as connection:
        return connection.execute(again.values(values)).rowcount


def standing(ledger: Ledger, now: datetime) -> Standing:
    """Where the letters stand as a whole."""
    t = letters.c
    by_state = select(t.state, func.count()).group_by(t.state)
    due = select(func.count()).where(t.state == "queued", t.due_at <= moment_text(now))
    with ledger.engine.connect() as connection:
        states = {row[0]: row[1] for row in connection.execute(by_state)}
        waiting = connection.execute(due).scalar_one()
    behind = (ledger.recorder.max_notification_id() or 0) - position_of(ledger).position
    return Standing({state: states.get(state, 0) for state in STATES}, waiting, behind)
