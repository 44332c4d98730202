"""The first page after signing in: what there is for each role to do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.roles import STAFF
from ledger.web.asking import ledger_of
from ledger.web.menu import menu_for
from ledger.web.pages import page, see_other
from ledger.web.queues import counted
from ledger.web.sessions import who_asks

router = APIRouter(include_in_schema=False)


@router.get("/")
@needs(None)
def home(request: Request) -> Response:
    """What whoever has signed in can do here; who is outside the council, goes to their page."""
    actor = request.scope["actor"] = who_asks(request)
    if not actor.roles & STAFF and (entries := menu_for(actor, "/")):
        return see_other(entries[0]["href"])
    own, others = counted(ledger_of(request), actor)
    return page(request, "home.html", own_queues=own, other_queues=others)
