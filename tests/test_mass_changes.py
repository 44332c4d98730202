"""Many budgets changed at once: what an approver is shown, and that just that is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError
from msgspec.structs import replace
from sqlalchemy import select

from ledger import mass_changes
from ledger.aggregates.contributions import FinancesAssessed
from ledger.aggregates.mass_change import (
    HELD_BECAUSE,
    MassChange,
    MassChangeLine,
    lines_hash,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.assessments import explain
from ledger.charging.facts import CapitalLine, IncomeLine
from ledger.dates import Period
from ledger.durable import financial_assessments
from ledger.errors import (
    ApproverPreparedMassChange,
    BudgetNotFound,
    ConcurrentChange,
    InterestInBudget,
    InvalidValue,
    MassChangeAlreadyDecided,
    MassChangeDiffersFromSeen,
    MassChangeIsEmpty,
    MassChangeNotFound,
    RatesMissing,
)
from ledger.mass_changes import moved_on
from tests import killable
from tests.given import cycle_period, on
from tests.main_job import (
    a_caseload,
    a_ledger,
    example_caseload,
    log_of,
    paid_in,
    rows_of,
    run_cycle,
    says,
    settings_for,
    take_in,
    tell_budget,
)
from tests.mass_change import (
    APRIL,
    PENSIONER,
    STARTED,
    a_budget,
    apply,
    approve,
    assess,
    budgets,
    by_budget,
    charged,
    close,
    done,
    erase,
    invoicing,
    mixed_lines,
    outcomes,
    pb,
    prepare,
    reassessing,
    result,
    run_cycle_of_march,
    seen,
    skipped,
    uplifting,
    versions,
    weekly_of,
    with_rates,
)
from tests.test_assessments import RICHER


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as made:
        yield made


# --- re-assessment in April ---------------------------------------------------------------


def test_everybody_is_assessed_again_with_income_uprated_and_new_rates(ledger):
    budgets(ledger, 3)
    for number in (1, 2, 3):
        assess(ledger, number)
    assert charged(ledger, 1, "04-05") == 23_000 + 11_000 - 23_260 == 10_740
    prepared = prepare(ledger, reassessing())
    # 230.00 + 4.8% = 241.04; 110.00 + 3.8% = 114.18; less the guarantee of 241.45
    now = 24_104 + 11_418 - 24_145
    # what would be charged on that day without the change: the old income, the new guarantee
    was = 23_000 + 11_000 - 24_145
    assert [(line.was_pence, line.now_pence) for line in prepared.lines] == [(was, now)] * 3
    assert charged(ledger, 1) != now, "nothing is changed before it is applied"
    approve(ledger, prepared)
    applied = apply(ledger)
    assert [charged(ledger, number) for number in (1, 2, 3)] == [now] * 3
    assert charged(ledger, 1, "04-05") == 10_740
    assert applied.status == "applied"
    assert (result(applied).applied_count, skipped(applied)) == (3, {})
    explained = explain(ledger, pb(1), on("04-06"))
    assert (explained.assessment_reference, explained.charged.weekly_pence) == (APRIL, now)


def test_what_is_new_changed_ended_and_unchanged_is_told_apart(ledger):
    budgets(ledger, 5)
    poor = replace(PENSIONER, income=(IncomeLine(kind="state_pension", amount_pence=23_200),))
    rich = replace(PENSIONER, capital=(CapitalLine(kind="savings", amount_pence=24_000_00),))
    newly = IncomeLine(kind="annuity", amount_pence=3_000, starts_on=on("04-06"))
    until = IncomeLine(kind="annuity", amount_pence=3_000, ends_on=on("04-05"))
    assess(ledger, 1)
    assess(ledger, 2, replace(poor, income=(*poor.income, newly)))
    assess(ledger, 3, replace(poor, income=(*poor.income, until)))
    assess(ledger, 4, rich)
    parameters = reassessing(uprate=(("attendance_allowance", 380),), hold_over_pence=5_000)
    prepared = prepare(ledger, parameters)
    assert outcomes(prepared) == {
        pb(1): ("changed", ""),
        pb(2): ("unchanged", ""),  # its own timeline has it already: £30.00 from 6 April
        pb(3): ("unchanged", ""),
        pb(4): ("unchanged", ""),  # the full cost, before and after
        pb(5): ("held", "stated"),  # never assessed here
    }
    more = (("state_pension", 10_000),)
    ended = prepare(ledger, reassessing(uprate=more, hold_over_pence=100_000))
    assert by_budget(ended)[pb(3)].outcome == "new"
    totals = seen(ended).totals
    lines = ended.lines
    assert totals.line_count == len(lines) == 5
    assert totals.was_pence == sum(line.was_pence for line in lines)
    assert totals.now_pence == sum(line.now_pence for line in lines)
    assert totals.rises_pence - totals.falls_pence == totals.now_pence - totals.was_pence


def test_a_contribution_that_comes_to_nothing_has_ended(ledger, database_url, tmp_path):
    budgets(ledger, 1)
    small = IncomeLine(kind="attendance_allowance", amount_pence=2_500)
    assess(ledger, 1, replace(PENSIONER, income=(PENSIONER.income[0], small)))
    with with_rates(database_url, tmp_path, "mig_top_up", "14.00") as generous:
        (line,) = prepare(generous, reassessing(uprate=())).lines
    assert (line.outcome, line.was_pence, line.now_pence) == ("ended", 1_355, 0)


def test_the_council_sets_a_figure_otherwise_and_everybody_is_assessed_by_it(
    ledger, database_url, tmp_path
):
    budgets(ledger, 1)
    assess(ledger, 1)
    figure = "standard_disability_related_expenditure"
    with with_rates(database_url, tmp_path, figure, "10.85") as council:
        done(council, reassessing())
        assert charged(council, 1) == 24_104 + 11_418 - 24_145 - 1_085
    # Later it turns out that it should have been £12.00.
    with with_rates(database_url, tmp_path, figure, "12.00") as council:
        done(council, reassessing(uprate=()), "APR26-2")
        assert charged(council, 1) == 24_104 + 11_418 - 24_145 - 1_200


def test_income_is_not_raised_twice(ledger):
    budgets(ledger, 2)
    assess(ledger, 1)
    # Told in March, as it will be in April: Amira dated the assessment, not the lines.
    assess(ledger, 2, day=on("04-06"), decided_on=on("03-18"))
    prepared = prepare(ledger, reassessing())
    assert outcomes(prepared) == {pb(1): ("changed", ""), pb(2): ("held", "already_uprated")}
    approve(ledger, prepared)
    apply(ledger)
    assert charged(ledger, 2) == 23_000 + 11_000 - 24_145
    again = prepare(ledger, reassessing(), "APR26-2")
    assert by_budget(again)[pb(1)].outcome == "unchanged", "its lines start on the day"


def test_everything_else_about_a_contribution_stays_as_it_was(ledger):
    """Its basis, and how the person's arrears come back: someone agreed that with them."""
    budgets(ledger, 2)
    assess(ledger, 1, basis="gross", recovery="weekly_cap", weekly_cap_pence=75)
    assess(ledger, 2)
    done(ledger, reassessing())
    assert ledger.budget(pb(1)).contribution_on(on("04-06")).basis == "gross"
    assert ledger.budget(pb(1)).assessments[APRIL].recovery == "weekly_cap"
    assert ledger.budget(pb(1)).recovery_weekly_cap_pence == 75
    assert ledger.budget(pb(2)).assessments[APRIL].recovery == "net_off"


