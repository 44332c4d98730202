"""Payees: what speaks against details, who may verify them all the same, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier
from typing import Any, get_args

import pytest
from eventsourcing.persistence import ProgrammingError
from hypothesis import given as for_all
from hypothesis import strategies as st
from sqlalchemy import delete

from ledger.aggregates.event_sourced import Event
from ledger.aggregates.payees import (
    ModulusCheck,
    NameAnswer,
    OverrideReason,
    Payee,
    PayeeNameChecked,
    PayeeNumberChecked,
    PayeeProposed,
    PayeeVerified,
    PayeeWithdrawn,
    WithdrawalReason,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank.confirmation_of_payee import NameEnquiry, NameReply, Simulator
from ledger.caseload_import import import_caseload
from ledger.durable import people
from ledger.errors import (
    AccountFailsModulusCheck,
    PayeeInDoubt,
    PayeeNotConfirmed,
    PayeeNotProposed,
    PayeeNotVerified,
    PayeeUnknown,
    PersonUnknown,
    StoreUnavailable,
    UnreadableRollNumber,
    VerifierProposedPayee,
    VersionConflict,
)
from ledger.payee_checks import check_payee
from ledger.payee_names import ReturnedName
from ledger.projections.audit import sentence
from tests.given import Story, a_payable_budget, an_open_budget, cycle_period, given
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_row,
    approve,
    issue,
    log_of,
    prepare,
    says,
    settings_for,
    tell_budget,
)

PAYEE = {"payee_reference": "payee-2", "payee_type": "recipient", "fingerprint": "other"}
P2 = {"payee_reference": "payee-2"}
NOT_CONFIRMED = [answer for answer in get_args(NameAnswer) if answer != "match"]


def answered(*answers: NameAnswer) -> Story[PersonalBudget]:
    """Details that Ann proposed, and what was answered about their name, one after the other."""
    story = given(an_open_budget(), ("propose_payee", PAYEE))
    for answer in answers:
        story.and_("check_payee_name", **P2, answer=answer, checked_with="Example Bank")
    return story


# --- what speaks against details ----------------------------------------------------------


def test_details_whose_name_matched_are_verified() -> None:
    answered("match").when("verify_payee", **P2, by="bob").then(PayeeVerified, override_reason="")


@pytest.mark.parametrize("answer", NOT_CONFIRMED)
def test_details_that_are_not_confirmed_are_not_verified(answer: NameAnswer) -> None:
    story = answered(answer).when("verify_payee", **P2, by="bob")
    story.refused(PayeeNotConfirmed, answer=answer, checked_with="Example Bank")
    assert "answered by Example Bank" in str(story.refusal)


@pytest.mark.parametrize("reason", get_args(OverrideReason))
def test_someone_who_saw_other_evidence_may_override_the_answer(reason: OverrideReason) -> None:
    story = answered("ANNM").when("verify_payee", **P2, override_reason=reason, by="bob")
    story.then(PayeeVerified, override_reason=reason, recorded_by="bob")
    assert "in spite of what confirmation of payee said" in sentence(story.recorded[0])


def test_the_proposer_may_not_override_either() -> None:
    answered("ANNM").when("verify_payee", **P2, override_reason="evidence_seen", by="ann").refused(
        VerifierProposedPayee
    )


def test_a_reason_is_kept_only_where_there_was_something_to_override() -> None:
    for story in (answered("match"), answered()):
        story.when("verify_payee", **P2, override_reason="joint_account", by="bob").then(
            PayeeVerified, override_reason=""
        )


def test_the_last_answer_counts() -> None:
    answered("unavailable", "MBAM", "match").when("verify_payee", **P2, by="bob").then(
        PayeeVerified
    )
    answered("match", "CASS").when("verify_payee", **P2, by="bob").refused(
        PayeeNotConfirmed, answer="CASS"
    )


def test_every_answer_is_recorded_even_the_same_one_again() -> None:
    answered("match").when(
        "check_payee_name", **P2, answer="match", checked_with="Example Bank"
    ).then(PayeeNameChecked, answer="match")


def test_a_number_found_to_fail_later_is_not_verified_whatever_the_reason() -> None:
    found = {"modulus_check": "invalid", "modulus_table_version": "7.50"}
    story = answered("match").when("check_payee_number", **P2, **found)
    story.then(PayeeNumberChecked, **found).when("check_payee_number", **P2, **found).nothing()
    story.when("verify_payee", **P2, override_reason="evidence_seen", by="bob").refused(
        AccountFailsModulusCheck, modulus_table_version="7.50"
    )


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("check_payee_name", {"answer": "match", "checked_with": "x"}),
        ("check_payee_number", {"modulus_check": "valid", "modulus_table_version": "7.50"}),
        ("withdraw_payee", {"reason_code": "wrong_details"}),
    ],
)
def test_details_nobody_proposed_are_neither_checked_nor_withdrawn(command, facts) -> None:
    given(a_payable_budget()).when(command, **P2, **facts).refused(PayeeNotProposed)


def test_details_in_use_are_checked_again_and_a_failed_check_stops_the_next_payment() -> None:
    story = given(a_payable_budget())
    first = {"payee_reference": "payee-1"}
    story.and_("check_payee_name", **first, answer="CASS", checked_with="Example Bank")
    story.and_("check_payee_number", **first, modulus_check="invalid", modulus_table_version="7.50")
    payee = story.aggregate.payee
    assert payee is not None
    assert (payee.name_check, payee.modulus_check, payee.confirmed) == ("CASS", "invalid", False)
    [gate] = story.aggregate.failed_gates(cycle_period(1), cycle_period(1).starts_on)
    assert isinstance(gate, PayeeInDoubt)


def test_what_is_found_of_details_in_use_and_proposed_anew_holds_for_both() -> None:
    story = given(a_payable_budget())
    again = {"payee_reference": "payee-1", "fingerprint": "account-1"}
    story.and_("propose_payee", **again, payee_type="authorised_person")
    told = {"payee_reference": "payee-1", "answer": "ANNM", "checked_with": "Example Bank"}
    story.and_("check_payee_name", **told)
    (known,) = story.aggregate.known_payees
    assert known == story.aggregate.proposed_payees["payee-1"]
    assert story.aggregate.payee is not None
    assert known.name_check == story.aggregate.payee.name_check == "ANNM"


SAID = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.one_of(
        st.just(("propose_payee", PAYEE)),
        st.sampled_from(get_args(NameAnswer)).map(
            lambda answer: ("check_payee_name", {**P2, "answer": answer, "checked_with": "x"})
        ),
        st.sampled_from(get_args(ModulusCheck)).map(
            lambda check: (
                "check_payee_number",
                {**P2, "modulus_check": check, "modulus_table_version": "1"},
            )
        ),
        st.sampled_from([None, *get_args(OverrideReason)]).map(
            lambda reason: ("verify_payee", {**P2, "override_reason": reason})
        ),
        st.just(("withdraw_payee", {**P2, "reason_code": "wrong_details"})),
    ),
)


@for_all(st.lists(SAID, max_size=20))
def test_whatever_is_said_nothing_is_verified_that_a_check_speaks_against(
    anything: list[tuple[str, tuple[str, dict[str, Any]]]],
) -> None:
    """The last of each kind of event since the proposal decides, and an answer is overridden
    with a reason or not at all."""
    story = given(an_open_budget())
    last: dict[type[Event], Any] = {}
    for by, (command, facts) in anything:
        story.when(command, **facts, by=by)
        for event in story.recorded:
            if isinstance(event, PayeeProposed):
                last = {}
            if isinstance(event, PayeeVerified):
                name, number = last.get(PayeeNameChecked), last.get(PayeeNumberChecked)
                assert last[PayeeProposed].recorded_by != event.recorded_by
                assert number is None or number.modulus_check != "invalid"
                is_confirmed = name is None or name.answer == "match"
                assert is_confirmed == (event.override_reason == "")
            last[type(event)] = event


# --- withdrawing, and when it was verified ------------------------------------------------


@pytest.mark.parametrize("reason", get_args(WithdrawalReason))
def test_details_put_forward_in_error_are_withdrawn(reason: WithdrawalReason) -> None:
    story = answered("ANNM").when("withdraw_payee", **P2, reason_code=reason)
    story.then(PayeeWithdrawn, reason_code=reason)
    assert story.aggregate.proposed_payees == {}
    story.when("verify_payee", **P2, override_reason="evidence_seen", by="bob").refused(
        PayeeNotProposed
    )
    story.when("propose_payee", **PAYEE).then(PayeeProposed)
    assert story.aggregate.proposed_payees["payee-2"].name_check is None


def test_details_in_use_are_not_withdrawn() -> None:
    given(a_payable_budget()).when(
        "withdraw_payee", payee_reference="payee-1", reason_code="fraud_suspected"
    ).refused(PayeeNotProposed)


@pytest.mark.parametrize(
    ("recorded_at", "day"),
    [
        (datetime(2026, 7, 1, 22, 59, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 7, 1, 23, 0, tzinfo=UTC), date(2026, 7, 2)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), date(2026, 12, 31)),
    ],
)
def test_a_payee_knows_the_day_in_england_it_was_verified(recorded_at, day) -> None:
    budget = an_open_budget()
    budget.propose_payee(**PAYEE, **says("ann"))  # type: ignore[arg-type]
    assert budget.proposed_payees["payee-2"].verified_on is None
    said = {**says("bob", "2026-01-01"), "recorded_at": recorded_at}
    budget.verify_payee(**P2, **said)  # type: ignore[arg-type]
    assert budget.payee is not None
    assert budget.payee.verified_on == day


def test_an_executor_may_be_the_payee() -> None:
    told = {**PAYEE, "payee_type": "personal_representative"}
    story = given(an_open_budget()).when("propose_payee", **told).then(PayeeProposed)
    assert "of a personal representative" in sentence(story.recorded[0])


# --- on a ledger, with the simulator ------------------------------------------------------


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Two budgets whose payees Bob has verified, and the simulator to ask from then on."""
    settings = settings_for(database_url, tmp_path)
    Ledger.initialise(settings)
    with Ledger(settings.model_copy(update={"confirmation_of_payee": "simulator"})) as ledger:
        caseload = a_caseload(a_row(1), a_row(2, recipient_reference="R000001", **SAME_PERSON))
        import_caseload(ledger, caseload, recorded_at=IMPORTED_AT, recorded_by="alice")
        yield ledger


