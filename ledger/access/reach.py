"""Whether someone may do something, and whether it reaches the budget they ask about."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select

from ledger.access.roles import OWN, PERMISSIONS, Permission
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.errors import BudgetNotFound, InterestInBudget, NotPermitted
from ledger.projections.access import Representatives
from ledger.projections.registers import Budgets

Standing = Literal["recipient", "representative"]
"""What somebody is to a budget."""


def require_permission(
    ledger: Ledger, actor: Actor, permission: Permission, budget_reference: str
) -> Standing | None:
    """What somebody who may do this is to the budget; None: nothing, or it is about none.

    Raises `NotPermitted`; `BudgetNotFound` for a budget beyond one's own, as if it were not
    there; and `InterestInBudget` for what nobody does about their own.
    """
    reach = actor.reach(permission)
    if reach is None or (reach == "own" and not budget_reference):
        raise NotPermitted(
            f"None of your roles has this permission: {PERMISSIONS[permission]}",
            permission=permission,
        )
    standing = standing_of(ledger, actor, budget_reference) if budget_reference else None
    if reach == "own" and standing is None:
        beyond = BudgetNotFound(f"There is no personal budget {budget_reference}.")
        beyond.conceals = True
        raise beyond
    if standing is not None and permission not in OWN:
        raise InterestInBudget(
            f"{budget_reference} is your own budget, or you act for whose it is."
        )
    return standing


def standing_of(ledger: Ledger, actor: Actor, budget_reference: str) -> Standing | None:
    """Whose budget it is to them, as the registers have it: their own, or of one they act for."""
    if not actor.person_reference:
        return None
    ledger.projections.catch_up()
    budgets, acting = Budgets.table.c, Representatives.table.c
    found = select(budgets.stream, budgets.recipient_reference).where(
        budgets.reference == budget_reference
    )
    acts = select(acting.kind).where(
        acting.person_reference == actor.person_reference, acting.ended_on.is_(None)
    )
    with ledger.engine.connect() as connection:
        budget = connection.execute(found).one_or_none()
        if budget is None:
            return None
        if budget.recipient_reference == actor.person_reference:
            return "recipient"
        for_them = connection.execute(acts.where(acting.stream == budget.stream)).first()
    return "representative" if for_them else None
