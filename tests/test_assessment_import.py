"""Importing assessments: whole or not at all, twice the same as once, tried before it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import delete, func, select

from ledger import assessment_batches, assessment_import
from ledger.application import Ledger
from ledger.assessment_batches import record_assessments
from ledger.assessment_file import read_assessments
from ledger.assessment_import import AssessmentsImported, import_assessments
from ledger.assessments import Assessment, record_assessment
from ledger.database import writing
from ledger.durable import financial_assessments, people
from ledger.errors import (
    AssessmentFileRefused,
    BeforeBudgetOpened,
    BudgetNotFound,
    DateOfBirthDiffers,
    UnderEighteen,
)
from tests.api import Api, an_api, make_payable
from tests.given import cycle_period, on
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    log_of,
    paid_in,
    run_cycle,
    says,
    take_in,
    tell_budget,
)
from tests.pbledger import Pbledger
from tests.test_assessment_file import GOOD, Row, changed, corruptions, csv_of, example_a
from tests.test_assessments import EXAMPLE_A, RICHER

PB1, PB2, PB3 = "PB000001", "PB000002", "PB000003"
RICH = "19250.00"
"""£1,000.00 more in savings: £146.95 a week and not £142.95."""


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Three budgets of £310.00 a week from 6 April 2026, each contributing £142.95."""
    with a_ledger(database_url, tmp_path) as made:
        take_in(made, a_caseload(a_row(1), a_row(2), a_row(3)))
        yield made


def bring_in(ledger: Ledger, *rows: Row, **options: Any) -> AssessmentsImported:
    """Amira imports these rows."""
    said = says(options.pop("by", "amira"), options.pop("day", "2026-04-27"))
    return import_assessments(ledger, read_assessments(csv_of(*rows)), said, **options)


def stored(ledger: Ledger) -> tuple[Any, ...]:
    """Every event and every sealed assessment, to the byte."""
    with ledger.engine.connect() as connection:
        rows = connection.execute(select(financial_assessments)).all()
    return log_of(ledger), sorted(map(tuple, rows))


def weekly(ledger: Ledger, reference: str, day: str = "2026-04-27") -> int:
    term = ledger.budget(reference).contribution_on(date.fromisoformat(day))
    return term.weekly_pence if term else 0


def richer(reference: str, **cells: str) -> list[Row]:
    return example_a(reference, RICH, **cells)


# --- whole ----------------------------------------------------------------------------------


def test_every_assessment_of_a_file_is_recorded_on_its_budget(ledger):
    result = bring_in(ledger, *example_a(PB1), *richer(PB2, effective_on="2026-04-20"))
    assert (result.recorded, result.already_recorded) == (2, 0)
    assert [weekly(ledger, reference) for reference in (PB1, PB2, PB3)] == [14_295, 14_695, 14_295]
    assert ledger.budget(PB1).assessments.keys() == {"FA-20260406-20260406"}
    assert ledger.budget(PB3).assessments == {}


def test_it_is_the_same_as_recording_each_by_hand(database_url, tmp_path, ledger):
    bring_in(ledger, *richer(PB2))
    by_hand = Assessment(facts=RICHER, effective_on=on("04-06"), decided_on=on("04-06"))
    before = stored(ledger)
    record_assessment(ledger, PB2, by_hand, says("zoe", "2026-05-01"))
    assert stored(ledger) == before


def test_the_files_own_faults_are_refused_before_the_ledger_is_asked(ledger):
    before = stored(ledger)
    with pytest.raises(AssessmentFileRefused):
        bring_in(ledger, *example_a(PB1), *example_a(PB2)[1:])
    assert stored(ledger) == before


@given(corruption=st.sampled_from(corruptions(GOOD)))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_wrong_cell_of_a_good_file_records_nothing(ledger, corruption):
    line, column, cell = corruption
    before = stored(ledger)
    with pytest.raises(AssessmentFileRefused) as refused:
        bring_in(ledger, *changed(GOOD, line, **{column: cell}))
    assert [(f.line, f.column) for f in refused.value.faults] == [(line, column)]
    assert stored(ledger) == before


def erase(ledger: Ledger) -> None:
    with writing(ledger.engine).begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == "R000002"))


def a_young_person(ledger: Ledger) -> None:
    take_in(ledger, a_caseload(a_row(4, date_of_birth=date(2010, 1, 1))))


def richer_recorded(ledger: Ledger) -> None:
    bring_in(ledger, *richer(PB2))


def closed(ledger: Ledger) -> None:
    tell_budget(ledger, PB2, "close", reason_code="moved_away", effective_on=on("04-12"))


def nothing(_ledger: Ledger) -> None: ...


