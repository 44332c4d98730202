"""Financial assessments and rates on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pbledger import Pbledger

ADA = """
date_of_birth = {born}
household = "single"

[[income]]
kind = "state_pension"
amount = "286.30"

[[income]]
kind = "attendance_allowance"
amount = "114.60"

[[capital]]
kind = "savings"
amount = "18250.00"

[[housing]]
kind = "council_tax"
amount = "18.00"

[[disability_costs]]
kind = "laundry"
amount = "14.50"
"""
ROW = (
    "PB1,R1,Ada Nwosu,1951-03-02,care_act_2014,physical_personal_care,2026-04-06,,2026-1,"
    "2026-03-20,personal_care,social_care,direct_payment,310.00,,2026-04-06,,S4100,100.00,net,"
    "2026-04-06,recipient,Ada Nwosu,99-99-01,90000001,quarterly\n"
)


@pytest.fixture
def pbledger(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pbledger:
    """The program with one budget, of whose £310.00 a week £100.00 is said to be contributed."""
    monkeypatch.chdir(tmp_path)
    made = Pbledger(database_url, tmp_path)
    made.done("init")
    header = made.caseload().read_text(encoding="utf-8").partition("\n")[0]
    Path("caseload.csv").write_text(f"{header}\n{ROW}", encoding="utf-8")
    made.done("--as ann import-caseload caseload.csv")
    made.done("--as bob payees verify --all")
    Path("ada.toml").write_text(ADA.format(born="1951-03-02"), encoding="utf-8")
    return made


RECORD = "--as ann assessment record PB1 ada.toml --from 2026-04-20 --decided-on 2026-04-27"


def test_it_is_worked_out_line_by_line_and_recorded_nowhere(pbledger):
    shown = pbledger.done("assessment work-out ada.toml --on 2026-04-20 --weekly-cost 120.00")
    for words in ("State Pension", "£16.00", "not confirmed", "-£241.45", "£120.00"):
        assert words in shown
    worked = pbledger.json("assessment work-out ada.toml --on 2026-04-20")
    assert worked["assessed"]["weekly_pence"] == 14_295
    assert sum(line["weekly_pence"] for line in worked["assessed"]["lines"]) == 14_295


def test_it_is_tried_recorded_listed_and_explained(pbledger):
    cycle = "cycle prepare C1 --from 2026-04-06 --pay-on 2026-04-02"
    pbledger.done(f"--as ann {cycle}")
    pbledger.done(f"--as bob cycle approve C1 {pbledger.stated()}")
    before = pbledger.left_behind()
    tried = pbledger.json(f"{RECORD} --dry-run")
    assert tried["effect"]["total_pence"] == -2 * 4_295
    assert "£85.90 in all is owed by the person." in pbledger.done(f"{RECORD} --dry-run")
    assert pbledger.left_behind() == before

    assert "£142.95 a week from 20 April 2026" in pbledger.done(RECORD)
    assert "Nothing to record" in pbledger.done(RECORD)
    (listed,) = pbledger.json("assessment list PB1")["assessments"]
    assert listed["terms"] == [{"starts_on": "2026-04-20", "weekly_pence": 14_295}]
    assert "FA-20260420-20260427" in pbledger.done("assessment list PB1")

    explained = pbledger.done("assessment explain PB1 --on 2026-04-27")
    assert "From 20 April 2026 you pay £142.95 a week towards your care." in explained
    found = pbledger.json("assessment explain PB1 --on 2026-04-27")
    assert found["explanation"]["charged"]["weekly_pence"] == 14_295
    pbledger.refused("assessment-not-found", "assessment explain PB1 --on 2026-04-19")
    pbledger.refused("no-contribution-assessed", "assessment explain PB1 --on 2026-04-05")
    assert "financial_assessments" not in pbledger.done("verify")


def test_how_arrears_come_back_can_be_said(pbledger):
    pbledger.refused("invalid-value", f"{RECORD} --recovery weekly_cap")
    assert "at most £5.00 a week" in pbledger.done(
        f"{RECORD} --recovery weekly_cap --weekly-cap 5.00 --reference FA-7 --basis gross"
    )
    (listed,) = pbledger.json("assessment list PB1")["assessments"]
    assert (listed["basis"], listed["assessment_reference"]) == ("gross", "FA-7")


@pytest.mark.parametrize(
    ("wrong", "code", "named"),
    [
        (("286.30", "286.3"), "invalid-money", "income[0].amount"),
        (('"286.30"', "286.30"), "invalid-money", "income[0].amount"),
        (("laundry", "laundrette"), "invalid-value", "disability_costs[0].kind"),
        (("household", "house_hold"), "facts-unreadable", "house_hold"),
        (("1951-03-02", "1951-03-03"), "date-of-birth-differs", "date_of_birth"),
        (("[[income]]", "[[income"), "facts-unreadable", "line"),
    ],
)
def test_a_file_with_a_fault_is_refused_and_the_fault_named(pbledger, wrong, code, named):
    text = Path("ada.toml").read_text(encoding="utf-8")
    assert wrong[0] in text
    Path("ada.toml").write_text(text.replace(*wrong), encoding="utf-8")
    assert named in pbledger.refused(code, RECORD)
    assert named in pbledger.refused(code, f"{RECORD} --dry-run")


def test_a_council_puts_in_its_own_figures(pbledger):
    council = Path("rates.toml")
    council.write_text(
        '["2026/27".standard_disability_related_expenditure]\n'
        'amount = "20.00"\nsource = "Cabinet, March 2026"\n',
        encoding="utf-8",
    )
    pbledger.environment["LEDGER_RATES_FILE"] = str(council)
    worked = pbledger.json("assessment work-out ada.toml --on 2026-04-20")
    assert worked["assessed"]["weekly_pence"] == 14_295 - 550
    assert "Cabinet, March 2026" in pbledger.done("rates show --on 2026-04-20")
    council.write_text('["2026/27".shoe_allowance]\namount = "1.00"\n', encoding="utf-8")
    assert "shoe_allowance" in pbledger.refused(
        "rates-unreadable", "assessment work-out ada.toml --on 2026-04-20"
    )


def test_any_command_can_be_tried(pbledger):
    revise = (
        "--as ann budget revise-allocation PB1 --line-reference personal_care.social_care "
        "--weekly 338.50 --effective-on 2026-04-22 --dry-run"
    )
    before = pbledger.left_behind()
    assert "Nothing was recorded." in pbledger.done(revise)
    tried = pbledger.json(revise)
    assert tried["dry_run"] is True
    assert tried["effect"]["weekly_was"]["gross_pence"] == 31_000
    assert tried["effect"]["weekly_now"][0]["gross_pence"] == 33_850
    assert pbledger.left_behind() == before
    pbledger.refused("budget-not-found", revise.replace("PB1", "PB2"))


def test_who_pays_the_full_cost_is_not_shown_as_paying_nothing(pbledger):
    text = Path("ada.toml").read_text(encoding="utf-8")
    Path("ada.toml").write_text(text.replace("18250.00", "23250.01"), encoding="utf-8")
    assert "at most the full cost" in pbledger.done(RECORD)
    shown = pbledger.done("budget show PB1 --on 2026-04-20")
    assert "the full cost, net, from 2026-04-20" in shown
