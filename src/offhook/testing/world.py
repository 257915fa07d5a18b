"""Some agents, a server and a network in virtual time: what random courses of things are run on, and judged by.

    world = World("switch", "efcx", seed=7)        # or "wild": a server that answers anything
    world.desks[0].command("makeCall", {...}); world.run(0.5)
    world.finish()                                 # all calls end, nothing is left, everybody calls and is called again

At each `run` each agent is held against its `Ledger`, and against itself: what its desks were told is how it is, and
each command without an outcome has a timer or waits behind one that has. For that alone it looks into the session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sized
from random import Random
from typing import Any

from offhook.clock import Now, Timers
from offhook.cti import codec
from offhook.cti.agent import AgentSession, AgentSettings, Finished, Publish, Reply
from offhook.cti.presence import OUTAGE_TIMER, Standing
from offhook.cti.stream import Audit, Persist
from offhook.media.engine import (
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    GetStats,
    SendDigits,
)
from offhook.media.null import NullEngine
from offhook.sip.flow import CloseFlow, FlowInput, FlowOutput, OpenFlow, Probe, Send
from offhook.switch.core import HangUp, Originate, SwitchNode
from offhook.switch.directory import Directory
from offhook.switch.exchange import SwitchOutput
from offhook.switch.wording import SwitchSettings
from offhook.testing.clock import SeededIds, VirtualClock
from offhook.testing.ledger import Ledger
from offhook.testing.network import Conditions, Network
from offhook.testing.wild import WildServer

URL = "ws://pbx"
PASSWORD = "1234"
DECIDED = 48.0
"""After so many seconds a command that waits for nothing has its outcome: 40, and what an outage and a logout take."""
ALL_OVER = 700.0
"""After so many seconds nothing is under way any more; who asked for a transfer is listened to for 600."""


class Desk:
    """An agent's session and its engine, what its desks are told, and whether that is as it should be."""

    def __init__(self, world: World, settings: AgentSettings, extension: str, seed: int) -> None:
        self.world = world
        self.settings = settings
        self.extension = extension
        self.ledger = Ledger(extension)
        self.past: list[str] = []
        """Dialog ids that were live once."""
        self.mood = "well"
        """How the engine does: well, deaf, late, or the code with which it fails."""
        self.media: set[str] = set()
        self.finished = False
        self.lives = 0
        self.asked = 0
        self.seed = seed
        self._begin()

    def _begin(self, snapshot: Any = None) -> None:
        """A new session; it takes the place of the old one."""
        self.lives += 1
        self.timers = Timers()
        ids = SeededIds(self.seed * 1000 + self.lives)
        self.engine = NullEngine(keep=1)
        self.engine.start(self._outcome)
        self.media.clear()
        self.finished = False
        now = self.world.network.now()
        if snapshot is None:
            self.session = AgentSession(self.settings, self.extension, PASSWORD, timers=self.timers, ids=ids)
        else:
            self.session = AgentSession.restore(snapshot, self.settings, PASSWORD, timers=self.timers, ids=ids, now=now)
        self.host = self.world.network.add(f"agent{self.extension}-{self.lives}", self, timers=self.timers)

    def restart(self) -> None:
        """The process dies, and another one goes on from what the last one wrote down."""
        snapshot = json.loads(json.dumps(self.session.snapshot(self.world.network.now())))
        self.world.network.remove(self.host)
        self.ledger.forget()
        self._begin(snapshot)

    def again(self) -> None:
        """A session that is over is forgotten; the next login makes another one."""
        self.ledger.quiet()
        self.ledger.fresh()
        self.world.network.remove(self.host)
        self._begin()

    # The node

    def receive(self, given: FlowInput | EngineEvent, now: Now) -> None:
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
            event = json.loads(codec.encode(output.event))
            self.ledger.published(event)
            dialog = event.get("response", {}).get("dialog")
            if dialog and dialog["state"] == "DROPPED":
                self.past.append(dialog["id"])
        elif isinstance(output, Reply):
            told = json.loads(codec.encode(output.message))
            self.ledger.replied(output.origin, told, self.world.network.now().monotonic)
        elif isinstance(output, Finished):
            assert not self.finished, "finished twice"
            self.finished = True
        elif not isinstance(output, Audit | Persist):
            self._engine(output)

    def _engine(self, request: EngineRequest) -> None:
        if isinstance(request, CreateOffer | CreateAnswer):
            self.media.add(request.media)
        elif isinstance(request, CloseMedia):
            self.media.discard(request.media)
        wants = isinstance(request, CreateOffer | CreateAnswer | ApplyAnswer | SendDigits | GetStats)
        if self.mood in ("well", "late") or not wants:
            self.engine.perform(request)
        elif self.mood != "deaf":
            failed = EngineFailed(getattr(request, "id", ""), request.media, self.mood, f"because {self.mood}")
            self.session.receive(failed, self.world.network.now())

    def _outcome(self, event: EngineEvent) -> None:
        if self.mood == "late":
            self.world.network.give(self.host, event, self.world.chance.choice((0.1, 3.0, 12.0)))
        else:
            self.session.receive(event, self.world.network.now())

    # Commands

    def command(self, action: str, parameter: dict[str, Any], origin: str = "desk", *, named: bool = True) -> str:
        """Give a command; gives its id."""
        self.asked += 1
        self.world.steps += 1
        id = f"c{self.asked}"
        if self.finished:
            self.again()
        text = json.dumps({"action": action, "parameter": parameter, **({"id": id} if named else {})})
        now = self.world.network.now()
        if named:
            self.ledger.asked(id, action, origin, now.monotonic)
        try:
            command = codec.decode_command(text)
        except codec.CommandRefused as refused:
            self.session.refuse(refused, origin, now)
        else:
            self.session.command(command, origin, now)
        return id

    def states(self) -> dict[str, str]:
        """The live dialogs that were told, as they were told last."""
        return {id: call.state for id, call in self.ledger.live.items()}

    # What holds at each instant

    def check(self) -> None:
        """What desks were told is how it is; and each command without an outcome has a timer, or waits behind one."""
        session = self.session
        true = {dialog.id: dialog.state for dialog in session.dialogs}
        told = self.states()
        assert true == told, f"{self.extension}: desks were told {told}, but it is {true}"
        work, presence = session._work, session._presence
        behind = set()
        for call in work.calls.values():
            assert call.task is None or call.task.ticket.closed or self._runs(call.task.ticket), "a task has no timer"
            assert call.task is not None or not call.tasks or call.recovery, "commands wait, and none runs"
            for task in (call.task, *call.tasks):
                if task is not None:
                    behind |= {task.ticket, task.part_of}
        if presence.waiting:
            assert work.timers.is_set(session, OUTAGE_TIMER), "commands wait for an outage to end or to be told"
            behind.update(presence.waiting)
        for ticket in work.outcomes.open.values():
            assert ticket in behind or self._runs(ticket), f"nothing ends {ticket.command.action}"

    def _runs(self, ticket: Any) -> bool:
        work = self.session._work
        return bool(work.timers.is_set(self.session, ticket.timer))

    def nothing_left(self) -> None:
        """No call, and nothing of one."""
        self.ledger.quiet()
        work, presence = self.session._work, self.session._presence
        left: dict[str, Sized] = {
            "calls": work.calls,
            "sessions": work.sessions,
            "asked": work.asked,
            "tickets": work.outcomes.open,
            "commands": presence.waiting,
            "probes": self.session._controller._probes,
            "SIP sessions": work.ua.sessions(),
            "media": self.media,
        }
        assert not any(left.values()), f"{self.extension}: left are { ({k: len(v) for k, v in left.items() if v}) }"
        owned = [name for owner, name in work.timers._live if owner == id(self.session)]
        assert not owned, f"{self.extension}: timers are left: {owned}"


