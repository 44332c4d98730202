"""A personal budget: what may happen to it, what is refused and why, and that it replays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates import (
    care_decisions,
    clawbacks,
    consents,
    estates,
    interests,
    payees,
    payments,
    representatives,
    spend_returns,
)
from ledger.aggregates.allocations import (
    AllocationAgreed,
    AllocationEnded,
    AllocationRevised,
    DirectPaymentResumed,
    PaidDeployment,
    SwitchedToProvidedServices,
)
from ledger.aggregates.care_decisions import (
    LAWFUL_EXCLUSIONS,
    AgreementSigned,
    BudgetClosed,
    BudgetOpened,
    DirectPaymentOffered,
)
from ledger.aggregates.clawbacks import (
    ClawbackConfirmed,
    ClawbackDeducted,
    ClawbackDisputed,
    ClawbackNotified,
    ClawbackProposed,
    ClawbackReceived,
    ClawbackWaived,
)
from ledger.aggregates.contributions import AssessedTerm, ContributionAssessed
from ledger.aggregates.event_sourced import Event, Recorded, commands_of, register
from ledger.aggregates.payees import PayeeProposed, PayeeVerified
from ledger.aggregates.payments import (
    PaymentCancelled,
    PaymentConfirmed,
    PaymentReissued,
    PaymentReturned,
    PaymentScheduled,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.spend_returns import (
    SpendReturnAccepted,
    SpendReturnQueried,
    SpendReturnRequested,
    SpendReturnSubmitted,
)
from ledger.aggregates.suspensions import PaymentsResumed, PaymentsSuspended
from ledger.entitlement import FundingTotal
from ledger.errors import (
    AccountFailsModulusCheck,
    AgreementNotSigned,
    AllocationLineExists,
    AllocationLineNotFound,
    AllocationLineUnclear,
    BeforeBudgetOpened,
    BudgetAlreadyOpened,
    BudgetIsClosed,
    ClawbackExceedsOutstanding,
    ClawbackExceedsProposal,
    ClawbackNotExpected,
    ClawbackNotFound,
    ClawbackNoticeNotEnded,
    InterestInBudget,
    InvalidMoney,
    NoAllocationInForce,
    NothingToPay,
    NothingToSwitch,
    OfferNotAccepted,
    PartsDoNotMakeBudget,
    PayeeNotProposed,
    PayeeNotVerified,
    PaymentAlreadySettled,
    PaymentDiffersFromEntitlement,
    PaymentHasLeft,
    PaymentNotFound,
    PaymentNotIssued,
    PaymentNotReturned,
    PaymentsAreSuspended,
    PaymentsNotSuspended,
    ReasonMissing,
    ReasonNotLawful,
    RecipientExcluded,
    ReferenceUsedForOtherFacts,
    Refusal,
    SamePersonProposed,
    SpendReturnDoesNotAddUp,
    SpendReturnNotExpected,
    SpendReturnNotFound,
    VerifierProposedPayee,
)
from ledger.store import decode, encoded
from ledger.terms import CHANNELS, Channel, Deployment, InterimArrangement
from tests.given import (
    FIRST_DAY,
    Story,
    a_confirmed_clawback,
    a_line,
    a_payable_budget,
    an_open_budget,
    change_payee,
    credit_to,
    cycle_period,
    days,
    given,
    on,
    pay,
    payment_for,
    replayed,
    said,
    state_of,
)

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)
DAY_BEFORE = FIRST_DAY - timedelta(days=1)

OPENED = {
    "recipient_reference": "R000001",
    "legal_basis": "care_act_2014",
    "primary_support_reason": "physical_personal_care",
}
ACCEPTED = {"occasion": "assessment", "outcome": "accepted"}
PAYEE_2 = {"payee_reference": "payee-2", "payee_type": "nominated_person", "fingerprint": "other"}
IN_HOSPITAL = {
    "reason_code": "hospital_stay",
    "interim_arrangement": "in_hospital_or_care_home",
    "review_on": on("06-01"),
}
RETURN_1 = {"return_reference": "SR1", "period": APRIL, "due_on": on("06-01")}
FIGURES = {
    "return_reference": "SR1",
    "opening_balance_pence": 60_000,
    "money_in_pence": 124_000,
    "spending_pence": 130_000,
    "closing_balance_pence": 54_000,
}
SURPLUS = {"clawback_reference": "CB1", "amount_pence": 10_000, "cause_code": "surplus"}
CB1 = {"clawback_reference": "CB1"}
RECOVERED = {**CB1, "amount_pence": 10_000, "recovery": "repayment"}


def payable() -> Story[PersonalBudget]:
    return given(a_payable_budget())


def closed() -> Story[PersonalBudget]:
    return payable().and_("close", reason_code="moved_away", effective_on=on("05-03"))


# --- opening ------------------------------------------------------------------------------


def test_a_budget_is_opened() -> None:
    given(PersonalBudget("PB000001")).when("open", **OPENED).then(
        BudgetOpened, reference="PB000001", recipient_reference="R000001"
    )


def test_opening_again_with_the_same_facts_records_nothing() -> None:
    given(an_open_budget()).when("open", **OPENED, by="bob").nothing()


@pytest.mark.parametrize(
    "other",
    [
        {"recipient_reference": "R000002"},
        {"legal_basis": "nhs_act_2006"},
        {"primary_support_reason": "mental_health"},
        {"effective_on": on("04-07")},
        {"paid_elsewhere_to": on("04-05")},
    ],
)
def test_opening_again_with_any_other_fact_is_refused(other: dict[str, Any]) -> None:
    given(an_open_budget()).when("open", **{**OPENED, **other}).refused(BudgetAlreadyOpened)


# --- offering and agreeing ----------------------------------------------------------------


def test_an_offer_and_its_outcome_are_recorded() -> None:
    given(an_open_budget()).when("offer_direct_payment", **ACCEPTED).then(
        DirectPaymentOffered, outcome="accepted"
    )


@pytest.mark.parametrize("ground", LAWFUL_EXCLUSIONS)
def test_a_direct_payment_can_be_refused_on_each_ground_in_law(ground: str) -> None:
    """The ground is handed over to be sealed, and stands in no event."""
    story = given(an_open_budget()).when(
        "offer_direct_payment", occasion="assessment", outcome="excluded", reason_code=ground
    )
    story.then(DirectPaymentOffered, reason_code="")
    assert story.aggregate.collect_grounds() == [ground]
    assert story.aggregate.collect_grounds() == []


def test_an_exclusion_without_a_reason_is_refused() -> None:
    given(an_open_budget()).when(
        "offer_direct_payment", occasion="assessment", outcome="excluded"
    ).refused(ReasonMissing)


def test_an_exclusion_in_words_of_ones_own_is_refused() -> None:
    given(an_open_budget()).when(
        "offer_direct_payment",
        occasion="assessment",
        outcome="excluded",
        reason_code="would not cope",
    ).refused(ReasonNotLawful)


def test_a_deferred_answer_at_review_leaves_the_earlier_one_standing() -> None:
    payable().and_("offer_direct_payment", occasion="review", outcome="deferred").when(
        "schedule_payment", **payment_for(a_payable_budget(), APRIL)
    ).then(PaymentScheduled)


def test_an_agreement_is_signed() -> None:
    given(an_open_budget()).when("sign_agreement", template_version="2025-1").then(
        AgreementSigned, template_version="2025-1", return_frequency="quarterly"
    )


# --- the payee ----------------------------------------------------------------------------


def test_a_payee_is_proposed_by_one_person_and_verified_by_another() -> None:
    story = given(an_open_budget()).when("propose_payee", **PAYEE_2, by="ann").then(PayeeProposed)
    assert story.aggregate.payee is None, "nothing is paid to details nobody has checked"
    story.when("verify_payee", payee_reference="payee-2", by="bob").then(PayeeVerified)
    assert story.aggregate.payee is not None
    assert story.aggregate.payee.fingerprint == "other"


def test_an_account_that_fails_the_modulus_check_is_refused() -> None:
    failed = {**PAYEE_2, "modulus_check": "invalid", "modulus_table_version": "7.40"}
    refused = given(an_open_budget()).when("propose_payee", **failed)
    refused.refused(AccountFailsModulusCheck)
    story = given(an_open_budget(), ("propose_payee", PAYEE_2))
    story.when("propose_payee", **failed).nothing()  # it was put forward before the table came


def test_what_the_modulus_check_said_stays_with_the_payee() -> None:
    story = given(an_open_budget()).when(
        "propose_payee", **PAYEE_2, modulus_check="valid", modulus_table_version="7.40", by="ann"
    )
    story.then(PayeeProposed, modulus_check="valid", modulus_table_version="7.40")
    story.when("verify_payee", payee_reference="payee-2", by="bob").then(PayeeVerified)
    assert story.aggregate.payee is not None
    assert story.aggregate.payee.modulus_check == "valid"
    assert story.aggregate.payee.modulus_table_version == "7.40"


def test_a_payee_verified_by_its_proposer_is_refused() -> None:
    given(an_open_budget(), ("propose_payee", PAYEE_2)).when(
        "verify_payee", payee_reference="payee-2", by="ann"
    ).refused(VerifierProposedPayee)


def test_a_payee_nobody_proposed_is_refused() -> None:
    given(an_open_budget()).when("verify_payee", payee_reference="payee-2").refused(
        PayeeNotProposed
    )


def test_until_new_details_are_verified_payments_go_where_they_went() -> None:
    story = payable().and_("propose_payee", **PAYEE_2)
    story.when("schedule_payment", **payment_for(story.aggregate, APRIL)).then(
        PaymentScheduled, payee_reference="payee-1"
    )


def test_proposing_or_verifying_the_same_payee_twice_records_nothing() -> None:
    story = given(an_open_budget(), ("propose_payee", PAYEE_2))
    story.when("propose_payee", **PAYEE_2, by="bob").nothing()
    assert story.aggregate.proposed_payees["payee-2"].proposed_by == "ann"
    story.and_("verify_payee", payee_reference="payee-2", by="bob")
    story.when("verify_payee", payee_reference="payee-2", by="cat").nothing()
    story.when("propose_payee", **PAYEE_2, by="cat").nothing()


def test_a_verified_payee_proposed_with_another_type_must_be_verified_again() -> None:
    managed = {"payee_reference": "payee-1", "payee_type": "managed_account"}
    story = payable().when("propose_payee", **managed, fingerprint="account-1").then(PayeeProposed)
    story.when("verify_payee", payee_reference="payee-1", by="ann").refused(VerifierProposedPayee)
    story.when("verify_payee", payee_reference="payee-1", by="bob").then(PayeeVerified)
    assert story.aggregate.payee is not None
    assert story.aggregate.payee.payee_type == "managed_account"


# --- allocations --------------------------------------------------------------------------


def test_lines_are_agreed_and_add_up_to_the_budget() -> None:
    lines = (a_line("L1", 20_000), a_line("L2", 11_000, deployment="provided_service"))
    story = given(an_open_budget()).when(
        "agree_allocation", lines=lines, weekly_budget_pence=31_000
    )
    story.then(AllocationAgreed, lines=lines, weekly_budget_pence=31_000)
    assert story.aggregate.weekly_budget_pence(FIRST_DAY) == 31_000
    assert story.aggregate.weekly_budget_pence(DAY_BEFORE) == 0


def test_lines_that_do_not_add_up_to_the_budget_are_refused() -> None:
    given(an_open_budget()).when(
        "agree_allocation", lines=(a_line("L1", 20_000),), weekly_budget_pence=31_000
    ).refused(PartsDoNotMakeBudget, lines_pence=20_000, budget_pence=31_000)


def test_new_lines_are_added_to_those_in_force_when_they_start() -> None:
    payable().and_("end_allocation", line_reference="L1", effective_on=on("05-03")).when(
        "agree_allocation",
        lines=(a_line("L2", 9_000, starts_on=on("05-04")),),
        weekly_budget_pence=9_000,
    ).then(AllocationAgreed)


def test_no_lines_at_all_are_refused() -> None:
    given(an_open_budget()).when("agree_allocation", lines=()).refused(AllocationLineUnclear)


@pytest.mark.parametrize(
    "line",
    [
        a_line("L1"),
        a_line("L1", 100, one_off_pence=100),
        a_line("L1", -100),
        a_line("L1", one_off_pence=-100),
        a_line("L1", 100, one_off_pence=-100),
        a_line("L1", 100, ends_on=DAY_BEFORE),
    ],
)
def test_a_line_that_is_not_clear_is_refused(line: Any) -> None:
    given(an_open_budget()).when("agree_allocation", lines=(line,)).refused(AllocationLineUnclear)


def test_a_line_reference_used_twice_is_refused() -> None:
    both = (a_line("L1", 100), a_line("L1", 200))
    given(an_open_budget()).when("agree_allocation", lines=both).refused(AllocationLineExists)
    payable().when("agree_allocation", lines=(a_line("L1", 200),)).refused(AllocationLineExists)


def test_agreeing_the_same_lines_twice_records_nothing() -> None:
    payable().when("agree_allocation", lines=(a_line("L1", 31_000),)).nothing()


def test_a_line_that_starts_before_the_budget_is_refused() -> None:
    given(an_open_budget()).when(
        "agree_allocation", lines=(a_line("L1", 100, starts_on=DAY_BEFORE),)
    ).refused(BeforeBudgetOpened)


def test_a_line_is_revised_from_a_day() -> None:
    story = payable().when(
        "revise_allocation", line_reference="L1", weekly_pence=33_850, effective_on=on("04-22")
    )
    story.then(AllocationRevised, effective_on=on("04-22"))
    assert story.aggregate.weekly_budget_pence(on("04-21")) == 31_000
    assert story.aggregate.weekly_budget_pence(on("04-22")) == 33_850


def test_a_backdated_revision_lasts_until_the_next_one_already_recorded() -> None:
    story = payable().and_(
        "revise_allocation", line_reference="L1", weekly_pence=40_000, effective_on=on("05-04")
    )
    story.when(
        "revise_allocation", line_reference="L1", weekly_pence=35_000, effective_on=on("04-20")
    ).then(AllocationRevised)
    weekly = story.aggregate.weekly_budget_pence
    assert [weekly(on(d)) for d in ("04-19", "04-20", "05-03", "05-04")] == [
        31_000,
        35_000,
        35_000,
        40_000,
    ]


def test_a_revision_that_changes_nothing_records_nothing() -> None:
    payable().when("revise_allocation", line_reference="L1", weekly_pence=31_000).nothing()


@pytest.mark.parametrize("weekly", [0, -1])
def test_a_revision_to_nothing_is_refused(weekly: int) -> None:
    payable().when("revise_allocation", line_reference="L1", weekly_pence=weekly).refused(
        AllocationLineUnclear
    )


def test_revising_or_ending_a_line_that_is_not_in_force_is_refused() -> None:
    payable().when("revise_allocation", line_reference="L9", weekly_pence=1).refused(
        AllocationLineNotFound
    )
    payable().when("end_allocation", line_reference="L9").refused(AllocationLineNotFound)
    ended = payable().and_("end_allocation", line_reference="L1", effective_on=on("05-03"))
    ended.when("end_allocation", line_reference="L1", effective_on=on("05-04")).refused(
        AllocationLineNotFound
    )


def test_a_line_ends_after_its_last_day_and_a_rate_agreed_for_later_ends_with_it() -> None:
    story = payable().and_(
        "revise_allocation", line_reference="L1", weekly_pence=40_000, effective_on=on("06-01")
    )
    story.when("end_allocation", line_reference="L1", effective_on=on("05-03")).then(
        AllocationEnded
    )
    assert story.aggregate.weekly_budget_pence(on("05-03")) == 31_000
    assert story.aggregate.weekly_budget_pence(on("05-04")) == 0
    assert story.aggregate.weekly_budget_pence(on("06-01")) == 0
    story.when("end_allocation", line_reference="L1", effective_on=on("05-03")).nothing()


# --- what is free in law ------------------------------------------------------------------

FREE: list[tuple[str, str]] = [
    ("care_act_2014", "nhs"),
    ("mental_health_act_1983_s117", "social_care"),
    ("mental_health_act_1983_s117", "nhs"),
    ("care_act_2014_carer", "social_care"),
]


@pytest.mark.parametrize(("legal_basis", "funding_stream"), FREE)
@pytest.mark.parametrize("asked", [True, False])
def test_no_contribution_is_set_against_what_is_free_in_law_whatever_is_asked(
    legal_basis: str, funding_stream: str, asked: bool
) -> None:
    line = a_line("L1", 31_000, funding_stream=funding_stream, chargeable=asked)
    budget = a_payable_budget(lines=[line], legal_basis=legal_basis)
    assert [term.chargeable for term in budget.allocations] == [False]
    assert budget.payment_due(APRIL).amount_pence == 4 * 31_000
    given(budget).when("agree_allocation", lines=(line,)).nothing()


@pytest.mark.parametrize("legal_basis", ["care_act_2014", "children_act_1989_s17a"])
@pytest.mark.parametrize("asked", [True, False])
def test_any_other_line_is_charged_as_it_is_asked(legal_basis: str, asked: bool) -> None:
    lines = [a_line("L1", 31_000, chargeable=asked), a_line("L2", 100, funding_stream="nhs")]
    budget = a_payable_budget(lines=lines, legal_basis=legal_basis)
    assert [term.chargeable for term in budget.allocations] == [asked, False]


# --- the contribution ---------------------------------------------------------------------


def test_a_contribution_is_assessed_and_the_same_again_records_nothing() -> None:
    assessed = {"weekly_pence": 9_000, "basis": "net", "effective_on": on("05-04")}
    story = payable().when("assess_contribution", **assessed).then(ContributionAssessed)
    story.when("assess_contribution", **assessed).nothing()
    assert [
        term.weekly_pence
        for term in map(story.aggregate.contribution_on, (FIRST_DAY, on("05-04")))
        if term
    ] == [14_295, 9_000]
    assert story.aggregate.contribution_on(DAY_BEFORE) is None


def test_an_assessment_for_the_same_day_replaces_the_earlier_one() -> None:
    story = payable().when("assess_contribution", weekly_pence=1, basis="gross")
    story.then(ContributionAssessed)
    assert len(story.aggregate.contributions) == 1


def test_a_contribution_of_less_than_nothing_is_refused() -> None:
    payable().when("assess_contribution", weekly_pence=-1, basis="net").refused(InvalidMoney)


# --- suspending and resuming --------------------------------------------------------------


def test_payments_are_suspended_and_resumed_without_arrears() -> None:
    story = payable().when("suspend_payments", **IN_HOSPITAL, effective_on=on("04-13"))
    story.then(PaymentsSuspended, retainer_weekly_pence=0)
    story.when("resume_payments", effective_on=on("04-27")).then(PaymentsResumed)
    assert story.aggregate.suspension_on(on("04-26")) is not None
    assert story.aggregate.suspension_on(on("04-27")) is None
    assert story.aggregate.payment_due(APRIL).amount_pence == 2 * 16_705


def test_resuming_with_arrears_pays_what_was_held_back() -> None:
    story = payable().and_("suspend_payments", **IN_HOSPITAL, effective_on=on("04-13"))
    story.when("resume_payments", arrears_due=True, effective_on=on("04-27")).then(PaymentsResumed)
    assert story.aggregate.payment_due(APRIL).amount_pence == 66_820


def test_resuming_from_the_day_of_suspension_is_as_if_never_suspended() -> None:
    story = payable().and_("suspend_payments", **IN_HOSPITAL, effective_on=on("04-13"))
    story.when("resume_payments", effective_on=on("04-13")).then(PaymentsResumed)
    assert story.aggregate.suspensions == []


def test_suspending_twice_and_resuming_what_is_not_suspended_are_refused() -> None:
    payable().and_("suspend_payments", **IN_HOSPITAL).when(
        "suspend_payments", **IN_HOSPITAL
    ).refused(PaymentsAreSuspended)
    payable().when("resume_payments").refused(PaymentsNotSuspended)


def test_a_retainer_of_less_than_nothing_is_refused() -> None:
    payable().when("suspend_payments", **IN_HOSPITAL, retainer_weekly_pence=-1).refused(
        InvalidMoney
    )


def test_a_closed_budget_can_be_resumed_so_that_what_was_held_back_is_settled() -> None:
    story = payable().and_("suspend_payments", **IN_HOSPITAL, effective_on=on("04-13"))
    story.and_("close", reason_code="needs_ended", effective_on=on("04-26"))
    story.when("resume_payments", arrears_due=True, effective_on=on("05-10")).then(PaymentsResumed)
    final = {**payment_for(story.aggregate, APRIL), "effective_on": on("05-15")}
    story.when("schedule_payment", **final).then(PaymentScheduled, amount_pence=3 * 16_705)


# --- provided services --------------------------------------------------------------------


def test_a_person_may_switch_to_provided_services_whatever_else_is_open() -> None:
    """Suspended, with a return overdue and queried and a clawback disputed."""
    story = given(
        a_payable_budget(),
        ("suspend_payments", {**IN_HOSPITAL, "reason_code": "return_missing"}),
        ("request_spend_return", {**RETURN_1, "due_on": on("04-10")}),
        ("submit_spend_return", FIGURES),
        ("query_spend_return", {"return_reference": "SR1", "query_code": "evidence_missing"}),
        ("propose_clawback", SURPLUS),
        ("notify_clawback", {**CB1, "respond_by": on("04-20")}),
        ("dispute_clawback", CB1),
        ("offer_direct_payment", {"occasion": "review", "outcome": "declined"}),
    )
    story.when("switch_to_provided_services", effective_on=on("04-23")).then(
        SwitchedToProvidedServices, line_references=("L1",), at_own_request=True
    )
    assert story.aggregate.weekly_budget_pence(on("04-23")) == 31_000, "the budget is as it was"


def test_a_switch_leaves_no_gap_and_no_day_paid_twice() -> None:
    story = payable().and_("switch_to_provided_services", effective_on=on("04-24"))
    terms = story.aggregate.allocations
    assert [(term.deployment, term.starts_on, term.ends_on) for term in terms] == [
        ("direct_payment", FIRST_DAY, on("04-23")),
        ("provided_service", on("04-24"), None),
    ]
    assert story.aggregate.payment_due(APRIL).amount_pence == 42_955


def test_a_switch_holds_for_rates_already_agreed_for_later() -> None:
    story = payable().and_(
        "revise_allocation", line_reference="L1", weekly_pence=40_000, effective_on=on("05-04")
    )
    story.and_("switch_to_provided_services", effective_on=on("04-20"))
    assert [term.deployment for term in story.aggregate.lines_in_force(on("05-04"))] == [
        "provided_service"
    ]


def mixture() -> Story[PersonalBudget]:
    lines = [
        a_line("L1", 20_000),
        a_line("L2", 10_000, deployment="managed_account"),
        a_line("L3", 5_000, deployment="provided_service"),
    ]
    return given(a_payable_budget(lines=lines))


def test_a_switch_of_named_lines_leaves_the_others() -> None:
    mixture().when("switch_to_provided_services", line_references=("L2",)).then(
        SwitchedToProvidedServices, line_references=("L2",)
    )


def test_a_direct_payment_is_resumed_only_for_lines_that_once_were() -> None:
    story = mixture().and_("switch_to_provided_services", effective_on=on("04-20"))
    story.when("resume_direct_payment", effective_on=on("05-04")).then(
        DirectPaymentResumed, line_references=("L1", "L2")
    )


@pytest.mark.parametrize("deployment", get_args(PaidDeployment))
def test_a_direct_payment_is_resumed_to_the_person_or_to_a_managed_account(
    deployment: Deployment,
) -> None:
    story = payable().and_("switch_to_provided_services", effective_on=on("04-20"))
    resumed = {"deployment": deployment, "effective_on": on("05-04")}
    story.when("resume_direct_payment", **resumed).then(
        DirectPaymentResumed, line_references=("L1",), deployment=deployment
    )
    assert [t.deployment for t in story.aggregate.lines_in_force(on("05-03"))] == [
        "provided_service"
    ]
    assert [t.deployment for t in story.aggregate.lines_in_force(on("05-04"))] == [deployment]
    assert story.aggregate.payment_due(MAY).amount_pence == 2 * 16_705 + 66_820


def test_a_line_that_never_was_a_direct_payment_becomes_one_when_it_is_named() -> None:
    mixture().when("resume_direct_payment", line_references=("L3",)).then(
        DirectPaymentResumed, line_references=("L3",)
    )


def test_a_switch_that_would_change_nothing_is_refused() -> None:
    payable().when("resume_direct_payment").refused(NothingToSwitch)
    mixture().when("resume_direct_payment").refused(NothingToSwitch)
    mixture().when("switch_to_provided_services", line_references=("L3",)).refused(NothingToSwitch)
    given(an_open_budget()).when("switch_to_provided_services").refused(NothingToSwitch)


@pytest.mark.parametrize("command", ["switch_to_provided_services", "resume_direct_payment"])
def test_a_switch_of_a_line_that_is_not_in_force_is_refused(command: str) -> None:
    payable().when(command, line_references=("L1", "L9")).refused(AllocationLineNotFound)


# --- closing ------------------------------------------------------------------------------


def test_a_budget_is_closed_and_the_same_again_records_nothing() -> None:
    facts = {"reason_code": "died", "effective_on": on("04-23")}
    story = payable().when("close", **facts).then(BudgetClosed)
    story.when("close", **facts).nothing()
    assert story.aggregate.lines_in_force(on("04-23")) != []
    assert story.aggregate.lines_in_force(on("04-24")) == []


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("close", {"reason_code": "died"}),
        ("offer_direct_payment", ACCEPTED),
        ("sign_agreement", {"template_version": "2025-1"}),
        ("agree_allocation", {"lines": (a_line("L2", 100),)}),
        ("revise_allocation", {"line_reference": "L1", "weekly_pence": 1}),
        ("end_allocation", {"line_reference": "L1"}),
        ("assess_contribution", {"weekly_pence": 1, "basis": "net"}),
        ("suspend_payments", IN_HOSPITAL),
        ("switch_to_provided_services", {}),
        ("resume_direct_payment", {}),
    ],
)
def test_a_closed_budget_takes_no_new_terms(command: str, facts: dict[str, Any]) -> None:
    story = closed().when(command, **facts).refused(BudgetIsClosed)
    assert story.refusal is not None
    assert story.refusal.details == {"closed_on": "2026-05-03"}


def test_a_payee_may_change_after_closing_so_that_money_that_came_back_is_sent_on() -> None:
    story, reference = returned()
    story.and_("close", reason_code="died", effective_on=on("05-03"))
    story.when("propose_payee", **PAYEE_2, effective_on=on("05-05")).then(PayeeProposed)
    verify = {"payee_reference": "payee-2", "effective_on": on("05-05")}
    story.when("verify_payee", **verify, by="ann").refused(VerifierProposedPayee)
    story.when("verify_payee", **verify, by="bob").then(PayeeVerified)
    story.when(
        "reissue_payment",
        payment_reference="DP2",
        reissue_of=reference,
        cycle_reference="C2",
        effective_on=on("05-08"),
    ).then(PaymentReissued, payee_reference="payee-2")


def test_after_closing_what_is_left_over_can_still_be_settled() -> None:
    """The last payment, its return by the bank, the last spend return and a clawback."""
    story = closed()
    reference = pay(story.aggregate, APRIL)
    story.when(
        "return_payment", payment_reference=reference, reason_code="B", effective_on=on("05-05")
    ).then(PaymentConfirmed, PaymentReturned)
    story.when("request_spend_return", **RETURN_1).then(SpendReturnRequested)
    story.when("submit_spend_return", **FIGURES).then(SpendReturnSubmitted)
    story.when("accept_spend_return", return_reference="SR1").then(SpendReturnAccepted)
    for command, facts in a_confirmed_clawback():
        story.and_(command, **facts)
    story.when("receive_clawback", **CB1, amount_pence=10_000, receipt_reference="X").then(
        ClawbackReceived
    )


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("close", {"reason_code": "died"}),
        ("offer_direct_payment", ACCEPTED),
        ("agree_allocation", {"lines": (a_line("L2", 100),)}),
        ("revise_allocation", {"line_reference": "L1", "weekly_pence": 1}),
        ("end_allocation", {"line_reference": "L1"}),
        ("assess_contribution", {"weekly_pence": 1, "basis": "net"}),
        ("suspend_payments", IN_HOSPITAL),
        ("switch_to_provided_services", {}),
        ("resume_direct_payment", {}),
    ],
)
def test_nothing_takes_effect_before_the_budget_was_opened(
    command: str, facts: dict[str, Any]
) -> None:
    payable().when(command, **facts, effective_on=DAY_BEFORE).refused(BeforeBudgetOpened)


# --- paying -------------------------------------------------------------------------------


def test_what_is_due_is_scheduled() -> None:
    story = payable()
    payment = payment_for(story.aggregate, APRIL)
    story.when("schedule_payment", **payment).then(
        PaymentScheduled, amount_pence=66_820, deducted_pence=0, effective_on=date(2026, 4, 3)
    )
    assert story.aggregate.last_payment is story.aggregate.payments[payment["payment_reference"]]


def test_a_payment_scheduled_twice_is_recorded_once() -> None:
    story = payable()
    payment = payment_for(story.aggregate, APRIL)
    story.and_("schedule_payment", **payment).when("schedule_payment", **payment).nothing()


@pytest.mark.parametrize("other", [{"cycle_reference": "C9"}, {"amount_pence": 1}])
def test_a_payment_reference_used_for_other_facts_is_refused(other: dict[str, Any]) -> None:
    story = payable()
    payment = payment_for(story.aggregate, APRIL)
    story.and_("schedule_payment", **payment).when(
        "schedule_payment", **{**payment, **other}
    ).refused(ReferenceUsedForOtherFacts)


def test_a_payment_for_days_already_paid_is_refused() -> None:
    story = payable()
    pay(story.aggregate, APRIL)
    story.when("schedule_payment", **payment_for(story.aggregate, APRIL, "C2")).refused(
        NothingToPay
    )


@pytest.mark.parametrize("other", [{"amount_pence": 66_821}, {"lines": ()}])
def test_a_payment_that_is_not_what_is_owed_is_refused(other: dict[str, Any]) -> None:
    story = payable()
    story.when("schedule_payment", **{**payment_for(story.aggregate, APRIL), **other}).refused(
        PaymentDiffersFromEntitlement, owed_pence=66_820
    )


def test_a_payment_worked_out_before_the_terms_changed_is_refused() -> None:
    story = payable()
    payment = payment_for(story.aggregate, APRIL)
    story.and_("assess_contribution", weekly_pence=0, basis="net").when(
        "schedule_payment", **payment
    ).refused(PaymentDiffersFromEntitlement, owed_pence=124_000, proposed_pence=66_820)


EXCLUDED = {
    "occasion": "review",
    "outcome": "excluded",
    "reason_code": "not_permitted_by_regulations",
}
DECLINED = {"occasion": "review", "outcome": "declined"}
GATES: list[tuple[type[Refusal], str, Callable[[], PersonalBudget]]] = [
    (
        BudgetIsClosed,
        "closed before the period",
        lambda: given(a_payable_budget(), ("close", {"reason_code": "died"})).aggregate,
    ),
    (
        RecipientExcluded,
        "excluded",
        lambda: given(a_payable_budget(), ("offer_direct_payment", EXCLUDED)).aggregate,
    ),
    (
        OfferNotAccepted,
        "never offered",
        lambda: a_payable_budget(without=["offer_direct_payment"]),
    ),
    (
        OfferNotAccepted,
        "declined at review",
        lambda: given(a_payable_budget(), ("offer_direct_payment", DECLINED)).aggregate,
    ),
    (AgreementNotSigned, "not signed", lambda: a_payable_budget(without=["sign_agreement"])),
    (PayeeNotVerified, "not verified", lambda: a_payable_budget(without=["verify_payee"])),
    (
        PayeeNotVerified,
        "no payee at all",
        lambda: a_payable_budget(without=["propose_payee", "verify_payee"]),
    ),
    (NoAllocationInForce, "no line", lambda: a_payable_budget(without=["agree_allocation"])),
    (
        NoAllocationInForce,
        "only provided services",
        lambda: a_payable_budget(lines=[a_line("L1", 100, deployment="provided_service")]),
    ),
    (
        PaymentsAreSuspended,
        "suspended in full",
        lambda: given(a_payable_budget(), ("suspend_payments", IN_HOSPITAL)).aggregate,
    ),
]


@pytest.mark.parametrize(("gate", "_why", "budget"), GATES, ids=[why for _, why, _ in GATES])
def test_each_gate_by_itself_stops_a_payment(
    gate: type[Refusal], _why: str, budget: Callable[[], PersonalBudget]
) -> None:
    story = given(budget())
    payment = {**payment_for(story.aggregate, MAY), "effective_on": on("05-01")}
    story.when("schedule_payment", **payment).refused(gate)
    assert [type(g) for g in story.aggregate.failed_gates(MAY, on("05-01"))] == [gate]


def test_a_gate_is_open_on_the_very_day_it_turns() -> None:
    """Closed on the period's first day; a line that starts on its last."""
    story = payable().and_("close", reason_code="died")
    assert list(story.aggregate.failed_gates(APRIL, FIRST_DAY)) == []
    last_day = a_payable_budget(lines=[a_line("L1", 700, starts_on=APRIL.ends_on)])
    assert list(last_day.failed_gates(APRIL, FIRST_DAY)) == []


