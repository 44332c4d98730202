"""The pages that staff open all day: milliseconds each, of one server process.

    python -m benchmarks.pages                      its own PostgreSQL, 100,000 budgets
    python -m benchmarks.pages postgresql://... N   an empty database of yours, N budgets

One uvicorn process serves budgets of about 19 events. A process of its own signs in and opens
one page after another over a kept-alive connection on loopback, never the same budget twice.
Prints one JSON object: the median and the 99th percentile of each kind of page.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from lxml import html

from benchmarks.cycle import make_history
from benchmarks.http import settings_for, speed, start_server
from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.config import Settings
from tests.postgres import DURABLE_SETTING, fresh_database, start_bundled_server, wait_for_server

BUDGETS, CYCLES_BEFORE = 100_000, 6
TIMES = 400
SEARCHED_TIMES = 20
WHO, HELPER = "bench", "helper"


def fill(settings: Settings, budgets: int) -> int:
    """Make the budgets and somebody to look at them; returns how many events there are."""
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        events = make_history(ledger, budgets, CYCLES_BEFORE)
        ledger.projections.rebuild()
        at = datetime.now(UTC)
        for user in (
            User(issuer=DEVELOPMENT, subject=WHO, name=WHO, roles=("finance_officer",)),
            User(
                issuer=DEVELOPMENT,
                subject=HELPER,
                name=HELPER,
                roles=("support_service",),
                organisation="BENCH",
            ),
        ):
            record_user(ledger, user, at, WHO)
        granted: Said = {"effective_on": at.date(), "recorded_at": at, "recorded_by": WHO}
        for reference in some(budgets):
            ledger.change(
                PersonalBudget,
                reference,
                lambda budget: budget.grant_access(
                    organisation_reference="BENCH",
                    ends_on=at.date() + timedelta(days=30),
                    **granted,
                ),
            )
        ledger.projections.catch_up()
    return events


def some(budgets: int) -> Iterator[str]:
    """The budgets that are looked at, as far apart as they can be."""
    return (f"PB{n * (budgets // TIMES) + 1:06d}" for n in range(TIMES))


def milliseconds(ask: Callable[[str], httpx2.Response], asked: Iterator[str]) -> dict[str, float]:
    """Ask one thing after the other; the first of them only warms up."""
    seconds = []
    for what in asked:
        began = time.perf_counter()
        answer = ask(what)
        seconds.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise SystemExit(f"{what}: {answer.status_code} {answer.text}")
    parts = statistics.quantiles(seconds[1:], n=100)
    return {"p50_ms": round(parts[49] * 1000, 1), "p99_ms": round(parts[98] * 1000, 1)}


def looked_at(port: int, budgets: int) -> dict[str, Any]:
    """Sign in, and open each kind of page many times."""
    with httpx2.Client(base_url=f"http://localhost:{port}", timeout=120) as client:
        form = html.document_fromstring(client.get("/sign-in").text)
        (token,) = form.xpath("//input[@name='form_token']/@value")
        client.post("/sign-in/believed", data={"form_token": token, "name": WHO, "next": "/"})

        def check(reference: str) -> httpx2.Response:
            return client.post(
                "/v1/status-checks",
                json={"budget_reference": reference, "date_of_birth": "1950-01-01"},
                headers={"X-Acting-As": HELPER, "Idempotency-Key": reference},
            )

        finds = (f"/budgets?find=R{n * 7 + 1:05d}" for n in range(SEARCHED_TIMES))
        lists = (f"/budgets?page={n + 1}" for n in range(SEARCHED_TIMES))
        return {
            "budget": milliseconds(client.get, (f"/budgets/{one}" for one in some(budgets))),
            "status check": milliseconds(check, some(budgets)),
            "find": milliseconds(client.get, finds),
            "list": milliseconds(client.get, lists),
            "home": milliseconds(client.get, ("/" for _ in range(SEARCHED_TIMES))),
        }


def measured(url: str, budgets: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        environment = settings_for(url, Path(name)) | {"LEDGER_DEVELOPMENT_SIGN_IN": "true"}
        before = dict(os.environ)
        os.environ.update(environment)
        events = fill(Settings(_env_file=None), budgets)  # type: ignore[call-arg]
        os.environ.clear()
        os.environ.update(before)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = start_server(environment, port, "ledger.server:create_app")
        try:
            command = [sys.executable, "-m", "benchmarks.pages", "--look", str(port), str(budgets)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        finally:
            server.terminate()
            server.wait()
    return {
        "budgets": budgets,
        "events_a_budget": events // budgets,
        **json.loads(done.stdout),
        "machine": speed(),
    }


def main() -> None:
    if sys.argv[1:2] == ["--look"]:
        print(json.dumps(looked_at(int(sys.argv[2]), int(sys.argv[3]))))
    elif len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
    else:
        os.environ[DURABLE_SETTING] = "1"
        bundled = start_bundled_server()
        try:
            with fresh_database(wait_for_server()) as url:
                print(json.dumps(measured(url, BUDGETS)))
        finally:
            bundled.stop()


if __name__ == "__main__":
    main()
