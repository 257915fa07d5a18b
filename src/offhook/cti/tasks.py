"""The commands on one call, one after another, in the order in which they came (contract §1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET

from offhook.clock import Now
from offhook.cti.call import Call, Task
from offhook.cti.errors import Failure, failure
from offhook.cti.outcomes import Ticket
from offhook.cti.workplace import Workplace

Start = Callable[[Call, Task, Now], None]


class Tasks:
    """Starts tasks by the type of their command. A task that was started ends by one call of `finish`."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._starts: dict[type, Start] = {}
        self._finished: Callable[[Call, Task, Failure | None, Now], None] = lambda call, task, why, now: None

    def serve(self, starts: Mapping[type, Start], finished: Callable[[Call, Task, Failure | None, Now], None]) -> None:
        """Who starts which command, and who is told that a task is over (before the next one starts)."""
        self._starts = dict(starts)
        self._finished = finished

    def submit(self, call: Call, task: Task, now: Now) -> None:
        """Do it when all that came before on this call is done."""
        if len(call.tasks) >= self._work.settings.max_waiting_commands:
            self._work.outcomes.failed(task.ticket, failure("too-many-commands"), now)
            self._finished(call, task, failure("too-many-commands"), now)
            return
        call.tasks.append(task)
        self._next(call, now)

    def finish(self, call: Call, why: Failure | None, now: Now, *, result: Any = UNSET, tell: bool = True) -> None:
        """The running task of this call is over: done, or failed for `why`."""
        task = call.task
        assert task is not None, "only a running task is finished"
        call.task = None
        self._close(task.ticket, why, now, result, tell)
        self._finished(call, task, why, now)
        self._next(call, now)

    def abandon(self, call: Call, why: Failure, now: Now) -> None:
        """The call is over: the running task and all that wait fail, and no Error is told; DROPPED tells it."""
        tasks = [task for task in (call.task, *call.tasks) if task is not None]
        call.task = None
        call.tasks.clear()
        for task in tasks:
            self._close(task.ticket, why, now, UNSET, False)
            self._finished(call, task, why, now)

    def _close(self, ticket: Ticket, why: Failure | None, now: Now, result: Any, tell: bool) -> None:
        if why is None:
            self._work.outcomes.done(ticket, result)
        else:
            self._work.outcomes.failed(ticket, why, now, tell=tell)

    def _next(self, call: Call, now: Now) -> None:
        # A task that ends at once calls `finish`, which comes here again: at most as deep as the queue is long.
        if call.task is None and call.tasks:
            task = call.task = call.tasks.popleft()
            self._work.outcomes.start(task.ticket, now)
            self._starts[type(task.command)](call, task, now)
