"""An interest in the running of a council: whole cycles, bank reports, mass changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.bank_reports import import_report
from ledger.errors import CycleOutOfDate, InterestInBudget
from ledger.payment_run import cancel_cycle
from tests.bank_reports import Refused, input_report_xml
from tests.main_job import (
    a_ledger,
    approve,
    issue,
    prepare,
    says,
    settle,
    tell_budget,
)
from tests.mass_change import apply, budgets, outcomes, pb, skipped, uplifting
from tests.mass_change import approve as approve_change
from tests.mass_change import prepare as prepare_change


@pytest.fixture
def ledger(database_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Three budgets."""
    with a_ledger(database_url, tmp_path) as ledger:
        budgets(ledger)
        yield ledger


def declare(ledger: Ledger, name: str) -> None:
    """Somebody's mother has the first budget."""
    tell_budget(ledger, pb(1), "declare_interest", user_name=name, kind="relative", by="sue")


def test_an_approver_with_an_interest_leaves_the_cycle_to_someone_else(ledger: Ledger) -> None:
    declare(ledger, "bob")
    cycle = prepare(ledger)
    with pytest.raises(InterestInBudget, match=pb(1)):
        approve(ledger, cycle, by="bob")
    assert ledger.cycle(cycle.reference).status == "prepared"
    assert approve(ledger, cycle, by="bilal").status == "approved"


def test_an_interest_declared_since_the_preparation_counts_at_the_approval(ledger: Ledger) -> None:
    cycle = prepare(ledger)
    declare(ledger, "bob")
    with pytest.raises(CycleOutOfDate, match="has an interest"):
        approve(ledger, cycle, by="bob")
    assert not ledger.budget(pb(1)).payments
    assert approve(ledger, cycle, by="bilal").status == "approved"


def test_who_has_an_interest_may_make_the_file_settle_and_cancel(ledger: Ledger) -> None:
    for name in ("alice", "carol", "dave"):
        declare(ledger, name)
    cycle = approve(ledger, prepare(ledger))
    issue(ledger, cycle)
    assert settle(ledger, cycle).status == "settled"
    second = approve(ledger, prepare(ledger, 2))
    cancelled: PaymentCycle = cancel_cycle(ledger, second.reference, said=says("alice"))
    assert cancelled.status == "cancelled"


def test_who_has_an_interest_names_nobody_of_theirs(ledger: Ledger) -> None:
    declare(ledger, "alice")
    with pytest.raises(InterestInBudget):
        prepare(ledger, only=[pb(1)])
    prepare(ledger, only=[pb(2)])


def test_what_a_bank_says_of_their_payment_is_brought_in_by_someone_else(ledger: Ledger) -> None:
    declare(ledger, "carol")
    cycle = approve(ledger, prepare(ledger))
    issue(ledger, cycle)
    cycle = ledger.cycle(cycle.reference)
    issued, lost = cycle.require_issued(), cycle.lines[0]
    report = input_report_xml(
        ledger.settings.bacs_service_user_number,
        issued.submission_serial,
        accepted=(issued.record_count - 1, issued.total_pence - lost.amount_pence),
        processing_on=issued.processing_on,
        errors=[Refused(lost.payment_reference, lost.amount_pence)],
    )
    with pytest.raises(InterestInBudget):
        import_report(ledger, report, says("carol", issued.processing_on))
    assert not ledger.budget(pb(1)).held_payments
    import_report(ledger, report, says("dora", issued.processing_on))
    assert ledger.budget(pb(1)).held_payments


def test_a_mass_change_leaves_out_the_budget_of_who_prepares_or_applies_it(ledger: Ledger) -> None:
    declare(ledger, "petra")
    prepared = prepare_change(ledger, uplifting())
    assert outcomes(prepared)[pb(1)] == ("held", "interest-in-budget")
    by_another = prepare_change(ledger, uplifting(), reference="APR26-2", by="pam")
    assert outcomes(by_another)[pb(1)][0] != "held"
    declare(ledger, "otto")
    approve_change(ledger, prepare_change(ledger, uplifting(), reference="APR26-3", by="pam"))
    assert skipped(apply(ledger, "APR26-3")) == {pb(1): "interest-in-budget"}
