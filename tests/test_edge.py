"""What every request meets first and every answer last: numbers, limits, the log, refusals kept."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from ledger.access import refused
from ledger.access.guard import needed
from ledger.access.refused import kept, only_counted
from ledger.application import Ledger
from ledger.durable import refused_requests
from ledger.edge import MOST_ADDRESS_BYTES, MOST_HEADER_BYTES
from ledger.web import PARTS
from ledger.web.sessions import COOKIE, Sessions
from tests.api import (
    BUDGET,
    OPENING,
    Answer,
    Api,
    an_api,
    approve,
    make_payable,
    open_budget,
    prepare,
    serving,
)
from tests.main_job import settings_for
from tests.pbledger import ROOT, Pbledger
from tests.test_roles import ROUTES, ask
from tests.web import Page, Site, a_site

NUMBER = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


@pytest.fixture
def small(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """For rules that no database has a part in."""
    with an_api(sqlite_url, tmp_path) as api:
        yield api


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(database_url, tmp_path) as site:
        site.add_user("amira", "finance_officer")
        yield site


def limited(url: str, folder: Path, **limits: int) -> Iterator[Api]:
    settings = settings_for(url, folder).model_copy(update=limits)
    Ledger.initialise(settings)
    with serving(settings) as api:
        yield api


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the log says of each request."""
    return [json.loads(r.message) for r in caplog.records if r.name == "ledger.requests"]


# --- the number of a request --------------------------------------------------------------


def test_every_answer_has_a_number(site: Site):
    client = site.visitor().client
    paths = ("/health", "/v1/budgets", "/v1/nowhere", "/", "/sign-in", "/nowhere", "/theme.css")
    numbers = [client.get(path).headers["x-request-id"] for path in paths]
    assert len(set(numbers)) == len(paths)
    assert all(NUMBER.fullmatch(number) for number in numbers)


def test_a_number_of_the_senders_own_comes_back_and_stands_in_the_problem(small: Api):
    own = {"X-Request-Id": "batch-7.42_a"}
    answer = small.request("GET", "/v1/budgets", headers=own).refused("not-signed-in", 401)
    assert answer.headers["x-request-id"] == "batch-7.42_a"
    assert answer["instance"] == "urn:pbledger:request:batch-7.42_a"


@pytest.mark.parametrize(
    "given",
    ["", "short", "x" * 65, "a b c d e f g", "eight\tchars", "Siân-Siân", '{"a":"b"}', "a/b/c/d/e",
     "12345678\r\nSet-Cookie: a=b", "12345678%0d%0aSet-Cookie: a=b"],
)  # fmt: skip
def test_a_number_that_is_no_number_is_replaced(small: Api, given: str):
    answer = small.request("GET", "/health", headers={"X-Request-Id": given.encode()}).done()
    assert NUMBER.fullmatch(answer.headers["x-request-id"])
    assert "set-cookie" not in answer.headers


