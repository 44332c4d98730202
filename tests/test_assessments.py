"""Financial assessments on the ledger: previewed, recorded, explained, put right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select, update

from ledger.aggregates.contributions import FinancesAssessed
from ledger.application import Ledger
from ledger.assessments import Assessment, explain, record_assessment, try_assessment
from ledger.charging.facts import CapitalLine, DisabilityCost, Facts, HousingCost, IncomeLine
from ledger.database import writing
from ledger.durable import financial_assessments, people
from ledger.errors import (
    AssessmentNotFound,
    BeforeBudgetOpened,
    DateOfBirthDiffers,
    NoContributionAssessed,
    RatesMissing,
    ReferenceUsedForOtherFacts,
)
from ledger.sealed_assessments import opened, sealed
from ledger.verification import verify_ledger
from tests.given import cycle_period, on
from tests.main_job import a_caseload, a_ledger, a_row, paid_in, run_cycle, says, take_in

EXAMPLE_A = Facts(
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
"""Worked example A of the domain reference: £142.95 a week in 2026/27."""

RICHER = replace(EXAMPLE_A, capital=(CapitalLine(kind="savings", amount_pence=19_250_00),))
"""£1,000.00 more in savings: four more steps, £146.95 a week."""

PB = "PB000001"


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one budget, whose person contributes £142.95 of £310.00 a week."""
    with a_ledger(database_url, tmp_path) as made:
        take_in(made, a_caseload(a_row(1)))
        yield made


def an_assessment(facts: Facts = EXAMPLE_A, **given: Any) -> Assessment:
    """To take effect on 6 April 2026, decided the same day, unless told."""
    return Assessment(
        facts=facts, **{"effective_on": on("04-06"), "decided_on": on("04-06"), **given}
    )


def record(ledger: Ledger, assessment: Assessment) -> None:
    record_assessment(ledger, PB, assessment, says("amira", assessment.decided_on))


def test_example_a_is_assessed_and_paid_net(ledger):
    record(ledger, an_assessment())
    term = ledger.budget(PB).contribution_on(on("04-06"))
    assert term is not None
    assert term.weekly_pence == 14_295
    assert paid_in(ledger, run_cycle(ledger, 1)) == {PB: 66_820}


def test_the_same_assessment_said_twice_is_recorded_once(ledger):
    record(ledger, an_assessment())
    version = ledger.budget(PB).version
    record(ledger, an_assessment())
    assert ledger.budget(PB).version == version


def test_other_facts_under_the_same_reference_are_refused(ledger):
    record(ledger, an_assessment())
    with pytest.raises(ReferenceUsedForOtherFacts):
        record(ledger, an_assessment(RICHER))


def test_a_preview_records_nothing_and_shows_old_and_new(ledger):
    record(ledger, an_assessment())
    run_cycle(ledger, 1)
    version = ledger.budget(PB).version
    backdated = an_assessment(RICHER, effective_on=on("04-20"), decided_on=on("04-27"))
    seen = try_assessment(ledger, PB, backdated, says("amira", "2026-04-27"))
    assert ledger.budget(PB).version == version
    assert seen.tried.effect is not None
    (window,) = seen.tried.effect.windows
    assert window.window == cycle_period(1)
    assert (window.contribution_was_pence, window.contribution_now_pence) == (57_180, 57_980)
    assert (window.payment_was_pence, window.payment_now_pence) == (66_820, 66_020)
    assert seen.tried.effect.total_pence == window.difference_pence == -800
    assert seen.tried.effect.weekly_was.contribution_pence == 14_295
    assert [week.contribution_pence for week in seen.tried.effect.weekly_now] == [14_695]
    first, *later = seen.tried.effect.coming_payments
    assert first.payment_was_pence == 66_820
    assert first.payment_now_pence == 66_820 - 4 * 400 - 800
    assert [(c.payment_was_pence, c.payment_now_pence) for c in later] == (
        2 * [(66_820, 66_820 - 4 * 400)]
    ), "the arrears are taken off once"


def test_arrears_come_off_the_next_payment(ledger):
    run_cycle(ledger, 1)
    record(ledger, an_assessment(RICHER, effective_on=on("04-20"), decided_on=on("04-27")))
    assert paid_in(ledger, run_cycle(ledger, 2)) == {PB: 66_820 - 1_600 - 800}
    assert paid_in(ledger, run_cycle(ledger, 3)) == {PB: 66_820 - 1_600}


def test_arrears_come_off_by_no_more_than_the_cap_a_week(ledger):
    run_cycle(ledger, 1)
    capped = {"recovery": "weekly_cap", "weekly_cap_pence": 75}
    record(
        ledger, an_assessment(RICHER, effective_on=on("04-20"), decided_on=on("04-27"), **capped)
    )
    new = 66_820 - 1_600
    assert paid_in(ledger, run_cycle(ledger, 2)) == {PB: new - 300}
    assert paid_in(ledger, run_cycle(ledger, 3)) == {PB: new - 300}
    assert paid_in(ledger, run_cycle(ledger, 4)) == {PB: new - 200}
    assert paid_in(ledger, run_cycle(ledger, 5)) == {PB: new}


def test_arrears_become_a_debt_and_no_payment_is_reduced(ledger):
    run_cycle(ledger, 1)
    record(
        ledger,
        an_assessment(RICHER, effective_on=on("04-20"), decided_on=on("04-27"), recovery="invoice"),
    )
    assert ledger.budget(PB).contribution_debt_pence == 800
    assert paid_in(ledger, run_cycle(ledger, 2)) == {PB: 66_820 - 1_600}


