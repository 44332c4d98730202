"""The JSON API under /v1: one module for each noun.

`uvicorn --factory ledger.api:create_app` serves it; `pbledger serve` does so on loopback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import Response

from ledger.access.guard import guard, needs
from ledger.access.limits import Limits
from ledger.access.sign_in import SignIn
from ledger.api import (
    access,
    accounts,
    assessment_import,
    assessments,
    budget_commands,
    budgets,
    changes,
    cycle_changes,
    cycle_steps,
    cycles,
    health,
    letters,
    payees,
    people,
    privacy,
    problems,
    providers,
    rates,
    refused,
    reports,
    statements,
)
from ledger.api.conditional import Conditional
from ledger.api.openapi import described
from ledger.api.requests import LoopbackOnly, now, who_asks
from ledger.application import Ledger
from ledger.config import Settings
from ledger.edge import Server

NOUNS = (
    budget_commands,
    assessments,
    assessment_import,
    budgets,
    statements,
    letters,
    people,
    access,
    privacy,
    payees,
    providers,
    cycle_steps,
    cycles,
    cycle_changes,
    reports,
    changes,
    accounts,
    rates,
    refused,
    health,
)
THREADS = 4  # measured: more of them only wait for each other


def create_app(settings: Settings | None = None) -> Server:
    """The application; it opens one ledger when the server starts and closes it at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        with Ledger(settings or Settings()) as app.state.ledger:
            app.state.sign_in = SignIn(app.state.ledger)
            app.state.now = now
            app.state.limits = Limits(app.state.ledger.settings)
            yield

    # No pages that load scripts from elsewhere: the description is JSON.
    app = Server(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.add_middleware(Conditional)
    app.add_middleware(LoopbackOnly)
    problems.install(app)
    for noun in NOUNS:
        # As they are: an included router looks for the route twice at every request.
        app.router.routes.extend(noun.router.routes)
    app.add_api_route("/v1/openapi.json", _description, include_in_schema=False)
    guard(app.routes, who_asks)
    return app


@needs(None)
def _description(request: Request) -> Response:
    """The OpenAPI description of everything here."""
    return Response(described(request.app), media_type="application/json")
