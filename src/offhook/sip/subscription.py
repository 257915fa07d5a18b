"""REFER and the subscription that comes with it: what became of a transfer that we asked for (RFC 3515, 4488, 6665).

Each REFER ends in exactly one of: `ReferProgress` or `ReferFailed` with `final`, `ReferExpired`, or `ReferAccepted`
without a subscription. Where a server never says what came of it, the owner learns so by `ReferExpired`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from offhook.clock import Now
from offhook.errors import RemoteError
from offhook.sip.dialog import Dialog
from offhook.sip.events import ReferAccepted, ReferExpired, ReferFailed, ReferProgress
from offhook.sip.exchange import Answer, Endpoint, Exchange, Pairs
from offhook.sip.fields import Address, Event, Replaces, SubscriptionState
from offhook.sip.message import Request, Response
from offhook.sip.uri import Uri

if TYPE_CHECKING:
    from offhook.sip.invite import Session

MOST = 8
"""So many may be under way in one session."""

FRAGMENT = re.compile(rb"SIP/2\.0[ \t]+([1-6][0-9]{2})(?:[ \t]+([^\r\n]*))?")
"""The start line of a message/sipfrag (RFC 3420); all that RFC 3515 §2.4.5 asks for."""


class State(Enum):
    ASKED = "asked"
    ACCEPTED = "accepted"
    OVER = "over"


class Input(Enum):
    ACCEPT = "2xx"
    ACCEPT_ALONE = "2xx, no subscription"
    REFUSE = "refused"
    DOUBT = "no answer"
    PROGRESS = "NOTIFY"
    RESULT = "NOTIFY with the outcome"
    LAST = "last NOTIFY, without an outcome"
    SILENCE = "nothing came"
    GONE = "session over"


class Outcome(NamedTuple):
    """What a NOTIFY tells."""

    status: int
    phrase: str
    over: bool


class Referral:
    """One REFER of ours. `session.referrals` holds those that are not over."""

    __slots__ = ("id", "state", "_endpoint", "_session", "_exchange")

    def __init__(self, endpoint: Endpoint, session: Session) -> None:
        self.id = endpoint.ids.token(64)
        self.state = State.ASKED
        self._endpoint = endpoint
        self._session = session
        self._exchange: Exchange | None = None

    def start(self, headers: Pairs, now: Now) -> None:
        """Send the REFER. StateError where there is no dialog or no flow."""
        self._exchange = self._session.send("REFER", self, now, headers=headers)
        self._session.referrals.append(self)

    def matches(self, event: Event) -> bool:
        """RFC 3515 §2.4.6: the id is the CSeq of the REFER; the first one in a dialog may go without."""
        if event.id is None:
            return True
        assert self._exchange is not None, "it was sent"
        return event.id.isascii() and event.id.isdecimal() and int(event.id[:10]) == self._exchange.request.cseq.number

    def receive(self, request: Request, now: Now) -> None:
        """A NOTIFY of this subscription, answered already. It may overtake the 2xx to the REFER (RFC 6665 §4.1.2.4)."""
        over, told = is_over(request), fragment(request)
        if told is None:
            # RFC 3515 §2.4.5 wants a sipfrag; without one it says at most that nothing more will come.
            if over:
                self._step(Input.LAST, now)
            return
        status, phrase = told
        outcome = Outcome(status, phrase, over)
        if status < 200:
            self._step(Input.PROGRESS, now, outcome)
            if over:
                self._step(Input.LAST, now)
        else:
            self._step(Input.RESULT, now, outcome)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """What came of the REFER itself."""
        if answer.status < 200:
            return
        response = answer.response
        if response is None and answer.status != 481:
            self._step(Input.DOUBT, now, answer)
        elif answer.status >= 300 or response is None:
            self._step(Input.REFUSE, now, answer)
            if answer.status == 481:
                self._session.gone(answer, now)  # RFC 5057 §5.1
        else:
            alone = (response.headers.get("Refer-Sub") or "").partition(";")[0].strip(" \t").lower() == "false"
            self._step(Input.ACCEPT_ALONE if alone else Input.ACCEPT, now, answer)

    def stop(self, now: Now) -> None:
        """The session is over, and with it whatever could bring news."""
        self._step(Input.GONE, now)

    def handle_timer(self, _: str, now: Now) -> None:
        self._step(Input.SILENCE, now)

    # Actions

    def _step(self, given: Input, now: Now, *data: object) -> None:
        row = TRANSITIONS.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, *data)
        if self.state is State.OVER:
            self._endpoint.timers.cancel(self, "silence")
            if self in self._session.referrals:
                self._session.referrals.remove(self)

    def _wait(self, now: Now) -> None:
        self._endpoint.timers.set(self, "silence", now.monotonic + self._endpoint.timing.referral)

    def _accept(self, now: Now, answer: Answer) -> None:
        self._wait(now)
        self._endpoint.emit(ReferAccepted(self._session.id, self.id, answer.status))

    def _accept_alone(self, _: Now, answer: Answer) -> None:
        self._endpoint.emit(ReferAccepted(self._session.id, self.id, answer.status, subscribed=False))

    def _fail(self, _: Now, answer: Answer) -> None:
        self._endpoint.emit(ReferFailed(self._session.id, self.id, answer.status, answer.phrase))

    def _doubt(self, now: Now, answer: Answer) -> None:
        """The connection broke, or the answer was lost: the peer may have the REFER."""
        self._wait(now)
        self._endpoint.emit(ReferFailed(self._session.id, self.id, answer.status, answer.phrase, final=False))

    def _progress(self, now: Now, outcome: Outcome) -> None:
        if self.state is State.ACCEPTED:
            self._wait(now)
        self._tell(now, outcome)

    def _tell(self, _: Now, outcome: Outcome) -> None:
        status, phrase, over = outcome
        self._endpoint.emit(ReferProgress(self._session.id, self.id, status, phrase, status >= 200, over))

    def _expire(self, _: Now) -> None:
        self._endpoint.emit(ReferExpired(self._session.id, self.id))


_R = Referral

TRANSITIONS: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.ASKED, Input.ACCEPT): (State.ACCEPTED, _R._accept),
    (State.ASKED, Input.ACCEPT_ALONE): (State.OVER, _R._accept_alone),
    (State.ASKED, Input.REFUSE): (State.OVER, _R._fail),
    (State.ASKED, Input.DOUBT): (State.ACCEPTED, _R._doubt),
    (State.ASKED, Input.PROGRESS): (State.ASKED, _R._progress),
    (State.ASKED, Input.RESULT): (State.OVER, _R._tell),
    (State.ASKED, Input.LAST): (State.OVER, _R._expire),
    (State.ASKED, Input.GONE): (State.OVER, _R._expire),
    (State.ACCEPTED, Input.PROGRESS): (State.ACCEPTED, _R._progress),
    (State.ACCEPTED, Input.RESULT): (State.OVER, _R._tell),
    (State.ACCEPTED, Input.LAST): (State.OVER, _R._expire),
    (State.ACCEPTED, Input.SILENCE): (State.OVER, _R._expire),
    (State.ACCEPTED, Input.GONE): (State.OVER, _R._expire),
}


def fragment(message: Request | Response) -> tuple[int, str] | None:
    """Status and phrase of a message/sipfrag that begins with a status line; None for any other body."""
    try:
        if message.content_type not in ("message/sipfrag", "message/sip"):
            return None
    except RemoteError:
        return None
    found = FRAGMENT.match(message.body)
    if found is None:
        return None
    status, phrase = found.groups(b"")
    return int(status), phrase.decode("utf-8", "replace").strip()


def is_over(notify: Request) -> bool:
    """Whether no further NOTIFY will come (RFC 6665 §4.1.3)."""
    try:
        state = notify.subscription_state
    except RemoteError:
        return False
    return state is not None and state.state == "terminated"


def referral_of(session: Session, notify: Request) -> Referral | None:
    """The REFER of ours that a NOTIFY is about."""
    try:
        event = notify.event
    except RemoteError:
        return None
    if event is None or event.package.lower() != "refer":
        return None
    return next((referral for referral in session.referrals if referral.matches(event)), None)


def replaces_of(dialog: Dialog) -> Replaces:
    """What names a dialog of ours to its other party (RFC 3891 §3)."""
    return Replaces(dialog.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag)


def refer_to(target: Uri | Address | str, replaces: Replaces | None) -> str:
    """A Refer-To (RFC 3515 §2.1), with the Replaces of an attended transfer in its URI. ParseError, LocalError."""
    if isinstance(target, str):
        target = Uri.parse(target)
    address = target if isinstance(target, Address) else Address(None, target)
    if replaces is not None:
        others = [pair for pair in address.uri.headers if pair[0].lower() != "replaces"]
        address = replace(address, uri=replace(address.uri, headers=(*others, ("Replaces", str(replaces)))))
    return str(address)


def notification(number: int | None, status: int, phrase: str, over: bool) -> tuple[Pairs, str]:
    """Headers and body of a NOTIFY to whoever sent us a REFER with that CSeq (RFC 3515 §2.4.4 to §2.4.7)."""
    event = Event("refer", None if number is None else str(number))
    # RFC 3515 §2.4.7: nothing more will come of it.
    state = SubscriptionState("terminated", "noresource") if over else SubscriptionState("active", None, 60)
    return (("Event", str(event)), ("Subscription-State", str(state))), f"SIP/2.0 {status} {phrase}\r\n"
