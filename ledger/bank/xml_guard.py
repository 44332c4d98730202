"""XML from outside, read without trust: what every reader of it goes through.

A file is refused before it is parsed if it is too large, not UTF-8, or has a DTD, without which
there are no entities. Reports are then read as they stream by, so that no file, whatever it
holds, takes more memory than its own bytes and the part in hand. A refusal names the part and
the element, never what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from ledger.errors import BankFileUnreadable

LARGEST_REPORT = 32 * 1024 * 1024  # bytes; 20,000 payments take a fifth to a half of it
MOST_TOLD = 750_000  # elements and attributes; as many as are passed over in a second
DEEPEST = 32
LONGEST = 65_536  # bytes in a tag or text; characters, elements and attributes in a part

_CHUNK = 65_536
_TOO_LONG = re.compile(rb"<[^<]{%d}" % LONGEST)


class Part(NamedTuple):
    """An element that a reader asked for; `element` is lxml's, its names without namespace."""

    path: str
    namespace: str
    element: Any


def require(right: bool, part: str, element: str, fault: str) -> None:
    """Refuse the whole file unless something is right, by the part and element at fault."""
    if not right:
        raise unreadable(part, element, fault)


def unreadable(part: str, element: str, fault: str) -> BankFileUnreadable:
    """The refusal of a file, by the part and element at fault."""
    return BankFileUnreadable(f"{part}, {element}: {fault}.", part=part, field=element)


