"""Who it is that asks: by what they signed in with, and how they stand as a user now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from ledger.access.attempts import Attempts
from ledger.access.provider import Provider
from ledger.access.roles import ROLES, STAFF, Role
from ledger.access.users import DEVELOPMENT, Actor, User, record_user, user_of
from ledger.application import Ledger
from ledger.config import Settings
from ledger.errors import InvalidSignInSettings, NotKnownHere, NotSignedIn

COMES_BACK_TO = "/sign-in/back"
"""Where people come back to from where they signed in; the provider must be told."""

COUNCIL, RECIPIENTS = "council", "recipients"
"""The two kinds of people who sign in, each at a provider of theirs."""

PROGRAMS: frozenset[Role] = frozenset({"machine_client", "support_service"})
"""All that a program can be, whatever its token or its record say."""


class SignIn:
    """The ways in that the settings allow."""

    def __init__(self, ledger: Ledger) -> None:
        """Raises `InvalidSignInSettings`, so that a server with half of them does not start."""
        self._ledger = ledger
        settings = ledger.settings
        self.in_development = settings.development_sign_in
        self.providers = _providers(settings)
        self.attempts = Attempts(settings.sign_in_failures)
        self._issuers = {provider.issuer for provider in self.providers.values()}
        if self.in_development:
            self._issuers.add(DEVELOPMENT)

    def known(self, issuer: str, subject: str, also: Iterable[Role]) -> Actor:
        """Someone who signed in and is known here, as they stand now, with roles that came with
        their sign-in. Raises `NotSignedIn`."""
        if issuer not in self._issuers:
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

    def let_in(
        self, issuer: str, subject: str, name: str, roles: Sequence[Role], at: datetime
    ) -> None:
        """Let in who has proved who they are and has a role, by their sign-in or given here. Whom
        their sign-in makes known becomes a user of that name.

        Raises `NotKnownHere`; `UserNameTaken` and `InvalidValue` for a name that a new user
        cannot have.
        """
        user = user_of(self._ledger.engine, issuer, subject)
        if user is not None and user.is_disabled:
            raise NotKnownHere("You are not known here any more. Ask the scheme manager.")
        if not roles and (user is None or not user.roles):
            raise NotKnownHere(
                "You have proved who you are, but nobody has given you a role here. Ask the "
                f"scheme manager, and tell them this: {subject}"
            )
        if user is None:
            new = User(issuer=issuer, subject=subject, name=name)
            record_user(self._ledger, new, at, issuer)

    def program(self, access_token: str, at: datetime) -> Actor:
        """The program that a token was issued to, known by the subject that is its own: a client
        may also ask in the name of people.

        Raises `NotSignedIn` where no program has a way in, and what `let_in` and
        `Provider.read_access_token` raise.
        """
        provider, audience = self.providers.get(COUNCIL), self._ledger.settings.oidc_audience
        if provider is None or not audience:
            raise NotSignedIn()
        claims = provider.read_access_token(access_token, audience)
        subject = claims["sub"]
        roles = [role for role in provider.roles_in(claims) if role in PROGRAMS]
        self.let_in(provider.issuer, subject, subject, roles, at)
        actor = self.known(provider.issuer, subject, roles)
        return actor._replace(roles=actor.roles & PROGRAMS)


def _providers(settings: Settings) -> dict[str, Provider]:
    """Who says who people are, by the kind of people."""
    found = {}
    if settings.oidc_issuer:
        for value, role in settings.oidc_roles.items():
            if role not in ROLES:
                raise InvalidSignInSettings(f"LEDGER_OIDC_ROLES: {value!r} gives no known role.")
        if settings.oidc_audience and settings.oidc_audience == settings.oidc_client_id:
            raise InvalidSignInSettings(
                "LEDGER_OIDC_AUDIENCE must differ from LEDGER_OIDC_CLIENT_ID: what says who a "
                "person is would pass for a program's token."
            )
        found[COUNCIL] = _provider(
            settings.public_url,
            settings.oidc_issuer,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            scopes=settings.oidc_scopes,
            roles_claim=settings.oidc_roles_claim,
            roles=settings.oidc_roles,
        )
    if settings.recipients_oidc_issuer:
        found[RECIPIENTS] = _provider(
            settings.public_url,
            settings.recipients_oidc_issuer,
            settings.recipients_oidc_client_id,
            settings.recipients_oidc_client_secret,
        )
    return found


def _provider(
    public_url: str, issuer: str, client_id: str, secret: SecretStr | None, **more: Any
) -> Provider:
    if not client_id or secret is None:
        raise InvalidSignInSettings(f"There is no client id, or no client secret, for {issuer}.")
    comes_back_to = public_url.rstrip("/") + COMES_BACK_TO
    return Provider(issuer, client_id, secret, comes_back_to=comes_back_to, **more)
