"""Reading the log for letters: a row for each, exactly once, whoever else does so too.

Rows and position move in one short transaction that begins by moving the position on: whoever
finds that another has moved it reads on from there. Nothing is written here, only noted, and a
cycle of any size some lines at a time.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import dropwhile, islice
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update

from ledger.aggregates.event_sourced import TOPICS
from ledger.application import Ledger
from ledger.database import writing
from ledger.dates import day_in_england
from ledger.garbage import without_gc
from ledger.letter_tables import letters, letters_position
from ledger.letters.advice import KIND as ADVICE
from ledger.letters.telling import ADVISED, LETTERS, UNWRITTEN, told
from ledger.outbox.reading import histories, issued_lines, recipients
from ledger.people import Row, chunks, moment_text
from ledger.store import LogRow, decode

EVENTS_AT_A_TIME = 5_000
LINES_AT_A_TIME = 5_000

_LETTERS = uuid.UUID("0d0a4b7e-3f5c-5c1e-9a64-6b1d2f7c8e90")  # uuid5 namespace; never changes
_TOPICS = frozenset(TOPICS[event_type] for event_type in LETTERS)
_ISSUED = TOPICS[ADVISED]

Progress = Callable[[int], None]


def no_progress(_done: int) -> None:
    """For callers that show nothing."""


class Position(NamedTuple):
    """The last event read, and how many lines of the cycle that the next one issued."""

    position: int
    lines_done: int


class _Batch(NamedTuple):
    """Rows to queue, and the position they leave."""

    rows: list[Row]
    reached: Position


def letter_reference(stream: str, version: int, payment_reference: str = "") -> str:
    """The same event, or payment of a cycle, always has the same letter (uuid5, 32 hex).

    An advice is the payment's, however often a bank file with it is made.
    """
    return uuid.uuid5(_LETTERS, f"{stream}\x00{payment_reference or version}").hex


def queue_letters(ledger: Ledger, now: datetime, progress: Progress = no_progress) -> int:
    """Queue a letter for all that was recorded since the last time and makes one; how many.

    While letters are turned off, what happens is passed over.
    """
    queued = 0
    with without_gc():
        while True:
            at = position_of(ledger)
            batch = _next_batch(ledger, at, now)
            if batch.reached == at:
                return queued
            put = _put(ledger, at, batch)
            queued += put
            progress(put)


def position_of(ledger: Ledger) -> Position:
    """How far the log has been read for letters."""
    query = select(letters_position.c.position, letters_position.c.lines_done)
    with ledger.engine.connect() as connection:
        return Position(*connection.execute(query).one())


def _put(ledger: Ledger, at: Position, batch: _Batch) -> int:
    """Insert the rows and move the position, unless another has moved it; how many are new."""
    t = letters_position.c
    move = update(letters_position).where(t.position == at.position, t.lines_done == at.lines_done)
    with writing(ledger.engine).begin() as connection:
        if connection.execute(move.values(batch.reached._asdict())).rowcount == 0:
            return 0
        known: set[str] = set()
        for some in chunks(row["letter_reference"] for row in batch.rows):
            reference = letters.c.letter_reference
            there = connection.execute(select(reference).where(reference.in_(some)))
            known.update(there.scalars())
        new = [row for row in batch.rows if row["letter_reference"] not in known]
        if new:
            connection.execute(insert(letters), new)
    return len(new)


def _next_batch(ledger: Ledger, at: Position, now: datetime) -> _Batch:
    if ledger.settings.letters == "none":
        return _Batch([], Position(ledger.recorder.max_notification_id() or 0, 0))
    log_rows = ledger.recorder.read_log(at.position, EVENTS_AT_A_TIME)
    if not log_rows:
        return _Batch([], at)
    if len(log_rows) == EVENTS_AT_A_TIME:
        log_rows = _uncut(log_rows)
    issued = next((place for place, row in enumerate(log_rows) if row[3] == _ISSUED), None)
    if issued == 0:
        return _advices(ledger, at, log_rows[0], now)
    log_rows = log_rows[:issued]
    return _Batch(list(_letters(ledger, log_rows, now)), Position(log_rows[-1][0], 0))


def _uncut(log_rows: list[LogRow]) -> list[LogRow]:
    """Without the last budget's events, of which the next batch has the rest: one letter's facts
    stand side by side in the log. All of them if there are no others."""
    last = log_rows[-1][1]
    before = list(dropwhile(lambda row: row[1] == last, reversed(log_rows)))
    return before[::-1] or log_rows


def _is_early(ledger: Ledger, row: LogRow) -> bool:
    """Whether it was recorded before the day that letters are written from."""
    first = ledger.settings.letters_from
    return first is not None and day_in_england(decode(row[3], row[4]).recorded_at) < first


def _letters(ledger: Ledger, log_rows: Sequence[LogRow], now: datetime) -> Iterator[Row]:
    """A row for each letter that these events make: one for what was recorded at one moment."""
    concerned: defaultdict[str, set[int]] = defaultdict(set)
    for row in log_rows:
        if row[3] in _TOPICS and not _is_early(ledger, row):
            concerned[row[1]].add(row[2])
    if not concerned:
        return
    for stream, reference, history in histories(ledger, map(UUID, concerned)):
        events = list(history)
        person: str = events[0].event.recipient_reference  # type: ignore[attr-defined]
        try:
            found = told(reference, events, concerned[stream]).letters
        except Exception as error:  # a history that cannot be told holds up no other
            fault = f"It cannot be written: {type(error).__name__}."
            for version in concerned[stream]:
                made = _row(stream, version, UNWRITTEN, reference, person, now)
                yield {**made, "state": "failed", "fault": fault}
            continue
        for version, letter in found.items():
            yield _row(stream, version, letter.kind, reference, person, now)


def _advices(ledger: Ledger, at: Position, issued: LogRow, now: datetime) -> _Batch:
    """Rows for the next payments of a bank file; when there are no more, on to what follows."""
    position, stream, version, _, _ = issued
    if _is_early(ledger, issued):
        return _Batch([], Position(position, 0))
    lines = issued_lines(ledger, UUID(stream), version, at.lines_done)
    some = list(islice(lines, LINES_AT_A_TIME))
    people = recipients(ledger, [line.budget_reference for line in some])
    rows = [
        _row(
            stream,
            version,
            ADVICE,
            line.budget_reference,
            people[line.budget_reference],
            now,
            line.payment_reference,
        )
        for line in some
    ]
    is_last = len(some) < LINES_AT_A_TIME
    reached = Position(position, 0) if is_last else Position(at[0], at.lines_done + len(some))
    return _Batch(rows, reached)


def _row(
    stream: str,
    version: int,
    kind: str,
    budget_reference: str,
    person_reference: str,
    now: datetime,
    payment_reference: str = "",
) -> Row:
    queued_at = moment_text(now)
    return {
        "letter_reference": letter_reference(stream, version, payment_reference),
        "kind": kind,
        "budget_reference": budget_reference,
        "person_reference": person_reference,
        "version": version,
        "payment_reference": payment_reference,
        "queued_at": queued_at,
        "state": "queued",
        "due_at": queued_at,
        "attempts": 0,
        "fault": None,
    }
