"""The document is made from what is served, and what is served is what it says: fuzzed with schemathesis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from offhook.gateway.interface import Limits
from offhook.gateway.openapi import BASE, OPERATIONS, PROBLEMS, document, page
from offhook.switch.server import Switch
from offhook.testing.desk import Desk

EXAMPLES = int(os.environ.get("OFFHOOK_EXAMPLES", "15"))
CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def test_every_operation_is_there_with_its_problems() -> None:
    made = document()
    for operation in OPERATIONS:
        told = made["paths"][BASE + operation.path][operation.method.lower()]
        assert told["operationId"] == operation.name
        assert {str(operation.status), *map(str, PROBLEMS)} == set(told["responses"])
        assert operation.path in page()
    assert "<script" not in page() and "style=" not in page()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_fuzzed(
    start_gateway: Any, switch: Switch, token_options: dict[str, Any], sign: Callable[..., str], operation: Any
) -> None:
    limits = Limits(requests=1_000_000, agent_burst=1_000_000)
    gateway = await start_gateway(limits, sip=(switch.ws_url,), **token_options)
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=f"http://127.0.0.1:{gateway.port}")
    headers = {"Authorization": f"Bearer {sign(role='service')}"}
    cases = schema[BASE + operation.path][operation.method].as_strategy()
    statuses: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="OFFHOOK_EXAMPLES" not in os.environ,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def fuzz(case: Any) -> None:
        answer = case.call(headers=headers)
        statuses.add(answer.status_code)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    async with Desk(gateway.url) as desk:
        await desk.login("1000", "1234")
        await asyncio.to_thread(fuzz)
        await desk.do("getState")  # it was not disturbed
    assert statuses
