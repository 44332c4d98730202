"""A statement says what was owed, paid and put right, and its balance is never wrong."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from ledger.aggregates.clawbacks import Deduction
from ledger.aggregates.contributions import AssessedTerm
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.event_sourced import TOPICS, Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.service_funds import ServiceFundRepaid
from ledger.dates import Period
from ledger.documents import Council
from ledger.errors import BudgetNotFound, PayeeInDoubt, PaymentsAreSuspended
from ledger.projections.postings import postings
from ledger.statements.documents import (
    HEADER,
    comes_next,
    owed,
    put_right,
    statement_csv,
    statement_html,
)
from ledger.statements.statement import Amounts, Statement, StatementRow, owed_pence, statement_of
from ledger.statements.wording import (
    NEVER_CHANGES_WHAT_IS_OWED,
    NOT_PAID_BECAUSE,
    PARTS,
    WORDS,
    kept_back,
    suspended,
)
from ledger.terms import FOR_EVER, Channel, InterimArrangement, SuspensionReason, SuspensionTerm
from tests.api import BUDGET, an_api, approve, make_payable, prepare
from tests.given import FIRST_DAY, a_line, cycle_period, on, pay_day, payment_for, tell
from tests.pbledger import Pbledger
from tests.test_personal_budget import ANYTHING_SAID, DATES, PAYABLE, a_history

GOLDEN = Path(__file__).parent / "golden" / "statements"
APRIL, MAY, JUNE = (cycle_period(number) for number in (1, 2, 3))
EVERYTHING = Period(date(2000, 1, 1), date(2099, 12, 31))
CB1 = {"clawback_reference": "CB1"}
COUNCIL = Council("Example Council", "", "01632 960123", "pay@example.gov.uk", "")


class Life:
    """A payable budget, £310.00 a week of which £142.95 is contributed, and all it recorded."""

    def __init__(self, basis: str = "net", contribution: int = 14_295) -> None:
        self.budget = PersonalBudget("PB000001")
        self.history: list[Recorded] = []
        self.says(
            "open",
            recipient_reference="R000001",
            legal_basis="care_act_2014",
            primary_support_reason="physical_personal_care",
        )
        self.says("offer_direct_payment", occasion="assessment", outcome="accepted")
        self.says("sign_agreement", template_version="2025-1")
        self.says("agree_allocation", lines=(a_line("personal_care.social_care", 31_000),))
        self.says("assess_contribution", weekly_pence=contribution, basis=basis)
        payee = {"payee_reference": "payee-1"}
        self.says("propose_payee", payee_type="recipient", fingerprint="one", **payee)
        self.says("verify_payee", by="bob", **payee)

    def says(self, command: str, recorded: str = "", **facts: Any) -> Life:
        """A command; recorded on the day it takes effect, or on another one."""
        if "effective_on" in facts:
            facts["effective_on"] = on(facts["effective_on"])
        if recorded:
            facts["recorded_at"] = datetime.combine(on(recorded), time(9, 30), UTC)
        for event in tell(self.budget, command, **facts):
            self.history.append(Recorded(self.budget.id, len(self.history) + 1, event))
        return self

    def promised(
        self, period: Period, cycle: str = "C1", channel: Channel = "direct_payment"
    ) -> str:
        payment = payment_for(self.budget, period, cycle, channel)
        for event in tell(self.budget, "schedule_payment", **payment):
            self.history.append(Recorded(self.budget.id, len(self.history) + 1, event))
        return str(payment["payment_reference"])

    def paid(self, period: Period, cycle: str = "C1", channel: Channel = "direct_payment") -> str:
        """Paid as promised, on the Friday before the period."""
        reference = self.promised(period, cycle, channel)
        self.says(
            "confirm_payment",
            payment_reference=reference,
            effective_on=pay_day(period).isoformat(),
        )
        return reference

    def statement(self, first: str, last: str, known_at: str = "") -> Statement:
        moment = datetime.combine(on(known_at), time(23), UTC) if known_at else None
        return statement_of("PB000001", self.history, Period(on(first), on(last)), moment)

    def rows(self, first: str = "04-01", last: str = "07-31") -> list[tuple[Any, ...]]:
        """Each row's day, words and balance, and what it moved by name."""
        return [
            (f"{row.on:%m-%d}", row.what, moved(row), row.balance_pence)
            for row in self.statement(first, last).rows
        ]


