"""Client transactions: one request of ours to its final response (RFC 3261 17.1 with RFC 6026).

Two machines as tables, one row per arrow of the RFC's figure. What the machines put out goes into the one list of
outputs of their user agent, in order: messages to send, and reports to whoever sent the request.
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
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Input(Enum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    FINAL = "200-699"
    TIMER_A = "A"
    TIMER_B = "B"
    TIMER_D = "D"
    TIMER_E = "E"
    TIMER_F = "F"
    TIMER_K = "K"
    TIMER_M = "M"
    LOST = "flow lost"
    ABANDON = "abandoned"


TIMERS = {timer.value: timer for timer in Input if timer.name.startswith("TIMER_")}


class Cause(Enum):
    """Why a request got no final response."""

    TIMEOUT = "timeout"
    LOST = "flow lost"


@dataclass(frozen=True, slots=True)
class Answered:
    """A response for the sender of the request: each provisional, the first final, and every 2xx to an INVITE."""

    transaction: ClientTransaction
    response: Response
    at: Now


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No final response came and none will."""

    transaction: ClientTransaction
    cause: Cause
    at: Now


@dataclass(frozen=True, slots=True)
class ClientFinished:
    """The transaction is over and to be forgotten."""

    transaction: ClientTransaction


ClientReport = Answered | Unanswered | ClientFinished


class ClientTransaction(Transaction[State, Input]):
    """What both kinds of client transaction share; `start` sends the request."""

    table: dict[tuple[State, Input], tuple[State, Callable[..., None]]]
    timer_inputs = TIMERS
    lost = Input.LOST
    terminated = State.TERMINATED

    def __init__(
        self, request: Request, flow: str, *, reliable: bool, timers: Timers, timing: Timing, box: Outbox, state: State
    ) -> None:
        super().__init__(request, flow, reliable=reliable, timers=timers, timing=timing, box=box, state=state)
        self._data = request.serialize()

    def receive(self, response: Response, now: Now) -> None:
        """A response that matched this transaction came."""
        self._step(self._sort(response.status), now, response)

    def _report_end(self) -> None:
        self._box.put(ClientFinished(self))

    def _send(self) -> None:
        self._box.put(Send(self.flow, self._data))

    def _pass_up(self, now: Now, response: Response | None) -> None:
        assert response is not None, "only responses are passed up"
        self._box.put(Answered(self, response, now))

    def _time_out(self, now: Now, _: Response | None) -> None:
        self._box.put(Unanswered(self, Cause.TIMEOUT, now))

    def _report_lost(self, now: Now, _: Response | None) -> None:
        self._box.put(Unanswered(self, Cause.LOST, now))


class InviteClientTransaction(ClientTransaction):
    """RFC 3261 figure 5, with the state ACCEPTED of RFC 6026 figure 2. `ack` is sent for each final response >= 300."""

    def __init__(
        self,
        request: Request,
        flow: str,
        ack: Callable[[Request, Response], Request],
        *,
        reliable: bool,
        timers: Timers,
        timing: Timing,
        box: Outbox,
    ) -> None:
        super().__init__(request, flow, reliable=reliable, timers=timers, timing=timing, box=box, state=State.CALLING)
        self._ack = ack
        self._acknowledgement: bytes | None = None

    def start(self, now: Now) -> None:
        self._send()
        if not self._reliable:
            self._set(Input.TIMER_A, now, self._pause)
        self._set(Input.TIMER_B, now, self._timing.patience)

    def abandon(self, now: Now) -> None:
        """A CANCEL was not followed by a final response: forget the INVITE (RFC 3261 9.1)."""
        self._step(Input.ABANDON, now)

    def _sort(self, status: int) -> Input:
        return Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE

    def _send_again(self, now: Now, _: Response | None) -> None:
        self._send()
        self._pause *= 2
        self._set(Input.TIMER_A, now, self._pause)

    def _proceed(self, now: Now, response: Response | None) -> None:
        self._timers.cancel(self, "A", "B")
        self._pass_up(now, response)

    def _accept(self, now: Now, response: Response | None) -> None:
        self._timers.cancel(self, "A", "B")
        self._set(Input.TIMER_M, now, self._timing.patience)
        self._pass_up(now, response)

    def _refuse(self, now: Now, response: Response | None) -> None:
        self._timers.cancel(self, "A", "B")
        self._set(Input.TIMER_D, now, 0.0 if self._reliable else self._timing.d)
        self._acknowledge(now, response)
        self._pass_up(now, response)

    def _acknowledge(self, now: Now, response: Response | None) -> None:
        if self._acknowledgement is None:
            assert response is not None, "an ACK acknowledges a response"
            self._acknowledgement = self._ack(self.request, response).serialize()
        self._box.put(Send(self.flow, self._acknowledgement))


