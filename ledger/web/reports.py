"""What banks send back: a report brought in, what came of it, and the items that wait, each seen
to on a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.access.reach import own_budgets
from ledger.aggregates.bank_report import (
    DISMISSED_BECAUSE,
    QUEUED_BECAUSE,
    BankReport,
    ReportKind,
)
from ledger.bank_reports import import_report, report_names
from ledger.commands import require_keepable
from ledger.errors import MediaTypeNotTaken, Refusal
from ledger.projections.words import REJECTION_REASONS, RETURN_REASONS, begun
from ledger.report_queue import match_item
from ledger.statements.wording import pounds
from ledger.waiting_items import ItemNow, read_item
from ledger.web.asking import ledger_of, said_now, today_in_england
from ledger.web.command_words import Asked
from ledger.web.forms import Form, Sent
from ledger.web.long_work import see_through
from ledger.web.pages import page, see_other
from ledger.web.paging import PageAsked, paging
from ledger.web.questions import NONE, Answers, Question, faults_in, read_answers
from ledger.web.uploads import Uploaded

router = APIRouter(include_in_schema=False)
_AT = "/reports/{reference:cycle}"
_ITEM = f"{_AT}/items/{{item}}"
ItemNumber = Annotated[int, Path(ge=1, le=1_000_000)]

KINDS: dict[ReportKind, str] = {
    "input_report": "Bacs input report: what Bacs took of a file",
    "returned_credits": "ARUCS: payments that came back",
    "wrong_accounts": "AWACS: accounts that payees have now",
    "status_report": "pain.002: what became of a file",
}
_XML = ("application/xml", "text/xml", "application/octet-stream", "")
"""What browsers say of a report's file; some know nothing of XML and say so. What it is, is proved
when it is read."""


# --- bringing one in --------------------------------------------------------------------------


@router.get("/reports/bring-in")
@needs("reports.import")
def choose_file(request: Request) -> Response:
    """Ask for the file."""
    return _upload_page(request)


@router.post("/reports/bring-in")
@needs("reports.import")
def bring_in(request: Request, upload: Uploaded) -> Response:
    """Record all that a report says, or nothing and say what is wrong with the file."""
    if not upload.content:
        return _upload_page(request, "Choose a file", 422)
    ledger, said = ledger_of(request), said_now(request, today_in_england())
    try:
        if upload.media_type not in _XML:
            raise MediaTypeNotTaken("A report is an XML file, as the bank gives it.")
        names = report_names(ledger.settings)
        return see_through(
            request,
            "Bringing in a bank report",
            lambda result: f"/reports/{result.reference}",
            0,
            lambda _progress: import_report(ledger, upload.content, said, names=names),
        )
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        return _upload_page(request, str(refusal), refusal.status)


def _upload_page(request: Request, fault: str = "", status: int = 200) -> Response:
    return page(request, "report_bring_in.html", status, fault=fault)


@router.get(_AT)
@needs("reports.read")
def show(
    request: Request, reference: str, number: Annotated[PageAsked, Query(alias="page")] = 1
) -> Response:
    """What came of a report, and what of it waits."""
    report = ledger_of(request).load(BankReport, reference)
    assert report.imported is not None, "a loaded report was brought in"
    waiting = [report.queue[item] for item in sorted(report.queue.keys() - report.resolved)]
    at = paging(request, number, len(waiting))
    return page(
        request,
        "report.html",
        report=report.imported,
        kind=KINDS[report.imported.kind],
        waiting=at.of(waiting),
        at=at,
        meanings=QUEUED_BECAUSE,
    )


# --- an item that waits -----------------------------------------------------------------------

_DISMISSAL = Question(
    "dismissal",
    "choice",
    Asked("Why is nothing to be recorded?"),
    choices=tuple(DISMISSED_BECAUSE.items()),
)


@router.get(_ITEM)
@needs("reports.read")
def show_item(request: Request, reference: str, item: ItemNumber) -> Response:
    """What the bank said, why it waits, and the payments it may be about."""
    return _item_page(request, read_item(ledger_of(request), reference, item), Form())


@router.post(f"{_ITEM}/match")
@needs("reports.import")
def match(request: Request, reference: str, item: ItemNumber, form: Sent) -> Response:
    """Record it on the payment that it is about."""
    ledger = ledger_of(request)
    now = read_item(ledger, reference, item)
    given, faults = _matched(read_answers(_match_asks(now), form), form)
    if faults:
        return _item_page(request, now, form, faults)
    try:
        for name in _BY_HAND:
            require_keepable(given[name], name)
        match_item(
            ledger,
            reference,
            item,
            budget_reference=given["whose"],
            payment_reference=given["payment"],
            reason_code=given.get("reason_code", ""),
            said=said_now(request, today_in_england()),
            own=own_budgets(ledger, actor_of(request)),
        )
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        return _item_page(request, now, form, refusal=refusal)
    return see_other(f"/reports/{reference}")


@router.post(f"{_ITEM}/dismiss")
@needs("reports.import")
def dismiss(request: Request, reference: str, item: ItemNumber, form: Sent) -> Response:
    """Decide that nothing is to be recorded for it."""
    ledger = ledger_of(request)
    now = read_item(ledger, reference, item)
    answers = read_answers([_DISMISSAL], form)
    if answers.faults:
        return _item_page(request, now, form, answers.faults)
    said = said_now(request, today_in_england())
    ledger.change(
        BankReport,
        reference,
        lambda report: report.dismiss(item=item, reason_code=answers.given["dismissal"], **said),
    )
    return see_other(f"/reports/{reference}")


_BY_HAND = ("whose", "payment")


def _match_asks(now: ItemNow) -> list[Question]:
    """Which payment it is about and, if the bank's code does not say, why."""
    fitting = [
        (
            f"{one.whose_reference} {one.payment_reference}",
            f"{one.payment_reference} of {one.whose_reference}, {pounds(one.amount_pence)}",
        )
        for one in now.payments
        if one.fits
    ]
    budget = Asked("Budget", "For a credit to a provider, the provider’s reference.")
    payment = Asked("Payment", "Its reference, or that of the credit.")
    by_hand = [Question("whose", "text", budget), Question("payment", "text", payment)]
    asks = by_hand
    if fitting:
        choices = (*fitting, (NONE, "Another payment, named below"))
        which = Question("about", "choice", Asked("Which payment is it about?"), False, choices)
        asks = [which, *(question._replace(required=False) for question in by_hand)]
    reasons = _reasons(now)
    if now.queued.code not in reasons:
        told = tuple((code, f"{begun(meaning)} ({code})") for code, meaning in reasons.items())
        why = Asked("Why, as far as the bank says?")
        asks.append(Question("reason_code", "choice", why, choices=told))
    return asks


