"""Users: who signs in, which roles the council gave them here, and who they are to the ledger.

What is recorded on a user is added, never changed: the newest row stands, and the older ones say
who had which role when. The name under which someone's acts are recorded belongs to their sign-in
for ever, so that two people can never be taken for one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from eventsourcing.persistence import IntegrityError
from sqlalchemy import (
    Engine,
    Row,
    Select,
    func,
    select,
)

from ledger.access.roles import GRANTED, ROLES, Permission, Reach, Role
from ledger.application import Ledger
from ledger.commands import require_keepable
from ledger.durable import user_names, users
from ledger.errors import InvalidValue, UserNameTaken, UserNotFound
from ledger.people import moment_text
from ledger.store import Beside

LONGEST_NAME = 100

DEVELOPMENT = "development"
"""The issuer of those who sign in without proof, where a setting allows it."""


class Actor(NamedTuple):
    """Who asks: the name their acts are recorded under, and their roles.

    `person_reference` is who they are among the people the ledger knows, if they are one of
    them; `organisation` is the support service they work for, if any."""

    name: str
    roles: frozenset[Role]
    person_reference: str = ""
    organisation: str = ""

    def reach(self, permission: Permission) -> Reach | None:
        """How far a permission goes with these roles; None: they do not have it."""
        reaches = {GRANTED[role].get(permission) for role in self.roles}
        return "all" if "all" in reaches else "own" if "own" in reaches else None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who signs in, as they stand."""

    issuer: str
    subject: str
    name: str
    roles: tuple[Role, ...] = ()
    person_reference: str = ""
    organisation: str = ""
    is_disabled: bool = False

    def actor(self, also: Iterable[Role] = ()) -> Actor:
        """Who they are when they ask, with roles that came with the sign-in, too."""
        return Actor(
            self.name, frozenset((*self.roles, *also)), self.person_reference, self.organisation
        )


class RecordedUser(NamedTuple):
    """What was recorded of a user, when (ISO 8601 in UTC) and by whom."""

    user: User
    recorded_at: str
    recorded_by: str


def record_user(ledger: Ledger, user: User, recorded_at: datetime, recorded_by: str) -> bool:
    """Record how a user stands from now on; False if they stood so already.

    Raises `UserNameTaken` if somebody else's acts are recorded under the name, and
    `InvalidValue` for a name or reference that cannot be kept or a role that does not exist.
    """
    is_plain = user.name.isprintable() and user.name == " ".join(user.name.split())
    if not is_plain or not 1 <= len(user.name) <= LONGEST_NAME:
        raise InvalidValue("name must be 1 to 100 printable characters.", field="name")
    for role in user.roles:
        if role not in ROLES:
            raise InvalidValue(f"roles: {role!r} is none of {', '.join(ROLES)}.", field="roles")
    for field in ("person_reference", "organisation"):
        if getattr(user, field):
            require_keepable(getattr(user, field), field)
    user = msgspec.structs.replace(user, roles=tuple(r for r in ROLES if r in user.roles))
    known = user_of(ledger.engine, user.issuer, user.subject)
    if known == user:
        return False
    sign_in = {"issuer": user.issuer, "subject": user.subject}
    row = user_row(user, recorded_at, recorded_by)
    owner = _owner_of(ledger.engine, user.name)
    if owner is None:
        name = [Beside("user_names", [{"name": user.name, **sign_in}])]
    elif owner == (user.issuer, user.subject):
        name = []
    else:
        raise UserNameTaken(f"The name {user.name} is someone else's.", field="name")
    try:
        ledger.append([], [*name, Beside("users", [row])])
    except IntegrityError:  # somebody took the name at this very moment
        raise UserNameTaken(f"The name {user.name} is someone else's.", field="name") from None
    return True


def user_row(user: User, recorded_at: datetime, recorded_by: str) -> dict[str, object]:
    """The row that records how a user stands from now on."""
    return {
        **msgspec.structs.asdict(user),
        "roles": " ".join(user.roles),
        "recorded_at": moment_text(recorded_at),
        "recorded_by": recorded_by,
    }


def user_of(engine: Engine, issuer: str, subject: str) -> User | None:
    """How the user with a sign-in stands; None if nobody has recorded them."""
    found = _query(engine, _newest().where(users.c.issuer == issuer, users.c.subject == subject))
    return next(found, None)


def user_named(engine: Engine, name: str) -> User:
    """How the user whose acts are recorded under a name stands. Raises `UserNotFound`."""
    owner = _owner_of(engine, name)
    found = user_of(engine, *owner) if owner is not None else None
    if found is None:
        raise UserNotFound(f"There is no user {name!r}.")
    return found


def all_users(engine: Engine) -> list[User]:
    """How every user stands, by name."""
    return list(_query(engine, _newest().order_by(users.c.name)))


def users_who_are(engine: Engine, person_reference: str) -> list[User]:
    """The users who are a person known here, as they stand."""
    return list(_query(engine, _newest().where(users.c.person_reference == person_reference)))


def user_history(engine: Engine, name: str) -> list[RecordedUser]:
    """All that was ever recorded of a user, the oldest first. Raises `UserNotFound`."""
    now = user_named(engine, name)
    of = (users.c.issuer == now.issuer, users.c.subject == now.subject)
    with engine.connect() as connection:
        rows = connection.execute(select(users).where(*of).order_by(users.c.number)).all()
    return [RecordedUser(_user(row), row.recorded_at, row.recorded_by) for row in rows]


def _owner_of(engine: Engine, name: str) -> tuple[str, str] | None:
    query = select(user_names.c.issuer, user_names.c.subject).where(user_names.c.name == name)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else (row.issuer, row.subject)


def _newest() -> Select[tuple[int]]:
    """The newest row of each sign-in."""
    newest = select(func.max(users.c.number)).group_by(users.c.issuer, users.c.subject)
    return select(users).where(users.c.number.in_(newest))


def _query(engine: Engine, query: Select[tuple[int]]) -> Iterator[User]:
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return map(_user, rows)


def _user(row: Row[tuple[int]]) -> User:
    return User(
        issuer=row.issuer,
        subject=row.subject,
        name=row.name,
        roles=tuple(row.roles.split()),
        person_reference=row.person_reference,
        organisation=row.organisation,
        is_disabled=row.is_disabled,
    )
