"""What letters say: every event decided, the money right to the penny, the words plain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings

from ledger.aggregates.care_decisions import ClosingReason
from ledger.aggregates.contributions import AssessedTerm
from ledger.aggregates.event_sourced import EVENT_TYPES
from ledger.aggregates.payments import PaymentReissued, PaymentScheduled, ReturnReason
from ledger.aggregates.spend_returns import ReturnQuery
from ledger.documents import Council
from ledger.letters.advice import KIND as ADVICE
from ledger.letters.letter import Letter
from ledger.letters.pages import Envelope, letter_html, letter_text
from ledger.letters.telling import ADVISED, KINDS, LETTERS, NO_LETTER, UNWRITTEN, told
from ledger.terms import SuspensionReason
from tests.given import a_line, cycle_period, on, payment_for
from tests.providers import SUNRISE, in_a_fund
from tests.test_personal_budget import ANY_LIFE, PAYABLE, a_history
from tests.test_statements import APRIL, MAY, Life

GOLDEN = Path(__file__).parent / "golden" / "letters"
CB1 = {"clawback_reference": "CB1"}
COUNCIL = Council(
    "Exampleshire Council",
    "Direct Payments, Civic Centre, High Street, Exampleton EX1 1AA",
    "01632 960123",
    "direct.payments@exampleshire.gov.uk",
    "If you are still not happy, you can complain to the council.",
)
SIAN = Envelope(
    letter_reference="0123456789abcdef0123456789abcdef",
    name="Siân O'Connor",
    address=("12 Mill Lane", "Exampleton", "EX2 3AB"),
    account_ending="5678",
)


class Tale(Life):
    """The same life, each thing recorded at a moment of its own after what it opened with."""

    def says(self, command: str, recorded: str = "", **facts: Any) -> Tale:
        opened_with = len(self.history) < 7
        if not opened_with and "recorded_at" not in facts:
            day = on(recorded or facts.get("effective_on", "04-06"))
            moment = datetime.combine(day, time(10), UTC)
            facts["recorded_at"] = moment + timedelta(minutes=len(self.history))
        super().says(command, **facts)
        return self

    def letters(self, next_pay_day: date | None = None) -> list[Letter]:
        """Every letter, in the order of events."""
        made = told("PB000001", self.history, range(1, 1_000), (), lambda _: next_pay_day)
        return list(made.letters.values())

    def letter(self) -> Letter:
        """The last letter."""
        return self.letters()[-1]

    def advice(self, payment_reference: str, next_pay_day: date | None = None) -> Letter:
        made = told("PB000001", self.history, (), [payment_reference], lambda _: next_pay_day)
        return made.advices[payment_reference]


NONE_NEEDED: Any = {"interim_arrangement": "none_needed"}


def a_hold() -> Tale:
    """Payments suspended for a reason that is told in person."""
    facts: Any = {"reason_code": "other", **NONE_NEEDED, "review_on": on("05-20")}
    return Tale().says("suspend_payments", **facts)


def said(letter: Letter) -> str:
    """All that a letter says below its greeting."""
    return letter_text(letter, COUNCIL, SIAN)


def rows(letter: Letter) -> list[tuple[str, str, int]]:
    """The lines of its tables."""
    tables = [part.table for part in letter.parts if part.table]
    return [(row.what, row.detail, row.amount_pence) for table in tables for row in table.rows]


# --- which events ---------------------------------------------------------------------------


def test_every_event_makes_a_letter_or_is_listed_with_the_reason_why_not():
    decided = LETTERS.keys() | NO_LETTER.keys() | {ADVISED}
    assert decided == {event_type.cls for event_type in EVENT_TYPES.values()}
    assert LETTERS.keys() & NO_LETTER.keys() == set()
    assert all(reason.endswith(".") for reason in NO_LETTER.values())


def test_what_is_recorded_with_the_opening_is_no_change():
    assert Tale().letters() == []


def test_an_account_brought_along_is_no_change_when_it_is_verified_later():
    tale = Tale()
    opening, payee = tale.history[:-1], tale.history[-1]
    later = payee.event.recorded_at + timedelta(days=3)
    verified = payee._replace(event=msgspec.structs.replace(payee.event, recorded_at=later))
    assert told("PB000001", [*opening, verified], [verified.originator_version]).letters == {}
    tale.says("propose_payee", payee_reference="p2", payee_type="recipient", fingerprint="two")
    tale.says("verify_payee", payee_reference="p2", by="bob")
    assert tale.letter().kind == "account_changed"


def test_nobody_is_written_to_under_the_name_of_someone_who_has_died():
    tale = Tale()
    tale.says("close", reason_code="died", effective_on="05-10")
    tale.says("request_spend_return", return_reference="R", period=APRIL, due_on=on("07-01"))
    assert tale.letters() == []


def test_a_payment_that_came_back_because_of_a_death_makes_no_letter():
    for code in get_args(ReturnReason):
        tale = Tale()
        reference = tale.paid(APRIL)
        returned = {"payment_reference": reference, "reason_code": code}
        tale.says("return_payment", effective_on="04-08", **returned)
        assert bool(tale.letters()) == (code != "2"), code


def test_what_was_recorded_at_one_moment_is_one_letter():
    tale = Tale()
    tale.says("agree_allocation", lines=(a_line("respite.social_care", 8_000, need="respite"),))
    one_moment = datetime(2026, 4, 27, 9, tzinfo=UTC)
    for line, pence in (("personal_care.social_care", 32_000), ("respite.social_care", 9_000)):
        tale.says(
            "revise_allocation",
            line_reference=line,
            weekly_pence=pence,
            effective_on="05-04",
            recorded_at=one_moment,
        )
    letter = tale.letter()
    assert [part.kind for part in letter.parts] == ["support_changed", "support_changed"]
    assert "From 4 May 2026 your care direct payment is £267.05 a week." in said(letter)
    assert said(letter).count("your care direct payment is") == 1, "the money is said once"
    last = tale.history[-1].originator_version
    [second] = told("PB000001", tale.history, [last]).letters.values()
    assert second.parts == letter.parts[1:], "asked for what was added, it tells only that"


# --- what they say --------------------------------------------------------------------------


def test_support_agreed_is_listed_line_by_line():
    tale = Tale()
    lines = (
        a_line("equipment.nhs", 0, need="equipment", funding_stream="nhs", one_off_pence=45_000),
        a_line("respite.social_care", 8_000, need="respite", deployment="provided_service"),
    )
    letter = tale.says("agree_allocation", lines=lines).letter()
    assert letter.parts[0].listed == (
        "Equipment: £450.00 once, on 6 April 2026, paid as a care direct payment",
        "Respite: £80.00 a week from 6 April 2026, given by the council’s own services",
    )


def test_what_a_week_is_worth_is_said_for_each_day_on_which_it_changes():
    tale = Tale()
    lines = (
        a_line("respite.social_care", 8_000, need="respite", starts_on=on("05-04"),
               ends_on=on("05-31")),
    )  # fmt: skip
    letter = tale.says("agree_allocation", lines=lines, effective_on="04-20").letter()
    assert [sentence.partition(" That is")[0] for sentence in letter.parts[0].afterwards] == [
        "From 4 May 2026 your care direct payment is £247.05 a week.",
        "From 1 June 2026 your care direct payment is £167.05 a week.",
    ]


def test_a_late_rise_says_what_a_week_is_worth_and_what_is_put_right():
    tale = Tale()
    tale.paid(APRIL)
    term: Any = {"line_reference": "personal_care.social_care", "weekly_pence": 33_850}
    letter = tale.says("revise_allocation", "05-01", effective_on="04-22", **term).letter()
    assert letter.on == on("05-01")
    assert (
        "From 22 April 2026 your care direct payment is £195.55 a week. That is £338.50 for your "
        "support, less your contribution of £142.95." in said(letter)
    )
    assert (
        "We had already paid for some of these days. We owe you £48.86 more for them. We will add "
        "it to your next payment." in said(letter)
    ), "example B"


def test_a_contribution_is_said_from_each_day_on():
    tale = Tale()
    tale.paid(APRIL)
    terms = (AssessedTerm(on("04-06"), 16_000), AssessedTerm(on("06-01"), 0, full_cost=True))
    letter = tale.says(
        "assess_finances",
        "05-01",
        assessment_reference="FA1",
        decided_on=on("05-01"),
        outcome="assessed",
        terms=terms,
        basis="net",
        recovery="weekly_cap",
        weekly_cap_pence=500,
        provisional=True,
        effective_on="04-06",
    ).letter()
    for sentence in (
        "From 6 April 2026 your contribution is £160.00 a week.",
        "From 1 June 2026 you pay the full cost of your support.",
        "This is for the time being.",
        "From 6 April 2026 your care direct payment is £150.00 a week.",
        "From 1 June 2026 your contribution is as much as your support costs",
        "We paid £68.20 too much for them. We will take it off your next payments, at most £5.00 a "
        "week.",
        "# If you disagree",
    ):
        assert sentence in said(letter), sentence


def test_a_letter_about_an_assessment_has_the_invoice_for_arrears_in_it():
    tale = Tale()
    tale.paid(APRIL)
    letter = tale.says(
        "assess_finances",
        "05-01",
        assessment_reference="FA1",
        decided_on=on("05-01"),
        outcome="assessed",
        terms=(AssessedTerm(on("04-06"), 16_000),),
        basis="net",
        recovery="invoice",
        effective_on="04-06",
    ).letter()
    assert [part.kind for part in letter.parts] == ["contribution", "invoice"]
    assert rows(letter) == [
        ("Put right: personal care", "6 April to 3 May 2026", 6_820),
    ]
    assert "too much" not in said(letter), "what is invoiced is not taken off as well"


def test_a_payment_that_the_bank_did_not_take_is_explained_and_one_for_a_death_is_not():
    tale = Tale()
    reference = tale.promised(APRIL)
    this = {"payment_reference": reference}
    letter = tale.says("reject_payment", "04-06", reason_code="AC04", **this).letter()
    assert letter.subject == "We could not make your care direct payment"
    assert "The bank did not take the payment because the account is closed." in said(letter)
    assert "When we have checked them we will send the money again." in said(letter)
    tale = Tale()
    this = {"payment_reference": tale.promised(APRIL)}
    assert tale.says("reject_payment", "04-06", reason_code="MD07", **this).letters() == []


@pytest.mark.parametrize("reason", ["AM05", "RR04", "input_error", "other"])
def test_nobody_is_asked_for_another_account_where_it_is_not_the_account(reason):
    tale = Tale()
    this = {"payment_reference": tale.promised(APRIL)}
    letter = tale.says("reject_payment", "04-06", reason_code=reason, **this).letter()
    assert "We are putting this right." in said(letter)
    assert "account details" not in said(letter)


def test_money_that_the_council_asked_for_back_is_nobodys_wrong_account():
    tale = Tale()
    this = {"payment_reference": tale.paid(APRIL)}
    letter = tale.says("return_payment", "04-08", reason_code="C", effective_on="04-08", **this)
    text = said(letter.letter())
    assert "We asked the bank to send it back, and it did." in text
    assert "account details" not in text


def test_what_is_overpaid_for_days_may_come_off_a_payment_before_the_answer():
    for cause, promised in (("surplus", True), ("overpayment", False)):
        tale = Tale()
        tale.says("propose_clawback", amount_pence=10_000, cause_code=cause, **CB1)
        tale.says("notify_clawback", respond_by=on("04-20"), **CB1)
        assert ("We take no money while" in said(tale.letter())) == promised, cause


def test_a_cap_on_what_is_taken_back_is_told_to_who_pays_something_back():
    assert Tale().says("cap_recovery", per_payment_pence=1_000).letters() == []
    tale = clawed_back(Tale()).says("cap_recovery", "05-01", per_payment_pence=1_000)
    assert "We take at most £10.00 off each care direct payment." in said(tale.letter())
    tale.says("cap_recovery", "05-02", per_payment_pence=0)
    assert "For now we take nothing off" in said(tale.letter())
    assert "This does not change how much you owe." in said(tale.letter())
    tale.says("cap_recovery", "05-03")
    assert "that we told you about" in said(tale.letter())


def test_nobody_is_written_to_while_a_reported_death_is_looked_into():
    tale = Tale()
    tale.says("open_estate_case", "04-20", case_reference="EC1", reported_by="family")
    hold: Any = {"reason_code": "hospital_stay", **NONE_NEEDED, "review_on": on("05-20")}
    assert tale.says("suspend_payments", "04-21", **hold).letters() == []


def test_a_suspension_says_why_until_when_and_what_of_the_days_paid():
    tale = Tale()
    tale.paid(APRIL)
    letter = tale.says(
        "suspend_payments",
        "04-21",
        reason_code="hospital_stay",
        interim_arrangement="in_hospital_or_care_home",
        review_on=on("05-20"),
        expires_on=on("05-31"),
        effective_on="04-20",
    ).letter()
    assert letter.subject == "Your care direct payment has stopped for now"
    assert (
        "From 20 April 2026 until 31 May 2026 we make no care direct payment. This is because you "
        "are in hospital. Meanwhile you are cared for where you are staying." in said(letter)
    )
    assert "We will look at this again by 20 May 2026." in said(letter)
    assert "We will take it off your payments when they start again." in said(letter)


def test_where_a_retainer_is_paid_what_was_too_much_comes_off_the_next_payments():
    tale = Tale()
    tale.paid(APRIL)
    facts: Any = {"reason_code": "hospital_stay", **NONE_NEEDED, "review_on": on("05-20")}
    letter = tale.says("suspend_payments", "04-21", effective_on="04-20",
                       retainer_weekly_pence=5_000, **facts).letter()  # fmt: skip
    assert "We will take it off your next payments." in said(letter)
    assert "start again" not in said(letter)
    term: Any = {"line_reference": "personal_care.social_care", "weekly_pence": 33_850}
    changed = tale.says("revise_allocation", "05-01", effective_on="05-04", **term).letter()
    assert "Your payments are less at present. This does not change that." in said(changed)


@pytest.mark.parametrize("reason", get_args(SuspensionReason))
def test_every_reason_to_stop_payments_is_put_into_words(reason):
    facts: Any = {"reason_code": reason, **NONE_NEEDED, "review_on": on("05-20")}
    letter = Tale().says("suspend_payments", retainer_weekly_pence=5_000, **facts).letter()
    assert letter.subject == "Your care direct payment is less for now"
    assert "only £50.00 a week" in said(letter)
    assert "safeguarding" not in said(letter), "others may read the letter"


@pytest.mark.parametrize("reason", sorted({*get_args(ClosingReason)} - {"died"}))
def test_every_reason_to_end_is_put_into_words(reason):
    letter = Tale().says("close", reason_code=reason, effective_on="08-16").letter()
    assert "The last day of your personal budget is 16 August 2026." in said(letter)


@pytest.mark.parametrize("query", get_args(ReturnQuery))
def test_spend_returns_are_asked_for_queried_and_accepted(query):
    tale = Tale()
    known: Any = {"return_reference": "SR1"}
    tale.says("request_spend_return", period=APRIL, due_on=on("05-31"), **known)
    figures = ("opening_balance", "money_in", "spending", "closing_balance")
    nothing: Any = dict.fromkeys((f"{name}_pence" for name in figures), 0)
    tale.says("submit_spend_return", **known, **nothing)
    tale.says("query_spend_return", query_code=query, **known)
    tale.says("accept_spend_return", **known)
    asked, queried, accepted = tale.letters()
    assert "Send us your spend return by 31 May 2026." in said(asked)
    assert "spend return for 6 April to 3 May 2026. We have a question about it." in said(queried)
    assert "You do not need to do anything." in said(accepted)
    assert "# What to do" not in said(accepted)


def test_money_is_asked_back_only_after_a_chance_to_disagree():
    tale = clawed_back(Tale())
    notice, decision = tale.letters()
    assert notice.subject == "We may ask you to pay back £100.00"
    assert "Nothing is decided yet" in said(notice)
    assert "Tell us by 20 April 2026 why you think it is wrong." in said(notice)
    assert "We take £25.00 off each care direct payment until it is paid." in said(decision)
    tale.says("waive_clawback", amount_pence=4_000, reason_code="hardship", by="bob", **CB1)
    assert "because paying it would cause hardship. You still owe £60.00 of it." in said(
        tale.letter()
    )


def test_less_than_the_notice_said_is_explained():
    tale = clawed_back(Tale(), amount_pence=9_000, recovery="repayment")
    assert "That is less than the £100.00 we wrote about before." in said(tale.letter())
    assert "give the reference CB1" in said(tale.letter())


def clawed_back(tale: Tale, clawback_reference: str = "CB1", **decision: Any) -> Tale:
    known: Any = {"clawback_reference": clawback_reference}
    decided: Any = {"amount_pence": 10_000, "recovery": "deduction", "instalment_pence": 2_500}
    tale.says("propose_clawback", amount_pence=10_000, cause_code="surplus", **known)
    tale.says("notify_clawback", respond_by=on("04-20"), **known)
    tale.says("confirm_clawback", effective_on="04-21", by="bob", **known, **(decided | decision))
    return tale


def test_invoices_and_credits_add_up():
    tale = Tale("gross")
    tale.says("invoice_contribution", invoice_reference="INV1", period=APRIL, effective_on="05-04")
    invoice = tale.letter()
    assert rows(invoice) == [
        ("Your contribution to personal care", "6 April to 3 May 2026", 57_180)
    ]
    assert "Pay £571.80 and give the reference INV1." in said(invoice)
    tale.says("assess_contribution", "05-10", weekly_pence=14_000, basis="gross")
    assert "We send you invoices for your contribution of £140.00 a week." in said(tale.letter())
    tale.says("invoice_contribution", invoice_reference="INV2", period=APRIL, effective_on="05-25")
    credit = tale.letter()
    assert rows(credit) == [("Put right: personal care", "6 April to 3 May 2026", 1_180)]
    assert "You still owe £560.00." in said(credit)


def test_switching_and_back_again():
    tale = Tale()
    tale.says("switch_to_provided_services", effective_on="05-04", at_own_request=False)
    switched = tale.letter()
    assert "the council provides your support with personal care." in said(switched)
    assert "# If you disagree" in said(switched), "it was not the person's own wish"
    tale.says("resume_direct_payment", effective_on="06-01")
    assert "is paid as a care direct payment again." in said(tale.letter())


# --- remittance advices -----------------------------------------------------------------------


def everything() -> tuple[Tale, str]:
    """A payment with a rise put right, a higher contribution put right and two instalments."""
    tale = Tale()
    tale.paid(APRIL)
    tale.says(
        "agree_allocation",
        "04-20",
        lines=(
            a_line("respite.nhs", 7_000, need="respite_care", funding_stream="nhs",
                   starts_on=on("05-04")),
            a_line("equipment.nhs", 0, need="equipment", funding_stream="nhs",
                   one_off_pence=45_000, starts_on=on("05-06")),
        ),
        effective_on="05-04",
    )  # fmt: skip
    term: Any = {"line_reference": "personal_care.social_care", "weekly_pence": 33_850}
    tale.says("revise_allocation", "04-24", effective_on="04-22", **term)
    tale.says("assess_contribution", weekly_pence=15_000, basis="net", effective_on="04-27")
    clawed_back(tale)
    clawed_back(tale, clawback_reference="CB2", instalment_pence=10_000)
    return tale, tale.promised(MAY, "C2")


def test_an_advice_says_line_by_line_what_a_payment_is_made_up_of():
    tale, reference = everything()
    advice = tale.advice(reference, on("05-29"))
    assert rows(advice) == [
        ("Personal care (social care)", "4 May to 31 May 2026, £338.50 a week", 135_400),
        ("Respite care (NHS)", "4 May to 31 May 2026, £70.00 a week", 28_000),
        ("Your contribution to personal care", "4 May to 31 May 2026, £150.00 a week", -60_000),
        ("Equipment (NHS), once", "6 May 2026", 45_000),
        ("Put right: personal care (social care)", "6 April to 3 May 2026", 4_886),
        ("Put right: your contribution to personal care", "6 April to 3 May 2026", -705),
        ("Paid back: CB1", "£75.00 is left to pay back", -2_500),
        ("Paid back: CB2", "nothing is left to pay back", -10_000),
    ]
    (table,) = (part.table for part in advice.parts if part.table)
    assert table.total_pence == tale.budget.payments[reference].amount_pence
    assert "It will be in the account on 1 May 2026." in said(advice)
    assert "* Next payment due on: 29 May 2026" in said(advice)
    assert "* Account: the one ending 5678" in said(advice)


def test_an_advice_promises_no_next_payment_where_none_is_to_be_expected():
    tale = Tale()
    reference = tale.promised(APRIL)
    assert "Next payment" not in said(tale.advice(reference)), "no calendar"
    tale = Tale()
    tale.says("close", reason_code="needs_ended", effective_on="05-01")
    assert "Next payment" not in said(tale.advice(tale.promised(APRIL), on("05-01")))
    tale = Tale()
    hold: Any = {"reason_code": "other", **NONE_NEEDED, "review_on": on("06-01")}
    tale.says("suspend_payments", effective_on="04-20", **hold)
    assert "Next payment" not in said(tale.advice(tale.promised(APRIL), on("05-01")))


def test_a_payment_sent_again_says_so():
    tale = Tale()
    reference = tale.paid(APRIL)
    tale.says("return_payment", payment_reference=reference, reason_code="B", effective_on="04-08")
    came_back = tale.letter()
    assert "The bank sent it back because the account is closed." in said(came_back)
    assert "Your money is safe." in said(came_back)
    tale.says("reissue_payment", payment_reference="DP2", reissue_of=reference,
              cycle_reference="C1R", effective_on="04-24")  # fmt: skip
    assert tale.letter() == came_back, "what is sent again is told by its advice"
    again = tale.advice("DP2")
    sent_again = "The payment of 3 April 2026, sent again"
    assert rows(again) == [(sent_again, "6 April to 3 May 2026", 66_820)]
    assert "We paid this before and the bank sent it back. We are now sending it again." in said(
        again
    )


def test_a_payment_that_was_never_taken_was_not_paid_before():
    tale = Tale()
    reference = tale.promised(APRIL)
    tale.says("reject_payment", "04-06", payment_reference=reference, reason_code="AC01")
    tale.says("reissue_payment", payment_reference="DP2", reissue_of=reference,
              cycle_reference="C1R", effective_on="04-24")  # fmt: skip
    again = said(tale.advice("DP2"))
    assert "We tried to pay this before, but the bank did not take it." in again
    assert "We paid this before" not in again


def test_an_advice_says_that_it_pays_for_days_not_paid_before():
    tale = Tale()
    assert "It also pays" not in said(tale.advice(tale.promised(APRIL)))
    later = tale.promised(cycle_period(3), "C3")
    assert "It also pays for days from 4 May 2026 that we had not paid for before." in said(
        tale.advice(later)
    )


@settings(max_examples=150)
@for_all(ANY_LIFE)
def test_whatever_happened_it_can_be_told_and_every_advice_adds_up(anything):
    budget, history, _ = a_history([*PAYABLE, *anything])
    promised = {
        recorded.event.payment_reference: recorded.event.amount_pence
        for recorded in history
        if isinstance(recorded.event, PaymentScheduled | PaymentReissued)
    }
    made = told("PB000001", history, range(1, 1_000), promised)
    assert made.budget.version == budget.version
    assert made.advices.keys() == promised.keys()
    for reference, advice in made.advices.items():
        (table,) = (part.table for part in advice.parts if part.table)
        assert table.total_pence == promised[reference]
    for letter in made.letters.values():
        assert letter.kind in KINDS.keys() - {ADVICE, UNWRITTEN}
        for part in letter.parts:
            for sentence in (*part.paragraphs, *part.afterwards, *part.to_do):
                assert sentence.endswith((".", ":")), sentence
                assert not re.search(r"_|\bNone\b|  |£-|^[a-z]", sentence), sentence
        assert letter_html(letter, COUNCIL, SIAN)


# --- plain words ----------------------------------------------------------------------------


def one_of_each() -> Iterator[Letter]:
    tale, reference = everything()
    yield tale.advice(reference, on("05-29"))
    yield from tale.letters()
    suspended = Tale()
    suspended.paid(APRIL)
    suspended.says("suspend_payments", "04-21", reason_code="return_missing", **NONE_NEEDED,
                   review_on=on("05-20"), effective_on="04-20")  # fmt: skip
    suspended.says("resume_payments", effective_on="05-04", arrears_due=True)
    suspended.says("end_allocation", line_reference="personal_care.social_care",
                   effective_on="06-30")  # fmt: skip
    yield from suspended.letters()
    held = held_for_them()
    change: Any = {"line_reference": FUND, "effective_on": "04-20"}
    held.says("revise_allocation", "04-27", weekly_pence=21_000, **change)
    held.says("revise_allocation", "04-28", weekly_pence=19_000, **change)
    yield from (held.advice(reference) for reference in held.budget.payments)
    for reference in list(held.budget.payments):
        held.says("return_payment", payment_reference=reference, reason_code="B",
                  effective_on="05-08")  # fmt: skip
    yield from held.letters()


def test_sentences_are_short_and_speak_to_you():
    for letter in one_of_each():
        text = said(letter)
        assert "you" in text
        assert "benefit" not in text.replace("It is not a benefit.", "")
        for sentence in re.split(r"(?<=[.:])\s|\n", text.replace(COUNCIL.complaints, "")):
            assert len(sentence.split()) <= 28, sentence


# --- what a provider holds ------------------------------------------------------------------

FUND = "community.social_care"


def held_for_them() -> Tale:
    """A provider holds the direct payment, and £200.00 a week in a service fund; both were paid."""
    tale = Tale()
    tale.says("agree_allocation", lines=(in_a_fund(FUND, 20_000, need="community"),))
    tale.says("hold_service_fund", provider_reference=SUNRISE)
    tale.says("propose_managed_account", provider_reference=SUNRISE)
    tale.says("verify_payee", by="bob", payee_reference=SUNRISE)
    tale.paid(APRIL)
    tale.paid(APRIL, channel="service_fund")
    return tale


def test_who_holds_the_money_from_now_on_is_said_and_no_account():
    letter = said(held_for_them().letter())
    assert "We will pay your care direct payment to the provider SUNRISE." in letter
    assert "call us at once" in letter
    assert "this account" not in letter


def test_an_advice_says_that_the_provider_has_the_money():
    tale = held_for_them()
    reference = payment_for(tale.budget, APRIL, channel="service_fund")["payment_reference"]
    advice = tale.advice(reference)
    assert rows(advice) == [
        ("Community (social care)", "6 April to 3 May 2026, £200.00 a week", 80_000)
    ]
    text = said(advice)
    assert "We are paying £800.00 for your care and support to the provider who holds" in text
    assert "* Held by: the provider SUNRISE" in text
    assert "in the account" not in text


def test_a_late_change_of_a_fund_is_settled_with_the_provider_and_not_with_the_person():
    tale = held_for_them()
    change: Any = {"line_reference": FUND, "effective_on": "04-20"}
    more = said(tale.says("revise_allocation", "04-27", weekly_pence=21_000, **change).letter())
    assert "From 20 April 2026 we pay £210.00 a week to the provider who holds the money" in more
    assert "we owe £20.00 more to the provider who holds the money for you" in more
    less = said(tale.says("revise_allocation", "04-28", weekly_pence=19_000, **change).letter())
    assert "was paid £40.00 too much. We will settle this with the provider." in less
    assert "take it off" not in less


@pytest.mark.parametrize("code", ["B", "C", "2"])
def test_money_that_came_back_from_a_provider_asks_the_person_for_nothing(code):
    tale = held_for_them()
    for reference in list(tale.budget.payments):
        returned = {"payment_reference": reference, "reason_code": code}
        tale.says("return_payment", effective_on="04-08", **returned)
        assert "the payment to your provider" in tale.letter().subject.lower()
        assert "give us the right account details" not in said(tale.letter())
        assert "died" not in said(tale.letter())


def test_a_payment_to_a_provider_that_the_bank_did_not_take_asks_the_person_for_nothing():
    tale = Tale()
    tale.says("propose_managed_account", provider_reference=SUNRISE)
    tale.says("verify_payee", by="bob", payee_reference=SUNRISE)
    rejected = {"payment_reference": tale.promised(APRIL), "reason_code": "AC01"}
    letter = tale.says("reject_payment", "04-06", **rejected).letter()
    assert letter.subject == "We could not make the payment to your provider"
    assert "give us the right account details" not in said(letter)


# --- the page -------------------------------------------------------------------------------


class _Read(HTMLParser):
    """The elements of a page, and their headings in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_fetches_nothing_runs_nothing_and_can_be_read_aloud():
    for letter in one_of_each():
        page = letter_html(letter, COUNCIL, SIAN)
        read = _Read(page)
        tags = [tag for tag, _ in read.seen]
        assert not {"script", "link", "img", "iframe", "form"} & set(tags)
        assert not re.search(r"https?:|url\(|@import|\bon[a-z]+=", page)
        assert ("html", {"lang": "en-GB"}) in read.seen
        assert tags.count("h1") == tags.count("main") == 1
        assert "h3" not in tags
        assert tags.count("caption") == tags.count("table")
        assert all(attrs.get("scope") for tag, attrs in read.seen if tag == "th")


