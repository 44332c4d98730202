"""What one credit of a cycle to a provider is made up of: on the screen, as CSV, or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.parameters import CycleReference
from ledger.cli.screen import Screen
from ledger.cli.session import session_of
from ledger.cli.statement import STDOUT, write_out

if TYPE_CHECKING:
    from ledger.statements.breakdown import Breakdown


def breakdown(
    ctx: typer.Context,
    reference: CycleReference,
    provider: Annotated[str, typer.Option(metavar="PROVIDER", help="Who is paid.")],
    as_csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", dir_okay=False, help="Write CSV; - for the screen."),
    ] = None,
    as_html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", dir_okay=False, help="Write a page; - for the screen."
        ),
    ] = None,
) -> None:
    """Say what a cycle pays a provider, person by person, adding up to the one credit.

    It is for the provider: it names budgets and no people.
    """
    from ledger.statements.breakdown import breakdown_csv, breakdown_html, breakdown_of

    if as_csv == as_html == STDOUT:
        raise typer.BadParameter("Only one of them can go to the screen.", param_hint="'--csv'")
    session = session_of(ctx)
    with session.ledger() as ledger:
        found = breakdown_of(ledger.cycle(reference), provider)
        name = ledger.provider_details.names(provider)[provider]
    written = []
    if as_csv is not None:
        # With a byte order mark: spreadsheets read a file without one as another alphabet.
        written += write_out(as_csv, breakdown_csv(found), "utf-8-sig")
    if as_html is not None:
        page = breakdown_html(found, session.settings.council_name, name)
        written += write_out(as_html, page, "utf-8")
    if STDOUT in (as_csv, as_html):
        return

    def show(screen: Screen) -> None:
        for path in written:
            screen.say(f"Written to {path}.")
        if not written:
            show_breakdown(screen, found, name)

    session.answer(found, show)


def show_breakdown(screen: Screen, found: Breakdown, name: str) -> None:
    """The breakdown as people read it."""
    from ledger.projections.words import words
    from ledger.statements.breakdown import AMOUNTS, BreakdownAmounts
    from ledger.statements.wording import days, pounds

    def figures(amounts: BreakdownAmounts) -> list[str]:
        pence = [getattr(amounts, f"{column}_pence") for column in AMOUNTS]
        return [pounds(one) if one else "" for one in pence]

    screen.facts(
        ("Provider", f"{found.provider_reference}, {name}"),
        ("Cycle", f"{found.cycle_reference}, {found.status}"),
        ("Paid on", found.pay_on),
        ("Credit", f"{found.bulk_reference}, {pounds(found.totals.amount_pence)}"),
    )
    rows = [
        [
            line.budget_reference,
            line.payment_reference,
            words(line.channel),
            days(line.days) if line.days else f"sent again: {line.reissue_of}",
            *figures(line),
        ]
        for line in found.lines
    ]
    rows.append(["All", "", "", "", *figures(found.totals)])
    columns = ("Budget", "Payment", "For", "Days", ">Support", ">Contribution", ">Put right",
               ">Clawback", ">Sent again", ">Paid")  # fmt: skip
    screen.table(f"{len(found.lines)} payment(s)", columns, rows)


def add_to(app: typer.Typer) -> None:
    """`pbledger cycle breakdown`."""
    app.command("breakdown")(breakdown)
