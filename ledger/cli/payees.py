"""The accounts that are paid: signed off, checked again, looked at in full, and who looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.parameters import EffectiveOn
from ledger.cli.screen import Screen, moment
from ledger.cli.session import Session, now, session_of
from ledger.dates import day_in_england
from ledger.payee_looks import LookReason

if TYPE_CHECKING:
    from ledger.file_looks import FileLook

app = typer.Typer(help="The accounts that are paid.", no_args_is_help=True)

Budgets = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="REF", help="Of this budget; may be repeated."),
]
Everyone = Annotated[bool, typer.Option("--all", help="Of every open budget.")]


def _chosen(budgets: list[str] | None, everyone: bool) -> list[str] | None:
    """The budgets named, or None for all: one or the other must be said."""
    if bool(budgets) == everyone:
        raise typer.BadParameter(
            "Name the budgets with --budget REF, or say --all.", param_hint="'--budget' / '--all'"
        )
    return budgets or None


@app.command("verify")
def verify(
    ctx: typer.Context,
    budget: Budgets = None,
    everyone: Everyone = False,
    effective_on: EffectiveOn = None,
) -> None:
    """Sign off every payee that someone else proposed, after checking them.

    Those that a check speaks against are left and listed, and the exit status is then 1: each is
    decided by itself, with `budget verify-payee --override-reason` or `budget withdraw-payee`.
    """
    from ledger.caseload_import import verify_payees

    session = session_of(ctx)
    chosen = _chosen(budget, everyone)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        for reference in chosen or ():
            ledger.budget(reference)  # refuses one that is not there
        with session.progress("Verifying", len(chosen) if chosen else None) as bar:
            found = verify_payees(ledger, references=chosen, said=said, progress=bar)
    document = {"verified": found.verified, "left": [left._asdict() for left in found.left]}

    def show(screen: Screen) -> None:
        screen.say(f"{found.verified} payee(s) verified by {said['recorded_by']}.")
        if found.left:
            rows = [(left.budget_reference, left.payee_reference, left.sentence)
                    for left in found.left]  # fmt: skip
            title = f"{len(rows)} left, to be decided one by one"
            screen.table(title, ("Budget", "Payee", "Why"), rows)

    session.answer(document, show)
    if found.left:
        raise typer.Exit(1)


@app.command("check")
def check(
    ctx: typer.Context,
    budget: Budgets = None,
    everyone: Everyone = False,
    names: Annotated[
        bool, typer.Option("--names", help="Ask about the names never asked about, instead.")
    ] = False,
    most: Annotated[
        int, typer.Option(metavar="N", min=1, help="With --names: ask about at most so many.")
    ] = 500,
    record: Annotated[
        bool, typer.Option("--record", help="Record what comes of it; else nothing is.")
    ] = False,
    effective_on: EffectiveOn = None,
) -> None:
    """Check account numbers once more, by the weight table in force today.

    Lists the payees of which the check says something else than before. With --names it is the
    names that are checked, by confirmation of payee, one after the other; a run that was broken
    off goes on where it stopped.
    """
    session = session_of(ctx)
    chosen = _chosen(budget, everyone)
    if names:
        _check_names(session, chosen, most, record, effective_on)
        return
    from ledger.payee_checks import check_numbers

    said = session.said(effective_on) if record else None
    with session.ledger() as ledger, session.progress("Checking", None) as bar:
        found = check_numbers(
            ledger, day_in_england(now()), references=chosen, said=said, progress=bar
        )
    document = {
        **found._asdict(),
        "changed": [change._asdict() for change in found.changed],
        "recorded": record,
    }

    def show(screen: Screen) -> None:
        if found.table_version is None:
            screen.say("No weight table is in force: nothing was checked.")
            return
        screen.say(f"{found.checked} payee(s) checked by table {found.table_version}.")
        if found.unreadable:
            screen.say(f"{found.unreadable} of them cannot be read: the person was erased.")
        rows = [
            (
                change.budget_reference,
                change.payee_reference,
                "in use" if change.verified else "proposed",
                (change.was or "never checked").replace("_", " "),
                change.now.replace("_", " "),
            )
            for change in found.changed
        ]
        columns = ("Budget", "Payee", "Standing", "Was", "Is now")
        screen.table(f"{len(rows)} changed", columns, rows)
        if rows:
            recorded = (
                "Recorded." if record else "Nothing was recorded. To record it, add --record."
            )
            screen.say(f"\n{recorded}")

    session.answer(document, show)


def _check_names(
    session: Session, chosen: list[str] | None, most: int, record: bool, effective_on: date | None
) -> None:
    from ledger.payee_checks import NamesChecked, check_names, names_to_check

    said = session.said(effective_on) if record else None
    found = NamesChecked({}, False)
    with session.ledger() as ledger:
        waiting = names_to_check(ledger, chosen)
        asked = waiting[:most]
        if said is not None:
            with session.progress("Asking", len(asked)) as bar:
                found = check_names(ledger, asked, said, bar)
    left = len(waiting) - found.answered
    document = {"answers": found.answers, "left": left, "stopped": found.stopped}

    def show(screen: Screen) -> None:
        from ledger.aggregates.payees import NAME_ANSWERS

        if said is None:
            screen.say(f"{left} payee(s) were never asked about; with --record, {len(asked)} of "
                       "them would be.")  # fmt: skip
            return
        rows = [(count, NAME_ANSWERS[answer], answer) for answer, count in found.answers.items()]
        screen.table("Names asked about", (">Payees", "What was answered", "Code"), rows)
        if found.stopped:
            screen.say("\nThe service does not answer, so the run stopped.")
        screen.say(f"\n{left} payee(s) are still to be asked about.")

    session.answer(document, show)
    if found.stopped:
        raise typer.Exit(1)


@app.command("look")
def look(
    ctx: typer.Context,
    payee: Annotated[str, typer.Argument(metavar="PAYEE", help="The payee's reference.")],
    reason: Annotated[LookReason, typer.Option(help="Why you look.")],
) -> None:
    """Show a payee's account in full. Who looked, when and why is recorded first."""
    from ledger.payee_looks import look_at_payee

    session = session_of(ctx)
    looked_by, looked_at = session.actor(), now()
    with session.ledger() as ledger:
        seen = look_at_payee(ledger, payee, reason=reason, looked_at=looked_at, looked_by=looked_by)
    document = {"looked_at": looked_at, "looked_by": looked_by, "reason": reason, "payee": seen}

    def show(screen: Screen) -> None:
        sort_code = seen.sort_code
        screen.facts(
            ("Payee", seen.payee_reference),
            ("Of", seen.person_reference or seen.provider_reference),
            ("Account name", seen.account_name),
            (f"Name by {seen.returned_by}", seen.returned_name),
            ("Sort code", f"{sort_code[:2]}-{sort_code[2:4]}-{sort_code[4:]}"),
            ("Account number", seen.account_number),
            ("Roll number", seen.roll_number or None),
        )
        screen.say(f"\nRecorded: {looked_by} looked ({reason.replace('_', ' ')}).")

    session.answer(document, show)


