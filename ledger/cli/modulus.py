"""The weight tables that account numbers are checked against: loaded, and looked at."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.parameters import read_date
from ledger.cli.screen import Screen
from ledger.cli.session import now, session_of
from ledger.dates import day_in_england
from ledger.errors import WeightTableUnreadable

app = typer.Typer(
    no_args_is_help=True,
    help="The weight tables that account numbers are checked against when a payee is proposed.",
)


@app.command("load")
def load(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, readable=True,
            help="Pay.UK's weight table, valacdos.txt.",
        ),
    ],
    effective_from: Annotated[
        date,
        typer.Option(parser=read_date, metavar="DATE", help="The day it comes into force."),
    ],
    version: Annotated[str, typer.Option(metavar="TEXT", help="As published, such as 7.40.")],
    substitutions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, readable=True,
            help="The substitution table, scsubtab.txt; sort codes that need it have no rule "
            "without it.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Load a weight table, whole or not at all; it is kept for good.

    The same table again changes nothing. Payees proposed before are not checked again.
    """
    session = session_of(ctx)
    loaded_by = session.actor()
    weights = _text(file)
    replaced = None if substitutions is None else _text(substitutions)
    with session.ledger() as ledger:
        is_new = ledger.load_modulus_table(
            weights,
            version=version.strip(),
            effective_from=effective_from,
            substitutions=replaced,
            loaded_at=now(),
            loaded_by=loaded_by,
        )
    document = {"version": version.strip(), "effective_from": effective_from, "loaded": is_new}

    def show_loaded(screen: Screen) -> None:
        if is_new:
            screen.say(f"Weight table {version.strip()} is loaded, in force from {effective_from}.")
        else:
            screen.say("Nothing to load: it is here already.")
        if substitutions is None:
            screen.say("Without --substitutions, sort codes under exception 5 have no rule.")

    session.answer(document, show_loaded)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WeightTableUnreadable(f"{file.name} is not text.", faults=[]) from None


@app.command("show")
def show(
    ctx: typer.Context,
    on: Annotated[
        date | None,
        typer.Option(parser=read_date, metavar="DATE", help="Which is in force; today if left "
                     "out."),
    ] = None,
) -> None:  # fmt: skip
    """Show the weight tables that are loaded, and which is in force on a day."""
    session = session_of(ctx)
    day = on or day_in_england(now())
    with session.ledger() as ledger:
        tables = ledger.modulus_tables.loaded()
        in_force = ledger.modulus_tables.version_on(day)
    document = {"on": day, "in_force": in_force, "tables": [table._asdict() for table in tables]}

    def show_tables(screen: Screen) -> None:
        rows = [
            (
                table.version,
                table.effective_from,
                "in force" if table.version == in_force else "",
                "yes" if table.with_substitutions else "no",
                table.loaded_by,
                table.loaded_at[:16],
                table.sha256[:12],
            )
            for table in tables
        ]
        columns = ("Version", "From", f"On {day}", "Substitutions", "Loaded by", "At", "SHA-256")
        screen.table("Modulus weight tables", columns, rows, "No weight table is loaded.")
        if in_force is None:
            screen.say(f"\nOn {day} no table is in force: accounts are not checked.")

    session.answer(document, show_tables)
