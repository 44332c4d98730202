"""The audit: what each kind of event says, in a plain sentence that can be read aloud."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any

from ledger.aggregates import (
    accounting_periods,
    allocations,
    care_decisions,
    clawbacks,
    contributions,
    mass_change,
    payees,
    recovery,
    spend_returns,
    suspensions,
)
from ledger.aggregates import payment_cycle as cycle
from ledger.aggregates import payments as budget
from ledger.aggregates.event_sourced import Event
from ledger.dates import Period
from ledger.money import format_pounds as pounds
from ledger.terms import AllocationTerm

RETURN_REASONS = {
    "0": "the account details are not valid",
    "2": "the account holder has died",
    "3": "the account was transferred",
    "5": "there is no such account",
    "B": "the account is closed",
    "C": "the council asked for it back",
}
"""What the Bacs ARUCS codes mean."""


@lru_cache(maxsize=4096)
def day(on: date) -> str:
    """A date as people write it: 6 April 2026."""
    return f"{on.day} {on:%B %Y}"


def words(code: str) -> str:
    """A code as words, or its proper name."""
    return NAMES.get(code) or code.replace("_", " ")


def _days(period: Period) -> str:
    return f"{day(period.starts_on)} to {day(period.ends_on)}"


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


NAMES = {
    "care_act_2014": "Care Act 2014",
    "care_act_2014_carer": "Care Act 2014 as a carer",
    "children_act_1989_s17a": "Children Act 1989, section 17A",
    "mental_health_act_1983_s117": "Mental Health Act 1983, section 117",
    "nhs_act_2006": "National Health Service Act 2006",
    "nhs": "NHS",
}
"""Codes that are proper names."""


def modulus(check: str, table_version: str) -> str:
    """What the modulus check said of an account number, to follow a colon or a semicolon."""
    return {
        "valid": f"the account number passed the modulus check (table {table_version})",
        "no_rule": f"the modulus check has no rule for this sort code (table {table_version})",
        "no_table": "the account number was not checked: no table is loaded",
    }[check]


def _offered(e: care_decisions.DirectPaymentOffered) -> str:
    start = f"A direct payment was offered at the {e.occasion}"
    if e.outcome == "excluded":
        source = care_decisions.LAWFUL_EXCLUSIONS.get(e.reason_code, "")
        return (
            f"At the {e.occasion} a direct payment was refused: {words(e.reason_code)} ({source})."
        )
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
    return (
        f"A payment of {pounds(e.amount_pence)} ({e.payment_reference}) was promised for "
        f"{_days(e.period)}, to be paid on {day(e.effective_on)}: {', '.join(parts)}."
    )


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
    payees.PayeeProposed: lambda e: (
        f"Account details of a {words(e.payee_type)} were put forward ({e.payee_reference[:8]})"
        + (f": {modulus(e.modulus_check, e.modulus_table_version)}." if e.modulus_check else ".")
    ),
    payees.PayeeVerified: lambda e: (
        f"The account details {e.payee_reference[:8]} were checked by a second person."
    ),
    budget.PaymentScheduled: _scheduled,
    budget.PaymentConfirmed: lambda e: (
        f"The bank paid {pounds(e.amount_pence)} ({e.payment_reference}) on {day(e.effective_on)}."
    ),
    budget.PaymentReturned: lambda e: (
        f"The bank sent back {pounds(e.amount_pence)} ({e.payment_reference}) because "
        f"{RETURN_REASONS[e.reason_code]}; it is held until it is settled."
    ),
    budget.PaymentReissued: lambda e: (
        f"The returned {pounds(e.amount_pence)} ({e.reissue_of}) was issued again as "
        f"{e.payment_reference}, to be paid on {day(e.effective_on)}."
    ),
    budget.PaymentCancelled: lambda e: (
        f"The payment of {pounds(e.amount_pence)} ({e.payment_reference}) was cancelled before "
        "it left; what it was for is owed again."
    ),
    spend_returns.SpendReturnRequested: lambda e: (
        f"A spend return ({e.return_reference}) was asked for {_days(e.period)}, "
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
    mass_change.MassChangeListed: lambda e: (
        f"{len(e.lines)} budget(s) were listed for the mass change {e.reference}."
    ),
    mass_change.MassChangePrepared: lambda e: (
        f"The mass change {e.reference} ({words(e.parameters.kind)}) was prepared for "
        f"{day(e.parameters.effective_on)}: {e.totals.line_count} budget(s), "
        f"{e.totals.held_count} held back, from {pounds(e.totals.was_pence)} to "
        f"{pounds(e.totals.now_pence)}."
    ),
    mass_change.MassChangeApproved: lambda e: (
        f"The mass change was approved at {pounds(e.now_pence)}, lines {e.lines_sha256[:12]}."
    ),
    mass_change.MassChangeRejected: lambda e: (
        f"The mass change was rejected: {words(e.reason_code)}."
    ),
    mass_change.MassChangeApplied: lambda e: (
        f"The mass change was made on {e.applied_count} budget(s); "
        f"{len(e.skipped)} were passed over."
    ),
    cycle.CycleLinesListed: lambda e: (
        f"{len(e.lines)} payment(s) and {len(e.exceptions)} exception(s) were listed for the "
        f"cycle {e.reference}."
    ),
    cycle.CyclePrepared: lambda e: (
        f"The cycle {e.reference} was prepared for {_days(e.period)}, to be paid on "
        f"{day(e.pay_on)}: {e.line_count} payment(s), {pounds(e.total_pence)}, "
        f"{e.exception_count} exception(s)."
    ),
    cycle.CycleApproved: lambda e: (
        f"The cycle was approved at {pounds(e.total_pence)}, lines {e.lines_sha256[:12]}."
    ),
    cycle.CycleRejected: lambda e: f"The cycle was rejected: {words(e.reason_code)}.",
    cycle.CycleCancelled: lambda _: "The cycle was cancelled.",
    cycle.CycleIssued: lambda e: (
        f"The bank file {e.file_name} was made: {e.record_count} payment(s), "
        f"{pounds(e.total_pence)}, for processing on {day(e.processing_on)}."
    ),
    cycle.CycleSettled: lambda e: f"The bank paid the cycle: {pounds(e.total_pence)}.",
    accounting_periods.AccountingPeriodClosed: lambda e: (
        f"The accounts were closed to {day(e.closed_to)}; what is recorded later is accounted for "
        "after it."
    ),
}
"""What each kind of event says, in plain English and without personal data."""


def sentence(event: Event) -> str:
    """One event in plain English. Raises `KeyError` for an event nobody has put into words."""
    return SENTENCES[type(event)](event)
