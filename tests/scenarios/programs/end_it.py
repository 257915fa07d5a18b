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


class Ending:
    """The executor on its driver, until every call has ended."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.node = Executor(snapshot)
        self.waiting = len(self.node.agent.sessions())
        self.over = asyncio.Event()
        self.transport = WebSocketTransport(self.put)
        ports: dict[type, Callable[[Any], None]] = dict.fromkeys(get_args(SipEvent), self.put)
        ports |= dict.fromkeys(get_args(FlowOutput), self.transport.perform)
        self.driver = Driver(self.node, ports | {SessionEnded: self.ended})

    def put(self, given: Any) -> None:
        self.driver.put(given)

    def ended(self, event: SessionEnded) -> None:
        print(f"ENDED {event.end.value}", flush=True)
        self.waiting -= 1
        if self.waiting == 0:
            self.over.set()

    async def run(self) -> None:
        self.driver.start()
        self.put(None)
        await asyncio.wait_for(self.over.wait(), 20)
        await self.transport.close()
        await self.driver.stop()


async def main() -> None:
    await Ending(json.load(sys.stdin)["userAgent"]).run()


asyncio.run(main())
