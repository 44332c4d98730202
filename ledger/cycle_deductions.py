"""What the payments of a cycle have taken off for clawback, and what that leaves to recover."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ledger.aggregates.cycle_events import CycleLine
from ledger.application import Ledger


class CycleDeduction(msgspec.Struct, frozen=True):
    """An instalment of a clawback taken from a payment, and what is left of the clawback.

    Once the payment is promised, what was left straight after it; before that, and if it was
    withdrawn, what would be left as things stand."""

    budget_reference: str
    payment_reference: str
    clawback_reference: str
    amount_pence: int
    left_pence: int


def cycle_deductions(ledger: Ledger, lines: Iterable[CycleLine]) -> list[CycleDeduction]:
    """Every instalment that some lines of a cycle take off, line by line."""
    taking = [line for line in lines if line.deductions]
    if not taking:
        return []
    budgets = {b.reference: b for b in ledger.budgets({line.budget_reference for line in taking})}
    found: list[CycleDeduction] = []
    for line in taking:
        budget = budgets[line.budget_reference]
        left = {d.clawback_reference: d.left_pence
                for d in budget.deductions_from(line.payment_reference)}  # fmt: skip
        for clawback_reference, pence in line.deductions:
            outstanding = budget.clawbacks[clawback_reference].outstanding_pence
            found.append(
                CycleDeduction(
                    line.budget_reference,
                    line.payment_reference,
                    clawback_reference,
                    pence,
                    left.get(clawback_reference, max(outstanding - pence, 0)),
                )
            )
    return found
