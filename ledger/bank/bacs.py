"""Bacs Standard 18, single processing day: a writer, and a separate reader that proves it.

Positions are from the published tables cited in docs (Pay.UK's PN5011 is for members: compare
the sponsor bank's copy before live use). The writer is a template a record; the reader has a
layout of its own, by widths, and shares nothing with the writer, so that each proves the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import islice

import msgspec

from ledger.bank.records import Credit, OriginatingAccount, require_credit, require_originator
from ledger.dates import WorkingDays
from ledger.errors import (
    BankFileTooLarge,
    BankFileUnreadable,
    EmptyBankFile,
    InvalidSubmissionSerial,
    PayDateNotWorkingDay,
    ProcessingDayTooFarAhead,
    ProcessingDayTooSoon,
    UnwritableName,
)

# --- writing ------------------------------------------------------------------------------

_LARGEST_CONTRA_PENCE = 99_999_999_999  # 11 digits, and the whole file has one contra
_MOST_CREDITS = 9_999_999  # 7 digits
_FURTHEST_AHEAD = timedelta(days=31)
_KEPT_FOR = timedelta(days=92)  # the scheme holds a serial about three months


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
    require_originator(originator)
    if not re.fullmatch(r"(?!0{6})[0-9]{6}", submission_serial):
        raise InvalidSubmissionSerial(field="submission_serial")
    processing_on = processing_day(pay_on, created_on=created_on, working_days=working_days)
    items = tuple(islice(credits, _MOST_CREDITS + 1))
    total_pence = _require_total(items)
    user_name = written_name(originator.name, "Originating account, name")
    own = f"{originator.sort_code}{originator.account_number}"
    before_amount, after_amount = f"099{own}    ", f"{user_name:<18}"
    lines = _header_labels(
        originator.service_user_number, submission_serial, created_on, processing_on
    )
    closing = [f"EOF{line[3:]}" for line in lines[1:3]]
    lines += [
        f"{credit.sort_code}{credit.account_number}{before_amount}{credit.amount_pence:011d}"
        f"{after_amount}{credit.reference:<18}{written_name(credit.payee_name, item):<18}"
        for item, credit in enumerate(items, 1)
    ]
    told = written_name(narrative or f"BACS {submission_serial}", "Contra, narrative")
    lines.append(f"{own}017{own}    {total_pence:011d}{told:<18}{'CONTRA':<18}{user_name:<18}")
    lines += closing
    lines.append(
        f"UTL1{total_pence:013d}{total_pence:013d}{1:07d}{len(items):07d}{'':8}0000000{'':21}"
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def processing_day(pay_on: date, *, created_on: date, working_days: WorkingDays) -> date:
    """The middle day of Bacs' three, one working day before the pay date.

    The day before it is the last for input. Refused when a file made on `created_on` could not
    make it, as bank software silently moves such a date and pays everyone late.
    """
    if not working_days.is_working_day(pay_on):
        raise PayDateNotWorkingDay(
            f"Bacs does not pay on {pay_on}, a weekend or an English bank holiday.",
            pay_on=pay_on.isoformat(),
        )
    processing_on = working_days.previous(pay_on)
    facts = {"created_on": created_on.isoformat(), "processing_on": processing_on.isoformat()}
    if processing_on - created_on > _FURTHEST_AHEAD:
        raise ProcessingDayTooFarAhead(
            f"{processing_on} is more than 31 days after {created_on}.", **facts
        )
    input_by = working_days.previous(processing_on)
    if created_on > input_by:
        raise ProcessingDayTooSoon(
            f"To pay on {pay_on} a file must be input by {input_by}; this one is of {created_on}.",
            input_by=input_by.isoformat(),
            **facts,
        )
    return processing_on


def _require_total(items: Sequence[Credit]) -> int:
    if not items:
        raise EmptyBankFile
    if len(items) > _MOST_CREDITS:
        raise BankFileTooLarge(f"A Bacs file holds at most {_MOST_CREDITS:,} payments.")
    for item, credit in enumerate(items, 1):
        require_credit(credit, item)
    total_pence = sum(credit.amount_pence for credit in items)
    if total_pence > _LARGEST_CONTRA_PENCE:
        raise BankFileTooLarge(
            f"The payments add up to {total_pence} pence, over the contra's 11 digits.",
            total_pence=total_pence,
        )
    return total_pence


def _header_labels(sun: str, serial: str, created_on: date, processing_on: date) -> list[str]:
    """VOL1, HDR1, HDR2 and UHL1, 80 characters each; the file number is 1."""
    created, expires = f"{created_on: %y%j}", f"{created_on + _KEPT_FOR: %y%j}"
    return [
        f"VOL1{serial}{'':31}{sun}{'':32}1",
        f"HDR1A{sun}S  1{sun}{serial}00010001{'':6}{created}{expires} 000000{'':20}",
        f"HDR2F0200000100{'':35}00{'':28}",
        f"UHL1{processing_on: %y%j}999999{'':4}000000001 DAILY  001{'':40}",
    ]


def written_name(text: str, where: int | str) -> str:
    """A name as it is written, at most 18 characters; `where` is an item number or a field."""
    folded = fold(text)
    if not folded.strip(".&/- "):
        field = f"Item {where}, payee_name" if isinstance(where, int) else where
        raise UnwritableName(f"{field}: {UnwritableName.rule}", field=field)
    return folded[:18].rstrip()


# --- the bank's alphabet ------------------------------------------------------------------

_PLAIN = re.compile(r"[A-Z0-9.&/-]+(?: [A-Z0-9.&/-]+)*")


class _Folding(dict[int, str | None]):
    """What becomes of a character: itself, other letters, nothing (None), or a blank."""

    def __missing__(self, codepoint: int) -> str | None:
        mark = unicodedata.category(chr(codepoint)) in ("Mn", "Me", "Cf")
        return None if mark else " "


_FOLDING = _Folding(
    {ord(kept): kept for kept in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.&/- "}
    # Apostrophes and quotation marks, straight, curly, modifier letters, primes, full width.
    | {ord(mark): None for mark in "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e"}
    | {ord(mark): None for mark in "\u02b9\u02bb\u02bc\u02bd\u02c8\u2032\u2033\uff07"}
    # Hyphens, dashes and the minus sign; the fraction slash.
    | {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"}
    | {ord("\u2044"): "/"}
    # Letters that are not a plain letter with an accent.
    | {ord(letter): "D" for letter in "ÐĐƉ"}
    | {ord(letter): plain for letter, plain in zip("ĦŁØŦŊƏ", "HLOTNE", strict=True)}
    | {ord("Æ"): "AE", ord("Œ"): "OE", ord("ẞ"): "SS", ord("Þ"): "TH"}
)
_ACUTE = "\u00b4"  # used as an apostrophe, but decomposes into a blank: dropped first


def fold(text: str) -> str:
    """Text in Bacs' alphabet, A-Z 0-9 . & / - and single spaces: "Siân Łuczak" is "SIAN LUCZAK".

    Upper case, accents off, apostrophes and quotes dropped; all else becomes a blank, as the
    scheme would make it. May be empty, when nothing of the text can be written.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.replace(_ACUTE, ""))
    return " ".join(text.upper().translate(_FOLDING).split())


