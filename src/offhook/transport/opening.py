"""Flows of a client that are not open yet: a task for each, and one word on what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container

from offhook.errors import LocalError, StateError
from offhook.sip.flow import FlowFailed, OpenFlow
from offhook.transport.base import Deliver

logger = logging.getLogger(__name__)


class Opening:
    """One flow that is being opened."""

    def __init__(self, wanted: OpenFlow) -> None:
        self.flow = wanted.flow
        self.url = wanted.url
        self.timeout = wanted.timeout


class Openings:
    """The flows that a transport is opening; each ends by `opened` or by a FlowFailed.

    `attempt` opens one, and gives the reason where it could not, else nothing; a LocalError's text is a reason too.
    `flows` holds the names of those that are open.
    """

    def __init__(self, deliver: Deliver, flows: Container[str], attempt: Callable[[Opening], Awaitable[str]]) -> None:
        self._deliver = deliver
        self._flows = flows
        self._attempt = attempt
        self._opening: dict[str, tuple[Opening, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, output: OpenFlow) -> None:
        """Open a flow. StateError where its name is in use, and after `close`."""
        if self._closed:
            raise StateError("the transport is closed")
        if output.flow in self._flows or output.flow in self._opening:
            raise StateError(f"flow {output.flow} exists already")
        opening = Opening(output)
        task = asyncio.get_running_loop().create_task(self._open(opening), name=f"flow {output.flow}")
        self._opening[output.flow] = opening, task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def opened(self, opening: Opening) -> bool:
        """The flow is open, so that its name is the owner's. False: it is not wanted any more, its end was told."""
        if not self._is_wanted(opening):
            return False
        del self._opening[opening.flow]
        return True

    def give_up(self, flow: str) -> None:
        """The flow is not wanted any more; one that is not being opened is no error."""
        if flow in self._opening:
            self._opening[flow][1].cancel()
            self._fail(flow, "closed before it was open")

    def close(self) -> None:
        """Give up all, and take no more."""
        self._closed = True
        for flow in list(self._opening):
            self.give_up(flow)

    async def wait_closed(self) -> None:
        """Until no task is left."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _is_wanted(self, opening: Opening) -> bool:
        found = self._opening.get(opening.flow)
        return found is not None and found[0] is opening

    def _fail(self, flow: str, reason: str) -> None:
        del self._opening[flow]
        self._deliver(FlowFailed(flow, reason))

    async def _open(self, opening: Opening) -> None:
        reason = await failure_of(self._attempt(opening), opening.flow)
        if reason and self._is_wanted(opening):
            self._fail(opening.flow, reason)


async def failure_of(attempt: Awaitable[str], flow: str) -> str:
    """Why an attempt to open a flow failed, empty where it did not: what it gives, or what it raised as a reason."""
    try:
        return await attempt
    except LocalError as error:
        return str(error)
    except Exception as error:  # broad: whatever it was, the owner is told that the flow failed, and the log why
        logger.exception("a bug: flow %s could not be opened", flow)
        return f"internal error: {type(error).__name__}"
