"""What a page says when something was not done: the rule, in a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from eventsourcing.persistence import InterfaceError, OperationalError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy import exc as sql
from starlette.exceptions import HTTPException

from ledger.edge import noted
from ledger.errors import NotSignedIn, Refusal, StoreUnavailable
from ledger.web.pages import page, see_other
from ledger.web.sessions import COOKIE, is_for_programs

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


class PageNotFound(Refusal):
    """There is no page at this address."""

    status = 404


class SomethingWentWrong(Refusal):
    """Something went wrong here. Try again later."""

    status = 500


def install(app: FastAPI) -> None:
    """Answer with a page whoever asked for one; programs go on to get their problem details."""
    for kind, for_programs in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = _by_path(for_programs)


def _by_path(for_programs: Handler) -> Handler:
    """Answers with what programs are answered, or with a page."""

    async def handle(request: Request, error: Any) -> Response:
        if is_for_programs(request.url.path):
            answer = for_programs(request, error)
            return answer if isinstance(answer, Response) else await answer
        return _page_for(request, error)

    return handle


_OF_THE_DATABASE = (
    OperationalError, InterfaceError, sql.OperationalError, sql.InterfaceError, sql.TimeoutError,
)  # fmt: skip


def _page_for(request: Request, error: Exception) -> Response:
    if isinstance(error, NotSignedIn) and request.method == "GET":
        if COOKIE in request.cookies and not request.session:
            noted(request, error)  # a session that is over or never was; others have just come
        return see_other(f"/sign-in?next={quote(request.url.path)}")
    if isinstance(error, HTTPException | RequestValidationError):
        refusal: Refusal = PageNotFound()
    elif isinstance(error, _OF_THE_DATABASE):
        refusal = StoreUnavailable()
    elif isinstance(error, Refusal):
        refusal = error
    else:
        refusal = SomethingWentWrong()
    noted(request, refusal)
    inside = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    sentence = refusal.rule if inside else str(refusal)
    answer = page(request, "refused.html", refusal.status, refusal=refusal, sentence=sentence)
    if "retry_after_seconds" in refusal.details:
        answer.headers["Retry-After"] = str(refusal.details["retry_after_seconds"])
    return answer
