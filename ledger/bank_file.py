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
from ledger.bank.bacs import write_bacs, write_bacs_multi
from ledger.bank.bacs_reader import BacsFile, read_bacs
from ledger.bank.pain001 import Profile, rails_of, write_pain001
from ledger.bank.pain001_reader import read_pain001
from ledger.bank.rails import Rails, processing_day
from ledger.bank.records import Credit, OriginatingAccount
from ledger.config import FileFormat, ServiceLevel, Settings
from ledger.dates import WorkingDays, england, parse_date
from ledger.durable import bank_files
from ledger.errors import BankFileUnreadable, CycleAlreadyDecided, InvalidValue, PayeeUnknown
from ledger.keyring import place
from ledger.money import parse_pounds
from ledger.people import PayeeDetails, Row
from ledger.provider_details import ProviderAccount
from ledger.providers import require_same_accounts

_RECORDED_AS: dict[FileFormat, str] = {
    "bacs18": "bacs-standard-18",
    "bacs18-multi": "bacs-standard-18-multi",
    "pain.001.001.03": "pain.001.001.03",
    "pain.001.001.09": "pain.001.001.09",
}
"""What history calls each format, for ever."""


class FileKind(NamedTuple):
    """What the bank is sent: a format, and how its payments travel (NURG is Bacs)."""

    file_format: FileFormat
    service_level: ServiceLevel = "NURG"

    @property
    def rails(self) -> Rails:
        return rails_of(self.service_level)

    @property
    def recorded_as(self) -> str:
        return _RECORDED_AS[self.file_format]


def file_kind(
    settings: Settings,
    file_format: FileFormat | None = None,
    service_level: ServiceLevel | None = None,
) -> FileKind:
    """What is asked for one file, and the settings for what is not."""
    file_format = file_format or settings.bank_file_format
    if not file_format.startswith("bacs18"):
        return FileKind(file_format, service_level or settings.pain001_service_level)
    if service_level is not None:
        raise InvalidValue(
            f"{file_format} is Bacs; only pain.001 has a service level.", field="service_level"
        )
    return FileKind(file_format)


def asked_kind(
    settings: Settings, file_format: FileFormat | None, service_level: ServiceLevel | None
) -> FileKind | None:
    """The same, if anything is asked for this one file."""
    if file_format is None and service_level is None:
        return None
    return file_kind(settings, file_format, service_level)


def working_days(ledger: Ledger) -> WorkingDays:
    """England's working days, with the bank holidays the council has added."""
    added = [day for day in ledger.settings.added_bank_holidays.split(",") if day.strip()]
    return england(added=[parse_date(day.strip(), "added_bank_holidays") for day in added])


def make_bank_file(
    ledger: Ledger,
    cycle: PaymentCycle,
    created_on: date,
    said: Said,
    kind: FileKind | None = None,
) -> Row:
    """Make the file and issue the cycle with it; returns the row that keeps its sealed bytes.

    It is of the kind that the settings say, unless told, and proved by its reader first.
    """
    kind = kind or file_kind(ledger.settings)
    cycle.require_issuable()
    require_same_accounts(ledger, cycle, "cancel it and prepare another")
    assert cycle.prepared is not None, "an approved cycle was prepared"
    pay_on, days = cycle.prepared.pay_on, working_days(ledger)
    processing_on = processing_day(kind.rails, pay_on, created_on=created_on, working_days=days)
    service_user_number = ledger.settings.bacs_service_user_number
    serial = _next_serial(ledger, service_user_number)
    credits = _credits(ledger, cycle.lines)
    content = _written(
        ledger.settings,
        kind,
        credits,
        reference=cycle.reference,
        serial=serial,
        created_on=created_on,
        pay_on=pay_on,
        working_days=days,
    )
    payer = _originator(ledger.settings)
    asked = BankOrder(
        payer.service_user_number,
        payer.sort_code,
        payer.account_number,
        _day_of_order(ledger.settings, kind, processing_on, pay_on),
        tuple(credits),
    )
    require_asks(read_file(kind.recorded_as, content), asked)
    sha256 = hashlib.sha256(content).hexdigest()
    ending = "bacs" if kind.file_format.startswith("bacs18") else "xml"
    file_name = f"{cycle.reference}-{serial}.{ending}"
    cycle.issue(
        file_name=file_name,
        file_format=kind.recorded_as,
        file_sha256=sha256,
        record_count=len(credits),
        total_pence=sum(credit.amount_pence for credit in credits),
        submission_serial=serial,
        processing_on=processing_on,
        **said,
    )
    sealed_as = place("bank_files.sealed", cycle.reference)
    return {
        "service_user_number": service_user_number,
        "submission_serial": serial,
        "cycle_reference": cycle.reference,
        "file_name": file_name,
        "format": kind.recorded_as,
        "sha256": sha256,
        "sealed": ledger.keyring.seal(ledger.keyring.file_key, content, sealed_as),
    }


