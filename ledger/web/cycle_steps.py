"""The steps of a payment cycle: prepare, decide, make the bank file, settle, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select

from ledger.access.guard import actor_of, needs
from ledger.access.reach import own_budgets
from ledger.access.roles import Permission
from ledger.aggregates.cycle_events import RejectionReason
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.application import Ledger
from ledger.commands import require_keepable
from ledger.config import Settings
from ledger.cycle_differences import CAUSES
from ledger.cycle_reading import CycleNow, read_cycle
from ledger.errors import Refusal
from ledger.payment_run import (
    Progress,
    approve_cycle,
    cancel_cycle,
    issue_cycle,
    prepare_cycle,
    settle_cycle,
)
from ledger.projections.registers import Budgets
from ledger.statements.cycle_report import NAMES, signed
from ledger.web.asking import ledger_of, said_now, today_in_england
from ledger.web.command_words import Asked, answer
from ledger.web.cycle_findings import differences
from ledger.web.cycles import all_exceptions, cycle_facts, kinds_of
from ledger.web.file_choice import file_question, kind_chosen
from ledger.web.forms import Form, Sent
from ledger.web.long_work import see_through
from ledger.web.pages import page
from ledger.web.questions import Question, day, faults_in, period, read_answers, starting

router = APIRouter(include_in_schema=False)
_AT = "/cycles/{reference:cycle}"


def _said(request: Request, effective_on: date) -> Said:
    require_keepable(effective_on, "effective_on")
    return said_now(request, effective_on)


# --- preparing --------------------------------------------------------------------------------

_PREPARE = [
    Question(
        "reference",
        "text",
        Asked("Reference of the cycle", "It names the bank file, such as C2026-05."),
    ),
    period("period", Asked("For which days?")),
    day("pay_on", Asked("On which day is it paid?", "A working day.")),
    Question(
        "only",
        "each_line",
        Asked("Only some budgets?", "For an off-cycle run: their references, one on each line."),
    ),
    Question(
        "reissue",
        "each_line",
        Asked("Payments to send again?", "References of payments that came back."),
    ),
    Question(
        "release",
        "each_line",
        Asked("Budgets to release?", "References of budgets that a rule of yours would hold back."),
    ),
]


@router.get("/cycles/prepare")
@needs("cycles.prepare")
def prepare_form(request: Request) -> Response:
    """Ask what is to be prepared."""
    return _prepare_page(request, starting(_PREPARE))


@router.post("/cycles/prepare")
@needs("cycles.prepare")
def prepare(request: Request, form: Sent) -> Response:
    """Work out every budget's payment for the days asked for."""
    answers = read_answers(_PREPARE, form)
    if answers.faults:
        return _prepare_page(request, form, answers.faults)
    given = answers.given
    ledger = ledger_of(request)
    reference, accompanied = given.pop("reference"), _said(request, today_in_england())
    try:
        for name, value in given.items():
            require_keepable(value, name)
        only = given.pop("only") or None
        return see_through(
            request,
            f"Preparing {reference}",
            f"/cycles/{reference}",
            len(only) if only else _budget_count(ledger),
            lambda progress: prepare_cycle(
                ledger,
                reference,
                only=only,
                **given,
                own=own_budgets(ledger, actor_of(request)),
                said=accompanied,
                progress=progress,
            ),
        )
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        return _prepare_page(request, form, refusal=refusal)


def _budget_count(ledger: Ledger) -> int:
    """How many budgets there are, as the register has it."""
    with ledger.engine.connect() as connection:
        query = select(func.count()).select_from(Budgets.table)
        return connection.execute(query).scalar_one()


