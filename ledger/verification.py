"""Proving the whole ledger from its log: that nothing is missing, unbalanced or altered.

One walk over every event, then every bank file against the event that recorded it, then every
read table against a replay. It stops at the first thing that is not as it should be.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from ledger.aggregates import cycle_events as cycle
from ledger.aggregates import mass_change, payments
from ledger.aggregates.accounting_periods import AccountingPeriodClosed, AccountingPeriods
from ledger.aggregates.allocations import AllocationRevised
from ledger.aggregates.care_decisions import BudgetOpened
from ledger.aggregates.contributions import (
    ContributionCredited,
    ContributionInvoiced,
    FinancesAssessed,
)
from ledger.aggregates.event_sourced import Event, stream_id
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.assessments import terms_of
from ledger.bank_file import days_asked, read_file
from ledger.errors import BankFileErased, Refusal, SealBroken
from ledger.file_looks import bank_file
from ledger.money import format_pounds
from ledger.projections.postings import postings
from ledger.sealed_assessments import every
from ledger.store import decode

BATCH = 10_000

Progress = Callable[[int], None]


class Verification(NamedTuple):
    """What was proved, and the first difference found, if any."""

    events: int
    streams: int
    cycles: int
    bank_files: int
    erased_files: int
    assessments: int
    erased_assessments: int
    difference: str | None

    def sentences(self) -> Iterator[str]:
        """The result as people read it."""
        if self.difference is not None:
            yield f"Not as it should be: {self.difference}"
            return
        yield f"{self.events:,} events in {self.streams:,} histories: all there, all readable."
        yield "Every posting balances; together they come to nought."
        yield f"{self.cycles:,} cycle(s): what was prepared, approved and promised agrees."
        erased = f"; {self.erased_files:,} erased" if self.erased_files else ""
        yield (
            f"{self.bank_files:,} bank file(s): the bytes are those recorded, payment by payment"
            f"{erased}."
        )
        if self.assessments:
            erased = f"; {self.erased_assessments:,} erased" if self.erased_assessments else ""
            yield (
                f"{self.assessments:,} financial assessment(s): the working is that recorded"
                f"{erased}."
            )
        yield "Every row of every read table is what a replay of the log gives."


class Wrong(Exception):
    """Something is not as it should be; the sentence says what and where."""


def verify_ledger(ledger: Ledger, progress: Progress = lambda _done: None) -> Verification:
    """Check everything that can be checked; the first difference is in the result.

    `progress` is told of every event twice: once for the walk, once for the replay.
    """
    walk = _Walk()
    difference, erased, erased_files = None, 0, 0
    try:
        _walk_log(ledger, walk, progress)
        for promised in walk.cycles.values():
            promised.require_whole()
        for issued in walk.issued:
            erased_files += not _require_file(ledger, issued)
        erased = _require_assessments(ledger, walk.assessed)
        found = ledger.projections.verify(progress)
        if found is not None:
            difference = f"Read table {found.table}: a row is {found.where}: {found.row}."
    except (Wrong, SealBroken) as wrong:
        difference = str(wrong)
    return Verification(
        walk.events,
        len(walk.versions),
        len(walk.cycles),
        len(walk.issued),
        erased_files,
        len(walk.assessed),
        erased,
        difference,
    )


def _walk_log(ledger: Ledger, walk: _Walk, progress: Progress) -> None:
    after = 0
    while rows := ledger.recorder.read_log(after, BATCH):
        for position, stream, version, topic, state in rows:
            try:
                event = decode(topic, state)
            except Exception as error:
                raise Wrong(f"Event {position} cannot be read: {error}") from error
            walk.take(position, stream, version, event)
        after = rows[-1][0]
        progress(len(rows))


class _Cycle:
    """One cycle while the log is walked: its latest preparation and what was promised for it."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self.listed: list[cycle.CycleLine] = []
        self.noted: list[cycle.CycleException] = []
        self.prepared: cycle.CyclePrepared | None = None
        self.approved = False
        self.promised_count = 0
        self.promised_pence = 0
        self.bulk: Counter[str] = Counter()  # what each provider's credit comes to
        self.promised_in_bulk: dict[str, tuple[str, int]] = {}  # by payment

    def prepare(self, event: cycle.CyclePrepared) -> None:
        lines, self.listed = self.listed, []
        noted, self.noted = self.noted, []
        if cycle.lines_hash(event.period, event.pay_on, lines, noted) != event.lines_sha256:
            raise Wrong(f"Cycle {self.reference}: the hash is not that of its lines.")
        if (len(lines), sum(line.amount_pence for line in lines)) != (
            event.line_count,
            event.total_pence,
        ):
            raise Wrong(f"Cycle {self.reference}: the totals are not those of its lines.")
        self.prepared = event
        self.bulk = Counter()
        for line in lines:
            if line.bulk_reference:
                self.bulk[line.bulk_reference] += line.amount_pence

    def approve(self, event: cycle.CycleApproved) -> None:
        prepared = self.prepared
        if prepared is None or (prepared.total_pence, prepared.lines_sha256) != (
            event.total_pence,
            event.lines_sha256,
        ):
            raise Wrong(f"Cycle {self.reference}: what was approved is not what was prepared.")
        if event.recorded_by == prepared.recorded_by:
            raise Wrong(f"Cycle {self.reference}: {event.recorded_by} prepared and approved it.")
        self.approved = True

    def promise(self, event: payments.PaymentScheduled | payments.PaymentReissued) -> None:
        self.promised_count += 1
        self.promised_pence += event.amount_pence
        if event.bulk_reference:
            promised = event.bulk_reference, event.amount_pence
            self.promised_in_bulk[event.payment_reference] = promised

    def cancel(self, event: payments.PaymentCancelled) -> None:
        self.promised_count -= 1
        self.promised_pence -= event.amount_pence
        self.promised_in_bulk.pop(event.payment_reference, None)

    def require_whole(self) -> None:
        """An approved cycle has every payment promised, and another has none.

        So it is with each credit to a provider, which is the sum of what each person is promised.
        """
        wanted = (0, 0)
        if self.approved and self.prepared is not None:
            wanted = (self.prepared.line_count, self.prepared.total_pence)
        if (self.promised_count, self.promised_pence) != wanted:
            raise Wrong(
                f"Cycle {self.reference}: {self.promised_count} payment(s) of "
                f"{format_pounds(self.promised_pence)} were promised, not {wanted[0]} of "
                f"{format_pounds(wanted[1])}."
            )
        bulk: Counter[str] = Counter()
        for reference, pence in self.promised_in_bulk.values():
            bulk[reference] += pence
        if bulk != (self.bulk if self.approved else Counter()):
            raise Wrong(
                f"Cycle {self.reference}: a provider's credit is not what each person is promised."
            )


