"""What a budget is owed: published examples to the penny, and what holds for any terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from ledger.aggregates.event_sourced import Event
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period, four_weekly
from ledger.entitlement import (
    PAID_BY,
    EntitlementLine,
    charges,
    due,
    entitlement,
    funding_totals,
    service_funds,
)
from ledger.errors import (
    AllocationLineExists,
    AllocationLineNotFound,
    AllocationLineUnclear,
    BudgetIsClosed,
    NoAllocationInForce,
    NothingToPay,
    NothingToSwitch,
    PaymentsAreSuspended,
    PaymentsNotSuspended,
    ServiceFundNotHeld,
    SuspensionUnclear,
)
from ledger.money import apportion
from ledger.terms import (
    CHANNELS,
    FOR_EVER,
    PAID_TO_A_PAYEE,
    AllocationTerm,
    Channel,
    ContributionTerm,
    Deployment,
    SuspensionTerm,
    Terms,
)
from tests.given import (
    FIRST_DAY,
    a_confirmed_clawback,
    a_line,
    a_payable_budget,
    cycle_period,
    days,
    given,
    on,
    pay,
    payment_for,
    tell,
)

APRIL = cycle_period(1)  # 6 April to 3 May 2026
MAY = cycle_period(2)


def terms(
    *lines: AllocationTerm,
    contributions: Sequence[tuple[date, int, str]] = (),
    suspensions: Sequence[tuple[date, date, int]] = (),
    starts_on: date = date.min,
    ends_on: date = FOR_EVER,
    funded_from: date = date.min,
) -> Terms:
    return Terms(
        starts_on,
        ends_on,
        lines,
        [ContributionTerm(*term) for term in contributions],  # type: ignore[arg-type]
        [SuspensionTerm(*term) for term in suspensions],
        funded_from,
    )


def total(lines: Iterable[EntitlementLine]) -> int:
    return sum(line.amount_pence for line in lines)


def by_kind(lines: Iterable[EntitlementLine]) -> dict[str, int]:
    """Pence by kind of line."""
    kinds: dict[str, int] = {}
    for line in lines:
        kinds[line.kind] = kinds.get(line.kind, 0) + line.amount_pence
    return kinds


def owed(budget: PersonalBudget, period: Period = APRIL) -> int:
    return budget.payment_due(period).owed_pence


# --- example A: the contribution ----------------------------------------------------------


def test_a_week_pays_the_budget_less_the_contribution() -> None:
    assert owed(a_payable_budget(), four_weekly(FIRST_DAY, weeks=1)) == 16_705


def test_four_weeks_pay_66820_pence_net() -> None:
    lines = a_payable_budget().payment_due(APRIL).lines
    assert by_kind(lines) == {"allocation": 124_000, "contribution": -57_180}
    assert total(lines) == 66_820


def test_a_person_assessed_to_pay_more_than_the_budget_pays_the_budget_and_no_more() -> None:
    lines = a_payable_budget(weekly=12_000).payment_due(APRIL).lines
    assert by_kind(lines) == {"allocation": 48_000, "contribution": -48_000}


def test_a_full_cost_payer_is_paid_nothing() -> None:
    budget = a_payable_budget(contribution=31_000)
    assert owed(budget) == 0
    given(budget).when("schedule_payment", **payment_for(budget, APRIL)).refused(NothingToPay)


def test_a_nil_contribution_leaves_no_line() -> None:
    lines = a_payable_budget(contribution=0).payment_due(APRIL).lines
    assert by_kind(lines) == {"allocation": 124_000}


def test_before_any_assessment_the_payment_is_whole() -> None:
    assert owed(a_payable_budget(without=["assess_contribution"])) == 124_000


def test_on_a_gross_basis_the_payment_is_whole_and_the_contribution_is_invoiced() -> None:
    lines = a_payable_budget(basis="gross").payment_due(APRIL).lines
    assert by_kind(lines) == {"allocation": 124_000}


def test_a_change_of_basis_takes_effect_on_its_day() -> None:
    budget = a_payable_budget()
    tell(
        budget, "assess_contribution", weekly_pence=14_295, basis="gross", effective_on=on("04-20")
    )
    assert owed(budget) == 124_000 - 28_590


# --- example B: part of a period ----------------------------------------------------------


def test_eighteen_days_are_rounded_by_component_and_then_netted() -> None:
    lines = a_payable_budget(starts_on=on("04-16")).payment_due(APRIL).lines
    assert [line.days for line in lines] == [18, 18]
    assert by_kind(lines) == {"allocation": 79_714, "contribution": -36_759}
    assert total(lines) == 42_955  # rounding the net 167.05 directly would give 429.56


def test_a_rate_change_pays_each_rate_for_its_days() -> None:
    budget = a_payable_budget()
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=33_850,
         effective_on=on("04-22"))  # fmt: skip
    lines = budget.payment_due(APRIL).lines
    assert [(line.days, line.amount_pence) for line in lines] == [
        (16, 70_857),
        (12, 58_029),
        (28, -57_180),
    ]
    assert total(lines) == 71_706


def test_a_rate_change_inside_a_paid_period_gives_the_difference_as_adjustments() -> None:
    budget = a_payable_budget()
    pay(budget, APRIL)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=33_850,
         effective_on=on("04-22"))  # fmt: skip
    assert owed(budget) == 4_886
    tell(budget, "assess_contribution", weekly_pence=14_295, basis="net", effective_on=on("05-04"))
    [_, _, adjustment] = budget.payment_due(MAY).lines
    assert (adjustment.adjustment, adjustment.window, adjustment.amount_pence) == (
        True,
        APRIL,
        4_886,
    )
    assert (adjustment.weekly_pence, adjustment.kind) == (0, "allocation")
    assert owed(budget, MAY) == 4 * 33_850 - 57_180 + 4_886


# --- example D: closing -------------------------------------------------------------------


def test_closing_inside_a_paid_period_leaves_it_overpaid_and_sends_nothing() -> None:
    budget = a_payable_budget()
    pay(budget, APRIL)
    tell(budget, "close", reason_code="at_own_request", effective_on=on("04-23"))
    assert owed(budget) == 42_955 - 66_820 == -23_865
    given(budget).when("schedule_payment", **payment_for(budget, APRIL, "C2")).refused(NothingToPay)
    assert owed(budget, MAY) == -23_865, "carried, and the days after closing add nothing"


@pytest.mark.parametrize(("last_day", "days_over"), [("05-03", 0), ("05-02", 1), ("04-06", 27)])
def test_each_day_paid_after_closing_is_overpaid(last_day: str, days_over: int) -> None:
    budget = a_payable_budget(weekly=7_000, contribution=0)
    pay(budget, APRIL)
    tell(budget, "close", reason_code="died", effective_on=on(last_day))
    assert owed(budget) == -1_000 * days_over


def test_a_budget_closed_at_the_end_of_time_is_owed_as_before() -> None:
    budget = a_payable_budget()
    tell(budget, "close", reason_code="died", effective_on=date.max)
    assert owed(budget) == 66_820


def test_a_reduction_is_taken_from_the_next_payment() -> None:
    budget = a_payable_budget()
    pay(budget, APRIL)
    tell(budget, "assess_contribution", weekly_pence=20_000, basis="net", effective_on=on("04-20"))
    pay(budget, MAY, "C2")
    assert budget.payments.popitem()[1].amount_pence == 4 * 11_000 - 2 * (20_000 - 14_295)


def test_a_reduction_greater_than_the_next_payment_is_carried_until_it_is_met() -> None:
    budget = a_payable_budget(contribution=0)
    pay(budget, APRIL)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=10_000)
    assert owed(budget, MAY) == 40_000 - 84_000
    given(budget).when("schedule_payment", **payment_for(budget, MAY, "C2")).refused(NothingToPay)
    assert owed(budget, cycle_period(3)) == 80_000 - 84_000
    assert owed(budget, cycle_period(4)) == 120_000 - 84_000


# --- calendar months, stubs and migrated budgets ------------------------------------------

HAMPSHIRE = terms(
    a_line(weekly=15_000, starts_on=on("2023-01-01")),
    contributions=[(on("2023-01-01"), 2_000, "net")],
)


@pytest.mark.parametrize(
    ("first", "last", "gross", "contribution", "net"),
    [
        ("2023-01-01", "2023-01-31", 66_429, 8_857, 57_572),
        ("2023-02-01", "2023-02-28", 60_000, 8_000, 52_000),
        ("2023-04-01", "2023-04-30", 64_286, 8_571, 55_715),
        ("2023-12-01", "2023-12-10", 21_429, 2_857, 18_572),  # the stub before four-weekly pay
        ("2023-12-11", "2024-01-07", 60_000, 8_000, 52_000),
    ],
)
def test_calendar_months_and_a_stub_are_paid_as_hampshire_paid_them(
    first: str, last: str, gross: int, contribution: int, net: int
) -> None:
    lines = entitlement(HAMPSHIRE, days(first, last))
    assert by_kind(lines) == {"allocation": gross, "contribution": -contribution}
    assert total(lines) == net


def test_days_paid_by_an_earlier_system_are_not_paid_again() -> None:
    budget = a_payable_budget(starts_on=on("2025-01-06"), paid_elsewhere_to=on("04-05"))
    assert owed(budget) == 66_820
    assert owed(budget, days("03-09", "04-05")) == 0


def test_a_missed_period_is_paid_as_arrears_in_a_window_of_its_own() -> None:
    lines = a_payable_budget().payment_due(MAY).lines
    assert {line.window for line in lines} == {APRIL, MAY}
    assert total(lines) == 2 * 66_820


def test_an_off_cycle_week_is_not_paid_again_by_the_period_around_it() -> None:
    budget = a_payable_budget()
    pay(budget, days("04-13", "04-19"), "OFF")
    lines = budget.payment_due(APRIL).lines
    assert {line.window for line in lines} == {days("04-20", "05-03")}
    assert total(lines) == 2 * 16_705, "the week before was arrears and went with the first"


def test_arrears_and_the_first_day_of_a_period_are_windows_apart() -> None:
    budget = a_payable_budget(contribution=0)
    from_tuesday = terms(*budget.allocations, starts_on=on("05-05"))
    paid = due(from_tuesday, [], days("05-05", "05-31"))
    windows = {line.window for line in due(budget.terms, paid, MAY)}
    assert windows == {APRIL, days("05-04", "05-04")}


def test_days_paid_in_advance_are_left_out_of_an_earlier_period() -> None:
    budget = a_payable_budget()
    pay(budget, MAY)
    assert budget.payment_due(APRIL).lines == ()


# --- suspensions and retainers ------------------------------------------------------------


def suspended(retainer: int, first: str = "04-13", last: str = "04-19") -> Terms:
    return terms(
        a_line("L1", 20_000),
        a_line("L2", 10_000, funding_stream="nhs", chargeable=False),
        contributions=[(FIRST_DAY, 5_000, "net")],
        suspensions=[(on(first), on(last), retainer)],
    )


def test_nothing_is_owed_for_days_suspended_in_full() -> None:
    assert total(entitlement(suspended(0), APRIL)) == 3 * 25_000


def test_a_retainer_replaces_the_lines_and_the_contribution_and_is_shared_over_the_lines() -> None:
    lines = entitlement(suspended(10_000), APRIL)
    assert [
        (line.line_reference, line.funding_stream, line.amount_pence)
        for line in lines
        if line.kind == "retainer"
    ] == [("L1", "social_care", 6_667), ("L2", "nhs", 3_333)]
    assert total(lines) == 3 * 25_000 + 10_000


def test_a_retainer_so_small_that_a_line_gets_none_of_it_makes_no_line_of_nothing() -> None:
    assert [
        line.line_reference for line in entitlement(suspended(1), APRIL) if line.kind == "retainer"
    ] == ["L1"]


def test_a_retainer_never_pays_more_than_the_lines_would() -> None:
    lines = entitlement(suspended(310_000, "04-06", "05-03"), APRIL)
    assert total(lines) == 4 * 30_000


def test_a_suspension_with_no_end_yet_lasts() -> None:
    open_ended = terms(a_line(weekly=7_000), suspensions=[(on("04-20"), FOR_EVER, 0)])
    assert total(entitlement(open_ended, APRIL)) == 14_000
    assert entitlement(open_ended, MAY) == []


# --- one-offs, mixtures and streams -------------------------------------------------------


def test_a_one_off_is_owed_once_in_the_window_of_its_day() -> None:
    once = terms(a_line("L1", one_off_pence=50_000, starts_on=on("05-03")))
    [line] = entitlement(once, APRIL)
    assert (line.kind, line.amount_pence, line.days) == ("one_off", 50_000, 1)
    assert entitlement(once, MAY) == []


def test_a_one_off_dated_in_a_week_already_paid_is_paid_next_time() -> None:
    budget = a_payable_budget()
    pay(budget, APRIL)
    start_up = a_line("L2", one_off_pence=25_000, starts_on=on("04-10"))
    tell(budget, "agree_allocation", lines=(start_up,))
    assert owed(budget, MAY) == 66_820 + 25_000


def test_no_contribution_is_taken_from_a_one_off() -> None:
    once = terms(a_line("L1", one_off_pence=50_000), contributions=[(FIRST_DAY, 5_000, "net")])
    assert by_kind(entitlement(once, APRIL)) == {"one_off": 50_000}


def test_a_one_off_outside_the_days_this_ledger_pays_for_is_not_owed() -> None:
    once = a_line("L1", one_off_pence=50_000, starts_on=on("04-10"))
    assert entitlement(terms(once, starts_on=on("04-11")), APRIL) == []
    assert entitlement(terms(once, ends_on=on("04-09")), APRIL) == []
    assert total(entitlement(terms(once, ends_on=on("04-10")), APRIL)) == 50_000


@pytest.mark.parametrize(
    ("deployment", "paid"),
    [
        ("direct_payment", 4_000),
        ("managed_account", 4_000),
        ("individual_service_fund", 0),
        ("council_managed", 0),
        ("provided_service", 0),
    ],
)
def test_only_lines_paid_to_a_payee_are_owed(deployment: Any, paid: int) -> None:
    weekly = a_line("L1", 1_000, deployment=deployment)
    once = a_line("L2", one_off_pence=700, deployment=deployment)
    assert total(entitlement(terms(weekly), APRIL)) == paid
    assert total(entitlement(terms(once), APRIL)) == (700 if paid else 0)


def test_a_mixture_is_paid_only_for_the_lines_that_are_direct_payments() -> None:
    mixture = terms(
        a_line("L1", 20_000),
        a_line("L2", 9_000, deployment="provided_service"),
        a_line("L3", 4_000, deployment="managed_account", cost_centre="S4200"),
        contributions=[(FIRST_DAY, 5_000, "net")],
    )
    assert total(entitlement(mixture, APRIL)) == 4 * 19_000


def test_the_contribution_is_set_once_across_the_chargeable_lines_in_their_order() -> None:
    streams = terms(
        a_line("L1", 3_000, funding_stream="nhs", chargeable=False),
        a_line("L2", 4_000),
        a_line("L3", 9_000, funding_stream="joint"),
        contributions=[(FIRST_DAY, 5_000, "net")],
    )
    contributions = [
        (line.line_reference, line.funding_stream, line.weekly_pence)
        for line in entitlement(streams, APRIL)
        if line.kind == "contribution"
    ]
    assert contributions == [("L2", "social_care", -4_000), ("L3", "joint", -1_000)]


def test_no_contribution_is_taken_where_nothing_is_chargeable() -> None:
    after_care = terms(
        a_line("L1", 3_000, chargeable=False), contributions=[(FIRST_DAY, 5_000, "net")]
    )
    assert by_kind(entitlement(after_care, APRIL)) == {"allocation": 12_000}


def test_a_change_of_cost_centre_moves_money_between_them_and_owes_none() -> None:
    budget = a_payable_budget(contribution=0)
    pay(budget, APRIL)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=31_000, cost_centre="S9")
    lines = budget.payment_due(APRIL).lines
    assert [(t.cost_centre, t.amount_pence) for t in funding_totals(lines)] == [
        ("S4100", -124_000),
        ("S9", 124_000),
    ]
    given(budget).when("schedule_payment", **payment_for(budget, APRIL, "C2")).refused(NothingToPay)
    assert owed(budget, MAY) == 124_000


def test_an_unrelated_change_does_not_add_a_rounding() -> None:
    """Two lines, one of which changes on a Thursday: the other stays one segment."""
    changing = terms(
        a_line("L1", 10_001),
        a_line("L2", 5_000, ends_on=on("04-08")),
        a_line("L2", 6_000, starts_on=on("04-09")),
    )
    assert [line.days for line in entitlement(changing, APRIL) if line.line_reference == "L1"] == [
        28
    ]


def test_money_taken_by_instalment_or_sent_again_has_a_stream_of_its_own() -> None:
    lines = entitlement(terms(a_line(weekly=1_000)), APRIL)
    streams = {t.funding_stream: t.amount_pence for t in funding_totals(lines, 300, 200)}
    assert streams == {"social_care": 4_000, "clawback": -300, "reissued": 200}


# --- for any terms ------------------------------------------------------------------------

OFFSETS = st.integers(0, 83)
ORDER = get_args(Deployment)
DEPLOYMENTS = st.sampled_from(
    ["direct_payment"] * 3 + ["managed_account", "provided_service", "individual_service_fund"]
)


def day(offset: int) -> date:
    return FIRST_DAY + timedelta(days=offset)


@st.composite
def any_terms(draw: st.DrawFn, most_lines: int = 3) -> Terms:
    """Up to three lines, each changing now and then, with contributions and suspensions."""
    lines: list[AllocationTerm] = []
    for number in range(1, draw(st.integers(1, most_lines)) + 1):
        facts: dict[str, Any] = {
            "funding_stream": draw(st.sampled_from(["social_care", "nhs", "joint"])),
            "chargeable": draw(st.booleans()),
        }
        starts = sorted(draw(st.sets(OFFSETS, min_size=1, max_size=4)))
        for start, after in zip(starts, [*starts[1:], None], strict=True):
            ends_on = None if after is None else day(after - 1)
            lines.append(
                a_line(
                    f"L{number}",
                    draw(st.integers(1, 99_999)),
                    starts_on=day(start),
                    ends_on=ends_on,
                    deployment=draw(DEPLOYMENTS),
                    **facts,
                )
            )
    for number in range(draw(st.integers(0, 2))):
        lines.append(
            a_line(
                f"ONCE{number}",
                one_off_pence=draw(st.integers(1, 99_999)),
                starts_on=day(draw(OFFSETS)),
                deployment=draw(DEPLOYMENTS),
            )
        )
    suspensions = []
    for start in draw(st.lists(OFFSETS, max_size=3)):
        last = draw(st.one_of(st.just(FOR_EVER), st.integers(start, 83).map(day)))
        suspensions.append((day(start), last, draw(st.sampled_from([0, 0, 1, 5_000, 250_000]))))
    return terms(
        *lines,
        contributions=[
            (day(start), draw(st.integers(0, 60_000)), draw(st.sampled_from(["net", "gross"])))
            for start in sorted(draw(st.sets(OFFSETS, max_size=3)))
        ],
        suspensions=suspensions,
        starts_on=day(draw(st.sampled_from([0, 0, 0, 5]))),
        ends_on=draw(st.sampled_from([FOR_EVER, FOR_EVER, day(50)])),
        funded_from=day(draw(st.sampled_from([0, 0, 20]))),
    )


@st.composite
def any_windows(draw: st.DrawFn) -> list[Period]:
    """Twelve weeks cut into windows anywhere."""
    cuts = sorted(draw(st.sets(st.integers(1, 83), max_size=6)))
    return [
        Period(day(first), day(after - 1))
        for first, after in zip([0, *cuts], [*cuts, 84], strict=True)
    ]


CARRIES: dict[Channel, frozenset[str]] = {
    "direct_payment": PAID_TO_A_PAYEE,
    "service_fund": frozenset({"individual_service_fund"}),
}
"""The deployments whose money each channel carries."""


def first_day(these: Terms, channel: Channel) -> date:
    is_fund = channel == "service_fund"
    return max(these.starts_on, these.funded_from) if is_fund else these.starts_on


def retained(whole: int, lines: Iterable[tuple[str, int]], channel: Channel) -> int:
    """What a channel gets of a retainer that all lines paid out share, in their order."""
    paid_out = [one for one in lines if one[0] in PAID_TO_A_PAYEE | CARRIES["service_fund"]]
    if not paid_out:
        return 0
    weekly = [pence for _, pence in paid_out]
    shares = apportion(min(whole, sum(weekly)), weekly)
    return sum(
        share
        for (paid_as, _), share in zip(paid_out, shares, strict=True)
        if paid_as in CARRIES[channel]
    )


def sevenths_of_a_penny_per_day(
    these: Terms, on_day: date, channel: Channel = "direct_payment"
) -> int:
    """An independent reckoning: the net weekly rate on a day, by the rules as they are told."""
    in_force = [
        t
        for t in these.allocations
        if t.weekly_pence and t.starts_on <= on_day <= (t.ends_on or FOR_EVER)
    ]
    payable = [t for t in in_force if t.deployment in CARRIES[channel]]
    if not first_day(these, channel) <= on_day <= these.ends_on or not payable:
        return 0
    whole = sum(t.weekly_pence for t in payable)
    retainers = [
        s.retainer_weekly_pence for s in these.suspensions if s.starts_on <= on_day <= s.ends_on
    ]
    if retainers:
        lines = [(t.deployment, t.weekly_pence) for t in in_force]
        return retained(min(retainers), lines, channel)
    if channel == "service_fund":
        return whole  # what is set against it is invoiced
    assessed = [c for c in these.contributions if c.starts_on <= on_day]
    if assessed and assessed[-1].basis == "net":
        chargeable = sum(t.weekly_pence for t in payable if t.chargeable)
        return whole - min(assessed[-1].weekly_pence, chargeable)
    return whole


def exactly(these: Terms, window: Period, channel: Channel) -> Fraction:
    """What is owed for a window, not rounded at all."""
    sevenths = sum(
        sevenths_of_a_penny_per_day(these, window.starts_on + timedelta(days=n), channel)
        for n in range(window.days)
    )
    once = sum(
        t.one_off_pence
        for t in these.allocations
        if t.deployment in CARRIES[channel]
        and window.contains(t.starts_on)
        and first_day(these, channel) <= t.starts_on <= these.ends_on
    )
    return Fraction(sevenths, 7) + once


CHANNEL = st.sampled_from(CHANNELS)


TWELVE_WEEKS = Period(day(0), day(83))


@for_all(any_terms(), any_windows(), CHANNEL)
def test_each_line_is_at_most_three_sevenths_of_a_penny_from_the_exact_rate(
    these: Terms, windows: list[Period], channel: Channel
) -> None:
    """So windows cut a total by less than half a penny a line, however they are cut."""
    for window in windows:
        lines = PAID_BY[channel](these.of(channel), window)
        assert all(line.channel == channel for line in lines)
        assert abs(total(lines) - exactly(these, window, channel)) <= Fraction(3 * len(lines), 7)


@for_all(any_terms(), any_windows())
def test_cutting_a_period_into_windows_moves_less_than_half_a_penny_a_line(
    these: Terms, windows: list[Period]
) -> None:
    whole = entitlement(these, TWELVE_WEEKS)
    cut = [line for window in windows for line in entitlement(these, window)]
    assert abs(total(cut) - total(whole)) <= Fraction(3 * (len(cut) + len(whole)), 7)


@for_all(st.integers(1, 99_999), st.integers(0, 99_999), st.sets(st.integers(1, 27), max_size=27))
def test_whole_weeks_at_one_rate_lose_less_than_half_a_penny_to_each_window(
    weekly: int, contribution: int, cuts: set[int]
) -> None:
    """Whole weeks are exact, and so are they cut in two; cut in k, at most 3k/7 of a penny
    a component: a week cut into seven days is at most 3p out on each."""
    these = terms(a_line(weekly=weekly), contributions=[(FIRST_DAY, contribution, "net")])
    edges = [0, *sorted(cuts), 28]
    windows = [Period(day(a), day(b - 1)) for a, b in pairwise(edges)]
    cut = [line for window in windows for line in entitlement(these, window)]
    for kind, pence in by_kind(entitlement(these, APRIL)).items():
        assert abs(by_kind(cut)[kind] - pence) <= 3 * len(windows) // 7
        if len(windows) <= 2:
            assert by_kind(cut)[kind] == pence


@for_all(any_terms(), any_windows(), CHANNEL)
def test_lines_lie_within_their_window_and_the_life_of_the_budget(
    these: Terms, windows: list[Period], channel: Channel
) -> None:
    for window in windows:
        for line in PAID_BY[channel](these.of(channel), window):
            assert line.window == window
            assert (
                max(window.starts_on, first_day(these, channel)) <= line.starts_on <= line.ends_on
            )
            assert line.ends_on <= min(window.ends_on, these.ends_on)
            assert (line.amount_pence <= 0) == (
                line.kind == "contribution"
            ) or not line.amount_pence


@for_all(any_terms(), any_windows())
def test_no_window_is_ever_owed_less_than_nothing_at_first(
    these: Terms, windows: list[Period]
) -> None:
    """A contribution never exceeds its line; only adjustments can turn a sum negative.

    A line's and its contribution's segments round apart, so a full-cost payer may be a penny
    under for each of them."""
    for window in windows:
        lines = entitlement(these, window)
        assert total(lines) >= -len(lines)


@for_all(any_terms(), any_windows(), any_terms(), CHANNEL)
def test_after_paying_what_is_due_nothing_is_due(
    these: Terms, windows: list[Period], then: Terms, channel: Channel
) -> None:
    these, then, worked_out = these.of(channel), then.of(channel), PAID_BY[channel]
    paid: list[EntitlementLine] = []
    for window in windows:
        paid += due(these, paid, window, worked_out=worked_out)
        assert due(these, paid, window, worked_out=worked_out) == []
    paid += due(then, paid, TWELVE_WEEKS, worked_out=worked_out)
    assert due(then, paid, TWELVE_WEEKS, worked_out=worked_out) == []


@for_all(any_terms())
def test_a_retainer_is_shared_by_both_channels_and_comes_to_no_more(these: Terms) -> None:
    """Where nothing is suspended, a line is paid by one channel and by no other."""
    these = these._replace(funded_from=date.min)
    for on_day in (day(n) for n in range(0, 84, 7)):
        lines = [*entitlement(these, Period(on_day, on_day)),
                 *service_funds(these, Period(on_day, on_day))]  # fmt: skip
        kept = sum(line.weekly_pence for line in lines if line.kind == "retainer")
        retainers = [s.retainer_weekly_pence for s in these.suspensions if s.in_force_on(on_day)]
        assert kept <= min(retainers, default=0)
        once_each = [line.line_reference for line in lines if line.kind == "allocation"]
        assert len(once_each) == len(set(once_each))


@for_all(any_terms(), any_windows(), any_terms())
def test_what_was_paid_and_is_due_is_always_the_entitlement_of_each_window(
    before: Terms, windows: list[Period], after: Terms
) -> None:
    """Whatever was paid under other terms, and whatever was left unpaid."""
    paid: list[EntitlementLine] = []
    for window in windows[::2]:
        paid += [line for line in due(before, paid, window) if line.window == window]
    settled = [*paid, *due(after, paid, TWELVE_WEEKS)]
    touched = {line.window for line in settled}
    assert total(settled) == sum(total(entitlement(after, window)) for window in touched)
    for one in touched:
        assert not any(one.overlap(other) for other in touched - {one})


# --- for any history ----------------------------------------------------------------------

MAY_REFUSE = (
    AllocationLineExists,
    AllocationLineNotFound,
    AllocationLineUnclear,
    BudgetIsClosed,
    NothingToSwitch,
    PaymentsAreSuspended,
    PaymentsNotSuspended,
    SuspensionUnclear,
)
GATES = (
    BudgetIsClosed,
    NoAllocationInForce,
    NothingToPay,
    PaymentsAreSuspended,
    ServiceFundNotHeld,
)
CYCLES = 7
LAST_ON_PAPER = day(28 * (CYCLES + 3))
WEEKLY = st.one_of(st.integers(1, 99_999), st.sampled_from([700, 7_000, 31_000]))
EXISTING = st.sampled_from(["L1", "L2"])


def at_any_time(**facts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Facts that take effect from long ago to well ahead."""
    when = st.integers(0, 28 * (CYCLES + 1)).map(day)
    return st.fixed_dictionaries({"effective_on": when, **facts})


