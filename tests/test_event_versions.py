"""Every released event loads for ever: one stored example of each is kept in golden/events.

Never change an example. An event may gain a field with a default; any other new shape gets a
topic of its own (`...v2`) beside the old one, and an example of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.aggregates.event_sourced import EVENT_TYPES, TOPICS
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.errors import UnknownEvent
from ledger.store import decode

FOLDER = Path(__file__).parent / "golden" / "events"
EXAMPLES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.json"))}
"""Stored events as text, by topic."""

every_example = pytest.mark.parametrize("topic", EXAMPLES)


def fields_of(shape: msgspec.inspect.Type) -> Iterator[str]:
    """Every field of a shape and of the shapes it holds, such as "Period.starts_on"."""
    if isinstance(shape, msgspec.inspect.VarTupleType):
        yield from fields_of(shape.item_type)
    elif isinstance(shape, msgspec.inspect.StructType):
        for field in shape.fields:
            yield f"{shape.cls.__name__}.{field.name}"
            yield from fields_of(field.type)


def fields_given(value: Any, plain: Any) -> Iterator[str]:
    """The fields that are written out in what was decoded to a value, in the same form."""
    if isinstance(value, msgspec.Struct):
        for name in plain:
            yield f"{type(value).__name__}.{name}"
            yield from fields_given(getattr(value, name), plain[name])
    elif isinstance(value, tuple):
        for one, other in zip(value, plain, strict=True):
            yield from fields_given(one, other)


def test_every_registered_topic_has_an_example() -> None:
    """A new event: add golden/events/<topic>.json, one line as it would be stored."""
    streams = {topic.partition(".")[0] for topic in EVENT_TYPES}
    assert streams == {PersonalBudget.STREAM, PaymentCycle.STREAM}
    assert EXAMPLES.keys() == EVENT_TYPES.keys()


@every_example
def test_an_example_loads_and_is_written_the_same_again(topic: str) -> None:
    event = decode(topic, EXAMPLES[topic].encode())
    assert TOPICS[type(event)] == topic
    assert msgspec.json.encode(event).decode() + "\n" == EXAMPLES[topic]


def test_the_examples_between_them_give_every_field_there_is() -> None:
    """So that a field renamed, retyped or dropped anywhere is noticed."""
    there_are = {
        f for kind in EVENT_TYPES.values() for f in fields_of(msgspec.inspect.type_info(kind.cls))
    }
    given = {
        field
        for topic, text in EXAMPLES.items()
        for field in fields_given(decode(topic, text.encode()), msgspec.json.decode(text))
    }
    assert given == there_are


@every_example
def test_an_older_program_reads_an_event_that_has_gained_a_field(topic: str) -> None:
    later = EXAMPLES[topic].rstrip().removesuffix("}") + ',"of_a_later_version":1}'
    assert decode(topic, later.encode()) == decode(topic, EXAMPLES[topic].encode())


@every_example
def test_an_event_with_a_value_nobody_knows_is_not_loaded(topic: str) -> None:
    wrong = EXAMPLES[topic].replace('"effective_on":"2', '"effective_on":"x')
    with pytest.raises(msgspec.ValidationError):
        decode(topic, wrong.encode())


def test_an_event_of_a_topic_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownEvent):
        decode("personal-budget.forgotten.v1", b"{}")
