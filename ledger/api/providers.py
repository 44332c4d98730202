"""Providers who hold people's money: registered, their accounts, whose money, and breakdowns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.access.guard import needs
from ledger.aggregates.event_sourced import Recorded, Said
from ledger.aggregates.payees import ModulusCheck, Payee, WithdrawalReason
from ledger.aggregates.provider import Provider, ProviderEnding
from ledger.api.budgets import catch_up, register_page
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import reads, writes
from ledger.api.paging import AfterReference, Limit, page_of
from ledger.api.problems import HEADERS
from ledger.api.recorded_events import RecordedEvent, recorded_events
from ledger.api.requests import BodyOf, WriteRoute, Writing, ledger_of
from ledger.api.statements import PAGE
from ledger.commands import require_keepable
from ledger.errors import VersionConflict
from ledger.private import Private
from ledger.projections.providers import Providers, budgets_held_by
from ledger.providers import propose_provider_account, register_provider
from ledger.statements.breakdown import (
    Breakdown,
    breakdown_csv,
    breakdown_html,
    breakdown_of,
)
from ledger.store import Beside

router = APIRouter(tags=["providers"])
_writing = APIRouter(tags=["providers"], route_class=WriteRoute)
_AT = "/v1/providers/{reference:cycle}"


# --- what is asked ------------------------------------------------------------------------


class ProviderToRegister(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider is called; it is sealed."""

    effective_on: date
    name: str


