"""Who acts for a recipient, who may see how their budget stands, and who may not act on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ledger.aggregates import cycle_events as cycle
from ledger.aggregates.consents import AccessGranted, AccessRevoked
from ledger.aggregates.cycle_preparation import HoldRules, Preparation
from ledger.aggregates.interests import InterestDeclared, InterestEnded
from ledger.aggregates.payees import PayeeVerified
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payments import PaymentCancelled, PaymentConfirmed, PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.representatives import RepresentativeAppointed, RepresentativeEnded
from ledger.aggregates.spend_returns import SpendReturnSubmitted
from ledger.errors import (
    AccessNotGranted,
    ApproverPreparedCycle,
    BeforeBudgetOpened,
    BudgetIsClosed,
    GrantNotTimeBoxed,
    InterestInBudget,
    InterestNotFound,
    InvalidValue,
    NobodyActsForRecipient,
    ReferenceUsedForOtherFacts,
    RepresentativeIsRecipient,
    RepresentativeNotFound,
    TakesEffectLater,
    VerifierProposedPayee,
)
from tests.given import (
    FIRST_DAY,
    a_payable_budget,
    an_open_budget,
    cycle_period,
    given,
    on,
    pay,
    pay_day,
    payment_for,
    said,
    tell,
)

ACME = {"organisation_reference": "ACME-PAYROLL"}
DAUGHTER = {"person_reference": "R000009", "kind": "nominated_person"}


# --- who acts for the recipient -----------------------------------------------------------


def test_someone_is_appointed_and_ended():
    story = given(an_open_budget()).when("appoint_representative", **DAUGHTER)
    story.then(RepresentativeAppointed, person_reference="R000009", kind="nominated_person")
    assert list(story.aggregate.representatives) == ["R000009"]
    story.when("appoint_representative", **DAUGHTER).nothing()
    story.when("end_representative", person_reference="R000009").then(RepresentativeEnded)
    assert not story.aggregate.representatives
    story.when("end_representative", person_reference="R000009").refused(RepresentativeNotFound)


def test_a_nominated_person_becomes_an_authorised_one_by_ending_first():
    story = given(an_open_budget(), ("appoint_representative", DAUGHTER))
    other = {**DAUGHTER, "kind": "authorised_person"}
    story.when("appoint_representative", **other).refused(ReferenceUsedForOtherFacts)
    story.and_("end_representative", person_reference="R000009")
    story.when("appoint_representative", **other).then(RepresentativeAppointed)


def test_nobody_acts_for_themselves():
    given(an_open_budget()).when(
        "appoint_representative", person_reference="R000001", kind="nominated_person"
    ).refused(RepresentativeIsRecipient)


def test_who_acts_is_recorded_when_it_is_so_and_not_before():
    tomorrow = {"effective_on": FIRST_DAY + timedelta(days=1), "recorded_at": _morning()}
    story = given(an_open_budget())
    story.when("appoint_representative", **DAUGHTER, **tomorrow).refused(TakesEffectLater)
    story.and_("appoint_representative", **DAUGHTER)
    story.when("end_representative", person_reference="R000009", **tomorrow).refused(
        TakesEffectLater
    )


def test_nobody_begins_to_act_on_a_budget_that_is_closed():
    story = given(an_open_budget(), ("close", {"reason_code": "needs_ended"}))
    story.when("appoint_representative", **DAUGHTER).refused(BudgetIsClosed)


REPORTED = ("open_estate_case", {"case_reference": "EC1", "reported_by": "bank"})
DIED = {"case_reference": "EC1", "outcome": "recipient_died", "died_on": on("05-01"), "by": "bob"}
IN_ERROR = {"case_reference": "EC1", "outcome": "reported_in_error", "by": "bob"}


def test_nobody_acts_for_somebody_whose_death_is_recorded():
    story = given(an_open_budget(), ("appoint_representative", DAUGHTER), REPORTED)
    assert list(story.aggregate.representatives) == ["R000009"], "a report may be in error"
    by_her = {**ACME, "ends_on": on("07-05"), "given_by": "representative"}
    story.when("grant_access", **by_her).then(AccessGranted)
    story.and_("decide_estate_case", **DIED)
    assert not story.aggregate.representatives
    story.when("grant_access", **by_her).refused(BudgetIsClosed)
    story.when("end_representative", person_reference="R000009").refused(RepresentativeNotFound)


def test_a_death_reported_in_error_ends_nothing():
    story = given(an_open_budget(), ("appoint_representative", DAUGHTER), REPORTED)
    story.and_("grant_access", **ACME, ends_on=on("07-05")).and_("decide_estate_case", **IN_ERROR)
    assert list(story.aggregate.representatives) == ["R000009"]
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("04-07"))


# --- consent ------------------------------------------------------------------------------


def _morning() -> Any:
    return said(FIRST_DAY)["recorded_at"]


def test_access_is_granted_to_a_day_and_counts_on_its_days_alone():
    story = given(an_open_budget())
    story.when("grant_access", **ACME, ends_on=on("07-05")).then(
        AccessGranted, facts="status", ends_on=on("07-05"), given_by="recipient"
    )
    budget = story.aggregate
    for day, in_force in (("04-05", False), ("04-06", True), ("07-05", True), ("07-06", False)):
        assert (budget.grant_in_force("ACME-PAYROLL", on(day)) is not None) == in_force, day
    assert budget.grant_in_force("OTHER", on("04-06")) is None


def test_the_same_grant_again_is_nothing_and_another_takes_its_place():
    story = given(an_open_budget(), ("grant_access", {**ACME, "ends_on": on("07-05")}))
    story.when("grant_access", **ACME, ends_on=on("07-05")).nothing()
    story.when("grant_access", **ACME, ends_on=on("05-05"), facts="status_and_amounts").then(
        AccessGranted
    )
    grant = story.aggregate.grant_in_force("ACME-PAYROLL", on("05-05"))
    assert grant is not None
    assert grant.facts == "status_and_amounts"
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("05-06")) is None


def test_access_is_taken_back_at_once_whatever_day_is_said():
    story = given(an_open_budget(), ("grant_access", {**ACME, "ends_on": on("07-05")}))
    story.when("revoke_access", **ACME, effective_on=on("06-01")).then(AccessRevoked)
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("04-07")) is None
    story.when("revoke_access", **ACME).refused(AccessNotGranted)


@pytest.mark.parametrize("ends_on", [on("04-05"), FIRST_DAY + timedelta(days=367)])
def test_access_is_always_for_a_time(ends_on):
    given(an_open_budget()).when("grant_access", **ACME, ends_on=ends_on).refused(
        GrantNotTimeBoxed, field="ends_on"
    )


def test_only_who_acts_for_the_recipient_gives_consent_for_them():
    for_them = {**ACME, "ends_on": on("07-05"), "given_by": "representative"}
    story = given(an_open_budget()).when("grant_access", **for_them)
    story.refused(NobodyActsForRecipient)
    story.and_("appoint_representative", **DAUGHTER)
    story.when("grant_access", **for_them).then(AccessGranted, given_by="representative")


def test_access_is_granted_while_the_budget_is_open():
    story = given(an_open_budget())
    story.when("grant_access", **ACME, ends_on=on("05-05"), effective_on=on("04-05")).refused(
        BeforeBudgetOpened
    )
    story.and_("grant_access", **ACME, ends_on=on("05-05")).and_("close", reason_code="needs_ended")
    story.when("grant_access", **ACME, ends_on=on("06-05")).refused(BudgetIsClosed)
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("05-05")), "a last return may be due"
    story.when("revoke_access", **ACME).then(AccessRevoked)


def test_consent_ends_with_the_death_of_who_gave_it():
    story = given(an_open_budget(), ("grant_access", {**ACME, "ends_on": on("07-05")}))
    story.and_("close", reason_code="died", effective_on=on("05-01"))
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("04-07")) is None


def test_consent_on_a_budget_that_was_closed_before_ends_with_the_death_too():
    story = given(an_open_budget(), ("grant_access", {**ACME, "ends_on": on("07-05")}))
    story.and_("close", reason_code="moved_away").and_(REPORTED[0], **REPORTED[1])
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("04-07")), "nothing is decided yet"
    story.and_("decide_estate_case", **DIED)
    assert story.aggregate.grant_in_force("ACME-PAYROLL", on("04-07")) is None


# --- interests ----------------------------------------------------------------------------

AMIRA = {"user_name": "amira", "kind": "relative"}
HELD = {"reason_code": "account_query", "review_on": on("06-01"),
        "interim_arrangement": "none_needed"}  # fmt: skip


def with_interest(kind: str = "relative", user_name: str = "amira") -> PersonalBudget:
    budget = a_payable_budget()
    tell(budget, "declare_interest", user_name=user_name, kind=kind)
    return budget


def test_an_interest_is_declared_by_whoever_has_it_or_by_a_colleague():
    story = given(a_payable_budget()).when("declare_interest", **AMIRA, by="amira")
    story.then(InterestDeclared, user_name="amira", kind="relative")
    story.when("declare_interest", **AMIRA, by="amira").nothing()
    story.when("declare_interest", user_name="bilal", kind="own_budget").then(InterestDeclared)
    story.when("declare_interest", user_name=" ", kind="relative").refused(
        InvalidValue, field="user_name"
    )


def test_nothing_is_recorded_of_who_has_an_interest():
    story = given(with_interest())
    story.when("suspend_payments", **HELD, by="amira").refused(InterestInBudget)
    story.when("suspend_payments", **HELD, by="bilal")
    assert story.refusal is None


def test_nobody_lifts_their_own_interest():
    story = given(with_interest())
    story.when("end_interest", user_name="amira", by="amira").refused(InterestInBudget)
    story.when("declare_interest", user_name="amira", kind="own_budget", by="amira").refused(
        InterestInBudget
    )
    story.when("end_interest", user_name="amira").then(InterestEnded)
    story.when("end_interest", user_name="amira").refused(InterestNotFound)
    story.when("suspend_payments", **HELD, by="amira")
    assert story.refusal is None


@pytest.mark.parametrize("kind", ["own_budget", "acts_for_recipient", "relative"])
def test_a_recipient_says_what_is_theirs_to_say_and_a_relative_says_nothing(kind):
    """A member of staff with a budget of their own keeps a recipient's rights on it."""
    budget = with_interest(kind)
    tell(budget, "request_spend_return", return_reference="SR1", period=cycle_period(1),
         due_on=on("06-01"))  # fmt: skip
    figures = {"opening_balance_pence": 0, "money_in_pence": 5, "spending_pence": 5,
               "closing_balance_pence": 0, "return_reference": "SR1"}  # fmt: skip
    asked: list[tuple[str, dict[str, Any], type]] = [
        ("submit_spend_return", figures, SpendReturnSubmitted),
        ("grant_access", {**ACME, "ends_on": on("05-05")}, AccessGranted),
        ("revoke_access", ACME, AccessRevoked),
    ]
    for command, facts, event in asked:
        if kind == "relative":
            story = given(budget)
            story.when(command, **(facts), by="amira")
            if command != "revoke_access":  # there is nothing to take back
                story.refused(InterestInBudget)
        else:
            given(budget).when(command, **facts, by="amira").then(event)
    if kind != "relative":
        given(budget).when("accept_spend_return", return_reference="SR1", by="amira").refused(
            InterestInBudget
        )


