"""The one bridge from events to money: each event's balanced double-entry postings.

Positive is a debit, negative a credit, in pence. Every set sums to nought. An event that is
neither posted here nor listed as moneyless raises: there is no silent default.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ledger.aggregates import (
    accounting_periods,
    allocations,
    bank_report,
    care_decisions,
    clawbacks,
    consents,
    contributions,
    estates,
    interests,
    mass_change,
    payees,
    provider,
    recovery,
    representatives,
    service_funds,
    spend_returns,
    suspensions,
)
from ledger.aggregates import cycle_events as cycle
from ledger.aggregates import payments as budget
from ledger.aggregates.event_sourced import Event
from ledger.entitlement import EntitlementLine
from ledger.terms import Channel

ACCOUNTS = {
    "direct_payments": "Spending on direct payments, gross of contributions.",
    "individual_service_funds": "Spending on individual service funds, held by providers.",
    "client_contributions": "Contributions taken off payments or invoiced; income.",
    "contribution_debtors": "Contributions invoiced and not yet paid; owed by recipients.",
    "payments_due": "Promised to payees and not yet paid by the bank; owed by the council.",
    "bank": "The council's bank account.",
    "returned_payments": "Sent back or not taken by the bank and not settled; must clear to nil.",
    "clawback_debtors": "Owed to the council by recipients.",
    "clawback_income": "Unspent or misspent money claimed back; reduces spending.",
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


_ACCOUNT_OF = {"contribution": ("client_contributions", 1), "charge": ("client_contributions", -1)}
"""Where a kind of line is posted and with which sign: a charge is positive and income."""

_SPENDING: dict[Channel, tuple[str, int]] = {
    "direct_payment": ("direct_payments", 1),
    "service_fund": ("individual_service_funds", 1),
}
"""Where every other line is posted, by how its money leaves the budget."""


def _sides(lines: Iterable[EntitlementLine], sign: int) -> Iterator[Posting]:
    """Entitlement lines on their accounts, one side for each funding stream and cost centre."""
    sides: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        account, charged = _ACCOUNT_OF.get(line.kind) or _SPENDING[line.channel]
        sides[account, line.funding_stream, line.cost_centre] += charged * line.amount_pence
    for (account, funding_stream, cost_centre), pence in sides.items():
        if pence:
            yield Posting(account, sign * pence, funding_stream, cost_centre)


def _scheduled(event: budget.PaymentScheduled) -> Iterator[Posting]:
    yield from _sides(event.lines, 1)
    yield Posting("payments_due", -(event.amount_pence + event.deducted_pence))


def _cancelled(event: budget.PaymentCancelled) -> Iterator[Posting]:
    """The promise undone: the same sides turned round, and each instalment owed again."""
    if event.reissue_of:
        yield Posting("payments_due", event.amount_pence)
        yield Posting("returned_payments", -event.amount_pence)
        return
    yield from _sides(event.lines, -1)
    yield Posting("payments_due", event.amount_pence)
    for _, pence in event.deductions:
        yield Posting("clawback_debtors", pence)


def _refunded(event: budget.PaymentRefunded) -> Iterator[Posting]:
    """What was held goes back to where it was spent, and each instalment is owed again."""
    yield from _sides(event.lines, -1)
    yield Posting("returned_payments", event.amount_pence)
    for _, pence in event.deductions:
        yield Posting("clawback_debtors", pence)


def _confirmed_clawback(event: clawbacks.ClawbackConfirmed) -> Iterator[Posting]:
    """An overpayment reduces what was spent, line by line; anything else is income."""
    yield Posting("clawback_debtors", event.amount_pence)
    if event.lines:
        yield from _sides(event.lines, 1)
    else:
        yield Posting("clawback_income", -event.amount_pence)


def _repaid_fund(event: service_funds.ServiceFundRepaid) -> Iterator[Posting]:
    """What the provider was overpaid was not spent after all."""
    yield from _sides(event.lines, 1)
    yield Posting("bank", event.amount_pence)


def _invoiced(event: contributions.ContributionInvoiced) -> Iterator[Posting]:
    yield from _sides(event.lines, 1)
    yield Posting("contribution_debtors", event.amount_pence)


def _credited(event: contributions.ContributionCredited) -> Iterator[Posting]:
    yield from _sides(event.lines, 1)
    yield Posting("contribution_debtors", -event.amount_pence)


def _between(debit: str, credit: str) -> Callable[[Any], Iterator[Posting]]:
    def entry(event: Any) -> Iterator[Posting]:
        yield Posting(debit, event.amount_pence)
        yield Posting(credit, -event.amount_pence)

    return entry


POSTED: dict[type[Event], Callable[[Any], Iterator[Posting]]] = {
    budget.PaymentScheduled: _scheduled,
    budget.PaymentConfirmed: _between("payments_due", "bank"),
    budget.PaymentReturned: _between("bank", "returned_payments"),
    budget.PaymentRejected: _between("payments_due", "returned_payments"),
    budget.PaymentRefunded: _refunded,
    budget.PaymentReissued: _between("returned_payments", "payments_due"),
    budget.PaymentCancelled: _cancelled,
    service_funds.ServiceFundRepaid: _repaid_fund,
    contributions.ContributionInvoiced: _invoiced,
    contributions.ContributionCredited: _credited,
    contributions.ContributionReceived: _between("bank", "contribution_debtors"),
    clawbacks.ClawbackConfirmed: _confirmed_clawback,
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
        contributions.ContributionAssessed,
        contributions.FinancesAssessed,
        suspensions.PaymentsSuspended,
        suspensions.ResumptionProposed,
        suspensions.PaymentsResumed,
        allocations.SwitchedToProvidedServices,
        allocations.DirectPaymentResumed,
        # A case of its own moves nothing: what it settles is refunded payment by payment.
        estates.EstateCaseOpened,
        estates.EstateCaseDecided,
        payees.PayeeProposed,
        payees.PayeeNameChecked,
        payees.PayeeNumberChecked,
        payees.PayeeVerified,
        payees.PayeeWithdrawn,
        service_funds.ServiceFundHeld,
        # What a provider is paid is posted on each budget whose money it holds.
        provider.ProviderRegistered,
        provider.ProviderAccountProposed,
        provider.ProviderAccountVerified,
        provider.ProviderAccountWithdrawn,
        provider.ProviderEnded,
        # The person's own account is not the council's money until it is asked back.
        spend_returns.SpendReturnRequested,
        spend_returns.SpendReturnSubmitted,
        spend_returns.SpendReturnQueried,
        spend_returns.SpendReturnAccepted,
        clawbacks.ClawbackProposed,
        clawbacks.ClawbackNotified,
        clawbacks.ClawbackDisputed,
        recovery.RecoveryCapped,
        # Who acts, who may look and who may not act is no matter of money.
        representatives.RepresentativeAppointed,
        representatives.RepresentativeEnded,
        consents.AccessGranted,
        consents.AccessRevoked,
        interests.InterestDeclared,
        interests.InterestEnded,
        # A mass change's money is posted by each budget it changes.
        mass_change.MassChangeListed,
        mass_change.MassChangePrepared,
        mass_change.MassChangeApproved,
        mass_change.MassChangeRejected,
        mass_change.MassChangeApplied,
        # A cycle's money is posted on each budget it pays.
        cycle.CycleLinesListed,
        cycle.CyclePrepared,
        cycle.CycleApproved,
        cycle.CycleRejected,
        cycle.CycleCancelled,
        cycle.CycleIssued,
        cycle.CycleFileRefused,
        cycle.CycleAcknowledged,
        cycle.CycleSettled,
        # What a report says of a payment is posted by the payment's own budget.
        bank_report.ReportItemsQueued,
        bank_report.BankReportImported,
        bank_report.ReportItemMatched,
        bank_report.ReportItemDismissed,
        # A close moves no money: it only says on which day later postings count.
        accounting_periods.AccountingPeriodClosed,
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
