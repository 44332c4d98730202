"""ISO 20022 pain.002, the payment status report: what became of a pain.001, as far as it says.

Any version from .03 on is read, by the names of its elements and not by its schema: banks run
ahead of the schemas. What is read is read strictly.

**Silence is not acceptance.** A report that says PART lists only some of the payments, and one
without a status for the whole says nothing of those it does not list. `StatusReport.unlisted`
is what may be said of them: "not_known", unless every status of the whole agrees.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, ClassVar, Literal

import msgspec

from ledger.bank.report_fields import day, reference, the_only
from ledger.bank.xml_guard import parts, require, unreadable
from ledger.private import Private

REPORT = "Document/CstmrPmtStsRpt"

Outcome = Literal["accepted", "pending", "rejected", "not_known"]

_BATCH = "OrgnlPmtInfAndSts"
_BATCH_ID, _BATCH_STATUS = f"{_BATCH}/OrgnlPmtInfId", f"{_BATCH}/PmtInfSts"
_PAYMENT = f"{_BATCH}/TxInfAndSts"
_AMOUNT_PATH = "OrgnlTxRef/Amt/InstdAmt"
_VERSION = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(pain\.002\.001\.[0-9]{2})")
_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,2})0*)?")
_COUNT = re.compile(r"[0-9]{1,15}")
_STATUS = re.compile(r"[A-Z]{4}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,35}")
_IN_WORDS = "NARR"  # ISO's own code for a reason that is given in words

_OUTCOMES: dict[str, Outcome] = {
    **dict.fromkeys(("ACTC", "ACCP", "ACFC", "ACWC", "ACSP", "ACSC", "ACCC"), "accepted"),
    **dict.fromkeys(("RCVD", "PDNG"), "pending"),
    "RJCT": "rejected",
}


def outcome(status: str) -> Outcome:
    """What a status means for a payment; "accepted" at any stage, not yet that it was paid."""
    return _OUTCOMES.get(status, "not_known")


class PaymentStatus(Private, frozen=True):
    """What a report says of one payment; `reference` is its EndToEndId.

    `status` is empty if none is stated. `reasons` are codes, ISO's or the bank's; one in words
    is given as NARR. `amount_pence` is None if no amount is stated.
    """

    item: int
    reference: str
    status: str
    reasons: tuple[str, ...]
    amount_pence: int | None

    @property
    def outcome(self) -> Outcome:
        """What its status means for the payment."""
        return outcome(self.status)


class BatchStatus(msgspec.Struct, frozen=True):
    """What a report says of one batch; empty if no status is stated."""

    batch_id: str
    status: str


class StatusReport(Private, frozen=True):
    """A status report: the payments it lists, in file order, and what it says of the whole.

    Of a payment that is not in `items` it says only `unlisted`: silence is not acceptance.
    `original_count` and `original_pence` are what it says the original message held, None if it
    does not say.
    """

    kind: ClassVar[Literal["status_report"]] = "status_report"

    version: str
    message_id: str
    reported_on: date
    original_message_id: str
    original_count: int | None
    original_pence: int | None
    group_status: str
    group_reasons: tuple[str, ...]
    batches: tuple[BatchStatus, ...]
    items: tuple[PaymentStatus, ...]

    @property
    def unlisted(self) -> Outcome:
        """What the report says of the payments it does not list."""
        stated = [self.group_status, *(batch.status for batch in self.batches)]
        said = {outcome(status) for status in stated if status}
        return said.pop() if len(said) == 1 else "not_known"


def read_pain002(data: bytes) -> StatusReport:
    """Read a status report whole, or refuse it.

    `BankFileUnreadable` names the part (a payment by its item number) and the element.
    """
    version = ""
    headers: list[Any] = []
    groups: list[Any] = []
    batches: list[BatchStatus] = []
    items: list[PaymentStatus] = []
    for path, namespace, element in parts(
        data,
        REPORT,
        whole=("GrpHdr", "OrgnlGrpInfAndSts", _BATCH_ID, _BATCH_STATUS, _PAYMENT),
        opened=(_BATCH,),
        nowhere_else=("TxInfAndSts",),
    ):
        version = version or _version(namespace)
        part = f"Batch {len(batches)}"
        if path == "GrpHdr":
            headers.append(element)
        elif path == "OrgnlGrpInfAndSts":
            groups.append(element)
        elif path == _BATCH:
            batches.append(BatchStatus("", ""))
        elif path == _BATCH_ID:
            batches[-1] = BatchStatus(_words(element, part), batches[-1].status)
        elif path == _BATCH_STATUS:
            require(not batches[-1].status, part, element.tag, "more than one")
            batches[-1] = BatchStatus(batches[-1].batch_id, _status(element, part))
        else:
            items.append(_payment(element, len(items) + 1))
    require(len(headers) == 1, "Header", "GrpHdr", f"there are {len(headers)}, not one")
    require(len(groups) == 1, "Group", "OrgnlGrpInfAndSts", f"there are {len(groups)}, not one")
    (header,), (group,) = headers, groups
    kind = _words(the_only(group, "OrgnlMsgNmId", "Group"), "Group")
    require(kind.startswith("pain.001"), "Group", "OrgnlMsgNmId", "not of a credit transfer")
    created = the_only(header, "CreDtTm", "Header")
    return StatusReport(
        version=version,
        message_id=_words(the_only(header, "MsgId", "Header"), "Header"),
        reported_on=day(_text(created), "Header", "CreDtTm"),
        original_message_id=_words(the_only(group, "OrgnlMsgId", "Group"), "Group"),
        original_count=_stated_count(group),
        original_pence=_stated_pence(group, "OrgnlCtrlSum", "Group"),
        group_status=_stated_status(group, "GrpSts", "Group"),
        group_reasons=_reasons(group),
        batches=tuple(batches),
        items=tuple(items),
    )


def _version(namespace: str) -> str:
    match = _VERSION.fullmatch(namespace)
    if match is None:
        raise unreadable("File", "namespace", "not pain.002")
    return match[1]


def _payment(element: Any, number: int) -> PaymentStatus:
    part = f"Item {number}"
    for amount in element.iterfind(_AMOUNT_PATH):
        require(amount.get("Ccy") == "GBP", part, amount.tag, "not in GBP")
    return PaymentStatus(
        item=number,
        reference=_words(the_only(element, "OrgnlEndToEndId", part), part),
        status=_stated_status(element, "TxSts", part),
        reasons=_reasons(element),
        amount_pence=_stated_pence(element, _AMOUNT_PATH, part),
    )


def _text(element: Any) -> str:
    return (element.text or "").strip()


def _words(element: Any, part: str) -> str:
    """An id of the council's own or the bank's; never empty."""
    words = reference(_text(element), part, element.tag)
    require(bool(words), part, element.tag, "empty")
    return words


def _stated(element: Any, path: str, part: str) -> Any:
    """The element at a path, or None if the report does not state it."""
    return the_only(element, path, part) if element.find(path) is not None else None


def _stated_status(element: Any, path: str, part: str) -> str:
    found = _stated(element, path, part)
    return "" if found is None else _status(found, part)


def _status(element: Any, part: str) -> str:
    require(bool(_STATUS.fullmatch(_text(element))), part, element.tag, "not a status")
    return _text(element)


def _stated_count(group: Any) -> int | None:
    found = _stated(group, "OrgnlNbOfTxs", "Group")
    if found is None:
        return None
    require(bool(_COUNT.fullmatch(_text(found))), "Group", "OrgnlNbOfTxs", "not a whole number")
    return int(_text(found))


def _stated_pence(element: Any, path: str, part: str) -> int | None:
    """Whole pence, with or without noughts beyond them; None if not stated."""
    found = _stated(element, path, part)
    if found is None:
        return None
    match = _AMOUNT.fullmatch(_text(found))
    if match is None:
        raise unreadable(part, found.tag, "not pounds and whole pence")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def _reasons(element: Any) -> tuple[str, ...]:
    """Every reason's code, as often as it stands there; one in words is NARR."""
    reasons = []
    for reason in element.iterfind("StsRsnInf/Rsn"):
        code = _text(next(reason.iterchildren("Cd", "Prtry"), reason))
        reasons.append(code if _CODE.fullmatch(code) else _IN_WORDS)
    return tuple(reasons)
