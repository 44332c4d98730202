"""What each item of a bank's report comes to: recorded on its payment, changing nothing, or queued.

The budget decides, as always; here its items are gathered, put to it, and counted. Nothing is
saved here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Literal, NamedTuple, Protocol, TypeVar

from sqlalchemy import select

from ledger.aggregates.bank_report import QueuedBecause, QueuedItem
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payments import BankRejection, Payment
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.bank.arucs import ReturnedCredit
from ledger.bank.awacs import WrongAccount
from ledger.errors import AccountFailsModulusCheck
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
        judge: Callable[[PersonalBudget, Payment, int, TItem], Verdict],
        record: Callable[[PersonalBudget, str, TItem], None],
        code_of: Callable[[TItem], str],
    ) -> list[int]:
        """Put items to the budgets whose payments they name, each by itself or in one credit.

        An item about a credit to a provider is about every payment of it: what is judged to be
        wrong of one is wrong of all. Returns the pence of each payment on which one was recorded.
        """
        given = list(items)
        found = payments_named(self.ledger, [item.reference for item in given])
        single: defaultdict[str, list[tuple[TItem, str]]] = defaultdict(list)
        together: list[tuple[TItem, list[Place]]] = []
        for item in given:
            places = found.get(item.reference, [])
            if not places:
                self.queue(item, "unknown_reference", code_of(item))
            elif item.reference in self._seen:
                self.count(item, "repeated_in_report", code_of(item))
            elif not all(place.is_sent for place in places):
                self.count(item, "not_sent", code_of(item))
            elif len(places) > 1:
                together.append((item, places))
            else:
                single[places[0].budget_reference].append((item, places[0].payment_reference))
            self._seen.add(item.reference)
        amounts: list[int] = []

        def take(item: TItem, about: list[tuple[PersonalBudget, str]]) -> None:
            whole = sum(budget.payments[name].amount_pence for budget, name in about)
            verdicts = [judge(b, b.payments[name], whole, item) for b, name in about]
            wrong = next((v for v in verdicts if v not in ("recorded", "unchanged")), None)
            known: Verdict = "recorded" if "recorded" in verdicts else "unchanged"
            self.count(item, wrong or known, code_of(item))
            for (budget, name), verdict in zip(about, verdicts, strict=True):
                if verdict == "recorded" and wrong is None:
                    amounts.append(budget.payments[name].amount_pence)
                    record(budget, name, item)

        paid_together = {place.budget_reference for _, places in together for place in places}
        budgets = {b.reference: b for b in self.ledger.budgets(paid_together)}
        for item, places in together:
            take(item, [(budgets[p.budget_reference], p.payment_reference) for p in places])
        others = self.ledger.budgets(single.keys() - paid_together)
        for budget in chain(budgets.values(), others):
            for item, name in single[budget.reference]:
                take(item, [(budget, name)])
            self.events.extend(budget.collect_events())
        return amounts

    def returned(self, items: Iterable[ReturnedCredit]) -> None:
        """Payments that came back."""

        def record(budget: PersonalBudget, payment_reference: str, item: ReturnedCredit) -> None:
            assert item.reason_code is not None, "it was judged to be clear"
            budget.return_payment(
                payment_reference=payment_reference, reason_code=item.reason_code, **self.said
            )

        self.put(items, self._returned, record, lambda item: item.reason_code or item.stated_code)

    def _returned(
        self, _budget: PersonalBudget, payment: Payment, whole_pence: int, item: ReturnedCredit
    ) -> Verdict:
        if whole_pence != item.amount_pence:
            return "amount_differs"
        if item.reason_code is None:
            return "meaning_unclear"
        if payment.held is not None:
            before = (payment.held.status, payment.held.reason_code)
            is_same = before == ("returned", item.reason_code)
            return "unchanged" if is_same else "returned_otherwise"
        return "before_pay_date" if self.said["effective_on"] < payment.pay_on else "recorded"

    def rejected(self, cycle_reference: str, items: Iterable[Rejected]) -> list[int]:
        """Payments of a cycle's file that the bank did not take.

        Returns the pence of those not known before."""

        def judge(
            _budget: PersonalBudget, payment: Payment, whole_pence: int, item: Rejected
        ) -> Verdict:
            if payment.cycle_reference != cycle_reference:
                return "other_file"
            return _rejected(payment, whole_pence, item)

        def record(budget: PersonalBudget, payment_reference: str, item: Rejected) -> None:
            budget.reject_payment(
                payment_reference=payment_reference, reason_code=item.reason_code, **self.said
            )

        return self.put(items, judge, record, lambda item: item.stated_code)

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
        self.put(items, self._wrong_account, _put_forward, lambda item: item.reason_code)

    def _wrong_account(
        self, budget: PersonalBudget, payment: Payment, _whole_pence: int, item: WrongAccount
    ) -> Verdict:
        people, payee = self.ledger.people, budget.payee
        if payment.provider_reference:
            return "account_of_provider"
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


def _put_forward(_budget: PersonalBudget, _payment_reference: str, _item: WrongAccount) -> None:
    """Other details were put forward when they were judged."""


def _rejected(payment: Payment, whole_pence: int, item: Rejected) -> Verdict:
    if item.amount_pence is not None and whole_pence != item.amount_pence:
        return "amount_differs"
    if payment.held is not None:
        return "unchanged" if payment.held.status == "rejected" else "returned_otherwise"
    return "paid_already" if payment.status == "confirmed" else "recorded"


class Place(NamedTuple):
    """A payment that a reference names: its own, or as part of a credit to a provider.

    `is_sent` says whether a file with that reference was sent."""

    budget_reference: str
    payment_reference: str
    provider_reference: str
    is_in_credit: bool
    is_sent: bool


def payments_named(ledger: Ledger, references: Iterable[str]) -> dict[str, list[Place]]:
    """The payments that each reference names, as the register has them; none: it is absent.

    What is paid in a credit to a provider is known to the bank by the credit's reference alone.
    """
    p, b, c = Payments.table.c, Budgets.table.c, Cycles.table.c
    query = (
        select(p.payment_reference, p.bulk_reference, p.provider_reference, b.reference, c.status)
        .join_from(Payments.table, Budgets.table, p.stream == b.stream)
        .join(Cycles.table, c.reference == p.cycle_reference)
        .order_by(b.reference, p.payment_reference)
    )
    found: defaultdict[str, list[Place]] = defaultdict(list)
    with ledger.engine.connect() as connection:
        for some in chunks(references):
            for column in (p.payment_reference, p.bulk_reference):
                is_in_credit = column is p.bulk_reference
                for name, bulk, provider, budget, status in connection.execute(
                    query.where(column.in_([r for r in some if r]))
                ):
                    is_sent = status in ("issued", "settled") and is_in_credit == bool(bulk)
                    place = Place(budget, name, provider, is_in_credit, is_sent)
                    found[bulk if is_in_credit else name].append(place)
    return dict(found)
