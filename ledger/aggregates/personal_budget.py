"""One person's budget, from the first offer to the last clawback: one readable history.

The nouns of a budget stand in files of their own beside this one (care decisions,
allocations, payees, spend returns, clawbacks); here they meet in what they are for, payments.
"""

from __future__ import annotations

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
    recovery,
    representatives,
    service_funds,
    spend_returns,
    suspensions,
)
from ledger.aggregates.event_sourced import Said, applies, command, register
from ledger.aggregates.payments import (
    PaidTo,
    Payment,
    PaymentReissued,
    PaymentScheduled,
    payment_events,
)
from ledger.aggregates.payments_due import PaymentsDue
from ledger.dates import Period
from ledger.entitlement import EntitlementLine
from ledger.errors import (
    DayOfDeathUnclear,
    EstateCaseAlreadyDecided,
    EstateCaseNotFound,
    NothingToPay,
    PaymentDiffersFromEntitlement,
    ReferenceUsedForOtherFacts,
    SamePersonProposed,
)
from ledger.money import format_pounds
from ledger.terms import Channel


class PersonalBudget(
    interests.Interests, PaymentsDue, spend_returns.SpendReturns, consents.Consents
):
    """A personal budget: it alone decides what may be paid, to whom and when."""

    STREAM: ClassVar[str] = "personal-budget"

    def schedule_payment(
        self,
        *,
        payment_reference: str,
        cycle_reference: str,
        period: Period,
        lines: tuple[EntitlementLine, ...],
        amount_pence: int,
        channel: Channel = "direct_payment",
        paid_to: PaidTo | None = None,
        seen_at: int = 0,
        **said: Unpack[Said],
    ) -> None:
        """Promise a payment: `effective_on` is the day it reaches the payee.

        The lines must be exactly what the budget is owed now, so that neither an old
        calculation nor a changed one can be paid. `paid_to` may be left out where the payee
        has details of their own. What spoke against the account up to the version `seen_at` was
        released by name. Said twice, it is recorded once.
        """
        known = self.payments.get(payment_reference)
        if known is not None:
            self._require_same(payment_reference, known, cycle_reference, amount_pence, "")
            return
        for refusal in self.failed_gates(
            period, said["effective_on"], channel=channel, seen_at=seen_at
        ):
            raise refusal
        paid_to = self._require_paid_to(channel, paid_to)
        now_due = self.payment_due(period, channel)
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
        for event in payment_events(
            payment_reference=payment_reference,
            cycle_reference=cycle_reference,
            paid_to=paid_to,
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

    def reissue_payment(
        self,
        *,
        payment_reference: str,
        reissue_of: str,
        cycle_reference: str,
        paid_to: PaidTo | None = None,
        seen_at: int = 0,
        **said: Unpack[Said],
    ) -> None:
        """Send returned money again with a cycle, to the payee verified now."""
        known = self.payments.get(payment_reference)
        if known is not None:
            facts = (cycle_reference, known.amount_pence, reissue_of)
            self._require_same(payment_reference, known, *facts)
            return
        returned = self.require_reissuable(reissue_of, said["effective_on"], seen_at)
        paid_to = self._require_paid_to(returned.channel, paid_to)
        self._record(
            PaymentReissued(
                payment_reference=payment_reference,
                reissue_of=reissue_of,
                cycle_reference=cycle_reference,
                **paid_to._asdict(),
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
            channel=event.channel,
            provider_reference=event.provider_reference,
            bulk_reference=event.bulk_reference,
        )
        self.scheduled_lines.extend(event.lines)
        capped = event.channel == "direct_payment" and self.recovery_weekly_cap_pence
        if not capped:  # else something may be left to recover
            self.changed_from[event.channel] = date.max

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
            channel=returned.channel,
            provider_reference=event.provider_reference,
            bulk_reference=event.bulk_reference,
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
        "service-fund-held.v1": service_funds.ServiceFundHeld,
        "service-fund-repaid.v1": service_funds.ServiceFundRepaid,
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