def test_what_fails_inside_has_a_number_too(api: Api, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    person = {"name": "Amina Khan", "date_of_birth": "1988-12-31"}
    api.put("/v1/people/R1", person).done(201)
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE people SET wrapped_key = NULL WHERE 1 = 0")
        connection.exec_driver_sql("DROP TABLE web_sessions")
        connection.exec_driver_sql("DROP TABLE users")
    failed = api.get("/v1/budgets")
    assert failed.status in (500, 503)
    number = failed.headers["x-request-id"]
    assert failed["instance"] == f"urn:pbledger:request:{number}"
    (line,) = [line for line in lines(caplog) if line["request_id"] == number]
    assert line["status"] == failed.status


# --- limits -------------------------------------------------------------------------------


def test_whoever_asks_too_often_waits(database_url: str, tmp_path: Path):
    for api in limited(database_url, tmp_path, requests_per_minute_by_an_actor=3):
        for left in (2, 1, 0):
            answer = api.get("/v1/budgets").done()
            assert answer.headers["ratelimit-policy"] == '"actor";q=3;w=60'
            assert re.fullmatch(rf'"actor";r={left};t=\d+', answer.headers["ratelimit"])
        waits = api.get("/v1/budgets").refused("too-many-requests", 429)
        assert waits["retryable"]
        assert 1 <= int(waits.headers["retry-after"]) <= 60
        api.post(f"{BUDGET}/open", OPENING).refused("too-many-requests", 429)
        assert api.stored() == (0, 0)
        api.ask("/v1/budgets", by="bob").done()


def test_an_address_is_limited_whoever_asks_but_never_whether_the_server_lives(
    sqlite_url: str, tmp_path: Path
):
    for api in limited(sqlite_url, tmp_path, requests_per_minute_from_an_address=2):
        for by in ("ann", "bob"):
            answer = api.ask("/v1/budgets", by=by).done()
            assert answer.headers["ratelimit-policy"] == '"address";q=2;w=60'
        api.ask("/v1/budgets", by="eve").refused("too-many-requests", 429)
        api.request("GET", "/v1/nowhere").refused("too-many-requests", 429)
        for path in ("/health", "/ready"):
            assert "ratelimit" not in api.request("GET", path).done().headers
        elsewhere = TestClient(
            api.client.app, base_url="http://localhost", client=("127.0.0.2", 50_000)
        )
        Answer(elsewhere.get("/v1/budgets", headers={"X-Acting-As": "eve"})).done()


def test_who_looks_at_too_many_pages_is_told_so_on_a_page(sqlite_url: str, tmp_path: Path):
    with a_site(sqlite_url, tmp_path, requests_per_minute_from_an_address=3) as site:
        visitor = site.visitor()
        for _ in range(3):
            visitor.open("/sign-in").done()
        page = visitor.open("/sign-in").refused(429, "wait a little")
        assert page.headers["retry-after"]
        assert page.headers["content-type"].startswith("text/html")


def test_all_the_addresses_of_a_network_are_one(sqlite_url: str, tmp_path: Path):
    for api in limited(sqlite_url, tmp_path, requests_per_minute_from_an_address=2):
        statuses = []
        for number in (1, 2, 3):
            elsewhere = TestClient(
                api.client.app, base_url="http://localhost", client=(f"2001:db8::{number}", 1)
            )
            statuses.append(elsewhere.get("/v1/budgets").status_code)
        assert statuses == [403, 403, 429]  # from elsewhere nobody is believed


def test_nothing_is_limited_that_the_settings_do_not_limit(small: Api):
    assert "ratelimit" not in small.get("/v1/budgets").done().headers


# --- the log ------------------------------------------------------------------------------


def test_the_log_has_a_line_for_each_request(api: Api, caplog: pytest.LogCaptureFixture):
    open_budget(api)
    caplog.set_level(logging.INFO, "ledger.requests")
    caplog.clear()
    number = {"X-Request-Id": "from-a-program", "X-Acting-As": "ann"}
    api.request("GET", f"{BUDGET}?on=2026-05-03", headers=number).done()
    api.get("/v1/budgets/PB9").refused("budget-not-found", 404)
    api.request("GET", "/v1/Ada-Nwosu?born=1951-03-02").refused("address-not-found", 404)
    first, second, third = lines(caplog)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", first.pop("time"))
    assert 0 < first.pop("milliseconds") < 60_000
    assert first == {
        "request_id": "from-a-program",
        "method": "GET",
        "route": "/v1/budgets/{reference}",
        "status": 200,
        "code": None,
        "actor": "ann",
    }
    assert (second["status"], second["code"]) == (404, "budget-not-found")
    assert (third["route"], third["actor"]) == (None, None)
    assert all(name not in caplog.text for name in ("PB9", "2026-05-03", "Ada", "1951"))


def test_a_line_is_one_line_whatever_is_sent(small: Api, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "ledger.requests")
    odd = {"X-Acting-As": b'ann","status":200}\n{', "X-Request-Id": b'x"\nforged-line'}
    small.request("GET", "/v1/budgets", headers=odd).refused("not-signed-in", 401)
    (line,) = lines(caplog)
    assert (line["status"], line["actor"]) == (401, None)
    assert "forged" not in caplog.text


def test_the_server_writes_it_and_no_whole_address(sqlite_url: str, tmp_path: Path):
    """The program itself, in a process of its own."""
    pbledger = Pbledger(sqlite_url, tmp_path)
    pbledger.done("init")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **pbledger.environment}
    environment |= {"PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "ledger", "serve", "--port", "18469"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    while "running on" not in (said := server.stderr.readline()):
        assert said, "it stopped"
    with urllib.request.urlopen("http://127.0.0.1:18469/health?name=Ada") as answer:
        assert "server" not in answer.headers
    server.terminate()
    out, _ = server.communicate(timeout=30)
    (line,) = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert (line["route"], line["status"]) == ("/health", 200)
    assert "Ada" not in out


# --- malformed requests -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/budgets", "/sign-in", "/v1/people/R1", "/nowhere"])
@pytest.mark.parametrize(
    ("status", "query", "headers"),
    [
        (400, "?a=%00", {}),
        (400, "?a=%ff%fe", {}),
        (400, "?a=%0d%0aSet-Cookie:%20a=b", {}),
        (400, "?" + "a" * MOST_ADDRESS_BYTES, {}),
        (400, "", {f"X-{number}": "x" for number in range(100)}),
        (431, "", {"X-Long": "x" * MOST_HEADER_BYTES}),
    ],
)
def test_a_malformed_request_is_refused_at_every_address(
    site: Site, path: str, status: int, query: str, headers: dict[str, str]
):
    answer = site.visitor("amira").client.get(path + query, headers=headers)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]
    is_problem = answer.headers["content-type"] == "application/problem+json"
    assert is_problem == path.startswith("/v1/")


