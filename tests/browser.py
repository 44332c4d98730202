"""The pages in a real browser: Debian's Chromium, driven by Playwright, on a real server.

Every page that somebody comes to is examined: by axe-core for WCAG 2.2 AA as it stands on a wide
screen, on a phone of 320 pixels and enlarged to 200%, for anything that would have to be scrolled
sideways, and, enlarged, with the Tab key from the top to the end.
"""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ledger.config import Settings
from ledger.server import create_app
from tests.keyboard import faults_by_tab, faults_of_errors
from tests.pbledger import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, ENLARGED, PHONE = (1280, 900), (640, 450), (320, 640)
"""Sizes in CSS pixels; a window of 1,280 enlarged to 200% has 640 of them."""

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, started and then closed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("There is no Chromium: `make test` installs it, or apt-get does.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield browser
        browser.close()


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """The server on a port of its own, in a thread; where it is."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(create_app(settings), log_level="warning", lifespan="on")
        server = uvicorn.Server(config)
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        running.join()


class Seat:
    """Somebody at a browser of their own, signed in as themselves.

    `examines`: each page they come to is examined; one that was needs it no second time."""

    def __init__(
        self, browser: Browser, site: str, *, script: bool = True, examines: bool = True
    ) -> None:
        self._examines = examines
        self._script = script
        self._context: BrowserContext = browser.new_context(
            base_url=site, java_script_enabled=script, locale="en-GB"
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.keys = self._context.new_cdp_session(self.page)
        self.examined: dict[str, str] = {}

    def _note(self, message: Any) -> None:
        is_the_page = message.location.get("url") == self.page.url  # refused, as it may well be
        if message.type in ("error", "warning") and not is_the_page:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def close(self) -> None:
        self._context.close()

    def sign_in(self, name: str) -> Seat:
        self.open("/sign-in")
        self.page.get_by_label(name, exact=True).check()
        return self.press("Sign in")

    def open(self, path: str) -> Seat:
        self.page.goto(path)
        return self.examine()

    def follow(self, words: str | re.Pattern[str], within: str = "main, nav, header") -> Seat:
        """Follow the first link with these words."""
        self.page.locator(within).get_by_role("link", name=words).first.click()
        return self.examine()

    def fill(self, label: str, value: str) -> Seat:
        self.page.get_by_label(label, exact=True).first.fill(value)
        return self

    def fill_day(self, legend: str, day: str) -> Seat:
        """Fill in the three boxes of a day, which is given as 2026-04-06."""
        group = self.page.get_by_role("group", name=legend)
        for label, value in zip(("Year", "Month", "Day"), day.split("-"), strict=True):
            group.get_by_label(label, exact=True).fill(value)
        return self

    def choose(self, label: str | re.Pattern[str]) -> Seat:
        self.page.get_by_label(label, exact=True).first.check()
        return self

    def press(self, words: str | re.Pattern[str]) -> Seat:
        """Press a button, which sends its form or leads on."""
        self.page.locator("main, footer").get_by_role("button", name=words).first.click()
        return self.examine()

    @property
    def heading(self) -> str:
        return " ".join(self.page.locator("h1").inner_text().split())

    @property
    def words(self) -> str:
        return " ".join(self.page.locator("main").inner_text().split())

    def sees(self, *parts: str) -> Seat:
        """All of these are on the page."""
        assert [part for part in parts if part not in self.words] == [], self.words
        return self

    def picture(self, path: Path, width: int, height: int) -> None:
        """A picture of the top of the page."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.screenshot(path=path)

    def examine(self) -> Seat:
        """Find what somebody could not see, reach or understand; once for a page as it stands."""
        self.page.wait_for_load_state()
        shape = re.sub(r">[^<]*<", "><", self.page.content())
        where = self.page.url
        if not self._examines or self.examined.get(where) == shape:
            return self
        self.examined[where] = shape
        if self._script:  # axe-core is script itself
            self.page.evaluate(AXE.read_text("utf-8"))
        for width, height in (ENLARGED, PHONE, WIDE):
            self.page.set_viewport_size({"width": width, "height": height})
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{where} is {wide} pixels wide on a screen of {width}"
            found = found_by_axe(self.page) if self._script else []
            if self._script and width == ENLARGED[0]:  # where the least is seen at once
                found += faults_of_errors(self.page) + faults_by_tab(self.page, self.keys)
            assert not found, "\n".join([f"{where} at {width} pixels", *found])
        assert not self.complaints, self.complaints
        return self


def found_by_axe(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate(
        "values => axe.run(document, {runOnly: values, resultTypes: ['violations']})", STANDARDS
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['html']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
