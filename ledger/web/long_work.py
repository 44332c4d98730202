"""Work that may take longer than one likes to look at an empty page: done beside, and watched.

It is waited for a little first, so that what is quick is answered at once. What is not goes on in
a thread of its own, one after another, while a page that loads itself anew says how far it is.
Each step of a cycle is one transaction, or repeats without effect: were the server stopped in the
middle, it is simply done again. What such a step records is brought into the read tables while
one still watches, so that the next page need not do it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.errors import ProjectionStopped, ReadTablesOutOfDate, Refusal
from ledger.payment_run import Progress
from ledger.web.asking import ledger_of
from ledger.web.pages import page, see_other

router = APIRouter(include_in_schema=False)

PATIENCE_SECONDS = 2
"""How long one waits for work before a page says how far it is."""

MOST_KEPT = 100

T = TypeVar("T")
Leads = str | Callable[[Any], str]
"""Where work leads when it is done, or how to tell from what came of it."""


class WorkNotKnown(Refusal):
    """This work was begun by someone else, or so long ago that nothing is known of it here."""

    status = 404


class Work:
    """Something that is being done for somebody; `of` is how much there is to do, if known.

    It ends in where it leads. What came of it may be large, and is not kept with it."""

    def __init__(self, request: Request, title: str, of: int) -> None:
        self.title, self.by, self.of = title, actor_of(request).name, of
        self.number = secrets.token_urlsafe(12)
        self.done = 0
        self.future: Future[str] = Future()

    def progress(self, done: int) -> None:
        """Told how much more is done."""
        self.done += done


_works: dict[str, Work] = {}
_lock = threading.Lock()
ONE_AT_A_TIME = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-work")


def see_through(
    request: Request, title: str, leads: Leads, of: int, do: Callable[[Progress], object]
) -> Response:
    """Do something and go on to where it leads, or to the page that says how far it is.

    Raises what the work raises, if it does so while one waits.
    """
    work, ledger = Work(request, title, of), ledger_of(request)

    def see_to_it() -> object:
        came = do(work.progress)
        work.title, work.of = f"{title}: bringing the lists level", 0
        # It is done, whatever stops the tables: the pages that read them say that.
        with suppress(ProjectionStopped, ReadTablesOutOfDate):
            ledger.projections.catch_up()
        return came

    found = awaited(work, leads, see_to_it)
    return found if isinstance(found, Response) else see_other(_led(leads, found))


def _led(leads: Leads, came: object) -> str:
    return leads if isinstance(leads, str) else leads(came)


def awaited(
    work: Work, leads: Leads, do: Callable[[], T], *, patiently: bool = False
) -> T | Response:
    """What the work comes to, or on to the page that says how far it is, and leads on.

    Whoever waits `patiently` gets what it comes to. Raises what the work raises, if it does so
    while one waits.
    """
    came: list[T] = []

    def run() -> str:
        came.append(do())
        return _led(leads, came[0])

    work.future = ONE_AT_A_TIME.submit(run)
    try:
        work.future.result(None if patiently else PATIENCE_SECONDS)
        return came[0]
    except NotYet:
        with _lock:
            _works[work.number] = work
            while len(_works) > MOST_KEPT:
                del _works[next(iter(_works))]
        return see_other(f"/working/{work.number}")


@router.get("/working/{number}")
@needs("cycles.read")
def watch(request: Request, number: str, still: bool = False) -> Response:
    """How far it is; when it is done, on to where it leads, or why it was not done.

    The page loads itself anew, unless it was asked to be `still`."""
    work = _works.get(number)
    if work is None or work.by != actor_of(request).name:
        raise WorkNotKnown()
    if not work.future.done():
        answer = page(request, "working.html", work=work, still=still)
        if not still:
            answer.headers["Refresh"] = "3"
        return answer
    return see_other(work.future.result())
