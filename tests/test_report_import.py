"""What banks send back, brought in: each item once, on its payment, or waiting for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.aggregates.bank_report import BankReport, QueuedItem
from ledger.aggregates.cycle_events import CycleSettled
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.bank.bacs_reader import read_bacs
from ledger.bank_reports import ReportBroughtIn, import_report, report_file
from ledger.calendar_cycles import under_way
from ledger.dates import england
from ledger.errors import (
    BankFileUnreadable,
    CycleNotIssued,
    InvalidValue,
    PaymentNotFound,
    PaymentNotIssued,
    ReportAboutUnknownFile,
    ReportForAnotherUser,
    ReportItemAlreadyResolved,
    ReportItemDiffers,
    ReportItemNotFound,
    ReportNotFound,
    ReportTotalsDiffer,
)
from ledger.file_looks import bank_file
from ledger.projections.balances import all_balances
from ledger.projections.bank_reports import waiting
from ledger.projections.finance import finance_totals
from ledger.projections.suspense import suspense
from ledger.report_queue import match_item
from ledger.verification import verify_ledger
from tests.bank_reports import (
    NewAccount,
    Refused,
    Returned,
    Status,
    arucs_xml,
    awacs_xml,
    input_report_xml,
    pain002_xml,
)
from tests.given import on
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    bank_file_total,
    issue,
    log_of,
    new_payee,
    prepare,
    run_cycle,
    says,
    settings_for,
    settle,
    take_in,
    tell_budget,
)

SUN = "123456"
FOUR_WEEKS = 66_820
BACK_ON = date(2026, 4, 8)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Three budgets of £668.20 every four weeks."""
    with a_ledger(database_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(*(a_row(number) for number in (1, 2, 3))))
        yield ledger


def sent(ledger: Ledger, number: int = 1) -> PaymentCycle:
    """A cycle whose file is with the bank."""
    cycle = approve(ledger, prepare(ledger, number))
    issue(ledger, cycle)
    return ledger.cycle(cycle.reference)


def bring_in(ledger: Ledger, data: bytes, day: str = "04-08", **how: Any) -> ReportBroughtIn:
    return import_report(ledger, data, says("carol", day), **how)


def payment(cycle: PaymentCycle, number: int = 1) -> str:
    """The payment of the first, second, third budget."""
    return cycle.lines[number - 1].payment_reference


def came_back(cycle: PaymentCycle, *numbers: int, code: str = "B128") -> bytes:
    items = [Returned(payment(cycle, n), FOUR_WEEKS, code) for n in numbers]
    return arucs_xml(SUN, items, BACK_ON)


def statuses(ledger: Ledger) -> list[str]:
    budgets = sorted(ledger.budgets(), key=lambda b: b.reference)
    return [p.status for b in budgets for p in b.payments.values()]


def held(ledger: Ledger, day: date = BACK_ON) -> int:
    """What is in suspense; it is always what the account holds."""
    ledger.projections.catch_up()
    found = suspense(ledger.engine, day, england())
    assert found.difference_pence == 0
    return found.total_pence


def queued(result: ReportBroughtIn) -> list[tuple[int, str]]:
    return [(one.item, one.because) for one in result.queued]


# --- payments that came back ----------------------------------------------------------------


def test_what_came_back_is_recorded_on_its_payment_and_held(ledger: Ledger):
    cycle = settle(ledger, sent(ledger))
    result = bring_in(ledger, came_back(cycle, 1, 3))
    assert (result.item_count, result.recorded_count, result.queued) == (2, 2, ())
    assert statuses(ledger) == ["returned", "confirmed", "returned"]
    assert held(ledger) == 2 * FOUR_WEEKS
    back = ledger.budget("PB000001").payments[payment(cycle)].held
    assert back is not None
    assert (back.on, back.reason_code) == (BACK_ON, "B")


def test_a_payment_may_come_back_before_the_cycle_is_settled(ledger: Ledger):
    cycle = sent(ledger)
    bring_in(ledger, came_back(cycle, 2))
    settle(ledger, cycle)
    assert statuses(ledger) == ["confirmed", "returned", "confirmed"]