def moved(row: Amounts) -> dict[str, int]:
    """The amounts of a row that are not nought, without their unit."""
    amounts = {name: getattr(row, name) for name in Amounts.__struct_fields__}
    return {name.removesuffix("_pence"): pence for name, pence in amounts.items() if pence}


def clawed_back(life: Life, amount: int, cause: str = "surplus", **how: Any) -> Life:
    """Ann proposes it, the person is told, Bob confirms on 18 May."""
    life.says("propose_clawback", amount_pence=amount, cause_code=cause, **CB1)
    life.says("notify_clawback", respond_by=on("05-15"), **CB1)
    how = {"recovery": "repayment", **how}
    return life.says(
        "confirm_clawback", amount_pence=amount, effective_on="05-18", by="bob", **CB1, **how
    )


PAID = {"gross": 124_000, "contribution": -57_180, "net": 66_820, "paid": 66_820}


# --- what happened, and what is owed --------------------------------------------------------


def test_example_a_support_less_contribution_is_paid_and_nothing_is_owed():
    life = Life()
    life.paid(APRIL)
    assert life.rows() == [("04-03", "Care direct payment", PAID, 0)]
    made = life.statement("04-01", "04-30")
    [row] = made.rows
    assert row.reason == "For 6 April to 3 May 2026."
    assert (row.days, row.versions, row.reference[:2]) == (APRIL, (8, 9), "DP")
    assert (made.weekly.gross_pence, made.weekly.contribution_pence) == (31_000, 14_295)
    assert made.weekly.payment_pence == 16_705
    assert comes_next(made.coming_payment) == (
        "If nothing changes, £668.20 for 4 May to 31 May 2026."
    )


def test_example_d_the_budget_ends_on_23_april_and_238_65_was_paid_too_much():
    life = Life()
    life.paid(APRIL)
    life.says("close", "04-20", reason_code="needs_ended", effective_on="04-23")
    made = life.statement("04-01", "04-30")
    assert life.rows() == [
        ("04-03", "Care direct payment", PAID, 0),
        ("04-20", "Personal budget ended", {"adjustments": -23_865}, -23_865),
    ]
    assert [put_right(part) for part in made.rows[-1].adjusted] == [
        "6 April to 3 May 2026: support £442.86 less",
        "6 April to 3 May 2026: contribution £204.21 less",
    ]
    assert made.rows[-1].reason == "Its last day is 23 April 2026."
    assert owed(made.closing_pence) == "You owe the council £238.65."
    assert comes_next(made.coming_payment) == "No further payment is due."


def test_what_was_overpaid_becomes_money_to_pay_back_once():
    life = Life()
    life.paid(APRIL)
    life.says("close", "04-20", reason_code="needs_ended", effective_on="04-23")
    clawed_back(life, 23_865, "overpayment")
    life.says(
        "receive_clawback", amount_pence=20_000, receipt_reference="R1", effective_on="06-01", **CB1
    )
    life.says(
        "waive_clawback",
        amount_pence=3_865,
        reason_code="hardship",
        effective_on="06-02",
        by="bob",
        **CB1,
    )
    assert life.rows("05-01") == [
        ("05-18", "Money to pay back", {"adjustments": 23_865, "asked_back": 23_865}, -23_865),
        ("06-01", "Money paid back", {"received": 20_000}, -3_865),
        ("06-02", "Money no longer asked back", {"asked_back": -3_865}, 0),
    ]


def test_a_contribution_assessed_later_is_owed_from_that_day_and_then_recovered():
    life = Life()
    life.paid(APRIL)
    life.says("assess_contribution", "04-20", weekly_pence=15_295, basis="net")
    life.paid(MAY, "C2")
    assert life.rows() == [
        ("04-03", "Care direct payment", PAID, 0),
        ("04-20", "Contribution assessed", {"adjustments": -4_000}, -4_000),
        (
            "05-01",
            "Care direct payment",
            {
                "gross": 124_000,
                "contribution": -61_180,
                "net": 62_820,
                "settled": -4_000,
                "paid": 58_820,
            },
            0,
        ),
    ]
    _, arisen, settled = life.statement("04-01", "05-31").rows
    assert arisen.reason == "Your contribution was assessed as £152.95 a week from 6 April 2026."
    assert arisen.adjusted == settled.settled
    assert settled.reason == (
        "For 4 May to 31 May 2026. £40.00 was taken off to put earlier days right."
    )


