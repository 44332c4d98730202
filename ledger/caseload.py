"""Reads a council's caseload file: one CSV row for each allocation line of each budget.

`ledger.caseload_columns` defines the columns. A file with any fault is refused whole, with
every fault listed. Reasons never repeat what a cell holds, because a shifted column puts
account numbers anywhere.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import date
from typing import Any

import msgspec

from ledger.aggregates.care_decisions import LegalBasis, ReturnFrequency, SupportReason
from ledger.aggregates.payees import PayeeType
from ledger.caseload_columns import COLUMNS, FIELDS
from ledger.csv_reading import CsvReading, Values
from ledger.errors import CaseloadRefused
from ledger.terms import ContributionBasis, Deployment

# --- what a file holds ------------------------------------------------------------------------


class CaseloadLine(msgspec.Struct, frozen=True, gc=False):
    """One allocation line; exactly one of `weekly_pence` and `one_off_pence` is set.

    `line_reference` is "need.funding_stream"; when the pair repeats with other start dates,
    the second by start date has ".2", the third ".3". The order of rows does not matter.
    """

    line_reference: str
    need: str
    funding_stream: str
    deployment: Deployment
    weekly_pence: int | None
    one_off_pence: int | None
    starts_on: date
    ends_on: date | None
    cost_centre: str | None


class CaseloadBudget(msgspec.Struct, frozen=True, gc=False):
    """One budget with its lines, in order of start date; it holds personal data.

    `paid_to` is the last day that the previous system has already paid to.
    """

    budget_reference: str
    recipient_reference: str
    recipient_name: str
    date_of_birth: date
    legal_basis: LegalBasis
    support_reason: SupportReason
    starts_on: date
    paid_to: date | None
    agreement_version: str
    agreement_signed_on: date
    contribution_weekly_pence: int
    contribution_basis: ContributionBasis
    contribution_from: date
    payee_type: PayeeType
    account_name: str
    sort_code: str
    account_number: str
    return_frequency: ReturnFrequency
    lines: tuple[CaseloadLine, ...]

    def __repr__(self) -> str:
        return f"CaseloadBudget(budget_reference={self.budget_reference!r}, ...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("budget_reference", self.budget_reference)]


class Caseload(msgspec.Struct, frozen=True):
    """A whole file: its SHA-256 (hex) and its budgets, in order of first appearance."""

    sha256: str
    budgets: tuple[CaseloadBudget, ...]


# --- reading ----------------------------------------------------------------------------------


def read_caseload(data: bytes) -> Caseload:
    """Read a caseload file (CSV, UTF-8, header in any order), or raise `CaseloadRefused`.

    The refusal's `faults` are all the faults there are, by line and then by column. The line
    of a row is the one it starts on; where the text is not UTF-8 or the quoting is broken,
    what can still be read is still checked.
    """
    reading = _Reading()
    for line, values in reading.rows(data):
        reading.row(line, values)
    reading.across_budgets()
    if reading.faults:
        raise CaseloadRefused(reading.in_order())
    budgets = tuple(drawn.build() for drawn in reading.drafts.values())
    return Caseload(hashlib.sha256(data).hexdigest(), budgets)


class _Draft:
    """One budget while its rows are read: what each column says, and on which line first."""

    __slots__ = ("first_line", "first_seen", "lines", "seen_lines", "values")

    def __init__(self, line: int, values: Values) -> None:
        self.first_line = line
        self.first_seen: dict[str, int] = {}  # columns that have no value on the first line
        self.values = values
        self.lines: list[Values] = []
        self.seen_lines: dict[tuple[Any, ...], int] = {}

    def line_of(self, name: str) -> int:
        """The first line with a value in a column."""
        return self.first_seen.get(name, self.first_line)

    def build(self) -> CaseloadBudget:
        counts: defaultdict[str, int] = defaultdict(int)
        lines = []
        for line in sorted(self.lines, key=_line_order):
            pair = f"{line['need']}.{line['funding_stream']}"
            counts[pair] += 1
            reference = pair if counts[pair] == 1 else f"{pair}.{counts[pair]}"
            fields = {field: line[name] for name, field in FIELDS["line"].items()}
            lines.append(CaseloadLine(reference, **fields))
        fields = {field: self.values[name] for name, field in FIELDS["budget"].items()}
        return CaseloadBudget(lines=tuple(lines), **fields)


def _line_order(line: Values) -> tuple[date, str, str]:
    return line["line_start_date"], line["need"], line["funding_stream"]


class _Reading(CsvReading):
    """One pass over a caseload file: faults are collected, never raised."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, "a caseload file's")
        self.drafts: dict[str, _Draft] = {}

    def row(self, line: int, values: Values) -> None:
        self.within_row(line, values)
        reference = values.get("budget_reference")
        if reference is None:
            return
        draft = self.drafts.get(reference)
        if draft is None:
            draft = self.drafts[reference] = _Draft(line, values)
        else:
            self.agreement(line, values, draft)
        self.add_line(line, values, draft)

    def within_row(self, line: int, values: Values) -> None:
        weekly, one_off = values.get("weekly_amount", 0), values.get("one_off_amount", 0)
        if weekly is None and one_off is None:
            self.fault(line, "weekly_amount", "Give either weekly_amount or one_off_amount.")
        elif weekly and one_off:
            self.fault(line, "one_off_amount", "Give only one of weekly_amount and one_off_amount.")
        for earlier, later, at in (
            ("date_of_birth", "start_date", "date_of_birth"),
            ("start_date", "line_start_date", "line_start_date"),
            ("line_start_date", "line_end_date", "line_end_date"),
        ):
            first, second = values.get(earlier), values.get(later)
            if first and second and second < first:
                self.fault(line, at, f"{later} is before {earlier}.")

    def agreement(self, line: int, values: Values, draft: _Draft) -> None:
        """What a budget's rows say of the budget must be the same on each."""
        for name in FIELDS["budget"]:
            if name not in values:
                continue
            if name not in draft.values:
                draft.values[name], draft.first_seen[name] = values[name], line
            elif draft.values[name] != values[name]:
                first = draft.line_of(name)
                self.fault(line, name, f"Differs from line {first} for the same budget.")

    def add_line(self, line: int, values: Values, draft: _Draft) -> None:
        key = (values.get("need"), values.get("funding_stream"), values.get("line_start_date"))
        if None not in key:
            first = draft.seen_lines.setdefault(key, line)
            if first != line:
                self.fault(
                    line,
                    "line_start_date",
                    f"Repeats line {first}: same budget, need, funding_stream and start.",
                )
        draft.lines.append(values)

    def across_budgets(self) -> None:
        """One person has one name and one date of birth in all their budgets."""
        known: dict[tuple[str, str], tuple[Any, int]] = {}
        for draft in self.drafts.values():
            person = draft.values.get("recipient_reference")
            for name in ("recipient_name", "date_of_birth"):
                if person is None or name not in draft.values:
                    continue
                line = draft.line_of(name)
                value, first = known.setdefault((person, name), (draft.values[name], line))
                if value != draft.values[name]:
                    self.fault(line, name, f"Differs from line {first} for the same recipient.")
