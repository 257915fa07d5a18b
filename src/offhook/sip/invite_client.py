"""The caller's side of a session, from the INVITE to the ACK (RFC 3261 13.2)."""

from __future__ import annotations

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.sip.dialog import Dialog, Numbering
from offhook.sip.early import EarlyDialog, is_reliable
from offhook.sip.events import AnswerReceived, End, Established, InviteSent, OfferReceived, Progress
from offhook.sip.exchange import Answer, Endpoint, Exchange, Pairs
from offhook.sip.fields import RAck
from offhook.sip.invite import SHARED, Input, Session, State, Table
from offhook.sip.message import Request, Response
from offhook.sip.negotiation import Negotiation
from offhook.sip.negotiation import State as Offer
from offhook.sip.redirection import Redirection

MOST_FORKS = 64
"""So many branches of one INVITE are followed."""


class OutgoingSession(Session):
    """A call of ours."""

    role = "uac"

    def __init__(
        self, endpoint: Endpoint, id: str, flow: str | None, contact: str | None, numbering: Numbering
    ) -> None:
        super().__init__(endpoint, id, flow, contact)
        self.state = State.CALLING
        self.numbering = numbering
        self._early: dict[str, EarlyDialog] = {}
        """By the peer's tag: an INVITE may be forked (RFC 3261 §12.1)."""
        self._offered = Negotiation()
        """How each branch begins."""
        self._owed: tuple[EarlyDialog, RAck] | None = None
        """The branch whose offer, in a reliable response, is answered in the PRACK (RFC 3262 §5)."""
        self._forks: set[str] = set()
        """Tags of the branches that answered too late."""
        self._exchange: Exchange | None = None
        self._redirection: Redirection | None = None
        self._cancel: Exchange | None = None
        self._cancel_headers: Pairs = ()
        self._end = End.CANCEL
        self._heard: str | None = None
        self._ack: bytes | None = None
        self._success: Response | None = None

    @property
    def call_id(self) -> str:
        return self._request.call_id if self.dialog is None else super().call_id

    @property
    def local_tag(self) -> str:
        return (self._request.from_.tag or "") if self.dialog is None else super().local_tag

    @property
    def _request(self) -> Request:
        assert self._exchange is not None, "a session begins with its INVITE"
        return self._exchange.request

    def start(self, request: Request, offer: str | None, now: Now) -> None:
        """Send the INVITE."""
        if offer is not None:
            self._offered.send_offer(offer)
        self.negotiation = self._offered.copy()
        self._dress(request)
        self.timer.offer(request)
        if self.endpoint.redirects:
            self._redirection = Redirection(self.endpoint.redirects, request.uri, self.endpoint.may_call)
        self._exchange = self.endpoint.send(request, self, self.numbering, now, flow=self.flow, contact=self.contact)
        self.endpoint.emit(InviteSent(self.id))
        self.endpoint.timers.set(self, "ring", now.monotonic + self.endpoint.timing.ring_timeout)

    def _dress(self, request: Request) -> None:
        """What is configured for all our calls, where their owner says nothing else."""
        endpoint, headers, options = self.endpoint, request.headers, []
        if endpoint.style.reliable:
            options.append("100rel")
        if endpoint.session_expires is not None and "Session-Expires" not in headers:
            # RFC 4028 §7.1: without a refresher, whoever is called says who refreshes.
            headers.add("Session-Expires", str(endpoint.session_expires))
            options.append("timer")
        if options and "Supported" not in headers:
            headers.add("Supported", endpoint.style.supporting(*options))

    def request_dialog(self) -> Dialog | None:
        if self.dialog is not None:
            return self.dialog
        latest = next(reversed(self._early.values()), None)
        return None if latest is None else latest.dialog

    def find(self, remote_tag: str) -> Dialog | None:
        early = self._early.get(remote_tag)
        return super().find(remote_tag) if early is None else early.dialog

    def focus(self, remote_tag: str) -> bool:
        early = self._early.get(remote_tag)
        if early is None or early.negotiation.state is Offer.FRESH:
            return False
        if not self.renegotiation.busy:
            self.negotiation = early.negotiation
        return early.negotiation is self.negotiation

    def move_target(self, message: Request | Response) -> None:
        tag = message.from_.tag if isinstance(message, Request) else message.to.tag
        early = self._early.get(tag or "")
        if early is None:
            super().move_target(message)
        else:
            early.dialog.refresh_target(message)

    def answer(self, sdp: str, now: Now) -> None:
        if self.state is State.ANSWERING or self._owed is not None:
            self.command(Input.ANSWER, now, sdp)
        else:
            super().answer(sdp, now)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        response = answer.response
        if exchange is self._cancel:
            return  # what counts is the answer to the INVITE
        if exchange is not self._exchange:
            super().answered(exchange, answer, now)
        elif response is None:
            self.step(Input.LOST if answer.lost else Input.TIMEOUT, now, answer)
        elif answer.status < 200:
            self.step(Input.PROVISIONAL, now, response)
        elif answer.status >= 300:
            self._decide(answer, response, now)
        elif self.dialog is None:
            try:
                self._confirm(response)
            except RemoteError:
                # No dialog can be made of it, and the transaction waits for nothing more.
                self.step(Input.FAILURE, now, Answer(502, "Bad Gateway", response))
                return
            offered = self.negotiation.state is Offer.FRESH and bool(response.body)
            self.step(Input.SUCCESS_OFFER if offered else Input.SUCCESS, now, response)
        elif response.to.tag == self.dialog.remote_tag:
            self._acknowledge_again()
        else:
            self._drop_fork(response, now)

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "abandon":
            if self._exchange is not None:
                self._exchange.abandon(now)
            self.step(Input.TIMEOUT, now, Answer(487, "Request Terminated", None))
        else:
            super().handle_timer(timer, now)

    def _decide(self, answer: Answer, response: Response, now: Now) -> None:
        """A refusal: whether the call is tried otherwise."""
        headers: Pairs = ()
        target = None
        if self.state in (State.CALLING, State.PROCEEDING):
            if answer.status == 422:
                headers = self.timer.obey(response)
            elif self._redirection is not None:
                target = self._redirection.next(response)
        if (headers or target is not None) and self.endpoint.usable(self.flow):
            self.step(Input.AGAIN, now, headers, target)
        else:
            self.step(Input.FAILURE, now, answer)

    # Actions

    def _call_again(self, now: Now, headers: Pairs, target: str | None) -> None:
        """The same call with another INVITE; nothing of the branches of the first one holds."""
        assert self._exchange is not None, "a session begins with its INVITE"
        self._early.clear()
        self._owed = self._heard = None
        self.renegotiation.stop(now)
        self.negotiation = self._offered.copy()
        self._exchange.again(now, headers, target)

    def _confirm(self, response: Response) -> None:
        tag = response.to.tag or ""
        early = self._early.pop(tag, None)
        if early is None:
            early = EarlyDialog(Dialog.of_caller(self._request, response, self.numbering), self._offered.copy())
        early.dialog.confirm(response)
        self.dialog, self.negotiation = early.dialog, early.negotiation
        self._early.clear()
        self._owed = None

    def _progress(self, now: Now, response: Response) -> None:
        early = self._ring_early(response)
        wanted = is_reliable(response)
        if wanted and (early is None or not early.takes(response.rseq or 0)):
            return  # it came before, or too early
        tag = "" if early is None else early.dialog.remote_tag
        self.endpoint.emit(Progress(self.id, response.status, response, tag))
        described = response.status > 100 and bool(response.body) and response.is_of("application/sdp")
        rack = RAck(response.rseq or 0, self._request.cseq) if wanted else None
        if early is not None and rack is not None and described and early.negotiation.state is Offer.FRESH:
            self._pass_early_offer(early, rack, response.text)
            return
        if early is not None and rack is not None:
            self._send_prack(early, rack, now)
        if described:
            self._hear(response.text, early)

    def _ring_early(self, response: Response) -> EarlyDialog | None:
        """The early dialog of a provisional response, made where it is the first of its branch."""
        tag = response.to.tag
        if response.status == 100 or tag is None:
            return None
        known = self._early.get(tag)
        if known is not None:
            known.dialog.refresh_target(response)
        elif len(self._early) < MOST_FORKS:
            try:
                dialog = Dialog.of_caller(self._request, response, self.numbering)
            except RemoteError:
                return None  # it rings all the same
            known = self._early[tag] = EarlyDialog(dialog, self._offered.copy())
        return known

    def _hear(self, sdp: str, early: EarlyDialog | None) -> None:
        """The answer to our offer, as often as it differs from the one before (another fork, another early media).

        `early` None: in the 2xx, or in a response that makes no dialog.
        """
        negotiated = self.negotiation if early is None else early.negotiation
        if negotiated.ours_open:
            negotiated.receive_answer(sdp)
        elif negotiated.state is Offer.AGREED:
            negotiated.remote = sdp
        else:
            return  # an offer that is none (RFC 3261 §13.2.1: only in reliable responses)
        self.negotiation = negotiated
        self._tell_answer(sdp, early=self.dialog is None)

    def _tell_answer(self, sdp: str, *, early: bool) -> None:
        if sdp == self._heard:
            return
        self._heard = sdp
        tag = next((tag for tag, each in self._early.items() if each.negotiation is self.negotiation), "")
        self.endpoint.emit(AnswerReceived(self.id, sdp, early, tag if self.dialog is None else self.dialog.remote_tag))

    def _pass_early_offer(self, early: EarlyDialog, rack: RAck, sdp: str) -> None:
        self._owed = (early, rack)
        early.negotiation.receive_offer(sdp)
        self.negotiation = early.negotiation
        self.endpoint.emit(OfferReceived(self.id, sdp))

    def _answer_in_prack(self, now: Now, sdp: str) -> None:
        assert self._owed is not None, "an offer is answered"
        (early, rack), self._owed = self._owed, None
        early.negotiation.send_answer(sdp)
        self._send_prack(early, rack, now, sdp)

    def _send_prack(self, early: EarlyDialog, rack: RAck, now: Now, sdp: str | None = None) -> None:
        """RFC 3262 §4: the PRACK is a request of its own in the early dialog."""
        if not self.endpoint.usable(self.flow):
            return
        request = early.dialog.request("PRACK")
        request.headers.add("RAck", str(rack))
        if sdp is not None:
            request.headers.set("Content-Type", "application/sdp")
            request.body = sdp.encode()
        self.endpoint.send(request, self, early.dialog.numbering, now, flow=self.flow, contact=self.contact)

    def withdraw(self, now: Now) -> None:
        """CANCEL, but a 2xx that crosses it counts; StateError where the call is answered or over."""
        self.command(Input.WITHDRAW, now, ())

    def _establish(self, now: Now, response: Response) -> None:
        self.endpoint.timers.cancel(self, "ring", "abandon")
        self._ack = self.acknowledge(self._request.cseq.number)
        if response.body:
            self._hear(response.text, None)
        elif self.negotiation.state is Offer.AGREED and self.negotiation.remote is not None:
            self._tell_answer(self.negotiation.remote, early=False)  # another branch was heard meanwhile
        if self.negotiation.ours_open or self.negotiation.remote is None:
            self.negotiation.roll_back()  # no answer at all: without media the session is of no use
            self.endpoint.emit(Established(self.id, response))
            self.state = State.LEAVING
            self.leave(now, (("Reason", 'SIP;cause=488;text="No answer in the 2xx"'),))
            return
        self.timer.granted(response)
        self.timer.start(now)
        self.endpoint.emit(Established(self.id, response))

    def _pass_offer(self, _: Now, response: Response) -> None:
        self.endpoint.timers.cancel(self, "ring", "abandon")
        self._success = response
        self.negotiation.receive_offer(response.text)
        self.endpoint.emit(OfferReceived(self.id, response.text))

    def _answer_in_ack(self, now: Now, sdp: str) -> None:
        assert self._success is not None, "its offer is answered"
        self.negotiation.send_answer(sdp)
        self._ack = self.acknowledge(self._request.cseq.number, sdp)
        self.timer.granted(self._success)
        self.timer.start(now)
        self.endpoint.emit(Established(self.id, self._success))

    def _acknowledge_again(self) -> None:
        """The 2xx came again: our ACK was lost (RFC 3261 13.2.2.4)."""
        if self.state is State.ANSWERING:
            return
        if self._ack is None:
            self._ack = self.acknowledge(self._request.cseq.number)
        else:
            self.endpoint.send_again(self._ack, self.flow)

    def _leave_unanswered(self, now: Now, headers: Pairs) -> None:
        self._ack = self.acknowledge(self._request.cseq.number)
        self.leave(now, headers)

    def _plan_cancel(self, _: Now, headers: Pairs) -> None:
        """A CANCEL must wait for a provisional response (RFC 3261 9.1)."""
        self._cancel_headers = headers
        if self._exchange is not None:
            self._exchange.refuse_challenges()

    def _cancel_ringing(self, now: Now, headers: Pairs) -> None:
        self._plan_cancel(now, headers)
        self._send_cancel(now)

    def _send_cancel(self, now: Now, _: Response | None = None) -> None:
        if self._cancel is not None or self._exchange is None:
            return
        try:
            self._cancel = self.endpoint.cancel(self._exchange, self, now, self._cancel_headers)
        except StateError:
            return  # the flow is gone; the INVITE's transaction tells
        self.endpoint.timers.set(self, "abandon", now.monotonic + self.endpoint.timing.patience)

    def _give_up_calling(self, now: Now) -> None:
        self._end = End.TIMEOUT
        self._plan_cancel(now, ())

    def _give_up_ringing(self, now: Now) -> None:
        self._end = End.TIMEOUT
        self._cancel_ringing(now, ())

    def _hang_up_withdrawn(self, _: Now, headers: Pairs) -> None:
        """The CANCEL is sent or planned already; a 2xx that crosses it does not count any more."""
        self._cancel_headers = headers

    def _end_cancelled(self, now: Now, answer: Answer) -> None:
        self.endpoint.timers.cancel(self, "abandon")
        late = self._end is End.TIMEOUT
        self.tell_end(
            now,
            self._end,
            by_remote=False,
            status=408 if late else answer.status,
            phrase="Request Timeout" if late else answer.phrase,
            message=answer.response,
        )

    def _end_answered_late(self, now: Now, response: Response) -> None:
        """The 2xx crossed our CANCEL: take the call, and end it (RFC 3261 15)."""
        self.endpoint.timers.cancel(self, "abandon")
        self._ack = self.acknowledge(self._request.cseq.number)
        self.tell_end(now, self._end, by_remote=False, status=response.status, phrase=response.phrase, message=response)
        self.send_bye(now, self._cancel_headers)

    def _end_refused(self, now: Now, answer: Answer) -> None:
        end = End.TIMEOUT if answer.status == 408 else End.REFUSED
        self.tell_end(now, end, by_remote=True, status=answer.status, phrase=answer.phrase, message=answer.response)

    def _end_unanswered(self, now: Now, answer: Answer) -> None:
        self.tell_end(now, End.TIMEOUT, by_remote=True, status=answer.status, phrase=answer.phrase)

    def _end_lost(self, now: Now, answer: Answer) -> None:
        self.tell_end(now, End.LOST, by_remote=False, status=answer.status, phrase=answer.phrase)
        if self.endpoint.returns:
            # Whoever is called must not find nobody there.
            self.state = State.LEAVING
            self.send_bye(now, ())

    def send_bye_now(self, now: Now) -> None:
        """RFC 3261 §15 lets a caller end an early dialog by BYE. Where none is known the CANCEL does: its INVITE is
        found by the branch (§9.2), whichever connection brings it (measured: FreeSWITCH takes both)."""
        if self.request_dialog() is not None or self._exchange is None:
            super().send_bye_now(now)
        elif self.endpoint.usable(self.flow) and self._bye_exchange is None:
            flow = self.endpoint.flow(self.flow)
            self._bye_exchange = self.endpoint.cancel(self._exchange, self, now, flow=flow)

    def _drop_fork(self, response: Response, now: Now) -> None:
        """Another branch of a forked INVITE answered too: take that call, and end it (RFC 3261 13.2.2.4)."""
        try:
            fork = Dialog.of_caller(self._request, response, Numbering(self.numbering.last))
        except RemoteError:
            return
        fork.confirm(response)
        self.acknowledge(self._request.cseq.number, dialog=fork)
        if fork.remote_tag in self._forks:
            return  # the 2xx came again
        if len(self._forks) >= MOST_FORKS:
            return
        self._forks.add(fork.remote_tag)
        if self.endpoint.usable(self.flow):
            self.endpoint.send(fork.request("BYE"), self, fork.numbering, now, flow=self.flow, contact=self.contact)


