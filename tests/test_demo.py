"""The demo tells its story, and what it leaves can be proved."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger import demo
from ledger.application import Ledger
from ledger.bank.bacs_reader import read_bacs
from ledger.demo_data import caseload_csv
from ledger.demo_folder import NotOurs, settings_in
from ledger.demo_views import REVISED
from ledger.file_looks import bank_file
from ledger.verification import verify_ledger
from tests.pbledger import start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def test_the_story(folder, capsys):
    assert demo.run(folder).difference is None
    told = capsys.readouterr().out
    for number in range(1, demo.STEPS + 1):
        assert f"[{number:>2}/{demo.STEPS}]" in told
    assert "put right for earlier days" in told
    assert "£281.00" in told
    assert "£351.00" in told
    assert "One credit of it is to SUNRISE, for 8 people" in told
    assert "What to try next" in told
    with Ledger(settings_in(folder)) as ledger:
        for reference in (demo.FIRST, demo.SECOND):
            cycle = ledger.cycle(reference)
            assert cycle.prepared is not None
            assert cycle.issued is not None
            paid = read_bacs((folder / "bank-files" / cycle.issued.file_name).read_bytes())
            assert paid.credit_total_pence == cycle.prepared.total_pence
            assert paid.processing_on == cycle.issued.processing_on
        assert verify_ledger(ledger).difference is None


def test_what_came_back_is_sent_again_to_the_new_account(folder, capsys):
    demo.run(folder)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 payment(s) came back and are not settled on 2026-04-08" in told
    assert "0 payment(s) came back and are not settled on 2026-05-01" in told
    with Ledger(settings_in(folder)) as ledger:
        first, again, ordinary = ledger.budget(demo.RETURNED).payments.items()
        assert (first[1].status, again[1].status, ordinary[1].status) == (
            "reissued",
            "confirmed",
            "confirmed",
        )
        files = [read_bacs(bank_file(ledger, name)) for name in (demo.FIRST, demo.SECOND)]
        sent, sent_again = (
            next(credit for credit in file.credits if credit.reference == reference)
            for file, reference in zip(files, (first[0], again[0]), strict=True)
        )
        assert sent.amount_pence == sent_again.amount_pence
        assert (sent_again.sort_code, sent_again.account_number) == ("999961", "90000061")
        assert sent.account_number != sent_again.account_number


def test_what_it_left_is_looked_at_from_its_folder(folder):
    demo.run(folder)
    shown = start(["budget", "history", REVISED], folder, {})
    assert shown.returncode == 0, shown.stderr
    assert "£351.00 a week" in shown.stdout
    verified = start(["verify"], folder, {})
    assert verified.returncode == 0, verified.stdout


def test_again_it_begins_anew_and_tells_the_same(folder, capsys):
    demo.run(folder)
    first = capsys.readouterr().out
    files = {path.name: path.read_bytes() for path in (folder / "bank-files").iterdir()}
    demo.run(folder)
    second = capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (folder / "bank-files").iterdir()} == files

    def steady(told: str) -> str:  # without timings, and what a new key changes
        return re.sub(r"[0-9.]+ s\b|\b[0-9a-f]{8,12}\b", "", told)

    assert steady(first) == steady(second)


def test_it_leaves_alone_what_it_did_not_make(folder):
    folder.mkdir()
    (folder / "ledger.db").write_text("somebody's own")
    with pytest.raises(NotOurs, match="was not made by the demo"):
        demo.run(folder)
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]
    assert (folder / "ledger.db").read_text() == "somebody's own"


def test_the_example_it_falls_back_on_is_the_same(folder):
    assert demo.EXAMPLE.read_bytes() == caseload_csv(250, 1)


class Page(HTMLParser):
    """What a reader's browser makes of the summary."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_summary_is_one_page_for_everyone(folder):
    demo.run(folder)
    page = Page((folder / "summary.html").read_text())
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert not any({"src", "href"} & facts.keys() for _, facts in page.tags), "fetches nothing"
    assert dict(page.tags)["html"]["lang"] == "en-GB"
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in facts for tag, facts in page.tags if tag == "th")
    charts = [facts for tag, facts in page.tags if tag == "svg" and facts.get("role") == "img"]
    ids = {facts["id"] for _, facts in page.tags if "id" in facts}
    assert len(charts) == 2
    assert all(set((facts["aria-labelledby"] or "").split()) <= ids for facts in charts)
    for words in ("£327,179.13", "Everything verifies", "Social care", REVISED, "£210.00"):
        assert words in page.words
    details = caseload_csv(250, 1).decode().splitlines()[1:]
    names = {row.split(",")[2] for row in details} - {""}
    assert not any(name in page.words for name in names), "nobody's name is on it"
