"""Jobs that run by themselves. Each asks the ledger what is not done yet, never what time it is.

Jobs are added in code to a memory store: a stored job is a pickled reference that breaks when
it is renamed. So far there is one, which keeps the read tables level with the log; several
schedulers may run it at once, because catching up takes the position's lock.
"""

from __future__ import annotations

from apscheduler.schedulers.background import BackgroundScheduler

from ledger.application import Ledger
from ledger.errors import Refusal

CATCH_UP_SECONDS = 5


def catch_up(ledger: Ledger) -> None:
    """Bring the read tables level with the log; a stopped projection is said, not raised."""
    try:
        ledger.projections.catch_up()
    except Refusal as refusal:
        print(f"{refusal.code}: {refusal}", flush=True)


def scheduler_for(ledger: Ledger, every_seconds: int = CATCH_UP_SECONDS) -> BackgroundScheduler:
    """A scheduler with every job of this ledger, not yet started."""
    scheduler = BackgroundScheduler(timezone="Europe/London")
    scheduler.add_job(
        catch_up,
        "interval",
        args=[ledger],
        seconds=every_seconds,
        id="catch-up",
        coalesce=True,  # a missed run is made up once, however many were missed
        max_instances=1,
        misfire_grace_time=None,  # the default of a second silently drops a late run
    )
    return scheduler
