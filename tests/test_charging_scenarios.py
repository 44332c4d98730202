"""Every scenario in tests/scenarios/charging comes to the contribution it states."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from ledger.charging.assessment import assess, charge, explanation
from ledger.charging.facts import facts_from_toml, require_sound
from ledger.charging.rate_book import load_rates
from ledger.money import parse_pounds

FOLDER = Path(__file__).parent / "scenarios" / "charging"
FIELDS = {
    "title", "on", "weekly_cost", "contribution", "outcome", "legal_basis", "council", "lines",
    "facts",
}  # fmt: skip


def signed(text: str) -> int:
    return -parse_pounds(text[1:]) if text.startswith("-") else parse_pounds(text)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_a_scenario(path, tmp_path):
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    assert case.keys() <= FIELDS, "a field that no scenario has"
    council_file = None
    if "council" in case:
        council_file = tmp_path / "rates.toml"
        council_file.write_text(case["council"], encoding="utf-8")
    facts = facts_from_toml(case["facts"])
    require_sound(facts, case["on"])
    basis = case.get("legal_basis", "care_act_2014")
    assessed = assess(facts, load_rates(council_file), case["on"], legal_basis=basis)
    charged = charge(assessed, parse_pounds(case["weekly_cost"]))

    assert charged.weekly_pence == parse_pounds(case["contribution"]), charged.lines
    assert sum(line.weekly_pence for line in charged.lines) == charged.weekly_pence
    assert sum(line.weekly_pence for line in assessed.lines) == assessed.weekly_pence
    if "outcome" in case:
        assert assessed.outcome == case["outcome"]
    by_rule: defaultdict[str, int] = defaultdict(int)
    for line in charged.lines:
        by_rule[line.rule] += line.weekly_pence
    wanted = {rule: signed(text) for rule, text in case.get("lines", {}).items()}
    assert {rule: by_rule[rule] for rule in wanted if rule in by_rule} == wanted
    assert explanation(assessed, charged)


def test_there_are_scenarios():
    assert len(list(FOLDER.glob("*.toml"))) >= 20
