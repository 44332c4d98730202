"""Clawbacks taken from payments: in what order, under which cap, and what that leaves of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates import clawbacks
from ledger.aggregates.clawbacks import ClawbackDeducted, Deduction
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payments import PaymentCancelled, PaymentScheduled
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import tried
from ledger.aggregates.recovery import RecoveryCapped
from ledger.application import Ledger
from ledger.cycle_deductions import cycle_deductions
from ledger.errors import CycleOutOfDate, InvalidMoney, PaymentDiffersFromEntitlement, Refusal
from ledger.payment_run import cancel_cycle
from ledger.projections.postings import postings
from ledger.verification import verify_ledger
from tests.api import BUDGET, CYCLE, an_api, make_payable
from tests.given import (
    Story,
    a_confirmed_clawback,
    a_payable_budget,
    cycle_period,
    given,
    on,
    pay,
    payment_for,
    tell,
)
from tests.main_job import (
    a_caseload,
    a_ledger,
    a_row,
    approve,
    issue,
    paid_in,
    prepare,
    says,
    take_in,
    tell_budget,
)
from tests.pbledger import Pbledger

APRIL, MAY, JUNE = cycle_period(1), cycle_period(2), cycle_period(3)
FOUR_WEEKS = 66_820


def owing(*instalments: int, amount: int = 10_000) -> Story[PersonalBudget]:
    """A budget with a confirmed clawback of £100.00 for each instalment: CB1, CB2, ..."""
    story = given(a_payable_budget())
    for number, instalment in enumerate(instalments, 1):
        for command, facts in a_confirmed_clawback(amount, instalment, f"CB{number}"):
            story.and_(command, **facts)
    return story


def capped(story: Story[PersonalBudget], pence: int | None) -> tuple[tuple[str, int], ...]:
    """What is taken from April's payment under a cap."""
    story.and_("cap_recovery", per_payment_pence=pence)
    return story.aggregate.payment_due(APRIL).deductions


# --- the cap --------------------------------------------------------------------------------


def test_a_cap_holds_for_all_clawbacks_together_and_may_leave_a_part_of_one() -> None:
    story = owing(3_000, 4_000)
    assert story.aggregate.payment_due(APRIL).deductions == (("CB1", 3_000), ("CB2", 4_000))
    assert capped(story, 7_000) == (("CB1", 3_000), ("CB2", 4_000))
    assert capped(story, 5_000) == (("CB1", 3_000), ("CB2", 2_000))
    assert capped(story, 3_000) == (("CB1", 3_000),)
    assert capped(story, 1) == (("CB1", 1),)
    assert capped(story, 0) == (), "nothing for now"
    assert capped(story, None) == (("CB1", 3_000), ("CB2", 4_000)), "no cap"


def test_a_cap_holds_for_payments_scheduled_later_and_the_last_one_counts() -> None:
    story = owing(3_000).when("cap_recovery", per_payment_pence=2_000, by="bob")
    story.then(RecoveryCapped, per_payment_pence=2_000)
    before = payment_for(story.aggregate, APRIL)
    story.when("cap_recovery", per_payment_pence=2_000).nothing()
    story.when("cap_recovery", per_payment_pence=500).then(RecoveryCapped)
    story.when("schedule_payment", **before).refused(PaymentDiffersFromEntitlement)
    pay(story.aggregate, APRIL)
    story.when("cap_recovery").then(RecoveryCapped, per_payment_pence=None)
    pay(story.aggregate, MAY, "C2")
    taken = [p.deducted_pence for p in story.aggregate.payments.values()]
    assert taken == [500, 3_000]


def test_a_cap_is_tried_before_it_is_set() -> None:
    budget = owing(6_000).aggregate

    def decide(tried_on: PersonalBudget) -> None:
        tell(tried_on, "cap_recovery", per_payment_pence=2_000)

    effect = tried(budget, decide, on("04-06")).effect
    assert effect is not None
    assert [(c.payment_was_pence, c.payment_now_pence) for c in effect.coming_payments] == [
        (FOUR_WEEKS - 6_000, FOUR_WEEKS - 2_000),
        (FOUR_WEEKS - 4_000, FOUR_WEEKS - 2_000),
        (FOUR_WEEKS, FOUR_WEEKS - 2_000),
    ]


def test_a_cap_of_less_than_nothing_is_refused() -> None:
    owing(3_000).when("cap_recovery", per_payment_pence=-1).refused(
        InvalidMoney, field="per_payment_pence"
    )