def test_a_financial_assessment_stands_on_the_day_it_was_decided():
    life = Life()
    life.paid(APRIL)
    life.says(
        "assess_finances",
        "05-12",
        effective_on="04-06",
        assessment_reference="FA1",
        decided_on=on("05-11"),
        outcome="assessed",
        terms=(AssessedTerm(FIRST_DAY, 15_295), AssessedTerm(on("06-01"), 16_000)),
        basis="net",
        recovery="weekly_cap",
        weekly_cap_pence=500,
    )
    [row] = life.statement("05-01", "05-31").rows
    assert (row.on, row.reference, row.change_pence) == (on("05-11"), "FA1", -4_000)
    assert row.reason == (
        "Your contribution was assessed as at most £152.95 a week from 6 April 2026, then "
        "£160.00 a week from 1 June 2026. What was underpaid is taken back by at most £5.00 a week."
    )
    life.paid(MAY, "C2")
    assert life.rows("05-01", "05-31")[0][2]["settled"] == -2_000, "£5.00 for each of four weeks"
    assert life.statement("05-01", "06-30").closing_pence == -2_000


def test_arrears_that_are_invoiced_are_no_longer_to_be_put_right_but_a_debt():
    life = Life()
    life.paid(APRIL)
    life.says(
        "assess_finances",
        "05-11",
        effective_on="04-06",
        assessment_reference="FA1",
        decided_on=on("05-11"),
        outcome="full_cost",
        terms=(AssessedTerm(FIRST_DAY, 0, full_cost=True),),
        basis="net",
        recovery="invoice",
    )
    assert life.rows("05-01") == [
        ("05-11", "Contribution assessed", {"adjustments": -66_820}, -66_820),
        (
            "05-11",
            "Invoice for your contribution",
            {"adjustments": 66_820, "invoiced": 66_820},
            -66_820,
        ),
    ]
    assert life.statement("05-01", "05-31").rows[1].reason == (
        "Your contribution for 6 April to 3 May 2026 was more than was taken off your payments."
    )


def test_gross_of_the_contribution_the_payment_is_whole_and_the_person_is_invoiced():
    life = Life("gross")
    life.paid(APRIL)
    life.says("invoice_contribution", invoice_reference="INV1", period=APRIL, effective_on="05-04")
    life.says(
        "receive_contribution", receipt_reference="R1", amount_pence=50_000, effective_on="05-20"
    )
    life.says("assess_contribution", "05-22", weekly_pence=14_000, basis="gross")
    life.says("invoice_contribution", invoice_reference="INV2", period=APRIL, effective_on="05-25")
    assert life.rows() == [
        ("04-03", "Care direct payment", {"gross": 124_000, "net": 124_000, "paid": 124_000}, 0),
        ("05-04", "Invoice for your contribution", {"invoiced": 57_180}, -57_180),
        ("05-20", "Contribution received", {"received": 50_000}, -7_180),
        ("05-22", "Contribution assessed", {"adjustments": 1_180}, -6_000),
        (
            "05-25",
            "Credit for your contribution",
            {"adjustments": -1_180, "invoiced": -1_180},
            -6_000,
        ),
    ]
    made = life.statement("05-01", "05-31")
    assert [put_right(part) for part in made.rows[2].adjusted] == [
        "6 April to 3 May 2026: invoiced contribution £11.80 less"
    ]
    assert (made.totals.charged_pence, made.weekly.invoiced_pence) == (-6_000, 14_000)


def test_a_payment_that_came_back_is_owed_until_it_is_sent_again():
    life = Life()
    reference = life.paid(APRIL)
    life.says("return_payment", payment_reference=reference, reason_code="B", effective_on="04-08")
    life.says(
        "reissue_payment",
        payment_reference="DP2",
        reissue_of=reference,
        cycle_reference="C1R",
        effective_on="04-24",
    )
    life.says("confirm_payment", payment_reference="DP2", effective_on="04-24")
    assert life.rows() == [
        ("04-03", "Care direct payment", PAID, 0),
        ("04-08", "Payment sent back by the bank", {"paid": -66_820}, 66_820),
        ("04-24", "Care direct payment", {"paid": 66_820}, 0),
    ]
    _, came_back, again = life.statement("04-01", "04-30").rows
    assert came_back.reason == (
        "£668.20 came back because the account is closed. The council holds it until it is settled."
    )
    assert again.reason == f"£668.20 that came back ({reference}) is sent again."
    assert (again.days, again.reference) == (APRIL, "DP2")


