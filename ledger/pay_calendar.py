"""The pay calendar: which periods follow on each other, when each is paid and prepared.

Pure: built from the settings by whoever asks, and given the day.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Literal, NamedTuple

from ledger.dates import Period, WorkingDays

Cadence = Literal["four_weekly", "weekly", "calendar_monthly"]

FRIDAY_BEFORE = "friday_before"
_FRIDAY = 4
_DAY = timedelta(days=1)


class PayPeriod(NamedTuple):
    """One period of the calendar and the cycle that is to pay it."""

    reference: str
    period: Period
    pay_on: date


class PayCalendar(NamedTuple):
    """Periods without gaps from a first day on; the last is cut short where the calendar ends.

    `pay_day` is "friday_before", or how many working days before a period's first day payees
    have the money ("0": the first day itself, or the working day before it). A period is
    prepared `prepare_days_ahead` days before its first day.
    """

    cadence: Cadence
    starts_on: date
    ends_on: date | None = None
    pay_day: str = FRIDAY_BEFORE
    prepare_days_ahead: int = 14

    def periods(self) -> Iterator[Period]:
        """Every period in order; without end, unless the calendar has one."""
        for number in count():
            first, next_first = self._first_day(number), self._first_day(number + 1)
            if self.ends_on is not None and first > self.ends_on:
                return
            last = next_first - _DAY
            yield Period(first, last if self.ends_on is None else min(last, self.ends_on))

    def due(self, today: date, days: WorkingDays) -> list[PayPeriod]:
        """The periods to be prepared by a day, in order; those prepared long ago too.

        The pay dates are the calendar's own: one may be past, if nobody prepared in time.
        """
        found = []
        for period in self.periods():
            if period.starts_on - timedelta(days=self.prepare_days_ahead) > today:
                break
            reference = period.starts_on.isoformat()
            found.append(PayPeriod(reference, period, self.pay_on(period, days)))
        return found

    def pay_on(self, period: Period, days: WorkingDays) -> date:
        """The day payees are paid for a period: moved back to a working day, never on."""
        if self.pay_day == FRIDAY_BEFORE:
            since_friday = (period.starts_on.weekday() - _FRIDAY) % 7 or 7
            return days.on_or_before(period.starts_on - timedelta(days=since_friday))
        if self.pay_day == "0":
            return days.on_or_before(period.starts_on)
        day = period.starts_on
        for _ in range(int(self.pay_day)):
            day = days.previous(day)
        return day

    def _first_day(self, number: int) -> date:
        if self.cadence != "calendar_monthly":
            weeks = 4 if self.cadence == "four_weekly" else 1
            return self.starts_on + timedelta(weeks=weeks * number)
        return months_after(self.starts_on, number)


def months_after(day: date, months: int) -> date:
    """The same day so many months on, or the month's last: 31 January, 29 February, 31 March."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def input_day(pay_on: date, days: WorkingDays) -> date:
    """The last day on which a file can be sent to Bacs that pays on a day."""
    return days.previous(days.previous(pay_on))
