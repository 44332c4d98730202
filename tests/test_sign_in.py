"""Signing in to the pages, and what a session is worth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select, update

from ledger.access.attempts import Attempts
from ledger.access.guard import needed
from ledger.access.roles import GRANTED, ROLES, Role
from ledger.durable import web_sessions
from ledger.errors import NotSignedIn, StoreUnavailable, TooManyAttempts
from ledger.people import moment_text
from ledger.web import PARTS, assets
from ledger.web.sessions import COOKIE
from tests.web import Page, Site, Visitor, a_site

ROUTES = [
    (method, route)
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(database_url, tmp_path) as site:
        site.add_user("amira", "finance_officer")
        site.add_user("bilal", "finance_approver", "auditor")
        yield site


def sessions(site: Site) -> list[tuple[str, bytes, str]]:
    with site.ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(web_sessions))]


# --- in and out ---------------------------------------------------------------------------


def test_who_has_not_signed_in_is_asked_to_and_comes_back_where_they_were(site: Site):
    visitor = site.visitor()
    page = visitor.open("/").done()
    assert (page.heading, page.path) == ("Sign in", "/sign-in")
    assert visitor.send(page, "/sign-in/believed", name="amira").heading == "Hello, amira"


def test_signing_out_ends_the_session_for_good(site: Site):
    visitor = site.visitor("amira")
    number = visitor.client.cookies[COOKIE]
    home = visitor.open("/")
    assert visitor.send(home, "/sign-out").heading == "Sign in"
    visitor.client.cookies.set(COOKIE, number, domain="localhost.local", path="/")
    assert visitor.open("/").heading == "Sign in", "the old number opens nothing"


def test_the_number_changes_at_sign_in_and_only_its_hash_is_kept(site: Site):
    visitor = site.visitor()
    visitor.open("/sign-in")
    before = visitor.client.cookies[COOKIE]
    visitor.sign_in("amira")
    after = visitor.client.cookies[COOKIE]
    assert before != after
    assert not any(after in row[0] or after.encode() in row[1] for row in sessions(site))


def test_a_number_that_somebody_made_up_opens_nothing(site: Site):
    visitor = site.visitor()
    visitor.client.cookies.set(COOKIE, "0" * 32, domain="localhost.local", path="/")
    page = visitor.open("/sign-in")
    visitor.send(page, "/sign-in/believed", name="amira").done()
    assert visitor.client.cookies[COOKIE] != "0" * 32, "nor is it given to who signs in next"


def test_whoever_signs_in_as_another_is_no_longer_the_one_before(site: Site):
    visitor = site.visitor("amira")
    number = visitor.client.cookies[COOKIE]
    assert visitor.sign_in("bilal").heading == "Hello, bilal"
    visitor.client.cookies.set(COOKIE, number, domain="localhost.local", path="/")
    assert visitor.open("/").heading == "Sign in"


@pytest.mark.parametrize(
    ("then", "leads"),
    [
        ("/sign-in", "/sign-in"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("/x\u2028Set-Cookie:%20a=b", "/"),
    ],
)
def test_signing_in_leads_to_a_page_of_ours_only(site: Site, then: str, leads: str):
    visitor = site.visitor()
    page = visitor.open(f"/sign-in?next={then}")
    assert page.fields("/sign-in/believed")["next"] == [leads]


# --- a session ends -----------------------------------------------------------------------


def ended(site: Site, **changed: object) -> None:
    with site.ledger.engine.begin() as connection:
        connection.execute(update(web_sessions).values(changed))


def test_a_session_that_is_not_used_ends(site: Site):
    visitor = site.visitor("amira")
    ended(site, ends_at=moment_text(datetime.now(UTC) - timedelta(seconds=1)))
    assert visitor.open("/").heading == "Sign in"


def test_a_session_that_is_used_lasts_and_yet_not_for_ever(site: Site):
    visitor = site.visitor("amira")
    ((number, data, _),) = sessions(site)
    hours = site.ledger.settings.session_longest_hours
    began = re.search(rb'"began_at": ?"([^"]+)"', data)
    assert began is not None
    for ago, heading in ((hours - 1, "Hello, amira"), (hours + 1, "Sign in")):
        moment = moment_text(datetime.now(UTC) - timedelta(hours=ago)).encode()
        ended(site, data=data.replace(began[1], moment))
        assert visitor.open("/").heading == heading, number


def test_who_is_disabled_is_out_at_once(site: Site):
    visitor = site.visitor("amira")
    site.add_user("amira", is_disabled=True)
    assert visitor.open("/").heading == "Sign in"


def test_what_has_ended_is_cleared_away(site: Site):
    for _ in range(3):
        site.visitor("amira")
    assert len(sessions(site)) == 3
    ended(site, ends_at=moment_text(datetime.now(UTC) - timedelta(seconds=1)))
    site.visitor("bilal")
    assert len(sessions(site)) == 1


# --- believed only where a setting says so ------------------------------------------------


def test_nobody_is_believed_unless_the_setting_says_so(database_url: str, tmp_path: Path):
    with a_site(database_url, tmp_path, development_sign_in=False) as site:
        site.add_user("amira", "finance_officer")
        visitor = site.visitor()
        page = visitor.open("/sign-in").done()
        assert "No way to sign in has been set up" in page.words
        sent = {"name": "amira", "form_token": page.tree.xpath("//input/@value") or ""}
        assert visitor.client.post("/sign-in/believed", data=sent).status_code in (401, 403)
        assert visitor.open("/").heading == "Sign in"


def test_from_another_machine_nobody_is_believed(site: Site):
    other = Visitor(site.app)
    other.client.headers["host"] = "ledger.example"
    assert other.client.get("/sign-in").status_code == 403


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"]
)
def test_what_a_proxy_hands_on_is_not_believed_wherever_it_says_it_is_from(site: Site, header: str):
    visitor = site.visitor("amira")
    headers = {header: "127.0.0.1"}
    assert visitor.client.get("/", headers=headers).status_code == 403
    headers["x-acting-as"] = "amira"
    assert visitor.client.get("/v1/budgets", headers=headers).status_code == 403


def test_who_guesses_names_has_to_wait(sqlite_url: str, tmp_path: Path):
    with a_site(sqlite_url, tmp_path, sign_in_failures=3) as site:
        site.add_user("amira", "finance_officer")
        for _ in range(3):
            site.visitor("amira")  # who gets in is not counted
            assert site.visitor().sign_in("nobody").status == 401
        page = site.visitor().sign_in("nobody").refused(429, "Wait")
        assert page.headers["retry-after"] == "300"
        site.visitor().sign_in("amira").refused(429)


def test_a_name_that_is_guessed_at_from_everywhere_has_to_wait(sqlite_url: str, tmp_path: Path):
    with a_site(sqlite_url, tmp_path, sign_in_failures=3) as site:
        site.add_user("amira", "finance_officer", is_disabled=True)
        site.add_user("bilal", "auditor")
        for number in range(3):
            visitor = Visitor(site.app, address=f"127.0.1.{number}")
            assert visitor.sign_in("amira").status == 401
        elsewhere = Visitor(site.app, address="127.0.1.9")
        elsewhere.sign_in("amira").refused(429)
        assert elsewhere.sign_in("bilal").done().heading == "Hello, bilal"


def test_all_that_one_network_of_ipv6_holds_is_one_place():
    attempts = Attempts(1)
    with pytest.raises(NotSignedIn), attempts.one("2001:db8::1"):
        raise NotSignedIn()
    with pytest.raises(TooManyAttempts), attempts.one("2001:db8::2"):
        pass
    with attempts.one("2001:db8:0:1::1"):
        pass
    with pytest.raises(StoreUnavailable), attempts.one("2001:db8:0:1::1"):
        raise StoreUnavailable()  # nobody's guess
    with attempts.one("2001:db8:0:1::1"):
        pass


# --- forms --------------------------------------------------------------------------------


def test_a_form_from_another_site_or_another_session_does_nothing(site: Site):
    visitor, other = site.visitor("amira"), site.visitor("bilal")
    home, theirs = visitor.open("/"), other.open("/")
    token = theirs.fields("/sign-out")["form_token"]
    for sent in ({}, {"form_token": ""}, {"form_token": token}, {"form_token": ["x", *token]}):
        Page(visitor.client.post("/sign-out", data=sent)).refused(403, "sent from a page")
    own = home.fields("/sign-out")
    for site_of in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site_of}
        Page(visitor.client.post("/sign-out", data=own, headers=headers)).refused(403)
    assert visitor.open("/").heading == "Hello, amira"


@pytest.mark.parametrize(
    "body", [b"a=%ff", b"a=\xff", b"x" * 100_001, b"&".join(b"a=1" for _ in range(501))]
)
def test_a_form_that_cannot_be_read_is_refused(site: Site, body: bytes):
    kind = {"content-type": "application/x-www-form-urlencoded"}
    Page(site.visitor("amira").client.post("/sign-out", content=body, headers=kind)).refused(400)


# --- every page ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Role, Visitor]]:
    """Somebody of each role, signed in once for all the pages."""
    folder: Path = tmp_path_factory.mktemp("pages")
    with a_site(f"sqlite:///{folder / 'ledger.db'}", folder) as site:
        for role in ROLES:
            site.add_user(role, role)
        yield {role: site.visitor(role) for role in ROLES}


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=lambda p: getattr(p, "path_format", p))
def test_a_page_is_for_those_whose_role_has_what_it_needs(
    signed_in: dict[Role, Visitor], method: str, route: APIRoute
):
    permission = needed(route)
    path = re.sub(r"\{[a-z_]+\}", "X1", route.path_format)
    for role, visitor in signed_in.items():
        status = visitor.client.request(method, path).status_code
        may = permission is None or permission in GRANTED[role]
        assert may or status == 403, (role, status)


def test_no_page_is_kept_run_from_elsewhere_or_put_in_a_frame(site: Site):
    visitor = site.visitor("amira")
    for path in ("/", "/sign-in", "/nowhere"):
        headers = visitor.open(path).headers
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert visitor.open("/nowhere").heading == "Not found"


def test_nothing_on_a_page_runs_or_is_styled_within_it(site: Site):
    for path in ("/", "/sign-in", "/nowhere"):
        tree = site.visitor("amira").open(path).tree
        assert not tree.xpath("//script[not(@src)] | //style | //@style")
        assert not [name for name in tree.xpath("//@*") if name.attrname.startswith("on")]


# --- style sheets and scripts -------------------------------------------------------------


def test_style_sheets_and_scripts_are_kept_under_names_that_change(site: Site):
    tree = site.visitor().open("/sign-in").tree
    for path in tree.xpath("//link[@rel='stylesheet']/@href | //script/@src"):
        answer = site.visitor().client.get(path)
        assert answer.status_code == 200, path
        if path.startswith("/assets/"):
            assert "immutable" in answer.headers["cache-control"]
    for path in ("/assets/govuk-000000000000.css", "/assets/govuk.css", "/assets/..%2fpages.py"):
        assert site.visitor().client.get(path).status_code == 404


def test_the_crown_the_crest_and_the_typeface_are_not_served(site: Site):
    css = assets.asset("govuk.css").decode()
    assert len(css) > 100_000
    for word in ("@font-face", "GDS Transport", "crest", "woff"):
        assert word not in css
    page = site.visitor().client.get("/sign-in").text
    assert "crown" not in page
    assert "crest" not in page


def test_the_council_gives_its_name_and_colour(sqlite_url: str, tmp_path: Path):
    changed = {"council_name": "Fairshire <Council>", "council_colour": "#123456"}
    with a_site(sqlite_url, tmp_path, **changed) as site:
        page = site.visitor().open("/sign-in")
        assert "Fairshire <Council>" in page.words
        assert "#123456" in site.visitor().client.get("/theme.css").text
