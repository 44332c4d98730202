"""The Bacs input report (REFT2013): what the scheme took in of a submission, and what it did not.

The layout is that of a real, signed report, but for the rejected items, which are known from a
public parser alone. Trust the account totals: the block headed "agreement of file totals" was
seen to contradict them, so it is not read.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal

import msgspec

from ledger.bank.report_fields import Attributes, the_only
from ledger.bank.xml_guard import parts, require
from ledger.private import Private

REPORT = "BACSDocument/Data/InputReport"

Outcome = Literal["not_paid", "amended", "not_known"]

_PRODUCED = "Header/ProducedOn"
_PROCESSING = "Header/ProcessingDate"
_SUBMISSION = "Submission/SubmissionInformation"
_USER_FILE = "Submission/UserFile"
_FILE = f"{_USER_FILE}/InputUserFile"
_INFORMATION = f"{_FILE}/UserFileInformation"
_DAY_SECTION = f"{_FILE}/DaySection"
_ACCOUNT = f"{_FILE}/InputReportSummary/AccountTotals/AccountTotal"
_ERROR = f"{_FILE}/Errors/Error"
_NOT_PAID = {"REJECTED", "RETURNED"}


class Records(msgspec.Struct, frozen=True):
    """How many records, and what they add up to."""

    number: int = 0
    pence: int = 0

    def __add__(self, other: Records) -> Records:
        return Records(self.number + other.number, self.pence + other.pence)


class Entry(msgspec.Struct, frozen=True):
    """Records of one kind: those taken in and those not."""

    accepted: Records
    rejected: Records


class AccountTotal(Private, frozen=True):
    """What one originating account of a file had taken in and rejected, contras apart."""

    sort_code: str
    account_number: str
    credits: Entry
    debits: Entry
    credit_contras: Entry
    debit_contras: Entry


class UserFile(Private, frozen=True):
    """One user's file of a submission; `messages` are what the scheme says of it as a whole."""

    service_user_number: str
    serial: str
    file_number: str
    processing_on: date
    messages: tuple[str, ...]
    accounts: tuple[AccountTotal, ...]

    @property
    def accepted(self) -> Records:
        """The credits taken in."""
        return sum((account.credits.accepted for account in self.accounts), Records())

    @property
    def rejected(self) -> Records:
        """The credits not taken in."""
        return sum((account.credits.rejected for account in self.accounts), Records())

    @property
    def refused_whole(self) -> bool:
        """Whether nothing of the file was taken in, neither credit nor debit."""
        debits = sum((account.debits.accepted for account in self.accounts), Records())
        return not self.accepted.number and not debits.number


class InputItem(Private, frozen=True):
    """A record that the scheme did not take in as it was sent.

    `error_types` are the scheme's words, such as REJECTED; `message` is its sentence, which may
    hold an account number.
    """

    item: int
    reference: str
    amount_pence: int
    service_user_number: str
    serial: str
    error_types: tuple[str, ...]
    message: str

    @property
    def outcome(self) -> Outcome:
        """Rejected and returned records are not paid; any word not known says nothing."""
        if not _NOT_PAID.isdisjoint(self.error_types):
            return "not_paid"
        return "amended" if set(self.error_types) == {"AMENDED"} else "not_known"


class InputReport(Private, frozen=True):
    """An input report: each user's file with its totals, and every record in error."""

    kind: ClassVar[Literal["input_report"]] = "input_report"

    reported_on: date
    processing_on: date
    files: tuple[UserFile, ...]
    items: tuple[InputItem, ...]

    @property
    def service_user_numbers(self) -> tuple[str, ...]:
        """Whose files these are; one, but for a bureau's submission."""
        return tuple(dict.fromkeys(file.service_user_number for file in self.files))

    @property
    def serials(self) -> tuple[str, ...]:
        """The serials of the submissions; one, mostly."""
        return tuple(dict.fromkeys(file.serial for file in self.files))

    @property
    def lists_every_rejection(self) -> bool:
        """Whether the records not paid are as many, and add up to as much, as the totals say."""
        listed = [item.amount_pence for item in self.items if item.outcome == "not_paid"]
        rejected = sum((file.rejected for file in self.files), Records())
        return Records(len(listed), sum(listed)) == rejected


class _OpenFile(msgspec.Struct):
    """A user's file while it is read."""

    serial: str
    messages: list[str]
    service_user_number: str = ""
    file_number: str = ""
    processing_on: date = date.min
    accounts: list[AccountTotal] = []


