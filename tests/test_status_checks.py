"""A support service checks how an account stands: with consent, and otherwise learns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.budget_looks import checks_that_found_nothing
from ledger.dates import day_in_england
from ledger.durable import budget_looks, idempotency_keys
from ledger.projections.access import grants
from ledger.status_checks import MOST_WRONG, check_status
from tests.api import (
    BUDGET,
    CYCLE,
    Answer,
    Api,
    an_api,
    approve,
    make_payable,
    open_budget,
    prepare,
)
from tests.pbledger import Pbledger

CHECKS = "/v1/status-checks"
TODAY = day_in_england(datetime.now(UTC))
IN_A_MONTH = TODAY + timedelta(days=30)
ASKED = {"budget_reference": "PB000001", "date_of_birth": "1950-02-03"}
ACME = {"effective_on": str(TODAY), "organisation_reference": "ACME", "ends_on": str(IN_A_MONTH)}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A recipient who can be paid, one who cannot yet, and two support services."""
    with an_api(database_url, tmp_path) as api:
        make_payable(api)
        api.put("/v1/people/R000002", {"name": "Other", "date_of_birth": "1950-02-03"}).done(201)
        open_budget(api, "PB000002", "R000002")
        api.add_user("pat", "support_service", organisation="ACME")
        api.add_user("oz", "support_service", organisation="OTHER")
        api.add_user("sian", "recipient", person_reference="R000001")
        api.add_user("dora", "representative", person_reference="R000009")
        yield api


def grant(api: Api, **facts: Any) -> Answer:
    return api.post(f"{BUDGET}/grant-access", {**ACME, **facts}, by="sian")


def check(api: Api, by: str = "pat", key: str | None = None, **facts: Any) -> Answer:
    return api.post(CHECKS, {**ASKED, **facts}, by=by, key=key)


def kept(api: Api) -> list[tuple[Any, ...]]:
    """Every look there is, without when it was."""
    columns = [c for c in budget_looks.c if c.name not in ("number", "looked_at")]
    with api.ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


# --- with consent -------------------------------------------------------------------------


def test_with_consent_the_status_is_answered_without_amounts(api: Api) -> None:
    grant(api).done()
    status = check(api).done()
    assert status["state"] == "not_started"
    assert status["next_payment"] == {
        "pay_on": None, "is_held": False, "held_because": [], "released_by": [],
        "amount_pence": None,
    }  # fmt: skip
    assert (status["spend_return"], status["review_due_on"]) == ("none", None)
    assert b"pence" not in status.content.replace(b'"amount_pence":null', b"")
    assert kept(api) == [("PB000001", "pat", "ACME", "status")]


def test_amounts_are_answered_if_they_were_granted_too(api: Api) -> None:
    grant(api, facts="status_and_amounts").done()
    assert check(api).done()["next_payment"]["amount_pence"] > 0
    assert kept(api) == [("PB000001", "pat", "ACME", "status_and_amounts")]


def test_the_same_key_again_shows_what_is_so_now_and_is_another_look(api: Api) -> None:
    grant(api).done()
    check(api, key="k").done()
    check(api, key="k").done()
    assert len(kept(api)) == 2
    api.post(f"{BUDGET}/revoke-access", {"effective_on": str(TODAY),
             "organisation_reference": "ACME"}, by="sian").done()  # fmt: skip
    check(api, key="k").refused("status-not-available", 404)
    with api.ledger.engine.connect() as connection:
        bodies = connection.execute(select(idempotency_keys.c.body)).scalars()
        assert not any(b"next_payment" in body for body in bodies)


def test_what_a_budget_without_a_signed_agreement_waits_for_is_said(api: Api) -> None:
    given = {**ACME, "given_by": "recipient"}
    api.post("/v1/budgets/PB000002/grant-access", given, by="ann").done()
    status = check(api, budget_reference="PB000002").done()
    held = status["next_payment"]
    assert (status["state"], held["is_held"]) == ("not_started", True)
    assert "The agreement is not signed yet." in held["held_because"]
    assert "The person signing the agreement." in held["released_by"]


# --- without ------------------------------------------------------------------------------


def but_its_number(answer: Answer) -> bytes:
    """The bytes of an answer, less the number of its request, which each has of its own."""
    number = answer.headers["X-Request-Id"].encode()
    assert number in answer.content
    return answer.content.replace(number, b"")


def test_whatever_is_not_right_the_answer_is_the_very_same(api: Api) -> None:
    never = check(api)
    grant(api, effective_on=str(TODAY - timedelta(days=9)), ends_on=str(TODAY - timedelta(days=1)))
    over = check(api)
    grant(api).done()
    other_organisation = check(api, by="oz")
    wrong_birth = check(api, date_of_birth="1950-02-04")
    no_budget = check(api, budget_reference="PB999999")
    not_theirs = check(api, budget_reference="PB000002")
    api.post(f"{BUDGET}/revoke-access", {"effective_on": str(TODAY),
             "organisation_reference": "ACME"}, by="sian").done()  # fmt: skip
    taken_back = check(api)
    answers = [never, over, other_organisation, wrong_birth, no_budget, not_theirs, taken_back]
    for answer in answers:
        answer.refused("status-not-available", 404)
        assert but_its_number(answer) == but_its_number(never)
        assert sorted(answer.headers) == sorted(never.headers)
    assert {look[0] for look in kept(api)} == {""}, "nothing of it stands on any budget"


