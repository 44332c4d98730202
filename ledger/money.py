"""Money is whole pence in an `int`; `Decimal` appears only where text is read or printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ledger.errors import InvalidMoney

_POUNDS = re.compile(r"£?(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.(?P<pence>\d{2}))?", re.ASCII)


def parse_pounds(text: object, field: str = "amount") -> int:
    """Read pounds as written ("310", "310.00", "£1,310.00") into pence.

    Exact or refused: half a penny, a sign, a float or a stray comma raises `InvalidMoney`.
    """
    match = _POUNDS.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise InvalidMoney(
            f"{field}: {text!r} is not pounds and whole pence, such as 310.00.", field=field
        )
    return int(match["whole"].replace(",", "")) * 100 + int(match["pence"] or 0)


def format_pounds(pence: int) -> str:
    """Pence as people read it: 119870 is "£1,198.70", -5 is "-£0.05"."""
    return f"{'-' if pence < 0 else ''}£{abs(pence) // 100:,}.{abs(pence) % 100:02d}"


def plain_pounds(pence: int) -> str:
    """Pounds as programs and spreadsheets read them: 31519477 is "315194.77", -5 is "-0.05"."""
    return format_pounds(pence).replace("£", "").replace(",", "")


def divide_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest whole, a half away from zero, without floats."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def for_days(weekly_pence: int, days: int) -> int:
    """A weekly amount for a number of days, weekly/7 x days, rounded half-up once."""
    return divide_half_up(weekly_pence * days, 7)


def apportion(total_pence: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to weights; the parts add up exactly (largest remainder).

    A weight of nought gets nothing. Raises `InvalidMoney` if every weight is nought.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise InvalidMoney("An amount can only be shared over weights that add up to more than 0.")
    parts = [total_pence * weight // whole for weight in weights]
    by_remainder = sorted(
        (index for index, weight in enumerate(weights) if weight),
        key=lambda index: (-(total_pence * weights[index] % whole), index),
    )
    for index in by_remainder[: total_pence - sum(parts)]:
        parts[index] += 1
    return parts
