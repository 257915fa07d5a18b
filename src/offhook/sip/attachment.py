"""What a user agent does of itself: stays connected and registered, and brings what comes to whom it is for.

Without an account there is nothing to connect: flows are opened by others, and any of them may bring requests.
"""

from __future__ import annotations

from typing import Any

from offhook.clock import Now
from offhook.errors import RemoteError, StateError
from offhook.sip import invite
from offhook.sip.account import Account
from offhook.sip.client_transaction import Answered, ClientFinished, Unanswered
from offhook.sip.connectivity import Connectivity, ServerFlowLost
from offhook.sip.digest import DigestClient
from offhook.sip.events import SipEvent, Unregistered
from offhook.sip.exchange import Endpoint, Flow
from offhook.sip.fields import Address
from offhook.sip.flow import FlowAlive, FlowClosed, FlowFailed, FlowInput, FlowOpened, FlowOutput, FlowReceived
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message
from offhook.sip.reception import Reception
from offhook.sip.registration import Registration
from offhook.sip.server_transaction import Acknowledged, Asked, Cancelled, ServerFinished
from offhook.sip.uri import Uri
from offhook.sip.whereabouts import Whereabouts


class Attachment:
    """See the module. `name` begins the names of the flows that are opened; `pass_up`: see `UserAgent`."""

    def __init__(self, endpoint: Endpoint, account: Account | None, name: str, pass_up: frozenset[str]) -> None:
        self.account = account
        self.reception = Reception(endpoint, pass_up)
        self._endpoint = endpoint
        self._ready: list[FlowOutput | SipEvent] = []
        self._stopping = False
        self._registering = True
        self._host = ""
        self._registration: Registration | None = None
        self._connectivity: Connectivity | None = None
        self._whereabouts: Whereabouts | None = None
        if account is not None:
            self._host = f"{endpoint.ids.token(96)}.invalid"
            endpoint.returns = True
            endpoint.session_expires, endpoint.redirects = account.session_expires, account.redirects
            endpoint.may_call = account.may_call
            endpoint.digest = DigestClient(
                account.user,
                {} if account.credentials and not account.password else account.password,
                account.realm,
                ids=endpoint.ids,
                domain=account.domain,
                kept=account.credentials,
            )
            self._connectivity = Connectivity(endpoint, account.servers, name or account.user, self.address())
            self._take_host(account)

    def _take_host(self, account: Account) -> None:
        self._whereabouts = Whereabouts(self._endpoint, account, self._host)
        self._registration = Registration(self._endpoint, account, self._whereabouts)

    @property
    def unanswered(self) -> int:
        """How many requests of peers the owner has still to answer."""
        return len(self.reception)

    def address(self) -> Address:
        """Of the account: for From, and for To. StateError where there is none."""
        if self.account is None:
            raise StateError("a request without an account needs a From")
        return Address(None, Uri.sip(self.account.user, self.account.domain))

    def snapshot(self) -> dict[str, Any]:
        """Host and registration, for `UserAgent.snapshot`."""
        return {
            "host": self._host,
            "registration": None if self._registration is None else self._registration.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on with host and registration of a snapshot. StateError where there is no account."""
        if self.account is None:
            raise StateError("there is no account")
        self._host = snapshot["host"]
        self._take_host(self.account)
        assert self._registration is not None, "an account has a registration"
        self._registration.restore(snapshot["registration"])

    # The verbs

    def receive(self, given: FlowInput, now: Now) -> None:
        """What a transport tells."""
        match given:
            case FlowReceived(flow, data):
                self._receive_message(flow, data, now)
            case FlowOpened():
                self._flow_opened(given, now)
            case FlowFailed(flow, reason):
                if self._is_ours(flow):
                    self._ours.failed(reason, now)
            case FlowClosed(flow, reason):
                self._flow_closed(flow, reason, now)
            case FlowAlive(flow):
                if self._is_ours(flow):
                    self._ours.heard(now)
        self.settle()

    def outputs(self) -> list[FlowOutput | SipEvent]:
        """What is to be done and what happened since the last call, in order."""
        self.settle()
        ready, self._ready = self._ready, []
        return ready

    def handle_timer(self, timer: str, now: Now) -> None:
        """Un-registering takes too long."""
        self._finish_stop(now)

    # The way to the server

    @property
    def connected(self) -> bool:
        return self._connectivity is not None and self._connectivity.connected

    @property
    def registered(self) -> bool:
        return self._registration is not None and self._registration.registered

    def start(self, now: Now, register: bool) -> None:
        """Connect, and register once connected; both are kept up until `stop`."""
        self._stopping = False
        self._registering = register
        self._ours.start(now)
        if register:
            self.register(now)
        self.settle()

    def register(self, now: Now) -> None:
        """Register now: again, or after the credentials were refused."""
        if self._registration is None:
            raise StateError("there is no account")
        self._registering = True
        self._registration.register(now)
        self.settle()

    def stop(self, now: Now) -> None:
        """Un-register, close the flow; told by `Unregistered`. Sessions are not ended by it."""
        registration = self._registration
        if registration is None:
            raise StateError("there is no account")
        self._stopping = True
        registration.leave(now)
        if self._has_left(registration):
            self._finish_stop(now)
        else:
            self._endpoint.timers.set(self, "leave", now.monotonic + self._endpoint.timing.leave)
        self.settle()

    # Inside

    @property
    def _ours(self) -> Connectivity:
        if self._connectivity is None:
            raise StateError("there is no account to connect")
        return self._connectivity

    def _is_ours(self, flow: str) -> bool:
        return self._connectivity is not None and self._connectivity.flow == flow

    def _receive_message(self, flow: str, data: bytes, now: Now) -> None:
        if flow not in self._endpoint.flows:
            return
        if self._is_ours(flow):
            self._ours.heard(now)
        try:
            message = parse_message(data)
            # Without these nothing can be answered.
            _ = (message.via, message.from_, message.to, message.call_id, message.cseq)
            if isinstance(message, Request):
                self._endpoint.hear(flow, message)
                transport = self._endpoint.flows[flow].transport
                self._endpoint.transactions.receive_request(message, flow, now, transport)
            elif isinstance(message, Response):
                message.validate()
                if self._is_ours(flow) and self._whereabouts is not None and self._whereabouts.learn(message):
                    self._move(now)
                self._endpoint.transactions.receive_response(message, flow, now)
        except RemoteError:
            return  # what cannot be read cannot be answered

    def _flow_opened(self, given: FlowOpened, now: Now) -> None:
        endpoint, flow, transport = self._endpoint, given.flow, given.transport.upper()
        if self.account is None:
            known = transport or endpoint.style.transport
            endpoint.flows[flow] = Flow(given.local, given.remote, known, certain=bool(transport))
        elif self._is_ours(flow) and not self.connected:
            self._ours.opened(given.local, given.remote, transport, now)
            moved = self._whereabouts is not None and self._whereabouts.opened(endpoint.flows[flow])
            if self._registering and self._registration is not None:
                self._registration.connected(now)
            if moved:
                self._move(now)
            for session in list(endpoint.sessions.values()):
                session.connected(now)

    def _move(self, now: Now) -> None:
        """Our Contact is another one: the peers of our sessions are to learn so, or they send to where nobody is."""
        for session in list(self._endpoint.sessions.values()):
            session.move(now)

    def _flow_closed(self, flow: str, reason: str, now: Now) -> None:
        if self._is_ours(flow):
            self._ours.closed(reason, now)
        elif self._endpoint.flows.pop(flow, None) is not None:
            self._lose(flow, now)

    def _lose(self, flow: str, now: Now) -> None:
        """Whatever waits for something on this flow learns that it is gone."""
        endpoint = self._endpoint
        if self._registration is not None:
            self._registration.lost(now)
        endpoint.transactions.lose(flow, now)
        self.settle()
        for session in list(endpoint.sessions.values()):
            session.lost(flow, now)

    def _has_left(self, registration: Registration) -> bool:
        """Whether nothing is under way that stopping should wait for: neither un-REGISTER nor a BYE."""
        leaving = any(session.state is invite.State.LEAVING for session in self._endpoint.sessions.values())
        return registration.left and not leaving

    def _finish_stop(self, now: Now) -> None:
        self._endpoint.timers.cancel(self, "leave")
        self._stopping = False
        if self._registration is not None:
            self._registration.forget()
        self._ours.stop(now)
        self.settle()
        for session in list(self._endpoint.sessions.values()):
            session.step(invite.Input.GIVE_UP, now)
        self._endpoint.emit(Unregistered())

    def settle(self) -> None:
        """Hand every report to whom it is for; what is left is for the owner."""
        endpoint = self._endpoint
        while (item := endpoint.box.take()) is not None:
            match item:
                case Answered(transaction, response, at):
                    if transaction in endpoint.exchanges:
                        endpoint.exchanges[transaction].receive(response, at)
                    self._look_around(at)
                case Unanswered(transaction, cause, at):
                    if transaction in endpoint.exchanges:
                        endpoint.exchanges[transaction].fail(cause, at)
                    self._look_around(at)
                case ClientFinished(transaction):
                    endpoint.transactions.forget(transaction)
                    endpoint.exchanges.pop(transaction, None)
                case Asked(asked, at):
                    self.reception.ask(asked, at)
                case Acknowledged(_, _, at):
                    self.reception.acknowledge(item, at)
                case Cancelled(_, _, at):
                    self.reception.cancel(item, at)
                case ServerFlowLost(flow, at):
                    self._lose(flow, at)
                case ServerFinished(served):
                    endpoint.transactions.forget(served)
                    self.reception.finish(served)
                case _:
                    self._ready.append(item)

    def _look_around(self, now: Now) -> None:
        """What the outcome of a request means for the way to the server."""
        registration = self._registration
        if registration is None:
            return
        if self._stopping and self._has_left(registration):
            self._finish_stop(now)
        elif registration.suspicious:
            registration.suspicious = False
            self._ours.distrust(now)
