"""Service funds and managed accounts: what a provider is paid for one person, and when not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.aggregates.cycle_events import CycleException, CycleLine, credits_of
from ledger.aggregates.cycle_preparation import HoldRules, Preparation
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.payees import PayeeProposed, PayeeVerified
from ledger.aggregates.payment_reference import new_payment_reference
from ledger.aggregates.payments import PaidTo, PaymentReissued, PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import tried
from ledger.aggregates.provider import Provider
from ledger.aggregates.service_funds import ServiceFundHeld, ServiceFundRepaid
from ledger.dates import Period
from ledger.errors import (
    BudgetIsClosed,
    EstateCaseIsOpen,
    NoAllocationInForce,
    NothingToPay,
    PayeeUnknown,
    PaymentsAreSuspended,
    ProviderAccountNotVerified,
    ReferenceUsedForOtherFacts,
    ReturnedPaymentNotSettled,
    ServiceFundNotHeld,
    ServiceFundNotOverpaid,
    VerifierProposedPayee,
)
from ledger.projections.audit import sentence
from ledger.projections.postings import postings
from ledger.terms import CHANNELS, Channel
from tests.given import (
    a_confirmed_clawback,
    a_line,
    a_payable_budget,
    change_payee,
    credit_to,
    cycle_period,
    given,
    on,
    pay,
    pay_day,
    payment_for,
    said,
    tell,
)
from tests.providers import (
    HARBOUR,
    SUNRISE,
    a_funded_budget,
    a_provider,
    accounts_of,
    change_account,
    in_a_fund,
    manage,
)

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)
FUND: Channel = "service_fund"
SUSPEND: dict[str, Any] = {
    "reason_code": "hospital_stay",
    "interim_arrangement": "none_needed",
    "review_on": on("06-01"),
}


def a_mixed_budget(reference: str = "PB000001") -> PersonalBudget:
    """£310.00 as a direct payment, £200.00 in a fund, £90.00 provided; £142.95 contributed."""
    lines = [
        a_line("L1", 31_000),
        in_a_fund("L2", 20_000),
        a_line("L3", 9_000, deployment="provided_service"),
    ]
    budget = a_payable_budget(reference, lines=lines, fingerprint=f"of {reference}")
    tell(budget, "hold_service_fund", provider_reference=SUNRISE)
    return budget


def owed(budget: PersonalBudget, period: Period = APRIL, channel: Channel = FUND) -> int:
    return budget.payment_due(period, channel).owed_pence


def posted(event: Event) -> dict[str, int]:
    found = {(p.account): 0 for p in postings(event)}
    for posting in postings(event):
        found[posting.account] += posting.amount_pence
    return found


# --- who holds the fund ---------------------------------------------------------------------


def test_a_provider_is_named_once_and_another_may_follow() -> None:
    story = given(a_funded_budget(held_by=""))
    held = {"provider_reference": SUNRISE}
    story.when("hold_service_fund", **held).then(ServiceFundHeld, **held)
    story.when("hold_service_fund", **held).nothing()
    story.when("hold_service_fund", **held, effective_on=on("05-04")).nothing()
    story.when("hold_service_fund", provider_reference=HARBOUR).then(ServiceFundHeld)
    assert story.aggregate.provider_of(FUND) == HARBOUR


def test_a_fund_is_paid_for_days_from_when_it_was_first_held_here() -> None:
    """What was paid elsewhere before is not paid again."""
    budget = a_funded_budget(held_by="")
    assert owed(budget) == 0
    tell(budget, "hold_service_fund", provider_reference=SUNRISE, effective_on=on("04-20"))
    assert owed(budget) == 2 * 20_000
    [line] = budget.payment_due(APRIL, FUND).lines
    assert line.window.starts_on == on("04-20")
    tell(budget, "hold_service_fund", provider_reference=SUNRISE, effective_on=on("04-13"))
    assert owed(budget) == 3 * 20_000, "an earlier day may be said later"
    tell(budget, "hold_service_fund", provider_reference=HARBOUR, effective_on=on("04-27"))
    assert owed(budget) == 3 * 20_000, "another provider holds the same fund"


def test_a_provider_is_named_within_the_life_of_the_budget() -> None:
    budget = a_funded_budget(held_by="")
    tell(budget, "close", reason_code="moved_away", effective_on=on("04-30"))
    given(budget).when(
        "hold_service_fund", provider_reference=SUNRISE, effective_on=on("05-01")
    ).refused(BudgetIsClosed)


# --- what it is paid ------------------------------------------------------------------------


def test_a_fund_is_paid_whole_and_its_contribution_is_invoiced() -> None:
    budget = a_funded_budget(contribution=5_000)
    assert [(line.kind, line.channel, line.amount_pence) for line in
            budget.payment_due(APRIL, FUND).lines] == [("allocation", FUND, 80_000)]  # fmt: skip
    assert sum(line.amount_pence for line in budget.charges_due(APRIL)) == 20_000


def test_each_channel_pays_its_own_lines_and_the_two_do_not_touch() -> None:
    budget = a_mixed_budget()
    assert owed(budget, channel="direct_payment") == 66_820
    assert owed(budget) == 80_000
    pay(budget, APRIL)
    assert (owed(budget, channel="direct_payment"), owed(budget)) == (0, 80_000)
    pay(budget, APRIL, channel=FUND)
    assert (owed(budget, channel="direct_payment"), owed(budget)) == (0, 0)
    assert [p.channel for p in budget.payments.values()] == ["direct_payment", FUND]


def test_it_names_the_channel_the_provider_and_the_credit() -> None:
    budget = a_mixed_budget()
    [event] = tell(budget, "schedule_payment", **payment_for(budget, APRIL, "C1", FUND))
    assert isinstance(event, PaymentScheduled)
    assert (event.channel, event.provider_reference, event.payee_reference) == (
        FUND, SUNRISE, "account-1",
    )  # fmt: skip
    assert event.bulk_reference == new_payment_reference("C1", SUNRISE, "bulk")
    assert posted(event) == {"individual_service_funds": 80_000, "payments_due": -80_000}
    assert "to the provider SUNRISE (with " in sentence(event)


def test_a_part_period_arrears_and_a_change_put_right_are_paid_as_ever() -> None:
    budget = a_funded_budget(weekly=31_000, starts_on=on("04-16"))
    assert owed(budget) == 79_714
    assert owed(budget, MAY) == 79_714 + 124_000, "a missed period is arrears"
    pay(budget, APRIL, channel=FUND)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=33_850,
         effective_on=on("04-22"))  # fmt: skip
    lines = budget.payment_due(MAY, FUND).lines
    assert [(line.adjustment, line.amount_pence) for line in lines] == [
        (False, 4 * 33_850),
        (True, 4_886),
    ]


def test_a_one_off_is_paid_into_the_fund_once() -> None:
    start_up = in_a_fund("L2", one_off_pence=25_000, starts_on=on("04-10"))
    budget = a_funded_budget()
    tell(budget, "agree_allocation", lines=(start_up,))
    pay(budget, APRIL, channel=FUND)
    assert budget.last_paid(FUND).amount_pence == 80_000 + 25_000  # type: ignore[union-attr]
    assert owed(budget, MAY) == 80_000


def test_a_line_that_moves_to_a_fund_is_put_right_on_both_sides() -> None:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    pay(budget, APRIL, channel=FUND)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=31_000,
         deployment="individual_service_fund", effective_on=on("04-20"))  # fmt: skip
    assert owed(budget, MAY, "direct_payment") == -2 * (31_000 - 14_295)
    assert owed(budget, MAY) == 4 * 51_000 + 2 * 31_000


def test_a_retainer_is_shared_over_all_that_is_paid_out() -> None:
    budget = a_mixed_budget()
    tell(budget, "suspend_payments", **SUSPEND, retainer_weekly_pence=5_100)
    assert owed(budget, channel="direct_payment") == 4 * 3_100
    assert owed(budget) == 4 * 2_000


def test_a_suspension_in_full_stops_the_fund_too() -> None:
    budget = a_mixed_budget()
    tell(budget, "suspend_payments", **SUSPEND)
    assert owed(budget) == 0
    given(budget).when("schedule_payment", **payment_for(budget, MAY, "C1", FUND)).refused(
        PaymentsAreSuspended
    )


def test_no_clawback_is_taken_from_a_fund() -> None:
    budget = a_mixed_budget()
    for command, facts in a_confirmed_clawback(100_000, 30_000):
        tell(budget, command, **facts)
    assert budget.payment_due(APRIL).deducted_pence == 30_000
    assert budget.payment_due(APRIL, FUND).deducted_pence == 0


def test_an_overpayment_asked_back_from_the_person_is_of_the_direct_payment_alone() -> None:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    pay(budget, APRIL, channel=FUND)
    tell(budget, "close", reason_code="moved_away", effective_on=on("04-19"))
    overpaid = {"clawback_reference": "CB1", "amount_pence": 2 * 16_705}
    tell(budget, "propose_clawback", **overpaid, cause_code="overpayment")
    tell(budget, "notify_clawback", clawback_reference="CB1", respond_by=on("04-20"))
    tell(budget, "confirm_clawback", **overpaid, recovery="repayment", by="bob",
         effective_on=on("04-21"))  # fmt: skip
    assert (owed(budget, MAY, "direct_payment"), owed(budget, MAY)) == (0, -2 * 20_000)


# --- what stands in the way -----------------------------------------------------------------


def test_nothing_of_the_direct_payment_stands_before_a_fund() -> None:
    """No offer, no agreement, no payee of the person's."""
    assert list(a_funded_budget().failed_gates(APRIL, pay_day(APRIL), channel=FUND)) == []


