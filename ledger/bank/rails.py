"""The two ways money travels, Bacs and Faster Payments, and which days each can still meet."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from ledger.dates import WorkingDays
from ledger.errors import PayDateNotWorkingDay, ProcessingDayTooFarAhead, ProcessingDayTooSoon

Rails = Literal["bacs", "faster_payments"]

_BACS_FURTHEST_AHEAD = timedelta(days=31)


def processing_day(
    rails: Rails, pay_on: date, *, created_on: date, working_days: WorkingDays
) -> date:
    """The day that a file asks for, so that payees have the money on `pay_on`.

    By Bacs it is the middle one of three days, one working day before the pay date, and the day
    before it is the last for input. By Faster Payments it is the pay date, and so is the last
    day for input. Refused when a file made on `created_on` could not make it, as bank software
    silently moves such a date and pays everyone late.
    """
    facts = {"pay_on": pay_on.isoformat(), "created_on": created_on.isoformat()}
    if rails == "faster_payments":
        if created_on > pay_on:
            raise ProcessingDayTooSoon(
                f"To pay on {pay_on} by Faster Payments a file must be made by then; this one is "
                f"of {created_on}.",
                input_by=pay_on.isoformat(),
                **facts,
            )
        return pay_on
    if not working_days.is_working_day(pay_on):
        raise PayDateNotWorkingDay(
            f"Bacs does not pay on {pay_on}, a weekend or an English bank holiday.", **facts
        )
    processing_on = working_days.previous(pay_on)
    facts["processing_on"] = processing_on.isoformat()
    if processing_on - created_on > _BACS_FURTHEST_AHEAD:
        raise ProcessingDayTooFarAhead(
            f"{processing_on} is more than 31 days after {created_on}.", **facts
        )
    input_by = working_days.previous(processing_on)
    if created_on > input_by:
        raise ProcessingDayTooSoon(
            f"To pay on {pay_on} by Bacs a file must be input by {input_by}; this one is of "
            f"{created_on}.",
            input_by=input_by.isoformat(),
            **facts,
        )
    return processing_on


def soonest_pay_day(rails: Rails, today: date, working_days: WorkingDays) -> date:
    """The first day that a cycle prepared today can still pay.

    It is approved and sent on the next working day. By Faster Payments it is paid then; Bacs
    processes it on the one after and pays on the third.
    """
    sent_on = working_days.next(today)
    if rails == "faster_payments":
        return sent_on
    return working_days.next(working_days.next(sent_on))
