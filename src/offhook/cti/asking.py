"""Asking the server for what SIP has no method for, and hearing what came of it: INFOs out, a word back. RB §7.3.

The 200 to a word says only that it arrived; in the dialect whose server does not answer by words it is the outcome.
Where no answer came, because the connection broke, it may have arrived. When the server is there again it is asked
again, but not for a conference, which must not be made twice: who may be in one by now says how they are as a member,
which the server takes from members alone.
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

TIMED_OUT = 408
Heard = Callable[[Failure | None, Word | None, Now], None]

OUTCOMES = frozenset({"DONE", "FAILED", "CONSULT_CONFERENCE_FAILED", "BARGE_FAILED", "CONSULT_TRANSFER_FAILED"})
"""Words that say what came of an ask; a CONFERENCE word may be one too."""
_UNNAMED: dict[str, type] = {
    "CONSULT_CONFERENCE_FAILED": ConferenceConsult,
    "BARGE_FAILED": BargeIn,
    "CONSULT_TRANSFER_FAILED": ConsultTransfer,
}
"""Which command such a word is the outcome of, where the server does not repeat the id."""
_JOINS = ("CONFERENCE", "BARGE")
"""Asks by which calls become a conference, once."""
_NOT_ARRIVED = "The connection broke before the server had it."
DOUBT_TIMER = "doubt:"
DOUBT = 5.0
"""Seconds after which there is believed to be no conference: the server takes 3 to enrol a leg that was taken over."""
_LOST = "No answer came to what the server was asked; whether it was carried out is not known."


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

    def answered(self, call: Call, task: Task, answered: RequestAnswered, now: Now) -> bool:
        """The answer to an INFO of a task. True: that was the last, and the word is waited for."""
        inquiry = task.inquiry
        if inquiry is None or task.asked != answered.id:
            return False
        if answered.response is None:
            self._lose(call, task, inquiry, answered.status, now)
        elif not 200 <= answered.status < 300:
            phrase = readable(answered.phrase)
            detail = f"The other side answered {answered.status} {phrase}."
            self.over(task, failure("not-understood", phrase or None, detail), None, now)
        elif inquiry.rest:
            self._say(task, now)
        elif not self._work.dialect.answers(inquiry.ask):
            self.over(task, None, None, now)
        else:
            task.asked = None
            return True
        return False

    def _lose(self, call: Call, task: Task, inquiry: Inquiry, status: int, now: Now) -> None:
        """No answer came: what comes of it is waited for as before, where a word can tell it."""
        if not self._work.dialect.answers(inquiry.ask):
            self.over(task, failure("timeout", detail=_LOST), None, now)
            return
        inquiry.lost, task.asked = True, None
        if status == TIMED_OUT:  # the connection is there; else `again` comes when it is
            self.again(call, now)

    def again(self, call: Call, now: Now) -> None:
        """The server is there again: find out what became of what it was asked for. Digits are not sent twice.

        Its word may have been lost as well as its answer.
        """
        task = call.task
        inquiry = None if task is None else task.inquiry
        if task is None or inquiry is None or task.asked is not None or not self._work.dialect.words:
            return
        inquiry.lost = True
        ask = inquiry.ask
        inquiry.checking = ask.event in _JOINS
        if inquiry.checking:
            muted = call.dialog.participants[0].mute
            ask = Ask("MEMBER_STATE", ask.id, {"held": call.held, "muted": muted})
        ((content_type, body),) = self._work.dialect.express(ask)
        assert call.session is not None, "a call that is up has a session"
        try:  # in the session that the call has by now
            task.asked = self._work.ua.info(call.session, content_type, body, now)
        except StateError:
            return  # the connection is gone again, or the session ends at this moment
        inquiry.lost = False

    def doubts(self, call: Call) -> bool:
        """Whether the running task asked for a conference, and it is not known if the server has that."""
        inquiry = None if call.task is None else call.task.inquiry
        return inquiry is not None and inquiry.ask.event in _JOINS and (inquiry.lost or inquiry.checking)

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
        task = call.task
        assert task is not None and task.inquiry is not None, "asked only where `awaits`"
        inquiry = task.inquiry
        if inquiry.checking and word.event == "FAILED":  # there is none, or the server does not know our leg yet
            self._work.timers.set(self._work.owner, f"{DOUBT_TIMER}{task.ticket.serial}", now.monotonic + DOUBT)
        elif inquiry.checking and word.event == "DONE":  # there is; who is in it, its own word tells
            if call.in_conference:
                self.over(task, None, None, now)
        else:
            self.over(task, why, word, now)

    def doubt_lasts(self, serial: str, now: Now) -> None:
        """There is no conference: the ask did not arrive. `serial` is that of the command's ticket."""
        tasks = [call.task for call in self._work.calls.values()]
        task = next((task for task in tasks if task is not None and str(task.ticket.serial) == serial), None)
        if task is not None and task.inquiry is not None:  # else the call has ended meanwhile
            self.over(task, failure("not-sent", detail=_NOT_ARRIVED), None, now)

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
        self._work.timers.cancel(self._work.owner, f"{DOUBT_TIMER}{task.ticket.serial}")
        assert inquiry is not None, "over once"
        inquiry.heard(why, word, now)
