"""An assessment in words a person can read, and its working as rows for a table."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from ledger.charging.working import Assessed, Charged, WorkingLine
from ledger.money import format_pounds

_DIFFERENT = (
    "If you think that this is wrong, tell us which figure and why, and ask us to look at it "
    "again. You can also make a formal complaint.",
    "Tell us at once if your income, savings, housing costs or household change, or if you have "
    "new costs because of a disability. We will work it out again from the day of the change.",
)


class Row(NamedTuple):
    """A line of the working as a table shows it; `note` says so if a figure is not confirmed."""

    label: str
    detail: str
    amount: str
    weekly_pence: int
    rule: str
    source: str
    note: str


def working_table(result: Assessed | Charged) -> list[Row]:
    """The working line by line, ending with what it comes to."""
    rows = [
        Row(
            line.label,
            line.detail,
            format_pounds(line.weekly_pence),
            line.weekly_pence,
            line.rule,
            line.source,
            "" if line.is_sure else "not confirmed",
        )
        for line in result.lines
    ]
    if isinstance(result, Assessed) and result.full_cost:
        return [*rows, Row("You pay", "", "the full cost of the care", 0, "", "", "")]
    total, pence = "You pay a week", result.weekly_pence
    return [*rows, Row(total, "", format_pounds(pence), pence, "", "", "")]


def explanation(assessed: Assessed, charged: Charged | None = None) -> list[str]:
    """The assessment in short sentences to the person; with the charge if it is given.

    Each item is a paragraph."""
    said = [_first(assessed, charged)]
    said += _how(assessed)
    if charged is not None:
        said += _with_cost(assessed, charged)
    unsure = _unsure(assessed)
    if unsure:
        said.append(
            "We could not check these figures against an official source: "
            f"{'; '.join(unsure)}. We will put your contribution right if any of them is wrong."
        )
    return [*said, *_DIFFERENT]


def _first(assessed: Assessed, charged: Charged | None) -> str:
    begins = f"From {_day(assessed.starts_on)}"
    if assessed.outcome == "free":
        return f"{begins} you pay nothing towards your care."
    if charged is not None:
        if not charged.weekly_pence:
            return f"{begins} you pay nothing towards your care."
        pounds = format_pounds(charged.weekly_pence)
        whole = (
            ", which is its full cost" if charged.weekly_pence == charged.weekly_cost_pence else ""
        )
        return f"{begins} you pay {pounds} a week towards your care{whole}."
    if assessed.full_cost:
        return f"{begins} you pay the full cost of your care."
    if not assessed.weekly_pence:
        return f"{begins} you pay nothing towards your care."
    pounds = format_pounds(assessed.weekly_pence)
    return f"{begins} the most you can be asked to pay towards your care is {pounds} a week."


_REASONS = {
    "free_section_117": "Your care is after-care under section 117 of the Mental Health Act, "
    "which is free.",
    "free_carer": "Your support is for you as a carer. We do not charge you for it.",
    "free_nhs": "The NHS pays for your care. It is free.",
    "free_person": "Care for a person with Creutzfeldt-Jakob disease is free.",
    "assessment_declined": "You chose not to have a financial assessment, so we charge the full "
    "cost. You can ask for an assessment at any time.",
    "light_touch_significant_resources": "We agreed that you can pay the full cost without a "
    "full financial assessment. You can ask for a full assessment at any time.",
    "light_touch_benefits": "Your benefits show that you cannot be charged. You can ask for a "
    "full financial assessment at any time.",
    "light_touch_not_contacted": "We could not reach you, so this amount is provisional. Please "
    "get in touch. When we have your details we will work it out again from the same day.",
}


def _how(assessed: Assessed) -> list[str]:
    """How the amount was reached: the reason where one line decides it, else step by step."""
    first = assessed.lines[0]
    if first.rule in _REASONS:
        return [_REASONS[first.rule]]
    if first.rule == "upper_capital_limit":
        return [
            f"You have {first.detail}. Above that amount a person pays the full cost.",
            "Tell us when your capital falls below it: we will then assess you again.",
        ]
    said = []
    counted = _sum(assessed, "income", "capital")
    said.append(
        f"We counted {format_pounds(counted)} a week of income: {_list(_counted(assessed.lines))}."
        if counted
        else "We counted no income."
    )
    left_out = [line.label for line in assessed.lines if line.label.endswith(": not counted")]
    if left_out:
        names = ", ".join(label.removesuffix(": not counted") for label in left_out)
        said.append(f"We did not count: {names}.")
    for step, words in _TAKEN_OFF.items():
        taken = [line for line in assessed.lines if line.step == step and line.weekly_pence]
        if taken:
            total = format_pounds(-sum(line.weekly_pence for line in taken))
            said.append(words.format(total, _list([_named(line) for line in taken])))
    said += [_ENDS[line.rule].format(line.label) for line in assessed.lines if line.rule in _ENDS]
    return said


_TAKEN_OFF = {
    "housing": "We took off {} a week for your home: {}.",
    "disability_costs": "We took off {} a week for costs you have because of a disability: {}.",
    "minimum_income_guarantee": "The law says that you must be left with at least {} a week to "
    "live on. We took that off too: {}.",
}
_ENDS = {
    "not_below_nought": "Nothing was left over, so there is nothing to pay.",
    "percentage_of_maximum": "{} of what was left.",
    "minimum_charge": "What was left is too little for us to charge.",
}


def _sum(assessed: Assessed, *steps: str) -> int:
    return sum(line.weekly_pence for line in assessed.lines if line.step in steps)


def _counted(lines: tuple[WorkingLine, ...]) -> list[str]:
    left_out = {line.label.removesuffix(": not counted") for line in lines if line.weekly_pence < 0}
    return [
        _named(line)
        for line in lines
        if line.step in ("income", "capital")
        and line.weekly_pence > 0
        and line.label not in left_out
    ]


def _named(line: WorkingLine) -> str:
    words = f"{line.label} {format_pounds(abs(line.weekly_pence))}"
    return f"{words} ({line.detail})" if line.detail else words


def _list(items: list[str]) -> str:
    return "; ".join(items)


def _with_cost(assessed: Assessed, charged: Charged) -> list[str]:
    """What the council pays, and how a care direct payment and the contribution fit together."""
    cost = format_pounds(charged.weekly_cost_pence)
    council = charged.weekly_cost_pence - charged.weekly_pence
    if assessed.outcome == "free":
        return [f"Your care costs {cost} a week, and the council pays all of it."]
    if council == 0 and charged.weekly_cost_pence:
        return [
            f"Your care costs {cost} a week, and you never pay more than it costs. The council "
            "has nothing to add, so there is no care direct payment."
        ]
    return [
        f"Your care costs {cost} a week. You pay {format_pounds(charged.weekly_pence)} and the "
        f"council pays {format_pounds(council)}. If you have a care direct payment, your "
        "contribution and the council's money together pay for your care. It is not a benefit "
        "and not income."
    ]


def _unsure(assessed: Assessed) -> list[str]:
    return [
        f"{line.label} {format_pounds(abs(line.weekly_pence))}"
        for line in assessed.lines
        if not line.is_sure
    ]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
