"""What the server and other agents say by words, and the parts of an agent that speak so: each word to whom it is for.

A word is believed no further than it can mean: in dialect `freeswitch` each comes in the dialog of its call, and no
MESSAGE counts; in `efcx` the MESSAGE names the call by its id, which others know, so it must come from whose it is to
say that: the server, which has no user in its From, a member of the conference, or the other party. What cannot be
read, or is for a call that is none of ours, is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from offhook.clock import Now
from offhook.cti.asking import OUTCOMES, Asking
from offhook.cti.call import Call, Phase, Takeover, Task
from offhook.cti.commands import (
    BargeIn,
    ConferenceConsult,
    ConvertCall,
    DropParticipant,
    UpdateCallVariableData,
    Whisper,
)
from offhook.cti.conferencing import MEMBER_CHANGES, Conferencing
from offhook.cti.converting import EVENT as CONVERSION
from offhook.cti.converting import INTRODUCTION, Converting
from offhook.cti.dialog import CONFERENCE
from offhook.cti.ending import Ending
from offhook.cti.errors import ON_HOLD, Failure
from offhook.cti.holding import Holding
from offhook.cti.monitoring import Listening
from offhook.cti.outbound import Outbound
from offhook.cti.tasks import Start, Tasks
from offhook.cti.variables import Variables
from offhook.cti.words import CONTENT_TYPE, Member, Word, read
from offhook.cti.workplace import Workplace
from offhook.errors import RemoteError
from offhook.sip.events import RequestAnswered, RequestReceived
from offhook.sip.message import Request

_MESSAGE_TYPES = ("text/plain", "application/json", CONTENT_TYPE)
IN_TURN = DropParticipant | ConvertCall | UpdateCallVariableData
"""Commands of these parts that wait for their turn on the call that they name."""


class Hearing:
    """The parts of an agent that speak and are spoken to by words. `taken_over`: a consult has the customer now."""

    def __init__(
        self,
        work: Workplace,
        tasks: Tasks,
        outbound: Outbound,
        ending: Ending,
        holding: Holding,
        taken_over: Callable[[Call, Takeover, Now], None],
    ) -> None:
        self._work = work
        self._taken_over = taken_over
        self._asking = Asking(work)
        self.conferencing = Conferencing(work, tasks, ending, self._asking, holding)
        self.listening = Listening(work, tasks, outbound, holding, self._asking)
        self.converting = Converting(work, tasks, holding, self._asking)
        self.variables = Variables(work, tasks, self._asking)

    @property
    def starts(self) -> Mapping[type, Start]:
        """Who starts which command."""
        return {
            ConferenceConsult: self.conferencing.start,
            DropParticipant: self.conferencing.drop,
            BargeIn: self.listening.start,
            Whisper: self.listening.start,
            ConvertCall: self.converting.start,
            UpdateCallVariableData: self.variables.start,
        }

    def task_over(self, call: Call, task: Task, why: Failure | None, now: Now) -> None:
        """A task is over, of whatever command."""
        self.listening.task_over(call, task, why, now)
        self.variables.task_over(call, task)

    def out_of_time(self, call: Call, task: Task, now: Now) -> None:
        """A task had all its time; it is over by now."""
        if isinstance(task.command, ConvertCall):
            self.converting.out_of_time(call, task.command, now)
        elif isinstance(task.command, Whisper | BargeIn):
            self.listening.out_of_time(call, now)

    def answered(self, call: Call, task: Task, answered: RequestAnswered, now: Now) -> bool:
        """The answer to an INFO of a task. True: that was the last, and what comes of it is waited for."""
        waits = self._asking.answered(call, task, answered, now)
        if waits and isinstance(task.command, UpdateCallVariableData):
            self.variables.arrived(call, now)
        return waits

    def back(self, call: Call, now: Now) -> None:
        """The server is there again; what it said meanwhile was lost."""
        self._asking.again(call, now)
        self.conferencing.back(call, now)

    def doubt_lasts(self, serial: str, now: Now) -> None:
        """What the server was asked for before an outage has not come about."""
        self._asking.doubt_lasts(serial, now)

    def received(self, received: RequestReceived, now: Now) -> None:
        """A request that may carry a word."""
        request = received.request
        if received.session is not None:
            call = self._work.sessions.get(received.session)
            if call is not None and request.content_type == CONTENT_TYPE and self._work.dialect.words:
                word = read(request.body)
                if word is not None:
                    self._heard(call, word, now)
        elif request.method == "MESSAGE" and request.content_type in _MESSAGE_TYPES and not self._work.dialect.words:
            word = read(request.body)
            if word is not None and word.dialog_id is not None:
                self._message(word, word.dialog_id, request, now)

    def _message(self, word: Word, dialog_id: str, request: Request, now: Now) -> None:
        """Dialect efcx: a MESSAGE about one of our calls, from the server or from another agent."""
        calls = self._work.calls
        known = (call for call in calls.values() if call.known_as == dialog_id)
        call = calls.get(dialog_id) or next(known, None)
        try:
            sender = request.from_.uri
        except RemoteError:
            return
        if sender.user is not None:
            if call is None and word.event == CONVERSION:
                # Who called us has another id for the call than we: the server gave us ours.
                call = self.converting.only_call_with(sender.user)
            if call is not None:
                self._told_by(sender.user, call, word, now)
        elif sender.host.lower() == self._work.settings.domain.lower():
            self._told_by_server(call, word, dialog_id, now)

    def _told_by(self, sender: str, call: Call, word: Word, now: Now) -> None:
        """By somebody with a number: what they may say of themselves."""
        if word.event == CONVERSION:
            self.converting.party_told(call, word, sender, now)
        elif word.event == INTRODUCTION:
            self.converting.introduced(call, word, sender)
        elif word.event in MEMBER_CHANGES and sender in call.others:
            self._heard(call, replace(word, members=(Member(ext=sender),)), now)

    def _told_by_server(self, call: Call | None, word: Word, dialog_id: str, now: Now) -> None:
        if word.event == "MONITORING_FAILED":
            if word.reason == ON_HOLD:
                self.listening.held(call, dialog_id, now)
        elif call is not None and word.event == "CONSULT_TRANSFER":
            takeover = Takeover(
                number=word.customer_number,
                dialog_id=word.customer_dialog_id,
                destination=word.customer_destination,
            )
            self._taken_over(call, takeover, now)
        elif call is not None and word.event not in (CONVERSION, INTRODUCTION):
            self._heard(call, word, now)

    def _heard(self, call: Call, word: Word, now: Now) -> None:
        if call.phase is not Phase.UP:
            return
        # The consult may be what the server names; what it was asked for is about the customer's call.
        if call.customer is not None and self._asking.awaits(call.customer, word):
            call = call.customer
        if word.event == CONVERSION:
            self.converting.told(call, word, now)
        elif word.event == CONFERENCE:
            self.conferencing.told(call, word, now)
        elif word.event in MEMBER_CHANGES:
            self.conferencing.other_changed(call, word, now)
        elif word.event in OUTCOMES and self._asking.awaits(call, word):
            self._asking.heard(call, None, word, now)