def opened_case(budget: PersonalBudget) -> None:
    tell(budget, "open_estate_case", case_reference="EC1", reported_by="family")


IN_THE_WAY: list[tuple[type[Exception], Callable[[], PersonalBudget]]] = [
    (ServiceFundNotHeld, lambda: a_funded_budget(held_by="")),
    (NoAllocationInForce, lambda: a_funded_budget(starts_on=on("05-04"))),
]


@pytest.mark.parametrize(("rule", "example"), IN_THE_WAY)
def test_a_fund_needs_a_line_and_who_holds_it(
    rule: type[Exception], example: Callable[[], PersonalBudget]
) -> None:
    gates = list(example().failed_gates(APRIL, pay_day(APRIL), channel=FUND))
    assert [type(gate) for gate in gates] == [rule]


@pytest.mark.parametrize(
    ("rule", "command", "facts"),
    [
        (BudgetIsClosed, "close", {"reason_code": "died", "effective_on": on("04-20")}),
        (EstateCaseIsOpen, "open_estate_case", {"case_reference": "EC1", "reported_by": "family"}),
        (PaymentsAreSuspended, "suspend_payments", SUSPEND),
    ],
)
def test_what_stops_a_direct_payment_stops_a_fund(
    rule: type[Exception], command: str, facts: dict[str, Any]
) -> None:
    budget = a_mixed_budget()
    tell(budget, command, **facts)
    for channel in CHANNELS:
        gates = budget.failed_gates(MAY, pay_day(MAY), channel=channel)
        assert [type(gate) for gate in gates] == [rule]