def test_money_can_come_back_on_the_day_it_was_paid() -> None:
    story, reference = paid()
    story.when(
        "return_payment",
        payment_reference=reference,
        reason_code="0",
        effective_on=date(2026, 4, 3),
    ).then(PaymentConfirmed, PaymentReturned)


def test_every_gate_that_fails_is_told_in_the_order_of_life() -> None:
    story = given(an_open_budget()).and_("suspend_payments", **IN_HOSPITAL)
    story.and_("close", reason_code="died")
    assert [type(g) for g in story.aggregate.failed_gates(MAY, on("05-01"))] == [
        BudgetIsClosed,
        OfferNotAccepted,
        AgreementNotSigned,
        PayeeNotVerified,
        NoAllocationInForce,
        PaymentsAreSuspended,
    ]


def test_a_retainer_is_paid_while_payments_are_suspended() -> None:
    story = payable().and_("suspend_payments", **IN_HOSPITAL, retainer_weekly_pence=5_000)
    payment = {**payment_for(story.aggregate, APRIL), "effective_on": on("04-07")}
    story.when("schedule_payment", **payment).then(PaymentScheduled, amount_pence=20_000)


# --- paid, sent back, sent again ----------------------------------------------------------


def paid() -> tuple[Story[PersonalBudget], str]:
    story = payable()
    return story, pay(story.aggregate, APRIL)


