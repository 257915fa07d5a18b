"""A SIP server that answers anything: right, wrong, late, twice or not at all, as chance has it. No state machine.

    server = WildServer(network.now)
    network.add("pbx", server, url="ws://pbx")
    server.chance.seed(7)          # the same seed, the same answers
    server.kindness = 0.2          # so often it does what a server should

What it does by itself is drawn when a message comes; what it does of its own accord is asked for by `call`, `bye`,
`offer`, `word` and so on. It speaks one message a frame (WebSocket), writes them by hand, and checks nothing.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from offhook.clock import Now, Timers
from offhook.errors import RemoteError
from offhook.media.engine import AnswerCreated, CreateAnswer, CreateOffer, EngineEvent, OfferCreated
from offhook.media.null import NullEngine
from offhook.sip.flow import FlowClosed, FlowInput, FlowReceived, Send
from offhook.sip.message import Request, Response
from offhook.sip.parser import parse_message

Pairs = Sequence[tuple[str, str]]
WORDS = "application/vnd.offhook+json"
REFUSALS = (301, 302, 400, 403, 404, 408, 415, 420, 480, 481, 486, 487, 488, 491, 500, 502, 503, 600, 603, 606, 699)
REASONS = ("NORMAL_CLEARING", "NO_ANSWER", "ORIGINATOR_CANCEL", "LOSE_RACE", "USER_BUSY", "CONFERENCE", "PRE_EMPTED",
           "BLIND_TRANSFER", "CALL_REJECTED", "ON_HOLD", "NO_CALL", "LEFT", "ĂŸ")  # fmt: skip
"""Not ATTENDED_TRANSFER: without a transfer of ours that is a text like any other (`cti.ending`), though a desk of the
reference takes it for more."""
OUTCOMES = ("DONE", "FAILED", "CONFERENCE", "CONSULT_CONFERENCE_FAILED", "BARGE_FAILED", "CONSULT_TRANSFER_FAILED")
_DIRECTIONS = ("sendrecv", "sendrecv", "sendonly", "recvonly", "inactive")


def _descriptions() -> tuple[str, str]:
    """An offer, and an answer to what our own engine offers."""
    engine, ours = NullEngine(flavour="freeswitch"), NullEngine()
    made: list[EngineEvent] = []
    engine.start(made.append)
    ours.start(made.append)
    engine.perform(CreateOffer("1", "a"))
    ours.perform(CreateOffer("2", "b"))
    offer, other = (event.sdp for event in made if isinstance(event, OfferCreated))
    engine.perform(CreateAnswer("3", "c", other))
    (answer,) = (event.sdp for event in made if isinstance(event, AnswerCreated))
    return offer, answer


OFFER, ANSWER = _descriptions()


@dataclass(slots=True, eq=False)
class Leg:
    """One dialog, as far as it is known."""

    call_id: str
    flow: str
    user: str
    """The agent's extension."""
    local: str = field(repr=False)
    remote: str = field(repr=False)
    target: str = field(repr=False)
    ours: bool
    """We called."""
    cseq: int = 100
    invite: Request | None = None
    """The last INVITE of the agent that has no final answer."""
    up: bool = False
    over: bool = False
    refer: int | None = None
    calling: str | None = None
    """Branch and CSeq of our INVITE, as a CANCEL repeats them."""


