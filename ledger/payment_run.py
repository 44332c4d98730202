"""A payment cycle from preparation to settlement: the use cases that touch many budgets.

Each step is one transaction, or repeats without effect: killed anywhere and run again, it
loses nothing and pays nothing twice (tests/test_kill.py does so at every named step).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from pathlib import Path

from eventsourcing.persistence import IntegrityError

from ledger.aggregates.cycle_events import CycleLine
from ledger.aggregates.cycle_preparation import HoldRules, Preparation
from ledger.aggregates.event_sourced import Event, Recorded, Said, stream_id
from ledger.aggregates.light_cycles import CycleToIssue
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.payments import PaymentDue, payment_events
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import ATTEMPTS, Ledger
from ledger.bank.files import write_whole
from ledger.bank_file import FileKind, make_bank_file, require_issued_as, working_days
from ledger.dates import Period
from ledger.errors import (
    BudgetNotFound,
    ConcurrentChange,
    CycleOutOfDate,
    PayDateNotWorkingDay,
    PaymentDiffersFromEntitlement,
    PaymentNotFound,
    Refusal,
)
from ledger.file_looks import bank_file, file_look
from ledger.garbage import without_gc
from ledger.last_cycle import last_pay_day
from ledger.money import parse_pounds
from ledger.providers import accounts_on, require_same_accounts
from ledger.store import Beside

Progress = Callable[[int], None]
"""Told how many more budgets or payments are done."""

CycleRows = Callable[[PaymentCycle, Sequence[Recorded]], Sequence[Beside]]
"""Makes rows to save in a step's own transaction, from the cycle as the step leaves it."""

SETTLED_AT_A_TIME = 5_000


def no_progress(_done: int) -> None:
    """For callers that show nothing."""


@without_gc()
def prepare_cycle(
    ledger: Ledger,
    reference: str,
    *,
    period: Period,
    pay_on: date,
    said: Said,
    only: Collection[str] | None = None,
    reissue: Collection[str] = (),
    release: Collection[str] = (),
    own: Collection[str] = (),
    progress: Progress = no_progress,
    beside: CycleRows | None = None,
    expected_version: int | None = None,
) -> PaymentCycle:
    """Work out every budget's payment for a period and list what an approver should see.

    `only` names the budgets of an off-cycle run; `reissue` names returned payments to send
    again; `release` names budgets that the council's rules would hold back. Nobody names their
    `own`. Preparing again replaces what was listed before and voids what an approver saw; with
    `expected_version` 0, a cycle that anybody prepared before is `VersionConflict`.
    """
    if not working_days(ledger).is_working_day(pay_on):
        raise PayDateNotWorkingDay(f"{pay_on} is not a working day in England.")
    preparation = Preparation(
        cycle_reference=reference,
        period=period,
        pay_on=pay_on,
        variance_percent=ledger.settings.variance_percent,
        reissue=reissue,
        rules=hold_rules(ledger, period),
        release=release,
        accounts=accounts_on(ledger, pay_on),
    )
    for budget in ledger.budgets(only):
        preparation.consider(budget)
        progress(1)
    _require_all_found(preparation, (*(only or ()), *release), reissue)
    lines, exceptions = preparation.lines(), preparation.exceptions()
    return ledger.change(
        PaymentCycle,
        reference,
        lambda cycle: cycle.prepare(
            period=period,
            pay_on=pay_on,
            lines=lines,
            exceptions=exceptions,
            off_cycle=only is not None,
            own=own,
            **said,
        ),
        create=True,
        expected_version=expected_version,
        beside=beside,
    )


def hold_rules(ledger: Ledger, period: Period) -> HoldRules:
    """What the council's settings hold back in a cycle for a period."""
    settings = ledger.settings
    changed = settings.hold_changed_payee == "one_cycle"
    return HoldRules(
        settings.hold_over_percent,
        parse_pounds(settings.hold_over, "hold_over"),
        last_pay_day(ledger, period.starts_on) if changed else None,
    )


def _require_all_found(made: Preparation, named: Collection[str], reissue: Collection[str]) -> None:
    if missing := sorted(set(named) - made.considered):
        raise BudgetNotFound(f"There is no personal budget {', '.join(missing)}.")
    if unknown := sorted(set(reissue) - made.reissues_found):
        raise PaymentNotFound(f"There is no returned payment {', '.join(unknown)}.")


# --- approval -----------------------------------------------------------------------------


