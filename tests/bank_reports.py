"""Synthetic bank reports, made from plain values. No bank has sent any of these.

Each writer gives the bytes of one whole file. The layouts are those that the readers' own page
of the documentation describes; nothing is shared with the readers but the names of ARUCS.

    arucs_xml("987654", [Returned("DP0000001-W39", 66_820)], date(2026, 4, 8))
    input_report_xml("987654", "000123", accepted=(2, 133_640), processing_on=date(2026, 4, 1))
    awacs_xml("987654", [NewAccount("DP0000001-W39")], date(2026, 4, 8))
    pain002_xml("C2026-01-000001", [Status("DP0000001-W39")], date(2026, 4, 1))
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from ledger.bank.arucs import STANDARD_NAMES, ArucsNames

AN_ACCOUNT = ("107999", "88837491")
ANOTHER_ACCOUNT = ("202959", "63748472")
OWN_ACCOUNT = ("089999", "66374958")


class Returned(NamedTuple):
    """A payment that came back; `return_code` is the report's own, "0128" being invalid details."""

    reference: str
    amount_pence: int
    return_code: str = "0128"
    description: str = ""
    account: tuple[str, str] = AN_ACCOUNT
    processed_on: date = date(2026, 4, 1)


class Refused(NamedTuple):
    """A record in error in an input report; REJECTED, RETURNED or AMENDED."""

    reference: str
    amount_pence: int
    error_type: str = "REJECTED"
    message: str = "DESTINATION SORT CODE INVALID"


class NewAccount(NamedTuple):
    """A payee's new account in an AWACS report."""

    reference: str
    reason_code: str = "3"
    old: tuple[str, str] = AN_ACCOUNT
    new: tuple[str, str] = ANOTHER_ACCOUNT


class Status(NamedTuple):
    """What a pain.002 says of one payment; an empty status is left out, and so is no amount."""

    reference: str
    status: str = "RJCT"
    reasons: tuple[str, ...] = ("AC04",)
    amount_pence: int | None = None


def pounds(pence: int) -> str:
    """As Bacs states amounts: 66820 is "668.20"."""
    return f"{pence // 100}.{pence % 100:02d}"


# --- ARUCS --------------------------------------------------------------------------------


