"""A payment cycle as `cycle show` gives it: to programs as a document, to people as tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ledger.aggregates.cycle_events import CycleException
from ledger.aggregates.cycle_preparation import EXCEPTIONS
from ledger.aggregates.payment_cycle import PaymentCycle
from ledger.cli.screen import Screen
from ledger.cli.session import Session
from ledger.money import format_pounds, plain_pounds

if TYPE_CHECKING:
    from ledger.cycle_deductions import CycleDeduction


def funding_by_stream(cycle: PaymentCycle) -> dict[str, int]:
    """What a cycle comes to by funding stream, in pence."""
    assert cycle.prepared is not None, "a loaded cycle was prepared"
    totals: defaultdict[str, int] = defaultdict(int)
    for total in cycle.prepared.funding:
        totals[total.funding_stream] += total.amount_pence
    return dict(totals)


def cycle_document(cycle: PaymentCycle) -> dict[str, Any]:
    """Everything an approver states or asks about, without the lines themselves."""
    prepared, issued = cycle.prepared, cycle.issued
    assert prepared is not None, "a loaded cycle was prepared"
    return {
        "reference": cycle.reference,
        "version": cycle.version,
        "status": cycle.status,
        "period": prepared.period,
        "pay_on": prepared.pay_on,
        "off_cycle": prepared.off_cycle,
        "line_count": prepared.line_count,
        "total_pence": prepared.total_pence,
        "deducted_pence": sum(line.deducted_pence for line in cycle.lines),
        "lines_sha256": prepared.lines_sha256,
        "funding": prepared.funding,
        "funding_streams": funding_by_stream(cycle),
        "exception_count": prepared.exception_count,
        "exceptions": dict(Counter(e.code for e in cycle.exceptions).most_common()),
        "prepared_by": prepared.recorded_by,
        "approved_by": cycle.approved.recorded_by if cycle.approved else None,
        "file_name": issued.file_name if issued else None,
        "file_sha256": issued.file_sha256 if issued else None,
        "processing_on": issued.processing_on if issued else None,
        "is_taken": cycle.is_taken,
        "rejected_count": cycle.rejected_count,
        "rejected_pence": cycle.rejected_pence,
    }


def show_cycle(screen: Screen, found: dict[str, Any]) -> None:
    """The document as people read it, and what may be done next."""
    kind = " (off-cycle)" if found["off_cycle"] else ""
    screen.facts(
        ("Cycle", f"{found['reference']}{kind}, {found['status']}"),
        ("For", f"{found['period'].starts_on} to {found['period'].ends_on}"),
        ("Paid on", found["pay_on"]),
        ("Payments", found["line_count"]),
        ("Total", format_pounds(found["total_pence"])),
        ("Taken for clawback", _deducted(found)),
        ("Hash of the lines", found["lines_sha256"]),
        ("Prepared by", found["prepared_by"]),
        ("Approved by", found["approved_by"]),
        ("Bank file", found["file_name"]),
        ("Processing day", found["processing_on"]),
        ("Taken by the bank", _taken(found)),
    )
    screen.table(
        "By funding stream",
        ("Funding stream", ">Amount"),
        [
            (stream.replace("_", " "), format_pounds(pence))
            for stream, pence in found["funding_streams"].items()
        ],
    )
    show_kinds(screen, found["exceptions"])
    reference = found["reference"]
    screen.say(f"\nWhat changed and why: pbledger cycle differences {reference}")
    if found["status"] == "prepared":
        screen.say(f"Look closer: pbledger cycle exceptions {reference}")
        screen.say(
            f"Then, as someone other than {found['prepared_by']}: pbledger --as NAME cycle approve "
            f"{reference} --total {plain_pounds(found['total_pence'])} "
            f"--lines-sha256 {found['lines_sha256'][:12]}"
        )
    elif found["status"] == "approved":
        screen.say(f"Next: pbledger --as NAME cycle issue {reference}")
    elif found["status"] == "issued":
        screen.say(f"When the bank has paid it: pbledger --as NAME cycle settle {reference}")


def _taken(found: dict[str, Any]) -> str | None:
    """What the bank has said of the file; nothing if there is none."""
    if not found["file_name"]:
        return None
    if not found["rejected_count"]:
        return "all" if found["is_taken"] else "not known: no report says so"
    return f"all but {_not_taken(found)}" if found["is_taken"] else f"not {_not_taken(found)}"


def _not_taken(found: dict[str, Any]) -> str:
    return f"{found['rejected_count']} payment(s), {format_pounds(found['rejected_pence'])}"


def _deducted(found: dict[str, Any]) -> str | None:
    """The sum of all instalments, and where each is listed; nothing if there are none."""
    if not found["deducted_pence"]:
        return None
    deducted = format_pounds(found["deducted_pence"])
    return f"{deducted}; one by one: pbledger cycle lines {found['reference']}"


def show_deductions(screen: Screen, deductions: Sequence[CycleDeduction]) -> None:
    """What is taken from payments for each clawback, and what is left of it."""
    screen.table(
        "Taken for clawback",
        ("Budget", "Payment", "Clawback", ">Taken", ">Left to recover"),
        [
            (
                d.budget_reference,
                d.payment_reference,
                d.clawback_reference,
                format_pounds(d.amount_pence),
                format_pounds(d.left_pence),
            )
            for d in deductions
        ],
    )


def show_kinds(screen: Screen, kinds: dict[str, int]) -> None:
    """Exceptions by kind, with what each means."""
    screen.table(
        f"{sum(kinds.values())} exception(s) by kind",
        (">Count", "Kind", "Meaning"),
        [(count, code, EXCEPTIONS[code]) for code, count in kinds.items()],
    )


def show_exceptions(screen: Screen, title: str, exceptions: Sequence[CycleException]) -> None:
    """Exceptions one by one."""
    screen.table(
        title,
        ("Budget", "Kind", ">Was", ">Now", "Detail"),
        [
            (
                e.budget_reference,
                e.code,
                None if e.was_pence is None else format_pounds(e.was_pence),
                None if e.now_pence is None else format_pounds(e.now_pence),
                e.detail if e.channel == "direct_payment" else f"service fund {e.detail}".strip(),
            )
            for e in exceptions
        ],
    )


def say_status(session: Session, cycle: PaymentCycle, then: str = "") -> None:
    """Answer with where a cycle stands, and what comes next."""
    document = cycle_document(cycle)

    def show(screen: Screen) -> None:
        # What was not taken never left, and is counted by itself.
        count = document["line_count"] - document["rejected_count"]
        total = format_pounds(document["total_pence"] - document["rejected_pence"])
        screen.say(f"{cycle.reference} is {cycle.status}: {count} payment(s), {total}.")
        if document["rejected_count"]:
            screen.say(
                f"The bank did not take {_not_taken(document)}; it is held: pbledger suspense"
            )
        if then:
            screen.say(f"\nNext: {then}")

    session.answer(document, show)
