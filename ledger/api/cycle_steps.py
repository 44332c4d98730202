"""The steps of a payment cycle: prepare, approve, reject, cancel, issue, settle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.reach import own_budgets
from ledger.aggregates.cycle_events import RejectionReason
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.api.cycle_shown import Cycle, shown
from ledger.api.idempotency import REPLAYED, Once
from ledger.api.openapi import writes
from ledger.api.requests import BodyOf, LongRoute, Write, Writing, today
from ledger.application import require_version
from ledger.bank_file import asked_kind
from ledger.commands import require_keepable
from ledger.config import FileFormat, ServiceLevel
from ledger.cycle_reading import CycleNow, read_cycle
from ledger.dates import Period
from ledger.payment_run import approve_cycle, cancel_cycle, issue_cycle, prepare_cycle, settle_cycle
from ledger.store import Beside

router = APIRouter(tags=["cycles"], route_class=LongRoute)
_AT = "/v1/cycles/{reference:cycle}"
_takes = partial(writes, Cycle, if_match=True)


# --- what is asked ------------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step that needs nothing more than the day it takes effect."""

    effective_on: date


class PrepareCycle(Step, frozen=True, kw_only=True):
    """The period to pay for and the day to pay on.

    `only` names the budgets of an off-cycle run (null: all of them); `reissue` names payments
    that came back, to be sent again; `release` names budgets that a rule would hold back."""

    period: Period
    pay_on: date
    only: tuple[str, ...] | None = None
    reissue: tuple[str, ...] = ()
    release: tuple[str, ...] = ()


class ApproveCycle(Step, frozen=True, kw_only=True):
    """The total and the hash that the approver looked at."""

    total_pence: int
    lines_sha256: str


class RejectCycle(Step, frozen=True, kw_only=True):
    """Why the cycle is turned down."""

    reason_code: RejectionReason


class IssueCycle(Step, frozen=True, kw_only=True):
    """The day the bank file is made and sent; today, if not given.

    `format`, and with pain.001 `service_level`, are those of this one file; as the server is set
    up, if not given. With the service level URNS or URGP the money goes by Faster Payments, and
    the file may be made on the pay date itself."""

    created_on: date | None = None
    format: FileFormat | None = None
    service_level: ServiceLevel | None = None


# --- steps --------------------------------------------------------------------------------

_prepare, _approve, _reject = BodyOf(PrepareCycle), BodyOf(ApproveCycle), BodyOf(RejectCycle)
_cancel, _issue, _settle = BodyOf(Step), BodyOf(IssueCycle), BodyOf(Step)


@router.post(f"{_AT}/prepare", summary="Prepare a cycle",
             **_takes(PrepareCycle, created="The cycle is new."))  # fmt: skip
@needs("cycles.prepare")
def prepare(reference: str, write: Writing) -> Response:
    """Work out every budget's payment for a period; again replaces what was prepared before."""
    body = _prepare.read(write.body)
    for name in ("period", "pay_on", "only", "reissue", "release"):
        require_keepable(getattr(body, name), name)

    once = Once(write)

    def row(cycle: PaymentCycle, events: Sequence[Recorded]) -> list[Beside]:
        is_new = len(events) == cycle.version
        return [once.row(shown(CycleNow.whole(cycle)), 201 if is_new else 200)]

    def change() -> None:
        _require_version(write, reference)
        prepare_cycle(
            write.ledger,
            reference,
            period=body.period,
            pay_on=body.pay_on,
            only=body.only,
            reissue=body.reissue,
            release=body.release,
            own=own_budgets(write.ledger, write.actor),
            said=write.said(body.effective_on),
            beside=row,
        )

    return once.do(change, look_first=True)


def _require_version(write: Write, reference: str) -> None:
    """If-Match, before anything long is begun; the cycle's own rules guard what comes after."""
    if write.expected_version is not None:
        version = read_cycle(write.ledger, reference).version
        require_version(reference, version, write.expected_version)


def _step(
    write: Write, reference: str, effective_on: date, take: Callable[[Said, Any], object]
) -> Response:
    """Take a step of a cycle once; `take` is given what accompanies it and the key's row."""
    once = Once(write)
    said = write.said(effective_on)

    def row(cycle: PaymentCycle, _events: Sequence[Recorded]) -> list[Beside]:
        return [once.row(shown(CycleNow.whole(cycle)))]

    def change() -> None:
        _require_version(write, reference)
        take(said, row)

    return once.do(change, look_first=True)


@router.post(f"{_AT}/approve", summary="Approve a cycle", **_takes(ApproveCycle))
@needs("cycles.approve")
def approve(reference: str, write: Writing) -> Response:
    """Approve exactly the total and hash that were looked at, by someone other than who
    prepared it; every payment is then promised on its budget, in one transaction."""
    body = _approve.read(write.body)
    return _step(
        write,
        reference,
        body.effective_on,
        lambda said, row: approve_cycle(
            write.ledger,
            reference,
            total_pence=body.total_pence,
            lines_sha256=body.lines_sha256,
            said=said,
            own=own_budgets(write.ledger, write.actor),
            beside=row,
        ),
    )


@router.post(f"{_AT}/reject", summary="Reject a cycle", **_takes(RejectCycle))
@needs("cycles.approve")
def reject(reference: str, write: Writing) -> Response:
    """Turn the cycle down, by someone other than who prepared it. It can be prepared again."""
    body = _reject.read(write.body)
    return _step(
        write,
        reference,
        body.effective_on,
        lambda said, row: write.ledger.change(
            PaymentCycle,
            reference,
            lambda cycle: cycle.reject(reason_code=body.reason_code, **said),
            beside=row,
        ),
    )


@router.post(f"{_AT}/cancel", summary="Cancel a cycle", **_takes(Step))
@needs("cycles.prepare")
def cancel(reference: str, write: Writing) -> Response:
    """Withdraw a cycle before any bank file, and every payment it promised."""
    return _step(
        write,
        reference,
        _cancel.read(write.body).effective_on,
        lambda said, row: cancel_cycle(write.ledger, reference, said=said, beside=row),
    )


@router.post(f"{_AT}/issue", summary="Make the bank file", **_takes(IssueCycle))
@needs("cycles.prepare")
def issue(reference: str, write: Writing) -> Response:
    """Make the bank file of an approved cycle, and write it into the server's folder of files."""
    body = _issue.read(write.body)
    kind = asked_kind(write.ledger.settings, body.format, body.service_level)
    created_on = body.created_on or today()
    require_keepable(created_on, "created_on")

    def take(said: Said, row: Any) -> None:
        issue_cycle(
            write.ledger, reference, created_on=created_on, said=said, kind=kind, beside=row
        )

    answered = _step(write, reference, body.effective_on, take)
    if REPLAYED in answered.headers:  # killed between recording the file and writing it?
        take(write.said(body.effective_on), None)
    return answered


@router.post(f"{_AT}/settle", summary="Settle a cycle", **_takes(Step))
@needs("cycles.prepare")
def settle(reference: str, write: Writing) -> Response:
    """Confirm every payment that has not come back, then the cycle; from its pay date on."""
    return _step(
        write,
        reference,
        _settle.read(write.body).effective_on,
        lambda said, row: settle_cycle(write.ledger, reference, said=said, beside=row),
    )