CHANGES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "revise_allocation": at_any_time(
        line_reference=EXISTING,
        weekly_pence=WEEKLY,
        deployment=st.one_of(st.none(), DEPLOYMENTS),
        cost_centre=st.sampled_from([None, "S4100", "S4200"]),
    ),
    "end_allocation": at_any_time(line_reference=EXISTING),
    "agree_allocation": at_any_time(
        weekly=WEEKLY, once=st.booleans(), chargeable=st.booleans(), deployment=DEPLOYMENTS
    ),
    "assess_contribution": at_any_time(
        weekly_pence=st.integers(0, 60_000),
        basis=st.sampled_from(["net", "net", "gross"]),
        full_cost=st.sampled_from([False, False, True]),
        order=st.sampled_from([(), ORDER, ORDER[::-1]]),
    ),
    "suspend_payments": at_any_time(
        reason_code=st.sampled_from(["hospital_stay", "return_missing", "account_query"]),
        interim_arrangement=st.just("none_needed"),
        review_on=st.just(day(300)),
        retainer_weekly_pence=st.sampled_from([0, 5_000, 250_000]),
        lasts=st.one_of(st.none(), st.integers(1, 70)),
    ),
    "resume_payments": at_any_time(
        reason_code=st.sampled_from([None, "hospital_stay", "return_missing", "account_query"]),
        arrears_due=st.booleans(),
    ),
    "switch_to_provided_services": at_any_time(),
    "resume_direct_payment": at_any_time(),
    "hold_service_fund": at_any_time(provider_reference=st.sampled_from(["P1", "P2"])),
    "close": at_any_time(reason_code=st.just("moved_away")),
}
SELDOM = {"close"}
A_CHANGE = st.one_of(
    *[
        st.tuples(st.just(name), facts)
        for name, facts in CHANGES.items()
        for _ in range(1 if name in SELDOM else 4)
    ]
)
A_LIFE = st.lists(st.lists(A_CHANGE, max_size=4), min_size=CYCLES, max_size=CYCLES)


