"""The commands people and programs may give, as data: made from the aggregates' own methods.

The API's routes and the command line's verbs for a budget's life are generated from these, so
a new command is written once, in its aggregate.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple, get_type_hints

import msgspec

from ledger.aggregates.event_sourced import EventSourced, Said, commands_of
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.errors import InvalidValue


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
        """Give the command; `arguments` may be of a Struct that adds fields to ours.

        Raises `InvalidValue` for what no part of the ledger could keep, and the refusals of
        the method.
        """
        given = {name: getattr(arguments, name) for name in self.arguments.__struct_fields__}
        require_keepable(aggregate.reference, "reference")
        require_keepable(said["effective_on"], "effective_on")
        for name, value in given.items():
            require_keepable(value, name)
        self.method(aggregate, **given, **said)


# --- what the ledger can keep -------------------------------------------------------------

MOST_PENCE = 10**12  # ten thousand million pounds; sums of it still fit a column of the read tables
MOST_CHARACTERS = 200
MOST_ITEMS = 1_000
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._-]{0,99}")
_CAPITAL_REFERENCE = re.compile(r"[A-Z0-9/-]{1,20}")
_CODE = re.compile(r"[a-z0-9_]{1,40}")
_WRITTEN: dict[str, tuple[re.Pattern[str], str]] = {
    "reference": (_CAPITAL_REFERENCE, "1 to 20 of A to Z, 0 to 9, - and /"),
    "recipient_reference": (_CAPITAL_REFERENCE, "1 to 20 of A to Z, 0 to 9, - and /"),
    "person_reference": (_CAPITAL_REFERENCE, "1 to 20 of A to Z, 0 to 9, - and /"),
    "organisation_reference": (_CAPITAL_REFERENCE, "1 to 20 of A to Z, 0 to 9, - and /"),
    "organisation": (_CAPITAL_REFERENCE, "1 to 20 of A to Z, 0 to 9, - and /"),
    "need": (_CODE, "a code of a to z, 0 to 9 and _, at most 40 long"),
    "funding_stream": (_CODE, "a code of a to z, 0 to 9 and _, at most 40 long"),
}


def require_keepable(value: object, field: str) -> None:
    """Refuse a value that would be accepted here and break something later.

    Events are for ever, so nothing may enter one that a read table cannot hold (a number too
    long for its column, a NUL), that dates cannot be reckoned with, or that is free text where
    a reference or a code belongs: people's names get in that way. Raises `InvalidValue`.
    """
    if isinstance(value, str):
        _require_keepable_text(value, field)
    elif isinstance(value, date):
        if not FIRST_DAY <= value <= LAST_DAY:
            raise _not(field, f"a day from {FIRST_DAY} to {LAST_DAY}")
    elif isinstance(value, int):
        if abs(value) > MOST_PENCE:
            raise _not(field, f"between -{MOST_PENCE} and {MOST_PENCE}")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            require_keepable(getattr(value, name), f"{field}.{name}")
    elif isinstance(value, tuple | list):
        if len(value) > MOST_ITEMS:
            raise _not(field, f"a list of at most {MOST_ITEMS}")
        for place, item in enumerate(value):
            require_keepable(item, f"{field}[{place}]")


def _require_keepable_text(text: str, field: str) -> None:
    name = re.sub(r"\[\d+\]$", "", field.rpartition(".")[2])
    if len(text) > MOST_CHARACTERS or _CONTROL.search(text):
        raise _not(field, f"at most {MOST_CHARACTERS} characters, none of them a control character")
    if name in _WRITTEN:
        pattern, written = _WRITTEN[name]
        if not pattern.fullmatch(text):
            raise _not(field, written)
    elif name.endswith(("_reference", "_references")) and not _PLAIN_REFERENCE.fullmatch(text):
        raise _not(field, "1 to 100 of letters, digits, / . _ and -")


def _not(field: str, wanted: str) -> InvalidValue:
    return InvalidValue(f"{field} must be {wanted}.", field=field)


# --- commands -----------------------------------------------------------------------------


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
