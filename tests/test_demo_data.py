"""The made-up caseload is the same for the same seed, varied, and readable."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

from ledger import caseload_columns
from ledger.caseload import read_caseload
from ledger.demo_data import caseload_csv

EXAMPLE = Path(__file__).parents[1] / "examples" / "caseload.csv"


def test_the_example_file_is_what_the_generator_gives() -> None:
    assert EXAMPLE.read_bytes() == caseload_csv(250, seed=1)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    assert caseload_csv(20, seed=7) == caseload_csv(20, seed=7) != caseload_csv(20, seed=8)


def test_any_seed_is_readable() -> None:
    for seed in range(12):
        budgets = read_caseload(caseload_csv(150, seed)).budgets
        assert [budget.budget_reference for budget in budgets[:2]] == ["PB000001", "PB000002"]
        assert len(budgets) == 150


def test_the_example_is_varied() -> None:
    budgets = read_caseload(EXAMPLE.read_bytes()).budgets
    lines = [line for budget in budgets for line in budget.lines]
    assert {budget.legal_basis for budget in budgets} == set(caseload_columns.LEGAL_BASES)
    assert {budget.payee_type for budget in budgets} == set(caseload_columns.PAYEE_TYPES)
    assert {line.deployment for line in lines} == set(caseload_columns.DEPLOYMENTS)
    assert {line.funding_stream for line in lines} == {"social_care", "nhs", "joint"}
    assert {budget.contribution_basis for budget in budgets} == {"net", "gross"}
    assert all(4_000 <= line.weekly_pence <= 93_600 for line in lines if line.weekly_pence)
    assert sum(line.one_off_pence is not None for line in lines) > 5
    assert sum(line.cost_centre is None for line in lines) > 2
    assert sum(line.line_reference.endswith(".2") for line in lines) > 5
    in_period = [b for b in budgets if b.starts_on >= date(2026, 4, 6)]
    assert 2 < len(in_period) < 25
    assert all(budget.paid_to is None for budget in in_period)
    assert sum(budget.paid_to == date(2026, 4, 5) for budget in budgets) > 200
    assert any(not budget.recipient_name.isascii() for budget in budgets)
    assert any("'" in budget.recipient_name for budget in budgets)


def test_some_pay_nothing_and_some_the_full_cost() -> None:
    budgets = read_caseload(EXAMPLE.read_bytes()).budgets
    weekly = [sum(line.weekly_pence or 0 for line in b.lines if not line.ends_on) for b in budgets]
    contributions = [budget.contribution_weekly_pence for budget in budgets]
    assert sum(pays >= cost > 0 for pays, cost in zip(contributions, weekly, strict=True)) > 2
    assert sum(budget.contribution_weekly_pence == 0 for budget in budgets) > 50


def test_some_pairs_share_an_account_and_none_could_be_real() -> None:
    budgets = read_caseload(EXAMPLE.read_bytes()).budgets
    own = Counter(b.account_number for b in budgets if b.payee_type != "managed_account")
    assert sum(times == 2 for times in own.values()) > 3
    assert all(b.sort_code[:4] == "9999" and b.account_number[0] == "9" for b in budgets)
