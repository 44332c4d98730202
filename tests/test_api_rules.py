"""What the API refuses, and how it says so: nothing is recorded and nothing is given away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from fastapi.testclient import TestClient

from ledger.api import create_app
from ledger.api.requests import MOST_BYTES
from ledger.application import Ledger
from tests.api import (
    ACCOUNT_NUMBER,
    BUDGET,
    CYCLE,
    LINE,
    OPENING,
    PERIOD,
    PERSONAL,
    SUSPENSION,
    Answer,
    Api,
    account,
    an_api,
    make_payable,
    open_budget,
    prepare,
)


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


@pytest.fixture
def small(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    """For rules that no database has a part in."""
    with an_api(sqlite_url, tmp_path) as api:
        yield api


# --- what every change says ---------------------------------------------------------------


def test_a_change_says_who_makes_it(small: Api) -> None:
    for person in (None, "", " ", " ann", "a" * 101, "ann\x7f", "Si\u00e2n"):
        headers = {"Idempotency-Key": "k"}
        if person is not None:
            headers["X-Acting-As"] = person.encode("latin-1")  # type: ignore[assignment]
        answer = small.request("POST", f"{BUDGET}/open", json=OPENING, headers=headers)
        answer.refused("not-signed-in", 401)
    assert small.stored() == (0, 0)


def test_a_change_has_a_key(small: Api) -> None:
    for key in (None, "", "k" * 201, "k\t"):
        headers = {"X-Acting-As": "ann"} | ({} if key is None else {"Idempotency-Key": key})
        answer = small.request("POST", f"{BUDGET}/open", json=OPENING, headers=headers)
        answer.refused("idempotency-key-missing", 400)
    assert small.stored() == (0, 0)
    small.post(f"{BUDGET}/open", OPENING, key="k" * 200).done(201)


def test_a_question_says_who_asks_and_needs_no_key(small: Api) -> None:
    small.get("/v1/budgets").done()
    small.request("GET", "/v1/budgets").refused("not-signed-in", 401)


# --- refusals -----------------------------------------------------------------------------


def test_a_refusal_leaves_no_event_and_no_key(api: Api) -> None:
    open_budget(api)
    before = api.stored()
    assert before == (1, 1)
    line = {"effective_on": "2026-04-06", "line_reference": "L9", "weekly_pence": 1}
    api.post(f"{BUDGET}/revise-allocation", line, key="k").refused("allocation-line-not-found", 422)
    api.post(f"{BUDGET}/propose-payee", account(), key="k").refused("person-unknown", 404)
    api.post(f"{CYCLE}/approve", {"effective_on": "2026-03-27", "total_pence": 1,
             "lines_sha256": "x"}, key="k").refused("cycle-not-found", 404)  # fmt: skip
    prepare(api, pay_on="2026-04-03").refused("pay-date-not-working-day", 422)
    assert api.stored() == before
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION, key="k").done()  # the key was never used
    assert api.stored() == (2, 2)


def test_a_refusal_carries_its_facts(api: Api) -> None:
    open_budget(api)
    agreed = {"effective_on": "2026-04-06", "lines": [LINE], "weekly_budget_pence": 40_000}
    refused = api.post(f"{BUDGET}/agree-allocation", agreed)
    refused.refused("parts-do-not-make-budget", 422)
    assert (refused["lines_pence"], refused["budget_pence"]) == (31_000, 40_000)
    assert refused["detail"] == "The lines add up to £310.00 a week; the budget is £400.00."
    assert refused["title"] == "The allocation lines must add up to the personal budget."


def test_opening_again_with_the_same_facts_changes_nothing(api: Api) -> None:
    open_budget(api)
    again = api.post(f"{BUDGET}/open", OPENING).done(200)
    assert (again["version"], again["events"]) == (1, [])
    other = {**OPENING, "legal_basis": "nhs_act_2006"}
    api.post(f"{BUDGET}/open", other).refused("budget-already-opened", 409)


def test_what_is_not_there(api: Api) -> None:
    for path in (BUDGET, f"{BUDGET}/history", f"{BUDGET}/balance"):
        api.get(path).refused("budget-not-found", 404)
    for part in ("", "/lines", "/exceptions", "/totals", "/file"):
        api.get(f"{CYCLE}{part}").refused("cycle-not-found", 404)
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION).refused("budget-not-found", 404)
    for step in ("reject", "cancel", "issue", "settle"):
        reason = {"reason_code": "other"} if step == "reject" else {}
        body = {"effective_on": "2026-03-27", **reason}
        api.post(f"{CYCLE}/{step}", body).refused("cycle-not-found", 404)
    assert api.stored() == (0, 0)


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/budgets/", "/v1/budgets/pb1", "/v1/budgets/PB1%00", "/docs",
     "/v1/budgets/" + "P" * 21, "/v1/cycles/C/1", "/v1/cycles/..%2FC1", "/openapi.json"],
)  # fmt: skip
def test_an_unknown_address_is_a_problem(small: Api, path: str) -> None:
    small.get(path).refused("address-not-found", 404)


def test_a_wrong_method_is_a_problem(small: Api) -> None:
    refused = small.request("DELETE", BUDGET).refused("method-not-allowed", 405)
    assert "GET" in refused.headers["allow"]
    small.get(f"{BUDGET}/open").refused("method-not-allowed", 405)


# --- versions -----------------------------------------------------------------------------


def test_a_change_of_the_version_looked_at(api: Api) -> None:
    open_budget(api)
    etag = api.get(BUDGET).headers["etag"]
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION, If_Match=etag).done()
    resume = {"effective_on": "2026-04-20"}
    stale = api.post(f"{BUDGET}/resume-payments", resume, If_Match=etag)
    assert stale.refused("version-conflict", 412)["version"] == 2
    assert api.stored() == (2, 2)
    api.post(f"{BUDGET}/resume-payments", resume, If_Match='"2"').done()
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION, If_Match="*").done()
    for unreadable in ("2", 'W/"2"', '"2", "3"', '"x"'):
        answer = api.post(f"{BUDGET}/resume-payments", resume, If_Match=unreadable)
        answer.refused("if-match-unreadable", 400)


def test_a_cycle_of_the_version_looked_at(api: Api) -> None:
    make_payable(api)
    prepare(api).done(201)
    seen = api.get(CYCLE)
    assert seen.headers["etag"].startswith('"2.')
    said = {"effective_on": "2026-03-27"}
    bodies = {
        "prepare": {**said, "period": PERIOD, "pay_on": "2026-04-02"},
        "approve": {**said, **{n: seen[n] for n in ("total_pence", "lines_sha256")}},
        "reject": {**said, "reason_code": "other"},
        "cancel": said,
        "issue": said,
        "settle": said,
    }
    before = api.stored()
    for step, body in bodies.items():
        answer = api.post(f"{CYCLE}/{step}", body, by="bob", If_Match='"1"')
        assert answer.refused("version-conflict", 412)["version"] == 2
    assert api.stored() == before
    api.post(f"{CYCLE}/cancel", said, If_Match=seen.headers["etag"]).done()


def test_a_person_has_no_version(small: Api) -> None:
    person = {"name": "Amina Khan", "date_of_birth": "1988-12-31"}
    refused = small.put("/v1/people/R1", person, If_Match='"1"')
    refused.refused("version-conflict", 412)


# --- bodies -------------------------------------------------------------------------------


def faults(answer: Answer) -> dict[str, str]:
    answer.refused("body-invalid", 422)
    return {fault["field"]: fault["reason"] for fault in answer["faults"]}


@pytest.mark.parametrize("written", [b"310.0", b"31000.5", b'"31000"', b"true", b"null", b"1e4"])
def test_money_is_whole_pence(small: Api, written: bytes) -> None:
    open_budget(small)
    body = b'{"effective_on":"2026-04-06","basis":"net","weekly_pence":%s}' % written
    found = faults(small.post(f"{BUDGET}/assess-contribution", body))
    assert list(found) == ["weekly_pence"]
    assert found["weekly_pence"].startswith("Expected int")
    nested = msgspec.json.encode({"effective_on": "2026-04-06", "lines": [LINE, LINE]})
    nested = nested.replace(b"31000", written, 1)
    assert list(faults(small.post(f"{BUDGET}/agree-allocation", nested))) == [
        "lines[0].weekly_pence"
    ]
    assert small.stored() == (1, 1)


def test_every_fault_is_named_by_its_field(small: Api) -> None:
    body = {
        "effective_on": "2026-02-30",
        "legal_basis": "none",
        "primary_support_reason": 7,
        "paid_elsewhere_to": "yesterday",
        "name": "Siân",
    }
    assert faults(small.post(f"{BUDGET}/open", body)) == {
        "effective_on": "Invalid RFC3339 encoded date.",
        "legal_basis": "Is not one of the values allowed here.",
        "primary_support_reason": "Expected str, got int.",
        "paid_elsewhere_to": "Invalid RFC3339 encoded date.",
        "recipient_reference": "Is missing.",
        "name": "Is not a field of this request.",
    }
    period = {"starts_on": "2026-05-03", "ends_on": "2026-04-06"}
    backwards = {"effective_on": "x", "return_reference": "SR1", "period": period}
    found = faults(small.post(f"{BUDGET}/request-spend-return", backwards))
    assert found.keys() == {"effective_on", "period", "due_on"}
    assert faults(small.post(f"{BUDGET}/open", [])) == {"": "Must be a JSON object."}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"not json", b'{"a":1} {"b":2}', b'\xef\xbb\xbf{"a":1}', b"\xff\xfe{\x00}\x00",
     b'{"effective_on":"2026-04-06","reason_code":"\xff"}', b'{"a":NaN}', b'{"a":"\\ud800"}',
     b'{"effective_on":' + b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_json_in_utf_8(small: Api, body: bytes) -> None:
    answer = small.post(f"{BUDGET}/close", body)
    if body.startswith(b'{"effective_on":[') or b'"a":NaN' in body:
        assert answer.status in (400, 422)
        assert answer.type == "application/problem+json"
    else:
        answer.refused("body-unreadable", 400)
    assert small.stored() == (0, 0)


def test_a_long_body_is_refused_while_it_arrives(small: Api) -> None:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    answered: list[Any] = []

    async def send(message: Any) -> None:
        answered.append(message)

    headers = {"host": "localhost", "x-acting-as": "ann", "idempotency-key": "k"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{BUDGET}/open",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    anyio.run(small.client.app, scope, receive, send)
    assert answered[0]["status"] == 413
    assert b"body-too-large" in answered[1]["body"]
    assert sent == MOST_BYTES // 100_000 + 1
    announced = small.post(f"{BUDGET}/open", b" " * (MOST_BYTES + 1))
    announced.refused("body-too-large", 413)
    small.post(f"{BUDGET}/open", b" " * MOST_BYTES).refused("body-unreadable", 400)


@pytest.mark.parametrize(
    ("command", "fields", "field"),
    [
        ("propose-clawback", {"clawback_reference": "C1", "cause_code": "surplus",
                              "amount_pence": 10**13}, "amount_pence"),
        ("propose-clawback", {"clawback_reference": "C\x001", "cause_code": "surplus",
                              "amount_pence": 1}, "clawback_reference"),
        ("propose-clawback", {"clawback_reference": "Mrs Smith's", "cause_code": "surplus",
                              "amount_pence": 1}, "clawback_reference"),
        ("sign-agreement", {"template_version": "x" * 201}, "template_version"),
        ("end-allocation", {"effective_on": "9999-12-31", "line_reference": "L"}, "effective_on"),
        ("close", {"effective_on": "0001-01-01", "reason_code": "died"}, "effective_on"),
        ("agree-allocation", {"lines": [{**LINE, "need": "help for Mrs Smith"}]}, "lines[0].need"),
        ("agree-allocation", {"lines": [{**LINE, "ends_on": "9999-12-31"}]}, "lines[0].ends_on"),
        ("agree-allocation", {"lines": [LINE] * 1_001}, "lines"),
        ("switch-to-provided-services", {"line_references": ["a b"]}, "line_references[0]"),
    ],
)  # fmt: skip
def test_what_no_part_of_the_ledger_could_keep(
    small: Api, command: str, fields: dict[str, Any], field: str
) -> None:
    open_budget(small)
    answer = small.post(f"{BUDGET}/{command}", {"effective_on": "2026-04-06", **fields})
    assert answer.refused("invalid-value", 422)["field"] == field
    assert small.stored() == (1, 1)
    small.ledger.projections.catch_up()


def test_dates_in_the_address(small: Api) -> None:
    open_budget(small)
    for on in ("2026-02-30", "20260406", "1775433600", "2026-04-06T00:00:00", ""):
        small.get(BUDGET, on=on).refused("invalid-date", 422)
    for on in ("9999-12-31", "0001-01-01"):
        small.get(BUDGET, on=on).refused("invalid-value", 422)
    for known_at in ("2026-04-06", "2026-04-06T09:30:00", "now", "2026-04-06T25:00:00Z"):
        small.get(BUDGET, known_at=known_at).refused("invalid-date", 422)
    small.ask(f"{BUDGET}?known_at=2999-01-01T00:00:00+01:00").refused("invalid-value", 422)
    small.ask(f"{BUDGET}?known_at=2126-01-01T00:00:00+01:00").done()


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=" + "P" * 21])
def test_pages_have_bounds(small: Api, query: str) -> None:
    answer = small.ask(f"/v1/budgets?{query}")
    assert list(faults(answer)) == [query.partition("=")[0]]


# --- people and accounts ------------------------------------------------------------------


def test_a_person_is_registered_once(api: Api) -> None:
    person = {"name": "Siân  O'Connor", "date_of_birth": "1950-02-03"}
    registered = api.put("/v1/people/R000001", person).done(201)
    assert registered.json == {"person_reference": "R000001"}
    again = {**person, "name": "Siân O'Connor"}
    api.put("/v1/people/R000001", again).done(200)
    other = {**person, "name": "Amina Khan"}
    refused = api.put("/v1/people/R000001", other).refused("person-already-known", 409)
    assert "Amina" not in refused.content.decode()
    assert api.stored() == (0, 2)
    assert api.ledger.people.person("R000001").name == "Siân O'Connor"
    for name in ("", "  ", "x" * 141, "a\x00b"):
        api.put("/v1/people/R2", {**person, "name": name}).refused("invalid-value", 422)


def test_account_details_are_neither_echoed_nor_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    make_payable(api)
    wrong: list[dict[str, Any]] = [
        {"account_number": f"{ACCOUNT_NUMBER}9"},
        {"sort_code": f"99-99-0x{ACCOUNT_NUMBER}"},
        {"payee_type": ACCOUNT_NUMBER},
        {"account_number": int(ACCOUNT_NUMBER)},
        {"account_name": ACCOUNT_NUMBER * 20},
        {"effective_on": ACCOUNT_NUMBER},
    ]
    for fields in wrong:
        refused = api.post(f"{BUDGET}/propose-payee", account(**fields))
        assert refused.status == 422
        assert ACCOUNT_NUMBER not in refused.content.decode()
    assert [word for word in PERSONAL if word in caplog.text] == []


def test_a_proposal_says_only_its_reference(api: Api) -> None:
    make_payable(api)
    proposed = api.post(f"{BUDGET}/propose-payee", account(account_number="27182818")).done()
    (event,) = proposed["events"]
    checked = {"modulus_check", "modulus_table_version", "source", "provider_reference"}
    assert event["facts"].keys() == {"payee_reference", "payee_type", *checked}
    assert [p["payee_reference"] for p in api.get(BUDGET)["proposed_payees"]] == [
        event["facts"]["payee_reference"]
    ]
    again = api.post(f"{BUDGET}/propose-payee", account(account_number="27182818")).done()
    assert again["events"] == []


# --- where requests come from -------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "host", "allowed"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.7", "127.0.0.1:8000", True),
        ("::1", "[::1]:8000", True),
        ("::ffff:127.0.0.1", "LOCALHOST:8000", True),
        ("10.0.0.5", "localhost", False),
        ("::ffff:10.0.0.5", "localhost", False),
        ("testclient", "localhost", False),
        ("", "localhost", False),
        ("127.0.0.1", "ledger.example", False),
        ("127.0.0.1", "localhost.example", False),
        ("127.0.0.1", "10.0.0.5", False),
    ],
)
def test_only_this_machine_may_ask(small: Api, client: str, host: str, allowed: bool) -> None:
    app = small.client.app
    elsewhere = TestClient(app, base_url="http://localhost", client=(client, 50_000))
    for method, path in (("GET", "/health"), ("GET", "/v1/budgets"), ("PUT", "/v1/people/R1")):
        answer = Answer(elsewhere.request(method, path, headers={"Host": host}))
        if not allowed:
            answer.refused("not-loopback", 403)
        else:
            assert answer.status != 403


# --- when things go wrong inside ----------------------------------------------------------


def test_a_failure_tells_the_client_nothing(api: Api) -> None:
    """A person's row is damaged by hand, so that their seal does not open; then worse."""
    person = {"name": "Amina Khan", "date_of_birth": "1988-12-31"}
    api.put("/v1/people/R1", person).done(201)
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE people SET name_sealed = 'x'")
    api.put("/v1/people/R1", person).refused("seal-broken", 500)
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE idempotency_keys")
    failed = api.post(f"{BUDGET}/open", OPENING)
    if api.ledger.engine.dialect.name == "sqlite":  # which does not tell a lost table from a lock
        failed.refused("store-unavailable", 503)
    else:
        failed.refused("internal-error", 500)
    assert "idempotency_keys" not in failed.content.decode()