def test_a_clawback_is_kept_back_from_payments_in_instalments():
    life = Life()
    clawed_back(life, 5_000, recovery="deduction", instalment_pence=2_500)
    life.paid(JUNE, "C3")
    [asked, paid] = life.statement("05-01", "05-31").rows
    assert (asked.balance_pence, moved(asked)) == (-5_000, {"asked_back": 5_000})
    assert asked.reason == (
        "Money in your account was more than you need to keep there. £50.00 is owed to the "
        "council, by £25.00 kept back from each payment."
    )
    assert (paid.deducted_pence, paid.net_pence - paid.paid_pence) == (2_500, 2_500)
    assert (paid.balance_pence, owed_pence(life.budget)) == (-2_500, -2_500)
    assert paid.reason == "For 6 April to 28 June 2026. £25.00 was kept back for money you owe."
    assert paid.deductions == (Deduction("CB1", 2_500, 2_500),)
    assert kept_back(paid.deductions[0]) == "£25.00 (CB1); £25.00 is left to pay back"
    assert kept_back(Deduction("CB1", 1, 0)) == "£0.01 (CB1); nothing is left to pay back"


def test_a_promise_is_owed_until_it_is_paid_and_undone_if_it_is_cancelled():
    life = Life()
    reference = life.promised(APRIL)
    promised = {"gross": 124_000, "contribution": -57_180, "net": 66_820}
    assert life.rows() == [("04-03", "Care direct payment promised", promised, 66_820)]
    coming = life.statement("03-01", "03-31").coming_payment
    assert comes_next(coming) == (
        f"£668.20 for 6 April to 3 May 2026, to be paid on 3 April 2026 ({reference})."
    )
    life.says("cancel_payment", payment_reference=reference)
    undone = {name: -pence for name, pence in promised.items()}
    assert life.rows()[1:] == [("04-03", "Care direct payment cancelled", undone, 0)]


def test_a_payment_that_the_bank_did_not_take_is_not_told_as_coming():
    life = Life()
    life.says("reject_payment", payment_reference=life.promised(APRIL), reason_code="AC01")
    coming = life.statement("03-01", "03-31").coming_payment
    assert comes_next(coming) == (
        "Nothing can be paid at present. An earlier payment did not arrive and is not settled yet."
    )


def test_a_payment_made_on_another_day_than_promised_is_two_rows():
    life = Life()
    reference = life.promised(APRIL)
    life.says("confirm_payment", payment_reference=reference, effective_on="04-07")
    assert [(row[0], row[1], row[3]) for row in life.rows()] == [
        ("04-03", "Care direct payment promised", 66_820),
        ("04-07", "Care direct payment paid", 0),
    ]


def test_a_change_stands_on_the_day_it_was_recorded_in_england():
    life = Life()
    life.paid(APRIL)
    term: dict[str, Any] = {"line_reference": "personal_care.social_care", "weekly_pence": 33_850}
    late = datetime(2026, 4, 30, 23, 30, tzinfo=UTC)
    life.says("revise_allocation", effective_on="04-22", recorded_at=late, **term)
    [row] = life.statement("05-01", "05-31").rows
    assert (row.on, row.adjustments_pence) == (on("05-01"), 4_886), "example B: half past midnight"
    assert row.reason == (
        "From 22 April 2026 your support (personal care, direct payment) is worth £338.50 a week."
    )


def test_support_agreed_for_days_already_paid_is_owed_from_the_day_it_was_recorded():
    life = Life()
    life.paid(APRIL)
    transport = a_line("transport.social_care", 2_000, need="transport")
    life.says("agree_allocation", "04-20", lines=(transport,))
    [_, row] = life.statement("04-01", "04-30").rows
    assert (row.on, row.what, row.days) == (on("04-20"), "Support agreed", None)
    assert (row.adjustments_pence, row.reason) == (8_000, "Your budget is £330.00 a week.")


def test_a_change_of_days_nobody_was_paid_for_moves_nothing():
    life = Life()
    life.paid(APRIL)
    life.says("assess_contribution", "04-20", weekly_pence=1, basis="net", effective_on="05-04")
    life.says("suspend_payments", reason_code="hospital_stay", review_on=on("06-01"),
              interim_arrangement="family_or_friends", effective_on="06-01")  # fmt: skip
    assert len(life.rows()) == 1


def test_it_can_be_made_as_it_was_known():
    life = Life()
    life.paid(APRIL)
    life.says("assess_contribution", "04-20", weekly_pence=15_295, basis="net")
    assert life.statement("04-01", "04-30", known_at="04-19").closing_pence == 0
    assert life.statement("04-01", "04-30", known_at="04-20").closing_pence == -4_000
    with pytest.raises(BudgetNotFound):
        life.statement("04-01", "04-30", known_at="03-01")


