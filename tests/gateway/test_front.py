"""What holds for every HTTP request."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from offhook.gateway import rest
from offhook.gateway.interface import Limits


async def test_an_address_that_asks_too_often_waits_and_health_does_not(start_gateway: Any) -> None:
    gateway = await start_gateway(Limits(requests=3, requests_per_second=0.001), trusted_proxy=("127.0.0.1",))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session:
        statuses = []
        for _ in range(5):
            async with session.get("/api/") as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 200, 429, 429]
        async with session.get("/api/") as answer:
            assert int(answer.headers["Retry-After"]) > 1
            assert (await answer.json(content_type=None))["code"] == "too-fast"
        async with session.get("/api/", headers={"X-Forwarded-For": "203.0.113.9"}) as answer:
            assert answer.status == 200  # another address
        async with session.get("/healthz") as answer:
            assert answer.status == 200
    assert gateway.station.tally.requests["GET", "429"] == 3


async def test_a_bug_is_a_problem_without_a_trace(start_gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Any, request: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(rest.Rest, "_openapi", broken)
    gateway = await start_gateway()
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session,
        session.get("/api/openapi.json") as answer,
    ):
        assert (answer.status, answer.content_type) == (500, "application/problem+json")
        assert "secret" not in await answer.text()