def _prepare_page(
    request: Request,
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    told = faults_in(_PREPARE, faults or {}, refusal)
    return page(request, "cycle_prepare.html", asks=_PREPARE, form=form, **told._asdict())


# --- deciding ---------------------------------------------------------------------------------

_REASON = Question(
    "reason_code",
    "choice",
    Asked("Why is it turned down?"),
    choices=tuple((code, answer(code)) for code in get_args(RejectionReason)),
)


@router.get(f"{_AT}/decide")
@needs("cycles.approve")
def decide(request: Request, reference: str) -> Response:
    """Everything that one approves by, on one page, with the total and the hash that are seen."""
    return _decide_page(request, reference, Form())


@router.post(f"{_AT}/approve")
@needs("cycles.approve")
def approve(request: Request, reference: str, form: Sent) -> Response:
    """Approve exactly the total and the hash that were on the page."""
    total = form.text("total_pence")
    seen = int(total) if total.isascii() and total.isdigit() and len(total) < 15 else -1
    return _decided(
        request,
        reference,
        form,
        "Approving",
        lambda ledger, accompanied, progress: approve_cycle(
            ledger,
            reference,
            total_pence=seen,
            lines_sha256=form.text("lines_sha256"),
            said=accompanied,
            own=own_budgets(ledger, actor_of(request)),
            progress=progress,
        ),
    )


@router.post(f"{_AT}/reject")
@needs("cycles.approve")
def reject(request: Request, reference: str, form: Sent) -> Response:
    """Turn the cycle down; it can be prepared again."""
    answers = read_answers([_REASON], form)
    if answers.faults:
        return _decide_page(request, reference, form, answers.faults)
    return _decided(
        request,
        reference,
        form,
        "Turning down",
        lambda ledger, accompanied, _progress: ledger.change(
            PaymentCycle,
            reference,
            lambda cycle: cycle.reject(**answers.given, **accompanied),
        ),
    )


def _decided(
    request: Request,
    reference: str,
    form: Form,
    doing: str,
    take: Callable[[Ledger, Said, Progress], object],
) -> Response:
    """Decide, or show what there is now with why it was not done."""
    ledger = ledger_of(request)
    accompanied = _said(request, today_in_england())
    try:
        return see_through(
            request,
            f"{doing} {reference}",
            f"/cycles/{reference}",
            read_cycle(ledger, reference).prepared.line_count,
            lambda progress: take(ledger, accompanied, progress),
        )
    except Refusal as refusal:
        if refusal.status >= 500 or refusal.status == 404:
            raise
        return _decide_page(request, reference, form, refusal=refusal)


def _decide_page(
    request: Request,
    reference: str,
    form: Form,
    faults: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    now = read_cycle(ledger_of(request), reference)
    found = differences(request, now, patiently=request.method == "POST")
    if isinstance(found, Response):
        return found
    told = faults_in([_REASON], faults or {}, refusal)
    return page(
        request,
        "cycle_decide.html",
        **cycle_facts(now),
        found=found,
        kinds=kinds_of(all_exceptions(now)),
        meanings=EXCEPTIONS,
        causes=CAUSES,
        names=NAMES,
        signed=signed,
        reason=_REASON,
        form=form,
        **told._asdict(),
    )


# --- the other steps --------------------------------------------------------------------------


class _Step(NamedTuple):
    """A step that asks for its day, and hardly for more: what it says, and what it does."""

    name: str
    permission: Permission
    title: str
    explained: str
    day: Asked
    usual_day: Callable[[CycleNow], date]
    take: Callable[[Ledger, str, dict[str, Any], Said, Progress], object]
    doing: str
    tells_progress: bool = False
    asks_more: Callable[[Settings], list[Question]] = lambda _settings: []


_STEPS = (
    _Step(
        "withdraw",
        "cycles.prepare",
        "Withdraw the cycle",
        "Nothing of it is paid, and every payment it promised is cancelled. What they were for is "
        "owed again, and the next cycle pays it.",
        Asked("From which day does it count?"),
        lambda _now: today_in_england(),
        lambda ledger, reference, _given, said, _progress: cancel_cycle(
            ledger, reference, said=said
        ),
        "Withdrawing",
    ),
    _Step(
        "issue",
        "cycles.prepare",
        "Make the bank file",
        "The file is made from exactly the lines that were approved, checked by a separate reader, "
        "and kept: the same bytes can be fetched at any time.",
        Asked("On which day is it made and sent?"),
        lambda _now: today_in_england(),
        lambda ledger, reference, given, said, _progress: issue_cycle(
            ledger,
            reference,
            created_on=said["effective_on"],
            said=said,
            kind=kind_chosen(given["file_kind"]),
        ),
        "Making the bank file of",
        asks_more=lambda settings: [file_question(settings)],
    ),
    _Step(
        "settle",
        "cycles.prepare",
        "The bank has paid",
        "Every payment that has not come back is confirmed, and then the cycle.",
        Asked("On which day did the bank pay?", "Not before the cycle’s pay date."),
        lambda now: now.prepared.pay_on,
        lambda ledger, reference, _given, said, progress: settle_cycle(
            ledger, reference, said=said, progress=progress
        ),
        "Settling",
        tells_progress=True,
    ),
)


def _routes(step: _Step) -> None:
    """A page for one step, and what it sends."""

    def answered(
        request: Request,
        now: CycleNow,
        asks: list[Question],
        form: Form,
        faults: dict[str, str],
        refusal: Refusal | None = None,
    ) -> Response:
        told = faults_in(asks, faults, refusal)
        return page(
            request,
            "cycle_step.html",
            **cycle_facts(now),
            step=step,
            asks=asks,
            form=form,
            **told._asdict(),
        )

    def asking(request: Request, reference: str) -> tuple[CycleNow, list[Question]]:
        ledger = ledger_of(request)
        now = read_cycle(ledger, reference)
        asked_day = day("effective_on", step.day, default=step.usual_day(now))
        return now, [asked_day, *step.asks_more(ledger.settings)]

    def show(request: Request, reference: str) -> Response:
        now, asks = asking(request, reference)
        return answered(request, now, asks, starting(asks), {})

    def take(request: Request, reference: str, form: Sent) -> Response:
        now, asks = asking(request, reference)
        answers = read_answers(asks, form)
        if answers.faults:
            return answered(request, now, asks, form, answers.faults)
        ledger = ledger_of(request)
        try:
            accompanied = _said(request, answers.given["effective_on"])
            return see_through(
                request,
                f"{step.doing} {reference}",
                f"/cycles/{reference}",
                now.prepared.line_count if step.tells_progress else 0,
                lambda progress: step.take(ledger, reference, answers.given, accompanied, progress),
            )
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            return answered(request, now, asks, form, {}, refusal)

    handlers: list[tuple[str, Callable[..., Any]]] = [("GET", show), ("POST", take)]
    for method, handler in handlers:
        router.add_api_route(
            f"{_AT}/{step.name}", needs(step.permission)(handler), methods=[method]
        )


for _step in _STEPS:
    _routes(_step)
