"""Privacy: how long people are kept, holds, the erasure, and what few may see of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import REPLAYED, Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.paging import AfterNumber, Limit, page_of
from ledger.api.problems import HEADERS
from ledger.api.requests import BodyOf, WriteRoute, Writing, ledger_of
from ledger.erasure import (
    Erased,
    HoldReason,
    Retention,
    erase,
    place_hold,
    release_hold,
    retention_of,
)
from ledger.errors import VersionConflict
from ledger.people import moment_text
from ledger.person_looks import (
    Looked,
    PersonLookReason,
    counted,
    known_of,
    look_at_person,
    person_looks_of,
    record_ethnicity,
)
from ledger.private import Private
from ledger.restricted import Ethnicity, RestrictedKind
from ledger.subject_access import packed, record_export

router = APIRouter(tags=["people"])
_writes = APIRouter(tags=["people"], route_class=WriteRoute)
_AT = "/v1/people/{reference:reference}"


# --- how long, and for good ---------------------------------------------------------------


class HoldAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why what is held about a person must be kept."""

    reason: HoldReason


class HoldChanged(msgspec.Struct):
    """The legal hold stands, or is released."""

    person_reference: str
    reason: HoldReason
    stands: bool


class ErasureAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing more is to be said: what stands against it is looked at anew."""


class ExportAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing more is to be said."""


class ExportRecorded(msgspec.Struct):
    """Who exported what is held about a person, and when."""

    person_reference: str
    exported_at: str
    exported_by: str


_hold = BodyOf(HoldAsked)
_export = BodyOf(ExportAsked)
_exported = msgspec.json.Decoder(ExportRecorded)
_erasure = BodyOf(ErasureAsked)


@router.get(f"{_AT}/retention", summary="Say how long a person is kept", **reads(Retention))
@needs("people.erase")
def show_retention(request: Request, reference: str) -> Response:
    """The last day that they are kept, and the open budgets and legal holds that stand against
    erasing them."""
    return answer(retention_of(ledger_of(request), reference))


@_writes.post(f"{_AT}/hold", summary="Place a legal hold", **writes(HoldChanged, HoldAsked))
@needs("people.erase")
def hold(reference: str, write: Writing) -> Response:
    """While it stands the person is not erased. The same again changes nothing."""
    _require_no_version(write.expected_version)
    reason = _hold.read(write.body).reason
    once = Once(write)
    row = once.row(HoldChanged(reference, reason, True))
    return once.do(
        lambda: place_hold(
            write.ledger,
            reference,
            reason,
            recorded_at=write.recorded_at,
            recorded_by=write.acting_as,
            also=[row],
        )
    )


@_writes.post(f"{_AT}/release", summary="Release a legal hold", **writes(HoldChanged, HoldAsked))
@needs("people.erase")
def release(reference: str, write: Writing) -> Response:
    """That it stood, and who released it when, is kept."""
    _require_no_version(write.expected_version)
    reason = _hold.read(write.body).reason
    once = Once(write)
    row = once.row(HoldChanged(reference, reason, False))
    return once.do(
        lambda: release_hold(
            write.ledger,
            reference,
            reason,
            recorded_at=write.recorded_at,
            recorded_by=write.acting_as,
            also=[row],
        )
    )


@_writes.post(f"{_AT}/erase", summary="Erase a person", **writes(Erased, ErasureAsked))
@needs("people.erase")
def erase_person(reference: str, write: Writing) -> Response:
    """Destroy the person's key, for good, once their time is over.

    The ledger and its totals stay; nothing that was sealed about the person opens again.
    """
    _require_no_version(write.expected_version)
    _erasure.read(write.body)
    once = Once(write)
    return once.do(
        lambda: erase(
            write.ledger,
            reference,
            erased_at=write.recorded_at,
            erased_by=write.acting_as,
            also=lambda done: [once.row(done)],
        )
    )


def _zip() -> dict[str, Any]:
    described = writes(ExportRecorded, ExportAsked)
    content = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    described["responses"][200] = {"description": "The file.", "content": content}
    return described


@_writes.post(f"{_AT}/export", summary="Export what is held about a person", **_zip())
@needs("people.erase")
def export(reference: str, write: Writing) -> Response:
    """Everything that is held about the person, for them: a zip file with a page to read, its
    letters and statements, and the same as JSON.

    Who exported it is recorded first. What is stored with the key is that alone.
    """
    _require_no_version(write.expected_version)
    _export.read(write.body)
    once = Once(write)
    at = moment_text(write.recorded_at)
    recorded = ExportRecorded(reference, at, write.acting_as)
    done = once.do(
        lambda: record_export(
            write.ledger,
            reference,
            exported_at=write.recorded_at,
            exported_by=write.acting_as,
            also=[once.row(recorded)],
        )
    )
    first = _exported.decode(done.body)
    content = packed(
        write.ledger, reference, datetime.fromisoformat(first.exported_at), first.exported_by
    )
    named = {"Content-Disposition": f'attachment; filename="{reference.replace("/", "-")}.zip"'}
    replayed = {REPLAYED: "true"} if REPLAYED in done.headers else {}
    return Response(content, 200, {**HEADERS, **named, **replayed}, "application/zip")


