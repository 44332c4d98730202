"""Questions of a form, made from a command's own arguments, and their answers read strictly.

A date is three fields, pounds are text, one of a few is radios; a fault is told at its question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from ledger.dates import Period
from ledger.errors import InvalidMoney, InvalidPeriod, Refusal
from ledger.money import parse_pounds
from ledger.terms import AllocationTerm
from ledger.web.command_words import Asked, answer, asked
from ledger.web.forms import Form

Kind = Literal[
    "text", "date", "period", "pounds", "signed", "yes_no", "choice", "many", "each_line", "lines"
]
Choice = tuple[str, str]
MOST_LINES = 20
NONE = "-"
"""What is sent for a choice that need not be made."""


class Question(NamedTuple):
    """One question: `name` is the argument's; its fields on the page begin with it.

    `parts` are the questions within it, of each allocation line or of a period's two days."""

    name: str
    kind: Kind
    asks: Asked
    required: bool = True
    choices: tuple[Choice, ...] = ()
    default: str = ""
    parts: tuple[tuple[Question, ...], ...] = ()

    @property
    def place(self) -> str:
        """The id of its first field, where a fault leads."""
        if self.kind == "lines":
            return self.parts[0][0].place
        return {"date": f"{self.name}-day", "period": f"{self.name}_from-day"}.get(
            self.kind, self.name
        )


class Answers(NamedTuple):
    """What was answered, by argument, and what is wrong, by the name of the question."""

    given: dict[str, Any]
    faults: dict[str, str]


# --- asking -----------------------------------------------------------------------------------

_YES_NO: tuple[Choice, ...] = (("yes", "Yes"), ("no", "No"))

Offers = Callable[[str], "list[Choice] | None"]
"""What there is to choose from for an argument, if it is no matter of writing."""


def questions(
    command: str, arguments: type[msgspec.Struct], offers: Offers, line_count: int = 1
) -> list[Question]:
    """The questions that stand for a command's arguments, in their order."""
    return [
        _question(command, field, offers, line_count) for field in msgspec.structs.fields(arguments)
    ]


def _question(
    command: str, field: msgspec.structs.FieldInfo, offers: Offers, line_count: int
) -> Question:
    name, asks, required = field.name, asked(command, field.name), field.required
    kind = next((a for a in get_args(field.type) if a is not NoneType), field.type)
    if get_origin(field.type) in (Literal, tuple) or NoneType not in get_args(field.type):
        kind = field.type
    offered = offers(name)
    if get_origin(kind) is tuple:
        return _several(name, get_args(kind)[0], asks, offered, line_count)
    if offered is not None or get_origin(kind) is Literal:
        choices = [(code, answer(code)) for code in get_args(kind)] if offered is None else offered
        none = [] if required or field.default else [(NONE, "None of these")]
        default = field.default if not required and field.default else ""
        return Question(name, "choice", asks, required, (*choices, *none), str(default))
    if kind is bool:
        default = "" if required else "yes" if field.default else "no"
        return Question(name, "yes_no", asks, True, _YES_NO, default)
    if kind is Period:
        return period(name, asks)
    return Question(name, _plain(kind, name), asks, required)


def _plain(kind: Any, name: str) -> Kind:
    if kind is date:
        return "date"
    if name.endswith("_pence"):
        return "signed" if "balance" in name else "pounds"
    return "text"


def _several(
    name: str, item: Any, asks: Asked, offered: list[Choice] | None, line_count: int
) -> Question:
    """A question with several answers; allocation lines are each a few questions of their own."""
    if item is AllocationTerm:
        fields = [f for f in msgspec.structs.fields(item) if f.name != "line_reference"]
        lines = tuple(
            tuple(
                _question("", f, lambda _: None, 0)._replace(
                    name=f"{name}-{number}-{f.name}",
                    required=f.required,
                )
                for f in fields
            )
            for number in range(1, line_count + 1)
        )
        return Question(name, "lines", asks, parts=lines)
    if offered is not None:
        return Question(name, "many", asks, required=False, choices=tuple(offered))
    codes = tuple((code, answer(code)) for code in get_args(item))
    return Question(name, "each_line", asks, required=False, choices=codes)


def day(name: str, asks: Asked, *, required: bool = True, default: date | None = None) -> Question:
    """A question for a day."""
    return Question(name, "date", asks, required, default=default.isoformat() if default else "")


def period(name: str, asks: Asked) -> Question:
    """A question for the first and the last of some days."""
    days = (day(f"{name}_from", Asked("First day")), day(f"{name}_to", Asked("Last day")))
    return Question(name, "period", asks, parts=(days,))


def starting(all_questions: Iterable[Question]) -> Form:
    """The form as it is before anybody has answered: what is usual is filled in."""
    form = Form()
    for question in all_questions:
        for part in (part for parts in question.parts for part in parts):
            form.update(starting([part]))
        if question.kind == "date" and question.default:
            year, month, number = question.default.split("-")
            for end, text in (("day", number), ("month", month), ("year", year)):
                form[f"{question.name}-{end}"] = [str(int(text))]
        elif question.default:
            form[question.name] = [question.default]
    return form


# --- reading ----------------------------------------------------------------------------------


class _Unreadable(Exception):
    """What is wrong with an answer, in a sentence."""


