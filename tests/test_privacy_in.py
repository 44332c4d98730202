"""The ways in to privacy: HTTP and the command line; what few may see, and who looked at it."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import select

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import said
from ledger.durable import idempotency_keys
from ledger.people import PersonDetails
from ledger.person_looks import counted, record_ethnicity
from ledger.restricted import ETHNICITIES, Ethnicity, in_words
from tests.api import BUDGET, PERSONAL, Api, an_api, make_payable, open_budget
from tests.main_job import IMPORTED_AT
from tests.pbledger import Pbledger
from tests.privacy import dumped, found_in

LONG_AGO = datetime(2009, 4, 6, 9, tzinfo=UTC)
PERSON, OLD = "/v1/people/R000001", "/v1/people/R2009"
EXCLUDED = {
    "effective_on": "2026-04-06",
    "occasion": "review",
    "outcome": "excluded",
    "reason_code": "not_permitted_by_regulations",
}
LOOK = {"what": "exclusion_ground", "reason": "review"}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Someone with a budget, and someone whose only budget was closed in 2009."""
    with an_api(database_url, tmp_path) as api:
        make_payable(api)
        long_ago(api)
        yield api


def long_ago(api: Api) -> None:
    api.ledger.register_person(PersonDetails("R2009", "Olwen Old", date(1920, 1, 2)), LONG_AGO)

    def live(budget: PersonalBudget) -> None:
        now = said(LONG_AGO.date(), LONG_AGO, "ann")
        budget.open(
            recipient_reference="R2009",
            legal_basis="nhs_act_2006",
            primary_support_reason="physical_personal_care",
            **now,
        )
        budget.close(reason_code="died", **now)

    api.ledger.change(PersonalBudget, "PB2009", live, create=True)


def exclude(api: Api) -> None:
    api.post(f"{BUDGET}/offer-direct-payment", EXCLUDED).done()


# --- for good -------------------------------------------------------------------------------


def test_a_program_erases_a_person_whose_time_is_over(api: Api) -> None:
    shown = api.get(f"{OLD}/retention").done()
    assert (shown["kept_to"], shown["budgets"]) == ("2016-03-31", ["PB2009"])
    api.post(f"{OLD}/hold", {"reason": "inquiry"}, by="sue").done()
    refused = api.post(f"{OLD}/erase", {}, by="sue").refused("legal-hold", 409)
    assert "inquiry" in refused["detail"]
    api.post(f"{OLD}/release", {"reason": "complaint"}).refused("legal-hold-not-found", 404)
    api.post(f"{OLD}/release", {"reason": "inquiry"}, by="tom").done()
    (hold,) = api.get(f"{OLD}/retention")["holds"]
    assert (hold["placed_by"], hold["released_by"]) == ("sue", "tom")
    erased = api.post(f"{OLD}/erase", {}, by="sue", key="e").done()
    assert (erased["person_reference"], erased["erased_by"]) == ("R2009", "sue")
    again = api.post(f"{OLD}/erase", {}, by="sue", key="e").done()
    assert again.content == erased.content
    api.post(f"{OLD}/erase", {}, by="sue").refused("person-unknown", 404)
    api.get(f"{OLD}/retention").refused("person-unknown", 404)
    api.put(OLD, {"name": "Olwen Old", "date_of_birth": "1920-01-02"}).refused("person-erased", 409)
    assert api.get("/v1/budgets/PB2009/history").done()["events"]


def test_what_stands_against_it_is_said_and_nothing_is_done(api: Api) -> None:
    before = api.stored()
    api.post(f"{PERSON}/erase", {}).refused("person-has-open-budget", 409)
    for path in ("erase", "hold", "release", "export", "look"):
        api.post(f"/v1/people/R9/{path}", {"reason": "x"}).refused("body-invalid", 422)
    for path in ("erase", "export"):
        api.post(f"/v1/people/R9/{path}", {}).refused("person-unknown", 404)
        api.post(f"{PERSON}/{path}", {}, If_Match='"1"').refused("version-conflict", 412)
    api.post("/v1/people/R9/hold", {"reason": "inquiry"}).refused("person-unknown", 404)
    api.put("/v1/people/R9/ethnicity", {"ethnicity": "A"}).refused("person-unknown", 404)
    api.put(f"{PERSON}/ethnicity", {"ethnicity": "Q"}).refused("body-invalid", 422)
    assert api.stored() == before


