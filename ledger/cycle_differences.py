"""What changed between two payment cycles and why: pure, and always to the penny.

Budget by budget, everything paid in one cycle is set against everything paid in the other, like
with like. Every penny of a difference is given to one cause, so that

    last total + differences by cause = this total.

What a payment is made of decides the cause: adjustments are `put_right`, clawback instalments
`clawback`, one-offs `one_off`, money sent again `reissue`, retainers `suspension`. There remains
the weekly money, allocation lines less contributions. Where one of the two cycles has none, all
of it is `started` or `stopped` (or `suspension`, where that cycle notes one, or `put_right`, if
more was to be taken back than was due). Where both have some, a change of rate and a change of
days are told apart so, for each line and for the contribution set against it:

    its rate      its rate-days (weekly pence x days) over the days the budget is paid for
    rate change   (rate now - rate last time) x days now: `allocation` or `contribution`
    day change    the rest, which is the change of days at the old rate, with all the
                  rounding: `part_period`, or `suspension` where the shorter cycle notes one

The days are those of the whole budget, not of the line. A line that begins half-way through is
therefore a change of its rate, in that cycle and in the next; a budget that begins half-way
through is a part period. If the days are the same, all is rate, rounding included; if the rate
is the same, all is days. Funding stream and cost centre play no part: recoding is no change.
What is paid into a service fund is set against what was paid into it, apart from the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Literal, get_args

import msgspec

from ledger.aggregates.light_cycles import PaidBudget, PaidBudgets, PaidCycle, nothing_listed
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.dates import Period
from ledger.money import divide_half_up
from ledger.terms import CHANNELS

Outcome = Literal["new", "stopped", "changed", "unchanged"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Cause = Literal[
    "started",
    "stopped",
    "allocation",
    "contribution",
    "part_period",
    "suspension",
    "put_right",
    "clawback",
    "one_off",
    "reissue",
]
CAUSES: dict[Cause, str] = {
    "started": "Weekly money is paid now and was not last time.",
    "stopped": "Weekly money was paid last time and is not now.",
    "allocation": "A line's weekly amount changed, or a line began or ended.",
    "contribution": "The contribution taken off changed.",
    "part_period": "More or fewer days are paid for than last time.",
    "suspension": "Payments were suspended, or go on again.",
    "put_right": "Corrections of days paid before: those of this cycle less those of the last.",
    "clawback": "Clawback taken off: the instalments of this cycle less those of the last.",
    "one_off": "One-off payments: those of this cycle less those of the last.",
    "reissue": "Returned payments sent again: those of this cycle less those of the last.",
}
"""Every cause, in the order of the report, and what it means."""


class CauseAmount(msgspec.Struct, frozen=True, gc=False):
    """What one cause adds to a budget's payment, or (negative) takes from it."""

    cause: Cause
    amount_pence: int


class BudgetDifference(msgspec.Struct, frozen=True, gc=False):
    """One budget in both cycles; the causes add up to the difference.

    `reasons` are exceptions: of this cycle, or for a budget that is new but was paid before,
    those that kept it out of the last one."""

    budget_reference: str
    outcome: Outcome
    was_pence: int
    now_pence: int
    difference_pence: int
    causes: tuple[CauseAmount, ...] = ()
    reasons: tuple[str, ...] = ()

    def by_cause(self, cause: str) -> int:
        """What one cause comes to."""
        return sum(one.amount_pence for one in self.causes if one.cause == cause)


class OutcomeTotal(msgspec.Struct, frozen=True):
    """All budgets with one outcome."""

    outcome: Outcome
    budget_count: int
    was_pence: int
    now_pence: int
    difference_pence: int


class CauseTotal(msgspec.Struct, frozen=True):
    """One cause over all budgets: rises and falls apart, then together."""

    cause: Cause
    budget_count: int
    rises_pence: int
    falls_pence: int
    difference_pence: int