def test_the_same_report_again_and_the_same_item_in_another_change_nothing(ledger: Ledger):
    cycle = sent(ledger)
    data = came_back(cycle, 1)
    bring_in(ledger, data)
    before = log_of(ledger)
    assert bring_in(ledger, data, "04-09").already_imported
    assert log_of(ledger) == before
    both = bring_in(ledger, came_back(cycle, 1, 2))
    assert (both.recorded_count, both.unchanged_count) == (1, 1)
    assert statuses(ledger) == ["returned", "returned", "scheduled"]


def test_an_item_that_was_settled_since_is_still_known(ledger: Ledger):
    cycle = sent(ledger)
    bring_in(ledger, came_back(cycle, 1))
    refund = {"payment_reference": payment(cycle), "effective_on": on("04-09")}
    tell_budget(ledger, "PB000001", "refund_payment", **refund)
    again = bring_in(ledger, came_back(cycle, 1, 2))
    assert (again.recorded_count, again.unchanged_count) == (1, 1)


def test_a_death_opens_an_estate_case_and_nothing_more_is_paid(ledger: Ledger):
    cycle = settle(ledger, sent(ledger))
    bring_in(ledger, came_back(cycle, 1, code="2128"))
    assert ledger.budget("PB000001").undecided_estate_case == f"EC-{payment(cycle)}"
    second = prepare(ledger, 2)
    assert [line.budget_reference for line in second.lines] == ["PB000002", "PB000003"]
    assert {e.code for e in second.exceptions if e.budget_reference == "PB000001"} == {
        "estate-case-is-open",
        "returned-payment-not-settled",
    }


def test_corrected_details_send_it_again_and_suspense_clears_to_nil(ledger: Ledger):
    cycle = settle(ledger, sent(ledger))
    bring_in(ledger, came_back(cycle, 1))
    new_payee(ledger, "PB000001", "12345678")
    second = run_cycle(ledger, 2)
    assert [(x.budget_reference, x.reissue_of) for x in second.lines][:2] == [
        ("PB000001", payment(cycle)),
        ("PB000001", ""),
    ]
    assert bank_file_total(ledger, second.reference) == 4 * FOUR_WEEKS
    assert held(ledger, date(2026, 4, 30)) == FOUR_WEEKS, "until the day it is paid again"
    assert held(ledger, date(2026, 5, 1)) == 0
    assert all_balances(ledger.engine)["returned_payments"] == 0


# --- items that wait ------------------------------------------------------------------------


def test_what_fits_no_payment_waits_and_changes_nothing(ledger: Ledger):
    first = settle(ledger, sent(ledger))
    second = approve(ledger, prepare(ledger, 2))  # promised, and in no file yet
    mine = payment(first)
    items = [
        Returned("SOMEONE ELSE", 100, "0128"),
        Returned(mine, FOUR_WEEKS - 1, "0128"),
        Returned(payment(second, 2), FOUR_WEEKS, "0128"),
        Returned(payment(first, 2), FOUR_WEEKS, "9128"),
        Returned(payment(first, 3), FOUR_WEEKS, "0128"),
        Returned(payment(first, 3), FOUR_WEEKS, "0128"),
    ]
    result = bring_in(ledger, arucs_xml(SUN, items, BACK_ON))
    assert queued(result) == [
        (1, "unknown_reference"),
        (2, "amount_differs"),
        (3, "not_sent"),
        (4, "meaning_unclear"),
        (6, "repeated_in_report"),
    ]
    assert (result.item_count, result.recorded_count) == (6, 1)
    assert result.queued[0].payment_reference == "", "a stranger's reference is not kept in events"
    assert ledger.budget("PB000003").payments[payment(first, 3)].status == "returned"
    assert ledger.budget("PB000001").payments[mine].status == "confirmed"
    ledger.projections.catch_up()
    assert [one.queued.item for one in waiting(ledger.engine)] == [1, 2, 3, 4, 6]