def test_nothing_of_a_request_can_be_found_out_from_its_key(api: Api, tmp_path: Path) -> None:
    """Neither the answers that are stored with keys nor the requests' digests say anything."""
    exclude(api)
    contact = b'{"channel": "post", "address": ["7 Quince Row", "EX2 3AB"]}'
    api.put(f"{PERSON}/contact", contact).done()
    api.put(f"{PERSON}/ethnicity", {"ethnicity": "B"}).done()
    api.post(f"{PERSON}/look", LOOK).done()
    api.post(f"{PERSON}/export", {}).done()
    dump = dumped(api.ledger, tmp_path)
    told = (*[p for p in PERSONAL if "1950" not in p], "Quince Row", "not_permitted_by_regulations")
    assert found_in(dump, told) == []
    asked = f"3:PUT{len(PERSON) + 8}:{PERSON}/contact3:ann".encode() + contact
    with api.ledger.engine.connect() as connection:
        digests = set(connection.execute(select(idempotency_keys.c.request_sha256)).scalars())
    assert api.ledger.keyring.request_digest(asked) in digests
    assert hashlib.sha256(asked).hexdigest() not in digests, "who guesses it could make sure"


# --- for the person -------------------------------------------------------------------------


def test_a_program_exports_what_is_held(api: Api) -> None:
    first = api.post(f"{PERSON}/export", {}, by="sue", key="x").done()
    assert first.type == "application/zip"
    assert first.headers["content-disposition"] == 'attachment; filename="R000001.zip"'
    with zipfile.ZipFile(io.BytesIO(first.content)) as file:
        assert set(file.namelist()) == {
            "everything.json",
            "index.html",
            "statements/PB000001.html",
        }
    again = api.post(f"{PERSON}/export", {}, by="sue", key="x").done()
    assert again.headers["idempotency-replayed"] == "true"
    (look,) = api.get("/v1/person-looks", person="R000001").done()["looks"]
    assert (look["what"], look["looked_by"]) == ("everything", "sue")


# --- what few may see -----------------------------------------------------------------------


def test_why_a_direct_payment_is_barred_is_shown_only_to_who_looks(api: Api) -> None:
    exclude(api)
    for path in (BUDGET, f"{BUDGET}/history", "/v1/budgets"):
        api.get(path).done()
    shown = api.post(f"{PERSON}/look", LOOK, by="cora", key="l").done()
    assert [f["value"] for f in shown["facts"]] == ["not_permitted_by_regulations"]
    assert shown["facts"][0]["budget_reference"] == "PB000001"
    again = api.post(f"{PERSON}/look", LOOK, by="cora", key="l").done()
    assert (again.content, again.headers["idempotency-replayed"]) == (shown.content, "true")
    looks = api.get("/v1/person-looks").done()["looks"]
    assert [(look["looked_by"], look["what"], look["reason"]) for look in looks] == [
        ("cora", "exclusion_ground", "review")
    ]
    told = [path for path, content in api.answers if b"not_permitted" in content]
    assert told == [f"POST {PERSON}/look"] * 2


def test_a_ground_is_sealed_with_the_event_or_neither_is_recorded(api: Api) -> None:
    open_budget(api, "PB000002", "R000002")  # whose person was never registered
    before = api.stored()
    api.post("/v1/budgets/PB000002/offer-direct-payment", EXCLUDED).refused("person-unknown", 404)
    tried = api.post(f"{BUDGET}/offer-direct-payment", {**EXCLUDED, "dry_run": True}).done()
    assert tried["events"][0]["facts"]["reason_code"] == ""
    assert api.stored() == before
    api.post(f"{PERSON}/look", LOOK).refused("restricted-fact-unknown", 404)
    assert api.get("/v1/person-looks")["looks"] == [], "there was nothing to be seen"


def test_the_newest_ethnicity_stands_and_the_older_ones_are_kept(api: Api) -> None:
    for code in ("Z", "B"):
        api.put(f"{PERSON}/ethnicity", {"ethnicity": code}, by="cora").done()
    shown = api.post(f"{PERSON}/look", {"what": "ethnicity", "reason": "review"}).done()
    assert [fact["value"] for fact in shown["facts"]] == ["Z", "B"]
    assert counted(api.ledger, "ethnicity") == {"B": None}


def test_counts_say_nothing_of_anyone(api: Api) -> None:
    for number in range(1, 7):
        person = PersonDetails(f"R{number}", "Somebody", date(1950, 1, 1))
        api.ledger.register_person(person, IMPORTED_AT)
        code: Ethnicity = "K" if number == 6 else "A"
        record_ethnicity(
            api.ledger, f"R{number}", code, recorded_at=IMPORTED_AT, recorded_by="cora"
        )
    counts = api.get("/v1/person-counts", what="ethnicity").done()
    assert counts["counts"] == {"A": 5, "K": None}
    assert api.get("/v1/person-counts", what="exclusion_ground")["counts"] == {}


