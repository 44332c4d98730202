"""People: who they are goes in, sealed, and never comes out here."""

from __future__ import annotations

from datetime import date

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import Once
from ledger.api.openapi import writes
from ledger.api.requests import BodyOf, WriteRoute, Writing
from ledger.contacts import Channel, new_contact, new_person
from ledger.errors import VersionConflict
from ledger.private import Private

router = APIRouter(tags=["people"], route_class=WriteRoute)


class PersonToRegister(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's name and date of birth."""

    name: str
    date_of_birth: date


class PersonRegistered(msgspec.Struct):
    """The person is known by this reference."""

    person_reference: str


class ContactToRecord(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a person wants to be written to. `address` is 2 to 6 lines without the name, the last
    of them the postcode; with the channel `none` nothing is sent."""

    channel: Channel
    address: tuple[str, ...] = ()
    email: str = ""
    large_print: bool = False


class ContactRecorded(msgspec.Struct):
    """Letters to the person go this way from now on."""

    person_reference: str
    channel: Channel
    large_print: bool


_details = BodyOf(PersonToRegister)
_contact = BodyOf(ContactToRecord)


@router.put("/v1/people/{reference:reference}", summary="Register a person",
            **writes(PersonRegistered, PersonToRegister,
                     created="The person was not known before."))  # fmt: skip
@needs("people.register")
def register_person(reference: str, write: Writing) -> Response:
    """Seal a person's name and date of birth under their reference; the same again changes
    nothing, and other details under a known reference are refused."""
    if write.expected_version is not None:
        raise VersionConflict("A person has no version to match.")
    given = _details.read(write.body)
    details = new_person(reference, given.name, given.date_of_birth)
    once = Once(write)
    status = 200 if write.ledger.people.existing([reference]) else 201
    row = once.row(PersonRegistered(reference), status)
    return once.do(lambda: write.ledger.register_person(details, write.recorded_at, [row]))


@router.put("/v1/people/{reference:reference}/contact", summary="Record contact details",
            **writes(ContactRecorded, ContactToRecord))  # fmt: skip
@needs("people.register")
def record_contact(reference: str, write: Writing) -> Response:
    """Seal how a person is to be written to, in the place of all that was recorded before."""
    if write.expected_version is not None:
        raise VersionConflict("A person has no version to match.")
    given = _contact.read(write.body)
    details = new_contact(reference, given.channel, given.address, given.email, given.large_print)
    once = Once(write)
    row = once.row(ContactRecorded(reference, given.channel, given.large_print))
    return once.do(
        lambda: write.ledger.contacts.record(details, write.recorded_at, write.acting_as, [row])
    )
