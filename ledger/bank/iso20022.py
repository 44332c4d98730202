"""What the ISO 20022 readers share: a message's tree, and the official schemas."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from lxml import etree

from ledger.bank.xml_guard import parser, require, require_plain, unreadable

LARGEST_FILE = 128 * 1024 * 1024  # bytes; 100,000 payments take about half of it

_FAULTY_ELEMENT = re.compile(r"Element '\{[^}]*\}(\w+)'")


def namespace(version: str) -> str:
    """The namespace of a message, such as "pain.001.001.09"."""
    return f"urn:iso:std:iso:20022:tech:xsd:{version}"


def document(data: bytes) -> Any:
    """A message's tree, from bytes that the guard lets through; elements only, no comment."""
    require_plain(data, LARGEST_FILE)
    try:
        root = etree.fromstring(data, parser())
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
    return etree.XMLSchema(etree.fromstring(text, parser()))
