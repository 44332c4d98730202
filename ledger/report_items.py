"""What each item of a bank's report comes to: recorded on its payment, changing nothing, or queued.

The budget decides, as always; here its items are gathered, put to it, and counted. Nothing is
saved here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, get_args

from sqlalchemy import select

from ledger.aggregates.bank_report import BankReport, QueuedBecause, QueuedItem
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.light_cycles import CycleToIssue
from ledger.aggregates.payments import BankRejection, Payment, ReturnReason
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank.arucs import ReturnedCredit
from ledger.bank.awacs import WrongAccount
from ledger.errors import (
    AccountFailsModulusCheck,
    InvalidValue,
    PaymentNotIssued,
    ReportItemDiffers,
)
from ledger.payee_proposals import Proposal
from ledger.people import PayeeDetails, chunks
from ledger.projections.registers import Budgets, Cycles, Payments
from ledger.store import Beside

Verdict = QueuedBecause | Literal["recorded", "unchanged"]


class Item(Protocol):
    """One item of any report; the references that it gives are the payments' own."""

    @property
    def item(self) -> int: ...
    @property
    def reference(self) -> str: ...


TItem = TypeVar("TItem", bound=Item)


class Rejected(NamedTuple):
    """A payment that the bank did not take, as either kind of report says it."""

    item: int
    reference: str
    amount_pence: int | None
    reason_code: BankRejection
    stated_code: str


class Judged:
    """The items put so far: what they recorded, how many changed nothing, and those that wait."""

    def __init__(self, ledger: Ledger, said: Said) -> None:
        self.ledger = ledger
        self.said = said
        self.recorded: list[int] = []
        self.unchanged_count = 0
        self.queued: list[QueuedItem] = []
        self.events: list[Recorded] = []
        self.beside: list[Beside] = []
        self._seen: set[str] = set()
        self._advised: dict[str, PayeeDetails] = {}

    def queue(
        self, item: Item, because: QueuedBecause, code: str = "", reference: str = ""
    ) -> None:
        """Let an item wait for a person, and say why."""
        self.queued.append(
            QueuedItem(item.item, because, code, getattr(item, "amount_pence", 0) or 0, reference)
        )

    def count(self, item: Item, verdict: Verdict, code: str = "") -> None:
        """Count what an item came to."""
        if verdict == "recorded":
            self.recorded.append(item.item)
        elif verdict == "unchanged":
            self.unchanged_count += 1
        else:
            self.queue(item, verdict, code, item.reference)

    def put(
        self,
        items: Iterable[TItem],
        judge: Callable[[PersonalBudget, Payment, TItem], Verdict],
        code_of: Callable[[TItem], str],
    ) -> list[int]:
        """Put items to the budgets whose payments they name.

        Returns the pence of each payment on which one was recorded.
        """
        given = list(items)
        found = dict(_payments(self.ledger, [item.reference for item in given]))
        by_budget: defaultdict[str, list[TItem]] = defaultdict(list)
        for item in given:
            place = found.get(item.reference)
            if place is None:
                self.queue(item, "unknown_reference", code_of(item))
            elif item.reference in self._seen:
                self.count(item, "repeated_in_report", code_of(item))
            elif not place.is_sent:
                self.count(item, "not_sent", code_of(item))
            else:
                by_budget[place.budget_reference].append(item)
            self._seen.add(item.reference)
        amounts = []
        for budget in self.ledger.budgets(by_budget):
            for item in by_budget[budget.reference]:
                payment = budget.payments[item.reference]
                verdict = judge(budget, payment, item)
                self.count(item, verdict, code_of(item))
                if verdict == "recorded":
                    amounts.append(payment.amount_pence)
            self.events.extend(budget.collect_events())
        return amounts

    def returned(self, items: Iterable[ReturnedCredit]) -> None:
        """Payments that came back."""
        self.put(items, self._returned, lambda item: item.reason_code or item.stated_code)

    def _returned(self, budget: PersonalBudget, payment: Payment, item: ReturnedCredit) -> Verdict:
        if payment.amount_pence != item.amount_pence:
            return "amount_differs"
        if item.reason_code is None:
            return "meaning_unclear"
        if payment.held is not None:
            before = (payment.held.status, payment.held.reason_code)
            is_same = before == ("returned", item.reason_code)
            return "unchanged" if is_same else "returned_otherwise"
        if self.said["effective_on"] < payment.pay_on:
            return "before_pay_date"
        budget.return_payment(
            payment_reference=item.reference, reason_code=item.reason_code, **self.said
        )
        return "recorded"

    def rejected(self, cycle_reference: str, items: Iterable[Rejected]) -> list[int]:
        """Payments of a cycle's file that the bank did not take.

        Returns the pence of those not known before."""

        def judge(budget: PersonalBudget, payment: Payment, item: Rejected) -> Verdict:
            if payment.cycle_reference != cycle_reference:
                return "other_file"
            return self._rejected(budget, payment, item)

        return self.put(items, judge, lambda item: item.stated_code)

    def _rejected(self, budget: PersonalBudget, payment: Payment, item: Rejected) -> Verdict:
        if item.amount_pence is not None and payment.amount_pence != item.amount_pence:
            return "amount_differs"
        if payment.held is not None:
            return "unchanged" if payment.held.status == "rejected" else "returned_otherwise"
        if payment.status == "confirmed":
            return "paid_already"
        budget.reject_payment(
            payment_reference=item.reference, reason_code=item.reason_code, **self.said
        )
        return "recorded"

    def has_moved(self, cycle_reference: str) -> bool:
        """Whether the bank did anything yet with a payment of a cycle: it paid, or sent it back."""
        p = Payments.table.c
        moved = select(p.payment_reference).where(
            p.cycle_reference == cycle_reference, p.status.not_in(("scheduled", "cancelled"))
        )
        with self.ledger.engine.connect() as connection:
            return connection.execute(moved.limit(1)).first() is not None

    def wrong_accounts(self, items: Iterable[WrongAccount]) -> None:
        """Other account details that the bank advises: put forward, never applied."""
        self.put(items, self._wrong_account, lambda item: item.reason_code)

    def _wrong_account(
        self, budget: PersonalBudget, payment: Payment, item: WrongAccount
    ) -> Verdict:
        people, payee = self.ledger.people, budget.payee
        if payee is None or payee.payee_reference != payment.payee_reference:
            return "account_differs"
        now = people.payee(payee.payee_reference)
        if (now.sort_code, now.account_number) != (item.old_sort_code, item.old_account_number):
            return "account_differs"
        proposal = Proposal(
            people,
            self.ledger.payee_names,
            self.ledger.modulus_tables,
            budget,
            sort_code=item.new_sort_code,
            account_number=item.new_account_number,
            payee_type=None,
            account_name=None,
            roll_number="",
            source="bank_advice",
            said=self.said,
        )
        version, details = budget.version, proposal.details
        known = self._advised.get(details.payee_reference)
        if known not in (None, details):
            return "meaning_unclear"  # one account of one person in two names
        try:
            proposal.decide(budget)
        except AccountFailsModulusCheck:
            return "account_invalid"
        if known is None:  # else sealed for an earlier item, of this budget or another
            self._advised[details.payee_reference] = details
            self.beside.extend(proposal.rows())
        return "recorded" if budget.version > version else "unchanged"


