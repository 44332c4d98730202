"""The assessment file: every fault is found, on its own line and in its own column."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.console import steps
from ledger.assessment_columns import COLUMNS, ITEMS, KINDS, ORDER
from ledger.assessment_file import AssessmentFile, FiledAssessment, read_assessments
from ledger.charging.facts import (
    OLDEST,
    CapitalLine,
    DisabilityCost,
    Facts,
    HousingCost,
    IncomeLine,
)
from ledger.errors import AssessmentFileRefused, Fault
from ledger.money import format_pounds

Row = Mapping[str, str]
NAMES = list(ORDER)


def of(reference: str, item: str, kind: str, amount: str = "", **cells: str) -> dict[str, str]:
    """A row of one budget."""
    return {"budget_reference": reference, "item": item, "kind": kind, "amount": amount, **cells}


def example_a(reference: str = "PB000001", savings: str = "18250.00", **cells: str) -> list[Row]:
    """Worked example A of the domain reference: £142.95 a week in 2026/27, in six rows."""
    dates = {"effective_on": "2026-04-06", "decided_on": "2026-04-06"}
    return [
        of(reference, "assessment", "full", household="single", **{**dates, **cells}),
        of(reference, "income", "state_pension", "286.30", per="week"),
        of(reference, "income", "attendance_allowance", "114.60", per="week"),
        of(reference, "capital", "savings", savings),
        of(reference, "housing", "council_tax", "18.00", per="week"),
        of(reference, "disability_cost", "laundry", "14.50", per="week"),
    ]


def csv_of(*rows: Row, names: Sequence[str] = NAMES, newline: str = "\n") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def refused(data: bytes) -> AssessmentFileRefused:
    with pytest.raises(AssessmentFileRefused) as refusal:
        read_assessments(data)
    return refusal.value


def places(data: bytes) -> list[tuple[int, str]]:
    """Where the faults are, in the order they are listed."""
    return [(fault.line, fault.column) for fault in refused(data).faults]


def changed(rows: Sequence[Row], number: int, **cells: str) -> list[Row]:
    """The same rows, the one on a line of the file with other cells."""
    return [{**row, **cells} if line == number else row for line, row in enumerate(rows, 2)]


# --- what is read -------------------------------------------------------------------------


def test_the_rows_of_an_assessment_are_read_into_its_facts():
    data = csv_of(*example_a(assessment_reference="", date_of_birth="1950-02-03"))
    facts = Facts(
        date_of_birth=date(1950, 2, 3),
        household="single",
        income=(
            IncomeLine(kind="state_pension", amount_pence=28_630),
            IncomeLine(kind="attendance_allowance", amount_pence=11_460),
        ),
        capital=(CapitalLine(kind="savings", amount_pence=18_250_00),),
        housing=(HousingCost(kind="council_tax", amount_pence=1_800),),
        disability_costs=(DisabilityCost(kind="laundry", amount_pence=1_450),),
    )
    assert read_assessments(data) == AssessmentFile(
        hashlib.sha256(data).hexdigest(),
        (
            FiledAssessment(
                line=2,
                budget_reference="PB000001",
                assessment_reference="",
                effective_on=date(2026, 4, 6),
                decided_on=date(2026, 4, 6),
                basis=None,
                recovery=None,
                weekly_cap_pence=None,
                date_of_birth=date(1950, 2, 3),
                told=facts,
            ),
        ),
    )


def test_without_a_date_of_birth_it_is_that_of_the_person_registered():
    [filed] = read_assessments(csv_of(*example_a())).assessments
    assert filed.date_of_birth is None
    assert filed.facts(date(1950, 2, 3)).date_of_birth == date(1950, 2, 3)


def test_every_cell_has_its_use():
    rows = [
        of("PB1", "assessment", "full", assessment_reference="FA/1", effective_on="2026-04-06",
           decided_on="2026-03-20", household="couple", children="2",
           partner_date_of_birth="1955-01-01", basis="gross", recovery="weekly_cap",
           weekly_cap="5.00"),
        of("PB1", "income", "private_pension", "£1,200.00", assessment_reference="FA/1",
           per="month", tax="200.00", starts_on="2026-04-06", ends_on="2027-04-05"),
        of("PB1", "capital", "shares", "100", assessment_reference="FA/1",
           owner="joint_with_partner"),
        of("PB1", "housing", "rent", "400.00", assessment_reference="FA/1", per="four_weeks",
           help="300.00"),
        *(of("PB1", "premium", kind, assessment_reference="FA/1") for kind in KINDS["premium"]),
    ]  # fmt: skip
    [filed] = read_assessments(csv_of(*rows)).assessments
    assert (filed.assessment_reference, filed.basis) == ("FA/1", "gross")
    assert (filed.recovery, filed.weekly_cap_pence) == ("weekly_cap", 500)
    assert filed.told == Facts(
        date_of_birth=OLDEST,
        household="couple",
        children=2,
        partner_date_of_birth=date(1955, 1, 1),
        disability_premium=True,
        enhanced_disability_premium=True,
        carer_premium=True,
        income=(
            IncomeLine(kind="private_pension", amount_pence=120_000, per="month",
                       tax_pence=20_000, starts_on=date(2026, 4, 6), ends_on=date(2027, 4, 5)),
        ),
        capital=(CapitalLine(kind="shares", amount_pence=10_000, owner="joint_with_partner"),),
        housing=(HousingCost(kind="rent", amount_pence=40_000, per="four_weeks",
                             help_pence=30_000),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "amount", "told"),
    [
        ("declined", "", {"assessment": "declined"}),
        ("cjd", "", {"free_person": "cjd"}),
        ("significant_resources", "", {"assessment": "light_touch",
                                       "light_touch_ground": "significant_resources"}),
        ("benefits_show_nil", "", {"assessment": "light_touch",
                                   "light_touch_ground": "benefits_show_nil"}),
        ("not_contacted", "25.00", {"assessment": "light_touch",
                                    "light_touch_ground": "not_contacted",
                                    "provisional_weekly_pence": 2_500}),
    ],
)  # fmt: skip
def test_the_kind_of_the_assessment_row_says_how_it_was_made(
    kind: str, amount: str, told: dict[str, Any]
):
    [filed] = read_assessments(
        csv_of({**example_a()[0], "kind": kind, "amount": amount})
    ).assessments
    assert filed.told == Facts(date_of_birth=OLDEST, household="single", **told)


def test_rows_need_not_follow_each_other_and_a_budget_may_have_two_assessments():
    first = [{**row, "assessment_reference": "FA1"} for row in example_a()]
    second = [{**row, "assessment_reference": "FA2"} for row in example_a(savings="1.00")]
    mixed = [row for pair in zip(second, first, strict=True) for row in pair]
    told = {f.assessment_reference: f.told for f in read_assessments(csv_of(*mixed)).assessments}
    alone = [read_assessments(csv_of(*rows)).assessments[0].told for rows in (first, second)]
    assert [told["FA1"], told["FA2"]] == alone


# --- what spreadsheets do -----------------------------------------------------------------


def test_what_spreadsheets_add_makes_no_difference():
    rows = [*example_a(), *example_a("PB000002")]
    plain = read_assessments(csv_of(*rows)).assessments
    blanks = b"," * (len(NAMES) - 1)
    written = csv_of(*rows)
    lines = written.rstrip(b"\n").split(b"\n")
    wider = b"\n".join([lines[0] + b",, ", *(line + b",," for line in lines[1:]), blanks + b",,"])
    for same in (
        b"\xef\xbb\xbf" + written,
        csv_of(*rows, newline="\r\n"),
        csv_of(*rows, names=NAMES[::-1]),
        written + blanks + b"\n" + blanks + b"\r\n\r\n",
        wider,
        csv_of(*({name: f" {cell} " for name, cell in row.items()} for row in rows)),
        written.replace(b"286.30", b"\xc2\xa3286.30").replace(b"18250.00", b'"\xc2\xa318,250.00"'),
    ):
        assert read_assessments(same).assessments == plain


def test_a_cell_beyond_the_last_column_is_not_lost():
    lines = csv_of(*example_a()).split(b"\n")
    assert places(b"\n".join([lines[0], lines[1] + b",,9.00", *lines[2:]])) == [(2, "")]


# --- what is refused ----------------------------------------------------------------------

OF_SAVINGS, OF_HOUSING, OF_PENSION = 5, 6, 3


@pytest.mark.parametrize(
    ("line", "cells", "column"),
    [
        (2, {"effective_on": "06/04/2026"}, "effective_on"),
        (2, {"decided_on": "2026-02-30"}, "decided_on"),
        (2, {"effective_on": "2200-01-01"}, "effective_on"),
        (2, {"household": "married"}, "household"),
        (2, {"children": "2.5"}, "children"),
        (2, {"children": "31"}, "children"),
        (2, {"date_of_birth": "2026-04-07"}, "date_of_birth"),
        (2, {"date_of_birth": "2010-01-01"}, "date_of_birth"),
        (2, {"partner_date_of_birth": "1950-01-01"}, "partner_date_of_birth"),
        (2, {"basis": "nett"}, "basis"),
        (2, {"recovery": "later"}, "recovery"),
        (2, {"recovery": "invoice", "weekly_cap": "5.00"}, "weekly_cap"),
        (2, {"recovery": "weekly_cap", "weekly_cap": "0.00"}, "weekly_cap"),
        (2, {"kind": "savings"}, "kind"),
        (2, {"kind": "not_contacted"}, "amount"),
        (2, {"amount": "25.00"}, "amount"),
        (OF_PENSION, {"kind": "savings"}, "kind"),
        (OF_PENSION, {"amount": "-1.00"}, "amount"),
        (OF_PENSION, {"amount": "286.3"}, "amount"),
        (OF_PENSION, {"amount": "10000000.01"}, "amount"),
        (OF_PENSION, {"per": "fortnight"}, "per"),
        (OF_PENSION, {"tax": "286.31"}, "tax"),
        (OF_PENSION, {"starts_on": "2026-05-01", "ends_on": "2026-04-30"}, "ends_on"),
        (OF_SAVINGS, {"owner": "joint_with_partner"}, "owner"),
        (OF_SAVINGS, {"per": "week"}, "per"),
        (OF_HOUSING, {"help": "18.01"}, "help"),
        (OF_HOUSING, {"tax": "1.00"}, "tax"),
        (4, {"kind": "state_pension"}, "starts_on"),
    ],
)  # fmt: skip
def test_one_wrong_cell_is_one_fault(line: int, cells: dict[str, str], column: str):
    assert places(csv_of(*changed(example_a(), line, **cells))) == [(line, column)]


def test_faults_name_lines_of_the_file_and_not_places_in_a_list():
    [fault] = refused(csv_of(*changed(example_a(), 4, kind="state_pension"))).faults
    assert fault.reason == "It overlaps line 3, which is of the same kind."


def test_an_assessment_has_one_row_of_its_own_and_each_premium_once():
    rows = example_a()
    assert places(csv_of(*rows[1:])) == [(2, "item")]
    assert places(csv_of(*rows, rows[0])) == [(8, "item")]
    premium = of("PB000001", "premium", "carer")
    assert places(csv_of(*rows, premium, premium)) == [(9, "kind")]


def test_more_lines_than_anyone_has_are_one_fault():
    many = [of("PB000001", "capital", "savings", "1.00")] * 100
    assert places(csv_of(*example_a(), *many)) == [(107, "item")]


def test_every_fault_is_listed_also_of_an_assessment_with_other_faults():
    rows = changed(example_a(), 2, decided_on="soon", partner_date_of_birth="1950-01-01")
    rows = changed(changed(rows, 3, tax="999.00"), 6, amount="")
    assert places(csv_of(*rows, *changed(example_a("PB2"), 5, owner="nobody"))) == [
        (2, "decided_on"),
        (2, "partner_date_of_birth"),
        (3, "tax"),
        (6, "amount"),
        (11, "owner"),
    ]


def test_reasons_and_records_repeat_nothing_personal():
    secret = dict.fromkeys(NAMES, "44556677 Secret")
    refusal = refused(csv_of(*example_a(), secret))
    assert "Secret" not in f"{refusal} {refusal.details}"
    data = csv_of(*example_a(date_of_birth="1950-02-03"))
    assert "pension" not in repr(read_assessments(data))


def test_columns_cover_every_item_and_every_fact():
    for item in ITEMS:
        assert any(item in column.needed_on for column in COLUMNS), item
    assert len(ORDER) == len(COLUMNS) == 20
    for line in (IncomeLine, CapitalLine, HousingCost, DisabilityCost):
        assert {f.removesuffix("_pence") for f in line.__struct_fields__} <= ORDER.keys()
    assert set(Facts.__struct_fields__) == {
        *("date_of_birth", "household", "children", "partner_date_of_birth"),  # columns
        *("assessment", "light_touch_ground", "provisional_weekly_pence", "free_person"),  # its row
        *("disability_premium", "enhanced_disability_premium", "carer_premium"),  # premium rows
        *("income", "capital", "housing", "disability_costs"),  # rows of their own
    }, "a new fact needs its column or its rows"


GOOD = [
    *example_a(),
    *example_a("PB000002", date_of_birth="1950-02-03", assessment_reference=""),
    of("PB000002", "premium", "disability"),
]
VALID = {
    "amount": "1.00",
    "per": "week",
    "tax": "1.00",
    "help": "1.00",
    "owner": "own",
    "household": "single",
    "children": "1",
    "basis": "net",
    "recovery": "net_off",
    "weekly_cap": "1.00",
}
"""A cell that is right where its column is filled in; days for all others."""


def corruptions(rows: Sequence[Row]) -> list[tuple[int, str, str]]:
    """Every single cell that makes good rows wrong: its line, column, and what it then holds."""
    found = []
    for line, row in enumerate(rows, 2):
        for column in COLUMNS:
            found.append((line, column.name, "?"))
            if row["item"] in column.needed_on:
                found.append((line, column.name, ""))
            elif row["item"] not in column.taken_on:
                found.append((line, column.name, VALID.get(column.name, "2026-04-06")))
    return found


@given(st.sampled_from(corruptions(GOOD)))
def test_any_wrong_cell_of_a_good_file_is_the_one_fault(corruption):
    line, column, cell = corruption
    assert places(csv_of(*changed(GOOD, line, **{column: cell}))) == [(line, column)]


@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(data):
    damaged = bytearray(csv_of(*GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found: tuple[Fault, ...] = ()
    try:
        read_assessments(bytes(damaged))
    except AssessmentFileRefused as refusal:
        found = refusal.faults
    lines = damaged.count(b"\n") + damaged.count(b"\r") + 1
    assert all(1 <= fault.line <= lines and fault.reason for fault in found)


# --- round trip ---------------------------------------------------------------------------

PENCE = st.integers(0, 10_000_000)
PERS: st.SearchStrategy[Any] = st.sampled_from(["week", "four_weeks", "month", "year"])


@st.composite
def told(draw: st.DrawFn) -> Facts:
    """Facts that are sound, of a couple so that anything may be joint."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS["income"])), unique=True, max_size=4))
    income = []
    for kind in kinds:
        pence, starts_on = draw(PENCE), draw(st.none() | st.dates(date(2020, 1, 1)))
        income.append(
            IncomeLine(
                kind=kind,
                amount_pence=pence,
                per=draw(PERS),
                tax_pence=draw(st.integers(0, pence)),
                starts_on=starts_on if starts_on and starts_on.year < 2190 else None,
                ends_on=draw(st.sampled_from([None, date(2190, 1, 1) + timedelta(days=1)])),
            )
        )
    owners = st.sampled_from(["own", "joint_with_partner"])
    capital = st.builds(
        CapitalLine,
        kind=st.sampled_from(sorted(KINDS["capital"])),
        amount_pence=PENCE,
        owner=owners,
    )
    costs = st.builds(
        DisabilityCost,
        kind=st.sampled_from(sorted(KINDS["disability_cost"])),
        amount_pence=PENCE,
        per=PERS,
    )
    return Facts(
        date_of_birth=date(1950, 2, 3),
        household="couple",
        children=draw(st.integers(0, 30)),
        disability_premium=draw(st.booleans()),
        carer_premium=draw(st.booleans()),
        income=tuple(income),
        capital=tuple(draw(st.lists(capital, max_size=3))),
        disability_costs=tuple(draw(st.lists(costs, max_size=3))),
    )


