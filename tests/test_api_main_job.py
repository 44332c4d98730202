"""The main job over HTTP: from a person to a settled bank file and an auditor's replay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.aggregates.event_sourced import Recorded
from ledger.bank.bacs_reader import read_bacs
from tests.api import (
    ACCOUNT_NUMBER,
    BUDGET,
    CYCLE,
    PERSONAL,
    SUSPENSION,
    Api,
    an_api,
    approve,
    make_payable,
    open_budget,
    prepare,
    serving,
)
from tests.given import a_line, an_open_budget, tell

PAID = 4 * (31_000 - 14_295)


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def opened_and_allocated(reference: str) -> list[Recorded]:
    """What a budget of £10.00 a week has in its history that was never offered to anyone."""
    budget = an_open_budget(reference)
    assert budget.opened is not None
    events = [budget.opened, *tell(budget, "agree_allocation", lines=(a_line(weekly=1_000),))]
    return [Recorded(budget.id, version, event) for version, event in enumerate(events, 1)]


def no_account_details_in(api: Api) -> None:
    assert len(api.answers) > 20
    for asked, content in api.answers:
        found = [word for word in PERSONAL if word in content.decode()]
        assert found == [], f"{asked} tells {found}"


def test_the_main_job(api: Api, tmp_path: Path) -> None:
    make_payable(api)
    prepared = prepare(api).done(201)
    assert (prepared["status"], prepared["line_count"]) == ("prepared", 1)
    assert prepared["total_pence"] == PAID
    assert [e["code"] for e in api.get(f"{CYCLE}/exceptions")["exceptions"]] == ["first_payment"]
    lines = api.get(f"{CYCLE}/lines").done()["lines"]
    assert [line["amount_pence"] for line in lines] == [PAID]
    assert [part["amount_pence"] for part in lines[0]["lines"]] == [124_000, -57_180]

    approve(api, by="ann").refused("approver-prepared-cycle", 403)
    before_approval = datetime.now(UTC).isoformat()
    assert approve(api).done()["status"] == "approved"
    early = api.post(f"{CYCLE}/settle", {"effective_on": "2026-04-02"})
    early.refused("cycle-not-issued", 409)
    api.get(f"{CYCLE}/file").refused("cycle-not-issued", 409)
    said = {"effective_on": "2026-03-27", "created_on": "2026-03-27"}
    issued = api.post(f"{CYCLE}/issue", said, by="carol").done()
    assert (issued["status"], issued["processing_on"]) == ("issued", "2026-04-01")

    file = api.get(f"{CYCLE}/file").done()
    assert hashlib.sha256(file.content).hexdigest() == issued["file_sha256"]
    assert file.content == api.get(f"{CYCLE}/file").content
    assert file.content == (tmp_path / "files" / issued["file_name"]).read_bytes()
    assert file.headers["content-disposition"] == f'attachment; filename="{issued["file_name"]}"'
    assert file.headers["cache-control"] == "no-store"
    assert [credit.account_number for credit in read_bacs(file.content).credits] == [ACCOUNT_NUMBER]

    settled = api.post(f"{CYCLE}/settle", {"effective_on": "2026-04-02"}, by="dave").done()
    assert (settled["status"], settled["approved_by"]) == ("settled", "bob")
    balance = api.get(f"{BUDGET}/balance").done()["accounts"]
    assert balance == {
        "bank": -PAID,
        "client_contributions": -57_180,
        "direct_payments": 124_000,
        "payments_due": 0,
    }
    assert sum(balance.values()) == 0
    assert api.get(f"{BUDGET}/balance", on="2026-04-01")["accounts"] == {}
    assert api.get(f"{BUDGET}/balance", known_at=before_approval)["accounts"] == {}
    totals = api.get(f"{CYCLE}/totals").done()
    finance = {
        "funding_stream": "social_care",
        "cost_centre": "S4100",
        "scheduled_pence": PAID,
        "issued_pence": PAID,
        "confirmed_pence": PAID,
        "returned_pence": 0,
        "rejected_pence": 0,
        "outstanding_pence": 0,
    }
    assert totals["finance"] == [finance]
    assert totals["prepared"][0]["amount_pence"] == PAID
    assert [row["status"] for row in api.get("/v1/cycles")["cycles"]] == ["settled"]
    no_account_details_in(api)


def test_a_budget_shows_where_it_stands(api: Api) -> None:
    make_payable(api)
    shown = api.get(BUDGET, on="2026-04-12").done()
    assert shown["version"] == 7
    assert shown.headers["etag"].startswith('"7.')
    assert shown["weekly_budget_pence"] == 31_000
    assert [line["weekly_pence"] for line in shown["allocations"]] == [31_000]
    assert shown["contribution"] == {
        "starts_on": "2026-04-06",
        "weekly_pence": 14_295,
        "basis": "net",
        "full_cost": False,
        "order": [],
        "assessment_reference": "",
    }
    assert (shown["due"]["to"], shown["due"]["amount_pence"]) == ("2026-04-12", 31_000 - 14_295)
    assert shown["due"]["held_back_by"] == []
    assert (shown["payee"]["account"], shown["payee"]["proposed_by"]) == ("****5926", "ann")
    assert (shown["payee"]["modulus_check"], shown["payee"]["name_check"]) == ("no_table", None)

    api.post(f"{BUDGET}/suspend-payments", SUSPENSION).done()
    suspended = api.get(BUDGET, on="2026-04-12")
    assert suspended["due"]["amount_pence"] < 31_000 - 14_295
    assert [gate["code"] for gate in suspended["due"]["held_back_by"]] == ["payments-are-suspended"]
    [suspension] = suspended["suspensions"]
    assert suspension == {
        "reason_code": "hospital_stay",
        "starts_on": "2026-04-10",
        "ends_on": None,
        "retainer_weekly_pence": 0,
        "interim_arrangement": "in_hospital_or_care_home",
        "review_on": "2026-05-01",
        "is_resumed": False,
    }
    assert api.get(BUDGET, on="2026-04-08")["suspensions"] == []

    period = {"starts_on": "2026-04-06", "ends_on": "2026-07-05"}
    asked = {"effective_on": "2026-04-06", "return_reference": "SR1", "due_on": "2026-08-05"}
    api.post(f"{BUDGET}/request-spend-return", {**asked, "period": period}).done()
    clawback = {"clawback_reference": "CB1", "amount_pence": 5_000, "cause_code": "surplus"}
    api.post(f"{BUDGET}/propose-clawback", {"effective_on": "2026-04-06", **clawback}).done()
    shown = api.get(BUDGET, on="2026-08-06")
    assert [(r["status"], r["overdue"]) for r in shown["spend_returns"]] == [("requested", True)]
    assert [c["standing"]["proposed_pence"] for c in shown["clawbacks"]] == [5_000]


def test_a_payment_shows_what_became_of_it(api: Api) -> None:
    make_payable(api)
    prepare(api).done(201)
    approve(api).done()
    (payment,) = api.get(BUDGET)["payments"]
    assert (payment["status"], payment["amount_pence"]) == ("scheduled", PAID)
    returned = {"effective_on": "2026-04-02", "payment_reference": payment["payment_reference"]}
    api.post(f"{BUDGET}/return-payment", {**returned, "reason_code": "0"}).done()
    assert [p["status"] for p in api.get(BUDGET)["payments"]] == ["returned"]
    again = {"only": ["PB000001"], "reissue": [payment["payment_reference"]]}
    off_cycle = prepare(api, "/v1/cycles/C2", **again).done(201)
    assert (off_cycle["off_cycle"], off_cycle["total_pence"]) == (True, PAID)
    approve(api, "/v1/cycles/C2").done()
    assert [p["status"] for p in api.get(BUDGET)["payments"]] == ["reissued", "scheduled"]
    prepare(api, "/v1/cycles/C3", only=["PB9"]).refused("budget-not-found", 404)
    prepare(api, "/v1/cycles/C3", reissue=["DPNONE"]).refused("payment-not-found", 404)


def test_a_history_reads_as_plain_english(api: Api) -> None:
    make_payable(api)
    known_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION, by="carol").done()
    events = api.get(f"{BUDGET}/history").done()["events"]
    assert [event["version"] for event in events] == list(range(1, 9))
    assert events[0]["event"] == "personal-budget.opened.v1"
    assert events[0]["sentence"].startswith("The personal budget PB000001 was opened from 6 April")
    assert events[-1]["recorded_by"] == "carol"
    assert events[-1]["facts"] == {
        "reason_code": "hospital_stay",
        "review_on": "2026-05-01",
        "retainer_weekly_pence": 0,
        "expires_on": None,
        "interim_arrangement": "in_hospital_or_care_home",
    }
    assert all("fingerprint" not in event["facts"] for event in events)
    assert len(api.get(f"{BUDGET}/history", on="2026-04-09")["events"]) == 7
    assert len(api.get(f"{BUDGET}/history", known_at=known_at)["events"]) == 7
    early = api.get(BUDGET, known_at="2020-01-01T00:00:00Z")
    early.refused("budget-not-found", 404)


def test_registers_are_paged_by_reference(api: Api) -> None:
    for number in (3, 1, 2, 5, 4):
        open_budget(api, f"PB{number}", f"R{number}")
    first = api.get("/v1/budgets", limit=2).done()
    assert [row["reference"] for row in first["budgets"]] == ["PB1", "PB2"]
    second = api.get("/v1/budgets", limit=3, after=first["next_after"])
    assert [row["reference"] for row in second["budgets"]] == ["PB3", "PB4", "PB5"]
    assert second["next_after"] is None
    assert api.get("/v1/budgets", after="PB5").json == {"budgets": [], "next_after": None}
    assert api.get("/v1/budgets", limit=5)["next_after"] is None


def test_a_reference_may_hold_a_slash(api: Api) -> None:
    open_budget(api, "PB/1/A")
    assert api.get("/v1/budgets/PB/1/A").done()["reference"] == "PB/1/A"
    assert api.get("/v1/budgets/PB%2F1%2FA/history").done()["reference"] == "PB/1/A"


def test_long_lists_of_a_cycle_are_paged(api: Api) -> None:
    """More than one event's worth of exceptions, and a preparation after a rejection."""
    api.ledger.append([e for n in range(1, 1_203) for e in opened_and_allocated(f"PB{n:06d}")])
    prepare(api).done(201)
    reject = {"effective_on": "2026-03-27", "reason_code": "other"}
    assert api.post(f"{CYCLE}/reject", reject, by="bob").done()["status"] == "rejected"
    prepared = prepare(api).done(200)
    whole = api.ledger.cycle("C2026-01")
    assert prepared["version"] == whole.version == api.get(CYCLE)["version"]
    assert prepared["exception_count"] == len(whole.exceptions) > 1_202
    after: int | None = 0
    seen = []
    while after is not None:
        page = api.get(f"{CYCLE}/exceptions", after=after, limit=333).done()
        seen += [(e["budget_reference"], e["code"]) for e in page["exceptions"]]
        after = page["next_after"]
    assert seen == [(e.budget_reference, e.code) for e in whole.exceptions]
    one = api.get(f"{CYCLE}/exceptions", after=999, limit=2)["exceptions"]
    assert [(e["budget_reference"], e["code"]) for e in one] == seen[999:1001]
    assert api.get(f"{CYCLE}/exceptions", after=10**6)["exceptions"] == []
    assert api.get(f"{CYCLE}/lines")["lines"] == []


