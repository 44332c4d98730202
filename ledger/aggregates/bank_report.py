"""A report that a bank sent back: what came of each item, and what a person has to see to.

What an item says of a payment is recorded on that payment's budget. An item that fits no payment
waits here, in a queue, until someone says which payment it is about or why it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Unpack

import msgspec

from ledger.aggregates.event_sourced import Event, EventSourced, Said, applies, register
from ledger.errors import ReportItemAlreadyResolved, ReportItemNotFound

ITEMS_IN_AN_EVENT = 500

ReportKind = Literal["input_report", "returned_credits", "wrong_accounts", "status_report"]
QueuedBecause = Literal[
    "unknown_reference",
    "amount_differs",
    "not_sent",
    "other_file",
    "before_pay_date",
    "paid_already",
    "returned_otherwise",
    "repeated_in_report",
    "account_differs",
    "account_invalid",
    "account_of_provider",
    "meaning_unclear",
]
QUEUED_BECAUSE: dict[QueuedBecause, str] = {
    "unknown_reference": "No payment has this reference.",
    "amount_differs": "The payment with this reference is of another amount.",
    "not_sent": "The payment with this reference was in no file that the bank was sent.",
    "other_file": "The payment with this reference was in another file than the report is about.",
    "before_pay_date": "It is said to have come back before the day it was paid.",
    "paid_already": "The bank says it did not take what is recorded as paid.",
    "returned_otherwise": "It came back before, for another reason.",
    "repeated_in_report": "An earlier item of the same report has the same reference.",
    "account_differs": "The account it is about is not the one that is paid now.",
    "account_invalid": "The account number that it gives does not pass the modulus check.",
    "account_of_provider": "It is about a provider's account; put the other forward there by hand.",
    "meaning_unclear": "What it says is not clear; read the report itself.",
}
"""Why an item waits for a person, and what each means."""

Dismissal = Literal["duplicate", "not_ours", "settled_by_hand"]
DISMISSED_BECAUSE: dict[Dismissal, str] = {
    "duplicate": "It is money that is recorded already.",
    "not_ours": "It is about no payment of the council's from here.",
    "settled_by_hand": "It was put right by hand.",
}
"""Why nothing is recorded for an item, and what each means."""


class QueuedItem(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item that waits. `code` is the bank's; the reference is kept only if it is a payment's."""

    item: int
    because: QueuedBecause
    code: str
    amount_pence: int = 0
    payment_reference: str = ""


class ReportItemsQueued(Event):
    """Some items of the report that is being imported fit no payment."""

    reference: str
    items: tuple[QueuedItem, ...]


class BankReportImported(Event):
    """A report was read whole: so many items were recorded, changed nothing, and were queued.

    `sha256` is that of the bytes, which are kept sealed. `effective_on` is the report's own day.
    """

    reference: str
    kind: ReportKind
    sha256: str
    item_count: int
    recorded_count: int
    unchanged_count: int
    queued_count: int
    cycle_reference: str = ""


class ReportItemMatched(Event):
    """Someone found out which payment a queued item is about; it is recorded there."""

    item: int
    budget_reference: str
    payment_reference: str


class ReportItemDismissed(Event):
    """Someone decided that nothing is to be recorded for a queued item."""

    item: int
    reason_code: Dismissal


class BankReport(EventSourced):
    """One report, by the reference made from its kind and its bytes."""

    STREAM: ClassVar[str] = "bank-report"

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.imported: BankReportImported | None = None
        self.queue: dict[int, QueuedItem] = {}
        self.resolved: set[int] = set()

    def bring_in(
        self,
        *,
        kind: ReportKind,
        sha256: str,
        item_count: int,
        recorded_count: int,
        unchanged_count: int,
        queued: Iterable[QueuedItem],
        cycle_reference: str = "",
        **said: Unpack[Said],
    ) -> None:
        """Record what came of a report's items. The same report again: nothing."""
        if self.imported is not None:
            return
        waiting: Sequence[QueuedItem] = tuple(queued)
        assert item_count == recorded_count + unchanged_count + len(waiting), "no item is lost"
        for start in range(0, len(waiting), ITEMS_IN_AN_EVENT):
            some = tuple(waiting[start : start + ITEMS_IN_AN_EVENT])
            self._record(ReportItemsQueued(reference=self.reference, items=some, **said))
        self._record(
            BankReportImported(
                reference=self.reference,
                kind=kind,
                sha256=sha256,
                item_count=item_count,
                recorded_count=recorded_count,
                unchanged_count=unchanged_count,
                queued_count=len(waiting),
                cycle_reference=cycle_reference,
                **said,
            )
        )

    def match(
        self, *, item: int, budget_reference: str, payment_reference: str, **said: Unpack[Said]
    ) -> None:
        """Say which payment a queued item is about; the caller records it on the budget too."""
        self.require_queued(item)
        self._record(
            ReportItemMatched(
                item=item,
                budget_reference=budget_reference,
                payment_reference=payment_reference,
                **said,
            )
        )

    def dismiss(self, *, item: int, reason_code: Dismissal, **said: Unpack[Said]) -> None:
        """Decide that nothing is to be recorded for a queued item."""
        self.require_queued(item)
        self._record(ReportItemDismissed(item=item, reason_code=reason_code, **said))

    def require_queued(self, item: int) -> QueuedItem:
        """A queued item that nobody has resolved, or the refusal that says why not."""
        if item in self.resolved:
            raise ReportItemAlreadyResolved(f"Item {item} of {self.reference} was resolved before.")
        if item not in self.queue:
            raise ReportItemNotFound(f"{self.reference} has no queued item {item}.")
        return self.queue[item]

    @applies(ReportItemsQueued)
    def _report_items_queued(self, event: ReportItemsQueued) -> None:
        self.queue.update((queued.item, queued) for queued in event.items)

    @applies(BankReportImported)
    def _bank_report_imported(self, event: BankReportImported) -> None:
        self.imported = event

    @applies(ReportItemMatched)
    def _report_item_matched(self, event: ReportItemMatched) -> None:
        self.resolved.add(event.item)

    @applies(ReportItemDismissed)
    def _report_item_dismissed(self, event: ReportItemDismissed) -> None:
        self.resolved.add(event.item)


register(
    BankReport.STREAM,
    {
        "items-queued.v1": ReportItemsQueued,
        "imported.v1": BankReportImported,
        "item-matched.v1": ReportItemMatched,
        "item-dismissed.v1": ReportItemDismissed,
    },
)