# --- reading ------------------------------------------------------------------------------


class Contra(msgspec.Struct, frozen=True):
    """The balancing debit of a section: what leaves the originator's own account."""

    sort_code: str
    account_number: str
    amount_pence: int
    narrative: str
    name: str


class BacsFile(msgspec.Struct, frozen=True):
    """A proved submission: every record read, every total equal to what it adds up."""

    service_user_number: str
    serial: str
    created_on: date
    processing_on: date
    credits: tuple[Credit, ...]
    contras: tuple[Contra, ...]
    credit_total_pence: int
    debit_total_pence: int
    credit_count: int
    debit_count: int


_Fields = dict[str, str]
_DAY = " [0-9]{5}"
_TEXT = "(?! )[A-Z0-9.&/ -]{18}"
_SIX = "[0-9]{6}"


class _Record:
    """A record's fields in order, each a name, a width and the text allowed in it."""

    def __init__(self, *fields: tuple[str, int, str]) -> None:
        self.fields = fields
        self.length = sum(width for _, width, _ in fields)
        self.match = re.compile("".join(f"({allowed})" for _, _, allowed in fields)).fullmatch

    def read(self, line: str, number: int) -> tuple[str, ...]:
        """The text of each field, or a refusal that names the first one at fault."""
        if match := self.match(line):
            return match.groups()
        if len(line) != self.length:
            raise _unreadable(number, "record length", f"{len(line)} is not {self.length}")
        start, faults = 0, []
        for name, width, allowed in self.fields:
            if not re.fullmatch(allowed, line[start : start + width]):
                faults.append(name)
            start += width
        raise _unreadable(number, faults[0], "not what belongs there")

    def named(self, line: str, number: int) -> _Fields:
        """The same by name; blanks and constants share names and are not to be asked for."""
        return dict(zip((name for name, _, _ in self.fields), self.read(line, number), strict=True))