class NonInviteClientTransaction(ClientTransaction):
    """RFC 3261 figure 6."""

    def __init__(
        self, request: Request, flow: str, *, reliable: bool, timers: Timers, timing: Timing, box: Outbox
    ) -> None:
        super().__init__(request, flow, reliable=reliable, timers=timers, timing=timing, box=box, state=State.TRYING)

    def start(self, now: Now) -> None:
        self._send()
        if not self._reliable:
            self._set(Input.TIMER_E, now, self._pause)
        self._set(Input.TIMER_F, now, self._timing.patience)

    def _sort(self, status: int) -> Input:
        return Input.PROVISIONAL if status < 200 else Input.FINAL

    def _send_again(self, now: Now, _: Response | None) -> None:
        self._send()
        self._pause = min(2 * self._pause, self._timing.t2)
        self._set(Input.TIMER_E, now, self._pause)

    def _send_slowly(self, now: Now, _: Response | None) -> None:
        self._send()
        self._set(Input.TIMER_E, now, self._timing.t2)

    def _finish(self, now: Now, response: Response | None) -> None:
        self._timers.cancel(self, "E", "F")
        self._set(Input.TIMER_K, now, 0.0 if self._reliable else self._timing.t4)
        self._pass_up(now, response)


_I = InviteClientTransaction
_N = NonInviteClientTransaction

INVITE: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.CALLING, Input.TIMER_A): (State.CALLING, _I._send_again),
    (State.CALLING, Input.TIMER_B): (State.TERMINATED, _I._time_out),
    (State.CALLING, Input.LOST): (State.TERMINATED, _I._report_lost),
    (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, _I._proceed),
    (State.CALLING, Input.SUCCESS): (State.ACCEPTED, _I._accept),
    (State.CALLING, Input.FAILURE): (State.COMPLETED, _I._refuse),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, _I._pass_up),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, _I._accept),
    (State.PROCEEDING, Input.FAILURE): (State.COMPLETED, _I._refuse),
    (State.PROCEEDING, Input.LOST): (State.TERMINATED, _I._report_lost),
    (State.PROCEEDING, Input.ABANDON): (State.TERMINATED, _I._nothing),
    (State.CALLING, Input.ABANDON): (State.TERMINATED, _I._nothing),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, _I._pass_up),
    (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, _I._nothing),
    (State.ACCEPTED, Input.LOST): (State.TERMINATED, _I._nothing),
    (State.COMPLETED, Input.FAILURE): (State.COMPLETED, _I._acknowledge),
    (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, _I._nothing),
    (State.COMPLETED, Input.LOST): (State.TERMINATED, _I._nothing),
}

NON_INVITE: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.TRYING, Input.TIMER_E): (State.TRYING, _N._send_again),
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, _N._time_out),
    (State.TRYING, Input.LOST): (State.TERMINATED, _N._report_lost),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, _N._pass_up),
    (State.TRYING, Input.FINAL): (State.COMPLETED, _N._finish),
    (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, _N._send_slowly),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, _N._time_out),
    (State.PROCEEDING, Input.LOST): (State.TERMINATED, _N._report_lost),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, _N._pass_up),
    (State.PROCEEDING, Input.FINAL): (State.COMPLETED, _N._finish),
    (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, _N._nothing),
    (State.COMPLETED, Input.LOST): (State.TERMINATED, _N._nothing),
}

_I.table = INVITE
_N.table = NON_INVITE

TRANSITIONS = {"INVITE client transaction": INVITE, "non-INVITE client transaction": NON_INVITE}
