"""The server is frozen (SIGSTOP) and thawed: that is told in the documented time, and afterwards all is well again.

Documented in docs/how-to/freeswitch.md. On a real FreeSWITCH it runs where OFFHOOK_FREESWITCH_PID gives the process:
every other client of that FreeSWITCH is frozen out meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from offhook.cti.agent import AgentSettings
from offhook.sip.timers import Timing
from offhook.testing.desk import Desk

PASSWORD = "1234"
SLACK = 5.0
"""Seconds that a busy machine may take on top."""

TIMING = Timing()
TOLD_OUT = TIMING.silence + TIMING.probe + AgentSettings(servers=(), domain="").out_of_service_after
TOLD_IN = TIMING.backoff_limit + TIMING.connect


@dataclass
class Process:
    """A server in a process of its own."""

    pid: int
    ws: str
    udp: str
    tcp: str
    domain: str = "127.0.0.1"

    def tell(self, number: int) -> None:
        os.kill(self.pid, number)


@pytest.fixture(params=["switch", pytest.param("freeswitch", marks=pytest.mark.freeswitch)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    """A server that may be frozen; afterwards it is not."""
    if request.param == "freeswitch":
        pid = os.environ.get("OFFHOOK_FREESWITCH_PID")
        if pid is None:
            pytest.skip("needs a real FreeSWITCH that may be frozen: set OFFHOOK_FREESWITCH_PID and OFFHOOK_FREESWITCH")
        udp = os.environ.get("OFFHOOK_FREESWITCH_UDP", "udp:127.0.0.1:5060")
        tcp = os.environ.get("OFFHOOK_FREESWITCH_TCP", "tcp:127.0.0.1:5060")
        found = Process(int(pid), os.environ["OFFHOOK_FREESWITCH"], udp, tcp)
        yield found
        found.tell(signal.SIGCONT)
        return
    flags = [flag for name in ("--listen", "--udp-listen", "--tcp-listen") for flag in (name, "127.0.0.1:0")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "offhook", "switch", *flags, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    urls = {url.partition(":")[0]: url for url in re.findall(r"\w+:\S+", said)}
    found = Process(process.pid, urls["ws"], urls["udp"], urls["tcp"])
    yield found
    found.tell(signal.SIGCONT)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 15) == 0


async def echo(desk: Desk) -> None:
    """Call the echo and hear it."""
    await desk.send("makeCall", calledNumber="9196", Destination_Number="9196", callType="audio")
    active = await desk.expect("dialogState", state="ACTIVE")
    dialog = active["response"]["dialog"]["id"]
    await desk.hearing(dialog)
    await desk.do("releaseCall", dialogId=dialog)
    await desk.expect("dialogState", state="DROPPED")


async def test_out_of_service_and_back(server: Process, start_gateway: Any) -> None:
    """Three agents at once: over a WebSocket, over UDP and over TCP."""
    loop = asyncio.get_running_loop()
    desks: list[Desk] = []
    for extension, sip in (("1000", server.ws), ("1001", server.udp), ("1002", server.tcp)):
        desk = (await start_gateway("--source", "tone:440", sip=sip)).desk()
        await desk.open()
        desks.append(desk)
        await desk.login(extension, PASSWORD)
        await desk.expect("xmppEvent", type="IN_SERVICE")
    try:
        server.tell(signal.SIGSTOP)
        frozen = loop.time()
        await asyncio.gather(
            *(desk.expect("xmppEvent", type="OUT_OF_SERVICE", timeout=TOLD_OUT + SLACK) for desk in desks)
        )
        assert loop.time() - frozen > 2 * TIMING.probe, "nobody can know so soon"
        server.tell(signal.SIGCONT)
        await asyncio.gather(*(desk.expect("xmppEvent", type="IN_SERVICE", timeout=TOLD_IN + SLACK) for desk in desks))
        for desk in desks:
            await echo(desk)
            await desk.do("logout")
    finally:
        for desk in desks:
            await desk.close()
