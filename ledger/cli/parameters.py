"""How arguments are written on a command line, and a command's own arguments as options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
import typer

from ledger.dates import Period, parse_date
from ledger.errors import Refusal
from ledger.money import parse_pounds
from ledger.terms import AllocationTerm

T = TypeVar("T")


def _or_usage_error(read: Callable[[str], T]) -> Callable[[Any], Any]:
    """A reader for typer: what it refuses is a usage error that names the option."""

    def parse(text: Any) -> Any:
        if not isinstance(text, str):
            return text  # a default
        try:
            return read(text)
        except Refusal as refusal:
            raise typer.BadParameter(str(refusal).partition(": ")[2] or str(refusal)) from None

    return parse


def _signed_pounds(text: str) -> int:
    """Pounds, perhaps below nought: an overdrawn account."""
    return -parse_pounds(text[1:]) if text.startswith("-") else parse_pounds(text)


def parse_moment(text: str) -> datetime:
    """A moment: ISO 8601, in UTC unless an offset is given; a day alone means its end."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        day = datetime.combine(parse_date(text), time(), UTC)
        return day + timedelta(days=1, microseconds=-1)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a moment such as 2026-04-30T17:00 (UTC), or a day, meaning its end."
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


read_date = _or_usage_error(parse_date)
read_pounds = _or_usage_error(parse_pounds)
read_signed_pounds = _or_usage_error(_signed_pounds)
read_moment = _or_usage_error(parse_moment)


# --- what several verbs take ----------------------------------------------------------------

