"""The financial assessment: what a person can afford to pay a week (SI 2014/2672).

Counted income, and income taken as coming from capital; less the cost of the home, costs that
come of a disability, and the minimum income guarantee; never below nought. Every step is a
line of the working, and the lines add up to the result. Each line is rounded half-up once.
"""

from __future__ import annotations

from datetime import date, timedelta

from ledger.charging.explanation import explanation, working_table
from ledger.charging.facts import Facts
from ledger.charging.means_test import means_tested
from ledger.charging.person import birthday, state_pension_on
from ledger.charging.rate_book import RateBook
from ledger.charging.uprating import uprated
from ledger.charging.working import Assessed, Charged, WorkingLine, decided
from ledger.errors import InvalidMoney, InvalidValue
from ledger.money import format_pounds

__all__ = [
    "FREE_LEGAL_BASES",
    "Assessed",
    "Charged",
    "WorkingLine",
    "assess",
    "charge",
    "explanation",
    "timeline",
    "uprated",
    "working_table",
]

_DAY = timedelta(days=1)
CARE_ACT = "care_act_2014"
FREE_LEGAL_BASES = {
    "mental_health_act_1983_s117": (
        "After-care under section 117 is free",
        "free_section_117",
        "Mental Health Act 1983, s.117",
    ),
    "care_act_2014_carer": (
        "Support for a carer is free",
        "free_carer",
        "Care Act 2014, s.14(3)",
    ),
    "nhs_act_2006": (
        "Care that the NHS pays for is free",
        "free_nhs",
        "National Health Service Act 2006, s.1",
    ),
}
"""Legal bases under which nothing is charged: what is said, the rule, and where it stands."""

_FREE_PERSONS = {
    "cjd": (
        "Care for a person with Creutzfeldt-Jakob disease is free",
        "free_person",
        "SI 2014/2672, reg 4",
    ),
}
_FULL_COST_SOURCE = "Care Act 2014, s.14 and s.17"
_LIGHT_TOUCH_SOURCE = "SI 2014/2672, reg 10"


def assess(facts: Facts, rates: RateBook, on: date, *, legal_basis: str = CARE_ACT) -> Assessed:
    """What the facts come to on one day, by the figures in force that day.

    The facts must be sound (`require_sound`). A day with no rates is refused (`RatesMissing`), and
    so is a legal basis that the Care Act's financial assessment has no part in."""
    return _free(facts, on, legal_basis) or _declared(facts, on) or means_tested(facts, rates, on)


def timeline(
    facts: Facts,
    rates: RateBook,
    starts_on: date,
    until: date | None = None,
    *,
    legal_basis: str = CARE_ACT,
) -> tuple[Assessed, ...]:
    """The assessment from a day on, anew on every day that something changes it.

    It goes no further than `until`, nor than the last day that every figure is known for; the
    last one stands until then and must be made again when the next year's rates are known.
    """
    last = min(until or date.max, rates.last_day)
    found = [assess(facts, rates, starts_on, legal_basis=legal_basis)]
    if _free(facts, starts_on, legal_basis) or _declared(facts, starts_on):
        return tuple(found)
    for day in _turning_days(facts, rates, starts_on, last):
        before, after = found[-1], means_tested(facts, rates, day)
        if after.lines != before.lines or after.warnings != before.warnings:
            found.append(after)
    return tuple(found)


def charge(assessed: Assessed, weekly_cost_pence: int) -> Charged:
    """What a person pays a week when the care that may be charged for costs so much."""
    if weekly_cost_pence < 0:
        raise InvalidMoney("weekly_cost_pence: a cost is not below nought.",
                           field="weekly_cost_pence")  # fmt: skip
    lines, pence = assessed.lines, assessed.weekly_pence
    if assessed.full_cost:
        pence = weekly_cost_pence
        lines += (
            WorkingLine("cost", "The full cost of the care", pence, "full_cost", _FULL_COST_SOURCE),
        )
    elif pence > weekly_cost_pence:
        lines += (
            WorkingLine(
                "cost",
                "Not more than the care costs",
                weekly_cost_pence - pence,
                "no_more_than_cost",
                "Care Act 2014, s.14(4)",
                f"the care costs {format_pounds(weekly_cost_pence)} a week",
            ),
        )
        pence = weekly_cost_pence
    return Charged(pence, lines, weekly_cost_pence)


def _turning_days(facts: Facts, rates: RateBook, after: date, last: date) -> list[date]:
    """The days after one, up to a last, on which a figure, an income or an age changes."""
    first = after + _DAY
    days = set(rates.boundaries(first, last))
    for line in facts.income:
        if line.starts_on is not None:
            days.add(line.starts_on)
        if line.ends_on is not None and line.ends_on < last:
            days.add(line.ends_on + _DAY)
    days.add(birthday(facts.date_of_birth, 25))
    days.add(state_pension_on(facts.date_of_birth))
    if facts.partner_date_of_birth is not None:
        days.add(state_pension_on(facts.partner_date_of_birth))
    return sorted(day for day in days if first <= day <= last)


# --- those whose means are not looked at ------------------------------------------------------


def _free(facts: Facts, on: date, legal_basis: str) -> Assessed | None:
    free = FREE_LEGAL_BASES.get(legal_basis)
    if free is None and legal_basis != CARE_ACT:
        raise InvalidValue(
            f"legal_basis: what is paid under {legal_basis} is not decided by the Care Act's "
            "financial assessment.",
            field="legal_basis",
        )
    free = free or _FREE_PERSONS.get(facts.free_person or "")
    if free is None:
        return None
    label, rule, source = free
    return decided(on, "free", WorkingLine("free", label, 0, rule, source))


def _declared(facts: Facts, on: date) -> Assessed | None:
    """A declined or light-touch assessment: decided by its ground, without a reckoning."""
    if facts.assessment == "declined":
        line = WorkingLine(
            "assessment",
            "The person chose not to have a financial assessment",
            0,
            "assessment_declined",
            _LIGHT_TOUCH_SOURCE,
        )
        return decided(on, "full_cost", line)
    if facts.assessment != "light_touch":
        return None
    if facts.light_touch_ground == "significant_resources":
        line = WorkingLine(
            "assessment",
            "Significant resources, by a light-touch assessment",
            0,
            "light_touch_significant_resources",
            _LIGHT_TOUCH_SOURCE,
        )
        return decided(on, "full_cost", line)
    if facts.light_touch_ground == "benefits_show_nil":
        line = WorkingLine(
            "assessment",
            "Benefits show that nothing can be charged, by a light-touch assessment",
            0,
            "light_touch_benefits",
            _LIGHT_TOUCH_SOURCE,
        )
        return decided(on, "nil", line)
    line = WorkingLine(
        "assessment",
        "Provisional until the person can be contacted",
        facts.provisional_weekly_pence or 0,
        "light_touch_not_contacted",
        _LIGHT_TOUCH_SOURCE,
    )
    warning = "The amount is provisional: it is replaced when the person has been assessed."
    return decided(on, "provisional", line, warning)