@dataclass
class AsTold:
    """The terms as somebody would keep them on paper: what holds from each day, line by line.

    Written from the rules, not from the code: a change holds until the next one already
    noted for a later day, an end crosses out what comes after it, a switch changes the
    deployment of all that comes after it."""

    weekly: dict[str, dict[date, tuple[int, str]]] = field(default_factory=dict)
    ends: dict[str, date] = field(default_factory=dict)
    once: dict[str, tuple[date, int, str]] = field(default_factory=dict)
    chargeable: dict[str, bool] = field(default_factory=dict)
    contributions: dict[date, tuple[int, str, bool, Any]] = field(default_factory=dict)
    suspended: list[tuple[str, set[date], int]] = field(default_factory=list)
    not_resumed: list[int] = field(default_factory=list)
    funded_from: date = FOR_EVER
    closed_on: date = FOR_EVER

    def line_on(self, reference: str, on_day: date) -> tuple[int, str]:
        changes = [d for d in self.weekly[reference] if d <= on_day]
        if not changes or on_day > self.ends.get(reference, FOR_EVER):
            return 0, "none"
        return self.weekly[reference][max(changes)]

    def agree(self, line: AllocationTerm) -> None:
        if line.one_off_pence:
            self.once[line.line_reference] = line.starts_on, line.one_off_pence, line.deployment
        else:
            self.weekly[line.line_reference] = {
                line.starts_on: (line.weekly_pence, line.deployment)
            }
        self.chargeable[line.line_reference] = line.chargeable

    def note(self, event: Event, facts: dict[str, Any]) -> None:
        from_day = event.effective_on
        match type(event).__name__:
            case "AllocationAgreed":
                for line in event.lines:  # type: ignore[attr-defined]
                    self.agree(line)
            case "AllocationRevised":
                reference = facts["line_reference"]
                _, before = self.line_on(reference, from_day)
                self.weekly[reference][from_day] = (
                    facts["weekly_pence"],
                    facts["deployment"] or before,
                )
            case "AllocationEnded":
                reference = facts["line_reference"]
                self.ends[reference] = from_day
                self.weekly[reference] = {
                    d: held for d, held in self.weekly[reference].items() if d <= from_day
                }
            case "ContributionAssessed":
                told = ("weekly_pence", "basis", "full_cost", "order")
                self.contributions[from_day] = tuple(facts[name] for name in told)
            case "PaymentsSuspended":
                self.suspend(from_day, facts)
            case "PaymentsResumed":
                self.resume(from_day, facts)
            case "SwitchedToProvidedServices":
                self.switch(event.line_references, from_day, "provided_service")  # type: ignore[attr-defined]
            case "DirectPaymentResumed":
                self.switch(event.line_references, from_day, "direct_payment")  # type: ignore[attr-defined]
            case "ServiceFundHeld":
                self.funded_from = min(self.funded_from, from_day)
            case "BudgetClosed":
                self.closed_on = from_day

    def suspend(self, from_day: date, facts: dict[str, Any]) -> None:
        """Write down every day of it, to the end of the paper if it has no last day."""
        last = facts["expires_on"] or LAST_ON_PAPER
        days_of_it = {from_day + timedelta(days=n) for n in range((last - from_day).days + 1)}
        self.suspended.append((facts["reason_code"], days_of_it, facts["retainer_weekly_pence"]))
        self.not_resumed.append(len(self.suspended) - 1)

    def resume(self, from_day: date, facts: dict[str, Any]) -> None:
        """Cross out the days from then on, or with arrears all of them.

        Of those for the reason, it is the first with days left; if none has, the one whose last
        day was the latest."""
        meant = [
            place
            for place in self.not_resumed
            if facts["reason_code"] in (None, self.suspended[place][0])
        ]
        going_on = [place for place in meant if max(self.suspended[place][1]) >= from_day]
        if going_on:
            place = min(going_on, key=lambda n: min(self.suspended[n][1]))
        else:
            place = max(meant, key=lambda n: max(self.suspended[n][1]))
        reason, days_of_it, retainer = self.suspended[place]
        left = {d for d in days_of_it if d < from_day and not facts["arrears_due"]}
        self.suspended[place] = reason, left, retainer
        self.not_resumed.remove(place)

    def retainers_on(self, on_day: date) -> list[int]:
        return [retainer for _, days_of_it, retainer in self.suspended if on_day in days_of_it]

    def switch(self, references: tuple[str, ...], from_day: date, deployment: str) -> None:
        for reference in references:
            if reference in self.once:
                on_day, pence, _ = self.once[reference]
                assert on_day == from_day, "a one-off can be switched only on its own day"
                self.once[reference] = on_day, pence, deployment
                continue
            now, _ = self.line_on(reference, from_day)
            changes = self.weekly[reference]
            self.weekly[reference] = {
                **{d: held for d, held in changes.items() if d < from_day},
                from_day: (now, deployment),
                **{d: (pence, deployment) for d, (pence, _) in changes.items() if d > from_day},
            }

    def rate_on(self, on_day: date, channel: Channel) -> int:
        """The net weekly pence paid on a day."""
        lines = [self.line_on(reference, on_day) for reference in sorted(self.weekly)]
        if retainers := self.retainers_on(on_day):
            in_force = [(paid_as, pence) for pence, paid_as in lines if pence]
            return retained(min(retainers), in_force, channel)
        whole = sum(pence for pence, paid_as in lines if paid_as in CARRIES[channel])
        return whole - (self.borne_on(on_day)[0] if channel == "direct_payment" else 0)

    def borne_on(self, on_day: date) -> tuple[int, int]:
        """The weekly contribution on a day: what is taken off payments, and what is invoiced."""
        held = [d for d in self.contributions if d <= on_day]
        if not held or self.retainers_on(on_day):
            return 0, 0
        most, basis, full_cost, order = self.contributions[max(held)]
        lines = [self.line_on(reference, on_day) for reference in self.weekly
                 if self.chargeable[reference]]  # fmt: skip
        cost = {d: sum(pence for pence, paid_as in lines if paid_as == d) for d in ORDER}
        if not order:
            order = [d for d in ORDER if d in PAID_TO_A_PAYEE]
        left = sum(cost.values()) if full_cost else most
        taken_off = invoiced = 0
        for deployment in order:
            part = min(left, cost[deployment])
            left -= part
            if basis == "net" and deployment in PAID_TO_A_PAYEE:
                taken_off += part
            else:
                invoiced += part
        return taken_off, invoiced

    def charged_to(self, last: date) -> Fraction:
        """What is invoiced from the first day to a day, not rounded at all."""
        last = min(last, self.closed_on)
        days = range((last - FIRST_DAY).days + 1)
        return Fraction(sum(self.borne_on(day(n))[1] for n in days), 7)

    def owed_to(self, last: date, channel: Channel) -> Fraction:
        """What is owed by a channel from its first day to a day, not rounded at all."""
        last = min(last, self.closed_on)
        first = FIRST_DAY if channel == "direct_payment" else max(FIRST_DAY, self.funded_from)
        every_day = (day(n) for n in range((last - FIRST_DAY).days + 1))
        sevenths = sum(self.rate_on(one, channel) for one in every_day if one >= first)
        once = sum(
            pence
            for on_day, pence, paid_as in self.once.values()
            if paid_as in CARRIES[channel] and first <= on_day <= last
        )
        return Fraction(sevenths, 7) + once


