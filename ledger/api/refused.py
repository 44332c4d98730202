"""What was refused to whom, for auditors."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.access.refused import Counted, kept, only_counted
from ledger.api.openapi import reads
from ledger.api.paging import Limit, page_of
from ledger.api.requests import ledger_of

router = APIRouter(tags=["refused requests"])


class RefusedRequest(msgspec.Struct):
    """A request that was refused because nobody had signed in, nothing permitted it, or it was
    about a budget beyond who asked. `refused_by` is empty if nobody knows who it was; `route` is
    the template of the address, and empty if there is no such address."""

    number: int
    refused_at: str
    refused_by: str
    address: str
    method: str
    route: str
    permission: str
    budget_reference: str
    code: str
    status: int
    request_id: str


class RefusedRequests(msgspec.Struct):
    """Some of them, the oldest first; ask for `after` = `next_after` for what follows.

    `only_counted` says who was refused so often in an hour that the rest was only counted: the
    newest of these, whatever else is asked for."""

    refused: list[RefusedRequest]
    only_counted: list[Counted]
    next_after: int | None


@router.get("/v1/refused-requests", summary="List what was refused to whom",
            **reads(RefusedRequests, missing=False))  # fmt: skip
@needs("audit.read")
def list_refused(
    request: Request,
    by: Annotated[
        str | None, Query(max_length=100, description="Only what was refused to this person.")
    ] = None,
    budget: Annotated[
        str | None, Query(max_length=20, description="Only what was about this budget.")
    ] = None,
    after: Annotated[int, Query(ge=0, le=10**9, description="Begin after this request.")] = 0,
    limit: Limit = 100,
) -> Response:
    """Every request that was refused to someone for who they are, the oldest first."""
    ledger = ledger_of(request)
    found = kept(
        ledger, refused_by=by, budget_reference=budget, after=after, limit=limit + 1
    )  # fmt: skip
    shown = [RefusedRequest(one.number, *one.refused) for one in found[:limit]]
    next_after = found[limit - 1].number if len(found) > limit else None
    return page_of(request, RefusedRequests(shown, only_counted(ledger, limit), next_after))
