"""What befalls a made-up council's budgets in a year, drawn from a seed: each budget one story.

`Life.between(number)` tells everything that happens after a cycle was paid and before the next is
prepared. A story may go on in later months; `Life.later` holds what is still to come.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from ledger.aggregates.mass_change import MassChange, MassChangeParameters
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.application import Ledger
from ledger.caseload import CaseloadBudget
from ledger.caseload_import import import_caseload, verify_payees
from ledger.mass_changes import apply_mass_change, prepare_mass_change
from tests.given import a_line, cycle_period
from tests.main_job import a_caseload, a_row, example_caseload, says, take_in
from tests.providers import HARBOUR, SUNRISE, a_provider_in

NET_WEEKLY = 31_000 - 14_295
"""What a new budget of `a_row` is paid a week, in pence."""


def is_steady(row: CaseloadBudget) -> bool:
    """One line without an end, paid to the person and up to date, with a charge taken off it."""
    (line, *others) = row.lines
    return (
        not others
        and line.deployment == "direct_payment"
        and line.ends_on is None
        and (line.weekly_pence or 0) >= 15_000
        and row.contribution_basis == "net"
        and 2 * row.contribution_weekly_pence < (line.weekly_pence or 0)
        and row.legal_basis == "care_act_2014"
        and row.paid_to == date(2026, 4, 5)
    )


class Life:
    """The council's budgets and their stories. `steady` are those to which nothing happens."""

    def __init__(self, ledger: Ledger, rng: random.Random, budgets: int) -> None:
        self.ledger, self.rng = ledger, rng
        caseload = example_caseload(budgets, rng.randrange(10**6))
        take_in(ledger, caseload)
        self.steady = {row.budget_reference: row for row in caseload.budgets if is_steady(row)}
        self._order = rng.sample(sorted(self.steady), len(self.steady))
        self.started: dict[str, date] = {}
        self.received_pence = 0
        self.told: defaultdict[str, int] = defaultdict(int)
        self.later: defaultdict[int, list[Callable[[date], None]]] = defaultdict(list)
        self._accounts = 0
        self.providers_hold(caseload.budgets)

    def next_budget(self) -> CaseloadBudget:
        """A steady budget that no story has had; it is steady no longer."""
        while (reference := self._order.pop()) not in self.steady:
            pass
        return self.steady.pop(reference)

    def between(self, number: int) -> None:
        """All that happens between the payment of a cycle and the preparation of the next.

        Every story begins on a day after the cycle's first; the next cycle begins 28 days after
        it and is prepared on its fifteenth day."""
        first = cycle_period(number).starts_on
        for go_on in self.later.pop(number, ()):
            go_on(first)
        stories: tuple[Callable[[int, date], None], ...] = (
            *[self.reassessed] * 4, *[self.revised] * 4, *[self.hospital] * 2,
            self.queried, self.safeguarded, self.switched, self.closed, self.asked_back,
            self.one_off,
        )  # fmt: skip
        for story in stories:
            self.told[story.__name__] += 1
            story(number, first)
        self.new_budgets(number, first)
        if number == 4:
            self.uplifted(first)

    def tell(
        self,
        reference: str,
        command: str,
        by: str,
        day: date,
        on: date | None = None,
        /,
        **facts: Any,
    ) -> PersonalBudget:
        """Someone records something on a day, which takes effect then unless told."""
        said = {**says(by, day), "effective_on": on or day}
        return self.ledger.change(
            PersonalBudget, reference, lambda budget: getattr(budget, command)(**facts, **said)
        )

    # --- who is paid ----------------------------------------------------------------------

    def new_account(self, reference: str, day: date) -> None:
        """Ann puts another account forward, and Bob verifies it the day after."""
        self._accounts += 1
        _, payee = self.ledger.propose_payee(
            reference,
            payee_type="recipient",
            account_name="A New Account",
            sort_code="99-99-62",
            account_number=f"8{self._accounts:07d}",
            said=says("ann", day),
        )
        self.tell(reference, "verify_payee", "bob", day + _days(1), payee_reference=payee)

    def providers_hold(self, rows: Sequence[CaseloadBudget]) -> None:
        """Sunrise holds every service fund, and Harbour the money of a few in managed accounts."""
        for reference in (SUNRISE, HARBOUR):
            a_provider_in(self.ledger, reference)
        early = date(2026, 3, 20)
        for row in rows:
            if any(line.deployment == "individual_service_fund" for line in row.lines):
                self.tell(row.budget_reference, "hold_service_fund", "ann", early, row.starts_on,
                          provider_reference=SUNRISE)  # fmt: skip
        managed = [row for row in rows if row.payee_type == "managed_account"]
        for row in self.rng.sample(managed, len(managed) // 10):
            self.tell(row.budget_reference, "propose_managed_account", "ann", early,
                      provider_reference=HARBOUR)  # fmt: skip
            self.tell(row.budget_reference, "verify_payee", "bob", early, payee_reference=HARBOUR)

    def decide_death(self, number: int, reference: str, payment: str, died_on: date) -> None:
        """Dora decides that the person died; a month later the estate's account is known."""
        case = {"case_reference": f"EC-{payment}", "outcome": "recipient_died"}
        day = died_on + _days(3)
        self.tell(reference, "decide_estate_case", "dora", day, died_on=died_on, **case)
        self.later[number + 1].append(lambda first: self.new_account(reference, first + _days(5)))

    # --- what is owed ---------------------------------------------------------------------

    def reassessed(self, _number: int, first: date) -> None:
        """Another contribution, found out late: from three weeks before, or from next month."""
        row = self.next_budget()
        on = first + _days(self.rng.choice((-21, -10, 5, 28, 33)))
        weekly = self.rng.randrange(0, (row.lines[0].weekly_pence or 0) // 2)
        self.tell(row.budget_reference, "assess_contribution", "ann", first + _days(6),
                  max(on, row.contribution_from), weekly_pence=weekly, basis="net")  # fmt: skip

    def revised(self, _number: int, first: date) -> None:
        """More or less support, from a day in the month that was paid or in the next."""
        row = self.next_budget()
        line = row.lines[0]
        assert line.weekly_pence is not None, "a steady budget's line is weekly"
        now = line.weekly_pence * self.rng.randrange(80, 130) // 100
        self.tell(row.budget_reference, "revise_allocation", "ann", first + _days(7),
                  first + _days(self.rng.choice((-9, 3, 12, 28, 40))),
                  line_reference=line.line_reference, weekly_pence=now)  # fmt: skip

    def one_off(self, number: int, first: date) -> None:
        """Money for a piece of equipment, once."""
        line = a_line(
            f"equipment.{number}",
            need="equipment",
            one_off_pence=self.rng.randrange(5_000, 90_000),
            starts_on=first + _days(30),
        )
        self.tell(self.next_budget().budget_reference, "agree_allocation", "ann",
                  first + _days(8), lines=(line,))  # fmt: skip

    def new_budgets(self, number: int, first: date) -> None:
        """Three people begin on a Monday in the middle of the next period."""
        starts_on = first + _days(28 + 7 * self.rng.randrange(1, 4))
        rows = [
            a_row(
                10_000 * number + one,
                starts_on=starts_on,
                contribution_from=starts_on,
                agreement_signed_on=first,
                account_number=f"7{number:02d}0000{one}",
            )
            for one in range(3)
        ]
        said = says("alice", first + _days(8))
        import_caseload(
            self.ledger, a_caseload(*rows), recorded_at=said["recorded_at"], recorded_by="alice"
        )
        references = [row.budget_reference for row in rows]
        verify_payees(self.ledger, references=references, said=says("bob", first + _days(9)))
        self.started.update(dict.fromkeys(references, starts_on))

    def uplifted(self, first: date) -> None:
        """What the NHS pays for rises by 3.2% from the middle of the next period."""
        parameters = MassChangeParameters(
            kind="uplift",
            effective_on=first + _days(37),
            decided_on=first + _days(8),
            uplift_basis_points=320,
            funding_stream="nhs",
        )
        alice, bob = says("alice", first + _days(9)), says("bob", first + _days(10))
        prepared = prepare_mass_change(self.ledger, "NHS26", parameters, alice).prepared
        assert prepared is not None
        total, sha256 = prepared.totals.now_pence, prepared.lines_sha256
        self.ledger.change(
            MassChange, "NHS26", lambda m: m.approve(now_pence=total, lines_sha256=sha256, **bob)
        )
        apply_mass_change(self.ledger, "NHS26", says("carol", first + _days(11)))

    # --- what stops -----------------------------------------------------------------------

    def hospital(self, _number: int, first: date) -> None:
        """A stay of some weeks, over the end of the period or within it."""
        begins = first + _days(self.rng.randrange(6, 12))
        self._suspend(self.next_budget().budget_reference, begins, "hospital_stay",
                      expires_on=begins + _days(self.rng.randrange(5, 30)))  # fmt: skip

    def queried(self, number: int, first: date) -> None:
        """Down to a retainer over a query of the account; next month all of it is paid."""
        reference = self.next_budget().budget_reference
        self._suspend(reference, first + _days(6), "account_query", retainer_weekly_pence=2_000)

        def answered(day: date) -> None:
            self.tell(reference, "resume_payments", "ann", day + _days(7), arrears_due=True)

        self.later[number + 1].append(answered)

    def safeguarded(self, number: int, first: date) -> None:
        """Stopped at once; two people let it go on after two months, without arrears."""
        reference = self.next_budget().budget_reference
        self._suspend(reference, first + _days(7), "safeguarding")

        def released(day: date) -> None:
            why = {"reason_code": "safeguarding"}
            self.tell(reference, "propose_resumption", "ann", day + _days(6), day + _days(8), **why)
            self.tell(reference, "resume_payments", "bob", day + _days(8), **why)

        self.later[number + 2].append(released)

    def _suspend(self, reference: str, day: date, why: str, **facts: Any) -> None:
        self.tell(
            reference,
            "suspend_payments",
            "ann",
            day,
            reason_code=why,
            interim_arrangement="council_arranges_care",
            review_on=day + _days(28),
            **facts,
        )

    def switched(self, number: int, first: date) -> None:
        """To services the council provides, from the middle of what was paid; then back again."""
        reference = self.next_budget().budget_reference
        day = first + _days(6)
        self.tell(reference, "switch_to_provided_services", "ann", day, first + _days(17))

        def back(then: date) -> None:
            self.tell(reference, "resume_direct_payment", "ann", then + _days(5), then + _days(30))

        self.later[number + 2].append(back)

    def closed(self, number: int, first: date) -> None:
        """The person moves away; what was paid beyond that day is asked back and comes in."""
        reference, day = self.next_budget().budget_reference, first + _days(6)
        budget = self.tell(reference, "close", "ann", day, first + _days(9),
                           reason_code="moved_away")  # fmt: skip
        pence = -sum(line.amount_pence for line in budget.adjustments_due())
        asked = {"clawback_reference": f"OP-{reference}"}
        amount: dict[str, Any] = {**asked, "amount_pence": pence}
        self.tell(reference, "propose_clawback", "ann", day, cause_code="overpayment", **amount)
        self.tell(reference, "notify_clawback", "ann", day, respond_by=day + _days(4), **asked)

        def confirmed(then: date) -> None:
            self.tell(reference, "confirm_clawback", "bob", then + _days(6),
                      recovery="repayment", **amount)  # fmt: skip
            self.tell(reference, "receive_clawback", "carol", then + _days(9),
                      receipt_reference=f"RC-{reference}", **amount)  # fmt: skip
            self.received_pence += pence

        self.later[number + 1].append(confirmed)

    def asked_back(self, _number: int, first: date) -> None:
        """Unspent money, taken off the next payments in three instalments and a bit."""
        reference, day = self.next_budget().budget_reference, first + _days(4)
        asked = {"clawback_reference": f"CB-{reference}"}
        pence = self.rng.randrange(20_000, 60_000)
        amount: dict[str, Any] = {**asked, "amount_pence": pence}
        self.tell(reference, "propose_clawback", "ann", day, cause_code="surplus", **amount)
        self.tell(reference, "notify_clawback", "ann", day, respond_by=day + _days(6), **asked)
        self.tell(reference, "confirm_clawback", "bob", day + _days(7), recovery="deduction",
                  instalment_pence=pence * 3 // 10, **amount)  # fmt: skip


def _days(number: int) -> timedelta:
    return timedelta(days=number)
