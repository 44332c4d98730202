"""Bringing in a file of financial assessments."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.screen import Screen
from ledger.cli.session import refuse, session_of
from ledger.dates import day_in_england
from ledger.errors import AssessmentFileRefused
from ledger.money import format_pounds

if TYPE_CHECKING:
    from ledger.assessment_import import AssessmentsImported

AssessmentFilePath = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="CSV, UTF-8."),
]
FaultsPath = Annotated[
    Path | None,
    typer.Option(
        "--faults", metavar="FILE", dir_okay=False, help="Write the faults here, as CSV, as well."
    ),
]


def import_assessments(
    ctx: typer.Context,
    file: AssessmentFilePath,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show what changes, write nothing.")
    ] = False,
    faults: FaultsPath = None,
) -> None:
    """Record every financial assessment of a file, or none if anything in it is wrong.

    The same file again records nothing; stopped half-way, it goes on where it stopped.
    """
    from ledger import assessment_import
    from ledger.application import said
    from ledger.assessment_file import read_assessments
    from ledger.cli.session import now

    session = session_of(ctx)
    recorded_by = "nobody: a dry run" if dry_run else session.actor()
    moment = now()
    try:
        read = read_assessments(file.read_bytes())
        total = len(read.assessments) * (1 if dry_run else 2)
        with session.ledger() as ledger, session.progress("Importing", total) as bar:
            result = assessment_import.import_assessments(
                ledger,
                read,
                said(day_in_england(moment), moment, recorded_by),
                dry_run=dry_run,
                progress=bar,
            )
    except AssessmentFileRefused as refusal:
        refuse(refusal, as_document=session.as_json)
        if faults is not None:
            _write_faults(refusal, faults)
        elif not session.as_json:
            rows = [(fault.line, fault.column, fault.reason) for fault in refusal.faults]
            Screen(sys.stderr).table("Faults", (">Line", "Column", "Reason"), rows)
        raise typer.Exit(1) from None
    session.answer(result, lambda screen: _show(screen, file.name, result))


def _write_faults(refusal: AssessmentFileRefused, to: Path) -> None:
    with to.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("line", "column", "reason"))
        writer.writerows(refusal.faults)


def _show(screen: Screen, name: str, result: AssessmentsImported) -> None:
    recorded = "would be recorded" if result.dry_run else "recorded"
    screen.say(
        f"{name}: {len(result.changes)} assessments; {result.recorded} {recorded}, "
        f"{result.already_recorded} already here."
    )
    screen.facts(
        ("Contributions a week before", format_pounds(result.weekly_was_pence)),
        ("Contributions a week after", format_pounds(result.weekly_now_pence)),
        ("Refunds for days already paid", format_pounds(result.refunds_pence)),
        ("Arrears for days already paid", format_pounds(result.arrears_pence)),
    )
    if result.dry_run:
        rows = [
            (
                change.budget_reference,
                change.assessment_reference,
                change.effective_on,
                format_pounds(change.weekly_was_pence),
                format_pounds(change.weekly_now_pence),
                format_pounds(change.put_right_pence),
                "already here" if change.already_recorded else "",
            )
            for change in result.changes
        ]
        screen.table(
            "Assessments",
            ("Budget", "Assessment", "From", ">Week before", ">Week after", ">Days paid", "Note"),
            rows,
        )


def add_to(app: typer.Typer) -> None:
    """`pbledger import-assessments`."""
    app.command("import-assessments")(import_assessments)
