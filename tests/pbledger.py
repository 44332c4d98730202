"""The command line for tests: what a person types, and what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, inspect, select, table
from typer.testing import CliRunner, Result

from ledger.cli import app
from ledger.database import connect
from ledger.demo_data import caseload_csv

ROOT = Path(__file__).parent.parent
KEPT = (
    "stored_events",
    "people",
    "payee_details",
    "returned_names",
    "payee_looks",
    "budget_looks",
    "file_looks",
    "financial_assessments",
    "bank_files",
    "modulus_tables",
    "contact_details",
    "letters",
    "provider_details",
    "provider_accounts",
    "idempotency_keys",
    "users",
    "user_names",
    "restricted_facts",
    "person_looks",
    "legal_holds",
    "erasures",
    "refused_requests",
)


class Pbledger:
    """The program, run in this process, on a database and in a folder of its own."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.folder = folder
        self.environment = {
            "LEDGER_DATABASE_URL": database_url,
            "LEDGER_KEY_FILE": str(folder / "ledger.key"),
            "LEDGER_FILES_FOLDER": str(folder / "bank-files"),
            "LEDGER_ACTING_AS": "",
            "LEDGER_BACS_SERVICE_USER_NUMBER": "123456",
            "LEDGER_BACS_SORT_CODE": "200000",
            "LEDGER_BACS_ACCOUNT_NUMBER": "12345678",
            "LEDGER_BACS_ACCOUNT_NAME": "EXAMPLE COUNCIL",
        }

    def run(self, typed: str, *more: str) -> Result:
        """Type a line; `more` are arguments that hold spaces."""
        return CliRunner().invoke(app, [*typed.split(), *more], env=self.environment)

    def done(self, typed: str, *more: str) -> str:
        """It was done; returns what was said, and nothing was said on stderr."""
        result = self.run(typed, *more)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def json(self, typed: str, *more: str) -> Any:
        """It was done; returns the one JSON document on stdout."""
        return json.loads(self.done(f"--json {typed}", *more))

    def refused(self, code: str, typed: str, *more: str) -> str:
        """It was refused by that rule, in a sentence, and left nothing behind."""
        before = self.left_behind()
        result = self.run(typed, *more)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith(f"refused: {code}: "), result.output
        assert result.stdout == ""
        assert self.left_behind() == before, "a refusal leaves no event, no row and no file"
        return result.stderr

    def misused(self, typed: str, *more: str) -> str:
        """It was a usage error, which left nothing behind; returns what was said."""
        before = self.left_behind()
        result = self.run(typed, *more)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert self.left_behind() == before
        return " ".join(result.stderr.split())

    def left_behind(self) -> tuple[dict[str, int], list[str]]:
        """How many rows each table has that is kept, and every file in the folder."""
        names = sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*"))
        if self.database_url.startswith("sqlite") and "ledger.db" not in names:
            return {}, names
        engine = connect(self.database_url)
        with engine.connect() as connection:
            there = set(inspect(connection).get_table_names()) & set(KEPT)
            count = select(func.count())
            rows = {t: connection.execute(count.select_from(table(t))).scalar_one() for t in there}
        engine.dispose()
        return rows, [name for name in names if not name.startswith("ledger.db-")]

    # --- a council to begin with ----------------------------------------------------------

    def caseload(self, budgets: int = 30) -> Path:
        """A made-up council's caseload file."""
        path = self.folder / "caseload.csv"
        path.write_bytes(caseload_csv(budgets, 1))
        return path

    def with_budgets(self, budgets: int = 30) -> Pbledger:
        """A ledger of budgets whose payees are verified."""
        self.done("init")
        self.done("--as ann import-caseload", str(self.caseload(budgets)))
        self.done("--as bob payees verify --all")
        return self

    def with_cycle(self, budgets: int = 30) -> Pbledger:
        """The same, with a cycle that Ann prepared."""
        self.with_budgets(budgets)
        self.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
        return self

    def stated(self, reference: str = "C1") -> str:
        """The options that state what an approver looked at."""
        seen = self.json(f"cycle show {reference}")
        pence = seen["total_pence"]
        return (
            f"--total {pence // 100}.{pence % 100:02d} --lines-sha256 {seen['lines_sha256'][:12]}"
        )


def start(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ledger` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ledger", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def at_a_terminal(arguments: Sequence[str], pbledger: Pbledger, answer: str) -> str:
    """Run the program on a terminal and answer what it asks; returns what was on the screen."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ledger", *arguments],
        cwd=pbledger.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **pbledger.environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    screen = b""
    with suppress(OSError):  # Linux's way of saying that the other side has closed
        while some := os.read(ours, 4096):
            screen += some
    os.close(ours)
    process.wait(60)
    return screen.decode()
