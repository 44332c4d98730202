"""Work queues: what waits for people, queue by queue, read from the tables that follow the log.

Here is what the scheduler's reminders say of every budget, without reading every budget: each
queue is one question to indexed tables. Bring the tables level before asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select

from ledger.aggregates.bank_report import QUEUED_BECAUSE
from ledger.application import Ledger
from ledger.bank_file import working_days
from ledger.calendar_cycles import under_way
from ledger.money import format_pounds
from ledger.projections.bank_reports import waiting
from ledger.projections.matters import MatterKind, Matters, matters_of
from ledger.projections.registers import Budgets, Cycles, Payments, suspensions_in
from ledger.projections.suspense import held_on
from ledger.projections.words import RETURN_REASONS, words
from ledger.reminders import KINDS, Notice, Reminder, of_cycle, review_due_on, reviews_due_by


class Waiting(NamedTuple):
    """Something that waits: on which budget, cycle or report, by or since which day, and what.

    `item` is its number in a report."""

    reference: str
    on: date
    detail: str = ""
    item: int | None = None


def cycles_to_decide(ledger: Ledger, _today: date) -> list[Waiting]:
    """Cycles that wait for approval, by the last day on which their file can be sent."""
    return [Waiting(c.reference, c.send_by) for c in under_way(ledger) if c.status == "prepared"]


def cycles_to_go_on(ledger: Ledger, today: date) -> list[Waiting]:
    """Cycles that were rejected, have no bank file yet, or were sent and nobody heard of since."""
    notice = Notice(0, 0, ledger.settings.remind_unsettled_days, 0)
    found = [one for c in under_way(ledger) for one in of_cycle(c, today, notice)]
    return [_reminded(one) for one in sorted(found) if one.kind != "cycle_to_decide"]


def _reminded(one: Reminder) -> Waiting:
    return Waiting(one.reference, one.due_on, KINDS[one.kind])


def cycle_exceptions(ledger: Ledger, _today: date) -> list[Waiting]:
    """Cycles that wait for approval and have exceptions."""
    c = Cycles.table.c
    query = (
        select(c.reference, c.pay_on, c.exception_count)
        .where(c.status == "prepared", c.exception_count > 0)
        .order_by(c.pay_on, c.reference)
    )
    return [Waiting(row[0], row[1], f"{row[2]} exceptions") for row in _rows(ledger, query)]


def report_items(ledger: Ledger, _today: date) -> list[Waiting]:
    """Items of banks' reports that fit no payment."""
    return [
        Waiting(
            one.report_reference,
            one.queued_on,
            (f"{format_pounds(one.queued.amount_pence)}: " if one.queued.amount_pence else "")
            + QUEUED_BECAUSE[one.queued.because],
            one.queued.item,
        )
        for one in waiting(ledger.engine)
    ]


def returned_payments(ledger: Ledger, today: date) -> list[Waiting]:
    """Payments that came back and are not settled, by the last day of acting in time."""
    return [
        Waiting(
            one.budget_reference,
            one.act_by,
            f"{format_pounds(one.amount_pence)} ({one.payment_reference}), {one.status}"
            + (f": {RETURN_REASONS[one.reason_code]}" if one.reason_code in RETURN_REASONS else ""),
        )
        for one in held_on(ledger.engine, today, working_days(ledger))
    ]


def returns_to_check(ledger: Ledger, _today: date) -> list[Waiting]:
    """Spend returns that were sent in and nobody has accepted or queried."""
    return _matters(ledger, "spend_return", "submitted")


def returns_overdue(ledger: Ledger, today: date) -> list[Waiting]:
    """Spend returns that were asked for, or queried, and have not come in time."""
    found = _matters(ledger, "spend_return", "requested", "queried")
    return [one for one in found if one.on < today]