def test_a_cycle_is_cancelled(api: Api) -> None:
    make_payable(api)
    prepare(api).done(201)
    cancelled = api.post(f"{CYCLE}/cancel", {"effective_on": "2026-03-27"}).done()
    assert cancelled["status"] == api.get(CYCLE)["status"] == "cancelled"
    prepare(api).refused("cycle-already-decided", 409)


def test_an_approved_cycle_is_cancelled_with_its_payments(api: Api) -> None:
    make_payable(api)
    prepare(api).done(201)
    approve(api).done()
    cancelled = api.post(f"{CYCLE}/cancel", {"effective_on": "2026-03-30"}).done()
    assert cancelled["status"] == "cancelled"
    assert [p["status"] for p in api.get(BUDGET)["payments"]] == ["cancelled"]
    assert set(api.get(f"{BUDGET}/balance")["accounts"].values()) == {0}
    assert api.get(BUDGET, on="2026-05-03")["due"]["amount_pence"] == PAID


def test_what_another_process_wrote_is_there_at_once(api: Api, tmp_path: Path) -> None:
    """The read tables are caught up before they answer."""
    with serving(api.ledger.settings) as other:
        open_budget(other)
    assert [row["reference"] for row in api.get("/v1/budgets")["budgets"]] == ["PB000001"]
    assert api.get(f"{BUDGET}/balance").done()["accounts"] == {}
