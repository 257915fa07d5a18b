"""What the parts of a user agent share, and requests of ours from their first sending to their outcome.

A request may take several transactions: a challenge is answered by the same request with credentials and the next CSeq
(RFC 3261 22.2). Whoever asked hears of the outcome alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offhook.clock import Ids, Now, Timers
from offhook.errors import LocalError, RemoteError, StateError
from offhook.sip.client_transaction import Cause, ClientTransaction, InviteClientTransaction, Unanswered
from offhook.sip.dialog import Numbering
from offhook.sip.digest import DigestClient
from offhook.sip.events import SipEvent
from offhook.sip.flow import Send
from offhook.sip.headers import Headers
from offhook.sip.message import Request, Response
from offhook.sip.outbox import Outbox
from offhook.sip.server_transaction import ServerTransaction
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.sip.transactions import Transactions
from offhook.sip.uri import Uri

if TYPE_CHECKING:
    from offhook.sip.invite import Session

Pairs = tuple[tuple[str, str], ...]
"""Headers as the owner gives them."""

UNKNOWN = "unknown.invalid"
ZONE = re.compile(r"%[^\]]*")
"""Of an IPv6 address; it means nothing to another machine."""

CHALLENGES = 3
"""So many challenges to one request are answered: proxy and server, and one nonce that became stale."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: a response, or the status that stands for its absence (408, 503)."""

    status: int
    phrase: str
    response: Response | None
    lost: bool = False
    """The flow broke; nothing is known of the peer."""


class Asker(Protocol):
    """Whoever sends a request through an exchange."""

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """A provisional response or the outcome of the request; for an INVITE also each further 2xx."""
        ...


@dataclass(slots=True)
class Flow:
    """An open flow."""

    local: str
    remote: str
    transport: str
    certain: bool = False
    """Whether the transport is known; else the peer's Via says it."""

    @property
    def websocket(self) -> bool:
        return self.transport in ("WS", "WSS")

    @property
    def host_and_port(self) -> tuple[str, int | None]:
        """The local address, taken apart; a host that nobody can reach where it is not known."""
        host, _, port = ZONE.sub("", self.local).rpartition(":")
        try:
            Uri.sip(None, host, int(port))
        except (LocalError, ValueError):
            return UNKNOWN, None
        return host, int(port)