AGAINST_THE_LEDGER: dict[str, tuple[Callable[[Ledger], None], list[Row], str]] = {
    "unknown budget": (nothing, example_a("PB000009"), "budget_reference"),
    "person erased": (erase, example_a(PB2), "budget_reference"),
    "another date of birth": (
        nothing, example_a(PB2, date_of_birth="1950-02-04"), "date_of_birth"),
    "a person under 18": (a_young_person, example_a("PB000004"), "date_of_birth"),
    "before it opened": (nothing, example_a(PB2, effective_on="2026-04-05"), "effective_on"),
    "after it closed": (closed, example_a(PB2, effective_on="2026-04-13"), "effective_on"),
    "no rates": (nothing, example_a(PB2, effective_on="2028-04-06"), "effective_on"),
    "a cap without its recovery": (nothing, example_a(PB2, weekly_cap="5.00"), "weekly_cap"),
    "no cap for its recovery": (nothing, example_a(PB2, recovery="weekly_cap"), "weekly_cap"),
    "other facts": (richer_recorded, example_a(PB2), "assessment_reference"),
    "another basis": (
        richer_recorded, richer(PB2, basis="gross"), "assessment_reference"),
}  # fmt: skip


@pytest.mark.parametrize("what", AGAINST_THE_LEDGER)
def test_what_does_not_fit_the_ledger_is_a_fault_and_nothing_is_recorded(ledger, what):
    first, rows, column = AGAINST_THE_LEDGER[what]
    first(ledger)
    before = stored(ledger)
    with pytest.raises(AssessmentFileRefused) as refused:
        bring_in(ledger, *example_a(PB1), *rows, *example_a(PB3))
    assert [(f.line, f.column) for f in refused.value.faults] == [(8, column)]
    assert "1950" not in str(refused.value)
    assert "2010" not in str(refused.value)
    assert stored(ledger) == before


def test_every_fault_against_the_ledger_is_listed_by_line(ledger):
    with pytest.raises(AssessmentFileRefused) as refused:
        bring_in(
            ledger,
            *example_a("PB000009"),
            *example_a(PB2, effective_on="2026-04-05"),
            *example_a(PB1, date_of_birth="1950-02-04"),
            *example_a("PB000008"),
        )
    assert [(f.line, f.column) for f in refused.value.faults] == [
        (2, "budget_reference"),
        (8, "effective_on"),
        (14, "date_of_birth"),
        (20, "budget_reference"),
    ]


def test_one_reference_cannot_be_given_and_made(ledger):
    given_one = [{**row, "assessment_reference": "FA-20260406-20260406"} for row in example_a(PB1)]
    with pytest.raises(AssessmentFileRefused) as refused:
        bring_in(ledger, *example_a(PB1), *given_one)
    assert [(f.line, f.column) for f in refused.value.faults] == [(8, "assessment_reference")]


# --- twice is once --------------------------------------------------------------------------


def test_the_same_file_again_records_nothing(ledger):
    rows = [*example_a(PB1), *richer(PB2), *example_a(PB3)]
    bring_in(ledger, *rows)
    before = stored(ledger)
    again = bring_in(ledger, *rows, by="zoe", day="2026-05-20")
    assert (again.recorded, again.already_recorded) == (0, 3)
    assert stored(ledger) == before


def test_the_same_file_again_records_nothing_though_settings_and_contributions_changed(ledger):
    bring_in(ledger, *richer(PB2))
    tell_budget(ledger, PB2, "assess_contribution", weekly_pence=100, basis="gross")
    ledger.settings = ledger.settings.model_copy(update={"arrears_recovery": "invoice"})
    before = stored(ledger)
    assert bring_in(ledger, *richer(PB2)).already_recorded == 1
    assert stored(ledger) == before


def test_a_file_that_grew_adds_only_what_is_new(ledger):
    bring_in(ledger, *richer(PB2))
    result = bring_in(ledger, *richer(PB2), *richer(PB1))
    assert (result.recorded, result.already_recorded) == (1, 1)


def test_several_assessments_of_a_budget_are_recorded_as_they_were_decided(ledger):
    later = [
        {**row, "assessment_reference": "FA2"} for row in example_a(PB1, decided_on="2026-04-20")
    ]
    first = [{**row, "assessment_reference": "FA1"} for row in richer(PB1)]
    rows = [*later, *first, *richer(PB2)]
    result = bring_in(ledger, *rows)
    assert result.recorded == 3
    assert list(ledger.budget(PB1).assessments) == ["FA1", "FA2"]
    assert (weekly(ledger, PB1), weekly(ledger, PB2)) == (14_295, 14_695)
    assert (result.weekly_was_pence, result.weekly_now_pence) == (28_590, 28_990)
    before = stored(ledger)
    assert bring_in(ledger, *rows).already_recorded == 3
    assert stored(ledger) == before


