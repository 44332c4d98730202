"""Importing a file of financial assessments: checked whole before anything is recorded.

Every fault of the file is found first. An import that was killed is run again and goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from ledger.aggregates.contributions import FinancesAssessed
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import kept
from ledger.application import Ledger
from ledger.assessment_batches import (
    AT_A_TIME,
    batches,
    budgets_of,
    persons_of,
    recipient,
    record_assessments,
)
from ledger.assessment_columns import ORDER
from ledger.assessment_file import AssessmentFile, FiledAssessment
from ledger.assessments import Assessment, Policy, document_of, rates_of, record_on
from ledger.charging.facts import faults
from ledger.errors import AssessmentFileRefused, Fault, ReferenceUsedForOtherFacts, Refusal
from ledger.payment_run import Progress, no_progress
from ledger.people import PersonDetails
from ledger.recalculation import weekly, window_changes
from ledger.sealed_assessments import AssessmentDocument, opened_many
from ledger.store import Beside


class AssessmentChange(msgspec.Struct, frozen=True):
    """What one assessment does to its budget.

    The contribution of a week of the day it takes effect, before and after; `put_right_pence`
    is what days already paid or invoiced come to: a refund, or arrears if negative."""

    budget_reference: str
    assessment_reference: str
    effective_on: date
    already_recorded: bool
    weekly_was_pence: int
    weekly_now_pence: int
    put_right_pence: int


class AssessmentsImported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do on a dry run; totals are of what is newly recorded.

    A budget's week counts once: before its first assessment of the file, after its last."""

    sha256: str
    dry_run: bool
    recorded: int
    already_recorded: int
    weekly_was_pence: int
    weekly_now_pence: int
    refunds_pence: int
    arrears_pence: int
    changes: tuple[AssessmentChange, ...]


def import_assessments(
    ledger: Ledger,
    file: AssessmentFile,
    said: Said,
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
    beside: Callable[[AssessmentsImported], Sequence[Beside]] | None = None,
) -> AssessmentsImported:
    """Record every assessment of a file, or raise `AssessmentFileRefused` with every fault.

    Assessments of one budget are recorded in the order in which they were decided. One that is
    already there with what the file tells is passed over, whatever the rates have become.
    `progress` is told of each assessment twice, when checked and when recorded; on a dry run
    once. The rows `beside` are saved with the last batch.
    """
    check = _Check(ledger, said)
    for items in batches(_by_budget(file.assessments).items(), AT_A_TIME):
        some = dict(items)
        check.batch(some)
        progress(sum(map(len, some.values())))
    if check.faults:
        raise AssessmentFileRefused(
            sorted(check.faults, key=lambda fault: (fault.line, ORDER.get(fault.column, -1)))
        )
    result = _result(file, check.changes, dry_run)
    if dry_run:
        return result
    progress(result.already_recorded)
    rows = beside(result) if beside else ()
    rounds = check.rounds or [{}]
    for some_of_each in rounds:
        last = rows if some_of_each is rounds[-1] else ()
        record_assessments(ledger, some_of_each, said, progress, beside=last)
    return result


Filed = dict[str, list[FiledAssessment]]


def _by_budget(assessments: Iterable[FiledAssessment]) -> Filed:
    by_budget: defaultdict[str, list[FiledAssessment]] = defaultdict(list)
    for filed in assessments:
        by_budget[filed.budget_reference].append(filed)
    for several in by_budget.values():
        several.sort(key=lambda filed: (filed.decided_on, filed.effective_on, filed.line))
    return by_budget


def _result(
    file: AssessmentFile, changes: Sequence[AssessmentChange], dry_run: bool
) -> AssessmentsImported:
    new = [change for change in changes if not change.already_recorded]
    first = {change.budget_reference: change for change in reversed(new)}
    last = {change.budget_reference: change for change in new}
    return AssessmentsImported(
        sha256=file.sha256,
        dry_run=dry_run,
        recorded=len(new),
        already_recorded=len(changes) - len(new),
        weekly_was_pence=sum(change.weekly_was_pence for change in first.values()),
        weekly_now_pence=sum(change.weekly_now_pence for change in last.values()),
        refunds_pence=sum(max(change.put_right_pence, 0) for change in new),
        arrears_pence=-sum(min(change.put_right_pence, 0) for change in new),
        changes=tuple(changes),
    )


# --- checking it whole --------------------------------------------------------------------

_COLUMNS = {"weekly_cap_pence": "weekly_cap"}
"""The column of a refusal's field; any other is about the day it takes effect."""


