"""Keeping the ledger: making it, its read tables, verifying it, serving it, made-up data."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.screen import Screen
from ledger.cli.session import session_of

if TYPE_CHECKING:
    from ledger.application import Ledger

Host = Annotated[str, typer.Option(help="Loopback only; else LEDGER_HOST.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Else LEDGER_PORT.")]


def init(
    ctx: typer.Context,
    app_role: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="On PostgreSQL: let this role run the application. It can add events, and "
            "neither change nor delete one.",
        ),
    ] = "",
) -> None:
    """Make the ledger: the key file and every table. What is there already stays as it is."""
    from sqlalchemy import make_url

    from ledger.application import Ledger
    from ledger.application_role import grant
    from ledger.database import connect

    session = session_of(ctx)
    Ledger.initialise(session.settings)
    url = make_url(session.settings.database_url)
    if app_role:
        engine = connect(session.settings.database_url)
        try:
            grant(engine, app_role)
        finally:
            engine.dispose()
    key_file = session.settings.key_file if session.settings.key is None else None
    key = "Key file" if key_file else "Key"
    database = url.render_as_string(hide_password=True)
    document = {"database": database, "key_file": key_file, "app_role": app_role or None}

    def show(screen: Screen) -> None:
        screen.facts(
            ("Ledger", database),
            (key, f"{key_file or 'LEDGER_KEY'} (keep it safe, and apart from the database)"),
            ("Application's role", app_role or None),
        )
        screen.say("\nNext: pbledger --as NAME import-caseload FILE")

    session.answer(document, show)


def status(ctx: typer.Context) -> None:
    """Say where the read tables stand against the log. Exit status 1 if they have stopped."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        found = ledger.projections.status()
        database = ledger.engine.url.render_as_string(hide_password=True)
    document = {"database": database, **found._asdict(), "healthy": found.healthy}

    def show(screen: Screen) -> None:
        behind = found.head - found.position
        screen.facts(
            ("Ledger", database),
            ("Last event", found.head),
            ("Read tables at", f"{found.position}" + (f", {behind} behind" if behind else "")),
            ("Stopped at event", found.stopped_at),
            ("Because", found.stopped_why),
            ("Read tables", "made by another version: run `pbledger rebuild`")
            if found.out_of_date
            else ("Health", "good" if found.healthy else "the read tables have stopped"),
        )

    session.answer(document, show)
    if not found.healthy:
        raise typer.Exit(1)


def catch_up(ctx: typer.Context) -> None:
    """Bring the read tables up to the last event."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        standing = ledger.projections.status()
        with session.progress("Catching up", standing.head - standing.position) as bar:
            position = ledger.projections.catch_up(bar)
    applied = position - standing.position
    session.answer(
        {"position": position, "applied": applied},
        lambda screen: screen.say(f"The read tables stand at event {position} ({applied} new)."),
    )


def rebuild(ctx: typer.Context) -> None:
    """Make every read table anew from the log, beside the old ones, and swap them in."""
    session = session_of(ctx)
    with (
        session.ledger() as ledger,
        session.progress("Rebuilding", ledger.projections.status().head) as bar,
    ):
        position = ledger.projections.rebuild(bar)
    session.answer(
        {"position": position},
        lambda screen: screen.say(f"The read tables were made anew from {position} events."),
    )


def verify(ctx: typer.Context) -> None:
    """Prove the ledger from its log: histories, postings, cycles, bank files and read tables.

    Exit status 1 if something is not as it should be; the first such thing is named.
    """
    from ledger.verification import verify_ledger

    session = session_of(ctx)
    with (
        session.ledger() as ledger,
        session.progress("Verifying", 2 * ledger.projections.status().head) as bar,
    ):
        found = verify_ledger(ledger, bar)
    document = {**found._asdict(), "sound": found.difference is None}

    def show(screen: Screen) -> None:
        for sentence in found.sentences():
            screen.say(sentence)

    session.answer(document, show)
    if found.difference is not None:
        raise typer.Exit(1)


def demo_data(
    ctx: typer.Context,
    budgets: Annotated[int, typer.Option(min=1, help="How many budgets.")] = 250,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; else to stdout.")
    ] = None,
) -> None:
    """Write the caseload file of a made-up council."""
    from ledger.bank.files import write_whole
    from ledger.demo_data import caseload_csv

    session = session_of(ctx)
    content = caseload_csv(budgets, seed)
    if to is None:
        typer.echo(content, nl=False)
        return
    write_whole(to, content)
    session.answer(
        {"file": to, "budgets": budgets, "bytes": len(content)},
        lambda screen: screen.say(f"{to}: {budgets} made-up budgets."),
    )


def serve(ctx: typer.Context, host: Host = "", port: Port = 0) -> None:
    """Run the API and the pages on this machine, until interrupted."""
    session = session_of(ctx)
    host = host or session.settings.host
    if not _is_loopback(host):
        raise typer.BadParameter(
            f"{host} can be reached from other machines, and what the server says is not "
            "encrypted: it listens on 127.0.0.1, ::1 or localhost only, behind a proxy on this "
            "machine that speaks TLS.",
            param_hint="'--host'",
        )
    port = port or session.settings.port
    with session.ledger() as ledger:  # refuses here, before the server starts, if there is none
        _say_where(ledger, host, port)
    import uvicorn

    uvicorn.run(
        "ledger.server:create_app",
        factory=True,
        host=host,
        port=port,
        access_log=False,  # it has whole addresses; ours has not
        log_config=_logging(uvicorn.config.LOGGING_CONFIG),
        server_header=False,
    )


def _say_where(ledger: Ledger, host: str, port: int) -> None:
    """Where the pages are; and who may be signed in as, where nobody has to prove who they are."""
    from ledger.access.users import DEVELOPMENT, all_users

    screen = Screen()
    screen.say(f"Open http://{f'[{host}]' if ':' in host else host}:{port} in a browser.")
    if ledger.settings.development_sign_in:
        users = [user for user in all_users(ledger.engine) if user.issuer == DEVELOPMENT]
        rows = [
            (user.name, ", ".join(user.roles).replace("_", " "))
            for user in users
            if not user.is_disabled
        ]
        screen.table("Sign in by choosing one of", ("Name", "Roles"), rows)


def _logging(usual: dict[str, Any]) -> dict[str, Any]:
    """The server's logging, with a line of JSON on stdout for every request."""
    lines = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    requests = {"handlers": ["requests"], "level": "INFO", "propagate": False}
    return {
        **usual,
        "handlers": {**usual["handlers"], "requests": lines},
        "loggers": {**usual["loggers"], "ledger.requests": requests},
    }


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def add_to(app: typer.Typer) -> None:
    """These verbs stand by themselves: `pbledger init`."""
    for verb in (init, status, catch_up, rebuild, verify, serve, demo_data):
        app.command(verb.__name__.replace("_", "-"))(verb)
