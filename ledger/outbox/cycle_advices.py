"""The remittance advices of a cycle: one of them, or all, for a council that prints them itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import select

from ledger.aggregates.cycle_events import CycleIssued
from ledger.aggregates.event_sourced import Recorded, stream_id
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.errors import CycleNotFound, CycleNotIssued, PaymentNotFound
from ledger.outbox.queueing import letter_reference
from ledger.outbox.reading import issued_lines
from ledger.outbox.writing import Finished, Noted, finished
from ledger.projections.registers import Budgets, Payments

AT_A_TIME = 500
LAST_EVENTS = 50  # more than ever follow the bank file; those not looked at are not decoded


def issued_of(ledger: Ledger, cycle_reference: str) -> Recorded:
    """The event that a cycle's bank file was made. Raises `CycleNotFound`, `CycleNotIssued`."""
    events: Any = ledger.events  # the library's own type knows nothing of ours
    last = events.get(stream_id(PaymentCycle.STREAM, cycle_reference), desc=True, limit=LAST_EVENTS)
    recorded: Recorded | None = None
    for recorded in last:
        if isinstance(recorded.event, CycleIssued):
            return recorded
    if recorded is None:
        raise CycleNotFound(f"There is no payment cycle {cycle_reference}.")
    raise CycleNotIssued(f"No bank file was made of {cycle_reference}, so nobody is advised.")


def advice_of(ledger: Ledger, cycle_reference: str, payment_reference: str) -> Finished | str:
    """The advice of one payment as it would be sent now, or why there is none.

    Raises `CycleNotFound`, `CycleNotIssued`, or `PaymentNotFound` if it is none of the cycle's.
    """
    issued = issued_of(ledger, cycle_reference)
    ledger.projections.catch_up()
    query = (
        select(Budgets.table.c.reference)
        .join(Payments.table, Payments.table.c.stream == Budgets.table.c.stream)
        .where(
            Payments.table.c.payment_reference == payment_reference,
            Payments.table.c.cycle_reference == cycle_reference,
        )
    )
    with ledger.engine.connect() as connection:
        budget_reference = connection.execute(query).scalar_one_or_none()
    if budget_reference is None:
        raise PaymentNotFound(f"{cycle_reference} has no payment {payment_reference}.")
    noted = _noted(issued, budget_reference, payment_reference)
    return finished(ledger, [noted])[noted.letter_reference]


def advices_of(
    ledger: Ledger, cycle_reference: str
) -> Iterator[tuple[str, int, str, Finished | str]]:
    """Every payment of a cycle in the order of its bank file, some hundreds read at a time.

    Each with its reference, its pence, its budget, and its advice or why there is none. Raises
    `CycleNotFound`, `CycleNotIssued`.
    """
    issued = issued_of(ledger, cycle_reference)
    lines = issued_lines(ledger, issued.originator_id, issued.originator_version)
    while some := list(islice(lines, AT_A_TIME)):
        noted = [_noted(issued, line.budget_reference, line.payment_reference) for line in some]
        ready = finished(ledger, noted)
        for line, one in zip(some, noted, strict=True):
            yield (
                line.payment_reference,
                line.amount_pence,
                line.budget_reference,
                ready[one.letter_reference],
            )


def _noted(issued: Recorded, budget_reference: str, payment_reference: str) -> Noted:
    version = issued.originator_version
    reference = letter_reference(issued.originator_id.hex, version, payment_reference)
    return Noted(reference, budget_reference, version, payment_reference)
