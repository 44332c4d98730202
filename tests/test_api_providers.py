"""Providers over HTTP: each change once, nothing personal in an answer, and the breakdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, an_api
from tests.main_job import a_caseload, approve, issue, prepare, settle, take_in
from tests.providers import SUNRISE, a_mixed_row, a_provider_in, hold_fund, manage_in

PROVIDER = "/v1/providers/SUNRISE"
SAID: dict[str, Any] = {"effective_on": "2026-03-27"}
NAMED = {**SAID, "name": "Sunrise Care Ltd"}
ACCOUNT = {
    **SAID,
    "account_name": "Sunrise client account",
    "sort_code": "99-99-03",
    "account_number": "70000001",
}


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def proposed(api: Api) -> str:
    """A provider is registered and its account proposed by Ann; returns its reference."""
    api.post(f"{PROVIDER}/register", NAMED).done(201)
    (event,) = api.post(f"{PROVIDER}/propose-account", ACCOUNT).done()["events"]
    account: str = event["facts"]["account_reference"]
    return account


def test_a_provider_from_its_registration_to_its_end(api: Api) -> None:
    account = proposed(api)
    this = {**SAID, "account_reference": account}
    api.post(f"{PROVIDER}/verify-account", this).refused("verifier-proposed-payee", 403)
    waiting = api.get(PROVIDER).done()
    assert waiting["account"] is None
    assert [one["account"] for one in waiting["proposed_accounts"]] == ["****0001"]
    assert waiting["version"] == 2
    assert waiting.headers["etag"].startswith('"2.')

    stale = api.post(f"{PROVIDER}/verify-account", this, by="bob", If_Match='"1"')
    stale.refused("version-conflict", 412)
    api.post(f"{PROVIDER}/verify-account", this, by="bob", If_Match='"2"').done()
    shown = api.get(PROVIDER).done()
    assert (shown["name"], shown["account"]["account_reference"]) == ("Sunrise Care Ltd", account)

    (entry,) = api.get("/v1/providers").done()["providers"]
    assert (entry["reference"], entry["account_reference"]) == (SUNRISE, account)
    api.post(f"{PROVIDER}/withdraw-account", {**this, "reason_code": "wrong_details"}).done()
    assert api.get(PROVIDER)["account"] is None
    api.post(f"{PROVIDER}/end", {**SAID, "reason_code": "contract_ended"}).done()
    assert api.get(PROVIDER)["ended_on"] == "2026-03-27"
    late = {**ACCOUNT, "effective_on": "2026-03-28"}
    api.post(f"{PROVIDER}/propose-account", late).refused("provider-has-ended", 422)
    for path, answered in api.answers:
        assert b"70000001" not in answered, path


def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    first = api.post(f"{PROVIDER}/register", NAMED, key="one").done(201)
    stored = api.stored()
    again = api.post(f"{PROVIDER}/register", NAMED, key="one").done(201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    first = api.post(f"{PROVIDER}/propose-account", ACCOUNT, key="two").done()
    again = api.post(f"{PROVIDER}/propose-account", ACCOUNT, key="two").done()
    assert again.content == first.content
    assert api.stored() == (stored[0] + 1, stored[1] + 1)
    assert api.post(f"{PROVIDER}/register", NAMED).done()["events"] == [], "it is so already"


@pytest.mark.parametrize(
    ("verb", "body", "code", "status"),
    [
        ("register", {**NAMED, "name": "Other Ltd"}, "provider-already-known", 409),
        ("register", {**NAMED, "name": ""}, "invalid-value", 422),
        ("register", {**NAMED, "phone": "1"}, "body-invalid", 422),
        ("propose-account", {**ACCOUNT, "sort_code": "9"}, "unreadable-sort-code", 422),
        ("verify-account", {**SAID, "account_reference": "none"}, "payee-not-proposed", 422),
        ("end", {**SAID, "reason_code": "bored"}, "body-invalid", 422),
    ],
)
def test_what_is_not_allowed_is_refused_and_leaves_nothing(
    api: Api, verb: str, body: dict[str, Any], code: str, status: int
) -> None:
    api.post(f"{PROVIDER}/register", NAMED).done(201)
    stored = api.stored()
    api.post(f"{PROVIDER}/{verb}", body).refused(code, status)
    assert api.stored() == stored


def test_a_budget_names_only_a_provider_who_is_there(api: Api) -> None:
    take_in(api.ledger, a_caseload(a_mixed_row(1)))
    hold = {"effective_on": "2026-04-06", "provider_reference": SUNRISE}
    at = "/v1/budgets/PB000001/hold-service-fund"
    api.post(at, hold).refused("provider-not-found", 404)
    a_provider_in(api.ledger)
    tried = api.post(at, {**hold, "dry_run": True}).done()
    assert {one["channel"] for one in tried["effect"]["coming_payments"]} == {
        "direct_payment",
        "service_fund",
    }
    api.post(at, hold).done()
    fund = api.get("/v1/budgets/PB000001", on="2026-05-03")["service_fund"]
    assert (fund["provider_reference"], fund["paid_from"]) == (SUNRISE, "2026-04-06")
    assert fund["due"]["amount_pence"] == 80_000


def test_whose_money_it_holds_and_what_a_credit_is_made_up_of(api: Api) -> None:
    ledger = api.ledger
    take_in(ledger, a_caseload(a_mixed_row(1), a_mixed_row(2), a_mixed_row(3)))
    a_provider_in(ledger)
    for reference in ("PB000001", "PB000002"):
        hold_fund(ledger, reference)
    manage_in(ledger, "PB000003")
    first = api.get(f"{PROVIDER}/budgets", limit=2).done()
    assert [one["budget_reference"] for one in first["budgets"]] == ["PB000001", "PB000002"]
    rest = api.get(f"{PROVIDER}/budgets", limit=2, after=first["next_after"]).done()
    assert (rest["next_after"], rest["budgets"]) == (
        None,
        [{"budget_reference": "PB000003", "managed_account": True, "service_fund": False}],
    )
    api.get("/v1/providers/HARBOUR/budgets").refused("provider-not-found", 404)

    cycle = approve(ledger, prepare(ledger))
    issue(ledger, cycle)
    settle(ledger, cycle)
    at = f"/v1/cycles/{cycle.reference}/breakdowns/SUNRISE"
    found = api.get(at).done()
    assert found["totals"]["amount_pence"] == 2 * 80_000 + 66_820
    assert sum(line["amount_pence"] for line in found["lines"]) == found["totals"]["amount_pence"]
    sheet, page = api.get(at, format="csv").done(), api.get(at, format="html").done()
    assert sheet.type.startswith("text/csv")
    assert sheet.content.startswith(b"\xef\xbb\xbfbudget,")
    assert page.type.startswith("text/html")
    assert b"Sunrise Care Ltd" in page.content
    api.get(f"{at[:-7]}HARBOUR").refused("provider-not-in-cycle", 404)
    assert api.get(at, format="pdf").status == 422
