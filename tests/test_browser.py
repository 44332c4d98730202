"""Each role's main task, in a browser, on both databases; every page of the way is examined."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.application import Ledger
from tests.browser import Seat, chromium, listening, reached_by_tab
from tests.main_job import settings_for


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[str]:
    settings = settings_for(database_url, tmp_path).model_copy(update={"development_sign_in": True})
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        user = User(issuer=DEVELOPMENT, subject="fay", name="fay", roles=("finance_officer",))
        record_user(ledger, user, datetime(2026, 4, 1, 9, tzinfo=UTC), "sue")
    with listening(settings) as where:
        yield where


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_signing_in_and_out(browser: Browser, site: str, script: bool) -> None:
    seat = Seat(browser, site, script=script)
    assert seat.open("/").heading == "Sign in"
    assert seat.choose("fay").press("Sign in").heading == "Hello, fay"
    assert reached_by_tab(seat.page)[0].startswith("A Skip to main content")
    assert seat.press("Sign out").heading == "Sign in"
    seat.close()
