"""How people want to be written to: sealed, replaced, erased with the person, never repeated."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, func, select

from ledger.contacts import ContactDetails, new_contact
from ledger.durable import people
from ledger.errors import (
    ChannelUnusable,
    PersonUnknown,
    Refusal,
    UnreadableAddress,
    UnreadableEmail,
)
from ledger.letter_tables import contact_details
from tests.api import NAME, an_api
from tests.letters import ADDRESS, NOW, a_council
from tests.pbledger import Pbledger

CONTACT: dict[str, Any] = {"channel": "email", "email": "sian@example.org"}


def test_contact_details_are_kept_sealed_and_read_back(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        given = new_contact(
            "R000001", "post", ["12  Mill Lane", " Exampleton", "EX2 3AB "], "", True
        )
        assert given.address == ADDRESS
        ledger.contacts.record(given, NOW, "ann")
        assert ledger.contacts.of(["R000001", "R999999"]) == {"R000001": given}
        assert "Mill" not in repr(given)
        with ledger.engine.connect() as connection:
            row = connection.execute(
                select(contact_details).where(contact_details.c.person_reference == "R000001")
            ).one()
        assert (row.recorded_by, row.recorded_at[:10]) == ("ann", "2026-04-21")
        assert b"Mill" not in row.sealed


def test_a_correction_takes_the_place_of_what_was_there(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        for email in ("old@example.org", "new@example.org"):
            ledger.contacts.record(new_contact("R000001", "email", (), email), NOW, "ann")
        assert ledger.contacts.of(["R000001"])["R000001"].email == "new@example.org"
        assert ledger.contacts.of(["R000001"])["R000001"].address == (), "all of it is replaced"
        with ledger.engine.connect() as connection:
            count = connection.execute(select(func.count()).select_from(contact_details))
            assert count.scalar_one() == 3, "a row a person"


def test_they_go_with_the_person(database_url, tmp_path):
    with a_council(database_url, tmp_path) as ledger:
        with ledger.engine.begin() as connection:
            connection.execute(delete(people).where(people.c.person_reference == "R000001"))
        assert ledger.contacts.of(["R000001"]) == {}
        with pytest.raises(PersonUnknown):
            ledger.contacts.record(new_contact("R000001", "none"), NOW, "ann")


@pytest.mark.parametrize(
    ("refusal", "facts"),
    [
        (UnreadableAddress, {"channel": "post", "address": ("12 Mill Lane",)}),
        (UnreadableAddress, {"channel": "post", "address": ("a",) * 7}),
        (UnreadableAddress, {"channel": "post", "address": ("12 Mill Lane", "x" * 81)}),
        (UnreadableAddress, {"channel": "post", "address": ("12 Mill Lane", "a\x00b")}),
        (UnreadableAddress, {"channel": "none", "address": ("12 Mill Lane", " ")}),
        (UnreadableEmail, {"channel": "email", "email": "sian"}),
        (UnreadableEmail, {"channel": "email", "email": "sian@example"}),
        (UnreadableEmail, {"channel": "email", "email": "a b@example.org"}),
        (UnreadableEmail, {"channel": "email", "email": "sian@x@example.org"}),
        (UnreadableEmail, {"channel": "email", "email": "a" * 250 + "@example.org"}),
        (ChannelUnusable, {"channel": "email", "address": ADDRESS}),
        (ChannelUnusable, {"channel": "post", "email": "sian@example.org"}),
    ],
)
def test_details_that_could_not_be_used_are_refused_and_not_repeated(
    refusal: type[Refusal], facts: dict[str, Any]
):
    with pytest.raises(refusal) as refused:
        new_contact("R000001", **facts)
    assert "Mill" not in str(refused.value)
    assert "sian" not in str(refused.value)


def test_on_the_command_line(database_url, tmp_path):
    pbledger = Pbledger(database_url, tmp_path).with_budgets(2)
    lines = [word for line in ADDRESS for word in ("--address-line", line)]
    said = pbledger.done("--as ann person contact R000001 --channel post", *lines)
    assert said == "Letters to R000001 go by post.\n"
    made = pbledger.json("--as ann person contact R000001 --channel none --large-print")
    assert made == {"person_reference": "R000001", "channel": "none", "large_print": True}
    pbledger.refused("person-unknown", "--as ann person contact R9 --channel none")
    pbledger.refused("channel-unusable", "--as ann person contact R000001 --channel email")
    said = pbledger.refused(
        "unreadable-email", "--as ann person contact R000001 --channel email --email sian"
    )
    assert "sian" not in said
    pbledger.misused("person contact R000001 --channel none")
    pbledger.misused("--as ann person contact R000001 --channel pigeon")


def test_over_http(database_url, tmp_path):
    with an_api(database_url, tmp_path) as api:
        api.put("/v1/people/R000001", {"name": NAME, "date_of_birth": "1950-02-03"}).done(201)
        at = "/v1/people/R000001/contact"
        first = api.put(at, CONTACT, key="k1").done()
        assert first.json == {
            "person_reference": "R000001",
            "channel": "email",
            "large_print": False,
        }
        later = {"channel": "post", "address": list(ADDRESS), "large_print": True}
        api.put(at, later).done()
        again = api.put(at, CONTACT, key="k1").done()
        assert again.headers["Idempotency-Replayed"] == "true"
        assert api.ledger.contacts.of(["R000001"]) == {
            "R000001": ContactDetails(
                person_reference="R000001", channel="post", address=ADDRESS, large_print=True
            )
        }, "a repeated request does not put the old address back"
        api.put(at, later, key="k1").refused("idempotency-key-reused", 409)
        api.put("/v1/people/R9/contact", CONTACT).refused("person-unknown", 404)
        api.put(at, {"channel": "email"}).refused("channel-unusable", 422)
        api.put(at, {"channel": "post", "address": ["x"]}).refused("unreadable-address", 422)
        api.put(at, {**CONTACT, "phone": "1"}).refused("body-invalid", 422)
        api.put(at, CONTACT, if_match='"1"').refused("version-conflict", 412)
        for path, content in api.answers:
            assert b"sian@" not in content, path
            assert b"Mill" not in content, path
