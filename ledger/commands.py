"""The commands people and programs may give, as data: made from the aggregates' own methods.

The API's routes and the command line's verbs for a budget's life are generated from these, so
a new command is written once, in its aggregate.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

import msgspec

from ledger.aggregates.event_sourced import EventSourced, Said, commands_of
from ledger.aggregates.personal_budget import PersonalBudget


class Command(NamedTuple):
    """One command: its name with hyphens, what it does, and a Struct of its own arguments.

    `arguments` has the method's keyword arguments without the ones every command has
    (`effective_on`, `recorded_at`, `recorded_by`); msgspec decodes and describes it."""

    name: str
    summary: str
    description: str
    arguments: type[msgspec.Struct]
    method: Callable[..., Any]

    def give(self, aggregate: EventSourced, arguments: msgspec.Struct, said: Said) -> None:
        """Give the command. Raises the refusals of the method."""
        given = {name: getattr(arguments, name) for name in arguments.__struct_fields__}
        self.method(aggregate, **given, **said)


def commands(aggregate: type[EventSourced]) -> dict[str, Command]:
    """Every command of an aggregate, by name."""
    found: dict[str, Command] = {}
    for method_name, method in commands_of(aggregate).items():
        name = method_name.replace("_", "-")
        hints = get_type_hints(method)
        fields: list[Any] = []
        for parameter in inspect.signature(method).parameters.values():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                continue
            field = (parameter.name, hints[parameter.name])
            has_default = parameter.default is not inspect.Parameter.empty
            fields.append((*field, parameter.default) if has_default else field)
        title = "".join(part.capitalize() for part in method_name.split("_"))
        arguments = msgspec.defstruct(
            title, fields, kw_only=True, frozen=True, forbid_unknown_fields=True
        )
        summary, _, description = (inspect.getdoc(method) or "").partition("\n")
        found[name] = Command(name, summary, description.strip(), arguments, method)
    return found


BUDGET_COMMANDS = commands(PersonalBudget)
