"""Read tables, derived from the log and disposable: caught up, rebuilt, verified.

A projection is one file and one line here.
"""

from sqlalchemy import Engine

from ledger.projections.access import Deaths, Grants, Representatives
from ledger.projections.accounts import ClosedPeriods
from ledger.projections.audit_table import Audit
from ledger.projections.balances import Balances
from ledger.projections.bank_reports import BankReports, ReportQueue
from ledger.projections.finance import FinanceTotals
from ledger.projections.following import Projections
from ledger.projections.journal import Postings
from ledger.projections.matters import Matters
from ledger.projections.providers import Providers
from ledger.projections.registers import Budgets, Cycles, MassChanges, Payments
from ledger.projections.replaying import Log
from ledger.projections.tables import Appending, Keyed

APPENDING: tuple[Appending, ...] = (Postings(), Audit(), ClosedPeriods())
KEYED: tuple[Keyed, ...] = (
    Balances(),
    Budgets(),
    Payments(),
    Cycles(),
    MassChanges(),
    Providers(),
    FinanceTotals(),
    BankReports(),
    ReportQueue(),
    Representatives(),
    Grants(),
    Deaths(),
    Matters(),
)


def all_projections(engine: Engine, log: Log) -> Projections:
    """Every read table of the ledger, following one log."""
    return Projections(engine, log, APPENDING, KEYED)


__all__ = ["Projections", "all_projections"]
