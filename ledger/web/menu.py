"""The menu: the pages that one begins from, each for those who may see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.access.roles import Permission
from ledger.access.users import Actor


class Entry(NamedTuple):
    """One entry: what it says, where it leads, and what one needs for it.

    `own`: it is for those alone who have a budget, or act for someone who has."""

    text: str
    path: str
    needs: Permission
    own: bool = False


MENU: tuple[Entry, ...] = (
    Entry("Budgets", "/budgets", "budgets.find"),
    Entry("Cycles", "/cycles", "cycles.read"),
    Entry("My budget", "/my/budgets", "consent.give", own=True),
    Entry("Check a status", "/status", "status.check"),
    Entry("Audit", "/audit", "audit.read"),
)


def menu_for(actor: Actor, path: str) -> list[dict[str, Any]]:
    """The entries for someone, the one they are in marked; as GOV.UK Frontend takes them."""
    return [
        {
            "text": entry.text,
            "href": entry.path,
            "active": path == entry.path or path.startswith(f"{entry.path}/"),
        }
        for entry in MENU
        if actor.reach(entry.needs) is not None and (actor.person_reference or not entry.own)
    ]
