"""Financial assessments from what was told to what is charged: preview, record, explain.

The budget's event says what can be charged from which day; what it was worked out from is
sealed beside it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple, cast, get_args

import msgspec

from ledger.aggregates.contributions import ArrearsRecovery, AssessedTerm, AssessmentOutcome
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Tried
from ledger.application import Ledger
from ledger.charging.assessment import Assessed, Charged, charge, timeline
from ledger.charging.facts import Facts, require_sound
from ledger.charging.rate_book import RateBook, load_rates
from ledger.commands import require_keepable
from ledger.config import Settings
from ledger.entitlement import chargeable_weekly_pence
from ledger.errors import (
    AssessmentNotFound,
    DateOfBirthDiffers,
    InvalidValue,
    NoContributionAssessed,
)
from ledger.money import parse_pounds
from ledger.people import PersonDetails
from ledger.sealed_assessments import AssessmentDocument, opened, sealed
from ledger.store import Beside
from ledger.terms import ContributionBasis, Deployment

BudgetRows = Callable[[PersonalBudget, Sequence[Recorded]], Sequence[Beside]]


class Policy(NamedTuple):
    """How the council collects contributions, unless an assessment says otherwise."""

    order: tuple[Deployment, ...]
    recovery: ArrearsRecovery
    weekly_cap_pence: int

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy of the settings. Raises `InvalidValue`, `InvalidMoney`."""
        order = tuple(name.strip() for name in settings.contribution_order.split(","))
        if sorted(order) != sorted(get_args(Deployment)):
            raise InvalidValue(
                "LEDGER_CONTRIBUTION_ORDER must name each of "
                f"{', '.join(get_args(Deployment))} once."
            )
        cap = 0
        if settings.arrears_recovery == "weekly_cap":
            cap = parse_pounds(settings.arrears_weekly_cap, "LEDGER_ARREARS_WEEKLY_CAP")
        return cls(cast("tuple[Deployment, ...]", order), settings.arrears_recovery, cap)


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """A financial assessment to be made: what was told, and how it is to be collected.

    What is left out is taken from the settings, and the basis from the contribution in force.
    The reference, if none is given, is made of its two dates."""

    facts: Facts
    effective_on: date
    decided_on: date
    assessment_reference: str = ""
    basis: ContributionBasis | None = None
    recovery: ArrearsRecovery | None = None
    weekly_cap_pence: int | None = None

    @property
    def reference(self) -> str:
        return (
            self.assessment_reference or f"FA-{self.effective_on:%Y%m%d}-{self.decided_on:%Y%m%d}"
        )


class AssessmentTried(NamedTuple):
    """What an assessment comes to from each day on, line by line, and what it would change."""

    document: AssessmentDocument
    charged: tuple[Charged, ...]
    tried: Tried


class Explanation(msgspec.Struct, frozen=True):
    """Why a week's contribution was what it was on a day, as known at a moment."""

    reference: str
    on: date
    known_at: datetime | None
    assessment_reference: str
    effective_on: date
    decided_on: date
    basis: ContributionBasis
    weekly_cost_pence: int
    assessed: Assessed
    charged: Charged


def rates_of(ledger: Ledger) -> RateBook:
    """The national rates with the council's own."""
    return load_rates(ledger.settings.rates_file)


def try_assessment(
    ledger: Ledger,
    reference: str,
    assessment: Assessment,
    said: Said,
    *,
    expected_version: int | None = None,
) -> AssessmentTried:
    """Work it out and try it on the budget, recording nothing."""
    rates, policy = rates_of(ledger), Policy.of(ledger.settings)
    kept: list[AssessmentDocument] = []

    def decide(budget: PersonalBudget) -> None:
        kept[:] = [worked_out(ledger, budget, assessment, rates)]
        record_on(budget, kept[0], assessment, policy, said)

    change = ledger.try_out(
        reference, decide, assessment.effective_on, expected_version=expected_version
    )
    (document,), terms = kept, change.budget.terms
    charged = tuple(
        charge(working, chargeable_weekly_pence(terms, working.starts_on))
        for working in document.working
    )
    return AssessmentTried(document, charged, change)


def record_assessment(
    ledger: Ledger,
    reference: str,
    assessment: Assessment,
    said: Said,
    *,
    expected_version: int | None = None,
    beside: BudgetRows | None = None,
) -> PersonalBudget:
    """Record an assessment on its budget, and its facts and working sealed, in one transaction.

    Said twice it is recorded once. Raises the refusals of the facts, `RatesMissing`,
    `PersonUnknown`, `DateOfBirthDiffers`, and those of the budget.
    """
    rates, policy = rates_of(ledger), Policy.of(ledger.settings)
    kept: list[AssessmentDocument] = []

    def decide(budget: PersonalBudget) -> None:
        kept[:] = [worked_out(ledger, budget, assessment, rates)]
        record_on(budget, kept[0], assessment, policy, said)

    def rows(budget: PersonalBudget, events: Sequence[Recorded]) -> list[Beside]:
        more = list(beside(budget, events)) if beside else []
        if not events:
            return more
        documents = sealed(ledger.people, kept, said["recorded_at"])
        return [Beside("financial_assessments", documents), *more]

    return ledger.change(
        PersonalBudget, reference, decide, expected_version=expected_version, beside=rows
    )


