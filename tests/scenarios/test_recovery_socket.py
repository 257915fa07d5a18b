"""The SIP connection of an agent in a call breaks: the call is taken over, and hardly anybody hears it.

What was heard and how long it was silent is printed (`pytest -s`); 0.2 s of silence at the far end is the most.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest

from offhook import Agent, Call, Phone
from offhook.errors import CallEnded
from offhook.testing.relay import Relay

PASSWORD = "1234"
NEAR, FAR = "1010", "1011"
RATE = 16000
LOUD = 200.0
"""Of 32767; a tone has 4000."""


class Listener:
    """When something was heard, on the loop's clock."""

    def __init__(self) -> None:
        self.heard: list[float] = []

    def take(self, frame: npt.NDArray[np.int16]) -> None:
        if float(np.sqrt(np.mean(frame.astype(np.float64) ** 2))) > LOUD:
            self.heard.append(asyncio.get_running_loop().time())

    def silence(self, since: float) -> float:
        """The longest time without sound since then, in seconds."""
        times = [since, *(at for at in self.heard if at > since), asyncio.get_running_loop().time()]
        return max(later - earlier for earlier, later in pairwise(times))

    async def sound(self, frames: int = 25) -> None:
        """Wait for half a second of it."""
        async with asyncio.timeout(10):
            target = len(self.heard) + frames
            while len(self.heard) < target:
                await asyncio.sleep(0.02)


class Talk:
    """A call between two agents, of whom one reaches the server by the relay."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.near, self.far = Listener(), Listener()
        self.events: list[Any] = []
        self.near_call: Call
        self.far_call: Call
        self.agents: list[Agent] = []

    async def begin(self, near: Phone, far: Phone, outbound: bool) -> None:
        one = await near.login(NEAR, PASSWORD)
        two = await far.login(FAR, PASSWORD)
        self.agents = [one, two]
        caller, called = (one, two) if outbound else (two, one)
        ears = (self.near, self.far) if outbound else (self.far, self.near)
        rings = called.incoming()
        made = await caller.dial(FAR if outbound else NEAR, sink=ears[0].take)
        came = await asyncio.wait_for(anext(aiter(rings)), 10)
        await came.answer(sink=ears[1].take)
        await made.answered(10)
        self.near_call, self.far_call = (made, came) if outbound else (came, made)
        feed = one.events()
        self._reading = asyncio.create_task(self._read(feed))
        await self.heard()

    async def _read(self, feed: Any) -> None:
        async for event in feed:
            self.events.append(event)

    async def heard(self) -> None:
        await asyncio.gather(self.near.sound(), self.far.sound())

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events if getattr(event, "seq", None) is not None]


async def answered(relay: Relay, method: bytes, times: int = 1) -> None:
    """Wait until the server has answered so many of them by 200 since the connection broke; it tells nobody else."""
    async with asyncio.timeout(60):
        while sum(b"SIP/2.0 200" in one and b" " + method + b"\r\n" in one for one in relay.said) < times:
            await asyncio.sleep(0.01)


@pytest.fixture
async def talk(request: pytest.FixtureRequest, server: Any) -> AsyncIterator[Talk]:
    """`request.param`: whether the agent behind the relay has called."""
    where = urlsplit(server.ws)
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(str(where.hostname), where.port or 80))
        options: dict[str, Any] = {"domain": server.domain, "media_address": "127.0.0.1"}
        trace = os.environ.get("OFFHOOK_TEST_TRACE", "")
        url = f"ws://127.0.0.1:{relay.port}"
        near = await stack.enter_async_context(Phone(url, source="tone:440", sip_trace=trace, **options))
        far = await stack.enter_async_context(Phone(server.ws, source="tone:660", **options))
        talk = Talk(relay)
        await talk.begin(near, far, request.param)
        yield talk


async def legs(server: Any) -> int:
    """Channels of the two agents."""
    if server.name != "freeswitch":
        found: int = await server.channels()
        return found
    return sum(re.search(rf"/({NEAR}|{FAR})@", row["name"]) is not None for row in await server._rows())


async def no_legs(server: Any) -> None:
    async with asyncio.timeout(10):
        while await legs(server):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("talk", [True, False], indirect=True, ids=["we-called", "we-were-called"])
async def test_a_dropped_sip_socket(talk: Talk, server: Any, record_property: Any) -> None:
    dialog = talk.near_call.id
    start = asyncio.get_running_loop().time()
    talk.relay.abort()
    await answered(talk.relay, b"INVITE")
    await talk.heard()
    there, here = talk.far.silence(start), talk.near.silence(start)
    print(f"\n{server.name}: silence at the far end {there * 1000:.0f} ms, here {here * 1000:.0f} ms")
    record_property("silence_far_ms", round(there * 1000))
    record_property("silence_near_ms", round(here * 1000))
    assert talk.told() == []
    assert await legs(server) == 2
    # The server's own requests reach us again: the other side holds, retrieves, and hangs up.
    await talk.far_call.hold()
    await talk.far_call.retrieve()
    await talk.near_call.hold()
    await talk.near_call.retrieve()
    assert talk.near_call.id == dialog and talk.near_call.state == "ACTIVE"
    await talk.heard()
    await talk.far_call.release()
    assert await talk.near_call.ended(10) == "NORMAL_CLEARING"
    seqs = [event.seq for event in talk.events if isinstance(getattr(event, "seq", None), int)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    await no_legs(server)


@pytest.fixture
async def two(server: Any) -> AsyncIterator[tuple[Relay, Agent, Agent]]:
    """Two agents without a call; the first one reaches the server by the relay."""
    where = urlsplit(server.ws)
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(str(where.hostname), where.port or 80))
        options: dict[str, Any] = {"domain": server.domain, "media_address": "127.0.0.1"}
        trace = os.environ.get("OFFHOOK_TEST_TRACE", "")
        near = await stack.enter_async_context(Phone(f"ws://127.0.0.1:{relay.port}", sip_trace=trace, **options))
        far = await stack.enter_async_context(Phone(server.ws, **options))
        yield relay, await near.login(NEAR, PASSWORD), await far.login(FAR, PASSWORD)


@pytest.mark.parametrize("told", [False, True], ids=["at once", "when the 180 is in"])
async def test_who_is_called_is_let_go(two: tuple[Relay, Agent, Agent], server: Any, told: bool) -> None:
    """The caller's connection breaks while it rings: the callee does not find nobody there."""
    relay, near, far = two
    rings = far.incoming()
    made = await near.dial(FAR)
    came = await asyncio.wait_for(anext(aiter(rings)), 10)
    while told and made.state != "INITIATED":
        await asyncio.sleep(0.01)
    relay.abort()
    with pytest.raises(CallEnded):
        await made.answered(10)
    await came.ended(10)
    await no_legs(server)


