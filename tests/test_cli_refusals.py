"""What the command line refuses: with the rule's name, and leaving nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pbledger import Pbledger, at_a_terminal

KEY = "0f" * 32


@pytest.fixture
def pbledger(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """The program on SQLite, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Pbledger(sqlite_url, tmp_path)


@pytest.fixture(scope="module")
def a_council(tmp_path_factory: pytest.TempPathFactory) -> Pbledger:
    """A ledger with a cycle, for what leaves nothing behind."""
    folder = tmp_path_factory.mktemp("council")
    return Pbledger(f"sqlite:///{folder / 'ledger.db'}", folder).with_cycle(3)


def test_no_ledger_leaves_no_file(pbledger):
    told = pbledger.refused("ledger-not-initialised", "budget show PB000001")
    assert "pbledger init" in told
    assert list(pbledger.folder.iterdir()) == []


def test_a_ledger_that_lost_its_key_gets_no_new_one(pbledger):
    pbledger.with_budgets(3)
    (pbledger.folder / "ledger.key").unlink()
    pbledger.refused("key-unusable", "init")
    pbledger.refused("key-unusable", "budget show PB000001")


def test_a_key_from_a_vault_needs_no_file(pbledger):
    pbledger.environment["LEDGER_KEY"] = KEY
    assert KEY not in pbledger.refused("key-given-twice", "init")
    del pbledger.environment["LEDGER_KEY_FILE"]
    said = pbledger.with_budgets(3).done("init")
    assert "LEDGER_KEY (keep it safe" in said
    assert pbledger.json("init")["key_file"] is None
    assert not list(pbledger.folder.glob("*.key"))
    assert KEY not in said
    pbledger.environment["LEDGER_KEY"] = KEY[:-1]
    assert KEY[:-1] not in pbledger.refused("key-unusable", "init")


@pytest.mark.parametrize(
    "url", ["mysql://host/ledger", "nonsense", "postgresql://host:port/ledger"]
)
def test_a_database_of_no_known_kind_is_a_usage_error(pbledger, url):
    pbledger.environment["LEDGER_DATABASE_URL"] = url
    result = pbledger.run("status")
    assert result.exit_code == 2
    assert "LEDGER_DATABASE_URL" in result.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/ledger", "sqlite:////no/such/folder/ledger.db"]
)
def test_a_database_that_does_not_answer(pbledger, url):
    pbledger.environment["LEDGER_DATABASE_URL"] = url
    result = pbledger.run("init")
    assert result.exit_code == 1
    assert result.stderr.startswith("refused: store-unavailable: ")
    assert list(pbledger.folder.iterdir()) == []


def test_a_setting_that_cannot_be_read_is_a_usage_error(pbledger):
    pbledger.environment["LEDGER_PORT"] = "eight thousand"
    assert "LEDGER_PORT" in pbledger.misused("status")


WRITES = (
    "import-caseload caseload.csv",
    "payees verify --all",
    "person add R9 --name N --date-of-birth 1950-01-01",
    "budget propose-payee PB000001 --payee-type recipient --account-name N --sort-code 200000 "
    "--account-number 12345678",
    "budget sign-agreement PB000001 --template-version 2025-1",
    "cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-01",
    "cycle approve C1 --total 1.00 --lines-sha256 0123456789ab",
    "cycle reject C1 --reason other",
    "cycle cancel C1",
    "cycle issue C1",
    "cycle settle C1",
)


def test_a_write_is_always_under_a_name(pbledger):
    pbledger.with_cycle(3)
    for typed in WRITES:
        assert "LEDGER_ACTING_AS" in pbledger.misused(typed), typed
    for name in ("", "   ", "a\x07b", "x" * 101):
        pbledger.misused(f"{WRITES[4]} --as", name)
    pbledger.environment["LEDGER_ACTING_AS"] = "ann of finance"
    pbledger.done(WRITES[4])
    events = pbledger.json("budget history PB000001")["events"]
    assert events[-1]["event"]["recorded_by"] == "ann of finance"


