"""A mass change: many budgets changed at once, seen as a whole and approved by a second person.

Prepared by trying the change on every budget and recording nothing; sealed by a SHA-256 over
the parameters and every line; applied to each budget once, by the budget's own command.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import ClassVar, Literal, Unpack

import msgspec

from ledger.aggregates.contributions import ArrearsRecovery, AssessedTerm
from ledger.aggregates.event_sourced import Event, EventSourced, Said, applies, register
from ledger.dates import Period
from ledger.errors import (
    ApproverPreparedMassChange,
    InterestInBudget,
    MassChangeAlreadyDecided,
    MassChangeDiffersFromSeen,
    MassChangeIsEmpty,
)
from ledger.money import format_pounds
from ledger.terms import Deployment

LINES_IN_AN_EVENT = 500

MassChangeKind = Literal["reassess", "uplift", "invoice"]
LineOutcome = Literal["new", "changed", "ended", "credited", "unchanged", "held"]
MassRejectionReason = Literal["totals_unexpected", "outliers_unexplained", "wrong_date", "other"]

RELEASABLE = {
    "outlier": "A week comes to more or less by more than the set limit.",
    "full_cost": "The person would newly pay the full cost.",
    "provisional": "The assessment is provisional until the person can be contacted.",
}
"""Why a budget is held back until someone has looked at it and released it."""

HELD_BECAUSE = {
    **RELEASABLE,
    "stated": "The contribution was stated without a financial assessment held here.",
    "unreadable": "The financial assessment can no longer be read: its person was erased.",
    "later_dated": "Something is already recorded for a later day: this change would replace it, "
    "or not reach it.",
    "already_uprated": "The assessment takes effect on that very day, so its income is already "
    "what it is from then on.",
}
"""Why a budget is held back. Any other reason is the code of the refusal it would meet."""

SKIPPED_BECAUSE = {
    "changed_since": "The budget has changed since it was listed, and would come to something "
    "else.",
    "settled_since": "Days were paid or invoiced since it was listed: another amount would be put "
    "right.",
    "not_listed": "The change came to concern the budget after it was prepared: nobody has "
    "approved it.",
}
"""Why an approved change passed a budget over; else a reason for which it would be held back."""


class MassChangeParameters(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is changed, and on which budgets.

    Re-assess: every assessment in force is made again from `effective_on`, with income of the
    kinds in `uprate` raised first and set against lines in `order`; arrears come back by
    `recovery`, or as each budget has it. Uplift: weekly allocation lines, of one funding stream
    or deployment if named, are raised. Percentages are basis points: 380 is 3.8%. Invoice:
    charges due to the end of `period`. A week that changes by more than `hold_over_pence` (none:
    no limit) is held back, but not on the budgets of `release`, which someone has looked at.
    """

    kind: MassChangeKind
    effective_on: date
    decided_on: date
    uprate: tuple[tuple[str, int], ...] = ()
    uplift_basis_points: int = 0
    funding_stream: str = ""
    deployment: Deployment | None = None
    period: Period | None = None
    recovery: ArrearsRecovery | None = None
    weekly_cap_pence: int = 0
    order: tuple[Deployment, ...] = ()
    hold_over_pence: int | None = None
    release: tuple[str, ...] = ()


class RevisedLine(msgspec.Struct, frozen=True, gc=False):
    """An allocation line's weekly pence before and after."""

    line_reference: str
    was_pence: int
    now_pence: int


class MassChangeLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One budget, and what comes of it. `reason` says why it is held back, or was released.

    `was_pence` and `now_pence` are a week's contribution (re-assess) or its whole budget
    (uplift) on the day of the change, as if nothing were suspended; or nought and what is
    charged (invoice; a credit is below nought). `put_right_pence` is what days already settled
    come to: a refund, or arrears if below nought. `interested` are the users who have an interest
    in the budget.
    """

    budget_reference: str
    budget_version: int
    outcome: LineOutcome
    was_pence: int
    now_pence: int
    put_right_pence: int = 0
    reason: str = ""
    terms: tuple[AssessedTerm, ...] = ()
    revised: tuple[RevisedLine, ...] = ()
    interested: tuple[str, ...] = ()

    @property
    def difference_pence(self) -> int:
        """How much more a week comes to, or less if below nought."""
        return self.now_pence - self.was_pence


class MassChangeTotals(msgspec.Struct, frozen=True):
    """How many lines there are of each outcome, and what those not held back come to.

    Rises and falls, refunds and arrears stand apart, so that none hides behind another.
    """

    line_count: int
    new_count: int
    changed_count: int
    ended_count: int
    credited_count: int
    unchanged_count: int
    held_count: int
    released_count: int
    was_pence: int
    now_pence: int
    rises_pence: int
    falls_pence: int
    refunds_pence: int
    arrears_pence: int

    @property
    def put_right_pence(self) -> int:
        """What days already settled come to in all: refunds less arrears."""
        return self.refunds_pence - self.arrears_pence


class MassChangeListed(Event):
    """Some of the lines of the preparation under way."""

    reference: str
    lines: tuple[MassChangeLine, ...]


class MassChangePrepared(Event):
    """The preparation is whole. `warnings` name figures used that are not confirmed."""

    reference: str
    parameters: MassChangeParameters
    totals: MassChangeTotals
    lines_sha256: str
    warnings: tuple[str, ...] = ()


class MassChangeApproved(Event):
    """Someone other than the preparer approved exactly these lines."""

    now_pence: int
    lines_sha256: str


class MassChangeRejected(Event):
    """Someone other than the preparer turned it down."""

    reason_code: MassRejectionReason


class MassChangeApplied(Event):
    """Every budget was changed, except those that had moved on: each with its reason."""

    applied_count: int
    skipped: tuple[tuple[str, str], ...] = ()


MassChangeStatus = Literal["prepared", "approved", "rejected", "applied"]


class MassChange(EventSourced):
    """A change to many budgets."""

    STREAM: ClassVar[str] = "mass-change"
    READ_AT_ONCE: ClassVar[int] = 10  # of 500 lines each

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.status: MassChangeStatus | None = None
        self.prepared: MassChangePrepared | None = None
        self.approved: MassChangeApproved | None = None
        self.applied: MassChangeApplied | None = None
        self.lines: list[MassChangeLine] = []
        self._listing: list[MassChangeLine] = []

    @property
    def to_apply(self) -> list[MassChangeLine]:
        """The lines that are not held back."""
        return [line for line in self.lines if line.outcome != "held"]

    def prepare(
        self,
        *,
        parameters: MassChangeParameters,
        lines: Iterable[MassChangeLine],
        warnings: tuple[str, ...] = (),
        **said: Unpack[Said],
    ) -> None:
        """List what would change and seal it; preparing again replaces what was listed."""
        self._require_status("prepare", None, "prepared", "rejected")
        listed = list(lines)
        prepared = MassChangePrepared(
            reference=self.reference,
            parameters=parameters,
            totals=totals_of(listed),
            lines_sha256=lines_hash(parameters, listed, warnings),
            warnings=warnings,
            **said,
        )
        if self.status == "prepared" and self._is_same(prepared):
            return
        for start in range(0, len(listed), LINES_IN_AN_EVENT):
            some = tuple(listed[start : start + LINES_IN_AN_EVENT])
            self._record(MassChangeListed(reference=self.reference, lines=some, **said))
        self._record(prepared)

    def approve(
        self,
        *,
        now_pence: int,
        lines_sha256: str,
        own: Collection[str] = (),
        **said: Unpack[Said],
    ) -> None:
        """Approve the lines with this total and hash: exactly what the approver looked at.

        Nobody approves what changes a budget they have an interest in, or one of their
        `own`: those whose recipient they are, or act for."""
        prepared = self.prepared
        if self.status in ("approved", "applied") and prepared is not None:
            if prepared.lines_sha256 == lines_sha256:
                return
            raise MassChangeDiffersFromSeen(f"{self.reference} was approved with other lines.")
        prepared = self._require_decidable("approve", said["recorded_by"])
        if (prepared.totals.now_pence, prepared.lines_sha256) != (now_pence, lines_sha256):
            raise MassChangeDiffersFromSeen(
                f"{self.reference} now comes to {format_pounds(prepared.totals.now_pence)} "
                f"(lines {prepared.lines_sha256[:12]}); look again before approving.",
                now_pence=prepared.totals.now_pence,
                lines_sha256=prepared.lines_sha256,
            )
        if not self.to_apply:
            raise MassChangeIsEmpty(f"{self.reference} changes no budget.")
        user_name = said["recorded_by"]
        budgets = [
            line.budget_reference
            for line in self.to_apply
            if user_name in line.interested or line.budget_reference in own
        ]
        if budgets:
            raise InterestInBudget(
                f"{user_name} has an interest in {', '.join(budgets)}, which "
                f"{self.reference} changes; someone else must do this.",
                budgets=budgets,
            )
        self._record(MassChangeApproved(now_pence=now_pence, lines_sha256=lines_sha256, **said))

    def reject(self, *, reason_code: MassRejectionReason, **said: Unpack[Said]) -> None:
        """Turn it down; it can be prepared again."""
        if self.status == "rejected":
            return
        self._require_decidable("reject", said["recorded_by"])
        self._record(MassChangeRejected(reason_code=reason_code, **said))

    def finish(
        self, *, applied_count: int, skipped: tuple[tuple[str, str], ...], **said: Unpack[Said]
    ) -> None:
        """Record that every budget has had its change or was passed over, and why."""
        if self.status == "applied":
            return
        self._require_status("apply", "approved")
        self._record(MassChangeApplied(applied_count=applied_count, skipped=skipped, **said))

    def require_approved(self) -> MassChangeParameters:
        """What it changes, if it may be applied: now, or again after it was broken off."""
        self._require_status("apply", "approved", "applied")
        assert self.prepared is not None, "an approved change was prepared"
        return self.prepared.parameters

    def _is_same(self, now: MassChangePrepared) -> bool:
        before = self.prepared
        return (
            before is not None
            and before.recorded_by == now.recorded_by
            and before.lines_sha256 == now.lines_sha256
        )

    def _require_decidable(self, step: str, decided_by: str) -> MassChangePrepared:
        self._require_status(step, "prepared")
        assert self.prepared is not None, "a prepared change has its preparation"
        if self.prepared.recorded_by == decided_by:
            raise ApproverPreparedMassChange(f"{decided_by} prepared {self.reference}.")
        return self.prepared

    def _require_status(self, step: str, *allowed: MassChangeStatus | None) -> None:
        if self.status not in allowed:
            raise MassChangeAlreadyDecided(
                f"Cannot {step} {self.reference}: it is {self.status or 'not prepared'}."
            )

    @applies(MassChangeListed)
    def _listed(self, event: MassChangeListed) -> None:
        self._listing.extend(event.lines)

    @applies(MassChangePrepared)
    def _prepared(self, event: MassChangePrepared) -> None:
        self.status, self.prepared = "prepared", event
        self.lines, self._listing = self._listing, []

    @applies(MassChangeApproved)
    def _approved(self, event: MassChangeApproved) -> None:
        self.status, self.approved = "approved", event

    @applies(MassChangeRejected)
    def _rejected(self, _event: MassChangeRejected) -> None:
        self.status = "rejected"

    @applies(MassChangeApplied)
    def _applied(self, event: MassChangeApplied) -> None:
        self.status, self.applied = "applied", event


def totals_of(lines: Iterable[MassChangeLine]) -> MassChangeTotals:
    """The totals an approver sees; what is held back is counted and not summed."""
    listed = list(lines)
    counts = Counter(line.outcome for line in listed)
    summed = [line for line in listed if line.outcome != "held"]
    differences = [line.difference_pence for line in summed]
    put_right = [line.put_right_pence for line in summed]
    return MassChangeTotals(
        line_count=len(listed),
        new_count=counts["new"],
        changed_count=counts["changed"],
        ended_count=counts["ended"],
        credited_count=counts["credited"],
        unchanged_count=counts["unchanged"],
        held_count=counts["held"],
        released_count=sum(1 for line in summed if line.reason),
        was_pence=sum(line.was_pence for line in summed),
        now_pence=sum(line.now_pence for line in summed),
        rises_pence=sum(pence for pence in differences if pence > 0),
        falls_pence=-sum(pence for pence in differences if pence < 0),
        refunds_pence=sum(pence for pence in put_right if pence > 0),
        arrears_pence=-sum(pence for pence in put_right if pence < 0),
    )


def lines_hash(
    parameters: MassChangeParameters,
    lines: Iterable[MassChangeLine],
    warnings: tuple[str, ...] = (),
) -> str:
    """SHA-256, in hex, over everything an approver approves: one line of JSON for each."""
    encode = msgspec.json.Encoder().encode
    digest = hashlib.sha256(encode(parameters))
    for part in ((warnings,), lines):
        for line in part:
            digest.update(b"\n")
            digest.update(encode(line))
    return digest.hexdigest()


register(
    MassChange.STREAM,
    {
        "listed.v1": MassChangeListed,
        "prepared.v1": MassChangePrepared,
        "approved.v1": MassChangeApproved,
        "rejected.v1": MassChangeRejected,
        "applied.v1": MassChangeApplied,
    },
)
