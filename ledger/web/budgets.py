"""Personal budgets: finding one, and the page of one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import ColumnElement, func, or_, select, true

from ledger.access.guard import actor_of, needs
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.bank_file import working_days
from ledger.errors import BudgetNotFound
from ledger.projections.audit import sentence
from ledger.projections.registers import Budgets, suspensions_in
from ledger.web.asking import ledger_of, today_in_england
from ledger.web.budget_commands import record_links
from ledger.web.budget_facts import budget_facts
from ledger.web.pages import page, see_other
from ledger.web.paging import PageAsked, paging

router = APIRouter(include_in_schema=False)

STORY_AT_ONCE = 20
PAYMENTS_AT_ONCE = 13  # a year of four-weekly ones


class Found(NamedTuple):
    """A budget in the list."""

    reference: str
    recipient_reference: str
    opened_on: date
    standing: str
    paid_to: date | None


@router.get("/budgets")
@needs("budgets.find")
def find(
    request: Request,
    find: Annotated[str, Query(max_length=40)] = "",
    number: Annotated[PageAsked, Query(alias="page")] = 1,
) -> Response:
    """Look for a budget by its own reference, its recipient's, or how either begins."""
    ledger = ledger_of(request)
    ledger.projections.catch_up()
    wanted = find.strip().upper()
    b = Budgets.table.c
    where = _is_wanted(wanted) if wanted else true()
    with ledger.engine.connect() as connection:
        if wanted and connection.execute(select(b.reference).where(b.reference == wanted)).all():
            return see_other(f"/budgets/{wanted}")
        count = connection.execute(
            select(func.count()).select_from(Budgets.table).where(where)
        ).scalar_one()
        at = paging(request, number, count)
        columns = (b.reference, b.recipient_reference, b.opened_on, b.closed_on, b.paid_to)
        query = select(*columns, b.suspensions).where(where).order_by(b.reference)
        rows = connection.execute(query.offset(at.after).limit(at.size)).all()
    today = today_in_england()
    found = [Found(*row[:3], _standing(row, today), row.paid_to) for row in rows]
    actor = actor_of(request)
    return page(
        request,
        "budgets.html",
        found=found,
        find=find,
        at=at,
        opens=actor.reach("support.decide") == "all",
        registers=actor.reach("people.register") == "all",
    )


def _is_wanted(wanted: str) -> ColumnElement[bool]:
    b = Budgets.table.c
    return or_(
        b.reference.startswith(wanted, autoescape=True),
        b.recipient_reference.startswith(wanted, autoescape=True),
    )


def _standing(row: Any, today: date) -> str:
    if row.closed_on is not None and row.closed_on < today:
        return "Closed"
    suspended = any(t.in_force_on(today) for t in suspensions_in(row.suspensions, today))
    return "Suspended" if suspended else "Open"


@router.get("/budgets/{reference:reference}")
@needs("budgets.read")
def show(
    request: Request,
    reference: str,
    payments: Annotated[str, Query(max_length=3)] = "",
    recorded: Annotated[int | None, Query(ge=0, le=10**9)] = None,
    number: Annotated[PageAsked, Query(alias="page")] = 1,
) -> Response:
    """One budget: where it stands, what comes next, its money, and its story newest first."""
    ledger = ledger_of(request)
    history = list(ledger.history(PersonalBudget, reference))
    budget = PersonalBudget.project(None, history)
    if budget is None:
        raise BudgetNotFound(f"There is no personal budget {reference}.")
    at = paging(request, number, len(history), STORY_AT_ONCE, "story")
    return page(
        request,
        "budget.html",
        budget=budget,
        story=[(r.originator_version, r.event, sentence(r.event)) for r in at.of(history[::-1])],
        at=at,
        recorded=None if recorded is None else [sentence(r.event) for r in history[recorded:]],
        records=bool(record_links(actor_of(request), reference)),
        replays=actor_of(request).reach("audit.read") is not None,
        most=None if payments == "all" else PAYMENTS_AT_ONCE,
        may_see_cycles=actor_of(request).reach("cycles.read") == "all",
        **budget_facts(
            budget,
            ledger.people.shown(payee.payee_reference for payee in budget.known_payees),
            today_in_england(),
            working_days(ledger),
        ),
    )
