"""Which facts are told to people by letter, and the letters of one budget's history.

Every kind of event is either put into a letter here or listed with the reason why it is not; a
test sees to it that none is forgotten. What one person recorded at one moment is one letter:
three lines raised in April do not come in three envelopes. What is recorded with the opening
itself (a caseload brought in) is no change, so it makes none; and nobody is written to under
the name of someone who has died.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from ledger.aggregates import (
    accounting_periods,
    allocations,
    bank_report,
    care_decisions,
    clawbacks,
    consents,
    contributions,
    estates,
    interests,
    mass_change,
    payees,
    payments,
    provider,
    recovery,
    representatives,
    service_funds,
    spend_returns,
    suspensions,
)
from ledger.aggregates import cycle_events as cycle
from ledger.aggregates.event_sourced import Event, Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import day_in_england
from ledger.letters import changes, matters
from ledger.letters.advice import KIND as ADVICE
from ledger.letters.advice import NextPayDay, advice
from ledger.letters.letter import Letter, Part
from ledger.terms import CHANNELS, Channel

ADVISED = cycle.CycleIssued
"""The event that makes a remittance advice for each payment: the bank file was made."""

LETTERS: dict[type[Event], Callable[[Any, PersonalBudget], Part | None]] = {
    allocations.AllocationAgreed: changes.agreed,
    allocations.AllocationRevised: changes.revised,
    allocations.AllocationEnded: changes.ended,
    allocations.SwitchedToProvidedServices: changes.switched,
    allocations.DirectPaymentResumed: changes.paid_again,
    contributions.ContributionAssessed: changes.assessed,
    contributions.FinancesAssessed: changes.finances,
    contributions.ContributionInvoiced: matters.invoiced,
    contributions.ContributionCredited: matters.credited,
    suspensions.PaymentsSuspended: changes.suspended,
    suspensions.PaymentsResumed: changes.resumed,
    care_decisions.BudgetClosed: changes.closed,
    payees.PayeeVerified: matters.account,
    payments.PaymentReturned: matters.came_back,
    payments.PaymentRejected: matters.not_taken,
    spend_returns.SpendReturnRequested: matters.return_asked,
    spend_returns.SpendReturnQueried: matters.return_queried,
    spend_returns.SpendReturnAccepted: matters.return_accepted,
    clawbacks.ClawbackNotified: matters.clawback_notified,
    clawbacks.ClawbackConfirmed: matters.clawback_confirmed,
    clawbacks.ClawbackWaived: matters.clawback_waived,
    recovery.RecoveryCapped: matters.recovery_capped,
}
"""What each kind of event says, from the event and the budget as it then stands; or nothing."""

_OURS = "The council's own work; what comes of it for a budget has its own letter."

NO_LETTER: dict[type[Event], str] = {
    care_decisions.BudgetOpened: "What it opens with is agreed face to face.",
    care_decisions.DirectPaymentOffered: "Said face to face, or in the assessor's letter.",
    care_decisions.AgreementSigned: "The person signed it and has a copy.",
    contributions.ContributionReceived: "It stands on the next statement.",
    payees.PayeeProposed: "Nothing is paid there until it is verified, which makes one.",
    payees.PayeeNameChecked: "The council's own check.",
    payees.PayeeNumberChecked: "The council's own check.",
    payees.PayeeWithdrawn: "Nothing was paid there.",
    service_funds.ServiceFundHeld: "Agreed with the person; each payment has its own advice.",
    service_funds.ServiceFundRepaid: "It is between the provider and the council.",
    provider.ProviderRegistered: _OURS,
    provider.ProviderAccountProposed: _OURS,
    provider.ProviderAccountVerified: _OURS,
    provider.ProviderAccountWithdrawn: _OURS,
    provider.ProviderEnded: _OURS,
    payments.PaymentRefunded: "What is still owed comes with the next payment and its advice.",
    estates.EstateCaseOpened: "A death is spoken of in person.",
    estates.EstateCaseDecided: "A death is spoken of in person.",
    payments.PaymentScheduled: "Told by the remittance advice once the bank file is made.",
    payments.PaymentReissued: "Told by the remittance advice once the bank file is made.",
    payments.PaymentConfirmed: "Told before, by the remittance advice.",
    payments.PaymentCancelled: "It was in no bank file, so nobody was told of it.",
    suspensions.ResumptionProposed: "Payments start again when someone else agrees, with a letter.",
    spend_returns.SpendReturnSubmitted: "The person sent it in.",
    clawbacks.ClawbackProposed: "Told when the notice is given, which makes one.",
    clawbacks.ClawbackDisputed: "The person said it; the decision makes one.",
    clawbacks.ClawbackReceived: "It stands on the next statement.",
    clawbacks.ClawbackDeducted: "It stands on the remittance advice of its payment.",
    representatives.RepresentativeAppointed: "It is agreed with both of them.",
    representatives.RepresentativeEnded: "It is agreed with both of them.",
    consents.AccessGranted: "The person said it, and sees who may look on their own page.",
    consents.AccessRevoked: "The person said it, and sees who may look on their own page.",
    interests.InterestDeclared: _OURS,
    interests.InterestEnded: _OURS,
    mass_change.MassChangeListed: _OURS,
    mass_change.MassChangePrepared: _OURS,
    mass_change.MassChangeApproved: _OURS,
    mass_change.MassChangeRejected: _OURS,
    mass_change.MassChangeApplied: _OURS,
    cycle.CycleLinesListed: _OURS,
    cycle.CyclePrepared: _OURS,
    cycle.CycleApproved: _OURS,
    cycle.CycleRejected: _OURS,
    cycle.CycleCancelled: _OURS,
    cycle.CycleFileRefused: _OURS,
    cycle.CycleAcknowledged: _OURS,
    cycle.CycleSettled: _OURS,
    bank_report.ReportItemsQueued: _OURS,
    bank_report.BankReportImported: _OURS,
    bank_report.ReportItemMatched: _OURS,
    bank_report.ReportItemDismissed: _OURS,
    accounting_periods.AccountingPeriodClosed: _OURS,
}
"""What makes no letter, and why not."""

_CHANGES_TERMS = (
    allocations.AllocationAgreed,
    allocations.AllocationRevised,
    allocations.AllocationEnded,
    allocations.SwitchedToProvidedServices,
    allocations.DirectPaymentResumed,
    contributions.ContributionAssessed,
    contributions.FinancesAssessed,
    suspensions.PaymentsSuspended,
    suspensions.PaymentsResumed,
    care_decisions.BudgetClosed,
)


class Told(NamedTuple):
    """Letters by the version of the first event each tells, advices by payment reference; and
    the budget as it stands at the end of the history."""

    letters: dict[int, Letter]
    advices: dict[str, Letter]
    budget: PersonalBudget


def no_calendar(_pay_on: date) -> date | None:
    """For who has no pay calendar: the next pay day is not known."""
    return None


def told(
    reference: str,
    history: Iterable[Recorded],
    versions: Collection[int] = (),
    payment_references: Collection[str] = (),
    next_pay_day: NextPayDay = no_calendar,
) -> Told:
    """The letters that tell of these versions, and the advices of these payments.

    `history` is all of the budget's events in order. A letter begins with the first version asked
    for of those recorded at its moment; one that makes no letter gives none.
    """
    telling = _Telling(reference, next_pay_day)
    for _, group in groupby(history, key=_said_at_once):
        telling.take(list(group), versions, payment_references)
    return Told(telling.letters, telling.advices, telling.budget)


def _said_at_once(recorded: Recorded) -> tuple[object, str]:
    return recorded.event.recorded_at, recorded.event.recorded_by


class _Telling:
    """A budget lived through again, writing the letters that are wanted on the way."""

    def __init__(self, reference: str, next_pay_day: NextPayDay) -> None:
        self.budget = PersonalBudget(reference)
        self.letters: dict[int, Letter] = {}
        self.advices: dict[str, Letter] = {}
        self._next_pay_day = next_pay_day
        self._brought_along: set[str] = set()  # accounts recorded with the opening

    def take(
        self, group: list[Recorded], versions: Collection[int], promised: Collection[str]
    ) -> None:
        """Apply what was recorded at one moment, and write its letter if one is wanted."""
        first = min((version for _, version, _ in group if version in versions), default=None)
        before = self._put_right() if first is not None else Counter()
        parts: list[tuple[int, Event, Part]] = []
        for _, version, event in group:
            self.budget.apply(event)
            self._notice(event, promised)
            if first is not None and version >= first and self._is_news(event):
                part = LETTERS[type(event)](event, self.budget)
                if part is not None:
                    parts.append((version, event, part))
        if parts:
            said = tuple(self._with_money(parts, before))
            self.letters[parts[0][0]] = self._letter(group[0].event, *said)

    def _notice(self, event: Event, promised: Collection[str]) -> None:
        """Write the advice of a payment that is promised, and remember accounts brought along."""
        if isinstance(event, payees.PayeeProposed):
            if self._with_opening(event):
                self._brought_along.add(event.payee_reference)
        elif (
            isinstance(event, payments.PaymentScheduled | payments.PaymentReissued)
            and event.payment_reference in promised
        ):
            part = advice(event, self.budget, self._next_pay_day)
            self.advices[event.payment_reference] = self._letter(event, part)

    def _is_news(self, event: Event) -> bool:
        if type(event) not in LETTERS or self._with_opening(event) or has_died(self.budget):
            return False
        return not (
            isinstance(event, payees.PayeeVerified) and event.payee_reference in self._brought_along
        )

    def _with_opening(self, event: Event) -> bool:
        opened = self.budget.opened
        assert opened is not None, "a history begins with the opening"
        return event.recorded_at == opened.recorded_at

    def _with_money(
        self, parts: list[tuple[int, Event, Part]], before: Counter[Channel]
    ) -> Iterator[Part]:
        """The parts, the last that changes the terms with what all of it comes to."""
        changed = [event for _, event, _ in parts if isinstance(event, _CHANGES_TERMS)]
        for _, event, part in parts:
            if changed and event is changed[-1]:
                on = min(changes.takes_effect(event) for event in changed)
                arisen = self._put_right()
                arisen.subtract(before)
                money = changes.what_it_comes_to(self.budget, on, arisen)
                part = msgspec.structs.replace(part, afterwards=tuple(money))
            yield part

    def _put_right(self) -> Counter[Channel]:
        """What days already paid are to be put right by, as the terms now stand."""
        due: Counter[Channel] = Counter()
        for channel in CHANNELS if self.budget.opened is not None else ():
            due[channel] = sum(line.amount_pence for line in self.budget.adjustments_due(channel))
        return due

    def _letter(self, event: Event, *parts: Part) -> Letter:
        opened = self.budget.opened
        assert opened is not None, "a history begins with the opening"
        return Letter(
            budget_reference=self.budget.reference,
            person_reference=opened.recipient_reference,
            on=day_in_england(event.recorded_at),
            parts=parts,
        )


def has_died(budget: PersonalBudget) -> bool:
    """Whether its person died, as far as is known: a death that was reported is taken for one."""
    return budget.died_on is not None or bool(budget.undecided_estate_case)


UNWRITTEN = "letter"

KINDS: dict[str, str] = {
    ADVICE: "What a payment is made up of, when its bank file is made.",
    "support_agreed": "Support was agreed.",
    "support_changed": "Support has another amount or is delivered otherwise.",
    "support_ended": "Part of the support ends.",
    "switched_to_provided_services": "The council provides support instead of paying for it.",
    "direct_payment_again": "Support is paid as a direct payment again.",
    "contribution": "The contribution was assessed.",
    "invoice": "The contribution was invoiced.",
    "credit": "An invoice was too high.",
    "payments_suspended": "Payments are stopped for now, or less.",
    "payments_resumed": "Payments are made again.",
    "budget_ended": "The personal budget was closed, other than by a death.",
    "account_changed": "Another account is paid into: a warning, should it be a fraud.",
    "payment_returned": "The bank sent a payment back, other than because of a death.",
    "spend_return_asked": "A spend return is asked for, and by when.",
    "spend_return_queried": "There is a question about a spend return.",
    "spend_return_accepted": "A spend return was accepted.",
    "clawback_notified": "Money may be asked back: why, by when to answer, how to disagree.",
    "clawback_confirmed": "Money is to be paid back, and how.",
    "clawback_waived": "Money is no longer asked back.",
    "recovery_capped": "The most that is taken from each payment for money to be paid back.",
    UNWRITTEN: "A letter that could not be written when it was queued.",
}
"""Every kind of letter, by the code it is listed under."""
