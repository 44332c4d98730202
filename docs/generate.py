"""Makes the reference pages from the code: `python -m docs.generate`, which `make fix` runs.

A page made here is never edited by hand; tests/test_docs.py fails when one is out of date.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
import typer.main
from sqlalchemy import Table

import ledger
from docs.api_page import api_page
from docs.assessment_file_page import assessment_file_page
from docs.assessment_page import assessment_page
from docs.letters_page import letters_page
from docs.markdown import code, page, paragraph, table
from docs.rates_page import rates_page
from docs.roles_page import roles_page
from ledger.aggregates.bank_report import QUEUED_BECAUSE
from ledger.aggregates.care_decisions import LAWFUL_EXCLUSIONS
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.event_sourced import EVENT_TYPES, TOPICS, Event, EventType
from ledger.aggregates.mass_change import HELD_BECAUSE, RELEASABLE, SKIPPED_BECAUSE
from ledger.aggregates.payees import NAME_ANSWERS
from ledger.caseload_columns import COLUMNS
from ledger.cli import app
from ledger.config import Settings
from ledger.durable import durable
from ledger.errors import Refusal
from ledger.projections import APPENDING, KEYED
from ledger.projections.audit import sentence
from ledger.projections.postings import ACCOUNTS, MONEYLESS, POSTED, postings
from ledger.projections.tables import Appending, Keyed
from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
EXAMPLES = ROOT / "tests" / "golden" / "events"


# --- refusals -----------------------------------------------------------------------------


def refusals() -> list[type[Refusal]]:
    """Every refusal of the whole program, module by module, as they were written."""
    for module in pkgutil.walk_packages(ledger.__path__, "ledger."):
        if not module.name.startswith(("ledger.migrations", "ledger.__main__")):
            importlib.import_module(module.name)
    found = [
        refusal for refusal in Refusal.__subclasses__() if refusal.__module__.startswith("ledger.")
    ]
    last = ["ledger.api", "ledger.cli"]  # the ledger's own first, then those of the ways in

    def order(refusal: type[Refusal]) -> tuple[int, str, int]:
        module = refusal.__module__
        way_in = [place for place, name in enumerate(last, 1) if module.startswith(name)]
        return sum(way_in), module, inspect.getsourcelines(refusal)[1]

    return sorted(found, key=order)


def _section(refusal: type[Refusal]) -> str:
    """What the refusal is about: the comment line above it in its module."""
    if refusal.__module__.startswith("ledger.cli"):
        return "Only on the command line"
    source = inspect.getsource(inspect.getmodule(refusal) or ledger).splitlines()
    above = source[: inspect.getsourcelines(refusal)[1]]
    titles = [m[1] for line in above if (m := re.fullmatch(r"# --- (.+?) -+", line))]
    title = titles[-1] if titles else refusal.__module__.rpartition(".")[2].replace("_", " ")
    return title[0].upper() + title[1:]


def refusals_page() -> str:
    sections: defaultdict[str, list[type[Refusal]]] = defaultdict(list)
    for refusal in refusals():
        sections[_section(refusal)].append(refusal)
    parts = [
        "Everything the ledger can refuse, by its code. A refusal means that nothing was "
        "recorded: no event, no row, no file.",
        "On the command line a refusal is one line, `refused: CODE: SENTENCE`, and exit status 1. "
        "From the API it is a problem document (RFC 9457) with the HTTP status given here. "
        "Programs match on the code, which never changes; the sentence may say more than the rule "
        "below, such as which budget. *Again?* says that the same request may succeed if it is "
        "simply made again.",
    ]
    for title, members in sections.items():
        rows = [
            (code(r.code), r.status, "yes" if r.retryable else "", paragraph(r.rule))
            for r in members
        ]
        parts += [f"## {title}", table(("Code", "Status", "Again?", "Rule"), rows)]
    return page("Refusals", *parts)


# --- events -------------------------------------------------------------------------------

_COMMON = frozenset(Event.__struct_fields__)
_STREAMS = {
    "personal-budget": "A personal budget",
    "payment-cycle": "A payment cycle",
    "bank-report": "A bank's report",
    "provider": "A provider",
    "mass-change": "A mass change",
    "accounting-periods": "The accounts",
}


def _event_types() -> dict[str, EventType]:
    """Every kind of event, stream by stream, whatever was imported first."""
    return {
        topic: event_type
        for stream in _STREAMS
        for topic, event_type in EVENT_TYPES.items()
        if topic.startswith(f"{stream}.")
    }


def example(topic: str) -> Event:
    """The stored example of an event that is kept for ever."""
    first, *_ = (EXAMPLES / f"{topic}.json").read_bytes().splitlines()
    return EVENT_TYPES[topic].decode(first)


def kind(name: str, annotation: Any) -> str:
    """A field's type and unit, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(map(code, arguments))
    if nothing := {NoneType, Literal[""]} & {*arguments}:
        rest = next(a for a in arguments if a not in nothing)
        return f"{kind(name, rest)}, or nothing"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a list: {kind(name, arguments[0])}"
    if origin is tuple:
        return " and ".join(kind("", a) for a in arguments)
    if inspect.isclass(annotation) and issubclass(annotation, msgspec.Struct):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _plain(name, annotation)