@pytest.mark.parametrize(
    "name", ["X-Acting-As", "Authorization", "Idempotency-Key", "Host", "If-Match", "X-Request-Id"]
)
def test_who_asks_for_what_is_said_once(small: Api, name: str):
    twice = [(name, "localhost"), (name, "localhost")]
    answer = Answer(small.client.post(f"{BUDGET}/open", headers=twice, json=OPENING))
    answer.refused("headers-unreadable", 400)
    assert small.stored() == (0, 0)


@pytest.mark.parametrize(
    "path",
    ["//v1/budgets", "/v1//budgets", "/v1/budgets/", "/v1/./budgets", "/v1/x/../budgets",
     "/v1/%2e%2e/v1/budgets", "/v1/..%2fbudgets", "/v1/budgets%00", "/v1/budgets;x=1",
     "/v1/budgets%0a", "/v1/letters/%00", "/v1/letters/%ff", "/v1/letters/..", "/V1/budgets",
     "/v1/cycles/C1/advices/..%2f..", "/v1\\budgets", "/v1/budgets%20"],
)  # fmt: skip
def test_a_path_is_taken_as_it_is_or_not_at_all(site: Site, path: str):
    """As it comes over the wire: a client would tidy it first."""
    answered: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"x-acting-as", b"amira")],
        "client": ("127.0.0.1", 1),
    }
    anyio.run(site.app, scope, receive, send)
    assert answered[0]["status"] == 404
    assert b"Traceback" not in answered[1]["body"]


# --- what was refused ---------------------------------------------------------------------


def test_what_was_refused_is_kept_for_auditors(api: Api):
    open_budget(api)
    number = {"X-Request-Id": "the-first-one"}
    api.request("GET", "/v1/budgets", headers=number).refused("not-signed-in", 401)
    api.add_user("sue", "support_service")
    api.add_user("rita", "recipient", person_reference="R000009")
    api.post(f"{BUDGET}/close", {}, by="sue").refused("not-permitted", 403)
    api.ask(BUDGET, by="rita").refused("budget-not-found", 404)
    api.ask("/v1/budgets/PB7", by="ann").refused("budget-not-found", 404)  # nothing hidden from her
    found = api.ask("/v1/refused-requests", by="ann").done()
    first, second, third = found["refused"]
    assert first.pop("refused_at") < second.pop("refused_at")
    assert first == {
        "number": first["number"],
        "refused_by": "",
        "address": "127.0.0.1",
        "method": "GET",
        "route": "/v1/budgets",
        "permission": "budgets.find",
        "budget_reference": "",
        "code": "not-signed-in",
        "status": 401,
        "request_id": "the-first-one",
    }
    facts = ("refused_by", "route", "permission", "budget_reference", "code")
    assert [second[f] for f in facts] == [
        "sue", "/v1/budgets/{reference}/close", "support.decide", "PB000001", "not-permitted"
    ]  # fmt: skip
    assert [third[f] for f in facts] == [
        "rita", "/v1/budgets/{reference}", "budgets.read", "PB000001", "budget-not-found"
    ]  # fmt: skip
    assert found["only_counted"] == []
    assert len(api.get("/v1/refused-requests", by="rita")["refused"]) == 1
    assert len(api.get("/v1/refused-requests", budget="PB000001")["refused"]) == 2
    pages = api.get("/v1/refused-requests", limit=2)
    assert pages["next_after"] == second["number"]
    rest = api.get("/v1/refused-requests", limit=2, after=pages["next_after"])
    assert [one["refused_by"] for one in rest["refused"]] == ["rita"]


def test_a_refusal_by_the_domain_for_who_someone_is_is_kept(api: Api):
    make_payable(api)
    prepare(api).done(201)
    approve(api, by="ann").refused("approver-prepared-cycle", 403)
    (one,) = kept(api.ledger)
    assert (one.refused.refused_by, one.refused.code) == ("ann", "approver-prepared-cycle")


