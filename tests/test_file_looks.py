"""Who fetches a file that shows accounts is recorded, before a byte of it is handed over."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ledger.file_looks import bank_file, file_looks_at
from ledger.payment_run import issue_cycle
from ledger.subject_access import packed
from tests.api import Api, an_api
from tests.bank_reports import Returned, arucs_xml
from tests.main_job import a_caseload, a_row, run_cycle, says, take_in
from tests.pbledger import Pbledger

FILE = "/v1/cycles/C2026-01/file"
EXPORTED_AT = datetime(2026, 5, 1, 9, tzinfo=UTC)


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Two budgets that were paid with one cycle, and one that was not."""
    with an_api(database_url, tmp_path) as api:
        take_in(api.ledger, a_caseload(a_row(1), a_row(2), a_row(3)))
        run_cycle(api.ledger, 1, only=["PB000001", "PB000002"])
        yield api


def kept(api: Api, **asked: Any) -> list[tuple[str, ...]]:
    """Every fetch there is, without when it was."""
    return [tuple(look[2:]) for look in file_looks_at(api.ledger, **asked)]


def test_each_fetch_is_one_look(api: Api) -> None:
    content = bank_file(api.ledger, "C2026-01")
    assert kept(api) == [], "the ledger proves its own files, and nobody looks"
    assert api.ask(FILE, by="carol").done().content == content
    of_the_file = ("bank_file", "C2026-01", "000001")
    assert kept(api) == [("carol", "api", *of_the_file)]
    issue_cycle(api.ledger, "C2026-01", created_on=date(2026, 3, 31), said=says("bob", "03-31"))
    assert kept(api)[1:] == [("bob", "issued_again", *of_the_file)]


def test_who_is_given_nothing_did_not_look(api: Api) -> None:
    api.get("/v1/cycles/C2026-09/file").refused("cycle-not-found", 404)
    etag = api.get(FILE).done().headers["etag"]
    again = api.request("GET", FILE, headers={"X-Acting-As": "ann", "If-None-Match": etag})
    assert (again.status, again.content) == (304, b"")
    assert len(kept(api)) == 1


def test_a_fetch_that_cannot_be_recorded_hands_over_nothing(api: Api) -> None:
    with api.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE file_looks RENAME TO elsewhere")
    refused = api.get(FILE)
    assert refused.status in (500, 503)
    assert bank_file(api.ledger, "C2026-01") not in refused.content
    assert b"HDR" not in refused.content


def test_fetches_are_listed_by_file_budget_and_payee_page_by_page(api: Api) -> None:
    for by in ("ann", "bob", "cat"):
        api.ask(FILE, by=by).done()

    def seen(**asked: Any) -> list[str]:
        return [look["looked_by"] for look in api.get("/v1/file-looks", **asked).done()["looks"]]

    payee = api.get("/v1/budgets/PB000001")["payee"]["payee_reference"]
    unpaid = api.get("/v1/budgets/PB000003")["payee"]["payee_reference"]
    everyone = ["ann", "bob", "cat"]
    assert seen() == seen(reference="C2026-01") == seen(budget="PB000001") == everyone
    assert seen(payee=payee) == everyone
    assert seen(reference="C2026-02") == seen(budget="PB000003") == seen(payee=unpaid) == []
    page = api.get("/v1/file-looks", limit=2)
    assert seen(limit=2, after=page["next_after"]) == ["cat"]
    api.get("/v1/file-looks", budget="PB9").refused("budget-not-found", 404)


def test_people_are_told_who_fetched_the_files_they_are_in(api: Api) -> None:
    api.ask(FILE, by="carol").done()
    for person, times in (("R000001", 1), ("R000003", 0)):
        with ZipFile(io.BytesIO(packed(api.ledger, person, EXPORTED_AT, "dora"))) as files:
            (payee,) = json.loads(files.read("everything.json"))["payees"]
            assert len(payee["fetched"]) == times
            told = "carol fetched the bank file of C2026-01" in files.read("index.html").decode()
            assert told == bool(times)


# --- on the command line ------------------------------------------------------------------


def test_a_fetch_on_the_command_line_names_who_it_is(sqlite_url: str, tmp_path: Path) -> None:
    pbledger = Pbledger(sqlite_url, tmp_path).with_cycle(2)
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    issued = "--as cat cycle issue C1 --effective-on 2026-03-30"
    paid = pbledger.json(issued)
    pbledger.misused(f"cycle file C1 --to {tmp_path / 'again.bacs'}")  # under whose name?
    pbledger.done(f"--as dan cycle file C1 --to {tmp_path / 'again.bacs'}")
    pbledger.done(issued)
    report = tmp_path / "ARUCS.xml"
    report.write_bytes(arucs_xml("123456", [Returned("NOT-OURS", 100)], date(2026, 4, 8)))
    (brought,) = pbledger.json("--as dora reports import", str(report))["reports"]
    pbledger.misused(f"reports file {brought['reference']} --to {tmp_path / 'again.xml'}")
    pbledger.refused("report-not-found", "--as eve reports file ARUCS-0 --to x.xml")
    pbledger.done(f"--as eve reports file {brought['reference']} --to {tmp_path / 'again.xml'}")
    assert (tmp_path / "again.xml").read_bytes() == report.read_bytes()
    found = pbledger.json("payees looks")
    assert found["looks"] == []
    assert [(f["looked_by"], f["door"], f["reference"]) for f in found["files"]] == [
        ("dan", "command_line", "C1"),
        ("cat", "issued_again", "C1"),
        ("eve", "command_line", brought["reference"]),
    ]
    listed = pbledger.done("payees looks --budget PB000001")
    assert "2 file(s) fetched" in listed, "whose account a report is about is not known"
    assert paid["submission_serial"] in listed
    pbledger.refused("budget-not-found", "payees looks --budget PB9")