def test_what_comes_next_says_what_stands_in_its_way():
    life = Life()
    life.paid(APRIL)
    life.says("assess_contribution", "04-20", weekly_pence=90_000, basis="net")
    assert comes_next(life.statement("04-01", "04-30").coming_payment) == (
        "If nothing changes, nothing is paid for 4 May to 31 May 2026: £668.20 is still to be "
        "taken off later payments."
    )
    life.says("suspend_payments", reason_code="hospital_stay", review_on=on("06-01"),
              interim_arrangement="family_or_friends", effective_on="05-04")  # fmt: skip
    assert comes_next(life.statement("04-01", "04-30").coming_payment) == (
        "Nothing can be paid at present. Payments are suspended in full."
    )


def test_what_stands_in_the_way_of_the_next_payment_is_said_in_words_for_the_person():
    of_the_provider = "provider-account-not-verified"  # a statement is of the budget alone
    gates = {code for code in EXCEPTIONS if "-" in code} - {of_the_provider}
    assert NOT_PAID_BECAUSE.keys() == gates | {PaymentsAreSuspended.code, PayeeInDoubt.code}
    life = Life()
    life.paid(APRIL)
    life.says("open_estate_case", case_reference="EC1", reported_by="family", effective_on="05-02")
    said = comes_next(life.statement("04-01", "05-03").coming_payment)
    assert said.startswith("Nothing can be paid at present. The council has a question")
    assert "death" not in said, "it is spoken of in person"


def test_it_says_what_is_suspended_why_until_when_and_what_happens_meanwhile():
    life = Life()
    life.paid(APRIL)
    life.says("suspend_payments", reason_code="hospital_stay", review_on=on("05-20"),
              interim_arrangement="in_hospital_or_care_home", retainer_weekly_pence=6_000,
              expires_on=on("05-31"), effective_on="04-20")  # fmt: skip
    life.says("suspend_payments", reason_code="return_missing", review_on=on("06-01"),
              interim_arrangement="council_arranges_care", effective_on="05-04")  # fmt: skip
    in_hospital = (
        "From 20 April to 31 May 2026 only £60.00 a week is paid because "
        "you are in hospital. Meanwhile you are cared for where you are staying. The council "
        "will look at this again by 20 May 2026."
    )
    missing = (
        "From 4 May 2026 nothing is paid because the council has not had your account of what "
        "you spent. Meanwhile the council arranges your care. The council will look at this "
        "again by 1 June 2026."
    )
    made = life.statement("04-01", "05-10")
    assert made.suspensions == (in_hospital, missing)
    assert [row.reason for row in made.rows][1:] == [in_hospital], "April was paid in full"
    page = statement_html(made, COUNCIL)
    assert f"<p>{in_hospital}</p>\n<p>{missing}</p>" in page
    assert list(faults(page)) == []
    assert life.statement("04-01", "06-01").suspensions == (missing,), "the other has expired"
    life.says("resume_payments", reason_code="return_missing", effective_on="05-11")
    ended = missing.partition(" The council will look")[0].replace("4 May", "4 May to 10 May")
    assert life.statement("04-01", "05-10").suspensions == (in_hospital, ended)


@pytest.mark.parametrize("reason", get_args(SuspensionReason))
def test_every_reason_and_arrangement_is_put_into_words(reason):
    for arrangement in ("", *get_args(InterimArrangement)):
        term = SuspensionTerm(FIRST_DAY, FOR_EVER, 0, reason, arrangement, on("05-20"))
        said = suspended(term)
        assert reason not in said or reason == "other"
        assert "safe" not in said, "others may read the statement"
        assert re.fullmatch(r"From 6 April 2026 nothing is paid because .+[a-z]\.( .+\.)?", said)


# --- whatever happened ----------------------------------------------------------------------

GROSS = (
    "assess_contribution",
    {"weekly_pence": 14_295, "basis": "gross", "effective_on": FIRST_DAY},
)
ANY_LIFE = st.tuples(st.sampled_from([[], [GROSS]]), st.lists(ANYTHING_SAID, max_size=30)).map(
    lambda parts: [*PAYABLE, *parts[0], *parts[1]]
)


def lived(anything: list[Any]) -> tuple[PersonalBudget, list[Recorded]]:
    budget, history, _ = a_history(anything)
    return budget, history