def test_arrears_of_everybody_come_back_as_the_change_says(ledger):
    budgets(ledger, 1)
    assess(ledger, 1)
    done(ledger, reassessing(recovery="weekly_cap", weekly_cap_pence=250))
    assert ledger.budget(pb(1)).recovery_weekly_cap_pence == 250


def test_the_cap_of_the_settings_is_written_into_what_is_approved(database_url, tmp_path):
    with a_ledger(database_url, tmp_path) as ledger:
        budgets(ledger, 1)
        assess(ledger, 1)
    settings = settings_for(database_url, tmp_path).model_copy(
        update={"arrears_weekly_cap": "5.00"}
    )
    with Ledger(settings) as ledger:
        parameters = seen(prepare(ledger, reassessing(recovery="weekly_cap"))).parameters
        assert parameters.weekly_cap_pence == 500


# --- held back ----------------------------------------------------------------------------


def test_each_budget_that_someone_should_look_at_is_held_back_with_the_reason(ledger):
    budgets(ledger, 8)
    rich = replace(PENSIONER, capital=(CapitalLine(kind="savings", amount_pence=24_000_00),))
    lottery = IncomeLine(kind="annuity", amount_pence=2_500, starts_on=on("04-06"))
    assess(ledger, 1)
    tell_budget(ledger, pb(2), "assess_contribution", weekly_pence=5_000, basis="net",
                effective_on=STARTED)  # fmt: skip
    assess(ledger, 3)
    assess(ledger, 3, RICHER, on("06-01"), decided_on=on("03-18"))
    assess(ledger, 4, replace(PENSIONER, assessment="light_touch", income=(),
                              light_touch_ground="not_contacted",
                              provisional_weekly_pence=4_000))  # fmt: skip
    assess(ledger, 5)
    erase(ledger, 5)
    assess(ledger, 6)
    close(ledger, 6, "04-05")
    assess(ledger, 8, replace(rich, income=(*rich.income, lottery)))
    prepared = prepare(ledger, reassessing())
    assert outcomes(prepared) == {
        pb(1): ("changed", ""),
        pb(2): ("held", "stated"),
        pb(3): ("held", "later_dated"),
        pb(4): ("held", "provisional"),
        pb(5): ("held", "unreadable"),
        pb(7): ("held", "stated"),
        pb(8): ("unchanged", ""),
    }
    assert seen(prepared).totals.held_count == 5
    assert {reason for _, reason in outcomes(prepared).values() if reason} <= HELD_BECAUSE.keys()
    untouched = (2, 3, 4, 5, 6, 7)
    before = versions(ledger, *untouched)
    approve(ledger, prepared)
    assert skipped(apply(ledger)) == {}
    assert versions(ledger, *untouched) == before, "nobody who was held back is changed"


def test_a_budget_that_begins_later_was_assessed_for_later_days(ledger):
    budgets(ledger, 1, starts_on=on("05-04"))
    assess(ledger, 1, day=on("05-04"), decided_on=on("03-18"))
    assert outcomes(prepare(ledger, reassessing())) == {pb(1): ("held", "later_dated")}


