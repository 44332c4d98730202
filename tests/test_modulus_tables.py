"""Loading weight tables, and proposing payees against the one in force, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledger.aggregates.payees import ModulusCheck
from ledger.application import Ledger
from ledger.caseload_import import import_caseload
from ledger.errors import (
    AccountFailsModulusCheck,
    InvalidValue,
    ModulusTableConflict,
    WeightTableUnreadable,
)
from ledger.modulus_tables import checked
from tests.api import Api, account, an_api, open_budget
from tests.main_job import IMPORTED_AT, a_caseload, a_ledger, a_row, log_of, says
from tests.pbledger import Pbledger

# Made up: under 99-99-.. the digits of a good account number add up to tens.
TENS = f"999900 999999 MOD10{' 0' * 6}{' 1' * 8}\n"
ELEVENS = TENS.replace("MOD10", "MOD11")
AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def load(
    ledger: Ledger,
    weights: str,
    version: str,
    day: str = "2026-01-05",
    *,
    substitutions: str | None = None,
    at: datetime = AT,
) -> bool:
    return ledger.load_modulus_table(
        weights,
        version=version,
        effective_from=date.fromisoformat(day),
        substitutions=substitutions,
        loaded_at=at,
        loaded_by="ann",
    )


def answer(ledger: Ledger, day: str, account_number: str = "12345672") -> tuple[str, str] | None:
    """The version in force on a day, and what it says of an account."""
    found = ledger.modulus_tables.in_force(date.fromisoformat(day))
    return found and (found.version, checked("999901", account_number, found)["modulus_check"])


def test_the_table_in_force_is_the_latest_that_has_begun(ledger: Ledger) -> None:
    assert answer(ledger, "2026-04-06") is None
    assert load(ledger, ELEVENS, "2", "2026-06-01")
    assert load(ledger, TENS, "1", "2026-01-05")
    assert answer(ledger, "2026-01-04") is None
    assert answer(ledger, "2026-01-05") == ("1", "valid")
    assert answer(ledger, "2026-05-31") == ("1", "valid")
    assert answer(ledger, "2026-06-01") == ("2", "invalid")


def test_of_two_from_one_day_the_one_loaded_last_is_in_force(ledger: Ledger) -> None:
    """So a table loaded wrongly is put right by loading another, never by changing it."""
    load(ledger, ELEVENS, "7.40")
    load(ledger, TENS, "7.40 again", at=AT.replace(hour=11))
    assert answer(ledger, "2026-04-06") == ("7.40 again", "valid")


def test_the_same_table_again_changes_nothing(ledger: Ledger) -> None:
    assert load(ledger, TENS, "1", substitutions="")
    kept = ledger.modulus_tables.loaded()
    assert not load(ledger, TENS, "1", substitutions="", at=AT.replace(year=2027))
    assert ledger.modulus_tables.loaded() == kept
    assert kept[0].with_substitutions
    assert (kept[0].loaded_by, kept[0].loaded_at) == ("ann", "2026-03-02T10:00:00.000000+00:00")


@pytest.mark.parametrize(
    ("weights", "day", "substitutions"),
    [
        (ELEVENS, "2026-01-05", None),
        (TENS, "2026-01-06", None),
        (TENS, "2026-01-05", "999901 999902"),
    ],
)
def test_a_version_is_one_table_for_ever(ledger: Ledger, weights, day, substitutions) -> None:
    load(ledger, TENS, "1")
    kept = ledger.modulus_tables.loaded()
    with pytest.raises(ModulusTableConflict):
        load(ledger, weights, "1", day, substitutions=substitutions)
    assert ledger.modulus_tables.loaded() == kept


def test_a_table_that_cannot_be_read_is_not_kept(ledger: Ledger) -> None:
    with pytest.raises(WeightTableUnreadable, match="line 2"):
        load(ledger, f"{TENS}x", "1")
    for version in ("", " 1", "1\n", "x" * 41, "1/2"):
        with pytest.raises(InvalidValue, match=r"^version: "):
            load(ledger, TENS, version)
    assert ledger.modulus_tables.loaded() == []


# --- proposing a payee ------------------------------------------------------------------------

GOOD, BAD = "12345672", "12345673"


def take_in(ledger: Ledger, *account_numbers: str) -> None:
    """A caseload of one budget for each account number."""
    rows = [
        a_row(number, account_number=account_number)
        for number, account_number in enumerate(account_numbers, 1)
    ]
    import_caseload(ledger, a_caseload(*rows), recorded_at=IMPORTED_AT, recorded_by="alice")


def propose(
    ledger: Ledger,
    account_number: str,
    sort_code: str = "99-99-02",
    day: str = "2026-03-27",
    name: str = "A B",
) -> tuple[ModulusCheck | None, str]:
    """Ann proposes an account for the first budget; what was recorded of its check."""
    budget, reference = ledger.propose_payee(
        "PB000001",
        payee_type="recipient",
        account_name=name,
        sort_code=sort_code,
        account_number=account_number,
        said=says("ann", day),
    )
    payee = budget.proposed_payees[reference]
    return payee.modulus_check, payee.modulus_table_version


def test_a_proposed_account_is_checked_by_the_table_in_force(ledger: Ledger) -> None:
    take_in(ledger, "90000001")
    assert propose(ledger, "11111111") == ("no_table", "")
    load(ledger, TENS, "1", "2026-03-01")
    load(ledger, ELEVENS, "2", "2026-04-01")
    assert propose(ledger, GOOD) == ("valid", "1")
    assert propose(ledger, BAD, "20-00-00") == ("no_rule", "1")
    before = log_of(ledger)
    for number, day in ((BAD, "2026-03-27"), (GOOD[::-1], "2026-04-01")):
        with pytest.raises(AccountFailsModulusCheck) as refusal:
            propose(ledger, number, day=day)
        assert number not in f"{refusal.value} {refusal.value.details}"
    assert log_of(ledger) == before
    assert propose(ledger, "12345675", day="2026-04-01") == ("valid", "2")


def test_an_account_put_forward_before_a_table_stays(ledger: Ledger) -> None:
    take_in(ledger, BAD)
    load(ledger, TENS, "1")
    before = log_of(ledger)
    assert propose(ledger, BAD, "99-99-01", name="S O'Connor") == ("no_table", "")
    assert log_of(ledger) == before


def test_a_caseload_with_an_account_that_fails_is_refused_whole(ledger: Ledger) -> None:
    load(ledger, TENS, "7.40")
    with pytest.raises(AccountFailsModulusCheck, match="PB000002, PB000003") as refusal:
        take_in(ledger, GOOD, BAD, "12345674", "90000001")
    assert refusal.value.details["budget_references"] == ["PB000002", "PB000003"]
    assert BAD not in f"{refusal.value} {refusal.value.details}"
    assert log_of(ledger) == []
    take_in(ledger, GOOD, "90000001")
    proposed = [next(iter(b.proposed_payees.values())) for b in ledger.budgets()]
    assert [(p.modulus_check, p.modulus_table_version) for p in proposed] == [("valid", "7.40")] * 2


def test_a_caseload_again_under_another_table_changes_nothing(ledger: Ledger) -> None:
    """What is here already was checked, or not, when it came."""
    take_in(ledger, GOOD, BAD)
    before = log_of(ledger)
    load(ledger, TENS, "7.40")
    take_in(ledger, GOOD, BAD)
    assert log_of(ledger) == before


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as api:
        yield api


def test_a_program_is_told_what_the_check_said(api: Api) -> None:
    load(api.ledger, TENS, "7.40", "2020-01-01")
    api.put("/v1/people/R000001", {"name": "A B", "date_of_birth": "1950-02-03"}).done(201)
    open_budget(api)
    at = "/v1/budgets/PB000001"
    refused = api.post(f"{at}/propose-payee", account(account_number=BAD))
    refused.refused("account-fails-modulus-check", 422)
    assert BAD not in refused.content.decode()
    done = api.post(f"{at}/propose-payee", account(account_number=GOOD)).done()
    facts = done["events"][0]["facts"]
    assert (facts["modulus_check"], facts["modulus_table_version"]) == ("valid", "7.40")
    [proposed] = api.get(at)["proposed_payees"]
    assert (proposed["modulus_check"], proposed["modulus_table_version"]) == ("valid", "7.40")


# --- on the command line ----------------------------------------------------------------------


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    monkeypatch.chdir(tmp_path)
    made = Pbledger(database_url, tmp_path)
    made.done("init")
    Path("valacdos.txt").write_text(TENS)
    return made


LOAD = "--as ann modulus load valacdos.txt --effective-from 2026-01-05 --version 7.40"


def test_a_council_loads_a_table_and_looks_at_it(pbledger: Pbledger) -> None:
    assert "No weight table is loaded" in pbledger.done("modulus show")
    assert "accounts are not checked" in pbledger.done("modulus show")
    assert "Weight table 7.40 is loaded, in force from 2026-01-05." in pbledger.done(LOAD)
    assert "it is here already" in pbledger.done(LOAD)
    assert "in force" in pbledger.done("modulus show --on 2026-01-05")
    shown = pbledger.json("modulus show --on 2026-01-04")
    assert shown["in_force"] is None
    assert [(t["version"], t["with_substitutions"]) for t in shown["tables"]] == [("7.40", False)]


def test_a_bad_file_is_refused_with_its_lines(pbledger: Pbledger) -> None:
    Path("valacdos.txt").write_text(f"{TENS}nonsense\n")
    assert "line 2: 1 columns" in pbledger.run(LOAD).stderr
    Path("valacdos.txt").write_bytes(b"\xff\xfe")
    assert "valacdos.txt is not text" in pbledger.run(LOAD).stderr
    assert pbledger.json("modulus show")["tables"] == []


def test_loading_asks_who_is_acting(pbledger: Pbledger) -> None:
    assert pbledger.run(LOAD.removeprefix("--as ann ")).exit_code == 2


OFFER = "--as ann budget propose-payee PB000001 --payee-type recipient --account-name N "


def test_a_person_reads_what_the_check_said(pbledger: Pbledger) -> None:
    pbledger.done("--as ann import-caseload", str(pbledger.caseload(2)))
    unchecked = "the account number was not checked: no table is loaded"
    assert unchecked in pbledger.done("budget show PB000001")
    pbledger.done("--as bob payees verify --all")
    pbledger.done(LOAD)
    assert f"; {unchecked}" in pbledger.done("budget show PB000001")
    told = pbledger.refused(
        "account-fails-modulus-check", f"{OFFER}--sort-code 99-99-02 --account-number {BAD}"
    )
    assert "(table 7.40)" in told
    assert BAD not in told
    passed = "the account number passed the modulus check (table 7.40)"
    assert passed in pbledger.done(f"{OFFER}--sort-code 99-99-02 --account-number {GOOD}")
    assert passed in pbledger.done("budget show PB000001")
    no_rule = "the modulus check has no rule for this sort code (table 7.40)"
    assert no_rule in pbledger.done(f"{OFFER}--sort-code 20-00-00 --account-number {BAD}")
    history = pbledger.done("budget history PB000001")
    assert all(" ".join(history.split()).count(said) for said in (unchecked, passed, no_rule))
    assert GOOD not in history + pbledger.done("--json budget show PB000001")


def test_a_caseload_that_fails_lists_its_budgets(pbledger: Pbledger) -> None:
    pbledger.done(LOAD)
    result = pbledger.run("--as ann import-caseload", str(pbledger.caseload(12)))
    assert result.exit_code == 1
    assert result.stderr.startswith("refused: account-fails-modulus-check: ")
    assert "PB000001" in result.stderr.partition("Accounts that fail")[2]
    assert pbledger.json("budget list")["budgets"] == []