class Node:
    """The development switch with its engine, as a node."""

    def __init__(self, chance: Random, server: str, now: Callable[[], Now], directory: Directory | None = None) -> None:
        settings = SwitchSettings(
            domain="pbx",
            server="efcx" if server == "efcx" else "freeswitch",
            confirm_blind_transfer=chance.random() < 0.6,
        )
        self.node = SwitchNode(settings, directory or Directory.sample(), ids=SeededIds(chance.getrandbits(32)))
        self.timers = self.node.timers
        self.engine = NullEngine(flavour="freeswitch", keep=1)
        self.media: set[str] = set()
        self._now = now
        self._told: list[EngineEvent] = []
        self.engine.start(self._told.append)

    def receive(self, given: Any, now: Now) -> None:
        self.node.receive(given, now)

    def outputs(self) -> list[FlowOutput]:
        out: list[FlowOutput] = []
        while items := self.node.outputs():
            for item in items:
                if isinstance(item, Send):
                    out.append(item)
                elif isinstance(item, EngineRequest):
                    if isinstance(item, CreateOffer | CreateAnswer):
                        self.media.add(item.media)
                    elif isinstance(item, CloseMedia):
                        self.media.discard(item.media)
                    self.engine.perform(item)
                else:
                    self.heard(item)
            told, self._told[:] = list(self._told), []
            for event in told:
                self.node.receive(event, self._now())
        return out

    def heard(self, event: SwitchOutput) -> None:
        """News of the switch that is for nobody here."""


