"""Verification names the first thing that is not as it should be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.database import connect
from ledger.verification import verify_ledger
from tests.main_job import a_ledger
from tests.mass_change import assess, budgets, done, reassessing
from tests.pbledger import Pbledger


@pytest.fixture(scope="module")
def a_council(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with one issued cycle."""
    folder = tmp_path_factory.mktemp("council")
    program = Pbledger(f"sqlite:///{folder / 'ledger.db'}", folder).with_cycle(5)
    program.done(f"--as bob cycle approve C1 {program.stated()}")
    program.done("--as cat cycle issue C1 --effective-on 2026-03-30")
    program.done("catch-up")
    return folder


@pytest.fixture
def pbledger(a_council: Path, tmp_path: Path) -> Pbledger:
    """A copy of that ledger, to do with as a test likes."""
    shutil.copytree(a_council, tmp_path, dirs_exist_ok=True)
    return Pbledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path)


def tamper(pbledger: Pbledger, *statements: str) -> None:
    """Change the database as nobody should be able to: the guards are taken off first."""
    engine = connect(pbledger.database_url)
    with engine.begin() as connection:
        triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in connection.execute(triggers).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_sound_ledger(pbledger):
    found = pbledger.json("verify")
    assert found["sound"]
    assert (found["cycles"], found["bank_files"], found["difference"]) == (1, 1, None)


IN_CYCLE = "UPDATE stored_events SET state = {} WHERE topic = 'payment-cycle.{}.v1'"
IN_BUDGET = "UPDATE stored_events SET state = {} WHERE rowid = (SELECT min(rowid) FROM " \
    "stored_events WHERE topic = 'personal-budget.{}.v1')"  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "DELETE FROM stored_events WHERE topic LIKE '%agreement-signed%' AND originator_id = "
            "(SELECT originator_id FROM stored_events LIMIT 1)",
            "something is missing before it",
        ),
        (
            IN_CYCLE.format("replace(state, 'social_care', 'nhs')", "lines-listed"),
            "the hash is not",
        ),
        (
            IN_CYCLE.format("replace(state, 'first_payment', 'payee_changed')", "lines-listed"),
            "the hash is not",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.pay_on', '2026-04-01')", "prepared"),
            "the hash is not",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.period.ends_on', '2026-05-04')", "prepared"),
            "the hash is not",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.total_pence', 1)", "prepared"),
            "the totals are not those of its lines",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.total_pence', 1)", "approved"),
            "what was approved is not what was prepared",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.recorded_by', 'ann')", "approved"),
            "ann prepared and approved it",
        ),
        (
            IN_CYCLE.format(f"json_set(state, '$.file_sha256', '{'0' * 64}')", "issued"),
            "its bytes are not those recorded",
        ),
        (
            IN_CYCLE.format("json_set(state, '$.processing_on', '2026-03-31')", "issued"),
            "it asks for 2026-04-01, not for 2026-03-31",
        ),
        (
            IN_BUDGET.format("json_set(state, '$.amount_pence', 1)", "payment-scheduled"),
            "its postings do not balance",
        ),
        (
            IN_BUDGET.format("json_set(state, '$.reference', 'PB9')", "opened"),
            "is in another's history",
        ),
        (IN_BUDGET.format("'{}'", "opened"), "cannot be read"),
        ("UPDATE bank_files SET sealed = zeroblob(60)", "Sealed data did not open"),
        ("DELETE FROM bank_files", "No bank file has been issued"),
        ("UPDATE balances SET balance_pence = balance_pence + 1", "Read table balances"),
        ("UPDATE audit SET sentence = 'All is well.'", "Read table audit"),
        ("DELETE FROM payments", "Read table payments"),
    ],
)
def test_what_was_tampered_with_is_named(pbledger, statement, said):
    tamper(pbledger, statement)
    result = pbledger.run("verify")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("Not as it should be: ")
    assert said in result.stdout


def test_a_cycle_approved_by_halves_is_noticed(pbledger):
    tamper(
        pbledger,
        "DELETE FROM stored_events WHERE rowid = (SELECT max(rowid) FROM stored_events "
        "WHERE topic = 'personal-budget.payment-scheduled.v1')",
    )
    result = pbledger.run("verify")
    assert result.exit_code == 1
    assert "were promised, not" in result.stdout


def with_a_cancelled_cycle(pbledger: Pbledger) -> None:
    pbledger.done("--as ann cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-01")
    pbledger.done(f"--as bob cycle approve C2 {pbledger.stated('C2')}")
    pbledger.done("--as ann cycle cancel C2")


def test_a_cancelled_cycle_is_sound(pbledger):
    with_a_cancelled_cycle(pbledger)
    found = pbledger.json("verify")
    assert (found["sound"], found["cycles"], found["bank_files"]) == (True, 2, 1)


@pytest.mark.parametrize(
    "topic", ["personal-budget.payment-cancelled.v1", "payment-cycle.cancelled.v1"]
)
def test_a_cycle_cancelled_by_halves_is_noticed(pbledger, topic):
    with_a_cancelled_cycle(pbledger)
    tamper(
        pbledger,
        "DELETE FROM stored_events WHERE rowid = (SELECT max(rowid) FROM stored_events "
        f"WHERE topic = '{topic}')",
    )
    result = pbledger.run("verify")
    assert result.exit_code == 1
    assert "Cycle C2: " in result.stdout
    assert "were promised, not" in result.stdout


# --- mass changes -------------------------------------------------------------------------


@pytest.fixture
def uplifted(sqlite_url: str, tmp_path: Path) -> Pbledger:
    """A ledger on which a mass change assessed three people again."""
    with a_ledger(sqlite_url, tmp_path) as ledger:
        budgets(ledger, 3)
        for number in (1, 2, 3):
            assess(ledger, number)
        done(ledger, reassessing())
        assert verify_ledger(ledger).difference is None
    return Pbledger(sqlite_url, tmp_path)


IN_CHANGE = "UPDATE stored_events SET state = {} WHERE topic = 'mass-change.{}.v1'"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (IN_CHANGE.format("replace(state, '\"now_pence\":', '\"now_pence\":1')", "listed"),
         "the hash is not"),
        (IN_CHANGE.format("json_set(state, '$.warnings', json_array('Trust me.'))", "prepared"),
         "the hash is not"),
        (IN_CHANGE.format(f"json_set(state, '$.lines_sha256', '{'0' * 64}')", "approved"),
         "other lines were approved"),
        (IN_CHANGE.format("json_set(state, '$.recorded_by', 'petra')", "approved"),
         "petra approved their own"),
        ("DELETE FROM stored_events WHERE rowid = (SELECT max(rowid) FROM stored_events "
         "WHERE topic = 'personal-budget.finances-assessed.v1')", "was not changed as approved"),
    ],
)  # fmt: skip
def test_a_mass_change_tampered_with_is_named(uplifted, statement, said):
    tamper(uplifted, statement)
    result = uplifted.run("verify")
    assert result.exit_code == 1
    assert "Mass change " in result.stdout
    assert said in result.stdout
