"""The client contribution: net or gross, once over a mixed budget, invoiced, put right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from ledger.aggregates.contributions import (
    AssessedTerm,
    ContributionCredited,
    ContributionInvoiced,
    ContributionReceived,
    FinancesAssessed,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import tried
from ledger.errors import (
    AfterBudgetClosed,
    BeforeBudgetOpened,
    ContributionExceedsDebt,
    ContributionOrderIncomplete,
    InvalidMoney,
    InvalidValue,
    ReferenceUsedForOtherFacts,
)
from ledger.projections.postings import postings
from ledger.terms import Deployment
from tests.given import (
    FIRST_DAY,
    a_line,
    a_payable_budget,
    cycle_period,
    days,
    given,
    on,
    pay,
    tell,
)

ORDER = (
    "provided_service",
    "council_managed",
    "individual_service_fund",
    "direct_payment",
    "managed_account",
)
PERIOD = cycle_period(1)


def assessed(*terms: tuple[str, int], reference: str = "FA1", **facts: Any) -> dict[str, Any]:
    """What `assess_finances` is told: weekly pence from each day."""
    made = tuple(AssessedTerm(on(day), pence) for day, pence in terms)
    return {
        "assessment_reference": reference,
        "decided_on": made[0].starts_on,
        "outcome": "assessed",
        "terms": made,
        "basis": "net",
        "order": ORDER,
        "effective_on": made[0].starts_on,
        **facts,
    }


def a_budget(*lines: Any, **facts: Any) -> PersonalBudget:
    """A payable budget without a contribution yet."""
    return a_payable_budget(lines=lines, without={"assess_contribution"}, **facts)


def sums(event: Any) -> dict[str, int]:
    """An event's postings by account."""
    by_account: dict[str, int] = {}
    for posting in postings(event):
        by_account[posting.account] = by_account.get(posting.account, 0) + posting.amount_pence
    assert sum(by_account.values()) == 0
    return by_account


# --- net and gross ------------------------------------------------------------------------


def test_gross_is_paid_whole_and_invoiced():
    story = given(a_budget(a_line(weekly=31_000))).and_(
        "assess_finances", **assessed(("04-06", 14_295), basis="gross")
    )
    assert story.aggregate.payment_due(PERIOD).amount_pence == 124_000
    story.when("invoice_contribution", invoice_reference="INV1", period=PERIOD)
    story.then(ContributionInvoiced, amount_pence=57_180)
    assert sums(story.recorded[0]) == {
        "client_contributions": -57_180,
        "contribution_debtors": 57_180,
    }
    assert story.aggregate.contribution_debt_pence == 57_180


def test_the_same_days_are_invoiced_once():
    story = given(a_budget(a_line(weekly=31_000))).and_(
        "assess_finances", **assessed(("04-06", 14_295), basis="gross")
    )
    said = {"invoice_reference": "INV1", "period": PERIOD}
    story.when("invoice_contribution", **said).then(ContributionInvoiced)
    story.when("invoice_contribution", **said).nothing()
    story.when("invoice_contribution", **{**said, "invoice_reference": "INV2"}).nothing()
    story.when("invoice_contribution", **{**said, "period": cycle_period(2)})
    story.refused(ReferenceUsedForOtherFacts)


def test_days_not_invoiced_before_are_invoiced_with_the_next():
    story = given(a_budget(a_line(weekly=31_000))).and_(
        "assess_finances", **assessed(("04-06", 14_295), basis="gross")
    )
    story.when("invoice_contribution", invoice_reference="INV2", period=cycle_period(2))
    story.then(ContributionInvoiced, amount_pence=2 * 57_180)


def test_an_invoice_that_was_too_high_is_credited():
    story = given(
        a_budget(a_line(weekly=31_000)),
        ("assess_finances", assessed(("04-06", 14_295), basis="gross")),
        ("invoice_contribution", {"invoice_reference": "INV1", "period": PERIOD}),
        ("assess_finances", assessed(("04-20", 10_000), reference="FA2", basis="gross")),
    )
    story.when("invoice_contribution", invoice_reference="INV1R", period=PERIOD)
    story.then(ContributionCredited, amount_pence=2 * 4_295)
    assert sums(story.recorded[0]) == {
        "client_contributions": 8_590,
        "contribution_debtors": -8_590,
    }
    assert story.aggregate.contribution_debt_pence == 57_180 - 8_590