@settings(max_examples=200)
@for_all(ANY_LIFE)
def test_whatever_happened_the_rows_explain_all_that_is_owed(anything):
    budget, history = lived(anything)
    made = statement_of("PB000001", history, EVERYTHING)
    assert made.opening_pence == 0
    assert made.closing_pence == owed_pence(budget), "worked out from the rows, and from the budget"
    balance = 0
    for row in made.rows:
        balance += row.change_pence
        assert row.balance_pence == balance
        assert row.net_pence == row.gross_pence + row.contribution_pence
        assert row.adjustments_pence == sum(part.amount_pence for part in row.adjusted)
        assert row.settled_pence == sum(part.amount_pence for part in row.settled)
    assert made.totals.change_pence == balance
    assert [row.on for row in made.rows] == sorted(row.on for row in made.rows)


@settings(max_examples=200)
@for_all(ANY_LIFE)
def test_whatever_happened_the_totals_are_those_of_the_postings(anything):
    _, history = lived(anything)
    totals = statement_of("PB000001", history, EVERYTHING).totals
    accounts: Counter[str] = Counter()
    for recorded in history:
        for posting in postings(recorded.event):
            accounts[posting.account] += posting.amount_pence
    repaid = sum(r.event.amount_pence for r in history if isinstance(r.event, ServiceFundRepaid))
    assert accounts["bank"] == totals.received_pence - totals.paid_pence
    debtors = accounts["contribution_debtors"] + accounts["clawback_debtors"]
    in_all = totals.invoiced_pence + totals.asked_back_pence - totals.received_pence
    assert debtors == in_all - totals.deducted_pence + repaid, "a fund repaid was no debt"
    held = accounts["payments_due"] + accounts["returned_payments"]
    promised = totals.net_pence + totals.settled_pence - totals.deducted_pence
    assert -held == promised - totals.paid_pence + repaid


@settings(max_examples=150)
@for_all(ANY_LIFE, st.tuples(DATES, DATES, DATES))
def test_two_periods_side_by_side_are_the_same_as_both_together(anything, days):
    _, history = lived(anything)
    first, middle, last = sorted(days)
    whole, former, latter = (
        statement_of("PB000001", history, period)
        for period in (
            Period(first, last + timedelta(days=1)),
            Period(first, middle),
            Period(middle + timedelta(days=1), last + timedelta(days=1)),
        )
    )
    assert former.closing_pence == latter.opening_pence
    assert former.rows + latter.rows == whole.rows
    assert (former.opening_pence, latter.closing_pence) == (
        whole.opening_pence,
        whole.closing_pence,
    )
    assert whole.opening_pence + whole.totals.change_pence == whole.closing_pence


@settings(max_examples=100)
@for_all(ANY_LIFE)
def test_whatever_happened_it_is_said_in_plain_english(anything):
    _, history = lived(anything)
    made = statement_of("PB000001", history, EVERYTHING)
    for row in made.rows:
        assert re.match(r"[A-Z£].*\.$", row.reason), row.reason
        assert not re.search(r"None|[a-z]_[a-z]|£-|benefit", row.what + row.reason)
        assert {PARTS[part.kind] for part in (*row.adjusted, *row.settled)} <= set(PARTS.values())
    assert comes_next(made.coming_payment).endswith(".")
    for said in made.suspensions:
        assert re.match(r"From .*[a-z0-9]\.$", said)
        assert not re.search(r"None|[a-z]_[a-z]|£-|benefit|9999", said)
    read = list(csv.DictReader(io.StringIO(statement_csv(made))))
    assert len(read) == len(made.rows) + 2
    for name in ("gross", "contribution", "net", "adjustments", "settled", "deducted", "paid"):
        column = sum(int((row[name] or "0").replace(".", "")) for row in read)
        assert column == getattr(made.totals, f"{name}_pence")
    assert list(faults(statement_html(made, COUNCIL))) == []


def test_every_event_of_a_budget_is_put_into_words_or_never_changes_what_is_owed():
    of_a_budget = {cls for cls, topic in TOPICS.items() if topic.startswith("personal-budget.")}
    assert WORDS.keys() | NEVER_CHANGES_WHAT_IS_OWED == of_a_budget
    assert WORDS.keys() & NEVER_CHANGES_WHAT_IS_OWED == set()


# --- CSV and page ---------------------------------------------------------------------------


