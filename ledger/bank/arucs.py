"""ARUCS, the automated return of unapplied credits: payments that came back, and why.

No public sample of this report exists. Its layout is taken to be that of its sibling for
Direct Debits (ARUDD), with the names in `ArucsNames`; all of them can be set to those of the
council's bank. The totals prove that nothing was passed over.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import Any, ClassVar, Literal

import msgspec

from ledger.bank.report_fields import Attributes, the_only
from ledger.bank.xml_guard import parts, require
from ledger.errors import ReportNamesUnreadable
from ledger.private import Private

ReturnCode = Literal["0", "2", "3", "5", "B", "C"]


class ArucsNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the elements and attributes of an ARUCS report are called, and how its codes read.

    Elements are paths: `report` from the root, `header`, `service_user` and `section` below the
    report, `item` and `totals` below a section, `receiver` below an item. The others are
    attributes: of the header, the service user, the item, the receiver and the totals, in turn.

    `codes` gives the scheme's code for a whole `return_code` or, failing that, for its first
    character; `descriptions` gives it for a description in capitals.
    """

    report: str = "BACSDocument/Data/ARUCS"
    header: str = "Header"
    processing_date: str = "currentProcessingDate"
    service_user: str = "ServiceLicenseInformation"
    service_user_number: str = "userNumber"
    section: str = "Advice/OriginatingAccountRecords/OriginatingAccountRecord"
    item: str = "ReturnedCreditItem"
    reference: str = "ref"
    return_code: str = "returnCode"
    return_description: str = "returnDescription"
    original_processing_date: str = "originalProcessingDate"
    amount: str = "valueOf"
    currency: str = "currency"
    receiver: str = "ReceiverAccount"
    sort_code: str = "sortCode"
    account_number: str = "number"
    totals: str = "Totals"
    total_number: str = "numberOf"
    total_amount: str = "valueOf"
    codes: dict[str, ReturnCode] = msgspec.field(
        default_factory=lambda: {"0": "0", "2": "2", "3": "3", "5": "5", "B": "B", "C": "C"}
    )
    descriptions: dict[str, ReturnCode] = msgspec.field(
        default_factory=lambda: {
            "INVALID DETAILS": "0",
            "BENEFICIARY DECEASED": "2",
            "ACCOUNT TRANSFERRED": "3",
            "NO ACCOUNT": "5",
            "ACCOUNT CLOSED": "B",
            "REQUESTED BY REMITTER": "C",
            "REQUESTED BY ORIGINATOR": "C",
        }
    )


STANDARD_NAMES = ArucsNames()

_LONGEST_CODE = 8
_PATHS = {"report", "header", "service_user", "section", "item", "receiver", "totals"}
_PATH = re.compile(r"[A-Za-z_][\w.-]*(/[A-Za-z_][\w.-]*)*", re.ASCII)


def read_arucs_names(text: str) -> ArucsNames:
    """The names that a bank uses, from TOML; what is left out keeps its usual name.

    A table, `[codes]` or `[descriptions]`, replaces the usual one. `ReportNamesUnreadable` says
    which key is unknown or holds what is no name.
    """
    try:
        names = msgspec.convert(tomllib.loads(text), ArucsNames)
    except tomllib.TOMLDecodeError as error:
        raise ReportNamesUnreadable(f"It is not TOML: {error}.", field="") from None
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at `$")
        field = path.strip(".`")
        where = f"{field}: " if field else ""
        raise ReportNamesUnreadable(f"{where}{sentence}.", field=field) from None
    for field, name in msgspec.structs.asdict(names).items():
        if isinstance(name, dict):
            continue
        if not _PATH.fullmatch(name) or ("/" in name and field not in _PATHS):
            raise ReportNamesUnreadable(f"{field}: not a name.", field=field)
    return names


