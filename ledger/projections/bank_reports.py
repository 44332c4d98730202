"""The registers of bank reports and of their items that wait for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec
from sqlalchemy import BigInteger, Column, Date, Engine, Index, Integer, Text, func, select

from ledger.aggregates import bank_report as report
from ledger.aggregates.event_sourced import TOPICS, Event
from ledger.projections.tables import Entry, Key, Row, read_table


class BankReports:
    """The register of reports that banks sent back."""

    table = read_table(
        "bank_report_register",
        Column("stream", Text, primary_key=True),
        Column("reference", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("reported_on", Date, nullable=False),
        Column("imported_at", Text, nullable=False),
        Column("imported_by", Text, nullable=False),
        Column("cycle_reference", Text, nullable=False),
        Column("item_count", Integer, nullable=False),
        Column("recorded_count", Integer, nullable=False),
        Column("unchanged_count", Integer, nullable=False),
        Column("queued_count", Integer, nullable=False),
        Column("waiting_count", Integer, nullable=False),
        Index("ix_bank_report_register_reference", "reference", unique=True),
    )
    _WAITING = 11

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type in (
            report.BankReportImported,
            report.ReportItemMatched,
            report.ReportItemDismissed,
        )

    def keys(self, entry: Entry) -> Iterator[Key]:
        yield (entry.stream,)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if not isinstance(event, report.BankReportImported):
            rows[entry.stream,][self._WAITING] -= 1
            return
        rows[entry.stream,] = [
            entry.stream,
            event.reference,
            event.kind,
            event.effective_on,
            entry.recorded_at,
            event.recorded_by,
            event.cycle_reference,
            event.item_count,
            event.recorded_count,
            event.unchanged_count,
            event.queued_count,
            event.queued_count,
        ]


class ReportQueue:
    """The items of bank reports that fit no payment, and what became of each."""

    table = read_table(
        "report_queue",
        Column("stream", Text, primary_key=True),
        Column("item", Text, primary_key=True),
        Column("report_reference", Text, nullable=False),
        Column("because", Text, nullable=False),
        Column("code", Text, nullable=False),
        Column("amount_pence", BigInteger, nullable=False),
        Column("payment_reference", Text, nullable=False),
        Column("queued_on", Date, nullable=False),
        Column("state", Text, nullable=False),
        Column("resolved_by", Text),
    )
    _STATE, _RESOLVED_BY = 8, 9

    def concerns(self, event_type: type[Event]) -> bool:
        return (
            TOPICS[event_type].startswith("bank-report.")
            and event_type is not report.BankReportImported
        )

    def keys(self, entry: Entry) -> Iterator[Key]:
        event = entry.event
        if isinstance(event, report.ReportItemsQueued):
            for queued in event.items:
                yield entry.stream, str(queued.item)
        elif isinstance(event, report.ReportItemMatched | report.ReportItemDismissed):
            yield entry.stream, str(event.item)

    def apply(self, entry: Entry, rows: dict[Key, Row]) -> None:
        event = entry.event
        if isinstance(event, report.ReportItemsQueued):
            for queued in event.items:
                key = (entry.stream, str(queued.item))
                rows[key] = [
                    *key,
                    event.reference,
                    queued.because,
                    queued.code,
                    queued.amount_pence,
                    queued.payment_reference,
                    event.effective_on,
                    "waiting",
                    None,
                ]
        elif isinstance(event, report.ReportItemMatched | report.ReportItemDismissed):
            row = rows[entry.stream, str(event.item)]
            row[self._STATE] = getattr(event, "reason_code", "matched")
            row[self._RESOLVED_BY] = event.recorded_by


class WaitingItem(msgspec.Struct, frozen=True):
    """An item that fits no payment and that nobody has resolved."""

    report_reference: str
    queued_on: date
    queued: report.QueuedItem


def waiting(engine: Engine) -> list[WaitingItem]:
    """Every item that waits for a person, the oldest first."""
    c = ReportQueue.table.c
    query = (
        select(
            c.report_reference,
            c.queued_on,
            c.item,
            c.because,
            c.code,
            c.amount_pence,
            c.payment_reference,
        )
        .where(c.state == "waiting")
        .order_by(c.queued_on, c.report_reference, func.length(c.item), c.item)
    )
    with engine.connect() as connection:
        return [
            WaitingItem(reference, on, report.QueuedItem(int(item), *rest))
            for reference, on, item, *rest in connection.execute(query)
        ]


def reports_waiting(engine: Engine) -> list[tuple[str, date, int]]:
    """The reports of which items wait, the oldest first: reference, day, how many items."""
    c = BankReports.table.c
    query = select(c.reference, c.reported_on, c.waiting_count).where(c.waiting_count > 0)
    with engine.connect() as connection:
        found = connection.execute(query.order_by(c.reported_on, c.reference))
        return [(reference, on, count) for reference, on, count in found]
