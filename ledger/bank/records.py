"""What every outgoing bank format is given: the account that pays, and the credits it pays."""

from __future__ import annotations

import re

import msgspec

from ledger.errors import (
    InvalidAccountNumber,
    InvalidBankReference,
    InvalidPaymentAmount,
    InvalidServiceUserNumber,
    InvalidSortCode,
)

LARGEST_ITEM_PENCE = 99_999_999_999
"""Bacs Standard 18 has 11 digits of pence for an item; banks set lower limits of their own."""

_SIX_DIGITS = re.compile(r"[0-9]{6}")
_EIGHT_DIGITS = re.compile(r"[0-9]{8}")
_REFERENCE = re.compile(r"(?! )[A-Z0-9.&/ -]{1,18}(?<! )")


class OriginatingAccount(msgspec.Struct, frozen=True):
    """The council's account that pays, and its Bacs service user number (SUN).

    Sort codes and account numbers are digits only, here and in `Credit`.
    """

    service_user_number: str
    sort_code: str
    account_number: str
    name: str


class Credit(msgspec.Struct, frozen=True):
    """One payment to one payee; `reference` is the key that comes back on returns."""

    sort_code: str
    account_number: str
    amount_pence: int
    reference: str
    payee_name: str


def require_originator(originator: OriginatingAccount) -> None:
    """Refuse a paying account that no bank could read."""
    if not _SIX_DIGITS.fullmatch(originator.service_user_number):
        raise InvalidServiceUserNumber(field="service_user_number")
    _require_account(originator, "Originating account", {})


def require_credit(credit: Credit, item: int) -> None:
    """Refuse a credit no bank could pay, by item number (from 1) and field.

    The sentence never holds the account number: it ends up in logs. A reference is refused,
    not mended, because what leaves must be what the ledger looks for when it returns.
    """
    _require_account(credit, f"Item {item}", {"item": item})
    amount = credit.amount_pence
    if type(amount) is not int or not 0 < amount <= LARGEST_ITEM_PENCE:
        raise InvalidPaymentAmount(
            f"Item {item}, amount_pence: {InvalidPaymentAmount.rule}",
            item=item,
            field="amount_pence",
        )
    if not _REFERENCE.fullmatch(credit.reference):
        raise InvalidBankReference(
            f"Item {item}, reference: {InvalidBankReference.rule}", item=item, field="reference"
        )


def _require_account(
    account: OriginatingAccount | Credit, where: str, details: dict[str, int]
) -> None:
    if not _SIX_DIGITS.fullmatch(account.sort_code):
        raise InvalidSortCode(
            f"{where}, sort_code: {InvalidSortCode.rule}", field="sort_code", **details
        )
    if not _EIGHT_DIGITS.fullmatch(account.account_number):
        raise InvalidAccountNumber(
            f"{where}, account_number: {InvalidAccountNumber.rule}",
            field="account_number",
            **details,
        )