def test_a_bad_caseload_lists_every_fault(pbledger):
    pbledger.done("init")
    path = pbledger.caseload(5)
    rows = path.read_text().splitlines()
    rows[1] = rows[1].replace("care_act_2014", "care_act_1066")
    rows[2] = rows[2].replace("2026-04-18", "2026-04-31")
    path.write_text("\n".join(rows))
    told = pbledger.refused("caseload-refused", "--as ann import-caseload", str(path))
    assert "4 faults" in told
    table = [line.split()[:2] for line in told.splitlines() if line.startswith("     ")]
    assert table == [
        ["2", "legal_basis"],
        ["3", "start_date"],
        ["3", "line_start_date"],
        ["3", "contribution_from"],
    ]
    result = pbledger.run("--json --as ann import-caseload", str(path))
    problem = json.loads(result.stderr)
    assert (result.exit_code, problem["code"]) == (1, "caseload-refused")
    assert {fault["line"] for fault in problem["faults"]} == {2, 3}
    assert pbledger.misused("--as ann import-caseload", "no-such-file.csv")


def test_a_caseload_that_disagrees_lists_every_conflict(pbledger):
    pbledger.with_budgets(5)
    path = pbledger.caseload(5)
    path.write_text(path.read_text().replace("physical_personal_care", "mental_health"))
    told = pbledger.refused("caseload-conflicts", "--as ann import-caseload", str(path))
    assert "PB000001: BudgetOpened is not as in the file" in told


def test_an_approver_states_what_was_looked_at(pbledger):
    pbledger.with_cycle(10)
    seen = pbledger.json("cycle show C1")
    pounds = f"{seen['total_pence'] // 100}.{seen['total_pence'] % 100:02d}"
    whole = seen["lines_sha256"]
    approve = "--as bob cycle approve C1"
    assert "cycle show C1" in pbledger.misused(approve)
    assert "cycle show C1" in pbledger.misused(f"{approve} --total {pounds}")
    pbledger.misused(f"{approve} --total {pounds} --lines-sha256 {whole[:11]}")
    pbledger.misused(f"{approve} --total {pounds} --lines-sha256 {'x' * 12}")
    changed = "cycle-changed-since-seen"
    pbledger.refused(changed, f"{approve} --total {pounds} --lines-sha256 {'0' * 12}")
    pbledger.refused(changed, f"{approve} --total 1.00 --lines-sha256 {whole}")
    pbledger.done(f"{approve} --total {pounds} --lines-sha256 {whole[:12].upper()}")
    pbledger.done(f"{approve} --total {pounds} --lines-sha256 {whole}")


def test_a_person_at_a_terminal_is_shown_the_cycle_and_asked(pbledger):
    pbledger.with_cycle(10)
    said = at_a_terminal(["--as", "bob", "cycle", "approve", "C1"], pbledger, answer="n")
    assert "Hash of the lines" in said
    assert "Not approved; nothing was recorded." in said
    assert pbledger.json("cycle show C1")["status"] == "prepared"
    said = at_a_terminal(["--as", "bob", "cycle", "approve", "C1"], pbledger, answer="y")
    assert "C1 is approved" in said
    assert pbledger.json("cycle show C1")["status"] == "approved"


def test_a_budget_that_moved_on(pbledger):
    pbledger.with_budgets(3)
    version = pbledger.json("budget show PB000001")["version"]
    sign = "--as ann budget sign-agreement PB000001 --template-version 2026-1 --expected-version"
    pbledger.refused("version-conflict", f"{sign} {version - 1}")
    pbledger.done(f"{sign} {version}")


