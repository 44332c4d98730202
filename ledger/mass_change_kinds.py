"""What each kind of mass change does to one budget, and what an approver is shown of it.

The same function tries a change when it is prepared and makes it when it is applied, so what
was approved and what is done can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ledger.aggregates.contributions import ContributionInvoiced
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.mass_change import (
    RELEASABLE,
    LineOutcome,
    MassChangeLine,
    MassChangeParameters,
    RevisedLine,
)
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import kept
from ledger.application import Ledger
from ledger.assessments import Assessment, Policy, document_of, record_on, terms_of
from ledger.charging.assessment import FREE_LEGAL_BASES, uprated
from ledger.charging.rate_book import RateBook
from ledger.entitlement import contribution_weekly_pence
from ledger.errors import Refusal
from ledger.money import divide_half_up
from ledger.recalculation import window_changes
from ledger.sealed_assessments import AssessmentDocument, opened_many
from ledger.terms import ContributionTerm, Terms

WHOLE = 10_000  # basis points


class Changing(NamedTuple):
    """What every line of a mass change is worked out with."""

    reference: str
    parameters: MassChangeParameters
    rates: RateBook
    said: Said


class Change(NamedTuple):
    """What is done to one budget, or why it cannot be; and the assessment behind it, if any."""

    give: Callable[[PersonalBudget], None]
    held: str = ""
    document: AssessmentDocument | None = None
    revised: tuple[RevisedLine, ...] = ()


def changes(
    ledger: Ledger, budgets: Sequence[PersonalBudget], changing: Changing
) -> Iterator[tuple[PersonalBudget, Change]]:
    """What is to be done to each of the budgets that the change concerns."""
    kind = changing.parameters.kind
    if kind == "reassess":
        yield from _reassessments(ledger, budgets, changing)
        return
    for budget in budgets:
        change = _uplift(budget, changing) if kind == "uplift" else _invoice(budget, changing)
        if change is not None:
            yield budget, change


def _held(reason: str) -> Change:
    return Change(lambda _budget: None, reason)


# --- re-assessment ------------------------------------------------------------------------


def _reassessments(
    ledger: Ledger, budgets: Sequence[PersonalBudget], changing: Changing
) -> Iterator[tuple[PersonalBudget, Change]]:
    on = changing.parameters.effective_on
    concerned = [
        (budget, budget.contribution_on(on))
        for budget in budgets
        if budget.contributions and (budget.closed is None or budget.closed.effective_on >= on)
    ]
    found = opened_many(
        ledger.people,
        {b.reference: term.assessment_reference for b, term in concerned
         if term is not None and term.assessment_reference},
    )  # fmt: skip
    for budget, term in concerned:
        change = _reassessment(budget, term, found.get(budget.reference), changing)
        if change is not None:
            yield budget, change


def _reassessment(
    budget: PersonalBudget,
    term: ContributionTerm | None,
    before: AssessmentDocument | None,
    changing: Changing,
) -> Change | None:
    """The assessment in force made again with uprated income, under this change's reference.

    Arrears come back as they did under it, unless the change says otherwise.
    """
    parameters = changing.parameters
    on = parameters.effective_on
    assert budget.opened is not None, "a loaded budget has been opened"
    if term is not None and not term.assessment_reference:
        return None if budget.opened.legal_basis in FREE_LEGAL_BASES else _held("stated")
    if term is None or _has_later_assessment(budget, term):
        return _held("later_dated")
    if before is None:
        return _held("unreadable")
    known = budget.assessments[term.assessment_reference]
    try:
        facts = uprated(before.facts, dict(parameters.uprate), on)
        if before.effective_on == on and facts is not before.facts:
            return _held("already_uprated")
        assessment = Assessment(
            facts=facts,
            effective_on=on,
            decided_on=parameters.decided_on,
            assessment_reference=changing.reference,
            recovery=parameters.recovery or known.recovery,
            weekly_cap_pence=(
                parameters.weekly_cap_pence if parameters.recovery else known.weekly_cap_pence
            ),
        )
        document = document_of(budget, assessment, changing.rates)
    except Refusal as refusal:
        return _held(refusal.code)
    policy = Policy(parameters.order, "net_off", 0)
    return Change(
        lambda budget: record_on(budget, document, assessment, policy, changing.said),
        document=document,
    )


def _has_later_assessment(budget: PersonalBudget, in_force: ContributionTerm) -> bool:
    """Whether someone decided already what is charged from some later day."""
    return any(
        term.starts_on > in_force.starts_on
        and term.assessment_reference != in_force.assessment_reference
        for term in budget.contributions
    )


# --- uplift and invoices ------------------------------------------------------------------


def _uplift(budget: PersonalBudget, changing: Changing) -> Change | None:
    """Every weekly line in force that the uplift is for, raised half-up to the penny."""
    parameters = changing.parameters
    on = parameters.effective_on
    if budget.closed is not None and budget.closed.effective_on < on:
        return None
    lines = [
        line
        for line in budget.allocations
        if line.weekly_pence
        and line.last_day >= on
        and parameters.funding_stream in ("", line.funding_stream)
        and parameters.deployment in (None, line.deployment)
    ]
    if any(line.starts_on > on for line in lines):
        return _held("later_dated")
    by = WHOLE + parameters.uplift_basis_points
    revised = tuple(
        RevisedLine(
            line.line_reference, line.weekly_pence, divide_half_up(line.weekly_pence * by, WHOLE)
        )
        for line in lines
    )
    if not revised:
        return None
    said: Said = {**changing.said, "effective_on": on}
    weekly = {line.line_reference: line.now_pence for line in revised}
    return Change(
        lambda budget: budget.revise_with_many(
            change_reference=changing.reference, weekly_pence=weekly, **said
        ),
        revised=revised,
    )


def _invoice(budget: PersonalBudget, changing: Changing) -> Change | None:
    period = changing.parameters.period
    assert period is not None, "required of the parameters"
    if not budget.charges_due(period):
        return None
    said: Said = {**changing.said, "effective_on": changing.parameters.effective_on}
    return Change(
        lambda budget: budget.invoice_contribution(
            invoice_reference=changing.reference, period=period, **said
        )
    )


# --- one line -----------------------------------------------------------------------------


def try_on(
    budget: PersonalBudget, change: Change, changing: Changing
) -> tuple[MassChangeLine | None, list[Recorded]]:
    """Change a budget in hand: its line as an approver sees it, and the events, not yet saved.

    No line if nothing changes. No events if it is held back, whatever was tried.
    """
    parameters, version = changing.parameters, budget.version
    on = parameters.effective_on
    was, before = _worth(budget, changing), kept(budget.terms)
    term = budget.contribution_on(on)
    reason = change.held
    if not reason:
        try:
            change.give(budget)
        except Refusal as refusal:
            reason = refusal.code
    events = budget.collect_events()
    now, put_right = was, 0
    if not reason:
        if not events:
            return None, []
        now = _worth(budget, changing)
        put_right = _put_right_pence(budget, before, changing)
        most = max((abs(now - was), *_later_differences(budget, before, changing)))
        reason = _outlier(change, parameters, most, term is not None and term.full_cost)
    released = reason in RELEASABLE and budget.reference in parameters.release
    is_held = bool(reason) and not released
    line = MassChangeLine(
        budget.reference,
        version,
        "held" if is_held else _outcome(was, now),
        was,
        now,
        put_right,
        reason,
        terms_of(change.document) if change.document else (),
        change.revised,
        tuple(sorted(budget.interests)),
    )
    return line, [] if is_held else events


def _worth(budget: PersonalBudget, changing: Changing) -> int:
    """What the change is about: the week's contribution, its budget, or what is charged."""
    on = changing.parameters.effective_on
    if changing.parameters.kind == "reassess":
        return contribution_weekly_pence(budget.terms, on)
    if changing.parameters.kind == "uplift":
        return budget.weekly_budget_pence(on)
    invoice = budget.invoices.get(changing.reference)
    if invoice is None:
        return 0
    return invoice.amount_pence * (1 if isinstance(invoice, ContributionInvoiced) else -1)