def read_answers(all_questions: Iterable[Question], form: Form) -> Answers:
    """Read every answer; one that is left out and need not be given is not there."""
    answers = Answers({}, {})
    for question in all_questions:
        value = _read(question, form, answers.faults)
        if value is not None:
            answers.given[question.name] = value
    return answers


def _read(question: Question, form: Form, faults: dict[str, str]) -> Any:
    if question.kind == "lines":
        lines = [_line(parts, form, faults) for parts in question.parts]
        return tuple(line for line in lines if line is not None)
    try:
        value = _READ[question.kind](question, form)
    except _Unreadable as fault:
        faults[question.name] = str(fault)
        return None
    if value is None and question.required:
        faults[question.name] = _LEFT_OUT[question.kind]
    return value


_LEFT_OUT: dict[Kind, str] = {
    "text": "Enter this",
    "date": "Enter a day",
    "period": "Enter both days",
    "pounds": "Enter an amount",
    "signed": "Enter an amount",
    "choice": "Choose one",
    "yes_no": "Choose yes or no",
}


def _text(question: Question, form: Form) -> str | None:
    return form.text(question.name) or None


def _date(question: Question, form: Form) -> date | None:
    parts = [form.text(f"{question.name}-{end}") for end in ("year", "month", "day")]
    if not any(parts):
        return None
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
        raise _Unreadable("A day is a number for the day, the month and the year: 6 4 2026")
    try:
        return date(*map(int, parts))
    except ValueError:
        raise _Unreadable("There is no such day") from None


def _period(question: Question, form: Form) -> Period | None:
    first, last = (_date(part, form) for part in question.parts[0])
    if first is None or last is None:
        return None
    try:
        return Period(first, last)
    except InvalidPeriod:
        raise _Unreadable("The last day must not be before the first") from None


def _pounds(question: Question, form: Form) -> int | None:
    text = form.text(question.name)
    sign = -1 if question.kind == "signed" and text.startswith("-") else 1
    try:
        return sign * parse_pounds(text[1:] if sign < 0 else text) if text else None
    except InvalidMoney:
        raise _Unreadable("An amount is in pounds and whole pence, such as 310.00") from None


def _choice(question: Question, form: Form) -> str | None:
    chosen = form.text(question.name)
    if chosen and chosen not in dict(question.choices):
        raise _Unreadable("Choose one of those that are here")
    return None if chosen in ("", NONE) else chosen


def _yes_no(question: Question, form: Form) -> bool | None:
    chosen = _choice(question, form)
    return None if chosen is None else chosen == "yes"


def _many(question: Question, form: Form) -> tuple[str, ...]:
    chosen = tuple(form.get(question.name, ()))
    if not set(chosen) <= set(dict(question.choices)):
        raise _Unreadable("Choose from those that are here")
    return chosen


def _each_line(question: Question, form: Form) -> tuple[str, ...]:
    written = tuple(form.text(question.name).split())
    codes = list(dict(question.choices))
    if codes and not set(written) <= set(codes):
        raise _Unreadable(f"Each is one of {', '.join(codes)}")
    return written


_READ: Mapping[Kind, Callable[[Question, Form], Any]] = {
    "text": _text,
    "date": _date,
    "period": _period,
    "pounds": _pounds,
    "signed": _pounds,
    "choice": _choice,
    "yes_no": _yes_no,
    "many": _many,
    "each_line": _each_line,
}


def _line(parts: tuple[Question, ...], form: Form, faults: dict[str, str]) -> dict[str, Any] | None:
    """One allocation line; its reference is made from its need and its funding."""
    given = {p.name.rpartition("-")[2]: _read(p, form, faults) for p in parts}
    found = {name: value for name, value in given.items() if value is not None}
    for name in ("need", "funding_stream"):
        if name in found:
            found[name] = "_".join(found[name].lower().split())
    found["line_reference"] = f"{found.get('need')}.{found.get('funding_stream')}"
    return found


# --- telling what is wrong --------------------------------------------------------------------


class Fault(NamedTuple):
    """Something wrong with an answer, for the summary above the form."""

    label: str
    what: str
    place: str


class Told(NamedTuple):
    """What is wrong: by question, listed for the summary, and what is about no one question."""

    status: int
    faults: dict[str, str]
    listed: list[Fault]
    refused: str


def faults_in(asks: Sequence[Question], faults: dict[str, str], refusal: Refusal | None) -> Told:
    """What a page says of faults, and of a refusal: at its question, if it is about one."""
    named, refused = _by_name(asks), ""
    if refusal is not None:
        name = _question_of(refusal)
        if name in named:
            faults = {name: str(refusal)}
        else:
            refused = str(refusal)
    status = refusal.status if refusal is not None else 422 if faults else 200
    listed = [Fault(q.asks.label, faults[n], q.place) for n, q in named.items() if n in faults]
    return Told(status, faults, listed, refused)


def _by_name(asks: Sequence[Question]) -> dict[str, Question]:
    """Every question, and those within them, by name."""
    found: dict[str, Question] = {}
    for question in asks:
        found[question.name] = question
        for parts in question.parts:
            found |= _by_name(parts)
    return found


def _question_of(refusal: Refusal) -> str:
    """Which question a refusal is about: lines[0].need is the need of the first line.

    A line's reference is made from its need."""
    field = str(refusal.details.get("field", ""))
    head, _, rest = field.partition("[")
    if not rest:
        return field
    number, _, part = rest.replace("line_reference", "need").partition("].")
    return f"{head}-{int(number) + 1}-{part}" if part and number.isdigit() else head
