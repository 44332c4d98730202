"""Users: who signs in, which roles they have, and who they are among the people known here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

import typer

from ledger.access.roles import Role
from ledger.access.users import DEVELOPMENT, User
from ledger.cli.screen import Screen, moment
from ledger.cli.session import now, session_of

app = typer.Typer(help="Who signs in, and their roles.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What their acts are recorded under.")]


@app.command("set")
def set_user(
    ctx: typer.Context,
    name: Name,
    subject: Annotated[
        str, typer.Option(help="Who they are to the issuer (the claim `sub`); else their name.")
    ] = "",
    issuer: Annotated[
        str, typer.Option(help="Where they sign in; else LEDGER_OIDC_ISSUER, or `development`.")
    ] = "",
    role: Annotated[
        list[str] | None, typer.Option("--role", help="A role; may be repeated. None: no role.")
    ] = None,
    person: Annotated[
        str, typer.Option(metavar="REF", help="Who they are among the people known here.")
    ] = "",
    organisation: Annotated[
        str, typer.Option(metavar="REF", help="The support service they work for.")
    ] = "",
    disabled: Annotated[bool, typer.Option("--disabled", help="They can do nothing.")] = False,
) -> None:
    """Say how a user stands from now on, in the place of what was said before."""
    from ledger.access.users import record_user

    session = session_of(ctx)
    user = User(
        issuer=issuer or session.settings.oidc_issuer or DEVELOPMENT,
        subject=subject or name,
        name=name,
        roles=cast(tuple[Role, ...], tuple(role or ())),  # looked at when they are recorded
        person_reference=person,
        organisation=organisation,
        is_disabled=disabled,
    )
    actor = session.actor()
    with session.ledger() as ledger:
        is_new = record_user(ledger, user, now(), actor)
    session.answer(
        {"user": user, "recorded": is_new},
        lambda screen: screen.say(
            f"{name}: {_standing(user)}." if is_new else f"{name} stood so already."
        ),
    )


@app.command("list")
def list_users(ctx: typer.Context) -> None:
    """List every user as they stand."""
    from ledger.access.users import all_users

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = all_users(ledger.engine)

    def show(screen: Screen) -> None:
        columns = ("Name", "Roles", "Person", "Organisation", "Issuer", "Subject")
        rows = [
            (u.name, _standing(u), u.person_reference, u.organisation, u.issuer, u.subject)
            for u in found
        ]
        screen.table(f"{len(rows)} user(s)", columns, rows)

    session.answer({"users": found}, show)


@app.command("history")
def history(ctx: typer.Context, name: Name) -> None:
    """Say how a user has stood, the oldest first: when it was recorded, and by whom."""
    from ledger.access.users import user_history

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = user_history(ledger.engine, name)

    def show(screen: Screen) -> None:
        rows = [
            (moment(datetime.fromisoformat(one.recorded_at)), one.recorded_by, _standing(one.user),
             one.user.person_reference, one.user.organisation)
            for one in found
        ]  # fmt: skip
        screen.table(name, ("Recorded", "By", "Roles", "Person", "Organisation"), rows)

    session.answer({"history": [one._asdict() for one in found]}, show)


def _standing(user: User) -> str:
    if user.is_disabled:
        return "disabled"
    return ", ".join(user.roles).replace("_", " ") or "no role"
