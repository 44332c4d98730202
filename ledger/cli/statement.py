"""A budget's statement for a period: on the screen, as CSV, or as a page to print."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.parameters import BudgetReference, KnownAt, read_date
from ledger.cli.screen import Cell, Screen, moment
from ledger.cli.session import session_of

if TYPE_CHECKING:
    from ledger.statements.statement import Amounts, Statement, StatementRow

STDOUT = Path("-")


def statement(
    ctx: typer.Context,
    reference: BudgetReference,
    first: Annotated[
        date, typer.Option("--from", parser=read_date, metavar="DATE", help="The first day.")
    ],
    last: Annotated[
        date, typer.Option("--to", parser=read_date, metavar="DATE", help="The last day.")
    ],
    known_at: KnownAt = None,
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
    """Make a statement: gross, contribution, net, paid and put right, with a running balance.

    A row stands on the day its money moves; a change of terms on the day it was recorded.
    """
    from ledger.aggregates.personal_budget import PersonalBudget
    from ledger.dates import Period
    from ledger.outbox.writing import council_of
    from ledger.statements.documents import statement_csv, statement_html
    from ledger.statements.statement import statement_of

    if as_csv == as_html == STDOUT:
        raise typer.BadParameter("Only one of them can go to the screen.", param_hint="'--csv'")
    session = session_of(ctx)
    period = Period(first, last)
    with session.ledger() as ledger:
        history = ledger.history(PersonalBudget, reference)
        made = statement_of(reference, history, period, known_at)
    written = []
    if as_csv is not None:
        # With a byte order mark: spreadsheets read a file without one as another alphabet.
        written += write_out(as_csv, statement_csv(made), "utf-8-sig")
    if as_html is not None:
        page = statement_html(made, council_of(session.settings))
        written += write_out(as_html, page, "utf-8")
    if STDOUT in (as_csv, as_html):
        return

    def show(screen: Screen) -> None:
        for path in written:
            screen.say(f"Written to {path}.")
        if not written:
            show_statement(screen, made)

    session.answer(made, show)


def write_out(path: Path, text: str, encoding: str) -> list[Path]:
    """Write to a file, or to the screen if it is "-"; returns the files."""
    if path == STDOUT:
        print(text.replace("\r\n", "\n"), end="")
        return []
    path.write_text(text, encoding, newline="")
    return [path]


_COLUMNS = (
    "Date", "What", ">Gross", ">Contribution", ">Net", ">Put right", ">In or charged", ">Paid",
    ">Balance", "Why",
)  # fmt: skip


def show_statement(screen: Screen, made: Statement) -> None:
    """The statement as people read it."""
    from ledger.statements.documents import comes_next, owed
    from ledger.statements.wording import days, pounds

    known = f", as known at {moment(made.known_at)}" if made.known_at else ""
    opening: list[Cell] = [made.period.starts_on, "Balance at the start"]
    opening += [*[""] * 6, pounds(made.opening_pence), ""]
    closing: list[Cell] = [made.period.ends_on, "Balance at the end"]
    closing += [*_figures(made.totals), pounds(made.closing_pence), ""]
    rows = [opening]
    for row in made.rows:
        balance = pounds(row.balance_pence)
        rows.append([row.on, row.what, *_figures(row), balance, _why(row)])
    rows.append(closing)
    screen.table(f"Statement of {made.reference}, {days(made.period)}{known}", _COLUMNS, rows)
    balance = owed(made.closing_pence, made.with_provider)
    screen.say(f"\n{balance} What comes next: {comes_next(made.coming_payment)}")
    if made.coming_fund_payment is not None:
        screen.say(f"Into the service fund: {comes_next(made.coming_fund_payment)}")
    for suspended in made.suspensions:
        screen.say(suspended)


def _figures(row: Amounts) -> list[str]:
    from ledger.statements.wording import pounds

    figures = (row.gross_pence, row.contribution_pence, row.net_pence, row.adjustments_pence,
               row.charged_pence, row.paid_pence)  # fmt: skip
    return [pounds(pence) if pence else "" for pence in figures]


def _why(row: StatementRow) -> str:
    from ledger.statements.documents import put_right
    from ledger.statements.wording import kept_back

    said = [row.reason, *(f"Put right: {put_right(part)}." for part in row.adjusted)]
    said += [f"Kept back: {kept_back(deduction)}." for deduction in row.deductions]
    return " ".join([*said, f"({row.reference})"] if row.reference else said)
