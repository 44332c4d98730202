"""Mass changes for tests: who is there in March, and what is to be changed in April."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from ledger.aggregates.mass_change import (
    MassChange,
    MassChangeApplied,
    MassChangeLine,
    MassChangeParameters,
    MassChangePrepared,
)
from ledger.application import Ledger
from ledger.assessments import Assessment, record_assessment
from ledger.caseload import CaseloadBudget, CaseloadLine
from ledger.charging.facts import Facts, IncomeLine
from ledger.database import writing
from ledger.dates import Period
from ledger.durable import people
from ledger.mass_changes import apply_mass_change, prepare_mass_change
from ledger.terms import Deployment
from tests.given import on
from tests.main_job import a_caseload, a_row, run_cycle, says, settings_for, take_in, tell_budget

STARTED = date(2026, 3, 9)
"""Four weeks before April: the first cycle is behind, at last year's rates."""

PENSIONER = Facts(
    date_of_birth=date(1950, 2, 3),
    household="single",
    income=(
        IncomeLine(kind="state_pension", amount_pence=23_000),
        IncomeLine(kind="attendance_allowance", amount_pence=11_000),
    ),
)
"""£340.00 a week: £107.40 at the guarantee of £232.60 in 2025/26; then £241.45."""

APRIL = "APR26"


def pb(number: int) -> str:
    return f"PB{number:06d}"


def budgets(ledger: Ledger, count: int = 3, **facts: Any) -> None:
    """So many budgets of £310.00 a week since March, with no contribution, as stated."""
    take_in(ledger, a_caseload(*(a_budget(n, **facts) for n in range(1, count + 1))))


def a_budget(number: int, **facts: Any) -> CaseloadBudget:
    starts_on = facts.pop("starts_on", STARTED)
    stated = {"contribution_weekly_pence": 0, "contribution_from": starts_on}
    return a_row(number, **{"starts_on": starts_on, **stated, **facts})


def assess(
    ledger: Ledger, number: int, facts: Facts = PENSIONER, day: date = STARTED, **given: Any
) -> None:
    """Amira records a financial assessment, decided on the day it takes effect."""
    record_assessment(
        ledger,
        pb(number),
        Assessment(facts=facts, effective_on=day, **{"decided_on": day, **given}),
        says("amira", given.get("decided_on", day)),
    )


def reassessing(day: str = "04-06", **given: Any) -> MassChangeParameters:
    """The April uplift: pensions by 4.8%, attendance allowance by 3.8%."""
    return MassChangeParameters(
        kind="reassess",
        **{
            "effective_on": on(day),
            "decided_on": on("03-20"),
            "uprate": (("state_pension", 480), ("attendance_allowance", 380)),
            **given,
        },
    )


def uplifting(percent: int = 320, day: str = "04-06", **given: Any) -> MassChangeParameters:
    return MassChangeParameters(
        kind="uplift",
        effective_on=on(day),
        decided_on=on("03-20"),
        uplift_basis_points=percent,
        **given,
    )


def invoicing(first: str = "03-09", last: str = "04-05", **given: Any) -> MassChangeParameters:
    return MassChangeParameters(
        kind="invoice",
        effective_on=on("04-06"),
        decided_on=on("04-06"),
        period=Period(on(first), on(last)),
        **given,
    )


def prepare(
    ledger: Ledger, parameters: MassChangeParameters, reference: str = APRIL, **given: Any
) -> MassChange:
    """Petra prepares it on 20 March."""
    by = given.pop("by", "petra")
    return prepare_mass_change(ledger, reference, parameters, says(by, "03-20"), **given)


def approve(ledger: Ledger, mass_change: MassChange, by: str = "anil", **other: Any) -> MassChange:
    """Anil approves exactly what was prepared, unless told that he saw something else."""
    stated = {
        "now_pence": seen(mass_change).totals.now_pence,
        "lines_sha256": seen(mass_change).lines_sha256,
        **other,
    }
    return ledger.change(
        MassChange,
        mass_change.reference,
        lambda m: m.approve(**stated, **says(by, "03-23")),
    )


def apply(ledger: Ledger, reference: str = APRIL, day: str = "03-24") -> MassChange:
    """Otto has it applied."""
    return apply_mass_change(ledger, reference, says("otto", day))


def done(ledger: Ledger, parameters: MassChangeParameters, reference: str = APRIL) -> MassChange:
    """Prepared, approved and applied in one go."""
    approve(ledger, prepare(ledger, parameters, reference))
    return apply(ledger, reference)


def by_budget(mass_change: MassChange) -> dict[str, MassChangeLine]:
    return {line.budget_reference: line for line in mass_change.lines}


def outcomes(mass_change: MassChange) -> dict[str, tuple[str, str]]:
    return {line.budget_reference: (line.outcome, line.reason) for line in mass_change.lines}


def seen(mass_change: MassChange) -> MassChangePrepared:
    """What an approver is shown beside the lines."""
    assert mass_change.prepared is not None
    return mass_change.prepared


def result(mass_change: MassChange) -> MassChangeApplied:
    assert mass_change.applied is not None
    return mass_change.applied


def skipped(mass_change: MassChange) -> dict[str, str]:
    return dict(result(mass_change).skipped)


def charged(ledger: Ledger, number: int, day: str = "04-06") -> int:
    """What a week's contribution is on a day."""
    term = ledger.budget(pb(number)).contribution_on(on(day))
    return 0 if term is None else term.weekly_pence


def versions(ledger: Ledger, *numbers: int) -> list[int]:
    return [ledger.budget(pb(number)).version for number in numbers]


def erase(ledger: Ledger, number: int) -> None:
    with writing(ledger.engine).begin() as connection:
        connection.execute(delete(people).where(people.c.person_reference == f"R{number:06d}"))


def close(ledger: Ledger, number: int, day: str) -> None:
    tell_budget(ledger, pb(number), "close", reason_code="moved_away", effective_on=on(day))


def run_cycle_of_march(ledger: Ledger) -> None:
    """Every budget is paid for the four weeks to 5 April."""
    run_cycle(ledger, 0, pay_on=date(2026, 3, 6))


def a_line(
    name: str, weekly: int, deployment: Deployment = "direct_payment", stream: str = "social_care"
) -> CaseloadLine:
    return CaseloadLine(
        line_reference=f"{name}.{stream}",
        need=name,
        funding_stream=stream,
        deployment=deployment,
        weekly_pence=weekly,
        one_off_pence=None,
        starts_on=STARTED,
        ends_on=None,
        cost_centre="S4100",
    )


def mixed_lines() -> tuple[CaseloadLine, ...]:
    """£200.00 paid to the person, £80.00 of services the council provides, £50.00 of the NHS."""
    return (
        a_line("personal_care", 20_000),
        a_line("day_centre", 8_000, "provided_service"),
        a_line("nursing", 5_000, stream="nhs"),
    )


def weekly_of(ledger: Ledger, number: int, day: str = "04-06") -> dict[str, int]:
    lines = ledger.budget(pb(number)).lines_in_force(on(day))
    return {line.line_reference: line.weekly_pence for line in lines}


@contextmanager
def with_rates(database_url: str, folder: Path, key: str, amount: str) -> Iterator[Ledger]:
    """The same ledger, run by a council that sets one figure of 2026/27 otherwise."""
    rates = folder / "rates.toml"
    rates.write_text(f'["2026/27".{key}]\namount = "{amount}"\nsource = "Policy"\n')
    settings = settings_for(database_url, folder).model_copy(update={"rates_file": rates})
    with Ledger(settings) as ledger:
        yield ledger
