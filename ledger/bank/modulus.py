"""The modulus check: whether an account number can belong to its sort code.

The algorithm is that of VocaLink's "Validating account numbers": one or two weighted sums a
range of sort codes, by a weight table that Pay.UK publishes several times a year and that the
council loads. An account that passes is only possible; it need not exist.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from ledger.errors import WeightTableUnreadable

Method = Literal["MOD10", "MOD11", "DBLAL"]
Answer = Literal["valid", "invalid", "no_rule"]

METHODS: dict[str, Method] = {"MOD10": "MOD10", "MOD11": "MOD11", "DBLAL": "DBLAL"}
EXCEPTIONS = range(1, 15)
ONLY_WITH = {1: ("DBLAL",), 3: ("DBLAL",), 4: ("MOD11",), 5: ("MOD11", "DBLAL"), 14: ("MOD11",)}
"""Exceptions that mean something with these methods alone."""

EITHER = {(2, 9), (10, 11), (12, 13)}
"""Pairs of exceptions by which one passed check of the two is enough."""

_SORT_CODE = re.compile(r"[0-9]{6}")
_WEIGHT = re.compile(r"-?[0-9]{1,3}")
_A, _C, _G, _H = 6, 8, 12, 13  # the letters that the published algorithm gives the 14 digits
_TO_B = 8  # positions u to b, which exceptions 7 and 10 leave out
_EXCEPTION_2 = (0, 0, 1, 2, 5, 3, 6, 4, 8, 7, 10, 9, 3, 1)
_EXCEPTION_2_NINE = (0, 0, 0, 0, 0, 0, 0, 0, 8, 7, 10, 9, 3, 1)


class Check(NamedTuple):
    """One line of the weight table, for its range."""

    method: Method
    weights: tuple[int, ...]
    exception: int


class Range(NamedTuple):
    """Sort codes, first to last, that share their one or two checks."""

    first: str
    last: str
    checks: tuple[Check, ...]


class WeightTable(NamedTuple):
    """A weight table as read: its ranges in order, and the sort codes exception 5 replaces.

    `substitutions` is None if no substitution table was given.
    """

    ranges: tuple[Range, ...]
    substitutions: dict[str, str] | None

    def checks_of(self, sort_code: str) -> tuple[Check, ...]:
        """The checks of a sort code; none if no range holds it."""
        at = bisect_right(self.ranges, sort_code, key=lambda r: r.first) - 1
        if at < 0 or sort_code > self.ranges[at].last:
            return ()
        return self.ranges[at].checks


def check(sort_code: str, account_number: str, table: WeightTable) -> Answer:
    """Whether six and eight digits can be an account; `no_rule` if the table cannot say.

    It cannot for a sort code in no range, nor for one under exception 5 without the
    substitution table, where a good account would be taken for a bad one.
    """
    checks = table.checks_of(sort_code)
    exceptions = tuple(c.exception for c in checks)
    if not checks or (5 in exceptions and table.substitutions is None):
        return "no_rule"
    if (
        6 in exceptions
        and account_number[0] in "45678"
        and account_number[-1] == account_number[-2]
    ):
        return "valid"  # a foreign currency account, which is not made to the rule
    passed = (_passes(c, sort_code, account_number, table.substitutions or {}) for c in checks)
    return "valid" if (any(passed) if exceptions in EITHER else all(passed)) else "invalid"


def _passes(
    check: Check, sort_code: str, account_number: str, substitutions: dict[str, str]
) -> bool:
    """Whether an account passes one check, with its exception."""
    method, weights, exception = check
    if exception == 3 and account_number[2] in "69":
        return True
    if exception == 5:
        sort_code = substitutions.get(sort_code, sort_code)
    elif exception in (8, 9):
        sort_code = "090126" if exception == 8 else "309634"
    digits = [int(digit) for digit in sort_code + account_number]
    total = _total(method, _weights_for(weights, exception, digits), digits)
    if exception == 1:
        total += 27
    modulus = 11 if method == "MOD11" else 10
    remainder = total % modulus
    if exception == 4:
        return remainder == 10 * digits[_G] + digits[_H]
    if exception == 5:
        check_digit = digits[_G] if method == "MOD11" else digits[_H]
        # A remainder of 1 under MOD11 asks for a check digit of 10, which no account has.
        return (modulus - remainder) % modulus == check_digit
    if exception == 14 and remainder and digits[_H] in (0, 1, 9):
        shifted = [*digits[:_A], 0, *digits[_A:_H]]
        remainder = _total(method, weights, shifted) % modulus
    return remainder == 0


def _weights_for(weights: tuple[int, ...], exception: int, digits: list[int]) -> tuple[int, ...]:
    """The weights of a check, or those that its exception puts in their place."""
    nine = digits[_G] == 9
    if exception == 2 and digits[_A]:
        return _EXCEPTION_2_NINE if nine else _EXCEPTION_2
    ab = digits[_A : _A + 2]
    if nine and (exception == 7 or (exception == 10 and ab in ([0, 9], [9, 9]))):
        return (0,) * _TO_B + weights[_TO_B:]
    return weights


def _total(method: Method, weights: tuple[int, ...], digits: list[int]) -> int:
    products = [weight * digit for weight, digit in zip(weights, digits, strict=True)]
    if method == "DBLAL":  # the digits of each product
        return sum(int(digit) for product in products for digit in str(product))
    return sum(products)


# --- reading the tables -----------------------------------------------------------------------


def read_weight_table(text: str, substitutions: str | None = None) -> WeightTable:
    """A weight table in the layout of valacdos.txt, and a substitution table in scsubtab.txt's.

    Raises `WeightTableUnreadable` with every line that cannot be read.
    """
    faults: list[str] = []
    ranges: dict[tuple[str, str], Range] = {}
    for number, words in _lines(text):
        try:
            first, last, read = _read_check(words)
            earlier = ranges.get((first, last), Range(first, last, ())).checks
            if len(earlier) == 2:
                raise ValueError("a range has two checks at most")
            ranges[first, last] = Range(first, last, (*earlier, read))
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
    in_order = sorted(ranges.values())
    for one, other in pairwise(in_order):
        if other.first <= one.last:
            faults.append(f"the range from {other.first} overlaps the one from {one.first}")
    replaced: dict[str, str] = {}
    for number, words in _lines(substitutions or ""):
        if len(words) != 2 or not all(_SORT_CODE.fullmatch(word) for word in words):
            faults.append(f"substitutions, line {number}: not two sort codes")
        elif replaced.setdefault(words[0], words[1]) != words[1]:
            faults.append(f"substitutions, line {number}: {words[0]} is replaced twice")
    if not ranges and not faults:
        faults.append("it holds no range")
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise WeightTableUnreadable(
            f"The weight table was refused whole: {'; '.join(faults[:5])}{more}.", faults=faults
        )
    return WeightTable(tuple(in_order), None if substitutions is None else replaced)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each line that has any, with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words:
            yield number, words


def _read_check(words: list[str]) -> tuple[str, str, Check]:
    """One line of the weight table; `ValueError` says what is wrong with it."""
    if len(words) not in (17, 18):
        raise ValueError(f"{len(words)} columns, not 17 or 18")
    first, last, method, *weights = words
    if not _SORT_CODE.fullmatch(first) or not _SORT_CODE.fullmatch(last) or first > last:
        raise ValueError("not a range of six-digit sort codes")
    if method not in METHODS:
        raise ValueError("the check is not MOD10, MOD11 or DBLAL")
    if not all(_WEIGHT.fullmatch(weight) for weight in weights[:14]):
        raise ValueError("a weight is not a whole number")
    numbers = tuple(int(weight) for weight in weights[:14])
    if method == "DBLAL" and min(numbers) < 0:
        raise ValueError("a DBLAL weight is below nought")
    exception = 0
    if len(weights) == 15:
        exceptions = {str(number): number for number in EXCEPTIONS}
        if weights[14] not in exceptions:
            raise ValueError("the exception is not one of 1 to 14")
        exception = exceptions[weights[14]]
        if method not in ONLY_WITH.get(exception, METHODS):
            raise ValueError(f"exception {exception} has no meaning with {method}")
    return first, last, Check(METHODS[method], numbers, exception)
