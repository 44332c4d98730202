"""Reminders: each stands from its notice on, as long as its cause does, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.aggregates.payments import Payment
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import england
from ledger.reminders import (
    CycleUnderWay,
    Notice,
    Reminder,
    next_review_on,
    of_budget,
    of_cycle,
    of_report,
    review_due_on,
    reviews_due_by,
)
from ledger.terms import SuspensionReason
from tests.given import a_payable_budget, days, on, pay, said, tell
from tests.pbledger import Pbledger

NOTICE = Notice(returns=7, reviews=28, unsettled=3, holds=7)


def a_budget(first_paid_on: str = "") -> PersonalBudget:
    budget = PersonalBudget("PB1")
    budget.open(
        recipient_reference="R1",
        legal_basis="care_act_2014",
        primary_support_reason="mental_health",
        **said(),
    )
    if first_paid_on:
        day = on(first_paid_on)
        period = days("2026-04-06", "2026-05-03")
        budget.payments["DP1"] = Payment("C1", "P1", 100, period, day, status="confirmed")
    return budget


def told(budget: PersonalBudget, day: str) -> list[Reminder]:
    return sorted(of_budget(budget, on(day), NOTICE, england()))


def kinds(budget: PersonalBudget, day: str) -> list[str]:
    return [reminder.kind for reminder in told(budget, day)]


def review(budget: PersonalBudget, day: str) -> None:
    budget.offer_direct_payment(occasion="review", outcome="accepted", **said(on(day)))


def suspend(
    budget: PersonalBudget, reason: SuspensionReason, day: str, *, review_on: str, **facts: Any
) -> None:
    budget.suspend_payments(
        reason_code=reason,
        interim_arrangement="none_needed",
        review_on=on(review_on),
        **facts,
        **said(on(day)),
    )


def test_a_return_is_due_and_then_overdue_until_it_is_sent():
    budget = a_budget()
    budget.request_spend_return(
        return_reference="SR1",
        period=days("04-06", "07-05"),
        due_on=on("08-02"),
        **said(on("07-06")),
    )
    assert kinds(budget, "07-25") == []
    assert kinds(budget, "07-26") == kinds(budget, "08-02") == ["return_due"]
    assert kinds(budget, "08-03") == ["return_overdue"]
    budget.submit_spend_return(
        return_reference="SR1",
        opening_balance_pence=0,
        money_in_pence=0,
        spending_pence=0,
        closing_balance_pence=0,
        **said(on("08-04")),
    )
    assert kinds(budget, "08-05") == []


def test_a_review_is_due_six_months_after_the_first_payment_then_after_twelve():
    budget = a_budget("2026-04-02")
    assert kinds(budget, "09-03") == []
    assert kinds(budget, "09-04") == kinds(budget, "2027-05-01") == ["review_due"]
    review(budget, "2026-09-20")
    assert next_review_on(budget) == on("2027-09-20")
    assert kinds(budget, "2027-05-01") == []
    assert kinds(budget, "2027-08-23") == ["review_due"]


@pytest.mark.parametrize(
    ("first_paid_on", "due_on"),
    [("2027-08-31", "2028-02-29"), ("2026-08-31", "2027-02-28"), ("2028-02-29", "2028-08-29")],
)
def test_six_months_end_with_the_month(first_paid_on, due_on):
    assert next_review_on(a_budget(first_paid_on)) == on(due_on)


def test_twelve_months_after_29_february():
    budget = a_budget("2027-09-01")
    review(budget, "2028-02-29")
    assert next_review_on(budget) == on("2029-02-28")


def test_nobody_is_reviewed_before_the_first_payment_or_after_the_end():
    assert kinds(a_budget(), "2028-01-01") == []
    budget = a_budget("2026-04-02")
    budget.close(reason_code="moved_away", **said(on("10-31")))
    assert kinds(budget, "10-31") == ["review_due"]
    assert kinds(budget, "11-01") == []


def test_a_suspension_is_to_be_looked_at_from_its_review_date_until_payments_resume():
    budget = a_budget()
    suspend(budget, "hospital_stay", "05-01", review_on="06-01")
    assert kinds(budget, "05-31") == []
    assert kinds(budget, "06-01") == ["suspension_review_due"]
    budget.resume_payments(**said(on("06-12")))
    assert kinds(budget, "06-10") == [], "it is decided, though it lasts till then"


def test_each_open_suspension_is_reviewed_by_its_own_reason():
    budget = a_budget()
    suspend(budget, "hospital_stay", "05-01", review_on="06-01")
    suspend(budget, "return_missing", "05-04", review_on="05-20")
    found = told(budget, "06-01")
    assert [(r.due_on, r.kind, r.detail) for r in found] == [
        (on("05-20"), "suspension_review_due", "return_missing"),
        (on("06-01"), "suspension_review_due", "hospital_stay"),
    ]


def test_a_suspension_that_expires_is_told_before_and_not_reviewed_after():
    budget = a_budget()
    suspend(budget, "hospital_stay", "05-01", review_on="05-20", expires_on=on("05-31"))
    assert kinds(budget, "05-19") == []
    assert kinds(budget, "05-20") == kinds(budget, "05-23") == ["suspension_review_due"]
    assert (
        kinds(budget, "05-24")
        == kinds(budget, "05-31")
        == [
            "suspension_review_due",
            "hold_expires",
        ]
    )
    assert kinds(budget, "06-01") == []
    budget.resume_payments(arrears_due=True, **said(on("06-10")))
    assert kinds(budget, "05-31") == []


def test_a_resumption_proposed_waits_for_someone_else_even_after_the_suspension_expired():
    budget = a_budget()
    suspend(budget, "safeguarding", "05-01", review_on="06-30", expires_on=on("05-31"))
    proposed: dict[str, Any] = {"reason_code": "safeguarding", "arrears_due": True}
    budget.propose_resumption(**proposed, **said(on("06-10")))
    [reminder] = told(budget, "06-05")
    assert reminder == (on("06-10"), "resumption_to_confirm", "PB1", "safeguarding")
    budget.resume_payments(**proposed, **said(on("06-10"), by="bob"))
    assert kinds(budget, "06-11") == []


def test_money_that_came_back_is_to_be_seen_to_within_three_working_days_after_closing_too():
    budget = a_payable_budget("PB1")
    reference = pay(budget, days("2026-04-06", "2026-05-03"))
    back = {"payment_reference": reference, "reason_code": "2", "effective_on": on("04-09")}
    tell(budget, "return_payment", **back)
    tell(budget, "close", reason_code="died", effective_on=on("04-06"))
    case = f"EC-{reference}"
    assert told(budget, "04-20") == [
        Reminder(on("04-09"), "estate_case_open", "PB1", case),
        Reminder(on("04-14"), "payment_came_back", "PB1", reference),  # a weekend between
    ]
    died = {"outcome": "recipient_died", "died_on": on("04-06"), "by": "bob"}
    tell(budget, "decide_estate_case", case_reference=case, effective_on=on("04-21"), **died)
    assert told(budget, "04-21") == []


def cycle_kinds(status: str, day: str, is_taken: bool = False) -> list[str]:
    cycle = CycleUnderWay("C1", status, on("04-02"), on("03-31"), is_taken)
    return [reminder.kind for reminder in of_cycle(cycle, on(day), NOTICE)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("prepared", "cycle_to_decide"),
        ("rejected", "cycle_rejected"),
        ("approved", "cycle_to_issue"),
    ],
)
def test_a_cycle_waits_for_somebody_until_its_file_is_sent(status: str, kind: str):
    assert cycle_kinds(status, "03-20") == cycle_kinds(status, "04-20") == [kind]
    cycle = CycleUnderWay("C1", status, on("04-02"), on("03-31"))
    [reminder] = of_cycle(cycle, on("03-20"), NOTICE)
    assert reminder.due_on == on("03-31")


def test_a_file_is_to_be_taken_the_day_after_it_was_sent_and_settled_some_days_after():
    assert cycle_kinds("issued", "03-31") == []
    assert cycle_kinds("issued", "04-01") == ["file_not_acknowledged"]
    assert cycle_kinds("issued", "04-04", is_taken=True) == []
    assert cycle_kinds("issued", "04-05") == ["file_not_acknowledged", "file_not_settled"]
    assert cycle_kinds("issued", "04-05", is_taken=True) == ["file_not_settled"]


def test_items_that_wait_are_counted_report_by_report():
    assert of_report("ARUCS-1", on("04-08"), 2) == (
        on("04-08"),
        "report_item_waits",
        "ARUCS-1",
        "2 item(s)",
    )


# --- on the command line --------------------------------------------------------------------


def test_jobs_are_listed_and_run_by_hand_without_doing_anything_twice(
    sqlite_url, tmp_path, monkeypatch
):
    monkeypatch.setattr("ledger.cli.jobs.now", lambda: datetime(2026, 3, 23, 9, tzinfo=UTC))
    pbledger = Pbledger(sqlite_url, tmp_path).with_budgets(5)
    pbledger.environment |= {
        "LEDGER_PAY_CADENCE": "four_weekly",
        "LEDGER_PAY_CALENDAR_FROM": "2026-04-06",
    }
    listed = pbledger.json("jobs list")
    names = ["catch-up", "prepare-cycles", "letters", "delete-expired", "reminders"]
    assert [job["name"] for job in listed["jobs"]] == names
    assert listed["jobs"][1]["to_do"] == ["2026-04-06 is due: 2026-04-06 to 2026-05-03."]
    assert listed["reminders"] == []
    assert "2026-04-06 was prepared" in pbledger.done("jobs run prepare-cycles")
    before = pbledger.left_behind()
    again = pbledger.json("jobs run")
    *others, reminders = again["jobs"]
    assert others == [{"name": job["name"], "done": []} for job in listed["jobs"][:-1]]
    assert [said.partition(":")[0] for said in reminders["done"]] == ["1 x cycle_to_decide"]
    assert pbledger.left_behind() == before, "nothing twice"
    assert "prepare-cycles        60  nothing to do" in pbledger.done("jobs list")
    assert "The jobs are catch-up" in pbledger.misused("jobs run payments")


def test_what_makes_a_review_due_is_its_due_day_the_other_way_round():
    first, some = on("2027-01-01"), range(0, 800, 7)
    for until in (first + timedelta(days=number) for number in some):
        by = reviews_due_by(until)
        for day in (by.first_paid_on, by.first_paid_on + timedelta(days=1)):
            assert (review_due_on(day, None) <= until) == (day <= by.first_paid_on)
        for day in (by.reviewed_on, by.reviewed_on + timedelta(days=1)):
            assert (review_due_on(on("2020-01-01"), day) <= until) == (day <= by.reviewed_on)
    for until in (on("2027-02-28"), on("2028-02-29"), on("2027-08-31")):
        by = reviews_due_by(until)
        assert review_due_on(by.first_paid_on + timedelta(days=1), None) > until
