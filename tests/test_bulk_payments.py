"""One credit to a provider for many people: through a whole cycle, and back, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from sqlalchemy import select

from ledger.aggregates.cycle_events import CycleLine, credits_of
from ledger.aggregates.cycle_preparation import Preparation
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payment_reference import new_payment_reference
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.provider import Provider
from ledger.application import Ledger
from ledger.bank.pain001_reader import read_pain001
from ledger.bank_reports import import_report
from ledger.dates import Period, england
from ledger.errors import CycleOutOfDate, PaymentNotFound, ProviderNotInCycle, ReportItemDiffers
from ledger.file_looks import bank_file
from ledger.payment_run import cancel_cycle
from ledger.projections.balances import all_balances
from ledger.projections.finance import finance_totals
from ledger.projections.registers import Payments
from ledger.projections.suspense import suspense
from ledger.report_queue import match_item
from ledger.statements.breakdown import breakdown_csv, breakdown_html, breakdown_of
from ledger.statements.statement import owed_pence, statement_of
from ledger.verification import verify_ledger
from ledger.waiting_items import read_item
from tests.bank_reports import (
    AN_ACCOUNT,
    ANOTHER_ACCOUNT,
    NewAccount,
    Refused,
    Returned,
    Status,
    arucs_xml,
    awacs_xml,
    input_report_xml,
    pain002_xml,
)
from tests.given import (
    a_confirmed_clawback,
    a_payable_budget,
    cycle_period,
    on,
    payment_for,
    tell,
)
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    in_file,
    issue,
    log_of,
    prepare,
    says,
    settings_for,
    settle,
    take_in,
    tell_budget,
)
from tests.providers import (
    HARBOUR,
    SUNRISE,
    a_funded_budget,
    a_mixed_row,
    a_provider,
    a_provider_in,
    accounts_of,
    hold_fund,
    manage,
    manage_in,
    new_account,
    propose_account,
    verify_account,
)

GOLDEN = Path(__file__).parent / "golden" / "breakdowns"
SUN = "123456"
BACK_ON = date(2026, 4, 8)
OWN, FUND = 66_820, 80_000
TO_SUNRISE = FUND + OWN + FUND  # PB000001's fund, PB000002's direct payment and fund


def fill(ledger: Ledger) -> None:
    """Four mixed budgets. Sunrise holds the first fund and all of the second budget; Harbour the
    third fund; nobody is named for the fourth, and a fifth has a direct payment alone."""
    take_in(ledger, a_caseload(*(a_mixed_row(n) for n in (1, 2, 3, 4)), a_row(5)))
    a_provider_in(ledger)
    a_provider_in(ledger, HARBOUR, "70000002")
    hold_fund(ledger, "PB000001")
    hold_fund(ledger, "PB000002")
    hold_fund(ledger, "PB000003", HARBOUR)
    manage_in(ledger, "PB000002")


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as opened:
        fill(opened)
        yield opened


def sent(ledger: Ledger, number: int = 1) -> PaymentCycle:
    """A cycle whose file is with the bank."""
    cycle = approve(ledger, prepare(ledger, number))
    issue(ledger, cycle)
    return ledger.cycle(cycle.reference)


def bulk(cycle: PaymentCycle, provider: str = SUNRISE) -> str:
    return new_payment_reference(cycle.reference, provider, "bulk")


def in_bulk(ledger: Ledger, reference: str) -> list[tuple[str, int, str]]:
    """The payments of a credit as the register has them: channel, pence, status."""
    ledger.projections.catch_up()
    p = Payments.table.c
    query = select(p.channel, p.amount_pence, p.status).where(p.bulk_reference == reference)
    with ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(p.payment_reference))]


def held(ledger: Ledger, day: date = BACK_ON) -> int:
    """What is in suspense; it is always what the account holds."""
    ledger.projections.catch_up()
    found = suspense(ledger.engine, day, england())
    assert found.difference_pence == 0
    return found.total_pence


def came_back(cycle: PaymentCycle, pence: int = TO_SUNRISE, code: str = "B128") -> bytes:
    return arucs_xml(SUN, [Returned(bulk(cycle), pence, code)], BACK_ON)


def bring_in(ledger: Ledger, data: bytes, day: str = "04-08") -> Any:
    return import_report(ledger, data, says("carol", day))


def verified(ledger: Ledger) -> None:
    assert verify_ledger(ledger).difference is None


# --- a cycle --------------------------------------------------------------------------------


def test_a_provider_gets_one_credit_of_the_sum_and_each_person_has_their_payment(
    ledger: Ledger,
) -> None:
    cycle = settle(ledger, sent(ledger))
    own = {line.payment_reference: line.amount_pence for line in cycle.lines
           if not line.bulk_reference}  # fmt: skip
    credits = {c.reference: c.amount_pence for c in in_file(ledger, cycle).credits}
    assert own.keys() < credits.keys()
    assert {r: p for r, p in credits.items() if r not in own} == {
        bulk(cycle): TO_SUNRISE,
        bulk(cycle, HARBOUR): FUND,
    }
    assert len(own) == 4
    assert cycle.prepared is not None
    issued = cycle.require_issued()
    assert (cycle.prepared.line_count, issued.record_count) == (8, 6)
    assert issued.total_pence == cycle.prepared.total_pence == sum(credits.values())
    assert sorted(in_bulk(ledger, bulk(cycle))) == [
        ("direct_payment", OWN, "confirmed"),
        ("service_fund", FUND, "confirmed"),
        ("service_fund", FUND, "confirmed"),
    ]
    account = {c.reference: c for c in in_file(ledger, cycle).credits}[bulk(cycle)]
    assert (account.sort_code, account.account_number) == ("999903", "70000001")
    assert account.payee_name == "SUNRISE CLIENT ACC"
    not_named = [(e.code, e.channel) for e in cycle.exceptions if e.budget_reference == "PB000004"]
    assert ("service-fund-not-held", "service_fund") in not_named
    verified(ledger)


def test_what_funds_cost_stands_on_an_account_of_its_own(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    ledger.projections.catch_up()
    balances = all_balances(ledger.engine)
    assert balances["individual_service_funds"] == 3 * FUND
    assert balances["direct_payments"] == 5 * 124_000
    assert sum(balances.values()) == 0
    [row] = finance_totals(ledger.engine, cycle.reference)
    assert (
        row["scheduled_pence"]
        == row["issued_pence"]
        == row["confirmed_pence"]
        == (5 * OWN + 3 * FUND)
    )


def test_an_iso_20022_file_has_the_same_credits(sqlite_url: str, tmp_path: Path) -> None:
    iso = settings_for(sqlite_url, tmp_path).model_copy(
        update={"bank_file_format": "pain.001.001.09"}
    )
    Ledger.initialise(iso)
    with Ledger(iso) as ledger:
        fill(ledger)
        cycle = sent(ledger)
        credits = read_pain001(bank_file(ledger, cycle.reference)).credits
        assert (bulk(cycle), TO_SUNRISE) in [(c.reference, c.amount_pence) for c in credits]
        lost = Status(bulk(cycle), "RJCT", ("AC04",), TO_SUNRISE)
        taken = [Status(c.reference, "ACSP", ()) for c in credits if c.reference != bulk(cycle)]
        message = cycle.require_issued().file_name.removesuffix(".xml")
        whole = (len(credits), sum(c.amount_pence for c in credits))
        report = pain002_xml(message, [lost, *taken], on("04-01"), original=whole)
        result = bring_in(ledger, report, "04-01")
        assert (result.recorded_count, result.unchanged_count, result.queued) == (1, 5, ())
        now = ledger.cycle(cycle.reference)
        assert (now.is_taken, now.rejected_count, now.rejected_pence) == (True, 3, TO_SUNRISE)
        settle(ledger, now)
        assert {status for _, _, status in in_bulk(ledger, bulk(cycle))} == {"rejected"}
        verified(ledger)


def test_budgets_that_moved_on_decide_again_for_both_channels(ledger: Ledger) -> None:
    cycle = prepare(ledger)
    note = {"reason_code": "hospital_stay", "interim_arrangement": "other",
            "review_on": on("08-01"), "effective_on": on("07-01")}  # fmt: skip
    tell_budget(ledger, "PB000002", "suspend_payments", **note)
    approve(ledger, cycle)
    assert len(ledger.budget("PB000002").payments) == 2
    verified(ledger)


def test_a_fund_that_changed_since_makes_the_approval_void(ledger: Ledger) -> None:
    cycle = prepare(ledger)
    hold_fund(ledger, "PB000001", HARBOUR)
    before = len(log_of(ledger))
    with pytest.raises(CycleOutOfDate, match="PB000001: The payee of PB000001 is another one"):
        approve(ledger, cycle)
    assert len(log_of(ledger)) == before
    again = approve(ledger, prepare(ledger))
    assert {line.provider_reference for line in again.lines} == {"", SUNRISE, HARBOUR}


@pytest.mark.parametrize("how", ["another", "withdrawn", "ended"])
@pytest.mark.parametrize("step", ["approve", "issue"])
def test_a_cycle_is_not_paid_into_an_account_that_is_no_longer_the_providers(
    ledger: Ledger, how: str, step: str
) -> None:
    cycle = prepare(ledger)
    if step == "issue":
        approve(ledger, cycle)
    if how == "another":
        new_account(ledger, SUNRISE, "70000009")
    elif how == "withdrawn":
        account = next(c.payee_reference for c in cycle.lines if c.provider_reference == SUNRISE)
        facts: Any = {"account_reference": account, "reason_code": "fraud_suspected"}
        ledger.change(Provider, SUNRISE, lambda p: p.withdraw_account(**facts, **says("cat")))
    else:
        end: Any = {"reason_code": "ceased_trading", **says("cat", "03-31")}
        ledger.change(Provider, SUNRISE, lambda p: p.end(**end))
    before = len(log_of(ledger))
    with pytest.raises(CycleOutOfDate, match="SUNRISE") as refused:
        (approve if step == "approve" else issue)(ledger, cycle)
    assert refused.value.details["providers"] == [SUNRISE]
    assert len(log_of(ledger)) == before
    if step == "issue":
        cancel_cycle(ledger, cycle.reference, said=says("bob"))
        cycle = prepare(ledger, reference="C2026-01B")
    else:
        cycle = prepare(ledger)
    approve(ledger, cycle)
    issue(ledger, ledger.cycle(cycle.reference))
    verified(ledger)


def test_details_that_are_only_proposed_change_nothing(ledger: Ledger) -> None:
    cycle = prepare(ledger)
    account = propose_account(ledger, SUNRISE, "70000009")
    approve(ledger, cycle)
    issue(ledger, ledger.cycle(cycle.reference))
    verify_account(ledger, SUNRISE, account)
    settle(ledger, ledger.cycle(cycle.reference))


def test_a_cancelled_cycle_undoes_each_payment_of_a_credit(ledger: Ledger) -> None:
    cycle = approve(ledger, prepare(ledger))
    cancel_cycle(ledger, cycle.reference, said=says("bob"))
    assert {status for _, _, status in in_bulk(ledger, bulk(cycle))} == {"cancelled"}
    ledger.projections.catch_up()
    assert set(all_balances(ledger.engine).values()) == {0}
    verified(ledger)
    again = settle(ledger, sent_as(ledger, "C2026-01B"))
    assert credits_of(again.lines)[1].amount_pence == TO_SUNRISE


def sent_as(ledger: Ledger, reference: str) -> PaymentCycle:
    cycle = approve(ledger, prepare(ledger, reference=reference))
    issue(ledger, cycle)
    return ledger.cycle(reference)


# --- money that comes back ------------------------------------------------------------------


def test_a_credit_that_came_back_is_held_for_each_person_and_sent_again_together(
    ledger: Ledger,
) -> None:
    cycle = settle(ledger, sent(ledger))
    result = bring_in(ledger, came_back(cycle))
    assert (result.item_count, result.recorded_count, result.queued) == (1, 1, ())
    assert {status for _, _, status in in_bulk(ledger, bulk(cycle))} == {"returned"}
    assert held(ledger) == TO_SUNRISE
    assert bring_in(ledger, came_back(cycle), "04-09").already_imported

    second = prepare(ledger, 2)
    waits = {e.budget_reference for e in second.exceptions
             if e.code == "returned-payment-not-settled"}  # fmt: skip
    assert waits == {"PB000001", "PB000002"}
    assert [line.provider_reference for line in second.lines if line.bulk_reference] == [HARBOUR]
    assert any(line.budget_reference == "PB000001" and line.channel == "direct_payment"
               for line in second.lines), "the other channel goes on"  # fmt: skip

    new_account(ledger, SUNRISE, "70000009")
    second = settle(ledger, sent(ledger, 2))
    together = [line for line in second.lines if line.provider_reference == SUNRISE]
    assert sum(line.amount_pence for line in together if line.reissue_of) == TO_SUNRISE
    [credit] = [c for c in credits_of(second.lines) if c.reference == bulk(second)]
    assert credit.amount_pence == 2 * TO_SUNRISE
    paid = {c.reference: c for c in in_file(ledger, second).credits}[bulk(second)]
    assert (paid.account_number, paid.amount_pence) == ("70000009", 2 * TO_SUNRISE)
    assert held(ledger, date(2026, 4, 30)) == TO_SUNRISE, "until the day it is paid again"
    assert held(ledger, date(2026, 5, 1)) == 0
    verified(ledger)


def test_a_credit_that_bacs_did_not_take_is_held_for_each_person(ledger: Ledger) -> None:
    cycle = sent(ledger)
    issued = cycle.require_issued()
    report = input_report_xml(
        SUN,
        issued.submission_serial,
        accepted=(issued.record_count - 1, issued.total_pence - TO_SUNRISE),
        processing_on=issued.processing_on,
        errors=[Refused(bulk(cycle), TO_SUNRISE)],
    )
    result = bring_in(ledger, report, "04-01")
    assert (result.recorded_count, result.queued) == (1, ())
    now = ledger.cycle(cycle.reference)
    assert (now.is_taken, now.rejected_count, now.rejected_pence) == (True, 3, TO_SUNRISE)
    settle(ledger, now)
    assert {status for _, _, status in in_bulk(ledger, bulk(cycle))} == {"rejected"}
    assert held(ledger) == TO_SUNRISE
    refund = {"effective_on": on("04-20")}
    for reference in ("PB000001", "PB000002"):
        for name, payment in ledger.budget(reference).held_payments.items():
            assert payment.bulk_reference == bulk(cycle)
            tell_budget(ledger, reference, "refund_payment", payment_reference=name, **refund)
    assert held(ledger, on("04-20")) == 0
    second = prepare(ledger, 2)
    assert {c.reference: c.amount_pence for c in credits_of(second.lines)}[bulk(second)] == (
        2 * TO_SUNRISE
    )
    verified(ledger)


def queued(result: Any) -> list[str]:
    return [one.because for one in result.queued]


def test_a_credit_is_known_by_its_reference_and_its_exact_sum(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    assert queued(bring_in(ledger, came_back(cycle, FUND))) == ["amount_differs"]
    in_it = next(line for line in cycle.lines if line.bulk_reference == bulk(cycle))
    by_itself = [Returned(in_it.payment_reference, in_it.amount_pence, "B128")]
    assert queued(bring_in(ledger, arucs_xml(SUN, by_itself, BACK_ON))) == ["not_sent"]
    assert queued(bring_in(ledger, came_back(cycle, code="9128"))) == ["meaning_unclear"]
    twice = [Returned(bulk(cycle), TO_SUNRISE, "0128")] * 2
    both = bring_in(ledger, arucs_xml(SUN, twice, BACK_ON))
    assert (both.recorded_count, queued(both)) == (1, ["repeated_in_report"])
    assert queued(bring_in(ledger, came_back(cycle, code="5128"))) == ["returned_otherwise"]


def test_what_was_recorded_by_hand_of_one_person_is_completed(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    one = next(line for line in cycle.lines if line.bulk_reference == bulk(cycle))
    facts = {"payment_reference": one.payment_reference, "effective_on": BACK_ON}
    tell_budget(ledger, one.budget_reference, "return_payment", reason_code="B", **facts)
    result = bring_in(ledger, came_back(cycle))
    assert (result.recorded_count, result.queued) == (1, ())
    assert held(ledger) == TO_SUNRISE


def test_a_person_and_the_credit_they_are_in_can_come_back_at_once(ledger: Ledger) -> None:
    """One budget, two items of one report."""
    cycle = settle(ledger, sent(ledger))
    own = next(line for line in cycle.lines if line.budget_reference == "PB000001")
    items = [Returned(own.payment_reference, OWN, "0128"), Returned(bulk(cycle), TO_SUNRISE)]
    result = bring_in(ledger, arucs_xml(SUN, items, BACK_ON))
    assert (result.recorded_count, result.queued) == (2, ())
    assert held(ledger) == OWN + TO_SUNRISE
    verified(ledger)


def test_someone_finds_out_which_credit_an_item_is_about(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    garbled = [Returned("GARBLED", TO_SUNRISE, "B128"), Returned("OTHER", FUND, "B128")]
    report = bring_in(ledger, arucs_xml(SUN, garbled, BACK_ON)).reference
    told: dict[str, Any] = {"budget_reference": SUNRISE, "payment_reference": bulk(cycle)}
    (may_be,) = read_item(ledger, report, 1).payments
    assert may_be[:2] == (SUNRISE, bulk(cycle))
    assert (may_be.amount_pence, may_be.fits) == (TO_SUNRISE, True)
    before = len(log_of(ledger))
    with pytest.raises(PaymentNotFound):
        match_item(ledger, report, 1, **{**told, "budget_reference": HARBOUR}, said=says("dora"))
    with pytest.raises(ReportItemDiffers):
        match_item(ledger, report, 2, **told, said=says("dora"))
    of_one = next(line for line in cycle.lines if line.bulk_reference == bulk(cycle))
    theirs: dict[str, Any] = {
        "budget_reference": of_one.budget_reference,
        "payment_reference": of_one.payment_reference,
    }
    with pytest.raises(ReportItemDiffers, match=f"part of the credit {bulk(cycle)}"):
        match_item(ledger, report, 1, **theirs, said=says("dora"))
    assert len(log_of(ledger)) == before
    match_item(ledger, report, 1, **told, said=says("dora", "04-09"))
    assert held(ledger) == TO_SUNRISE
    twice = [Returned("AGAIN", TO_SUNRISE, "B128"), Returned(bulk(cycle), FUND, "B128")]
    report = bring_in(ledger, arucs_xml(SUN, twice, BACK_ON)).reference
    assert read_item(ledger, report, 1).payments == (), "it came back before"
    named, *others = read_item(ledger, report, 2).payments
    assert (named.payment_reference, named.fits) == (bulk(cycle), False)
    assert {(one.amount_pence, one.fits) for one in others} <= {(FUND, True)}
    of_it = arucs_xml(SUN, [Returned(of_one.payment_reference, 1, "B128")], BACK_ON)
    (whole,) = read_item(ledger, bring_in(ledger, of_it).reference, 1).payments
    assert (whole.payment_reference, whole.amount_pence) == (bulk(cycle), TO_SUNRISE)
    verified(ledger)


def test_advice_of_another_account_of_a_provider_waits_for_a_person(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    advice = [NewAccount(bulk(cycle), "3", AN_ACCOUNT, ANOTHER_ACCOUNT)]
    result = bring_in(ledger, awacs_xml(SUN, advice, BACK_ON))
    assert queued(result) == ["account_of_provider"]


# --- the breakdown --------------------------------------------------------------------------


def test_the_breakdown_adds_up_to_the_credit_and_names_nobody(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    found = breakdown_of(ledger.cycle(cycle.reference), SUNRISE)
    assert [
        (x.budget_reference, x.channel, x.support_pence, x.contribution_pence, x.amount_pence)
        for x in found.lines
    ] == [
        ("PB000001", "service_fund", FUND, 0, FUND),
        ("PB000002", "direct_payment", 124_000, -57_180, OWN),
        ("PB000002", "service_fund", FUND, 0, FUND),
    ]
    credit = {c.reference: c for c in in_file(ledger, cycle).credits}[found.bulk_reference]
    assert found.totals.amount_pence == credit.amount_pence == TO_SUNRISE
    page = breakdown_html(found, "Example Council", "Sunrise Care Ltd")
    rows = breakdown_csv(found)
    for secret in ("Siân", "O'Connor", "R000001", "70000001"):
        assert secret not in page
        assert secret not in rows
    for shown in ("Sunrise Care Ltd", found.bulk_reference, "£2,268.20", "PB000002"):
        assert shown in page
    with pytest.raises(ProviderNotInCycle):
        breakdown_of(ledger.cycle(cycle.reference), "")


def test_what_is_put_right_and_sent_again_has_columns_of_its_own(ledger: Ledger) -> None:
    cycle = settle(ledger, sent(ledger))
    bring_in(ledger, came_back(cycle))
    new_account(ledger, SUNRISE, "70000009")
    tell_budget(ledger, "PB000001", "revise_allocation", line_reference="community.social_care",
                weekly_pence=21_000, effective_on=on("04-20"))  # fmt: skip
    found = breakdown_of(prepare(ledger, 2), SUNRISE)
    first, *_ = [x for x in found.lines if x.budget_reference == "PB000001" and not x.reissue_of]
    assert (first.support_pence, first.put_right_pence, first.amount_pence) == (
        84_000, 2_000, 86_000,
    )  # fmt: skip
    assert found.totals.sent_again_pence == TO_SUNRISE
    for line in (*found.lines, found.totals):
        parts = (line.support_pence, line.contribution_pence, line.put_right_pence,
                 line.deducted_pence, line.sent_again_pence)  # fmt: skip
        assert sum(parts) == line.amount_pence


def a_cycle_with_everything() -> PaymentCycle:
    """A cycle that pays Sunrise for three people, for all that a payment can be made of."""
    budgets = [
        a_funded_budget("PB000001"),
        a_payable_budget("PB000002"),
        a_funded_budget("PB000003"),
    ]
    for budget in (budgets[0], budgets[2]):
        payment = payment_for(budget, cycle_period(1), "C2026-01", "service_fund")
        tell(budget, "schedule_payment", **payment)
    returned = {"payment_reference": next(iter(budgets[2].payments)), "reason_code": "B"}
    tell(budgets[2], "return_payment", effective_on=BACK_ON, **returned)
    tell(budgets[0], "revise_allocation", line_reference="L1", weekly_pence=21_000,
         effective_on=on("04-20"))  # fmt: skip
    manage(budgets[1])
    for command, facts in a_confirmed_clawback(10_000, 4_000):
        tell(budgets[1], command, **facts)
    preparation = Preparation(
        cycle_reference="C2026-02",
        period=cycle_period(2),
        pay_on=date(2026, 5, 1),
        variance_percent=20,
        reissue=[*budgets[2].payments],
        accounts=accounts_of(a_provider()),
    )
    for budget in budgets:
        preparation.consider(budget)
    cycle = PaymentCycle("C2026-02")
    cycle.prepare(
        period=cycle_period(2),
        pay_on=date(2026, 5, 1),
        lines=preparation.lines(),
        exceptions=preparation.exceptions(),
        **says("ann"),
    )
    return cycle


@pytest.mark.parametrize("name", ["sunrise.csv", "sunrise.html"])
def test_the_breakdown_is_the_golden_file(name: str) -> None:
    found = breakdown_of(a_cycle_with_everything(), SUNRISE)
    made = (
        breakdown_csv(found)
        if name.endswith("csv")
        else breakdown_html(found, "Example Council", "Sunrise Care Ltd")
    )
    assert made.encode() == (GOLDEN / name).read_bytes()


# --- the statement --------------------------------------------------------------------------


def statement(ledger: Ledger, reference: str) -> Any:
    return statement_of(
        reference,
        ledger.history(PersonalBudget, reference),
        Period(date(2026, 3, 1), date(2026, 6, 30)),
    )


def test_a_statement_shows_the_same_whoever_holds_the_money(ledger: Ledger) -> None:
    """Two budgets alike; a provider holds all of the one."""
    settle(ledger, sent(ledger))
    own, held_for = statement(ledger, "PB000003"), statement(ledger, "PB000002")
    amounts = [
        (row.on, row.gross_pence, row.contribution_pence, row.paid_pence, row.balance_pence)
        for row in held_for.rows
    ]
    assert amounts == [
        (row.on, row.gross_pence, row.contribution_pence, row.paid_pence, row.balance_pence)
        for row in own.rows
    ]
    assert [row.provider_reference for row in held_for.rows] == [SUNRISE, SUNRISE]
    assert [row.provider_reference for row in own.rows] == ["", HARBOUR]
    assert [row.what for row in own.rows] == ["Care direct payment", "Service fund payment"]
    assert "HARBOUR, who holds the money for you" in own.rows[1].reason
    assert (own.weekly.gross_pence, own.weekly.service_fund_pence) == (51_000, 20_000)
    assert own.coming_fund_payment.amount_pence == FUND


def test_the_balance_of_a_statement_is_what_is_owed_through_return_and_repayment(
    ledger: Ledger,
) -> None:
    cycle = settle(ledger, sent(ledger))
    bring_in(ledger, came_back(cycle))
    new_account(ledger, SUNRISE, "70000009")
    settle(ledger, sent(ledger, 2))
    tell_budget(ledger, "PB000001", "end_allocation", line_reference="community.social_care",
                effective_on=on("05-17"))  # fmt: skip
    overpaid = {"receipt_reference": "R1", "amount_pence": 2 * 20_000}
    made = statement(ledger, "PB000001")
    assert made.closing_pence == owed_pence(ledger.budget("PB000001")) == -40_000
    tell_budget(ledger, "PB000001", "receive_service_fund", **overpaid, effective_on=on("05-20"))
    made = statement(ledger, "PB000001")
    assert made.closing_pence == owed_pence(ledger.budget("PB000001")) == 0
    assert made.rows[-1].received_pence == 40_000
    ledger.projections.catch_up()
    assert all_balances(ledger.engine)["individual_service_funds"] == (3 * FUND + 3 * FUND - 40_000)
    verified(ledger)


# --- what verification sees -----------------------------------------------------------------


def test_a_payment_moved_from_one_person_to_another_in_a_credit_is_seen(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The total of the cycle still agrees; what each credit comes to does not."""
    with a_ledger(sqlite_url, tmp_path) as ledger:
        fill(ledger)
        cycle = approve(ledger, prepare(ledger))
        verified(ledger)
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER stored_events_no_update")
            for old, new in ((bulk(cycle), "X"), (bulk(cycle, HARBOUR), bulk(cycle)),
                             ("X", bulk(cycle, HARBOUR))):  # fmt: skip
                connection.exec_driver_sql(
                    f"UPDATE stored_events SET state = replace(state, '{old}', '{new}')"
                    " WHERE topic = 'personal-budget.payment-scheduled.v1'"
                )
        difference = verify_ledger(ledger).difference
        assert difference is not None
        assert "a provider's credit is not what each person is promised" in difference


