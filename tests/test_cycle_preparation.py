"""Preparing a cycle: what it will pay, and everything its approver should be asked to look at."""

from __future__ import annotations

import string
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates.cycle_events import CycleException, CycleLine
from ledger.aggregates.cycle_preparation import EXCEPTIONS, HoldRules, Preparation
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payment_reference import check_character, new_payment_reference
from ledger.aggregates.payments import PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.entitlement import funding_totals
from ledger.errors import (
    AgreementNotSigned,
    BudgetIsClosed,
    EstateCaseIsOpen,
    NoAllocationInForce,
    OfferNotAccepted,
    PayeeInDoubt,
    PayeeNotVerified,
    PaymentNotReturned,
    PaymentsAreSuspended,
    ProviderAccountNotVerified,
    RecipientExcluded,
    ReturnedPaymentNotSettled,
    ServiceFundNotHeld,
)
from tests.given import (
    a_confirmed_clawback,
    a_line,
    a_payable_budget,
    an_open_budget,
    change_payee,
    cycle_period,
    given,
    on,
    pay,
    pay_day,
    tell,
)
from tests.providers import a_funded_budget

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)


def prepared(
    *budgets: PersonalBudget,
    period: Period = MAY,
    reissue: tuple[str, ...] = (),
    **rules: Any,
) -> tuple[list[CycleLine], list[CycleException]]:
    preparation = Preparation(
        cycle_reference="CYCLE",
        period=period,
        pay_on=pay_day(period),
        variance_percent=10,
        reissue=reissue,
        **rules,
    )
    for budget in budgets:
        preparation.consider(budget)
    assert preparation.considered == {budget.reference for budget in budgets}
    assert preparation.exceptions() == preparation.exceptions()
    return preparation.lines(), preparation.exceptions()


def codes(*budgets: PersonalBudget, **facts: Any) -> list[str]:
    _, exceptions = prepared(*budgets, **facts)
    return [exception.code for exception in exceptions]


def the_exception(code: str, *budgets: PersonalBudget, **facts: Any) -> CycleException:
    _, exceptions = prepared(*budgets, **facts)
    [found] = [exception for exception in exceptions if exception.code == code]
    return found


def paid_for_april(**facts: Any) -> PersonalBudget:
    """A budget paid £668.20 for April."""
    budget = a_payable_budget(**facts)
    pay(budget, APRIL)
    return budget


def after(command: str, budget: PersonalBudget | None = None, **facts: Any) -> PersonalBudget:
    budget = budget or paid_for_april()
    tell(budget, command, **facts)
    return budget


def one_that_was_returned() -> tuple[PersonalBudget, str]:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    back = {"reason_code": "3", "effective_on": pay_day(APRIL)}
    tell(budget, "return_payment", payment_reference=reference, **back)
    return budget, reference


# --- what is paid -------------------------------------------------------------------------


def test_a_budget_paid_as_before_raises_no_question() -> None:
    lines, exceptions = prepared(paid_for_april())
    assert [(line.amount_pence, line.payee_reference) for line in lines] == [(66_820, "payee-1")]
    assert exceptions == []


def test_a_line_names_the_version_that_the_budget_decided_at() -> None:
    budget = paid_for_april()
    [line] = prepared(budget)[0]
    assert line.budget_version == budget.version
    assert line.payment_reference == new_payment_reference("CYCLE", "PB000001")


def test_lines_are_in_order_of_budget_reference_however_they_are_considered() -> None:
    budgets = [a_payable_budget(f"PB00000{n}", fingerprint=f"account-{n}") for n in (3, 1, 2)]
    one_way, other_way = prepared(*budgets), prepared(*reversed(budgets))
    assert one_way == other_way
    assert [line.budget_reference for line in one_way[0]] == ["PB000001", "PB000002", "PB000003"]


def test_preparing_changes_no_budget() -> None:
    budget = paid_for_april()
    prepared(budget)
    assert budget.collect_events() == []
    assert codes(budget) == []


def test_what_is_prepared_is_what_the_budget_will_accept() -> None:
    budget = paid_for_april()
    [line] = prepared(budget)[0]
    given(budget).when(
        "schedule_payment",
        payment_reference=line.payment_reference,
        cycle_reference="CYCLE",
        period=MAY,
        lines=line.lines,
        amount_pence=line.amount_pence,
        effective_on=pay_day(MAY),
    ).then(PaymentScheduled)


