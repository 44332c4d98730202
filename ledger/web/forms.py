"""What a form sends: read strictly, from our own pages only."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from ledger.errors import MediaTypeNotTaken, Refusal
from ledger.web.sessions import form_token

KIND = "application/x-www-form-urlencoded"
MOST_BYTES = 100_000
MOST_FIELDS = 500
TOKEN = "form_token"  # noqa: S105 - the name of a field


class FormFromElsewhere(Refusal):
    """A form must be sent from a page of this site, in the session it was shown in."""

    status = 403


class FormUnreadable(Refusal):
    """A form must be UTF-8, of at most 100,000 bytes and 500 fields."""

    status = 400


class Form(dict[str, list[str]]):
    """The fields of a form; a field may be there several times."""

    def text(self, name: str) -> str:
        """The last value of a field, without spaces around it; empty if it is not there."""
        return self.get(name, [""])[-1].strip()


async def read_form(request: Request) -> Form:
    """Read a form that was sent. Raises `FormFromElsewhere`, `FormUnreadable` and
    `MediaTypeNotTaken`."""
    require_own_page(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() not in ("", KIND):
        raise MediaTypeNotTaken(f"This address takes {KIND}.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise FormUnreadable()
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise FormUnreadable() from None
    form = Form()
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    require_own_session(request, form)
    return form


def require_own_page(request: Request) -> None:
    """Refuse what a browser says was sent from a page of another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise FormFromElsewhere()


def require_own_session(request: Request, form: Form) -> None:
    """Refuse a form without the token of the session it was shown in."""
    if not secrets.compare_digest(form.text(TOKEN).encode(), form_token(request).encode()):
        raise FormFromElsewhere()


Sent = Annotated[Form, Depends(read_form)]
