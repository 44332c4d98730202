"""Importing a council's caseload: whole or not at all, twice the same as once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from eventsourcing.persistence import IntegrityError

from ledger import store
from ledger.aggregates.event_sourced import Event, Recorded, Said, stream_id
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.caseload import Caseload, CaseloadBudget
from ledger.dates import day_in_england
from ledger.errors import (
    AccountFailsModulusCheck,
    BudgetNotFound,
    CaseloadConflicts,
    ConcurrentChange,
    PayeeNotConfirmed,
)
from ledger.modulus_tables import TableInForce, checked
from ledger.people import PersonDetails
from ledger.store import Beside
from ledger.terms import AllocationTerm

Progress = Callable[[int], None]


class ImportResult(NamedTuple):
    """What an import did, or would do on a dry run: budgets by whether they were there."""

    sha256: str
    opened: int
    already_there: int


def import_caseload(
    ledger: Ledger,
    caseload: Caseload,
    *,
    recorded_at: datetime,
    recorded_by: str,
    dry_run: bool = False,
    progress: Progress = lambda _done: None,
) -> ImportResult:
    """Open every budget of a caseload file that is not here yet, in one transaction.

    A budget already here must hold every fact of its rows; otherwise `CaseloadConflicts`
    lists every disagreement and nothing is written. Payees are proposed, and must be
    verified by someone else before anything is paid. An account of a new budget that fails the
    modulus check refuses the whole file: `AccountFailsModulusCheck` names every such budget.
    """
    table = ledger.modulus_tables.in_force(day_in_england(recorded_at))
    for _ in range(ATTEMPTS):
        known = _known_facts(ledger, caseload)
        new: list[CaseloadBudget] = []
        events: list[Recorded] = []
        conflicts: list[str] = []
        failing: list[str] = []
        for row in caseload.budgets:
            progress(1)
            budget = PersonalBudget(row.budget_reference)
            history = known.get(budget.id.hex)
            try:  # what is here already was checked when it came
                by = table if history is None else None
                _open(ledger, budget, row, by, recorded_at, recorded_by)
            except AccountFailsModulusCheck:
                failing.append(row.budget_reference)
            if history is None:
                new.append(row)
                events.extend(budget.collect_events())
                continue
            for recorded in budget.collect_events():
                if _facts(recorded.event) not in history:
                    fact = type(recorded.event).__name__
                    conflicts.append(f"{row.budget_reference}: {fact} is not as in the file")
        rows = _people_rows(ledger, caseload, new, recorded_at, conflicts)
        if conflicts:
            raise CaseloadConflicts(
                f"{len(conflicts)} fact(s) disagree with budgets already here; nothing was "
                f"written. {'; '.join(conflicts[:5])}",
                conflicts=conflicts,
            )
        if failing:
            assert table is not None, "without a table nothing fails"
            raise _failing(failing, table.version)
        result = ImportResult(caseload.sha256, len(new), len(known))
        if dry_run or not new:
            return result
        try:
            ledger.append(events, rows)
        except IntegrityError:
            continue
        return result
    raise ConcurrentChange("The caseload is being imported by someone else; try again.")


def _failing(budget_references: list[str], table_version: str) -> AccountFailsModulusCheck:
    more = f" and {len(budget_references) - 5} more" if len(budget_references) > 5 else ""
    return AccountFailsModulusCheck(
        f"{len(budget_references)} account number(s) do not pass the modulus check of their sort "
        f"code (table {table_version}); nothing was written. Of the budgets "
        f"{', '.join(budget_references[:5])}{more}.",
        modulus_table_version=table_version,
        budget_references=budget_references,
    )


_NOT_IN_A_FILE = {
    "recorded_at",
    "recorded_by",
    "modulus_check",
    "modulus_table_version",
    "source",
}


def _facts(event: Event) -> tuple[Any, ...]:
    """What an event says that a file can say too, to tell whether a fact is already known."""
    fields = {f: getattr(event, f) for f in event.__struct_fields__ if f not in _NOT_IN_A_FILE}
    return (type(event).__name__, *fields.values())


def _known_facts(ledger: Ledger, caseload: Caseload) -> dict[str, set[tuple[Any, ...]]]:
    """Every fact of the caseload's budgets that are already here, by stream id in hex."""
    ids = [stream_id(PersonalBudget.STREAM, row.budget_reference) for row in caseload.budgets]
    known: defaultdict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for stream, topic, state in ledger.recorder.read_streams(PersonalBudget.STREAM, ids):
        known[stream].add(_facts(store.decode(topic, state)))
    return known


