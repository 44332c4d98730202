"""Every figure an assessment uses, and how sure one can be of it."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Literal

import msgspec

from ledger.money import format_pounds

Status = Literal["confirmed", "secondary", "derived", "unconfirmed", "not_found", "local"]
Unit = Literal["pence", "percent"]
TakesEffect = Literal["council", "regulations", "benefits"]

STATUSES: dict[Status, str] = {
    "confirmed": "seen in a source that states it",
    "secondary": "seen at second hand, or in part",
    "derived": "an estimate, reckoned from figures that were seen",
    "unconfirmed": "from general knowledge, not seen in a source",
    "not_found": "an estimate: no figure was found for the year",
    "local": "the council's own policy",
}
SURE: frozenset[Status] = frozenset({"confirmed", "local"})

KEYS: dict[str, tuple[str, Unit]] = {
    "capital_lower_limit": ("Lower capital limit", "pence"),
    "capital_upper_limit": ("Upper capital limit", "pence"),
    "tariff_income_step": ("Tariff income: size of a step of capital", "pence"),
    "tariff_income_per_step": ("Tariff income: a week for each step or part", "pence"),
    "mig_single_18_to_24": ("Minimum income guarantee: single, 18 to 24", "pence"),
    "mig_single_25_to_pension_age": (
        "Minimum income guarantee: single, 25 to State Pension age, or a lone parent",
        "pence",
    ),
    "mig_single_pension_age": ("Minimum income guarantee: single, State Pension age", "pence"),
    "mig_couple_below_pension_age": (
        "Minimum income guarantee: one of a couple, both below State Pension age",
        "pence",
    ),
    "mig_couple_pension_age": (
        "Minimum income guarantee: one of a couple, either at State Pension age",
        "pence",
    ),
    "mig_child": ("Minimum income guarantee: for each child", "pence"),
    "disability_premium_single": ("Disability premium: single", "pence"),
    "disability_premium_couple": ("Disability premium: one of a couple", "pence"),
    "enhanced_disability_premium_single": ("Enhanced disability premium: single", "pence"),
    "enhanced_disability_premium_couple": (
        "Enhanced disability premium: one of a couple",
        "pence",
    ),
    "carer_premium": ("Carer premium", "pence"),
    "percentage_of_maximum": ("Share of the assessed maximum that the council takes", "percent"),
    "mig_top_up": ("The council's addition to the minimum income guarantee", "pence"),
    "standard_disability_related_expenditure": (
        "Standard disability-related expenditure",
        "pence",
    ),
    "minimum_charge": ("Minimum charge: less than this is not charged", "pence"),
}
"""Every figure: what it is called, and its unit."""


@lru_cache(maxsize=4096)
def _shown(value: int, unit: Unit) -> str:
    return format_pounds(value) if unit == "pence" else f"{value}%"


class Rate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One figure from the day it takes effect, with where it is from and how sure it is."""

    key: str
    value: int
    unit: Unit
    year: str
    starts_on: date
    source: str
    status: Status
    note: str = ""

    @property
    def shown(self) -> str:
        """As people read it."""
        return _shown(self.value, self.unit)

    @property
    def is_sure(self) -> bool:
        """Whether it may be shown without saying that it is not confirmed."""
        return self.status in SURE
