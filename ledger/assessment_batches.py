"""Recording many financial assessments: batches of budgets, each batch one transaction.

Every budget knows the assessments it has, so a run that was killed is run again and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.assessments import Assessment, Policy, document_of, rates_of, record_on, require_told
from ledger.charging.rate_book import RateBook
from ledger.errors import (
    BudgetNotFound,
    ConcurrentChange,
    PersonUnknown,
    Refusal,
)
from ledger.payment_run import Progress, no_progress
from ledger.people import PersonDetails
from ledger.sealed_assessments import AssessmentDocument, sealed
from ledger.store import Beside

AT_A_TIME = 1_000  # budgets in one transaction
T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many at a time, in order."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def record_assessments(
    ledger: Ledger,
    assessments: Mapping[str, Assessment],
    said: Said,
    progress: Progress = no_progress,
    *,
    beside: Sequence[Beside] = (),
) -> int:
    """Record an assessment on each of many budgets; returns how many were not there before.

    In batches, each one transaction; the rows `beside` are saved with the last. The same again
    goes on where it stopped. A refusal, which names its budget, leaves the batches before it
    recorded: `import_assessments` finds every refusal first.
    """
    rates, policy = rates_of(ledger), Policy.of(ledger.settings)
    parts = [dict(some) for some in batches(assessments.items(), AT_A_TIME)] or [{}]
    recorded = 0
    for some in parts:
        rows = beside if some is parts[-1] else ()
        recorded += _record_batch(ledger, some, rates, policy, said, rows)
        progress(len(some))
    return recorded


def _record_batch(
    ledger: Ledger,
    assessments: Mapping[str, Assessment],
    rates: RateBook,
    policy: Policy,
    said: Said,
    beside: Sequence[Beside],
) -> int:
    for _ in range(ATTEMPTS):
        events: list[Recorded] = []
        documents: list[AssessmentDocument] = []
        budgets = budgets_of(ledger, assessments)
        persons = persons_of(ledger, budgets.values())
        for reference, assessment in assessments.items():
            if reference not in budgets:
                raise BudgetNotFound(
                    f"There is no personal-budget {reference}.", reference=reference
                )
            budget = budgets[reference]
            try:
                person = persons.get(recipient(budget))
                if person is None:
                    raise PersonUnknown
                require_told(assessment, person)
                document = document_of(budget, assessment, rates)
                record_on(budget, document, assessment, policy, said)
            except Refusal as refusal:
                refusal.details["reference"] = reference
                raise
            new = budget.collect_events()
            if new:
                events += new
                documents.append(document)
        rows = sealed(ledger.people, documents, said["recorded_at"])
        try:
            ledger.append(events, [Beside("financial_assessments", rows), *beside])
        except IntegrityError:
            continue
        return len(documents)
    raise ConcurrentChange("Budgets are being changed by others; try again.")


def budgets_of(ledger: Ledger, references: Iterable[str]) -> dict[str, PersonalBudget]:
    """Those of the budgets that there are, by reference."""
    return {budget.reference: budget for budget in ledger.budgets(references)}


def persons_of(ledger: Ledger, budgets: Iterable[PersonalBudget]) -> dict[str, PersonDetails]:
    """Those of the budgets' people that are registered, by reference."""
    return ledger.people.persons(recipient(budget) for budget in budgets)


def recipient(budget: PersonalBudget) -> str:
    """Whose budget it is."""
    assert budget.opened is not None, "a loaded budget has been opened"
    return budget.opened.recipient_reference
