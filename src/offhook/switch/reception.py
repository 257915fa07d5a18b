"""The front desk of the switch: it asks for credentials, keeps the registrations, and passes messages on.

Requests outside of calls are answered here without transactions (RFC 3261 §8.2.7); INVITEs with good credentials go
on to the user agent. Over UDP a request may come again: it gets the answer that the first one got, for a nonce is good
only once. Requests of the switch's own (NOTIFY, MESSAGE) are sent once: nobody awaits their answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from offhook.clock import Now
from offhook.sip.digest import DigestServer, Outcome
from offhook.sip.flow import Send
from offhook.sip.message import Request
from offhook.sip.uri import Uri
from offhook.switch.causes import phrase_of
from offhook.switch.exchange import Exchange
from offhook.switch.registrar import Binding

NONCE_SECONDS = 60
DEFAULT_EXPIRES = 3600
LONGEST_EXPIRES = 86_400
NOTIFY_SECONDS = 0.04
"""So long after its first registration a user is told of its voice mail."""
MOST_REALMS = 16
MOST_REFUSED = 1024


class Reception:
    """Answers what is no call."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._registrar = exchange.registrar
        self._domain = exchange.settings.domain
        self._digests: dict[str, DigestServer] = {}
        self._refused: dict[str, bool] = {}
        self._admitted: dict[str, str] = {}
        """By branch: the user of an INVITE on its way to the user agent."""
        self._answers: dict[tuple[str, str, str], bytes] = {}
        """To requests that came over UDP, by flow, branch and CSeq; empty: it was passed on to the user agent."""

    def receive(self, request: Request, flow: str, now: Now) -> bool:
        """Answer a request; False when it is the user agent's. Raises RemoteError for one that cannot be read."""
        in_dialog = request.to.tag is not None
        if request.method != "ACK" and self._registrar.loses(flow):
            known = self._answers.get(_key(request, flow))
            if known is not None:
                if known:
                    self._exchange.tell(Send(flow, known))
                return bool(known)
        match request.method:
            case "REGISTER":
                self._register(request, flow, now)
            case "MESSAGE":
                self._message(request, flow, now)
            case "INVITE" if not in_dialog:
                user = self._authenticate(request, flow, now, proxy=True)
                if user is None:
                    return True
                self._admitted[request.via.branch or ""] = user
                if len(self._admitted) > MOST_REFUSED:
                    self._admitted.pop(next(iter(self._admitted)))
                self._remember(request, flow, b"")
                return False
            case "INFO" if in_dialog and self._exchange.channel_with_call_id(request.call_id) is None:
                self._respond(
                    request, 200, flow, phrase="OK"
                )  # FreeSWITCH does not look which call it is in (trace N01)
            case "OPTIONS" if not in_dialog:
                self._respond(request, 200, flow, phrase="OK")
            case "ACK":
                return self._refused.pop(request.via.branch or "", False)
            case _:
                return False
        return True

    def user_of(self, request: Request) -> str:
        """Who proved to be whom with an INVITE that was let through; asked once. Its headers may name others too."""
        return self._admitted.pop(request.via.branch or "", "")

    def handle_timer(self, timer: str, now: Now) -> None:
        """Tell a user of its voice mail, which is empty."""
        binding = self._registrar.binding(timer)
        if binding is None:
            return
        account = f"sip:{timer}@{self._domain}"
        body = f"Messages-Waiting: no\r\nMessage-Account: {account}\r\n\r\n"
        headers = [
            ("From", f"<{account}>;tag={self._exchange.ids.token(64)}"),
            ("To", f"<{account}>"),
            ("Event", "message-summary"),
            ("Subscription-State", "terminated;reason=noresource"),
            ("Content-Type", "application/simple-message-summary"),
        ]
        self._request("NOTIFY", binding.uri, binding.flow, headers, body, now)

    # Who are you?

    def _authenticate(self, request: Request, flow: str, now: Now, *, proxy: bool) -> str | None:
        """The user whose good credentials the request has; None when it was answered with a challenge or 403."""
        realm = request.from_.uri.host
        digest = self._digests.get(realm)
        if digest is None:
            if len(self._digests) >= MOST_REALMS:
                self._digests.clear()
            digest = DigestServer(
                realm,
                self._exchange.directory.password,
                self._exchange.ids,
                self._exchange.settings.algorithms,
                nonce_ttl=NONCE_SECONDS,
            )
            self._digests[realm] = digest
        verdict = digest.check(request, now, proxy)
        if verdict.outcome is Outcome.OK and verdict.user is not None:
            return verdict.user
        if request.method == "INVITE":
            self._refused[request.via.branch or ""] = True
            if len(self._refused) > MOST_REFUSED:
                self._refused.pop(next(iter(self._refused)))
        if verdict.outcome is Outcome.WRONG:
            self._respond(request, 403, flow)
        else:
            challenges = digest.challenge(now, proxy, stale=verdict.outcome is Outcome.STALE)
            self._respond(request, 407 if proxy else 401, flow, headers=challenges)
        return None

    # Registration

    def _register(self, request: Request, flow: str, now: Now) -> None:
        user = self._authenticate(request, flow, now, proxy=False)
        if user is None:
            return
        if user != request.to.uri.user:
            self._respond(request, 403, flow)
            return
        headers = [("Date", _date(now.wall))]
        contact = next(iter(request.contacts), None)
        if contact is not None:
            given = contact.parameters.get("expires")
            seconds = request.expires if given is None else _seconds(given)
            seconds = min(DEFAULT_EXPIRES if seconds is None else seconds, LONGEST_EXPIRES)
            if seconds == 0:
                self._registrar.remove(user)
            else:
                binding = Binding(user, str(contact.uri), flow, request.call_id)
                if self._registrar.register(binding, seconds, now):
                    self._exchange.timers.set(self, user, now.monotonic + NOTIFY_SECONDS)
                headers.insert(0, ("Contact", f"<{contact.uri}>;expires={seconds}"))
        elif request.wildcard_contact:
            self._registrar.remove(user)
        self._respond(request, 200, flow, phrase="OK", headers=headers)

    # Messages

    def _message(self, request: Request, flow: str, now: Now) -> None:
        user = self._authenticate(request, flow, now, proxy=True)
        if user is None:
            return
        if request.from_.uri.user != user:  # stricter than FreeSWITCH, which believes From
            self._respond(request, 403, flow)
            return
        self._respond(request, 202, flow, phrase="Accepted")
        kind = request.headers.get("Content-Type") or "text/plain"
        self._pass_on(request.target.user or "", str(request.headers.get("From")), kind, request.text, now)

    def deliver(self, user: str, text: str, now: Now) -> None:
        """Send a user a message of the switch's own; nothing where it is not registered."""
        sender = f"<sip:{self._domain}>;tag={self._exchange.ids.token(64)}"
        self._pass_on(user, sender, "text/plain", text, now)

    def _pass_on(self, user: str, sender: str, kind: str, text: str, now: Now) -> None:
        binding = self._registrar.binding(user)
        if binding is None or not self._registrar.is_open(binding.flow):
            return
        # Not the registered URI but where it came from, and `transport` outside of the brackets (trace 20).
        contact = Uri.parse(binding.uri)
        host, _, port = self._registrar.remote(binding.flow).rpartition(":")
        target, shown = str(Uri.sip(contact.user, host, int(port))), ";transport=ws"
        if self._registrar.moves(binding.flow):
            target, shown = binding.uri, ""
        headers = [
            ("From", sender),
            ("To", f"<{target}>{shown}"),
            ("Content-Type", kind),
            ("X-FS-Sending-Message", self._exchange.uuid()),
        ]
        self._request("MESSAGE", target, binding.flow, headers, text, now)

    # The wire

    def _respond(
        self,
        request: Request,
        status: int,
        flow: str,
        *,
        phrase: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        tag = None if request.to.tag is not None else self._exchange.ids.token(64)
        response = request.response(status, phrase or phrase_of(status), to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        data = self._exchange.wording.speak(response.serialize(), flow)
        self._remember(request, flow, data)
        self._exchange.tell(Send(flow, data))

    def _remember(self, request: Request, flow: str, answer: bytes) -> None:
        if self._registrar.loses(flow):
            self._answers[_key(request, flow)] = answer
            if len(self._answers) > MOST_REFUSED:
                self._answers.pop(next(iter(self._answers)))

    def _request(
        self, method: str, uri: str, flow: str, headers: Sequence[tuple[str, str]], body: str, now: Now
    ) -> None:
        """A request outside of any dialog, of which nobody awaits the answer."""
        request = Request(method, uri)
        branch = f"z9hG4bK{self._exchange.ids.token(64)}"
        for name, value in [
            ("Via", f"SIP/2.0/WS {self._domain};branch={branch}"),  # the wording knows the transport
            *headers,
            ("Call-ID", self._exchange.uuid()),
            ("CSeq", f"{self._exchange.cseq()} {method}"),
        ]:
            request.headers.add(name, value)
        request.body = body.encode("utf-8", "surrogateescape")
        self._exchange.tell(Send(flow, self._exchange.wording.speak(request.serialize(), flow)))


def _key(request: Request, flow: str) -> tuple[str, str, str]:
    return flow, request.via.branch or "", str(request.cseq)


def _seconds(text: str) -> int | None:
    """The value of an `expires` parameter; None where it is no number."""
    if not (text.isascii() and text.isdigit()):
        return None
    return LONGEST_EXPIRES if len(text) > 9 else int(text)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(wall: float) -> str:
    """The Date header (RFC 3261 §20.17) for seconds since the epoch."""
    at = datetime.fromtimestamp(int(wall), UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year} {at:%H:%M:%S} GMT"
