"""Who from outside the council looked at a budget: each look is kept, for its recipient to see.

A look is no event of a budget: it changes nothing, and is kept in a table of its own that the
application may add to and not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import func, select

from ledger.application import Ledger
from ledger.durable import budget_looks
from ledger.people import moment_text
from ledger.store import Beside

Seen = Literal["budget", "status", "status_and_amounts", "nothing"]
SEEN: dict[Seen, str] = {
    "budget": "the personal budget, as its recipient sees it",
    "status": "whether payments are being made, without amounts",
    "status_and_amounts": "whether payments are being made, and the next amount",
    "nothing": "nothing: the details were not right, or nobody allowed it",
}
"""What was seen, in words to the recipient."""


class BudgetLook(NamedTuple):
    """Who saw what of a budget, when (ISO 8601 in UTC) and for whom; `number` is their order.

    `organisation_reference` is empty for someone who acts for the recipient. A check that found
    nothing has no budget."""

    number: int
    budget_reference: str
    looked_at: str
    looked_by: str
    organisation_reference: str
    seen: Seen


def record_look(
    ledger: Ledger,
    budget_reference: str,
    *,
    seen: Seen,
    looked_at: datetime,
    looked_by: str,
    organisation_reference: str = "",
    also: Sequence[Beside] = (),
) -> None:
    """Keep a look; before anything is shown."""
    row = {
        "budget_reference": budget_reference,
        "looked_at": moment_text(looked_at),
        "looked_by": looked_by,
        "organisation_reference": organisation_reference,
        "seen": seen,
    }
    ledger.append([], [Beside("budget_looks", [row]), *also])


def budget_looks_at(
    ledger: Ledger, budget_reference: str, *, before: int | None = None, limit: int | None = None
) -> list[BudgetLook]:
    """The looks at a budget from outside, the newest first. Raises `BudgetNotFound`."""
    ledger.budget(budget_reference)
    t = budget_looks.c
    query = select(budget_looks).where(t.budget_reference == budget_reference)
    if before is not None:
        query = query.where(t.number < before)
    with ledger.engine.connect() as connection:
        rows = connection.execute(query.order_by(t.number.desc()).limit(limit))
        return [BudgetLook(*row) for row in rows]


def checks_that_found_nothing(ledger: Ledger, looked_by: str, since: datetime) -> int:
    """How many checks of someone's have found nothing since a moment."""
    t = budget_looks.c
    query = select(func.count()).where(
        t.looked_by == looked_by, t.looked_at > moment_text(since), t.seen == "nothing"
    )
    with ledger.engine.connect() as connection:
        return connection.execute(query).scalar_one()
