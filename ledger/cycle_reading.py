"""Reading a cycle without folding all of it: a large one lists 100,000 lines in its stream.

Where it stands is told by its last few events. Its lines are listed in events of a fixed
number each, just before the event that ends the preparation, so a page is one or two events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, Self, TypeVar

from ledger.aggregates.cycle_events import CycleLinesListed, CyclePrepared
from ledger.aggregates.event_sourced import Recorded, stream_id
from ledger.aggregates.payment_cycle import LINES_IN_AN_EVENT, PaymentCycle
from ledger.application import Ledger
from ledger.errors import CycleNotFound

LAST_EVENTS = 4  # prepared, approved, issued, settled: mostly nothing comes between them

TItem = TypeVar("TItem")


class CycleNow(NamedTuple):
    """A cycle as it stands; `cycle` may be without its lines and exceptions."""

    ledger: Ledger | None
    cycle: PaymentCycle
    version: int
    prepared: CyclePrepared
    prepared_version: int

    @classmethod
    def whole(cls, cycle: PaymentCycle) -> Self:
        """From a cycle that was loaded whole."""
        assert cycle.prepared is not None, "a cycle begins by being prepared"
        return cls(None, cycle, cycle.version, cycle.prepared, 0)


def read_cycle(ledger: Ledger, reference: str) -> CycleNow:
    """Where a cycle stands, from its last events. Raises `CycleNotFound`."""
    stream = stream_id(PaymentCycle.STREAM, reference)
    last: list[Recorded] = []
    while not any(isinstance(recorded.event, CyclePrepared) for recorded in last):
        limit = 4 * len(last) or LAST_EVENTS
        found = ledger.events.get(stream, desc=True, limit=limit)
        last, known = list(found), len(last)  # type: ignore[arg-type]
        if len(last) == known:
            raise CycleNotFound(f"There is no payment cycle {reference}.", reference=reference)
    cycle = PaymentCycle(reference)
    preparation: Recorded | None = None
    for recorded in reversed(last):
        if isinstance(recorded.event, CyclePrepared):
            preparation = recorded
        if preparation is not None:
            cycle.apply(recorded.event)
    assert preparation is not None, "read back to it"
    assert cycle.prepared is not None, "and folded from it"
    version = last[0].originator_version
    return CycleNow(ledger, cycle, version, cycle.prepared, preparation.originator_version)


def listed(
    now: CycleNow,
    items_of: Callable[[CycleLinesListed], Sequence[TItem]],
    count: int,
    after: int,
    limit: int,
) -> list[TItem]:
    """Up to `limit` of a preparation's `count` lines or exceptions, after the first `after`."""
    prepared, end = now.prepared, min(after + limit, count)
    if after >= end:
        return []
    assert now.ledger is not None, "a cycle that was read knows its ledger"
    most = max(prepared.line_count, prepared.exception_count)
    first_version = now.prepared_version - -(-most // LINES_IN_AN_EVENT)
    first_event, skipped = divmod(after, LINES_IN_AN_EVENT)
    last_event = (end - 1) // LINES_IN_AN_EVENT
    events = now.ledger.events.get(
        now.cycle.id, gt=first_version + first_event - 1, lte=first_version + last_event
    )
    items = (item for recorded in events for item in items_of(recorded.event))  # type: ignore[attr-defined]
    return list(islice(items, skipped, skipped + end - after))
