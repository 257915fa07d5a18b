"""SendDtmf: an INFO a digit, the next after the 2xx of the former, or telephone-events by the engine. One `DTMF` event.

Contract §2 row 17; RB §3.14, §8.8. Digits may be card numbers: no repr and no event shows them.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Phase, Task
from offhook.cti.commands import SendDtmf
from offhook.cti.errors import Failure, failure, invalid_action, media_failure
from offhook.cti.events import Dtmf, DtmfResponse
from offhook.cti.tasks import Tasks
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import StateError
from offhook.sip.events import RequestAnswered


class Digits:
    """Sends the digits of SendDtmf tasks."""

    def __init__(self, work: Workplace, tasks: Tasks) -> None:
        self._work = work
        self._tasks = tasks

    def start(self, call: Call, task: Task, now: Now) -> None:
        assert isinstance(task.command, SendDtmf), "only SendDtmf starts here"
        if call.phase is not Phase.UP:
            self._tasks.finish(call, invalid_action("SendDtmf"), now)
            return
        task.rest = task.command.message
        if self._work.settings.dtmf == "rtp":
            self._work.send_digits(call, task.rest, now)
        else:
            self._send_next(call, task, now)

    def info_answered(self, call: Call, answered: RequestAnswered, now: Now) -> None:
        """The other side's answer to an INFO of ours."""
        task = call.task
        if task is None or task.asked != answered.id:
            return
        if 200 <= answered.status < 300:
            task.rest = task.rest[1:]
            self._send_next(call, task, now)
        else:
            why = failure("digits-refused", detail=f"The other side answered {answered.status} {answered.phrase}.")
            self._fail(call, why, f"Failed {answered.phrase}", now)

    def sent(self, call: Call, now: Now) -> None:
        """The engine has sent them all."""
        self._done(call, now)

    def engine_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        self._fail(call, media_failure(code, detail), f"Failed {detail}", now)

    def cut_short(self, call: Call, reason: str, now: Now) -> None:
        """The call is over, or the time: tell that the digits did not all get through."""
        if call.task is not None and isinstance(call.task.command, SendDtmf):
            self._work.forget(call, Purpose.DIGITS)
            self._tell(call, 0, f"Failed {reason}", now)

    def _send_next(self, call: Call, task: Task, now: Now) -> None:
        if not task.rest:
            self._done(call, now)
            return
        assert call.session is not None, "a call that is up has a session"
        content_type, body = self._work.dialect.digit(task.rest[0], self._work.settings.dtmf_duration_ms)
        try:
            task.asked = self._work.ua.info(call.session, content_type, body, now)
        except StateError as problem:
            self._fail(call, failure("digits-refused", detail=str(problem)), "Failed to send", now)

    def _done(self, call: Call, now: Now) -> None:
        self._tell(call, 1, "Success", now)
        self._tasks.finish(call, None, now)

    def _fail(self, call: Call, why: Failure, description: str, now: Now) -> None:
        self._tell(call, 0, description, now)
        self._tasks.finish(call, why, now, tell=False)

    def _tell(self, call: Call, kind: int, description: str, now: Now) -> None:
        response = DtmfResponse(
            loginId=self._work.extension, type=1 if kind else 0, description=description, dialogId=call.id
        )
        self._work.outbox.publish(Dtmf(response=response), now)
