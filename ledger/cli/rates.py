"""The figures that financial assessments use: looked at, and checked."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from ledger.charging.figures import KEYS, STATUSES
from ledger.charging.rate_book import check as check_rates
from ledger.charging.rate_book import load_rates
from ledger.cli.parameters import read_date
from ledger.cli.screen import Screen
from ledger.cli.session import session_of

app = typer.Typer(
    no_args_is_help=True,
    help="The figures of financial assessments: by year, with their source and standing.",
)


@app.command("check")
def check(ctx: typer.Context) -> None:
    """Check the rates, with the council's own file if LEDGER_RATES_FILE names one.

    Exit status 1 if a file has a fault. Figures that are not confirmed are listed.
    """
    session = session_of(ctx)
    council_file = session.settings.rates_file
    found = check_rates(council_file)
    faults = [finding for finding in found if finding.kind == "fault"]
    warnings = [finding for finding in found if finding.kind == "warning"]
    document = {
        "council_file": council_file,
        "faults": [finding._asdict() for finding in faults],
        "warnings": [finding._asdict() for finding in warnings],
    }

    def show(screen: Screen) -> None:
        screen.facts(
            ("The council's file", council_file or "none: LEDGER_RATES_FILE is not set"),
            ("Faults", len(faults)),
            ("Not confirmed", len(warnings)),
        )
        columns = ("Year", "Figure", "What")
        for title, listed in (("Faults", faults), ("Figures that are not confirmed", warnings)):
            if listed:
                rows = [(f.year, f.key, f.sentence) for f in listed]
                screen.table(title, columns, rows)

    session.answer(document, show)
    if faults:
        raise typer.Exit(1)


@app.command("show")
def show(
    ctx: typer.Context,
    on: Annotated[
        date, typer.Option(parser=read_date, metavar="DATE", help="The figures in force that day.")
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Only this figure, such as carer_premium; repeatable."),
    ] = None,
) -> None:
    """Show the figures in force on a day: amount, since when, how sure, and from where."""
    unknown = [name for name in key or () if name not in KEYS]
    if unknown:
        raise typer.BadParameter(f"The figures are {', '.join(KEYS)}.", param_hint="'--key'")
    session = session_of(ctx)
    book = load_rates(session.settings.rates_file)
    rates = [book.on(name, on) for name in key or KEYS]
    document = {
        "on": on,
        "figures": [
            {
                "key": rate.key,
                "label": KEYS[rate.key][0],
                "value": rate.value,
                "unit": rate.unit,
                "year": rate.year,
                "starts_on": rate.starts_on,
                "status": rate.status,
                "is_sure": rate.is_sure,
                "source": rate.source,
                "note": rate.note,
            }
            for rate in rates
        ],
    }

    def show_figures(screen: Screen) -> None:
        rows = [
            (
                rate.key,
                rate.shown,
                "" if rate.is_sure else "*",
                rate.starts_on,
                rate.status,
                rate.source,
            )
            for rate in rates
        ]
        columns = ("Figure", ">Amount", "", "Since", "Status", "Source")
        screen.table(f"Figures in force on {on}", columns, rows)
        used = {rate.status for rate in rates if not rate.is_sure}
        if used:
            screen.say("\n* Not confirmed; check it before relying on it:")
            for status in STATUSES:
                if status in used:
                    screen.say(f"  {status}: {STATUSES[status]}.")

    session.answer(document, show_figures)
