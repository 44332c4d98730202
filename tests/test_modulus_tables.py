"""Loading weight tables, and proposing payees against the one in force, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledger.application import Ledger
from ledger.errors import InvalidValue, ModulusTableConflict, WeightTableUnreadable
from tests.main_job import a_ledger
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
    return found and (found.version, found.check("999901", account_number))


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
