"""A small language for tests of the domain: given a history, when something is said, then what.

    given(a_payable_budget()).when("suspend_payments", reason_code="hospital_stay", ...)
        .then(PaymentsSuspended, retainer_weekly_pence=0)

It says things to the real aggregates. A refusal is checked to have recorded and changed nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar

from ledger.aggregates.event_sourced import Event, EventSourced, Recorded, Said
from ledger.aggregates.payment_reference import new_payment_reference
from ledger.aggregates.payments import PaidTo
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.dates import Period, four_weekly
from ledger.errors import Refusal
from ledger.terms import AllocationTerm, Channel

FIRST_DAY = date(2026, 4, 6)
"""A Monday, the first day of the first four-weekly period in every test."""

TAggregate = TypeVar("TAggregate", bound=EventSourced)


def on(day: str) -> date:
    """A day by its date in ISO form, or in 2026 by month and day: "04-16"."""
    return date.fromisoformat(day if len(day) == 10 else f"2026-{day}")


def days(first: str, last: str) -> Period:
    """The days from one to another, both inclusive."""
    return Period(on(first), on(last))


def cycle_period(number: int) -> Period:
    """The first, second, third... four-weekly period from `FIRST_DAY`."""
    return four_weekly(FIRST_DAY + timedelta(weeks=4 * (number - 1)))


def pay_day(period: Period) -> date:
    """The Friday before a period that starts on a Monday."""
    return period.starts_on - timedelta(days=3)


def said(effective_on: date = FIRST_DAY, by: str = "ann") -> Said:
    """What accompanies a command, recorded in the morning of the day it takes effect."""
    return {
        "effective_on": effective_on,
        "recorded_at": datetime.combine(effective_on, time(9, 30), UTC),
        "recorded_by": by,
    }


def state_of(aggregate: EventSourced) -> dict[str, str]:
    """Everything an aggregate knows, in a form that compares and prints well."""
    known = vars(aggregate).items()
    return {name: repr(value) for name, value in known if not name.startswith("_pending")}


def tell(aggregate: EventSourced, command: str, **facts: Any) -> list[Event]:
    """Give a command, with today's defaults for who and when; returns the events recorded."""
    accompanied = {**said(facts.pop("effective_on", FIRST_DAY), facts.pop("by", "ann")), **facts}
    getattr(aggregate, command)(**accompanied)
    return [recorded.event for recorded in aggregate.collect_events()]


class Story(Generic[TAggregate]):
    """An aggregate, and what came of the last thing said to it."""

    def __init__(self, aggregate: TAggregate) -> None:
        self.aggregate = aggregate
        self.recorded: list[Event] = []
        self.refusal: Refusal | None = None
        aggregate.collect_events()

    def and_(self, command: str, **facts: Any) -> Story[TAggregate]:
        """Something more that happened before; it must not be refused."""
        tell(self.aggregate, command, **facts)
        return self

    def when(self, command: str, **facts: Any) -> Story[TAggregate]:
        """Give a command; `effective_on` is the first day and `by` is ann unless told."""
        before = state_of(self.aggregate)
        self.recorded, self.refusal = [], None
        try:
            self.recorded = tell(self.aggregate, command, **facts)
        except Refusal as refusal:
            self.refusal = refusal
            assert self.aggregate.collect_events() == [], "a refusal leaves no event to be saved"
            assert state_of(self.aggregate) == before, "a refusal changes nothing"
        return self

    def then(self, *events: type[Event], **facts: Any) -> Story[TAggregate]:
        """Exactly these kinds of event were recorded, the last of them with these facts."""
        if self.refusal is not None:
            raise self.refusal
        assert [type(event) for event in self.recorded] == list(events)
        assert {name: getattr(self.recorded[-1], name) for name in facts} == facts
        return self

    def nothing(self) -> Story[TAggregate]:
        """It was accepted and recorded nothing, because it was known already."""
        return self.then()

    def refused(self, rule: type[Refusal], **details: Any) -> Story[TAggregate]:
        """It was refused by exactly this rule, with these details, in a sentence."""
        assert type(self.refusal) is rule, self.refusal or f"recorded {self.recorded}"
        assert {name: self.refusal.details[name] for name in details} == details
        assert str(self.refusal).endswith(".")
        return self


def given(aggregate: TAggregate, *commands: tuple[str, dict[str, Any]]) -> Story[TAggregate]:
    """Begin with an aggregate to which these commands were given."""
    for command, facts in commands:
        tell(aggregate, command, **facts)
    return Story(aggregate)


# --- builders -----------------------------------------------------------------------------


