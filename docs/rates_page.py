"""The page of rates, made from the figures themselves."""

from __future__ import annotations

from docs.markdown import code, page, table
from ledger.charging.figures import KEYS, STATUSES
from ledger.charging.rate_book import load_rates

COUNCIL_FILE_EXAMPLE = """
["2026/27".standard_disability_related_expenditure]
amount = "10.85"
source = "Charging policy, section 6"

["2026/27".minimum_charge]
amount = "1.25"
source = "Charging policy, section 9"

["2026/27".percentage_of_maximum]
percent = 85
source = "Charging policy, section 4"

["2026/27".mig_single_25_to_pension_age]
amount = "120.40"
source = "The local authority circular for 2026 to 2027, read by the income team"
status = "confirmed"
"""


def rates_page() -> str:
    """Every figure of every year, then what the statuses mean, then the council's own file."""
    book = load_rates()
    parts = [
        "The figures that financial assessments use, as this release holds them in "
        "`ledger/charging/rates/`. Each has its source, and a status that says how sure it is. "
        "**A figure that is not *confirmed* or *local* is not an official one**: compare it with "
        "the year's local authority circular before you charge anyone by it, and set it right in "
        "the council's own file. `pbledger rates check` lists them.",
        "## What the statuses mean",
        table(
            ("Status", "Meaning"),
            [(code(k), f"{v[0].upper()}{v[1:]}.") for k, v in STATUSES.items()],
        ),
        "## When a figure takes effect",
        "Three dates decide, and each figure goes by one of them: the council's year (1 April), "
        "the amending regulations (6 April) and the benefits week (the Monday on or after "
        "6 April). So on 3 April a council's own figures are already the new year's, and the "
        "minimum income guarantee is still the old year's. A day with no rates is refused, never "
        "guessed.",
    ]
    for year in reversed(book.years):
        rows = [
            (code(key), KEYS[key][0], rate.shown, rate.starts_on, rate.status, rate.source,
             rate.note)
            for key, line in book.rates.items()
            for rate in line
            if rate.year == year
        ]  # fmt: skip
        columns = ("Figure", "What it is", "Amount", "Takes effect", "Status", "Source", "Note")
        parts += [f"## {year}", table(columns, rows)]
    parts += [
        "## The council's own file",
        "A TOML file named by `LEDGER_RATES_FILE` sets figures by year and name, in place of "
        "those above. Money is pounds as text; `percentage_of_maximum` has `percent` instead of "
        "an `amount`. `source` is required. `status` is `local` if left out, and `from` "
        "(`council`, `regulations` or `benefits`) is as above if left out. An unknown year, "
        "figure or field is refused.",
        f"```toml\n{COUNCIL_FILE_EXAMPLE.strip()}\n```",
        "The file may also hold the year after the last one here, if it is whole: "
        "`council_year_from`, `regulations_from`, `benefits_from` and every figure, each with its "
        "`from`. So next April does not wait for a release.",
    ]
    return page("Rates", *parts)
