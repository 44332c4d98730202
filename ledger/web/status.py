"""A support service's page: one form, and how the account stands on one screen."""

from __future__ import annotations

from datetime import UTC, date, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.account_status import STATES, AccountStatus
from ledger.commands import require_keepable
from ledger.errors import Refusal, StatusNotAvailable, TooManyWrongChecks
from ledger.status_checks import check_status
from ledger.web.asking import ledger_of
from ledger.web.forms import Form, Sent
from ledger.web.pages import page

router = APIRouter(include_in_schema=False)

_NOT_FOUND = "We cannot show you anything for these details"


@router.get("/status")
@needs("status.check")
def ask(request: Request) -> Response:
    """The form: whose account it is."""
    return _page(request, Form(), {})


@router.post("/status")
@needs("status.check")
def check(request: Request, form: Sent) -> Response:
    """How an account stands, if its recipient allowed it; the look is recorded first."""
    ledger = ledger_of(request)
    reference = form.text("budget_reference").upper()
    faults: dict[str, str] = {}
    try:
        require_keepable(reference, "reference")
    except Refusal:
        faults["budget_reference"] = "Enter the budget’s reference, such as PB000001"
    born = _born(form)
    if born is None:
        faults["date_of_birth"] = "Enter a date of birth, such as 3 2 1950"
    if faults or born is None:
        return _page(request, form, faults)
    actor = actor_of(request)
    try:
        account = check_status(
            ledger,
            reference,
            born,
            organisation_reference=actor.organisation,
            checked_by=actor.name,
            checked_at=datetime.now(UTC),
        )
    except StatusNotAvailable as refusal:
        return _page(request, form, {"budget_reference": _NOT_FOUND}, refusal)
    except TooManyWrongChecks as refusal:
        return _page(request, form, {"budget_reference": str(refusal)}, refusal)
    return _page(request, Form(), {}, account=account)


def _born(form: Form) -> date | None:
    year, month, day = (form.text(f"date_of_birth-{part}") for part in ("year", "month", "day"))
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def _page(
    request: Request,
    form: Form,
    faults: dict[str, str],
    refusal: Refusal | None = None,
    account: AccountStatus | None = None,
) -> Response:
    code = refusal.status if refusal else 422 if faults else 200
    not_found = isinstance(refusal, StatusNotAvailable)
    return page(
        request,
        "status.html",
        code,
        form=form,
        faults=faults,
        not_found=not_found,
        account=account,
        states=STATES,
    )
