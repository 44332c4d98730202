"""The command line, installed as `pbledger`: one file for each noun, and thin."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from ledger.cli import (
    accounts,
    assessment,
    assessment_file,
    budget,
    caseload,
    change,
    cycle,
    grants,
    jobs,
    keeping,
    letters,
    modulus,
    payees,
    privacy,
    provider,
    rates,
    refused,
    reports,
    suspense,
    users,
)
from ledger.cli.session import Session, Verbs

app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog="--as and --json may stand anywhere. Exit status: 0 done, 1 refused, 2 usage. "
    "Settings are read from LEDGER_... in the environment or in .env.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"pbledger {version('personal-budget-ledger')}")
        except PackageNotFoundError:  # run from a tree that is not installed
            print("pbledger (not installed)")
        raise typer.Exit


@app.callback()
def program(
    ctx: typer.Context,
    acting_as: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Who is acting; else LEDGER_ACTING_AS.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer with one JSON document; refusals as problems.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say and stop.")
    ] = False,
) -> None:
    """The ledger of a council's personal budgets: caseload, payment cycles, bank files, audit."""
    del version  # its callback has answered
    ctx.obj = Session(acting_as, as_json)


keeping.add_to(app)
caseload.add_to(app)
privacy.add_to(caseload.person)
assessment_file.add_to(app)
suspense.add_to(app)
refused.add_to(app)
app.add_typer(payees.app, name="payees")
app.add_typer(provider.app, name="provider")
app.add_typer(budget.app, name="budget")
app.add_typer(assessment.app, name="assessment")
app.add_typer(cycle.app, name="cycle")
app.add_typer(reports.app, name="reports")
app.add_typer(change.app, name="change")
app.add_typer(rates.app, name="rates")
app.add_typer(modulus.app, name="modulus")
app.add_typer(accounts.app, name="accounts")
app.add_typer(jobs.app, name="jobs")
app.add_typer(letters.app, name="letters")
app.add_typer(users.app, name="users")
app.add_typer(grants.app, name="grants")


def main() -> None:
    """Run the program. What the terminal's alphabet lacks is escaped, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="pbledger")
