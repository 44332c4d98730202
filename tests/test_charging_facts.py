"""The facts of a financial assessment: how they are read, and what each fault is refused by."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import msgspec
import pytest
import rich.pretty
from msgspec.structs import replace

from docs import assessment_page
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
    facts_from_json,
    facts_from_toml,
    facts_to_json,
    faults,
    require_sound,
)
from ledger.errors import (
    AssessmentGroundMissing,
    CoupleAssessedAsSingle,
    DateOfBirthInFuture,
    FactsUnreadable,
    IncomeLinesOverlap,
    InvalidMoney,
    InvalidPeriod,
    InvalidValue,
    ProvisionalAmountMissing,
    UnderEighteen,
)

APRIL = date(2026, 4, 6)
SOUND = Facts(date_of_birth=date(1951, 3, 2), household="single")
DOCUMENT = """
date_of_birth = 1951-03-02
household = "couple"
children = 1
disability_premium = true
partner_date_of_birth = 1955-01-01

[[income]]
kind = "private_pension"
amount = "1,000.00"
tax = "50.00"
per = "month"
starts_on = 2026-04-06

[[income]]
kind = "attendance_allowance"
amount = "114.60"

[[capital]]
kind = "savings"
amount = "18250.00"
owner = "joint_with_partner"

[[housing]]
kind = "rent"
amount = "110"
help = "100.00"