SAME_PERSON = {"recipient_name": "Siân O'Connor 1"}


class Asked:
    """A service that says what it was asked, and does something before it answers."""

    def __init__(
        self, answer: NameAnswer | None = None, before: Callable[[], object] = lambda: None
    ) -> None:
        self.enquiries: list[NameEnquiry] = []
        self._answer, self._before = answer, before

    def ask(self, enquiry: NameEnquiry) -> NameReply:
        self.enquiries.append(enquiry)
        self._before()
        if self._answer is None:
            return Simulator().ask(enquiry)
        return NameReply(self._answer, "Example Bank")


def propose(
    ledger: Ledger,
    ending: str,
    name: str = "Ada Nwosu",
    *,
    budget: str = "PB000001",
    by: str = "ann",
    **facts: Any,
) -> str:
    """Somebody proposes an account whose number ends in these digits; returns its reference."""
    told = {"payee_type": "recipient", "account_name": name, "sort_code": "99-99-02", **facts}
    number = f"300000{ending}"
    return ledger.propose_payee(budget, account_number=number, said=says(by), **told)[1]


def proposed(ledger: Ledger, reference: str, budget: str = "PB000001") -> Payee:
    return ledger.budget(budget).proposed_payees[reference]


def events(ledger: Ledger, budget: str = "PB000001") -> list[str]:
    """The kinds of events of a budget about its payees."""
    kinds = [type(r.event).__name__ for r in ledger.history(PersonalBudget, budget)]
    return [kind for kind in kinds if kind.startswith("Payee")]