def an_eventful_life() -> Life:
    """Paid, sent back and sent again, assessed again, invoiced, clawed back and closed."""
    life = Life()
    reference = life.paid(APRIL)
    life.says("return_payment", payment_reference=reference, reason_code="B", effective_on="04-08")
    life.says("assess_contribution", "04-20", weekly_pence=15_295, basis="net")
    again = {"payment_reference": "DP2", "effective_on": "04-24"}
    life.says("reissue_payment", reissue_of=reference, cycle_reference="C1R", **again)
    life.says("confirm_payment", **again)
    life.paid(MAY, "C2")
    clawed_back(life, 5_000, recovery="deduction", instalment_pence=2_500)
    life.paid(JUNE, "C3")
    return life.says("close", "06-10", reason_code="needs_ended", effective_on="06-21")


@pytest.mark.parametrize("name", ["eventful.csv", "eventful.html", "nothing.html"])
def test_the_document_is_the_golden_file(name):
    life = Life() if name.startswith("nothing") else an_eventful_life()
    made = life.statement("04-01", "06-30")
    document = statement_csv(made) if name.endswith("csv") else statement_html(made, COUNCIL)
    assert document.encode() == (GOLDEN / name).read_bytes()


def test_amounts_in_csv_are_numbers_and_texts_are_never_calculated():
    made = an_eventful_life().statement("04-01", "06-30")
    row = msgspec.structs.replace(made.rows[0], reference="=1+1", reason="\t@SUM(A1)", what="-x")
    read = list(csv.DictReader(io.StringIO(statement_csv(_with(made, row)))))
    assert tuple(read[0]) == HEADER
    opening, closing = read[0], read[-1]
    assert (opening["date"], opening["what"], opening["balance"]) == (
        "2026-04-01",
        "Opening balance",
        "0.00",
    )
    assert (closing["date"], closing["what"]) == ("2026-06-30", "Closing balance")
    assert closing["balance"].startswith("-")
    first = read[1]
    assert (first["gross"], first["contribution"], first["paid"]) == (
        "1240.00",
        "-571.80",
        "668.20",
    )
    assert (first["reference"], first["reason"], first["what"]) == ("'=1+1", "'\t@SUM(A1)", "'-x")


def _with(made: Statement, *rows: StatementRow) -> Statement:
    return msgspec.structs.replace(made, rows=rows)


def test_a_page_holds_a_name_only_if_it_is_given_and_only_as_text():
    made = Life().statement("04-01", "04-30")
    assert "<dt>For</dt>" not in statement_html(made, COUNCIL)
    page = statement_html(made, COUNCIL._replace(name="Example & Council"), "<b>Siân</b>")
    assert "<dd>&lt;b&gt;Siân&lt;/b&gt;</dd>" in page
    assert "Example &amp; Council" in page


def test_a_page_says_whom_to_call_as_far_as_it_is_known():
    made = Life().statement("04-01", "04-30")
    assert "<dt>Phone</dt><dd>01632 960123</dd>" in statement_html(made, COUNCIL)
    assert "<dt>Post</dt>" not in statement_html(made, COUNCIL), "no address is known"


def test_a_page_needs_nothing_from_elsewhere_and_no_script():
    page = statement_html(an_eventful_life().statement("04-01", "06-30"), COUNCIL)
    assert not re.search(r"<script|<link|src=|url\(|@import|https?:|\son\w+=\"", page)
    assert '<html lang="en-GB">' in page
    assert "care direct payment" in page.lower()
    assert "It is not a benefit." in page
    sizes = [int(size) for size in re.findall(r"font(?:-size)?: (\d+)(?:pt|px)", page)]
    assert min(sizes, default=12) >= 12, "12 points on paper are 16 pixels"
    assert not re.search(r"font(-size)?: 0?\.\d", page)


