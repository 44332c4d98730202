"""What changed from one payment cycle to the next, to hand on: as CSV, and as a page to print."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.cycle_differences import (
    CAUSES,
    BudgetDifference,
    Cause,
    CycleDifferences,
    biggest_first,
)
from ledger.documents import page, safe_cell
from ledger.money import plain_pounds
from ledger.projections.words import day
from ledger.statements.wording import days, pounds

if TYPE_CHECKING:
    from jinja2 import Template

NAMES: dict[Cause, str] = {
    "started": "Started",
    "stopped": "Stopped",
    "allocation": "Allocation",
    "contribution": "Contribution",
    "part_period": "Part period",
    "suspension": "Suspension",
    "put_right": "Put right",
    "clawback": "Clawback",
    "one_off": "One-off",
    "reissue": "Sent again",
}
"""Each cause in a word or two."""

HEADER = ("budget", "outcome", "was", "now", "difference", *CAUSES, "reasons")
MOST_ON_A_PAGE = 200


def signed(pence: int) -> str:
    """A change with its sign: plus or minus, or neither if it is nothing."""
    return f"+{pounds(pence)}" if pence > 0 else pounds(pence)


def why(difference: BudgetDifference) -> str:
    """The causes of one budget's difference, in words."""
    return ", ".join(
        f"{NAMES[one.cause].lower()} {signed(one.amount_pence)}" for one in difference.causes
    )


# --- CSV --------------------------------------------------------------------------------------


def differences_csv(differences: CycleDifferences) -> str:
    """Every budget of either cycle as CSV (RFC 4180), the unchanged ones too.

    So each column adds up to the total of the page: `was` to the last total, `now` to this one,
    and a cause to what it changed. Amounts are pounds and pence without a sign of currency. A
    text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(HEADER)
    rows.writerows(map(_csv_row, differences.budgets))
    return written.getvalue()


def _csv_row(one: BudgetDifference) -> list[str]:
    causes = {part.cause: plain_pounds(part.amount_pence) for part in one.causes}
    return [
        safe_cell(one.budget_reference),
        one.outcome,
        plain_pounds(one.was_pence),
        plain_pounds(one.now_pence),
        plain_pounds(one.difference_pence),
        *(causes.get(cause, "") for cause in CAUSES),
        " ".join(one.reasons),
    ]


# --- the waterfall ----------------------------------------------------------------------------

WIDTH, STEP = 360, 36
"""How wide the picture is, and how far one bar is below the other, in its own units."""


class Bar(NamedTuple):
    """One bar of the waterfall: what it says, where it stands and which way it goes.

    `ends_at` is where the next bar begins."""

    name: str
    amount: str
    kind: str
    y: int
    x: int
    width: int
    ends_at: int


def waterfall(differences: CycleDifferences) -> list[Bar]:
    """From the last total, cause by cause, to this one.

    The scale is that of the changes, so that a change of a hundredth can be seen: it does not
    begin at nought, and the two totals are bars from the left edge.
    """
    level, levels = differences.was_pence, [differences.was_pence]
    for total in differences.causes:
        level += total.difference_pence
        levels.append(level)
    low, high = min(levels), max(levels)
    low -= (high - low) // 5 + 1
    low = max(low, 0) if min(levels) >= 0 else low

    def x(pence: int) -> int:
        return (pence - low) * WIDTH // (high - low or 1)

    bars = [_total_bar("Last total", differences.was_pence, 0, x(differences.was_pence))]
    for row, total in enumerate(differences.causes, 1):
        start, end = x(levels[row - 1]), x(levels[row])
        bars.append(
            Bar(
                NAMES[total.cause],
                signed(total.difference_pence),
                "fall" if total.difference_pence < 0 else "rise",
                row * STEP,
                min(start, end, WIDTH - 2),
                max(abs(end - start), 2),
                end,
            )
        )
    end = x(differences.now_pence)
    bars.append(_total_bar("This total", differences.now_pence, len(levels) * STEP, end))
    return bars


def _total_bar(name: str, pence: int, y: int, end: int) -> Bar:
    return Bar(name, pounds(pence), "total", y, 0, max(end, 2), end)


# --- HTML -------------------------------------------------------------------------------------


def differences_html(differences: CycleDifferences, council_name: str) -> str:
    """The report as a page: one file, no script, nothing fetched, for screen and paper.

    It lists the biggest changes only; the CSV has every budget.
    """
    changed = biggest_first(differences.budgets)
    return _template().render(
        found=differences,
        council=council_name,
        bars=waterfall(differences),
        width=WIDTH,
        step=STEP,
        names=NAMES,
        meanings=CAUSES,
        listed=changed[:MOST_ON_A_PAGE],
        left_out=max(len(changed) - MOST_ON_A_PAGE, 0),
        reasons=list(_reasons(changed[:MOST_ON_A_PAGE])),
    )


def _reasons(listed: list[BudgetDifference]) -> Iterator[tuple[str, str]]:
    """The codes that the listed budgets have, and what each means."""
    codes = {code for one in listed for code in one.reasons}
    return ((code, EXCEPTIONS[code]) for code in EXCEPTIONS if code in codes)


@cache
def _template() -> Template:
    return page(
        "differences.html",
        pounds=pounds,
        signed=signed,
        day=day,
        days=days,
        why=why,
    )
