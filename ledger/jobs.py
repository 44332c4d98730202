"""The jobs that run by themselves, by name: what each has to do now, and doing it once.

No clock: whoever asks passes the moment. Each job asks the ledger what is not done, so one that
is run late, twice or by two processes at once does what was missing, once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from ledger.application import Ledger
from ledger.calendar_cycles import calendar_outlook, prepare_due_cycles
from ledger.dates import day_in_england


class Job(NamedTuple):
    """A job: `to_do` says in sentences what it would do, `run` what it did."""

    what: str
    every_seconds: int
    to_do: Callable[[Ledger, datetime], list[str]]
    run: Callable[[Ledger, datetime], list[str]]


def _behind(ledger: Ledger, _now: datetime) -> list[str]:
    standing = ledger.projections.status()
    behind = standing.head - standing.position
    return [f"The read tables are behind: at {standing.position} of {standing.head}."] * (
        behind > 0
    )


def _catch_up(ledger: Ledger, _now: datetime) -> list[str]:
    found = _behind(ledger, _now)
    ledger.projections.catch_up()
    return ["The read tables were brought level."] * bool(found)


def _cycles_to_prepare(ledger: Ledger, now: datetime) -> list[str]:
    missing, waits_for = calendar_outlook(ledger, day_in_england(now))
    if missing and waits_for is not None:
        return [
            f"{missing[0].reference} is due. It is prepared when {waits_for.reference}, which is "
            f"{waits_for.status}, has been approved or cancelled."
        ]
    return [
        f"{one.reference} is due: {one.period.starts_on} to {one.period.ends_on}."
        for one in missing
    ]


def _prepare_cycles(ledger: Ledger, now: datetime) -> list[str]:
    prepared = prepare_due_cycles(ledger, now)
    return [f"{reference} was prepared; someone is to look and approve." for reference in prepared]


JOBS: dict[str, Job] = {
    "catch-up": Job("Bring the read tables level with the log.", 5, _behind, _catch_up),
    "prepare-cycles": Job(
        "Prepare the cycles that the pay calendar asks for.",
        60,
        _cycles_to_prepare,
        _prepare_cycles,
    ),
}
