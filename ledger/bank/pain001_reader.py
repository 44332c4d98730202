"""ISO 20022 pain.001: the reader that proves what `ledger.bank.pain001` writes.

Element by element, against the official schema, then the count and the sum, which no schema
can check. It shares no name of an element with the writer, so that each proves the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import msgspec
from lxml import etree

from ledger.bank.iso20022 import valid_document
from ledger.bank.records import LARGEST_ITEM_PENCE, Credit
from ledger.bank.xml_guard import require, unreadable
from ledger.dates import parse_date
from ledger.errors import InvalidDate


class Pain001File(msgspec.Struct, frozen=True):
    """A proved message: valid by the schema, every element known, every total what it adds up."""

    version: str
    message_id: str
    service_user_number: str
    created_on: date
    execute_on: date
    service_level: str
    charge_bearer: str
    sort_code: str
    account_number: str
    name: str
    credits: tuple[Credit, ...]
    total_pence: int


_VERSIONS = ("pain.001.001.03", "pain.001.001.09")
_HEADER = (
    "MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty/Nm", "InitgPty/Id/OrgId/Othr/Id",
)  # fmt: skip
_BATCH = (
    "PmtInfId", "PmtMtd", "BtchBookg", "NbOfTxs", "CtrlSum", "PmtTpInf/SvcLvl/Cd", "ReqdExctnDt",
    "Dbtr/Nm", "DbtrAcct/Id/Othr/Id", "DbtrAcct/Id/Othr/SchmeNm/Cd", "DbtrAcct/Ccy",
    "DbtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd", "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId",
)  # fmt: skip
_PAYMENT = (
    "PmtId/EndToEndId", "Amt/InstdAmt", "CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd",
    "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId", "Cdtr/Nm", "CdtrAcct/Id/Othr/Id",
    "CdtrAcct/Id/Othr/SchmeNm/Cd", "RmtInf/Ustrd",
)  # fmt: skip
_FIXED = {"PmtMtd": "TRF", "BtchBookg": "true", "DbtrAcct/Id/Othr/SchmeNm/Cd": "BBAN",
          "DbtrAcct/Ccy": "GBP", "DbtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd": "GBDSC"}  # fmt: skip
_SERVICE_LEVELS = ("NURG", "URNS", "URGP")
_POUNDS = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,2}))?")
_CODE = re.compile(r"[0-9]{6}")
_ACCOUNT = re.compile(r"[0-9]{8}")
_TEXT = re.compile(r"(?! )[A-Z0-9.&/ -]{1,18}(?<! )")


def read_pain001(data: bytes) -> Pain001File:
    """Read a message of one batch in the layout described above and prove it, or refuse it.

    `BankFileUnreadable` names the part (a payment by its item number) and the element.
    """
    credits: list[Credit] = []
    version, root = valid_document(
        data, _VERSIONS, "CdtTrfTxInf", lambda node: credits.append(_credit(node, len(credits) + 1))
    )
    header, batch = _parts(root)
    head = _named(header, _HEADER, "Header")
    told = _batch(batch, version)
    _require_different(credits)
    total_pence = sum(credit.amount_pence for credit in credits)
    for part, stated in (("Header", head), ("Batch", told)):
        count = int(stated["NbOfTxs"])
        require(count == len(credits), part, "NbOfTxs", f"there are {len(credits)}")
        sum_pence = _pence(stated["CtrlSum"], part, "CtrlSum")
        require(sum_pence == total_pence, part, "CtrlSum", f"the payments make {total_pence} pence")
    require(head["MsgId"] == told["PmtInfId"], "Batch", "PmtInfId", "not the header's MsgId")
    require(head["InitgPty/Nm"] == told["Dbtr/Nm"], "Batch", "Dbtr/Nm", "not the header's name")
    sun = head["InitgPty/Id/OrgId/Othr/Id"]
    require(bool(_CODE.fullmatch(sun)), "Header", "InitgPty/Id", "not a service user number")
    created, _, _time = head["CreDtTm"].partition("T")
    return Pain001File(
        version=version,
        message_id=head["MsgId"],
        service_user_number=sun,
        created_on=_day(created, "Header", "CreDtTm"),
        execute_on=_day(told["ReqdExctnDt"], "Batch", "ReqdExctnDt"),
        service_level=told["PmtTpInf/SvcLvl/Cd"],
        charge_bearer=told.get("ChrgBr", ""),
        sort_code=told["DbtrAgt/FinInstnId/ClrSysMmbId/MmbId"],
        account_number=told["DbtrAcct/Id/Othr/Id"],
        name=told["Dbtr/Nm"],
        credits=tuple(credits),
        total_pence=total_pence,
    )


def _parts(root: Any) -> tuple[Any, Any]:
    """The header and the one batch."""
    (message,) = root
    header, *batches = message
    require(len(batches) == 1, "Message", "PmtInf", f"{len(batches)} batches, not one")
    (batch,) = batches
    require(etree.QName(batch).localname == "PmtInf", "Message", "PmtInf", "not there")
    return header, batch


def _batch(batch: Any, version: str) -> dict[str, str]:
    """The batch's own elements, what never changes in them proved."""
    day = "ReqdExctnDt" if version == "pain.001.001.03" else "ReqdExctnDt/Dt"
    expected = tuple(day if path == "ReqdExctnDt" else path for path in _BATCH)
    bearer = ("ChrgBr",) if etree.QName(batch[-1]).localname == "ChrgBr" else ()
    told = _named(batch, expected + bearer, "Batch")
    told["ReqdExctnDt"] = told[day]
    for path, text in _FIXED.items():
        require(told[path] == text, "Batch", path, f"not {text}")
    is_known = told["PmtTpInf/SvcLvl/Cd"] in _SERVICE_LEVELS
    require(is_known, "Batch", "SvcLvl", "neither Bacs nor Faster Payments")
    account, sort_code = told["DbtrAcct/Id/Othr/Id"], told["DbtrAgt/FinInstnId/ClrSysMmbId/MmbId"]
    require(bool(_ACCOUNT.fullmatch(account)), "Batch", "DbtrAcct", "not 8 digits")
    require(bool(_CODE.fullmatch(sort_code)), "Batch", "DbtrAgt", "not a sort code")
    return told


