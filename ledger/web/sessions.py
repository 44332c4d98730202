"""Who has signed in, kept here: a cookie holds a number that says nothing, and the rest is ours.

A session ends by signing out, when it has not been used for a while, or at the end of the day it
may last; then its number opens nothing. Only a hash of the number is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import to_thread
from fastapi import Request
from sqlalchemy import Engine, delete, insert, select, update
from starlette.types import ASGIApp, Receive, Scope, Send
from starsessions import SessionMiddleware, get_session_id, load_session, regenerate_session_id
from starsessions.stores.base import SessionStore

from ledger.access.roles import Role
from ledger.access.sign_in import SignIn
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.database import writing
from ledger.durable import web_sessions
from ledger.errors import NotSignedIn
from ledger.people import moment_text
from ledger.web.asking import ledger_of
from ledger.web.assets import NAMES, address

COOKIE = "ledger_session"


class Sessions(SessionStore):
    """Sessions in the ledger's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def read(self, session_id: str, lifetime: int) -> bytes:
        del lifetime
        return await to_thread.run_sync(self._read, session_id)

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:
        ends_at = datetime.now(UTC) + timedelta(seconds=ttl or lifetime)
        await to_thread.run_sync(self._write, session_id, data, moment_text(ends_at))
        return session_id

    async def remove(self, session_id: str) -> None:
        await to_thread.run_sync(self.forget, session_id)

    def _read(self, session_id: str) -> bytes:
        now = moment_text(datetime.now(UTC))
        query = select(web_sessions.c.data).where(_is(session_id), web_sessions.c.ends_at > now)
        with self._engine.connect() as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found or b""

    def _write(self, session_id: str, data: bytes, ends_at: str) -> None:
        kept = {"data": data, "ends_at": ends_at}
        now = moment_text(datetime.now(UTC))
        with writing(self._engine).begin() as connection:
            connection.execute(delete(web_sessions).where(web_sessions.c.ends_at <= now))
            if not connection.execute(
                update(web_sessions)
                .where(_is(session_id))
                .values(kept)
                .returning(web_sessions.c.ends_at)
            ).first():
                row = {"number_sha256": _hash(session_id), **kept}
                connection.execute(insert(web_sessions).values(row))

    def forget(self, session_id: str) -> None:
        """This number opens nothing any more."""
        with writing(self._engine).begin() as connection:
            connection.execute(delete(web_sessions).where(_is(session_id)))


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def _is(session_id: str) -> Any:
    return web_sessions.c.number_sha256 == _hash(session_id)


def is_for_programs(path: str) -> bool:
    """Whether an address is one of the API's."""
    return path.startswith("/v1/") or path in ("/health", "/ready")


def _needs_none(path: str) -> bool:
    return is_for_programs(path) or path == "/theme.css" or path in map(address, NAMES)


class SessionsOf:
    """Loads the session of every request for a page; programs have none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._with_sessions: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _needs_none(scope["path"]):
            await self._app(scope, receive, send)
            return
        if self._with_sessions is None:
            self._with_sessions = self._made(scope["app"].state.ledger)
        await self._with_sessions(scope, receive, send)

    def _made(self, ledger: Ledger) -> ASGIApp:
        settings = ledger.settings
        return SessionMiddleware(
            self._loaded,
            store=Sessions(ledger.engine),
            lifetime=settings.session_idle_minutes * 60,
            rolling=True,
            cookie_name=COOKIE,
            cookie_https_only=not settings.development_sign_in,
            cookie_path="/",
        )

    async def _loaded(self, scope: Scope, receive: Receive, send: Send) -> None:
        await load_session(Request(scope))
        await self._app(scope, receive, send)


# --- what a session holds -----------------------------------------------------------------


def begin(request: Request, issuer: str, subject: str, roles: tuple[Role, ...]) -> None:
    """Somebody has signed in: under a new number, and the one before opens nothing any more."""
    if (before := get_session_id(request)) is not None:
        Sessions(ledger_of(request).engine).forget(before)
    request.session.clear()
    regenerate_session_id(request)
    request.session.update(
        issuer=issuer,
        subject=subject,
        roles=list(roles),
        began_at=moment_text(datetime.now(UTC)),
        form_token=secrets.token_urlsafe(32),
    )


def end(request: Request) -> None:
    """Sign out: the number opens nothing any more."""
    request.session.clear()


def form_token(request: Request) -> str:
    """What every form of this session must send along."""
    token: str = request.session.setdefault("form_token", secrets.token_urlsafe(32))
    return token


def who_asks(request: Request) -> Actor:
    """Who has signed in. Raises `NotSignedIn` if nobody has, or too long ago."""
    session = request.session
    if "subject" not in session:
        raise NotSignedIn()
    ledger = ledger_of(request)
    longest = timedelta(hours=ledger.settings.session_longest_hours)
    if datetime.fromisoformat(session["began_at"]) + longest < datetime.now(UTC):
        session.clear()
        raise NotSignedIn("You signed in too long ago. Sign in again.")
    sign_in: SignIn = request.app.state.sign_in
    return sign_in.known(session["issuer"], session["subject"], session["roles"])