class ComparedCycle(msgspec.Struct, frozen=True):
    """A cycle that is compared: what it is, and what it comes to."""

    reference: str
    status: str
    off_cycle: bool
    period: Period
    pay_on: date
    lines_sha256: str
    payment_count: int
    total_pence: int


class CycleDifferences(msgspec.Struct, frozen=True):
    """A cycle against another; `was` is None if there is none, and then everything is new.

    The budgets are in order of reference, the unchanged ones too."""

    now: ComparedCycle
    was: ComparedCycle | None
    was_pence: int
    now_pence: int
    difference_pence: int
    outcomes: tuple[OutcomeTotal, ...]
    causes: tuple[CauseTotal, ...]
    budgets: tuple[BudgetDifference, ...]


def cycle_differences(now: PaidCycle, was: PaidCycle | None) -> CycleDifferences:
    """What changed from one cycle to another, and why."""
    compared = _compared(now)
    before = _compared(was) if was is not None else None
    paid_before = was.budgets if was is not None else nothing_listed()
    budgets = tuple(budget_differences(paid_before, now.budgets))
    outcomes, causes = outcome_totals(budgets), cause_totals(budgets)
    was_pence = before.total_pence if before is not None else 0
    difference = compared.total_pence - was_pence
    assert sum(total.difference_pence for total in outcomes) == difference, "outcomes tie"
    assert sum(total.difference_pence for total in causes) == difference, "causes tie"
    return CycleDifferences(
        compared, before, was_pence, compared.total_pence, difference, outcomes, causes, budgets
    )


def _compared(cycle: PaymentCycle) -> ComparedCycle:
    prepared = cycle.prepared
    assert prepared is not None, "a cycle begins by being prepared"
    return ComparedCycle(
        reference=cycle.reference,
        status=cycle.status or "",
        off_cycle=prepared.off_cycle,
        period=prepared.period,
        pay_on=prepared.pay_on,
        lines_sha256=prepared.lines_sha256,
        payment_count=prepared.line_count,
        total_pence=prepared.total_pence,
    )


def outcome_totals(budgets: Iterable[BudgetDifference]) -> tuple[OutcomeTotal, ...]:
    """The outcomes that occur, in their order."""
    sums: dict[Outcome, list[int]] = {outcome: [0, 0, 0] for outcome in OUTCOMES}
    for one in budgets:
        total = sums[one.outcome]
        total[0] += 1
        total[1] += one.was_pence
        total[2] += one.now_pence
    return tuple(
        OutcomeTotal(outcome, count, was, now, now - was)
        for outcome, (count, was, now) in sums.items()
        if count
    )


def cause_totals(budgets: Iterable[BudgetDifference]) -> tuple[CauseTotal, ...]:
    """The causes that occur, in their order."""
    sums: dict[Cause, list[int]] = {cause: [0, 0, 0] for cause in CAUSES}
    for budget in budgets:
        for one in budget.causes:
            total = sums[one.cause]
            total[0] += 1
            total[1 if one.amount_pence > 0 else 2] += one.amount_pence
    return tuple(
        CauseTotal(cause, count, rises, falls, rises + falls)
        for cause, (count, rises, falls) in sums.items()
        if count
    )


def biggest_first(budgets: Iterable[BudgetDifference], cause: str = "") -> list[BudgetDifference]:
    """Those that changed, the biggest difference first; if a cause is named, by what it did."""
    if cause:
        chosen = [one for one in budgets if any(part.cause == cause for part in one.causes)]
        return sorted(chosen, key=lambda one: (-abs(one.by_cause(cause)), one.budget_reference))
    chosen = [one for one in budgets if one.outcome != "unchanged"]
    return sorted(chosen, key=lambda one: (-abs(one.difference_pence), one.budget_reference))


# --- budget by budget -----------------------------------------------------------------------


