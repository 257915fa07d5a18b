"""Reliable provisional responses of a called party: sent again and again until their PRACK is there (RFC 3262 §3)."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from offhook.clock import Now
from offhook.sip.exchange import Endpoint, Pairs
from offhook.sip.fields import RAck
from offhook.sip.message import Response
from offhook.sip.server_transaction import ServerTransaction

MOST_WAITING = 16
"""So many may wait for their turn; further ones are left out, the final response is what counts."""


class Ringer(Protocol):
    """Whoever is called."""

    def respond(self, status: int, now: Now, headers: Pairs, *, body: str | None = None) -> Response:
        """Answer the INVITE."""
        ...

    def unheard(self, now: Now) -> None:
        """No PRACK came for 64*T1."""
        ...


class Provisionals:
    """One at a time is under way, the others wait (RFC 3262 §3 demands it of the first, and allows it of all)."""

    __slots__ = ("_endpoint", "_transaction", "_ringer", "_rseq", "_sent", "_waiting", "_pause")

    def __init__(self, endpoint: Endpoint, transaction: ServerTransaction, ringer: Ringer) -> None:
        self._endpoint = endpoint
        self._transaction = transaction
        self._ringer = ringer
        self._rseq = int(endpoint.ids.fraction() * 2**30)
        self._sent: Response | None = None
        self._waiting: deque[tuple[int, Pairs, str | None]] = deque()
        self._pause = 0.0

    @property
    def blocking(self) -> bool:
        """Whether a 2xx has to wait: a description of ours is not acknowledged (RFC 3262 §3)."""
        return (self._sent is not None and bool(self._sent.body)) or any(body for _, _, body in self._waiting)

    def send(self, status: int, headers: Pairs, body: str | None, now: Now) -> None:
        """Send a response, or let it wait for the PRACK of the one before."""
        if self._sent is None:
            self._send(status, headers, body, now)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append((status, headers, body))

    def acknowledge(self, rack: RAck) -> bool:
        """A PRACK came; whether it is for the response under way. `go_on` then sends the next one."""
        invite = self._transaction.request.cseq
        if self._sent is None or (rack.rseq, rack.cseq) != (self._rseq, invite):
            return False
        self._sent = None
        self._rest()
        return True

    def go_on(self, now: Now) -> None:
        """Send what waits, where nothing is under way."""
        if self._sent is None and self._waiting and not self._transaction.answered:
            self._send(*self._waiting.popleft(), now)

    def stop(self) -> None:
        """The final response goes out: nothing is sent again (RFC 3262 §3), a PRACK on its way is still known."""
        self._waiting.clear()
        self._rest()

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "again" and self._sent is not None:
            self._transaction.respond(self._sent, now)
            self._pause *= 2
            self._endpoint.timers.set(self, "again", now.monotonic + self._pause)
        else:
            self.stop()
            self._ringer.unheard(now)

    def _send(self, status: int, headers: Pairs, body: str | None, now: Now) -> None:
        self._rseq += 1
        marks = (("Require", "100rel"), ("RSeq", str(self._rseq)))
        self._sent = self._ringer.respond(status, now, (*headers, *marks), body=body)
        self._pause = self._endpoint.timing.t1
        self._endpoint.timers.set(self, "again", now.monotonic + self._pause)
        self._endpoint.timers.set(self, "give up", now.monotonic + self._endpoint.timing.patience)

    def _rest(self) -> None:
        self._endpoint.timers.cancel(self, "again", "give up")