class Endpoint:
    """What all parts of one user agent share."""

    def __init__(self, style: Style, timers: Timers, ids: Ids, timing: Timing) -> None:
        self.style = style
        self.timers = timers
        self.ids = ids
        self.timing = timing
        self.box = Outbox()
        self.transactions = Transactions(timers, timing, self.box, self.acknowledge)
        self.flows: dict[str, Flow] = {}
        self.exchanges: dict[ClientTransaction, Exchange] = {}
        self.sessions: dict[str, Session] = {}
        self.calls: dict[tuple[str, str], Session] = {}
        """The sessions by Call-ID and our tag."""
        self.digest: DigestClient | None = None
        self.home: str | None = None
        """The flow to the configured server: the only one on which challenges are answered."""
        self.returns = False
        """Whether a flow that is lost is opened again by us; else what needed it is over."""
        self.sent_by: str | None = None
        """Of our Via; None: the flow's own address."""
        self.contact: str | None = None
        """Where a session has none of its own."""
        self.session_expires: int | None = None
        """Of `Account`, as is `redirects`."""
        self.redirects = 0
        self.may_call: Callable[[str], bool] = bool

    def remember(self, session: Session) -> None:
        """A session whose Call-ID and local tag are known."""
        self.sessions[session.id] = session
        self.calls[session.call_id, session.local_tag] = session

    def forget(self, session: Session) -> None:
        """The session is over, and nothing of it is under way."""
        self.sessions.pop(session.id, None)
        self.calls.pop((session.call_id, session.local_tag), None)

    def emit(self, event: SipEvent) -> None:
        self.box.put(event)

    def flow(self, wanted: str | None = None) -> str:
        """The flow to send on: the server's, else the one wanted. StateError where it is not open."""
        flow = self.home if self.home is not None else wanted
        if flow is None or flow not in self.flows:
            raise StateError("there is no connection")
        return flow

    def hear(self, flow: str, request: Request) -> None:
        """A request came: learn over what, and note from where (RFC 3261 §18.2.1, RFC 3581 §4)."""
        known = self.flows[flow]
        if flow != self.home and not known.certain:
            known.transport = request.via.transport.upper()
        if not known.websocket:
            host, _, port = known.remote.rpartition(":")
            request.note_source(host.strip("[]"), port)

    def usable(self, wanted: str | None = None) -> bool:
        return (self.home if self.home is not None else wanted) in self.flows

    def via(self, flow: str) -> str:
        """A Via with a fresh branch. Where somebody could connect to us, it is our address (RFC 3261 18.1.1)."""
        known = self.flows[flow]
        branch = self.style.branch(self.ids)
        if known.websocket:
            return f"SIP/2.0/{known.transport} {self.sent_by or known.local or UNKNOWN};branch={branch}"
        host, port = known.host_and_port
        sent_by = host if port is None else f"{host}:{port}"
        # RFC 3581 3: answers go to where the request came from, through whatever translates addresses.
        return f"SIP/2.0/{known.transport} {sent_by};branch={branch};rport"

    def send(self, request: Request, asker: Asker, numbering: Numbering, now: Now, *, flow: str | None = None,
             contact: str | None = None) -> Exchange:  # fmt: skip
        """Send a request that lacks only its Via and what the style adds. StateError where there is no flow."""
        exchange = Exchange(self, request, asker, numbering, self.flow(flow))
        request.headers.set("Via", self.via(exchange.flow))
        self.style.dress(request, contact or self.contact)
        exchange.send(now)
        return exchange

    def send_ack(self, ack: Request, flow: str | None, contact: str | None) -> bytes | None:
        """Send the ACK for a 2xx: a request without a transaction. What was sent, or None without a flow."""
        if not self.usable(flow):
            return None
        ack.headers.set("Via", self.via(self.flow(flow)))
        self.style.dress(ack, contact or self.contact)
        data = ack.serialize()
        self.box.put(Send(self.flow(flow), data))
        return data

    def send_again(self, data: bytes, flow: str | None) -> None:
        """Send an ACK once more."""
        if self.usable(flow):
            self.box.put(Send(self.flow(flow), data))

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: Now,
        *,
        phrase: str | None = None,
        tag: str | None = None,
        headers: Pairs = (),
        body: str | None = None,
        content_type: str = "application/sdp",
        contact: str | None = None,
    ) -> Response:
        """Answer a request. `tag`: our To tag; a final response without one gets a fresh one."""
        if tag is None and status > 100 and transaction.request.to.tag is None:
            tag = self.style.tag(self.ids)
        response = transaction.request.response(status, phrase, to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        if body is not None:
            response.headers.set("Content-Type", content_type)
            response.body = body.encode()
        self.style.dress(response, contact or self.contact)
        transaction.respond(response, now)
        return response

    def acknowledge(self, request: Request, response: Response) -> Request:
        """The ACK for a final response of 300 or more: part of the INVITE's transaction (RFC 3261 17.1.1.3)."""
        headers = Headers([("Via", str(request.via))])
        for route in request.headers.all("Route"):
            headers.add("Route", route)
        headers.add("Max-Forwards", request.headers.get("Max-Forwards") or "70")
        headers.add("From", str(request.from_))
        headers.add("To", str(response.to))
        headers.add("Call-ID", request.call_id)
        headers.add("CSeq", f"{request.cseq.number} ACK")
        ack = Request("ACK", request.uri, headers)
        self.style.dress(ack)
        return ack

    def cancel(
        self, exchange: Exchange, asker: Asker, now: Now, headers: Pairs = (), *, flow: str | None = None
    ) -> Exchange:
        """Send the CANCEL of an INVITE: in the branch of that INVITE (RFC 3261 9.1). `flow`: another than its own."""
        invite = exchange.request
        fields = Headers([("Via", str(invite.via))])
        for route in invite.headers.all("Route"):
            fields.add("Route", route)
        fields.add("Max-Forwards", invite.headers.get("Max-Forwards") or "70")
        fields.add("From", str(invite.from_))
        fields.add("To", str(invite.to))
        fields.add("Call-ID", invite.call_id)
        fields.add("CSeq", f"{invite.cseq.number} CANCEL")
        for name, value in headers:
            fields.add(name, value)
        cancel = Exchange(self, Request("CANCEL", invite.uri, fields), asker, Numbering(0), flow or exchange.flow)
        cancel.challenges = CHALLENGES  # a CANCEL cannot be sent again with credentials (RFC 3261 22.1)
        self.style.dress(cancel.request)
        cancel.send(now)
        return cancel


class Exchange:
    """One request of ours and its outcome."""

    __slots__ = ("request", "flow", "challenges", "done", "transaction", "_endpoint", "_asker", "_numbering")

    def __init__(self, endpoint: Endpoint, request: Request, asker: Asker, numbering: Numbering, flow: str) -> None:
        self.request = request
        self.flow = flow
        self.challenges = 0
        self.done = False
        self.transaction: ClientTransaction | None = None
        self._endpoint = endpoint
        self._asker = asker
        self._numbering = numbering

    def send(self, now: Now) -> None:
        if self.transaction is not None:
            self._endpoint.exchanges.pop(self.transaction, None)
        self.transaction = self._endpoint.transactions.send(self.request, self.flow, now)
        self._endpoint.exchanges[self.transaction] = self

    def receive(self, response: Response, now: Now) -> None:
        """A response to the transaction of this exchange."""
        if response.status in (401, 407) and self._answer_challenge(response, now):
            return
        self.done = self.done or response.status >= 200
        self._asker.answered(self, Answer(response.status, response.phrase, response), now)

    def fail(self, cause: Cause, now: Now) -> None:
        """No final response came."""
        self.done = True
        if cause is Cause.LOST:
            answer = Answer(503, "Connection lost", None, lost=True)
        else:
            answer = Answer(408, "Request Timeout", None)
        self._asker.answered(self, answer, now)

    def give_up(self, now: Now) -> None:
        """Take it that no answer will come, before the transaction does."""
        if self.transaction is not None and not self.done:
            self._endpoint.box.put(Unanswered(self.transaction, Cause.TIMEOUT, now))

    def abandon(self, now: Now) -> None:
        """Wait no longer for the answer to this INVITE."""
        if isinstance(self.transaction, InviteClientTransaction):
            self.transaction.abandon(now)

    def refuse_challenges(self) -> None:
        """The request is not wanted any more: do not send it again."""
        self.challenges = CHALLENGES

    def _answer_challenge(self, response: Response, now: Now) -> bool:
        endpoint = self._endpoint
        if endpoint.digest is None or self.flow != endpoint.home or self.challenges >= CHALLENGES:
            return False
        try:
            credentials = endpoint.digest.answer(
                response, self.request.method, self.request.uri, self.request.body, refused=self.request.headers
            )
        except RemoteError:
            return False
        if credentials is None:
            return False
        self.challenges += 1
        self._send_anew((credentials,), self.request.uri, now)
        return True

    def again(self, now: Now, headers: Pairs, uri: str | None = None) -> None:
        """Send the request once more after a final response, with these headers in place of its own (RFC 3261 §8.1.3).

        `uri`: to another target.
        """
        self.done = False
        # Credentials are made for one URI, and FreeSWITCH takes no nonce twice.
        for name in ("Authorization", "Proxy-Authorization"):
            self.request.headers.remove(name)
        self._send_anew(headers, uri or self.request.uri, now)

    def _send_anew(self, headers: Pairs, uri: str, now: Now) -> None:
        again = Request(self.request.method, uri, self.request.headers.copy(), self.request.body)
        for name, value in headers:
            again.headers.set(name, value)
        again.headers.set("Via", self._endpoint.via(self.flow))
        again.headers.set("CSeq", f"{self._numbering.next()} {again.method}")
        self._endpoint.style.dress(again)
        self.request = again
        self.send(now)
