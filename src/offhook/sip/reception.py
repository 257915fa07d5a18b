"""Requests of the peer: whom they are for, and what is answered without asking anybody (RFC 3261 8.2, 12.2.2)."""

from __future__ import annotations

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.sip.dialog import Dialog
from offhook.sip.events import RequestReceived
from offhook.sip.exchange import Endpoint, Pairs
from offhook.sip.invite import Session
from offhook.sip.invite_server import IncomingSession
from offhook.sip.message import Request
from offhook.sip.server_transaction import Acknowledged, Cancelled, ServerTransaction
from offhook.sip.session_timer import too_brief
from offhook.sip.subscription import referral_of

OPTION_FREE = ("ACK", "CANCEL")
"""Require is not looked at in these (RFC 3261 8.2.2.3)."""

ANSWERED = ("INFO", "NOTIFY", "MESSAGE", "OPTIONS")
"""Always 200, in a dialog and outside: FreeSWITCH sends them unasked, and what they mean is not ours to judge."""

IN_DIALOG = ("BYE", "UPDATE", "PRACK")
"""Mean nothing outside of a dialog."""

DISPLAY = "message/update_display"


class Reception:
    """Sorts and answers requests. Those whose method is in `pass_up` are the owner's to answer, by `respond`."""

    def __init__(self, endpoint: Endpoint, pass_up: frozenset[str]) -> None:
        self._endpoint = endpoint
        self._pass_up = pass_up
        self._pending: dict[str, tuple[ServerTransaction, str | None]] = {}
        self._keys: dict[ServerTransaction, str] = {}
        self._invites: dict[ServerTransaction, Session] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, transaction: ServerTransaction, now: Now) -> None:
        """A new request. It cannot raise: what is wrong with the request is answered."""
        try:
            self._route(transaction, now)
        except RemoteError as error:
            if not transaction.answered:
                self._endpoint.respond(transaction, error.status, now)

    def cancel(self, report: Cancelled, now: Now) -> None:
        """A CANCEL: it ends the INVITE where that is unanswered, and is answered itself in any case."""
        invite = report.invite
        if invite is None:
            self._endpoint.respond(report.transaction, 481, now)
            return
        session = self._invites.get(invite)
        tag = None if session is None else session.local_tag
        self._endpoint.respond(report.transaction, 200, now, tag=tag)
        if session is not None and not invite.answered:
            session.cancel(invite, report.transaction.request, now)

    def acknowledge(self, report: Acknowledged, now: Now) -> None:
        """An ACK for a 2xx."""
        request = report.request
        session = self._endpoint.calls.get((request.call_id, request.to.tag or ""))
        if session is not None:
            session.receive_ack(request, now)

    def finish(self, transaction: ServerTransaction) -> None:
        """The transaction is over: nothing can be answered any more."""
        self._invites.pop(transaction, None)
        self._pending.pop(self._keys.pop(transaction, ""), None)

    def respond(
        self,
        key: str,
        status: int,
        now: Now,
        *,
        phrase: str | None,
        headers: Pairs,
        content_type: str | None,
        body: str | None,
    ) -> None:
        """The owner answers a request that was passed up. StateError where it is answered, or too old."""
        found = self._pending.get(key)
        if found is None:
            raise StateError("that request is answered already, or its sender waits no longer")
        if status >= 200:
            del self._pending[key], self._keys[found[0]]
        session = self._endpoint.sessions.get(found[1] or "")
        self._endpoint.respond(
            found[0],
            status,
            now,
            phrase=phrase,
            headers=headers,
            body=body,
            content_type=content_type or "text/plain",
            contact=None if session is None else session.contact,
        )

    def _route(self, transaction: ServerTransaction, now: Now) -> None:
        request = transaction.request
        request.validate()
        if self._unsupported(transaction, now):
            return
        tag = request.to.tag
        if tag is not None:
            session = self._endpoint.calls.get((request.call_id, tag))
            if session is not None:
                self._in_dialog(session, transaction, now)
            elif request.method in self._pass_up and request.method not in IN_DIALOG:
                self._pass(transaction, None, now)
            else:
                self._endpoint.respond(transaction, 481, now)
        elif request.target.scheme not in ("sip", "sips"):
            raise RemoteError("a Request-URI of another scheme", 416)  # RFC 3261 §8.2.2.1
        elif self._endpoint.transactions.merged(request):
            self._endpoint.respond(transaction, 482, now)
        elif request.method == "INVITE":
            self._invite(transaction, now)
        elif request.method in IN_DIALOG:
            self._endpoint.respond(transaction, 481, now)
        else:
            self._ordinary(transaction, None, now)

    def _unsupported(self, transaction: ServerTransaction, now: Now) -> bool:
        unknown = transaction.request.require - self._endpoint.style.options
        if not unknown or transaction.request.method in OPTION_FREE:
            return False
        self._endpoint.respond(transaction, 420, now, headers=(("Unsupported", ", ".join(sorted(unknown))),))
        return True

    def _invite(self, transaction: ServerTransaction, now: Now) -> None:
        request, endpoint = transaction.request, self._endpoint
        self._check_body(request)
        self._check_accept(request)
        if self._too_brief(transaction, now):
            return
        home = endpoint.home is not None
        replaced = self._replaced(request)
        session = IncomingSession(endpoint, endpoint.ids.token(64), None if home else transaction.flow, None)
        session.replaces = None if replaced is None else replaced.id
        session.start(transaction, endpoint.style.tag(endpoint.ids), now)
        endpoint.remember(session)
        self._invites[transaction] = session

    def _replaced(self, request: Request) -> Session | None:
        """The session that an INVITE is to take the place of; RemoteError where that cannot be (RFC 3891 §3)."""
        names = request.headers.all("Replaces")
        if not names:
            return None
        if len(names) > 1:
            raise RemoteError("more than one Replaces", 400)
        name = request.replaces
        assert name is not None, "there is one"
        session = self._endpoint.calls.get((name.call_id, name.to_tag))
        if session is None or session.find(name.from_tag) is None:
            raise RemoteError("a Replaces of an unknown dialog", 481)
        if session.over:
            raise RemoteError("a Replaces of a dialog that has ended", 603)
        if isinstance(session, IncomingSession) and not session.confirmed:
            raise RemoteError("a Replaces of a call that rings here", 481)
        if name.early_only and session.confirmed:
            raise RemoteError("a Replaces of a call that was answered", 486)
        return session

    def _too_brief(self, transaction: ServerTransaction, now: Now) -> bool:
        """RFC 4028 §9: a session timer below our least is refused, with the least that we take."""
        least = self._endpoint.timing.shortest_session
        if not too_brief(transaction.request, least):
            return False
        self._endpoint.respond(transaction, 422, now, headers=(("Min-SE", str(least)),))
        return True

    def _check_body(self, request: Request) -> None:
        if request.body and not request.is_of("application/sdp"):
            raise RemoteError("an offer that is no SDP", 415)

    def _check_accept(self, request: Request) -> None:
        """RFC 3261 §21.4.7: who takes no SDP cannot be answered."""
        kinds = {value.partition(";")[0].strip(" \t").lower() for value in request.headers.values("Accept")}
        if kinds and not kinds & {"application/sdp", "application/*", "*/*"}:
            raise RemoteError("an INVITE that takes no SDP", 406)

    def _in_dialog(self, session: Session, transaction: ServerTransaction, now: Now) -> None:
        request = transaction.request
        dialog = session.find(request.from_.tag or "")
        if dialog is None:
            self._endpoint.respond(transaction, 481, now)
        elif not dialog.accepts(request):
            self._endpoint.respond(transaction, 500, now)
        elif request.method == "BYE":
            session.receive_bye(transaction, now)
        elif session.over:
            self._endpoint.respond(transaction, 481, now)
        elif request.method == "INVITE":
            self._reinvite(session, transaction, now)
        elif request.method == "UPDATE":
            self._update(session, dialog, transaction, now)
        elif request.method == "PRACK":
            self._check_body(request)
            session.receive_prack(transaction, now)
        else:
            self._ordinary(transaction, session, now)

    def _reinvite(self, session: Session, transaction: ServerTransaction, now: Now) -> None:
        self._check_body(transaction.request)
        if self._too_brief(transaction, now):
            return
        if session.ready:
            self._invites[transaction] = session
            session.renegotiation.receive(transaction, now)
        else:
            # The first INVITE is not through yet (RFC 3261 14.2).
            self._refuse_for_now(session, transaction, now)

    def _update(self, session: Session, dialog: Dialog, transaction: ServerTransaction, now: Now) -> None:
        request = transaction.request
        if self._too_brief(transaction, now):
            return
        if request.body:
            self._check_body(request)
            if session.ready or session.focus(dialog.remote_tag):
                session.renegotiation.receive(transaction, now)
            else:
                self._refuse_for_now(session, transaction, now)
            return
        dialog.refresh_target(request)
        session.update_display(request)
        headers = session.timer.grant(request) if session.ready else ()
        if headers:
            session.timer.start(now)
        self._endpoint.respond(transaction, 200, now, headers=headers, contact=session.contact)

    def _refuse_for_now(self, session: Session, transaction: ServerTransaction, now: Now) -> None:
        """An offer while another one is open (RFC 3261 14.2, RFC 3311 5.2)."""
        if session.negotiation.ours_open:
            self._endpoint.respond(transaction, 491, now)
        else:
            self._endpoint.respond(transaction, 500, now, headers=(("Retry-After", "1"),))

    def _ordinary(self, transaction: ServerTransaction, session: Session | None, now: Now) -> None:
        """Requests that change no dialog."""
        request = transaction.request
        method = request.method
        referral = None if session is None or method != "NOTIFY" else referral_of(session, request)
        if referral is not None:
            self._endpoint.respond(transaction, 200, now, contact=None if session is None else session.contact)
            referral.receive(request, now)
        elif method in self._pass_up:
            self._pass(transaction, session, now)
        elif method in ANSWERED:
            contact = None if session is None else session.contact
            self._endpoint.respond(transaction, 200, now, contact=contact)
            shown = session is not None and request.is_of(DISPLAY) and session.update_display(request)
            if not shown:
                self._tell(transaction, session, answered=True)
        elif method == "REFER":
            self._endpoint.respond(transaction, 603, now)
        elif method == "SUBSCRIBE":
            self._endpoint.respond(transaction, 489, now)
        else:
            self._endpoint.respond(transaction, 405, now)

    def _pass(self, transaction: ServerTransaction, session: Session | None, now: Now) -> None:
        self._tell(transaction, session, answered=False)

    def _tell(self, transaction: ServerTransaction, session: Session | None, *, answered: bool) -> None:
        key = self._endpoint.ids.token(64)
        name = None if session is None else session.id
        if not answered:
            self._pending[key] = (transaction, name)
            self._keys[transaction] = key
        self._endpoint.emit(RequestReceived(key, transaction.flow, transaction.request, name, answered))