# --- for any cycle --------------------------------------------------------------------------

LINES = st.lists(
    st.builds(
        lambda n, pence, provider: CycleLine(
            budget_reference=f"PB{n:06d}",
            budget_version=1,
            payment_reference=f"DP{n}",
            payee_reference=f"account of {provider}" if provider else f"payee {n}",
            amount_pence=pence,
            provider_reference=provider,
            bulk_reference=f"BULK {provider}" if provider else "",
        ),
        st.integers(1, 10**6),
        st.integers(1, 10**7),
        st.sampled_from(["", "", SUNRISE, HARBOUR]),
    ),
    unique_by=lambda line: line.budget_reference,
    max_size=30,
)


@for_all(LINES)
def test_the_credits_of_any_lines_are_their_sums(lines: list[CycleLine]) -> None:
    credits = credits_of(lines)
    assert len({credit.reference for credit in credits}) == len(credits)
    assert sum(credit.amount_pence for credit in credits) == sum(x.amount_pence for x in lines)
    for credit in credits:
        of_it = [x for x in lines if (x.bulk_reference or x.payment_reference) == credit.reference]
        assert credit.amount_pence == sum(line.amount_pence for line in of_it)
        assert {line.payee_reference for line in of_it} == {credit.payee_reference}


CHANGED = st.tuples(
    st.sampled_from(["PB000001", "PB000002", "PB000003"]),
    st.sampled_from(["personal_care", "community"]),
    st.integers(1, 60_000),
    st.sampled_from([None, "individual_service_fund", "direct_payment", "provided_service"]),
    st.integers(0, 60),
)


