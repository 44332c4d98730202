"""People registered and account details put forward on pages: sealed, and verified by another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.main_job import a_caseload, a_row, take_in
from tests.test_web_commands import ON, a_day, faults, record
from tests.web import Page, Site, Visitor, a_site

AT = "/budgets/PB000001/propose-payee"


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1)))
        site.add_user("amira", "finance_officer")
        site.add_user("bilal", "finance_approver")
        site.add_user("carys", "care_coordinator")
        yield site


def register(visitor: Visitor, name: str = "Nia Evans", born: str = "1961-05-04") -> Page:
    page = visitor.open("/people/register").done()
    answers = {"reference": "R000900", "name": name, **a_day("date_of_birth", born)}
    return visitor.send(page, "/people/register", **answers)


def propose(visitor: Visitor, **changed: Any) -> Page:
    answers = {
        "payee_type": "recipient",
        "account_name": "S O'Connor",
        "sort_code": "99-99-02",
        "account_number": "12345678",
        **ON,
        **changed,
    }
    return visitor.send(visitor.open(AT).done(), AT, **answers)


def test_a_person_is_registered_once_and_never_as_somebody_else(site: Site):
    carys = site.visitor("carys")
    for _ in range(2):
        page = register(carys).done()
        assert "R000900 is registered." in page.words
        assert "Nia Evans" not in page.words
    assert site.ledger.people.person("R000900").name == "Nia Evans"
    register(carys, "Someone Else").refused(409, "This was not done")
    assert site.ledger.people.person("R000900").name == "Nia Evans"


def test_what_is_wrong_with_a_person_is_named_at_its_question(site: Site):
    carys = site.visitor("carys")
    page = register(carys, "", "1961-02-30").refused(422)
    assert list(faults(page)) == ["#name", "#date_of_birth-day"]
    assert list(faults(register(carys, "x" * 141).refused(422))) == ["#name"]
    site.visitor("bilal").open("/people/register").refused(403)


def test_account_details_are_proposed_by_one_and_verified_by_another(site: Site):
    page = propose(site.visitor("amira")).done()
    assert "Account details of a recipient were put forward" in page.words
    assert "12345678" not in page.words
    bilal = site.visitor("bilal")
    form = bilal.open("/budgets/PB000001/verify-payee").done()
    (choice,) = form.tree.xpath("//input[@type='radio' and @name='payee_reference']/@value")
    page = record(bilal, "/budgets/PB000001/verify-payee", payee_reference=choice, **ON)
    assert "Recipient, account ****5678" in page.words
    bilal.open(AT).refused(403)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("sort_code", "20-00"),
        ("account_number", "letters"),
        ("account_name", ""),
        ("payee_type", "x"),
    ],
)
def test_what_is_wrong_with_an_account_is_named_at_its_question(site: Site, field, text):
    page = propose(site.visitor("amira"), **{field: text}).refused(422)
    assert list(faults(page)) == [f"#{field}"]
    assert not site.ledger.budget("PB000001").proposed_payees