def test_an_import_that_was_killed_is_run_again_and_goes_on(ledger, monkeypatch):
    for module in (assessment_batches, assessment_import):
        monkeypatch.setattr(module, "AT_A_TIME", 1)
    rows = [*richer(PB1), *richer(PB2), *richer(PB3)]
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        if len(told) == 6:  # three checked, none there before, two recorded
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_in(ledger, *rows, progress=progress)
    assert [len(ledger.budget(reference).assessments) for reference in (PB1, PB2, PB3)] == [1, 1, 0]
    told.clear()
    again = bring_in(ledger, *rows, progress=told.append)
    assert (again.recorded, again.already_recorded) == (1, 2)
    assert sum(told) == 6, "each is checked and recorded, or known to be there"
    assert [weekly(ledger, reference) for reference in (PB1, PB2, PB3)] == [14_695] * 3
    before = stored(ledger)
    assert bring_in(ledger, *rows).recorded == 0
    assert stored(ledger) == before


# --- dry run --------------------------------------------------------------------------------


def test_a_dry_run_records_nothing_and_says_what_is_then_recorded(ledger):
    run_cycle(ledger, 1)
    refund = [row for row in example_a(PB3) if row["item"] != "capital"]
    rows = [*example_a(PB1), *richer(PB2, effective_on="2026-04-20"), *refund]
    before = stored(ledger)
    dry = bring_in(ledger, *rows, dry_run=True)
    assert stored(ledger) == before
    assert [
        (change.budget_reference, change.weekly_was_pence, change.weekly_now_pence)
        for change in dry.changes
    ] == [(PB1, 14_295, 14_295), (PB2, 14_295, 14_695), (PB3, 14_295, 12_695)]
    assert [change.put_right_pence for change in dry.changes] == [0, -800, 4 * 1_600]
    assert (dry.refunds_pence, dry.arrears_pence) == (6_400, 800)
    assert (dry.weekly_was_pence, dry.weekly_now_pence) == (3 * 14_295, 14_295 + 14_695 + 12_695)
    done = bring_in(ledger, *rows)
    assert replace(done, dry_run=True) == dry
    assert paid_in(ledger, run_cycle(ledger, 2)) == {
        PB1: 66_820,
        PB2: 66_820 - 4 * 400 - 800,
        PB3: 66_820 + 4 * 1_600 + 6_400,
    }


def test_arrears_that_are_invoiced_are_what_the_dry_run_said(ledger):
    run_cycle(ledger, 1)
    rows = richer(PB2, effective_on="2026-04-20", decided_on="2026-04-27", recovery="invoice")
    dry = bring_in(ledger, *rows, dry_run=True)
    bring_in(ledger, *rows)
    assert dry.arrears_pence == ledger.budget(PB2).contribution_debt_pence == 800


# --- many at once ---------------------------------------------------------------------------


def test_many_are_recorded_at_once_and_again_changes_nothing(ledger, monkeypatch):
    monkeypatch.setattr(assessment_batches, "AT_A_TIME", 2)
    assessment = Assessment(facts=RICHER, effective_on=on("04-06"), decided_on=on("04-06"))
    many = dict.fromkeys((PB1, PB2, PB3), assessment)
    told: list[int] = []
    assert record_assessments(ledger, many, says("amira", "2026-04-27"), told.append) == 3
    assert told == [2, 1]
    before = stored(ledger)
    assert record_assessments(ledger, many, says("zoe", "2026-04-28")) == 0
    assert record_assessments(ledger, {}, says("zoe", "2026-04-28")) == 0
    assert stored(ledger) == before
    assert ledger.budget(PB3).payment_due(cycle_period(1)).amount_pence == 66_820 - 1_600


@pytest.mark.parametrize(
    ("reference", "facts", "day", "refusal"),
    [
        ("PB000009", {}, "04-06", BudgetNotFound),
        (PB2, {"date_of_birth": date(1950, 2, 4)}, "04-06", DateOfBirthDiffers),
        (PB2, {"date_of_birth": date(2010, 2, 4)}, "04-06", UnderEighteen),
        (PB2, {}, "04-05", BeforeBudgetOpened),
    ],
)
def test_one_that_is_refused_among_many_is_named(ledger, reference, facts, day, refusal):
    good = Assessment(facts=EXAMPLE_A, effective_on=on("04-06"), decided_on=on("04-06"))
    bad = replace(good, facts=replace(EXAMPLE_A, **facts), effective_on=on(day))
    before = stored(ledger)
    with pytest.raises(refusal) as refused:
        record_assessments(ledger, {PB1: good, reference: bad}, says("amira", "2026-04-27"))
    assert refused.value.details["reference"] == reference
    assert stored(ledger) == before


