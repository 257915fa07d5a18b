"""Flows that are being opened: each ends once, by being open or by a reason."""

from __future__ import annotations

import asyncio

import pytest

from offhook.errors import LocalError, StateError
from offhook.sip.flow import FlowFailed, OpenFlow
from offhook.testing.contracts import Inbox
from offhook.transport.opening import Opening, Openings
from offhook.transport.stream import StreamTransport
from offhook.transport.udp import UdpTransport


class Bench:
    """Openings whose attempts end as the test says."""

    def __init__(self) -> None:
        self.told = Inbox()
        self.open: set[str] = set()
        self.tried: list[Opening] = []
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.openings = Openings(self.told, self.open, self._attempt)

    async def _attempt(self, opening: Opening) -> str:
        self.tried.append(opening)
        return await asyncio.shield(self.outcome)

    async def close(self) -> None:
        self.openings.close()
        await self.openings.wait_closed()
        self.outcome.cancel()


async def test_a_reason_is_told_and_the_name_is_free_again() -> None:
    bench = Bench()
    bench.openings.begin(OpenFlow("flow", "udp:a"))
    bench.outcome.set_result("nobody is there")
    assert await bench.told.next(FlowFailed) == FlowFailed("flow", "nobody is there")
    bench.openings.begin(OpenFlow("flow", "udp:a"))
    await bench.told.next(FlowFailed)
    assert [(one.flow, one.url) for one in bench.tried] == [("flow", "udp:a")] * 2
    await bench.close()


async def test_the_text_of_a_local_error_is_a_reason() -> None:
    bench = Bench()
    bench.openings.begin(OpenFlow("flow", "udp:a"))
    bench.outcome.set_exception(LocalError("that is no URL"))
    assert (await bench.told.next(FlowFailed)).reason == "that is no URL"
    await bench.close()


async def test_what_is_open_is_not_ours_any_more() -> None:
    bench = Bench()
    bench.openings.begin(OpenFlow("flow", "udp:a"))
    await asyncio.sleep(0)  # the attempt begins
    assert bench.openings.opened(bench.tried[0])
    bench.open.add("flow")
    with pytest.raises(StateError, match="exists already"):
        bench.openings.begin(OpenFlow("flow", "udp:a"))
    bench.outcome.set_result("")
    await bench.close()
    assert bench.told.rest() == []


async def test_a_flow_that_was_given_up_does_not_open() -> None:
    bench = Bench()
    bench.openings.begin(OpenFlow("flow", "udp:a"))
    with pytest.raises(StateError, match="exists already"):
        bench.openings.begin(OpenFlow("flow", "udp:a"))
    await asyncio.sleep(0)  # the attempt begins
    bench.openings.give_up("flow")
    bench.openings.give_up("flow")
    bench.openings.begin(OpenFlow("flow", "udp:b"))
    assert not bench.openings.opened(bench.tried[0]), "another flow has its name now"
    await bench.close()
    assert bench.told.rest() == [FlowFailed("flow", "closed before it was open")] * 2


async def test_after_the_end_nothing_is_opened() -> None:
    bench = Bench()
    await bench.close()
    with pytest.raises(StateError, match="the transport is closed"):
        bench.openings.begin(OpenFlow("flow", "udp:a"))


@pytest.mark.parametrize(
    ("transport", "url", "step"),
    [(UdpTransport, "udp:example.org", "getaddrinfo"), (StreamTransport, "tcp:127.0.0.1:1", "sock_connect")],
    ids=["udp", "tcp"],
)
async def test_a_bug_is_told_as_a_failure(
    transport: type[UdpTransport | StreamTransport],
    url: str,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(asyncio.get_running_loop(), step, broken)
    told = Inbox()
    client = transport(told)
    client.perform(OpenFlow("flow", url))
    assert (await told.next(FlowFailed)).reason == "internal error: RuntimeError"
    assert "a bug: flow flow could not be opened" in caplog.text
    await client.close()
