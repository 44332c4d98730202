"""What changed from the last cycle to this one, and why: on the screen, as CSV, or as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ledger.cli.parameters import CycleReference
from ledger.cli.screen import Screen
from ledger.cli.session import session_of
from ledger.cli.statement import STDOUT, write_out
from ledger.cycle_differences import Cause

if TYPE_CHECKING:
    from ledger.cycle_differences import BudgetDifference, ComparedCycle, CycleDifferences

MOST_SHOWN = 20


def differences(
    ctx: typer.Context,
    reference: CycleReference,
    against: Annotated[
        str, typer.Option(metavar="REF", help="Another cycle to compare with than the last.")
    ] = "",
    cause: Annotated[
        Cause | None, typer.Option(help="Only budgets with this cause; totals stay whole.")
    ] = None,
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
    """Say what changed since the last cycle and why, to the penny: new, stopped and changed.

    The last cycle is the regular one for the latest earlier period that was approved. Files
    hold every cause, whatever --cause says.
    """
    from ledger.cycle_differences import biggest_first
    from ledger.last_cycle import differences_of
    from ledger.statements.cycle_report import differences_csv, differences_html

    if as_csv == as_html == STDOUT:
        raise typer.BadParameter("Only one of them can go to the screen.", param_hint="'--csv'")
    session = session_of(ctx)
    with session.ledger() as ledger:
        found = differences_of(ledger, reference, against)
    written = []
    if as_csv is not None:
        # With a byte order mark: spreadsheets read a file without one as another alphabet.
        written += write_out(as_csv, differences_csv(found), "utf-8-sig")
    if as_html is not None:
        page = differences_html(found, session.settings.council_name)
        written += write_out(as_html, page, "utf-8")
    if STDOUT in (as_csv, as_html):
        return
    chosen = biggest_first(found.budgets, cause or "")

    def show(screen: Screen) -> None:
        for path in written:
            screen.say(f"Written to {path}.")
        if not written:
            show_differences(screen, found, chosen, cause)

    session.answer(msgspec.structs.replace(found, budgets=tuple(chosen)), show)


def show_differences(
    screen: Screen, found: CycleDifferences, chosen: Sequence[BudgetDifference], cause: Cause | None
) -> None:
    """Totals that tie, by outcome and by cause; then the biggest changes."""
    from ledger.statements.cycle_report import NAMES, signed
    from ledger.statements.wording import pounds

    screen.facts(
        ("This cycle", _named(found.now)),
        ("Last cycle", _named(found.was) if found.was else "none: everything is new"),
        ("Last total", pounds(found.was_pence)),
        ("Changes", signed(found.difference_pence)),
        ("This total", pounds(found.now_pence)),
    )
    screen.table(
        "By outcome",
        ("Outcome", ">Budgets", ">Was", ">Now", ">Difference"),
        [
            (t.outcome, t.budget_count, pounds(t.was_pence), pounds(t.now_pence),
             signed(t.difference_pence))
            for t in found.outcomes
        ],
    )  # fmt: skip
    screen.table(
        "By cause, from the last total to this one",
        ("Cause", ">Budgets", ">More", ">Less", ">Together"),
        [
            ("last total", "", "", "", pounds(found.was_pence)),
            *(
                (t.cause, t.budget_count, _unless_nought(t.rises_pence),
                 _unless_nought(t.falls_pence), signed(t.difference_pence))
                for t in found.causes
            ),
            ("this total", "", "", "", pounds(found.now_pence)),
        ],
    )  # fmt: skip
    _show_budgets(screen, chosen, NAMES[cause].lower() if cause else "")


def _show_budgets(screen: Screen, chosen: Sequence[BudgetDifference], cause: str) -> None:
    from ledger.statements.cycle_report import signed, why
    from ledger.statements.wording import pounds

    what = f"budget(s) with the cause {cause}" if cause else "budget(s) changed"
    screen.table(
        f"{len(chosen)} {what}, the biggest first",
        ("Budget", "Outcome", ">Was", ">Now", ">Difference", "Why", "Noted"),
        [
            (
                one.budget_reference,
                one.outcome,
                pounds(one.was_pence),
                pounds(one.now_pence),
                signed(one.difference_pence),
                why(one),
                ", ".join(one.reasons),
            )
            for one in chosen[:MOST_SHOWN]
        ],
    )
    if len(chosen) > MOST_SHOWN:
        screen.say(f"\nAnd {len(chosen) - MOST_SHOWN} more. All of them: --csv FILE, or --json.")


def _named(cycle: ComparedCycle) -> str:
    kind = " (off-cycle)" if cycle.off_cycle else ""
    period = f"{cycle.period.starts_on} to {cycle.period.ends_on}"
    return f"{cycle.reference}{kind}, {cycle.status}: {cycle.payment_count} payment(s), {period}"


def _unless_nought(pence: int) -> str:
    from ledger.statements.cycle_report import signed

    return signed(pence) if pence else ""


def add_to(app: typer.Typer) -> None:
    """`pbledger cycle differences`."""
    app.command("differences")(differences)
