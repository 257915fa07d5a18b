"""New offers within a session: re-INVITE and UPDATE both ways, glare, and their order (RFC 3261 14, RFC 3311)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from offhook.clock import Now
from offhook.errors import StateError
from offhook.sip.acceptance import Acceptance
from offhook.sip.events import AnswerReceived, OfferReceived, Renegotiated, RenegotiationFailed
from offhook.sip.exchange import Answer, Endpoint, Exchange, Pairs
from offhook.sip.message import Request, Response
from offhook.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from offhook.sip.invite import Session

MOST_WAITING = 16
"""So many offers of ours may wait for one another."""

GLARES = 8
"""So often an offer is tried again after 491."""


class State(Enum):
    IDLE = "idle"
    SENT = "offer sent"
    PAUSING = "after glare"
    ANSWERING = "their offer to our empty re-INVITE"
    ASKED = "their offer"
    ACCEPTED = "2xx sent"


class Input(Enum):
    WANT = "we offer"
    SUCCESS = "2xx"
    SUCCESS_OFFER = "2xx with an offer"
    GLARE = "491"
    FAILURE = "refused"
    OVERDUE = "100 and nothing more"
    ABANDON = "nothing after CANCEL"
    PAUSE = "pause over"
    OFFER = "peer offers"
    KNOWN = "peer repeats its offer"
    ANSWER = "we answer"
    ANSWER_UPDATE = "we answer an UPDATE"
    REFUSE = "we refuse"
    CANCEL = "CANCEL"
    ACK = "ACK"


@dataclass(slots=True)
class Wish:
    """An offer of ours."""

    method: str
    offer: str | None = field(repr=False)
    headers: Pairs
    quiet: bool = False
    """A refresh: nobody is told."""
    glares: int = 0


class Renegotiation:
    """At most one offer of either side at a time; further ones of ours wait."""

    __slots__ = (
        "state",
        "_endpoint",
        "_session",
        "_waiting",
        "_wish",
        "_exchange",
        "_asked",
        "_acceptance",
        "_success",
        "_ack",
    )

    def __init__(self, endpoint: Endpoint, session: Session) -> None:
        self.state = State.IDLE
        self._endpoint = endpoint
        self._session = session
        self._waiting: deque[Wish] = deque()
        self._wish: Wish | None = None
        self._exchange: Exchange | None = None
        self._asked: ServerTransaction | None = None
        self._acceptance: Acceptance | None = None
        self._success: Response | None = None
        self._ack: bytes | None = None

    @property
    def busy(self) -> bool:
        return self.state is not State.IDLE

    # What the owner wants

    def offer(self, method: str, offer: str | None, headers: Pairs, now: Now, *, quiet: bool = False) -> None:
        """Send an offer as soon as none is under way. `offer` None: a re-INVITE that asks for the peer's offer."""
        if len(self._waiting) >= MOST_WAITING:
            raise StateError("too many offers are waiting already")
        if not self._endpoint.usable(self._session.flow):
            raise StateError("there is no connection")
        self._waiting.append(Wish(method, offer, headers, quiet))
        self.go_on(now)

    def repeat(self, now: Now) -> None:
        """Refresh the session by a re-INVITE with the description that holds."""
        if self.state is State.IDLE and self._session.negotiation.local is not None:
            self.offer("INVITE", self._session.negotiation.local, (), now, quiet=True)

    def answer(self, sdp: str, now: Now) -> None:
        """The owner's answer to the peer's offer, or its offer where the peer's re-INVITE had none."""
        if self.state is State.ANSWERING:
            self._step(Input.ANSWER, now, sdp)
        elif self._asked is not None:
            self._step(Input.ANSWER if self._asked.request.method == "INVITE" else Input.ANSWER_UPDATE, now, sdp)
        else:
            raise StateError("there is no offer to answer")

    def refuse(self, status: int, now: Now) -> None:
        if self._asked is None:
            raise StateError("there is no offer to refuse")
        self._step(Input.REFUSE, now, status)

    # What the peer sends

    def receive(self, transaction: ServerTransaction, now: Now) -> None:
        """A re-INVITE, or an UPDATE with an offer."""
        request, negotiated = transaction.request, self._session.negotiation
        if self.state is State.ACCEPTED and not negotiated.open:
            # The peer goes on: it has had our 2xx, its ACK was overtaken or lost.
            self._step(Input.ACK, now, None)
        offer = request.text if request.body else None
        if self.state is State.SENT or negotiated.ours_open:
            self._endpoint.respond(transaction, 491, now)
        elif self.state not in (State.IDLE, State.PAUSING) or negotiated.open:
            wait = str(int(10 * self._endpoint.ids.fraction()))
            self._endpoint.respond(transaction, 500, now, headers=(("Retry-After", wait),))
        else:
            known = None if offer is None else negotiated.known_answer(offer)
            if request.method == "INVITE" and known is None:
                self._endpoint.respond(transaction, 100, now)
            self._asked = transaction
            if offer is not None:
                negotiated.receive_offer(offer)
            if known is None:
                self._step(Input.OFFER, now, offer)
            else:
                self._step(Input.KNOWN, now, offer)
                self.answer(known, now)

    def receive_ack(self, request: Request, now: Now) -> bool:
        """An ACK in the dialog; whether it was for our 2xx."""
        if self._acceptance is None or self._acceptance.number != request.cseq.number:
            return False
        self._step(Input.ACK, now, request)
        return True

    def cancel(self, transaction: ServerTransaction, now: Now) -> None:
        """The peer cancels its re-INVITE."""
        if transaction is self._asked:
            self._step(Input.CANCEL, now)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """What came of our re-INVITE or UPDATE."""
        response = answer.response
        if answer.status < 200:
            if exchange is self._exchange and self.state is State.SENT and exchange.request.method == "INVITE":
                timing = self._endpoint.timing
                self._endpoint.timers.set(self, "overdue", now.monotonic + timing.patience)
            return
        if exchange is not self._exchange or self._session.over:
            if response is not None and answer.status < 300 and exchange.request.method == "INVITE":
                self._acknowledge_again(exchange)
            return
        if response is not None and answer.status < 300:
            if self.state is State.SENT:
                offered = exchange.request.method == "INVITE" and not exchange.request.body and bool(response.body)
                self._step(Input.SUCCESS_OFFER if offered else Input.SUCCESS, now, response)
            elif self.state is not State.ANSWERING and exchange.request.method == "INVITE":
                self._acknowledge_again(exchange)
        elif answer.status == 422 and response is not None and (headers := self._session.timer.obey(response)):
            exchange.again(now, headers)  # RFC 4028 §7.4
        elif answer.status == 491 and self._wish is not None and self._wish.glares < GLARES:
            self._step(Input.GLARE, now)
        else:
            self._step(Input.FAILURE, now, answer)

    def unacknowledged(self, now: Now) -> None:
        """No ACK came for our 2xx: the session is over (RFC 3261 13.3.1.4)."""
        self._acceptance = None
        self._session.expire(now)

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "late":
            # The session is over: a 2xx that was on its way had its time to be acknowledged.
            if self._exchange is not None:
                self._exchange.abandon(now)
        else:
            self._step({"pause": Input.PAUSE, "overdue": Input.OVERDUE}.get(timer, Input.ABANDON), now)

    def lost(self, flow: str, now: Now) -> None:
        """A flow is gone: a peer's offer that came on it cannot be answered, nor can the ACK for our answer come."""
        if self._asked is not None and self._asked.flow == flow:
            self._step(Input.CANCEL, now)
        elif self._acceptance is not None and self._acceptance.flow == flow:
            self._step(Input.ACK, now, None)

    def stop(self, now: Now) -> None:
        """The session is over."""
        if self.state is State.ANSWERING and self._exchange is not None:
            self._acknowledge_again(self._exchange)
        if self._asked is not None:
            self._endpoint.respond(self._asked, 487, now)
        if self._acceptance is not None:
            self._acceptance.stop()
        if self._exchange is not None and not self._exchange.done:
            self._exchange.refuse_challenges()
            self._endpoint.timers.set(self, "late", now.monotonic + self._endpoint.timing.patience)
        self._asked = self._acceptance = self._success = self._wish = None
        self._waiting.clear()
        self._endpoint.timers.cancel(self, "pause", "overdue", "abandon")
        self.state = State.IDLE

    def go_on(self, now: Now) -> None:
        """Send the next offer that waits, where nothing is under way."""
        ready = self.state is State.IDLE and self._session.ready and not self._session.negotiation.open
        if ready and self._waiting:
            self._wish = self._waiting.popleft()
            self._step(Input.WANT, now)

    # Actions

    def _step(self, given: Input, now: Now, *data: object) -> None:
        row = TRANSITIONS.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, *data)
        if self.state is not State.SENT:
            self._endpoint.timers.cancel(self, "overdue", "abandon")
        self.go_on(now)

    def _send(self, now: Now) -> None:
        wish = self._wish
        assert wish is not None, "there is an offer to send"
        if not self._endpoint.usable(self._session.flow):
            self.state = State.IDLE
            self._give_up(Answer(503, "Connection lost", None, lost=True))
            return
        if wish.offer is not None:
            self._session.negotiation.send_offer(wish.offer)
        self._ack = None
        headers = (*wish.headers, *self._session.timer.ask())
        self._exchange = self._session.send(wish.method, self, now, headers=headers, sdp=wish.offer)

    def _cancel_ours(self, now: Now) -> None:
        """The peer took our re-INVITE and says nothing more: nobody else may offer until that ends (RFC 3261 §9.1)."""
        self._endpoint.timers.set(self, "abandon", now.monotonic + self._endpoint.timing.patience)
        if self._exchange is not None and self._exchange.flow in self._endpoint.flows:
            self._endpoint.cancel(self._exchange, self, now)

    def _abandon(self, now: Now) -> None:
        assert self._exchange is not None, "an offer is out"
        self._exchange.abandon(now)
        self._session.negotiation.roll_back()
        self._give_up(Answer(408, "Request Timeout", None))

    def _succeed(self, now: Now, response: Response) -> None:
        exchange, negotiated = self._exchange, self._session.negotiation
        assert exchange is not None, "a response answers a request"
        self._session.move_target(response)
        if exchange.request.method == "INVITE":
            self._ack = self._session.acknowledge(exchange.request.cseq.number)
        self._session.timer.granted(response)
        self._session.timer.start(now)
        wish, self._wish = self._wish, None
        if negotiated.ours_open:
            if not response.body:
                # A 2xx without the answer that it owes: nothing has changed for anybody.
                negotiated.roll_back()
            else:
                negotiated.receive_answer(response.text)
                if wish is not None and not wish.quiet:
                    self._endpoint.emit(AnswerReceived(self._session.id, response.text))
        if wish is not None and not wish.quiet:
            self._endpoint.emit(Renegotiated(self._session.id))

    def _pass_offer(self, now: Now, response: Response) -> None:
        self._success = response
        self._session.move_target(response)
        self._session.timer.granted(response)
        self._session.timer.start(now)
        self._session.negotiation.receive_offer(response.text)
        self._endpoint.emit(OfferReceived(self._session.id, response.text))

    def _answer_in_ack(self, _: Now, sdp: str) -> None:
        assert self._exchange is not None, "a response answers a request"
        self._session.negotiation.send_answer(sdp)
        self._ack = self._session.acknowledge(self._exchange.request.cseq.number, sdp)
        self._success = self._wish = None
        self._endpoint.emit(Renegotiated(self._session.id))

    def _pause(self, now: Now) -> None:
        assert self._wish is not None, "the offer is kept for another try"
        self._wish.glares += 1
        self._session.negotiation.roll_back()
        # RFC 3261 14.1: the owner of the Call-ID waits longer, in steps of 10 ms.
        fraction = self._endpoint.ids.fraction()
        caller = self._session.dialog is not None and self._session.dialog.caller
        wait = 2.1 + 1.9 * fraction if caller else 2.0 * fraction
        self._endpoint.timers.set(self, "pause", now.monotonic + round(wait, 2))

    def _fail(self, now: Now, answer: Answer) -> None:
        self._session.negotiation.roll_back()
        self._give_up(answer)
        if not answer.lost:
            self._session.gone(answer, now)

    def _give_up(self, answer: Answer) -> None:
        wish, self._wish = self._wish, None
        if wish is not None and not wish.quiet:
            self._endpoint.emit(RenegotiationFailed(self._session.id, answer.status, answer.phrase))

    def _tell(self, _: Now, offer: str | None) -> None:
        self._set_aside()
        self._endpoint.emit(OfferReceived(self._session.id, offer))

    def _take(self, _: Now, __: str) -> None:
        self._set_aside()

    def _set_aside(self) -> None:
        """The peer was faster: our offer that was to be tried again comes after it."""
        self._endpoint.timers.cancel(self, "pause")
        if self._wish is not None:
            self._waiting.appendleft(self._wish)
            self._wish = None

    def _accept(self, now: Now, sdp: str) -> None:
        transaction, negotiated = self._asked, self._session.negotiation
        assert transaction is not None, "there is an offer to answer"
        if negotiated.open:
            negotiated.send_answer(sdp)
        else:
            negotiated.send_offer(sdp)
        response = self._respond(transaction, sdp, now)
        self._asked = None
        self._acceptance = Acceptance(self._endpoint, transaction, response, self, now)

    def _accept_update(self, now: Now, sdp: str) -> None:
        transaction = self._asked
        assert transaction is not None, "there is an offer to answer"
        self._session.negotiation.send_answer(sdp)
        self._respond(transaction, sdp, now)
        self._asked = None

    def _respond(self, transaction: ServerTransaction, sdp: str, now: Now) -> Response:
        session = self._session
        session.move_target(transaction.request)
        headers: Pairs = ()
        if session.ready:
            headers = session.timer.grant(transaction.request)
            session.timer.start(now)
        return self._endpoint.respond(transaction, 200, now, headers=headers, body=sdp, contact=session.contact)

    def _decline(self, now: Now, status: int) -> None:
        assert self._asked is not None, "there is an offer to refuse"
        transaction, self._asked = self._asked, None
        self._session.negotiation.roll_back()
        self._endpoint.respond(transaction, status, now)

    def _cancelled(self, now: Now) -> None:
        self._decline(now, 487)
        self._endpoint.emit(RenegotiationFailed(self._session.id, 487, "Request Terminated"))

    def _acknowledged(self, now: Now, ack: Request | None) -> None:
        assert self._acceptance is not None, "an ACK acknowledges a 2xx"
        self._acceptance.stop()
        self._acceptance = None
        negotiated = self._session.negotiation
        if negotiated.ours_open:
            if ack is not None and ack.body:
                negotiated.receive_answer(ack.text)
                self._endpoint.emit(AnswerReceived(self._session.id, ack.text))
            else:
                negotiated.roll_back()

    def _acknowledge_again(self, exchange: Exchange) -> None:
        if self._ack is None:
            self._ack = self._session.acknowledge(exchange.request.cseq.number)
        else:
            self._endpoint.send_again(self._ack, self._session.flow)


