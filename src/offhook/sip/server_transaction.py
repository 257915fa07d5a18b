"""Server transactions: one request of a peer and our responses to it (RFC 3261 17.2 with RFC 6026).

Two machines as tables, one row per arrow of the RFC's figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from offhook.clock import Now, Timers
from offhook.sip.flow import Send
from offhook.sip.message import Request, Response
from offhook.sip.timers import Timing
from offhook.sip.transaction import Transaction

if TYPE_CHECKING:
    from offhook.sip.outbox import Outbox


class State(Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(Enum):
    REQUEST = "request again"
    ACK = "ACK"
    PROVISIONAL = "1xx from us"
    SUCCESS = "2xx from us"
    FAILURE = "300-699 from us"
    FINAL = "200-699 from us"
    TIMER_G = "G"
    TIMER_H = "H"
    TIMER_I = "I"
    TIMER_J = "J"
    TIMER_L = "L"
    TIMER_GIVE_UP = "give up"
    LOST = "flow lost"


TIMERS = {timer.value: timer for timer in Input if timer.name.startswith("TIMER_")}


@dataclass(frozen=True, slots=True)
class Asked:
    """A new request came; whoever it is for responds through the transaction."""

    transaction: ServerTransaction
    at: Now


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An ACK that belongs to a 2xx, so to a dialog and to no transaction."""

    request: Request
    flow: str
    at: Now


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A CANCEL came, for `invite` (None: for nothing that we know); it is answered through `transaction`."""

    transaction: ServerTransaction
    invite: ServerTransaction | None
    at: Now


@dataclass(frozen=True, slots=True)
class ServerFinished:
    """The transaction is over and to be forgotten."""

    transaction: ServerTransaction


ServerReport = Asked | Acknowledged | Cancelled | ServerFinished


class ServerTransaction(Transaction[State, Input]):
    """What both kinds of server transaction share. Responses go on the flow that the request came on.

    RFC 3261 §18.2.2: so they reach whoever sent it, whatever its Via says.
    """

    table: dict[tuple[State, Input], tuple[State, Callable[..., None]]]
    timer_inputs = TIMERS
    lost = Input.LOST
    terminated = State.TERMINATED

    def __init__(
        self,
        request: Request,
        flow: str,
        key: tuple[str, ...],
        *,
        reliable: bool,
        timers: Timers,
        timing: Timing,
        box: Outbox,
        state: State,
    ) -> None:
        super().__init__(request, flow, reliable=reliable, timers=timers, timing=timing, box=box, state=state)
        self.key = key
        self._data: bytes | None = None

    @property
    def answered(self) -> bool:
        """Whether a final response has been given."""
        return self.state not in (State.TRYING, State.PROCEEDING)

    def receive(self, request: Request, now: Now) -> None:
        """The request came again, or an ACK for its final response."""
        self._step(Input.ACK if request.method == "ACK" else Input.REQUEST, now)

    def respond(self, response: Response, now: Now) -> None:
        """Give a response. After the final one only further 2xx to an INVITE are sent, the rest is dropped."""
        self._step(self._sort(response.status), now, response)

    def _report_end(self) -> None:
        self._box.put(ServerFinished(self))

    def _send(self, now: Now, response: Response | None) -> None:
        assert response is not None, "there is something to send"
        self._data = response.serialize()
        self._box.put(Send(self.flow, self._data))

    def _send_again(self, now: Now, _: Response | None) -> None:
        if self._data is not None:
            self._box.put(Send(self.flow, self._data))


class InviteServerTransaction(ServerTransaction):
    """RFC 3261 figure 7, with the state ACCEPTED of RFC 6026 figure 1.

    The 2xx is retransmitted by whoever gave it, until the ACK (RFC 3261 13.3.1.4): here it is only let through.
    """

    def __init__(
        self,
        request: Request,
        flow: str,
        key: tuple[str, ...],
        *,
        reliable: bool,
        timers: Timers,
        timing: Timing,
        box: Outbox,
    ) -> None:
        super().__init__(
            request, flow, key, reliable=reliable, timers=timers, timing=timing, box=box, state=State.PROCEEDING
        )

    def _sort(self, status: int) -> Input:
        return Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE

    def _accept(self, now: Now, response: Response | None) -> None:
        self._set(Input.TIMER_L, now, self._timing.patience)
        self._send(now, response)

    def _refuse(self, now: Now, response: Response | None) -> None:
        if not self._reliable:
            self._set(Input.TIMER_G, now, self._pause)
        self._set(Input.TIMER_H, now, self._timing.patience)
        self._send(now, response)

    def _refuse_again(self, now: Now, _: Response | None) -> None:
        self._send_again(now, None)
        self._pause = min(2 * self._pause, self._timing.t2)
        self._set(Input.TIMER_G, now, self._pause)

    def _confirm(self, now: Now, _: Response | None) -> None:
        self._timers.cancel(self, "G", "H")
        self._set(Input.TIMER_I, now, 0.0 if self._reliable else self._timing.t4)


class NonInviteServerTransaction(ServerTransaction):
    """RFC 3261 figure 8. One that its user never answers is given up when its sender has given up too (timer F)."""

    def __init__(
        self,
        request: Request,
        flow: str,
        key: tuple[str, ...],
        now: Now,
        *,
        reliable: bool,
        timers: Timers,
        timing: Timing,
        box: Outbox,
    ) -> None:
        super().__init__(
            request, flow, key, reliable=reliable, timers=timers, timing=timing, box=box, state=State.TRYING
        )
        self._set(Input.TIMER_GIVE_UP, now, timing.patience)

    def _sort(self, status: int) -> Input:
        return Input.PROVISIONAL if status < 200 else Input.FINAL

    def _finish(self, now: Now, response: Response | None) -> None:
        self._timers.cancel(self, Input.TIMER_GIVE_UP.value)
        self._set(Input.TIMER_J, now, 0.0 if self._reliable else self._timing.patience)
        self._send(now, response)


_I = InviteServerTransaction
_N = NonInviteServerTransaction

INVITE: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, _I._send_again),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, _I._send),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, _I._accept),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, _I._refuse),
    (State.PROCEEDING, Input.LOST): (State.TERMINATED, _I._nothing),
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, _I._nothing),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, _I._send),
    (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, _I._nothing),
    (State.ACCEPTED, Input.LOST): (State.TERMINATED, _I._nothing),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, _I._send_again),
    (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, _I._refuse_again),
    (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, _I._nothing),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, _I._confirm),
    (State.COMPLETED, Input.LOST): (State.TERMINATED, _I._nothing),
    (State.CONFIRMED, Input.ACK): (State.CONFIRMED, _I._nothing),
    (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, _I._nothing),
    (State.CONFIRMED, Input.LOST): (State.TERMINATED, _I._nothing),
}

NON_INVITE: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, _N._send),
    (State.TRYING, Input.FINAL): (State.COMPLETED, _N._finish),
    (State.TRYING, Input.TIMER_GIVE_UP): (State.TERMINATED, _N._nothing),
    (State.TRYING, Input.LOST): (State.TERMINATED, _N._nothing),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, _N._send_again),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, _N._send),
    (State.PROCEEDING, Input.FINAL): (State.COMPLETED, _N._finish),
    (State.PROCEEDING, Input.TIMER_GIVE_UP): (State.TERMINATED, _N._nothing),
    (State.PROCEEDING, Input.LOST): (State.TERMINATED, _N._nothing),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, _N._send_again),
    (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, _N._nothing),
    (State.COMPLETED, Input.LOST): (State.TERMINATED, _N._nothing),
}

_I.table = INVITE
_N.table = NON_INVITE

TRANSITIONS = {"INVITE server transaction": INVITE, "non-INVITE server transaction": NON_INVITE}
