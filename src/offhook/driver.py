"""The one driver: the only place that has an event loop and touches pure objects.

It feeds a node its inputs in the order they arrived and its timers when they are due, and performs what the node puts
out through named ports (flow, engine, subscriber, journal). One task a node, no locks, never a task per message.

What must be on the disk before it is said comes as `Ordered`: it waits for the journal, and for nothing of others.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from offhook.clock import Now, Timers
from offhook.ordered import Ordered

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


class JournalPort(Protocol):
    """Puts entries on the disk."""

    def write(self, key: str, entries: Sequence[Any], done: Callable[[bool], None]) -> bool:
        """`done` is told, on the loop and never at once, when they are; False: the key is another process's now. False
        is given back where that is not to be waited for."""
        ...

    def went_on(self) -> None:
        """Outputs were performed before their entries were on the disk."""
        ...


@dataclass(slots=True, eq=False)
class _Step:
    outputs: tuple[Any, ...]
    ready: bool
    patience: asyncio.TimerHandle | None = None


class Lanes:
    """Keeps the outputs of each key in order while some of them wait for the journal; other keys go on.

    After `patience` seconds they go on too: a stalled disk is not to end a call.
    """

    def __init__(self, journal: JournalPort, perform: Callable[[Any], None], patience: float = 0.05) -> None:
        self._journal = journal
        self._perform = perform
        self._patience = patience
        self._lanes: dict[str, deque[_Step]] = {}

    def put(self, ordered: Ordered) -> None:
        """Perform these when their turn has come."""
        step = _Step(ordered.outputs, ready=not ordered.entries)
        self._lanes.setdefault(ordered.key, deque()).append(step)
        if ordered.entries:

            def done(kept: bool) -> None:
                if not kept and not step.ready:
                    step.outputs = ()  # they are another process's to say
                self._ready(ordered.key, step)

            step.ready = not self._journal.write(ordered.key, ordered.entries, done)
            if not step.ready:
                loop = asyncio.get_running_loop()
                step.patience = loop.call_later(self._patience, self._give_up, ordered.key, step)
        self._go_on(ordered.key)

    def release(self) -> None:
        """Perform all that waits, now."""
        for key, lane in list(self._lanes.items()):
            for step in list(lane):
                self._ready(key, step)

    def _give_up(self, key: str, step: _Step) -> None:
        self._journal.went_on()
        self._ready(key, step)

    def _ready(self, key: str, step: _Step) -> None:
        if step.patience is not None:
            step.patience.cancel()
        if not step.ready:
            step.ready = True
            self._go_on(key)

    def _go_on(self, key: str) -> None:
        lane = self._lanes.get(key)
        while lane and lane[0].ready:
            for output in lane.popleft().outputs:
                self._perform(output)
        if lane is not None and not lane:
            del self._lanes[key]


class Driver:
    """Runs one node.

    `ports` says who performs an output, by its type. A port takes the output and returns at once; what comes of it
    comes back as an input through `put`. A node or a port that raises, or an output without a port, is a bug: it is
    logged, and everything else goes on. With a `journal`, `Ordered` may be put out.
    """

    def __init__(
        self,
        node: Node,
        ports: Mapping[type, Callable[[Any], None]],
        clock: Callable[[], Now] = system_now,
        journal: JournalPort | None = None,
    ) -> None:
        self.node = node
        self.clock = clock
        self._ports = dict(ports)
        self._lanes = None if journal is None else Lanes(journal, self._perform)
        if self._lanes is not None:
            self._ports[Ordered] = self._lanes.put
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
        """Stop running; inputs that are still waiting are handled first, and what waits for the journal is performed;
        later ones are dropped."""
        if self._task is None:
            return
        task, self._task = self._task, None
        self._turn()
        if self._lanes is not None:
            self._lanes.release()
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
                self._perform(output)

    def _perform(self, output: Any) -> None:
        try:
            self._ports[type(output)](output)
        except Exception:  # broad: one output that cannot be performed, told in the log, costs no other one
            missing = type(output) not in self._ports
            fault = "has no port" if missing else "failed in its port"
            logger.exception("a bug: %s %s", type(output).__name__, fault)
