"""A payment cycle: prepared by one person, approved by another, issued to the bank, settled."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.aggregates.cycle_events import CycleLine, RejectionReason
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.cli import cycle_bank, cycle_breakdown, cycle_changes
from ledger.cli.cycle_advices import advices
from ledger.cli.cycle_shown import (
    cycle_document,
    say_status,
    show_cycle,
    show_deductions,
    show_exceptions,
)
from ledger.cli.parameters import CycleReference, EffectiveOn, read_date, read_pounds
from ledger.cli.screen import Screen
from ledger.cli.session import Session, now, session_of
from ledger.dates import Period, four_weekly
from ledger.money import format_pounds, plain_pounds

if TYPE_CHECKING:
    from ledger.application import Ledger

SHORTEST_PREFIX = 12

app = typer.Typer(
    no_args_is_help=True,
    help="Payment cycles: prepare, look, approve as someone else, issue the bank file, settle.",
)


def read_hash(text: Any) -> Any:
    """The hash an approver saw, or its beginning; a usage error if it is neither."""
    lowered = str(text).strip().lower()
    if not SHORTEST_PREFIX <= len(lowered) <= 64 or lowered.strip("0123456789abcdef"):
        raise typer.BadParameter(
            f"It is 64 hexadecimal characters, or at least the first {SHORTEST_PREFIX} of them."
        )
    return lowered


@app.command("prepare")
def prepare(
    ctx: typer.Context,
    reference: CycleReference,
    *,
    first: Annotated[
        date, typer.Option("--from", parser=read_date, metavar="DATE", help="First day paid for.")
    ],
    pay_on: Annotated[
        date, typer.Option(parser=read_date, metavar="DATE", help="The day payees are paid.")
    ],
    weeks: Annotated[int, typer.Option(min=1, max=52, help="How many weeks to pay for.")] = 4,
    last: Annotated[
        date | None,
        typer.Option("--to", parser=read_date, metavar="DATE",
                     help="Last day paid for, if it is not whole weeks."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="REF", help="An off-cycle run: this budget only; may be repeated."),
    ] = None,
    reissue: Annotated[
        list[str] | None,
        typer.Option(metavar="PAYMENT", help="Send this returned payment again; may be repeated."),
    ] = None,
    release: Annotated[
        list[str] | None,
        typer.Option(metavar="REF", help="Pay this budget though a rule holds it back; may be "
                     "repeated."),
    ] = None,
    effective_on: EffectiveOn = None,
) -> None:  # fmt: skip
    """Work out every budget's payment for a period, and list what an approver should see.

    Preparing again replaces what was listed before and voids what an approver saw.
    """
    from ledger.payment_run import prepare_cycle

    session = session_of(ctx)
    said = session.said(effective_on)
    with (
        session.ledger() as ledger,
        session.progress("Preparing", len(only) if only else budget_count(ledger)) as bar,
    ):
        cycle = prepare_cycle(
            ledger,
            reference,
            period=Period(first, last) if last else four_weekly(first, weeks),
            pay_on=pay_on,
            said=said,
            only=only or None,
            reissue=reissue or (),
            release=release or (),
            progress=bar,
        )
    document = cycle_document(cycle)
    session.answer(document, lambda screen: show_cycle(screen, document))


def budget_count(ledger: Ledger) -> int | None:
    """How many budgets there are, for the progress bar: as the register has it."""
    from sqlalchemy import func, select

    from ledger.projections.registers import Budgets

    with ledger.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(Budgets.table)).scalar() or None


@app.command("show")
def show(ctx: typer.Context, reference: CycleReference) -> None:
    """Show a cycle: totals, funding, exceptions by kind, and the hash an approver states."""
    session = session_of(ctx)
    with session.ledger() as ledger:
        document = cycle_document(ledger.cycle(reference))
    session.answer(document, lambda screen: show_cycle(screen, document))


@app.command("lines")
def lines(ctx: typer.Context, reference: CycleReference) -> None:
    """List a cycle's payments, person by person, and what is taken off them for clawback."""
    from ledger.cycle_deductions import cycle_deductions

    session = session_of(ctx)
    with session.ledger() as ledger:
        cycle = ledger.cycle(reference)
        deductions = cycle_deductions(ledger, cycle.lines)
    rows = [
        (
            line.budget_reference,
            line.payment_reference,
            format_pounds(sum(e.amount_pence for e in line.lines if not e.adjustment)),
            _unless_nought(sum(e.amount_pence for e in line.lines if e.adjustment)),
            _unless_nought(-line.deducted_pence),
            format_pounds(line.amount_pence),
            _line_note(line),
        )
        for line in cycle.lines
    ]
    columns = ("Budget", "Payment", ">Period", ">Put right", ">Clawback", ">Paid", "Note")

    def show(screen: Screen) -> None:
        screen.table(f"{len(rows)} payment(s) of {reference}", columns, rows)
        if deductions:
            show_deductions(screen, deductions)

    document = {"reference": reference, "lines": cycle.lines, "deductions": deductions}
    session.answer(document, show)


