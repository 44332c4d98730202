"""Mass changes on the command line: prepared, looked at, approved by someone else, applied."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Ledger
from tests.main_job import settings_for, tell_budget
from tests.mass_change import assess, budgets, pb
from tests.pbledger import Pbledger, at_a_terminal

PREPARE = (
    "change prepare APR26 --kind reassess --from 2026-04-06 --decided-on 2026-03-20 "
    "--uprate state_pension=4.8 --uprate attendance_allowance=3.8"
)


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """Four budgets: three people assessed here, one contribution only stated."""
    monkeypatch.chdir(tmp_path)
    made = Pbledger(database_url, tmp_path)
    made.done("init")
    with Ledger(settings_for(database_url, tmp_path)) as ledger:
        budgets(ledger, 4)
        for number in (1, 2, 3):
            assess(ledger, number)
    return made


def stated(seen: dict[str, Any]) -> str:
    """The options that state what an approver looked at."""
    pence = seen["totals"]["now_pence"]
    return f"--total {pence // 100}.{pence % 100:02d} --lines-sha256 {seen['lines_sha256'][:12]}"


def test_an_april_uplift_from_start_to_end(pbledger):
    before = pbledger.left_behind()
    tried = pbledger.json(f"--as petra {PREPARE} --dry-run")
    assert "nothing was recorded" in pbledger.done(f"--as petra {PREPARE} --dry-run")
    assert pbledger.left_behind() == before
    assert [line["outcome"] for line in tried["lines"]] == ["changed"] * 3 + ["held"]

    shown = pbledger.done(f"--as petra {PREPARE}")
    assert "assess again, uprating state pension 4.80%, attendance allowance 3.80%" in shown
    assert "The contribution was stated without a financial assessment held here." in shown
    seen = pbledger.json("change show APR26")
    assert seen["lines_sha256"] == tried["lines_sha256"]
    assert (seen["totals"]["was_pence"], seen["totals"]["now_pence"]) == (3 * 9_855, 3 * 11_377)
    assert (seen["held"], seen["moved_on"]) == ({"stated": 1}, [])

    pbledger.refused("mass-change-already-decided", "--as otto change apply APR26")
    approve = f"change approve APR26 {stated(seen)}"
    pbledger.refused("approver-prepared-mass-change", f"--as petra {approve}")
    other = approve.replace("--total 341.31", "--total 341.32")
    assert other != approve
    pbledger.refused("mass-change-differs-from-seen", f"--as anil {other}")
    assert "APR26 is approved: 3 budget(s), £341.31" in pbledger.done(f"--as anil {approve}")
    assert "3 changed, 0 passed over" in pbledger.done("--as otto change apply APR26")
    again = pbledger.json("--as otto change apply APR26")
    assert (again["status"], again["applied_count"]) == ("applied", 3)
    (row,) = pbledger.json("change list")["changes"]
    assert (row["status"], row["applied_count"], row["approved_by"]) == ("applied", 3, "anil")
    assert "APR26" in pbledger.done("change list")
    assert "every read table" in pbledger.done("verify")


def test_the_difference_report_has_the_biggest_first(pbledger, tmp_path):
    with Ledger(settings_for(pbledger.database_url, tmp_path)) as ledger:
        tell_budget(ledger, pb(2), "revise_allocation", weekly_pence=1_000,
                    line_reference="personal_care.social_care", effective_on=ledger.budget(
                        pb(2)).contributions[0].starts_on)  # fmt: skip
    pbledger.done(f"--as petra {PREPARE}")
    lines = pbledger.json("change lines APR26")["lines"]
    assert [line["budget_reference"] for line in lines] == [pb(1), pb(3), pb(2), pb(4)]
    table = pbledger.done("change lines APR26")
    assert "PB000001" in table
    assert "£15.22" in table
    held = pbledger.json("change lines APR26 --outcome held")["lines"]
    assert [(line["budget_reference"], line["reason"]) for line in held] == [(pb(4), "stated")]
    rows = list(csv.DictReader(pbledger.done("change lines APR26 --csv -").splitlines()))
    assert rows[0] == {
        "budget": pb(1),
        "was_pounds": "98.55",
        "now_pounds": "113.77",
        "difference_pounds": "15.22",
        "put_right_pounds": "0.00",
        "outcome": "changed",
        "reason": "",
    }
    file = tmp_path / "report.csv"
    assert "Written to" in pbledger.done(f"change lines APR26 --csv {file}")
    assert len(file.read_text("utf-8-sig").splitlines()) == 5


def test_who_was_passed_over_is_listed_with_the_reason(pbledger, tmp_path):
    pbledger.done(f"--as petra {PREPARE}")
    with Ledger(settings_for(pbledger.database_url, tmp_path)) as ledger:
        assess(ledger, 2, day=ledger.budget(pb(2)).contributions[-1].starts_on,
               assessment_reference="FA-OTHER")  # fmt: skip
    assert pbledger.json("change show APR26")["moved_on"] == [pb(2)]
    assert "1 budget(s) moved on since" in pbledger.done("change show APR26")
    pbledger.done(f"--as anil change approve APR26 {stated(pbledger.json('change show APR26'))}")
    said = pbledger.done("--as otto change apply APR26")
    assert "2 changed, 1 passed over" in said
    assert "change lines APR26 --outcome skipped" in said
    (line,) = pbledger.json("change lines APR26 --outcome skipped")["lines"]
    assert (line["budget_reference"], line["reason"]) == (pb(2), "already_uprated")


def test_an_uplift_and_an_invoice_run(pbledger):
    pbledger.done(
        "--as petra change prepare UP26 --kind uplift --from 2026-04-06 --percent 3.2 "
        "--funding-stream social_care --deployment direct_payment --decided-on 2026-03-20"
    )
    seen = pbledger.json("change show UP26")
    assert seen["totals"]["rises_pence"] == 4 * 992
    shown = pbledger.done("change show UP26")
    assert "raise allocations by 3.20% (social care, direct payment)" in shown
    invoices = "--as petra change prepare INV1 --kind invoice --from 2026-03-09 --to 2026-04-05"
    assert "invoice contributions for 2026-03-09 to 2026-04-05" in pbledger.done(invoices)
    approve = f"--as anil change approve INV1 {stated(pbledger.json('change show INV1'))}"
    pbledger.refused("mass-change-is-empty", approve)


def test_a_rejected_change_is_prepared_again(pbledger):
    pbledger.done(f"--as petra {PREPARE}")
    rejected = pbledger.done("--as anil change reject APR26 --reason wrong_date")
    assert "APR26 is rejected" in rejected
    assert pbledger.json(f"--as petra {PREPARE}")["status"] == "prepared"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--uprate state_pension", "KIND=PERCENT"),
        ("--uprate state_pension=4.805", "not a percentage"),
        ("--uprate state_pension=NaN", "not a percentage"),
        ("--percent lots", "not a percentage"),
        ("--recovery later", "not one of"),
    ],
)
def test_what_is_typed_wrong_is_a_usage_error(pbledger, more, said):
    assert said in pbledger.misused(
        f"--as petra change prepare X --kind reassess --from 2026-04-06 {more}"
    )


def test_what_does_not_belong_together_is_refused(pbledger):
    prepare = "--as petra change prepare X --from 2026-04-06 --kind"
    pbledger.refused("invalid-value", f"{prepare} uplift")
    pbledger.refused("invalid-value", f"{prepare} invoice")
    pbledger.refused("invalid-value", f"{prepare} reassess --percent 3.2")
    pbledger.refused("invalid-value", f"{prepare} reassess --uprate nothing=3.2")
    pbledger.refused("budget-not-found", f"{prepare} reassess --release PB999999")
    pbledger.refused("mass-change-not-found", "change show NONE")


def test_a_person_at_a_terminal_is_shown_the_change_and_asked(pbledger):
    pbledger.done(f"--as petra {PREPARE}")
    assert "State what you looked at" in pbledger.misused("--as anil change approve APR26")
    said = at_a_terminal(["--as", "anil", "change", "approve", "APR26"], pbledger, answer="n")
    assert "Not approved" in said
    said = at_a_terminal(["--as", "anil", "change", "approve", "APR26"], pbledger, answer="y")
    assert "APR26 is approved" in said


def test_every_step_can_be_tried_first(pbledger):
    pbledger.done(f"--as petra {PREPARE}")
    approve = f"change approve APR26 {stated(pbledger.json('change show APR26'))}"
    before = pbledger.left_behind()
    pbledger.refused("approver-prepared-mass-change", f"--as petra {approve} --dry-run")
    for typed in (f"{approve} --dry-run", "change reject APR26 --reason wrong_date --dry-run"):
        assert "Nothing was recorded." in pbledger.done(f"--as anil {typed}")
    assert pbledger.left_behind() == before
    pbledger.done(f"--as anil {approve}")
    before = pbledger.left_behind()
    tried = pbledger.json("--as otto change apply APR26 --dry-run")
    assert (tried["dry_run"], tried["status"], tried["applied_count"]) == (True, "applied", 3)
    assert "would be applied: 3 changed" in pbledger.done("--as otto change apply APR26 --dry-run")
    assert pbledger.left_behind() == before
