"""Inbound calls: from the INVITE to the first ACTIVE. Contract §2 row 4, §3; RB §3.4, §4.3.

Answering takes up to three turns: other calls that are up are held, the engine makes the answer, the ACK comes.
"""

from __future__ import annotations

from offhook.clock import Now
from offhook.cti.call import Call, Phase, Step, Task
from offhook.cti.commands import AnswerCall, HoldCall
from offhook.cti.dialog import Kind, answered, inbound, kind_of, usable_id
from offhook.cti.ending import Ending
from offhook.cti.errors import Failure, invalid_action, media_failure
from offhook.cti.holding import shows
from offhook.cti.outcomes import Ticket
from offhook.cti.tasks import Tasks
from offhook.cti.words import STREAMS
from offhook.cti.workplace import Purpose, Workplace
from offhook.media.engine import CloseMedia, Direction
from offhook.sip.events import InviteReceived

RING_TIMER = "ring:"
AUTO_TIMER = "auto:"

_VIDEO = {
    "audio": None,
    "video": Direction.SENDRECV,
    "screenshare": Direction.SENDRECV,
    "onlyviewscreenshare": Direction.RECVONLY,
}
"""What an answer of each type does with the video of the offer; None: it is refused."""

_OFFER_AT_FAULT = frozenset({"bad-sdp", "no-common-codec", "unsupported"})
_AGENT_AT_FAULT = frozenset({"device", "closed", "timeout"})
"""The microphone, or the page that has it: another try may do better."""