def read_input_report(data: bytes) -> InputReport:
    """Read an input report; each total of an account must be what accepted and rejected make.

    `BankFileUnreadable` names the part and the element or attribute. Only a file with a message
    that says why may come without account totals: it was refused as a whole.
    """
    days: dict[str, date] = {}
    serial = ""
    files: list[_OpenFile] = []
    items: list[InputItem] = []
    for path, namespace, element in parts(
        data,
        REPORT,
        whole=(_PRODUCED, _PROCESSING, _SUBMISSION, _INFORMATION, _ACCOUNT, _ERROR),
        opened=("Header", "Submission", _USER_FILE, _DAY_SECTION),
        nowhere_else=("AccountTotal", "Error", "ErrorItem"),
    ):
        require(not namespace, "File", "namespace", "a Bacs report has none")
        if path == "Header":
            Attributes(element, "Header").require("reportType", "REFT2013")
        elif path in (_PRODUCED, _PROCESSING):
            require(path not in days, "Header", element.tag, "more than one")
            days[path] = Attributes(element, "Header").day("date")
        elif path == "Submission":
            serial = ""
        elif path == _SUBMISSION:
            require(not serial, "Submission", element.tag, "more than one")
            serial = Attributes(element, "Submission").serial("volumeSerialNumber")
        elif path == _USER_FILE:
            files.append(_OpenFile(serial, _messages(element, "fileLevelMessage")))
        elif path == _INFORMATION:
            _identify(files[-1], element, f"File {len(files)}")
        elif path == _DAY_SECTION:
            files[-1].messages += _messages(element, "daySectionLevelErrorMessage")
        elif path == _ACCOUNT:
            files[-1].accounts.append(_account(element, len(files[-1].accounts) + 1))
        else:
            items += _items(element, len(items) + 1, files[-1])
    require(_PROCESSING in days, "Header", "ProcessingDate", "not there")
    require(bool(files), "Submission", "UserFile", "not there")
    return InputReport(
        reported_on=days.get(_PRODUCED, days[_PROCESSING]),
        processing_on=days[_PROCESSING],
        files=tuple(_closed(file, number) for number, file in enumerate(files, 1)),
        items=tuple(items),
    )


def _messages(element: Any, name: str) -> list[str]:
    """What the scheme says of a whole file or day: nothing, mostly."""
    message = element.get(name, "").strip()
    return [message] if message else []


def _identify(file: _OpenFile, element: Any, part: str) -> None:
    require(not file.service_user_number, part, "UserFileInformation", "more than one")
    stated = Attributes(element, part)
    stated.require("fileCurrency", "GBP")
    file.service_user_number = stated.service_user_number("userNumber")
    file.file_number = stated.text("userFileNumber")
    file.processing_on = stated.day("uhl1ProcessingDate")


def _closed(file: _OpenFile, number: int) -> UserFile:
    part = f"File {number}"
    require(bool(file.service_user_number), part, "UserFileInformation", "not there")
    require(bool(file.serial), part, "SubmissionInformation", "not there")
    require(bool(file.accounts or file.messages), part, "AccountTotal", "not there")
    return UserFile(
        service_user_number=file.service_user_number,
        serial=file.serial,
        file_number=file.file_number,
        processing_on=file.processing_on,
        messages=tuple(file.messages),
        accounts=tuple(file.accounts),
    )


def _account(element: Any, number: int) -> AccountTotal:
    part = f"Account {number}"
    stated = Attributes(element, part)
    return AccountTotal(
        sort_code=stated.sort_code("sortCode"),
        account_number=stated.account_number("number"),
        credits=_entry(element, "CreditEntry", part),
        debits=_entry(element, "DebitEntry", part),
        credit_contras=_entry(element, "CreditContraEntry", part),
        debit_contras=_entry(element, "DebitContraEntry", part),
    )


def _entry(account: Any, name: str, part: str) -> Entry:
    """One kind of record; its total proves what is said to be accepted and rejected."""
    accepted, rejected, total = (
        _records(the_only(account, f"{name}/{which}", part), f"{part}, {name}/{which}")
        for which in ("AcceptedRecords", "RejectedRecords", "TotalsRecords")
    )
    require(accepted + rejected == total, part, name, "accepted and rejected do not make the total")
    return Entry(accepted, rejected)


def _records(element: Any, part: str) -> Records:
    stated = Attributes(element, part)
    stated.require("currency", "GBP")
    return Records(stated.count("numberOf"), stated.pence("valueOf"))


def _items(error: Any, first: int, file: _OpenFile) -> list[InputItem]:
    """The records in one error, all under the same messages; mostly one."""
    require(bool(file.service_user_number), "Errors", "UserFileInformation", "not before them")
    found, said = error.findall("ErrorItem"), error.findall("ErrorMessage")
    part = f"Item {first}"
    require(bool(found), part, "ErrorItem", "not there")
    require(bool(said), part, "ErrorMessage", "not there")
    types = [Attributes(message, part).text("type").upper() for message in said]
    texts = [(message.text or "").strip() for message in said]
    return [
        InputItem(
            item=number,
            reference=stated.reference("reference"),
            amount_pence=stated.pence("valueOf"),
            service_user_number=file.service_user_number,
            serial=file.serial,
            error_types=tuple(dict.fromkeys(types)),
            message=" ".join(text for text in texts if text),
        )
        for number, item in enumerate(found, first)
        for stated in (Attributes(item, f"Item {number}"),)
    ]
