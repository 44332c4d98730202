"""Payees checked again by the hundred: their numbers by a newer table, their names by asking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import delete

from ledger.application import Ledger
from ledger.bank.confirmation_of_payee import NameEnquiry, NameReply, Simulator
from ledger.caseload_import import PayeesVerified, import_caseload, verify_payees
from ledger.durable import people
from ledger.errors import BudgetNotFound, ConfirmationOfPayeeNotSet, CycleOutOfDate
from ledger.jobs import current_reminders
from ledger.payee_checks import NamesChecked, check_names, check_numbers, names_to_check
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_ledger,
    a_row,
    approve,
    log_of,
    prepare,
    says,
    tell_budget,
)

# Made up: under 99-99-.. the digits of a good account number add up to tens, or to elevens.
TENS = f"999900 999999 MOD10{' 0' * 6}{' 1' * 8}\n"
ELEVENS = TENS.replace("MOD10", "MOD11")
NOW = date(2026, 4, 6)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def take_in(ledger: Ledger, *endings: str) -> None:
    """A budget for each account number by its last digits; the digits before add up to 10."""
    rows = [
        a_row(n, account_number=f"910000{ending}", account_name="Siân O'Connor")
        for n, ending in enumerate(endings, 1)
    ]
    import_caseload(ledger, a_caseload(*rows), recorded_at=IMPORTED_AT, recorded_by="alice")


def load(ledger: Ledger, weights: str, version: str, day: str) -> None:
    ledger.load_modulus_table(
        weights,
        version=version,
        effective_from=date.fromisoformat(day),
        substitutions=None,
        loaded_at=IMPORTED_AT,
        loaded_by="ann",
    )


def payee_of(ledger: Ledger, number: int) -> str:
    budget = ledger.budget(f"PB{number:06d}")
    return budget.known_payees[-1].payee_reference


def verify(ledger: Ledger, by: str = "bob") -> PayeesVerified:
    return verify_payees(ledger, references=None, said=says(by))


# --- numbers ------------------------------------------------------------------------------


def test_payees_of_which_a_newer_table_says_something_else_are_listed(ledger: Ledger) -> None:
    load(ledger, TENS, "1", "2026-01-05")
    take_in(ledger, "55", "64", "19")  # sums of 20
    verify_payees(ledger, references=["PB000001"], said=says("bob"))
    load(ledger, ELEVENS, "2", "2026-04-01")
    before = log_of(ledger)
    assert check_numbers(ledger, date(2026, 3, 31)).changed == []
    found = check_numbers(ledger, NOW)
    assert (found.table_version, found.checked, found.unreadable) == ("2", 3, 0)
    assert found.changed == [
        (f"PB00000{n}", payee_of(ledger, n), n == 1, "valid", "1", "invalid") for n in (1, 2, 3)
    ]
    assert log_of(ledger) == before, "nothing is recorded unless asked"


def test_what_changed_is_recorded_once_and_then_holds(ledger: Ledger) -> None:
    take_in(ledger, "55", "02", "64")
    load(ledger, TENS, "1", "2026-01-05")
    found = check_numbers(ledger, NOW, said=says("bob"))
    assert [(c.budget_reference, c.was, c.now) for c in found.changed] == [
        ("PB000001", "no_table", "valid"),
        ("PB000002", "no_table", "invalid"),
        ("PB000003", "no_table", "valid"),
    ]
    before = log_of(ledger)
    assert check_numbers(ledger, NOW, said=says("bob")).changed == []
    assert log_of(ledger) == before
    verified, left = verify(ledger)
    assert verified == 2
    assert [(p.budget_reference, p.code) for p in left] == [
        ("PB000002", "account-fails-modulus-check")
    ]
    assert ledger.budget("PB000001").payee is not None
    assert ledger.budget("PB000002").payee is None


def test_payees_in_use_that_fail_a_newer_table_wait_for_someone_to_release_them(
    ledger: Ledger,
) -> None:
    load(ledger, TENS, "1", "2026-01-05")
    take_in(ledger, "55", "64")
    verify(ledger)
    before = prepare(ledger)
    load(ledger, ELEVENS, "2", "2026-03-01")
    check_numbers(ledger, NOW, references=["PB000001"], said=says("bob"))
    with pytest.raises(CycleOutOfDate, match=r"PB000001: .*speaks against the account"):
        approve(ledger, before)
    held = prepare(ledger)
    assert [line.budget_reference for line in held.lines] == ["PB000002"]
    assert ("payee_number_fails", "PB000001") in [
        (e.code, e.budget_reference) for e in held.exceptions
    ]
    moment = says("bob")["recorded_at"]
    assert [r.detail for r in current_reminders(ledger, moment) if r.kind == "payee_in_doubt"] == [
        "payee_number_fails"
    ]
    cycle = prepare(ledger, release=["PB000001"])
    tell_budget(ledger, "PB000001", "suspend_payments", reason_code="other",
                interim_arrangement="none_needed", review_on=date(2027, 1, 4),
                effective_on=date(2027, 1, 1))  # fmt: skip
    approve(ledger, cycle)  # decided again, as something else was recorded since
    assert len(ledger.budget("PB000001").payments) == 1


def test_only_the_budgets_named_are_checked_or_all_that_are_open(ledger: Ledger) -> None:
    take_in(ledger, "02", "03", "04")
    load(ledger, TENS, "1", "2026-01-05")
    tell_budget(ledger, "PB000001", "close", reason_code="died", effective_on=date(2026, 4, 10))
    assert check_numbers(ledger, NOW).checked == 2
    assert check_numbers(ledger, NOW, references=["PB000001"]).checked == 1
    before = log_of(ledger)
    with pytest.raises(BudgetNotFound):
        check_numbers(ledger, NOW, references=["PB000002", "PB000009"], said=says("bob"))
    assert log_of(ledger) == before


def test_erased_people_are_counted_and_no_table_is_said(ledger: Ledger) -> None:
    take_in(ledger, "02", "03")
    assert check_numbers(ledger, NOW, said=says("bob")) == (None, 0, 0, [])
    load(ledger, TENS, "1", "2026-01-05")
    with ledger.engine.begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000001"))
    found = check_numbers(ledger, NOW, said=says("bob"))
    assert (found.checked, found.unreadable) == (2, 1)
    assert [change.budget_reference for change in found.changed] == ["PB000002"]


def test_progress_is_told_of_every_budget(ledger: Ledger) -> None:
    take_in(ledger, "02", "03", "04")
    load(ledger, TENS, "1", "2026-01-05")
    told: list[int] = []
    check_numbers(ledger, NOW, progress=told.append)
    assert sum(told) == 3


# --- names --------------------------------------------------------------------------------


class Broken:
    """A service that answers so many times and then no more."""

    def __init__(self, answers: int) -> None:
        self.left = answers
        self.asked = 0

    def ask(self, enquiry: NameEnquiry) -> NameReply:
        self.asked += 1
        self.left -= 1
        if self.left < 0:
            return NameReply("unavailable", "Example Bank")
        return Simulator().ask(enquiry)


def ask_about(ledger: Ledger, most: int = 500) -> NamesChecked:
    return check_names(ledger, names_to_check(ledger)[:most], says("bob"))


def waiting(ledger: Ledger) -> list[str]:
    return [reference for reference, _ in names_to_check(ledger)]


def test_names_never_asked_about_are_asked_about_in_order_so_many_at_a_time(
    ledger: Ledger,
) -> None:
    take_in(ledger, "01", "81", "82", "02", "03")
    ledger.payee_names.service = Simulator()
    assert waiting(ledger) == [f"PB00000{n}" for n in range(1, 6)]
    assert ask_about(ledger, 2) == ({"ANNM": 1, "match": 1}, False)
    assert waiting(ledger) == ["PB000003", "PB000004", "PB000005"]
    found = ask_about(ledger)
    assert (found, found.answered) == (({"MBAM": 1, "match": 2}, False), 3)
    assert waiting(ledger) == []
    before = log_of(ledger)
    assert ask_about(ledger) == ({}, False)
    assert log_of(ledger) == before
    returned = ledger.payee_names.returned(payee_of(ledger, 3))
    assert returned is not None
    assert returned.name == "S O'CONNOR"


def test_those_not_confirmed_are_left_when_all_others_are_verified(ledger: Ledger) -> None:
    take_in(ledger, "01", "81", "82")
    ledger.payee_names.service = Simulator()
    ask_about(ledger)
    verified, left = verify(ledger)
    assert verified == 1
    assert [(p.budget_reference, p.code) for p in left] == [
        ("PB000002", "payee-not-confirmed"),
        ("PB000003", "payee-not-confirmed"),
    ]
    assert "(ANNM, answered by a simulator; no bank was asked)" in left[0].sentence
    before = log_of(ledger)
    assert verify(ledger) == (0, left)
    assert log_of(ledger) == before


def test_a_run_stops_when_nobody_answers_and_goes_on_later(ledger: Ledger) -> None:
    """Who was not answered about is as before: verified by a second person as ever."""
    take_in(ledger, *(f"0{n}" for n in range(1, 9)))
    broken = ledger.payee_names.service = Broken(2)
    assert ask_about(ledger) == ({"match": 2, "unavailable": 3}, True)
    assert broken.asked == 5
    assert waiting(ledger) == [f"PB00000{n}" for n in range(3, 9)]
    assert verify(ledger).verified == 8
    ledger.payee_names.service = Simulator()
    assert ask_about(ledger) == ({"match": 6}, False)


def test_one_account_that_is_never_answered_about_does_not_stop_the_others(
    ledger: Ledger,
) -> None:
    take_in(ledger, "93", "01", "93", "02", "93")
    ledger.payee_names.service = Simulator()
    assert ask_about(ledger) == ({"match": 2, "unavailable": 3}, False)
    assert waiting(ledger) == ["PB000001", "PB000003", "PB000005"]


def test_details_that_are_gone_by_the_time_of_the_answer_are_passed_over(
    ledger: Ledger,
) -> None:
    take_in(ledger, "01", "02", "03")
    ledger.payee_names.service = Simulator()
    found = names_to_check(ledger)
    withdrawn = {"payee_reference": payee_of(ledger, 1), "reason_code": "wrong_details"}
    tell_budget(ledger, "PB000001", "withdraw_payee", **withdrawn)
    with ledger.engine.begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000002"))
    assert check_names(ledger, found, says("bob")).answers == {"match": 2}
    assert ledger.budget("PB000003").known_payees[0].name_check == "match"
    assert ledger.budget("PB000002").known_payees[0].name_check is None


def test_without_a_service_names_cannot_be_asked_about(ledger: Ledger) -> None:
    with pytest.raises(ConfirmationOfPayeeNotSet):
        names_to_check(ledger)