def test_from_gross_to_net_part_way_no_day_is_charged_twice():
    story = given(
        a_budget(a_line(weekly=31_000)),
        ("assess_finances", assessed(("04-06", 14_295), basis="gross")),
        ("invoice_contribution", {"invoice_reference": "INV1", "period": PERIOD}),
    )
    pay(story.aggregate, PERIOD)
    story.and_("assess_finances", **assessed(("04-20", 14_295), reference="FA2"))
    taken_off = -sum(line.amount_pence for line in story.aggregate.adjustments_due())
    credited = -sum(line.amount_pence for line in story.aggregate.charges_due(PERIOD))
    assert taken_off == credited == 28_590


# --- a mixture ----------------------------------------------------------------------------


def a_mixture(**facts: Any) -> PersonalBudget:
    """£100.00 of provided services and £210.00 of direct payment a week."""
    return a_budget(
        a_line("A", 21_000), a_line("B", 10_000, deployment="provided_service"), **facts
    )


def test_the_contribution_is_set_against_commissioned_lines_first():
    budget = given(a_mixture()).and_("assess_finances", **assessed(("04-06", 14_295))).aggregate
    assert budget.payment_due(PERIOD).amount_pence == 4 * (21_000 - 4_295)
    assert sum(line.amount_pence for line in budget.charges_due(PERIOD)) == 4 * 10_000


def test_another_order_takes_all_of_it_off_the_direct_payment():
    order = tuple(reversed(ORDER))
    budget = (
        given(a_mixture())
        .and_("assess_finances", **assessed(("04-06", 14_295), order=order))
        .aggregate
    )
    assert budget.payment_due(PERIOD).amount_pence == 4 * (21_000 - 14_295)
    assert budget.charges_due(PERIOD) == []


def test_a_free_line_bears_nothing():
    lines = (a_line("A", 21_000), a_line("B", 10_000, funding_stream="nhs"))
    budget = (
        given(a_budget(*lines)).and_("assess_finances", **assessed(("04-06", 25_000))).aggregate
    )
    assert budget.payment_due(PERIOD).amount_pence == 4 * 10_000


def test_who_pays_the_full_cost_is_paid_nothing_whatever_it_comes_to():
    terms = (AssessedTerm(FIRST_DAY, 0, full_cost=True),)
    budget = (
        given(a_mixture())
        .and_("assess_finances", **assessed(("04-06", 0), terms=terms, outcome="full_cost"))
        .aggregate
    )
    assert budget.payment_due(PERIOD).amount_pence == 0
    tell(budget, "revise_allocation", line_reference="A", weekly_pence=30_000)
    assert budget.payment_due(PERIOD).amount_pence == 0
    assert sum(line.amount_pence for line in budget.charges_due(PERIOD)) == 4 * 10_000


def test_nothing_is_charged_while_payments_are_suspended():
    budget = (
        given(a_mixture())
        .and_("assess_finances", **assessed(("04-06", 14_295)))
        .and_(
            "suspend_payments",
            reason_code="hospital_stay",
            interim_arrangement="in_hospital_or_care_home",
            review_on=on("05-01"),
            effective_on=on("04-20"),
        )
        .aggregate
    )
    assert sum(line.amount_pence for line in budget.charges_due(PERIOD)) == 2 * 10_000


# --- worked example D ---------------------------------------------------------------------


def test_example_d_close_and_switch_charges_no_day_twice():
    budget = a_budget(a_line("A", 31_000))
    tell(budget, "assess_finances", **assessed(("04-06", 14_295)))
    pay(budget, PERIOD)
    tell(
        budget,
        "switch_to_provided_services",
        line_references=("A",),
        effective_on=on("04-24"),
    )
    put_right = budget.adjustments_due()
    assert sum(line.amount_pence for line in put_right) == -23_865
    back = sum(line.amount_pence for line in put_right if line.kind == "contribution")
    charged = sum(line.amount_pence for line in budget.charges_due(PERIOD))
    assert back == charged == 20_421
    assert 57_180 - back + charged == 57_180  # of which 367.59 is for the direct payment's days