def test_what_came_back_too_early_or_for_another_reason_waits(ledger: Ledger):
    cycle = sent(ledger)
    early = arucs_xml(SUN, [Returned(payment(cycle), FOUR_WEEKS, "0128")], date(2026, 4, 1))
    assert queued(bring_in(ledger, early, "04-01")) == [(1, "before_pay_date")]
    bring_in(ledger, came_back(cycle, 1))
    other = bring_in(ledger, came_back(cycle, 1, code="5128"))
    assert queued(other) == [(1, "returned_otherwise")]


def a_queue(ledger: Ledger) -> tuple[str, PaymentCycle]:
    """A report of two items: one whose code says nothing, and one of a stranger."""
    cycle = settle(ledger, sent(ledger))
    items = [Returned(payment(cycle), FOUR_WEEKS, "9128"), Returned("STRANGER", 100, "0128")]
    return bring_in(ledger, arucs_xml(SUN, items, BACK_ON)).reference, cycle


def match(ledger: Ledger, reference: str, item: int, **facts: Any) -> BankReport:
    return match_item(ledger, reference, item, said=says("dora", "04-10"), **facts)


def test_someone_finds_out_which_payment_an_item_is_about(ledger: Ledger):
    reference, cycle = a_queue(ledger)
    this = {"budget_reference": "PB000001", "payment_reference": payment(cycle)}
    with pytest.raises(InvalidValue, match="say which it is"):
        match(ledger, reference, 1, **this)
    match(ledger, reference, 1, **this, reason_code="B")
    back = ledger.budget("PB000001").payments[payment(cycle)].held
    assert back is not None
    assert (back.on, back.reason_code) == (BACK_ON, "B")
    with pytest.raises(ReportItemAlreadyResolved):
        match(ledger, reference, 1, **this, reason_code="B")
    ledger.projections.catch_up()
    assert [one.queued for one in waiting(ledger.engine)] == [
        QueuedItem(2, "unknown_reference", "0", 100)
    ]


def test_an_item_is_matched_only_to_a_payment_of_its_amount(ledger: Ledger):
    reference, cycle = a_queue(ledger)
    before = log_of(ledger)
    with pytest.raises(ReportItemDiffers, match=r"£1\.00"):
        match(
            ledger,
            reference,
            2,
            budget_reference="PB000001",
            payment_reference=payment(cycle),
        )
    with pytest.raises(ReportItemNotFound):
        match(ledger, reference, 3, budget_reference="PB000001", payment_reference="DP1")
    with pytest.raises(ReportNotFound):
        match(ledger, "ARUCS-0", 3, budget_reference="PB000001", payment_reference="DP1")
    assert log_of(ledger) == before


def test_an_item_is_matched_only_to_a_payment_that_was_sent_and_did_not_come_back_before(
    ledger: Ledger,
):
    first = settle(ledger, sent(ledger))
    second = approve(ledger, prepare(ledger, 2))
    bring_in(ledger, came_back(first, 1))
    items = [Returned("STRANGER", FOUR_WEEKS, "0128")]
    reference = bring_in(ledger, arucs_xml(SUN, items, BACK_ON)).reference
    before = log_of(ledger)
    for this, refusal in ((payment(first), ReportItemDiffers), (payment(second), PaymentNotIssued)):
        with pytest.raises(refusal):
            match(ledger, reference, 1, budget_reference="PB000001", payment_reference=this)
    with pytest.raises(PaymentNotFound):
        match(ledger, reference, 1, budget_reference="PB000001", payment_reference="DP1")
    assert log_of(ledger) == before


def test_an_item_of_nobodys_is_dismissed_with_its_reason(ledger: Ledger):
    reference, _ = a_queue(ledger)
    ledger.change(
        BankReport,
        reference,
        lambda r: r.dismiss(item=2, reason_code="not_ours", **says("dora", "04-10")),
    )
    ledger.projections.catch_up()
    assert [one.queued.item for one in waiting(ledger.engine)] == [1]


