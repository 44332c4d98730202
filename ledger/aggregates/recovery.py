"""Recovering confirmed clawbacks from payments: how much each payment bears, and in what order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from ledger.aggregates.clawbacks import Clawbacks, Deduction
from ledger.aggregates.event_sourced import Event, Said, applies, command
from ledger.errors import InvalidMoney


class RecoveryCapped(Event):
    """The most taken from one payment for all clawbacks together; nought: nothing for now.

    With no amount there is no cap. It holds for payments scheduled later, until the next one."""

    per_payment_pence: int | None = None


class Recovery(Clawbacks):
    """What is taken from payments for clawbacks, and what that leaves of each."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.deduction_cap_pence: int | None = None

    @command
    def cap_recovery(self, *, per_payment_pence: int | None = None, **said: Unpack[Said]) -> None:
        """Take at most so much from each later payment for all clawbacks together.

        Nought takes nothing for now; without an amount there is no cap. An instalment is then
        taken in part, if only a part of it fits under the cap.
        """
        if per_payment_pence is not None and per_payment_pence < 0:
            raise InvalidMoney("A cap cannot be less than nothing.", field="per_payment_pence")
        if per_payment_pence != self.deduction_cap_pence:
            self._record(RecoveryCapped(per_payment_pence=per_payment_pence, **said))

    def instalments_within(self, owed_pence: int) -> Iterator[tuple[str, int]]:
        """The instalments a payment can bear, the clawback confirmed first coming first.

        Each is taken whole or not at all, except that the cap may leave only a part of one; and
        a payment always leaves something.
        """
        cap = self.deduction_cap_pence
        if cap is None:
            cap = owed_pence  # no instalment may take all that is left, so none is taken in part
        for clawback_reference, clawback in self.clawbacks.items():
            instalment = min(clawback.instalment_pence, clawback.outstanding_pence, cap)
            if clawback.status == "confirmed" and 0 < instalment < owed_pence:
                owed_pence -= instalment
                cap -= instalment
                yield clawback_reference, instalment

    def deductions_from(self, payment_reference: str) -> tuple[Deduction, ...]:
        """What was taken from a payment for each clawback, and what that left of it to recover.

        None for a payment that was cancelled: its instalments were given back."""
        return tuple(
            clawback.deductions[payment_reference]
            for clawback in self.clawbacks.values()
            if payment_reference in clawback.deductions
        )

    @applies(RecoveryCapped)
    def _recovery_capped(self, event: RecoveryCapped) -> None:
        self.deduction_cap_pence = event.per_payment_pence
