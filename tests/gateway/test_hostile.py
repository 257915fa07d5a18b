"""Bad input of every kind, to socket and REST: each has its answer, none disturbs another agent, nothing piles up.

A bystander is logged in and is asked after each; the tables of the hub are as they were, and memory has not grown.
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import socket
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import aiohttp
import msgspec
import pytest

from offhook.cti.commands import Command
from offhook.gateway import app as app_module
from offhook.gateway import connection as connection_module
from offhook.gateway import rest as rest_module
from offhook.gateway.app import Gateway
from offhook.gateway.interface import Limits
from offhook.switch.server import Switch
from offhook.testing.desk import Desk, until

MOST_GROWTH = 48 << 20
"""Octets that a test may leave behind, caches and fragments and all."""


@dataclass
class World:
    gateway: Gateway
    sign: Callable[..., str]
    trace: Path
    key: bytes = field(default=base64.b64encode(b"0123456789abcdef"))

    @property
    def port(self) -> int:
        return self.gateway.port

    async def alone(self) -> bool:
        """Nobody but the bystander is connected."""
        return self.gateway.station.hub.connections == 1

    async def raw(self, data: bytes, *, wait: float = 5.0) -> bytes:
        """All that is answered to these octets until the gateway closes; b"" where it says nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            async with asyncio.timeout(wait):
                return await reader.read(1 << 20)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    async def frame(self, data: bytes) -> int | None:
        """The close code after these octets on an open WebSocket; None where it was cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                b"GET /cti HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + self.key + b"\r\n\r\n"
            )
            async with asyncio.timeout(5):
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
                writer.write(data)
                answer = await reader.read(1 << 16)
            return int.from_bytes(answer[2:4], "big") if answer[:1] == b"\x88" else None
        except ConnectionError:
            return None
        finally:
            writer.transport.abort()

    async def http(self, method: str, path: str, *, token: str = "", **more: Any) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **more) as answer:
            return answer.status, await answer.text()

    async def upgrade(self, **headers: str) -> int:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(self.gateway.url, headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as refused:
                return refused.status


def masked_frame(first: int, payload: bytes) -> bytes:
    """A client's frame, its mask all zero."""
    size = len(payload)
    if size < 126:
        return bytes((first, 0x80 | size)) + bytes(4) + payload
    if size < 1 << 16:
        return bytes((first, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes((first, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4) + payload


@pytest.fixture
async def world(
    start_gateway: Any,
    switch: Switch,
    token_options: dict[str, Any],
    sign: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """A gateway with a bystander, who is asked at the end; and nothing is left but it."""
    monkeypatch.setattr(app_module, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(rest_module, "BODY_SECONDS", 0.3)
    trace = tmp_path / "trace"
    limits = Limits(**getattr(request, "param", {}))
    gateway = await start_gateway(
        limits, sip=(switch.ws_url,), sip_trace=str(trace), trusted_proxy=("127.0.0.1",), **token_options
    )
    async with Desk(gateway.url) as bystander:
        await bystander.login("1001", "1234")
        before = resident()
        world = World(gateway, sign, trace)
        yield world
        began = time.monotonic()
        await bystander.do("getState")
        assert time.monotonic() - began < 2
        await until(world.alone, "only the bystander is left")
        assert resident() - before < MOST_GROWTH


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


DEEP = "[" * 60_000
TEXTS: dict[str, tuple[str, str]] = {
    "nothing": ("", "invalid-json"),
    "no JSON": ("hello", "invalid-json"),
    "half of it": ('{"action": "login", "para', "invalid-json"),
    "a list": ("[]", "invalid-command"),
    "a number": ("17", "invalid-command"),
    "null": ("null", "invalid-command"),
    "deep lists": (DEEP, "invalid-json"),
    "deep objects": ('{"a":' * 10_000, "invalid-json"),
    "not a number": ('{"action": NaN}', "invalid-json"),
    "a lone surrogate": ('{"action": "\\ud800"}', "invalid-json"),
    "no action": ("{}", "invalid-command"),
    "action of the wrong type": ('{"action": {"a": 1}}', "invalid-command"),
    "a long action": (json.dumps({"action": "x" * 60_000}), "invalid-command"),
    "an unknown action": ('{"action": "__proto__"}', "unknown-action"),
    "parameter a list": ('{"action": "login", "parameter": [1]}', "invalid-parameter"),
    "a long id": (json.dumps({"action": "login", "id": "x" * 65}), "invalid-parameter"),
    "id of the wrong type": ('{"action": "login", "id": 1}', "invalid-parameter"),
    "no parameters": ('{"action": "login"}', "missing-parameter"),
    "extension of the wrong type": (
        '{"action": "login", "parameter": {"extension": 1000, "password": "x"}}',
        "invalid-parameter",
    ),
    "a header in the extension": (
        json.dumps({"action": "login", "parameter": {"extension": "1\r\nX-Evil: 1", "password": "x"}}),
        "invalid-parameter",
    ),
    "another host in the extension": (
        json.dumps({"action": "login", "parameter": {"extension": "1@evil.example", "password": "x"}}),
        "invalid-parameter",
    ),
    "a zero octet": (
        json.dumps({"action": "login", "parameter": {"extension": "1\0", "password": "x"}}),
        "invalid-parameter",
    ),
    "a long password": (
        json.dumps({"action": "login", "parameter": {"extension": "1000", "password": "x" * 1025}}),
        "invalid-parameter",
    ),
    "a long token": (
        json.dumps({"action": "login", "parameter": {"extension": "1000", "token": "x" * 8193}}),
        "invalid-parameter",
    ),
    "commands without a login": ('{"action": "holdCall", "parameter": {"dialogId": "d"}}', "not-logged-in"),
    "too large": ("x" * 70_000, "too-large"),
}


@pytest.mark.parametrize("name", TEXTS)
async def test_texts(world: World, name: str) -> None:
    text, code = TEXTS[name]
    async with aiohttp.ClientSession() as session, session.ws_connect(world.gateway.url) as socket:
        await socket.send_str(text)
        said = await socket.receive_json(timeout=5)
        assert (said["event"], said["response"]["code"]) == ("Error", code)


FRAMES: dict[str, tuple[bytes, set[int | None]]] = {
    "bad UTF-8": (masked_frame(0x81, b"\xff\xfe"), {1007}),
    "binary": (masked_frame(0x82, b"{}"), {1003}),
    "reserved bits": (masked_frame(0xF1, b"{}"), {1002}),
    "an unknown opcode": (masked_frame(0x83, b"{}"), {1002}),
    "a long ping": (masked_frame(0x89, b"x" * 126), {1002}),
    "a size beyond all": (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + bytes(4), {1009, 1002}),
    "a message in endless pieces": (
        masked_frame(0x01, b"x" * 60_000) + masked_frame(0x00, b"x" * 60_000) * 4,
        {1009},
    ),
    "a continuation of nothing": (masked_frame(0x80, b"{}"), {1002}),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_frames(world: World, name: str) -> None:
    data, codes = FRAMES[name]
    assert await world.frame(data) in codes


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/agents/1001/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
OCTETS: dict[str, tuple[bytes, set[bytes]]] = {
    "silence": (b"", {b""}),
    "half a request": (HEAD, {b""}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", {b"400", b""}),
    "a huge header": (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", {b"400", b"431"}),
    "a thousand headers": (HEAD + b"X: x\r\n" * 1000 + b"\r\n", {b"400", b"431"}),
    "a huge target": (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {b"400", b"414"}),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", {b"400"}),
    "length and chunks": (
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        {b"400"},
    ),
    "a length below zero": (POST + b"Content-Length: -1\r\n\r\n", {b"400"}),
    "a header in two lines": (HEAD + b"X: a\r\n b\r\n\r\n", {b"400", b"200"}),
    "a version that is none": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", {b"400", b"505", b"404", b"302", b""}),
    "a way out": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {b"404", b"400"}),
    "an upgrade without a key": (
        b"GET /cti HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        {b"400", b"426"},
    ),
}


@pytest.mark.parametrize("name", OCTETS)
async def test_octets(world: World, name: str) -> None:
    data, statuses = OCTETS[name]
    answer = await world.raw(data)
    assert (answer.split()[1] if answer else b"") in statuses
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": "https://evil.example", "Host": "evil.example"},
    ],
)
async def test_foreign_origins(world: World, headers: dict[str, str]) -> None:
    assert await world.upgrade(**headers) == 403


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "kid": "desk"}, claims)
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*texts, ""])


FORGED: dict[str, Callable[[World], str]] = {
    "rubbish": lambda world: "a.b.c",
    "unsigned": lambda world: unsigned(
        {"iss": "crm", "aud": "offhook", "exp": time.time() + 60, "extension": "1001", "role": "service"}
    ),
    "changed": lambda world: world.sign("1001")[:-4] + "AAAA",
    "expired": lambda world: world.sign("1001", seconds=-1),
    "another's": lambda world: world.sign("1000"),
    "of another tenant": lambda world: world.sign("1001", tenant="evil"),
    "for REST": lambda world: world.sign("1001", "service"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_tokens(world: World, name: str) -> None:
    token = FORGED[name](world)
    async with Desk(world.gateway.url) as desk:
        for action, more in (("login", {}), ("resume", {"stream": "s", "seq": 0})):
            result = await desk.attempt(action, extension="1001", token=token, **more)
            assert result["error"]["code"] in ("token-refused", "credentials-refused")
            assert result["error"]["type"] == "subscriptionFailed"
    if name not in ("for REST", "another's", "of another tenant"):
        assert (await world.http("GET", "/api/v1/agents", token=token))[0] == 401


async def test_guessed_passwords_slow_the_guesser_alone(world: World) -> None:
    codes = []
    for _ in range(2):
        async with aiohttp.ClientSession() as session:
            headers = {"X-Forwarded-For": "203.0.113.9"}
            async with session.ws_connect(world.gateway.url, headers=headers) as guesser:
                for number in range(4):
                    parameter = {"extension": "1001", "password": f"guess{number}"}
                    await guesser.send_json({"action": "login", "parameter": parameter, "id": "1"})
                    while (said := await guesser.receive_json())["event"] != "commandResult":
                        pass
                    codes.append(said["error"]["code"])
    assert codes == ["credentials-refused"] * 3 + ["login-slowed"] * 5
    async with Desk(world.gateway.url) as desk:  # from another address
        await desk.do("login", extension="1001", password="1234")


@pytest.mark.parametrize("world", [{"burst": 2, "per_second": 0.5, "waiting": 3}], indirect=True)
async def test_a_flood_of_commands(world: World) -> None:
    async with Desk(world.gateway.url) as desk:
        for _ in range(50):
            await desk.send_text("{}")
        await desk.expect("Error", code="too-fast")
        assert await desk.closed() == 1008


@pytest.mark.parametrize("world", [{"agent_burst": 5, "agent_per_second": 0.01}], indirect=True)
async def test_a_flood_from_many_tabs_of_one_agent(world: World) -> None:
    async with Desk(world.gateway.url) as one, Desk(world.gateway.url) as two:
        await one.login("1000", "1234")
        await two.do("login", extension="1000", password="1234")
        codes = []
        for number in range(10):
            result = await (one, two)[number % 2].attempt("getState")
            codes.append((result["error"] or {"code": "done"})["code"])
        assert codes == ["done"] * 5 + ["agent-too-fast"] * 5


@pytest.mark.parametrize("world", [{"connections_per_address": 3}], indirect=True)
async def test_a_flood_of_connections(world: World) -> None:
    codes = []
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(5):
            headers = {"X-Forwarded-For": "203.0.113.9"}
            sockets.append(await session.ws_connect(world.gateway.url, headers=headers))
        for socket in sockets[3:]:
            codes.append((await socket.receive_json())["response"]["code"])
    assert codes == ["too-many-connections"] * 2


@pytest.mark.parametrize("world", [{"burst": 10**6}], indirect=True)
async def test_a_reader_that_does_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_QUEUED_BYTES", 20_000)
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT", 0.2)
    for site in world.gateway._runner.sites:
        server: Any = site._server
        for listening in server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what it accepts inherits it
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", world.port))
    reader, writer = await asyncio.open_connection(sock=slow, limit=1024)
    try:
        writer.write(
            b"GET /cti HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + world.key + b"\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        commands = world.gateway.station.hub.commands
        echoed = masked_frame(0x81, json.dumps({"action": "x" * 60, "id": "y" * 64}).encode())
        async with asyncio.timeout(20):
            while not await world.alone():
                carried_out = commands["unknown"]
                writer.write(echoed)
                await writer.drain()
                while commands["unknown"] == carried_out and not await world.alone():
                    await asyncio.sleep(0)  # the gateway has its turn
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    assert not world.gateway.station.tally.closed, "it was cut for not reading, not for asking too fast"


INJECTED = (
    "5000\r\nX-Evil: 1",
    "5000\nX-Evil: 1",
    "5000>\r\n\r\nINVITE",
    "5000\0",
    "5000?X-Evil=1",
    "5000;evil",
    "\ud83d",
)


def injections() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every text parameter of every command, with all of them in turn."""
    for kind in get_args(Command):
        action = str(kind.__struct_config__.tag)
        names = [one.name for one in msgspec.structs.fields(kind) if one.name not in ("id", "seq", "callVariables")]
        for name in names if action not in ("login", "logout") else ():
            for evil in INJECTED:
                yield action, name, dict.fromkeys(names, "5000") | {name: evil}


@pytest.mark.parametrize("world", [{"burst": 10**6, "agent_burst": 10**6}], indirect=True)
async def test_headers_through_every_parameter(world: World) -> None:
    async with Desk(world.gateway.url) as desk:
        await desk.login("1000", "1234")
        for number, (action, _, parameter) in enumerate(injections()):
            if action in ("resume", "renewToken"):
                parameter |= {"seq": 0, "extension": "1000"}
            command = {"action": action, "parameter": parameter, "id": str(number)}
            await desk.send_text(json.dumps(command))
        assert number > 250
        async with asyncio.timeout(20):
            assert (await desk.attempt("getState"))["status"] == "done"
        await desk.do("logout")
    text = world.trace.read_text(errors="replace")
    assert "REGISTER" in text
    assert not [line for line in text.splitlines() if line.lower().startswith(("x-evil", "invite\r"))]
    addresses = [line for line in text.splitlines() if line.startswith(("INVITE ", "REFER ", "To:", "Refer-To:"))]
    assert addresses
    assert not [line for line in addresses if "evil" in line.lower()]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"data": b"[" * 10_000}, 422),
        ({"data": b'{"number": ' * 1000}, 422),
        ({"data": b'{"number": "\xff"}'}, 400),
        ({"data": b"x" * 20_000}, 413),
        ({"data": b'{"number": 5000}'}, 422),
        ({"data": b'{"number": "5000\\r\\nX-Evil: 1"}'}, 422),
        ({"data": b'{"number": "5000", "callType": "evil"}'}, 422),
        ({"data": b'{"number": "5000", "evil": 1}'}, 422),
        ({"data": b"null"}, 422),
        ({"data": zlib.compress(bytes(50 << 20)), "headers": {"Content-Encoding": "deflate"}}, 413),
    ],
)
async def test_bodies(world: World, more: dict[str, Any], status: int) -> None:
    more["headers"] = {"Content-Type": "application/json"} | more.get("headers", {})
    token = world.sign(role="service")
    got, text = await world.http("POST", "/api/v1/agents/1001/calls", token=token, **more)
    assert got == status
    assert json.loads(text)["status"] == status


async def test_bodies_that_do_not_end(world: World) -> None:
    token = world.sign(role="service").encode()
    head = POST + b"Authorization: Bearer " + token + b"\r\nContent-Type: application/json\r\n"
    slow = await world.raw(head + b"Content-Length: 100\r\n\r\n{")
    assert slow.split()[1] == b"400" and b"too-slow" in slow
    endless = await world.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 0x1000 + b"\r\n" * 9)
    assert endless.split()[1] in (b"400", b"413")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/agents/1%0d%0aX-Evil:1", 422),
        ("GET", "/api/v1/agents/%00", 422),
        ("DELETE", "/api/v1/agents/1001/calls/%2e%2e%2f", 422),
        ("GET", "/api/v1/history?limit=99999999999999999999999", 422),
        ("GET", "/api/v1/history?extension=%ff%fe", 422),
        ("TRACE", "/api/v1/agents", 405),
        ("PROPFIND", "/api/v1/agents", 405),
        ("POST", "/api/../cti", 405),
    ],
)
async def test_paths(world: World, method: str, path: str, status: int) -> None:
    target = path.encode()
    token = world.sign(role="service").encode()
    answer = await world.raw(
        method.encode()
        + b" "
        + target
        + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        + token
        + b"\r\n\r\n"
    )
    assert answer.split()[1] in (str(status).encode(), b"400")
    assert b"\r\nx-evil" not in answer.lower()


def test_they_are_more_than_forty() -> None:
    assert len(TEXTS) + len(FRAMES) + len(OCTETS) + len(FORGED) >= 40