# --- what few may see ---------------------------------------------------------------------


class EthnicityToRecord(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's ethnicity as they describe it, by the NHS data dictionary; `Z`: not stated."""

    ethnicity: Ethnicity


class EthnicityRecorded(msgspec.Struct):
    """It is recorded, and not sent back."""

    person_reference: str


class PersonLookAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody looks at, and why."""

    what: RestrictedKind
    reason: PersonLookReason


class PersonLookRecorded(msgspec.Struct):
    """Who looked at what of whom, when and why."""

    person_reference: str
    what: Looked
    looked_at: str
    looked_by: str
    reason: PersonLookReason


class FactShown(Private, frozen=True):
    """A fact that few may see. `budget_reference` is empty where it is about no budget."""

    budget_reference: str
    value: str
    recorded_at: str
    recorded_by: str


class FactsShown(Private, frozen=True, kw_only=True):
    """The look as it was recorded, and what is known, the oldest first."""

    person_reference: str
    what: Looked
    looked_at: str
    looked_by: str
    reason: PersonLookReason
    facts: list[FactShown]


class PersonLooks(msgspec.Struct):
    """Looks, the oldest first; ask for `after` = `next_after` for what follows."""

    looks: list[PersonLookRecorded]
    next_after: int | None


class Counts(msgspec.Struct):
    """How many people have each value; null for fewer than five."""

    what: RestrictedKind
    counts: dict[str, int | None]


_ethnicity = BodyOf(EthnicityToRecord)
_look = BodyOf(PersonLookAsked)
_recorded = msgspec.json.Decoder(PersonLookRecorded)


@_writes.put(f"{_AT}/ethnicity", summary="Record an ethnicity",
             **writes(EthnicityRecorded, EthnicityToRecord))  # fmt: skip
@needs("support.decide")
def put_ethnicity(reference: str, write: Writing) -> Response:
    """Seal a person's ethnicity. What was recorded before is kept; the newest stands."""
    _require_no_version(write.expected_version)
    given = _ethnicity.read(write.body).ethnicity
    once = Once(write)
    row = once.row(EthnicityRecorded(reference))
    return once.do(
        lambda: record_ethnicity(
            write.ledger,
            reference,
            given,
            recorded_at=write.recorded_at,
            recorded_by=write.acting_as,
            also=[row],
        )
    )


@_writes.post(f"{_AT}/look", summary="Look at what few may see",
              **writes(FactsShown, PersonLookAsked))  # fmt: skip
@needs("restricted.look")
def look(reference: str, write: Writing) -> Response:
    """Record who looks, when and why, and then answer.

    What is stored with the key is the look alone: once the person is erased, the answer is gone.
    """
    _require_no_version(write.expected_version)
    asked = _look.read(write.body)
    once = Once(write)
    at = moment_text(write.recorded_at)
    recorded = PersonLookRecorded(reference, asked.what, at, write.acting_as, asked.reason)
    done = once.do(
        lambda: look_at_person(
            write.ledger,
            reference,
            what=asked.what,
            reason=asked.reason,
            looked_at=write.recorded_at,
            looked_by=write.acting_as,
            also=[once.row(recorded)],
        )
    )
    facts = [
        FactShown(f.budget_reference, f.value, f.recorded_at, f.recorded_by)
        for f in known_of(write.ledger, reference, asked.what)
    ]
    shown = answer(FactsShown(**msgspec.structs.asdict(_recorded.decode(done.body)), facts=facts))
    if REPLAYED in done.headers:
        shown.headers[REPLAYED] = done.headers[REPLAYED]
    return shown


@router.get("/v1/person-looks", summary="List who looked at people", **reads(PersonLooks))
@needs("audit.read")
def list_person_looks(
    request: Request,
    person: Annotated[str | None, Query(max_length=20, description="At this person.")] = None,
    after: AfterNumber = 0,
    limit: Limit = 100,
) -> Response:
    """Every look at what few may see, and every export of all that is held; the oldest first."""
    found = person_looks_of(ledger_of(request), person, after, limit + 1)
    shown = [PersonLookRecorded(*seen[1:]) for seen in found[:limit]]
    next_after = found[limit - 1].number if len(found) > limit else None
    return page_of(request, PersonLooks(shown, next_after))


@router.get("/v1/person-counts", summary="Count people", **reads(Counts, missing=False))
@needs("budgets.find")
def count_people(
    request: Request, what: Annotated[RestrictedKind, Query(description="What is counted.")]
) -> Response:
    """How many people there are of each, without saying who; fewer than five is null."""
    return answer(Counts(what, counted(ledger_of(request), what)))


def _require_no_version(version: int | None) -> None:
    if version is not None:
        raise VersionConflict("A person has no version to match.")


router.routes.extend(_writes.routes)
