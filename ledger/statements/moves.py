"""What each kind of event moves: the support it is for, and the money that goes or comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ledger.aggregates import clawbacks, contributions, service_funds
from ledger.aggregates import payments as paying
from ledger.aggregates.event_sourced import Event
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, LineKind
from ledger.terms import Channel

Part = tuple[Period, LineKind, Channel]
"""One part of the days that one channel paid, or that were invoiced, together."""


def part_of(line: EntitlementLine) -> Part:
    """The part that a line belongs to."""
    return line.window, line.kind, line.channel


_SETTLES = paying.PaymentScheduled | service_funds.ServiceFundRepaid
_UNDOES = paying.PaymentCancelled | paying.PaymentRefunded
"""What makes open again what a payment settled."""


def settled(event: Event) -> Counter[Part]:
    """The adjustments a payment contains, negative where it was cancelled or refunded.

    A provider who pays back what a fund was overpaid settles them too."""
    found: Counter[Part] = Counter()
    if isinstance(event, _SETTLES | _UNDOES):
        sign = 1 if isinstance(event, _SETTLES) else -1
        for line in event.lines:
            if line.adjustment:
                found[part_of(line)] += sign * line.amount_pence
    return found


def _support(lines: Sequence[EntitlementLine], sign: int) -> Iterator[tuple[str, int]]:
    """Gross, contribution and net of lines for days not paid before."""
    new = [line for line in lines if not line.adjustment]
    taken = sum(line.amount_pence for line in new if line.kind == "contribution")
    net = sum(line.amount_pence for line in new)
    yield "gross_pence", sign * (net - taken)
    yield "contribution_pence", sign * taken
    yield "net_pence", sign * net


def _scheduled(e: paying.PaymentScheduled) -> dict[str, int]:
    return {**dict(_support(e.lines, 1)), "deducted_pence": e.deducted_pence}


def _undone(e: paying.PaymentCancelled | paying.PaymentRefunded) -> dict[str, int]:
    deducted = sum(pence for _, pence in e.deductions)
    return {**dict(_support(e.lines, -1)), "deducted_pence": -deducted}


def _amount(name: str, sign: int = 1) -> Callable[[Any], dict[str, int]]:
    return lambda event: {name: sign * event.amount_pence}


MOVES: dict[type[Event], Callable[[Any], dict[str, int]]] = {
    paying.PaymentScheduled: _scheduled,
    paying.PaymentCancelled: _undone,
    paying.PaymentRefunded: _undone,
    paying.PaymentConfirmed: _amount("paid_pence"),
    paying.PaymentReturned: _amount("paid_pence", -1),
    service_funds.ServiceFundRepaid: _amount("received_pence"),
    contributions.ContributionInvoiced: _amount("invoiced_pence"),
    contributions.ContributionCredited: _amount("invoiced_pence", -1),
    contributions.ContributionReceived: _amount("received_pence"),
    clawbacks.ClawbackConfirmed: _amount("asked_back_pence"),
    clawbacks.ClawbackReceived: _amount("received_pence"),
    clawbacks.ClawbackWaived: _amount("asked_back_pence", -1),
}
"""What each kind of event moves; a reissue sends on what is held, which changes nothing owed."""
