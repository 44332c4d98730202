"""Bacs Standard 18, for a single processing day and for several: the reader that proves it.

It has a layout of its own, by widths, and shares nothing with `ledger.bank.bacs`, so that each
proves the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import chain

import msgspec

from ledger.bank.records import Credit
from ledger.errors import BankFileUnreadable


class Contra(msgspec.Struct, frozen=True):
    """The balancing debit of a section: what leaves the originator's own account."""

    sort_code: str
    account_number: str
    amount_pence: int
    narrative: str
    name: str


class Section(msgspec.Struct, frozen=True):
    """The credits of one processing day, and the contra that balances them."""

    processing_on: date
    credits: tuple[Credit, ...]
    contra: Contra


class BacsFile(msgspec.Struct, frozen=True):
    """A proved submission: every record read, every total equal to what it adds up.

    `processing_on` is the only day of a file that is not `is_multi`, and the first of one that is.
    """

    service_user_number: str
    serial: str
    created_on: date
    processing_on: date
    is_multi: bool
    sections: tuple[Section, ...]
    credit_total_pence: int
    debit_total_pence: int
    credit_count: int
    debit_count: int

    @property
    def credits(self) -> tuple[Credit, ...]:
        return tuple(chain.from_iterable(section.credits for section in self.sections))

    @property
    def contras(self) -> tuple[Contra, ...]:
        return tuple(section.contra for section in self.sections)


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
    ("data record length", 5, "00100|00106"), _blank(35), ("buffer offset", 2, "00"), _blank(28),
)  # fmt: skip
_UHL1 = _Record(
    ("label", 4, "UHL1"), ("processing date", 6, _DAY), ("destination", 6, "9{6}"), _blank(4),
    ("currency", 2, "00"), ("country", 6, "0{6}"), ("work code", 9, "1 DAILY  |4 MULTI  "),
    ("file number", 3, "[0-9]{3}"), _blank(7), ("audit print", 7, "[A-Z0-9 ]{7}"), _blank(26),
)  # fmt: skip
_DATA = _Record(
    ("destination sort code", 6, _SIX), ("destination account number", 8, "[0-9]{8}"),
    ("account type", 1, "0"), ("transaction code", 2, "99|17"),
    ("originating account", 14, "[0-9]{14}"), _blank(4),
    ("amount", 11, "(?!0{11})[0-9]{11}"), ("user name", 18, _TEXT),
    ("reference", 18, _TEXT), ("account name", 18, _TEXT),
)  # fmt: skip
_DATED = _Record(*_DATA.fields, ("processing date", 6, _DAY))
_UTL1 = _Record(
    ("label", 4, "UTL1"), ("debit value", 13, "[0-9]{13}"), ("credit value", 13, "[0-9]{13}"),
    ("debit count", 7, "[0-9]{7}"), ("credit count", 7, "[0-9]{7}"), _blank(8),
    ("instruction count", 7, "0{7}| {7}"), _blank(21),
)  # fmt: skip


def read_bacs(data: bytes) -> BacsFile:
    """Read a credit submission of either kind and prove it, or refuse it whole.

    `BankFileUnreadable` names the line (from 1) and the field. Lines may end in CRLF or LF.
    """
    lines = _lines(data)
    volume, header = _VOL1.named(lines[0], 1), _HDR1.named(lines[1], 2)
    is_multi = _HDR2.named(lines[2], 3)["data record length"] == "00106"
    user = _UHL1.named(lines[3], 4)
    work_code = "4 MULTI  " if is_multi else "1 DAILY  "
    _require(user["work code"] == work_code, 4, "work code", "not that of HDR2's record length")
    sun, serial = volume["service user number"], volume["serial"]
    _require(header["service user number"] == sun, 2, "service user number", "not VOL1's")
    _require(header["serial"] == serial, 2, "serial", "not VOL1's")
    _require(header["set identification"].strip() in ("", sun), 2, "set identification", "not SUN")
    created_on = _day(header["creation date"], 2, "creation date")
    processing_on = _day(user["processing date"], 4, "processing date")
    sections = _sections(lines[4:-3], None if is_multi else user["processing date"])
    days = [section.processing_on for section in sections]
    first, last = min(days), max(days)
    _require(processing_on == first, 4, "processing date", "not the first of the records'")
    soon = created_on <= first and (last - created_on).days <= 31
    _require(soon, 4, "processing date", "not all within 31 days after creation")
    expires_on = _day(header["expiry date"], 2, "expiry date")
    _require(expires_on >= last, 2, "expiry date", "before a processing date")
    for end, start in ((-3, 1), (-2, 2)):
        same = lines[end] == f"EOF{lines[start][3:]}"
        _require(same, len(lines) + end + 1, "label", f"not a copy of line {start + 1}")
    totals = _UTL1.named(lines[-1], len(lines))
    proved = BacsFile(
        service_user_number=sun,
        serial=serial,
        created_on=created_on,
        processing_on=processing_on,
        is_multi=is_multi,
        sections=sections,
        credit_total_pence=sum(c.amount_pence for section in sections for c in section.credits),
        debit_total_pence=sum(section.contra.amount_pence for section in sections),
        credit_count=sum(len(section.credits) for section in sections),
        debit_count=len(sections),
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


def _sections(lines: Sequence[str], only_day: str | None) -> tuple[Section, ...]:
    """The sections; each is closed by a contra that equals the credits in it.

    `only_day` is the processing date of all of them, or None if every record has its own.
    """
    layout = _DATED if only_day is None else _DATA
    sections: list[Section] = []
    paid: list[Credit] = []
    accounts, days = set[str](), set[str]()
    number = 4
    for number, line in enumerate(lines, 5):
        sort_code, account, _, code, own, _, amount, user, reference, name, *dated = layout.read(
            line, number
        )
        pence, day = int(amount), only_day or dated[0]
        if code == "99":
            paid.append(Credit(sort_code, account, pence, reference.rstrip(), name.rstrip()))
            accounts.add(own)
            days.add(day)
            continue
        _require(sort_code + account == own, number, "originating account", "a contra is to self")
        _require(accounts == {own}, number, "originating account", "not its section's")
        _require(days == {day}, number, "processing date", "not its section's")
        _require(reference.startswith("CONTRA"), number, "reference", "not CONTRA")
        section_pence = sum(credit.amount_pence for credit in paid)
        _require(pence == section_pence, number, "amount", f"the credits make {section_pence}")
        contra = Contra(sort_code, account, pence, user.rstrip(), name.rstrip())
        processing_on = _day(day, number, "processing date")
        sections.append(Section(processing_on, tuple(paid), contra))
        paid, accounts, days = [], set(), set()
    _require(not paid, number, "transaction code", "credits without a contra")
    return tuple(sections)


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
