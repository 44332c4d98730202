"""What a command would do to a budget: tried on one in hand, and nothing saved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period, four_weekly
from ledger.recalculation import WeeklyChange, WindowChange, weekly, window_changes
from ledger.terms import Terms

_DAY = timedelta(days=1)


class NextPayment(msgspec.Struct, frozen=True):
    """What is paid for the period after the last one paid, if all else stays as it is.

    `carried` is below nought where more is to be recovered than the payment can bear."""

    period: Period
    payment_was_pence: int
    payment_now_pence: int
    carried_was_pence: int
    carried_now_pence: int


class Effect(msgspec.Struct, frozen=True):
    """What a change does to days past and to come.

    `windows` are the periods already paid or invoiced that come to something else;
    `total_pence` is the sum of their differences: a refund, or arrears if negative. Weekly
    figures are those of the day it takes effect before, and of each day on which they change.
    """

    windows: tuple[WindowChange, ...]
    total_pence: int
    weekly_was: WeeklyChange
    weekly_now: tuple[WeeklyChange, ...]
    next_payment: NextPayment


class Tried(NamedTuple):
    """The events that would be recorded, the budget as it would be, and the effect.

    A budget that is only being opened has no terms to compare."""

    budget: PersonalBudget
    events: list[Recorded]
    effect: Effect | None


def tried(budget: PersonalBudget, decide: Callable[[PersonalBudget], None], on: date) -> Tried:
    """Give commands to a budget that will not be saved, and compare it with what it was.

    `on` is the day the change takes effect. Raises the refusals of the commands.
    """
    if budget.opened is None:
        decide(budget)
        return Tried(budget, budget.collect_events(), None)
    before = kept(budget.terms)
    scheduled, charged = tuple(budget.scheduled_lines), tuple(budget.charged_lines)
    period = next_period(budget, on)
    due_before = budget.payment_due(period)
    decide(budget)
    windows = window_changes(before, budget.terms, scheduled, charged)
    due_now = budget.payment_due(period)
    changing = {on, *(term.starts_on for term in budget.contributions if term.starts_on > on)}
    effect = Effect(
        windows=tuple(windows),
        total_pence=sum(window.difference_pence for window in windows),
        weekly_was=weekly(before, on),
        weekly_now=tuple(weekly(budget.terms, day) for day in sorted(changing)),
        next_payment=NextPayment(
            period,
            max(due_before.amount_pence, 0),
            max(due_now.amount_pence, 0),
            min(due_before.owed_pence, 0),
            min(due_now.owed_pence, 0),
        ),
    )
    return Tried(budget, budget.collect_events(), effect)


def kept(terms: Terms) -> Terms:
    """The terms as they are now: a budget goes on to change its own lists."""
    return terms._replace(
        allocations=tuple(terms.allocations),
        contributions=tuple(terms.contributions),
        suspensions=tuple(terms.suspensions),
    )


def next_period(budget: PersonalBudget, on: date) -> Period:
    """The period after the last one paid, as long as it was; else the four weeks with a day."""
    last = budget.last_payment
    if last is None:
        beginning = four_weekly(budget.terms.starts_on)
        return beginning if beginning.contains(on) else four_weekly(on)
    first = last.period.ends_on + _DAY
    return Period(first, first + timedelta(days=last.period.days - 1))
