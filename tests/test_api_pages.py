"""Lists in pages that nothing is lost between, and answers that somebody has already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from ledger.api import NOUNS
from tests.api import (
    BUDGET,
    CYCLE,
    SUSPENSION,
    Answer,
    Api,
    an_api,
    make_payable,
    open_budget,
    prepare,
)


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def pages(api: Api, path: str, **asked: Any) -> Iterator[Answer]:
    """Every page of a list, one after the other, by the links alone."""
    page = api.get(path, limit=1, **asked).done()
    yield page
    while "link" in page.headers:
        link = page.headers["link"]
        assert link.startswith("<")
        assert link.endswith('>; rel="next"')
        page = api.ask(link[1 : link.index(">")]).done()
        yield page
    assert page["next_after"] is None


# --- pages --------------------------------------------------------------------------------


def test_every_list_comes_in_pages_in_the_same_way():
    """What has a `next_after` is asked for by `limit` and `after`, and the other way round."""
    paged = set()
    for noun in NOUNS:
        for route in noun.router.routes:
            assert isinstance(route, APIRoute)
            asked = {p.alias for p in route.dependant.query_params}
            assert ("limit" in asked) == ("after" in asked), route.path
            if "limit" in asked:
                paged.add(route.path_format)
    assert len(paged) == 22, sorted(paged)


def test_a_page_leads_to_the_next_and_nothing_is_lost_in_between(api: Api):
    for number in (1, 3, 5):
        open_budget(api, f"PB00000{number}", f"R{number}")
    found = []
    for page in pages(api, "/v1/budgets"):
        found += [budget["reference"] for budget in page["budgets"]]
        if len(found) == 1:  # two come in between, of which one is before the place
            open_budget(api, "PB000000", "R0")
            open_budget(api, "PB000004", "R4")
    assert found == ["PB000001", "PB000003", "PB000004", "PB000005"]


def test_a_history_in_pages_is_the_whole_history(api: Api):
    make_payable(api)
    whole = api.get(f"{BUDGET}/history")["events"]
    versions = []
    for page in pages(api, f"{BUDGET}/history", on="2026-04-06"):
        versions += [event["version"] for event in page["events"]]
        if len(versions) == 2:
            api.post(f"{BUDGET}/suspend-payments", {**SUSPENSION, "effective_on": "2026-04-06"})
    assert versions == [*(event["version"] for event in whole), len(whole) + 1]


def test_closed_periods_in_pages(api: Api):
    for day in ("2026-03-31", "2026-04-30", "2026-05-31"):
        api.post("/v1/accounts/close", {"closed_to": day}).done()
    found = [page["periods"] for page in pages(api, "/v1/accounts/periods")]
    assert [period["ends_on"] for (period,) in found] == ["2026-03-31", "2026-04-30", "2026-05-31"]
    assert api.get("/v1/accounts/periods", limit=1)["version"] == 3


def test_exceptions_and_lines_in_pages(api: Api):
    for number in (1, 2, 3):
        make_payable(api, f"PB00000{number}", f"R{number}")
    open_budget(api, "PB000004", "R4")
    prepare(api).done(201)
    lines = [line["budget_reference"] for page in pages(api, f"{CYCLE}/lines")
             for line in page["lines"]]  # fmt: skip
    assert lines == ["PB000001", "PB000002", "PB000003"]
    whole = api.get(f"{CYCLE}/exceptions")["exceptions"]
    assert [page["exceptions"][0] for page in pages(api, f"{CYCLE}/exceptions")] == whole


# --- what somebody has already ------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(api: Api):
    make_payable(api)
    prepare(api).done(201)
    for path in (BUDGET, CYCLE, "/v1/accounts/periods"):
        first = api.get(path).done()
        for had in (first.headers["etag"], f"W/{first.headers['etag']}", "*",
                    f'"other", {first.headers["etag"]}'):  # fmt: skip
            headers = {"X-Acting-As": "ann", "If-None-Match": had}
            again = api.request("GET", path, headers=headers).done(304)
            assert again.content == b""
            assert again.headers["etag"] == first.headers["etag"]
            assert "content-length" not in again.headers
        for had in ("", '"other"', first.headers["etag"].strip('"'), '"7"'):
            headers = {"X-Acting-As": "ann", "If-None-Match": had}
            assert api.request("GET", path, headers=headers).done(200).content == first.content


def test_what_is_answered_otherwise_is_sent_though_the_version_is_the_same(api: Api):
    make_payable(api)
    april = api.get(BUDGET, on="2026-04-30").done()
    may = api.get(BUDGET, on="2026-05-31").done()
    assert april["version"] == may["version"]
    headers = {"X-Acting-As": "ann", "If-None-Match": april.headers["etag"]}
    api.request("GET", f"{BUDGET}?on=2026-05-31", headers=headers).done(200)
    api.request("GET", f"{BUDGET}?on=2026-04-30", headers=headers).done(304)
    suspended = api.post(f"{BUDGET}/suspend-payments", SUSPENSION, If_Match=may.headers["etag"])
    suspended.done()  # a change is of the version, whichever day was looked at
    api.request("GET", f"{BUDGET}?on=2026-04-30", headers=headers).done(200)


def test_who_may_not_see_it_is_not_told_that_it_has_not_changed(api: Api):
    open_budget(api)
    etag = api.get(BUDGET).headers["etag"]
    refused = api.request("GET", BUDGET, headers={"If-None-Match": etag})
    refused.refused("not-signed-in", 401)
