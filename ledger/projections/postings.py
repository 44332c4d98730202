"""The one bridge from events to money: each event's balanced double-entry postings.

Positive is a debit, negative a credit, in pence. Every set sums to nought. An event that is
neither posted here nor listed as moneyless raises: there is no silent default.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ledger.aggregates import allocations, care_decisions, clawbacks, payees, spend_returns
from ledger.aggregates import payment_cycle as cycle
from ledger.aggregates import personal_budget as budget
from ledger.aggregates.event_sourced import Event

ACCOUNTS = {
    "direct_payments": "Spending on direct payments, gross of contributions.",
    "client_contributions": "Contributions taken off payments (net basis); income.",
    "payments_due": "Promised to payees and not yet paid by the bank; owed by the council.",
    "bank": "The council's bank account.",
    "returned_payments": "Sent back by the bank and not yet settled; must clear to nil.",
    "clawback_debtors": "Owed to the council by recipients.",
    "clawback_income": "Direct payment money recovered; reduces spending.",
    "clawback_waived": "Clawback that the council decided not to pursue.",
}
"""The accounts, each with what it holds."""


class Posting(NamedTuple):
    """One side of an entry."""

    account: str
    amount_pence: int
    funding_stream: str = ""
    cost_centre: str = ""


class UnpostedEvent(Exception):
    """An event is neither posted nor listed as moneyless: the ledger must not guess."""


def _scheduled(event: budget.PaymentScheduled) -> Iterator[Posting]:
    sides: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for line in event.lines:
        account = "client_contributions" if line.kind == "contribution" else "direct_payments"
        sides[account, line.funding_stream, line.cost_centre] += line.amount_pence
    for (account, funding_stream, cost_centre), pence in sides.items():
        if pence:
            yield Posting(account, pence, funding_stream, cost_centre)
    yield Posting("payments_due", -(event.amount_pence + event.deducted_pence))


def _between(debit: str, credit: str) -> Callable[[Any], Iterator[Posting]]:
    def entry(event: Any) -> Iterator[Posting]:
        yield Posting(debit, event.amount_pence)
        yield Posting(credit, -event.amount_pence)

    return entry


POSTED: dict[type[Event], Callable[[Any], Iterator[Posting]]] = {
    budget.PaymentScheduled: _scheduled,
    budget.PaymentConfirmed: _between("payments_due", "bank"),
    budget.PaymentReturned: _between("bank", "returned_payments"),
    budget.PaymentReissued: _between("returned_payments", "payments_due"),
    clawbacks.ClawbackConfirmed: _between("clawback_debtors", "clawback_income"),
    clawbacks.ClawbackReceived: _between("bank", "clawback_debtors"),
    clawbacks.ClawbackDeducted: _between("payments_due", "clawback_debtors"),
    clawbacks.ClawbackWaived: _between("clawback_waived", "clawback_debtors"),
}

MONEYLESS: frozenset[type[Event]] = frozenset(
    {
        care_decisions.BudgetOpened,
        care_decisions.DirectPaymentOffered,
        care_decisions.AgreementSigned,
        care_decisions.BudgetClosed,
        # Terms move no money by themselves: the next payment is worked out from them.
        allocations.AllocationAgreed,
        allocations.AllocationRevised,
        allocations.AllocationEnded,
        allocations.ContributionAssessed,
        allocations.PaymentsSuspended,
        allocations.PaymentsResumed,
        allocations.SwitchedToProvidedServices,
        allocations.DirectPaymentResumed,
        payees.PayeeProposed,
        payees.PayeeVerified,
        # The person's own account is not the council's money until it is asked back.
        spend_returns.SpendReturnRequested,
        spend_returns.SpendReturnSubmitted,
        spend_returns.SpendReturnQueried,
        spend_returns.SpendReturnAccepted,
        clawbacks.ClawbackProposed,
        clawbacks.ClawbackNotified,
        clawbacks.ClawbackDisputed,
        # A cycle's money is posted on each budget it pays.
        cycle.CycleLinesListed,
        cycle.CyclePrepared,
        cycle.CycleApproved,
        cycle.CycleRejected,
        cycle.CycleCancelled,
        cycle.CycleIssued,
        cycle.CycleSettled,
    }
)


def postings(event: Event) -> tuple[Posting, ...]:
    """The postings of one event, summing to nought; none if it is moneyless.

    Raises `UnpostedEvent` for an event nobody has decided about.
    """
    post = POSTED.get(type(event))
    if post is not None:
        return tuple(post(event))
    if type(event) in MONEYLESS:
        return ()
    raise UnpostedEvent(f"{type(event).__name__} has no postings and is not listed as moneyless.")
