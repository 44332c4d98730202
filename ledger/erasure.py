"""Erasing a person when their time is over: their key is destroyed, and the ledger stays.

What is held is kept for a number of whole financial years after the one in which the last thing
was recorded on the last of their budgets, or took effect there. While a budget is open, or a
legal hold stands, nobody is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Connection, column, delete, insert, null, select, table, update
from sqlalchemy.exc import IntegrityError

from ledger.access.users import user_row, users_who_are
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.database import writing
from ledger.dates import day_in_england, financial_year_end
from ledger.durable import bank_files, bank_reports, people, users
from ledger.errors import (
    ConcurrentChange,
    LegalHold,
    LegalHoldNotFound,
    PersonHasOpenBudget,
    PersonUnknown,
    RetentionNotOver,
)
from ledger.letter_tables import letters
from ledger.people import moment_text
from ledger.privacy_tables import erasures, legal_holds
from ledger.projections.bank_reports import BankReports
from ledger.projections.registers import Budgets, Cycles, Payments
from ledger.store import Beside

HoldReason = Literal["legal_claim", "complaint", "ombudsman", "inquest", "inquiry", "investigation"]


class Hold(msgspec.Struct, frozen=True):
    """A legal hold as it was placed, and when and by whom it was released, if it was."""

    reason: HoldReason
    placed_at: str
    placed_by: str
    released_at: str | None = None
    released_by: str | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a person may be erased, and what stands against it.

    `last_on` is the day of the last thing that was recorded of them or took effect, and
    `kept_to` the last day on which they are kept. Moments are ISO 8601 in UTC."""

    person_reference: str
    budgets: tuple[str, ...]
    open_budgets: tuple[str, ...]
    last_on: date
    kept_to: date
    holds: tuple[Hold, ...]


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """A person was erased, when and by whom. `bank_files` and `bank_reports` are how many of
    those whose time was over as well were emptied on the occasion."""

    person_reference: str
    erased_at: str
    erased_by: str
    bank_files: int = 0
    bank_reports: int = 0


# --- legal holds --------------------------------------------------------------------------


def place_hold(
    ledger: Ledger,
    person_reference: str,
    reason: HoldReason,
    *,
    recorded_at: datetime,
    recorded_by: str,
    also: Sequence[Beside] = (),
) -> None:
    """Keep a person from being erased until the hold is released; the same again changes nothing.

    Raises `PersonUnknown` for a person never recorded, or erased.
    """
    with _alone(ledger) as connection:
        ledger.people.person(person_reference)
        if not any(h.reason == reason for h in _standing(connection, person_reference)):
            _add_hold(connection, person_reference, reason, False, recorded_at, recorded_by)
        _insert(connection, also)


def release_hold(
    ledger: Ledger,
    person_reference: str,
    reason: HoldReason,
    *,
    recorded_at: datetime,
    recorded_by: str,
    also: Sequence[Beside] = (),
) -> None:
    """Release a legal hold. Raises `LegalHoldNotFound` if none with that reason stands."""
    with _alone(ledger) as connection:
        if not any(h.reason == reason for h in _standing(connection, person_reference)):
            raise LegalHoldNotFound(f"No hold ({reason}) on {person_reference} stands.")
        _add_hold(connection, person_reference, reason, True, recorded_at, recorded_by)
        _insert(connection, also)


def _add_hold(
    connection: Connection, person: str, reason: str, is_release: bool, at: datetime, by: str
) -> None:
    row = {
        "person_reference": person,
        "reason": reason,
        "is_release": is_release,
        "recorded_at": moment_text(at),
        "recorded_by": by,
    }
    connection.execute(insert(legal_holds).values(row))


def _holds(connection: Connection, person_reference: str) -> list[Hold]:
    """Every hold there ever was on a person, in the order in which they were placed."""
    t = legal_holds
    query = select(t).where(t.c.person_reference == person_reference).order_by(t.c.number)
    found: list[Hold] = []
    for row in connection.execute(query):
        if not row.is_release:
            found.append(Hold(row.reason, row.recorded_at, row.recorded_by))
            continue
        place = max(i for i, hold in enumerate(found) if hold.reason == row.reason)
        found[place] = msgspec.structs.replace(
            found[place], released_at=row.recorded_at, released_by=row.recorded_by
        )
    return found


def _standing(connection: Connection, person_reference: str) -> list[Hold]:
    return [hold for hold in _holds(connection, person_reference) if hold.released_at is None]


# --- retention ----------------------------------------------------------------------------


def retention_of(ledger: Ledger, person_reference: str) -> Retention:
    """How long a person is kept. Raises `PersonUnknown` for one never recorded, or erased."""
    ledger.projections.catch_up()
    b = Budgets.table.c
    query = select(b.reference, b.closed_on).where(b.recipient_reference == person_reference)
    recorded = select(people.c.recorded_at).where(people.c.person_reference == person_reference)
    with ledger.engine.connect() as connection:
        since = connection.execute(recorded).scalar_one_or_none()
        if since is None:
            raise PersonUnknown(person_references=[person_reference])
        budgets = connection.execute(query.order_by(b.reference)).all()
        holds = _holds(connection, person_reference)
    days = [day_in_england(datetime.fromisoformat(since))]
    for reference, _ in budgets:
        for recorded_event in ledger.history(PersonalBudget, reference):
            event = recorded_event.event
            days += event.effective_on, day_in_england(event.recorded_at)
    last_on = max(days)
    return Retention(
        person_reference=person_reference,
        budgets=tuple(reference for reference, _ in budgets),
        open_budgets=tuple(reference for reference, closed_on in budgets if closed_on is None),
        last_on=last_on,
        kept_to=_years_after(financial_year_end(last_on), ledger.settings.retention_years),
        holds=tuple(holds),
    )


