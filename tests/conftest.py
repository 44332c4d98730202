"""What every test may ask for: a fresh database of either kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import (
    URL_SETTING,
    PostgresUnavailable,
    empty,
    fresh_database,
    start_bundled_server,
    wait_for_server,
)

# A slow moment of a shared machine is not a failure. A change is judged by the same examples
# every time; `make explore` looks for new ones, and a failure there says how to repeat it.
settings.register_profile("explore", deadline=None, print_blob=True)
settings.register_profile("house", settings.get_profile("explore"), derandomize=True)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for the whole run, in the process that starts the workers."""
    is_worker = hasattr(config, "workerinput")
    if not (is_worker or config.option.collectonly or URL_SETTING in os.environ):
        config.add_cleanup(start_bundled_server().stop)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a time limit of their own are long, and begin first: nobody waits for one alone.

    Otherwise the order is random, as it was."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of the run's PostgreSQL server; a test wants `postgres_url` instead."""
    try:
        return wait_for_server()
    except PostgresUnavailable as problem:
        why = str(problem)
    pytest.fail(why, pytrace=False)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """The database of one test process, which its tests use one after another."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> Iterator[str]:
    """An empty PostgreSQL database, as `postgresql://user:password@host:port/name`."""
    yield postgres_database
    empty(postgres_database)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A new SQLite database, as `sqlite:///folder/ledger.db`; the file is not there yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind in turn: the test runs on both."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url
