"""Bank reports over HTTP: brought in as a file, the queue in pages, an item resolved by version."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.api import CYCLE, Api, an_api, approve, make_payable, prepare
from tests.bank_reports import Returned, arucs_xml

SUN = "123456"


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def test_a_report_of_strangers_waits_and_is_dismissed_item_by_item(api: Api):
    items = [Returned(f"STRANGER {number}", 100 + number, "0128") for number in range(11)]
    report = arucs_xml(SUN, items, date(2026, 4, 9))
    brought_in = api.post("/v1/reports", report, Content_Type="application/xml").done()
    at = f"/v1/reports/{brought_in['reference']}"

    found, after = [], ""
    while True:
        page = api.get("/v1/reports/queue", limit=4, after=after).done()
        found += [one["queued"]["item"] for one in page["queue"]]
        if (after := page["next_after"]) is None:
            break
        assert "link" in page.headers
    assert found == list(range(1, 12)), "the eleventh comes after the tenth, not after the first"

    this = {"effective_on": "2026-04-10", "item": 1, "reason_code": "not_ours"}
    match = {"effective_on": "2026-04-10", "item": 1, "budget_reference": "PB1",
             "payment_reference": "DP1"}  # fmt: skip
    for step, body in (("dismiss", this), ("match", match)):
        stale = api.post(f"{at}/{step}", body, If_Match='"999"')
        stale.refused("version-conflict", 412)
    done = api.post(f"{at}/dismiss", this).done()
    assert done["waiting"] == list(range(2, 12))
    again = api.post(f"{at}/dismiss", {**this, "item": 2}, If_Match=f'"{done["version"]}"')
    assert again.done()["version"] == done["version"] + 1


def test_nobody_matches_an_item_to_a_payment_of_their_own(api: Api):
    make_payable(api)
    prepare(api).done(201)
    approve(api).done()
    said = {"effective_on": "2026-03-27", "created_on": "2026-03-27"}
    api.post(f"{CYCLE}/issue", said, by="carol").done()
    (payment,) = api.ledger.budget("PB000001").payments
    amount_pence = api.ledger.budget("PB000001").payments[payment].amount_pence
    report = arucs_xml(SUN, [Returned("ANOTHER-1", amount_pence, "0128")], date(2026, 4, 9))
    brought_in = api.post("/v1/reports", report, Content_Type="application/xml").done()
    at = f"/v1/reports/{brought_in['reference']}/match"
    match = {"effective_on": "2026-04-10", "item": 1, "budget_reference": "PB000001",
             "payment_reference": payment, "reason_code": "0"}  # fmt: skip
    opened = api.ledger.budget("PB000001").opened
    assert opened is not None
    api.add_user("rhys", "finance_officer", person_reference=opened.recipient_reference)
    api.post(at, match, by="rhys").refused("interest-in-budget", 403)
    assert not api.ledger.budget("PB000001").held_payments
    api.post(at, match).done()
    assert list(api.ledger.budget("PB000001").held_payments) == [payment]
