"""The page of roles: what each may do, and what each way in needs, from the guard itself."""

from __future__ import annotations

from fastapi.routing import APIRoute

from docs.markdown import code, page, table
from ledger.access.guard import needed
from ledger.access.roles import GRANTED, PERMISSIONS, ROLES
from ledger.api import NOUNS

_SIGNS = {"all": "yes", "own": "own", None: ""}


def roles_page() -> str:
    """The whole page."""
    roles = [role.replace("_", " ") for role in ROLES]
    granted = [
        (code(permission), meaning, *(_SIGNS[GRANTED[role].get(permission)] for role in ROLES))
        for permission, meaning in PERMISSIONS.items()
    ]
    routes = sorted(
        (route.path_format, method, needed(route))
        for noun in NOUNS
        for route in noun.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    )
    return page(
        "Roles",
        "Who may do what. Nothing that is not named here is permitted. *Own* is one's own budget "
        "and those one acts for; anybody else's is then as if it were not there. Whoever has "
        "several roles may do what any of them may; but whatever their roles, nobody approves what "
        "they prepared or verifies what they proposed.",
        "## Roles",
        table(("role", "who"), [(code(role), who) for role, who in ROLES.items()]),
        "## Permissions",
        table(("permission", "lets you", *roles), granted),
        "## What each address of the API needs",
        table(("address", "method", "permission"), routes),
    )
