"""Signing in at a real OpenID Connect provider, and programs that come with its tokens."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from ledger.access.provider import Provider
from ledger.access.users import User, all_users, record_user, user_history, user_named
from ledger.application import Ledger
from ledger.durable import web_sessions
from ledger.errors import InvalidSignInSettings, SignInFailed, UserNameTaken
from ledger.web.sessions import COOKIE
from tests.api import Answer
from tests.identity_provider import (
    HERE,
    AtProvider,
    IdentityProvider,
    an_identity_provider,
    new_key,
    signs_in,
    start,
)
from tests.main_job import settings_for
from tests.web import Page, Site, Visitor, a_site, serving

NOBODY_LISTENS = "http://127.0.0.1:9"
COUNCIL, RECIPIENTS = "Sign in with your council account", "Sign in to your own budget"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with an_identity_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def site(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("identity")
    url = f"sqlite:///{folder / 'ledger.db'}"
    with a_site(url, folder, **provider.settings, sign_in_failures=1000) as site:
        yield site


def a_visitor(site: Site) -> Visitor:
    """Somebody new; over https, as the session's cookie is for nothing else."""
    return Visitor(site.app, HERE)


def add_user(site: Site, provider: IdentityProvider, subject: str, *roles: Any, **facts: Any):
    user = User(issuer=provider.issuer, subject=subject, name=subject, roles=roles, **facts)
    record_user(site.ledger, user, datetime(2026, 4, 1, 9, tzinfo=UTC), "sue")


def ask(site: Site, authorization: str, path: str = "/v1/budgets", **sent: Any) -> Answer:
    """A program's question."""
    headers = {"Authorization": authorization, **sent}
    return Answer(a_visitor(site).client.get(path, headers=headers))


def change_sessions(site: Site, old: str, new: str) -> None:
    """Change something in every session that is kept."""
    with site.ledger.engine.begin() as connection:
        for row in connection.execute(select(web_sessions)).all():
            changed = row.data.replace(old.encode(), new.encode())
            query = update(web_sessions).where(web_sessions.c.number_sha256 == row.number_sha256)
            connection.execute(query.values(data=changed))


# --- people sign in -----------------------------------------------------------------------


def test_whom_a_mapped_role_makes_known_signs_in_and_becomes_a_user(
    provider: IdentityProvider, database_url: str, tmp_path: Path
):
    with a_site(database_url, tmp_path, **provider.settings) as site:
        visitor = a_visitor(site)
        visitor.open("/sign-in")
        before = visitor.client.cookies[COOKIE]
        page = signs_in(visitor, "amira").done()
        assert page.heading == "Hello, amira"
        assert "Finance officer" in page.words
        assert visitor.client.cookies[COOKIE] != before, "the session's number is another"
        user = user_named(site.ledger.engine, "amira")
        assert (user.issuer, user.subject, user.roles) == (provider.issuer, "amira", ())
        (recorded,) = user_history(site.ledger.engine, "amira")
        assert recorded.recorded_by == provider.issuer
        ask(site, f"Bearer {provider.access_token()}").done()
        assert user_named(site.ledger.engine, "payroll").subject == "payroll"


def test_roles_of_the_provider_and_roles_given_here_add_up(provider: IdentityProvider, site: Site):
    add_user(site, provider, "gita", "auditor")
    words = signs_in(a_visitor(site), "gita").words
    assert "Finance officer" in words
    assert "Auditor" in words


def test_who_was_where_they_wanted_to_go_is_led_there(provider: IdentityProvider, site: Site):
    page = signs_in(a_visitor(site), "amira", at="/sign-in?next=/theme.css")
    assert page.path == "/theme.css"


