"""Account details on their way to a budget: checked, sealed, and their name asked about."""

from __future__ import annotations

from ledger.aggregates.event_sourced import Said
from ledger.aggregates.payees import PayeeSource, PayeeType
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.bank.confirmation_of_payee import NameReply
from ledger.dates import day_in_england
from ledger.errors import PayeeNotVerified
from ledger.modulus_tables import ModulusTables, checked
from ledger.payee_names import PayeeNames
from ledger.people import People, Row
from ledger.store import Beside


class Proposal:
    """One proposal of account details for one budget. It writes nothing itself.

    `payee_type` and `account_name` are those of the payee in use where they are None. Raises
    `PayeeNotVerified` if there is none, and the refusals of `People.new_payee`.
    """

    def __init__(
        self,
        people: People,
        names: PayeeNames,
        tables: ModulusTables,
        budget: PersonalBudget,
        *,
        sort_code: str,
        account_number: str,
        payee_type: PayeeType | None,
        account_name: str | None,
        roll_number: str,
        source: PayeeSource,
        said: Said,
    ) -> None:
        assert budget.opened is not None, "a loaded budget has been opened"
        if payee_type is None or account_name is None:
            if budget.payee is None:
                raise PayeeNotVerified(f"{budget.reference} has no payee whose name could stay.")
            payee_type = payee_type or budget.payee.payee_type
            kept = people.payee(budget.payee.payee_reference)
            account_name = kept.account_name if account_name is None else account_name
        self._people, self._names = people, names
        self._type, self._source, self._said = payee_type, source, said
        person = budget.opened.recipient_reference
        self.details = people.new_payee(
            person, account_name, sort_code, account_number, roll_number
        )
        self._wanted = self.details
        table = tables.in_force(day_in_england(said["recorded_at"]))
        self._found = checked(self._wanted.sort_code, self._wanted.account_number, table)
        self._rows: list[Row] = []
        self._reply: NameReply | None = None

    def ask(self, budget: PersonalBudget) -> None:
        """Ask about the name, unless the proposal is refused or known already.

        The budget is one to try it on, and not to be saved."""
        self._propose(budget)
        if budget.collect_events():
            self._reply = self._names.ask(self._wanted, self._type)

    def decide(self, budget: PersonalBudget) -> None:
        """Propose the details, and say what was answered about their name."""
        self._propose(budget)
        self._names.tell(budget, self.details.payee_reference, self._reply, self._said)

    def rows(self) -> list[Beside]:
        """What is kept in the transaction of the proposal: the details, and a returned name."""
        at = self._said["recorded_at"]
        return [
            Beside("payee_details", self._rows),
            *self._names.kept(self.details, self._reply, at),
        ]

    def _propose(self, budget: PersonalBudget) -> None:
        """Under the reference that the details have by now; someone else may have been first."""
        self.details, is_kept = self._people.put_right(self._wanted)
        details, at = self.details, self._said["recorded_at"]
        self._rows = [] if is_kept else self._people.sealed_payees([details], at)
        budget.propose_payee(
            payee_reference=details.payee_reference,
            payee_type=self._type,
            fingerprint=self._people.keyring.fingerprint(details.sort_code, details.account_number),
            source=self._source,
            **self._found,
            **self._said,
        )