def test_a_line_carries_the_instalments_taken_from_it() -> None:
    budget = paid_for_april()
    for command, facts in a_confirmed_clawback(10_000, 6_000):
        tell(budget, command, **facts)
    [line] = prepared(budget)[0]
    assert (line.deductions, line.deducted_pence) == ((("CB1", 6_000),), 6_000)
    assert line.amount_pence == 66_820 - 6_000


def test_a_budget_that_nobody_expects_to_be_paid_is_passed_over_in_silence() -> None:
    later = a_line("L1", 31_000, starts_on=on("06-29"))
    provided = a_line("L1", 31_000, deployment="provided_service")
    closed = after("close", reason_code="died", effective_on=on("05-03"))
    for silent in (
        an_open_budget(),
        a_payable_budget(lines=[later]),
        a_payable_budget(lines=[provided], without=["verify_payee"]),
    ):
        assert prepared(silent) == ([], [])
    assert prepared(closed, period=cycle_period(4)) == ([], [])


# --- what an approver should see ----------------------------------------------------------


def closed_before() -> PersonalBudget:
    return after("close", reason_code="died", effective_on=on("05-03"))


def a_full_cost_payer() -> PersonalBudget:
    return a_payable_budget(contribution=31_000)


SUSPEND: dict[str, Any] = {
    "reason_code": "hospital_stay",
    "interim_arrangement": "in_hospital_or_care_home",
    "review_on": on("06-01"),
}
EXCLUDED: dict[str, Any] = {
    "occasion": "review",
    "outcome": "excluded",
    "reason_code": "not_permitted_by_regulations",
}
RETURN_1: dict[str, Any] = {"return_reference": "SR1", "period": APRIL, "due_on": on("04-30")}


def checked(
    budget: PersonalBudget | None = None, payee_reference: str = "payee-1", **found: str
) -> PersonalBudget:
    """Somebody has the account in use checked again, by a newer table or by asking a bank."""
    facts = {"payee_reference": payee_reference, **found}
    if "answer" in found:
        return after("check_payee_name", budget, **facts, checked_with="Example Bank")
    return after("check_payee_number", budget, **{"modulus_table_version": "8.10", **facts})


EXAMPLES: list[tuple[str, bool, Callable[[], PersonalBudget]]] = [
    # code, whether it is paid all the same, an example with no other exception
    ("first_payment", True, a_payable_budget),
    ("amount_differs", True, lambda: after("assess_contribution", weekly_pence=0, basis="gross",
                                           effective_on=on("05-04"))),
    ("nothing_due", False, a_full_cost_payer),
    ("ended", True, lambda: after("end_allocation", line_reference="L1", effective_on=on("05-30"))),
    ("suspended", True, lambda: after("suspend_payments", **SUSPEND, retainer_weekly_pence=16_705,
                                      effective_on=on("05-11"))),
    ("suspended", False, lambda: after("suspend_payments", a_payable_budget(), **SUSPEND)),
    ("return_overdue", True, lambda: after("request_spend_return", **RETURN_1)),
    ("cost_centre_missing", True, lambda: paid_for_april(
        lines=[a_line("L1", 31_000, cost_centre="")])),
    ("returned-payment-not-settled", False, lambda: one_that_was_returned()[0]),
    ("estate-case-is-open", False, lambda: after("open_estate_case", case_reference="EC1",
                                                 reported_by="family")),
    ("payee_number_fails", False, lambda: checked(modulus_check="invalid")),
    ("payee_name_fails", False, lambda: checked(answer="ANNM")),
    ("recipient-excluded", False, lambda: after("offer_direct_payment", **EXCLUDED)),
    ("offer-not-accepted", False, lambda: a_payable_budget(without=["offer_direct_payment"])),
    ("agreement-not-signed", False, lambda: a_payable_budget(without=["sign_agreement"])),
    ("payee-not-verified", False, lambda: a_payable_budget(without=["verify_payee"])),
    ("service-fund-not-held", False, lambda: a_funded_budget(held_by="")),
    ("provider-account-not-verified", False, a_funded_budget),
]  # fmt: skip


