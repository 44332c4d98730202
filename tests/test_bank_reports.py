"""What banks send back: read exactly, proved where it can be proved, refused whole otherwise."""

from __future__ import annotations

import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from ledger.bank import arucs, awacs, input_report, pain002
from ledger.bank.arucs import ArucsNames, ReturnedCredit, ReturnedCredits, read_arucs_names
from ledger.bank.awacs import WrongAccount, WrongAccounts
from ledger.bank.input_report import (
    AccountTotal,
    Entry,
    InputItem,
    InputReport,
    Records,
    UserFile,
)
from ledger.bank.pain002 import BatchStatus, PaymentStatus, StatusReport
from ledger.bank.reports import read_report
from ledger.errors import BankFileUnreadable, ReportNamesUnreadable
from tests.bank_reports import (
    AN_ACCOUNT,
    ANOTHER_ACCOUNT,
    OWN_ACCOUNT,
    NewAccount,
    Refused,
    Returned,
    Status,
    arucs_xml,
    awacs_xml,
    input_report_xml,
    pain002_xml,
)

GOLDEN = Path(__file__).parent / "golden" / "bank_reports"
SUN, SERIAL, MESSAGE = "987654", "000123", "C2026-01-000001"
PROCESSED, REPORTED = date(2026, 4, 1), date(2026, 4, 8)
NOTHING = Entry(Records(0, 0), Records(0, 0))
A_RETURN = Returned("DP0000001-W39", 66_820)


def golden(name: str) -> Any:
    return read_report((GOLDEN / f"{name}.xml").read_bytes())


def returns(*items: Returned, **otherwise: Any) -> Any:
    return read_report(arucs_xml(SUN, items, REPORTED, **otherwise))


def taken_in(**stated: Any) -> Any:
    usual: dict[str, Any] = {"accepted": (2, 119_871), "processing_on": PROCESSED}
    return read_report(input_report_xml(SUN, SERIAL, **(usual | stated)))


def statuses(*items: Status, **stated: Any) -> Any:
    return read_report(pain002_xml(MESSAGE, items, PROCESSED, **stated))


# --- one file of each kind ----------------------------------------------------------------


def test_an_arucs_report_says_what_came_back_and_why() -> None:
    assert golden("arucs") == ReturnedCredits(
        service_user_numbers=("987654",),
        reported_on=date(2026, 4, 8),
        items=(
            ReturnedCredit(
                1, "DP0000001-W39", 66_820, "0", "0128", date(2026, 4, 1), "107999", "88837491"
            ),
            ReturnedCredit(
                2, "DP0000002-W39", 1, "2", "2033", date(2026, 4, 1), "202959", "63748472"
            ),
            ReturnedCredit(
                3, "DP0000002-W39", 31_005, "B", "", date(2026, 4, 2), "938611", "07806039"
            ),
        ),
    )
    assert golden("arucs").total_pence == 97_826


def test_an_input_report_says_what_was_taken_in_and_what_was_not() -> None:
    report = golden("input_report")
    assert report == InputReport(
        reported_on=date(2026, 3, 31),
        processing_on=date(2026, 4, 1),
        files=(
            UserFile(
                service_user_number="987654",
                serial="000123",
                file_number="001",
                processing_on=date(2026, 4, 1),
                messages=(),
                accounts=(
                    AccountTotal(
                        sort_code="089999",
                        account_number="66374958",
                        credits=Entry(Records(2, 119_871), Records(1, 5)),
                        debits=NOTHING,
                        credit_contras=Entry(Records(1, 119_876), Records(0, 0)),
                        debit_contras=NOTHING,
                    ),
                ),
            ),
        ),
        items=(
            InputItem(
                1, "DP0000003-W39", 5, SUN, SERIAL, ("REJECTED",), "DESTINATION SORT CODE INVALID"
            ),
            InputItem(
                2, "DP0000002-W39", 1, SUN, SERIAL, ("AMENDED",), "PAID TO 20-29-59 63748472"
            ),
        ),
    )
    assert (report.service_user_numbers, report.serials) == (("987654",), ("000123",))
    assert [item.outcome for item in report.items] == ["not_paid", "amended"]
    assert report.lists_every_rejection
    assert not report.files[0].refused_whole


