"""A gateway of the simulation: a hub with its engine, what its journal kept, and that it may be killed at any moment.

    gateway = Gateway(network, "gateway", settings, seed=1)
    name = gateway.connect(page)           # page.hear(message), page.closed()
    gateway.say(name, {"action": "login", ...})
    gateway.kill(); gateway.begin()        # another process goes on from the journal

Nothing of a killed process is left but the journal, and what had gone out on the network.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from offhook.clock import Now
from offhook.cti import codec
from offhook.cti.agent import AgentSession
from offhook.gateway.interface import (
    CloseConnection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReceived,
    HubSettings,
    Restore,
    Tell,
)
from offhook.gateway.sessions import Hub
from offhook.journal.entries import Keep, Kept, Told
from offhook.media.engine import (
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    EngineEvent,
    EngineFailed,
    EngineRequest,
    GetStats,
    MediaLost,
    SendDigits,
)
from offhook.media.null import NullEngine
from offhook.ordered import Ordered
from offhook.sip.flow import CloseFlow, FlowOutput, OpenFlow, Probe, Send
from offhook.testing.clock import SeededIds
from offhook.testing.network import Network

Json = dict[str, Any]
KEEP_EVENTS = 1000
"""Of an agent, as the journal keeps them."""


class Listener(Protocol):
    """Who is at the other end of a connection."""

    def hear(self, message: Json) -> None: ...

    def closed(self) -> None: ...


@dataclass(slots=True)
class _Row:
    keep: Keep
    events: deque[tuple[float, bytes]] = field(default_factory=lambda: deque(maxlen=KEEP_EVENTS))


class Journal:
    """What is on the disk. It outlives the process, and fences one out that has lost an agent."""

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}

    def write(self, entry: object) -> None:
        if isinstance(entry, Told):
            row = self.rows.get(entry.extension)
            if row is not None:
                row.events.append((entry.wall, entry.event))
        elif isinstance(entry, Keep):
            if entry.record is None:
                self.rows.pop(entry.extension, None)
                return
            row = self.rows.get(entry.extension)
            if row is None:
                self.rows[entry.extension] = _Row(entry)
                return
            kept = row.keep
            newer = entry.epoch > kept.epoch or (entry.epoch == kept.epoch and entry.owner == kept.owner)
            assert newer, f"agent {entry.extension}: epoch {entry.epoch} of {entry.owner} after {kept.epoch}"
            row.keep = entry

    def read(self) -> tuple[Kept, ...]:
        found = []
        for extension, row in sorted(self.rows.items()):
            keep = row.keep
            assert keep.record is not None, "such are not kept"
            found.append(Kept(extension, keep.owner, keep.epoch, keep.record, tuple(row.events)))
        return tuple(found)


class Gateway:
    """See the module. `dialogs`: of each SIP Call-ID that an agent's call had, whose and which dialog it is."""

    def __init__(self, network: Network, name: str, settings: HubSettings, seed: int) -> None:
        self.network = network
        self.name = name
        self.journal = Journal()
        self.dialogs: dict[str, tuple[str, str]] = {}
        self.consults: dict[str, str] = {}
        """Of each consult of an agent's own the dialog of its customer."""
        self.process: Process | None = None
        self.lives = 0
        self.settings = settings
        self.seed = seed
        self.begin()

    def begin(self) -> None:
        """A process, from what the journal has."""
        assert self.process is None, "one is there"
        self.lives += 1
        self.process = Process(self)
        self.process.start()

    def kill(self, *, at_the_disk: bool = False) -> None:
        """kill -9: now, or (`at_the_disk`) when next something is on the disk and nothing of it has gone out."""
        if self.process is not None:
            if at_the_disk:
                self.process.doomed = True
            else:
                self.process.die()

    def connect(self, listener: Listener) -> str | None:
        """A connection; None while there is no process."""
        return None if self.process is None else self.process.connect(listener)

    def say(self, connection: str, message: Json) -> None:
        if self.process is not None and connection in self.process.listeners:
            self.network.give(self.process.host, ConnectionReceived(connection, json.dumps(message)))

    def disconnect(self, connection: str) -> None:
        if self.process is not None and self.process.listeners.pop(connection, None) is not None:
            self.network.give(self.process.host, ConnectionClosed(connection))

    # What the promises are held against: for that it looks inside

    def session(self, extension: str) -> AgentSession | None:
        """Of an agent that is not about to go."""
        agent = None if self.process is None else self.process.hub._agents.get(extension)
        return None if agent is None or agent.leaving else agent.session

    def flow(self, extension: str) -> str | None:
        """The agent's flow to the server."""
        if self.process is None:
            return None
        hub, host = self.process.hub, self.process.host
        return next((flow for flow in host.flows if hub.extension_of(flow) == extension), None)