def change(budget: PersonalBudget, told: AsTold, command: str, facts: dict[str, Any]) -> None:
    """Give a command; if it is not refused, note it on paper as well."""
    if command == "agree_allocation":
        amount = "one_off_pence" if facts["once"] else "weekly_pence"
        line = AllocationTerm(
            line_reference=f"L{len(told.chargeable) + 1}",
            need="community",
            funding_stream="joint",
            deployment=facts["deployment"],
            starts_on=facts["effective_on"],
            chargeable=facts["chargeable"],
            **{amount: facts["weekly"]},
        )
        facts = {"effective_on": facts["effective_on"], "lines": (line,)}
    if command == "suspend_payments":
        facts = dict(facts)
        lasts = facts.pop("lasts")
        expires_on = facts["effective_on"] + timedelta(days=lasts - 1) if lasts else None
        facts["expires_on"] = expires_on
    try:
        recorded = tell(budget, command, **facts)
    except MAY_REFUSE:
        return
    for event in recorded:
        told.note(event, facts)


def require_no_two_terms_of_a_line_on_one_day(budget: PersonalBudget) -> None:
    for one, other in pairwise(budget.allocations):
        if one.line_reference == other.line_reference:
            assert one.last_day < other.starts_on


def pay_for_a_cycle(budget: PersonalBudget, told: AsTold, number: int, channel: Channel) -> None:
    """Ask for a cycle's payment by a channel, and check it against the terms and the paper.

    Whatever happened before: what was scheduled and what is now due, together, are the
    entitlement of every window reckoned anew from today's terms, and that is what is on paper
    to within 3/7 of a penny a line. If it is paid, all of it is then scheduled and nothing is
    due; if it is not, nothing changes and all of it is carried.
    """
    period = cycle_period(number)
    terms, worked_out = budget.terms.of(channel), PAID_BY[channel]
    now = budget.payment_due(period, channel)
    scheduled = budget.scheduled_by(channel)
    in_full = due(terms, scheduled, period, worked_out=worked_out)
    assert list(now.lines) == in_full, "what has not changed need not be reckoned again"

    settled = [*scheduled, *now.lines]
    anew = [
        line for window in {line.window for line in settled} for line in worked_out(terms, window)
    ]
    assert total(settled) == total(anew)
    owed_to_date = told.owed_to(period.ends_on, channel)
    assert abs(total(settled) - owed_to_date) <= Fraction(3 * len(anew), 7)

    others = [line for line in budget.scheduled_lines if line.channel != channel]
    payment = payment_for(budget, period, f"C{number}", channel)
    story = given(budget).when("schedule_payment", **payment)
    if story.refusal is not None:
        assert isinstance(story.refusal, GATES)
        assert now.owed_pence <= 0 or not isinstance(story.refusal, NothingToPay)
        assert budget.scheduled_by(channel) == scheduled
        assert budget.payment_due(period, channel) == now
    else:
        assert now.owed_pence > 0
        assert budget.scheduled_by(channel) == settled
        assert budget.payment_due(period, channel).lines == ()
    assert [line for line in budget.scheduled_lines if line.channel != channel] == others


