"""When and where to connect, and whether the connection is alive: the way to the server (RFC 5626 4.4 in spirit).

It never gives up. Servers are tried in their order, each at once after the one before; after a round without success
comes a pause that grows, with jitter, so that a thousand phones do not come back in the same instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from offhook.clock import Now
from offhook.sip.events import ServerLost, ServerReached
from offhook.sip.exchange import Answer, Endpoint, Exchange, Flow
from offhook.sip.fields import Address
from offhook.sip.flow import CloseFlow, OpenFlow, Probe
from offhook.sip.inquiry import outside
from offhook.sip.uri import Uri


class State(Enum):
    STOPPED = "stopped"
    CONNECTING = "connecting"
    UP = "up"
    PROBING = "probing"
    PAUSING = "pausing"


class Input(Enum):
    START = "start"
    OPENED = "flow opened"
    FAILED = "flow failed"
    CLOSED = "flow closed"
    HEARD = "something came"
    SILENCE = "nothing came"
    DEAD = "probe unanswered"
    RETRY = "pause over"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ServerFlowLost:
    """The open flow to the server is given up: whatever waits for something on it is to learn so."""

    flow: str
    at: Now


class Connectivity:
    """Opens flows named `<name>.<number>`; the one that is open is `endpoint.home`."""

    def __init__(self, endpoint: Endpoint, servers: tuple[str, ...], name: str, address: Address) -> None:
        self.state = State.STOPPED
        self.flow: str | None = None
        """The flow that is being opened or is open."""
        self._endpoint = endpoint
        self._servers = servers
        self._name = name
        self._address = address
        """Of the account: a server that is reached by UDP is asked by a SIP request of it whether it lives."""
        self._number = 0
        self._at = 0
        self._rounds = 0

    @property
    def connected(self) -> bool:
        return self.state in (State.UP, State.PROBING)

    @property
    def url(self) -> str:
        """The server that is tried, or connected to."""
        return self._servers[self._at] if self._servers else ""

    def start(self, now: Now) -> None:
        self._step(Input.START, now)

    def stop(self, now: Now) -> None:
        self._step(Input.STOP, now)

    def opened(self, local: str, remote: str, transport: str, now: Now) -> None:
        """`transport`: empty where it is that of the URL."""
        self._step(Input.OPENED, now, local, remote, transport)

    def failed(self, reason: str, now: Now) -> None:
        self._step(Input.FAILED, now, reason)

    def closed(self, reason: str, now: Now) -> None:
        self._step(Input.CLOSED, now, reason)

    def heard(self, now: Now) -> None:
        """The peer gave a sign of life."""
        self._step(Input.HEARD, now)

    def distrust(self, now: Now) -> None:
        """The server does not answer although the flow is open: try the next one."""
        self._step(Input.DEAD, now)

    def handle_timer(self, timer: str, now: Now) -> None:
        self._step(Input(timer), now)

    def _step(self, given: Input, now: Now, *data: str) -> None:
        row = TRANSITIONS.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, *data)

    def _set(self, timer: Input, now: Now, seconds: float) -> None:
        self._endpoint.timers.set(self, timer.value, now.monotonic + seconds)

    def _cancel(self) -> None:
        timers = (Input.SILENCE, Input.DEAD, Input.RETRY)
        self._endpoint.timers.cancel(self, *[timer.value for timer in timers])

    def _open_first(self, now: Now) -> None:
        self._at = self._rounds = 0
        self._open(now)

    def _open(self, _: Now) -> None:
        self._number += 1
        self.flow = f"{self._name}.{self._number}"
        self._endpoint.box.put(OpenFlow(self.flow, self.url, self._endpoint.timing.connect))

    def _use(self, now: Now, local: str, remote: str, transport: str) -> None:
        assert self.flow is not None, "it was opened"
        flow = Flow(local, remote, transport or self.url.partition(":")[0].upper(), certain=True)
        self._endpoint.flows[self.flow] = flow
        self._endpoint.home = self.flow
        timing = self._endpoint.timing
        # That a datagram socket is open means nothing yet.
        self._set(Input.SILENCE, now, min(timing.silence, timing.probe) if flow.transport == "UDP" else timing.silence)
        self._endpoint.emit(ServerReached(self.url))

    def _note(self, now: Now) -> None:
        self._rounds = 0
        self._endpoint.timers.cancel(self, Input.DEAD.value)
        self._set(Input.SILENCE, now, self._endpoint.timing.silence)

    def _probe(self, now: Now) -> None:
        assert self.flow is not None, "it is open"
        if self._endpoint.flows[self.flow].transport == "UDP":
            self._ask(now)
        else:
            self._endpoint.box.put(Probe(self.flow))
        self._set(Input.DEAD, now, self._endpoint.timing.probe)

    def _ask(self, now: Now) -> None:
        """OPTIONS (RFC 3261 §11): what FreeSWITCH answers on UDP, unlike line ends and STUN (measured)."""
        request, numbering = outside(
            self._endpoint,
            "OPTIONS",
            f"sip:{self._address.uri.host}",
            from_=self._address,
            to=Address(None, Uri.sip(None, self._address.uri.host)),
            headers=(),
        )
        self._endpoint.send(request, self, numbering, now).refuse_challenges()

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """Whatever the server answered to our OPTIONS: that it was heard is all."""

    def _drop(self, now: Now) -> None:
        assert self.flow is not None, "it is open"
        self._endpoint.box.put(CloseFlow(self.flow))
        self._try_next(now, "no answer from the server")

    def _try_next(self, now: Now, reason: str) -> None:
        """The server that failed is not tried again before the others; after all of them comes a pause."""
        lost = self.url
        self._leave(now)
        self._at = (self._at + 1) % max(1, len(self._servers))
        timing, fraction = self._endpoint.timing, self._endpoint.ids.fraction()
        wait = timing.backoff * fraction / 2
        if self._at == 0:
            wait = timing.pause(self._rounds, fraction)
            self._rounds += 1
        self._set(Input.RETRY, now, wait)
        self._endpoint.emit(ServerLost(lost, reason))

    def _come_back(self, now: Now, reason: str) -> None:
        """An open flow broke: begin with the first server again, soon, but not all phones at once."""
        lost = self.url
        self._leave(now)
        self._at = 0
        self._set(Input.RETRY, now, self._endpoint.timing.pause(self._rounds, self._endpoint.ids.fraction()))
        self._rounds += 1
        self._endpoint.emit(ServerLost(lost, reason))

    def _leave(self, now: Now) -> None:
        self._cancel()
        if self.flow is not None and self._endpoint.flows.pop(self.flow, None) is not None:
            self._endpoint.box.put(ServerFlowLost(self.flow, now))
        self._endpoint.home = None
        self.flow = None

    def _close(self, now: Now) -> None:
        if self.flow is not None:
            self._endpoint.box.put(CloseFlow(self.flow))
        self._leave(now)


_C = Connectivity

TRANSITIONS: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.STOPPED, Input.START): (State.CONNECTING, _C._open_first),
    (State.CONNECTING, Input.OPENED): (State.UP, _C._use),
    (State.CONNECTING, Input.FAILED): (State.PAUSING, _C._try_next),
    (State.CONNECTING, Input.CLOSED): (State.PAUSING, _C._try_next),
    (State.CONNECTING, Input.STOP): (State.STOPPED, _C._close),
    (State.UP, Input.HEARD): (State.UP, _C._note),
    (State.UP, Input.SILENCE): (State.PROBING, _C._probe),
    (State.UP, Input.DEAD): (State.PAUSING, _C._drop),
    (State.UP, Input.CLOSED): (State.PAUSING, _C._come_back),
    (State.UP, Input.STOP): (State.STOPPED, _C._close),
    (State.PROBING, Input.HEARD): (State.UP, _C._note),
    (State.PROBING, Input.DEAD): (State.PAUSING, _C._drop),
    (State.PROBING, Input.CLOSED): (State.PAUSING, _C._come_back),
    (State.PROBING, Input.STOP): (State.STOPPED, _C._close),
    (State.PAUSING, Input.RETRY): (State.CONNECTING, _C._open),
    (State.PAUSING, Input.STOP): (State.STOPPED, _C._close),
}
