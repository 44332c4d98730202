"""Who acts for a recipient, who may see how an account stands, checking that, and who looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import actor_of, needs
from ledger.account_status import AccountStatus
from ledger.aggregates.consents import GivenBy, SharedFacts
from ledger.aggregates.representatives import RepresentativeKind
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import problems, reads, writes
from ledger.api.paging import Limit, page_of
from ledger.api.requests import BodyOf, Writing, ledger_of, today
from ledger.budget_looks import Seen, budget_looks_at
from ledger.commands import require_keepable
from ledger.errors import VersionConflict
from ledger.people import moment_text
from ledger.private import Private
from ledger.status_checks import check_status
from ledger.store import Beside

router = APIRouter(tags=["access"])


class StatusAsked(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose account it is: the budget, and when its recipient was born."""

    budget_reference: str
    date_of_birth: date


class StatusChecked(msgspec.Struct):
    """That a status was looked at; kept with the key in the place of what was shown."""

    checked_at: str


class RepresentativeEntry(msgspec.Struct):
    """Someone who acts for the recipient now."""

    person_reference: str
    kind: RepresentativeKind


class AccessEntry(msgspec.Struct):
    """What an organisation was last allowed. It sees nothing unless it is in force."""

    organisation_reference: str
    facts: SharedFacts
    starts_on: date
    ends_on: date
    given_by: GivenBy
    is_in_force: bool


class BudgetAccess(msgspec.Struct):
    """Who acts for a budget's recipient, and who may see how it stands."""

    reference: str
    representatives: list[RepresentativeEntry]
    access: list[AccessEntry]


class LookEntry(msgspec.Struct):
    """Who saw what, when and for whom; no organisation: someone who acts for the recipient."""

    number: int
    looked_at: str
    looked_by: str
    organisation_reference: str
    seen: Seen


class BudgetLooks(msgspec.Struct):
    """Looks, the newest first; ask for `after` = `next_after` for older ones."""

    looks: list[LookEntry]
    next_after: int | None


_asked = BodyOf(StatusAsked)
_described = writes(AccountStatus, StatusAsked)
_described["responses"][200]["description"] = "How the account stands."
_described["responses"] |= problems(429)


@router.post("/v1/status-checks", summary="Check how an account stands", **_described)
@needs("status.check")
def status_check(write: Writing, request: Request) -> Response:
    """Whether payments are made or held, what would release them, and what is due; amounts only
    if the recipient granted them too. Each look is recorded, for the recipient to see.

    A budget that is not there, another date of birth, and no consent (never given, over, taken
    back) are answered the very same. After 10 such answers in an hour nothing is answered.
    """
    if write.expected_version is not None:
        raise VersionConflict("A check has no version to match.")
    asked = _asked.read(write.body)
    require_keepable(asked.budget_reference, "budget_reference")
    once = Once(write)
    found: list[AccountStatus] = []

    def check(also: Sequence[Beside] = ()) -> None:
        found.append(
            check_status(
                write.ledger,
                asked.budget_reference,
                asked.date_of_birth,
                organisation_reference=actor_of(request).organisation,
                checked_by=write.acting_as,
                checked_at=write.recorded_at,
                also=also,
            )
        )

    once.do(lambda: check([once.row(StatusChecked(moment_text(write.recorded_at)))]))
    if not found:  # the key was used before: it is looked at anew, and recorded anew
        check()
    return answer(found[0])


@router.get("/v1/budgets/{reference:reference}/access", summary="Show who has access",
            **reads(BudgetAccess))  # fmt: skip
@needs("budgets.read")
def budget_access(request: Request, reference: str) -> Response:
    """Who acts for the recipient, and which organisations may see how the account stands."""
    budget = ledger_of(request).budget(reference)
    acting = [RepresentativeEntry(p, kind) for p, kind in budget.representatives.items()]
    granted = [
        AccessEntry(of, *grant, is_in_force=budget.grant_in_force(of, today()) is not None)
        for of, grant in budget.grants.items()
    ]
    return answer(BudgetAccess(reference, acting, granted))


@router.get("/v1/budgets/{reference:reference}/looks", summary="List who looked at a budget",
            **reads(BudgetLooks))  # fmt: skip
@needs("budgets.read")
def list_budget_looks(
    request: Request,
    reference: str,
    after: Annotated[
        int | None, Query(ge=1, le=10**9, description="Go on after this look, with older ones.")
    ] = None,
    limit: Limit = 100,
) -> Response:
    """Every look at a budget by someone outside the council, the newest first."""
    found = budget_looks_at(ledger_of(request), reference, before=after, limit=limit + 1)
    shown = [LookEntry(*(look.number, *look[2:])) for look in found[:limit]]
    next_after = shown[-1].number if len(found) > limit else None
    return page_of(request, BudgetLooks(shown, next_after))
