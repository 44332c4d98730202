"""The demo's questions about one budget, each asked as of a day and as known at two moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from ledger.aggregates.event_sourced import stream_id
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.dates import four_weekly
from ledger.demo_summary import View
from ledger.entitlement import entitlement
from ledger.money import format_pounds as pounds
from ledger.projections.balances import balances_of

REVISED = "PB000015"
FIRST_PERIOD = four_weekly(date(2026, 4, 6))
AS_OF = date(2026, 5, 1)
EARLIER, LATER = datetime(2026, 4, 17, 17, tzinfo=UTC), datetime(2026, 4, 24, 17, tzinfo=UTC)


def views(ledger: Ledger) -> Iterator[View]:
    """Questions about one budget, answered as they would have been at two moments."""
    earlier, later = (ledger.budget(REVISED, known_at) for known_at in (EARLIER, LATER))
    day = date(2026, 4, 20)
    yield View(
        "The weekly budget on 20 April 2026",
        *(pounds(budget.weekly_budget_pence(day)) for budget in (earlier, later)),
    )
    yield View(
        "Owed for 6 April to 3 May 2026, after the contribution",
        *(
            pounds(sum(line.amount_pence for line in entitlement(budget.terms, FIRST_PERIOD)))
            for budget in (earlier, later)
        ),
    )
    stream = stream_id(PersonalBudget.STREAM, REVISED).hex
    paid = [
        -balances_of(ledger.engine, stream, day, known_at).get("bank", 0)
        for known_at in (EARLIER, LATER)
    ]
    yield View("Paid by the bank by 20 April 2026", *map(pounds, paid))
    yield View(
        "Still owed to 3 May 2026",
        *(pounds(budget.payment_due(FIRST_PERIOD).amount_pence) for budget in (earlier, later)),
    )
