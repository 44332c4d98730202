"""Looking at a payee's full details: each look is recorded before anything is shown.

Everywhere else only the last four digits are shown. A look is no event of a budget: it changes
nothing, and is kept in a table of its own that the application may add to and not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import select

from ledger.aggregates.payees import PayeeProposed
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.durable import payee_looks
from ledger.errors import BudgetNotFound
from ledger.people import moment_text
from ledger.private import Private
from ledger.provider_details import ProviderAccount
from ledger.store import Beside

LookReason = Literal["verifying", "correcting", "dispute", "audit", "subject_access"]


class Look(NamedTuple):
    """Who looked at whose details, when (ISO 8601 in UTC) and why; `number` is their order."""

    number: int
    payee_reference: str
    looked_at: str
    looked_by: str
    reason: LookReason


class PayeeInFull(Private, frozen=True):
    """All that is known of an account, and the name that came back for it last, if one did.

    `returned_by` says who gave that name: a bank's service, or the simulator. The account is a
    person's or a provider's; the other reference is empty.
    """

    payee_reference: str
    person_reference: str
    provider_reference: str
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str
    returned_name: str | None
    returned_by: str | None


def look_at_payee(
    ledger: Ledger,
    payee_reference: str,
    *,
    reason: LookReason,
    looked_at: datetime,
    looked_by: str,
    also: Sequence[Beside] = (),
) -> PayeeInFull:
    """Record a look, then give the details. Raises `PayeeUnknown`, and then nobody looked."""
    payee_in_full(ledger, payee_reference)
    row = {
        "payee_reference": payee_reference,
        "looked_at": moment_text(looked_at),
        "looked_by": looked_by,
        "reason": reason,
    }
    ledger.append([], [Beside("payee_looks", [row]), *also])
    return payee_in_full(ledger, payee_reference)


def payee_in_full(ledger: Ledger, payee_reference: str) -> PayeeInFull:
    """The details of a look that was recorded. Raises `PayeeUnknown`."""
    held = ledger.provider_details.accounts([payee_reference]).get(payee_reference)
    details = held or ledger.people.payee(payee_reference)
    returned = ledger.payee_names.returned(payee_reference)
    return PayeeInFull(
        payee_reference=payee_reference,
        person_reference="" if isinstance(details, ProviderAccount) else details.person_reference,
        provider_reference=held.provider_reference if held else "",
        account_name=details.account_name,
        sort_code=details.sort_code,
        account_number=details.account_number,
        roll_number=details.roll_number,
        returned_name=returned.name if returned else None,
        returned_by=returned.checked_with if returned else None,
    )


def looks(
    ledger: Ledger,
    *,
    payee_reference: str | None = None,
    budget_reference: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Look]:
    """The looks at a payee, at any payee ever proposed for a budget, or at all; oldest first.

    Raises `BudgetNotFound`.
    """
    t = payee_looks.c
    query = select(payee_looks).where(t.number > after).order_by(t.number).limit(limit)
    if payee_reference is not None:
        query = query.where(t.payee_reference == payee_reference)
    if budget_reference is not None:
        query = query.where(t.payee_reference.in_(_ever_proposed(ledger, budget_reference)))
    with ledger.engine.connect() as connection:
        return [Look(*row) for row in connection.execute(query)]


def _ever_proposed(ledger: Ledger, budget_reference: str) -> set[str]:
    history = list(ledger.history(PersonalBudget, budget_reference))
    if not history:
        raise BudgetNotFound(f"There is no personal budget {budget_reference}.")
    return {r.event.payee_reference for r in history if isinstance(r.event, PayeeProposed)}
