"""Who gets what: commands, events of the user agent and outcomes of the engine, each to the part that deals with it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from offhook.clock import Now
from offhook.cti.asking import DOUBT_TIMER
from offhook.cti.call import Call, Phase, Task
from offhook.cti.commands import (
    SST,
    AnswerCall,
    BargeIn,
    CallCommand,
    ConferenceConsult,
    ConsultTransfer,
    ConvertCall,
    DialogCommand,
    GetDialog,
    GetStats,
    HoldCall,
    MakeCall,
    MakeConsult,
    MakeConsultQueue,
    MakeOBCall,
    MuteCall,
    RejectCall,
    ReleaseCall,
    RetrieveCall,
    SendDtmf,
    SilentMonitor,
    SSTQueue,
    UnmuteCall,
    Whisper,
)
from offhook.cti.consulting import Consulting
from offhook.cti.dialog import again, event_of
from offhook.cti.digits import Digits
from offhook.cti.ending import HANG_UP_TIMER, Ending
from offhook.cti.errors import Failure, failure, invalid_action, media_failure
from offhook.cti.events import CallStats, DialogResponse, DialogState, StatsResponse
from offhook.cti.hearing import IN_TURN, Hearing
from offhook.cti.holding import AGAIN_TIMER, Change, Holding
from offhook.cti.inbound import AUTO_TIMER, RING_TIMER, Inbound
from offhook.cti.outbound import Outbound
from offhook.cti.outcomes import Ticket
from offhook.cti.recovering import RECOVER_TIMER, Recovering
from offhook.cti.stats import told_audio, told_video
from offhook.cti.tasks import Tasks
from offhook.cti.transferring import LEGS_TIMER, REFER_TIMER, Transferring
from offhook.cti.variables import SILENCE_TIMER
from offhook.cti.workplace import ENGINE_TIMER, Asked, Purpose, Workplace
from offhook.errors import StateError
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    DigitsSent,
    EngineEvent,
    EngineFailed,
    MediaLost,
    OfferCreated,
    Stats,
)
from offhook.sip.events import (
    AnswerReceived,
    DisplayUpdated,
    Established,
    InviteReceived,
    InviteSent,
    OfferReceived,
    Progress,
    ReferAccepted,
    ReferExpired,
    ReferFailed,
    ReferProgress,
    Renegotiated,
    RenegotiationFailed,
    RequestAnswered,
    RequestReceived,
    SessionEnded,
    SipEvent,
)

TRANSFERS = SST | SSTQueue | ConsultTransfer
QUEUED = HoldCall | RetrieveCall | MuteCall | UnmuteCall | SendDtmf | SST | SSTQueue | IN_TURN
"""Commands that wait for their turn on a call that is up."""
GONE = (404, 408, 481)
"""Answers to an OPTIONS in a dialog that say that there is no such dialog."""


class Controller:
    """The calls of one agent."""

    def __init__(self, work: Workplace) -> None:
        self.work = work
        self._tasks = Tasks(work)
        self._digits = Digits(work, self._tasks)
        self._holding = Holding(work, self._tasks, self._own_changed)
        self.ending = Ending(work, self._tasks, self._digits)
        self._inbound = Inbound(work, self._tasks, self.ending)
        self._outbound = Outbound(work, self.ending)
        self._transferring = Transferring(work, self._tasks, self.ending)
        self._consulting = Consulting(work, self._tasks, self._outbound, self.ending)
        taken_over = self._consulting.taken_over
        self._hearing = Hearing(work, self._tasks, self._outbound, self.ending, self._holding, taken_over)
        self.recovering = Recovering(work, self._tasks, self._holding, self._over, self._back)
        self.ending.watch(self._buried)
        self._probes: dict[str, Call] = {}
        self._tasks.serve(
            {
                AnswerCall: self._inbound.start,
                HoldCall: self._holding.start,
                RetrieveCall: self._holding.start,
                MuteCall: self._holding.mute,
                UnmuteCall: self._holding.mute,
                SendDtmf: self._digits.start,
                SST: self._transferring.start,
                SSTQueue: self._transferring.start,
                ConsultTransfer: self._transferring.start_consult,
                **self._hearing.starts,
            },
            self._task_over,
        )

    def _own_changed(self, call: Call, change: Change, now: Now) -> None:
        self._hearing.conferencing.own_changed(call, change, now)

    def _task_over(self, call: Call, task: Task, why: Failure | None, now: Now) -> None:
        self._inbound.task_over(call, task, why, now)
        self._hearing.task_over(call, task, why, now)
        self._consulting.settled(call, now)

    def _buried(self, call: Call, reason: str | None, now: Now) -> None:
        self._consulting.buried(call, reason, now)
        self._hearing.conferencing.consult_over(call, now)
        self._hearing.listening.over(call, now)
        self.recovering.over(call, now)

    # Commands

    def execute(self, ticket: Ticket, command: CallCommand, now: Now) -> None:
        """A command that makes a call, finds its call itself, or names one."""
        match command:
            case MakeCall() | MakeOBCall():
                self._outbound.dial(ticket, command, now)
            case MakeConsult() | MakeConsultQueue():
                self._consulting.consult(ticket, command, now)
            case ConsultTransfer():
                self._transferring.complete(ticket, command, now)
            case SilentMonitor():
                self._hearing.listening.monitor(ticket, command, now)
            case _:
                self._on_call(ticket, command, now)

    def _on_call(self, ticket: Ticket, command: DialogCommand, now: Now) -> None:
        call = self.work.calls.get(command.dialogId)
        if call is None:
            why = invalid_action(command.action, "unknown-dialog")
            self.work.outcomes.failed(ticket, why, now)
        elif isinstance(command, ReleaseCall | RejectCall):
            self.ending.release(call, ticket, now)
        elif isinstance(command, GetDialog):
            shown = DialogState(response=DialogResponse(loginId=self.work.extension, dialog=call.dialog))
            self.work.outbox.reply(ticket.origin, shown)
            self.work.outcomes.done(ticket, {"dialog": msgspec.to_builtins(call.dialog)})
        elif isinstance(command, GetStats):
            self._ask_stats(call, ticket, now)
        elif isinstance(command, AnswerCall):
            self._inbound.answer(call, ticket, now)
        elif isinstance(command, ConferenceConsult):
            self._hearing.conferencing.confer(call, ticket, now)
        elif isinstance(command, Whisper | BargeIn):
            self._hearing.listening.ask(call, ticket, now)
        elif isinstance(command, SendDtmf) and call.listens:  # digits there make the server let the listener speak
            self.work.outcomes.failed(ticket, invalid_action(command.action), now)
        elif call.phase is not Phase.UP and not self._being_answered(call):
            self.work.outcomes.failed(ticket, invalid_action(command.action), now)
        elif call.queued and isinstance(command, HoldCall | RetrieveCall | MuteCall | UnmuteCall):
            # To desks it has not begun: a HELD or a second INITIATED would mislead them.
            self.work.outcomes.failed(ticket, invalid_action(command.action), now)
        else:
            if isinstance(command, MuteCall) and call.task is not None:
                self._holding.mute_early(call)
            self._tasks.submit(call, Task(command, ticket), now)

    def _being_answered(self, call: Call) -> bool:
        return call.task is not None and isinstance(call.task.command, AnswerCall)

    def _ask_stats(self, call: Call, ticket: Ticket, now: Now) -> None:
        if call.phase is not Phase.UP or call.restored:
            self.work.outcomes.failed(ticket, invalid_action("getStats"), now)
            return
        self.work.outcomes.start(ticket, now)
        self.work.ask_stats(call, ticket, now)

    def hold_all(self, now: Now) -> None:
        """The page with the audio is gone: hold what is active, and remember it."""
        for call in self.work.up():
            if not call.held and not call.restored:
                call.parked = True
                self._own(call, HoldCall(dialogId=call.id), now)

    def retrieve_all(self, now: Now) -> None:
        """The page is back: retrieve what `hold_all` held."""
        for call in self.work.up():
            if call.parked:
                call.parked = False
                self._own(call, RetrieveCall(dialogId=call.id), now)

    def renew(self, media: frozenset[str], now: Now) -> None:
        """The media of these calls need another path. What is held gets it when it is retrieved."""
        for call in self.work.up():
            if call.media in media and not (call.held or call.restored):
                self._holding.renew(call, now)

    def _own(self, call: Call, command: HoldCall | RetrieveCall, now: Now) -> None:
        self._tasks.submit(call, Task(command, self.work.outcomes.begin(command, None), own=True), now)

    def announce_all(self, now: Now) -> None:
        """Tell every live dialog again with its true state: the server is reached again.

        Of a call on its way back that is known when it is back, or gone.
        """
        for call in list(self.work.calls.values()):
            if call.recovery is not None:
                call.recovery.announce = True
            elif call.announced:
                self.work.tell(call, now, again(call.dialog))

    def announce_to(self, origin: str | None) -> bool:
        """Tell one connection every live dialog; False where there is none."""
        calls = [call for call in self.work.calls.values() if call.announced]
        for call in calls:
            self.work.outbox.reply(origin, event_of(call.kind, again(call.dialog), self.work.extension))
        return bool(calls)

    def out_of_service(self, why: Failure, now: Now) -> None:
        """The outage was told: what waits for its end in calls, and has not begun, fails."""
        for call in self.work.up():
            if call.recovery is not None:
                self._transferring.unsent(call, why, now)
                self._tasks.refuse_waiting(call, why, now)

    def probe(self, now: Now) -> None:
        """Ask whether the calls still exist: while the server was out of reach, nobody could have told their end.

        Those on their way back ask for themselves.
        """
        for call in self.work.up():
            if call.recovery is None:
                self._ask_after(call, now)
                self._hearing.back(call, now)

    def _ask_after(self, call: Call, now: Now) -> None:
        assert call.session is not None, "a call that is up has a session"
        try:
            self._probes[self.work.ua.options(call.session, now)] = call
        except StateError:
            return  # the server is out of reach: all are asked after when it is back

    # The user agent

    def sip(self, event: SipEvent, available: bool, now: Now) -> None:
        """An event of a session; others are for the agent."""
        if isinstance(event, InviteReceived):
            self._inbound.received(event, available, now)
            return
        if self.recovering.takes(event, now):
            return
        if isinstance(event, RequestAnswered):
            self._request_answered(event, now)
            return
        if isinstance(event, RequestReceived):
            self._hearing.received(event, now)
            return
        session = getattr(event, "session", None)
        call = self.work.sessions.get(session) if isinstance(session, str) else None
        if call is not None:
            self._session(call, event, now)

    def _session(self, call: Call, event: SipEvent, now: Now) -> None:
        match event:
            case InviteSent():
                self._outbound.sent(call, now)
            case Progress():
                self._outbound.progress(call, event, now)
            case AnswerReceived():
                self._holding.answered(call, event.answer, now)
            case Established(response=None):
                self._inbound.established(call, now)
                self._hearing.converting.introduce(call, now)
                self._consulting.settled(call, now)
            case Established():
                self._outbound.established(call, event.response, now)
                self._hearing.listening.up(call, now)
            case OfferReceived():
                self._holding.offered(call, event.offer, now)
            case Renegotiated():
                self._holding.renegotiated(call, now)
                self._consulting.settled(call, now)
            case RenegotiationFailed():
                self._holding.refused(call, event.status, event.phrase, now)
            case SessionEnded():
                if not self.recovering.takes_end(call, event, now):
                    self._over(call, event, now)
            case DisplayUpdated():
                self._consulting.display_updated(call, event, now)
            case _:
                self._referral(call, event, now)

    def _back(self, call: Call, taken_over: bool, now: Now) -> None:
        if taken_over:
            self._hearing.listening.taken_over(call, now)
        self._hearing.back(call, now)

    def _over(self, call: Call, event: SessionEnded, now: Now) -> None:
        self._hearing.conferencing.consult_ends(call, event)
        self._transferring.ended(call, event, now)

    def _referral(self, call: Call, event: SipEvent, now: Now) -> None:
        match event:
            case ReferAccepted():
                self._transferring.accepted(call, event, now)
            case ReferProgress():
                self._transferring.reported(call, event, now)
            case ReferFailed():
                self._transferring.refused(call, event, now)
            case ReferExpired():
                self._transferring.expired(call, event)
            case _:
                return

    def _request_answered(self, event: RequestAnswered, now: Now) -> None:
        probed = self._probes.pop(event.id, None)
        if probed is not None:
            if event.status in GONE and probed.phase is Phase.UP:
                self.ending.hang_up(probed, now)
            return
        # Not by the session: without words, the digits of a conference may go out on the consult.
        calls = self.work.calls.values()
        call = next((call for call in calls if call.task is not None and call.task.asked == event.id), None)
        task = None if call is None else call.task
        if call is None or task is None:
            return
        if isinstance(task.command, SendDtmf):
            self._digits.info_answered(call, event, now)
        elif self._hearing.answered(call, task, event, now) and isinstance(task.command, ConsultTransfer):
            self._transferring.digits_taken(call, now)

    # The engine

    def engine(self, event: EngineEvent, now: Now) -> None:
        """An outcome, or news, of the media engine. Late outcomes are dropped."""
        if isinstance(event, MediaLost):
            call = next((call for call in self.work.calls.values() if call.media == event.media), None)
            if call is not None:
                self.work.outbox.error(failure("media-lost", event.reason or None, event.reason or None), call.id, now)
            return
        asked = self.work.take(getattr(event, "id", ""))
        if asked is None:
            return
        if isinstance(event, EngineFailed):
            self._engine_failed(asked, event, now)
        elif isinstance(event, OfferCreated | AnswerCreated):
            self._made(asked, event.sdp, now)
        elif isinstance(event, DigitsSent):
            self._digits.sent(asked.call, now)
        elif isinstance(event, Stats):
            self._stats(asked, event, now)
        else:
            assert isinstance(event, AnswerApplied), "the other outcomes are dealt with above"

    def _made(self, asked: Asked, sdp: str, now: Now) -> None:
        made: dict[Purpose, Callable[[Call, str, Now], None]] = {
            Purpose.DIAL: self._outbound.offer_made,
            Purpose.ANSWER: self._inbound.answer_made,
            Purpose.RENEGOTIATE: self._holding.offer_made,
            Purpose.REMOTE: self._holding.remote_answered,
            Purpose.RECOVER: self.recovering.offer_made,
        }
        made[asked.purpose](asked.call, sdp, now)

    def _engine_failed(self, asked: Asked, event: EngineFailed, now: Now) -> None:
        call, code, detail = asked.call, event.code, event.detail
        match asked.purpose:
            case Purpose.DIAL:
                self._outbound.offer_failed(call, code, detail, now)
            case Purpose.ANSWER:
                self._inbound.answer_failed(call, code, detail, now)
            case Purpose.RENEGOTIATE:
                self._holding.offer_failed(call, code, detail, now)
            case Purpose.REMOTE:
                self._holding.remote_failed(call, code, detail, now)
            case Purpose.RECOVER:
                self.recovering.offer_failed(call, now)
            case Purpose.RECOVERED:
                self.recovering.not_heard(call, now)
            case Purpose.DIGITS:
                self._digits.engine_failed(call, code, detail, now)
            case Purpose.STATS:
                self.work.outcomes.failed(asked.ticket, media_failure(code, detail), now)
            case _:  # an answer that cannot be taken over
                self.work.outbox.error(media_failure(code, detail), call.id, now)
                if asked.purpose is Purpose.APPLY:
                    self.ending.hang_up(call, now)

    def _stats(self, asked: Asked, stats: Stats, now: Now) -> None:
        audio, video = told_audio(stats.audio), told_video(stats.video)
        response = StatsResponse(loginId=self.work.extension, dialogId=asked.call.id, audio=audio, video=video)
        self.work.outbox.publish(CallStats(response=response), now)
        told: dict[str, object] = msgspec.to_builtins(response)
        self.work.outcomes.done(asked.ticket, {key: told[key] for key in told if key != "loginId"})

    # Time

    def timer(self, timer: str, now: Now) -> None:
        """A timer of a call: `<what>:<id>`. A call that ends takes its timers along."""
        what, _, name = timer.partition(":")
        what += ":"
        if what == ENGINE_TIMER:
            self.engine(EngineFailed(name, self.work.asked[name].call.media, "timeout", ""), now)
            return
        if what == RECOVER_TIMER:
            self.recovering.handle_timer(name, now)
            return
        if what == DOUBT_TIMER:
            self._hearing.doubt_lasts(name, now)
            return
        if what == SILENCE_TIMER:
            self._hearing.variables.silent(name, now)
            return
        call = self.work.calls[name]
        if what == RING_TIMER:
            self._inbound.nobody_answers(call, now)
        elif what == AUTO_TIMER:
            self._inbound.auto_answer(call, now)
        elif what == HANG_UP_TIMER:
            self.ending.hang_up(call, now)
        elif what == REFER_TIMER:
            self._transferring.go_on(call, now)
        elif what == LEGS_TIMER:
            self._transferring.legs_last(call, now)
        else:
            assert what == AGAIN_TIMER, "there are no other timers"
            self._holding.go_on(call, now)

    def out_of_time(self, ticket: Ticket, now: Now) -> None:
        """A command has had all the time it may have."""
        why = failure("timeout")
        call = next((call for call in self.work.calls.values() if _waits(call, ticket)), None)
        if call is None:
            self.work.outcomes.failed(ticket, why, now)
        elif call.task is not None and call.task.ticket is ticket:
            self._task_out_of_time(call, why, now)
        else:
            self.work.outcomes.failed(ticket, why, now)
            if ticket in call.releases:
                self.ending.bury(call, None, now)
            else:
                self.ending.hang_up(call, now)

    def _task_out_of_time(self, call: Call, why: Failure, now: Now) -> None:
        task = call.task
        assert task is not None, "asked only for a running task"
        if isinstance(task.command, TRANSFERS):
            consult = self.work.consult_about(call)
            if self._transferring.out_of_time(call, now):
                for leg in (call, consult):
                    if leg is not None and leg.phase is Phase.UP:
                        self._ask_after(leg, now)
            return
        digits, conversion = (isinstance(task.command, kind) for kind in (SendDtmf, ConvertCall))
        if digits:
            self._digits.cut_short(call, "the time is over", now)
        elif isinstance(task.command, AnswerCall):
            self._inbound.back(call, now)
        else:
            self._holding.out_of_time(call)
        self._tasks.finish(call, why, now, tell=not (digits or conversion))
        self._hearing.out_of_time(call, task, now)


def _waits(call: Call, ticket: Ticket) -> bool:
    """Whether the outcome of this ticket hangs on the call."""
    return call.dial is ticket or ticket in call.releases or (call.task is not None and call.task.ticket is ticket)
