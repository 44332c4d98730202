"""The cycles that the pay calendar asks for and nobody has prepared: found, and prepared in order.

They are prepared, never approved. One cycle waits for approval at a time: each pays whatever
is owed to the end of its period, so a second one prepared beside it would hold its money too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select

from ledger.aggregates.cycle_events import PROMISED
from ledger.application import Ledger, said
from ledger.bank.rails import soonest_pay_day
from ledger.bank_file import file_kind, working_days
from ledger.config import Settings
from ledger.dates import Period, day_in_england
from ledger.errors import InvalidValue, ReferenceUsedForOtherFacts, VersionConflict
from ledger.pay_calendar import PayCalendar, PayPeriod, input_day
from ledger.payment_run import prepare_cycle
from ledger.projections.registers import Cycles
from ledger.reminders import CycleUnderWay

SCHEDULER = "scheduler"
"""Who is said to have prepared these cycles: nobody in particular, so anyone may approve."""

_UNDECIDED = frozenset({"prepared", "rejected"})


class CycleStanding(NamedTuple):
    """Where one cycle stands, as the register has it."""

    reference: str
    kind: str
    status: str
    period: Period
    pay_on: date
    line_count: int
    is_taken: bool = False


class Outlook(NamedTuple):
    """What is to be prepared, in order, and the undecided cycle that comes first, if any."""

    missing: list[PayPeriod]
    waits_for: CycleStanding | None


def pay_calendar(settings: Settings) -> PayCalendar | None:
    """The council's pay calendar, if it has one here."""
    if settings.pay_cadence == "none":
        return None
    if settings.pay_calendar_from is None:
        raise InvalidValue(
            f"LEDGER_PAY_CADENCE is {settings.pay_cadence}, so LEDGER_PAY_CALENDAR_FROM must say "
            "on which day the first period starts.",
            field="pay_calendar_from",
        )
    return PayCalendar(
        settings.pay_cadence,
        settings.pay_calendar_from,
        settings.pay_calendar_to,
        settings.pay_day,
        settings.pay_prepare_days_ahead,
    )


def cycle_standings(ledger: Ledger) -> list[CycleStanding]:
    """Every cycle as the register has it; catch up first."""
    t = Cycles.table.c
    query = select(
        t.reference, t.kind, t.status, t.starts_on, t.ends_on, t.pay_on, t.line_count, t.is_taken
    ).order_by(t.starts_on, t.reference)
    with ledger.engine.connect() as connection:
        return [
            CycleStanding(
                row.reference,
                row.kind,
                row.status,
                Period(row.starts_on, row.ends_on),
                row.pay_on,
                row.line_count,
                bool(row.is_taken),
            )
            for row in connection.execute(query)
        ]


def under_way(ledger: Ledger) -> list[CycleUnderWay]:
    """Every cycle that someone has to see to; one whose days another cycle pays is none."""
    days = working_days(ledger)
    cycles = cycle_standings(ledger)
    paid_to = _paid_to(cycle for cycle in cycles if cycle.kind == "regular")
    return [
        CycleUnderWay(c.reference, c.status, c.pay_on, input_day(c.pay_on, days), c.is_taken)
        for c in cycles
        if c.status in ("approved", "issued") or _is_undecided(c, paid_to)
    ]


def _paid_to(cycles: Iterable[CycleStanding]) -> date:
    return max((c.period.ends_on for c in cycles if c.status in PROMISED), default=date.min)


def _is_undecided(cycle: CycleStanding, paid_to: date) -> bool:
    is_open = cycle.status in _UNDECIDED and bool(cycle.line_count)
    return is_open and (cycle.kind != "regular" or cycle.period.ends_on > paid_to)


def outlook(due: Iterable[PayPeriod], cycles: Iterable[CycleStanding]) -> Outlook:
    """What of the periods due is in nobody's hands; a period that is paid to its end is done.

    A cycle of one's own for the very same period, under whatever reference, is left alone,
    and so is a rejected or cancelled one. Off-cycle runs do not count.
    """
    regular = [cycle for cycle in cycles if cycle.kind == "regular"]
    paid_to = _paid_to(regular)
    references = {cycle.reference for cycle in regular}
    periods = {cycle.period for cycle in regular}
    undecided = [cycle for cycle in regular if _is_undecided(cycle, paid_to)]
    missing = [
        one
        for one in due
        if one.period.ends_on > paid_to
        and one.period not in periods
        and one.reference not in references
    ]
    return Outlook(missing, min(undecided, key=lambda c: (c.period, c.reference), default=None))


def calendar_outlook(ledger: Ledger, today: date) -> Outlook:
    """What the calendar asks for on a day and nobody has prepared."""
    calendar = pay_calendar(ledger.settings)
    due = calendar.due(today, working_days(ledger)) if calendar else []
    ledger.projections.catch_up()
    return outlook(due, cycle_standings(ledger))


def prepare_due_cycles(ledger: Ledger, now: datetime) -> list[str]:
    """Prepare what is due, the oldest first; returns the references. Again: none.

    Whoever else does so at the same time, each is prepared once: the first event of a cycle's
    stream can be written once. Too late for the calendar's pay date, a cycle pays on the first
    day that it still can.
    """
    today = day_in_england(now)
    rails, days = file_kind(ledger.settings).rails, working_days(ledger)
    prepared: list[str] = []
    while True:
        missing, waits_for = calendar_outlook(ledger, today)
        if waits_for is not None or not missing:
            return prepared
        first = missing[0]
        try:
            prepare_cycle(
                ledger,
                first.reference,
                period=first.period,
                pay_on=max(first.pay_on, soonest_pay_day(rails, today, days)),
                said=said(today, now, SCHEDULER),
                expected_version=0,
            )
        except VersionConflict:  # another process was quicker, or the reference is taken
            if first in calendar_outlook(ledger, today).missing:
                raise ReferenceUsedForOtherFacts(
                    f"{first.reference} is an off-cycle run, so the calendar's period from "
                    f"{first.period.starts_on} must be prepared under another reference.",
                    reference=first.reference,
                ) from None
            continue
        prepared.append(first.reference)
