"""The main job for tests, from a caseload to a settled cycle, through the front doors."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ledger.aggregates.accounting_periods import ACCOUNTS, AccountingPeriods
from ledger.aggregates.bank_report import BankReport
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.mass_change import MassChange, MassChangeParameters
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank.bacs_reader import BacsFile, read_bacs
from ledger.bank_reports import import_report
from ledger.caseload import Caseload, CaseloadBudget, CaseloadLine, read_caseload
from ledger.caseload_import import import_caseload, verify_payees
from ledger.config import Settings
from ledger.demo_data import caseload_csv
from ledger.file_looks import bank_file
from ledger.mass_changes import apply_mass_change, prepare_mass_change
from ledger.payment_run import (
    approve_cycle,
    issue_cycle,
    prepare_cycle,
    settle_cycle,
)
from ledger.projections.tables import read_tables
from tests.bank_reports import Refused, input_report_xml
from tests.given import FIRST_DAY, cycle_period, on, pay_day

IMPORTED_AT = datetime(2026, 3, 20, 10, tzinfo=UTC)


def settings_for(database_url: str, folder: Path) -> Settings:
    """A council's settings, with its key and its files in a folder."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=database_url,
        key_file=folder / "ledger.key",
        files_folder=folder / "files",
        development_sign_in=True,
        requests_per_minute_by_an_actor=0,
        requests_per_minute_from_an_address=0,
        bacs_service_user_number="123456",
        bacs_sort_code="200000",
        bacs_account_number="12345678",
        bacs_account_name="EXAMPLE COUNCIL",
    )


@contextmanager
def a_ledger(database_url: str, folder: Path) -> Iterator[Ledger]:
    """A new ledger, made by `initialise` and opened."""
    settings = settings_for(database_url, folder)
    Ledger.initialise(settings)
    with Ledger(settings) as ledger:
        yield ledger


def says(by: str, day: date | str = "2026-03-27") -> Said:
    """What accompanies a command, recorded in the morning of the day it takes effect."""
    day = on(day) if isinstance(day, str) else day
    recorded_at = datetime.combine(day, time(10), UTC)
    return {"effective_on": day, "recorded_at": recorded_at, "recorded_by": by}


# --- the caseload -------------------------------------------------------------------------


def a_row(number: int = 1, **facts: Any) -> CaseloadBudget:
    """One budget of a caseload: £310.00 a week from 6 April 2026, of which £142.95 is charged."""
    weekly = facts.pop("weekly_pence", 31_000)
    starts_on = facts.get("starts_on", FIRST_DAY)
    line = CaseloadLine(
        line_reference="personal_care.social_care",
        need="personal_care",
        funding_stream="social_care",
        deployment="direct_payment",
        weekly_pence=weekly,
        one_off_pence=None,
        starts_on=starts_on,
        ends_on=None,
        cost_centre="S4100",
    )
    return CaseloadBudget(
        **{
            "budget_reference": f"PB{number:06d}",
            "recipient_reference": f"R{number:06d}",
            "recipient_name": f"Siân O'Connor {number}",
            "date_of_birth": date(1950, 2, 3),
            "legal_basis": "care_act_2014",
            "support_reason": "physical_personal_care",
            "starts_on": FIRST_DAY,
            "paid_to": None,
            "agreement_version": "2025-1",
            "agreement_signed_on": date(2026, 3, 2),
            "contribution_weekly_pence": 14_295,
            "contribution_basis": "net",
            "contribution_from": FIRST_DAY,
            "payee_type": "recipient",
            "account_name": "S O'Connor",
            "sort_code": "999901",
            "account_number": f"9{number:07d}",
            "return_frequency": "quarterly",
            "lines": (line,),
            **facts,
        }
    )


def a_caseload(*rows: CaseloadBudget) -> Caseload:
    """A caseload of these budgets."""
    return Caseload("0" * 64, rows)


def example_caseload(budgets: int, seed: int = 1) -> Caseload:
    """The made-up council's caseload."""
    return read_caseload(caseload_csv(budgets, seed))


def take_in(ledger: Ledger, caseload: Caseload) -> None:
    """Alice imports a caseload and Bob verifies its payees."""
    import_caseload(ledger, caseload, recorded_at=IMPORTED_AT, recorded_by="alice")
    verify_payees(ledger, references=None, said=says("bob", IMPORTED_AT.date()))


def tell_budget(ledger: Ledger, reference: str, command: str, **facts: Any) -> PersonalBudget:
    """Give one budget a command; by ann on the first day unless told."""
    accompanied = {**says(facts.pop("by", "ann"), facts.pop("effective_on", FIRST_DAY)), **facts}
    return ledger.change(
        PersonalBudget, reference, lambda budget: getattr(budget, command)(**accompanied)
    )