def test_money_that_came_back_holds_only_its_own_channel() -> None:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    fund = pay(budget, APRIL, channel=FUND)
    tell(budget, "return_payment", payment_reference=fund, reason_code="B")
    assert list(budget.failed_gates(MAY, pay_day(MAY))) == []
    [gate] = budget.failed_gates(MAY, pay_day(MAY), channel=FUND)
    assert isinstance(gate, ReturnedPaymentNotSettled)


def test_a_death_at_the_providers_bank_is_nobodys_here() -> None:
    budget = a_mixed_budget()
    own, fund = pay(budget, APRIL), pay(budget, APRIL, channel=FUND)
    tell(budget, "return_payment", payment_reference=fund, reason_code="2")
    assert budget.undecided_estate_case == ""
    tell(budget, "return_payment", payment_reference=own, reason_code="2")
    assert budget.undecided_estate_case != ""


def test_a_payment_goes_to_the_provider_who_holds_the_money_and_to_no_other() -> None:
    budget = a_mixed_budget()
    payment = payment_for(budget, APRIL, "C1", FUND)
    story = given(budget)
    for wrong in (None, PaidTo("payee-1"), credit_to(HARBOUR)):
        story.when("schedule_payment", **{**payment, "paid_to": wrong}).refused(PayeeUnknown)
    own = payment_for(budget, APRIL)
    for wrong in (PaidTo("payee-2"), credit_to(SUNRISE)):
        story.when("schedule_payment", **{**own, "paid_to": wrong}).refused(PayeeUnknown)
    nothing = {**payment, "lines": (), "amount_pence": 0}
    pay(budget, APRIL, channel=FUND)
    story.when("schedule_payment", **{**nothing, "payment_reference": "X"}).refused(NothingToPay)