[[disability_costs]]
kind = "heating"
amount = "14.50"
"""


def income(**fields: Any) -> IncomeLine:
    return IncomeLine(**{"kind": "state_pension", "amount_pence": 100, **fields})


# --- reading ------------------------------------------------------------------------------------


def test_a_finance_officers_document():
    facts = facts_from_toml(DOCUMENT)
    assert facts == Facts(
        date_of_birth=date(1951, 3, 2),
        household="couple",
        children=1,
        disability_premium=True,
        partner_date_of_birth=date(1955, 1, 1),
        income=(
            IncomeLine(
                kind="private_pension",
                amount_pence=100000,
                tax_pence=5000,
                per="month",
                starts_on=APRIL,
            ),
            IncomeLine(kind="attendance_allowance", amount_pence=11460),
        ),
        capital=(
            CapitalLine(kind="savings", amount_pence=1825000, owner="joint_with_partner"),
        ),
        housing=(HousingCost(kind="rent", amount_pence=11000, help_pence=10000),),
        disability_costs=(DisabilityCost(kind="heating", amount_pence=1450),),
    )  # fmt: skip
    assert faults(facts, APRIL) == []
    assert facts_from_json(facts_to_json(facts)) == facts
    as_read = {"date_of_birth": "1951-03-02", "household": "single"}
    assert facts_from_toml(as_read) == SOUND


def test_the_page_of_facts_is_right():
    """Its example is sound, and it names every field."""
    require_sound(facts_from_toml(assessment_page._EXAMPLE), APRIL)
    page = assessment_page.assessment_page()
    shapes = (Facts, IncomeLine, CapitalLine, HousingCost, DisabilityCost)
    for name in {name for shape in shapes for name in shape.__struct_fields__}:
        assert re.search(rf"\b{name.removesuffix('_pence')}\b", page)


@pytest.mark.parametrize(
    ("line", "refusal", "field"),
    [
        ('[[income]]\nkind = "annuity"\namount = 10.5', InvalidMoney, "income[0].amount"),
        ('[[income]]\nkind = "annuity"\namount = 10', InvalidMoney, "income[0].amount"),
        ('[[income]]\nkind = "annuity"\namount = "10.5"', InvalidMoney, "income[0].amount"),
        ('[[income]]\nkind = "annuity"\namount = "-1.00"', InvalidMoney, "income[0].amount"),
        ('provisional_weekly = 4', InvalidMoney, "provisional_weekly"),
        ('[[income]]\nkind = "annuity"\nsum = "1.00"', FactsUnreadable, "income[0].sum"),
        ('[[income]]\nkind = "annuity"\namount_pence = 1', FactsUnreadable,
         "income[0].amount_pence"),
        ('[[income]]\nkind = "annuity"', FactsUnreadable, "income[0]"),
        ('[[income]]\nkind = "annuity"\namount = "1.00"\nper = "day"', FactsUnreadable,
         "income[0].per"),
        ('[[income]]\nkind = 3\namount = "1.00"', FactsUnreadable, "income[0].kind"),
        ('[[income]]\nkind = "annuity"\namount = "1.00"\nstarts_on = 2026-04-06T00:00:00',
         FactsUnreadable, "income[0].starts_on"),
        ('[income]\nkind = "annuity"\namount = "1.00"', FactsUnreadable, "income"),
        ("favourite_colour = 1", FactsUnreadable, "favourite_colour"),
        ('children = "two"', FactsUnreadable, "children"),
        ("children = 1.5", FactsUnreadable, "children"),
        ("= 1", FactsUnreadable, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_naming_the_field(line, refusal, field):
    with pytest.raises(refusal) as refused:
        facts_from_toml(f'date_of_birth = 1951-03-02\nhousehold = "single"\n{line}\n')
    assert refused.value.details["field"] == field
    assert field in str(refused.value)


def test_a_household_that_there_is_not_is_refused():
    for given in ({"household": "married"}, {"household": "single", "assessment": "brief"}):
        with pytest.raises(FactsUnreadable):
            facts_from_toml({"date_of_birth": date(1951, 3, 2), **given})
    with pytest.raises(FactsUnreadable):
        facts_from_toml({"household": "single"})


def test_an_unknown_field_in_json_is_refused():
    with pytest.raises(msgspec.ValidationError):
        facts_from_json(b'{"date_of_birth":"1951-03-02","household":"single","x":1}')


# --- weekly amounts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "per", "weekly"),
    [(10001, "week", 10001), (10002, "four_weeks", 2501), (100000, "month", 23077),
     (100000, "year", 1923), (26, "year", 1), (25, "year", 0), (0, "month", 0)],
)  # fmt: skip
def test_a_weekly_amount_is_rounded_half_up_once(amount, per, weekly):
    assert income(amount_pence=amount, per=per).weekly_pence == weekly
    assert HousingCost(kind="rent", amount_pence=amount, per=per).weekly_pence == weekly
    assert DisabilityCost(kind="diet", amount_pence=amount, per=per).weekly_pence == weekly


def test_tax_and_help_come_off_before_rounding():
    assert income(amount_pence=100000, tax_pence=5000, per="month").weekly_pence == 21923
    assert HousingCost(kind="rent", amount_pence=1000, help_pence=1000).weekly_pence == 0


def test_half_of_joint_capital_counts():
    held = CapitalLine(kind="savings", amount_pence=101, owner="joint_with_partner")
    assert (held.share_pence, replace(held, owner="own").share_pence) == (51, 101)


def test_every_kind_says_what_it_is_and_by_what_rule():
    for kinds in (INCOME_KINDS, CAPITAL_KINDS, HOUSING_KINDS, DISABILITY_KINDS):
        labels = [kind.label for kind in kinds.values()]
        assert len(set(labels)) == len(labels)
        for code, kind in kinds.items():
            assert code.isidentifier()
            assert kind.rule.isidentifier()
            assert kind.source
    treatments = {kind.treatment for kind in INCOME_KINDS.values()}
    assert treatments == {"counted", "disregarded", "disability_benefit"}


# --- faults -------------------------------------------------------------------------------------

LIGHT = {"assessment": "light_touch"}
JOINT = CapitalLine(kind="savings", amount_pence=1, owner="joint_with_partner")


@pytest.mark.parametrize(
    ("changes", "refusal", "field"),
    [
        ({"date_of_birth": date(2026, 4, 7)}, DateOfBirthInFuture, "date_of_birth"),
        ({"date_of_birth": date(2008, 4, 7)}, UnderEighteen, "date_of_birth"),
        ({"date_of_birth": date(1851, 3, 2)}, InvalidValue, "date_of_birth"),
        ({"children": -1}, InvalidValue, "children"),
        ({"children": 31}, InvalidValue, "children"),
        (LIGHT, AssessmentGroundMissing, "light_touch_ground"),
        ({"light_touch_ground": "benefits_show_nil"}, InvalidValue, "light_touch_ground"),
        (
            {**LIGHT, "light_touch_ground": "not_contacted"},
            ProvisionalAmountMissing,
            "provisional_weekly_pence",
        ),
        (
            {**LIGHT, "light_touch_ground": "not_contacted", "provisional_weekly_pence": -1},
            InvalidMoney,
            "provisional_weekly_pence",
        ),
        (
            {**LIGHT, "light_touch_ground": "benefits_show_nil", "provisional_weekly_pence": 1},
            InvalidValue,
            "provisional_weekly_pence",
        ),
        ({"provisional_weekly_pence": 1}, InvalidValue, "provisional_weekly_pence"),
        ({"income": (income(kind="lottery"),)}, InvalidValue, "income[0].kind"),
        ({"income": (income(amount_pence=-1),)}, InvalidMoney, "income[0].amount_pence"),
        ({"income": (income(amount_pence=10**10),)}, InvalidMoney, "income[0].amount_pence"),
        ({"income": (income(tax_pence=-1),)}, InvalidMoney, "income[0].tax_pence"),
        ({"income": (income(tax_pence=101),)}, InvalidMoney, "income[0].tax_pence"),
        (
            {"income": (income(starts_on=APRIL, ends_on=date(2026, 4, 5)),)},
            InvalidPeriod,
            "income[0].ends_on",
        ),
        ({"income": (income(),) * 101}, InvalidValue, "income"),
        ({"income": (income(), income())}, IncomeLinesOverlap, "income[1].starts_on"),
        (
            {"income": (income(starts_on=APRIL), income(ends_on=APRIL))},
            IncomeLinesOverlap,
            "income[1].starts_on",
        ),
        ({"capital": (JOINT,)}, CoupleAssessedAsSingle, "capital[0].owner"),
        (
            {"partner_date_of_birth": date(1955, 1, 1)},
            CoupleAssessedAsSingle,
            "partner_date_of_birth",
        ),
        (
            {"household": "couple", "partner_date_of_birth": date(2027, 1, 1)},
            DateOfBirthInFuture,
            "partner_date_of_birth",
        ),
        (
            {"capital": (CapitalLine(kind="gold", amount_pence=1),)},
            InvalidValue,
            "capital[0].kind",
        ),
        (
            {"capital": (CapitalLine(kind="savings", amount_pence=-1),)},
            InvalidMoney,
            "capital[0].amount_pence",
        ),
        (
            {"housing": (HousingCost(kind="boat", amount_pence=1),)},
            InvalidValue,
            "housing[0].kind",
        ),
        (
            {"housing": (HousingCost(kind="rent", amount_pence=-1),)},
            InvalidMoney,
            "housing[0].amount_pence",
        ),
        (
            {"housing": (HousingCost(kind="rent", amount_pence=1, help_pence=2),)},
            InvalidMoney,
            "housing[0].help_pence",
        ),
        (
            {"disability_costs": (DisabilityCost(kind="cat", amount_pence=1),)},
            InvalidValue,
            "disability_costs[0].kind",
        ),
        (
            {"disability_costs": (DisabilityCost(kind="diet", amount_pence=-1),)},
            InvalidMoney,
            "disability_costs[0].amount_pence",
        ),
    ],
)
def test_each_fault_is_refused_by_its_own_rule_naming_the_field(changes, refusal, field):
    facts = replace(SOUND, **changes)
    with pytest.raises(refusal) as refused:
        require_sound(facts, APRIL)
    assert type(refused.value) is refusal
    assert refused.value.details["field"] == field
    assert str(refused.value).startswith(f"{field}: ")
    assert field in [where for where, _ in faults(facts, APRIL)]


def test_sound_facts_are_not_refused():
    sound: list[dict[str, Any]] = [
        {},
        {"date_of_birth": date(2008, 4, 6)},
        {"household": "couple", "capital": (JOINT,)},
        {"income": (income(ends_on=date(2026, 4, 5)), income(starts_on=APRIL))},
        {"income": (income(), income(kind="annuity"))},
        {**LIGHT, "light_touch_ground": "not_contacted", "provisional_weekly_pence": 0},
        {"assessment": "declined"},
    ]
    for changes in sound:
        require_sound(replace(SOUND, **changes), APRIL)


def test_every_fault_is_listed():
    facts = replace(
        SOUND,
        children=-1,
        income=(income(amount_pence=-5), income(kind="lottery")),
        capital=(JOINT,),
    )
    assert [field for field, _ in faults(facts, APRIL)] == [
        "children",
        "income[0].amount_pence",
        "income[1].kind",
        "capital[0].owner",
    ]


def test_what_was_told_is_in_no_repr():
    told = Facts(
        date_of_birth=date(1951, 3, 2),
        household="single",
        income=(IncomeLine(kind="state_pension", amount_pence=28_630),),
    )
    assert repr(told) == f"{told}" == "Facts(...)"
    assert "28630" not in rich.pretty.pretty_repr(told)
