"""The user agent: registration, connection and sessions of one account; or, without an account, a server side.

    agent = UserAgent(Account("1001", "example.org", "secret", ("wss://example.org:7443",)), timers=timers, ids=ids)
    agent.start(now)
    agent.receive(FlowOpened(...), now)
    for output in agent.outputs(): ...        # flow outputs to perform, events to act upon, in order

Change, drain, change: call `outputs()` after every `receive`, command, and firing of timers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from offhook.clock import Ids, Now, Timers
from offhook.errors import StateError
from offhook.sip import invite, subscription
from offhook.sip.account import Account
from offhook.sip.attachment import Attachment
from offhook.sip.dialog import Dialog
from offhook.sip.events import SipEvent
from offhook.sip.exchange import Endpoint
from offhook.sip.fields import Address, Replaces
from offhook.sip.flow import FlowInput, FlowOutput
from offhook.sip.inquiry import Inquiry, outside
from offhook.sip.invite import Session
from offhook.sip.invite_client import OutgoingSession
from offhook.sip.invite_server import IncomingSession
from offhook.sip.phrases import PHRASES
from offhook.sip.style import Style
from offhook.sip.subscription import Referral
from offhook.sip.timers import Timing
from offhook.sip.uri import Uri

__all__ = ["Account", "SessionView", "Style", "Timing", "UserAgent"]

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it is now. `state` is a word of `invite.State`."""

    id: str
    state: str
    role: str
    call_id: str = field(repr=False)
    local_tag: str = field(repr=False)
    remote_tag: str = field(repr=False)
    remote_target: str = field(repr=False)
    local_uri: str = field(repr=False)
    remote_uri: str = field(repr=False)
    flow: str | None
    renegotiating: bool


