"""Finding a budget, and the page of one.

On SQLite: what the pages call is tested on both databases, and a browser walks them on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ledger.dates import Period
from tests.main_job import a_caseload, a_row, run_cycle, take_in, tell_budget
from tests.web import Page, Site, a_site

AT = "/budgets/PB000001"


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(*(a_row(number) for number in range(1, 4))))
        site.add_user("amira", "finance_officer")
        site.add_user("carys", "care_coordinator")
        site.add_user("mona", "scheme_manager")
        site.add_user("rhys", "recipient", person_reference="R000001")
        yield site


def rows(page: Page, table: str) -> list[list[str]]:
    """The rows of a table, by the id of its caption."""
    found = page.tree.xpath("//table[caption[@id=$id]]/tbody/tr", id=table)
    return [[" ".join(cell.text_content().split()) for cell in row] for row in found]


# --- finding --------------------------------------------------------------------------------


def test_a_budget_is_found_by_its_reference_or_its_recipients(site: Site):
    amira = site.visitor("amira")
    form = amira.open("/budgets").done()
    assert [row[0] for row in rows(form, "found")] == ["PB000001", "PB000002", "PB000003"]
    assert amira.open("/budgets?find=pb000002").path == "/budgets/PB000002", "just this one"
    found = amira.open("/budgets?find=R000003").done()
    assert [row[:2] for row in rows(found, "found")] == [["PB000003", "R000003"]]
    assert len(rows(amira.open("/budgets?find=PB"), "found")) == 3
    nothing = amira.open("/budgets?find=%25_%3Cb%3E").done()
    assert "No budget or recipient has a reference that begins so." in nothing.words
    assert "<b>" in nothing.fields("/budgets")["find"][0].lower(), "as it was written"


def test_a_name_finds_nothing_and_the_page_says_why(site: Site):
    page = site.visitor("amira").open("/budgets?find=Siân").done()
    assert not rows(page, "found")
    assert "Names are sealed" in page.words


def test_the_list_says_how_each_budget_stands(site: Site):
    tell_budget(site.ledger, "PB000001", "close", reason_code="moved_away")
    tell_budget(site.ledger, "PB000002", "suspend_payments", reason_code="other",
                interim_arrangement="none_needed", review_on=date(2026, 5, 1))  # fmt: skip
    page = site.visitor("mona").open("/budgets").done()
    assert [row[2] for row in rows(page, "found")] == ["Closed", "Suspended", "Open"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "9999999999999"])
def test_a_page_that_cannot_be_is_not_found(site: Site, page: str):
    site.visitor("amira").open(f"/budgets?page={page}").refused(404)


# --- the page of one ------------------------------------------------------------------------


def test_the_story_is_told_newest_first_in_plain_english(site: Site):
    run_cycle(site.ledger)
    page = site.visitor("amira").open(AT).done()
    told = [" ".join(one.itertext()).split() for one in page.tree.xpath("//ol/li")]
    assert " ".join(told[0]).startswith("The bank paid £668.20")
    assert " ".join(told[-1]).startswith("The personal budget PB000001 was opened")
    assert "Recorded on" in page.words
    assert "by alice" in page.words


def test_a_long_story_has_pages(site: Site):
    for number in range(1, 30):
        tell_budget(site.ledger, "PB000001", "assess_contribution", weekly_pence=number,
                    basis="net", effective_on=date(2026, 4, 6))  # fmt: skip
    amira = site.visitor("amira")
    first = amira.open(AT).done()
    assert "£0.29 a week" in first.words
    assert "was opened" not in first.words
    second = amira.open(first.link("Next page")).done()
    assert "was opened" in second.words
    assert amira.open(second.link("Previous page")).words == first.words


def test_payments_are_a_picture_and_the_same_in_a_table(site: Site):
    for number in (1, 2):
        run_cycle(site.ledger, number)
    page = site.visitor("amira").open(AT).done()
    (picture,) = page.tree.xpath(
        "//svg[@aria-labelledby='payments-chart-title payments-chart-desc']"
    )
    assert [text.text_content() for text in picture.xpath(".//text")] == [
        "4 May to 31 May 2026: paid",
        "£668.20",
        "6 April to 3 May 2026: paid",
        "£668.20",
    ]
    assert [row[0] for row in rows(page, "payments-table")] == [
        "4 May to 31 May 2026",
        "6 April to 3 May 2026",
    ]
    assert page.link("C2026-02") == "/cycles/C2026-02"
    assert not page.tree.xpath("//@style | //style | //script[not(@src)]")


def test_who_may_not_see_cycles_is_given_no_link_to_them(site: Site):
    run_cycle(site.ledger)
    page = site.visitor("carys").open(AT).done()
    assert "C2026-01" in page.words
    assert not page.tree.xpath("//a[starts-with(@href, '/cycles')]")


def test_spending_is_set_against_what_came_in(site: Site):
    asked = {"period": Period(date(2026, 4, 6), date(2026, 7, 5)), "due_on": date(2026, 8, 2)}
    tell_budget(site.ledger, "PB000001", "request_spend_return", return_reference="SR1", **asked)
    tell_budget(site.ledger, "PB000001", "submit_spend_return", return_reference="SR1",
                opening_balance_pence=0, money_in_pence=100_000, spending_pence=90_000,
                closing_balance_pence=10_000)  # fmt: skip
    page = site.visitor("amira").open(AT).done()
    assert rows(page, "spend-table")[0][4:] == ["£0.00", "£1,000.00", "£900.00", "£100.00"]
    assert page.tree.xpath("//svg[contains(@aria-labelledby, 'spend-chart-title')]")


def test_what_stops_the_next_payment_is_said(site: Site):
    tell_budget(site.ledger, "PB000001", "open_estate_case", case_reference="EC1",
                reported_by="family")  # fmt: skip
    page = site.visitor("amira").open(AT).done()
    assert "Nothing can be paid until this is seen to" in page.words
    assert "the estate case EC1 is open" in page.words


def test_of_an_account_only_its_last_digits_are_shown(site: Site):
    page = site.visitor("amira").open(AT).done()
    assert "account ****0001" in page.words
    assert "90000001" not in page.words
    assert "O'Connor" not in page.words


def test_a_recipient_reaches_their_own_budget_and_no_other(site: Site):
    rhys = site.visitor("rhys")
    assert rhys.open(AT).done().heading == "Personal budget PB000001"
    assert not rhys.open(AT).tree.xpath("//a[@role='button']"), "and records nothing on it here"
    foreign, missing = rhys.open("/budgets/PB000002"), rhys.open("/budgets/PB999999")
    foreign.refused(404)
    assert foreign.words.replace("PB000002", "PB999999") == missing.refused(404).words
    rhys.open("/budgets").refused(403)


def test_who_has_not_signed_in_is_asked_to(site: Site):
    assert site.visitor().open(AT).heading == "Sign in"
