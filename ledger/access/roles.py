"""The roles, and what each may do: one table, from which the documentation's is made.

Least privilege: whoever prepares has no permission to approve, an auditor reads everything and
changes nothing, and outside the council one reaches no further than one's own. That two different
people must do some things is a rule of the domain, whatever roles they have.
"""

from __future__ import annotations

from typing import Literal, get_args

Permission = Literal[
    "budgets.find",
    "budgets.read",
    "support.decide",
    "payments.hold",
    "contributions.assess",
    "returns.submit",
    "returns.check",
    "payees.propose",
    "payees.verify",
    "payees.look",
    "money.record",
    "money.decide",
    "cycles.read",
    "cycles.prepare",
    "cycles.approve",
    "reports.read",
    "reports.import",
    "changes.read",
    "changes.prepare",
    "changes.approve",
    "accounts.read",
    "accounts.close",
    "rates.read",
    "letters.read",
    "people.register",
    "restricted.look",
    "consent.give",
    "status.check",
    "interests.declare",
    "audit.read",
    "access.manage",
    "people.erase",
]
PERMISSIONS: dict[Permission, str] = {
    "budgets.find": "List budgets and find one.",
    "budgets.read": "See a budget: where it stands, its history, balances and statements.",
    "support.decide": "Record what was assessed and agreed: opening, offer, agreement, allocation, "
    "switch, closing.",
    "payments.hold": "Suspend payments, propose to resume them, and resume them.",
    "contributions.assess": "Work out and record what people contribute, and invoice it.",
    "returns.submit": "Submit a spend return.",
    "returns.check": "Ask for spend returns, query and accept them.",
    "payees.propose": "Put account details forward, have them checked, withdraw them.",
    "payees.verify": "Verify account details that someone else put forward.",
    "payees.look": "See account details in full; each look is recorded.",
    "money.record": "Record what came in and what came back; propose clawback.",
    "money.decide": "Confirm or waive clawback; decide an estate case.",
    "cycles.read": "See payment cycles, line by line.",
    "cycles.prepare": "Prepare a payment cycle, withdraw it, make its bank file, settle it.",
    "cycles.approve": "Approve or reject a payment cycle that someone else prepared.",
    "reports.read": "See what banks sent back, what waits, and what is in suspense.",
    "reports.import": "Bring in what banks send back, and settle what waits.",
    "changes.read": "See mass changes.",
    "changes.prepare": "Prepare a mass change, and apply one that was approved.",
    "changes.approve": "Approve or reject a mass change that someone else prepared.",
    "accounts.read": "See accounting periods and trial balances.",
    "accounts.close": "Close an accounting period.",
    "rates.read": "See the charging rates.",
    "letters.read": "See letters and remittance advices.",
    "people.register": "Record who people are and how to write to them.",
    "restricted.look": "See on what ground a direct payment was barred, and ethnicity; each look "
    "is recorded.",
    "consent.give": "Let a support service see a budget's status, and take that back.",
    "status.check": "Check the status of an account whose owner allowed it.",
    "interests.declare": "Declare that someone has an interest in a budget, and when it ends.",
    "audit.read": "See who looked at what, and what was refused to whom.",
    "access.manage": "Say who has which role.",
    "people.erase": "Export or erase what is held about a person; place and release legal holds.",
}

Role = Literal[
    "care_coordinator",
    "finance_officer",
    "finance_approver",
    "scheme_manager",
    "auditor",
    "recipient",
    "representative",
    "support_service",
    "machine_client",
]
ROLES: dict[Role, str] = {
    "care_coordinator": "Assesses, offers, agrees allocations, and reviews.",
    "finance_officer": "Assesses contributions, runs payment cycles, checks spend returns.",
    "finance_approver": "Approves what others prepared, and verifies what others proposed.",
    "scheme_manager": "Oversees the scheme, and says who has which role.",
    "auditor": "Reads everything, and changes nothing.",
    "recipient": "Has a budget, and sees their own.",
    "representative": "A nominated or authorised person: sees the budgets of whom they act for.",
    "support_service": "Checks the status of accounts whose owners allowed it.",
    "machine_client": "A program. It never approves, verifies or decides.",
}