def test_outliers_are_held_back_until_someone_releases_them(ledger):
    budgets(ledger, 2)
    assess(ledger, 1)
    assess(ledger, 2)
    many = (("state_pension", 2_000),)  # 20%: £46.00 a week
    held = prepare(ledger, reassessing(uprate=many))
    assert outcomes(held) == {pb(1): ("held", "outlier"), pb(2): ("held", "outlier")}
    assert held.lines[0].now_pence == 27_600 + 11_000 - 24_145, "what it would come to is shown"
    assert (seen(held).totals.now_pence, seen(held).totals.held_count) == (0, 2)
    released = prepare(ledger, reassessing(uprate=many, release=(pb(2),)))
    assert outcomes(released) == {pb(1): ("held", "outlier"), pb(2): ("changed", "outlier")}
    totals = seen(released).totals
    assert (totals.held_count, totals.changed_count, totals.released_count) == (1, 1, 1)
    approve(ledger, released)
    apply(ledger)
    assert charged(ledger, 1) == 10_740 - 885, "held back: its own timeline at the new rates"
    assert charged(ledger, 2) == 27_600 + 11_000 - 24_145


def test_a_rise_that_comes_on_a_later_day_is_an_outlier_too(ledger):
    """The council's own year begins on 1 April; benefits and the guarantee follow on the 6th."""
    budgets(ledger, 1)
    assess(ledger, 1)
    lottery = IncomeLine(kind="annuity", amount_pence=9_900, starts_on=on("05-01"))
    facts = replace(PENSIONER, income=(*PENSIONER.income, lottery))
    assess(ledger, 1, facts, on("03-16"))
    # Its own timeline knows of the annuity, so nothing is out of the ordinary.
    prepared = prepare(ledger, reassessing(uprate=()))
    assert outcomes(prepared) == {pb(1): ("unchanged", "")}
    prepared = prepare(ledger, reassessing("04-01", uprate=(("annuity", 5_000),)))
    assert outcomes(prepared) == {pb(1): ("unchanged", "")}, "it starts later at its own amount"
    forgotten = prepare(ledger, reassessing("05-01", uprate=(("state_pension", 1_000),)))
    assert outcomes(forgotten) == {pb(1): ("held", "outlier")}


def test_who_would_newly_pay_the_full_cost_is_held_back(ledger, database_url, tmp_path):
    budgets(ledger, 1)
    saved = CapitalLine(kind="savings", amount_pence=21_000_00)
    assess(ledger, 1, replace(PENSIONER, capital=(saved,)))
    with with_rates(database_url, tmp_path, "capital_upper_limit", "20000.00") as council:
        parameters = reassessing(hold_over_pence=100_000)
        assert outcomes(prepare(council, parameters)) == {pb(1): ("held", "full_cost")}
        released = prepare(council, replace(parameters, release=(pb(1),)))
        assert outcomes(released) == {pb(1): ("changed", "full_cost")}
        assert released.lines[0].now_pence == 31_000, "all that the care costs"


def test_a_release_that_names_nobody_is_refused(ledger):
    budgets(ledger, 1)
    with pytest.raises(BudgetNotFound, match="PB000009"):
        prepare(ledger, reassessing(release=("PB000009",)))


def test_what_nobody_can_release_stays_held_back(ledger):
    budgets(ledger, 1)
    tell_budget(ledger, pb(1), "assess_contribution", weekly_pence=5_000, basis="net",
                effective_on=STARTED)  # fmt: skip
    prepared = prepare(ledger, reassessing(release=(pb(1),)))
    assert outcomes(prepared) == {pb(1): ("held", "stated")}


def test_someone_whose_care_is_free_in_law_is_no_gap(ledger):
    budgets(ledger, 1, legal_basis="mental_health_act_1983_s117")
    tell_budget(ledger, pb(1), "assess_contribution", weekly_pence=0, basis="net",
                effective_on=STARTED)  # fmt: skip
    assert prepare(ledger, reassessing()).lines == []


def test_a_suspended_budget_shows_what_it_will_be_charged_again(ledger):
    budgets(ledger, 1)
    assess(ledger, 1)
    tell_budget(ledger, pb(1), "suspend_payments", reason_code="hospital_stay",
                interim_arrangement="in_hospital_or_care_home",
                review_on=on("05-01"), effective_on=on("03-23"))  # fmt: skip
    line = by_budget(prepare(ledger, reassessing()))[pb(1)]
    assert (line.outcome, line.was_pence, line.now_pence) == ("changed", 9_855, 11_377)


# --- the approver -------------------------------------------------------------------------


@pytest.fixture
def prepared(ledger: Ledger) -> MassChange:
    """Three people to be assessed again in April."""
    budgets(ledger, 3)
    for number in (1, 2, 3):
        assess(ledger, number)
    return prepare(ledger, reassessing())


def test_nobody_approves_what_changes_a_budget_they_have_an_interest_in(ledger):
    budgets(ledger, 2)
    assess(ledger, 1)
    assess(ledger, 2)
    tell_budget(ledger, pb(2), "declare_interest", user_name="anil", kind="relative")
    change = prepare(ledger, reassessing())
    with pytest.raises(InterestInBudget, match=pb(2)):
        approve(ledger, change, by="anil")
    assert approve(ledger, change, by="bilal").status == "approved"


def test_a_second_person_approves_the_total_and_the_hash_they_looked_at(ledger, prepared):
    with pytest.raises(ApproverPreparedMassChange):
        approve(ledger, prepared, by="petra")
    with pytest.raises(MassChangeDiffersFromSeen):
        approve(ledger, prepared, now_pence=seen(prepared).totals.now_pence + 1)
    with pytest.raises(MassChangeDiffersFromSeen):
        approve(ledger, prepared, lines_sha256="0" * 64)
    assert ledger.load(MassChange, APRIL).status == "prepared"
    assert approve(ledger, prepared).status == "approved"


