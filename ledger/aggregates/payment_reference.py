"""The reference of a payment: short enough for Bacs, and safe to read out over the telephone."""

from __future__ import annotations

import hashlib

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread


def new_payment_reference(cycle_reference: str, budget_reference: str, again: str = "") -> str:
    """A reference of 16 characters, the same for the same cycle and budget, with a check digit.

    Bacs returns only 18 characters of it, and people read it out over the telephone.
    """
    seed = f"{cycle_reference}\x00{budget_reference}\x00{again}".encode()
    number = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    digits = []
    for _ in range(13):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    body = "".join(digits)
    return f"DP{body}{check_character(body)}"


def check_character(body: str) -> str:
    """The last character of a payment reference, from the 13 between it and "DP".

    Damm's algorithm over the field of 32 elements: any one wrong character and any swap of
    two different neighbours gives another check character.
    """
    check = 0
    for character in body:
        check = (check ^ _ALPHABET.index(character)) << 1
        check ^= 0b100101 if check & 32 else 0  # x^5 + x^2 + 1
    return _ALPHABET[check]
