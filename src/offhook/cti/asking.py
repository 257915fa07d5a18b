"""Asking the server for what SIP has no method for, and hearing what came of it: INFOs out, a word back. RB §7.3.

The 200 to a word says only that it arrived; in the dialect whose server does not answer by words it is the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from offhook.clock import Now
from offhook.cti.call import Call, Inquiry, Task
from offhook.cti.commands import BargeIn, ConferenceConsult, ConsultTransfer
from offhook.cti.dialect import readable
from offhook.cti.errors import Failure, failure
from offhook.cti.words import Ask, Word
from offhook.cti.workplace import Workplace
from offhook.errors import StateError
from offhook.sip.events import RequestAnswered

Heard = Callable[[Failure | None, Word | None, Now], None]

OUTCOMES = frozenset({"DONE", "FAILED", "CONSULT_CONFERENCE_FAILED", "BARGE_FAILED", "CONSULT_TRANSFER_FAILED"})
"""Words that say what came of an ask; a CONFERENCE word may be one too."""
_UNNAMED: dict[str, type] = {
    "CONSULT_CONFERENCE_FAILED": ConferenceConsult,
    "BARGE_FAILED": BargeIn,
    "CONSULT_TRANSFER_FAILED": ConsultTransfer,
}
"""Which command such a word is the outcome of, where the server does not repeat the id."""


class Asking:
    """Asks for the tasks of calls that are up."""

    def __init__(self, work: Workplace) -> None:
        self._work = work

    def ask(
        self,
        call: Call,
        event: str,
        fields: Mapping[str, Any],
        heard: Heard,
        now: Now,
        *,
        session: str | None = None,
    ) -> None:
        """Ask for the running task of the call, in its session or another; `heard` is told what came of it, once.

        Where the task is over before, nobody is told.
        """
        task = call.task
        assert task is not None and call.session is not None, "asked by a task of a call that is up"
        ask = Ask(event, self._work.ids.token(64), fields)
        says = self._work.dialect.express(ask)
        if not says:
            heard(failure("not-in-dialect"), None, now)
            return
        task.inquiry = Inquiry(ask, session or call.session, says, heard)
        self._say(task, now)

    def tell(self, call: Call, event: str, fields: Mapping[str, Any], now: Now) -> None:
        """Say something of which no outcome is waited for."""
        assert call.session is not None, "a call that is up has a session"
        for content_type, body in self._work.dialect.express(Ask(event, self._work.ids.token(64), fields)):
            try:
                self._work.ua.info(call.session, content_type, body, now)
            except StateError:
                return  # the session ends at this moment, which is told next

    def answered(self, task: Task, answered: RequestAnswered, now: Now) -> bool:
        """The answer to an INFO of a task. True: that was the last, and the word is waited for."""
        inquiry = task.inquiry
        if inquiry is None or task.asked != answered.id:
            return False
        if not 200 <= answered.status < 300:
            phrase = readable(answered.phrase)
            detail = f"The other side answered {answered.status} {phrase}."
            self.over(task, failure("not-understood", phrase or None, detail), None, now)
        elif inquiry.rest:
            self._say(task, now)
        elif not self._work.dialect.answers(inquiry.ask):
            self.over(task, None, None, now)
        else:
            return True
        return False

    def awaits(self, call: Call, word: Word) -> bool:
        """Whether the running task of this call waits for that word."""
        task = call.task
        if task is None or task.inquiry is None:
            return False
        if self._work.dialect.words:
            return word.id == task.inquiry.ask.id
        wanted = _UNNAMED.get(word.event, ConferenceConsult | BargeIn if word.event == "CONFERENCE" else ())
        return isinstance(task.command, wanted)

    def heard(self, call: Call, why: Failure | None, word: Word, now: Now) -> None:
        """The word that the running task waits for has come."""
        assert call.task is not None, "asked only where `awaits`"
        self.over(call.task, why, word, now)

    def _say(self, task: Task, now: Now) -> None:
        inquiry = task.inquiry
        assert inquiry is not None, "set by who asks"
        (content_type, body), inquiry.rest = inquiry.rest[0], inquiry.rest[1:]
        try:
            task.asked = self._work.ua.info(inquiry.session, content_type, body, now)
        except StateError as problem:
            self.over(task, failure("not-sent", detail=str(problem)), None, now)

    def over(self, task: Task, why: Failure | None, word: Word | None, now: Now) -> None:
        """What came of it is known."""
        inquiry, task.inquiry, task.asked = task.inquiry, None, None
        assert inquiry is not None, "over once"
        inquiry.heard(why, word, now)
