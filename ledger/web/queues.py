"""Work queues on pages: whose work each is, who may look on, and the list of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger import work_queues as work
from ledger.access.guard import actor_of, needs
from ledger.access.roles import Permission
from ledger.access.users import Actor
from ledger.application import Ledger
from ledger.web.asking import ledger_of, today_in_england
from ledger.web.pages import page
from ledger.web.paging import PageAsked, paging

router = APIRouter(include_in_schema=False)


class Brings(NamedTuple):
    """Where what fills a queue is brought in: what one needs, what the link says, and where to."""

    needs: Permission
    text: str
    path: str


class Queue(NamedTuple):
    """One queue. Who has one of `acts` has it for their work, who only `sees` looks on.

    `day` says what its day means; `leads` is where an entry leads, with its reference and item in
    it;
    `counts` counts what a long one has without listing it; `brings` brings more into it."""

    name: str
    title: str
    acts: tuple[Permission, ...]
    sees: Permission
    day: str
    find: Callable[[Ledger, date], list[work.Waiting]]
    leads: str = "/budgets/{}"
    counts: Callable[[Ledger, date], int] | None = None
    brings: Brings | None = None

    @property
    def path(self) -> str:
        return f"/work/{self.name}"


QUEUES = (
    Queue("cycles-to-approve", "Cycles to approve", ("cycles.approve",), "cycles.read",
          "Send the file by", work.cycles_to_decide, "/cycles/{}"),
    Queue("cycle-exceptions", "Cycles with exceptions", ("cycles.approve", "cycles.prepare"),
          "cycles.read", "Paid on", work.cycle_exceptions, "/cycles/{}/exceptions"),
    Queue("cycles-to-go-on", "Cycles to go on with", ("cycles.prepare",), "cycles.read",
          "Due", work.cycles_to_go_on, "/cycles/{}"),
    Queue("report-items", "Items of bank reports that wait", ("reports.import",), "reports.read",
          "Since", work.report_items, "/reports/{}/items/{}",
          brings=Brings("reports.import", "Bring in a bank report", "/reports/bring-in")),
    Queue("returned-payments", "Returned payments in suspense", ("money.record",), "reports.read",
          "Act by", work.returned_payments),
    Queue("returns-to-check", "Spend returns to check", ("returns.check",), "budgets.read",
          "Was due", work.returns_to_check),
    Queue("returns-overdue", "Spend returns overdue", ("returns.check", "returns.submit"),
          "budgets.read", "Was due", work.returns_overdue),
    Queue("payees-to-verify", "Payees to verify", ("payees.verify",), "budgets.read",
          "Since", work.payees_to_verify),
    Queue("reviews-due", "Reviews due", ("support.decide",), "budgets.read",
          "Due", work.reviews_due, counts=work.count_reviews_due),
    Queue("suspensions-to-review", "Suspensions to review", ("payments.hold",), "budgets.read",
          "To be reviewed", work.suspensions_to_review),
    Queue("resumptions", "Resumptions to decide", ("payments.hold",), "budgets.read",
          "To resume from", work.resumptions_to_decide),
    Queue("estate-cases", "Estate cases to decide", ("money.decide",), "budgets.read",
          "Reported", work.estate_cases_to_decide),
)  # fmt: skip


class Counted(NamedTuple):
    """A queue and how much waits in it."""

    queue: Queue
    number: int


def counted(ledger: Ledger, actor: Actor) -> tuple[list[Counted], list[Counted]]:
    """The queues that are somebody's work, and those they may only look at, with their counts."""
    seen = [queue for queue in QUEUES if actor.reach(queue.sees) == "all"]
    if seen:
        ledger.projections.catch_up()
    today = today_in_england()
    own: list[Counted] = []
    others: list[Counted] = []
    for queue in seen:
        is_own = any(actor.reach(permission) == "all" for permission in queue.acts)
        number = queue.counts(ledger, today) if queue.counts else len(queue.find(ledger, today))
        (own if is_own else others).append(Counted(queue, number))
    return own, others


def _routes(queue: Queue) -> None:
    """The list of one queue."""

    def show(request: Request, number: Annotated[PageAsked, Query(alias="page")] = 1) -> Response:
        ledger = ledger_of(request)
        ledger.projections.catch_up()
        today = today_in_england()
        found = queue.find(ledger, today)
        at = paging(request, number, len(found))
        brings = queue.brings
        if brings is not None and actor_of(request).reach(brings.needs) != "all":
            brings = None
        return page(
            request,
            "queue.html",
            queue=queue,
            brings=brings,
            waiting=at.of(found),
            at=at,
            today=today,
        )

    router.add_api_route(queue.path, needs(queue.sees)(show), methods=["GET"])


for _queue in QUEUES:
    _routes(_queue)