def test_a_ledger_that_is_not_there_is_said_at_the_start(sqlite_url: str, tmp_path: Path) -> None:
    from ledger.errors import LedgerNotInitialised
    from ledger.keyring import Keyring
    from tests.main_job import settings_for

    settings = settings_for(sqlite_url, tmp_path)
    Keyring.from_file(settings.key_file, create=True)
    with pytest.raises(LedgerNotInitialised), TestClient(create_app(settings)):
        pass


def test_health_and_readiness(api: Api) -> None:
    assert api.get("/health").done().json == {"status": "alive"}
    assert api.get("/ready").done().json == {"status": "ready", "position": 0, "head": 0,
                                             "behind": 0}  # fmt: skip
    open_budget(api)
    assert api.get("/ready").done()["behind"] == 1
    api.get("/v1/budgets").done()
    assert api.get("/ready").done()["behind"] == 0


def test_stopped_read_tables_are_seen_and_not_answered_from(api: Api) -> None:
    open_budget(api)
    unknown = api.ledger.recorder
    from uuid import uuid4

    from eventsourcing.persistence import StoredEvent

    unknown.insert_events([StoredEvent(uuid4(), 1, "personal-budget.unheard-of.v9", b"{}")])
    api.get("/v1/budgets").refused("projection-stopped", 503)
    stopped = api.get("/ready").refused("projection-stopped", 503)
    assert (stopped["position"], stopped.headers["retry-after"]) == (2, "2")
    assert "unheard-of" in stopped["why"]
    api.get(f"{BUDGET}/balance").refused("projection-stopped", 503)
    api.get(BUDGET).done()  # from its own events
    api.post(f"{BUDGET}/suspend-payments", SUSPENSION).done()  # the ledger itself goes on


