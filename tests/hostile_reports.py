"""Files that no bank would send, and what refusing each of them takes.

`python -m tests.hostile_reports FOLDER` reads them one after the other in a process of its own and
prints what happened as JSON, so that its memory is that of the readers and of one file at a time.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

from ledger.bank.reports import read_report
from ledger.bank.xml_guard import DEEPEST, LARGEST_REPORT, MOST_TOLD, read_limited
from ledger.errors import BankFileUnreadable
from tests.bank_reports import (
    NewAccount,
    Refused,
    Returned,
    Status,
    arucs_xml,
    awacs_xml,
    input_report_xml,
    pain002_xml,
)

SUN, DAY = "987654", date(2026, 4, 1)
ARUCS = arucs_xml(SUN, [Returned("DP0000001-W39", 66_820)], DAY)
INPUT = input_report_xml(
    SUN, "000123", accepted=(2, 119_871), processing_on=DAY, errors=[Refused("DP1", 5)]
)
REPORTS = {
    "ARUCS": ARUCS,
    "input report": INPUT,
    "AWACS": awacs_xml(SUN, [NewAccount("DP1")], DAY),
    "pain.002": pain002_xml("C1", [Status("DP1", amount_pence=5)], DAY, original=(3, 9)),
}
A_GIGABYTE = 1 << 30

Named = tuple[str, bytes]


def corpus() -> dict[str, bytes]:
    """Every hostile file but the enormous ones, by what is wrong with it."""
    found = {f"ARUCS, cut off after {kept}": ARUCS[:kept] for kept in range(len(ARUCS))}
    for kind, data in REPORTS.items():
        for make in (_encoded, _with_a_dtd, _broken_up, _misplaced):
            found |= {f"{kind}, {what}": made for what, made in make(data)}
    return found | dict(_wrong_totals())


def _encoded(data: bytes) -> Iterator[Named]:
    """In every encoding but UTF-8, and with bytes that are none."""
    text = data.decode()
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp037"):
        yield f"in {codec}", text.replace("UTF-8", codec).encode(codec)
    yield "in UTF-7", data.replace(b"UTF-8", b"UTF-7").replace(b"<", b"+ADw-")
    yield "two byte order marks", b"\xef\xbb\xbf" * 2 + data
    middle = data.index(b"DP")
    odd = {
        "a NUL": b"\0",
        "half a character": b"\xc3",
        "a byte of Latin-1": b"\xe9",
        "a surrogate": b"\xed\xa0\x80",
        "an overlong character": b"\xc0\xbc",
        "a control character": b"\x01",
    }
    for what, byte in odd.items():
        yield f"{what} within", data[:middle] + byte + data[middle:]
        yield f"{what} before", byte + data
        yield f"{what} after", data + byte


def _with_a_dtd(data: bytes) -> Iterator[Named]:
    """DTDs and entities of every kind, at once and after a long prologue."""
    laughs = b'<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%b">' % (name, b"&%c;" % (name - 1) * 10) for name in b"bcdefghi"
    )
    definitions = {
        "a DTD": b"",
        "a DTD by address": b' SYSTEM "http://example.invalid/x.dtd"',
        "a public DTD": b' PUBLIC "-//X//Y" "http://example.invalid/x.dtd"',
        "a file as entity": b' [<!ENTITY i SYSTEM "file:///etc/passwd">]',
        "a thousand million laughs": b" [%b]" % laughs,
        "one long entity": b' [<!ENTITY i "%b">]' % (b"x" * 50_000),
        "a parameter entity": b' [<!ENTITY %% p SYSTEM "file:///etc/passwd"> %%p;]',
        "a default attribute": b' [<!ATTLIST Document x CDATA "y">]',
    }
    used = data.replace(b"DP", b"&i;", 1)
    for what, definition in definitions.items():
        told = b"<!DOCTYPE Document%b>" % definition
        yield what, _before(used, told)
        yield f"{what} late", _before(used, (b"<!-- -->" + b" " * 60_000) * 5 + told)
    yield "an entity not declared", used
    yield "an entity not declared, in text", data.replace(b"</", b"&i;</", 1)
    for odd in (b"&#0;", b"&#x1;", b"&#xFFFF;", b"&#x110000;", b"&", b"&;", b"&#;"):
        yield f"the reference {odd!r}", data.replace(b"DP", odd, 1)


def _broken_up(data: bytes) -> Iterator[Named]:
    """Comments and instructions where they may not be, and XML that is none."""
    for what, odd in {"a comment": b"<!---->", "an element": b"<x/>"}.items():
        yield f"{what} in an attribute", data.replace(b'="', b'="' + odd, 1)
        for name in re.findall(rb"<(\w+)(?: [^>]*)?>[^<\n]+</", data):
            if name not in (b"SignatureMethod", b"Signature"):
                end = b"</%b>" % name
                yield f"{what} after {name!r}", data.replace(end, odd + end)
                begun = re.search(rb"<%b(?: [^>]*)?>" % name, data)
                assert begun is not None
                yield f"{what} before {name!r}", data[: begun.end()] + odd + data[begun.end() :]
    yield "an instruction within", data.replace(b"</", b"<?x y?></", 1)
    yield "an instruction before", _before(data, b"<?x y?>")
    yield "a stylesheet after", data + b"<?xml-stylesheet href='x'?>"
    yield "itself twice", data + data[data.index(b"\n") :]
    yield "words after", data + b"and more"
    yield "words before", b"From the bank: " + data
    yield "an attribute twice", data.replace(b'="', b'="" x="" x="', 1)
    yield "an attribute without quotes", data.replace(b'="', b"=", 1)
    yield "a prefix not bound", re.sub(rb"<(Data|GrpHdr)>", rb"<x:\1>", data)
    yield "tags that cross", re.sub(rb"</(Data|GrpHdr)>", b"</BACSDocument>", data)


def _misplaced(data: bytes) -> Iterator[Named]:
    """Other namespaces, other roots, and a report that is not alone."""
    iso = b"urn:iso:std:iso:20022:tech:xsd:pain.002.001."
    if b"<BACSDocument>" in data:
        yield "in a namespace", data.replace(b"Document>", b'Document xmlns="%b03">' % iso, 1)
        yield "within a namespace", data.replace(b"<Data>", b'<Data xmlns="urn:example">')
        yield "beside another report", data.replace(b"<Data>", b"<Data><ARUDD/>")
        yield "twice", re.sub(rb"<Data>(.*)</Data>", rb"<Data>\1\1</Data>", data, flags=re.S)
        yield "no report", re.sub(rb"<Data>.*</Data>", b"<Data/>", data, flags=re.S)
    else:
        for space in (b"", b"urn:example", iso, iso + b"3", iso.upper() + b"03"):
            yield f"in the namespace {space!r}", data.replace(iso + b"03", space)
        for name in (b"CstmrPmtStsRpt", b"GrpHdr", b"OrgnlEndToEndId"):
            yield f"{name!r} in none", data.replace(b"<%b>" % name, b'<%b xmlns="">' % name)
        yield "no report", re.sub(rb"<Cst.*Rpt>", b"", data, flags=re.S)
    deep = b"<x>" * DEEPEST + b"</x>" * DEEPEST
    yield "nested too deeply", re.sub(rb"</(Data|CstmrPmtStsRpt)>", deep + rb"</\1>", data)
    yield "another root", re.sub(rb"(BACS)?Document(?=[ >])", b"Papers", data)


def _wrong_totals() -> Iterator[Named]:
    """Every digit of every total changed, one at a time."""
    for data, span in ((ARUCS, rb"<Totals.*?>"), (INPUT, rb"<AccountTotal .*</AccountTotal>")):
        (within,) = re.finditer(span, data, flags=re.S)
        for stated in re.finditer(rb'(?:numberOf|valueOf)="([0-9.]+)"', data):
            for at in range(*stated.span(1)):
                if within.start() < at < within.end() and data[at] != ord("."):
                    other = b"1" if data[at] == ord("0") else b"0"
                    yield f"a total wrong at {at}", data[:at] + other + data[at + 1 :]


def _before(data: bytes, added: bytes) -> bytes:
    """With something between the XML declaration and the first element."""
    at = data.index(b"\n")
    return data[:at] + added + data[at:]


# --- enormous ones ------------------------------------------------------------------------


def _filled(piece: bytes, size: int = LARGEST_REPORT, within: bytes = b"</ARUCS>") -> bytes:
    """An ARUCS report with a piece repeated at its end until it is as large as is read."""
    at = ARUCS.index(within)
    return b"".join((ARUCS[:at], piece * ((size - len(ARUCS)) // len(piece)), ARUCS[at:-1]))


def _tags(piece: bytes, each: int) -> bytes:
    """As many tags and attributes as are read, and a fault at the very end."""
    return _filled(piece, len(ARUCS) + len(piece) * (MOST_TOLD // each - 100))


A_LONG_TAG = b"<a %b/>" % b" ".join(b'a%d=""' % n for n in range(999))
ENORMOUS: dict[str, Callable[[], bytes]] = {
    "a byte too many": lambda: b"<" * (LARGEST_REPORT + 1),
    "NULs": lambda: b"\0" * LARGEST_REPORT,
    "blanks": lambda: b" " * LARGEST_REPORT,
    "tags without end": lambda: b"<" * LARGEST_REPORT,
    "nested without end": lambda: b"<a>" * (LARGEST_REPORT // 3),
    "a DTD at the very end": lambda: b" " * (LARGEST_REPORT - 99) + b"<!DOCTYPE a><a/>",
    "a huge attribute": lambda: ARUCS.replace(b'ref="', b'ref="' + b"x" * 11_000_000),
    "a huge name": lambda: ARUCS.replace(b"<Data", b"<" + b"x" * 11_000_000),
    "a huge text": lambda: _filled(b"x"),
    "huge comments": lambda: _filled(b"<!--" + b"x" * 60_000 + b"-->"),
    "many references": lambda: _filled(b"&amp;"),
    "many comments": lambda: _filled(b"<!-- a comment that says nothing at all -->"),
    "many elements": lambda: _filled(b"<a/>"),
    "many elements in an item": lambda: _filled(b"<a/>", within=b"</ReturnedCreditItem>"),
    "many CDATA sections": lambda: _filled(b"<![CDATA[and so on, and so on, for ever]]>"),
    "many attributes": lambda: ARUCS.replace(
        b"<Data", b"<Data " + b" ".join(b'a%d=">"' % n for n in range(MOST_TOLD // 2))
    ),
    "an item of as many elements as are read": lambda: _filled(
        b"<a/>", 4 * (MOST_TOLD - 1000), within=b"</ReturnedCreditItem>"
    ),
    "as many elements as are read": lambda: _tags(b"<a/>", 1),
    "as many attributes as are read": lambda: _tags(A_LONG_TAG, 1000),
    "as many namespaces as are read": lambda: _tags(b"<a xmlns='b'/>", 2),
}


def _peak_bytes() -> int:
    """The most memory this process had; of the one that started it, Linux' getrusage knows too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes, on macOS


