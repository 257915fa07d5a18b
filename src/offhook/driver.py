"""The one driver: the only place that has an event loop and touches pure objects.

It feeds a node its inputs in the order they arrived and its timers when they are due, and performs what the node puts
out through named ports (flow, engine, subscriber, journal). One task a node, no locks, never a task per message.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from offhook.clock import Now, Timers

logger = logging.getLogger(__name__)


class SystemIds:
    """`Ids` from the operating system's random numbers."""

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex((bits + 7) // 8)

    def fraction(self) -> float:
        return secrets.randbits(53) / (1 << 53)


def system_now() -> Now:
    """The machine's two clocks."""
    return Now(time.monotonic(), time.time())


class Node(Protocol):
    """A pure object that a driver runs: change, drain, change."""

    timers: Timers

    def receive(self, given: Any, now: Now) -> None: ...

    def outputs(self) -> list[Any]:
        """What is to be done since the last call, in order; drained by the call."""
        ...


class Driver:
    """Runs one node.

    `ports` says who performs an output, by its type. A port takes the output and returns at once; what comes of it
    comes back as an input through `put`. A node or a port that raises, or an output without a port, is a bug: it is
    logged, and everything else goes on.
    """

    def __init__(
        self,
        node: Node,
        ports: Mapping[type, Callable[[Any], None]],
        clock: Callable[[], Now] = system_now,
    ) -> None:
        self.node = node
        self.clock = clock
        self._ports = dict(ports)
        self._inputs: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to run, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=f"driver of {type(self.node).__name__}")
        self._wake.set()

    async def stop(self) -> None:
        """Stop running; inputs that are still waiting are handled first, later ones are dropped."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._turn()
        self._stopped = True
        task.cancel()
        await asyncio.wait([task])

    def put(self, given: Any) -> None:
        """Give the node an input. Only from the driver's loop; before `start`, it waits for it."""
        if not self._stopped:
            self._inputs.append(given)
            self._wake.set()

    def put_threadsafe(self, given: Any) -> None:
        """Give the node an input from another thread, once the driver was started."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.put, given)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._turn()
            due = self.node.timers.next()
            wait = None if due is None else max(0.0, due - self.clock().monotonic)
            if self._wake.is_set() or wait == 0.0:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _turn(self) -> None:
        """Handle the inputs that wait now, then the timers that are due; what comes meanwhile is for the next turn."""
        name = type(self.node).__name__
        for _ in range(len(self._inputs)):
            given = self._inputs.popleft()
            try:
                self.node.receive(given, self.clock())
            except Exception:  # broad: a bug on one input, told in the log, must not end the loop for all agents
                logger.exception("a bug: %s failed on %s", name, type(given).__name__)
            self._drain()
        try:
            self.node.timers.fire(self.clock())
        except Exception:  # broad: as with an input
            logger.exception("a bug: %s failed on a timer", name)
        self._drain()

    def _outputs(self) -> list[Any]:
        try:
            return self.node.outputs()
        except Exception:  # broad: as with an input; nothing is put out then
            logger.exception("a bug: %s failed on its outputs", type(self.node).__name__)
            return []

    def _drain(self) -> None:
        while outputs := self._outputs():
            for output in outputs:
                try:
                    self._ports[type(output)](output)
                except Exception:  # broad: one output that cannot be performed, told in the log, costs no other one
                    missing = type(output) not in self._ports
                    fault = "has no port" if missing else "failed in its port"
                    logger.exception("a bug: %s %s", type(output).__name__, fault)
