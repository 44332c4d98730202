"""Accounts are shown masked; who wants to see one in full looks on purpose, and it is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import delete, select

from ledger.bank.confirmation_of_payee import Simulator
from ledger.durable import idempotency_keys, payee_looks, people
from ledger.payee_looks import LookReason
from tests.api import (
    ACCOUNT_NAME,
    ACCOUNT_NUMBER,
    BUDGET,
    PERSONAL,
    Api,
    account,
    an_api,
    make_payable,
)
from tests.pbledger import Pbledger

LOOKS = "/v1/payee-looks"
UNKNOWN = "0" * 32


# --- over the API -------------------------------------------------------------------------


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        make_payable(api)
        yield api


def payee_of(api: Api) -> str:
    payee: str = api.get(BUDGET)["payee"]["payee_reference"]
    return payee


def look(api: Api, payee: str, reason: str = "audit", **said: Any) -> Any:
    return api.post(f"/v1/payees/{payee}/look", {"reason": reason}, **said)


def kept(api: Api) -> list[tuple[Any, ...]]:
    """Every look there is, without when it was."""
    columns = [c for c in payee_looks.c if c.name not in ("number", "looked_at")]
    with api.ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def test_a_look_is_recorded_and_then_shown(api: Api) -> None:
    payee = payee_of(api)
    assert kept(api) == []
    shown = look(api, payee, "dispute", by="dora").done().json
    assert kept(api) == [(payee, "dora", "dispute")]
    assert (shown["looked_by"], shown["reason"], shown["returned_name"]) == (
        "dora",
        "dispute",
        None,
    )
    full = ("account_name", "sort_code", "account_number", "roll_number", "person_reference")
    assert [shown[name] for name in full] == [
        ACCOUNT_NAME, "999901", ACCOUNT_NUMBER, "", "R000001",
    ]  # fmt: skip


def test_elsewhere_only_the_last_digits_are_shown(api: Api) -> None:
    api.post(f"{BUDGET}/propose-payee", account(account_number="27182818")).done()
    shown = api.get(BUDGET)
    assert shown["payee"]["account"] == "****5926"
    assert [p["account"] for p in shown["proposed_payees"]] == ["****2818"]
    for path, content in api.answers:
        assert not any(secret in content.decode() for secret in PERSONAL), path


def test_the_same_look_again_is_one_look_and_nothing_of_it_is_stored(api: Api) -> None:
    payee = payee_of(api)
    first = look(api, payee, key="k")
    again = look(api, payee, key="k")
    assert (again.status, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(kept(api)) == 1
    look(api, payee, "verifying", key="k").refused("idempotency-key-reused", 409)
    look(api, payee, key="another").done()
    assert len(kept(api)) == 2
    with api.ledger.engine.connect() as connection:
        bodies = connection.execute(select(idempotency_keys.c.body)).scalars().all()
    stored = b"".join(map(bytes, bodies)).decode()
    assert not any(secret in stored for secret in PERSONAL)


def test_a_look_that_cannot_be_recorded_shows_nothing(api: Api) -> None:
    payee = payee_of(api)
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE payee_looks RENAME TO elsewhere")
    refused = look(api, payee)
    assert refused.status in (500, 503)
    assert ACCOUNT_NUMBER not in refused.content.decode()


def test_who_gives_no_reason_or_asks_for_nobody_sees_nothing(api: Api) -> None:
    before = api.stored()
    for body in ({}, {"reason": "curious"}, {"reason": "audit", "of": "x"}):
        api.post(f"/v1/payees/{payee_of(api)}/look", body).refused("body-invalid", 422)
    look(api, UNKNOWN).refused("payee-unknown", 404)
    look(api, payee_of(api), If_Match='"1"').refused("version-conflict", 412)
    assert look(api, "not-a-payee").status == 404
    assert look(api, payee_of(api), by="").status == 401
    assert (api.stored(), kept(api)) == (before, [])


def test_the_account_of_an_erased_person_is_not_shown_again_either(api: Api) -> None:
    payee = payee_of(api)
    look(api, payee, key="k").done()
    with api.ledger.engine.begin() as connection:
        connection.execute(delete(people))
    look(api, payee, key="k").refused("payee-unknown", 404)
    look(api, payee).refused("payee-unknown", 404)
    assert api.get(BUDGET)["payee"]["account"] == "erased"
    assert len(kept(api)) == 1, "who looked stays"


def test_looks_are_listed_by_payee_and_budget_page_by_page(api: Api) -> None:
    first = payee_of(api)
    proposed = api.post(f"{BUDGET}/propose-payee", account(account_number="27182818"))
    second = proposed["events"][0]["facts"]["payee_reference"]
    make_payable(api, "PB000002", "R000002")
    other = api.get("/v1/budgets/PB000002")["payee"]["payee_reference"]
    for payee in (first, other, second, first):
        look(api, payee).done()

    def seen(**asked: Any) -> list[str]:
        return [shown["payee_reference"] for shown in api.get(LOOKS, **asked)["looks"]]

    assert seen() == [first, other, second, first]
    assert seen(payee=first) == [first, first]
    assert seen(budget="PB000001") == [first, second, first]
    assert seen(payee=UNKNOWN) == []
    page = api.get(LOOKS, limit=3)
    assert seen(limit=3, after=page["next_after"]) == [first]
    assert api.get(LOOKS, limit=4)["next_after"] is None
    api.get(LOOKS, budget="PB9").refused("budget-not-found", 404)


def test_a_program_is_told_whose_account_it_is_not(api: Api) -> None:
    api.ledger.payee_names.service = Simulator()
    told = account(account_number="30000082", account_name="Ada Nwosu")
    done = api.post(f"{BUDGET}/propose-payee", told, key="p").done()
    assert [event["event"] for event in done["events"]] == [
        "personal-budget.payee-proposed.v1",
        "personal-budget.payee-name-checked.v1",
    ]
    payee = done["events"][0]["facts"]["payee_reference"]
    (proposed,) = api.get(BUDGET)["proposed_payees"]
    assert (proposed["name_check"], proposed["name_checked_with"]) == ("MBAM", "simulator")
    verify = {"effective_on": "2026-04-06", "payee_reference": payee}
    refused = api.post(f"{BUDGET}/verify-payee", verify, by="bob")
    assert refused.refused("payee-not-confirmed", 422)["answer"] == "MBAM"
    assert "NWOSU" not in b"".join(content for _, content in api.answers).decode().upper()
    seen = look(api, payee, "correcting").done()
    assert (seen["returned_name"], seen["returned_by"]) == ("A NWOSU", "simulator")
    overridden = {**verify, "override_reason": "evidence_seen"}
    api.post(f"{BUDGET}/verify-payee", {**verify, "override_reason": "x"}, by="bob").refused(
        "body-invalid", 422
    )
    (event,) = api.post(f"{BUDGET}/verify-payee", overridden, by="bob").done()["events"]
    assert event["facts"]["override_reason"] == "evidence_seen"
    assert api.get(BUDGET)["payee"]["verified_on"] is not None


def test_a_bank_is_asked_once_for_one_key(api: Api) -> None:
    api.ledger.payee_names.service = Simulator()
    check = {"effective_on": "2026-04-06", "payee_reference": payee_of(api)}
    first = api.post(f"{BUDGET}/check-payee", check, key="c").done()
    assert len(first["events"]) == 1
    api.ledger.payee_names.service = None
    again = api.post(f"{BUDGET}/check-payee", check, key="c").done()
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert api.post(f"{BUDGET}/check-payee", check).done()["events"] == []
    api.post(f"{BUDGET}/check-payee", check, If_Match='"1"').refused("version-conflict", 412)
    for payee, code in ((UNKNOWN, "payee-not-proposed"), ("a b", "invalid-value")):
        api.post(f"{BUDGET}/check-payee", {**check, "payee_reference": payee}).refused(code, 422)


# --- on the command line ------------------------------------------------------------------


@pytest.fixture
def pbledger(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """A council of three budgets whose payees are verified, with the simulator to ask."""
    monkeypatch.chdir(tmp_path)
    made = Pbledger(sqlite_url, tmp_path).with_budgets(3)
    made.environment["LEDGER_CONFIRMATION_OF_PAYEE"] = "simulator"
    return made


PROPOSE = "--as ann budget propose-payee PB000001 --payee-type recipient --sort-code 99-99-02"


def proposed(pbledger: Pbledger, ending: str, name: str = "Ada Nwosu") -> str:
    told = f"{PROPOSE} --account-number 300000{ending} --account-name"
    reference: str = pbledger.json(told, name)["payee_reference"]
    return reference


def test_a_name_that_is_close_is_looked_at_and_put_right(pbledger: Pbledger) -> None:
    told = f"{PROPOSE} --account-number 30000082 --account-name"
    said = pbledger.done(told, "Ada Nwosu")
    assert "the name is close to that of the account (MBAM, answered by a simulator; " in said
    assert "The name is not confirmed" in said
    assert "NWOSU" not in said.upper()
    payee = said.partition("payees look ")[2].split()[0]
    verify = f"--as bob budget verify-payee PB000001 --payee-reference {payee}"
    assert "(MBAM" in pbledger.refused("payee-not-confirmed", verify)
    seen = pbledger.done(f"--as bob payees look {payee} --reason correcting")
    for shown in (
        "Ada Nwosu",
        "Name by simulator  A NWOSU",
        "99-99-02",
        "30000082",
        "Recorded: bob looked",
    ):
        assert shown in seen
    right = proposed(pbledger, "82", "A Nwosu")
    withdraw = f"--as ann budget withdraw-payee PB000001 --payee-reference {payee}"
    assert "withdrawn: wrong details" in pbledger.done(f"{withdraw} --reason-code wrong_details")
    pbledger.done(f"--as bob budget verify-payee PB000001 --payee-reference {right}")
    assert pbledger.json("budget show PB000001")["payee"]["payee_reference"] == right


def test_budget_show_masks_accounts_and_says_what_the_checks_said(pbledger: Pbledger) -> None:
    payee = proposed(pbledger, "81")
    shown = pbledger.done("budget show PB000001")
    assert "account ****0081" in shown
    assert "(ANNM, answered by a simulator; no bank was asked)" in shown
    assert payee in shown
    document = pbledger.done("--json budget show PB000001")
    assert not any(secret in shown + document for secret in ("30000081", "Nwosu", "999902"))


def test_everyone_else_is_verified_and_those_left_are_noticed(pbledger: Pbledger) -> None:
    good, bad = proposed(pbledger, "01"), proposed(pbledger, "81")
    result = pbledger.run("--as bob payees verify --all")
    assert result.exit_code == 1
    assert "1 payee(s) verified by bob." in result.stdout
    assert "1 left" in result.stdout
    assert "the name is not that of the account (ANNM" in result.stdout
    found = json.loads(pbledger.run("--json --as bob payees verify --all").stdout)
    assert (found["verified"], len(found["left"])) == (0, 1)
    assert found["left"][0]["payee_reference"] == bad
    assert pbledger.json("budget show PB000001")["payee"]["payee_reference"] == good
    override = "--override-reason called_back"
    pbledger.done(f"--as bob budget verify-payee PB000001 --payee-reference {bad} {override}")
    assert "0 payee(s) verified" in pbledger.done("--as bob payees verify --all")
    history = " ".join(pbledger.done("budget history PB000001").split())
    assert "in spite of what confirmation of payee said: called back" in history


def test_a_payee_is_checked_again_when_asked(pbledger: Pbledger) -> None:
    payee = pbledger.json("budget show PB000001")["payee"]["payee_reference"]
    check = f"--as bob budget check-payee PB000001 --payee-reference {payee}"
    assert "answered by a simulator" in pbledger.done(check)
    pbledger.environment["LEDGER_CONFIRMATION_OF_PAYEE"] = "none"
    said = pbledger.done(check)
    assert "Nothing to record" in said
    assert "Names are not checked here" in said
    Path("table.txt").write_text(f"999900 999999 MOD10{' 0' * 6}{' 1' * 8}\n")
    pbledger.done("--as ann modulus load table.txt --effective-from 2020-01-01 --version 7.50")
    assert "(table 7.50)" in pbledger.done(check)


def test_numbers_are_checked_by_the_hundred(pbledger: Pbledger) -> None:
    assert "No weight table is in force" in pbledger.done("payees check --all")
    Path("table.txt").write_text(f"999900 999999 MOD10{' 0' * 6}{' 1' * 8}\n")
    pbledger.done("--as ann modulus load table.txt --effective-from 2020-01-01 --version 7.50")
    before = pbledger.left_behind()
    shown = pbledger.done("payees check --all")
    assert "3 payee(s) checked by table 7.50." in shown
    assert "3 changed" in shown
    assert "Nothing was recorded" in shown
    assert pbledger.left_behind() == before
    pbledger.misused("payees check --all --record")  # under whose name?
    pbledger.misused("payees check")
    done = pbledger.json("--as bob payees check --all --record")
    assert (done["checked"], len(done["changed"]), done["recorded"]) == (3, 3, True)
    assert pbledger.json("payees check --all")["changed"] == []


def test_names_are_asked_about_by_the_hundred(pbledger: Pbledger) -> None:
    before = pbledger.left_behind()
    assert "3 payee(s) were never asked about" in pbledger.done("payees check --all --names")
    assert pbledger.left_behind() == before
    done = pbledger.json("--as bob payees check --all --names --most 2 --record")
    assert done == {"answers": {"match": 2}, "left": 1, "stopped": False}
    shown = pbledger.done("--as bob payees check --all --names --record")
    assert "0 payee(s) are still to be asked about." in shown
    pbledger.environment["LEDGER_CONFIRMATION_OF_PAYEE"] = "none"
    pbledger.refused("confirmation-of-payee-not-set", "payees check --all --names")


def test_who_looked_and_why_is_listed(pbledger: Pbledger) -> None:
    payee = pbledger.json("budget show PB000001")["payee"]["payee_reference"]
    pbledger.misused(f"payees look {payee} --reason audit")  # under whose name?
    pbledger.misused(f"--as bob payees look {payee}")
    pbledger.misused(f"--as bob payees look {payee} --reason curious")
    pbledger.refused("payee-unknown", f"--as bob payees look {UNKNOWN} --reason audit")
    for reason in get_args(LookReason):
        pbledger.done(f"--as bob payees look {payee} --reason {reason}")
    found = pbledger.json("payees looks")["looks"]
    assert [look["reason"] for look in found] == list(get_args(LookReason))
    assert {(look["looked_by"], look["payee_reference"]) for look in found} == {("bob", payee)}
    listed = pbledger.done("payees looks --budget PB000001")
    assert re.search(rf"\d\d:\d\d UTC  bob  subject access  {payee}\n", listed)
    assert "0 look(s)" in pbledger.done("payees looks --budget PB000002")
    assert "bob" in pbledger.done(f"payees looks --payee {payee}")
    pbledger.refused("budget-not-found", "payees looks --budget PB9")