def test_read_tables_of_another_version_are_seen(api: Api) -> None:
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE read_position SET shape = 'older'")
    api.get("/ready").refused("read-tables-out-of-date", 503)
    api.get("/v1/budgets").refused("read-tables-out-of-date", 503)


def test_an_unreachable_database_is_no_secret_but_its_address_is(
    postgres_url: str, tmp_path: Path, postgres_server: str
) -> None:
    import psycopg
    from psycopg import sql
    from sqlalchemy import make_url

    with an_api(postgres_url, tmp_path) as api:
        open_budget(api)
        name = make_url(postgres_url).database or ""
        with psycopg.connect(postgres_server, autocommit=True) as server:
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            gone = f"{name}_gone"
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            server.execute(rename.format(sql.Identifier(name), sql.Identifier(gone)))
            try:
                answer = api.get("/ready").refused("store-unavailable", 503)
                assert answer["retryable"] is True
                assert answer.headers["retry-after"] == "2"
                assert name not in answer.content.decode()
                api.get("/health").done()
            finally:
                server.execute(rename.format(sql.Identifier(gone), sql.Identifier(name)))


def test_a_cycle_reference_cannot_leave_the_folder_of_files(api: Api) -> None:
    from ledger.errors import InvalidValue
    from ledger.payment_run import prepare_cycle
    from tests.given import days
    from tests.main_job import says

    for reference in ("../../etc/C1", "/tmp/C1", "A/B", "c1"):
        with pytest.raises(InvalidValue):
            prepare_cycle(api.ledger, reference, period=days("04-06", "05-03"),
                          pay_on=days("04-02", "04-02").starts_on, said=says("ann"))  # fmt: skip
    prepare(api, period={**PERIOD, "ends_on": "2300-01-01"}).refused("invalid-value", 422)


def test_it_is_one_ledger_for_each_application(sqlite_url: str, tmp_path: Path) -> None:
    with an_api(sqlite_url, tmp_path) as api:
        assert isinstance(api.ledger, Ledger)
        engine = api.ledger.engine
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
