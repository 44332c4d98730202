"""What a budget is owed: pure arithmetic over its effective-dated terms, in whole pence.

Rules (published council practice; domain reference section 4, "Part weeks" and "Calendar
month"): a weekly amount for part of a period is weekly/7 x days, start and end day inclusive;
each component's segment is rounded half-up once, then netted. A change with a past effective
date gives new adjustment lines for each window already paid, never an edit.

A *window* is a run of days that was, or will be, paid in one go. Windows never overlap, so
every day is paid in exactly one of them and corrected only by adjustment lines naming it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from ledger.dates import Period
from ledger.money import apportion, for_days

Deployment = Literal[
    "direct_payment",
    "managed_account",
    "individual_service_fund",
    "council_managed",
    "provided_service",
]
PAID_TO_A_PAYEE = frozenset({"direct_payment", "managed_account"})
"""Deployments paid as a direct payment, to the person or to a third party's managed account.

An individual service fund is a contract with its provider, not a direct payment."""

ContributionBasis = Literal["net", "gross"]
LineKind = Literal["allocation", "one_off", "retainer", "contribution"]

_DAY = timedelta(days=1)
FOR_EVER = date.max


class AllocationTerm(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One allocation line over a run of days: either `weekly_pence` or `one_off_pence`.

    `chargeable` says that the client contribution may be set against it (NHS money and
    section 117 after-care are free)."""

    line_reference: str
    need: str
    funding_stream: str
    deployment: Deployment
    starts_on: date
    ends_on: date | None = None
    weekly_pence: int = 0
    one_off_pence: int = 0
    cost_centre: str = ""
    chargeable: bool = True

    @property
    def last_day(self) -> date:
        """The last day it is in force; a one-off is in force on its own day alone."""
        return self.starts_on if self.one_off_pence else self.ends_on or FOR_EVER

    @property
    def is_paid(self) -> bool:
        """Whether it is paid to a payee."""
        return self.deployment in PAID_TO_A_PAYEE

    def in_force_on(self, on: date) -> bool:
        """Whether a day is one of its days."""
        return self.starts_on <= on <= self.last_day


def split(
    terms: Iterable[AllocationTerm], line_references: Collection[str], on: date
) -> tuple[list[AllocationTerm], list[AllocationTerm]]:
    """Every term; those of these lines from a day on apart, cut in two where it falls."""
    before: list[AllocationTerm] = []
    after: list[AllocationTerm] = []
    for term in terms:
        if term.line_reference not in line_references or term.last_day < on:
            before.append(term)
            continue
        if term.starts_on < on:
            before.append(msgspec.structs.replace(term, ends_on=on - _DAY))
            term = msgspec.structs.replace(term, starts_on=on)
        after.append(term)
    return before, after


class ContributionTerm(NamedTuple):
    """The client contribution from a day until the next term starts."""

    starts_on: date
    weekly_pence: int
    basis: ContributionBasis


class SuspensionTerm(NamedTuple):
    """Days on which only a retainer (nought: nothing) is owed for all the weekly lines.

    It never comes to more than they would. One-offs are owed all the same."""

    starts_on: date
    ends_on: date
    retainer_weekly_pence: int


class Terms(NamedTuple):
    """Everything that decides what is owed, and the days from and to which anything is."""

    starts_on: date
    ends_on: date
    allocations: Sequence[AllocationTerm]
    contributions: Sequence[ContributionTerm]
    suspensions: Sequence[SuspensionTerm]


class EntitlementLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One component over one segment of days. `amount_pence` is negative where it reduces.

    `window` is the run of days it is paid with; an adjustment corrects a window paid before
    and has no rate or days of its own."""

    kind: LineKind
    line_reference: str
    funding_stream: str
    cost_centre: str
    window: Period
    amount_pence: int
    starts_on: date
    ends_on: date
    weekly_pence: int = 0
    adjustment: bool = False

    @property
    def days(self) -> int:
        return (self.ends_on - self.starts_on).days + 1


class FundingTotal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Pence for one funding stream and cost centre."""

    funding_stream: str
    cost_centre: str
    amount_pence: int


def funding_totals(
    lines: Iterable[EntitlementLine], deducted_pence: int = 0, reissued_pence: int = 0
) -> tuple[FundingTotal, ...]:
    """What lines come to by funding stream and cost centre, in that order.

    Clawback instalments and reissued money stand under streams of their own, so that the
    totals always add up to what is paid.
    """
    totals: defaultdict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        totals[line.funding_stream, line.cost_centre] += line.amount_pence
    if deducted_pence:
        totals["clawback", ""] -= deducted_pence
    if reissued_pence:
        totals["reissued", ""] += reissued_pence
    return tuple(FundingTotal(*key, pence) for key, pence in sorted(totals.items()))


class _Component(NamedTuple):
    """What distinguishes one stack of lines from another; adjustments compare like with like."""

    kind: LineKind
    line_reference: str
    funding_stream: str
    cost_centre: str


def _boundaries(terms: Terms, window: Period) -> list[date]:
    """Every day in the window on which some term starts, or the day after one ends."""
    first, last = max(window.starts_on, terms.starts_on), min(window.ends_on, terms.ends_on)
    if first > last:
        return []
    days = {first, last + _DAY}
    days.update(term.starts_on for term in terms.contributions)
    runs = [(term.starts_on, term.last_day) for term in terms.allocations]
    runs += [(term.starts_on, term.ends_on) for term in terms.suspensions]
    for starts_on, ends_on in runs:
        days.add(starts_on)
        if ends_on < last:
            days.add(ends_on + _DAY)
    return sorted(day for day in days if first <= day <= last + _DAY)


