"""The jobs that run by themselves, by name: what each has to do now, and doing it once.

No clock: whoever asks passes the moment. Each job asks the ledger what is not done, so one that
is run late, twice or by two processes at once does what was missing, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from ledger.application import Ledger
from ledger.bank_file import working_days
from ledger.calendar_cycles import calendar_outlook, prepare_due_cycles, under_way
from ledger.dates import day_in_england
from ledger.outbox.queueing import queue_letters
from ledger.outbox.register import STATES, standing
from ledger.outbox.sending import send_letters
from ledger.projections.bank_reports import reports_waiting
from ledger.reminders import KINDS, Notice, Reminder, of_budget, of_cycle, of_report
from ledger.retention import count_expired, delete_expired


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


def current_reminders(ledger: Ledger, now: datetime) -> list[Reminder]:
    """Everything people have to see to now, the longest overdue first; reads every budget."""
    ledger.projections.catch_up()
    settings = ledger.settings
    notice = Notice(
        settings.remind_returns_days,
        settings.remind_reviews_days,
        settings.remind_unsettled_days,
        settings.remind_holds_days,
    )
    today, days = day_in_england(now), working_days(ledger)
    found = [of_report(*report) for report in reports_waiting(ledger.engine)]
    for cycle in under_way(ledger):
        found += of_cycle(cycle, today, notice)
    for budget in ledger.budgets():
        found += of_budget(budget, today, notice, days)
    return sorted(found)


def _count_reminders(ledger: Ledger, now: datetime) -> list[str]:
    found = Counter(reminder.kind for reminder in current_reminders(ledger, now))
    return [f"{number} x {kind}: {KINDS[kind]}" for kind, number in sorted(found.items())]


LETTERS_FOR_SECONDS = 30  # whoever tells the scheduler to stop waits for the job under way


def _letters_to_do(ledger: Ledger, now: datetime) -> list[str]:
    if ledger.settings.letters == "none":
        return []
    found = standing(ledger, now)
    said = [f"{found.due} letter(s) are to be sent."] * bool(found.due)
    return said + [f"{found.behind} event(s) are to be read for letters."] * (found.behind > 0)


def _send_letters(ledger: Ledger, now: datetime) -> list[str]:
    queued = queue_letters(ledger, now)
    sent = send_letters(ledger, now, most_seconds=LETTERS_FOR_SECONDS)
    said = [f"{queued} letter(s) were queued."] * bool(queued)
    return said + [f"{sent[state]} x {state}: {STATES[state]}" for state in STATES if sent[state]]


def _expired_to_do(ledger: Ledger, now: datetime) -> list[str]:
    found = count_expired(ledger, now)
    return [f"{number} {what} are over their time." for what, number in found.items() if number]


def _delete_expired(ledger: Ledger, now: datetime) -> list[str]:
    deleted = delete_expired(ledger, now)
    return [f"{number} {what} were deleted." for what, number in deleted.items() if number]


JOBS: dict[str, Job] = {
    "catch-up": Job("Bring the read tables level with the log.", 5, _behind, _catch_up),
    "prepare-cycles": Job(
        "Prepare the cycles that the pay calendar asks for.",
        60,
        _cycles_to_prepare,
        _prepare_cycles,
    ),
    "letters": Job(
        "Queue letters and remittance advices, and send what is due.",
        60,
        _letters_to_do,
        _send_letters,
    ),
    "delete-expired": Job(
        "Delete kept refusals and keys of API requests whose time is over.",
        86_400,
        _expired_to_do,
        _delete_expired,
    ),
    "reminders": Job(
        "Say how many things people have to see to.", 3600, _count_reminders, _count_reminders
    ),
}