def invoice_a_cycle(budget: PersonalBudget, told: AsTold, number: int) -> None:
    """Ask for a cycle's invoice, and check all invoices against the terms and the paper.

    Every third one is left out; the next one makes up for it."""
    period = cycle_period(number)
    settled = [*budget.charged_lines, *budget.charges_due(period)]
    anew = [
        line
        for window in {line.window for line in settled}
        for line in charges(budget.terms, window)
    ]
    assert total(settled) == total(anew)
    last = max([period.ends_on, *(line.window.ends_on for line in settled)])
    assert abs(total(settled) - told.charged_to(last)) <= Fraction(3 * len(anew), 7)
    if number % 3:
        tell(budget, "invoice_contribution", invoice_reference=f"INV{number}", period=period)
        assert budget.charges_due(period) == []
        assert budget.contribution_debt_pence == total(budget.charged_lines)


@for_all(A_LIFE)
def test_paid_to_date_is_entitled_to_date_through_any_life(
    life: list[list[tuple[str, dict[str, Any]]]],
) -> None:
    """Seven four-weekly cycles with any changes between them, most of them backdated.

    Each pays twice: the direct payment, and whoever holds the service fund.

    Proved after every cycle, whether it paid or not: scheduled lines and lines now due add
    up to the entitlement of every window under today's terms, to the penny; and that is the
    exact entitlement to date, kept independently, to within 3/7 of a penny a line."""
    budget = a_payable_budget(lines=[a_line("L1", 31_000), a_line("L2", 7_001, chargeable=False)])
    told = AsTold(contributions={FIRST_DAY: (14_295, "net", False, ())})
    for line in budget.allocations:
        told.agree(line)
    for number, changes in enumerate(life, 1):
        for command, facts in changes:
            change(budget, told, command, facts)
            require_no_two_terms_of_a_line_on_one_day(budget)
        for channel in CHANNELS:
            pay_for_a_cycle(budget, told, number, channel)
        invoice_a_cycle(budget, told, number)