def _plain(name: str, annotation: Any) -> str:
    if annotation is int:
        return "pence" if name.endswith("_pence") else "whole number"
    if annotation is str:
        endings = {"_reference": "reference", "_references": "reference", "_code": "code",
                   "_sha256": "SHA-256 in hexadecimal"}  # fmt: skip
        return next((what for end, what in endings.items() if name.endswith(end)), "text")
    names = {date: "day", datetime: "moment", bool: "yes or no"}
    return names[annotation]


def _fields(struct: type[msgspec.Struct], leave_out: frozenset[str] = frozenset()) -> str:
    rows = [
        (code(f.name), kind(f.name, f.type), _default(f))
        for f in msgspec.structs.fields(struct)
        if f.name not in leave_out
    ]
    return table(("Field", "What it is", "If left out"), rows) if rows else "No fields of its own."


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    value = field.default
    if value is None:
        return "nothing"
    if value in ("", ()):
        return "empty"
    if value is True or value is False:
        return "yes" if value else "no"
    return str(value)


def _shapes(structs: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """The Structs that fields hold, each once, and those that they hold."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting = [f.type for s in structs for f in msgspec.structs.fields(s)]
    while waiting:
        annotation = waiting.pop(0)
        if inspect.isclass(annotation) and issubclass(annotation, msgspec.Struct):
            if annotation not in found:
                found[annotation] = None
                waiting += [f.type for f in msgspec.structs.fields(annotation)]
        else:
            waiting += [a for a in get_args(annotation) if a is not Ellipsis]
    return list(found)


def events_page() -> str:
    parts = [
        "Every kind of event, by its permanent topic. A topic never changes; a new shape gets a "
        "new number beside the old one. Applying an event never refuses, so everything here loads "
        "for ever.",
        "Every event also has:",
        _fields(Event),
        "The quoted sentence is how the audit reads the event's stored example aloud. *Money* says "
        "whether it is [posted](accounts.md).",
    ]
    for stream, title in _STREAMS.items():
        parts.append(f"## {title}")
        for topic, event_type in EVENT_TYPES.items():
            if not topic.startswith(f"{stream}."):
                continue
            cls = event_type.cls
            parts += [
                f"### {topic}",
                paragraph(cls.__doc__),
                f"> {sentence(example(topic))}",
                f"Money: {'posted' if cls in POSTED else 'none moves'}.",
                _fields(cls, _COMMON),
            ]
    parts.append("## What fields hold")
    for shape in _shapes(event_type.cls for event_type in _event_types().values()):
        parts += [f"### {shape.__name__}", paragraph(shape.__doc__), _fields(shape)]
    return page("Events", *parts)


# --- accounts -----------------------------------------------------------------------------


def accounts_page() -> str:
    posted = []
    for topic, event_type in _event_types().items():
        if event_type.cls in POSTED:
            sides = postings(example(topic))
            debits = dict.fromkeys(p.account for p in sides if p.amount_pence > 0)
            credits = dict.fromkeys(p.account for p in sides if p.amount_pence < 0)
            posted.append(
                (
                    f"[{topic}](events.md#{topic.replace('.', '')})",
                    ", ".join(map(code, debits)),
                    ", ".join(map(code, credits)),
                )
            )
    moneyless = [code(t) for t, event_type in _event_types().items() if event_type.cls in MONEYLESS]
    return page(
        "Accounts and postings",
        "Money moves in one place: each event is turned into double-entry postings that add up to "
        "nought. A debit is positive, a credit negative, in pence. Balances, finance totals and "
        "the audit all come from these postings.",
        "## Accounts",
        table(("Account", "What it holds"), [(code(a), what) for a, what in ACCOUNTS.items()]),
        "## Which event posts what",
        "As the stored example of each event is posted. A payment is posted by funding stream and "
        "cost centre; where a line puts an earlier payment right, its side may be the other one.",
        table(("Event", "Debit", "Credit"), posted),
        "## Events that move no money",
        "An event must be in the table above or in this list; one that is in neither stops the "
        "ledger rather than be guessed at.",
        ", ".join(moneyless) + ".",
    )


# --- commands -----------------------------------------------------------------------------


def _commands(command: Any, path: str, parent: Any = None) -> Iterator[tuple[str, Any, Any]]:
    """Every verb that does something, with its path and a context to describe it in."""
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    if not hasattr(command, "commands"):
        yield path, command, context
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, f"{path} {name}", context)


_KINDS = {"str": "TEXT", "int": "NUMBER", "int range": "NUMBER", "file": "", "path": ""}


def _options(command: Any, context: Any) -> list[tuple[str, str, str]]:
    """Each argument and option: how it is written, what it is, and what holds if left out."""
    records = [p.get_help_record(context) for p in command.params if p.name != "help"]
    return [_option(*record) for record in records if record]


def _option(written: str, meaning: str) -> tuple[str, str, str]:
    notes = re.search(r" *\[([^\]]*)\]$", meaning)
    if notes:
        meaning = meaning[: notes.start()]
    required = notes is not None and notes[1] == "required"
    default = re.search(r"default: ([^;]+)", notes[1]) if notes else None
    kind = re.search(r" <(.+)>$", written)
    if kind:
        written = written[: kind.start()]
        if "|" in kind[1]:
            meaning = f"{meaning} One of {', '.join(map(code, kind[1].split('|')))}.".lstrip()
        elif written.startswith("-"):
            written = f"{written} {_KINDS.get(kind[1], kind[1].upper())}".rstrip()
    return code(written), meaning, "required" if required else default[1] if default else ""


_NOUNS = {"budget": "A budget", "cycle": "A payment cycle", "change": "A mass change",
          "accounts": "The accounts"}  # fmt: skip


def commands_page() -> str:
    root = typer.main.get_command(app)
    context: Any = root.make_context("pbledger", [], resilient_parsing=True)
    parts = [
        f"{paragraph(root.help)} The verbs of a budget's life are made from the ledger's own "
        "commands, so this page is complete.",
        "```text\npbledger [--as NAME] [--json] VERB ...\n```",
        table(("Option of every verb", "What it does", ""), _options(root, context)),
        paragraph(root.epilog or ""),
        "Money is written in pounds (`310.00`), days as `2026-04-06`. Answers go to standard "
        "output; refusals, questions and progress to standard error.",
    ]
    section = ""
    for path, command, inner in _commands(root, "pbledger"):
        words = path.split()
        title = _NOUNS.get(words[1], "The ledger")
        if title != section:
            section = title
            parts.append(f"## {title}")
        arguments = [p.metavar for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([path, *(str(a) for a in arguments)])
        parts += [f"### {' '.join(words[1:])}", f"```text\n{usage}\n```", command.help.strip()]
        options = _options(command, inner)
        if options:
            parts.append(table(("Argument or option", "What it is", "If left out"), options))
    return page("Commands", *parts)


# --- settings, caseload, exceptions, codes, tables ----------------------------------------


def settings_page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        shown = "" if field.default in ("", None) else code(field.default)
        rows.append((code(f"LEDGER_{name.upper()}"), shown, paragraph(field.description)))
    return page(
        "Settings",
        "Read once when the program starts, from the environment or from a file named `.env` in "
        "the folder it is started in. The environment wins.",
        table(("Setting", "Default", "What it is"), rows),
    )


def caseload_page() -> str:
    rows = [
        (
            code(c.name),
            c.of,
            "yes" if c.required else "",
            c.meaning + (f" One of {', '.join(map(code, c.allowed))}." if c.allowed else ""),
        )
        for c in COLUMNS
    ]
    return page(
        "The caseload file",
        "A CSV file in UTF-8 with a header, and one row for each allocation line of each budget. "
        "Every column must be there, in any order; a cell may be blank where the column is not "
        "required. Columns of the *budget* repeat on each of its rows and must agree; columns of "
        "the *line* are its own. Days are `YYYY-MM-DD`, money is pounds (`310.00`).",
        "[An example of 250 budgets](../../examples/caseload.csv), all of them made up. "
        "[How to import a caseload](../how-to/import-a-caseload.md).",
        table(("Column", "Of", "Required", "What it holds"), rows),
        "## What is refused",
        "A file with any fault is refused whole, and every fault is listed by line, column and "
        "reason; nothing is written. The same file again changes nothing. A row that disagrees "
        "with a budget already in the ledger is a conflict: all conflicts are listed, and nothing "
        "is written.",
        "The faults never repeat what a cell holds, because a shifted column puts account numbers "
        "anywhere.",
    )


def exceptions_page() -> str:
    rows = [
        (code(name), "no payment" if "-" in name else "", meaning)
        for name, meaning in EXCEPTIONS.items()
    ]
    return page(
        "Cycle exceptions",
        "What an approver is shown before approving a payment cycle. A code with hyphens is a "
        "gate: the budget is left out of the cycle, and the code is that of the "
        "[refusal](refusals.md) that a payment would meet. "
        "[What to do about each](../how-to/run-a-payment-cycle.md#look-at-the-exceptions).",
        table(("Code", "Effect", "Meaning"), rows),
    )


def held_page() -> str:
    held = [
        (code(name), "yes" if name in RELEASABLE else "", meaning)
        for name, meaning in HELD_BECAUSE.items()
    ]
    return page(
        "Held back and passed over",
        "Why a budget is not changed with all the others of a "
        "[mass change](../how-to/change-many-budgets.md).",
        "## Held back when it is prepared",
        "A budget held back is listed, counted, in no total, and never changed. Some are held "
        "back only until someone has looked: `--release`. Any other code with hyphens is that of "
        "the [refusal](refusals.md) that the change would meet. "
        "[What to do about each](../how-to/change-many-budgets.md#what-held-back-means).",
        table(("Code", "May be released", "Meaning"), held),
        "## Passed over when it is applied",
        "What was approved is done, or nothing. A budget may also be passed over for a reason for "
        "which it would be held back by then, or with the code of a refusal.",
        table(("Code", "Meaning"), [(code(k), v) for k, v in SKIPPED_BECAUSE.items()]),
    )


def codes_page() -> str:
    return page(
        "Codes with a meaning outside",
        "Codes that the law or the banks give their meaning. All other codes are words, and are "
        "listed with the [events](events.md) that hold them.",
        "## Grounds on which a direct payment may be refused",
        "`pbledger budget offer-direct-payment --outcome excluded` needs one of these as its "
        "`--reason-code`. Which one it was is sealed, in no event, and shown only to who looks "
        "(`pbledger person look`). The court order behind the first is held nowhere here.",
        table(("Code", "Source"), [(code(k), v) for k, v in LAWFUL_EXCLUSIONS.items()]),
        "## Why the bank sent a payment back",
        "`pbledger budget return-payment` takes the code of the bank's report (Bacs ARUCS).",
        table(("Code", "Meaning"), [(code(k), v) for k, v in RETURN_REASONS.items()]),
        "## Why an item of a bank's report waits",
        "`pbledger reports queue` lists them; nothing is recorded for one until someone says what "
        "it is.",
        table(("Code", "Meaning"), [(code(k), v) for k, v in QUEUED_BECAUSE.items()]),
        "## Why the bank did not take a payment",
        "ISO 20022 codes of a payment status report; `input_error` is any error of the Bacs input "
        "report.",
        table(("Code", "Meaning"), [(code(k), v) for k, v in REJECTION_REASONS.items()]),
        "## What confirmation of payee answers",
        "In the codes of Pay.UK's scheme. [What to do about each](../how-to/check-a-payee.md).",
        table(("Code", "Meaning"), [(code(k), v) for k, v in NAME_ANSWERS.items()]),
    )


def _columns(sql_table: Table) -> str:
    rows = [
        (
            code(c.name),
            str(c.type).lower(),
            "key" if c.primary_key else "",
            "yes" if c.nullable else "",
        )
        for c in sql_table.columns
    ]
    return table(("Column", "Type", "Key", "May be null"), rows)


def read_tables_page() -> str:
    parts = [
        "Tables made from the events, for questions and reports. They may be read freely and are "
        "never written by hand: `pbledger rebuild` makes them anew and `pbledger verify` compares "
        "every row with a replay. A change of their columns is not a migration, only a rebuild.",
        "`stream` is the history an event belongs to, in hexadecimal; it joins the tables. A name "
        "ends in its unit: `_pence`, `_on` (a day), `_at` (a moment, ISO 8601 in UTC).",
    ]
    projections: list[Appending | Keyed] = [*APPENDING, *KEYED]
    for projection in projections:
        parts += [
            f"## {projection.table.name}",
            paragraph(type(projection).__doc__),
            _columns(projection.table),
        ]
    parts += [
        "## Tables that are kept",
        "Not made from events, never dropped, changed only by migrations. What is `sealed` cannot "
        "be read without the key file. Events themselves are in `stored_events`, which only ever "
        "grows; `read_position` says how far the read tables have followed it.",
    ]
    for sql_table in durable.sorted_tables:
        parts += [f"### {sql_table.name}", _columns(sql_table)]
    return page("Read tables", *parts)


# --- all of them --------------------------------------------------------------------------


def _by_status() -> dict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for refusal in refusals():
        if not refusal.__module__.startswith("ledger.cli"):
            found[refusal.status].append(refusal.code)
    return dict(sorted(found.items()))


PAGES: dict[str, Callable[[], str]] = {
    "accounts.md": accounts_page,
    "api.md": lambda: api_page(_by_status()),
    "assessment-file.md": assessment_file_page,
    "caseload.md": caseload_page,
    "codes.md": codes_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "exceptions.md": exceptions_page,
    "financial-assessment.md": assessment_page,
    "held-back.md": held_page,
    "letters.md": letters_page,
    "rates.md": rates_page,
    "read-tables.md": read_tables_page,
    "refusals.md": refusals_page,
    "roles.md": roles_page,
    "settings.md": settings_page,
}
"""The pages of docs/reference/ that are made here."""


def main(names: Sequence[str] = tuple(PAGES)) -> None:
    """Write every page that is out of date."""
    assert set(TOPICS) == set(POSTED) | MONEYLESS, "every event is posted or moneyless"
    assert _event_types().keys() == EVENT_TYPES.keys(), "every stream has a title"
    for name in names:
        path, made = REFERENCE / name, PAGES[name]()
        if not path.exists() or path.read_text() != made:
            path.write_text(made)
            print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
