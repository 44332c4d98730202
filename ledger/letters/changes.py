"""What a change of terms says: support, contribution, payments stopped and started, the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from ledger.aggregates import allocations, care_decisions, contributions, suspensions
from ledger.aggregates.event_sourced import Event
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.letters.letter import LOOK_AGAIN, Part
from ledger.projections.words import day, words
from ledger.recalculation import weekly
from ledger.statements.wording import MEANWHILE, pounds
from ledger.terms import AllocationTerm, Channel, Deployment, SuspensionReason

_DAY = timedelta(days=1)

_DELIVERED: dict[Deployment, str] = {
    "direct_payment": "paid as a care direct payment",
    "managed_account": "paid into an account that someone looks after for you",
    "individual_service_fund": "paid to a provider who holds it for you",
    "council_managed": "arranged and paid for by the council",
    "provided_service": "given by the council’s own services",
}
_BECAUSE: dict[SuspensionReason, str] = {
    "hospital_stay": "This is because you are in hospital.",
    "care_home_stay": "This is because you are staying in a care home.",
    # Others may read the letter: what the worry is, is said in person.
    "safeguarding": "Someone from the council will talk to you about the reason.",
    "return_missing": "This is because we have not had your spend return.",
    "account_query": "This is because we have a question about the account we pay into.",
    "other": "Someone from the council will talk to you about the reason.",
}
_UNTIL: dict[SuspensionReason, str] = {
    "hospital_stay": "Tell us when you know the day you are going home.",
    "care_home_stay": "Tell us when you know the day you are going home.",
    "return_missing": "Send us your spend return. If you need help with it, call us.",
    "account_query": "Call us, so that we can put this right.",
}
_ENDED: dict[care_decisions.ClosingReason, str] = {
    "at_own_request": "You asked us to end it.",
    "needs_ended": "You no longer need this support.",
    "moved_away": "You have moved out of our area.",
    "condition_failed": "The rules for a care direct payment are no longer met.",
}


# --- what it is for, and what it comes to -----------------------------------------------------


def need_of(budget: PersonalBudget, line_reference: str) -> str:
    """What a line of the budget is for, in words."""
    for term in reversed(budget.allocations):
        if term.line_reference == line_reference:
            return words(term.need)
    return words(line_reference.partition(".")[0])  # a line that ended before it began


def needs_of(budget: PersonalBudget, line_references: Iterable[str]) -> str:
    """What several lines are for: "personal care, equipment and respite"."""
    needs = list(dict.fromkeys(need_of(budget, reference) for reference in line_references))
    return " and ".join(filter(None, (", ".join(needs[:-1]), needs[-1])))


def takes_effect(event: Event) -> date:
    """The first day on which a change of terms shows in what is paid."""
    if isinstance(event, allocations.AllocationAgreed):
        return min(line.starts_on for line in event.lines)
    if isinstance(event, allocations.AllocationEnded | care_decisions.BudgetClosed):
        return event.effective_on + _DAY
    return event.effective_on


def what_it_comes_to(
    budget: PersonalBudget, on: date, put_right: Mapping[Channel, int]
) -> Iterator[str]:
    """The money after changes: what a week is worth from a day on, and what is put right.

    `put_right` is what days already paid became worth more, or less, in pence by channel.
    """
    stopped = budget.suspension_on(on)
    goes_on = stopped is None or bool(stopped.retainer_weekly_pence)  # a retainer is paid
    week = weekly(budget.terms, on)
    if budget.closed is not None and budget.closed.effective_on < on:
        pass  # the letter has said so
    elif stopped is not None:
        if stopped.starts_on < on:
            yield (
                "Your payments are less at present. This does not change that."
                if goes_on
                else "Your payments are stopped at present. This does not start them again."
            )
    elif any(term.channel for term in budget.allocations):
        yield from _weeks(budget, on)
    if week.invoiced_pence and stopped is None:
        yield f"We send you invoices for your contribution of {pounds(week.invoiced_pence)} a week."
    yield from _put_right_in_the_fund(put_right["service_fund"])
    put_right_pence = put_right["direct_payment"]
    if not put_right_pence:
        return
    if put_right_pence > 0:
        said, how = f"We owe you {pounds(put_right_pence)} more", "add it to your next payment"
    else:
        said = f"We paid {pounds(-put_right_pence)} too much"
        cap = budget.recovery_weekly_cap_pence
        how = "take it off your next payments"
        how += f", at most {pounds(cap)} a week" if cap else ""
    if not goes_on:
        how = how.replace("next payments", "payments when they start again")
    elif week.payment_pence == week.service_fund_pence:
        how = "write to you again about this"
    yield f"We had already paid for some of these days. {said} for them. We will {how}."


def _put_right_in_the_fund(pence: int) -> Iterator[str]:
    if pence > 0:
        yield (
            f"For days we had already paid for, we owe {pounds(pence)} more to the provider who "
            "holds the money for you. We will add it to what the provider is paid next."
        )
    elif pence:
        yield (
            f"For days we had already paid for, the provider who holds the money for you was paid "
            f"{pounds(-pence)} too much. We will settle this with the provider."
        )


def _weeks(budget: PersonalBudget, on: date) -> Iterator[str]:
    """What a week is worth from a day on, and from each later day on which that changes."""
    days = {term.starts_on for term in budget.allocations}
    days |= {term.ends_on + _DAY for term in budget.allocations if term.ends_on is not None}
    days |= {term.starts_on for term in budget.contributions}
    before = fund_before = None
    for first in [on, *sorted(later for later in days if later > on)]:
        week = weekly(budget.terms, first)
        fund = week.service_fund_pence
        own = week.payment_pence - fund, week.gross_pence - fund
        if before != own and any(term.is_paid for term in budget.allocations):
            yield _a_week(*own, first)
        if fund_before != fund and budget.has_service_fund:
            yield _a_week_of_the_fund(fund, first)
        before, fund_before = own, fund


def _a_week(payment: int, support: int, on: date) -> str:
    if not support:
        return f"From {day(on)} we make no care direct payment."
    if not payment:
        return (
            f"From {day(on)} your contribution is as much as your support costs, {pounds(support)} "
            "a week. So we make no care direct payment."
        )
    said = f"From {day(on)} your care direct payment is {pounds(payment)} a week."
    if payment != support:
        said += (
            f" That is {pounds(support)} for your support, less your contribution of "
            f"{pounds(support - payment)}."
        )
    return said


def _a_week_of_the_fund(payment: int, on: date) -> str:
    if not payment:
        return f"From {day(on)} we pay nothing to a provider who holds money for you."
    return (
        f"From {day(on)} we pay {pounds(payment)} a week to the provider who holds the money for "
        "you."
    )


# --- support ----------------------------------------------------------------------------------


def _line(term: AllocationTerm) -> str:
    if term.one_off_pence:
        when = f"{pounds(term.one_off_pence)} once, on {day(term.starts_on)}"
    else:
        until = f" until {day(term.ends_on)}" if term.ends_on else ""
        when = f"{pounds(term.weekly_pence)} a week from {day(term.starts_on)}{until}"
    need = words(term.need)
    return f"{need[:1].upper()}{need[1:]}: {when}, {_DELIVERED[term.deployment]}"


def agreed(e: allocations.AllocationAgreed, _: PersonalBudget) -> Part:
    return Part(
        kind="support_agreed",
        subject="Your support has been agreed",
        paragraphs=("We have agreed this support for you:",),
        listed=tuple(map(_line, e.lines)),
        to_do=("Check that this is what you agreed with us. If it is not, tell us.",),
        disagree=LOOK_AGAIN,
    )


def revised(e: allocations.AllocationRevised, _: PersonalBudget) -> Part:
    line = e.line
    return Part(
        kind="support_changed",
        subject="Your support has changed",
        paragraphs=(
            f"From {day(line.starts_on)} your support with {words(line.need)} is worth "
            f"{pounds(line.weekly_pence)} a week. It is {_DELIVERED[line.deployment]}.",
        ),
        to_do=("If this is not enough for the support you need, call us.",),
        disagree=LOOK_AGAIN,
    )


def ended(e: allocations.AllocationEnded, budget: PersonalBudget) -> Part:
    return Part(
        kind="support_ended",
        subject="Part of your support is ending",
        paragraphs=(
            f"The last day of your support with {need_of(budget, e.line_reference)} is "
            f"{day(e.effective_on)}.",
        ),
        to_do=("If you still need this support, call us.",),
        disagree=LOOK_AGAIN,
    )


def switched(e: allocations.SwitchedToProvidedServices, budget: PersonalBudget) -> Part:
    by_whom = "You asked for this." if e.at_own_request else "We decided this."
    return Part(
        kind="switched_to_provided_services",
        subject="The council will provide your support",
        paragraphs=(
            f"From {day(e.effective_on)} the council provides your support with "
            f"{needs_of(budget, e.line_references)}. We no longer pay you for it. {by_whom}",
        ),
        to_do=(
            "Pay what you still owe for support up to then, such as wages and invoices.",
            "Keep any money that is left. We will tell you what to do with it.",
            "You can ask to have a care direct payment again at any time.",
        ),
        disagree="" if e.at_own_request else LOOK_AGAIN,
    )


def paid_again(e: allocations.DirectPaymentResumed, budget: PersonalBudget) -> Part:
    return Part(
        kind="direct_payment_again",
        subject="You have a care direct payment again",
        paragraphs=(
            f"From {day(e.effective_on)} your support with "
            f"{needs_of(budget, e.line_references)} is {_DELIVERED[e.deployment]} again.",
        ),
        to_do=("Check that you have your support arranged from that day.",),
    )


# --- contribution -----------------------------------------------------------------------------


def _most(term: contributions.ContributionAssessed | contributions.AssessedTerm) -> str:
    if term.full_cost:
        return "you pay the full cost of your support"
    if not term.weekly_pence:
        return "you pay nothing"
    return f"your contribution is {pounds(term.weekly_pence)} a week"


def _contribution(event: Any, paragraphs: Iterable[str], pays: bool) -> Part:
    how = "You never pay more than your support costs. "
    how += (
        "We take your contribution off your care direct payment. You pay it into the account "
        "that you use for your care, so that all of your support can be paid from there."
        if event.basis == "net"
        else "We pay all of your support and send you an invoice for your contribution."
    )
    return Part(
        kind="contribution",
        subject="What you pay towards your support",
        paragraphs=(
            "We have worked out what you pay towards your support. We call it your contribution.",
            *paragraphs,
            *([how] if pays else []),
        ),
        to_do=(
            "Tell us if your income, your savings or your costs change.",
            "You can ask us to show you how we worked it out.",
        ),
        disagree=LOOK_AGAIN,
    )


def assessed(e: contributions.ContributionAssessed, _: PersonalBudget) -> Part:
    said = f"From {day(e.effective_on)} {_most(e)}."
    return _contribution(e, (said,), bool(e.weekly_pence or e.full_cost))


def finances(e: contributions.FinancesAssessed, _: PersonalBudget) -> Part:
    if e.outcome == "free":
        said = [f"By law you pay nothing from {day(e.effective_on)}."]
    else:
        said = [f"From {day(term.starts_on)} {_most(term)}." for term in e.terms]
    if e.provisional:
        said.append("This is for the time being. We will work it out again when we know more.")
    return _contribution(e, said, any(term.weekly_pence or term.full_cost for term in e.terms))


# --- stopped, started, ended ------------------------------------------------------------------


def suspended(e: suspensions.PaymentsSuspended, _: PersonalBudget) -> Part:
    retainer = e.retainer_weekly_pence
    until = f" until {day(e.expires_on)}" if e.expires_on else ""
    how = (
        f"From {day(e.effective_on)}{until} we pay only {pounds(retainer)} a week."
        if retainer
        else f"From {day(e.effective_on)}{until} we make no care direct payment."
    )
    return Part(
        kind="payments_suspended",
        subject=(
            "Your care direct payment is less for now"
            if retainer
            else "Your care direct payment has stopped for now"
        ),
        paragraphs=(
            f"{how} {_BECAUSE[e.reason_code]}{MEANWHILE[e.interim_arrangement]}",
            f"We will look at this again by {day(e.review_on)}. "
            "Your personal budget has not ended.",
        ),
        to_do=(
            *([_UNTIL[e.reason_code]] if e.reason_code in _UNTIL else []),
            "If you pay someone to care for you, call us before you stop paying them.",
            "If you will be without the care you need, call us at once.",
        ),
        disagree=LOOK_AGAIN,
    )


def resumed(e: suspensions.PaymentsResumed, _: PersonalBudget) -> Part:
    said = f"Your care direct payment starts again from {day(e.effective_on)}."
    if e.arrears_due:
        said += " We also pay what we held back."
    return Part(
        kind="payments_resumed",
        subject="Your care direct payment starts again",
        paragraphs=(said,),
        to_do=("Check that your support is arranged from that day.",),
        disagree="" if e.arrears_due else LOOK_AGAIN,
    )


def closed(e: care_decisions.BudgetClosed, _: PersonalBudget) -> Part | None:
    """None after a death: nobody is written to under the name of someone who has died."""
    if e.reason_code == "died":
        return None
    return Part(
        kind="budget_ended",
        subject="Your personal budget has ended",
        paragraphs=(
            f"The last day of your personal budget is {day(e.effective_on)}. "
            f"{_ENDED[e.reason_code]}",
        ),
        to_do=(
            "Pay what you still owe for support up to that day: wages, tax, holiday pay, invoices.",
            "Keep any money that is left. We will ask you for a last spend return.",
            "If you still need care or support, call us.",
        ),
        disagree="" if e.reason_code == "at_own_request" else LOOK_AGAIN,
    )