def approve_cycle(
    ledger: Ledger,
    reference: str,
    *,
    total_pence: int,
    lines_sha256: str,
    said: Said,
    own: Collection[str] = (),
    progress: Progress = no_progress,
    beside: CycleRows | None = None,
) -> PaymentCycle:
    """Approve a cycle and promise its payments on every budget, in one transaction.

    Each line was decided by its budget at a version. Where the budget is still at that
    version the decision stands and its events are appended there; where it moved on, the
    budget decides again, and if it would now decide otherwise the whole approval is refused
    with `CycleOutOfDate`, as it is if a provider has another account by now. The primary key
    on (stream, version) guards every budget.
    """
    moved_on: set[str] = set()
    for _ in range(ATTEMPTS):
        cycle = ledger.cycle(reference)
        cycle.approve(total_pence=total_pence, lines_sha256=lines_sha256, own=own, **said)
        decided = cycle.collect_events()
        rows = beside(cycle, decided) if beside else ()
        if not decided:  # approved before
            ledger.append([], rows)
            return cycle
        require_same_accounts(ledger, cycle, "prepare it again")
        again = moved_on | {line.budget_reference for line in cycle.lines if line.reissue_of}
        budgets = {b.reference: b for b in ledger.budgets(sorted(again))} if again else {}
        try:
            ledger.append([*decided, *_promised(cycle, budgets, said, progress)], rows)
        except IntegrityError:
            moved_on = _moved_on(ledger, cycle)
            continue
        return cycle
    raise ConcurrentChange(f"Budgets in {reference} are being changed; try again.")


def _promised(
    cycle: PaymentCycle, again: dict[str, PersonalBudget], said: Said, progress: Progress
) -> Iterator[Recorded]:
    """The events that promise every payment; `again` are the budgets that must decide anew."""
    assert cycle.prepared is not None, "an approved cycle was prepared"
    paid: Said = {**said, "effective_on": cycle.prepared.pay_on}
    differing: list[str] = []
    reference, version = "", 0
    for line in cycle.lines:
        progress(1)
        budget = again.get(line.budget_reference)
        if budget is None:
            if line.budget_reference != reference:
                reference, version = line.budget_reference, line.budget_version
            # Another channel of the same budget, which decides by itself, comes straight after.
            for event in _decided_before(cycle, line, cycle.prepared.period, paid):
                version += 1
                yield Recorded(stream_id(PersonalBudget.STREAM, reference), version, event)
            continue
        try:
            _decide_again(cycle, budget, line, cycle.prepared.period, paid)
        except Refusal as refusal:
            differing.append(f"{line.budget_reference}: {refusal}")
        yield from budget.collect_events()
    if differing:
        raise CycleOutOfDate(
            f"{len(differing)} payment(s) changed since {cycle.reference} was prepared; "
            f"prepare it again. {'; '.join(differing[:5])}",
            budgets=differing,
        )


def _decided_before(
    cycle: PaymentCycle, line: CycleLine, period: Period, said: Said
) -> Iterator[Event]:
    """A line's events, as its budget decided them when the cycle was prepared."""
    owed = sum(owed.amount_pence for owed in line.lines)
    return payment_events(
        payment_reference=line.payment_reference,
        cycle_reference=cycle.reference,
        paid_to=line.paid_to,
        period=period,
        payment=PaymentDue(line.lines, line.deductions, owed, line.channel),
        said=said,
    )


def _decide_again(
    cycle: PaymentCycle, budget: PersonalBudget, line: CycleLine, period: Period, said: Said
) -> None:
    """Let the budget decide on what it is now; the payee must still be the one approved."""
    if line.reissue_of:
        budget.reissue_payment(
            payment_reference=line.payment_reference,
            reissue_of=line.reissue_of,
            cycle_reference=cycle.reference,
            paid_to=line.paid_to,
            seen_at=line.budget_version,
            **said,
        )
    else:
        if budget.payment_due(period, line.channel).deductions != line.deductions:
            raise PaymentDiffersFromEntitlement("other instalments of clawback are due now")
        budget.schedule_payment(
            payment_reference=line.payment_reference,
            cycle_reference=cycle.reference,
            period=period,
            lines=line.lines,
            amount_pence=line.amount_pence,
            channel=line.channel,
            paid_to=line.paid_to,
            seen_at=line.budget_version,
            **said,
        )


