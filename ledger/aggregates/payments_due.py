"""What a budget would be paid now, by each channel, and everything that stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

from ledger.aggregates.payee_doubts import PayeeDoubts
from ledger.aggregates.payments import PaidTo, Payment, PaymentDue
from ledger.dates import Period
from ledger.entitlement import PAID_BY, due, recovering_at_most
from ledger.errors import (
    AgreementNotSigned,
    BudgetIsClosed,
    EstateCaseIsOpen,
    NoAllocationInForce,
    OfferNotAccepted,
    PayeeInDoubt,
    PayeeNotVerified,
    PayeeUnknown,
    PaymentAlreadySettled,
    PaymentsAreSuspended,
    RecipientExcluded,
    Refusal,
    ReturnedPaymentNotSettled,
    ServiceFundNotHeld,
)
from ledger.money import for_days
from ledger.terms import Channel


class PaymentsDue(PayeeDoubts):
    """What is owed after all that was paid, and whether it can be."""

    def payment_due(self, period: Period, channel: Channel = "direct_payment") -> PaymentDue:
        """What is owed by a channel to the end of a period after all that was scheduled before.

        Nothing is taken for a clawback from what a provider holds."""
        lines = due(
            self.terms.of(channel),
            self.scheduled_by(channel),
            period,
            self.changed_from[channel],
            PAID_BY[channel],
        )
        deductions: tuple[tuple[str, int], ...] = ()
        if channel == "direct_payment":
            if self.recovery_weekly_cap_pence:
                most = for_days(self.recovery_weekly_cap_pence, period.days)
                lines = recovering_at_most(lines, most)
            if self.clawbacks:
                owed = sum(line.amount_pence for line in lines)
                deductions = tuple(self.instalments_within(owed))
        owed = sum(line.amount_pence for line in lines)
        return PaymentDue(tuple(lines), deductions, owed, channel)

    def failed_gates(
        self,
        period: Period,
        pay_on: date,
        settled: Collection[str] = (),
        channel: Channel = "direct_payment",
        seen_at: int = 0,
    ) -> Iterator[Refusal]:
        """Every gate that stands between this budget and a payment, in the order of life.

        `settled` names payments that came back and are taken to be settled by then. Money that
        came back holds only its own channel. Doubts about the account up to the version
        `seen_at` are the cycle's own matter, which holds the payment or has it released."""
        if self.closed is not None and self.closed.effective_on < period.starts_on:
            yield BudgetIsClosed(f"{self.reference} closed on {self.closed.effective_on}.")
        if channel == "direct_payment":
            yield from self._not_agreed()
            if any(version > seen_at for version in self.payee_doubts.values()):
                yield PayeeInDoubt(f"A check speaks against the account of {self.reference}.")
        elif not self.fund_provider:
            yield ServiceFundNotHeld(f"No provider holds the service funds of {self.reference}.")
        if not any(
            t.channel == channel and t.starts_on <= period.ends_on for t in self.allocations
        ):
            what = "as a direct payment" if channel == "direct_payment" else "into a service fund"
            yield NoAllocationInForce(f"Nothing on {self.reference} is paid {what}.")
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
        for payment_reference, payment in self.held_payments.items():
            if payment.channel == channel and payment_reference not in settled:
                yield ReturnedPaymentNotSettled(
                    f"{payment_reference} came back and is not settled yet.",
                    payment_reference=payment_reference,
                )

    def _not_agreed(self) -> Iterator[Refusal]:
        """What a direct payment needs before it can be paid, and has not."""
        if self.offer_outcome == "excluded":
            yield RecipientExcluded(f"A direct payment on {self.reference} is not permitted.")
        elif self.offer_outcome != "accepted":
            yield OfferNotAccepted(f"No offer has been accepted on {self.reference}.")
        if self.agreement is None:
            yield AgreementNotSigned(f"No agreement has been signed on {self.reference}.")
        if self.payee is None:
            yield PayeeNotVerified(f"No payee has been verified on {self.reference}.")

    def require_reissuable(self, payment_reference: str, pay_on: date, seen_at: int = 0) -> Payment:
        """The payment that came back and may be sent again on a day, or the refusal that says why.

        Nothing is sent again before the day it came back, or while the budget is suspended,
        excluded or without a payee."""
        payment = self.require_held(payment_reference)
        if payment is None:
            raise PaymentAlreadySettled(f"{payment_reference} was refunded to the budget.")
        for refusal in self.failed_gates(
            payment.period, pay_on, self.held_payments, payment.channel, seen_at
        ):
            raise refusal
        self._require_back_by(payment_reference, payment, pay_on)
        return payment

    def _require_paid_to(self, channel: Channel, named: PaidTo | None) -> PaidTo:
        """Where a payment goes now: exactly where whoever pays it says that it goes.

        Which account of a provider's is paid into, the provider decides and not the budget."""
        provider_reference = self.provider_of(channel)
        if provider_reference:
            if named is not None and named.provider_reference == provider_reference:
                return named
        else:
            assert self.payee is not None, "the gate for the payee was passed"
            own = PaidTo(self.payee.payee_reference)
            if named in (None, own):
                return own
        raise PayeeUnknown(f"The payee of {self.reference} is another one by now.")