def test_what_is_not_known_is_left_out_and_what_is_strange_is_escaped():
    letter = a_hold().letter()
    nobody = Council("A & B <Council>", "", "", "", "")
    envelope = Envelope(letter_reference="x", name="<script>alert(1)</script>")
    page = letter_html(letter, nobody, envelope)
    assert "<script" not in page
    assert "A &amp; B &lt;Council&gt;" in page
    assert "Get in touch with the council." in page


def test_large_print_is_eighteen_points_on_paper():
    letter = a_hold().letter()
    large = Envelope(letter_reference="x", name="Siân", large_print=True)
    assert "html { font-size: 18pt; }" in letter_html(letter, COUNCIL, large)
    assert "html { font-size: 12pt; }" in letter_html(letter, COUNCIL, SIAN)


def test_a_letter_says_nothing_of_itself_in_a_log():
    assert "Siân" not in repr(SIAN)


def suspension() -> Letter:
    tale = Tale()
    tale.paid(APRIL)
    facts: Any = {
        "reason_code": "hospital_stay",
        "interim_arrangement": "in_hospital_or_care_home",
        "review_on": on("05-20"),
        "expires_on": on("05-31"),
        "effective_on": "04-20",
    }
    return tale.says("suspend_payments", "04-21", **facts).letter()


@pytest.mark.parametrize("name", ["advice", "suspension", "clawback_notice"])
def test_the_page_is_the_golden_file(name):
    tale, reference = everything()
    letter = {
        "advice": lambda: tale.advice(reference, on("05-29")),
        "suspension": suspension,
        "clawback_notice": lambda: clawed_back(Tale()).letters()[0],
    }[name]()
    assert letter_html(letter, COUNCIL, SIAN).encode() == (GOLDEN / f"{name}.html").read_bytes()