def returned() -> tuple[Story[PersonalBudget], str]:
    story, reference = paid()
    story.and_(
        "return_payment", payment_reference=reference, reason_code="3", effective_on=on("04-09")
    )
    return story, reference


def test_a_payment_is_confirmed_once() -> None:
    story, reference = paid()
    story.when("confirm_payment", payment_reference=reference).then(
        PaymentConfirmed, amount_pence=66_820, cycle_reference="C1"
    )
    story.when("confirm_payment", payment_reference=reference).nothing()


def test_a_returned_payment_first_went_out_on_its_pay_date() -> None:
    story, reference = paid()
    story.when(
        "return_payment", payment_reference=reference, reason_code="5", effective_on=on("04-09")
    ).then(PaymentConfirmed, PaymentReturned, amount_pence=66_820, reason_code="5")
    assert [event.effective_on for event in story.recorded] == [date(2026, 4, 3), on("04-09")]


def test_who_has_an_interest_and_may_say_it_went_out_says_neither_when_it_came_back() -> None:
    story, reference = paid()
    story.and_("declare_interest", user_name="bob", kind="relative")
    story.when(
        "return_payment",
        payment_reference=reference,
        reason_code="0",
        effective_on=on("04-09"),
        by="bob",
    ).refused(InterestInBudget)
    story.when("confirm_payment", payment_reference=reference, by="bob").then(PaymentConfirmed)


