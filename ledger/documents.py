"""What documents that leave the building share: who writes, page templates, safe cells."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Template

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|[\t\r\n]")


class Council(NamedTuple):
    """Who writes: what is not known is empty."""

    name: str
    address: str
    phone: str
    email: str
    complaints: str

    @property
    def ways(self) -> list[tuple[str, str]]:
        """How to reach the council, the quickest first."""
        ways = (("Phone", self.phone), ("Email", self.email), ("Post", self.address))
        return [(name, way) for name, way in ways if way]


def safe_cell(text: str) -> str:
    """A text that no spreadsheet calculates: what looks like a formula has a ' before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def page(name: str, **filters: Callable[..., Any]) -> Template:
    """A template of `ledger/templates` with its filters: escaped, nothing missing unnoticed."""
    # Imported here: only who makes a page should wait for it.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters
    return environment.from_string(_text(name))


@cache
def _text(name: str) -> str:
    return files("ledger").joinpath("templates", name).read_text("utf-8")
