"""Suspensions as they are answered: those in force or still to come, and proposals to resume."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from ledger.aggregates.personal_budget import PersonalBudget
from ledger.terms import FOR_EVER, SuspensionTerm


class Suspension(msgspec.Struct):
    """Days on which only a weekly retainer (nought: nothing) is owed.

    `ends_on` is the last of them, null until payments are resumed; `is_resumed` says that
    someone ended it. On a day with several the least retainer counts."""

    reason_code: str
    starts_on: date
    ends_on: date | None
    retainer_weekly_pence: int
    interim_arrangement: str
    review_on: date | None
    is_resumed: bool


class ResumptionEntry(msgspec.Struct):
    """Someone proposed that payments resume on a day; for another person to decide."""

    reason_code: str
    suspended_from: date
    resume_on: date
    arrears_due: bool
    proposed_by: str


def suspensions_shown(terms: Iterable[SuspensionTerm]) -> list[Suspension]:
    """Suspensions as they are answered."""
    return [
        Suspension(
            term.reason_code,
            term.starts_on,
            None if term.ends_on == FOR_EVER else term.ends_on,
            term.retainer_weekly_pence,
            term.interim_arrangement,
            term.review_on,
            term.is_resumed,
        )
        for term in terms
    ]


def resumptions_shown(budget: PersonalBudget) -> list[ResumptionEntry]:
    """What was proposed and nobody has done yet."""
    return [
        ResumptionEntry(
            proposed.reason_code,
            proposed.suspended_from,
            proposed.effective_on,
            proposed.arrears_due,
            proposed.recorded_by,
        )
        for proposed in budget.resumptions_proposed.values()
    ]
