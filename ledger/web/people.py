"""Who people are and where they are paid: what is sealed at once, and never shown again in full."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.payees import PayeeType
from ledger.commands import require_keepable
from ledger.contacts import new_person
from ledger.errors import Refusal
from ledger.web.asking import ledger_of, said_now, today_in_england
from ledger.web.command_words import FROM, Asked, answer
from ledger.web.forms import Form, Sent
from ledger.web.pages import page, see_other
from ledger.web.questions import Question, day, faults_in, read_answers, starting

router = APIRouter(include_in_schema=False)

_PERSON = [
    Question("reference", "text", Asked("Reference of the person", "As your care system has it.")),
    Question("name", "text", Asked("Full name")),
    day("date_of_birth", Asked("Date of birth")),
]


@router.get("/people/register")
@needs("people.register")
def register_form(
    request: Request, registered: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Ask who somebody is."""
    return _person_page(request, Form(), registered=registered)


@router.post("/people/register")
@needs("people.register")
def register(request: Request, form: Sent) -> Response:
    """Seal somebody's name and date of birth under their reference."""
    ledger = ledger_of(request)
    answers = read_answers(_PERSON, form)
    if answers.faults:
        return _person_page(request, form, answers.faults)
    given = answers.given
    try:
        details = new_person(given["reference"], given["name"], given["date_of_birth"])
        ledger.register_person(details, datetime.now(UTC))
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        return _person_page(request, form, refusal=refusal)
    return see_other(f"/people/register?registered={details.person_reference}")


def _person_page(
    request: Request,
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
    registered: str = "",
) -> Response:
    told = faults_in(_PERSON, faults or {}, refusal)
    return page(
        request,
        "person.html",
        asks=_PERSON,
        form=form,
        registered=registered,
        **told._asdict(),
    )


# --- account details --------------------------------------------------------------------------


def _account(today: date) -> list[Question]:
    types = tuple((code, answer(code)) for code in get_args(PayeeType))
    return [
        Question("payee_type", "choice", Asked("Who holds the account?"), choices=types),
        Question("account_name", "text", Asked("Name on the account")),
        Question("sort_code", "text", Asked("Sort code", "Such as 20-00-00")),
        Question("account_number", "text", Asked("Account number", "Eight digits")),
        Question(
            "roll_number",
            "text",
            Asked("Roll number", "Only of a building society that has them."),
            required=False,
        ),
        day("effective_on", FROM, default=today),
    ]


@router.get("/budgets/{reference:reference}/propose-payee")
@needs("payees.propose")
def propose_form(request: Request, reference: str) -> Response:
    """Ask where a budget is to be paid."""
    asks = _account(today_in_england())
    return _account_page(request, reference, asks, starting(asks))


@router.post("/budgets/{reference:reference}/propose-payee")
@needs("payees.propose")
def propose(request: Request, reference: str, form: Sent) -> Response:
    """Seal account details and put them forward; someone else must verify them."""
    ledger = ledger_of(request)
    asks = _account(today_in_england())
    answers = read_answers(asks, form)
    if answers.faults:
        return _account_page(request, reference, asks, form, answers.faults)
    given = dict(answers.given)
    effective_on = given.pop("effective_on")
    try:
        require_keepable(effective_on, "effective_on")
        before = ledger.budget(reference).version
        accompanied = said_now(request, effective_on)
        ledger.propose_payee(reference, **given, said=accompanied)
    except Refusal as refusal:
        if refusal.status >= 500 or refusal.status == 404:
            raise
        return _account_page(request, reference, asks, form, refusal=refusal)
    return see_other(f"/budgets/{reference}?recorded={before}")


def _account_page(
    request: Request,
    reference: str,
    asks: list[Question],
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    ledger = ledger_of(request)
    told = faults_in(asks, faults or {}, refusal)
    return page(
        request,
        "payee.html",
        budget=ledger.budget(reference),
        asks=asks,
        form=form,
        **told._asdict(),
    )
