"""How a page is made: the templates, what every page knows, and the headers it goes with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader

from ledger.access.roles import ROLES
from ledger.access.users import Actor
from ledger.dates import ENGLAND
from ledger.projections.words import begun, day, words
from ledger.statements.wording import days, pounds
from ledger.web import assets
from ledger.web.asking import ledger_of
from ledger.web.menu import menu_for
from ledger.web.sessions import form_token

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every page: nothing is kept, nothing runs that is not ours, nobody puts it in a frame."""


def page(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    """A page from a template of `ledger/web/templates`."""
    ledger = ledger_of(request)
    actor: Actor | None = request.scope.get("actor")
    made = (
        _environment()
        .get_template(template)
        .render(
            council=ledger.settings.council_name,
            actor=actor,
            navigation=menu_for(actor, request.url.path) if actor else [],
            form_token=form_token(request),
            development=ledger.settings.development_sign_in,
            **facts,
        )
    )
    return Response(made, status, HEADERS, "text/html; charset=utf-8")


def see_other(path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Go on to another page; after a form, so that looking again sends nothing again."""
    return RedirectResponse(path, 303, {**HEADERS, **(headers or {})})


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=ChoiceLoader(
            [
                PackageLoader("ledger.web"),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "begun": begun,
        "pounds": pounds,
        "day": day,
        "days": days,
        "moment": _moment,
        "role": _role,
        "words": words,
    }
    environment.globals |= {"asset": assets.address, "roles": ROLES}
    return environment


def _moment(at: datetime) -> str:
    """A moment as it was in England: 6 April 2026 at 14:05."""
    there = at.astimezone(ENGLAND)
    return f"{day(there.date())} at {there:%H:%M}"


def _role(role: str) -> str:
    return role.replace("_", " ")
