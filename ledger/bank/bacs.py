"""Bacs Standard 18, for a single processing day and for several: the writer.

Positions are from the published tables cited in docs (Pay.UK's PN5011 is for members: compare
the sponsor bank's copy before live use). The writer is a template a record;
`ledger.bank.bacs_reader` has a layout of its own, by widths, and proves what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import NamedTuple

from ledger.bank.alphabet import written_name
from ledger.bank.rails import processing_day
from ledger.bank.records import Credit, OriginatingAccount, require_credit, require_originator
from ledger.dates import WorkingDays
from ledger.errors import BankFileTooLarge, EmptyBankFile, InvalidSubmissionSerial

_LARGEST_CONTRA_PENCE = 99_999_999_999  # 11 digits
_MOST_CREDITS = 9_999_999  # 7 digits
_KEPT_FOR = timedelta(days=92)  # the scheme holds a serial about three months


class _Submission(NamedTuple):
    """What the records of one file share."""

    originator: OriginatingAccount
    serial: str
    created_on: date
    narrative: str
    is_multi: bool


class _Section(NamedTuple):
    """The payments of one processing day, balanced by a contra of their own."""

    processing_on: date
    first_item: int
    items: Sequence[Credit]
    total_pence: int


def write_bacs(
    originator: OriginatingAccount,
    credits: Iterable[Credit],
    *,
    submission_serial: str,
    created_on: date,
    pay_on: date,
    working_days: WorkingDays,
    narrative: str = "",
) -> bytes:
    """Write one submission that puts money in payees' accounts on `pay_on`.

    All or nothing: the first fault refuses the file by its own name. Names are folded and cut
    at 18 characters; references are written as given or refused. `narrative` (by default the
    serial) is the contra's, for the council's own statement. The labels' expiry date is 92 days
    after creation, about as long as the scheme holds a serial against duplicates. A file made
    again takes a new serial: reserving it is the caller's business.
    """
    file = _Submission(originator, submission_serial, created_on, narrative, is_multi=False)
    return _written(file, {pay_on: credits}, working_days)


def write_bacs_multi(
    originator: OriginatingAccount,
    credits: Mapping[date, Iterable[Credit]],
    *,
    submission_serial: str,
    created_on: date,
    working_days: WorkingDays,
    narrative: str = "",
) -> bytes:
    """Write one submission of several processing days (MPD), its credits given by pay date.

    As `write_bacs`, but that every record carries its own processing day, and every day has a
    contra. Each day is proved as the single day is. Items are counted through the whole file.
    """
    file = _Submission(originator, submission_serial, created_on, narrative, is_multi=True)
    return _written(file, credits, working_days)


def _written(
    file: _Submission, credits: Mapping[date, Iterable[Credit]], working_days: WorkingDays
) -> bytes:
    require_originator(file.originator)
    if not re.fullmatch(r"(?!0{6})[0-9]{6}", file.serial):
        raise InvalidSubmissionSerial(field="submission_serial")
    by_day = {
        processing_day(
            "bacs", pay_on, created_on=file.created_on, working_days=working_days
        ): credits[pay_on]
        for pay_on in sorted(credits)
    }
    sections: list[_Section] = []
    count = 0
    for processing_on, some in by_day.items():
        items = tuple(islice(some, _MOST_CREDITS - count + 1))
        total_pence = _require_total(items, count + 1)
        sections.append(_Section(processing_on, count + 1, items, total_pence))
        count += len(items)
    if not sections:
        raise EmptyBankFile
    lines = _header_labels(file, sections[0].processing_on)
    closing = [f"EOF{line[3:]}" for line in lines[1:3]]
    lines += _records(file, sections)
    lines += closing
    total_pence = sum(section.total_pence for section in sections)
    lines.append(
        f"UTL1{total_pence:013d}{total_pence:013d}{len(sections):07d}{count:07d}"
        f"{'':8}0000000{'':21}"
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _require_total(items: Sequence[Credit], first_item: int) -> int:
    """What a section comes to; its first item has a number in the whole file."""
    if not items:
        raise EmptyBankFile
    if first_item + len(items) - 1 > _MOST_CREDITS:
        raise BankFileTooLarge(f"A Bacs file holds at most {_MOST_CREDITS:,} payments.")
    for item, credit in enumerate(items, first_item):
        require_credit(credit, item)
    total_pence = sum(credit.amount_pence for credit in items)
    if total_pence > _LARGEST_CONTRA_PENCE:
        raise BankFileTooLarge(
            f"The payments add up to {total_pence} pence, over the contra's 11 digits.",
            total_pence=total_pence,
        )
    return total_pence


def _header_labels(file: _Submission, processing_on: date) -> list[str]:
    """VOL1, HDR1, HDR2 and UHL1, 80 characters each; the file number is 1."""
    sun, serial = file.originator.service_user_number, file.serial
    created, expires = f"{file.created_on: %y%j}", f"{file.created_on + _KEPT_FOR: %y%j}"
    length, work_code = ("00106", "4 MULTI  ") if file.is_multi else ("00100", "1 DAILY  ")
    return [
        f"VOL1{serial}{'':31}{sun}{'':32}1",
        f"HDR1A{sun}S  1{sun}{serial}00010001{'':6}{created}{expires} 000000{'':20}",
        f"HDR2F02000{length}{'':35}00{'':28}",
        f"UHL1{processing_on: %y%j}999999{'':4}00000000{work_code}001{'':40}",
    ]


def _records(file: _Submission, sections: Iterable[_Section]) -> list[str]:
    """Every payment, and after those of a day the contra that balances them."""
    originator = file.originator
    name = f"{written_name(originator.name, 'Originating account, name'):<18}"
    told = f"{written_name(file.narrative or f'BACS {file.serial}', 'Contra, narrative'):<18}"
    own = f"{originator.sort_code}{originator.account_number}"
    lines: list[str] = []
    for section in sections:
        day = f"{section.processing_on: %y%j}" if file.is_multi else ""
        for item, credit in enumerate(section.items, section.first_item):
            payee = written_name(credit.payee_name, item)
            lines.append(
                f"{credit.sort_code}{credit.account_number}099{own}    {credit.amount_pence:011d}"
                f"{name}{credit.reference:<18}{payee:<18}{day}"
            )
        lines.append(f"{own}017{own}    {section.total_pence:011d}{told}{'CONTRA':<18}{name}{day}")
    return lines
