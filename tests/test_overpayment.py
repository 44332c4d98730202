"""An overpayment comes back once: off the next payment, or as a clawback, and never as both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates.clawbacks import ClawbackCause, ClawbackConfirmed
from ledger.aggregates.payments import PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.entitlement import entitlement
from ledger.errors import (
    ClawbackDiffersFromOverpayment,
    ClawbackExceedsProposal,
    CycleOutOfDate,
)
from ledger.projections.balances import balances_of
from ledger.projections.postings import Posting, postings
from ledger.verification import verify_ledger
from tests.given import (
    FIRST_DAY,
    Story,
    a_line,
    a_payable_budget,
    cycle_period,
    given,
    on,
    pay,
    payment_for,
    tell,
)
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    issue,
    paid_in,
    prepare,
    run_cycle,
    take_in,
    tell_budget,
)

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)
OVERPAID, UNSPENT = 23_865, 48_714
FOUR_WEEKS = 66_820


def asked_back(
    amount: int, cause: ClawbackCause = "overpayment", reference: str = "CB1"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ann proposes it and the person is told, with until 15 May to answer."""
    known = {"clawback_reference": reference, "effective_on": on("04-28")}
    yield "propose_clawback", {**known, "amount_pence": amount, "cause_code": cause}
    yield "notify_clawback", {**known, "respond_by": on("05-15")}


def decision(amount: int, reference: str = "CB1", instalment: int = 0) -> dict[str, Any]:
    """Bob decides after the notice."""
    return {
        "clawback_reference": reference,
        "amount_pence": amount,
        "recovery": "deduction" if instalment else "repayment",
        "instalment_pence": instalment,
        "effective_on": on("05-18"),
        "by": "bob",
    }


def asked(budget: PersonalBudget, amount: int, **facts: Any) -> Story[PersonalBudget]:
    return given(budget, *asked_back(amount, **facts))


def paid_for_april(**facts: Any) -> PersonalBudget:
    budget = a_payable_budget(**facts)
    pay(budget, APRIL)
    return budget


def closed() -> PersonalBudget:
    """Domain example D: £668.20 paid in advance, and the last day is Thursday 23 April."""
    budget = paid_for_april()
    tell(budget, "close", reason_code="needs_ended", effective_on=on("04-23"))
    return budget


def charged_more() -> PersonalBudget:
    """Paid for April, and then charged £10.00 a week more: £40.00 overpaid, and going on."""
    budget = paid_for_april()
    tell(budget, "assess_contribution", weekly_pence=15_295, basis="net")
    return budget


# --- exactly what is overpaid, and once -----------------------------------------------------


def test_example_d_the_overpaid_days_and_what_was_not_spent() -> None:
    story = asked(closed(), OVERPAID)
    for command, facts in asked_back(UNSPENT, "budget_ended", "CB2"):
        story.and_(command, **facts)
    assert story.aggregate.payment_due(MAY).owed_pence == -OVERPAID
    story.when("confirm_clawback", **decision(OVERPAID)).then(ClawbackConfirmed)
    [overpaid] = story.recorded
    assert isinstance(overpaid, ClawbackConfirmed)
    assert [(x.kind, x.amount_pence, x.window, x.adjustment) for x in overpaid.lines] == [
        ("allocation", -44_286, APRIL, True),
        ("contribution", 20_421, APRIL, True),
    ]
    story.when("confirm_clawback", **decision(UNSPENT, "CB2")).then(ClawbackConfirmed, lines=())
    [unspent] = story.recorded
    owed_back = [c.outstanding_pence for c in story.aggregate.clawbacks.values()]
    assert (owed_back, sum(owed_back)) == ([OVERPAID, UNSPENT], 72_579)
    assert story.aggregate.payment_due(MAY).lines == (), "it is a debt now, and not negative too"
    assert postings(overpaid) == (
        Posting("clawback_debtors", OVERPAID),
        Posting("direct_payments", -44_286, "social_care", "S4100"),
        Posting("client_contributions", 20_421, "social_care", "S4100"),
    )
    assert postings(unspent) == (
        Posting("clawback_debtors", UNSPENT),
        Posting("clawback_income", -UNSPENT),
    )


@pytest.mark.parametrize("amount", [1, OVERPAID - 1, OVERPAID + 1, 30_000])
def test_another_amount_than_is_overpaid_is_refused(amount: int) -> None:
    asked(closed(), 30_000).when("confirm_clawback", **decision(amount)).refused(
        ClawbackDiffersFromOverpayment, overpaid_pence=OVERPAID
    )


