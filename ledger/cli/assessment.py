"""Financial assessments: worked out, tried on a budget, recorded, and explained."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.aggregates.contributions import ArrearsRecovery
from ledger.charging.assessment import Assessed, Charged, charge
from ledger.charging.explanation import explanation, working_table
from ledger.cli.effect_shown import event_document, say_tried, tried_document
from ledger.cli.parameters import (
    BudgetReference,
    DryRun,
    ExpectedVersion,
    KnownAt,
    read_date,
    read_pounds,
)
from ledger.cli.screen import Screen
from ledger.cli.session import Session, session_of
from ledger.dates import day_in_england
from ledger.money import format_pounds
from ledger.terms import ContributionBasis

if TYPE_CHECKING:
    from ledger.assessments import Assessment, AssessmentTried, Explanation

app = typer.Typer(
    no_args_is_help=True,
    help="Financial assessments: what a person can afford to contribute, and why.",
)

FactsFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, readable=True,
        help="What the person told, as TOML.",
    ),
]  # fmt: skip
Day = Annotated[date, typer.Option("--on", parser=read_date, metavar="DATE", help="The day.")]


@app.command("work-out")
def work_out(
    ctx: typer.Context,
    file: FactsFile,
    on: Day,
    weekly_cost: Annotated[
        int | None,
        typer.Option(parser=read_pounds, metavar="POUNDS", help="What the care costs a week."),
    ] = None,
) -> None:
    """Work out a contribution from a file of facts, line by line. Nothing is recorded."""
    from ledger.charging.assessment import assess
    from ledger.charging.facts import facts_from_toml, require_sound
    from ledger.charging.rate_book import load_rates

    session = session_of(ctx)
    facts = facts_from_toml(file.read_text(encoding="utf-8"))
    require_sound(facts, on)
    assessed = assess(facts, load_rates(session.settings.rates_file), on)
    charged = None if weekly_cost is None else charge(assessed, weekly_cost)
    document = {
        "on": on,
        "assessed": assessed,
        "charged": charged,
        "explanation": explanation(assessed, charged),
    }

    def show(screen: Screen) -> None:
        show_working(screen, f"Working on {on}", charged or assessed)
        say_warnings(screen, assessed)

    session.answer(document, show)


@app.command("record")
def record(
    ctx: typer.Context,
    reference: BudgetReference,
    file: FactsFile,
    *,
    effective_on: Annotated[
        date, typer.Option("--from", parser=read_date, metavar="DATE", help="When it takes effect.")
    ],
    decided_on: Annotated[
        date | None,
        typer.Option(parser=read_date, metavar="DATE", help="Day of decision; today if left out."),
    ] = None,
    assessment_reference: Annotated[
        str, typer.Option("--reference", metavar="TEXT", help="Else made of the two dates.")
    ] = "",
    basis: Annotated[
        ContributionBasis | None,
        typer.Option(help="Taken off the payment, or invoiced; as before if left out."),
    ] = None,
    recovery: Annotated[
        ArrearsRecovery | None,
        typer.Option(help="How arrears come back; else LEDGER_ARREARS_RECOVERY."),
    ] = None,
    weekly_cap: Annotated[
        int | None,
        typer.Option(parser=read_pounds, metavar="POUNDS", help="The most taken back a week."),
    ] = None,
    expected_version: ExpectedVersion = None,
    dry_run: DryRun = False,
) -> None:
    """Record a financial assessment from a day on: its working, and what it changes.

    What was told is sealed; the budget's history says only what can be charged. With --dry-run
    every period already paid is shown as it was and as it would be, and nothing is recorded.
    """
    from ledger.assessments import Assessment
    from ledger.charging.facts import facts_from_toml

    session = session_of(ctx)
    said = session.said(effective_on)
    assessment = Assessment(
        facts=facts_from_toml(file.read_text(encoding="utf-8")),
        effective_on=effective_on,
        decided_on=decided_on or day_in_england(said["recorded_at"]),
        assessment_reference=assessment_reference,
        basis=basis,
        recovery=recovery,
        weekly_cap_pence=weekly_cap,
    )
    if dry_run:
        _try(session, reference, assessment, expected_version)
    else:
        _record(session, reference, assessment, expected_version)


def _try(
    session: Session, reference: str, assessment: Assessment, expected_version: int | None
) -> None:
    from ledger.assessments import try_assessment

    with session.ledger() as ledger:
        seen = try_assessment(
            ledger,
            reference,
            assessment,
            session.said(assessment.effective_on),
            expected_version=expected_version,
        )
    document = {
        "assessment_reference": assessment.reference,
        "working": seen.document.working,
        "charged": seen.charged,
        **tried_document(seen.tried),
    }
    session.answer(document, lambda screen: _show_tried(screen, seen))


def _show_tried(screen: Screen, seen: AssessmentTried) -> None:
    for assessed, charged in zip(seen.document.working, seen.charged, strict=True):
        show_working(screen, f"Working from {assessed.starts_on}", charged)
    for assessed in seen.document.working[:1]:
        say_warnings(screen, assessed)
    screen.say()
    say_tried(screen, seen.tried)


def _record(
    session: Session, reference: str, assessment: Assessment, expected_version: int | None
) -> None:
    from ledger.assessments import record_assessment
    from ledger.projections.audit import sentence

    with session.ledger() as ledger:
        before = ledger.budget(reference).version
        budget = record_assessment(
            ledger,
            reference,
            assessment,
            session.said(assessment.effective_on),
            expected_version=expected_version,
        )
        events: list[Any] = list(ledger.events.get(budget.id, gt=before, lte=budget.version))
    document = {
        "reference": reference,
        "version": budget.version,
        "assessment_reference": assessment.reference,
        "recorded": [event_document(recorded) for recorded in events],
    }

    def show(screen: Screen) -> None:
        for recorded in events:
            screen.say(sentence(recorded.event))
        if not events:
            screen.say("Nothing to record: it was so already.")
        screen.say(f"\nWhy: pbledger assessment explain {reference} --on {assessment.effective_on}")

    session.answer(document, show)


@app.command("explain")
def explain(
    ctx: typer.Context, reference: BudgetReference, on: Day, known_at: KnownAt = None
) -> None:
    """Explain why the contribution was what it was on a day, as known now or at a moment."""
    from ledger import assessments

    session = session_of(ctx)
    with session.ledger() as ledger:
        found = assessments.explain(ledger, reference, on, known_at)
    paragraphs = explanation(found.assessed, found.charged)
    document = {"explanation": found, "plain_english": paragraphs}
    session.answer(document, lambda screen: _show_explanation(screen, found, paragraphs))


def _show_explanation(screen: Screen, found: Explanation, paragraphs: list[str]) -> None:
    screen.facts(
        ("Budget", found.reference),
        ("Assessment", found.assessment_reference),
        ("Decided on", found.decided_on),
        ("Takes effect", found.effective_on),
        ("Care costs a week", format_pounds(found.weekly_cost_pence)),
        ("Collected", "off the payment" if found.basis == "net" else "by invoice"),
    )
    show_working(screen, f"Working on {found.on}", found.charged)
    screen.say()
    for paragraph in paragraphs:
        screen.say(paragraph)


@app.command("list")
def list_assessments(ctx: typer.Context, reference: BudgetReference) -> None:
    """List the financial assessments of a budget in the order in which they were recorded."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        found = list(ledger.budget(reference).assessments.values())
    rows = [
        (
            event.assessment_reference,
            event.decided_on,
            event.effective_on,
            event.outcome,
            "; ".join(
                f"{'full cost' if term.full_cost else format_pounds(term.weekly_pence)} "
                f"from {term.starts_on}"
                for term in event.terms
            ),
            event.recorded_by,
        )
        for event in found
    ]
    columns = ("Assessment", "Decided", "Takes effect", "Outcome", "At most, a week", "By")
    session.answer(
        {"reference": reference, "assessments": found},
        lambda screen: screen.table(f"{len(rows)} assessment(s) of {reference}", columns, rows),
    )


def show_working(screen: Screen, title: str, result: Assessed | Charged) -> None:
    """The working as a table."""
    rows = [
        (row.label, row.detail, row.amount, row.note, row.source) for row in working_table(result)
    ]
    screen.table(title, ("What", "How", ">A week", "Figure", "Source"), rows)


def say_warnings(screen: Screen, assessed: Assessed) -> None:
    """What to look at."""
    for warning in assessed.warnings:
        screen.say(f"\nNote: {warning}")