@settings(max_examples=50)
@for_all(
    st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 30_000)), min_size=1, max_size=3),
    st.lists(st.integers(0, 60_000), min_size=6, max_size=6),
)
def test_what_leaves_is_the_entitlement_less_the_instalments_of_clawback(
    clawbacks: list[tuple[int, int]], contributions: list[int]
) -> None:
    """With clawbacks, through six cycles of changing contributions: the payments are the
    lines less what was deducted, and no clawback is taken beyond what was confirmed."""
    budget = a_payable_budget()
    for number, (amount, instalment) in enumerate(clawbacks):
        for command, facts in a_confirmed_clawback(amount, instalment, f"CB{number}"):
            tell(budget, command, **facts)
    for number, weekly_pence in enumerate(contributions, 1):
        facts = {"weekly_pence": weekly_pence, "basis": "net"}
        tell(budget, "assess_contribution", effective_on=day(28 * number - 20), **facts)
        try:
            pay(budget, cycle_period(number), f"C{number}")
        except NothingToPay:
            continue
    sent = sum(payment.amount_pence for payment in budget.payments.values())
    taken = sum(amount for amount, _ in clawbacks) - sum(
        clawback.outstanding_pence for clawback in budget.clawbacks.values()
    )
    assert sent + taken == total(budget.scheduled_lines)
    assert all(payment.amount_pence > 0 for payment in budget.payments.values())
    assert all(clawback.outstanding_pence >= 0 for clawback in budget.clawbacks.values())