def test_every_ethnicity_is_explained() -> None:
    assert set(get_args(Ethnicity)) == ETHNICITIES.keys()
    assert in_words("B") == "White: Irish"


def test_looks_come_page_by_page(api: Api) -> None:
    exclude(api)
    for _ in range(3):
        api.post(f"{PERSON}/look", LOOK).done()
    page = api.get("/v1/person-looks", limit=2).done()
    assert (len(page["looks"]), page["next_after"]) == (2, 2)
    last = api.get("/v1/person-looks", after=2)
    assert (len(last["looks"]), last["next_after"]) == (1, None)
    assert api.get("/v1/person-looks", person="R9")["looks"] == []


# --- on the command line --------------------------------------------------------------------


@pytest.fixture
def pbledger(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    monkeypatch.chdir(tmp_path)
    return Pbledger(sqlite_url, tmp_path).with_budgets(3)


def test_holds_and_retention_on_the_command_line(pbledger: Pbledger) -> None:
    pbledger.misused("person hold R000001 --reason inquiry")  # under whose name?
    pbledger.misused("--as sue person hold R000001 --reason curiosity")
    pbledger.done("--as sue person hold R000001 --reason inquiry")
    shown = pbledger.done("person retention R000001")
    assert "Still open" in shown
    assert "1 legal hold(s)" in shown
    pbledger.refused("person-has-open-budget", "--as sue person erase R000001")
    pbledger.done("--as tom person release R000001 --reason inquiry")
    pbledger.refused("legal-hold-not-found", "--as tom person release R000001 --reason inquiry")
    (hold,) = pbledger.json("person retention R000001")["retention"]["holds"]
    assert hold["released_by"] == "tom"
    pbledger.done("--as sue budget close PB000001 --reason-code moved_away")
    assert "is kept to 20" in pbledger.refused(
        "retention-not-over", "--as sue person erase R000001"
    )
    pbledger.refused("person-unknown", "person retention R9")


def test_a_person_is_erased_on_the_command_line(sqlite_url: str, tmp_path: Path) -> None:
    with an_api(sqlite_url, tmp_path) as api:
        long_ago(api)
    pbledger = Pbledger(sqlite_url, tmp_path)
    said = pbledger.done("--as sue person erase R2009")
    assert "R2009 is erased." in said
    assert "Backups made before today hold the key" in said
    assert "R2009 was erased at" in pbledger.done("person retention R2009")
    assert pbledger.json("person retention R2009")["erased"]["erased_by"] == "sue"
    assert "Not as it should be" not in pbledger.done("verify")


def test_an_export_is_written_for_its_maker_alone(pbledger: Pbledger) -> None:
    out = pbledger.folder / "R000001.zip"
    pbledger.refused("person-unknown", f"--as sue person export R9 --out {out}")
    said = pbledger.done(f"--as sue person export R000001 --out {out}")
    assert "Look through it before you hand it on" in said
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert zipfile.is_zipfile(out)
    before: Any = out.read_bytes()
    pbledger.refused("file-unusable", f"--as sue person export R000001 --out {out}")
    assert out.read_bytes() == before
    assert "1 look(s)" in pbledger.done("person looks --person R000001")


def test_what_few_may_see_on_the_command_line(pbledger: Pbledger) -> None:
    offer = "--as cora budget offer-direct-payment PB000001 --occasion review --outcome excluded"
    said = pbledger.done(f"{offer} --reason-code not_permitted_by_regulations")
    assert "refused, on a ground in law" in said
    shown = pbledger.done("budget show PB000001") + pbledger.done("budget history PB000001")
    assert "not permitted by" not in shown
    pbledger.done("--as cora person ethnicity R000001 --code B")
    look = "--as cora person look R000001 --reason review --what"
    assert "SI 2014/2871 Schedule 1" in pbledger.done(f"{look} exclusion_ground")
    assert "White: Irish" in pbledger.done(f"{look} ethnicity")
    listed = pbledger.done("person looks")
    assert "2 look(s)" in listed
    assert "exclusion ground" in listed
    assert "fewer than 5" in pbledger.done("person count --what ethnicity")
    pbledger.refused(
        "restricted-fact-unknown", "--as c person look R000002 --what ethnicity --reason review"
    )
