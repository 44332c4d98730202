"""What banks send back: which report a file is, and what it says."""

from __future__ import annotations

from ledger.bank import awacs, input_report, pain002
from ledger.bank.arucs import STANDARD_NAMES, ArucsNames, ReturnedCredits, read_arucs
from ledger.bank.awacs import WrongAccounts, read_awacs
from ledger.bank.input_report import InputReport, read_input_report
from ledger.bank.pain002 import StatusReport, read_pain002
from ledger.bank.xml_guard import first, unreadable

Report = InputReport | ReturnedCredits | WrongAccounts | StatusReport
"""Each has `kind`, `reported_on` and `items`, which are numbered from 1 in file order.

A reference that stands twice is kept twice: what to make of it is for whoever knows the payments.
"""


def read_report(data: bytes, names: ArucsNames = STANDARD_NAMES) -> Report:
    """Read a file from the bank as what it shows itself to be, whole, or refuse it.

    `names` are those of the council's bank for ARUCS. `BankFileUnreadable` says of any other
    file that it is no report the ledger reads, and of a report where it is at fault.
    """
    advice = f"{awacs.REPORT}/{awacs.ITEM}"
    found = first(data, (input_report.REPORT, names.report, advice, pain002.REPORT))
    if found is not None:
        if found.path == input_report.REPORT:
            return read_input_report(data)
        if found.path == names.report:
            return read_arucs(data, names)
        if found.path == pain002.REPORT:
            return read_pain002(data)
        if found.element.get("record-type") == awacs.RECORD_TYPE:
            return read_awacs(data)
    raise unreadable("File", "report", "not a report that this ledger reads")
