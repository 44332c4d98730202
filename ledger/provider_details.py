"""Providers' names and accounts: durable, sealed under the key of the files, never in an event.

Rows are built here and inserted by the recorder in the transaction of the events that mention
them. A provider is no recipient: it is not erased, and what it was paid into stays readable.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Engine, select

from ledger.accounts import masked, parse_account
from ledger.durable import provider_accounts, provider_details
from ledger.errors import InvalidValue
from ledger.keyring import Keyring, place
from ledger.people import Row, chunks, moment_text
from ledger.private import Private

_ACCOUNTS = uuid.UUID("b7c1f0a2-5d3e-5f6b-8a41-0e9d7c2b4f18")  # uuid5 namespace; never changes
LONGEST_NAME = 140


class ProviderAccount(Private, frozen=True):
    """The account that a provider is paid into; make it with `ProviderDetails.new_account`."""

    account_reference: str
    provider_reference: str
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str = ""


class ProviderDetails:
    """Builds the rows of names and accounts, and reads them back. It writes nothing itself."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self.engine = engine
        self.keyring = keyring

    def sealed_name(self, provider_reference: str, name: str, recorded_at: datetime) -> Row:
        """A row of `provider_details`; raises `InvalidValue`."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise InvalidValue(f"name must be 1 to {LONGEST_NAME} characters.", field="name")
        sealed_as = place("provider_details.name_sealed", provider_reference)
        return {
            "provider_reference": provider_reference,
            "name_sealed": self.keyring.seal(self.keyring.file_key, name.encode(), sealed_as),
            "recorded_at": moment_text(recorded_at),
        }

    def names(self, *references: str) -> dict[str, str]:
        """The names of those of the providers that there are; none named: of all."""
        t = provider_details.c
        query = select(t.provider_reference, t.name_sealed).order_by(t.provider_reference)
        if references:
            query = query.where(t.provider_reference.in_(references))
        with self.engine.connect() as connection:
            return {
                reference: self.keyring.open(
                    self.keyring.file_key, sealed, place("provider_details.name_sealed", reference)
                ).decode()
                for reference, sealed in connection.execute(query)
            }

    def new_account(
        self,
        provider_reference: str,
        account_name: str,
        sort_code: str,
        account_number: str,
        roll_number: str = "",
    ) -> ProviderAccount:
        """Checked and normalised details with their reference: the same details, the same one.

        Raises `UnreadableAccountName`, `UnreadableSortCode`, `UnreadableAccountNumber` or
        `UnreadableRollNumber`.
        """
        account = parse_account(account_name, sort_code, account_number, roll_number)
        name, sort_code, account_number, roll_number = account
        told = self.keyring.fingerprint(sort_code, account_number, name, roll_number)
        reference = uuid.uuid5(_ACCOUNTS, f"{provider_reference}\x00{told}").hex
        return ProviderAccount(reference, provider_reference, *account)

    def fingerprint(self, account: ProviderAccount) -> str:
        """The same for the same account, whoever is paid into it and under whatever name."""
        return self.keyring.fingerprint(account.sort_code, account.account_number)

    def sealed_account(self, account: ProviderAccount, recorded_at: datetime) -> Row:
        """A row of `provider_accounts`."""
        reference, provider, *kept = msgspec.structs.astuple(account)
        fingerprint = self.fingerprint(account)
        sealed_as = place("provider_accounts.sealed", reference, provider, fingerprint)
        return {
            "account_reference": reference,
            "provider_reference": provider,
            "sealed": self.keyring.seal(
                self.keyring.file_key, msgspec.json.encode(kept), sealed_as
            ),
            "fingerprint": fingerprint,
            "recorded_at": moment_text(recorded_at),
        }

    def accounts(self, references: Iterable[str]) -> dict[str, ProviderAccount]:
        """The accounts behind those of the references that there are."""
        t = provider_accounts.c
        query = select(t.account_reference, t.provider_reference, t.fingerprint, t.sealed)
        found: dict[str, ProviderAccount] = {}
        with self.engine.connect() as connection:
            for some in chunks(references):
                for *key, sealed in connection.execute(query.where(t.account_reference.in_(some))):
                    kept = self.keyring.open(
                        self.keyring.file_key, sealed, place("provider_accounts.sealed", *key)
                    )
                    account = msgspec.json.decode(kept, type=tuple[str, str, str, str])
                    found[key[0]] = ProviderAccount(key[0], key[1], *account)
        return found

    def shown(self, references: Sequence[str]) -> dict[str, str]:
        """What anyone may see of these accounts: the last four digits."""
        found = self.accounts(references)
        return {reference: masked(found[reference].account_number) for reference in references}