def test_an_awacs_report_says_which_accounts_were_wrong() -> None:
    assert golden("awacs") == WrongAccounts(
        service_user_numbers=("987654",),
        reported_on=date(2026, 4, 7),
        items=(
            WrongAccount(1, "DP0000001-W39", "3", "107999", "88837491", "202959", "63748472"),
            WrongAccount(2, "DP0000002-W39", "0", "938611", "07806039", "938611", "07806038"),
        ),
    )


def test_a_status_report_says_what_became_of_some_payments() -> None:
    report = golden("pain.002.001.03")
    assert report == StatusReport(
        version="pain.002.001.03",
        message_id="BANK-20260401-0001",
        reported_on=date(2026, 4, 1),
        original_message_id="C2026-01-000001",
        original_count=4,
        original_pence=119_876,
        group_status="PART",
        group_reasons=(),
        batches=(BatchStatus("C2026-01-000001", "PART"),),
        items=(
            PaymentStatus(1, "DP0000001-W39", "RJCT", ("AC04",), 66_820),
            PaymentStatus(2, "DP0000002-W39", "PDNG", (), None),
        ),
    )
    assert [item.outcome for item in report.items] == ["rejected", "pending"]
    assert report.unlisted == "not_known"


def test_a_status_report_of_a_version_yet_unknown_is_read_by_its_names() -> None:
    """With a prefix, elements of another namespace, newer ones, and a reason in words."""
    report = golden("pain.002.001.14")
    assert report.version == "pain.002.001.14"
    assert report.items == (PaymentStatus(1, "DP0000001-W39", "ACSP", ("BANK-17", "NARR"), 66_820),)
    assert (report.reported_on, report.unlisted) == (date(2026, 4, 1), "accepted")


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.stem)
def test_a_report_has_a_kind_a_day_and_numbered_items_and_shows_no_account(path: Path) -> None:
    report = read_report(path.read_bytes())
    assert report.kind in ("input_report", "returned_credits", "wrong_accounts", "status_report")
    assert isinstance(report.reported_on, date)
    assert [item.item for item in report.items] == list(range(1, len(report.items) + 1))
    files = getattr(report, "files", ())
    shown = f"{report!r} {report.items} {files} {[file.accounts for file in files]}"
    shown += pretty_repr([report, report.items, files])
    assert report.items[0].reference in shown
    assert not re.search(r"[0-9]{8}|PAID TO|66_?820", shown)


def test_a_byte_order_mark_and_a_time_of_day_change_nothing() -> None:
    for path in GOLDEN.iterdir():
        data = path.read_bytes()
        assert read_report(b"\xef\xbb\xbf" + data) == read_report(data)
        dated = re.sub(rb'([dD]ate="20[0-9-]{8})"', rb'\1T00:00:00Z"', data)
        assert read_report(dated) == read_report(data)


def test_a_reference_that_stands_twice_is_kept_twice() -> None:
    twice = returns(A_RETURN, A_RETURN)
    assert [(item.item, item.reference) for item in twice.items] == [
        (1, A_RETURN.reference),
        (2, A_RETURN.reference),
    ]
    assert len(statuses(Status("A"), Status("A")).items) == 2


def test_a_return_without_a_reference_is_kept_for_someone_to_look_at() -> None:
    assert returns(A_RETURN._replace(reference="   ")).items[0].reference == ""


# --- ARUCS: codes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("return_code", "description", "meant"),
    [
        ("0128", "", "0"),
        ("2000", "", "2"),
        ("3000", "", "3"),
        ("5000", "", "5"),
        ("B", "", "B"),
        ("c001", "", "C"),
        ("0128", "INVALID DETAILS", "0"),
        ("", "Beneficiary  deceased ", "2"),
        ("", "ACCOUNT TRANSFERRED", "3"),
        ("9999", "NO ACCOUNT", "5"),
        ("", "REQUESTED BY ORIGINATOR", "C"),
        ("5000", "something the bank says", "5"),
        ("0128", "BENEFICIARY DECEASED", None),  # a death must not pass for a typing error
        ("9999", "something the bank says", None),
        ("", "", None),
    ],
)
def test_the_schemes_code_is_the_first_character_or_the_description_or_not_known(
    return_code: str, description: str, meant: str | None
) -> None:
    (item,) = returns(A_RETURN._replace(return_code=return_code, description=description)).items
    assert (item.reason_code, item.stated_code) == (meant, return_code.upper())