def test_every_route_that_refuses_somebody_is_kept(small: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refused, "MOST_OF_ONE", 1_000)
    small.add_user("nobody")
    wanted = []
    for method, route in ROUTES:
        if (permission := needed(route)) is not None:
            assert ask(small, method, route, by="nobody") == "not-permitted"
            assert ask(small, method, route, by="") == "not-signed-in"
            place = (method, route.path_format, permission)
            wanted += [("nobody", *place, "not-permitted"), ("", *place, "not-signed-in")]
    found = [one.refused for one in kept(small.ledger)]
    assert wanted == [(r.refused_by, r.method, r.route, r.permission, r.code) for r in found]


def test_every_page_that_refuses_somebody_is_kept(site: Site, monkeypatch: pytest.MonkeyPatch):
    """Nobody signed in, a session that was made up, one that ended, and no permission."""
    monkeypatch.setattr(refused, "MOST_OF_ONE", 10_000)
    site.add_user("nobody")
    cookies = {
        "a stranger's": None,
        "forged": "0" * 32,
        "over": site.visitor("amira").client.cookies[COOKIE],
        "nobody's": site.visitor("nobody").client.cookies[COOKIE],
    }
    for part in PARTS:
        for route in part.router.routes:
            assert isinstance(route, APIRoute)
            if needed(route) is None:
                continue
            path = re.sub(r"\{[a-z_]+\}", "X1", route.path_format)
            for method in sorted(route.methods or ()):
                for whose, number in cookies.items():
                    before = len(kept(site.ledger))
                    client = site.visitor().client
                    if whose in ("forged", "over"):
                        Sessions(site.ledger.engine).forget(str(number))
                    if number is not None:
                        client.cookies.set(COOKIE, number, domain="localhost.local", path="/")
                    asked = client.request(method, path, follow_redirects=False)
                    by = "nobody" if whose == "nobody's" else ""
                    assert asked.status_code in ((403,) if by else (303, 401)), path
                    new = [one.refused for one in kept(site.ledger)[before:]]
                    comes = number is None and method == "GET"  # and is asked to sign in
                    wanted = [] if comes else [(by, route.path_format)]
                    assert [(r.refused_by, r.route) for r in new] == wanted


def test_pages_refused_are_kept_too(site: Site):
    stranger = site.visitor()
    stranger.open("/").done()  # is asked to sign in, and refused nothing
    assert kept(site.ledger) == []
    stranger.open("/").done()  # has a session now, to sign in with
    assert kept(site.ledger) == []
    Page(stranger.client.post("/sign-out", data={"form_token": "forged"})).refused(403)
    stranger.client.cookies.set(COOKIE, "0" * 32, domain="localhost.local", path="/")
    stranger.open("/").done()  # with a number that somebody made up
    codes = [one.refused.code for one in kept(site.ledger)]
    assert codes == ["form-from-elsewhere", "not-signed-in"]
    elsewhere = TestClient(site.app, base_url="http://localhost", client=("10.0.0.5", 1))
    assert elsewhere.get("/").status_code == 403
    assert kept(site.ledger)[-1].refused[2:6] == ("10.0.0.5", "GET", "", "")


def test_nobody_fills_the_disk_by_being_refused(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refused, "MOST_OF_ONE", 3)
    monkeypatch.setattr(refused, "MOST_OF_ALL", 8)
    for name in ("eve", "mallory", "trent"):
        api.add_user(name)
        for _ in range(5):
            api.ask("/v1/budgets", by=name).refused("not-permitted", 403)
    with api.ledger.engine.connect() as connection:
        rows = connection.execute(select(func.count()).select_from(refused_requests)).scalar()
    assert rows == 6
    counted = {(one.who, one.refusals) for one in only_counted(api.ledger, 100)}
    assert ("everybody", 15) in counted
    assert {("name eve", 5)} <= counted


def test_what_cannot_be_kept_is_refused_all_the_same(api: Api):
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE refused_counts")
    api.request("GET", "/v1/budgets").refused("not-signed-in", 401)


def test_auditors_read_it_on_the_command_line(sqlite_url: str, tmp_path: Path):
    pbledger = Pbledger(sqlite_url, tmp_path)
    with an_api(sqlite_url, tmp_path) as api:
        api.request("GET", BUDGET).refused("not-signed-in", 401)
    assert "not-signed-in" in pbledger.done("refused-requests")
    (one,) = pbledger.json("refused-requests --budget PB000001")["refused"]
    assert (one["code"], one["address"]) == ("not-signed-in", "127.0.0.1")
    assert pbledger.json("refused-requests --by ann")["refused"] == []
