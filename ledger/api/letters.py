"""Letters and remittance advices: the register, and each as JSON or as the page it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import answer
from ledger.api.openapi import problems, reads
from ledger.api.paging import Limit, page_of
from ledger.api.problems import HEADERS
from ledger.api.requests import ledger_of
from ledger.api.statements import PAGE
from ledger.errors import LetterUnreadable
from ledger.letters.letter import Letter
from ledger.outbox.cycle_advices import advice_of
from ledger.outbox.register import LetterEntry, LetterState, entries, entry, shown
from ledger.outbox.writing import Finished

router = APIRouter(tags=["letters"])


class LetterRegister(msgspec.Struct):
    """Part of the register, the newest first; ask for `after` = `next_after` for what follows."""

    letters: list[LetterEntry]
    next_after: str | None


class Advice(msgspec.Struct):
    """A remittance advice as it would be sent now, without name, address or account. `held_by`
    says why it is not to be sent, if it is not."""

    payment_reference: str
    letter: Letter
    held_by: str | None


Form = Annotated[
    Literal["json", "html"],
    Query(alias="format", description="`json`, or `html`: the letter itself, with whom it is to."),
]
After = Annotated[
    str, Query(max_length=32, pattern="^[0-9a-f]*$", description="Begin after this letter.")
]


def _with_page(struct: type[msgspec.Struct], *more: int) -> dict[str, Any]:
    described = reads(struct)
    described["responses"] |= problems(*more)
    described["responses"][200]["content"] |= {"text/html": {"schema": {"type": "string"}}}
    return described


@router.get("/v1/letters", summary="List the letters", **reads(LetterRegister))
@needs("letters.read")
def list_letters(
    request: Request,
    state: Annotated[LetterState | None, Query(description="Only those in this state.")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """Every letter and where it stands. It names budgets and people by reference only."""
    return _page(request, state, "", after, limit)


@router.get("/v1/budgets/{reference:reference}/letters", summary="List a budget's letters",
            **reads(LetterRegister))  # fmt: skip
@needs("letters.read")
def budget_letters(
    request: Request, reference: str, after: After = "", limit: Limit = 100
) -> Response:
    """The letters and remittance advices of one budget, the newest first."""
    ledger_of(request).budget(reference)  # refuses one that is not there
    return _page(request, None, reference, after, limit)


def _page(
    request: Request, state: LetterState | None, budget: str, after: str, limit: int
) -> Response:
    found = entries(
        ledger_of(request), state=state, budget_reference=budget, after=after, limit=limit + 1
    )
    page = found[:limit]
    more = len(found) > limit
    next_after = page[-1].letter_reference if more else None
    return page_of(request, LetterRegister(page, next_after))


@router.get("/v1/letters/{letter}", summary="Show a letter", **_with_page(LetterEntry))
@needs("letters.read")
def show_letter(request: Request, letter: str, form: Form = "json") -> Response:
    """Where a letter stands; with `format=html` the letter as it was sent, or as it would be
    sent now. What was sent as plain text is answered as plain text."""
    ledger = ledger_of(request)
    if form == "json":
        return answer(entry(ledger, letter))
    found = shown(ledger, letter)
    if not found.is_page:
        return Response(found.content, 200, HEADERS, "text/plain")
    return Response(found.content, 200, {**HEADERS, **PAGE}, "text/html")


@router.get("/v1/cycles/{reference:cycle}/advices/{payment}", summary="Show a remittance advice",
            **_with_page(Advice, 409))  # fmt: skip
@needs("letters.read")
def show_advice(request: Request, reference: str, payment: str, form: Form = "json") -> Response:
    """What one payment of an issued cycle is made up of, line by line, as it would be sent now."""
    found = advice_of(ledger_of(request), reference, payment)
    if not isinstance(found, Finished):
        raise LetterUnreadable(f"The advice of {payment}: {found}")
    if form == "html":
        return Response(found.html, 200, {**HEADERS, **PAGE}, "text/html")
    return answer(Advice(payment, found.letter, found.held_by or None))
