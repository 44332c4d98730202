"""The API describes itself: every route, its body, its answer and its refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from ledger import errors
from ledger.access.roles import PERMISSIONS
from ledger.api import NOUNS, create_app
from ledger.commands import BUDGET_COMMANDS
from ledger.errors import Refusal
from tests.api import Api, an_api


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    with an_api(sqlite_url, tmp_path) as api:
        yield api


@pytest.fixture
def described(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = api.get("/v1/openapi.json").done().json
    return document


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_described(described: dict[str, Any]) -> None:
    routed = {
        (method, route.path_format)
        for noun in NOUNS
        for route in noun.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routed == {(method, path) for method, path, _ in operations(described)}
    assert len(routed) == len(BUDGET_COMMANDS) + 74
    for command in BUDGET_COMMANDS:
        assert ("POST", f"/v1/budgets/{{reference}}/{command}") in routed


def test_every_route_says_what_it_is_for_and_what_it_refuses(described: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in described["tags"]}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for method, path, operation in operations(described):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert set(operation["tags"]) <= tags, where
        answers = operation["responses"]
        refusals = {status: answer for status, answer in answers.items() if status >= "4"}
        assert {"400", "403", "422", "431", "500", "503"} <= refusals.keys(), where
        assert all(refusal["content"] == problem for refusal in refusals.values()), where
        given = answers.keys() - refusals - {"304"}
        assert all(answers[status].get("content") for status in given), where
        if method != "GET":
            assert {"404", "409", "413", "415"} <= refusals.keys(), where
            headers = [p["name"] for p in operation["parameters"] if p["in"] == "header"]
            assert headers[:1] == ["Idempotency-Key"], where
            assert operation["security"], where
            assert ("If-Match" in headers) == ("412" in refusals), where
            assert operation["requestBody"]["required"], where


def test_every_schema_that_is_named_is_there(described: dict[str, Any]) -> None:
    def named(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "$ref":
                    yield inner.removeprefix("#/components/")
                yield from named(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from named(inner)

    schemas = described["components"]["schemas"]
    parts = described["components"].items()
    assert set(named(described)) <= {f"{part}/{name}" for part, names in parts for name in names}
    assert not any(name.endswith("HTTPValidationError") for name in schemas)


def test_money_is_an_integer_and_bodies_are_closed(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    body = schemas["SubmitSpendReturn"]
    assert body["additionalProperties"] is False
    assert body["required"][0] == "effective_on" or "effective_on" in body["required"]
    assert body["properties"]["effective_on"] == {"type": "string", "format": "date"}
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if name.endswith("_pence"):
                kinds = (
                    [field.get("type")]
                    if "type" in field
                    else [part.get("type") for part in field["anyOf"]]
                )
                assert set(kinds) <= {"integer", "null"}, name


def test_the_description_says_that_acting_as_is_for_trying_out(described: dict[str, Any]) -> None:
    assert "trying things out" in described["info"]["description"]
    assert described["openapi"].startswith("3.1")


def test_making_an_application_opens_nothing(tmp_path: Path) -> None:
    create_app()  # the ledger is opened when the server starts


# --- complete -----------------------------------------------------------------------------


def test_every_route_says_who_may(described: dict[str, Any]) -> None:
    open_to_all = set()
    for method, path, operation in operations(described):
        permission = operation.get("x-permission")
        if permission is None:
            assert operation["security"] == []
            open_to_all.add(path)
        else:
            assert permission in PERMISSIONS
            assert f"`{permission}`" in operation["description"], (method, path)
            named = {name for one in operation["security"] for name in one}
            assert named == described["components"]["securitySchemes"].keys()
            assert {"401", "429"} <= operation["responses"].keys(), (method, path)
    assert open_to_all == {"/health", "/ready"}


def test_every_refusal_is_named_and_every_answer_has_a_number(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"], (method, path)
            assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))
            if status >= "4":
                assert re.match(r"[\w '-]+: `[a-z-]+`", answer["description"]), answer
    codes = {
        code
        for _, _, operation in operations(described)
        for answer in operation["responses"].values()
        for code in re.findall(r"`([a-z0-9-]+)`", answer["description"])
    }
    kept = {r.code for r in vars(errors).values() if isinstance(r, type) and issubclass(r, Refusal)}
    assert kept - codes <= {"refused"}


def test_every_place_in_an_address_is_described(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (method, path, parameter["name"])
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_every_body_has_an_example_that_is_read(api: Api, described: dict[str, Any]) -> None:
    """Whatever rule refuses it then: the field and the kind of everything in it are right."""
    seen = 0
    for method, path, operation in operations(described):
        for kind, body in operation.get("requestBody", {"content": {}})["content"].items():
            if kind != "application/json":
                continue
            payee, seen = "/payees/" in path, seen + 1
            address = path.replace("{reference}", "0" * 32 if payee else "C1")
            answer = api.write(method, address, body["example"])
            assert answer.status < 500
            assert answer.status < 400 or answer["code"] not in (
                "body-invalid", "body-unreadable", "invalid-value", "media-type-not-taken",
            ), (path, body["example"], answer.content)  # fmt: skip
    assert seen > len(BUDGET_COMMANDS)
