"""Dates: periods, cycles, financial years, and the days banks work."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.dates import (
    Period,
    WorkingDays,
    day_in_england,
    england,
    financial_year,
    four_weekly,
    parse_date,
)
from ledger.errors import BeyondBankHolidayData, InvalidDate, InvalidPeriod

DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))
COVERED = st.dates(date(2012, 2, 1), date(2028, 11, 30))

BANK_HOLIDAYS = {
    2026: ["01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-28"],
    2027: ["01-01", "03-26", "03-29", "05-03", "05-31", "08-30", "12-27", "12-28"],
}


def period(starts_on: str, ends_on: str) -> Period:
    return Period(date.fromisoformat(starts_on), date.fromisoformat(ends_on))


# --- periods ------------------------------------------------------------------------------


def test_a_period_counts_its_first_and_last_day() -> None:
    assert period("2026-04-06", "2026-04-06").days == 1
    assert period("2026-04-06", "2026-05-03").days == 28


def test_a_period_contains_both_its_ends_and_nothing_outside() -> None:
    week = period("2026-04-06", "2026-04-12")
    assert week.contains(date(2026, 4, 6))
    assert week.contains(date(2026, 4, 12))
    assert not week.contains(date(2026, 4, 5))
    assert not week.contains(date(2026, 4, 13))


def test_a_period_that_ends_before_it_starts_is_refused_even_when_decoded() -> None:
    with pytest.raises(InvalidPeriod):
        period("2026-04-07", "2026-04-06")
    with pytest.raises(InvalidPeriod):
        msgspec.json.decode(b'{"starts_on":"2026-04-07","ends_on":"2026-04-06"}', type=Period)


def test_a_period_survives_encoding_as_two_plain_dates() -> None:
    week = period("2026-04-06", "2026-04-12")
    encoded = msgspec.json.encode(week)
    assert encoded == b'{"starts_on":"2026-04-06","ends_on":"2026-04-12"}'
    assert msgspec.json.decode(encoded, type=Period) == week


def test_periods_sort_by_start_and_then_end() -> None:
    early, longer, late = (
        period("2026-04-06", "2026-04-12"),
        period("2026-04-06", "2026-04-19"),
        period("2026-04-13", "2026-04-13"),
    )
    assert sorted([late, longer, early]) == [early, longer, late]


def test_adjoining_periods_do_not_overlap_and_touching_ones_share_a_day() -> None:
    week = period("2026-04-06", "2026-04-12")
    assert week.overlap(period("2026-04-13", "2026-04-19")) is None
    assert week.overlap(period("2026-04-12", "2026-04-19")) == period("2026-04-12", "2026-04-12")


@given(DAYS, st.integers(0, 90), DAYS, st.integers(0, 90))
def test_the_overlap_is_exactly_the_days_in_both(a: date, m: int, b: date, n: int) -> None:
    one, other = Period(a, a + timedelta(days=m)), Period(b, b + timedelta(days=n))
    shared = one.overlap(other)
    days = [a + timedelta(days=i) for i in range(m + 1) if other.contains(a + timedelta(days=i))]
    assert shared == other.overlap(one)
    assert shared == (Period(days[0], days[-1]) if days else None)


def test_four_weeks_are_28_days_and_adjoin_the_next_four() -> None:
    first = four_weekly(date(2026, 4, 6))
    assert first == period("2026-04-06", "2026-05-03")
    assert four_weekly(first.ends_on + timedelta(days=1)).starts_on == date(2026, 5, 4)
    assert four_weekly(date(2026, 4, 6), weeks=1).days == 7


def test_a_cycle_of_no_weeks_is_refused() -> None:
    with pytest.raises(InvalidPeriod):
        four_weekly(date(2026, 4, 6), weeks=0)


# --- dates as text and financial years ----------------------------------------------------


def test_a_date_written_year_month_day_is_read() -> None:
    assert parse_date("2026-12-29", "effective_on") == date(2026, 12, 29)


@pytest.mark.parametrize(
    "text",
    [
        *("", "29/12/2026", "20261229", "2026-W53-2", "2026-12-29 ", "2026-12-29\n", "26-12-29"),
        *("2026-1-1", "2026-02-30", "2026-13-01", "0000-01-01", "2026-12-29T00:00"),
        "２０２６-12-29",  # noqa: RUF001
    ],
)
def test_any_other_writing_of_a_date_is_refused_and_names_the_field(text: str) -> None:
    with pytest.raises(InvalidDate, match="effective_on") as refused:
        parse_date(text, "effective_on")
    assert refused.value.details == {"field": "effective_on"}


def test_what_is_not_text_is_not_a_date() -> None:
    with pytest.raises(InvalidDate):
        parse_date(20261229, "effective_on")


@given(DAYS)
def test_a_printed_date_reads_back(day: date) -> None:
    assert parse_date(day.isoformat(), "day") == day


def test_the_financial_year_turns_on_the_first_of_april() -> None:
    assert financial_year(date(2026, 3, 31)) == "2025/26"
    assert financial_year(date(2026, 4, 1)) == "2026/27"
    assert financial_year(date(2027, 1, 1)) == "2026/27"
    assert financial_year(date(2099, 4, 1)) == "2099/00"


# --- working days -------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2026, 2027])
def test_the_weekdays_banks_close_are_englands_bank_holidays(year: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=i) for i in range(365)]
    closed = [d for d in days if d.weekday() < 5 and not england().is_working_day(d)]
    assert [f"{d:%m-%d}" for d in closed] == BANK_HOLIDAYS[year]


def test_weekends_are_not_working_days() -> None:
    assert england().is_working_day(date(2026, 12, 24))
    assert not england().is_working_day(date(2026, 12, 26))
    assert not england().is_working_day(date(2026, 12, 27))


def test_the_coronation_bank_holiday_of_8_may_2023_is_known() -> None:
    assert not england().is_working_day(date(2023, 5, 8))


@pytest.mark.parametrize(
    ("pay", "processing", "input_by"),
    [
        ("2026-12-29", "2026-12-24", "2026-12-23"),
        ("2026-12-31", "2026-12-30", "2026-12-29"),
        ("2026-04-07", "2026-04-02", "2026-04-01"),
    ],
)
def test_the_bacs_days_before_a_pay_date_step_over_holidays(
    pay: str, processing: str, input_by: str
) -> None:
    days = england()
    assert days.previous(date.fromisoformat(pay)) == date.fromisoformat(processing)
    assert days.previous(date.fromisoformat(processing)) == date.fromisoformat(input_by)


def test_money_due_on_new_years_day_2027_enters_on_31_december() -> None:
    assert england().on_or_before(date(2027, 1, 1)) == date(2026, 12, 31)


def test_on_or_before_leaves_a_working_day_alone_and_previous_does_not() -> None:
    tuesday = date(2026, 12, 29)
    assert england().on_or_before(tuesday) == tuesday
    assert england().previous(tuesday) == date(2026, 12, 24)
    assert england().next(date(2026, 12, 24)) == tuesday


@given(COVERED)
def test_next_and_previous_are_working_days_with_none_between(day: date) -> None:
    days = england()
    before, after = days.previous(day), days.next(day)
    assert before < day < after
    assert days.is_working_day(before)
    assert days.is_working_day(after)
    between = [before + timedelta(days=i) for i in range(1, (after - before).days)]
    assert [d for d in between if days.is_working_day(d)] == [day] * days.is_working_day(day)


def test_a_holiday_proclaimed_at_short_notice_can_be_added() -> None:
    proclaimed = date(2026, 6, 15)
    days = england(added=[proclaimed])
    assert not days.is_working_day(proclaimed)
    assert days.previous(date(2026, 6, 16)) == date(2026, 6, 12)
    assert england().is_working_day(proclaimed)


def test_a_holiday_that_was_moved_can_be_removed() -> None:
    days = england(added=[date(2026, 5, 8)], removed=[date(2026, 5, 4)])
    assert days.is_working_day(date(2026, 5, 4))
    assert not days.is_working_day(date(2026, 5, 8))


@pytest.mark.parametrize("day", [date(2011, 12, 31), date(2029, 1, 1), date(1990, 6, 1)])
def test_a_day_outside_the_bank_holiday_data_is_refused_never_guessed(day: date) -> None:
    days = england()
    for asked in (days.is_working_day, days.on_or_before):
        with pytest.raises(BeyondBankHolidayData, match=str(day)):
            asked(day)


def test_a_step_that_leaves_the_data_is_refused() -> None:
    with pytest.raises(BeyondBankHolidayData):
        england().next(date(2028, 12, 29))
    with pytest.raises(BeyondBankHolidayData):
        england().previous(date(2012, 1, 1))


def test_a_correction_cannot_stretch_the_years_covered() -> None:
    with pytest.raises(BeyondBankHolidayData):
        england(added=[date(2031, 12, 25)])
    with pytest.raises(BeyondBankHolidayData):
        england(removed=[date(2005, 12, 26)])


def test_working_days_can_be_built_from_a_plain_set_of_holidays() -> None:
    days = WorkingDays(frozenset({date(2026, 12, 25)}), last_covered_on=date(2026, 12, 28))
    assert days.next(date(2026, 12, 24)) == date(2026, 12, 28)
    with pytest.raises(BeyondBankHolidayData):
        days.next(date(2026, 12, 28))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-06-30T23:30:00+00:00", "2026-07-01"),  # half past midnight in summer
        ("2026-01-31T23:30:00+00:00", "2026-01-31"),
        ("2026-10-25T00:30:00+00:00", "2026-10-25"),  # the first of the two half past ones
    ],
)
def test_the_day_is_england_s_own(moment: str, day: str) -> None:
    assert day_in_england(datetime.fromisoformat(moment)) == date.fromisoformat(day)
