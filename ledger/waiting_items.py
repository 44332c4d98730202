"""One item of a bank's report that waits: what the bank said, and the payments it may be about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from ledger.aggregates.bank_report import BankReport, BankReportImported, QueuedItem
from ledger.application import Ledger
from ledger.bank.arucs import ReturnedCredit
from ledger.bank.awacs import WrongAccount
from ledger.bank.input_report import InputItem
from ledger.bank.pain002 import PaymentStatus
from ledger.bank.reports import read_report
from ledger.bank_reports import report_file, report_names
from ledger.errors import BankFileErased, BankFileUnreadable, ReportNamesUnreadable
from ledger.projections.registers import Budgets, Cycles, Payments

PAID_WITHIN = timedelta(days=92)
"""How long before a report a payment of its amount may have been paid, to be looked at."""

MOST_LISTED = 20


class Stated(NamedTuple):
    """What a report says of one item, but for accounts, which are not shown: the reference as the
    bank gives it, and its codes. `amount_pence` is None where it gives no amount."""

    reference: str
    amount_pence: int | None
    codes: tuple[str, ...]


class MayBe(NamedTuple):
    """A payment that an item may be about, or a credit to a provider: whose it is, and its amount.

    `fits`: it is of the item's amount, was sent and did not come back."""

    whose_reference: str
    payment_reference: str
    cycle_reference: str
    pay_on: date
    amount_pence: int
    status: str
    fits: bool


class ItemNow(NamedTuple):
    """An item that waits. `stated` is None where the report is kept no more, or is read no more.

    `payments` begin with those that the bank names; `are_all`: no others are of its amount."""

    report: BankReportImported
    queued: QueuedItem
    stated: Stated | None
    payments: tuple[MayBe, ...]
    are_all: bool


def read_item(ledger: Ledger, reference: str, item: int) -> ItemNow:
    """An item that waits, as it stands now.

    Payments of exactly its amount are looked for in the cycle that the report is about or, where
    it is about none, in those paid in the three months before it. Raises `ReportNotFound`,
    `ReportItemNotFound` and `ReportItemAlreadyResolved`.
    """
    report = ledger.load(BankReport, reference)
    queued = report.require_queued(item)
    assert report.imported is not None, "a loaded report was brought in"
    ledger.projections.catch_up()
    stated = _stated(ledger, reference, item)
    names = {queued.payment_reference, stated.reference if stated else ""} - {""}
    named = _found(ledger, _named(names), queued.amount_pence)
    alike: list[MayBe] = []
    if queued.amount_pence:
        may_be = _alike(report.imported, queued.amount_pence)
        alike = _found(ledger, may_be, queued.amount_pence, only_fitting=True)
    payments = tuple(dict.fromkeys([*named, *alike[:MOST_LISTED]]))
    return ItemNow(report.imported, queued, stated, payments, len(alike) <= MOST_LISTED)


# --- what the bank said -------------------------------------------------------------------


def _stated(ledger: Ledger, reference: str, number: int) -> Stated | None:
    try:
        data = report_file(ledger, reference)
        items = read_report(data, report_names(ledger.settings)).items
    except (BankFileErased, BankFileUnreadable, ReportNamesUnreadable):
        return None  # its time is over, or the council's names have changed since
    return next((_said(item) for item in items if item.item == number), None)


def _said(item: InputItem | ReturnedCredit | WrongAccount | PaymentStatus) -> Stated:
    if isinstance(item, WrongAccount):
        return Stated(item.reference, None, (item.reason_code,))
    if isinstance(item, ReturnedCredit):
        codes: tuple[str, ...] = (item.stated_code,)
    elif isinstance(item, InputItem):
        codes = item.error_types  # its sentence may hold an account number
    else:
        codes = (item.status, *item.reasons)
    return Stated(item.reference, item.amount_pence, tuple(code for code in codes if code))


# --- the payments it may be about ---------------------------------------------------------


def _payments() -> Select[Any]:
    """Every payment as the bank knows it: by itself, or by the credit to a provider it is in."""
    p, b, c = Payments.table.c, Budgets.table.c, Cycles.table.c
    is_single = p.bulk_reference == ""
    return (
        select(
            case((is_single, b.reference), else_=p.provider_reference).label("whose"),
            case((is_single, p.payment_reference), else_=p.bulk_reference).label("name"),
            p.cycle_reference,
            p.pay_on,
            p.amount_pence,
            p.status,
            c.status.label("cycle_status"),
        )
        .join_from(Payments.table, Budgets.table, p.stream == b.stream)
        .join(Cycles.table, c.reference == p.cycle_reference)
    )


def _named(names: set[str]) -> Select[Any]:
    """Those with one of these references; of a payment in a credit, the whole credit."""
    p = Payments.table.c
    credits_of_them = select(p.bulk_reference).where(
        p.payment_reference.in_(names), p.bulk_reference != ""
    )
    return _payments().where(
        or_(
            p.payment_reference.in_(names),
            p.bulk_reference.in_(names),
            p.bulk_reference.in_(credits_of_them),
        )
    )


def _alike(report: BankReportImported, amount_pence: int) -> Select[Any]:
    """Those of the amount, and those of any credit; of the cycle, or of the days, of a report."""
    p, c = Payments.table.c, Cycles.table.c
    alike = _payments().where(or_(p.bulk_reference != "", p.amount_pence == amount_pence))
    if report.cycle_reference:
        return alike.where(c.reference == report.cycle_reference)
    return alike.where(
        c.pay_on.between(report.effective_on - PAID_WITHIN, report.effective_on),
        p.pay_on <= report.effective_on,
    )


def _found(
    ledger: Ledger, payments: Select[Any], amount_pence: int, only_fitting: bool = False
) -> list[MayBe]:
    """Payments, those of one credit together, the latest first; fitting ones one over the most
    that are listed."""
    s = payments.subquery().c
    whole = func.sum(s.amount_pence)
    is_out = s.status.in_(("scheduled", "confirmed")) & s.cycle_status.in_(("issued", "settled"))
    fits: ColumnElement[bool] = func.min(case((is_out, 1), else_=0)) == 1
    if amount_pence:
        fits = and_(fits, whole == amount_pence)
    query = (
        select(s.whose, s.name, s.cycle_reference, s.pay_on, whole, func.max(s.status), fits)
        .group_by(s.whose, s.name, s.cycle_reference, s.pay_on)
        .order_by(s.pay_on.desc(), s.whose, s.name)
    )
    if only_fitting:
        query = query.having(fits).limit(MOST_LISTED + 1)
    with ledger.engine.connect() as connection:
        return [
            MayBe(whose, name, cycle, pay_on, int(pence), status, bool(is_fitting))
            for whose, name, cycle, pay_on, pence, status, is_fitting in connection.execute(query)
        ]
