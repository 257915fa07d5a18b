"""What holds for every HTTP request."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from offhook.gateway import rest, static
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


async def test_what_a_client_wrote_of_itself_is_not_believed_in_a_line_of_its_own(start_gateway: Any) -> None:
    """HAProxy's `option forwardfor` adds a line and leaves the client's own above it."""
    gateway = await start_gateway(Limits(requests=2, requests_per_second=0.001), trusted_proxy=("127.0.0.1",))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session:
        statuses = []
        for number in range(3):
            lines = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.7")]
            async with session.get("/api/", headers=lines) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 429]


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


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /cti HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"secret" * 2000 + b"\r\n\r\n",
        b"GET /" + b"secret" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nsecret with spaces: 1\r\n\r\n",
    ],
    ids=["header", "path", "name"],
)
async def test_what_is_no_request_leaves_no_trace_of_it(
    start_gateway: Any, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    gateway = await start_gateway()
    caplog.set_level("INFO")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request_)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    assert head.split()[1] == b"400" and b"secret" not in body
    lines = head.decode().split("\r\n")
    for name, value in static.SECURITY_HEADERS.items():
        assert f"{name}: {value}" in lines
    assert any(line.startswith("Content-Security-Policy: default-src 'none'") for line in lines)
    assert "secret" not in caplog.text and "Traceback" not in caplog.text
    assert [record.name for record in caplog.records if "refused" in record.message] == ["offhook.gateway.front"]
