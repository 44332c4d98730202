"""A cycle through the whole machine: approved as seen or not at all, paid once, to the penny."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select

from ledger.aggregates.light_cycles import CycleToIssue, PaidCycle
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.durable import bank_files
from ledger.errors import (
    ApproverPreparedCycle,
    BudgetNotFound,
    ConcurrentChange,
    CycleChangedSinceSeen,
    CycleNotApproved,
    CycleNotFound,
    CycleNotIssued,
    CycleNotSettledYet,
    CycleOutOfDate,
    PayDateNotWorkingDay,
    PaymentNotFound,
)
from ledger.file_looks import bank_file
from ledger.payment_run import settle_cycle
from ledger.projections.finance import finance_totals
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    example_caseload,
    in_file,
    issue,
    log_of,
    new_payee,
    paid_in,
    prepare,
    revise,
    run_cycle,
    says,
    settle,
    take_in,
    tell_budget,
)

FOUR_WEEKS = 4 * (31_000 - 14_295)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    """Three budgets of £310.00 a week, of which £142.95 is charged."""
    take_in(ledger, a_caseload(*(a_row(n) for n in (1, 2, 3))))
    return ledger


def files_in(ledger: Ledger) -> list[str]:
    folder = ledger.settings.files_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def files_kept(ledger: Ledger) -> list[Any]:
    with ledger.engine.connect() as connection:
        query = select(bank_files).order_by(bank_files.c.submission_serial)
        return list(connection.execute(query).mappings())


def end_line(ledger: Ledger, reference: str, day: str) -> None:
    tell_budget(
        ledger,
        reference,
        "end_allocation",
        line_reference="personal_care.social_care",
        effective_on=date.fromisoformat(day),
    )


# --- approval -------------------------------------------------------------------------------


def test_an_approved_cycle_has_promised_each_payment_once(three: Ledger):
    cycle = approve(three, prepare(three))
    assert [(b.reference, len(b.payments), b.last_payment.amount_pence)  # type: ignore[union-attr]
            for b in sorted(three.budgets(), key=lambda b: b.reference)] == [
        (f"PB00000{n}", 1, FOUR_WEEKS) for n in (1, 2, 3)
    ]  # fmt: skip
    assert cycle.status == "approved"
    before = log_of(three)
    approve(three, three.cycle(cycle.reference), by="zoe")
    assert log_of(three) == before, "approving again changes nothing"


def test_the_preparer_cannot_approve_nor_anyone_what_they_did_not_see(three: Ledger):
    cycle = prepare(three)
    before = log_of(three)
    with pytest.raises(ApproverPreparedCycle):
        approve(three, cycle, by="alice")
    assert cycle.prepared is not None
    for seen in ({"total_pence": 1}, {"lines_sha256": "0" * 64}):
        cycle.prepared = msgspec.structs.replace(cycle.prepared, **seen)
        with pytest.raises(CycleChangedSinceSeen):
            approve(three, cycle)
    assert log_of(three) == before


def test_the_same_payments_on_another_day_are_not_what_was_approved(three: Ledger):
    cycle = prepare(three)
    again = prepare(three, pay_on=date(2026, 4, 1))
    assert again.lines == cycle.lines
    with pytest.raises(CycleChangedSinceSeen):
        approve(three, cycle)
    approve(three, again)
    issue(three, again)
    assert in_file(three, again).processing_on == date(2026, 3, 31)


INNOCUOUS: dict[str, Callable[[Ledger], object]] = {
    "a return was asked for": lambda ledger: tell_budget(
        ledger,
        "PB000002",
        "request_spend_return",
        return_reference="SR1",
        period=prepare(ledger, reference="OTHER").prepared.period,  # type: ignore[union-attr]
        due_on=date(2026, 6, 1),
    ),
    "another payee was put forward": lambda ledger: ledger.propose_payee(
        "PB000002",
        payee_type="recipient",
        account_name="S O'Connor",
        sort_code="99-99-02",
        account_number="12345678",
        said=says("ann"),
    ),
    "the rate changes after the period": lambda ledger: revise(
        ledger, "PB000002", 40_000, "2026-05-04"
    ),
}


@pytest.mark.parametrize("change", INNOCUOUS)
def test_a_change_that_touches_no_payment_does_not_void_the_preparation(three: Ledger, change: str):
    cycle = prepare(three)
    INNOCUOUS[change](three)
    approve(three, cycle)
    issue(three, cycle)
    assert paid_in(three, cycle) == dict.fromkeys(("PB000001", "PB000002", "PB000003"), FOUR_WEEKS)
    assert three.projections.verify() is None


VOIDING: dict[str, Callable[[Ledger], object]] = {
    "the rate rose": lambda ledger: revise(ledger, "PB000002", 40_000, "2026-04-20"),
    "the line ended": lambda ledger: end_line(ledger, "PB000002", "2026-04-20"),
    "the contribution changed": lambda ledger: tell_budget(
        ledger, "PB000002", "assess_contribution", weekly_pence=14_296, basis="net"
    ),
    "the payee changed": lambda ledger: new_payee(ledger, "PB000002", "12345678"),
    "it was suspended": lambda ledger: tell_budget(
        ledger,
        "PB000002",
        "suspend_payments",
        reason_code="safeguarding",
        interim_arrangement="council_arranges_care",
        review_on=date(2026, 5, 1),
        effective_on=date(2026, 4, 6),
    ),
    "it was closed": lambda ledger: tell_budget(
        ledger, "PB000002", "close", reason_code="died", effective_on=date(2026, 4, 10)
    ),
    "it was excluded": lambda ledger: tell_budget(
        ledger,
        "PB000002",
        "offer_direct_payment",
        occasion="review",
        outcome="excluded",
        reason_code="not_permitted_by_regulations",
    ),
    "it was paid by another cycle": lambda ledger: approve(
        ledger, prepare(ledger, reference="OTHER", only=["PB000002"])
    ),
}


@pytest.mark.parametrize("change", VOIDING)
def test_a_change_that_touches_a_payment_voids_the_approval_of_all(three: Ledger, change: str):
    cycle = prepare(three)
    VOIDING[change](three)
    before = log_of(three)
    with pytest.raises(CycleOutOfDate, match="PB000002") as refused:
        approve(three, cycle)
    (named,) = refused.value.details["budgets"]
    assert named.startswith("PB000002: ")
    assert log_of(three) == before, "nothing is recorded, on the cycle or on any budget"
    again = prepare(three)
    approve(three, again)
    issue(three, again)
    assert len(paid_in(three, again)) in (2, 3)
    assert three.projections.verify() is None


def test_two_people_approving_at_once_have_one_effect(three: Ledger):
    cycle = prepare(three)
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(approve, three, cycle, by) for by in ("bob", "bea", "ben", "bab")]
        assert {d.result().status for d in done} == {"approved"}
    assert [topic for _, _, _, topic, _ in log_of(three)].count("payment-cycle.approved.v1") == 1
    assert all(len(b.payments) == 1 for b in three.budgets())


def test_two_cycles_over_the_same_days_pay_once(three: Ledger):
    one, two = prepare(three, reference="ONE"), prepare(three, reference="TWO")
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(approve, three, cycle) for cycle in (one, two)]
        problems = [d.exception() for d in done]
    assert sorted(type(p).__name__ for p in problems) == ["CycleOutOfDate", "NoneType"]
    assert all(len(b.payments) == 1 for b in three.budgets())
    assert len([c for c in ("ONE", "TWO") if three.cycle(c).status == "approved"]) == 1


# --- preparation ----------------------------------------------------------------------------


def test_what_cannot_be_prepared_leaves_nothing(three: Ledger):
    before = log_of(three)
    for refusal, options in (
        (PayDateNotWorkingDay, {"pay_on": date(2026, 4, 3)}),  # Good Friday
        (BudgetNotFound, {"only": ["PB000001", "PB000009"]}),
        (PaymentNotFound, {"only": ["PB000001"], "reissue": ["DPNONE"]}),
    ):
        with pytest.raises(refusal):
            prepare(three, **options)
    assert log_of(three) == before


def test_an_off_cycle_first_payment_leaves_only_the_rest_to_the_regular_cycle(three: Ledger):
    run_cycle(three, 1, reference="FIRST", only=["PB000002"])
    regular = approve(three, prepare(three))
    issue(three, regular)
    assert paid_in(three, regular) == {"PB000001": FOUR_WEEKS, "PB000003": FOUR_WEEKS}
    second = approve(three, prepare(three, 2))
    issue(three, second)
    assert set(paid_in(three, second).values()) == {FOUR_WEEKS}


def test_a_returned_payment_is_issued_again_to_the_new_account(three: Ledger):
    cycle = run_cycle(three, 1)
    returned = next(x for x in cycle.lines if x.budget_reference == "PB000002").payment_reference
    tell_budget(
        three,
        "PB000002",
        "return_payment",
        payment_reference=returned,
        reason_code="B",
        effective_on=date(2026, 4, 8),
    )
    new_payee(three, "PB000002", "12345678")
    again = prepare(
        three,
        reference="AGAIN",
        only=["PB000002"],
        reissue=[returned],
        pay_on=date(2026, 4, 20),
    )
    assert [(x.reissue_of, x.amount_pence) for x in again.lines] == [(returned, FOUR_WEEKS)]
    approve(three, again)
    issue(three, again)
    (credit,) = in_file(three, again).credits
    assert (credit.sort_code, credit.account_number) == ("999902", "12345678")
    assert (credit.amount_pence, credit.reference) == (
        FOUR_WEEKS,
        again.lines[0].payment_reference,
    )
    settle(three, again)
    known = three.budget("PB000002")
    assert {p: known.payments[p].status for p in known.payments} == {
        returned: "reissued",
        again.lines[0].payment_reference: "confirmed",
    }
    three.projections.catch_up()
    totals = finance_totals(three.engine, "AGAIN")
    assert [(r["funding_stream"], r["confirmed_pence"]) for r in totals] == [
        ("reissued", FOUR_WEEKS)
    ]
    assert three.projections.verify() is None


# --- the bank file --------------------------------------------------------------------------


def test_issuing_again_gives_the_same_bytes_and_records_nothing(three: Ledger):
    cycle = approve(three, prepare(three))
    with pytest.raises(CycleNotApproved):
        issue(three, prepare(three, reference="OTHER"))
    path = issue(three, cycle)
    content, before = path.read_bytes(), log_of(three)
    assert hashlib.sha256(content).hexdigest() == files_kept(three)[0]["sha256"]
    assert three.cycle(cycle.reference).issued.file_sha256 == files_kept(three)[0]["sha256"]  # type: ignore[union-attr]
    path.unlink()
    assert issue(three, cycle) == path
    path.write_bytes(b"damaged")
    assert issue(three, cycle) == path
    assert path.read_bytes() == content == bank_file(three, cycle.reference)
    assert log_of(three) == before
    assert len(files_kept(three)) == 1
    assert path.stat().st_mode & 0o077 == 0


def test_no_file_before_it_is_issued(three: Ledger):
    cycle = approve(three, prepare(three))
    with pytest.raises(CycleNotIssued):
        bank_file(three, cycle.reference)
    assert files_in(three) == []


def test_several_issuers_at_once_make_one_file(three: Ledger):
    cycle = approve(three, prepare(three))
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(issue, three, cycle) for _ in range(12)]
        paths = {d.result() for d in done}
    (path,) = paths
    assert path.read_bytes() == bank_file(three, cycle.reference)
    assert files_in(three) == [path.name], "and nothing beside it"
    assert [topic for _, _, _, topic, _ in log_of(three)].count("payment-cycle.issued.v1") == 1


def test_serials_are_unique_and_in_a_row(ledger: Ledger):
    take_in(ledger, a_caseload(*(a_row(n) for n in range(1, 7))))
    cycles = [
        approve(ledger, prepare(ledger, reference=f"C{n}", only=[f"PB{n:06d}"]))
        for n in range(1, 7)
    ]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(issue, ledger, cycle) for cycle in cycles]:
            with suppress(ConcurrentChange):  # it may be asked again
                done.result()
    for cycle in cycles:
        issue(ledger, cycle)
    kept = files_kept(ledger)
    assert [row["submission_serial"] for row in kept] == [f"{n:06d}" for n in range(1, 7)]
    assert {in_file(ledger, c).serial for c in cycles} == {f"{n:06d}" for n in range(1, 7)}
    assert len(files_in(ledger)) == 6


# --- settlement -----------------------------------------------------------------------------


def test_settling_confirms_each_payment_once_but_not_what_came_back(
    three: Ledger, monkeypatch: pytest.MonkeyPatch
):
    cycle = approve(three, prepare(three))
    with pytest.raises(CycleNotIssued):
        settle(three, cycle)
    issue(three, cycle)
    with pytest.raises(CycleNotSettledYet):
        settle_cycle(three, cycle.reference, said=says("dave", "2026-04-01"))
    back = cycle.lines[1].payment_reference
    tell_budget(
        three,
        "PB000002",
        "return_payment",
        payment_reference=back,
        reason_code="2",
        effective_on=date(2026, 4, 7),
    )
    settle(three, cycle)
    before = log_of(three)
    settle(three, cycle)
    assert log_of(three) == before
    assert {p.status for b in three.budgets() for p in b.payments.values()} == {
        "confirmed",
        "returned",
    }
    topics = [topic for _, _, _, topic, _ in before]
    assert topics.count("personal-budget.payment-confirmed.v1") == 3
    assert topics.count("payment-cycle.settled.v1") == 1


def test_several_people_settling_at_once_confirm_each_payment_once(ledger: Ledger):
    take_in(ledger, example_caseload(60))
    cycle = approve(ledger, prepare(ledger))
    issue(ledger, cycle)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(settle, ledger, cycle) for _ in range(4)]:
            assert done.result().status == "settled"
    topics = [topic for _, _, _, topic, _ in log_of(ledger)]
    assert topics.count("personal-budget.payment-confirmed.v1") == len(cycle.lines)
    assert topics.count("payment-cycle.settled.v1") == 1
    assert ledger.projections.verify() is None


def test_a_cycle_loaded_lightly_pays_what_the_whole_one_pays(three: Ledger):
    whole = approve(three, prepare(three))
    light = three.load(CycleToIssue, whole.reference)
    assert (light.status, light.version, light.prepared) == ("approved", 3, whole.prepared)
    assert light.lines == [replace(line, lines=(), deductions=()) for line in whole.lines]
    by_budget = three.load(PaidCycle, whole.reference)
    assert (by_budget.status, by_budget.lines) == ("approved", [])
    direct = by_budget.budgets["direct_payment"]
    assert {name: paid.paid_pence for name, paid in direct.items()} == {
        line.budget_reference: line.amount_pence for line in whole.lines
    }
    with pytest.raises(CycleNotFound):
        three.load(CycleToIssue, "NONE")


def test_the_bank_file_is_made_for_the_right_days(three: Ledger):
    cycle = approve(three, prepare(three))
    issue(three, cycle)
    file = in_file(three, cycle)
    assert cycle.prepared is not None
    assert file.processing_on == date(2026, 4, 1)
    assert file.created_on == cycle.prepared.pay_on - timedelta(days=7)
    assert file.credit_total_pence == file.debit_total_pence == cycle.prepared.total_pence


# --- what the council's rules hold back -------------------------------------------------------


def with_rules(ledger: Ledger, **rules: Any) -> Ledger:
    """The same ledger of a council that has set rules of its own."""
    ledger.settings = ledger.settings.model_copy(update=rules)
    return ledger


def held_in(cycle: PaymentCycle) -> dict[str, str]:
    return {e.budget_reference: e.code for e in cycle.exceptions if e.code.endswith("_held")}


def test_changed_details_wait_one_cycle_and_are_then_paid_for_both(three: Ledger):
    with_rules(three, hold_changed_payee="one_cycle")
    run_cycle(three, 1)
    new_payee(three, "PB000002", "12345678")
    second = run_cycle(three, 2)
    assert held_in(second) == {"PB000002": "payee_held"}
    assert [line.budget_reference for line in second.lines] == ["PB000001", "PB000003"]
    third = run_cycle(three, 3)
    assert held_in(third) == {}
    assert paid_in(three, third) == {
        "PB000001": FOUR_WEEKS,
        "PB000002": 2 * FOUR_WEEKS,
        "PB000003": FOUR_WEEKS,
    }


def test_an_outlier_waits_until_it_is_released_by_name(three: Ledger):
    with_rules(three, hold_over="700.00")
    revise(three, "PB000003", 40_000, "2026-04-06")
    cycle = prepare(three)
    assert held_in(cycle) == {"PB000003": "outlier_held"}
    with pytest.raises(BudgetNotFound, match="PB000009"):
        prepare(three, release=["PB000009"])
    cycle = prepare(three, release=["PB000003"])
    assert [line.amount_pence for line in cycle.lines] == [FOUR_WEEKS, FOUR_WEEKS, 102_820]
    assert "released" in {e.code for e in cycle.exceptions}