@pytest.mark.parametrize(("code", "is_paid", "example"), EXAMPLES)
def test_each_exception_is_raised_by_itself(
    code: str, is_paid: bool, example: Callable[[], PersonalBudget]
) -> None:
    lines, exceptions = prepared(example())
    assert [exception.code for exception in exceptions] == [code]
    assert len(lines) == is_paid
    assert exceptions[0].payment_reference == (lines[0].payment_reference if is_paid else "")


def closed_in_the_paid_period() -> PersonalBudget:
    return after("close", reason_code="died", effective_on=on("04-23"))


def wholly_provided_after_all() -> PersonalBudget:
    return after("switch_to_provided_services")


TOGETHER: list[tuple[list[str], Callable[[], PersonalBudget]]] = [
    (["budget-is-closed", "ended"], closed_before),
    (["budget-is-closed", "ended", "negative"], closed_in_the_paid_period),
    (["ended", "negative", "no-allocation-in-force"], wholly_provided_after_all),
    (
        ["ended", "nothing_due"],
        lambda: after("end_allocation", line_reference="L1", effective_on=on("05-03")),
    ),
]


@pytest.mark.parametrize(("expected", "example"), TOGETHER)
def test_exceptions_that_come_together(
    expected: list[str], example: Callable[[], PersonalBudget]
) -> None:
    lines, exceptions = prepared(example())
    assert [exception.code for exception in exceptions] == expected
    assert lines == []


def with_another_payee() -> PersonalBudget:
    budget = paid_for_april()
    change_payee(budget, "payee-2", "account-2")
    return budget


def test_a_changed_payee_is_told_with_the_payment() -> None:
    budget = with_another_payee()
    [line] = prepared(budget)[0]
    assert line.payee_reference == "payee-2"
    assert the_exception("payee_changed", budget).payment_reference == line.payment_reference
    assert codes(budget) == ["payee_changed"]


def two_in_one_account() -> tuple[PersonalBudget, PersonalBudget]:
    return paid_for_april(), paid_for_april(reference="PB000002")


def test_an_account_shared_by_two_budgets_is_told_on_both() -> None:
    _, exceptions = prepared(*two_in_one_account(), a_payable_budget("PB3", fingerprint="other"))
    assert [(e.code, e.budget_reference, e.detail) for e in exceptions] == [
        ("account_shared", "PB000001", "PB000002"),
        ("account_shared", "PB000002", "PB000001"),
        ("first_payment", "PB3", ""),
    ]


def test_every_exception_has_an_example() -> None:
    found = {code for code, _, _ in EXAMPLES}
    found.update(*(codes(example()) for _, _, example in EXAMPLES))
    found.update(*(codes(example()) for _, example in TOGETHER))
    found.update(codes(with_another_payee()), codes(*two_in_one_account()))
    budget, reference = one_that_was_returned()
    found.update(codes(budget, reissue=(reference,)))
    strict = HoldRules(over_pence=100, paid_before=on("04-03"))
    found.update(codes(with_another_payee(), rules=strict))
    found.update(codes(with_another_payee(), rules=strict, release={"PB000001"}))
    assert found == EXCEPTIONS.keys()


def test_exceptions_are_told_in_sentences_and_gates_by_the_code_of_their_refusal() -> None:
    assert all(sentence.endswith(".") for sentence in EXCEPTIONS.values())
    gates = (
        BudgetIsClosed,
        RecipientExcluded,
        OfferNotAccepted,
        AgreementNotSigned,
        PayeeNotVerified,
        NoAllocationInForce,
        EstateCaseIsOpen,
        ReturnedPaymentNotSettled,
        ServiceFundNotHeld,
        ProviderAccountNotVerified,
    )
    assert {code for code in EXCEPTIONS if "-" in code} == {gate.code for gate in gates}


def test_what_was_paid_and_what_would_be_are_told() -> None:
    differs = after("assess_contribution", weekly_pence=0, basis="gross", effective_on=on("05-04"))
    exception = the_exception("amount_differs", differs)
    assert (exception.was_pence, exception.now_pence) == (66_820, 124_000)
    negative = the_exception("negative", closed_in_the_paid_period())
    assert (negative.was_pence, negative.now_pence) == (66_820, -23_865)
    assert the_exception("first_payment", a_payable_budget(), period=APRIL).now_pence == 66_820
    assert (
        the_exception("return_overdue", after("request_spend_return", **RETURN_1)).detail == "SR1"
    )


