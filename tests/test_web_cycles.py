"""Payment cycles on pages: prepared by one, decided by another on what they saw, sent and paid."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.bank.bacs_reader import read_bacs
from ledger.file_looks import file_looks_at
from ledger.projections.registers import Cycles
from ledger.web import long_work
from tests.main_job import a_caseload, a_row, prepare, revise, run_cycle, take_in, tell_budget
from tests.test_web_commands import a_day, faults
from tests.web import Page, Site, Visitor, a_site

AT = "/cycles/C2026-01"


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(database_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1), a_row(2), a_row(3)))
        tell_budget(
            site.ledger,
            "PB000003",
            "suspend_payments",
            reason_code="hospital_stay",
            interim_arrangement="in_hospital_or_care_home",
            review_on=date(2026, 5, 1),
        )
        site.add_user("amira", "finance_officer")
        site.add_user("bilal", "finance_approver")
        site.add_user("carys", "care_coordinator")
        site.add_user("dara", "finance_officer", "finance_approver")
        site.add_user("mona", "scheme_manager")
        yield site


def prepared(visitor: Visitor, reference: str = "C2026-01", **answers: Any) -> Page:
    form = visitor.open("/cycles/prepare").done()
    return visitor.send(
        form,
        "/cycles/prepare",
        **{
            "reference": reference,
            **a_day("period_from", "2026-04-06"),
            **a_day("period_to", "2026-05-03"),
            **a_day("pay_on", "2026-04-02"),
            **answers,
        },
    )


def take(visitor: Visitor, step: str, day: str, at: str = AT, **answers: str) -> Page:
    form = visitor.open(f"{at}/{step}").done()
    return visitor.send(form, f"{at}/{step}", **a_day("effective_on", day), **answers)


# --- the main task of a finance officer and of a finance approver -----------------------------


def test_a_cycle_goes_from_its_preparation_to_the_bank_and_is_paid(site: Site):
    amira, bilal = site.visitor("amira"), site.visitor("bilal")
    page = prepared(amira).done()
    assert page.path == AT
    assert page.heading == "Payment cycle C2026-01"
    assert "Waits for approval" in page.words
    assert "£1,336.40" in page.words, "two budgets of £668.20"
    decision = bilal.open(bilal.open(AT).link("Decide")).done()
    assert decision.heading == "Decide on £1,336.40 in 2 payments"
    assert "The first payment on this budget." in decision.words
    assert "Nothing is due, so nothing is paid." in decision.words
    page = bilal.send(decision, f"{AT}/approve").done()
    assert "Approved by bilal" in page.words
    assert "With the bank" in take(amira, "issue", "2026-03-27").done().words
    file = amira.client.get(f"{AT}/file")
    assert file.status_code == 200
    assert file.headers["cache-control"] == "no-store"
    assert read_bacs(file.content).credit_total_pence == 133_640
    assert [look[2:4] for look in file_looks_at(site.ledger)] == [("amira", "site")]
    assert "Paid" in take(amira, "settle", "2026-04-02").done().words
    payments = site.ledger.budget("PB000001").payments.values()
    assert [payment.status for payment in payments] == ["confirmed"]


def test_the_bank_file_is_the_usual_one_unless_another_is_chosen(site: Site):
    amira, bilal = site.visitor("amira"), site.visitor("bilal")
    prepared(amira).done()
    bilal.send(bilal.open(f"{AT}/decide").done(), f"{AT}/approve").done()
    form = amira.open(f"{AT}/issue").done()
    assert form.fields(f"{AT}/issue")["file_kind"] == ["bacs18/NURG"]
    page = take(amira, "issue", "2026-03-27", file_kind="bacs18/URGP").refused(422)
    assert faults(page) == {
        "#file_kind": "Which file does the bank take? Choose one of those that are here"
    }
    take(amira, "issue", "2026-04-02", file_kind="pain.001.001.03/NURG").refused(
        422, "must be input by"
    )
    take(amira, "issue", "2026-04-02", file_kind="pain.001.001.09/URNS").done()
    issued = site.ledger.cycle("C2026-01").require_issued()
    assert (issued.file_format, issued.processing_on) == ("pain.001.001.09", date(2026, 4, 2))


def test_an_approval_of_what_was_not_seen_is_refused(site: Site):
    amira, bilal = site.visitor("amira"), site.visitor("bilal")
    prepared(amira).done()
    decision = bilal.open(f"{AT}/decide").done()
    revise(site.ledger, "PB000001", 32_000, "2026-04-06")
    prepared(amira).done()
    page = bilal.send(decision, f"{AT}/approve")
    page.refused(409, "This was not done", "C2026-01 now totals £1,376.40")
    assert page.heading == "Decide on £1,376.40 in 2 payments", "here is what there is now"
    for changed in ({"total_pence": "a lot"}, {"lines_sha256": "0" * 64}):
        bilal.send(page, f"{AT}/approve", **changed).refused(409)
    assert site.ledger.cycle("C2026-01").status == "prepared"
    bilal.send(page, f"{AT}/approve").done()
    assert site.ledger.cycle("C2026-01").status == "approved"


def test_nobody_decides_on_what_they_prepared(site: Site):
    dara = site.visitor("dara")
    prepared(dara).done()
    decision = dara.open(f"{AT}/decide").done()
    dara.send(decision, f"{AT}/approve").refused(403, "dara prepared C2026-01.")
    dara.send(decision, f"{AT}/reject", reason_code="other").refused(403, "dara prepared C2026-01.")
    assert site.ledger.cycle("C2026-01").status == "prepared"


def test_nobody_approves_or_names_a_payment_of_their_own_or_of_whom_they_act_for(site: Site):
    site.add_user("rita", "finance_approver", person_reference="R000001")
    site.add_user("rhys", "finance_officer", person_reference="R000009")
    acting = {"person_reference": "R000009", "kind": "authorised_person"}
    tell_budget(site.ledger, "PB000002", "appoint_representative", **acting)
    rhys, rita = site.visitor("rhys"), site.visitor("rita")
    prepared(rhys, only="PB000002").refused(403, "rhys has an interest in PB000002")
    prepared(rhys).done()  # whom a regular cycle pays is nobody's choice
    decision = rita.open(f"{AT}/decide").done()
    rita.send(decision, f"{AT}/approve").refused(403, "rita has an interest in PB000001")
    assert site.ledger.cycle("C2026-01").status == "prepared"
    bilal = site.visitor("bilal")
    bilal.send(bilal.open(f"{AT}/decide").done(), f"{AT}/approve").done()


def test_a_cycle_is_turned_down_with_a_reason_and_withdrawn(site: Site):
    amira, bilal = site.visitor("amira"), site.visitor("bilal")
    prepared(amira).done()
    decision = bilal.open(f"{AT}/decide").done()
    page = bilal.send(decision, f"{AT}/reject").refused(422)
    assert faults(page) == {"#reason_code": "Why is it turned down? Choose one"}
    page = bilal.send(page, f"{AT}/reject", reason_code="totals_unexpected").done()
    assert "Rejected" in page.words
    assert "There is nothing to decide" in bilal.open(f"{AT}/decide").words
    assert "Withdrawn" in take(amira, "withdraw", "2026-03-28").done().words


def test_a_step_out_of_turn_is_refused_and_says_why(site: Site):
    amira = site.visitor("amira")
    prepared(amira).done()
    take(amira, "issue", "2026-03-27").refused(409, "C2026-01 is prepared.")
    take(amira, "settle", "2026-04-02").refused(409)
    Page(amira.client.get(f"{AT}/file")).refused(409, "has no bank file")
    amira.open("/cycles/C2026-99").refused(404)
    amira.open("/cycles/C2026-99/exceptions").refused(404)


# --- bad input --------------------------------------------------------------------------------


def test_each_fault_of_a_preparation_is_named_at_its_question(site: Site):
    page = prepared(
        site.visitor("amira"),
        "",
        **a_day("period_to", "2026-04-05"),
        **a_day("pay_on", "2026-13-01"),
    ).refused(422)
    found = faults(page)
    assert "Enter this" in found["#reference"]
    assert "must not be before the first" in found["#period_from-day"]
    assert "There is no such day" in found["#pay_on-day"]


def test_a_preparation_that_a_rule_refuses_records_nothing(site: Site):
    amira = site.visitor("amira")
    page = prepared(amira, **a_day("pay_on", "2026-04-03")).refused(422, "not a working day")
    assert page.fields("/cycles/prepare")["reference"] == ["C2026-01"]
    page = prepared(amira, "lower case").refused(422)
    assert list(faults(page)) == ["#reference"]
    prepared(amira, only="PB000009").refused(404, "There is no personal budget PB000009.")
    assert "No cycle has been prepared yet." in amira.open("/cycles").words


# --- looking ----------------------------------------------------------------------------------


def test_what_changed_ties_to_the_totals_and_is_listed_the_biggest_first(site: Site):
    run_cycle(site.ledger)
    revise(site.ledger, "PB000001", 30_000, "2026-05-04")
    revise(site.ledger, "PB000002", 33_000, "2026-05-04")
    prepare(site.ledger, 2)
    page = site.visitor("mona").open("/cycles/C2026-02/changes").done()
    last = {
        caption.get("id"): [cell.text_content() for cell in caption.getparent()[-1][-1]]
        for caption in page.tree.xpath("//caption")
    }
    assert last["outcomes"] == ["Together", "2", "£1,336.40", "£1,376.40", "+£40.00"]
    assert last["causes"] == ["Together", "", "", "£80.00", "\N{MINUS SIGN}£40.00", "+£40.00"]
    each = page.tree.xpath("//table[caption[@id='each']]/tbody/tr/th")
    assert [cell.text_content() for cell in each] == ["PB000002", "PB000001"]
    only = site.visitor("mona").open(page.link("Allocation")).done()
    assert "Only those with the cause “Allocation”" in only.words


def test_exceptions_are_counted_by_kind_and_listed_one_by_one(site: Site):
    prepare(site.ledger)
    mona = site.visitor("mona")
    page = mona.open(f"{AT}/exceptions").done()
    assert re.search(r"First payment The first payment on this budget\. 2", page.words)
    only = mona.open(page.link("Nothing due")).done()
    each = only.tree.xpath("//table[caption[@id='each']]/tbody/tr/th")
    assert [cell.text_content() for cell in each] == ["PB000003"]
    assert "There are none of this kind." in mona.open(f"{AT}/exceptions?code=nonsense").words


def test_payments_are_shown_with_what_they_are_made_of(site: Site):
    prepare(site.ledger)
    page = site.visitor("mona").open(f"{AT}/payments").done()
    assert "contribution \N{MINUS SIGN}£571.80" in page.words
    assert page.link("PB000001") == "/budgets/PB000001"


def test_only_who_may_is_offered_a_step(site: Site):
    prepare(site.ledger)
    offered = {
        name: set(site.visitor(name).open(AT).done().tree.xpath("//a[@role='button']/@href"))
        for name in ("amira", "bilal", "mona")
    }
    assert offered == {"amira": {f"{AT}/withdraw"}, "bilal": {f"{AT}/decide"}, "mona": set()}
    for path in ("/cycles", AT, f"{AT}/changes", f"{AT}/decide", "/cycles/prepare"):
        site.visitor("carys").open(path).refused(403)


# --- what takes long --------------------------------------------------------------------------


def test_what_takes_long_goes_on_beside_a_page_that_says_how_far_it_is(site: Site, monkeypatch):
    monkeypatch.setattr(long_work, "PATIENCE_SECONDS", 0)
    amira, others_end = site.visitor("amira"), threading.Event()
    long_work.ONE_AT_A_TIME.submit(others_end.wait, 20)
    page = prepared(amira).done()
    assert page.heading == "Preparing C2026-01"
    assert "0 of 3 done so far." in page.words
    assert page.headers["refresh"] == "3"
    still = amira.open(page.link("Do not load this page anew by itself")).done()
    assert "refresh" not in still.headers
    site.visitor("bilal").open(page.path).refused(404, "begun by someone else")
    others_end.set()
    finished(page)
    with site.ledger.engine.connect() as connection:
        listed = connection.execute(select(Cycles.table.c.reference)).scalars().all()
    assert listed == ["C2026-01"], "no page after it has to bring the lists level"
    assert amira.client.get(page.path, follow_redirects=False).headers["location"] == AT
    assert "Waits for approval" in amira.open(AT).words


def finished(page: Page) -> None:
    """Wait until all that was begun has come to its end."""
    assert page.path.startswith("/working/")
    long_work.ONE_AT_A_TIME.submit(int).result(20)


def test_what_is_refused_later_is_said_on_the_page_that_waits_for_it(site: Site, monkeypatch):
    monkeypatch.setattr(long_work, "PATIENCE_SECONDS", 0)
    amira = site.visitor("amira")
    others_end = threading.Event()
    long_work.ONE_AT_A_TIME.submit(others_end.wait, 20)
    page = prepared(amira, only="PB000009").done()
    others_end.set()
    finished(page)
    amira.open(page.path).refused(404, "There is no personal budget PB000009.")


def test_what_changed_is_worked_out_once_beside_and_anew_for_another_preparation(
    site: Site, monkeypatch
):
    run_cycle(site.ledger)
    prepare(site.ledger, 2)
    monkeypatch.setattr(long_work, "PATIENCE_SECONDS", 0)
    bilal, asked = site.visitor("bilal"), "/cycles/C2026-02/changes?cause=allocation&page=1"
    with held_up():
        page = bilal.open(asked).done()
        assert page.heading == "Comparing C2026-02 with the last cycle"
        beside = bilal.open("/cycles/C2026-02/exceptions").done()
        assert beside.heading == "What is out of the ordinary", "no cycle is compared for that"
    finished(page)
    assert bilal.client.get(page.path, follow_redirects=False).headers["location"] == asked
    with held_up():
        assert bilal.open(asked).done().heading == "What changed, and why"
        form = bilal.open("/cycles/C2026-02/decide").done()
    monkeypatch.undo()
    bilal.send(form, "/cycles/C2026-02/reject", reason_code="exceptions_unexplained").done()
    revise(site.ledger, "PB000001", 30_000, "2026-05-04")
    prepare(site.ledger, 2)
    assert "Allocation" in bilal.open("/cycles/C2026-02/decide").done().words


@contextmanager
def held_up() -> Iterator[None]:
    """While something else is being done that takes long."""
    ends = threading.Event()
    long_work.ONE_AT_A_TIME.submit(ends.wait, 20)
    try:
        yield
    finally:
        ends.set()
