"""The menu: the pages that one begins from, each for those who may see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.access.roles import Permission
from ledger.access.users import Actor


class Entry(NamedTuple):
    """One entry: what it says, where it leads, and what one needs for it."""

    text: str
    path: str
    needs: Permission


MENU: tuple[Entry, ...] = (
    Entry("Budgets", "/budgets", "budgets.find"),
    Entry("Cycles", "/cycles", "cycles.read"),
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
        if actor.reach(entry.needs) is not None
    ]
