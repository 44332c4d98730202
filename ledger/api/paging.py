"""Long lists come in pages: `limit` at most, `after` a place, and a link to the next page.

A place is what the last item is sorted by, never how many came before it where items come and go:
so a page neither repeats nor passes over anything when something is added in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Query, Request
from fastapi.responses import Response

from ledger.api.idempotency import answer
from ledger.api.requests import MOST_ROWS

TItem = TypeVar("TItem")

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most this many.")]
AfterReference = Annotated[
    str,
    Query(max_length=20, pattern="^[A-Z0-9/-]*$", description="Begin after this reference."),
]
AfterNumber = Annotated[int, Query(ge=0, le=10**9, description="Begin after this many.")]
AfterDay = Annotated[
    str,
    Query(
        max_length=80,
        pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[A-Z0-9./-]*)?$",
        description="Begin after this place, as `next_after` gave it.",
    ),
]


def following(
    items: Iterable[TItem], place: Callable[[TItem], str], after: str, limit: int
) -> tuple[list[TItem], str | None]:
    """Up to `limit` items after a place in their order, and the place to go on from, if any."""
    left = sorted((item for item in items if place(item) > after), key=place)
    return left[:limit], place(left[limit - 1]) if len(left) > limit else None


def page_of(request: Request, content: Any, version: int | None = None) -> Response:
    """The answer that is one page of a list, with a link to the next one (RFC 8288)."""
    answered = answer(content, version=version)
    if content.next_after is not None:
        asked = dict(parse_qsl(request.url.query, keep_blank_values=True))
        query = urlencode({**asked, "after": content.next_after})
        path = quote(request.scope["path"])
        answered.headers["Link"] = f'<{path}?{query}>; rel="next"'
    return answered
