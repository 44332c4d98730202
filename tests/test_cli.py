"""The command line does the main job, on both databases."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.bank.bacs_reader import read_bacs
from ledger.demo_data import caseload_csv
from ledger.money import format_pounds
from tests.bank_reports import Refused, input_report_xml
from tests.pbledger import ROOT, Pbledger, start


@pytest.fixture
def pbledger(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """The program on SQLite, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Pbledger(sqlite_url, tmp_path)


@pytest.fixture
def either(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """The program on each database in turn."""
    monkeypatch.chdir(tmp_path)
    return Pbledger(database_url, tmp_path)


def test_the_main_job(either):
    either.done("init")
    file = str(either.caseload())
    assert "30 would be opened" in either.done("import-caseload --dry-run", file)
    assert "30 opened" in either.done("--as ann import-caseload", file)
    assert "30 already here" in either.done("--as ann import-caseload", file)
    either.refused("verifier-proposed-payee", "--as ann payees verify --all")
    assert "30 payee(s) verified by bob" in either.done("--as bob payees verify --all")

    shown = either.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
    assert "first_payment" in shown
    cycle = either.json("cycle show C1")
    assert cycle["status"] == "prepared"
    assert "PB000001" in either.done("cycle exceptions C1 --code first_payment")
    lines = either.json("cycle lines C1")["lines"]
    assert sum(line["amount_pence"] for line in lines) == cycle["total_pence"]

    either.refused("approver-prepared-cycle", f"--as ann cycle approve C1 {either.stated()}")
    either.refused("cycle-not-approved", "--as cat cycle issue C1 --effective-on 2026-03-30")
    assert "C1 is approved" in either.done(f"--as bob cycle approve C1 {either.stated()}")
    issued = either.json("--as cat cycle issue C1 --effective-on 2026-03-30")
    content = Path(issued["file"]).read_bytes()
    paid = read_bacs(content)
    assert paid.credit_total_pence == issued["total_pence"] == cycle["total_pence"]
    assert [c.amount_pence for c in paid.credits] == [line["amount_pence"] for line in lines]

    again = either.folder / "again.bacs"
    either.done(f"--as cat cycle file C1 --to {again}")
    assert again.read_bytes() == content
    Path(issued["file"]).unlink()
    either.done("--as cat cycle issue C1 --effective-on 2026-03-30")
    assert Path(issued["file"]).read_bytes() == content, "asked again, the same file"

    either.refused("cycle-not-settled-yet", "--as cat cycle settle C1 --on 2026-04-01")
    assert "C1 is settled" in either.done("--as cat cycle settle C1 --on 2026-04-02")
    totals = either.json("cycle totals C1")["sum"]
    assert totals["scheduled_pence"] == totals["confirmed_pence"] == cycle["total_pence"]
    assert totals["outstanding_pence"] == 0
    assert "every read table" in either.done("verify")
    either.done("rebuild")
    assert either.json("status")["healthy"]


def test_one_budget_as_of_a_day_and_as_known_at_a_moment(either):
    either.with_budgets()
    before = either.json("budget show PB000001 --on 2026-04-20")
    moment = either.json("budget history PB000001")["events"][-1]["event"]["recorded_at"]
    line = before["lines_in_force"][0]["line_reference"]
    done = either.done(
        f"--as ann budget revise-allocation PB000001 --line-reference {line} --weekly 401.50 "
        "--effective-on 2026-04-13"
    )
    assert "£401.50 a week" in done
    assert either.json("budget show PB000001 --on 2026-04-20")["weekly_budget_pence"] == 40_150
    known = either.json(f"budget show PB000001 --on 2026-04-20 --known-at {moment}")
    assert known["weekly_budget_pence"] == before["weekly_budget_pence"]
    early = either.json("budget show PB000001 --on 2026-04-12")
    assert early["weekly_budget_pence"] == before["weekly_budget_pence"]
    history = either.done(f"budget history PB000001 --known-at {moment}")
    assert "£401.50" not in history
    assert "£401.50" in either.done("budget history PB000001")
    assert "£401.50" not in either.done("budget history PB000001 --on 2026-04-12")


def test_balances_add_up_to_nought_and_say_what_they_hold(either):
    either.with_cycle()
    assert "No money has moved" in either.done("budget balance PB000001")
    either.done(f"--as bob cycle approve C1 {either.stated()}")
    accounts = either.json("budget balance PB000001")["accounts"]
    assert sum(account["balance_pence"] for account in accounts) == 0
    assert "Promised to payees" in either.done("budget balance PB000001 --on 2026-04-02")
    assert either.json("budget balance PB000001 --on 2026-04-01")["accounts"] == []


def test_a_budget_from_its_opening_to_its_first_payment(either):
    either.done("init")
    day = "--effective-on 2026-04-06"
    either.done("--as ann person add R1 --date-of-birth 1950-02-03 --name", "Siân O'Connor")
    either.done(
        "--as ann budget open PB1 --recipient-reference R1 --legal-basis care_act_2014 "
        f"--primary-support-reason mental_health {day}"
    )
    either.done(
        f"--as ann budget offer-direct-payment PB1 --occasion assessment --outcome accepted {day}"
    )
    either.done(f"--as ann budget sign-agreement PB1 --template-version 2025-1 {day}")
    line = (
        "need=personal_care,funding_stream={},weekly={},deployment=direct_payment,from=2026-04-06"
    )
    either.done(
        f"--as ann budget agree-allocation PB1 {day} --weekly-budget 410.00 "
        f"--line {line.format('social_care', '310.00')},cost_centre=S4100 "
        f"--line {line.format('nhs', '100.00')},cost_centre=N1"
    )
    either.done(f"--as ann budget assess-contribution PB1 --weekly 142.95 --basis net {day}")
    proposed = either.json(
        "--as ann budget propose-payee PB1 --payee-type recipient --sort-code 99-99-01 "
        "--account-number 90000001 --account-name",
        "S O'Connor",
    )
    shown = either.done("budget show PB1 --on 2026-05-03")
    assert "payee not verified" in shown
    payee = f"--payee-reference {proposed['payee_reference']}"
    either.refused("verifier-proposed-payee", f"--as ann budget verify-payee PB1 {payee}")
    either.done(f"--as bob budget verify-payee PB1 {payee}")
    shown = either.done("budget show PB1 --on 2026-05-03")
    assert "****0001" in shown
    assert "90000001" not in shown + either.done("budget history PB1")
    assert "£1,068.20" in shown, "4 x (310.00 + 100.00 - 142.95), the NHS line free of charge"
    assert "payable" in either.done("budget list")
    nhs = either.json("budget show PB1 --on 2026-04-06")["lines_in_force"][0]
    assert (nhs["funding_stream"], nhs["chargeable"]) == ("nhs", False)


def test_an_off_cycle_payment_and_a_returned_one_sent_again(pbledger):
    pbledger.with_budgets()
    prepare = "--as ann cycle prepare {} --from {} --pay-on {} {}"
    pbledger.done(prepare.format("C1", "2026-04-06", "2026-04-02", "--only PB000001"))
    assert pbledger.json("cycle show C1")["off_cycle"]
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    pbledger.done("--as cat cycle issue C1 --effective-on 2026-03-30")
    pbledger.done("--as cat cycle settle C1 --on 2026-04-02")
    payment = pbledger.json("budget show PB000001")["payments"][0]
    pbledger.done(
        f"--as cat budget return-payment PB000001 --reason-code B "
        f"--payment-reference {payment['payment_reference']} --effective-on 2026-04-07"
    )
    again = f"--only PB000001 --reissue {payment['payment_reference']}"
    pbledger.done(prepare.format("C2", "2026-04-06", "2026-05-01", again))
    lines = pbledger.json("cycle lines C2")["lines"]
    assert [line["amount_pence"] for line in lines] == [payment["amount_pence"]]
    assert f"reissue of {payment['payment_reference']}" in pbledger.done("cycle lines C2")


def test_what_the_bank_says_of_a_file_is_said_and_what_to_do_next(pbledger):
    pbledger.with_cycle()
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    assert "Next: pbledger --as NAME cycle issue C1" in pbledger.done("cycle show C1")
    pbledger.done("--as cat cycle issue C1 --effective-on 2026-03-30")
    assert "Taken by the bank  not known" in pbledger.done("cycle show C1")
    lines = pbledger.json("cycle lines C1")["lines"]
    total = sum(line["amount_pence"] for line in lines)
    not_taken = Refused(lines[0]["payment_reference"], lines[0]["amount_pence"])

    def report(name: str, serial: str, **facts: Any) -> str:
        path = pbledger.folder / name
        read = {"processing_on": date(2026, 4, 1), "produced_on": date(2026, 3, 31), **facts}
        path.write_bytes(input_report_xml("123456", serial, **read))
        return str(path)

    refused = report("refused.xml", "000001", accepted=(0, 0), rejected=(len(lines), total))
    said = pbledger.done("--as cat reports import", refused)
    assert "The bank refused the whole file 000001" in said
    assert "To make another file: pbledger --as NAME cycle issue C1" in said
    pbledger.done("--as cat cycle issue C1 --effective-on 2026-03-31")
    accepted = (len(lines) - 1, total - not_taken.amount_pence)
    taken = report("taken.xml", "000002", accepted=accepted, errors=[not_taken])
    (pbledger.folder / "other.xml").write_text("budget,name")
    result = pbledger.run("--as cat reports import", taken, str(pbledger.folder / "other.xml"))
    assert result.exit_code == 1
    assert "The bank took the file 000002" in result.stdout, "what is in is said"
    assert result.stderr.startswith("refused: bank-file-unreadable: other.xml: "), "and what not"
    assert "Taken by the bank  all but 1 payment(s)" in pbledger.done("cycle show C1")
    settled = pbledger.done("--as cat cycle settle C1 --on 2026-04-02")
    assert f"C1 is settled: {len(lines) - 1} payment(s)" in settled
    assert "The bank did not take 1 payment(s)" in settled


def test_a_cycle_turned_down_prepared_again_and_withdrawn(pbledger):
    pbledger.with_cycle()
    reject = "cycle reject C1 --reason wrong_period"
    pbledger.refused("approver-prepared-cycle", f"--as ann {reject}")
    assert "C1 is rejected" in pbledger.done(f"--as bob {reject}")
    pbledger.done("--as ann cycle prepare C1 --from 2026-04-06 --weeks 2 --pay-on 2026-04-02")
    assert "C1 is cancelled" in pbledger.done("--as ann cycle cancel C1")
    assert "cancelled" in pbledger.done("cycle list")
    pbledger.refused("cycle-already-decided", f"--as bob cycle approve C1 {pbledger.stated()}")


def test_an_approved_cycle_is_withdrawn_and_what_it_promised_is_owed_again(either):
    either.with_cycle()
    owed, seen = either.json("budget show PB000001 --on 2026-05-03"), either.stated()
    either.done(f"--as bob cycle approve C1 {seen}")
    totals = either.json("cycle totals C1")["sum"]
    assert totals["scheduled_pence"] == totals["outstanding_pence"] > 0
    cancel = "--as ann cycle cancel C1"
    assert "C1 is cancelled" in either.done(cancel)
    assert "C1 is cancelled" in either.done(cancel), "and again, to no effect"
    totals = either.json("cycle totals C1")["sum"]
    assert totals["scheduled_pence"] == totals["outstanding_pence"] == 0
    now = either.json("budget show PB000001 --on 2026-05-03")
    assert [payment["status"] for payment in now["payments"]] == ["cancelled"]
    unlike = {name for name in owed if owed[name] != now[name]}
    assert unlike == {"payments", "version"}
    assert "cancelled before it left" in either.done("budget history PB000001")
    either.refused("cycle-already-decided", f"--as bob cycle approve C1 {seen}")
    either.refused("cycle-not-approved", "--as cat cycle issue C1 --effective-on 2026-03-30")

    either.done("--as ann cycle prepare C2 --from 2026-04-06 --pay-on 2026-04-02")
    assert (
        either.json("cycle show C2")["total_pence"] == either.json("cycle show C1")["total_pence"]
    )
    either.done(f"--as bob cycle approve C2 {either.stated('C2')}")
    either.done("--as cat cycle issue C2 --effective-on 2026-03-30")
    either.refused("cycle-already-decided", "--as ann cycle cancel C2")
    either.done("verify")


def test_an_overpayment_is_clawed_back_for_exactly_what_is_overpaid(pbledger):
    pbledger.with_cycle()
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    payment = pbledger.json("cycle lines C1")["lines"][0]
    reference, paid = payment["budget_reference"], payment["amount_pence"]
    pbledger.done(f"--as ann budget close {reference} --reason-code died --effective-on 2026-04-05")
    pounds = f"{paid // 100}.{paid % 100:02d}"
    known = f"{reference} --clawback-reference CB1"
    day = "--effective-on 2026-04-07"
    pbledger.done(
        f"--as ann budget propose-clawback {known} --amount {pounds} --cause-code overpayment {day}"
    )
    pbledger.done(f"--as ann budget notify-clawback {known} --respond-by 2026-04-21 {day}")
    confirm = f"--as bob budget confirm-clawback {known} --recovery repayment --amount"
    late = "--effective-on 2026-05-18"
    told = pbledger.refused("clawback-differs-from-overpayment", f"{confirm} 1.00 {late}")
    assert f"overpaid by {format_pounds(paid)} now" in told
    pbledger.done(f"{confirm} {pounds} {late}")
    assert f"£{pounds}" in pbledger.done(f"budget balance {reference}")


def test_the_application_runs_as_a_role_that_cannot_change_history(postgres_url, tmp_path):
    from sqlalchemy import make_url, text
    from sqlalchemy.exc import ProgrammingError

    from ledger.database import connect

    owner = Pbledger(postgres_url, tmp_path)
    url = make_url(postgres_url)
    role = f"app_{url.database}"
    engine = connect(postgres_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'app'"))
    try:
        owner.done("init")
        assert "no role" in owner.refused("invalid-value", "init --app-role nobody_of_that_name")
        assert "superuser" in owner.refused("invalid-value", f"init --app-role {url.username}")
        owner.done(f"init --app-role {role}")
        owner.done(f"init --app-role {role}")
        theirs = url.set(username=role, password="app").render_as_string(hide_password=False)
        application = Pbledger(theirs, tmp_path)
        application.done("--as ann import-caseload", str(application.caseload()))
        application.done("--as bob payees verify --all")
        application.done("--as ann cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02")
        application.done(f"--as bob cycle approve C1 {application.stated()}")
        application.done("--as cat cycle issue C1 --effective-on 2026-03-30")
        application.done("catch-up")
        application.done("rebuild")
        application.done("verify")
        restricted = connect(theirs)
        for change in ("UPDATE stored_events SET topic = ''", "DELETE FROM stored_events",
                       "TRUNCATE stored_events", "UPDATE people SET recorded_at = ''",
                       "UPDATE bank_files SET sha256 = ''", "DELETE FROM bank_files"):  # fmt: skip
            with (
                restricted.connect() as connection,
                pytest.raises(ProgrammingError, match="permission denied"),
            ):
                connection.execute(text(change))
        restricted.dispose()
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()


def test_made_up_data_is_written_or_piped(pbledger):
    assert pbledger.done("demo-data --budgets 20 --seed 7").encode() == caseload_csv(20, 7)
    path = pbledger.folder / "made-up.csv"
    pbledger.done(f"demo-data --budgets 20 --seed 7 --to {path}")
    assert path.read_bytes() == caseload_csv(20, 7)


# --- in a process of its own --------------------------------------------------------------


def test_as_a_program(tmp_path):
    assert start(["--version"], tmp_path, {}).stdout.startswith("pbledger ")
    told = start(["status"], tmp_path, {})
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("refused: ledger-not-initialised: ")
    assert list(tmp_path.iterdir()) == []
    made = start(["init"], tmp_path, {})
    assert made.returncode == 0, made.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"ledger.db", "ledger.key"}
    answer = start(["status", "--json"], tmp_path, {})
    assert json.loads(answer.stdout)["healthy"]
    nobody = start(["cycle", "cancel", "C1"], tmp_path, {})
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert start(["cycle", "cancel", "C1"], tmp_path, {"LEDGER_ACTING_AS": "ann"}).returncode == 1
    assert "Traceback" not in told.stderr + nobody.stderr


def test_output_that_is_piped_is_plain(tmp_path, sqlite_url):
    Pbledger(sqlite_url, tmp_path).with_cycle()
    environment = {"LEDGER_DATABASE_URL": sqlite_url, "PYTHONIOENCODING": "ascii"}
    shown = start(["cycle", "show", "C1"], tmp_path, environment)
    assert shown.returncode == 0, shown.stderr
    assert "\\xa3" in shown.stdout, "a pound sign that cannot be written is escaped"
    assert re.search(r"[\x1b\r]|[^\x00-\x7f]", shown.stdout) is None


def test_serve_answers_on_this_machine(tmp_path, sqlite_url):
    pbledger = Pbledger(sqlite_url, tmp_path).with_budgets(3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "ledger", "serve", "--port", str(port)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LEDGER_DEVELOPMENT_SIGN_IN": "true",
            **pbledger.environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server did not begin to listen"
            time.sleep(0.05)
        address = f"http://127.0.0.1:{port}"
        asked = urllib.request.Request(
            f"{address}/v1/budgets/PB000001", headers={"X-Acting-As": "ann"}
        )
        with urllib.request.urlopen(asked) as answer:
            assert json.load(answer)["reference"] == "PB000001"
        with urllib.request.urlopen(address) as answer:
            assert b"Sign in" in answer.read()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
