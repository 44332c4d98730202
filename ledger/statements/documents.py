"""A statement to hand on: as CSV for a spreadsheet, as a page to read or print, and aloud."""

from __future__ import annotations

import csv
import io
from functools import cache
from typing import TYPE_CHECKING

from ledger.aggregates.clawbacks import Deduction
from ledger.documents import Council, page, safe_cell
from ledger.money import plain_pounds
from ledger.projections.words import day
from ledger.statements.statement import AdjustedDays, ComingPayment, Statement, StatementRow
from ledger.statements.wording import PARTS, days, kept_back, pounds

if TYPE_CHECKING:
    from jinja2 import Template

AMOUNTS = ("gross", "contribution", "net", "adjustments", "settled", "deducted", "invoiced",
           "asked_back", "received", "paid")  # fmt: skip
HEADER = ("budget", "date", "what", "reason", "reference", "days_from", "days_to", *AMOUNTS,
          "balance", "adjusted_days", "settled_days", "clawbacks", "events",
          "provider")  # fmt: skip


# --- in words ---------------------------------------------------------------------------------

_IN_A_FUND = " in the service fund"


def owed(pence: int, with_provider: bool = False) -> str:
    """A balance as a sentence, to the person alone or with a provider who holds money for them."""
    if not pence:
        return "Nothing is owed either way."
    holder = ", or the provider who holds money for you," if with_provider else ""
    if pence > 0:
        return f"The council owes you{holder} {pounds(pence)}."
    return f"You{holder} owe the council {pounds(-pence)}."


def put_right(part: AdjustedDays) -> str:
    """What one part of some days comes to: "6 April to 3 May 2026: contribution £40.00 more"."""
    bears = part.kind in ("contribution", "charge")  # the more of it, the less is owed
    more = "more" if (part.amount_pence > 0) != bears else "less"
    what = f"{PARTS[part.kind]}{_IN_A_FUND if part.channel == 'service_fund' else ''}"
    return f"{days(part.window)}: {what} {pounds(abs(part.amount_pence))} {more}"


def comes_next(coming: ComingPayment | None) -> str:
    """What is paid after the period, as a sentence or two."""
    if coming is None:
        return "No further payment is due."
    if coming.pay_on is not None:
        return (
            f"{pounds(coming.amount_pence)} for {days(coming.period)}, to be paid on "
            f"{day(coming.pay_on)} ({coming.payment_reference})."
        )
    if coming.held_back_by:
        return f"Nothing can be paid at present. {' '.join(coming.held_back_by)}"
    if coming.carried_pence:
        return (
            f"If nothing changes, nothing is paid for {days(coming.period)}: "
            f"{pounds(-coming.carried_pence)} is still to be taken off later payments."
        )
    if not coming.amount_pence:
        return f"If nothing changes, nothing is paid for {days(coming.period)}."
    return f"If nothing changes, {pounds(coming.amount_pence)} for {days(coming.period)}."


# --- CSV --------------------------------------------------------------------------------------


def statement_csv(statement: Statement) -> str:
    """The statement as CSV (RFC 4180): one header, the opening balance, the rows, the closing one.

    Amounts are pounds and pence without a sign of currency, "668.20". A text that a spreadsheet
    would take for a formula begins with an apostrophe.
    """
    period = statement.period
    written = io.StringIO()
    rows = csv.DictWriter(written, HEADER, restval="")
    rows.writeheader()
    known = {"budget": safe_cell(statement.reference)}
    opening = {"date": period.starts_on, "what": "Opening balance"}
    rows.writerow({**known, **opening, "balance": plain_pounds(statement.opening_pence)})
    rows.writerows({**known, **_csv_row(row)} for row in statement.rows)
    closing = {"date": period.ends_on, "what": "Closing balance"}
    rows.writerow({**known, **closing, "balance": plain_pounds(statement.closing_pence)})
    return written.getvalue()


def _csv_row(row: StatementRow) -> dict[str, object]:
    return {
        "date": row.on,
        "what": safe_cell(row.what),
        "reason": safe_cell(row.reason),
        "reference": safe_cell(row.reference),
        "provider": safe_cell(row.provider_reference),
        "days_from": row.days.starts_on if row.days else "",
        "days_to": row.days.ends_on if row.days else "",
        **{name: plain_pounds(getattr(row, f"{name}_pence")) for name in AMOUNTS},
        "balance": plain_pounds(row.balance_pence),
        "adjusted_days": "; ".join(map(_csv_part, row.adjusted)),
        "settled_days": "; ".join(map(_csv_part, row.settled)),
        "clawbacks": safe_cell("; ".join(map(_csv_deduction, row.deductions))),
        "events": " ".join(map(str, row.versions)),
    }


def _csv_part(part: AdjustedDays) -> str:
    window = part.window
    amount = plain_pounds(part.amount_pence)
    fund = _IN_A_FUND if part.channel == "service_fund" else ""
    return f"{window.starts_on} to {window.ends_on} {PARTS[part.kind]}{fund} {amount}"


def _csv_deduction(deduction: Deduction) -> str:
    amount, left = plain_pounds(deduction.amount_pence), plain_pounds(deduction.left_pence)
    return f"{deduction.clawback_reference} {amount}, {left} left"


# --- HTML -------------------------------------------------------------------------------------


def statement_html(statement: Statement, council: Council, name: str = "") -> str:
    """The statement as a page: one file, no script, nothing fetched, for screen and paper.

    The ledger knows no names: `name` is shown only if the caller gives one.
    """
    rows = statement.rows
    return _template().render(
        statement=statement,
        council=council,
        name=name,
        shows_adjustments=any(row.adjustments_pence for row in rows),
        shows_charges=any(row.charged_pence for row in rows),
        with_provider=statement.with_provider,
    )


@cache
def _template() -> Template:
    return page(
        "statement.html",
        pounds=pounds,
        day=day,
        days=days,
        owed=owed,
        put_right=put_right,
        kept_back=kept_back,
        comes_next=comes_next,
    )