def erase(ledger: Ledger, person: str = "R000001") -> None:
    with ledger.engine.begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == person))


def test_a_name_is_asked_about_as_details_are_proposed(ledger: Ledger) -> None:
    reference = propose(ledger, "81")
    assert events(ledger)[-2:] == ["PayeeProposed", "PayeeNameChecked"]
    payee = proposed(ledger, reference)
    assert (payee.name_check, payee.name_checked_with) == ("ANNM", "simulator")
    with pytest.raises(PayeeNotConfirmed, match="a simulator; no bank was asked"):
        tell_budget(ledger, "PB000001", "verify_payee", payee_reference=reference, by="bob")
    tell_budget(
        ledger,
        "PB000001",
        "verify_payee",
        payee_reference=reference,
        override_reason="called_back",
        by="bob",
    )
    payee_in_use = ledger.budget("PB000001").payee
    assert payee_in_use is not None
    assert payee_in_use.payee_reference == reference


def test_who_holds_the_account_is_asked_about_as_what_it_is(ledger: Ledger) -> None:
    asked = ledger.payee_names.service = Asked()
    propose(ledger, "83", payee_type="managed_account")
    propose(ledger, "92", roll_number="D/123")
    business, personal = asked.enquiries
    assert (business.account_kind, personal.account_kind) == ("business", "personal")
    assert (personal.sort_code, personal.account_number) == ("999902", "30000092")
    assert (personal.account_name, personal.roll_number) == ("Ada Nwosu", "D/123")
    checks = [p.name_check for p in ledger.budget("PB000001").proposed_payees.values()]
    assert checks[-2:] == ["match", "match"]
    with pytest.raises(UnreadableRollNumber):
        propose(ledger, "92", roll_number="D#123")


