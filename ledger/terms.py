"""The effective-dated terms that decide what is owed: allocation, contribution, suspension.

Each is in force for a run of days, both ends inclusive; `entitlement` does the arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple, get_args

import msgspec

Deployment = Literal[
    "direct_payment",
    "managed_account",
    "individual_service_fund",
    "council_managed",
    "provided_service",
]
PAID_TO_A_PAYEE = frozenset({"direct_payment", "managed_account"})
"""Deployments paid as a direct payment, to the person or to a third party's managed account.

An individual service fund is a contract with its provider, not a direct payment."""

Channel = Literal["direct_payment", "service_fund"]
"""How money leaves a budget: as a direct payment, or to the provider of its service fund."""

CHANNELS: tuple[Channel, ...] = get_args(Channel)

ContributionBasis = Literal["net", "gross"]
SuspensionReason = Literal[
    "hospital_stay", "care_home_stay", "safeguarding", "return_missing", "account_query", "other"
]
InterimArrangement = Literal[
    "none_needed",
    "council_arranges_care",
    "provided_service",
    "family_or_friends",
    "in_hospital_or_care_home",
    "other",
]
"""How the person is supported while payments are suspended."""

_DAY = timedelta(days=1)
FOR_EVER = date.max


class AllocationTerm(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One allocation line over a run of days: either `weekly_pence` or `one_off_pence`.

    `chargeable` says that the client contribution may be set against it (NHS money and
    section 117 after-care are free)."""

    line_reference: str
    need: str
    funding_stream: str
    deployment: Deployment
    starts_on: date
    ends_on: date | None = None
    weekly_pence: int = 0
    one_off_pence: int = 0
    cost_centre: str = ""
    chargeable: bool = True

    @property
    def last_day(self) -> date:
        """The last day it is in force; a one-off is in force on its own day alone."""
        return self.starts_on if self.one_off_pence else self.ends_on or FOR_EVER

    @property
    def is_paid(self) -> bool:
        """Whether it is paid to a payee."""
        return self.deployment in PAID_TO_A_PAYEE

    @property
    def channel(self) -> Channel | None:
        """How its money leaves the budget, if it does."""
        if self.deployment == "individual_service_fund":
            return "service_fund"
        return "direct_payment" if self.is_paid else None

    def in_force_on(self, on: date) -> bool:
        """Whether a day is one of its days."""
        return self.starts_on <= on <= self.last_day


def split(
    terms: Iterable[AllocationTerm], line_references: Collection[str], on: date
) -> tuple[list[AllocationTerm], list[AllocationTerm]]:
    """Every term; those of these lines from a day on apart, cut in two where it falls."""
    before: list[AllocationTerm] = []
    after: list[AllocationTerm] = []
    for term in terms:
        if term.line_reference not in line_references or term.last_day < on:
            before.append(term)
            continue
        if term.starts_on < on:
            before.append(msgspec.structs.replace(term, ends_on=on - _DAY))
            term = msgspec.structs.replace(term, starts_on=on)
        after.append(term)
    return before, after


class ContributionTerm(NamedTuple):
    """The client contribution from a day until the next term starts.

    `weekly_pence` is the most that can be charged: never more than the chargeable lines cost,
    and with `full_cost` just what they cost. `order` is the council's order of deployments in
    which it is set against their lines; empty: only against lines paid to a payee. Net: it is
    taken off the payment of those lines. Gross, and for every line that is not paid to a
    payee: it is charged by invoice. `assessment_reference` names the assessment behind it.
    """

    starts_on: date
    weekly_pence: int
    basis: ContributionBasis
    full_cost: bool = False
    order: tuple[Deployment, ...] = ()
    assessment_reference: str = ""


class SuspensionTerm(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Days on which only a retainer (nought: nothing) is owed for all the weekly lines.

    It never comes to more than they would. One-offs are owed all the same. The rest is for
    people to read: why, what was arranged meanwhile, when it is reviewed, and whether someone
    ended it; without that it lasts until `ends_on`."""

    starts_on: date
    ends_on: date = FOR_EVER
    retainer_weekly_pence: int = 0
    reason_code: SuspensionReason | Literal[""] = ""
    interim_arrangement: InterimArrangement | Literal[""] = ""
    review_on: date | None = None
    is_resumed: bool = False

    def in_force_on(self, on: date) -> bool:
        """Whether a day is one of its days."""
        return self.starts_on <= on <= self.ends_on


def suspension_on(suspensions: Iterable[SuspensionTerm], on: date) -> SuspensionTerm | None:
    """The suspension that counts on a day: of those in force, the one with the least retainer."""
    in_force = [term for term in suspensions if term.in_force_on(on)]
    return min(in_force, key=lambda term: term.retainer_weekly_pence, default=None)


class Terms(NamedTuple):
    """Everything that decides what is owed, and the days from and to which anything is.

    `funded_from` is the first day that is paid to the provider of a service fund, if any is."""

    starts_on: date
    ends_on: date
    allocations: Sequence[AllocationTerm]
    contributions: Sequence[ContributionTerm]
    suspensions: Sequence[SuspensionTerm]
    funded_from: date = FOR_EVER

    def of(self, channel: Channel) -> Terms:
        """The same for what is paid by a channel: from its own first day."""
        if channel == "direct_payment":
            return self
        return self._replace(starts_on=max(self.starts_on, self.funded_from))
