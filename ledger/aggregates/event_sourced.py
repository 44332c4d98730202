"""What every aggregate shares: events as frozen Structs, permanent topics, and a plain fold.

A command checks everything first and then records one event; the method that applies an
event never refuses and never computes policy, so history written under yesterday's rules
always loads. This is the `eventsourcing` library's documented style for aggregates that are
not its own declarative ones: `id`, `version` and `collect_events` are all it asks for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, ClassVar, NamedTuple, Self, TypedDict, TypeVar, dataclass_transform
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec


class Said(TypedDict):
    """What accompanies every fact: when it takes effect, when it was recorded, and by whom."""

    effective_on: date
    recorded_at: datetime
    recorded_by: str


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A fact. `effective_on` is when it takes effect; `recorded_at` when it became known."""

    effective_on: date
    recorded_at: datetime
    recorded_by: str


class Recorded(NamedTuple):
    """An event in its place: the stream it belongs to and its position there, from 1."""

    originator_id: UUID
    originator_version: int
    event: Event


class EventType(NamedTuple):
    """A registered kind of event: its permanent topic, class and decoder."""

    topic: str
    cls: type[Event]
    decode: Callable[[bytes], Event]


EVENT_TYPES: dict[str, EventType] = {}
TOPICS: dict[type[Event], str] = {}


def register(stream: str, events: dict[str, type[Event]]) -> None:
    """Give event classes their permanent topics, such as "personal-budget.opened.v1".

    A topic outlives the class's name and file: it is stored with every event, for ever.
    """
    for name, cls in events.items():
        topic = f"{stream}.{name}"
        if topic in EVENT_TYPES or cls in TOPICS:
            raise ValueError(f"{topic} or {cls.__name__} is registered twice.")
        EVENT_TYPES[topic] = EventType(topic, cls, msgspec.json.Decoder(cls).decode)
        TOPICS[cls] = topic


def stream_id(stream: str, reference: str) -> UUID:
    """The stream of a natural reference; the same reference always gives the same id."""
    return uuid5(NAMESPACE_URL, f"{stream}:{reference}")


TCommand = TypeVar("TCommand", bound=Callable[..., Any])
TApply = TypeVar("TApply", bound=Callable[..., None])


def command(method: TCommand) -> TCommand:
    """Mark a command that people and programs may give; the CLI and API are made from these."""
    method.is_command = True  # type: ignore[attr-defined]
    return method


def applies(event_type: type[Event]) -> Callable[[TApply], TApply]:
    """Mark the method that folds one kind of event into the state."""

    def mark(method: TApply) -> TApply:
        method.applies_event = event_type  # type: ignore[attr-defined]
        return method

    return mark


class EventSourced:
    """An aggregate: state folded from its events, and commands that record new ones."""

    STREAM: ClassVar[str]
    READ_AT_ONCE: ClassVar[int] = 1_000  # events of one stream; far fewer where they are large
    _appliers: ClassVar[dict[type[Event], Callable[[Any, Any], None]]] = {}

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self.id = stream_id(self.STREAM, reference)
        self.version = 0
        self._pending: list[Recorded] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._appliers = {
            method.applies_event: method
            for _, method in inspect.getmembers(cls, inspect.isfunction)
            if hasattr(method, "applies_event")
        }

    def _record(self, *events: Event) -> None:
        """Fold the events in and keep them to be saved. Nothing after this may refuse."""
        for event in events:
            self.apply(event)
            self._pending.append(Recorded(self.id, self.version, event))

    def apply(self, event: Event) -> None:
        """Fold one event of this stream into the state."""
        self._appliers[type(event)](self, event)
        self.version += 1

    def collect_events(self) -> list[Recorded]:
        """Hand over the events not yet saved, once."""
        pending, self._pending = self._pending, []
        return pending

    @classmethod
    def project(cls, aggregate: Self | None, history: Iterable[Recorded]) -> Self | None:
        """Fold a history; the `projector_func` that the library's repository asks for."""
        for recorded in history:
            if aggregate is None:
                aggregate = cls(recorded.event.reference)  # type: ignore[attr-defined]
            aggregate.apply(recorded.event)
        return aggregate


def commands_of(aggregate: type[EventSourced]) -> dict[str, Callable[..., Any]]:
    """Every command of an aggregate by name, in the order in which they were written."""
    found: dict[str, Callable[..., Any]] = {}
    for cls in reversed(aggregate.__mro__):
        for name, method in vars(cls).items():
            if getattr(method, "is_command", False):
                found[name] = method
    return found
