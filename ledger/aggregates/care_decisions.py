"""Opening, offering, agreeing and closing: what must be settled before money can be paid."""

from __future__ import annotations

from datetime import date
from typing import Literal, Unpack

from ledger.aggregates.event_sourced import Event, EventSourced, Said, applies, command
from ledger.errors import (
    BeforeBudgetOpened,
    BudgetAlreadyOpened,
    BudgetIsClosed,
    ReasonMissing,
    ReasonNotLawful,
)

LegalBasis = Literal[
    "care_act_2014",
    "care_act_2014_carer",
    "children_act_1989_s17a",
    "mental_health_act_1983_s117",
    "nhs_act_2006",
]
SupportReason = Literal[
    "physical_access_mobility",
    "physical_personal_care",
    "sensory_visual",
    "sensory_hearing",
    "sensory_dual",
    "memory_cognition",
    "learning_disability",
    "mental_health",
    "social_substance_misuse",
    "social_asylum_seeker",
    "social_isolation_other",
]
Occasion = Literal["assessment", "review"]
OfferOutcome = Literal["accepted", "declined", "deferred", "excluded"]
ReturnFrequency = Literal["none", "monthly", "quarterly", "six_monthly", "annual"]
ClosingReason = Literal["at_own_request", "needs_ended", "moved_away", "died", "condition_failed"]

LAWFUL_EXCLUSIONS = {
    "not_permitted_by_regulations": "SI 2014/2871 Schedule 1",
    "no_capacity_and_no_authorised_person": "Care Act 2014 s.31(4), s.32(4)",
    "cannot_manage_with_help": "Care Act 2014 s.31(6), s.32(8)",
    "not_an_appropriate_way_to_meet_needs": "Care Act 2014 s.31(7), s.32(9)",
    "nothing_payable_by_the_council": "Care Act 2014 s.31(1)(a)",
}
"""Grounds on which a direct payment may be refused, each with its source.

The court order behind the first is criminal-offence data and is never held here; which ground it
was stands in no event, and is sealed under the person's key."""


class BudgetOpened(Event):
    """A personal budget exists for a person. `paid_elsewhere_to` is the last day that an
    earlier system has already paid to; nothing up to it is owed here."""

    reference: str
    recipient_reference: str
    legal_basis: LegalBasis
    primary_support_reason: SupportReason
    paid_elsewhere_to: date | None = None


class DirectPaymentOffered(Event):
    """A direct payment was offered at an assessment or review, and what came of it.

    Of an exclusion `reason_code` is empty: the ground is restricted, and sealed elsewhere."""

    occasion: Occasion
    outcome: OfferOutcome
    reason_code: str = ""


class AgreementSigned(Event):
    """The person, or whoever acts for them, signed this version of the agreement."""

    template_version: str
    return_frequency: ReturnFrequency = "quarterly"


class BudgetClosed(Event):
    """The budget ended; `effective_on` is the last day for which anything is owed."""

    reason_code: ClosingReason