@pytest.mark.parametrize(
    ("weekly", "differs"), [(11_000, False), (11_001, True), (9_000, False), (8_999, True)]
)
def test_an_amount_differs_when_it_moved_by_more_than_the_set_share(
    weekly: int, differs: bool
) -> None:
    budget = paid_for_april(weekly=10_000, contribution=0)
    revised = {"line_reference": "L1", "weekly_pence": weekly, "effective_on": on("05-04")}
    tell(budget, "revise_allocation", **revised)
    assert codes(budget) == (["amount_differs"] if differs else [])


def test_a_budget_payable_to_the_last_day_of_the_period_has_not_ended() -> None:
    last_day: dict[str, Any] = {"effective_on": MAY.ends_on}
    assert codes(after("end_allocation", line_reference="L1", **last_day)) == []
    assert codes(after("close", reason_code="moved_away", **last_day)) == []


def test_a_line_that_starts_on_the_last_day_of_the_period_is_expected_to_be_paid() -> None:
    line = a_line("L1", 700, starts_on=MAY.ends_on)
    assert codes(a_payable_budget(lines=[line], without=["sign_agreement"])) == [
        "agreement-not-signed"
    ]


def test_what_is_still_overpaid_long_after_closing_is_told() -> None:
    assert codes(closed_in_the_paid_period(), period=JUNE) == ["budget-is-closed", "negative"]


def test_a_budget_closing_later_has_not_ended_yet() -> None:
    assert codes(after("close", reason_code="moved_away", effective_on=on("09-30"))) == []


def test_a_one_off_paid_long_ago_does_not_keep_an_ended_budget_going() -> None:
    start_up = a_line("L2", one_off_pence=2_000, starts_on=on("04-10"))
    budget = paid_for_april(lines=[a_line("L1", 31_000, ends_on=on("05-03")), start_up])
    assert codes(budget) == ["ended", "nothing_due"]
    assert codes(budget, period=JUNE) == []


def test_a_return_that_is_not_due_yet_is_not_told() -> None:
    assert codes(after("request_spend_return", **{**RETURN_1, "due_on": pay_day(MAY)})) == []


def test_a_suspension_that_is_over_is_not_told() -> None:
    budget = after("suspend_payments", **SUSPEND, effective_on=on("04-20"))
    tell(budget, "resume_payments", arrears_due=False, effective_on=on("04-21"))
    assert "suspended" not in codes(budget)


def test_a_cancelled_payment_raises_the_questions_that_it_raised_before() -> None:
    budget = a_payable_budget(lines=[a_line("L1", 31_000, ends_on=on("04-23"))])
    before = prepared(budget, period=APRIL)
    assert codes(budget, period=APRIL) == ["first_payment"]
    tell(budget, "cancel_payment", payment_reference=pay(budget, APRIL))
    [line], exceptions = prepared(budget, period=APRIL)
    assert (line.lines, line.amount_pence) == (before[0][0].lines, before[0][0].amount_pence)
    assert exceptions == before[1]
    assert codes(budget, period=JUNE) == ["first_payment"], "paid late, not ended twice"


def managed(reference: str) -> PersonalBudget:
    """A budget paid to an account that a third party holds."""
    budget = a_payable_budget(reference, without=["propose_payee", "verify_payee"])
    account = {"payee_reference": "payee-1", "fingerprint": "account-1"}
    tell(budget, "propose_payee", payee_type="managed_account", **account)
    tell(budget, "verify_payee", payee_reference="payee-1", by="bob")
    return budget


def test_a_managed_account_is_shared_on_purpose() -> None:
    one, two = managed("PB000001"), managed("PB000002")
    assert codes(one, two) == ["first_payment"] * 2
    for budget in (one, two):
        reference = pay(budget, APRIL)
        tell(budget, "return_payment", payment_reference=reference, reason_code="3")
    references = tuple(ref for budget in (one, two) for ref in budget.payments)
    assert "account_shared" not in codes(one, two, reissue=references)


