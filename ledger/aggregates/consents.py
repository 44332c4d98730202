"""Consent: which organisation may see how the budget stands, what of it, and until when.

The recipient gives it, or who acts for them, and takes it back at any time; it ends with their
death, whoever gave it. Nothing is known to an organisation that has none.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, Unpack

from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.aggregates.representatives import Representatives
from ledger.errors import AccessNotGranted, GrantNotTimeBoxed, NobodyActsForRecipient

SharedFacts = Literal["status", "status_and_amounts"]
"""What an organisation sees: whether money comes and when, or also how much."""

GivenBy = Literal["recipient", "representative"]

LONGEST_DAYS = 366


class AccessGranted(Event):
    """An organisation may see these facts, to the end of a day."""

    organisation_reference: str
    facts: SharedFacts
    ends_on: date
    given_by: GivenBy


class AccessRevoked(Event):
    """An organisation sees nothing any more, from the moment this was recorded."""

    organisation_reference: str


class Grant(NamedTuple):
    """What one organisation was last allowed."""

    facts: SharedFacts
    starts_on: date
    ends_on: date
    given_by: GivenBy


class Consents(Representatives):
    """Every organisation that was given access, and has not lost it by being told so."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.grants: dict[str, Grant] = {}

    def grant_in_force(self, organisation_reference: str, on: date) -> Grant | None:
        """What an organisation may see on a day; None: nothing. It ends with a death at once."""
        grant = self.grants.get(organisation_reference)
        if grant is None or self.died_on is not None or not grant.starts_on <= on <= grant.ends_on:
            return None
        return grant

    @command
    def grant_access(
        self,
        *,
        organisation_reference: str,
        ends_on: date,
        facts: SharedFacts = "status",
        given_by: GivenBy = "recipient",
        **said: Unpack[Said],
    ) -> None:
        """Let an organisation see how the budget stands, until a day at most a year on.

        `facts` says whether it also sees amounts. Granting again takes the place of what was
        granted before.
        """
        self._require_in_life(said["effective_on"])
        if not 0 <= (ends_on - said["effective_on"]).days <= LONGEST_DAYS:
            raise GrantNotTimeBoxed(field="ends_on")
        if given_by == "representative" and not self.representatives:
            raise NobodyActsForRecipient(f"Nobody acts for the recipient of {self.reference}.")
        if self.grants.get(organisation_reference) == Grant(
            facts, said["effective_on"], ends_on, given_by
        ):
            return
        self._record(
            AccessGranted(
                organisation_reference=organisation_reference,
                facts=facts,
                ends_on=ends_on,
                given_by=given_by,
                **said,
            )
        )

    @command
    def revoke_access(self, *, organisation_reference: str, **said: Unpack[Said]) -> None:
        """Take back what an organisation was allowed; at once, whatever day it is said for."""
        if organisation_reference not in self.grants:
            raise AccessNotGranted(
                f"{organisation_reference} has no access to {self.reference} to take back."
            )
        self._record(AccessRevoked(organisation_reference=organisation_reference, **said))

    @applies(AccessGranted)
    def _access_granted(self, event: AccessGranted) -> None:
        self.grants[event.organisation_reference] = Grant(
            event.facts, event.effective_on, event.ends_on, event.given_by
        )

    @applies(AccessRevoked)
    def _access_revoked(self, event: AccessRevoked) -> None:
        del self.grants[event.organisation_reference]