def arucs_xml(
    sun: str,
    items: Sequence[Returned],
    processing_date: date,
    *,
    sections: int = 1,
    names: ArucsNames = STANDARD_NAMES,
) -> bytes:
    """An ARUCS report of the items, dealt over so many sections with totals of their own."""
    size = -(-len(items) // sections) or 1
    dealt = [items[start : start + size] for start in range(0, max(len(items), 1), size)]
    above, _, section = names.section.rpartition("/")
    header = {names.processing_date: f"{processing_date}", "reportType": "REFT1027"}
    within = (
        _element(names.header, header)
        + _element(names.service_user, {names.service_user_number: sun, "userName": "COUNCIL"})
        + _element(above, {}, "".join(_section(section, some, names) for some in dealt))
    )
    return _bacs(_element(names.report, {}, within))


def _section(name: str, items: Sequence[Returned], names: ArucsNames) -> str:
    totals = {
        names.total_number: f"{len(items)}",
        names.total_amount: pounds(sum(item.amount_pence for item in items)),
        "currency": "GBP",
    }
    own = _element("OriginatingAccount", {"number": OWN_ACCOUNT[1], "sortCode": OWN_ACCOUNT[0]})
    returned = "".join(_returned(item, names) for item in items)
    return _element(name, {}, own + returned + _element(names.totals, totals))


def _returned(item: Returned, names: ArucsNames) -> str:
    sort_code, account_number = item.account
    receiver = {
        names.account_number: account_number,
        "ref": item.reference,
        "name": "A PERSON",
        names.sort_code: sort_code,
        "bankName": "A BANK",
        "branchName": "A BRANCH",
    }
    stated = {
        names.reference: item.reference,
        "transCode": "99",
        names.return_code: item.return_code,
        names.return_description: item.description,
        names.original_processing_date: f"{item.processed_on}",
        names.amount: pounds(item.amount_pence),
        names.currency: "GBP",
    }
    return _element(names.item, stated, _element(names.receiver, receiver))


# --- the input report ---------------------------------------------------------------------


def input_report_xml(
    sun: str,
    serial: str,
    *,
    accepted: tuple[int, int],
    processing_on: date,
    errors: Sequence[Refused] = (),
    rejected: tuple[int, int] | None = None,
    produced_on: date | None = None,
    message: str = "",
) -> bytes:
    """An input report of one file from one account.

    `accepted` and `rejected` are the number and pence of the credits; `rejected` is what the
    errors not paid come to, unless told. The contra is of what was accepted. `message` is the
    scheme's word on the file as a whole; with nothing accepted, the file was refused.
    """
    lost = [error.amount_pence for error in errors if error.error_type != "AMENDED"]
    report = _input_header(processing_on, produced_on) + _element(
        "Submission",
        {},
        _element(
            "SubmissionInformation",
            {"submissionReferenceNumber": "2026040101S000000001", "volumeSerialNumber": serial},
        )
        + _element(
            "UserFile",
            {"fileLevelMessage": message},
            _input_file(sun, accepted, rejected or (len(lost), sum(lost)), processing_on, errors),
        ),
    )
    return _bacs(_element("BACSDocument/Data/InputReport", {}, report))


def _input_header(processing_on: date, produced_on: date | None) -> str:
    produced = {"date": f"{produced_on}", "time": "03:58:19"}
    return _element(
        "Header",
        {"reportNumber": "1", "reportType": "REFT2013"},
        (_element("ProducedOn", produced) if produced_on else "")
        + _element("ProcessingDate", {"date": f"{processing_on}"}),
    )


def _input_file(
    sun: str,
    accepted: tuple[int, int],
    rejected: tuple[int, int],
    processing_on: date,
    errors: Sequence[Refused],
) -> str:
    information = {
        "userNumber": sun,
        "userFileNumber": "001",
        "fileCurrency": "GBP",
        "uhl1WorkCode": "1 DAILY  ",
        "uhl1ProcessingDate": f"{processing_on}",
    }
    contra = (1, accepted[1]) if accepted[0] else (0, 0)
    account = {"number": OWN_ACCOUNT[1], "sortCode": OWN_ACCOUNT[0], "type": "Individual"}
    totals = (
        _entry("CreditEntry", accepted, rejected)
        + _entry("DebitEntry", (0, 0), (0, 0))
        + _entry("CreditContraEntry", contra, (0, 0))
        + _entry("DebitContraEntry", (0, 0), (0, 0))
    )
    agreement = _element("AgreementOfFileTotals", {}, _entry("CreditEntry", (9, 9), (9, 9)))
    return _element(
        "InputUserFile",
        {},
        _element("UserFileInformation", information)
        + _element("DaySection", {"daySectionLevelErrorMessage": ""})
        + _element(
            "InputReportSummary",
            {},
            _element("AccountTotals/AccountTotal", account, totals) + agreement,
        )
        + _element("Errors", {}, "".join(_error(error) for error in errors)),
    )


def _entry(name: str, accepted: tuple[int, int], rejected: tuple[int, int]) -> str:
    total = (accepted[0] + rejected[0], accepted[1] + rejected[1])
    kinds = {"AcceptedRecords": accepted, "RejectedRecords": rejected, "TotalsRecords": total}
    return _element(
        name,
        {},
        "".join(
            _element(kind, {"numberOf": f"{number}", "currency": "GBP", "valueOf": pounds(pence)})
            for kind, (number, pence) in kinds.items()
        ),
    )


def _error(error: Refused) -> str:
    stated = {"reference": error.reference, "valueOf": pounds(error.amount_pence)}
    message = _element("ErrorMessage", {"type": error.error_type}, escape(error.message))
    return _element("Error", {}, _element("ErrorItem", stated) + message)


# --- AWACS --------------------------------------------------------------------------------


def awacs_xml(sun: str, items: Sequence[NewAccount], generated_on: date) -> bytes:
    """An AWACS report of the items."""
    header = {
        "advice-type": "AWACS",
        "user-number": sun,
        "user-name": "COUNCIL",
        "report-generation-date": f"{generated_on}",
    }
    advices = "".join(_advice(sun, item) for item in items)
    report = _element("MessagingHeader", header) + advices + _element("MessagingError", {})
    return _bacs(_element("BACSDocument/Data/MessagingAdvices", {}, report))


def _advice(sun: str, item: NewAccount) -> str:
    stated = {
        "user-number": sun,
        "record-type": "W",
        "reference": item.reference,
        "payer-name": "A PERSON",
        "payer-sort-code": item.old[0],
        "payer-account-number": item.old[1],
        "payer-new-sort-code": item.new[0],
        "payer-new-account-number": item.new[1],
        "reason-code": item.reason_code,
    }
    return _element("MessagingAdvice", stated)


# --- pain.002 -----------------------------------------------------------------------------


def pain002_xml(
    original_message_id: str,
    items: Sequence[Status],
    created_on: date,
    *,
    group_status: str = "PART",
    batch_status: str = "",
    original: tuple[int, int] | None = None,
    message_id: str = "BANK-0001",
    version: str = "pain.002.001.03",
) -> bytes:
    """A status report on one batch, which has the id of its message.

    `original` is the number and pence of the payments in the original message, as the report
    states them. An empty status is left out.
    """
    count, pence = original or (0, 0)
    header = _element("MsgId", {}, message_id) + _element("CreDtTm", {}, f"{created_on}T06:30:00Z")
    group = (
        _element("OrgnlMsgId", {}, original_message_id)
        + _element("OrgnlMsgNmId", {}, "pain.001.001.09")
        + (_element("OrgnlNbOfTxs", {}, f"{count}") if original else "")
        + (_element("OrgnlCtrlSum", {}, pounds(pence)) if original else "")
        + (_element("GrpSts", {}, group_status) if group_status else "")
    )
    batch = (
        _element("OrgnlPmtInfId", {}, original_message_id)
        + (_element("PmtInfSts", {}, batch_status) if batch_status else "")
        + "".join(_status(item) for item in items)
    )
    report = (
        _element("GrpHdr", {}, header)
        + _element("OrgnlGrpInfAndSts", {}, group)
        + _element("OrgnlPmtInfAndSts", {}, batch)
    )
    document = {"xmlns": f"urn:iso:std:iso:20022:tech:xsd:{version}"}
    return _file(_element("Document", document, _element("CstmrPmtStsRpt", {}, report)))


def _status(item: Status) -> str:
    amount = "" if item.amount_pence is None else pounds(item.amount_pence)
    return _element(
        "TxInfAndSts",
        {},
        _element("OrgnlEndToEndId", {}, escape(item.reference))
        + (_element("TxSts", {}, item.status) if item.status else "")
        + "".join(_element("StsRsnInf/Rsn/Cd", {}, reason) for reason in item.reasons)
        + (_element("OrgnlTxRef/Amt/InstdAmt", {"Ccy": "GBP"}, amount) if amount else ""),
    )


# --- XML ----------------------------------------------------------------------------------


def _bacs(document: str) -> bytes:
    """With the signature that every Bacs report ends in, which is not read."""
    end = "</BACSDocument>"
    signed = "<SignatureMethod>Vanilla</SignatureMethod><Signature>MIIPQw==</Signature>"
    return _file(document.removesuffix(f"{end}\n") + signed + end)


def _file(document: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{document.strip()}".encode()


def _element(path: str, attributes: dict[str, str], within: str = "") -> str:
    """An element of that name, within others if it is a path, on a line of its own."""
    if not path:
        return within
    above, _, name = path.rpartition("/")
    stated = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    lines = "\n" if within.startswith("<") else ""
    return _element(above, {}, f"<{name}{stated}>{lines}{within}</{name}>\n")
