"""What the ISO 20022 readers share: a parser that trusts nothing, and the official schemas."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from lxml import etree

from ledger.errors import BankFileUnreadable

LARGEST_FILE = 128 * 1024 * 1024  # bytes; 100,000 payments take about half of it

_FAULTY_ELEMENT = re.compile(r"Element '\{[^}]*\}(\w+)'")


def namespace(version: str) -> str:
    """The namespace of a message, such as "pain.001.001.09"."""
    return f"urn:iso:std:iso:20022:tech:xsd:{version}"


def document(data: bytes) -> Any:
    """A message's tree: UTF-8, no DTD, no entity, comment or instruction, not too large."""
    require(len(data) <= LARGEST_FILE, "File", "size", f"over {LARGEST_FILE:,} bytes")
    require(b"\0" not in data, "File", "characters", "not UTF-8")
    require(b"<!DOCTYPE" not in data, "File", "DTD", "not allowed")
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as fault:
        raise unreadable("File", f"line {fault.lineno}", "not well-formed XML") from None
    tree = root.getroottree()
    require(tree.docinfo.internalDTD is None, "File", "DTD", "not allowed")
    # A comment inside an amount would hide half of it from whoever reads the text before it.
    odd = next(tree.iter(etree.Comment, etree.PI, etree.Entity), None)
    beside = (root.getprevious(), root.getnext())
    require(odd is None and beside == (None, None), "File", "comment", "only elements are allowed")
    return root


def require_valid(root: Any, version: str) -> None:
    """Refuse what ISO's own schema refuses; the sentence never repeats what stood there."""
    schema = _schema(version)
    if not schema.validate(root):
        fault = schema.error_log[0]
        named = _FAULTY_ELEMENT.match(fault.message)
        element = named[1] if named else "element"
        raise unreadable(f"Line {fault.line}", element, f"not what the schema of {version} allows")


@cache
def _schema(version: str) -> Any:
    """The schema, from the copy that the sepaxml library carries."""
    text = (files("sepaxml") / "schemas" / f"{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text, _parser()))


def _parser() -> Any:
    """Reads UTF-8 whatever the file says it is; fetches nothing, replaces no entity."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )


def require(right: bool, part: str, element: str, fault: str) -> None:
    """Refuse the whole file unless something is right, by the part and element at fault."""
    if not right:
        raise unreadable(part, element, fault)


def unreadable(part: str, element: str, fault: str) -> BankFileUnreadable:
    """The refusal of a file, by the part and element at fault."""
    return BankFileUnreadable(f"{part}, {element}: {fault}.", part=part, field=element)