class Clock(VirtualClock):
    """The wall clock may be set, forth and back."""

    def jump(self, seconds: float) -> None:
        self._offset += seconds


class World:
    """Some agents, one server, and what happens. `kind`: wild or switch; `dialect`."""

    def __init__(self, kind: str, dialect: str, seed: int) -> None:
        self.kind = kind
        self.chance = chance = Random(seed)
        self.clock = Clock()
        self.network = Network(seed=seed, conditions=Conditions(delay=0.01, jitter=0.01), clock=self.clock)
        if kind == "wild":
            self.wild = WildServer(self.network.now)
            self.server = self.network.add("pbx", self.wild, url=URL)
            extensions = ["1000", "1009"]
        else:
            self.node = Node(chance, dialect, self.network.now)
            self.server = self.network.add("pbx", self.node, url=URL, timers=self.node.timers)
            extensions = ["1000", "1001", "1002", "1009"]
        settings = AgentSettings(
            servers=(URL,),
            domain="pbx",
            dialect=dialect,
            dtmf=chance.choice(("info", "info", "rtp")),
            call_waiting=chance.choice(("announce", "announce", "announce", "busy")),
            max_calls=chance.choice((8, 8, 3)),
            max_waiting_commands=chance.choice((16, 2)),
            trust_auto_answer=chance.random() < 0.3,
            supervisors=frozenset({"1009"}),
        )
        self.desks = [Desk(self, settings, each, at) for at, each in enumerate(extensions, seed % 100 * 10)]
        self.calls = 0
        self.steps = 0
        """Commands that were given, and whatever else the owner counts."""
        self.login()
        self.steps = 0

    def login(self) -> None:
        for desk in self.desks:
            desk.command("login", {"extension": desk.extension, "password": PASSWORD})
        self.run(0.5)

    def run(self, seconds: float) -> None:
        self.network.run(seconds)
        for desk in self.desks:
            desk.check()
        del self.network.messages[:-40]

    # The end

    def well(self) -> None:
        """The network, the server and the engines do as they should."""
        self.network.heal(self.server)
        for desk in self.desks:
            self.network.heal(desk.host)
            desk.mood = "well"
            desk.session.unpark(self.network.now())
        self.network.conditions = Conditions(delay=0.01, jitter=0.01)
        if self.kind == "wild":
            self.wild.deaf, self.wild.kindness, self.wild.register = False, 1.0, 200

    def finish(self) -> None:
        """All calls end, each by somebody; then nothing is left, and each agent makes and takes another call."""
        self.well()
        self.run(DECIDED)
        for number, desk in enumerate(self.desks):
            for id in desk.states():
                if number % 2 == 0:
                    desk.command("releaseCall", {"dialogId": id})
        self.hang_up()
        self.run(DECIDED)
        self.login()
        # Of a call whose BYE went to a connection that was lost an agent never hears: it is for the agent to end it.
        for desk in self.desks:
            for id in desk.states():
                desk.command("releaseCall", {"dialogId": id})
        self.run(DECIDED)
        for desk in self.desks:
            assert not desk.ledger.waiting(), f"{desk.extension}: no outcome of {desk.ledger.waiting()}"
        self.run(ALL_OVER)
        self.login()
        self.run(DECIDED)
        self.nothing_left()
        for desk in self.desks:
            self.one_more(desk)
        self.run(DECIDED)
        self.nothing_left()
        self.leave()

    def hang_up(self) -> None:
        """The other side ends all that is up or rings."""
        if self.kind == "wild":
            for leg in self.wild.legs:
                if leg.invite is not None:
                    self.wild.refuse(leg, 486)
                self.wild.cancel(leg)
                self.wild.bye(leg)
        else:
            for desk in self.desks:
                self.network.give(self.server, HangUp(desk.extension))
            self.network.give(self.server, HangUp("1003"))
        self.network.drain()

    def nothing_left(self) -> None:
        for desk in self.desks:
            assert desk.session._presence.standing is Standing.IN, f"{desk.extension} is not logged in"
            desk.nothing_left()
        if self.kind == "switch":
            node = self.node.node
            left = (node.channels(), node._ua.sessions(), self.node.media, node._exchange._pending)
            assert not any(left), f"left on the switch are {[len(each) for each in left]}"
            assert not node._exchange.listeners, "a listener is left on the switch"

    def one_more(self, desk: Desk) -> None:
        """The agent makes a call, and takes one."""
        number = {"calledNumber": "9196", "Destination_Number": "9196", "callType": "audio"}
        self.is_done(desk, desk.command("makeCall", number))
        assert list(desk.states().values()) == ["ACTIVE"], f"{desk.extension} called: {desk.states()}"
        (call,) = desk.states()
        self.is_done(desk, desk.command("holdCall", {"dialogId": call}))
        self.is_done(desk, desk.command("releaseCall", {"dialogId": call}))
        if self.kind == "wild":
            self.wild.call(desk.extension, "5550001")
        else:
            self.network.give(self.server, Originate(desk.extension))
        self.run(0.5)
        assert list(desk.states().values()) == ["ALERTING"], f"{desk.extension} is called: {desk.states()}"
        (call,) = desk.states()
        self.is_done(desk, desk.command("answerCall", {"dialogId": call}))
        assert desk.states() == {call: "ACTIVE"}
        self.hang_up()
        self.run(0.5)
        assert not desk.states(), f"{desk.extension}: {desk.states()} after the other side hung up"

    def is_done(self, desk: Desk, asked: str) -> None:
        self.network.drain()
        self.run(0.5)
        assert asked not in desk.ledger.waiting(), f"{desk.extension}: {asked} has no outcome"
        assert desk.ledger.last == (asked, "done"), f"{desk.extension}: {desk.ledger.last}"

    def leave(self) -> None:
        for desk in self.desks:
            desk.command("logout", {})
        self.run(DECIDED)
        for desk in self.desks:
            assert desk.finished, f"{desk.extension} never leaves"
            desk.ledger.quiet()
            assert desk.timers.next() is None, f"{desk.extension}: a timer is left"
            assert desk.host.flows == {}, f"{desk.extension}: a flow is left"
