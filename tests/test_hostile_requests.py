"""Every route against bodies, addresses and forms that nobody means well with."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from ledger.access.roles import ROLES
from ledger.api import NOUNS
from ledger.api.requests import MOST_BYTES, MOST_BYTES_OF_A_FILE
from ledger.server import create_app
from ledger.web import PARTS
from ledger.web.forms import KIND
from ledger.web.uploads import read_upload
from tests.api import Answer, Api, an_api, make_payable, prepare
from tests.web import Page, Site, a_site

LEAKS = re.compile(rb"Traceback|File \"|SELECT|INSERT|sqlite|psycopg|sqlalchemy|msgspec|\.py\b")

ROUTES = [
    (method, route)
    for noun in NOUNS
    for route in noun.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
READS = [route for method, route in ROUTES if method == "GET"]
WRITES = [(method, route) for method, route in ROUTES if method != "GET"]
FILES = {"/v1/reports": MOST_BYTES_OF_A_FILE}
FORMS = [
    route
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, APIRoute) and "POST" in (route.methods or ())
]

JSON = {"Content-Type": "application/json"}
EFFECTIVE = b'{"effective_on":"2026-04-06","dry_run":true,'
BODIES: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "empty": (b"", JSON, {400}),
    "no UTF-8": (b'{"effective_on":"2026-04-\xff"}', JSON, {400}),
    "UTF-16": ('{"effective_on":"2026-04-06"}'.encode("utf-16"), JSON, {400}),
    "a byte order mark": (b"\xef\xbb\xbf{}", JSON, {400}),
    "another charset": (b"{}", {"Content-Type": "application/json; charset=latin-1"}, {415}),
    "a form": (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, {415}),
    "plain text": (b"{}", {"Content-Type": "text/plain"}, {415}),
    "another kind": (b"{}", {"Content-Type": "application/x-yaml"}, {415}),
    "compressed": (gzip.compress(b"{}"), {**JSON, "Content-Encoding": "gzip"}, {415}),
    "deep lists": (EFFECTIVE + b'"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", JSON, {400, 422}),
    "deep objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, JSON, {400, 422}),
    "not a number": (EFFECTIVE + b'"amount_pence":NaN}', JSON, {400, 422}),
    "infinity": (EFFECTIVE + b'"amount_pence":1e999}', JSON, {400, 422}),
    "many digits": (EFFECTIVE + b'"amount_pence":' + b"9" * 6_000 + b"}", JSON, {400, 422}),
    "half a surrogate": (b'{"effective_on":"\\ud800"}', JSON, {400, 422}),
    "twice": (b'{"effective_on":"2026-04-06","effective_on":"2027-04-06"}', JSON, {422}),
    "a list": (b"[]", JSON, {422}),
    "null": (b"null", JSON, {422}),
    "a field nobody knows": (b'{"__proto__":{"a":1},"class":"x"}', JSON, {422}),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    with an_api(f"sqlite:///{folder / 'ledger.db'}", folder) as api:
        api.add_user("ann", *ROLES)
        make_payable(api)
        prepare(api, "/v1/cycles/C1").done(201)
        yield api


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    with a_site(f"sqlite:///{folder / 'ledger.db'}", folder) as site:
        site.add_user("all", *ROLES, person_reference="R1")
        yield site


def address(route: APIRoute) -> str:
    payee = "payee}" in route.path
    reference = "0" * 32 if payee else "C1" if "/cycles/" in route.path else "PB000001"
    return re.sub(r"\{[a-z]+\}", "X1", route.path_format.replace("{reference}", reference))


def refused_well(answer: Answer) -> str:
    """The code of a whole problem, which gives nothing of the inside away."""
    assert 400 <= answer.status < 500, (answer.status, answer.content)
    assert answer.type == "application/problem+json"
    assert not LEAKS.search(answer.content), answer.content
    return str(answer.refused(answer["code"], answer.status)["code"])


# --- bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BODIES)
def test_no_route_takes_such_a_body(api: Api, kind: str):
    body, headers, statuses = BODIES[kind]
    before = api.stored()
    for method, route in WRITES:
        is_file = route.path in ("/v1/reports", "/v1/assessments/import")
        answer = api.write(method, address(route), body, **headers)
        refused_well(answer)
        assert answer.status in ({415} if is_file else statuses), (route.path, answer.content)
    assert api.stored() == before


def test_no_route_takes_more_than_its_measure(api: Api):
    before = api.stored()
    for method, route in WRITES:
        most = FILES.get(route.path, MOST_BYTES)
        for announced in (str(most + 1), "-1", "x", "1" * 30):
            answer = api.write(method, address(route), b"", Content_Length=announced)
            answer.refused("body-too-large", 413)
    assert api.stored() == before


@pytest.mark.parametrize("path", ["/v1/reports", "/v1/assessments/import"])
def test_a_file_is_of_its_kind(api: Api, path: str):
    kinds = ("application/json", "application/zip", "text/html", "multipart/form-data; boundary=x")
    other = {"/v1/reports": "text/csv", "/v1/assessments/import": "application/xml"}[path]
    for kind in (*kinds, other):
        answer = api.post(path, b"<a/>", Content_Type=kind)
        answer.refused("media-type-not-taken", 415)
    for content in (b"<a/>", b"\x00\xff", b"", b"PK\x03\x04"):
        refused_well(api.post(path, content))


# --- addresses ----------------------------------------------------------------------------


QUERIES = [
    "after=%27%20OR%201=1--", "after=%EF%BC%91", "after=-1", "after=99999999999999999999",
    "after=1e3", "after=%F0%9F%92%A3", "after=..%2F..%2Fetc", "limit=-1", "limit=99999999999999",
    "limit=1.5", "limit=NaN", "limit=", "on=%27", "on=2026-13-01", "known_at=%27", "format=exe",
    "state=%27", "cause=%27", "outcome=%27", "budget=%27;DROP", "payee=" + "x" * 33,
    "from=x&to=y", "from=9999-12-31&to=0001-01-01", "from=2026-05-01&to=2026-04-01",
    "against=%27", "by_funding=maybe", "by=" + "x" * 101,
]  # fmt: skip

REFERENCES_TOO = {"after=-1", "after=99999999999999999999"}


@pytest.mark.parametrize("query", QUERIES)
def test_no_question_is_answered_by_a_failure(api: Api, query: str):
    name = query.partition("=")[0]
    for route in READS:
        answer = api.ask(f"{address(route)}?{query}")
        assert not LEAKS.search(answer.content) or answer.status == 200
        if answer.status >= 400:
            refused_well(answer)
        elif name in ("after", "limit"):
            asked = {p.alias or p.name for p in route.dependant.query_params}
            assert name not in asked or query in REFERENCES_TOO, (route.path, query)


# --- forms --------------------------------------------------------------------------------


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
def test_no_form_is_taken_from_elsewhere_or_of_another_kind(site: Site, route: APIRoute):
    visitor = site.visitor("all")
    path = re.sub(r"\{[a-z_]+\}", "X1", route.path_format)
    takes_a_file = read_upload in {need.call for need in route.dependant.dependencies}
    file: dict[str, Any] = {"files": {"file": b"<a/>"}} if takes_a_file else {}
    for sent in ({}, {"form_token": "x" * 43}, {"form_token": "é\u2028"}, {"form_token": ""}):
        Page(visitor.client.post(path, data=sent, **file)).refused(403)
    other = KIND if takes_a_file else "multipart/form-data; boundary=x"
    for kind in ("application/json", "text/plain", other):
        answer = visitor.client.post(path, content=b"{}", headers={"content-type": kind})
        Page(answer).refused(415)


def test_no_page_is_answered_by_a_failure(site: Site):
    visitor = site.visitor("all")
    for part in PARTS:
        for route in part.router.routes:
            assert isinstance(route, APIRoute)
            path = re.sub(r"\{[a-z_]+\}", "X1", route.path_format)
            for query in ("", "?next=%27", "?after=-1", "?on=x", "?q=%F0%9F%92%A3", "?page=1e9"):
                answer = visitor.client.get(path + query)
                assert answer.status_code < 500, (path, query)
                assert not re.search(r"Traceback|SELECT|sqlalchemy", answer.text)


def test_an_address_that_takes_no_method_takes_none(site: Site):
    client = TestClient(create_app(site.ledger.settings), base_url="http://localhost",
                        client=("127.0.0.1", 1))  # fmt: skip
    with client:
        for method in ("DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"):
            for path in ("/v1/budgets", "/", "/sign-in", "/v1/reports", "/health"):
                assert client.request(method, path).status_code in (403, 404, 405), (method, path)
