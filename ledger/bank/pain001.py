"""ISO 20022 pain.001 (.03 and .09) as UK banks take it, for Bacs and Faster Payments: the writer.

What differs from bank to bank stands in a `Profile`. `ledger.bank.pain001_reader` proves what is
written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from datetime import date
from io import BytesIO
from itertools import chain, islice
from typing import Any, Literal

import msgspec
from lxml import etree
from lxml.builder import ElementMaker

from ledger.bank.alphabet import written_name
from ledger.bank.iso20022 import LARGEST_FILE, namespace
from ledger.bank.rails import Rails, processing_day
from ledger.bank.records import (
    LARGEST_ITEM_PENCE,
    Credit,
    OriginatingAccount,
    require_credit,
    require_originator,
)
from ledger.dates import WorkingDays
from ledger.errors import (
    BankFileTooLarge,
    DuplicateBankReference,
    EmptyBankFile,
    InvalidMessageId,
    PaymentOverBankLimit,
)

Version = Literal["pain.001.001.03", "pain.001.001.09"]
ServiceLevel = Literal["NURG", "URNS", "URGP"]
"""NURG is Bacs; Faster Payments are URNS at one bank and URGP at another."""

FASTER_PAYMENTS_MOST_PENCE = 100_000_000
"""The scheme's own limit for one payment; a bank's may be lower."""

_LARGEST_TOTAL_PENCE = 999_999_999_999_999_999  # the sum has 18 digits


class Profile(msgspec.Struct, frozen=True):
    """What differs from bank to bank; the bank's own guide says which.

    `execution_day` is what the bank takes the requested execution date for. An empty
    `charge_bearer` leaves that element out.
    """

    version: Version = "pain.001.001.03"
    service_level: ServiceLevel = "NURG"
    charge_bearer: Literal["", "SHAR", "SLEV", "DEBT"] = "SHAR"
    most_payments: int = 100_000
    most_item_pence: int = LARGEST_ITEM_PENCE
    execution_day: Literal["processing_day", "pay_date"] = "processing_day"


def rails_of(service_level: ServiceLevel) -> Rails:
    """What a payment of this service level travels on."""
    return "bacs" if service_level == "NURG" else "faster_payments"


# --- writing ------------------------------------------------------------------------------

_MAKE: Any = ElementMaker()
_MESSAGE_ID = re.compile(r"[A-Z0-9-]{1,35}")


def write_pain001(
    originator: OriginatingAccount,
    credits: Iterable[Credit],
    *,
    message_id: str,
    created_on: date,
    pay_on: date,
    working_days: WorkingDays,
    profile: Profile,
) -> bytes:
    """Write one message, one batch, that puts money in payees' accounts on `pay_on`.

    All or nothing, as `write_bacs`: names are folded and cut at 18 characters, references are
    written as given or refused. The same input gives the same bytes, so the moment of creation
    is the beginning of its day. A message made again takes a new id, which is the caller's
    business.
    """
    require_originator(originator)
    if not _MESSAGE_ID.fullmatch(message_id):
        raise InvalidMessageId(field="message_id")
    processing_on = processing_day(
        rails_of(profile.service_level), pay_on, created_on=created_on, working_days=working_days
    )
    items = tuple(islice(credits, profile.most_payments + 1))
    total_pence = _require_items(items, profile)
    name = written_name(originator.name, "Originating account, name")
    execute_on = processing_on if profile.execution_day == "processing_day" else pay_on
    totals = (_MAKE.NbOfTxs(str(len(items))), _MAKE.CtrlSum(_pounds(total_pence)))
    header = _MAKE.GrpHdr(
        _MAKE.MsgId(message_id),
        _MAKE.CreDtTm(f"{created_on}T00:00:00"),
        *deepcopy(totals),  # an element stands in one place only
        _MAKE.InitgPty(
            _MAKE.Nm(name),
            _MAKE.Id(_MAKE.OrgId(_MAKE.Othr(_MAKE.Id(originator.service_user_number)))),
        ),
    )
    batch = (
        _MAKE.PmtInfId(message_id),
        _MAKE.PmtMtd("TRF"),
        _MAKE.BtchBookg("true"),
        *totals,
        _MAKE.PmtTpInf(_MAKE.SvcLvl(_MAKE.Cd(profile.service_level))),
        _execution(execute_on, profile.version),
        _MAKE.Dbtr(_MAKE.Nm(name)),
        _MAKE.DbtrAcct(_bban(originator.account_number), _MAKE.Ccy("GBP")),
        _MAKE.DbtrAgt(_bank(originator.sort_code)),
        *([_MAKE.ChrgBr(profile.charge_bearer)] if profile.charge_bearer else []),
    )
    return _message(profile.version, header, chain(batch, _payments(items)))


def _require_items(items: Sequence[Credit], profile: Profile) -> int:
    if not items:
        raise EmptyBankFile
    if len(items) > profile.most_payments:
        raise BankFileTooLarge(f"A file holds at most {profile.most_payments:,} payments.")
    most_pence = profile.most_item_pence
    if rails_of(profile.service_level) == "faster_payments":
        most_pence = min(most_pence, FASTER_PAYMENTS_MOST_PENCE)
    seen = set[str]()
    for item, credit in enumerate(items, 1):
        require_credit(credit, item)
        if credit.amount_pence > most_pence:
            raise PaymentOverBankLimit(
                f"Item {item}, amount_pence: {credit.amount_pence} is over the {most_pence} that "
                "can be paid in one.",
                item=item,
                field="amount_pence",
            )
        if credit.reference in seen:
            raise DuplicateBankReference(
                f"Item {item}, reference: {DuplicateBankReference.rule}",
                item=item,
                field="reference",
            )
        seen.add(credit.reference)
    total_pence = sum(credit.amount_pence for credit in items)
    if total_pence > _LARGEST_TOTAL_PENCE:
        raise BankFileTooLarge(
            f"The payments add up to {total_pence} pence, over the sum's 18 digits.",
            total_pence=total_pence,
        )
    return total_pence


def _payments(credits: Iterable[Credit]) -> Iterator[Any]:
    """Each credit; both the id and the text carry the reference, as banks return one or other.

    Filling copies of one element is five times as quick as making each anew.
    """
    blank = _MAKE.CdtTrfTxInf(
        _MAKE.PmtId(_MAKE.EndToEndId()),
        _MAKE.Amt(_MAKE.InstdAmt(Ccy="GBP")),
        _MAKE.CdtrAgt(_bank("")),
        _MAKE.Cdtr(_MAKE.Nm()),
        _MAKE.CdtrAcct(_bban("")),
        _MAKE.RmtInf(_MAKE.Ustrd()),
    )
    blank.tail = "\n"  # a payment a line, for people
    for item, credit in enumerate(credits, 1):
        payment = deepcopy(blank)
        key, amount, agent, payee, account, told = payment
        key[0].text = told[0].text = credit.reference
        amount[0].text = _pounds(credit.amount_pence)
        agent[0][0][1].text = credit.sort_code
        payee[0].text = written_name(credit.payee_name, item)
        account[0][0][0].text = credit.account_number
        yield payment


def _bban(account_number: str) -> Any:
    return _MAKE.Id(_MAKE.Othr(_MAKE.Id(account_number), _MAKE.SchmeNm(_MAKE.Cd("BBAN"))))


def _bank(sort_code: str) -> Any:
    system = _MAKE.ClrSysId(_MAKE.Cd("GBDSC"))
    return _MAKE.FinInstnId(_MAKE.ClrSysMmbId(system, _MAKE.MmbId(sort_code)))


def _execution(day: date, version: Version) -> Any:
    return _MAKE.ReqdExctnDt(f"{day}" if version == "pain.001.001.03" else _MAKE.Dt(f"{day}"))


def _pounds(pence: int) -> str:
    return f"{pence // 100}.{pence % 100:02d}"


def _message(version: Version, header: Any, batch: Iterable[Any]) -> bytes:
    """The file, an element at a time: a tree of 100,000 payments would take half a gigabyte.

    Only the outermost element names the namespace; it is that of all within.
    """
    space = namespace(version)
    file = BytesIO()
    with etree.xmlfile(file, encoding="UTF-8") as writing:
        writing.write_declaration()
        document = writing.element(f"{{{space}}}Document", nsmap={None: space})
        with document, writing.element("CstmrCdtTrfInitn"):
            writing.write(header)
            with writing.element("PmtInf"):
                for part in batch:
                    writing.write(part)
    file.write(b"\n")
    size = file.tell()
    if size > LARGEST_FILE:
        raise BankFileTooLarge(f"The file would have {size:,} bytes.", size=size)
    return file.getvalue()
