"""The caseload file: every fault is found, on its own line and in its own column."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.caseload import Caseload, CaseloadBudget, CaseloadLine, read_caseload
from ledger.caseload_columns import COLUMNS, FIELDS
from ledger.demo_data import caseload_csv
from ledger.errors import CaseloadRefused, Fault
from ledger.money import format_pounds

NAMES = [column.name for column in COLUMNS]
GOOD = {
    "budget_reference": "PB000001",
    "recipient_reference": "R000001",
    "recipient_name": "Siân O'Connor",
    "date_of_birth": "1950-02-03",
    "legal_basis": "care_act_2014",
    "support_reason": "memory_cognition",
    "start_date": "2024-04-01",
    "paid_to": "2026-04-05",
    "agreement_version": "2024-1",
    "agreement_signed_on": "2024-05-01",  # after the start: allowed
    "need": "personal_care",
    "funding_stream": "social_care",
    "deployment": "direct_payment",
    "weekly_amount": "310.00",
    "one_off_amount": "",
    "line_start_date": "2024-04-01",
    "line_end_date": "",
    "cost_centre": "S4100",
    "contribution_weekly": "25.50",
    "contribution_basis": "net",
    "contribution_from": "2026-04-06",
    "payee_type": "recipient",
    "account_name": "S O'Connor",
    "sort_code": "99-99-01",
    "account_number": "1234567",
    "return_frequency": "quarterly",
}
OTHER = {
    **GOOD,
    "budget_reference": "PB000002",
    "recipient_reference": "R000002",
    "recipient_name": "Amina Khan",
}


def csv_of(*rows: dict[str, str], names: list[str] | None = None) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names or NAMES, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def faults(data: bytes) -> list[tuple[int, str]]:
    """Where the faults are, in the order they are listed."""
    return [(fault.line, fault.column) for fault in refused(data).faults]


def refused(data: bytes) -> CaseloadRefused:
    with pytest.raises(CaseloadRefused) as refusal:
        read_caseload(data)
    return refusal.value


def test_a_row_is_read_into_a_budget_with_a_line() -> None:
    data = csv_of(GOOD)
    line = CaseloadLine(
        line_reference="personal_care.social_care",
        need="personal_care",
        funding_stream="social_care",
        deployment="direct_payment",
        weekly_pence=31_000,
        one_off_pence=None,
        starts_on=date(2024, 4, 1),
        ends_on=None,
        cost_centre="S4100",
    )
    budget = CaseloadBudget(
        budget_reference="PB000001",
        recipient_reference="R000001",
        recipient_name="Siân O'Connor",
        date_of_birth=date(1950, 2, 3),
        legal_basis="care_act_2014",
        support_reason="memory_cognition",
        starts_on=date(2024, 4, 1),
        paid_to=date(2026, 4, 5),
        agreement_version="2024-1",
        agreement_signed_on=date(2024, 5, 1),
        contribution_weekly_pence=2_550,
        contribution_basis="net",
        contribution_from=date(2026, 4, 6),
        payee_type="recipient",
        account_name="S O'Connor",
        sort_code="999901",
        account_number="01234567",
        return_frequency="quarterly",
        lines=(line,),
    )
    assert read_caseload(data) == Caseload(hashlib.sha256(data).hexdigest(), (budget,))


def test_columns_may_come_in_any_order_and_a_byte_order_mark_is_skipped() -> None:
    plain = read_caseload(csv_of(GOOD)).budgets
    assert read_caseload(csv_of(GOOD, names=NAMES[::-1])).budgets == plain
    assert read_caseload(b"\xef\xbb\xbf" + csv_of(GOOD)).budgets == plain
    assert read_caseload(csv_of(GOOD).replace(b"\n", b"\r\n")).budgets == plain


def test_optional_cells_may_be_blank() -> None:
    one_off = {"weekly_amount": "", "one_off_amount": "£1,250.00", "paid_to": "", "cost_centre": ""}
    [budget] = read_caseload(csv_of(GOOD | one_off)).budgets
    [line] = budget.lines
    assert (budget.paid_to, line.cost_centre, line.weekly_pence) == (None, None, None)
    assert line.one_off_pence == 125_000


def test_a_pair_that_repeats_is_numbered_by_start_date_whatever_the_order_of_rows() -> None:
    later = GOOD | {"line_start_date": "2026-04-06"}
    middle = GOOD | {"line_start_date": "2025-04-07"}
    nhs = GOOD | {"funding_stream": "nhs"}
    [budget] = read_caseload(csv_of(later, nhs, GOOD, middle)).budgets
    assert [(line.line_reference, line.starts_on.year) for line in budget.lines] == [
        ("personal_care.nhs", 2024),
        ("personal_care.social_care", 2024),
        ("personal_care.social_care.2", 2025),
        ("personal_care.social_care.3", 2026),
    ]


def test_rows_of_one_budget_need_not_follow_each_other_nor_be_written_alike() -> None:
    again = GOOD | {"need": "community", "sort_code": "999901", "account_number": "01234567"}
    first, second = read_caseload(csv_of(GOOD, OTHER, again)).budgets
    assert [len(first.lines), len(second.lines)] == [2, 1]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("budget_reference", ""),
        ("budget_reference", "pb1"),
        ("budget_reference", "P" * 21),
        ("budget_reference", "PB1\u0661"),  # an Arabic-Indic digit
        ("recipient_reference", "R 1"),
        ("recipient_name", " "),
        ("recipient_name", "x" * 141),
        ("recipient_name", "A\x07B"),
        ("date_of_birth", "03/02/1950"),
        ("date_of_birth", "1950-02-30"),
        ("date_of_birth", "2024-04-02"),  # after start_date
        ("legal_basis", "care_act"),
        ("support_reason", "Mental Health"),
        ("start_date", ""),
        ("paid_to", "2026-4-5"),
        ("agreement_version", ""),
        ("agreement_version", "v" * 21),
        ("agreement_signed_on", ""),
        ("need", "Personal care"),
        ("funding_stream", ""),
        ("deployment", "cash"),
        ("weekly_amount", "310.005"),
        ("weekly_amount", "-310.00"),
        ("weekly_amount", "0.00"),
        ("weekly_amount", ""),  # neither
        ("one_off_amount", "20.00"),  # both
        ("one_off_amount", "1e3"),
        ("line_start_date", "2024-03-31"),  # before start_date
        ("line_end_date", "2024-03-31"),  # before line_start_date
        ("cost_centre", "c" * 41),
        ("contribution_weekly", ""),
        ("contribution_weekly", "-0.01"),
        ("contribution_basis", "NET"),
        ("contribution_from", "soon"),
        ("payee_type", "friend"),
        ("account_name", ""),
        ("sort_code", "20-00-0"),
        ("account_number", "12345"),
        ("account_number", "123456789"),
        ("return_frequency", "weekly"),
    ],
)
def test_one_wrong_cell_is_one_fault(column: str, cell: str) -> None:
    assert faults(csv_of(OTHER, GOOD | {column: cell})) == [(3, column)]


def test_nil_contribution_and_a_birth_on_the_start_day_are_allowed() -> None:
    read_caseload(csv_of(GOOD | {"contribution_weekly": "0.00", "date_of_birth": "2024-04-01"}))


def test_every_fault_is_listed_by_line_and_then_by_column() -> None:
    wrong = GOOD | {"sort_code": "x", "weekly_amount": "", "date_of_birth": "1950", "need": ""}
    also = OTHER | {"return_frequency": "", "line_end_date": "2001-01-01"}
    refusal = refused(csv_of(wrong, also))
    assert [(fault.line, fault.column) for fault in refusal.faults] == [
        (2, "date_of_birth"),
        (2, "need"),
        (2, "weekly_amount"),
        (2, "sort_code"),
        (3, "line_end_date"),
        (3, "return_frequency"),
    ]
    assert str(refusal) == (
        "The caseload file has 6 faults, so none of it was taken. First, line 2, date_of_birth: "
        "A date must be a real calendar date written YYYY-MM-DD."
    )
    assert refusal.details["faults"][1] == {
        "line": 2,
        "column": "need",
        "reason": "Must not be blank.",
    }


def test_reasons_do_not_repeat_cells() -> None:
    shifted = dict.fromkeys(NAMES, "44556677 Secret Name")
    refusal = refused(csv_of(shifted))
    assert "44556677" not in f"{refusal} {refusal.details}"
    assert "Secret" not in f"{refusal} {refusal.details}"
    without_header = csv_of(GOOD).split(b"\n")[1]
    assert faults(without_header) == [(1, "")]
    assert "Connor" not in str(refused(without_header).faults)


def test_a_record_in_a_log_shows_no_personal_data() -> None:
    assert "Connor" not in repr(read_caseload(csv_of(GOOD)))
    assert "1234567" not in repr(read_caseload(csv_of(GOOD)))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_numbers_count_the_lines_of_the_file(newline: str) -> None:
    split = GOOD | {"account_name": f"S{newline}O'Connor", "recipient_name": f"Siân{newline}O"}
    broken = OTHER | {"need": "?"}
    data = csv_of(split, broken, {**broken, "budget_reference": "PB000003"})
    if newline == "\r\n":  # the writer's own line ends too
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert faults(data) == [(5, "need"), (6, "need")]
    assert faults(data.replace(b"PB000002", b"pb000002").replace(b"care,social", b"!,social")) == [
        (2, "need"),
        (5, "budget_reference"),
        (5, "need"),
        (6, "need"),
    ]


def test_a_name_over_two_lines_is_read_as_one_line() -> None:
    [budget] = read_caseload(csv_of(GOOD | {"recipient_name": "Siân\n O'Connor"})).budgets
    assert budget.recipient_name == "Siân O'Connor"


def test_blank_lines_are_passed_over_but_counted() -> None:
    header, row, _ = csv_of(GOOD).split(b"\n")
    bad = row.replace(b"PB000001", b"PB000009").replace(b"net", b"nett")
    assert faults(b"\n".join([header, b"", row, b"", b"", bad, b""])) == [
        (6, "contribution_basis"),
    ]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(data: bytes) -> None:
    assert [fault.reason for fault in refused(data).faults] == ["The file is empty."]


def test_a_header_and_no_rows() -> None:
    assert faults(csv_of()) == [(1, "")]


def test_unknown_missing_and_repeated_columns_and_the_rows_below_are_all_told() -> None:
    names = [name for name in NAMES if name not in ("need", "weekly_amount")]
    data = csv_of(GOOD | {"sort_code": ""}, names=names)
    data = data.replace(b"cost_centre", b"Cost centre").replace(b"deployment", b"return_frequency")
    found = refused(data).faults
    assert {(fault.line, fault.column) for fault in found} == {
        (1, "Cost centre"),
        (1, "return_frequency"),
        (1, "cost_centre"),
        (1, "need"),
        (1, "weekly_amount"),
        (1, "deployment"),
        (2, "return_frequency"),  # the first of the two is read: it holds a deployment
        (2, "sort_code"),
    }


def test_rows_with_too_few_or_too_many_cells_and_rows_of_commas() -> None:
    header, row, _ = csv_of(GOOD).split(b"\n")
    rows = [header, row + b",", row.rsplit(b",", 1)[0], b"," * (len(NAMES) - 1), row]
    assert [fault.reason for fault in refused(b"\n".join(rows)).faults] == [
        "Has 27 cells where the header has 26.",
        "Has 25 cells where the header has 26.",
        "Every cell of this row is empty.",
    ]


def test_text_that_is_not_utf_8_is_named_by_line_and_byte_and_the_rest_is_still_checked() -> None:
    data = csv_of(OTHER, GOOD | {"need": "?"}).replace("Siân".encode(), b"Si\xe2n")
    first, second = refused(data).faults
    assert (first.line, first.column) == (3, "")
    assert first.reason == (
        "Byte 20 of this line (hexadecimal e2) is not UTF-8; save the file as CSV UTF-8."
    )
    assert (second.line, second.column) == (3, "need")


def test_utf_16_is_refused() -> None:
    assert faults(csv_of(GOOD).decode().encode("utf-16"))[0] == (1, "")


def test_nul_bytes_are_faults() -> None:
    data = csv_of(OTHER, GOOD).replace(b"R000001", b"R0000\x0001")
    assert [(f.line, f.column, f.reason) for f in refused(data).faults] == [
        (3, "", "This line holds a NUL byte.")
    ]


def test_broken_quoting_is_a_fault_where_the_row_starts() -> None:
    unclosed = csv_of(OTHER, GOOD).replace(b"S4100,25.50", b'"S4100,25.50')
    assert faults(unclosed) == [(2, "")]
    trailing = csv_of(OTHER, GOOD | {"account_name": "a,b"}).replace(b'"a,b"', b'"a,b"x')
    assert faults(trailing) == [(3, "")]


@pytest.mark.parametrize("column", [column.name for column in COLUMNS if column.of == "budget"])
def test_rows_of_a_budget_must_agree(column: str) -> None:
    if column == "budget_reference":
        return
    other = {
        "recipient_reference": "R000009",
        "recipient_name": "Someone Else",
        "legal_basis": "nhs_act_2006",
        "support_reason": "mental_health",
        "agreement_version": "2025-1",
        "contribution_weekly": "25.51",
        "contribution_basis": "gross",
        "payee_type": "nominated_person",
        "account_name": "Someone Else",
        "sort_code": "999902",
        "account_number": "7654321",
        "return_frequency": "annual",
        "start_date": "2024-03-31",
        "paid_to": "",
    }.get(column, "2023-01-01")
    second = GOOD | {"need": "community", column: other}
    [fault] = refused(csv_of(OTHER, GOOD, second)).faults
    assert (fault.line, fault.column) == (4, column)
    assert fault.reason == "Differs from line 3 for the same budget."


def test_agreement_is_with_the_first_line_that_could_be_read() -> None:
    unread = GOOD | {"sort_code": "?"}
    second = GOOD | {"need": "community"}
    third = GOOD | {"need": "day_care", "sort_code": "99-99-09"}
    found = refused(csv_of(unread, second, third)).faults
    assert [(f.line, f.column) for f in found] == [(2, "sort_code"), (4, "sort_code")]
    assert found[1].reason == "Differs from line 3 for the same budget."


def test_the_same_line_twice_is_a_fault_even_with_another_amount() -> None:
    [fault] = refused(csv_of(GOOD, OTHER, GOOD | {"weekly_amount": "1.00"})).faults
    assert (fault.line, fault.column) == (4, "line_start_date")
    assert "line 2" in fault.reason


def test_a_person_has_one_name_and_one_date_of_birth_in_all_budgets() -> None:
    namesake = GOOD | {"budget_reference": "PB000007", "recipient_name": "Sian O'Connor"}
    younger = GOOD | {"budget_reference": "PB000008", "date_of_birth": "1951-02-03"}
    found = refused(csv_of(GOOD, namesake, younger)).faults
    assert [(f.line, f.column) for f in found] == [(3, "recipient_name"), (4, "date_of_birth")]
    assert found[0].reason == "Differs from line 2 for the same recipient."
    read_caseload(csv_of(GOOD, GOOD | {"budget_reference": "PB000007"}))


def test_columns_cover_every_field() -> None:
    assert len(set(NAMES)) == len(COLUMNS) == 26
    assert {*FIELDS["budget"].values(), "lines"} == set(CaseloadBudget.__struct_fields__)
    assert {*FIELDS["line"].values(), "line_reference"} == set(CaseloadLine.__struct_fields__)


# --- round trip -------------------------------------------------------------------------------

DAYS = st.dates(date(2015, 1, 1), date(2030, 12, 31))
CODES = st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True)
WORDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=20
)
PENCE = st.integers(1, 99_999_999)


def pounds(pence: int) -> str:
    return format_pounds(pence)


@st.composite
def budget_rows(draw: st.DrawFn, number: int) -> list[dict[str, str]]:
    start = draw(DAYS)
    budget = GOOD | {
        "budget_reference": f"PB-{number}",
        "recipient_reference": f"R/{number}",
        "recipient_name": draw(WORDS),
        "account_name": draw(WORDS),
        "start_date": start.isoformat(),
        "paid_to": draw(st.none() | DAYS.map(date.isoformat)) or "",
        "contribution_weekly": pounds(draw(st.integers(0, 99_999))),
        "account_number": f"{draw(st.integers(0, 99_999_999)):08d}",
    }
    keys = st.tuples(CODES, CODES, st.integers(0, 400))
    rows = []
    for need, stream, after in draw(st.lists(keys, min_size=1, max_size=4, unique=True)):
        begins = start + timedelta(days=after)
        weekly, amount = draw(st.booleans()), pounds(draw(PENCE))
        rows.append(
            budget
            | {
                "need": need,
                "funding_stream": stream,
                "weekly_amount": amount if weekly else "",
                "one_off_amount": "" if weekly else amount,
                "line_start_date": begins.isoformat(),
                "line_end_date": draw(st.sampled_from(["", begins.isoformat()])),
            }
        )
    return rows


def written(budget: CaseloadBudget, line: CaseloadLine) -> dict[str, str]:
    """A line as a row of a file: the inverse of reading."""
    row = {}
    for column in COLUMNS:
        record = budget if column.of == "budget" else line
        value = getattr(record, FIELDS[column.of][column.name])
        if value is None:
            row[column.name] = ""
        elif isinstance(value, int):
            row[column.name] = pounds(value)
        else:
            row[column.name] = str(value)
    return row


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.tuples(*(budget_rows(i) for i in range(n)))))
def test_what_is_read_and_written_is_read_again_the_same(drawn) -> None:
    rows = [row for rows in drawn for row in rows]
    first = read_caseload(csv_of(*rows))
    assert sum(len(budget.lines) for budget in first.budgets) == len(rows)
    again = csv_of(*(written(budget, line) for budget in first.budgets for line in budget.lines))
    assert read_caseload(again).budgets == first.budgets


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(data) -> None:
    good = bytearray(caseload_csv(4, seed=3))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    found: tuple[Fault, ...] = ()
    try:
        read_caseload(bytes(good))
    except CaseloadRefused as refusal:
        found = refusal.faults
    lines = good.count(b"\n") + good.count(b"\r") + 1
    assert all(1 <= fault.line <= lines and fault.reason for fault in found)