class UserAgent:
    """See the module. `account` None: any number of flows, no registration; requests name the flow to go on.

    `name` begins the names of the flows that this agent opens. Requests with a method in `pass_up` are told by
    `RequestReceived(answered=False)` and answered by `respond`; INVITE, ACK, CANCEL, BYE, PRACK and UPDATE never are.
    """

    def __init__(
        self,
        account: Account | None,
        *,
        timers: Timers,
        ids: Ids,
        timing: Timing | None = None,
        style: Style | None = None,
        product: str | None = None,
        name: str = "",
        pass_up: frozenset[str] = frozenset(),
    ) -> None:
        style = style or Style()
        product = product or (None if account is None else account.product)
        if product is not None:
            style = replace(style, fields={**style.fields, "User-Agent": product})
        self.timers = timers
        self._endpoint = Endpoint(style, timers, ids, timing or Timing())
        self._attachment = Attachment(self._endpoint, account, name, pass_up)

    def __len__(self) -> int:
        """How many transactions, sessions and unanswered requests there are."""
        return len(self._endpoint.transactions) + len(self._endpoint.sessions) + self._attachment.unanswered

    # The verbs

    def receive(self, given: FlowInput, now: Now) -> None:
        """What a transport tells."""
        self._attachment.receive(given, now)

    def outputs(self) -> list[FlowOutput | SipEvent]:
        """What is to be done and what happened since the last call, in order."""
        return self._attachment.outputs()

    # The way to the server

    @property
    def connected(self) -> bool:
        return self._attachment.connected

    @property
    def registered(self) -> bool:
        return self._attachment.registered

    @property
    def transport(self) -> str:
        """Of the connection to the server: WS, WSS, UDP, TCP or TLS; empty without one."""
        home = self._endpoint.home
        return "" if home is None else self._endpoint.flows[home].transport

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        """HA1s by realm and algorithm, for `Account.credentials`: as secret as the password, in whose place they do.

        Empty before the first registration.
        """
        digest = self._endpoint.digest
        return {} if digest is None else digest.keepable

    def proves(self, password: str) -> bool | None:
        """Whether that is the account's password, by its HA1s; None where there are none."""
        digest = self._endpoint.digest
        return None if digest is None else digest.proves(password)

    def start(self, now: Now, *, register: bool = True) -> None:
        """Connect, and register once connected; both are kept up until `stop`."""
        self._attachment.start(now, register)

    def register(self, now: Now) -> None:
        """Register now: again, or after the credentials were refused."""
        self._attachment.register(now)

    def stop(self, now: Now) -> None:
        """Un-register, close the flow; told by `Unregistered`. Sessions are not ended by it."""
        self._attachment.stop(now)

    # Sessions

    def invite(
        self,
        target: str,
        offer: str | None,
        now: Now,
        *,
        headers: Headers = (),
        session: str | None = None,
        flow: str | None = None,
        from_: Address | None = None,
        to: Address | None = None,
        contact: Address | None = None,
        replaces: str | Replaces | None = None,
    ) -> str:
        """Call `target` (a URI); gives the session's id. `offer` None: the peer offers in its 2xx.

        `replaces`: the call takes the place of a dialog that the peer has (RFC 3891), given by a session of ours or by
        name; who is called ends that dialog.
        Without an account `flow`, `from_` and `contact` are needed. StateError where there is no connection.
        """
        endpoint = self._endpoint
        id = session or endpoint.ids.token(64)
        if id in endpoint.sessions:
            raise StateError("there is a session of that id already")
        if contact is None and endpoint.contact is None:
            raise StateError("a call without an account needs a Contact")
        endpoint.flow(flow)
        if isinstance(replaces, str):
            replaces = self._name_of(replaces)
        if replaces is not None:
            # RFC 3891 §4: who does not know it is not to ring.
            headers = (*headers, ("Require", "replaces"), ("Replaces", str(replaces)))
        request, numbering = outside(
            endpoint,
            "INVITE",
            target,
            from_=from_ or self._attachment.address(),
            to=to or Address(None, Uri.parse(target)),
            headers=tuple(headers),
            body=b"" if offer is None else offer.encode(),
            content_type="application/sdp",
        )
        made = OutgoingSession(
            endpoint,
            id,
            None if endpoint.home is not None else flow,
            None if contact is None else str(contact),
            numbering,
        )
        made.start(request, offer, now)
        endpoint.remember(made)
        self._attachment.settle()
        return id

    def ring(
        self,
        session: str,
        now: Now,
        *,
        status: int = 180,
        body: str | None = None,
        headers: Headers = (),
        contact: Address | None = None,
    ) -> None:
        """A provisional response to an incoming call; with `body`, the answer, it is early media."""
        called = self._incoming(session, contact)
        called.ring(status, body, tuple(headers), now)
        self._attachment.settle()

    def accept(
        self, session: str, answer: str, now: Now, *, headers: Headers = (), contact: Address | None = None
    ) -> None:
        """Take an incoming call: 200 with our answer (our offer where the INVITE had none)."""
        self._incoming(session, contact).accept(answer, tuple(headers), now)
        self._attachment.settle()

    def reject(self, session: str, status: int, now: Now, *, phrase: str | None = None, headers: Headers = ()) -> None:
        """Refuse an incoming call with a status of 300 or more."""
        self._incoming(session).reject(status, phrase, tuple(headers), now)
        self._attachment.settle()

    def hangup(self, session: str, now: Now, *, headers: Headers = ()) -> None:
        """End a session by whatever fits its state: CANCEL, BYE, or 480 to a call that rings here."""
        self._session(session).hang_up(now, tuple(headers))
        self._attachment.settle()

    def withdraw(self, session: str, now: Now) -> None:
        """CANCEL a call of ours that is not answered; unlike after `hangup` a 2xx that crosses it counts, as
        `Established`. StateError where the call is answered or over."""
        found = self._session(session)
        if not isinstance(found, OutgoingSession):
            raise StateError("that is no call of ours")
        found.withdraw(now)
        self._attachment.settle()

    def disown(self, session: str, now: Now) -> None:
        """Another session has taken this one's place, or the peer has forgotten it: it is over here, and nothing is
        sent. The peer's BYE is still answered. A session that is not up is left as it is."""
        found = self._endpoint.sessions.get(session)
        if found is not None:
            found.step(invite.Input.DISOWN, now)
        self._attachment.settle()

    def reinvite(self, session: str, offer: str | None, now: Now, *, headers: Headers = ()) -> None:
        """Offer anew; waits for what is under way already. `offer` None asks for the peer's offer."""
        found = self._established(session)
        found.renegotiation.offer("INVITE", offer, tuple(headers), now)
        self._attachment.settle()

    def update(self, session: str, now: Now, *, offer: str | None = None, headers: Headers = ()) -> str | None:
        """UPDATE (RFC 3311). With `offer` as `reinvite`; without, a request whose id is returned."""
        if offer is None:
            asked = self._session(session).timer.ask()
            return self.request("UPDATE", None, now, session=session, headers=(*headers, *asked))
        self._established(session).renegotiation.offer("UPDATE", offer, tuple(headers), now)
        self._attachment.settle()
        return None

    def answer(self, session: str, answer: str, now: Now) -> None:
        """Answer `OfferReceived`; where that had no offer, with our offer."""
        self._session(session).answer(answer, now)
        self._attachment.settle()

    def refuse(self, session: str, status: int, now: Now) -> None:
        """Refuse `OfferReceived` (488, 491): the session goes on as it was."""
        self._session(session).renegotiation.refuse(status, now)
        self._attachment.settle()

    def session(self, session: str) -> SessionView:
        """How a session stands. StateError where it is not known (any more)."""
        found = self._session(session)
        dialog: Dialog | None = found.request_dialog()
        return SessionView(
            id=found.id,
            state=found.state.value,
            role=found.role,
            call_id=found.call_id,
            local_tag=found.local_tag,
            remote_tag="" if dialog is None else dialog.remote_tag,
            remote_target="" if dialog is None else dialog.remote_target,
            local_uri="" if dialog is None else str(dialog.local.uri),
            remote_uri="" if dialog is None else str(dialog.remote.uri),
            flow=found.flow or self._endpoint.home,
            renegotiating=found.renegotiation.busy,
        )

    def rebind(self, session: str, flow: str) -> None:
        """Send what is ours in a session over another flow from now on: its peer has moved. Without an account."""
        self._session(session).flow = flow

    def sessions(self) -> list[str]:
        """The ids of the sessions that are not over."""
        return [id for id, session in self._endpoint.sessions.items() if not session.over]

    # Other requests

    def info(self, session: str, content_type: str, body: str, now: Now, *, headers: Headers = ()) -> str:
        """INFO in a session; gives the id that `RequestAnswered` repeats."""
        return self.request("INFO", None, now, session=session, headers=headers, content_type=content_type, body=body)

    def options(self, session: str, now: Now) -> str:
        """OPTIONS in a session: does the peer still know it?"""
        return self.request("OPTIONS", None, now, session=session)

    def refer(
        self,
        session: str,
        target: Uri | Address | str | None,
        now: Now,
        *,
        replaces: str | Replaces | None = None,
        referred_by: Address | None = None,
        headers: Headers = (),
    ) -> str:
        """Ask the peer to call `target` in our place (RFC 3515); gives the id that the `Refer...` events carry.

        `replaces`: another session of ours (or what names a dialog), whose place that call is to take: an attended
        transfer. `target` None: the other party of that session. StateError where there is no dialog or no flow.
        """
        found = self._session(session)
        if len(found.referrals) >= subscription.MOST:
            raise StateError("too many transfers are under way already")
        if isinstance(replaces, str):
            target = self.session(replaces).remote_target if target is None else target
            replaces = self._name_of(replaces)
        if target is None:
            raise StateError("a transfer needs a target")
        dialog = found.request_dialog()
        by = referred_by or (self._attachment.address() if dialog is None else Address(None, dialog.local.uri))
        fields = (("Refer-To", subscription.refer_to(target, replaces)), ("Referred-By", str(by)))  # RFC 3892 §3
        referral = Referral(self._endpoint, found)
        referral.start((*fields, *headers), now)
        self._attachment.settle()
        return referral.id

    def notify(
        self,
        session: str,
        number: int | None,
        status: int,
        now: Now,
        *,
        phrase: str | None = None,
        over: bool | None = None,
        headers: Headers = (),
    ) -> str:
        """Tell who sent us a REFER what comes of it; gives the id that `RequestAnswered` repeats.

        `number` is the CSeq of that REFER. `over` None: the subscription ends with a status of 200 or more.
        """
        words = PHRASES.get(status, "") if phrase is None else phrase
        fields, body = subscription.notification(number, status, words, status >= 200 if over is None else over)
        kind, fields = "message/sipfrag;version=2.0", (*fields, *headers)
        return self.request("NOTIFY", None, now, session=session, headers=fields, content_type=kind, body=body)

    def request(
        self,
        method: str,
        target: str | None,
        now: Now,
        *,
        session: str | None = None,
        flow: str | None = None,
        from_: Address | None = None,
        to: Address | None = None,
        contact: Address | None = None,
        headers: Headers = (),
        content_type: str | None = None,
        body: str = "",
    ) -> str:
        """A single request, in a session or (with a `target`) outside; gives the id that `RequestAnswered` repeats."""
        endpoint = self._endpoint
        found = None if session is None else self._session(session)
        inquiry = Inquiry(endpoint, found)
        if found is not None:
            kind = content_type or "text/plain"
            found.send(method, inquiry, now, headers=tuple(headers), body=body.encode(), content_type=kind)
        elif target is None:
            raise StateError("a request outside of a session needs a target")
        else:
            request, numbering = outside(
                endpoint,
                method,
                target,
                from_=from_ or self._attachment.address(),
                to=to or Address(None, Uri.parse(target)),
                headers=tuple(headers),
                body=body.encode(),
                content_type=content_type or "text/plain",
            )
            endpoint.send(
                request, inquiry, numbering, now, flow=flow, contact=None if contact is None else str(contact)
            )
        self._attachment.settle()
        return inquiry.id

    def respond(
        self,
        key: str,
        status: int,
        now: Now,
        *,
        phrase: str | None = None,
        headers: Headers = (),
        content_type: str | None = None,
        body: str | None = None,
    ) -> None:
        """Answer a `RequestReceived` that was not answered."""
        self._attachment.reception.respond(
            key, status, now, phrase=phrase, headers=tuple(headers), content_type=content_type, body=body
        )
        self._attachment.settle()

    # What outlives the process

    def snapshot(self, now: Now) -> dict[str, Any]:
        """Registration and established sessions as JSON; no password, and wall time only."""
        account = self._attachment.account
        sessions = [session.snapshot() for session in self._endpoint.sessions.values()]
        return {
            "version": 1,
            "at": now.wall,
            "account": None
            if account is None
            else {
                "user": account.user,
                "domain": account.domain,
                "servers": list(account.servers),
                "realm": account.realm,
                "expires": account.expires,
                "product": account.product,
                "session_expires": account.session_expires,
                "redirects": account.redirects,
                "instance": account.instance,
            },
            **self._attachment.snapshot(),
            "sessions": [session for session in sessions if session is not None],
        }

    @classmethod
    def restore(
        cls,
        snapshot: dict[str, Any],
        account: Account | None = None,
        *,
        timers: Timers,
        ids: Ids,
        timing: Timing | None = None,
        style: Style | None = None,
        name: str = "",
        pass_up: frozenset[str] = frozenset(),
    ) -> UserAgent:
        """A user agent that has the sessions of a snapshot, and no flow yet; `start` connects it.

        `account` None: that of the snapshot, without its password. That is enough for requests within the sessions.
        """
        kept = snapshot["account"]
        if account is None and kept is not None:
            account = Account(**{**kept, "servers": tuple(kept["servers"]), "password": ""})
        agent = cls(account, timers=timers, ids=ids, timing=timing, style=style, name=name, pass_up=pass_up)
        endpoint = agent._endpoint
        if account is not None:
            agent._attachment.restore(snapshot)
        for kept in snapshot["sessions"]:
            session: Session
            if kept["role"] == OutgoingSession.role:
                dialog = Dialog.restore(kept["dialog"])
                session = OutgoingSession(endpoint, kept["id"], None, kept["contact"], dialog.numbering)
            else:
                session = IncomingSession(endpoint, kept["id"], None, kept["contact"])
            session.restore(kept)
            endpoint.remember(session)
        return agent

    # Inside

    def _name_of(self, session: str) -> Replaces:
        dialog = self._session(session).request_dialog()
        if dialog is None:
            raise StateError("the session that is to be replaced has no dialog yet")
        return subscription.replaces_of(dialog)

    def _session(self, id: str) -> Session:
        session = self._endpoint.sessions.get(id)
        if session is None or session.over:
            raise StateError("there is no such session")
        return session

    def _established(self, id: str) -> Session:
        session = self._session(id)
        if session.state is not invite.State.ESTABLISHED:
            raise StateError(f"the session is {session.state.value}")
        return session

    def _incoming(self, id: str, contact: Address | None = None) -> IncomingSession:
        session = self._session(id)
        if not isinstance(session, IncomingSession):
            raise StateError("that is no incoming call")
        if contact is not None:
            session.contact = str(contact)
        return session
