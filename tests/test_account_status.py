"""How an account stands: what is paid next, what holds it, and what is due."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.account_status import HOLDS, AccountStatus, NextPayment, ToContact, account_status
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.statements.wording import NOT_PAID_BECAUSE
from tests.given import a_payable_budget, an_open_budget, cycle_period, on, pay, tell

CONTACT = [ToContact("Phone", "01234 567890")]


def status(
    budget: PersonalBudget, today: str, next_pay_day: date | None = None, amounts: bool = False
) -> AccountStatus:
    return account_status(budget, on(today), next_pay_day, CONTACT, with_amounts=amounts)


def suspended(reason_code: str = "hospital_stay", **facts: Any) -> PersonalBudget:
    budget = a_payable_budget()
    pay(budget, cycle_period(1))
    given = {"reason_code": reason_code, "interim_arrangement": "none_needed",
             "review_on": on("06-01"), "effective_on": on("04-20"), **facts}  # fmt: skip
    tell(budget, "suspend_payments", **given)
    return budget


def test_every_gate_of_a_payment_has_words_and_what_would_open_it():
    assert HOLDS.keys() == NOT_PAID_BECAUSE.keys()


def test_before_the_first_payment_it_has_not_started():
    found = status(a_payable_budget(), "04-06", on("04-10"))
    assert found.state == "not_started"
    assert found.next_payment == NextPayment(on("04-10"), False, (), (), None)
    assert found.contact == tuple(CONTACT)


def test_a_payment_that_is_promised_is_next_on_its_day():
    budget = a_payable_budget()
    pay(budget, cycle_period(1))
    found = status(budget, "04-01", on("04-30"), amounts=True)
    assert found.state == "paid"
    assert found.next_payment == NextPayment(on("04-03"), False, (), (), 66_820)
    after = status(budget, "04-04", on("05-01"), amounts=True).next_payment
    assert after == NextPayment(on("05-01"), False, (), (), 66_820)


def test_amounts_are_left_out_unless_they_are_asked_for():
    budget = a_payable_budget()
    pay(budget, cycle_period(1))
    for today in ("04-01", "04-04"):
        coming = status(budget, today).next_payment
        assert coming is not None
        assert coming.amount_pence is None


def test_without_a_pay_calendar_the_day_is_not_known():
    coming = status(a_payable_budget(), "04-06").next_payment
    assert coming is not None
    assert (coming.pay_on, coming.is_held) == (None, False)


def test_a_suspension_is_told_without_its_reason():
    """Where somebody is, and what is being looked into, is not the support service's business."""
    for reason in ("hospital_stay", "care_home_stay", "safeguarding", "other"):
        found = status(suspended(reason), "04-21", on("05-01"))
        assert found.state == "held"
        assert found.next_payment == NextPayment(
            on("05-01"),
            True,
            ("Payments are suspended.",),
            ("The council settling a question. Call the council.",),
            None,
        )


def test_what_would_end_a_suspension_that_is_about_the_account_is_told():
    coming = status(suspended("return_missing", expires_on=on("06-30")), "04-21").next_payment
    assert coming is not None
    assert coming.released_by == (
        "The spend return being sent in. It ends by itself after 30 June 2026.",
    )


def test_an_account_whose_suspension_is_over_by_then_is_not_held():
    found = status(suspended(expires_on=on("04-25")), "04-21", on("05-01"))
    assert found.next_payment is not None
    assert not found.next_payment.is_held


def test_everything_that_is_missing_is_told_at_once():
    coming = status(an_open_budget(), "04-06").next_payment
    assert coming is not None
    assert coming.held_because[:2] == (
        "The offer of a direct payment is not accepted yet.",
        "The agreement is not signed yet.",
    )
    assert len(coming.released_by) == len(coming.held_because)


def test_a_report_of_a_death_is_told_as_a_question():
    budget = a_payable_budget()
    tell(budget, "open_estate_case", case_reference="E1", reported_by="family")
    coming = status(budget, "04-07").next_payment
    assert coming is not None
    assert coming.held_because == ("The council has a question.",)
    assert not any("death" in said or "died" in said for said in coming.released_by)


def test_a_budget_that_has_ended_has_nothing_to_come_and_no_review():
    budget = a_payable_budget()
    pay(budget, cycle_period(1))
    tell(budget, "close", reason_code="needs_ended", effective_on=on("05-03"))
    found = status(budget, "05-04")
    assert (found.state, found.next_payment, found.review_due_on) == ("ended", None, None)


def test_a_return_is_due_and_then_overdue_and_the_earliest_is_named():
    budget = a_payable_budget()
    assert status(budget, "04-07").spend_return == "none"
    for number, due_on in ((1, "06-01"), (2, "05-20")):
        tell(budget, "request_spend_return", return_reference=f"SR{number}",
             period=cycle_period(number), due_on=on(due_on))  # fmt: skip
    found = status(budget, "05-20")
    assert (found.spend_return, found.spend_return_due_on) == ("due", on("05-20"))
    assert status(budget, "05-21").spend_return == "overdue"


def test_the_first_review_is_due_six_months_after_the_first_payment():
    budget = a_payable_budget()
    assert status(budget, "04-07").review_due_on is None
    pay(budget, cycle_period(1))
    assert status(budget, "04-07").review_due_on == date(2026, 10, 3)


@pytest.mark.parametrize("amounts", [False, True])
def test_a_net_budget_that_comes_to_nothing_has_no_next_payment(amounts: bool):
    budget = a_payable_budget(contribution=31_000)
    assert status(budget, "04-07", amounts=amounts).next_payment is None
