"""Suspensions: several at once, one that expires, released by two people, tried before set."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from sqlalchemy import select

from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Effect, PaymentChange, tried
from ledger.aggregates.suspensions import (
    RELEASED_BY_TWO,
    PaymentsResumed,
    PaymentsSuspended,
    ResumptionProposed,
    suspensions_after,
)
from ledger.errors import (
    InvalidPeriod,
    PaymentsAreSuspended,
    PaymentsNotSuspended,
    ResumptionNotProposed,
    SamePersonProposed,
    SuspensionUnclear,
)
from ledger.projections.registers import Budgets, suspensions_in
from tests.api import BUDGET, SUSPENSION, an_api, make_payable
from tests.given import (
    Story,
    a_payable_budget,
    cycle_period,
    days,
    given,
    on,
    pay,
    said,
    tell,
)
from tests.main_job import a_caseload, a_ledger, a_row, take_in, tell_budget
from tests.pbledger import Pbledger
from tests.test_personal_budget import AND_WHO_AND_WHEN, COMMANDS, PAYABLE, a_history

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)
WEEK, FOUR_WEEKS = 16_705, 66_820


def held(reason: str = "hospital_stay", first: str = "04-13", **facts: Any) -> dict[str, Any]:
    """What `suspend_payments` is told: in full from Monday of the second week, until resumed."""
    return {
        "reason_code": reason,
        "interim_arrangement": "none_needed",
        "review_on": on("06-01"),
        "effective_on": on(first),
        **facts,
    }


def suspended(*holds: dict[str, Any]) -> Story[PersonalBudget]:
    return given(a_payable_budget(), *(("suspend_payments", facts) for facts in holds))


def owed(story: Story[PersonalBudget], first: str, last: str) -> int:
    """What is owed for some days if all those before were paid, not asking who may pay it."""
    budget = a_payable_budget(paid_elsewhere_to=date.fromordinal(on(first).toordinal() - 1))
    budget.suspensions = story.aggregate.suspensions
    return budget.payment_due(days(first, last)).owed_pence


# --- several at once ------------------------------------------------------------------------


def test_on_a_day_with_several_suspensions_the_least_retainer_counts() -> None:
    story = suspended(
        held("hospital_stay", "04-13", retainer_weekly_pence=6_000, expires_on=on("04-26")),
        held("return_missing", "04-20", retainer_weekly_pence=2_000),
    )
    weeks = [("04-06", WEEK), ("04-13", 6_000), ("04-20", 2_000), ("04-27", 2_000)]
    for monday, pence in weeks:
        sunday = date.fromordinal(on(monday).toordinal() + 6)
        assert owed(story, monday, sunday.isoformat()) == pence
    assert story.aggregate.payment_due(APRIL).owed_pence == sum(pence for _, pence in weeks)
    counting = story.aggregate.suspension_on(on("04-20"))
    assert counting is not None
    assert counting.reason_code == "return_missing"


def test_one_in_full_stops_the_payment_though_another_leaves_a_retainer() -> None:
    story = suspended(
        held("hospital_stay", "04-06", retainer_weekly_pence=6_000), held("safeguarding", "04-06")
    )
    [gate] = story.aggregate.failed_gates(APRIL, on("04-07"))
    assert isinstance(gate, PaymentsAreSuspended)


def test_there_is_at_most_one_for_a_reason_at_a_time() -> None:
    story = suspended(held("hospital_stay", "04-13", expires_on=on("04-26")))
    for first, last in (("04-13", None), ("04-26", None), ("04-06", "04-13"), ("04-06", None)):
        again = held("hospital_stay", first, expires_on=last and on(last))
        story.when("suspend_payments", **again).refused(PaymentsAreSuspended)
    story.when("suspend_payments", **held("account_query")).then(PaymentsSuspended)
    story.when("suspend_payments", **held("hospital_stay", "04-27")).then(PaymentsSuspended)


def test_of_several_open_ones_the_reason_must_be_named() -> None:
    story = suspended(held("hospital_stay"), held("return_missing", "04-20"))
    story.when("resume_payments", effective_on=on("04-27")).refused(
        SuspensionUnclear, reason_codes=["hospital_stay", "return_missing"]
    )
    story.when("resume_payments", reason_code="account_query").refused(PaymentsNotSuspended)
    story.when("resume_payments", reason_code="return_missing", effective_on=on("04-27")).then(
        PaymentsResumed, reason_code="return_missing", suspended_from=on("04-20")
    )
    assert story.aggregate.payment_due(APRIL).owed_pence == WEEK, "still in hospital"
    story.when("resume_payments", effective_on=on("04-27")).then(
        PaymentsResumed, reason_code="hospital_stay", suspended_from=on("04-13")
    )
    assert story.aggregate.payment_due(APRIL).owed_pence == 2 * WEEK


def test_arrears_of_one_are_not_owed_for_days_on_which_another_holds() -> None:
    story = suspended(held("hospital_stay"), held("return_missing", "04-20"))
    story.when(
        "resume_payments", reason_code="hospital_stay", arrears_due=True, effective_on=on("04-27")
    ).then(PaymentsResumed)
    assert story.aggregate.payment_due(APRIL).owed_pence == 2 * WEEK


# --- one that expires -----------------------------------------------------------------------


def test_after_its_last_day_payments_are_owed_again_by_themselves() -> None:
    story = suspended(held(expires_on=on("04-26")))
    assert story.aggregate.payment_due(APRIL).owed_pence == 2 * WEEK
    assert list(story.aggregate.failed_gates(MAY, on("04-26"))) != []
    assert list(story.aggregate.failed_gates(MAY, on("04-27"))) == []


def test_it_may_not_expire_before_it_begins_but_may_on_its_first_day() -> None:
    given(a_payable_budget()).when("suspend_payments", **held(expires_on=on("04-12"))).refused(
        InvalidPeriod, field="expires_on"
    )
    one_day = suspended(held(expires_on=on("04-13")))
    assert one_day.aggregate.suspension_on(on("04-13")) is not None
    assert one_day.aggregate.suspension_on(on("04-14")) is None


def test_an_expired_one_is_resumed_only_with_arrears_and_then_its_days_are_owed() -> None:
    """The return that was missing came in after all."""
    story = suspended(held("return_missing", expires_on=on("04-26")))
    pay(story.aggregate, APRIL)
    story.when("resume_payments", effective_on=on("05-04")).refused(PaymentsNotSuspended)
    story.when("resume_payments", arrears_due=True, effective_on=on("05-04")).then(
        PaymentsResumed, reason_code="return_missing", suspended_from=on("04-13")
    )
    assert story.aggregate.payment_due(MAY).owed_pence == FOUR_WEEKS + 2 * WEEK
    story.when("resume_payments", arrears_due=True, effective_on=on("05-04")).refused(
        PaymentsNotSuspended
    )


def test_one_that_ended_sooner_than_it_would_have_expired_is_resumed_from_that_day() -> None:
    story = suspended(held(expires_on=on("04-26")))
    pay(story.aggregate, APRIL)
    story.when("resume_payments", effective_on=on("04-20")).then(PaymentsResumed)
    assert story.aggregate.payment_due(MAY).owed_pence == FOUR_WEEKS + WEEK


def test_resumed_on_its_last_day_it_leaves_only_that_day_owed() -> None:
    story = suspended(held(expires_on=on("04-26")))
    story.when("resume_payments", effective_on=on("04-26")).then(PaymentsResumed)
    [term] = story.aggregate.suspensions
    assert (term.ends_on, term.is_resumed) == (on("04-25"), True)


def test_an_open_one_is_meant_before_one_that_has_expired() -> None:
    story = suspended(
        held("return_missing", expires_on=on("04-19")), held("hospital_stay", "04-20")
    )
    story.when("resume_payments", arrears_due=True, effective_on=on("04-27")).then(
        PaymentsResumed, reason_code="hospital_stay"
    )
    story.when("resume_payments", arrears_due=True, effective_on=on("04-27")).then(
        PaymentsResumed, reason_code="return_missing"
    )


def test_of_two_for_a_reason_the_day_says_which_is_meant() -> None:
    """In force on the day, else the next to come; when none is left, the last to expire."""
    both = (
        held("return_missing", "04-13", expires_on=on("04-19")),
        held("return_missing", "05-04", expires_on=on("05-10")),
    )
    for day, began_on in (("04-15", "04-13"), ("04-25", "05-04"), ("05-10", "05-04"),
                          ("06-01", "05-04")):  # fmt: skip
        suspended(*both).when("resume_payments", arrears_due=True, effective_on=on(day)).then(
            PaymentsResumed, suspended_from=on(began_on)
        )
    story = suspended(*both)
    story.and_("resume_payments", arrears_due=True, effective_on=on("06-01"))
    story.when("resume_payments", arrears_due=True, effective_on=on("06-01")).then(
        PaymentsResumed, suspended_from=on("04-13")
    )
    assert story.aggregate.suspensions == []


def test_a_history_from_before_there_were_reasons_to_resume_by_loads_as_it_was() -> None:
    """An old resumption names nothing and means the only suspension there was."""
    story = suspended(held("hospital_stay"))
    old = PaymentsResumed(**said(on("04-27")))
    story.aggregate.apply(old)
    assert story.aggregate.payment_due(APRIL).owed_pence == 2 * WEEK
    story.when("suspend_payments", **held("hospital_stay", "05-04")).then(PaymentsSuspended)
    story.aggregate.apply(PaymentsResumed(**said(on("05-11"))))
    assert [term.ends_on for term in story.aggregate.suspensions] == [on("04-26"), on("05-10")]


# --- released by two people -----------------------------------------------------------------

LATER = {"reason_code": "safeguarding", "effective_on": on("04-27")}


def test_what_was_suspended_for_safeguarding_takes_two_people_to_resume() -> None:
    assert {"safeguarding"} == RELEASED_BY_TWO
    story = suspended(held("safeguarding"))
    story.when("resume_payments", **LATER).refused(ResumptionNotProposed)
    story.when("propose_resumption", **LATER).then(
        ResumptionProposed, suspended_from=on("04-13"), arrears_due=False
    )
    story.when("resume_payments", **LATER).refused(SamePersonProposed)
    story.when("resume_payments", **LATER, by="bob").then(PaymentsResumed)
    assert story.aggregate.resumptions_proposed == {}
    assert story.aggregate.payment_due(APRIL).owed_pence == 2 * WEEK


@pytest.mark.parametrize("other", [{"arrears_due": True}, {"effective_on": on("04-20")}])
def test_the_second_person_resumes_exactly_what_was_proposed(other: dict[str, Any]) -> None:
    story = suspended(held("safeguarding")).and_("propose_resumption", **LATER)
    story.when("resume_payments", **{**LATER, **other}, by="bob").refused(ResumptionNotProposed)


def test_the_last_proposal_counts_and_said_again_by_anyone_it_is_the_first_ones() -> None:
    story = suspended(held("safeguarding")).and_("propose_resumption", **LATER)
    story.when("propose_resumption", **LATER, by="bob").nothing()
    story.when("resume_payments", **LATER).refused(SamePersonProposed)
    story.when("propose_resumption", **LATER, arrears_due=True, by="bob").then(ResumptionProposed)
    story.when("resume_payments", **LATER, by="carol").refused(ResumptionNotProposed)
    story.when("resume_payments", **LATER, arrears_due=True, by="bob").refused(SamePersonProposed)
    story.when("resume_payments", **LATER, arrears_due=True).then(PaymentsResumed)


def test_a_proposal_does_not_outlive_the_suspension_it_was_for() -> None:
    story = suspended(held("safeguarding")).and_("propose_resumption", **LATER)
    story.and_("resume_payments", **LATER, by="bob")
    story.and_("suspend_payments", **held("safeguarding"))
    story.when("resume_payments", **LATER, by="bob").refused(ResumptionNotProposed)


def test_arrears_of_an_expired_one_take_two_people_as_well() -> None:
    story = suspended(held("safeguarding", expires_on=on("04-26")))
    arrears = {**LATER, "arrears_due": True}
    story.when("resume_payments", **arrears).refused(ResumptionNotProposed)
    story.and_("propose_resumption", **arrears)
    story.when("resume_payments", **arrears, by="bob").then(PaymentsResumed)
    assert story.aggregate.payment_due(APRIL).owed_pence == FOUR_WEEKS


SUSPENDING = ("suspend_payments", "propose_resumption", "resume_payments")
ANYTHING = st.one_of(
    *[
        st.tuples(st.just(name), st.fixed_dictionaries({**COMMANDS[name], **AND_WHO_AND_WHEN}))
        for name in SUSPENDING
    ]
)


@for_all(st.lists(ANYTHING, max_size=25))
def test_whatever_is_said_nobody_releases_alone_what_takes_two(
    anything: list[tuple[str, dict[str, Any]]],
) -> None:
    budget, history, _ = a_history([*PAYABLE, *anything])
    proposed: dict[tuple[str, date], ResumptionProposed] = {}
    register = "[]"
    for _, _, event in history:
        if isinstance(event, ResumptionProposed):
            proposed[event.reason_code, event.suspended_from] = event
        if isinstance(event, PaymentsResumed) and event.reason_code in RELEASED_BY_TWO:
            assert event.suspended_from is not None
            before = proposed.pop((event.reason_code, event.suspended_from))
            assert before.recorded_by != event.recorded_by
            facts = (before.effective_on, before.arrears_due)
            assert facts == (event.effective_on, event.arrears_due)
        if isinstance(event, PaymentsSuspended | PaymentsResumed):
            after = suspensions_after(suspensions_in(register), event)
            register = msgspec.json.encode(after).decode()
    assert suspensions_in(register) == budget.suspensions, "as the register folds it"
    for term in budget.suspensions:
        alike = [t for t in budget.suspensions
                 if t.reason_code == term.reason_code and not t.is_resumed]  # fmt: skip
        assert not any(
            t is not term and t.starts_on <= term.ends_on and term.starts_on <= t.ends_on
            for t in alike
            if not term.is_resumed
        ), "at most one for a reason at a time"


def test_anything_else_is_resumed_by_one_person_whoever_proposed_it() -> None:
    story = suspended(held("account_query"))
    facts = {"reason_code": "account_query", "effective_on": on("04-27")}
    story.and_("propose_resumption", **facts)
    story.when("resume_payments", **facts).then(PaymentsResumed)
    story.when("propose_resumption", **facts).refused(PaymentsNotSuspended)


# --- tried before it is set -----------------------------------------------------------------


def effect_of(budget: PersonalBudget, **facts: Any) -> Effect:
    told = held(**facts)

    def decide(tried_on: PersonalBudget) -> None:
        tell(tried_on, "suspend_payments", **told)

    seen = tried(budget, decide, told["effective_on"])
    assert seen.effect is not None
    return seen.effect


def paid_for_april() -> PersonalBudget:
    budget = a_payable_budget()
    pay(budget, APRIL)
    return budget


def amounts(coming: PaymentChange) -> tuple[date, int, int]:
    return coming.period.starts_on, coming.payment_was_pence, coming.payment_now_pence


def test_a_suspension_without_a_last_day_shows_the_next_three_payments() -> None:
    effect = effect_of(paid_for_april(), first="05-04")
    assert effect.windows == ()
    assert list(map(amounts, effect.coming_payments)) == [
        (on("05-04"), FOUR_WEEKS, 0),
        (on("06-01"), FOUR_WEEKS, 0),
        (on("06-29"), FOUR_WEEKS, 0),
    ]
    first, second, _ = effect.coming_payments
    assert (first.pay_on, first.stopped_by) == (on("05-01"), ()), "paid before it begins: nothing"
    assert (second.pay_on, second.stopped_by) == (on("05-29"), ("payments-are-suspended",))


def test_days_already_paid_are_taken_back_from_what_is_still_paid() -> None:
    """From 20 April, down to a retainer: two weeks paid in full already, and no more to come."""
    effect = effect_of(paid_for_april(), first="04-20", retainer_weekly_pence=5_000)
    [window] = effect.windows
    assert (window.window, window.payment_was_pence, window.payment_now_pence) == (
        APRIL,
        FOUR_WEEKS,
        2 * WEEK + 2 * 5_000,
    )
    taken_back = 2 * (WEEK - 5_000)
    assert effect.total_pence == -taken_back
    assert [amounts(c)[1:] for c in effect.coming_payments] == [
        (FOUR_WEEKS, 0),
        (FOUR_WEEKS, 2 * 4 * 5_000 - taken_back),
        (FOUR_WEEKS, 4 * 5_000),
    ]
    assert effect.coming_payments[0].carried_now_pence == 4 * 5_000 - taken_back


def test_one_that_expires_shows_every_payment_to_the_first_after_it() -> None:
    effect = effect_of(paid_for_april(), first="05-04", expires_on=on("08-02"))
    shown = effect.coming_payments
    assert [amounts(c)[2] for c in shown] == [0, 0, 0, 0, FOUR_WEEKS + 3 * WEEK]
    assert shown[3].stopped_by == ("payments-are-suspended",), "it is paid on the Friday before"
    assert [(w.starts_on, w.payment_pence) for w in effect.weekly_now] == [
        (on("05-04"), 0),
        (on("08-03"), WEEK),
    ]
    for last, shown_to in (("06-25", "06-29"), ("06-26", "07-27"), ("2030-01-01", "2027-04-05")):
        coming = effect_of(paid_for_april(), expires_on=on(last)).coming_payments
        assert coming[-1].period.starts_on == on(shown_to)


def test_the_last_of_several_to_expire_says_how_many_payments_are_shown() -> None:
    budget = paid_for_april()
    tell(budget, "suspend_payments", **held("return_missing", expires_on=on("08-23")))
    assert effect_of(budget, expires_on=on("05-10")).coming_payments[-1].period == cycle_period(7)


def test_what_is_shown_is_what_is_then_paid() -> None:
    facts: dict[str, Any] = {"first": "04-20", "retainer_weekly_pence": 700,
                             "expires_on": on("05-17")}  # fmt: skip
    shown = effect_of(paid_for_april(), **facts).coming_payments
    budget = paid_for_april()
    tell(budget, "suspend_payments", **held(**facts))
    for coming in shown:
        due = budget.payment_due(coming.period)
        stopped = tuple(
            refusal.code for refusal in budget.failed_gates(coming.period, coming.pay_on)
        )
        paid = 0 if stopped else max(due.amount_pence, 0)
        assert (coming.payment_now_pence, coming.stopped_by) == (paid, stopped)
        if paid:
            pay(budget, coming.period, f"C{coming.period.starts_on}")


def test_trying_changes_nothing_of_the_budget_as_it_was() -> None:
    budget = paid_for_april()
    payments, lines = repr(budget.payments), list(budget.scheduled_lines)
    effect_of(budget, first="05-04")
    assert (repr(budget.payments), budget.scheduled_lines) == (payments, lines)


# --- on any day, and through the machine ----------------------------------------------------

HOSPITAL = (
    "--reason-code hospital_stay --interim-arrangement in_hospital_or_care_home "
    "--review-on 2026-05-18"
)


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path) -> Pbledger:
    """Three budgets, paid for April."""
    pbledger = Pbledger(database_url, tmp_path).with_cycle(3)
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    return pbledger


def standing(pbledger: Pbledger, day: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `budget list` says of the first budget on a day."""
    monkeypatch.setattr("ledger.cli.budget.now", lambda: datetime.combine(on(day), time(9), UTC))
    [line] = [x for x in pbledger.done("budget list").splitlines() if "PB000001" in x]
    return re.split("  +", line.strip())[3]


