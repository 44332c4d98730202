"""Importing a caseload: whole or not at all, twice the same as once, disagreements listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy import select

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.caseload import CaseloadBudget, read_caseload
from ledger.caseload_import import ImportResult, import_caseload, verify_payees
from ledger.demo_data import caseload_csv
from ledger.durable import durable
from ledger.errors import BudgetNotFound, CaseloadConflicts, CaseloadRefused, VerifierProposedPayee
from ledger.people import PersonDetails
from tests.given import cycle_period
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_ledger,
    a_row,
    approve,
    example_caseload,
    issue,
    log_of,
    new_payee,
    prepare,
    run_cycle,
    says,
    take_in,
    tell_budget,
)

TStruct = TypeVar("TStruct", bound=msgspec.Struct)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def stored(ledger: Ledger) -> tuple[Any, ...]:
    """Everything kept for good: the log and every durable table, to the byte."""
    with ledger.engine.connect() as connection:
        tables = [
            sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in durable.sorted_tables
        ]
    return log_of(ledger), tables


def bring_in(ledger: Ledger, *rows: CaseloadBudget, **options: Any) -> ImportResult:
    """Alice imports these rows."""
    return import_caseload(
        ledger, a_caseload(*rows), recorded_at=IMPORTED_AT, recorded_by="alice", **options
    )


def but(row: TStruct, **facts: Any) -> TStruct:
    """The same row or line with other facts."""
    return msgspec.structs.replace(row, **facts)


# --- twice is once --------------------------------------------------------------------------


def test_the_same_file_twice_changes_nothing(ledger: Ledger):
    caseload = example_caseload(120)
    first = import_caseload(ledger, caseload, recorded_at=IMPORTED_AT, recorded_by="alice")
    assert first == (caseload.sha256, 120, 0)
    before = stored(ledger)
    again = import_caseload(
        ledger, caseload, recorded_at=says("zoe", "2026-04-30")["recorded_at"], recorded_by="zoe"
    )
    assert again == (caseload.sha256, 0, 120)
    assert stored(ledger) == before


def test_a_file_that_grew_adds_only_what_is_new(ledger: Ledger):
    bring_in(ledger, a_row(1), a_row(2))
    before = log_of(ledger)
    assert bring_in(ledger, a_row(1), a_row(2), a_row(3))[1:] == (1, 2)
    after = log_of(ledger)
    assert after[: len(before)] == before
    assert {b.reference for b in ledger.budgets()} == {"PB000001", "PB000002", "PB000003"}


def test_a_second_budget_of_a_person_already_here_needs_no_second_person(ledger: Ledger):
    bring_in(ledger, a_row(1))
    person = {
        name: getattr(a_row(1), name)
        for name in ("recipient_reference", "recipient_name", "date_of_birth")
    }
    assert bring_in(ledger, a_row(2, **person))[1:] == (1, 0)
    assert ledger.people.person("R000001") == PersonDetails(
        "R000001", "Siân O'Connor 1", date(1950, 2, 3)
    )


LATER: dict[str, Callable[[Ledger], object]] = {
    "revised": lambda ledger: tell_budget(
        ledger,
        "PB000001",
        "revise_allocation",
        line_reference="personal_care.social_care",
        weekly_pence=33_850,
        effective_on=date(2026, 4, 22),
    ),
    "suspended": lambda ledger: tell_budget(
        ledger,
        "PB000001",
        "suspend_payments",
        reason_code="hospital_stay",
        interim_arrangement="in_hospital_or_care_home",
        review_on=date(2026, 5, 1),
    ),
    "another contribution": lambda ledger: tell_budget(
        ledger, "PB000001", "assess_contribution", weekly_pence=0, basis="net"
    ),
    "another payee": lambda ledger: new_payee(ledger, "PB000001", "12345678"),
    "paid": lambda ledger: run_cycle(ledger, 1),
    "closed": lambda ledger: tell_budget(
        ledger, "PB000001", "close", reason_code="moved_away", effective_on=date(2026, 5, 1)
    ),
}


@pytest.mark.parametrize("later", LATER)
def test_importing_again_after_later_changes_changes_nothing(ledger: Ledger, later: str):
    take_in(ledger, a_caseload(a_row(1), a_row(2)))
    LATER[later](ledger)
    before = stored(ledger)
    assert bring_in(ledger, a_row(1), a_row(2))[1:] == (0, 2)
    assert stored(ledger) == before


# --- disagreements --------------------------------------------------------------------------

LINE = a_row().lines[0]
DISAGREEING: dict[str, tuple[dict[str, Any], str]] = {
    "recipient": ({"recipient_reference": "R000009"}, "BudgetOpened"),
    "legal basis": ({"legal_basis": "children_act_1989_s17a"}, "BudgetOpened"),
    "support reason": ({"support_reason": "mental_health"}, "BudgetOpened"),
    "paid to": ({"paid_to": date(2026, 4, 12)}, "BudgetOpened"),
    "agreement": ({"agreement_version": "2024-1"}, "AgreementSigned"),
    "signed on": ({"agreement_signed_on": date(2026, 3, 3)}, "AgreementSigned"),
    "return frequency": ({"return_frequency": "annual"}, "AgreementSigned"),
    "amount": ({"lines": (but(LINE, weekly_pence=31_001),)}, "AllocationAgreed"),
    "cost centre": ({"lines": (but(LINE, cost_centre="S4101"),)}, "AllocationAgreed"),
    "another line": (
        {"lines": (LINE, but(LINE, line_reference="day_care.social_care", need="day_care"))},
        "AllocationAgreed",
    ),
    "contribution": ({"contribution_weekly_pence": 0}, "ContributionAssessed"),
    "basis": ({"contribution_basis": "gross"}, "ContributionAssessed"),
    "payee type": ({"payee_type": "nominated_person"}, "PayeeProposed"),
    "account": ({"account_number": "12345678"}, "PayeeProposed"),
    "name": ({"recipient_name": "Someone Else"}, "the name or date of birth"),
    "date of birth": ({"date_of_birth": date(1950, 3, 2)}, "the name or date of birth"),
}


def test_a_row_that_disagrees_is_listed_and_nothing_is_written(ledger: Ledger):
    take_in(ledger, a_caseload(a_row(1)))
    before = stored(ledger)
    for fact, (changes, named) in DISAGREEING.items():
        with pytest.raises(CaseloadConflicts) as refused:
            bring_in(ledger, a_row(2), but(a_row(1), **changes), a_row(3))
        conflicts = refused.value.details["conflicts"]
        assert len(conflicts) == (2 if fact == "recipient" else 1)  # whose account it is, as well
        assert named in conflicts[0]
        assert conflicts[0].startswith(("PB000001: ", "R000001: "))
        assert stored(ledger) == before, fact


def test_every_disagreement_is_listed_without_personal_details(ledger: Ledger):
    rows = [a_row(n) for n in range(1, 11)]
    bring_in(ledger, *rows)
    with pytest.raises(CaseloadConflicts) as refused:
        bring_in(
            ledger,
            *(but(row, recipient_name="Secret Name", account_number="87654321") for row in rows),
        )
    assert len(refused.value.details["conflicts"]) == 20
    assert not any(
        secret in f"{refused.value} {refused.value.details}"
        for secret in ("Secret", "Siân", "87654321", "90000001")
    )


def test_a_new_budget_for_a_person_of_another_name_is_a_conflict(ledger: Ledger):
    bring_in(ledger, a_row(1))
    before = stored(ledger)
    with pytest.raises(CaseloadConflicts, match="R000001"):
        bring_in(ledger, a_row(2, recipient_reference="R000001", recipient_name="Someone Else"))
    assert stored(ledger) == before


def test_a_budget_made_by_hand_is_a_conflict_until_it_agrees(ledger: Ledger):
    ledger.change(
        PersonalBudget,
        "PB000001",
        lambda b: b.open(
            recipient_reference="R000001",
            legal_basis="care_act_2014",
            primary_support_reason="physical_personal_care",
            **says("ann", "2026-04-06"),
        ),
        create=True,
    )
    with pytest.raises(CaseloadConflicts) as refused:
        bring_in(ledger, a_row(1))
    assert len(refused.value.details["conflicts"]) == 5


# --- refused whole, dry run -----------------------------------------------------------------


def test_a_bad_file_is_refused_whole(ledger: Ledger):
    before = stored(ledger)
    bad = caseload_csv(20, seed=3).replace(b"care_act_2014", b"care_act_1066", 3)
    with pytest.raises(CaseloadRefused) as refused:
        import_caseload(ledger, read_caseload(bad), recorded_at=IMPORTED_AT, recorded_by="alice")
    assert len(refused.value.faults) == 3
    assert stored(ledger) == before


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(ledger: Ledger):
    before = stored(ledger)
    assert bring_in(ledger, a_row(1), a_row(2), dry_run=True)[1:] == (2, 0)
    assert stored(ledger) == before
    bring_in(ledger, a_row(1))
    before = stored(ledger)
    assert bring_in(ledger, a_row(1), a_row(2), dry_run=True)[1:] == (1, 1)
    with pytest.raises(CaseloadConflicts):
        bring_in(ledger, but(a_row(1), legal_basis="nhs_act_2006"), dry_run=True)
    assert stored(ledger) == before


# --- payees ---------------------------------------------------------------------------------


def test_imported_payees_cannot_be_verified_by_the_importer(ledger: Ledger):
    bring_in(ledger, a_row(1), a_row(2))
    before = stored(ledger)
    with pytest.raises(VerifierProposedPayee):
        verify_payees(ledger, references=None, said=says("alice"))
    assert stored(ledger) == before
    assert {e.code for e in prepare(ledger).exceptions} == {"payee-not-verified"}
    assert prepare(ledger).lines == []


def test_payees_are_verified_all_at_once_or_only_those_named(ledger: Ledger):
    bring_in(ledger, a_row(1), a_row(2), a_row(3))
    assert verify_payees(ledger, references=["PB000002"], said=says("bob")).verified == 1
    assert verify_payees(ledger, references=None, said=says("bob")).verified == 2
    before = stored(ledger)
    assert verify_payees(ledger, references=None, said=says("bob")).verified == 0
    assert stored(ledger) == before


def test_payees_of_a_budget_that_is_not_there_are_not_verified(ledger: Ledger):
    bring_in(ledger, a_row(1))
    before = stored(ledger)
    with pytest.raises(BudgetNotFound, match="PB000009"):
        verify_payees(ledger, references=["PB000001", "PB000009"], said=says("bob"))
    assert stored(ledger) == before


def test_a_closed_budget_does_not_stop_the_others_payees_from_being_verified(ledger: Ledger):
    bring_in(ledger, a_row(1), a_row(2))
    tell_budget(ledger, "PB000001", "close", reason_code="died", effective_on=date(2026, 4, 10))
    assert verify_payees(ledger, references=None, said=says("bob")).verified == 1
    assert ledger.budget("PB000002").payee is not None


# --- what is paid first ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid_to", "first_day", "pence"),
    [
        (date(2026, 4, 5), "2026-04-06", 4 * 16_705),
        (date(2026, 4, 12), "2026-04-13", 3 * 16_705),
        (date(2026, 3, 29), "2026-03-30", 5 * 16_705),
        (date(2026, 5, 3), None, 0),
    ],
)
def test_the_first_cycle_pays_from_the_day_after_paid_to(
    ledger: Ledger, paid_to: date, first_day: str | None, pence: int
):
    """Never arrears from before, though the budget and its lines began in 2024."""
    began = date(2024, 1, 1)
    since = but(LINE, starts_on=began)
    row = a_row(1, starts_on=began, paid_to=paid_to, contribution_from=began, lines=(since,))
    take_in(ledger, a_caseload(row, a_row(2)))
    cycle = prepare(ledger, 1)
    lines = [line for line in cycle.lines if line.budget_reference == "PB000001"]
    if first_day is None:
        assert lines == []
        return
    (line,) = lines
    assert line.amount_pence == pence
    assert min(owed.starts_on for owed in line.lines).isoformat() == first_day
    issue(ledger, approve(ledger, cycle))
    second = prepare(ledger, 2)
    assert second.lines[0].amount_pence == 4 * 16_705
    assert {owed.window for owed in second.lines[0].lines} == {cycle_period(2)}
