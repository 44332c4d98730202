"""Will for tests, of whom everything is held that can be, and what a database gives away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from ledger.application import Ledger
from ledger.assessments import record_assessment
from ledger.bank.confirmation_of_payee import Simulator
from ledger.bank_reports import import_report
from ledger.contacts import new_contact
from ledger.outbox.queueing import queue_letters
from ledger.outbox.sending import send_letters
from ledger.person_looks import record_ethnicity
from tests.bank_reports import Returned, arucs_xml
from tests.given import on
from tests.letters import suspend, with_letters
from tests.main_job import (
    IMPORTED_AT,
    a_caseload,
    a_row,
    run_cycle,
    says,
    take_in,
    tell_budget,
)
from tests.postgres import find_programs
from tests.test_assessments import EXAMPLE_A, an_assessment

WILL = "R000001"
BORN = date(1931, 7, 19)
SECRETS = (
    "Featherstone", "FEATHERSTONE", "Quince Row", "will@example.org", "1931-07-19", "31415926",
    "27182882", "A NWOSU", "A Nwosu", "not_permitted_by_regulations", "state_pension",
)  # fmt: skip


@contextmanager
def a_council_of_two(database_url: str, folder: Path) -> Iterator[Ledger]:
    """Will, of whom everything is held that can be, and whose budget is closed; and Siân."""
    settings = with_letters(database_url, folder)
    Ledger.initialise(settings)
    with Ledger(settings) as made:
        will = a_row(
            1,
            recipient_name="Will Featherstone",
            date_of_birth=BORN,
            account_name="W Featherstone",
            account_number="31415926",
        )
        take_in(made, a_caseload(will, a_row(2)))
        live(made)
        yield made


def live(ledger: Ledger) -> None:
    """What happens to Will from April to May 2026."""
    contact = new_contact(WILL, "post", ("7 Quince Row", "EX2 3AB"), "will@example.org")
    ledger.contacts.record(contact, IMPORTED_AT, "ann")
    facts = replace(EXAMPLE_A, date_of_birth=BORN)
    record_assessment(ledger, "PB000001", an_assessment(facts), says("amira", "2026-04-06"))
    record_ethnicity(ledger, WILL, "B", recorded_at=IMPORTED_AT, recorded_by="cora")
    cycle = run_cycle(ledger, 1)
    ledger.payee_names.service = Simulator()
    ledger.propose_payee(
        "PB000001",
        payee_type="nominated_person",
        account_name="Ada Nwosu",
        sort_code="99-99-02",
        account_number="27182882",
        said=says("ann"),
    )
    other = next(line for line in cycle.lines if line.budget_reference == "PB000002")
    back = Returned(other.payment_reference, other.amount_pence)
    report = arucs_xml(ledger.settings.bacs_service_user_number, [back], on("04-08"))
    import_report(ledger, report, says("carol", "04-08"))
    suspend(ledger)
    queue_letters(ledger, IMPORTED_AT)
    send_letters(ledger, IMPORTED_AT)
    excluded = {"outcome": "excluded", "reason_code": "not_permitted_by_regulations"}
    tell_budget(
        ledger,
        "PB000001",
        "offer_direct_payment",
        occasion="review",
        effective_on=on("05-01"),
        **excluded,
    )
    tell_budget(ledger, "PB000001", "close", reason_code="moved_away", effective_on=on("05-03"))


def dumped(ledger: Ledger, folder: Path) -> bytes:
    """Every byte of the database: SQLite's files, or what pg_dump says."""
    url = ledger.settings.database_url
    if url.startswith("sqlite"):
        return b"".join(file.read_bytes() for file in sorted(folder.glob("*.db*")))
    command = [str(find_programs() / "pg_dump"), "--inserts", url]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def found_in(dump: bytes, secrets: tuple[str, ...]) -> list[str]:
    """The secrets that stand in a dump, as they are or in hexadecimal."""
    forms = [(secret, secret.encode()) for secret in secrets]
    return [s for s, raw in forms if raw in dump or raw.hex().encode() in dump.lower()]
