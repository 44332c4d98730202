"""One command over HTTP: requests a second and latency of one server process.

    python -m benchmarks.http                      its own PostgreSQL, durable commits
    python -m benchmarks.http postgresql://...     an empty database of yours, or sqlite:///FILE

One uvicorn process serves budgets of about 30 events. A process of its own asks, over
kept-alive connections on loopback, for a spend return under a fresh reference each time: load
and fold the budget, decide, append one event and the idempotency key in one transaction.
Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cycle import a_budget
from ledger.application import Ledger
from ledger.config import Settings
from ledger.people import PersonDetails
from ledger.store import Beside
from tests.postgres import DURABLE_SETTING, fresh_database, start_bundled_server, wait_for_server

BUDGETS = 1_000
CYCLES_BEFORE = 11  # 7 events to begin with, and 2 for each cycle
CONNECTIONS = 8
WARM_UP_SECONDS, SECONDS = 3.0, 12.0
BODY = {
    "effective_on": "2026-04-06",
    "period": {"starts_on": "2026-04-06", "ends_on": "2026-07-05"},
    "due_on": "2026-08-05",
}


# --- the server ---------------------------------------------------------------------------


def settings_for(url: str, folder: Path) -> dict[str, str]:
    return {
        "LEDGER_DATABASE_URL": url,
        "LEDGER_DEVELOPMENT_SIGN_IN": "true",
        "LEDGER_KEY_FILE": str(folder / "ledger.key"),
        "LEDGER_FILES_FOLDER": str(folder / "files"),
        "LEDGER_REQUESTS_PER_MINUTE_BY_AN_ACTOR": "1000000",  # counted, and never too many
        "LEDGER_REQUESTS_PER_MINUTE_FROM_AN_ADDRESS": "1000000",
    }


def fill(settings: Settings) -> int:
    """Make the budgets; returns how many events each has on average."""
    Ledger.initialise(settings)
    now = datetime(2026, 3, 20, tzinfo=UTC)
    with Ledger(settings) as ledger:
        numbers = range(1, BUDGETS + 1)
        people = ledger.people.sealed_people(
            (PersonDetails(f"R{n:06d}", f"Person {n}", now.date()) for n in numbers), now
        )
        made = [a_budget(n, CYCLES_BEFORE, f"payee-{n}", f"account-{n}") for n in numbers]
        events = [event for budget in made for event in budget.collect_events()]
        ledger.append(events, [Beside("people", people)])
        ledger.projections.catch_up()
    return len(events) // BUDGETS


def start_server(
    environment: dict[str, str], port: int, app: str = "ledger.api:create_app"
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "--factory", app]
    command += ["--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, env={**os.environ, **environment})
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready").close()
        except OSError:
            time.sleep(0.1)
        else:
            return server
    server.terminate()
    raise SystemExit("The server did not start.")


# --- the load -----------------------------------------------------------------------------


async def ask(port: int, number: int, until: float, seconds: list[float], after: float) -> None:
    """One connection: one request after another; those begun after a time are counted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = 0
    while (began := time.perf_counter()) < until:
        asked += 1
        reference = f"SR-{os.getpid()}-{number}-{asked}"
        budget = (number * 131 + asked * 17) % BUDGETS + 1
        body = json.dumps({**BODY, "return_reference": reference}).encode()
        writer.write(
            b"POST /v1/budgets/PB%06d/request-spend-return HTTP/1.1\r\n"
            b"Host: 127.0.0.1\r\nX-Acting-As: bench\r\nIdempotency-Key: %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (budget, reference.encode(), len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        answered = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"Refused: {answered.decode()}")
        if began >= after:
            seconds.append(time.perf_counter() - began)
    writer.close()


async def load(port: int, connections: int) -> dict[str, Any]:
    seconds: list[float] = []
    now = time.perf_counter()
    after, until = now + WARM_UP_SECONDS, now + WARM_UP_SECONDS + SECONDS
    await asyncio.gather(*(ask(port, n, until, seconds, after) for n in range(connections)))
    parts = statistics.quantiles(seconds, n=100)
    return {
        "connections": connections,
        "requests": len(seconds),
        "requests_per_second": round(len(seconds) / SECONDS),
        "p50_ms": round(parts[49] * 1000, 1),
        "p99_ms": round(parts[98] * 1000, 1),
        "slowest_ms": round(max(seconds) * 1000, 1),
    }


def measured(url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        environment = settings_for(url, Path(name))
        before = dict(os.environ)
        os.environ.update(environment)
        events = fill(Settings(_env_file=None))  # type: ignore[call-arg]
        os.environ.clear()
        os.environ.update(before)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = start_server(environment, port)
        try:
            command = [sys.executable, "-m", "benchmarks.http", "--load", str(port)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        finally:
            server.terminate()
            server.wait()
    return {"events_a_budget": events, **json.loads(done.stdout), "machine": speed()}


def speed() -> dict[str, float]:
    """How fast this machine is just now: a fixed loop in one process, and how busy others are.

    On shared machines it varies threefold from one minute to the next, and so does the rest."""
    began = time.perf_counter()
    total = 0
    for number in range(3_000_000):
        total += number
    seconds = time.perf_counter() - began
    return {"loop_ms": round(seconds * 1000), "load_average": round(os.getloadavg()[0], 1)}


def main() -> None:
    if sys.argv[1:2] == ["--load"]:
        print(json.dumps(asyncio.run(load(int(sys.argv[2]), CONNECTIONS))))
    elif len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1])))
    else:
        os.environ[DURABLE_SETTING] = "1"
        bundled = start_bundled_server()
        try:
            with fresh_database(wait_for_server()) as url:
                print(json.dumps(measured(url)))
        finally:
            bundled.stop()


if __name__ == "__main__":
    main()