def main(folder: Path) -> None:
    """Try every file, and print how many there were, how long the slowest took, and the memory."""
    accepted, slowest = [], (0.0, "")

    def refused(what: str, read: Callable[[], object]) -> float:
        start = time.process_time()
        try:
            read()
        except BankFileUnreadable:
            pass
        else:
            accepted.append(what)
        return time.process_time() - start

    files = corpus()
    for what, data in files.items():
        slowest = max(slowest, (refused(what, partial(read_report, data)), what))
    for what, make in ENORMOUS.items():
        read = partial(read_report, make())
        took = refused(what, read)
        if took > 0.7:  # or was it what else the machine does?
            took = min(took, refused(what, read), refused(what, read))
        slowest = max(slowest, (took, what))
        del read
    stream = folder / "endless.xml"
    with stream.open("wb") as file:
        file.write(ARUCS[:-1])
        file.truncate(A_GIGABYTE)
    took = refused("a gigabyte", lambda: read_report(read_limited(stream)))
    slowest = max(slowest, (took, "a gigabyte"))
    print(json.dumps({
        "files": len(files) + len(ENORMOUS) + 1,
        "accepted": accepted,
        "slowest_s": round(slowest[0], 3),
        "slowest": slowest[1],
        "peak_bytes": _peak_bytes(),
    }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