@pytest.mark.parametrize(
    ("code", "typed"),
    [
        ("budget-not-found", "budget show PB999999"),
        ("budget-not-found", "budget history PB999999"),
        ("budget-not-found", "budget balance PB999999"),
        ("budget-not-found", "budget show PB000001 --known-at 2020-01-01"),
        ("budget-not-found", "--as ann budget close PB999999 --reason-code died"),
        ("budget-not-found", "--as ann payees verify --budget PB999999"),
        ("cycle-not-found", "cycle show C9"),
        ("cycle-not-found", "cycle totals C9"),
        ("cycle-not-issued", "--as cat cycle file C1 --to out.bacs"),
        ("invalid-value", "--as ann cycle prepare ../C9 --from 2026-04-06 --pay-on 2026-04-02"),
        (
            "invalid-value",
            "--as ann budget open pb1 --recipient-reference R000001 "
            "--legal-basis care_act_2014 --primary-support-reason mental_health",
        ),
        ("invalid-value", "--as ann person add r/x! --name N --date-of-birth 1950-01-01"),
        (
            "pay-date-not-working-day",
            "--as ann cycle prepare C2 --from 2026-05-04 --pay-on 2026-05-03",
        ),
        (
            "invalid-period",
            "--as ann budget request-spend-return PB000001 --return-reference R1 "
            "--from 2026-05-04 --to 2026-05-03 --due-on 2026-06-01",
        ),
    ],
)
def test_a_refusal_names_its_rule(a_council, monkeypatch, code, typed):
    monkeypatch.chdir(a_council.folder)
    a_council.refused(code, typed)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nonsense",
        "budget show PB000001 --on 2026-02-30",
        "budget show PB000001 --on 06/04/2026",
        "budget show PB000001 --known-at yesterday",
        "--as ann budget assess-contribution PB000001 --basis net --weekly 1.005",
        "--as ann budget assess-contribution PB000001 --basis net --weekly -1.00",
        "--as ann budget assess-contribution PB000001 --basis sideways --weekly 1.00",
        "--as ann budget assess-contribution PB000001 --basis net",
        "--as ann budget agree-allocation PB000001 --line need=care",
        "--as ann budget agree-allocation PB000001 --line care",
        "--as ann budget agree-allocation PB000001 --line need=care,need=care",
        "--as ann budget agree-allocation PB000001 --line need=a,funding_stream=b,colour=red,"
        "deployment=direct_payment,from=2026-04-06,weekly=1.00",
        "--as ann budget agree-allocation PB000001 --line need=a,funding_stream=b,"
        "deployment=by_post,from=2026-04-06,weekly=1.00",
        "--as ann budget agree-allocation PB000001 --line need=a,funding_stream=b,"
        "deployment=direct_payment,from=2026-04-31,weekly=1.00",
        "cycle exceptions C1 --code nonsense",
        "--as ann payees verify",
        "--as ann payees verify --all --budget PB000001",
        "demo-data --budgets 0",
        "serve --host 0.0.0.0",
        "serve --host example.org",
        "--as",
    ],
)
def test_a_usage_error_says_which_and_does_nothing(a_council, typed):
    assert "Error: " in a_council.misused(typed) or typed == ""


def test_an_argument_that_is_not_text(pbledger):
    assert "UTF-8" in pbledger.misused("budget show", "\udcff")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_recorded(pbledger):
    pbledger.with_cycle(3)
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    issue = "--as cat cycle issue C1 --effective-on 2026-03-30 --folder"
    pbledger.refused("file-unusable", f"{issue} {pbledger.folder / 'caseload.csv' / 'x'}")
    pbledger.refused("file-unusable", f"{issue} /proc/nowhere")
    assert pbledger.json("cycle show C1")["status"] == "approved"


def test_a_refusal_as_json_is_a_problem_on_stderr(pbledger):
    pbledger.with_cycle(3)
    result = pbledger.run(f"--as ann cycle approve C1 {pbledger.stated()} --json")
    problem = json.loads(result.stderr)
    assert (result.exit_code, result.stdout) == (1, "")
    assert problem["type"] == "urn:pbledger:refusal:approver-prepared-cycle"
    assert problem["status"] == 403
    assert problem["detail"] == "ann prepared C1."


def test_the_global_options_may_stand_anywhere(pbledger):
    pbledger.with_budgets(3)
    for typed in (
        "--as ann --json budget sign-agreement PB000001 --template-version 2026-1",
        "budget --as=ann sign-agreement PB000001 --json --template-version 2026-2",
        "budget sign-agreement PB000001 --template-version 2026-3 --as ann --json",
    ):
        assert json.loads(pbledger.done(typed))["reference"] == "PB000001"


def test_stopped_read_tables_are_shown_and_end_with_1(pbledger):
    from sqlalchemy import text

    from ledger.database import connect

    pbledger.with_budgets(3)
    engine = connect(pbledger.database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
                "VALUES ('00', 1, 'nobody.knows.v1', '{}')"
            )
        )
    engine.dispose()
    pbledger.refused("projection-stopped", "catch-up")
    result = pbledger.run("status")
    assert result.exit_code == 1
    assert "Stopped at event" in result.stdout
    result = pbledger.run("verify")
    assert result.exit_code == 1
    assert "cannot be read" in result.stdout
