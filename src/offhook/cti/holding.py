"""Hold, retrieve, mute, and what the other side offers meanwhile: contract §2 rows 6, 7, 9, 10; RB §3.6, §3.7, §8.4.

A state is told when the other side's 2xx is in. Refused: the engine rolls back, an Error is told, the state stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from offhook.clock import Now
from offhook.cti.call import Call, Changed, Phase, Renegotiation, Stage, Task
from offhook.cti.commands import HoldCall, MuteCall
from offhook.cti.dialect import readable
from offhook.cti.dialog import again, kept, muted
from offhook.cti.errors import Failure, failure, invalid_action, media_failure
from offhook.cti.events import State
from offhook.cti.tasks import Tasks
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import RemoteError, StateError
from offhook.media.engine import Direction, Rollback, SetMuted
from offhook.media.sdp import Session

_LEFT_OVER = failure("timeout", detail="An earlier change of this call has no answer yet.")
AGAIN_TIMER = "again:"
AGAIN = 0.25
"""Seconds until a re-INVITE is tried again that the session could not take at that moment."""
TERMINATED = 487
NO_ANSWER = (408, 503)
"""What a re-INVITE fails by where the connection broke, or nothing came: the other side may have taken it."""
Change = Literal["HOLD", "UNHOLD", "MUTE", "UNMUTE"]
"""What the agent did to a call."""


def holds(sdp: str) -> bool | None:
    """Whether a session description of the other side puts us on hold; None where it cannot be told."""
    try:
        session = Session.parse(sdp)
        audio = next((media for media in session.media if media.type == "audio" and not media.rejected), None)
        if audio is None:
            return None
        # RFC 2543's way to hold, which RFC 3264 §8.4 still knows.
        if (audio.value("c") or session.value("c") or "").endswith(" 0.0.0.0"):
            return True
        return audio.direction in (Direction.SENDONLY, Direction.INACTIVE)
    except RemoteError:
        return None


def shows(sdp: str) -> bool:
    """Whether a session description has video that goes at least one way."""
    try:
        videos = [media for media in Session.parse(sdp).media if media.type == "video" and not media.rejected]
        return any(video.direction is not Direction.INACTIVE for video in videos)
    except RemoteError:
        return False


class Holding:
    """Renegotiates the sessions of calls that are up. `told`: hears of each hold, retrieve and (un)mute."""

    def __init__(self, work: Workplace, tasks: Tasks, told: Callable[[Call, Change, Now], None]) -> None:
        self._work = work
        self._tasks = tasks
        self._told = told

    # Ours

    def start(self, call: Call, task: Task, now: Now) -> None:
        """A holdCall or retrieveCall, in its turn."""
        hold = isinstance(task.command, HoldCall)
        if call.phase is not Phase.UP or call.restored:
            self._tasks.finish(call, None if task.own else invalid_action(task.command.action), now)
        elif call.renegotiation is not None:
            self._tasks.finish(call, _LEFT_OVER, now)
        elif call.held == hold:
            call.dialog = again(call.dialog)
            self._tell(call, now)
            self._tasks.finish(call, None, now)
        else:
            call.renegotiation = Renegotiation(hold, task, call.direction(hold), call.video_while(hold))
            if hold:
                self.set_microphone(call)
            self.go_on(call, now)

    def change(self, call: Call, direction: Direction, video: Direction | None, changed: Changed, now: Now) -> None:
        """Make a call that is up send and receive otherwise; whether it is held stays."""
        if call.renegotiation is not None:
            changed(_LEFT_OVER, "", now)
            return
        call.renegotiation = Renegotiation(call.held, call.task, direction, video, changed)
        self.go_on(call, now)

    def renew(self, call: Call, now: Now) -> None:
        """Offer the same again: the engine has another path for it. Told only where it fails."""

        def changed(why: Failure | None, answer: str, now: Now) -> None:
            if why is not None:
                self._work.outbox.error(why, call.id, now)

        if call.renegotiation is None:  # else that one brings it
            call.renegotiation = Renegotiation(call.held, None, call.direction(False), call.video, changed)
            self.go_on(call, now)

    def go_on(self, call: Call, now: Now) -> None:
        """Make the offer, as soon as nothing of the other side is in the way."""
        renegotiation = call.renegotiation
        if renegotiation is None or renegotiation.stage is not Stage.WAITING or call.remote_offer or call.waits:
            return
        renegotiation.stage = Stage.OFFERING
        self._work.make_offer(call, Purpose.RENEGOTIATE, renegotiation.direction, now, renegotiation.video)

    def offer_made(self, call: Call, sdp: str, now: Now) -> None:
        renegotiation = call.renegotiation
        assert renegotiation is not None and call.session is not None, "otherwise the offer is forgotten"
        try:
            self._work.ua.reinvite(call.session, sdp, now)
        except StateError:
            self._wait(call, renegotiation, now)
        else:
            renegotiation.stage = Stage.SENT

    def answered(self, call: Call, sdp: str, now: Now) -> None:
        """The answer to our last offer, whatever it was for."""
        self._work.apply_answer(call, sdp, now)
        if call.renegotiation is not None and call.renegotiation.stage is Stage.SENT:
            call.renegotiation.answer = sdp
        if call.phase is not Phase.UP and call.outgoing is not None and call.outgoing.video is not None:
            call.stream = call.outgoing.video if shows(sdp) else None
            call.video = None if call.stream is None else Direction.SENDRECV
        if call.phase is Phase.UP:
            call.remote_hold = self._is_held_by(call, sdp)
            if call.renegotiation is None:
                self.tell_remote_hold(call, now)

    def renegotiated(self, call: Call, now: Now) -> None:
        """Our re-INVITE got its 2xx."""
        renegotiation, call.renegotiation = call.renegotiation, None
        if renegotiation is None:
            return
        call.renegotiated_at = now.monotonic
        if renegotiation.changed is not None:
            self.tell_remote_hold(call, now)
            renegotiation.changed(None, renegotiation.answer, now)
            return
        call.held = renegotiation.hold
        call.parked = call.parked and call.held
        if not call.held:
            self.set_microphone(call)
        if not call.queued:
            state: State = "HELD" if call.held else "ACTIVE"
            call.dialog = kept(call.dialog, state, now.wall, isCallAlreadyActive=True, **self._remote(call))
        self._tell(call, now)
        self._told(call, "HOLD" if call.held else "UNHOLD", now)
        self._finish(call, renegotiation, None, now)

    def _tell(self, call: Call, now: Now) -> None:
        """But for a call in a queue: to desks it has not begun, and that it waits on hold is told when it has."""
        if not call.queued:
            self._work.tell(call, now)

    def refused(self, call: Call, status: int, phrase: str, now: Now) -> None:
        """Our re-INVITE was refused, or nothing came; or the other side took its own back."""
        if call.remote_offer and (call.renegotiation is None or call.renegotiation.stage is not Stage.SENT):
            self._work.forget(call, Purpose.REMOTE)
            self._work.put(Rollback(call.media))
            call.remote_offer = False
            call.remote_hold = call.dialog.remoteHold is True
            self.go_on(call, now)
            return
        if call.session not in self._work.ua.sessions():
            return  # it ended by this (481): DROPPED comes next and tells it all
        renegotiation = call.renegotiation
        if renegotiation is None:
            return
        if status == TERMINATED and renegotiation.task is not None and renegotiation.task is call.task:
            # RFC 3261 §15.1.2: so a request is answered that a BYE ends, and the BYE comes next. If not, try again.
            self._wait(call, renegotiation, now)
            return
        if status in NO_ANSWER and renegotiation.changed is None:
            self._doubt(call, renegotiation, now)
            return
        detail = f"The other side answered {status} {readable(phrase)}; the call is as it was."
        code = "hold-refused" if renegotiation.hold else "retrieve-refused"
        if renegotiation.changed is not None:
            code = "change-refused"
        self._undo(call)
        self._finish(call, renegotiation, failure(code, readable(phrase) or str(status), detail), now)

    def _doubt(self, call: Call, renegotiation: Renegotiation, now: Now) -> None:
        """Whether the other side took it is not known. The task asks again, within its time."""
        if renegotiation.task is not None and renegotiation.task is call.task:
            self._wait(call, renegotiation, now)
        else:  # its time was over before
            self._undo(call)

    def offer_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        """The engine could not make the offer."""
        renegotiation, call.renegotiation = call.renegotiation, None
        assert renegotiation is not None, "otherwise the offer is forgotten"
        self.set_microphone(call)
        self._finish(call, renegotiation, media_failure(code, detail), now)

    def out_of_time(self, call: Call) -> None:
        """The task is given up. A re-INVITE that is out is waited for: what comes of it is the truth."""
        if call.renegotiation is not None and call.renegotiation.stage is not Stage.SENT:
            self._undo(call)

    def _undo(self, call: Call) -> None:
        renegotiation, call.renegotiation = call.renegotiation, None
        if renegotiation is None:
            return
        if renegotiation.hold:
            self.set_microphone(call)
        if renegotiation.stage is not Stage.WAITING:
            self._take_back(call)

    def _take_back(self, call: Call) -> None:
        self._work.forget(call, Purpose.RENEGOTIATE)
        self._work.put(Rollback(call.media))

    def _wait(self, call: Call, renegotiation: Renegotiation, now: Now) -> None:
        self._take_back(call)
        renegotiation.stage = Stage.WAITING
        self._work.timers.set(self._work.owner, f"{AGAIN_TIMER}{call.id}", now.monotonic + AGAIN)

    def _finish(self, call: Call, renegotiation: Renegotiation, why: Failure | None, now: Now) -> None:
        """Tell the task what came of it; one that ran out of time has left its re-INVITE behind."""
        if renegotiation.changed is not None:
            renegotiation.changed(why, "", now)
        elif renegotiation.task is not None and renegotiation.task is call.task:
            self._tasks.finish(call, why, now)

    # The other side's

    def offered(self, call: Call, offer: str | None, now: Now) -> None:
        """A re-INVITE or UPDATE of the other side; without an offer it wants ours."""
        renegotiation = call.renegotiation
        if call.phase is not Phase.UP or call.restored:
            self._refuse(call, 488, now)
            return
        if call.remote_offer or (renegotiation is not None and renegotiation.stage is Stage.SENT):
            self._refuse(call, 491, now)
            return
        if renegotiation is not None and renegotiation.stage is Stage.OFFERING:
            self._take_back(call)
            renegotiation.stage = Stage.WAITING
        call.remote_offer = True
        direction, video = call.direction(call.held), call.video_while(call.held)
        if offer is None:
            self._work.make_offer(call, Purpose.REMOTE, direction, now, video)
            return
        call.remote_hold = self._is_held_by(call, offer)
        if video is None and not call.held and shows(offer):
            # To see the other side is no harm; to be seen is for the agent to decide.
            video, call.video_offer = Direction.RECVONLY, offer
        self._work.make_answer(call, Purpose.REMOTE, offer, direction, now, video)

    @staticmethod
    def _is_held_by(call: Call, sdp: str) -> bool:
        """That who is listened to takes nothing from us is no hold."""
        return not call.listens and holds(sdp) is True

    def remote_answered(self, call: Call, sdp: str, now: Now) -> None:
        """The engine has what answers the other side."""
        assert call.session is not None, "otherwise the answer is forgotten"
        call.remote_offer = False
        call.video_offer = ""
        if call.stream is None and not call.held:
            call.video = Direction.RECVONLY if shows(sdp) else None
        self._work.ua.answer(call.session, sdp, now)
        self.tell_remote_hold(call, now)
        self.go_on(call, now)

    def remote_failed(self, call: Call, code: str, detail: str, now: Now) -> None:
        """The engine cannot answer the other side: 488, and the call is as it was. Perhaps it can without video."""
        offer, call.video_offer = call.video_offer, ""
        if offer and code == "unsupported":
            self._work.make_answer(call, Purpose.REMOTE, offer, call.direction(call.held), now)
            return
        call.remote_offer = False
        call.remote_hold = call.dialog.remoteHold is True
        self._refuse(call, 488, now)
        self._work.outbox.error(media_failure(code, detail), call.id, now)
        self.go_on(call, now)

    def tell_remote_hold(self, call: Call, now: Now) -> None:
        """Tell it where it changed; no state changes by it (contract §4)."""
        changes = {} if call.queued else self._remote(call)
        if changes and call.phase is Phase.UP:
            call.dialog = replace(again(call.dialog), **changes)
            self._work.tell(call, now)

    def _remote(self, call: Call) -> dict[str, bool]:
        """The change of `remoteHold`; empty where there is none. The key stays away until the first remote hold."""
        known = call.dialog.remoteHold is True
        return {} if known == call.remote_hold else {"remoteHold": call.remote_hold}

    def _refuse(self, call: Call, status: int, now: Now) -> None:
        assert call.session is not None, "an offer comes in a session"
        try:
            self._work.ua.refuse(call.session, status, now)
        except StateError:
            return  # the session ended at this moment; that is told next

    # The microphone

    def set_microphone(self, call: Call) -> None:
        """Silent while it is muted or the call is held, from the asking on: RFC 3264 §8.4 lets a holder go on sending,
        and who does not put music in its place (FreeSWITCH does) would pass on what the agent says meanwhile."""
        holding = call.held or (call.renegotiation is not None and call.renegotiation.hold)
        self._work.put(SetMuted(call.media, call.silent or holding or call.dialog.participants[0].mute))

    def mute_early(self, call: Call) -> None:
        """A mute that must wait for its turn silences the microphone already."""
        if call.phase is Phase.UP:
            self._work.put(SetMuted(call.media, True))

    def mute(self, call: Call, task: Task, now: Now) -> None:
        """A mute_call or unmute_call, in its turn."""
        mute = isinstance(task.command, MuteCall)
        if call.phase is not Phase.UP or (call.silent and not mute):
            self._tasks.finish(call, invalid_action(task.command.action), now)
            return
        if call.dialog.participants[0].mute != mute:
            call.dialog = muted(call.dialog, mute, now.wall)
        self.set_microphone(call)
        self._work.tell(call, now)
        self._told(call, "MUTE" if mute else "UNMUTE", now)
        self._tasks.finish(call, None, now)
