"""One person's budget, from the first offer to the last clawback: one readable history.

The nouns of a budget stand in files of their own beside this one (care decisions,
allocations, payees, spend returns, clawbacks); here they meet in what they are for, payments.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import ClassVar, Unpack

from ledger.aggregates import (
    allocations,
    care_decisions,
    clawbacks,
    contributions,
    payees,
    recovery,
    spend_returns,
    suspensions,
)
from ledger.aggregates.event_sourced import Said, applies, command, register
from ledger.aggregates.payments import (
    Payment,
    PaymentCancelled,
    PaymentConfirmed,
    PaymentDue,
    PaymentReissued,
    PaymentReturned,
    PaymentScheduled,
    ReturnReason,
    payment_events,
)
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, due, recovering_at_most
from ledger.errors import (
    AgreementNotSigned,
    BudgetIsClosed,
    NoAllocationInForce,
    NothingToPay,
    OfferNotAccepted,
    PayeeNotVerified,
    PaymentAlreadyReturned,
    PaymentDiffersFromEntitlement,
    PaymentHasLeft,
    PaymentNotFound,
    PaymentNotIssued,
    PaymentNotReturned,
    PaymentsAreSuspended,
    RecipientExcluded,
    ReferenceUsedForOtherFacts,
    Refusal,
)
from ledger.money import for_days


class PersonalBudget(payees.Payees, spend_returns.SpendReturns, recovery.Recovery):
    """A personal budget: it alone decides what may be paid, to whom and when."""

    STREAM: ClassVar[str] = "personal-budget"

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.payments: dict[str, Payment] = {}

    @property
    def last_payment(self) -> Payment | None:
        """The payment scheduled last and not cancelled, if any."""
        payments = reversed(self.payments.values())
        return next((payment for payment in payments if payment.status != "cancelled"), None)

    def payment_due(self, period: Period) -> PaymentDue:
        """What is owed to the end of a period after all that was scheduled before."""
        lines = due(self.terms, self.scheduled_lines, period, self.changed_from)
        if self.recovery_weekly_cap_pence:
            most = for_days(self.recovery_weekly_cap_pence, period.days)
            lines = recovering_at_most(lines, most)
        owed = sum(line.amount_pence for line in lines)
        deductions = tuple(self.instalments_within(owed)) if self.clawbacks else ()
        return PaymentDue(tuple(lines), deductions, owed)

    def failed_gates(self, period: Period, pay_on: date) -> Iterator[Refusal]:
        """Every gate that stands between this budget and a payment, in the order of life."""
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
                f"{self.reference} is owed {now_due.amount_pence} pence to {period.ends_on}."
            )
        if (now_due.lines, now_due.amount_pence) != (lines, amount_pence):
            raise PaymentDiffersFromEntitlement(
                f"{self.reference} is now owed {now_due.amount_pence} pence, "
                f"not the {amount_pence} pence of the payment proposed.",
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

    def confirm_payment(self, *, payment_reference: str, **said: Unpack[Said]) -> None:
        """Record that the money left the council's account, on `effective_on`."""
        payment = self._require_not_cancelled(payment_reference)
        if payment.status != "scheduled":
            return
        self._record(
            PaymentConfirmed(
                payment_reference=payment_reference,
                cycle_reference=payment.cycle_reference,
                amount_pence=payment.amount_pence,
                funding=payment.funding,
                **said,
            )
        )

    @command
    def return_payment(
        self, *, payment_reference: str, reason_code: ReturnReason, **said: Unpack[Said]
    ) -> None:
        """Record that the bank returned the money; what came back must first have gone out."""
        payment = self._require_not_cancelled(payment_reference)
        if payment.status in ("returned", "reissued"):
            return
        if said["effective_on"] < payment.pay_on:
            raise PaymentNotIssued(
                f"{payment_reference} is paid on {payment.pay_on}; it cannot come back before."
            )
        if payment.status == "scheduled":
            went_out: Said = {**said, "effective_on": payment.pay_on}
            self.confirm_payment(payment_reference=payment_reference, **went_out)
        self._record(
            PaymentReturned(
                payment_reference=payment_reference,
                cycle_reference=payment.cycle_reference,
                amount_pence=payment.amount_pence,
                reason_code=reason_code,
                funding=payment.funding,
                **said,
            )
        )

    def cancel_payment(self, *, payment_reference: str, **said: Unpack[Said]) -> None:
        """Withdraw a promised payment that is in no bank file; what it settled is owed again.

        In effect from the day it was to be paid, so that no day has the one without the other.
        """
        payment = self._require_payment(payment_reference)
        if payment.status == "cancelled":
            return
        if payment.status != "scheduled":
            raise PaymentHasLeft(f"{payment_reference} is {payment.status}.")
        undone: Said = {**said, "effective_on": payment.pay_on}
        self._record(
            PaymentCancelled(
                payment_reference=payment_reference,
                cycle_reference=payment.cycle_reference,
                amount_pence=payment.amount_pence,
                lines=payment.lines,
                deductions=tuple(d.taken for d in self.deductions_from(payment_reference)),
                reissue_of=payment.reissue_of,
                funding=payment.funding,
                **undone,
            )
        )

    def require_reissuable(self, payment_reference: str, pay_on: date) -> Payment:
        """The returned payment that may be sent again on a day, or the refusal that says why not.

        Nothing is sent again while the budget is suspended, excluded or without a payee."""
        payment = self._require_payment(payment_reference)
        if payment.status == "reissued":
            raise PaymentAlreadyReturned(f"{payment_reference} was already issued again.")
        if payment.status != "returned":
            raise PaymentNotReturned(f"{payment_reference} is {payment.status}.")
        for refusal in self.failed_gates(payment.period, pay_on):
            raise refusal
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

    def _require_payment(self, payment_reference: str) -> Payment:
        payment = self.payments.get(payment_reference)
        if payment is None:
            raise PaymentNotFound(f"{self.reference} has no payment {payment_reference}.")
        return payment

    def _require_not_cancelled(self, payment_reference: str) -> Payment:
        payment = self._require_payment(payment_reference)
        if payment.status == "cancelled":
            raise PaymentNotIssued(f"{payment_reference} was cancelled before it left.")
        return payment

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

    @applies(PaymentConfirmed)
    def _payment_confirmed(self, event: PaymentConfirmed) -> None:
        self.payments[event.payment_reference].status = "confirmed"

    @applies(PaymentReturned)
    def _payment_returned(self, event: PaymentReturned) -> None:
        self.payments[event.payment_reference].status = "returned"

    @applies(PaymentCancelled)
    def _payment_cancelled(self, event: PaymentCancelled) -> None:
        self.payments[event.payment_reference].status = "cancelled"
        self.scheduled_lines.reverse()  # of several lines alike, the last is the one to go
        for line in event.lines:
            self.scheduled_lines.remove(line)
            self._terms_changed(line.window.starts_on)
        self.scheduled_lines.reverse()
        for clawback_reference, _ in event.deductions:
            self._deduction_cancelled(clawback_reference, event.payment_reference)
        if event.reissue_of:
            self.payments[event.reissue_of].status = "returned"

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
        "payee-verified.v1": payees.PayeeVerified,
        "payment-scheduled.v1": PaymentScheduled,
        "payment-confirmed.v1": PaymentConfirmed,
        "payment-returned.v1": PaymentReturned,
        "payment-reissued.v1": PaymentReissued,
        "payment-cancelled.v1": PaymentCancelled,
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
        "closed.v1": care_decisions.BudgetClosed,
    },
)
