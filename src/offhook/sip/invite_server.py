"""The called party's side of a session, from the INVITE to the ACK (RFC 3261 13.3)."""

from __future__ import annotations

from offhook.clock import Now
from offhook.errors import StateError
from offhook.sip.acceptance import Acceptance
from offhook.sip.dialog import Dialog, Numbering
from offhook.sip.events import AnswerReceived, End, Established, InviteReceived
from offhook.sip.exchange import Endpoint, Pairs
from offhook.sip.invite import SHARED, Input, Session, State, Table
from offhook.sip.message import Request, Response
from offhook.sip.negotiation import State as Offer
from offhook.sip.provisional import Provisionals
from offhook.sip.server_transaction import ServerTransaction

ELSEWHERE = ("Reason", 'SIP;cause=200;text="Call completed elsewhere"')
"""As FreeSWITCH says it."""


class IncomingSession(Session):
    """A call to us."""

    role = "uas"

    def __init__(self, endpoint: Endpoint, id: str, flow: str | None, contact: str | None) -> None:
        super().__init__(endpoint, id, flow, contact)
        self.state = State.INCOMING
        self.transaction: ServerTransaction | None = None
        self.replaces: str | None = None
        """The session whose place this one takes."""
        self._acceptance: Acceptance | None = None
        self._provisionals: Provisionals | None = None
        """Where the caller wants them acknowledged."""
        self._deferred: tuple[str, Pairs] | None = None
        """Our answer, where it has to wait for a PRACK."""
        self._expires = False
        self._parting: Pairs = ()

    def start(self, transaction: ServerTransaction, tag: str, now: Now) -> None:
        """Take the INVITE. RemoteError where no dialog can be made of it."""
        request = transaction.request
        self.dialog = Dialog.of_called(request, tag, Numbering(self.endpoint.style.first_cseq - 1))
        self.transaction = transaction
        style = self.endpoint.style
        if "100rel" in request.require or (style.reliable and "100rel" in request.supported):
            self._provisionals = Provisionals(self.endpoint, transaction, self)
        offer = request.text if request.body else None
        if offer is not None:
            self.negotiation.receive_offer(offer)
        if self.endpoint.style.trying:
            self.endpoint.respond(transaction, 100, now)
        wait, expires = self.endpoint.timing.ring_timeout, request.expires
        if expires is not None and 0 < expires < wait:
            wait, self._expires = float(expires), True
        self.endpoint.timers.set(self, "ring", now.monotonic + wait)
        self.endpoint.emit(InviteReceived(self.id, request, offer, self.replaces))

    def ring(self, status: int, body: str | None, headers: Pairs, now: Now) -> None:
        """A provisional response; with a body it is the answer already (early media)."""
        if not 100 <= status < 200:
            raise StateError("a provisional response has a status of 100 to 199")
        negotiated = self.negotiation
        offering = self._provisionals is not None and status > 100 and negotiated.state is Offer.FRESH
        if body is not None and not negotiated.open and body != negotiated.local and not offering:
            raise StateError("the offer was answered already, or there was none")
        self._check_free()
        self.command(Input.RING, now, status, body, headers)

    def accept(self, body: str, headers: Pairs, now: Now) -> None:
        """200, with our answer (our offer where the INVITE had none)."""
        self._check_free()
        self.command(Input.ACCEPT, now, body, headers)

    def reject(self, status: int, phrase: str | None, headers: Pairs, now: Now) -> None:
        if not 300 <= status <= 699:
            raise StateError("a refusal has a status of 300 to 699")
        self.command(Input.REJECT, now, status, phrase, headers)

    def cancel(self, transaction: ServerTransaction, request: Request, now: Now) -> None:
        if transaction is self.transaction:
            self.step(Input.CANCEL, now, request)
        else:
            super().cancel(transaction, request, now)

    def receive_ack(self, request: Request, now: Now) -> None:
        if self._acceptance is not None and self._acceptance.number == request.cseq.number:
            self.step(Input.ACK, now, request)
        else:
            super().receive_ack(request, now)

    def receive_prack(self, transaction: ServerTransaction, now: Now) -> None:
        """RFC 3262 §3: 2xx where it is for our response under way, else 481. Its body is the answer to our offer, or a
        new offer (RFC 3262 §5)."""
        request = transaction.request
        if request.rack is None or self._provisionals is None or not self._provisionals.acknowledge(request.rack):
            super().receive_prack(transaction, now)
            return
        negotiated = self.negotiation
        if request.body and negotiated.state is Offer.AGREED:
            self.renegotiation.receive(transaction, now)
        else:
            if request.body and negotiated.ours_open:
                negotiated.receive_answer(request.text)
                self.endpoint.emit(AnswerReceived(self.id, request.text, early=True))
            self.endpoint.respond(transaction, 200, now, contact=self.contact)
        self._provisionals.go_on(now)
        if self._deferred is not None and not self._provisionals.blocking:
            deferred, self._deferred = self._deferred, None
            self.step(Input.ACCEPT, now, *deferred)

    def unheard(self, now: Now) -> None:
        """RFC 3262 §3: no PRACK came for our response, so nothing of ours may reach the caller."""
        self.step(Input.NO_PRACK, now)

    def focus(self, remote_tag: str) -> bool:
        return self.state is State.INCOMING and self.negotiation.state is not Offer.FRESH

    def closing(self) -> None:
        if self._provisionals is not None:
            self._provisionals.stop()

    def unacknowledged(self, now: Now) -> None:
        self._acceptance = None
        self.step(Input.NO_ACK, now)

    def lost(self, flow: str, now: Now) -> None:
        if self.transaction is not None and self.transaction.flow == flow:
            # The ACK cannot come any more; whether the peer has our 200 the next request will show.
            self.step(Input.ACK if self._acceptance is not None else Input.LOST, now, None)
        super().lost(flow, now)

    # Actions

    def _check_free(self) -> None:
        if self._deferred is not None:
            raise StateError("the call was accepted already")
        if self.renegotiation.busy:
            raise StateError("the caller offers anew: answer that first")

    def respond(
        self, status: int, now: Now, headers: Pairs, *, phrase: str | None = None, body: str | None = None
    ) -> Response:
        """Answer the INVITE."""
        assert self.transaction is not None, "the session began with an INVITE"
        return self.endpoint.respond(
            self.transaction,
            status,
            now,
            phrase=phrase,
            tag=self.local_tag if status > 100 else None,
            headers=headers,
            body=body,
            contact=self.contact,
        )

    def _ring(self, now: Now, status: int, body: str | None, headers: Pairs) -> None:
        if body is not None and self.negotiation.open:
            self.negotiation.send_answer(body)
        elif body is not None and self.negotiation.state is Offer.FRESH:
            self.negotiation.send_offer(body)
        if self._provisionals is not None and status > 100:
            self._provisionals.send(status, headers, body, now)
        else:
            self.respond(status, now, headers, body=body)

    def _accept(self, now: Now, body: str, headers: Pairs) -> None:
        assert self.transaction is not None and self.dialog is not None, "the session began with an INVITE"
        if self._provisionals is not None and self._provisionals.blocking:
            self._deferred = (body, headers)
            self.state = State.INCOMING
            return
        self.closing()
        self.endpoint.timers.cancel(self, "ring")
        if self.negotiation.open:
            self.negotiation.send_answer(body)
        elif self.negotiation.remote is None:
            self.negotiation.send_offer(body)
        self.dialog.confirm()
        response = self.endpoint.respond(
            self.transaction,
            200,
            now,
            tag=self.local_tag,
            headers=(*headers, *self.timer.grant(self.transaction.request)),
            body=body,
            contact=self.contact,
        )
        self._acceptance = Acceptance(self.endpoint, self.transaction, response, self, now)
        self.timer.start(now)
        self._end_replaced(now)

    def _end_replaced(self, now: Now) -> None:
        """RFC 3891 §3: the 2xx is out, the call whose place this one takes ends: by BYE, or CANCEL where it rings."""
        replaced = self.endpoint.sessions.get(self.replaces or "")
        if replaced is not None and not replaced.over:
            replaced.step(Input.HANGUP, now, (ELSEWHERE,))

    def _acknowledged(self, now: Now, ack: Request | None) -> None:
        self._stop_waiting()
        if self.negotiation.ours_open:
            if ack is None or not ack.body:
                self.negotiation.roll_back()
                self.endpoint.emit(Established(self.id, None))
                self.state = State.LEAVING
                self.leave(now, (("Reason", 'SIP;cause=488;text="No answer in the ACK"'),))
                return
            self.negotiation.receive_answer(ack.text)
            self.endpoint.emit(AnswerReceived(self.id, ack.text))
        self.endpoint.emit(Established(self.id, None))

    def _stop_waiting(self) -> None:
        if self._acceptance is not None:
            self._acceptance.stop()
            self._acceptance = None

    def _reject(self, now: Now, status: int, phrase: str | None, headers: Pairs) -> None:
        self.respond(status, now, headers, phrase=phrase)
        self.tell_end(now, End.REFUSED, by_remote=False, status=status, phrase=phrase)

    def _decline(self, now: Now, headers: Pairs) -> None:
        self._reject(now, 480, None, headers)

    def _cancelled(self, now: Now, request: Request) -> None:
        self.respond(487, now, ())
        self.tell_end(now, End.CANCEL, by_remote=True, status=487, message=request)

    def _give_up_unheard(self, now: Now) -> None:
        self.respond(504, now, ())
        self.tell_end(now, End.TIMEOUT, by_remote=True, status=504)

    def _rang_out(self, now: Now) -> None:
        status = 487 if self._expires else 480
        self.respond(status, now, ())
        self.tell_end(now, End.TIMEOUT, by_remote=False, status=status)

    def _unreachable(self, now: Now, _: object) -> None:
        self.tell_end(now, End.LOST, by_remote=False)

    def _part(self, now: Now, headers: Pairs) -> None:
        """We hang up before the ACK: BYE must wait for it (RFC 3261 15)."""
        self._parting = headers
        self.tell_end(now, End.BYE, by_remote=False)

    def _leave_at_last(self, now: Now, *_: object) -> None:
        self._stop_waiting()
        self.send_bye(now, self._parting)

    def _leave_unacknowledged(self, now: Now) -> None:
        self.tell_end(now, End.TIMEOUT, by_remote=True)
        self.send_bye(now, (("Reason", 'SIP;cause=408;text="No ACK"'),))

    def _end_accepted(self, now: Now, request: Request) -> None:
        self._stop_waiting()
        self.end_by_peer(now, request)


