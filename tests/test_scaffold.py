"""The test databases answer to every library that the ledger opens them with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, make_url, text

from tests import postgres


def test_sqlalchemy_opens_both(database_url):
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (words TEXT)"))
        connection.execute(text("INSERT INTO note VALUES ('£310.00')"))
        assert connection.execute(text("SELECT words FROM note")).scalar_one() == "£310.00"
    engine.dispose()


def test_psycopg_opens_postgresql(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT version()").fetchone()
    assert row is not None
    assert row[0].startswith("PostgreSQL ")


@pytest.mark.parametrize("round", [1, 2])
def test_a_database_is_new_each_time(postgres_url, round):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE only_once (word TEXT)")


def test_a_database_is_dropped_while_somebody_still_uses_it(postgres_server):
    with postgres.fresh_database(postgres_server) as url:
        forgotten = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_the_event_store_opens_both(database_url):
    if database_url.startswith("sqlite"):
        store = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": make_url(database_url).database or "",
        }
    else:
        parts = conninfo_to_dict(database_url)
        store = {"PERSISTENCE_MODULE": "eventsourcing.postgres"} | {
            f"POSTGRES_{part.upper()}": str(parts[part])
            for part in ("dbname", "host", "port", "user", "password")
        }
    application: Application[UUID] = Application(env=store)
    aggregate = Aggregate()
    application.save(aggregate)
    assert application.repository.get(aggregate.id).version == 1
    application.close()


def test_a_server_that_cannot_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "failed").touch()
    (tmp_path / "log").write_text("initdb: error: no room")
    monkeypatch.setenv(postgres.URL_SETTING, "postgresql://postgres:x@127.0.0.1:1/postgres")
    monkeypatch.setenv(postgres.FOLDER_SETTING, str(tmp_path))
    with pytest.raises(postgres.PostgresUnavailable, match=r"(?s)did not start.*no room"):
        postgres.wait_for_server()


def test_a_killed_test_run_leaves_no_server_behind():
    """`kill -9` gives pytest no chance to stop the server; the closed pipe does."""
    run = (
        "import time; from tests import postgres\n"
        "postgres.start_bundled_server(); print(postgres.wait_for_server(), flush=True)\n"
        "import os; print(os.environ[postgres.FOLDER_SETTING], flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", run],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = make_url(process.stdout.readline().strip()).port
    folder = Path(process.stdout.readline().strip())
    assert port is not None
    assert folder.is_dir()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