class ReturnedCredit(Private, frozen=True):
    """One payment that came back.

    `reason_code` is the scheme's, or None when the report's code and description say none, or
    say two that differ; `stated_code` is the report's own. The account is the one that was
    paid: to be compared, never to be shown.
    """

    item: int
    reference: str
    amount_pence: int
    reason_code: ReturnCode | None
    stated_code: str
    original_processing_on: date
    sort_code: str
    account_number: str


class ReturnedCredits(Private, frozen=True):
    """An ARUCS report: every payment of one service user that came back, in file order."""

    kind: ClassVar[Literal["returned_credits"]] = "returned_credits"

    service_user_numbers: tuple[str, ...]
    reported_on: date
    items: tuple[ReturnedCredit, ...]

    @property
    def total_pence(self) -> int:
        """What came back altogether."""
        return sum(item.amount_pence for item in self.items)


def read_arucs(data: bytes, names: ArucsNames = STANDARD_NAMES) -> ReturnedCredits:
    """Read an ARUCS report; each section's totals must be what its items make.

    `BankFileUnreadable` names the part (an item by its number) and the element or attribute.
    Under other names than the bank's a report shows no totals, and is refused rather than taken
    for one in which nothing came back.
    """
    item_path, totals_path = f"{names.section}/{names.item}", f"{names.section}/{names.totals}"
    headers: list[date] = []
    users: list[str] = []
    items: list[ReturnedCredit] = []
    proved: int | None = None  # how many items a total covers, once there is one
    for path, namespace, element in parts(
        data,
        names.report,
        whole=(names.header, names.service_user, item_path, totals_path),
        nowhere_else=(names.item.rpartition("/")[2],),
    ):
        require(not namespace, "File", "namespace", "a Bacs report has none")
        if path == names.header:
            headers.append(Attributes(element, "Header").day(names.processing_date))
        if path == names.service_user:
            stated = Attributes(element, "Service user")
            users.append(stated.service_user_number(names.service_user_number))
        if path == item_path:
            items.append(_returned(element, len(items) + 1, names))
        if path == totals_path:
            _prove(items[proved or 0 :], Attributes(element, "Totals"), names)
            proved = len(items)
    require(len(headers) == 1, "Header", names.header, f"there are {len(headers)}, not one")
    require(len(users) == 1, "Service user", names.service_user, f"there are {len(users)}, not one")
    require(proved == len(items), "Totals", names.totals, "not there for every item")
    return ReturnedCredits(
        service_user_numbers=tuple(users), reported_on=headers[0], items=tuple(items)
    )


def _returned(element: Any, number: int, names: ArucsNames) -> ReturnedCredit:
    part = f"Item {number}"
    stated = Attributes(element, part)
    receiver = Attributes(the_only(element, names.receiver, part), part)
    stated.require(names.currency, "GBP")
    pence = stated.pence(names.amount)
    require(pence > 0, part, names.amount, "nothing")
    code = element.get(names.return_code, "").strip().upper()
    require(len(code) <= _LONGEST_CODE, part, names.return_code, "not a code")
    description = element.get(names.return_description, "")
    return ReturnedCredit(
        item=number,
        reference=stated.reference(names.reference),
        amount_pence=pence,
        reason_code=_reason(code, description, names),
        stated_code=code,
        original_processing_on=stated.day(names.original_processing_date),
        sort_code=receiver.sort_code(names.sort_code),
        account_number=receiver.account_number(names.account_number),
    )


def _reason(code: str, description: str, names: ArucsNames) -> ReturnCode | None:
    """The scheme's code, unless the report's code and its description contradict each other."""
    coded = names.codes.get(code) or names.codes.get(code[:1])
    described = names.descriptions.get(" ".join(description.upper().split()))
    if coded and described and coded != described:
        return None
    return coded or described


def _prove(items: list[ReturnedCredit], totals: Attributes, names: ArucsNames) -> None:
    number, pence = totals.count(names.total_number), totals.pence(names.total_amount)
    require(number == len(items), "Totals", names.total_number, f"there are {len(items)} items")
    makes = sum(item.amount_pence for item in items)
    require(pence == makes, "Totals", names.total_amount, f"the items make {makes} pence")
