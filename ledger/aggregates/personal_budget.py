"""One person's budget, from the first offer to the last clawback: one readable history.

The nouns of a budget stand in files of their own beside this one (care decisions,
allocations, payees, spend returns, clawbacks); here they meet in what they are for, payments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import ClassVar, Unpack

from ledger.aggregates import (
    allocations,
    care_decisions,
    clawbacks,
    consents,
    contributions,
    estates,
    interests,
    payees,
    payments,
    payments_made,
    recovery,
    representatives,
    spend_returns,
    suspensions,
)
from ledger.aggregates.event_sourced import Said, applies, command, register
from ledger.aggregates.payments import (
    Payment,
    PaymentDue,
    PaymentReissued,
    PaymentScheduled,
    payment_events,
)
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, due, recovering_at_most
from ledger.errors import (
    AgreementNotSigned,
    BudgetIsClosed,
    DayOfDeathUnclear,
    EstateCaseAlreadyDecided,
    EstateCaseIsOpen,
    EstateCaseNotFound,
    NoAllocationInForce,
    NothingToPay,
    OfferNotAccepted,
    PayeeNotVerified,
    PaymentAlreadySettled,
    PaymentDiffersFromEntitlement,
    PaymentsAreSuspended,
    RecipientExcluded,
    ReferenceUsedForOtherFacts,
    Refusal,
    ReturnedPaymentNotSettled,
    SamePersonProposed,
)
from ledger.money import for_days, format_pounds


class PersonalBudget(
    interests.Interests, payments_made.PaymentsMade, spend_returns.SpendReturns, consents.Consents
):
    """A personal budget: it alone decides what may be paid, to whom and when."""

    STREAM: ClassVar[str] = "personal-budget"

    @property
    def last_payment(self) -> Payment | None:
        """The payment scheduled last that still stands, if any."""
        return next((p for p in reversed(self.payments.values()) if p.stands), None)

    def payment_due(self, period: Period) -> PaymentDue:
        """What is owed to the end of a period after all that was scheduled before."""
        lines = due(self.terms, self.scheduled_lines, period, self.changed_from)
        if self.recovery_weekly_cap_pence:
            most = for_days(self.recovery_weekly_cap_pence, period.days)
            lines = recovering_at_most(lines, most)
        owed = sum(line.amount_pence for line in lines)
        deductions = tuple(self.instalments_within(owed)) if self.clawbacks else ()
        return PaymentDue(tuple(lines), deductions, owed)

    def failed_gates(
        self, period: Period, pay_on: date, settled: Collection[str] = ()
    ) -> Iterator[Refusal]:
        """Every gate that stands between this budget and a payment, in the order of life.

        `settled` names payments that came back and are taken to be settled by then."""
        if self.closed is not None and self.closed.effective_on < period.starts_on:
            yield BudgetIsClosed(f"{self.reference} closed on {self.closed.effective_on}.")
        if self.offer_outcome == "excluded":
            yield RecipientExcluded(f"A direct payment on {self.reference} is not permitted.")
        elif self.offer_outcome != "accepted":
            yield OfferNotAccepted(f"No offer has been accepted on {self.reference}.")
        if self.agreement is None:
            yield AgreementNotSigned(f"No agreement has been signed on {self.reference}.")
        if self.payee is None:
            yield PayeeNotVerified(f"No payee has been verified on {self.reference}.")
        if not any(t.is_paid and t.starts_on <= period.ends_on for t in self.allocations):
            yield NoAllocationInForce(f"Nothing on {self.reference} is paid as a direct payment.")
        suspension = self.suspension_on(pay_on)
        if suspension is not None and not suspension.retainer_weekly_pence:
            yield PaymentsAreSuspended(
                f"Payments on {self.reference} are suspended from {suspension.starts_on}."
            )
        if self.undecided_estate_case:
            yield EstateCaseIsOpen(
                f"A death was reported on {self.reference}; the estate case "
                f"{self.undecided_estate_case} is open.",
                case_reference=self.undecided_estate_case,
            )
        for payment_reference in self.held_payments:
            if payment_reference not in settled:
                yield ReturnedPaymentNotSettled(
                    f"{payment_reference} came back and is not settled yet.",
                    payment_reference=payment_reference,
                )

    def schedule_payment(
        self,
        *,
        payment_reference: str,
        cycle_reference: str,
        period: Period,
        lines: tuple[EntitlementLine, ...],
        amount_pence: int,
        **said: Unpack[Said],
    ) -> None:
        """Promise a payment: `effective_on` is the day it reaches the payee.

        The lines must be exactly what the budget is owed now, so that neither an old
        calculation nor a changed one can be paid. Said twice, it is recorded once.
        """
        known = self.payments.get(payment_reference)
        if known is not None:
            self._require_same(payment_reference, known, cycle_reference, amount_pence, "")
            return
        for refusal in self.failed_gates(period, said["effective_on"]):
            raise refusal
        now_due = self.payment_due(period)
        if now_due.amount_pence <= 0:
            raise NothingToPay(
                f"{self.reference} is owed {format_pounds(now_due.amount_pence)} to "
                f"{period.ends_on}."
            )
        if (now_due.lines, now_due.amount_pence) != (lines, amount_pence):
            raise PaymentDiffersFromEntitlement(
                f"{self.reference} is now owed {format_pounds(now_due.amount_pence)}, "
                f"not the {format_pounds(amount_pence)} of the payment proposed.",
                owed_pence=now_due.amount_pence,
                proposed_pence=amount_pence,
            )
        assert self.payee is not None, "the gate for the payee was passed"
        for event in payment_events(
            payment_reference=payment_reference,
            cycle_reference=cycle_reference,
            payee_reference=self.payee.payee_reference,
            period=period,
            payment=now_due,
            said=said,
        ):
            self._record(event)

    def _require_same(self, payment_reference: str, known: Payment, *facts: object) -> None:
        if known.status == "cancelled":
            raise ReferenceUsedForOtherFacts(f"The payment {payment_reference} was cancelled.")
        if (known.cycle_reference, known.amount_pence, known.reissue_of) != facts:
            raise ReferenceUsedForOtherFacts(
                f"The payment {payment_reference} was scheduled with other facts."
            )

    def require_reissuable(self, payment_reference: str, pay_on: date) -> Payment:
        """The payment that came back and may be sent again on a day, or the refusal that says why.

        Nothing is sent again before the day it came back, or while the budget is suspended,
        excluded or without a payee."""
        payment = self.require_held(payment_reference)
        if payment is None:
            raise PaymentAlreadySettled(f"{payment_reference} was refunded to the budget.")
        for refusal in self.failed_gates(payment.period, pay_on, self.held_payments):
            raise refusal
        self._require_back_by(payment_reference, payment, pay_on)
        return payment

    def reissue_payment(
        self,
        *,
        payment_reference: str,
        reissue_of: str,
        cycle_reference: str,
        **said: Unpack[Said],
    ) -> None:
        """Send returned money again with a cycle, to the payee verified now."""
        known = self.payments.get(payment_reference)
        if known is not None:
            facts = (cycle_reference, known.amount_pence, reissue_of)
            self._require_same(payment_reference, known, *facts)
            return
        returned = self.require_reissuable(reissue_of, said["effective_on"])
        assert self.payee is not None, "the gate for the payee was passed"
        self._record(
            PaymentReissued(
                payment_reference=payment_reference,
                reissue_of=reissue_of,
                cycle_reference=cycle_reference,
                payee_reference=self.payee.payee_reference,
                amount_pence=returned.amount_pence,
                **said,
            )
        )

    @command
    def decide_estate_case(
        self,
        *,
        case_reference: str,
        outcome: estates.EstateOutcome,
        died_on: date | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Decide whose death was reported, by someone other than who opened the case.

        If the recipient died, the budget is closed on the day of death (`died_on`), and money
        that came back is refunded to it. The account of whoever died is not paid to any more:
        what is still owed goes to a payee proposed and verified since.
        """
        case = self.estate_cases.get(case_reference)
        if case is None:
            raise EstateCaseNotFound(f"{self.reference} has no estate case {case_reference}.")
        if (case.outcome, case.died_on) == (outcome, died_on):
            return
        if case.outcome is not None:
            died = f", on {case.died_on}" if case.died_on else ""
            raise EstateCaseAlreadyDecided(f"{case_reference} was decided: {case.outcome}{died}.")
        if said["recorded_by"] == case.opened_by:
            raise SamePersonProposed(f"{case.opened_by} opened this estate case.")
        if (died_on is None) != (outcome != "recipient_died"):
            raise DayOfDeathUnclear(field="died_on")
        if died_on is not None and self.closed is None:
            self._require_in_life(died_on)
        self._record(
            estates.EstateCaseDecided(
                case_reference=case_reference,
                outcome=outcome,
                died_on=died_on,
                payee_reference=self._account_that_ends(outcome),
                **said,
            )
        )
        if died_on is not None:
            self._settle_estate(case_reference, died_on, said)

    def _account_that_ends(self, outcome: estates.EstateOutcome) -> str:
        """The account of whoever died: the recipient's own, or whatever account is paid to."""
        if self.payee is None or outcome == "reported_in_error":
            return ""
        own = self.payee.payee_type == "recipient"
        return self.payee.payee_reference if own or outcome == "account_holder_died" else ""

    def _settle_estate(self, case_reference: str, died_on: date, said: Said) -> None:
        if self.closed is None:
            last_day: Said = {**said, "effective_on": died_on}
            self.close(reason_code="died", **last_day)
        for payment_reference, payment in self.held_payments.items():
            assert payment.held is not None, "what is held came back on a day"
            back_by: Said = {**said, "effective_on": max(said["effective_on"], payment.held.on)}
            self._refund(payment_reference, payment, case_reference, back_by)

    @applies(PaymentScheduled)
    def _payment_scheduled(self, event: PaymentScheduled) -> None:
        self.payments[event.payment_reference] = Payment(
            event.cycle_reference,
            event.payee_reference,
            event.amount_pence,
            event.period,
            event.effective_on,
            lines=event.lines,
            deducted_pence=event.deducted_pence,
        )
        self.scheduled_lines.extend(event.lines)
        if not self.recovery_weekly_cap_pence:  # else something may be left to recover
            self.changed_from = date.max

    @applies(PaymentReissued)
    def _payment_reissued(self, event: PaymentReissued) -> None:
        returned = self.payments[event.reissue_of]
        returned.status = "reissued"
        self.payments[event.payment_reference] = Payment(
            event.cycle_reference,
            event.payee_reference,
            event.amount_pence,
            returned.period,
            event.effective_on,
            reissue_of=event.reissue_of,
        )