def _put_right_pence(budget: PersonalBudget, before: Terms, changing: Changing) -> int:
    """What days paid or invoiced before come to: owed to the person, or by them."""
    if changing.parameters.kind == "invoice":
        return 0
    return sum(
        window.difference_pence
        for window in window_changes(
            before,
            budget.terms,
            budget.scheduled_lines,
            budget.charged_lines,
            changing.parameters.effective_on,
        )
    )


def _later_differences(budget: PersonalBudget, before: Terms, changing: Changing) -> Iterator[int]:
    """By how much a week's contribution differs on the later days on which it turns."""
    if changing.parameters.kind != "reassess":
        return
    on = changing.parameters.effective_on
    turning = {t.starts_on for t in (*before.contributions, *budget.contributions)}
    for day in turning:
        if day > on:
            was = contribution_weekly_pence(before, day)
            yield abs(contribution_weekly_pence(budget.terms, day) - was)


def _outcome(was: int, now: int) -> LineOutcome:
    if was == now:
        return "unchanged"
    if now < 0:
        return "credited"
    return "new" if not was else "ended" if not now else "changed"


def _outlier(
    change: Change, parameters: MassChangeParameters, most: int, was_full_cost: bool
) -> str:
    """Why someone should look at a change before it is made, if they should."""
    if change.document is not None:
        working = change.document.working
        if any(step.provisional for step in working):
            return "provisional"
        if not was_full_cost and any(step.full_cost for step in working):
            return "full_cost"
    limit = parameters.hold_over_pence
    return "outlier" if limit is not None and most > limit else ""
