"""A process that is given the snapshot of another one as a line of JSON, brings its calls back, and tells of it.

comes_back.py SERVER DOMAIN

It says `AUDIO <seconds since it was started>` when sound comes in, and each event as JSON. No password is given to it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from offhook.clock import Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession, AgentSettings
from offhook.cti.commands import Logout
from offhook.cti.stream import Audit, Finished, Persist, Publish, Reply
from offhook.driver import Driver, SystemIds, system_now
from offhook.media.engine import EngineRequest, FrameSink, Tone
from offhook.media.local import LocalEngine
from offhook.sip.flow import FlowOutput
from offhook.transport.clients import ClientTransport

BEGAN = time.monotonic()
LOUD = 200.0


class Node:
    """The agent alone."""

    def __init__(self, session: AgentSession, timers: Timers) -> None:
        self.session, self.timers = session, timers

    def receive(self, given: Any, now: Now) -> None:
        if isinstance(given, Logout):
            self.session.command(given, None, now)
        else:
            self.session.receive(given, now)

    def outputs(self) -> list[Any]:
        return list(self.session.outputs())


async def main(server: str, domain: str) -> None:
    snapshot = json.loads(sys.stdin.readline())
    heard = False

    def take(frame: npt.NDArray[np.int16]) -> None:
        nonlocal heard
        if not heard and float(np.sqrt(np.mean(frame.astype(np.float64) ** 2))) > LOUD:
            heard = True
            print(f"AUDIO {time.monotonic() - BEGAN:.3f}", flush=True)

    driver: Driver
    engine = LocalEngine(address="127.0.0.1", default_source=Tone(440.0), default_sink=FrameSink(take))
    transport = ClientTransport(lambda given: driver.put(given))
    timers, settings = Timers(), AgentSettings(servers=(server,), domain=domain)
    session = AgentSession.restore(
        snapshot, settings, None, timers=timers, ids=SystemIds(), now=system_now(), journal=True
    )
    over = asyncio.Event()
    ports: dict[type, Any] = {
        **dict.fromkeys(get_args(FlowOutput), transport.perform),
        **dict.fromkeys(get_args(EngineRequest), engine.perform),
        Publish: lambda output: print(codec.encode(output.event), flush=True),
        Finished: lambda output: over.set(),
        **dict.fromkeys((Reply, Audit, Persist), lambda output: None),
    }
    driver = Driver(Node(session, timers), ports)
    engine.start(driver.put)
    driver.start()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    driver.put(Logout())
    await over.wait()
    await driver.stop()
    await engine.close()
    await transport.close()


asyncio.run(main(*sys.argv[1:]))
