"""Pages about the site itself, which anybody may read."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.errors import NotSignedIn
from ledger.web.asking import ledger_of
from ledger.web.pages import page
from ledger.web.sessions import who_asks

router = APIRouter(include_in_schema=False)

PREPARED_ON = date(2026, 11, 25)
"""When the accessibility statement was last gone through."""


@router.get("/accessibility")
@needs(None)
def accessibility(request: Request) -> Response:
    """The accessibility statement that the Public Sector Bodies (Websites and Mobile
    Applications) (No. 2) Accessibility Regulations 2018 ask for."""
    with suppress(NotSignedIn):
        request.scope["actor"] = who_asks(request)
    ledger = ledger_of(request)
    settings = ledger.settings
    return page(
        request,
        "accessibility.html",
        phone=settings.council_phone,
        email=settings.council_email,
        prepared_on=PREPARED_ON,
    )
