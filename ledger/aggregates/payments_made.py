"""What the bank did with each payment, and how money that came back is settled.

Money that is sent back, or that the bank does not take, is the council's again and held apart.
It is settled by sending it again, by refunding it to the budget, or by an estate case; until
then nothing more is paid. None of it is ever settled by being forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Unpack

from ledger.aggregates.estates import EstateCases
from ledger.aggregates.event_sourced import Said, applies, command
from ledger.aggregates.payments import (
    DECEASED,
    BankRejection,
    Held,
    Payment,
    PaymentCancelled,
    PaymentConfirmed,
    PaymentRefunded,
    PaymentRejected,
    PaymentReturned,
    ReturnReason,
)
from ledger.aggregates.recovery import Recovery
from ledger.aggregates.service_funds import ServiceFunds
from ledger.entitlement import EntitlementLine
from ledger.errors import (
    PaymentAlreadySettled,
    PaymentHasLeft,
    PaymentNotFound,
    PaymentNotIssued,
    PaymentNotReturned,
)
from ledger.terms import Channel


class PaymentsMade(EstateCases, Recovery, ServiceFunds):
    """Every payment promised, by its reference, and what came of it."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.payments: dict[str, Payment] = {}

    @property
    def held_payments(self) -> dict[str, Payment]:
        """The payments whose money came back and is not settled, by reference."""
        return {reference: p for reference, p in self.payments.items() if p.is_held}

    @property
    def last_payment(self) -> Payment | None:
        """The direct payment scheduled last that still stands, if any."""
        return self.last_paid("direct_payment")

    def last_paid(self, channel: Channel) -> Payment | None:
        """The payment by a channel scheduled last that still stands, if any."""
        payments = (p for p in reversed(self.payments.values()) if p.channel == channel)
        return next((payment for payment in payments if payment.stands), None)

    def provider_of(self, channel: Channel) -> str:
        """The provider who is paid by a channel now; nothing if none is."""
        if channel == "service_fund":
            return self.fund_provider
        return self.payee.provider_reference if self.payee else ""

    def named_on(self, channel: Channel) -> date:
        """The day on which whoever is paid by a channel now was named; `date.min`: nobody was."""
        if channel == "service_fund":
            return self.fund_named_on
        return (self.payee and self.payee.verified_on) or date.min

    def confirm_payment(self, *, payment_reference: str, **said: Unpack[Said]) -> None:
        """Record that the money left the council's account, on `effective_on`."""
        payment = self._require_not_cancelled(payment_reference)
        if payment.status == "scheduled":
            self._record(_confirmed(payment_reference, payment, said))

    @command
    def return_payment(
        self, *, payment_reference: str, reason_code: ReturnReason, **said: Unpack[Said]
    ) -> None:
        """Record that the bank returned the money; what came back must first have gone out.

        If it says that the account holder has died, an estate case is opened, unless it is a
        provider's account.
        """
        payment = self._require_not_cancelled(payment_reference)
        if payment.status == "rejected":
            raise PaymentNotIssued(f"The bank did not take {payment_reference}: it never left.")
        if payment.status not in ("scheduled", "confirmed"):
            return
        if said["effective_on"] < payment.pay_on:
            raise PaymentNotIssued(
                f"{payment_reference} is paid on {payment.pay_on}; it cannot come back before."
            )
        returned = PaymentReturned(
            payment_reference=payment_reference,
            cycle_reference=payment.cycle_reference,
            amount_pence=payment.amount_pence,
            reason_code=reason_code,
            funding=payment.funding,
            **said,
        )
        if payment.status == "scheduled":
            went_out: Said = {**said, "effective_on": payment.pay_on}
            self._record(_confirmed(payment_reference, payment, went_out), returned)
        else:
            self._record(returned)
        self._death_reported(payment_reference, reason_code, said)

    def reject_payment(
        self, *, payment_reference: str, reason_code: BankRejection, **said: Unpack[Said]
    ) -> None:
        """Record that the bank did not take the payment: the money never left the council.

        In effect from the day it was to be paid at the earliest, so that no day has the one without
        the other. If it says that the account holder has died, an estate case is opened.
        """
        payment = self._require_not_cancelled(payment_reference)
        if payment.status == "rejected":
            return
        if payment.status != "scheduled":
            raise PaymentHasLeft(f"{payment_reference} is {payment.status}.")
        not_taken: Said = {**said, "effective_on": max(said["effective_on"], payment.pay_on)}
        self._record(
            PaymentRejected(
                payment_reference=payment_reference,
                cycle_reference=payment.cycle_reference,
                amount_pence=payment.amount_pence,
                reason_code=reason_code,
                funding=payment.funding,
                **not_taken,
            )
        )
        self._death_reported(payment_reference, reason_code, said)

    @command
    def refund_payment(self, *, payment_reference: str, **said: Unpack[Said]) -> None:
        """Refund money that came back to the budget: what it was for is open again.

        If it is still owed, the next cycle pays it; if not, it is no longer spent.
        """
        payment = self.require_held(payment_reference)
        if payment is not None:
            self._refund(payment_reference, payment, "", said)

    def cancel_payment(self, *, payment_reference: str, **said: Unpack[Said]) -> None:
        """Withdraw a promised payment that is in no bank file; what it settled is owed again.

        In effect from the day it was to be paid, so that no day has the one without the other.
        """
        payment = self.require_payment(payment_reference)
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

    def require_payment(self, payment_reference: str) -> Payment:
        """A payment by its reference. Raises `PaymentNotFound`."""
        payment = self.payments.get(payment_reference)
        if payment is None:
            raise PaymentNotFound(f"{self.reference} has no payment {payment_reference}.")
        return payment

    def require_held(self, payment_reference: str) -> Payment | None:
        """A payment whose money is held; None if it was refunded already. Else a refusal."""
        payment = self.require_payment(payment_reference)
        if payment.is_held:
            return payment
        if payment.status == "refunded":
            return None
        if payment.status == "reissued":
            raise PaymentAlreadySettled(f"{payment_reference} was already issued again.")
        raise PaymentNotReturned(f"{payment_reference} is {payment.status}.")

    def _require_back_by(self, payment_reference: str, payment: Payment, on: date) -> None:
        assert payment.held is not None, "what is held came back on a day"
        if on < payment.held.on:
            raise PaymentNotReturned(
                f"{payment_reference} came back on {payment.held.on}, not by {on}."
            )

    def _refund(
        self, payment_reference: str, payment: Payment, case_reference: str, said: Said
    ) -> None:
        self._require_back_by(payment_reference, payment, said["effective_on"])
        promised_as = payment_reference
        while reissue_of := self.payments[promised_as].reissue_of:
            promised_as = reissue_of
        self._record(
            PaymentRefunded(
                payment_reference=payment_reference,
                promised_as=promised_as,
                cycle_reference=payment.cycle_reference,
                amount_pence=payment.amount_pence,
                lines=self.payments[promised_as].lines,
                deductions=tuple(d.taken for d in self.deductions_from(promised_as)),
                case_reference=case_reference,
                **said,
            )
        )

    def _death_reported(self, payment_reference: str, reason_code: str, said: Said) -> None:
        """The account of a provider is nobody's whose death could matter here."""
        is_own = not self.payments[payment_reference].provider_reference
        if reason_code in DECEASED and is_own and not self.undecided_estate_case:
            self.open_estate_case(
                case_reference=f"EC-{payment_reference}", reported_by="bank", **said
            )

    def _require_not_cancelled(self, payment_reference: str) -> Payment:
        payment = self.require_payment(payment_reference)
        if payment.status == "cancelled":
            raise PaymentNotIssued(f"{payment_reference} was cancelled before it left.")
        return payment

    @applies(PaymentConfirmed)
    def _payment_confirmed(self, event: PaymentConfirmed) -> None:
        self.payments[event.payment_reference].status = "confirmed"

    @applies(PaymentReturned)
    def _payment_returned(self, event: PaymentReturned) -> None:
        self._hold(event.payment_reference, Held("returned", event.effective_on, event.reason_code))

    @applies(PaymentRejected)
    def _payment_rejected(self, event: PaymentRejected) -> None:
        self._hold(event.payment_reference, Held("rejected", event.effective_on, event.reason_code))

    def _hold(self, payment_reference: str, held: Held) -> None:
        payment = self.payments[payment_reference]
        payment.status, payment.held = held.status, held

    @applies(PaymentRefunded)
    def _payment_refunded(self, event: PaymentRefunded) -> None:
        self.payments[event.payment_reference].status = "refunded"
        self._reopen(event.promised_as, event.lines, event.deductions)

    @applies(PaymentCancelled)
    def _payment_cancelled(self, event: PaymentCancelled) -> None:
        self.payments[event.payment_reference].status = "cancelled"
        self._reopen(event.payment_reference, event.lines, event.deductions)
        if event.reissue_of:
            returned = self.payments[event.reissue_of]
            assert returned.held is not None, "what was sent again had come back"
            returned.status = returned.held.status

    def _reopen(
        self,
        payment_reference: str,
        lines: Sequence[EntitlementLine],
        deductions: Iterable[tuple[str, int]],
    ) -> None:
        """What a payment settled is open again."""
        self.scheduled_lines.reverse()  # of several lines alike, the last is the one to go
        for line in lines:
            self.scheduled_lines.remove(line)
            self._terms_changed(line.window.starts_on)
        self.scheduled_lines.reverse()
        for clawback_reference, _ in deductions:
            self._deduction_cancelled(clawback_reference, payment_reference)


def _confirmed(payment_reference: str, payment: Payment, said: Said) -> PaymentConfirmed:
    return PaymentConfirmed(
        payment_reference=payment_reference,
        cycle_reference=payment.cycle_reference,
        amount_pence=payment.amount_pence,
        funding=payment.funding,
        **said,
    )
