"""Mass changes: the register, where one stands, its lines, and its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.reach import own_budgets
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.mass_change import (
    LineOutcome,
    MassChange,
    MassChangeLine,
    MassChangeParameters,
    MassChangeTotals,
    MassRejectionReason,
)
from ledger.api.budgets import register_page
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.paging import AfterNumber, AfterReference, Limit, page_of
from ledger.api.requests import BodyOf, LongRoute, Write, Writing, ledger_of
from ledger.application import require_version
from ledger.commands import require_keepable
from ledger.mass_changes import apply_mass_change, moved_on, prepare_mass_change
from ledger.projections.registers import MassChanges
from ledger.store import Beside

router = APIRouter(tags=["mass changes"])
_steps = APIRouter(tags=["mass changes"], route_class=LongRoute)
_AT = "/v1/changes/{reference:cycle}"


# --- what is answered ---------------------------------------------------------------------


class ChangeEntry(msgspec.Struct):
    """A mass change's row in the register."""

    reference: str
    kind: str
    status: str
    effective_on: date
    line_count: int
    held_count: int
    was_pence: int
    now_pence: int
    put_right_pence: int
    lines_sha256: str
    prepared_by: str
    approved_by: str | None
    applied_count: int | None
    skipped_count: int | None


class ChangeRegister(msgspec.Struct):
    """Part of the register by reference; ask for `after` = `next_after` for what follows."""

    changes: list[ChangeEntry]
    next_after: str | None


class Skipped(msgspec.Struct):
    """A budget that was passed over when the change was applied, and why."""

    budget_reference: str
    reason: str


class Change(msgspec.Struct):
    """Where a mass change stands. `lines_sha256` seals exactly what is approved: the
    parameters, the warnings and every line.

    `held` counts the budgets held back by their reason. `moved_on` are those on which something
    was recorded since they were listed; null once the change is decided. `lines` are those that
    would be listed, if this is a dry run, and otherwise null: ask for them page by page."""

    reference: str
    version: int
    status: str
    parameters: MassChangeParameters
    totals: MassChangeTotals
    put_right_pence: int
    lines_sha256: str
    held: dict[str, int]
    warnings: tuple[str, ...]
    prepared_by: str
    approved_by: str | None
    applied_count: int | None
    skipped: list[Skipped]
    moved_on: list[str] | None = None
    lines: list[MassChangeLine] | None = None


class ChangeLines(msgspec.Struct):
    """Some lines in order of budget; ask for `after` = `next_after` for what follows.

    If `lines_sha256` changes from page to page, it was prepared again: begin anew."""

    reference: str
    lines_sha256: str
    line_count: int
    lines: list[MassChangeLine]
    next_after: int | None


def shown(change: MassChange) -> Change:
    """A mass change as it is answered."""
    prepared, applied = change.prepared, change.applied
    assert prepared is not None, "a mass change begins by being prepared"
    return Change(
        reference=change.reference,
        version=change.version,
        status=change.status or "",
        parameters=prepared.parameters,
        totals=prepared.totals,
        put_right_pence=prepared.totals.put_right_pence,
        lines_sha256=prepared.lines_sha256,
        held=dict(Counter(line.reason for line in change.lines if line.outcome == "held")),
        warnings=prepared.warnings,
        prepared_by=prepared.recorded_by,
        approved_by=change.approved.recorded_by if change.approved else None,
        applied_count=applied.applied_count if applied else None,
        skipped=[Skipped(*one) for one in applied.skipped] if applied else [],
    )


# --- questions ----------------------------------------------------------------------------


@router.get("/v1/changes", summary="List the mass changes",
            **reads(ChangeRegister, missing=False))  # fmt: skip
@needs("changes.read")
def list_changes(
    request: Request,
    after: AfterReference = "",
    limit: Limit = 100,
) -> Response:
    """The register of mass changes, in order of reference."""
    rows, next_after = register_page(ledger_of(request), MassChanges.table, after, limit)
    return page_of(request, ChangeRegister([ChangeEntry(**row) for row in rows], next_after))


@router.get(_AT, summary="Show a mass change", **reads(Change))
@needs("changes.read")
def show_change(request: Request, reference: str) -> Response:
    """Parameters, totals, hash and status, and which budgets moved on since it was prepared."""
    ledger = ledger_of(request)
    change = ledger.load(MassChange, reference)
    found = shown(change)
    if change.status == "prepared":
        found.moved_on = moved_on(ledger, change)
    return answer(found, version=change.version)


@router.get(f"{_AT}/lines", summary="List the budgets of a mass change", **reads(ChangeLines))
@needs("changes.read")
def change_lines(
    request: Request,
    reference: str,
    outcome: Annotated[
        LineOutcome | None, Query(description="Only those of which this came.")
    ] = None,
    after: AfterNumber = 0,
    limit: Limit = 100,
) -> Response:
    """The difference report: every budget listed, held back or not, in order of reference."""
    change = ledger_of(request).load(MassChange, reference)
    assert change.prepared is not None, "a mass change begins by being prepared"
    chosen = [line for line in change.lines if outcome in (None, line.outcome)]
    following = after + limit if after + limit < len(chosen) else None
    return page_of(
        request,
        ChangeLines(
            reference,
            change.prepared.lines_sha256,
            len(chosen),
            chosen[after : after + limit],
            following,
        ),
    )


# --- what is asked ------------------------------------------------------------------------


class ChangeStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step, the day it takes effect, and whether only to try it.

    With `dry_run` the answer is as the change would be, and nothing is recorded, not even the
    key."""

    effective_on: date
    dry_run: bool = False


class ChangeAsked(MassChangeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed, and on which budgets. Percentages are basis points: 480 is 4.8%.

    `kind` reassess: every assessment in force is made again from `effective_on`, with income of
    the kinds in `uprate` raised first, such as `["state_pension", 480]`; arrears come back by
    `recovery`, or as each budget has it. uplift: weekly lines, of one funding stream or
    deployment if named, are raised by `uplift_basis_points`. invoice: charges due to the end of
    `period`. A week that changes by more than `hold_over_pence` (reassess: 2000 if not given) is
    held back, but not on the budgets of `release`."""


class PrepareChange(ChangeStep, frozen=True, kw_only=True):
    """What to change. A dry run answers with all the lines as well."""

    parameters: ChangeAsked


class ApproveChange(ChangeStep, frozen=True, kw_only=True):
    """The total and the hash that the approver looked at."""

    now_pence: int
    lines_sha256: str


class RejectChange(ChangeStep, frozen=True, kw_only=True):
    """Why the mass change is turned down."""

    reason_code: MassRejectionReason


# --- steps --------------------------------------------------------------------------------

_prepare, _approve = BodyOf(PrepareChange), BodyOf(ApproveChange)
_reject, _apply = BodyOf(RejectChange), BodyOf(ChangeStep)
_takes = partial(writes, Change, if_match=True)


@_steps.post(f"{_AT}/prepare", summary="Prepare a mass change",
             **_takes(PrepareChange, created="The mass change is new."))  # fmt: skip
@needs("changes.prepare")
def prepare(reference: str, write: Writing) -> Response:
    """Work out what would change on every budget; again replaces what was prepared before.

    Nothing is changed on any budget. A dry run answers with all the lines as well.
    """
    body = _prepare.read(write.body)
    require_keepable(reference, "reference")
    parameters = _kept(body.parameters)
    said = write.said(body.effective_on)
    if body.dry_run:
        _require_version(write, reference)
        tried = prepare_mass_change(write.ledger, reference, parameters, said, dry_run=True)
        found = shown(tried)
        found.lines = tried.lines
        return answer(found)
    once = Once(write)

    def row(change: MassChange, events: Sequence[Recorded]) -> list[Beside]:
        is_new = len(events) == change.version
        return [once.row(shown(change), 201 if is_new else 200)]

    def make() -> None:
        _require_version(write, reference)
        prepare_mass_change(write.ledger, reference, parameters, said, beside=row)

    return once.do(make, look_first=True)


def _kept(asked: ChangeAsked) -> MassChangeParameters:
    """The parameters as they are recorded, if they can be kept."""
    given = msgspec.structs.asdict(asked)
    for name, value in given.items():
        if value and name != "uprate":  # known kinds of income alone
            require_keepable(value, name)
    return MassChangeParameters(**given)


def _require_version(write: Write, reference: str) -> None:
    """If-Match, before anything long is begun; the change's own rules guard what comes after."""
    if write.expected_version is not None:
        version = write.ledger.load(MassChange, reference).version
        require_version(reference, version, write.expected_version)


def _step(
    write: Write, reference: str, asked: ChangeStep, take: Callable[[Said, Any], MassChange]
) -> Response:
    """Take a step of a mass change once; `take` is given what accompanies it and the key's row."""
    said = write.said(asked.effective_on)
    if asked.dry_run:
        _require_version(write, reference)
        return answer(shown(take(said, None)))
    once = Once(write)

    def row(change: MassChange, _events: Sequence[Recorded]) -> list[Beside]:
        return [once.row(shown(change))]

    def make() -> None:
        _require_version(write, reference)
        take(said, row)

    return once.do(make, look_first=True)


@_steps.post(f"{_AT}/approve", summary="Approve a mass change", **_takes(ApproveChange))
@needs("changes.approve")
def approve(reference: str, write: Writing) -> Response:
    """Approve exactly the total and hash that were looked at, by someone other than who
    prepared it. Nothing is changed until it is applied."""
    body = _approve.read(write.body)
    own = own_budgets(write.ledger, write.actor)
    return _step(
        write,
        reference,
        body,
        lambda said, row: write.ledger.change(
            MassChange,
            reference,
            lambda change: change.approve(
                now_pence=body.now_pence, lines_sha256=body.lines_sha256, own=own, **said
            ),
            beside=row,
            dry_run=body.dry_run,
        ),
    )


@_steps.post(f"{_AT}/reject", summary="Reject a mass change", **_takes(RejectChange))
@needs("changes.approve")
def reject(reference: str, write: Writing) -> Response:
    """Turn it down, by someone other than who prepared it. It can be prepared again."""
    body = _reject.read(write.body)
    return _step(
        write,
        reference,
        body,
        lambda said, row: write.ledger.change(
            MassChange,
            reference,
            lambda change: change.reject(reason_code=body.reason_code, **said),
            beside=row,
            dry_run=body.dry_run,
        ),
    )


@_steps.post(f"{_AT}/apply", summary="Apply a mass change", **_takes(ChangeStep))
@needs("changes.prepare")
def apply(reference: str, write: Writing) -> Response:
    """Change every budget that comes to exactly what was approved; the others are passed over
    and answered with the reason. Broken off, it goes on where it stopped when asked again."""
    body = _apply.read(write.body)
    return _step(
        write,
        reference,
        body,
        lambda said, row: apply_mass_change(
            write.ledger, reference, said, beside=row, dry_run=body.dry_run
        ),
    )


router.routes.extend(_steps.routes)