class _Check:
    """Tries every assessment of a file on its budget in hand; faults are collected."""

    def __init__(self, ledger: Ledger, said: Said) -> None:
        self.faults: list[Fault] = []
        self.changes: list[AssessmentChange] = []
        self.rounds: list[dict[str, Assessment]] = []  # the nth new assessment of each budget
        self._ledger = ledger
        self._said = said
        self._rates, self._policy = rates_of(ledger), Policy.of(ledger.settings)

    def batch(self, by_budget: Filed) -> None:
        budgets = budgets_of(self._ledger, by_budget)
        persons = persons_of(self._ledger, budgets.values())
        made: dict[str, dict[str, tuple[FiledAssessment, Assessment]]] = {}
        for reference, several in by_budget.items():
            budget = budgets.get(reference)
            if budget is None:
                self._on_each(several, "There is no such budget.")
                continue
            person = persons.get(recipient(budget))
            if person is None:
                self._on_each(several, "The person of this budget is not registered, or erased.")
                continue
            made[reference] = self._made(several, person)
        there = self._already_there(budgets, made)
        for reference, assessments in made.items():
            budget = budgets[reference]
            new = 0
            for name, (filed, assessment) in assessments.items():
                known = budget.assessments.get(name)
                document = there.get((reference, name))
                if known is not None and document is not None:
                    self._known(budget, filed, assessment, _is_told(assessment, known, document))
                elif self._tried(budget, filed, assessment):
                    self._put(new, reference, assessment)
                    new += 1

    def _put(self, place: int, reference: str, assessment: Assessment) -> None:
        if place == len(self.rounds):
            self.rounds.append({})
        self.rounds[place][reference] = assessment

    def _fault(self, filed: FiledAssessment, column: str, reason: str) -> None:
        self.faults.append(Fault(filed.line, column, reason))

    def _on_each(self, several: Iterable[FiledAssessment], reason: str) -> None:
        for filed in several:
            self._fault(filed, "budget_reference", reason)

    def _made(
        self, several: Iterable[FiledAssessment], person: PersonDetails
    ) -> dict[str, tuple[FiledAssessment, Assessment]]:
        """The assessments of one person's budget, by their references."""
        made: dict[str, tuple[FiledAssessment, Assessment]] = {}
        for filed in several:
            assessment = Assessment(
                facts=filed.facts(person.date_of_birth),
                effective_on=filed.effective_on,
                decided_on=filed.decided_on,
                assessment_reference=filed.assessment_reference,
                basis=filed.basis,
                recovery=filed.recovery,
                weekly_cap_pence=filed.weekly_cap_pence,
            )
            if filed.date_of_birth not in (None, person.date_of_birth):
                self._fault(filed, "date_of_birth", "The person was registered with another.")
                continue
            # The file's own faults are known; what is left comes of the date of birth.
            unsound = faults(assessment.facts, assessment.decided_on)
            if unsound:
                self._fault(filed, "date_of_birth", f"As registered: {unsound[0][1]}")
                continue
            first, _ = made.setdefault(assessment.reference, (filed, assessment))
            if first is not filed:
                self._fault(
                    filed,
                    "assessment_reference",
                    f"The assessment of line {first.line} has the same reference, given or made.",
                )
        return made

    def _already_there(
        self,
        budgets: Mapping[str, PersonalBudget],
        made: Mapping[str, Mapping[str, tuple[FiledAssessment, Assessment]]],
    ) -> dict[tuple[str, str], AssessmentDocument]:
        """The sealed documents of those of the assessments that their budgets know."""
        wanted = {
            reference: [name for name in names if name in budgets[reference].assessments]
            for reference, names in made.items()
        }
        there: dict[tuple[str, str], AssessmentDocument] = {}
        while some := {reference: names.pop() for reference, names in wanted.items() if names}:
            for reference, document in opened_many(self._ledger.people, some).items():
                there[reference, document.assessment_reference] = document
        return there

    def _known(
        self, budget: PersonalBudget, filed: FiledAssessment, assessment: Assessment, is_told: bool
    ) -> None:
        if not is_told:
            self._fault(
                filed,
                "assessment_reference",
                "An assessment of this reference is already recorded with other facts.",
            )
            return
        now = weekly(budget.terms, filed.effective_on).contribution_pence
        self._changed(budget, assessment, now, now, 0, already_recorded=True)

    def _tried(
        self, budget: PersonalBudget, filed: FiledAssessment, assessment: Assessment
    ) -> bool:
        """Try it on the budget in hand, which goes on with it; false if it was refused."""
        on, before = assessment.effective_on, kept(budget.terms)
        scheduled, charged = tuple(budget.scheduled_lines), tuple(budget.charged_lines)
        try:
            document = document_of(budget, assessment, self._rates)
            record_on(budget, document, assessment, self._policy, self._said)
        except Refusal as refusal:
            field = str(refusal.details.get("field", ""))
            column = _COLUMNS.get(field, "effective_on")
            if isinstance(refusal, ReferenceUsedForOtherFacts):
                column = "assessment_reference"
            self._fault(filed, column, str(refusal).removeprefix(f"{field}: "))
            return False
        is_new = bool(budget.collect_events())
        windows = window_changes(before, budget.terms, scheduled, charged, on)
        self._changed(
            budget,
            assessment,
            weekly(before, on).contribution_pence,
            weekly(budget.terms, on).contribution_pence,
            sum(window.difference_pence for window in windows),
            already_recorded=not is_new,
        )
        return is_new

    def _changed(
        self,
        budget: PersonalBudget,
        assessment: Assessment,
        was_pence: int,
        now_pence: int,
        put_right_pence: int,
        *,
        already_recorded: bool,
    ) -> None:
        self.changes.append(
            AssessmentChange(
                budget.reference,
                assessment.reference,
                assessment.effective_on,
                already_recorded,
                was_pence,
                now_pence,
                put_right_pence,
            )
        )


def _is_told(assessment: Assessment, known: FinancesAssessed, document: AssessmentDocument) -> bool:
    """Whether a recorded assessment is what the file tells; what is left out agrees."""
    return (
        (document.facts, document.effective_on, document.decided_on)
        == (assessment.facts, assessment.effective_on, assessment.decided_on)
        and assessment.basis in (None, known.basis)
        and assessment.recovery in (None, known.recovery)
        and assessment.weekly_cap_pence in (None, known.weekly_cap_pence)
    )
