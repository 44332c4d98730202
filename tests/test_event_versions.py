"""Every released event loads for ever: one stored example of each is kept in golden/events.

Never change an example. An event may gain a field with a default, and its file another line that
has it; any other new shape gets a topic of its own (`...v2`) beside the old one, and an example.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.aggregates.accounting_periods import AccountingPeriods
from ledger.aggregates.bank_report import BankReport
from ledger.aggregates.event_sourced import EVENT_TYPES, TOPICS
from ledger.aggregates.mass_change import MassChange
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.provider import Provider
from ledger.errors import UnknownEvent
from ledger.store import decode

FOLDER = Path(__file__).parent / "golden" / "events"
EXAMPLES = [
    (path.stem, line)
    for path in sorted(FOLDER.glob("*.json"))
    for line in path.read_text().splitlines()
]
"""Each topic with an event stored under it, as text."""

every_example = pytest.mark.parametrize(("topic", "text"), EXAMPLES)


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
    kinds = (PersonalBudget, PaymentCycle, BankReport, AccountingPeriods, MassChange, Provider)
    assert streams == {kind.STREAM for kind in kinds}
    assert {topic for topic, _ in EXAMPLES} == EVENT_TYPES.keys()


@every_example
def test_an_example_loads_and_is_written_the_same_again(topic: str, text: str) -> None:
    event = decode(topic, text.encode())
    assert TOPICS[type(event)] == topic
    assert msgspec.json.encode(event).decode() == text


def test_the_examples_between_them_give_every_field_there_is() -> None:
    """So that a field renamed, retyped or dropped anywhere is noticed."""
    there_are = {
        f for kind in EVENT_TYPES.values() for f in fields_of(msgspec.inspect.type_info(kind.cls))
    }
    given = {
        field
        for topic, text in EXAMPLES
        for field in fields_given(decode(topic, text.encode()), msgspec.json.decode(text))
    }
    assert given == there_are


@every_example
def test_an_older_program_reads_an_event_that_has_gained_a_field(topic: str, text: str) -> None:
    later = text.removesuffix("}") + ',"of_a_later_version":1}'
    assert decode(topic, later.encode()) == decode(topic, text.encode())


@every_example
def test_an_event_with_a_value_nobody_knows_is_not_loaded(topic: str, text: str) -> None:
    wrong = text.replace('"effective_on":"2', '"effective_on":"x')
    with pytest.raises(msgspec.ValidationError):
        decode(topic, wrong.encode())


def test_an_event_of_a_topic_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownEvent):
        decode("personal-budget.forgotten.v1", b"{}")
