"""The demo's one-page summary: what happened, in plain English, to print or pass on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, Self

from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.cli.cycle_shown import funding_by_stream
from ledger.documents import page
from ledger.money import format_pounds
from ledger.projections.audit import sentence
from ledger.projections.postings import ACCOUNTS
from ledger.projections.words import day, words
from ledger.verification import Verification


class View(NamedTuple):
    """A question, and its answers as known at two moments."""

    asked: str
    earlier: str
    later: str


class Bar(NamedTuple):
    """One bar of a chart: `percent` of the longest."""

    name: str
    pence: int
    percent: int


class Kind(NamedTuple):
    """Exceptions of one kind."""

    code: str
    meaning: str
    number: int


class CycleStory(NamedTuple):
    """One cycle as the page tells it."""

    cycle: PaymentCycle
    bars: list[Bar]
    kinds: list[Kind]

    @classmethod
    def of(cls, cycle: PaymentCycle) -> Self:
        """The story of a cycle that was prepared."""
        totals = sorted(funding_by_stream(cycle).items(), key=lambda item: -item[1])
        longest = max((abs(pence) for _, pence in totals), default=0) or 1
        bars = [Bar(name, pence, abs(pence) * 100 // longest) for name, pence in totals]
        counts = Counter(exception.code for exception in cycle.exceptions).most_common()
        kinds = [Kind(code, EXCEPTIONS[code], count) for code, count in counts]
        return cls(cycle, bars, kinds)


class Summary(NamedTuple):
    """Everything the page says."""

    council: str
    cycles: Sequence[CycleStory]
    balances: dict[str, int]
    budget: str
    history: Sequence[Recorded]
    known_earlier: int
    views: Sequence[View]
    verification: Verification


def _moment(at: datetime) -> str:
    return f"{day(at.astimezone(UTC).date())}, {at.astimezone(UTC):%H:%M}"


def _short_day(on: date) -> str:
    return f"{on.day} {on:%b %Y}"


def _named(code: str) -> str:
    """A code as a name: "Social care", "NHS"."""
    return "NHS" if code == "nhs" else words(code).capitalize()


def summary_page(summary: Summary) -> str:
    """The page: one file, no script, nothing fetched from elsewhere."""
    return page(
        "summary.html",
        pounds=format_pounds,
        day=day,
        short_day=_short_day,
        moment=_moment,
        named=_named,
        sentence=sentence,
    ).render(**summary._asdict(), accounts=ACCOUNTS)
