"""Sending what is due: claimed, kept, handed on, and what came of it recorded.

A claim puts a letter out of everyone's reach for a while, so that two who send at the same time
never send the same one. What is about to leave is kept first, sealed; so when the machine stops
in between, it is known that the letter may have left, and the carrier is asked before it is
tried again. One letter that cannot be sent holds up no other.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from eventsourcing.persistence import PersistenceError
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from ledger.application import Ledger
from ledger.config import Settings
from ledger.database import writing
from ledger.dates import day_in_england
from ledger.errors import Refusal
from ledger.garbage import without_gc
from ledger.keyring import place
from ledger.letter_tables import letters
from ledger.outbox.folder import Folder
from ledger.outbox.govuk_notify import GovukNotify
from ledger.outbox.port import Carrier, NotTaken
from ledger.outbox.queueing import Progress, no_progress
from ledger.outbox.writing import Finished, Noted, finished
from ledger.people import moment_text

AT_A_TIME = 200
CLAIMED_FOR = timedelta(minutes=15)
WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 30, 120, 720, 1_440))
"""How long after each try the next one is made; after one more a letter has failed."""

DOWN_AFTER = 3
"""When a carrier takes so many letters in a row for down, the run ends."""

SEALED = "letters.sealed"
GAVE_UP = "It was tried too often, and nobody knows what came of it."


class Due(NamedTuple):
    """A letter to be sent, as its row has it. With a `sha256` it may have left before."""

    letter_reference: str
    budget_reference: str
    person_reference: str
    version: int
    payment_reference: str
    attempts: int
    sha256: str | None


class _Result(NamedTuple):
    """What came of a letter: the columns to record."""

    letter_reference: str
    attempts: int
    state: str
    fault: str | None
    channel: str | None
    due_at: datetime
    sent_at: datetime | None = None
    provider_id: str | None = None


class Carriers(NamedTuple):
    """All that take letters, and who takes which."""

    every: Sequence[Carrier]
    of: Callable[[Finished], Carrier]


@contextmanager
def carriers(settings: Settings) -> Iterator[Carriers]:
    """GOV.UK Notify takes what it is set up for, the folder all the rest.

    Raises `InvalidValue` for settings that are not whole."""
    folder = Folder(settings.outbox_folder)
    if settings.letters != "notify":
        yield Carriers([folder], lambda _: folder)
        return
    notify = GovukNotify(
        settings.notify_api_key,
        settings.notify_base_url,
        settings.notify_email_template,
        settings.notify_letter_template,
    )
    with closing(notify):
        yield Carriers([notify, folder], lambda letter: notify if notify.takes(letter) else folder)


def send_letters(
    ledger: Ledger,
    now: datetime,
    *,
    most_seconds: int | None = None,
    progress: Progress = no_progress,
) -> Counter[str]:
    """Send every letter that is due; how many came into which state ("queued": to be tried again).

    After `most_seconds` it begins with no more letters; the next run goes on from there.
    """
    if ledger.settings.letters == "none":
        return Counter()
    with carriers(ledger.settings) as found:
        run = _Run(ledger, found, now, most_seconds, progress)
        while not run.is_over and (due := run.due()):
            run.send(due)
    return run.counts


class _Run:
    """One run of sending; its moment moves on as it goes."""

    def __init__(
        self,
        ledger: Ledger,
        carriers: Carriers,
        now: datetime,
        most_seconds: int | None,
        progress: Progress,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._ledger, self._carriers, self._progress = ledger, carriers, progress
        self._began_at, self._began = now, time.monotonic()
        self._most = None if most_seconds is None else timedelta(seconds=most_seconds)
        self._down_in_a_row = 0

    @property
    def is_over(self) -> bool:
        """Whether no more letters are to be begun with."""
        late = self._most is not None and self._now - self._began_at >= self._most
        return late or self._down_in_a_row >= DOWN_AFTER

    @property
    def _now(self) -> datetime:
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)

    def due(self) -> list[Due]:
        """The letters that have waited longest."""
        t = letters.c
        query = (
            select(*(t[name] for name in Due._fields))
            .where(t.state == "queued", t.due_at <= moment_text(self._now))
            .order_by(t.due_at, t.letter_reference)
            .limit(AT_A_TIME)
        )
        with self._ledger.engine.connect() as connection:
            return [Due(*row) for row in connection.execute(query)]

    def send(self, due: Sequence[Due]) -> None:
        """Write these letters, and send those that are to go."""
        with without_gc():
            ready = _written(self._ledger, due)
        stay: list[_Result] = []
        going: list[tuple[Carrier, Due, Finished]] = []
        for one in due:
            letter = ready[one.letter_reference]
            if isinstance(letter, Finished) and not letter.held_by:
                going.append((self._carriers.of(letter), one, letter))
            else:
                stay.append(self._stays(one, letter))
        self._record(stay)
        for carrier in dict.fromkeys(carrier for carrier, _, _ in going):
            mine = [(one, letter) for by, one, letter in going if by is carrier]
            for start in range(0, len(mine), carrier.at_a_time):
                if not self.is_over:
                    self._hand_on(carrier, mine[start : start + carrier.at_a_time])

    def _stays(self, one: Due, letter: Finished | NotTaken | str) -> _Result:
        known = (one.letter_reference, one.attempts)
        if isinstance(letter, Finished):
            return _Result(*known, "not_sent", letter.held_by, letter.channel, self._now)
        state = "failed" if isinstance(letter, NotTaken) else "not_sent"
        return _Result(*known, state, str(letter), None, self._now)

    def _hand_on(self, carrier: Carrier, some: Sequence[tuple[Due, Finished]]) -> None:
        claimed = self._claim([one.letter_reference for one, _ in some])
        results: list[_Result] = []
        to_send: list[tuple[Due, Finished]] = []
        for one, letter in some:
            if one.letter_reference not in claimed:
                continue  # another is at it
            if one.sha256 is not None:
                known = self._looked_for(one, letter)
                if known is not None:
                    results.append(known)
                    continue
            to_send.append((one, letter))
        self._keep(carrier, to_send)
        results += self._sent(carrier, to_send)
        self._record(results)

    def _claim(self, references: Sequence[str]) -> set[str]:
        """Those of the letters that are now ours for a while."""
        t, now = letters.c, self._now
        claim = (
            update(letters)
            .where(
                t.letter_reference.in_(references),
                t.state == "queued",
                t.due_at <= moment_text(now),
            )
            .values(attempts=t.attempts + 1, due_at=moment_text(now + CLAIMED_FOR), fault=None)
            .returning(t.letter_reference)
        )
        with writing(self._ledger.engine).begin() as connection:
            return set(connection.execute(claim).scalars())

    def _looked_for(self, one: Due, letter: Finished) -> _Result | None:
        """What came of a letter that may have left before, by any way; None if it did not."""
        for carrier in self._carriers.every:
            try:
                provider_id = carrier.find(one.letter_reference)
            except NotTaken as fault:
                return self._not_taken(one, letter, fault)
            if provider_id is not None:
                return self._taken(one, letter, provider_id)
        if one.attempts > len(WAITS):
            return self._not_taken(one, letter, NotTaken(GAVE_UP, for_good=True))
        return None

    def _keep(self, carrier: Carrier, some: Sequence[tuple[Due, Finished]]) -> None:
        """Keep what is about to leave, sealed under its person's key."""
        if not some:
            return
        keys = self._ledger.people.keys({one.person_reference for one, _ in some})
        rows = []
        for one, letter in some:
            content = carrier.content(letter).encode()
            sealed = self._ledger.keyring.seal(
                keys[one.person_reference], content, place(SEALED, one.letter_reference)
            )
            sha256 = hashlib.sha256(content).hexdigest()
            rows.append({"of": one.letter_reference, "sha256": sha256, "sealed": sealed})
        kept = (
            update(letters)
            .where(letters.c.letter_reference == bindparam("of"))
            .values(sha256=bindparam("sha256"), sealed=bindparam("sealed"))
        )
        with writing(self._ledger.engine).begin() as connection:
            connection.execute(kept, rows)

    def _sent(self, carrier: Carrier, some: Sequence[tuple[Due, Finished]]) -> list[_Result]:
        """Send letters; none is sent for certain before the carrier has made sure of all."""
        results: list[_Result] = []
        taken: list[tuple[Due, Finished, str]] = []
        for one, letter in some:
            try:
                provider_id = carrier.send(letter, day_in_england(self._now))
            except NotTaken as fault:
                results.append(self._not_taken(one, letter, fault))
            else:
                taken.append((one, letter, provider_id))
        try:
            carrier.settle()
        except NotTaken as fault:
            return results + [self._not_taken(one, letter, fault) for one, letter, _ in taken]
        return results + [self._taken(*one) for one in taken]

    def _taken(self, one: Due, letter: Finished, provider_id: str) -> _Result:
        self._down_in_a_row = 0
        known = (one.letter_reference, one.attempts + 1)
        now = self._now
        return _Result(*known, "sent", None, letter.channel, now, now, provider_id)

    def _not_taken(self, one: Due, letter: Finished, fault: NotTaken) -> _Result:
        self._down_in_a_row = self._down_in_a_row + 1 if fault.down else 0
        known = (one.letter_reference, one.attempts + 1)
        if fault.for_good or one.attempts >= len(WAITS):
            return _Result(*known, "failed", str(fault), letter.channel, self._now)
        again_at = self._now + WAITS[one.attempts]
        return _Result(*known, "queued", str(fault), letter.channel, again_at)

    def _record(self, results: Sequence[_Result]) -> None:
        """Record what came of letters, unless someone else has had them since."""
        if not results:
            return
        rows = [
            {
                "of": result.letter_reference,
                "tried": result.attempts,
                "state": result.state,
                "fault": result.fault,
                "channel": result.channel,
                "due_at": moment_text(result.due_at),
                "sent_at": moment_text(result.sent_at) if result.sent_at else None,
                "provider_id": result.provider_id,
            }
            for result in results
        ]
        t = letters.c
        record = (
            update(letters)
            .where(t.letter_reference == bindparam("of"), t.attempts == bindparam("tried"))
            .values({name: bindparam(name) for name in list(rows[0])[2:]})
        )
        with writing(self._ledger.engine).begin() as connection:
            connection.execute(record, rows)
        self.counts.update(result.state for result in results)
        self._progress(len(results))


def _written(ledger: Ledger, due: Sequence[Due]) -> dict[str, Finished | NotTaken | str]:
    """Each letter by its reference, why it is not to go, or why it cannot be written.

    Whatever is wrong with one of them, halving finds it, and the others are written.
    """
    noted = [
        Noted(one.letter_reference, one.budget_reference, one.version, one.payment_reference)
        for one in due
    ]
    try:
        return {**finished(ledger, noted)}
    except (PersistenceError, SQLAlchemyError):
        raise
    except Exception as error:
        if len(due) == 1:
            why = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}."
            return {due[0].letter_reference: NotTaken(f"It cannot be written: {why}")}
    half = len(due) // 2
    return {**_written(ledger, due[:half]), **_written(ledger, due[half:])}
