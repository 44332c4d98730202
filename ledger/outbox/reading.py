"""What letters are made from, as the log holds it: histories of budgets, lines of a cycle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import select

from ledger.aggregates.cycle_events import CycleLine, CyclePrepared
from ledger.aggregates.event_sourced import Recorded, stream_id
from ledger.aggregates.payment_cycle import LINES_IN_AN_EVENT
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.people import chunks
from ledger.projections.registers import Budgets
from ledger.store import decode


def budget_stream(budget_reference: str) -> UUID:
    """The stream of a budget."""
    return stream_id(PersonalBudget.STREAM, budget_reference)


def histories(
    ledger: Ledger, streams: Iterable[UUID]
) -> Iterator[tuple[str, str, Iterator[Recorded]]]:
    """Each budget's stream in hex, its reference and its events in order, one after another."""
    rows = ledger.recorder.read_streams(PersonalBudget.STREAM, list(streams))
    for stream, events in groupby(rows, key=itemgetter(0)):
        identity = UUID(stream)
        history = (
            Recorded(identity, version, decode(topic, state))
            for version, (_, topic, state) in enumerate(events, 1)
        )
        first = next(history)
        opened: Any = first.event
        yield stream, opened.reference, chain([first], history)


def issued_lines(
    ledger: Ledger, stream: UUID, issued_version: int, after: int = 0
) -> Iterator[CycleLine]:
    """The payments of the bank file that an event tells of, without the first `after` of them.

    They are listed in events of a fixed number each, just before the event that ends their
    preparation; one of those is read at a time.
    """
    events: Any = ledger.events  # the library's own type knows nothing of ours
    last = events.get(stream, lte=issued_version, desc=True, limit=100)
    prepared = next(r for r in last if isinstance(r.event, CyclePrepared))
    most = max(prepared.event.line_count, prepared.event.exception_count)
    end = prepared.originator_version
    skipped, within = divmod(after, LINES_IN_AN_EVENT)
    for version in range(end - -(-most // LINES_IN_AN_EVENT) + skipped, end):
        (listed,) = events.get(stream, gt=version - 1, lte=version)
        yield from listed.event.lines[within:]
        within = 0


def recipients(ledger: Ledger, budget_references: Iterable[str]) -> dict[str, str]:
    """Whose each budget is, from the register: that never changes."""
    ledger.projections.catch_up()
    t = Budgets.table.c
    query = select(t.reference, t.recipient_reference)
    found: dict[str, str] = {}
    with ledger.engine.connect() as connection:
        for some in chunks(budget_references):
            rows = connection.execute(query.where(t.reference.in_(some)))
            found.update((reference, person) for reference, person in rows)
    return found