def test_a_grant_that_begins_later_shows_nothing_yet(api: Api) -> None:
    grant(api, effective_on=str(TODAY + timedelta(days=1))).done()
    check(api).refused("status-not-available", 404)


def test_who_works_for_no_organisation_learns_nothing(api: Api) -> None:
    grant(api).done()
    api.add_user("loner", "support_service")
    check(api, by="loner").refused("status-not-available", 404)


def test_who_tries_too_often_is_stopped_for_an_hour(api: Api) -> None:
    grant(api).done()
    for number in range(MOST_WRONG):
        check(api, date_of_birth=f"1950-03-{number + 1:02d}").refused("status-not-available", 404)
    check(api).refused("too-many-wrong-checks", 429)
    api.add_user("paul", "support_service", organisation="ACME")
    check(api, by="paul").done()
    later = datetime.now(UTC) + timedelta(hours=1, minutes=1)
    assert checks_that_found_nothing(api.ledger, "pat", later - timedelta(hours=1)) == 0
    status = check_status(
        api.ledger,
        "PB000001",
        date(1950, 2, 3),
        organisation_reference="ACME",
        checked_by="pat",
        checked_at=later,
    )
    assert status.budget_reference == "PB000001"


def test_an_erased_person_has_no_date_of_birth_to_name(api: Api) -> None:
    from sqlalchemy import delete

    from ledger.database import writing
    from ledger.durable import people

    grant(api).done()
    with writing(api.ledger.engine).begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000001"))
    check(api).refused("status-not-available", 404)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"budget_reference": "pb 1"}, "invalid-value"),
        ({"date_of_birth": "3 February 1950"}, "body-invalid"),
        ({"amounts": True}, "body-invalid"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_field(api: Api, facts: Any, code: str) -> None:
    check(api, **facts).refused(code, 422)
    assert kept(api) == []


def test_only_a_support_service_checks(api: Api) -> None:
    for name in ("sian", "dora"):
        check(api, by=name).refused("not-permitted", 403)


# --- who looked, and who acts -------------------------------------------------------------


def appoint(api: Api) -> None:
    asked = {"effective_on": "2026-04-06", "person_reference": "R000009",
             "kind": "authorised_person"}  # fmt: skip
    api.post(f"{BUDGET}/appoint-representative", asked).done()


def test_a_recipient_sees_every_look_from_outside(api: Api) -> None:
    grant(api).done()
    appoint(api)
    check(api).done()
    api.ask(BUDGET, by="dora").done()
    api.ask(BUDGET, by="ann").done()
    looks = api.ask(f"{BUDGET}/looks", by="sian").done()["looks"]
    assert [(look["looked_by"], look["organisation_reference"], look["seen"]) for look in looks] \
        == [("dora", "", "budget"), ("pat", "ACME", "status")]  # fmt: skip
    first = api.ask(f"{BUDGET}/looks?limit=1", by="sian").done()
    assert first["next_after"] == first["looks"][0]["number"]
    then = api.ask(f"{BUDGET}/looks?after={first['next_after']}", by="sian").done()
    assert [look["looked_by"] for look in then["looks"]] == ["pat"]


def test_who_acts_for_somebody_reaches_their_budget_until_it_ends(api: Api) -> None:
    api.ask(BUDGET, by="dora").refused("budget-not-found", 404)
    appoint(api)
    api.ask(BUDGET, by="dora").done()
    api.ask("/v1/budgets/PB000002", by="dora").refused("budget-not-found", 404)
    given = {**ACME, "given_by": "representative"}
    api.post(f"{BUDGET}/grant-access", given, by="dora").done()
    seen = api.ask(f"{BUDGET}/access", by="dora").done()
    assert [(a["organisation_reference"], a["is_in_force"]) for a in seen["access"]] == [
        ("ACME", True)
    ]
    assert seen["representatives"] == [{"person_reference": "R000009", "kind": "authorised_person"}]
    ended = {"effective_on": "2026-04-06", "person_reference": "R000009"}
    api.post(f"{BUDGET}/end-representative", ended).done()
    api.ask(BUDGET, by="dora").refused("budget-not-found", 404)
    check(api).done()  # what was granted for the recipient stands


def test_a_recorded_death_ends_what_is_said_and_seen_for_the_person(api: Api) -> None:
    appoint(api)
    api.add_user("carl", "care_coordinator", person_reference="R000009")
    api.post(f"{BUDGET}/grant-access", {**ACME, "given_by": "representative"}, by="dora").done()
    case: dict[str, Any] = {"effective_on": str(TODAY), "case_reference": "EC1"}
    api.post(f"{BUDGET}/open-estate-case", {**case, "reported_by": "bank"}).done()
    api.ask(BUDGET, by="dora").done()  # a bank's word alone takes nobody's voice
    check(api).done()
    decided = {**case, "outcome": "recipient_died", "died_on": str(TODAY)}
    api.post(f"{BUDGET}/decide-estate-case", decided, by="bob").done()
    for name in ("dora", "sian"):
        api.ask(BUDGET, by=name).refused("budget-not-found", 404)
        taken_back = {"effective_on": str(TODAY), "organisation_reference": "ACME"}
        api.post(f"{BUDGET}/revoke-access", taken_back, by=name).refused("budget-not-found", 404)
    check(api).refused("status-not-available", 404)
    seen = api.ask(f"{BUDGET}/access", by="ann").done()
    assert seen["representatives"] == []
    assert not seen["access"][0]["is_in_force"]
    assert not any(g.in_force(TODAY) for g in grants(api.ledger.engine))
    assert api.ledger.projections.verify() is None
    closing = {"effective_on": str(TODAY), "template_version": "2"}  # of the estate she may inherit
    api.post(f"{BUDGET}/sign-agreement", closing, by="carl").refused("interest-in-budget", 403)


def test_staff_do_nothing_on_a_budget_of_their_own_but_what_is_a_recipients(api: Api) -> None:
    api.add_user("carl", "care_coordinator", person_reference="R000001")
    offer = {"effective_on": "2026-05-06", "occasion": "review", "outcome": "accepted"}
    api.post(f"{BUDGET}/offer-direct-payment", offer, by="carl").refused("interest-in-budget", 403)
    api.post("/v1/budgets/PB000002/offer-direct-payment", offer, by="carl").done()
    api.post(f"{BUDGET}/grant-access", ACME, by="carl").done()
    api.ask(BUDGET, by="carl").done()


def test_who_is_or_acted_for_somebody_in_a_cycle_does_not_approve_it(api: Api) -> None:
    appoint(api)
    for name, person in (("rita", "R000001"), ("dan", "R000009"), ("eve", "R000002")):
        api.add_user(name, "finance_approver", person_reference=person)
    died = {"effective_on": "2026-04-12", "reason_code": "died"}
    api.post(f"{BUDGET}/close", died).done()
    named = {"only": ["PB000001"]}
    api.add_user("olga", "finance_officer", person_reference="R000001")
    preparing = {"effective_on": "2026-03-27", "pay_on": "2026-04-02",
                 "period": {"starts_on": "2026-04-06", "ends_on": "2026-05-03"}}  # fmt: skip
    api.post(f"{CYCLE}/prepare", {**preparing, **named}, by="olga").refused(
        "interest-in-budget", 403
    )
    assert prepare(api).done(201)["line_count"] == 1
    for name in ("rita", "dan"):
        approve(api, by=name).refused("interest-in-budget", 403)
    approve(api, by="eve").done()  # her own budget is not paid by it


def test_a_declared_interest_is_refused_over_the_api_too(api: Api) -> None:
    declared = {"effective_on": "2026-04-06", "user_name": "ann", "kind": "relative"}
    api.post(f"{BUDGET}/declare-interest", declared, by="bob").done()
    offer = {"effective_on": "2026-05-06", "occasion": "review", "outcome": "accepted"}
    api.post(f"{BUDGET}/offer-direct-payment", offer, by="ann").refused("interest-in-budget", 403)


# --- on the command line ------------------------------------------------------------------


def test_grants_and_looks_are_listed_on_the_command_line(database_url: str, tmp_path: Path) -> None:
    pbledger = Pbledger(database_url, tmp_path).with_budgets(2)
    (reference, _) = [b["reference"] for b in pbledger.json("budget list")["budgets"]]
    assert "Nobody was given access." in pbledger.done("grants list")
    said = f"--as ann budget grant-access {reference} --organisation-reference"
    ends_on = f"--ends-on {IN_A_MONTH}"
    pbledger.done(f"{said} ACME {ends_on} --effective-on {TODAY}")
    pbledger.done(f"{said} OTHER {ends_on} --effective-on {TODAY} --facts status_and_amounts")
    pbledger.done(f"--as ann budget revoke-access {reference} --organisation-reference OTHER")
    listed = pbledger.json(f"grants list --budget {reference}")["grants"]
    assert [(g["organisation_reference"], g["is_in_force"]) for g in listed] == [
        ("ACME", True), ("OTHER", False),
    ]  # fmt: skip
    assert "taken back" in pbledger.done("grants list --organisation OTHER")
    assert "OTHER" not in pbledger.done("grants list --in-force")
    assert "Nobody has looked." in pbledger.done(f"budget looks {reference}")
    pbledger.refused("budget-not-found", "grants list --budget PB999999")
    pbledger.refused("budget-not-found", "budget looks PB999999")
    pbledger.refused("invalid-value", "--as sue users set pat --organisation acme")
