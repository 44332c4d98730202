"""A provider who is paid for several people at once, and the one account it is paid into.

It holds people's money for them: in managed accounts, or in individual service funds. As with
any payee, account details are proposed by one person and verified by another; its name and
account are sealed in the durable tables and never in an event.
"""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar, Literal, Unpack

from ledger.aggregates.event_sourced import Event, Said, applies, command, register
from ledger.aggregates.payees import (
    Accounts,
    ModulusCheck,
    Payee,
    WithdrawalReason,
    require_possible,
)
from ledger.errors import InvalidValue, PayeeNotProposed, ProviderHasEnded

ProviderEnding = Literal["contract_ended", "ceased_trading", "not_suitable", "other"]

_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9-]{0,19}")


class ProviderRegistered(Event):
    """A provider is known by this reference; its name is sealed."""

    reference: str


class ProviderAccountProposed(Event):
    """Someone gave account details for a provider; nothing is paid to them yet."""

    account_reference: str
    fingerprint: str
    modulus_check: ModulusCheck
    modulus_table_version: str = ""


class ProviderAccountVerified(Event):
    """Someone other than the proposer checked the details; payments go there from now."""

    account_reference: str


class ProviderAccountWithdrawn(Event):
    """Details that were proposed, or even in use, are not to be paid to."""

    account_reference: str
    reason_code: WithdrawalReason


class ProviderEnded(Event):
    """Nothing is paid to the provider after `effective_on`."""

    reason_code: ProviderEnding


class Provider(Accounts):
    """A provider, by its reference."""

    STREAM: ClassVar[str] = "provider"

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.ended: ProviderEnded | None = None

    def account_on(self, on: date) -> Payee | None:
        """The verified account that can be paid on a day, if there is one."""
        return None if self.ended and self.ended.effective_on < on else self.payee

    def require_in_use(self, on: date) -> None:
        """Refuse what begins on a day after the last one: `ProviderHasEnded`."""
        if self.ended is not None and self.ended.effective_on < on:
            raise ProviderHasEnded(f"{self.reference} ended on {self.ended.effective_on}.")

    def register(self, **said: Unpack[Said]) -> None:
        """Begin with a provider whose name was just sealed; said again, nothing is recorded."""
        if not is_provider_reference(self.reference):
            raise InvalidValue(
                "A provider's reference is 1 to 20 of A to Z, 0 to 9 and -.", field="reference"
            )
        if not self.version:
            self._record(ProviderRegistered(reference=self.reference, **said))

    def propose_account(
        self,
        *,
        account_reference: str,
        fingerprint: str,
        modulus_check: ModulusCheck,
        modulus_table_version: str = "",
        **said: Unpack[Said],
    ) -> None:
        """Propose account details, already sealed; until verified, the old ones are paid to."""
        self.require_in_use(said["effective_on"])
        if self._is_known(account_reference, "managed_account", fingerprint):
            return
        require_possible(modulus_check, modulus_table_version)
        self._record(
            ProviderAccountProposed(
                account_reference=account_reference,
                fingerprint=fingerprint,
                modulus_check=modulus_check,
                modulus_table_version=modulus_table_version,
                **said,
            )
        )

    @command
    def verify_account(self, *, account_reference: str, **said: Unpack[Said]) -> None:
        """Confirm that proposed details were checked, by someone who did not propose them."""
        if self._require_verifiable(account_reference, said["recorded_by"]) is not None:
            self._record(ProviderAccountVerified(account_reference=account_reference, **said))

    @command
    def withdraw_account(
        self, *, account_reference: str, reason_code: WithdrawalReason, **said: Unpack[Said]
    ) -> None:
        """Take account details back. If they are in use, nothing is paid until others are verified.

        They may be proposed again."""
        known = {payee.payee_reference for payee in self.known_payees}
        if account_reference not in known:
            raise PayeeNotProposed(
                f"{account_reference} is neither proposed nor in use for {self.reference}."
            )
        self._record(
            ProviderAccountWithdrawn(
                account_reference=account_reference, reason_code=reason_code, **said
            )
        )

    @command
    def end(self, *, reason_code: ProviderEnding, **said: Unpack[Said]) -> None:
        """Pay the provider nothing more after `effective_on`; whose money it holds must be moved.

        The budgets that name it say so to the approver of each cycle until they name another."""
        if self.ended is None:
            self._record(ProviderEnded(reason_code=reason_code, **said))

    @applies(ProviderRegistered)
    def _registered(self, _event: ProviderRegistered) -> None:
        pass

    @applies(ProviderAccountProposed)
    def _account_proposed(self, event: ProviderAccountProposed) -> None:
        self.proposed_payees[event.account_reference] = Payee(
            event.account_reference,
            "managed_account",
            event.fingerprint,
            event.recorded_by,
            event.modulus_check,
            event.modulus_table_version,
        )

    @applies(ProviderAccountVerified)
    def _account_verified(self, event: ProviderAccountVerified) -> None:
        self._take_into_use(event.account_reference, event.recorded_at)

    @applies(ProviderAccountWithdrawn)
    def _account_withdrawn(self, event: ProviderAccountWithdrawn) -> None:
        self.proposed_payees.pop(event.account_reference, None)
        if self.payee is not None and self.payee.payee_reference == event.account_reference:
            self.payee = None

    @applies(ProviderEnded)
    def _ended(self, event: ProviderEnded) -> None:
        self.ended = event


def is_provider_reference(text: str) -> bool:
    """Whether it is written as a provider's; no reference of account details is."""
    return _REFERENCE.fullmatch(text) is not None


register(
    Provider.STREAM,
    {
        "registered.v1": ProviderRegistered,
        "account-proposed.v1": ProviderAccountProposed,
        "account-verified.v1": ProviderAccountVerified,
        "account-withdrawn.v1": ProviderAccountWithdrawn,
        "ended.v1": ProviderEnded,
    },
)