def test_a_refund_is_paid_with_the_next_payment(ledger):
    run_cycle(ledger, 1)
    poorer = replace(EXAMPLE_A, capital=())
    record(ledger, an_assessment(poorer, effective_on=on("04-06"), decided_on=on("04-27")))
    assert paid_in(ledger, run_cycle(ledger, 2)) == {PB: 66_820 + 2 * 4 * 1_600}


def test_an_assessment_replaces_what_was_said_for_later_days(ledger):
    record(ledger, an_assessment(effective_on=on("06-01"), decided_on=on("04-06")))
    record(ledger, an_assessment(RICHER, effective_on=on("05-04"), decided_on=on("05-04")))
    assert [t.starts_on for t in ledger.budget(PB).contributions] == [on("04-06"), on("05-04")]


# --- why? ---------------------------------------------------------------------------------


def test_it_can_be_asked_why_as_known_then_and_as_known_now(ledger):
    record(ledger, an_assessment())
    record(ledger, an_assessment(RICHER, decided_on=on("05-11")))
    then = explain(ledger, PB, on("04-20"), datetime(2026, 4, 30, tzinfo=UTC))
    now = explain(ledger, PB, on("04-20"))
    assert (then.charged.weekly_pence, then.decided_on) == (14_295, on("04-06"))
    assert (now.charged.weekly_pence, now.decided_on) == (14_695, on("05-11"))
    assert sum(line.weekly_pence for line in now.charged.lines) == 14_695


def test_it_explains_that_no_more_than_the_cost_is_charged(ledger):
    rich = replace(EXAMPLE_A, capital=(CapitalLine(kind="savings", amount_pence=23_251_00),))
    record(ledger, an_assessment(rich))
    assert explain(ledger, PB, on("04-20")).charged.weekly_pence == 31_000
    assert ledger.budget(PB).payment_due(cycle_period(1)).amount_pence == 0


def test_there_is_nothing_to_explain_before_or_without_an_assessment(ledger):
    with pytest.raises(NoContributionAssessed):
        explain(ledger, PB, on("04-05"))
    with pytest.raises(AssessmentNotFound):
        explain(ledger, PB, on("04-06"))


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "given", "refusal"),
    [
        ({}, {"effective_on": on("04-05")}, BeforeBudgetOpened),
        ({"date_of_birth": date(1950, 2, 4)}, {}, DateOfBirthDiffers),
        ({}, {"effective_on": date(2028, 4, 6)}, RatesMissing),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_recorded(ledger, facts, given, refusal):
    version = ledger.budget(PB).version
    with pytest.raises(refusal):
        record(ledger, an_assessment(replace(EXAMPLE_A, **facts), **given))
    assert ledger.budget(PB).version == version
    with ledger.engine.connect() as connection:
        assert connection.execute(select(financial_assessments)).all() == []


# --- privacy ------------------------------------------------------------------------------


def test_what_was_told_is_sealed_and_gone_with_the_person(ledger):
    record(ledger, an_assessment())
    with ledger.engine.connect() as connection:
        (row,) = connection.execute(select(financial_assessments)).all()
    assert b"pension" not in row.sealed
    events = [recorded.event for recorded in ledger.history(type(ledger.budget(PB)), PB)]
    (assessed,) = [event for event in events if isinstance(event, FinancesAssessed)]
    assert "pension" not in repr(assessed)
    with writing(ledger.engine).begin() as connection:
        connection.execute(delete(people))
    with pytest.raises(AssessmentNotFound):
        explain(ledger, PB, on("04-20"))
    assert ledger.budget(PB).payment_due(cycle_period(1)).amount_pence == 66_820


# --- verified -----------------------------------------------------------------------------


def test_verification_reads_every_assessment(ledger):
    record(ledger, an_assessment())
    found = verify_ledger(ledger)
    assert (found.difference, found.assessments, found.erased_assessments) == (None, 1, 0)
    with writing(ledger.engine).begin() as connection:
        connection.execute(delete(people))
    found = verify_ledger(ledger)
    assert (found.difference, found.assessments, found.erased_assessments) == (None, 1, 1)


def test_verification_names_an_assessment_that_is_not_what_was_recorded(ledger):
    record(ledger, an_assessment())
    with ledger.engine.connect() as connection:
        (row,) = connection.execute(select(financial_assessments)).all()
    table = financial_assessments
    for statement, said in (
        (
            update(table).values(sealed=row.sealed[:-1] + b"\0"),
            "FA-20260406-20260406 of",
        ),
        (update(table).values(assessment_reference="FA2"), "Assessment FA2 of"),
        (delete(table), "what was told is missing"),
    ):
        with writing(ledger.engine).begin() as connection:
            connection.execute(statement)
        difference = verify_ledger(ledger).difference
        assert difference is not None
        assert said in difference
        with writing(ledger.engine).begin() as connection:
            connection.execute(delete(table))
            connection.execute(table.insert(), [dict(row._mapping)])
    assert verify_ledger(ledger).difference is None


def test_verification_names_a_document_that_another_assessment_was_made_of(ledger):
    record(ledger, an_assessment())
    document = opened(ledger.people, PB, "FA-20260406-20260406")
    other = replace(document, facts=RICHER)
    (row,) = sealed(ledger.people, [other], datetime(2026, 4, 6, tzinfo=UTC))
    with writing(ledger.engine).begin() as connection:
        connection.execute(update(financial_assessments).values(sealed=row["sealed"]))
    assert "not what was recorded" in str(verify_ledger(ledger).difference)
