"""A payment cycle against the last one: which that is, and what changed since."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Select, select

from ledger.aggregates.cycle_events import PROMISED
from ledger.aggregates.light_cycles import PaidCycle
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.cycle_differences import CycleDifferences, cycle_differences
from ledger.errors import InvalidValue
from ledger.garbage import without_gc
from ledger.projections.registers import Cycles


@without_gc()
def differences_of(ledger: Ledger, reference: str, against: str = "") -> CycleDifferences:
    """What a cycle pays, against the last one or the one named. Raises `CycleNotFound`."""
    if against == reference:
        raise InvalidValue(f"{reference} cannot be compared with itself.", field="against")
    if not against:
        ledger.projections.catch_up()
    now = ledger.load(PaidCycle, reference)
    was = ledger.load(PaidCycle, against) if against else last_cycle(ledger, now)
    return cycle_differences(now, was)


def last_cycle(ledger: Ledger, cycle: PaymentCycle) -> PaidCycle | None:
    """The regular cycle before one, as `last_reference` finds it."""
    reference = last_reference(ledger, cycle)
    return None if reference is None else ledger.load(PaidCycle, reference)


def last_reference(ledger: Ledger, cycle: PaymentCycle) -> str | None:
    """The regular cycle before: approved, issued or settled, and for the latest earlier period.

    Off-cycle runs are passed over. Of two for the same period, the one paid later. As the
    register has it: catch up first.
    """
    assert cycle.prepared is not None, "a loaded cycle was prepared"
    c = Cycles.table.c
    query = _earlier(select(c.reference), cycle.prepared.period.starts_on)
    found: str | None = _first(ledger, query.where(c.reference != cycle.reference))
    return found


def last_pay_day(ledger: Ledger, before: date) -> date | None:
    """The pay date of the last regular cycle for a period that starts before a day, if any."""
    ledger.projections.catch_up()
    found: date | None = _first(ledger, _earlier(select(Cycles.table.c.pay_on), before))
    return found


def _earlier(query: Select[Any], before: date) -> Select[Any]:
    """Regular cycles that are promised, for periods that start before a day, the latest first."""
    c = Cycles.table.c
    return query.where(c.starts_on < before, c.kind == "regular", c.status.in_(PROMISED)).order_by(
        c.starts_on.desc(), c.pay_on.desc(), c.reference.desc()
    )


def _first(ledger: Ledger, query: Select[Any]) -> Any:
    with ledger.engine.connect() as connection:
        return connection.execute(query.limit(1)).scalar_one_or_none()
