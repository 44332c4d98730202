"""Who acts for the recipient: a nominated or an authorised person, appointed and ended.

They may receive the money, account for it, and say who may see how the budget stands. All of it
ends with the recipient's death, once that is recorded: as a power of attorney does, and whoever
represents the estate deals with the council (GOV.UK, "End your lasting power of attorney").
"""

from __future__ import annotations

from typing import Literal, Unpack

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.dates import day_in_england
from ledger.errors import (
    ReferenceUsedForOtherFacts,
    RepresentativeIsRecipient,
    RepresentativeNotFound,
    TakesEffectLater,
)

RepresentativeKind = Literal["nominated_person", "authorised_person"]
"""Nominated by someone with capacity (Care Act 2014 s.31), or authorised for one without (s.32)."""


class RepresentativeAppointed(Event):
    """Someone acts for the recipient from now on."""

    person_reference: str
    kind: RepresentativeKind


class RepresentativeEnded(Event):
    """Someone acts for the recipient no longer."""

    person_reference: str


class Representatives(CareDecisions):
    """Everyone who acts for the recipient now."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self._appointed: dict[str, RepresentativeKind] = {}

    @property
    def representatives(self) -> dict[str, RepresentativeKind]:
        """Who acts for the recipient now, by person; nobody acts for somebody who died."""
        return self._appointed if self.died_on is None else {}

    @command
    def appoint_representative(
        self, *, person_reference: str, kind: RepresentativeKind, **said: Unpack[Said]
    ) -> None:
        """Record who acts for the recipient: nominated by them, or authorised for them.

        They then see this budget as the recipient does. Who becomes the other kind is ended first.
        """
        self._require_not_closed()
        assert self.opened is not None, "a loaded budget has been opened"
        known = self.representatives.get(person_reference)
        if known == kind:
            return
        if known is not None:
            raise ReferenceUsedForOtherFacts(f"{person_reference} is the {known} already.")
        if person_reference == self.opened.recipient_reference:
            raise RepresentativeIsRecipient()
        _require_not_later(said)
        self._record(RepresentativeAppointed(person_reference=person_reference, kind=kind, **said))

    @command
    def end_representative(self, *, person_reference: str, **said: Unpack[Said]) -> None:
        """Record that someone acts for the recipient no longer; they see nothing from then on."""
        if person_reference not in self.representatives:
            raise RepresentativeNotFound(f"{person_reference} does not act on {self.reference}.")
        _require_not_later(said)
        self._record(RepresentativeEnded(person_reference=person_reference, **said))

    @applies(RepresentativeAppointed)
    def _representative_appointed(self, event: RepresentativeAppointed) -> None:
        self._appointed[event.person_reference] = event.kind

    @applies(RepresentativeEnded)
    def _representative_ended(self, event: RepresentativeEnded) -> None:
        del self._appointed[event.person_reference]


def _require_not_later(said: Said) -> None:
    """So that whoever reads the register now reads who acts now."""
    if said["effective_on"] > day_in_england(said["recorded_at"]):
        raise TakesEffectLater(f"{said['effective_on']} has not come yet.", field="effective_on")
