"""Answers that somebody has already: 304 and no body, where If-None-Match says which it is."""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ETAGS = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')
_OF_A_BODY = (b"content-length", b"content-type")


def has_already(asked: str | None, etag: str) -> bool:
    """Whether If-None-Match, if it was sent, says that who asks has this already."""
    return asked is not None and (asked.strip() == "*" or etag in _ETAGS.findall(asked))


class Conditional:
    """Leaves out the body of an answer that who asks has already (RFC 9110, 13.1.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope).get("if-none-match") if scope["type"] == "http" else None
        if asked is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        left_out = False

        async def answered(message: Message) -> None:
            nonlocal left_out
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                etag = Headers(raw=message["headers"]).get("etag")
                left_out = etag is not None and has_already(asked, etag)
                if left_out:
                    kept = [pair for pair in message["headers"] if pair[0] not in _OF_A_BODY]
                    message = {**message, "status": HTTPStatus.NOT_MODIFIED, "headers": kept}
            elif left_out and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, answered)
