"""Making a cycle's bank file: its serial, its credits, its bytes, and the row that keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

from sqlalchemy import func, select

from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payment_cycle import CycleLine, PaymentCycle
from ledger.application import Ledger
from ledger.bank.bacs import write_bacs
from ledger.bank.records import Credit, OriginatingAccount
from ledger.dates import WorkingDays, england, parse_date
from ledger.errors import PayeeUnknown
from ledger.keyring import place
from ledger.people import Row, bank_files


def working_days(ledger: Ledger) -> WorkingDays:
    """England's working days, with the bank holidays the council has added."""
    added = [day for day in ledger.settings.added_bank_holidays.split(",") if day.strip()]
    return england(added=[parse_date(day.strip(), "added_bank_holidays") for day in added])


def make_bank_file(ledger: Ledger, cycle: PaymentCycle, created_on: date, said: Said) -> Row:
    """Make the file and issue the cycle with it; returns the row that keeps its sealed bytes."""
    originator = _originator(ledger)
    cycle.require_issuable()
    assert cycle.prepared is not None, "an approved cycle was prepared"
    serial = _next_serial(ledger, originator.service_user_number)
    days = working_days(ledger)
    content = write_bacs(
        originator,
        _credits(ledger, cycle.lines),
        submission_serial=serial,
        created_on=created_on,
        pay_on=cycle.prepared.pay_on,
        working_days=days,
    )
    sha256 = hashlib.sha256(content).hexdigest()
    file_name = f"{cycle.reference}-{serial}.bacs"
    cycle.issue(
        file_name=file_name,
        file_format="bacs-standard-18",
        file_sha256=sha256,
        record_count=len(cycle.lines),
        total_pence=sum(line.amount_pence for line in cycle.lines),
        submission_serial=serial,
        processing_on=days.previous(cycle.prepared.pay_on),
        **said,
    )
    sealed_as = place("bank_files.sealed", cycle.reference)
    return {
        "service_user_number": originator.service_user_number,
        "submission_serial": serial,
        "cycle_reference": cycle.reference,
        "file_name": file_name,
        "format": "bacs-standard-18",
        "sha256": sha256,
        "sealed": ledger.keyring.seal(ledger.keyring.file_key, content, sealed_as),
    }


def _originator(ledger: Ledger) -> OriginatingAccount:
    settings = ledger.settings
    return OriginatingAccount(
        settings.bacs_service_user_number,
        settings.bacs_sort_code,
        settings.bacs_account_number,
        settings.bacs_account_name,
    )


def _credits(ledger: Ledger, lines: Sequence[CycleLine]) -> list[Credit]:
    payees = ledger.people.payees([line.payee_reference for line in lines])
    credits = []
    for line in lines:
        payee = payees.get(line.payee_reference)
        if payee is None:
            raise PayeeUnknown(f"The payee of {line.budget_reference} can no longer be read.")
        credits.append(
            Credit(
                sort_code=payee.sort_code,
                account_number=payee.account_number,
                amount_pence=line.amount_pence,
                reference=line.payment_reference,
                payee_name=payee.account_name,
            )
        )
    return credits


def _next_serial(ledger: Ledger, service_user_number: str) -> str:
    column = bank_files.c.submission_serial
    query = select(func.max(column)).where(bank_files.c.service_user_number == service_user_number)
    with ledger.engine.connect() as connection:
        last = connection.execute(query).scalar()
    return f"{int(last or 0) + 1:06d}"
