"""One budget: what it is, its history, its balances, and every command of its life."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.aggregates.event_sourced import Recorded, stream_id
from ledger.aggregates.payees import PayeeType
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.cli import parameters
from ledger.cli.budget_shown import budget_document, show_budget, suspension_document
from ledger.cli.effect_shown import event_document, show_tried
from ledger.cli.grants import budget_looks
from ledger.cli.parameters import BudgetReference, EffectiveOn, ExpectedVersion, KnownAt, OnDay
from ledger.cli.screen import Screen, moment
from ledger.cli.session import now, session_of
from ledger.cli.statement import statement
from ledger.commands import BUDGET_COMMANDS, Command
from ledger.errors import BudgetNotFound
from ledger.money import format_pounds

if TYPE_CHECKING:
    from ledger.application import Ledger

app = typer.Typer(
    no_args_is_help=True,
    help="One personal budget: look at it, ask it about any day as known at any moment, "
    "or give it a command of its life.",
)


@app.command("show")
def show(
    ctx: typer.Context, reference: BudgetReference, on: OnDay = None, known_at: KnownAt = None
) -> None:
    """Show a budget: the terms in force on a day, what is owed, payments, returns, clawbacks.

    The day is today if left out. With --known-at, as everything was recorded by then.
    """
    session = session_of(ctx)
    with session.ledger() as ledger:
        budget = ledger.budget(reference, known_at)
        document = budget_document(ledger, budget, on or now().date(), known_at)
    session.answer(document, lambda screen: show_budget(screen, document))


@app.command("history")
def history(
    ctx: typer.Context, reference: BudgetReference, on: OnDay = None, known_at: KnownAt = None
) -> None:
    """Replay a budget's history in plain English.

    --on leaves out what takes effect after that day, --known-at what was recorded after then.
    """
    session = session_of(ctx)
    with session.ledger() as ledger:
        events = [
            recorded
            for recorded in ledger.history(PersonalBudget, reference)
            if (on is None or recorded.event.effective_on <= on)
            and (known_at is None or recorded.event.recorded_at <= known_at)
        ]
    if not events:
        raise BudgetNotFound(f"There is no personal budget {reference}.", reference=reference)
    document = {
        "reference": reference,
        "on": on,
        "known_at": known_at,
        "events": [event_document(recorded) for recorded in events],
    }
    session.answer(document, lambda screen: show_events(screen, f"History of {reference}", events))


def show_events(screen: Screen, title: str, events: list[Recorded]) -> None:
    """Events as people read them."""
    from ledger.projections.audit import sentence

    rows = [
        (
            version,
            event.effective_on,
            moment(event.recorded_at),
            event.recorded_by,
            sentence(event),
        )
        for _, version, event in events
    ]
    screen.table(title, (">No.", "Effective", "Recorded", "By", "What happened"), rows)


@app.command("balance")
def balance(
    ctx: typer.Context, reference: BudgetReference, on: OnDay = None, known_at: KnownAt = None
) -> None:
    """Show a budget's accounts as of a day and as known at a moment; they add up to nought."""
    from ledger.projections.balances import balances_of
    from ledger.projections.postings import ACCOUNTS

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.budget(reference)
        ledger.projections.catch_up()
        stream = stream_id(PersonalBudget.STREAM, reference).hex
        found = balances_of(ledger.engine, stream, on, known_at)
    accounts = [
        {"account": account, "balance_pence": pence, "meaning": ACCOUNTS[account]}
        for account, pence in found.items()
    ]
    document = {"reference": reference, "on": on, "known_at": known_at, "accounts": accounts}

    def show(screen: Screen) -> None:
        rows = [(name, format_pounds(pence), ACCOUNTS[name]) for name, pence in found.items()]
        when = f" at the end of {on}" if on else ""
        known = f", as known at {moment(known_at)}" if known_at else ""
        title = f"Balances of {reference}{when}{known}"
        screen.table(title, ("Account", ">Balance", "What it holds"), rows, "No money has moved.")
        if rows:
            screen.say("\nA debit is positive, a credit negative; together they are nought.")

    session.answer(document, show)


app.command("statement")(statement)
app.command("looks")(budget_looks)


@app.command("list")
def list_budgets(ctx: typer.Context) -> None:
    """List every budget: the register, in order of reference."""
    from sqlalchemy import select

    from ledger.projections.registers import Budgets, suspensions_in

    session, today = session_of(ctx), now().date()
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        query = select(Budgets.table).order_by(Budgets.table.c.reference)
        with ledger.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        del row["stream"]
        not_over = suspensions_in(row["suspensions"], today)
        row["suspensions"] = list(map(suspension_document, not_over))

    def show(screen: Screen) -> None:
        rows = [
            (
                row["reference"],
                row["recipient_reference"],
                row["opened_on"],
                _standing(row, today),
                row["paid_to"],
                None
                if row["last_payment_pence"] is None
                else format_pounds(row["last_payment_pence"]),
            )
            for row in found
        ]
        columns = ("Budget", "Recipient", "Opened", "Standing", "Paid to", ">Last payment")
        screen.table(f"{len(rows)} budget(s)", columns, rows)

    session.answer({"budgets": found}, show)


