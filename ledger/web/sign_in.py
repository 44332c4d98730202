"""Signing in and out."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import address_of, needs
from ledger.access.provider import Provider, Started
from ledger.access.sign_in import COMES_BACK_TO, SignIn
from ledger.access.users import DEVELOPMENT, all_users
from ledger.errors import NotSignedIn, SignInFailed
from ledger.web import sessions
from ledger.web.asking import ledger_of
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
    ledger = ledger_of(request)
    sign_in: SignIn = request.app.state.sign_in
    believed = [user for user in all_users(ledger.engine) if user.issuer == DEVELOPMENT]
    return page(
        request,
        "sign_in.html",
        believed=[user for user in believed if not user.is_disabled]
        if sign_in.in_development
        else None,
        ways=sign_in.providers,
        then=_next_of(next),
    )


@router.get("/sign-in/start/{way}")
@needs(None)
def start(request: Request, way: str, next: str = "/") -> Response:
    """Go to the identity provider of the council's staff or of its recipients."""
    started = _provider(request, way).start()
    request.session["sign_in"] = {"way": way, "next": _next_of(next), "started": started}
    return see_other(started.address)


@router.get(COMES_BACK_TO)
@needs(None)
def back(request: Request) -> Response:
    """Come back from there, with an answer that works once."""
    ledger = ledger_of(request)
    sign_in: SignIn = request.app.state.sign_in
    asked = request.session.pop("sign_in", None)
    with sign_in.attempts.one(address_of(request)):
        if asked is None:
            raise SignInFailed()
        provider = _provider(request, asked["way"])
        claims, id_token = provider.finish(Started(*asked["started"]), request.query_params)
        issuer, subject, roles = provider.issuer, claims["sub"], provider.roles_in(claims)
        name = str(claims.get(ledger.settings.oidc_name_claim, ""))
        sign_in.let_in(issuer, subject, name, roles, datetime.now(UTC))
    sessions.begin(request, issuer, subject, roles)
    request.session["signed_in_at"] = {"way": asked["way"], "id_token": id_token}
    return see_other(asked["next"])


def _provider(request: Request, way: str) -> Provider:
    sign_in: SignIn = request.app.state.sign_in
    if way not in sign_in.providers:
        raise NotSignedIn()
    return sign_in.providers[way]


@router.post("/sign-in/believed")
@needs(None)
def believed(request: Request, form: Sent) -> Response:
    """Sign in as someone without proof, where the setting allows it."""
    sign_in: SignIn = request.app.state.sign_in
    if not sign_in.in_development:
        raise NotSignedIn()
    name = form.text("name")
    with sign_in.attempts.one(address_of(request), name):
        sign_in.known(DEVELOPMENT, name, ())
    sessions.begin(request, DEVELOPMENT, name, ())
    return see_other(_next_of(form.text("next")))


@router.post("/sign-out")
@needs(None)
def sign_out(request: Request, _form: Sent) -> Response:
    """End the session, and the one at the identity provider if it can be ended from here.

    The page goes there by itself: our forms may be sent to nobody else, not even by way of us.
    """
    ledger = ledger_of(request)
    sign_in: SignIn = request.app.state.sign_in
    at = request.session.get("signed_in_at")
    sessions.end(request)
    if at is not None and at["way"] in sign_in.providers:
        provider = sign_in.providers[at["way"]]
        comes_back_to = ledger.settings.public_url.rstrip("/") + "/sign-in"
        if address := provider.sign_out_address(at["id_token"], comes_back_to):
            return page(request, "signed_out.html", address=address)
    return see_other("/sign-in")