# --- the file: taken, taken in part, refused ------------------------------------------------


def input_report(cycle: PaymentCycle, *lost: int, serial: str = "000001", **how: Any) -> bytes:
    """Bacs took all payments but these; £1 for each is stated wrongly with `off`."""
    off = how.pop("off", 0)
    errors = [Refused(payment(cycle, n), FOUR_WEEKS) for n in lost]
    kept = len(cycle.lines) - len(lost)
    return input_report_xml(
        how.pop("sun", SUN),
        serial,
        accepted=how.pop("accepted", (kept, kept * FOUR_WEEKS + off)),
        processing_on=date(2026, 4, 1),
        produced_on=date(2026, 3, 31),
        errors=errors,
        **how,
    )


def test_bacs_takes_the_file_and_the_cycle_knows(ledger: Ledger):
    cycle = sent(ledger)
    assert not cycle.is_taken
    result = bring_in(ledger, input_report(cycle), "03-31")
    assert (result.cycle_reference, result.item_count) == ("C2026-01", 0)
    assert result.answers == (f"The bank took the file 000001 ({result.reference}).",)
    assert not result.file_refused
    assert ledger.cycle("C2026-01").is_taken


def test_a_payment_that_bacs_did_not_take_never_left_and_is_held(ledger: Ledger):
    cycle = sent(ledger)
    [answer] = bring_in(ledger, input_report(cycle, 2), "03-31").answers
    assert answer.endswith(" but for 1 payment(s) of £668.20 in all.")
    now = ledger.cycle("C2026-01")
    assert (now.is_taken, now.rejected_count, now.rejected_pence) == (True, 1, FOUR_WEEKS)
    settle(ledger, now)
    assert statuses(ledger) == ["confirmed", "rejected", "confirmed"]
    assert held(ledger, date(2026, 4, 2)) == FOUR_WEEKS, "from the day it was to be paid"
    [totals] = finance_totals(ledger.engine, "C2026-01")
    assert (totals["confirmed_pence"], totals["rejected_pence"], totals["outstanding_pence"]) == (
        2 * FOUR_WEEKS,
        FOUR_WEEKS,
        0,
    )
    assert all_balances(ledger.engine)["bank"] == -2 * FOUR_WEEKS
    assert verify_ledger(ledger).difference is None


def test_what_bacs_did_not_take_under_a_garbled_reference_is_known_to_the_cycle_once_found(
    ledger: Ledger,
):
    first, second = settle(ledger, sent(ledger)), sent(ledger, 2)
    garbled = input_report_xml(
        SUN,
        "000002",
        accepted=(2, 2 * FOUR_WEEKS),
        processing_on=date(2026, 4, 30),
        errors=[Refused("GARBLED", FOUR_WEEKS)],
    )
    reference = bring_in(ledger, garbled, "04-29").reference
    with pytest.raises(ReportItemDiffers, match="C2026-02"):
        match(
            ledger, reference, 1, budget_reference="PB000003", payment_reference=payment(first, 3)
        )
    match(ledger, reference, 1, budget_reference="PB000003", payment_reference=payment(second, 3))
    now = ledger.cycle("C2026-02")
    assert (now.is_taken, now.rejected_count, now.rejected_pence) == (True, 1, FOUR_WEEKS)
    settle(ledger, now)
    settled = [recorded.event for recorded in ledger.history(PaymentCycle, "C2026-02")][-1]
    assert isinstance(settled, CycleSettled)
    assert settled.total_pence == 2 * FOUR_WEEKS
    assert verify_ledger(ledger).difference is None