def _moved_on(ledger: Ledger, cycle: PaymentCycle) -> set[str]:
    """The budgets of a cycle that are no longer at the version they decided at."""
    now = ledger.recorder.versions(PersonalBudget.STREAM)
    return {
        line.budget_reference
        for line in cycle.lines
        if now.get(stream_id(PersonalBudget.STREAM, line.budget_reference).hex)
        != line.budget_version
    }


def cancel_cycle(
    ledger: Ledger, reference: str, *, said: Said, beside: CycleRows | None = None
) -> PaymentCycle:
    """Withdraw a cycle before any bank file, and every payment it promised, in one transaction.

    What those payments would have settled is owed again, and the next cycle pays it.
    """
    for _ in range(ATTEMPTS):
        cycle = ledger.cycle(reference)
        promised = cycle.status == "approved"
        cycle.cancel(**said)
        events = cycle.collect_events()
        rows = beside(cycle, events) if beside else ()
        paying = {line.budget_reference for line in cycle.lines} if promised and events else ()
        for budget in ledger.budgets(sorted(paying)):
            for payment_reference, payment in list(budget.payments.items()):
                if payment.cycle_reference == reference:
                    budget.cancel_payment(payment_reference=payment_reference, **said)
            events.extend(budget.collect_events())
        try:
            ledger.append(events, rows)
        except IntegrityError:
            continue
        return cycle
    raise ConcurrentChange(f"{reference} is being changed by others; try again.")


def issue_cycle(
    ledger: Ledger,
    reference: str,
    *,
    created_on: date,
    said: Said,
    folder: Path | None = None,
    kind: FileKind | None = None,
    beside: CycleRows | None = None,
) -> Path:
    """Make the bank file of an approved cycle, record it, and write it; returns its path.

    The file's bytes are stored sealed in the transaction that records its hash, and only then
    written out, so a file in the folder is always one the ledger knows. Asked again, the same
    bytes are written again, and all that is kept is who had that done. `kind` is that of this one
    file, if it is not to be what the settings say.
    """
    for _ in range(ATTEMPTS):
        cycle = ledger.load(CycleToIssue, reference)
        if cycle.issued:
            look = file_look(cycle.issued, "issued_again", said["recorded_at"], said["recorded_by"])
        else:
            made = make_bank_file(ledger, cycle, created_on, said, kind)
            look = Beside("bank_files", [made])
        if kind is not None:
            require_issued_as(cycle, kind)
        events = cycle.collect_events()
        rows = [look, *(beside(cycle, events) if beside else ())]
        try:
            ledger.append(events, rows)
        except IntegrityError:  # another file took the serial, or someone issued this cycle
            continue
        issued = cycle.require_issued()
        path = (folder or ledger.settings.files_folder) / issued.file_name
        write_whole(path, bank_file(ledger, reference, issued.submission_serial))
        return path
    raise ConcurrentChange(f"{reference} is being issued by others; try again.")


# --- settlement ---------------------------------------------------------------------------


def settle_cycle(
    ledger: Ledger,
    reference: str,
    *,
    said: Said,
    progress: Progress = no_progress,
    beside: CycleRows | None = None,
) -> PaymentCycle:
    """Confirm every payment of an issued cycle that has not come back, then the cycle.

    In batches, each one transaction; run again after a failure it goes on where it stopped.
    """
    cycle = ledger.cycle(reference)
    cycle.settle(**said)  # refuses here, before any payment is confirmed
    references = list(dict.fromkeys(line.budget_reference for line in cycle.lines))
    for start in range(0, len(references) if cycle.collect_events() else 0, SETTLED_AT_A_TIME):
        some = references[start : start + SETTLED_AT_A_TIME]
        _confirm(ledger, reference, some, said)
        progress(len(some))
    return ledger.change(PaymentCycle, reference, lambda c: c.settle(**said), beside=beside)


def _confirm(ledger: Ledger, cycle_reference: str, references: Sequence[str], said: Said) -> None:
    for _ in range(ATTEMPTS):
        events: list[Recorded] = []
        for budget in ledger.budgets(references):
            for payment_reference, payment in budget.payments.items():
                if payment.cycle_reference == cycle_reference:
                    budget.confirm_payment(payment_reference=payment_reference, **said)
            events.extend(budget.collect_events())
        try:
            ledger.append(events)
        except IntegrityError:
            continue
        return
    raise ConcurrentChange(f"Budgets in {cycle_reference} are being changed; try again.")
