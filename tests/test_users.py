"""Users on the command line: who has which role, since when, and by whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.access.users import User, record_user, user_history, user_named
from ledger.application import Ledger
from ledger.errors import InvalidValue, UserNameTaken, UserNotFound
from tests.main_job import a_ledger
from tests.pbledger import Pbledger

MOMENT = datetime(2026, 4, 1, 9, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path):
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def a_user(name: str, subject: str = "", **facts) -> User:
    return User(issuer="https://id.example", subject=subject or name, name=name, **facts)


def test_what_was_recorded_stays_and_the_newest_stands(ledger: Ledger):
    officer = a_user("amira", roles=("finance_officer",))
    assert record_user(ledger, officer, MOMENT, "sue")
    assert not record_user(ledger, officer, MOMENT, "sue"), "so already"
    assert record_user(ledger, a_user("amira", roles=("auditor",)), MOMENT, "tom")
    assert user_named(ledger.engine, "amira").roles == ("auditor",)
    history = user_history(ledger.engine, "amira")
    assert [(one.user.roles, one.recorded_by) for one in history] == [
        (("finance_officer",), "sue"),
        (("auditor",), "tom"),
    ]


def test_a_name_is_one_sign_ins_for_ever(ledger: Ledger):
    record_user(ledger, a_user("amira", "s1"), MOMENT, "sue")
    with pytest.raises(UserNameTaken):
        record_user(ledger, a_user("amira", "s2"), MOMENT, "sue")
    record_user(ledger, a_user("amira khan", "s1"), MOMENT, "sue")  # she married
    with pytest.raises(UserNameTaken):
        record_user(ledger, a_user("amira", "s2"), MOMENT, "sue")
    assert user_named(ledger.engine, "amira").name == "amira khan"


def test_of_two_who_take_a_name_at_once_one_has_it(ledger: Ledger):
    def take(number: int) -> bool:
        try:
            return record_user(ledger, a_user("amira", f"s{number}"), MOMENT, "sue")
        except UserNameTaken:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(4))) == 1


@pytest.mark.parametrize("name", ["", " ", " ann", "ann ", "a\nb", "a  b", "a" * 101])
def test_a_name_that_cannot_be_recorded_is_refused(ledger: Ledger, name: str):
    with pytest.raises(InvalidValue):
        record_user(ledger, a_user(name, "s1"), MOMENT, "sue")


def test_who_is_unknown_is_said_to_be(ledger: Ledger):
    with pytest.raises(UserNotFound):
        user_named(ledger.engine, "nobody")
    with pytest.raises(UserNotFound):
        user_history(ledger.engine, "nobody")


def test_on_the_command_line(database_url: str, tmp_path: Path):
    pbledger = Pbledger(database_url, tmp_path)
    pbledger.done("init")
    set_ = "--as sue users set amira"
    said = pbledger.done(f"{set_} --role finance_officer --role auditor")
    assert said == "amira: finance officer, auditor.\n"
    again = pbledger.done(f"{set_} --role auditor --role finance_officer")
    assert again == "amira stood so already.\n"
    pbledger.done(f"{set_} --disabled")
    (listed,) = pbledger.json("users list")["users"]
    assert (listed["name"], listed["is_disabled"]) == ("amira", True)
    history = pbledger.done("users history amira")
    assert history.index("finance officer, auditor") < history.index("disabled")
    pbledger.refused("invalid-value", "--as sue users set bilal --role king")
    pbledger.refused("user-name-taken", "--as sue users set amira --subject other")
    pbledger.refused("user-not-found", "users history bilal")