def worked_out(
    ledger: Ledger, budget: PersonalBudget, assessment: Assessment, rates: RateBook
) -> AssessmentDocument:
    """The document of an assessment of one budget: its working from each day on."""
    assert budget.opened is not None, "a loaded budget has been opened"
    require_told(assessment, ledger.people.person(budget.opened.recipient_reference))
    return document_of(budget, assessment, rates)


def require_told(assessment: Assessment, person: PersonDetails) -> None:
    """What was told can be kept, is sound, and is of this person. Raises the refusals of each."""
    require_keepable(assessment.reference, "assessment_reference")
    for name in ("effective_on", "decided_on", "weekly_cap_pence", "facts"):
        require_keepable(getattr(assessment, name), name)
    require_sound(assessment.facts, assessment.decided_on)
    if person.date_of_birth != assessment.facts.date_of_birth:
        raise DateOfBirthDiffers(
            "date_of_birth: the person of this budget was registered with another.",
            field="date_of_birth",
        )


def document_of(
    budget: PersonalBudget, assessment: Assessment, rates: RateBook
) -> AssessmentDocument:
    """The same where the person is known to be the right one."""
    assert budget.opened is not None, "a loaded budget has been opened"
    return AssessmentDocument(
        budget.reference,
        assessment.reference,
        budget.opened.recipient_reference,
        assessment.effective_on,
        assessment.decided_on,
        assessment.facts,
        timeline(
            assessment.facts,
            rates,
            assessment.effective_on,
            legal_basis=budget.opened.legal_basis,
        ),
    )


def record_on(
    budget: PersonalBudget,
    document: AssessmentDocument,
    assessment: Assessment,
    policy: Policy,
    said: Said,
) -> None:
    """Give the budget's command; what is left out comes from the policy or stays as it was."""
    in_force = budget.contribution_on(assessment.effective_on)
    recovery = assessment.recovery or policy.recovery
    cap = assessment.weekly_cap_pence
    if cap is None:
        cap = policy.weekly_cap_pence if recovery == policy.recovery else 0
    told: Said = {**said, "effective_on": assessment.effective_on}
    budget.assess_finances(
        assessment_reference=document.assessment_reference,
        decided_on=assessment.decided_on,
        outcome=_outcome(document.working[0]),
        terms=terms_of(document),
        basis=assessment.basis or (in_force.basis if in_force else "net"),
        order=policy.order,
        recovery=recovery,
        weekly_cap_pence=cap,
        provisional=any(working.provisional for working in document.working),
        document_sha256=document.sha256,
        **told,
    )


def terms_of(document: AssessmentDocument) -> tuple[AssessedTerm, ...]:
    """What can be charged from which day; days on which only the working changes are not named."""
    terms: list[AssessedTerm] = []
    for working in document.working:
        term = AssessedTerm(working.starts_on, working.weekly_pence, working.full_cost)
        last = terms[-1] if terms else None
        if last is None or (last.weekly_pence, last.full_cost) != (
            term.weekly_pence,
            term.full_cost,
        ):
            terms.append(term)
    return tuple(terms)


def _outcome(working: Assessed) -> AssessmentOutcome:
    if working.outcome == "free":
        return "free"
    return "full_cost" if working.full_cost else "assessed"


def explain(
    ledger: Ledger, reference: str, on: date, known_at: datetime | None = None
) -> Explanation:
    """Why the contribution is what it is on a day: the working then recorded, and the cost.

    Raises `NoContributionAssessed` where none was in force, and `AssessmentNotFound` where it
    was stated without an assessment, or its person was erased.
    """
    budget = ledger.budget(reference, known_at)
    term = budget.contribution_on(on)
    if term is None:
        raise NoContributionAssessed(f"No contribution is in force on {reference} on {on}.")
    if not term.assessment_reference:
        raise AssessmentNotFound(
            f"The contribution of {reference} on {on} was stated, not worked out here."
        )
    document = opened(ledger.people, reference, term.assessment_reference)
    cost = chargeable_weekly_pence(budget.terms, on)
    assessed = document.on(on)
    return Explanation(
        reference,
        on,
        known_at,
        term.assessment_reference,
        document.effective_on,
        document.decided_on,
        term.basis,
        cost,
        assessed,
        charge(assessed, cost),
    )
