"""A form with a file: read strictly, from our own pages only, and held in memory, never on a disk.

The file may hold account details, and the libraries that read such forms write what is large to
temporary files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from ledger.errors import MediaTypeNotTaken, Refusal
from ledger.web.forms import Form, require_own_page, require_own_session

MOST_BYTES = 32_000_000
MOST_PARTS = 20

_KIND = re.compile(r"multipart/form-data; *boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?")
_NAMED = re.compile(rb'form-data; name="([^"]{1,100})"(?:; filename="([^"]{0,1000})")?', re.ASCII)


class UploadTooLarge(Refusal):
    """A file may have at most 32,000,000 bytes, with the form it is sent by."""

    status = 413


class UploadUnreadable(Refusal):
    """A form with a file must be multipart/form-data, as browsers send it."""

    status = 400


class Upload(NamedTuple):
    """A form, and the one file that came with it: what its sender says it is, and its bytes.

    Without a file both are empty."""

    form: Form
    media_type: str
    content: bytes


async def read_upload(request: Request) -> Upload:
    """Read a form with a file that was sent; refused while it arrives as soon as it is too long.

    Raises `FormFromElsewhere`, `MediaTypeNotTaken`, `UploadTooLarge` and `UploadUnreadable`."""
    require_own_page(request)
    kind = _KIND.fullmatch(request.headers.get("content-type", ""))
    if kind is None:
        raise MediaTypeNotTaken("This address takes multipart/form-data.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MOST_BYTES:
        raise UploadTooLarge()
    body = bytearray(b"\r\n")
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise UploadTooLarge()
    form, media_type, content = Form(), "", b""
    for name, file_name, said_to_be, value in _parts(body, kind[1].encode()):
        if file_name is None:
            form.setdefault(name, []).append(_text(value))
        elif content:
            raise UploadUnreadable()  # one file is asked for
        else:
            media_type, content = said_to_be, bytes(value)
    require_own_session(request, form)
    return Upload(form, media_type, content)


def _parts(body: bytearray, boundary: bytes) -> Iterator[tuple[str, str | None, str, bytearray]]:
    """Each part's name, the name of its file if it is one, what that is said to be, its bytes."""
    before, *parts = body.split(b"\r\n--" + boundary, MOST_PARTS + 1)
    if before or not parts or bytes(parts.pop()) not in (b"--", b"--\r\n"):
        raise UploadUnreadable()
    for part in parts:
        head, blank, value = part.partition(b"\r\n\r\n")
        headers = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, said = line.partition(b":")
            headers[bytes(name).lower()] = bytes(said).strip()
        named = _NAMED.fullmatch(headers.get(b"content-disposition", b""))
        if not blank or not part.startswith(b"\r\n") or named is None:
            raise UploadUnreadable()
        file_name = None if named[2] is None else _text(named[2])
        said_to_be = _text(headers.get(b"content-type", b"")).partition(";")[0].strip().lower()
        yield _text(named[1]), file_name, said_to_be, value


def _text(value: bytes | bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UploadUnreadable() from None


Uploaded = Annotated[Upload, Depends(read_upload)]
