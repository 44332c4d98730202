"""The pay calendar: periods, references, pay dates, and when each is to be prepared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest

from ledger.dates import day_in_england, england
from ledger.errors import BeyondBankHolidayData
from ledger.pay_calendar import PayCalendar, months_after
from tests.given import days, on

FOUR_WEEKLY = PayCalendar("four_weekly", on("04-06"))
WEEKLY = PayCalendar("weekly", on("04-06"))
MONTHLY = PayCalendar("calendar_monthly", on("04-01"))


def firsts(calendar: PayCalendar, how_many: int) -> list[str]:
    return [f"{p.starts_on} {p.ends_on}" for p in islice(calendar.periods(), how_many)]


def paid(calendar: PayCalendar, starts_on: str) -> str:
    period = next(p for p in calendar.periods() if p.starts_on == on(starts_on))
    return str(calendar.pay_on(period, england()))


# --- periods ------------------------------------------------------------------------------


@pytest.mark.parametrize("cadence", ["four_weekly", "weekly", "calendar_monthly"])
@pytest.mark.parametrize("day", ["2026-04-06", "2026-01-31", "2028-02-29", "2027-12-31"])
def test_periods_follow_each_other_without_gap_or_overlap(cadence, day):
    calendar = PayCalendar(cadence, on(day))
    periods = list(islice(calendar.periods(), 130))
    assert periods[0].starts_on == on(day)
    assert all(b.starts_on == a.ends_on + timedelta(days=1) for a, b in pairwise(periods))


def test_four_weeks_run_on_over_the_financial_year_and_the_year_end():
    assert firsts(FOUR_WEEKLY, 14)[9:] == [
        "2026-12-14 2027-01-10",
        "2027-01-11 2027-02-07",
        "2027-02-08 2027-03-07",
        "2027-03-08 2027-04-04",
        "2027-04-05 2027-05-02",
    ]


def test_months_keep_to_the_day_they_began_on():
    assert firsts(PayCalendar("calendar_monthly", on("2028-01-31")), 4) == [
        "2028-01-31 2028-02-28",
        "2028-02-29 2028-03-30",
        "2028-03-31 2028-04-29",
        "2028-04-30 2028-05-30",
    ]
    assert firsts(PayCalendar("calendar_monthly", on("2028-02-29")), 13)[-1:] == [
        "2029-02-28 2029-03-28"
    ]


def test_29_february_is_a_day_of_its_period_like_any_other():
    period = next(p for p in WEEKLY.periods() if p.contains(on("2028-02-29")))
    assert (period, period.days) == (days("2028-02-28", "2028-03-05"), 7)
    month = next(p for p in MONTHLY.periods() if p.contains(on("2028-02-29")))
    assert (month, month.days) == (days("2028-02-01", "2028-02-29"), 29)


def test_the_last_period_is_cut_short_where_the_calendar_ends():
    """Hampshire, 2023: by the month to November, ten days in December, then every four weeks."""
    ending = PayCalendar("calendar_monthly", on("2023-10-01"), on("2023-12-10"))
    assert firsts(ending, 9) == [
        "2023-10-01 2023-10-31",
        "2023-11-01 2023-11-30",
        "2023-12-01 2023-12-10",
    ]
    ends_with_a_period = PayCalendar("weekly", on("04-06"), on("04-19"))
    assert firsts(ends_with_a_period, 9) == ["2026-04-06 2026-04-12", "2026-04-13 2026-04-19"]


# --- pay dates ----------------------------------------------------------------------------


def test_the_friday_before_easter_is_moved_to_the_thursday():
    assert paid(FOUR_WEEKLY, "04-06") == "2026-04-02"  # 3 April 2026 is Good Friday
    assert paid(FOUR_WEEKLY, "05-04") == "2026-05-01"  # the Monday is a bank holiday


def test_the_friday_before_a_friday_is_a_week_before():
    assert paid(PayCalendar("weekly", on("2026-06-05")), "2026-06-05") == "2026-05-29"


def test_the_friday_before_over_christmas():
    weekly = PayCalendar("weekly", on("2026-12-21"))
    assert paid(weekly, "2026-12-28") == "2026-12-24"  # Friday is Christmas Day
    assert paid(weekly, "2027-01-04") == "2026-12-31"  # Friday is New Year's Day


@pytest.mark.parametrize(
    ("working_days_before", "starts_on", "expected"),
    [
        ("0", "2026-06-08", "2026-06-08"),
        ("0", "2026-04-06", "2026-04-02"),  # Easter Monday
        ("0", "2026-06-06", "2026-06-05"),  # a Saturday
        ("1", "2026-06-08", "2026-06-05"),
        ("1", "2026-04-06", "2026-04-02"),  # not a day more than from any other Monday
        ("1", "2026-06-06", "2026-06-05"),
        ("2", "2026-04-06", "2026-04-01"),
        ("3", "2027-01-01", "2026-12-29"),
        ("1", "2028-03-01", "2028-02-29"),
    ],
)
def test_so_many_working_days_before_the_first_day(working_days_before, starts_on, expected):
    calendar = PayCalendar("weekly", on(starts_on), pay_day=working_days_before)
    assert paid(calendar, starts_on) == expected


@pytest.mark.parametrize("calendar", [FOUR_WEEKLY, WEEKLY, MONTHLY])
@pytest.mark.parametrize("pay_day", ["friday_before", "0", "1", "5"])
def test_every_pay_date_is_a_working_day_and_none_is_late(calendar, pay_day):
    calendar, working = calendar._replace(pay_day=pay_day), england()
    for due in calendar.due(on("2028-11-30"), working):
        assert working.is_working_day(due.pay_on)
        assert due.pay_on <= due.period.starts_on


# --- when to prepare ----------------------------------------------------------------------


def due_on(calendar: PayCalendar, day: date) -> list[str]:
    return [due.reference for due in calendar.due(day, england())]


def test_a_period_is_due_so_many_days_before_its_first_and_stays_due():
    assert due_on(FOUR_WEEKLY, on("03-22")) == []
    assert due_on(FOUR_WEEKLY, on("03-23")) == ["2026-04-06"]
    assert due_on(FOUR_WEEKLY, on("04-20")) == ["2026-04-06", "2026-05-04"]
    assert due_on(FOUR_WEEKLY._replace(prepare_days_ahead=0), on("04-05")) == []


def test_nothing_is_guessed_beyond_the_bank_holidays_known():
    assert due_on(FOUR_WEEKLY, on("2028-12-04"))[-1] == "2028-12-11"
    with pytest.raises(BeyondBankHolidayData):
        due_on(WEEKLY._replace(prepare_days_ahead=30), on("2028-12-31"))


@pytest.mark.parametrize("calendar", [FOUR_WEEKLY, WEEKLY, MONTHLY])
def test_every_hour_of_three_years_makes_each_period_due_once(calendar):
    """Whatever the clocks do, and over 29 February 2028: no period twice, none left out."""
    moment, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2028, 11, 1, tzinfo=UTC)
    became_due: list[str] = []
    last_day = date.min
    while moment < end:
        today = day_in_england(moment)
        assert today >= last_day, "the day never goes back, though the clock does"
        if today != last_day:
            last_day = today
            known = due_on(calendar, today)
            assert known[: len(became_due)] == became_due
            assert len(known) - len(became_due) in (0, 1)
            became_due = known
        moment += timedelta(hours=1)
    expected = [p.starts_on.isoformat() for p in islice(calendar.periods(), len(became_due))]
    assert became_due == expected
    assert len(became_due) > 30


def test_months_after():
    assert months_after(on("2027-08-31"), 6) == on("2028-02-29")
    assert months_after(on("2028-02-29"), 12) == on("2029-02-28")
    assert months_after(on("2026-12-31"), 0) == on("2026-12-31")