def test_an_answer_and_what_it_answers_are_recorded_together_or_not_at_all(
    ledger: Ledger,
) -> None:
    """First there is nowhere to keep the name that came back; then the person is erased
    while the bank is asked."""

    def kept() -> tuple[Any, ...]:
        with ledger.engine.connect() as connection:
            sealed = connection.exec_driver_sql("SELECT count(*) FROM payee_details").scalar()
        return log_of(ledger), sealed

    before = kept()
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE returned_names RENAME TO elsewhere")
    with pytest.raises((StoreUnavailable, ProgrammingError)):
        propose(ledger, "82")
    assert kept() == before
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO returned_names")
    ledger.payee_names.service = Asked(before=lambda: erase(ledger))
    with pytest.raises(PersonUnknown):
        propose(ledger, "82")
    assert kept() == before


def test_what_is_refused_or_known_already_is_not_asked_about(ledger: Ledger) -> None:
    ledger.load_modulus_table(
        f"999900 999999 MOD10{' 0' * 6}{' 1' * 8}\n",
        version="7.40",
        effective_from=date(2026, 1, 5),
        substitutions=None,
        loaded_at=IMPORTED_AT,
        loaded_by="ann",
    )
    asked = ledger.payee_names.service = Asked()
    reference = propose(ledger, "07")
    assert len(asked.enquiries) == 1
    before = log_of(ledger)
    assert propose(ledger, "07") == reference
    with pytest.raises(AccountFailsModulusCheck):
        propose(ledger, "08")
    with pytest.raises(VersionConflict):
        propose(ledger, "16", expected_version=1)
    with pytest.raises(VersionConflict):
        check_payee(ledger, "PB000001", reference, said=says("ann"), expected_version=1)
    assert len(asked.enquiries) == 1
    assert log_of(ledger) == before


def test_the_name_that_came_back_is_sealed_and_in_no_event(ledger: Ledger) -> None:
    reference = propose(ledger, "82", "Ada Nwosu")
    assert proposed(ledger, reference).name_check == "MBAM"
    assert ledger.payee_names.returned(reference) == ReturnedName("A NWOSU", "simulator")
    raw = b"".join(state for *_, state in log_of(ledger))
    with ledger.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT sealed FROM returned_names").all()
    assert len(kept) == 1
    assert b"NWOSU" not in (raw + bytes(kept[0][0])).upper()
    erase(ledger)
    assert ledger.payee_names.returned(reference) is None


def test_a_name_put_right_is_a_proposal_of_its_own(ledger: Ledger) -> None:
    """What was sealed is never changed: the details verified are the details paid."""
    wrong = propose(ledger, "82", "Ada Nwosu")
    right = propose(ledger, "82", "A Nwosu")
    assert right != wrong
    assert proposed(ledger, right).name_check == "match"
    assert proposed(ledger, right).fingerprint == proposed(ledger, wrong).fingerprint
    assert propose(ledger, "82", "A Nwosu") == right
    assert propose(ledger, "82", "Ada Nwosu") == wrong
    names = [ledger.people.payee(reference).account_name for reference in (wrong, right)]
    assert names == ["Ada Nwosu", "A Nwosu"]
    tell_budget(ledger, "PB000001", "verify_payee", payee_reference=right, by="bob")
    cycle = approve(ledger, prepare(ledger, only=["PB000001"]))
    assert "A NWOSU" in issue(ledger, cycle).read_text()


def test_two_people_who_propose_the_same_at_once_propose_it_once(ledger: Ledger) -> None:
    together = Barrier(2)
    ledger.payee_names.service = Asked(before=lambda: together.wait(30))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(propose, ledger, "82", by=by) for by in ("ann", "cat")]
        one, other = (each.result() for each in both)
    assert one == other
    # Both asked, and both answers are recorded.
    assert events(ledger)[-3:] == ["PayeeProposed", "PayeeNameChecked", "PayeeNameChecked"]
    assert proposed(ledger, one).name_check == "MBAM"


