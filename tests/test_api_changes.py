"""Mass changes over HTTP: each step once, and exactly what the approver looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.assessments import explain
from tests.api import Api, an_api
from tests.given import on
from tests.main_job import tell_budget
from tests.mass_change import assess, budgets, pb

CHANGE = "/v1/changes/APR26"
PARAMETERS: dict[str, Any] = {
    "kind": "reassess",
    "effective_on": "2026-04-06",
    "decided_on": "2026-03-20",
    "uprate": [["state_pension", 480], ["attendance_allowance", 380]],
}
BODY = {"effective_on": "2026-03-20", "parameters": PARAMETERS}
SAID = {"effective_on": "2026-03-23"}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Four budgets: three people assessed here, one contribution only stated."""
    with an_api(database_url, tmp_path) as api:
        budgets(api.ledger, 4)
        for number in (1, 2, 3):
            assess(api.ledger, number)
        yield api


def seen(prepared: Any) -> dict[str, Any]:
    """What an approver states."""
    totals, sha256 = prepared["totals"], prepared["lines_sha256"]
    return {**SAID, "now_pence": totals["now_pence"], "lines_sha256": sha256}


def test_an_april_uplift_from_start_to_end(api):
    stored = api.stored()
    tried = api.post(f"{CHANGE}/prepare", {**BODY, "dry_run": True}).done()
    assert api.stored() == stored, "a dry run records nothing, not even its key"
    assert [line["outcome"] for line in tried["lines"]] == ["changed"] * 3 + ["held"]
    api.get(CHANGE).refused("mass-change-not-found", 404)

    prepared = api.post(f"{CHANGE}/prepare", BODY).done(201)
    assert prepared["lines_sha256"] == tried["lines_sha256"]
    assert (prepared["status"], prepared["held"]) == ("prepared", {"stated": 1})
    now = api.get(CHANGE).done()
    assert now["moved_on"] == []
    assert now.headers["etag"].startswith(f'"{now["version"]}.')
    body = seen(prepared)
    api.post(f"{CHANGE}/apply", SAID).refused("mass-change-already-decided", 409)
    api.post(f"{CHANGE}/approve", body).refused("approver-prepared-mass-change", 403)
    api.add_user("rita", "finance_approver", person_reference="R000001")
    api.post(f"{CHANGE}/approve", body, by="rita").refused("interest-in-budget", 403)
    wrong = {**body, "now_pence": body["now_pence"] + 1}
    api.post(f"{CHANGE}/approve", wrong, by="bob").refused("mass-change-differs-from-seen", 409)
    assert api.post(f"{CHANGE}/approve", body, by="bob").done()["approved_by"] == "bob"

    applied = api.post(f"{CHANGE}/apply", SAID, by="otto", key="once").done()
    assert (applied["status"], applied["applied_count"], applied["skipped"]) == ("applied", 3, [])
    stored = api.stored()
    again = api.post(f"{CHANGE}/apply", SAID, by="otto", key="once").done()
    assert again.content == applied.content
    assert again.headers["idempotency-replayed"] == "true"
    assert api.stored() == stored
    assert api.post(f"{CHANGE}/apply", SAID, by="otto").done()["version"] == applied["version"]
    assert explain(api.ledger, pb(1), on("04-06")).charged.weekly_pence == 11_377
    (entry,) = api.get("/v1/changes").done()["changes"]
    assert (entry["status"], entry["now_pence"]) == ("applied", 3 * 11_377)


def test_lines_come_by_page_and_outcome(api):
    api.post(f"{CHANGE}/prepare", BODY).done(201)
    first = api.get(f"{CHANGE}/lines", limit=3).done()
    assert [line["budget_reference"] for line in first["lines"]] == [pb(1), pb(2), pb(3)]
    assert (first["line_count"], first["next_after"]) == (4, 3)
    last = api.get(f"{CHANGE}/lines", limit=3, after=3).done()
    assert [line["reason"] for line in last["lines"]] == ["stated"]
    assert last["next_after"] is None
    held = api.get(f"{CHANGE}/lines", outcome="held").done()
    assert [line["budget_reference"] for line in held["lines"]] == [pb(4)]
    assert api.get(f"{CHANGE}/lines", outcome="other").status == 422


def test_it_is_rejected_and_prepared_again_at_the_version_looked_at(api):
    api.post(f"{CHANGE}/prepare", BODY).done(201)
    version = api.get(CHANGE)["version"]
    rejection = {**SAID, "reason_code": "wrong_date"}
    stale = api.post(f"{CHANGE}/reject", rejection, by="bob", If_Match='"1"')
    stale.refused("version-conflict", 412)
    done = api.post(f"{CHANGE}/reject", rejection, by="bob", If_Match=f'"{version}"').done()
    assert done["status"] == "rejected"
    assert api.post(f"{CHANGE}/prepare", BODY).done()["status"] == "prepared"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"hold_over": 500}, "body-invalid"),
        ({"kind": "remove"}, "body-invalid"),
        ({"uprate": [["state_pension", 4.8]]}, "body-invalid"),
        ({"uprate": [["pension", 480]]}, "invalid-value"),
        ({"uplift_basis_points": 320}, "invalid-value"),
        ({"weekly_cap_pence": -1, "recovery": "weekly_cap"}, "invalid-value"),
        ({"hold_over_pence": -1}, "invalid-value"),
        ({"effective_on": "2028-04-03"}, "rates-missing"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_not_right_is_refused_and_nothing_recorded(api, parameters, code, dry_run):
    stored = api.stored()
    body = {**BODY, "parameters": {**PARAMETERS, **parameters}, "dry_run": dry_run}
    api.post(f"{CHANGE}/prepare", body).refused(code, 422)
    assert api.stored() == stored


def test_every_step_can_be_tried_first(api):
    prepared = api.post(f"{CHANGE}/prepare", BODY).done(201)
    stored = api.stored()
    trial = {**seen(prepared), "dry_run": True}
    api.post(f"{CHANGE}/approve", trial).refused("approver-prepared-mass-change", 403)
    assert api.post(f"{CHANGE}/approve", trial, by="bob").done()["status"] == "approved"
    rejection = {**SAID, "reason_code": "wrong_date", "dry_run": True}
    assert api.post(f"{CHANGE}/reject", rejection, by="bob").done()["status"] == "rejected"
    assert api.stored() == stored
    assert api.get(CHANGE)["status"] == "prepared"

    api.post(f"{CHANGE}/approve", seen(prepared), by="bob").done()
    tell_budget(api.ledger, pb(2), "close", reason_code="moved_away", effective_on=on("04-05"))
    stored = api.stored()
    would = api.post(f"{CHANGE}/apply", {**SAID, "dry_run": True}, by="otto").done()
    assert (would["status"], would["applied_count"]) == ("applied", 2)
    assert [one["budget_reference"] for one in would["skipped"]] == [pb(2)]
    assert api.stored() == stored
    done = api.post(f"{CHANGE}/apply", SAID, by="otto").done()
    assert (done["applied_count"], done["skipped"]) == (2, would["skipped"])