def test_an_account_shared_with_a_managed_one_is_told_only_if_two_others_share_it() -> None:
    alone = a_payable_budget("PB000002")
    assert "account_shared" not in codes(managed("PB000001"), alone)
    other = a_payable_budget("PB000003")
    shared = prepared(managed("PB000001"), alone, other)[1]
    assert [e.budget_reference for e in shared if e.code == "account_shared"] == [
        "PB000002",
        "PB000003",
    ]


# --- held back until someone releases it --------------------------------------------------

CHANGED_LATE = HoldRules(paid_before=on("04-03"))  # the first day of the tests is after it


def test_a_payment_to_details_changed_since_the_last_cycle_was_paid_is_held_once() -> None:
    budget = with_another_payee()
    lines, exceptions = prepared(budget, rules=CHANGED_LATE)
    assert lines == []
    [held] = exceptions
    assert (held.code, held.was_pence, held.now_pence) == ("payee_held", 66_820, 66_820)
    [line] = prepared(budget, period=JUNE, rules=HoldRules(paid_before=on("05-01")))[0]
    assert line.amount_pence == 2 * 66_820, "a cycle later, with what was held"


def test_a_first_payment_and_details_that_stayed_are_not_held() -> None:
    assert len(prepared(a_payable_budget(), rules=CHANGED_LATE)[0]) == 1
    assert len(prepared(paid_for_april(), rules=CHANGED_LATE)[0]) == 1
    assert len(prepared(with_another_payee())[0]) == 1, "no rule, nothing held"


def test_money_that_came_back_is_not_sent_to_new_details_before_that_either() -> None:
    budget, reference = one_that_was_returned()
    change_payee(budget, "payee-2", "account-2")
    for reissue in ((), (reference,)):
        lines, exceptions = prepared(budget, rules=CHANGED_LATE, reissue=reissue)
        assert (lines, [e.code for e in exceptions]) == ([], ["payee_held"])


@pytest.mark.parametrize(
    ("rules", "is_held"),
    [
        (HoldRules(over_percent=99), True),
        (HoldRules(over_percent=100), False),
        (HoldRules(over_pence=133_639), True),
        (HoldRules(over_pence=133_640), False),
    ],
)
def test_a_payment_over_the_councils_limit_is_held(rules: HoldRules, is_held: bool) -> None:
    budget = paid_for_april()
    lines, exceptions = prepared(budget, period=JUNE, rules=rules)  # May and June at once
    assert len(lines) == (not is_held)
    assert ("outlier_held" in [e.code for e in exceptions]) == is_held


def test_less_than_last_time_and_a_first_payment_are_no_outliers() -> None:
    budget = after("end_allocation", line_reference="L1", effective_on=on("05-10"))
    assert len(prepared(budget, rules=HoldRules(over_percent=1))[0]) == 1
    assert len(prepared(a_payable_budget(), rules=HoldRules(over_percent=1))[0]) == 1


def test_who_is_released_by_name_is_paid_and_the_approver_sees_it() -> None:
    budget = with_another_payee()
    rules = HoldRules(over_pence=100, paid_before=on("04-03"))
    assert codes(budget, rules=rules) == ["outlier_held", "payee_held"]
    lines, exceptions = prepared(budget, rules=rules, release={"PB000001"})
    assert len(lines) == 1
    assert [(e.code, e.detail) for e in exceptions if e.code == "released"] == [
        ("released", "payee_held, outlier_held")
    ]


# --- held because a check speaks against the account ---------------------------------------


def test_what_a_check_found_holds_one_payment_until_someone_releases_it() -> None:
    budget = checked(modulus_check="invalid")
    assert codes(budget) == codes(budget, period=JUNE) == ["payee_number_fails"]
    lines, exceptions = prepared(budget, release={"PB000001"})
    assert [(e.code, e.detail) for e in exceptions] == [("released", "payee_number_fails")]
    promised = {"payment_reference": lines[0].payment_reference, "cycle_reference": "CYCLE",
                "period": MAY, "lines": lines[0].lines, "amount_pence": lines[0].amount_pence,
                "effective_on": pay_day(MAY)}  # fmt: skip
    given(budget).when("schedule_payment", **promised).refused(PayeeInDoubt)
    story = given(budget).when("schedule_payment", **promised, seen_at=lines[0].budget_version)
    story.then(PaymentScheduled)
    assert codes(budget, period=JUNE) == [], "who released it has decided"
    assert codes(checked(budget, modulus_check="invalid", modulus_table_version="8.20"),
                 period=JUNE) == [], "the same answer by another table"  # fmt: skip
    assert codes(checked(budget, answer="AC01"), period=JUNE) == ["payee_name_fails"]


