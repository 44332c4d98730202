"""What a command would do to a budget: tried on one in hand, and nothing saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import msgspec

from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.payments import PaidTo, Payment
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period, four_weekly
from ledger.recalculation import WeeklyChange, WindowChange, weekly, window_changes
from ledger.terms import CHANNELS, FOR_EVER, Channel, Terms

FEWEST_PAYMENTS, MOST_PAYMENTS = 3, 13
_DAY = timedelta(days=1)


class PaymentChange(msgspec.Struct, frozen=True):
    """What a channel pays for a period to come, before and after a change, all else as it is.

    Each payment follows on those before it. `carried` is below nought where more is to be
    recovered than the payment can bear. `stopped_by` are the codes of the gates that stop it
    after the change on `pay_on`, taken to be as far before its period as it was last time."""

    period: Period
    pay_on: date
    payment_was_pence: int
    payment_now_pence: int
    carried_was_pence: int
    carried_now_pence: int
    stopped_by: tuple[str, ...] = ()
    channel: Channel = "direct_payment"


class Effect(msgspec.Struct, frozen=True):
    """What a change does to days past and to come.

    `windows` are the periods already paid or invoiced that come to something else;
    `total_pence` is the sum of their differences: a refund, or arrears if negative. Weekly
    figures are those of the day it takes effect before, and of each day on which they change.
    `coming_payments` are the next three, or up to the first made after a suspension expires.
    """

    windows: tuple[WindowChange, ...]
    total_pence: int
    weekly_was: WeeklyChange
    weekly_now: tuple[WeeklyChange, ...]
    coming_payments: tuple[PaymentChange, ...]


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
    was = deepcopy(budget)
    decide(budget)
    windows = window_changes(was.terms, budget.terms, was.scheduled_lines, was.charged_lines)
    effect = Effect(
        windows=tuple(windows),
        total_pence=sum(window.difference_pence for window in windows),
        weekly_was=weekly(was.terms, on),
        weekly_now=tuple(weekly(budget.terms, day) for day in _changing_days(budget.terms, on)),
        coming_payments=tuple(_coming(was, deepcopy(budget), on)),
    )
    return Tried(budget, budget.collect_events(), effect)


def _changing_days(terms: Terms, on: date) -> list[date]:
    """A day, and every later one on which a contribution or a suspension begins or ends."""
    days = {on, *(term.starts_on for term in terms.contributions)}
    for term in terms.suspensions:
        days |= {term.starts_on, min(term.ends_on, FOR_EVER - _DAY) + _DAY}
    return sorted(day for day in days if on <= day < FOR_EVER)


def _coming(was: PersonalBudget, now: PersonalBudget, on: date) -> Iterator[PaymentChange]:
    """Pay a budget as it was and as it is, period by period; both are only there for this."""
    last, period = _last_paid(was), next_period(was, on)
    channels = [c for c in CHANNELS if c == "direct_payment" or now.has_service_fund]
    in_advance = last.period.starts_on - last.pay_on if last else timedelta()
    expiring = [term.ends_on for term in now.suspensions if term.ends_on != FOR_EVER]
    for number in range(1, MOST_PAYMENTS + 1):
        pay_on = period.starts_on - in_advance
        for channel in channels:
            paid_was, carried_was, _ = _paid(was, period, pay_on, channel)
            paid_now, carried_now, stopped_by = _paid(now, period, pay_on, channel)
            yield PaymentChange(
                period, pay_on, paid_was, paid_now, carried_was, carried_now, stopped_by, channel
            )
        if number >= FEWEST_PAYMENTS and pay_on > max(expiring, default=date.min):
            return
        period = Period(period.ends_on + _DAY, period.ends_on + timedelta(days=period.days))


def _paid(
    budget: PersonalBudget, period: Period, pay_on: date, channel: Channel
) -> tuple[int, int, tuple[str, ...]]:
    """Pay a period: the pence, what is carried below nought, and the gates that stop it.

    Whether a provider has a verified account is not asked: no change of a budget alters that."""
    due = budget.payment_due(period, channel)
    gates = budget.failed_gates(period, pay_on, channel=channel)
    stopped_by = tuple(refusal.code for refusal in gates)
    if stopped_by or due.amount_pence <= 0:
        return 0, min(due.owed_pence, 0), stopped_by
    provider_reference = budget.provider_of(channel)
    budget.schedule_payment(
        payment_reference=f"{channel} to come on {pay_on}",
        cycle_reference="",
        period=period,
        lines=due.lines,
        amount_pence=due.amount_pence,
        channel=channel,
        paid_to=PaidTo("", provider_reference) if provider_reference else None,
        effective_on=pay_on,
        recorded_at=datetime.combine(pay_on, time(), UTC),
        recorded_by="",
    )
    return due.amount_pence, 0, ()


def kept(terms: Terms) -> Terms:
    """The terms as they are now: a budget goes on to change its own lists."""
    return terms._replace(
        allocations=tuple(terms.allocations),
        contributions=tuple(terms.contributions),
        suspensions=tuple(terms.suspensions),
    )


def next_period(budget: PersonalBudget, on: date) -> Period:
    """The period after the last one paid, as long as it was; else the four weeks with a day."""
    last = _last_paid(budget)
    if last is None:
        beginning = four_weekly(budget.terms.starts_on)
        return beginning if beginning.contains(on) else four_weekly(on)
    first = last.period.ends_on + _DAY
    return Period(first, first + timedelta(days=last.period.days - 1))


def _last_paid(budget: PersonalBudget) -> Payment | None:
    """The last direct payment; where there is none, the last into a service fund."""
    return budget.last_payment or budget.last_paid("service_fund")
