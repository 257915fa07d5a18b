"""The first call over plain SIP: the same story over UDP and over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from offhook.sip.message import Request
from offhook.sip.parser import parse_message
from offhook.sip.tracing import read_trace
from offhook.testing.desk import Desk, until

PASSWORD = "1234"

OpenDesk = Callable[[str], Awaitable[Desk]]


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def gateway(server: Any, start_gateway: Any, transport: str) -> AsyncIterator[Any]:
    """A gateway that reaches the server by that transport, with a 440 Hz tone as microphone."""
    async with server.webrtc_for_all():
        yield await start_gateway("--source", "tone:440", sip=getattr(server, transport))


@pytest.fixture
async def log_in(gateway: Any) -> AsyncIterator[OpenDesk]:
    """Logs agents in, each at a desk of its own, and out again afterwards."""
    async with AsyncExitStack() as stack:

        async def opened(extension: str) -> Desk:
            desk: Desk = await stack.enter_async_context(gateway.desk())
            stack.push_async_callback(desk.attempt, "logout")
            await desk.login(extension, PASSWORD)
            await desk.expect("dialogState", dialog=None)
            return desk

        yield opened


async def dial(desk: Desk, number: str) -> str:
    """Call a number; gives the dialog."""
    await desk.send("makeCall", calledNumber=number, Destination_Number=number, callType="audio")
    event = await desk.expect("outboundDialing", state="INITIATING")
    return str(event["response"]["dialog"]["id"])


async def level(desk: Desk, dialog: str, low: float, high: float) -> None:
    """Wait until what comes in on a call has a level between these, in dBov."""

    async def fits() -> bool:
        heard = (await desk.do("getStats", dialogId=dialog))["result"]["audio"]["levelInDb"]
        return heard is not None and low < heard < high

    await until(fits, f"a level between {low} and {high} dBov", 15.0)


async def test_the_first_call(log_in: OpenDesk, server: Any, gateway: Any, transport: str) -> None:
    alice, bob = await log_in("1000"), await log_in("1001")
    hers = await dial(alice, "1001")
    ringing = await bob.expect("newInboundCall", state="ALERTING")
    his = str(ringing["response"]["dialog"]["id"])
    await alice.expect("outboundDialing", state="INITIATED")
    await bob.do("answerCall", dialogId=his)
    await bob.expect("dialogState", state="ACTIVE")
    await alice.expect("dialogState", state="ACTIVE")
    await level(alice, hers, -30, 0)
    await level(bob, his, -30, 0)

    await alice.do("mute_call", dialogId=hers)
    await level(bob, his, -200, -60)
    await alice.do("unmute_call", dialogId=hers)
    await level(bob, his, -30, 0)

    for desk, dialog, user in ((alice, hers, "1000"), (bob, his, "1001")):
        await desk.do("holdCall", dialogId=dialog)
        await desk.expect("dialogState", state="HELD")
        await server.hold_seen(user, True)
        await desk.do("retrieveCall", dialogId=dialog)
        await desk.expect("dialogState", state="ACTIVE")
        await server.hold_seen(user, False)

    await alice.do("releaseCall", dialogId=hers)
    await alice.expect("dialogState", state="DROPPED", callEndReason=None)
    await bob.expect("dialogState", state="DROPPED", callEndReason="NORMAL_CLEARING")
    assert vias(gateway) == {f"SIP/2.0/{transport.upper()}"}


async def test_digits_reach_the_ivr(log_in: OpenDesk, server: Any) -> None:
    alice = await log_in("1000")
    dialog = await dial(alice, "5000")
    await alice.expect("dialogState", state="ACTIVE")
    await alice.hearing(dialog)  # its prompt: FreeSWITCH drops digits that come before it asks
    before = len(await server.digits())
    await alice.do("SendDtmf", dialogId=dialog, message="78#")

    async def arrived() -> bool:
        return bool((await server.digits())[before:] == ["78"])

    await until(arrived, "78 in the IVR")
    await alice.do("releaseCall", dialogId=dialog)
    await alice.expect("dialogState", state="DROPPED")


async def test_the_echo_is_heard(log_in: OpenDesk) -> None:
    alice = await log_in("1000")
    dialog = await dial(alice, "9196")
    await alice.expect("dialogState", state="ACTIVE")
    await level(alice, dialog, -30, 0)
    await alice.do("releaseCall", dialogId=dialog)
    await alice.expect("dialogState", state="DROPPED")


def vias(gateway: Any) -> set[str]:
    """The transports that the requests of both sides name."""
    found = set()
    for traced in read_trace(gateway.trace.read_text()):
        message = parse_message(traced.data)
        if isinstance(message, Request):
            found.add(f"SIP/2.0/{message.via.transport}")
    return found
