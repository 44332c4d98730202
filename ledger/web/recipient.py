"""A recipient's own pages: what their budget is worth, what was paid and why, and who may look.

Whoever acts for them sees the same; each of those looks is recorded, by the guard.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.access.reach import standing_of
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.spend_returns import SpendReturn
from ledger.budget_looks import SEEN, budget_looks_at
from ledger.commands import BUDGET_COMMANDS
from ledger.dates import Period, parse_date
from ledger.errors import LetterNotFound, NotPermitted, Refusal, SpendReturnNotFound
from ledger.money import parse_pounds, plain_pounds
from ledger.outbox.register import entries, entry, shown
from ledger.outbox.writing import council_of
from ledger.pay_calendar import months_after
from ledger.projections.access import budgets_of
from ledger.statements.documents import comes_next, statement_html
from ledger.statements.statement import statement_of
from ledger.status_checks import status_of
from ledger.web.asking import ledger_of, said_now, today_in_england
from ledger.web.forms import Form, Sent
from ledger.web.own_budget import (
    PAYMENTS_SHOWN,
    letters_told,
    looks_told,
    payments_picture,
    payments_told,
    statement_years,
)
from ledger.web.pages import HEADERS, page, see_other
from ledger.web.sessions import who_asks

router = APIRouter(include_in_schema=False)

MOST_LOOKS = 500
FIGURES = {
    "opening_balance": "Money in the account at the start",
    "money_in": "Money that came in",
    "spending": "Money that was spent",
    "closing_balance": "Money in the account at the end",
}
"""What a spend return asks for."""
MONTHS = ("3", "6", "12")
DONE = {
    "return": "We have your spend return. We will write if we have a question.",
    "granted": "They can now see how the account stands.",
    "revoked": "They can no longer see anything.",
}
"""What is said after a form, by its code in the address."""
# A document of its own: it has its own style in it, and nothing is fetched.
_DOCUMENT = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'"
}


@router.get("/my/budgets")
@needs(None)
def mine(request: Request) -> Response:
    """The budgets that are one's own or of whom one acts for; if it is one, go there."""
    actor = request.scope["actor"] = who_asks(request)
    if not actor.person_reference or actor.reach("consent.give") is None:
        raise NotPermitted("You have no personal budget here, and act for nobody who has.")
    ledger = ledger_of(request)
    ledger.projections.catch_up()
    found = budgets_of(ledger.engine, actor.person_reference)
    if len(found) == 1:
        return see_other(f"/my/budgets/{found[0]}")
    return page(request, "my_budgets.html", budgets=found)


@router.get("/my/budgets/{reference:reference}/statement")
@needs("budgets.read")
def statement(request: Request, reference: str) -> Response:
    """A statement to read or print, of the days asked for."""
    asked = request.query_params
    period = Period(parse_date(asked.get("from"), "from"), parse_date(asked.get("to"), "to"))
    ledger = ledger_of(request)
    made = statement_of(reference, ledger.history(PersonalBudget, reference), period)
    document = statement_html(made, council_of(ledger.settings))
    return Response(document, 200, {**HEADERS, **_DOCUMENT}, "text/html; charset=utf-8")


@router.get("/my/budgets/{reference:reference}/letters/{letter}")
@needs("letters.read")
def letter(request: Request, reference: str, letter: str) -> Response:
    """A letter or remittance advice of this budget, to read or print."""
    ledger = ledger_of(request)
    if entry(ledger, letter).budget_reference != reference:
        raise LetterNotFound(f"There is no letter {letter}.")
    found = shown(ledger, letter)
    kind = "text/html" if found.is_page else "text/plain"
    return Response(found.content, 200, {**HEADERS, **_DOCUMENT}, f"{kind}; charset=utf-8")


# --- spend returns ------------------------------------------------------------------------


@router.get("/my/budgets/{reference:reference}/return")
@needs("returns.submit")
def ask_return(request: Request, reference: str, of: str = "") -> Response:
    """The form of a spend return that is awaited."""
    budget = ledger_of(request).budget(reference)
    asked = _awaited(budget, of)
    before = [r.submitted for r in budget.spend_returns.values() if r.submitted and r != asked]
    opening = plain_pounds(before[-1].closing_balance_pence) if before else ""
    form = Form({"return_reference": [of], "opening_balance": [opening]})
    return _return_page(request, budget, asked, form, {})


@router.post("/my/budgets/{reference:reference}/return")
@needs("returns.submit")
def send_return(request: Request, reference: str, form: Sent) -> Response:
    """Take the figures of a spend return, if they can be read and add up."""
    budget = ledger_of(request).budget(reference)
    of = form.text("return_reference")
    asked = _awaited(budget, of)
    figures: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, label in FIGURES.items():
        try:
            figures[f"{name}_pence"] = _pounds(form.text(name))
        except Refusal:
            faults[name] = f"{label}: enter pounds and pence, such as 310.00"
    if not faults:
        try:
            _give(request, reference, "submit-spend-return", return_reference=of, **figures)
        except Refusal as refusal:
            faults["closing_balance"] = str(refusal)
    if faults:
        return _return_page(request, budget, asked, form, faults)
    return see_other(f"/my/budgets/{reference}?done=return")