def budget_differences(was: PaidBudgets, now: PaidBudgets) -> Iterator[BudgetDifference]:
    """Every budget that either cycle pays, in order of reference."""
    references = {r for cycle in (was, now) for budgets in cycle.values() for r in budgets}
    for reference in sorted(references):
        before, after = _of_budget(was, reference), _of_budget(now, reference)
        was_paid, now_paid = (any(paid.payments for paid in side) for side in (before, after))
        if not was_paid and not now_paid:
            continue
        parts: Counter[Cause] = Counter()
        for was_by, now_by in zip(before, after, strict=True):
            parts.update(_causes(was_by, now_by))
        causes = tuple(CauseAmount(cause, parts[cause]) for cause in CAUSES if parts[cause])
        was_pence, now_pence = (sum(paid.paid_pence for paid in side) for side in (before, after))
        difference = now_pence - was_pence
        assert sum(one.amount_pence for one in causes) == difference, f"{reference}: causes tie"
        codes = _codes(after)
        outcome: Outcome
        if not was_paid:
            first = "first_payment" in codes
            outcome, reasons = "new", ("first_payment",) if first else _codes(before)
        elif not now_paid:
            outcome, reasons = "stopped", codes
        elif causes:
            outcome, reasons = "changed", tuple(c for c in codes if c != "first_payment")
        else:
            outcome, reasons = "unchanged", ()
        yield BudgetDifference(
            reference, outcome, was_pence, now_pence, difference, causes, reasons
        )


_NOTHING = PaidBudget()


def _of_budget(cycle: PaidBudgets, reference: str) -> list[PaidBudget]:
    """What a cycle pays a budget, by each channel."""
    return [cycle[channel].get(reference, _NOTHING) for channel in CHANNELS]


def _codes(paid: Iterable[PaidBudget]) -> tuple[str, ...]:
    return tuple(sorted({code for by_channel in paid for code in by_channel.codes}))


def _causes(was: PaidBudget, now: PaidBudget) -> Mapping[Cause, int]:
    """The difference by cause; those that come to nought may be among them."""
    parts: defaultdict[Cause, int] = defaultdict(int)
    parts["put_right"] += now.put_right - was.put_right
    parts["one_off"] += now.one_off - was.one_off
    parts["clawback"] += now.clawback - was.clawback
    parts["reissue"] += now.reissue - was.reissue
    parts["suspension"] += now.retainer - was.retainer
    if was.weekly == now.weekly and was.days == now.days:
        return parts
    if was.days and now.days:
        _split_weekly(was, now, parts)
        return parts
    weekly = sum(p for p, _ in now.weekly.values()) - sum(p for p, _ in was.weekly.values())
    parts[_all_or_nothing(was, now)] += weekly
    return parts


def _all_or_nothing(was: PaidBudget, now: PaidBudget) -> Cause:
    """Why one of the two cycles has no weekly money at all."""
    if not now.days:
        if now.is_suspended:
            return "suspension"
        return "put_right" if "negative" in now.codes else "stopped"
    if was.is_suspended:
        return "suspension"
    return "put_right" if "negative" in was.codes else "started"


def _split_weekly(was: PaidBudget, now: PaidBudget, parts: defaultdict[Cause, int]) -> None:
    """Tell a change of rate from a change of days, as the module says."""
    shorter = now if now.days < was.days else was
    by_days: Cause = "suspension" if shorter.is_suspended else "part_period"
    for part in was.weekly.keys() | now.weekly.keys():
        was_pence, was_rate_days = was.weekly.get(part, (0, 0))
        now_pence, now_rate_days = now.weekly.get(part, (0, 0))
        whole = now_pence - was_pence
        # (rate now - rate last time) x days now / 7, with both rates over the same days
        moved = now_rate_days * was.days - was_rate_days * now.days
        rate = whole if was.days == now.days else divide_half_up(moved, 7 * was.days)
        parts["allocation" if part[0] == "allocation" else "contribution"] += rate
        parts[by_days] += whole - rate
