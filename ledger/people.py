"""People and payees: the durable, erasable tables, sealed with one key per person.

Events carry references only; what can be read as a person is here and nowhere else. Rows are
built here and inserted by the recorder in the transaction of the events that mention them.
Deleting a row of `people` deletes the only copy of that person's key: their name, date of
birth and every account of theirs can then never be read again, and the ledger still balances.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Engine, select

from ledger.accounts import masked, parse_account
from ledger.durable import payee_details, people
from ledger.errors import PayeeReferenceMismatch, PayeeUnknown, PersonErased, PersonUnknown
from ledger.keyring import Keyring, place
from ledger.privacy_tables import erasures
from ledger.private import Private

Row = dict[str, Any]

CHUNK = 5_000  # references in one IN (...); SQLite allows 32,766 and PostgreSQL 65,535
_PAYEES = uuid.UUID("6f0a4c52-6a0e-5d0b-9b57-2f1f5c6a7e10")  # uuid5 namespace; never changes


# --- details, and how they are read -----------------------------------------------------------


class PersonDetails(Private, frozen=True):
    """Who a person is."""

    person_reference: str
    name: str
    date_of_birth: date


class PayeeDetails(Private, frozen=True):
    """The account that a person's money is paid into; make it with `People.new_payee`.

    `roll_number` is that of an account at a building society that has them, or empty.
    """

    payee_reference: str
    person_reference: str
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str = ""


def payee_reference(person_reference: str, fingerprint: str) -> str:
    """The same person and account always have the same reference (uuid5, 32 hex characters)."""
    return uuid.uuid5(_PAYEES, f"{person_reference}\x00{fingerprint}").hex


# --- rows -------------------------------------------------------------------------------------


class _SealedPayee(NamedTuple):
    payee_reference: str
    person_reference: str
    sealed: bytes
    fingerprint: str
    wrapped_key: bytes


class People:
    """Builds the rows of people and payees, and reads them back. It writes nothing itself."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self.engine = engine
        self.keyring = keyring

    def new_payee(
        self,
        person_reference: str,
        account_name: str,
        sort_code: str,
        account_number: str,
        roll_number: str = "",
    ) -> PayeeDetails:
        """Checked and normalised details with their reference.

        Raises `UnreadableAccountName`, `UnreadableSortCode`, `UnreadableAccountNumber` or
        `UnreadableRollNumber`.
        """
        account = parse_account(account_name, sort_code, account_number, roll_number)
        fingerprint = self.keyring.fingerprint(*account[1:3])
        return PayeeDetails(
            payee_reference(person_reference, fingerprint), person_reference, *account
        )

    def put_right(self, payee: PayeeDetails) -> tuple[PayeeDetails, bool]:
        """Details of a known account in another name, under a reference of their own.

        What was sealed once is never changed, so that what was verified stays what is paid.
        Any other details come back as they are. Beside them, whether they are kept already."""
        kept = self.payees([payee.payee_reference]).get(payee.payee_reference)
        if kept in (None, payee):
            return payee, kept is not None
        other = self._in_another_name(payee)
        return other, bool(self.payees([other.payee_reference]))

    def sealed_people(self, details: Iterable[PersonDetails], recorded_at: datetime) -> list[Row]:
        """Rows of `people`, each with a new key of its own; only for people not yet `existing`.

        Raises `PersonErased`: what the ledger says of a reference must not get a name again.
        """
        details = list(details)
        self._require_not_erased(person.person_reference for person in details)
        moment = moment_text(recorded_at)
        rows = []
        for person in details:
            reference = person.person_reference
            key, wrapped = self.keyring.new_person_key(reference)
            born = person.date_of_birth.isoformat()
            rows.append(
                {
                    "person_reference": reference,
                    "wrapped_key": wrapped,
                    "name_sealed": self.keyring.seal(
                        key, person.name.encode(), place("people.name_sealed", reference)
                    ),
                    "date_of_birth_sealed": self.keyring.seal(
                        key, born.encode(), place("people.date_of_birth_sealed", reference)
                    ),
                    "recorded_at": moment,
                }
            )
        return rows

    def sealed_payees(
        self,
        details: Iterable[PayeeDetails],
        recorded_at: datetime,
        new_people: Sequence[Row] = (),
    ) -> list[Row]:
        """Rows of `payee_details`, each sealed under its person's key.

        `new_people` are rows of `sealed_people` that are not in the database yet. Raises
        `PersonUnknown` for a person in neither, `PayeeReferenceMismatch` for a reference
        that is not that of its account, and the account refusals.
        """
        details = list(details)
        keys = self.keys({payee.person_reference for payee in details}, new_people)
        moment = moment_text(recorded_at)
        rows = []
        for payee in details:
            reference, person, *account = msgspec.structs.astuple(payee)
            clean = self.new_payee(person, *account)
            if reference != clean.payee_reference:
                clean = self._in_another_name(clean)
            if reference != clean.payee_reference:
                raise PayeeReferenceMismatch(payee_reference=reference)
            kept = msgspec.structs.astuple(clean)[2:]
            fingerprint = self.keyring.fingerprint(clean.sort_code, clean.account_number)
            bound_to = place("payee_details.sealed", reference, person, fingerprint)
            rows.append(
                {
                    "payee_reference": reference,
                    "person_reference": person,
                    "sealed": self.keyring.seal(keys[person], msgspec.json.encode(kept), bound_to),
                    "fingerprint": fingerprint,
                    "recorded_at": moment,
                }
            )
        return rows

    def _require_not_erased(self, person_references: Iterable[str]) -> None:
        query = select(erasures.c.person_reference)
        with self.engine.connect() as connection:
            for chunk in chunks(person_references):
                erased = query.where(erasures.c.person_reference.in_(chunk)).limit(1)
                if (person := connection.execute(erased).scalar_one_or_none()) is not None:
                    raise PersonErased(f"{person} was erased.", person_reference=person)

    def existing(self, person_references: Iterable[str]) -> set[str]:
        """Those of the references that have a row in `people`."""
        return {row[0] for row in self._rows([people.c.person_reference], person_references)}

    def person(self, person_reference: str) -> PersonDetails:
        """Who the person is; `PersonUnknown` if never recorded or erased."""
        found = self.persons([person_reference])
        if not found:
            raise PersonUnknown(person_references=[person_reference])
        return found[person_reference]

    def persons(self, references: Iterable[str]) -> dict[str, PersonDetails]:
        """Who many people are; one never recorded or erased is absent."""
        found: dict[str, PersonDetails] = {}
        for row in self._rows(list(people.c), references):
            reference = row.person_reference
            key = self.keyring.unwrap(row.wrapped_key, reference)
            name, born = (
                self.keyring.open(key, sealed, place(column, reference)).decode()
                for column, sealed in (
                    ("people.name_sealed", row.name_sealed),
                    ("people.date_of_birth_sealed", row.date_of_birth_sealed),
                )
            )
            found[reference] = PersonDetails(reference, name, date.fromisoformat(born))
        return found

    def payee(self, payee_reference: str) -> PayeeDetails:
        """The account behind a reference; `PayeeUnknown` if never recorded or erased."""
        found = self.payees([payee_reference])
        if not found:
            raise PayeeUnknown(payee_reference=payee_reference)
        return found[payee_reference]

    def payees(self, references: Sequence[str]) -> dict[str, PayeeDetails]:
        """The accounts behind many references; one never recorded or erased is absent."""
        columns = [payee_details.c[name] for name in _SealedPayee._fields[:-1]]
        joined = payee_details.join(
            people, people.c.person_reference == payee_details.c.person_reference
        )
        query = select(*columns, people.c.wrapped_key).select_from(joined)
        found: dict[str, PayeeDetails] = {}
        with self.engine.connect() as connection:
            for chunk in chunks(references):
                wanted = query.where(payee_details.c.payee_reference.in_(chunk))
                rows = connection.execute(wanted).all()
                found.update((row[0], self._opened(_SealedPayee._make(row))) for row in rows)
        return found

    def payees_of(self, person_reference: str) -> list[PayeeDetails]:
        """Every account ever recorded for a person; none if they were erased."""
        t = payee_details.c
        query = select(t.payee_reference).where(t.person_reference == person_reference)
        with self.engine.connect() as connection:
            references = connection.execute(query.order_by(t.recorded_at)).scalars().all()
        found = self.payees(references)
        return [found[reference] for reference in references if reference in found]

    def shown(self, references: Iterable[str]) -> dict[str, str]:
        """What anyone may see of these accounts: the last four digits, or that it is erased."""
        wanted = list(references)
        found = self.payees(wanted)
        return {r: masked(found[r].account_number) if r in found else "erased" for r in wanted}

    def _in_another_name(self, payee: PayeeDetails) -> PayeeDetails:
        """The reference is keyed like the fingerprint: nobody can find the name by trying."""
        _, person, name, sort_code, account_number, roll = msgspec.structs.astuple(payee)
        fingerprint = self.keyring.fingerprint(sort_code, account_number, name, roll)
        reference = payee_reference(person, fingerprint)
        return msgspec.structs.replace(payee, payee_reference=reference)

    def _opened(self, row: _SealedPayee) -> PayeeDetails:
        key = self.keyring.unwrap(row.wrapped_key, row.person_reference)
        bound_to = place(
            "payee_details.sealed", row.payee_reference, row.person_reference, row.fingerprint
        )
        account = msgspec.json.decode(
            self.keyring.open(key, row.sealed, bound_to), type=tuple[str, ...]
        )  # three texts, or four since there are roll numbers
        return PayeeDetails(row.payee_reference, row.person_reference, *account)

    def keys(self, wanted: set[str], new_people: Sequence[Row] = ()) -> dict[str, bytes]:
        """The key of each person; `PersonUnknown` for those never recorded or erased."""
        wrapped = {row["person_reference"]: row["wrapped_key"] for row in new_people}
        stored = [people.c.person_reference, people.c.wrapped_key]
        wrapped.update((row[0], row[1]) for row in self._rows(stored, wanted - wrapped.keys()))
        unknown = wanted - wrapped.keys()
        if unknown:
            raise PersonUnknown(person_references=sorted(unknown))
        return {person: self.keyring.unwrap(wrapped[person], person) for person in wanted}

    def _rows(self, columns: list[Column[Any]], references: Iterable[str]) -> list[Any]:
        query = select(*columns)
        rows: list[Any] = []
        with self.engine.connect() as connection:
            for chunk in chunks(references):
                wanted = query.where(people.c.person_reference.in_(chunk))
                rows.extend(connection.execute(wanted).all())
        return rows


def chunks(references: Iterable[str]) -> Iterator[list[str]]:
    """References, each once, as many at a time as one query may name."""
    distinct = list(dict.fromkeys(references))
    for start in range(0, len(distinct), CHUNK):
        yield distinct[start : start + CHUNK]


def moment_text(recorded_at: datetime) -> str:
    """ISO 8601 in UTC, so that text order is time order on both databases."""
    return recorded_at.astimezone(UTC).isoformat(timespec="microseconds")
