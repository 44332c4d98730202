"""The means test of SI 2014/2672: each step a line of the working, rounded half-up once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache

from ledger.charging.facts import Facts, IncomeLine, Per
from ledger.charging.figures import KEYS, STATUSES, Rate, Status
from ledger.charging.kinds import CAPITAL_KINDS, DISABILITY_KINDS, HOUSING_KINDS, INCOME_KINDS
from ledger.charging.person import birthday, state_pension_on
from ledger.charging.rate_book import RateBook
from ledger.charging.working import Assessed, WorkingLine, decided
from ledger.money import divide_half_up, format_pounds

_EACH: dict[Per, str] = {
    "week": "a week",
    "four_weeks": "every four weeks",
    "month": "a month",
    "year": "a year",
}
_MIG_SOURCE = "SI 2014/2672, reg 7"

Figures = Mapping[str, Rate]


def means_tested(facts: Facts, rates: RateBook, on: date) -> Assessed:
    """The assessment in full on one day, by the figures in force that day."""
    figures = rates.in_force(on)
    capital = sum(
        held.share_pence
        for held in facts.capital
        if CAPITAL_KINDS[held.kind].treatment == "counted"
    )
    upper = figures["capital_upper_limit"]
    if capital > upper.value:
        detail = f"{format_pounds(capital)} of capital, more than {upper.shown}"
        line = _by_rate("Capital above the upper limit", 0, "upper_capital_limit", upper, detail)
        return decided(on, "full_cost", line, *_not_sure((line,), figures))

    income = [line for line in facts.income if line.in_force_on(on)]
    lines = [*_income_lines(income), *_capital_lines(capital, figures)]
    lines += _housing_lines(facts)
    disabled = any(INCOME_KINDS[line.kind].treatment == "disability_benefit" for line in income)
    if disabled:
        lines += _disability_lines(facts, figures)
    lines += _guarantee_lines(facts, figures, on)
    left = sum(line.weekly_pence for line in lines)
    for line in _policy_lines(left, figures):
        lines.append(line)
        left += line.weekly_pence
    working = tuple(lines)
    return Assessed(
        starts_on=on,
        weekly_pence=left,
        full_cost=False,
        provisional=False,
        outcome="contribution" if left else "nil",
        lines=working,
        warnings=(*_to_look_at(facts, income, disabled), *_not_sure(working, figures)),
    )


def _by_rate(label: str, pence: int, rule: str, rate: Rate, detail: str = "") -> WorkingLine:
    step = _STEPS[rule]
    return WorkingLine(step, label, pence, rule, rate.source, detail, rate.key, rate.status)


_STEPS = {
    "upper_capital_limit": "capital",
    "tariff_income": "capital",
    "standard_disability_related_expenditure": "disability_costs",
    "minimum_income_guarantee": "minimum_income_guarantee",
    "minimum_income_guarantee_children": "minimum_income_guarantee",
    "disability_premium": "minimum_income_guarantee",
    "enhanced_disability_premium": "minimum_income_guarantee",
    "carer_premium": "minimum_income_guarantee",
    "minimum_income_guarantee_top_up": "minimum_income_guarantee",
    "percentage_of_maximum": "policy",
    "minimum_charge": "policy",
}


def _income_lines(income: Iterable[IncomeLine]) -> Iterator[WorkingLine]:
    """Each income; one that is disregarded stands there too, and is taken off again."""
    for line in income:
        kind, pence = INCOME_KINDS[line.kind], line.weekly_pence
        detail = ""
        if line.tax_pence or line.per != "week":
            detail = f"{format_pounds(line.amount_pence)} {_EACH[line.per]}"
            if line.tax_pence:
                detail += f" less {format_pounds(line.tax_pence)} tax"
        yield WorkingLine("income", kind.label, pence, kind.rule, kind.source, detail)
        if kind.treatment == "disregarded":
            label = f"{kind.label}: not counted"
            yield WorkingLine("income", label, -pence, kind.rule, kind.source)


def _capital_lines(capital: int, figures: Figures) -> Iterator[WorkingLine]:
    """Income taken as coming from capital above the lower limit, by the step or part of one."""
    lower, step = figures["capital_lower_limit"], figures["tariff_income_step"]
    above = capital - lower.value
    if above <= 0:
        return
    steps, each = -(-above // step.value), figures["tariff_income_per_step"]
    detail = (
        f"{format_pounds(capital)} of capital, {format_pounds(above)} above {lower.shown}: "
        f"{steps} step{'' if steps == 1 else 's'} of {step.shown} or part"
    )
    yield _by_rate("Income from capital", steps * each.value, "tariff_income", each, detail)


def _housing_lines(facts: Facts) -> Iterator[WorkingLine]:
    for cost in facts.housing:
        kind, detail = HOUSING_KINDS[cost.kind], ""
        if cost.help_pence or cost.per != "week":
            detail = f"{format_pounds(cost.amount_pence)} {_EACH[cost.per]}"
            if cost.help_pence:
                detail += f" less {format_pounds(cost.help_pence)} help"
        yield WorkingLine("housing", kind.label, -cost.weekly_pence, kind.rule, kind.source, detail)


def _disability_lines(facts: Facts, figures: Figures) -> Iterator[WorkingLine]:
    """The greater of the evidenced costs and the council's standard amount."""
    standard = figures["standard_disability_related_expenditure"]
    evidenced = sum(cost.weekly_pence for cost in facts.disability_costs)
    if standard.value > evidenced:
        yield _by_rate(
            "Disability-related costs, the standard amount",
            -standard.value,
            "standard_disability_related_expenditure",
            standard,
            f"more than the {format_pounds(evidenced)} evidenced" if evidenced else "",
        )
        return
    for cost in facts.disability_costs:
        kind, detail = DISABILITY_KINDS[cost.kind], ""
        if cost.per != "week":
            detail = f"{format_pounds(cost.amount_pence)} {_EACH[cost.per]}"
        yield WorkingLine(
            "disability_costs", kind.label, -cost.weekly_pence, kind.rule, kind.source, detail
        )