def a_line(reference: str = "L1", weekly: int = 0, **facts: Any) -> AllocationTerm:
    """An allocation line, paid as a direct payment for social care from the first day."""
    return AllocationTerm(
        line_reference=reference,
        weekly_pence=weekly,
        **{
            "need": "personal_care",
            "funding_stream": "social_care",
            "deployment": "direct_payment",
            "starts_on": FIRST_DAY,
            "cost_centre": "S4100",
            **facts,
        },
    )


def an_open_budget(
    reference: str = "PB000001", starts_on: date = FIRST_DAY, **facts: Any
) -> PersonalBudget:
    """A personal budget that has been opened and nothing more."""
    budget = PersonalBudget(reference)
    tell(
        budget,
        "open",
        effective_on=starts_on,
        **{
            "recipient_reference": "R000001",
            "legal_basis": "care_act_2014",
            "primary_support_reason": "physical_personal_care",
            **facts,
        },
    )
    return budget


def a_payable_budget(
    reference: str = "PB000001",
    *,
    weekly: int = 31_000,
    contribution: int = 14_295,
    basis: str = "net",
    starts_on: date = FIRST_DAY,
    lines: Sequence[AllocationTerm] = (),
    fingerprint: str = "account-1",
    without: Collection[str] = (),
    **opened: Any,
) -> PersonalBudget:
    """A budget that can be paid: £310.00 a week, of which the person contributes £142.95.

    `without` leaves out commands by name, such as "sign_agreement".
    """
    budget = an_open_budget(reference, starts_on, **opened)
    told: dict[str, dict[str, Any]] = {
        "offer_direct_payment": {"occasion": "assessment", "outcome": "accepted"},
        "sign_agreement": {"template_version": "2025-1"},
        "agree_allocation": {"lines": tuple(lines or [a_line(weekly=weekly, starts_on=starts_on)])},
        "assess_contribution": {"weekly_pence": contribution, "basis": basis},
        "propose_payee": {
            "payee_reference": "payee-1",
            "payee_type": "recipient",
            "fingerprint": fingerprint,
        },
        "verify_payee": {"payee_reference": "payee-1", "by": "bob"},
    }
    for command, facts in told.items():
        if command not in without:
            tell(budget, command, effective_on=starts_on, **facts)
    return budget


def change_payee(budget: PersonalBudget, payee_reference: str, fingerprint: str) -> None:
    """Ann proposes other account details and Bob verifies them."""
    tell(
        budget,
        "propose_payee",
        payee_reference=payee_reference,
        payee_type="recipient",
        fingerprint=fingerprint,
    )
    tell(budget, "verify_payee", payee_reference=payee_reference, by="bob")


def payment_for(
    budget: PersonalBudget,
    period: Period,
    cycle: str = "C1",
    channel: Channel = "direct_payment",
) -> dict[str, Any]:
    """What `schedule_payment` is told to pay exactly what is due for a period by a channel."""
    due = budget.payment_due(period, channel)
    again = "" if channel == "direct_payment" else channel
    provider_reference = budget.provider_of(channel)
    return {
        "payment_reference": new_payment_reference(cycle, budget.reference, again),
        "cycle_reference": cycle,
        "period": period,
        "lines": due.lines,
        "amount_pence": due.amount_pence,
        "channel": channel,
        "paid_to": credit_to(provider_reference, cycle) if provider_reference else None,
        "effective_on": pay_day(period),
    }


def credit_to(provider_reference: str, cycle: str = "C1", account: str = "account-1") -> PaidTo:
    """One credit to a provider with a cycle."""
    bulk_reference = new_payment_reference(cycle, provider_reference, "bulk")
    return PaidTo(account, provider_reference, bulk_reference)


def pay(
    budget: PersonalBudget,
    period: Period,
    cycle: str = "C1",
    channel: Channel = "direct_payment",
) -> str:
    """Pay what is due for a period by a channel; returns the payment's reference."""
    payment = payment_for(budget, period, cycle, channel)
    tell(budget, "schedule_payment", **payment)
    return str(payment["payment_reference"])


def a_confirmed_clawback(
    amount: int = 10_000, instalment: int = 0, reference: str = "CB1"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Commands: Ann proposes, the person is told on 6 April, and Bob confirms after 20 April."""
    known = {"clawback_reference": reference}
    yield "propose_clawback", {**known, "amount_pence": amount, "cause_code": "surplus"}
    yield "notify_clawback", {**known, "respond_by": on("04-20")}
    yield (
        "confirm_clawback",
        {
            **known,
            "amount_pence": amount,
            "recovery": "deduction" if instalment else "repayment",
            "instalment_pence": instalment,
            "effective_on": on("04-21"),
            "by": "bob",
        },
    )


def replayed(kind: type[TAggregate], history: Sequence[Recorded]) -> TAggregate:
    """An aggregate loaded from a history that is not empty."""
    found = kind.project(None, history)
    assert found is not None
    return found
