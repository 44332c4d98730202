"""The jobs that the scheduler runs: what they have to do now, and doing it once by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from ledger.cli.screen import Screen
from ledger.cli.session import now, session_of

app = typer.Typer(
    no_args_is_help=True,
    help="The scheduler's jobs: see what they have to do, run them once by hand.",
)


@app.command("list")
def list_jobs(ctx: typer.Context) -> None:
    """List the jobs, what each would do now, and what people have to see to."""
    from ledger.jobs import JOBS, current_reminders

    session = session_of(ctx)
    moment = now()
    with session.ledger() as ledger:
        to_do = {name: job.to_do(ledger, moment) for name, job in JOBS.items()}
        found = current_reminders(ledger, moment)
    document = {
        "jobs": [
            {
                "name": name,
                "what": job.what,
                "every_seconds": job.every_seconds,
                "to_do": to_do[name],
            }
            for name, job in JOBS.items()
        ],
        "reminders": [reminder._asdict() for reminder in found],
    }

    def show(screen: Screen) -> None:
        rows = [
            (name, job.every_seconds, "; ".join(to_do[name]) or "nothing to do")
            for name, job in JOBS.items()
        ]
        screen.table("Jobs", ("Job", ">Every, s", "Now"), rows)
        columns = ("By", "Reminder", "Reference", "Detail")
        screen.table(
            f"{len(found)} reminder(s)",
            columns,
            [(r.due_on, r.kind, r.reference, r.detail) for r in found],
        )

    session.answer(document, show)


@app.command("run")
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One job; else all.")] = "",
) -> None:
    """Run one job, or all in their order, once now. What is done already is not done again."""
    from ledger.jobs import JOBS

    session = session_of(ctx)
    if name and name not in JOBS:
        raise typer.BadParameter(f"The jobs are {', '.join(JOBS)}.", param_hint="'NAME'")
    moment = now()
    with session.ledger() as ledger:
        done = {job: JOBS[job].run(ledger, moment) for job in ([name] if name else JOBS)}

    def show(screen: Screen) -> None:
        for job, sentences in done.items():
            for sentence in sentences or ["Nothing to do."]:
                screen.say(f"{job}: {sentence}")

    session.answer({"jobs": [{"name": job, "done": s} for job, s in done.items()]}, show)
