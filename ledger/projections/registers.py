"""Registers: where each budget, payment and cycle stands now, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

import msgspec
from sqlalchemy import BigInteger, Column, Date, Index, Integer, Text

from ledger.aggregates import (
    care_decisions,
    estates,
    mass_change,
    payees,
    service_funds,
    suspensions,
)
from ledger.aggregates import cycle_events as cycle
from ledger.aggregates import payments as budget
from ledger.aggregates.event_sourced import TOPICS, Event
from ledger.entitlement import EntitlementLine
from ledger.projections.tables import Entry, Key, Row, read_table
from ledger.projections.words import RETURN_REASONS
from ledger.terms import SuspensionTerm

_DAY = timedelta(days=1)


class Budgets:
    """The register of budgets. After a cancelled or refunded payment no last one is shown.

    What was paid last, and to when, is said of direct payments; of service funds, who holds them.
    `suspensions` is a JSON list of all there ever were, so that it is true on any day."""

    table = read_table(
        "budgets",
        Column("stream", Text, primary_key=True),
        Column("reference", Text, nullable=False),
        Column("recipient_reference", Text, nullable=False),
        Column("legal_basis", Text, nullable=False),
        Column("primary_support_reason", Text, nullable=False),
        Column("opened_on", Date, nullable=False),
        Column("closed_on", Date),
        Column("offer_outcome", Text),
        Column("agreement_version", Text),
        Column("payee_reference", Text),
        Column("suspensions", Text, nullable=False),
        Column("paid_to", Date),
        Column("last_payment_reference", Text),
        Column("last_payment_pence", BigInteger),
        Column("fund_provider_reference", Text),
        Column("version", Integer, nullable=False),
        Index("ix_budgets_reference", "reference", unique=True),
        Index("ix_budgets_recipient", "recipient_reference"),
    )
    _COLUMN: ClassVar = {column.name: place for place, column in enumerate(table.columns)}

    def concerns(self, event_type: type[Event]) -> bool:
        return TOPICS[event_type].startswith("personal-budget.")

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, care_decisions.BudgetOpened):
            rows[entry.stream,] = [
                entry.stream,
                event.reference,
                event.recipient_reference,
                event.legal_basis,
                event.primary_support_reason,
                event.effective_on,
                *[None] * 4,
                "[]",
                event.paid_elsewhere_to,
                None,
                None,
                None,
                entry.version,
            ]
            return
        row = rows[entry.stream,]
        row[-1] = entry.version
        changes = self._CHANGES.get(type(event))
        if changes is not None:
            for column, value in changes(event).items():
                row[self._COLUMN[column]] = value
        elif isinstance(event, suspensions.PaymentsSuspended | suspensions.PaymentsResumed):
            place = self._COLUMN["suspensions"]
            after = suspensions.suspensions_after(suspensions_in(row[place]), event)
            row[place] = msgspec.json.encode(after).decode()
        elif isinstance(event, budget.PaymentCancelled):
            self._reopen(event.payment_reference, event.lines, row)
        elif isinstance(event, budget.PaymentRefunded):
            self._reopen(event.promised_as, event.lines, row)

    _CHANGES: ClassVar[dict[type[Event], Callable[[Any], dict[str, Any]]]] = {
        care_decisions.DirectPaymentOffered: lambda e: (
            {} if e.outcome == "deferred" else {"offer_outcome": e.outcome}
        ),
        care_decisions.AgreementSigned: lambda e: {"agreement_version": e.template_version},
        care_decisions.BudgetClosed: lambda e: {"closed_on": e.effective_on},
        payees.PayeeVerified: lambda e: {"payee_reference": e.payee_reference},
        estates.EstateCaseDecided: lambda e: {"payee_reference": None} if e.payee_reference else {},
        service_funds.ServiceFundHeld: lambda e: {"fund_provider_reference": e.provider_reference},
        budget.PaymentScheduled: lambda e: (
            {
                "paid_to": e.period.ends_on,
                "last_payment_reference": e.payment_reference,
                "last_payment_pence": e.amount_pence,
            }
            if e.channel == "direct_payment"
            else {}
        ),
    }

    def _reopen(self, reference: str, lines: Sequence[EntitlementLine], row: Row) -> None:
        """The last payment is none, and paid to is the day before its own days, if it had any.

        Nothing changes for an earlier payment, or for money that was to be sent again.
        """
        column = self._COLUMN
        if row[column["last_payment_reference"]] != reference:
            return
        row[column["last_payment_reference"]] = row[column["last_payment_pence"]] = None
        own = [line.window.starts_on for line in lines if not line.adjustment]
        if own:
            first, opened_on = min(own), str(row[column["opened_on"]])  # SQLite's days are text
            row[column["paid_to"]] = first - _DAY if first.isoformat() > opened_on else None


def suspensions_in(column: str, on: date = date.min) -> list[SuspensionTerm]:
    """The suspensions in the column of that name that are not over before a day."""
    terms = msgspec.json.decode(column, type=list[SuspensionTerm])
    return [term for term in terms if term.ends_on >= on]


class Payments:
    """The register of payments due and made. Money that came back is held from `held_from`, by
    the code in `reason_code`, until it is settled: sent again or refunded on `settled_on`. All
    that a provider is paid with a cycle has one `bulk_reference`."""

    table = read_table(
        "payments",
        Column("payment_reference", Text, primary_key=True),
        Column("stream", Text, nullable=False),
        Column("cycle_reference", Text, nullable=False),
        Column("payee_reference", Text, nullable=False),
        Column("starts_on", Date, nullable=False),
        Column("ends_on", Date, nullable=False),
        Column("pay_on", Date, nullable=False),
        Column("amount_pence", BigInteger, nullable=False),
        Column("deducted_pence", BigInteger, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason_code", Text, nullable=False),
        Column("reissue_of", Text, nullable=False),
        Column("held_from", Date),
        Column("settled_on", Date),
        Column("channel", Text, nullable=False),
        Column("provider_reference", Text, nullable=False),
        Column("bulk_reference", Text, nullable=False),
        Index("ix_payments_stream", "stream"),
        Index("ix_payments_cycle", "cycle_reference"),
        Index("ix_payments_bulk", "bulk_reference"),
        Index("ix_payments_held", "held_from"),
    )
    _STATUS, _REASON, _HELD_FROM, _SETTLED_ON, _CHANNEL = 9, 10, 12, 13, 14

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in (
            budget.PaymentScheduled,
            budget.PaymentConfirmed,
            budget.PaymentReturned,
            budget.PaymentRejected,
            budget.PaymentRefunded,
            budget.PaymentReissued,
            budget.PaymentCancelled,
        )

    def keys(self, entry: Entry) -> Iterator[Key]:
        event: Any = entry.event
        yield (event.payment_reference,)
        if isinstance(event, budget.PaymentReissued) or (
            isinstance(event, budget.PaymentCancelled) and event.reissue_of
        ):
            yield (event.reissue_of,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, budget.PaymentScheduled):
            rows[event.payment_reference,] = [
                event.payment_reference,
                entry.stream,
                event.cycle_reference,
                event.payee_reference,
                event.period.starts_on,
                event.period.ends_on,
                event.effective_on,
                event.amount_pence,
                event.deducted_pence,
                "scheduled",
                "",
                "",
                None,
                None,
                event.channel,
                event.provider_reference,
                event.bulk_reference,
            ]
        elif isinstance(event, budget.PaymentConfirmed):
            rows[event.payment_reference,][self._STATUS] = "confirmed"
        elif isinstance(event, budget.PaymentReturned | budget.PaymentRejected):
            row = rows[event.payment_reference,]
            was_returned = isinstance(event, budget.PaymentReturned)
            row[self._STATUS] = "returned" if was_returned else "rejected"
            row[self._REASON], row[self._HELD_FROM] = event.reason_code, event.effective_on
        elif isinstance(event, budget.PaymentRefunded):
            row = rows[event.payment_reference,]
            row[self._STATUS], row[self._SETTLED_ON] = "refunded", event.effective_on
        elif isinstance(event, budget.PaymentCancelled):
            rows[event.payment_reference,][self._STATUS] = "cancelled"
            if event.reissue_of:
                came_back = rows[event.reissue_of,]
                was_returned = came_back[self._REASON] in RETURN_REASONS
                came_back[self._STATUS] = "returned" if was_returned else "rejected"
                came_back[self._SETTLED_ON] = None
        elif isinstance(event, budget.PaymentReissued):
            returned = rows[event.reissue_of,]
            returned[self._STATUS], returned[self._SETTLED_ON] = "reissued", event.effective_on
            rows[event.payment_reference,] = [
                event.payment_reference,
                entry.stream,
                event.cycle_reference,
                event.payee_reference,
                *returned[4:6],
                event.effective_on,
                event.amount_pence,
                0,
                "scheduled",
                "",
                event.reissue_of,
                None,
                None,
                returned[self._CHANNEL],
                event.provider_reference,
                event.bulk_reference,
            ]


class Cycles:
    """The register of payment cycles."""

    table = read_table(
        "cycles",
        Column("stream", Text, primary_key=True),
        Column("reference", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("starts_on", Date, nullable=False),
        Column("ends_on", Date, nullable=False),
        Column("pay_on", Date, nullable=False),
        Column("line_count", Integer, nullable=False),
        Column("exception_count", Integer, nullable=False),
        Column("total_pence", BigInteger, nullable=False),
        Column("lines_sha256", Text, nullable=False),
        Column("prepared_by", Text, nullable=False),
        Column("approved_by", Text),
        Column("file_name", Text),
        Column("file_sha256", Text),
        Column("processing_on", Date),
        Column("is_taken", Integer, nullable=False),
        Column("rejected_count", Integer, nullable=False),
        Column("rejected_pence", BigInteger, nullable=False),
        Index("ix_cycles_reference", "reference", unique=True),
    )
    _STATUS, _APPROVED_BY, _FILE, _TAKEN = 3, 12, slice(13, 16), 16
    _SIMPLE: ClassVar[dict[type[Event], str]] = {
        cycle.CycleRejected: "rejected",
        cycle.CycleCancelled: "cancelled",
        cycle.CycleSettled: "settled",
    }

    def concerns(self, event_type: type[Event]) -> bool:
        return TOPICS[event_type].startswith("payment-cycle.")

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, cycle.CyclePrepared):
            rows[entry.stream,] = [
                entry.stream,
                event.reference,
                "off_cycle" if event.off_cycle else "regular",
                "prepared",
                event.period.starts_on,
                event.period.ends_on,
                event.pay_on,
                event.line_count,
                event.exception_count,
                event.total_pence,
                event.lines_sha256,
                event.recorded_by,
                *[None] * 4,
                *[0] * 3,
            ]
        elif isinstance(event, cycle.CycleApproved):
            row = rows[entry.stream,]
            row[self._STATUS], row[self._APPROVED_BY] = "approved", event.recorded_by
        elif isinstance(event, cycle.CycleIssued):
            row = rows[entry.stream,]
            row[self._STATUS] = "issued"
            row[self._FILE] = [event.file_name, event.file_sha256, event.processing_on]
        elif isinstance(event, cycle.CycleFileRefused):
            row = rows[entry.stream,]
            row[self._STATUS], row[self._TAKEN] = "approved", 0
            row[self._FILE] = [None, None, None]
        elif isinstance(event, cycle.CycleAcknowledged):
            row = rows[entry.stream,]
            row[self._TAKEN] = int(row[self._TAKEN] or event.is_taken)
            row[self._TAKEN + 1] += event.rejected_count
            row[self._TAKEN + 2] += event.rejected_pence
        elif type(event) in self._SIMPLE:
            rows[entry.stream,][self._STATUS] = self._SIMPLE[type(event)]


class MassChanges:
    """The register of mass changes: many budgets changed at once."""

    table = read_table(
        "mass_changes",
        Column("stream", Text, primary_key=True),
        Column("reference", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("effective_on", Date, nullable=False),
        Column("line_count", Integer, nullable=False),
        Column("held_count", Integer, nullable=False),
        Column("was_pence", BigInteger, nullable=False),
        Column("now_pence", BigInteger, nullable=False),
        Column("put_right_pence", BigInteger, nullable=False),
        Column("lines_sha256", Text, nullable=False),
        Column("prepared_by", Text, nullable=False),
        Column("approved_by", Text),
        Column("applied_count", Integer),
        Column("skipped_count", Integer),
        Index("ix_mass_changes_reference", "reference", unique=True),
    )
    _STATUS, _APPROVED_BY = 3, 12

    def concerns(self, event_type: type[Event]) -> bool:
        return (
            TOPICS[event_type].startswith("mass-change.")
            and event_type is not mass_change.MassChangeListed
        )

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, mass_change.MassChangePrepared):
            rows[entry.stream,] = [
                entry.stream,
                event.reference,
                event.parameters.kind,
                "prepared",
                event.parameters.effective_on,
                event.totals.line_count,
                event.totals.held_count,
                event.totals.was_pence,
                event.totals.now_pence,
                event.totals.put_right_pence,
                event.lines_sha256,
                event.recorded_by,
                None,
                None,
                None,
            ]
            return
        row = rows[entry.stream,]
        if isinstance(event, mass_change.MassChangeApproved):
            row[self._STATUS], row[self._APPROVED_BY] = "approved", event.recorded_by
        elif isinstance(event, mass_change.MassChangeRejected):
            row[self._STATUS] = "rejected"
        elif isinstance(event, mass_change.MassChangeApplied):
            row[self._STATUS] = "applied"
            row[-2:] = [event.applied_count, len(event.skipped)]
