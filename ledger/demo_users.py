"""Who may sign in to the demo's council: somebody for each role.

Staff act under their names. Whoever is outside the council acts under a reference, because what
they do is recorded in a history that nothing is ever taken out of.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ledger.access.roles import Role
from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.application import Ledger

ALICE, BOB, CAROL, DEV = "Alice Morgan", "Bob Ellis", "Carol Dean", "Dev Patel"
_MANAGER = "Erin Shaw"


def _user(name: str, role: Role, person_reference: str = "", organisation: str = "") -> User:
    return User(
        issuer=DEVELOPMENT,
        subject=name,
        name=name,
        roles=(role,),
        person_reference=person_reference,
        organisation=organisation,
    )


USERS = (
    _user(DEV, "care_coordinator"),
    _user(ALICE, "finance_officer"),
    _user(CAROL, "finance_officer"),
    _user(BOB, "finance_approver"),
    _user(_MANAGER, "scheme_manager"),
    _user("Femi Ade", "auditor"),
    _user("R000015", "recipient", person_reference="R000015"),
    _user("R000250", "representative", person_reference="R000250"),
    _user("Open Door 1", "support_service", organisation="OPENDOOR"),
)


def add_users(ledger: Ledger) -> None:
    """Record them all, by the scheme manager."""
    for user in USERS:
        record_user(ledger, user, datetime(2026, 3, 20, 9, tzinfo=UTC), _MANAGER)