STAFF: frozenset[Role] = frozenset(
    {"care_coordinator", "finance_officer", "finance_approver", "scheme_manager", "auditor"}
)
"""The roles inside the council."""

Reach = Literal["all", "own"]
"""Whose budgets a permission covers: everybody's, or one's own and those one acts for."""

_READS: tuple[Permission, ...] = tuple(p for p in get_args(Permission) if p.endswith(".read"))
OWN: dict[Permission, Reach] = {
    "budgets.read": "own",
    "letters.read": "own",
    "returns.submit": "own",
    "consent.give": "own",
}
"""What anybody may do about their own budget, or one they act for; staff may do no more."""


def _all(*permissions: Permission) -> dict[Permission, Reach]:
    return dict.fromkeys(permissions, "all")


GRANTED: dict[Role, dict[Permission, Reach]] = {
    "care_coordinator": _all(
        "budgets.find",
        "budgets.read",
        "support.decide",
        "payments.hold",
        "returns.submit",
        "payees.propose",
        "rates.read",
        "letters.read",
        "people.register",
        "restricted.look",
        "consent.give",
        "interests.declare",
    ),
    "finance_officer": _all(
        "budgets.find",
        "budgets.read",
        "payments.hold",
        "contributions.assess",
        "returns.submit",
        "returns.check",
        "payees.propose",
        "payees.look",
        "money.record",
        "cycles.read",
        "cycles.prepare",
        "reports.read",
        "reports.import",
        "changes.read",
        "changes.prepare",
        "accounts.read",
        "rates.read",
        "letters.read",
        "people.register",
        "interests.declare",
    ),
    "finance_approver": _all(
        "budgets.find",
        "budgets.read",
        "payments.hold",
        "payees.verify",
        "payees.look",
        "money.decide",
        "cycles.read",
        "cycles.approve",
        "reports.read",
        "changes.read",
        "changes.approve",
        "accounts.read",
        "accounts.close",
        "rates.read",
        "letters.read",
        "interests.declare",
    ),
    "scheme_manager": _all(
        "budgets.find", *_READS, "interests.declare", "access.manage", "people.erase"
    ),
    "auditor": _all("budgets.find", "payees.look", *_READS),
    "recipient": OWN,
    "representative": OWN,
    "support_service": _all("status.check"),
    "machine_client": _all(
        "budgets.find",
        "budgets.read",
        "support.decide",
        "contributions.assess",
        "money.record",
        "cycles.read",
        "cycles.prepare",
        "reports.read",
        "reports.import",
        "changes.read",
        "accounts.read",
        "rates.read",
        "people.register",
    ),
}
"""What each role may do, and how far that reaches. Nothing else is permitted."""

COMMANDS: dict[Permission, tuple[str, ...]] = {
    "support.decide": (
        "open",
        "offer-direct-payment",
        "sign-agreement",
        "close",
        "agree-allocation",
        "revise-allocation",
        "end-allocation",
        "switch-to-provided-services",
        "resume-direct-payment",
        "open-estate-case",
        "hold-service-fund",
        "appoint-representative",
        "end-representative",
    ),
    "payments.hold": ("suspend-payments", "propose-resumption", "resume-payments"),
    "contributions.assess": (
        "assess-contribution",
        "invoice-contribution",
    ),
    "returns.submit": ("submit-spend-return",),
    "returns.check": ("request-spend-return", "query-spend-return", "accept-spend-return"),
    "payees.propose": ("propose-managed-account", "withdraw-payee"),
    "payees.verify": ("verify-payee",),
    "money.record": (
        "receive-contribution",
        "propose-clawback",
        "notify-clawback",
        "dispute-clawback",
        "receive-clawback",
        "receive-service-fund",
        "cap-recovery",
        "return-payment",
        "refund-payment",
    ),
    "money.decide": ("confirm-clawback", "waive-clawback", "decide-estate-case"),
    "consent.give": ("grant-access", "revoke-access"),
    "interests.declare": ("declare-interest", "end-interest"),
}
"""Which permission each command of a personal budget needs."""

NEEDED: dict[str, Permission] = {
    name: permission for permission, names in COMMANDS.items() for name in names
}
"""The same by command."""
