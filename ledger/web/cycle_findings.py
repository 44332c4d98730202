"""What changed since the last cycle, for the pages that show it.

For 100,000 payments both cycles take seconds to read, and several pages want what changed: it is
worked out once, beside, and the last few are kept. A preparation never changes, and one that
replaces it has another number.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from fastapi import Request
from fastapi.responses import Response

from ledger.application import Ledger
from ledger.cycle_differences import CycleDifferences
from ledger.cycle_reading import CycleNow, read_cycle
from ledger.last_cycle import differences_of, last_reference
from ledger.web.asking import ledger_of
from ledger.web.long_work import Work, awaited

MOST_KEPT = 2
"""Of how many cycles it is kept."""

_Of = tuple[str, int, str | None, int]
_kept: WeakKeyDictionary[Ledger, dict[_Of, CycleDifferences]] = WeakKeyDictionary()


def differences(
    request: Request, now: CycleNow, *, patiently: bool = False
) -> CycleDifferences | Response:
    """What changed in a cycle as it stands; or where one sees that it is being worked out.

    From there one is led to the same page again. Whoever waits `patiently` gets what changed,
    however long it takes.
    """
    ledger, reference = ledger_of(request), now.cycle.reference
    kept = _kept.setdefault(ledger, {})
    of = _what_it_is_of(ledger, now)
    known = kept.get(of)
    if known is not None:
        return known

    def work_out() -> CycleDifferences:
        known = kept.get(of)
        if known is not None:
            return known
        found = differences_of(ledger, reference)
        # Prepared again meanwhile, or another last cycle? Then it is not of what was asked for.
        if of == _what_it_is_of(ledger, read_cycle(ledger, reference)):
            kept[of] = found
            while len(kept) > MOST_KEPT:
                del kept[next(iter(kept))]
        return found

    work = Work(request, f"Comparing {reference} with the last cycle", 0)
    asked = f"{request.url.path}?{request.url.query}".removesuffix("?")
    return awaited(work, asked, work_out, patiently=patiently)


def _what_it_is_of(ledger: Ledger, now: CycleNow) -> _Of:
    """Both cycles, each with the place in its history of the preparation that stands."""
    ledger.projections.catch_up()
    was = last_reference(ledger, now.cycle)
    prepared_before = read_cycle(ledger, was).prepared_version if was else 0
    return now.cycle.reference, now.prepared_version, was, prepared_before
