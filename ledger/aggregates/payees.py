"""Who is paid: details proposed by one person and verified by another.

The event holds a reference to the sealed details and a keyed fingerprint of the account, so
that two budgets paying one account can be seen without anyone seeing the account.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Unpack

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.errors import AccountFailsModulusCheck, PayeeNotProposed, VerifierProposedPayee

PayeeType = Literal["recipient", "nominated_person", "authorised_person", "managed_account"]

ModulusCheck = Literal["valid", "no_rule", "no_table"]
"""What the modulus check said: passed, no rule for the sort code, or no table to check by."""


class PayeeProposed(Event):
    """Someone gave account details for payments; nothing is paid to them yet.

    `modulus_check` says whether the account number passed the modulus check of the weight table
    then in force, or why it was not checked; it is nothing on events older than the check.
    """

    payee_reference: str
    payee_type: PayeeType
    fingerprint: str
    modulus_check: ModulusCheck | None = None
    modulus_table_version: str = ""


class PayeeVerified(Event):
    """Someone other than the proposer checked the details; payments go there from now."""

    payee_reference: str


class Payee(NamedTuple):
    """A set of account details, by reference."""

    payee_reference: str
    payee_type: PayeeType
    fingerprint: str
    proposed_by: str
    modulus_check: ModulusCheck | None = None
    modulus_table_version: str = ""


class Payees(CareDecisions):
    """The details proposed, and the verified ones that payments go to."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.proposed_payees: dict[str, Payee] = {}
        self.payee: Payee | None = None

    def propose_payee(
        self,
        *,
        payee_reference: str,
        payee_type: PayeeType,
        fingerprint: str,
        modulus_check: ModulusCheck | Literal["invalid"] = "no_table",
        modulus_table_version: str = "",
        **said: Unpack[Said],
    ) -> None:
        """Propose account details, already sealed in the durable tables, for payments.

        Until they are verified, payments go on to the payee verified before. Allowed after
        closing, so that money which came back can still be sent on.
        """
        known = self.proposed_payees.get(payee_reference, self.payee)
        if known is not None and known[:3] == (payee_reference, payee_type, fingerprint):
            return
        if modulus_check == "invalid":
            raise AccountFailsModulusCheck(
                "The account number does not pass the modulus check of its sort code "
                f"(table {modulus_table_version}).",
                modulus_table_version=modulus_table_version,
            )
        self._record(
            PayeeProposed(
                payee_reference=payee_reference,
                payee_type=payee_type,
                fingerprint=fingerprint,
                modulus_check=modulus_check,
                modulus_table_version=modulus_table_version,
                **said,
            )
        )

    @command
    def verify_payee(self, *, payee_reference: str, **said: Unpack[Said]) -> None:
        """Confirm that the proposed details were checked, by someone who did not propose them."""
        proposed = self.proposed_payees.get(payee_reference)
        if proposed is None:
            if self.payee and self.payee.payee_reference == payee_reference:
                return
            raise PayeeNotProposed(
                f"{payee_reference} has not been proposed as payee of {self.reference}."
            )
        if proposed.proposed_by == said["recorded_by"]:
            raise VerifierProposedPayee(
                f"{said['recorded_by']} proposed these details; someone else must verify them."
            )
        self._record(PayeeVerified(payee_reference=payee_reference, **said))

    @applies(PayeeProposed)
    def _payee_proposed(self, event: PayeeProposed) -> None:
        self.proposed_payees[event.payee_reference] = Payee(
            event.payee_reference,
            event.payee_type,
            event.fingerprint,
            event.recorded_by,
            event.modulus_check,
            event.modulus_table_version,
        )

    @applies(PayeeVerified)
    def _payee_verified(self, event: PayeeVerified) -> None:
        self.payee = self.proposed_payees.pop(event.payee_reference)
