"""Changing many budgets at once: prepared without recording, approved, applied in batches.

Each batch is one transaction and every budget knows what was done to it under this reference,
so a run that was killed is run again and goes on: no budget is changed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from eventsourcing.persistence import IntegrityError

from ledger.aggregates.event_sourced import Recorded, Said, stream_id
from ledger.aggregates.mass_change import MassChange, MassChangeLine, MassChangeParameters
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.assessment_batches import batches
from ledger.assessments import Policy, rates_of
from ledger.charging.kinds import INCOME_KINDS
from ledger.config import Settings
from ledger.errors import BudgetNotFound, ConcurrentChange, InvalidValue
from ledger.garbage import without_gc
from ledger.mass_change_kinds import WHOLE, Change, Changing, changes, try_on
from ledger.money import parse_pounds
from ledger.payment_run import Progress, no_progress
from ledger.sealed_assessments import AssessmentDocument, sealed
from ledger.store import Beside

AT_A_TIME = 1_000  # budgets in one transaction
HOLD_OVER_PENCE = 2_000
"""A week's contribution that changes by more is held back, unless another limit is given."""

MassChangeRows = Callable[[MassChange, Sequence[Recorded]], Sequence[Beside]]
"""Makes rows to save with a step, from the mass change as the step leaves it."""


# --- preparation --------------------------------------------------------------------------


@without_gc()
def prepare_mass_change(
    ledger: Ledger,
    reference: str,
    parameters: MassChangeParameters,
    said: Said,
    *,
    progress: Progress = no_progress,
    dry_run: bool = False,
    beside: MassChangeRows | None = None,
) -> MassChange:
    """Try the change on every budget, and list what an approver should see.

    With `dry_run` nothing at all is recorded. Preparing again replaces what was listed before.
    """
    _require_clear(parameters)
    parameters = _whole(parameters, ledger.settings)
    changing = Changing(reference, parameters, rates_of(ledger), said)
    if parameters.kind == "reassess":
        changing.rates.in_force(parameters.effective_on)  # refused here, not on every budget
    lines: list[MassChangeLine] = []
    warnings: set[str] = set()
    missing = set(parameters.release)
    for budgets in batches(ledger.budgets(), AT_A_TIME):
        missing.difference_update(budget.reference for budget in budgets)
        for budget, change in changes(ledger, budgets, changing):
            line, _ = try_on(budget, change, changing)
            if line is not None:
                lines.append(line)
            if change.document is not None:
                warnings.update(w for working in change.document.working for w in working.warnings)
        progress(len(budgets))
    if missing:
        raise BudgetNotFound(f"There is no personal budget {', '.join(sorted(missing))}.")
    lines.sort(key=lambda line: line.budget_reference)

    def decide(mass_change: MassChange) -> None:
        mass_change.prepare(
            parameters=parameters, lines=lines, warnings=tuple(sorted(warnings)), **said
        )

    return ledger.change(MassChange, reference, decide, create=True, beside=beside, dry_run=dry_run)


_GOES_WITH = {
    "uprate": "reassess",
    "recovery": "reassess",
    "weekly_cap_pence": "reassess",
    "order": "reassess",
    "uplift_basis_points": "uplift",
    "funding_stream": "uplift",
    "deployment": "uplift",
    "period": "invoice",
}


def _require_clear(parameters: MassChangeParameters) -> None:
    """Everything that its kind needs and nothing that would be left out of account."""
    kind, points = parameters.kind, parameters.uplift_basis_points
    for field, goes_with in _GOES_WITH.items():
        if getattr(parameters, field) and kind != goes_with:
            raise InvalidValue(f"{field} goes with {goes_with}, not with {kind}.", field=field)
    if kind == "uplift" and not (points and -WHOLE < points <= WHOLE):
        raise InvalidValue(
            "An uplift needs a percentage from -100 to 100, and not nought.",
            field="uplift_basis_points",
        )
    if kind == "invoice" and parameters.period is None:
        raise InvalidValue("Invoicing needs the period to charge for.", field="period")
    if (parameters.hold_over_pence or 0) < 0:
        raise InvalidValue("A limit is not below nought.", field="hold_over_pence")
    raised = dict(parameters.uprate)
    if len(raised) < len(parameters.uprate):
        raise InvalidValue("Each kind of income is uprated once.", field="uprate")
    for income, basis_points in raised.items():
        if income not in INCOME_KINDS or not 0 < basis_points <= WHOLE:
            raise InvalidValue(
                f"{income}: uprate a known kind of income by more than 0 and at most 100 percent.",
                field="uprate",
            )


def _whole(parameters: MassChangeParameters, settings: Settings) -> MassChangeParameters:
    """With what is taken from the settings written out, so that it is approved too."""
    if parameters.kind != "reassess":
        return parameters
    cap = parameters.weekly_cap_pence
    if parameters.recovery == "weekly_cap" and not cap:
        cap = parse_pounds(settings.arrears_weekly_cap, "LEDGER_ARREARS_WEEKLY_CAP")
    if (parameters.recovery == "weekly_cap") != (cap > 0):
        raise InvalidValue(
            "weekly_cap_pence goes with recovery by weekly_cap, and is above nought.",
            field="weekly_cap_pence",
        )
    limit = parameters.hold_over_pence
    return msgspec.structs.replace(
        parameters,
        weekly_cap_pence=cap,
        order=parameters.order or Policy.of(settings).order,
        hold_over_pence=HOLD_OVER_PENCE if limit is None else limit,
    )


