"""The commands on one call, one after another, in the order in which they came (contract §1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET

from offhook.clock import Now
from offhook.cti.call import Call, Task
from offhook.cti.commands import MuteCall, UnmuteCall
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
            why = failure("too-many-commands")
            self._work.outcomes.failed(task.ticket, why, now)
            self._over(call, task, why, now)
            return
        call.tasks.append(task)
        self._next(call, now)

    def go_on(self, call: Call, now: Now) -> None:
        """Nothing stands in the way of the next task any more."""
        self._next(call, now)

    def finish(self, call: Call, why: Failure | None, now: Now, *, result: Any = UNSET, tell: bool = True) -> None:
        """The running task of this call is over: done, or failed for `why`."""
        task = call.task
        assert task is not None, "only a running task is finished"
        call.task = None
        self._close(task.ticket, why, now, result, tell)
        self._over(call, task, why, now)
        self._next(call, now)

    def refuse_waiting(self, call: Call, why: Failure, now: Now) -> None:
        """Those that have not begun fail, but for our own; who asked is told by another event."""
        waiting = [task for task in call.tasks if not task.own]
        for task in waiting:
            call.tasks.remove(task)
            self._close(task.ticket, why, now, UNSET, False)
            self._over(call, task, why, now)

    def abandon(self, call: Call, why: Failure, now: Now) -> None:
        """The call is over: the running task and all that wait fail, and no Error is told; DROPPED tells it.

        But a task that `ends_well` with the call is done.
        """
        tasks = [task for task in (call.task, *call.tasks) if task is not None]
        call.task = None
        call.tasks.clear()
        for task in tasks:
            failed = None if task.ends_well else why
            self._close(task.ticket, failed, now, task.result, False)
            self._over(call, task, failed, now)

    def _over(self, call: Call, task: Task, why: Failure | None, now: Now) -> None:
        self._finished(call, task, why, now)
        if task.then is not None:
            task.then(why, now)

    def _close(self, ticket: Ticket, why: Failure | None, now: Now, result: Any, tell: bool) -> None:
        if why is None:
            self._work.outcomes.done(ticket, result)
        else:
            self._work.outcomes.failed(ticket, why, now, tell=tell)

    def _next(self, call: Call, now: Now) -> None:
        # A task that ends at once calls `finish`, which comes here again: at most as deep as the queue is long.
        if call.recovery is not None and not (call.tasks and isinstance(call.tasks[0].command, MuteCall | UnmuteCall)):
            for task in call.tasks:  # they wait no longer than commands may take
                self._work.outcomes.start(task.ticket, now)
            return
        while call.tasks and call.tasks[0].ticket.closed:
            self._over(call, call.tasks.popleft(), failure("timeout"), now)
        if call.task is None and call.tasks:
            task = call.task = call.tasks.popleft()
            self._work.outcomes.start(task.ticket, now)
            if task.part_of is not None:
                self._work.outcomes.start(task.part_of, now)
            self._starts[type(task.command)](call, task, now)
