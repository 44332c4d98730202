"""Who people are and how they want to be written to: sealed under their key, and erased with it.

A durable table and not the log: a correction takes the place of what was there, so that an old
address is gone, and only who wrote the new one and when is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

import msgspec
from sqlalchemy import column, delete, insert, select, table
from sqlalchemy.exc import IntegrityError

from ledger.commands import require_keepable
from ledger.database import writing
from ledger.durable import people as people_table
from ledger.errors import (
    ChannelUnusable,
    ConcurrentChange,
    InvalidValue,
    UnreadableAddress,
    UnreadableEmail,
)
from ledger.keyring import place
from ledger.letter_tables import contact_details
from ledger.people import People, PersonDetails, chunks, moment_text
from ledger.private import Private
from ledger.store import Beside

Channel = Literal["post", "email", "none"]

ATTEMPTS = 5
_PLACE = "contact_details.sealed"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")


class ContactDetails(Private, frozen=True, kw_only=True):
    """Where a person's letters go. `address` is without the name; its last line is a postcode.

    With the channel "none" nothing is sent, whatever else is known."""

    person_reference: str
    channel: Channel
    address: tuple[str, ...] = ()
    email: str = ""
    large_print: bool = False


def new_person(person_reference: str, name: str, date_of_birth: date) -> PersonDetails:
    """Checked and tidied details of a person. Raises `InvalidValue`."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 140:
        raise InvalidValue("name must be 1 to 140 characters.", field="name")
    require_keepable(person_reference, "reference")
    require_keepable(name, "name")
    require_keepable(date_of_birth, "date_of_birth")
    return PersonDetails(person_reference, name, date_of_birth)


def new_contact(
    person_reference: str,
    channel: Channel,
    address: Sequence[str] = (),
    email: str = "",
    large_print: bool = False,
) -> ContactDetails:
    """Checked and tidied contact details.

    Raises `UnreadableAddress`, `UnreadableEmail`, or `ChannelUnusable` where letters would go by
    a way that is not given. None of them repeats what was written.
    """
    lines = tuple(" ".join(line.split()) for line in address)
    if lines and not (
        2 <= len(lines) <= 6
        and all(1 <= len(line) <= 80 and not _CONTROL.search(line) for line in lines)
    ):
        raise UnreadableAddress(field="address")
    email = email.strip()
    if email and (len(email) > 254 or not _EMAIL.fullmatch(email)):
        raise UnreadableEmail(field="email")
    if (channel == "post" and not lines) or (channel == "email" and not email):
        raise ChannelUnusable(field="channel")
    return ContactDetails(
        person_reference=person_reference,
        channel=channel,
        address=lines,
        email=email,
        large_print=large_print,
    )


class Contacts:
    """Reads and writes contact details."""

    def __init__(self, people: People) -> None:
        self._people = people

    def of(self, person_references: Iterable[str]) -> dict[str, ContactDetails]:
        """The contact details of people; one with none, or who was erased, is absent."""
        joined = contact_details.join(
            people_table, people_table.c.person_reference == contact_details.c.person_reference
        )
        query = select(
            contact_details.c.person_reference, contact_details.c.sealed, people_table.c.wrapped_key
        ).select_from(joined)
        found: dict[str, ContactDetails] = {}
        with self._people.engine.connect() as connection:
            for chunk in chunks(person_references):
                wanted = query.where(contact_details.c.person_reference.in_(chunk))
                for reference, sealed, wrapped in connection.execute(wanted):
                    keyring = self._people.keyring
                    key = keyring.unwrap(wrapped, reference)
                    found[reference] = _decode(keyring.open(key, sealed, place(_PLACE, reference)))
        return found

    def record(
        self,
        details: ContactDetails,
        recorded_at: datetime,
        recorded_by: str,
        also: Sequence[Beside] = (),
    ) -> None:
        """Put contact details in the place of those there were, in one transaction with `also`.

        Raises `PersonUnknown` for a person never recorded, or erased.
        """
        reference = details.person_reference
        for _ in range(ATTEMPTS):
            key = self._people.keys({reference})[reference]
            row = {
                "person_reference": reference,
                "sealed": self._people.keyring.seal(
                    key, _encode(details), place(_PLACE, reference)
                ),
                "recorded_at": moment_text(recorded_at),
                "recorded_by": recorded_by,
            }
            try:
                with writing(self._people.engine).begin() as connection:
                    before = contact_details.c.person_reference == reference
                    connection.execute(delete(contact_details).where(before))
                    connection.execute(insert(contact_details).values(row))
                    for beside in also:
                        for more in beside.rows:
                            into = table(beside.table, *map(column, more))
                            connection.execute(insert(into).values(more))
            except IntegrityError:
                continue
            return
        raise ConcurrentChange(f"{reference} is being changed by others; try again.")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ContactDetails).decode