def test_more_was_proposed_than_turns_out_to_be_overpaid() -> None:
    asked(closed(), 30_000).when("confirm_clawback", **decision(OVERPAID)).then(ClawbackConfirmed)
    asked(closed(), OVERPAID - 1).when("confirm_clawback", **decision(OVERPAID)).refused(
        ClawbackExceedsProposal
    )


def test_where_nothing_is_overpaid_or_more_is_owed_there_is_no_overpayment() -> None:
    asked(a_payable_budget(), 4_000).when("confirm_clawback", **decision(4_000)).refused(
        ClawbackDiffersFromOverpayment, overpaid_pence=0
    )
    underpaid = paid_for_april()
    tell(underpaid, "assess_contribution", weekly_pence=13_295, basis="net")
    asked(underpaid, 4_000).when("confirm_clawback", **decision(4_000)).refused(
        ClawbackDiffersFromOverpayment, overpaid_pence=-4_000
    )


def test_money_asked_back_for_another_cause_is_not_tied_to_what_is_overpaid() -> None:
    story = asked(closed(), 100, cause="surplus")
    story.when("confirm_clawback", **decision(100)).then(ClawbackConfirmed, lines=())
    assert story.aggregate.payment_due(MAY).owed_pence == -OVERPAID


def test_once_a_payment_was_reduced_there_is_nothing_left_to_claw_back() -> None:
    story = asked(charged_more(), 4_000)
    may = payment_for(story.aggregate, MAY, "C2")
    assert may["amount_pence"] == 4 * (31_000 - 15_295) - 4_000
    story.and_("schedule_payment", **may)
    story.when("confirm_clawback", **decision(4_000)).refused(
        ClawbackDiffersFromOverpayment, overpaid_pence=0
    )


def test_once_it_is_a_clawback_no_payment_is_reduced_for_the_same_days() -> None:
    story = asked(charged_more(), 4_000).and_("confirm_clawback", **decision(4_000))
    story.when("schedule_payment", **payment_for(story.aggregate, MAY, "C2")).then(
        PaymentScheduled, amount_pence=4 * (31_000 - 15_295)
    )


def test_an_overpayment_recovered_by_instalments_is_taken_once() -> None:
    story = asked(charged_more(), 4_000).and_("confirm_clawback", **decision(4_000, "CB1", 2_500))
    in_full = 4 * (31_000 - 15_295)
    for period, instalment in ((MAY, 2_500), (JUNE, 1_500), (cycle_period(4), 0)):
        due = story.aggregate.payment_due(period)
        assert (due.owed_pence, due.deducted_pence) == (in_full, instalment)
        pay(story.aggregate, period, f"C{period.starts_on}")


def test_the_same_days_are_not_clawed_back_twice() -> None:
    story = asked(closed(), OVERPAID).and_("confirm_clawback", **decision(OVERPAID))
    for command, facts in asked_back(OVERPAID, reference="CB2"):
        story.and_(command, **facts)
    story.when("confirm_clawback", **decision(OVERPAID, "CB2")).refused(
        ClawbackDiffersFromOverpayment, overpaid_pence=0
    )


def test_what_changes_after_a_clawback_is_reckoned_from_it() -> None:
    story = asked(charged_more(), 4_000).and_("confirm_clawback", **decision(4_000))
    story.and_("assess_contribution", weekly_pence=14_295, basis="net")
    due = story.aggregate.payment_due(MAY)
    assert due.owed_pence == FOUR_WEEKS + 4_000, "the clawback stands; the days are made good"
    story.and_("assess_contribution", weekly_pence=15_395, basis="net")
    assert -sum(line.amount_pence for line in story.aggregate.adjustments_due()) == 400


CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("assess_contribution"),
            st.fixed_dictionaries(
                {"weekly_pence": st.integers(0, 40_000), "basis": st.just("net")}
            ),
        ),
        st.tuples(
            st.just("revise_allocation"),
            st.fixed_dictionaries(
                {"line_reference": st.just("L1"), "weekly_pence": st.integers(1, 40_000)}
            ),
        ),
    ),
    max_size=4,
)
DAYS = st.integers(0, 55).map(lambda n: date.fromordinal(FIRST_DAY.toordinal() + n))


