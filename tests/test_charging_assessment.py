"""The financial assessment: the worked example, and what holds for any facts."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.charging.assessment import (
    Assessed,
    WorkingLine,
    assess,
    charge,
    explanation,
    timeline,
    uprated,
    working_table,
)
from ledger.charging.facts import (
    CAPITAL_KINDS,
    DISABILITY_KINDS,
    HOUSING_KINDS,
    INCOME_KINDS,
    CapitalLine,
    DisabilityCost,
    Facts,
    HousingCost,
    IncomeLine,
    Per,
    facts_from_json,
    facts_to_json,
    faults,
    require_sound,
)
from ledger.charging.person import birthday, state_pension_on
from ledger.charging.rate_book import RateBook, load_rates
from ledger.errors import InvalidMoney, InvalidValue, RatesMissing

DAY = timedelta(days=1)
APRIL = date(2026, 4, 6)
RATES = load_rates()

EXAMPLE_A = Facts(
    date_of_birth=date(1951, 3, 2),
    household="single",
    income=(
        IncomeLine(kind="state_pension", amount_pence=28630),
        IncomeLine(kind="attendance_allowance", amount_pence=11460),
    ),
    capital=(CapitalLine(kind="savings", amount_pence=1825000),),
    housing=(HousingCost(kind="council_tax", amount_pence=1800),),
    disability_costs=(DisabilityCost(kind="heating", amount_pence=1450),),
)


def with_policy() -> RateBook:
    """The rates of a council that takes 85%, forgives less than 5.00 and gives a standard DRE."""
    figures = []
    for year in RATES.years:
        for key, value in (
            ("percentage_of_maximum", "percent = 85"),
            ("minimum_charge", 'amount = "5.00"'),
            ("standard_disability_related_expenditure", 'amount = "10.85"'),
            ("mig_top_up", 'amount = "2.50"'),
        ):
            figures.append(f'["{year}".{key}]\n{value}\nsource = "policy"\n')
    with TemporaryDirectory() as folder:
        path = Path(folder) / "council.toml"
        path.write_text("\n".join(figures), encoding="utf-8")
        return load_rates(path)


POLICY = with_policy()


def total(lines: tuple[WorkingLine, ...]) -> int:
    return sum(line.weekly_pence for line in lines)


# --- the worked example -----------------------------------------------------------------------


def test_the_worked_example():
    assessed = assess(EXAMPLE_A, RATES, APRIL)
    assert [line.weekly_pence for line in assessed.lines] == [
        28630, 11460, 1600, -1800, -1450, -24145,
    ]  # fmt: skip
    assert assessed.weekly_pence == 14295
    assert assessed.outcome == "contribution"
    assert "16 steps of £250.00" in assessed.lines[2].detail
    assert assessed.lines[-1].rate_key == "mig_single_pension_age"
    assert assessed.lines[-1].status == "confirmed"

    charged = charge(assessed, 31000)
    assert charged.weekly_pence == 14295
    assert charged.lines == assessed.lines
    cheaper = charge(assessed, 12000)
    assert cheaper.weekly_pence == 12000 == total(cheaper.lines)
    assert cheaper.lines[-1].rule == "no_more_than_cost"


def test_capital_above_the_limit_is_the_full_cost():
    richer = replace(EXAMPLE_A, capital=(CapitalLine(kind="savings", amount_pence=2325100),))
    assessed = assess(richer, RATES, APRIL)
    assert assessed.full_cost
    assert assessed.weekly_pence == 0 == total(assessed.lines)
    charged = charge(assessed, 31000)
    assert charged.weekly_pence == 31000 == total(charged.lines)


def test_a_cost_below_nought_is_refused():
    with pytest.raises(InvalidMoney):
        charge(assess(EXAMPLE_A, RATES, APRIL), -1)


def test_a_day_without_rates_is_refused():
    for day, year in (
        (date(2023, 4, 5), "2022/23"),
        (date(2020, 6, 1), "2020/21"),
        (date(2027, 4, 1), "2027/28"),
    ):
        with pytest.raises(RatesMissing, match=year) as refused:
            assess(EXAMPLE_A, RATES, day)
        assert refused.value.details["year"] == year


def test_nothing_is_looked_up_for_a_person_who_is_free():
    assessed = assess(EXAMPLE_A, RATES, date(2040, 1, 1), legal_basis="mental_health_act_1983_s117")
    assert (assessed.outcome, assessed.weekly_pence) == ("free", 0)
    assert len(timeline(EXAMPLE_A, RATES, APRIL, legal_basis="care_act_2014_carer")) == 1


def test_a_legal_basis_that_has_no_part_in_it_is_refused():
    for reckon in (assess, timeline):
        with pytest.raises(InvalidValue, match="children_act_1989_s17a") as refused:
            reckon(EXAMPLE_A, RATES, APRIL, legal_basis="children_act_1989_s17a")
        assert refused.value.details["field"] == "legal_basis"
        assert reckon(EXAMPLE_A, RATES, APRIL, legal_basis="nhs_act_2006")


# --- ages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "on"),
    [
        (date(1950, 1, 1), date(2016, 1, 1)),
        (date(1960, 4, 5), date(2026, 4, 5)),
        (date(1960, 4, 6), date(2026, 5, 6)),
        (date(1960, 5, 5), date(2026, 6, 5)),
        (date(1960, 5, 6), date(2026, 7, 6)),
        (date(1960, 7, 31), date(2026, 11, 30)),  # 66 and 4 months: November has 30 days
        (date(1960, 12, 31), date(2027, 9, 30)),
        (date(1961, 1, 31), date(2027, 11, 30)),
        (date(1961, 3, 5), date(2028, 2, 5)),
        (date(1961, 3, 6), date(2028, 3, 6)),
        (date(1977, 4, 5), date(2044, 4, 5)),
        (date(1977, 4, 6), date(2045, 4, 6)),
        (date(1964, 2, 29), date(2031, 3, 1)),
    ],
)
def test_state_pension_age(born, on):
    assert state_pension_on(born) == on


def test_a_birthday_on_the_29th_of_february():
    assert birthday(date(2004, 2, 29), 25) == date(2029, 3, 1)
    assert birthday(date(2004, 2, 29), 24) == date(2028, 2, 29)


# --- over time --------------------------------------------------------------------------------


def test_a_year_turns_on_its_own_days():
    found = timeline(EXAMPLE_A, RATES, date(2026, 1, 12))
    assert [(one.starts_on, one.weekly_pence) for one in found] == [
        (date(2026, 1, 12), 28630 + 11460 + 1600 - 1800 - 1450 - 23260),
        (APRIL, 14295),
    ]


def test_income_birthday_and_pension_age_turn_it_too():
    young = Facts(
        date_of_birth=date(2001, 6, 10),
        household="single",
        income=(
            IncomeLine(kind="other_benefit", amount_pence=20000, ends_on=date(2026, 7, 31)),
            IncomeLine(kind="other_income", amount_pence=30000, starts_on=date(2026, 8, 10)),
        ),
    )
    assert [(one.starts_on, one.weekly_pence) for one in timeline(young, RATES, APRIL)] == [
        (APRIL, 20000 - 9540),
        (date(2026, 6, 10), 20000 - 12040),
        (date(2026, 8, 1), 0),
        (date(2026, 8, 10), 30000 - 12040),
    ]
    older = Facts(
        date_of_birth=date(1970, 1, 1),
        household="couple",
        partner_date_of_birth=date(1960, 7, 20),
        income=(IncomeLine(kind="other_income", amount_pence=30000),),
    )
    assert [one.starts_on for one in timeline(older, RATES, APRIL)] == [APRIL, date(2026, 11, 20)]
    assert [one.starts_on for one in timeline(older, RATES, APRIL, date(2026, 11, 19))] == [APRIL]


# --- any facts --------------------------------------------------------------------------------

pence = st.integers(0, 90_000)
pers = st.sampled_from(get_args(Per))
days = st.dates(date(2024, 1, 1), date(2027, 3, 31))


def one_a_kind(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=5, unique_by=lambda line: line.kind).map(tuple)


@st.composite
def incomes(draw):
    amount = draw(pence)
    starts_on, ends_on = draw(st.none() | days), draw(st.none() | days)
    if starts_on and ends_on and ends_on < starts_on:
        starts_on, ends_on = ends_on, starts_on
    return IncomeLine(
        kind=draw(st.sampled_from(list(INCOME_KINDS))),
        amount_pence=amount,
        per=draw(pers),
        tax_pence=draw(st.integers(0, amount)),
        starts_on=starts_on,
        ends_on=ends_on,
    )


@st.composite
def homes(draw):
    amount = draw(pence)
    return HousingCost(
        kind=draw(st.sampled_from(list(HOUSING_KINDS))),
        amount_pence=amount,
        per=draw(pers),
        help_pence=draw(st.integers(0, amount)),
    )


@st.composite
def any_facts(draw):
    household = draw(st.sampled_from(["single", "couple"]))
    owners = ["own"] if household == "single" else ["own", "joint_with_partner"]
    born = st.dates(date(1930, 1, 1), date(2005, 12, 31))
    way = draw(
        st.sampled_from([{}] * 8 + [{"assessment": "declined"}, {"free_person": "cjd"}]
                        + [{"assessment": "light_touch", "light_touch_ground": "not_contacted",
                            "provisional_weekly_pence": 4500}])
    )  # fmt: skip
    return Facts(
        date_of_birth=draw(born),
        household=household,
        partner_date_of_birth=draw(st.none() | born) if household == "couple" else None,
        children=draw(st.integers(0, 3)),
        disability_premium=draw(st.booleans()),
        enhanced_disability_premium=draw(st.booleans()),
        carer_premium=draw(st.booleans()),
        income=draw(one_a_kind(incomes())),
        capital=draw(
            one_a_kind(
                st.builds(
                    CapitalLine,
                    kind=st.sampled_from(list(CAPITAL_KINDS)),
                    amount_pence=st.integers(0, 1_300_000),
                    owner=st.sampled_from(owners),
                )
            )
        ),
        housing=draw(one_a_kind(homes())),
        disability_costs=draw(
            one_a_kind(
                st.builds(
                    DisabilityCost,
                    kind=st.sampled_from(list(DISABILITY_KINDS)),
                    amount_pence=pence,
                    per=pers,
                )
            )
        ),
        **way,
    )


books = st.sampled_from([RATES, POLICY])
costs = st.integers(0, 120_000)


@for_all(any_facts(), books, days, costs)
def test_it_adds_up_and_stays_between_nought_and_the_cost(facts, rates, on, cost):
    assert faults(facts, on) == []
    assessed = assess(facts, rates, on)
    assert total(assessed.lines) == assessed.weekly_pence >= 0
    charged = charge(assessed, cost)
    assert total(charged.lines) == charged.weekly_pence
    assert 0 <= charged.weekly_pence <= cost
    assert (assessed.outcome == "nil") == (
        assessed.weekly_pence == 0
        and not assessed.full_cost
        and assessed.outcome not in ("free", "provisional")
    )
    for line in assessed.lines:
        assert line.label
        assert line.rule
        assert line.source
    assert working_table(charged)[-1].weekly_pence == charged.weekly_pence
    assert explanation(assessed, charged)


@for_all(any_facts(), books, days)
def test_the_same_facts_give_the_same_answer(facts, rates, on):
    again = facts_from_json(facts_to_json(facts))
    assert again == facts
    assert assess(again, rates, on) == assess(facts, rates, on)


@for_all(any_facts(), books, days, costs, st.data())
def test_more_income_never_means_a_lower_charge(facts, rates, on, cost, data):
    if not facts.income:
        return
    number = data.draw(st.integers(0, len(facts.income) - 1))
    line = facts.income[number]
    more = replace(line, amount_pence=line.amount_pence + data.draw(pence))
    richer = replace(
        facts, income=(*facts.income[:number], more, *facts.income[number + 1 :])
    )  # fmt: skip
    before, after = (charge(assess(one, rates, on), cost) for one in (facts, richer))
    assert after.weekly_pence >= before.weekly_pence


@for_all(any_facts(), books, days, costs, st.integers(0, 3_000_000))
def test_more_capital_never_means_a_lower_charge(facts, rates, on, cost, more):
    held = [line for line in facts.capital if line.kind != "savings"]
    less = replace(facts, capital=(*held, CapitalLine(kind="savings", amount_pence=1_000_000)))
    richer = replace(
        facts, capital=(*held, CapitalLine(kind="savings", amount_pence=1_000_000 + more))
    )
    before, after = (charge(assess(one, rates, on), cost) for one in (less, richer))
    assert after.weekly_pence >= before.weekly_pence


@settings(max_examples=30)
@for_all(any_facts(), books, days)
def test_the_timeline_is_right_on_every_day(facts, rates, starts_on):
    found = timeline(facts, rates, starts_on)
    assert found[0].starts_on == starts_on
    in_force = found[0]
    day = starts_on
    by_day = {one.starts_on: one for one in found}
    while day <= rates.last_day:
        in_force = by_day.get(day, in_force)
        assert on_any_day(assess(facts, rates, day)) == on_any_day(in_force)
        day += DAY
    assert len(by_day) == len(found)


def on_any_day(assessed: Assessed) -> Assessed:
    return replace(assessed, starts_on=APRIL)


@for_all(any_facts(), days, st.integers(0, 1000))
def test_raising_income_twice_is_raising_it_once(facts, on, points):
    percents = dict.fromkeys(INCOME_KINDS, points)
    once = uprated(facts, percents, on)
    assert uprated(once, percents, on) == once
    assert faults(once, max(on, date(2026, 4, 6))) == []
    before = on - DAY
    if before.year > 2023:
        assert [
            (line.kind, line.amount_pence) for line in once.income if line.in_force_on(before)
        ] == [(line.kind, line.amount_pence) for line in facts.income if line.in_force_on(before)]


def test_raising_income_by_what_was_published():
    april = uprated(
        EXAMPLE_A, {"state_pension": "4.8", "attendance_allowance": 380, "annuity": "2"}, APRIL
    )
    require_sound(april, APRIL)
    assert [(line.kind, line.amount_pence) for line in april.income if line.in_force_on(APRIL)] == [
        ("state_pension", 30004),
        ("attendance_allowance", 11895),
    ]
    assert assess(april, RATES, APRIL - DAY) == assess(EXAMPLE_A, RATES, APRIL - DAY)
    assert uprated(EXAMPLE_A, {"annuity": "2"}, APRIL) is EXAMPLE_A


@pytest.mark.parametrize(
    "percents",
    [{"lottery": "3"}, {"annuity": "-1"}, {"annuity": "x"}, {"annuity": "1.234"},
     {"annuity": "101"}, {"annuity": None}, {"annuity": "NaN"}, {"annuity": True},
     {"annuity": "inf"}],
)  # fmt: skip
def test_a_raise_that_is_no_percentage_is_refused(percents):
    with pytest.raises(InvalidValue) as refused:
        uprated(EXAMPLE_A, percents, APRIL)
    assert refused.value.details["field"] in percents


# --- in words ---------------------------------------------------------------------------------


def test_the_explanation_can_be_read():
    assessed = assess(EXAMPLE_A, RATES, APRIL)
    said = "\n".join(explanation(assessed, charge(assessed, 31000)))
    assert "From 6 April 2026 you pay £142.95 a week" in said
    assert "£416.90 a week of income" in said
    assert "care direct payment" in said
    assert "the council pays £167.05" in said
    assert "ask us to look at it again" in said
    assert "Tell us at once if your income" in said
    assert "the most you can be asked to pay" in explanation(assessed)[0]


def test_figures_that_are_not_confirmed_are_named():
    working_age = replace(EXAMPLE_A, date_of_birth=date(1980, 1, 1), capital=())
    assessed = assess(working_age, RATES, APRIL)
    assert any("is not confirmed" in warning for warning in assessed.warnings)
    (told,) = [s for s in explanation(assessed) if "could not check" in s]
    assert "Minimum income guarantee £120.40" in told
    notes = [row.label for row in working_table(assessed) if row.note]
    assert notes == ["Minimum income guarantee"]

    sure = assess(replace(EXAMPLE_A, capital=()), RATES, APRIL)
    assert sure.warnings == ()
    assert not any("could not check" in sentence for sentence in explanation(sure))


def test_what_a_person_must_look_at_is_said():
    facts = replace(
        EXAMPLE_A,
        income=(IncomeLine(kind="pension_credit_savings", amount_pence=1500),),
        capital=(),
    )
    warnings = assess(facts, RATES, APRIL).warnings
    assert any("savings disregard" in warning for warning in warnings)
    assert any("no disability benefit" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"assessment": "declined"}, "You can ask for an assessment at any time"),
        ({"free_person": "cjd"}, "you pay nothing"),
        (
            {
                "assessment": "light_touch",
                "light_touch_ground": "not_contacted",
                "provisional_weekly_pence": 4500,
            },
            "provisional",
        ),
        (
            {"assessment": "light_touch", "light_touch_ground": "benefits_show_nil"},
            "cannot be charged",
        ),
        (
            {"assessment": "light_touch", "light_touch_ground": "significant_resources"},
            "full assessment at any time",
        ),
        ({"capital": (CapitalLine(kind="savings", amount_pence=9_000_000),)}, "You have £90,000"),
    ],
)
def test_each_way_is_explained(way, words):
    assessed = assess(replace(EXAMPLE_A, **way), RATES, APRIL)
    assert words in "\n".join(explanation(assessed, charge(assessed, 31000)))
    assert words in "\n".join(explanation(assessed))
