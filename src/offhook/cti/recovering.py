"""Brings calls back after the connection to the server was lost, or from the record of another process.

One machine for each call that is up, from the loss to the end of its way back; nothing else is sent in the call
meanwhile, and commands wait. `TRANSITIONS` is the table; what becomes of each state of a call is in
docs/reference/recovery.md. Make-before-break: the old media session goes on until the new one has its answer.

Where the old dialog is gone and it is not known what came of an INVITE with Replaces (the connection broke before its
answer), the call may live under that one: the next takes its place, and a 481 or 480 to it says that the call is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from offhook.clock import Now
from offhook.cti.call import Call
from offhook.cti.dialog import again, answered
from offhook.cti.errors import Failure, failure
from offhook.cti.holding import Holding
from offhook.cti.recovery import GONE, NO_TAG, Input, Peer, Recovery, State, Way, ways
from offhook.cti.tasks import Tasks
from offhook.cti.workplace import Purpose, Workplace
from offhook.errors import LocalError
from offhook.media.engine import CloseMedia, SetMuted
from offhook.sip.events import AnswerReceived, End, Established, RequestAnswered, SessionEnded, SipEvent
from offhook.sip.fields import Reason, Replaces
from offhook.sip.message import Response
from offhook.sip.uri import Uri

RECOVER_TIMER = "recover:"
NAME = "offhook-recover"
"""Who is called to take a call over: in no dialplan, so that nobody's telephone rings where the call is gone."""
ASKING = 4.0
"""Seconds for the answer to the OPTIONS."""
CALLING = 10.0
"""Seconds for the answer to the INVITE with Replaces (FreeSWITCH: 0.2)."""
SETTLED = 0.5
"""Seconds from the 200 until something else may be sent: FreeSWITCH answers a hold that comes while it joins the new
leg with the other side (about 0.1 s), and forgets it (measured)."""
PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Before it is tried again: doubled each time, half to whole of it."""
POLL = 2.0
"""Seconds between questions after a call that is being transferred, until the time of that command is over."""
LOST = "CONNECTION_LOST"
"""The callEndReason of a call that the server no longer had when the connection was back: why, nobody can tell."""

Ended = Callable[[Call, SessionEnded, Now], None]
Back = Callable[[Call, bool, Now], None]
"""Gets whether another leg of ours took it over: the server knows nothing of that one but the call."""


class Recovering:
    """See the module. `ended` is told of calls that are gone, as if the user agent had told it; `back` of each that is
    back."""

    def __init__(self, work: Workplace, tasks: Tasks, holding: Holding, ended: Ended, back: Back) -> None:
        self._work = work
        self._tasks = tasks
        self._holding = holding
        self._ended = ended
        self._back = back
        self._calls: dict[str, Call] = {}
        """Those on their way back, by serial."""

    # What happens to the connection

    def lost(self, now: Now) -> None:
        """There is no connection (any more): every call that is up needs a way back."""
        for call in self._work.up():
            self.begin(call)
            self._step(call, Input.LOST, now)

    def back(self, now: Now) -> None:
        """There is another connection; registered or not, FreeSWITCH takes what is needed."""
        for call in self._work.up():
            self.begin(call)
            self._step(call, Input.BACK, now)

    def begin(self, call: Call) -> None:
        """This call needs a way back, once there is a connection."""
        if call.recovery is None:
            call.recovery = Recovery(self._work.ids.token(64))
            self._calls[call.recovery.serial] = call

    def over(self, call: Call, now: Now) -> None:
        """The call has ended."""
        if call.recovery is not None:
            self._drop(call, now)
            self._forget(call)

    # What comes

    def takes(self, event: SipEvent, now: Now) -> bool:
        """Whether an event is about a way back, and is dealt with by that."""
        if isinstance(event, RequestAnswered):
            call = self._find(lambda recovery: recovery.asked == event.id)
            if call is not None:
                self._asked(call, event, now)
            return call is not None
        session = getattr(event, "session", None)
        call = None if session is None else self._find(lambda recovery: recovery.session == session)
        if call is None:
            return False
        match event:
            case AnswerReceived():
                assert call.recovery is not None and call.recovery.media is not None, "it was offered from there"
                self._work.apply_answer(call, event.answer, now, media=call.recovery.media)
            case Established():
                self._step(call, Input.TAKEN, now)
            case SessionEnded():
                self._refused(call, event, now)
        return True

    def takes_end(self, call: Call, event: SessionEnded, now: Now) -> bool:
        """Whether the end of a call's dialog is no end of the call, or one of which only we know what it means.

        FreeSWITCH ends the old leg with the 200 to the new one; which of the two comes first is chance.
        """
        recovery = call.recovery
        if recovery is None or not event.by_remote:
            return False
        if recovery.state is State.CALLING:
            recovery.ended = event
        elif recovery.attempts and recovery.state in (State.ASKING, State.OFFERING, State.PAUSING):
            if event.end is End.BYE:
                recovery.ended = event
            self._step(call, Input.FOLLOW, now)
        elif event.end is End.LOST and event.status in GONE:  # another request of ours was told so first
            recovery.state = State.OVER
            self._end(call, now)
        else:
            return False
        return True

    def offer_made(self, call: Call, sdp: str, now: Now) -> None:
        self._step(call, Input.MADE, now, sdp)

    def offer_failed(self, call: Call, now: Now) -> None:
        self._step(call, Input.UNMADE, now)

    def not_heard(self, call: Call, now: Now) -> None:
        """The engine could not take the server's answer: there is no audio, so it begins anew."""
        self.begin(call)
        assert call.recovery is not None, "just begun"
        if call.recovery.state is not State.LOST or self._work.ua.connected:
            call.recovery.state = State.PAUSING
            self._pause(call, now)

    def handle_timer(self, serial: str, now: Now) -> None:
        call = self._calls[serial]
        pausing = call.recovery is not None and call.recovery.state is State.PAUSING
        self._step(call, Input.RETRY if pausing else Input.LATE, now)

    def _find(self, fits: Callable[[Recovery], bool]) -> Call | None:
        calls = self._calls.values()
        return next((call for call in calls if call.recovery is not None and fits(call.recovery)), None)

    def _asked(self, call: Call, event: RequestAnswered, now: Now) -> None:
        """What the OPTIONS says."""
        recovery, response = call.recovery, event.response
        assert recovery is not None and call.session is not None, "asked in its session"
        recovery.asked = None
        if event.status in GONE:
            self._step(call, Input.FOLLOW if recovery.attempts else Input.GONE, now)
        elif response is None or not 200 <= event.status < 300:
            self._step(call, Input.SILENT, now)
        elif _transfers(call):
            # FreeSWITCH is moving the other party: another leg in the place of ours would come between.
            self._step(call, Input.WAIT, now)
        else:
            target = self._work.ua.session(call.session).remote_target
            possible = ways(Peer.read(self._work.ua.transport, target, response), silent=call.restored)
            left = [way for way in possible if way not in recovery.refused]
            if not left:
                recovery.refused.clear()
                left = list(possible)
            recovery.way = left[0]
            self._step(call, Input.REPLACE if left[0] is Way.REPLACE else Input.REINVITE, now)

    def _refused(self, call: Call, event: SessionEnded, now: Now) -> None:
        """Nothing came of the INVITE with Replaces, as far as we were told."""
        recovery = call.recovery
        assert recovery is not None, "found by its session"
        recovery.session = None
        given = Input.REFUSED
        if isinstance(event.message, Response) and event.message.status >= 300:
            recovery.refuse(event.message.status)
            if recovery.following and not recovery.attempts:
                given = Input.GONE
        self._step(call, given, now)

    # The machine

    def _step(self, call: Call, given: Input, now: Now, *data: str) -> None:
        recovery = call.recovery
        row = None if recovery is None else TRANSITIONS.get((recovery.state, given))
        if row is None or recovery is None:
            return  # a stray
        recovery.state, action = row
        self._work.timers.cancel(self._work.owner, f"{RECOVER_TIMER}{recovery.serial}")
        action(self, call, now, *data)

    def _set(self, call: Call, seconds: float, now: Now) -> None:
        assert call.recovery is not None, "it is on its way back"
        timer = f"{RECOVER_TIMER}{call.recovery.serial}"
        self._work.timers.set(self._work.owner, timer, now.monotonic + seconds)

    def _ask(self, call: Call, now: Now) -> None:
        recovery = call.recovery
        assert recovery is not None and call.session is not None, "a call that is up has a session"
        recovery.following = False
        if recovery.ended is not None or call.session not in self._work.ua.sessions():
            self._step(call, Input.FOLLOW if recovery.attempts else Input.GONE, now)
            return
        try:
            recovery.asked = self._work.ua.options(call.session, now)
        except LocalError:
            self._step(call, Input.LOST, now)
        else:
            self._set(call, ASKING, now)

    def _follow(self, call: Call, now: Now) -> None:
        """The old dialog is gone, and nobody knows what came of an attempt: the call may live under that one."""
        recovery = call.recovery
        assert recovery is not None, "it is on its way back"
        recovery.asked, recovery.way, recovery.following = None, Way.REPLACE, True
        if recovery.media is None:
            self._make(call, now)

    def _make(self, call: Call, now: Now) -> None:
        """Another media session, as silent as the one that it is to follow."""
        work, recovery = self._work, call.recovery
        assert recovery is not None, "it is on its way back"
        recovery.media = work.new_media()
        held = call.held
        work.make_offer(call, Purpose.RECOVER, call.direction(False), now, call.video_while(held), media=recovery.media)
        work.put(SetMuted(recovery.media, call.silent or held or call.dialog.participants[0].mute))

    def _call(self, call: Call, now: Now, offer: str) -> None:
        work, recovery = self._work, call.recovery
        assert recovery is not None and call.session is not None, "it is on its way back"
        target = str(Uri.sip(NAME, work.settings.domain))
        place = Replaces(recovery.attempts[0], NO_TAG, NO_TAG) if recovery.following else call.session
        try:
            recovery.session = work.ua.invite(target, offer, now, headers=call.headers, replaces=place)
        except LocalError:
            self._step(call, Input.LOST, now)
        else:
            recovery.tried(work.ua.session(recovery.session).call_id)
            self._set(call, CALLING, now)

    def _withdraw(self, call: Call, now: Now) -> None:
        """No answer in time. What comes of the CANCEL is waited for: there are never two at it, and with a 2xx that
        crosses it the server has given it the place of the old leg."""
        assert call.recovery is not None and call.recovery.session is not None, "its INVITE is out"
        try:
            self._work.ua.withdraw(call.recovery.session, now)
        except LocalError:
            return  # it was answered with an offer, or has ended: either is told next

    def _swap(self, call: Call, now: Now) -> None:
        """The new dialog is the call's; what is left of the old one is nobody's."""
        work, recovery = self._work, call.recovery
        assert recovery is not None and recovery.media is not None and recovery.session is not None, "it was taken over"
        old_session, old_media = call.session, call.media
        work.forget(call, Purpose.RENEGOTIATE, Purpose.REMOTE, Purpose.REAPPLY)
        call.remote_offer = False
        assert old_session is not None, "a call that is up has a session"
        work.sessions.pop(old_session, None)
        work.ua.disown(old_session, now)
        for task in (each.task for each in work.calls.values()):
            if task is not None and task.inquiry is not None and task.inquiry.session == old_session:
                task.inquiry.session = recovery.session
        if not call.restored:
            work.put(CloseMedia(old_media))
        call.media, call.restored = recovery.media, False
        work.attach(call, recovery.session)
        recovery.media = recovery.session = recovery.ended = None
        recovery.attempts.clear()
        self._holding.set_microphone(call)
        # A hold of the server's own, or of the other side, is told anew by the server where it still is.
        self._set(call, SETTLED, now)

    def _hold(self, call: Call, now: Now) -> None:
        """What takes a call over is not held at FreeSWITCH (measured, D13)."""
        if not call.held or call.renegotiation is not None:
            self._step(call, Input.DONE, now)
            return
        self._holding.change(call, call.direction(True), call.video_while(True), self._changed(call), now)

    def _reinvite(self, call: Call, now: Now) -> None:
        """Offer anew in the dialog that there is: the server learns our Contact, and of another media path."""
        held = call.held
        call.restored = False
        if call.renegotiation is not None:  # it was lost on its way, and does the same
            self._step(call, Input.DONE, now)
            return
        self._holding.change(call, call.direction(held), call.video_while(held), self._changed(call), now)

    def _changed(self, call: Call) -> Callable[[Failure | None, str, Now], None]:
        recovery = call.recovery

        def changed(why: Failure | None, answer: str, now: Now) -> None:
            if call.recovery is recovery:
                self._step(call, Input.DONE if why is None else Input.REFUSED, now)

        return changed

    def _finish(self, call: Call, now: Now) -> None:
        """It is back. What had to wait goes on."""
        recovery, work = call.recovery, self._work
        assert recovery is not None, "it is on its way back"
        self._forget(call)
        if call.untold:
            call.untold, call.dialog = False, answered(call.dialog, now.wall)
            work.tell(call, now)
        elif recovery.announce:
            work.tell(call, now, again(call.dialog))
        self._back(call, recovery.way is Way.REPLACE, now)
        self._holding.go_on(call, now)
        self._tasks.go_on(call, now)

    def _stay_unheld(self, call: Call, now: Now) -> None:
        """It is back, but the other side would not be held again: to it the line is silent."""
        self._work.outbox.error(failure("hold-refused"), call.id, now)
        self._finish(call, now)

    def _end(self, call: Call, now: Now) -> None:
        """The server does not have it: it ended while nobody could tell us, by a transfer of ours or otherwise."""
        session, recovery = call.session, call.recovery
        assert session is not None and recovery is not None, "a call that is up has a session"
        self._drop(call, now)
        self._forget(call)
        self._work.ua.disown(session, now)
        reasons = () if _transfers(call) else (Reason("SIP", 481, LOST),)
        ended = recovery.ended
        if ended is None or any(reason.protocol == "SIP" and reason.cause == 200 for reason in ended.reasons):
            # There was no BYE, or that of a takeover, of which nothing is left.
            ended = SessionEnded(session, End.BYE, True, reasons=reasons)
        self._ended(call, ended, now)

    def _fail(self, call: Call, now: Now) -> None:
        """This way does not work."""
        recovery = call.recovery
        assert recovery is not None, "it is on its way back"
        if recovery.way is not None:
            recovery.refused.add(recovery.way)
        self._pause(call, now)

    def _pause(self, call: Call, now: Now) -> None:
        recovery, work = call.recovery, self._work
        assert recovery is not None, "it is on its way back"
        self._drop(call, now)
        longest = min(PAUSE * 2.0 ** min(recovery.tries, 10), LONGEST_PAUSE)
        recovery.tries += 1
        if recovery.tries > 2 and not recovery.complained:
            recovery.complained = True
            work.outbox.error(failure("recovery-failed"), call.id, now)
        self._set(call, longest * (0.5 + 0.5 * work.ids.fraction()), now)

    def _poll(self, call: Call, now: Now) -> None:
        self._set(call, POLL, now)

    def _go_offline(self, call: Call, now: Now) -> None:
        recovery = call.recovery
        assert recovery is not None, "it is on its way back"
        self._drop(call, now)
        recovery.tries = 0
        recovery.refused.clear()

    def _nothing(self, call: Call, now: Now) -> None:
        """The arrow has no action."""

    def _drop(self, call: Call, now: Now) -> None:
        """Stop what is under way."""
        work, recovery = self._work, call.recovery
        assert recovery is not None, "it is on its way back"
        recovery.asked = None
        if recovery.session is not None:
            session, recovery.session = recovery.session, None
            self._hang_up(session, now)
        if recovery.media is not None:
            work.forget(call, Purpose.RECOVER, Purpose.RECOVERED)
            work.put(CloseMedia(recovery.media))
            recovery.media = None

    def _hang_up(self, session: str, now: Now) -> None:
        try:
            self._work.ua.hangup(session, now)
        except LocalError:
            return  # it has ended, which is told next

    def _forget(self, call: Call) -> None:
        recovery, call.recovery = call.recovery, None
        assert recovery is not None, "it is on its way back"
        del self._calls[recovery.serial]
        self._work.timers.cancel(self._work.owner, f"{RECOVER_TIMER}{recovery.serial}")