# --- what the histories above found, each by name -----------------------------------------


def test_a_line_with_a_later_rate_already_agreed_can_be_ended_on_its_last_day_before() -> None:
    budget = a_payable_budget(contribution=0)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=40_000,
         effective_on=on("05-04"))  # fmt: skip
    tell(budget, "end_allocation", line_reference="L1", effective_on=on("05-03"))
    assert budget.lines_in_force(on("05-04")) == []
    assert owed(budget, MAY) == 124_000


def test_a_one_off_is_not_paid_again_after_a_switch_and_back() -> None:
    start_up = a_line("L2", one_off_pence=25_000, starts_on=on("04-10"))
    budget = a_payable_budget(lines=[a_line(weekly=31_000), start_up])
    pay(budget, APRIL)
    tell(budget, "switch_to_provided_services", effective_on=on("05-04"))
    tell(budget, "resume_direct_payment", effective_on=on("05-11"))
    assert owed(budget, MAY) == 3 * 16_705


def test_a_one_off_is_over_after_its_day_so_it_cannot_be_revised_into_a_second() -> None:
    start_up = a_line("L2", one_off_pence=25_000, starts_on=on("04-10"))
    budget = a_payable_budget(lines=[a_line(weekly=31_000), start_up])
    again = {"line_reference": "L2", "weekly_pence": 0, "cost_centre": "S9"}
    given(budget).when("revise_allocation", effective_on=on("05-04"), **again).refused(
        AllocationLineNotFound
    )
    tell(budget, "revise_allocation", effective_on=on("04-10"), **again)
    assert owed(budget) == 66_820 + 25_000
