"""Bringing a council's people and budgets in: the caseload file, a person."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ledger.cli.parameters import read_date
from ledger.cli.screen import Screen
from ledger.cli.session import now, refuse, session_of
from ledger.errors import AccountFailsModulusCheck, CaseloadConflicts, CaseloadRefused

CaseloadFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="CSV, UTF-8."),
]

person = typer.Typer(help="The people whose budgets these are.", no_args_is_help=True)


def import_caseload(
    ctx: typer.Context,
    file: CaseloadFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and write nothing.")
    ] = False,
) -> None:
    """Open every budget of a caseload file, or none if anything in it is wrong.

    The same file again changes nothing. Payees are proposed: someone else must then check
    them against the old system and say so with `payees verify`.
    """
    from ledger import caseload_import
    from ledger.caseload import read_caseload

    session = session_of(ctx)
    recorded_by = "nobody: a dry run" if dry_run else session.actor()
    try:
        caseload = read_caseload(file.read_bytes())
        with (
            session.ledger() as ledger,
            session.progress("Importing", len(caseload.budgets)) as bar,
        ):
            result = caseload_import.import_caseload(
                ledger,
                caseload,
                recorded_at=now(),
                recorded_by=recorded_by,
                dry_run=dry_run,
                progress=bar,
            )
    except (CaseloadRefused, CaseloadConflicts, AccountFailsModulusCheck) as refusal:
        refuse(refusal, as_document=session.as_json)
        if not session.as_json:
            _show_faults(refusal)
        raise typer.Exit(1) from None
    document = {**result._asdict(), "budgets": len(caseload.budgets), "dry_run": dry_run}

    def show(screen: Screen) -> None:
        opened = "would be opened" if dry_run else "opened"
        screen.say(
            f"{file.name}: {len(caseload.budgets)} budgets; {result.opened} {opened}, "
            f"{result.already_there} already here and in agreement."
        )
        if result.opened and not dry_run:
            screen.say("\nNext, by someone else: pbledger --as NAME payees verify --all")

    session.answer(document, show)


def _show_faults(refusal: CaseloadRefused | CaseloadConflicts | AccountFailsModulusCheck) -> None:
    """All that is wrong, on stderr, where the refusal is."""
    screen = Screen(sys.stderr)
    if isinstance(refusal, CaseloadRefused):
        rows = [(fault.line, fault.column, fault.reason) for fault in refusal.faults]
        screen.table("Faults", (">Line", "Column", "Reason"), rows)
    elif isinstance(refusal, AccountFailsModulusCheck):
        failing: list[str] = refusal.details["budget_references"]
        screen.table("Accounts that fail", ("Budget",), [(reference,) for reference in failing])
    else:
        conflicts: list[Any] = refusal.details["conflicts"]
        screen.table("Conflicts", ("Conflict",), [(conflict,) for conflict in conflicts])


@person.command("add")
def add(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="The person's reference.")],
    name: Annotated[str, typer.Option(help="Sealed; it is never in an event.")],
    date_of_birth: Annotated[date, typer.Option(parser=read_date, metavar="DATE", help="Sealed.")],
) -> None:
    """Register a person, so that budgets can be opened for them."""
    from ledger.commands import require_keepable
    from ledger.people import PersonDetails

    session = session_of(ctx)
    session.actor()
    require_keepable(reference, "recipient_reference")
    require_keepable(name, "name")
    with session.ledger() as ledger:
        ledger.register_person(PersonDetails(reference, name, date_of_birth), now())
    session.answer(
        {"person_reference": reference},
        lambda screen: screen.say(f"{reference} is registered."),
    )


@person.command("contact")
def contact(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="The person's reference.")],
    channel: Annotated[
        Literal["post", "email", "none"], typer.Option(help="How letters go to them.")
    ],
    address_line: Annotated[
        list[str] | None,
        typer.Option(help="A line of the address, without the name; the postcode last. Sealed."),
    ] = None,
    email: Annotated[str, typer.Option(help="Sealed.")] = "",
    large_print: Annotated[
        bool, typer.Option("--large-print/--no-large-print", help="Letters in large print.")
    ] = False,
) -> None:
    """Say how a person wants to be written to. What was recorded before is replaced, all of it."""
    from ledger.contacts import new_contact

    session = session_of(ctx)
    details = new_contact(reference, channel, address_line or (), email, large_print)
    by = session.actor()
    with session.ledger() as ledger:
        ledger.contacts.record(details, now(), by)
    said = f"Letters to {reference} go by {channel}."
    if channel == "none":
        said = f"No letters are sent to {reference}."
    session.answer(
        {"person_reference": reference, "channel": channel, "large_print": large_print},
        lambda screen: screen.say(said),
    )


def add_to(app: typer.Typer) -> None:
    """`pbledger import-caseload` and `pbledger person ...`."""
    app.command("import-caseload")(import_caseload)
    app.add_typer(person, name="person")
