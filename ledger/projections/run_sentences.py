"""What is said of what is no single budget's: cycles, mass changes, providers, bank reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.aggregates import accounting_periods, bank_report, mass_change, provider
from ledger.aggregates import cycle_events as cycle
from ledger.aggregates.event_sourced import Event
from ledger.money import format_pounds as pounds
from ledger.projections.payee_words import modulus
from ledger.projections.words import REJECTION_REASONS, day, from_to, words


def _answered(e: cycle.CycleAcknowledged) -> str:
    rejected = f"{e.rejected_count} payment(s) of {pounds(e.rejected_pence)} in all"
    if not e.rejected_count:
        return f"The bank took the file {e.submission_serial} ({e.report_reference})."
    if e.is_taken:
        return (
            f"The bank took the file {e.submission_serial} ({e.report_reference}) but for "
            f"{rejected}."
        )
    return (
        f"The bank did not take {rejected} of the file {e.submission_serial} "
        f"({e.report_reference})."
    )


SENTENCES_OF_RUNS: dict[type[Event], Callable[[Any], str]] = {
    mass_change.MassChangeListed: lambda e: (
        f"{len(e.lines)} budget(s) were listed for the mass change {e.reference}."
    ),
    mass_change.MassChangePrepared: lambda e: (
        f"The mass change {e.reference} ({words(e.parameters.kind)}) was prepared for "
        f"{day(e.parameters.effective_on)}: {e.totals.line_count} budget(s), "
        f"{e.totals.held_count} held back, from {pounds(e.totals.was_pence)} to "
        f"{pounds(e.totals.now_pence)}."
    ),
    mass_change.MassChangeApproved: lambda e: (
        f"The mass change was approved at {pounds(e.now_pence)}, lines {e.lines_sha256[:12]}."
    ),
    mass_change.MassChangeRejected: lambda e: (
        f"The mass change was rejected: {words(e.reason_code)}."
    ),
    mass_change.MassChangeApplied: lambda e: (
        f"The mass change was made on {e.applied_count} budget(s); "
        f"{len(e.skipped)} were passed over."
    ),
    cycle.CycleLinesListed: lambda e: (
        f"{len(e.lines)} payment(s) and {len(e.exceptions)} exception(s) were listed for the "
        f"cycle {e.reference}."
    ),
    cycle.CyclePrepared: lambda e: (
        f"The cycle {e.reference} was prepared for {from_to(e.period)}, to be paid on "
        f"{day(e.pay_on)}: {e.line_count} payment(s), {pounds(e.total_pence)}, "
        f"{e.exception_count} exception(s)."
    ),
    cycle.CycleApproved: lambda e: (
        f"The cycle was approved at {pounds(e.total_pence)}, lines {e.lines_sha256[:12]}."
    ),
    cycle.CycleRejected: lambda e: f"The cycle was rejected: {words(e.reason_code)}.",
    cycle.CycleCancelled: lambda _: "The cycle was cancelled.",
    cycle.CycleIssued: lambda e: (
        f"The bank file {e.file_name} was made: {e.record_count} payment(s), "
        f"{pounds(e.total_pence)}, for processing on {day(e.processing_on)}."
    ),
    cycle.CycleFileRefused: lambda e: (
        f"The bank refused the whole file {e.submission_serial} because "
        f"{REJECTION_REASONS[e.reason_code]} ({e.report_reference}); nothing of it is paid."
    ),
    cycle.CycleAcknowledged: _answered,
    cycle.CycleSettled: lambda e: f"The bank paid the cycle: {pounds(e.total_pence)}.",
    bank_report.ReportItemsQueued: lambda e: (
        f"{len(e.items)} item(s) of the bank report {e.reference} wait for a person."
    ),
    bank_report.BankReportImported: lambda e: (
        f"The bank report {e.reference} was brought in: {e.item_count} item(s), of which "
        f"{e.recorded_count} were recorded and {e.queued_count} wait for a person."
    ),
    bank_report.ReportItemMatched: lambda e: (
        f"Item {e.item} was found to be about the payment {e.payment_reference} of "
        f"{e.budget_reference}."
    ),
    bank_report.ReportItemDismissed: lambda e: (
        f"Nothing was recorded for item {e.item}: {words(e.reason_code)}."
    ),
    provider.ProviderRegistered: lambda e: f"The provider {e.reference} was registered.",
    provider.ProviderAccountProposed: lambda e: (
        f"Account details of the provider were put forward ({e.account_reference[:8]}): "
        f"{modulus(e.modulus_check, e.modulus_table_version)}."
    ),
    provider.ProviderAccountVerified: lambda e: (
        f"The provider's account details {e.account_reference[:8]} were checked by a second person."
    ),
    provider.ProviderAccountWithdrawn: lambda e: (
        f"The provider's account details {e.account_reference[:8]} were withdrawn: "
        f"{words(e.reason_code)}."
    ),
    provider.ProviderEnded: lambda e: (
        f"Nothing is paid to the provider after {day(e.effective_on)}: {words(e.reason_code)}."
    ),
    accounting_periods.AccountingPeriodClosed: lambda e: (
        f"The accounts were closed to {day(e.closed_to)}; what is recorded later is accounted for "
        "after it."
    ),
}
"""A sentence for each kind of event that is no budget's, in plain English."""
