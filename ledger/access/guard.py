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
from ledger.access.reach import require_permission
from ledger.access.roles import Permission
from ledger.access.users import Actor
from ledger.application import Ledger

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
    """Put a guard before every route that needs anything."""
    for route in routes:
        if isinstance(route, APIRoute) and (permission := needed(route)) is not None:
            route.app = _Guard(route.app, permission, who, concerns_budget(route.path))


def actor_of(request: Request) -> Actor:
    """Who asks; the guard has made sure."""
    actor: Actor = request.scope["actor"]
    return actor


class _Guard:
    def __init__(
        self, app: ASGIApp, permission: Permission, who: Who, concerns_budget: bool
    ) -> None:
        self._app = app
        self._permission = permission
        self._who = who
        self._concerns_budget = concerns_budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["actor"] = await to_thread.run_sync(self._admitted, Request(scope))
        await self._app(scope, receive, send)

    def _admitted(self, request: Request) -> Actor:
        actor = self._who(request)
        ledger: Ledger = request.app.state.ledger
        reference = request.path_params["reference"] if self._concerns_budget else None
        require_permission(ledger, actor, self._permission, reference)
        return actor