_R = Renegotiation

TRANSITIONS: dict[tuple[State, Input], tuple[State, Callable[..., None]]] = {
    (State.IDLE, Input.WANT): (State.SENT, _R._send),
    (State.SENT, Input.SUCCESS): (State.IDLE, _R._succeed),
    (State.SENT, Input.SUCCESS_OFFER): (State.ANSWERING, _R._pass_offer),
    (State.SENT, Input.GLARE): (State.PAUSING, _R._pause),
    (State.SENT, Input.FAILURE): (State.IDLE, _R._fail),
    (State.SENT, Input.OVERDUE): (State.SENT, _R._cancel_ours),
    (State.SENT, Input.ABANDON): (State.IDLE, _R._abandon),
    (State.ANSWERING, Input.ANSWER): (State.IDLE, _R._answer_in_ack),
    (State.PAUSING, Input.PAUSE): (State.SENT, _R._send),
    (State.PAUSING, Input.OFFER): (State.ASKED, _R._tell),
    (State.PAUSING, Input.KNOWN): (State.ASKED, _R._take),
    (State.IDLE, Input.OFFER): (State.ASKED, _R._tell),
    (State.IDLE, Input.KNOWN): (State.ASKED, _R._take),
    (State.ASKED, Input.ANSWER): (State.ACCEPTED, _R._accept),
    (State.ASKED, Input.ANSWER_UPDATE): (State.IDLE, _R._accept_update),
    (State.ASKED, Input.REFUSE): (State.IDLE, _R._decline),
    (State.ASKED, Input.CANCEL): (State.IDLE, _R._cancelled),
    (State.ACCEPTED, Input.ACK): (State.IDLE, _R._acknowledged),
}
