"""What the ISO 20022 readers share: a parser that trusts nothing, and the official schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from lxml import etree

from ledger.bank.xml_guard import parser, require, require_plain, unreadable
from ledger.errors import BankFileUnreadable

LARGEST_FILE = 128 * 1024 * 1024  # bytes; 100,000 payments take about half of it

_FAULTY_ELEMENT = re.compile(r"Element '\{[^}]*\}(\w+)'")


def namespace(version: str) -> str:
    """The namespace of a message, such as "pain.001.001.09"."""
    return f"urn:iso:std:iso:20022:tech:xsd:{version}"


def valid_document(
    data: bytes, versions: Iterable[str], name: str, take: Callable[[Any], None]
) -> tuple[str, Any]:
    """A message's version, and its tree without the elements of one name; valid by ISO's schema.

    There may be 100,000 of those: each is handed to `take` as it is read and then forgotten, so
    that there is never a tree of them all. The file is UTF-8, has no DTD, entity, comment or
    instruction, and is not too large.
    """
    require_plain(data, LARGEST_FILE)
    try:
        version = _version(data, versions)
        tag = f"{{{namespace(version)}}}{name}"
        # Twice: while it validates, this parser overlooks that a file is cut off.
        _read(data, tag, schema=_schema(version))
        root = _read(data, tag, take)
    except etree.XMLSyntaxError as fault:
        raise _refused(fault) from None
    is_plain = root.getroottree().docinfo.internalDTD is None
    require(is_plain, "File", "DTD", "not allowed")
    return version, root


def _version(data: bytes, versions: Iterable[str]) -> str:
    """Which of some versions a message is of, by the namespace of its first element."""
    _, root = next(_parser(data, events=("start",)))
    found = etree.QName(root).namespace
    for version in versions:
        if found == namespace(version):
            return version
    raise unreadable("Document", "namespace", f"not {' or '.join(versions)}")


def _read(
    data: bytes, tag: str, take: Callable[[Any], None] | None = None, schema: Any = None
) -> Any:
    """Read to the end, handing over and forgetting each element of a tag; returns the root."""
    reading = _parser(data, events=("end", "comment", "pi"), tag=tag, schema=schema)
    last = None
    for event, element in reading:
        # A comment inside an amount would hide half of it from whoever reads the text before it.
        require(event == "end", "File", "comment", "only elements are allowed")
        if take is not None:
            take(element)
        _forget(last)  # and not the one just read: the parser goes on from it
        last = element
    _forget(last)
    return reading.root


def _forget(element: Any) -> None:
    if element is not None:
        element.getparent().remove(element)


def _parser(data: bytes, **asked: Any) -> Any:
    """Reads UTF-8 whatever the file says it is; fetches nothing, replaces no entity."""
    return etree.iterparse(
        BytesIO(data),
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        collect_ids=False,
        **asked,
    )


def _refused(fault: Any) -> BankFileUnreadable:
    """What the parser or the schema found; the sentence never repeats what stood there."""
    if named := _FAULTY_ELEMENT.match(fault.msg or ""):
        return unreadable("File", named[1], "not what ISO's schema allows")
    return unreadable("File", f"line {fault.lineno}", "not well-formed XML")


@cache
def _schema(version: str) -> Any:
    """The schema, from the copy that the sepaxml library carries."""
    text = (files("sepaxml") / "schemas" / f"{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text, parser()))