def test_a_confirmed_payment_can_come_back_and_only_once() -> None:
    story, reference = paid()
    story.and_("confirm_payment", payment_reference=reference)
    back = {"payment_reference": reference, "reason_code": "0", "effective_on": on("04-09")}
    story.when("return_payment", **back).then(PaymentReturned)
    story.when("return_payment", **back).nothing()
    story.when("confirm_payment", payment_reference=reference).nothing()


def test_what_went_out_and_came_back_is_told_by_funding_stream() -> None:
    story, reference = paid()
    [confirmed, came_back] = story.when(
        "return_payment", payment_reference=reference, reason_code="0"
    ).recorded
    assert isinstance(confirmed, PaymentConfirmed)
    assert isinstance(came_back, PaymentReturned)
    assert confirmed.funding == came_back.funding
    assert sum(total.amount_pence for total in confirmed.funding) == 66_820


def test_a_payment_cannot_come_back_before_it_went_out() -> None:
    story, reference = paid()
    story.when(
        "return_payment",
        payment_reference=reference,
        reason_code="0",
        effective_on=date(2026, 4, 2),
    ).refused(PaymentNotIssued)


@pytest.mark.parametrize(
    ("command", "facts"), [("confirm_payment", {}), ("return_payment", {"reason_code": "0"})]
)
def test_a_payment_nobody_knows_is_refused(command: str, facts: dict[str, Any]) -> None:
    payable().when(command, payment_reference="DP0", **facts).refused(PaymentNotFound)


def test_returned_money_is_sent_again_to_the_payee_verified_now() -> None:
    story, reference = returned()
    change_payee(story.aggregate, "payee-2", "account-2")
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.when("reissue_payment", **again, effective_on=on("05-01")).then(
        PaymentReissued, payee_reference="payee-2", amount_pence=66_820
    )
    story.when("reissue_payment", **again, effective_on=on("05-01")).nothing()
    assert story.aggregate.payments[reference].status == "reissued"
    assert story.aggregate.payments["DP2"].period == APRIL
    assert story.aggregate.payment_due(APRIL).lines == (), "it was owed once and is scheduled once"
    back = {"reason_code": "0", "effective_on": on("05-07")}
    story.when("return_payment", payment_reference=reference, **back).nothing()
    story.when("return_payment", payment_reference="DP2", **back).then(
        PaymentConfirmed, PaymentReturned
    )
    assert [t.funding_stream for t in story.aggregate.payments["DP2"].funding] == ["reissued"]


def test_only_returned_money_is_sent_again_and_once() -> None:
    story, reference = paid()
    again = {"reissue_of": reference, "cycle_reference": "C2", "effective_on": on("05-01")}
    story.when("reissue_payment", payment_reference="DP2", **again).refused(PaymentNotReturned)
    story, reference = returned()
    story.and_("reissue_payment", payment_reference="DP2", **again)
    story.when("reissue_payment", payment_reference="DP3", **again).refused(PaymentAlreadySettled)
    story.when(
        "reissue_payment", payment_reference="DP3", **{**again, "reissue_of": "DP0"}
    ).refused(PaymentNotFound)


def test_a_reissue_under_a_reference_used_for_something_else_is_refused() -> None:
    story, reference = returned()
    again = {"reissue_of": reference, "cycle_reference": "C2", "effective_on": on("05-01")}
    story.and_("reissue_payment", payment_reference="DP2", **again)
    may = payment_for(story.aggregate, MAY, "C2")
    story.and_("schedule_payment", **may)
    in_use = {**again, "payment_reference": may["payment_reference"]}
    story.when("reissue_payment", **in_use).refused(ReferenceUsedForOtherFacts)
    story.when(
        "reissue_payment", payment_reference="DP2", **{**again, "cycle_reference": "C3"}
    ).refused(ReferenceUsedForOtherFacts)
    story.when("schedule_payment", **{**may, "payment_reference": "DP2"}).refused(
        ReferenceUsedForOtherFacts
    )


def test_nothing_is_sent_again_while_a_gate_is_shut() -> None:
    story, reference = returned()
    story.and_("suspend_payments", **IN_HOSPITAL).when(
        "reissue_payment",
        payment_reference="DP2",
        reissue_of=reference,
        cycle_reference="C2",
        effective_on=on("05-01"),
    ).refused(PaymentsAreSuspended)


