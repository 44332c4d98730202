"""A cycle cancelled after approval and before any bank file: as if it had never been promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.errors import (
    ConcurrentChange,
    CycleAlreadyDecided,
    CycleNotApproved,
    PaymentHasLeft,
    Refusal,
)
from ledger.payment_run import cancel_cycle
from ledger.projections.balances import all_balances, balances_of
from ledger.projections.finance import finance_totals
from ledger.verification import verify_ledger
from tests.given import cycle_period
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    example_caseload,
    issue,
    log_of,
    new_payee,
    paid_in,
    prepare,
    rows_of,
    run_cycle,
    says,
    settle,
    take_in,
    tell_budget,
)

FOUR_WEEKS = 4 * (31_000 - 14_295)
CANCELLED_ON = date(2026, 3, 31)  # a Tuesday; the pay date is Thursday 2 April


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    """Three budgets of £310.00 a week, of which £142.95 is charged."""
    take_in(ledger, a_caseload(*(a_row(n) for n in (1, 2, 3))))
    return ledger


def cancel(ledger: Ledger, cycle: PaymentCycle, by: str = "alice") -> PaymentCycle:
    return cancel_cycle(ledger, cycle.reference, said=says(by, CANCELLED_ON))


def owed(ledger: Ledger, number: int = 1) -> dict[str, Any]:
    """What each budget would be paid for a period now."""
    return {b.reference: b.payment_due(cycle_period(number)) for b in ledger.budgets()}


def statuses(ledger: Ledger) -> dict[str, str]:
    """Every payment's status by its reference, as the budgets have it."""
    return {ref: p.status for b in ledger.budgets() for ref, p in b.payments.items()}


def register(ledger: Ledger) -> list[tuple[Any, ...]]:
    """The register of budgets, without their versions."""
    ledger.projections.catch_up()
    return [row[:-1] for row in rows_of(ledger, ["budgets"])["budgets"]]


def require_sound(ledger: Ledger) -> None:
    assert verify_ledger(ledger).difference is None


# --- what is left of it -----------------------------------------------------------------------


def test_what_a_cancelled_cycle_promised_is_owed_as_before_and_paid_by_the_next(three: Ledger):
    before, shown_before = owed(three), register(three)
    cycle = approve(three, prepare(three))
    assert owed(three) != before
    assert cancel(three, cycle).status == "cancelled"
    assert owed(three) == before
    assert set(statuses(three).values()) == {"cancelled"}
    assert register(three) == shown_before
    require_sound(three)

    again = prepare(three, reference="AGAIN")
    assert {e.code for e in again.exceptions} == {"first_payment"}
    issue(three, approve(three, again))
    assert paid_in(three, again) == dict.fromkeys(("PB000001", "PB000002", "PB000003"), FOUR_WEEKS)
    settle(three, again)
    three.projections.catch_up()
    assert all_balances(three.engine)["bank"] == -3 * FOUR_WEEKS
    assert owed(three, 2) == {
        b.reference: b.payment_due(cycle_period(2)) for b in three.budgets()
    }, "May alone"
    assert {due.amount_pence for due in owed(three, 2).values()} == {FOUR_WEEKS}
    require_sound(three)


def test_the_read_tables_say_so_and_a_rebuild_says_the_same(three: Ledger):
    cycle = approve(three, prepare(three))
    three.projections.catch_up()
    cancel(three, cycle)
    three.projections.catch_up()
    rows = rows_of(three)
    assert {(row[2], row[9]) for row in rows["payments"]} == {(cycle.reference, "cancelled")}
    assert [row[3] for row in rows["cycles"]] == ["cancelled"]
    sentences = [row[-1] for row in rows["audit"]]
    assert "The cycle was cancelled." in sentences
    assert sum("was cancelled before it left" in said for said in sentences) == 3
    three.projections.rebuild()
    assert rows_of(three) == rows
    require_sound(three)


def test_finance_totals_come_back_to_nought(three: Ledger):
    run_cycle(three, 1, reference="FIRST", only=["PB000001"])
    cycle = approve(three, prepare(three, 1))
    cancel(three, cycle)
    three.projections.catch_up()
    totals = finance_totals(three.engine, cycle.reference)
    assert {row["funding_stream"] for row in totals} == {"social_care"}
    for row in totals:
        assert {row[name] for name in row if name.endswith("_pence")} == {0}, row
    (first,) = finance_totals(three.engine, "FIRST")
    assert first["scheduled_pence"] == first["confirmed_pence"] == FOUR_WEEKS


