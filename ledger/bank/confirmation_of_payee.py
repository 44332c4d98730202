"""Confirmation of payee: whether an account is in the name that it is said to be in.

The check is a service that a council contracts for, from its bank or another provider. It is
asked through a port, `ConfirmationOfPayee`; the one that comes with the ledger is a simulator,
for training and tests, which asks nobody. Answers are in the codes of Pay.UK's scheme.
"""

from __future__ import annotations

from typing import Literal, Protocol

from ledger.aggregates.payees import SIMULATOR, NameAnswer
from ledger.private import Private

AccountKind = Literal["personal", "business"]
Provider = Literal["none", "simulator"]


class NameEnquiry(Private, frozen=True):
    """What is asked. Sort code and account number are six and eight digits, and nothing else.

    `roll_number` is what some building societies need (the scheme's secondary reference data),
    or empty.
    """

    sort_code: str
    account_number: str
    account_name: str
    account_kind: AccountKind
    roll_number: str = ""


class NameReply(Private, frozen=True):
    """What was answered, by whom, and the name on the account if it came with the answer."""

    answer: NameAnswer
    checked_with: str
    name: str = ""


class ConfirmationOfPayee(Protocol):
    """Whoever can be asked. It never raises: a service that did not answer is `unavailable`."""

    def ask(self, enquiry: NameEnquiry) -> NameReply:
        """Ask about one account."""


def provider(named: Provider) -> ConfirmationOfPayee | None:
    """The service of a setting, or None where names are not checked. A real one is added here."""
    return Simulator() if named == "simulator" else None


# --- the simulator ----------------------------------------------------------------------------

ALWAYS: dict[str, NameAnswer] = {
    "81": "ANNM",
    "87": "AC01",
    "88": "ACNS",
    "89": "OPTO",
    "90": "CASS",
    "91": "SCNS",
    "93": "unavailable",
}
"""Account numbers with these last two digits always get this answer."""

NEEDS_ROLL_NUMBER = "92"
CLOSE = frozenset({"82", "85", "86"})
KINDS: dict[str, AccountKind] = {
    "83": "business", "84": "personal", "85": "business", "86": "personal",
}  # fmt: skip

_WRONG_KIND: dict[tuple[AccountKind, bool], NameAnswer] = {
    ("business", False): "BANM",
    ("business", True): "BAMM",
    ("personal", False): "PANM",
    ("personal", True): "PAMM",
}


class Simulator:
    """Makes an answer up from the last two digits of the account number, always the same.

    - 81 ANNM, 87 AC01, 88 ACNS, 89 OPTO, 90 CASS, 91 SCNS, 93 unavailable;
    - 92: IVCR, unless a roll number is given;
    - 83: a business account, 84: a personal one (BANM or PANM where the other kind is asked for);
    - 82, 85 and 86: in a close name, of either kind, business, personal (MBAM, BAMM, PAMM);
    - any other: match.

    The close name that comes back is the one asked about in capitals with an initial for its
    first word; asked about that name, the account matches.
    """

    def ask(self, enquiry: NameEnquiry) -> NameReply:
        """Answer for one account; the sort code makes no difference."""
        ending = enquiry.account_number[-2:]
        if ending in ALWAYS:
            return NameReply(ALWAYS[ending], SIMULATOR)
        if ending == NEEDS_ROLL_NUMBER and not enquiry.roll_number:
            return NameReply("IVCR", SIMULATOR)
        name = _with_initial(enquiry.account_name)
        is_close = ending in CLOSE and enquiry.account_name.upper() != name
        kind = KINDS.get(ending, enquiry.account_kind)
        if kind != enquiry.account_kind:
            answer = _WRONG_KIND[kind, is_close]
        else:
            answer = "MBAM" if is_close else "match"
        return NameReply(answer, SIMULATOR, name if is_close else "")


def _with_initial(name: str) -> str:
    """ "Ada Nwosu" and "A Nwosu" are both "A NWOSU"."""
    first, *rest = name.upper().split()
    return " ".join([first[0], *(rest or [first])])