# --- cancelled before it left -------------------------------------------------------------


def test_a_promised_payment_is_cancelled_once_and_what_it_was_for_is_owed_again() -> None:
    story = payable()
    owed = story.aggregate.payment_due(APRIL)
    reference = pay(story.aggregate, APRIL)
    assert story.aggregate.payment_due(APRIL).lines == ()
    story.when("cancel_payment", payment_reference=reference, by="bob").then(
        PaymentCancelled,
        cycle_reference="C1",
        amount_pence=66_820,
        lines=owed.lines,
        deductions=(),
        reissue_of="",
        funding=(FundingTotal("social_care", "S4100", 66_820),),
    )
    assert story.aggregate.payment_due(APRIL) == owed
    assert story.aggregate.last_payment is None, "the next is the first payment again"
    assert story.aggregate.payments[reference].status == "cancelled"
    story.when("cancel_payment", payment_reference=reference).nothing()
    story.when("schedule_payment", **payment_for(story.aggregate, APRIL, "C2")).then(
        PaymentScheduled, amount_pence=66_820, lines=owed.lines
    )


def test_a_payment_that_has_left_cannot_be_cancelled() -> None:
    story, reference = paid()
    this = {"payment_reference": reference}
    story.and_("confirm_payment", **this)
    story.when("cancel_payment", **this).refused(PaymentHasLeft)
    story.and_("return_payment", **this, reason_code="3", effective_on=on("04-09"))
    story.when("cancel_payment", **this).refused(PaymentHasLeft)
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.and_("reissue_payment", **again, effective_on=on("05-01"))
    story.when("cancel_payment", **this).refused(PaymentHasLeft)
    story.when("cancel_payment", payment_reference="DP0").refused(PaymentNotFound)


def test_a_cancelled_payment_neither_leaves_nor_comes_back_nor_is_sent_again() -> None:
    """It is owed again, so money under its reference would be paid twice."""
    story, reference = paid()
    payment = {**payment_for(payable().aggregate, APRIL), "payment_reference": reference}
    story.and_("cancel_payment", payment_reference=reference)
    back = {"payment_reference": reference, "reason_code": "0", "effective_on": on("04-09")}
    story.when("return_payment", **back).refused(PaymentNotIssued)
    story.when("confirm_payment", payment_reference=reference).refused(PaymentNotIssued)
    again = {"payment_reference": "DP2", "reissue_of": reference, "cycle_reference": "C2"}
    story.when("reissue_payment", **again, effective_on=on("05-01")).refused(PaymentNotReturned)
    story.when("schedule_payment", **payment).refused(ReferenceUsedForOtherFacts)


def test_a_cancelled_payment_gives_its_instalments_back_to_their_clawbacks() -> None:
    story = payable()
    for reference, instalment in (("CB1", 6_000), ("CB2", 10_000)):
        for command, facts in a_confirmed_clawback(10_000, instalment, reference):
            story.and_(command, **facts)
    owed = story.aggregate.payment_due(APRIL)
    reference = pay(story.aggregate, APRIL)
    clawbacks_now = story.aggregate.clawbacks
    assert [(c.status, c.outstanding_pence) for c in clawbacks_now.values()] == [
        ("confirmed", 4_000),
        ("settled", 0),
    ]
    story.when("cancel_payment", payment_reference=reference).then(
        PaymentCancelled, amount_pence=50_820, deductions=(("CB1", 6_000), ("CB2", 10_000))
    )
    assert [(c.status, c.outstanding_pence) for c in clawbacks_now.values()] == [
        ("confirmed", 10_000),
        ("confirmed", 10_000),
    ]
    assert story.aggregate.payment_due(APRIL) == owed


def test_an_instalment_given_back_is_owed_beside_what_was_received_since() -> None:
    story = clawed_back(*STEPS, instalment=6_000)
    reference = pay(story.aggregate, APRIL)
    story.and_("receive_clawback", **CB1, amount_pence=4_000, receipt_reference="R1")
    clawback = story.aggregate.clawbacks["CB1"]
    assert (clawback.status, clawback.outstanding_pence) == ("settled", 0)
    story.when("cancel_payment", payment_reference=reference).then(PaymentCancelled)
    assert (clawback.status, clawback.outstanding_pence) == ("confirmed", 6_000)


def test_a_reissue_that_is_cancelled_can_be_sent_again_another_time() -> None:
    story, reference = returned()
    again = {"reissue_of": reference, "effective_on": on("05-01")}
    story.and_("reissue_payment", payment_reference="DP2", cycle_reference="C2", **again)
    story.when("cancel_payment", payment_reference="DP2").then(
        PaymentCancelled,
        amount_pence=66_820,
        lines=(),
        reissue_of=reference,
        funding=(FundingTotal("reissued", "", 66_820),),
    )
    assert story.aggregate.payments[reference].status == "returned"
    assert story.aggregate.payment_due(APRIL).lines == (), "it was paid once, and waits"
    story.when("reissue_payment", payment_reference="DP3", cycle_reference="C3", **again).then(
        PaymentReissued, amount_pence=66_820
    )


def test_an_earlier_payment_cancelled_after_a_later_one_is_arrears() -> None:
    story, reference = paid()
    story.and_("schedule_payment", **payment_for(story.aggregate, MAY, "C2"))
    story.when("cancel_payment", payment_reference=reference).then(PaymentCancelled)
    assert story.aggregate.payment_due(MAY).amount_pence == 66_820
    assert {line.window for line in story.aggregate.payment_due(JUNE).lines} == {APRIL, JUNE}


def test_of_several_corrections_alike_the_cancelled_one_goes() -> None:
    story, _ = paid()
    for period, cycle, weekly in ((MAY, "C2", 31_700), (JUNE, "C3", 31_000)):
        revised = {"line_reference": "L1", "weekly_pence": weekly, "effective_on": FIRST_DAY}
        story.and_("revise_allocation", **revised)
        story.and_("schedule_payment", **payment_for(story.aggregate, period, cycle))
    story.and_("revise_allocation", line_reference="L1", weekly_pence=31_700)
    before = observable(story.aggregate)
    reference = pay(story.aggregate, cycle_period(4), "C4")
    story.when("cancel_payment", payment_reference=reference).then(PaymentCancelled)
    assert observable(story.aggregate) == before


def test_a_payment_is_cancelled_in_effect_from_the_day_it_was_to_be_paid() -> None:
    for day in (date(2026, 3, 31), on("04-20")):
        story, reference = paid()
        story.when("cancel_payment", payment_reference=reference, effective_on=day).then(
            PaymentCancelled, effective_on=date(2026, 4, 3)
        )


def test_a_cancelled_payment_that_a_later_one_had_corrected_is_owed_as_corrected() -> None:
    story, reference = paid()
    story.and_(
        "revise_allocation", line_reference="L1", weekly_pence=33_850, effective_on=on("04-22")
    )
    may = payment_for(story.aggregate, MAY, "C2")
    story.and_("schedule_payment", **may)
    story.when("cancel_payment", payment_reference=reference).then(PaymentCancelled)
    corrected = may["amount_pence"] - 4 * (33_850 - 14_295)
    assert corrected == 4_886, "domain example B"
    assert story.aggregate.payment_due(MAY).amount_pence == 66_820
    story.when("schedule_payment", **payment_for(story.aggregate, MAY, "C3")).then(PaymentScheduled)
    assert sum(line.amount_pence for line in story.aggregate.scheduled_lines) == (
        66_820 + 4_886 + 4 * (33_850 - 14_295)
    )


# --- spend returns ------------------------------------------------------------------------


def test_a_spend_return_is_asked_for_sent_queried_sent_again_and_accepted() -> None:
    story = payable().when("request_spend_return", **RETURN_1).then(SpendReturnRequested)
    story.when("submit_spend_return", **FIGURES).then(SpendReturnSubmitted)
    story.when("query_spend_return", return_reference="SR1", query_code="balance_disagrees").then(
        SpendReturnQueried
    )
    story.when("submit_spend_return", **FIGURES).then(SpendReturnSubmitted)
    story.when("accept_spend_return", return_reference="SR1").then(SpendReturnAccepted)
    story.when("accept_spend_return", return_reference="SR1").nothing()


def test_a_queried_return_can_be_accepted_as_it_is() -> None:
    story = given(
        a_payable_budget(),
        ("request_spend_return", RETURN_1),
        ("submit_spend_return", FIGURES),
        ("query_spend_return", {"return_reference": "SR1", "query_code": "other"}),
    )
    story.when("accept_spend_return", return_reference="SR1").then(SpendReturnAccepted)


def test_the_same_return_asked_for_twice_is_asked_for_once() -> None:
    story = given(a_payable_budget(), ("request_spend_return", RETURN_1))
    story.when("request_spend_return", **RETURN_1).nothing()
    for other in ({"period": MAY}, {"due_on": on("06-02")}):
        story.when("request_spend_return", **{**RETURN_1, **other}).refused(
            ReferenceUsedForOtherFacts
        )


def test_a_return_is_overdue_after_its_day_until_it_is_sent() -> None:
    story = given(a_payable_budget(), ("request_spend_return", RETURN_1))
    spend_returns = story.aggregate.spend_returns
    assert not spend_returns["SR1"].overdue_on(on("06-01"))
    assert spend_returns["SR1"].overdue_on(on("06-02"))
    story.and_("submit_spend_return", **FIGURES)
    assert not spend_returns["SR1"].overdue_on(on("06-02"))
    story.and_("query_spend_return", return_reference="SR1", query_code="other")
    assert spend_returns["SR1"].overdue_on(on("06-02"))


def test_a_return_that_does_not_add_up_is_refused() -> None:
    given(a_payable_budget(), ("request_spend_return", RETURN_1)).when(
        "submit_spend_return", **{**FIGURES, "closing_balance_pence": 54_001}
    ).refused(SpendReturnDoesNotAddUp, worked_out_pence=54_000, given_pence=54_001)


