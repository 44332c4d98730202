"""A recipient's own pages, those of who acts for them, and a support service's one.

On SQLite: what the pages call is tested on both databases, and a browser walks them on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ledger.dates import day_in_england
from ledger.outbox.queueing import queue_letters
from ledger.projections.words import day
from ledger.status_checks import MOST_WRONG
from tests.api import BUDGET, Api, approve, make_payable, open_budget, prepare
from tests.web import Page, Site, Visitor, a_site

AT = "/my/budgets/PB000001"
TODAY = day_in_england(datetime.now(UTC))
RETURN = {
    "effective_on": "2026-04-06",
    "return_reference": "SR1",
    "period": {"starts_on": "2026-04-06", "ends_on": "2026-05-03"},
    "due_on": str(TODAY + timedelta(days=10)),
}
FIGURES = {"opening_balance": "100.00", "money_in": "£668.20", "spending": "700",
           "closing_balance": "68.20"}  # fmt: skip
GRANT = {"organisation_reference": "acme", "facts": "status", "months": "3"}


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    """Siân can be paid, and Dora may come to act for her; Rhys has another budget."""
    with a_site(sqlite_url, tmp_path, council_phone="01234 567890") as site:
        make_payable(staff(site))
        open_budget(staff(site), "PB000002", "R000002")
        site.add_user("siân", "recipient", person_reference="R000001")
        site.add_user("rhys", "recipient", person_reference="R000002")
        site.add_user("dora", "representative", person_reference="R000009")
        site.add_user("pat", "support_service", organisation="ACME")
        yield site


@lru_cache(maxsize=1)  # one, so that no key is used twice
def staff(site: Site) -> Api:
    """The API of the same server, for what the council does."""
    return Api(site.visitor().client)


def appoint(site: Site) -> None:
    asked = {"effective_on": "2026-04-06", "person_reference": "R000009",
             "kind": "nominated_person"}  # fmt: skip
    staff(site).post(f"{BUDGET}/appoint-representative", asked).done()


def granted(visitor: Visitor, **filled: Any) -> Page:
    page = visitor.open(f"{AT}/access").done()
    return visitor.send(page, f"{AT}/access/grant", **{**GRANT, **filled})


# --- the budget ---------------------------------------------------------------------------


def test_a_recipient_comes_to_their_budget_and_reads_what_it_is_worth(site: Site):
    sian = site.visitor("siân")
    page = sian.open(sian.open("/").link("My budget")).done()
    assert (page.path, page.heading) == (AT, "Your personal budget PB000001")
    assert "£310.00 of care and support a week" in page.words
    assert "You pay £142.95 a week, and the council pays £167.05" in page.words
    assert "Nothing has been paid yet." in page.words
    assert "Phone: 01234 567890" in page.words


def test_what_was_paid_is_said_with_the_day_and_the_reason(site: Site):
    api = staff(site)
    prepare(api).done(201)
    approve(api).done()
    page = site.visitor("siân").open(AT).done()
    assert "£668.20" in page.words
    assert (
        "For 6 April to 3 May 2026: £1,240.00 of support, less £571.80 contribution." in page.words
    )
    assert "2 April 2026" in page.words


def test_what_holds_a_payment_and_what_would_release_it_is_said(site: Site):
    page = site.visitor("rhys").open("/my/budgets/PB000002").done()
    assert "What would let it be paid:" in page.words
    assert "The person signing the agreement." in page.words


def test_statements_and_letters_are_there_to_print(site: Site):
    api = staff(site)
    prepare(api).done(201)
    approve(api).done()
    queue_letters(site.ledger, datetime.now(UTC))
    sian = site.visitor("siân")
    page = sian.open(AT).done()
    statement = sian.open(page.link("Statement for 1 April 2026 to 31 March 2027")).done()
    assert "668.20" in statement.words
    assert "script" not in statement.headers["content-security-policy"]
    letters = [link for link in page.tree.xpath("//a/@href") if "/letters/" in link]
    assert letters, "what was agreed made a letter"
    assert sian.open(letters[0]).done().words
    somebody_elses = letters[0].replace("PB000001", "PB000002")
    site.visitor("rhys").open(somebody_elses).refused(404)
    sian.open(f"{AT}/statement?from=2026-05-01&to=2026-04-01").refused(422, "cannot start")
    sian.open(f"{AT}/statement").refused(422, "from")


# --- whose it is --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/statement?from=2026-04-01&to=2027-03-31", "/access",
                                  "/return?of=SR1", "/letters/x"])  # fmt: skip
def test_nobody_elses_budget_is_there(site: Site, path: str):
    staff(site).post(f"{BUDGET}/request-spend-return", RETURN).done()
    for name in ("rhys", "dora"):
        foreign = site.visitor(name).open(f"{AT}{path}").refused(404, "PB000001")
        missing = site.visitor(name).open(f"/my/budgets/PB999999{path}").done(404)
        assert foreign.words.replace("PB000001", "PB999999") == missing.words
    site.visitor("pat").open(f"{AT}{path}").refused(403)
    assert site.visitor().open(f"{AT}{path}").path == "/sign-in"


def test_who_has_no_budget_is_told_so(site: Site):
    assert "act for nobody" in site.visitor("dora").open("/my/budgets").done().words
    site.visitor("pat").open("/my/budgets").refused(403)
    site.add_user("fin", "finance_officer")
    site.visitor("fin").open("/my/budgets").refused(403)


def test_who_acts_for_two_people_chooses_and_each_look_is_seen(site: Site):
    appoint(site)
    asked = {"effective_on": "2026-04-06", "person_reference": "R000009",
             "kind": "authorised_person"}  # fmt: skip
    staff(site).post("/v1/budgets/PB000002/appoint-representative", asked).done()
    dora = site.visitor("dora")
    page = dora.open("/my/budgets").done()
    seen = dora.open(page.link("Personal budget PB000001")).done()
    assert seen.heading == "Personal budget PB000001"
    assert "The person pays £142.95" in seen.words
    dora.open(AT).done()
    looked = site.visitor("siân").open(f"{AT}/access").done()
    assert "dora, who acts for the person" in looked.words
    assert "(2 times)" in looked.words
    assert "R000009, nominated person" in looked.words


# --- the spend return ---------------------------------------------------------------------


def test_a_spend_return_is_sent_in(site: Site):
    staff(site).post(f"{BUDGET}/request-spend-return", RETURN).done()
    sian = site.visitor("siân")
    form = sian.open(sian.open(AT).link("Fill in the spend return SR1")).done()
    done = sian.send(form, f"{AT}/return", **FIGURES).done()
    assert "We have your spend return." in done.words
    submitted = site.ledger.budget("PB000001").spend_returns["SR1"].submitted
    assert submitted is not None
    assert (submitted.spending_pence, submitted.recorded_by) == (70_000, "siân")
    sian.send(form, f"{AT}/return", **FIGURES).refused(404, "SR1")


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        ({"money_in": "lots"}, "enter pounds and pence"),
        ({"spending": "-5"}, "cannot be less than nothing"),
        ({"closing_balance": "68.30"}, "£68.20, but the closing balance given is £68.30"),
        ({"opening_balance": ""}, "enter pounds and pence"),
        ({"spending": "99999999999"}, "enter pounds and pence"),
    ],
)
def test_figures_that_cannot_be_right_are_asked_for_again(site: Site, filled: Any, words: str):
    staff(site).post(f"{BUDGET}/request-spend-return", RETURN).done()
    sian = site.visitor("siân")
    form = sian.open(f"{AT}/return?of=SR1").done()
    page = sian.send(form, f"{AT}/return", **{**FIGURES, **filled}).refused(422, words)
    assert page.tree.xpath("string(//title)").startswith("Error: ")
    kept = {name: value[0] for name, value in page.fields(f"{AT}/return").items()}
    assert {**FIGURES, **filled}.items() <= kept.items(), "what was filled in stays"
    links = page.tree.xpath("//*[contains(@class, 'govuk-error-summary')]//a/@href")
    assert links
    assert all(page.tree.xpath("//*[@id=$id]", id=link[1:]) for link in links)
    assert site.ledger.budget("PB000001").spend_returns["SR1"].submitted is None


def test_an_account_may_have_been_overdrawn(site: Site):
    staff(site).post(f"{BUDGET}/request-spend-return", RETURN).done()
    sian = site.visitor("siân")
    form = sian.open(f"{AT}/return?of=SR1").done()
    figures = {**FIGURES, "opening_balance": "-5.00", "closing_balance": "\N{MINUS SIGN}36.80"}
    sian.send(form, f"{AT}/return", **figures).done()
    submitted = site.ledger.budget("PB000001").spend_returns["SR1"].submitted
    assert submitted is not None
    assert submitted.closing_balance_pence == -3_680


def test_a_return_that_nobody_awaits_has_no_form(site: Site):
    site.visitor("siân").open(f"{AT}/return?of=SR9").refused(404, "SR9")
    site.visitor("siân").open(f"{AT}/return").refused(404)


# --- who may look -------------------------------------------------------------------------


def test_a_recipient_lets_an_organisation_look_and_takes_it_back(site: Site):
    sian = site.visitor("siân")
    page = granted(sian).done()
    assert "They can now see how the account stands." in page.words
    grant = site.ledger.budget("PB000001").grants["ACME"]
    assert (grant.facts, grant.given_by) == ("status", "recipient")
    assert day(grant.ends_on) in page.words
    taken = sian.send(page, f"{AT}/access/revoke").done()
    assert "They can no longer see anything." in taken.words
    assert not site.ledger.budget("PB000001").grants


def test_who_acts_gives_consent_for_the_person(site: Site):
    appoint(site)
    granted(site.visitor("dora")).done()
    assert site.ledger.budget("PB000001").grants["ACME"].given_by == "representative"


def test_who_acted_for_somebody_who_died_is_shown_nothing_any_more(site: Site):
    appoint(site)
    dora = site.visitor("dora")
    page = dora.open(f"{AT}/access").done()
    died = {"effective_on": "2026-04-12", "reason_code": "died"}
    staff(site).post(f"{BUDGET}/close", died).done()
    dora.send(page, f"{AT}/access/grant", **GRANT).refused(404)
    dora.open(AT).refused(404)
    assert "PB000001" not in dora.open("/my/budgets").done().words
    assert not site.ledger.budget("PB000001").grants


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        ({"organisation_reference": ""}, "Enter the organisation’s reference"),
        ({"organisation_reference": "Acme Ltd."}, "organisation_reference must be"),
        ({"facts": "everything"}, "Choose what they may see"),
        ({"months": "600"}, "Choose for how long"),
    ],
)
def test_consent_that_is_not_clear_is_asked_for_again(site: Site, filled: Any, words: str):
    page = granted(site.visitor("siân"), **filled).refused(422, words)
    assert page.tree.xpath("string(//title)").startswith("Error: ")
    assert not site.ledger.budget("PB000001").grants


def test_who_may_not_give_consent_is_shown_no_form_for_it(site: Site):
    site.add_user("fin", "finance_officer")
    fin = site.visitor("fin")
    page = fin.open(f"{AT}/access").done()
    assert not page.tree.xpath("//main//form")
    token = page.fields("/sign-out")["form_token"]
    sent = fin.client.post(f"{AT}/access/grant", data={**GRANT, "form_token": token})
    assert sent.status_code == 403


def test_consent_is_given_from_our_own_page_alone(site: Site):
    sian = site.visitor("siân")
    sian.open(f"{AT}/access").done()
    forged = sian.client.post(f"{AT}/access/grant", data={**GRANT, "form_token": "x"})
    assert forged.status_code == 403
    assert not site.ledger.budget("PB000001").grants


# --- the support service ------------------------------------------------------------------

ASKED = {"budget_reference": "pb000001", "date_of_birth-day": "3", "date_of_birth-month": "2",
         "date_of_birth-year": "1950"}  # fmt: skip


def checked(site: Site, visitor: Visitor | None = None, **filled: str) -> Page:
    visitor = visitor or site.visitor("pat")
    return visitor.send(visitor.open("/status").done(), "/status", **{**ASKED, **filled})


def test_a_support_service_sees_the_status_on_one_screen(site: Site):
    granted(site.visitor("siân")).done()
    pat = site.visitor("pat")
    assert pat.open("/").link("Check a status") == "/status"
    page = checked(site, pat).done()
    assert page.heading == "Account PB000001"
    assert "Payments have not started yet." in page.words
    assert "Phone: 01234 567890" in page.words
    assert "£" not in page.words
    looked = site.visitor("siân").open(f"{AT}/access").done()
    assert "pat, of ACME" in looked.words


def test_amounts_are_shown_if_they_were_granted(site: Site):
    granted(site.visitor("siân"), facts="status_and_amounts").done()
    assert "£" in checked(site).done().words


def test_without_consent_the_page_is_the_same_as_for_no_budget(site: Site):
    pat = site.visitor("pat")
    without = checked(site, pat).refused(404, "We cannot show you anything for these details")
    missing = checked(site, pat, budget_reference="PB999999").done(404)
    granted(site.visitor("siân")).done()
    wrong = checked(site, pat, **{"date_of_birth-day": "4"}).done(404)
    assert without.words == missing.words == wrong.words


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        ({"budget_reference": ""}, "Enter the budget’s reference"),
        ({"budget_reference": "../x"}, "Enter the budget’s reference"),
        ({"date_of_birth-month": "13"}, "Enter a date of birth"),
        ({"date_of_birth-year": "9" * 400}, "Enter a date of birth"),
    ],
)
def test_details_that_cannot_be_read_are_asked_for_again(site: Site, filled: Any, words: str):
    checked(site, **filled).refused(422, words)


def test_who_guesses_is_stopped(site: Site):
    pat = site.visitor("pat")
    for _ in range(MOST_WRONG):
        checked(site, pat).done(404)
    granted(site.visitor("siân")).done()
    checked(site, pat).refused(429, "when the hour is over")


def test_a_status_is_for_support_services_alone(site: Site):
    for name in ("siân", "rhys", "dora"):
        site.visitor(name).open("/status").refused(403)
