"""A payment cycle folded lightly, without every line of what each payment is made of.

Whole, a cycle of 100,000 payments takes 190 MB; who only compares it or sends it needs less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from ledger.aggregates.cycle_events import CycleLine, CycleLinesListed, CyclePrepared
from ledger.aggregates.event_sourced import applies
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.entitlement import EntitlementLine, LineKind
from ledger.terms import CHANNELS, Channel

KEPT_OUT = frozenset(
    {
        "ended",
        "suspended",
        "negative",
        "nothing_due",
        "payee_held",
        "payee_number_fails",
        "payee_name_fails",
        "outlier_held",
    }
)
"""The exceptions that say why less is paid or nothing; so do all gates, which have hyphens."""

Part = tuple[LineKind, str]
"""A kind of weekly money and the allocation line it belongs to."""


T = TypeVar("T")


class CycleToIssue(PaymentCycle):
    """A payment cycle as a bank file needs it: whom it pays and how much, and not what for."""

    @applies(CycleLinesListed)
    def _cycle_lines_listed(self, event: CycleLinesListed) -> None:
        bare = tuple(msgspec.structs.replace(line, lines=(), deductions=()) for line in event.lines)
        super()._cycle_lines_listed(msgspec.structs.replace(event, lines=bare, exceptions=()))


# --- by budget ------------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def _shared(value: T) -> T:
    """One object for all that are equal: the same lines and days recur in nearly every budget."""
    return value


class PaidBudget(msgspec.Struct, gc=False):
    """What one cycle pays one budget by one channel, sorted by what it is for.

    `weekly` holds pence, and weekly pence x days. `runs` are the days of each allocation line, by
    number; `codes` are the exceptions that explain an amount."""

    payments: int = 0
    paid_pence: int = 0
    put_right: int = 0
    one_off: int = 0
    retainer: int = 0
    clawback: int = 0
    reissue: int = 0
    weekly: dict[Part, tuple[int, int]] = {}
    runs: tuple[tuple[int, int], ...] = ()
    codes: tuple[str, ...] = ()

    def add(self, line: CycleLine) -> None:
        """One payment more."""
        self.payments += 1
        self.paid_pence += line.amount_pence
        if line.reissue_of:
            self.reissue += line.amount_pence
            return
        self.clawback -= line.deducted_pence
        for owed in line.lines:
            self._add(owed)
            if owed.kind == "allocation" and not owed.adjustment:
                run = owed.starts_on.toordinal(), owed.ends_on.toordinal()
                self.runs = _shared((*self.runs, run))

    def _add(self, owed: EntitlementLine) -> None:
        if owed.adjustment:
            self.put_right += owed.amount_pence
        elif owed.kind == "one_off":
            self.one_off += owed.amount_pence
        elif owed.kind == "retainer":
            self.retainer += owed.amount_pence
        else:
            part = _shared((owed.kind, owed.line_reference))
            pence, rate_days = self.weekly.get(part, (0, 0))
            # A contribution reduces: its rate is negative, as is its amount.
            self.weekly[part] = pence + owed.amount_pence, rate_days + owed.weekly_pence * owed.days

    def note(self, code: str) -> None:
        """An exception, if it explains an amount; each once and in order."""
        if code in KEPT_OUT or code == "first_payment" or "-" in code:
            self.codes = tuple(sorted({*self.codes, code}))

    @property
    def days(self) -> int:
        """How many days some run covers; runs may overlap."""
        covered, end = 0, 0
        for first, last in sorted(self.runs):
            if last > end:
                covered += last - max(first - 1, end)
                end = last
        return covered

    @property
    def is_suspended(self) -> bool:
        return bool(self.retainer) or "suspended" in self.codes


PaidBudgets = Mapping[Channel, Mapping[str, PaidBudget]]
"""What a cycle pays, by channel and by budget."""


class PaidCycle(PaymentCycle):
    """A payment cycle as a comparison needs it: what it pays each budget, and for what."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.budgets: PaidBudgets = nothing_listed()
        self._budgets_listed = nothing_listed()

    @applies(CycleLinesListed)
    def _cycle_lines_listed(self, event: CycleLinesListed) -> None:
        for line in event.lines:
            self._budgets_listed[line.channel][line.budget_reference].add(line)
        for one in event.exceptions:
            self._budgets_listed[one.channel][one.budget_reference].note(one.code)

    @applies(CyclePrepared)
    def _cycle_prepared(self, event: CyclePrepared) -> None:
        super()._cycle_prepared(event)
        self.budgets = self._budgets_listed
        self._budgets_listed = nothing_listed()


def nothing_listed() -> dict[Channel, defaultdict[str, PaidBudget]]:
    """What no cycle at all pays."""
    return {channel: defaultdict(PaidBudget) for channel in CHANNELS}
