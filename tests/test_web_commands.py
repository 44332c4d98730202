"""What staff record on a budget: forms made from the commands, tried first, then recorded.

On SQLite: what the pages call is tested on both databases, and a browser walks them on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.access.roles import STAFF
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.commands import BUDGET_COMMANDS
from ledger.terms import AllocationTerm
from ledger.web.command_words import ASKED
from tests.main_job import a_caseload, a_row, run_cycle, says, take_in, tell_budget
from tests.web import Page, Site, Visitor, a_site

AT = "/budgets/PB000001"


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1), a_row(2)))
        site.add_user("amira", "finance_officer")
        site.add_user("bilal", "finance_approver")
        site.add_user("carys", "care_coordinator")
        site.add_user("otto", "auditor")
        yield site


def a_day(name: str, text: str) -> dict[str, str]:
    """The three fields of a day."""
    year, month, day = text.split("-")
    return {f"{name}-day": day, f"{name}-month": month, f"{name}-year": year}


ON = a_day("effective_on", "2026-04-20")


def fill(visitor: Visitor, path: str, **answers: Any) -> Page:
    """Fill in the form at an address and send it to be tried."""
    return visitor.send(visitor.open(path).done(), path.partition("?")[0], **answers)


def record(visitor: Visitor, path: str, **answers: Any) -> Page:
    """Fill in a form, look at what it would do, and record it."""
    checked = fill(visitor, path, **answers).done()
    assert checked.heading.startswith("Check before you record it")
    return visitor.send(checked, path.partition("?")[0], step="record").done()


def version(site: Site, reference: str = "PB000001") -> int:
    return site.ledger.budget(reference).version


def faults(page: Page) -> dict[str, str]:
    """The error summary: where each fault leads, and what it says."""
    links = page.tree.xpath("//*[contains(@class, 'govuk-error-summary__list')]//a")
    found = {link.get("href"): link.text_content().strip() for link in links}
    for place in found:
        assert page.tree.xpath("//*[@id=$id]", id=place.removeprefix("#")), place
    return found


# --- the main task of a care co-ordinator ---------------------------------------------------


def test_a_care_coordinator_opens_a_budget_and_records_offer_agreement_and_allocation(site: Site):
    carys = site.visitor("carys")
    on = a_day("effective_on", "2026-04-06")
    opened = record(
        carys,
        "/budgets/open",
        reference="PB000900",
        recipient_reference="R000900",
        legal_basis="care_act_2014",
        primary_support_reason="mental_health",
        **on,
    )
    assert opened.heading == "Personal budget PB000900"
    assert "The personal budget PB000900 was opened from 6 April 2026" in opened.words
    at = "/budgets/PB000900"
    record(carys, f"{at}/offer-direct-payment", occasion="assessment", outcome="accepted", **on)
    record(carys, f"{at}/sign-agreement", template_version="2026-1", **on)
    line = {
        "lines-1-need": "Personal care",
        "lines-1-funding_stream": "Social care",
        "lines-1-deployment": "direct_payment",
        "lines-1-weekly_pence": "£310.00",
        "lines-1-cost_centre": "S4100",
        **a_day("lines-1-starts_on", "2026-04-06"),
    }
    page = record(carys, f"{at}/agree-allocation", **line, **on)
    assert "£310.00 a week for personal care" in page.words
    budget = site.ledger.budget("PB000900")
    assert budget.offer_outcome == "accepted"
    assert budget.agreement is not None
    assert budget.agreement.return_frequency == "quarterly", "what is usual was filled in"
    assert budget.lines_in_force(date(2026, 4, 6)) == [
        AllocationTerm(
            line_reference="personal_care.social_care",
            need="personal_care",
            funding_stream="social_care",
            deployment="direct_payment",
            starts_on=date(2026, 4, 6),
            weekly_pence=31_000,
            cost_centre="S4100",
        )
    ]


def test_what_a_suspension_stops_is_seen_before_it_is_recorded(site: Site):
    run_cycle(site.ledger)
    carys, before = site.visitor("carys"), version(site)
    answers = {
        "reason_code": "hospital_stay",
        "interim_arrangement": "in_hospital_or_care_home",
        **a_day("review_on", "2026-06-01"),
        **a_day("effective_on", "2026-05-04"),
    }
    checked = fill(carys, f"{AT}/suspend-payments", **answers).done()
    assert "Payments were suspended in full from 4 May 2026" in checked.words
    table = checked.tree.xpath("//table[caption[@id='coming']]/tbody/tr[1]")[0].text_content()
    assert "£668.20" in table, "what would be paid"
    assert "£0.00" in table, "and what will be"
    assert version(site) == before, "nothing is recorded yet"
    done = carys.send(checked, f"{AT}/suspend-payments", step="record").done()
    assert done.path == AT
    assert version(site) == before + 1
    *_, (_, _, event) = site.ledger.history(PersonalBudget, "PB000001")
    assert event.recorded_by == "carys"


def test_who_changes_their_mind_finds_the_form_as_they_left_it(site: Site):
    carys = site.visitor("carys")
    checked = fill(carys, f"{AT}/close", reason_code="moved_away", **ON)
    again = carys.send(checked, f"{AT}/close", step="change").done()
    assert again.heading == "Close"
    assert again.fields(f"{AT}/close")["reason_code"] == ["moved_away"]


def test_nothing_is_recorded_on_a_budget_that_moved_on_meanwhile(site: Site):
    carys = site.visitor("carys")
    checked = fill(carys, f"{AT}/close", reason_code="moved_away", **ON)
    tell_budget(site.ledger, "PB000001", "offer_direct_payment", occasion="review",
                outcome="accepted")  # fmt: skip
    before = version(site)
    page = carys.send(checked, f"{AT}/close", step="record").refused(412, "is at version")
    assert page.heading == "Close", "it can be looked at again"
    assert version(site) == before


# --- bad input ------------------------------------------------------------------------------


def test_each_fault_is_named_at_its_question(site: Site):
    page = fill(
        site.visitor("carys"),
        f"{AT}/suspend-payments",
        retainer_weekly_pence="12.345",
        **a_day("review_on", "2026-02-30"),
        **a_day("effective_on", "2026-x-01"),
    ).refused(422)
    assert page.tree.xpath("string(//title)").startswith("Error: ")
    found = faults(page)
    assert found["#reason_code"] == "Why? Choose one"
    assert "There is no such day" in found["#review_on-day"]
    assert "pounds and whole pence" in found["#retainer_weekly_pence"]
    assert "A day is a number" in found["#effective_on-day"]
    assert page.fields(f"{AT}/suspend-payments")["retainer_weekly_pence"] == ["12.345"]


def test_a_refusal_about_one_field_is_named_there(site: Site):
    line = {
        "lines-1-need": "Mrs Jones's knees, " * 4,
        "lines-1-funding_stream": "social care",
        "lines-1-deployment": "direct_payment",
        "lines-1-weekly_pence": "10",
        **a_day("lines-1-starts_on", "2026-04-06"),
    }
    page = fill(site.visitor("carys"), f"{AT}/agree-allocation", **line).refused(422)
    assert list(faults(page)) == ["#lines-1-need"]


def test_a_refusal_by_a_rule_is_said_above_the_form(site: Site):
    page = fill(
        site.visitor("carys"),
        f"{AT}/offer-direct-payment",
        occasion="review",
        outcome="excluded",
        **ON,
    )
    page.refused(422, "This was not done", "An exclusion needs the code of its ground in law.")


def test_an_answer_that_is_not_on_the_page_is_refused(site: Site):
    carys = site.visitor("carys")
    before = version(site)
    page = fill(carys, f"{AT}/close", reason_code="bored")
    assert faults(page.refused(422)) == {"#reason_code": "Why? Choose one of those that are here"}
    fields = carys.open(f"{AT}/close").fields(f"{AT}/close") | {"reason_code": ["moved_away"]}
    fields |= {"step": ["record"], "version": ["eleven"]}
    Page(carys.client.post(f"{AT}/close", data=fields)).refused(412)
    assert version(site) == before


def test_codes_that_are_written_must_be_among_those_there_are(site: Site):
    answers = {"weekly_pence": "10", "basis": "net", "order": "direct_payment\ncash", **ON}
    page = fill(site.visitor("amira"), f"{AT}/assess-contribution", **answers).refused(422)
    assert list(faults(page)) == ["#order"]


@pytest.mark.parametrize("text", ["\x00", "x" * 300, "O'Connor, S", "../../etc", "<script>"])
def test_free_text_does_not_get_into_an_event(site: Site, text: str):
    before = version(site)
    page = fill(site.visitor("carys"), f"{AT}/open-estate-case", case_reference=text,
                reported_by="bank", **ON)  # fmt: skip
    assert list(faults(page.refused(422))) == ["#case_reference"]
    assert not page.tree.xpath("//main//script")
    assert version(site) == before


def test_what_is_not_there_cannot_be_chosen(site: Site):
    page = site.visitor("amira").open(f"{AT}/accept-spend-return").done()
    assert "There is nothing on this budget that this could be about." in page.words
    assert not page.tree.xpath("//main//form")


# --- who may --------------------------------------------------------------------------------


def test_one_sees_what_one_may_record_and_no_more(site: Site):
    for name in ("amira", "bilal", "carys", "otto"):
        visitor = site.visitor(name)
        page = visitor.open(f"{AT}/record").done()
        offered = {str(path) for path in page.tree.xpath("//main//li/a/@href")}
        for command in BUDGET_COMMANDS:
            if command == "open":
                continue
            status = visitor.open(f"{AT}/{command}").status
            assert status == (200 if f"{AT}/{command}" in offered else 403), (name, command)
        assert bool(offered) == (name != "otto")


def test_nobody_verifies_what_they_proposed(site: Site):
    site.add_user("dara", "finance_officer", "finance_approver")
    site.ledger.propose_payee(
        "PB000001",
        payee_type="recipient",
        account_name="S O'Connor",
        sort_code="99-99-02",
        account_number="12345678",
        said=says("dara"),
    )
    dara = site.visitor("dara")
    form = dara.open(f"{AT}/verify-payee").done()
    assert "account ****5678, proposed by dara" in form.words
    (choice,) = form.tree.xpath("//input[@type='radio' and @name='payee_reference']/@value")
    page = dara.send(form, f"{AT}/verify-payee", payee_reference=choice, **ON)
    page.refused(403, "dara proposed these details; someone else must verify them.")
    page = record(site.visitor("bilal"), f"{AT}/verify-payee", payee_reference=choice, **ON)
    assert "were checked by a second person" in page.words


# --- every command --------------------------------------------------------------------------


def test_every_argument_of_every_command_is_asked_for_in_words():
    names = {
        field.name
        for command in BUDGET_COMMANDS.values()
        for field in msgspec.structs.fields(command.arguments)
    }
    line = {field.name for field in msgspec.structs.fields(AllocationTerm)} - {"line_reference"}
    assert names | line | {"reference", "effective_on"} == ASKED.keys()


def test_every_command_has_a_form_with_a_label_for_each_field(sqlite_url: str, tmp_path: Path):
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1)))
        site.add_user("everyone", *STAFF)
        visitor = site.visitor("everyone")
        for command in BUDGET_COMMANDS:
            page = visitor.open("/budgets/open" if command == "open" else f"{AT}/{command}").done()
            labels = set(page.tree.xpath("//label/@for"))
            for field in page.tree.xpath("//main//*[self::input or self::select]"):
                assert field.get("type") == "hidden" or field.get("id") in labels, command
            ids = page.tree.xpath("//@id")
            assert len(ids) == len(set(ids)), command
