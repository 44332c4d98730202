"""Suspending payments, in full or down to a weekly retainer, and resuming them.

Several suspensions may hold at once, one for each reason; on a day with several the least
retainer counts. One with a last day expires by itself: its days stay as they were, and the
days after it are owed again. A reason of `RELEASED_BY_TWO` takes two people to resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, Unpack

import msgspec

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.errors import (
    InvalidMoney,
    InvalidPeriod,
    PaymentsAreSuspended,
    PaymentsNotSuspended,
    ResumptionNotProposed,
    SamePersonProposed,
    SuspensionUnclear,
)
from ledger.terms import (
    CHANNELS,
    FOR_EVER,
    Channel,
    InterimArrangement,
    SuspensionReason,
    SuspensionTerm,
    suspension_on,
)

RELEASED_BY_TWO: frozenset[SuspensionReason] = frozenset({"safeguarding"})
"""Reasons for which one person proposes that payments resume and another resumes them."""

_DAY = timedelta(days=1)


class PaymentsSuspended(Event):
    """From `effective_on` only the weekly retainer is owed (nought: nothing).

    Until `expires_on`, its last day; without one, until payments are resumed. Old events do not
    say how the person is supported meanwhile."""

    reason_code: SuspensionReason
    review_on: date
    retainer_weekly_pence: int = 0
    expires_on: date | None = None
    interim_arrangement: InterimArrangement | Literal[""] = ""


class ResumptionProposed(Event):
    """Someone proposed that payments resume from `effective_on`, for another to decide.

    The suspension meant is the one for this reason that began on `suspended_from`."""

    reason_code: SuspensionReason
    suspended_from: date
    arrears_due: bool = False


class PaymentsResumed(Event):
    """Payments are owed again from `effective_on`; with `arrears_due`, as if never suspended.

    The suspension meant is the one for this reason that began on `suspended_from`. Old events
    name neither and mean the only one there was."""

    arrears_due: bool = False
    reason_code: SuspensionReason | Literal[""] = ""
    suspended_from: date | None = None


class Suspensions(CareDecisions):
    """When payments are suspended, and from when what is owed has changed since it was paid."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.suspensions: list[SuspensionTerm] = []
        self.resumptions_proposed: dict[SuspensionTerm, ResumptionProposed] = {}
        self.changed_from: dict[Channel, date] = dict.fromkeys(CHANNELS, date.min)

    def suspension_on(self, on: date) -> SuspensionTerm | None:
        """The suspension that counts on a day, if any: the one with the least retainer."""
        return suspension_on(self.suspensions, on)

    @command
    def suspend_payments(
        self,
        *,
        reason_code: SuspensionReason,
        interim_arrangement: InterimArrangement,
        review_on: date,
        retainer_weekly_pence: int = 0,
        expires_on: date | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Suspend payments in full, or down to a weekly retainer, to a last day or until resumed.

        `interim_arrangement` says how the person is supported meanwhile. Suspensions for other
        reasons may hold at the same time: on each day the least retainer counts.
        """
        on = said["effective_on"]
        self._require_in_life(on)
        if retainer_weekly_pence < 0:
            raise InvalidMoney("A retainer cannot be less than nothing.")
        if expires_on is not None and expires_on < on:
            raise InvalidPeriod(
                f"It cannot expire on {expires_on}, before it begins on {on}.", field="expires_on"
            )
        for term in self._not_resumed(reason_code):
            if term.ends_on >= on and term.starts_on <= (expires_on or FOR_EVER):
                raise PaymentsAreSuspended(
                    f"Payments on {self.reference} are already suspended from {term.starts_on} "
                    f"for this reason: {reason_code}."
                )
        self._record(
            PaymentsSuspended(
                reason_code=reason_code,
                review_on=review_on,
                retainer_weekly_pence=retainer_weekly_pence,
                expires_on=expires_on,
                interim_arrangement=interim_arrangement,
                **said,
            )
        )

    @command
    def propose_resumption(
        self,
        *,
        reason_code: SuspensionReason,
        arrears_due: bool = False,
        **said: Unpack[Said],
    ) -> None:
        """Propose to resume payments from `effective_on`, for someone else to do exactly that.

        Needed before payments suspended for safeguarding are resumed.
        """
        term = self._suspension_to_resume(reason_code, arrears_due, said["effective_on"])
        if self._is_proposed(term, arrears_due, said["effective_on"]):
            return
        self._record(
            ResumptionProposed(
                reason_code=reason_code,
                suspended_from=term.starts_on,
                arrears_due=arrears_due,
                **said,
            )
        )

    @command
    def resume_payments(
        self,
        *,
        reason_code: SuspensionReason | None = None,
        arrears_due: bool = False,
        **said: Unpack[Said],
    ) -> None:
        """Resume from `effective_on`; with `arrears_due`, what was held back is owed as well.

        `reason_code` says which suspension, if several are open. The days of one that has
        expired are owed with `arrears_due`. What was suspended for safeguarding is resumed only
        as someone else proposed it. After closing too, or what was owed up to then could never
        be settled.
        """
        on = said["effective_on"]
        term = self._suspension_to_resume(reason_code, arrears_due, on)
        if term.reason_code in RELEASED_BY_TWO:
            if not self._is_proposed(term, arrears_due, on):
                raise ResumptionNotProposed(
                    f"It takes two people to resume payments on {self.reference}: nobody has "
                    f"proposed it from {on} {'with' if arrears_due else 'without'} arrears yet."
                )
            if self.resumptions_proposed[term].recorded_by == said["recorded_by"]:
                raise SamePersonProposed(f"{said['recorded_by']} proposed to resume payments.")
        self._record(
            PaymentsResumed(
                arrears_due=arrears_due,
                reason_code=term.reason_code,
                suspended_from=term.starts_on,
                **said,
            )
        )

    def _not_resumed(self, reason_code: SuspensionReason | None) -> list[SuspensionTerm]:
        """The suspensions nobody has ended, expired ones too: all, or those for a reason."""
        return [
            term
            for term in self.suspensions
            if not term.is_resumed and reason_code in (None, term.reason_code)
        ]

    def _suspension_to_resume(
        self, reason_code: SuspensionReason | None, arrears_due: bool, on: date
    ) -> SuspensionTerm:
        """The one in force on a day or the next to come; with arrears, else the last to expire."""
        not_resumed = self._not_resumed(reason_code)
        is_open = [term for term in not_resumed if term.ends_on >= on]
        found = is_open or (not_resumed if arrears_due else [])
        if not found:
            expired = f" Only arrears of those that expired before {on} can be paid."
            raise PaymentsNotSuspended(
                f"Payments on {self.reference} are not suspended.{expired if not_resumed else ''}"
            )
        reasons = sorted({term.reason_code for term in found})
        if len(reasons) > 1:
            raise SuspensionUnclear(
                f"Payments on {self.reference} are suspended for {', '.join(reasons)}: say which.",
                reason_codes=reasons,
            )
        if is_open:
            return min(is_open, key=lambda term: term.starts_on)
        return max(found, key=lambda term: term.ends_on)

    def _is_proposed(self, term: SuspensionTerm, arrears_due: bool, on: date) -> bool:
        proposed = self.resumptions_proposed.get(term)
        return proposed is not None and (
            (proposed.arrears_due, proposed.effective_on) == (arrears_due, on)
        )

    def _terms_changed(self, from_day: date) -> None:
        for channel, known in self.changed_from.items():
            self.changed_from[channel] = min(known, from_day)

    @applies(PaymentsSuspended)
    def _payments_suspended(self, event: PaymentsSuspended) -> None:
        self.suspensions = suspensions_after(self.suspensions, event)
        self._terms_changed(event.effective_on)

    @applies(ResumptionProposed)
    def _resumption_proposed(self, event: ResumptionProposed) -> None:
        self.resumptions_proposed[_meant(self.suspensions, event)] = event

    @applies(PaymentsResumed)
    def _payments_resumed(self, event: PaymentsResumed) -> None:
        resumed = _meant(self.suspensions, event)
        self.suspensions = suspensions_after(self.suspensions, event)
        self.resumptions_proposed.pop(resumed, None)
        self._terms_changed(resumed.starts_on if event.arrears_due else event.effective_on)


def suspensions_after(
    suspensions: Sequence[SuspensionTerm], event: PaymentsSuspended | PaymentsResumed
) -> list[SuspensionTerm]:
    """A budget's suspensions after one more event; the register keeps them by it too."""
    if isinstance(event, PaymentsSuspended):
        suspended = SuspensionTerm(
            event.effective_on,
            event.expires_on or FOR_EVER,
            event.retainer_weekly_pence,
            event.reason_code,
            event.interim_arrangement,
            event.review_on,
        )
        return [*suspensions, suspended]
    resumed = _meant(suspensions, event)
    others = [term for term in suspensions if term is not resumed]
    if event.arrears_due or event.effective_on <= resumed.starts_on:
        return others
    last_day = min(resumed.ends_on, event.effective_on - _DAY)
    return [*others, msgspec.structs.replace(resumed, ends_on=last_day, is_resumed=True)]


def _meant(
    suspensions: Sequence[SuspensionTerm], event: ResumptionProposed | PaymentsResumed
) -> SuspensionTerm:
    """The suspension an event is about; an old one names none, as there was only one."""
    named = (event.reason_code, event.suspended_from)
    return next(
        term
        for term in suspensions
        if not term.is_resumed and named in (("", None), (term.reason_code, term.starts_on))
    )