def _matched(answers: Answers, form: Form) -> tuple[dict[str, str], dict[str, str]]:
    """The payment chosen, or else named, and why; and what is wrong with the answers."""
    given, faults = dict(answers.given), dict(answers.faults)
    chosen, named = given.pop("about", None), [name for name in _BY_HAND if name in given]
    if chosen is not None and named:
        faults["about"] = "Choose a payment, or name another one below: not both"
    elif chosen is not None:
        given["whose"], given["payment"] = chosen.split()
    elif form.text("about") != NONE and not named and not faults.keys() & {"about", *_BY_HAND}:
        faults["about"] = "Choose one"
    elif "about" not in faults:
        faults |= {name: "Enter this" for name in _BY_HAND if name not in given}
    return given, faults


def _reasons(now: ItemNow) -> Mapping[str, str]:
    is_return = now.report.kind in ("returned_credits", "wrong_accounts")
    return RETURN_REASONS if is_return else REJECTION_REASONS


def _item_page(
    request: Request,
    now: ItemNow,
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    may_match = now.report.kind != "wrong_accounts"  # an account is put forward by hand
    asks = _match_asks(now) if may_match else []
    told = faults_in([*asks, _DISMISSAL], faults or {}, refusal)
    return page(
        request,
        "report_item.html",
        now=now,
        kind=KINDS[now.report.kind],
        because=QUEUED_BECAUSE[now.queued.because],
        meaning=_reasons(now).get(now.queued.code, ""),
        asks=asks,
        dismissal=_DISMISSAL,
        acts=actor_of(request).reach("reports.import") == "all",
        form=form,
        **told._asdict(),
    )
