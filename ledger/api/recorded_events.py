"""Events as the API answers them: by their permanent names, and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

import msgspec

from ledger.aggregates.event_sourced import TOPICS, Event, Recorded
from ledger.projections.audit import sentence

_COMMON = frozenset(Event.__struct_fields__)
_NOT_SHOWN = _COMMON | {"fingerprint"}  # tells equal accounts apart, which is nobody's business


class RecordedEvent(msgspec.Struct):
    """One event: `event` is its permanent name, `facts` its own fields."""

    version: int
    event: str
    effective_on: date
    recorded_at: datetime
    recorded_by: str
    sentence: str
    facts: dict[str, Any]


def recorded_events(history: Iterable[Recorded]) -> Iterator[RecordedEvent]:
    """Events as they are answered."""
    for _, version, event in history:
        facts = {f: getattr(event, f) for f in event.__struct_fields__ if f not in _NOT_SHOWN}
        yield RecordedEvent(
            version,
            TOPICS[type(event)],
            event.effective_on,
            event.recorded_at,
            event.recorded_by,
            sentence(event),
            facts,
        )
