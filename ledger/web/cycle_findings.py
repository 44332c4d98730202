"""What has to be read from all of a cycle: its differences, and its exceptions.

For 100,000 payments that takes seconds, and several pages want it: it is worked out once, beside,
and the last few are kept. A preparation never changes, and one that replaces it has another number.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

from fastapi import Request
from fastapi.responses import Response

from ledger.aggregates.cycle_events import CycleException
from ledger.application import Ledger
from ledger.cycle_differences import CycleDifferences
from ledger.cycle_reading import CycleNow, listed, read_cycle
from ledger.last_cycle import differences_of, last_reference
from ledger.web.asking import ledger_of
from ledger.web.long_work import awaited

MOST_KEPT = 2
"""How many cycles' findings are kept. With two of 100,000 payments the server takes 360 MB."""


class Findings(NamedTuple):
    """What changed since the last cycle and why, and everything out of the ordinary."""

    found: CycleDifferences
    exceptions: list[CycleException]


_Of = tuple[str, int, str | None, int]
_kept: WeakKeyDictionary[Ledger, dict[_Of, Findings]] = WeakKeyDictionary()


def findings(request: Request, now: CycleNow, *, patiently: bool = False) -> Findings | Response:
    """The findings on a cycle as it stands; or where one sees that they are being worked out.

    From there one is led to the same page again. Whoever waits `patiently` gets the findings,
    however long it takes.
    """
    ledger = ledger_of(request)
    kept = _kept.setdefault(ledger, {})
    of = _what_it_is_of(ledger, now)
    if of in kept:
        return kept[of]

    def work_out(_progress: object) -> Findings:
        if of not in kept:
            kept[of] = Findings(differences_of(ledger, now.cycle.reference), _all_exceptions(now))
            while len(kept) > MOST_KEPT:
                del kept[next(iter(kept))]
        return kept[of]

    title = f"Comparing {now.cycle.reference} with the last cycle"
    asked = f"{request.url.path}?{request.url.query}".removesuffix("?")
    return awaited(request, title, asked, 0, work_out, patiently=patiently)


def _what_it_is_of(ledger: Ledger, now: CycleNow) -> _Of:
    """Both cycles, each with the place in its history of the preparation that stands."""
    ledger.projections.catch_up()
    was = last_reference(ledger, now.cycle)
    prepared_before = read_cycle(ledger, was).prepared_version if was else 0
    return now.cycle.reference, now.prepared_version, was, prepared_before


def _all_exceptions(now: CycleNow) -> list[CycleException]:
    """Every exception of the preparation that stands."""
    count = now.prepared.exception_count
    return listed(now, lambda event: event.exceptions, count, 0, count)
