"""A form with a file: read strictly, from our own pages only, and held in memory, never on a disk.

The file may hold account details, and the framework's own reader writes what is large to temporary
files.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from ledger.errors import MediaTypeNotTaken, Refusal
from ledger.web.forms import Form, require_own_page, require_own_session

MOST_BYTES = 32_000_000
MOST_PARTS = 20


class UploadTooLarge(Refusal):
    """A file may have at most 32 MB, with the form it is sent by."""

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
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise MediaTypeNotTaken("This address takes multipart/form-data.")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MOST_BYTES:
        raise UploadTooLarge()
    try:
        form, files = await _parts(request, options["boundary"])
    except (MultipartError, UnicodeDecodeError) as fault:
        raise UploadUnreadable() from fault
    sent = [(media_type, content) for media_type, content in files if content]
    if len(sent) > 1:
        raise UploadUnreadable()  # one file is asked for
    require_own_session(request, form)
    return Upload(form, *sent[0]) if sent else Upload(form, "", b"")


async def _parts(request: Request, boundary: str) -> tuple[Form, list[tuple[str, bytes]]]:
    """What was filled in, and each file: what it is said to be, and its bytes."""
    form, files, received = Form(), [], 0
    value = bytearray()
    part: Any = None
    with PushMultipartParser(boundary, max_segment_count=MOST_PARTS, strict=True) as parser:
        async for chunk in request.stream():
            received += len(chunk)
            if received > MOST_BYTES:
                raise UploadTooLarge()
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part, value = event, bytearray()
                elif event:
                    value += event
                elif part.filename is None:
                    form.setdefault(part.name, []).append(value.decode())
                else:
                    files.append(((part.content_type or "").lower(), bytes(value)))
    return form, files


Uploaded = Annotated[Upload, Depends(read_upload)]