@pytest.mark.parametrize("name", ["money_in_pence", "spending_pence"])
def test_money_in_or_spending_of_less_than_nothing_is_refused(name: str) -> None:
    given(a_payable_budget(), ("request_spend_return", RETURN_1)).when(
        "submit_spend_return", **{**FIGURES, name: -1}
    ).refused(InvalidMoney)


def test_an_account_may_be_overdrawn() -> None:
    figures = {**FIGURES, "opening_balance_pence": -10_000, "closing_balance_pence": -16_000}
    given(a_payable_budget(), ("request_spend_return", RETURN_1)).when(
        "submit_spend_return", **figures
    ).then(SpendReturnSubmitted)


SR_STEPS: dict[str, dict[str, Any]] = {
    "submit_spend_return": FIGURES,
    "query_spend_return": {"return_reference": "SR1", "query_code": "other"},
    "accept_spend_return": {"return_reference": "SR1"},
}


@pytest.mark.parametrize("step", SR_STEPS)
def test_a_step_of_a_return_nobody_asked_for_is_refused(step: str) -> None:
    payable().when(step, **SR_STEPS[step]).refused(SpendReturnNotFound)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], "query_spend_return"),
        ([], "accept_spend_return"),
        (["submit_spend_return"], "submit_spend_return"),
        (["submit_spend_return", "query_spend_return"], "query_spend_return"),
        (["submit_spend_return", "accept_spend_return"], "submit_spend_return"),
        (["submit_spend_return", "accept_spend_return"], "query_spend_return"),
    ],
)
def test_a_step_of_a_return_out_of_turn_is_refused(before: list[str], step: str) -> None:
    story = given(a_payable_budget(), ("request_spend_return", RETURN_1))
    for command in before:
        story.and_(command, **SR_STEPS[command])
    story.when(step, **SR_STEPS[step]).refused(SpendReturnNotExpected)


# --- clawback -----------------------------------------------------------------------------


def clawed_back(*steps: str, amount: int = 10_000, instalment: int = 0) -> Story[PersonalBudget]:
    """A budget on which a clawback has been taken through these steps, by name."""
    told = dict(a_confirmed_clawback(amount, instalment))
    told["dispute_clawback"] = CB1
    return given(a_payable_budget(), *((step, told[step]) for step in steps))


STEPS = ("propose_clawback", "notify_clawback", "confirm_clawback")


def test_a_clawback_is_proposed_notified_confirmed_and_received_in_parts() -> None:
    story = payable().when("propose_clawback", **SURPLUS).then(ClawbackProposed)
    story.when("notify_clawback", **CB1, respond_by=on("04-20")).then(ClawbackNotified)
    story.when("confirm_clawback", **RECOVERED, effective_on=on("04-21"), by="bob").then(
        ClawbackConfirmed, instalment_pence=0
    )
    story.when("receive_clawback", **CB1, amount_pence=4_000, receipt_reference="R1").then(
        ClawbackReceived
    )
    story.when("receive_clawback", **CB1, amount_pence=6_000, receipt_reference="R2").then(
        ClawbackReceived
    )
    assert story.aggregate.clawbacks["CB1"].status == "settled"


def test_the_same_clawback_proposed_twice_is_proposed_once() -> None:
    story = clawed_back("propose_clawback")
    story.when("propose_clawback", **SURPLUS, by="bob").nothing()
    assert story.aggregate.clawbacks["CB1"].proposed_by == "ann"
    for other in ({"amount_pence": 1}, {"cause_code": "died"}):
        story.when("propose_clawback", **{**SURPLUS, **other}).refused(ReferenceUsedForOtherFacts)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_clawback_of_nothing_is_refused(amount: int) -> None:
    payable().when("propose_clawback", **{**SURPLUS, "amount_pence": amount}).refused(InvalidMoney)
    confirm = {**RECOVERED, "amount_pence": amount, "effective_on": on("04-21"), "by": "bob"}
    clawed_back(*STEPS[:2]).when("confirm_clawback", **confirm).refused(InvalidMoney)
    receipt = {**CB1, "amount_pence": amount, "receipt_reference": "R1"}
    clawed_back(*STEPS).when("receive_clawback", **receipt).refused(InvalidMoney)
    waiver = {**CB1, "amount_pence": amount, "reason_code": "hardship", "by": "bob"}
    clawed_back(*STEPS).when("waive_clawback", **waiver).refused(InvalidMoney)


CLAWBACK_STEPS: dict[str, dict[str, Any]] = {
    "notify_clawback": {**CB1, "respond_by": on("04-20")},
    "dispute_clawback": CB1,
    "confirm_clawback": {**RECOVERED, "effective_on": on("04-21"), "by": "bob"},
    "receive_clawback": {**CB1, "amount_pence": 1, "receipt_reference": "R1"},
    "waive_clawback": {**CB1, "amount_pence": 1, "reason_code": "hardship", "by": "bob"},
}


@pytest.mark.parametrize("step", CLAWBACK_STEPS)
def test_a_step_of_a_clawback_nobody_proposed_is_refused(step: str) -> None:
    payable().when(step, **CLAWBACK_STEPS[step]).refused(ClawbackNotFound)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        (STEPS[:1], "dispute_clawback"),
        (STEPS[:1], "confirm_clawback"),
        (STEPS[:1], "receive_clawback"),
        (STEPS[:1], "waive_clawback"),
        (STEPS[:2], "notify_clawback"),
        (STEPS[:2], "receive_clawback"),
        (STEPS[:2], "waive_clawback"),
        ((*STEPS[:2], "dispute_clawback"), "dispute_clawback"),
        ((*STEPS[:2], "dispute_clawback"), "notify_clawback"),
        (STEPS, "notify_clawback"),
        (STEPS, "dispute_clawback"),
        (STEPS, "confirm_clawback"),
    ],
)
def test_a_step_of_a_clawback_out_of_turn_is_refused(before: tuple[str, ...], step: str) -> None:
    clawed_back(*before).when(step, **CLAWBACK_STEPS[step]).refused(ClawbackNotExpected)


def test_a_notice_that_gives_no_time_to_answer_is_refused() -> None:
    clawed_back("propose_clawback").when("notify_clawback", **CB1, respond_by=FIRST_DAY).refused(
        ClawbackNoticeNotEnded
    )


def test_a_clawback_cannot_be_confirmed_while_the_person_may_still_answer() -> None:
    confirm = {**RECOVERED, "by": "bob"}
    story = clawed_back(*STEPS[:2])
    story.when("confirm_clawback", **confirm, effective_on=on("04-20")).refused(
        ClawbackNoticeNotEnded, respond_by="2026-04-20"
    )
    story.when("confirm_clawback", **confirm, effective_on=on("04-21")).then(ClawbackConfirmed)


@pytest.mark.parametrize(
    ("effective_on", "recorded_at"),
    [
        ("05-01", "2026-04-10T09:30Z"),  # a day in the future
        ("05-01", "2026-04-20T09:30Z"),
        ("04-20", "2026-04-30T09:30Z"),  # backdated into the notice
        ("04-21", "2026-04-20T22:59Z"),  # a minute to midnight in England
    ],
)
def test_neither_a_future_effective_date_nor_a_past_one_cuts_the_notice_short(
    effective_on: str, recorded_at: str
) -> None:
    story = clawed_back(*STEPS[:2])
    decided = {"effective_on": on(effective_on), "recorded_at": datetime.fromisoformat(recorded_at)}
    story.when("confirm_clawback", **RECOVERED, **decided, by="bob").refused(
        ClawbackNoticeNotEnded, respond_by="2026-04-20"
    )


def test_the_notice_ends_at_midnight_in_england() -> None:
    decided = {
        "effective_on": on("04-21"),
        "recorded_at": datetime.fromisoformat("2026-04-20T23:00Z"),
    }
    clawed_back(*STEPS[:2]).when("confirm_clawback", **RECOVERED, **decided, by="bob").then(
        ClawbackConfirmed
    )


def test_once_the_person_has_answered_a_decision_need_not_wait() -> None:
    story = clawed_back(*STEPS[:2]).when("dispute_clawback", **CB1).then(ClawbackDisputed)
    story.when("confirm_clawback", **RECOVERED, effective_on=on("04-15"), by="bob").then(
        ClawbackConfirmed
    )


def test_nobody_confirms_or_waives_a_clawback_they_proposed() -> None:
    clawed_back(*STEPS[:2]).when(
        "confirm_clawback", **RECOVERED, effective_on=on("04-21"), by="ann"
    ).refused(SamePersonProposed)
    clawed_back(*STEPS).when(
        "waive_clawback", **{**CLAWBACK_STEPS["waive_clawback"], "by": "ann"}
    ).refused(SamePersonProposed)


def test_more_than_the_person_was_told_is_refused_and_less_is_not() -> None:
    confirm = {**RECOVERED, "effective_on": on("04-21"), "by": "bob"}
    clawed_back(*STEPS[:2]).when("confirm_clawback", **{**confirm, "amount_pence": 10_001}).refused(
        ClawbackExceedsProposal
    )
    clawed_back(*STEPS[:2]).when("confirm_clawback", **{**confirm, "amount_pence": 1}).then(
        ClawbackConfirmed
    )


@pytest.mark.parametrize("instalment", [0, -1])
def test_recovery_from_payments_needs_an_instalment(instalment: int) -> None:
    by_deduction = {**RECOVERED, "recovery": "deduction", "instalment_pence": instalment}
    clawed_back(*STEPS[:2]).when(
        "confirm_clawback", **by_deduction, effective_on=on("04-21"), by="bob"
    ).refused(InvalidMoney)


def test_an_instalment_means_nothing_where_the_person_pays() -> None:
    clawed_back(*STEPS[:2]).when(
        "confirm_clawback", **RECOVERED, instalment_pence=5, effective_on=on("04-21"), by="bob"
    ).then(ClawbackConfirmed, instalment_pence=0)


def test_the_same_receipt_twice_is_recorded_once() -> None:
    receipt = {**CB1, "amount_pence": 10_000, "receipt_reference": "R1"}
    story = clawed_back(*STEPS).when("receive_clawback", **receipt).then(ClawbackReceived)
    story.when("receive_clawback", **receipt).nothing()
    story.when("receive_clawback", **{**receipt, "amount_pence": 1}).refused(
        ReferenceUsedForOtherFacts
    )
    story.when("receive_clawback", **{**receipt, "receipt_reference": "R2"}).refused(
        ClawbackExceedsOutstanding
    )