def moved_on(ledger: Ledger, mass_change: MassChange) -> list[str]:
    """Budgets that something was recorded on since they were listed, in order.

    They are looked at again when the change is applied, and passed over if they then come to
    anything else than what was approved.
    """
    now = ledger.recorder.versions(PersonalBudget.STREAM)
    return [
        line.budget_reference
        for line in mass_change.to_apply
        if now.get(stream_id(PersonalBudget.STREAM, line.budget_reference).hex)
        != line.budget_version
    ]


# --- application --------------------------------------------------------------------------


@without_gc()
def apply_mass_change(
    ledger: Ledger,
    reference: str,
    said: Said,
    *,
    progress: Progress = no_progress,
    dry_run: bool = False,
    beside: MassChangeRows | None = None,
) -> MassChange:
    """Change every budget of an approved mass change that comes to exactly what was approved.

    In batches, each one transaction; run again after a failure it goes on where it stopped. A
    budget that would come to anything else is passed over, with the reason; so is one that the
    change came to concern after it was prepared. With `dry_run` all of that is found out and
    nothing is recorded.
    """
    mass_change = ledger.load(MassChange, reference)
    changing = Changing(reference, mass_change.require_approved(), rates_of(ledger), said)
    skipped: dict[str, str] = {}
    if mass_change.applied is None:
        for lines in batches(mass_change.to_apply, AT_A_TIME):
            approved = {line.budget_reference: line for line in lines}
            skipped.update(_apply(ledger, approved, changing, dry_run))
            progress(len(lines))
    applied_count = len(mass_change.to_apply) - len(skipped)
    if mass_change.applied is None:
        skipped.update(_not_listed(ledger, mass_change, changing))
    return ledger.change(
        MassChange,
        reference,
        lambda m: m.finish(
            applied_count=applied_count, skipped=tuple(sorted(skipped.items())), **said
        ),
        beside=beside,
        dry_run=dry_run,
    )


def _apply(
    ledger: Ledger, approved: Mapping[str, MassChangeLine], changing: Changing, dry_run: bool
) -> dict[str, str]:
    """Change these budgets in one transaction; returns those passed over, with the reason.

    If one of them is being changed by someone else, each half is tried by itself.
    """
    for _ in range(ATTEMPTS):
        events: list[Recorded] = []
        documents: list[AssessmentDocument] = []
        skipped: dict[str, str] = {}
        budgets = [
            budget
            for budget in ledger.budgets(approved)
            if not _was_applied(budget, approved[budget.reference], changing)
        ]
        found = {b.reference: change for b, change in changes(ledger, budgets, changing)}
        for budget in budgets:
            change = found.get(budget.reference)
            line = approved[budget.reference]
            reason, recorded = _given(budget, change, line, changing)
            if reason:
                skipped[budget.reference] = reason
                continue
            events += recorded
            if change is not None and change.document is not None:
                documents.append(change.document)
        if dry_run:
            return skipped
        rows = sealed(ledger.people, documents, changing.said["recorded_at"])
        try:
            ledger.append(events, [Beside("financial_assessments", rows)])
        except IntegrityError:
            if len(approved) == 1:
                continue
            return {
                reference: reason
                for half in batches(approved.items(), (len(approved) + 1) // 2)
                for reference, reason in _apply(ledger, dict(half), changing, dry_run).items()
            }
        return skipped
    raise ConcurrentChange(f"Budgets of {changing.reference} are being changed; try again.")


def _was_applied(budget: PersonalBudget, line: MassChangeLine, changing: Changing) -> bool:
    """Whether a run before this one changed the budget."""
    if changing.parameters.kind == "uplift":
        return changing.reference in budget.mass_changes
    if changing.parameters.kind == "invoice":
        invoice = budget.invoices.get(changing.reference)
        return invoice is not None and invoice.amount_pence == abs(line.now_pence)
    assessment = budget.assessments.get(changing.reference)
    return assessment is not None and assessment.terms == line.terms


def _given(
    budget: PersonalBudget, change: Change | None, approved: MassChangeLine, changing: Changing
) -> tuple[str, list[Recorded]]:
    """Why the budget is passed over, or the events of a change that is exactly the approved."""
    if change is None:
        return "changed_since", []
    line, events = try_on(budget, change, changing)
    if line is None:
        return "changed_since", []
    if line.outcome == "held":
        return line.reason, []
    seen = msgspec.structs.replace(approved, budget_version=line.budget_version)
    if line == seen:
        return "", events
    put_right = msgspec.structs.replace(seen, put_right_pence=line.put_right_pence)
    return "settled_since" if line == put_right else "changed_since", []


def _not_listed(ledger: Ledger, mass_change: MassChange, changing: Changing) -> dict[str, str]:
    """Budgets that the change would concern now and did not when it was prepared."""
    listed = [line.budget_reference for line in mass_change.lines]
    return {
        budget.reference: "not_listed"
        for budgets in batches(ledger.other_budgets(listed), AT_A_TIME)
        for budget, change in changes(ledger, budgets, changing)
        if try_on(budget, change, changing)[0] is not None
    }
