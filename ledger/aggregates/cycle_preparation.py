"""Preparing a cycle: each budget decides its own payment; here they are gathered and questioned.

Pure: the caller brings the budgets, one by one and in any order, and takes the lines and the
exceptions that an approver must see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from ledger.aggregates.cycle_events import CycleException, CycleLine
from ledger.aggregates.payees import Payee
from ledger.aggregates.payment_reference import new_payment_reference
from ledger.aggregates.payments import PaidTo, Payment, PaymentDue
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period
from ledger.errors import ProviderAccountNotVerified, Refusal
from ledger.terms import Channel

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
    "payee_number_fails": "The number of the account in use fails the modulus check now; nothing "
    "is paid to it yet.",
    "payee_name_fails": "The account in use is not confirmed as the payee's now; nothing is paid "
    "to it yet.",
    "outlier_held": "The payment is over the council's limit for payments without a question.",
    "released": "What would have been held back is paid, because someone released it by name.",
    "budget-is-closed": "The budget is closed.",
    "recipient-excluded": "A direct payment to this person is not permitted.",
    "offer-not-accepted": "The offer has not been accepted.",
    "agreement-not-signed": "The agreement has not been signed.",
    "payee-not-verified": "No payee has been verified by a second person.",
    "service-fund-not-held": "No provider is named who holds the individual service fund.",
    "provider-account-not-verified": "The provider has no account that a second person verified.",
    "no-allocation-in-force": "No allocation to be paid is in force.",
    "estate-case-is-open": "A death was reported, and the estate case is not decided.",
    "returned-payment-not-settled": "Money came back and is neither sent again nor refunded.",
}
"""Every exception an approver may see. Those with hyphens are gates: no payment is made."""


class HoldRules(NamedTuple):
    """What the council holds back until someone releases it by name; nought or none: nothing.

    `over_percent` and `over_pence` hold payments that are so much more than the last one, or so
    much at all. `paid_before` is the pay date of the cycle before: details verified after it have
    not been there for a whole cycle."""

    over_percent: int = 0
    over_pence: int = 0
    paid_before: date | None = None


_NO_RULES = HoldRules()


class _Asked(NamedTuple):
    """One channel of a budget, and the account it is paid into, if there is one."""

    budget: PersonalBudget
    channel: Channel
    account: Payee | None
    paid_to: PaidTo

    @property
    def last(self) -> Payment | None:
        return self.budget.last_paid(self.channel)

    @property
    def was_pence(self) -> int | None:
        return self.last.amount_pence if self.last else None

    @property
    def held(self) -> dict[str, Payment]:
        payments = self.budget.held_payments.items()
        return {name: payment for name, payment in payments if payment.channel == self.channel}


class Preparation:
    """Gathers what a cycle will pay, and what its approver should look at first.

    `accounts` are the verified accounts of providers that can be paid on the day."""

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
        accounts: Mapping[str, Payee] | None = None,
    ) -> None:
        self._cycle_reference = cycle_reference
        self._period = period
        self._pay_on = pay_on
        self._variance_percent = variance_percent
        self._reissue = frozenset(reissue)
        self._rules = rules
        self._release = frozenset(release)
        self._accounts = accounts or {}
        self.considered: set[str] = set()
        self.reissues_found: set[str] = set()
        self._lines: list[CycleLine] = []
        self._exceptions: list[CycleException] = []
        self._paid_into: defaultdict[str, set[str]] = defaultdict(set)

    def consider(self, budget: PersonalBudget) -> None:
        """Ask one budget what it is owed, and note what is out of the ordinary."""
        self.considered.add(budget.reference)
        self.reissues_found |= self._reissue & budget.payments.keys()
        self._consider(self._asked(budget, "direct_payment"))
        if budget.has_service_fund:
            self._consider(self._asked(budget, "service_fund"))

    def _consider(self, asked: _Asked) -> None:
        budget, channel = asked.budget, asked.channel
        named = self._reissue & budget.payments.keys()
        here = (reference for reference in named if budget.payments[reference].channel == channel)
        reissued = sorted({*here, *self._corrected(asked)})
        due = budget.payment_due(self._period, channel)
        refusals = [
            *budget.failed_gates(self._period, self._pay_on, reissued, channel, budget.version),
            *self._no_account(asked),
        ]
        pays = not refusals and due.amount_pence > 0
        for payment_reference in reissued:
            budget.require_reissuable(payment_reference, self._pay_on, budget.version)
            for refusal in self._no_account(asked):
                raise refusal
        if (pays or reissued) and self._is_held(asked, due.amount_pence if pays else 0):
            return
        for payment_reference in reissued:
            self._add_reissue(asked, payment_reference)
        if pays:
            self._add(asked, due)
        elif due.owed_pence or (self._is_live(asked) and not reissued):
            self._note_unpaid(asked, due, refusals)

    def lines(self) -> list[CycleLine]:
        """The payments, in order of budget reference; of one budget, what is sent again first."""
        return sorted(
            self._lines,
            key=lambda line: (
                line.budget_reference,
                not line.reissue_of,
                line.reissue_of,
                line.channel,
            ),
        )

    def exceptions(self) -> list[CycleException]:
        """Everything noted, in order of budget reference and code."""
        for sharing in self._paid_into.values():
            for reference in sharing if len(sharing) > 1 else ():
                others = ", ".join(sorted(other for other in sharing if other != reference)[:5])
                exception = CycleException("account_shared", reference, detail=others)
                self._exceptions.append(exception)
        self._paid_into.clear()
        return sorted(
            self._exceptions, key=lambda e: (e.budget_reference, e.code, e.channel, e.detail)
        )

    # --- where it is paid to ----------------------------------------------------------------

    def _asked(self, budget: PersonalBudget, channel: Channel) -> _Asked:
        provider_reference = budget.provider_of(channel)
        if channel == "direct_payment" and not provider_reference:
            own = budget.payee
            return _Asked(budget, channel, own, PaidTo(own.payee_reference if own else ""))
        account = self._accounts.get(provider_reference)
        paid_to = PaidTo(
            account.payee_reference if account else "",
            provider_reference,
            new_payment_reference(self._cycle_reference, provider_reference, "bulk"),
        )
        return _Asked(budget, channel, account, paid_to)

    def _no_account(self, asked: _Asked) -> Iterator[Refusal]:
        """The gate that only a provider can open: it has no account to be paid into."""
        provider_reference = asked.paid_to.provider_reference
        if provider_reference and asked.account is None:
            yield ProviderAccountNotVerified(
                f"The provider {provider_reference} has no verified account.",
                provider_reference=provider_reference,
            )

    # --- what is held back, or sent again ---------------------------------------------------

    def _is_held(self, asked: _Asked, now_pence: int) -> bool:
        """Note what the council's rules hold back; whether they do, and nobody released it."""
        held = list(self._held(asked, now_pence))
        if held and asked.budget.reference in self._release:
            self._note("released", asked, detail=", ".join(held))
            return False
        for code in held:
            self._note(code, asked, was_pence=asked.was_pence, now_pence=now_pence)
        return bool(held)

    def _held(self, asked: _Asked, now_pence: int) -> Iterator[str]:
        rules, account, last = self._rules, asked.account, asked.last
        assert account is not None, "the gate for the payee was passed"
        is_changed = any(
            payment.payee_reference != account.payee_reference
            for payment in asked.budget.payments.values()
            if payment.channel == asked.channel and payment.status != "cancelled"
        )
        named_on = max(account.verified_on or date.min, asked.budget.named_on(asked.channel))
        if is_changed and rules.paid_before and named_on > rules.paid_before:
            yield "payee_held"
        if asked.channel == "direct_payment":
            yield from asked.budget.payee_doubts
        more_pence = (now_pence - last.amount_pence) * 100 if last else 0
        is_outlier = last and rules.over_percent * last.amount_pence < more_pence
        if (rules.over_percent and is_outlier) or 0 < rules.over_pence < now_pence:
            yield "outlier_held"

    def _corrected(self, asked: _Asked) -> Iterator[str]:
        """What came back and is sent again by itself: other details were verified since."""
        for reference, payment in asked.held.items():
            gates = asked.budget.failed_gates(
                payment.period, self._pay_on, asked.held, asked.channel, asked.budget.version
            )
            account, held = asked.account, payment.held
            is_corrected = account and account.payee_reference != payment.payee_reference
            if is_corrected and held and held.on <= self._pay_on and not any(gates):
                yield reference

    def _add_reissue(self, asked: _Asked, payment_reference: str) -> None:
        payment = asked.budget.payments[payment_reference]
        reference = self._add_line(
            asked,
            payment_reference,
            amount_pence=payment.amount_pence,
            reissue_of=payment_reference,
        )
        self._note("payment_reissued", asked, reference, detail=payment_reference)
        if payment.payee_reference != asked.paid_to.payee_reference:
            self._note("payee_changed", asked, reference)

    # --- what is paid -----------------------------------------------------------------------

    def _add_line(self, asked: _Asked, again: str = "", **facts: Any) -> str:
        """List a payment; returns its reference."""
        budget, account = asked.budget, asked.account
        assert account is not None, "the gate for the payee was passed"
        reference = new_payment_reference(self._cycle_reference, budget.reference, again)
        self._lines.append(
            CycleLine(
                budget_reference=budget.reference,
                budget_version=budget.version,
                payment_reference=reference,
                interested=tuple(sorted(budget.interests)),
                channel=asked.channel,
                **asked.paid_to._asdict(),
                **facts,
            )
        )
        # Managed accounts are shared on purpose; any other shared account is a question.
        if account.payee_type != "managed_account":
            self._paid_into[account.fingerprint].add(budget.reference)
        return reference

    def _add(self, asked: _Asked, due: PaymentDue) -> None:
        reference = self._add_line(
            asked,
            "" if asked.channel == "direct_payment" else asked.channel,
            amount_pence=due.amount_pence,
            lines=due.lines,
            deductions=due.deductions,
        )
        self._question(asked, due, reference)

    def _question(self, asked: _Asked, due: PaymentDue, reference: str) -> None:
        """Note what an approver should ask about a payment that will be made."""
        last, now = asked.last, due.amount_pence
        if last is None:
            self._note("first_payment", asked, reference, now_pence=now)
        else:
            if last.payee_reference != asked.paid_to.payee_reference:
                self._note("payee_changed", asked, reference)
            if abs(now - last.amount_pence) * 100 > self._variance_percent * last.amount_pence:
                self._note(
                    "amount_differs", asked, reference, was_pence=asked.was_pence, now_pence=now
                )
        if self._has_ended(asked):
            self._note("ended", asked, reference)
        if any(not line.cost_centre for line in due.lines):
            self._note("cost_centre_missing", asked, reference)
        if any(
            s.starts_on <= self._period.ends_on and s.ends_on >= self._period.starts_on
            for s in asked.budget.suspensions
        ):
            self._note("suspended", asked, reference)
        self._standing_questions(asked, reference)

    # --- what is not paid -------------------------------------------------------------------

    def _is_live(self, asked: _Asked) -> bool:
        """Someone would expect a payment: a payable line touches the period, or it just ended."""
        return self._is_payable(asked, self._period.starts_on) or self._has_ended(asked)

    def _has_ended(self, asked: _Asked) -> bool:
        """It was paid for the days just before this period, and is not payable to its end."""
        was_paid = any(
            (self._period.starts_on - payment.period.ends_on).days <= 1
            for payment in asked.budget.payments.values()
            if payment.channel == asked.channel and payment.stands
        )
        return was_paid and not self._is_payable(asked, self._period.ends_on)

    def _is_payable(self, asked: _Asked, from_day: date) -> bool:
        """A line paid by the channel starts by the period's end and has not ended before a day."""
        budget = asked.budget
        if budget.closed is not None and budget.closed.effective_on < from_day:
            return False
        return any(
            term.channel == asked.channel
            and term.starts_on <= self._period.ends_on
            and term.last_day >= from_day
            for term in budget.allocations
        )

    def _note_unpaid(self, asked: _Asked, due: PaymentDue, refusals: list[Refusal]) -> None:
        was = asked.was_pence
        for refusal in refusals:
            code = "suspended" if refusal.code == "payments-are-suspended" else refusal.code
            about = refusal.details.get("payment_reference", "")
            self._note(code, asked, detail=about, was_pence=was, now_pence=due.amount_pence)
        if self._has_ended(asked):
            self._note("ended", asked, was_pence=was, now_pence=due.amount_pence)
        if due.owed_pence < 0:
            self._note("negative", asked, was_pence=was, now_pence=due.owed_pence)
        elif due.amount_pence == 0 and not refusals:
            self._note("nothing_due", asked, was_pence=was, now_pence=0)
        self._standing_questions(asked)

    def _standing_questions(self, asked: _Asked, reference: str = "") -> None:
        """Spend returns are of direct payments: what a provider spends, its contract says."""
        if asked.channel == "direct_payment":
            for return_reference, spend_return in asked.budget.spend_returns.items():
                if spend_return.overdue_on(self._pay_on):
                    self._note("return_overdue", asked, reference, detail=return_reference)

    def _note(self, code: str, asked: _Asked, payment_reference: str = "", **facts: Any) -> None:
        self._exceptions.append(
            CycleException(
                code,
                asked.budget.reference,
                payment_reference,
                channel=asked.channel,
                **facts,
            )
        )
