"""Each change once: the key of a request is stored with its answer, beside what it recorded.

The row of the key is inserted in the transaction of the events, so neither is ever there
without the other. Two requests with one key at the same time both try; the primary key lets
one of them through and the other then finds the first one's answer. A refusal stores
nothing: it recorded nothing, and may be asked again under the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec
from eventsourcing.persistence import IntegrityError
from fastapi.responses import Response
from sqlalchemy import select

from ledger.api.problems import HEADERS
from ledger.api.requests import Write
from ledger.durable import idempotency_keys
from ledger.errors import ConcurrentChange, IdempotencyKeyReused, Refusal, StoreUnavailable
from ledger.store import Beside

REPLAYED = "Idempotency-Replayed"
_encode = msgspec.json.Encoder().encode


def answer(content: Any, status: int = 200, version: int | None = None) -> Response:
    """An answer in JSON. The ETag of what has a version is that, for If-Match, and what the
    answer says, for If-None-Match: the same version may be answered otherwise on another day."""
    body, headers = _encode(content), HEADERS
    if version is not None:
        digest = hashlib.sha256(body).hexdigest()[:16]
        headers = {**HEADERS, "ETag": f'"{version}.{digest}"'}
    return Response(body, status, headers, "application/json")


class Once:
    """One change, its key, and the answer to be stored with it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._answer: tuple[int, bytes] | None = None
        self._tries = 0
        # Lengths part the pieces, so that no two requests read the same.
        pieces = (write.method, write.path, write.acting_as)
        asked = "".join(f"{len(p)}:{p}" for p in pieces).encode() + write.body
        self._request_sha256 = write.ledger.keyring.request_digest(asked)

    def row(self, content: Any, status: int = 200) -> Beside:
        """The key's row with the answer, to be saved with the change itself."""
        body = _encode(content)
        self._answer = (status, body)
        row = {
            "key": self._write.key,
            "request_sha256": self._request_sha256,
            "status": status,
            "body": body,
            "recorded_at": self._write.recorded_at.astimezone(UTC).isoformat(
                timespec="microseconds"
            ),
        }
        return Beside("idempotency_keys", [row])

    def do(self, change: Callable[[], object], *, look_first: bool = False) -> Response:
        """Make the change and answer as `row` was told, or answer as the first time.

        A command looks for its key only when it was refused or clashed, which spares a round
        trip: the key's row would clash too. What takes long should `look_first`.
        """
        if look_first and (known := self.replayed()) is not None:
            return known
        try:
            change()
        except StoreUnavailable:
            raise
        except (Refusal, IntegrityError):
            known = self.replayed()
            if known is None:
                raise
            return known
        assert self._answer is not None, "every change saves its key's row"
        status, body = self._answer
        return Response(body, status, HEADERS, "application/json")

    def trying(self) -> None:
        """Called whenever the change is decided: after a clash, look whether it was this key."""
        self._tries += 1
        if self._tries > 1 and self.replayed() is not None:
            raise ConcurrentChange()

    def replayed(self) -> Response | None:
        """The first answer to this key, if it was used; `IdempotencyKeyReused` if otherwise."""
        query = select(idempotency_keys).where(idempotency_keys.c.key == self._write.key)
        with self._write.ledger.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.request_sha256 != self._request_sha256:
            raise IdempotencyKeyReused()
        return Response(row.body, row.status, {**HEADERS, REPLAYED: "true"}, "application/json")