def _awaited(budget: PersonalBudget, of: str) -> SpendReturn:
    asked = budget.spend_returns.get(of)
    if asked is None or asked.status not in ("requested", "queried"):
        raise SpendReturnNotFound(f"No spend return {of} is awaited.")
    return asked


def _return_page(
    request: Request,
    budget: PersonalBudget,
    asked: SpendReturn,
    form: Form,
    faults: dict[str, str],
) -> Response:
    facts = {"budget": budget, "asked": asked, "labels": FIGURES, "form": form, "faults": faults}
    return page(request, "my_return.html", 422 if faults else 200, **facts)


def _pounds(text: str) -> int:
    """Pounds as people write them; a minus before them if an account was overdrawn."""
    bare = text.replace("\N{MINUS SIGN}", "-")
    return -parse_pounds(bare[1:]) if bare.startswith("-") else parse_pounds(bare)


# --- who may look, and who has looked -----------------------------------------------------


@router.get("/my/budgets/{reference:reference}/access")
@needs("budgets.read")
def access(request: Request, reference: str, done: str = "") -> Response:
    """Who may see how the budget stands, who has looked, and the forms to change that."""
    return _access_page(request, ledger_of(request).budget(reference), Form(), {}, DONE.get(done))


@router.post("/my/budgets/{reference:reference}/access/grant")
@needs("consent.give")
def grant(request: Request, reference: str, form: Sent) -> Response:
    """Let an organisation see how the account stands, for some months."""
    ledger = ledger_of(request)
    of, facts, months = (form.text(name) for name in ("organisation_reference", "facts", "months"))
    faults = {}
    if not of:
        faults["organisation_reference"] = "Enter the organisation’s reference"
    if facts not in ("status", "status_and_amounts"):
        faults["facts"] = "Choose what they may see"
    if months not in MONTHS:
        faults["months"] = "Choose for how long"
    if not faults:
        standing = standing_of(ledger, actor_of(request), reference)
        try:
            _give(
                request,
                reference,
                "grant-access",
                organisation_reference=of.upper(),
                facts=facts,
                ends_on=months_after(today_in_england(), int(months)),
                given_by="representative" if standing == "representative" else "recipient",
            )
        except Refusal as refusal:
            faults["organisation_reference"] = str(refusal)
    if faults:
        return _access_page(request, ledger.budget(reference), form, faults)
    return see_other(f"/my/budgets/{reference}/access?done=granted")


@router.post("/my/budgets/{reference:reference}/access/revoke")
@needs("consent.give")
def revoke(request: Request, reference: str, form: Sent) -> Response:
    """Take back what an organisation may see."""
    of = form.text("organisation_reference")
    _give(request, reference, "revoke-access", organisation_reference=of)
    return see_other(f"/my/budgets/{reference}/access?done=revoked")


def _access_page(
    request: Request,
    budget: PersonalBudget,
    form: Form,
    faults: dict[str, str],
    done: str | None = None,
) -> Response:
    today = today_in_england()
    ledger = ledger_of(request)
    looks = budget_looks_at(ledger, budget.reference, limit=MOST_LOOKS)
    acting = ledger.people.persons(budget.representatives)
    return page(
        request,
        "my_access.html",
        422 if faults else 200,
        budget=budget,
        names={reference: person.name for reference, person in acting.items()},
        sees=SEEN,
        grants={of: grant for of, grant in budget.grants.items() if grant.ends_on >= today},
        looks=looks_told(looks),
        may_change=actor_of(request).reach("consent.give") is not None,
        form=form,
        faults=faults,
        done=done,
        today=today,
    )


# --- the budget itself: last, because a reference may hold a "/" ----------------------------


@router.get("/my/budgets/{reference:reference}")
@needs("budgets.read")
def show(request: Request, reference: str, done: str = "") -> Response:
    """What the budget is worth, what was paid and why, what is next, and whom to call."""
    ledger, today = ledger_of(request), today_in_england()
    history = list(ledger.history(PersonalBudget, reference))
    made = statement_of(reference, history, Period(today, today))
    budget = PersonalBudget.project(None, history)
    assert budget is not None, "a budget with a statement has a history"
    account = status_of(ledger, budget, today, with_amounts=True)
    payments = payments_told(budget, today)[:PAYMENTS_SHOWN]
    fund = made.coming_fund_payment
    return page(
        request,
        "my_budget.html",
        budget=budget,
        account=account,
        worth_pence=budget.weekly_budget_pence(today),
        weekly=made.weekly,
        next=comes_next(made.coming_payment),
        suspensions=made.suspensions,
        next_of_fund=comes_next(fund) if fund else None,
        payments=payments,
        picture=payments_picture(payments),
        returns=budget.spend_returns,
        years=statement_years(budget, today),
        letters=letters_told(entries(ledger, budget_reference=reference, limit=PAYMENTS_SHOWN)),
        done=DONE.get(done),
        today=today,
    )


def _give(request: Request, reference: str, name: str, **facts: Any) -> None:
    """Give a command of the budget, from today and by whoever has signed in."""
    command = BUDGET_COMMANDS[name]
    arguments: msgspec.Struct = command.arguments(**facts)
    accompanied = said_now(request, today_in_england())
    ledger_of(request).change(
        PersonalBudget, reference, lambda budget: command.give(budget, arguments, accompanied)
    )