def payees_to_verify(ledger: Ledger, _today: date) -> list[Waiting]:
    """Account details that someone put forward and nobody has verified."""
    found = matters_of(ledger.engine, "payee", "proposed")
    return [Waiting(m.budget_reference, m.on, f"Put forward by {m.recorded_by}") for m in found]


def resumptions_to_decide(ledger: Ledger, _today: date) -> list[Waiting]:
    """Proposals to resume payments, by the day from which they are to be paid again."""
    found = matters_of(ledger.engine, "resumption", "proposed")
    return [
        Waiting(
            m.budget_reference,
            m.on,
            f"Suspended for {words(m.item.partition(' ')[0])}; proposed by {m.recorded_by}",
        )
        for m in found
    ]


def estate_cases_to_decide(ledger: Ledger, _today: date) -> list[Waiting]:
    """Reported deaths of which nobody has decided whose it was."""
    return _matters(ledger, "estate_case", "open")


def _matters(ledger: Ledger, kind: MatterKind, *states: str) -> list[Waiting]:
    found = matters_of(ledger.engine, kind, *states)
    return [Waiting(m.budget_reference, m.on, m.item) for m in found]


def reviews_due(ledger: Ledger, today: date) -> list[Waiting]:
    """Direct payments to be reviewed within the days of notice that the settings give."""
    b, m = Budgets.table.c, Matters.table.c
    due, first_paid_on = _due_for_review(ledger, today)
    rows = _rows(ledger, due.with_only_columns(b.reference, first_paid_on, m.on_day))
    found = (Waiting(row[0], review_due_on(row[1], row[2])) for row in rows)
    return sorted(found, key=lambda one: one[1::-1])


def count_reviews_due(ledger: Ledger, today: date) -> int:
    """How many they are."""
    due, _ = _due_for_review(ledger, today)
    return int(_rows(ledger, due.with_only_columns(func.count()))[0][0])


def _due_for_review(ledger: Ledger, today: date) -> tuple[Select[Any], ColumnElement[date]]:
    """The budgets, with the day of their first payment that stands."""
    by = reviews_due_by(today + timedelta(days=ledger.settings.remind_reviews_days))
    p, b, reviewed_on = Payments.table.c, Budgets.table.c, Matters.table.c.on_day
    paid = (
        select(p.stream, func.min(p.pay_on).label("first_paid_on"))
        .where(p.status.in_(("scheduled", "confirmed", "reissued")))
        .group_by(p.stream)
        .subquery()
    )
    first_paid_on = paid.c.first_paid_on
    query = (
        select(b.reference)
        .join_from(paid, Budgets.table, paid.c.stream == b.stream)
        .outerjoin(
            Matters.table,
            (Matters.table.c.stream == b.stream) & (Matters.table.c.kind == "review"),
        )
        .where(
            or_(b.closed_on.is_(None), b.closed_on >= today),
            or_(
                (reviewed_on >= first_paid_on) & (reviewed_on <= by.reviewed_on),
                or_(reviewed_on.is_(None), reviewed_on < first_paid_on)
                & (first_paid_on <= by.first_paid_on),
            ),
        )
    )
    return query, first_paid_on


def suspensions_to_review(ledger: Ledger, today: date) -> list[Waiting]:
    """Suspensions whose day of review has come."""
    return sorted(_suspensions(ledger, today), key=lambda one: one[1::-1])


def _suspensions(ledger: Ledger, today: date) -> Iterator[Waiting]:
    b = Budgets.table.c
    query = select(b.reference, b.suspensions).where(
        b.suspensions != "[]", or_(b.closed_on.is_(None), b.closed_on >= today)
    )
    for reference, column in _rows(ledger, query):
        for term in suspensions_in(column, today):
            if not term.is_resumed and term.review_on is not None and term.review_on <= today:
                yield Waiting(reference, term.review_on, words(term.reason_code))


def _rows(ledger: Ledger, query: Any) -> list[Any]:
    with ledger.engine.connect() as connection:
        return list(connection.execute(query).all())
