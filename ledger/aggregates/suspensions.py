"""Suspending payments, in full or down to a weekly retainer, and resuming them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, Unpack

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.errors import InvalidMoney, PaymentsAreSuspended, PaymentsNotSuspended
from ledger.terms import FOR_EVER, SuspensionTerm

SuspensionReason = Literal[
    "hospital_stay", "care_home_stay", "safeguarding", "return_missing", "account_query", "other"
]

_DAY = timedelta(days=1)


class PaymentsSuspended(Event):
    """From `effective_on` only the weekly retainer is owed (nought: nothing)."""

    reason_code: SuspensionReason
    review_on: date
    retainer_weekly_pence: int = 0


class PaymentsResumed(Event):
    """Payments are owed again from `effective_on`; with `arrears_due`, as if never suspended."""

    arrears_due: bool = False


class Suspensions(CareDecisions):
    """When payments are suspended, and from when what is owed has changed since it was paid."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.suspensions: list[SuspensionTerm] = []
        self.suspension_review_on: date | None = None
        self.changed_from = date.min

    def suspension_on(self, on: date) -> SuspensionTerm | None:
        """The suspension in force on a day, if any."""
        return next((s for s in self.suspensions if s.starts_on <= on <= s.ends_on), None)

    @command
    def suspend_payments(
        self,
        *,
        reason_code: SuspensionReason,
        review_on: date,
        retainer_weekly_pence: int = 0,
        **said: Unpack[Said],
    ) -> None:
        """Suspend payments in full, or down to a weekly retainer, until they are resumed."""
        self._require_in_life(said["effective_on"])
        if retainer_weekly_pence < 0:
            raise InvalidMoney("A retainer cannot be less than nothing.")
        if any(term.ends_on == FOR_EVER for term in self.suspensions):
            raise PaymentsAreSuspended(f"Payments on {self.reference} are already suspended.")
        self._record(
            PaymentsSuspended(
                reason_code=reason_code,
                review_on=review_on,
                retainer_weekly_pence=retainer_weekly_pence,
                **said,
            )
        )

    @command
    def resume_payments(self, *, arrears_due: bool = False, **said: Unpack[Said]) -> None:
        """Resume from `effective_on`; with `arrears_due`, what was held back is owed as well.

        After closing too, or what was owed up to then could never be settled.
        """
        if not any(term.ends_on == FOR_EVER for term in self.suspensions):
            raise PaymentsNotSuspended(f"Payments on {self.reference} are not suspended.")
        self._record(PaymentsResumed(arrears_due=arrears_due, **said))

    def _terms_changed(self, from_day: date) -> None:
        self.changed_from = min(self.changed_from, from_day)

    @applies(PaymentsSuspended)
    def _payments_suspended(self, event: PaymentsSuspended) -> None:
        self.suspensions.append(
            SuspensionTerm(event.effective_on, FOR_EVER, event.retainer_weekly_pence)
        )
        self.suspension_review_on = event.review_on
        self._terms_changed(event.effective_on)

    @applies(PaymentsResumed)
    def _payments_resumed(self, event: PaymentsResumed) -> None:
        suspension = self.suspensions.pop()
        if not event.arrears_due and event.effective_on > suspension.starts_on:
            self.suspensions.append(suspension._replace(ends_on=event.effective_on - _DAY))
        self.suspension_review_on = None
        self._terms_changed(suspension.starts_on if event.arrears_due else event.effective_on)