def test_a_bank_may_have_codes_of_its_own() -> None:
    names = read_arucs_names('[codes]\n"0128" = "2"\n"7" = "B"\n[descriptions]\n"GONE" = "5"')
    told = [("0128", ""), ("7001", ""), ("", "gone"), ("3000", ""), ("", "NO ACCOUNT")]
    items = [A_RETURN._replace(return_code=code, description=word) for code, word in told]
    report = read_report(arucs_xml(SUN, items, REPORTED), names)
    assert [item.reason_code for item in report.items] == ["2", "B", "5", None, None]  # type: ignore[union-attr]


# --- ARUCS: names -------------------------------------------------------------------------

OTHER_NAMES = """
report = "BACSDocument/Data/Returns/ARUCS"
header = "ReportHeader"
processing_date = "date"
service_user = "ServiceUser"
service_user_number = "sun"
section = "Account"
item = "Items/UnappliedCredit"
reference = "reference"
return_code = "code"
return_description = "reason"
original_processing_date = "processed"
amount = "amount"
currency = "ccy"
receiver = "Payee/Account"
sort_code = "sort"
account_number = "account"
totals = "Sum"
total_number = "count"
total_amount = "amount"
"""


def test_every_name_can_be_that_of_the_councils_bank() -> None:
    names = read_arucs_names(OTHER_NAMES)
    assert not set(msgspec.structs.astuple(names)[:-2]) & set(
        msgspec.structs.astuple(ArucsNames())[:-2]
    )
    data = arucs_xml(SUN, [A_RETURN, A_RETURN], REPORTED, sections=2, names=names)
    assert read_report(data, names) == returns(A_RETURN, A_RETURN)
    with pytest.raises(BankFileUnreadable, match="not a report"):
        read_report(data)


def test_the_documentation_lists_the_usual_names() -> None:
    page = (Path(__file__).parent.parent / "docs/reference/bank-reports.md").read_text("utf-8")
    (listed,) = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    assert read_arucs_names(listed) == ArucsNames()
    names = re.findall(r"^(?:\[(\w+)\]|([a-z_]+) =)", listed, flags=re.M)
    assert [table or name for table, name in names] == list(ArucsNames.__struct_fields__)


def test_names_left_out_are_the_usual_ones() -> None:
    assert read_arucs_names("") == ArucsNames()
    assert read_arucs_names('item = "Item"') == ArucsNames(item="Item")


@pytest.mark.parametrize(
    "name",
    ["header", "service_user", "section", "item", "receiver", "totals", "reference", "amount",
     "currency", "total_number", "total_amount", "sort_code", "account_number"],
)  # fmt: skip
def test_a_report_under_another_name_is_refused_never_read_as_if_it_were_empty(name: str) -> None:
    names = msgspec.structs.replace(ArucsNames(), **{name: "Another"})
    data = arucs_xml(SUN, [A_RETURN], REPORTED, names=names)
    with pytest.raises(BankFileUnreadable):
        read_report(data)
    nothing = arucs_xml(SUN, [], REPORTED, names=ArucsNames(section="Another"))
    with pytest.raises(BankFileUnreadable, match="Totals"):
        read_report(nothing)


def test_a_report_in_which_nothing_came_back_says_so_by_its_totals() -> None:
    assert returns().items == ()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("items = 'X'", "items"),
        ("item = 7", "item"),
        ("item = ''", "item: not a name"),
        ("item = 'a b'", "item: not a name"),
        ("item = 'a//b'", "item: not a name"),
        ("amount = 'a/b'", "amount: not a name"),
        ("[codes]\n'1' = '1'", "codes"),
        ("[descriptions]\n'X' = 5", "descriptions"),
        ("item = ", "not TOML"),
    ],
)
def test_names_that_cannot_be_meant_are_refused_by_their_key(toml: str, said: str) -> None:
    with pytest.raises(ReportNamesUnreadable, match=said):
        read_arucs_names(toml)


# --- the input report ---------------------------------------------------------------------


def test_a_file_of_which_nothing_was_taken_in_was_refused_whole() -> None:
    errors = [Refused("A", 3), Refused("B", 4, "RETURNED")]
    report = taken_in(accepted=(0, 0), errors=errors, message="FILE REJECTED")
    (file,) = report.files
    assert file.refused_whole
    assert (file.messages, file.rejected) == (("FILE REJECTED",), Records(2, 7))
    assert report.lists_every_rejection
    assert not taken_in().files[0].refused_whole