def test_approving_twice_is_once_and_with_other_figures_it_is_refused(ledger, prepared):
    version = approve(ledger, prepared).version
    assert approve(ledger, prepared, by="bea").version == version
    with pytest.raises(MassChangeDiffersFromSeen):
        approve(ledger, prepared, lines_sha256="0" * 64)
    with pytest.raises(MassChangeAlreadyDecided):
        prepare(ledger, reassessing())
    with pytest.raises(MassChangeAlreadyDecided):
        prepare(ledger, reassessing(), dry_run=True)


def test_nothing_is_applied_before_approval(ledger, prepared):
    before = log_of(ledger)
    with pytest.raises(MassChangeAlreadyDecided):
        apply(ledger)
    with pytest.raises(MassChangeNotFound):
        apply(ledger, "NONE")
    assert log_of(ledger) == before


def test_a_rejected_change_is_prepared_again_and_the_old_figures_are_void(ledger, prepared):
    def reject(mass_change: MassChange, by: str) -> None:
        mass_change.reject(reason_code="totals_unexpected", **says(by, "03-23"))

    with pytest.raises(ApproverPreparedMassChange):
        ledger.change(MassChange, APRIL, lambda m: reject(m, "petra"))
    ledger.change(MassChange, APRIL, lambda m: reject(m, "anil"))
    with pytest.raises(MassChangeAlreadyDecided):
        approve(ledger, prepared)
    again = prepare(ledger, reassessing(uprate=(("state_pension", 410),)))
    assert again.status == "prepared"
    assert len(again.lines) == 3, "the new lines alone"
    with pytest.raises(MassChangeDiffersFromSeen):
        approve(ledger, prepared)
    approve(ledger, again)
    apply(ledger)
    assert charged(ledger, 1) == 23_943 + 11_000 - 24_145


def test_preparing_the_same_again_changes_nothing(ledger, prepared):
    assert prepare(ledger, reassessing()).version == prepared.version


def test_a_dry_run_records_nothing_at_all(ledger):
    budgets(ledger, 2)
    assess(ledger, 1)
    before = log_of(ledger)
    tried = prepare(ledger, reassessing(), dry_run=True)
    assert outcomes(tried) == {pb(1): ("changed", ""), pb(2): ("held", "stated")}
    assert log_of(ledger) == before
    recorded = prepare(ledger, reassessing())
    assert seen(recorded).lines_sha256 == seen(tried).lines_sha256


def test_a_change_of_nothing_cannot_be_approved(ledger):
    budgets(ledger, 1)
    with pytest.raises(MassChangeIsEmpty):
        approve(ledger, prepare(ledger, reassessing()))


def test_the_hash_covers_every_figure_the_parameters_and_the_warnings(prepared):
    parameters, lines = seen(prepared).parameters, prepared.lines
    warnings = seen(prepared).warnings
    seal = seen(prepared).lines_sha256
    assert lines_hash(parameters, lines, warnings) == seal
    for field in MassChangeLine.__struct_fields__:
        other = {"budget_version": 99, "was_pence": 1, "now_pence": 1, "put_right_pence": 1,
                 "terms": (), "revised": ((pb(1), 1, 2),), "interested": ("amira",),
                 }.get(field, "x")  # fmt: skip
        changed = [replace(lines[0], **{field: other}), *lines[1:]]
        assert lines_hash(parameters, changed, warnings) != seal, field
    assert lines_hash(replace(parameters, release=(pb(1),)), lines, warnings) != seal
    assert lines_hash(parameters, lines, ("Not confirmed.",)) != seal
    assert lines_hash(parameters, lines[1:], warnings) != seal


def test_rises_and_falls_refunds_and_arrears_do_not_hide_each_other(ledger, database_url, tmp_path):
    budgets(ledger, 2)
    assess(ledger, 1)
    pension = IncomeLine(kind="private_pension", amount_pence=25_000)
    assess(ledger, 2, replace(PENSIONER, income=(pension,)))
    run_cycle_of_march(ledger)
    run_cycle(ledger, 1)
    figure = "standard_disability_related_expenditure"
    with with_rates(database_url, tmp_path, figure, "10.85") as council:
        prepared = prepare(council, reassessing(uprate=(("private_pension", 100),)))
    differences = {pb(1): -1_085, pb(2): 250}
    assert {r: line.difference_pence for r, line in by_budget(prepared).items()} == differences
    totals = seen(prepared).totals
    assert (totals.rises_pence, totals.falls_pence) == (250, 1_085)
    assert (totals.refunds_pence, totals.arrears_pence) == (4 * 1_085, 4 * 250)
    assert totals.put_right_pence == 4 * (1_085 - 250)


def test_warnings_name_the_figures_that_are_not_confirmed(ledger):
    budgets(ledger, 1)
    saved = CapitalLine(kind="savings", amount_pence=15_000_00)
    assess(ledger, 1, replace(PENSIONER, capital=(saved,)))
    warnings = seen(prepare(ledger, reassessing())).warnings
    assert any("Tariff income" in warning for warning in warnings)
    assert list(warnings) == sorted(warnings)


# --- what is not clear is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        uplifting(0),
        uplifting(-10_000),
        uplifting(10_001),
        uplifting(uprate=(("state_pension", 480),)),
        uplifting(recovery="net_off"),
        reassessing(uprate=(("state_pensoin", 480),)),
        reassessing(uprate=(("state_pension", 0),)),
        reassessing(uprate=(("state_pension", 480), ("state_pension", 410))),
        reassessing(uplift_basis_points=320),
        reassessing(funding_stream="nhs"),
        reassessing(recovery="weekly_cap"),
        reassessing(weekly_cap_pence=500),
        replace(invoicing(), period=None),
        replace(uplifting(), period=Period(on("04-06"), on("05-03"))),
    ],
)
def test_parameters_that_do_not_belong_together_are_refused(ledger, parameters):
    with pytest.raises(InvalidValue):
        prepare(ledger, parameters)
    assert log_of(ledger) == []


