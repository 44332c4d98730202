"""The API's own description, made once from the same Structs that read and write the bodies."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ledger import errors
from ledger.access.guard import needed
from ledger.api import problems as api_problems
from ledger.api.examples import example_of
from ledger.api.problems import MEDIA_TYPE, Fault, Problem
from ledger.errors import Refusal

DESCRIPTION = """
Personal budgets and the payments made from them, as an event-sourced ledger.

**Everybody who asks has signed in,** and may do what their roles permit. A program sends an
access token of the council's identity provider: `Authorization: Bearer ...`. Where
`LEDGER_DEVELOPMENT_SIGN_IN` is set, people on this machine are believed: every request then says
in `X-Acting-As` who asks. That header is believed, not checked, and is for trying things out.

**Every change has a key.** Send a new `Idempotency-Key` with each change and the same one when
you repeat it: the same request again gets the first answer, byte for byte, with
`Idempotency-Replayed: true`; another request with that key gets 409. A refusal recorded
nothing, so the key may be used again. Keys are kept for some days, 30 unless the council says
otherwise; after that a repeated request is a new one.

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
    {"name": "access", "description": "Who acts, who may see how an account stands, who looked."},
    {"name": "payees", "description": "Accounts in full, each look recorded; and who looked."},
    {"name": "providers", "description": "Who holds money for people, and is paid in bulk."},
    {"name": "cycles", "description": "Payment cycles, from preparation to settlement."},
    {"name": "bank reports", "description": "What banks send back, and what is in suspense."},
    {"name": "mass changes", "description": "Many budgets at once: tried, approved, applied."},
    {"name": "accounts", "description": "Accounting periods: closed for good, and their figures."},
    {"name": "refused requests", "description": "What was refused to whom, for auditors."},
    {"name": "health", "description": "Whether the server is alive and ready."},
]
WRITE_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A new key for each change; the same when it is repeated.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,200}$"},
        "example": "7d1f-1",
    },
]
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token that the council's identity provider issued to a program, "
        "for LEDGER_OIDC_AUDIENCE (client credentials).",
    },
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
    "description": "The ETag of what you looked at, or its version: 412 if it has moved on.",
    "schema": {"type": "string", "pattern": '^("[0-9]{1,9}([.][0-9a-f]{16})?"|[*])$'},
    "example": '"7"',
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of answers that you have: 304 if this would be one of them.",
    "schema": {"type": "string"},
}
HEADERS = {
    "X-Request-Id": {
        "description": "The request's number: yours, if it is well formed.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    },
    "RateLimit-Policy": {
        "description": 'How many requests (q) are answered in how many seconds (w): `"actor"` '
        'yours, `"address"` those from where you are.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "How many are left (r) for how many seconds (t).",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "After how many seconds to ask again.",
        "schema": {"type": "integer"},
    },
    "Link": {
        "description": 'Where the next page is (rel="next"), if there is one.',
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "The version and a digest of the answer, for If-Match and If-None-Match.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true`: this is the first answer to that key again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
EXAMPLES = {
    "[A-Z0-9/-]{1,20}": "PB1",
    "[A-Z0-9-]{1,20}": "C1",
    "[0-9a-f]{32}": "0123456789abcdef0123456789abcdef",
}
"""Of a reference in an address, by the letters it may have."""
PLACES = {
    "reference": "A reference: of a budget, a cycle, a mass change, a report, a person, a payee.",
    "payment": "The reference of a payment.",
    "letter": "The reference of a letter.",
    "provider": "The reference of a provider.",
}
OPEN_PROBLEMS = (400, 403, 422, 431, 500, 503)
READ_PROBLEMS = (400, 401, 403, 404, 422, 429, 431, 500, 503)
WRITE_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 431, 500, 503)

_structs: dict[str, type[msgspec.Struct]] = {}


def schema_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to a Struct's schema, which is then among the components."""
    known = _structs.setdefault(struct.__name__, struct)
    assert known is struct, f"two shapes are named {struct.__name__}"
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def reads(
    struct: type[msgspec.Struct], *, missing: bool = True, open_to_all: bool = False
) -> dict[str, Any]:
    """How a question and its answer are described; `missing`: it may be 404."""
    usual = OPEN_PROBLEMS if open_to_all else READ_PROBLEMS
    statuses = [status for status in usual if missing or status != HTTPStatus.NOT_FOUND]
    described: dict[str, Any] = {
        "responses": {200: _json(struct, "The answer."), **problems(*statuses)}
    }
    if "version" in struct.__struct_fields__:
        described["responses"][304] = {"description": "You have this answer already."}
        described["openapi_extra"] = {"parameters": [IF_NONE_MATCH]}
    return described


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
    return {status: {"description": _codes(status), "content": content} for status in statuses}


def _codes(status: int) -> str:
    """The refusals with a status, by their codes."""
    refusals = [*vars(errors).values(), *vars(api_problems).values()]
    codes = {
        refusal.code
        for refusal in refusals
        if isinstance(refusal, type) and issubclass(refusal, Refusal) and refusal.status == status
    } - {Refusal.code}
    return f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in sorted(codes))}."


def _json(struct: type[msgspec.Struct], description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(struct)}}
    return {
        "description": description,
        "content": content,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"}
            for name, field in (("ETag", "version"), ("Link", "next_after"))
            if field in struct.__struct_fields__
        },
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
    made["components"]["headers"] = HEADERS
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(route, made["paths"][route.path_format][method.lower()], components)
    return msgspec.json.encode(made)


def _complete(route: APIRoute, operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Add what goes for every operation, and what its route and its body's shape say."""
    permission = needed(route)
    operation["security"] = [{name: []} for name in SECURITY] if permission else []
    if permission:
        operation["description"] += f"\n\nNeeds the permission `{permission}`."
        operation["x-permission"] = permission
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            name = parameter["name"]
            parameter["description"] = PLACES.get(name, "")
            letters = route.param_convertors[name].regex
            if letters in EXAMPLES:
                parameter["schema"]["pattern"] = f"^{letters}$"
                parameter["example"] = EXAMPLES[letters]
    for body in operation.get("requestBody", {"content": {}})["content"].values():
        if "$ref" in body["schema"]:
            body["example"] = example_of(body["schema"], components)
    changes = "requestBody" in operation
    names = ["X-Request-Id", *(("RateLimit-Policy", "RateLimit") if permission else ())]
    for status, answer in operation["responses"].items():
        waits = ["Retry-After"] if status in ("429", "503") else []
        replayed = ["Idempotency-Replayed"] if status in ("200", "201") and changes else []
        for name in (*names, *waits, *replayed):
            answer.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}
