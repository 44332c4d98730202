"""The API's own description, made once from the same Structs that read and write the bodies."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ledger.access.guard import needed
from ledger.api.problems import MEDIA_TYPE, Fault, Problem

DESCRIPTION = """
Personal budgets and the payments made from them, as an event-sourced ledger.

**Everybody who asks has signed in,** and may do what their roles permit. Where
`LEDGER_DEVELOPMENT_SIGN_IN` is set, people on this machine are believed: every request then says
in `X-Acting-As` who asks. That header is believed, not checked, and is for trying things out.

**Every change has a key.** Send a new `Idempotency-Key` with each change and the same one when
you repeat it: the same request again gets the first answer, byte for byte, with
`Idempotency-Replayed: true`; another request with that key gets 409. A refusal recorded
nothing, so the key may be used again.

**Two dates.** `effective_on` is when a fact takes effect; when it was recorded is noted by the
server. Questions can be asked as of a day (`on`) and as known at a moment (`known_at`).

**Money is whole pence**, as a JSON integer: £310.00 is `31000`; `310.0` and `"310"` are refused.

**Refusals** are problem details (RFC 9457): `code` names the rule and never changes, `detail`
is a sentence, `retryable` says that the same request may succeed if it is simply made again.
"""
TAGS = [
    {"name": "budgets", "description": "Personal budgets: where each stands, and its history."},
    {"name": "budget commands", "description": "What can be said of a personal budget."},
    {"name": "financial assessments", "description": "What people can contribute, and why."},
    {"name": "letters", "description": "Letters and remittance advices, and where each stands."},
    {"name": "people", "description": "Who people are; sealed, and never sent back."},
    {"name": "payees", "description": "Accounts in full, each look recorded; and who looked."},
    {"name": "cycles", "description": "Payment cycles, from preparation to settlement."},
    {"name": "bank reports", "description": "What banks send back, and what is in suspense."},
    {"name": "mass changes", "description": "Many budgets at once: tried, approved, applied."},
    {"name": "accounts", "description": "Accounting periods: closed for good, and their figures."},
    {"name": "health", "description": "Whether the server is alive and ready."},
]
WRITE_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A new key for each change; the same when it is repeated.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
]
SECURITY = {
    "believed": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Acting-As",
        "description": "Who asks, without proof: with LEDGER_DEVELOPMENT_SIGN_IN, on this machine.",
    },
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": 'The version you looked at, such as "7": 412 if it has moved on.',
    "schema": {"type": "string"},
}
READ_PROBLEMS = (401, 403, 404, 422, 500, 503)
WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 422, 500, 503)

_structs: dict[str, type[msgspec.Struct]] = {}


def schema_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to a Struct's schema, which is then among the components."""
    known = _structs.setdefault(struct.__name__, struct)
    assert known is struct, f"two shapes are named {struct.__name__}"
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def reads(struct: type[msgspec.Struct], *, missing: bool = True) -> dict[str, Any]:
    """How a question and its answer are described; `missing`: it may be 404."""
    statuses = READ_PROBLEMS if missing else tuple(s for s in READ_PROBLEMS if s != 404)
    return {"responses": {200: _json(struct, "The answer."), **problems(*statuses)}}


def writes(
    struct: type[msgspec.Struct],
    body: type[msgspec.Struct],
    *,
    if_match: bool = False,
    created: str = "",
) -> dict[str, Any]:
    """How a change, its body and its answer are described."""
    responses = {200: _json(struct, "It is so, whether recorded now or before.")}
    if created:
        responses[201] = _json(struct, created)
    statuses = (*WRITE_PROBLEMS, *([412] if if_match else []))
    content = {"application/json": {"schema": schema_of(body)}}
    return {
        "responses": {**responses, **problems(*sorted(statuses))},
        "openapi_extra": {
            "parameters": [*WRITE_HEADERS, *([IF_MATCH] if if_match else [])],
            "requestBody": {"required": True, "content": content},
        },
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals a route may give."""
    content = {MEDIA_TYPE: {"schema": schema_of(Problem)}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def _json(struct: type[msgspec.Struct], description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(struct)}}
    return {
        "description": description,
        "content": content,
        "headers": {
            "ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}
        }
        if "version" in struct.__struct_fields__
        else {},
    }


@lru_cache(maxsize=1)
def described(app: FastAPI) -> bytes:
    """The whole description, OpenAPI 3.1 in JSON."""
    schema_of(Fault)
    made = get_openapi(
        title="Personal budget ledger",
        version="1",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
    )
    _, components = msgspec.json.schema_components(
        _structs.values(), ref_template="#/components/schemas/{name}"
    )
    made.setdefault("components", {}).setdefault("schemas", {}).update(components)
    made["components"]["securitySchemes"] = SECURITY
    for route in app.routes:
        if isinstance(route, APIRoute) and (permission := needed(route)):
            for method in route.methods or ():
                operation = made["paths"][route.path_format][method.lower()]
                operation["description"] += f"\n\nNeeds the permission `{permission}`."
                operation["security"] = [{name: []} for name in SECURITY]
    return msgspec.json.encode(made)
