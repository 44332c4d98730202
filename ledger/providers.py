"""Providers: registered, their accounts proposed and sealed, and which can be paid on a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payees import Payee
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.provider import Provider
from ledger.application import Ledger
from ledger.dates import day_in_england
from ledger.errors import CycleOutOfDate, ProviderAlreadyKnown
from ledger.modulus_tables import checked
from ledger.store import Beside

ProviderRows = Callable[[Provider, Sequence[Recorded]], Sequence[Beside]]
"""Makes rows to save with a change of a provider, from the provider as it then is."""


def register_provider(
    ledger: Ledger, reference: str, name: str, *, said: Said, also: ProviderRows | None = None
) -> Provider:
    """Seal a provider's name under its reference; the same again changes nothing.

    Raises `ProviderAlreadyKnown` if the reference is that of a provider of another name.
    """
    row = ledger.provider_details.sealed_name(reference, name, said["recorded_at"])

    def decide(provider: Provider) -> None:
        known = ledger.provider_details.names(reference).get(reference)
        if known not in (None, " ".join(name.split())):
            raise ProviderAlreadyKnown(f"{reference} is already here under another name.")
        provider.register(**said)

    return ledger.change(
        Provider,
        reference,
        decide,
        create=True,
        beside=lambda provider, events: [
            Beside("provider_details", [row] if events else []),
            *(also(provider, events) if also else ()),
        ],
    )


def propose_provider_account(
    ledger: Ledger,
    reference: str,
    *,
    account_name: str,
    sort_code: str,
    account_number: str,
    roll_number: str = "",
    said: Said,
    expected_version: int | None = None,
    also: ProviderRows | None = None,
) -> tuple[Provider, str]:
    """Seal account details and propose them, in one transaction; returns their reference.

    The number is checked by the modulus table in force on the day of recording. Raises
    `ProviderNotFound`, `ProviderHasEnded`, and the refusals of an account.
    """
    details = ledger.provider_details
    account = details.new_account(reference, account_name, sort_code, account_number, roll_number)
    table = ledger.modulus_tables.in_force(day_in_england(said["recorded_at"]))
    found = checked(account.sort_code, account.account_number, table)
    provider = ledger.change(
        Provider,
        reference,
        lambda p: p.propose_account(
            account_reference=account.account_reference,
            fingerprint=details.fingerprint(account),
            **found,
            **said,
        ),
        expected_version=expected_version,
        beside=lambda p, events: [
            Beside(
                "provider_accounts",
                [details.sealed_account(account, said["recorded_at"])],
                ignore_existing=True,  # proposed before: the reference is of these very details
            ),
            *(also(p, events) if also else ()),
        ],
    )
    return provider, account.account_reference


def accounts_on(ledger: Ledger, on: date) -> dict[str, Payee]:
    """The verified account of every provider that can be paid on a day, by provider."""
    accounts = ((provider.reference, provider.account_on(on)) for provider in ledger.providers())
    return {reference: account for reference, account in accounts if account is not None}


def require_same_accounts(ledger: Ledger, cycle: PaymentCycle, do_instead: str) -> None:
    """Refuse a cycle if a provider can no longer be paid into the account that it was prepared for.

    Raises `CycleOutOfDate`, with what to do instead.
    """
    assert cycle.prepared is not None, "a loaded cycle was prepared"
    prepared = {line.provider_reference: line.payee_reference for line in cycle.lines}
    changed = []
    for reference in sorted(prepared.keys() - {""}):
        account = ledger.load(Provider, reference).account_on(cycle.prepared.pay_on)
        if account is None or account.payee_reference != prepared[reference]:
            changed.append(reference)
    if changed:
        raise CycleOutOfDate(
            f"The account of {', '.join(changed)} changed since {cycle.reference} was prepared; "
            f"{do_instead}.",
            providers=changed,
        )
