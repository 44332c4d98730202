"""Checking payees again: one when asked, or all of them against the weight table in force now.

Asking a bank about a name waits for others, so it is done one payee at a time, each recorded by
itself: a run that was broken off goes on with those not yet answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payees import ModulusCheck, NameAnswer, Payee
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger, require_version
from ledger.assessment_batches import batches
from ledger.dates import day_in_england
from ledger.errors import ConcurrentChange, ConfirmationOfPayeeNotSet, PayeeNotProposed
from ledger.modulus_tables import TableInForce, checked
from ledger.payment_run import Progress, no_progress
from ledger.people import PayeeDetails
from ledger.store import Beside

AT_A_TIME = 1_000  # budgets whose accounts are read, or changed, together
SILENT = 3  # answers in a row that do not come, after which a run stops asking


def check_payee(
    ledger: Ledger,
    reference: str,
    payee_reference: str,
    *,
    said: Said,
    expected_version: int | None = None,
    also: Callable[[PersonalBudget, Sequence[Recorded]], Sequence[Beside]] | None = None,
) -> PersonalBudget:
    """Check details again: the number by the table in force now, and the name if one can ask.

    What the modulus check says is recorded if it is new; every answer about the name is. Raises
    `PayeeNotProposed`, or `PayeeUnknown` if the person was erased.
    """
    budget = ledger.budget(reference)
    require_version(reference, budget.version, expected_version)
    payee = budget.known_payee(payee_reference)
    details = ledger.people.payee(payee_reference)
    table = ledger.modulus_tables.in_force(day_in_england(said["recorded_at"]))
    found = checked(details.sort_code, details.account_number, table)
    reply = ledger.payee_names.ask(details, payee.payee_type)

    def decide(budget: PersonalBudget) -> None:
        budget.check_payee_number(payee_reference=payee_reference, **found, **said)
        ledger.payee_names.tell(budget, payee_reference, reply, said)

    kept = ledger.payee_names.kept(details, reply, said["recorded_at"])
    return ledger.change(
        PersonalBudget,
        reference,
        decide,
        expected_version=expected_version,
        beside=lambda b, events: [*kept, *(also(b, events) if also else ())],
    )


def _chosen(ledger: Ledger, references: Sequence[str] | None) -> Iterator[PersonalBudget]:
    """These budgets, each of which must be there, or all that are open."""
    for reference in references or ():
        ledger.budget(reference)
    return (b for b in ledger.budgets(references) if references or b.closed is None)


# --- every number -----------------------------------------------------------------------------


class NumberChanged(NamedTuple):
    """Details of which the modulus check says something else now than it said last."""

    budget_reference: str
    payee_reference: str
    verified: bool
    was: ModulusCheck | None
    was_table_version: str
    now: ModulusCheck


class NumbersChecked(NamedTuple):
    """What came of checking numbers: by which table (None: there is none), and how many."""

    table_version: str | None
    checked: int
    unreadable: int
    changed: list[NumberChanged]


def check_numbers(
    ledger: Ledger,
    on: date,
    *,
    references: Sequence[str] | None = None,
    said: Said | None = None,
    progress: Progress = no_progress,
) -> NumbersChecked:
    """Check the numbers of all payees (of these budgets; None: of all open ones) once more.

    By the table in force on a day. Lists those of which it says something else than before; with
    `said` that is recorded as well, many budgets in one transaction. The numbers of people who
    were erased cannot be read and are only counted.
    """
    table = ledger.modulus_tables.in_force(on)
    if table is None:
        return NumbersChecked(None, 0, 0, [])
    count, unreadable = 0, 0
    changed: list[NumberChanged] = []
    for budgets in batches(_chosen(ledger, references), AT_A_TIME):
        known = [payee.payee_reference for budget in budgets for payee in budget.own_payees]
        details = ledger.people.payees(known)
        count += len(known)
        unreadable += sum(reference not in details for reference in known)
        changed += (c for budget in budgets for c in _changed(budget, details, table))
        progress(len(budgets))
    if said is not None:
        changed = [
            change
            for some in batches(changed, AT_A_TIME)
            for change in _record(ledger, some, table, said)
        ]
    return NumbersChecked(table.version, count, unreadable, sorted(changed))


def _changed(
    budget: PersonalBudget, details: Mapping[str, PayeeDetails], table: TableInForce
) -> Iterator[NumberChanged]:
    for payee in budget.own_payees:
        account = details.get(payee.payee_reference)
        if account is None:
            continue
        now = checked(account.sort_code, account.account_number, table)["modulus_check"]
        if now != payee.modulus_check:
            yield NumberChanged(
                budget.reference,
                payee.payee_reference,
                payee.verified_on is not None,
                payee.modulus_check,
                payee.modulus_table_version,
                now,
            )


def _record(
    ledger: Ledger, found: Sequence[NumberChanged], table: TableInForce, said: Said
) -> list[NumberChanged]:
    """Record what changed on these budgets, as they are by now; returns what was recorded."""
    details = ledger.people.payees([change.payee_reference for change in found])
    references = {change.budget_reference for change in found}
    for _ in range(ATTEMPTS):
        events: list[Recorded] = []
        changed: list[NumberChanged] = []
        for budget in ledger.budgets(references):
            for change in list(_changed(budget, details, table)):
                budget.check_payee_number(
                    payee_reference=change.payee_reference,
                    modulus_check=change.now,
                    modulus_table_version=table.version,
                    **said,
                )
                changed.append(change)
            events += budget.collect_events()
        try:
            ledger.append(events)
        except IntegrityError:
            continue
        return changed
    raise ConcurrentChange("Budgets are being changed by others; try again.")


# --- every name -------------------------------------------------------------------------------


class NamesChecked(NamedTuple):
    """What came of asking about names: how often each answer, and whether the run gave up."""

    answers: dict[NameAnswer, int]
    stopped: bool

    @property
    def answered(self) -> int:
        """How many need not be asked about again."""
        return sum(self.answers.values()) - self.answers.get("unavailable", 0)


def names_to_check(
    ledger: Ledger, references: Sequence[str] | None = None
) -> list[tuple[str, Payee]]:
    """The payees (of these budgets; None: of all open ones) never asked about, by budget.

    Raises `ConfirmationOfPayeeNotSet` where there is nobody to ask.
    """
    if ledger.payee_names.service is None:
        raise ConfirmationOfPayeeNotSet()
    found = [
        (budget.reference, payee)
        for budget in _chosen(ledger, references)
        for payee in budget.own_payees
        if payee.name_check is None
    ]
    return sorted(found, key=lambda one: (one[0], one[1].payee_reference))


def check_names(
    ledger: Ledger,
    waiting: Sequence[tuple[str, Payee]],
    said: Said,
    progress: Progress = no_progress,
) -> NamesChecked:
    """Ask about the names of these payees, one after the other, and record each answer.

    A service that does not answer leaves a payee as it was, to be asked about again; after a
    few such in a row the run stops. Those of erased people cannot be asked about.
    """
    details = ledger.people.payees([payee.payee_reference for _, payee in waiting])
    answers: Counter[NameAnswer] = Counter()
    silent = 0
    for reference, payee in waiting:
        if payee.payee_reference in details:
            answer = _ask(ledger, reference, payee, details[payee.payee_reference], said)
            answers[answer] += 1
            silent = silent + 1 if answer == "unavailable" else 0
        progress(1)
        if silent == SILENT:
            break
    return NamesChecked(dict(sorted(answers.items())), silent == SILENT)


def _ask(
    ledger: Ledger, reference: str, payee: Payee, details: PayeeDetails, said: Said
) -> NameAnswer:
    names = ledger.payee_names
    reply = names.ask(details, payee.payee_type)
    assert reply is not None, "there is somebody to ask"
    if reply.answer != "unavailable":
        with suppress(PayeeNotProposed):  # withdrawn or replaced in the meantime
            ledger.change(
                PersonalBudget,
                reference,
                lambda b: names.tell(b, payee.payee_reference, reply, said),
                beside=lambda *_: names.kept(details, reply, said["recorded_at"]),
            )
    return reply.answer
