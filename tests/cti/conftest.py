"""An agent session on a network in memory, a server that a test plays, and the null engine: all in virtual time.

JSON commands in, JSON events out, SIP bytes between; nothing of the session is reached into.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from offhook.clock import Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession, AgentSettings, Finished, Publish, Reply
from offhook.cti.stream import Audit, Persist
from offhook.media.engine import (
    AnswerCreated,
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    OfferCreated,
)
from offhook.media.null import NullEngine
from offhook.sip.digest import DigestServer, Outcome
from offhook.sip.events import (
    AnswerReceived,
    InviteReceived,
    OfferReceived,
    RequestReceived,
    SessionEnded,
    SipEvent,
)
from offhook.sip.fields import Address
from offhook.sip.flow import CloseFlow, FlowInput, FlowOpened, FlowOutput, FlowReceived, OpenFlow, Probe, Send
from offhook.sip.style import FIELDS, Style
from offhook.sip.user_agent import UserAgent
from offhook.testing.clock import SeededIds
from offhook.testing.network import Network

Json = dict[str, Any]
URL = "ws://pbx"
WORDS = "application/vnd.offhook+json"
PASSWORD = "1234"


class Pbx:
    """The server: registers with digest, and else does what a test tells it."""

    def __init__(self, *, displays: bool = True) -> None:
        self.timers = Timers()
        ids = SeededIds(77)
        own = frozenset({"REGISTER", "INFO", "REFER", "OPTIONS"})
        fields = FIELDS if displays else {name: value for name, value in FIELDS.items() if name != "X-FS-Support"}
        self.ua = UserAgent(None, timers=self.timers, ids=ids, pass_up=own, style=Style(fields=fields))
        self.digest = DigestServer("pbx", lambda user: PASSWORD, ids)
        self.engine = NullEngine(flavour="freeswitch")
        self.engine.start(self._heard_engine)
        self.made: list[EngineEvent] = []
        self.events: list[SipEvent] = []
        self.registers: list[str] = []
        """Expires of each REGISTER that was taken."""
        self.register_status = 200
        self.info_status = 200
        """What an INFO is answered; 0: nothing."""
        self.options_status = 200
        self.server = "FreeSWITCH"
        self.refer_status = 202
        """What a REFER is answered; 0: nothing."""
        self.refers: list[RequestReceived] = []
        self.challenge_invites = False
        self.offers = "answer"
        """What is done with re-INVITEs: answer, 4xx/5xx as text, or keep (the test does it)."""
        self.direction = Direction.SENDRECV
        self.deaf_to = ""
        """Messages that begin so are not heard."""
        self.digits: list[str] = []
        self.words: list[tuple[str, Json]] = []
        """What the agent asked for in which session."""
        self.flow = ""
        self.contact = ""
        self.invites: list[InviteReceived] = []
        self.takeovers: list[InviteReceived] = []
        """INVITEs with Replaces."""
        self.takeover_status = 200
        """What one is answered; 0: nothing."""
        self._moved: dict[str, str] = {}
        self.now: Callable[[], Now]

    def _heard_engine(self, event: EngineEvent) -> None:
        self.made.append(event)

    def receive(self, given: FlowInput, now: Now) -> None:
        if isinstance(given, FlowOpened):
            self.flow = given.flow
        if self.deaf_to and isinstance(given, FlowReceived) and given.data.startswith(self.deaf_to.encode()):
            return
        self.ua.receive(given, now)

    def outputs(self) -> list[FlowOutput]:
        out: list[FlowOutput] = []
        while items := self.ua.outputs():
            for item in items:
                if isinstance(item, OpenFlow | Send | Probe | CloseFlow):
                    out.append(item)
                else:
                    self._heard(item)
        return out

    def _heard(self, event: SipEvent) -> None:
        now = self.now()
        self.events.append(event)
        if isinstance(event, RequestReceived) and event.request.method == "REGISTER":
            self._register(event, now)
        elif isinstance(event, RequestReceived) and event.request.method == "INFO":
            if event.request.content_type == WORDS:
                assert event.session is not None
                self.words.append((event.session, json.loads(event.request.text)))
            else:
                self.digits.append(event.request.text)
            if self.info_status:
                self.ua.respond(event.key, self.info_status, now)
        elif isinstance(event, RequestReceived) and event.request.method == "OPTIONS":
            status = self.options_status if event.session in self.ua.sessions() else 481
            self.ua.respond(event.key, status, now, headers=[("Server", self.server)])
        elif isinstance(event, RequestReceived) and event.request.method == "REFER":
            self.refers.append(event)
            if self.refer_status:
                self.ua.respond(event.key, self.refer_status, now)
        elif isinstance(event, InviteReceived):
            self._invited(event, now)
        elif isinstance(event, OfferReceived) and self.offers != "keep":
            self._offered(event, now)
        elif isinstance(event, AnswerReceived):
            self.engine.perform(ApplyAnswer("apply", event.session, event.answer))

    def _register(self, event: RequestReceived, now: Now) -> None:
        verdict = self.digest.check(event.request, now, proxy=False)
        if self.register_status != 200:
            self.ua.respond(event.key, self.register_status, now)
        elif verdict.outcome is Outcome.OK:
            self.registers.append(event.request.headers.get("Expires") or "")
            contact = event.request.headers.get("Contact") or ""
            self.contact = contact.partition(">")[0].lstrip("<")
            self.flow = event.flow
            self.ua.respond(event.key, 200, now, headers=[("Contact", contact)])
        elif verdict.outcome is Outcome.WRONG:
            self.ua.respond(event.key, 403, now)
        else:
            self.ua.respond(event.key, 401, now, headers=self.digest.challenge(now, proxy=False))

    def _invited(self, event: InviteReceived, now: Now) -> None:
        if self.challenge_invites and "Proxy-Authorization" not in event.request.headers:
            self.ua.reject(event.session, 407, now, headers=self.digest.challenge(now, proxy=True))
        elif event.replaces is not None:
            self._taken_over(event, now)
        else:
            self.invites.append(event)

    def _taken_over(self, event: InviteReceived, now: Now) -> None:
        assert event.replaces is not None, "it says whose place it takes"
        self.takeovers.append(event)
        if self.takeover_status == 200:
            self._moved[event.replaces] = event.session
            self.take(event)
        elif self.takeover_status:
            self.ua.reject(event.session, self.takeover_status, now)

    def at(self, session: str) -> str:
        """The session in which a call goes on that began in this one: it may have been taken over."""
        while session in self._moved:
            session = self._moved[session]
        return session

    def _offered(self, event: OfferReceived, now: Now) -> None:
        if self.offers == "answer":
            assert event.offer is not None
            self.ua.answer(event.session, self.answer_to(event.session, event.offer), now)
        else:
            self.ua.refuse(event.session, int(self.offers), now)

    # What a test has it do

    def answer_to(self, media: str, offer: str, direction: Direction | None = None) -> str:
        self.engine.perform(CreateAnswer("answer", media, offer, direction or self.direction))
        answer = next(event for event in reversed(self.made) if isinstance(event, AnswerCreated))
        return answer.sdp

    def offer(self, media: str, direction: Direction = Direction.SENDRECV) -> str:
        self.engine.perform(CreateOffer("offer", media, direction))
        made = next(event for event in reversed(self.made) if isinstance(event, OfferCreated))
        return made.sdp

    def take(self, invite: InviteReceived) -> None:
        """200 to a call of the agent."""
        assert invite.offer is not None
        answer = self.answer_to(invite.session, invite.offer)
        self.ua.accept(invite.session, answer, self.now(), contact=self._self())

    def call(
        self,
        *,
        user: str = "5551234",
        name: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        offerless: bool = False,
    ) -> str:
        """Call the agent; gives the session."""
        session = f"in-{len(self.events)}-{user}"
        caller = Address.parse(f"<sip:{user}@pbx>")
        return self.ua.invite(
            self.contact,
            None if offerless else self.offer(session),
            self.now(),
            headers=headers,
            session=session,
            flow=self.flow,
            from_=Address(name, caller.uri),
            contact=self._self(),
        )

    def rebind(self) -> None:
        """Reach the agent over its new connection in the calls that are up."""
        for session in self.ua.sessions():
            self.ua.rebind(session, self.flow)

    def report(self, status: int, *, phrase: str | None = None, over: bool | None = None) -> None:
        """NOTIFY the last REFER."""
        refer = self.refers[-1]
        assert refer.session is not None
        self.ua.notify(refer.session, refer.request.cseq.number, status, self.now(), phrase=phrase, over=over)

    def bye(self, session: str, reason: str | None = 'Q.850;cause=16;text="NORMAL_CLEARING"') -> None:
        """End a call with a Reason."""
        self.ua.hangup(self.at(session), self.now(), headers=[] if reason is None else [("Reason", reason)])

    def display(self, session: str, number: str, *, attended: bool = False) -> None:
        """Tell who the other party is now, as FreeSWITCH does."""
        headers = [("Content-Type", "message/update_display"), ("X-FS-Display-Name", "Outbound Call")]
        headers.append(("X-FS-Display-Number", number))
        if attended:
            headers.append(("X-FS-Attended-Transfer", "true"))
        self.ua.info(self.at(session), "message/update_display", "", self.now(), headers=headers)

    def word(self, event: str, session: str | None = None) -> tuple[str, Json]:
        """The last word of that name from the agent: its session, and what it says."""
        return next(each for each in reversed(self.words) if each[1]["event"] == event and session in (None, each[0]))

    def say(self, session: str, event: str, **word: Any) -> None:
        """A word in a session of ours."""
        self.ua.info(self.at(session), WORDS, json.dumps({"event": event, **word}), self.now())

    def conference(self, session: str, *members: str, reason: str, id: str | None = None, **dialog: Any) -> None:
        """Tell a member who is in its conference: `1000`, `555c` (the customer), `1001h` (held), `1001m` (muted)."""
        listed = [
            {"ext": each.rstrip("chm"), "held": "h" in each, "muted": "m" in each, "customer": "c" in each}
            for each in members
        ]
        more = {"conference": {"name": "room"}, "members": listed}
        named = {} if id is None else {"id": id}
        self.say(session, "CONFERENCE", reasonCode=reason, dialog=dialog, additionalAttributes=more, **named)

    def message(self, body: str | bytes | Json, user: str | None = "5551234", host: str = "pbx") -> None:
        """A MESSAGE outside of dialogs; without a user it is the server's own."""
        text = json.dumps(body) if isinstance(body, dict) else body if isinstance(body, str) else body.decode("latin-1")
        self.ua.request(
            "MESSAGE",
            self.contact,
            self.now(),
            flow=self.flow,
            from_=Address.parse(f"<sip:{host}>" if user is None else f"<sip:{user}@{host}>"),
            contact=self._self(),
            content_type="text/plain",
            body=text,
        )

    def messages(self) -> list[tuple[str, Json]]:
        """The MESSAGEs of the agent: to whom, and what they say."""
        return [
            (str(event.request.target.user), json.loads(event.request.text))
            for event in self.events
            if isinstance(event, RequestReceived) and event.request.method == "MESSAGE"
        ]

    def ended(self, session: str) -> SessionEnded | None:
        return next((e for e in self.events if isinstance(e, SessionEnded) and e.session == self.at(session)), None)

    def _self(self) -> Address:
        return Address.parse(f"<sip:{'mod_sofia@' if self.server == 'FreeSWITCH' else ''}pbx:5060;transport=ws>")


