"""Who may do what: every route against every role, and whose budgets a role reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from fastapi.routing import APIRoute

from ledger.access.guard import guard, needed, needs
from ledger.access.roles import (
    COMMANDS,
    GRANTED,
    NEEDED,
    PERMISSIONS,
    ROLES,
    STAFF,
    Permission,
    Role,
)
from ledger.access.users import DEVELOPMENT, Actor, User, record_user
from ledger.api import NOUNS
from ledger.commands import BUDGET_COMMANDS
from tests.api import BUDGET, Api, an_api, make_payable, open_budget

MOMENT = datetime(2026, 4, 1, 9, tzinfo=UTC)
ROUTES = [
    (method, route)
    for noun in NOUNS
    for route in noun.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with a user for each role; the recipient's own budget is the first."""
    folder: Path = tmp_path_factory.mktemp("roles")
    with an_api(f"sqlite:///{folder / 'ledger.db'}", folder) as api:
        make_payable(api)
        open_budget(api, "PB000002", "R000002")
        for role in ROLES:
            outside = role in ("recipient", "representative")
            api.add_user(role, role, person_reference="R000001" if outside else "")
        yield api


def ask(api: Api, method: str, route: APIRoute, by: str, reference: str = "PB000002") -> str:
    """The code of what someone is refused; nothing if they are not."""
    headers = {"Idempotency-Key": f"{by} {method} {route.path}"} | (
        {"X-Acting-As": by} if by else {}
    )
    answer = api.request(method, address(route, reference), headers=headers)
    return "" if answer.status < 400 else str(answer["code"])


def address(route: APIRoute, reference: str) -> str:
    payee = "payee}" in route.path
    path = route.path_format.replace("{reference}", "0" * 32 if payee else reference)
    return re.sub(r"\{[a-z]+\}", "X1", path)


# --- the table ----------------------------------------------------------------------------


def test_every_command_of_a_budget_needs_a_permission_and_no_other_is_named():
    assert NEEDED.keys() == BUDGET_COMMANDS.keys()
    assert sum(map(len, COMMANDS.values())) == len(NEEDED), "each once"


def test_every_permission_is_explained_and_someone_has_it():
    assert PERMISSIONS.keys() == set(get_args(Permission))
    assert GRANTED.keys() == ROLES.keys() == set(get_args(Role))
    granted = {permission for role in GRANTED.values() for permission in role}
    assert granted == set(get_args(Permission))


def test_no_role_may_both_prepare_and_approve():
    for role, permissions in GRANTED.items():
        assert not {"cycles.prepare", "cycles.approve"} <= permissions.keys(), role
        assert not {"changes.prepare", "changes.approve"} <= permissions.keys(), role
        assert not {"payees.propose", "payees.verify"} <= permissions.keys(), role


def test_an_auditor_changes_nothing_and_nobody_outside_reaches_further_than_their_own():
    changing = {p for p in PERMISSIONS if not p.endswith((".read", ".find", ".look"))}
    assert not changing & GRANTED["auditor"].keys()
    for role in ("recipient", "representative"):
        assert set(GRANTED[role].values()) == {"own"}
    assert GRANTED["support_service"].keys() == {"status.check"}


def test_a_machine_decides_nothing():
    assert not any(
        p.endswith((".approve", ".verify", ".decide", ".look", ".manage", ".erase"))
        for p in GRANTED["machine_client"]
        if p != "support.decide"
    )


# --- route by route -----------------------------------------------------------------------


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=lambda p: getattr(p, "path_format", p))
def test_a_route_is_for_those_whose_role_has_what_it_needs(api, method, route):
    """Who may gets past the guard, whatever comes of it then; who may not is refused by it."""
    permission = needed(route)
    for role in ROLES:
        reach = "all" if permission is None else GRANTED[role].get(permission)
        refused = ask(api, method, route, by=role)
        if reach == "all":
            assert refused not in ("not-signed-in", "not-permitted"), role
        elif reach == "own" and "/budgets/{" in route.path:
            assert refused == "budget-not-found", f"{role}: somebody else's is not there"
            own = ask(api, method, route, by=role, reference="PB000001")
            assert own not in ("not-signed-in", "not-permitted", "budget-not-found"), role
        else:
            assert refused == "not-permitted", role


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=lambda p: getattr(p, "path_format", p))
def test_a_route_is_for_nobody_who_has_not_signed_in(api, method, route):
    refused = ask(api, method, route, by="")
    assert refused == ("" if needed(route) is None else "not-signed-in")


def test_a_route_that_says_nothing_is_no_route():
    route = APIRoute("/", lambda: None)
    with pytest.raises(AttributeError, match="needs"):
        guard([route], lambda _request: Actor("ann", STAFF))
    guard([APIRoute("/", needs(None)(lambda: None))], lambda _request: Actor("ann", STAFF))


# --- users --------------------------------------------------------------------------------


def test_who_is_disabled_is_nobody(api):
    api.add_user("gone", "auditor")
    api.ask(BUDGET, by="gone").done()
    user = User(issuer=DEVELOPMENT, subject="gone", name="gone", is_disabled=True)
    record_user(api.ledger, user, MOMENT, "sue")
    api.ask(BUDGET, by="gone").refused("not-signed-in", 401)


def test_two_roles_together_reach_as_far_as_the_further_one(api):
    api.add_user("both", "recipient", "auditor", person_reference="R000001")
    api.ask("/v1/budgets/PB000002", by="both").done()


def test_a_budget_beyond_ones_own_is_as_if_it_were_not_there(api):
    foreign = api.ask("/v1/budgets/PB000002", by="recipient").refused("budget-not-found", 404)
    missing = api.ask("/v1/budgets/PB999999", by="recipient").refused("budget-not-found", 404)
    same = {"detail": None, "instance": None}
    assert {**foreign.json, **same} == {**missing.json, **same}
    assert foreign["detail"].replace("PB000002", "PB999999") == missing["detail"]