def test_a_year_without_rates_is_refused_whole(ledger):
    budgets(ledger, 1)
    assess(ledger, 1)
    with pytest.raises(RatesMissing):
        prepare(ledger, replace(reassessing(), effective_on=date(2028, 4, 3)))


# --- applied: once, and only what was approved --------------------------------------------


def test_applied_twice_changes_nothing(ledger, prepared):
    approve(ledger, prepared)
    apply(ledger)
    before = log_of(ledger), rows_of(ledger)
    again = apply(ledger)
    assert result(again).applied_count == 3
    assert (log_of(ledger), rows_of(ledger)) == before


def test_a_budget_that_was_passed_over_is_not_changed_by_asking_again(ledger, prepared):
    """Even if it comes to what was approved by then: the change is done with."""
    approve(ledger, prepared)
    close(ledger, 2, "04-05")
    assert skipped(apply(ledger)) == {pb(2): "changed_since"}
    version = versions(ledger, 2)
    apply(ledger)
    assert versions(ledger, 2) == version


def test_budgets_that_moved_on_are_shown_and_passed_over_if_they_come_to_something_else(
    ledger, prepared
):
    assert moved_on(ledger, prepared) == []
    tell_budget(ledger, pb(1), "request_spend_return", return_reference="SR1",
                period=cycle_period(0), due_on=on("05-01"))  # fmt: skip
    assess(ledger, 2, RICHER, on("03-16"))
    assert moved_on(ledger, ledger.load(MassChange, APRIL)) == [pb(1), pb(2)]
    approve(ledger, prepared)
    applied = apply(ledger)
    assert skipped(applied) == {pb(2): "changed_since"}
    assert result(applied).applied_count == 2
    assert charged(ledger, 1) == prepared.lines[0].now_pence
    assert APRIL not in ledger.budget(pb(2)).assessments


def test_a_later_dated_assessment_made_in_between_is_not_overwritten(ledger, prepared):
    approve(ledger, prepared)
    assess(ledger, 3, RICHER, on("06-01"), decided_on=on("03-24"))
    assert skipped(apply(ledger)) == {pb(3): "later_dated"}
    assert charged(ledger, 3, "06-01") == 14_695


def test_a_person_erased_in_between_is_passed_over(ledger, prepared):
    approve(ledger, prepared)
    erase(ledger, 1)
    assert skipped(apply(ledger)) == {pb(1): "unreadable"}


@pytest.mark.parametrize("parameters", [reassessing(), uplifting(), invoicing()])
def test_a_budget_opened_in_between_was_approved_by_nobody(ledger, parameters):
    budgets(ledger, 1)
    assess(ledger, 1, basis="gross")
    approve(ledger, prepare(ledger, parameters))
    take_in(ledger, a_caseload(a_budget(2, date_of_birth=date(1950, 2, 3))))
    assess(ledger, 2, basis="gross")
    version = versions(ledger, 2)
    applied = apply(ledger)
    assert skipped(applied) == {pb(2): "not_listed"}
    assert result(applied).applied_count == 1
    assert versions(ledger, 2) == version


def test_days_paid_in_between_would_have_to_be_put_right_which_nobody_approved(ledger, prepared):
    """Approved in March, forgotten, and the cycle from 6 April paid in the meantime."""
    approve(ledger, prepared)
    run_cycle_of_march(ledger)
    run_cycle(ledger, 1)
    assert set(skipped(apply(ledger, day="04-10")).values()) == {"settled_since"}
    late = prepare(ledger, reassessing(), "APR26-LATE")
    assert [line.put_right_pence for line in late.lines] == [-4 * (11_377 - 9_855)] * 3


def test_settings_changed_in_between_change_nothing_that_was_approved(database_url, tmp_path):
    settings = settings_for(database_url, tmp_path)
    other = {
        "arrears_recovery": "invoice",
        "contribution_order": "direct_payment,managed_account,provided_service,council_managed,"
        "individual_service_fund",
    }
    with a_ledger(database_url, tmp_path) as ledger:
        budgets(ledger, 1, lines=mixed_lines())
        assess(ledger, 1)
        prepared = prepare(ledger, reassessing())
        order = seen(prepared).parameters.order
        approve(ledger, prepared)
    with Ledger(settings.model_copy(update=other)) as ledger:
        assert skipped(apply(ledger)) == {}
        assessed = ledger.budget(pb(1)).assessments[APRIL]
        assert (assessed.order, assessed.recovery) == (order, "net_off")


def test_rates_changed_in_between_change_nobody(ledger, prepared, database_url, tmp_path):
    approve(ledger, prepared)
    with with_rates(database_url, tmp_path, "mig_top_up", "1.00") as council:
        assert skipped(apply(council)) == {pb(n): "changed_since" for n in (1, 2, 3)}


def test_a_reference_used_by_hand_is_not_taken_for_this_change(ledger, prepared):
    approve(ledger, prepared)
    assess(ledger, 1, RICHER, on("04-06"), assessment_reference=APRIL)
    assert set(skipped(apply(ledger))) == {pb(1)}
    assert charged(ledger, 1) == 14_695


