"""Reads a file of financial assessments: one CSV row for each thing that was told.

`ledger.assessment_columns` defines the columns. A file with any fault is refused whole, with
every fault listed. Reasons never repeat what a cell holds: all of it is personal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec

from ledger.aggregates.contributions import ArrearsRecovery
from ledger.assessment_columns import COLUMNS, ITEMS, KINDS
from ledger.charging.facts import (
    OLDEST,
    CapitalLine,
    DisabilityCost,
    Facts,
    HousingCost,
    IncomeLine,
    faults,
)
from ledger.commands import LAST_DAY
from ledger.csv_reading import CsvReading, Values
from ledger.errors import AssessmentFileRefused
from ledger.terms import ContributionBasis

_LINES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "income": ("income", IncomeLine),
    "capital": ("capital", CapitalLine),
    "housing": ("housing", HousingCost),
    "disability_cost": ("disability_costs", DisabilityCost),
}
"""Where the rows of an item stand in `Facts`, and as what."""

_COLUMN_OF = {"light_touch_ground": "kind", "provisional_weekly": "amount"}
_LIGHT_TOUCH = ("significant_resources", "benefits_show_nil", "not_contacted")


class FiledAssessment(msgspec.Struct, frozen=True):
    """One assessment of a file; `line` is that of its assessment row.

    Where the file gives no date of birth it is None, and `told` has a stand-in."""

    line: int
    budget_reference: str
    assessment_reference: str
    effective_on: date
    decided_on: date
    basis: ContributionBasis | None
    recovery: ArrearsRecovery | None
    weekly_cap_pence: int | None
    date_of_birth: date | None
    told: Facts

    def __repr__(self) -> str:
        return f"FiledAssessment(budget_reference={self.budget_reference!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("budget_reference", self.budget_reference)]

    def facts(self, date_of_birth: date) -> Facts:
        """What was told of a person born on a day."""
        return msgspec.structs.replace(self.told, date_of_birth=date_of_birth)


class AssessmentFile(msgspec.Struct, frozen=True):
    """A whole file: its SHA-256 (hex) and its assessments, in order of first appearance."""

    sha256: str
    assessments: tuple[FiledAssessment, ...]


def read_assessments(data: bytes) -> AssessmentFile:
    """Read an assessment file (CSV, UTF-8, header in any order), or raise `AssessmentFileRefused`.

    The refusal's `faults` are all the faults there are, by line and then by column.
    """
    reading = _Reading()
    for line, values in reading.rows(data):
        reading.row(line, values)
    for draft in reading.drafts.values():
        reading.whole(draft)
    if reading.faults:
        raise AssessmentFileRefused(reading.in_order())
    filed = tuple(draft.build() for draft in reading.drafts.values())
    return AssessmentFile(hashlib.sha256(data).hexdigest(), filed)


class _Draft:
    """One assessment while its rows are read, by item; rows with a fault are left out of it."""

    __slots__ = ("first_line", "itself", "premiums", "rows")

    def __init__(self, line: int) -> None:
        self.first_line = line
        self.itself: tuple[int, Values] | None = None
        self.premiums: dict[str, int] = {}
        self.rows: dict[str, list[tuple[int, msgspec.Struct]]] = {item: [] for item in _LINES}

    def facts(self, values: Values) -> Facts:
        """What was told; what the assessment row does not say is stood in for, without fault."""
        way: Any = values.get("kind") or "full"
        return Facts(
            date_of_birth=values.get("date_of_birth") or OLDEST,
            household=values.get("household") or "couple",
            children=values.get("children") or 0,
            assessment=(
                "light_touch"
                if way in _LIGHT_TOUCH
                else "declined"
                if way == "declined"
                else "full"
            ),
            light_touch_ground=way if way in _LIGHT_TOUCH else None,
            provisional_weekly_pence=values.get("amount") if "kind" in values else None,
            free_person="cjd" if way == "cjd" else None,
            disability_premium="disability" in self.premiums,
            enhanced_disability_premium="enhanced_disability" in self.premiums,
            carer_premium="carer" in self.premiums,
            partner_date_of_birth=values.get("partner_date_of_birth"),
            **self._lines(),
        )

    def _lines(self) -> dict[str, Any]:
        return {
            _LINES[item][0]: tuple(line for _, line in rows) for item, rows in self.rows.items()
        }

    def place(self, field: str) -> tuple[int, str]:
        """The line and the column of a field of the facts, such as "income[1].tax_pence"."""
        for item, (name, _) in _LINES.items():
            if field == name:  # all of them together: there are too many
                return self.rows[item][-1][0], "item"
        column = field.rpartition(".")[2].removesuffix("_pence")
        named = re.match(r"(\w+)\[(\d+)\]", field)
        if named is None:
            line = self.itself[0] if self.itself else self.first_line
        else:
            item = next(item for item, (name, _) in _LINES.items() if name == named[1])
            line = self.rows[item][int(named[2])][0]
        return line, _COLUMN_OF.get(column, column)

    def build(self) -> FiledAssessment:
        assert self.itself is not None, "a file without faults has the row of each assessment"
        line, values = self.itself
        return FiledAssessment(
            line=line,
            budget_reference=values["budget_reference"],
            assessment_reference=values["assessment_reference"] or "",
            effective_on=values["effective_on"],
            decided_on=values["decided_on"],
            basis=values["basis"],
            recovery=values["recovery"],
            weekly_cap_pence=values["weekly_cap"],
            date_of_birth=values["date_of_birth"],
            told=self.facts(values),
        )


class _Reading(CsvReading):
    """One pass over an assessment file: faults are collected, never raised."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, "an assessment file's", with_blanks=True)
        self.drafts: dict[tuple[str, str], _Draft] = {}
        self.is_unclear = False  # whether some row could not be told whose it is

    def row(self, line: int, values: Values) -> None:
        before = len(self.faults)
        item = values.get("item")
        if item is not None:
            self._within_row(line, item, values)
        if item is None or not {"budget_reference", "assessment_reference"} <= values.keys():
            self.is_unclear = True
            return
        key = values["budget_reference"], values["assessment_reference"] or ""
        draft = self.drafts.setdefault(key, _Draft(line))
        if item == "assessment":
            self._itself(line, values, draft)
        elif item == "premium":
            self._premium(line, values, draft)
        elif len(self.faults) == before and values.keys() >= _FILLED[item]:
            draft.rows[item].append((line, _line(item, values)))

    def _within_row(self, line: int, item: str, values: Values) -> None:
        for column in COLUMNS:
            if column.name not in values or column.required:
                continue
            is_blank = values[column.name] is None
            if is_blank and item in column.needed_on:
                self.fault(line, column.name, f"Must not be blank on a row of item {item}.")
            elif not is_blank and item not in (*column.needed_on, *column.taken_on):
                self.fault(line, column.name, f"Must be blank on a row of item {item}.")
        kind = values.get("kind")
        if kind is not None and kind not in KINDS[item]:
            del values["kind"]
            self.fault(line, "kind", f"Of item {item}, must be one of: {', '.join(KINDS[item])}.")
        if values.get("weekly_cap") and values.get("recovery") in ("net_off", "invoice"):
            self.fault(line, "weekly_cap", "Goes with the recovery weekly_cap.")

    def _itself(self, line: int, values: Values, draft: _Draft) -> None:
        if draft.itself is None:
            draft.itself = line, values
        else:
            first = draft.itself[0]
            self.fault(line, "item", f"Line {first} is the assessment row of the same assessment.")

    def _premium(self, line: int, values: Values, draft: _Draft) -> None:
        kind = values.get("kind")
        first = draft.premiums.setdefault(kind, line) if kind else line
        if first != line:
            self.fault(line, "kind", f"Repeats line {first}: the same premium.")

    def whole(self, draft: _Draft) -> None:
        """What is wrong with an assessment as a whole, once all its rows are read."""
        if draft.itself is None and not self._may_lack_rows():
            self.fault(
                draft.first_line, "item", "This budget and assessment have no assessment row."
            )
        values = draft.itself[1] if draft.itself else {}
        told = draft.facts(values)
        for field, sentence in faults(told, values.get("decided_on") or LAST_DAY):
            line, column = draft.place(field)
            reason = re.sub(
                r"\w+\[\d+\]", lambda other: f"line {draft.place(other[0])[0]}", sentence
            )
            self.fault(line, column, f"{reason[0].upper()}{reason[1:]}")

    def _may_lack_rows(self) -> bool:
        """Whether rows were lost to faults of their own, so that what is missing is no fault."""
        return self.is_unclear or any(not fault.column for fault in self.faults)


def _fields(item: str) -> Iterator[tuple[str, str]]:
    """The columns that make a line of an item, and the fields they make."""
    for field in _LINES[item][1].__struct_fields__:
        yield field.removesuffix("_pence"), field


_FILLED = {item: {column for column, _ in _fields(item)} for item in ITEMS if item in _LINES}


def _line(item: str, values: Values) -> msgspec.Struct:
    given = {field: values[column] for column, field in _fields(item)}
    return _LINES[item][1](**{f: value for f, value in given.items() if value is not None})