def _blank(width: int) -> tuple[str, int, str]:
    return ("blank", width, f" {{{width}}}")


_VOL1 = _Record(
    ("label", 4, "VOL1"), ("serial", 6, f"(?!000000){_SIX}"), _blank(31),
    ("service user number", 6, _SIX), _blank(32), ("label standard level", 1, "1"),
)  # fmt: skip
_HDR1 = _Record(
    ("label", 4, "HDR1"), ("file identifier", 1, "A"), ("service user number", 6, _SIX),
    ("file identifier", 1, "S"), _blank(2), ("file identifier", 1, "[ 1]"),
    ("set identification", 6, f"{_SIX}| {{6}}"), ("serial", 6, _SIX), ("file section", 4, "0001"),
    ("file sequence", 4, "0001"), _blank(6), ("creation date", 6, _DAY),
    ("expiry date", 6, _DAY), _blank(1), ("block count", 6, "0{6}"), _blank(20),
)  # fmt: skip
_HDR2 = _Record(
    ("label", 4, "HDR2"), ("record format", 1, "F"), ("block length", 5, "02000"),
    ("data record length", 5, "00100"), _blank(35), ("buffer offset", 2, "00"), _blank(28),
)  # fmt: skip
_UHL1 = _Record(
    ("label", 4, "UHL1"), ("processing date", 6, _DAY), ("destination", 6, "9{6}"), _blank(4),
    ("currency", 2, "00"), ("country", 6, "0{6}"), ("work code", 9, "1 DAILY  "),
    ("file number", 3, "[0-9]{3}"), _blank(7), ("audit print", 7, "[A-Z0-9 ]{7}"), _blank(26),
)  # fmt: skip
_DATA = _Record(
    ("destination sort code", 6, _SIX), ("destination account number", 8, "[0-9]{8}"),
    ("account type", 1, "0"), ("transaction code", 2, "99|17"),
    ("originating account", 14, "[0-9]{14}"), _blank(4),
    ("amount", 11, "(?!0{11})[0-9]{11}"), ("user name", 18, _TEXT),
    ("reference", 18, _TEXT), ("account name", 18, _TEXT),
)  # fmt: skip
_UTL1 = _Record(
    ("label", 4, "UTL1"), ("debit value", 13, "[0-9]{13}"), ("credit value", 13, "[0-9]{13}"),
    ("debit count", 7, "[0-9]{7}"), ("credit count", 7, "[0-9]{7}"), _blank(8),
    ("instruction count", 7, "0{7}| {7}"), _blank(21),
)  # fmt: skip