# --- what is paid back ----------------------------------------------------------------------


def an_overpaid_fund() -> PersonalBudget:
    """Paid for April, of which the last two weeks are not owed after all: £400.00."""
    budget = a_funded_budget()
    pay(budget, APRIL, channel=FUND)
    tell(budget, "end_allocation", line_reference="L1", effective_on=on("04-19"))
    return budget


def test_what_a_fund_was_overpaid_comes_off_the_next_payment() -> None:
    budget = a_funded_budget()
    pay(budget, APRIL, channel=FUND)
    tell(budget, "revise_allocation", line_reference="L1", weekly_pence=15_000,
         effective_on=on("04-20"))  # fmt: skip
    assert owed(budget, MAY) == 4 * 15_000 - 2 * 5_000


def test_what_an_ended_fund_was_overpaid_is_paid_back_by_the_provider() -> None:
    budget = an_overpaid_fund()
    receipt = {"receipt_reference": "R1", "amount_pence": 40_000}
    story = given(budget)
    for wrong in (39_999, 0, -40_000):
        story.when("receive_service_fund", **{**receipt, "amount_pence": wrong}).refused(
            ServiceFundNotOverpaid, overpaid_pence=40_000
        )
    story.when("receive_service_fund", **receipt).then(ServiceFundRepaid, **receipt)
    assert posted(story.recorded[0]) == {"individual_service_funds": -40_000, "bank": 40_000}
    assert owed(budget, MAY) == 0
    story.when("receive_service_fund", **receipt).nothing()
    story.when("receive_service_fund", **{**receipt, "amount_pence": 1}).refused(
        ReferenceUsedForOtherFacts
    )
    again = {"receipt_reference": "R2", "amount_pence": 40_000}
    story.when("receive_service_fund", **again).refused(ServiceFundNotOverpaid)


# --- a managed account held by a provider ---------------------------------------------------


def test_a_provider_is_proposed_and_verified_as_any_payee() -> None:
    story = given(a_payable_budget())
    story.when("propose_managed_account", provider_reference=SUNRISE).then(
        PayeeProposed,
        payee_reference=SUNRISE,
        payee_type="managed_account",
        provider_reference=SUNRISE,
        fingerprint="",
    )
    assert story.aggregate.provider_of("direct_payment") == "", "not before it is verified"
    story.when("propose_managed_account", provider_reference=SUNRISE).nothing()
    story.when("verify_payee", payee_reference=SUNRISE).refused(VerifierProposedPayee)
    story.when("verify_payee", payee_reference=SUNRISE, by="bob").then(PayeeVerified)
    assert "details of the provider SUNRISE" in sentence(story.recorded[0])
    assert story.aggregate.provider_of("direct_payment") == SUNRISE
    assert story.aggregate.own_payees == []


def test_a_managed_account_is_paid_net_and_bears_clawbacks() -> None:
    budget = a_payable_budget()
    manage(budget)
    for command, facts in a_confirmed_clawback(10_000, 6_000):
        tell(budget, command, **facts)
    pay(budget, APRIL)
    payment = budget.last_payment
    assert payment is not None
    assert (payment.amount_pence, payment.provider_reference) == (66_820 - 6_000, SUNRISE)


# --- a cycle --------------------------------------------------------------------------------


def prepared(
    *budgets: PersonalBudget,
    providers: tuple[Provider, ...] | None = None,
    period: Period = APRIL,
    **facts: Any,
) -> tuple[list[CycleLine], list[CycleException]]:
    """Prepare a cycle with the providers there are: Sunrise, unless told."""
    preparation = Preparation(
        cycle_reference="CYCLE",
        period=period,
        pay_on=pay_day(period),
        variance_percent=10,
        accounts=accounts_of(*((a_provider(),) if providers is None else providers)),
        **facts,
    )
    for budget in budgets:
        preparation.consider(budget)
    return preparation.lines(), preparation.exceptions()


def test_a_mixed_budget_has_two_payments_and_the_approver_is_asked_about_both() -> None:
    lines, exceptions = prepared(a_mixed_budget())
    assert [(line.channel, line.amount_pence, line.provider_reference) for line in lines] == [
        ("direct_payment", 66_820, ""),
        (FUND, 80_000, SUNRISE),
    ]
    assert len({line.payment_reference for line in lines}) == 2
    assert [(e.code, e.channel) for e in exceptions] == [
        ("first_payment", "direct_payment"),
        ("first_payment", FUND),
    ]