@pytest.mark.parametrize("cap", [FOUR_WEEKS - 1, FOUR_WEEKS, 99_999])
def test_whatever_the_cap_a_payment_leaves_something(cap: int) -> None:
    story = owing(99_999, amount=99_999)
    taken = capped(story, cap)
    assert taken == ((("CB1", cap),) if cap < FOUR_WEEKS else ())


# --- the order ------------------------------------------------------------------------------


def test_the_clawback_that_was_decided_first_is_recovered_first() -> None:
    """CB1 was proposed first, and disputed; CB2 was decided before it."""
    story = given(a_payable_budget())
    for command, facts in [*a_confirmed_clawback(10_000, 3_000, "CB1")][:2]:
        story.and_(command, **facts)
    for command, facts in a_confirmed_clawback(10_000, 3_000, "CB2"):
        story.and_(command, **facts)
    [*_, (confirm, facts)] = a_confirmed_clawback(10_000, 3_000, "CB1")
    story.and_(confirm, **facts)
    assert capped(story, 4_000) == (("CB2", 3_000), ("CB1", 1_000))


# --- what is left ---------------------------------------------------------------------------


def test_each_deduction_says_what_it_left_of_its_clawback() -> None:
    story = owing(6_000, 1_000)
    april = pay(story.aggregate, APRIL)
    story.and_(
        "receive_clawback", clawback_reference="CB2", amount_pence=8_500, receipt_reference="R1"
    )
    may = pay(story.aggregate, MAY, "C2")
    budget = story.aggregate
    assert budget.deductions_from(april) == (
        Deduction("CB1", 6_000, 4_000),
        Deduction("CB2", 1_000, 9_000),
    )
    assert budget.deductions_from(may) == (Deduction("CB1", 4_000, 0), Deduction("CB2", 500, 0))
    assert budget.deductions_from(pay(budget, JUNE, "C3")) == ()


def test_a_payment_that_was_cancelled_took_nothing() -> None:
    story = owing(6_000)
    reference = pay(story.aggregate, APRIL)
    story.and_("cancel_payment", payment_reference=reference)
    assert story.aggregate.deductions_from(reference) == ()
    again = pay(story.aggregate, APRIL, "C2")
    assert story.aggregate.deductions_from(again) == (Deduction("CB1", 6_000, 4_000),)


# --- over any life --------------------------------------------------------------------------

