"""A mass change: prepared by one person, looked at, approved by another, applied to each budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ledger.aggregates.mass_change import (
    MassChange,
    MassChangeLine,
    MassChangeParameters,
    MassRejectionReason,
)
from ledger.cli import change_options as options
from ledger.cli.change_shown import (
    MOST_SHOWN,
    biggest_first,
    change_document,
    lines_csv,
    show_change,
    show_lines,
)
from ledger.cli.cycle import budget_count, read_hash
from ledger.cli.parameters import EffectiveOn, read_signed_pounds
from ledger.cli.screen import Screen
from ledger.cli.session import Session, now, session_of
from ledger.dates import Period, day_in_england
from ledger.money import format_pounds

if TYPE_CHECKING:
    from ledger.application import Ledger

app = typer.Typer(
    no_args_is_help=True,
    help="Many budgets at once: prepare, look, approve as someone else, apply.",
)

ChangeReference = Annotated[str, typer.Argument(metavar="REF", help="The mass change's reference.")]
Chosen = Literal["new", "changed", "ended", "credited", "unchanged", "held", "skipped"]


@app.command("prepare")
def prepare(
    ctx: typer.Context,
    reference: ChangeReference,
    *,
    kind: options.Kind,
    first: options.From,
    last: options.To = None,
    decided_on: options.DecidedOn = None,
    uprate: options.Uprate = None,
    percent: options.Percent = 0,
    funding_stream: options.FundingStream = "",
    deployment: options.Deployed = None,
    recovery: options.Recovery = None,
    weekly_cap: options.WeeklyCap = 0,
    hold_over: options.HoldOver = None,
    release: options.Release = None,
    dry_run: options.DryRun = False,
    effective_on: EffectiveOn = None,
) -> None:
    """Work out what would change on every budget, and list what an approver should see.

    Nothing is changed yet. Preparing again replaces what was listed and voids what was seen.
    """
    from ledger.mass_changes import prepare_mass_change

    session = session_of(ctx)
    said = session.said(effective_on)
    decided = decided_on or day_in_england(now())
    parameters = MassChangeParameters(
        kind=kind,
        effective_on=decided if kind == "invoice" else first,
        decided_on=decided,
        uprate=tuple(uprate or ()),
        uplift_basis_points=percent,
        funding_stream=funding_stream,
        deployment=deployment,
        period=Period(first, last) if last else None,
        recovery=recovery,
        weekly_cap_pence=weekly_cap,
        hold_over_pence=hold_over,
        release=tuple(release or ()),
    )
    with (
        session.ledger() as ledger,
        session.progress("Trying" if dry_run else "Preparing", budget_count(ledger)) as bar,
    ):
        change = prepare_mass_change(
            ledger, reference, parameters, said, progress=bar, dry_run=dry_run
        )
    document = change_document(change)
    if dry_run:
        document |= {"dry_run": True, "lines": change.lines}

    def show(screen: Screen) -> None:
        show_change(screen, document, dry_run=dry_run)
        if dry_run:
            _show_biggest(screen, change.lines)
            screen.say("\nOnly tried: nothing was recorded.")

    session.answer(document, show)


def _show_biggest(screen: Screen, lines: list[MassChangeLine]) -> None:
    shown = biggest_first(lines)[:MOST_SHOWN]
    show_lines(screen, f"The biggest {len(shown)} of {len(lines)}", shown)


def _read(session: Session, reference: str) -> tuple[MassChange, dict[str, Any]]:
    """A mass change, and its document with the budgets that moved on since."""
    with session.ledger() as ledger:
        change = ledger.load(MassChange, reference)
        return change, _document(ledger, change)


def _document(ledger: Ledger, change: MassChange) -> dict[str, Any]:
    from ledger.mass_changes import moved_on

    return change_document(change, moved_on(ledger, change) if change.status == "prepared" else ())


@app.command("show")
def show(ctx: typer.Context, reference: ChangeReference) -> None:
    """Show a mass change: totals, what is held back and why, and the hash an approver states."""
    session = session_of(ctx)
    _, document = _read(session, reference)
    session.answer(document, lambda screen: show_change(screen, document))


@app.command("lines")
def lines(
    ctx: typer.Context,
    reference: ChangeReference,
    outcome: Annotated[Chosen | None, typer.Option(help="Only those of which this came.")] = None,
    as_csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", dir_okay=False, help="Write CSV; - for the screen."),
    ] = None,
) -> None:
    """The difference report, the biggest first: who, was, now, put right, outcome and reason."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        change = ledger.load(MassChange, reference)
    chosen = biggest_first(_chosen(change, outcome))
    if as_csv is not None:
        made = lines_csv(chosen)
        if str(as_csv) == "-":
            print(made, end="")
            return
        as_csv.write_text(made, encoding="utf-8-sig", newline="")
        session.answer({"file": str(as_csv)}, lambda screen: screen.say(f"Written to {as_csv}."))
        return
    title = f"{len(chosen)} budget(s) of {reference}"
    session.answer(
        {"reference": reference, "lines": chosen}, lambda screen: show_lines(screen, title, chosen)
    )


def _chosen(change: MassChange, outcome: str | None) -> list[MassChangeLine]:
    """The lines of one outcome; those passed over have the reason why."""
    import msgspec

    if outcome != "skipped":
        return [line for line in change.lines if outcome in (None, line.outcome)]
    listed = {line.budget_reference: line for line in change.lines}
    nobody = MassChangeLine("", 0, "unchanged", 0, 0)
    return [
        msgspec.structs.replace(listed.get(name, nobody), budget_reference=name, reason=reason)
        for name, reason in (change.applied.skipped if change.applied else ())
    ]


