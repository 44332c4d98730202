"""An example of each body, made from its own schema, so that it is never out of date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_DAYS = {
    "starts_on": "2026-04-06",
    "ends_on": "2026-05-03",
    "pay_on": "2026-04-02",
    "due_on": "2026-08-05",
    "date_of_birth": "1951-03-02",
    "date": "2026-04-06",
    "date-time": "2026-04-06T09:30:00Z",
}
_TEXTS = {
    "account_name": "ADA NWOSU",
    "account_number": "31926819",
    "address": "12 Mill Lane",
    "assessment_reference": "FA1",
    "budget_reference": "PB1",
    "clawback_reference": "CB1",
    "cost_centre": "S4100",
    "email": "ada@example.org",
    "invoice_reference": "INV1",
    "kind": "reassess",
    "line_reference": "care",
    "line_references": "care",
    "lines_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "name": "Ada Nwosu",
    "need": "personal_care",
    "only": "PB1",
    "organisation_reference": "OPENDOOR",
    "payee_reference": "0123456789abcdef0123456789abcdef",
    "payment_reference": "C1-PB1",
    "person_reference": "R2",
    "provider_reference": "SUNRISE",
    "recipient_reference": "R1",
    "release": "PB1",
    "return_reference": "SR1",
    "sort_code": "20-00-00",
    "user_name": "Alice Morgan",
    "template_version": "2026-1",
}
_PENCE = 31_000


def example_of(schema: Schema, schemas: Mapping[str, Schema], name: str = "") -> Any:
    """Something that fits a schema: an object with every field that must be there."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        usual = _TEXTS.get(name)
        return usual if usual in schema["enum"] else schema["enum"][0]
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
        return example_of(kinds[0], schemas, name)
    return _plain(schema, schemas, name)


def _plain(schema: Schema, schemas: Mapping[str, Schema], name: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        return {
            field: example_of(fields[field], schemas, field) for field in schema.get("required", ())
        }
    if kind == "array":
        parts = schema.get("prefixItems") or [schema["items"]]
        return [example_of(part, schemas, name) for part in parts]
    if kind == "integer":
        return _PENCE if name.endswith("_pence") else 1
    if kind == "boolean":
        return False
    days = _DAYS.get(name) or _DAYS.get(schema.get("format", ""))
    return days if "format" in schema else _TEXTS.get(name, "other")
