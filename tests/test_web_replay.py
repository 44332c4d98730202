"""The auditor's pages: a budget replayed event by event, as of a day and as known at a moment."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ledger.aggregates.event_sourced import stream_id
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.money import format_pounds
from ledger.projections.balances import balances_of
from ledger.projections.words import words
from ledger.replay.steps import Asked, Fact, balances, facts_around
from tests.main_job import (
    a_busy_council,
    a_caseload,
    a_ledger,
    a_row,
    revise,
    run_cycle,
    take_in,
)
from tests.web import Page, Site, Visitor, a_site

REPLAY = "/budgets/PB000001/replay"


@contextmanager
def a_council(database_url: str, folder: Path) -> Iterator[Site]:
    """A budget that was imported on 20 March, paid, and revised on 1 May."""
    with a_site(database_url, folder) as site:
        take_in(site.ledger, a_caseload(a_row()))
        run_cycle(site.ledger, 1)
        revise(site.ledger, "PB000001", 33_000, "2026-05-01")
        site.add_user("audra", "auditor")
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("replay")
    with a_council(f"sqlite:///{folder / 'ledger.db'}", folder) as site:
        yield site


@pytest.fixture
def either_site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    with a_council(database_url, tmp_path) as site:
        yield site


def table(page: Page, title: str) -> list[list[str]]:
    """The rows of the table with a caption, cell by cell."""
    (found,) = page.tree.xpath("//table[normalize-space(caption)=$title]", title=title)
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("th|td")]
        for row in found.xpath("tbody/tr")
    ]


def stood(page: Page) -> dict[str, tuple[str, str, str]]:
    """How the budget stood: before the event, after it, and as known now."""
    return {name: (before, after, now) for name, before, after, now in table(
        page, "How the budget stood")}  # fmt: skip


def says(page: Page) -> str:
    """What the event that is shown says."""
    (said,) = page.tree.xpath("//p[contains(@class, 'govuk-inset-text')]")
    return str(said.text_content())


def walk(visitor: Visitor, page: Page) -> Iterator[Page]:
    """This page and all that "Next event" leads to."""
    yield page
    while page.tree.xpath("//a[@rel='next']"):
        page = visitor.open(page.tree.xpath("string(//a[@rel='next']/@href)")).done()
        yield page


def test_an_auditor_steps_through_a_budget_and_every_step_adds_up(either_site: Site):
    site = either_site
    visitor = site.visitor("audra")
    assert visitor.open("/").link("Audit") == "/audit"
    last = Page(visitor.client.get("/audit", params={"reference": " pb000001 "})).done()
    assert last.path == REPLAY
    history = list(site.ledger.history(PersonalBudget, "PB000001"))
    pages = list(walk(visitor, visitor.open(last.link("First event")).done()))
    assert len(pages) == len(history)
    for number, page in enumerate(pages, 1):
        assert f"Event {number} of {len(history)}" in page.words
    for before, after in itertools.pairwise(pages):
        names = stood(before).keys() & stood(after).keys()
        assert [stood(before)[n][1].removesuffix(" Changed") for n in names] == [
            stood(after)[n][0] for n in names
        ], "each begins where the one before ended"
    site.ledger.projections.catch_up()
    kept = balances_of(site.ledger.engine, stream_id("personal-budget", "PB000001").hex)
    ended = stood(pages[-1])
    for account, pence in kept.items():
        assert ended[f"Account: {words(account)}"][2] == format_pounds(pence)
    assert not pages[-1].tree.xpath("//a[@rel='next']")
    assert not pages[0].tree.xpath("//a[@rel='prev']")


def test_every_event_of_a_busy_council_can_be_stepped_to(sqlite_url: str, tmp_path: Path):
    with a_ledger(sqlite_url, tmp_path) as ledger:
        a_busy_council(ledger, 40)
        ledger.projections.catch_up()
        for budget in ledger.budgets():
            history = list(ledger.history(PersonalBudget, budget.reference))
            facts: list[Fact] = []
            for _, version, _ in history:
                facts = facts_around(history, version, Asked(), date(2026, 6, 1))
            assert not any(fact.differs for fact in facts), "nothing is known since the last"
            kept = balances_of(ledger.engine, budget.id.hex)
            assert balances(history, None) == kept, budget.reference
            assert sum(kept.values()) == 0


def test_a_step_says_what_was_recorded_by_whom_and_what_it_moved(site: Site):
    visitor = site.visitor("audra")
    pages = walk(visitor, visitor.open(f"{REPLAY}?event=1"))
    page = next(p for p in pages if "was promised for 6 April 2026" in says(p))
    assert table(page, "What it moved") == [
        ["Direct payments", "social care", "S4100", "£1,240.00", ""],
        ["Client contributions", "social care", "S4100", "", "£571.80"],
        ["Payments due", "", "", "", "£668.20"],
    ]
    assert stood(page)["Promised to"] == ("no payment yet", "3 May 2026 Changed", "3 May 2026")
    assert stood(page)["Payments"][1:] == ("1 scheduled Changed", "1 confirmed Differs")


def test_what_was_not_known_at_a_moment_is_left_out_and_listed(site: Site):
    visitor = site.visitor("audra")
    asked = {"on": "2026-05-10", "known_on": "2026-04-30"}
    page = Page(visitor.client.get(REPLAY, params=asked)).done()
    assert "as known on 30 April 2026 at 23:59" in page.words
    budget = stood(page)["Budget"]
    assert budget[1:] == ("£310.00 a week", "£330.00 a week Differs")
    (later,) = page.tree.xpath("//h2[starts-with(., 'What is known now')]/following::ul[1]")
    assert "£330.00 a week" in later.text_content()
    assert "Recorded 1 May 2026 at 11:00 by ann" in later.text_content()
    at_eleven = {**asked, "known_on": "2026-05-01", "known_time": "11:00"}
    page = Page(visitor.client.get(REPLAY, params=at_eleven)).done()
    assert stood(page)["Budget"][1] == "£330.00 a week Changed"
    assert "nothing about those days was recorded later" in page.words
    before = {**at_eleven, "known_time": "10:59"}
    assert stood(Page(visitor.client.get(REPLAY, params=before)))["Budget"][1] == "£310.00 a week"


def test_a_day_leaves_out_what_takes_effect_later(site: Site):
    visitor = site.visitor("audra")
    everything = visitor.open(REPLAY)
    page = visitor.open(f"{REPLAY}?on=2026-04-05").done()
    assert "What took effect by 5 April 2026" in page.words
    assert stood(page)["Budget"][1] == "£0.00 a week"
    assert "Event" in everything.words
    assert "Nothing was known" in visitor.open(f"{REPLAY}?known_on=2026-01-01").done().words


def test_the_day_and_moment_asked_about_stay_while_stepping(site: Site):
    visitor = site.visitor("audra")
    page = visitor.open(f"{REPLAY}?on=2026-05-10&known_on=2026-04-30&known_time=12:00")
    back = page.tree.xpath("string(//a[@rel='prev']/@href)")
    for link in (back, page.link("First event")):
        assert "on=2026-05-10&known_on=2026-04-30&known_time=12%3A00&event=" in link
    fields = visitor.open(back).fields(REPLAY)
    assert fields == {"on": ["2026-05-10"], "known_on": ["2026-04-30"], "known_time": ["12:00"]}


def test_the_bundle_is_what_was_asked_for_and_proves_itself(site: Site):
    visitor = site.visitor("audra")
    page = visitor.open(f"{REPLAY}?known_on=2026-04-30").done()
    link = page.link("download all of them with their postings (ZIP)")
    answer = visitor.client.get(link)
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="audit-PB000001.zip"' in answer.headers["content-disposition"]
    files = unpacked(answer.content)
    told = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    history = list(site.ledger.history(PersonalBudget, "PB000001"))
    assert [event["version"] for event in told] == list(range(1, len(history)))
    assert "fingerprint" not in files["events.jsonl"].decode()
    moved = list(csv.DictReader(io.StringIO(files["postings.csv"].decode())))
    stands = csv.DictReader(io.StringIO(files["balances.csv"].decode()))
    for row in stands:
        sides = [pence(m["amount"]) for m in moved if m["account"] == row["account"]]
        assert sum(sides) == pence(row["balance"])
    assert sum(pence(m["amount"]) for m in moved) == 0
    for line in files["SHA256SUMS"].decode().splitlines():
        number, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == number
    assert visitor.client.get(link).content == answer.content, "the same question, the same bytes"


def unpacked(zipped: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(zipped)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pence(amount: str) -> int:
    return int(amount.replace(".", ""))


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"on": "2026-02-30"}, "on"),
        ({"on": "yesterday"}, "on"),
        ({"on": "9999-12-31"}, "on"),
        ({"known_on": "1-1-2026"}, "known_on"),
        ({"known_on": "2026-05-01", "known_time": "25:00"}, "known_time"),
        ({"known_time": "09:00"}, "known_on"),
    ],
)
def test_a_day_or_moment_that_cannot_be_read_is_said_to_be(
    site: Site, asked: dict[str, str], place: str
):
    visitor = site.visitor("audra")
    for path in (REPLAY, "/audit"):
        page = Page(visitor.client.get(path, params={"reference": "PB000001", **asked}))
        assert page.done(422).tree.xpath("string(//title)").startswith("Error: ")
        (link,) = page.tree.xpath("//div[contains(@class, 'error-summary')]//a")
        assert link.get("href") == f"#{place}"
        assert page.tree.xpath("//input[@id=$id]", id=place)
    bundle = visitor.client.get(f"{REPLAY}/bundle", params=asked)
    assert bundle.status_code == 422, "nothing is sent that was not asked for"


@pytest.mark.parametrize("event", ["0", "1", "999", "-1", "x", "9" * 30, "\u0661"])
def test_an_event_that_is_not_there_is_the_nearest_one(site: Site, event: str):
    Page(site.visitor("audra").client.get(REPLAY, params={"event": event})).done()


def test_a_budget_that_is_not_there_is_not_replayed(site: Site):
    visitor = site.visitor("audra")
    page = Page(visitor.client.get("/audit", params={"reference": "PB9"})).done(422)
    assert "There is no personal budget PB9." in page.words
    Page(visitor.client.get("/audit", params={"reference": "<b>"})).done(422)
    assert "Enter the reference" in visitor.open("/audit?reference=").done(422).words
    visitor.open("/budgets/PB9/replay").refused(404)
    visitor.open("/budgets/PB9/replay/bundle").refused(404)


def test_only_those_who_may_audit_replay(site: Site):
    site.add_user("ada", "recipient", person_reference="R000001")
    site.add_user("amira", "finance_officer")
    for name in ("ada", "amira"):
        visitor: Any = site.visitor(name)
        for path in ("/audit", REPLAY, f"{REPLAY}/bundle"):
            assert visitor.open(path).status in (403, 404)
        assert "Audit" not in visitor.open("/").words