class AccountProposal(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Account details of a provider. They are sealed at once and never sent back."""

    effective_on: date
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str = ""


class AccountToVerify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The details that were checked."""

    effective_on: date
    account_reference: str


class AccountToWithdraw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The details that are not to be paid to, and why."""

    effective_on: date
    account_reference: str
    reason_code: WithdrawalReason


class ProviderToEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why nothing is paid after `effective_on`."""

    effective_on: date
    reason_code: ProviderEnding


# --- what is answered ---------------------------------------------------------------------


class ProviderChanged(msgspec.Struct):
    """The provider's version now, and the events recorded: none if it was so already."""

    reference: str
    version: int
    events: list[RecordedEvent]


class ProviderEntry(msgspec.Struct):
    """A provider's row in the register. `account_reference` is that of the verified account."""

    reference: str
    name: str
    registered_on: date
    ended_on: date | None
    account_reference: str | None


class ProviderRegister(msgspec.Struct):
    """Part of the register by reference; ask for `after` = `next_after` for what follows."""

    providers: list[ProviderEntry]
    next_after: str | None


class AccountShown(msgspec.Struct):
    """Account details by reference; `account` is the last four digits."""

    account_reference: str
    account: str
    proposed_by: str
    modulus_check: ModulusCheck | None
    modulus_table_version: str
    verified_on: date | None


class ProviderShown(msgspec.Struct):
    """A provider, the account it is paid into, and those that wait to be verified."""

    reference: str
    version: int
    name: str
    ended_on: date | None
    account: AccountShown | None
    proposed_accounts: list[AccountShown]


class BudgetHeld(msgspec.Struct):
    """A budget whose direct payment a provider holds in a managed account, or whose service fund
    it holds, or both."""

    budget_reference: str
    managed_account: bool
    service_fund: bool


class BudgetsHeld(msgspec.Struct):
    """Some budgets by reference; ask for `after` = `next_after` for what follows."""

    budgets: list[BudgetHeld]
    next_after: str | None


# --- changes ------------------------------------------------------------------------------

_register = BodyOf(ProviderToRegister)
_propose = BodyOf(AccountProposal)
_verify = BodyOf(AccountToVerify)
_withdraw = BodyOf(AccountToWithdraw)
_end = BodyOf(ProviderToEnd)


def _rows(once: Once, status: int = 200) -> Callable[[Provider, Sequence[Recorded]], list[Beside]]:
    def rows(provider: Provider, events: Sequence[Recorded]) -> list[Beside]:
        changed = ProviderChanged(
            provider.reference, provider.version, list(recorded_events(events))
        )
        return [once.row(changed, status if events else 200)]

    return rows


def _change(
    reference: str, write: Writing, effective_on: date, decide: Callable[[Provider, Said], None]
) -> Response:
    once, said = Once(write), write.said(effective_on)

    def decided(provider: Provider) -> None:
        once.trying()
        decide(provider, said)

    return once.do(
        lambda: write.ledger.change(
            Provider,
            reference,
            decided,
            expected_version=write.expected_version,
            beside=_rows(once),
        )
    )


@_writing.post(f"{_AT}/register", summary="Register a provider",
               **writes(ProviderChanged, ProviderToRegister,
                        created="The provider was not known before."))  # fmt: skip
@needs("people.register")
def register(reference: str, write: Writing) -> Response:
    """Seal a provider's name under its reference; the same again changes nothing."""
    if write.expected_version is not None:
        raise VersionConflict("A provider that is registered has no version to match.")
    asked = _register.read(write.body)
    require_keepable(asked.name, "name")
    once = Once(write)
    said = write.said(asked.effective_on)
    return once.do(
        lambda: register_provider(
            write.ledger, reference, asked.name, said=said, also=_rows(once, 201)
        )
    )


@_writing.post(f"{_AT}/propose-account", summary="Propose a provider's account",
               **writes(ProviderChanged, AccountProposal, if_match=True))  # fmt: skip
@needs("payees.propose")
def propose_account(reference: str, write: Writing) -> Response:
    """Seal account details of a provider and propose them; someone else must verify them.

    The answer's event names them by `account_reference`."""
    asked = _propose.read(write.body)
    once = Once(write)
    return once.do(
        lambda: propose_provider_account(
            write.ledger,
            reference,
            account_name=asked.account_name,
            sort_code=asked.sort_code,
            account_number=asked.account_number,
            roll_number=asked.roll_number,
            said=write.said(asked.effective_on),
            expected_version=write.expected_version,
            also=_rows(once),
        )
    )


@_writing.post(f"{_AT}/verify-account", summary="Verify a provider's account",
               **writes(ProviderChanged, AccountToVerify, if_match=True))  # fmt: skip
@needs("payees.verify")
def verify_account(reference: str, write: Writing) -> Response:
    """Confirm details that someone else proposed; all that is held there is paid to them now."""
    asked = _verify.read(write.body)
    return _change(
        reference,
        write,
        asked.effective_on,
        lambda p, said: p.verify_account(account_reference=asked.account_reference, **said),
    )


@_writing.post(f"{_AT}/withdraw-account", summary="Withdraw a provider's account",
               **writes(ProviderChanged, AccountToWithdraw, if_match=True))  # fmt: skip
@needs("payees.propose")
def withdraw_account(reference: str, write: Writing) -> Response:
    """Take back details, proposed or in use; nothing more is paid to them."""
    asked = _withdraw.read(write.body)
    return _change(
        reference,
        write,
        asked.effective_on,
        lambda p, said: p.withdraw_account(
            account_reference=asked.account_reference, reason_code=asked.reason_code, **said
        ),
    )


@_writing.post(f"{_AT}/end", summary="End a provider",
               **writes(ProviderChanged, ProviderToEnd, if_match=True))  # fmt: skip
@needs("people.register")
def end(reference: str, write: Writing) -> Response:
    """Pay the provider nothing after `effective_on`; whose money it holds must be moved."""
    asked = _end.read(write.body)
    return _change(
        reference,
        write,
        asked.effective_on,
        lambda p, said: p.end(reason_code=asked.reason_code, **said),
    )


# --- questions ----------------------------------------------------------------------------


@router.get("/v1/providers", summary="List the providers",
            **reads(ProviderRegister, missing=False))  # fmt: skip
@needs("budgets.find")
def list_providers(request: Request, after: AfterReference = "", limit: Limit = 100) -> Response:
    """The register of providers, in order of reference."""
    ledger = ledger_of(request)
    rows, next_after = register_page(ledger, Providers.table, after, limit)
    names = ledger.provider_details.names(*(row["reference"] for row in rows)) if rows else {}
    entries = [
        ProviderEntry(
            row["reference"],
            names[row["reference"]],
            row["registered_on"],
            row["ended_on"],
            row["account_reference"],
        )
        for row in rows
    ]
    return page_of(request, ProviderRegister(entries, next_after))


@router.get(_AT, summary="Show a provider", **reads(ProviderShown))
@needs("budgets.find")
def show_provider(request: Request, reference: str) -> Response:
    """The account it is paid into, by its last digits, and those that wait to be verified."""
    ledger = ledger_of(request)
    provider = ledger.load(Provider, reference)
    details = ledger.provider_details
    accounts = details.shown([payee.payee_reference for payee in provider.known_payees])
    shown = ProviderShown(
        reference=reference,
        version=provider.version,
        name=details.names(reference)[reference],
        ended_on=provider.ended.effective_on if provider.ended else None,
        account=_account(provider.payee, accounts) if provider.payee else None,
        proposed_accounts=[_account(p, accounts) for p in provider.proposed_payees.values()],
    )
    return answer(shown, version=provider.version)


def _account(account: Payee, accounts: Mapping[str, str]) -> AccountShown:
    return AccountShown(
        account.payee_reference,
        accounts[account.payee_reference],
        account.proposed_by,
        account.modulus_check,
        account.modulus_table_version,
        account.verified_on,
    )


@router.get(f"{_AT}/budgets", summary="List whose money a provider holds", **reads(BudgetsHeld))
@needs("budgets.find")
def provider_budgets(
    request: Request, reference: str, after: AfterReference = "", limit: Limit = 100
) -> Response:
    """The budgets that name the provider, for their direct payment or their service fund."""
    ledger = ledger_of(request)
    ledger.load(Provider, reference)
    catch_up(ledger)
    found = budgets_held_by(ledger.engine, reference, after=after, limit=limit + 1)
    shown = [BudgetHeld(**row) for row in found[:limit]]
    next_after = shown[-1].budget_reference if len(found) > limit else None
    return page_of(request, BudgetsHeld(shown, next_after))


def _described() -> dict[str, Any]:
    described = reads(Breakdown)
    described["responses"][200]["content"] |= {
        "text/csv": {"schema": {"type": "string"}},
        "text/html": {"schema": {"type": "string"}},
    }
    return described


@router.get("/v1/cycles/{reference:cycle}/breakdowns/{provider:cycle}",
            summary="Say what a credit to a provider is made up of", **_described())  # fmt: skip
@needs("cycles.read")
def breakdown(
    request: Request,
    reference: str,
    provider: str,
    form: Annotated[
        Literal["json", "csv", "html"],
        Query(alias="format", description="`json`, `csv` for a spreadsheet, or `html` to print."),
    ] = "json",
) -> Response:
    """What the cycle pays the provider, person by person, adding up to the one credit."""
    ledger = ledger_of(request)
    found = breakdown_of(ledger.cycle(reference), provider)
    if form == "html":
        name = ledger.provider_details.names(provider)[provider]
        page = breakdown_html(found, ledger.settings.council_name, name)
        return Response(page, 200, {**HEADERS, **PAGE}, "text/html")
    if form == "csv":
        file_name = f"breakdown-{reference}-{provider}.csv"
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{file_name}"'}
        # With a byte order mark: spreadsheets read a file without one as another alphabet.
        return Response(breakdown_csv(found).encode("utf-8-sig"), 200, headers, "text/csv")
    return answer(found)


router.routes.extend(_writing.routes)
