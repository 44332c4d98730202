"""Bank account details as people write them, and as Bacs and the screens need them.

No refusal here repeats what was written: the field is named, the number never is.
"""

from __future__ import annotations

import re

from ledger.errors import (
    UnreadableAccountName,
    UnreadableAccountNumber,
    UnreadableRollNumber,
    UnreadableSortCode,
)

_SORT_CODE = re.compile(r"([0-9]{2})[- ]?([0-9]{2})[- ]?([0-9]{2})")
_ACCOUNT_NUMBER = re.compile(r"[0-9]{6,8}")
_SECONDARY_REFERENCE = re.compile(r"[A-Za-z0-9 ./-]{0,18}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parse_sort_code(text: str, field: str = "sort_code") -> str:
    """Six digits: "20-00-00", "20 00 00" and "200000" are one; else `UnreadableSortCode`."""
    match = _SORT_CODE.fullmatch(text.strip())
    if match is None:
        raise UnreadableSortCode(f"{field}: {UnreadableSortCode.rule}", field=field)
    return "".join(match.groups())


def parse_account_number(text: str, field: str = "account_number") -> str:
    """Eight digits, padded on the left as Bacs asks for; else `UnreadableAccountNumber`."""
    stripped = text.strip()
    if _ACCOUNT_NUMBER.fullmatch(stripped) is None:
        raise UnreadableAccountNumber(f"{field}: {UnreadableAccountNumber.rule}", field=field)
    return stripped.zfill(8)


def parse_account_name(text: str, field: str = "account_name") -> str:
    """The name with runs of white space made one space; else `UnreadableAccountName`."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= 140 or _CONTROL.search(name):
        raise UnreadableAccountName(f"{field}: {UnreadableAccountName.rule}", field=field)
    return name


def parse_roll_number(text: str, field: str = "roll_number") -> str:
    """A building society's roll number, or empty; else `UnreadableRollNumber`."""
    reference = " ".join(text.split())
    if _SECONDARY_REFERENCE.fullmatch(reference) is None:
        rule = UnreadableRollNumber.rule
        raise UnreadableRollNumber(f"{field}: {rule}", field=field)
    return reference


def parse_account(
    account_name: str, sort_code: str, account_number: str, roll_number: str = ""
) -> tuple[str, str, str, str]:
    """All four as they are kept; else the refusal of the first that cannot be read."""
    return (
        parse_account_name(account_name),
        parse_sort_code(sort_code),
        parse_account_number(account_number),
        parse_roll_number(roll_number),
    )


def masked(account_number: str) -> str:
    """An account number as screens show it: "****5678"."""
    return f"****{account_number[-4:]}"