class Inbound:
    """Announces and answers calls."""

    def __init__(self, work: Workplace, tasks: Tasks, ending: Ending) -> None:
        self._work = work
        self._tasks = tasks
        self._ending = ending

    def received(self, invite: InviteReceived, available: bool, now: Now) -> None:
        """A new call: ring and announce it, or refuse it."""
        work = self._work
        busy = work.settings.call_waiting == "busy" and work.calls
        if not available:
            work.ua.reject(invite.session, 480, now)
        elif busy or len(work.calls) >= work.settings.max_calls:
            work.ua.reject(invite.session, 486, now)
        else:
            self._announce(invite, now)

    def _announce(self, invite: InviteReceived, now: Now) -> None:
        work = self._work
        told = work.dialect.read(invite.request)
        wanted = usable_id(told.call_id)
        dialog = inbound(
            work.ids.token(96) if wanted is None or wanted in work.calls else wanted,
            told,
            has_audio="m=audio" in (invite.offer or ""),
            extension=work.extension,
            address_type=work.settings.media_address_type,
            wall=now.wall,
        )
        call = Call(dialog, kind_of(told.call_type), work.new_media(), Phase.RINGING, offer=invite.offer)
        call.customer_id = usable_id(told.customer_dialog)
        work.calls[call.id] = call
        work.attach(call, invite.session)
        work.ua.ring(invite.session, now)
        work.tell(call, now)
        work.timers.set(work.owner, f"{RING_TIMER}{call.id}", now.monotonic + work.settings.ring_timeout)
        after = work.settings.auto_answer_after if call.kind is Kind.CAMPAIGN else told.answer_after
        if after is not None and work.settings.trust_auto_answer:
            work.timers.set(work.owner, f"{AUTO_TIMER}{call.id}", now.monotonic + after)

    def nobody_answers(self, call: Call, now: Now) -> None:
        """It has rung long enough."""
        if call.phase is Phase.RINGING:
            self._ending.hang_up(call, now)

    def auto_answer(self, call: Call, now: Now) -> None:
        """The server wants it answered by itself: not while another call is up."""
        work = self._work
        busy = any(other is not call and other.phase is not Phase.RINGING for other in work.calls.values())
        if call.phase is Phase.RINGING and not busy:
            command = AnswerCall(dialogId=call.id)
            self.answer(call, work.outcomes.begin(command, None), now)

    def answer(self, call: Call, ticket: Ticket, now: Now) -> None:
        """An answerCall; while the call is being answered, a further one shares the outcome: two clicks do no harm."""
        if call.task is not None and isinstance(call.task.command, AnswerCall):
            self._work.outcomes.start(ticket, now)
            call.same_answer.append(ticket)
        elif call.phase is Phase.RINGING:
            self._tasks.submit(call, Task(ticket.command, ticket), now)
        else:
            self._work.outcomes.failed(ticket, invalid_action("answerCall"), now)

    def start(self, call: Call, task: Task, now: Now) -> None:
        """Hold what is up, then answer."""
        call.step(Step.ANSWER)
        work = self._work
        others = [other for other in work.up() if other is not call and not _stays_held(other)]
        call.holds = {other.id for other in others}
        for other in others:
            hold = HoldCall(dialogId=other.id)
            self._tasks.submit(other, Task(hold, work.outcomes.begin(hold, None), own=True, ahead_of=call), now)
        if not others:
            self._make_answer(call, now)

    def task_over(self, over: Call, task: Task, why: Failure | None, now: Now) -> None:
        """A task of some call is over: an answer, or a hold that stood before the answer of another call."""
        call = task.ahead_of
        if call is None:
            if isinstance(task.command, AnswerCall):
                shared, over.same_answer = over.same_answer, []
                for ticket in shared:
                    if why is None:
                        self._work.outcomes.done(ticket)
                    else:
                        self._work.outcomes.failed(ticket, why, now, tell=False)
            return
        if call.phase is not Phase.ANSWERING or over.id not in call.holds:
            return
        if why is None or over.phase in (Phase.ENDING, Phase.OVER):
            call.holds.discard(over.id)
            if not call.holds:
                self._make_answer(call, now)
        else:  # the Error was told for the hold
            self.back(call, now)
            self._tasks.finish(call, why, now, tell=False)

    def back(self, call: Call, now: Now) -> None:
        """It is not answered after all, and rings on, as long as a new one: its time may have ended meanwhile."""
        if not call.step(Step.BACK):
            return
        work = self._work
        work.timers.set(work.owner, f"{RING_TIMER}{call.id}", now.monotonic + work.settings.ring_timeout)
        if not call.holds:  # the engine is at it: another try begins with another media session
            self._work.forget(call, Purpose.ANSWER)
            self._work.put(CloseMedia(call.media))
            call.media = self._work.new_media()
        call.holds.clear()

    def _make_answer(self, call: Call, now: Now) -> None:
        if call.offer is None:
            self._work.make_offer(call, Purpose.ANSWER, Direction.SENDRECV, now)
            return
        video = _VIDEO.get(_answer_type(call))
        if video is not None and shows(call.offer):
            call.video_offer = call.offer
            self._work.make_answer(call, Purpose.ANSWER, call.offer, Direction.SENDRECV, now, video)
        else:
            self._work.make_answer(call, Purpose.ANSWER, call.offer, Direction.SENDRECV, now)

    def answer_made(self, call: Call, sdp: str, now: Now) -> None:
        """Send the 200."""
        assert call.session is not None, "a call that rings has a session"
        call.step(Step.ACCEPT)
        self._work.ua.accept(call.session, sdp, now)
        call.answered = True
        self._work.timers.cancel(self._work.owner, f"{RING_TIMER}{call.id}", f"{AUTO_TIMER}{call.id}")

    def answer_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        """No video: answer without. No audio: tell why; where that lies with the agent, the call rings on, for nothing
        was sent. Else it is refused: 488 where the offer is at fault."""
        offer, call.video_offer = call.video_offer, ""
        if offer and code == "unsupported":
            self._work.make_answer(call, Purpose.ANSWER, offer, Direction.SENDRECV, now)
            return
        assert call.task is not None, "a call is answered by a task"
        if code in _AGENT_AT_FAULT:
            self.back(call, now)
            self._tasks.finish(call, media_failure(code, detail), now)
            return
        # The task itself is over with the call, and what waits behind it too.
        self._work.outcomes.failed(call.task.ticket, media_failure(code, detail), now)
        self._ending.hang_up(call, now, status=488 if code in _OFFER_AT_FAULT else 500)

    def established(self, call: Call, now: Now) -> None:
        """The ACK is in."""
        if not call.step(Step.ESTABLISHED):
            return
        call.joined_at = now.monotonic
        task, media_type = call.task, _answer_type(call)
        if call.video_offer:
            call.video_offer, call.video, call.stream = "", _VIDEO[media_type], STREAMS.get(media_type)
        call.dialog = answered(call.dialog, now.wall, mediaType=media_type)
        self._work.tell(call, now)
        if task is not None and isinstance(task.command, AnswerCall):
            self._tasks.finish(call, None, now)


def _answer_type(call: Call) -> str:
    """How the agent answers it; by audio where that was not said, or cannot be understood."""
    wanted = call.task.command.answerCalltype if call.task and isinstance(call.task.command, AnswerCall) else None
    return wanted if wanted in _VIDEO else "audio"


def _stays_held(call: Call) -> bool:
    """It is held, and nothing under way or waiting changes that."""
    return call.held and call.renegotiation is None and not call.tasks
