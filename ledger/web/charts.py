"""Pictures of amounts, made here as SVG: bars for those who would rather look than read.

A picture says nothing that the table under it does not say as well. Colours come from the style
sheet, by class; each bar has its name and amount in words, so that none is told by its colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ledger.money import format_pounds

WIDTH, STEP, THICKNESS = 360, 40, 14
"""How wide a picture is, how far one bar is below the other and how thick, in its own units."""


class Bar(NamedTuple):
    """One bar: its name, its amount in pence, and the class that gives it its colour.

    The classes are `bar` (plain), `bar bar--other` (the second of a pair) and `bar bar--held`
    (money that was not paid in the end)."""

    name: str
    pence: int
    kind: str = "bar"


def bar_chart(title: str, bars: Sequence[Bar], *, name: str = "chart") -> Markup:
    """A picture of the bars, one below the other on one scale; nothing if there are none.

    `name` is what its parts are called by on the page, where it must be the only one.
    """
    if not bars:
        return Markup()
    most = max(1, *(bar.pence for bar in bars))
    longest = max(bars, key=lambda bar: bar.pence)
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{bars}</svg>'
    ).format(
        width=WIDTH,
        height=STEP * len(bars),
        name=name,
        title=title,
        desc=f"{len(bars)} bars. The longest is {longest.name}, {format_pounds(longest.pence)}. "
        "The table has every figure.",
        bars=Markup().join(_bar(bar, row * STEP, most) for row, bar in enumerate(bars)),
    )


def _bar(bar: Bar, y: int, most: int) -> Markup:
    """A bar under its name and amount; one of next to nothing can still be seen."""
    return Markup(
        '<text x="0" y="{text}">{name}</text>'
        '<text x="{width}" y="{text}" class="chart-amount">{amount}</text>'
        '<rect class="{kind}" x="0" y="{top}" width="{long}" height="{thick}"></rect>'
    ).format(
        text=y + 14,
        name=bar.name,
        width=WIDTH,
        amount=format_pounds(bar.pence),
        kind=bar.kind,
        top=y + 19,
        long=max(WIDTH * bar.pence // most, 2),
        thick=THICKNESS,
    )