def test_someone_who_writes_at_the_same_time_stops_only_their_own_budget_for_a_moment(
    ledger, prepared, monkeypatch
):
    approve(ledger, prepared)
    append = ledger.append
    disturbed: list[bool] = []

    def append_after_someone_else(events: Any, beside: Any = ()) -> None:
        if len(events) > 1 and not disturbed:
            disturbed.append(True)
            tell_budget(ledger, pb(2), "request_spend_return", return_reference="SR1",
                        period=cycle_period(0), due_on=on("05-01"))  # fmt: skip
        append(events, beside)

    monkeypatch.setattr(ledger, "append", append_after_someone_else)
    applied = apply(ledger)
    assert disturbed
    assert (result(applied).applied_count, skipped(applied)) == (3, {})
    assert [charged(ledger, number) for number in (1, 2, 3)] == [11_377] * 3


def test_if_someone_keeps_writing_to_a_budget_it_can_be_asked_again(ledger, prepared, monkeypatch):
    approve(ledger, prepared)

    def clash(events: Any, beside: Any = ()) -> None:
        raise IntegrityError("a stream moved on")

    with monkeypatch.context() as busy:
        busy.setattr(ledger, "append", clash)
        with pytest.raises(ConcurrentChange):
            apply(ledger)
    assert result(apply(ledger)).applied_count == 3


def test_broken_off_between_batches_it_goes_on_where_it_stopped(ledger, prepared, monkeypatch):
    approve(ledger, prepared)
    monkeypatch.setattr(mass_changes, "AT_A_TIME", 1)
    append, left = ledger.append, [2]

    def append_twice(events: Any, beside: Any = ()) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        append(events, beside)

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", append_twice)
        with pytest.raises(KeyboardInterrupt):
            apply(ledger)
    changed = [n for n in (1, 2, 3) if APRIL in ledger.budget(pb(n)).assessments]
    assert len(changed) == 2
    assert ledger.load(MassChange, APRIL).status == "approved"
    kept = versions(ledger, *changed)
    applied = apply(ledger)
    assert versions(ledger, *changed) == kept
    assert (result(applied).applied_count, skipped(applied)) == (3, {})
    with ledger.engine.connect() as connection:
        found = connection.execute(select(financial_assessments)).all()
    assert len([row for row in found if row.assessment_reference == APRIL]) == 3


def test_nothing_that_was_told_is_in_the_events(ledger, prepared):
    approve(ledger, prepared)
    apply(ledger)
    stream = b"".join(row[-1] for row in log_of(ledger))
    assert b"attendance_allowance" not in stream.replace(b'["attendance_allowance",380]', b"")
    events = [r.event for r in ledger.history(PersonalBudget, pb(1))]
    (assessed,) = [e for e in events if isinstance(e, FinancesAssessed) and
                   e.assessment_reference == APRIL]  # fmt: skip
    assert assessed.document_sha256


# --- put right ----------------------------------------------------------------------------


def payments_due(ledger: Ledger, count: int) -> int:
    """What the next cycle would pay to so many budgets."""
    return sum(
        ledger.budget(pb(n)).payment_due(cycle_period(1)).owed_pence for n in range(1, count + 1)
    )


def test_a_backdated_change_puts_right_paid_days_with_the_next_cycle(ledger):
    budgets(ledger, 3)
    assess(ledger, 1)
    assess(ledger, 2, RICHER)
    less = IncomeLine(kind="attendance_allowance", amount_pence=9_000)
    assess(ledger, 3, replace(PENSIONER, income=(PENSIONER.income[0], less)))
    run_cycle_of_march(ledger)
    before = payments_due(ledger, 3)
    before_april = {pb(n): 31_000 * 4 - 4 * charged(ledger, n) for n in (1, 2, 3)}
    prepared = prepare(
        ledger,
        reassessing("03-09", uprate=(("attendance_allowance", 200),), hold_over_pence=9_999),
    )
    # The lines have no first day, so they were received the day before too.
    assert [line.outcome for line in prepared.lines] == ["held"] * 3
    prepared = prepare(
        ledger,
        reassessing("03-16", uprate=(("attendance_allowance", 200),), hold_over_pence=9_999),
        "MAR26",
    )
    approve(ledger, prepared)
    apply(ledger, "MAR26")
    put_right = seen(prepared).totals.put_right_pence
    assert put_right < 0
    assert seen(prepared).totals.arrears_pence == -put_right
    assert all(line.put_right_pence == -3 * line.difference_pence for line in prepared.lines)
    now_april = {pb(n): 31_000 * 4 - 4 * charged(ledger, n) for n in (1, 2, 3)}
    ahead = sum(now_april.values()) - sum(before_april.values())
    assert payments_due(ledger, 3) - before == put_right + ahead
    paid = paid_in(ledger, run_cycle(ledger, 1))
    assert sum(paid.values()) == before + put_right + ahead
    for line in prepared.lines:
        reference = line.budget_reference
        assert paid[reference] == now_april[reference] + line.put_right_pence


def still_owed(ledger: Ledger) -> dict[str, int]:
    """What each budget is owed, or owes if below nought, for days that are settled already."""
    period = cycle_period(1)
    return {
        budget.reference: budget.payment_due(period).owed_pence
        - sum(line.amount_pence for line in budget.charges_due(period))
        for budget in ledger.budgets()
    }


