"""The registration of one address at its server, and keeping it (RFC 3261 10.2).

One Call-ID and rising CSeqs for the whole life of the registration, over lost flows and in another process too.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from offhook.clock import Now
from offhook.errors import RemoteError
from offhook.sip.account import Account
from offhook.sip.dialog import RESTORE_GAP, Numbering
from offhook.sip.events import Registered, RegistrationFailed
from offhook.sip.exchange import Answer, Endpoint, Exchange
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response
from offhook.sip.uri import Uri
from offhook.sip.whereabouts import Whereabouts

__all__ = ["Account", "Registration"]


class State(Enum):
    IDLE = "idle"
    OFFLINE = "offline"
    TRYING = "trying"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    PAUSING = "pausing"
    REFUSED = "refused"
    LEAVING = "leaving"


class Input(Enum):
    REGISTER = "register"
    CONNECTED = "flow opened"
    LOST = "flow lost"
    OK = "2xx"
    BRIEF = "423"
    REFUSED = "credentials refused"
    FAILED = "other failure"
    REFRESH = "time to refresh"
    RETRY = "pause over"
    LEAVE = "leave"


class Registration:
    """Tells `Registered` and `RegistrationFailed`. `expires` is what the server granted last."""

    def __init__(self, endpoint: Endpoint, account: Account, whereabouts: Whereabouts) -> None:
        self.state = State.IDLE
        self.expires = account.expires
        self.suspicious = False
        """A REGISTER got no answer at all: the flow is not to be trusted."""
        self._endpoint = endpoint
        self._account = account
        self._whereabouts = whereabouts
        self._bound: str | None = None
        """The Contact that the last REGISTER carried."""
        self._call_id = endpoint.style.call_id(endpoint.ids)
        self._tag = endpoint.style.tag(endpoint.ids)
        self._numbering = Numbering(endpoint.style.first_cseq - 1)
        self._asked = account.expires
        self._tries = 0
        self._exchange: Exchange | None = None

    @property
    def registered(self) -> bool:
        return self.state in (State.REGISTERED, State.REFRESHING)

    @property
    def left(self) -> bool:
        """Whether nothing is registered and nothing is under way to be."""
        return self.state is State.IDLE

    def register(self, now: Now) -> None:
        """Register as soon as there is a flow; also again after the credentials were refused."""
        self._tries = 0
        self._step(Input.REGISTER, now)

    def connected(self, now: Now) -> None:
        self._step(Input.CONNECTED, now)

    def lost(self, now: Now) -> None:
        """The flow is gone, and with it the registration (measured: FreeSWITCH forgets it at once)."""
        self._step(Input.LOST, now)

    def leave(self, now: Now) -> None:
        """Un-register where that is possible; `left` says when it is done."""
        self._step(Input.LEAVE, now)

    def forget(self) -> None:
        """Stop whatever is under way."""
        self._exchange = None
        self._cancel()
        self.state = State.IDLE

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "answer":
            if self._exchange is not None:
                self._exchange.give_up(now)
        else:
            self._step(Input.REFRESH if timer == "refresh" else Input.RETRY, now)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        if answer.status < 200 or exchange is not self._exchange or answer.lost:
            return  # a lost flow is told by `lost`
        self._exchange = None
        self._endpoint.timers.cancel(self, "answer")
        # The next server may have time for us; after all of them comes the pause.
        overloaded = answer.status == 503 and (self._tries + 1) % max(1, len(self._account.servers)) != 0
        self.suspicious = answer.response is None or overloaded
        if answer.status < 300:
            self._step(Input.OK, now, answer)
        elif answer.status == 423:
            self._step(Input.BRIEF, now, answer)
        elif answer.status in (401, 403, 407):
            self._step(Input.REFUSED, now, answer)
        else:
            self._step(Input.FAILED, now, answer)

    def snapshot(self) -> dict[str, Any]:
        """What makes the registration the same one in another process."""
        return {"call_id": self._call_id, "tag": self._tag, "cseq": self._numbering.last, "expires": self._asked}

    def restore(self, snapshot: dict[str, Any]) -> None:
        self._call_id = snapshot["call_id"]
        self._tag = snapshot["tag"]
        self._numbering = Numbering(snapshot["cseq"] + RESTORE_GAP)
        self._asked = snapshot["expires"]

    # The machine

    def _step(self, given: Input, now: Now, answer: Answer | None = None) -> None:
        row = TRANSITIONS.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, answer)

    def _cancel(self) -> None:
        self._endpoint.timers.cancel(self, "refresh", "retry", "answer")

    def _send(self, now: Now, _: Answer | None) -> None:
        if self._endpoint.home is None:
            self.state = State.OFFLINE
            return
        self._cancel()
        self._exchange = self._ask(self._asked, now)

    def _ask(self, expires: int, now: Now) -> Exchange:
        address = f"<{Uri.sip(self._account.user, self._account.domain)}>"
        former, self._bound = self._bound, self._whereabouts.binding
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"{address};tag={self._tag}"),
                ("To", address),
                ("Call-ID", self._call_id),
                ("CSeq", f"{self._numbering.next()} REGISTER"),
                ("Contact", self._whereabouts.line(expires)),
                ("Expires", str(expires)),
                # RFC 3327 §5.1: an edge proxy may put itself on the way to us.
                ("Supported", "path" if self._account.instance is None else "path, outbound, gruu"),
            ]
        )
        if former is not None and former != self._bound:
            headers.add("Contact", f"<{former}>;expires=0")  # nobody is there any more
        request = Request("REGISTER", str(Uri.sip(None, self._account.domain)), headers)
        self._endpoint.timers.set(self, "answer", now.monotonic + self._endpoint.timing.register)
        return self._endpoint.send(request, self, self._numbering, now)

    def _hold(self, now: Now, answer: Answer | None) -> None:
        assert answer is not None and answer.response is not None, "a 2xx"
        self._tries = 0
        if self._endpoint.digest is not None:
            self._endpoint.digest.trust()
        self.expires = self._granted(answer.response)
        timing = self._endpoint.timing
        share = timing.refresh_from + (timing.refresh_to - timing.refresh_from) * self._endpoint.ids.fraction()
        self._endpoint.timers.set(self, "refresh", now.monotonic + share * self.expires)
        self._endpoint.emit(Registered(self.expires))
        if self._bound != self._whereabouts.binding:
            self._step(Input.REGISTER, now)  # meanwhile the server told us where it sees us

    def _granted(self, response: Response) -> int:
        """Seconds for our Contact, at least one."""
        try:
            mine = self._whereabouts.granted(response)
            expires = None if mine is None else mine.parameters.get("expires")
            if expires is not None and expires.isascii() and expires.isdecimal():
                return max(1, min(int(expires[:9]), self._asked))
            return max(1, min(response.expires or self._asked, self._asked))
        except RemoteError:
            return self._asked

    def _ask_for_longer(self, now: Now, answer: Answer | None) -> None:
        assert answer is not None and answer.response is not None, "a 423"
        try:
            least = answer.response.min_expires or 0
        except RemoteError:
            least = 0
        if self._asked < least <= self._endpoint.timing.longest_expires:
            self._asked = least
            self._send(now, None)
        else:
            self.state = State.PAUSING
            self._pause(now, answer)

    def _pause(self, now: Now, answer: Answer | None) -> None:
        assert answer is not None, "something failed"
        self._cancel()
        wait = self._endpoint.timing.pause(self._tries, self._endpoint.ids.fraction())
        self._tries += 1
        try:
            after = None if answer.response is None else answer.response.retry_after
        except RemoteError:
            after = None
        if after is not None:
            # Not all phones at once: up to a tenth more than the server says, within what people put up with.
            asked = after.seconds * (1 + self._endpoint.ids.fraction() / 10)
            wait = max(
                wait, min(asked, self._endpoint.timing.backoff_limit * (0.9 + self._endpoint.ids.fraction() / 10))
            )
        self._endpoint.timers.set(self, "retry", now.monotonic + wait)
        self._endpoint.emit(RegistrationFailed(answer.status, answer.phrase, False))

    def _give_up(self, _: Now, answer: Answer | None) -> None:
        assert answer is not None, "the server refused"
        self._cancel()
        self._endpoint.emit(RegistrationFailed(answer.status, answer.phrase, True))

    def _go_offline(self, _: Now, __: Answer | None) -> None:
        self._exchange = None
        self._cancel()

    def _unregister(self, now: Now, _: Answer | None) -> None:
        self._cancel()
        if self._endpoint.home is None:
            self.state = State.IDLE
            return
        self._exchange = self._ask(0, now)

    def _rest(self, _: Now, __: Answer | None) -> None:
        self._exchange = None
        self._cancel()


_R = Registration

TRANSITIONS: dict[tuple[State, Input], tuple[State, Callable[[Registration, Now, Answer | None], None]]] = {
    (State.IDLE, Input.REGISTER): (State.TRYING, _R._send),
    (State.OFFLINE, Input.CONNECTED): (State.TRYING, _R._send),
    (State.OFFLINE, Input.LEAVE): (State.IDLE, _R._rest),
    (State.TRYING, Input.OK): (State.REGISTERED, _R._hold),
    (State.TRYING, Input.BRIEF): (State.TRYING, _R._ask_for_longer),
    (State.TRYING, Input.REFUSED): (State.REFUSED, _R._give_up),
    (State.TRYING, Input.FAILED): (State.PAUSING, _R._pause),
    (State.TRYING, Input.LOST): (State.OFFLINE, _R._go_offline),
    (State.TRYING, Input.LEAVE): (State.LEAVING, _R._unregister),
    (State.REGISTERED, Input.REFRESH): (State.REFRESHING, _R._send),
    (State.REGISTERED, Input.REGISTER): (State.REFRESHING, _R._send),
    (State.REGISTERED, Input.LOST): (State.OFFLINE, _R._go_offline),
    (State.REGISTERED, Input.LEAVE): (State.LEAVING, _R._unregister),
    (State.REFRESHING, Input.OK): (State.REGISTERED, _R._hold),
    (State.REFRESHING, Input.BRIEF): (State.REFRESHING, _R._ask_for_longer),
    (State.REFRESHING, Input.REFUSED): (State.REFUSED, _R._give_up),
    (State.REFRESHING, Input.FAILED): (State.PAUSING, _R._pause),
    (State.REFRESHING, Input.LOST): (State.OFFLINE, _R._go_offline),
    (State.REFRESHING, Input.LEAVE): (State.LEAVING, _R._unregister),
    (State.PAUSING, Input.RETRY): (State.TRYING, _R._send),
    (State.PAUSING, Input.REGISTER): (State.TRYING, _R._send),
    (State.PAUSING, Input.LOST): (State.OFFLINE, _R._go_offline),
    (State.PAUSING, Input.LEAVE): (State.LEAVING, _R._unregister),
    (State.REFUSED, Input.REGISTER): (State.TRYING, _R._send),
    (State.REFUSED, Input.LEAVE): (State.IDLE, _R._rest),
    (State.LEAVING, Input.OK): (State.IDLE, _R._rest),
    (State.LEAVING, Input.BRIEF): (State.IDLE, _R._rest),
    (State.LEAVING, Input.REFUSED): (State.IDLE, _R._rest),
    (State.LEAVING, Input.FAILED): (State.IDLE, _R._rest),
    (State.LEAVING, Input.LOST): (State.IDLE, _R._rest),
}
