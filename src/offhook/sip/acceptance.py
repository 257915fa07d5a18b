"""A 2xx to an INVITE on its way: sent again and again until the ACK is there (RFC 3261 13.3.1.4).

That is so on every transport: an element in between may have lost it, and only the two ends know.
"""

from __future__ import annotations

from typing import Protocol

from offhook.clock import Now
from offhook.sip.exchange import Endpoint
from offhook.sip.message import Response
from offhook.sip.server_transaction import ServerTransaction


class Accepter(Protocol):
    """Whoever gave the 2xx."""

    def unacknowledged(self, now: Now) -> None:
        """No ACK came for 64*T1."""
        ...


class Acceptance:
    """One 2xx and the wait for its ACK."""

    __slots__ = ("number", "flow", "_endpoint", "_transaction", "_response", "_accepter", "_pause")

    def __init__(
        self, endpoint: Endpoint, transaction: ServerTransaction, response: Response, accepter: Accepter, now: Now
    ) -> None:
        self.number = transaction.request.cseq.number
        self.flow = transaction.flow
        self._endpoint = endpoint
        self._transaction = transaction
        self._response = response
        self._accepter = accepter
        self._pause = endpoint.timing.t1
        endpoint.timers.set(self, "again", now.monotonic + self._pause)
        endpoint.timers.set(self, "give up", now.monotonic + endpoint.timing.patience)

    def stop(self) -> None:
        """The ACK came, or nobody waits for it any more."""
        self._endpoint.timers.cancel(self, "again", "give up")

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "again":
            self._transaction.respond(self._response, now)
            self._pause = min(2 * self._pause, self._endpoint.timing.t2)
            self._endpoint.timers.set(self, "again", now.monotonic + self._pause)
        else:
            self.stop()
            self._accepter.unacknowledged(now)