# --- on the command line --------------------------------------------------------------------


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path) -> Pbledger:
    return Pbledger(database_url, tmp_path).with_budgets(3)


def a_file(pbledger: Pbledger, *rows: Row) -> str:
    path = pbledger.folder / "assessments.csv"
    path.write_bytes(csv_of(*rows))
    return str(path)


def in_demo(pbledger: Pbledger, **cells: str) -> list[Row]:
    """Of the first budget that a made-up council has."""
    reference = pbledger.json("budget list")["budgets"][0]["reference"]
    return example_a(reference, effective_on="2026-04-20", **cells)


def test_a_file_is_tried_and_imported_on_the_command_line(pbledger):
    file = a_file(pbledger, *in_demo(pbledger))
    tried = pbledger.done("import-assessments --dry-run", file)
    assert "assessments.csv: 1 assessments; 1 would be recorded, 0 already here." in tried
    assert "Contributions a week after" in tried
    assert "FA-20260420-20260406" in tried
    done = pbledger.json("--as amira import-assessments", file)
    assert (done["recorded"], done["dry_run"], len(done["changes"])) == (1, False, 1)
    again = pbledger.done("--as amira import-assessments", file)
    assert "0 recorded, 1 already here." in again


def test_faults_are_shown_or_written_to_a_file(pbledger):
    rows = in_demo(pbledger, basis="nett")
    file = a_file(pbledger, *rows, *example_a("PB/9")[1:])
    shown = pbledger.refused("assessment-file-refused", "--as amira import-assessments", file)
    assert "basis" in shown
    assert "item" in shown
    to = pbledger.folder / "faults.csv"
    result = pbledger.run("import-assessments --dry-run --faults", str(to), file)
    assert result.exit_code == 1
    assert to.read_text().splitlines()[:2] == [
        "line,column,reason",
        '2,basis,"Must be one of: net, gross."',
    ]
    result = pbledger.run("--json import-assessments --dry-run", file)
    problem = json.loads(result.stderr)
    assert problem["code"] == "assessment-file-refused"
    assert [(f["line"], f["column"]) for f in problem["faults"]] == [(2, "basis"), (8, "item")]


def test_an_import_is_recorded_under_a_name(pbledger):
    assert "--as" in pbledger.misused("import-assessments", a_file(pbledger, *in_demo(pbledger)))


# --- over HTTP ------------------------------------------------------------------------------

AT = "/v1/assessments/import"


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(database_url, tmp_path) as made:
        make_payable(made)
        yield made


def test_a_file_is_imported_over_http_once_for_a_key(api):
    body = csv_of(*richer(PB1))
    dry = api.post(f"{AT}?dry_run=true", body, key="k1").done()
    assert (dry["dry_run"], dry["recorded"]) == (True, 1)
    before = api.stored()
    done = api.post(AT, body, key="k1").done()
    assert done["changes"][0]["weekly_now_pence"] == 14_695
    assert api.stored() == (before[0] + 1, before[1] + 1)
    again = api.post(AT, body, key="k1").done()
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == done.content
    api.post(AT, csv_of(*example_a(PB1)), key="k1").refused("idempotency-key-reused", 409)
    other_key = api.post(AT, body).done()
    assert (other_key["recorded"], other_key["already_recorded"]) == (0, 1)
    assert api.stored() == (before[0] + 1, before[1] + 2)


def test_every_fault_is_told_over_http_and_nothing_is_stored(api):
    rows = changed(example_a(PB1), 3, amount="lots", per="")
    before = api.stored()
    problem = api.post(AT, csv_of(*rows)).refused("assessment-file-refused", 422)
    assert [(f["line"], f["column"]) for f in problem["faults"]] == [(3, "amount"), (3, "per")]
    against = api.post(AT, csv_of(*example_a(PB1), *example_a(PB2)))
    assert against.refused("assessment-file-refused", 422)["faults"] == [
        {"line": 8, "column": "budget_reference", "reason": "There is no such budget."}
    ]
    api.post(AT, b"x" * 1_000_001).refused("body-too-large", 413)
    api.post(AT, csv_of(*rows), If_Match='"1"').refused("version-conflict", 412)
    assert api.stored() == before


def test_the_sealed_rows_are_one_for_each_assessment(ledger):
    bring_in(ledger, *richer(PB1), *richer(PB2))
    with ledger.engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(financial_assessments))
        assert count.scalar_one() == 2