def revise(ledger: Ledger, reference: str, weekly: int, day: str) -> None:
    """Ann records that a budget's line is worth another amount from a day."""
    tell_budget(
        ledger,
        reference,
        "revise_allocation",
        line_reference="personal_care.social_care",
        weekly_pence=weekly,
        effective_on=date.fromisoformat(day),
    )


def new_payee(ledger: Ledger, reference: str, account_number: str) -> str:
    """Ann proposes another account for a budget and Bob verifies it; returns its reference."""
    _, payee_reference = ledger.propose_payee(
        reference,
        payee_type="recipient",
        account_name="S O'Connor",
        sort_code="99-99-02",
        account_number=account_number,
        said=says("ann"),
    )
    tell_budget(ledger, reference, "verify_payee", payee_reference=payee_reference, by="bob")
    return payee_reference


# --- a cycle ------------------------------------------------------------------------------


def cycle_name(number: int) -> str:
    return f"C2026-{number:02d}"


def prepare(
    ledger: Ledger,
    number: int = 1,
    *,
    reference: str = "",
    pay_on: date | None = None,
    only: Collection[str] | None = None,
    reissue: Collection[str] = (),
    release: Collection[str] = (),
) -> PaymentCycle:
    """Alice prepares the first, second... four-weekly cycle."""
    period = cycle_period(number)
    return prepare_cycle(
        ledger,
        reference or cycle_name(number),
        period=period,
        pay_on=pay_on or paid_on(number),
        said=says("alice", period.starts_on),
        only=only,
        reissue=reissue,
        release=release,
    )


def paid_on(number: int) -> date:
    """The Friday before the period, or the Thursday before Good Friday."""
    day = pay_day(cycle_period(number))
    return date(2026, 4, 2) if day == date(2026, 4, 3) else day


def approve(ledger: Ledger, cycle: PaymentCycle, by: str = "bob") -> PaymentCycle:
    """Bob approves exactly what was prepared."""
    assert cycle.prepared is not None
    return approve_cycle(
        ledger,
        cycle.reference,
        total_pence=cycle.prepared.total_pence,
        lines_sha256=cycle.prepared.lines_sha256,
        said=says(by, cycle.prepared.period.starts_on),
    )


def issue(ledger: Ledger, cycle: PaymentCycle) -> Path:
    """Carol has the bank file made, a week before the pay date."""
    assert cycle.prepared is not None
    made_on = date.fromordinal(cycle.prepared.pay_on.toordinal() - 7)
    return issue_cycle(ledger, cycle.reference, created_on=made_on, said=says("carol", made_on))


def settle(ledger: Ledger, cycle: PaymentCycle) -> PaymentCycle:
    """The bank pays on the pay date."""
    assert cycle.prepared is not None
    return settle_cycle(ledger, cycle.reference, said=says("dave", cycle.prepared.pay_on))


def run_cycle(ledger: Ledger, number: int = 1, **only: Any) -> PaymentCycle:
    """A whole cycle: prepared, approved, issued and settled."""
    cycle = approve(ledger, prepare(ledger, number, **only))
    issue(ledger, cycle)
    return settle(ledger, cycle)


def in_file(ledger: Ledger, cycle: PaymentCycle) -> BacsFile:
    """The bank file of a cycle, read back."""
    return read_bacs(bank_file(ledger, cycle.reference))


def paid_in(ledger: Ledger, cycle: PaymentCycle) -> dict[str, int]:
    """What the cycle's bank file pays, by budget reference."""
    amounts = {c.reference: c.amount_pence for c in in_file(ledger, cycle).credits}
    return {line.budget_reference: amounts[line.payment_reference] for line in cycle.lines}


def bank_file_total(ledger: Ledger, reference: str) -> int:
    """What the issued file pays, read back from its bytes."""
    return read_bacs(bank_file(ledger, reference)).credit_total_pence


def close_accounts(ledger: Ledger, to: date | str, by: str = "fay") -> AccountingPeriods:
    """Fay closes the accounts to a day, in the morning of the day after."""
    closed_to = on(to) if isinstance(to, str) else to
    said = says(by, closed_to + timedelta(days=1))
    return ledger.change(
        AccountingPeriods,
        ACCOUNTS,
        lambda accounts: accounts.close(closed_to=closed_to, **said),
        create=True,
    )