async def test_who_is_rung_is_rung_no_more(two: tuple[Relay, Agent, Agent], server: Any) -> None:
    """The callee's connection breaks while it rings: that call is over here, and the next one comes."""
    relay, near, far = two
    rings = near.incoming()
    made = await far.dial(NEAR)
    came = await asyncio.wait_for(anext(aiter(rings)), 10)
    relay.abort()
    assert await came.ended(10) == "Canceled"
    await answered(relay, b"REGISTER")
    print(f"\n{server.name}: the caller is told {made.state}")
    if made.state != "DROPPED":
        await made.release()
    again = await far.dial(NEAR)
    came = await asyncio.wait_for(anext(aiter(rings)), 10)
    await came.answer()
    await again.answered(10)
    await again.release()
    await came.ended(10)
    await no_legs(server)


@pytest.mark.parametrize("talk", [True, False], indirect=True, ids=["we-called", "we-were-called"])
async def test_a_held_call_is_held_again(talk: Talk, server: Any) -> None:
    """What takes a call over is not held at the server: it is held anew, and that is told to nobody."""
    await talk.near_call.hold()
    await server.hold_seen(NEAR, True)
    events = len(talk.events)
    talk.relay.abort()
    await answered(talk.relay, b"INVITE", 2)
    await server.hold_seen(NEAR, True)
    assert len(talk.events) == events and talk.near_call.state == "HELD"
    await talk.near_call.retrieve()
    await server.hold_seen(NEAR, False)
    await talk.heard()
    await talk.near_call.release()
    await talk.far_call.ended(10)
    await no_legs(server)