def _credit(node: Any, item: int) -> Credit:
    part = f"Item {item}"
    reference, amount, system, sort_code, name, account, scheme, told = _texts(node, _PAYMENT, part)
    require(node[1][0].get("Ccy") == "GBP", part, "InstdAmt", "not in GBP")
    require(system == "GBDSC", part, "ClrSysId", "not GBDSC")
    require(scheme == "BBAN", part, "SchmeNm", "not BBAN")
    require(bool(_CODE.fullmatch(sort_code)), part, "MmbId", "not a sort code")
    require(bool(_ACCOUNT.fullmatch(account)), part, "CdtrAcct", "not 8 digits")
    require(bool(_TEXT.fullmatch(reference)), part, "EndToEndId", "not a bank reference")
    require(bool(_TEXT.fullmatch(name)), part, "Nm", "not in the bank's alphabet")
    require(told == reference, part, "Ustrd", "not the EndToEndId")
    pence = _pence(amount, part, "InstdAmt")
    require(0 < pence <= LARGEST_ITEM_PENCE, part, "InstdAmt", "nothing, or over 11 digits")
    return Credit(sort_code, account, pence, reference, name)


def _require_different(credits: Sequence[Credit]) -> None:
    seen = set[str]()
    for item, credit in enumerate(credits, 1):
        require(credit.reference not in seen, f"Item {item}", "EndToEndId", "used before")
        seen.add(credit.reference)


def _named(node: Any, expected: tuple[str, ...], part: str) -> dict[str, str]:
    return dict(zip(expected, _texts(node, expected, part), strict=True))


def _texts(node: Any, expected: tuple[str, ...], part: str) -> list[str]:
    """The texts of a part's leaves; its elements are exactly those expected, in their order."""
    space = node.tag.partition("}")[0]
    tags, texts = [], []
    for element in node.iterdescendants():
        tags.append(element.tag)
        if not len(element):
            texts.append(element.text or "")
    shape = _shape(space, expected)
    if tags != shape:
        wrong = next((a for a, b in zip(tags, shape, strict=False) if a != b), "}end")
        raise unreadable(part, wrong.partition("}")[2], "not what belongs there")
    return texts


@cache
def _shape(space: str, paths: tuple[str, ...]) -> list[str]:
    """Every element on the way to some leaves, in the order in which a document has them."""
    tags: list[str] = []
    before: list[str] = []
    for path in paths:
        names = path.split("/")
        same = next((i for i, (a, b) in enumerate(zip(names, before, strict=False)) if a != b), 0)
        tags += [f"{space}}}{name}" for name in names[same:]]
        before = names
    return tags


def _pence(text: str, part: str, element: str) -> int:
    match = _POUNDS.fullmatch(text)
    if match is None:
        raise unreadable(part, element, "not pounds and whole pence")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def _day(text: str, part: str, element: str) -> date:
    try:
        return parse_date(text)
    except InvalidDate:
        raise unreadable(part, element, "not a day") from None
