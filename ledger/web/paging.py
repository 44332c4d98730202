"""Long lists, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request

PAGE_SIZE = 50

PageAsked = Annotated[int, Query(ge=1, le=1_000_000)]
"""Which page of a list is asked for; the first, if none is."""

_OF_THIS_PAGE = ("page", "recorded")

TItem = TypeVar("TItem")


class Paging(NamedTuple):
    """Where one page is in its list, and the addresses of those beside it.

    `place` is the id of the list, where it is not what the page begins with."""

    path: str
    asked: Mapping[str, str]
    number: int
    total: int
    size: int = PAGE_SIZE
    place: str = ""

    @property
    def after(self) -> int:
        """How many come before this page."""
        return (self.number - 1) * self.size

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def links(self) -> dict[str, Any]:
        """The pages beside it, as GOV.UK Frontend takes them; nothing if there are none."""
        found: dict[str, Any] = {}
        if self.number > 1:
            found["previous"] = {"href": self._address(self.number - 1)}
        if self.number < self.pages:
            found["next"] = {"href": self._address(self.number + 1)}
        return found

    def of(self, items: Sequence[TItem]) -> Sequence[TItem]:
        """This page's part of a list that is there whole."""
        return items[self.after : self.after + self.size]

    def _address(self, number: int) -> str:
        place = f"#{self.place}" if self.place else ""
        return f"{self.path}?{urlencode({**self.asked, 'page': number})}{place}"


def paging(
    request: Request, number: int, total: int, size: int = PAGE_SIZE, place: str = ""
) -> Paging:
    """The page asked for of a list of so many; what else was asked for stays asked for."""
    asked = {
        name: value
        for name, value in request.query_params.items()
        if name not in ("page", "recorded")
    }
    return Paging(request.url.path, asked, number, total, size, place)
