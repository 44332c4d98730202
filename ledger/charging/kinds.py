"""Kinds of income, capital and cost: what each is called, how it is treated, and by what rule."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ledger.charging.figures import Status

Treatment = Literal["counted", "disregarded", "disability_benefit"]
"""A disability benefit is counted, and opens the disregard of disability-related costs."""


class Kind(NamedTuple):
    """A kind as people read it, with the rule that decides its treatment and where that stands.

    `status` says how sure the treatment is, in the words that figures have too. `check` is
    something that the assessment does not do and a person must look at."""

    label: str
    treatment: Treatment
    rule: str
    source: str
    status: Status
    check: str = ""


_INCOME = "SI 2014/2672, reg 13 and Schedule 1"
_GUIDANCE = "Care and support statutory guidance, Annex C"
_EARNINGS = "SI 2014/2672, reg 14"
_CAPITAL = "SI 2014/2672, Part 5"
_CAPITAL_LEFT_OUT = "SI 2014/2672, Schedule 2"
_HOUSING = "SI 2014/2672, Schedule 1 (housing-related costs)"
_DISABILITY = "SI 2014/2672, Schedule 1 (disability-related expenditure)"
_WAR = "SI 2014/2672, Schedule 1 (war pensions)"


def _counted(label: str, check: str = "") -> Kind:
    return Kind(label, "counted", "income_counted", _INCOME, "secondary", check)


def _disability_benefit(label: str) -> Kind:
    return Kind(label, "disability_benefit", "disability_benefit_counted", _INCOME, "secondary")


def _left_out(label: str, rule: str, source: str, status: Status) -> Kind:
    return Kind(label, "disregarded", rule, source, status)


INCOME_KINDS: dict[str, Kind] = {
    "state_pension": _counted("State Pension"),
    "private_pension": _counted("Private or workplace pension"),
    "pension_credit_guarantee": _counted("Pension Credit (guarantee credit)"),
    "pension_credit_savings": _counted(
        "Pension Credit (savings credit)",
        "The savings disregard is not worked out here: take it off the amount of savings credit.",
    ),
    "employment_and_support_allowance": _counted("Employment and Support Allowance"),
    "universal_credit": _counted(
        "Universal Credit",
        "Leave out of Universal Credit what it holds for housing and for children.",
    ),
    "income_support": _counted("Income Support"),
    "jobseekers_allowance": _counted("Jobseeker's Allowance"),
    "carers_allowance": _counted("Carer's Allowance"),
    "industrial_injuries_benefit": _counted("Industrial Injuries Disablement Benefit"),
    "severe_disablement_allowance": _counted("Severe Disablement Allowance"),
    "bereavement_benefit": _counted("Bereavement benefit"),
    "annuity": _counted("Annuity"),
    "trust_income": _counted("Income from a trust"),
    "rental_income": _counted("Rent received"),
    "other_benefit": _counted("Other benefit"),
    "other_income": _counted("Other income"),
    "attendance_allowance": _disability_benefit("Attendance Allowance"),
    "dla_care": _disability_benefit("Disability Living Allowance (care)"),
    "pip_daily_living": _disability_benefit("Personal Independence Payment (daily living)"),
    "constant_attendance_allowance": _disability_benefit("Constant Attendance Allowance"),
    "earnings": _left_out("Earnings", "earnings_disregarded", _EARNINGS, "secondary"),
    "dla_mobility": _left_out(
        "Disability Living Allowance (mobility)", "mobility_disregarded", _INCOME, "confirmed"
    ),
    "pip_mobility": _left_out(
        "Personal Independence Payment (mobility)", "mobility_disregarded", _INCOME, "confirmed"
    ),
    "war_pension": _left_out("War pension", "war_pension_disregarded", _WAR, "secondary"),
    "war_widows_pension": _left_out(
        "War widow's or widower's pension", "war_pension_disregarded", _WAR, "secondary"
    ),
    "armed_forces_compensation": _left_out(
        "Armed forces guaranteed income payment", "war_pension_disregarded", _WAR, "secondary"
    ),
    "armed_forces_independence_payment": _left_out(
        "Armed Forces Independence Payment", "war_pension_disregarded", _WAR, "secondary"
    ),
    "child_benefit": _left_out(
        "Child Benefit", "child_income_disregarded", _GUIDANCE, "unconfirmed"
    ),
    "child_tax_credit": _left_out(
        "Child Tax Credit", "child_income_disregarded", _GUIDANCE, "unconfirmed"
    ),
    "child_maintenance": _left_out(
        "Child maintenance", "child_income_disregarded", _GUIDANCE, "unconfirmed"
    ),
    "winter_fuel_payment": _left_out(
        "Winter Fuel Payment", "payment_disregarded", _GUIDANCE, "unconfirmed"
    ),
}


def _capital(label: str) -> Kind:
    return Kind(label, "counted", "capital_counted", _CAPITAL, "secondary")


def _capital_left_out(label: str, status: Status = "unconfirmed") -> Kind:
    return Kind(label, "disregarded", "capital_disregarded", _CAPITAL_LEFT_OUT, status)


CAPITAL_KINDS: dict[str, Kind] = {
    "savings": _capital("Savings"),
    "current_account": _capital("Current account"),
    "cash": _capital("Cash"),
    "premium_bonds": _capital("Premium Bonds"),
    "shares": _capital("Shares"),
    "bonds": _capital("Bonds and other investments"),
    "second_property": _capital("Property other than the home"),
    "land": _capital("Land"),
    "other_capital": _capital("Other capital"),
    "home_lived_in": _capital_left_out("The home the person lives in", "secondary"),
    "personal_possessions": _capital_left_out("Personal possessions"),
    "personal_injury_trust": _capital_left_out("Personal injury trust"),
    "life_policy": _capital_left_out("Surrender value of a life policy"),
}


def _cost(label: str, rule: str, source: str) -> Kind:
    return Kind(label, "disregarded", rule, source, "confirmed")


HOUSING_KINDS: dict[str, Kind] = {
    code: _cost(label, "housing_cost", _HOUSING)
    for code, label in {
        "rent": "Rent",
        "mortgage": "Mortgage repayments",
        "council_tax": "Council Tax",
        "service_charge": "Service charges",
        "ground_rent": "Ground rent",
    }.items()
}

DISABILITY_KINDS: dict[str, Kind] = {
    code: _cost(label, "disability_related_expenditure", _DISABILITY)
    for code, label in {
        "community_alarm": "Community alarm",
        "private_care": "Care bought privately",
        "laundry": "Laundry",
        "heating": "Heating above the average",
        "water": "Water above the average",
        "diet": "Special diet",
        "clothing": "Clothing and footwear",
        "bedding": "Bedding",
        "cleaning": "Cleaning or domestic help",
        "gardening": "Gardening",
        "equipment": "Equipment: buying, hiring, keeping",
        "transport": "Transport above the mobility benefit",
        "prescriptions": "Prescriptions and therapies",
        "other": "Other disability-related cost",
    }.items()
}