class _MassChange:
    """One mass change while the log is walked: its latest preparation, and what came of it."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self.listed: list[mass_change.MassChangeLine] = []
        self.lines: list[mass_change.MassChangeLine] = []
        self.prepared: mass_change.MassChangePrepared | None = None

    def prepare(self, event: mass_change.MassChangePrepared) -> None:
        self.lines, self.listed = self.listed, []
        found = mass_change.lines_hash(event.parameters, self.lines, event.warnings)
        if found != event.lines_sha256:
            raise Wrong(f"Mass change {self.reference}: the hash is not that of its lines.")
        self.prepared = event

    def approve(self, event: mass_change.MassChangeApproved) -> None:
        prepared = self.prepared
        if prepared is None or prepared.lines_sha256 != event.lines_sha256:
            raise Wrong(f"Mass change {self.reference}: other lines were approved than prepared.")
        if event.recorded_by == prepared.recorded_by:
            raise Wrong(f"Mass change {self.reference}: {event.recorded_by} approved their own.")

    def finish(self, event: mass_change.MassChangeApplied, changed: dict[str, Event]) -> None:
        """Every budget that was not held or passed over has its change, and it is the approved."""
        skipped = {reference for reference, _ in event.skipped}
        for line in self.lines:
            if line.outcome == "held" or line.budget_reference in skipped:
                continue
            found = changed.get(line.budget_reference)
            if found is None or (isinstance(found, FinancesAssessed) and found.terms != line.terms):
                raise Wrong(
                    f"Mass change {self.reference}: {line.budget_reference} was not changed as "
                    "approved."
                )


_BY_A_MASS_CHANGE = {
    FinancesAssessed: "assessment_reference",
    AllocationRevised: "change_reference",
    ContributionInvoiced: "invoice_reference",
    ContributionCredited: "invoice_reference",
}
"""The events that a mass change makes, and the field that may name it."""

_OF_A_MASS_CHANGE = (
    mass_change.MassChangeListed,
    mass_change.MassChangePrepared,
    mass_change.MassChangeApproved,
    mass_change.MassChangeApplied,
)


class _Walk:
    """What is known after each event of the log."""

    def __init__(self) -> None:
        self.events = 0
        self.versions: defaultdict[str, int] = defaultdict(int)
        self.cycles: dict[str, _Cycle] = {}
        self.by_stream: dict[str, _Cycle] = {}
        self.issued: list[cycle.CycleIssued] = []
        self.budgets: dict[str, str] = {}
        self.assessed: dict[tuple[str, str], FinancesAssessed] = {}
        self.mass_changes: dict[str, _MassChange] = {}  # by stream
        self.changed: defaultdict[str, dict[str, Event]] = defaultdict(dict)

    def take(self, position: int, stream: str, version: int, event: Event) -> None:
        """One event in its place. Raises `Wrong`."""
        self.events += 1
        self.versions[stream] += 1
        if version != self.versions[stream]:
            raise Wrong(
                f"Event {position} is version {version} of its history, where version "
                f"{self.versions[stream]} belongs: something is missing before it."
            )
        if sum(posting.amount_pence for posting in postings(event)):
            raise Wrong(f"Event {position}: its postings do not balance.")
        if type(event) in _BY_A_MASS_CHANGE:
            reference = getattr(event, _BY_A_MASS_CHANGE[type(event)])
            if reference:
                self.changed[reference][self.budgets[stream]] = event
        if isinstance(event, BudgetOpened):
            _require_place(position, stream, PersonalBudget.STREAM, event.reference)
            self.budgets[stream] = event.reference
        elif isinstance(event, FinancesAssessed):
            self.assessed[self.budgets[stream], event.assessment_reference] = event
        elif isinstance(event, payments.PaymentScheduled | payments.PaymentReissued):
            self._cycle(event.cycle_reference).promise(event)
        elif isinstance(event, payments.PaymentCancelled):
            self._cycle(event.cycle_reference).cancel(event)
        elif isinstance(event, cycle.CycleLinesListed | cycle.CyclePrepared | cycle.CycleIssued):
            _require_place(position, stream, PaymentCycle.STREAM, event.reference)
            self._of_cycle(stream, event)
        elif isinstance(event, cycle.CycleApproved):
            if stream not in self.by_stream:
                raise Wrong(f"Event {position} approves a cycle that was not prepared.")
            self.by_stream[stream].approve(event)
        elif isinstance(event, _OF_A_MASS_CHANGE):
            self._of_mass_change(stream, event)
        elif isinstance(event, AccountingPeriodClosed):
            _require_place(position, stream, AccountingPeriods.STREAM, event.reference)
        elif isinstance(event, cycle.CycleCancelled) and stream in self.by_stream:
            self.by_stream[stream].approved = False

    def _of_mass_change(self, stream: str, event: Event) -> None:
        if isinstance(event, mass_change.MassChangeListed | mass_change.MassChangePrepared):
            known = self.mass_changes.setdefault(stream, _MassChange(event.reference))
            if isinstance(event, mass_change.MassChangeListed):
                known.listed.extend(event.lines)
            else:
                known.prepare(event)
        elif isinstance(event, mass_change.MassChangeApproved):
            self.mass_changes[stream].approve(event)
        elif isinstance(event, mass_change.MassChangeApplied):
            known = self.mass_changes[stream]
            known.finish(event, self.changed[known.reference])

    def _cycle(self, reference: str) -> _Cycle:
        return self.cycles.setdefault(reference, _Cycle(reference))

    def _of_cycle(
        self, stream: str, event: cycle.CycleLinesListed | cycle.CyclePrepared | cycle.CycleIssued
    ) -> None:
        found = self.by_stream[stream] = self._cycle(event.reference)
        if isinstance(event, cycle.CycleLinesListed):
            found.listed.extend(event.lines)
            found.noted.extend(event.exceptions)
        elif isinstance(event, cycle.CyclePrepared):
            found.prepare(event)
        else:
            self.issued.append(event)


def _require_place(position: int, stream: str, kind: str, reference: str) -> None:
    if stream_id(kind, reference).hex != stream:
        raise Wrong(f"Event {position} about {reference} is in another's history.")


def _require_file(ledger: Ledger, issued: cycle.CycleIssued) -> bool:
    """The stored file is the one recorded, for its day, and pays exactly the lines of its cycle.

    False if it is kept no more."""
    where = f"Bank file {issued.file_name}"
    try:
        content = bank_file(ledger, issued.reference, issued.submission_serial)
        if hashlib.sha256(content).hexdigest() != issued.file_sha256:
            raise Wrong(f"{where}: its bytes are not those recorded when it was issued.")
        order = read_file(issued.file_format, content)
    except BankFileErased:
        return False
    except (Refusal, AssertionError) as fault:
        raise Wrong(f"{where}: {fault}") from fault
    made = ledger.cycle(issued.reference)
    assert made.prepared is not None, "an issued cycle was prepared"
    if order.on not in days_asked(issued.file_format, issued.processing_on, made.prepared.pay_on):
        raise Wrong(f"{where}: it asks for {order.on}, not for {issued.processing_on}.")
    paid = [(credit.reference, credit.amount_pence) for credit in order.credits]
    wanted = cycle.credits_of(made.lines)
    if paid != [(credit.reference, credit.amount_pence) for credit in wanted]:
        raise Wrong(f"{where}: it does not pay exactly the lines of {issued.reference}.")
    return True


def _require_assessments(ledger: Ledger, assessed: dict[tuple[str, str], FinancesAssessed]) -> int:
    """What each assessment was worked out from is there and is what was recorded.

    Returns how many can no longer be read because their person was erased."""
    missing, erased = set(assessed), 0
    with closing(every(ledger.people)) as kept:
        for budget, reference, document in kept:
            where = f"Assessment {reference} of {budget}"
            event = assessed.get((budget, reference))
            if event is None:
                raise Wrong(f"{where}: no event recorded it.")
            missing.discard((budget, reference))
            if document is None:
                erased += 1
            elif document.sha256 != event.document_sha256:
                raise Wrong(f"{where}: what it was worked out from is not what was recorded.")
            elif terms_of(document) != event.terms:
                raise Wrong(f"{where}: what can be charged is not what was worked out.")
    if missing:
        budget, reference = min(missing)
        raise Wrong(f"Assessment {reference} of {budget}: what was told is missing.")
    return erased