@app.command("approve")
def approve(
    ctx: typer.Context,
    reference: ChangeReference,
    total: Annotated[
        int | None,
        typer.Option(parser=read_signed_pounds, metavar="POUNDS",
                     help="The weekly total (or what is charged) that you looked at."),
    ] = None,
    lines_sha256: Annotated[
        str | None,
        typer.Option(parser=read_hash, metavar="HEX",
                     help="The hash you looked at, or 12 or more of it."),
    ] = None,
    effective_on: EffectiveOn = None,
    dry_run: options.DryRun = False,
) -> None:  # fmt: skip
    """Approve a mass change someone else prepared: exactly the lines you looked at.

    State the total and the hash; on a terminal you may leave them out and are shown the change
    and asked. Nothing is changed until it is applied.
    """
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        change = ledger.load(MassChange, reference)
        if total is None or lines_sha256 is None:
            total, sha256 = _looked_at(session, ledger, change)
        else:
            sha256 = lines_sha256
            if change.prepared is not None and change.prepared.lines_sha256.startswith(sha256):
                sha256 = change.prepared.lines_sha256
        change = ledger.change(
            MassChange,
            reference,
            lambda m: m.approve(now_pence=total, lines_sha256=sha256, **said),
            dry_run=dry_run,
        )
    then = f"pbledger --as NAME change apply {reference}"
    _say_status(session, change, then, dry_run=dry_run)


def _looked_at(session: Session, ledger: Ledger, change: MassChange) -> tuple[int, str]:
    """Show an approver the change and ask; nobody there to ask is a usage error."""
    if not session.may_ask or change.prepared is None:
        raise typer.BadParameter(
            f"State what you looked at, as `pbledger change show {change.reference}` gives it.",
            param_hint="'--total' and '--lines-sha256'",
        )
    screen = Screen()
    show_change(screen, _document(ledger, change))
    _show_biggest(screen, change.lines)
    totals = change.prepared.totals
    total, count = format_pounds(totals.now_pence), totals.line_count - totals.held_count
    if not typer.confirm(f"\nApprove this change of {count} budget(s), {total} in all?"):
        typer.echo("Not approved; nothing was recorded.", err=True)
        raise typer.Exit(1)
    return totals.now_pence, change.prepared.lines_sha256


@app.command("reject")
def reject(
    ctx: typer.Context,
    reference: ChangeReference,
    reason: Annotated[MassRejectionReason, typer.Option(help="Why.")],
    effective_on: EffectiveOn = None,
    dry_run: options.DryRun = False,
) -> None:
    """Turn down a mass change someone else prepared; it can be prepared again."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        change = ledger.change(
            MassChange,
            reference,
            lambda m: m.reject(reason_code=reason, **said),
            dry_run=dry_run,
        )
    _say_status(session, change, dry_run=dry_run)


@app.command("apply")
def apply(
    ctx: typer.Context,
    reference: ChangeReference,
    effective_on: EffectiveOn = None,
    dry_run: options.DryRun = False,
) -> None:
    """Change every budget of an approved mass change; after a breakdown, go on where it stopped.

    A budget that would come to anything else than was approved is passed over, and listed.
    """
    from ledger.mass_changes import apply_mass_change

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        to_apply = len(ledger.load(MassChange, reference).to_apply)
        with session.progress("Trying" if dry_run else "Applying", to_apply) as bar:
            change = apply_mass_change(ledger, reference, said, progress=bar, dry_run=dry_run)
    passed_over = change.applied is not None and change.applied.skipped
    then = f"pbledger change lines {reference} --outcome skipped" if passed_over else ""
    _say_status(session, change, then, dry_run=dry_run)


def _say_status(
    session: Session, change: MassChange, then: str = "", *, dry_run: bool = False
) -> None:
    """Answer with where a mass change stands, and what comes next."""
    document = change_document(change) | ({"dry_run": True} if dry_run else {})
    totals, applied = document["totals"], change.applied

    def show(screen: Screen) -> None:
        if applied is None:
            count = totals.line_count - totals.held_count
            what = f"{count} budget(s), {format_pounds(totals.now_pence)}"
        else:
            what = f"{applied.applied_count} changed, {len(applied.skipped)} passed over"
        is_now = "would be" if dry_run else "is"
        held = f"{totals.held_count} held back"
        screen.say(f"{change.reference} {is_now} {change.status}: {what}; {held}.")
        if dry_run:
            for budget, reason in applied.skipped if applied else ():
                screen.say(f"  {budget} would be passed over: {reason}")
            screen.say("Nothing was recorded.")
        elif then:
            screen.say(f"\nNext: {then}")

    session.answer(document, show)


@app.command("list")
def list_changes(ctx: typer.Context) -> None:
    """List every mass change: the register, in order of the day it takes effect."""
    from sqlalchemy import select

    from ledger.projections.registers import MassChanges

    session = session_of(ctx)
    table = MassChanges.table
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        query = select(table).order_by(table.c.effective_on, table.c.reference)
        with ledger.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        del row["stream"]
    columns = ("Change", "Kind", "From", "Status", ">Budgets", ">Held", ">Was", ">Now",
               ">Put right", ">Changed", ">Passed over")  # fmt: skip
    rows = [
        (
            row["reference"],
            row["kind"],
            row["effective_on"],
            row["status"],
            row["line_count"],
            row["held_count"],
            *(format_pounds(row[f"{name}_pence"]) for name in ("was", "now", "put_right")),
            row["applied_count"],
            row["skipped_count"],
        )
        for row in found
    ]
    session.answer(
        {"changes": found},
        lambda screen: screen.table(f"{len(rows)} mass change(s)", columns, rows),
    )
