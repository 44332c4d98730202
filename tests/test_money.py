"""Money: whole pence in, whole pence out."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidMoney
from ledger.money import apportion, divide_half_up, for_days, format_pounds, parse_pounds

PENCE = st.integers(-(10**11), 10**11)
WEIGHTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=8).filter(any)


# --- read and printed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pence"),
    [
        ("310", 31_000),
        ("310.00", 31_000),
        ("£310.50", 31_050),
        ("£1,310.00", 131_000),
        ("1,234,567.89", 123_456_789),
        ("  0.01 ", 1),
        ("0", 0),
        ("007.00", 700),
        ("999999999.99", 99_999_999_999),
    ],
)
def test_pounds_are_read_as_written(text: str, pence: int) -> None:
    assert parse_pounds(text) == pence


@pytest.mark.parametrize(
    "text",
    ["", "£", "-5", "+5", "1.5", "1.005", ".50", "5.", "1,00", "1,2345", "12,34.00", "1e3", "NaN",
     "٣", "1 000", "£ 5", "££5", "5p", "0x10", "1_000", "9999999999"],
)  # fmt: skip
def test_anything_but_pounds_and_whole_pence_is_refused(text: str) -> None:
    with pytest.raises(InvalidMoney) as refused:
        parse_pounds(text, "weekly_amount")
    assert refused.value.details["field"] == "weekly_amount"
    assert str(refused.value).startswith("weekly_amount: ")


@pytest.mark.parametrize("value", [310, 310.0, None, Decimal(310), b"310"])
def test_only_text_is_read_as_pounds(value: object) -> None:
    with pytest.raises(InvalidMoney):
        parse_pounds(value)


@pytest.mark.parametrize(
    ("pence", "text"),
    [
        (0, "£0.00"),
        (5, "£0.05"),
        (-5, "-£0.05"),
        (119_870, "£1,198.70"),
        (-123_456_789, "-£1,234,567.89"),
    ],
)
def test_pence_are_printed_as_people_read_them(pence: int, text: str) -> None:
    assert format_pounds(pence) == text


@given(st.integers(0, 99_999_999_999))
def test_what_is_printed_is_read_back_the_same(pence: int) -> None:
    assert parse_pounds(format_pounds(pence)) == pence


@given(st.text(max_size=12))
def test_any_text_is_either_exact_pence_or_refused(text: str) -> None:
    try:
        pence = parse_pounds(text)
    except InvalidMoney:
        return
    assert Decimal(pence) / 100 == Decimal(text.strip().lstrip("£").replace(",", ""))


# --- rounded ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numerator", "denominator", "whole"),
    [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (-3, 2, -2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (0, 7, 0)],
)
def test_a_half_is_rounded_away_from_nothing(numerator: int, denominator: int, whole: int) -> None:
    assert divide_half_up(numerator, denominator) == whole


@given(PENCE, st.integers(1, 10_000))
def test_rounding_agrees_with_decimal_arithmetic(numerator: int, denominator: int) -> None:
    exact = Decimal(numerator) / Decimal(denominator)
    assert divide_half_up(numerator, denominator) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@given(st.integers(0, 10**8), st.integers(1, 400))
def test_days_of_a_weekly_amount_are_never_half_a_penny_out(weekly: int, days: int) -> None:
    """A seventh is never a half, so the most that rounding can move is three sevenths."""
    error = for_days(weekly, days) - Fraction(weekly * days, 7)
    assert abs(error) <= Fraction(3, 7)
    assert for_days(-weekly, days) == -for_days(weekly, days)


@given(st.integers(0, 10**8), st.integers(0, 60))
def test_whole_weeks_are_exact(weekly: int, weeks: int) -> None:
    assert for_days(weekly, 7 * weeks) == weekly * weeks


# --- shared -------------------------------------------------------------------------------


def test_an_odd_penny_goes_to_the_largest_remainder_and_then_to_the_first() -> None:
    assert apportion(100, [1, 1, 1]) == [34, 33, 33]
    assert apportion(100, [1, 2, 3]) == [17, 33, 50]
    assert apportion(1, [1, 2]) == [0, 1]
    assert apportion(-100, [1, 1, 1]) == [-33, -33, -34]


@given(PENCE, WEIGHTS)
def test_shares_add_up_and_none_is_a_penny_out(total: int, weights: list[int]) -> None:
    shares = apportion(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert weight or share == 0


@given(PENCE, WEIGHTS)
def test_a_greater_weight_never_gets_less(total: int, weights: list[int]) -> None:
    shares = apportion(abs(total), weights)
    by_weight = [share for _, share in sorted(zip(weights, shares, strict=True))]
    assert by_weight == sorted(by_weight)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [2, -1], [-1, -2]])
def test_nothing_is_shared_over_no_weight(weights: list[int]) -> None:
    with pytest.raises(InvalidMoney):
        apportion(100, weights)