def test_a_file_that_bacs_refused_is_made_anew_under_the_next_serial(ledger: Ledger):
    cycle = sent(ledger)
    refused = input_report(
        cycle, accepted=(0, 0), rejected=(3, 3 * FOUR_WEEKS), message="FILE REJECTED"
    )
    result = bring_in(ledger, refused, "03-31")
    assert result.file_refused
    assert "refused the whole file 000001" in result.answers[0]
    now = ledger.cycle("C2026-01")
    assert (now.status, now.issued) == ("approved", None)
    path = issue(ledger, now)
    assert path.name == "C2026-01-000002.bacs"
    again = ledger.cycle("C2026-01").require_issued()
    assert again.submission_serial == "000002"
    first, second = (read_bacs(bank_file(ledger, "C2026-01", s)) for s in ("000001", "000002"))
    assert (first.serial, second.serial) == ("000001", "000002")
    assert first.credits == second.credits
    ledger.projections.catch_up()
    [totals] = finance_totals(ledger.engine, "C2026-01")
    assert totals["issued_pence"] == totals["scheduled_pence"] == 3 * FOUR_WEEKS, "once"
    assert len({payment.amount_pence for payment in second.credits}) == 1
    with pytest.raises(CycleNotIssued):
        bring_in(ledger, input_report(cycle, serial="000001"), "04-01")
    bring_in(ledger, input_report(cycle, serial="000002"), "04-01")
    settle(ledger, ledger.cycle("C2026-01"))
    assert verify_ledger(ledger).difference is None


def test_a_file_of_which_something_came_back_was_not_refused_whole(ledger: Ledger):
    cycle = sent(ledger)
    bring_in(ledger, came_back(cycle, 1))
    before = log_of(ledger)
    refused = input_report(
        cycle, accepted=(0, 0), rejected=(3, 3 * FOUR_WEEKS), message="FILE REJECTED"
    )
    with pytest.raises(CycleNotIssued):
        bring_in(ledger, refused, "04-09")
    assert log_of(ledger) == before, "another file would pay it twice"


def test_a_payment_of_another_file_waits_and_stays_as_it_is(ledger: Ledger):
    first, second = sent(ledger), sent(ledger, 2)
    mixed_up = input_report_xml(
        SUN,
        "000002",
        accepted=(2, 2 * FOUR_WEEKS),
        processing_on=date(2026, 4, 30),
        errors=[Refused(payment(first), FOUR_WEEKS)],
    )
    assert queued(bring_in(ledger, mixed_up, "04-29")) == [(1, "other_file")]
    assert ledger.cycle(second.reference).rejected_count == 0
    assert "rejected" not in statuses(ledger)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"sun": "654321"}, ReportForAnotherUser),
        ({"serial": "000009"}, ReportAboutUnknownFile),
        ({"off": 1}, ReportTotalsDiffer),
        ({"accepted": (2, 3 * FOUR_WEEKS)}, ReportTotalsDiffer),
        ({"accepted": (2, 2 * FOUR_WEEKS), "rejected": (1, FOUR_WEEKS)}, ReportTotalsDiffer),
    ],
)
def test_a_report_of_another_file_or_other_totals_is_refused_whole(
    ledger: Ledger, facts: dict[str, Any], refusal: type
):
    cycle = sent(ledger)
    before = log_of(ledger)
    with pytest.raises(refusal):
        bring_in(ledger, input_report(cycle, **facts), "03-31")
    assert log_of(ledger) == before


def test_returned_credits_of_another_user_are_refused_whole(ledger: Ledger):
    cycle = sent(ledger)
    before = log_of(ledger)
    items = [Returned(payment(cycle), FOUR_WEEKS, "0128")]
    with pytest.raises(ReportForAnotherUser):
        bring_in(ledger, arucs_xml("654321", items, BACK_ON))
    with pytest.raises(BankFileUnreadable):
        bring_in(ledger, came_back(cycle, 1)[:-40])
    assert log_of(ledger) == before


# --- ISO 20022 ------------------------------------------------------------------------------


