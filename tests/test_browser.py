"""Each role's main task, in a browser, on both databases; every page of the way is examined.

On PostgreSQL the way is gone with script off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser

from ledger.access.roles import STAFF, Role
from ledger.access.users import DEVELOPMENT, User, record_user
from ledger.application import Ledger
from ledger.bank_reports import import_report
from ledger.dates import Period
from ledger.web import PARTS
from tests.bank_reports import Returned, arucs_xml
from tests.browser import Seat, chromium, listening
from tests.keyboard import Keyboard, faults_by_tab
from tests.main_job import (
    a_caseload,
    a_row,
    prepare,
    run_cycle,
    says,
    settings_for,
    take_in,
    tell_budget,
)

USERS: dict[str, tuple[tuple[Role, ...], str, str]] = {
    "Everyone": (tuple(STAFF), "", ""),
    "Dev Patel": (("care_coordinator",), "", ""),
    "Alice Morgan": (("finance_officer",), "", ""),
    "Bob Ellis": (("finance_approver",), "", ""),
    "Erin Shaw": (("scheme_manager",), "", ""),
    "Femi Ade": (("auditor",), "", ""),
    "R000001": (("recipient",), "R000001", ""),
    "R000009": (("representative",), "R000009", ""),
    "Open Door 1": (("support_service",), "", "OPENDOOR"),
}

REPORT = arucs_xml("123456", [Returned("ANOTHER-1", 66_820, "9")], date(2026, 4, 8))
REPORT_REFERENCE = f"ARUCS-{sha256(REPORT).hexdigest()[:12].upper()}"


@pytest.fixture(scope="module")  # while it is open, nothing else can run an event loop
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[str]:
    """A council with three budgets, one cycle paid and one that waits for its approver, and a
    report of the bank's with an item that fits no payment."""
    settings = settings_for(database_url, tmp_path).model_copy(
        update={"development_sign_in": True, "council_phone": "01632 960001"}
    )
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        for name, (roles, person, organisation) in USERS.items():
            user = User(
                issuer=DEVELOPMENT,
                subject=name,
                name=name,
                roles=roles,
                person_reference=person,
                organisation=organisation,
            )
            record_user(ledger, user, datetime(2026, 3, 1, 9, tzinfo=UTC), "sue")
        take_in(ledger, a_caseload(a_row(1), a_row(2), a_row(3)))
        acts = {"person_reference": "R000009", "kind": "nominated_person"}
        tell_budget(ledger, "PB000002", "appoint_representative", **acts)
        tell_budget(
            ledger,
            "PB000001",
            "request_spend_return",
            return_reference="SR1",
            period=Period(date(2026, 4, 6), date(2026, 5, 3)),
            due_on=date(2026, 6, 1),
        )
        run_cycle(ledger, 1)
        prepare(ledger, 2)
        import_report(ledger, REPORT, says("carol", "04-08"))
        ledger.projections.catch_up()
    with listening(settings) as where:
        yield where


Sits = Callable[[str], Seat]


@pytest.fixture
def sits(browser: Browser, site: str, database_url: str) -> Iterator[Sits]:
    """Seats somebody at a browser of their own, signed in.

    A page is the same on both databases: on SQLite every one is examined, on PostgreSQL they are
    walked with script off."""
    examines = database_url.startswith("sqlite")
    seats: list[Seat] = []

    def sit(name: str) -> Seat:
        seats.append(Seat(browser, site, script=examines, examines=examines))
        return seats[-1].sign_in(name)

    yield sit
    for seat in seats:
        seat.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_signing_in_and_out(browser: Browser, site: str, script: bool) -> None:
    seat = Seat(browser, site, script=script)
    assert seat.open("/").heading == "Sign in"
    assert seat.choose("Alice Morgan").press("Sign in").heading == "Hello, Alice Morgan"
    if script:
        assert faults_by_tab(seat.page, seat.keys) == []  # as wide as it stands now
    seat.follow("Accessibility statement", within="footer").sees("01632 960001")
    assert seat.press("Sign out").heading == "Sign in"
    seat.close()