def _line_note(line: CycleLine) -> str:
    """What is special about a payment: sent again, to a provider, into a service fund."""
    said = [f"reissue of {line.reissue_of}"] if line.reissue_of else []
    if line.provider_reference:
        fund = "service fund, " if line.channel == "service_fund" else ""
        said.append(f"{fund}to {line.provider_reference} with {line.bulk_reference}")
    return "; ".join(said)


def _unless_nought(pence: int) -> str:
    return format_pounds(pence) if pence else ""


@app.command("exceptions")
def exceptions(
    ctx: typer.Context,
    reference: CycleReference,
    code: Annotated[
        str, typer.Option(metavar="CODE", help="Only of this kind, such as amount_differs.")
    ] = "",
) -> None:
    """List what an approver should look at before approving, budget by budget."""
    if code and code not in EXCEPTIONS:
        raise typer.BadParameter(f"The kinds are {', '.join(EXCEPTIONS)}.", param_hint="'--code'")
    session = session_of(ctx)
    with session.ledger() as ledger:
        cycle = ledger.cycle(reference)
    chosen = [e for e in cycle.exceptions if not code or e.code == code]
    title = f"{len(chosen)} exception(s) of {reference}"
    document = {
        "reference": reference,
        "kinds": Counter(e.code for e in chosen),
        "exceptions": chosen,
    }
    session.answer(document, lambda screen: show_exceptions(screen, title, chosen))


@app.command("approve")
def approve(
    ctx: typer.Context,
    reference: CycleReference,
    total: Annotated[
        int | None,
        typer.Option(parser=read_pounds, metavar="POUNDS", help="The total you looked at."),
    ] = None,
    lines_sha256: Annotated[
        str | None,
        typer.Option(
            parser=read_hash, metavar="HEX", help="The hash you looked at, or 12 or more of it."
        ),
    ] = None,
    effective_on: EffectiveOn = None,
) -> None:
    """Approve a cycle someone else prepared, and promise its payments on every budget.

    State the total and the hash of the lines that you looked at; on a terminal you may leave
    them out and are shown the cycle and asked.
    """
    from ledger.payment_run import approve_cycle

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        cycle = ledger.cycle(reference)
        if total is None or lines_sha256 is None:
            total, lines_sha256 = _looked_at(session, cycle)
        elif cycle.prepared is not None and cycle.prepared.lines_sha256.startswith(lines_sha256):
            lines_sha256 = cycle.prepared.lines_sha256
        with session.progress("Approving", len(cycle.lines)) as bar:
            cycle = approve_cycle(
                ledger,
                reference,
                total_pence=total,
                lines_sha256=lines_sha256,
                said=said,
                progress=bar,
            )
    say_status(session, cycle, f"pbledger --as NAME cycle issue {reference}")


