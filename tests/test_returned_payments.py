"""Money that comes back or is not taken: held, explained, and settled by someone's decision."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates.care_decisions import BudgetClosed
from ledger.aggregates.estates import EstateCaseDecided, EstateCaseOpened
from ledger.aggregates.payments import (
    PaymentCancelled,
    PaymentConfirmed,
    PaymentRefunded,
    PaymentReissued,
    PaymentRejected,
    PaymentReturned,
    PaymentScheduled,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.errors import (
    BeforeBudgetOpened,
    DayOfDeathUnclear,
    EstateCaseAlreadyDecided,
    EstateCaseIsOpen,
    EstateCaseNotFound,
    PayeeNotVerified,
    PaymentAlreadySettled,
    PaymentHasLeft,
    PaymentNotFound,
    PaymentNotIssued,
    PaymentNotReturned,
    ReferenceUsedForOtherFacts,
    ReturnedPaymentNotSettled,
    SamePersonProposed,
)
from tests.given import (
    FIRST_DAY,
    Story,
    a_confirmed_clawback,
    a_payable_budget,
    change_payee,
    cycle_period,
    given,
    on,
    pay,
    pay_day,
    payment_for,
    tell,
)

APRIL, MAY, JUNE = (cycle_period(number) for number in (1, 2, 3))


def came_back(reason_code: str = "3", **facts: Any) -> tuple[Story[PersonalBudget], str]:
    """£668.20 for April, which came back on 9 April."""
    budget = a_payable_budget(**facts)
    reference = pay(budget, APRIL)
    story = given(budget).and_(
        "return_payment",
        payment_reference=reference,
        reason_code=reason_code,
        effective_on=on("04-09"),
    )
    return story, reference


def gates(budget: PersonalBudget) -> list[type]:
    return [type(gate) for gate in budget.failed_gates(MAY, on("05-01"))]


# --- held -----------------------------------------------------------------------------------


def test_the_next_payment_waits_for_what_came_back_and_says_for_which() -> None:
    story, reference = came_back()
    story.when("schedule_payment", **payment_for(story.aggregate, MAY, "C2")).refused(
        ReturnedPaymentNotSettled, payment_reference=reference
    )
    change_payee(story.aggregate, "payee-2", "account-2")
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.and_("reissue_payment", **again, effective_on=on("05-01"))
    story.when("schedule_payment", **payment_for(story.aggregate, MAY, "C2")).then(
        PaymentScheduled, amount_pence=66_820
    )


def test_every_payment_that_came_back_must_be_settled() -> None:
    budget = a_payable_budget()
    first, second = pay(budget, APRIL), pay(budget, MAY, "C2")
    for reference, day in ((first, "05-05"), (second, "05-06")):
        tell(
            budget,
            "return_payment",
            payment_reference=reference,
            reason_code="B",
            effective_on=on(day),
        )
    assert gates(budget) == [ReturnedPaymentNotSettled] * 2
    tell(budget, "refund_payment", payment_reference=first, effective_on=on("05-07"))
    assert gates(budget) == [ReturnedPaymentNotSettled]


# --- not taken by the bank ------------------------------------------------------------------


def not_taken(reason_code: str = "AC04") -> tuple[Story[PersonalBudget], str]:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    told = {"payment_reference": reference, "reason_code": reason_code}
    return given(budget).and_("reject_payment", **told, effective_on=on("04-02")), reference


def test_a_payment_the_bank_does_not_take_never_left_and_is_held_once() -> None:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    told = {"payment_reference": reference, "reason_code": "AC01", "effective_on": on("04-02")}
    story = given(budget).when("reject_payment", **told)
    story.then(PaymentRejected, amount_pence=66_820, cycle_reference="C1", reason_code="AC01")
    story.when("reject_payment", **told).nothing()
    story.when("confirm_payment", payment_reference=reference).nothing()
    story.when(
        "return_payment", payment_reference=reference, reason_code="0", effective_on=on("04-09")
    ).refused(PaymentNotIssued)
    story.when("cancel_payment", payment_reference=reference).refused(PaymentHasLeft)
    assert gates(budget) == [ReturnedPaymentNotSettled]


def test_it_is_sent_again_to_other_details_like_money_that_came_back() -> None:
    story, reference = not_taken()
    change_payee(story.aggregate, "payee-2", "account-2")
    again = {"reissue_of": reference, "cycle_reference": "C2", "effective_on": on("05-01")}
    story.when("reissue_payment", payment_reference="DP2", **again).then(
        PaymentReissued, payee_reference="payee-2", amount_pence=66_820
    )
    story.when("cancel_payment", payment_reference="DP2").then(PaymentCancelled)
    assert story.aggregate.payments[reference].status == "rejected"


def test_what_left_or_came_back_was_taken() -> None:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    told = {"payment_reference": reference, "reason_code": "AC01"}
    story = given(budget).and_("confirm_payment", payment_reference=reference)
    story.when("reject_payment", **told).refused(PaymentHasLeft)
    story, reference = came_back()
    story.when("reject_payment", payment_reference=reference, reason_code="AC01").refused(
        PaymentHasLeft
    )
    story.when("reject_payment", payment_reference="DP0", reason_code="AC01").refused(
        PaymentNotFound
    )


# --- refunded to the budget -----------------------------------------------------------------


def test_refunded_to_the_budget_the_days_are_open_and_paid_with_the_next() -> None:
    story, reference = came_back()
    owed = story.aggregate.payments[reference].lines
    story.when("refund_payment", payment_reference=reference, effective_on=on("04-20")).then(
        PaymentRefunded,
        amount_pence=66_820,
        promised_as=reference,
        lines=owed,
        deductions=(),
        case_reference="",
    )
    assert story.aggregate.payment_due(APRIL).lines == owed
    assert story.aggregate.payment_due(MAY).amount_pence == 2 * 66_820
    assert story.aggregate.last_payment is None, "none stands"
    story.when("refund_payment", payment_reference=reference, effective_on=on("04-21")).nothing()
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.when("reissue_payment", **again, effective_on=on("05-01")).refused(PaymentAlreadySettled)


def test_what_is_no_longer_owed_is_not_paid_again() -> None:
    story, reference = came_back()
    story.and_("close", reason_code="moved_away", effective_on=on("04-12"))
    story.and_("refund_payment", payment_reference=reference, effective_on=on("04-20"))
    assert story.aggregate.payment_due(APRIL).amount_pence == 16_705, "the first week"


def test_only_what_is_held_is_refunded_and_not_before_it_came_back() -> None:
    story, reference = came_back()
    story.when("refund_payment", payment_reference=reference, effective_on=on("04-08")).refused(
        PaymentNotReturned
    )
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.and_("reissue_payment", **again, effective_on=on("05-01"))
    story.when("refund_payment", payment_reference=reference, effective_on=on("05-02")).refused(
        PaymentAlreadySettled
    )
    story.when("refund_payment", payment_reference="DP2", effective_on=on("05-02")).refused(
        PaymentNotReturned
    )
    story.when("refund_payment", payment_reference="DP0").refused(PaymentNotFound)


def test_it_is_not_sent_again_before_the_day_it_came_back() -> None:
    for story, reference in (came_back(), not_taken()):
        held = story.aggregate.payments[reference].held
        assert held is not None
        again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
        too_soon = held.on - timedelta(days=1)
        story.when("reissue_payment", **again, effective_on=too_soon).refused(PaymentNotReturned)
        story.when("reissue_payment", **again, effective_on=held.on).then(PaymentReissued)


def test_what_was_sent_again_and_again_is_refunded_as_what_it_was_first_promised_for() -> None:
    budget = a_payable_budget()
    for command, facts in a_confirmed_clawback(10_000, 4_000):
        tell(budget, command, **facts)
    owed = budget.payment_due(APRIL)
    reference = pay(budget, APRIL)
    for this, day in ((reference, "04-09"), ("DP2", "05-06"), ("DP3", "06-03")):
        if this != reference:
            before = {"DP2": reference, "DP3": "DP2"}[this]
            sent = {"payment_reference": this, "reissue_of": before, "cycle_reference": this}
            tell(budget, "reissue_payment", **sent, effective_on=on(day))
        back = {"payment_reference": this, "reason_code": "5"}
        tell(budget, "return_payment", **back, effective_on=on(day))
    given(budget).when("refund_payment", payment_reference="DP3", effective_on=on("06-08")).then(
        PaymentRefunded,
        promised_as=reference,
        amount_pence=62_820,
        lines=owed.lines,
        deductions=(("CB1", 4_000),),
    )
    assert budget.clawbacks["CB1"].outstanding_pence == 10_000
    assert budget.payment_due(APRIL) == owed
    assert [p.status for p in budget.payments.values()] == ["reissued", "reissued", "refunded"]


# --- a death --------------------------------------------------------------------------------


def test_a_return_that_tells_of_a_death_opens_a_case_and_stops_every_payment() -> None:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    told = {"payment_reference": reference, "reason_code": "2", "effective_on": on("04-09")}
    story = given(budget).when("return_payment", **told)
    case = f"EC-{reference}"
    story.then(
        PaymentConfirmed, PaymentReturned, EstateCaseOpened, case_reference=case, reported_by="bank"
    )
    assert gates(budget) == [EstateCaseIsOpen, ReturnedPaymentNotSettled]
    story.when("return_payment", **told).nothing()


def test_a_payment_not_taken_because_of_a_death_opens_a_case_too() -> None:
    story, reference = not_taken("MD07")
    assert story.aggregate.undecided_estate_case == f"EC-{reference}"


def test_a_second_report_of_a_death_opens_no_second_case() -> None:
    budget = a_payable_budget()
    references = [pay(budget, APRIL), pay(budget, MAY, "C2")]
    story = given(budget, ("open_estate_case", {"case_reference": "EC1", "reported_by": "family"}))
    for reference in references:
        told = {"payment_reference": reference, "reason_code": "2", "effective_on": on("05-07")}
        story.when("return_payment", **told).then(PaymentConfirmed, PaymentReturned)
    assert list(budget.estate_cases) == ["EC1"]


def test_a_case_is_opened_once_and_one_at_a_time() -> None:
    told = {"case_reference": "EC1", "reported_by": "family"}
    story = given(a_payable_budget()).and_("open_estate_case", **told)
    story.when("open_estate_case", **told).nothing()
    story.when("open_estate_case", **{**told, "reported_by": "bank"}).refused(
        ReferenceUsedForOtherFacts
    )
    story.when("open_estate_case", **{**told, "case_reference": "EC2"}).refused(EstateCaseIsOpen)


DIED: dict[str, Any] = {
    "outcome": "recipient_died",
    "died_on": on("04-12"),
    "effective_on": on("04-20"),
    "by": "bob",
}


def a_case(reason_code: str = "2") -> tuple[Story[PersonalBudget], str, dict[str, Any]]:
    story, reference = came_back(reason_code)
    return story, reference, {"case_reference": f"EC-{reference}"}


def test_when_the_recipient_died_the_budget_ends_that_day_and_the_money_is_the_budgets_again() -> (
    None
):
    story, reference, case = a_case()
    story.when("decide_estate_case", **case, **DIED).then(
        EstateCaseDecided,
        BudgetClosed,
        PaymentRefunded,
        payment_reference=reference,
        effective_on=on("04-20"),
        **case,
    )
    decided, closed, _ = story.recorded
    assert isinstance(decided, EstateCaseDecided)
    assert decided.payee_reference == "payee-1", "an account of the dead is paid no more"
    assert isinstance(closed, BudgetClosed)
    assert (closed.effective_on, closed.reason_code) == (on("04-12"), "died")
    due = story.aggregate.payment_due(APRIL)
    assert due.amount_pence == 16_705, "what is owed up to the death is still owed"
    assert [type(gate) for gate in story.aggregate.failed_gates(APRIL, on("05-01"))] == [
        PayeeNotVerified
    ]
    change_payee(story.aggregate, "executor", "account-2")
    story.when("schedule_payment", **payment_for(story.aggregate, APRIL, "C2")).then(
        PaymentScheduled, payee_reference="executor", amount_pence=16_705
    )
    story.when("decide_estate_case", **case, **DIED).nothing()


def test_a_budget_closed_before_stays_as_it_was_closed() -> None:
    story, _, case = a_case()
    story.and_("close", reason_code="died", effective_on=on("04-11"))
    story.when("decide_estate_case", **case, **DIED).then(EstateCaseDecided, PaymentRefunded)
    assert story.aggregate.closed is not None
    assert story.aggregate.closed.effective_on == on("04-11")


def test_when_another_holder_of_the_account_died_a_new_payee_is_needed_and_the_budget_goes_on() -> (
    None
):
    story, reference, case = a_case()
    told = {"outcome": "account_holder_died", "by": "bob", "effective_on": on("04-20")}
    story.when("decide_estate_case", **case, **told).then(
        EstateCaseDecided, payee_reference="payee-1", died_on=None
    )
    assert gates(story.aggregate) == [PayeeNotVerified, ReturnedPaymentNotSettled]
    change_payee(story.aggregate, "payee-2", "account-2")
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.when("reissue_payment", **again, effective_on=on("05-01")).then(PaymentReissued)


def test_a_report_in_error_leaves_the_account_as_it_was() -> None:
    story, reference, case = a_case()
    told = {"outcome": "reported_in_error", "by": "bob", "effective_on": on("04-20")}
    story.when("decide_estate_case", **case, **told).then(EstateCaseDecided, payee_reference="")
    assert gates(story.aggregate) == [ReturnedPaymentNotSettled]
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.when("reissue_payment", **again, effective_on=on("05-01")).then(
        PaymentReissued, payee_reference="payee-1"
    )


def test_an_account_of_someone_else_is_still_paid_when_the_recipient_died() -> None:
    story = given(a_payable_budget(without=["propose_payee", "verify_payee"]))
    nominee = {"payee_type": "nominated_person", "fingerprint": "account-3"}
    story.and_("propose_payee", payee_reference="nominee", **nominee)
    story.and_("verify_payee", payee_reference="nominee", by="bob")
    story.and_("open_estate_case", case_reference="EC1", reported_by="family")
    story.when("decide_estate_case", case_reference="EC1", **DIED).then(
        EstateCaseDecided, BudgetClosed
    )
    assert story.aggregate.payee is not None


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"by": "ann"}, SamePersonProposed),
        ({"died_on": None}, DayOfDeathUnclear),
        ({"outcome": "reported_in_error"}, DayOfDeathUnclear),
        ({"died_on": date(2026, 4, 5)}, BeforeBudgetOpened),
        ({"case_reference": "EC0"}, EstateCaseNotFound),
    ],
)
def test_a_decision_that_is_not_clear_or_not_a_second_persons_is_refused(
    facts: dict[str, Any], refusal: type
) -> None:
    story, _, case = a_case()
    story.when("decide_estate_case", **{**case, **DIED, **facts}).refused(refusal)


def test_a_case_is_decided_once() -> None:
    story, _, case = a_case()
    story.and_("decide_estate_case", **case, **DIED)
    other = {"outcome": "reported_in_error", "by": "bob", "effective_on": on("04-21")}
    story.when("decide_estate_case", **case, **other).refused(EstateCaseAlreadyDecided)


def test_a_case_is_decided_for_one_day_of_death() -> None:
    story, _, case = a_case()
    story.and_("decide_estate_case", **case, **DIED)
    other = {**DIED, "died_on": on("04-13")}
    story.when("decide_estate_case", **case, **other).refused(EstateCaseAlreadyDecided)


def test_money_not_taken_because_of_a_death_is_the_budgets_again_on_the_day_it_was_to_be_paid() -> (
    None
):
    story, reference = not_taken("MD07")
    soon = {**DIED, "case_reference": f"EC-{reference}", "effective_on": on("04-02")}
    soon["died_on"] = FIRST_DAY
    story.when("decide_estate_case", **soon).then(
        EstateCaseDecided, BudgetClosed, PaymentRefunded, effective_on=pay_day(APRIL)
    )


def test_a_payment_under_way_when_the_death_was_decided_opens_a_case_when_it_comes_back() -> None:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    story = given(budget).and_("open_estate_case", case_reference="EC1", reported_by="family")
    story.and_("decide_estate_case", case_reference="EC1", **DIED)
    late = {"payment_reference": reference, "reason_code": "2", "effective_on": on("04-21")}
    story.when("return_payment", **late).then(PaymentConfirmed, PaymentReturned, EstateCaseOpened)
    again = {**DIED, "case_reference": f"EC-{reference}", "effective_on": on("04-22")}
    story.when("decide_estate_case", **again).then(EstateCaseDecided, PaymentRefunded)
    assert budget.held_payments == {}


# --- whatever comes back --------------------------------------------------------------------

STEPS = st.lists(
    st.sampled_from(["pay", "return", "reject", "reissue", "refund", "cancel", "correct"]),
    max_size=25,
)


@for_all(STEPS)
def test_whatever_comes_back_no_day_is_paid_twice_and_none_is_lost(steps: list[str]) -> None:
    """Left, less what came back, is what the settled days come to, to the penny."""
    budget = a_payable_budget()
    number = 0
    for turn, step in enumerate(steps, 2):
        day = cycle_period(turn).ends_on
        references = list(budget.payments)
        story = given(budget)
        if step == "pay":
            number += 1
            story.when("schedule_payment", **payment_for(budget, cycle_period(number), f"C{turn}"))
        elif step == "correct":
            change_payee(budget, f"payee-{turn}", f"account-{turn}")
        elif references:
            this = {"payment_reference": references[-1], "effective_on": day}
            facts: dict[str, dict[str, Any]] = {
                "return": {"reason_code": "0"},
                "reject": {"reason_code": "AC01"},
                "reissue": {
                    "payment_reference": f"DPR{turn}",
                    "reissue_of": references[-1],
                    "cycle_reference": f"C{turn}",
                },
            }
            story.when(f"{step}_payment", **{**this, **facts.get(step, {})})
    standing = [p for p in budget.payments.values() if p.status in ("scheduled", "confirmed")]
    held = budget.held_payments.values()
    in_hand = sum(p.amount_pence for p in [*standing, *held])
    assert in_hand == sum(line.amount_pence for line in budget.scheduled_lines)
    last = cycle_period(number + 1)
    owed = in_hand + budget.payment_due(last).amount_pence
    assert owed == 66_820 * (number + 1), "each period is owed once"
