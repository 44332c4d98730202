"""Grants: which organisations may see how accounts stand, by whose consent and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ledger.cli.parameters import BudgetReference
from ledger.cli.screen import Screen, moment
from ledger.cli.session import now, session_of
from ledger.dates import day_in_england

app = typer.Typer(help="Who was given access to see how accounts stand.", no_args_is_help=True)


@app.callback()
def grants() -> None:
    """Who was given access to see how accounts stand."""


@app.command("list")
def list_grants(
    ctx: typer.Context,
    budget: Annotated[str, typer.Option(metavar="REF", help="Only for this budget.")] = "",
    organisation: Annotated[
        str, typer.Option(metavar="REF", help="Only to this organisation.")
    ] = "",
    in_force: Annotated[
        bool, typer.Option("--in-force", help="Only those that count today.")
    ] = False,
) -> None:
    """List the access granted last to each organisation; give and take it with `budget`."""
    from ledger.projections.access import grants

    session, today = session_of(ctx), day_in_england(now())
    with session.ledger() as ledger:
        if budget:
            ledger.budget(budget)  # refuses one that is not there
        ledger.projections.catch_up()
        found = grants(ledger.engine, budget_reference=budget, organisation_reference=organisation)
    found = [grant for grant in found if not in_force or grant.in_force(today)]
    documents = [{**grant._asdict(), "is_in_force": grant.in_force(today)} for grant in found]

    def show(screen: Screen) -> None:
        rows = [
            (
                grant.budget_reference,
                grant.organisation_reference,
                grant.facts.replace("_", " "),
                grant.starts_on,
                grant.ends_on,
                grant.given_by,
                "in force" if grant.in_force(today) else "taken back" if grant.revoked_at else "no",
            )
            for grant in found
        ]
        columns = ("Budget", "Organisation", "Sees", "From", "To", "Given by", "Counts today")
        screen.table(f"{len(rows)} grant(s)", columns, rows, "Nobody was given access.")

    session.answer({"grants": documents}, show)


def budget_looks(ctx: typer.Context, reference: BudgetReference) -> None:
    """List who from outside the council looked at a budget, the newest first."""
    from ledger.budget_looks import SEEN, budget_looks_at

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = budget_looks_at(ledger, reference)

    def show(screen: Screen) -> None:
        rows = [
            (
                moment(datetime.fromisoformat(look.looked_at)),
                look.looked_by,
                look.organisation_reference,
                SEEN[look.seen],
            )
            for look in found
        ]
        columns = ("When", "Who", "For", "What they saw, as its recipient is told")
        screen.table(f"Looks at {reference}", columns, rows, "Nobody has looked.")

    session.answer({"looks": [look._asdict() for look in found]}, show)