def _looked_at(session: Session, cycle: PaymentCycle) -> tuple[int, str]:
    """Show an approver the cycle and ask; nobody there to ask is a usage error."""
    if not session.may_ask or cycle.prepared is None:
        raise typer.BadParameter(
            f"State what you looked at, as `pbledger cycle show {cycle.reference}` gives it.",
            param_hint="'--total' and '--lines-sha256'",
        )
    show_cycle(Screen(), cycle_document(cycle))
    total = format_pounds(cycle.prepared.total_pence)
    if not typer.confirm(f"\nApprove these {cycle.prepared.line_count} payments, {total} in all?"):
        typer.echo("Not approved; nothing was recorded.", err=True)
        raise typer.Exit(1)
    return cycle.prepared.total_pence, cycle.prepared.lines_sha256


@app.command("reject")
def reject(
    ctx: typer.Context,
    reference: CycleReference,
    reason: Annotated[RejectionReason, typer.Option(help="Why.")],
    effective_on: EffectiveOn = None,
) -> None:
    """Turn down a cycle someone else prepared; it can be prepared again."""
    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        cycle = ledger.change(
            PaymentCycle, reference, lambda c: c.reject(reason_code=reason, **said)
        )
    say_status(session, cycle)


@app.command("cancel")
def cancel(ctx: typer.Context, reference: CycleReference, effective_on: EffectiveOn = None) -> None:
    """Withdraw a cycle before any bank file, and every payment it promised."""
    from ledger.payment_run import cancel_cycle

    session = session_of(ctx)
    said = session.said(effective_on)
    with session.ledger() as ledger:
        cycle = cancel_cycle(ledger, reference, said=said)
    say_status(session, cycle)


# --- registers ------------------------------------------------------------------------------


@app.command("list")
def list_cycles(ctx: typer.Context) -> None:
    """List every cycle: the register, in order of pay date."""
    from sqlalchemy import select

    from ledger.projections.registers import Cycles

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.projections.catch_up()
        query = select(Cycles.table).order_by(Cycles.table.c.pay_on, Cycles.table.c.reference)
        with ledger.engine.connect() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        del row["stream"]
    columns = ("Cycle", "From", "To", "Paid on", "Status", ">Payments", ">Total", ">Exceptions")
    rows = [
        (
            row["reference"],
            row["starts_on"],
            row["ends_on"],
            row["pay_on"],
            row["status"],
            row["line_count"],
            format_pounds(row["total_pence"]),
            row["exception_count"],
        )
        for row in found
    ]
    session.answer(
        {"cycles": found}, lambda screen: screen.table(f"{len(rows)} cycle(s)", columns, rows)
    )


@app.command("totals")
def totals(ctx: typer.Context, reference: CycleReference) -> None:
    """Show a cycle's finance totals: scheduled, issued, confirmed, come back, outstanding."""
    from ledger.projections.finance import finance_totals

    session = session_of(ctx)
    with session.ledger() as ledger:
        ledger.cycle(reference)
        ledger.projections.catch_up()
        found = finance_totals(ledger.engine, reference)
    amounts = ("scheduled_pence", "issued_pence", "confirmed_pence", "returned_pence",
               "rejected_pence", "outstanding_pence")  # fmt: skip
    sums = {name: sum(row[name] for row in found) for name in amounts}
    document = {"reference": reference, "totals": found, "sum": sums, "read_on": now().date()}

    def show(screen: Screen) -> None:
        rows = [
            (row["funding_stream"], row["cost_centre"] or "(none)",
             *(plain_pounds(row[name]) for name in amounts))
            for row in found
        ]  # fmt: skip
        if rows:
            rows.append(("All", "", *(plain_pounds(sums[name]) for name in amounts)))
        columns = ("Funding stream", "Cost centre", ">Scheduled", ">Issued", ">Confirmed",
                   ">Returned", ">Not taken", ">Outstanding")  # fmt: skip
        screen.table(f"Finance totals of {reference}, in pounds", columns, rows)

    session.answer(document, show)


cycle_changes.add_to(app)
cycle_bank.add_to(app)
cycle_breakdown.add_to(app)
app.command("advices")(advices)
