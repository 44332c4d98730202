"""Income raised by a percentage from a day on, as benefits and pensions are each April."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from msgspec.structs import replace

from ledger.charging.facts import Facts, IncomeLine
from ledger.charging.kinds import INCOME_KINDS
from ledger.errors import InvalidValue
from ledger.money import divide_half_up

_DAY = timedelta(days=1)
_WHOLE = 10_000  # basis points
_MOST = 10_000
_PERCENT = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?", re.ASCII)


def uprated(facts: Facts, percents: Mapping[str, str | int], on: date) -> Facts:
    """The facts with income of some kinds raised from a day on; the tax on it stays as it was.

    A percentage is text ("3.8") or whole basis points (380). Each line received the day before
    and on the day is ended the day before, and a new one follows it, half-up to the penny. A
    line that already starts on the day or later stands at its own amount, so that doing the
    same again changes nothing.
    """
    raised = {kind: _basis_points(kind, percent) for kind, percent in percents.items()}
    income = tuple(one for line in facts.income for one in _raised(line, raised, on))
    return facts if income == facts.income else replace(facts, income=income)


def _raised(line: IncomeLine, raised: Mapping[str, int], on: date) -> Iterator[IncomeLine]:
    points = raised.get(line.kind, 0)
    yesterday = on - _DAY
    if not points or not (line.in_force_on(yesterday) and line.in_force_on(on)):
        yield line
        return
    amount = divide_half_up(line.amount_pence * (_WHOLE + points), _WHOLE)
    yield replace(line, ends_on=yesterday)
    yield replace(line, starts_on=on, amount_pence=amount)


def _basis_points(kind: str, percent: object) -> int:
    if kind not in INCOME_KINDS:
        raise InvalidValue(f"{kind}: there is no such kind of income.", field=kind)
    points = -1
    if isinstance(percent, str) and (match := _PERCENT.fullmatch(percent)):
        points = int(match[1]) * 100 + int(f"{match[2] or 0:0<2}")
    elif isinstance(percent, int) and not isinstance(percent, bool):
        points = percent
    if not 0 <= points <= _MOST:
        raise InvalidValue(
            f"{kind}: {percent!r} is not a percentage from 0 to 100 with at most two decimals.",
            field=kind,
        )
    return points