def _open(
    ledger: Ledger,
    budget: PersonalBudget,
    row: CaseloadBudget,
    table: TableInForce | None,
    recorded_at: datetime,
    recorded_by: str,
) -> None:
    """Give a new budget the commands that bring it to where its rows say it is."""
    said: Said = {
        "effective_on": row.starts_on,
        "recorded_at": recorded_at,
        "recorded_by": recorded_by,
    }
    budget.open(
        recipient_reference=row.recipient_reference,
        legal_basis=row.legal_basis,
        primary_support_reason=row.support_reason,
        paid_elsewhere_to=row.paid_to,
        **said,
    )
    budget.offer_direct_payment(occasion="assessment", outcome="accepted", **said)
    budget.sign_agreement(
        template_version=row.agreement_version,
        return_frequency=row.return_frequency,
        **_on(row.agreement_signed_on, said),
    )
    budget.agree_allocation(lines=tuple(_allocation_terms(row)), **said)
    budget.assess_contribution(
        weekly_pence=row.contribution_weekly_pence,
        basis=row.contribution_basis,
        **_on(max(row.contribution_from, row.starts_on), said),
    )
    payee = _payee(ledger, row)
    budget.propose_payee(
        payee_reference=payee.payee_reference,
        payee_type=row.payee_type,
        fingerprint=ledger.keyring.fingerprint(row.sort_code, row.account_number),
        **checked(payee.sort_code, payee.account_number, table),
        **said,
    )


def _on(day: date, said: Said) -> Said:
    """The same, taking effect on another day."""
    return {**said, "effective_on": day}


def _allocation_terms(row: CaseloadBudget) -> Iterator[AllocationTerm]:
    for line in row.lines:
        yield AllocationTerm(
            line_reference=line.line_reference,
            need=line.need,
            funding_stream=line.funding_stream,
            deployment=line.deployment,
            starts_on=line.starts_on,
            ends_on=line.ends_on,
            weekly_pence=line.weekly_pence or 0,
            one_off_pence=line.one_off_pence or 0,
            cost_centre=line.cost_centre or "",
        )


def _payee(ledger: Ledger, row: CaseloadBudget) -> Any:
    return ledger.people.new_payee(
        row.recipient_reference, row.account_name, row.sort_code, row.account_number
    )


def _people_rows(
    ledger: Ledger,
    caseload: Caseload,
    new: Sequence[CaseloadBudget],
    recorded_at: datetime,
    conflicts: list[str],
) -> list[Beside]:
    """Rows for people and payees that are new; people already here must be the same people."""
    people = {
        row.recipient_reference: PersonDetails(
            row.recipient_reference, row.recipient_name, row.date_of_birth
        )
        for row in caseload.budgets
    }
    here = ledger.people.persons(people)
    for reference in sorted(here):
        if here[reference] != people[reference]:
            conflicts.append(f"{reference}: the name or date of birth is not as in the file")
    wanted = {row.recipient_reference for row in new} - here.keys()
    people_rows = ledger.people.sealed_people((people[r] for r in sorted(wanted)), recorded_at)
    payees = {p.payee_reference: p for p in (_payee(ledger, row) for row in new)}
    payee_rows = ledger.people.sealed_payees(payees.values(), recorded_at, people_rows)
    return [
        Beside("people", people_rows),
        Beside("payee_details", payee_rows, ignore_existing=True),
    ]


class PayeeLeft(NamedTuple):
    """Details that were not verified with the others, and the refusal that they would meet."""

    budget_reference: str
    payee_reference: str
    code: str
    sentence: str


class PayeesVerified(NamedTuple):
    """How many payees were verified, and those left, in order of budget."""

    verified: int
    left: list[PayeeLeft]


def verify_payees(
    ledger: Ledger,
    *,
    references: Sequence[str] | None,
    said: Said,
    progress: Progress = lambda _done: None,
) -> PayeesVerified:
    """Verify every payee proposed on these budgets (None: on all open ones) by someone else.

    The second person's sign-off of an import, after checking it against the old system. One
    transaction; a payee the same person proposed refuses it whole. Details that a check speaks
    against are left, for nothing is overridden by the hundred.
    """
    for _ in range(ATTEMPTS):
        events: list[Recorded] = []
        left: list[PayeeLeft] = []
        missing = set(references or ())
        for budget in ledger.budgets(references):
            progress(1)
            missing.discard(budget.reference)
            if references is None and budget.closed is not None:
                continue  # nothing more is paid on it
            for payee_reference in list(budget.proposed_payees):
                try:
                    budget.verify_payee(payee_reference=payee_reference, **said)
                except (PayeeNotConfirmed, AccountFailsModulusCheck) as refusal:
                    why = (refusal.code, str(refusal))
                    left.append(PayeeLeft(budget.reference, payee_reference, *why))
            events.extend(budget.collect_events())
        if missing:
            raise BudgetNotFound(f"There is no personal budget {', '.join(sorted(missing))}.")
        try:
            ledger.append(events)
        except IntegrityError:
            continue
        return PayeesVerified(len(events), sorted(left))
    raise ConcurrentChange("Budgets are being changed by others; try again.")
