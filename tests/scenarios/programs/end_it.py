"""Another process, given the snapshot as JSON alone (standard input): OPTIONS in each dialog, then BYE.

end_it.py < snapshot.json
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, get_args

from offhook.clock import Now, Timers
from offhook.driver import Driver, SystemIds
from offhook.sip.events import RequestAnswered, ServerReached, SessionEnded, SipEvent
from offhook.sip.flow import FlowInput, FlowOutput
from offhook.sip.user_agent import UserAgent
from offhook.transport.websocket_client import WebSocketTransport


class Executor:
    """A node that asks after each call of a snapshot and ends it."""

    def __init__(self, snapshot: dict[str, object]) -> None:
        self.timers = Timers()
        self.agent = UserAgent.restore(snapshot, timers=self.timers, ids=SystemIds())
        self.asked: dict[str, str] = {}

    def begin(self, now: Now) -> None:
        self.agent.start(now, register=False)

    def receive(self, given: FlowInput | SipEvent | None, now: Now) -> None:
        match given:
            case None:
                self.begin(now)
            case ServerReached():
                self.asked = {self.agent.options(session, now): session for session in self.agent.sessions()}
            case RequestAnswered(id=name, status=status) if name in self.asked:
                print(f"OPTIONS {status}", flush=True)
                self.agent.hangup(self.asked.pop(name), now)
            case _ if isinstance(given, get_args(FlowInput)):
                self.agent.receive(given, now)

    def outputs(self) -> list[FlowOutput | SipEvent]:
        return self.agent.outputs()


async def main() -> None:
    node = Executor(json.load(sys.stdin)["userAgent"])
    waiting = len(node.agent.sessions())
    over = asyncio.Event()
    transport = WebSocketTransport(lambda given: put(given))

    def ended(event: SessionEnded) -> None:
        nonlocal waiting
        print(f"ENDED {event.end.value}", flush=True)
        waiting -= 1
        if waiting == 0:
            over.set()

    ports: dict[type, Callable[[Any], None]] = dict.fromkeys(get_args(SipEvent), lambda event: put(event))
    ports |= dict.fromkeys(get_args(FlowOutput), transport.perform)
    ports[SessionEnded] = ended
    driver = Driver(node, ports)
    put = driver.put
    driver.start()
    driver.put(None)
    await asyncio.wait_for(over.wait(), 20)
    await transport.close()
    await driver.stop()


asyncio.run(main())
