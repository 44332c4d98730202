"""A payment cycle: one person prepares it, another approves exactly that, the bank pays it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.aggregates.cycle_events import (
    CycleAcknowledged,
    CycleApproved,
    CycleCancelled,
    CycleException,
    CycleFileRefused,
    CycleIssued,
    CycleLine,
    CycleLinesListed,
    CyclePrepared,
    CycleRejected,
    CycleSettled,
    lines_hash,
)
from ledger.aggregates.event_sourced import Event, Recorded
from ledger.aggregates.payment_cycle import LINES_IN_AN_EVENT, PaymentCycle
from ledger.entitlement import EntitlementLine
from ledger.errors import (
    ApproverPreparedCycle,
    CycleAlreadyDecided,
    CycleChangedSinceSeen,
    CycleIsEmpty,
    CycleNotApproved,
    CycleNotIssued,
    CycleNotSettledYet,
    InvalidValue,
)
from ledger.store import decode, encoded
from tests.given import FIRST_DAY, Story, cycle_period, given, replayed, state_of

APRIL = cycle_period(1)
PAY_ON = date(2026, 4, 2)  # Thursday: Good Friday is 3 April


def an_owed_line(pence: int, kind: Any = "allocation", **facts: Any) -> EntitlementLine:
    return EntitlementLine(
        kind,
        "L1",
        facts.get("stream", "social_care"),
        facts.get("cost_centre", "S4100"),
        APRIL,
        pence,
        APRIL.starts_on,
        APRIL.ends_on,
    )


def a_cycle_line(number: int = 1, pence: int = 66_820, **facts: Any) -> CycleLine:
    """A payment for a budget that is at version 7."""
    return CycleLine(
        **{
            "budget_reference": f"PB{number:06d}",
            "budget_version": 7,
            "payment_reference": f"DP{number:06d}",
            "payee_reference": f"payee-{number}",
            "amount_pence": pence,
            "lines": (an_owed_line(pence),),
            **facts,
        }
    )


TWO_LINES = (a_cycle_line(1, 66_820), a_cycle_line(2, 4_000))
NOTED = (CycleException("first_payment", "PB000001", "DP000001", now_pence=66_820),)
WHAT_IS_PREPARED: dict[str, Any] = {
    "period": APRIL,
    "pay_on": PAY_ON,
    "lines": TWO_LINES,
    "exceptions": NOTED,
}
SEEN = {"total_pence": 70_820, "lines_sha256": lines_hash(**WHAT_IS_PREPARED), "by": "bob"}
FILE = {
    "file_name": "C1-000001.bacs",
    "file_format": "bacs-standard-18",
    "file_sha256": "0" * 64,
    "record_count": 2,
    "total_pence": 70_820,
    "submission_serial": "000001",
    "processing_on": date(2026, 4, 1),
}
STEPS: dict[str, dict[str, Any]] = {
    "prepare": WHAT_IS_PREPARED,
    "approve": SEEN,
    "issue": FILE,
    "settle": {"effective_on": PAY_ON},
}


def a_hash(*lines: CycleLine, noted: Sequence[CycleException] = NOTED) -> str:
    """The seal of a cycle with these lines."""
    return lines_hash(APRIL, PAY_ON, lines, noted)


def a_cycle(last_step: str | None = "prepare") -> Story[PaymentCycle]:
    """A cycle taken as far as a step: prepared by ann, approved by bob."""
    story = given(PaymentCycle("C1"))
    for step, facts in STEPS.items() if last_step else ():
        story.and_(step, **facts)
        if step == last_step:
            break
    return story


def rejected() -> Story[PaymentCycle]:
    return a_cycle().and_("reject", reason_code="other", by="bob")


def cancelled() -> Story[PaymentCycle]:
    return a_cycle().and_("cancel")


STANDINGS = {
    "nothing": lambda: a_cycle(None),
    "prepared": a_cycle,
    "rejected": rejected,
    "cancelled": cancelled,
    "approved": lambda: a_cycle("approve"),
    "issued": lambda: a_cycle("issue"),
    "settled": lambda: a_cycle("settle"),
}


def refused_everywhere_but(*standings: str) -> list[str]:
    return [standing for standing in STANDINGS if standing not in standings]


# --- preparing ----------------------------------------------------------------------------


def test_a_cycle_is_prepared_with_its_totals() -> None:
    story = a_cycle(None).when("prepare", **WHAT_IS_PREPARED)
    story.then(
        CycleLinesListed,
        CyclePrepared,
        line_count=2,
        total_pence=70_820,
        lines_sha256=SEEN["lines_sha256"],
        exception_count=1,
        off_cycle=False,
    )
    assert story.aggregate.lines == list(TWO_LINES)
    assert story.aggregate.exceptions == list(NOTED)


@pytest.mark.parametrize(
    ("lines", "exceptions", "events"),
    [(0, 0, 0), (1, 0, 1), (0, 1, 1), (500, 3, 1), (501, 3, 2), (3, 1_001, 3)],
)
def test_lines_and_exceptions_are_listed_five_hundred_to_an_event(
    lines: int, exceptions: int, events: int
) -> None:
    assert LINES_IN_AN_EVENT == 500
    story = a_cycle(None).when(
        "prepare",
        period=APRIL,
        pay_on=PAY_ON,
        lines=(a_cycle_line(n) for n in range(lines)),
        exceptions=(CycleException("ended", f"PB{n}") for n in range(exceptions)),
        off_cycle=True,
    )
    story.then(*[CycleLinesListed] * events, CyclePrepared, line_count=lines, off_cycle=True)
    assert len(story.aggregate.lines) == lines
    assert len(story.aggregate.exceptions) == exceptions


def test_preparing_the_same_again_records_nothing() -> None:
    a_cycle().when("prepare", **WHAT_IS_PREPARED).nothing()


OTHER_PREPARATIONS: list[dict[str, Any]] = [
    {"lines": TWO_LINES[:1]},
    {"lines": TWO_LINES[::-1]},
    {"exceptions": ()},
    {"exceptions": (*NOTED, CycleException("ended", "PB000002"))},
    {"period": cycle_period(2)},
    {"pay_on": date(2026, 4, 1)},
]


@pytest.mark.parametrize("other", [*OTHER_PREPARATIONS, {"by": "cat"}, {"off_cycle": True}])
def test_preparing_otherwise_replaces_what_was_listed(other: dict[str, Any]) -> None:
    facts = {**WHAT_IS_PREPARED, **other}
    story = a_cycle().when("prepare", **facts).then(CycleLinesListed, CyclePrepared)
    assert story.aggregate.lines == list(facts["lines"])
    assert story.aggregate.exceptions == list(facts["exceptions"])


@pytest.mark.parametrize("other", OTHER_PREPARATIONS)
def test_preparing_otherwise_voids_what_the_approver_saw(other: dict[str, Any]) -> None:
    """The same lines paid on another day, or with another exception, are not what was seen."""
    facts = {**WHAT_IS_PREPARED, **other}
    a_cycle().and_("prepare", **facts).when("approve", **SEEN).refused(
        CycleChangedSinceSeen, lines_sha256=lines_hash(**facts)
    )


def test_the_same_prepared_by_another_person_is_what_the_approver_saw() -> None:
    story = a_cycle().and_("prepare", **WHAT_IS_PREPARED, by="cat")
    story.when("approve", **SEEN).then(CycleApproved)


def test_a_rejected_cycle_is_prepared_again_even_with_the_same_lines() -> None:
    rejected().when("prepare", **WHAT_IS_PREPARED).then(CycleLinesListed, CyclePrepared)


@pytest.mark.parametrize("standing", refused_everywhere_but("nothing", "prepared", "rejected"))
def test_a_cycle_that_was_decided_cannot_be_prepared(standing: str) -> None:
    STANDINGS[standing]().when("prepare", **WHAT_IS_PREPARED).refused(CycleAlreadyDecided)


@pytest.mark.parametrize(
    "reference", ["", "c1", "C 1", "../C1", "C1.", "C_1", "-C1", "C" * 21, "C1\n", "Ç1", "٣"]
)
def test_a_reference_that_could_not_name_a_bank_file_is_refused(reference: str) -> None:
    given(PaymentCycle(reference)).when("prepare", **WHAT_IS_PREPARED).refused(
        InvalidValue, field="reference"
    )


@pytest.mark.parametrize("reference", ["C", "7", "2026-05-WEEKLY", "C" * 20])
def test_a_reference_of_capitals_digits_and_hyphens_is_taken(reference: str) -> None:
    given(PaymentCycle(reference)).when("prepare", **WHAT_IS_PREPARED).then(
        CycleLinesListed, CyclePrepared, reference=reference
    )


# --- approving and rejecting --------------------------------------------------------------


def test_another_person_approves_exactly_what_they_saw() -> None:
    story = a_cycle().when("approve", **SEEN).then(CycleApproved, total_pence=70_820)
    assert story.aggregate.status == "approved"


def test_a_cycle_cannot_be_approved_or_rejected_by_its_preparer() -> None:
    a_cycle().when("approve", **{**SEEN, "by": "ann"}).refused(ApproverPreparedCycle)
    a_cycle().when("reject", reason_code="other", by="ann").refused(ApproverPreparedCycle)


@pytest.mark.parametrize("other", [{"total_pence": 70_821}, {"lines_sha256": "f" * 64}])
def test_approving_something_else_is_refused(other: dict[str, Any]) -> None:
    a_cycle().when("approve", **{**SEEN, **other}).refused(CycleChangedSinceSeen)


def test_a_cycle_without_a_payment_cannot_be_approved() -> None:
    story = a_cycle(None).and_("prepare", **{**WHAT_IS_PREPARED, "lines": ()})
    empty = {"total_pence": 0, "lines_sha256": a_hash(), "by": "bob"}
    story.when("approve", **empty).refused(CycleIsEmpty)


def test_approving_twice_records_nothing_unless_other_lines_are_meant() -> None:
    a_cycle("approve").when("approve", **SEEN).nothing()
    a_cycle("approve").when("approve", **{**SEEN, "lines_sha256": "f" * 64}).refused(
        CycleChangedSinceSeen
    )


@pytest.mark.parametrize("standing", refused_everywhere_but("prepared", "approved"))
def test_only_a_prepared_cycle_is_approved(standing: str) -> None:
    STANDINGS[standing]().when("approve", **SEEN).refused(CycleAlreadyDecided)


def test_another_person_rejects_a_cycle_once() -> None:
    rejection = {"reason_code": "totals_unexpected", "by": "bob"}
    story = a_cycle().when("reject", **rejection).then(CycleRejected)
    story.when("reject", **rejection).nothing()


@pytest.mark.parametrize("standing", refused_everywhere_but("prepared", "rejected"))
def test_only_a_prepared_cycle_is_rejected(standing: str) -> None:
    STANDINGS[standing]().when("reject", reason_code="other", by="bob").refused(CycleAlreadyDecided)


# --- cancelling ---------------------------------------------------------------------------


BEFORE_ANY_FILE = ("prepared", "rejected", "approved")


@pytest.mark.parametrize("standing", BEFORE_ANY_FILE)
def test_a_cycle_is_cancelled_once_before_any_bank_file(standing: str) -> None:
    story = STANDINGS[standing]().when("cancel").then(CycleCancelled)
    assert story.aggregate.status == "cancelled"
    story.when("cancel").nothing()


@pytest.mark.parametrize("standing", refused_everywhere_but(*BEFORE_ANY_FILE, "cancelled"))
def test_a_cycle_whose_file_was_made_cannot_be_cancelled(standing: str) -> None:
    STANDINGS[standing]().when("cancel").refused(CycleAlreadyDecided)


# --- issuing and settling -----------------------------------------------------------------


def test_an_approved_cycle_is_issued_with_its_funding() -> None:
    story = a_cycle("approve").when("issue", **FILE).then(CycleIssued, total_pence=70_820)
    assert story.aggregate.issued is not None
    assert story.aggregate.prepared is not None
    assert story.aggregate.issued.funding == story.aggregate.prepared.funding


@pytest.mark.parametrize("other", [{"record_count": 3}, {"total_pence": 70_819}])
def test_a_file_that_is_not_the_approved_cycle_is_refused(other: dict[str, Any]) -> None:
    a_cycle("approve").when("issue", **{**FILE, **other}).refused(CycleChangedSinceSeen)


@pytest.mark.parametrize("standing", refused_everywhere_but("approved"))
def test_a_file_is_issued_only_for_an_approved_cycle_and_only_once(standing: str) -> None:
    STANDINGS[standing]().when("issue", **FILE).refused(CycleNotApproved)


def test_an_issued_cycle_is_settled_once_on_or_after_its_pay_date() -> None:
    story = a_cycle("issue").when("settle", effective_on=date(2026, 4, 1))
    story.refused(CycleNotSettledYet)
    story.when("settle", effective_on=PAY_ON).then(CycleSettled, total_pence=70_820)
    story.when("settle", effective_on=FIRST_DAY).nothing()


@pytest.mark.parametrize("standing", refused_everywhere_but("issued", "settled"))
def test_only_an_issued_cycle_is_settled(standing: str) -> None:
    STANDINGS[standing]().when("settle").refused(CycleNotIssued)


# --- what the bank answers ----------------------------------------------------------------

ANSWER = {"report_reference": "INPUT-1", "submission_serial": "000001"}
TAKEN = {**ANSWER, "is_taken": True}
REFUSED = {**ANSWER, "reason_code": "AM05"}


def test_the_bank_takes_the_file_and_says_so_once() -> None:
    story = a_cycle("issue").when("acknowledge", **TAKEN).then(CycleAcknowledged, **TAKEN)
    assert story.aggregate.is_taken
    story.when("acknowledge", **{**TAKEN, "report_reference": "PAIN002-1"}).nothing()


def test_what_the_bank_did_not_take_is_not_paid_when_the_cycle_settles() -> None:
    not_taken = {**ANSWER, "is_taken": False, "rejected_count": 1, "rejected_pence": 4_000}
    story = a_cycle("issue").when("acknowledge", **not_taken).then(CycleAcknowledged)
    assert not story.aggregate.is_taken, "it was silent about the other"
    story.when("acknowledge", **TAKEN).then(CycleAcknowledged, rejected_count=0)
    story.when("settle", effective_on=PAY_ON).then(CycleSettled, total_pence=66_820)


def test_a_file_refused_whole_is_made_anew_under_another_serial() -> None:
    story = a_cycle("issue").when("refuse_file", **REFUSED).then(CycleFileRefused, **REFUSED)
    assert (story.aggregate.status, story.aggregate.issued) == ("approved", None)
    story.when("refuse_file", **REFUSED).nothing()
    story.when("acknowledge", **TAKEN).refused(CycleNotIssued)
    story.when("issue", **{**FILE, "submission_serial": "000002"}).then(CycleIssued)
    story.when("refuse_file", **REFUSED).nothing()
    assert story.aggregate.status == "issued", "the refusal was of the file before"
    story.when("acknowledge", **TAKEN).refused(CycleNotIssued)
    story.when("acknowledge", **{**TAKEN, "submission_serial": "000002"}).then(CycleAcknowledged)


def test_a_cycle_whose_file_was_refused_can_be_cancelled() -> None:
    a_cycle("issue").and_("refuse_file", **REFUSED).when("cancel").then(CycleCancelled)


@pytest.mark.parametrize(("step", "facts"), [("acknowledge", TAKEN), ("refuse_file", REFUSED)])
@pytest.mark.parametrize("standing", refused_everywhere_but("issued", "settled"))
def test_only_a_file_that_was_sent_is_answered(
    standing: str, step: str, facts: dict[str, Any]
) -> None:
    STANDINGS[standing]().when(step, **facts).refused(CycleNotIssued)


def test_a_file_that_was_taken_in_part_or_paid_cannot_be_refused_whole() -> None:
    not_taken = {**ANSWER, "is_taken": False, "rejected_count": 1, "rejected_pence": 4_000}
    story = a_cycle("issue").and_("acknowledge", **not_taken)
    story.when("refuse_file", **REFUSED).refused(CycleNotIssued)
    a_cycle("settle").when("refuse_file", **REFUSED).refused(CycleNotIssued)


# --- the seal over the lines --------------------------------------------------------------

OTHERWISE: dict[str, Any] = {
    "budget_reference": "PB000009",
    "budget_version": 8,
    "payment_reference": "DP000009",
    "payee_reference": "payee-9",
    "amount_pence": 66_821,
    "lines": (an_owed_line(66_820, cost_centre="S9"),),
    "deductions": (("CB1", 1),),
    "reissue_of": "DP000002",
    "interested": ("amira",),
    "channel": "service_fund",
    "provider_reference": "SUNRISE",
    "bulk_reference": "DP000008",
}


def test_every_field_of_a_line_is_sealed() -> None:
    assert OTHERWISE.keys() == set(CycleLine.__struct_fields__)


@pytest.mark.parametrize("name", OTHERWISE)
def test_the_hash_changes_with_any_changed_line(name: str) -> None:
    line = a_cycle_line()
    changed = msgspec.structs.replace(line, **{name: OTHERWISE[name]})
    assert a_hash(changed) != a_hash(line)


def test_the_hash_changes_with_a_line_more_a_line_less_or_another_order() -> None:
    one, two = TWO_LINES
    several: list[tuple[CycleLine, ...]] = [(), (one,), (two,), (one, two), (two, one), (one, one)]
    assert len({a_hash(*lines) for lines in several}) == 6


NOTED_OTHERWISE: dict[str, Any] = {
    "code": "ended",
    "budget_reference": "PB000009",
    "payment_reference": "DP000009",
    "detail": "SR1",
    "was_pence": 1,
    "now_pence": None,
    "channel": "service_fund",
}


def test_every_field_of_an_exception_is_sealed() -> None:
    assert NOTED_OTHERWISE.keys() == set(CycleException.__struct_fields__)


@pytest.mark.parametrize("name", NOTED_OTHERWISE)
def test_the_hash_changes_with_any_changed_exception(name: str) -> None:
    changed = msgspec.structs.replace(NOTED[0], **{name: NOTED_OTHERWISE[name]})
    seals = [a_hash(*TWO_LINES, noted=noted) for noted in ((), NOTED, [changed], NOTED * 2)]
    assert len(set(seals)) == 4


def test_the_hash_changes_with_the_period_and_the_pay_date() -> None:
    seals = {
        lines_hash(period, pay_on, TWO_LINES, NOTED)
        for period in (APRIL, cycle_period(2))
        for pay_on in (PAY_ON, date(2026, 4, 1))
    }
    assert len(seals) == 4


def test_the_hash_can_be_worked_out_by_anyone_from_what_is_stored() -> None:
    """Fixed for ever: another way of writing the lines would void every approval."""
    line = (
        b'\n{"budget_reference":"PB000001","budget_version":7,"payment_reference":"DP000001",'
        b'"payee_reference":"payee-1","amount_pence":66820,"lines":[{"kind":"allocation",'
        b'"line_reference":"L1","funding_stream":"social_care","cost_centre":"S4100",'
        b'"window":{"starts_on":"2026-04-06","ends_on":"2026-05-03"},"amount_pence":66820,'
        b'"starts_on":"2026-04-06","ends_on":"2026-05-03"}]}'
    )
    first = b'[{"starts_on":"2026-04-06","ends_on":"2026-05-03"},"2026-04-02"]'
    exception = (
        b'\n{"code":"first_payment","budget_reference":"PB000001",'
        b'"payment_reference":"DP000001","now_pence":66820}'
    )
    assert a_hash(noted=()) == hashlib.sha256(first).hexdigest()
    assert a_hash(a_cycle_line()) == hashlib.sha256(first + line + exception).hexdigest()
    read = msgspec.json.decode(line, type=CycleLine)
    noted = [msgspec.json.decode(exception, type=CycleException)] * 2
    written = first + line * 2 + exception * 2
    assert a_hash(read, read, noted=noted) == hashlib.sha256(written).hexdigest()


# --- what the cycle comes to --------------------------------------------------------------

STREAMS = st.sampled_from(["social_care", "nhs", "joint"])


@st.composite
def cycle_lines(draw: st.DrawFn) -> CycleLine:
    number = draw(st.integers(1, 999))
    if draw(st.integers(0, 4)) == 0:
        pence = draw(st.integers(1, 99_999))
        return a_cycle_line(number, pence, lines=(), reissue_of="DP0")
    lines = tuple(
        an_owed_line(pence, stream=draw(STREAMS), cost_centre=draw(st.sampled_from(["", "S1"])))
        for pence in draw(st.lists(st.integers(-9_999, 99_999), min_size=1, max_size=4))
    )
    deductions = tuple(
        (f"CB{n}", pence) for n, pence in enumerate(draw(st.lists(st.integers(1, 999), max_size=2)))
    )
    amount = sum(line.amount_pence for line in lines) - sum(pence for _, pence in deductions)
    return a_cycle_line(number, amount, lines=lines, deductions=deductions)


@for_all(st.lists(cycle_lines(), max_size=6))
def test_funding_totals_add_up_to_the_cycle(lines: list[CycleLine]) -> None:
    story = a_cycle(None).and_("prepare", **{**WHAT_IS_PREPARED, "lines": lines})
    prepared = story.aggregate.prepared
    assert prepared is not None
    assert sum(total.amount_pence for total in prepared.funding) == prepared.total_pence
    keys = [(total.funding_stream, total.cost_centre) for total in prepared.funding]
    assert keys == sorted(set(keys))


# --- any history --------------------------------------------------------------------------

ANY_STEP = st.sampled_from(
    [
        ("prepare", WHAT_IS_PREPARED),
        ("prepare", {**WHAT_IS_PREPARED, "lines": TWO_LINES[:1]}),
        ("approve", SEEN),
        ("approve", SEEN),
        ("reject", {"reason_code": "other", "by": "bob"}),
        ("prepare", {**WHAT_IS_PREPARED, "pay_on": date(2026, 4, 1)}),
        ("cancel", {}),
        ("issue", FILE),
        ("settle", {"effective_on": PAY_ON}),
        ("acknowledge", {**TAKEN, "rejected_count": 1, "rejected_pence": 4_000}),
        ("refuse_file", REFUSED),
    ]
)


@for_all(st.lists(ANY_STEP, max_size=12))
def test_any_prefix_of_any_history_replays_the_same_and_survives_being_stored(
    steps: list[tuple[str, dict[str, Any]]],
) -> None:
    story = a_cycle()
    history: list[Event] = []
    states = {}
    story = given(PaymentCycle("C1"))
    for step, facts in [("prepare", WHAT_IS_PREPARED), *steps]:
        story.when(step, **facts)
        history += story.recorded
        states[len(history)] = state_of(story.aggregate)
    placed = [Recorded(story.aggregate.id, n, event) for n, event in enumerate(history, 1)]
    stored = encoded(placed)
    read = [
        Recorded(placed[0].originator_id, one.originator_version, decode(one.topic, one.state))
        for one in stored
    ]
    assert read == placed
    for version, state in states.items():
        assert state_of(replayed(PaymentCycle, read[:version])) == state
