"""The HTTP API holds to its own description, whatever is sent to it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from conftest import Gateway
from voxway.catalog.files import shipped
from voxway.http.providers import OPERATIONS

EXAMPLES = 25  # of each operation
MODELS = {"tts": "local/hibari:en", "stt": "local/moonshine:tiny-en"}
# It cannot read the schema of a pair at the top (4.32): see test_documents.
PATHS = sorted(OPERATIONS.keys() - {"/v1/models/{model}"})
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

schemathesis.openapi.media_type("audio/*", st.binary(max_size=2000))


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_api_is_as_described(gateway: Gateway, mode: GenerationMode) -> None:
    ours = [o for o in operations(gateway) if o.path not in OPERATIONS]
    assert len(ours) >= 8
    for operation in ours:
        if operation.body or mode is GenerationMode.POSITIVE:  # a GET has nothing to be wrong
            check(operation, mode)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", PATHS)
def test_the_endpoints_of_providers_are_as_described(
    dev: Gateway, path: str, mode: GenerationMode
) -> None:
    [operation] = [o for o in operations(dev) if o.path == path]
    check(operation, mode)


def operations(gateway: Gateway) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{gateway.http}/openapi.json")
    return [r.ok() for r in schema.get_all_operations() if isinstance(r, Ok)]


def check(operation: Any, mode: GenerationMode) -> None:
    known = {entry.model.id for entry in shipped()}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def requests(case: Any) -> None:
        model = str(case.path_parameters.get("model", ""))
        # Mostly one that can be used; the rest are strange ids.
        if model and (len(model) % 4 or model in known):
            case.path_parameters["model"] = MODELS[case.path.split("/")[-2]]
        case.headers.pop("X-Slng-Provider-Key", None)  # nobody else is to be called
        # In a form a number is text like any other: there it is no wrong type.
        is_form = str(case.media_type or "").startswith("multipart/")
        checks = [c for c in CHECKS if not (is_form and c.__name__ == "negative_data_rejection")]
        case.call_and_validate(headers={"Authorization": "Bearer test-local"}, checks=checks)

    requests()