_O = OutgoingSession

TRANSITIONS: Table = {
    (State.CALLING, Input.PROVISIONAL): (State.PROCEEDING, _O._progress),
    (State.CALLING, Input.SUCCESS): (State.ESTABLISHED, _O._establish),
    (State.CALLING, Input.SUCCESS_OFFER): (State.ANSWERING, _O._pass_offer),
    (State.CALLING, Input.FAILURE): (State.ENDED, _O._end_refused),
    (State.CALLING, Input.AGAIN): (State.CALLING, _O._call_again),
    (State.CALLING, Input.TIMEOUT): (State.ENDED, _O._end_unanswered),
    (State.CALLING, Input.LOST): (State.ENDED, _O._end_lost),
    (State.CALLING, Input.HANGUP): (State.CANCELLING, _O._plan_cancel),
    (State.CALLING, Input.RING_TIMEOUT): (State.CANCELLING, _O._give_up_calling),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, _O._progress),
    (State.PROCEEDING, Input.ANSWER): (State.PROCEEDING, _O._answer_in_prack),
    (State.PROCEEDING, Input.SUCCESS): (State.ESTABLISHED, _O._establish),
    (State.PROCEEDING, Input.SUCCESS_OFFER): (State.ANSWERING, _O._pass_offer),
    (State.PROCEEDING, Input.AGAIN): (State.CALLING, _O._call_again),
    (State.PROCEEDING, Input.FAILURE): (State.ENDED, _O._end_refused),
    (State.PROCEEDING, Input.LOST): (State.ENDED, _O._end_lost),
    (State.PROCEEDING, Input.HANGUP): (State.CANCELLING, _O._cancel_ringing),
    (State.PROCEEDING, Input.RING_TIMEOUT): (State.CANCELLING, _O._give_up_ringing),
    (State.CANCELLING, Input.PROVISIONAL): (State.CANCELLING, _O._send_cancel),
    (State.CANCELLING, Input.SUCCESS): (State.LEAVING, _O._end_answered_late),
    (State.CANCELLING, Input.SUCCESS_OFFER): (State.LEAVING, _O._end_answered_late),
    (State.CANCELLING, Input.FAILURE): (State.ENDED, _O._end_cancelled),
    (State.CANCELLING, Input.TIMEOUT): (State.ENDED, _O._end_cancelled),
    (State.CANCELLING, Input.LOST): (State.ENDED, _O._end_cancelled),
    (State.CALLING, Input.WITHDRAW): (State.WITHDRAWING, _O._plan_cancel),
    (State.PROCEEDING, Input.WITHDRAW): (State.WITHDRAWING, _O._cancel_ringing),
    (State.WITHDRAWING, Input.PROVISIONAL): (State.WITHDRAWING, _O._send_cancel),
    (State.WITHDRAWING, Input.SUCCESS): (State.ESTABLISHED, _O._establish),
    (State.WITHDRAWING, Input.SUCCESS_OFFER): (State.ANSWERING, _O._pass_offer),
    (State.WITHDRAWING, Input.FAILURE): (State.ENDED, _O._end_cancelled),
    (State.WITHDRAWING, Input.TIMEOUT): (State.ENDED, _O._end_cancelled),
    (State.WITHDRAWING, Input.LOST): (State.ENDED, _O._end_cancelled),
    (State.WITHDRAWING, Input.HANGUP): (State.CANCELLING, _O._hang_up_withdrawn),
    (State.ANSWERING, Input.ANSWER): (State.ESTABLISHED, _O._answer_in_ack),
    (State.ANSWERING, Input.HANGUP): (State.LEAVING, _O._leave_unanswered),
    (State.ANSWERING, Input.BYE): (State.ENDED, _O.end_by_peer),
    **SHARED,
    (State.LEAVING, Input.CONNECTED): (State.LEAVING, _O.send_bye_now),
}

_O.table = TRANSITIONS
