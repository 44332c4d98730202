"""What a page needs to know of whoever asks: the ledger, the day it is, and who says so when."""

from __future__ import annotations

from datetime import UTC, date, datetime

from fastapi import Request

from ledger.access.guard import actor_of
from ledger.aggregates.event_sourced import Said
from ledger.application import Ledger, said
from ledger.dates import day_in_england


def ledger_of(request: Request) -> Ledger:
    """The ledger that this server has open."""
    ledger: Ledger = request.app.state.ledger
    return ledger


def today_in_england() -> date:
    """The day it is where the council is."""
    return day_in_england(datetime.now(UTC))


def said_now(request: Request, effective_on: date) -> Said:
    """What whoever has signed in says now, to take effect on a day."""
    return said(effective_on, datetime.now(UTC), actor_of(request).name)
