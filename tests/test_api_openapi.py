"""The API describes itself: every route, its body, its answer and its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from ledger.api import NOUNS, create_app
from ledger.commands import BUDGET_COMMANDS
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
    assert len(routed) == len(BUDGET_COMMANDS) + 52
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
        assert {"403", "422", "500", "503"} <= refusals.keys(), where
        assert all(refusal["content"] == problem for refusal in refusals.values()), where
        assert all(answers[status].get("content") for status in answers.keys() - refusals), where
        if method != "GET":
            assert {"400", "404", "409", "413"} <= refusals.keys(), where
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
                    yield inner.removeprefix("#/components/schemas/")
                yield from named(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from named(inner)

    schemas = described["components"]["schemas"]
    assert set(named(described)) <= schemas.keys()
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
