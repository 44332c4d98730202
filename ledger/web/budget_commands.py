"""What can be recorded on a budget: a form for each command, checked and tried before it is sent.

The forms are made from the commands' own arguments, as the API's routes and the command line's
verbs are. Every answer is tried first: the page that comes then says what would be recorded and
what it changes in the payments to come, and nothing is recorded before that page is sent too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.access.roles import COMMANDS, NEEDED, PERMISSIONS
from ledger.access.users import Actor
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Tried
from ledger.commands import BUDGET_COMMANDS, Command, require_keepable
from ledger.errors import Refusal
from ledger.projections.audit import sentence
from ledger.projections.words import words
from ledger.web.asking import ledger_of, said_now, today_in_england
from ledger.web.command_choices import choices
from ledger.web.command_words import ASKED, asked
from ledger.web.forms import TOKEN, Form, Sent
from ledger.web.pages import page, see_other
from ledger.web.questions import (
    MOST_LINES,
    Answers,
    Question,
    day,
    faults_in,
    questions,
    read_answers,
    starting,
)

router = APIRouter(include_in_schema=False)

_STEP, _VERSION, _LINES = "step", "version", "line_count"
_OURS = {TOKEN, _STEP, _VERSION}


class _Asking(NamedTuple):
    """A command that is being asked of a budget: its questions, and who asks where."""

    request: Request
    command: Command
    budget: PersonalBudget
    asks: list[Question]

    @property
    def path(self) -> str:
        return self.request.url.path


def title_of(name: str) -> str:
    """A command's name as a heading: Suspend payments."""
    return name.replace("-", " ").capitalize() if name != "open" else "Open a budget"


def record_links(actor: Actor, reference: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """What someone may record on a budget, sorted by what it belongs to: titles and addresses."""
    found = []
    for permission, names in COMMANDS.items():
        if actor.reach(permission) == "all":
            first = ("propose-payee",) if permission == "payees.propose" else ()
            links = [
                (title_of(name), f"/budgets/{reference}/{name}")
                for name in (*first, *names)
                if name != "open"
            ]
            found.append((PERMISSIONS[permission], links))
    return found


@router.get("/budgets/{reference:reference}/record")
@needs("budgets.read")
def record(request: Request, reference: str) -> Response:
    """Everything that one may record on a budget."""
    ledger = ledger_of(request)
    budget = ledger.budget(reference)
    return page(
        request, "record.html", budget=budget, groups=record_links(actor_of(request), reference)
    )


# --- asking -----------------------------------------------------------------------------------


def _asking(request: Request, command: Command, reference: str, line_count: int) -> _Asking:
    ledger = ledger_of(request)
    today = today_in_england()
    effective_on = day("effective_on", asked(command.name, "effective_on"), default=today)
    if command.name == "open":
        own = questions(command.name, command.arguments, lambda _: None)
        reference_asked = Question("reference", "text", ASKED["reference"])
        budget = PersonalBudget(reference)
        return _Asking(request, command, budget, [reference_asked, *own, effective_on])
    budget = ledger.budget(reference)
    accounts = ledger.people.shown(payee.payee_reference for payee in budget.known_payees)
    own = questions(
        command.name,
        command.arguments,
        lambda argument: choices(command.name, argument, budget, accounts),
        line_count,
    )
    return _Asking(request, command, budget, [*own, effective_on])


def _form_page(
    asking: _Asking,
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    """The form, with what is wrong in it if anything is."""
    told = faults_in(asking.asks, faults or {}, refusal)
    return page(
        asking.request,
        "command.html",
        command=asking.command,
        title=title_of(asking.command.name),
        explained=_explained(asking.command),
        budget=asking.budget if asking.budget.version else None,
        asks=asking.asks,
        lacking=[q.asks.label for q in asking.asks if _is_lacking(q)],
        form=form,
        path=asking.path,
        line_count=_line_count(form.text(_LINES)),
        takes_lines=any(q.kind == "lines" for q in asking.asks),
        **told._asdict(),
    )


def _is_lacking(question: Question) -> bool:
    """Something must be chosen, and the budget has nothing to choose from."""
    return question.kind == "choice" and question.required and not question.choices


def _explained(command: Command) -> str:
    """What the command's own documentation says of it, its arguments in words."""
    text = " ".join(f"{command.summary}\n{command.description}".split())
    text = text.replace("`effective_on`", "the day given")
    for name in command.arguments.__struct_fields__:
        text = text.replace(f"`{name}`", words(name.removesuffix("_code")))
    text = text.replace("`LAWFUL_EXCLUSIONS`", "the grounds in law")
    return re.sub(r"(?<=[.] )[a-z]", lambda begins: begins[0].upper(), text)


def _line_count(text: str) -> int:
    return min(max(int(text), 1), MOST_LINES) if text.isascii() and text.isdigit() else 1


# --- trying and recording ---------------------------------------------------------------------


def _checked(asking: _Asking, answers: Answers, form: Form) -> Response:
    """Try what was asked; with the answer to that page, record it."""
    request, command = asking.request, asking.command
    ledger = ledger_of(request)
    given = dict(answers.given)
    reference = given.pop("reference", asking.budget.reference)
    opens = command.name == "open"
    accompanied = said_now(request, given.pop("effective_on"))
    require_keepable(reference, "reference")
    require_keepable(accompanied["effective_on"], "effective_on")
    arguments = msgspec.convert(given, command.arguments)

    def decide(budget: PersonalBudget) -> None:
        command.give(budget, arguments, accompanied)

    if form.text(_STEP) == "record":
        seen = form.text(_VERSION)
        expected = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else -1
        ledger.change(PersonalBudget, reference, decide, create=opens, expected_version=expected)
        return see_other(f"/budgets/{reference}?recorded={expected}")
    tried = ledger.try_out(reference, decide, accompanied["effective_on"], create=opens)
    return _check_page(asking, tried, form)


def _check_page(asking: _Asking, tried: Tried, form: Form) -> Response:
    return page(
        asking.request,
        "check.html",
        title=title_of(asking.command.name),
        budget=asking.budget if asking.budget.version else None,
        sentences=[sentence(recorded.event) for recorded in tried.events],
        effect=tried.effect,
        version=tried.budget.version - len(tried.events),
        path=asking.path,
        fields=[(n, text) for n, texts in form.items() if n not in _OURS for text in texts],
    )


def _routes(command: Command) -> None:
    """A form for one command, and what it sends."""

    def show(request: Request, reference: str = "") -> Response:
        lines = request.query_params.get("lines", "1")
        asking = _asking(request, command, reference, _line_count(lines))
        form = starting(asking.asks)
        form[_LINES] = [str(_line_count(lines))]
        return _form_page(asking, form)

    def take(request: Request, form: Sent, reference: str = "") -> Response:
        asking = _asking(request, command, reference, _line_count(form.text(_LINES)))
        answers = read_answers(asking.asks, form)
        if answers.faults or form.text(_STEP) == "change":
            return _form_page(asking, form, answers.faults)
        try:
            return _checked(asking, answers, form)
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            return _form_page(asking, form, refusal=refusal)

    path = f"/budgets/{{reference:reference}}/{command.name}" if command.name != "open" else _NEW
    handlers: list[tuple[str, Callable[..., Any]]] = [("GET", show), ("POST", take)]
    for method, handler in handlers:
        router.add_api_route(path, needs(NEEDED[command.name])(handler), methods=[method])


_NEW = "/budgets/open"

for _command in BUDGET_COMMANDS.values():
    _routes(_command)