class Process:
    """One life of a gateway; a node of the network."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.mood = "well"
        """How the engine does: well, deaf or late."""
        self.doomed = False
        self.media: dict[str, None] = {}
        self.listeners: dict[str, Listener] = {}
        self._opened = 0
        self._name = f"{gateway.name}-{gateway.lives}"
        ids = SeededIds(gateway.seed * 1000 + gateway.lives)
        self.hub = Hub(gateway.settings, ids=ids)
        self._slow = SeededIds(gateway.seed * 1000 + gateway.lives + 500)
        self.engine = NullEngine(keep=1)
        self.engine.start(self._outcome)
        self.host = gateway.network.add(self._name, self, timers=self.hub.timers)

    def start(self) -> None:
        if rows := self.gateway.journal.read():
            self.hub.receive(Restore(rows, ()), self.gateway.network.now())

    @property
    def alive(self) -> bool:
        return self.gateway.process is self

    def die(self) -> None:
        self.gateway.process = None
        self.gateway.network.remove(self.host)
        listeners, self.listeners = self.listeners, {}
        for listener in listeners.values():
            listener.closed()

    def connect(self, listener: Listener) -> str:
        self._opened += 1
        name = f"{self._name}.{self._opened}"
        self.listeners[name] = listener
        self.gateway.network.give(self.host, ConnectionOpened(name))
        return name

    # The node

    def receive(self, given: Any, now: Now) -> None:
        self.hub.receive(given, now)

    def outputs(self) -> list[FlowOutput]:
        out: list[FlowOutput] = []
        while self.alive and (items := self.hub.outputs()):
            for item in items:
                if isinstance(item, Ordered):
                    self._ordered(item, out)
                else:
                    self._perform(item, out)
                if not self.alive:
                    return []
            self._note_dialogs()
        return out

    def _ordered(self, ordered: Ordered, out: list[FlowOutput]) -> None:
        for entry in ordered.entries:
            self.gateway.journal.write(entry)
        if self.doomed and any(isinstance(entry, Keep) for entry in ordered.entries):
            self.die()
            return
        for output in ordered.outputs:
            self._perform(output, out)

    def _perform(self, output: object, out: list[FlowOutput]) -> None:
        if isinstance(output, OpenFlow | Send | Probe | CloseFlow):
            out.append(output)
        elif isinstance(output, Tell):
            message = json.loads(codec.encode(output.message))
            for connection in output.connections:
                if (listener := self.listeners.get(connection)) is not None:
                    listener.hear(message)
        elif isinstance(output, CloseConnection):
            raise AssertionError(f"the gateway closes {output.connection}: {output.reason}")
        elif isinstance(output, EngineRequest):
            self._engine(output)

    def _engine(self, request: EngineRequest) -> None:
        if isinstance(request, CreateOffer | CreateAnswer):
            self.media[request.media] = None
        elif isinstance(request, CloseMedia):
            self.media.pop(request.media, None)
        wants = isinstance(request, CreateOffer | CreateAnswer | ApplyAnswer | SendDigits | GetStats)
        if self.mood in ("well", "late") or not wants:
            self.engine.perform(request)
        elif self.mood != "deaf":
            failed = EngineFailed(getattr(request, "id", ""), request.media, self.mood, f"because {self.mood}")
            self.hub.receive(failed, self.gateway.network.now())

    def _outcome(self, event: EngineEvent) -> None:
        if self.mood == "late":
            self.gateway.network.give(self.host, event, 0.1 + 3.0 * self._slow.fraction())
        else:
            self.hub.receive(event, self.gateway.network.now())

    def lose_media(self, media: str) -> None:
        """The path of that media session is dead."""
        self.gateway.network.give(self.host, MediaLost(media, "nothing comes"))

    def _note_dialogs(self) -> None:
        """Which dialog goes by which Call-ID: they change when a call is taken over."""
        dialogs = self.gateway.dialogs
        for extension, agent in self.hub._agents.items():
            work = agent.session._work
            for call in work.calls.values():
                if call.customer is not None:
                    self.gateway.consults[call.id] = call.customer.id
                follows = None if call.recovery is None else call.recovery.session
                for name in (call.session, follows):
                    session = work.ua._endpoint.sessions.get(name or "")
                    if session is not None:
                        dialogs[session.call_id] = (extension, call.id)