def _guarantee_lines(facts: Facts, figures: Figures, on: date) -> Iterator[WorkingLine]:
    """The minimum income guarantee of regulation 7, part by part."""
    rate = figures[_guarantee_key(facts, on)]
    label = "Minimum income guarantee"
    yield _by_rate(label, -rate.value, "minimum_income_guarantee", rate, _who(rate.key))
    if facts.children:
        child = figures["mig_child"]
        detail = f"{facts.children} x {child.shown}"
        yield _by_rate(
            "Minimum income guarantee: children",
            -facts.children * child.value,
            "minimum_income_guarantee_children",
            child,
            detail,
        )
    yield from _premium_lines(facts, figures, on)
    top_up = figures["mig_top_up"]
    if top_up.value:
        yield _by_rate(
            "Minimum income guarantee: the council's addition",
            -top_up.value,
            "minimum_income_guarantee_top_up",
            top_up,
        )


def _premium_lines(facts: Facts, figures: Figures, on: date) -> Iterator[WorkingLine]:
    """Premiums; those for disability only below State Pension age."""
    if state_pension_on(facts.date_of_birth) > on:
        if facts.disability_premium:
            rate = figures[f"disability_premium_{facts.household}"]
            yield _by_rate("Disability premium", -rate.value, "disability_premium", rate)
        if facts.enhanced_disability_premium:
            rate = figures[f"enhanced_disability_premium_{facts.household}"]
            yield _by_rate(
                "Enhanced disability premium", -rate.value, "enhanced_disability_premium", rate
            )
    if facts.carer_premium:
        rate = figures["carer_premium"]
        yield _by_rate("Carer premium", -rate.value, "carer_premium", rate)


def _guarantee_key(facts: Facts, on: date) -> str:
    """Regulation 7(2) to (4): a lone parent has the rate from 25 at any age from 18."""
    born, partner_born = facts.date_of_birth, facts.partner_date_of_birth
    if facts.household == "couple":
        either = [state_pension_on(day) for day in (born, partner_born) if day is not None]
        return "mig_couple_pension_age" if min(either) <= on else "mig_couple_below_pension_age"
    if state_pension_on(born) <= on:
        return "mig_single_pension_age"
    if facts.children or birthday(born, 25) <= on:
        return "mig_single_25_to_pension_age"
    return "mig_single_18_to_24"


def _who(key: str) -> str:
    return KEYS[key][0].partition(": ")[2]


def _policy_lines(left: int, figures: Figures) -> Iterator[WorkingLine]:
    """Not below nought; then the share the council takes; then what is too small to charge."""
    if left < 0:
        yield WorkingLine("total", "Not below nought", -left, "not_below_nought", _MIG_SOURCE)
        return
    share, least = figures["percentage_of_maximum"], figures["minimum_charge"]
    taken = divide_half_up(left * share.value, 100)
    if taken != left:
        label = f"The council takes {share.shown}"
        yield _by_rate(label, taken - left, "percentage_of_maximum", share)
    if 0 < taken < least.value:
        detail = f"less than {least.shown} is not charged"
        yield _by_rate("Below the minimum charge", -taken, "minimum_charge", least, detail)


# --- what to say beside the figures -----------------------------------------------------------


def _to_look_at(facts: Facts, income: Iterable[IncomeLine], disabled: bool) -> Iterator[str]:
    for line in income:
        if INCOME_KINDS[line.kind].check:
            yield INCOME_KINDS[line.kind].check
    if facts.disability_costs and not disabled:
        yield "Disability-related costs are left out: no disability benefit is counted as income."


def _not_sure(lines: Iterable[WorkingLine], figures: Figures) -> Iterator[str]:
    for line in lines:
        if line.rate_key and not figures[line.rate_key].is_sure:
            rate = figures[line.rate_key]
            yield _doubt(rate.key, rate.shown, rate.year, rate.status)


@lru_cache(maxsize=4096)
def _doubt(key: str, shown: str, year: str, status: Status) -> str:
    return f"{KEYS[key][0]}, {shown} for {year}, is not confirmed: {STATUSES[status]}."