# --- arrears ------------------------------------------------------------------------------


def test_arrears_by_invoice_are_posted_as_a_debt_on_the_day_of_decision():
    budget = a_budget(a_line(weekly=31_000))
    tell(budget, "assess_finances", **assessed(("04-06", 10_000)))
    pay(budget, PERIOD)
    story = given(budget).when(
        "assess_finances",
        **assessed(("04-06", 14_295), reference="FA2", decided_on=on("05-11"), recovery="invoice"),
    )
    story.then(
        FinancesAssessed, ContributionInvoiced, amount_pence=17_180, effective_on=on("05-11")
    )
    assert sums(story.recorded[1]) == {
        "client_contributions": -17_180,
        "contribution_debtors": 17_180,
    }
    assert budget.adjustments_due() == []


def test_a_refund_is_never_invoiced():
    budget = a_budget(a_line(weekly=31_000))
    tell(budget, "assess_finances", **assessed(("04-06", 14_295)))
    pay(budget, PERIOD)
    given(budget).when(
        "assess_finances", **assessed(("04-06", 10_000), reference="FA2", recovery="invoice")
    ).then(FinancesAssessed)
    assert budget.payment_due(cycle_period(2)).amount_pence == 4 * 21_000 + 17_180


def test_what_is_owed_is_received_once_and_no_more_than_it():
    story = given(
        a_budget(a_line(weekly=31_000)),
        ("assess_finances", assessed(("04-06", 14_295), basis="gross")),
        ("invoice_contribution", {"invoice_reference": "INV1", "period": PERIOD}),
    )
    paid = {"receipt_reference": "R1", "amount_pence": 57_000}
    story.when("receive_contribution", **paid).then(ContributionReceived)
    assert sums(story.recorded[0]) == {"bank": 57_000, "contribution_debtors": -57_000}
    story.when("receive_contribution", **paid).nothing()
    story.when("receive_contribution", receipt_reference="R1", amount_pence=1)
    story.refused(ReferenceUsedForOtherFacts)
    story.when("receive_contribution", receipt_reference="R2", amount_pence=181)
    story.refused(ContributionExceedsDebt, owed_pence=180)
    story.when("receive_contribution", receipt_reference="R2", amount_pence=0).refused(InvalidMoney)


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"order": ORDER[1:]}, ContributionOrderIncomplete),
        ({"order": (*ORDER, "direct_payment")}, ContributionOrderIncomplete),
        ({"recovery": "weekly_cap"}, InvalidValue),
        ({"weekly_cap_pence": 100}, InvalidValue),
    ],
)
def test_an_assessment_that_cannot_be_collected_is_refused(facts, refusal):
    given(a_mixture()).when("assess_finances", **assessed(("04-06", 100), **facts)).refused(refusal)


def test_it_must_fall_within_the_budgets_life():
    story = given(a_mixture())
    story.when("assess_finances", **assessed(("04-05", 100)))
    story.refused(BeforeBudgetOpened, field="effective_on")
    story.and_("close", reason_code="moved_away", effective_on=on("05-31"))
    story.when("assess_finances", **assessed(("06-01", 100)))
    story.refused(AfterBudgetClosed, field="effective_on")
    story.when("assess_finances", **assessed(("05-04", 100))).then(FinancesAssessed)


# --- properties ---------------------------------------------------------------------------

pence = st.integers(0, 40_000)
day_numbers = st.integers(0, 83)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[AssessedTerm, ...]:
    first = draw(day_numbers)
    later = draw(st.sets(st.integers(first + 1, 90), max_size=2))
    return tuple(
        AssessedTerm(FIRST_DAY + timedelta(days=day), draw(pence), draw(st.booleans()))
        for day in (first, *sorted(later))
    )


def tell_timeline(budget: PersonalBudget, number: int, terms: Any, **facts: Any) -> None:
    tell(
        budget,
        "assess_finances",
        assessment_reference=f"FA{number}",
        decided_on=terms[0].starts_on,
        outcome="assessed",
        terms=terms,
        effective_on=terms[0].starts_on,
        order=ORDER,
        **facts,
    )


lives = st.lists(timelines(), min_size=1, max_size=4)
bases = st.sampled_from(["net", "gross"])


