"""Checking an account's status: for an organisation that the recipient allowed it, and no other.

Whoever has no consent, or names a budget that is not there, or another date of birth, is answered
the very same, after the same time. Every look is recorded before anything is shown.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from time import monotonic, sleep

from ledger.account_status import AccountStatus, ToContact, account_status
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.budget_looks import checks_that_found_nothing, record_look
from ledger.dates import day_in_england
from ledger.errors import StatusNotAvailable, TooManyWrongChecks
from ledger.outbox.writing import council_of, next_pay_day_of
from ledger.store import Beside

MOST_WRONG = 10
WITHIN = timedelta(hours=1)
ALIKE_SECONDS = 0.04  # longer than looking takes: how long it took says nothing about why


def check_status(
    ledger: Ledger,
    budget_reference: str,
    date_of_birth: date,
    *,
    organisation_reference: str,
    checked_by: str,
    checked_at: datetime,
    also: Sequence[Beside] = (),
) -> AccountStatus:
    """How an account stands, the look recorded together with `also`.

    Raises `StatusNotAvailable`, whatever it is that is not right, and `TooManyWrongChecks`.
    """
    if checks_that_found_nothing(ledger, checked_by, checked_at - WITHIN) >= MOST_WRONG:
        raise TooManyWrongChecks()
    started, today = monotonic(), day_in_england(checked_at)
    budget = ledger.find(PersonalBudget, budget_reference)
    grant = budget and budget.grant_in_force(organisation_reference, today)
    if budget is not None and not _was_born(ledger, budget, date_of_birth):
        grant = None
    record_look(
        ledger,
        budget_reference if grant else "",
        seen=grant.facts if grant else "nothing",
        looked_at=checked_at,
        looked_by=checked_by,
        organisation_reference=organisation_reference,
        also=also if grant else (),
    )
    if budget is None or not grant:
        sleep(max(0, ALIKE_SECONDS - (monotonic() - started)))
        raise StatusNotAvailable()
    return status_of(ledger, budget, today, with_amounts=grant.facts == "status_and_amounts")


def status_of(
    ledger: Ledger, budget: PersonalBudget, today: date, *, with_amounts: bool
) -> AccountStatus:
    """How a budget stands on a day, by the council's pay calendar."""
    next_pay_day = next_pay_day_of(ledger)(today - timedelta(days=1))
    contact = [ToContact(*way) for way in council_of(ledger.settings).ways]
    return account_status(budget, today, next_pay_day, contact, with_amounts=with_amounts)


def _was_born(ledger: Ledger, budget: PersonalBudget, date_of_birth: date) -> bool:
    assert budget.opened is not None, "a loaded budget has been opened"
    found = ledger.people.persons([budget.opened.recipient_reference])  # none if erased
    return any(
        hmac.compare_digest(str(one.date_of_birth), str(date_of_birth)) for one in found.values()
    )
