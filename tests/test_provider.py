"""A provider: registered, its account proposed by one person and verified by another, ended."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from ledger.aggregates.event_sourced import commands_of
from ledger.aggregates.provider import (
    Provider,
    ProviderAccountProposed,
    ProviderAccountVerified,
    ProviderAccountWithdrawn,
    ProviderEnded,
    ProviderRegistered,
    is_provider_reference,
)
from ledger.application import Ledger
from ledger.durable import provider_accounts, provider_details
from ledger.errors import (
    AccountFailsModulusCheck,
    InvalidValue,
    PayeeNotProposed,
    ProviderAlreadyKnown,
    ProviderHasEnded,
    ProviderNotFound,
    SealBroken,
    UnreadableSortCode,
    VerifierProposedPayee,
)
from ledger.payee_looks import look_at_payee, looks
from ledger.projections.providers import Providers
from ledger.providers import accounts_on, propose_provider_account, register_provider
from tests.given import FIRST_DAY, given, on
from tests.main_job import a_ledger, log_of, rows_of, says
from tests.providers import (
    HARBOUR,
    SUNRISE,
    a_provider,
    a_provider_in,
    new_account,
    propose_account,
    verify_account,
)

PROPOSED: dict[str, Any] = {
    "account_reference": "account-1",
    "fingerprint": "of account-1",
    "modulus_check": "no_table",
}

# --- one provider ---------------------------------------------------------------------------


def test_a_provider_is_registered_once() -> None:
    given(Provider(SUNRISE)).when("register").then(ProviderRegistered, reference=SUNRISE)
    given(a_provider()).when("register", by="bob").nothing()


@pytest.mark.parametrize("reference", ["", "sunrise", "SUNRISE CARE", "-A", "A" * 21, "Ä"])
def test_a_reference_is_written_as_one(reference: str) -> None:
    given(Provider(reference)).when("register").refused(InvalidValue)


def test_no_reference_of_account_details_is_written_as_a_providers() -> None:
    assert is_provider_reference("SUNRISE-2")
    assert not is_provider_reference("6f0a4c526a0e5d0b9b572f1f5c6a7e10")


def test_an_account_is_paid_into_once_someone_else_verified_it() -> None:
    story = given(a_provider(account=""))
    story.when("propose_account", **PROPOSED).then(ProviderAccountProposed)
    assert story.aggregate.account_on(FIRST_DAY) is None
    verify = {"account_reference": "account-1"}
    story.when("verify_account", **verify, by="ann").refused(VerifierProposedPayee)
    story.when("verify_account", **verify, by="bob").then(ProviderAccountVerified)
    account = story.aggregate.account_on(FIRST_DAY)
    assert account is not None
    assert (account.payee_reference, account.verified_on) == ("account-1", FIRST_DAY)
    story.when("verify_account", **verify, by="cat").nothing()
    story.when("propose_account", **PROPOSED).nothing()


def test_until_others_are_verified_the_old_details_are_paid_into() -> None:
    provider = a_provider()
    other = {**PROPOSED, "account_reference": "account-2", "fingerprint": "of account-2"}
    story = given(provider).and_("propose_account", **other)
    assert provider.account_on(FIRST_DAY).payee_reference == "account-1"  # type: ignore[union-attr]
    story.when("verify_account", account_reference="account-2", by="bob")
    assert provider.account_on(FIRST_DAY).payee_reference == "account-2"  # type: ignore[union-attr]


def test_a_number_that_fails_its_check_is_not_proposed() -> None:
    failing = {**PROPOSED, "modulus_check": "invalid", "modulus_table_version": "7.40"}
    story = given(a_provider(account="")).when("propose_account", **failing)
    story.refused(AccountFailsModulusCheck, modulus_table_version="7.40")


def test_what_nobody_proposed_is_neither_verified_nor_withdrawn() -> None:
    story = given(a_provider())
    story.when("verify_account", account_reference="other", by="bob").refused(PayeeNotProposed)
    withdrawal = {"account_reference": "other", "reason_code": "fraud_suspected"}
    story.when("withdraw_account", **withdrawal).refused(PayeeNotProposed)


@pytest.mark.parametrize("verified", [False, True])
def test_details_withdrawn_are_not_paid_into_and_may_be_proposed_again(verified: bool) -> None:
    provider = a_provider(account="account-1" if verified else "")
    story = given(provider)
    if not verified:
        story.and_("propose_account", **PROPOSED)
    withdrawal = {"account_reference": "account-1", "reason_code": "fraud_suspected"}
    story.when("withdraw_account", **withdrawal).then(ProviderAccountWithdrawn, **withdrawal)
    assert provider.account_on(FIRST_DAY) is None
    story.when("withdraw_account", **withdrawal).refused(PayeeNotProposed)
    story.when("propose_account", **PROPOSED).then(ProviderAccountProposed)


def test_after_its_last_day_a_provider_is_not_paid_and_begins_nothing() -> None:
    provider = a_provider()
    story = given(provider)
    end = {"reason_code": "contract_ended", "effective_on": on("04-30")}
    story.when("end", **end).then(ProviderEnded, **end)
    assert provider.account_on(on("04-30")) is not None
    assert provider.account_on(on("05-01")) is None
    story.when("propose_account", **PROPOSED, effective_on=on("05-01")).refused(ProviderHasEnded)
    story.when("end", reason_code="other").nothing()


def test_its_commands_are_those_that_people_give() -> None:
    assert commands_of(Provider).keys() == {"verify_account", "withdraw_account", "end"}


# --- in the ledger --------------------------------------------------------------------------


@pytest.fixture
def ledger(database_url, tmp_path):
    with a_ledger(database_url, tmp_path) as opened:
        yield opened


def test_names_and_accounts_are_sealed_and_no_event_holds_them(ledger: Ledger) -> None:
    account = a_provider_in(ledger)
    assert ledger.provider_details.names() == {SUNRISE: "Sunrise Care Ltd"}
    kept = ledger.provider_details.accounts([account])[account]
    assert (kept.provider_reference, kept.sort_code, kept.account_number, kept.account_name) == (
        SUNRISE, "999903", "70000001", "SUNRISE client account",
    )  # fmt: skip
    assert ledger.provider_details.shown([account]) == {account: "****0001"}
    with ledger.engine.connect() as connection:
        stored = [*connection.execute(select(provider_details)),
                  *connection.execute(select(provider_accounts))]  # fmt: skip
    for secret in (b"Sunrise Care", b"70000001", b"999903", b"client account"):
        assert not any(secret in row[-1] for row in log_of(ledger))
        assert not any(secret in repr(row).encode() for row in stored)
    assert "70000001" not in repr(kept)


def test_a_seal_opens_only_in_its_own_place(ledger: Ledger) -> None:
    one = a_provider_in(ledger)
    other = a_provider_in(ledger, HARBOUR, "70000002")
    moved = provider_accounts.update().where(provider_accounts.c.account_reference == other)
    with ledger.engine.begin() as connection:
        sealed = connection.execute(
            select(provider_accounts.c.sealed).where(provider_accounts.c.account_reference == one)
        ).scalar_one()
        connection.execute(moved.values(sealed=sealed))
    with pytest.raises(SealBroken):
        ledger.provider_details.accounts([other])


def test_registering_again_changes_nothing_and_another_name_is_refused(ledger: Ledger) -> None:
    a_provider_in(ledger)
    before = len(log_of(ledger))
    register_provider(ledger, SUNRISE, " Sunrise  Care Ltd", said=says("bob"))
    assert len(log_of(ledger)) == before
    with pytest.raises(ProviderAlreadyKnown):
        register_provider(ledger, SUNRISE, "Sunset Care Ltd", said=says("bob"))
    for name in ("", "  ", "A\x07B", "A" * 141):
        with pytest.raises(InvalidValue):
            register_provider(ledger, HARBOUR, name, said=says("bob"))
    assert len(log_of(ledger)) == before


def test_the_same_details_have_one_reference_and_another_name_another(ledger: Ledger) -> None:
    account = a_provider_in(ledger)
    before = len(log_of(ledger))
    assert propose_account(ledger, SUNRISE, "70000001", by="cat") == account
    assert len(log_of(ledger)) == before
    details = ledger.provider_details
    renamed = details.new_account(SUNRISE, "Another name", "999903", "70000001")
    assert renamed.account_reference != account
    assert details.fingerprint(renamed) == details.fingerprint(details.accounts([account])[account])
    other = details.new_account(HARBOUR, "SUNRISE client account", "999903", "70000001")
    assert other.account_reference != account


def test_details_withdrawn_and_proposed_again_are_kept_once(ledger: Ledger) -> None:
    account = a_provider_in(ledger)
    withdrawal: Any = {"account_reference": account, "reason_code": "wrong_details", **says("cat")}
    ledger.change(Provider, SUNRISE, lambda p: p.withdraw_account(**withdrawal))
    assert new_account(ledger, SUNRISE, "70000001") == account
    with ledger.engine.connect() as connection:
        assert len(connection.execute(select(provider_accounts)).all()) == 1


def test_a_provider_who_is_not_there_has_no_account(ledger: Ledger) -> None:
    with pytest.raises(ProviderNotFound):
        propose_account(ledger, HARBOUR, "70000001")
    a_provider_in(ledger)
    before = len(log_of(ledger))
    with pytest.raises(UnreadableSortCode) as refused:
        propose_provider_account(
            ledger,
            SUNRISE,
            account_name="A",
            sort_code="99-99",
            account_number="70000001",
            said=says("ann"),
        )
    assert "99-99" not in str(refused.value)
    assert len(log_of(ledger)) == before


def test_the_accounts_that_can_be_paid_are_the_verified_ones(ledger: Ledger) -> None:
    account = a_provider_in(ledger)
    register_provider(ledger, HARBOUR, "Harbour", said=says("ann"))
    propose_account(ledger, HARBOUR, "70000002")
    assert {r: a.payee_reference for r, a in accounts_on(ledger, FIRST_DAY).items()} == {
        SUNRISE: account
    }
    end: Any = {"reason_code": "ceased_trading", **says("ann", "04-06")}
    ledger.change(Provider, SUNRISE, lambda p: p.end(**end))
    assert accounts_on(ledger, on("04-06")).keys() == {SUNRISE}
    assert accounts_on(ledger, on("04-07")) == {}


def test_the_register_has_each_provider_where_it_stands(ledger: Ledger) -> None:
    account = a_provider_in(ledger)
    other = propose_account(ledger, SUNRISE, "70000002")
    register_provider(ledger, HARBOUR, "Harbour", said=says("ann"))
    ledger.projections.catch_up()

    def register() -> dict[str, tuple[Any, ...]]:
        ledger.projections.catch_up()
        with ledger.engine.connect() as connection:
            return {row[1]: tuple(row[3:]) for row in connection.execute(select(Providers.table))}

    assert register() == {SUNRISE: (None, account, 4), HARBOUR: (None, None, 1)}
    withdrawal: Any = {"account_reference": other, "reason_code": "wrong_details", **says("cat")}
    ledger.change(Provider, SUNRISE, lambda p: p.withdraw_account(**withdrawal))
    assert register()[SUNRISE] == (None, account, 5), "only those proposed were withdrawn"
    withdrawal = {**withdrawal, "account_reference": account}
    ledger.change(Provider, SUNRISE, lambda p: p.withdraw_account(**withdrawal))
    end: Any = {"reason_code": "not_suitable", **says("ann", "04-06")}
    ledger.change(Provider, HARBOUR, lambda p: p.end(**end))
    assert register() == {SUNRISE: (None, None, 6), HARBOUR: (on("04-06"), None, 2)}
    kept = rows_of(ledger, ["providers"])
    ledger.projections.rebuild()
    assert rows_of(ledger, ["providers"]) == kept


def test_who_looks_at_a_providers_account_is_recorded_first(ledger: Ledger) -> None:
    account = propose_account_of(ledger)
    seen = look_at_payee(
        ledger, account, reason="verifying", looked_at=says("bob")["recorded_at"], looked_by="bob"
    )
    assert (seen.provider_reference, seen.person_reference) == (SUNRISE, "")
    assert (seen.sort_code, seen.account_number) == ("999903", "70000001")
    assert [(look.payee_reference, look.looked_by) for look in looks(ledger)] == [(account, "bob")]
    verify_account(ledger, SUNRISE, account)


def propose_account_of(ledger: Ledger) -> str:
    register_provider(ledger, SUNRISE, "Sunrise Care Ltd", said=says("ann"))
    return propose_account(ledger, SUNRISE, "70000001")