def test_a_message_excuses_missing_totals_and_nothing_else_does() -> None:
    written = input_report_xml(
        SUN, SERIAL, accepted=(0, 0), processing_on=PROCESSED, message="FILE REJECTED"
    )
    bare = re.sub(rb"<InputReportSummary>.*</InputReportSummary>", b"", written, flags=re.S)
    report = read_report(bare)
    assert isinstance(report, InputReport)
    assert report.files[0].refused_whole
    with pytest.raises(BankFileUnreadable, match="File 1, AccountTotal: not there"):
        read_report(bare.replace(b"FILE REJECTED", b""))


def test_a_message_on_a_day_is_a_message_on_its_file() -> None:
    written = input_report_xml(SUN, SERIAL, accepted=(1, 1), processing_on=PROCESSED)
    report = read_report(written.replace(b'LevelErrorMessage=""', b'LevelErrorMessage="LATE"'))
    assert isinstance(report, InputReport)
    assert report.files[0].messages == ("LATE",)


def test_a_rejection_that_is_counted_but_not_listed_shows() -> None:
    assert not taken_in(rejected=(2, 7), errors=[Refused("A", 3)]).lists_every_rejection
    assert not taken_in(rejected=(1, 4), errors=[Refused("A", 3)]).lists_every_rejection
    assert taken_in(errors=[Refused("A", 3), Refused("B", 9, "AMENDED")]).lists_every_rejection


def test_a_word_of_the_scheme_that_is_not_known_says_nothing() -> None:
    assert taken_in(errors=[Refused("A", 3, "REVERSED")]).items[0].outcome == "not_known"


@pytest.mark.parametrize(
    ("element", "left_out", "twice"),
    [
        ("Header", "Header, ProcessingDate: not there", "Header, ProcessingDate: more than one"),
        ("Submission", "Submission, UserFile: not there", ""),
        ("SubmissionInformation", "File 1, SubmissionInformation: not there", "more than one"),
        ("UserFile", "Submission, UserFile: not there", ""),
        ("UserFileInformation", "Errors, UserFileInformation: not before them", "more than one"),
        ("AccountTotals", "File 1, AccountTotal: not there", ""),
        ("CreditEntry", "Account 1, CreditEntry/AcceptedRecords: there are 0", "there are 2"),
        ("ErrorItem", "Item 1, ErrorItem: not there", ""),
        ("ErrorMessage", "Item 1, ErrorMessage: not there", ""),
    ],
)
def test_what_must_be_there_once_is_missed_and_not_taken_twice(
    element: str, left_out: str, twice: str
) -> None:
    written = ONE_OF_EACH["input"]
    pattern = rf"<{element}[ >].*?</{element}>".encode()
    (found, *_) = re.findall(pattern, written, flags=re.S)
    with pytest.raises(BankFileUnreadable, match=re.escape(left_out)):
        read_report(written.replace(found, b"", 1))
    if twice:
        with pytest.raises(BankFileUnreadable, match=re.escape(twice)):
            read_report(written.replace(found, found + found, 1))


def test_a_file_must_say_whose_it_is_even_without_errors() -> None:
    written = input_report_xml(SUN, SERIAL, accepted=(1, 1), processing_on=PROCESSED)
    (found,) = re.findall(rb"<UserFileInformation .*?>", written)
    with pytest.raises(BankFileUnreadable, match="File 1, UserFileInformation: not there"):
        read_report(written.replace(found + b"</UserFileInformation>", b""))


def test_without_a_day_of_production_the_report_is_of_the_processing_day() -> None:
    assert taken_in().reported_on == PROCESSED
    assert taken_in(produced_on=date(2026, 3, 31)).reported_on == date(2026, 3, 31)