class Desk:
    """The agent's side: an `AgentSession` with its null engine, and all that desks hear of it."""

    def __init__(
        self, network: Network, settings: AgentSettings, password: str, extension: str, name: str, journal: bool = False
    ) -> None:
        self.network = network
        self.timers = Timers()
        self.ready: set[str] = set()
        self.settings = settings
        self.session = AgentSession(
            settings, extension, password, timers=self.timers, ids=SeededIds(5), ready=self.ready, journal=journal
        )
        self._set_up(name)

    def _set_up(self, name: str) -> None:
        self.events: list[Json] = []
        self.replies: list[tuple[str | None, Json]] = []
        self.finished: list[Finished] = []
        self.audits: list[Audit] = []
        self.kept: list[Persist] = []
        self.engine = NullEngine()
        self.engine.start(lambda event: self.session.receive(event, self.network.now()))
        self.requests: list[EngineRequest] = []
        self.media: set[str] = set()
        self.deaf_engine = False
        """Do not answer requests."""
        self.fail_next: dict[type, str] = {}
        """Fail the next request of a type with that code."""
        self._ids = 0
        self._position = 0
        self.host = self.network.add(name, self, timers=self.timers)

    def take_over(self, session: AgentSession, timers: Timers, name: str) -> None:
        """Go on with a restored session."""
        self.session, self.timers = session, timers
        self._set_up(name)

    def receive(self, given: FlowInput, now: Now) -> None:
        self.session.receive(given, now)

    def outputs(self) -> list[FlowOutput]:
        out: list[FlowOutput] = []
        while items := self.session.outputs():
            for item in items:
                if isinstance(item, OpenFlow | Send | Probe | CloseFlow):
                    out.append(item)
                else:
                    self._perform(item)
        return out

    def _perform(self, output: EngineRequest | Publish | Reply | Finished | Audit | Persist) -> None:
        if isinstance(output, Publish):
            self.events.append(json.loads(codec.encode(output.event)))
        elif isinstance(output, Reply):
            self.replies.append((output.origin, json.loads(codec.encode(output.message))))
        elif isinstance(output, Finished):
            self.finished.append(output)
        elif isinstance(output, Audit):
            self.audits.append(output)
        elif isinstance(output, Persist):
            self.kept.append(output)
        else:
            self._ask_engine(output)

    def _ask_engine(self, request: EngineRequest) -> None:
        self.requests.append(request)
        if isinstance(request, CreateOffer | CreateAnswer):
            self.media.add(request.media)
        elif isinstance(request, CloseMedia):
            self.media.discard(request.media)
        code = self.fail_next.pop(type(request), None)
        if code is not None:
            failed = EngineFailed(getattr(request, "id", ""), request.media, code, f"because {code}")
            self.session.receive(failed, self.network.now())
        elif not self.deaf_engine:
            self.engine.perform(request)

    # Commands

    def send(self, action: str, /, id: str | None = None, origin: str = "desk", **parameter: Any) -> None:
        """A command as JSON, without waiting for what comes of it."""
        text = json.dumps({"action": action, "parameter": parameter, **({} if id is None else {"id": id})})
        now = self.network.now()
        try:
            command = codec.decode_command(text)
        except codec.CommandRefused as refused:
            self.session.refuse(refused, origin, now)
        else:
            self.session.command(command, origin, now)

    def ask(self, action: str, /, origin: str = "desk", **parameter: Any) -> str:
        """A command with an id of its own; gives the id."""
        self._ids += 1
        self.send(action, id=f"c{self._ids}", origin=origin, **parameter)
        return f"c{self._ids}"

    def do(self, action: str, /, within: float = 0.0, **parameter: Any) -> Json:
        """A command, and its result after `within` seconds."""
        asked = self.ask(action, **parameter)
        self.network.run(within)
        return self.result(asked)

    def done(self, action: str, /, within: float = 0.0, **parameter: Any) -> Json:
        result = self.do(action, within, **parameter)
        assert result["status"] == "done", result
        return result

    def failed(self, action: str, /, within: float = 0.0, **parameter: Any) -> Json:
        """A command that must fail; gives the error of its result."""
        result = self.do(action, within, **parameter)
        assert result["status"] == "failed", result
        error: Json = result["error"]
        return error

    def result(self, asked: str) -> Json:
        """The one result of a command."""
        results = self.results(asked)
        assert len(results) == 1, f"{asked} has {results}\n{self.network.ladder()}"
        return results[0]

    def results(self, asked: str) -> list[Json]:
        return [told for _, told in self.replies if told["event"] == "commandResult" and told["id"] == asked]

    # Events

    def news(self) -> list[Json]:
        """The events since the last look."""
        fresh = self.events[self._position :]
        self._position = len(self.events)
        return fresh

    def heard(self) -> list[str]:
        """The same, each in short: its name and what it says."""
        return [short(event) for event in self.news()]

    def dialog(self, id: str | None = None) -> Json:
        """The last record that was told, of that dialog or of any."""
        for event in reversed(self.events):
            dialog = event.get("response", {}).get("dialog")
            if dialog and id in (None, dialog["id"]):
                found: Json = dialog
                return found
        raise AssertionError(f"no dialog {id}")


