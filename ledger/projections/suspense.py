"""Money that came back, payment by payment and by age: what must clear to nil, and when.

Each payment stands for itself, so that no two of them ever hide each other; together they are
the balance of the account `returned_payments`, or the report says by how much they are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Literal, get_args

import msgspec
from sqlalchemy import Engine, func, or_, select

from ledger.aggregates.payments import ACT_WITHIN
from ledger.dates import WorkingDays
from ledger.projections.journal import Postings
from ledger.projections.registers import Budgets, Payments
from ledger.projections.words import RETURN_REASONS

Age = Literal["in_time", "to_4_weeks", "to_13_weeks", "older"]
AGES: dict[Age, str] = {
    "in_time": f"Up to {ACT_WITHIN} working days",
    "to_4_weeks": "After that, up to 4 weeks",
    "to_13_weeks": "Up to 13 weeks",
    "older": "Older",
}


class SuspenseItem(msgspec.Struct, frozen=True):
    """One payment that came back. `act_by` is the last day of acting on it in time."""

    budget_reference: str
    payment_reference: str
    cycle_reference: str
    amount_pence: int
    status: Literal["returned", "rejected"]
    reason_code: str
    held_from: date
    act_by: date
    days: int
    age: Age


class AgeTotal(msgspec.Struct, frozen=True):
    """All that is of one age."""

    age: Age
    payment_count: int
    amount_pence: int


class Suspense(msgspec.Struct, frozen=True):
    """What was held at the end of a day, the oldest first.

    `account_pence` is what the account holds on that day; `difference_pence` is nought."""

    on: date
    items: tuple[SuspenseItem, ...]
    ages: tuple[AgeTotal, ...]
    total_pence: int
    account_pence: int
    difference_pence: int


def suspense(engine: Engine, on: date, days: WorkingDays) -> Suspense:
    """What was held at the end of a day, as it is known now."""
    items = tuple(held_on(engine, on, days))
    total_pence = sum(item.amount_pence for item in items)
    account_pence = _account_pence(engine, on)
    return Suspense(
        on, items, tuple(_ages(items)), total_pence, account_pence, total_pence - account_pence
    )


def held_on(engine: Engine, on: date, days: WorkingDays) -> Iterator[SuspenseItem]:
    """Every payment that was held at the end of a day, the oldest first."""
    p, b = Payments.table.c, Budgets.table.c
    query = (
        select(
            b.reference,
            p.payment_reference,
            p.cycle_reference,
            p.amount_pence,
            p.reason_code,
            p.held_from,
        )
        .join_from(Payments.table, Budgets.table, p.stream == b.stream)
        .where(p.held_from <= on, or_(p.settled_on.is_(None), p.settled_on > on))
        .order_by(p.held_from, p.payment_reference)
    )
    with engine.connect() as connection:
        for budget, payment, cycle, pence, reason, held_from in connection.execute(query):
            act_by = days.after(held_from, ACT_WITHIN)
            yield SuspenseItem(
                budget_reference=budget,
                payment_reference=payment,
                cycle_reference=cycle,
                amount_pence=pence,
                status="returned" if reason in RETURN_REASONS else "rejected",
                reason_code=reason,
                held_from=held_from,
                act_by=act_by,
                days=(on - held_from).days,
                age=_age(held_from, act_by, on),
            )


def _age(held_from: date, act_by: date, on: date) -> Age:
    if on <= act_by:
        return "in_time"
    if on - held_from <= timedelta(weeks=4):
        return "to_4_weeks"
    return "to_13_weeks" if on - held_from <= timedelta(weeks=13) else "older"


def _ages(items: Iterable[SuspenseItem]) -> Iterator[AgeTotal]:
    amounts: dict[Age, list[int]] = {age: [] for age in get_args(Age)}
    for item in items:
        amounts[item.age].append(item.amount_pence)
    for age, pence in amounts.items():
        yield AgeTotal(age, len(pence), sum(pence))


def _account_pence(engine: Engine, on: date) -> int:
    """What the account holds; a credit, so that it is more than nothing here."""
    p = Postings.table.c
    query = select(func.sum(p.amount_pence)).where(
        p.account == "returned_payments", p.effective_on <= on
    )
    with engine.connect() as connection:
        return -int(connection.execute(query).scalar() or 0)
