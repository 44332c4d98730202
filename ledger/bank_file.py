"""Making a cycle's bank file: its serial, its credits, its bytes, and the row that keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select

from ledger.aggregates.cycle_events import CycleLine, credits_of
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.bank.bacs import read_bacs, write_bacs
from ledger.bank.pain001 import Profile, Version, write_pain001
from ledger.bank.pain001_reader import read_pain001
from ledger.bank.records import Credit, OriginatingAccount
from ledger.config import Settings
from ledger.dates import WorkingDays, england, parse_date
from ledger.durable import bank_files
from ledger.errors import BankFileUnreadable, PayeeUnknown
from ledger.keyring import place
from ledger.money import parse_pounds
from ledger.people import PayeeDetails, Row
from ledger.provider_details import ProviderAccount
from ledger.providers import require_same_accounts

_BACS = "bacs-standard-18"


def working_days(ledger: Ledger) -> WorkingDays:
    """England's working days, with the bank holidays the council has added."""
    added = [day for day in ledger.settings.added_bank_holidays.split(",") if day.strip()]
    return england(added=[parse_date(day.strip(), "added_bank_holidays") for day in added])


def make_bank_file(ledger: Ledger, cycle: PaymentCycle, created_on: date, said: Said) -> Row:
    """Make the file and issue the cycle with it; returns the row that keeps its sealed bytes."""
    originator = _originator(ledger)
    cycle.require_issuable()
    require_same_accounts(ledger, cycle, "cancel it and prepare another")
    assert cycle.prepared is not None, "an approved cycle was prepared"
    serial = _next_serial(ledger, originator.service_user_number)
    days = working_days(ledger)
    made = _write(ledger, originator, cycle, serial, created_on, days)
    credits = credits_of(cycle.lines)
    sha256 = hashlib.sha256(made.content).hexdigest()
    file_name = f"{cycle.reference}-{serial}.{made.ending}"
    cycle.issue(
        file_name=file_name,
        file_format=made.file_format,
        file_sha256=sha256,
        record_count=len(credits),
        total_pence=sum(credit.amount_pence for credit in credits),
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
        "format": made.file_format,
        "sha256": sha256,
        "sealed": ledger.keyring.seal(ledger.keyring.file_key, made.content, sealed_as),
    }


class _Made(NamedTuple):
    file_format: str
    ending: str
    content: bytes


def _write(
    ledger: Ledger,
    originator: OriginatingAccount,
    cycle: PaymentCycle,
    serial: str,
    created_on: date,
    days: WorkingDays,
) -> _Made:
    """The file in the format the council's bank takes; ISO 20022 is proved before it is kept."""
    assert cycle.prepared is not None, "an approved cycle was prepared"
    credits = _credits(ledger, cycle.lines)
    pay_on = cycle.prepared.pay_on
    version = ledger.settings.bank_file_format
    if version == "bacs18":
        content = write_bacs(
            originator,
            credits,
            submission_serial=serial,
            created_on=created_on,
            pay_on=pay_on,
            working_days=days,
        )
        return _Made(_BACS, "bacs", content)
    content = write_pain001(
        originator,
        credits,
        message_id=f"{cycle.reference}-{serial}",
        created_on=created_on,
        pay_on=pay_on,
        working_days=days,
        profile=_profile(ledger.settings, version),
    )
    proved = read_pain001(content)
    if _paid(proved.credits) != _paid(credits):
        raise BankFileUnreadable("The file that was made does not pay what the cycle asked for.")
    return _Made(version, "xml", content)


def _paid(credits: Sequence[Credit]) -> list[tuple[str, str, int, str]]:
    return [(c.sort_code, c.account_number, c.amount_pence, c.reference) for c in credits]


def _profile(settings: Settings, version: Version) -> Profile:
    return Profile(
        version=version,
        charge_bearer=settings.pain001_charge_bearer,
        most_payments=settings.pain001_most_payments,
        most_item_pence=parse_pounds(settings.pain001_most_item, "pain001_most_item"),
        execution_day=settings.pain001_execution_day,
    )


def credits_in(file_format: str, content: bytes) -> tuple[Credit, ...]:
    """What a file of any format made here pays, proved by its reader; or `BankFileUnreadable`."""
    if file_format == _BACS:
        return read_bacs(content).credits
    message = read_pain001(content)
    if message.version != file_format:
        raise BankFileUnreadable(f"The file is {message.version}, not {file_format}.")
    return message.credits


def media_type(file_format: str) -> str:
    """What a file of this format is to a web client."""
    return "application/octet-stream" if file_format == _BACS else "application/xml"


def _originator(ledger: Ledger) -> OriginatingAccount:
    settings = ledger.settings
    return OriginatingAccount(
        settings.bacs_service_user_number,
        settings.bacs_sort_code,
        settings.bacs_account_number,
        settings.bacs_account_name,
    )


def _credits(ledger: Ledger, lines: Sequence[CycleLine]) -> list[Credit]:
    """The credits with their accounts; those to providers are for all their payments together."""
    payees: dict[str, PayeeDetails | ProviderAccount] = {
        **ledger.people.payees([line.payee_reference for line in lines if not line.bulk_reference]),
        **ledger.provider_details.accounts(
            line.payee_reference for line in lines if line.bulk_reference
        ),
    }
    credits = []
    for reference, payee_reference, amount_pence in credits_of(lines):
        payee = payees.get(payee_reference)
        if payee is None:
            raise PayeeUnknown(f"The payee of {reference} can no longer be read.")
        credits.append(
            Credit(
                sort_code=payee.sort_code,
                account_number=payee.account_number,
                amount_pence=amount_pence,
                reference=reference,
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