def test_two_names_proposed_for_one_account_at_once_are_both_kept(ledger: Ledger) -> None:
    """On two budgets of one person, where only the sealed details clash."""
    together = Barrier(2)
    ledger.payee_names.service = Asked(before=lambda: together.wait(30))
    names = {"PB000001": "Ada Nwosu", "PB000002": "A Nwosu"}
    with ThreadPoolExecutor(2) as pool:
        both = {
            budget: pool.submit(propose, ledger, "82", name, budget=budget, by=budget)
            for budget, name in names.items()
        }
        for budget, name in names.items():
            reference = both[budget].result()
            assert ledger.people.payee(reference).account_name == name
            answer = "MBAM" if name == "Ada Nwosu" else "match"
            assert proposed(ledger, reference, budget).name_check == answer


# --- a change that the bank advises of ----------------------------------------------------


def test_an_account_that_the_bank_advises_of_is_proposed_and_the_name_stays(
    ledger: Ledger,
) -> None:
    in_use = next(iter(ledger.budget("PB000001").proposed_payees))
    tell_budget(ledger, "PB000001", "verify_payee", payee_reference=in_use, by="bob")
    new: dict[str, Any] = {
        "sort_code": "20-00-00",
        "account_number": "87654321",
        "said": says("ann"),
    }
    budget, reference = ledger.propose_payee("PB000001", source="bank_advice", **new)
    assert budget.payee is not None
    assert budget.payee.payee_reference == in_use, "never applied by itself"
    details = ledger.people.payee(reference)
    assert (details.account_name, details.sort_code) == ("S O'Connor", "200000")
    (put_forward,) = budget.proposed_payees.values()
    assert (put_forward.payee_type, put_forward.name_check) == ("recipient", "match")
    history = [r.event for r in ledger.history(PersonalBudget, "PB000001")]
    (advised,) = (e for e in history if isinstance(e, PayeeProposed) and e.source != "person")
    assert sentence(advised).startswith(
        "The bank advised of other account details of a recipient, which were put forward"
    )


def test_a_name_can_stay_only_where_there_is_a_payee(ledger: Ledger) -> None:
    before = log_of(ledger)
    new: dict[str, Any] = {
        "sort_code": "20-00-00",
        "account_number": "87654321",
        "said": says("ann"),
    }
    with pytest.raises(PayeeNotVerified):
        ledger.propose_payee("PB000001", source="bank_advice", **new)
    assert log_of(ledger) == before


# --- checked again ------------------------------------------------------------------------


def test_a_payee_is_asked_about_again_when_the_service_is_back(ledger: Ledger) -> None:
    ledger.payee_names.service = Asked("unavailable")
    reference = propose(ledger, "01")
    assert proposed(ledger, reference).name_check == "unavailable"
    with pytest.raises(PayeeNotConfirmed, match="did not answer"):
        tell_budget(ledger, "PB000001", "verify_payee", payee_reference=reference, by="bob")
    ledger.payee_names.service = Simulator()
    check_payee(ledger, "PB000001", reference, said=says("cat"))
    assert proposed(ledger, reference).name_check == "match"
    assert events(ledger)[-1] == "PayeeNameChecked", "the number was checked by no table then too"
    tell_budget(ledger, "PB000001", "verify_payee", payee_reference=reference, by="bob")


def test_without_a_service_only_the_number_is_checked_again(ledger: Ledger) -> None:
    ledger.payee_names.service = None
    reference = propose(ledger, "01")
    before = log_of(ledger)
    check_payee(ledger, "PB000001", reference, said=says("cat"))
    assert log_of(ledger) == before
    assert events(ledger)[-1] == "PayeeProposed"


def test_the_details_of_an_erased_person_cannot_be_checked(ledger: Ledger) -> None:
    reference = propose(ledger, "01")
    erase(ledger)
    asked = ledger.payee_names.service = Asked()
    before = log_of(ledger)
    with pytest.raises(PayeeUnknown):
        check_payee(ledger, "PB000001", reference, said=says("cat"))
    assert (asked.enquiries, log_of(ledger)) == ([], before)


def test_a_payee_that_is_not_the_budgets_is_not_asked_about(ledger: Ledger) -> None:
    reference = propose(ledger, "01")
    asked = ledger.payee_names.service = Asked()
    with pytest.raises(PayeeNotProposed):
        check_payee(ledger, "PB000002", reference, said=says("cat"))
    assert asked.enquiries == []
