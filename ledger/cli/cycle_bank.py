"""What leaves the building and comes of it: a cycle's bank file, and its settlement."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from ledger.aggregates.light_cycles import CycleToIssue
from ledger.cli.cycle_shown import say_status
from ledger.cli.parameters import CycleReference, EffectiveOn, read_date
from ledger.cli.screen import Screen
from ledger.cli.session import Session, now, session_of
from ledger.config import FileFormat, ServiceLevel
from ledger.money import format_pounds


def issue(
    ctx: typer.Context,
    reference: CycleReference,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Else LEDGER_FILES_FOLDER.")
    ] = None,
    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Of this file; else LEDGER_BANK_FILE_FORMAT."),
    ] = None,
    service_level: Annotated[
        ServiceLevel | None,
        typer.Option(help="Of this pain.001 file; else LEDGER_PAIN001_SERVICE_LEVEL."),
    ] = None,
    effective_on: EffectiveOn = None,
) -> None:
    """Make the bank file of an approved cycle. Asked again, the same bytes are written again.

    With pain.001 and the service level URNS or URGP the money goes by Faster Payments: the file
    may then be made on the pay date itself.
    """
    from ledger.bank_file import asked_kind
    from ledger.payment_run import issue_cycle

    session = session_of(ctx)
    said = session.said(effective_on)
    folder = folder or session.settings.files_folder
    kind = asked_kind(session.settings, file_format, service_level)
    _require_writable(folder)
    with session.ledger() as ledger:
        path = issue_cycle(
            ledger, reference, created_on=said["effective_on"], said=said, folder=folder, kind=kind
        )
        cycle = ledger.load(CycleToIssue, reference)
    _say_file(session, cycle, path)


def _require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to before anything is recorded."""
    nearest = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    with tempfile.TemporaryFile(dir=nearest):
        pass


def _say_file(session: Session, cycle: CycleToIssue, path: Path) -> None:
    issued = cycle.require_issued()
    document = {
        "reference": cycle.reference,
        "file": path,
        "format": issued.file_format,
        "sha256": issued.file_sha256,
        "record_count": issued.record_count,
        "total_pence": issued.total_pence,
        "submission_serial": issued.submission_serial,
        "processing_on": issued.processing_on,
    }

    def show(screen: Screen) -> None:
        screen.facts(
            ("Bank file", path),
            ("Credits", issued.record_count),
            ("Total", format_pounds(issued.total_pence)),
            ("Processing day", issued.processing_on),
            ("SHA-256", issued.file_sha256),
        )
        if cycle.status == "issued":
            screen.say(f"\nWhen the bank has paid it: pbledger --as NAME cycle settle "
                       f"{cycle.reference}")  # fmt: skip

    session.answer(document, show)


def file(
    ctx: typer.Context,
    reference: CycleReference,
    to: Annotated[Path, typer.Option(metavar="PATH", dir_okay=False, help="Where to write it.")],
) -> None:
    """Write the bank file of an issued cycle once more: the very same bytes.

    It holds account details: who fetches it, and when, is recorded first.
    """
    from ledger.bank.files import write_whole
    from ledger.file_looks import fetch_bank_file

    session = session_of(ctx)
    by, at = session.actor(), now()
    with session.ledger() as ledger:
        cycle = ledger.load(CycleToIssue, reference)
        content = fetch_bank_file(
            ledger, cycle.require_issued(), door="command_line", looked_at=at, looked_by=by
        )
    write_whole(to, content)
    _say_file(session, cycle, to)


def settle(
    ctx: typer.Context,
    reference: CycleReference,
    on: Annotated[
        date | None,
        typer.Option(parser=read_date, metavar="DATE", help="The day the bank paid; else today."),
    ] = None,
) -> None:
    """Record that the bank paid the file: every payment that has not come back is confirmed."""
    from ledger.payment_run import settle_cycle

    session = session_of(ctx)
    said = session.said(on)
    with session.ledger() as ledger:
        count = len({line.budget_reference for line in ledger.cycle(reference).lines})
        with session.progress("Settling", count) as bar:
            cycle = settle_cycle(ledger, reference, said=said, progress=bar)
    say_status(session, cycle)


def add_to(app: typer.Typer) -> None:
    """`pbledger cycle issue`, `file` and `settle`."""
    for verb in (issue, file, settle):
        app.command(verb.__name__)(verb)
