"""Money that came back: payment by payment and by age, until all of it is settled."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.parameters import OnDay
from ledger.cli.screen import Screen
from ledger.cli.session import now, session_of
from ledger.dates import day_in_england
from ledger.documents import safe_cell
from ledger.money import format_pounds, plain_pounds

if TYPE_CHECKING:
    from ledger.projections.suspense import Suspense


def suspense(
    ctx: typer.Context,
    on: OnDay = None,
    to: Annotated[
        Path | None,
        typer.Option("--csv", metavar="PATH", dir_okay=False, help="Write it here as CSV as well."),
    ] = None,
) -> None:
    """List what came back and is not settled, the oldest first, and how old it is.

    It must clear to nil: each payment is sent again, refunded to its budget, or decided by an
    estate case. The day is today if left out.
    """
    from ledger.bank_file import working_days
    from ledger.projections import suspense as report

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        day = on or day_in_england(now())
        found = report.suspense(ledger.engine, day, working_days(ledger))
    if to is not None:
        _write_csv(found, to)
    session.answer(found, lambda screen: show_suspense(screen, found))


def show_suspense(screen: Screen, found: Suspense) -> None:
    """The payments, their ages, and whether they are what the account holds."""
    from ledger.projections.suspense import AGES
    from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS

    reasons = {**REJECTION_REASONS, **RETURN_REASONS}
    screen.table(
        f"{len(found.items)} payment(s) came back and are not settled on {found.on}",
        ("Budget", "Payment", ">Amount", "Since", ">Days", "Act by", "Because"),
        [
            (
                item.budget_reference,
                item.payment_reference,
                format_pounds(item.amount_pence),
                item.held_from,
                item.days,
                item.act_by,
                reasons[item.reason_code],
            )
            for item in found.items
        ],
    )
    screen.table(
        "By age",
        ("Age", ">Payments", ">Amount"),
        [
            (AGES[total.age], total.payment_count, format_pounds(total.amount_pence))
            for total in found.ages
        ],
    )
    screen.say(f"\nTogether {format_pounds(found.total_pence)}; the account returned_payments "
               f"holds {format_pounds(found.account_pence)}.")  # fmt: skip
    if found.difference_pence:
        screen.say(f"They differ by {format_pounds(found.difference_pence)}: run pbledger verify.")


def _write_csv(found: Suspense, to: Path) -> None:
    with to.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("budget", "payment", "cycle", "amount", "status", "reason", "since", "days", "act_by",
             "age")
        )  # fmt: skip
        for item in found.items:
            writer.writerow(
                (
                    safe_cell(item.budget_reference),
                    item.payment_reference,
                    item.cycle_reference,
                    plain_pounds(item.amount_pence),
                    item.status,
                    item.reason_code,
                    item.held_from,
                    item.days,
                    item.act_by,
                    item.age,
                )
            )


def add_to(app: typer.Typer) -> None:
    """`pbledger suspense`."""
    app.command("suspense")(suspense)
