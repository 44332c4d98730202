"""Money as the read tables tell it: every set of postings balances, every total ties."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates import payments as budget
from ledger.aggregates.care_decisions import LAWFUL_EXCLUSIONS
from ledger.aggregates.clawbacks import (
    ClawbackConfirmed,
    ClawbackDeducted,
    ClawbackReceived,
    ClawbackWaived,
)
from ledger.aggregates.event_sourced import TOPICS, Event
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.dates import Period
from ledger.errors import Refusal
from ledger.projections.audit import SENTENCES, sentence
from ledger.projections.balances import all_balances, balances_of
from ledger.projections.finance import finance_totals
from ledger.projections.postings import (
    ACCOUNTS,
    MONEYLESS,
    POSTED,
    UnpostedEvent,
    postings,
)
from tests.given import (
    FIRST_DAY,
    a_line,
    a_payable_budget,
    an_open_budget,
    cycle_period,
    payment_for,
    tell,
)
from tests.main_job import a_busy_council, a_ledger, bank_file_total

# --- every kind of event is decided about ---------------------------------------------------


def test_every_kind_of_event_is_either_posted_or_moneyless():
    assert set(POSTED) | set(MONEYLESS) == set(TOPICS)
    assert not set(POSTED) & set(MONEYLESS)


def test_every_kind_of_event_with_an_amount_of_its_own_is_posted_or_only_proposed():
    with_amount = {cls for cls in TOPICS if "amount_pence" in cls.__struct_fields__}
    assert {cls.__name__ for cls in with_amount - set(POSTED)} == {"ClawbackProposed"}


def test_an_event_nobody_decided_about_is_not_guessed_at():
    class Undecided(Event):
        """Nobody has said what this does to money."""

    event = Undecided(
        effective_on=FIRST_DAY, recorded_at=datetime(2026, 4, 6, tzinfo=UTC), recorded_by="ann"
    )
    with pytest.raises(UnpostedEvent, match="Undecided"):
        postings(event)


# --- generated histories --------------------------------------------------------------------

amounts = st.integers(1, 60_000)
days = st.integers(0, 90).map(lambda n: FIRST_DAY + timedelta(days=n))
lines = st.sampled_from(["L1", "L2"])
clawback = st.sampled_from(["CB1", "CB2"])


def a_command(name: str, **facts: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    people = {"effective_on": days, "by": st.sampled_from(["ann", "bob"])}
    return st.tuples(st.just(name), st.fixed_dictionaries({**people, **facts}))


COMMANDS = st.one_of(
    st.tuples(st.just("pay"), st.fixed_dictionaries({"number": st.integers(1, 4)})),
    st.tuples(st.just("pay"), st.fixed_dictionaries({"number": st.integers(1, 4)})),
    st.tuples(st.just("confirm"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(st.just("return"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(st.just("reissue"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(st.just("cancel"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(st.just("reject"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    st.tuples(st.just("refund"), st.fixed_dictionaries({"place": st.integers(0, 5)})),
    a_command("revise_allocation", line_reference=lines, weekly_pence=amounts),
    a_command("end_allocation", line_reference=lines),
    a_command("assess_contribution", weekly_pence=amounts, basis=st.sampled_from(["net", "gross"])),
    a_command(
        "suspend_payments",
        reason_code=st.sampled_from(["hospital_stay", "safeguarding"]),
        interim_arrangement=st.just("family_or_friends"),
        review_on=days,
        retainer_weekly_pence=st.integers(0, 5_000),
        expires_on=st.one_of(st.none(), days),
    ),
    a_command("propose_resumption", reason_code=st.just("safeguarding"), arrears_due=st.booleans()),
    a_command("resume_payments", arrears_due=st.booleans()),
    a_command("cap_recovery", per_payment_pence=st.sampled_from([None, 0, 1_000])),
    a_command("switch_to_provided_services", line_references=st.just(())),
    a_command("resume_direct_payment", line_references=st.just(())),
    a_command("close", reason_code=st.just("moved_away")),
    a_command(
        "propose_clawback",
        clawback_reference=clawback,
        amount_pence=amounts,
        cause_code=st.sampled_from(["surplus", "overpayment"]),
    ),
    a_command("notify_clawback", clawback_reference=clawback, respond_by=days),
    a_command(
        "confirm_clawback",
        clawback_reference=clawback,
        amount_pence=amounts,
        recovery=st.sampled_from(["deduction", "repayment"]),
        instalment_pence=amounts,
    ),
    a_command(
        "receive_clawback",
        clawback_reference=clawback,
        amount_pence=amounts,
        receipt_reference=st.sampled_from(["R1", "R2"]),
    ),
    a_command(
        "waive_clawback",
        clawback_reference=clawback,
        amount_pence=amounts,
        reason_code=st.just("hardship"),
    ),
)


def history_of(told: list[tuple[str, dict[str, Any]]]) -> tuple[PersonalBudget, list[Event]]:
    """A budget to which all this was said, and what it recorded; refusals record nothing."""
    known = a_payable_budget(lines=[a_line("L1", weekly=31_000), a_line("L2", weekly=4_400)])
    events: list[Event] = []
    for turn, (command, facts) in enumerate(told):
        facts = dict(facts)
        payments = list(known.payments)
        if command == "pay":
            facts = payment_for(known, cycle_period(facts["number"]), f"C{turn}")
            command = "schedule_payment"
        elif command in ("confirm", "return", "reissue", "cancel", "reject", "refund"):
            if not payments:
                continue
            reference = payments[facts["place"] % len(payments)]
            command = f"{command}_payment"
            facts = {
                "confirm_payment": {"payment_reference": reference},
                "cancel_payment": {"payment_reference": reference},
                "refund_payment": {"payment_reference": reference},
                "reject_payment": {"payment_reference": reference, "reason_code": "AC04"},
                "return_payment": {"payment_reference": reference, "reason_code": "B"},
                "reissue_payment": {
                    "payment_reference": f"{reference}R{turn}",
                    "reissue_of": reference,
                    "cycle_reference": f"C{turn}",
                },
            }[command] | {"effective_on": FIRST_DAY + timedelta(days=60 + turn)}
        elif command == "confirm_clawback" and turn % 2:
            facts["amount_pence"] = -sum(x.amount_pence for x in known.adjustments_due())
        with suppress(Refusal):
            events += tell(known, command, **facts)
    return known, events


@settings(max_examples=150)
@given(st.lists(COMMANDS, max_size=30))
def test_the_postings_of_every_event_add_up_to_nought(told):
    known, events = history_of(told)
    standing: defaultdict[str, int] = defaultdict(int)
    for event in events:
        posted = postings(event)
        assert sum(posting.amount_pence for posting in posted) == 0, event
        assert all(posting.account in ACCOUNTS and posting.amount_pence for posting in posted)
        for posting in posted:
            standing[posting.account] += posting.amount_pence
        said = sentence(event)
        assert said.endswith(".")
        assert not re.search(r"None|[a-z]_[a-z]", said), said
    statuses: Counter[str] = Counter()
    for payment in known.payments.values():
        statuses[payment.status] += payment.amount_pence
    assert standing["payments_due"] == -statuses["scheduled"]
    assert standing["returned_payments"] == -statuses["returned"] - statuses["rejected"]
    assert standing["direct_payments"] + standing["client_contributions"] == sum(
        line.amount_pence for line in known.scheduled_lines
    ), "what is spent is what the days that are settled come to"
    assert standing["clawback_debtors"] == sum(
        c.outstanding_pence for c in known.clawbacks.values()
    )
    assert standing["clawback_debtors"] >= 0


# --- sentences ------------------------------------------------------------------------------


SPECIAL = {
    "need": st.just("personal_care"),
    "funding_stream": st.just("personal_care"),
    "line_reference": st.just("personal_care.social_care"),
    "line_references": st.just(("personal_care.social_care", "day_care.nhs")),
}
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.just("REF1"),
    int: st.integers(0, 10**7),
    date: st.dates(date(2025, 1, 1), date(2027, 1, 1)),
    datetime: st.just(datetime(2026, 4, 6, 9, 30, tzinfo=UTC)),
    Period: st.just(cycle_period(1)),
}


def a_value(field: str, hint: Any) -> st.SearchStrategy[Any]:
    """What a field of an event may hold; codes have underscores, references none."""
    if field == "reason_code" and hint is str:
        return st.sampled_from([*LAWFUL_EXCLUSIONS])
    if field in SPECIAL or hint in PLAIN:
        return SPECIAL[field] if field in SPECIAL else PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return of_struct(hint)
    match getattr(hint, "__args__", ()):
        case (item, last) if last is ...:
            return st.lists(a_value(field, item), max_size=2).map(tuple)
        case (value, last) if last is type(None):
            return st.none() | a_value(field, value)
    return st.from_type(hint)


def of_struct(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{f: a_value(f, hints[f]) for f in cls.__struct_fields__})


def test_every_kind_of_event_has_a_sentence():
    assert set(SENTENCES) == set(TOPICS)


@pytest.mark.parametrize("event_type", TOPICS, ids=lambda cls: cls.__name__)
def test_no_sentence_shows_a_code_or_a_missing_value(event_type: type[Event]):
    @settings(max_examples=30)
    @given(of_struct(event_type))
    def is_plain(event: Event) -> None:
        said = sentence(event)
        assert not said[0].islower(), said
        assert re.search(r"[^.]\.$", said), said
        assert "None" not in said, said
        assert "()" not in said, said
        assert not re.search(r"[A-Za-z]_[A-Za-z]", said), said

    is_plain()


@pytest.mark.parametrize(
    ("legal_basis", "said"),
    [
        ("care_act_2014", "under the Care Act 2014 for"),
        ("care_act_2014_carer", "under the Care Act 2014 as a carer for"),
        ("children_act_1989_s17a", "under the Children Act 1989, section 17A for"),
        ("mental_health_act_1983_s117", "under the Mental Health Act 1983, section 117 for"),
        ("nhs_act_2006", "under the National Health Service Act 2006 for"),
    ],
)
def test_an_act_is_told_by_its_name(legal_basis: str, said: str):
    known = an_open_budget(legal_basis=legal_basis)
    assert known.opened is not None
    assert said in sentence(known.opened)


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        ("direct_payment", "(NHS, as a direct payment)"),
        ("managed_account", "(NHS, as a managed account)"),
        ("individual_service_fund", "(NHS, as an individual service fund)"),
    ],
)
def test_a_line_is_told_by_proper_names(deployment: str, said: str):
    line = a_line("L1", 100, funding_stream="nhs", deployment=deployment)
    (agreed,) = tell(an_open_budget(), "agree_allocation", lines=(line,))
    assert said in sentence(agreed)


# --- balances on any day, as known at any moment --------------------------------------------


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with a_ledger(database_url, tmp_path) as ledger:
        yield ledger


def reckoned(events: list[Event]) -> dict[str, int]:
    """Each account's balance, reckoned from the events' own amounts and not from postings."""
    sums: Counter[str] = Counter()
    for e in events:
        match e:
            case budget.PaymentScheduled():
                charged = sum(x.amount_pence for x in e.lines if x.kind == "contribution")
                sums["client_contributions"] += charged
                sums["direct_payments"] += e.amount_pence + e.deducted_pence - charged
                sums["payments_due"] -= e.amount_pence + e.deducted_pence
            case budget.PaymentConfirmed():
                sums["payments_due"] += e.amount_pence
                sums["bank"] -= e.amount_pence
            case budget.PaymentReturned():
                sums["bank"] += e.amount_pence
                sums["returned_payments"] -= e.amount_pence
            case budget.PaymentRejected():
                sums["payments_due"] += e.amount_pence
                sums["returned_payments"] -= e.amount_pence
            case budget.PaymentReissued():
                sums["returned_payments"] += e.amount_pence
                sums["payments_due"] -= e.amount_pence
            case budget.PaymentRefunded():
                charged = sum(x.amount_pence for x in e.lines if x.kind == "contribution")
                deducted = sum(pence for _, pence in e.deductions)
                sums["client_contributions"] -= charged
                sums["direct_payments"] -= e.amount_pence + deducted - charged
                sums["returned_payments"] += e.amount_pence
                sums["clawback_debtors"] += deducted
            case budget.PaymentCancelled() if e.reissue_of:
                sums["returned_payments"] -= e.amount_pence
                sums["payments_due"] += e.amount_pence
            case budget.PaymentCancelled():
                charged = sum(x.amount_pence for x in e.lines if x.kind == "contribution")
                deducted = sum(pence for _, pence in e.deductions)
                sums["client_contributions"] -= charged
                sums["direct_payments"] -= e.amount_pence + deducted - charged
                sums["payments_due"] += e.amount_pence
                sums["clawback_debtors"] += deducted
            case ClawbackConfirmed():
                charged = sum(x.amount_pence for x in e.lines if x.kind == "contribution")
                sums["clawback_debtors"] += e.amount_pence
                sums["client_contributions"] += charged
                spent = "direct_payments" if e.lines else "clawback_income"
                sums[spent] -= e.amount_pence + charged
            case ClawbackDeducted():
                sums["payments_due"] += e.amount_pence
                sums["clawback_debtors"] -= e.amount_pence
            case ClawbackReceived():
                sums["bank"] += e.amount_pence
                sums["clawback_debtors"] -= e.amount_pence
            case ClawbackWaived():
                sums["clawback_waived"] += e.amount_pence
                sums["clawback_debtors"] -= e.amount_pence
    return {account: pence for account, pence in sums.items() if pence}


def test_balances_are_those_of_the_events_known_then_and_in_effect_by_then(ledger: Ledger):
    a_busy_council(ledger, budgets=12)
    ledger.projections.catch_up()
    looked_at = 0
    for known in [b for b in ledger.budgets() if len(b.payments) > 1 or b.closed]:
        events = [recorded.event for recorded in ledger.history(PersonalBudget, known.reference)]
        effective = sorted({e.effective_on for e in events})
        moments = sorted({e.recorded_at for e in events})
        for day in [None, *effective, *(d - timedelta(days=1) for d in effective)]:
            for moment in [None, *moments, *(m - timedelta(microseconds=1) for m in moments)]:
                told = [
                    e
                    for e in events
                    if (day is None or e.effective_on <= day)
                    and (moment is None or e.recorded_at <= moment)
                ]
                found = balances_of(ledger.engine, known.id.hex, day, moment)
                assert {k: v for k, v in found.items() if v} == reckoned(told), (day, moment)
                assert sum(found.values()) == 0
                looked_at += 1
    assert looked_at > 500


def test_a_moment_is_the_same_moment_in_any_time_zone(ledger: Ledger):
    a_busy_council(ledger, budgets=12)
    ledger.projections.catch_up()
    stream = next(b.id.hex for b in ledger.budgets() if b.payments)
    moment = datetime(2026, 4, 6, 10, 0, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-11)))
    assert balances_of(ledger.engine, stream, None, elsewhere) == balances_of(
        ledger.engine, stream, None, moment
    )


# --- finance totals -------------------------------------------------------------------------


def test_scheduled_issued_and_the_bank_file_agree_for_every_cycle(ledger: Ledger):
    a_busy_council(ledger)
    ledger.projections.catch_up()
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in finance_totals(ledger.engine):
        sums[row["cycle_reference"]].update(
            {name: row[name] for name in row if name.endswith("_pence")}
        )
        assert row["scheduled_pence"] == row["issued_pence"], row
    assert set(sums) == {"C2026-01", "C2026-01R", "C2026-02"}
    for reference, total in sums.items():
        cycle = ledger.cycle(reference)
        assert cycle.issued is not None
        assert total["scheduled_pence"] == cycle.issued.total_pence
        assert total["issued_pence"] == bank_file_total(ledger, reference)
        assert total["confirmed_pence"] == cycle.issued.total_pence - cycle.rejected_pence
        assert total["rejected_pence"] == cycle.rejected_pence
        assert total["outstanding_pence"] == 0
    assert sums["C2026-01"]["returned_pence"] == sum(
        payment.amount_pence
        for b in ledger.budgets()
        for payment in b.payments.values()
        if payment.held and payment.held.status == "returned"
    )


def test_the_whole_ledger_balances_and_ties_to_the_bank(ledger: Ledger):
    a_busy_council(ledger)
    ledger.projections.catch_up()
    standing = all_balances(ledger.engine)
    assert sum(standing.values()) == 0
    paid = sum(bank_file_total(ledger, r) for r in ("C2026-01", "C2026-01R", "C2026-02"))
    totals = finance_totals(ledger.engine)
    returned = sum(row["returned_pence"] + row["rejected_pence"] for row in totals)
    assert standing["bank"] == returned - paid
    assert standing["payments_due"] == 0