def test_several_files_of_a_submission_are_kept_apart() -> None:
    """As a bureau submits them; each file's errors are its own."""
    one, two = (
        input_report_xml(
            sun, SERIAL, accepted=(n, n), processing_on=PROCESSED, errors=[Refused(sun, 5)]
        )
        for n, sun in enumerate((SUN, "123456"), 1)
    )
    (added,) = re.findall(rb"<UserFile .*</UserFile>", two, flags=re.S)
    report = read_report(one.replace(b"</Submission>", added + b"</Submission>"))
    assert isinstance(report, InputReport)
    assert report.service_user_numbers == (SUN, "123456")
    assert [file.accepted for file in report.files] == [Records(1, 1), Records(2, 2)]
    assert [(i.item, i.reference, i.service_user_number) for i in report.items] == [
        (1, SUN, SUN),
        (2, "123456", "123456"),
    ]


# --- pain.002: silence is not acceptance --------------------------------------------------


@pytest.mark.parametrize(
    ("group", "batch", "unlisted"),
    [
        ("PART", "", "not_known"),
        ("PART", "PART", "not_known"),
        ("PART", "ACCP", "not_known"),
        ("PART", "RJCT", "not_known"),
        ("", "", "not_known"),
        ("", "ACSP", "accepted"),
        ("ACCP", "", "accepted"),
        ("ACTC", "ACSC", "accepted"),
        ("RJCT", "", "rejected"),
        ("RJCT", "RJCT", "rejected"),
        ("ACCP", "RJCT", "not_known"),
        ("PDNG", "", "pending"),
        ("RCVD", "PDNG", "pending"),
        ("CANC", "", "not_known"),
    ],
)
def test_of_payments_not_listed_only_what_every_status_of_the_whole_says_is_known(
    group: str, batch: str, unlisted: str
) -> None:
    report = statuses(Status("A"), group_status=group, batch_status=batch)
    assert report.unlisted == unlisted
    assert report.items[0].outcome == "rejected"


def test_a_payment_without_a_status_says_nothing() -> None:
    assert statuses(Status("A", status="", reasons=())).items[0].outcome == "not_known"


# --- whatever is written is read back -----------------------------------------------------

_digits = st.characters(categories=(), include_characters="0123456789")
_accounts = st.tuples(
    st.text(_digits, min_size=6, max_size=6), st.text(_digits, min_size=8, max_size=8)
)
_references = st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=18
).filter(str.strip)
_pence = st.integers(1, 99_999_999_999)
_days = st.dates(date(2020, 1, 1), date(2040, 12, 31))
_codes = st.sampled_from("0235BC")
RETURNED = st.builds(
    Returned,
    reference=_references,
    amount_pence=_pence,
    return_code=_codes,
    description=st.just(""),
    account=_accounts,
    processed_on=_days,
)


@settings(deadline=None)
@given(st.lists(RETURNED, max_size=8), _days, st.integers(1, 3))
def test_every_arucs_report_written_is_read_back(
    items: list[Returned], on: date, sections: int
) -> None:
    report = read_report(arucs_xml(SUN, items, on, sections=sections))
    assert report == ReturnedCredits(
        (SUN,),
        on,
        tuple(
            ReturnedCredit(
                number,
                item.reference.strip(),
                item.amount_pence,
                item.return_code,  # type: ignore[arg-type]
                item.return_code,
                item.processed_on,
                *item.account,
            )
            for number, item in enumerate(items, 1)
        ),
    )


_refused = st.builds(
    Refused,
    reference=_references,
    amount_pence=st.integers(0, 10**9),
    error_type=st.sampled_from(["REJECTED", "RETURNED", "AMENDED"]),
    message=st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=40),
)
_records = st.tuples(st.integers(1, 10**6), st.integers(1, 10**10))


@settings(deadline=None)
@given(_records, _days, st.lists(_refused, max_size=6))
def test_every_input_report_written_is_read_back(
    accepted: tuple[int, int], on: date, errors: list[Refused]
) -> None:
    report = read_report(
        input_report_xml(SUN, SERIAL, accepted=accepted, processing_on=on, errors=errors)
    )
    assert isinstance(report, InputReport)
    assert report.lists_every_rejection
    (file,) = report.files
    (account,) = file.accounts
    assert (account.sort_code, account.account_number) == OWN_ACCOUNT
    assert (file.accepted, file.processing_on) == (Records(*accepted), on)
    assert [(i.reference, i.amount_pence, *i.error_types, i.message) for i in report.items] == [
        (e.reference.strip(), e.amount_pence, e.error_type, e.message) for e in errors
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.builds(NewAccount, _references, st.sampled_from("03"), _accounts, _accounts),
        min_size=1,
        max_size=8,
    ),
    _days,
)
def test_every_awacs_report_written_is_read_back(items: list[NewAccount], on: date) -> None:
    report = read_report(awacs_xml(SUN, items, on))
    assert report == WrongAccounts(
        (SUN,),
        on,
        tuple(
            WrongAccount(number, i.reference.strip(), i.reason_code, *i.old, *i.new)  # type: ignore[arg-type]
            for number, i in enumerate(items, 1)
        ),
    )


