"""Letters and remittance advices: listed, looked at, sent, and tried again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ledger.cli.screen import Screen
from ledger.cli.session import now, session_of
from ledger.cli.statement import STDOUT, write_out

if TYPE_CHECKING:
    from ledger.outbox.register import LetterEntry

app = typer.Typer(
    no_args_is_help=True,
    help="Letters and remittance advices to people: look at them, send what is due, try again.",
)

LetterReference = Annotated[
    str, typer.Argument(metavar="REF", help="The letter's reference, as listed.")
]


@app.command("list")
def list_letters(
    ctx: typer.Context,
    state: Annotated[
        Literal["queued", "sent", "failed", "not_sent"] | None,
        typer.Option(help="Only those in this state."),
    ] = None,
    budget: Annotated[str, typer.Option(metavar="REF", help="Only those of this budget.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 100,
) -> None:
    """List letters, the newest first, and how many are in each state."""
    from ledger.outbox.register import entries, standing

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = entries(ledger, state=state, budget_reference=budget, limit=limit)
        stands = standing(ledger, now())
    document = {**stands._asdict(), "letters": found}

    def show(screen: Screen) -> None:
        columns = ("Letter", "Queued", "Budget", "Kind", "State", "By", ">Tries", "Why")
        screen.table(f"{len(found)} letter(s)", columns, list(map(_row, found)))
        counts = ", ".join(f"{number} {name}" for name, number in stands.states.items())
        screen.say(f"\nIn all: {counts}. Due now: {stands.due}.")
        if stands.behind > 0:
            screen.say(f"{stands.behind} event(s) have not been read for letters yet.")

    session.answer(document, show)


def _row(one: LetterEntry) -> tuple[str | int | None, ...]:
    return (
        one.letter_reference,
        one.queued_at[:16].replace("T", " "),
        one.budget_reference,
        one.kind,
        one.state,
        one.channel,
        one.attempts,
        one.fault,
    )


@app.command("show")
def show(
    ctx: typer.Context,
    reference: LetterReference,
    to: Annotated[
        Path,
        typer.Option(metavar="FILE", dir_okay=False, help="Write it to a file; else the screen."),
    ] = STDOUT,
) -> None:
    """Show a letter as it was sent; one that was not, as it would be sent now."""
    from ledger.outbox.register import entry, shown

    session = session_of(ctx)
    with session.ledger() as ledger:
        letter = shown(ledger, reference)
        row = entry(ledger, reference)
    if session.as_json:
        session.answer({**letter._asdict(), "letter": row}, lambda _: None)
        return
    for path in write_out(to, letter.content, "utf-8"):
        how = "as it was sent" if letter.was_sent else "as it would be sent now"
        Screen().say(f"Written to {path}, {how}.")


@app.command("send")
def send(ctx: typer.Context) -> None:
    """Read what happened, queue its letters and send all that is due, now."""
    from ledger.outbox.queueing import queue_letters
    from ledger.outbox.register import STATES
    from ledger.outbox.sending import send_letters

    session = session_of(ctx)
    moment = now()
    with session.ledger() as ledger:
        with session.progress("Queueing", None) as bar:
            queued = queue_letters(ledger, moment, bar)
        with session.progress("Sending", None) as bar:
            counts = send_letters(ledger, now(), progress=bar)
    document = {"letters": session.settings.letters, "queued": queued, "states": counts}

    def show_sent(screen: Screen) -> None:
        if session.settings.letters == "none":
            screen.say("Letters are turned off (LEDGER_LETTERS=none).")
            return
        screen.say(f"{queued} letter(s) were queued.")
        for state, meaning in STATES.items():
            if counts[state]:
                screen.say(f"{counts[state]} x {state}: {meaning}")

    session.answer(document, show_sent)


@app.command("retry")
def retry(
    ctx: typer.Context,
    reference: Annotated[
        list[str] | None, typer.Argument(metavar="[REF]...", help="These letters.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that failed, were not sent, or wait.")
    ] = False,
) -> None:
    """Put letters back to be sent with the next run: after contact details came in, say.

    What was sent is never sent again.
    """
    from ledger.outbox.register import try_again

    session = session_of(ctx)
    if bool(reference) == everything:
        raise typer.BadParameter("Name the letters, or say --all.", param_hint="'REF' / '--all'")
    with session.ledger() as ledger:
        count = try_again(ledger, now(), reference or ())
    session.answer(
        {"queued": count}, lambda screen: screen.say(f"{count} letter(s) are to be sent again.")
    )
