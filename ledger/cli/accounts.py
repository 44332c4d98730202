"""The accounts: close a period, list those closed, show a trial balance."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

import typer

from ledger.aggregates.accounting_periods import ACCOUNTS, ONE_DAY, AccountingPeriods
from ledger.cli.parameters import read_date
from ledger.cli.screen import Screen, moment
from ledger.cli.session import session_of
from ledger.dates import Period
from ledger.documents import safe_cell
from ledger.money import plain_pounds

FUNDING = ("funding_stream", "cost_centre")
SUMS = ("opening_pence", "debit_pence", "credit_pence", "closing_pence")
ADJUSTMENT = ("budget_reference", "effective_on", "accounted_on", "account", *FUNDING,
              "amount_pence", "recorded_at", "position")  # fmt: skip

app = typer.Typer(
    no_args_is_help=True,
    help="The accounts: close a period for good, list those closed, show a trial balance.",
)


@app.command("close")
def close(
    ctx: typer.Context,
    closed_to: Annotated[
        date,
        typer.Option("--to", parser=read_date, metavar="DATE", help="The last day to be closed."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be closed; record nothing.")
    ] = False,
) -> None:
    """Close the accounts to a day that is over. They are never opened again.

    What is recorded afterwards and takes effect by then is accounted for on the day after.
    """
    from ledger.commands import require_keepable
    from ledger.projections.accounts import trial_balance

    session = session_of(ctx)
    said = session.said()
    require_keepable(closed_to, "closed_to")
    opens_on = closed_to + ONE_DAY
    document: dict[str, Any] = {"closed_to": closed_to, "open_from": opens_on, "dry_run": dry_run}
    with session.ledger() as ledger:
        if not dry_run:
            ledger.change(
                AccountingPeriods,
                ACCOUNTS,
                lambda periods: periods.close(closed_to=closed_to, **said),
                create=True,
            )
            sentence = (
                f"The accounts are closed to {closed_to}. What is recorded from now on is "
                f"accounted for on {opens_on} or later."
            )
            session.answer(document, lambda screen: screen.say(sentence))
            return
        periods = ledger.find(AccountingPeriods, ACCOUNTS) or AccountingPeriods()
        first_open = periods.open_from
        periods.close(closed_to=closed_to, **said)  # refused here as it would be; never saved
        ledger.projections.catch_up()
        rows = trial_balance(ledger.engine, first_open, closed_to)
    count = sum(row["posting_count"] for row in rows)
    document |= {"posting_count": count, "trial_balance": rows}

    def show(screen: Screen) -> None:
        _show_balance(screen, f"What closing to {closed_to} would close, in pounds", rows)
        screen.say(f"\n{count} posting(s) would be closed. Nothing was recorded.")

    session.answer(document, show)


@app.command("periods")
def periods(ctx: typer.Context) -> None:
    """List the closed periods: who closed them, when, and at which event of the log."""
    from ledger.projections.accounts import accounting_periods

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        found = accounting_periods(ledger.engine)
    columns = ("From", "To", "Closed by", "Closed at", ">Event")
    rows = [
        (
            row["starts_on"],
            row["ends_on"],
            row["closed_by"],
            moment(datetime.fromisoformat(row["closed_at"])),
            row["position"],
        )
        for row in found
    ]
    session.answer(
        {"periods": found},
        lambda screen: screen.table(f"{len(rows)} closed period(s)", columns, rows),
    )


@app.command("show")
def show(
    ctx: typer.Context,
    first: Annotated[
        date, typer.Option("--from", parser=read_date, metavar="DATE", help="The first day.")
    ],
    last: Annotated[
        date, typer.Option("--to", parser=read_date, metavar="DATE", help="The last day.")
    ],
    by_funding: Annotated[
        bool, typer.Option("--by-funding", help="A row for each funding stream and cost centre.")
    ] = False,
    as_csv: Annotated[
        Literal["balance", "adjustments"] | None,
        typer.Option("--csv", help="Write one of the two as CSV instead."),
    ] = None,
) -> None:
    """Show the trial balance of some days, and what fell into them from earlier ones.

    Opening and closing balances are debits less credits.
    """
    from ledger.projections.accounts import prior_period_adjustments, trial_balance

    session = session_of(ctx)
    days = Period(first, last)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        balance = trial_balance(ledger.engine, first, last, by_funding=by_funding)
        adjustments = prior_period_adjustments(ledger.engine, first, last)
    if as_csv is not None:
        if as_csv == "balance":
            _write_csv(balance, _balance_columns(by_funding))
        else:
            _write_csv(adjustments, ADJUSTMENT)
        return
    document = {"period": days, "trial_balance": balance, "prior_period_adjustments": adjustments}

    def show(screen: Screen) -> None:
        _show_balance(screen, f"Trial balance, {first} to {last}, in pounds", balance)
        _show_adjustments(screen, first, adjustments)

    session.answer(document, show)


def _show_balance(screen: Screen, title: str, rows: Sequence[dict[str, Any]]) -> None:
    funded = bool(rows) and FUNDING[0] in rows[0]
    cells = [
        (
            row["account"],
            *((row[name] or "(none)" for name in FUNDING) if funded else ()),
            *(plain_pounds(row[name]) for name in SUMS),
        )
        for row in rows
    ]
    if rows:
        totals = (plain_pounds(sum(row[name] for row in rows)) for name in SUMS)
        cells.append(("All", *(("", "") if funded else ()), *totals))
    columns = ("Account", *(("Funding stream", "Cost centre") if funded else ()),
               ">Opening", ">Debits", ">Credits", ">Closing")  # fmt: skip
    screen.table(title, columns, cells)


def _show_adjustments(screen: Screen, first: date, rows: Sequence[dict[str, Any]]) -> None:
    cells = [
        (
            row["budget_reference"],
            row["effective_on"],
            row["accounted_on"],
            row["account"],
            row["funding_stream"],
            row["cost_centre"],
            plain_pounds(row["amount_pence"]),
        )
        for row in rows
    ]
    columns = ("Budget", "Takes effect", "Accounted on", "Account", "Funding stream",
               "Cost centre", ">Amount")  # fmt: skip
    screen.table(f"Postings that take effect before {first}: {len(rows)}", columns, cells)


# --- CSV ----------------------------------------------------------------------------------


def _balance_columns(by_funding: bool) -> tuple[str, ...]:
    return ("account", *(FUNDING if by_funding else ()), *SUMS)


def _write_csv(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Rows as CSV on stdout, with a header even if there are none; money is in pounds."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(name.replace("_pence", "_pounds") for name in names)
    for row in rows:
        writer.writerow(_cell(name, row[name]) for name in names)


def _cell(name: str, value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is written with a ' before it."""
    if name.endswith("_pence"):
        return plain_pounds(value)
    return safe_cell(value) if isinstance(value, str) else value
