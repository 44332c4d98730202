"""A death reported to the council: an estate case, which holds every payment until it is decided.

The account of a direct payment is no part of the person's estate: what was sent after the death
comes back to the council. Only what is owed up to it, such as a personal assistant's last wages,
is still paid, to whoever represents the estate (published council practice). A Bacs return with
code 2 may be the first that the council hears of a death.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, Unpack

from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.aggregates.payees import Payees
from ledger.errors import EstateCaseIsOpen, ReferenceUsedForOtherFacts

ReportedBy = Literal["bank", "family", "council", "other"]
EstateOutcome = Literal["recipient_died", "account_holder_died", "reported_in_error"]


class EstateCaseOpened(Event):
    """A death was reported; nothing is paid until someone decides who died, if anyone did."""

    case_reference: str
    reported_by: ReportedBy


class EstateCaseDecided(Event):
    """A second person decided the case. `died_on` is the day on which the recipient died.

    `payee_reference` names the account details that are not paid to any more, if there are any.
    """

    case_reference: str
    outcome: EstateOutcome
    died_on: date | None = None
    payee_reference: str = ""


class EstateCase(NamedTuple):
    """A case; it is open while it has no outcome."""

    reported_by: ReportedBy
    opened_on: date
    opened_by: str
    outcome: EstateOutcome | None = None
    died_on: date | None = None


class EstateCases(Payees):
    """The deaths that were reported, and what was decided."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.estate_cases: dict[str, EstateCase] = {}

    @property
    def undecided_estate_case(self) -> str:
        """The reference of the case that is still to be decided, if there is one."""
        cases = self.estate_cases.items()
        return next((reference for reference, case in cases if case.outcome is None), "")

    @command
    def open_estate_case(
        self, *, case_reference: str, reported_by: ReportedBy, **said: Unpack[Said]
    ) -> None:
        """Record that a death was reported. Nothing is paid until a second person decides it."""
        known = self.estate_cases.get(case_reference)
        if known is not None:
            if known.reported_by == reported_by:
                return
            raise ReferenceUsedForOtherFacts(
                f"The estate case {case_reference} was opened with other facts."
            )
        if self.undecided_estate_case:
            raise EstateCaseIsOpen(
                f"The estate case {self.undecided_estate_case} of {self.reference} is open."
            )
        self._record(
            EstateCaseOpened(case_reference=case_reference, reported_by=reported_by, **said)
        )

    @applies(EstateCaseOpened)
    def _estate_case_opened(self, event: EstateCaseOpened) -> None:
        self.estate_cases[event.case_reference] = EstateCase(
            event.reported_by, event.effective_on, event.recorded_by
        )

    @applies(EstateCaseDecided)
    def _estate_case_decided(self, event: EstateCaseDecided) -> None:
        case = self.estate_cases[event.case_reference]
        self.estate_cases[event.case_reference] = case._replace(
            outcome=event.outcome, died_on=event.died_on
        )
        if event.died_on is not None:  # the budget may have been closed for another reason before
            self.died_on = event.died_on
        if event.payee_reference:
            self.payee = None
