"""Individual service funds: money that a provider holds for one person, by contract.

It is no direct payment: no offer, agreement or payee of the person's stands before it, and the
contribution set against it is invoiced. One provider holds all of a budget's funds. What it was
paid for days that turn out to be worth less is taken off its next payment, or comes back.
"""

from __future__ import annotations

from datetime import date
from typing import Unpack

from ledger.aggregates.allocations import Allocations
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.dates import day_in_england
from ledger.entitlement import EntitlementLine
from ledger.errors import ReferenceUsedForOtherFacts, ServiceFundNotOverpaid
from ledger.money import format_pounds


class ServiceFundHeld(Event):
    """A provider holds the budget's service funds, which are paid for days from `effective_on`.

    A later one names another provider, who is paid from then on, whatever the day."""

    provider_reference: str


class ServiceFundRepaid(Event):
    """The provider paid back what days already paid were overpaid by; `lines` settle them."""

    receipt_reference: str
    amount_pence: int
    lines: tuple[EntitlementLine, ...]


class ServiceFunds(Allocations):
    """Who holds the budget's service funds, and what they paid back."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.fund_provider = ""
        self.fund_named_on = date.min
        self.fund_receipts: dict[str, int] = {}

    @property
    def has_service_fund(self) -> bool:
        """Whether any line was ever held in a service fund, or paid so."""
        return bool(self.fund_provider) or any(
            term.channel == "service_fund" for term in self.allocations
        )

    @command
    def hold_service_fund(self, *, provider_reference: str, **said: Unpack[Said]) -> None:
        """Name the provider who holds the individual service funds.

        They are paid for days from the first `effective_on` that was ever given. Another provider
        is paid from now on; what the one before was paid is settled with them.
        """
        self._require_in_life(said["effective_on"])
        is_same = self.fund_provider == provider_reference
        if not is_same or said["effective_on"] < self.funded_from:
            self._record(ServiceFundHeld(provider_reference=provider_reference, **said))

    @command
    def receive_service_fund(
        self, *, receipt_reference: str, amount_pence: int, **said: Unpack[Said]
    ) -> None:
        """Record that the provider paid back what days already paid are overpaid by, all of it.

        The same receipt twice is recorded once. What is not paid back is taken off what the
        provider is paid next.
        """
        received = self.fund_receipts.get(receipt_reference)
        if received == amount_pence:
            return
        if received is not None:
            raise ReferenceUsedForOtherFacts(
                f"The receipt {receipt_reference} was recorded for another amount."
            )
        lines = self.adjustments_due("service_fund")
        overpaid_pence = -sum(line.amount_pence for line in lines)
        if amount_pence <= 0 or amount_pence != overpaid_pence:
            raise ServiceFundNotOverpaid(
                f"The service fund of {self.reference} is overpaid by "
                f"{format_pounds(max(overpaid_pence, 0))} now, not {format_pounds(amount_pence)}.",
                overpaid_pence=overpaid_pence,
            )
        self._record(
            ServiceFundRepaid(
                receipt_reference=receipt_reference,
                amount_pence=amount_pence,
                lines=tuple(lines),
                **said,
            )
        )

    @applies(ServiceFundHeld)
    def _service_fund_held(self, event: ServiceFundHeld) -> None:
        if self.fund_provider != event.provider_reference:
            self.fund_named_on = day_in_england(event.recorded_at)
        self.fund_provider = event.provider_reference
        self.funded_from = min(self.funded_from, event.effective_on)
        self._terms_changed(event.effective_on)

    @applies(ServiceFundRepaid)
    def _service_fund_repaid(self, event: ServiceFundRepaid) -> None:
        self.fund_receipts[event.receipt_reference] = event.amount_pence
        self.scheduled_lines.extend(event.lines)
        self.changed_from["service_fund"] = date.max
