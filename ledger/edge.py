"""The edge: what every request meets first and every answer last, whoever asks and for whatever.

A request is given a number, counted against what its sender may ask, and refused if it is
malformed. Then it is told in a line of the log, and kept for auditors if it was refused.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import msgspec
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.access.guard import needed
from ledger.access.limits import WINDOW_SECONDS, Limits, Standing
from ledger.access.refused import Refused, is_kept, keep
from ledger.access.users import Actor
from ledger.errors import AddressUnreadable, HeadersTooLarge, HeadersUnreadable, Refusal
from ledger.people import moment_text

LOG = logging.getLogger("ledger.requests")
"""A line of JSON for each request; it holds no address as it was asked, no header and no body."""

MOST_ADDRESS_BYTES = 8_000
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32_000
NOT_LIMITED = ("/health", "/ready")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_PATH = re.compile(r"[\x00-\x1f\x7f\ufffd]|//|/\.{1,2}(/|$)")  # U+FFFD: it was not UTF-8
_ONCE = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key",
     b"if-match", b"if-none-match", b"x-acting-as", b"x-request-id"}
)  # fmt: skip


class Server(FastAPI):
    """An application behind the edge, its answers to failures too."""

    def build_middleware_stack(self) -> ASGIApp:
        """The edge is outermost, so that it sees what is answered when all else failed."""
        return Edge(super().build_middleware_stack())


def request_id_of(request: Request) -> str:
    """The number of a request: its sender's own, or one made here."""
    number: str = request.scope["request_id"]
    return number


def noted(request: Request, refusal: Refusal) -> None:
    """Say by what rule a request is being refused, for the log and the auditors."""
    request.scope["refusal"] = refusal


class Edge:
    """Stands around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        scope["request_id"] = number = _request_id(scope)

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if _is_kept(scope):
                    await to_thread.run_sync(_keep_refused, scope)
                message["headers"] = [*message["headers"], *_headers(scope, message)]
            await send(message)

        try:
            _require_well_formed(scope)
            if scope["path"] not in NOT_LIMITED:
                limits: Limits = scope["app"].state.limits
                limits.take(scope, "address", _network(_address(scope)))
        except (Refusal, HTTPException) as refusal:
            answer = await _answer(scope, refusal)
            await answer(scope, receive, answered)
        else:
            try:
                await self._app(scope, receive, answered)
            except Exception as error:
                error.add_note(f"It was request {number}.")  # the traceback says which
                raise
        finally:
            LOG.info("%s", _line(scope, status, time.perf_counter() - began))


# --- what is asked ------------------------------------------------------------------------


def _request_id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return str(given[0].decode())
    return uuid4().hex


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    """Where an address is counted: of IPv6 everybody has as many as they like, within one /64."""
    try:
        network = ip_network((address, 64 if ":" in address else 32), strict=False)
    except ValueError:
        return address  # a socket, or a test
    return str(network)


def _require_well_formed(scope: Scope) -> None:
    """Raises the refusal of a request that no well-meaning program sends."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
        raise HeadersTooLarge()
    names = [name for name, _ in headers]
    if len(names) > MOST_HEADERS or any(names.count(name) > 1 for name in _ONCE):
        raise HeadersUnreadable()
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    if _NO_PATH.search(path):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        asked = unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        raise AddressUnreadable() from None
    if len(path) + len(query) > MOST_ADDRESS_BYTES or _CONTROL.search(asked):
        raise AddressUnreadable()


async def _answer(scope: Scope, refusal: Exception) -> Response:
    """The answer that the application has for a refusal: a problem, or a page."""
    scope.setdefault("session", {})  # a page asks for one, and nobody has come in yet
    kind = Refusal if isinstance(refusal, Refusal) else HTTPException
    handler = scope["app"].exception_handlers[kind]
    answer: Response = await handler(Request(scope), refusal)
    return answer


# --- what is answered ---------------------------------------------------------------------


def _headers(scope: Scope, message: Message) -> Iterable[tuple[bytes, bytes]]:
    """The request's number, and where its sender stands against each limit."""
    yield b"x-request-id", scope["request_id"].encode()
    standings: dict[str, Standing] = scope.get("rate_limits", {})
    if standings:
        now = datetime.now(UTC).timestamp()
        waits = {name: max(0, math.ceil(s.resets_at - now)) for name, s in standings.items()}
        policies = [f'"{name}";q={s.quota};w={WINDOW_SECONDS}' for name, s in standings.items()]
        left = [f'"{name}";r={s.remaining};t={waits[name]}' for name, s in standings.items()]
        yield b"ratelimit-policy", ", ".join(policies).encode()
        yield b"ratelimit", ", ".join(left).encode()
        says_when = any(name == b"retry-after" for name, _ in message["headers"])
        if message["status"] == HTTPStatus.TOO_MANY_REQUESTS and not says_when:
            yield b"retry-after", str(max(1, list(waits.values())[-1])).encode()


def _line(scope: Scope, status: int, seconds: float) -> str:
    """A request in a line; of its address only the template of the route it came to."""
    route = scope.get("route")
    actor: Actor | None = scope.get("actor")
    refusal: Refusal | None = scope.get("refusal")
    told: dict[str, Any] = {
        "time": moment_text(datetime.now(UTC)),
        "request_id": scope["request_id"],
        "method": scope["method"],
        "route": route.path_format if isinstance(route, APIRoute) else None,
        "status": status or None,  # nobody waited for the answer
        "code": refusal.code if refusal else None,
        "milliseconds": round(seconds * 1000, 1),
        "actor": actor.name if actor else None,
    }
    return msgspec.json.encode(told).decode()


# --- what was refused ---------------------------------------------------------------------


def _is_kept(scope: Scope) -> bool:
    refusal: Refusal | None = scope.get("refusal")
    return refusal is not None and is_kept(refusal)


def _keep_refused(scope: Scope) -> None:
    """Keep a refused request; if that cannot be done, it is answered all the same."""
    route, actor, refusal = scope.get("route"), scope.get("actor"), scope["refusal"]
    permission, reference = None, ""
    if isinstance(route, APIRoute):
        permission = needed(route)
        if "/budgets/{reference" in route.path:
            reference = scope["path_params"]["reference"]
    refused = Refused(
        refused_at=moment_text(datetime.now(UTC)),
        refused_by=actor.name if actor else "",
        address=_address(scope),
        method=scope["method"],
        route=route.path_format if isinstance(route, APIRoute) else "",
        permission=permission or "",
        budget_reference=reference,
        code=refusal.code,
        status=refusal.status,
        request_id=scope["request_id"],
    )
    try:
        keep(scope["app"].state.ledger, refused)
    except Exception:
        LOG.exception("A refused request could not be kept: %s", scope["request_id"])