def short(event: Json) -> str:
    """`dialogState HELD`, `Error hold-refused`, `agentInfo LOGIN`, `DTMF 1`."""
    if "response" not in event:
        told = event["dialog"]
        return f"{event['event']} {event['status']} {told['eventRequest']} {told['streamStatus']}"
    response = event["response"]
    dialog = response.get("dialog")
    if "dialog" in response:
        return f"{event['event']} {dialog['state'] if dialog else None}"
    what = response.get("code", response.get("state", response.get("type", "")))
    return f"{event['event']} {what}".rstrip()


class Bench:
    """A network with a server and one agent."""

    def __init__(
        self,
        password: str = PASSWORD,
        extension: str = "1000",
        displays: bool = True,
        journal: bool = False,
        **settings: Any,
    ) -> None:
        self.network = Network(seed=3)
        self.pbx = Pbx(displays=displays)
        self.pbx.now = self.network.now
        self.pbx_host = self.network.add("pbx", self.pbx, url=URL, timers=self.pbx.timers)
        self.desk = Desk(
            self.network, AgentSettings(servers=(URL,), domain="pbx", **settings), password, extension, "agent", journal
        )

    def run(self, seconds: float = 0.0) -> None:
        self.network.run(seconds)

    def login(self) -> None:
        self.desk.done("login", extension="1000", password=PASSWORD)
        self.desk.news()

    def dial(self, number: str = "5559999") -> InviteReceived:
        """A call of the agent, as far as its INVITE at the server."""
        before = len(self.pbx.invites)
        self.desk.send("makeCall", calledNumber=number, Destination_Number="800", callType="audio")
        self.run()
        assert len(self.pbx.invites) == before + 1
        return self.pbx.invites[-1]

    def talk(self, number: str = "5559999") -> tuple[str, str]:
        """A call of the agent that is up: dialog id, and the server's session."""
        invite = self.dial(number)
        self.pbx.take(invite)
        self.run()
        self.desk.news()
        return str(self.desk.dialog()["id"]), invite.session

    def rings(self, **call: Any) -> tuple[str, str]:
        """A call to the agent: dialog id, and the server's session."""
        session = self.pbx.call(**call)
        self.run()
        return str(self.desk.dialog()["id"]), session

    def answers(self, *, joined: bool = True, **call: Any) -> tuple[str, str]:
        """A call to the agent that it answers; `joined`: the server says that it has bridged it."""
        dialog, session = self.rings(**call)
        self.desk.done("answerCall", dialogId=dialog)
        if joined:
            self.pbx.display(session, self.desk.dialog(dialog)["fromAddress"])
            self.run()
        self.desk.news()
        return dialog, session

    def consults(self, action: str = "makeConsult", ring: int | None = 180, **parameter: Any) -> InviteReceived:
        """A consult of the agent, as far as its INVITE (and what it rings) at the server."""
        before = len(self.pbx.invites)
        given = {"numberToConsult": "1002"} if action == "makeConsult" else {}
        self.desk.send(action, **{**given, **parameter})
        self.run()
        assert len(self.pbx.invites) == before + 1
        invite = self.pbx.invites[-1]
        if ring is not None:
            self.pbx.ua.ring(invite.session, self.network.now(), status=ring)
            self.run()
        return invite

    def pair(self, *, answered: bool = True) -> tuple[str, str, str, str]:
        """A customer on hold and a consult that is up (or rings): their dialog ids and the server's sessions."""
        customer, session = self.answers(user="5551234", headers=(("X-Destination-Number", "800"),))
        invite = self.consults()
        consult = str(self.desk.dialog()["id"])
        if answered:
            self.pbx.take(invite)
        self.run(1)
        self.desk.news()
        return customer, session, consult, invite.session

    def restart(self) -> None:
        """The agent's process dies, and another one goes on from its snapshot."""
        snapshot = json.loads(json.dumps(self.desk.session.snapshot(self.network.now())))
        self.network.remove(self.desk.host)
        self.run(0.1)
        timers, now = Timers(), self.network.now()
        again = AgentSession.restore(
            snapshot, self.desk.settings, PASSWORD, timers=timers, ids=SeededIds(99), now=now, ready=self.desk.ready
        )
        self.desk.take_over(again, timers, "agent, again")
        self.run(1)
        self.pbx.rebind()
        self.desk.news()

    def nothing_left(self) -> None:
        """After logout: no call, no media, no timer, no flow."""
        desk = self.desk
        assert [finished.extension for finished in desk.finished] == [desk.session.extension]
        assert desk.session.over
        assert desk.session.dialogs == ()
        assert desk.media == set()
        assert desk.timers.next() is None
        assert desk.host.flows == {}


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench() -> MakeBench:
    return Bench


@pytest.fixture
def bench() -> Bench:
    """An agent that is logged in."""
    made = Bench()
    made.login()
    return made
