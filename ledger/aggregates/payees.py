"""Who is paid: details proposed by one person and verified by another.

The event holds a reference to the sealed details and a keyed fingerprint of the account, so
that two budgets paying one account can be seen without anyone seeing the account. What the
checks of the details said is recorded too, whenever they were made.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, NamedTuple, Unpack

from ledger.aggregates.care_decisions import CareDecisions
from ledger.aggregates.event_sourced import Event, EventSourced, Said, applies, command
from ledger.dates import day_in_england
from ledger.errors import (
    AccountFailsModulusCheck,
    PayeeNotConfirmed,
    PayeeNotProposed,
    VerifierProposedPayee,
)

PayeeType = Literal[
    "recipient",
    "nominated_person",
    "authorised_person",
    "managed_account",
    "personal_representative",
]
"""Who holds the account. A personal representative is the executor or administrator of the
estate of someone who has died."""

PayeeSource = Literal["person", "bank_advice"]
"""Who said that this is the account: a person, or the bank in a report of its own (AWACS)."""

ModulusCheck = Literal["valid", "invalid", "no_rule", "no_table"]
"""What the modulus check said: passed, failed, no rule for the sort code, or no table to
check by."""

NameAnswer = Literal[
    "match", "ANNM", "MBAM", "BANM", "PANM", "BAMM", "PAMM", "AC01", "ACNS", "OPTO", "CASS",
    "SCNS", "IVCR", "unavailable",
]  # fmt: skip

NAME_ANSWERS: dict[NameAnswer, str] = {
    "match": "the name is that of the account",
    "ANNM": "the name is not that of the account",
    "MBAM": "the name is close to that of the account",
    "BANM": "the name is right, but it is a business account",
    "PANM": "the name is right, but it is a personal account",
    "BAMM": "the name is close, and it is a business account",
    "PAMM": "the name is close, and it is a personal account",
    "AC01": "there is no such account",
    "ACNS": "the account is of a kind that cannot be checked",
    "OPTO": "the account holder has opted out of being checked",
    "CASS": "the account was switched to another bank",
    "SCNS": "the bank of this sort code takes no part in the checks",
    "IVCR": "the roll number is missing or wrong",
    "unavailable": "the service did not answer",
}
"""What confirmation of payee answers, in the codes of the scheme, and what each means."""

SIMULATOR = "simulator"
"""`checked_with` of an answer that no bank gave."""

OverrideReason = Literal[
    "evidence_seen", "known_trading_name", "joint_account", "called_back", "other_bank_evidence"
]
"""Why details are verified although confirmation of payee did not confirm them."""

WithdrawalReason = Literal["wrong_details", "not_confirmed", "fraud_suspected", "no_longer_wanted"]


class PayeeProposed(Event):
    """Someone gave account details for payments; nothing is paid to them yet.

    With `provider_reference` it is that provider's account, whichever is verified there.

    `modulus_check` says whether the account number passed the modulus check of the weight table
    then in force, or why it was not checked; it is nothing on events older than the check, and
    an account that fails is never proposed.
    """

    payee_reference: str
    payee_type: PayeeType
    fingerprint: str
    modulus_check: ModulusCheck | None = None
    modulus_table_version: str = ""
    source: PayeeSource = "person"
    provider_reference: str = ""


class PayeeNameChecked(Event):
    """Whether the account is in the name given was asked; `checked_with` says of whom.

    A name that came back is sealed beside the details and never here.
    """

    payee_reference: str
    answer: NameAnswer
    checked_with: str


class PayeeNumberChecked(Event):
    """The account number was checked again, by the weight table in force by then."""

    payee_reference: str
    modulus_check: ModulusCheck
    modulus_table_version: str = ""


class PayeeVerified(Event):
    """Someone other than the proposer checked the details; payments go there from now.

    `override_reason` says why, if confirmation of payee had not confirmed the name.
    """

    payee_reference: str
    override_reason: str = ""


class PayeeWithdrawn(Event):
    """Details that were put forward are not to be verified after all."""

    payee_reference: str
    reason_code: WithdrawalReason


class Payee(NamedTuple):
    """A set of account details, by reference, and what the checks of them said last.

    `verified_on` is the day in England on which their verification was recorded. With a
    `provider_reference` they are that provider's, and the reference is the provider's too.
    """

    payee_reference: str
    payee_type: PayeeType
    fingerprint: str
    proposed_by: str
    modulus_check: ModulusCheck | None = None
    modulus_table_version: str = ""
    name_check: NameAnswer | None = None
    name_checked_with: str = ""
    verified_on: date | None = None
    provider_reference: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether nothing speaks against the name: it matched, or was never asked about."""
        return self.name_check in (None, "match")


