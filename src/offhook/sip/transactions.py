"""The tables of transactions: which message belongs to which (RFC 3261 17.1.3 and 17.2.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from offhook.clock import Now, Timers
from offhook.sip import client_transaction, server_transaction
from offhook.sip.client_transaction import ClientTransaction, InviteClientTransaction, NonInviteClientTransaction
from offhook.sip.message import Request, Response
from offhook.sip.outbox import Outbox
from offhook.sip.server_transaction import (
    Acknowledged,
    Asked,
    Cancelled,
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
)
from offhook.sip.timers import Timing

COOKIE = "z9hG4bK"
"""Branches of RFC 3261 begin so; an older peer's branch identifies nothing (RFC 3261 8.1.1.7)."""

MOST = 50_000
"""So many server transactions at once are held; requests beyond are dropped, their senders try again."""

TRANSITIONS = {**client_transaction.TRANSITIONS, **server_transaction.TRANSITIONS}


def reliable(transport: str) -> bool:
    """Whether a Via transport loses nothing."""
    return transport.upper() != "UDP"


def server_key(request: Request, flow: str) -> tuple[str, ...]:
    """What is the same in a request, its repetitions, its CANCEL (but for the method) and the ACK of its refusal."""
    via = request.via
    branch = via.branch or ""
    if branch.startswith(COOKIE):
        return (flow, branch, via.host.lower(), str(via.port))
    return (flow, str(via), request.call_id, request.from_.tag or "", str(request.cseq.number))


def _identity(request: Request) -> tuple[str, str, int, str]:
    return (request.call_id, request.from_.tag or "", request.cseq.number, request.method)


class Transactions:
    """All transactions of one user agent. Their outputs and reports go into `box`."""

    def __init__(
        self, timers: Timers, timing: Timing, box: Outbox, ack: Callable[[Request, Response], Request]
    ) -> None:
        self._timers = timers
        self._timing = timing
        self._box = box
        self._ack = ack
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._copies: Counter[tuple[str, str, int, str]] = Counter()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def send(self, request: Request, flow: str, now: Now) -> ClientTransaction:
        """Send a request that is complete, its Via included."""
        via = request.via
        assert via.branch, "requests of ours have a branch"
        sure = reliable(via.transport)
        transaction: InviteClientTransaction | NonInviteClientTransaction
        if request.method == "INVITE":
            transaction = InviteClientTransaction(
                request, flow, self._ack, reliable=sure, timers=self._timers, timing=self._timing, box=self._box
            )
        else:
            transaction = NonInviteClientTransaction(
                request, flow, reliable=sure, timers=self._timers, timing=self._timing, box=self._box
            )
        self._clients[via.branch, request.method] = transaction
        transaction.start(now)
        return transaction

    def receive_response(self, response: Response, flow: str, now: Now) -> bool:
        """Give a response to the transaction it belongs to; False where there is none, or it came on another flow."""
        transaction = self._clients.get((response.via.branch or "", response.cseq.method))
        if transaction is None or transaction.flow != flow:
            return False
        transaction.receive(response, now)
        return True

    def receive_request(self, request: Request, flow: str, now: Now, transport: str | None = None) -> None:
        """Give a request to its transaction, or make one and report it.

        `transport`: that of the flow, which knows better than the peer's Via; None: as the Via says.
        """
        key = server_key(request, flow)
        method = "INVITE" if request.method == "ACK" else request.method
        known = self._servers.get((*key, method))
        if known is not None and not (request.method == "ACK" and known.state is server_transaction.State.ACCEPTED):
            known.receive(request, now)
        elif request.method == "ACK":
            self._box.put(Acknowledged(request, flow, now))
        elif len(self._servers) < MOST:
            sure = reliable(transport or request.via.transport)
            transaction = self._open((*key, method), request, flow, now, sure)
            if method == "CANCEL":
                self._box.put(Cancelled(transaction, self._servers.get((*key, "INVITE")), now))
            else:
                self._box.put(Asked(transaction, now))

    def merged(self, request: Request) -> bool:
        """Whether the same request also came by another path, and is still held (RFC 3261 8.2.2.2)."""
        return self._copies[_identity(request)] > 1

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """The transaction is over."""
        if isinstance(transaction, ServerTransaction):
            self._servers.pop(transaction.key, None)
            identity = _identity(transaction.request)
            self._copies[identity] -= 1
            if not self._copies[identity]:
                del self._copies[identity]
        else:
            request = transaction.request
            self._clients.pop((request.via.branch or "", request.method), None)

    def lose(self, flow: str, now: Now) -> None:
        """The flow is gone: what waits for something on it learns so."""
        for client in list(self._clients.values()):
            if client.flow == flow:
                client.lose(now)
        for server in list(self._servers.values()):
            if server.flow == flow:
                server.lose(now)

    def _open(self, key: tuple[str, ...], request: Request, flow: str, now: Now, sure: bool) -> ServerTransaction:
        transaction: ServerTransaction
        if request.method == "INVITE":
            transaction = InviteServerTransaction(
                request, flow, key, reliable=sure, timers=self._timers, timing=self._timing, box=self._box
            )
        else:
            transaction = NonInviteServerTransaction(
                request, flow, key, now, reliable=sure, timers=self._timers, timing=self._timing, box=self._box
            )
        self._servers[key] = transaction
        self._copies[_identity(request)] += 1
        return transaction
