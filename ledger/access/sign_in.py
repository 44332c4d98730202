"""Who it is that asks: by what they signed in with, and how they stand as a user now."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.access.roles import STAFF, Role
from ledger.access.users import DEVELOPMENT, Actor, user_of
from ledger.application import Ledger
from ledger.errors import NotSignedIn


class SignIn:
    """The ways in that the settings allow."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.in_development = ledger.settings.development_sign_in

    def known(self, issuer: str, subject: str, also: Iterable[Role]) -> Actor:
        """Someone who signed in and is known here, as they stand now, with roles that came with
        their sign-in. Raises `NotSignedIn`."""
        if issuer == DEVELOPMENT and not self.in_development:
            raise NotSignedIn()
        user = user_of(self._ledger.engine, issuer, subject)
        if user is None or user.is_disabled:
            raise NotSignedIn("You are not known here, or not any more.")
        return user.actor(also)

    def believed(self, name: str) -> Actor:
        """Someone of whom nothing but a name is known, where a setting allows that.

        Who is recorded as a user has their roles; anybody else has all those of the council's
        staff. Raises `NotSignedIn`.
        """
        if not self.in_development:
            raise NotSignedIn()
        user = user_of(self._ledger.engine, DEVELOPMENT, name)
        if user is None:
            return Actor(name, STAFF)
        if user.is_disabled:
            raise NotSignedIn("This user is disabled.")
        return user.actor()
