"""Preparing a cycle: each budget decides its own payment; here they are gathered and questioned.

Pure: the caller brings the budgets, one by one and in any order, and takes the lines and the
exceptions that an approver must see.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date
from typing import NamedTuple

from ledger.aggregates.cycle_events import CycleException, CycleLine
from ledger.aggregates.payees import Payee
from ledger.aggregates.payments import PaymentDue
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.errors import Refusal

EXCEPTIONS = {
    "first_payment": "The first payment on this budget.",
    "payee_changed": "The payee's details changed since the last payment.",
    "amount_differs": "The amount differs from the last payment by more than the set share.",
    "nothing_due": "Nothing is due, so nothing is paid.",
    "negative": "Less than nothing is due; nothing is paid and the amount is carried forward.",
    "suspended": "Payments are suspended, in full or down to a retainer.",
    "ended": "The budget or its last payable line has ended since the last payment.",
    "return_overdue": "A spend return is overdue.",
    "account_shared": "Two or more budgets pay into one account.",
    "cost_centre_missing": "A line has no cost centre.",
    "payment_reissued": "Money that came back is sent again.",
    "payee_held": "The payee's details are new since the last cycle; nothing is paid to them yet.",
    "outlier_held": "The payment is over the council's limit for payments without a question.",
    "released": "What would have been held back is paid, because someone released it by name.",
    "budget-is-closed": "The budget is closed.",
    "recipient-excluded": "A direct payment to this person is not permitted.",
    "offer-not-accepted": "The offer has not been accepted.",
    "agreement-not-signed": "The agreement has not been signed.",
    "payee-not-verified": "No payee has been verified by a second person.",
    "no-allocation-in-force": "No allocation to be paid as a direct payment is in force.",
    "estate-case-is-open": "A death was reported, and the estate case is not decided.",
    "returned-payment-not-settled": "Money came back and is neither sent again nor refunded.",
}
"""Every exception an approver may see. Those with hyphens are gates: no payment is made."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread


def new_payment_reference(cycle_reference: str, budget_reference: str, again: str = "") -> str:
    """A reference of 16 characters, the same for the same cycle and budget, with a check digit.

    Bacs returns only 18 characters of it, and people read it out over the telephone.
    """
    seed = f"{cycle_reference}\x00{budget_reference}\x00{again}".encode()
    number = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big")
    digits = []
    for _ in range(13):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    body = "".join(digits)
    return f"DP{body}{check_character(body)}"


def check_character(body: str) -> str:
    """The last character of a payment reference, from the 13 between it and "DP".

    Damm's algorithm over the field of 32 elements: any one wrong character and any swap of
    two different neighbours gives another check character.
    """
    check = 0
    for character in body:
        check = (check ^ _ALPHABET.index(character)) << 1
        check ^= 0b100101 if check & 32 else 0  # x^5 + x^2 + 1
    return _ALPHABET[check]


class HoldRules(NamedTuple):
    """What the council holds back until someone releases it by name; nought or none: nothing.

    `over_percent` and `over_pence` hold payments that are so much more than the last one, or so
    much at all. `paid_before` is the pay date of the cycle before: details verified after it have
    not been there for a whole cycle."""

    over_percent: int = 0
    over_pence: int = 0
    paid_before: date | None = None


_NO_RULES = HoldRules()