@app.command("looks")
def list_looks(
    ctx: typer.Context,
    budget: Annotated[
        str | None, typer.Option(metavar="REF", help="At any payee ever proposed for this budget.")
    ] = None,
    payee: Annotated[str | None, typer.Option(metavar="PAYEE", help="At this payee.")] = None,
) -> None:
    """List who looked at payees in full, when and why, and who fetched files they are in.

    Of the files of one payee or budget only bank files are listed; with neither, bank's reports
    too, which hold accounts as well.
    """
    from ledger.file_looks import file_looks_at
    from ledger.payee_looks import looks

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = looks(ledger, payee_reference=payee, budget_reference=budget)
        files = file_looks_at(ledger, payee_reference=payee, budget_reference=budget)

    def show(screen: Screen) -> None:
        rows = [
            (
                moment(datetime.fromisoformat(seen.looked_at)),
                seen.looked_by,
                seen.reason.replace("_", " "),
                seen.payee_reference,
            )
            for seen in found
        ]
        screen.table(f"{len(rows)} look(s)", ("When", "Who", "Why", "Payee"), rows)
        show_file_looks(screen, files)

    document = {
        "looks": [seen._asdict() for seen in found],
        "files": [seen._asdict() for seen in files],
    }
    session.answer(document, show)


def show_file_looks(screen: Screen, files: Sequence[FileLook]) -> None:
    """Who fetched files that show accounts, as people read it."""
    rows = [
        (
            moment(datetime.fromisoformat(seen.looked_at)),
            seen.looked_by,
            seen.door.replace("_", " "),
            seen.file.replace("_", " "),
            seen.reference,
            seen.submission_serial,
        )
        for seen in files
    ]
    columns = ("When", "Who", "Door", "File", "Of", "Serial")
    screen.table(f"{len(rows)} file(s) fetched", columns, rows)