def read_bacs(data: bytes) -> BacsFile:
    """Read a single-day credit submission and prove it, or refuse it whole.

    `BankFileUnreadable` names the line (from 1) and the field. Lines may end in CRLF or LF.
    """
    lines = _lines(data)
    volume, header = _VOL1.named(lines[0], 1), _HDR1.named(lines[1], 2)
    _HDR2.read(lines[2], 3)
    user = _UHL1.named(lines[3], 4)
    sun, serial = volume["service user number"], volume["serial"]
    _require(header["service user number"] == sun, 2, "service user number", "not VOL1's")
    _require(header["serial"] == serial, 2, "serial", "not VOL1's")
    _require(header["set identification"].strip() in ("", sun), 2, "set identification", "not SUN")
    created_on = _day(header["creation date"], 2, "creation date")
    processing_on = _day(user["processing date"], 4, "processing date")
    ahead = (processing_on - created_on).days
    _require(0 <= ahead <= 31, 4, "processing date", "not within 31 days after creation")
    expires_on = _day(header["expiry date"], 2, "expiry date")
    _require(expires_on >= processing_on, 2, "expiry date", "before the processing date")
    paid, contras = _sections(lines[4:-3])
    for end, start in ((-3, 1), (-2, 2)):
        same = lines[end] == f"EOF{lines[start][3:]}"
        _require(same, len(lines) + end + 1, "label", f"not a copy of line {start + 1}")
    totals = _UTL1.named(lines[-1], len(lines))
    proved = BacsFile(
        service_user_number=sun,
        serial=serial,
        created_on=created_on,
        processing_on=processing_on,
        credits=tuple(paid),
        contras=tuple(contras),
        credit_total_pence=sum(credit.amount_pence for credit in paid),
        debit_total_pence=sum(contra.amount_pence for contra in contras),
        credit_count=len(paid),
        debit_count=len(contras),
    )
    for stated, added in (
        ("debit value", proved.debit_total_pence),
        ("credit value", proved.credit_total_pence),
        ("debit count", proved.debit_count),
        ("credit count", proved.credit_count),
    ):
        _require(int(totals[stated]) == added, len(lines), stated, f"the records make {added}")
    return proved


def _lines(data: bytes) -> list[str]:
    """The file's lines without their ends; at least the nine that the least file has."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as fault:
        number = data.count(b"\n", 0, fault.start) + 1
        raise _unreadable(number, "characters", "not in the Bacs alphabet") from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    order = ["VOL1", "HDR1", "HDR2", "UHL1"]
    for number, (line, label) in enumerate(zip(lines, order, strict=False), 1):
        _require(line.startswith(label), number, "label", f"not {label}")
    _require(lines[-1].startswith("UTL1"), len(lines), "label", "the last is not UTL1")
    _require(len(lines) >= 9, len(lines), "label", "too few records for a submission")
    for number, label in ((len(lines) - 2, "EOF1"), (len(lines) - 1, "EOF2")):
        _require(lines[number - 1].startswith(label), number, "label", f"not {label}")
    return lines


def _sections(lines: Sequence[str]) -> tuple[list[Credit], list[Contra]]:
    """Credits and contras: each contra closes a section and equals the credits in it."""
    paid: list[Credit] = []
    contras: list[Contra] = []
    section_pence, section_accounts = 0, Counter[str]()
    number = 4
    for number, line in enumerate(lines, 5):
        sort_code, account, _, code, own, _, amount, user, reference, name = _DATA.read(
            line, number
        )
        pence = int(amount)
        if code == "99":
            paid.append(Credit(sort_code, account, pence, reference.rstrip(), name.rstrip()))
            section_pence += pence
            section_accounts[own] += 1
            continue
        _require(sort_code + account == own, number, "originating account", "a contra is to self")
        _require(set(section_accounts) == {own}, number, "originating account", "not its section's")
        _require(reference.startswith("CONTRA"), number, "reference", "not CONTRA")
        _require(pence == section_pence, number, "amount", f"the credits make {section_pence}")
        contras.append(Contra(sort_code, account, pence, user.rstrip(), name.rstrip()))
        section_pence, section_accounts = 0, Counter()
    _require(not section_accounts, number, "transaction code", "credits without a contra")
    return paid, contras


def _day(text: str, number: int, field: str) -> date:
    """A label's date: a blank, two digits of the year 20YY, three of the day in it."""
    first, nth = date(2000 + int(text[1:3]), 1, 1), int(text[3:])
    day = first + timedelta(days=nth - 1)
    _require(nth > 0 and day.year == first.year, number, field, "no such day")
    return day


def _require(right: bool, number: int, field: str, fault: str) -> None:
    if not right:
        raise _unreadable(number, field, fault)


def _unreadable(number: int, field: str, fault: str) -> BankFileUnreadable:
    return BankFileUnreadable(f"Line {number}, {field}: {fault}.", line=number, field=field)