def test_no_account_holds_anything_of_it_on_any_day(three: Ledger):
    """On no day is the promise undone before it was made, or made and not undone."""
    cycle = approve(three, prepare(three))
    cancel(three, cycle)
    three.projections.catch_up()
    streams = [b.id.hex for b in three.budgets()]
    for day in (CANCELLED_ON + timedelta(days=n) for n in range(-7, 14)):
        for stream in streams:
            assert set(balances_of(three.engine, stream, day, None).values()) <= {0}, day
    assert set(all_balances(three.engine).values()) == {0}


def test_a_cycle_that_promised_nothing_yet_is_cancelled_by_itself(three: Ledger):
    cycle = prepare(three)
    before = log_of(three)
    cancel(three, cycle)
    assert [topic for _, _, _, topic, _ in log_of(three)[len(before) :]] == [
        "payment-cycle.cancelled.v1"
    ]
    require_sound(three)


def test_cancelling_twice_does_nothing(three: Ledger):
    cycle = approve(three, prepare(three))
    cancel(three, cycle)
    before = log_of(three)
    assert cancel(three, cycle, by="zoe").status == "cancelled"
    assert log_of(three) == before
    with pytest.raises(CycleAlreadyDecided):
        approve(three, cycle)
    with pytest.raises(CycleNotApproved):
        issue(three, cycle)
    assert log_of(three) == before


def test_the_payments_of_other_cycles_stay(three: Ledger):
    run_cycle(three, 1, reference="FIRST", only=["PB000002"])
    cycle = approve(three, prepare(three))
    later = approve(three, prepare(three, 2))
    cancel(three, cycle)
    by_cycle = {(p.cycle_reference, p.status) for b in three.budgets() for p in b.payments.values()}
    assert by_cycle == {
        ("FIRST", "confirmed"),
        (cycle.reference, "cancelled"),
        (later.reference, "scheduled"),
    }
    issue(three, later)
    assert set(paid_in(three, later).values()) == {FOUR_WEEKS}
    third = prepare(three, 3)
    assert {x.budget_reference: x.amount_pence for x in third.lines} == {
        "PB000001": 2 * FOUR_WEEKS,
        "PB000002": FOUR_WEEKS,
        "PB000003": 2 * FOUR_WEEKS,
    }
    require_sound(three)


def test_an_instalment_goes_back_to_its_clawback(three: Ledger):
    known = {"clawback_reference": "CB1"}
    told = {"amount_pence": 10_000, **known}
    tell_budget(three, "PB000001", "propose_clawback", cause_code="surplus", **told)
    tell_budget(three, "PB000001", "notify_clawback", respond_by=date(2026, 4, 20), **known)
    by_deduction = {"recovery": "deduction", "instalment_pence": 6_000, **told}
    day = date(2026, 4, 21)
    tell_budget(three, "PB000001", "confirm_clawback", by="bob", effective_on=day, **by_deduction)
    three.projections.catch_up()
    before, standing = owed(three), all_balances(three.engine)
    cycle = approve(three, prepare(three))
    assert three.budget("PB000001").clawbacks["CB1"].outstanding_pence == 4_000
    cancel(three, cycle)
    assert three.budget("PB000001").clawbacks["CB1"].outstanding_pence == 10_000
    assert owed(three) == before
    three.projections.catch_up()
    after = all_balances(three.engine)
    assert {a: p for a, p in after.items() if p} == {a: p for a, p in standing.items() if p}
    assert {row["scheduled_pence"] for row in finance_totals(three.engine, cycle.reference)} == {0}
    require_sound(three)


def test_money_that_was_to_be_sent_again_is_held_as_before(three: Ledger):
    first = run_cycle(three, 1)
    back = first.lines[1].payment_reference
    tell_budget(
        three,
        "PB000002",
        "return_payment",
        payment_reference=back,
        reason_code="B",
        effective_on=date(2026, 4, 8),
    )
    new_payee(three, "PB000002", "12345678")
    shown_before = register(three)
    once_more: dict[str, Any] = {"only": ["PB000002"], "reissue": [back]}
    pay_on = date(2026, 4, 20)
    again = approve(three, prepare(three, reference="AGAIN", pay_on=pay_on, **once_more))
    assert statuses(three)[back] == "reissued"
    cancel(three, again)
    assert statuses(three)[back] == "returned"
    assert register(three) == shown_before
    shown = {row[0]: row[9] for row in rows_of(three, ["payments"])["payments"]}
    assert shown == statuses(three)
    assert all_balances(three.engine)["returned_payments"] == -FOUR_WEEKS
    assert all_balances(three.engine)["payments_due"] == 0
    require_sound(three)
    third = approve(three, prepare(three, reference="THIRD", pay_on=pay_on, **once_more))
    issue(three, third)
    assert paid_in(three, third) == {"PB000002": FOUR_WEEKS}
    settle(three, third)
    require_sound(three)


