"""The audit: what each kind of event says, in a plain sentence that can be read aloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.aggregates import (
    allocations,
    care_decisions,
    clawbacks,
    contributions,
    estates,
    recovery,
    service_funds,
    spend_returns,
    suspensions,
)
from ledger.aggregates import payments as budget
from ledger.aggregates.event_sourced import Event
from ledger.money import format_pounds as pounds
from ledger.projections.access_words import ACCESS_SENTENCES
from ledger.projections.payee_words import PAYEE_SENTENCES
from ledger.projections.run_sentences import SENTENCES_OF_RUNS
from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS, day, from_to, words
from ledger.terms import AllocationTerm


def _as_a(code: str) -> str:
    return f"as {'an' if code[0] in 'aeiou' else 'a'} {words(code)}"


def _line(term: AllocationTerm) -> str:
    amount = (
        f"{pounds(term.weekly_pence)} a week"
        if term.weekly_pence
        else f"{pounds(term.one_off_pence)} once"
    )
    until = f" until {day(term.ends_on)}" if term.ends_on else ""
    return (
        f"{amount} for {words(term.need)} ({words(term.funding_stream)}, "
        f"{_as_a(term.deployment)}) from {day(term.starts_on)}{until}"
    )


def _offered(e: care_decisions.DirectPaymentOffered) -> str:
    start = f"A direct payment was offered at the {e.occasion}"
    if e.outcome == "excluded":
        return f"At the {e.occasion} a direct payment was refused, on a ground in law."
    return f"{start} and {e.outcome}."


def _scheduled(e: budget.PaymentScheduled) -> str:
    adjustments = sum(line.amount_pence for line in e.lines if line.adjustment)
    gross = sum(
        line.amount_pence for line in e.lines if not line.adjustment and line.kind != "contribution"
    )
    contribution = sum(
        line.amount_pence for line in e.lines if not line.adjustment and line.kind == "contribution"
    )
    parts = [f"{pounds(gross)} of support"]
    if contribution:
        parts.append(f"less {pounds(-contribution)} contribution")
    if adjustments:
        verb = "plus" if adjustments > 0 else "less"
        parts.append(f"{verb} {pounds(abs(adjustments))} put right for earlier days")
    if e.deducted_pence:
        parts.append(f"less {pounds(e.deducted_pence)} of money owed back")
    what = "payment into the service fund" if e.channel == "service_fund" else "payment"
    return (
        f"A {what} of {pounds(e.amount_pence)} ({e.payment_reference}) was promised for "
        f"{from_to(e.period)}, to be paid {_to(e)}on {day(e.effective_on)}: {', '.join(parts)}."
    )


def _to(e: budget.PaymentScheduled | budget.PaymentReissued) -> str:
    """To which provider, with what; nothing of any other payee."""
    if not e.provider_reference:
        return ""
    return f"to the provider {e.provider_reference} (with {e.bulk_reference}) "


def _suspended(e: suspensions.PaymentsSuspended) -> str:
    how = (
        f"down to {pounds(e.retainer_weekly_pence)} a week"
        if e.retainer_weekly_pence
        else "in full"
    )
    until = f" to {day(e.expires_on)}" if e.expires_on else ""
    meanwhile = f" Meanwhile: {words(e.interim_arrangement)}." if e.interim_arrangement else ""
    return (
        f"Payments were suspended {how} from {day(e.effective_on)}{until} "
        f"({words(e.reason_code)}), to be reviewed on {day(e.review_on)}.{meanwhile}"
    )


def _resumption_proposed(e: suspensions.ResumptionProposed) -> str:
    arrears = ", with what was held back" if e.arrears_due else ""
    return (
        f"It was proposed to resume payments from {day(e.effective_on)}{arrears} (suspended from "
        f"{day(e.suspended_from)}: {words(e.reason_code)})."
    )


def _decided_case(e: estates.EstateCaseDecided) -> str:
    what = {
        "recipient_died": "the recipient died",
        "account_holder_died": "the account holder died, not the recipient",
        "reported_in_error": "nobody died; the report was in error",
    }[e.outcome]
    when = f" on {day(e.died_on)}" if e.died_on else ""
    account = " The account is not paid to any more." if e.payee_reference else ""
    return f"The estate case {e.case_reference} was decided: {what}{when}.{account}"


def _resumed(e: suspensions.PaymentsResumed) -> str:
    why = f" ({words(e.reason_code)})" if e.reason_code else ""
    arrears = ", and what was held back is owed as well" if e.arrears_due else ""
    return f"Payments were resumed{why} from {day(e.effective_on)}{arrears}."


def _with_many(change_reference: str) -> str:
    return f" by the mass change {change_reference}" if change_reference else ""


def _lines_named(references: tuple[str, ...]) -> str:
    return ", ".join(words(reference).replace(".", " of ") for reference in references)


def _confirmed_clawback(e: clawbacks.ClawbackConfirmed) -> str:
    how = (
        f"by {pounds(e.instalment_pence)} from each payment"
        if e.recovery == "deduction"
        else "by repayment"
    )
    what = f"{pounds(e.amount_pence)} is owed back ({e.clawback_reference})"
    return f"It was decided that {what}, {how}."


def _recovery_capped(e: recovery.RecoveryCapped) -> str:
    if e.per_payment_pence is None:
        return "It was decided that clawbacks are taken from payments without a cap."
    if not e.per_payment_pence:
        return "It was decided that nothing is taken from payments for clawbacks for now."
    return (
        f"It was decided that at most {pounds(e.per_payment_pence)} is taken from a payment for "
        "all clawbacks together."
    )


def _most(term: contributions.ContributionAssessed | contributions.AssessedTerm) -> str:
    if term.full_cost:
        return "the full cost"
    return f"{pounds(term.weekly_pence)} a week" if term.weekly_pence else "nothing"


def _collected(e: contributions.ContributionAssessed | contributions.FinancesAssessed) -> str:
    return "taken off the payment" if e.basis == "net" else "invoiced separately"


def _finances_assessed(e: contributions.FinancesAssessed) -> str:
    if e.outcome == "free":
        return (
            f"The financial assessment {e.assessment_reference} was decided on "
            f"{day(e.decided_on)}: nothing is charged from {day(e.effective_on)}, by law."
        )
    terms = ", then ".join(f"{_most(term)} from {day(term.starts_on)}" for term in e.terms)
    how = {
        "net_off": "",
        "weekly_cap": f" Arrears are taken back by at most {pounds(e.weekly_cap_pence)} a week.",
        "invoice": " Arrears are invoiced.",
    }[e.recovery]
    provisional = " for the time being" if e.provisional else ""
    return (
        f"The financial assessment {e.assessment_reference} was decided on {day(e.decided_on)}: "
        f"the person contributes at most {terms}{provisional}, {_collected(e)}.{how}"
    )


SENTENCES: dict[type[Event], Callable[[Any], str]] = {
    care_decisions.BudgetOpened: lambda e: (
        f"The personal budget {e.reference} was opened from {day(e.effective_on)} under the "
        f"{words(e.legal_basis)} for {words(e.primary_support_reason)}."
        + (
            f" An earlier system has paid to {day(e.paid_elsewhere_to)}."
            if e.paid_elsewhere_to
            else ""
        )
    ),
    care_decisions.DirectPaymentOffered: _offered,
    care_decisions.AgreementSigned: lambda e: (
        f"The direct payment agreement, version {e.template_version}, was signed; "
        f"spend returns: {words(e.return_frequency)}."
    ),
    care_decisions.BudgetClosed: lambda e: (
        f"The personal budget was closed; its last day is {day(e.effective_on)} "
        f"({words(e.reason_code)})."
    ),
    allocations.AllocationAgreed: lambda e: (
        f"An allocation was agreed: {'; '.join(map(_line, e.lines))}. "
        f"The budget is then {pounds(e.weekly_budget_pence)} a week."
    ),
    allocations.AllocationRevised: lambda e: (
        f"An allocation was revised{_with_many(e.change_reference)}: {_line(e.line)}."
    ),
    allocations.AllocationEnded: lambda e: (
        f"The allocation for {_lines_named((e.line_reference,))} ended after {day(e.effective_on)}."
    ),
    contributions.ContributionAssessed: lambda e: (
        f"The person's contribution was assessed as {_most(e)} from {day(e.effective_on)}, "
        f"{_collected(e)}."
    ),
    contributions.FinancesAssessed: _finances_assessed,
    contributions.ContributionInvoiced: lambda e: (
        f"The person was invoiced {pounds(e.amount_pence)} of contribution "
        f"({e.invoice_reference}) for days to {day(e.period.ends_on)}."
    ),
    contributions.ContributionCredited: lambda e: (
        f"{pounds(e.amount_pence)} of contribution invoiced before was credited "
        f"({e.invoice_reference}) for days to {day(e.period.ends_on)}."
    ),
    contributions.ContributionReceived: lambda e: (
        f"The person paid {pounds(e.amount_pence)} of contribution ({e.receipt_reference})."
    ),
    suspensions.PaymentsSuspended: _suspended,
    suspensions.ResumptionProposed: _resumption_proposed,
    suspensions.PaymentsResumed: _resumed,
    allocations.SwitchedToProvidedServices: lambda e: (
        f"From {day(e.effective_on)} the council provides services for "
        f"{_lines_named(e.line_references)} instead of paying"
        + (", at the person's own request." if e.at_own_request else ".")
    ),
    allocations.DirectPaymentResumed: lambda e: (
        f"From {day(e.effective_on)} {_lines_named(e.line_references)} is paid as a direct "
        "payment again."
    ),
    **PAYEE_SENTENCES,
    service_funds.ServiceFundHeld: lambda e: (
        f"From {day(e.effective_on)} the provider {e.provider_reference} holds the individual "
        "service funds."
    ),
    service_funds.ServiceFundRepaid: lambda e: (
        f"The provider paid back {pounds(e.amount_pence)} that the service fund was overpaid "
        f"({e.receipt_reference})."
    ),
    estates.EstateCaseOpened: lambda e: (
        f"A death was reported by the {e.reported_by} ({e.case_reference}); nothing is paid until "
        "the estate case is decided."
        if e.reported_by != "other"
        else f"A death was reported ({e.case_reference}); nothing is paid until the estate case is "
        "decided."
    ),
    estates.EstateCaseDecided: _decided_case,
    budget.PaymentScheduled: _scheduled,
    budget.PaymentConfirmed: lambda e: (
        f"The bank paid {pounds(e.amount_pence)} ({e.payment_reference}) on {day(e.effective_on)}."
    ),
    budget.PaymentReturned: lambda e: (
        f"The bank sent back {pounds(e.amount_pence)} ({e.payment_reference}) because "
        f"{RETURN_REASONS[e.reason_code]}; it is held until it is settled."
    ),
    budget.PaymentRejected: lambda e: (
        f"The bank did not take the payment of {pounds(e.amount_pence)} ({e.payment_reference}) "
        f"because {REJECTION_REASONS[e.reason_code]}; it is held until it is settled."
    ),
    budget.PaymentRefunded: lambda e: (
        f"The {pounds(e.amount_pence)} that came back ({e.payment_reference}) was refunded to the "
        "budget; what it was for is open again."
        + (f" The estate case {e.case_reference} decided it." if e.case_reference else "")
    ),
    budget.PaymentReissued: lambda e: (
        f"The returned {pounds(e.amount_pence)} ({e.reissue_of}) was issued again as "
        f"{e.payment_reference}, to be paid {_to(e)}on {day(e.effective_on)}."
    ),
    budget.PaymentCancelled: lambda e: (
        f"The payment of {pounds(e.amount_pence)} ({e.payment_reference}) was cancelled before "
        "it left; what it was for is owed again."
    ),
    spend_returns.SpendReturnRequested: lambda e: (
        f"A spend return ({e.return_reference}) was asked for {from_to(e.period)}, "
        f"due by {day(e.due_on)}."
    ),
    spend_returns.SpendReturnSubmitted: lambda e: (
        f"The spend return {e.return_reference} was sent in: "
        f"{pounds(e.opening_balance_pence)} at the start, {pounds(e.money_in_pence)} in, "
        f"{pounds(e.spending_pence)} spent, {pounds(e.closing_balance_pence)} left."
    ),
    spend_returns.SpendReturnQueried: lambda e: (
        f"The spend return {e.return_reference} was queried: {words(e.query_code)}."
    ),
    spend_returns.SpendReturnAccepted: lambda e: (
        f"The spend return {e.return_reference} was accepted."
    ),
    clawbacks.ClawbackProposed: lambda e: (
        f"It was proposed to ask for {pounds(e.amount_pence)} back ({e.clawback_reference}): "
        f"{words(e.cause_code)}."
    ),
    clawbacks.ClawbackNotified: lambda e: (
        f"The person was told about the clawback {e.clawback_reference} and may answer until "
        f"{day(e.respond_by)}."
    ),
    clawbacks.ClawbackDisputed: lambda e: (
        f"The person disagrees with the clawback {e.clawback_reference}."
    ),
    clawbacks.ClawbackConfirmed: _confirmed_clawback,
    clawbacks.ClawbackReceived: lambda e: (
        f"{pounds(e.amount_pence)} of the clawback {e.clawback_reference} was paid back "
        f"({e.receipt_reference})."
    ),
    clawbacks.ClawbackDeducted: lambda e: (
        f"{pounds(e.amount_pence)} of the clawback {e.clawback_reference} was taken from the "
        f"payment {e.payment_reference}."
    ),
    recovery.RecoveryCapped: _recovery_capped,
    clawbacks.ClawbackWaived: lambda e: (
        f"{pounds(e.amount_pence)} of the clawback {e.clawback_reference} will not be pursued: "
        f"{words(e.reason_code)}."
    ),
    **ACCESS_SENTENCES,
    **SENTENCES_OF_RUNS,
}
"""What each kind of event says, in plain English and without personal data."""


def sentence(event: Event) -> str:
    """One event in plain English. Raises `KeyError` for an event nobody has put into words."""
    return SENTENCES[type(event)](event)