def read_limited(path: Path, most: int = LARGEST_REPORT) -> bytes:
    """A file's bytes; of one over `most` bytes no more is read, however large it is."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    _require_size(data, most)
    return data


def require_plain(data: bytes, most: int) -> None:
    """Refuse what may not be parsed: more than `most` bytes, UTF-16, a DTD, a tag without end."""
    _require_size(data, most)
    require(b"\0" not in data, "File", "characters", "not UTF-8")
    require(b"<!DOCTYPE" not in data, "File", "DTD", "not allowed")
    require(not _TOO_LONG.search(data), "File", "tag or text", f"over {LONGEST:,} bytes")


def parser(target: object = None) -> Any:
    """Reads UTF-8 whatever the file says it is, and fetches nothing. Without a DTD there are only
    the five entities that XML itself has, such as &amp;: False would leave those in attributes."""
    return etree.XMLParser(
        target=target,
        encoding="utf-8",
        resolve_entities="internal",
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )


def first(data: bytes, paths: Collection[str]) -> Part | None:
    """The first element at one of some paths, with its attributes only, or None."""
    return next(_stream(data, _Collector(whole=(), opened=paths)), None)


def parts(
    data: bytes,
    report: str,
    *,
    whole: Collection[str],
    opened: Collection[str] = (),
    nowhere_else: Collection[str] = (),
) -> Iterator[Part]:
    """The elements at some paths within a report, in the order of the file.

    A path is of names from the root, such as "BACSDocument/Data/InputReport" for `report`; the
    others begin below it. An element of `whole` is given when it ends, with all it holds; one of
    `opened` when it begins, with its attributes only. All else is passed over, but for two
    things: the report must stand alone in its parent, and the names in `nowhere_else` must not
    stand at a place where they would be passed over.

    Comments may stand between elements and `xml-stylesheet` before the first. Text that either
    would break up is refused, as a comment in an amount would hide half of it.
    """
    collector = _Collector(
        whole=[f"{report}/{path}" for path in whole],
        opened=[report, *(f"{report}/{path}" for path in opened)],
        nowhere_else=nowhere_else,
        alone=report,
    )
    below, name = len(report) + 1, report.rpartition("/")[2]
    reports = 0
    for path, namespace, element in _stream(data, collector):
        if path == report:
            reports += 1
            require(reports == 1, "File", name, "more than one")
        else:
            yield Part(path[below:], namespace, element)
    require(reports == 1, "File", name, "not there")


def _require_size(data: bytes, most: int) -> None:
    require(len(data) <= most, "File", "size", f"over {most:,} bytes")


def _stream(data: bytes, collector: _Collector) -> Iterator[Part]:
    require_plain(data, LARGEST_REPORT)
    told = data.count(b"<") - data.count(b"</") + data.count(b"=")
    require(told <= MOST_TOLD, "File", "size", f"over {MOST_TOLD:,} elements and attributes")
    reader = parser(collector)
    try:
        for start in range(0, len(data), _CHUNK):
            reader.feed(data[start : start + _CHUNK])
            yield from collector.taken()
        reader.close()
    except etree.XMLSyntaxError as fault:
        raise unreadable("File", f"line {fault.lineno}", "not well-formed XML") from None
    yield from collector.taken()


class _Place:
    """A place on the way to what was asked for, or the place itself; `asked` is its path."""

    __slots__ = ("asked", "closed", "whole", "within")

    def __init__(self) -> None:
        self.within: dict[str, _Place] = {}
        self.asked = ""
        self.whole = False
        self.closed = False  # nothing else may stand in it


_ELSEWHERE = _Place()


class _Collector:
    """Is told of every element by the parser, and keeps those that were asked for."""

    def __init__(
        self,
        *,
        whole: Collection[str],
        opened: Collection[str],
        nowhere_else: Collection[str] = (),
        alone: str = "",
    ) -> None:
        top = _Place()
        for path in (*whole, *opened):
            place = top
            for name in path.split("/"):
                place = place.within.setdefault(name, _Place())
            place.asked, place.whole = path, path in whole
        place = top
        for name in alone.split("/")[:-1]:
            place = place.within[name]
        place.closed = bool(alone)
        self._places = [top]
        self._nowhere_else = frozenset(nowhere_else)
        self._prefix = ""
        self._begun = False
        self._builder: Any = None  # of the part in hand
        self._path = ""
        self._depth = 0
        self._held = 0
        self._may_hold_text = False
        self._holds_text = False
        self._ready: list[Part] = []

    def taken(self) -> list[Part]:
        """What has become ready since this was last asked."""
        ready, self._ready = self._ready, []
        return ready

    # --- what the parser calls ------------------------------------------------------------

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._begun:
            self._prefix, self._begun = tag[: tag.find("}") + 1], True
        if len(self._places) + self._depth > DEEPEST:
            raise unreadable("File", "depth", f"over {DEEPEST} elements within each other")
        name = self._name(tag)
        if self._builder is None:
            self._look(name, attributes)
        else:
            self._depth += 1
            self._hold(1 + len(attributes))
            self._break_off()
            self._builder.start(name, attributes)
        self._may_hold_text = True

    def end(self, tag: str) -> None:
        if self._builder is None:
            self._places.pop()
            return
        self._builder.end(self._name(tag))
        self._depth -= 1
        self._may_hold_text = self._holds_text = False
        if not self._depth:
            element, self._builder = self._builder.close(), None
            self._give(self._path, element)

    def data(self, text: str) -> None:
        if self._builder is None:
            return
        self._hold(len(text))
        self._builder.data(text)
        if text.strip():
            require(self._may_hold_text, "File", self._part, "text is broken up")
            self._holds_text = True

    def comment(self, _text: str) -> None:
        if self._builder is not None:
            self._hold(1)
            self._break_off()

    def pi(self, target: str, _data: str | None = None) -> None:
        stylesheet = target == "xml-stylesheet" and not self._begun
        require(stylesheet, "File", "instruction", "only a stylesheet, before the first element")

    def close(self) -> None:
        pass

    # --------------------------------------------------------------------------------------

    @property
    def _part(self) -> str:
        return self._path.rpartition("/")[2]

    def _name(self, tag: str) -> str:
        """A name without the root's namespace; one of another namespace cannot be asked for."""
        if tag.startswith(self._prefix):
            return tag[len(self._prefix) :]
        return tag if tag.startswith("{") else f"{{none}}{tag}"

    def _look(self, name: str, attributes: Mapping[str, str]) -> None:
        """Whether an element outside every part begins one."""
        here = self._places[-1]
        place = here.within.get(name, _ELSEWHERE)
        if place is _ELSEWHERE:
            require(not here.closed, "File", "element", "not what belongs there")
            require(name not in self._nowhere_else, "File", name, "not where it belongs")
        if place.whole:
            self._path, self._depth, self._held = place.asked, 1, 0
            self._builder = etree.TreeBuilder()
            self._builder.start(name, attributes)
            return
        self._places.append(place)
        if place.asked:
            self._give(place.asked, etree.Element(name, attributes))

    def _break_off(self) -> None:
        """An element or a comment begins: no text may stand before it or after it."""
        require(not self._holds_text, "File", self._part, "text is broken up")
        self._may_hold_text = False

    def _hold(self, more: int) -> None:
        self._held += more
        if self._held > LONGEST:
            raise unreadable("File", self._part, f"over {LONGEST:,} characters")

    def _give(self, path: str, element: Any) -> None:
        self._ready.append(Part(path, self._prefix[1:-1], element))
