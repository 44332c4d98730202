"""What kind of file a cycle is sent as: by settings, or for one urgent payment alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.aggregates.cycle_events import CycleIssued
from ledger.application import Ledger
from ledger.bank.bacs_reader import read_bacs
from ledger.bank.pain001_reader import read_pain001
from ledger.bank_file import FileKind, file_kind, read_file, require_asks
from ledger.errors import (
    BankFileUnreadable,
    CycleAlreadyDecided,
    InvalidValue,
    PaymentOverBankLimit,
    ProcessingDayTooSoon,
)
from ledger.file_looks import bank_file
from ledger.payment_run import issue_cycle
from ledger.verification import verify_ledger
from tests.api import CYCLE, make_payable, serving
from tests.api import approve as approve_over_http
from tests.api import prepare as prepare_over_http
from tests.main_job import (
    a_caseload,
    a_row,
    approve,
    issue,
    prepare,
    says,
    settings_for,
    settle,
    take_in,
)
from tests.pbledger import Pbledger

PAY_DATE = date(2026, 4, 2)
FASTER = FileKind("pain.001.001.09", "URNS")


@contextmanager
def a_council(database_url: str, folder: Path, **chosen: Any) -> Iterator[Ledger]:
    """Two budgets whose payees are verified, at a council with these settings."""
    settings = settings_for(database_url, folder).model_copy(update=chosen)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        take_in(ledger, a_caseload(a_row(1), a_row(2)))
        yield ledger


def issued_of(ledger: Ledger, reference: str) -> CycleIssued:
    issued = ledger.cycle(reference).issued
    assert issued is not None
    return issued


def make_file(ledger: Ledger, reference: str, made_on: date, kind: FileKind | None = None) -> Path:
    """Carol has a cycle's bank file made on a day."""
    return issue_cycle(
        ledger, reference, created_on=made_on, said=says("carol", made_on), kind=kind
    )


# --- several processing days ----------------------------------------------------------------


def test_a_cycle_for_a_bank_that_asks_for_several_days_is_a_file_of_one(
    database_url: str, tmp_path: Path
) -> None:
    with a_council(database_url, tmp_path, bank_file_format="bacs18-multi") as ledger:
        cycle = approve(ledger, prepare(ledger))
        path = issue(ledger, cycle)
        assert path.name == "C2026-01-000001.bacs"
        file = read_bacs(path.read_bytes())
        (day,) = file.sections
        assert (file.is_multi, day.processing_on) == (True, date(2026, 4, 1))
        assert [(c.reference, c.amount_pence) for c in day.credits] == [
            (line.payment_reference, line.amount_pence) for line in cycle.lines
        ]
        issued = issued_of(ledger, cycle.reference)
        assert issued.file_format == "bacs-standard-18-multi"
        assert issued.processing_on == day.processing_on
        settle(ledger, cycle)
        assert verify_ledger(ledger).difference is None


def test_the_format_recorded_is_the_format_read(sqlite_url: str, tmp_path: Path) -> None:
    with a_council(sqlite_url, tmp_path) as ledger:
        content = issue(ledger, approve(ledger, prepare(ledger))).read_bytes()
    assert len(read_file("bacs-standard-18", content).credits) == 2
    with pytest.raises(BankFileUnreadable, match=r"is bacs-standard-18, not .*-multi"):
        read_file("bacs-standard-18-multi", content)


def test_a_file_from_another_account_or_for_another_day_is_not_sent(
    sqlite_url: str, tmp_path: Path
) -> None:
    with a_council(sqlite_url, tmp_path) as ledger:
        content = issue(ledger, approve(ledger, prepare(ledger))).read_bytes()
    order = read_file("bacs-standard-18", content)
    assert order[:-1] == ("123456", "200000", "12345678", date(2026, 4, 1))
    require_asks(order, order)
    for other in (
        order._replace(service_user_number="654321"),
        order._replace(sort_code="200001"),
        order._replace(account_number="12345679"),
        order._replace(on=date(2026, 4, 2)),
    ):
        with pytest.raises(BankFileUnreadable, match="not for the day"):
            require_asks(order, other)
    with pytest.raises(BankFileUnreadable, match="does not pay"):
        require_asks(order, order._replace(credits=order.credits[:1]))


