"""The API's reference page, made from its own OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docs.markdown import code, page, paragraph, table
from ledger.api import create_app
from ledger.api.openapi import described

_JSON = "application/json"
_PLAIN = {"The answer.", "It is so, whether recorded now or before."}


def api_page(codes_by_status: Mapping[int, Sequence[str]]) -> str:
    """Routes by noun, with what each takes and gives; then every shape; then refusals."""
    description = json.loads(described(create_app()))
    parts = [
        description["info"]["description"].strip(),
        "The same as OpenAPI 3.1 is at `/v1/openapi.json`. "
        "[How to use the API](../how-to/use-the-api.md) has examples.",
    ]
    for tag in description["tags"]:
        parts += [f"## {tag['name'].capitalize()}", tag["description"]]
        for path, methods in description["paths"].items():
            for method, route in methods.items():
                if tag["name"] in route["tags"]:
                    parts += _route(f"{method.upper()} {path}", route, description)
    parts.append("## What answers hold")
    bodies = _bodies(description["paths"])
    for name, schema in sorted(description["components"]["schemas"].items()):
        if name in bodies:
            continue
        fields = table(("Field", "What it is", "If left out"), _fields(schema))
        parts += [f"### {name}", paragraph(schema.get("description")), fields]
    parts += [
        "## Refusals by status",
        "What each of them means is in [refusals](refusals.md).",
        table(
            ("Status", "Codes"),
            [(status, ", ".join(map(code, codes))) for status, codes in codes_by_status.items()],
        ),
    ]
    return page("The API", *parts)


def _route(title: str, route: dict[str, Any], description: dict[str, Any]) -> Iterator[str]:
    yield f"### {title}"
    summary, more = route["summary"].strip(), route.get("description", "").strip()
    yield paragraph(more if more.startswith(summary) else f"{_sentence(summary)} {more}")
    asked = [p for p in route.get("parameters", ()) if p["in"] == "query"]
    if asked:
        rows = [(code(p["name"]), p.get("description") or _kind(p["schema"])) for p in asked]
        yield table(("In the address", "What it is"), rows)
    headers = [p for p in route.get("parameters", ()) if p["in"] == "header"]
    if headers:
        optional = {True: "", False: " (optional)"}
        yield f"Headers: {', '.join(code(p['name']) + optional[p['required']] for p in headers)}."
    body = route.get("requestBody", {"content": {}})["content"]
    if body and _JSON not in body:
        yield f"Body: {', '.join(map(code, body))}."
    elif body:
        name = _name_of(body[_JSON]["schema"])
        schema = description["components"]["schemas"][name]
        if schema.get("description") and schema["description"].strip() not in (more, summary):
            yield paragraph(f"Body: {schema['description']}")
        yield table(("Field", "What it is", "If left out"), _fields(schema))
    yield _answers(route["responses"])


def _answers(responses: dict[str, Any]) -> str:
    refused = [status for status in responses if not status.startswith("2")]
    given = []
    for status, response in responses.items():
        schema = response.get("content", {}).get(_JSON, {}).get("schema")
        if status.startswith("2"):
            what = _kind(schema) if schema else _sentence(response["description"]).rstrip(".")
            plain = response["description"] in _PLAIN or not schema
            given.append(f"{status}, {what}" + ("" if plain else f" ({response['description']})"))
    return f"Answers: {'; '.join(given)}. Refusals: {', '.join(refused)}."


def _bodies(paths: dict[str, Any]) -> set[str]:
    """The shapes that only requests hold; each is shown where it is asked for."""
    routes = [route for methods in paths.values() for route in methods.values()]
    return {
        _name_of(route["requestBody"]["content"][_JSON]["schema"])
        for route in routes
        if _JSON in route.get("requestBody", {"content": {}})["content"]
    }


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _name_of(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _fields(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    required = schema.get("required", ())
    return [
        (code(name), _kind(field, name), "" if name in required else _default(field))
        for name, field in schema.get("properties", {}).items()
    ]


def _default(field: dict[str, Any]) -> str:
    return code(json.dumps(field["default"])) if "default" in field else ""


def _kind(schema: dict[str, Any], name: str = "") -> str:
    """What a field holds, in words."""
    if "$ref" in schema:
        found = _name_of(schema)
        return f"[{found}](#{found.lower()})"
    if "enum" in schema:
        return ", ".join(map(code, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_kind(one, name) for one in schema["anyOf"])
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"pair: {' and '.join(_kind(one) for one in schema['prefixItems'])}"
        return f"list: {_kind(schema.get('items') or {}, name)}"
    return _plain(schema, name)


def _plain(schema: dict[str, Any], name: str) -> str:
    kind = schema.get("type", "anything")
    if kind == "integer":
        return "whole pence" if name.endswith("_pence") else "whole number"
    if kind == "string":
        return {"date": "day", "date-time": "moment"}.get(schema.get("format", ""), "text")
    return "true or false" if kind == "boolean" else str(kind)