def test_a_released_payment_that_was_cancelled_again_is_no_decision() -> None:
    budget = checked(modulus_check="invalid")
    [line] = prepared(budget, release={"PB000001"})[0]
    tell(budget, "schedule_payment", payment_reference=line.payment_reference,
         cycle_reference="CYCLE", period=MAY, lines=line.lines, amount_pence=line.amount_pence,
         effective_on=pay_day(MAY), seen_at=line.budget_version)  # fmt: skip
    tell(budget, "cancel_payment", payment_reference=line.payment_reference)
    assert codes(budget) == ["payee_number_fails"]


@pytest.mark.parametrize(
    "ends",
    [
        lambda budget: checked(budget, modulus_check="valid", modulus_table_version="8.20"),
        lambda budget: change_payee(budget, "payee-2", "account-2"),
    ],
)
def test_the_right_answer_or_another_account_ends_the_doubt(
    ends: Callable[[PersonalBudget], object],
) -> None:
    budget = checked(modulus_check="invalid")
    ends(budget)
    assert len(prepared(budget)[0]) == 1


def test_what_was_overridden_and_answers_that_say_little_hold_nothing() -> None:
    for answer in ("match", "MBAM", "BANM", "PANM", "BAMM", "PAMM", "ACNS", "OPTO", "SCNS",
                   "CASS", "IVCR", "unavailable"):  # fmt: skip
        assert codes(checked(answer=answer)) == [], answer
    overridden = a_payable_budget(without=("verify_payee",))
    checked(overridden, answer="ANNM")
    tell(overridden, "verify_payee", payee_reference="payee-1", override_reason="joint_account",
         by="bob")  # fmt: skip
    pay(overridden, APRIL)
    assert codes(checked(overridden, answer="ANNM")) == []
    assert codes(checked(overridden, answer="AC01")) == []
    proposed = paid_for_april()
    tell(proposed, "propose_payee", payee_reference="payee-2", payee_type="recipient",
         fingerprint="account-2")  # fmt: skip
    assert codes(checked(proposed, "payee-2", modulus_check="invalid")) == []


# --- sending returned money again ---------------------------------------------------------


def test_returned_money_is_sent_again_beside_what_is_due() -> None:
    budget, reference = one_that_was_returned()
    lines, exceptions = prepared(budget, reissue=(reference,))
    assert [(line.amount_pence, line.reissue_of, line.lines == ()) for line in lines] == [
        (66_820, reference, True),
        (66_820, "", False),
    ]
    assert len({line.payment_reference for line in lines}) == 2
    assert [(e.code, e.payment_reference, e.detail) for e in exceptions] == [
        ("payment_reissued", lines[0].payment_reference, reference)
    ], "one account paid twice for one budget is not shared"


def test_nothing_more_is_paid_while_money_that_came_back_is_held() -> None:
    budget, reference = one_that_was_returned()
    held = the_exception("returned-payment-not-settled", budget)
    assert (held.detail, held.was_pence, held.now_pence) == (reference, 66_820, 66_820)
    tell(budget, "refund_payment", payment_reference=reference)
    [line] = prepared(budget)[0]
    assert line.amount_pence == 2 * 66_820, "both periods are paid at once"


def test_it_is_sent_again_by_itself_once_other_details_are_verified() -> None:
    budget, reference = one_that_was_returned()
    change_payee(budget, "payee-2", "account-2")
    lines, exceptions = prepared(budget)
    assert [(line.amount_pence, line.reissue_of) for line in lines] == [
        (66_820, reference),
        (66_820, ""),
    ]
    assert {line.payee_reference for line in lines} == {"payee-2"}
    assert [e.code for e in exceptions] == ["payee_changed", "payee_changed", "payment_reissued"]
    tell(budget, "suspend_payments", **SUSPEND)
    assert prepared(budget)[0] == [], "but not while a gate is shut"


def test_a_budget_only_there_for_its_returned_money_is_not_told_as_unpaid() -> None:
    budget, reference = one_that_was_returned()
    assert codes(budget, period=APRIL) == ["returned-payment-not-settled"]
    lines, exceptions = prepared(budget, period=APRIL, reissue=(reference,))
    assert [line.reissue_of for line in lines] == [reference]
    assert [e.code for e in exceptions] == ["payment_reissued"]


