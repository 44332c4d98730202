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
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from ledger.dates import Period
from ledger.money import apportion, for_days
from ledger.terms import (
    AllocationTerm,
    Channel,
    ContributionTerm,
    Deployment,
    Terms,
    suspension_on,
)

LineKind = Literal["allocation", "one_off", "retainer", "contribution", "charge"]
"""A contribution is taken off a payment; a charge is a contribution that is invoiced."""

_DAY = timedelta(days=1)


class EntitlementLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One component over one segment of days. `amount_pence` is negative where it reduces.

    `window` is the run of days it is paid with; an adjustment corrects a window paid before
    and has no rate or days of its own. `channel` is how its money leaves the budget; each has
    windows of its own."""

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
    channel: Channel = "direct_payment"

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
    channel: Channel

    @classmethod
    def of(
        cls, kind: LineKind, part: AllocationTerm | EntitlementLine, channel: Channel
    ) -> _Component:
        return cls(kind, part.line_reference, part.funding_stream, part.cost_centre, channel)

    def line(
        self,
        window: Period,
        pence: int,
        starts_on: date,
        ends_on: date,
        weekly_pence: int = 0,
        adjustment: bool = False,
    ) -> EntitlementLine:
        return EntitlementLine(
            *self[:4], window, pence, starts_on, ends_on, weekly_pence, adjustment, self.channel
        )


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


def _weekly_rates(terms: Terms, on: date, channel: Channel) -> dict[_Component, int]:
    """Each component's signed weekly pence on one day, of what is paid by a channel."""
    paid_out = [t for t in terms.allocations if t.weekly_pence and t.channel and t.in_force_on(on)]
    payable = [term for term in paid_out if term.channel == channel]
    if not payable:
        return {}
    suspension = suspension_on(terms.suspensions, on)
    if suspension is not None:
        return _retainer_rates(paid_out, suspension.retainer_weekly_pence, channel)
    rates = {_Component.of("allocation", term, channel): term.weekly_pence for term in payable}
    if channel == "direct_payment":
        for term, taken, is_netted in _contribution_shares(terms, on, payable):
            if is_netted:
                rates[_Component.of("contribution", term, channel)] = -taken
    return rates


def _weekly_charges(terms: Terms, on: date, channel: Channel) -> dict[_Component, int]:
    """Each line's weekly pence on one day, of the contribution that is charged by invoice."""
    if suspension_on(terms.suspensions, on) is not None:
        return {}
    return {
        _Component.of("charge", term, channel): taken
        for term, taken, is_netted in _contribution_shares(terms, on)
        if not is_netted
    }


def _contribution_on(terms: Terms, on: date) -> ContributionTerm | None:
    found = None
    for term in terms.contributions:
        if term.starts_on > on:
            break
        found = term
    return found


def _contribution_shares(
    terms: Terms, on: date, payable: list[AllocationTerm] | None = None
) -> Iterator[tuple[AllocationTerm, int, bool]]:
    """The contribution on one day, once over all lines: each line, its weekly pence, if netted.

    `payable` are the lines paid to a payee, if they are at hand. Care Act 2014 s.14(4): no more
    than the care costs."""
    term = _contribution_on(terms, on)
    if term is None or not (term.weekly_pence or term.full_cost):
        return
    left, is_net = term.weekly_pence, term.basis == "net"
    whole = payable is None or term.order
    for line in _chargeable(terms, on, term.order) if whole else payable or ():
        taken = line.weekly_pence if term.full_cost else min(left, line.weekly_pence)
        if taken and line.chargeable:
            left -= taken
            yield line, taken, is_net and line.is_paid


def _chargeable(terms: Terms, on: date, order: tuple[Deployment, ...]) -> list[AllocationTerm]:
    """The weekly lines a contribution may be set against on one day, the first to bear it first."""
    lines = [t for t in terms.allocations if t.weekly_pence and t.chargeable and t.in_force_on(on)]
    if not order:
        return [line for line in lines if line.is_paid]
    return sorted(lines, key=lambda line: order.index(line.deployment))


def chargeable_weekly_pence(terms: Terms, on: date) -> int:
    """What a week of the lines costs that the contribution in force on a day may be set against."""
    term = _contribution_on(terms, on)
    order = term.order if term else ()
    if not terms.starts_on <= on <= terms.ends_on:
        return 0
    return sum(line.weekly_pence for line in _chargeable(terms, on, order))


def contribution_weekly_pence(terms: Terms, on: date) -> int:
    """What a week of the contribution comes to over all lines, as if nothing were suspended."""
    if not terms.starts_on <= on <= terms.ends_on:
        return 0
    return sum(taken for _, taken, _ in _contribution_shares(terms, on))


def _retainer_rates(
    paid_out: Sequence[AllocationTerm], retainer: int, channel: Channel
) -> dict[_Component, int]:
    """What a channel gets of a retainer, which all lines share whose money leaves the budget."""
    weekly = [term.weekly_pence for term in paid_out]
    shares = apportion(min(retainer, sum(weekly)), weekly)
    return {
        _Component.of("retainer", term, channel): share
        for term, share in zip(paid_out, shares, strict=True)
        if share and term.channel == channel
    }


WorkedOut = Callable[[Terms, Period], list[EntitlementLine]]
"""The lines of one window: `entitlement` for what is paid as a direct payment, `service_funds`
for what is paid to a provider, `charges` for what is invoiced."""


