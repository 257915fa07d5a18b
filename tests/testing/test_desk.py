"""The desk for tests, against a gateway that says what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from offhook.testing.desk import Desk, DeskError, dialogs, summary, until

pytestmark = pytest.mark.foreign

ALERTING = {"event": "newInboundCall", "response": {"dialog": {"id": "7", "state": "ALERTING"}}}
ACTIVE = {"event": "dialogState", "response": {"dialog": {"id": "7", "state": "ACTIVE"}}}
STATS = {"event": "callStats", "response": {"audio": {"levelInDb": -20.0, "packetsReceived": 50}}}

Answers = Callable[[dict[str, Any]], list[dict[str, Any]]]


def result(command: dict[str, Any], status: str = "done", error: Any = None) -> dict[str, Any]:
    return {
        "event": "commandResult",
        "id": command["id"],
        "action": command["action"],
        "status": status,
        "error": error,
        "result": {"audio": STATS["response"]["audio"]},  # type: ignore[index]
    }


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Answers], Awaitable[str]]]:
    """Starts a gateway that answers each command by a function; `close` as action ends the connection."""
    runners = []

    async def start(answers: Answers) -> str:
        async def handle(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                assert message.type is WSMsgType.TEXT
                command = json.loads(message.data)
                if command["action"] == "close":
                    await socket.close(code=4001)
                    break
                for event in answers(command):
                    await socket.send_str(json.dumps(event))
            return socket

        app = web.Application()
        app.router.add_get("/cti", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return f"ws://127.0.0.1:{runner.addresses[0][1]}/cti"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_expectations_state_an_order(serve: Any) -> None:
    url = await serve(lambda command: [ALERTING, ACTIVE, result(command)])
    async with Desk(url) as desk:
        await desk.login("1000", "secret")
        assert await desk.expect("newInboundCall", id="7") == ALERTING
        await desk.expect("dialogState", state="ACTIVE")
        desk.timeout = 0.01
        with pytest.raises(DeskError, match="newInboundCall state=ALERTING"):
            await desk.expect("newInboundCall")
        assert dialogs(desk.heard) == [("newInboundCall", "ALERTING"), ("dialogState", "ACTIVE")]


async def test_a_failed_command_says_why(serve: Any) -> None:
    url = await serve(lambda command: [result(command, "failed", {"code": "wrong-state"})])
    async with Desk(url) as desk:
        assert (await desk.attempt("holdCall", dialogId="7"))["status"] == "failed"
        with pytest.raises(DeskError, match="wrong-state"):
            await desk.do("holdCall", dialogId="7")


async def test_quiet(serve: Any) -> None:
    url = await serve(lambda command: [ACTIVE, result(command)])
    async with Desk(url) as desk:
        await desk.do("getState")
        await desk.quiet("Error")
        with pytest.raises(DeskError, match="should not be"):
            await desk.quiet("dialogState", state="ACTIVE")


async def test_sound(serve: Any) -> None:
    url = await serve(lambda command: [result(command)])
    async with Desk(url) as desk:
        await desk.talking("7")
        await desk.hearing("7")
        desk.timeout = 0.01
        with pytest.raises(AssertionError, match="sound on the call"):
            await desk.hearing("7", above=-10.0)


async def test_a_closed_connection_ends_every_wait(serve: Any) -> None:
    url = await serve(lambda command: [])
    async with Desk(url) as desk:
        await desk.send("close")
        with pytest.raises(DeskError, match="connection closed"):
            await desk.expect("dialogState")
        assert await desk.closed() == 4001


async def test_until_gives_up() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match="the moon"):
        await until(never, "the moon", timeout=0.01)


def test_summary_has_what_tells_events_apart() -> None:
    assert summary(ACTIVE) == "dialogState state=ACTIVE id=7"
    assert summary({"event": "Error", "response": {"type": "generalError", "code": "timeout"}}) == (
        "Error type=generalError code=timeout"
    )