def a_busy_council(ledger: Ledger, budgets: int = 200) -> None:
    """Two cycles with changes between: a bit of everything that moves money."""
    take_in(ledger, example_caseload(budgets))
    cycle = run_cycle(ledger, 1)
    some = [line.budget_reference for line in cycle.lines[:8]]
    payments = [line.payment_reference for line in cycle.lines[:8]]
    tell_budget(
        ledger,
        some[0],
        "suspend_payments",
        reason_code="hospital_stay",
        interim_arrangement="in_hospital_or_care_home",
        review_on=date(2026, 5, 1),
        effective_on=date(2026, 4, 20),
    )
    tell_budget(ledger, some[1], "close", reason_code="moved_away", effective_on=date(2026, 4, 23))
    for reference, payment in zip(some[2:4], payments[2:4], strict=True):
        tell_budget(
            ledger,
            reference,
            "return_payment",
            payment_reference=payment,
            reason_code="B",
            effective_on=date(2026, 4, 8),
        )
    new_payee(ledger, some[2], "12345678")
    acting = {"person_reference": "R900001", "kind": "nominated_person"}
    tell_budget(ledger, some[6], "appoint_representative", **acting)
    sees = {"organisation_reference": "ACME", "ends_on": date(2026, 9, 30)}
    tell_budget(ledger, some[6], "grant_access", **sees)
    for command, by, facts in (
        ("propose_clawback", "ann", {"amount_pence": 10_000, "cause_code": "surplus"}),
        ("notify_clawback", "ann", {"respond_by": date(2026, 4, 20)}),
        (
            "confirm_clawback",
            "bob",
            {
                "amount_pence": 10_000,
                "recovery": "deduction",
                "instalment_pence": 2_500,
                "effective_on": date(2026, 4, 21),
            },
        ),
    ):
        tell_budget(ledger, some[4], command, clawback_reference="CB1", by=by, **facts)
    tell_budget(
        ledger,
        some[5],
        "assess_contribution",
        weekly_pence=100,
        basis="net",
        effective_on=date(2026, 4, 13),
    )
    again = prepare(
        ledger,
        1,
        reference="C2026-01R",
        only=[some[2]],
        reissue=[payments[2]],
        pay_on=date(2026, 4, 24),
    )
    issue(ledger, approve(ledger, again))
    close_accounts(ledger, "2026-04-24")  # so that what is settled now falls on the day after
    settle(ledger, again)
    refund = {"payment_reference": payments[3], "effective_on": date(2026, 4, 27)}
    tell_budget(ledger, some[3], "refund_payment", **refund)
    second = approve(ledger, prepare(ledger, 2))
    issue(ledger, second)
    bring_in_answers(ledger, ledger.cycle(second.reference))
    settle(ledger, second)
    raise_rates(ledger)


def bring_in_answers(ledger: Ledger, cycle: PaymentCycle) -> None:
    """Carol brings in what Bacs says of a file: one payment is not taken, and one item unclear."""
    issued, lost = cycle.require_issued(), cycle.lines[-1]
    report = input_report_xml(
        ledger.settings.bacs_service_user_number,
        issued.submission_serial,
        accepted=(issued.record_count - 1, issued.total_pence - lost.amount_pence),
        processing_on=issued.processing_on,
        errors=[
            Refused(lost.payment_reference, lost.amount_pence),
            Refused(cycle.lines[0].payment_reference, 100, "AMENDED"),
        ],
    )
    report_reference = import_report(ledger, report, says("carol", issued.processing_on)).reference
    dismissal: Any = {"item": 2, "reason_code": "settled_by_hand", **says("dora", "2026-05-01")}
    ledger.change(BankReport, report_reference, lambda r: r.dismiss(**dismissal))


def raise_rates(ledger: Ledger) -> None:
    """Alice and Bob raise what the NHS pays for by 3.2% from June."""
    parameters = MassChangeParameters(
        kind="uplift",
        effective_on=on("06-01"),
        decided_on=on("05-15"),
        uplift_basis_points=320,
        funding_stream="nhs",
    )
    prepared = prepare_mass_change(ledger, "NHS26", parameters, says("alice", "05-15")).prepared
    assert prepared is not None
    total, sha256 = prepared.totals.now_pence, prepared.lines_sha256
    said = says("bob", "05-18")
    ledger.change(
        MassChange, "NHS26", lambda m: m.approve(now_pence=total, lines_sha256=sha256, **said)
    )
    apply_mass_change(ledger, "NHS26", says("carol", "05-18"))


# --- what is stored -----------------------------------------------------------------------


def log_of(ledger: Ledger) -> list[Any]:
    """Every event as stored."""
    return ledger.recorder.read_log(0, 1_000_000)


def rows_of(ledger: Ledger, tables: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every read table (or those named), in order."""
    with ledger.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in read_tables.sorted_tables
            if not tables or table.name in tables
        }


def fingerprint(rows: dict[str, list[tuple[Any, ...]]]) -> str:
    """One SHA-256 over every read table."""
    return hashlib.sha256(repr(sorted(rows.items())).encode()).hexdigest()