class _Found(NamedTuple):
    budget_reference: str
    is_sent: bool


def _payments(ledger: Ledger, references: Iterable[str]) -> Iterator[tuple[str, _Found]]:
    """The budget of each payment that there is, and whether a file with it was sent."""
    p, b, c = Payments.table.c, Budgets.table.c, Cycles.table.c
    query = (
        select(p.payment_reference, b.reference, c.status)
        .join_from(Payments.table, Budgets.table, p.stream == b.stream)
        .join(Cycles.table, c.reference == p.cycle_reference)
    )
    with ledger.engine.connect() as connection:
        for some in chunks(references):
            for reference, budget, status in connection.execute(
                query.where(p.payment_reference.in_(some))
            ):
                yield reference, _Found(budget, status in ("issued", "settled"))


# --- by hand ------------------------------------------------------------------------------


def put_by_hand(
    ledger: Ledger,
    report: BankReport,
    queued: QueuedItem,
    budget: PersonalBudget,
    payment_reference: str,
    code: str,
    said: Said,
) -> list[Recorded]:
    """What a queued item comes to on the payment that someone found it to be about.

    The payment was sent, in the file that the report is about; is of the item's amount, where it
    has one; and did not come back before, or the money of the item would be lost. What a bank did
    not take, its cycle knows too. Raises `ReportItemDiffers`, `PaymentNotIssued`, `InvalidValue`
    for a code that the ledger does not know, and the refusals of the budget.
    """
    imported, payment = report.imported, budget.require_payment(payment_reference)
    assert imported is not None, "a loaded report was brought in"
    if queued.amount_pence not in (0, payment.amount_pence):
        raise ReportItemDiffers(
            f"Item {queued.item} is {queued.amount_pence} pence; {payment_reference} is "
            f"{payment.amount_pence}."
        )
    if imported.cycle_reference not in ("", payment.cycle_reference):
        raise ReportItemDiffers(
            f"{report.reference} is about {imported.cycle_reference}; {payment_reference} was paid "
            f"with {payment.cycle_reference}."
        )
    cycle = ledger.load(CycleToIssue, payment.cycle_reference)
    if cycle.issued is None:
        raise PaymentNotIssued(f"{payment_reference} was in no file that the bank was sent.")
    version = budget.version
    on_its_day: Said = {**said, "effective_on": max(imported.effective_on, payment.pay_on)}
    this: Any = {"payment_reference": payment_reference, **on_its_day}
    if imported.kind == "returned_credits":
        budget.return_payment(reason_code=_known(code, get_args(ReturnReason)), **this)
    elif imported.kind in ("input_report", "status_report"):
        budget.reject_payment(reason_code=_known(code, get_args(BankRejection)), **this)
        cycle.acknowledge(
            report_reference=report.reference,
            submission_serial=cycle.issued.submission_serial,
            is_taken=False,
            rejected_count=1,
            rejected_pence=payment.amount_pence,
            **on_its_day,
        )
    else:
        raise ReportItemDiffers("Advice of another account is put forward by hand.")
    if budget.version == version:
        raise ReportItemDiffers(
            f"{payment_reference} came back before: dismiss the item if it is the same money, or "
            "find the payment that it is about."
        )
    return [*budget.collect_events(), *cycle.collect_events()]


def _known(code: str, codes: tuple[Any, ...]) -> Any:
    if code not in codes:
        raise InvalidValue(
            f"reason_code: {code!r} is none of {', '.join(codes)}; say which it is.",
            field="reason_code",
        )
    return code
