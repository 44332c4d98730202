"""Whether the server is alive, and whether it can answer truly."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.api.idempotency import answer
from ledger.api.openapi import reads
from ledger.api.requests import ledger_of
from ledger.errors import ProjectionStopped, ReadTablesOutOfDate

router = APIRouter(tags=["health"])


class Alive(msgspec.Struct):
    """The server answers."""

    status: str


class Ready(msgspec.Struct):
    """The database answers and the read tables follow the log.

    `behind` is how far they are from its last event; a question catches up first."""

    status: str
    position: int
    head: int
    behind: int


@router.get("/health", summary="Is it alive?", **reads(Alive, open_to_all=True))
@needs(None)
async def health() -> Response:
    """The process answers; nothing else is looked at."""
    return answer(Alive("alive"))


@router.get("/ready", summary="Is it ready?", **reads(Ready, open_to_all=True))
@needs(None)
def ready(request: Request) -> Response:
    """503 while the database does not answer, or the read tables stopped or are out of date."""
    status = ledger_of(request).projections.status()
    if status.out_of_date:
        raise ReadTablesOutOfDate()
    if status.stopped_at is not None:
        raise ProjectionStopped(position=status.stopped_at, why=status.stopped_why)
    behind = max(status.head - status.position, 0)
    return answer(Ready("ready", status.position, status.head, behind))
