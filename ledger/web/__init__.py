"""Pages for people: server-made HTML that works without script, one module for each kind of work.

`install` adds them to the application that serves the API.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from ledger.access.guard import guard
from ledger.web import (
    about,
    assets,
    budget_commands,
    budgets,
    cycle_steps,
    cycles,
    errors,
    home,
    long_work,
    people,
    queues,
    recipient,
    replay,
    reports,
    sign_in,
    status,
)
from ledger.web.sessions import SessionsOf, who_asks

PARTS = (
    sign_in,
    home,
    queues,
    recipient,
    status,
    replay,
    budgets,
    budget_commands,
    people,
    cycles,
    cycle_steps,
    reports,
    long_work,
    about,
    assets,
)
"""The modules with pages; each has a `router`."""


def install(app: FastAPI) -> None:
    """Add every page, the sessions of those who have signed in, and answers that are pages.

    Raises `FrontendMissing`, so that nobody is served pages without their style sheets."""
    for name in assets.NAMES:
        assets.address(name)
    for part in PARTS:
        routes = [route for route in part.router.routes if isinstance(route, APIRoute)]
        guard(routes, who_asks)
        app.router.routes.extend(routes)
    app.add_middleware(SessionsOf)
    errors.install(app)
