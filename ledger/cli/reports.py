"""What banks send back: reports brought in, what came of each, and the items that wait."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.aggregates.bank_report import QUEUED_BECAUSE, BankReport, Dismissal, QueuedItem
from ledger.cli.parameters import BudgetReference, EffectiveOn
from ledger.cli.screen import Screen
from ledger.cli.session import now, session_of
from ledger.errors import Refusal
from ledger.money import format_pounds

if TYPE_CHECKING:
    from ledger.bank_reports import ReportBroughtIn

app = typer.Typer(
    no_args_is_help=True,
    help="What banks send back (Bacs input report, ARUCS, AWACS, pain.002): bring it in, and see "
    "to what fits no payment.",
)
ReportReference = Annotated[
    str, typer.Argument(metavar="REPORT", help="The report, such as ARUCS-0A1B2C3D4E5F.")
]
Item = Annotated[int, typer.Argument(min=1, metavar="ITEM", help="The item's number in it.")]
QUEUE = ("Report", ">Item", "Because", "Code", ">Amount", "Payment", "What it means")


@app.command("import")
def import_reports(
    ctx: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True,
                       help="Reports as the bank gives them (XML)."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read them and say what would be recorded.")
    ] = False,
) -> None:  # fmt: skip
    """Bring in reports, each whole or not at all. The same report again records nothing.

    If one is refused, it is named; those before it are in and those after it are not.
    """
    from ledger.bank.xml_guard import read_limited
    from ledger.bank_reports import import_report, report_names

    session = session_of(ctx)
    said = session.said()
    names = report_names(session.settings)
    done: list[ReportBroughtIn] = []
    with session.ledger() as ledger, session.progress("Reading", len(files)) as bar:
        for file in files:
            try:
                data = read_limited(file)
                result = import_report(ledger, data, said, names=names, dry_run=dry_run)
            except Refusal as refusal:
                if not session.as_json:
                    show_results(Screen(), files, done)
                facts = {**refusal.details, "file": file.name, "reports": done}
                raise type(refusal)(f"{file.name}: {refusal}", **facts) from None
            done.append(result)
            bar(1)
    session.answer({"reports": done}, lambda screen: show_results(screen, files, done))


def show_results(screen: Screen, files: Sequence[Path], results: Sequence[ReportBroughtIn]) -> None:
    """What came of the reports, as far as there are results."""
    for file, result in zip(files, results, strict=False):
        show_result(screen, file.name, result)


def show_result(screen: Screen, name: str, result: ReportBroughtIn) -> None:
    """What came of one report, what the bank says of its file, and what waits."""
    if result.already_imported:
        screen.say(f"{name} was brought in before as {result.reference}; nothing is recorded.")
        return
    cycle = f" about the cycle {result.cycle_reference}" if result.cycle_reference else ""
    would = "would be" if result.dry_run else "were"
    screen.say(
        f"{name}: {result.reference}{cycle}, of {result.reported_on}: {result.item_count} item(s), "
        f"{result.recorded_count} {would} recorded, {result.unchanged_count} change nothing."
    )
    for answer in result.answers:
        screen.say(f"  {answer}")
    if result.file_refused:
        cycle = result.cycle_reference or "REF"
        screen.say(f"  To make another file: pbledger --as NAME cycle issue {cycle}")
    if result.queued:
        rows = [queue_row(result.reference, queued) for queued in result.queued]
        screen.table(f"{len(rows)} item(s) wait for a person", QUEUE, rows)


def queue_row(reference: str, queued: QueuedItem) -> tuple[Any, ...]:
    """One item that waits, as people read it."""
    return (
        reference,
        queued.item,
        queued.because,
        queued.code,
        format_pounds(queued.amount_pence) if queued.amount_pence else "",
        queued.payment_reference,
        QUEUED_BECAUSE[queued.because],
    )


@app.command("list")
def list_reports(ctx: typer.Context) -> None:
    """List every report that was brought in, the newest last."""
    from sqlalchemy import select

    from ledger.projections.bank_reports import BankReports

    session = session_of(ctx)
    table = BankReports.table
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        query = select(table).order_by(table.c.imported_at, table.c.reference)
        with ledger.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        del row["stream"]
    columns = ("Report", "Of", "Cycle", ">Items", ">Recorded", ">No change", ">Waiting", "By")
    rows = [
        (r["reference"], r["reported_on"], r["cycle_reference"], r["item_count"],
         r["recorded_count"], r["unchanged_count"], r["waiting_count"], r["imported_by"])
        for r in found
    ]  # fmt: skip
    session.answer(
        {"reports": found}, lambda screen: screen.table(f"{len(rows)} report(s)", columns, rows)
    )


@app.command("queue")
def queue(ctx: typer.Context) -> None:
    """List the items that fit no payment and wait for a person, the oldest first."""
    from ledger.projections.bank_reports import waiting

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        found = waiting(ledger.engine)
    rows = [queue_row(one.report_reference, one.queued) for one in found]
    session.answer(
        {"queue": found},
        lambda screen: screen.table(f"{len(rows)} item(s) wait for a person", QUEUE, rows),
    )


@app.command("match")
def match(
    ctx: typer.Context,
    reference: ReportReference,
    item: Item,
    budget: BudgetReference,
    payment_reference: Annotated[
        str, typer.Option("--payment-reference", metavar="PAYMENT", help="The payment it is about.")
    ],
    reason_code: Annotated[
        str, typer.Option(metavar="CODE", help="Why, where the bank's own code says nothing.")
    ] = "",
    effective_on: EffectiveOn = None,
) -> None:
    """Record an item that waits on the payment it is found to be about."""
    from ledger.report_queue import match_item

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        report = match_item(
            ledger,
            reference,
            item,
            budget_reference=budget,
            payment_reference=payment_reference,
            reason_code=reason_code,
            said=said,
        )
    _say_resolved(ctx, report, f"Item {item} is recorded on {payment_reference} of {budget}.")


@app.command("dismiss")
def dismiss(
    ctx: typer.Context,
    reference: ReportReference,
    item: Item,
    reason_code: Annotated[Dismissal, typer.Option(help="Why nothing is to be recorded for it.")],
    effective_on: EffectiveOn = None,
) -> None:
    """Decide that nothing is to be recorded for an item that waits."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        report = ledger.change(
            BankReport,
            reference,
            lambda report: report.dismiss(item=item, reason_code=reason_code, **said),
        )
    _say_resolved(ctx, report, f"Nothing is recorded for item {item}.")


def _say_resolved(ctx: typer.Context, report: BankReport, sentence: str) -> None:
    left: Sequence[int] = sorted(report.queue.keys() - report.resolved)
    document = {"reference": report.reference, "waiting": left}

    def show(screen: Screen) -> None:
        screen.say(sentence)
        screen.say(f"{len(left)} item(s) of {report.reference} still wait.")

    session_of(ctx).answer(document, show)


@app.command("file")
def file(
    ctx: typer.Context,
    reference: ReportReference,
    to: Annotated[Path, typer.Option(metavar="PATH", dir_okay=False, help="Where to write it.")],
) -> None:
    """Write a report as it was brought in: the very same bytes.

    They hold account details: who fetches them, and when, is recorded first.
    """
    from ledger.bank.files import write_whole
    from ledger.bank_reports import fetch_report

    session = session_of(ctx)
    by, at = session.actor(), now()
    with session.ledger() as ledger:
        content = fetch_report(ledger, reference, door="command_line", looked_at=at, looked_by=by)
    write_whole(to, content)
    session.answer(
        {"reference": reference, "file": to}, lambda screen: screen.say(f"Written to {to}.")
    )