def test_the_register_is_right_on_any_day(
    pbledger: Pbledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend = "--as ann budget suspend-payments PB000001"
    pbledger.done(f"{suspend} {HOSPITAL} --effective-on 2026-05-04 --expires-on 2026-05-31")
    pbledger.done(f"{suspend} {HOSPITAL} --effective-on 2026-07-06")
    query = "--reason-code account_query --interim-arrangement none_needed --review-on 2026-05-18"
    pbledger.done(f"{suspend} {query} --effective-on 2026-05-25 --expires-on 2026-06-07")
    days_and_standings = {
        "2026-05-03": "payable",
        "2026-05-04": "suspended from 2026-05-04 to 2026-05-31",
        "2026-05-31": "suspended from 2026-05-04 to 2026-06-07",
        "2026-06-07": "suspended from 2026-05-25 to 2026-06-07",
        "2026-06-08": "payable",
        "2026-07-06": "suspended from 2026-07-06",
    }
    for day, expected in days_and_standings.items():
        assert standing(pbledger, day, monkeypatch) == expected
    listed = pbledger.json("budget list")["budgets"][0]["suspensions"]
    assert [(t["reason_code"], t["ends_on"]) for t in listed] == [("hospital_stay", None)]
    pbledger.done("--as ann budget resume-payments PB000001 --effective-on 2026-07-13")
    assert standing(pbledger, "2026-07-12", monkeypatch) == (
        "suspended from 2026-07-06 to 2026-07-12"
    )
    assert standing(pbledger, "2026-07-13", monkeypatch) == "payable"
    shown = pbledger.json("budget show PB000001 --on 2026-05-31")["suspensions"]
    assert [t["reason_code"] for t in shown] == ["hospital_stay", "account_query"]
    assert pbledger.json("budget show PB000001 --on 2026-06-08")["suspensions"] == []
    pbledger.done("verify")


def test_the_register_keeps_histories_from_before_there_were_reasons(
    database_url: str, tmp_path: Path
) -> None:
    with a_ledger(database_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(a_row(1)))
        for first, last in (("04-13", "04-27"), ("05-11", "05-18")):
            tell_budget(ledger, "PB000001", "suspend_payments", **held("other", first))
            budget = ledger.budget("PB000001")
            old = PaymentsResumed(**said(on(last)))
            ledger.append([Recorded(budget.id, budget.version + 1, old)])
        ledger.projections.catch_up()
        with ledger.engine.connect() as connection:
            [column] = connection.execute(select(Budgets.table.c.suspensions)).scalars()
        assert suspensions_in(column) == ledger.budget("PB000001").suspensions
        assert [t.ends_on for t in suspensions_in(column)] == [on("04-26"), on("05-17")]
        assert suspensions_in(column, on("05-18")) == []
        assert ledger.projections.verify() is None


def test_what_it_stops_is_shown_before_it_is_set(pbledger: Pbledger) -> None:
    suspend = (
        f"--as ann budget suspend-payments PB000001 {HOSPITAL} --effective-on 2026-04-20 "
        "--expires-on 2026-06-28 --dry-run"
    )
    before = pbledger.left_behind()
    shown = pbledger.done(suspend)
    assert "Payments to come, if nothing else changes" in shown
    assert "payments are suspended" in shown
    assert "is owed by the person" in shown
    tried = pbledger.json(suspend)["effect"]
    was = pbledger.json("cycle lines C1")["lines"][0]["amount_pence"]
    [window] = tried["windows"]
    assert (window["payment_was_pence"], window["payment_now_pence"]) == (was, was // 2)
    may, june, july, august = tried["coming_payments"]
    assert may["stopped_by"] == june["stopped_by"] == ["payments-are-suspended"]
    assert (may["payment_was_pence"], may["payment_now_pence"]) == (was, 0)
    assert july["stopped_by"] == ["payments-are-suspended"], "the pay date is before its last day"
    assert (august["stopped_by"], august["payment_now_pence"]) == ([], 2 * was - was // 2)
    assert pbledger.left_behind() == before


def test_it_is_released_by_two_on_the_command_line(pbledger: Pbledger) -> None:
    reason = "PB000001 --reason-code safeguarding"
    arranged = "--interim-arrangement council_arranges_care --review-on 2026-05-18"
    pbledger.done(f"--as ann budget suspend-payments {reason} {arranged} --effective-on 2026-05-04")
    resume = f"budget resume-payments {reason} --effective-on 2026-06-01"
    pbledger.refused("resumption-not-proposed", f"--as bob {resume}")
    pbledger.done(f"--as ann budget propose-resumption {reason} --effective-on 2026-06-01")
    shown = pbledger.done("budget show PB000001 --on 2026-05-10")
    assert "from 2026-06-01, proposed by ann (safeguarding)" in shown
    assert "in full: safeguarding; meanwhile council arranges care" in shown
    pbledger.refused("same-person-proposed", f"--as ann {resume}")
    assert "were resumed (safeguarding)" in pbledger.done(f"--as bob {resume}")
    assert "proposed by ann" not in pbledger.done("budget show PB000001 --on 2026-05-10")


def test_it_is_answered_by_the_api(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_api(sqlite_url, tmp_path) as api:
        make_payable(api)
        held_to = {**SUSPENSION, "expires_on": "2026-04-30", "reason_code": "safeguarding"}
        tried = api.post(f"{BUDGET}/suspend-payments", {**held_to, "dry_run": True}).done()
        stopped = [c["stopped_by"] for c in tried["effect"]["coming_payments"]]
        assert stopped == [[], [], []], "it begins after one pay date and ends before the next"
        api.post(f"{BUDGET}/suspend-payments", held_to).done()
        proposed = {"effective_on": "2026-04-20", "reason_code": "safeguarding"}
        api.post(f"{BUDGET}/resume-payments", proposed).refused("resumption-not-proposed", 422)
        api.post(f"{BUDGET}/propose-resumption", proposed).done()
        api.post(f"{BUDGET}/resume-payments", proposed).refused("same-person-proposed", 403)
        [pending] = api.get(BUDGET, on="2026-04-12")["resumptions_proposed"]
        assert pending == {
            "reason_code": "safeguarding",
            "suspended_from": "2026-04-10",
            "resume_on": "2026-04-20",
            "arrears_due": False,
            "proposed_by": "ann",
        }
        for day, ends in (("2026-04-30", ["2026-04-30"]), ("2026-05-01", [])):
            monkeypatch.setattr("ledger.api.budgets.today", lambda day=day: on(day))
            [row] = api.get("/v1/budgets")["budgets"]
            assert [t["ends_on"] for t in row["suspensions"]] == ends
        api.post(f"{BUDGET}/resume-payments", proposed, by="bob").done()
        assert api.get(BUDGET, on="2026-04-12")["resumptions_proposed"] == []
