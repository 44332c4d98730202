"""Bacs and Faster Payments: the day a file asks for, and the days each can still meet."""

from __future__ import annotations

import pytest

from ledger.bank.rails import Rails, processing_day, soonest_pay_day
from ledger.dates import england
from ledger.errors import PayDateNotWorkingDay, ProcessingDayTooFarAhead, ProcessingDayTooSoon
from tests.given import on

DAYS = england()


def asked_for(rails: Rails, pay_on: str, made_on: str) -> str:
    """The day that a file made on a day asks for."""
    day = processing_day(rails, on(pay_on), created_on=on(made_on), working_days=DAYS)
    return day.isoformat()


def test_bacs_takes_three_days():
    assert asked_for("bacs", "2026-12-29", "2026-12-23") == "2026-12-24"
    with pytest.raises(ProcessingDayTooSoon, match="by Bacs a file must be input by 2026-12-23"):
        asked_for("bacs", "2026-12-29", "2026-12-24")


def test_a_sunday_is_too_late_for_mondays_processing():
    with pytest.raises(ProcessingDayTooSoon) as refused:
        asked_for("bacs", "2026-06-16", "2026-06-14")
    assert refused.value.details["input_by"] == "2026-06-12"


def test_bacs_does_not_pay_on_a_weekend_nor_more_than_31_days_after_input():
    with pytest.raises(PayDateNotWorkingDay):
        asked_for("bacs", "2026-12-26", "2026-12-01")
    assert asked_for("bacs", "2026-12-29", "2026-11-23") == "2026-12-24"
    with pytest.raises(ProcessingDayTooFarAhead):
        asked_for("bacs", "2026-12-29", "2026-11-22")


@pytest.mark.parametrize("made_on", ["2026-12-29", "2026-12-28", "2026-11-01"])
def test_a_faster_payment_is_asked_for_on_the_pay_date_and_may_be_made_that_day(made_on):
    assert asked_for("faster_payments", "2026-12-29", made_on) == "2026-12-29"


def test_a_faster_payment_cannot_be_made_after_its_pay_date():
    with pytest.raises(ProcessingDayTooSoon, match="by Faster Payments") as refused:
        asked_for("faster_payments", "2026-12-29", "2026-12-30")
    assert refused.value.details["input_by"] == "2026-12-29"


@pytest.mark.parametrize(
    ("today", "bacs", "faster_payments"),
    [
        ("2026-04-01", "2026-04-08", "2026-04-02"),  # over Easter
        ("2026-04-02", "2026-04-09", "2026-04-07"),
        ("2026-05-30", "2026-06-03", "2026-06-01"),  # from a Saturday
    ],
)
def test_a_late_cycle_is_sent_on_the_next_working_day(today, bacs, faster_payments):
    assert soonest_pay_day("bacs", on(today), DAYS) == on(bacs)
    assert soonest_pay_day("faster_payments", on(today), DAYS) == on(faster_payments)


def test_what_is_sent_as_soon_as_it_can_be_is_never_too_late():
    rails: Rails
    for rails in ("bacs", "faster_payments"):
        for day in range(1, 31):
            today = on(f"2026-12-{day:02d}")
            pay_on = soonest_pay_day(rails, today, DAYS)
            processing_day(rails, pay_on, created_on=DAYS.next(today), working_days=DAYS)