def written(facts: Facts) -> list[Row]:
    """Facts as rows: the inverse of reading."""

    def row(item: str, line: Any) -> Row:
        cells = {}
        for field in line.__struct_fields__:
            value = getattr(line, field)
            name = field.removesuffix("_pence")
            cells[name] = format_pounds(value) if name != field else str(value or "")
        return {"budget_reference": "PB1", "item": item, **cells}

    premiums = {"disability": facts.disability_premium, "carer": facts.carer_premium}
    return [
        of("PB1", "assessment", "full", effective_on="2026-04-06", decided_on="2026-04-06",
           household=facts.household, children=str(facts.children),
           date_of_birth=str(facts.date_of_birth)),
        *(row("income", line) for line in facts.income),
        *(row("capital", line) for line in facts.capital),
        *(row("disability_cost", line) for line in facts.disability_costs),
        *(of("PB1", "premium", kind) for kind, held in premiums.items() if held),
    ]  # fmt: skip


@given(told())
def test_what_is_written_is_read_the_same(facts: Facts):
    [filed] = read_assessments(csv_of(*written(facts))).assessments
    assert filed.told == facts


# --- the documentation --------------------------------------------------------------------


def test_the_example_of_the_how_to_is_a_good_file():
    page = Path(__file__).parent.parent / "docs" / "how-to" / "import-assessments.md"
    [example] = [
        s.output for s in steps(page.read_text(encoding="utf-8")) if s.file == "assessments.csv"
    ]
    first, second = read_assessments(example.encode()).assessments
    [as_here] = read_assessments(csv_of(*example_a())).assessments
    assert first.told == as_here.told
    assert second.told.light_touch_ground == "not_contacted"