def _standing(row: Mapping[str, Any], today: date) -> str:
    if row["closed_on"]:
        return f"closed {row['closed_on']}"
    in_force = [term for term in row["suspensions"] if term["starts_on"] <= today]
    if in_force:
        ends = [term["ends_on"] for term in in_force]
        until = "" if None in ends else f" to {max(ends)}"
        return f"suspended from {min(term['starts_on'] for term in in_force)}{until}"
    if row["offer_outcome"] != "accepted":
        return f"offer {row['offer_outcome'] or 'not made'}"
    return "payee not verified" if row["payee_reference"] is None else "payable"


# --- commands -------------------------------------------------------------------------------


@app.command("propose-payee")
def propose_payee(
    ctx: typer.Context,
    reference: BudgetReference,
    *,
    payee_type: Annotated[PayeeType, typer.Option(help="Who holds the account.")],
    account_name: Annotated[str, typer.Option(help="The name on the account.")],
    sort_code: Annotated[str, typer.Option(help="Such as 20-00-00.")],
    account_number: Annotated[str, typer.Option(help="Eight digits.")],
    roll_number: Annotated[
        str, typer.Option(metavar="TEXT", help="A building society's roll number.")
    ] = "",
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Propose account details for payments, sealed; someone else verifies them."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        before = ledger.budget(reference).version
        budget, payee_reference = ledger.propose_payee(
            reference,
            payee_type=payee_type,
            account_name=account_name,
            sort_code=sort_code,
            account_number=account_number,
            roll_number=roll_number,
            said=said,
            expected_version=expected_version,
        )
        events = _since(ledger, budget, before)
    document = {**_done(budget, events), "payee_reference": payee_reference}

    def show(screen: Screen) -> None:
        _show_done(screen, budget, events)
        if budget.known_payee(payee_reference).confirmed:
            screen.say(
                f"\nNext, by someone else: pbledger --as NAME budget verify-payee {reference} "
                f"--payee-reference {payee_reference}"
            )
        else:
            screen.say(
                "\nThe name is not confirmed. To see it beside any name that the bank gave: "
                f"pbledger --as NAME payees look {payee_reference} --reason correcting"
            )

    session.answer(document, show)


@app.command("check-payee")
def check_payee(
    ctx: typer.Context,
    reference: BudgetReference,
    payee_reference: Annotated[str, typer.Option(metavar="PAYEE", help="In use or proposed.")],
    effective_on: EffectiveOn = None,
    expected_version: ExpectedVersion = None,
) -> None:
    """Check details again: the number by the table in force now, the name by asking anew."""
    from ledger import payee_checks

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        before = ledger.budget(reference).version
        budget = payee_checks.check_payee(
            ledger, reference, payee_reference, said=said, expected_version=expected_version
        )
        events = _since(ledger, budget, before)
        is_set = ledger.payee_names.service is not None

    def show(screen: Screen) -> None:
        _show_done(screen, budget, events)
        if not is_set:
            screen.say("Names are not checked here: LEDGER_CONFIRMATION_OF_PAYEE is none.")

    session.answer(_done(budget, events), show)


def _since(ledger: Ledger, budget: PersonalBudget, before: int) -> list[Recorded]:
    """What was recorded after a version, read back from the store."""
    return list(ledger.events.get(budget.id, gt=before, lte=budget.version))  # type: ignore[arg-type]


def _done(budget: PersonalBudget, events: list[Recorded]) -> dict[str, Any]:
    return {
        "reference": budget.reference,
        "version": budget.version,
        "recorded": [event_document(recorded) for recorded in events],
    }


def _show_done(screen: Screen, budget: PersonalBudget, events: list[Recorded]) -> None:
    from ledger.projections.audit import sentence

    for recorded in events:
        screen.say(sentence(recorded.event))
    if not events:
        screen.say("Nothing to record: it was so already.")
    screen.say(f"{budget.reference} is at version {budget.version}.")


def _verb(command: Command) -> Callable[..., None]:
    """A verb that gives one command; its options are the command's own arguments."""
    taken = parameters.options_of(command.arguments)

    def give(
        ctx: typer.Context,
        reference: str,
        effective_on: date | None,
        expected_version: int | None,
        dry_run: bool,
        **given: Any,
    ) -> None:
        session = session_of(ctx)
        said = session.said(effective_on)
        arguments = command.arguments(**{name: take.value(given) for name, take in taken.items()})
        before = 0

        opens = command.name == "open"
        with session.ledger() as ledger:

            def decide(budget: PersonalBudget) -> None:
                nonlocal before
                before = budget.version
                ledger.give(command, budget, arguments, said)

            if dry_run:
                on = said["effective_on"]
                show_tried(
                    session,
                    ledger.try_out(
                        reference, decide, on, create=opens, expected_version=expected_version
                    ),
                )
                return
            budget = ledger.change(
                PersonalBudget,
                reference,
                decide,
                create=opens,
                expected_version=expected_version,
            )
            events = _since(ledger, budget, before)
        session.answer(_done(budget, events), lambda screen: _show_done(screen, budget, events))

    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [option for take in taken.values() for option in take.options]
    give.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            inspect.Parameter("reference", keyword, annotation=BudgetReference),
            *options,
            *parameters.common_options(),
        ]
    )
    give.__annotations__ = {}
    return give


def _help(command: Command) -> str:
    """What the command's method says of it, in the words of a command line."""
    text = f"{command.summary}\n\n{command.description}".strip()
    for name in ("effective_on", *command.arguments.__struct_fields__):
        option = name.removesuffix("_pence").replace("_", "-")
        text = text.replace(f"`{name}`", f"--{option}")
    return text


for _command in BUDGET_COMMANDS.values():
    app.command(_command.name, help=_help(_command))(_verb(_command))