class Preparation:
    """Gathers what a cycle will pay, and what its approver should look at first."""

    def __init__(
        self,
        *,
        cycle_reference: str,
        period: Period,
        pay_on: date,
        variance_percent: int,
        reissue: Collection[str] = (),
        rules: HoldRules = _NO_RULES,
        release: Collection[str] = (),
    ) -> None:
        self._cycle_reference = cycle_reference
        self._period = period
        self._pay_on = pay_on
        self._variance_percent = variance_percent
        self._reissue = frozenset(reissue)
        self._rules = rules
        self._release = frozenset(release)
        self.considered: set[str] = set()
        self.reissues_found: set[str] = set()
        self._lines: list[CycleLine] = []
        self._exceptions: list[CycleException] = []
        self._accounts: defaultdict[str, set[str]] = defaultdict(set)

    def consider(self, budget: PersonalBudget) -> None:
        """Ask one budget what it is owed, and note what is out of the ordinary."""
        self.considered.add(budget.reference)
        named = self._reissue & budget.payments.keys()
        self.reissues_found |= named
        reissued = sorted({*named, *self._corrected(budget)})
        due = budget.payment_due(self._period)
        refusals = list(budget.failed_gates(self._period, self._pay_on, reissued))
        pays = not refusals and due.amount_pence > 0
        for payment_reference in reissued:
            budget.require_reissuable(payment_reference, self._pay_on)
        if (pays or reissued) and self._is_held(budget, due.amount_pence if pays else 0):
            return
        for payment_reference in reissued:
            self._add_reissue(budget, payment_reference)
        if pays:
            self._add(budget, due)
        elif due.owed_pence or (self._is_live(budget) and not reissued):
            self._note_unpaid(budget, due, refusals)

    def lines(self) -> list[CycleLine]:
        """The payments, in order of budget reference; of one budget, what is sent again first."""
        return sorted(
            self._lines,
            key=lambda line: (line.budget_reference, not line.reissue_of, line.reissue_of),
        )

    def exceptions(self) -> list[CycleException]:
        """Everything noted, in order of budget reference and code."""
        for sharing in self._accounts.values():
            for reference in sharing if len(sharing) > 1 else ():
                others = ", ".join(sorted(other for other in sharing if other != reference)[:5])
                self._note("account_shared", reference, detail=others)
        self._accounts.clear()
        return sorted(self._exceptions, key=lambda e: (e.budget_reference, e.code, e.detail))

    def _is_held(self, budget: PersonalBudget, now_pence: int) -> bool:
        """Note what the council's rules hold back; whether they do, and nobody released it."""
        held = list(self._held(budget, now_pence))
        last = budget.last_payment
        if held and budget.reference in self._release:
            self._note("released", budget.reference, detail=", ".join(held))
            return False
        for code in held:
            was = last.amount_pence if last else None
            self._note(code, budget.reference, was_pence=was, now_pence=now_pence)
        return bool(held)

    def _held(self, budget: PersonalBudget, now_pence: int) -> Iterator[str]:
        rules, payee, last = self._rules, budget.payee, budget.last_payment
        assert payee is not None, "the gate for the payee was passed"
        is_changed = any(
            payment.payee_reference != payee.payee_reference
            for payment in budget.payments.values()
            if payment.status != "cancelled"
        )
        if is_changed and rules.paid_before and (payee.verified_on or date.min) > rules.paid_before:
            yield "payee_held"
        more_pence = (now_pence - last.amount_pence) * 100 if last else 0
        is_outlier = last and rules.over_percent * last.amount_pence < more_pence
        if (rules.over_percent and is_outlier) or 0 < rules.over_pence < now_pence:
            yield "outlier_held"

    def _corrected(self, budget: PersonalBudget) -> Iterator[str]:
        """What came back and is sent again by itself: other details were verified since."""
        for reference, payment in budget.held_payments.items():
            gates = budget.failed_gates(payment.period, self._pay_on, budget.held_payments)
            payee, held = budget.payee, payment.held
            is_corrected = payee and payee.payee_reference != payment.payee_reference
            if is_corrected and held and held.on <= self._pay_on and not any(gates):
                yield reference

    def _is_live(self, budget: PersonalBudget) -> bool:
        """Someone would expect a payment: a payable line touches the period, or it just ended."""
        return self._is_payable(budget, self._period.starts_on) or self._has_ended(budget)

    def _has_ended(self, budget: PersonalBudget) -> bool:
        """It was paid for the days just before this period, and is not payable to its end."""
        was_paid = any(
            (self._period.starts_on - payment.period.ends_on).days <= 1
            for payment in budget.payments.values()
            if payment.stands
        )
        return was_paid and not self._is_payable(budget, self._period.ends_on)

    def _is_payable(self, budget: PersonalBudget, from_day: date) -> bool:
        """A line paid to a payee starts by the period's end and has not ended before a day."""
        if budget.closed is not None and budget.closed.effective_on < from_day:
            return False
        return any(
            term.is_paid and term.starts_on <= self._period.ends_on and term.last_day >= from_day
            for term in budget.allocations
        )

    def _add(self, budget: PersonalBudget, due: PaymentDue) -> None:
        assert budget.payee is not None, "the gate for the payee was passed"
        reference = new_payment_reference(self._cycle_reference, budget.reference)
        self._lines.append(
            CycleLine(
                budget_reference=budget.reference,
                budget_version=budget.version,
                payment_reference=reference,
                payee_reference=budget.payee.payee_reference,
                amount_pence=due.amount_pence,
                lines=due.lines,
                deductions=due.deductions,
                interested=tuple(sorted(budget.interests)),
            )
        )
        self._note_account(budget.payee, budget.reference)
        for exception in self._questions(budget, due, reference):
            self._exceptions.append(exception)

    def _questions(
        self, budget: PersonalBudget, due: PaymentDue, reference: str
    ) -> Iterator[CycleException]:
        """What an approver should ask about a payment that will be made."""
        last, now = budget.last_payment, due.amount_pence
        assert budget.payee is not None
        if last is None:
            yield CycleException("first_payment", budget.reference, reference, now_pence=now)
        else:
            if last.payee_reference != budget.payee.payee_reference:
                yield CycleException("payee_changed", budget.reference, reference)
            if abs(now - last.amount_pence) * 100 > self._variance_percent * last.amount_pence:
                yield CycleException(
                    "amount_differs",
                    budget.reference,
                    reference,
                    was_pence=last.amount_pence,
                    now_pence=now,
                )
        if self._has_ended(budget):
            yield CycleException("ended", budget.reference, reference)
        if any(not line.cost_centre for line in due.lines):
            yield CycleException("cost_centre_missing", budget.reference, reference)
        if budget.suspensions and any(
            s.starts_on <= self._period.ends_on and s.ends_on >= self._period.starts_on
            for s in budget.suspensions
        ):
            yield CycleException("suspended", budget.reference, reference)
        yield from self._standing_questions(budget, reference)

    def _standing_questions(
        self, budget: PersonalBudget, reference: str
    ) -> Iterator[CycleException]:
        for return_reference, spend_return in budget.spend_returns.items():
            if spend_return.overdue_on(self._pay_on):
                yield CycleException(
                    "return_overdue", budget.reference, reference, detail=return_reference
                )

    def _note_unpaid(
        self, budget: PersonalBudget, due: PaymentDue, refusals: list[Refusal]
    ) -> None:
        last = budget.last_payment
        was = last.amount_pence if last else None
        for refusal in refusals:
            code = "suspended" if refusal.code == "payments-are-suspended" else refusal.code
            about = refusal.details.get("payment_reference", "")
            self._note(
                code, budget.reference, detail=about, was_pence=was, now_pence=due.amount_pence
            )
        if self._has_ended(budget):
            self._note("ended", budget.reference, was_pence=was, now_pence=due.amount_pence)
        if due.owed_pence < 0:
            self._note("negative", budget.reference, was_pence=was, now_pence=due.owed_pence)
        elif due.amount_pence == 0 and not refusals:
            self._note("nothing_due", budget.reference, was_pence=was, now_pence=0)
        self._exceptions.extend(self._standing_questions(budget, ""))

    def _add_reissue(self, budget: PersonalBudget, payment_reference: str) -> None:
        payment = budget.require_reissuable(payment_reference, self._pay_on)
        assert budget.payee is not None, "the gate for the payee was passed"
        reference = new_payment_reference(
            self._cycle_reference, budget.reference, payment_reference
        )
        self._lines.append(
            CycleLine(
                budget_reference=budget.reference,
                budget_version=budget.version,
                payment_reference=reference,
                payee_reference=budget.payee.payee_reference,
                amount_pence=payment.amount_pence,
                reissue_of=payment_reference,
                interested=tuple(sorted(budget.interests)),
            )
        )
        self._note_account(budget.payee, budget.reference)
        self._exceptions.append(
            CycleException(
                "payment_reissued", budget.reference, reference, detail=payment_reference
            )
        )
        if payment.payee_reference != budget.payee.payee_reference:
            self._exceptions.append(CycleException("payee_changed", budget.reference, reference))

    def _note_account(self, payee: Payee, budget_reference: str) -> None:
        """Managed accounts are shared on purpose; any other shared account is a question."""
        if payee.payee_type != "managed_account":
            self._accounts[payee.fingerprint].add(budget_reference)

    def _note(self, code: str, budget_reference: str, **facts: object) -> None:
        self._exceptions.append(CycleException(code, budget_reference, **facts))  # type: ignore[arg-type]
