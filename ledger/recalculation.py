"""What a change of terms does to days already paid or invoiced: two timelines side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import date

import msgspec

from ledger.dates import Period
from ledger.entitlement import PAID_BY, EntitlementLine, charges, entitlement, service_funds
from ledger.terms import Channel, Terms


class WindowChange(msgspec.Struct, frozen=True):
    """A run of days that was paid or invoiced, under the terms before and after a change.

    `contribution` is what the person bears, taken off the payment or invoiced; `payment` is
    what is paid to the payee, and to the provider of the service fund. `difference_pence` is
    owed to the person, or by them if negative, whoever holds the money.
    """

    window: Period
    contribution_was_pence: int
    contribution_now_pence: int
    payment_was_pence: int
    payment_now_pence: int
    difference_pence: int


class WeeklyChange(msgspec.Struct, frozen=True):
    """What a week is worth from a day on: the support paid for, its contribution, the payment.

    Of the support and the payment, `service_fund_pence` go to the provider of a service fund."""

    starts_on: date
    gross_pence: int
    contribution_pence: int
    payment_pence: int
    invoiced_pence: int
    service_fund_pence: int = 0


def window_changes(
    before: Terms,
    after: Terms,
    scheduled: Iterable[EntitlementLine],
    charged: Iterable[EntitlementLine],
    changed_from: date = date.min,
) -> list[WindowChange]:
    """Every settled window in order that comes to something else; none if nothing changes.

    A window is compared as a payment if it was paid, and as an invoice if it was invoiced.
    Those that ended before `changed_from` are known to be as they were.
    """
    paid: defaultdict[Period, set[Channel]] = defaultdict(set)
    for line in scheduled:
        if line.window.ends_on >= changed_from:
            paid[line.window].add(line.channel)
    invoiced = {line.window for line in charged if line.window.ends_on >= changed_from}
    changes = (
        _change(before, after, window, paid.get(window, set()), window in invoiced)
        for window in sorted(paid.keys() | invoiced)
    )
    return [change for change in changes if change is not None]


def _change(
    before: Terms, after: Terms, window: Period, paid_by: Set[Channel], is_invoiced: bool
) -> WindowChange | None:
    was, now = (_of(terms, window, paid_by, is_invoiced) for terms in (before, after))
    if was == now:
        return None
    (netted_was, charged_was, payment_was), (netted_now, charged_now, payment_now) = was, now
    return WindowChange(
        window,
        netted_was + charged_was,
        netted_now + charged_now,
        payment_was,
        payment_now,
        (payment_now - payment_was) - (charged_now - charged_was),
    )


def _of(
    terms: Terms, window: Period, paid_by: Set[Channel], is_invoiced: bool
) -> tuple[int, int, int]:
    """Pence of one window: contribution taken off, contribution charged, payment."""
    paid = [line for channel in paid_by for line in PAID_BY[channel](terms.of(channel), window)]
    charged = charges(terms, window) if is_invoiced else []
    return (
        -sum(line.amount_pence for line in paid if line.kind == "contribution"),
        sum(line.amount_pence for line in charged),
        sum(line.amount_pence for line in paid),
    )


def weekly(terms: Terms, on: date) -> WeeklyChange:
    """What the terms in force on a day come to for a whole week of such days."""
    day = Period(on, on)
    paid = entitlement(terms, day)
    fund = sum(line.weekly_pence for line in service_funds(terms.of("service_fund"), day))
    gross = sum(line.weekly_pence for line in paid if line.kind != "contribution") + fund
    netted = -sum(line.weekly_pence for line in paid if line.kind == "contribution")
    invoiced = sum(line.weekly_pence for line in charges(terms, day))
    return WeeklyChange(on, gross, netted + invoiced, gross - netted, invoiced, fund)