class Accounts(EventSourced):
    """Account details, of which one set is in use: the rules that budgets and providers share."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.proposed_payees: dict[str, Payee] = {}
        self.payee: Payee | None = None

    @property
    def known_payees(self) -> list[Payee]:
        """The payee in use and those proposed, each set of details once."""
        in_use = {self.payee.payee_reference: self.payee} if self.payee else {}
        return list((in_use | self.proposed_payees).values())

    def known_payee(self, payee_reference: str) -> Payee:
        """Details that are proposed, or verified and in use. Raises `PayeeNotProposed`."""
        known = self.proposed_payees.get(payee_reference, self.payee)
        if known is None or known.payee_reference != payee_reference:
            raise PayeeNotProposed(
                f"{payee_reference} has not been proposed as payee of {self.reference}."
            )
        return known

    def _is_known(self, payee_reference: str, payee_type: PayeeType, fingerprint: str) -> bool:
        known = self.proposed_payees.get(payee_reference, self.payee)
        return known is not None and known[:3] == (payee_reference, payee_type, fingerprint)

    def _require_verifiable(self, payee_reference: str, verified_by: str) -> Payee | None:
        """The proposed details that someone may verify; None if they were verified before."""
        proposed = self.known_payee(payee_reference)
        if payee_reference not in self.proposed_payees:
            return None
        if proposed.proposed_by == verified_by:
            raise VerifierProposedPayee(
                f"{verified_by} proposed these details; someone else must verify them."
            )
        require_possible(proposed.modulus_check, proposed.modulus_table_version)
        return proposed

    def _take_into_use(self, payee_reference: str, recorded_at: datetime) -> None:
        verified = self.proposed_payees.pop(payee_reference)
        self.payee = verified._replace(verified_on=day_in_england(recorded_at))


class Payees(Accounts, CareDecisions):
    """The details proposed, and the verified ones that payments go to."""

    @property
    def own_payees(self) -> list[Payee]:
        """Those of the known payees whose details are the budget's own, and no provider's."""
        return [payee for payee in self.known_payees if not payee.provider_reference]

    def propose_payee(
        self,
        *,
        payee_reference: str,
        payee_type: PayeeType,
        fingerprint: str,
        modulus_check: ModulusCheck = "no_table",
        modulus_table_version: str = "",
        source: PayeeSource = "person",
        **said: Unpack[Said],
    ) -> None:
        """Propose account details, already sealed in the durable tables, for payments.

        Until they are verified, payments go on to the payee verified before. Allowed after
        closing, so that money which came back can still be sent on.
        """
        if self._is_known(payee_reference, payee_type, fingerprint):
            return
        require_possible(modulus_check, modulus_table_version)
        self._record(
            PayeeProposed(
                payee_reference=payee_reference,
                payee_type=payee_type,
                fingerprint=fingerprint,
                modulus_check=modulus_check,
                modulus_table_version=modulus_table_version,
                source=source,
                **said,
            )
        )

    @command
    def propose_managed_account(self, *, provider_reference: str, **said: Unpack[Said]) -> None:
        """Propose that a provider holds the direct payment in a managed account.

        Someone else verifies it, as any payee. It is then paid to the account verified for the
        provider, together with all that the provider is paid.
        """
        if not self._is_known(provider_reference, "managed_account", ""):
            self._record(
                PayeeProposed(
                    payee_reference=provider_reference,
                    payee_type="managed_account",
                    fingerprint="",
                    provider_reference=provider_reference,
                    **said,
                )
            )

    def check_payee_name(
        self,
        *,
        payee_reference: str,
        answer: NameAnswer,
        checked_with: str,
        **said: Unpack[Said],
    ) -> None:
        """Record what confirmation of payee answered: each time it was asked, a new answer."""
        self.known_payee(payee_reference)
        self._record(
            PayeeNameChecked(
                payee_reference=payee_reference, answer=answer, checked_with=checked_with, **said
            )
        )

    def check_payee_number(
        self,
        *,
        payee_reference: str,
        modulus_check: ModulusCheck,
        modulus_table_version: str,
        **said: Unpack[Said],
    ) -> None:
        """Record what the modulus check says by the table in force now, if that is new."""
        known = self.known_payee(payee_reference)
        found = (modulus_check, modulus_table_version)
        if found == (known.modulus_check, known.modulus_table_version):
            return
        self._record(
            PayeeNumberChecked(
                payee_reference=payee_reference,
                modulus_check=modulus_check,
                modulus_table_version=modulus_table_version,
                **said,
            )
        )

    @command
    def verify_payee(
        self,
        *,
        payee_reference: str,
        override_reason: OverrideReason | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Confirm that the proposed details were checked, by someone who did not propose them.

        Details that confirmation of payee did not confirm need a reason to override its answer.
        The reason is kept only where there was something to override.
        """
        proposed = self._require_verifiable(payee_reference, said["recorded_by"])
        if proposed is None:
            return
        if proposed.name_check is not None and not (proposed.confirmed or override_reason):
            what = answered(proposed.name_check, proposed.name_checked_with)
            raise PayeeNotConfirmed(
                f"The details {payee_reference[:8]} are not confirmed: {what}.",
                payee_reference=payee_reference,
                answer=proposed.name_check,
                checked_with=proposed.name_checked_with,
            )
        overridden = "" if proposed.confirmed else override_reason or ""
        self._record(
            PayeeVerified(payee_reference=payee_reference, override_reason=overridden, **said)
        )

    @command
    def withdraw_payee(
        self, *, payee_reference: str, reason_code: WithdrawalReason, **said: Unpack[Said]
    ) -> None:
        """Take back details that were proposed and not yet verified, so that nobody verifies them.

        They may be proposed again."""
        if payee_reference not in self.proposed_payees:
            raise PayeeNotProposed(
                f"{payee_reference} is not waiting to be verified on {self.reference}."
            )
        self._record(
            PayeeWithdrawn(payee_reference=payee_reference, reason_code=reason_code, **said)
        )

    @applies(PayeeProposed)
    def _payee_proposed(self, event: PayeeProposed) -> None:
        self.proposed_payees[event.payee_reference] = Payee(
            event.payee_reference,
            event.payee_type,
            event.fingerprint,
            event.recorded_by,
            event.modulus_check,
            event.modulus_table_version,
            provider_reference=event.provider_reference,
        )

    @applies(PayeeNameChecked)
    def _payee_name_checked(self, event: PayeeNameChecked) -> None:
        self._note(
            event.payee_reference, name_check=event.answer, name_checked_with=event.checked_with
        )

    @applies(PayeeNumberChecked)
    def _payee_number_checked(self, event: PayeeNumberChecked) -> None:
        self._note(
            event.payee_reference,
            modulus_check=event.modulus_check,
            modulus_table_version=event.modulus_table_version,
        )

    @applies(PayeeVerified)
    def _payee_verified(self, event: PayeeVerified) -> None:
        self._take_into_use(event.payee_reference, event.recorded_at)

    @applies(PayeeWithdrawn)
    def _payee_withdrawn(self, event: PayeeWithdrawn) -> None:
        del self.proposed_payees[event.payee_reference]

    def _note(self, payee_reference: str, **found: Any) -> None:
        """Keep what a check said of details, which may be in use and proposed anew at once."""
        proposed = self.proposed_payees.get(payee_reference)
        if proposed is not None:
            self.proposed_payees[payee_reference] = proposed._replace(**found)
        if self.payee is not None and self.payee.payee_reference == payee_reference:
            self.payee = self.payee._replace(**found)


def answered(answer: NameAnswer, checked_with: str) -> str:
    """An answer in words, and whose it is: a simulator's is never taken for a bank's."""
    code = "" if answer in ("match", "unavailable") else f"{answer}, "
    by = "a simulator; no bank was asked" if checked_with == SIMULATOR else checked_with
    return f"{NAME_ANSWERS[answer]} ({code}answered by {by})"


def require_possible(modulus_check: ModulusCheck | None, table_version: str) -> None:
    """Refuse an account number that its modulus check failed: `AccountFailsModulusCheck`."""
    if modulus_check == "invalid":
        raise AccountFailsModulusCheck(
            "The account number does not pass the modulus check of its sort code "
            f"(table {table_version}).",
            modulus_table_version=table_version,
        )
