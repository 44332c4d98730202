"""What a request says, read strictly: who acts, the key, the version, the body, the dates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger.access.guard import actor_of, address_of
from ledger.access.sign_in import SignIn
from ledger.access.users import Actor
from ledger.aggregates.event_sourced import Said
from ledger.api.problems import (
    BodyInvalid,
    BodyTooLarge,
    BodyUnreadable,
    Fault,
    IdempotencyKeyMissing,
    IfMatchUnreadable,
    NotLoopback,
    problem,
)
from ledger.application import Ledger, said
from ledger.commands import require_keepable
from ledger.dates import Period, day_in_england, parse_date
from ledger.errors import InvalidDate, MediaTypeNotTaken, NotSignedIn, Refusal, TokenRefused

MOST_BYTES = 1_000_000
MOST_BYTES_OF_A_FILE = 32_000_000
MOST_ROWS = 500

_PRINTABLE = re.compile(r"[\x20-\x7e]{1,200}")
_PERSON = re.compile(r"(?! )[\x20-\x7e]{1,100}(?<! )")
_BEARER = re.compile(r"(?i:Bearer) +([A-Za-z0-9._~+/-]{1,8000}=*)")
_ETAG = re.compile(r'"([0-9]{1,9})(?:\.[0-9a-f]{16})?"')
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII
)


# --- where a request comes from -----------------------------------------------------------


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


_OF_PROXIES = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}


def _believes(scope: Scope) -> bool:
    sign_in: SignIn = scope["app"].state.sign_in
    return sign_in.in_development


class LoopbackOnly:
    """Refuses every request that is not from and to this machine while anybody is believed.

    The Host header is looked at as well: a page of another site, open in a browser on this
    machine, can come from here too, under a name of its own (DNS rebinding). What a proxy hands on
    comes from here whoever sent it, so nothing is taken from one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not _believes(scope) or self._is_from_here(scope):
            await self._app(scope, receive, send)
        else:
            await problem(Request(scope), NotLoopback())(scope, receive, send)

    def _is_from_here(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        client = scope.get("client")
        is_handed_on = any(name in _OF_PROXIES for name, _ in scope["headers"])
        named = all(_is_loopback(re.sub(r":\d+$", "", host)) for host in hosts)
        return client is not None and _is_loopback(client[0]) and named and not is_handed_on


# --- who asks for what --------------------------------------------------------------------


def who_asks(request: Request) -> Actor:
    """Who asks, by what they send with each request: a token, or a name where it is believed."""
    sign_in: SignIn = request.app.state.sign_in
    if (authorization := request.headers.get("authorization")) is not None:
        with sign_in.attempts.one(address_of(request)):
            token = _BEARER.fullmatch(authorization)
            if token is None:
                raise TokenRefused()
            return sign_in.program(token[1], datetime.now(UTC))
    person = request.headers.get("x-acting-as", "")
    if not _PERSON.fullmatch(person):
        raise NotSignedIn()
    return sign_in.believed(person)


def ledger_of(request: Request) -> Ledger:
    """The ledger that this server has open."""
    ledger: Ledger = request.app.state.ledger
    return ledger


class Write(NamedTuple):
    """A change as it was asked for. `expected_version` is that of If-Match, if given."""

    ledger: Ledger
    method: str
    path: str
    actor: Actor
    key: str
    body: bytes
    expected_version: int | None
    recorded_at: datetime

    @property
    def acting_as(self) -> str:
        """The name that it is recorded under."""
        return self.actor.name

    def said(self, effective_on: date) -> Said:
        """What accompanies every fact of this change."""
        require_keepable(effective_on, "effective_on")
        return said(effective_on, self.recorded_at, self.acting_as)


async def read_write(request: Request) -> Write:
    """Read a change whole, before any thread is given to it."""
    return await _read(request, MOST_BYTES, ("application/json",))


async def read_csv(request: Request) -> Write:
    """The same of a change that is a file of comma-separated values."""
    return await _read(request, MOST_BYTES, ("text/csv",))


async def read_xml(request: Request) -> Write:
    """The same of a change that is a bank's file."""
    return await _read(request, MOST_BYTES_OF_A_FILE, ("application/xml", "text/xml"))


async def _read(request: Request, most_bytes: int, kinds: Collection[str]) -> Write:
    headers = request.headers
    require_kind(headers, kinds)
    key = headers.get("idempotency-key", "")
    if not _PRINTABLE.fullmatch(key):
        raise IdempotencyKeyMissing("Idempotency-Key must be 1 to 200 printable characters.")
    return Write(
        ledger=ledger_of(request),
        method=request.method,
        path=request.scope["path"],
        actor=actor_of(request),
        key=key,
        body=await _body(request, most_bytes),
        expected_version=_expected_version(headers.get("if-match")),
        recorded_at=datetime.now(UTC),
    )


Writing = Annotated[Write, Depends(read_write)]


class WriteRoute(APIRoute):
    """A route that takes a reference and `Writing`, and nothing else.

    The change is read and handed to a thread directly: FastAPI's solving of dependencies and
    stacks of exits cost as much again as the whole change.
    """

    threads: CapacityLimiter | None = None  # the server's own few

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        write = await read_write(Request(scope, receive))
        reference = scope["path_params"]["reference"]
        answered: Response = await to_thread.run_sync(
            self.endpoint, reference, write, limiter=self.threads
        )
        await answered(scope, receive, send)


class LongRoute(WriteRoute):
    """A change that takes long: one at a time, beside the threads that answer everyone else."""

    threads = CapacityLimiter(1)


def require_kind(headers: Mapping[str, str], kinds: Collection[str]) -> None:
    """Raises `MediaTypeNotTaken` for a body that says it is of another kind; it may say nothing."""
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    is_taken = not kind or kind.strip() in kinds
    if not is_taken or charset not in ("", "utf-8") or "content-encoding" in headers:
        raise MediaTypeNotTaken(f"This address takes {' or '.join(kinds)}, not compressed.")


async def _body(request: Request, most_bytes: int) -> bytes:
    """The body, refused while it arrives as soon as it is too long."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most_bytes:
        raise BodyTooLarge()
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise BodyTooLarge()
    return bytes(body)


def _expected_version(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    version = _ETAG.fullmatch(if_match.strip())
    if version is None:
        raise IfMatchUnreadable()
    return int(version[1])


# --- dates in the address -----------------------------------------------------------------


class AsOf(NamedTuple):
    """A day, and a moment: as of the end of the one, as known at the other."""

    on: date | None
    known_at: datetime | None


def read_known_at(
    known_at: Annotated[
        str | None,
        Query(
            description="As known at this moment, ISO 8601 with Z or an offset: what was recorded "
            "later is left out.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None,
) -> datetime | None:
    """The moment as known at which a question is asked, if any."""
    return None if known_at is None else _moment(known_at)


KnownAtAsked = Annotated[datetime | None, Depends(read_known_at)]


def read_as_of(
    known_at: KnownAtAsked,
    on: Annotated[
        str | None,
        Query(
            description="As of the end of this day, YYYY-MM-DD.",
            json_schema_extra={"format": "date"},
        ),
    ] = None,
) -> AsOf:
    """The two dates every question may be asked at."""
    day = None if on is None else parse_date(on, "on")
    require_keepable(day, "on")
    return AsOf(day, known_at)


def _moment(text: str) -> datetime:
    text = text.replace(" ", "+")  # an unescaped + of an offset arrives as a space
    try:
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            require_keepable(moment.date(), "known_at")
            return moment
    except ValueError:
        pass  # written well, but no such moment: 25:00
    raise InvalidDate(
        "known_at must be a moment with its offset, such as 2026-04-06T09:30:00Z.",
        field="known_at",
    )


def now() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)


def today() -> date:
    """The day it is in England."""
    return day_in_england(now())


def read_period(
    first: Annotated[
        str,
        Query(alias="from", description="The first day, YYYY-MM-DD.",
              json_schema_extra={"format": "date"}),
    ],
    last: Annotated[
        str,
        Query(alias="to", description="The last day, YYYY-MM-DD.",
              json_schema_extra={"format": "date"}),
    ],
) -> Period:  # fmt: skip
    """The days that are asked about."""
    days = parse_date(first, "from"), parse_date(last, "to")
    for day, name in zip(days, ("from", "to"), strict=True):
        require_keepable(day, name)
    return Period(*days)


PeriodAsked = Annotated[Period, Depends(read_period)]
AsOfAsked = Annotated[AsOf, Depends(read_as_of)]


# --- bodies -------------------------------------------------------------------------------

TBody = TypeVar("TBody", bound=msgspec.Struct)


class BodyOf(Generic[TBody]):
    """Reads a JSON body into a Struct: strictly, with every fault named if there is one."""

    def __init__(self, struct: type[TBody]) -> None:
        self.struct = struct
        self._decode: Callable[[bytes], TBody] = msgspec.json.Decoder(struct).decode

    def read(self, body: bytes) -> TBody:
        """Raises `BodyUnreadable`, `BodyInvalid`, or the refusal of a field's own type."""
        try:
            read = self._decode(body)
            json.loads(body, object_pairs_hook=_each_once)
            return read
        except msgspec.ValidationError as error:
            raise BodyInvalid(self._faults(body) or [_fault(error, "")]) from None
        except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of 5,000 digits
            raise BodyUnreadable() from None

    def _faults(self, body: bytes) -> list[Fault]:
        """Every field that is missing, unknown or not of its kind."""
        try:
            given: Any = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            raise BodyUnreadable() from None
        if not isinstance(given, dict):
            return [Fault("", "Must be a JSON object.")]
        faults = []
        for field in msgspec.structs.fields(self.struct):
            if field.encode_name not in given:
                if field.required:
                    faults.append(Fault(field.encode_name, "Is missing."))
                continue
            try:
                msgspec.convert(given.pop(field.encode_name), field.type)
            except msgspec.ValidationError as error:
                faults.append(_fault(error, field.encode_name))
            except Refusal as refusal:
                faults.append(Fault(field.encode_name, str(refusal)))
        return faults + [Fault(name[:40], "Is not a field of this request.") for name in given]


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """msgspec takes the last of fields of one name; another reader may take the first."""
    names = set[str]()
    for name, _ in pairs:
        if name in names:
            raise BodyInvalid([Fault(name[:40], "Is there more than once.")])
        names.add(name)


def _fault(error: msgspec.ValidationError, field: str) -> Fault:
    """msgspec's sentence without the value it found: it may be an account number."""
    reason, _, path = str(error).partition(" - at `$")
    if reason.startswith("Invalid enum value"):
        reason = "Is not one of the values allowed here"
    return Fault((field + path.rstrip("`")).lstrip("."), f"{reason.replace('`', '')}.")
