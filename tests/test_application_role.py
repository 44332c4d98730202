"""On PostgreSQL the application's own role runs the whole main job and can change no event."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from ledger import database
from ledger.access.refused import keep
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.application_role import grant
from ledger.contacts import new_contact
from ledger.erasure import erase, erasure_of, place_hold, release_hold
from ledger.file_looks import fetch_bank_file
from ledger.outbox.queueing import queue_letters
from ledger.outbox.register import try_again
from ledger.outbox.sending import send_letters
from ledger.payee_looks import look_at_payee, looks
from ledger.people import PersonDetails
from ledger.person_looks import look_at_person, record_ethnicity
from ledger.retention import delete_expired
from tests.letters import with_letters
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_row,
    example_caseload,
    log_of,
    run_cycle,
    settings_for,
    take_in,
    tell_budget,
)
from tests.test_retention import a_refusal


@pytest.fixture
def owner(postgres_url: str, tmp_path: Path) -> Iterator[Engine]:
    """A made ledger, as its tables' owner sees it."""
    Ledger.initialise(settings_for(postgres_url, tmp_path))
    engine = database.connect(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def role(owner: Engine) -> Iterator[str]:
    """A role that was let run the application."""
    role = f"ledger_app_{secrets.token_hex(6)}"
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    grant(owner, role)
    yield role
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")


@pytest.fixture
def ledger(role: str, postgres_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """The ledger as the application's role opens it."""
    url = make_url(postgres_url).set(username=role, password="secret")
    settings = with_letters(url.render_as_string(hide_password=False), tmp_path)
    with Ledger(settings) as ledger:
        yield ledger


def recipient_of(ledger: Ledger, cycle: PaymentCycle) -> str:
    """The person whose budget a cycle's first payment is for."""
    opened = ledger.budget(cycle.lines[0].budget_reference).opened
    assert opened is not None
    return opened.recipient_reference


def test_the_role_runs_the_whole_main_job(ledger: Ledger, owner: Engine, role: str):
    take_in(ledger, example_caseload(60))  # enough events to go by COPY
    cycle = run_cycle(ledger, 1)
    issued = cycle.require_issued()
    fetch_bank_file(ledger, issued, door="api", looked_at=IMPORTED_AT, looked_by="ann")
    contact = new_contact(recipient_of(ledger, cycle), "post", ("12 Mill Lane", "Exampleton"))
    for _ in range(2):
        ledger.contacts.record(contact, IMPORTED_AT, "ann")
    queue_letters(ledger, IMPORTED_AT)
    assert send_letters(ledger, IMPORTED_AT)["sent"] == 1
    assert try_again(ledger, IMPORTED_AT) == len(cycle.lines) - 1
    ledger.projections.catch_up()
    ledger.projections.rebuild()
    grant(owner, role)  # again, after a rebuild
    run_cycle(ledger, 2)
    assert ledger.projections.verify() is None
    assert ledger.projections.rebuild() == len(log_of(ledger))
    assert ledger.projections.verify() is None


def test_the_role_is_let_in_before_a_read_table_of_a_new_version_is_made(
    ledger: Ledger, owner: Engine, role: str
):
    """After an upgrade `init --app-role` may come before `rebuild`, which makes the table."""
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP TABLE accounting_periods")
        connection.exec_driver_sql("UPDATE read_position SET shape = 'older'")
    grant(owner, role)
    ledger.projections.rebuild()
    assert ledger.projections.verify() is None


def test_the_role_keeps_who_looked(ledger: Ledger):
    take_in(ledger, example_caseload(1))
    (budget,) = ledger.budgets()
    (payee,) = budget.known_payees
    for by in ("ann", "bob"):
        look_at_payee(
            ledger,
            payee.payee_reference,
            reason="audit",
            looked_at=IMPORTED_AT,
            looked_by=by,
        )
    assert [look.looked_by for look in looks(ledger)] == ["ann", "bob"]


def test_the_role_deletes_what_is_over_its_time(ledger: Ledger):
    keep(ledger, a_refusal("2024-01-01T09:00:00+00:00"))
    assert list(delete_expired(ledger, IMPORTED_AT).values()) == [1, 2, 0]


def test_the_role_keeps_and_erases_people(ledger: Ledger):
    take_in(ledger, a_caseload(a_row(1)))
    ledger.register_person(PersonDetails("R9", "Ada Nwosu", date(1950, 2, 3)), IMPORTED_AT)
    tell_budget(
        ledger,
        "PB000001",
        "offer_direct_payment",
        occasion="review",
        outcome="excluded",
        reason_code="not_permitted_by_regulations",
    )
    record_ethnicity(ledger, "R9", "B", recorded_at=IMPORTED_AT, recorded_by="cora")
    look_at_person(
        ledger, "R9", what="ethnicity", reason="review", looked_at=IMPORTED_AT, looked_by="cora"
    )
    for act in (place_hold, release_hold):
        act(ledger, "R9", "inquiry", recorded_at=IMPORTED_AT, recorded_by="sue")
    erase(ledger, "R9", erased_at=datetime(2040, 1, 1, tzinfo=UTC), erased_by="sue")
    assert erasure_of(ledger, "R9") is not None


REFUSED = {
    "UPDATE stored_events SET state = 'x'": "permission denied for table stored_events",
    "DELETE FROM stored_events": "permission denied for table stored_events",
    "TRUNCATE stored_events": "permission denied for table stored_events",
    "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
    "SELECT originator_id, originator_version, topic, state FROM stored_events "
    "ON CONFLICT (originator_id, originator_version) DO UPDATE SET state = 'x'": "permission",
    "INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id) "
    "VALUES (gen_random_uuid(), 1, 't', 'x', -1)": "permission denied for table stored_events",
    "DROP TRIGGER stored_events_guard ON stored_events": "must be owner",
    "ALTER TABLE stored_events DISABLE TRIGGER ALL": "must be owner",
    "ALTER TABLE stored_events DISABLE TRIGGER stored_events_guard": "must be owner",
    "ALTER TABLE stored_events RENAME TO gone": "must be owner",
    "DROP TABLE stored_events": "must be owner",
    "CREATE RULE away AS ON INSERT TO stored_events DO INSTEAD NOTHING": "must be owner",
    "CREATE TRIGGER mine BEFORE INSERT ON stored_events FOR EACH ROW "
    "EXECUTE FUNCTION stored_events_guard()": "permission denied",
    "CREATE OR REPLACE FUNCTION stored_events_guard() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NULL; END;'": "must be owner",
    "CREATE OR REPLACE FUNCTION stored_events_append(uuid[], bigint[], text[], bytea[]) "
    "RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1::bigint'": "must be owner",
    "SET session_replication_role = replica": "permission denied",
    "SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), 1)": "permission",
    "UPDATE bank_files SET sha256 = ''": "permission denied",
    "DELETE FROM bank_files": "permission denied",
    "UPDATE modulus_tables SET weights = ''": "permission denied",
    "DELETE FROM modulus_tables": "permission denied",
    "UPDATE contact_details SET sealed = ''": "permission denied",
    "DELETE FROM letters_position": "permission denied",
    "UPDATE payee_details SET sealed = ''": "permission denied",
    "UPDATE returned_names SET sealed = ''": "permission denied",
    "UPDATE payee_looks SET looked_by = ''": "permission denied",
    "DELETE FROM payee_looks": "permission denied",
    "DELETE FROM budget_looks": "permission denied",
    "UPDATE refused_requests SET refused_by = ''": "permission denied",
    "UPDATE file_looks SET looked_by = ''": "permission denied",
    "DELETE FROM file_looks": "permission denied",
    "UPDATE people SET wrapped_key = ''": "permission denied",
    "DELETE FROM bank_reports": "permission denied",
    "UPDATE erasures SET erased_by = ''": "permission denied",
    "DELETE FROM erasures": "permission denied",
    "UPDATE legal_holds SET is_release = true": "permission denied",
    "DELETE FROM legal_holds": "permission denied",
    "DELETE FROM person_looks": "permission denied",
    "UPDATE restricted_facts SET sealed = ''": "permission denied",
}


def test_the_role_can_neither_change_an_event_nor_do_away_with_the_guard(
    ledger: Ledger, owner: Engine
):
    take_in(ledger, example_caseload(3))
    before = log_of(ledger)
    for statement, why in REFUSED.items():
        with (
            pytest.raises(ProgrammingError, match=why),
            ledger.engine.begin() as connection,
        ):
            connection.execute(text(statement))
    assert log_of(ledger) == before
    with owner.connect() as connection:
        guards = connection.execute(
            text("SELECT tgenabled FROM pg_trigger WHERE tgname = 'stored_events_guard'")
        )
        assert guards.all() == [("O",)]
