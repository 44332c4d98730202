"""The API against its own description, by requests that a machine makes up from it.

Some fit the description and some break it in one place. Whatever comes: no failure inside, no
status, header or body that is not described, and nothing taken that the description forbids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api import Api, an_api, approve, make_payable, open_budget, prepare

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 3
THERE = {"/cycles/": "C2026-01", "/payees/": "0" * 32, "/people/": "R000001"}
ASKED = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def send(api: Api, case: Any) -> Any:
    """One request as it was made up, by someone who may do everything; about what is there, if
    it is well meant."""
    if case.meta.generation.mode == GenerationMode.POSITIVE and "reference" in case.path_parameters:
        there = [known for part, known in THERE.items() if part in case.path]
        case.path_parameters["reference"] = there[0] if there else "PB000001"
    asked = case.as_transport_kwargs(base_url="http://localhost")
    headers = {name: text.encode("latin-1", "replace") for name, text in asked["headers"].items()}
    body = {}
    if "json" in asked:
        body = {"json": asked["json"]}
    elif asked.get("data") is not None:
        body = {"content": asked["data"]}
    return api.client.request(
        asked["method"],
        asked["url"],
        params=asked.get("params"),
        headers={**headers, "X-Acting-As": b"ann"},
        **body,
    )


def without_security(document: dict[str, Any]) -> dict[str, Any]:
    """Who may do what has tests of its own."""
    del document["components"]["securitySchemes"]
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security")
    return document


@pytest.mark.timeout(300)
def test_the_api_is_as_it_is_described(database_url: str, tmp_path: Path):
    with an_api(database_url, tmp_path) as api:
        make_payable(api)
        open_budget(api, "PB000002", "R000002")
        prepare(api).done(201)
        approve(api).done()
        schema = schemathesis.openapi.from_dict(without_security(api.get("/v1/openapi.json").json))
        tried = 0
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            modes = [GenerationMode.POSITIVE]
            if operation.definition.raw.get("parameters"):
                modes.append(GenerationMode.NEGATIVE)
            for mode in modes:

                @seed(20260406)
                @ASKED
                @given(case=operation.as_strategy(generation_mode=mode))
                def try_out(case: Any) -> None:
                    nonlocal tried
                    tried += 1
                    case.validate_response(send(api, case), checks=CHECKS)

                try_out()
        assert tried > 400