@settings(max_examples=60)
@for_all(lives, timelines(), bases, bases)
def test_adjustments_are_the_difference_between_the_timelines(before, after, was, now):
    budget = a_mixture()
    for number, terms in enumerate(before):
        tell_timeline(budget, number, terms, basis=was)
    for cycle in (1, 2, 3):
        if budget.payment_due(cycle_period(cycle)).amount_pence > 0:
            pay(budget, cycle_period(cycle), f"C{cycle}")
        tell(budget, "invoice_contribution", invoice_reference=f"I{cycle}",
             period=cycle_period(cycle))  # fmt: skip
    unsettled = _owed(budget)
    seen = tried(budget, lambda b: tell_timeline(b, 99, after, basis=now), after[0].starts_on)
    assert seen.effect is not None
    assert _owed(budget) - unsettled == seen.effect.total_pence
    assert all(w.contribution_now_pence >= 0 for w in seen.effect.windows)


def _owed(budget: PersonalBudget) -> int:
    """What is owed to the person for days settled: on payments, less on invoices."""
    settled = max(line.window.ends_on for line in budget.charged_lines or budget.scheduled_lines)
    period = days(FIRST_DAY.isoformat(), settled.isoformat())
    charges = sum(line.amount_pence for line in budget.charges_due(period) if line.adjustment)
    return sum(line.amount_pence for line in budget.adjustments_due()) - charges


@settings(max_examples=60)
@for_all(timelines(), st.integers(1, 20_000), st.integers(1, 20_000), bases)
def test_a_contribution_is_never_below_nought_nor_above_the_cost(terms, one, other, basis):
    budget = a_budget(a_line("A", one), a_line("B", other, deployment="provided_service"))
    tell_timeline(budget, 1, terms, basis=basis)
    for cycle in (1, 2, 3):
        due = budget.payment_due(cycle_period(cycle))
        taken = -sum(line.amount_pence for line in due.lines if line.kind == "contribution")
        gross = sum(line.amount_pence for line in due.lines if line.kind == "allocation")
        invoiced = sum(line.amount_pence for line in budget.charges_due(cycle_period(cycle)))
        assert 0 <= taken <= gross
        assert invoiced >= 0
        assert taken + invoiced <= 12 * (one + other)
        assert due.amount_pence >= 0


@settings(max_examples=40)
@for_all(lives)
def test_the_same_assessment_made_again_changes_nothing(life):
    budget = a_mixture()
    for number, terms in enumerate(life):
        tell_timeline(budget, number, terms, basis="net")
    if budget.payment_due(PERIOD).amount_pence > 0:
        pay(budget, PERIOD)
    starts_on = life[-1][0].starts_on
    again = tried(budget, lambda b: tell_timeline(b, 98, life[-1], basis="net"), starts_on)
    assert again.effect is not None
    assert again.effect.windows == ()
    once_more = tried(budget, lambda b: tell_timeline(b, 98, life[-1], basis="net"), starts_on)
    assert once_more.events == []


@settings(max_examples=60)
@for_all(lives, timelines(), st.integers(1, 3_000))
def test_a_cap_recovers_the_same_in_the_end(life, after, cap):
    """Uncapped and capped, what is paid in the end comes to the same: only later."""
    paid = []
    for facts in ({}, {"recovery": "weekly_cap", "weekly_cap_pence": cap}):
        budget = a_budget(a_line("A", 31_000))
        for number, terms in enumerate(life):
            tell_timeline(budget, number, terms, basis="net")
        for cycle in range(1, 4):
            if budget.payment_due(cycle_period(cycle)).amount_pence > 0:
                pay(budget, cycle_period(cycle), f"C{cycle}")
        tell_timeline(budget, 99, after, basis="net", **facts)
        tell(budget, "close", reason_code="needs_ended", effective_on=on("06-28"))
        owed = sum(line.amount_pence for line in budget.adjustments_due())
        due = budget.payment_due(cycle_period(4))
        if facts:
            recovered = -sum(line.amount_pence for line in due.lines if line.adjustment)
            assert recovered <= max(4 * cap, 0)
        paid.append(owed)
    assert paid[0] == paid[1]


def test_every_deployment_stands_in_the_usual_order():
    assert sorted(ORDER) == sorted(get_args(Deployment))
