"""The accounts: which periods are closed, and the trial balance by the day things count from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Date, Engine, Text, case, func, select

from ledger.aggregates.accounting_periods import ONE_DAY, AccountingPeriodClosed
from ledger.aggregates.event_sourced import Event
from ledger.projections.journal import Postings
from ledger.projections.registers import Budgets
from ledger.projections.tables import Entry, read_table


class ClosedPeriods:
    """Each close of the accounts: which event of the log it was, to which day, when, by whom."""

    table = read_table(
        "accounting_periods",
        Column("position", BigInteger, primary_key=True),
        Column("closed_to", Date, nullable=False),
        Column("recorded_at", Text, nullable=False),
        Column("recorded_by", Text, nullable=False),
    )

    def concerns(self, event_type: type[Event]) -> bool:
        return event_type is AccountingPeriodClosed

    def rows(self, entry: Entry) -> Iterator[tuple[Any, ...]]:
        """One row."""
        event: Any = entry.event
        yield entry.position, event.closed_to, entry.recorded_at, event.recorded_by


def open_from(connection: Connection) -> date:
    """The first day whose accounts are open, as the read tables stand; `date.min`: every day."""
    closed_to = connection.execute(select(func.max(ClosedPeriods.table.c.closed_to))).scalar()
    return date.min if closed_to is None else closed_to + ONE_DAY


def accounting_periods(engine: Engine) -> list[dict[str, Any]]:
    """Every closed period in order: its days, and when, by whom and at which event it was closed.

    `starts_on` is None for the first: it holds everything before.
    """
    table = ClosedPeriods.table
    with engine.connect() as connection:
        rows = connection.execute(select(table).order_by(table.c.position)).all()
    starts = [None, *(row.closed_to + ONE_DAY for row in rows)]
    return [
        {
            "starts_on": starts_on,
            "ends_on": row.closed_to,
            "closed_at": row.recorded_at,
            "closed_by": row.recorded_by,
            "position": row.position,
        }
        for starts_on, row in zip(starts, rows, strict=False)
    ]


def trial_balance(
    engine: Engine, starts_on: date, ends_on: date, *, by_funding: bool = False
) -> list[dict[str, Any]]:
    """Each account from a day to another, both inclusive, in pence.

    By the day its postings are accounted on. Balances are debits less credits; over all
    accounts they add up to nought, and debits are as much as credits. `posting_count` is how
    many postings fall on those days. With `by_funding` there is a row for each funding stream
    and cost centre.
    """
    table = Postings.table
    pence, accounted_on = table.c.amount_pence, table.c.accounted_on
    keys = [table.c.account, *([table.c.funding_stream, table.c.cost_centre] if by_funding else [])]
    within = accounted_on >= starts_on
    query = (
        select(
            *keys,
            func.sum(case((within, 0), else_=pence)).label("opening_pence"),
            func.sum(case((within & (pence > 0), pence), else_=0)).label("debit_pence"),
            func.sum(case((within & (pence < 0), -pence), else_=0)).label("credit_pence"),
            func.sum(pence).label("closing_pence"),
            func.sum(case((within, 1), else_=0)).label("posting_count"),
        )
        .where(accounted_on <= ends_on)
        .group_by(*keys)
        .order_by(*keys)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings()
        return [
            {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
            for row in rows
        ]


def prior_period_adjustments(
    engine: Engine, starts_on: date, ends_on: date, *, after: int = 0, limit: int | None = None
) -> list[dict[str, Any]]:
    """Postings accounted on these days that take effect before the first of them.

    They were recorded after the earlier days were closed. In the order of the log; `after`
    leaves out that many of the first.
    """
    table, budgets = Postings.table, Budgets.table
    query = (
        select(
            budgets.c.reference.label("budget_reference"),
            table.c.effective_on,
            table.c.accounted_on,
            table.c.account,
            table.c.funding_stream,
            table.c.cost_centre,
            table.c.amount_pence,
            table.c.recorded_at,
            table.c.position,
        )
        .outerjoin_from(table, budgets, table.c.stream == budgets.c.stream)
        .where(table.c.accounted_on.between(starts_on, ends_on))
        .where(table.c.effective_on < starts_on)
        .order_by(table.c.position, table.c.line)
        .limit(limit)
        .offset(after)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
