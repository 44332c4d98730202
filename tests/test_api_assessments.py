"""Financial assessments over HTTP: tried, recorded once, explained; and dry runs of any command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import BUDGET, LINE, Api, an_api, approve, make_payable, open_budget, prepare

ASSESSMENTS = f"{BUDGET}/financial-assessments"
FACTS: dict[str, Any] = {
    "date_of_birth": "1950-02-03",
    "household": "single",
    "income": [
        {"kind": "state_pension", "amount_pence": 28_630},
        {"kind": "attendance_allowance", "amount_pence": 11_460},
    ],
    "capital": [{"kind": "savings", "amount_pence": 1_925_000}],
    "housing": [{"kind": "council_tax", "amount_pence": 1_800}],
    "disability_costs": [{"kind": "laundry", "amount_pence": 1_450}],
}
BACKDATED: dict[str, Any] = {
    "effective_on": "2026-04-20",
    "decided_on": "2026-04-27",
    "facts": FACTS,
}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def paid(api: Api) -> Api:
    """One budget, £142.95 of its £310.00 contributed, whose first four weeks are promised."""
    make_payable(api)
    prepare(api).done(201)
    approve(api).done()
    return api


def test_an_assessment_is_tried_recorded_and_found_in_the_next_cycle(paid: Api) -> None:
    before = paid.stored()
    seen = paid.post(ASSESSMENTS, {**BACKDATED, "dry_run": True}).done()
    assert paid.stored() == before, "a dry run stores nothing, not even its key"
    assert seen["dry_run"] is True
    assert seen["charged"][0]["weekly_pence"] == 14_695
    assert seen["effect"]["total_pence"] == -800
    (window,) = seen["effect"]["windows"]
    assert (window["payment_was_pence"], window["payment_now_pence"]) == (66_820, 66_020)
    (event,) = seen["events"]

    done = paid.post(ASSESSMENTS, BACKDATED).done()
    assert "dry_run" not in done.json
    assert done["events"][0]["sentence"] == event["sentence"]
    period = {"starts_on": "2026-05-04", "ends_on": "2026-05-31"}
    again = prepare(paid, "/v1/cycles/C2026-02", period=period, pay_on="2026-05-01").done(201)
    assert again["total_pence"] == 66_820 - 1_600 - 800


def test_an_assessment_is_recorded_once(paid: Api) -> None:
    first = paid.post(ASSESSMENTS, BACKDATED, key="one").done()
    again = paid.post(ASSESSMENTS, BACKDATED, key="one").done()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert paid.post(ASSESSMENTS, BACKDATED, key="two").done()["events"] == []
    paid.post(ASSESSMENTS, {**BACKDATED, "facts": {**FACTS, "capital": []}}, key="three").refused(
        "reference-used-for-other-facts", 409
    )


def test_what_was_told_is_in_no_answer_and_no_history(paid: Api) -> None:
    paid.post(ASSESSMENTS, BACKDATED).done()
    history = paid.get(f"{BUDGET}/history").done()
    assert b"pension" not in history.content
    assert b"1925000" not in history.content


def test_it_is_explained_as_known_then_and_now(paid: Api) -> None:
    paid.get(f"{BUDGET}/contribution", on="2026-04-27").refused("assessment-not-found", 404)
    paid.post(ASSESSMENTS, BACKDATED).done()
    found = paid.get(f"{BUDGET}/contribution", on="2026-04-27").done()
    assert found["charged"]["weekly_pence"] == 14_695
    assert sum(line["weekly_pence"] for line in found["charged"]["lines"]) == 14_695
    assert any("care direct payment" in paragraph for paragraph in found["plain_english"])
    paid.get(f"{BUDGET}/contribution", on="2026-04-05").refused("no-contribution-assessed", 404)


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        (
            {"income": [{"kind": "state_pension", "amount_pence": -1}]},
            "invalid-money",
            "income[0].amount_pence",
        ),
        (
            {"income": [{"kind": "state_pension", "amount_pence": 100}] * 2},
            "income-lines-overlap",
            None,
        ),
        ({"date_of_birth": "2027-01-01"}, "date-of-birth-in-future", "date_of_birth"),
        ({"date_of_birth": "1950-02-04"}, "date-of-birth-differs", "date_of_birth"),
        (
            {"capital": [{"kind": "savings", "amount_pence": 1, "owner": "joint_with_partner"}]},
            "couple-assessed-as-single",
            None,
        ),
        ({"household": "triple"}, "body-invalid", None),
        ({"shoe_size": 9}, "body-invalid", None),
        ({"income": [{"kind": "state_pension", "amount_pence": 1.5}]}, "body-invalid", None),
    ],
)
def test_facts_that_cannot_be_are_refused_by_their_own_rule(
    paid: Api, facts: dict[str, Any], code: str, field: str | None
) -> None:
    before = paid.stored()
    for dry_run in (True, False):
        asked = {**BACKDATED, "facts": {**FACTS, **facts}, "dry_run": dry_run}
        refused = paid.post(ASSESSMENTS, asked).refused(code, 422)
        if field is not None:
            assert refused["field"] == field
    assert paid.stored() == before


def test_an_assessment_dated_before_the_budget_is_refused(paid: Api) -> None:
    asked = {**BACKDATED, "effective_on": "2026-04-05"}
    refused = paid.post(ASSESSMENTS, asked).refused("before-budget-opened", 422)
    assert refused["field"] == "effective_on"


def test_a_day_without_rates_names_the_year(paid: Api) -> None:
    asked = {**BACKDATED, "effective_on": "2028-04-20"}
    assert "2028/29" in paid.post(ASSESSMENTS, asked).refused("rates-missing", 422)["detail"]


def test_an_assessment_of_a_version_that_has_moved_on_is_refused(paid: Api) -> None:
    paid.post(ASSESSMENTS, BACKDATED, If_Match='"3"').refused("version-conflict", 412)


def test_the_rates_in_force_are_shown(api: Api) -> None:
    before, after = (
        {rate["key"]: rate for rate in api.get("/v1/rates", on=day).done()["rates"]}
        for day in ("2026-04-05", "2026-04-06")
    )
    assert before["mig_single_pension_age"]["value"] == 23_260
    assert after["mig_single_pension_age"]["value"] == 24_145
    api.get("/v1/rates", on="2031-04-06").refused("rates-missing", 422)
    api.get("/v1/rates", on="yesterday").refused("invalid-date", 422)


# --- dry runs of any command --------------------------------------------------------------


def test_any_command_can_be_tried_without_recording(paid: Api) -> None:
    before = paid.stored()
    asked = {
        "effective_on": "2026-04-22",
        "line_reference": LINE["line_reference"],
        "weekly_pence": 33_850,
        "dry_run": True,
    }
    seen = paid.post(f"{BUDGET}/revise-allocation", asked).done()
    assert seen["effect"]["total_pence"] == 4_886
    assert [event["event"] for event in seen["events"]] == ["personal-budget.allocation-revised.v1"]
    assert seen["version"] == paid.get(BUDGET)["version"]
    assert paid.stored() == before


def test_opening_can_be_tried_and_a_refusal_is_the_same(api: Api) -> None:
    asked = {
        "effective_on": "2026-04-06",
        "recipient_reference": "R1",
        "legal_basis": "care_act_2014",
        "primary_support_reason": "mental_health",
        "dry_run": True,
    }
    assert api.post(f"{BUDGET}/open", asked).done().json.get("effect") is None
    api.get(BUDGET).refused("budget-not-found", 404)
    suspend = {"effective_on": "2026-04-06", "dry_run": True}
    api.post(f"{BUDGET}/resume-payments", suspend).refused("budget-not-found", 404)
    open_budget(api)
    api.post(f"{BUDGET}/resume-payments", suspend).refused("payments-not-suspended", 422)


def test_a_dry_run_minds_the_version_looked_at(paid: Api) -> None:
    suspend = {
        "effective_on": "2026-04-20",
        "reason_code": "hospital_stay",
        "interim_arrangement": "in_hospital_or_care_home",
        "review_on": "2026-05-01",
        "dry_run": True,
    }
    stale = {"If_Match": '"3"'}
    paid.post(f"{BUDGET}/suspend-payments", suspend, **stale).refused("version-conflict", 412)
    tried = {**BACKDATED, "dry_run": True}
    paid.post(ASSESSMENTS, tried, **stale).refused("version-conflict", 412)