@for_all(CHANGES, st.lists(DAYS, min_size=5, max_size=5), st.booleans())
def test_what_was_paid_less_what_is_clawed_back_is_what_was_owed(
    changes: list[tuple[str, dict[str, Any]]], starting: list[date], ends: bool
) -> None:
    """Whatever made the days overpaid, to the penny, and nothing is left to take off."""
    lines = [a_line("L1", 31_000), a_line("L2", 5_000, funding_stream="nhs", cost_centre="N1")]
    budget = a_payable_budget(lines=lines)
    pay(budget, APRIL)
    pay(budget, MAY, "C2")
    paid = sum(payment.amount_pence for payment in budget.payments.values())
    for (command, facts), day in zip(changes, starting, strict=False):
        tell(budget, command, **facts, effective_on=day)
    if ends:
        tell(budget, "close", reason_code="moved_away", effective_on=starting[-1])
    overpaid = -sum(line.amount_pence for line in budget.adjustments_due())
    if overpaid <= 0:
        return
    story = asked(budget, overpaid).and_("confirm_clawback", **decision(overpaid))
    owed = [line for period in (APRIL, MAY) for line in entitlement(budget.terms, period)]
    assert paid - overpaid == sum(line.amount_pence for line in owed)
    assert budget.adjustments_due() == []
    assert list(budget.payment_due(JUNE).lines) == entitlement(budget.terms, JUNE)
    assert story.aggregate.payment_due(MAY).lines == ()


# --- through the machine --------------------------------------------------------------------


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(a_row(1), a_row(2)))
        run_cycle(ledger, 1)
        yield ledger


def codes(ledger: Ledger, number: int) -> list[str]:
    """What an approver is asked about the first budget."""
    noted = prepare(ledger, number, reference=f"LOOK{number}").exceptions
    return [e.code for e in noted if e.budget_reference == "PB000001"]


def test_example_d_through_the_ledger(ledger: Ledger) -> None:
    closing = {"reason_code": "needs_ended", "effective_on": on("04-23")}
    tell_budget(ledger, "PB000001", "close", **closing)
    assert "negative" in codes(ledger, 2)
    assert codes(ledger, 3) == ["budget-is-closed", "negative"]
    for asked, amount, reference in (
        (asked_back(OVERPAID, "overpayment", "CB1"), OVERPAID, "CB1"),
        (asked_back(UNSPENT, "budget_ended", "CB2"), UNSPENT, "CB2"),
    ):
        for command, facts in asked:
            tell_budget(ledger, "PB000001", command, **facts)
        tell_budget(ledger, "PB000001", "confirm_clawback", **decision(amount, reference))
    assert "negative" not in codes(ledger, 2)
    assert codes(ledger, 3) == [], "and in later cycles nobody is asked about it again"
    run_cycle(ledger, 2)
    receipt = {"clawback_reference": "CB1", "receipt_reference": "R1", "by": "carol"}
    tell_budget(ledger, "PB000001", "receive_clawback", amount_pence=OVERPAID, **receipt)
    ledger.projections.catch_up()
    balances = balances_of(ledger.engine, ledger.budget("PB000001").id.hex, None, None)
    assert {account: pence for account, pence in balances.items() if pence} == {
        "direct_payments": 79_714,
        "client_contributions": -36_759,
        "bank": OVERPAID - FOUR_WEEKS,
        "clawback_debtors": UNSPENT,
        "clawback_income": -UNSPENT,
    }, "what was spent is what was owed: 18 days, net 429.55"
    assert verify_ledger(ledger).difference is None


def test_a_cycle_that_took_it_off_meanwhile_leaves_nothing_to_claw_back(ledger: Ledger) -> None:
    raised = {"weekly_pence": 15_295, "basis": "net"}
    tell_budget(ledger, "PB000001", "assess_contribution", **raised)
    for command, facts in asked_back(4_000):
        tell_budget(ledger, "PB000001", command, **facts)
    cycle = approve(ledger, prepare(ledger, 2))
    with pytest.raises(ClawbackDiffersFromOverpayment):
        tell_budget(ledger, "PB000001", "confirm_clawback", **decision(4_000))
    issue(ledger, cycle)
    assert paid_in(ledger, cycle)["PB000001"] == 4 * (31_000 - 15_295) - 4_000


def test_a_clawback_confirmed_after_preparing_puts_the_cycle_out_of_date(ledger: Ledger) -> None:
    """Or the overpaid days would be taken off as well."""
    raised = {"weekly_pence": 15_295, "basis": "net"}
    tell_budget(ledger, "PB000001", "assess_contribution", **raised)
    for command, facts in asked_back(4_000):
        tell_budget(ledger, "PB000001", command, **facts)
    cycle = prepare(ledger, 2)
    tell_budget(ledger, "PB000001", "confirm_clawback", **decision(4_000))
    with pytest.raises(CycleOutOfDate):
        approve(ledger, cycle)
    again = approve(ledger, prepare(ledger, 2))
    issue(ledger, again)
    assert paid_in(ledger, again)["PB000001"] == 4 * (31_000 - 15_295)
    assert verify_ledger(ledger).difference is None
