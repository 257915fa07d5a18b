"""REST with a switch behind it: who may ask what, what comes of it, and what is answered to rubbish."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from offhook.gateway.app import Gateway
from offhook.switch.server import Switch
from offhook.testing.desk import Desk

Sign = Callable[..., str]


@pytest.fixture
async def gateway(start_gateway: Any, switch: Switch, token_options: dict[str, Any]) -> Gateway:
    made: Gateway = await start_gateway(sip=(switch.ws_url,), **token_options)
    return made


@asynccontextmanager
async def client(gateway: Gateway, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}", headers=headers) as session:
        yield session


async def ask(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with session.request(method, path, **more) as answer:
        if answer.status == 204:
            return 204, None
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return answer.status, await answer.json(content_type=None)


async def test_a_call_is_started_listed_ended_and_remembered(gateway: Gateway, sign: Sign) -> None:
    async with Desk(gateway.url) as desk, client(gateway, sign(role="service")) as service:
        await desk.login("1000", "1234")
        status, started = await ask(service, "POST", "/api/v1/agents/1000/calls", json={"number": "5000"})
        assert (status, started["extension"]) == (201, "1000")
        active = await desk.expect("dialogState", state="ACTIVE")  # the desk sees what the program did
        dialog = active["response"]["dialog"]["id"]
        assert started["id"] in (None, dialog)
        agents = (await ask(service, "GET", "/api/v1/agents"))[1]["agents"]
        assert [(one["extension"], one["registration"], one["desks"]) for one in agents] == [("1000", "IN_SERVICE", 1)]
        calls = (await ask(service, "GET", "/api/v1/calls?extension=1000"))[1]["calls"]
        assert [(one["id"], one["number"], one["state"]) for one in calls] == [(dialog, "5000", "ACTIVE")]
        assert (await ask(service, "GET", "/api/v1/agents/1000"))[1] == agents[0]
        assert await ask(service, "DELETE", f"/api/v1/agents/1000/calls/{dialog}") == (204, None)
        await desk.expect("dialogState", state="DROPPED")
        past = (await ask(service, "GET", "/api/v1/history"))[1]["calls"]
        assert [(one["id"], one["direction"], one["number"]) for one in past] == [(dialog, "outbound", "5000")]
        assert past[0]["answeredAt"] is not None
        status, problem = await ask(service, "DELETE", f"/api/v1/agents/1000/calls/{dialog}")
        assert (status, problem["code"], problem["field"]) == (404, "unknown-dialog", "id")


async def test_roles_and_tenants(gateway: Gateway, sign: Sign) -> None:
    async with Desk(gateway.url) as desk, Desk(gateway.url) as other:
        await desk.login("1000", "1234")
        await other.do("login", extension="1001", password="1234", token=sign("1001", tenant="b"))
        reads = {
            "service": (sign(role="service"), {"1000"}),
            "service of b": (sign(role="service", tenant="b"), {"1001"}),
            "supervisor": (sign("1002", "supervisor"), {"1000"}),
            "agent": (sign("1000"), {"1000"}),
            "another agent": (sign("1002"), set()),
        }
        for name, (token, seen) in reads.items():
            async with client(gateway, token) as session:
                agents = (await ask(session, "GET", "/api/v1/agents"))[1]["agents"]
                assert {one["extension"] for one in agents} == seen, name
        dial = {"number": "5000"}
        async with client(gateway, sign("1002", "supervisor")) as session:
            assert (await ask(session, "POST", "/api/v1/agents/1000/calls", json=dial))[0] == 403
        async with client(gateway, sign("1000")) as session:
            assert (await ask(session, "GET", "/api/v1/history?extension=1001"))[0] == 403
            assert (await ask(session, "POST", "/api/v1/agents/1000/calls", json=dial))[0] == 201
        async with client(gateway, sign(role="service", tenant="b")) as session:
            assert (await ask(session, "POST", "/api/v1/agents/1000/calls", json=dial))[0] == 404
            assert (await ask(session, "GET", "/api/v1/history"))[1] == {"calls": []}


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code", "field"),
    [
        ("GET", "/api/v1/agents/1000", {}, 404, "unknown-agent", "extension"),
        ("GET", "/api/v1/agents/10%2000", {}, 422, "invalid-parameter", "extension"),
        ("GET", "/api/v1/history?limit=0", {}, 422, "invalid-parameter", "limit"),
        ("GET", "/api/v1/history?limit=x", {}, 422, "invalid-parameter", "limit"),
        ("GET", "/api/v1/history?limit=1&limit=2", {}, 422, "invalid-parameter", "limit"),
        ("GET", "/api/v1/history?before=today", {}, 422, "invalid-parameter", "before"),
        ("GET", "/api/v1/calls?nothing=1", {}, 422, "invalid-parameter", "query"),
        ("GET", "/api/v1/nothing", {}, 404, "no-such-path", None),
        ("PUT", "/api/v1/agents", {}, 405, "wrong-method", None),
        ("POST", "/api/v1/agents/1000/calls", {"data": "x"}, 415, "wrong-content-type", "Content-Type"),
        ("POST", "/api/v1/agents/1000/calls", {"json": []}, 422, "invalid-parameter", "body"),
        ("POST", "/api/v1/agents/1000/calls", {"json": {}}, 422, "invalid-parameter", "body"),
        ("POST", "/api/v1/agents/1000/calls", {"json": {"number": "1;x"}}, 422, "invalid-parameter", "number"),
        ("POST", "/api/v1/agents/1000/calls", {"json": {"number": "5000"}}, 404, "unknown-agent", "extension"),
    ],
)
async def test_problems_name_field_and_code(
    gateway: Gateway, sign: Sign, method: str, path: str, more: dict[str, Any], status: int, code: str, field: Any
) -> None:
    async with client(gateway, sign(role="service")) as session:
        got, problem = await ask(session, method, path, **more)
        assert (got, problem["status"], problem["code"], problem.get("field")) == (status, status, code, field)
        assert problem["remedy"]


async def test_what_the_server_refuses_is_told(gateway: Gateway, sign: Sign) -> None:
    async with Desk(gateway.url) as desk, client(gateway, sign(role="service")) as service:
        await desk.login("1000", "1234")
        status, problem = await ask(service, "POST", "/api/v1/agents/1000/calls", json={"number": "*441001"})
        assert (status, problem["code"], problem["field"]) == (422, "monitoring-number", "number")


async def test_without_a_token(gateway: Gateway, start_gateway: Any, sign: Sign) -> None:
    async with client(gateway) as session:
        async with session.get("/api/v1/agents") as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert (await answer.json(content_type=None))["code"] == "token-required"
        async with session.get("/api/") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    async with client(gateway, "forged") as session:
        assert (await ask(session, "GET", "/api/v1/agents"))[1]["code"] == "token-refused"
    async with client(await start_gateway(), sign(role="service")) as session:
        assert (await ask(session, "GET", "/api/v1/agents"))[1]["code"] == "no-token-keys"


async def test_a_stop_answers_who_waits(gateway: Gateway) -> None:
    gateway.rest.close(1001, "")
    assert gateway.station.health()["connections"] == 0
