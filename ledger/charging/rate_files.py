"""The rates files, read: the package's own and a council's; what is not right is refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ledger.charging.figures import KEYS, STATUSES, Rate, Status, TakesEffect, Unit
from ledger.dates import financial_year
from ledger.errors import InvalidMoney, RatesUnreadable
from ledger.money import parse_pounds

_DATES: dict[TakesEffect, str] = {
    "council": "council_year_from",
    "regulations": "regulations_from",
    "benefits": "benefits_from",
}
_FIELDS = {"amount", "percent", "from", "source", "status", "note"}
_YEAR = re.compile(r"(\d{4})/(\d{2})", re.ASCII)


def year_after(year: str, by: int = 1) -> str:
    """The financial year some years after one."""
    first = int(year[:4]) + by
    return f"{first}/{(first + 1) % 100:02d}"


class Year(NamedTuple):
    """A year's three dates and its figures."""

    dates: dict[str, date]
    figures: dict[str, Rate]


@cache
def package_years() -> dict[str, Year]:
    folder = files("ledger.charging") / "rates"
    documents = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )
    years: dict[str, Year] = {}
    for name, text in documents:
        table = _toml(name, text)
        year = str(table.pop("year", ""))
        years[year] = _whole_year(name, year, table, default_status=None)
    _require_consecutive("the package's rates", list(years))
    return years


def with_council(path: Path) -> dict[str, Year]:
    """The package's years with a council's figures laid over them."""
    name = path.name
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _unreadable(name, "", "", "it is not text in UTF-8") from None
    years = dict(package_years())
    for year, table in sorted(_toml(name, text).items()):
        if not isinstance(table, dict):
            raise _unreadable(name, "", year, 'figures stand under a year, such as ["2026/27".KEY]')
        known = years.get(year)
        if known is not None:
            laid_over = {
                key: _rate(name, year, key, figure, known.dates, known.figures[key])
                for key, figure in table.items()
                if _known_key(name, year, key)
            }
            years[year] = Year(known.dates, known.figures | laid_over)
        elif year == year_after(max(years)):
            years[year] = _whole_year(name, year, table, default_status="local")
        else:
            sentence = f"there are no rates for that year; there are {', '.join(years)}"
            raise _unreadable(name, year, "", sentence)
    return years


def first_days(year: int) -> dict[str, date]:
    """When the figures of the year from April usually take effect."""
    sixth = date(year, 4, 6)
    return {
        "council_year_from": date(year, 4, 1),
        "regulations_from": sixth,
        "benefits_from": sixth + timedelta(days=-sixth.weekday() % 7),
    }


def _whole_year(name: str, year: str, table: dict[str, Any], default_status: Status | None) -> Year:
    """A year that must hold its three dates and every figure."""
    match = _YEAR.fullmatch(year)
    if match is None or (int(match[1]) + 1) % 100 != int(match[2]):
        raise _unreadable(name, year, "year", "a year is written 2026/27")
    dates: dict[str, date] = {}
    for field, usual in first_days(int(match[1])).items():
        day = table.pop(field, None)
        if not isinstance(day, date) or isinstance(day, datetime):
            raise _unreadable(name, year, field, f"a day is needed, such as {usual}")
        if financial_year(day) != year:
            raise _unreadable(name, year, field, f"{day} is not in that year")
        dates[field] = day
    missing = [key for key in KEYS if key not in table]
    if missing:
        raise _unreadable(name, year, missing[0], "the figure is missing")
    figures = {
        key: _rate(name, year, key, figure, dates, None, default_status)
        for key, figure in table.items()
        if _known_key(name, year, key)
    }
    return Year(dates, figures)


def _rate(
    name: str,
    year: str,
    key: str,
    figure: object,
    dates: Mapping[str, date],
    instead_of: Rate | None,
    default_status: Status | None = "local",
) -> Rate:
    """One figure's table, read; whatever is not as it should be is refused by name."""
    if not isinstance(figure, dict):
        raise _unreadable(name, year, key, "a figure is a table with an amount and a source")
    unknown = sorted(figure.keys() - _FIELDS)
    if unknown:
        raise _unreadable(name, year, key, f"there is no field {unknown[0]!r}")
    unit = KEYS[key][1]
    source, note = figure.get("source"), figure.get("note", "")
    if not isinstance(source, str) or not source.strip():
        raise _unreadable(name, year, key, "a source is needed")
    if not isinstance(note, str):
        raise _unreadable(name, year, key, "a note is text")
    status: Any = figure.get("status", default_status)
    if status not in STATUSES:
        raise _unreadable(name, year, key, f"a status is one of {', '.join(STATUSES)}")
    takes_effect = figure.get("from")
    if takes_effect is None and instead_of is not None:
        starts_on = instead_of.starts_on
    elif takes_effect in _DATES:
        starts_on = dates[_DATES[takes_effect]]
    else:
        raise _unreadable(name, year, key, f"from is one of {', '.join(_DATES)}")
    value = _value(name, year, key, figure, unit)
    return Rate(key, value, unit, year, starts_on, source, status, note)


def _value(name: str, year: str, key: str, figure: Mapping[str, object], unit: Unit) -> int:
    field, other = ("amount", "percent") if unit == "pence" else ("percent", "amount")
    if other in figure:
        raise _unreadable(name, year, key, f"it has {field}, not {other}")
    value = figure.get(field)
    if unit == "percent":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
            raise _unreadable(name, year, key, "percent is a whole number from 0 to 100")
        return value
    try:
        pence = parse_pounds(value, "amount")
    except InvalidMoney:
        raise _unreadable(name, year, key, 'amount is pounds as text, such as "241.45"') from None
    if key == "tariff_income_step" and pence == 0:
        raise _unreadable(name, year, key, "a step must be more than nought")
    return pence


def _known_key(name: str, year: str, key: str) -> bool:
    if key not in KEYS:
        raise _unreadable(name, year, key, "there is no such figure")
    return True


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(name, "", "", f"it is not TOML: {error}") from None


def _require_consecutive(name: str, years: list[str]) -> None:
    for before, after in pairwise(years):
        if after != year_after(before):
            raise _unreadable(name, after, "year", f"it does not follow {before}")


def _unreadable(file: str, year: str, key: str, sentence: str) -> RatesUnreadable:
    where = ", ".join(part for part in (file, year, key) if part)
    return RatesUnreadable(f"{where}: {sentence}.", file=file, year=year, key=key)
