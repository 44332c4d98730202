"""The figures an assessment uses: by financial year, each with its date, source and standing.

Three dates decide when a year's figure takes effect: the council's own year (1 April), the
amending regulations (6 April), and the benefits week (the Monday on or after 6 April). They
are data, in `rates/*.toml`, and a council's own file may set any figure otherwise.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from ledger.charging.figures import KEYS, STATUSES, Rate
from ledger.charging.rate_files import Year, first_days, package_years, with_council, year_after
from ledger.dates import financial_year
from ledger.errors import RatesMissing, RatesUnreadable

__all__ = ["Finding", "Rate", "RateBook", "check", "load_rates"]

_DAY = timedelta(days=1)


class Finding(NamedTuple):
    """Something about a figure or a file: a fault, or a warning."""

    kind: Literal["fault", "warning"]
    year: str
    key: str
    sentence: str


class RateBook:
    """Every figure of every year known. It refuses a day that it has no figures for."""

    def __init__(self, rates: Mapping[str, tuple[Rate, ...]], ends_before: Mapping[str, date]):
        self.rates = {key: rates[key] for key in KEYS}
        self.years = tuple(rate.year for rate in self.rates["capital_lower_limit"])
        self.last_year = self.years[-1]
        self.first_day = max(line[0].starts_on for line in self.rates.values())
        self.last_day = min(ends_before.values()) - _DAY
        self._ends_before = dict(ends_before)
        self._starts = {key: [rate.starts_on for rate in line] for key, line in rates.items()}
        changes = {
            after.starts_on
            for line in self.rates.values()
            for before, after in pairwise(line)
            if not after.is_sure  # what is said of it names its year
            or (before.value, before.status, before.source)
            != (after.value, after.status, after.source)
        }
        self._changes = sorted(changes)
        later = {day for starts in self._starts.values() for day in starts if day > self.first_day}
        self._days = [self.first_day, *sorted(later)]
        self._in_force = [self._all_on(day) for day in self._days]

    def on(self, key: str, day: date) -> Rate:
        """The figure in force on a day; its own date decides which year's that is."""
        place = bisect_right(self._starts[key], day) - 1
        if place < 0 or day >= self._ends_before[key]:
            raise self._missing(day)
        return self.rates[key][place]

    def in_force(self, day: date) -> Mapping[str, Rate]:
        """Every figure in force on a day, by its key."""
        if not self.first_day <= day <= self.last_day:
            raise self._missing(day)
        return self._in_force[bisect_right(self._days, day) - 1]

    def boundaries(self, first: date, last: date) -> list[date]:
        """The days from a first to a last on which some figure changes."""
        return [day for day in self._changes if first <= day <= last]

    def _all_on(self, day: date) -> dict[str, Rate]:
        return {key: self.on(key, day) for key in self.rates if day < self._ends_before[key]}

    def _missing(self, day: date) -> RatesMissing:
        year = financial_year(day)
        if year in self.years:  # 1 to 5 April: the regulations are still the year before's
            year = year_after(self.years[0], -1)
        return RatesMissing(f"There are no rates for {year}, so not for {day}.", year=year)


def load_rates(council_file: Path | None = None) -> RateBook:
    """The package's figures, with a council's own in their place where its file sets them.

    The council's file may also hold the year after the last, if whole: its three dates and
    every figure.
    """
    if council_file is None:
        return _package_book()
    return _book(with_council(council_file))


def check(council_file: Path | None = None) -> list[Finding]:
    """What is wrong with the rates (faults), and which of them are not confirmed (warnings)."""
    try:
        book = load_rates(council_file)
    except RatesUnreadable as refusal:
        details = refusal.details
        return [Finding("fault", details["year"], details["key"], str(refusal))]
    found = []
    for year in book.years:
        figures = {key: rate for key, line in book.rates.items() for rate in line
                   if rate.year == year}  # fmt: skip
        if figures["capital_upper_limit"].value < figures["capital_lower_limit"].value:
            sentence = "The upper capital limit is below the lower one."
            found.append(Finding("fault", year, "capital_upper_limit", sentence))
        for key, rate in figures.items():
            if not rate.is_sure:
                sentence = f"{KEYS[key][0]}, {rate.shown}: {STATUSES[rate.status]}."
                found.append(Finding("warning", year, key, sentence))
    return sorted(found, key=lambda finding: (finding.kind, finding.year))


@cache
def _package_book() -> RateBook:
    return _book(package_years())


def _book(years: Mapping[str, Year]) -> RateBook:
    """The figures in order of day. What follows the last year is not known, nor guessed."""
    rates = {
        key: tuple(sorted((y.figures[key] for y in years.values()), key=lambda r: r.starts_on))
        for key in KEYS
    }
    last = years[max(years)]
    following = first_days(int(max(years)[:4]) + 1)
    ends_before = {
        key: next(
            following[field] for field in following if last.dates[field] == rates[key][-1].starts_on
        )
        for key in KEYS
    }
    return RateBook(rates, ends_before)