class CareDecisions(EventSourced):
    """Where the budget stands with the person: opened, offered, agreed, closed."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.opened: BudgetOpened | None = None
        self.offer_outcome: OfferOutcome | None = None
        self._pending_grounds: list[str] = []
        self.agreement: AgreementSigned | None = None
        self.closed: BudgetClosed | None = None
        self.died_on: date | None = None  # the recipient, once it is recorded
        self.reviewed_on: date | None = None

    @command
    def open(
        self,
        *,
        recipient_reference: str,
        legal_basis: LegalBasis,
        primary_support_reason: SupportReason,
        paid_elsewhere_to: date | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Open a personal budget for a person with an assessed, eligible need."""
        event = BudgetOpened(
            reference=self.reference,
            recipient_reference=recipient_reference,
            legal_basis=legal_basis,
            primary_support_reason=primary_support_reason,
            paid_elsewhere_to=paid_elsewhere_to,
            **said,
        )
        if self.opened is None:
            self._record(event)
        elif _same_facts(self.opened, event):
            return
        else:
            raise BudgetAlreadyOpened(f"{self.reference} is already open with other facts.")

    @command
    def offer_direct_payment(
        self,
        *,
        occasion: Occasion,
        outcome: OfferOutcome,
        reason_code: str = "",
        **said: Unpack[Said],
    ) -> None:
        """Record the offer made at an assessment or review, and its outcome.

        Guidance asks for an offer at every assessment and review, or a clear statement of why
        not; an exclusion needs one of `LAWFUL_EXCLUSIONS`, never free text. Which one it was is
        sealed under the person's key and shown only to who looks on purpose.
        """
        self._require_in_life(said["effective_on"])
        if outcome == "excluded" and not reason_code:
            raise ReasonMissing("An exclusion needs the code of its ground in law.")
        if outcome == "excluded" and reason_code not in LAWFUL_EXCLUSIONS:
            raise ReasonNotLawful(
                f"{reason_code!r} is not a ground in law; "
                f"the grounds are {', '.join(LAWFUL_EXCLUSIONS)}."
            )
        if outcome == "excluded":
            self._pending_grounds.append(reason_code)
            reason_code = ""
        self._record(
            DirectPaymentOffered(
                occasion=occasion, outcome=outcome, reason_code=reason_code, **said
            )
        )

    def collect_grounds(self) -> list[str]:
        """Hand over the grounds of exclusion told with events not yet saved, once: to be sealed."""
        grounds, self._pending_grounds = self._pending_grounds, []
        return grounds

    @command
    def sign_agreement(
        self,
        *,
        template_version: str,
        return_frequency: ReturnFrequency = "quarterly",
        **said: Unpack[Said],
    ) -> None:
        """Record that the direct payment agreement was signed, and which version of it."""
        self._require_not_closed()
        self._record(
            AgreementSigned(
                template_version=template_version, return_frequency=return_frequency, **said
            )
        )

    @command
    def close(self, *, reason_code: ClosingReason, **said: Unpack[Said]) -> None:
        """Close the budget; `effective_on` is its last day. Overpaid days are then recoverable."""
        if self.closed is not None and (
            (self.closed.effective_on, self.closed.reason_code)
            == (said["effective_on"], reason_code)
        ):
            return
        self._require_in_life(said["effective_on"])
        self._record(BudgetClosed(reason_code=reason_code, **said))

    def _require_not_closed(self) -> None:
        if self.closed is not None:
            raise BudgetIsClosed(
                f"{self.reference} closed on {self.closed.effective_on}.",
                closed_on=self.closed.effective_on.isoformat(),
            )

    def _require_in_life(self, on: date) -> None:
        """The budget is open, and the day is not before it was."""
        self._require_not_closed()
        assert self.opened is not None, "a loaded budget has been opened"
        if on < self.opened.effective_on:
            raise BeforeBudgetOpened(
                f"{self.reference} was opened on {self.opened.effective_on}; {on} is before that."
            )

    @applies(BudgetOpened)
    def _opened(self, event: BudgetOpened) -> None:
        self.opened = event

    @applies(DirectPaymentOffered)
    def _direct_payment_offered(self, event: DirectPaymentOffered) -> None:
        if event.occasion == "review":
            self.reviewed_on = max(self.reviewed_on or date.min, event.effective_on)
        if event.outcome != "deferred":
            self.offer_outcome = event.outcome

    @applies(AgreementSigned)
    def _agreement_signed(self, event: AgreementSigned) -> None:
        self.agreement = event


def _same_facts(one: BudgetOpened, other: BudgetOpened) -> bool:
    return (
        one.recipient_reference,
        one.legal_basis,
        one.primary_support_reason,
        one.effective_on,
        one.paid_elsewhere_to,
    ) == (
        other.recipient_reference,
        other.legal_basis,
        other.primary_support_reason,
        other.effective_on,
        other.paid_elsewhere_to,
    )