_statuses = st.builds(
    Status,
    reference=_references,
    status=st.sampled_from(["", "RJCT", "ACSP", "PDNG", "ACSC", "CANC"]),
    reasons=st.lists(st.sampled_from(["AC01", "AC04", "AM05"]), max_size=3).map(tuple),
    amount_pence=st.none() | _pence,
)


@settings(deadline=None)
@given(
    st.lists(_statuses, max_size=8),
    _days,
    st.none() | _records,
    st.integers(3, 99).map(lambda n: f"pain.002.001.{n:02d}"),
)
def test_every_status_report_written_is_read_back(
    items: list[Status], on: date, original: tuple[int, int] | None, version: str
) -> None:
    report = read_report(pain002_xml(MESSAGE, items, on, original=original, version=version))
    assert isinstance(report, StatusReport)
    assert (report.version, report.reported_on) == (version, on)
    assert (report.original_message_id, report.message_id) == (MESSAGE, "BANK-0001")
    assert (report.original_count, report.original_pence) == (original or (None, None))
    assert report.items == tuple(
        PaymentStatus(n, i.reference.strip(), i.status, i.reasons, i.amount_pence)
        for n, i in enumerate(items, 1)
    )


# --- a penny out, a byte short ------------------------------------------------------------

ONE_OF_EACH: dict[str, bytes] = {
    "arucs": arucs_xml(SUN, [A_RETURN, Returned("B", 31_005)], REPORTED, sections=2),
    "input": input_report_xml(
        SUN, SERIAL, accepted=(2, 119_871), processing_on=PROCESSED, errors=[Refused("A", 5)]
    ),
    "awacs": awacs_xml(SUN, [NewAccount("A"), NewAccount("B", "0")], REPORTED),
    "pain.002": pain002_xml(MESSAGE, [Status("A", amount_pence=5)], PROCESSED, original=(9, 99)),
}


@settings(deadline=None)
@given(st.lists(RETURNED, min_size=1, max_size=6), st.data())
def test_any_digit_of_money_or_number_changed_in_an_arucs_report_is_refused(
    items: list[Returned], data: st.DataObject
) -> None:
    written = arucs_xml(SUN, items, REPORTED)
    stated = list(re.finditer(rb'(?:valueOf|numberOf)="([0-9.]+)"', written))
    match = data.draw(st.sampled_from(stated))
    at = data.draw(st.sampled_from([n for n in range(*match.span(1)) if written[n] != ord(".")]))
    digit = data.draw(st.sampled_from(b"0123456789").filter(lambda d: d != written[at]))
    with pytest.raises(BankFileUnreadable):
        read_report(written[:at] + bytes([digit]) + written[at + 1 :])


def test_any_digit_of_an_accounts_totals_changed_in_an_input_report_is_refused() -> None:
    written = ONE_OF_EACH["input"]
    (within,) = re.finditer(rb"<AccountTotal .*</AccountTotal>", written, flags=re.S)
    digits = [
        at
        for match in re.finditer(rb'(?:valueOf|numberOf)="([0-9.]+)"', written)
        for at in range(*match.span(1))
        if within.start() < at < within.end() and written[at] != ord(".")
    ]
    assert len(digits) > 40
    for at in digits:
        other = b"1" if written[at] != ord("1") else b"2"
        with pytest.raises(BankFileUnreadable, match="do not make the total"):
            read_report(written[:at] + other + written[at + 1 :])


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_report_cut_off_anywhere_is_refused(kind: str) -> None:
    data = ONE_OF_EACH[kind]
    for kept in range(len(data)):
        with pytest.raises(BankFileUnreadable):
            read_report(data[:kept])


# --- refused where the fault is -----------------------------------------------------------