register(
    PersonalBudget.STREAM,
    {
        "opened.v1": care_decisions.BudgetOpened,
        "direct-payment-offered.v1": care_decisions.DirectPaymentOffered,
        "agreement-signed.v1": care_decisions.AgreementSigned,
        "allocation-agreed.v1": allocations.AllocationAgreed,
        "allocation-revised.v1": allocations.AllocationRevised,
        "allocation-ended.v1": allocations.AllocationEnded,
        "contribution-assessed.v1": contributions.ContributionAssessed,
        "finances-assessed.v1": contributions.FinancesAssessed,
        "contribution-invoiced.v1": contributions.ContributionInvoiced,
        "contribution-credited.v1": contributions.ContributionCredited,
        "contribution-received.v1": contributions.ContributionReceived,
        "payee-proposed.v1": payees.PayeeProposed,
        "payee-name-checked.v1": payees.PayeeNameChecked,
        "payee-number-checked.v1": payees.PayeeNumberChecked,
        "payee-verified.v1": payees.PayeeVerified,
        "payee-withdrawn.v1": payees.PayeeWithdrawn,
        "payment-scheduled.v1": PaymentScheduled,
        "payment-confirmed.v1": payments.PaymentConfirmed,
        "payment-returned.v1": payments.PaymentReturned,
        "payment-rejected.v1": payments.PaymentRejected,
        "payment-refunded.v1": payments.PaymentRefunded,
        "payment-reissued.v1": PaymentReissued,
        "payment-cancelled.v1": payments.PaymentCancelled,
        "estate-case-opened.v1": estates.EstateCaseOpened,
        "estate-case-decided.v1": estates.EstateCaseDecided,
        "payments-suspended.v1": suspensions.PaymentsSuspended,
        "resumption-proposed.v1": suspensions.ResumptionProposed,
        "payments-resumed.v1": suspensions.PaymentsResumed,
        "spend-return-requested.v1": spend_returns.SpendReturnRequested,
        "spend-return-submitted.v1": spend_returns.SpendReturnSubmitted,
        "spend-return-queried.v1": spend_returns.SpendReturnQueried,
        "spend-return-accepted.v1": spend_returns.SpendReturnAccepted,
        "clawback-proposed.v1": clawbacks.ClawbackProposed,
        "clawback-notified.v1": clawbacks.ClawbackNotified,
        "clawback-disputed.v1": clawbacks.ClawbackDisputed,
        "clawback-confirmed.v1": clawbacks.ClawbackConfirmed,
        "clawback-received.v1": clawbacks.ClawbackReceived,
        "clawback-deducted.v1": clawbacks.ClawbackDeducted,
        "recovery-capped.v1": recovery.RecoveryCapped,
        "clawback-waived.v1": clawbacks.ClawbackWaived,
        "switched-to-provided-services.v1": allocations.SwitchedToProvidedServices,
        "direct-payment-resumed.v1": allocations.DirectPaymentResumed,
        "representative-appointed.v1": representatives.RepresentativeAppointed,
        "representative-ended.v1": representatives.RepresentativeEnded,
        "access-granted.v1": consents.AccessGranted,
        "access-revoked.v1": consents.AccessRevoked,
        "interest-declared.v1": interests.InterestDeclared,
        "interest-ended.v1": interests.InterestEnded,
        "closed.v1": care_decisions.BudgetClosed,
    },
)
