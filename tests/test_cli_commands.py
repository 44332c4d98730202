"""The verbs made from the budget's commands: every one is there, documented and typed."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.cli.parameters import parse_line, parse_moment
from ledger.commands import BUDGET_COMMANDS
from ledger.terms import AllocationTerm
from tests.given import on

NOUNS = {
    "": ["init", "status", "catch-up", "rebuild", "verify", "serve", "demo-data",
         "import-caseload", "import-assessments", "payees", "person", "budget", "cycle", "letters",
         "reports", "suspense", "refused-requests", "users"],
    "users": ["set", "list", "history"],
    "payees": ["verify", "check", "look", "looks"],
    "person": ["add", "contact"],
    "letters": ["list", "show", "send", "retry"],
    "reports": ["import", "list", "queue", "match", "dismiss", "file"],
    "budget": ["show", "history", "balance", "statement", "list", "propose-payee",
               "check-payee", *BUDGET_COMMANDS],
    "cycle": ["prepare", "show", "lines", "exceptions", "approve", "reject", "cancel", "issue",
              "file", "settle", "list", "totals", "advices"],
    "change": ["prepare", "show", "lines", "approve", "reject", "apply", "list"],
}  # fmt: skip


def help_of(*verb: str) -> str:
    result = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("noun", NOUNS)
def test_every_verb_is_listed_and_documented(noun):
    listed = help_of(*noun.split())
    for verb in NOUNS[noun]:
        assert f"\n  {verb} " in listed, verb
        first = help_of(*noun.split(), verb).split("\n\n")[1].strip()
        assert first.endswith("."), f"{noun} {verb} says nothing of itself"


@pytest.mark.parametrize("name", BUDGET_COMMANDS)
def test_every_command_says_what_its_method_says(name):
    shown = " ".join(help_of("budget", name).split())
    summary = BUDGET_COMMANDS[name].summary
    for argument in ("effective_on", "arrears_due"):
        summary = summary.replace(f"`{argument}`", f"--{argument.replace('_', '-')}")
    assert summary in shown
    for option in ("--effective-on DATE", "--expected-version N"):
        assert option in shown


def test_arguments_become_options_of_their_kind():
    shown = help_of("budget", "suspend-payments")
    assert "--retainer-weekly POUNDS" in shown, "pence are typed as pounds"
    assert "hospital_stay|care_home_stay" in shown, "a code is one of a list"
    assert "--review-on DATE" in shown
    assert "--arrears-due / --no-arrears-due" in help_of("budget", "resume-payments")
    asked = help_of("budget", "request-spend-return")
    assert "--from DATE" in asked
    assert "--to DATE" in asked
    assert "--line-reference TEXT" in help_of("budget", "switch-to-provided-services")
    assert "--line LINE" in help_of("budget", "agree-allocation")
    resumed = help_of("budget", "resume-direct-payment")
    assert "--deployment <direct_payment|managed_account>" in " ".join(resumed.split())


def test_an_allocation_line_as_it_is_typed():
    line = "need=personal_care,funding_stream=social_care,deployment=direct_payment"
    assert parse_line(f"{line},weekly=310.00,from=2026-04-06,cost_centre=S1") == AllocationTerm(
        line_reference="personal_care.social_care",
        need="personal_care",
        funding_stream="social_care",
        deployment="direct_payment",
        starts_on=on("04-06"),
        weekly_pence=31_000,
        cost_centre="S1",
    )
    whole = parse_line(
        f"{line}, one_off = £1,200 ,from=2026-04-06".replace("£1,200", "1200")
        + ",to=2026-05-03,line=L2,chargeable=no"
    )
    assert (whole.line_reference, whole.one_off_pence, whole.weekly_pence) == ("L2", 120_000, 0)
    assert (whole.ends_on, whole.chargeable) == (on("05-03"), False)


def test_what_is_free_in_law_is_not_decided_where_it_is_typed():
    """The budget does: no contribution is set against it whatever is asked."""
    line = "need=a,funding_stream=nhs,deployment=direct_payment,weekly=1.00,from=2026-04-06"
    assert parse_line(line).chargeable
    assert not parse_line(f"{line},chargeable=no").chargeable


def test_a_moment_as_it_is_typed():
    assert parse_moment("2026-04-30T17:00").isoformat() == "2026-04-30T17:00:00+00:00"
    assert parse_moment("2026-04-30T18:00+01:00") == parse_moment("2026-04-30T17:00Z")
    assert parse_moment("2026-04-30").isoformat() == "2026-04-30T23:59:59.999999+00:00"