@pytest.mark.parametrize("then", ["https://elsewhere.example/", "//elsewhere.example"])
def test_nobody_is_led_elsewhere(provider: IdentityProvider, site: Site, then: str):
    visitor = a_visitor(site)
    answer = visitor.client.get(f"/sign-in/start/council?next={then}", follow_redirects=False)
    back = AtProvider().sign_in(answer.headers["location"], "amira")
    answer = visitor.client.get(back, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_no_line_of_a_header_comes_from_an_address(provider: IdentityProvider, site: Site):
    answer = a_visitor(site).client.get("/sign-in/start/council?next=/%0d%0aX:y")
    assert (answer.status_code, "X" in answer.headers) == (400, False)


def test_who_is_not_known_and_has_no_mapped_role_is_told_so(provider: IdentityProvider, site: Site):
    visitor = a_visitor(site)
    page = signs_in(visitor, "stranger")
    page.refused(403, "nobody has given you a role here", "stranger")
    assert visitor.open("/").heading == "Sign in"
    assert "stranger" not in names(site)


def names(site: Site) -> set[str]:
    """Everybody who is a user."""
    return {user.name for user in all_users(site.ledger.engine)}


def test_who_is_disabled_does_not_get_in(provider: IdentityProvider, site: Site):
    add_user(site, provider, "bilal", is_disabled=True)
    signs_in(a_visitor(site), "bilal").refused(403, "not known here any more")


def test_a_name_that_is_somebody_elses_is_not_given_again(provider: IdentityProvider, site: Site):
    user = User(issuer="elsewhere", subject="x", name="gita2", roles=("auditor",))
    record_user(site.ledger, user, datetime(2026, 4, 1, 9, tzinfo=UTC), "sue")
    let_in, now = site.app.state.sign_in.let_in, datetime.now(UTC)
    with pytest.raises(UserNameTaken):
        let_in(provider.issuer, "7", "gita2", ("auditor",), now)
    assert user_named(site.ledger.engine, "gita2").issuer == "elsewhere"


def test_a_recipient_is_who_they_were_recorded_to_be_and_no_claim_makes_them_more(
    provider: IdentityProvider, site: Site
):
    signs_in(a_visitor(site), "unrecorded", words=RECIPIENTS).refused(403, "unrecorded")
    signs_in(a_visitor(site), "hamid", words=RECIPIENTS).refused(403)
    add_user(site, provider, "ada", "recipient", person_reference="R000001")
    page = signs_in(a_visitor(site), "ada", words=RECIPIENTS).done()
    assert page.heading == "Personal budgets"


def test_roles_deep_within_the_claims_are_found(provider: IdentityProvider):
    def roles(claim: str, said: Any) -> Any:
        given = Provider(
            provider.issuer, "x", provider.settings["oidc_client_secret"],
            comes_back_to=HERE, roles_claim=claim, roles={"a": "auditor", "b": "finance_officer"},
        )  # fmt: skip
        return given.roles_in(said)

    assert roles("realm.roles", {"realm": {"roles": ["a", "c"]}}) == ("auditor",)
    assert roles("https://x.example/roles", {"https://x.example/roles": "b"}) == (
        "finance_officer",
    )
    assert roles("roles", {"scope": "b a"}) == ("auditor", "finance_officer")
    for said in ({}, {"roles": None}, {"roles": [["a"], 1]}, {"roles": {"a": 1}}):
        assert roles("roles", said) == ()


# --- what does not get in -----------------------------------------------------------------


def failed(visitor: Visitor, address: str) -> None:
    Page(visitor.client.get(address)).refused(400, "Start again")
    assert visitor.open("/").heading == "Sign in"


def test_an_answer_works_once_and_only_where_it_was_asked_for(
    provider: IdentityProvider, site: Site
):
    visitor, other = a_visitor(site), a_visitor(site)
    back = AtProvider().sign_in(start(visitor), "amira")
    failed(other, back)
    start(other)
    failed(other, back)
    assert Page(visitor.client.get(back)).done().heading == "Hello, amira"
    Page(visitor.client.get(back)).refused(400, "Start again")


def test_a_code_that_was_used_or_stolen_is_refused_by_the_provider(
    provider: IdentityProvider, site: Site
):
    visitor, thief = a_visitor(site), a_visitor(site)
    used = AtProvider().sign_in(start(visitor), "amira")
    stolen_state = parse_qs(urlsplit(start(thief)).query)["state"][0]
    code = parse_qs(urlsplit(used).query)["code"][0]
    failed(thief, f"/sign-in/back?code={code}&state={stolen_state}")


@pytest.mark.parametrize("query", ["", "code=x", "state=x", "state=x&code=y", "error=x"])
def test_an_answer_to_no_question_is_refused(provider: IdentityProvider, site: Site, query: str):
    visitor = a_visitor(site)
    start(visitor)
    failed(visitor, f"/sign-in/back?{query}")


def test_who_thinks_better_of_it_is_not_signed_in(provider: IdentityProvider, site: Site):
    visitor = a_visitor(site)
    back = AtProvider().cancel(start(visitor))
    assert "access_denied" in back
    failed(visitor, back)


def test_an_answer_in_another_providers_name_is_refused(provider: IdentityProvider, site: Site):
    visitor = a_visitor(site)
    back = AtProvider().sign_in(start(visitor), "amira")
    failed(visitor, back.replace("iss=http", "iss=https"))


def test_an_id_token_for_another_sign_in_is_refused(provider: IdentityProvider, site: Site):
    visitor = a_visitor(site)
    address = start(visitor)
    back = AtProvider().sign_in(address, "amira")
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    change_sessions(site, nonce, "x" * len(nonce))
    failed(visitor, back)


def test_an_id_token_that_is_not_whole_true_and_for_us_is_refused(
    provider: IdentityProvider, site: Site
):
    known: Provider = site.app.state.sign_in.providers["council"]
    now = int(time.time())
    good = {"iss": provider.issuer, "aud": "ledger", "sub": "amira", "nonce": "n", "iat": now,
            "exp": now + 60}  # fmt: skip
    assert known.read_id_token(provider.signed(good), None, "n")["sub"] == "amira"
    faults: list[dict[str, Any]] = [
        {"iss": "https://other.example"}, {"aud": "other"}, {"aud": ["ledger", "other"]},
        {"aud": ["other"], "azp": "ledger"}, {"aud": ["ledger"], "azp": "other"},
        {"exp": now - 120}, {"iat": now + 900}, {"nbf": now + 900}, {"nonce": "other"},
        {"nonce": None}, {"sub": None}, {"sub": 7}, {"exp": None}, {"at_hash": "x"},
    ]  # fmt: skip
    for fault in faults:
        claims = {name: value for name, value in {**good, **fault}.items() if value is not None}
        with pytest.raises(SignInFailed):
            known.read_id_token(provider.signed(claims), "an access token", "n")
    for token in (None, "", "x.y.z", provider.signed(good, new_key()), *unsigned(good)):
        with pytest.raises(SignInFailed):
            known.read_id_token(token, None, "n")


def unsigned(claims: dict[str, Any]) -> Iterator[str]:
    """Tokens that nobody signed, or that anybody could have."""
    for algorithm in ("none", "None", "HS256"):
        header = {"alg": algorithm, "typ": "at+jwt"}
        parts = [base64.urlsafe_b64encode(json.dumps(p).encode()) for p in (header, claims)]
        yield b".".join([p.rstrip(b"=") for p in parts]).decode() + "."


# --- keys change, providers go away -------------------------------------------------------


def test_new_keys_are_read_and_old_ones_forgotten(provider: IdentityProvider, site: Site):
    before = provider.access_token()
    ask(site, f"Bearer {before}").done()
    old = provider.rotate()
    ask(site, f"Bearer {provider.access_token()}").done()
    assert signs_in(a_visitor(site), "amira").done().heading == "Hello, amira"
    for token in (before, provider.signed(provider.claims(), old)):
        ask(site, f"Bearer {token}").refused("token-refused", 401)


@pytest.mark.parametrize("issuer", [NOBODY_LISTENS, "as another"])
def test_a_provider_that_does_not_answer_is_said_to(
    provider: IdentityProvider, sqlite_url: str, tmp_path: Path, issuer: str
):
    if issuer == "as another":  # it answers there, but calls itself otherwise
        issuer = provider.issuer.replace("127.0.0.1", "localhost")
    with a_site(sqlite_url, tmp_path, **{**provider.settings, "oidc_issuer": issuer}) as site:
        for _ in range(site.ledger.settings.sign_in_failures + 1):
            page = a_visitor(site).open("/sign-in/start/council")
            page.refused(503, "did not answer", "try again")
        refused = ask(site, f"Bearer {provider.access_token()}")
        refused.refused("identity-provider-unavailable", 503)
        assert refused.headers["retry-after"]
        assert signs_in(a_visitor(site), "hamid", words=RECIPIENTS).status == 403


def test_a_session_goes_on_without_the_provider_but_not_when_it_is_left_out(
    sqlite_url: str, tmp_path: Path
):
    with an_identity_provider() as provider:
        changed = provider.settings
        with a_site(sqlite_url, tmp_path, **changed) as site:
            visitor = a_visitor(site)
            signs_in(visitor, "amira").done()
            cookie = visitor.client.cookies[COOKIE]
    settings = settings_for(sqlite_url, tmp_path).model_copy(update=changed)
    with serving(settings) as site:
        assert with_cookie(site, cookie).open("/").heading == "Hello, amira"
    with serving(settings.model_copy(update={"oidc_issuer": NOBODY_LISTENS,
                                             "recipients_oidc_issuer": ""})) as site:  # fmt: skip
        assert with_cookie(site, cookie).open("/").heading == "Sign in"
    with serving(settings) as site:
        visitor = with_cookie(site, cookie)
        assert visitor.send(visitor.open("/"), "/sign-out").heading == "Sign in"


def with_cookie(site: Site, cookie: str) -> Visitor:
    visitor = a_visitor(site)
    visitor.client.cookies.set(COOKIE, cookie)
    return visitor


# --- out again ----------------------------------------------------------------------------


def test_signing_out_ends_the_session_at_the_provider_too(provider: IdentityProvider, site: Site):
    visitor, browser = a_visitor(site), AtProvider()
    visitor.client.get(browser.sign_in(start(visitor), "amira"))
    home = visitor.open("/")
    page = visitor.send(home, "/sign-out").done()
    assert page.heading == "Signing out"
    address = page.link("Go on, if this page stays")
    (goes_to,) = page.tree.xpath("//meta[@http-equiv='refresh']/@content")
    assert goes_to == f"0; url={address}"
    assert browser.sign_out(address).startswith(f"{HERE}/sign-in")
    assert visitor.open("/").heading == "Sign in"


# --- programs -----------------------------------------------------------------------------


def test_a_program_does_what_its_role_may_under_its_own_name(
    provider: IdentityProvider, site: Site
):
    token = f"Bearer {provider.access_token()}"
    ask(site, token).done()
    person = {"name": "Ada Nwosu", "date_of_birth": "1951-03-02"}
    headers = {"Authorization": token, "Idempotency-Key": "k1"}
    client = a_visitor(site).client
    Answer(client.put("/v1/people/R000009", json=person, headers=headers)).done(201)
    opening = {"recipient_reference": "R000009", "legal_basis": "care_act_2014",
               "primary_support_reason": "physical_personal_care",
               "effective_on": "2026-04-06"}  # fmt: skip
    headers["Idempotency-Key"] = "k2"
    address = "/v1/budgets/PB000009"
    Answer(client.post(f"{address}/open", json=opening, headers=headers)).done(201)
    (event,) = ask(site, token, f"{address}/history").done()["events"]
    assert event["recorded_by"] == "payroll"
    headers["Idempotency-Key"] = "k3"
    approval = client.post("/v1/cycles/C1/approve", json={}, headers=headers)
    Answer(approval).refused("not-permitted", 403)


def test_a_program_decides_nothing_whatever_it_was_given(provider: IdentityProvider, site: Site):
    roles = ("finance_approver", "scheme_manager", "machine_client")
    add_user(site, provider, "robot", *roles)
    for scope in ("ledger", "ledger.other"):
        actor = site.app.state.sign_in.program(
            provider.access_token("robot", scope), datetime.now(UTC)
        )
        assert (actor.name, actor.roles) == ("robot", {"machine_client"})


def test_what_a_client_asks_in_a_persons_name_makes_neither_of_them_more(
    provider: IdentityProvider, site: Site
):
    add_user(site, provider, "hugo", "finance_approver")
    asked = {"client_id": "app", "azp": "app", "roles": ["approvers"], "scope": None}
    for person, code in (("hugo", "not-permitted"), ("ines", "not-known-here")):
        token = provider.signed(provider.claims(sub=person, **asked))
        ask(site, f"Bearer {token}").refused(code, 403)
    assert not {"ines", "app"} & names(site), "nobody has the client's name, or is made known"


def test_a_program_without_a_role_is_refused(provider: IdentityProvider, site: Site):
    token = provider.signed(provider.claims(sub="new", client_id="new", scope="ledger.other"))
    ask(site, f"Bearer {token}").refused("not-known-here", 403)
    assert "new" not in names(site)


def test_a_token_that_is_not_whole_true_and_for_us_is_refused(
    provider: IdentityProvider, site: Site
):
    now, good = int(time.time()), provider.claims()
    ask(site, f"bearer  {provider.signed(good)}").done()
    ask(site, f"Bearer {provider.signed(good, typ='JWT')}").done()
    faults: list[dict[str, Any]] = [
        {"iss": "https://other.example"}, {"iss": None}, {"aud": "ledger"}, {"aud": None},
        {"exp": now - 120}, {"exp": None}, {"exp": "never"}, {"nbf": now + 900}, {"sub": None},
        {"sub": 7}, {"iat": now + 900},
    ]  # fmt: skip
    tokens = [provider.signed(provider.claims(**fault)) for fault in faults]
    head, body, signature = provider.signed(good).split(".")
    other = provider.signed(provider.claims(client_id="robot")).split(".")[1]
    tokens += [
        provider.signed(good, new_key()),
        provider.signed(good, new_key(), kid=str(provider.key.kid)),
        provider.signed(good, typ="logout+jwt"),
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        *unsigned(good),
        "x", "a.b.c", "=", "A" * 9000,
    ]  # fmt: skip
    for sent in (
        *(f"Bearer {token}" for token in tokens),
        "Bearer",
        "Bearer a b",
        "",
        "Basic eA==",
    ):
        answer = ask(site, sent, **{"X-Acting-As": "amira"}).refused("token-refused", 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="ledger", error="invalid_token"'
        assert answer["detail"] == answer["title"], "nothing of why"


def test_who_sends_nothing_is_asked_for_a_token(site: Site):
    answer = Answer(a_visitor(site).client.get("/v1/budgets")).refused("not-signed-in", 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="ledger"'
    named = Answer(a_visitor(site).client.get("/v1/budgets", headers={"X-Acting-As": "amira"}))
    named.refused("not-signed-in", 401)


def test_a_session_opens_nothing_to_programs_and_a_token_no_page(
    provider: IdentityProvider, site: Site
):
    visitor = a_visitor(site)
    signs_in(visitor, "amira").done()
    Answer(visitor.client.get("/v1/budgets")).refused("not-signed-in", 401)
    headers = {"Authorization": f"Bearer {provider.access_token()}"}
    assert a_visitor(site).open("/", headers=headers).heading == "Sign in"


def test_without_an_audience_no_program_gets_in(
    provider: IdentityProvider, sqlite_url: str, tmp_path: Path
):
    with a_site(sqlite_url, tmp_path, **{**provider.settings, "oidc_audience": ""}) as site:
        ask(site, f"Bearer {provider.access_token()}").refused("not-signed-in", 401)


# --- guessing -----------------------------------------------------------------------------


def test_too_many_failures_from_an_address_and_nobody_gets_in_from_there(
    provider: IdentityProvider, sqlite_url: str, tmp_path: Path
):
    with a_site(sqlite_url, tmp_path, **provider.settings, sign_in_failures=3) as site:
        for _ in range(3):
            signs_in(a_visitor(site), "amira").done()
            ask(site, "Bearer x").refused("token-refused", 401)
        refused = ask(site, f"Bearer {provider.access_token()}").refused("too-many-attempts", 429)
        assert refused.headers["retry-after"] == "300"
        page = signs_in(a_visitor(site), "amira").refused(429, "Wait")
        assert page.headers["retry-after"] == "300"
        elsewhere = Visitor(site.app, HERE, address="192.0.2.7")
        assert signs_in(elsewhere, "amira").done().heading == "Hello, amira"


# --- secrets, settings --------------------------------------------------------------------


def test_no_secret_is_logged(
    provider: IdentityProvider, site: Site, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    visitor, fails = a_visitor(site), a_visitor(site)
    address = start(visitor)
    back = AtProvider().sign_in(address, "amira")
    Page(visitor.client.get(back)).done()
    code = parse_qs(urlsplit(back).query)["code"][0]
    state = parse_qs(urlsplit(start(fails)).query)["state"][0]
    failed(fails, f"/sign-in/back?code={code}&state={state}")
    token = provider.access_token()
    ask(site, f"Bearer {token}").done()
    ask(site, f"Bearer {token}x").refused("token-refused", 401)
    with site.ledger.engine.connect() as connection:
        kept = [json.loads(row.data) for row in connection.execute(select(web_sessions))]
    secrets = {code, token, "secret-of-ledger", visitor.client.cookies[COOKIE]}
    secrets |= {session["form_token"] for session in kept if "form_token" in session}
    secrets |= {s["signed_in_at"]["id_token"] for s in kept if "signed_in_at" in s}
    ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    logged = "\n".join(logging.Formatter().format(record) for record in ours)
    assert "invalid_grant" in logged, "what went wrong is logged"
    assert [secret for secret in secrets if secret in logged] == []
    assert "secret-of-ledger" not in repr(site.ledger.settings)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"oidc_roles": {"x": "king"}}, "'x' gives no known role"),
        ({"oidc_audience": "ledger"}, "must differ"),
        ({"oidc_client_id": ""}, "no client id"),
        ({"recipients_oidc_client_secret": None}, "no client secret"),
    ],
)
def test_a_server_does_not_start_with_settings_that_do_not_fit(
    provider: IdentityProvider, sqlite_url: str, tmp_path: Path, changed: Any, says: str
):
    settings = settings_for(sqlite_url, tmp_path)
    Ledger.initialise(settings)
    settings = settings.model_copy(update={**provider.settings, **changed})
    with pytest.raises(InvalidSignInSettings, match=says), serving(settings):
        pass
