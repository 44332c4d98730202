"""Whether someone may do something, and whether it reaches the budget they ask about."""

from __future__ import annotations

from ledger.access.roles import OWN, PERMISSIONS, Permission
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.errors import BudgetNotFound, InterestInBudget, NotPermitted
from ledger.projections.access import Standing, Tie, ties_of


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
    tie = _tie(ledger, actor, budget_reference) if budget_reference else None
    standing = tie and tie.speaks_as
    if reach == "own" and standing is None:
        beyond = BudgetNotFound(f"There is no personal budget {budget_reference}.")
        beyond.conceals = True
        raise beyond
    if tie is not None and permission not in OWN:
        raise InterestInBudget(
            f"{budget_reference} is your own budget, or you act for whose it is."
        )
    return standing


def standing_of(ledger: Ledger, actor: Actor, budget_reference: str) -> Standing | None:
    """As whom they speak of a budget, as the registers have it: its recipient, or for them."""
    tie = _tie(ledger, actor, budget_reference)
    return tie and tie.speaks_as


def own_budgets(ledger: Ledger, actor: Actor) -> frozenset[str]:
    """The budgets they may not act on for the council, declared or not: those whose recipient
    they are, or act for, or acted for when they died."""
    if not actor.person_reference:
        return frozenset()
    ledger.projections.catch_up()
    found = ties_of(ledger.engine, actor.person_reference)
    return frozenset(tie.budget_reference for tie in found)


def _tie(ledger: Ledger, actor: Actor, budget_reference: str) -> Tie | None:
    if not actor.person_reference:
        return None
    ledger.projections.catch_up()
    found = ties_of(ledger.engine, actor.person_reference, budget_reference)
    return found[0] if found else None
