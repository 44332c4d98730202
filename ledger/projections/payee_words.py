"""What was done about payees' details, in plain English: who proposed, what the checks said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.aggregates import payees
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.provider import is_provider_reference
from ledger.projections.words import words


def modulus(check: payees.ModulusCheck, table_version: str) -> str:
    """What the modulus check said of an account number, to follow a colon or a semicolon."""
    return {
        "valid": f"the account number passed the modulus check (table {table_version})",
        "invalid": f"the account number fails the modulus check (table {table_version})",
        "no_rule": f"the modulus check has no rule for this sort code (table {table_version})",
        "no_table": "the account number was not checked: no table is loaded",
    }[check]


def _details(e: Any) -> str:
    if is_provider_reference(e.payee_reference):
        return f"details of the provider {e.payee_reference}"
    return f"account details {e.payee_reference[:8]}"


def _proposed(e: payees.PayeeProposed) -> str:
    if e.provider_reference:
        return (
            f"It was proposed that the provider {e.provider_reference} holds the direct payment in "
            "a managed account."
        )
    of = f"account details of a {words(e.payee_type)}"
    start = {
        "person": f"A{of[1:]} were put forward",
        "bank_advice": f"The bank advised of other {of}, which were put forward",
    }[e.source]
    check = f": {modulus(e.modulus_check, e.modulus_table_version)}" if e.modulus_check else ""
    return f"{start} ({e.payee_reference[:8]}){check}."


def _verified(e: payees.PayeeVerified) -> str:
    why = words(e.override_reason)
    spite = f", in spite of what confirmation of payee said: {why}" if why else ""
    return f"The {_details(e)} were checked by a second person{spite}."


PAYEE_SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    payees.PayeeProposed: _proposed,
    payees.PayeeNameChecked: lambda e: (
        f"The name of the {_details(e)} was checked: {payees.answered(e.answer, e.checked_with)}."
    ),
    payees.PayeeNumberChecked: lambda e: (
        f"The {_details(e)} were checked again: "
        f"{modulus(e.modulus_check, e.modulus_table_version)}."
    ),
    payees.PayeeVerified: _verified,
    payees.PayeeWithdrawn: lambda e: f"The {_details(e)} were withdrawn: {words(e.reason_code)}.",
}
"""What each kind of event about a payee says."""
