"""What was refused to whom: kept by the server for auditors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ledger.cli.screen import Screen, moment
from ledger.cli.session import session_of


def refused_requests(
    ctx: typer.Context,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what was refused to this person.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="REF", help="Only what was about this budget.")
    ] = None,
) -> None:
    """List the requests that the server refused to someone for who they are, the oldest first.

    Nobody had signed in, or nothing permitted it, or the budget was beyond theirs.
    """
    from ledger.access.refused import kept, only_counted

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = kept(ledger, refused_by=by, budget_reference=budget)
        counted = only_counted(ledger, 100)
    document = {
        "refused": [{"number": one.number, **one.refused._asdict()} for one in found],
        "only_counted": [one._asdict() for one in counted],
    }

    def show(screen: Screen) -> None:
        rows = [
            (
                moment(datetime.fromisoformat(one.refused.refused_at)),
                one.refused.refused_by or one.refused.address,
                f"{one.refused.method} {one.refused.route}",
                one.refused.budget_reference,
                one.refused.code,
            )
            for one in found
        ]
        columns = ("When", "Who", "What", "Budget", "Refusal")
        screen.table(f"{len(rows)} request(s) refused", columns, rows)
        if counted:
            title = "Refused so often in an hour (UTC) that the rest was only counted"
            screen.table(title, ("Hour", "Who", ">Refusals"), counted)

    session.answer(document, show)


def add_to(app: typer.Typer) -> None:
    """`pbledger refused-requests`."""
    app.command("refused-requests")(refused_requests)
