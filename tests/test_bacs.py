"""Bacs Standard 18: the file's bytes, what is refused, and the reader that proves the writer."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.bank.alphabet import fold
from ledger.bank.bacs import write_bacs
from ledger.bank.bacs_reader import read_bacs
from ledger.bank.records import Credit, OriginatingAccount
from ledger.dates import england
from ledger.errors import (
    BankFileTooLarge,
    BankFileUnreadable,
    BeyondBankHolidayData,
    EmptyBankFile,
    InvalidAccountNumber,
    InvalidBankReference,
    InvalidPaymentAmount,
    InvalidServiceUserNumber,
    InvalidSortCode,
    InvalidSubmissionSerial,
    PayDateNotWorkingDay,
    ProcessingDayTooFarAhead,
    ProcessingDayTooSoon,
    Refusal,
    UnwritableName,
)

GOLDEN = Path(__file__).parent / "golden" / "bacs" / "four_payments.txt"
WORKING_DAYS = england()
COUNCIL = OriginatingAccount("987654", "089999", "66374958", "Synthetic County Council")
FOUR = (
    Credit("107999", "88837491", 119_870, "DP0000001-W39", "Siân O’Neil-Łuczak"),
    Credit("202959", "63748472", 1, "DP0000002-W39", "A. & B. Carers/Support Limited"),
    Credit("000012", "00000345", 99_999_000_000, "DP0000003-W39", "Zoë"),
    Credit("938611", "07806039", 31_005, "123456789012345678", "  Mr (T) Straße, Jr  "),
)
A_CREDIT = FOUR[0]


def write(*credits: Credit, **given_otherwise: Any) -> bytes:
    usual: dict[str, Any] = {
        "submission_serial": "000123",
        "created_on": date(2026, 12, 21),
        "pay_on": date(2026, 12, 29),
        "working_days": WORKING_DAYS,
    }
    originator = given_otherwise.pop("originator", COUNCIL)
    return write_bacs(originator, credits, **(usual | given_otherwise))


def changed(credit: Credit, **fields: Any) -> Credit:
    return msgspec.structs.replace(credit, **fields)


def at(line: str, first: int, last: int) -> str:
    """Columns as the table counts them: from 1, both ends in."""
    return line[first - 1 : last]


# --- the bytes ----------------------------------------------------------------------------


def test_four_payments_make_the_golden_file_byte_for_byte() -> None:
    assert write(*FOUR) == GOLDEN.read_bytes()


def test_every_label_is_80_characters_every_payment_100_and_lines_end_in_crlf() -> None:
    lines = GOLDEN.read_bytes().split(b"\r\n")
    assert [len(line) for line in lines] == [80] * 4 + [100] * 5 + [80] * 3 + [0]
    assert b"\n" not in b"".join(lines)


def test_the_volume_label_stands_as_in_the_table() -> None:
    line = golden_lines()[0]
    assert at(line, 1, 4) == "VOL1"
    assert at(line, 5, 10) == "000123"
    assert at(line, 11, 41) == " " * 31
    assert at(line, 42, 47) == "987654"
    assert at(line, 48, 79) == " " * 32
    assert at(line, 80, 80) == "1"


def test_the_header_labels_stand_as_in_the_table() -> None:
    first, second = golden_lines()[1:3]
    assert at(first, 1, 4) == "HDR1"
    assert at(first, 5, 5) == "A"
    assert at(first, 6, 11) == "987654"
    assert at(first, 12, 12) == "S"
    assert at(first, 13, 14) == "  "
    assert at(first, 15, 15) == "1"
    assert at(first, 16, 21) == "987654"
    assert at(first, 22, 27) == "000123"
    assert at(first, 28, 31) == "0001"
    assert at(first, 32, 35) == "0001"
    assert at(first, 36, 41) == " " * 6
    assert at(first, 42, 47) == " 26355"  # 21 December 2026
    assert at(first, 48, 53) == " 27082"  # 92 days later: 23 March 2027
    assert at(first, 54, 54) == " "
    assert at(first, 55, 60) == "000000"
    assert at(first, 61, 80) == " " * 20
    assert at(second, 1, 4) == "HDR2"
    assert at(second, 5, 5) == "F"
    assert at(second, 6, 10) == "02000"
    assert at(second, 11, 15) == "00100"
    assert at(second, 16, 50) == " " * 35
    assert at(second, 51, 52) == "00"
    assert at(second, 53, 80) == " " * 28


def test_the_user_header_carries_the_processing_day_not_the_pay_date() -> None:
    line = golden_lines()[3]
    assert at(line, 1, 4) == "UHL1"
    assert at(line, 5, 10) == " 26358"  # Thursday 24 December 2026, to pay on Tuesday the 29th
    assert at(line, 11, 16) == "999999"
    assert at(line, 17, 20) == "    "
    assert at(line, 21, 22) == "00"
    assert at(line, 23, 28) == "000000"
    assert at(line, 29, 37) == "1 DAILY  "
    assert at(line, 38, 40) == "001"
    assert at(line, 41, 47) == " " * 7
    assert at(line, 48, 54) == " " * 7
    assert at(line, 55, 80) == " " * 26


def test_a_payment_stands_as_in_the_table() -> None:
    line = golden_lines()[4]
    assert at(line, 1, 6) == "107999"
    assert at(line, 7, 14) == "88837491"
    assert at(line, 15, 15) == "0"
    assert at(line, 16, 17) == "99"
    assert at(line, 18, 23) == "089999"
    assert at(line, 24, 31) == "66374958"
    assert at(line, 32, 35) == "    "
    assert at(line, 36, 46) == "00000119870"
    assert at(line, 47, 64) == "SYNTHETIC COUNTY C"
    assert at(line, 65, 82) == "DP0000001-W39     "
    assert at(line, 83, 100) == "SIAN ONEIL-LUCZAK "


def test_the_other_payments_are_cut_folded_and_filled() -> None:
    second, third, fourth = golden_lines()[5:8]
    assert at(second, 36, 46) == "00000000001"
    assert at(second, 83, 100) == "A. & B. CARERS/SUP"
    assert at(third, 1, 14) == "00001200000345"
    assert at(third, 36, 46) == "99999000000"
    assert at(third, 83, 100) == "ZOE               "
    assert at(fourth, 65, 82) == "123456789012345678"
    assert at(fourth, 83, 100) == "MR T STRASSE JR   "


def test_the_contra_takes_the_total_from_the_councils_own_account() -> None:
    line = golden_lines()[8]
    assert at(line, 1, 6) == "089999"
    assert at(line, 7, 14) == "66374958"
    assert at(line, 15, 15) == "0"
    assert at(line, 16, 17) == "17"
    assert at(line, 18, 23) == "089999"
    assert at(line, 24, 31) == "66374958"
    assert at(line, 32, 35) == "    "
    assert at(line, 36, 46) == "99999150876"
    assert at(line, 47, 64) == "BACS 000123       "
    assert at(line, 65, 82) == "CONTRA            "
    assert at(line, 83, 100) == "SYNTHETIC COUNTY C"


def test_the_end_labels_copy_the_headers_from_column_5() -> None:
    lines = golden_lines()
    assert at(lines[9], 1, 4) == "EOF1"
    assert at(lines[9], 5, 80) == at(lines[1], 5, 80)
    assert at(lines[10], 1, 4) == "EOF2"
    assert at(lines[10], 5, 80) == at(lines[2], 5, 80)


def test_the_user_trailer_states_the_totals() -> None:
    line = golden_lines()[11]
    assert at(line, 1, 4) == "UTL1"
    assert at(line, 5, 17) == "0099999150876"
    assert at(line, 18, 30) == "0099999150876"
    assert at(line, 31, 37) == "0000001"
    assert at(line, 38, 44) == "0000004"
    assert at(line, 45, 52) == " " * 8
    assert at(line, 53, 59) == "0000000"
    assert at(line, 60, 80) == " " * 21


def test_the_contras_narrative_can_be_chosen() -> None:
    (contra,) = read_bacs(write(A_CREDIT, narrative="Personal budgets wk 39")).contras
    assert contra.narrative == "PERSONAL BUDGETS W"


def golden_lines() -> list[str]:
    return GOLDEN.read_text("ascii").splitlines()


# --- folding ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Siân O’Neil-Łuczak", "SIAN ONEIL-LUCZAK"),
        ("O'Brien", "OBRIEN"),
        ("D´Arcy", "DARCY"),  # noqa: RUF001
        ("Bjørn Sørensen", "BJORN SORENSEN"),
        ("Groß", "GROSS"),
        ("Æthelred Œuvre Þór Đặng Ðór", "AETHELRED OEUVRE THOR DANG DOR"),
        ("İbrahim Ilg\u0131n", "IBRAHIM ILGIN"),
        ("Ángel Muñoz–García", "ANGEL MUNOZ-GARCIA"),
        ("Mr (T) Jones, Jr", "MR T JONES JR"),
        ("A_B@C+D", "A B C D"),
        ("  two   spaces\tand a tab\n", "TWO SPACES AND A TAB"),
        ("A.B & C/D-E 1", "A.B & C/D-E 1"),
        ("A\u200bB\u00adC", "ABC"),
        ("Zoe\u0308", "ZOE"),
        ("李 Wei", "WEI"),
        ("李小龙", ""),
        ("", ""),
    ],
)
def test_names_fold_to_the_banks_alphabet(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text())
def test_folding_gives_only_the_banks_alphabet_and_folding_again_changes_nothing(
    text: str,
) -> None:
    folded = fold(text)
    assert set(folded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.&/- ")
    assert fold(folded) == folded == folded.strip()


# --- dates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pay_on", "processing_on", "input_by"),
    [
        (date(2026, 12, 29), date(2026, 12, 24), date(2026, 12, 23)),
        (date(2026, 12, 31), date(2026, 12, 30), date(2026, 12, 29)),
        (date(2026, 4, 7), date(2026, 4, 2), date(2026, 4, 1)),
    ],
)
def test_the_processing_day_is_one_working_day_before_and_input_one_more(
    pay_on: date, processing_on: date, input_by: date
) -> None:
    file = read_bacs(write(A_CREDIT, pay_on=pay_on, created_on=input_by))
    assert (file.created_on, file.processing_on) == (input_by, processing_on)


@pytest.mark.parametrize("day", [date(2026, 12, 25), date(2026, 12, 27), date(2027, 1, 1)])
def test_a_pay_date_that_is_not_a_working_day_is_refused(day: date) -> None:
    with pytest.raises(PayDateNotWorkingDay, match=str(day)):
        write(A_CREDIT, pay_on=day)


def test_a_processing_day_may_be_31_days_ahead_and_not_32() -> None:
    write(A_CREDIT, created_on=date(2026, 11, 23))
    with pytest.raises(ProcessingDayTooFarAhead):
        write(A_CREDIT, created_on=date(2026, 11, 22))


@pytest.mark.parametrize("made", [date(2026, 12, 24), date(2026, 12, 25), date(2027, 3, 1)])
def test_a_file_made_after_its_input_day_is_refused(made: date) -> None:
    with pytest.raises(ProcessingDayTooSoon, match="input by 2026-12-23"):
        write(A_CREDIT, created_on=made)


def test_a_pay_date_beyond_the_bank_holiday_data_is_refused() -> None:
    with pytest.raises(BeyondBankHolidayData):
        write(A_CREDIT, pay_on=date(2031, 6, 2))


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "refusal"),
    [
        *(("amount_pence", v, InvalidPaymentAmount) for v in (0, -1, 10**11, True, 1.0, "100")),
        *(("sort_code", v, InvalidSortCode) for v in ("", "12345", "1234567", "12-34-56", "１２３４５６")),  # noqa: RUF001, E501
        *(("account_number", v, InvalidAccountNumber) for v in ("", "1234567", "123456789", "1234567 ")),  # noqa: E501
        *(("reference", v, InvalidBankReference) for v in ("", "A" * 19, "dp1", "DP_1", " DP1", "DP1 ", "DÉ")),  # noqa: E501
        *(("payee_name", v, UnwritableName) for v in ("", "  ", "李小龙", "--")),
    ],
)  # fmt: skip
def test_a_faulty_item_refuses_the_file_by_its_number_and_field(
    field: str, value: Any, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal, match=f"Item 2, {field}") as refused:
        write(A_CREDIT, changed(A_CREDIT, **{field: value}), A_CREDIT)
    assert A_CREDIT.account_number not in str(refused.value)
    assert A_CREDIT.account_number not in str(refused.value.details)


def test_a_refusal_does_not_repeat_a_faulty_account_number() -> None:
    with pytest.raises(InvalidAccountNumber) as refused:
        write(changed(A_CREDIT, account_number="7654321"))
    assert "7654321" not in f"{refused.value} {refused.value.details}"
    assert refused.value.details == {"item": 1, "field": "account_number"}


@pytest.mark.parametrize("serial", ["000000", "", "12345", "1234567", "12345A", "12345\n"])
def test_a_serial_must_be_six_digits_and_not_all_noughts(serial: str) -> None:
    with pytest.raises(InvalidSubmissionSerial):
        write(A_CREDIT, submission_serial=serial)


@pytest.mark.parametrize(
    ("field", "value", "refusal"),
    [
        ("service_user_number", "12345", InvalidServiceUserNumber),
        ("sort_code", "08-99-99", InvalidSortCode),
        ("account_number", "1234567", InvalidAccountNumber),
        ("name", "’", UnwritableName),
    ],
)
def test_a_faulty_originating_account_is_refused(
    field: str, value: str, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        write(A_CREDIT, originator=msgspec.structs.replace(COUNCIL, **{field: value}))


def test_a_narrative_the_bank_cannot_write_is_refused() -> None:
    with pytest.raises(UnwritableName, match="Contra, narrative"):
        write(A_CREDIT, narrative="…")


def test_a_file_of_no_payments_is_refused() -> None:
    with pytest.raises(EmptyBankFile):
        write()


def test_a_total_over_the_contras_eleven_digits_is_refused() -> None:
    most = changed(A_CREDIT, amount_pence=99_999_999_999)
    assert read_bacs(write(most)).debit_total_pence == 99_999_999_999
    with pytest.raises(BankFileTooLarge, match="100000000000"):
        write(most, changed(A_CREDIT, amount_pence=1))


def test_more_payments_than_the_count_can_state_are_refused_before_any_is_written() -> None:
    endless = itertools.repeat(A_CREDIT)
    with pytest.raises(BankFileTooLarge, match="9,999,999"):
        write_bacs(
            COUNCIL,
            endless,
            submission_serial="000123",
            created_on=date(2026, 12, 21),
            pay_on=date(2026, 12, 29),
            working_days=WORKING_DAYS,
        )


# --- the reader proves the writer ---------------------------------------------------------

_digits = st.characters(categories=(), include_characters="0123456789")
_alphabet = st.characters(
    categories=(), include_characters="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.&/- "
)
CREDITS = st.builds(
    Credit,
    sort_code=st.text(_digits, min_size=6, max_size=6),
    account_number=st.text(_digits, min_size=8, max_size=8),
    amount_pence=st.integers(-1, 10**11),
    reference=st.text(_alphabet, max_size=19),
    payee_name=st.text(max_size=30),
)
LIKELY = st.builds(
    changed,
    CREDITS,
    amount_pence=st.integers(1, 10**9),
    reference=st.text(_alphabet, min_size=1, max_size=18).map(lambda r: f"X{r[1:-1]}X"[:18]),
    payee_name=st.text(st.characters(codec="latin-1"), max_size=30).map(lambda n: f"A{n}"),
)


@settings(deadline=None)
@given(st.lists(LIKELY | CREDITS, max_size=6))
def test_whatever_the_writer_accepts_the_reader_reads_back(credits: list[Credit]) -> None:
    try:
        data = write(*credits)
    except Refusal:
        assume(False)
    file = read_bacs(data)
    assert file.credits == tuple(
        changed(c, payee_name=fold(c.payee_name)[:18].rstrip()) for c in credits
    )
    total_pence = sum(c.amount_pence for c in credits)
    assert file.credit_total_pence == file.debit_total_pence == total_pence
    assert (file.credit_count, file.debit_count) == (len(credits), 1)
    assert (file.service_user_number, file.serial) == ("987654", "000123")
    (contra,) = file.contras
    assert (contra.sort_code, contra.account_number) == ("089999", "66374958")


def test_a_file_with_plain_line_feeds_reads_the_same() -> None:
    data = GOLDEN.read_bytes()
    assert read_bacs(data.replace(b"\r\n", b"\n")) == read_bacs(data)
    assert read_bacs(data.removesuffix(b"\r\n")) == read_bacs(data)


def money_digits(lines: list[str]) -> list[tuple[int, int]]:
    """Line and column (from 0) of every digit of an amount, a contra or a stated total."""
    payments = [(n, c) for n in range(4, len(lines) - 3) for c in range(35, 46)]
    return payments + [(len(lines) - 1, c) for c in range(4, 44)]


def with_digit(lines: list[str], place: tuple[int, int], digit: str) -> bytes:
    number, column = place
    line = lines[number]
    changed_line = f"{line[:column]}{digit}{line[column + 1 :]}"
    return "\r\n".join([*lines[:number], changed_line, *lines[number + 1 :], ""]).encode("ascii")


def test_any_one_digit_of_money_changed_in_the_golden_file_is_refused() -> None:
    lines = golden_lines()
    for place, digit in itertools.product(money_digits(lines), "0123456789"):
        if lines[place[0]][place[1]] != digit:
            with pytest.raises(BankFileUnreadable):
                read_bacs(with_digit(lines, place, digit))


@settings(deadline=None)
@given(st.lists(LIKELY, min_size=1, max_size=6), st.data())
def test_any_one_digit_of_money_changed_in_any_file_is_refused(
    credits: list[Credit], data: st.DataObject
) -> None:
    lines = write(*credits).decode("ascii").splitlines()
    number, column = data.draw(st.sampled_from(money_digits(lines)))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda d: d != lines[number][column]))
    with pytest.raises(BankFileUnreadable):
        read_bacs(with_digit(lines, (number, column), digit))


def test_a_file_cut_off_after_any_line_is_refused() -> None:
    lines = GOLDEN.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        with pytest.raises(BankFileUnreadable):
            read_bacs(b"".join(lines[:kept]))


def test_a_file_cut_off_inside_any_line_or_without_any_one_line_is_refused() -> None:
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
        (1, 1, "VOL2", 1, "label"),
        (1, 5, "000124", 2, "serial"),
        (1, 5, "000000", 1, "serial"),
        (1, 11, "X", 1, "blank"),
        (1, 42, "987655", 2, "service user number"),
        (2, 15, "2", 2, "file identifier"),
        (2, 16, "111111", 2, "set identification"),
        (2, 42, " 26366", 2, "creation date"),
        (2, 42, " 26000", 2, "creation date"),
        (2, 42, "026355", 2, "creation date"),
        (2, 48, " 26001", 2, "expiry date"),
        (3, 11, "00107", 3, "data record length"),
        (3, 11, "00106", 4, "work code"),
        (4, 5, " 26354", 4, "processing date"),
        (4, 5, " 27022", 4, "processing date"),
        (4, 21, "01", 4, "currency"),
        (4, 29, "4 MULTI  ", 4, "work code"),
        (5, 15, "1", 5, "account type"),
        (5, 16, "01", 5, "transaction code"),
        (5, 18, "089998", 9, "originating account"),
        (5, 32, "0", 5, "blank"),
        (5, 36, "00000000000", 5, "amount"),
        (5, 36, "0000011987 ", 5, "amount"),
        (5, 47, "s", 5, "user name"),
        (5, 65, " ", 5, "reference"),
        (5, 83, "'", 5, "account name"),
        (9, 1, "089998", 9, "originating account"),
        (9, 18, "089998", 9, "originating account"),
        (9, 16, "99", 9, "transaction code"),
        (9, 36, "99999150875", 9, "amount"),
        (9, 65, "KONTRA", 9, "reference"),
        (10, 5, "B", 10, "label"),
        (10, 22, "000124", 10, "label"),
        (11, 11, "00106", 11, "label"),
        (12, 5, "0099999150877", 12, "debit value"),
        (12, 18, "0099999150877", 12, "credit value"),
        (12, 31, "0000002", 12, "debit count"),
        (12, 38, "0000005", 12, "credit count"),
        (12, 53, "0000001", 12, "instruction count"),
        (12, 80, "X", 12, "blank"),
    ],
)
def test_a_fault_is_refused_with_the_line_and_field_where_it_shows(
    line: int, column: int, text: str, told: int, field: str
) -> None:
    lines = golden_lines()
    old = lines[line - 1]
    lines[line - 1] = old[: column - 1] + text + old[column - 1 + len(text) :]
    with pytest.raises(BankFileUnreadable) as refused:
        read_bacs("\r\n".join([*lines, ""]).encode("ascii"))
    found = refused.value.details
    assert (found["line"], found["field"]) == (told, field)
    assert str(refused.value).startswith(f"Line {told}, {field}: ")


@pytest.mark.parametrize("line", range(1, 13))
def test_a_record_one_character_short_or_long_is_refused(line: int) -> None:
    for edit in (lambda text: text[:-1], lambda text: f"{text} "):
        lines = golden_lines()
        lines[line - 1] = edit(lines[line - 1])
        with pytest.raises(BankFileUnreadable) as refused:
            read_bacs("\n".join(lines).encode("ascii"))
        assert refused.value.details["line"] == line


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\xff\xfe", b"VOL1", b"Date,Amount\r\n"])
def test_what_is_no_bacs_file_is_refused(data: bytes) -> None:
    with pytest.raises(BankFileUnreadable, match="Line 1"):
        read_bacs(data)


def test_a_character_outside_ascii_is_refused_on_its_line() -> None:
    data = GOLDEN.read_bytes().replace(b"ZOE", "ZÖ".encode())
    with pytest.raises(BankFileUnreadable, match="Line 7, characters"):
        read_bacs(data)


def test_anything_after_the_trailer_is_refused() -> None:
    for extra in (b"\r\n", b"VOL1", GOLDEN.read_bytes()):
        with pytest.raises(BankFileUnreadable):
            read_bacs(GOLDEN.read_bytes() + extra)


def test_each_section_must_equal_its_own_contra_not_only_the_files_total() -> None:
    head, tail = golden_lines()[:4], golden_lines()[9:]
    payments = [line[:35] + f"{pence:011d}" + line[46:] for line, pence in section_amounts()]
    trailer = f"UTL1{10:013d}{10:013d}{2:07d}{2:07d}" + tail[2][44:]
    two = [*head, *payments, *tail[:2], trailer]
    file = read_bacs("\r\n".join(two).encode("ascii"))
    assert [contra.amount_pence for contra in file.contras] == [4, 6]
    swapped = [*two[:5], two[7], two[6], two[5], *two[8:]]
    with pytest.raises(BankFileUnreadable, match="Line 6, amount"):
        read_bacs("\r\n".join(swapped).encode("ascii"))


def section_amounts() -> list[tuple[str, int]]:
    """Two sections of one account: a payment of 4 with its contra, a payment of 6 with its."""
    payment, contra = golden_lines()[4], golden_lines()[8]
    return [(payment, 4), (contra, 4), (payment, 6), (contra, 6)]
