"""Bacs Standard 18 for several processing days: each day's section, contra and proof."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.bank.alphabet import fold
from ledger.bank.bacs import write_bacs_multi
from ledger.bank.bacs_reader import BacsFile, read_bacs
from ledger.bank.records import Credit
from ledger.errors import (
    BankFileTooLarge,
    BankFileUnreadable,
    EmptyBankFile,
    InvalidPaymentAmount,
    InvalidSubmissionSerial,
    PayDateNotWorkingDay,
    ProcessingDayTooFarAhead,
    ProcessingDayTooSoon,
    Refusal,
)
from tests.test_bacs import COUNCIL, CREDITS, FOUR, LIKELY, WORKING_DAYS, at, changed
from tests.test_bacs import write as write_single

GOLDEN = Path(__file__).parent / "golden" / "bacs" / "two_days.txt"
FIRST, SECOND = date(2026, 12, 29), date(2027, 1, 4)
TWO_DAYS = {SECOND: FOUR[2:], FIRST: FOUR[:2]}
PAY_DATES = [FIRST, date(2026, 12, 30), date(2026, 12, 31), SECOND, date(2027, 1, 5)]


def write(by_pay_date: Mapping[date, Iterable[Credit]], **given_otherwise: Any) -> bytes:
    usual: dict[str, Any] = {
        "submission_serial": "000123",
        "created_on": date(2026, 12, 21),
        "working_days": WORKING_DAYS,
    }
    return write_bacs_multi(COUNCIL, by_pay_date, **(usual | given_otherwise))


def golden_lines() -> list[str]:
    return GOLDEN.read_text("ascii").splitlines()


def joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


# --- the bytes ----------------------------------------------------------------------------


def test_two_days_make_the_golden_file_byte_for_byte() -> None:
    assert write(TWO_DAYS) == GOLDEN.read_bytes()


def test_every_label_is_80_characters_every_payment_106_and_lines_end_in_crlf() -> None:
    lines = GOLDEN.read_bytes().split(b"\r\n")
    assert [len(line) for line in lines] == [80] * 4 + [106] * 6 + [80] * 3 + [0]


def test_the_labels_say_that_there_are_several_days_and_the_first_of_them() -> None:
    _, first, second, user = golden_lines()[:4]
    assert first == write_single(*FOUR).decode().splitlines()[1]
    assert at(second, 11, 15) == "00106"
    assert at(user, 5, 10) == " 26358"  # 24 December, to pay on the 29th
    assert at(user, 29, 37) == "4 MULTI  "
    assert at(user, 38, 40) == "001"


def test_a_record_is_that_of_a_single_day_and_its_processing_day() -> None:
    single = write_single(*FOUR[:2]).decode().splitlines()[4:7]
    assert golden_lines()[4:7] == [f"{line} 26358" for line in single]


def test_every_day_has_a_contra_and_the_trailer_counts_them() -> None:
    lines = golden_lines()
    days = [at(line, 101, 106) for line in lines[4:10]]
    assert days == [" 26358"] * 3 + [" 26365"] * 3  # 31 December, to pay on 4 January
    assert [at(lines[n], 16, 17) for n in range(4, 10)] == ["99", "99", "17", "99", "99", "17"]
    assert [at(lines[n], 36, 46) for n in (6, 9)] == ["00000119871", "99999031005"]
    trailer = lines[12]
    assert at(trailer, 5, 17) == at(trailer, 18, 30) == "0099999150876"
    assert (at(trailer, 31, 37), at(trailer, 38, 44)) == ("0000002", "0000004")


def test_one_day_alone_is_a_file_of_one_section() -> None:
    file = read_bacs(write({FIRST: FOUR}))
    assert (file.is_multi, len(file.sections)) == (True, 1)
    assert file.credits == read_bacs(write_single(*FOUR)).credits


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pay_on", "refusal"),
    [
        (date(2026, 12, 22), ProcessingDayTooSoon),
        (date(2026, 12, 28), PayDateNotWorkingDay),
        (date(2027, 1, 25), ProcessingDayTooFarAhead),
    ],
)
def test_each_day_is_proved_as_a_single_one(pay_on: date, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        write({FIRST: FOUR, pay_on: FOUR})


def test_items_are_counted_through_the_file() -> None:
    nothing = changed(FOUR[0], amount_pence=0)
    with pytest.raises(InvalidPaymentAmount, match="Item 4, amount_pence"):
        write({FIRST: FOUR[:2], SECOND: (FOUR[0], nothing)})


def test_a_file_without_days_or_a_day_without_payments_is_refused() -> None:
    with pytest.raises(EmptyBankFile):
        write({})
    with pytest.raises(EmptyBankFile):
        write({FIRST: FOUR, SECOND: ()})


def test_a_days_total_must_fit_its_contra_and_the_files_may_be_more() -> None:
    most = changed(FOUR[0], amount_pence=99_999_999_999)
    file = read_bacs(write({FIRST: [most], SECOND: [most]}))
    assert file.debit_total_pence == 2 * 99_999_999_999
    with pytest.raises(BankFileTooLarge, match="contra"):
        write({FIRST: [most], SECOND: [most, FOUR[0]]})


def test_more_payments_than_the_count_can_state_are_refused() -> None:
    with pytest.raises(BankFileTooLarge, match="9,999,999"):
        write({FIRST: FOUR[:2], SECOND: itertools.repeat(FOUR[0])})


def test_a_serial_is_checked_as_in_a_single_day_file() -> None:
    with pytest.raises(InvalidSubmissionSerial):
        write(TWO_DAYS, submission_serial="000000")


# --- the reader proves the writer ---------------------------------------------------------

SOME_DAYS = st.dictionaries(
    st.sampled_from(PAY_DATES), st.lists(LIKELY, min_size=1, max_size=3), min_size=1, max_size=4
)


def said_of(file: BacsFile) -> dict[date, tuple[Credit, ...]]:
    return {section.processing_on: section.credits for section in file.sections}


@settings(deadline=None)
@given(SOME_DAYS | st.dictionaries(st.sampled_from(PAY_DATES), st.lists(CREDITS, max_size=2)))
def test_whatever_the_writer_accepts_the_reader_reads_back(
    by_pay_date: dict[date, list[Credit]],
) -> None:
    try:
        data = write(by_pay_date)
    except Refusal:
        assume(False)
    file = read_bacs(data)
    assert said_of(file) == {
        WORKING_DAYS.previous(pay_on): tuple(
            changed(c, payee_name=fold(c.payee_name)[:18].rstrip()) for c in credits
        )
        for pay_on, credits in by_pay_date.items()
    }
    assert file.processing_on == min(said_of(file))
    assert (
        file.credit_total_pence
        == file.debit_total_pence
        == sum(c.amount_pence for credits in by_pay_date.values() for c in credits)
    )
    for section in file.sections:
        assert section.contra.amount_pence == sum(c.amount_pence for c in section.credits)


def proved_digits(lines: list[str]) -> list[tuple[int, int]]:
    """Line and column (from 0) of every digit of an amount, a day, a contra or a stated total."""
    records = range(4, len(lines) - 3)
    money = [(n, c) for n in records for c in range(35, 46)]
    days = [(n, c) for n in records for c in range(101, 106)] + [(3, c) for c in range(5, 10)]
    return money + days + [(len(lines) - 1, c) for c in range(4, 44)]


def with_digit(lines: list[str], place: tuple[int, int], digit: str) -> bytes:
    number, column = place
    line = lines[number]
    return joined(
        [*lines[:number], f"{line[:column]}{digit}{line[column + 1 :]}", *lines[number + 1 :]]
    )


def test_any_one_digit_of_money_or_of_a_day_changed_in_the_golden_file_is_refused() -> None:
    lines = golden_lines()
    for place, digit in itertools.product(proved_digits(lines), "0123456789"):
        if lines[place[0]][place[1]] != digit:
            with pytest.raises(BankFileUnreadable):
                read_bacs(with_digit(lines, place, digit))


@settings(deadline=None)
@given(SOME_DAYS, st.data())
def test_any_one_digit_of_money_or_of_a_day_changed_in_any_file_is_refused(
    by_pay_date: dict[date, list[Credit]], data: st.DataObject
) -> None:
    lines = write(by_pay_date).decode("ascii").splitlines()
    number, column = data.draw(st.sampled_from(proved_digits(lines)))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda d: d != lines[number][column]))
    with pytest.raises(BankFileUnreadable):
        read_bacs(with_digit(lines, (number, column), digit))


def test_a_file_cut_off_anywhere_or_without_any_one_line_is_refused() -> None:
    data = GOLDEN.read_bytes()
    lines = data.splitlines(keepends=True)
    for kept in range(len(data) - 2):  # all but the last line end
        with pytest.raises(BankFileUnreadable):
            read_bacs(data[:kept])
    for left_out in range(len(lines)):
        with pytest.raises(BankFileUnreadable):
            read_bacs(b"".join(lines[:left_out] + lines[left_out + 1 :]))


@pytest.mark.parametrize(
    ("line", "column", "text", "told", "field"),
    [
        (3, 11, "00100", 4, "work code"),
        (4, 29, "1 DAILY  ", 4, "work code"),
        (4, 5, " 26357", 4, "processing date"),
        (4, 5, " 26365", 4, "processing date"),
        (4, 5, "      ", 4, "processing date"),
        (2, 42, " 26359", 4, "processing date"),
        (2, 42, " 26329", 4, "processing date"),
        (2, 48, " 26364", 2, "expiry date"),
        (5, 101, " 26365", 7, "processing date"),
        (5, 101, "026358", 5, "processing date"),
        (7, 101, " 26365", 7, "processing date"),
        (10, 101, " 26366", 10, "processing date"),
        (7, 36, "00000119870", 7, "amount"),
        (7, 16, "99", 10, "processing date"),
        (13, 31, "0000001", 13, "debit count"),
    ],
)
def test_a_fault_is_refused_with_the_line_and_field_where_it_shows(
    line: int, column: int, text: str, told: int, field: str
) -> None:
    lines = golden_lines()
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + text + old[column - 1 + len(text) :]
    with pytest.raises(BankFileUnreadable) as refused:
        read_bacs(joined(lines))
    found = refused.value.details
    assert (found["line"], found["field"]) == (told, field)


def test_each_day_must_equal_its_own_contra_not_only_the_files_total() -> None:
    lines = golden_lines()
    swapped = [*lines[:4], lines[7], *lines[5:7], lines[4], *lines[8:]]
    with pytest.raises(BankFileUnreadable, match="Line 7, processing date"):
        read_bacs(joined(swapped))
    dated = [f"{line[:100]} 26358" if n in range(4, 10) else line for n, line in enumerate(lines)]
    assert len(read_bacs(joined(dated)).sections) == 2  # two sections of one day
    dated[4], dated[7] = dated[7], dated[4]
    with pytest.raises(BankFileUnreadable, match="Line 7, amount"):
        read_bacs(joined(dated))


def test_records_of_the_other_length_are_refused() -> None:
    lines = golden_lines()
    with pytest.raises(BankFileUnreadable, match="Line 5, record length"):
        read_bacs(joined([*lines[:4], lines[4][:100], *lines[5:]]))
    single = write_single(*FOUR).decode().splitlines()
    with pytest.raises(BankFileUnreadable, match="Line 5, record length"):
        read_bacs(joined([*single[:4], f"{single[4]} 26358", *single[5:]]))