def test_what_is_put_right_is_to_the_penny_what_is_owed_differently_on_every_budget(ledger):
    """A made-up council: net and gross, mixtures, part weeks, paid and invoiced for April."""
    take_in(ledger, example_caseload(40))
    killable.assess(ledger)
    for budget in list(ledger.budgets())[:12]:
        if not budget.contributions or budget.contributions[-1].basis != "net":
            continue
        term = budget.contributions[-1]
        if term.assessment_reference and budget.opened is not None:
            tell_budget(ledger, budget.reference, "suspend_payments", reason_code="hospital_stay",
                        interim_arrangement="family_or_friends", review_on=on("05-20"),
                        retainer_weekly_pence=5_000,
                        effective_on=max(on("04-27"), budget.opened.effective_on))  # fmt: skip
    run_cycle(ledger, 1)
    done(ledger, invoicing("04-06", "05-03"), "INV-1")
    settled = {
        budget.reference
        for budget in ledger.budgets()
        if budget.scheduled_lines or not any(term.is_paid for term in budget.allocations)
    }
    before = still_owed(ledger)
    prepared = prepare(ledger, killable.CHANGING)
    approve(ledger, prepared)
    assert skipped(apply(ledger)) == {}
    after = still_owed(ledger)
    changed = [line for line in prepared.to_apply if line.budget_reference in settled]
    assert len([line for line in changed if line.put_right_pence]) > 15
    assert {line.budget_reference: line.put_right_pence for line in changed} == {
        line.budget_reference: after[line.budget_reference] - before[line.budget_reference]
        for line in changed
    }
    untouched = before.keys() - {line.budget_reference for line in prepared.to_apply}
    assert all(after[reference] == before[reference] for reference in untouched)


def test_arrears_may_be_invoiced_and_then_no_payment_is_reduced(ledger):
    budgets(ledger, 1)
    assess(ledger, 1)
    run_cycle_of_march(ledger)
    parameters = reassessing("03-16", uprate=(("attendance_allowance", 200),), recovery="invoice")
    prepared = prepare(ledger, parameters)
    approve(ledger, prepared)
    apply(ledger)
    owed = -prepared.lines[0].put_right_pence
    assert owed == 3 * 220
    budget = ledger.budget(pb(1))
    assert budget.contribution_debt_pence == owed
    assert budget.payment_due(cycle_period(1)).amount_pence == 4 * (31_000 - charged(ledger, 1))


# --- uplift -------------------------------------------------------------------------------


def test_every_line_is_raised_half_up_to_the_penny(ledger):
    budgets(ledger, 2, lines=mixed_lines())
    prepared = prepare(ledger, uplifting(320))
    assert [(line.was_pence, line.now_pence) for line in prepared.lines] == [(33_000, 34_056)] * 2
    assert sum(line.now_pence for line in prepared.lines[0].revised) == 34_056
    approve(ledger, prepared)
    apply(ledger)
    assert weekly_of(ledger, 1) == {
        "day_centre.social_care": 8_256,
        "nursing.nhs": 5_160,
        "personal_care.social_care": 20_640,
    }
    assert weekly_of(ledger, 1, "04-05")["personal_care.social_care"] == 20_000
    assert ledger.budget(pb(1)).mass_changes == {APRIL}


@pytest.mark.parametrize(
    ("chosen", "raised"),
    [
        ({"funding_stream": "nhs"}, {"nursing.nhs": 5_160}),
        ({"deployment": "provided_service"}, {"day_centre.social_care": 8_256}),
        (
            {"funding_stream": "social_care", "deployment": "direct_payment"},
            {"personal_care.social_care": 20_640},
        ),
        ({"funding_stream": "nhs", "deployment": "provided_service"}, {}),
    ],
)
def test_an_uplift_is_for_one_funding_stream_or_deployment(ledger, chosen, raised):
    budgets(ledger, 1, lines=mixed_lines())
    prepared = prepare(ledger, uplifting(320, **chosen))
    assert {
        one.line_reference: one.now_pence for line in prepared.lines for one in line.revised
    } == raised


def test_an_uplift_does_not_hold_back_large_budgets_unless_told(ledger):
    budgets(ledger, 1, weekly_pence=90_000)
    assert outcomes(prepare(ledger, uplifting(320))) == {pb(1): ("changed", "")}
    limited = prepare(ledger, uplifting(320, hold_over_pence=2_000))
    assert outcomes(limited) == {pb(1): ("held", "outlier")}


def test_an_amount_already_agreed_for_a_later_day_would_undo_the_uplift(ledger):
    budgets(ledger, 2)
    tell_budget(ledger, pb(1), "revise_allocation", line_reference="personal_care.social_care",
                weekly_pence=33_000, effective_on=on("06-01"))  # fmt: skip
    assert outcomes(prepare(ledger, uplifting())) == {
        pb(1): ("held", "later_dated"),
        pb(2): ("changed", ""),
    }


def test_ended_and_closed_budgets_have_no_uplift(ledger):
    budgets(ledger, 3)
    close(ledger, 1, "04-05")
    tell_budget(ledger, pb(2), "end_allocation", line_reference="personal_care.social_care",
                effective_on=on("04-05"))  # fmt: skip
    assert list(outcomes(prepare(ledger, uplifting()))) == [pb(3)]


def test_a_backdated_uplift_is_paid_with_the_next_cycle(ledger):
    budgets(ledger, 2)
    run_cycle_of_march(ledger)
    prepared = prepare(ledger, uplifting(320, "03-16"))
    assert seen(prepared).totals.refunds_pence == 2 * 3 * 992
    approve(ledger, prepared)
    apply(ledger)
    assert paid_in(ledger, run_cycle(ledger, 1)) == {pb(n): 4 * 31_992 + 3 * 992 for n in (1, 2)}