BudgetReference = Annotated[str, typer.Argument(metavar="REF", help="The budget's reference.")]
CycleReference = Annotated[str, typer.Argument(metavar="REF", help="The cycle's reference.")]
EffectiveOn = Annotated[
    date | None,
    typer.Option(parser=read_date, metavar="DATE", help="When it takes effect; today if left out."),
]
OnDay = Annotated[
    date | None,
    typer.Option("--on", parser=read_date, metavar="DATE", help="As of the end of this day."),
]
KnownAt = Annotated[
    datetime | None,
    typer.Option(
        parser=read_moment,
        metavar="TIME",
        help="As it was known then: 2026-04-30T17:00 (UTC), or a day, meaning its end.",
    ),
]
ExpectedVersion = Annotated[
    int | None,
    typer.Option(metavar="N", help="Refuse if the budget has moved on from this version."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what it would change, and record nothing.")
]


# --- an allocation line ---------------------------------------------------------------------

LINE_KEYS = (
    "need", "funding_stream", "weekly", "one_off", "deployment", "cost_centre", "from", "to",
    "line", "chargeable",
)  # fmt: skip
LINE_HELP = (
    "An allocation line, written need=...,funding_stream=...,weekly=310.00,"
    "deployment=direct_payment,cost_centre=...,from=YYYY-MM-DD; also one_off=, to=, "
    "line=REFERENCE (else need.funding_stream) and chargeable=yes|no (else yes; "
    "NHS, section 117 and carers' lines are always free)."
)


def parse_line(text: str) -> AllocationTerm:
    """An allocation line as `LINE_HELP` describes it."""

    parts = [part.partition("=") for part in text.split(",")]
    given = {name.strip(): value.strip() for name, _, value in parts}
    unknown = sorted(given.keys() - set(LINE_KEYS))
    if unknown or len(given) != len(parts) or not all(sign for _, sign, _ in parts):
        wrong = f"{unknown[0]!r} is not one of them" if unknown else "each once, with an ="
        raise typer.BadParameter(f"A line is written {'=, '.join(LINE_KEYS)}=: {wrong}.")
    for name in ("need", "funding_stream", "deployment", "from"):
        if not given.get(name):
            raise typer.BadParameter(f"A line needs {name}=.")
    if given.get("chargeable", "yes") not in ("yes", "no"):
        raise typer.BadParameter("chargeable= is yes or no.")
    term = {
        "line_reference": given.get("line") or f"{given['need']}.{given['funding_stream']}",
        "need": given["need"],
        "funding_stream": given["funding_stream"],
        "deployment": given["deployment"],
        "starts_on": given["from"],
        "ends_on": given.get("to") or None,
        "weekly_pence": read_pounds(given.get("weekly") or "0"),
        "one_off_pence": read_pounds(given.get("one_off") or "0"),
        "cost_centre": given.get("cost_centre", ""),
        "chargeable": given.get("chargeable", "yes") == "yes",
    }
    try:
        return msgspec.convert(term, AllocationTerm)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(f"{str(error).replace('`$.', '`')}.") from None


# --- a command's arguments as options -------------------------------------------------------


class Taken(NamedTuple):
    """How one argument of a command is taken: its options, and how they make its value."""

    options: list[inspect.Parameter]
    value: Callable[[dict[str, Any]], Any]


def options_of(arguments: type[msgspec.Struct]) -> dict[str, Taken]:
    """The options that stand for a command's arguments, by the argument's name."""
    return {field.name: _taken(field) for field in msgspec.structs.fields(arguments)}


def _taken(field: msgspec.structs.FieldInfo) -> Taken:
    required = field.required
    kind = next((a for a in get_args(field.type) if a is not NoneType), field.type)
    if get_origin(field.type) in (Literal, tuple) or NoneType not in get_args(field.type):
        kind = field.type
    if kind is Period:
        return _period(field.name)
    option = field.name.removesuffix("_pence").replace("_", "-")
    default = inspect.Parameter.empty if required else field.default
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        line = item is AllocationTerm
        how = (
            {"parser": parse_line, "metavar": "LINE", "help": LINE_HELP}
            if line
            else {"metavar": "TEXT", "help": "May be given more than once."}
        )
        info = typer.Option(f"--{option.removesuffix('s')}", **how)
        annotation: Any = Annotated[list[Any] if line else list[str], info]
        parameter = _parameter(field.name, annotation, inspect.Parameter.empty if required else [])
        return Taken([parameter], lambda given: tuple(given[field.name]))
    parameter = _parameter(field.name, _annotation(kind, field.name, option, required), default)
    return Taken([parameter], lambda given: given[field.name])


def _annotation(kind: Any, name: str, option: str, required: bool) -> Any:
    """A typer option for a plain argument: pounds, a date, a choice, a switch, a number or text."""
    if name.endswith("_pence"):
        read = read_signed_pounds if "balance" in name else read_pounds
        info = typer.Option(f"--{option}", parser=read, metavar="POUNDS", help="Such as 310.00.")
        return Annotated[int if required else int | None, info]
    if kind is date:
        info = typer.Option(f"--{option}", parser=read_date, metavar="DATE", help="YYYY-MM-DD.")
        return Annotated[date if required else date | None, info]
    if kind is bool:
        return Annotated[bool, typer.Option(f"--{option}/--no-{option}")]
    if get_origin(kind) is Literal:
        return Annotated[kind if required else kind | None, typer.Option(f"--{option}")]
    info = typer.Option(f"--{option}", metavar="NUMBER" if kind is int else "TEXT")
    return Annotated[kind if required else kind | None, info]


def _period(name: str) -> Taken:
    first, last = f"{name}_from", f"{name}_to"
    options = [
        _parameter(first, Annotated[date, typer.Option("--from", parser=read_date, metavar="DATE",
                                                       help="The first day.")]),
        _parameter(last, Annotated[date, typer.Option("--to", parser=read_date, metavar="DATE",
                                                      help="The last day.")]),
    ]  # fmt: skip
    return Taken(options, lambda given: Period(given[first], given[last]))


def _parameter(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


def common_options() -> Iterator[inspect.Parameter]:
    """What every generated command takes after its own arguments."""
    yield _parameter("effective_on", EffectiveOn, None)
    yield _parameter("expected_version", ExpectedVersion, None)
    yield _parameter("dry_run", DryRun, False)
