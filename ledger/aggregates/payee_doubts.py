"""What a later check found against the account that is already paid into.

Before details are verified a check stops them. In use they would go on being paid to: so the next
payment waits until somebody looks, and either releases it by name or puts other details forward.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

from ledger.aggregates.payees import NameAnswer, Payee
from ledger.aggregates.payments_made import PaymentsMade

Doubt = Literal["payee_number_fails", "payee_name_fails"]

NOT_THEIRS: frozenset[NameAnswer] = frozenset({"ANNM", "AC01"})
"""Answers that speak against an account: it is another's, or there is none. A close name, an
account of another kind, one that was switched (what is paid in follows it) or that cannot be
checked, and no answer at all do not: nobody's money is stopped over them."""

_SPEAKS: dict[Doubt, Callable[[Payee], bool]] = {
    "payee_number_fails": lambda payee: payee.modulus_check == "invalid",
    "payee_name_fails": lambda payee: payee.name_check in NOT_THEIRS,
}


class _Since(NamedTuple):
    """The version at which a doubt arose, and how many payments had been promised by then."""

    version: int
    payments: int


class PayeeDoubts(PaymentsMade):
    """The doubts about the account in use.

    One arises when an answer turns against it, not when the same answer comes again: whoever
    verified the details, or released a payment, has decided on that one already."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self._doubts: dict[Doubt, _Since] = {}

    @property
    def payee_doubts(self) -> dict[Doubt, int]:
        """Each doubt that nobody has decided on, with the version at which it arose.

        A payment promised to the account since, which somebody released by name, ends it; one
        that was cancelled again does not."""
        return {
            doubt: since.version
            for doubt, since in self._doubts.items()
            if self.payee is not None
            and not any(
                payment.payee_reference == self.payee.payee_reference
                and payment.status != "cancelled"
                for payment in islice(self.payments.values(), since.payments, None)
            )
        }

    def _note(self, payee_reference: str, **found: Any) -> None:
        before = self.payee
        super()._note(payee_reference, **found)
        now = self.payee
        if before is None or now is None:
            return
        for doubt, speaks in _SPEAKS.items():
            if not speaks(now):
                self._doubts.pop(doubt, None)
            elif not speaks(before):
                self._doubts[doubt] = _Since(self.version + 1, len(self.payments))

    def _take_into_use(self, payee_reference: str, recorded_at: datetime) -> None:
        super()._take_into_use(payee_reference, recorded_at)
        self._doubts.clear()
