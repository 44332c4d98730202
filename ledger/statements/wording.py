"""What a statement says of each fact: a few words, and the reason, in plain English to "you".

Every event of a budget is either put into words here or listed as one that never changes what
is owed; a test sees to it that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from ledger.aggregates import (
    allocations,
    care_decisions,
    clawbacks,
    consents,
    contributions,
    estates,
    interests,
    payees,
    payments,
    recovery,
    representatives,
    service_funds,
    spend_returns,
    suspensions,
)
from ledger.aggregates.clawbacks import Deduction
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.entitlement import EntitlementLine, LineKind
from ledger.money import format_pounds
from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS, day, words
from ledger.terms import FOR_EVER, Channel, InterimArrangement, SuspensionReason, SuspensionTerm

NEVER_CHANGES_WHAT_IS_OWED: frozenset[type[Event]] = frozenset(
    {
        care_decisions.BudgetOpened,
        care_decisions.DirectPaymentOffered,
        care_decisions.AgreementSigned,
        payees.PayeeProposed,
        payees.PayeeNameChecked,
        payees.PayeeNumberChecked,
        payees.PayeeVerified,
        payees.PayeeWithdrawn,
        # Days paid before are worth what they were; those from now on come with a payment.
        service_funds.ServiceFundHeld,
        # What a death changes is the closing, and each refund.
        estates.EstateCaseOpened,
        estates.EstateCaseDecided,
        # Payments do not go on until someone else resumes them.
        suspensions.ResumptionProposed,
        spend_returns.SpendReturnRequested,
        spend_returns.SpendReturnSubmitted,
        spend_returns.SpendReturnQueried,
        spend_returns.SpendReturnAccepted,
        # Nothing is owed until it is confirmed.
        clawbacks.ClawbackProposed,
        clawbacks.ClawbackNotified,
        clawbacks.ClawbackDisputed,
        # How much is taken at a time changes nothing of what is owed.
        recovery.RecoveryCapped,
        # Recorded with the payment it is taken from, and shown on its row.
        clawbacks.ClawbackDeducted,
        representatives.RepresentativeAppointed,
        representatives.RepresentativeEnded,
        consents.AccessGranted,
        consents.AccessRevoked,
        interests.InterestDeclared,
        interests.InterestEnded,
    }
)

PARTS: dict[LineKind, str] = {
    "allocation": "support",
    "one_off": "one-off support",
    "retainer": "retainer",
    "contribution": "contribution",
    "charge": "invoiced contribution",
}
"""What a line of a payment or an invoice is, in a word or two."""

ASKED_BACK = {
    "surplus": "Money in your account was more than you need to keep there.",
    "unagreed_spending": "Money was spent on something that was not agreed.",
    "overpayment": "More was paid than was owed for these days.",
    "budget_ended": "Money was left when the personal budget ended.",
    "died": "Money was left in the account.",
    "contribution_unpaid": "A contribution was not paid in.",
}
"""Why money is asked back, as a sentence."""

_SUSPENDED_BECAUSE: dict[SuspensionReason, str] = {
    "hospital_stay": "you are in hospital",
    "care_home_stay": "you are staying in a care home",
    # Others may read the statement: what the worry is, is said in person.
    "safeguarding": "of something the council will talk to you about",
    "return_missing": "the council has not had your account of what you spent",
    "account_query": "the council has a question about your account",
    "other": "of something the council has told you about",
}
MEANWHILE: dict[InterimArrangement | Literal[""], str] = {
    "": "",
    "none_needed": " You need no other support meanwhile.",
    "council_arranges_care": " Meanwhile the council arranges your care.",
    "provided_service": " Meanwhile you have a service that the council provides.",
    "family_or_friends": " Meanwhile family or friends help you.",
    "in_hospital_or_care_home": " Meanwhile you are cared for where you are staying.",
    "other": " Meanwhile you have the support that was agreed with you.",
}
"""What is arranged while payments are suspended, as a sentence to follow another."""

NOT_PURSUED = {
    "hardship": "paying it would cause hardship",
    "council_error": "it was the council’s own mistake",
    "uneconomic_to_pursue": "asking for it would cost more than it is worth",
    "dispute_upheld": "you disagreed and were right",
}
"""Why money is not asked back after all, to follow "because" or a colon."""

NOT_PAID_BECAUSE = {
    "budget-is-closed": "Your personal budget has ended.",
    "recipient-excluded": "The law does not let the council make a care direct payment to you.",
    "offer-not-accepted": "You have not accepted the offer of a care direct payment yet.",
    "agreement-not-signed": "The agreement about your care direct payment is not signed yet.",
    "payee-not-verified": "The account to pay into has not been checked yet.",
    "payee-in-doubt": "The account to pay into has to be checked again.",
    "service-fund-not-held": "It is not settled yet which provider holds the money for you.",
    "no-allocation-in-force": "No support is paid this way then.",
    "payments-are-suspended": "Payments are suspended in full.",
    # A death is spoken of in person.
    "estate-case-is-open": "The council has a question and will get in touch.",
    "returned-payment-not-settled": "An earlier payment did not arrive and is not settled yet.",
}
"""What stands in the way of the next payment, by the code of its gate."""


def pounds(pence: int) -> str:
    """Pence as a person reads them, with a real minus sign before what is less than nothing."""
    return format_pounds(pence).replace("-", "\N{MINUS SIGN}")


def days(period: Period) -> str:
    """A run of days: "6 April to 3 May 2026"; the year is said once if it is one."""
    first, last = period.starts_on, period.ends_on
    if first == last:
        return day(first)
    if first.year == last.year:
        return f"{first.day} {first:%B} to {day(last)}"
    return f"{day(first)} to {day(last)}"


def kept_back(deduction: Deduction) -> str:
    """What a payment was less by, for which clawback, and what is then left: "£60.00 (CB1)…"."""
    left = f"{pounds(deduction.left_pence)} is left" if deduction.left_pence else "nothing is left"
    return f"{pounds(deduction.amount_pence)} ({deduction.clawback_reference}); {left} to pay back"


def new_days(lines: Iterable[EntitlementLine]) -> Period | None:
    """From the first to the last day that lines are for, leaving out days put right."""
    new = [line.window for line in lines if not line.adjustment]
    return Period(min(w.starts_on for w in new), max(w.ends_on for w in new)) if new else None


def _need(line_reference: str) -> str:
    """What a line is for: "personal_care.social_care" is for personal care."""
    return words(line_reference.partition(".")[0])


def _needs(line_references: Iterable[str]) -> str:
    return ", ".join(map(_need, line_references))


def held_by(provider_reference: str) -> str:
    """Who holds the money of a payment, as a sentence to follow another; nothing: the payee."""
    if not provider_reference:
        return ""
    return f" It goes to the provider {provider_reference}, who holds the money for you."


def _promised(e: payments.PaymentScheduled, _: PersonalBudget) -> str:
    said = f"For {days(new_days(e.lines) or e.period)}."
    earlier = sum(line.amount_pence for line in e.lines if line.adjustment)
    if earlier:
        how = "added" if earlier > 0 else "taken off"
        said += f" {pounds(abs(earlier))} was {how} to put earlier days right."
    if e.deducted_pence:
        said += f" {pounds(e.deducted_pence)} was kept back for money you owe."
    return said + held_by(e.provider_reference)


def _revised(e: allocations.AllocationRevised, _: PersonalBudget) -> str:
    line = e.line
    return (
        f"From {day(line.starts_on)} your support ({words(line.need)}, "
        f"{words(line.deployment)}) is worth {pounds(line.weekly_pence)} a week."
    )


def _most(term: contributions.ContributionAssessed | contributions.AssessedTerm) -> str:
    if term.full_cost:
        return "the full cost of your support"
    return f"{pounds(term.weekly_pence)} a week" if term.weekly_pence else "nothing"


def _finances(e: contributions.FinancesAssessed, _: PersonalBudget) -> str:
    if e.outcome == "free":
        return f"By law you are charged nothing from {day(e.effective_on)}."
    terms = ", then ".join(f"{_most(term)} from {day(term.starts_on)}" for term in e.terms)
    said = f"Your contribution was assessed as at most {terms}"
    said += ", for the time being." if e.provisional else "."
    if e.recovery == "weekly_cap":
        said += f" What was underpaid is taken back by at most {pounds(e.weekly_cap_pence)} a week."
    return said


def suspended(term: SuspensionTerm) -> str:
    """Why less is paid, or nothing, until when, what is arranged meanwhile, and its review."""
    how = (
        f"only {pounds(term.retainer_weekly_pence)} a week is paid"
        if term.retainer_weekly_pence
        else "nothing is paid"
    )
    lasts = term.ends_on == FOR_EVER
    when = day(term.starts_on) if lasts else days(Period(term.starts_on, term.ends_on))
    said = f"From {when} {how}"
    said += f" because {_SUSPENDED_BECAUSE[term.reason_code]}." if term.reason_code else "."
    said += MEANWHILE[term.interim_arrangement]
    if term.review_on is not None and not term.is_resumed:
        said += f" The council will look at this again by {day(term.review_on)}."
    return said


def _suspended(e: suspensions.PaymentsSuspended, _: PersonalBudget) -> str:
    [term] = suspensions.suspensions_after((), e)
    return suspended(term)


def _resumed(e: suspensions.PaymentsResumed, _: PersonalBudget) -> str:
    arrears = ", and what was held back is owed as well" if e.arrears_due else ""
    return f"Payments are made again from {day(e.effective_on)}{arrears}."


def _invoiced(e: contributions.ContributionInvoiced, _: PersonalBudget) -> str:
    if all(line.kind == "contribution" for line in e.lines):
        return f"Your contribution for {days(e.period)} was more than was taken off your payments."
    return f"Your contribution for days up to {day(e.period.ends_on)}."


def _asked_back(e: clawbacks.ClawbackConfirmed, budget: PersonalBudget) -> str:
    how = (
        f"by {pounds(e.instalment_pence)} kept back from each payment"
        if e.recovery == "deduction"
        else "by paying it back"
    )
    why = ASKED_BACK[budget.clawbacks[e.clawback_reference].cause_code]
    return f"{why} {pounds(e.amount_pence)} is owed to the council, {how}."


class Words(NamedTuple):
    """The short words for a kind of event, and how its reason is made from it and the budget."""

    what: str
    reason: Callable[[Any, PersonalBudget], str]


PAID_BY: dict[Channel, str] = {
    "direct_payment": "Care direct payment",
    "service_fund": "Service fund payment",
}
"""What a payment is called, by how it is paid."""


def what_of(event: Event, budget: PersonalBudget) -> str:
    """The short words for an event, of a payment by how it is paid."""
    what = WORDS[type(event)].what
    payment = budget.payments.get(getattr(event, "payment_reference", ""))
    if payment is None:
        return what
    return what.replace(PAID_BY["direct_payment"], PAID_BY[payment.channel])


WORDS: dict[type[Event], Words] = {
    payments.PaymentScheduled: Words("Care direct payment promised", _promised),
    payments.PaymentConfirmed: Words(
        "Care direct payment paid", lambda e, _: f"{pounds(e.amount_pence)} left the council."
    ),
    payments.PaymentReturned: Words(
        "Payment sent back by the bank",
        lambda e, _: (
            f"{pounds(e.amount_pence)} came back because {RETURN_REASONS[e.reason_code]}. "
            "The council holds it until it is settled."
        ),
    ),
    payments.PaymentRejected: Words(
        "Payment not taken by the bank",
        lambda e, _: (
            f"{pounds(e.amount_pence)} was not taken because "
            f"{REJECTION_REASONS[e.reason_code]}. The council holds it until it is settled."
        ),
    ),
    payments.PaymentRefunded: Words(
        "Payment taken back into your budget",
        lambda e, _: (
            f"{pounds(e.amount_pence)} that came back was not sent again. What it was for is "
            "still open."
        ),
    ),
    payments.PaymentReissued: Words(
        "Care direct payment to be sent again",
        lambda e, _: (
            f"{pounds(e.amount_pence)} that came back ({e.reissue_of}) is sent again."
            f"{held_by(e.provider_reference)}"
        ),
    ),
    payments.PaymentCancelled: Words(
        "Care direct payment cancelled",
        lambda e, _: (
            f"{pounds(e.amount_pence)} was not sent after all. What it was for is still open."
        ),
    ),
    service_funds.ServiceFundRepaid: Words(
        "Money back from your provider",
        lambda e, _: (
            f"The provider who holds your service fund paid back {pounds(e.amount_pence)} that it "
            "had been paid too much."
        ),
    ),
    contributions.ContributionInvoiced: Words("Invoice for your contribution", _invoiced),
    contributions.ContributionCredited: Words(
        "Credit for your contribution",
        lambda e, _: f"{pounds(e.amount_pence)} invoiced before is no longer owed.",
    ),
    contributions.ContributionReceived: Words(
        "Contribution received", lambda e, _: f"You paid {pounds(e.amount_pence)}."
    ),
    clawbacks.ClawbackConfirmed: Words("Money to pay back", _asked_back),
    clawbacks.ClawbackReceived: Words(
        "Money paid back",
        lambda e, _: f"You paid back {pounds(e.amount_pence)} ({e.clawback_reference}).",
    ),
    clawbacks.ClawbackWaived: Words(
        "Money no longer asked back",
        lambda e, _: (
            f"The council will not ask for {pounds(e.amount_pence)}: {NOT_PURSUED[e.reason_code]}."
        ),
    ),
    allocations.AllocationAgreed: Words(
        "Support agreed", lambda e, _: f"Your budget is {pounds(e.weekly_budget_pence)} a week."
    ),
    allocations.AllocationRevised: Words("Support changed", _revised),
    allocations.AllocationEnded: Words(
        "Support ended",
        lambda e, _: f"The last day for {_need(e.line_reference)} is {day(e.effective_on)}.",
    ),
    allocations.SwitchedToProvidedServices: Words(
        "Provided services",
        lambda e, _: (
            f"From {day(e.effective_on)} the council provides {_needs(e.line_references)} "
            "instead of paying you for it."
        ),
    ),
    allocations.DirectPaymentResumed: Words(
        "Care direct payment again",
        lambda e, _: (
            f"From {day(e.effective_on)} {_needs(e.line_references)} is paid as a direct "
            "payment again."
        ),
    ),
    contributions.ContributionAssessed: Words(
        "Contribution assessed",
        lambda e, _: f"Your contribution was assessed as {_most(e)} from {day(e.effective_on)}.",
    ),
    contributions.FinancesAssessed: Words("Contribution assessed", _finances),
    suspensions.PaymentsSuspended: Words("Payments suspended", _suspended),
    suspensions.PaymentsResumed: Words("Payments resumed", _resumed),
    care_decisions.BudgetClosed: Words(
        "Personal budget ended", lambda e, _: f"Its last day is {day(e.effective_on)}."
    ),
}
