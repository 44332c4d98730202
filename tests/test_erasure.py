"""Erasing a person: the key goes, nothing that was sealed opens, and the ledger is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from ledger.access.users import DEVELOPMENT, User, record_user, user_named
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank_reports import report_file
from ledger.caseload_import import import_caseload
from ledger.dates import Period
from ledger.durable import people
from ledger.erasure import (
    Erased,
    erase,
    erasure_of,
    place_hold,
    release_hold,
    retention_of,
)
from ledger.errors import (
    BankFileErased,
    LegalHold,
    LegalHoldNotFound,
    LetterUnreadable,
    PayeeUnknown,
    PersonErased,
    PersonHasOpenBudget,
    PersonUnknown,
    RetentionNotOver,
)
from ledger.file_looks import bank_file
from ledger.outbox.register import entries, shown
from ledger.person_looks import look_at_person
from ledger.projections.audit import sentence
from ledger.statements.statement import statement_of
from ledger.verification import verify_ledger
from tests.given import on
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_ledger,
    a_row,
    cycle_name,
    fingerprint,
    log_of,
    new_payee,
    rows_of,
    run_cycle,
    take_in,
    tell_budget,
)
from tests.privacy import BORN, SECRETS, WILL, a_council_of_two, dumped, found_in

LAST_DAY = datetime(2033, 3, 31, 22, 30, tzinfo=UTC)
"""Half past eleven at night in England on the last day that Will is kept."""
OVER = LAST_DAY + timedelta(hours=1)


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Will, of whom everything is held that can be, and whose budget is closed; and Siân."""
    with a_council_of_two(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def council(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """The same two, with a cycle paid and Will's budget closed, and no more."""
    with a_ledger(sqlite_url, tmp_path) as made:
        take_in(made, a_caseload(a_row(1, date_of_birth=BORN), a_row(2)))
        run_cycle(made, 1)
        tell_budget(made, "PB000001", "close", reason_code="moved_away", effective_on=on("05-03"))
        yield made


def erase_will(ledger: Ledger, at: datetime = OVER) -> Erased:
    return erase(ledger, WILL, erased_at=at, erased_by="sue")


def hold(ledger: Ledger, person: str = WILL) -> None:
    place_hold(ledger, person, "inquiry", recorded_at=IMPORTED_AT, recorded_by="sue")


def release(ledger: Ledger, person: str = WILL) -> None:
    release_hold(ledger, person, "inquiry", recorded_at=IMPORTED_AT, recorded_by="tom")


class Seen(NamedTuple):
    """What must not change when a person is erased."""

    events: list[Any]
    read_tables: str
    difference: str | None
    postings: Any
    story: list[str]
    statement: Any


def seen(ledger: Ledger) -> Seen:
    ledger.projections.catch_up()
    history = list(ledger.history(PersonalBudget, "PB000001"))
    period = Period(on("04-06"), on("05-31"))
    return Seen(
        log_of(ledger),
        fingerprint(rows_of(ledger)),
        verify_ledger(ledger).difference,
        rows_of(ledger, ["balances", "finance_totals"]),
        [sentence(recorded.event) for recorded in history],
        statement_of("PB000001", history, period),
    )


# --- nothing is lost, and nothing is left ---------------------------------------------------


def test_the_ledger_its_totals_and_its_proof_are_as_they_were(ledger: Ledger) -> None:
    before, proved = seen(ledger), verify_ledger(ledger)
    assert before.difference is None
    done = erase_will(ledger)
    assert (done.bank_files, done.bank_reports) == (1, 1)
    assert seen(ledger) == before
    proved = proved._replace(erased_files=1, erased_assessments=1)
    assert verify_ledger(ledger) == proved
    assert "1 bank file(s): the bytes are those recorded, payment by payment; 1 erased." in list(
        proved.sentences()
    )
    ledger.projections.rebuild()
    assert seen(ledger).read_tables == before.read_tables


def test_no_personal_detail_is_in_the_database_before_or_after(
    ledger: Ledger, tmp_path: Path
) -> None:
    sent = entries(ledger, state="sent")
    words = [shown(ledger, one.letter_reference).content for one in sent]
    assert all("Featherstone" in letter for letter in words)
    lines = {line.strip() for letter in words for line in letter.splitlines()}
    told = tuple(line for line in lines if len(line) > 80)
    with ledger.engine.connect() as connection:
        key = connection.execute(
            select(people.c.wrapped_key).where(people.c.person_reference == WILL)
        ).scalar_one()
    before = dumped(ledger, tmp_path)
    assert found_in(before, ("PB000001",)) == ["PB000001"]
    assert found_in(before, (*SECRETS, *told)) == []
    assert key in before or key.hex().encode() in before
    erase_will(ledger)
    after = dumped(ledger, tmp_path)
    assert found_in(after, (*SECRETS, *told)) == []
    assert key not in after
    assert key.hex().encode() not in after
    assert found_in(after, tuple(str(one.sha256) for one in sent)) == [], "it could be guessed"


def test_nothing_that_was_sealed_can_be_read_any_more(ledger: Ledger) -> None:
    payees = [p.payee_reference for p in ledger.budget("PB000001").known_payees]
    letter = next(one for one in entries(ledger, budget_reference="PB000001"))
    erase_will(ledger)
    with pytest.raises(PersonUnknown):
        ledger.people.person(WILL)
    assert ledger.contacts.of([WILL]) == {}
    assert ledger.restricted.of(WILL) == []
    for payee in payees:
        with pytest.raises(PayeeUnknown):
            ledger.people.payee(payee)
        assert ledger.payee_names.returned(payee) is None
    assert ledger.people.shown(payees) == dict.fromkeys(payees, "erased")
    with pytest.raises(LetterUnreadable):
        shown(ledger, letter.letter_reference)
    with pytest.raises(BankFileErased):
        bank_file(ledger, cycle_name(1))
    ((_, report, *_),) = rows_of(ledger, ["bank_report_register"])["bank_report_register"]
    with pytest.raises(BankFileErased):
        report_file(ledger, report)
    with pytest.raises(PersonUnknown):
        look_at_person(
            ledger, WILL, what="ethnicity", reason="review", looked_at=OVER, looked_by="cora"
        )
    assert ledger.people.person("R000002").name == "Siân O'Connor 2"


def test_a_backup_made_before_still_opens(ledger: Ledger, tmp_path: Path) -> None:
    """What the documentation says of backups is so: the key is in them until they are destroyed."""
    with ledger.engine.connect() as connection:
        key = connection.execute(select(people.c.wrapped_key)).scalars().first()
    assert key is not None
    backup = dumped(ledger, tmp_path)
    erase_will(ledger)
    assert key in backup or key.hex().encode() in backup


# --- when -----------------------------------------------------------------------------------


def test_a_person_is_kept_to_the_end_of_six_financial_years_after_their_last(council: Ledger):
    found = retention_of(council, WILL)
    assert (found.budgets, found.open_budgets) == (("PB000001",), ())
    assert (found.last_on, found.kept_to) == (on("05-03"), date(2033, 3, 31))
    with pytest.raises(RetentionNotOver) as refusal:
        erase_will(council, LAST_DAY)
    assert refusal.value.details == {"kept_to": "2033-03-31"}
    assert council.people.person(WILL).date_of_birth == BORN
    assert erase_will(council, OVER).erased_by == "sue"


def test_a_council_sets_its_own_years(council: Ledger) -> None:
    council.settings = council.settings.model_copy(update={"retention_years": 7})
    assert retention_of(council, WILL).kept_to == date(2034, 3, 31)
    with pytest.raises(RetentionNotOver):
        erase_will(council, OVER)


def test_what_is_recorded_after_the_closing_begins_the_time_anew(council: Ledger) -> None:
    (payment,) = council.budget("PB000001").payments
    tell_budget(
        council,
        "PB000001",
        "return_payment",
        payment_reference=payment,
        reason_code="B",
        effective_on=date(2027, 4, 1),
    )
    assert retention_of(council, WILL).kept_to == date(2034, 3, 31)


def test_nobody_with_an_open_budget_is_erased(council: Ledger) -> None:
    with pytest.raises(PersonHasOpenBudget, match="PB000002"):
        erase(council, "R000002", erased_at=datetime(2099, 1, 1, tzinfo=UTC), erased_by="sue")
    assert council.people.person("R000002").name


def test_who_never_had_a_budget_is_kept_from_when_they_were_registered(council: Ledger) -> None:
    assert retention_of(council, "R000002").last_on >= IMPORTED_AT.date()
    council.register_person(
        replace(council.people.person("R000002"), person_reference="R000003"), IMPORTED_AT
    )
    found = retention_of(council, "R000003")
    assert (found.budgets, found.last_on) == ((), IMPORTED_AT.date())
    assert found.kept_to == date(2032, 3, 31)


def test_who_is_erased_is_erased_once_and_gets_no_name_again(council: Ledger) -> None:
    will = council.people.person(WILL)
    done = erase_will(council)
    assert erasure_of(council, WILL) == Erased(
        person_reference=WILL, erased_at=done.erased_at, erased_by="sue"
    )
    assert erasure_of(council, "R000002") is None
    for act in (erase_will, hold):
        with pytest.raises(PersonUnknown):
            act(council)
    with pytest.raises(PersonErased, match=WILL):
        council.register_person(will, OVER)
    again = a_caseload(a_row(9, recipient_reference=WILL, account_number="90000009"))
    with pytest.raises(PersonErased):
        import_caseload(council, again, recorded_at=OVER, recorded_by="alice")


# --- legal holds ----------------------------------------------------------------------------


def test_a_legal_hold_stands_until_it_is_released(council: Ledger) -> None:
    hold(council)
    hold(council)  # said twice
    with pytest.raises(LegalHold, match="inquiry"):
        erase_will(council)
    assert council.people.person(WILL).name
    (standing,) = retention_of(council, WILL).holds
    assert (standing.reason, standing.placed_by) == ("inquiry", "sue")
    assert standing.released_at is None
    release(council)
    with pytest.raises(LegalHoldNotFound):
        release(council)
    (released,) = retention_of(council, WILL).holds
    assert (released.placed_by, released.released_by) == ("sue", "tom")
    hold(council)
    assert [h.released_by for h in retention_of(council, WILL).holds] == ["tom", None]
    release(council)
    erase_will(council)


def test_a_file_that_pays_someone_under_a_hold_is_kept_for_them(council: Ledger) -> None:
    hold(council, "R000002")
    done = erase_will(council)
    assert (done.bank_files, done.bank_reports) == (0, 0)
    assert bank_file(council, cycle_name(1))
    assert verify_ledger(council).difference is None


def test_a_file_of_a_year_that_is_kept_is_not_emptied(council: Ledger) -> None:
    new_payee(council, "PB000002", "90000077")
    later = run_cycle(council, 14)  # from 5 April 2027
    erase_will(council)
    assert bank_file(council, later.reference)


# --- who signed in --------------------------------------------------------------------------


def test_their_sign_in_is_disabled(council: Ledger) -> None:
    user = User(
        issuer=DEVELOPMENT, subject="w", name=WILL, roles=("recipient",), person_reference=WILL
    )
    record_user(council, user, IMPORTED_AT, "sue")
    erase_will(council)
    now = user_named(council.engine, WILL)
    assert (now.is_disabled, now.roles) == (True, ())
