"""Ages that an assessment turns on: birthdays and State Pension age."""

from __future__ import annotations

import calendar
from datetime import date
from functools import lru_cache

STATE_PENSION_AGE_SOURCE = "Pensions Act 2014, s.26; Pensions Act 2007, s.13 and Schedule 3"


def birthday(date_of_birth: date, age: int) -> date:
    """The day an age is reached; someone born on 29 February reaches it on 1 March."""
    year = date_of_birth.year + age
    if date_of_birth.month == 2 and date_of_birth.day == 29 and not calendar.isleap(year):
        return date(year, 3, 1)
    return date_of_birth.replace(year=year)


@lru_cache(maxsize=100_000)
def state_pension_on(date_of_birth: date) -> date:
    """The day State Pension age is reached, the same for women and men.

    66 for those born before 6 April 1960, then a month later for each month to 67 (born from
    6 March 1961), and 68 for those born from 6 April 1977. Those who reached 60 to 65 under
    older rules did so before 6 October 2020; the steps from 67 to 68 fall from 2044 to 2046:
    no year of rates is near either.
    """
    if date_of_birth >= date(1977, 4, 6):
        return birthday(date_of_birth, 68)
    months = (date_of_birth.year - 1960) * 12 + date_of_birth.month - 4 + (date_of_birth.day >= 6)
    if months <= 0:
        return birthday(date_of_birth, 66)
    if months >= 12:
        return birthday(date_of_birth, 67)
    return _months_after(birthday(date_of_birth, 66), months)


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or the month's last day where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
