"""Providers on the command line: registered, verified by a second person, paid in one credit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Ledger
from tests.main_job import a_caseload, settings_for, take_in
from tests.pbledger import Pbledger
from tests.providers import a_mixed_row

PROPOSE = (
    "--as ann provider propose-account SUNRISE --sort-code 99-99-03 --account-number 70000001 "
    "--account-name"
)
NAME, ACCOUNT_NAME = "Sunrise Care Ltd", "Sunrise client account"


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """Two budgets with a direct payment and a line in a service fund, and a provider."""
    monkeypatch.chdir(tmp_path)
    made = Pbledger(database_url, tmp_path)
    made.done("init")
    with Ledger(settings_for(database_url, tmp_path)) as ledger:
        take_in(ledger, a_caseload(a_mixed_row(1), a_mixed_row(2)))
    made.done("--as ann provider register SUNRISE --name", NAME)
    return made


def verified(pbledger: Pbledger) -> str:
    """Ann proposes the provider's account and Bob verifies it; returns its reference."""
    account: str = pbledger.json(PROPOSE, ACCOUNT_NAME)["account_reference"]
    verify = f"provider verify-account SUNRISE --account-reference {account}"
    pbledger.refused("verifier-proposed-payee", f"--as ann {verify}")
    assert f"SUNRISE is paid into {account}" in pbledger.done(f"--as bob {verify}")
    return account


def held(pbledger: Pbledger) -> None:
    """Sunrise holds both funds, and the second budget's direct payment."""
    for reference in ("PB000001", "PB000002"):
        hold = f"--as ann budget hold-service-fund {reference} --provider-reference SUNRISE"
        pbledger.done(f"{hold} --effective-on 2026-04-06")
    pbledger.done("--as ann budget propose-managed-account PB000002 --provider-reference SUNRISE")
    pbledger.done("--as bob budget verify-payee PB000002 --payee-reference SUNRISE")


def test_a_provider_is_registered_and_its_account_shown_by_its_last_digits(pbledger):
    assert "Next, by someone else" in pbledger.done(PROPOSE, ACCOUNT_NAME)
    account = verified(pbledger)
    shown = pbledger.json("provider show SUNRISE")
    assert (shown["name"], shown["account"]["account"]) == (NAME, "****0001")
    assert shown["account"]["account_reference"] == account
    (row,) = pbledger.json("provider list")["providers"]
    assert (row["reference"], row["name"], row["account_reference"]) == ("SUNRISE", NAME, account)
    for screen in (pbledger.done("provider list"), pbledger.done("provider show SUNRISE")):
        assert NAME in screen
        assert "70000001" not in screen
    look = pbledger.json(f"--as bob payees look {account} --reason verifying")["payee"]
    assert (look["account_number"], look["provider_reference"]) == ("70000001", "SUNRISE")


def test_what_is_not_allowed_is_refused_and_leaves_nothing(pbledger):
    pbledger.refused("provider-already-known", "--as ann provider register SUNRISE --name Other")
    pbledger.refused("invalid-value", "--as ann provider register sunrise --name", NAME)
    pbledger.refused("provider-not-found", "provider show HARBOUR")
    hold = "--as ann budget hold-service-fund PB000001 --effective-on 2026-04-06"
    pbledger.refused("provider-not-found", f"{hold} --provider-reference HARBOUR")
    pbledger.refused(
        "provider-not-found",
        "--as ann budget propose-managed-account PB000001 --provider-reference HARBOUR",
    )
    end = "--as ann provider end SUNRISE --reason-code ceased_trading"
    pbledger.done(f"{end} --effective-on 2026-04-05")
    pbledger.refused("provider-has-ended", f"{hold} --provider-reference SUNRISE")
    pbledger.refused("provider-has-ended", PROPOSE, ACCOUNT_NAME)


def test_one_credit_pays_for_everyone_and_is_broken_down(pbledger, tmp_path):
    account = verified(pbledger)
    held(pbledger)
    assert pbledger.json("provider show SUNRISE")["budgets"] == [
        {"budget_reference": "PB000001", "managed_account": False, "service_fund": True},
        {"budget_reference": "PB000002", "managed_account": True, "service_fund": True},
    ]
    pbledger.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    assert pbledger.json("cycle show C1")["line_count"] == 4
    issued = pbledger.json("--as carol cycle issue C1 --effective-on 2026-03-30")
    assert issued["record_count"] == 2
    found = pbledger.json("cycle breakdown C1 --provider SUNRISE")
    assert found["totals"]["amount_pence"] == 80_000 + 66_820 + 80_000
    assert [line["budget_reference"] for line in found["lines"]] == [
        "PB000001", "PB000002", "PB000002",
    ]  # fmt: skip
    bulk = found["bulk_reference"]
    assert f"service fund, to SUNRISE with {bulk}" in " ".join(
        pbledger.done("cycle lines C1").split()
    )
    table = pbledger.done("cycle breakdown C1 --provider SUNRISE")
    assert f"{bulk}, £2,268.20" in table
    rows = list(
        csv.DictReader(pbledger.done("cycle breakdown C1 --provider SUNRISE --csv -").splitlines())
    )
    assert [row["amount"] for row in rows] == ["800.00", "668.20", "800.00"]
    page, sheet = tmp_path / "b.html", tmp_path / "b.csv"
    written = pbledger.done(f"cycle breakdown C1 --provider SUNRISE --html {page} --csv {sheet}")
    assert f"Written to {page}." in written
    assert NAME in page.read_text()
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbfbudget,")
    pbledger.refused("provider-not-in-cycle", "cycle breakdown C1 --provider HARBOUR")
    pbledger.misused("cycle breakdown C1 --provider SUNRISE --csv - --html -")

    fund: dict[str, Any] = pbledger.json("budget show PB000001")["service_fund"]
    assert fund == {"provider_reference": "SUNRISE", "paid_from": "2026-04-06"}
    assert "held by SUNRISE, paid from 2026-04-06" in pbledger.done("budget show PB000001")
    assert "Service fund payment" in pbledger.done(
        "budget statement PB000001 --from 2026-04-01 --to 2026-05-03"
    )
    withdraw = f"--as ann provider withdraw-account SUNRISE --account-reference {account}"
    pbledger.done(f"{withdraw} --reason-code fraud_suspected")
    assert pbledger.json("provider show SUNRISE")["account"] is None
    pbledger.done("--as ann cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-01")
    noted = pbledger.json("cycle exceptions C2 --code provider-account-not-verified")["exceptions"]
    assert [(one["budget_reference"], one.get("channel")) for one in noted] == [
        ("PB000001", "service_fund"),
        ("PB000002", None),
        ("PB000002", "service_fund"),
    ]
    assert "every read table" in pbledger.done("verify")


def test_what_a_fund_was_overpaid_is_received(pbledger):
    verified(pbledger)
    held(pbledger)
    pbledger.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    pbledger.done("--as carol cycle issue C1 --effective-on 2026-03-30")
    pbledger.done("--as carol cycle settle C1 --on 2026-04-02")
    receive = "--as ann budget receive-service-fund PB000001 --receipt-reference R1 --amount"
    pbledger.refused("service-fund-not-overpaid", f"{receive} 400.00 --effective-on 2026-05-08")
    pbledger.done("--as ann budget end-allocation PB000001 --line-reference community.social_care "
                  "--effective-on 2026-04-19")  # fmt: skip
    said = pbledger.done(f"{receive} 400.00 --effective-on 2026-05-08")
    assert "The provider paid back £400.00" in said
