"""Providers who are paid for several people at once: their accounts, and whose money they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.aggregates.payees import Payee, WithdrawalReason
from ledger.aggregates.provider import Provider, ProviderEnding
from ledger.cli.parameters import EffectiveOn, ExpectedVersion
from ledger.cli.screen import Screen
from ledger.cli.session import session_of

if TYPE_CHECKING:
    from ledger.application import Ledger

app = typer.Typer(
    no_args_is_help=True,
    help="Providers who hold money for several people: managed accounts, service funds.",
)

ProviderReference = Annotated[str, typer.Argument(metavar="REF", help="The provider's reference.")]
AccountReference = Annotated[
    str, typer.Option(metavar="ACCOUNT", help="Of its account details, as `show` gives it.")
]


@app.command("register")
def register(
    ctx: typer.Context,
    reference: ProviderReference,
    name: Annotated[str, typer.Option(help="What it is called; sealed.")],
    effective_on: EffectiveOn = None,
) -> None:
    """Register a provider under a reference; the same again changes nothing."""
    from ledger.providers import register_provider

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        provider = register_provider(ledger, reference, name, said=said)
    _say(ctx, provider, f"{reference} is registered.")


@app.command("propose-account")
def propose_account(
    ctx: typer.Context,
    reference: ProviderReference,
    *,
    account_name: Annotated[str, typer.Option(help="The name on the account.")],
    sort_code: Annotated[str, typer.Option(help="Such as 20-00-00.")],
    account_number: Annotated[str, typer.Option(help="Eight digits.")],
    roll_number: Annotated[
        str, typer.Option(metavar="TEXT", help="A building society's roll number.")
    ] = "",
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Propose account details for a provider, sealed; someone else verifies them."""
    from ledger.providers import propose_provider_account

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        provider, account = propose_provider_account(
            ledger,
            reference,
            account_name=account_name,
            sort_code=sort_code,
            account_number=account_number,
            roll_number=roll_number,
            said=said,
            expected_version=expected_version,
        )
    _say(
        ctx,
        provider,
        f"Proposed for {reference}: {account}.",
        f"Next, by someone else: pbledger --as NAME provider verify-account {reference} "
        f"--account-reference {account}",
        account_reference=account,
    )


@app.command("verify-account")
def verify_account(
    ctx: typer.Context,
    reference: ProviderReference,
    account_reference: AccountReference,
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Confirm details that someone else proposed, after checking them; they are paid to now."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        provider = ledger.change(
            Provider,
            reference,
            lambda p: p.verify_account(account_reference=account_reference, **said),
            expected_version=expected_version,
        )
    _say(ctx, provider, f"{reference} is paid into {account_reference} from now on.")


@app.command("withdraw-account")
def withdraw_account(
    ctx: typer.Context,
    reference: ProviderReference,
    account_reference: AccountReference,
    reason_code: Annotated[WithdrawalReason, typer.Option(help="Why.")],
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Take back account details, proposed or in use; nothing more is paid to them."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        provider = ledger.change(
            Provider,
            reference,
            lambda p: p.withdraw_account(
                account_reference=account_reference, reason_code=reason_code, **said
            ),
            expected_version=expected_version,
        )
    _say(ctx, provider, f"Nothing is paid into {account_reference} of {reference}.")


@app.command("end")
def end(
    ctx: typer.Context,
    reference: ProviderReference,
    reason_code: Annotated[ProviderEnding, typer.Option(help="Why.")],
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Pay a provider nothing after --effective-on; whose money it holds must be moved."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        provider = ledger.change(
            Provider,
            reference,
            lambda p: p.end(reason_code=reason_code, **said),
            expected_version=expected_version,
        )
    assert provider.ended is not None, "it was just ended"
    _say(ctx, provider, f"{reference} is paid nothing after {provider.ended.effective_on}.")


def _say(ctx: typer.Context, provider: Provider, *sentences: str, **facts: Any) -> None:
    document = {"reference": provider.reference, "version": provider.version, **facts}

    def show(screen: Screen) -> None:
        for sentence in sentences:
            screen.say(sentence)

    session_of(ctx).answer(document, show)


# --- looking ----------------------------------------------------------------------------------


@app.command("list")
def list_providers(ctx: typer.Context) -> None:
    """List every provider: the register, in order of reference."""
    from sqlalchemy import select

    from ledger.projections.providers import Providers

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        query = select(Providers.table).order_by(Providers.table.c.reference)
        with ledger.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        names = ledger.provider_details.names()
    for row in found:
        del row["stream"]
        row["name"] = names[row["reference"]]
    rows = [
        (
            row["reference"],
            row["name"],
            row["registered_on"],
            row["ended_on"],
            "verified" if row["account_reference"] else "none verified",
        )
        for row in found
    ]
    columns = ("Provider", "Name", "Registered", "Ended", "Account")
    session.answer(
        {"providers": found}, lambda screen: screen.table(f"{len(rows)} provider(s)", columns, rows)
    )


@app.command("show")
def show(ctx: typer.Context, reference: ProviderReference) -> None:
    """Show a provider: its accounts, and the budgets whose money it holds."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        document = _document(ledger, ledger.load(Provider, reference))
    session.answer(document, lambda screen: _show(screen, document))


def _document(ledger: Ledger, provider: Provider) -> dict[str, Any]:
    from ledger.projections.providers import budgets_held_by

    accounts = ledger.provider_details.shown([p.payee_reference for p in provider.known_payees])
    ledger.projections.catch_up()
    return {
        "reference": provider.reference,
        "version": provider.version,
        "name": ledger.provider_details.names(provider.reference)[provider.reference],
        "ended_on": provider.ended.effective_on if provider.ended else None,
        "account": _account(provider.payee, accounts) if provider.payee else None,
        "proposed_accounts": [_account(p, accounts) for p in provider.proposed_payees.values()],
        "budgets": budgets_held_by(ledger.engine, provider.reference),
    }


def _account(account: Payee, accounts: Mapping[str, str]) -> dict[str, Any]:
    """An account; of its number only what a screen may show."""
    return {
        "account_reference": account.payee_reference,
        "account": accounts[account.payee_reference],
        "proposed_by": account.proposed_by,
        "modulus_check": account.modulus_check,
        "modulus_table_version": account.modulus_table_version or None,
        "verified_on": account.verified_on,
    }


def _show(screen: Screen, found: dict[str, Any]) -> None:
    account = found["account"]
    screen.facts(
        ("Provider", f"{found['reference']}, {found['name']}"),
        ("Ended", found["ended_on"]),
        ("Account", _shown(account) if account else "none verified"),
        ("Its reference", account["account_reference"] if account else None),
        *(
            fact
            for proposed in found["proposed_accounts"]
            for fact in (
                ("Account proposed", f"by {proposed['proposed_by']}: {_shown(proposed)}"),
                ("Its reference", proposed["account_reference"]),
            )
        ),
        ("Version", found["version"]),
    )
    rows = [
        (
            held["budget_reference"],
            "yes" if held["managed_account"] else "",
            "yes" if held["service_fund"] else "",
        )
        for held in found["budgets"]
    ]
    title = f"It holds the money of {len(rows)} budget(s)"
    screen.table(title, ("Budget", "Managed account", "Service fund"), rows)


def _shown(account: dict[str, Any]) -> str:
    from ledger.projections.payee_words import modulus

    checked = modulus(account["modulus_check"], account["modulus_table_version"] or "")
    return f"{account['account']}; {checked}"