def test_a_budget_there_for_its_returned_money_and_overpaid_is_told() -> None:
    budget, reference = one_that_was_returned()
    tell(budget, "close", reason_code="died", effective_on=on("04-23"))
    lines, exceptions = prepared(budget, period=APRIL, reissue=(reference,))
    assert [line.amount_pence for line in lines] == [66_820]
    assert [e.code for e in exceptions] == ["ended", "negative", "payment_reissued"]


def test_returned_money_sent_to_another_account_is_told() -> None:
    budget, reference = one_that_was_returned()
    change_payee(budget, "payee-2", "account-2")
    lines, exceptions = prepared(budget, period=APRIL, reissue=(reference,))
    assert [line.payee_reference for line in lines] == ["payee-2"]
    assert [(e.code, e.payment_reference) for e in exceptions if e.code == "payee_changed"] == [
        ("payee_changed", lines[0].payment_reference)
    ]


def test_returned_money_sent_to_an_account_that_another_budget_is_paid_into_is_told() -> None:
    budget, reference = one_that_was_returned()
    other = paid_for_april(reference="PB000002")
    exceptions = prepared(budget, other, period=APRIL, reissue=(reference,))[1]
    assert [e.code for e in exceptions if e.code == "account_shared"] == []
    exceptions = prepared(budget, other, reissue=(reference,))[1]
    assert [e.budget_reference for e in exceptions if e.code == "account_shared"] == [
        "PB000001",
        "PB000002",
    ]


def test_an_older_payment_sent_again_does_not_hide_that_a_budget_has_ended() -> None:
    budget, reference = one_that_was_returned()
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    tell(budget, "reissue_payment", **again, effective_on=on("05-01"))
    pay(budget, MAY, "C2")
    tell(budget, "close", reason_code="died", effective_on=on("05-31"))
    assert "ended" in codes(budget, period=JUNE)


def test_what_cannot_be_sent_again_refuses_the_whole_preparation() -> None:
    budget = a_payable_budget()
    reference = pay(budget, APRIL)
    with pytest.raises(PaymentNotReturned):
        prepared(budget, reissue=(reference,))
    budget, reference = one_that_was_returned()
    tell(budget, "suspend_payments", **SUSPEND)
    with pytest.raises(PaymentsAreSuspended):
        prepared(budget, reissue=(reference,))


def test_what_cannot_be_sent_again_is_told_also_where_a_rule_would_hold_it_back() -> None:
    budget = with_another_payee()
    [reference] = budget.payments
    with pytest.raises(PaymentNotReturned):
        prepared(budget, rules=CHANGED_LATE, reissue=(reference,))
    budget, reference = one_that_was_returned()
    tell(budget, "open_estate_case", case_reference="EC1", reported_by="bank")
    decided = {"case_reference": "EC1", "outcome": "account_holder_died", "by": "bob"}
    tell(budget, "decide_estate_case", **decided)
    with pytest.raises(PayeeNotVerified):
        prepared(budget, reissue=(reference,))


def test_nothing_is_sent_again_before_the_day_it_came_back() -> None:
    budget = a_payable_budget()
    reference = pay(budget, MAY)
    tell(budget, "reject_payment", payment_reference=reference, reason_code="AC01")
    change_payee(budget, "payee-2", "account-2")
    assert prepared(budget, period=APRIL)[0] == [], "not by itself, a month before"
    with pytest.raises(PaymentNotReturned, match="2026-05-01"):
        prepared(budget, period=APRIL, reissue=(reference,))
    assert [line.reissue_of for line in prepared(budget, period=MAY)[0]] == [reference]


# --- any budgets --------------------------------------------------------------------------


@st.composite
def any_budgets(draw: st.DrawFn) -> list[PersonalBudget]:
    budgets = []
    for number in range(draw(st.integers(1, 4))):
        budget = a_payable_budget(
            f"PB{number}",
            weekly=draw(st.integers(1, 90_000)),
            contribution=draw(st.integers(0, 30_000)),
            fingerprint=draw(st.sampled_from(["account-1", "account-2", "account-3"])),
            without=draw(st.sampled_from([[], [], [], ["sign_agreement"], ["verify_payee"]])),
        )
        for command, facts in a_confirmed_clawback(5_000, draw(st.sampled_from([0, 700, 9_999]))):
            tell(budget, command, **facts)
        budgets.append(budget)
    return budgets