class WildServer:
    """See the module. A node of `offhook.testing.network`."""

    def __init__(self, now: Callable[[], Now]) -> None:
        self.timers = Timers()
        self.chance = Random(0)
        self.kindness = 1.0
        self.register = 200
        """What a REGISTER is answered; 0: nothing."""
        self.deaf = False
        self.legs: list[Leg] = []
        self.flows: dict[str, str] = {}
        """Of each extension that registered: its flow."""
        self.contacts: dict[str, str] = {}
        self.heard = 0
        self._now = now
        self._out: list[Send] = []
        self._said: deque[Send] = deque(maxlen=24)
        self._serial = 0

    # The node

    def receive(self, given: FlowInput, now: Now) -> None:
        if isinstance(given, FlowClosed):
            self.flows = {user: flow for user, flow in self.flows.items() if flow != given.flow}
        if not isinstance(given, FlowReceived) or self.deaf:
            return
        self.heard += 1
        try:
            message = parse_message(given.data)
        except RemoteError as problem:
            raise AssertionError(f"the agent wrote what cannot be read: {given.data!r}") from problem
        if isinstance(message, Request):
            self._asked(message, given.flow)
        else:
            self._answered(message)

    def outputs(self) -> list[Send]:
        out, self._out = self._out, []
        return out

    # What comes by itself

    def _asked(self, request: Request, flow: str) -> None:
        leg = self._leg(request)
        match request.method:
            case "REGISTER":
                self._register(request, flow)
            case "INVITE":
                if leg is None or request.to.tag is None:
                    self._invited(request, flow)
                else:
                    leg.invite = request
                    self._offered(leg, request)
            case "ACK":
                return
            case "CANCEL":
                self._cancelled(leg, request, flow)
            case "BYE":
                if leg is not None:
                    leg.over = True
                self.respond(request, flow, self._kindly(200, (200, 200, 481, 0)))
            case "REFER":
                self._referred(leg, request, flow)
            case "INFO":
                self.respond(request, flow, self._kindly(200, (200, 415, 481, 500, 0)))
                if leg is not None:
                    self._informed(leg, request)
            case _:
                self.respond(request, flow, self._kindly(200, (200, 404, 405, 408, 481, 501, 0)))

    def _register(self, request: Request, flow: str) -> None:
        user = request.to.uri.user or ""
        contact = request.headers.get("Contact") or ""
        if self.register == 200 and contact:
            self.flows[user] = flow
            self.contacts[user] = contact.partition(">")[0].lstrip("<")
            for leg in self.legs:
                if leg.user == user:
                    leg.flow = flow
        self.respond(request, flow, self.register, extra=[("Contact", contact), ("Expires", "600")])

    def _invited(self, request: Request, flow: str) -> None:
        tag = self._token()
        to = f"{request.headers.get('To')};tag={tag}"
        contact = request.contact
        leg = Leg(
            request.call_id,
            flow,
            request.from_.uri.user or "",
            to,
            str(request.headers.get("From")),
            str(request.target if contact is None else contact.uri),
            ours=False,
            invite=request,
        )
        self.legs.append(leg)
        del self.legs[:-24]
        if self.chance.random() < self.kindness:
            self.ring(leg, 100)
            self.ring(leg, 180)
            self.take(leg)
            return
        draw = self.chance.randrange(10)
        if draw < 7:
            self.ring(leg, 100)
        if draw < 5:
            self.ring(leg, self.chance.choice((180, 183, 181, 199)))
        if draw in (0, 7):
            self.take(leg, wrong=draw == 7)
        elif draw in (4, 8):
            self.refuse(leg)

    def _offered(self, leg: Leg, request: Request) -> None:
        if self.chance.random() < self.kindness:
            self.take(leg)
            return
        draw = self.chance.randrange(8)
        if draw < 2:
            self.ring(leg, 100)
        elif draw < 4:
            self.refuse(leg)
        elif draw == 4:
            self.take(leg, wrong=True)
        elif draw == 5:
            self.take(leg)
            self.bye(leg)

    def _cancelled(self, leg: Leg | None, request: Request, flow: str) -> None:
        self.respond(request, flow, self._kindly(200, (200, 481, 0)))
        if leg is not None and leg.invite is not None:
            if self.chance.random() < self.kindness:
                self.refuse(leg, 487)
            elif self.chance.random() < 0.3:
                self.take(leg)

    def _referred(self, leg: Leg | None, request: Request, flow: str) -> None:
        if leg is None:
            self.respond(request, flow, 481)
            return
        leg.refer = request.cseq.number
        kind = self.chance.random() < self.kindness
        early = not kind and self.chance.random() < 0.2
        if early:
            self.notify(leg, 100)
        self.respond(request, flow, 202 if kind else self.chance.choice((202, 202, 202, 403, 481, 503, 0)))
        if kind:
            self.notify(leg, 100)
        draw = self.chance.randrange(6)
        if draw < 2 or kind:
            self.notify(leg, self.chance.choice((200, 200, 486, 503)) if kind else self.chance.choice((180, 200, 404)))
        if draw in (1, 3):
            self.bye(leg)

    def _informed(self, leg: Leg, request: Request) -> None:
        if not request.is_of(WORDS) or self.chance.random() < 0.15:
            return
        try:
            id = json.loads(request.body).get("id")
        except ValueError as problem:
            raise AssertionError("the agent wrote a word that cannot be read") from problem
        kind = self.chance.random() < self.kindness
        event = json.loads(request.body)["event"]
        joins = event in ("CONFERENCE", "BARGE")
        right = "CONFERENCE" if joins else "DONE"
        self.word(leg, right if kind else self.chance.choice(OUTCOMES), id)

    def _answered(self, response: Response) -> None:
        leg = next((each for each in reversed(self.legs) if each.call_id == response.call_id), None)
        if leg is None or response.cseq.method != "INVITE" or response.status < 200:
            return
        if response.status < 300:
            leg.remote, leg.up = str(response.headers.get("To")), True
            contact = response.contact
            leg.target = leg.target if contact is None else str(contact.uri)
        elif not leg.up:
            leg.over = True
        if response.status >= 300 or self.chance.random() < 0.5 + self.kindness:
            body = ANSWER if response.body and b"a=" in response.body and self._offerless(leg) else ""
            self._send(leg, "ACK", number=response.cseq.number, body=body, kind="application/sdp", to=response)

    def _offerless(self, leg: Leg) -> bool:
        return leg.calling is not None and leg.calling.endswith("-")

    # What a test has it do

    def live(self, user: str | None = None) -> list[Leg]:
        """The dialogs that are not known to be over."""
        return [leg for leg in self.legs if not leg.over and user in (None, leg.user)]

    def ring(self, leg: Leg, status: int) -> None:
        if leg.invite is not None:
            body = self._answer(leg.invite) if status == 183 else ""
            self.respond(leg.invite, leg.flow, status, leg=leg, body=body)

    def take(self, leg: Leg, *, wrong: bool = False) -> None:
        """200 to the agent's INVITE; `wrong`: with a description that is none, or without any."""
        if leg.invite is None:
            return
        body = self.chance.choice(("", "v=0\r\n", "\0", ANSWER.replace("RTP/SAVPF", "RTP/AVP"))) if wrong else ""
        extra = [("X-FS-Support", "update_display,send_info")] if self.chance.random() < 0.8 else []
        self.respond(leg.invite, leg.flow, 200, leg=leg, body=body or self._answer(leg.invite), extra=extra)
        leg.up, leg.invite = True, None

    def refuse(self, leg: Leg, status: int | None = None) -> None:
        if leg.invite is None:
            return
        extra = [("Reason", self._reason())] if self.chance.random() < 0.5 else []
        self.respond(leg.invite, leg.flow, status or self.chance.choice(REFUSALS), leg=leg, extra=extra)
        leg.over = leg.over or not leg.up
        leg.invite = None

    def call(self, user: str, number: str, headers: Pairs = (), *, offerless: bool = False) -> None:
        """Call an agent that registered."""
        flow, contact = self.flows.get(user), self.contacts.get(user)
        if flow is None or contact is None:
            return
        local = f"<sip:{number}@pbx>;tag={self._token()}"
        leg = Leg(self._token(), flow, user, local, f"<sip:{user}@pbx>", contact, ours=True)
        self.legs.append(leg)
        del self.legs[:-24]
        leg.calling = self._token() + ("-" if offerless else "")
        body = "" if offerless else self._described(OFFER)
        self._send(leg, "INVITE", headers, body, "application/sdp", branch=leg.calling)

    def cancel(self, leg: Leg) -> None:
        if leg.ours and leg.calling is not None and not leg.up:
            reason = [("Reason", self._reason())] if self.chance.random() < 0.7 else []
            self._send(leg, "CANCEL", reason, number=leg.cseq, branch=leg.calling)

    def bye(self, leg: Leg) -> None:
        self._send(leg, "BYE", [("Reason", self._reason())] if self.chance.random() < 0.8 else [])
        leg.over = True

    def offer(self, leg: Leg, method: str = "INVITE") -> None:
        """A re-INVITE or UPDATE, with any direction, or without a description."""
        offerless = self.chance.random() < 0.15
        leg.calling = self._token() + ("-" if offerless else "")
        body = "" if offerless else self._described(OFFER, any_direction=True)
        self._send(leg, method, body=body, kind="application/sdp", branch=leg.calling)

    def request(self, leg: Leg, method: str, kind: str = "", body: str = "", headers: Pairs = ()) -> None:
        """Any request in a dialog."""
        self._send(leg, method, headers, body, kind)

    def notify(self, leg: Leg, status: int) -> None:
        """A report of the last REFER."""
        state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
        event = "refer" if leg.refer is None else f"refer;id={leg.refer}"
        headers = [("Event", event), ("Subscription-State", state)]
        self._send(leg, "NOTIFY", headers, f"SIP/2.0 {status} {status}\r\n", "message/sipfrag")

    def display(self, leg: Leg, number: str, *, attended: bool) -> None:
        """Tell who the other party is now, as FreeSWITCH does."""
        headers = [("X-FS-Display-Name", "Outbound Call"), ("X-FS-Display-Number", number)]
        if attended:
            headers.append(("X-FS-Attended-Transfer", "true"))
        self._send(leg, "INFO", headers, "", "message/update_display")

    def word(self, leg: Leg, event: str, id: str | None) -> None:
        """A word in a dialog; one about a conference has members, as chance has them."""
        self._send(leg, "INFO", body=json.dumps(self.spoken(leg, event, id)), kind=WORDS)

    def spoken(self, leg: Leg, event: str, id: str | None) -> dict[str, Any]:
        """What is in a word."""
        word: dict[str, Any] = {"event": event, "reasonCode": self.chance.choice(("LIMIT_REACHED", "ON_HOLD", "X"))}
        if id is not None:
            word["id"] = id
        if event == "CONFERENCE":
            word["reasonCode"] = self.chance.choice(("CONSULT_CONFERENCE", "BARGE_CONFERENCE", "MEMBER_LEFT", "X"))
            others = self.chance.sample(("1001", "5550001", "1002", "1009", "7"), self.chance.choice((1, 2, 2, 3, 4)))
            named = [{"ext": each, "held": self.chance.random() < 0.2, "muted": False} for each in [leg.user, *others]]
            word["additionalAttributes"] = {"conference": {"name": "room"}, "members": named}
            word["dialog"] = {"customerDialogId": self.chance.choice((None, "customer", "2"))}
        return word

    def message(self, user: str, body: str, sender: str = "5550001") -> None:
        """A MESSAGE outside of dialogs."""
        flow, contact = self.flows.get(user), self.contacts.get(user)
        if flow is not None and contact is not None:
            local, remote = f"<sip:{sender}@pbx>;tag={self._token()}", f"<sip:{user}@pbx>"
            self._send(
                Leg(self._token(), flow, user, local, remote, contact, ours=True), "MESSAGE", (), body, "text/plain"
            )

    def repeat(self) -> None:
        """Say once more something that was said before."""
        if self._said:
            self._out.append(self.chance.choice(self._said))

    def raw(self, user: str, data: bytes) -> None:
        flow = self.flows.get(user)
        if flow is not None:
            self._out.append(Send(flow, data))

    # Writing

    def respond(
        self, request: Request, flow: str, status: int, *, leg: Leg | None = None, body: str = "", extra: Pairs = ()
    ) -> None:
        """Answer a request; 0: do not."""
        if not status:
            return
        headers = request.headers
        to = headers.get("To") or ""
        if leg is not None and ";tag=" not in to:
            to = leg.local
        lines = [f"SIP/2.0 {status} Any {status}", *(f"Via: {via}" for via in headers.all("Via"))]
        lines += [f"From: {headers.get('From')}", f"To: {to}", f"Call-ID: {headers.get('Call-ID')}"]
        lines += [f"CSeq: {headers.get('CSeq')}"]
        if not any(name == "Contact" for name, _ in extra):
            lines.append("Contact: <sip:mod_sofia@pbx:5060;transport=ws>")
        self._write(flow, lines, extra, body, "application/sdp")

    def _send(
        self,
        leg: Leg,
        method: str,
        headers: Pairs = (),
        body: str = "",
        kind: str = "",
        *,
        number: int | None = None,
        branch: str | None = None,
        to: Response | None = None,
    ) -> None:
        if number is None:
            leg.cseq += 1
            number = leg.cseq
        remote = leg.remote if to is None else str(to.headers.get("To"))
        lines = [f"{method} {leg.target} SIP/2.0", f"Via: SIP/2.0/WS pbx;branch=z9hG4bK{branch or self._token()}"]
        lines += ["Max-Forwards: 70", f"From: {leg.local}", f"To: {remote}", f"Call-ID: {leg.call_id}"]
        lines += [f"CSeq: {number} {method}", "Contact: <sip:mod_sofia@pbx:5060;transport=ws>"]
        self._write(leg.flow, lines, headers, body, kind)

    def _write(self, flow: str, lines: list[str], headers: Pairs, body: str, kind: str) -> None:
        lines += [f"{name}: {value}" for name, value in headers]
        octets = body.encode("utf-8", "replace")
        if octets or kind == "message/update_display":
            lines.append(f"Content-Type: {kind}")
        lines.append(f"Content-Length: {len(octets)}")
        send = Send(flow, "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + octets)
        self._said.append(send)
        self._out.append(send)

    def _described(self, text: str, *, any_direction: bool = False) -> str:
        """A description, a newer version each time."""
        self._serial += 1
        way = self.chance.choice(_DIRECTIONS) if any_direction else "sendrecv"
        text = re.sub(r"^(o=\S+ \d+) \d+", rf"\1 {1000 + self._serial}", text, flags=re.MULTILINE)
        return text.replace("a=ptime:20", f"a=ptime:20\r\na={way}")

    def _answer(self, request: Request) -> str:
        """What answers the offer of a request: its profile and its numbers for codecs."""
        offer, text = request.text, self._described(ANSWER, any_direction=self.chance.random() > self.kindness)
        profile = re.search(r"^m=audio \d+ (\S+)", offer, re.MULTILINE)
        opus = re.search(r"^a=rtpmap:(\d+) opus/", offer, re.MULTILINE)
        digits = re.search(r"^a=rtpmap:(\d+) telephone-event/48000", offer, re.MULTILINE)
        if profile is None or opus is None:
            return text
        text = re.sub(r"(?<=^m=audio 16388 )\S+ 111 110", f"{profile[1]} 111 110", text, flags=re.MULTILINE)
        numbers = {"111": opus[1], "110": opus[1] if digits is None else digits[1]}
        return re.sub(r"\b11[01]\b(?= |\r)", lambda found: numbers[found[0]], text)

    def _leg(self, request: Request) -> Leg | None:
        return next((leg for leg in reversed(self.legs) if leg.call_id == request.call_id), None)

    def _kindly(self, right: int, others: Sequence[int]) -> int:
        return right if self.chance.random() < self.kindness else self.chance.choice(others)

    def _reason(self) -> str:
        return f'Q.850;cause={self.chance.choice((16, 17, 19, 31))};text="{self.chance.choice(REASONS)}"'

    def _token(self) -> str:
        self._serial += 1
        return f"w{self._serial}x{self.chance.getrandbits(32):x}"