WRONG = [
    ("arucs", "668.20", "668.2", "Item 1, valueOf: not pounds and two digits of pence"),
    ("arucs", "668.20", "66820", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "668.200", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "£668.20", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "-668.20", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "1,668.20", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "66٨.20", "Item 1, valueOf: not pounds"),
    ("arucs", "668.20", "0.00", "Item 1, valueOf: nothing"),
    ("arucs", "310.05", "310.06", "Totals, valueOf: the items make 31006 pence"),
    ("arucs", 'numberOf="1"', 'numberOf="2"', "Totals, numberOf: there are 1 items"),
    ("arucs", 'currency="GBP"', 'currency="EUR"', "Item 1, currency: not GBP"),
    ("arucs", "2026-04-01", "2026-02-30", "Item 1, originalProcessingDate: not a day"),
    ("arucs", "2026-04-01", "01/04/2026", "Item 1, originalProcessingDate: not a day"),
    ("arucs", "2026-04-08", "", "Header, currentProcessingDate: not a day"),
    ("arucs", 'number="88837491"', 'number="8883749"', "Item 1, number: not eight digits"),
    ("arucs", "107999", "10-7999", "Item 1, sortCode: not a sort code"),
    ("arucs", ' ref="DP', ' rfe="DP', "Item 1, ref: not there"),
    ("arucs", "DP0000001-W39", "Ł", "Item 1, ref: not a reference"),
    ("arucs", "DP0000001-W39", "D" * 36, "Item 1, ref: not a reference"),
    ("arucs", '"0128"', '"012800000"', "Item 1, returnCode: not a code"),
    ("arucs", '"987654"', '"98765"', "Service user, userNumber: not six digits"),
    ("arucs", "<Header ", "<Header/><Header ", "Header, currentProcessingDate: not there"),
    ("arucs", "<Data>", "<Data><ARUDD/>", "File, element: not what belongs there"),
    ("arucs", "</ARUCS>", "</ARUCS><ARUCS/>", "File, ARUCS: more than one"),
    ("arucs", "<Advice>", "<Advice><ReturnedCreditItem/>", "ReturnedCreditItem: not where it"),
    ("input", "REFT2013", "REFT2014", "Header, reportType: not REFT2013"),
    ("input", 'fileCurrency="GBP"', 'fileCurrency="EUR"', "File 1, fileCurrency: not GBP"),
    ("input", '"000123"', '"123"', "Submission, volumeSerialNumber: not a submission serial"),
    ("input", ' currency="GBP"', "", "Account 1, CreditEntry/AcceptedRecords, currency: not there"),
    ("input", 'valueOf="0.05">', ">", "CreditEntry/RejectedRecords, valueOf: not there"),
    ("input", "AcceptedRecords", "Accepted", "not well-formed"),
    ("input", ' type="REJECTED"', "", "Item 1, type: not there"),
    ("input", "<Errors>", "<Errors><ErrorItem/>", "File, ErrorItem: not where it belongs"),
    ("input", "<ProcessingDate date", "<ProcessingDate day", "Header, date: not there"),
    ("awacs", 'record-type="W"', 'record-type="A"', "not a report that this ledger reads"),
    ("awacs", "<MessagingHeader ", "<MessagingHeader/><MessagingHeader ", "user-number: not there"),
    ("awacs", "<MessagingError>", "<MessagingHeader/><MessagingError>", "Header: there are 2"),
    ("awacs", '"W" reference="B"', '"A" reference="B"', "Item 2, record-type: not W"),
    ("awacs", 'reason-code="3"', 'reason-code="2"', "Item 1, reason-code: not 0 or 3"),
    ("awacs", ' payer-new-sort-code="202959"', "", "Item 1, payer-new-sort-code: not there"),
    ("awacs", "63748472", "6374847 ", "Item 1, payer-new-account-number: not eight digits"),
    ("awacs", '"987654" rec', '"987655" rec', "Item 1, user-number: not the header's"),
    ("pain.002", "pain.002.001.03", "pain.002.001.3", "File, namespace: not pain.002"),
    ("pain.002", "tech:xsd:pain.002", "tech:xsd:camt.053", "File, namespace: not pain.002"),
    ("pain.002", "pain.001.001.09", "pain.008.001.02", "OrgnlMsgNmId: not of a credit transfer"),
    ("pain.002", ">0.05<", ">0.055<", "Item 1, InstdAmt: not pounds and whole pence"),
    ("pain.002", ">0.05<", ">5E-2<", "Item 1, InstdAmt: not pounds"),
    ("pain.002", 'Ccy="GBP"', 'Ccy="EUR"', "Item 1, InstdAmt: not in GBP"),
    ("pain.002", ' Ccy="GBP"', "", "Item 1, InstdAmt: not in GBP"),
    ("pain.002", ">0.99<", ">0.999<", "Group, OrgnlCtrlSum: not pounds"),
    ("pain.002", ">9<", ">9.0<", "Group, OrgnlNbOfTxs: not a whole number"),
    ("pain.002", ">RJCT<", ">Rejected<", "Item 1, TxSts: not a status"),
    (
        "pain.002",
        "<TxInf",
        "<PmtInfSts>ACCP</PmtInfSts>" * 2 + "<TxInf",
        "Batch 1, PmtInfSts: more",
    ),
    ("pain.002", ">A<", "><", "Item 1, OrgnlEndToEndId: empty"),
    (
        "pain.002",
        "<OrgnlEndToEndId>A</OrgnlEndToEndId>",
        "",
        "Item 1, OrgnlEndToEndId: there are 0",
    ),
    ("pain.002", "<TxSts>", "<TxSts>ACSP</TxSts><TxSts>", "Item 1, TxSts: there are 2, not one"),
    ("pain.002", ">2026-04-01T", ">2026-04-31T", "Header, CreDtTm: not a day"),
    ("pain.002", "<GrpHdr>", "<GrpHdr/><GrpHdr>", "Header, GrpHdr: there are 2, not one"),
    ("pain.002", "<OrgnlPmt", "<TxInfAndSts/><OrgnlPmt", "File, TxInfAndSts: not where it belongs"),
]


