"""How calls end, and what is told of it: DROPPED once for each dialog. Contract §2 row 5, §4; RB §4.6."""

from __future__ import annotations

from collections.abc import Callable

from offhook.clock import Now
from offhook.cti.call import UNANSWERED, Call, Step
from offhook.cti.commands import RejectCall
from offhook.cti.dialect import readable
from offhook.cti.dialog import dropped
from offhook.cti.digits import Digits
from offhook.cti.errors import MONITORED_HELD, ON_HOLD, Failure, failure, invalid_action
from offhook.cti.outcomes import Ticket
from offhook.cti.tasks import Tasks
from offhook.cti.workplace import Workplace
from offhook.errors import StateError
from offhook.media.engine import CloseMedia
from offhook.sip.events import End, SessionEnded

SENT_AWAY = "DROPPED_BY_MEMBER"
"""The server's text for a member whom another one took out of the conference."""
_OURS = frozenset({"ATTENDED_TRANSFER", "direct-transfered", "CONSULT_CONFERENCE"})
"""Reasons that we tell of what the agent had the server do. From elsewhere they are not told: desks believe them."""
HANG_UP_TIMER = "hangup:"
TIMERS = ("ring:", "auto:", "again:", "refer:", "legs:", HANG_UP_TIMER)
JOINING = 0.2
"""Seconds between our answer, or the report that a transfer was refused, and a REFER: FreeSWITCH bridges the call
first, and says so (update_display) some 50 to 100 ms later; until then it refuses the REFER (403), loses the call, or
transfers it and reports nothing. After such a report it is so with a BYE: the other side would stay in silence."""
HANDED_OVER = "ATTENDED_TRANSFER"
"""The text of a Reason by which the server says that the call goes on without this agent, who transferred it.

Whoever talks to the agent can write it too: without a transfer of ours it says nothing."""


class Ending:
    """Releases, rejects, and buries."""

    def __init__(self, work: Workplace, tasks: Tasks, digits: Digits) -> None:
        self._work = work
        self._tasks = tasks
        self._digits = digits
        self._buried: Callable[[Call, str | None, Now], None] = lambda call, reason, now: None

    def watch(self, buried: Callable[[Call, str | None, Now], None]) -> None:
        """Who is told of each end, with the callEndReason, when all of it has been told."""
        self._buried = buried

    def release(self, call: Call, ticket: Ticket, now: Now) -> None:
        """releaseCall and rejectCall: at once, whatever else is under way; done at DROPPED."""
        reject = isinstance(ticket.command, RejectCall)
        if reject and call.phase not in UNANSWERED:
            self._work.outcomes.failed(ticket, invalid_action("rejectCall"), now)
            return
        self._work.outcomes.start(ticket, now)
        call.releases.append(ticket)
        if call.phase in UNANSWERED:
            call.rejected = True
        self.hang_up(call, now, status=603 if reject else None)

    def hang_up(self, call: Call, now: Now, *, status: int | None = None) -> None:
        """End a call from our side; `status` is for one that rings (else 480). Ending it twice is no error."""
        call.released = True
        if call.session is None:  # its INVITE has not left
            self.bury(call, None, now)
            return
        if call.given_back and now.monotonic < call.joined_at + JOINING:
            self._work.timers.set(self._work.owner, f"{HANG_UP_TIMER}{call.id}", call.joined_at + JOINING)
            return
        ringing = call.phase in UNANSWERED
        if not call.step(Step.HANG_UP):
            return
        try:
            if ringing:
                self._work.ua.reject(call.session, status or 480, now)
            else:
                self._work.ua.hangup(call.session, now)
        except StateError:
            self.bury(call, None, now)

    def ended(self, call: Call, ended: SessionEnded, now: Now) -> None:
        """The session is over: tell it, and what refused it."""
        refused = None if call.passed_on is not None else _refusal(call, ended)
        reason = _reason(call, ended)
        if reason == HANDED_OVER and call.passed_on is None:
            call.passed_on = reason  # isCallEnded 0 with it (RB §8.10)
        self.bury(call, reason, now, refused)

    def bury(self, call: Call, reason: str | None, now: Now, refused: Failure | None = None) -> None:
        """The end of a call: audio closed, commands failed, DROPPED told, releases done. The second time: nothing."""
        work = self._work
        if not call.step(Step.END):
            return
        # The order of contract §4: where it went on comes before how our part of it ended.
        reason = call.passed_on or reason
        self._digits.cut_short(call, "the call ended", now)
        self._forget(call, now)
        if call.announced or call.releases:
            call.dialog = dropped(call.dialog, reason, now.wall, ended=0 if _goes_on(call, reason) else 1)
            work.tell(call, now)
        if refused is not None:
            call.refused_as = refused.code
            work.outbox.error(refused, call.id, now)
        if refused is None:
            refused = failure("released" if call.released else "call-ended")
        work.outcomes.failed(call.dial, refused, now, tell=False)
        self._tasks.abandon(call, failure("call-ended"), now)
        for ticket in call.releases:
            work.outcomes.done(ticket)
        call.releases.clear()
        self._buried(call, reason, now)

    def _forget(self, call: Call, now: Now) -> None:
        work = self._work
        if not call.restored:
            work.put(CloseMedia(call.media))
        for ticket in work.forget(call):
            work.outcomes.failed(ticket, failure("call-ended"), now, tell=False)
        work.calls.pop(call.id, None)
        if call.session is not None:
            work.sessions.pop(call.session, None)
        work.timers.cancel(work.owner, *(f"{timer}{call.id}" for timer in TIMERS))


def _goes_on(call: Call, reason: str | None) -> bool:
    """Whether it is told that the customer talks on without us: with who took over, or in a conference that goes on."""
    if call.passed_on is not None or not call.in_conference:
        return call.passed_on is not None
    leaves = call.released and reason is None and call.dialog.customerNumber in call.others and len(call.others) > 1
    return leaves or reason == SENT_AWAY


def _text(ended: SessionEnded) -> str | None:
    """The text of the first Reason header that has one (RFC 3326)."""
    return next((readable(reason.text) for reason in ended.reasons if reason.text), None)


def _reason(call: Call, ended: SessionEnded) -> str | None:
    """callEndReason, by the order of contract §4."""
    if call.rejected:
        return "Rejected"
    if call.released and not (ended.by_remote and ended.end is End.BYE):
        text = None
    else:
        text = _text(ended) if ended.by_remote else None
        if text in _OURS and not call.transferring:
            text = None
    unanswered = call.outgoing is None and not call.answered
    return text or ("Canceled" if unanswered else None)


def _refusal(call: Call, ended: SessionEnded) -> Failure | None:
    """What is told of an outbound call that the other side refused; None where the agent ended it, or it was up."""
    if call.listens and not call.released and ON_HOLD in (call.refused_as, _text(ended), ended.phrase):
        why = failure("call-on-hold", MONITORED_HELD)
        return Failure(why.type, ON_HOLD, why.description, why.detail)
    if call.outgoing is None or call.answered or call.released:
        return None
    status = ended.status or {End.TIMEOUT: 408, End.LOST: 503}.get(ended.end, 480)
    phrase = readable(ended.phrase or "") or {408: "Request Timeout", 503: "Service Unavailable"}.get(status, "")
    row = failure("call-ended", phrase or f"SIP {status}", f"The call was not taken: {status} {phrase}".rstrip())
    return Failure(row.type, _text(ended) or str(status), row.description, row.detail)