def test_all_that_a_provider_is_paid_is_one_credit_of_the_sum() -> None:
    managed = a_mixed_budget("PB000002")
    manage(managed)
    elsewhere = a_funded_budget("PB000003", held_by=HARBOUR)
    budgets = (a_mixed_budget("PB000001"), managed, elsewhere, a_funded_budget("PB000004"))
    providers = (a_provider(), a_provider(HARBOUR, "account-9"))
    lines, _ = prepared(*budgets, providers=providers)
    assert [(c.payee_reference, c.amount_pence) for c in credits_of(lines)] == [
        ("payee-1", 66_820),
        ("account-1", 80_000 + 66_820 + 80_000 + 80_000),
        ("account-9", 80_000),
    ]
    [_, sunrise, _] = credits_of(lines)
    assert sunrise.reference == new_payment_reference("CYCLE", SUNRISE, "bulk")
    assert sum(c.amount_pence for c in credits_of(lines)) == sum(x.amount_pence for x in lines)


def test_a_shared_provider_is_no_question_about_shared_accounts() -> None:
    _, exceptions = prepared(a_funded_budget("PB000001"), a_funded_budget("PB000002"))
    assert {exception.code for exception in exceptions} == {"first_payment"}


def test_a_fund_that_nobody_is_named_for_is_not_paid_and_the_approver_is_told() -> None:
    lines, exceptions = prepared(a_funded_budget(held_by=""))
    assert lines == []
    assert [(e.code, e.channel) for e in exceptions] == [("service-fund-not-held", FUND)]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("provider", ["unknown", "without_account", "ended"])
def test_a_provider_who_cannot_be_paid_is_told(channel: Channel, provider: str) -> None:
    budget = a_funded_budget()
    if channel == "direct_payment":
        budget = a_payable_budget()
        manage(budget)
    sunrise = a_provider(account="" if provider == "without_account" else "account-1")
    if provider == "ended":
        tell(sunrise, "end", reason_code="ceased_trading", effective_on=on("03-31"))
    lines, exceptions = prepared(budget, providers=() if provider == "unknown" else (sunrise,))
    assert lines == []
    assert [(e.code, e.channel) for e in exceptions] == [("provider-account-not-verified", channel)]


def a_returned_fund() -> tuple[PersonalBudget, str]:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    reference = pay(budget, APRIL, channel=FUND)
    tell(budget, "return_payment", payment_reference=reference, reason_code="B")
    return budget, reference


def test_what_came_back_from_a_provider_is_sent_again_once_another_account_is_verified() -> None:
    budget, reference = a_returned_fund()
    sunrise = a_provider()
    lines, exceptions = prepared(budget, providers=(sunrise,), period=MAY)
    assert [line.channel for line in lines] == ["direct_payment"]
    assert [(e.code, e.channel, e.detail) for e in exceptions] == [
        ("returned-payment-not-settled", FUND, reference)
    ]
    change_account(sunrise, "account-2")
    lines, exceptions = prepared(budget, providers=(sunrise,), period=MAY)
    assert [(x.channel, x.reissue_of, x.amount_pence, x.payee_reference) for x in lines] == [
        (FUND, reference, 80_000, "account-2"),
        ("direct_payment", "", 66_820, "payee-1"),
        (FUND, "", 80_000, "account-2"),
    ]
    assert [c.amount_pence for c in credits_of(lines)] == [160_000, 66_820]
    assert {e.code for e in exceptions} == {"payment_reissued", "payee_changed"}


def test_what_came_back_is_sent_again_to_whoever_holds_the_money_now() -> None:
    budget, reference = a_returned_fund()
    tell(budget, "hold_service_fund", provider_reference=HARBOUR)
    providers = (a_provider(), a_provider(HARBOUR, "account-9"))
    lines, _ = prepared(budget, providers=providers, period=MAY)
    again = next(line for line in lines if line.reissue_of)
    assert (again.reissue_of, again.provider_reference) == (reference, HARBOUR)
    facts = {"payment_reference": "DP9", "reissue_of": reference, "cycle_reference": "C9"}
    story = given(budget)
    story.when("reissue_payment", **facts, paid_to=credit_to(SUNRISE)).refused(PayeeUnknown)
    story.when("reissue_payment", **facts, paid_to=again.paid_to).then(
        PaymentReissued, provider_reference=HARBOUR, amount_pence=80_000
    )
    assert budget.payments["DP9"].channel == FUND