def test_more_than_is_outstanding_is_neither_received_nor_waived() -> None:
    story = clawed_back(*STEPS)
    too_much = {**CB1, "amount_pence": 10_001}
    story.when("receive_clawback", **too_much, receipt_reference="R1").refused(
        ClawbackExceedsOutstanding
    )
    story.when("waive_clawback", **too_much, reason_code="hardship", by="bob").refused(
        ClawbackExceedsOutstanding
    )


def test_a_clawback_is_waived_in_part_and_then_settled() -> None:
    waiver = {**CB1, "reason_code": "hardship", "by": "bob"}
    story = clawed_back(*STEPS).when("waive_clawback", **waiver, amount_pence=9_000)
    story.then(ClawbackWaived)
    assert story.aggregate.clawbacks["CB1"].outstanding_pence == 1_000
    story.when("waive_clawback", **waiver, amount_pence=1_000).then(ClawbackWaived)
    assert story.aggregate.clawbacks["CB1"].status == "settled"
    story.when("waive_clawback", **waiver, amount_pence=1).refused(ClawbackNotExpected)


def test_instalments_are_deducted_from_payments_until_the_clawback_is_settled() -> None:
    story = clawed_back(*STEPS, instalment=6_000)
    for period, cycle, instalment in ((APRIL, "C1", 6_000), (MAY, "C2", 4_000)):
        story.when("schedule_payment", **payment_for(story.aggregate, period, cycle)).then(
            ClawbackDeducted,
            PaymentScheduled,
            deducted_pence=instalment,
            amount_pence=66_820 - instalment,
        )
    assert story.aggregate.clawbacks["CB1"].status == "settled"
    assert story.aggregate.payment_due(JUNE).deductions == ()


def test_a_payment_with_instalments_scheduled_twice_deducts_once() -> None:
    story = clawed_back(*STEPS, instalment=6_000)
    payment = payment_for(story.aggregate, APRIL)
    story.and_("schedule_payment", **payment).when("schedule_payment", **payment).nothing()
    assert story.aggregate.clawbacks["CB1"].outstanding_pence == 4_000


@pytest.mark.parametrize(
    ("instalment", "deducted"), [(66_819, 66_819), (66_820, 0), (66_821, 0), (99_999, 0)]
)
def test_an_instalment_is_taken_whole_or_not_at_all_and_leaves_something(
    instalment: int, deducted: int
) -> None:
    story = clawed_back(*STEPS, amount=99_999, instalment=instalment)
    assert story.aggregate.payment_due(APRIL).deducted_pence == deducted


def test_several_instalments_are_taken_in_turn_as_far_as_the_payment_bears_them() -> None:
    budget = a_payable_budget()
    for reference, instalment in (("CB1", 60_000), ("CB2", 7_000), ("CB3", 6_819)):
        for command, facts in a_confirmed_clawback(90_000, instalment, reference):
            given(budget).and_(command, **facts)
    assert budget.payment_due(APRIL).deductions == (("CB1", 60_000), ("CB3", 6_819))


def test_nothing_is_deducted_while_a_clawback_is_disputed_or_repaid_otherwise() -> None:
    for steps in ((*STEPS[:2], "dispute_clawback"), STEPS):
        assert clawed_back(*steps).aggregate.payment_due(APRIL).deductions == ()


def test_a_payment_without_its_deduction_is_refused() -> None:
    story = payable()
    payment = payment_for(story.aggregate, APRIL)
    for command, facts in a_confirmed_clawback(instalment=6_000):
        story.and_(command, **facts)
    story.when("schedule_payment", **payment).refused(PaymentDiffersFromEntitlement)


# --- any history --------------------------------------------------------------------------

DATES = st.integers(-3, 120).map(lambda n: FIRST_DAY + timedelta(days=n))
PENCE = st.sampled_from([0, 1, 700, 5_000, 10_000, 31_000, 250_000])
LINES = st.sampled_from(["L1", "L2", "L3"])
PROVIDERS = st.sampled_from(["P1", "P2"])
PAYEES = st.sampled_from(["payee-1", "payee-2", "P1"])
CLAWBACKS = st.sampled_from(["CB1", "CB2"])
SUSPENDED_FOR = st.sampled_from(["hospital_stay", "return_missing", "safeguarding"])


def one_of(literal: Any) -> st.SearchStrategy[str]:
    return st.sampled_from(get_args(literal))


LINE = st.builds(
    a_line,
    LINES,
    PENCE,
    one_off_pence=st.sampled_from([0, 0, 0, 700]),
    starts_on=DATES,
    deployment=one_of(Deployment),
    chargeable=st.booleans(),
)
ORGANISATIONS = st.sampled_from(["ACME", "OTHER"])
COMMANDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "open": {name: st.just(value) for name, value in OPENED.items()},
    "offer_direct_payment": {
        "occasion": one_of(care_decisions.Occasion),
        "outcome": st.sampled_from(["accepted", "accepted", "deferred", "excluded"]),
        "reason_code": st.sampled_from([*LAWFUL_EXCLUSIONS, ""]),
    },
    "sign_agreement": {
        "template_version": st.just("2026-1"),
        "return_frequency": one_of(care_decisions.ReturnFrequency),
    },
    "close": {"reason_code": one_of(care_decisions.ClosingReason)},
    "agree_allocation": {"lines": st.lists(LINE, min_size=1, max_size=2).map(tuple)},
    "revise_allocation": {"line_reference": LINES, "weekly_pence": PENCE},
    "end_allocation": {"line_reference": LINES},
    "assess_contribution": {
        "weekly_pence": PENCE,
        "basis": st.sampled_from(["net", "gross"]),
        "full_cost": st.booleans(),
        "order": st.sampled_from([(), get_args(Deployment), tuple(reversed(get_args(Deployment)))]),
    },
    "invoice_contribution": {
        "invoice_reference": st.sampled_from(["INV1", "INV2", "INV3"]),
        "period": st.integers(1, 4).map(cycle_period),
    },
    "receive_contribution": {
        "receipt_reference": st.sampled_from(["R1", "R2"]),
        "amount_pence": PENCE,
    },
    "suspend_payments": {
        "reason_code": SUSPENDED_FOR,
        "interim_arrangement": one_of(InterimArrangement),
        "review_on": DATES,
        "retainer_weekly_pence": PENCE,
        "expires_on": st.one_of(st.none(), DATES),
    },
    "propose_resumption": {"reason_code": SUSPENDED_FOR, "arrears_due": st.booleans()},
    "resume_payments": {
        "reason_code": st.one_of(st.none(), SUSPENDED_FOR),
        "arrears_due": st.booleans(),
    },
    "switch_to_provided_services": {
        "line_references": st.sampled_from([(), ("L1",)]),
        "at_own_request": st.booleans(),
    },
    "resume_direct_payment": {
        "line_references": st.sampled_from([(), ("L1",)]),
        "deployment": one_of(PaidDeployment),
    },
    "propose_payee": {
        "payee_reference": PAYEES,
        "payee_type": one_of(payees.PayeeType),
        "fingerprint": st.sampled_from(["account-1", "account-2"]),
        "modulus_check": one_of(payees.ModulusCheck),
        "modulus_table_version": st.sampled_from(["", "7.40"]),
        "source": one_of(payees.PayeeSource),
    },
    "propose_managed_account": {"provider_reference": PROVIDERS},
    "hold_service_fund": {"provider_reference": PROVIDERS},
    "receive_service_fund": {"receipt_reference": st.sampled_from(["R1", "R2"])},
    "check_payee_name": {
        "payee_reference": PAYEES,
        "answer": one_of(payees.NameAnswer),
        "checked_with": st.just("simulator"),
    },
    "check_payee_number": {
        "payee_reference": PAYEES,
        "modulus_check": one_of(payees.ModulusCheck),
        "modulus_table_version": st.sampled_from(["", "7.40"]),
    },
    "verify_payee": {
        "payee_reference": PAYEES,
        "override_reason": st.sampled_from([None, *get_args(payees.OverrideReason)]),
    },
    "withdraw_payee": {
        "payee_reference": PAYEES,
        "reason_code": one_of(payees.WithdrawalReason),
    },
    "request_spend_return": {
        "return_reference": st.sampled_from(["SR1", "SR2"]),
        "period": st.just(APRIL),
        "due_on": DATES,
    },
    "submit_spend_return": {name: st.just(value) for name, value in FIGURES.items()},
    "query_spend_return": {
        "return_reference": st.just("SR1"),
        "query_code": one_of(spend_returns.ReturnQuery),
    },
    "accept_spend_return": {"return_reference": st.just("SR1")},
    "propose_clawback": {
        "clawback_reference": CLAWBACKS,
        "amount_pence": PENCE,
        "cause_code": one_of(clawbacks.ClawbackCause),
    },
    "notify_clawback": {"clawback_reference": CLAWBACKS, "respond_by": DATES},
    "dispute_clawback": {"clawback_reference": CLAWBACKS},
    "confirm_clawback": {
        "clawback_reference": CLAWBACKS,
        "amount_pence": PENCE,
        "recovery": one_of(clawbacks.Recovery),
        "instalment_pence": PENCE,
    },
    "receive_clawback": {
        "clawback_reference": CLAWBACKS,
        "amount_pence": PENCE,
        "receipt_reference": st.sampled_from(["R1", "R2"]),
    },
    "waive_clawback": {
        "clawback_reference": CLAWBACKS,
        "amount_pence": PENCE,
        "reason_code": one_of(clawbacks.WaiverReason),
    },
    "cap_recovery": {"per_payment_pence": st.one_of(st.none(), PENCE)},
    "return_payment": {
        "nth": st.integers(0, 3),
        "reason_code": one_of(payments.ReturnReason),
    },
    "refund_payment": {"nth": st.integers(0, 3)},
    "open_estate_case": {
        "case_reference": st.sampled_from(["EC1", "EC2"]),
        "reported_by": one_of(estates.ReportedBy),
    },
    "decide_estate_case": {
        "case_reference": st.sampled_from(["EC1", "EC2"]),
        "outcome": one_of(estates.EstateOutcome),
        "died_on": st.none() | DATES,
    },
    "appoint_representative": {
        "person_reference": st.sampled_from(["R000001", "R000009"]),
        "kind": one_of(representatives.RepresentativeKind),
    },
    "end_representative": {"person_reference": st.just("R000009")},
    "grant_access": {
        "organisation_reference": ORGANISATIONS,
        "ends_on": DATES,
        "facts": one_of(consents.SharedFacts),
        "given_by": one_of(consents.GivenBy),
    },
    "revoke_access": {"organisation_reference": ORGANISATIONS},
    "declare_interest": {
        "user_name": st.sampled_from(["bob", "carl"]),
        "kind": one_of(interests.InterestKind),
    },
    "end_interest": {"user_name": st.sampled_from(["bob", "carl"])},
    # Given by a financial assessment, not by people:
    "assess_finances": {
        "assessment_reference": st.sampled_from(["FA1", "FA2", "FA3"]),
        "amounts": st.lists(st.tuples(PENCE, st.booleans()), min_size=1, max_size=2),
        "basis": st.sampled_from(["net", "gross"]),
        "order": st.sampled_from([(), get_args(Deployment)]),
        "recovery": st.sampled_from(["net_off", "weekly_cap", "invoice"]),
    },
    # Given by a payment cycle, not by people:
    "schedule_payment": {"cycle": st.integers(1, 4), "channel": st.sampled_from(CHANNELS)},
    "confirm_payment": {"nth": st.integers(0, 3)},
    "cancel_payment": {"nth": st.integers(0, 3)},
    "reject_payment": {"nth": st.integers(0, 3), "reason_code": one_of(payments.BankRejection)},
    "reissue_payment": {"nth": st.integers(0, 3), "cycle_reference": st.just("C9")},
}
AND_WHO_AND_WHEN = {"effective_on": DATES, "by": st.sampled_from(["ann", "bob"])}
ANYTHING_SAID = st.one_of(
    *[
        st.tuples(st.just(name), st.fixed_dictionaries({**facts, **AND_WHO_AND_WHEN}))
        for name, facts in COMMANDS.items()
        for _ in range(3 if name.endswith("_payment") else 1)
    ]
)


