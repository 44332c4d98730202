"""The audit bundle: what was replayed, as files that another program can check.

The same question about the same history gives the same bytes, so that two people who asked it can
compare one number.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from ledger.aggregates.event_sourced import TOPICS, Recorded
from ledger.money import plain_pounds
from ledger.projections.audit import sentence
from ledger.projections.postings import ACCOUNTS, postings
from ledger.replay.steps import Asked, History, balances

_NOT_TOLD = {"fingerprint"}  # tells equal accounts apart, which is nobody's business


def bundle(reference: str, history: History, asked: Asked) -> bytes:
    """A ZIP of the events that were asked about, their postings, and the balances they make."""
    told = [recorded for recorded in history if asked.holds(recorded.event)]
    files = {
        "events.jsonl": b"".join(msgspec.json.encode(_event(r)) + b"\n" for r in told),
        "postings.csv": _csv(_POSTING, _postings(told)),
        "balances.csv": _csv(
            ("account", "balance", "meaning"),
            ((a, plain_pounds(p), ACCOUNTS[a]) for a, p in balances(told, asked.on).items()),
        ),
    }
    files["README.txt"] = _readme(reference, asked, len(told)).encode()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    files["SHA256SUMS"] = sums.encode()
    written = io.BytesIO()
    with ZipFile(written, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED)
    return written.getvalue()


def _event(recorded: Recorded) -> dict[str, Any]:
    _, version, event = recorded
    facts = {f: getattr(event, f) for f in event.__struct_fields__ if f not in _NOT_TOLD}
    return {"version": version, "event": TOPICS[type(event)], "says": sentence(event), **facts}


_POSTING = ("version", "effective_on", "recorded_at", "account", "funding_stream", "cost_centre",
            "amount")  # fmt: skip


def _postings(told: History) -> Iterator[tuple[object, ...]]:
    for _, version, event in told:
        for posting in postings(event):
            yield (
                version,
                event.effective_on,
                event.recorded_at.isoformat(),
                posting.account,
                posting.funding_stream,
                posting.cost_centre,
                plain_pounds(posting.amount_pence),
            )


def _csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(header)
    writer.writerows(rows)
    return written.getvalue().encode()


def _readme(reference: str, asked: Asked, count: int) -> str:
    by = f"what takes effect by {asked.on}" if asked.on else "whatever day it takes effect"
    known = f"as known at {asked.known_at.isoformat()}" if asked.known_at else "as known now"
    return f"""Personal budget {reference}: {count} events, {by}, {known}.

events.jsonl   one event a line, in the order in which they were recorded; amounts in pence
postings.csv   what each event moved, in pounds; a debit is positive, a credit negative
balances.csv   what stands on each account then: the sum of its postings
SHA256SUMS     check it with: sha256sum --check SHA256SUMS

The postings of each event add up to nought, and so do the balances.
"""