def test_what_is_to_be_sent_again_to_a_provider_without_an_account_is_refused() -> None:
    budget, reference = a_returned_fund()
    with pytest.raises(ProviderAccountNotVerified):
        prepared(budget, providers=(), period=MAY, reissue=(reference,))


def test_a_new_account_of_a_provider_is_held_back_for_everyone_who_is_paid_there() -> None:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    pay(budget, APRIL, channel=FUND)
    sunrise = a_provider()
    change_account(sunrise, "account-2", effective_on=on("04-20"))
    strict = HoldRules(paid_before=on("04-03"))
    lines, exceptions = prepared(budget, providers=(sunrise,), period=MAY, rules=strict)
    assert [line.channel for line in lines] == ["direct_payment"]
    assert [(e.code, e.channel) for e in exceptions] == [("payee_held", FUND)]
    lines, _ = prepared(
        budget, providers=(sunrise,), period=MAY, rules=strict, release={budget.reference}
    )
    assert len(lines) == 2


@pytest.mark.parametrize("channel", CHANNELS)
def test_another_provider_is_held_back_by_the_day_it_was_named(channel: Channel) -> None:
    """However long its account has been verified."""
    budget = a_mixed_budget()
    pay(budget, APRIL)
    pay(budget, APRIL, channel=FUND)
    later = {"effective_on": on("04-20")}
    if channel == FUND:
        tell(budget, "hold_service_fund", provider_reference=HARBOUR, **later)
    else:
        tell(budget, "propose_managed_account", provider_reference=HARBOUR, **later)
        tell(budget, "verify_payee", payee_reference=HARBOUR, by="bob", **later)
    providers = (a_provider(), a_provider(HARBOUR, "account-9"))
    rules = HoldRules(paid_before=on("04-06"))
    _, exceptions = prepared(budget, providers=providers, period=MAY, rules=rules)
    assert [(e.code, e.channel) for e in exceptions if e.code == "payee_held"] == [
        ("payee_held", channel)
    ]


def test_a_payee_of_ones_own_takes_over_from_a_provider() -> None:
    budget = a_payable_budget()
    manage(budget)
    reference = pay(budget, APRIL)
    tell(budget, "return_payment", payment_reference=reference, reason_code="B")
    change_payee(budget, "payee-2", "account-2")
    lines, _ = prepared(budget, period=MAY)
    assert [(x.reissue_of, x.payee_reference, x.bulk_reference) for x in lines] == [
        (reference, "payee-2", ""),
        ("", "payee-2", ""),
    ]


# --- trying a change out --------------------------------------------------------------------


def test_a_preview_shows_both_channels() -> None:
    budget = a_mixed_budget()
    pay(budget, APRIL)
    pay(budget, APRIL, channel=FUND)

    def revise(budget: PersonalBudget) -> None:
        said_then: Any = said(on("04-20"))
        budget.revise_allocation(line_reference="L2", weekly_pence=25_000, **said_then)

    effect = tried(budget, revise, on("04-20")).effect
    assert effect is not None
    [window] = effect.windows
    assert (window.payment_was_pence, window.payment_now_pence) == (146_820, 156_820)
    assert effect.total_pence == 10_000
    assert (effect.weekly_was.gross_pence, effect.weekly_was.service_fund_pence) == (51_000, 20_000)
    [now] = effect.weekly_now
    assert (now.gross_pence, now.payment_pence, now.service_fund_pence) == (56_000, 41_705, 25_000)
    assert [
        (coming.channel, coming.payment_was_pence, coming.payment_now_pence, coming.stopped_by)
        for coming in effect.coming_payments[:4]
    ] == [
        ("direct_payment", 66_820, 66_820, ()),
        (FUND, 80_000, 110_000, ()),
        ("direct_payment", 66_820, 66_820, ()),
        (FUND, 80_000, 100_000, ()),
    ]


def test_a_preview_says_that_nobody_is_named_yet() -> None:
    budget = a_funded_budget(held_by="")
    effect = tried(budget, lambda _: None, on("04-06")).effect
    assert effect is not None
    fund = [coming for coming in effect.coming_payments if coming.channel == FUND]
    assert {coming.stopped_by for coming in fund} == {("service-fund-not-held",)}
