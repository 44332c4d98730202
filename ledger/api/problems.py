"""Refusals as RFC 9457 problem details: one shape for everything that was not done, and why."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from eventsourcing.persistence import InterfaceError, OperationalError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy import exc as sql
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ledger.edge import noted, request_id_of
from ledger.errors import Refusal, StoreUnavailable, TokenRefused

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer: nothing about a person's money is kept by a cache on the way."""


class Problem(msgspec.Struct):
    """Why nothing was done (RFC 9457). `code` is stable; programs match on it, people read
    `detail`, and `instance` ends in the request's number. Further members are facts about this
    refusal."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool


class Fault(msgspec.Struct):
    """One thing wrong in a request: the field's path (nothing for the whole body), and why."""

    field: str
    reason: str


# --- refusals of a request, before any command is given -----------------------------------


class NotLoopback(Refusal):
    """While people are believed who they say they are, only this machine may ask."""

    status = 403


class IdempotencyKeyMissing(Refusal):
    """Every change has a key of its own, in the header Idempotency-Key."""

    status = 400


class IfMatchUnreadable(Refusal):
    """If-Match holds one ETag as it was given, or a version, such as "7"; never a weak one."""

    status = 400


class BodyTooLarge(Refusal):
    """A body may be at most 1,000,000 bytes, and that of a bank's report 32,000,000."""

    status = 413


class BodyUnreadable(Refusal):
    """A request's body must be JSON in UTF-8."""

    status = 400


class BodyInvalid(Refusal):
    """Every field must be of the kind that this request describes; `faults` lists those not."""

    def __init__(self, faults: list[Fault]) -> None:
        first = f"{faults[0].field}: {faults[0].reason}" if faults[0].field else faults[0].reason
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{first}{more}", faults=faults)


class AddressNotFound(Refusal):
    """There is nothing at this address. A reference is 1 to 20 of A to Z, 0 to 9, - and /."""

    status = 404


class MethodNotAllowed(Refusal):
    """This address does not take that method."""

    status = 405


class InternalError(Refusal):
    """Something went wrong here. If it was a change, ask again with the same key to learn
    whether it was recorded."""

    status = 500


# --- rendering ----------------------------------------------------------------------------


def problem(
    request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal as an answer. What went wrong inside (5xx) is told by its rule alone."""
    noted(request, refusal)
    inside = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    body = {
        **refusal.details,
        "type": f"urn:pbledger:refusal:{refusal.code}",
        "title": refusal.rule,
        "status": refusal.status,
        "detail": refusal.rule if inside else str(refusal),
        "instance": f"urn:pbledger:request:{request_id_of(request)}",
        "code": refusal.code,
        "retryable": refusal.retryable,
    }
    sent = {**HEADERS, **(headers or {})}
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if "retry_after_seconds" in refusal.details:
        sent["Retry-After"] = str(refusal.details["retry_after_seconds"])
    if refusal.status == HTTPStatus.UNAUTHORIZED:  # RFC 6750, section 3
        why = ', error="invalid_token"' if isinstance(refusal, TokenRefused) else ""
        sent["WWW-Authenticate"] = f'Bearer realm="ledger"{why}'
    content = msgspec.json.encode(body, enc_hook=str)
    return Response(content, refusal.status, sent, MEDIA_TYPE)


async def _refused(request: Request, refusal: Refusal) -> Response:
    return problem(request, refusal)


async def _store_failed(request: Request, _error: Exception) -> Response:
    return problem(request, StoreUnavailable())


async def _gone(request: Request, _error: ClientDisconnect) -> Response:
    """Nobody is there to read it; half a body is not acted on."""
    return problem(request, BodyUnreadable())


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(request, MethodNotAllowed(), error.headers)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(request, AddressNotFound())
    return problem(request, BodyUnreadable())


async def _invalid_parameter(request: Request, error: RequestValidationError) -> Response:
    faults = [Fault(".".join(map(str, fault["loc"][1:])), fault["msg"]) for fault in error.errors()]
    return problem(request, BodyInvalid(faults))


async def _failed(request: Request, _error: Exception) -> Response:
    """The last resort; the server's log has the traceback, the client nothing of it."""
    return problem(request, InternalError())


def install(app: FastAPI) -> None:
    """Answer every refusal and every failure with a problem."""
    handlers: list[tuple[type[Exception], Any]] = [
        (Refusal, _refused),
        (OperationalError, _store_failed),
        (InterfaceError, _store_failed),
        (sql.OperationalError, _store_failed),
        (sql.InterfaceError, _store_failed),
        (sql.TimeoutError, _store_failed),
        (HTTPException, _http_error),
        (RequestValidationError, _invalid_parameter),
        (ClientDisconnect, _gone),
        (Exception, _failed),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
