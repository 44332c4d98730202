"""Financial assessments: recorded or only tried, and why a contribution is what it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.contributions import ArrearsRecovery
from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Effect
from ledger.api.budget_commands import changed, would_change
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.recorded_events import RecordedEvent
from ledger.api.requests import AsOfAsked, BodyOf, WriteRoute, Writing, ledger_of, today
from ledger.assessments import Assessment, explain, record_assessment, try_assessment
from ledger.charging.assessment import Assessed, Charged
from ledger.charging.explanation import explanation
from ledger.charging.facts import Facts
from ledger.dates import day_in_england
from ledger.private import Private
from ledger.store import Beside
from ledger.terms import ContributionBasis

router = APIRouter(tags=["financial assessments"])
_writes = APIRouter(tags=["financial assessments"], route_class=WriteRoute)
_AT = "/v1/budgets/{reference:reference}"


class FinancialAssessment(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person told about their means, and from when it is to be charged.

    The facts are sealed and never sent back as they are; the history of the budget says only
    what can be charged. `decided_on` is today if not given, `basis` as it was before, and the
    way arrears come back that of the council's settings. `dry_run`: work it out, show what it
    would change, and record nothing.
    """

    effective_on: date
    facts: Facts
    decided_on: date | None = None
    assessment_reference: str = ""
    basis: ContributionBasis | None = None
    recovery: ArrearsRecovery | None = None
    weekly_cap_pence: int | None = None
    dry_run: bool = False


class AssessmentRecorded(msgspec.Struct, omit_defaults=True):
    """The budget's version, and the events recorded: none if it was so already.

    A dry run gives those that would be recorded, the working from each day on, what is
    charged by it, and the effect on days already paid and on the next payment."""

    reference: str
    version: int
    assessment_reference: str
    events: list[RecordedEvent]
    dry_run: bool = False
    working: tuple[Assessed, ...] = ()
    charged: tuple[Charged, ...] = ()
    effect: Effect | None = None


class ContributionExplained(msgspec.Struct):
    """Why a week's contribution is what it is on a day, line by line and in plain English."""

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
    plain_english: list[str]


_body = BodyOf(FinancialAssessment)


@_writes.post(f"{_AT}/financial-assessments", summary="Record a financial assessment",
              **writes(AssessmentRecorded, FinancialAssessment, if_match=True))  # fmt: skip
@needs("contributions.assess")
def assess_finances(reference: str, write: Writing) -> Response:
    """Work out the contribution from what the person told, and record it from a day on.

    A past day puts right every period paid since: nothing recorded is changed, and the
    difference is paid or recovered by the council's policy.
    """
    body = _body.read(write.body)
    decided_on = body.decided_on or day_in_england(write.recorded_at)
    assessment = Assessment(
        facts=body.facts,
        effective_on=body.effective_on,
        decided_on=decided_on,
        assessment_reference=body.assessment_reference,
        basis=body.basis,
        recovery=body.recovery,
        weekly_cap_pence=body.weekly_cap_pence,
    )
    said = write.said(body.effective_on)
    if body.dry_run:
        seen = try_assessment(
            write.ledger, reference, assessment, said, expected_version=write.expected_version
        )
        tried = would_change(seen.tried)
        return answer(
            AssessmentRecorded(
                reference,
                tried.version,
                assessment.reference,
                tried.events,
                True,
                seen.document.working,
                seen.charged,
                tried.effect,
            )
        )
    once = Once(write)

    def rows(budget: PersonalBudget, events: Sequence[Recorded]) -> list[Beside]:
        done = changed(budget, events)
        return [
            once.row(AssessmentRecorded(reference, done.version, assessment.reference, done.events))
        ]

    return once.do(
        lambda: record_assessment(
            write.ledger,
            reference,
            assessment,
            said,
            expected_version=write.expected_version,
            beside=rows,
        )
    )


@router.get(f"{_AT}/contribution", summary="Explain a contribution",
            **reads(ContributionExplained))  # fmt: skip
@needs("budgets.read")
def explain_contribution(request: Request, reference: str, as_of: AsOfAsked) -> Response:
    """Why the contribution is what it is `on` a day (today, if not given), as known at
    `known_at`: the working that was recorded, with each rule, figure and source."""
    found = explain(ledger_of(request), reference, as_of.on or today(), as_of.known_at)
    plain = explanation(found.assessed, found.charged)
    return answer(ContributionExplained(**msgspec.structs.asdict(found), plain_english=plain))


router.routes.extend(_writes.routes)
