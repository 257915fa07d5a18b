"""Listening to another agent's call, whispering to the agent, joining in. Contract §2 rows 20, 21, §7; RB §3.3, §3.13.

Who listens sends nothing: its offers are recvonly, and its microphone is shut in the engine besides; it opens when the
server has said that only the agent hears it (whisper), or that it is a member of a conference (barge). Each attempt is
told to the audit.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from offhook.clock import Now
from offhook.cti.asking import Asking
from offhook.cti.call import Call, Outgoing, Phase, Task
from offhook.cti.commands import BargeIn, SilentMonitor, Whisper
from offhook.cti.conferencing import refusal
from offhook.cti.dialog import CONFERENCE, Kind, muted, outbound
from offhook.cti.errors import MONITORED_HELD, ON_HOLD, Failure, failure, invalid_action
from offhook.cti.holding import Holding
from offhook.cti.numbering import refuse_number, refuse_text
from offhook.cti.outbound import Outbound
from offhook.cti.outcomes import Ticket
from offhook.cti.stream import Audit
from offhook.cti.tasks import Tasks
from offhook.cti.words import Ask, Word
from offhook.cti.workplace import Workplace
from offhook.media.engine import Direction

_REMEMBERED = 8


class Listening:
    """The commands of supervisors."""

    def __init__(self, work: Workplace, tasks: Tasks, outbound: Outbound, holding: Holding, asking: Asking) -> None:
        self._work = work
        self._tasks = tasks
        self._outbound = outbound
        self._holding = holding
        self._asking = asking
        self._refused: list[str] = []
        """Dialog ids of the last calls that did not come about: a MESSAGE may say why only after it."""

    @property
    def allowed(self) -> bool:
        """This agent is a supervisor, as far as we know; the server has its own mind about it."""
        return self._work.supervisor or self._work.extension in self._work.settings.supervisors

    # silentMonitor

    def monitor(self, ticket: Ticket, command: SilentMonitor, now: Now) -> None:
        """A silentMonitor."""
        work, prefix = self._work, self._work.settings.monitoring_prefix
        prefixes = work.settings.monitoring_prefixes
        why = (
            (None if self.allowed else failure("not-allowed"))
            or refuse_number(command.calledNumber, *prefixes)
            or refuse_number(prefix + command.calledNumber)
            or refuse_text("Destination_Number", command.Destination_Number, *prefixes)
            or refuse_text("callType", command.callType)
            or refuse_text("service_Identifier", command.service_Identifier)
        )
        also = command.Destination_Number if command.Destination_Number != command.calledNumber else None
        if why is not None:
            self._audit("silentMonitor", command.calledNumber, None, why.code, now, also)
            work.outcomes.failed(ticket, why, now)
            return
        dialog = outbound(
            work.ids.token(96),
            command.calledNumber,
            command.service_Identifier,
            command.callType,
            extension=work.extension,
            address_type=work.settings.media_address_type,
            originator="normal",
            wall=now.wall,
            kind=Kind.MONITORING,
        )
        headers = work.dialect.monitoring_headers(prefix + command.Destination_Number, command.callType)
        outgoing = Outgoing(ticket, prefix + command.calledNumber, headers, Direction.RECVONLY)
        call = self._outbound.place(Kind.MONITORING, muted(dialog, True, now.wall), outgoing, now)
        if call is None:
            self._audit("silentMonitor", command.calledNumber, None, "too-many-calls", now, also)
            return
        call.listens = call.silent = True
        self._holding.set_microphone(call)

    def up(self, call: Call, now: Now) -> None:
        """A call of ours was answered."""
        if call.listens:
            self._holding.set_microphone(call)
            call.audited = ("silentMonitor-end",)
            self._audit("silentMonitor", call.dialog.dialedNumber, call.id, "done", now, _also(call))

    def over(self, call: Call, now: Now) -> None:
        """A call ended, perhaps before it came about."""
        self._ended(call, now)
        if call.listens and not call.answered:
            outcome = call.refused_as or "released"
            self._audit("silentMonitor", call.dialog.dialedNumber, call.id, outcome, now, _also(call))
            if call.refused_as != ON_HOLD:
                self._refused = [*self._refused[1 - _REMEMBERED :], call.id]

    def held(self, call: Call | None, dialog_id: str, now: Now) -> None:
        """A MESSAGE: the call to listen to is on hold (dialect efcx)."""
        if call is not None and call.listens:
            call.refused_as = ON_HOLD
        elif call is None and dialog_id in self._refused:
            self._refused.remove(dialog_id)
            self._work.outbox.error(failure("call-on-hold", MONITORED_HELD), dialog_id, now)

    # whisper and bargeIn

    def ask(self, call: Call, ticket: Ticket, now: Now) -> None:
        """A whisper or bargeIn."""
        command = ticket.command
        why = None if self.allowed else failure("not-allowed")
        why = why or self._unfit(call, command.action)
        if why is None and not self._work.dialect.express(
            Ask("WHISPER" if isinstance(command, Whisper) else "BARGE", "")
        ):
            why = failure("not-in-dialect")
        if why is not None:
            self._audit(command.action, call.dialog.dialedNumber if call.listens else "", call.id, why.code, now)
            self._work.outcomes.failed(ticket, why, now)
        else:
            self._tasks.submit(call, Task(command, ticket), now)

    def task_over(self, call: Call, task: Task, why: Failure | None, now: Now) -> None:
        """The outcome of one of them."""
        if not isinstance(task.command, Whisper | BargeIn) or task.ends:
            return
        outcome = "done" if why is None else why.code
        self._audit(task.command.action, call.dialog.dialedNumber, task.ticket.dialog_id, outcome, now)
        if isinstance(task.command, BargeIn) and why is None:
            self._ended(call, now)
        elif why is None:
            call.audited = ("whisper-off", *call.audited)

    def _ended(self, call: Call, now: Now, *which: str) -> None:
        """Listening or whispering is over, or (none named) whatever of it there was."""
        over = [each for each in call.audited if not which or each in which]
        call.audited = tuple(each for each in call.audited if each not in over)
        for action in over:
            self._audit(action, call.dialog.dialedNumber, call.id, "done", now)

    def out_of_time(self, call: Call, now: Now) -> None:
        """Neither whispering nor in: back to listening, as far as it depends on us."""
        if call.listens and not call.whispering:
            self._listen(call, lambda now: None, now)

    def taken_over(self, call: Call, now: Now) -> None:
        """Another leg of ours listens now, after an outage: the server lets none whisper that has not asked."""
        if call.whispering:
            self._shut(call, now)
            self._ended(call, now, "whisper-off")
            self._work.outbox.error(failure("whisper-refused"), call.id, now)

    def start(self, call: Call, task: Task, now: Now) -> None:
        """In its turn. To speak, the session must be able to carry it; the microphone stays shut until it may."""
        why = self._unfit(call, task.command.action)
        if why is not None:
            self._tasks.finish(call, why, now)
        elif isinstance(task.command, Whisper) and call.whispering:
            self._stop_whispering(call, now)
        elif call.talking is Direction.SENDRECV:
            self._go_on(call, task, now)
        else:

            def changed(why: Failure | None, answer: str, now: Now) -> None:
                if call.task is not task or call.outgoing is None:
                    return
                if why is None:
                    call.outgoing.direction = Direction.SENDRECV
                    self._go_on(call, task, now)
                else:
                    self._tasks.finish(call, why, now)

            self._holding.change(call, Direction.SENDRECV, None, changed, now)

    def _go_on(self, call: Call, task: Task, now: Now) -> None:
        if isinstance(task.command, BargeIn):
            self._barge(call, now)
        else:
            self._whisper(call, now)

    def _whisper(self, call: Call, now: Now) -> None:
        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None and word.event != "DONE":
                why = failure("whisper-refused", detail=f"The server said {word.reason or 'nothing more'}.")
            if why is None:
                call.whispering, call.silent = True, False
                call.dialog = muted(call.dialog, False, now.wall)
                self._holding.set_microphone(call)
                self._tell(call, now)
                self._tasks.finish(call, None, now)
            else:
                self._back(call, why, now)

        self._asking.ask(call, "WHISPER", {"on": True}, heard, now)

    def _stop_whispering(self, call: Call, now: Now) -> None:
        """The microphone first: whatever the server does now, nobody is heard."""
        task = call.task
        assert task is not None, "started as a task"
        task.ends = True
        self._shut(call, now)
        self._ended(call, now, "whisper-off")

        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            self._holding.change(call, Direction.RECVONLY, None, changed, now)

        def changed(why: Failure | None, answer: str, now: Now) -> None:
            if why is None and call.outgoing is not None:
                call.outgoing.direction = Direction.RECVONLY
            if call.task is task:
                self._tasks.finish(call, why, now)

        self._asking.ask(call, "WHISPER", {"on": False}, heard, now)

    def _barge(self, call: Call, now: Now) -> None:
        def heard(why: Failure | None, word: Word | None, now: Now) -> None:
            if word is not None and word.event != CONFERENCE:
                why = refusal("Bargein", "barge-refused", word)
            if why is None:  # the customer's id, if the server named it
                self._tasks.finish(call, None, now, result={"dialogId": call.id})
            elif call.whispering:
                self._tasks.finish(call, why, now)
            else:
                self._back(call, why, now)

        self._asking.ask(call, "BARGE", {}, heard, now)

    def _shut(self, call: Call, now: Now) -> None:
        call.whispering, call.silent = False, True
        self._holding.set_microphone(call)
        call.dialog = muted(call.dialog, True, now.wall)
        self._tell(call, now)

    def _back(self, call: Call, why: Failure, now: Now) -> None:
        """It did not come about: listen as before, then say so."""
        task = call.task

        def listening(now: Now) -> None:
            if call.task is task:
                self._tasks.finish(call, why, now)

        self._listen(call, listening, now)

    def _listen(self, call: Call, then: Callable[[Now], None], now: Now) -> None:
        """Back to an offer that sends nothing; if it is not taken, nothing is sent all the same."""
        call.silent = True
        self._holding.set_microphone(call)
        if call.phase is Phase.UP and call.outgoing is not None and call.talking is not Direction.RECVONLY:
            call.outgoing.direction = Direction.RECVONLY
            self._holding.change(call, Direction.RECVONLY, None, lambda why, answer, now: then(now), now)
        else:
            then(now)

    def _tell(self, call: Call, now: Now) -> None:
        call.dialog = replace(call.dialog, isCallAlreadyActive=True)
        self._work.tell(call, now)

    def _unfit(self, call: Call, action: str) -> Failure | None:
        """Why nobody can be spoken to by this call: it is none that listens, is not up, is held, or has no audio."""
        fits = call.listens and call.phase is Phase.UP and not call.held and not call.restored
        return None if fits else invalid_action(action)

    def _audit(
        self, action: str, target: str, dialog_id: str | None, outcome: str, now: Now, destination: str | None = None
    ) -> None:
        audit = Audit(action, self._work.extension, target, dialog_id, outcome, now.wall, destination)
        self._work.outbox.put(audit)


def _also(call: Call) -> str | None:
    """The other number that the INVITE named."""
    command = None if call.dial is None else call.dial.command
    if not isinstance(command, SilentMonitor) or command.Destination_Number == command.calledNumber:
        return None
    return command.Destination_Number