@settings(max_examples=8, deadline=None)
@for_all(st.lists(st.lists(CHANGED, max_size=3), min_size=2, max_size=2), st.booleans())
def test_through_any_changes_credits_statements_and_postings_tie(
    tmp_path_factory: pytest.TempPathFactory, changes: list[list[Any]], comes_back: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with a_ledger(f"sqlite:///{folder / 'ledger.db'}", folder) as ledger:
        fill(ledger)
        for number, several in enumerate([[], *changes], 1):
            for reference, need, weekly, deployment, days in several:
                tell_budget(ledger, reference, "revise_allocation",
                            line_reference=f"{need}.social_care", weekly_pence=weekly,
                            deployment=deployment,
                            effective_on=date.fromordinal(on("04-06").toordinal() + days),
                            )  # fmt: skip
            cycle = settle(ledger, sent(ledger, number))
            paid = {c.reference: c.amount_pence for c in in_file(ledger, cycle).credits}
            assert paid == {c.reference: c.amount_pence for c in credits_of(cycle.lines)}
            if comes_back and number == 1:
                bring_in(ledger, came_back(cycle))
                new_account(ledger, SUNRISE, "70000009")
            for provider in {line.provider_reference for line in cycle.lines} - {""}:
                found = breakdown_of(cycle, provider)
                assert found.totals.amount_pence == paid[found.bulk_reference]
        for budget in ledger.budgets():
            made = statement(ledger, budget.reference)
            assert made.closing_pence == owed_pence(budget)
        ledger.projections.catch_up()
        assert sum(all_balances(ledger.engine).values()) == 0
        verified(ledger)