@for_all(any_budgets())
def test_each_budget_is_paid_or_its_approver_is_told_why_not(budgets: list[PersonalBudget]) -> None:
    lines, exceptions = prepared(*budgets)
    told = {e.budget_reference for e in exceptions if not e.payment_reference}
    paid = {line.budget_reference for line in lines}
    assert paid | told == {budget.reference for budget in budgets}
    assert all(line.amount_pence > 0 for line in lines)


@for_all(any_budgets())
def test_a_cycle_comes_to_its_lines_less_its_instalments_by_funding_stream(
    budgets: list[PersonalBudget],
) -> None:
    lines, exceptions = prepared(*budgets)
    cycle = PaymentCycle("CYCLE")
    tell(cycle, "prepare", period=MAY, pay_on=pay_day(MAY), lines=lines, exceptions=exceptions)
    assert cycle.prepared is not None
    each = [funding_totals(line.lines, line.deducted_pence) for line in lines]
    assert (
        sum(total.amount_pence for totals in each for total in totals) == cycle.prepared.total_pence
    )
    assert sum(t.amount_pence for t in cycle.prepared.funding) == cycle.prepared.total_pence


# --- payment references -------------------------------------------------------------------

WRITABLE = string.digits + string.ascii_uppercase
REFERENCES = st.builds(new_payment_reference, st.text(), st.text(), st.text())


def is_a_payment_reference(text: str) -> bool:
    body = text[2:15]
    try:
        return len(text) == 16 and text == f"DP{body}{check_character(body)}"
    except ValueError:  # a character that no reference has
        return False


@for_all(REFERENCES)
def test_a_payment_reference_is_sixteen_characters_that_a_bank_can_write(reference: str) -> None:
    assert len(reference) == 16
    assert set(reference) <= set(WRITABLE) - set("ILOU")
    assert is_a_payment_reference(reference)


@for_all(REFERENCES)
def test_any_single_wrong_character_is_caught(reference: str) -> None:
    for place, right in enumerate(reference):
        for wrong in WRITABLE:
            if wrong != right:
                assert not is_a_payment_reference(
                    reference[:place] + wrong + reference[place + 1 :]
                )


@for_all(REFERENCES)
def test_any_swap_of_two_different_neighbours_is_caught(reference: str) -> None:
    for place, (one, two) in enumerate(pairwise(reference)):
        if one != two:
            assert not is_a_payment_reference(
                reference[:place] + two + one + reference[place + 2 :]
            )


def test_the_check_character_catches_every_error_in_every_place() -> None:
    """Not a sample: the check is linear, so one character and one pair in each place of a
    reference of noughts stand for those places in all references."""
    alphabet = sorted(set(WRITABLE) - set("ILOU"))
    for place in range(13):
        before, after_it = "0" * place, "0" * (12 - place)
        checks = {check_character(before + one + after_it) for one in alphabet}
        assert len(checks) == 32
    for place in range(12):
        before, after_it = "0" * place, "0" * (11 - place)
        for one in alphabet:
            pairs = [before + pair + after_it for pair in (f"{one}0", f"0{one}")]
            assert (check_character(pairs[0]) == check_character(pairs[1])) == (one == "0")


def test_a_hundred_thousand_payment_references_are_all_different() -> None:
    budgets = (f"PB{number:06d}" for number in range(50_000))
    references = {new_payment_reference(c, b) for b in budgets for c in ("2026-01", "2026-02")}
    assert len(references) == 100_000


def test_a_payment_reference_is_the_same_for_the_same_payment() -> None:
    """Fixed for ever: banks return payments by it."""
    assert new_payment_reference("2026-01", "PB000001") == "DPM8W6WDZZ6Q522A"
    others = {
        new_payment_reference("2026-01", "PB000002"),
        new_payment_reference("2026-02", "PB000001"),
        new_payment_reference("2026-01", "PB000001", "DP1"),
    }
    assert len(others | {new_payment_reference("2026-01", "PB000001")}) == 4