def _weekly_rates(terms: Terms, on: date) -> dict[_Component, int]:
    """Each component's signed weekly pence on one day."""
    payable = [
        term
        for term in terms.allocations
        if term.weekly_pence and term.is_paid and term.in_force_on(on)
    ]
    if not payable:
        return {}
    for suspension in terms.suspensions:
        if suspension.starts_on <= on <= suspension.ends_on:
            return _retainer_rates(payable, suspension.retainer_weekly_pence)
    rates = {
        _Component("allocation", t.line_reference, t.funding_stream, t.cost_centre): t.weekly_pence
        for t in payable
    }
    current = [term for term in terms.contributions if term.starts_on <= on]
    if current and current[-1].basis == "net":
        left = current[-1].weekly_pence
        for t in payable:
            taken = min(left, t.weekly_pence) if t.chargeable else 0
            if taken:
                left -= taken
                key = _Component("contribution", t.line_reference, t.funding_stream, t.cost_centre)
                rates[key] = -taken
    return rates


def _retainer_rates(payable: Sequence[AllocationTerm], retainer: int) -> dict[_Component, int]:
    weekly = [term.weekly_pence for term in payable]
    shares = apportion(min(retainer, sum(weekly)), weekly)
    return {
        _Component("retainer", t.line_reference, t.funding_stream, t.cost_centre): share
        for t, share in zip(payable, shares, strict=True)
        if share
    }


def entitlement(terms: Terms, window: Period) -> list[EntitlementLine]:
    """The lines owed for one window: a line per component segment, in order of its first day.

    Adjacent days on which a component's rate is the same are one segment, so an unrelated
    change does not add a rounding. Contribution lines are negative (net basis); on a gross
    basis the contribution is invoiced and does not appear here.
    """
    boundaries = _boundaries(terms, window)
    segments: dict[_Component, list[tuple[date, date, int]]] = {}
    for starts_on, next_start in pairwise(boundaries):
        ends_on = next_start - _DAY
        for component, weekly in _weekly_rates(terms, starts_on).items():
            stack = segments.setdefault(component, [])
            if stack and stack[-1][2] == weekly and stack[-1][1] + _DAY == starts_on:
                stack[-1] = (stack[-1][0], ends_on, weekly)
            else:
                stack.append((starts_on, ends_on, weekly))
    lines = [
        EntitlementLine(
            *component,
            window=window,
            amount_pence=for_days(weekly, (ends_on - starts_on).days + 1),
            starts_on=starts_on,
            ends_on=ends_on,
            weekly_pence=weekly,
        )
        for component, stack in segments.items()
        for starts_on, ends_on, weekly in stack
    ]
    lines.extend(_one_offs(terms, window))
    return lines


def _one_offs(terms: Terms, window: Period) -> Iterator[EntitlementLine]:
    for t in terms.allocations:
        if (
            t.one_off_pence
            and t.is_paid
            and window.contains(t.starts_on)
            and terms.starts_on <= t.starts_on <= terms.ends_on
        ):
            yield EntitlementLine(
                "one_off",
                t.line_reference,
                t.funding_stream,
                t.cost_centre,
                window=window,
                amount_pence=t.one_off_pence,
                starts_on=t.starts_on,
                ends_on=t.starts_on,
            )


def _unpaid_windows(paid: Iterable[Period], first: date, period: Period) -> Iterator[Period]:
    """The runs of days from `first` to the end of `period` that no paid window covers.

    Days before the period (arrears) and days inside it are separate windows."""
    day = first
    for window in sorted([*paid, Period(period.ends_on + _DAY, period.ends_on + _DAY)]):
        last = min(window.starts_on - _DAY, period.ends_on)
        if day < period.starts_on <= last:
            yield Period(day, period.starts_on - _DAY)
            day = period.starts_on
        if day <= last:
            yield Period(day, last)
        day = max(day, window.ends_on + _DAY)


def due(
    terms: Terms,
    paid: Sequence[EntitlementLine],
    period: Period,
    changed_from: date = date.min,
) -> list[EntitlementLine]:
    """The lines still owed to the end of a period: what is unpaid, then what must be put right.

    `paid` are all lines scheduled before. Windows that ended before `changed_from` are known
    to agree with the terms and are not worked out again. The sum may be negative: then nothing
    is sent, nothing is recorded, and the next period's sum carries it.
    """
    lines: list[EntitlementLine] = []
    if terms.starts_on <= period.ends_on:
        windows = {line.window for line in paid}
        for window in _unpaid_windows(windows, terms.starts_on, period):
            lines.extend(entitlement(terms, window))
    lines.extend(adjustments(terms, paid, changed_from))
    return lines


def adjustments(
    terms: Terms, paid: Sequence[EntitlementLine], changed_from: date = date.min
) -> Iterator[EntitlementLine]:
    """What must be put right for windows already paid that end on or after `changed_from`."""
    by_window: dict[Period, defaultdict[_Component, int]] = {}
    for line in paid:
        if line.window.ends_on >= changed_from:
            components = by_window.setdefault(line.window, defaultdict(int))
            key = _Component(line.kind, line.line_reference, line.funding_stream, line.cost_centre)
            components[key] += line.amount_pence
    for window, components in by_window.items():
        yield from _adjustments(terms, window, components)


def _adjustments(
    terms: Terms, window: Period, already: dict[_Component, int]
) -> Iterator[EntitlementLine]:
    difference = {component: -pence for component, pence in already.items()}
    for line in entitlement(terms, window):
        key = _Component(line.kind, line.line_reference, line.funding_stream, line.cost_centre)
        difference[key] = difference.get(key, 0) + line.amount_pence
    for component, pence in difference.items():
        if pence:
            yield EntitlementLine(
                *component,
                window=window,
                amount_pence=pence,
                starts_on=window.starts_on,
                ends_on=window.ends_on,
                adjustment=True,
            )
