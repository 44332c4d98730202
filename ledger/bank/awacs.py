"""AWACS, advice of wrong account for credits: the account a payee should be paid into.

Known from public parsers and from its sibling for Direct Debits (ADDACS), not from a sample.
The report states no totals, so that nothing proves it complete; and it is only ever a proposal.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal

from ledger.bank.report_fields import Attributes
from ledger.bank.xml_guard import parts, require, unreadable
from ledger.private import Private

REPORT = "BACSDocument/Data/MessagingAdvices"
ITEM = "MessagingAdvice"
RECORD_TYPE = "W"

WrongAccountCode = Literal["0", "3"]
_CODES: dict[str, WrongAccountCode] = {"0": "0", "3": "3"}


class WrongAccount(Private, frozen=True):
    """New details for one payee; both codes, 0 invalid and 3 transferred, say to apply them."""

    item: int
    reference: str
    reason_code: WrongAccountCode
    old_sort_code: str
    old_account_number: str
    new_sort_code: str
    new_account_number: str


class WrongAccounts(Private, frozen=True):
    """An AWACS report: every wrong account of one service user, in file order."""

    kind: ClassVar[Literal["wrong_accounts"]] = "wrong_accounts"

    service_user_numbers: tuple[str, ...]
    reported_on: date
    items: tuple[WrongAccount, ...]


def read_awacs(data: bytes) -> WrongAccounts:
    """Read an AWACS report whole, or refuse it.

    `BankFileUnreadable` names the part (an item by its number) and the attribute.
    """
    headers: list[Attributes] = []
    items: list[WrongAccount] = []
    for path, namespace, element in parts(
        data, REPORT, whole=("MessagingHeader", ITEM), nowhere_else=(ITEM,)
    ):
        require(not namespace, "File", "namespace", "a Bacs report has none")
        if path == "MessagingHeader":
            headers.append(Attributes(element, "Header"))
        else:
            require(bool(headers), "Header", "MessagingHeader", "not before the first advice")
            items.append(_advice(element, len(items) + 1, headers[0].text("user-number")))
    require(len(headers) == 1, "Header", "MessagingHeader", f"there are {len(headers)}, not one")
    require(bool(items), "Report", ITEM, "not there")
    return WrongAccounts(
        service_user_numbers=(headers[0].service_user_number("user-number"),),
        reported_on=headers[0].day("report-generation-date"),
        items=tuple(items),
    )


def _advice(element: Any, number: int, sun: str) -> WrongAccount:
    part = f"Item {number}"
    stated = Attributes(element, part)
    stated.require("record-type", RECORD_TYPE)
    require(stated.text("user-number") == sun, part, "user-number", "not the header's")
    code = _CODES.get(stated.text("reason-code"))
    if code is None:
        raise unreadable(part, "reason-code", "not 0 or 3")
    return WrongAccount(
        item=number,
        reference=stated.reference("reference"),
        reason_code=code,
        old_sort_code=stated.sort_code("payer-sort-code"),
        old_account_number=stated.account_number("payer-account-number"),
        new_sort_code=stated.sort_code("payer-new-sort-code"),
        new_account_number=stated.account_number("payer-new-account-number"),
    )
