"""Payees: their last digits to everyone, and in full only to who looks on purpose.

Each look is recorded before anything is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.payees import ModulusCheck, NameAnswer, Payee
from ledger.api.idempotency import REPLAYED, Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.paging import Limit, page_of
from ledger.api.requests import BodyOf, WriteRoute, Writing, ledger_of
from ledger.errors import VersionConflict
from ledger.file_looks import Door, FileKept, file_looks_at
from ledger.payee_looks import LookReason, look_at_payee, looks, payee_in_full
from ledger.people import moment_text
from ledger.private import Private

router = APIRouter(tags=["payees"])
_writing = APIRouter(tags=["payees"], route_class=WriteRoute)


class ProposedPayee(msgspec.Struct):
    """Account details by reference; the details themselves are sealed. `account` is the last
    four digits, or `erased`; it is null where a provider is paid, who has an account of its own.

    `modulus_check` says whether the account number passed the modulus check, or why it was not
    checked; `name_check` is what confirmation of payee answered last, and `name_checked_with`
    who did (`simulator`: no bank). Either is null where there was no check yet."""

    payee_reference: str
    payee_type: str
    account: str | None
    proposed_by: str
    modulus_check: ModulusCheck | None
    modulus_table_version: str
    name_check: NameAnswer | None
    name_checked_with: str
    verified_on: date | None
    provider_reference: str


def shown_payee(payee: Payee, accounts: Mapping[str, str]) -> ProposedPayee:
    """A payee as it is answered; `accounts` are what anyone may see, by reference."""
    account = accounts.get(payee.payee_reference)
    return ProposedPayee(payee.payee_reference, payee.payee_type, account, *payee[3:])


# --- in full ------------------------------------------------------------------------------


class LookAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody looks."""

    reason: LookReason


class LookRecorded(msgspec.Struct):
    """Who looked at whose details, when and why."""

    payee_reference: str
    looked_at: str
    looked_by: str
    reason: LookReason


class PayeeShown(Private, frozen=True):
    """The look as it was recorded, and the details in full. `returned_name` is the name on the
    account that came back last, and `returned_by` who gave it (`simulator`: no bank), or null."""

    payee_reference: str
    looked_at: str
    looked_by: str
    reason: LookReason
    person_reference: str
    provider_reference: str
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str
    returned_name: str | None
    returned_by: str | None


class PayeeLooks(msgspec.Struct):
    """Looks, the oldest first; ask for `after` = `next_after` for what follows."""

    looks: list[LookRecorded]
    next_after: int | None


_asked = BodyOf(LookAsked)
_recorded = msgspec.json.Decoder(LookRecorded)


@_writing.post("/v1/payees/{reference:payee}/look", summary="Look at a payee in full",
               **writes(PayeeShown, LookAsked))  # fmt: skip
@needs("payees.look")
def look(reference: str, write: Writing) -> Response:
    """Record who looks, when and why, and then answer with the account in full.

    The same key again shows what the same look showed. What is stored with the key is the look
    alone, never the account: once the person is erased, the answer is gone too.
    """
    if write.expected_version is not None:
        raise VersionConflict("A look has no version to match.")
    reason = _asked.read(write.body).reason
    once = Once(write)
    look = LookRecorded(reference, moment_text(write.recorded_at), write.acting_as, reason)
    done = once.do(
        lambda: look_at_payee(
            write.ledger,
            reference,
            reason=reason,
            looked_at=write.recorded_at,
            looked_by=write.acting_as,
            also=[once.row(look)],
        )
    )
    seen = payee_in_full(write.ledger, reference)
    facts = msgspec.structs.asdict(seen) | msgspec.structs.asdict(_recorded.decode(done.body))
    shown = answer(PayeeShown(**facts))
    if REPLAYED in done.headers:
        shown.headers[REPLAYED] = done.headers[REPLAYED]
    return shown


@router.get("/v1/payee-looks", summary="List who looked at payees", **reads(PayeeLooks))
@needs("audit.read")
def list_looks(
    request: Request,
    budget: Annotated[
        str | None,
        Query(max_length=20, description="At any payee ever proposed for this budget."),
    ] = None,
    payee: Annotated[str | None, Query(max_length=32, description="At this payee.")] = None,
    after: Annotated[int, Query(ge=0, le=10**9, description="Begin after this look.")] = 0,
    limit: Limit = 100,
) -> Response:
    """Every look at a payee's details, whoever looked, the oldest first."""
    found = looks(
        ledger_of(request),
        payee_reference=payee,
        budget_reference=budget,
        after=after,
        limit=limit + 1,
    )
    shown = [LookRecorded(*seen[1:]) for seen in found[:limit]]
    next_after = found[limit - 1].number if len(found) > limit else None
    return page_of(request, PayeeLooks(shown, next_after))


class FileLookRecorded(msgspec.Struct):
    """Who fetched a file that shows accounts, when and through which door: a bank file, by its
    cycle's reference and its serial, or a bank's report, by its own."""

    looked_at: str
    looked_by: str
    door: Door
    file: FileKept
    reference: str
    submission_serial: str


class FileLooks(msgspec.Struct):
    """Fetches, the oldest first; ask for `after` = `next_after` for what follows."""

    looks: list[FileLookRecorded]
    next_after: int | None


@router.get("/v1/file-looks", summary="List who fetched files with accounts", **reads(FileLooks))
@needs("audit.read")
def list_file_looks(
    request: Request,
    budget: Annotated[
        str | None, Query(max_length=20, description="Bank files that pay this budget.")
    ] = None,
    payee: Annotated[
        str | None, Query(max_length=32, description="Bank files that pay this payee.")
    ] = None,
    reference: Annotated[
        str | None, Query(max_length=20, description="Of this cycle, or this bank report.")
    ] = None,
    after: Annotated[int, Query(ge=0, le=10**9, description="Begin after this look.")] = 0,
    limit: Limit = 100,
) -> Response:
    """Every fetch of a bank file, or of a bank's report, whoever fetched it, the oldest first."""
    found = file_looks_at(
        ledger_of(request),
        reference=reference,
        payee_reference=payee,
        budget_reference=budget,
        after=after,
        limit=limit + 1,
    )
    shown = [FileLookRecorded(*seen[1:]) for seen in found[:limit]]
    next_after = found[limit - 1].number if len(found) > limit else None
    return page_of(request, FileLooks(shown, next_after))


router.routes.extend(_writing.routes)
