"""Everything that can be said of a personal budget: a route for each of its commands.

The routes are made from the commands' own arguments, so that a new command is written once,
in its aggregate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol, cast

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from ledger import payee_checks
from ledger.access.guard import needs
from ledger.access.roles import NEEDED
from ledger.aggregates.event_sourced import Recorded
from ledger.aggregates.payees import PayeeType
from ledger.aggregates.personal_budget import PersonalBudget
from ledger.aggregates.preview import Effect, Tried
from ledger.api.idempotency import Once, answer
from ledger.api.openapi import writes
from ledger.api.recorded_events import RecordedEvent, recorded_events
from ledger.api.requests import BodyOf, WriteRoute, Writing
from ledger.commands import BUDGET_COMMANDS, Command, require_keepable
from ledger.private import Private
from ledger.store import Beside

router = APIRouter(tags=["budget commands"], route_class=WriteRoute)


class BudgetChanged(msgspec.Struct, omit_defaults=True):
    """The budget's version now, and the events recorded: none if it was so already.

    In a dry run, those that would have been recorded, and their effect on what is paid."""

    reference: str
    version: int
    events: list[RecordedEvent]
    dry_run: bool = False
    effect: Effect | None = None


class _Asked(Protocol):
    """What the body of every command has beside the command's own arguments."""

    effective_on: date
    dry_run: bool


class PayeeProposal(Private, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Account details to be paid to. They are sealed at once and never sent back."""

    effective_on: date
    payee_type: PayeeType
    account_name: str
    sort_code: str
    account_number: str
    roll_number: str = ""


class PayeeCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Details to be checked again, in use or proposed."""

    effective_on: date
    payee_reference: str


def changed(budget: PersonalBudget, events: Sequence[Recorded]) -> BudgetChanged:
    """The answer to a change of a budget."""
    return BudgetChanged(budget.reference, budget.version, list(recorded_events(events)))


def would_change(tried: Tried) -> BudgetChanged:
    """The answer to a dry run: the version is the one there is."""
    version = tried.budget.version - len(tried.events)
    events = list(recorded_events(tried.events))
    return BudgetChanged(tried.budget.reference, version, events, True, tried.effect)


def _body_of(command: Command) -> type[msgspec.Struct]:
    """The command's own arguments, the day they take effect, and whether only to try."""
    return msgspec.defstruct(
        command.arguments.__name__,
        [("effective_on", date), ("dry_run", bool, False)],
        bases=(command.arguments,),
        namespace={"__doc__": command.summary},
        module=__name__,
        kw_only=True,
        frozen=True,
    )


def _route(command: Command, struct: type[msgspec.Struct]) -> Callable[..., Response]:
    """What answers for one command."""
    body_of: BodyOf[msgspec.Struct] = BodyOf(struct)
    opens = command.name == "open"

    def give(reference: str, write: Writing) -> Response:
        arguments = body_of.read(write.body)
        asked = cast(_Asked, arguments)
        said = write.said(asked.effective_on)
        if asked.dry_run:
            tried = write.ledger.try_out(
                reference,
                lambda budget: write.ledger.give(command, budget, arguments, said),
                said["effective_on"],
                create=opens,
                expected_version=write.expected_version,
            )
            return answer(would_change(tried))
        once = Once(write)

        def rows(budget: PersonalBudget, events: Sequence[Recorded]) -> list[Beside]:
            return [once.row(changed(budget, events), 201 if opens and events else 200)]

        def decide(budget: PersonalBudget) -> None:
            once.trying()
            write.ledger.give(command, budget, arguments, said)

        return once.do(
            lambda: write.ledger.change(
                PersonalBudget,
                reference,
                decide,
                create=opens,
                expected_version=write.expected_version,
                beside=rows,
            )
        )

    give.__name__ = command.name.replace("-", "_")
    return needs(NEEDED[command.name])(give)


for _command in BUDGET_COMMANDS.values():
    _struct = _body_of(_command)
    router.add_api_route(
        f"/v1/budgets/{{reference:reference}}/{_command.name}",
        _route(_command, _struct),
        methods=["POST"],
        summary=_command.summary,
        description=_command.description or _command.summary,
        **writes(
            BudgetChanged,
            _struct,
            if_match=True,
            created="The budget was opened." if _command.name == "open" else "",
        ),
    )

_proposal = BodyOf(PayeeProposal)
_check = BodyOf(PayeeCheck)


@router.post("/v1/budgets/{reference:reference}/propose-payee",
             summary="Propose account details for payments.",
             **writes(BudgetChanged, PayeeProposal, if_match=True))  # fmt: skip
@needs("payees.propose")
def propose_payee(reference: str, write: Writing) -> Response:
    """Seal the account of the person, or of whoever holds the money for them, and propose it.

    Someone else must verify it before anything is paid to it. The answer's event names it by
    `payee_reference`; the details themselves are never sent back. If a confirmation of payee
    service is set, its answer is recorded with the proposal. `roll_number` is for the building
    societies that have them; empty otherwise.
    """
    proposal = _proposal.read(write.body)
    once = Once(write)
    return once.do(
        lambda: write.ledger.propose_payee(
            reference,
            payee_type=proposal.payee_type,
            account_name=proposal.account_name,
            sort_code=proposal.sort_code,
            account_number=proposal.account_number,
            roll_number=proposal.roll_number,
            said=write.said(proposal.effective_on),
            expected_version=write.expected_version,
            also=lambda budget, events: [once.row(changed(budget, events))],
        ),
        look_first=True,  # so that a bank is asked once
    )


@router.post("/v1/budgets/{reference:reference}/check-payee",
             summary="Check a payee's details again.",
             **writes(BudgetChanged, PayeeCheck, if_match=True))  # fmt: skip
@needs("payees.propose")
def check_payee(reference: str, write: Writing) -> Response:
    """Check the account number by the table in force now, and ask whose account it is.

    What the modulus check says is recorded if it is new. If a confirmation of payee service is
    set, its answer is recorded each time.
    """
    asked = _check.read(write.body)
    require_keepable(asked.payee_reference, "payee_reference")
    once = Once(write)
    return once.do(
        lambda: payee_checks.check_payee(
            write.ledger,
            reference,
            asked.payee_reference,
            said=write.said(asked.effective_on),
            expected_version=write.expected_version,
            also=lambda budget, events: [once.row(changed(budget, events))],
        ),
        look_first=True,
    )
