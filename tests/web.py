"""The pages as a browser without script meets them: links followed, forms filled in and sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from lxml import html

from ledger.access.roles import Role
from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.application import Ledger
from ledger.config import Settings
from ledger.server import create_app
from tests.main_job import settings_for


class Page:
    """A page that was answered: its words, links, forms and tables."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.path: str = response.url.path
        self.tree = html.document_fromstring(response.text or "<p></p>")

    @property
    def words(self) -> str:
        """All that a reader sees, with single spaces."""
        (body,) = self.tree.xpath("//body")
        return " ".join(" ".join(body.itertext()).split())

    @property
    def heading(self) -> str:
        (heading,) = self.tree.xpath("//h1")
        return " ".join(heading.text_content().split())

    def link(self, words: str) -> str:
        """Where the one link with these words leads."""
        (found,) = {
            link.get("href")
            for link in self.tree.xpath("//a")
            if " ".join(link.text_content().split()) == words
        }
        return str(found)

    def form(self, action: str) -> Any:
        """The one form that is sent there."""
        (found,) = self.tree.xpath("//form[@action=$action]", action=action)
        return found

    def fields(self, action: str) -> dict[str, list[str]]:
        """What a form would send as it stands."""
        fields: dict[str, list[str]] = {}
        for name, value in self.form(action).form_values():
            fields.setdefault(name, []).append(value)
        return fields

    def done(self, status: int = 200) -> Page:
        assert self.status == status, (self.status, self.words)
        return self

    def refused(self, status: int, *words: str) -> Page:
        """A page that says why nothing was done, and nothing of how."""
        self.done(status)
        assert "Traceback" not in self.words
        assert all(part in self.words for part in words), self.words
        return self


class Visitor:
    """Somebody with a browser of their own; redirections are followed."""

    def __init__(
        self, app: FastAPI, base_url: str = "http://localhost", address: str = "127.0.0.1"
    ) -> None:
        self.client = TestClient(
            app,
            base_url=base_url,
            client=(address, 50_000),
            raise_server_exceptions=False,
        )

    def open(self, path: str, **asked: Any) -> Page:
        return Page(self.client.get(path, **asked))

    def send(self, page: Page, action: str, **filled: Any) -> Page:
        """Fill in a form of a page and send it."""
        fields = {**page.fields(action), **filled}
        return Page(self.client.post(action, data=fields))

    def sign_in(self, name: str, then: str = "/") -> Page:
        """Sign in as someone who is believed."""
        page = self.open(f"/sign-in?next={then}").done()
        return self.send(page, "/sign-in/believed", name=name)


class Site:
    """The server, and the ledger behind it."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.app.state.ledger
        return ledger

    def add_user(self, name: str, *roles: Role, **facts: Any) -> None:
        """Someone who is believed, with these roles."""
        user = User(issuer=DEVELOPMENT, subject=name, name=name, roles=roles, **facts)
        record_user(self.ledger, user, datetime(2026, 4, 1, 9, tzinfo=UTC), "sue")

    def visitor(self, name: str = "") -> Visitor:
        """Somebody who comes to the site, signed in if they are named."""
        visitor = Visitor(self.app)
        if name:
            visitor.sign_in(name).done()
        return visitor


@contextmanager
def a_site(database_url: str, folder: Path, **changed: Any) -> Iterator[Site]:
    """A server with pages on a new ledger."""
    settings = settings_for(database_url, folder).model_copy(update=changed)
    Ledger.initialise(settings)
    with serving(settings) as site:
        yield site


@contextmanager
def serving(settings: Settings) -> Iterator[Site]:
    """The server, started and then stopped."""
    app = create_app(settings)
    with TestClient(app, client=("127.0.0.1", 50_000)):
        yield Site(app)
