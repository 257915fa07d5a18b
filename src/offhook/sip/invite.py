"""Sessions: what an INVITE makes, from the moment it is established (RFC 3261 13 to 15).

How a session comes about differs for the two sides (`invite_client`, `invite_server`); what they share is here.
Each session is one machine: the rows of its side, and the rows that all share.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.sip.dialog import Dialog
from offhook.sip.events import DisplayUpdated, End, SessionEnded
from offhook.sip.exchange import Answer, Asker, Endpoint, Exchange, Pairs
from offhook.sip.fields import Reason
from offhook.sip.message import Request, Response
from offhook.sip.negotiation import Negotiation
from offhook.sip.renegotiation import Renegotiation
from offhook.sip.server_transaction import ServerTransaction
from offhook.sip.session_timer import SessionTimer
from offhook.sip.subscription import Referral

ATTENDED = ("X-FS-Attended-Transfer", "X-FS-Lazy-Attended-Transfer")
"""FreeSWITCH tells who was consulted that the other party is the customer now; lazy: told of a consult that rang."""
SESSION_TIMEOUT = ("Reason", 'SIP;cause=408;text="Session timeout"')


class State(Enum):
    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    WITHDRAWING = "withdrawing"
    ANSWERING = "answering"
    INCOMING = "incoming"
    ACCEPTED = "accepted"
    PARTING = "parting"
    ESTABLISHED = "established"
    LEAVING = "leaving"
    DISOWNED = "disowned"
    ENDED = "ended"


class Input(Enum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    SUCCESS_OFFER = "2xx with an offer"
    FAILURE = "refused"
    AGAIN = "to be tried otherwise"
    TIMEOUT = "no answer"
    LOST = "flow lost"
    RING_TIMEOUT = "rang too long"
    RING = "we ring"
    ACCEPT = "we accept"
    REJECT = "we reject"
    ANSWER = "we answer"
    HANGUP = "we hang up"
    WITHDRAW = "we withdraw"
    EXPIRE = "not refreshed"
    CANCEL = "CANCEL"
    ACK = "ACK"
    NO_ACK = "no ACK"
    NO_PRACK = "no PRACK"
    BYE = "BYE"
    GONE = "peer does not know it"
    LEFT = "BYE answered"
    CONNECTED = "flow opened"
    GIVE_UP = "waited enough"
    DISOWN = "another took its place"


Table = dict[tuple[State, Input], tuple[State, Callable[..., None]]]


def reasons_of(message: Request | Response | None) -> tuple[Reason, ...]:
    """The Reason headers of a message, as far as they can be read."""
    try:
        return () if message is None else message.reasons
    except RemoteError:
        return ()


class Session:
    """What both sides share: the established session and its end."""

    table: Table = {}
    role = ""
    """"uac": we called; "uas": we were called."""

    def __init__(self, endpoint: Endpoint, id: str, flow: str | None, contact: str | None) -> None:
        self.id = id
        self.state = State.ENDED
        self.dialog: Dialog | None = None
        self.negotiation = Negotiation()
        self.renegotiation = Renegotiation(endpoint, self)
        self.timer = SessionTimer(endpoint, self)
        self.flow = flow
        """Server side: where our requests go. A phone sends all of its requests to its server."""
        self.contact = contact
        self.referrals: list[Referral] = []
        """Transfers that we asked for and of which news may come."""
        self.told = False
        """Whether `SessionEnded` was told."""
        self.endpoint = endpoint
        self._bye: Pairs = ()
        self._bye_exchange: Exchange | None = None

    @property
    def over(self) -> bool:
        return self.told

    @property
    def confirmed(self) -> bool:
        """Whether the dialog is more than an early one."""
        return self.dialog is not None and self.dialog.confirmed

    @property
    def ready(self) -> bool:
        """Whether offers within the session may be sent."""
        return self.state is State.ESTABLISHED

    @property
    def call_id(self) -> str:
        assert self.dialog is not None, "a session has a dialog, or answers for itself"
        return self.dialog.call_id

    @property
    def local_tag(self) -> str:
        assert self.dialog is not None, "a session has a dialog, or answers for itself"
        return self.dialog.local_tag

    # What the owner wants

    def hang_up(self, now: Now, headers: Pairs) -> None:
        """End the session, whatever that takes; StateError where it is over."""
        self.command(Input.HANGUP, now, headers)

    def answer(self, sdp: str, now: Now) -> None:
        """Answer the peer's offer."""
        self.renegotiation.answer(sdp, now)

    def command(self, given: Input, now: Now, *data: object) -> None:
        """An input from the owner: StateError where it does not fit the state."""
        if (self.state, given) not in self.table:
            raise StateError(f"the session is {self.state.value}: {given.value} does not fit")
        self.step(given, now, *data)

    def send(
        self,
        method: str,
        asker: Asker,
        now: Now,
        *,
        headers: Pairs = (),
        sdp: str | None = None,
        content_type: str = "application/sdp",
        body: bytes = b"",
    ) -> Exchange:
        """Send a request in the dialog. StateError where there is no dialog or no flow."""
        dialog = self.request_dialog()
        if dialog is None:
            raise StateError("there is no dialog yet")
        flow = self.endpoint.flow(self.flow)
        request = dialog.request(method)
        for name, value in headers:
            request.headers.add(name, value)
        request.body = body if sdp is None else sdp.encode()
        if request.body:
            request.headers.set("Content-Type", content_type)
        return self.endpoint.send(request, asker, dialog.numbering, now, flow=flow, contact=self.contact)

    def request_dialog(self) -> Dialog | None:
        """The dialog that a request of ours would be in."""
        return self.dialog

    # What the peer sends

    def find(self, remote_tag: str) -> Dialog | None:
        """The dialog with that tag of the peer."""
        return self.dialog if self.dialog is not None and self.dialog.remote_tag == remote_tag else None

    def receive_bye(self, transaction: ServerTransaction, now: Now) -> None:
        self.endpoint.respond(transaction, 200, now)
        self.step(Input.BYE, now, transaction.request)

    def cancel(self, transaction: ServerTransaction, request: Request, now: Now) -> None:
        """A CANCEL for one of the peer's INVITEs came, and was answered."""
        self.renegotiation.cancel(transaction, now)

    def receive_prack(self, transaction: ServerTransaction, now: Now) -> None:
        """A PRACK that acknowledges nothing of ours (RFC 3262 §3)."""
        self.endpoint.respond(transaction, 481, now)

    def focus(self, remote_tag: str) -> bool:
        """Whether the peer may offer anew in an early dialog (RFC 3311 §5.2): the first offer was answered there.

        What is negotiated is that branch's from then on.
        """
        return False

    def closing(self) -> None:
        """The session is about to be over: stop what only one side of sessions has."""

    def receive_ack(self, request: Request, now: Now) -> None:
        self.renegotiation.receive_ack(request, now)

    def update_display(self, request: Request) -> bool:
        """Read FreeSWITCH's news of who the other party is now; whether there were any (INFO or UPDATE)."""
        name, number = request.headers.get("X-FS-Display-Name"), request.headers.get("X-FS-Display-Number")
        if name is None and number is None:
            return False
        attended = any((request.headers.get(name) or "").lower() == "true" for name in ATTENDED)
        self.endpoint.emit(DisplayUpdated(self.id, name, number, attended))
        return True

    def move_target(self, message: Request | Response) -> None:
        """A target refresh, or the 2xx to one."""
        if self.dialog is not None:
            self.dialog.refresh_target(message)

    def answered(self, exchange: Exchange, answer: Answer, now: Now) -> None:
        """What came of our BYE."""
        if exchange is self._bye_exchange and answer.status >= 200:
            self._bye_exchange = None
            self.step(Input.CONNECTED if answer.lost else Input.LEFT, now)

    def gone(self, answer: Answer, now: Now) -> bool:
        """Whether the answer to a request within the dialog says that there is no session any more (RFC 5057 5.1)."""
        if answer.lost or answer.status not in (408, 481) or self.over:
            return False
        self.step(Input.GONE, now, answer)
        return True

    def unreachable(self, now: Now) -> None:
        """The session needs its flow, which is gone and will not be opened again."""
        self.step(Input.GONE, now, Answer(503, "Connection lost", None, lost=True))

    def expire(self, now: Now) -> None:
        """The peer did not refresh the session, or did not acknowledge our answer."""
        self.step(Input.EXPIRE, now)

    def lost(self, flow: str, now: Now) -> None:
        """A flow is gone. An established session lives on: the peer still has it."""
        self.renegotiation.lost(flow, now)

    def connected(self, now: Now) -> None:
        """There is a flow to the server again."""
        self.step(Input.CONNECTED, now)
        if self.state is State.ESTABLISHED:
            self.timer.reconnected(now)

    def move(self, now: Now) -> None:
        """Our Contact has changed: a target refresh tells the peer (RFC 3261 §12.2.1.1, RFC 3311 §5.1)."""
        if self.state is State.ESTABLISHED and self.contact is None:
            self.timer.renew(now)

    def handle_timer(self, timer: str, now: Now) -> None:
        self.step(Input.GIVE_UP if timer == "give up" else Input.RING_TIMEOUT, now)

    # The machine

    def step(self, given: Input, now: Now, *data: object) -> None:
        row = self.table.get((self.state, given))
        if row is None:
            return  # a stray
        self.state, action = row
        action(self, now, *data)
        if self.state is State.ENDED:
            self.endpoint.timers.cancel(self, "give up", "ring", "abandon")
            self.endpoint.forget(self)

    def acknowledge(self, number: int, sdp: str | None = None, dialog: Dialog | None = None) -> bytes | None:
        """Send the ACK for a 2xx; gives its bytes, to be sent again with each repetition of the 2xx."""
        dialog = dialog or self.dialog
        assert dialog is not None, "a 2xx makes a dialog"
        ack = dialog.request("ACK", number)
        if sdp is not None:
            ack.headers.set("Content-Type", "application/sdp")
            ack.body = sdp.encode()
        return self.endpoint.send_ack(ack, self.flow, self.contact)

    def tell_end(
        self,
        now: Now,
        end: End,
        *,
        by_remote: bool,
        status: int | None = None,
        phrase: str | None = None,
        message: Request | Response | None = None,
    ) -> None:
        """The last word of the session; all that was under way in it stops."""
        if self.told:
            return
        self.told = True
        self.closing()
        for referral in list(self.referrals):
            referral.stop(now)
        self.timer.stop()
        self.renegotiation.stop(now)
        self.endpoint.timers.cancel(self, "ring")
        self.endpoint.emit(SessionEnded(self.id, end, by_remote, status, phrase, reasons_of(message), message))

    def leave(self, now: Now, headers: Pairs) -> None:
        """BYE. The session is over with its sending (RFC 3261 15.1.1)."""
        self.tell_end(now, End.BYE, by_remote=False)
        self.send_bye(now, headers)

    def send_bye(self, now: Now, headers: Pairs) -> None:
        """Send the BYE, or keep it until there is a flow: an orphaned call is to be ended properly."""
        self._bye = headers
        self.endpoint.timers.set(self, "give up", now.monotonic + self.endpoint.timing.orphan_wait)
        self.send_bye_now(now)

    def send_bye_now(self, now: Now) -> None:
        if not self.endpoint.usable(self.flow):
            if not self.endpoint.returns:
                self.step(Input.LEFT, now)
        elif self._bye_exchange is None:
            self._bye_exchange = self.send("BYE", self, now, headers=self._bye)

    def time_out(self, now: Now) -> None:
        self.tell_end(now, End.TIMEOUT, by_remote=False)
        self.send_bye(now, (SESSION_TIMEOUT,))

    def end_by_peer(self, now: Now, request: Request) -> None:
        self.tell_end(now, End.BYE, by_remote=True, message=request)

    def end_gone(self, now: Now, answer: Answer) -> None:
        self.tell_end(
            now, End.LOST, by_remote=True, status=answer.status, phrase=answer.phrase, message=answer.response
        )
        if answer.status == 408:
            # The peer may only be slow: end it for both (RFC 3261 12.2.1.2).
            self.state = State.LEAVING
            self.send_bye(now, ())

    def disown(self, now: Now) -> None:
        """Nothing is sent; the peer ends it, or has already. Its BYE is still answered."""
        self.tell_end(now, End.DISOWNED, by_remote=True)
        self.endpoint.timers.set(self, "give up", now.monotonic + self.endpoint.timing.patience)

    def nothing(self, now: Now, *_: object) -> None:
        """The arrow has no action."""

    def snapshot(self) -> dict[str, Any] | None:
        """The session as JSON; None where it is not established, and we have not accepted it either.

        One whose BYE nobody has answered is `leaving`: whoever goes on sends it again, else the peer keeps the call.
        """
        if self.state not in (State.ESTABLISHED, State.ACCEPTED, State.LEAVING) or self.dialog is None:
            return None
        return {
            "id": self.id,
            "role": self.role,
            "contact": self.contact,
            "dialog": self.dialog.snapshot(),
            "negotiation": self.negotiation.snapshot(),
            "timer": self.timer.snapshot(),
            **({"leaving": True} if self.state is State.LEAVING else {}),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Become the session of a snapshot: established, or, once there is a flow, ended by BYE."""
        self.dialog = Dialog.restore(snapshot["dialog"])
        self.negotiation = Negotiation.restore(snapshot["negotiation"])
        if snapshot.get("leaving"):
            self.state, self.told = State.LEAVING, True
            return
        self.timer.restore(snapshot["timer"])
        self.state = State.ESTABLISHED


_S = Session

SHARED: Table = {
    (State.ESTABLISHED, Input.BYE): (State.ENDED, _S.end_by_peer),
    (State.ESTABLISHED, Input.HANGUP): (State.LEAVING, _S.leave),
    (State.ESTABLISHED, Input.EXPIRE): (State.LEAVING, _S.time_out),
    (State.ESTABLISHED, Input.GONE): (State.ENDED, _S.end_gone),
    (State.ESTABLISHED, Input.DISOWN): (State.DISOWNED, _S.disown),
    (State.DISOWNED, Input.BYE): (State.ENDED, _S.nothing),
    (State.DISOWNED, Input.GIVE_UP): (State.ENDED, _S.nothing),
    (State.LEAVING, Input.BYE): (State.LEAVING, _S.nothing),
    (State.LEAVING, Input.LEFT): (State.ENDED, _S.nothing),
    (State.LEAVING, Input.CONNECTED): (State.LEAVING, _S.send_bye_now),
    (State.LEAVING, Input.GIVE_UP): (State.ENDED, _S.nothing),
}