# --- when it is too late ------------------------------------------------------------------------


def test_an_issued_cycle_cannot_be_cancelled(three: Ledger):
    cycle = approve(three, prepare(three))
    issue(three, cycle)
    before = log_of(three)
    with pytest.raises(CycleAlreadyDecided):
        cancel(three, cycle)
    settle(three, cycle)
    with pytest.raises(CycleAlreadyDecided):
        cancel(three, cycle)
    assert log_of(three)[: len(before)] == before
    assert set(statuses(three).values()) == {"confirmed"}


def test_one_payment_that_has_left_keeps_the_whole_cycle(three: Ledger):
    """The bank can only send back what it was sent: someone made a file by other means."""
    cycle = approve(three, prepare(three))
    tell_budget(
        three,
        "PB000003",
        "return_payment",
        payment_reference=cycle.lines[2].payment_reference,
        reason_code="B",
        effective_on=date(2026, 4, 8),
    )
    before = log_of(three)
    with pytest.raises(PaymentHasLeft):
        cancel(three, cycle)
    assert log_of(three) == before, "nothing is cancelled, not even what could be"


# --- at once ------------------------------------------------------------------------------------


def at_once(*steps: Callable[[], object]) -> list[object]:
    """What came of steps taken at the same time: what each returned, or how it was refused."""
    with ThreadPoolExecutor(len(steps)) as pool:
        done = [pool.submit(step) for step in steps]
        return [d.exception() or d.result() for d in done]


@pytest.mark.parametrize("first", ["cancel", "issue"])
def test_cancelled_and_issued_at_once_one_wins(ledger: Ledger, first: str):
    take_in(ledger, example_caseload(40))
    for turn in range(3):
        cycle = approve(ledger, prepare(ledger, reference=f"C{turn}"))
        steps = [lambda c=cycle: cancel(ledger, c), lambda c=cycle: issue(ledger, c)]
        if first == "issue":
            steps.reverse()
        refused = [end for end in at_once(*steps) if isinstance(end, Exception)]
        assert len(refused) == 1
        now = ledger.cycle(cycle.reference)
        of_cycle = {
            p.status
            for b in ledger.budgets()
            for p in b.payments.values()
            if p.cycle_reference == cycle.reference
        }
        if now.status == "issued":
            assert isinstance(refused[0], CycleAlreadyDecided)
            assert of_cycle == {"scheduled"}
            break  # everyone is paid
        assert isinstance(refused[0], CycleNotApproved)
        assert (now.status, now.issued, of_cycle) == ("cancelled", None, {"cancelled"})
    require_sound(ledger)


def test_cancelled_by_several_and_approved_at_once_it_is_cancelled_once(three: Ledger):
    cycle = prepare(three)
    ends = at_once(
        lambda: approve(three, cycle),
        lambda: cancel(three, cycle),
        lambda: cancel(three, cycle, by="zoe"),
        lambda: cancel(three, cycle, by="abe"),
    )
    assert three.cycle(cycle.reference).status == "cancelled"
    assert not any(isinstance(end, Exception) for end in ends[1:])
    assert isinstance(ends[0], PaymentCycle | Refusal)
    topics = [topic for _, _, _, topic, _ in log_of(three)]
    assert topics.count("payment-cycle.cancelled.v1") == 1
    assert set(statuses(three).values()) <= {"cancelled"}
    assert {due.amount_pence for due in owed(three).values()} == {FOUR_WEEKS}
    require_sound(three)


def test_cancelled_while_its_budgets_are_written_to(three: Ledger):
    cycle = approve(three, prepare(three))

    def ask_for_returns(reference: str) -> None:
        for n in range(5):
            tell_budget(
                three,
                reference,
                "request_spend_return",
                return_reference=f"SR{n}",
                period=cycle_period(1),
                due_on=date(2026, 6, 1),
            )

    def cancel_at_last() -> PaymentCycle:
        while True:
            with suppress(ConcurrentChange):  # nothing was recorded; it may be asked again
                return cancel(three, cycle)

    ends = at_once(
        cancel_at_last,
        *(lambda r=b.reference: ask_for_returns(r) for b in list(three.budgets())),
    )
    assert isinstance(ends[0], PaymentCycle)
    assert {len(b.spend_returns) for b in three.budgets()} == {5}
    assert set(statuses(three).values()) == {"cancelled"}
    require_sound(three)