def require_issued_as(cycle: PaymentCycle, kind: FileKind) -> None:
    """Refuse to pass one kind of file off as another that is asked for."""
    assert cycle.issued is not None, "its file was made"
    assert cycle.prepared is not None, "an issued cycle was prepared"
    on_pay_date = cycle.issued.processing_on == cycle.prepared.pay_on
    rails: Rails = "faster_payments" if on_pay_date else "bacs"
    if (cycle.issued.file_format, rails) != (kind.recorded_as, kind.rails):
        raise CycleAlreadyDecided(
            f"The file of {cycle.reference} was made as {cycle.issued.file_format}, for processing "
            f"on {cycle.issued.processing_on}; it is not made again as another."
        )


def _written(
    settings: Settings,
    kind: FileKind,
    credits: Sequence[Credit],
    *,
    reference: str,
    serial: str,
    created_on: date,
    pay_on: date,
    working_days: WorkingDays,
) -> bytes:
    originator = _originator(settings)
    if kind.file_format == "bacs18":
        return write_bacs(
            originator,
            credits,
            submission_serial=serial,
            created_on=created_on,
            pay_on=pay_on,
            working_days=working_days,
        )
    if kind.file_format == "bacs18-multi":
        return write_bacs_multi(
            originator,
            {pay_on: credits},
            submission_serial=serial,
            created_on=created_on,
            working_days=working_days,
        )
    return write_pain001(
        originator,
        credits,
        message_id=f"{reference}-{serial}",
        created_on=created_on,
        pay_on=pay_on,
        working_days=working_days,
        profile=Profile(
            version=kind.file_format,
            service_level=kind.service_level,
            charge_bearer=settings.pain001_charge_bearer,
            most_payments=settings.pain001_most_payments,
            most_item_pence=parse_pounds(settings.pain001_most_item, "pain001_most_item"),
            execution_day=settings.pain001_execution_day,
        ),
    )


class BankOrder(NamedTuple):
    """What a file asks the bank for: these credits, from this account, on this day."""

    service_user_number: str
    sort_code: str
    account_number: str
    on: date
    credits: tuple[Credit, ...]


def read_file(file_format: str, content: bytes) -> BankOrder:
    """What a file of any format made here asks for, proved by its reader.

    Raises `BankFileUnreadable`.
    """
    if file_format.startswith("bacs-"):
        file = read_bacs(content)
        found = _RECORDED_AS["bacs18-multi" if file.is_multi else "bacs18"]
        order = _bacs_order(file)
    else:
        message = read_pain001(content)
        found = message.version
        order = BankOrder(
            message.service_user_number,
            message.sort_code,
            message.account_number,
            message.execute_on,
            message.credits,
        )
    if found != file_format:
        raise BankFileUnreadable(f"The file is {found}, not {file_format}.")
    return order


def _bacs_order(file: BacsFile) -> BankOrder:
    if len(file.sections) != 1:
        raise BankFileUnreadable("The file is for several days, and a cycle is paid on one.")
    (section,) = file.sections
    return BankOrder(
        file.service_user_number,
        section.contra.sort_code,
        section.contra.account_number,
        section.processing_on,
        section.credits,
    )


def require_asks(made: BankOrder, asked: BankOrder) -> None:
    """Refuse a file that was made for something else than was asked. Names may be written shorter.

    Raises `BankFileUnreadable`.
    """
    if made[:-1] != asked[:-1]:
        raise BankFileUnreadable(
            "The file that was made is not from the account, or not for the day, that it should be."
        )
    if _paid(made.credits) != _paid(asked.credits):
        raise BankFileUnreadable("The file that was made does not pay what the cycle asked for.")


def days_asked(file_format: str, processing_on: date, pay_on: date) -> tuple[date, ...]:
    """The days that a file may ask for: banks take that of pain.001 for the one or the other."""
    return (processing_on,) if file_format.startswith("bacs-") else (processing_on, pay_on)


def _day_of_order(settings: Settings, kind: FileKind, processing_on: date, pay_on: date) -> date:
    by_pay_date = settings.pain001_execution_day == "pay_date"
    return pay_on if by_pay_date and not kind.file_format.startswith("bacs18") else processing_on


def _paid(credits: Sequence[Credit]) -> list[tuple[str, str, int, str]]:
    return [(c.sort_code, c.account_number, c.amount_pence, c.reference) for c in credits]


def media_type(file_format: str) -> str:
    """What a file of this format is to a web client."""
    return "application/octet-stream" if file_format.startswith("bacs-") else "application/xml"


def _originator(settings: Settings) -> OriginatingAccount:
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
