"""Jobs that run by themselves. Each asks the ledger what is not done yet, never what time it is.

Jobs are added in code to a memory store: a stored job is a pickled reference that breaks when
it is renamed. Several schedulers may run; one leads, and the others wait for its end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from threading import Event

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_PAUSED
from eventsourcing.persistence import PersistenceError
from sqlalchemy.exc import SQLAlchemyError

from ledger.application import Ledger
from ledger.errors import Refusal
from ledger.jobs import JOBS
from scheduler.leader import Leadership

Clock = Callable[[], datetime]


def now() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)


def say(sentence: str) -> None:
    """A line of the scheduler's own log."""
    print(sentence, flush=True)


def if_leading(leadership: Leadership, work: Callable[[], object]) -> None:
    """Do a job's work if this process leads. What goes wrong is said; the next run tries again."""
    if not leadership.held():
        return
    try:
        work()
    except Refusal as refusal:
        say(f"{refusal.code}: {refusal}")
    except (PersistenceError, SQLAlchemyError) as error:
        say(f"The database did not answer: {str(error).partition(chr(10))[0]}")


def run_job(ledger: Ledger, name: str, clock: Clock) -> None:
    """Run a job once. Catching up has nothing to tell: it is done every few seconds."""
    for sentence in JOBS[name].run(ledger, clock()):
        if name != "catch-up":
            say(f"{name}: {sentence}")


def scheduler_for(
    ledger: Ledger, leadership: Leadership, clock: Clock = now
) -> BackgroundScheduler:
    """A scheduler with every job of this ledger, not yet started."""
    scheduler = BackgroundScheduler(timezone="Europe/London")
    for name, job in JOBS.items():
        scheduler.add_job(
            if_leading,
            "interval",
            args=[leadership, partial(run_job, ledger, name, clock)],
            seconds=job.every_seconds,
            id=name,
            coalesce=True,  # a missed run is made up once, however many were missed
            max_instances=1,
            misfire_grace_time=None,  # the default of a second silently drops a late run
        )
    return scheduler


def lead_or_wait(
    ledger: Ledger, leadership: Leadership, told_to_stop: Event, clock: Clock = now
) -> None:
    """Run the jobs while this process leads, and try every few seconds while it does not."""
    scheduler = scheduler_for(ledger, leadership, clock)
    scheduler.start(paused=True)
    led_before: bool | None = None
    while not told_to_stop.is_set():
        leads = leadership.seek()
        if leads and scheduler.state == STATE_PAUSED:
            for name in JOBS:
                if_leading(leadership, partial(run_job, ledger, name, clock))
            scheduler.resume()
        elif not leads and scheduler.state != STATE_PAUSED:
            scheduler.pause()
        if leads != led_before:
            say("The scheduler is running." if leads else _WAITING[led_before])
        led_before = leads
        told_to_stop.wait(ledger.settings.scheduler_retry_seconds)
    scheduler.shutdown()  # waits for the job under way


_WAITING = {
    None: "The scheduler is waiting: another one leads.",
    True: "The scheduler has lost its lock and does nothing until it has it again.",
}
