"""updateCallVariableData: what a desk notes about a call, for other desks and the server. Contract §2.

The server is asked first, so that a refusal leaves the record as it was. Stock FreeSWITCH answers 200 to whatever it
does not know and says no more: then the record is changed all the same, `SILENCE` seconds after that 200.
"""

from __future__ import annotations

from msgspec.structs import replace

from offhook.clock import Now
from offhook.cti.asking import Asking
from offhook.cti.call import Call, Phase, Task
from offhook.cti.commands import UpdateCallVariableData
from offhook.cti.dialog import again
from offhook.cti.errors import Failure, failure, invalid_action
from offhook.cti.events import CallVariable, CallVariables
from offhook.cti.tasks import Tasks
from offhook.cti.words import MAX_BYTES, Ask, Word
from offhook.cti.workplace import Workplace

MAX_VARIABLES = 64
SILENCE_TIMER = "variables:"
SILENCE = 2.0
"""Seconds after which a server that answered, and said nothing of it, is one that takes no words."""


class Variables:
    """Changes the variables of calls that are up."""

    def __init__(self, work: Workplace, tasks: Tasks, asking: Asking) -> None:
        self._work = work
        self._tasks = tasks
        self._asking = asking

    def start(self, call: Call, task: Task, now: Now) -> None:
        """An updateCallVariableData, in its turn."""
        command = task.command
        assert isinstance(command, UpdateCallVariableData), "only that starts here"
        given = command.callVariables
        merged = {**{each.name: each.value for each in call.dialog.callVariables.CallVariable}, **given}
        why: Failure | None = None
        if call.phase is not Phase.UP:
            why = invalid_action(command.action)
        elif not all(value.isprintable() for value in given.values()):
            text = "callVariables has characters that cannot be sent - at `parameter.callVariables`"
            why = failure("invalid-parameter", text, text)
        elif len(merged) > MAX_VARIABLES or len(Ask("VARIABLES", "", given).text()) > MAX_BYTES:
            why = failure("too-many-variables")
        if why is not None:
            self._tasks.finish(call, why, now)
            return

        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None and word.event != "DONE":
                why = failure("variables-refused", detail=f"The server said {word.reason or 'nothing more'}.")
            self._over(call, merged, why, now)

        if self._work.dialect.express(Ask("VARIABLES", "", given)):
            self._asking.ask(call, "VARIABLES", {"variables": given}, heard, now)
        else:
            self._over(call, merged, None, now)

    def arrived(self, call: Call, now: Now) -> None:
        """The server's 200: it has the word; what it makes of it, it will say, if it can."""
        assert call.task is not None, "it asked"
        timer = f"{SILENCE_TIMER}{call.task.ticket.serial}"
        self._work.timers.set(self._work.owner, timer, now.monotonic + SILENCE)

    def silent(self, serial: str, now: Now) -> None:
        """It has said nothing: it does not take words. `serial`: of the command's ticket."""
        tasks = (call.task for call in self._work.calls.values())
        task = next(task for task in tasks if task is not None and str(task.ticket.serial) == serial)
        self._asking.over(task, None, None, now)

    def task_over(self, call: Call, task: Task) -> None:
        if isinstance(task.command, UpdateCallVariableData):
            self._work.timers.cancel(self._work.owner, f"{SILENCE_TIMER}{task.ticket.serial}")

    def _over(self, call: Call, merged: dict[str, str], why: Failure | None, now: Now) -> None:
        if why is None:
            variables = CallVariables(tuple(CallVariable(name, value) for name, value in merged.items()))
            same = variables == call.dialog.callVariables
            call.dialog = again(replace(call.dialog, callVariables=variables))
            if not (same and call.queued):  # to desks it has not begun: a second INITIATED with no news misleads them
                self._work.tell(call, now)
        self._tasks.finish(call, why, now)