def test_who_acted_for_somebody_who_died_says_nothing_for_them():
    budget = with_interest("acts_for_recipient")
    tell(budget, "request_spend_return", return_reference="SR1", period=cycle_period(1),
         due_on=on("06-01"))  # fmt: skip
    tell(budget, "close", reason_code="died", effective_on=on("05-01"))
    figures = {"opening_balance_pence": 0, "money_in_pence": 5, "spending_pence": 5,
               "closing_balance_pence": 0, "return_reference": "SR1"}  # fmt: skip
    given(budget).when("submit_spend_return", **figures, by="amira").refused(InterestInBudget)
    given(budget).when("submit_spend_return", **figures, by="bilal").then(SpendReturnSubmitted)


def test_what_happens_to_a_whole_cycle_happens_to_every_budget_in_it():
    budget = a_payable_budget()
    first = pay(budget, cycle_period(1))
    second = pay(budget, cycle_period(2), "C2")
    tell(budget, "declare_interest", **AMIRA)
    given(budget).when("confirm_payment", payment_reference=first, by="amira").then(
        PaymentConfirmed
    )
    given(budget).when("cancel_payment", payment_reference=second, by="amira").then(
        PaymentCancelled
    )


def test_a_payment_is_not_promised_by_who_has_an_interest():
    budget = with_interest()
    payment = payment_for(budget, cycle_period(1))
    given(budget).when("schedule_payment", **payment, by="amira").refused(InterestInBudget)
    given(budget).when("schedule_payment", **payment, by="bilal").then(PaymentScheduled)