def test_the_same_uplift_made_by_hand_is_not_made_again(ledger):
    budgets(ledger, 2)
    approve(ledger, prepare(ledger, uplifting()))
    tell_budget(ledger, pb(1), "revise_allocation", line_reference="personal_care.social_care",
                weekly_pence=31_992, effective_on=on("04-06"))  # fmt: skip
    applied = apply(ledger)
    assert skipped(applied) == {pb(1): "changed_since"}
    assert result(applied).applied_count == 1
    assert [weekly_of(ledger, n)["personal_care.social_care"] for n in (1, 2)] == [31_992] * 2


def test_an_uplifted_line_changed_by_hand_afterwards_is_left_alone_by_a_second_run(
    ledger, monkeypatch
):
    budgets(ledger, 2)
    approve(ledger, prepare(ledger, uplifting()))
    monkeypatch.setattr(mass_changes, "AT_A_TIME", 1)
    with monkeypatch.context() as broken:
        broken.setattr(mass_changes, "_not_listed", stop)
        with pytest.raises(KeyboardInterrupt):
            apply(ledger)
    tell_budget(ledger, pb(1), "revise_allocation", line_reference="personal_care.social_care",
                weekly_pence=40_000, effective_on=on("04-06"))  # fmt: skip
    applied = apply(ledger)
    assert (result(applied).applied_count, skipped(applied)) == (2, {})
    assert weekly_of(ledger, 1)["personal_care.social_care"] == 40_000


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


# --- invoices -----------------------------------------------------------------------------


def test_contributions_that_no_payment_bears_are_invoiced(ledger):
    """Gross budgets, and services the council provides, first in the council's order."""
    budgets(ledger, 2, lines=mixed_lines())
    assess(ledger, 1, basis="gross")
    assess(ledger, 2)
    run_cycle_of_march(ledger)
    prepared = prepare(ledger, invoicing(), "INV-1")
    # PB2: £80.00 of £107.40 a week falls on the day centre, and £27.40 is taken off the payment.
    assert {r: (line.outcome, line.now_pence) for r, line in by_budget(prepared).items()} == {
        pb(1): ("new", 4 * 10_740),
        pb(2): ("new", 4 * 8_000),
    }
    approve(ledger, prepared)
    apply(ledger, "INV-1")
    assert [ledger.budget(pb(n)).contribution_debt_pence for n in (1, 2)] == [42_960, 32_000]
    assert prepare(ledger, invoicing(), "INV-2").lines == [], "everything is invoiced"


def test_money_received_in_between_does_not_stop_an_invoice(ledger):
    budgets(ledger, 1, lines=mixed_lines())
    assess(ledger, 1, basis="gross")
    done(ledger, invoicing("03-09", "04-05"), "INV-1")
    approve(ledger, prepare(ledger, invoicing("04-06", "05-03"), "INV-2"))
    tell_budget(ledger, pb(1), "receive_contribution", receipt_reference="R1", amount_pence=10_000)
    assert skipped(apply(ledger, "INV-2")) == {}
    assert ledger.budget(pb(1)).contribution_debt_pence == 2 * 42_960 - 4 * 885 - 10_000


def test_an_invoice_that_was_too_high_is_credited(ledger):
    budgets(ledger, 1)
    assess(ledger, 1, basis="gross")
    done(ledger, invoicing(), "INV-1")
    close(ledger, 1, "03-22")
    prepared = prepare(ledger, invoicing("04-06", "05-03"), "INV-2")
    line = by_budget(prepared)[pb(1)]
    assert (line.outcome, line.was_pence, line.now_pence) == ("credited", 0, -2 * 10_740)
    assert seen(prepared).totals.credited_count == 1
    approve(ledger, prepared)
    apply(ledger, "INV-2")
    assert ledger.budget(pb(1)).contribution_debt_pence == 2 * 10_740


def test_an_invoice_that_comes_to_something_else_by_now_is_not_made(ledger):
    budgets(ledger, 2)
    assess(ledger, 1, basis="gross")
    assess(ledger, 2, basis="gross")
    approve(ledger, prepare(ledger, invoicing(), "INV-1"))
    close(ledger, 1, "03-22")
    assert skipped(apply(ledger, "INV-1")) == {pb(1): "changed_since"}


# --- the lines as they are kept -----------------------------------------------------------


def test_many_lines_are_listed_in_several_events(ledger, monkeypatch):
    from ledger.aggregates import mass_change as module

    monkeypatch.setattr(module, "LINES_IN_AN_EVENT", 2)
    budgets(ledger, 5)
    prepared = prepare(ledger, uplifting())
    assert ledger.load(MassChange, APRIL).lines == prepared.lines
    assert [line.budget_reference for line in prepared.lines] == [pb(n) for n in range(1, 6)]
    topics = [row[3] for row in log_of(ledger) if row[3].startswith("mass-change.")]
    assert topics == ["mass-change.listed.v1"] * 3 + ["mass-change.prepared.v1"]
    assert isinstance(msgspec.json.encode(prepared.lines), bytes)


def test_the_audit_reads_it_aloud(ledger, prepared):
    from ledger.projections.audit import sentence

    approve(ledger, prepared)
    apply(ledger)
    read = [sentence(r.event) for r in ledger.history(MassChange, APRIL)]
    assert read[1].startswith("The mass change APR26 (reassess) was prepared for 6 April 2026: 3 b")
    assert read[-1] == "The mass change was made on 3 budget(s); 0 were passed over."
