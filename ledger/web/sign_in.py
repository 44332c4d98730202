"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.sign_in import SignIn
from ledger.access.users import DEVELOPMENT, all_users
from ledger.application import Ledger
from ledger.errors import NotSignedIn
from ledger.web import sessions
from ledger.web.forms import Sent
from ledger.web.pages import page, see_other

router = APIRouter(include_in_schema=False)


def _next_of(text: str) -> str:
    """Where to go after signing in: a page of ours, or home."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_ours and len(text) <= 200 else "/"


@router.get("/sign-in")
@needs(None)
def show(request: Request, next: str = "/") -> Response:
    """The ways to sign in."""
    ledger: Ledger = request.app.state.ledger
    sign_in: SignIn = request.app.state.sign_in
    believed = [user for user in all_users(ledger.engine) if user.issuer == DEVELOPMENT]
    return page(
        request,
        "sign_in.html",
        believed=[user for user in believed if not user.is_disabled]
        if sign_in.in_development
        else None,
        then=_next_of(next),
    )


@router.post("/sign-in/believed")
@needs(None)
def believed(request: Request, form: Sent) -> Response:
    """Sign in as someone without proof, where the setting allows it."""
    sign_in: SignIn = request.app.state.sign_in
    if not sign_in.in_development:
        raise NotSignedIn()
    sign_in.known(DEVELOPMENT, form.text("name"), ())
    sessions.begin(request, DEVELOPMENT, form.text("name"), ())
    return see_other(_next_of(form.text("next")))


@router.post("/sign-out")
@needs(None)
def sign_out(request: Request, _form: Sent) -> Response:
    """End the session."""
    sessions.end(request)
    return see_other("/sign-in")