# --- interests in a cycle -----------------------------------------------------------------


def prepared(budget: PersonalBudget, by: str = "ann", **how: Any) -> dict[str, Any]:
    """What preparing a cycle with this budget is told."""
    period = cycle_period(1)
    preparation = Preparation(
        cycle_reference="C1",
        period=period,
        pay_on=pay_day(period),
        variance_percent=10,
        **{name: how[name] for name in ("rules", "release") if name in how},
    )
    preparation.consider(budget)
    return {
        "period": period,
        "pay_on": pay_day(period),
        "lines": preparation.lines(),
        "exceptions": preparation.exceptions(),
        "off_cycle": how.get("off_cycle", False),
        "by": by,
    }


def approving(cycle: PaymentCycle, by: str) -> dict[str, Any]:
    assert cycle.prepared is not None
    facts = {"total_pence": cycle.prepared.total_pence, "by": by}
    return {**facts, "lines_sha256": cycle.prepared.lines_sha256}


def test_who_has_an_interest_in_a_budget_does_not_approve_a_cycle_that_pays_it():
    story = given(PaymentCycle("C1")).and_("prepare", **prepared(with_interest()))
    story.when("approve", **approving(story.aggregate, "amira")).refused(
        InterestInBudget, budgets=["PB000001"]
    )
    story.when("approve", **approving(story.aggregate, "ann")).refused(ApproverPreparedCycle)
    story.when("approve", **approving(story.aggregate, "bilal")).then(cycle.CycleApproved)


