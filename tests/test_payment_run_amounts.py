"""Amounts through the whole machine to the bank file: owed back, carried forward, worked out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ledger.application import Ledger
from ledger.errors import CycleOutOfDate
from ledger.projections.finance import finance_totals
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    cycle_name,
    issue,
    paid_in,
    prepare,
    revise,
    run_cycle,
    take_in,
    tell_budget,
)

A_WEEK = 31_000 - 14_295
FOUR_WEEKS = 4 * A_WEEK


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    """Three budgets of £310.00 a week, of which £142.95 is charged."""
    take_in(ledger, a_caseload(*(a_row(n) for n in (1, 2, 3))))
    return ledger


# --- money owed back, and less than nothing ------------------------------------------------


def owe_back(ledger: Ledger, reference: str, pence: int, instalment: int) -> None:
    said = {"clawback_reference": "CB1"}
    tell_budget(
        ledger, reference, "propose_clawback", amount_pence=pence, cause_code="surplus", **said
    )
    tell_budget(ledger, reference, "notify_clawback", respond_by=date(2026, 4, 20), **said)
    tell_budget(
        ledger,
        reference,
        "confirm_clawback",
        amount_pence=pence,
        recovery="deduction",
        instalment_pence=instalment,
        effective_on=date(2026, 4, 21),
        by="bob",
        **said,
    )


def test_instalments_are_taken_from_each_payment_until_all_is_paid_back(three: Ledger):
    run_cycle(three, 1)
    owe_back(three, "PB000002", pence=25_000, instalment=10_000)
    taken = []
    for number in (2, 3, 4, 5):
        cycle = prepare(three, number)
        approve(three, cycle)
        issue(three, cycle)
        taken.append(FOUR_WEEKS - paid_in(three, cycle)["PB000002"])
        assert paid_in(three, cycle)["PB000001"] == FOUR_WEEKS
    assert taken == [10_000, 10_000, 5_000, 0]
    assert three.budget("PB000002").clawbacks["CB1"].status == "settled"
    three.projections.catch_up()
    totals = {r["funding_stream"]: r for r in finance_totals(three.engine, cycle_name(2))}
    assert totals["clawback"]["scheduled_pence"] == totals["clawback"]["issued_pence"] == -10_000
    assert three.projections.verify() is None


def test_an_instalment_changed_since_preparation_voids_the_approval(three: Ledger):
    run_cycle(three, 1)
    cycle = prepare(three, 2)
    owe_back(three, "PB000002", pence=25_000, instalment=10_000)
    with pytest.raises(CycleOutOfDate, match="PB000002"):
        approve(three, cycle)


def test_less_than_nothing_is_carried_forward_and_nothing_is_sent(three: Ledger):
    """£310.00 stopped with effect from the first day: the contribution alone is less than nought,
    so the overpaid four weeks are taken from what a later rise makes due."""
    run_cycle(three, 1)
    revise(three, "PB000002", 14_295, "2026-04-06")  # now worth nothing net of the contribution
    second = prepare(three, 2)
    noted = [e for e in second.exceptions if e.budget_reference == "PB000002"]
    assert {e.code for e in noted} == {"negative"}
    assert noted[0].now_pence == -FOUR_WEEKS
    approve(three, second)
    issue(three, second)
    assert "PB000002" not in paid_in(three, second)
    revise(three, "PB000002", 14_295 + 3 * A_WEEK, "2026-06-01")
    third = prepare(three, 3)
    approve(three, third)
    issue(three, third)
    assert paid_in(three, third)["PB000002"] == 3 * FOUR_WEEKS - FOUR_WEEKS
    assert three.projections.verify() is None


# --- the worked examples, to the bank file --------------------------------------------------


def test_worked_example_b_pro_rata(ledger: Ledger):
    """Starts on Thursday 16 April: 18 days."""
    began = date(2026, 4, 16)
    take_in(ledger, a_caseload(a_row(1, starts_on=began, contribution_from=began)))
    cycle = approve(ledger, prepare(ledger))
    issue(ledger, cycle)
    assert paid_in(ledger, cycle) == {"PB000001": 42_955}


def test_worked_example_b_a_rate_that_rose_after_it_was_paid(three: Ledger):
    """£310.00 to £338.50 from Wednesday 22 April, after £668.20 was paid: £48.86 with the next."""
    run_cycle(three, 1)
    revise(three, "PB000001", 33_850, "2026-04-22")
    second = prepare(three, 2)
    approve(three, second)
    issue(three, second)
    assert paid_in(three, second)["PB000001"] == 4 * (33_850 - 14_295) + 4_886
    (line,) = (x for x in second.lines if x.budget_reference == "PB000001")
    assert [x.amount_pence for x in line.lines if x.adjustment] == [4_886]


def test_worked_example_d_closed_after_it_was_paid_in_advance(three: Ledger):
    """£668.20 paid on 2 April; the direct payment ends on 23 April; £238.65 was overpaid."""
    run_cycle(three, 1)
    tell_budget(
        three, "PB000001", "close", reason_code="at_own_request", effective_on=date(2026, 4, 23)
    )
    second = prepare(three, 2)
    noted = {e.code: e.now_pence for e in second.exceptions if e.budget_reference == "PB000001"}
    assert noted["negative"] == -23_865
    approve(three, second)
    issue(three, second)
    assert "PB000001" not in paid_in(three, second)


def test_worked_example_d_switched_and_settled_against_what_is_paid_next(three: Ledger):
    """The same by a switch; when a direct payment resumes, the overpaid £238.65 is netted."""
    run_cycle(three, 1)
    tell_budget(three, "PB000001", "switch_to_provided_services", effective_on=date(2026, 4, 24))
    second = prepare(three, 2)
    assert {e.code: e.now_pence for e in second.exceptions if e.budget_reference == "PB000001"}[
        "negative"
    ] == -23_865
    tell_budget(three, "PB000001", "resume_direct_payment", effective_on=date(2026, 5, 4))
    second = prepare(three, 2)
    approve(three, second)
    issue(three, second)
    assert paid_in(three, second)["PB000001"] == FOUR_WEEKS - 23_865