@pytest.mark.parametrize(("kind", "old", "new", "said"), WRONG)
def test_a_report_that_is_not_right_is_refused_where_the_fault_is(
    kind: str, old: str, new: str, said: str
) -> None:
    assert old.encode() in ONE_OF_EACH[kind]
    damaged = ONE_OF_EACH[kind].replace(old.encode(), new.encode(), 1)
    with pytest.raises(BankFileUnreadable, match=re.escape(said)) as refused:
        read_report(damaged)
    told = f"{refused.value} {refused.value.details}"
    accounts = (*AN_ACCOUNT, *ANOTHER_ACCOUNT, *OWN_ACCOUNT)
    assert not any(number in told for number in accounts)


@pytest.mark.parametrize(
    "path", sorted((GOLDEN.parent / "pain001").glob("*.xml")), ids=lambda path: path.name
)
def test_a_file_that_is_no_report_is_refused_by_name(path: Path) -> None:
    with pytest.raises(BankFileUnreadable, match="File, report: not a report that this ledger"):
        read_report(path.read_bytes())


def test_every_reader_refuses_the_others_reports() -> None:
    readers = {
        "arucs": arucs.read_arucs,
        "input": input_report.read_input_report,
        "awacs": awacs.read_awacs,
        "pain.002": pain002.read_pain002,
    }
    for kind, reader in readers.items():
        for other, data in ONE_OF_EACH.items():
            if other == kind:
                assert reader(data) == read_report(data)  # type: ignore[operator]
            else:
                with pytest.raises(BankFileUnreadable):
                    reader(data)  # type: ignore[operator]


def test_wrong_accounts_without_any_are_no_report() -> None:
    with pytest.raises(BankFileUnreadable, match="Report, MessagingAdvice: not there"):
        awacs.read_awacs(awacs_xml(SUN, [], REPORTED))


# --- a whole cycle ------------------------------------------------------------------------


def test_a_report_of_twenty_thousand_payments_is_read_in_seconds() -> None:
    references = [f"DP{n:07d}-W39" for n in range(20_000)]
    files = {
        "ARUCS": arucs_xml(SUN, [Returned(r, 66_820) for r in references], REPORTED),
        "pain.002": pain002_xml(
            MESSAGE, [Status(r, amount_pence=66_820) for r in references], PROCESSED
        ),
    }
    for kind, data in files.items():
        start = time.process_time()
        report = read_report(data)
        took = time.process_time() - start
        print(f"{kind}: 20,000 items, {len(data):,} bytes, {took:.2f} s")
        assert [item.reference for item in report.items] == references
        assert took < 5, "about 1 s"
