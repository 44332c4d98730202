"""Work queues: what waits, for whom, and that they say what the scheduler's reminders say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import work_queues as work
from ledger.application import Ledger
from ledger.dates import Period
from ledger.jobs import current_reminders
from ledger.reminders import Kind
from ledger.web.queues import QUEUES
from tests.main_job import (
    a_busy_council,
    a_caseload,
    a_ledger,
    a_row,
    prepare,
    run_cycle,
    says,
    take_in,
    tell_budget,
)
from tests.web import Site, a_site

LATER = datetime(2026, 9, 20, 9, tzinfo=UTC)


def a_return(ledger: Ledger, reference: str, due_on: date = date(2026, 8, 2)) -> None:
    period = Period(date(2026, 4, 6), date(2026, 7, 5))
    tell_budget(ledger, reference, "request_spend_return", return_reference="SR1", period=period,
                due_on=due_on)  # fmt: skip


def sent_in(ledger: Ledger, reference: str) -> None:
    figures = {"opening_balance_pence": 0, "money_in_pence": 100_000, "spending_pence": 90_000}
    tell_budget(ledger, reference, "submit_spend_return", return_reference="SR1",
                closing_balance_pence=10_000, **figures)  # fmt: skip


def suspended(ledger: Ledger, reference: str, **facts: Any) -> None:
    tell_budget(
        ledger,
        reference,
        "suspend_payments",
        **{
            "reason_code": "safeguarding",
            "interim_arrangement": "family_or_friends",
            "review_on": date(2026, 8, 1),
            "effective_on": date(2026, 7, 1),
            **facts,
        },
    )


def proposed_to_resume(ledger: Ledger, reference: str) -> None:
    facts = {"reason_code": "safeguarding", "effective_on": date(2026, 8, 1)}
    tell_budget(ledger, reference, "propose_resumption", **facts)


def a_bit_of_everything(ledger: Ledger) -> None:
    """A council with something in nearly every queue, and with what was in one and is no more."""
    a_busy_council(ledger, 60)
    prepare(ledger, 3)
    references = [b.reference for b in ledger.budgets() if b.closed is None and not b.suspensions]
    for reference in references[:4]:
        a_return(ledger, reference)
    a_return(ledger, references[4], LATER.date())
    for reference in references[:2]:
        sent_in(ledger, reference)
    tell_budget(ledger, references[0], "accept_spend_return", return_reference="SR1")
    for reference in references[5:8]:
        suspended(ledger, reference)
    for reference in references[5:7]:
        proposed_to_resume(ledger, reference)
    resumed = {"reason_code": "safeguarding", "effective_on": date(2026, 8, 1), "by": "bob"}
    tell_budget(ledger, references[5], "resume_payments", **resumed)
    suspended(ledger, references[8], reason_code="other", expires_on=date(2026, 7, 9))
    for reference in references[9:11]:
        tell_budget(ledger, reference, "open_estate_case", case_reference="EC1", reported_by="bank")
    decided = {"case_reference": "EC1", "outcome": "reported_in_error", "by": "bob"}
    tell_budget(ledger, references[9], "decide_estate_case", **decided)
    offered = {"occasion": "review", "outcome": "accepted", "effective_on": date(2026, 7, 1)}
    tell_budget(ledger, references[11], "offer_direct_payment", **offered)


def test_the_queues_say_what_the_reminders_say(database_url: str, tmp_path: Path):
    """The reminders read every budget; the queues ask tables that follow the log."""
    with a_ledger(database_url, tmp_path) as ledger:
        a_bit_of_everything(ledger)
        said: dict[Kind, list[tuple[date, str]]] = {}
        for reminder in current_reminders(ledger, LATER):
            said.setdefault(reminder.kind, []).append((reminder.due_on, reminder.reference))
        today = LATER.date()
        for kind, find in {
            "cycle_to_decide": work.cycles_to_decide,
            "return_overdue": work.returns_overdue,
            "review_due": work.reviews_due,
            "suspension_review_due": work.suspensions_to_review,
            "resumption_to_confirm": work.resumptions_to_decide,
            "estate_case_open": work.estate_cases_to_decide,
            "payment_came_back": work.returned_payments,
        }.items():
            found = sorted((one.on, one.reference) for one in find(ledger, today))
            assert found == said[kind], kind  # type: ignore[index]
            assert found, "and there is something in each"


def test_a_review_moves_the_next_one(sqlite_url: str, tmp_path: Path):
    with a_ledger(sqlite_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(a_row(1), a_row(2)))
        run_cycle(ledger)
        for day in (date(2026, 9, 1), date(2026, 8, 1)):
            tell_budget(ledger, "PB000001", "offer_direct_payment", occasion="review",
                        outcome="accepted", effective_on=day)  # fmt: skip
        ledger.projections.catch_up()
        due = {one.reference: one.on for one in work.reviews_due(ledger, date(2027, 9, 1))}
        assert due == {"PB000001": date(2027, 9, 1), "PB000002": date(2026, 10, 2)}
        notice = timedelta(days=ledger.settings.remind_reviews_days)
        for day, number in ((date(2026, 10, 1), 0), (date(2026, 10, 2), 1), (date(2027, 9, 1), 2)):
            assert work.count_reviews_due(ledger, day - notice) == number
            assert len(work.reviews_due(ledger, day - notice)) == number
        assert ledger.projections.verify() is None


# --- on the pages ---------------------------------------------------------------------------


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1), a_row(2)))
        site.add_user("amira", "finance_officer")
        site.add_user("bilal", "finance_approver")
        site.add_user("carys", "care_coordinator")
        site.add_user("mona", "scheme_manager")
        site.add_user("rhys", "recipient", person_reference="R000001")
        yield site


def waits(site: Site, name: str, table: str) -> dict[str, str]:
    """What the home page of somebody counts, by queue."""
    tree = site.visitor(name).open("/").done().tree
    rows = tree.xpath("//table[caption[@id=$id]]/tbody/tr", id=table)
    return {row[0].text_content().strip(): row[1].text_content().strip() for row in rows}


def test_each_role_has_its_own_work_and_sees_what_others_have_to_do(site: Site):
    prepare(site.ledger)
    a_return(site.ledger, "PB000001")
    sent_in(site.ledger, "PB000001")
    assert waits(site, "amira", "own")["Spend returns to check"] == "1"
    assert waits(site, "amira", "others")["Cycles to approve"] == "1"
    assert waits(site, "bilal", "own")["Cycles to approve"] == "1"
    assert "Cycles to approve" not in waits(site, "carys", "own") | waits(site, "carys", "others")
    assert not waits(site, "mona", "own"), "who oversees has none of it to do"
    assert waits(site, "mona", "others")["Spend returns to check"] == "1"


def test_nobody_outside_the_council_sees_any_queue(site: Site):
    assert not waits(site, "rhys", "own") | waits(site, "rhys", "others")
    visitor = site.visitor("rhys")
    for queue in QUEUES:
        assert visitor.open(queue.path).status == 403, queue.name


def test_a_queue_leads_to_what_waits_and_is_empty_when_it_is_done(site: Site):
    a_return(site.ledger, "PB000001")
    sent_in(site.ledger, "PB000001")
    amira = site.visitor("amira")
    queue = amira.open(amira.open("/").link("Spend returns to check")).done()
    assert queue.link("PB000001") == "/budgets/PB000001"
    assert "SR1" in queue.words
    form = amira.open("/budgets/PB000001/accept-spend-return").done()
    checked = amira.send(form, form.path, return_reference="SR1").done()
    amira.send(checked, form.path, step="record").done()
    assert "Nothing waits here." in amira.open("/work/returns-to-check").words


def test_account_details_wait_until_a_second_person_has_verified_them(site: Site):
    site.ledger.propose_payee(
        "PB000001",
        payee_type="recipient",
        account_name="S O'Connor",
        sort_code="99-99-02",
        account_number="12345678",
        said=says("ann"),
    )
    page = site.visitor("bilal").open("/work/payees-to-verify").done()
    assert "Put forward by ann" in page.words
    assert "12345678" not in page.words


def test_what_is_late_is_said_in_words(site: Site):
    suspended(site.ledger, "PB000001", review_on=date(2020, 1, 1))
    page = site.visitor("carys").open("/work/suspensions-to-review").done()
    assert "1 January 2020 (late)" in page.words
