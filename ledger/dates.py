"""Dates: periods, four-weekly cycles, financial years and bank working days. No clock here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import msgspec

from ledger.errors import BeyondBankHolidayData, InvalidDate, InvalidPeriod

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ONE_DAY = timedelta(days=1)
ENGLAND = ZoneInfo("Europe/London")
_SATURDAY = 5


class Period(msgspec.Struct, frozen=True, order=True):
    """The days from `starts_on` to `ends_on`, both inclusive."""

    starts_on: date
    ends_on: date

    def __post_init__(self) -> None:
        if self.ends_on < self.starts_on:
            raise InvalidPeriod(
                f"A period cannot start on {self.starts_on} and end on {self.ends_on}.",
                starts_on=self.starts_on.isoformat(),
                ends_on=self.ends_on.isoformat(),
            )

    @property
    def days(self) -> int:
        """How many days, counting the first and the last."""
        return (self.ends_on - self.starts_on).days + 1

    def contains(self, day: date) -> bool:
        """Whether the day is one of the period's."""
        return self.starts_on <= day <= self.ends_on

    def overlap(self, other: Period) -> Period | None:
        """The days in both periods, or None when they share no day."""
        starts_on = max(self.starts_on, other.starts_on)
        ends_on = min(self.ends_on, other.ends_on)
        return Period(starts_on, ends_on) if starts_on <= ends_on else None


def parse_date(text: object, field: str = "date") -> date:
    """Read a date written YYYY-MM-DD, and in no other way."""
    if isinstance(text, str) and _ISO_DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # written well, but no such day: 2026-02-30
    raise InvalidDate(f"{field}: {text!r} is not a date written YYYY-MM-DD.", field=field)


def four_weekly(starts_on: date, weeks: int = 4) -> Period:
    """The payment period of whole weeks (four, unless told) that starts on a day."""
    return Period(starts_on, starts_on + timedelta(days=7 * weeks - 1))


def day_in_england(moment: datetime) -> date:
    """The day it is in England at a moment: an hour ahead of UTC in summer."""
    return moment.astimezone(ENGLAND).date()


def financial_year(day: date) -> str:
    """The local authority's year a day falls in, 1 April to 31 March, such as "2026/27"."""
    first = day.year - (day.month < 4)
    return f"{first}/{(first + 1) % 100:02d}"


def financial_year_end(day: date) -> date:
    """The 31 March on which the year a day falls in ends."""
    return date(day.year + (day.month > 3), 3, 31)


class WorkingDays:
    """The days banks work: not a weekend, not a bank holiday, and never a guess.

    `last_covered_on` is the last day the bank holidays are known for; the first is 1 January
    of the earliest one's year. A day outside is refused with `BeyondBankHolidayData`.
    """

    __slots__ = ("bank_holidays", "covers")

    def __init__(self, bank_holidays: frozenset[date], last_covered_on: date) -> None:
        first_year = min(bank_holidays, default=last_covered_on).year
        self.bank_holidays = bank_holidays
        self.covers = Period(date(first_year, 1, 1), last_covered_on)

    def is_working_day(self, day: date) -> bool:
        """Whether banks work on the day."""
        self.require_covered(day)
        return day.weekday() < _SATURDAY and day not in self.bank_holidays

    def previous(self, day: date) -> date:
        """The last working day strictly before a day."""
        return self.on_or_before(day - _ONE_DAY)

    def next(self, day: date) -> date:
        """The first working day strictly after a day."""
        day += _ONE_DAY
        while not self.is_working_day(day):
            day += _ONE_DAY
        return day

    def after(self, day: date, working_days: int) -> date:
        """The working day so many working days after a day."""
        for _ in range(working_days):
            day = self.next(day)
        return day

    def on_or_before(self, day: date) -> date:
        """The day itself if banks work on it, otherwise the last working day before it."""
        while not self.is_working_day(day):
            day -= _ONE_DAY
        return day

    def require_covered(self, day: date) -> None:
        """Refuse a day that the bank holiday data says nothing about."""
        if not self.covers.contains(day):
            raise BeyondBankHolidayData(
                f"Bank holidays are known from {self.covers.starts_on} to {self.covers.ends_on}: "
                f"whether {day} is a working day is not known.",
                date=day.isoformat(),
            )


def england(added: Iterable[date] = (), removed: Iterable[date] = ()) -> WorkingDays:
    """England's working days, from the copy of GOV.UK's list inside govuk-bank-holidays.

    `added` and `removed` are an administrator's corrections for days proclaimed or moved at
    short notice (as in 2022 and 2023). They cannot stretch the years the list covers: a
    correction outside them is refused with `BeyondBankHolidayData`.
    """
    published = _published()
    added, removed = frozenset(added), frozenset(removed)
    for day in sorted(added | removed):
        published.require_covered(day)
    if not added and not removed:
        return published
    return WorkingDays((published.bank_holidays | added) - removed, published.covers.ends_on)


@cache
def _published() -> WorkingDays:
    """GOV.UK's list for England and Wales, read once, offline.

    GOV.UK publishes whole years, so a list that reaches Christmas covers its last year.
    """
    # Imported here: it loads an HTTP client (0.2 s), which only who asks should wait for.
    from govuk_bank_holidays.bank_holidays import BankHolidays  # noqa: PLC0415

    source = BankHolidays(use_cached_holidays=True)
    listed = source.get_holidays(division=BankHolidays.ENGLAND_AND_WALES)
    bank_holidays = frozenset(holiday["date"] for holiday in listed)
    last = max(bank_holidays)
    return WorkingDays(bank_holidays, date(last.year, 12, 31) if last.month == 12 else last)