def test_a_care_coordinator_opens_a_budget_and_agrees_it(sits: Sits) -> None:
    seat = sits("Dev Patel").follow("Budgets").follow("Register a person")
    seat.press("Register").sees("There is a problem")
    seat.fill("Reference of the person", "R000004").fill("Full name", "Grace Osei")
    seat.fill_day("Date of birth", "1961-07-02").press("Register")
    seat.open("/budgets/open").fill("Reference of the budget", "PB000004").press("Continue")
    seat.sees("There is a problem")
    assert seat.page.title().startswith("Error: ")
    seat.fill("Reference of the person", "R000004").choose("Care Act 2014")
    seat.page.get_by_label("What is the main reason for support?").select_option(
        label="Physical personal care"
    )
    seat.fill_day("From which day is it open?", "2026-05-04").press("Continue")
    seat.press("Record it").sees("PB000004")
    seat.open("/budgets/PB000004/offer-direct-payment").choose("Assessment").choose("Accepted")
    seat.fill_day("From which day does it count?", "2026-05-04").press("Continue")
    seat.press("Record it")
    seat.open("/budgets/PB000004/sign-agreement")
    seat.fill("Which version of the agreement was signed?", "2026-1").choose("Quarterly")
    seat.fill_day("On which day was it signed?", "2026-05-04").press("Continue").press("Record it")
    seat.open("/budgets/PB000004/agree-allocation").fill("Need", "personal care")
    seat.fill("Who funds it?", "social care").choose("Direct payment").choose("Yes")
    seat.fill_day("First day", "2026-05-04").fill("How much a week? (optional)", "212.50")
    seat.fill_day("From which day does it count?", "2026-05-04").press("Continue")
    seat.sees("£212.50").press("Record it")
    seat.open("/budgets/PB000004").sees("£212.50 a week", "R000004")
    assert "Grace" not in seat.words


def test_a_finance_officer_prepares_a_cycle_and_its_approver_decides(sits: Sits) -> None:
    officer = sits("Alice Morgan").follow("Cycles").press("Prepare a cycle")
    officer.fill("Reference of the cycle", "C2026-03")
    officer.fill_day("First day", "2026-06-01").fill_day("Last day", "2026-06-28")
    officer.fill_day("On which day is it paid?", "2026-05-30").press("Prepare")
    officer.sees("2026-05-30 is not a working day in England.")
    officer.fill_day("On which day is it paid?", "2026-05-29").press("Prepare")
    officer.sees("C2026-03")
    approver = sits("Bob Ellis").follow("Cycles to approve", within="main").follow("C2026-02")
    for words in ("What changed since the last cycle, and why", re.compile("^Payments: ")):
        approver.open("/cycles/C2026-02").follow(words, within="main")
    approver.open("/cycles/C2026-02/exceptions").open("/cycles/C2026-02/decide")
    approver.sees("Your decision")
    approver.press(re.compile("^Approve £")).open("/cycles/C2026-02").sees(
        "Approved by", "Bob Ellis"
    )
    officer.open("/cycles/C2026-02/decide").sees("You cannot see this")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_finance_officer_brings_in_a_report_and_finds_whose_money_it_is(
    sits: Sits, tmp_path: Path
) -> None:
    seat = sits("Alice Morgan").open("/reports/bring-in")
    report = tmp_path / "ARUCS.xml"
    for data, heading in ((b"not XML", "Bring in a bank report"), (REPORT, "Bank report")):
        report.write_bytes(data)
        seat.page.get_by_label("The report’s file").set_input_files(report)
        seat.press("Bring it in")
        assert seat.heading.startswith(heading)
    seat.follow("Item 1").sees("ANOTHER-1", "£668.20").press("Record it on this payment")
    seat.sees("There is a problem").choose(re.compile("of PB000002, £668.20"))
    seat.choose("The account is closed (B)").press("Record it on this payment")
    seat.sees("Nothing of it waits.")


def test_a_scheme_manager_oversees_what_waits(sits: Sits) -> None:
    seat = sits("Erin Shaw")
    for queue in seat.page.locator("main table a").all_inner_texts():
        seat.open("/").follow(queue, within="main")
    seat.open("/budgets/PB000001").sees("What comes next", "The story")
    seat.open("/budgets/PB000001/suspend-payments").sees("You cannot see this")


def test_an_auditor_replays_a_budget_and_takes_it_away(sits: Sits) -> None:
    seat = sits("Femi Ade").follow("Audit").press("Replay").sees("There is a problem")
    seat.fill("Budget", "PB000001").press("Replay")
    seat.follow("First event").sees("Event 1 of")
    seat.follow("Next event").sees("Event 2 of")
    with seat.page.expect_download() as download:
        seat.page.get_by_role("link", name=re.compile("download all of them")).click()
    with ZipFile(download.value.path()) as bundle:
        assert {"SHA256SUMS"} < set(bundle.namelist())
    assert "R000001" in seat.open("/budgets/PB000001").words
    assert not seat.page.get_by_role("button", name="Record something").count()


