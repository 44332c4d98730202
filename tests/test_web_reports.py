"""What banks send back, on pages: a report brought in, and each item that waits seen to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.bank_reports import import_report
from ledger.projections.bank_reports import waiting
from ledger.web import long_work, uploads
from tests.bank_reports import AN_ACCOUNT, NewAccount, Returned, arucs_xml, awacs_xml
from tests.main_job import a_caseload, a_row, run_cycle, says, take_in
from tests.test_web_commands import faults
from tests.web import Page, Site, Visitor, a_site

SUN = "123456"
FOUR_WEEKS = 66_820
BRING_IN = "/reports/bring-in"


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    """Three budgets that were each paid £668.20, and those who work on what comes back."""
    with a_site(sqlite_url, tmp_path) as site:
        take_in(site.ledger, a_caseload(a_row(1), a_row(2), a_row(3)))
        run_cycle(site.ledger)
        site.add_user("amira", "finance_officer")
        site.add_user("femi", "auditor")
        site.add_user("dev", "care_coordinator")
        yield site


def payment(site: Site, number: int) -> str:
    (reference,) = site.ledger.budget(f"PB{number:06d}").payments
    return reference


def waits(site: Site) -> int:
    site.ledger.projections.catch_up()
    return len(waiting(site.ledger.engine))


def arucs(*items: Returned) -> bytes:
    return arucs_xml(SUN, items, date(2026, 4, 8))


def upload(visitor: Visitor, content: bytes, kind: str = "text/xml", **changed: Any) -> Page:
    """Choose a file and send it, as a browser does."""
    page = visitor.open(BRING_IN).done()
    file = {"file": ("report.xml", content, kind)}
    data = {**page.fields(BRING_IN), **changed}
    data.pop("file", None)
    return Page(visitor.client.post(BRING_IN, data=data, files=file))


def item_page(site: Site, visitor: Visitor, *items: Returned) -> Page:
    """The page of the first item of a report that waits."""
    import_report(site.ledger, arucs(*items), says("carol", "04-08"))
    queue = visitor.open("/work/report-items").done()
    (first, *_) = [a.get("href") for a in queue.tree.xpath("//table//a")]
    return visitor.open(first).done()


# --- bringing one in --------------------------------------------------------------------------


def test_a_report_is_brought_in_and_what_fits_nothing_waits(site: Site):
    amira = site.visitor("amira")
    assert amira.open("/work/report-items").link("Bring in a bank report") == BRING_IN
    content = arucs(Returned(payment(site, 1), FOUR_WEEKS), Returned("ANOTHER-1", FOUR_WEEKS))
    page = upload(amira, content).done()
    assert page.heading.startswith("Bank report ARUCS-")
    assert "Still waiting: 1" in page.words
    assert "No payment has this reference." in page.words
    (paid,) = site.ledger.budget("PB000001").payments.values()
    assert paid.status == "returned"
    before = site.ledger.recorder.max_notification_id()
    assert upload(amira, content).done().path == page.path, "the same again leads to the same"
    assert site.ledger.recorder.max_notification_id() == before
    (link,) = page.tree.xpath("//table//a")
    assert "ANOTHER-1" in amira.open(link.get("href")).done().words, "as the bank gives it"


def test_a_file_that_is_refused_says_what_is_wrong_with_it(site: Site):
    amira = site.visitor("amira")
    wrong = arucs(Returned(payment(site, 1), FOUR_WEEKS))
    for content, kind, status, said in (
        (b"", "text/xml", 422, "Choose a file"),
        (b"a,b\n", "text/csv", 415, "A report is an XML file"),
        (b"%PDF-1.7", "application/octet-stream", 422, "File, line 1: not well-formed XML."),
        (wrong.replace(b'"668.20"', b'"668.2"', 1), "text/xml", 422, "Item 1, valueOf: not pounds"),
        (arucs_xml("999999", [], date(2026, 4, 8)), "", 422, "the service user 999999, not 123456"),
    ):
        page = upload(amira, content, kind).refused(status, "Nothing was recorded", said)
        assert page.tree.xpath("//title")[0].text.startswith("Error: ")
        assert list(faults(page)) == ["#file"]
    assert waits(site) == 0


def test_an_upload_is_read_strictly(site: Site, monkeypatch: pytest.MonkeyPatch):
    amira = site.visitor("amira")
    content = arucs(Returned(payment(site, 1), FOUR_WEEKS))
    upload(amira, content, form_token="another").refused(403, "sent from a page of this site")
    token = amira.open(BRING_IN).fields(BRING_IN)["form_token"]
    client = amira.client
    said = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n\r\n--x--", b"--x\r\nA: b\r\n\r\nc\r\n--x--\r\n", content):
        Page(client.post(BRING_IN, content=body, headers=said)).refused(400, "multipart/form-data")
    two = [("file", ("a.xml", content, "text/xml"))] * 2
    Page(client.post(BRING_IN, data={"form_token": token}, files=two)).refused(400)
    Page(client.post(BRING_IN, data={"form_token": token})).refused(415)
    monkeypatch.setattr(uploads, "MOST_BYTES", 1_000)
    upload(amira, b" " * 2_000).refused(413, "at most 32 MB")
    in_pieces = (b" " * 600 for _ in range(3))  # of which nobody says how many there are
    Page(client.post(BRING_IN, content=in_pieces, headers=said)).refused(413)


def test_a_long_report_is_brought_in_beside_a_page_that_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(long_work, "PATIENCE_SECONDS", 0)
    amira = site.visitor("amira")
    page = upload(amira, arucs(Returned("ANOTHER-1", FOUR_WEEKS))).done()
    while page.path.startswith("/working/"):
        title, _, then = page.heading.partition(": ")
        assert (title, then) in (
            ("Bringing in a bank report", ""),
            ("Bringing in a bank report", "bringing the lists level"),
        )
        page = amira.open(page.path)
    assert page.done().heading.startswith("Bank report ARUCS-")
    page = upload(amira, b"<a/>")
    while page.path.startswith("/working/") and page.status == 200:
        page = amira.open(page.path)
    page.refused(422, "not a report that this ledger reads")


# --- an item that waits -----------------------------------------------------------------------


def test_an_item_is_matched_to_a_payment_of_its_amount(site: Site):
    amira = site.visitor("amira")
    page = item_page(site, amira, Returned("ANOTHER-1", FOUR_WEEKS))
    assert page.heading == "Item 1: £668.20"
    for said in ("No payment has this reference.", "ANOTHER-1", payment(site, 2), "2 April 2026"):
        assert said in page.words
    assert not any(part in page.words for part in AN_ACCOUNT)
    action = f"{page.path}/match"
    assert faults(amira.send(page, action).refused(422)) == {
        "#about": "Which payment is it about? Choose one"
    }
    both = {"about": f"PB000002 {payment(site, 2)}", "whose": "PB000002"}
    assert "not both" in faults(amira.send(page, action, **both).refused(422))["#about"]
    named = {"about": "-", "whose": "PB000002", "payment": payment(site, 1)}
    amira.send(page, action, **named).refused(404, "PB000002 has no payment")
    site.add_user("rhys", "finance_officer", person_reference="R000002")
    rhys = site.visitor("rhys")
    refused = rhys.send(rhys.open(page.path).done(), action, about=both["about"])
    refused.refused(403, "rhys has an interest in PB000002")
    done = amira.send(page, action, about=both["about"]).done()
    assert "Nothing of it waits." in done.words
    (paid,) = site.ledger.budget("PB000002").payments.values()
    assert paid.status == "returned"
    amira.open(page.path).refused(409, "was resolved before")
    amira.send(page, action, about=both["about"]).refused(409)


def test_only_what_fits_is_offered_and_a_code_nobody_knows_is_asked_about(site: Site):
    amira = site.visitor("amira")
    first = payment(site, 1)
    page = item_page(site, amira, Returned(first, FOUR_WEEKS - 1))
    assert "is of another amount" in page.words
    assert first in page.words, "the one that the bank names is shown"
    assert page.tree.xpath("//input[@name='about']") == []
    fields = {"whose": "PB000001", "payment": first}
    amira.send(page, f"{page.path}/match", **fields).refused(422, "£668.19", "£668.20")
    assert set(faults(amira.send(page, f"{page.path}/match").refused(422))) == {
        "#whose",
        "#payment",
    }
    amira.send(page, f"{page.path}/dismiss", dismissal="settled_by_hand").done()
    page = item_page(site, amira, Returned(first, FOUR_WEEKS, "ZZZ"))
    chosen = {"about": f"PB000001 {first}"}
    refused = amira.send(page, f"{page.path}/match", **chosen).refused(422)
    assert list(faults(refused)) == ["#reason_code"]
    amira.send(page, f"{page.path}/match", **chosen, reason_code="B").done()
    assert waits(site) == 0


def test_an_item_is_dismissed_with_a_reason(site: Site):
    amira = site.visitor("amira")
    page = item_page(site, amira, Returned("ANOTHER-1", FOUR_WEEKS))
    refused = amira.send(page, f"{page.path}/dismiss").refused(422)
    assert faults(refused) == {"#dismissal": "Why is nothing to be recorded? Choose one"}
    amira.send(page, f"{page.path}/dismiss", dismissal="not_ours").done()
    assert waits(site) == 0
    assert "Nothing waits here." in amira.open("/work/report-items").words


def test_another_account_is_put_forward_by_hand(site: Site):
    amira = site.visitor("amira")
    data = awacs_xml(SUN, [NewAccount(payment(site, 1))], date(2026, 4, 8))
    result = import_report(site.ledger, data, says("carol", "04-08"))
    page = amira.open(f"/reports/{result.reference}/items/1").done()
    assert "propose it as payee" in page.words
    assert page.tree.xpath("//form[contains(@action, '/match')]") == []


def test_who_may_only_look_has_no_forms(site: Site):
    page = item_page(site, site.visitor("femi"), Returned("ANOTHER-1", FOUR_WEEKS))
    assert page.tree.xpath("//main//form") == []
    femi, dev = site.visitor("femi"), site.visitor("dev")
    assert femi.open("/work/report-items").tree.xpath("//a[@href=$at]", at=BRING_IN) == []
    femi.open(BRING_IN).refused(403)
    dev.open(page.path).refused(403)
    for path in ("/reports/ARUCS-0", "/reports/ARUCS-0/items/1", f"{page.path}9",
                 page.path.replace("items/1", f"items/{'9' * 5_000}")):  # fmt: skip
        femi.open(path).refused(404)