@pytest.fixture
def iso(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """The same three budgets, of a council whose bank takes pain.001."""
    settings = settings_for(database_url, tmp_path).model_copy(
        update={"bank_file_format": "pain.001.001.09"}
    )
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        take_in(ledger, a_caseload(*(a_row(number) for number in (1, 2, 3))))
        yield ledger


MESSAGE = "C2026-01-000001"
ALL = (3, 3 * FOUR_WEEKS)


def status_report(*items: Status, group_status: str = "PART", **how: Any) -> bytes:
    told = {"original": ALL, **how}
    return pain002_xml(MESSAGE, items, date(2026, 3, 31), group_status=group_status, **told)


def test_an_iso_bank_takes_the_whole_message(iso: Ledger):
    sent(iso)
    result = bring_in(iso, status_report(group_status="ACSP"), "03-31")
    assert result.cycle_reference == "C2026-01"
    assert iso.cycle("C2026-01").is_taken


def test_silence_is_not_acceptance(iso: Ledger):
    cycle = sent(iso)
    bring_in(iso, status_report(Status(payment(cycle, 2), "RJCT", ("AC04",))), "03-31")
    now = iso.cycle("C2026-01")
    assert (now.is_taken, now.rejected_pence) == (False, FOUR_WEEKS)
    assert statuses(iso) == ["scheduled", "rejected", "scheduled"]
    back = iso.budget("PB000002").payments[payment(cycle, 2)].held
    assert back is not None
    assert back.reason_code == "AC04"
    rest = [Status(payment(cycle, n), "ACSC", ()) for n in (1, 3)]
    bring_in(iso, status_report(*rest, Status(payment(cycle, 2))), "04-01")
    assert iso.cycle("C2026-01").is_taken, "every payment is accounted for"
    assert iso.cycle("C2026-01").rejected_count == 1


def test_what_is_pending_is_no_news(iso: Ledger):
    cycle = sent(iso)
    items = [Status(payment(cycle, n), "PDNG", ()) for n in (1, 2, 3)]
    result = bring_in(iso, status_report(*items, group_status="PDNG"), "03-31")
    assert (result.unchanged_count, iso.cycle("C2026-01").is_taken) == (3, False)


def test_a_message_refused_whole_is_made_anew(iso: Ledger):
    sent(iso)
    bring_in(iso, status_report(group_status="RJCT"), "03-31")
    assert iso.cycle("C2026-01").status == "approved"
    assert issue(iso, iso.cycle("C2026-01")).name == "C2026-01-000002.xml"


def test_a_message_taken_at_first_and_then_refused_is_not_told_as_taken(iso: Ledger):
    sent(iso)
    bring_in(iso, status_report(group_status="ACTC"), "03-31")
    iso.projections.catch_up()
    assert [one.is_taken for one in under_way(iso)] == [True]
    bring_in(iso, status_report(group_status="RJCT"), "03-31")
    issue(iso, iso.cycle("C2026-01"))
    iso.projections.catch_up()
    assert [one.is_taken for one in under_way(iso)] == [iso.cycle("C2026-01").is_taken] == [False]


def test_a_rejection_of_what_was_paid_waits_and_a_death_opens_a_case(iso: Ledger):
    cycle = settle(iso, sent(iso))
    late = status_report(Status(payment(cycle, 1), "RJCT", ("AC01",)))
    assert queued(bring_in(iso, late, "04-08")) == [(1, "paid_already")]


def test_a_reason_nobody_knows_is_recorded_as_other(iso: Ledger):
    cycle = sent(iso)
    told = status_report(
        Status(payment(cycle, 1), "RJCT", ("XX99",), FOUR_WEEKS),
        Status(payment(cycle, 2), "RJCT", ("AC01",), 1),
        Status(payment(cycle, 3), "ABCD", ()),
    )
    assert queued(bring_in(iso, told, "03-31")) == [(2, "amount_differs"), (3, "meaning_unclear")]
    back = iso.budget("PB000001").payments[payment(cycle, 1)].held
    assert back is not None
    assert back.reason_code == "other"


@pytest.mark.parametrize("original", [(2, 3 * FOUR_WEEKS), (3, 3 * FOUR_WEEKS + 1)])
def test_a_status_report_with_other_totals_is_refused_whole(iso: Ledger, original: tuple[int, int]):
    sent(iso)
    before = log_of(iso)
    with pytest.raises(ReportTotalsDiffer):
        bring_in(iso, status_report(group_status="ACSP", original=original), "03-31")
    assert log_of(iso) == before


# --- advice of another account --------------------------------------------------------------

OLD, NEW = ("999901", "90000001"), ("999902", "12345678")


def test_other_details_that_the_bank_advises_are_put_forward_and_not_applied(ledger: Ledger):
    cycle = sent(ledger)
    advice = awacs_xml(SUN, [NewAccount(payment(cycle), "3", OLD, NEW)], BACK_ON)
    assert bring_in(ledger, advice).recorded_count == 1
    budget = ledger.budget("PB000001")
    [proposed] = budget.proposed_payees.values()
    assert budget.payee is not None
    assert budget.payee.payee_reference == cycle.lines[0].payee_reference, "paid as before"
    details = ledger.people.payee(proposed.payee_reference)
    assert (details.sort_code, details.account_number) == NEW
    assert details.account_name == "S O'Connor"
    again = awacs_xml(SUN, [NewAccount(payment(cycle), "0", OLD, NEW)], BACK_ON)
    assert bring_in(ledger, again).unchanged_count == 1


def test_advice_about_an_account_that_is_not_paid_now_waits(ledger: Ledger):
    cycle = sent(ledger)
    other = awacs_xml(SUN, [NewAccount(payment(cycle), "3", ("999901", "1" * 8), NEW)], BACK_ON)
    assert queued(bring_in(ledger, other)) == [(1, "account_differs")]
    new_payee(ledger, "PB000001", "87654321")
    advice = awacs_xml(SUN, [NewAccount(payment(cycle), "3", OLD, NEW)], BACK_ON)
    assert queued(bring_in(ledger, advice)) == [(1, "account_differs")]


def test_one_new_account_is_put_forward_once_for_all_the_payments_that_it_is_advised_for(
    database_url: str, tmp_path: Path
):
    theirs = {"recipient_reference": "R000001", "recipient_name": "Siân O'Connor 1"}
    sort_code, account_number = OLD
    account = {"sort_code": sort_code, "account_number": account_number}
    with a_ledger(database_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(*(a_row(n, **theirs, **account) for n in (1, 2, 3))))
        _, payee = ledger.propose_payee(
            "PB000003",
            payee_type="recipient",
            account_name="Siân O'Connor",
            sort_code=sort_code,
            account_number=account_number,
            said=says("ann"),
        )
        tell_budget(ledger, "PB000003", "verify_payee", payee_reference=payee, by="bob")
        cycles = [run_cycle(ledger, 1), run_cycle(ledger, 2)]
        advised = [NewAccount(payment(c, n), "3", OLD, NEW) for c in cycles for n in (1, 2, 3)]
        result = bring_in(ledger, awacs_xml(SUN, advised, date(2026, 5, 8)), "05-08")
        assert (result.recorded_count, result.unchanged_count) == (2, 2)
        assert queued(result) == [(3, "meaning_unclear"), (6, "meaning_unclear")]
        for reference in ("PB000001", "PB000002"):
            [proposed] = ledger.budget(reference).proposed_payees
            assert ledger.people.payee(proposed).account_name == "S O'Connor"


# --- the report itself ----------------------------------------------------------------------


def test_the_very_bytes_are_kept_sealed(ledger: Ledger):
    data = came_back(sent(ledger), 1)
    reference = bring_in(ledger, data).reference
    assert report_file(ledger, reference) == data
    with pytest.raises(ReportNotFound):
        report_file(ledger, "ARUCS-0")


def test_a_dry_run_says_what_would_be_and_records_nothing(ledger: Ledger):
    data = came_back(sent(ledger), 1, 2)
    before = log_of(ledger)
    dry = bring_in(ledger, data, dry_run=True)
    assert (dry.dry_run, dry.recorded_count) == (True, 2)
    assert log_of(ledger) == before
    assert bring_in(ledger, data).recorded_count == 2