_I = IncomingSession

TRANSITIONS: Table = {
    (State.INCOMING, Input.RING): (State.INCOMING, _I._ring),
    (State.INCOMING, Input.ACCEPT): (State.ACCEPTED, _I._accept),
    (State.INCOMING, Input.REJECT): (State.ENDED, _I._reject),
    (State.INCOMING, Input.HANGUP): (State.ENDED, _I._decline),
    (State.INCOMING, Input.CANCEL): (State.ENDED, _I._cancelled),
    (State.INCOMING, Input.BYE): (State.ENDED, _I._cancelled),
    (State.INCOMING, Input.RING_TIMEOUT): (State.ENDED, _I._rang_out),
    (State.INCOMING, Input.NO_PRACK): (State.ENDED, _I._give_up_unheard),
    (State.INCOMING, Input.LOST): (State.ENDED, _I._unreachable),
    (State.ACCEPTED, Input.ACK): (State.ESTABLISHED, _I._acknowledged),
    (State.ACCEPTED, Input.NO_ACK): (State.LEAVING, _I._leave_unacknowledged),
    (State.ACCEPTED, Input.BYE): (State.ENDED, _I._end_accepted),
    (State.ACCEPTED, Input.HANGUP): (State.PARTING, _I._part),
    (State.PARTING, Input.ACK): (State.LEAVING, _I._leave_at_last),
    (State.PARTING, Input.NO_ACK): (State.LEAVING, _I._leave_at_last),
    (State.PARTING, Input.BYE): (State.ENDED, _I._end_accepted),
    **SHARED,
}

_I.table = TRANSITIONS
