"""The working of an assessment, line by line: the lines always add up to the result."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from ledger.charging.figures import SURE, Status

Outcome = Literal["free", "nil", "contribution", "full_cost", "provisional"]


class WorkingLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One step: what it does to the weekly amount, by which rule, and where the rule stands.

    `rate_key` and `status` say which figure it used, and how sure that figure is."""

    step: str
    label: str
    weekly_pence: int
    rule: str
    source: str
    detail: str = ""
    rate_key: str = ""
    status: Status | Literal[""] = ""

    @property
    def is_sure(self) -> bool:
        """Whether it used no figure, or one that is sure."""
        return self.status == "" or self.status in SURE


class Assessed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person can be charged a week from a day on, before the cost is looked at.

    With `full_cost` the charge is whatever the care costs, and `weekly_pence` is nought."""

    starts_on: date
    weekly_pence: int
    full_cost: bool
    provisional: bool
    outcome: Outcome
    lines: tuple[WorkingLine, ...]
    warnings: tuple[str, ...] = ()


class Charged(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person pays a week towards care of a given cost, with the whole working."""

    weekly_pence: int
    lines: tuple[WorkingLine, ...]
    weekly_cost_pence: int


def decided(on: date, outcome: Outcome, line: WorkingLine, *warnings: str) -> Assessed:
    """An assessment that one line decides."""
    return Assessed(
        starts_on=on,
        weekly_pence=line.weekly_pence,
        full_cost=outcome == "full_cost",
        provisional=outcome == "provisional",
        outcome=outcome,
        lines=(line,),
        warnings=warnings,
    )