def _transfers(call: Call) -> bool:
    """Whether it is a leg of a transfer whose REFER is with the server, and whose command still has time."""
    about = call if call.customer is None else call.customer
    transfer = about.transfer
    if transfer is None or transfer.refer is None or transfer.task is None:
        return False
    return about is call or transfer.consult is call


_R = Recovering

TRANSITIONS: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.LOST, Input.BACK): (State.ASKING, _R._ask),
    (State.ASKING, Input.REPLACE): (State.OFFERING, _R._make),
    (State.ASKING, Input.REINVITE): (State.REINVITING, _R._reinvite),
    (State.ASKING, Input.WAIT): (State.PAUSING, _R._poll),
    (State.ASKING, Input.GONE): (State.OVER, _R._end),
    (State.ASKING, Input.SILENT): (State.PAUSING, _R._pause),
    (State.ASKING, Input.LATE): (State.PAUSING, _R._pause),
    (State.ASKING, Input.LOST): (State.LOST, _R._go_offline),
    (State.ASKING, Input.FOLLOW): (State.OFFERING, _R._follow),
    (State.OFFERING, Input.FOLLOW): (State.OFFERING, _R._follow),
    (State.OFFERING, Input.MADE): (State.CALLING, _R._call),
    (State.OFFERING, Input.UNMADE): (State.PAUSING, _R._pause),
    (State.OFFERING, Input.LOST): (State.LOST, _R._go_offline),
    (State.CALLING, Input.TAKEN): (State.SETTLING, _R._swap),
    (State.CALLING, Input.REFUSED): (State.PAUSING, _R._fail),
    (State.CALLING, Input.GONE): (State.OVER, _R._end),
    (State.CALLING, Input.LATE): (State.CALLING, _R._withdraw),
    (State.CALLING, Input.LOST): (State.LOST, _R._go_offline),
    (State.REINVITING, Input.DONE): (State.OVER, _R._finish),
    (State.REINVITING, Input.REFUSED): (State.PAUSING, _R._fail),
    (State.REINVITING, Input.LOST): (State.LOST, _R._go_offline),
    (State.SETTLING, Input.LATE): (State.HOLDING, _R._hold),
    (State.SETTLING, Input.LOST): (State.LOST, _R._go_offline),
    (State.HOLDING, Input.DONE): (State.OVER, _R._finish),
    (State.HOLDING, Input.REFUSED): (State.OVER, _R._stay_unheld),
    (State.HOLDING, Input.LOST): (State.LOST, _R._go_offline),
    (State.PAUSING, Input.RETRY): (State.ASKING, _R._ask),
    (State.PAUSING, Input.FOLLOW): (State.OFFERING, _R._follow),
    (State.PAUSING, Input.LOST): (State.LOST, _R._go_offline),
}
