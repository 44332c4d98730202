"""A mass change as `change show` gives it: to programs as a document, to people as tables."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ledger.aggregates.mass_change import (
    HELD_BECAUSE,
    SKIPPED_BECAUSE,
    MassChange,
    MassChangeLine,
    MassChangeParameters,
    MassChangeTotals,
)
from ledger.cli.screen import Cell, Screen
from ledger.documents import safe_cell
from ledger.errors import Refusal
from ledger.money import format_pounds, plain_pounds

MOST_SHOWN = 20


def change_document(change: MassChange, moved_on: Sequence[str] = ()) -> dict[str, Any]:
    """Everything an approver states or asks about, without the lines themselves."""
    prepared, applied = change.prepared, change.applied
    assert prepared is not None, "a mass change begins by being prepared"
    skipped = applied.skipped if applied else ()
    return {
        "reference": change.reference,
        "version": change.version,
        "status": change.status,
        "parameters": prepared.parameters,
        "totals": prepared.totals,
        "put_right_pence": prepared.totals.put_right_pence,
        "lines_sha256": prepared.lines_sha256,
        "held": dict(Counter(one.reason for one in change.lines if one.outcome == "held")),
        "warnings": prepared.warnings,
        "moved_on": list(moved_on),
        "prepared_by": prepared.recorded_by,
        "approved_by": change.approved.recorded_by if change.approved else None,
        "applied_count": applied.applied_count if applied else None,
        "skipped": dict(Counter(reason for _, reason in skipped)),
    }


def show_change(screen: Screen, found: dict[str, Any], *, dry_run: bool = False) -> None:
    """The document as people read it, and what may be done next."""
    parameters: MassChangeParameters = found["parameters"]
    totals: MassChangeTotals = found["totals"]
    invoices = parameters.kind == "invoice"
    screen.facts(
        ("Mass change", f"{found['reference']}, {'only tried' if dry_run else found['status']}"),
        ("What", _what(parameters)),
        ("From", None if invoices else parameters.effective_on),
        ("Decided on", parameters.decided_on),
        ("Arrears come back", parameters.recovery and parameters.recovery.replace("_", " ")),
        ("Held back over", _held_over(parameters)),
        ("Budgets listed", totals.line_count),
        ("Was, a week", None if invoices else format_pounds(totals.was_pence)),
        ("Charged" if invoices else "Now, a week", format_pounds(totals.now_pence)),
        ("Rises", None if invoices else format_pounds(totals.rises_pence)),
        ("Falls", None if invoices else format_pounds(totals.falls_pence)),
        ("Refunds", None if invoices else format_pounds(totals.refunds_pence)),
        ("Arrears", None if invoices else format_pounds(totals.arrears_pence)),
        ("Hash of the lines", found["lines_sha256"]),
        ("Prepared by", None if dry_run else found["prepared_by"]),
        ("Approved by", found["approved_by"]),
        ("Changed", found["applied_count"]),
    )
    counts = {name: getattr(totals, f"{name}_count") for name in _OUTCOMES}
    screen.table(
        "By outcome", ("Outcome", ">Budgets"), [(n, count) for n, count in counts.items() if count]
    )
    if totals.released_count:
        screen.say(f"\n{totals.released_count} of them would be held back but were released.")
    _show_reasons(screen, "held back", found["held"])
    _show_reasons(screen, "passed over", found["skipped"])
    for warning in found["warnings"]:
        screen.say(f"\nLook at: {warning}")
    if found["moved_on"]:
        screen.say(
            f"\n{len(found['moved_on'])} budget(s) moved on since this was prepared; any that "
            "come to something else will be passed over. Prepare again to see."
        )
    if not dry_run:
        _show_next(screen, found)


_OUTCOMES = ("new", "changed", "ended", "credited", "unchanged", "held")


def _what(parameters: MassChangeParameters) -> str:
    if parameters.kind == "invoice":
        period = parameters.period
        assert period is not None, "required when it was prepared"
        return f"invoice contributions for {period.starts_on} to {period.ends_on}"
    if parameters.kind == "uplift":
        lines = [parameters.funding_stream, parameters.deployment or ""]
        named = ", ".join(name.replace("_", " ") for name in lines if name)
        return f"raise allocations by {_percent(parameters.uplift_basis_points)}" + (
            f" ({named})" if named else ""
        )
    raised = ", ".join(f"{kind.replace('_', ' ')} {_percent(p)}" for kind, p in parameters.uprate)
    return "assess again" + (f", uprating {raised}" if raised else "")


def _percent(basis_points: int) -> str:
    sign = "-" if basis_points < 0 else ""
    return f"{sign}{abs(basis_points) // 100}.{abs(basis_points) % 100:02d}%"


def _held_over(parameters: MassChangeParameters) -> str | None:
    limit = parameters.hold_over_pence
    return None if limit is None else format_pounds(limit)


def _show_reasons(screen: Screen, what: str, reasons: dict[str, int]) -> None:
    if reasons:
        screen.table(
            f"{sum(reasons.values())} budget(s) {what}",
            (">Budgets", "Reason", "Meaning"),
            [(count, reason, meaning(reason)) for reason, count in sorted(reasons.items())],
        )


def meaning(reason: str) -> str:
    """What a reason says: one of the codes of mass changes, or the rule of a refusal."""
    known = {**HELD_BECAUSE, **SKIPPED_BECAUSE}
    known |= {refusal.code: refusal.rule for refusal in Refusal.__subclasses__()}
    return known.get(reason, "")


def _show_next(screen: Screen, found: dict[str, Any]) -> None:
    reference, status = found["reference"], found["status"]
    if status == "prepared":
        screen.say(f"\nLook closer: pbledger change lines {reference}")
        total = plain_pounds(found["totals"].now_pence)
        screen.say(
            f"Then, as someone other than {found['prepared_by']}: pbledger --as NAME change "
            f"approve {reference} --total {total} --lines-sha256 {found['lines_sha256'][:12]}"
        )
    elif status == "approved":
        screen.say(f"\nNext: pbledger --as NAME change apply {reference}")


# --- the lines ------------------------------------------------------------------------------


def biggest_first(lines: Iterable[MassChangeLine]) -> list[MassChangeLine]:
    """In the order in which someone should look at them."""
    return sorted(
        lines,
        key=lambda line: (
            -max(abs(line.difference_pence), abs(line.put_right_pence)),
            line.budget_reference,
        ),
    )


def show_lines(screen: Screen, title: str, lines: Sequence[MassChangeLine]) -> None:
    """Who, was, now, difference, put right, outcome and reason."""
    columns = ("Budget", ">Was", ">Now", ">Difference", ">Put right", "Outcome", "Reason")
    rows: list[Sequence[Cell]] = [
        (
            line.budget_reference,
            format_pounds(line.was_pence),
            format_pounds(line.now_pence),
            _unless_nought(line.difference_pence),
            _unless_nought(line.put_right_pence),
            line.outcome,
            line.reason,
        )
        for line in lines
    ]
    screen.table(title, columns, rows)


def lines_csv(lines: Iterable[MassChangeLine]) -> str:
    """The same as CSV: money as numbers a spreadsheet adds up."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(
        ("budget", "was_pounds", "now_pounds", "difference_pounds", "put_right_pounds", "outcome",
         "reason")
    )  # fmt: skip
    for line in lines:
        writer.writerow(
            (
                safe_cell(line.budget_reference),
                plain_pounds(line.was_pence),
                plain_pounds(line.now_pence),
                plain_pounds(line.difference_pence),
                plain_pounds(line.put_right_pence),
                line.outcome,
                line.reason,
            )
        )
    return made.getvalue()


def _unless_nought(pence: int) -> str:
    return format_pounds(pence) if pence else ""