def ready(budget: PersonalBudget, command: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with what depends on the budget filled in: its own payments and what is due."""
    facts = dict(facts)
    if command == "assess_finances":
        first, amounts = facts["effective_on"], facts.pop("amounts")
        terms = tuple(
            AssessedTerm(first + timedelta(weeks=2 * place), *amount)
            for place, amount in enumerate(amounts)
        )
        cap = 700 if facts["recovery"] == "weekly_cap" else 0
        told = {"outcome": "assessed", "terms": terms, "weekly_cap_pence": cap}
        return {**facts, **told, "decided_on": first}
    if "cycle" in facts:
        number = facts.pop("cycle")
        return {
            **facts,
            **payment_for(budget, cycle_period(number), f"C{number}", facts["channel"]),
            "effective_on": facts["effective_on"],
        }
    if "nth" in facts:
        references = [*budget.payments, "DP0"]
        reference = references[facts.pop("nth") % len(references)]
        if command == "reissue_payment":
            payment = budget.payments.get(reference)
            provider = budget.provider_of(payment.channel) if payment else ""
            return {
                **facts,
                "payment_reference": f"{reference}R",
                "reissue_of": reference,
                "paid_to": credit_to(provider, "C9", "account-2") if provider else None,
            }
        return {**facts, "payment_reference": reference}
    if command == "receive_service_fund":
        lines = budget.adjustments_due("service_fund")
        return {**facts, "amount_pence": -sum(line.amount_pence for line in lines)}
    clawback = budget.clawbacks.get(facts.get("clawback_reference", ""))
    if command == "confirm_clawback" and clawback and clawback.cause_code == "overpayment":
        return {**facts, "amount_pence": -sum(x.amount_pence for x in budget.adjustments_due())}
    return facts


def a_history(
    anything: list[tuple[str, dict[str, Any]]],
) -> tuple[PersonalBudget, list[Recorded], dict[int, dict[str, str]]]:
    """A budget lived through anything said to it; its events; its state at each version."""
    story = given(PersonalBudget("PB000001"))
    history: list[Recorded] = []
    states: dict[int, dict[str, str]] = {}
    beginning = ("open", {"effective_on": FIRST_DAY, "by": "ann", **OPENED})
    for command, facts in [beginning, *anything]:
        story.when(command, **ready(story.aggregate, command, facts))
        before = len(history)
        for place, event in enumerate(story.recorded, before + 1):
            history.append(Recorded(story.aggregate.id, place, event))
        states[len(history)] = state_of(story.aggregate)
    assert story.aggregate.version == len(history)
    return story.aggregate, history, states


IN_A_FUND = a_line("L9", 9_001, deployment="individual_service_fund")
PAYABLE: list[tuple[str, dict[str, Any]]] = [
    (command, {"effective_on": FIRST_DAY, "by": "ann", **facts})
    for command, facts in (
        ("offer_direct_payment", ACCEPTED),
        ("sign_agreement", {"template_version": "2025-1"}),
        ("agree_allocation", {"lines": (a_line("L1", 31_000), IN_A_FUND)}),
        ("hold_service_fund", {"provider_reference": "P1"}),
        ("propose_payee", {**PAYEE_2, "payee_reference": "payee-1"}),
        ("verify_payee", {"payee_reference": "payee-1", "by": "bob"}),
    )
]
ANY_LIFE = st.lists(ANYTHING_SAID, max_size=25)


TERMS = (
    "assess_finances",
    "agree_allocation",
    "revise_allocation",
    "end_allocation",
    "assess_contribution",
    "suspend_payments",
    "propose_resumption",
    "resume_payments",
    "switch_to_provided_services",
    "resume_direct_payment",
    "hold_service_fund",
    "close",
)
ANY_TERMS = st.lists(ANYTHING_SAID.filter(lambda said: said[0] in TERMS), max_size=3)


def observable(budget: PersonalBudget) -> dict[str, Any]:
    """Everything a budget answers and knows, but for the cancelled payments it keeps."""
    state: dict[str, Any] = {
        name: value
        for name, value in state_of(budget).items()
        if name not in ("payments", "changed_from", "version")
    }
    state["payments"] = repr([p for p in budget.payments.values() if p.status != "cancelled"])
    for channel in CHANNELS:
        state[f"last {channel}"] = repr(budget.last_paid(channel))
        for number in (1, 2, 3, 5):
            period = cycle_period(number)
            state[f"due {channel} {number}"] = budget.payment_due(period, channel)
            gates = budget.failed_gates(period, period.starts_on, channel=channel)
            state[f"gates {channel} {number}"] = [str(gate) for gate in gates]
    return state


@for_all(ANY_LIFE, st.integers(1, 4), st.sampled_from(CHANNELS), ANY_TERMS)
def test_a_payment_promised_and_cancelled_leaves_the_budget_as_if_it_never_had_been(
    anything: list[tuple[str, dict[str, Any]]],
    number: int,
    channel: Channel,
    meanwhile: list[tuple[str, dict[str, Any]]],
) -> None:
    """Whatever happened before, and whatever terms change between the promise and its end."""
    life = [*PAYABLE, *anything]
    story, without = given(a_history(life)[0]), given(a_history(life)[0])
    payment = payment_for(story.aggregate, cycle_period(number), "C9", channel)
    if story.when("schedule_payment", **payment).refusal:
        return
    for command, facts in meanwhile:
        told = ready(story.aggregate, command, facts)
        for each in (story, without):
            each.when(command, **told)
    story.when("cancel_payment", payment_reference=payment["payment_reference"]).then(
        PaymentCancelled
    )
    assert observable(story.aggregate) == observable(without.aggregate)


def test_any_life_is_made_of_every_command_there_is() -> None:
    verbs = ("schedule", "confirm", "reissue", "cancel", "reject")
    by_a_cycle = {f"{verb}_payment" for verb in verbs}
    by_the_ledger = {
        "propose_payee",
        "check_payee_name",
        "check_payee_number",
        "assess_finances",
    }
    assert COMMANDS.keys() == commands_of(PersonalBudget).keys() | by_a_cycle | by_the_ledger


@for_all(ANY_LIFE)
def test_whatever_is_said_is_recorded_or_refused_and_any_prefix_replays_the_same(
    anything: list[tuple[str, dict[str, Any]]],
) -> None:
    """`when` has checked, of every refusal, that it left no event and no change."""
    _, history, states = a_history([*PAYABLE, *anything])
    for version in range(1, len(history) + 1):
        loaded = replayed(PersonalBudget, history[:version])
        assert loaded.version == version
        assert loaded.collect_events() == []
        if version in states:  # a command may record two events
            assert state_of(loaded) == states[version]


@for_all(ANY_LIFE)
def test_a_history_survives_being_written_and_read(
    anything: list[tuple[str, dict[str, Any]]],
) -> None:
    budget, history, _ = a_history([*PAYABLE, *anything])
    stored = encoded(history)
    read = [
        Recorded(budget.id, one.originator_version, decode(one.topic, one.state)) for one in stored
    ]
    assert read == history
    assert encoded(read) == stored
    assert state_of(replayed(PersonalBudget, read)) == state_of(budget)


# --- events and topics --------------------------------------------------------------------


def test_nothing_loads_from_no_history() -> None:
    assert PersonalBudget.project(None, []) is None


def test_a_topic_or_a_class_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        register("personal-budget", {"opened.v1": Event})
    with pytest.raises(ValueError, match="registered twice"):
        register("personal-budget", {"opened.v9": BudgetOpened})


def test_an_event_cannot_be_changed() -> None:
    event = BudgetClosed(reason_code="died", **said())
    with pytest.raises(AttributeError):
        event.reason_code = "moved_away"  # type: ignore[misc]


def test_a_budget_is_asked_about_any_period_without_being_changed() -> None:
    budget = a_payable_budget()
    before = state_of(budget)
    budget.payment_due(days("04-06", "04-06"))
    list(budget.failed_gates(JUNE, on("05-29")))
    assert state_of(budget) == before