REFERENCES = st.sampled_from(["CB1", "CB2", "CB3"])
PENCE = st.one_of(st.integers(1, 90_000), st.sampled_from([1, 500, 10_000, FOUR_WEEKS]))
SAID = st.one_of(
    st.tuples(st.just("pay"), st.fixed_dictionaries({})),
    st.tuples(st.just("pay"), st.fixed_dictionaries({})),
    st.tuples(st.just("cancel"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(
        st.just("claw_back"),
        st.fixed_dictionaries(
            {"reference": REFERENCES, "amount": PENCE, "instalment": st.one_of(st.just(0), PENCE)}
        ),
    ),
    st.tuples(
        st.just("receive_clawback"),
        st.fixed_dictionaries(
            {
                "clawback_reference": REFERENCES,
                "amount_pence": PENCE,
                "receipt_reference": st.sampled_from(["R1", "R2", "R3"]),
            }
        ),
    ),
    st.tuples(
        st.just("waive_clawback"),
        st.fixed_dictionaries(
            {
                "clawback_reference": REFERENCES,
                "amount_pence": PENCE,
                "reason_code": st.just("hardship"),
                "by": st.just("bob"),
            }
        ),
    ),
    st.tuples(
        st.just("cap_recovery"),
        st.fixed_dictionaries({"per_payment_pence": st.one_of(st.none(), st.just(0), PENCE)}),
    ),
    st.tuples(
        st.just("assess_contribution"),
        st.fixed_dictionaries({"weekly_pence": st.integers(0, 31_500), "basis": st.just("net")}),
    ),
)


def say(budget: PersonalBudget, command: str, facts: dict[str, Any], number: int) -> list[Event]:
    """Give one command, whatever it takes; returns what was recorded."""
    if command == "claw_back":
        told = a_confirmed_clawback(facts["amount"], facts["instalment"], facts["reference"])
        return [event for name, known in told for event in tell(budget, name, **known)]
    if command == "pay":
        paid = payment_for(budget, cycle_period(number), f"C{number}")
        return tell(budget, "schedule_payment", **paid)
    if command == "cancel":
        references = [*budget.payments]
        if not references:
            return []
        reference = references[facts["place"] % len(references)]
        return tell(budget, "cancel_payment", payment_reference=reference)
    return tell(budget, command, **facts, effective_on=on("05-01"))


class OnPaper:
    """What is still owed on each clawback, from the events alone."""

    def __init__(self) -> None:
        self.owed: Counter[str] = Counter()
        self.cap: int | None = None
        self.taken: dict[str, list[Deduction]] = {}
        self.posted: Counter[str] = Counter()

    def note(self, event: Event) -> None:
        for posting in postings(event):
            self.posted[posting.account] += posting.amount_pence
        match event:
            case clawbacks.ClawbackConfirmed():
                self.owed[event.clawback_reference] += event.amount_pence
            case clawbacks.ClawbackReceived() | clawbacks.ClawbackWaived():
                self.owed[event.clawback_reference] -= event.amount_pence
            case RecoveryCapped():
                self.cap = event.per_payment_pence
            case ClawbackDeducted():
                reference = event.clawback_reference
                assert 0 < event.amount_pence <= self.owed[reference]
                self.owed[reference] -= event.amount_pence
                self.taken.setdefault(event.payment_reference, []).append(
                    Deduction(reference, event.amount_pence, self.owed[reference])
                )
            case PaymentScheduled():
                taken = sum(d.amount_pence for d in self.taken.get(event.payment_reference, []))
                assert event.deducted_pence == taken
                assert event.amount_pence >= 1
                assert self.cap is None or taken <= self.cap
            case PaymentCancelled():
                for deduction in self.taken.pop(event.payment_reference, []):
                    self.owed[deduction.clawback_reference] += deduction.amount_pence


@for_all(st.lists(SAID, max_size=25))
def test_no_payment_is_ever_nil_and_what_is_left_of_a_clawback_always_ties(
    life: list[tuple[str, dict[str, Any]]],
) -> None:
    """Outstanding is confirmed less received, deducted and waived, and so say the postings."""
    budget, paper = a_payable_budget(), OnPaper()
    for number, (command, facts) in enumerate(life, 1):
        try:
            recorded = say(budget, command, facts, number)
        except Refusal:
            continue
        for event in recorded:
            paper.note(event)
        standing = {r: c.outstanding_pence for r, c in budget.clawbacks.items()}
        assert all(pence >= 0 for pence in standing.values())
        assert standing == {reference: paper.owed[reference] for reference in standing}
        assert paper.posted["clawback_debtors"] == sum(standing.values())
        assert {r: list(budget.deductions_from(r)) for r in budget.payments} == {
            r: paper.taken.get(r, []) for r in budget.payments
        }


# --- through the machine --------------------------------------------------------------------

PB = "PB000001"


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Two budgets; on the first two clawbacks of £100.00, by £60.00 and £50.00, at most £80.00."""
    with a_ledger(database_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(a_row(1), a_row(2)))
        for reference, instalment in (("CB1", 6_000), ("CB2", 5_000)):
            for command, facts in a_confirmed_clawback(10_000, instalment, reference):
                tell_budget(ledger, PB, command, **facts)
        tell_budget(ledger, PB, "cap_recovery", per_payment_pence=8_000, by="bob")
        yield ledger


def taken(ledger: Ledger, cycle: PaymentCycle) -> list[tuple[str, str, int, int]]:
    return [
        (d.budget_reference, d.clawback_reference, d.amount_pence, d.left_pence)
        for d in cycle_deductions(ledger, ledger.cycle(cycle.reference).lines)
    ]


def test_a_cycle_lists_what_is_taken_for_each_clawback_and_what_is_left(ledger: Ledger) -> None:
    first = prepare(ledger, 1)
    expected = [(PB, "CB1", 6_000, 4_000), (PB, "CB2", 2_000, 8_000)]
    assert taken(ledger, first) == expected, "as it would be"
    issue(ledger, approve(ledger, first))
    assert taken(ledger, first) == expected
    receipt = {"clawback_reference": "CB2", "receipt_reference": "R1"}
    tell_budget(ledger, PB, "receive_clawback", amount_pence=5_000, **receipt)
    second = approve(ledger, prepare(ledger, 2))
    issue(ledger, second)
    assert taken(ledger, second) == [(PB, "CB1", 4_000, 0), (PB, "CB2", 3_000, 0)]
    assert taken(ledger, first) == expected, "and stays what it was at the time"
    assert paid_in(ledger, second)[PB] == FOUR_WEEKS - 7_000
    assert verify_ledger(ledger).difference is None


def test_a_withdrawn_cycle_lists_what_would_be_taken_now(ledger: Ledger) -> None:
    cycle = approve(ledger, prepare(ledger, 1))
    cancel_cycle(ledger, cycle.reference, said=says("alice"))
    tell_budget(ledger, PB, "receive_clawback", clawback_reference="CB1", amount_pence=5_000,
                receipt_reference="R1")  # fmt: skip
    assert taken(ledger, cycle) == [(PB, "CB1", 6_000, 0), (PB, "CB2", 2_000, 8_000)]


def test_other_instalments_than_were_approved_put_a_cycle_out_of_date(ledger: Ledger) -> None:
    """Though they come to the same: £50.00 was approved for one, and would be taken for another."""
    tell_budget(ledger, PB, "cap_recovery", per_payment_pence=5_000, by="bob")
    cycle = prepare(ledger, 1)
    receipt = {"clawback_reference": "CB1", "receipt_reference": "R1"}
    tell_budget(ledger, PB, "receive_clawback", amount_pence=10_000, **receipt)
    with pytest.raises(CycleOutOfDate, match="other instalments"):
        approve(ledger, cycle)
    again = approve(ledger, prepare(ledger, 1))
    assert taken(ledger, again) == [(PB, "CB2", 5_000, 5_000)]


def test_it_is_listed_on_the_command_line(sqlite_url: str, tmp_path: Path) -> None:
    pbledger = Pbledger(sqlite_url, tmp_path).with_budgets(3)
    for typed in (
        "ann budget propose-clawback PB000001 --clawback-reference CB1 --amount 100.00 "
        "--cause-code surplus --effective-on 2026-01-05",
        "ann budget notify-clawback PB000001 --clawback-reference CB1 --respond-by 2026-01-20 "
        "--effective-on 2026-01-05",
        "bob budget confirm-clawback PB000001 --clawback-reference CB1 --amount 100.00 "
        "--recovery deduction --instalment 60.00 --effective-on 2026-01-21",
        "bob budget cap-recovery PB000001 --per-payment 40.00",
    ):
        pbledger.done(f"--as {typed}")
    pbledger.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
    [deduction] = pbledger.json("cycle lines C1")["deductions"]
    assert (deduction["clawback_reference"], deduction["left_pence"]) == ("CB1", 6_000)
    assert re.search(r"PB000001 +DP\w+ +CB1 +£40.00 +£60.00", pbledger.done("cycle lines C1"))
    assert "Taken for clawback  £40.00" in pbledger.done("cycle show C1")
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    shown = pbledger.done("budget show PB000001 --on 2026-04-20")
    assert re.search(r"DP\w+ +CB1 +£40.00 +£60.00", shown)
    assert "At most £40.00 is taken from a payment" in shown
    pbledger.done("--as bob budget cap-recovery PB000001")
    assert pbledger.json("budget show PB000001")["deduction_cap_pence"] is None


def test_it_is_answered_by_the_api(sqlite_url: str, tmp_path: Path) -> None:
    with an_api(sqlite_url, tmp_path) as api:
        make_payable(api)
        for command, facts in a_confirmed_clawback(10_000, 6_000):
            tell_budget(api.ledger, PB, command, **facts)
        cap = {"effective_on": "2026-04-06", "per_payment_pence": 4_000}
        api.post(f"{BUDGET}/cap-recovery", cap, by="bob").done()
        cycle = approve(api.ledger, prepare(api.ledger, 1, reference="C2026-01"))
        page = api.get(f"{CYCLE}/lines").done()
        [line] = cycle.lines
        assert page["deductions"] == [
            {
                "budget_reference": PB,
                "payment_reference": line.payment_reference,
                "clawback_reference": "CB1",
                "amount_pence": 4_000,
                "left_pence": 6_000,
            }
        ]
        budget = api.get(BUDGET).done()
        assert budget["deduction_cap_pence"] == 4_000
        [payment] = budget["payments"]
        assert payment["deductions"] == [
            {"clawback_reference": "CB1", "amount_pence": 4_000, "left_pence": 6_000}
        ]