class _Read(HTMLParser):
    """What a page's elements are, and whether each is closed."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def faults(page: str) -> Iterator[str]:
    """What would trouble a person who hears the page rather than sees it."""
    read = _Read()
    read.feed(page)
    yield from [*read.wrong, *read.open]
    tags = Counter(tag for tag, _ in read.seen)
    if tags["table"] != tags["caption"]:
        yield "a table has no caption"
    yield from (
        f"{tag} without scope" for tag, has in read.seen if tag == "th" and "scope" not in has
    )
    if tags["h1"] != 1 or tags["main"] != 1:
        yield "there must be one h1 and one main"
    widths = {
        sum(cell in ("td", "th") for cell in re.findall(r"<(td|th)\b", row))
        for row in re.findall(r'<tr role="row".*?</tr>', page, re.DOTALL)
    }
    if len(widths) != 1:
        yield f"rows of {widths} cells"


# --- the ways in ----------------------------------------------------------------------------

ASKED = "--from 2026-04-01 --to 2026-04-30"


def test_a_statement_is_asked_for_on_the_command_line(database_url, tmp_path):
    pbledger = Pbledger(database_url, tmp_path).with_cycle()
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    shown = pbledger.done(f"budget statement PB000001 {ASKED}")
    made = pbledger.json(f"budget statement PB000001 {ASKED}")
    assert "Care direct payment promised" in shown
    assert made["closing_pence"] == made["rows"][0]["net_pence"] > 0
    assert owed(made["closing_pence"]) in shown
    printed = pbledger.done(f"budget statement PB000001 {ASKED} --csv -")
    assert printed.startswith("budget,date,what,")
    page = pbledger.done(f"budget statement PB000001 {ASKED} --html -")
    assert page.startswith("<!DOCTYPE html>")
    to = f"--csv {tmp_path}/s.csv --html {tmp_path}/s.html"
    said = pbledger.done(f"budget statement PB000001 {ASKED} {to}")
    assert said.split("\n")[:2] == [
        f"Written to {tmp_path}/s.csv.",
        f"Written to {tmp_path}/s.html.",
    ]
    written = (tmp_path / "s.csv").read_bytes().decode("utf-8-sig")
    assert written.replace("\r\n", "\n") == printed
    assert (tmp_path / "s.html").read_text() == page
    known = pbledger.json(f"budget statement PB000001 {ASKED} --known-at 2099-01-01")
    assert known["rows"] == made["rows"]
    pbledger.refused("budget-not-found", f"budget statement PB9 {ASKED}")
    pbledger.refused(
        "invalid-period", "budget statement PB000001 --from 2026-05-01 --to 2026-04-30"
    )
    pbledger.refused("budget-not-found", f"budget statement PB000001 {ASKED} --known-at 2020-01-01")
    pbledger.misused("budget statement PB000001 --from 1/4/26 --to 2026-04-30")
    pbledger.misused(f"budget statement PB000001 {ASKED} --csv - --html -")
    pbledger.refused(
        "file-unusable", f"budget statement PB000001 {ASKED} --csv {tmp_path}/no/s.csv"
    )


def test_a_statement_is_asked_for_over_http(database_url, tmp_path):
    with an_api(database_url, tmp_path) as api:
        make_payable(api)
        prepare(api).done(201)
        approve(api).done()
        asked: dict[str, Any] = {"from": "2026-04-01", "to": "2026-04-30"}
        made = api.get(f"{BUDGET}/statement", **asked).done()
        assert made.type == "application/json"
        assert (made["opening_pence"], made["closing_pence"]) == (0, 66_820)
        [row] = made["rows"]
        assert (row["on"], row["gross_pence"]) == ("2026-04-02", 124_000)
        assert row["contribution_pence"] == -57_180
        as_csv = api.get(f"{BUDGET}/statement", format="csv", **asked).done()
        assert as_csv.type == "text/csv; charset=utf-8"
        assert as_csv.headers["content-disposition"] == (
            'attachment; filename="statement-PB000001-2026-04-01-2026-04-30.csv"'
        )
        assert ",668.20," in as_csv.content.decode("utf-8-sig")
        page = api.get(f"{BUDGET}/statement", format="html", **asked).done()
        assert page.type == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.headers["cache-control"] == "no-store"
        assert list(faults(page.content.decode())) == []
        nobody = api.get("/v1/budgets/PB9/statement", **asked)
        nobody.refused("budget-not-found", 404)
        earlier = api.get(f"{BUDGET}/statement", known_at="2020-01-01T00:00:00Z", **asked)
        earlier.refused("budget-not-found", 404)
        refusals = {
            "invalid-period": {"from": "2026-05-01", "to": "2026-04-30"},
            "invalid-date": {"from": "1 April", "to": "2026-04-30"},
            "body-invalid": {"to": "2026-04-30"},
        }
        for code, wrong in refusals.items():
            api.get(f"{BUDGET}/statement", **wrong).refused(code, 422)
        api.get(f"{BUDGET}/statement", **asked, format="pdf").refused("body-invalid", 422)
        api.get(f"{BUDGET}/statement", **asked, known_at="now").refused("invalid-date", 422)
        described = api.get("/v1/openapi.json")["paths"]["/v1/budgets/{reference}/statement"]["get"]
        assert {"application/json", "text/csv", "text/html"} == set(
            described["responses"]["200"]["content"]
        )
        assert [p["name"] for p in described["parameters"]] == [
            "reference", "format", "from", "to", "known_at",
        ]  # fmt: skip
