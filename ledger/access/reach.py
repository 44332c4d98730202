"""Whether someone may do something, and whether it reaches the budget they ask about."""

from __future__ import annotations

from sqlalchemy import select

from ledger.access.roles import PERMISSIONS, Permission
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.errors import BudgetNotFound, NotPermitted
from ledger.projections.registers import Budgets


def require_permission(
    ledger: Ledger, actor: Actor, permission: Permission, budget_reference: str | None
) -> None:
    """Raises `NotPermitted`; and `BudgetNotFound` for a budget beyond one's own, as if it were
    not there."""
    reach = actor.reach(permission)
    if reach is None or (reach == "own" and budget_reference is None):
        raise NotPermitted(
            f"None of your roles has this permission: {PERMISSIONS[permission]}",
            permission=permission,
        )
    if reach == "own" and not _is_own(ledger, actor, budget_reference or ""):
        beyond = BudgetNotFound(f"There is no personal budget {budget_reference}.")
        beyond.conceals = True
        raise beyond


def _is_own(ledger: Ledger, actor: Actor, budget_reference: str) -> bool:
    """Whether a budget is the actor's own, as the register has it."""
    if not actor.person_reference:
        return False
    ledger.projections.catch_up()
    query = select(Budgets.table.c.recipient_reference).where(
        Budgets.table.c.reference == budget_reference
    )
    with ledger.engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none() == actor.person_reference
