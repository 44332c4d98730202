"""Interests: nobody acts on their own budget, or on that of someone close to them.

Whoever has an interest declares it, or a colleague does; from then on nothing that they say of
the budget is recorded, whatever roles they have.
"""

from __future__ import annotations

from typing import Literal, Unpack

from ledger.aggregates import consents, payments, spend_returns
from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.errors import InterestInBudget, InterestNotFound, InvalidValue

InterestKind = Literal["own_budget", "acts_for_recipient", "relative"]

OF_THEIR_OWN: frozenset[type[Event]] = frozenset(
    {spend_returns.SpendReturnSubmitted, consents.AccessGranted, consents.AccessRevoked}
)
"""What a recipient, and who acts for them, says of their own budget while they live."""

OF_A_WHOLE_CYCLE: frozenset[type[Event]] = frozenset(
    {payments.PaymentConfirmed, payments.PaymentCancelled}
)
"""What happens to every payment of a cycle alike, so that nobody chooses it for one budget."""


class InterestDeclared(Event):
    """A user has an interest in the budget, by the name that their acts are recorded under."""

    user_name: str
    kind: InterestKind


class InterestEnded(Event):
    """A user has no interest in the budget any more, or never had one."""

    user_name: str


class Interests(CareDecisions):
    """Who has an interest in the budget, and so may record nothing on it."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.interests: dict[str, InterestKind] = {}

    @command
    def declare_interest(self, *, user_name: str, kind: InterestKind, **said: Unpack[Said]) -> None:
        """Record that a user has an interest: the budget is their own, a relative's, or they act.

        Nothing they say of it is recorded from then on, but what is a recipient's own to say.
        """
        if not user_name.strip():
            raise InvalidValue("user_name must say who has the interest.", field="user_name")
        if self.interests.get(user_name) != kind:
            self._record(InterestDeclared(user_name=user_name, kind=kind, **said))

    @command
    def end_interest(self, *, user_name: str, **said: Unpack[Said]) -> None:
        """Record that a user has no interest any more. They cannot do so themselves."""
        if user_name not in self.interests:
            raise InterestNotFound(f"{user_name} has no interest in {self.reference}.")
        self._record(InterestEnded(user_name=user_name, **said))

    def _record(self, *events: Event) -> None:
        """Every event of the budget passes here, whichever command it comes from.

        Of events recorded together all are refused if one is: whoever has an interest may say
        the one, perhaps, and not the other.
        """
        for event in events:
            self._require_no_interest(event)
        super()._record(*events)

    def _require_no_interest(self, event: Event) -> None:
        kind = self.interests.get(event.recorded_by)
        if kind is None or type(event) in OF_A_WHOLE_CYCLE:
            return
        if kind != "relative" and type(event) in OF_THEIR_OWN and self.died_on is None:
            return
        raise InterestInBudget(f"{event.recorded_by} has an interest in {self.reference}.")

    @applies(InterestDeclared)
    def _interest_declared(self, event: InterestDeclared) -> None:
        self.interests[event.user_name] = event.kind

    @applies(InterestEnded)
    def _interest_ended(self, event: InterestEnded) -> None:
        del self.interests[event.user_name]
