"""The guard before each route: who asks, and whether their roles let them.

Each route says what it needs, just above its function; an application with a route that says
nothing does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.access.addresses import concerns_budget
from ledger.access.limits import Limits
from ledger.access.reach import require_permission
from ledger.access.roles import Permission
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.budget_looks import record_look

TEndpoint = TypeVar("TEndpoint", bound=Callable[..., Any])

Who = Callable[[Request], Actor]
"""Finds out who asks; raises `NotSignedIn`."""


def needs(permission: Permission | None) -> Callable[[TEndpoint], TEndpoint]:
    """Mark what a route needs; None: anybody may use it, signed in or not."""

    def mark(endpoint: TEndpoint) -> TEndpoint:
        endpoint.needs = permission  # type: ignore[attr-defined]
        return endpoint

    return mark


def needed(route: APIRoute) -> Permission | None:
    """What a route needs."""
    permission: Permission | None = route.endpoint.needs  # type: ignore[attr-defined]
    return permission


def guard(routes: Iterable[BaseRoute], who: Who) -> None:
    """Put a guard before every route that needs anything, once: applications share routes."""
    for route in routes:
        if not isinstance(route, APIRoute) or isinstance(route.app, _Guard):
            continue
        if (permission := needed(route)) is not None:
            route.app = _Guard(route.app, permission, who, concerns_budget(route.path))


def actor_of(request: Request) -> Actor:
    """Who asks; the guard has made sure."""
    actor: Actor = request.scope["actor"]
    return actor


def address_of(request: Request) -> str:
    """Where a request comes from; a proxy on this machine is believed about it."""
    return request.client.host if request.client else ""


class _Guard:
    def __init__(
        self, app: ASGIApp, permission: Permission, who: Who, concerns_budget: bool
    ) -> None:
        self._app = app
        self._permission = permission
        self._who = who
        self._concerns_budget = concerns_budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await to_thread.run_sync(self._admit, Request(scope))
        await self._app(scope, receive, send)

    def _admit(self, request: Request) -> None:
        request.scope["actor"] = actor = self._who(request)
        limits: Limits = request.app.state.limits
        limits.take(request.scope, "actor", actor.name)
        ledger: Ledger = request.app.state.ledger
        reference = request.path_params["reference"] if self._concerns_budget else ""
        standing = require_permission(ledger, actor, self._permission, reference)
        if standing == "representative" and request.method == "GET":
            looked_at = request.app.state.now()
            record_look(ledger, reference, seen="budget", looked_at=looked_at, looked_by=actor.name)