def entitlement(terms: Terms, window: Period) -> list[EntitlementLine]:
    """The lines owed for one window: a line per component segment, in order of its first day.

    Adjacent days on which a component's rate is the same are one segment, so an unrelated
    change does not add a rounding. Contribution lines are negative (net basis); what is charged
    by invoice is not here but in `charges`.
    """
    return _paid(terms, window, "direct_payment")


def service_funds(terms: Terms, window: Period) -> list[EntitlementLine]:
    """The lines owed for one window to the provider who holds the individual service fund.

    No contribution is taken off them: what is set against them is in `charges`.
    """
    return _paid(terms, window, "service_fund")


PAID_BY: dict[Channel, WorkedOut] = {"direct_payment": entitlement, "service_fund": service_funds}
"""How what is paid by each channel is worked out."""


def charges(terms: Terms, window: Period) -> list[EntitlementLine]:
    """The contribution that the person is invoiced for one window, positive, line by line."""
    return list(_segments(terms, window, "direct_payment", _weekly_charges))


def _paid(terms: Terms, window: Period, channel: Channel) -> list[EntitlementLine]:
    if not any(term.channel == channel for term in terms.allocations):
        return []
    lines = list(_segments(terms, window, channel, _weekly_rates))
    lines.extend(_one_offs(terms, window, channel))
    return lines


def _segments(
    terms: Terms,
    window: Period,
    channel: Channel,
    rates_on: Callable[[Terms, date, Channel], dict[_Component, int]],
) -> Iterator[EntitlementLine]:
    boundaries = _boundaries(terms, window)
    segments: dict[_Component, list[tuple[date, date, int]]] = {}
    for starts_on, next_start in pairwise(boundaries):
        ends_on = next_start - _DAY
        for component, weekly in rates_on(terms, starts_on, channel).items():
            stack = segments.setdefault(component, [])
            if stack and stack[-1][2] == weekly and stack[-1][1] + _DAY == starts_on:
                stack[-1] = (stack[-1][0], ends_on, weekly)
            else:
                stack.append((starts_on, ends_on, weekly))
    for component, stack in segments.items():
        for starts_on, ends_on, weekly in stack:
            pence = for_days(weekly, (ends_on - starts_on).days + 1)
            yield component.line(window, pence, starts_on, ends_on, weekly)


def _one_offs(terms: Terms, window: Period, channel: Channel) -> Iterator[EntitlementLine]:
    for t in terms.allocations:
        if (
            t.one_off_pence
            and t.channel == channel
            and window.contains(t.starts_on)
            and terms.starts_on <= t.starts_on <= terms.ends_on
        ):
            once = _Component.of("one_off", t, channel)
            yield once.line(window, t.one_off_pence, t.starts_on, t.starts_on)


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
    settled: Sequence[EntitlementLine],
    period: Period,
    changed_from: date = date.min,
    worked_out: WorkedOut = entitlement,
) -> list[EntitlementLine]:
    """The lines still owed to the end of a period: what is unpaid, then what must be put right.

    `settled` are all lines scheduled (or invoiced) before. Windows that ended before
    `changed_from` are known to agree with the terms and are not worked out again. The sum may
    be negative: then nothing is sent, nothing is recorded, and the next period's sum carries it.
    """
    lines: list[EntitlementLine] = []
    if terms.starts_on <= period.ends_on:
        windows = {line.window for line in settled}
        for window in _unpaid_windows(windows, terms.starts_on, period):
            lines.extend(worked_out(terms, window))
    lines.extend(adjustments(terms, settled, changed_from, worked_out))
    return lines


def adjustments(
    terms: Terms,
    settled: Sequence[EntitlementLine],
    changed_from: date = date.min,
    worked_out: WorkedOut = entitlement,
) -> Iterator[EntitlementLine]:
    """What must be put right for windows settled before that end on or after `changed_from`."""
    by_window: dict[Period, defaultdict[_Component, int]] = {}
    for line in settled:
        if line.window.ends_on >= changed_from:
            components = by_window.setdefault(line.window, defaultdict(int))
            components[_Component.of(line.kind, line, line.channel)] += line.amount_pence
    for window, components in by_window.items():
        yield from _adjustments(window, components, worked_out(terms, window))


def _adjustments(
    window: Period, already: dict[_Component, int], lines: Iterable[EntitlementLine]
) -> Iterator[EntitlementLine]:
    difference = {component: -pence for component, pence in already.items()}
    for line in lines:
        key = _Component.of(line.kind, line, line.channel)
        difference[key] = difference.get(key, 0) + line.amount_pence
    for component, pence in difference.items():
        if pence:
            yield component.line(window, pence, window.starts_on, window.ends_on, 0, True)


def recovering_at_most(lines: Sequence[EntitlementLine], most_pence: int) -> list[EntitlementLine]:
    """The lines, their adjustments together taking back no more than `most_pence`.

    What is left of an adjustment is found again as an adjustment of the next payment.
    """
    taken = -sum(line.amount_pence for line in lines if line.adjustment)
    left_over = taken - most_pence
    kept: list[EntitlementLine] = []
    for line in reversed(lines):  # the earliest days are put right first
        if left_over > 0 and line.adjustment and line.amount_pence < 0:
            held_back = min(left_over, -line.amount_pence)
            left_over -= held_back
            if held_back == -line.amount_pence:
                continue
            line = msgspec.structs.replace(line, amount_pence=line.amount_pence + held_back)
        kept.append(line)
    return kept[::-1]
