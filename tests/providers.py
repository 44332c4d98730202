"""Providers for tests, and budgets whose money they hold: in memory, and by the front door."""

from __future__ import annotations

from datetime import date
from typing import Any

from ledger.aggregates.payees import Payee
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.provider import Provider
from ledger.application import Ledger
from ledger.caseload import CaseloadBudget, CaseloadLine
from ledger.providers import propose_provider_account, register_provider
from tests.given import FIRST_DAY, a_line, an_open_budget, tell
from tests.main_job import a_row, says, tell_budget

SUNRISE, HARBOUR = "SUNRISE", "HARBOUR"
EARLY = "2026-03-27"


# --- one by one ---------------------------------------------------------------------------


def a_provider(reference: str = SUNRISE, account: str = "account-1") -> Provider:
    """A provider with an account that Ann proposed and Bob verified; without one, if it is ""."""
    provider = Provider(reference)
    tell(provider, "register")
    if account:
        change_account(provider, account)
    return provider


def change_account(provider: Provider, account: str, **when: Any) -> None:
    """Ann proposes other account details for a provider and Bob verifies them."""
    proposed = {"account_reference": account, "fingerprint": f"of {account}"}
    tell(provider, "propose_account", **proposed, modulus_check="valid", **when)
    tell(provider, "verify_account", account_reference=account, by="bob", **when)


def accounts_of(*providers: Provider, on: date = FIRST_DAY) -> dict[str, Payee]:
    """The accounts that a cycle is prepared with."""
    accounts = {provider.reference: provider.account_on(on) for provider in providers}
    return {reference: account for reference, account in accounts.items() if account is not None}


def in_a_fund(reference: str = "L1", weekly: int = 0, **facts: Any) -> Any:
    """An allocation line held by a provider, for social care from the first day."""
    return a_line(reference, weekly, deployment="individual_service_fund", **facts)


def a_funded_budget(
    reference: str = "PB000001",
    *,
    weekly: int = 20_000,
    contribution: int = 0,
    held_by: str = SUNRISE,
    **line: Any,
) -> PersonalBudget:
    """A budget of one line, £200.00 a week, that a provider holds, and no direct payment at all."""
    budget = an_open_budget(reference)
    tell(budget, "agree_allocation", lines=(in_a_fund("L1", weekly, **line),))
    if contribution:
        tell(budget, "assess_contribution", weekly_pence=contribution, basis="net",
             order=("individual_service_fund", "direct_payment", "managed_account",
                    "council_managed", "provided_service"))  # fmt: skip
    if held_by:
        tell(budget, "hold_service_fund", provider_reference=held_by)
    return budget


def manage(budget: PersonalBudget, provider_reference: str = SUNRISE) -> None:
    """Ann proposes that a provider holds the direct payment, and Bob verifies it."""
    tell(budget, "propose_managed_account", provider_reference=provider_reference)
    tell(budget, "verify_payee", payee_reference=provider_reference, by="bob")


# --- through the front door -----------------------------------------------------------------


def a_provider_in(
    ledger: Ledger, reference: str = SUNRISE, account_number: str = "70000001"
) -> str:
    """Register a provider and have its account proposed and verified; its account's reference."""
    register_provider(ledger, reference, f"{reference.title()} Care Ltd", said=says("ann"))
    return new_account(ledger, reference, account_number)


def new_account(
    ledger: Ledger, reference: str, account_number: str, day: date | str = EARLY
) -> str:
    """Ann proposes another account for a provider and Bob verifies it; returns its reference."""
    account = propose_account(ledger, reference, account_number, day=day)
    verify_account(ledger, reference, account, day=day)
    return account


def propose_account(
    ledger: Ledger,
    reference: str,
    account_number: str,
    by: str = "ann",
    day: date | str = EARLY,
) -> str:
    """Somebody proposes account details for a provider."""
    _, account = propose_provider_account(
        ledger,
        reference,
        account_name=f"{reference} client account",
        sort_code="99-99-03",
        account_number=account_number,
        said=says(by, day),
    )
    return account


def verify_account(
    ledger: Ledger,
    reference: str,
    account: str,
    by: str = "bob",
    day: date | str = EARLY,
) -> Provider:
    """Somebody verifies account details of a provider."""
    said = says(by, day)
    return ledger.change(
        Provider, reference, lambda p: p.verify_account(account_reference=account, **said)
    )


def a_line_of(deployment: str, need: str, weekly: int) -> CaseloadLine:
    """A line of a caseload, from the first day."""
    return CaseloadLine(
        line_reference=f"{need}.social_care",
        need=need,
        funding_stream="social_care",
        deployment=deployment,  # type: ignore[arg-type]
        weekly_pence=weekly,
        one_off_pence=None,
        starts_on=FIRST_DAY,
        ends_on=None,
        cost_centre="S4100",
    )


def a_mixed_row(number: int) -> CaseloadBudget:
    """A budget of £310.00 a week as a direct payment, £200.00 in a service fund, and £90.00 of
    provided services; £142.95 are contributed."""
    return a_row(
        number,
        lines=(
            a_line_of("direct_payment", "personal_care", 31_000),
            a_line_of("individual_service_fund", "community", 20_000),
            a_line_of("provided_service", "day_care", 9_000),
        ),
    )


def hold_fund(ledger: Ledger, reference: str, provider_reference: str = SUNRISE) -> None:
    """Ann names who holds a budget's service funds."""
    tell_budget(ledger, reference, "hold_service_fund", provider_reference=provider_reference)


def manage_in(ledger: Ledger, reference: str, provider_reference: str = SUNRISE) -> None:
    """Ann proposes that a provider holds a direct payment, and Bob verifies it."""
    proposed = {"provider_reference": provider_reference}
    tell_budget(ledger, reference, "propose_managed_account", **proposed)
    tell_budget(ledger, reference, "verify_payee", payee_reference=provider_reference, by="bob")
