"""A payment cycle against the last one: which that is, and what changed since."""

from __future__ import annotations

from sqlalchemy import select

from ledger.aggregates.light_cycles import PaidCycle
from ledger.aggregates.payment_cycle import PROMISED
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


def last_cycle(ledger: Ledger, cycle: PaidCycle) -> PaidCycle | None:
    """The regular cycle before: approved, issued or settled, and for the latest earlier period.

    Off-cycle runs are passed over. Of two for the same period, the one paid later. As the
    register has it: catch up first.
    """
    assert cycle.prepared is not None, "a loaded cycle was prepared"
    table = Cycles.table
    query = (
        select(table.c.reference)
        .where(
            table.c.starts_on < cycle.prepared.period.starts_on,
            table.c.kind == "regular",
            table.c.status.in_(PROMISED),
            table.c.reference != cycle.reference,
        )
        .order_by(table.c.starts_on.desc(), table.c.pay_on.desc(), table.c.reference.desc())
        .limit(1)
    )
    with ledger.engine.connect() as connection:
        reference = connection.execute(query).scalar_one_or_none()
    return None if reference is None else ledger.load(PaidCycle, reference)
