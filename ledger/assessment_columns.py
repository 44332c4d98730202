"""The columns of an assessment file: what each means, and on which rows it is filled in.

The reference page for councils is made from `COLUMNS`, `ITEMS` and `KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple, get_args

from ledger.aggregates.contributions import ArrearsRecovery
from ledger.charging.facts import (
    CAPITAL_KINDS,
    DISABILITY_KINDS,
    HOUSING_KINDS,
    INCOME_KINDS,
    Per,
)
from ledger.commands import FIRST_DAY, LAST_DAY
from ledger.csv_reading import code, day, one_of, pounds, pounds_above_nought, reference
from ledger.errors import InvalidValue
from ledger.terms import ContributionBasis

ITEMS = {
    "assessment": "The assessment itself: exactly one row.",
    "income": "Income of one kind, before tax.",
    "capital": "Capital of one kind.",
    "housing": "A cost of the home.",
    "disability_cost": "A cost that comes of a disability, as evidenced.",
    "premium": "A premium of the minimum income guarantee.",
}
WAYS = {
    "full": "In full, from the other rows of the assessment.",
    "declined": "The person chose not to have one: the full cost is charged.",
    "significant_resources": "Light-touch: the full cost is charged.",
    "benefits_show_nil": "Light-touch: benefits show that nothing can be charged.",
    "not_contacted": "Light-touch: `amount` is charged until the person has been assessed.",
    "cjd": "Nothing is charged: the person has Creutzfeldt-Jakob disease.",
}
"""How an assessment was made: the `kind` of its assessment row."""

PREMIUMS = {
    "disability": "Disability premium.",
    "enhanced_disability": "Enhanced disability premium.",
    "carer": "Carer premium.",
}
KINDS: dict[str, dict[str, str]] = {
    "assessment": WAYS,
    "income": {name: kind.label for name, kind in INCOME_KINDS.items()},
    "capital": {name: kind.label for name, kind in CAPITAL_KINDS.items()},
    "housing": {name: kind.label for name, kind in HOUSING_KINDS.items()},
    "disability_cost": {name: kind.label for name, kind in DISABILITY_KINDS.items()},
    "premium": PREMIUMS,
}

_WHOLE = re.compile("[0-9]{1,3}")


def _keepable_day(text: str) -> date:
    read = day(text)
    if not FIRST_DAY <= read <= LAST_DAY:
        raise InvalidValue(f"Must be a day from {FIRST_DAY} to {LAST_DAY}.")
    return read


def _count(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise InvalidValue("Must be a whole number.")
    return int(text)


class AssessmentColumn(NamedTuple):
    """One column: it is filled in on rows of the items `needed_on`, may be on those of
    `taken_on`, and is blank on all others."""

    name: str
    meaning: str
    read: Callable[[str], Any]
    needed_on: tuple[str, ...] = ()
    taken_on: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether every row must fill it in."""
        return self.needed_on == _EVERY


def _codes(
    name: str,
    meaning: str,
    allowed: tuple[str, ...],
    needed_on: tuple[str, ...] = (),
    taken_on: tuple[str, ...] = (),
) -> AssessmentColumn:
    return AssessmentColumn(name, meaning, one_of(allowed), needed_on, taken_on, allowed)


_C = AssessmentColumn
_EVERY = tuple(ITEMS)
_IT = ("assessment",)
_PAID = ("income", "housing", "disability_cost")

COLUMNS: tuple[AssessmentColumn, ...] = (
    _C("budget_reference", "The budget that is assessed.", reference, _EVERY),
    _C("assessment_reference", "The assessment's own reference: A-Z 0-9 - /. Blank: it is made of "
       "its two dates, and a budget can have one such assessment in a file.", reference,
       (), _EVERY),
    _codes("item", "What the row tells.", _EVERY, _EVERY),
    _C("kind", "What kind of it: see below. Of the assessment row: how it was made.", code, _EVERY),
    _C("amount", "Pounds: of income before tax, of capital, of a cost; on the assessment row, only "
       "with `not_contacted`, the provisional weekly contribution.", pounds,
       (*_PAID, "capital"), _IT),
    _codes("per", "What the amount is for.", get_args(Per), _PAID),
    _C("tax", "Pounds of tax taken from the income, for the same time.", pounds, (), ("income",)),
    _C("help", "Pounds of help towards the cost of the home (Housing Benefit, council tax "
       "reduction), for the same time.", pounds, (), ("housing",)),
    _codes("owner", "Whose capital it is; blank is `own`. Half of what is joint counts.",
           ("own", "joint_with_partner"), (), ("capital",)),
    _C("starts_on", "First day the income is received; blank if it always was.", _keepable_day,
       (), ("income",)),
    _C("ends_on", "Last day the income is received; blank if none is known.", _keepable_day,
       (), ("income",)),
    _C("effective_on", "The day the assessment takes effect.", _keepable_day, _IT),
    _C("decided_on", "The day it was decided.", _keepable_day, _IT),
    _codes("household", "Whether the person lives with a partner.", ("single", "couple"), _IT),
    _C("children", "How many children they are responsible for; blank is none.", _count, (), _IT),
    _C("date_of_birth", "The person's, as registered; blank: it is the registered one.",
       _keepable_day, (), _IT),
    _C("partner_date_of_birth", "The partner's, if known.", _keepable_day, (), _IT),
    _codes("basis", "Paid net or gross of the contribution; blank: as it is now, else net.",
           get_args(ContributionBasis), (), _IT),
    _codes("recovery", "How arrears on days already paid come back; blank: by the council's "
           "setting.", get_args(ArrearsRecovery), (), _IT),
    _C("weekly_cap", "Pounds a week that arrears may take, with `weekly_cap`; blank: by the "
       "council's setting.", pounds_above_nought, (), _IT),
)  # fmt: skip
ORDER = {column.name: place for place, column in enumerate(COLUMNS)}
