"""The whole server: the JSON API under /v1, and the pages.

`uvicorn --factory ledger.server:create_app` serves it, and so does `pbledger serve`.
"""

from __future__ import annotations

from fastapi import FastAPI

from ledger import api, web
from ledger.config import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it opens one ledger when the server starts and closes it at the end."""
    app = api.create_app(settings)
    web.install(app)
    return app