def test_who_has_an_interest_prepares_a_regular_cycle_as_it_chooses_nobody():
    story = given(PaymentCycle("C1")).when("prepare", **prepared(with_interest(), "amira"))
    story.then(cycle.CycleLinesListed, cycle.CyclePrepared)


def test_who_has_an_interest_names_no_budget_of_theirs_and_releases_none():
    rules = HoldRules(over_pence=1)
    releasing = {"rules": rules, "release": ["PB000001"]}
    for how in ({"off_cycle": True}, releasing):
        story = given(PaymentCycle("C1"))
        story.when("prepare", **prepared(with_interest(), "amira", **how)).refused(
            InterestInBudget, budgets=["PB000001"]
        )
        story.when("prepare", **prepared(with_interest(), "bilal", **how))
        assert story.refusal is None


# --- two people ---------------------------------------------------------------------------


def test_that_two_people_must_do_some_things_is_a_rule_of_the_domain():
    """Whatever roles anybody has: proposer is not verifier, preparer is not approver."""
    budget = a_payable_budget(without=("verify_payee",))
    story = given(budget).when("verify_payee", payee_reference="payee-1", by="ann")
    story.refused(VerifierProposedPayee)
    story.when("verify_payee", payee_reference="payee-1", by="bob").then(PayeeVerified)