def erasure_of(ledger: Ledger, person_reference: str) -> Erased | None:
    """When and by whom a person was erased; None if they were not."""
    query = select(erasures).where(erasures.c.person_reference == person_reference)
    with ledger.engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    person, at, by = row
    return Erased(person_reference=person, erased_at=at, erased_by=by)


def _years_after(day: date, years: int) -> date:
    """The 31 March so many years after one, or before it."""
    return day.replace(year=day.year + years)


# --- erasure ------------------------------------------------------------------------------


def erase(
    ledger: Ledger,
    person_reference: str,
    *,
    erased_at: datetime,
    erased_by: str,
    also: Callable[[Erased], Sequence[Beside]] = lambda _: (),
) -> Erased:
    """Destroy a person's key, for good: nothing that was sealed under it opens again.

    With it go the letters they were sent, their sign-ins are disabled, and bank files and reports
    whose own time is over are emptied. The ledger, its totals and its proof stay as they are.

    Raises `PersonUnknown`, `PersonHasOpenBudget`, `RetentionNotOver` or `LegalHold`.
    """
    retention = retention_of(ledger, person_reference)
    today = day_in_england(erased_at)
    if retention.open_budgets:
        raise PersonHasOpenBudget(
            f"{person_reference} has a budget that is open: {', '.join(retention.open_budgets)}."
        )
    if today <= retention.kept_to:
        raise RetentionNotOver(
            f"{person_reference} is kept to {retention.kept_to}.",
            kept_to=retention.kept_to.isoformat(),
        )
    signs_in = users_who_are(ledger.engine, person_reference)
    with _alone(ledger) as connection:
        if standing := _standing(connection, person_reference):
            reasons = ", ".join(hold.reason.replace("_", " ") for hold in standing)
            raise LegalHold(f"A legal hold on {person_reference} stands: {reasons}.")
        if connection.dialect.name == "sqlite":  # what is deleted is overwritten, not only let go
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        connection.execute(delete(people).where(people.c.person_reference == person_reference))
        connection.execute(
            update(letters)
            .where(letters.c.person_reference == person_reference)
            .values(sealed=null(), sha256=null())  # by its hash a letter could be guessed
        )
        for user in signs_in:
            disabled = msgspec.structs.replace(user, roles=(), is_disabled=True)
            connection.execute(insert(users).values(user_row(disabled, erased_at, erased_by)))
        files, reports = _empty_old_files(ledger, connection, today)
        done = Erased(
            person_reference=person_reference,
            erased_at=moment_text(erased_at),
            erased_by=erased_by,
            bank_files=files,
            bank_reports=reports,
        )
        connection.execute(
            insert(erasures).values(
                person_reference=person_reference,
                erased_at=done.erased_at,
                erased_by=done.erased_by,
            )
        )
        _insert(connection, also(done))
    if ledger.engine.dialect.name == "sqlite":  # nor does the key stay in the write-ahead log
        with ledger.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return done


def _empty_old_files(ledger: Ledger, connection: Connection, today: date) -> tuple[int, int]:
    """Empty the bank files and reports of the years that are kept no more; how many of each.

    They are sealed under a key of the council's, being about many people. A file that pays someone
    under a legal hold stays, and so does every report while any hold stands.
    """
    last = _years_after(financial_year_end(today), -1 - ledger.settings.retention_years)
    held = _held(connection)
    c, p, b = Cycles.table.c, Payments.table.c, Budgets.table.c
    old = select(c.reference).where(c.pay_on <= last)
    pays_held = (
        select(p.cycle_reference)
        .join(Budgets.table, b.stream == p.stream)
        .where(b.recipient_reference.in_(held))
    )
    files = update(bank_files).where(
        bank_files.c.cycle_reference.in_(old),
        bank_files.c.cycle_reference.not_in(pays_held),
        bank_files.c.sealed != b"",
    )
    emptied = connection.execute(files.values(sealed=b"")).rowcount
    if held:
        return emptied, 0
    r = BankReports.table.c
    old = select(r.reference).where(r.imported_at < (last + timedelta(days=1)).isoformat())
    reports = update(bank_reports).where(
        bank_reports.c.report_reference.in_(old), bank_reports.c.sealed != b""
    )
    return emptied, connection.execute(reports.values(sealed=b"")).rowcount


def _held(connection: Connection) -> list[str]:
    """Everyone on whom a legal hold stands."""
    persons = connection.execute(select(legal_holds.c.person_reference).distinct()).scalars()
    return [person for person in persons.all() if _standing(connection, person)]


@contextmanager
def _alone(ledger: Ledger) -> Iterator[Connection]:
    """A transaction in which nobody else places a hold or erases anyone."""
    try:
        with writing(ledger.engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                lock = "SELECT pg_advisory_xact_lock(hashtext('pbledger erasure'))"
                connection.exec_driver_sql(lock)
            yield connection
    except IntegrityError:
        raise ConcurrentChange("Someone else was just at this; try again.") from None


def _insert(connection: Connection, also: Sequence[Beside]) -> None:
    for beside in also:
        for row in beside.rows:
            connection.execute(insert(table(beside.table, *map(column, row))).values(row))
