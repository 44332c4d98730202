"""What one credit to a provider is made up of, person by person, to hand on to the provider.

It names no person: the provider knows each by the reference of their personal budget.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from ledger.aggregates.cycle_events import CycleLine
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.dates import Period
from ledger.documents import page, safe_cell
from ledger.errors import ProviderNotInCycle
from ledger.money import plain_pounds
from ledger.projections.words import day, words
from ledger.statements.wording import days, new_days, pounds
from ledger.terms import Channel

if TYPE_CHECKING:
    from jinja2 import Template

AMOUNTS = ("support", "contribution", "put_right", "deducted", "sent_again", "amount")
HEADER = ("budget", "payment", "for", "days_from", "days_to", *AMOUNTS, "sent_again_for")


class BreakdownAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one person or of all: support, less contribution, with earlier days put right, less
    what was kept back for a clawback, or what came back and is sent again; together the amount."""

    support_pence: int
    contribution_pence: int
    put_right_pence: int
    deducted_pence: int
    sent_again_pence: int
    amount_pence: int


class BreakdownLine(BreakdownAmounts, frozen=True, kw_only=True):
    """One payment. `days` are those it is for; of one sent again, `reissue_of` names the first."""

    budget_reference: str
    payment_reference: str
    channel: Channel
    days: Period | None
    reissue_of: str


class Breakdown(msgspec.Struct, frozen=True):
    """A credit to a provider, by the reference that the bank shows, and what adds up to it."""

    cycle_reference: str
    status: str
    provider_reference: str
    bulk_reference: str
    period: Period
    pay_on: date
    totals: BreakdownAmounts
    lines: tuple[BreakdownLine, ...]


def breakdown_of(cycle: PaymentCycle, provider_reference: str) -> Breakdown:
    """What a cycle pays a provider, person by person. Raises `ProviderNotInCycle`."""
    assert cycle.prepared is not None, "a loaded cycle was prepared"
    paid = [line for line in cycle.lines if line.provider_reference == provider_reference]
    if not provider_reference or not paid:
        raise ProviderNotInCycle(
            f"{cycle.reference} pays nothing to a provider {provider_reference}."
        )
    lines = tuple(_line(line) for line in paid)
    return Breakdown(
        cycle_reference=cycle.reference,
        status=cycle.status or "",
        provider_reference=provider_reference,
        bulk_reference=paid[0].bulk_reference,
        period=cycle.prepared.period,
        pay_on=cycle.prepared.pay_on,
        totals=_total(lines),
        lines=lines,
    )


def _line(line: CycleLine) -> BreakdownLine:
    new = [owed for owed in line.lines if not owed.adjustment]
    return BreakdownLine(
        budget_reference=line.budget_reference,
        payment_reference=line.payment_reference,
        channel=line.channel,
        days=new_days(line.lines),
        support_pence=sum(owed.amount_pence for owed in new if owed.kind != "contribution"),
        contribution_pence=sum(owed.amount_pence for owed in new if owed.kind == "contribution"),
        put_right_pence=sum(owed.amount_pence for owed in line.lines if owed.adjustment),
        deducted_pence=-line.deducted_pence,
        sent_again_pence=line.amount_pence if line.reissue_of else 0,
        amount_pence=line.amount_pence,
        reissue_of=line.reissue_of,
    )


def _total(lines: Iterable[BreakdownAmounts]) -> BreakdownAmounts:
    lines = list(lines)
    names = BreakdownAmounts.__struct_fields__
    return BreakdownAmounts(**{name: sum(getattr(line, name) for line in lines) for name in names})


# --- CSV --------------------------------------------------------------------------------------


def breakdown_csv(breakdown: Breakdown) -> str:
    """The breakdown as CSV (RFC 4180): one header, and a row for each payment.

    The column `amount` adds up to the credit. Amounts are pounds and pence without a sign of
    currency. A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(HEADER)
    rows.writerows(map(_csv_row, breakdown.lines))
    return written.getvalue()


def _csv_row(line: BreakdownLine) -> list[object]:
    return [
        safe_cell(line.budget_reference),
        line.payment_reference,
        words(line.channel),
        line.days.starts_on if line.days else "",
        line.days.ends_on if line.days else "",
        *(plain_pounds(getattr(line, f"{name}_pence")) for name in AMOUNTS),
        line.reissue_of,
    ]


# --- HTML -------------------------------------------------------------------------------------


def breakdown_html(breakdown: Breakdown, council_name: str, provider_name: str) -> str:
    """The breakdown as a page: one file, no script, nothing fetched, for screen and paper."""
    shown = [name for name in AMOUNTS if any(_pence(line, name) for line in breakdown.lines)]
    return _template().render(
        breakdown=breakdown,
        council=council_name,
        provider=provider_name,
        columns=[(name, _COLUMNS[name]) for name in shown],
    )


def _pence(amounts: BreakdownAmounts, name: str) -> int:
    pence: int = getattr(amounts, f"{name}_pence")
    return pence


_COLUMNS = {
    "support": "Support",
    "contribution": "Less contribution",
    "put_right": "Earlier days put right",
    "deducted": "Kept back for clawback",
    "sent_again": "Came back, sent again",
    "amount": "Amount",
}


@cache
def _template() -> Template:
    return page("breakdown.html", pounds=pounds, day=day, days=days, words=words, pence=_pence)
