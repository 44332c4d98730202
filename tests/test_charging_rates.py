"""The rates: the right figure on the right day, honest about itself, or refused by name."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.rates_page import COUNCIL_FILE_EXAMPLE
from ledger.charging.figures import KEYS, STATUSES
from ledger.charging.rate_book import check, load_rates
from ledger.cli import app
from ledger.errors import RatesMissing, RatesUnreadable
from ledger.money import divide_half_up, parse_pounds

RATES = load_rates()
ESTIMATES = {"derived", "not_found"}


@pytest.fixture
def council_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "council.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# --- the figures --------------------------------------------------------------------------------


def test_every_year_has_every_figure_with_its_source_and_standing():
    assert RATES.years == ("2023/24", "2024/25", "2025/26", "2026/27")
    assert RATES.last_year == "2026/27"
    for key in KEYS:
        assert [rate.year for rate in RATES.rates[key]] == list(RATES.years)
        for rate in RATES.rates[key]:
            assert rate.source
            assert rate.status in STATUSES
            assert bool(rate.note) or rate.status not in ESTIMATES | {"unconfirmed"}
            if rate.status in ESTIMATES:
                assert rate.note.startswith("Not an official figure. Reckoned: ")


@pytest.mark.parametrize(
    ("key", "amounts"),
    [
        ("mig_single_18_to_24", ("82.15", "87.65", "89.15", "95.40")),
        ("mig_single_25_to_pension_age", ("103.65", "110.60", "112.50", "120.40")),
        ("mig_single_pension_age", ("214.35", "228.70", "232.60", "241.45")),
        ("disability_premium_single", (None, None, "49.65", "53.15")),
        ("enhanced_disability_premium_single", (None, None, "24.25", "25.95")),
        ("carer_premium", ("49.05", "52.35", None, None)),
        ("mig_child", ("94.90", "101.25", None, None)),
        ("capital_lower_limit", ("14250.00",) * 4),
        ("capital_upper_limit", ("23250.00",) * 4),
    ],
)
def test_figures_that_were_published(key, amounts):
    for rate, amount in zip(RATES.rates[key], amounts, strict=True):
        if amount is None:
            assert rate.status in ESTIMATES
        else:
            assert rate.value == parse_pounds(amount)
            assert rate.status != "not_found"


PERCENTS = {"2022/23": "3", "2023/24": "10.1", "2024/25": "6.7", "2025/26": "1.7"}


def test_an_estimate_is_what_its_note_says():
    """From the amount named first, each percentage in turn, each to the nearest 5p."""
    estimates = [r for line in RATES.rates.values() for r in line if r.status in ESTIMATES]
    assert len(estimates) > 20
    for rate in estimates:
        first = re.search(r"£(\d+\.\d\d) in \d{4}/\d\d", rate.note)
        assert first, rate
        pence = parse_pounds(first[1])
        for percent in re.findall(r"\+ (\d+(?:\.\d)?)%", rate.note):
            tenths = int(percent) * 10 if "." not in percent else int(percent.replace(".", ""))
            pence = divide_half_up(pence * (1000 + tenths), 5000) * 5
        assert pence == rate.value, rate


def test_the_same_reckoning_gives_figures_that_were_published():
    """So an estimate is likely to be right, though not official."""
    for key in ("mig_single_18_to_24", "mig_single_25_to_pension_age", "mig_single_pension_age"):
        last = "3.8" if key == "mig_single_pension_age" else "7"
        steps = ("6.7", "1.7", last)
        for (before, after), percent in zip(pairwise(RATES.rates[key]), steps, strict=True):
            tenths = int(percent) * 10 if "." not in percent else int(percent.replace(".", ""))
            assert divide_half_up(before.value * (1000 + tenths), 5000) * 5 == after.value


# --- days ---------------------------------------------------------------------------------------


def test_each_figure_goes_by_its_own_date():
    third = date(2026, 4, 3)
    assert RATES.on("mig_single_pension_age", third).year == "2025/26"
    assert RATES.on("capital_upper_limit", third).year == "2026/27"
    assert RATES.on("mig_single_pension_age", date(2026, 4, 6)).year == "2026/27"
    assert RATES.on("mig_single_pension_age", date(2027, 4, 5)).year == "2026/27"


def test_every_figure_in_force_on_a_day_is_the_one_of_its_own_date():
    day = RATES.first_day
    while day <= RATES.last_day:
        assert RATES.in_force(day) == {key: RATES.on(key, day) for key in KEYS}
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("key", "day", "year"),
    [
        ("mig_child", date(2023, 4, 5), "2022/23"),
        ("minimum_charge", date(2023, 3, 31), "2022/23"),
        ("minimum_charge", date(2027, 4, 1), "2027/28"),
        ("mig_child", date(2027, 4, 6), "2027/28"),
        ("mig_child", date(2031, 1, 1), "2030/31"),
    ],
)
def test_a_day_without_rates_is_refused_naming_the_year(key, day, year):
    with pytest.raises(RatesMissing, match=year) as refused:
        RATES.on(key, day)
    assert refused.value.details["year"] == year


def test_days_on_which_a_figure_changes():
    whole = RATES.boundaries(date(2025, 4, 1), date(2026, 4, 6))
    assert whole == [date(2025, 4, 6), date(2026, 4, 1), date(2026, 4, 6)]
    assert RATES.boundaries(date(2026, 4, 7), date(2027, 3, 31)) == []


def test_the_benefits_week_starts_on_the_monday_on_or_after_6_april():
    folder = files("ledger.charging") / "rates"
    mondays = {
        tomllib.loads(path.read_text(encoding="utf-8"))["benefits_from"]
        for path in folder.iterdir()
    }
    assert mondays == {date(2023, 4, 10), date(2024, 4, 8), date(2025, 4, 7), date(2026, 4, 6)}
    assert {day.weekday() for day in mondays} == {0}


# --- the council's own file ---------------------------------------------------------------------


def test_a_councils_figure_stands_in_place_of_the_packages(council_file):
    path = council_file(COUNCIL_FILE_EXAMPLE)
    book = load_rates(path)
    on = date(2026, 5, 1)
    standard = book.on("standard_disability_related_expenditure", on)
    assert (standard.value, standard.status) == (1085, "local")
    assert book.on("percentage_of_maximum", on).value == 85
    guarantee = book.on("mig_single_25_to_pension_age", on)
    assert (guarantee.value, guarantee.status) == (12040, "confirmed")
    assert guarantee.starts_on == date(2026, 4, 6)
    assert book.on("minimum_charge", date(2026, 3, 31)).value == 0
    assert len(check(path)) == len(check()) - 1
    assert RATES.on("minimum_charge", on).value == 0


def test_a_councils_figure_may_take_effect_on_another_of_the_three_dates(council_file):
    path = council_file(
        '["2026/27".mig_top_up]\namount = "5.00"\nfrom = "regulations"\nsource = "policy"\n'
    )
    book = load_rates(path)
    assert book.on("mig_top_up", date(2026, 4, 5)).value == 0
    assert book.on("mig_top_up", date(2026, 4, 6)).value == 500


def next_year(**changes: str) -> str:
    fields = {
        "council_year_from": "2027-04-01",
        "regulations_from": "2027-04-06",
        "benefits_from": "2027-04-12",
        **changes,
    }
    parts = ['["2027/28"]', *(f"{name} = {value}" for name, value in fields.items() if value)]
    for rates in RATES.rates.values():
        rate = rates[-1]
        takes_effect = "council" if rate.starts_on.day == 1 else "regulations"
        value = (
            f"percent = {rate.value}"
            if rate.unit == "percent"
            else f'amount = "{rate.shown[1:].replace(",", "")}"'
        )
        parts.append(
            f'["2027/28".{rate.key}]\n{value}\nfrom = "{takes_effect}"\nsource = "circular"'
        )
    return "\n".join(parts)


def test_a_council_may_give_the_whole_of_the_next_year(council_file):
    book = load_rates(council_file(next_year()))
    assert book.last_year == "2027/28"
    assert book.on("mig_child", date(2027, 6, 1)).year == "2027/28"
    assert book.last_day == date(2028, 3, 31)


FIGURE = 'amount = "1.00"\nsource = "policy"\n'


@pytest.mark.parametrize(
    ("text", "year", "key"),
    [
        ("x", "", ""),
        ("x = 1", "", "x"),
        (f'["2031/32".minimum_charge]\n{FIGURE}', "2031/32", ""),
        (f'["2022/23".minimum_charge]\n{FIGURE}', "2022/23", ""),
        (f'["2026/27".maximum_charge]\n{FIGURE}', "2026/27", "maximum_charge"),
        ('["2026/27".minimum_charge]\namount = 1.25\nsource = "p"', "2026/27", "minimum_charge"),
        ('["2026/27".minimum_charge]\namount = 1\nsource = "p"', "2026/27", "minimum_charge"),
        ('["2026/27".minimum_charge]\namount = "-1.00"\nsource = "p"', "2026/27",
         "minimum_charge"),
        ('["2026/27".minimum_charge]\nsource = "p"', "2026/27", "minimum_charge"),
        ('["2026/27".minimum_charge]\npercent = 1\nsource = "p"', "2026/27", "minimum_charge"),
        ('["2026/27".minimum_charge]\namount = "1.00"', "2026/27", "minimum_charge"),
        ('["2026/27".minimum_charge]\namount = "1.00"\nsource = " "', "2026/27",
         "minimum_charge"),
        (f'["2026/27".minimum_charge]\n{FIGURE}status = "sure"', "2026/27", "minimum_charge"),
        (f'["2026/27".minimum_charge]\n{FIGURE}from = "may"', "2026/27", "minimum_charge"),
        (f'["2026/27".minimum_charge]\n{FIGURE}note = 1', "2026/27", "minimum_charge"),
        (f'["2026/27".minimum_charge]\n{FIGURE}colour = "red"', "2026/27", "minimum_charge"),
        ('["2026/27"]\nminimum_charge = "1.00"', "2026/27", "minimum_charge"),
        ('["2026/27".percentage_of_maximum]\npercent = 101\nsource = "p"', "2026/27",
         "percentage_of_maximum"),
        ('["2026/27".percentage_of_maximum]\npercent = 85.5\nsource = "p"', "2026/27",
         "percentage_of_maximum"),
        ('["2026/27".percentage_of_maximum]\npercent = true\nsource = "p"', "2026/27",
         "percentage_of_maximum"),
        ('["2026/27".tariff_income_step]\namount = "0.00"\nsource = "p"', "2026/27",
         "tariff_income_step"),
        (next_year(council_year_from=""), "2027/28", "council_year_from"),
        (next_year(council_year_from='"1 April"'), "2027/28", "council_year_from"),
        (next_year(benefits_from="2026-04-06"), "2027/28", "benefits_from"),
        (next_year().replace('"2027/28".mig_child', '"2026/27".mig_child'), "2027/28",
         "mig_child"),
        (next_year().replace('from = "council"', ""), "2027/28", "capital_lower_limit"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_right_is_refused_naming_where(text, year, key, council_file):
    path = council_file(text)
    with pytest.raises(RatesUnreadable) as refused:
        load_rates(path)
    details = refused.value.details
    assert (details["file"], details["year"], details["key"]) == ("council.toml", year, key)
    assert "council.toml" in str(refused.value)
    (fault,) = check(path)
    assert (fault.kind, fault.year, fault.key) == ("fault", year, key)


def test_a_file_that_is_not_text_is_refused(council_file):
    path = council_file("")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RatesUnreadable, match="UTF-8"):
        load_rates(path)


def test_limits_the_wrong_way_round_are_a_fault(council_file):
    path = council_file('["2026/27".capital_upper_limit]\namount = "9000.00"\nsource = "policy"\n')
    assert [(f.year, f.key) for f in check(path) if f.kind == "fault"] == [
        ("2026/27", "capital_upper_limit")
    ]


# --- on the command line ------------------------------------------------------------------------


@pytest.fixture
def pbledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words: str, rates_file: Path | str = "") -> tuple[int, str]:
        environment = {"LEDGER_RATES_FILE": str(rates_file)} if rates_file else {}
        done = CliRunner().invoke(app, list(words), env=environment)
        return done.exit_code, done.stdout

    return run


def test_rates_check(pbledger, council_file):
    code, said = pbledger("rates", "check")
    assert code == 0
    assert "Faults              0" in said
    assert "mig_couple_pension_age" in said
    code, said = pbledger("--json", "rates", "check", rates_file=council_file("x"))
    document = json.loads(said)
    assert code == 1
    assert document["faults"][0]["kind"] == "fault"
    code, said = pbledger("rates", "check", rates_file="missing.toml")
    assert code == 1


def test_rates_show(pbledger, council_file):
    code, said = pbledger("rates", "show", "--on", "2026-04-03")
    assert code == 0
    assert re.search(r"mig_single_pension_age +£232\.60 +2025-04-06 +confirmed", said)
    assert re.search(r"carer_premium +£53\.25 +\* +2025-04-06 +not_found", said)
    assert "not_found: an estimate: no figure was found for the year." in said

    path = council_file(COUNCIL_FILE_EXAMPLE)
    words = ("rates", "show", "--on", "2026-04-06", "--key", "minimum_charge")
    code, said = pbledger("--json", *words, rates_file=path)
    (figure,) = json.loads(said)["figures"]
    assert (figure["value"], figure["status"], figure["is_sure"]) == (125, "local", True)
    assert "*" not in pbledger(*words, rates_file=path)[1]

    assert pbledger("rates", "show", "--on", "2026-04-06", "--key", "x")[0] == 2
    assert pbledger("rates", "show", "--on", "2040-04-06")[0] == 1