def test_a_recipient_sees_what_they_have_and_lets_a_support_service_look(sits: Sits) -> None:
    seat = sits("R000001")
    assert seat.heading == "Your personal budget PB000001"
    seat.sees("£310.00", "£668.20").follow(re.compile("^Fill in the spend return"))
    at_the_start, at_the_end = (
        "Money in the account at the start",
        "Money in the account at the end",
    )
    seat.fill(at_the_start, "0").fill("Money that came in", "668.20")
    seat.fill("Money that was spent", "600").fill(at_the_end, "1")
    seat.press("Send it to the council").sees("There is a problem")
    seat.fill(at_the_end, "68.20").press("Send it to the council").sees("£310.00")
    seat.open("/my/budgets/PB000001").follow(re.compile("^Statement for"))
    assert seat.page.locator("h1").count() == 1
    helper = sits("Open Door 1")
    assert helper.heading == "Check how an account stands"
    checks(helper).sees("There is a problem")
    seat.open("/my/budgets/PB000001/access")
    seat.press("Let it look").sees("There is a problem")
    seat.fill("Which organisation?", "OPENDOOR")
    seat.choose("Whether payments are being made, without amounts").choose("3 months")
    seat.press("Let it look").sees("OPENDOOR may see")
    assert "£" not in checks(helper.open("/status")).sees("01632 960001").words
    seat.open("/my/budgets/PB000001/access")
    seat.press(re.compile("^Take this back"))
    checks(helper.open("/status")).sees("There is a problem")


def checks(helper: Seat) -> Seat:
    helper.fill("Budget reference", "PB000001")
    return helper.fill_day("The person’s date of birth", "1950-02-03").press("Check")


def test_a_representative_sees_the_budget_of_whom_they_act_for(sits: Sits) -> None:
    seat = sits("R000009")
    assert seat.heading == "Personal budget PB000002"
    seat.open("/my/budgets/PB000002/access").sees("R000009")
    seat.open("/my/budgets/PB000001").sees("There is no personal budget PB000001")


# --- with a keyboard alone ----------------------------------------------------------------


def sign_in_by_keys(seat: Seat, name: str) -> Keyboard:
    """The first link leads past the menu to the first of the names."""
    keys = Keyboard(seat.open("/").page)
    for key in ("Tab", "Enter", "Tab"):
        seat.page.keyboard.press(key)
    assert keys.focused == seat.page.locator("label").first.inner_text()
    return keys.go(name, key="ArrowDown").press("Sign in")


def send_a_return_by_keys(seat: Seat) -> None:
    """With a fault first, which the page leads back to."""
    keys = sign_in_by_keys(seat, "R000001").press("Fill in the spend return SR1")
    keys.type("Money in the account at the start", "0").type("Money that came in", "668.20")
    keys.type("Money that was spent", "600").type("Money in the account at the end", "1")
    keys.press("Send it to the council", key="Space")
    assert seat.words.startswith("There is a problem")
    keys.go(seat.page.locator(".govuk-error-summary a").inner_text())
    seat.page.keyboard.press("Enter")
    assert keys.focused == "Money in the account at the end"
    seat.page.keyboard.press("Control+a")
    seat.page.keyboard.type("68.20")
    keys.press("Send it to the council")
    seat.sees("We have your spend return.")


def approve_by_keys(seat: Seat) -> None:
    keys = sign_in_by_keys(seat, "Bob Ellis").press("Cycles to approve").press("C2026-02")
    keys.press("Decide")
    approve = seat.page.get_by_role("button", name=re.compile("^Approve £")).inner_text()
    keys.press(approve, key="Space")
    seat.sees("Approved by", "Bob Ellis")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_return_is_sent_without_script_and_a_cycle_approved_with_it_by_keys_alone(
    browser: Browser, site: str
) -> None:
    for task, script in ((send_a_return_by_keys, False), (approve_by_keys, True)):
        seat = Seat(browser, site, script=script, examines=False)
        task(seat)
        seat.close()


# --- every page ---------------------------------------------------------------------------

WHO_OPENS = {"my": "R000001", "status": "Open Door 1"}
NO_PAGES = re.compile(r"/file$|/bundle$|^/assets|^/theme|^/sign-in/|^/working/|\{letter\}")
"""Addresses that answer with a file, lead on, or are there for a moment only."""


def pages_of(part: Any) -> list[str]:
    """The addresses of a module's pages."""
    return [
        route.path_format
        for route in part.router.routes
        if isinstance(route, APIRoute)
        and "GET" in (route.methods or ())
        and not NO_PAGES.search(route.path_format)
    ]


@pytest.mark.parametrize(
    "pages", [pytest.param(pages_of(part), id=part.__name__) for part in PARTS if pages_of(part)]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_page_is_examined(sits: Sits, pages: list[str]) -> None:
    seat = sits(WHO_OPENS.get(pages[0].split("/")[1], "Everyone"))
    for path in pages:
        cycle = "C2026-01" if path.endswith(("/issue", "/settle")) else "C2026-02"
        kinds = {"cycles": cycle, "reports": REPORT_REFERENCE}
        reference = kinds.get(path.split("/")[1], "PB000001")
        asked = {"statement": "?from=2026-04-01&to=2027-03-31", "return": "?of=SR1"}
        last = path.rpartition("/")[2]
        where = path.replace("{reference}", reference).replace("{item}", "1")
        seat.open(where + asked.get(last, ""))
        assert seat.page.locator("h1").count() == 1, path
        assert seat.heading not in ("You cannot see this", "Not found"), path
