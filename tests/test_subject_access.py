"""Everything that is held about a person, for them: nothing left out, readable, and recorded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.budget_looks import record_look
from ledger.erasure import place_hold
from ledger.errors import PersonUnknown
from ledger.payee_looks import look_at_payee
from ledger.people import PersonDetails
from ledger.person_looks import person_looks_of
from ledger.projections.audit import sentence
from ledger.subject_access import packed, record_export
from tests.main_job import IMPORTED_AT, log_of
from tests.privacy import WILL, a_council_of_two

AT = datetime(2026, 6, 1, 9, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_council_of_two(database_url, tmp_path) as made:
        yield made


def exported(ledger: Ledger, person: str = WILL) -> dict[str, str]:
    """The files of an export, by name."""
    record_export(ledger, person, exported_at=AT, exported_by="sue")
    with zipfile.ZipFile(io.BytesIO(packed(ledger, person, AT, "sue"))) as file:
        assert file.testzip() is None
        return {name: file.read(name).decode() for name in file.namelist()}


def everything(ledger: Ledger, person: str = WILL) -> Any:
    return json.loads(exported(ledger, person)["everything.json"])


def test_all_that_is_held_is_in_it(ledger: Ledger) -> None:
    user = User(issuer=DEVELOPMENT, subject="w", name=WILL, person_reference=WILL)
    record_user(ledger, user, IMPORTED_AT, "sue")
    payee = ledger.budget("PB000001").payee
    assert payee is not None
    look_at_payee(
        ledger, payee.payee_reference, reason="audit", looked_at=IMPORTED_AT, looked_by="oscar"
    )
    place_hold(ledger, WILL, "complaint", recorded_at=IMPORTED_AT, recorded_by="sue")
    record_look(ledger, "PB000001", seen="status", looked_at=AT, looked_by="pat",
                organisation_reference="ACME")  # fmt: skip
    held = everything(ledger)
    assert (held["name"], held["date_of_birth"]) == ("Will Featherstone", "1931-07-19")
    assert held["contact"]["address"] == ["7 Quince Row", "EX2 3AB"]
    (budget,) = held["budgets"]
    assert [event["sentence"] for event in budget["story"]] == [
        sentence(recorded.event) for recorded in ledger.history(PersonalBudget, "PB000001")
    ]
    assert budget["statement"]["totals"]["paid_pence"] == 66_820
    assert [look["looked_by"] for look in budget["looks"]] == ["pat"]
    accounts = {p["details"]["account_number"]: p for p in held["payees"]}
    assert accounts.keys() == {"31415926", "27182882"}
    assert accounts["31415926"]["looks"][0]["looked_by"] == "oscar"
    (returned,) = accounts["27182882"]["returned_names"]
    assert returned["name"]
    assert accounts["27182882"]["payee_types"] == ["nominated_person"]
    (assessment,) = held["assessments"]
    assert assessment["facts"]["capital"][0]["amount_pence"] == 1_825_000
    assert {fact["kind"]: fact["value"] for fact in held["restricted"]} == {
        "ethnicity": "B",
        "exclusion_ground": "not_permitted_by_regulations",
    }
    assert [hold["reason"] for hold in held["legal_holds"]] == ["complaint"]
    assert [user["name"] for user in held["signs_in"]] == [WILL]
    assert [look["what"] for look in held["looks"]] == ["everything"]
    assert {letter["entry"]["kind"] for letter in held["letters"]} == {
        "contribution",
        "remittance_advice",
        "payments_suspended",
    }


def test_a_person_can_read_it(ledger: Ledger) -> None:
    files = exported(ledger)
    tree = html.document_fromstring(files["index.html"])
    links = {str(link) for link in tree.xpath("//a/@href")}
    assert links == files.keys() - {"index.html"}, "every file is linked, and no other"
    words = " ".join(" ".join(tree.itertext()).split())
    for part in (
        "What is held about Will Featherstone",
        "19 July 1931",
        "Account number 31415926",
        "Ada Nwosu: nominated person.",
        "At the review a direct payment was refused, on a ground in law.",
        "Exclusion ground (PB000001): not permitted by regulations (SI 2014/2871 Schedule 1).",
        "Ethnicity: White: Irish.",
        "state pension",
        "£286.30",
        "sue looked at everything (subject access).",
    ):
        assert part in words, part
    assert not tree.xpath("//script")
    assert "Featherstone" in files["statements/PB000001.html"]
    (letter, *_) = [name for name in files if name.startswith("letters/")]
    assert "Will Featherstone" in files[letter]


def test_nobody_else_is_in_it(ledger: Ledger) -> None:
    files = exported(ledger)
    for other in ("R000002", "PB000002", "O'Connor 2", "90000002"):
        assert not [name for name, content in files.items() if other in content], other


def test_it_is_recorded_first_and_changes_no_event(ledger: Ledger) -> None:
    before = log_of(ledger)
    exported(ledger)
    (look,) = person_looks_of(ledger, WILL)
    assert look[1:] == (
        WILL, "everything", "2026-06-01T09:00:00.000000+00:00", "sue", "subject_access",
    )  # fmt: skip
    assert log_of(ledger) == before
    with pytest.raises(PersonUnknown):
        exported(ledger, "R999999")
    assert len(person_looks_of(ledger)) == 1


def test_who_has_no_budget_has_one_too(ledger: Ledger) -> None:
    ledger.register_person(PersonDetails("R9", "Ada", date(1950, 1, 1)), IMPORTED_AT)
    held = everything(ledger, "R9")
    assert (held["budgets"], held["letters"], held["contact"]) == ([], [], None)


def test_the_same_moment_gives_the_same_bytes(ledger: Ledger) -> None:
    record_export(ledger, WILL, exported_at=AT, exported_by="sue")
    assert packed(ledger, WILL, AT, "sue") == packed(ledger, WILL, AT, "sue")
