"""What `change prepare` takes, and how percentages are written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from ledger.aggregates.contributions import ArrearsRecovery
from ledger.aggregates.mass_change import MassChangeKind
from ledger.cli.parameters import read_date, read_pounds
from ledger.terms import Deployment


def _read_percent(text: Any) -> Any:
    """A percentage such as 4.8 as basis points; a usage error if it is none."""
    if not isinstance(text, str):
        return text  # a default
    try:
        points = Decimal(text) * 100
    except InvalidOperation:
        points = Decimal("NaN")
    if not points.is_finite() or points != int(points):
        raise typer.BadParameter(
            f"{text!r} is not a percentage such as 4.8, with at most two decimals."
        )
    return int(points)


def _read_uprate(text: Any) -> tuple[str, int]:
    """A kind of income and its percentage, written state_pension=4.8."""
    kind, sign, percent = str(text).partition("=")
    if not sign:
        raise typer.BadParameter("It is written KIND=PERCENT, such as state_pension=4.8.")
    return kind.strip(), _read_percent(percent.strip())


Kind = Annotated[MassChangeKind, typer.Option(help="What is done to each budget.")]
From = Annotated[
    date,
    typer.Option(
        "--from",
        parser=read_date,
        metavar="DATE",
        help="The day it takes effect; for invoices the first day charged for.",
    ),
]
To = Annotated[
    date | None,
    typer.Option(
        "--to", parser=read_date, metavar="DATE", help="Invoice: the last day charged for."
    ),
]
DecidedOn = Annotated[
    date | None,
    typer.Option(
        parser=read_date,
        metavar="DATE",
        help="The day of the decision, and of the invoices; today if left out.",
    ),
]
Uprate = Annotated[
    list[Any] | None,
    typer.Option(
        parser=_read_uprate,
        metavar="KIND=PERCENT",
        help="Re-assess: raise income of this kind, such as state_pension=4.8; may be repeated.",
    ),
]
Percent = Annotated[
    int,
    typer.Option(parser=_read_percent, metavar="PERCENT", help="Uplift: by how much, such as 3.2."),
]
FundingStream = Annotated[
    str, typer.Option(metavar="STREAM", help="Uplift: only lines of this funding stream.")
]
Deployed = Annotated[
    Deployment | None, typer.Option("--deployment", help="Uplift: only lines deployed so.")
]
Recovery = Annotated[
    ArrearsRecovery | None,
    typer.Option(help="Re-assess: how arrears come back; as on each budget if left out."),
]
WeeklyCap = Annotated[
    int,
    typer.Option(
        parser=read_pounds,
        metavar="POUNDS",
        help="With --recovery weekly_cap; LEDGER_ARREARS_WEEKLY_CAP if left out.",
    ),
]
HoldOver = Annotated[
    int | None,
    typer.Option(
        parser=read_pounds,
        metavar="POUNDS",
        help="Hold back a week that changes by more; if left out: re-assess 20.00, else no limit.",
    ),
]
Release = Annotated[
    list[str] | None,
    typer.Option(metavar="BUDGET", help="Looked at, not to be held back; may be repeated."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only try it: show what would be, record nothing.")
]