@pytest.mark.parametrize("at_a_time", [1, 500, 10**6])
def test_a_file_is_read_back_whole_however_few_bytes_at_a_time(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    with a_council(database_url, tmp_path) as ledger:
        cycle = approve(ledger, prepare(ledger, only=["PB000001"]))
        content = issue(ledger, cycle).read_bytes()
        monkeypatch.setattr("ledger.file_looks.BYTES_AT_A_TIME", at_a_time)
        assert bank_file(ledger, cycle.reference) == content


# --- Faster Payments ------------------------------------------------------------------------


@pytest.mark.parametrize("execution_day", ["processing_day", "pay_date"])
@pytest.mark.parametrize("service_level", ["URNS", "URGP"])
def test_a_cycle_by_faster_payments_may_be_made_on_its_pay_date(
    database_url: str, tmp_path: Path, service_level: str, execution_day: str
) -> None:
    with a_council(
        database_url,
        tmp_path,
        bank_file_format="pain.001.001.03",
        pain001_service_level=service_level,
        pain001_execution_day=execution_day,
    ) as ledger:
        cycle = approve(ledger, prepare(ledger))
        file = read_pain001(make_file(ledger, cycle.reference, PAY_DATE).read_bytes())
        assert (file.service_level, file.execute_on) == (service_level, PAY_DATE)
        assert issued_of(ledger, cycle.reference).processing_on == PAY_DATE
        settle(ledger, cycle)
        assert verify_ledger(ledger).difference is None


def test_an_urgent_payment_goes_by_faster_payments_and_the_next_cycle_by_bacs(
    database_url: str, tmp_path: Path
) -> None:
    with a_council(database_url, tmp_path) as ledger:
        urgent = approve(ledger, prepare(ledger, reference="URGENT", only=["PB000001"]))
        with pytest.raises(ProcessingDayTooSoon, match="by Bacs"):
            make_file(ledger, "URGENT", PAY_DATE)
        assert ledger.cycle("URGENT").status == "approved"
        path = make_file(ledger, "URGENT", PAY_DATE, FASTER)
        assert path.name == "URGENT-000001.xml"
        assert issued_of(ledger, "URGENT").file_format == "pain.001.001.09"
        settle(ledger, urgent)
        regular = approve(ledger, prepare(ledger, 2))
        assert issue(ledger, regular).name == "C2026-02-000002.bacs"
        assert issued_of(ledger, regular.reference).file_format == "bacs-standard-18"
        found = verify_ledger(ledger)
        assert (found.bank_files, found.difference) == (2, None)


def test_a_pay_date_that_even_faster_payments_cannot_meet_is_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    with a_council(sqlite_url, tmp_path) as ledger:
        cycle = approve(ledger, prepare(ledger))
        with pytest.raises(ProcessingDayTooSoon, match="by Faster Payments"):
            make_file(ledger, cycle.reference, date(2026, 4, 3), FASTER)
        assert ledger.cycle(cycle.reference).status == "approved"
    assert not (tmp_path / "files").exists()


def test_a_million_pounds_is_too_much_for_faster_payments_whatever_the_bank_takes(
    sqlite_url: str, tmp_path: Path
) -> None:
    with a_council(sqlite_url, tmp_path) as ledger:
        take_in(ledger, a_caseload(a_row(3, weekly_pence=25_014_295 + 1)))
        cycle = approve(ledger, prepare(ledger, only=["PB000003"]))
        with pytest.raises(PaymentOverBankLimit, match="100000000 that can be paid"):
            make_file(ledger, cycle.reference, PAY_DATE, FASTER)
        make_file(ledger, cycle.reference, date(2026, 3, 31))


def test_a_file_made_is_not_passed_off_as_another_kind(sqlite_url: str, tmp_path: Path) -> None:
    with a_council(sqlite_url, tmp_path) as ledger:
        cycle = approve(ledger, prepare(ledger))
        path = make_file(ledger, cycle.reference, date(2026, 3, 31), FASTER)
        content = path.read_bytes()
        for other in (FileKind("bacs18"), FileKind("pain.001.001.09"), FileKind("bacs18-multi")):
            with pytest.raises(CycleAlreadyDecided, match="made as pain"):
                make_file(ledger, cycle.reference, date(2026, 3, 31), other)
        for same in (FASTER, None):
            assert make_file(ledger, cycle.reference, PAY_DATE, same).read_bytes() == content
        assert bank_file(ledger, cycle.reference) == content


def test_only_pain001_has_a_service_level(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path)
    assert file_kind(settings) == FileKind("bacs18")
    assert file_kind(settings, "pain.001.001.03") == FileKind("pain.001.001.03", "NURG")
    with pytest.raises(InvalidValue, match="only pain"):
        file_kind(settings, "bacs18-multi", "URNS")
    with pytest.raises(InvalidValue, match="bacs18 is Bacs"):
        file_kind(settings, None, "NURG")


# --- the ways in ----------------------------------------------------------------------------


def test_the_command_line_names_the_kind_of_one_file(sqlite_url: str, tmp_path: Path) -> None:
    program = Pbledger(sqlite_url, tmp_path).with_cycle(3)
    program.done(f"--as bob cycle approve C1 {program.stated()}")
    late = "--as cat cycle issue C1 --effective-on 2026-04-02"
    assert "by Bacs" in program.refused("processing-day-too-soon", late)
    program.refused("invalid-value", f"{late} --service-level URNS")
    assert "'pain.001.001.04' is not one of" in program.misused(f"{late} --format pain.001.001.04")
    issued = program.json(f"{late} --format pain.001.001.09 --service-level URGP")
    file = read_pain001(Path(issued["file"]).read_bytes())
    assert (issued["format"], file.service_level) == ("pain.001.001.09", "URGP")
    assert issued["processing_on"] == file.execute_on.isoformat() == "2026-04-02"
    program.refused("cycle-already-decided", f"{late} --format bacs18")
    assert program.json(late) == issued
    assert program.json("verify")["sound"]


def test_the_api_names_the_kind_of_one_file(sqlite_url: str, tmp_path: Path) -> None:
    settings = settings_for(sqlite_url, tmp_path).model_copy(
        update={"pain001_service_level": "URNS"}
    )
    Ledger.initialise(settings)
    with serving(settings) as api:
        make_payable(api)
        prepare_over_http(api).done(201)
        approve_over_http(api).done()
        late = {"effective_on": "2026-04-02", "created_on": "2026-04-02"}
        at = f"{CYCLE}/issue"
        api.post(at, late, by="carol").refused("processing-day-too-soon", 422)
        api.post(at, {**late, "format": "csv"}, by="carol").refused("body-invalid", 422)
        bacs = {**late, "format": "bacs18", "service_level": "URNS"}
        api.post(at, bacs, by="carol").refused("invalid-value", 422)
        urgent = {**late, "format": "pain.001.001.03"}
        issued = api.post(at, urgent, by="carol", key="k").done()
        assert (issued["status"], issued["processing_on"]) == ("issued", "2026-04-02")
        assert api.post(at, urgent, by="carol", key="k").done().json == issued.json
        content = api.get(f"{CYCLE}/file").done().content
        assert read_pain001(content).service_level == "URNS"
        assert (tmp_path / "files" / issued["file_name"]).read_bytes() == content
