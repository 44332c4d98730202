"""The auditor's pages: a budget replayed event by event, as of a day and as known at a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.commands import require_keepable
from ledger.dates import ENGLAND, parse_date
from ledger.errors import BudgetNotFound, Refusal
from ledger.projections.audit import sentence
from ledger.projections.postings import postings
from ledger.replay.bundle import bundle
from ledger.replay.steps import Asked, facts_around
from ledger.web.asking import ledger_of, today_in_england
from ledger.web.pages import HEADERS, page, see_other

router = APIRouter(include_in_schema=False)

LISTED_AROUND = 10


class Question(NamedTuple):
    """What was asked for in the address, as it was written, and what is wrong with it."""

    on: str
    known_on: str
    known_time: str
    asked: Asked
    faults: dict[str, str]

    def link(self, version: int | None = None) -> str:
        """The part of an address that asks the same of another event."""
        said = {"on": self.on, "known_on": self.known_on, "known_time": self.known_time}
        said |= {"event": str(version)} if version is not None else {}
        return urlencode({name: text for name, text in said.items() if text})


def _question(request: Request) -> Question:
    """Read it; what cannot be read is left out, and said to be."""
    given = {n: request.query_params.get(n, "").strip() for n in ("on", "known_on", "known_time")}
    faults: dict[str, str] = {}

    def read_day(name: str) -> date | None:
        try:
            day = parse_date(given[name], name) if given[name] else None
            require_keepable(day, name)
        except Refusal:
            faults[name] = "Enter a day that exists, such as 2026-05-03."
            return None
        return day

    on, known_on, at = read_day("on"), read_day("known_on"), time.max
    if given["known_time"]:
        try:
            at = time.fromisoformat(given["known_time"]).replace(tzinfo=None)
        except ValueError:
            faults["known_time"] = "Enter a time of day, such as 09:30."
        if not given["known_on"]:
            faults["known_on"] = "Enter the day as well, or neither."
    known_at = datetime.combine(known_on, at, ENGLAND).astimezone(UTC) if known_on else None
    return Question(**given, asked=Asked(on, known_at), faults=faults)


@router.get("/audit")
@needs("audit.read")
def choose(request: Request, reference: str = "") -> Response:
    """Choose a budget to replay, and what of it."""
    question, wanted = _question(request), reference.strip().upper()
    fault = ""
    if wanted and not question.faults:
        ledger = ledger_of(request)
        if next(ledger.history(PersonalBudget, wanted), None) is not None:
            return see_other(f"/budgets/{wanted}/replay?{question.link()}")
        fault = f"There is no personal budget {wanted[:20]}."
    elif "reference" in request.query_params and not wanted:
        fault = "Enter the reference of a budget."
    status = 422 if fault or question.faults else 200
    return page(request, "audit.html", status, question=question, reference=reference, fault=fault)


@router.get("/budgets/{reference:reference}/replay")
@needs("audit.read")
def replay(request: Request, reference: str, event: str = "") -> Response:
    """One event of a budget: what it says, what it moved, how the budget stood before and after,
    and what of that is known otherwise now."""
    question, history = _question(request), _history(request, reference)
    asked, today = question.asked, today_in_england()
    told = [recorded for recorded in history if asked.holds(recorded.event)]
    facts: dict[str, Any] = {"question": question, "reference": reference, "count": len(told)}
    if told:
        wanted = int(event) if event.isascii() and event.isdigit() and len(event) < 10 else 10**9
        place = max((n for n, r in enumerate(told) if r.originator_version <= wanted), default=0)
        shown, around = told[place], max(0, place - LISTED_AROUND)
        facts |= {
            "place": place,
            "shown": shown,
            "says": sentence(shown.event),
            "postings": postings(shown.event),
            "facts": facts_around(history, shown.originator_version, asked, today),
            "terms_on": asked.on or today,
            "versions": [r.originator_version for r in told],
            "listed": [
                (number, r.originator_version, sentence(r.event))
                for number, r in enumerate(told[around : place + LISTED_AROUND + 1], around + 1)
            ],
        }
    later = [
        (r.event, sentence(r.event))
        for r in history
        if asked.is_by_then(r.event) and not asked.holds(r.event)
    ]
    status = 422 if question.faults else 200
    return page(request, "replay.html", status, later=later, **facts)


@router.get("/budgets/{reference:reference}/replay/bundle")
@needs("audit.read")
def download(request: Request, reference: str) -> Response:
    """The same as files, to be checked elsewhere."""
    question, history = _question(request), _history(request, reference)
    if question.faults:
        return see_other(f"/budgets/{reference}/replay?{question.link()}")
    made = bundle(reference, history, question.asked)
    name = f"audit-{reference.replace('/', '-')}.zip"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(made, 200, headers, "application/zip")


def _history(request: Request, reference: str) -> list[Any]:
    ledger = ledger_of(request)
    history = list(ledger.history(PersonalBudget, reference))
    if not history:
        raise BudgetNotFound(f"There is no personal budget {reference}.")
    return history
