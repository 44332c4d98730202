"""Confirmation of payee: what the simulator answers, and that it is always the same."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.accounts import parse_account_name
from ledger.aggregates.payees import NAME_ANSWERS, SIMULATOR, NameAnswer, answered
from ledger.bank.confirmation_of_payee import AccountKind, NameEnquiry, NameReply, provider
from ledger.errors import UnreadableAccountName


def ask(
    ending: str, name: str = "Ada Nwosu", kind: AccountKind = "personal", roll: str = ""
) -> NameReply:
    """Ask the simulator about an account whose number ends in these digits."""
    simulator = provider("simulator")
    assert simulator is not None
    return simulator.ask(NameEnquiry("999901", f"900000{ending}", name, kind, roll))


SAID: list[tuple[str, AccountKind, str, NameAnswer, str]] = [
    ("01", "personal", "", "match", ""),
    ("80", "business", "", "match", ""),
    ("81", "personal", "", "ANNM", ""),
    ("82", "personal", "", "MBAM", "A NWOSU"),
    ("82", "business", "", "MBAM", "A NWOSU"),
    ("83", "personal", "", "BANM", ""),
    ("83", "business", "", "match", ""),
    ("84", "business", "", "PANM", ""),
    ("84", "personal", "", "match", ""),
    ("85", "personal", "", "BAMM", "A NWOSU"),
    ("85", "business", "", "MBAM", "A NWOSU"),
    ("86", "business", "", "PAMM", "A NWOSU"),
    ("86", "personal", "", "MBAM", "A NWOSU"),
    ("87", "personal", "", "AC01", ""),
    ("88", "personal", "", "ACNS", ""),
    ("89", "personal", "", "OPTO", ""),
    ("90", "personal", "", "CASS", ""),
    ("91", "personal", "", "SCNS", ""),
    ("92", "personal", "", "IVCR", ""),
    ("92", "personal", "D/123-4", "match", ""),
    ("93", "personal", "", "unavailable", ""),
]


@pytest.mark.parametrize(("ending", "kind", "roll", "answer", "name"), SAID)
def test_the_simulator_answers_by_the_last_two_digits(ending, kind, roll, answer, name) -> None:
    assert ask(ending, kind=kind, roll=roll) == NameReply(answer, SIMULATOR, name)


def test_the_simulator_gives_every_answer_there_is() -> None:
    assert {answer for *_, answer, _ in SAID} == set(get_args(NameAnswer)) == NAME_ANSWERS.keys()


def test_an_account_asked_about_in_the_name_that_came_back_is_no_longer_close() -> None:
    for name, close in (("Ada Nwosu", "A NWOSU"), ("Ada", "A ADA"), ("de la Cruz", "D LA CRUZ")):
        assert ask("82", name).name == close
        assert ask("82", close.title()).answer == "match"
        assert ask("85", close).answer == "BANM"


@st.composite
def account_names(draw: st.DrawFn) -> str:
    try:
        return parse_account_name(draw(st.text(min_size=1, max_size=30)))
    except UnreadableAccountName:
        return "Ada Nwosu"


@given(
    account_names(),
    st.integers(0, 99).map("{:02d}".format),
    st.sampled_from(["personal", "business"]),
)
def test_any_name_gets_the_same_answer_twice_and_can_be_put_right(name, ending, kind) -> None:
    reply = ask(ending, name, kind)
    assert ask(ending, name, kind) == reply
    assert bool(reply.name) == (reply.answer in ("MBAM", "BAMM", "PAMM"))
    if reply.name:
        assert ask(ending, reply.name, kind).answer in ("match", "BANM", "PANM")


def test_without_a_service_there_is_nobody_to_ask() -> None:
    assert provider("none") is None


def test_a_simulator_is_never_taken_for_a_bank() -> None:
    assert "a simulator; no bank was asked" in answered("match", SIMULATOR)
    assert answered("ANNM", "Example Bank") == (
        "the name is not that of the account (ANNM, answered by Example Bank)"
    )


def test_an_enquiry_in_a_traceback_shows_nobodys_account() -> None:
    """pytest and loggers print what a failing call was given."""
    shown = f"{NameEnquiry('999901', '90000082', 'Ada Nwosu', 'personal')!r} {ask('82')!r}"
    assert not any(secret in shown.upper() for secret in ("NWOSU", "90000082", "999901"))
