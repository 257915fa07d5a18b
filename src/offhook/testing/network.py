"""A network in memory, under virtual time and out of a seed: the same test runs the same way every time.

    network = Network(seed=1, conditions=Conditions(delay=0.02, jitter=0.01))
    server = network.add("pbx", switch_node, url="ws://pbx")
    phone = network.add("1000", user_agent, timers=timers)      # its Account has servers=("ws://pbx",)
    user_agent.start(network.now())
    phone.expect(Registered)
    network.cut(phone); network.run(30); network.heal(phone)

A node is any pure object that takes `FlowInput` and puts out `FlowOutput` (a user agent, an agent session, the switch,
a scripted peer). Its other outputs are kept as `heard`, or go to a callable of yours.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from offhook.clock import Now, Timers
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowOutput,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.sip.tracing import TracedMessage, draw_ladder
from offhook.testing.clock import SeededIds, VirtualClock

Told = TypeVar("Told")


class NetworkNode(Protocol):
    """A pure object as the network sees it."""

    def receive(self, given: Any, now: Now) -> None: ...

    def outputs(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the network treats messages. Times in seconds, the others shares from 0 to 1.

    `loss`, `duplication` and `reordering` are those of datagrams; a WebSocket has none of them, only delay.
    """

    delay: float = 0.0
    jitter: float = 0.0
    """At most so much is added to the delay of each message; it does not change their order."""
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    """So many are held back until later ones have overtaken them, at most for `held_back`."""
    held_back: float = 0.1


class Host:
    """A node on the network: made by `Network.add`."""

    def __init__(self, network: Network, name: str, node: NetworkNode, timers: Timers) -> None:
        self.network = network
        self.name = name
        self.node = node
        self.timers = timers
        self.heard: deque[Any] = deque()
        """What the node put out beside messages, in order, and nobody has looked at."""
        self.perform: Callable[[Any], None] = self.heard.append
        self.cut = False
        self.frozen: list[Callable[[], None]] | None = None
        """What waits for a process that does not run at the moment (`Network.freeze`); None: it runs."""
        self.flows: dict[str, _End] = {}

    def next(self, kind: type[Told], within: float = 60.0) -> Told:
        """Run until the node has put out something; it must be of that kind."""
        self.network.run_until(lambda: bool(self.heard), within, f"{self.name} to put out {kind.__name__}")
        told = self.heard.popleft()
        self.network.check(isinstance(told, kind), f"{self.name} put out {told!r}, not {kind.__name__}")
        assert isinstance(told, kind)
        return told

    def expect(self, kind: type[Told], within: float = 60.0) -> Told:
        """Run until the node has put out something of that kind; what it put out before is dropped."""

        def there() -> bool:
            while self.heard and not isinstance(self.heard[0], kind):
                self.heard.popleft()
            return bool(self.heard)

        self.network.run_until(there, within, f"{self.name} to put out {kind.__name__}")
        told: Told = self.heard.popleft()
        return told


@dataclass(eq=False, slots=True)
class _End:
    """One end of a flow. `peer` is None while nobody has accepted it."""

    host: Host
    flow: str
    peer: _End | None = None
    opened: bool = False
    stalled: bool = False
    """Nothing passes on this flow, either way, and nobody is told."""
    last_due: float = 0.0
    sent: int = 0
    kept: list[tuple[int, FlowInput]] = field(default_factory=list)
    """What waits for a cut to heal, with its place in the order of sending."""
    under_way: list[tuple[int, FlowInput]] = field(default_factory=list)
    """A heap of what arrives in order, by place."""

    def is_current(self) -> bool:
        """Whether the flow is still this one."""
        return self.host.flows.get(self.flow) is self


@dataclass(eq=False, slots=True)
class _Parcel:
    """Something on its way: the one thing its timer does."""

    arrive: Callable[[], None]

    def handle_timer(self, timer: str, now: Now) -> None:
        self.arrive()


class Network:
    """Connects nodes and runs them. `messages` is the trace of all that was sent, `ladder()` draws it."""

    def __init__(
        self, *, seed: int = 0, conditions: Conditions | None = None, clock: VirtualClock | None = None
    ) -> None:
        self.clock = clock or VirtualClock()
        self.conditions = conditions or Conditions()
        self.messages: list[TracedMessage] = []
        self.hosts: dict[str, Host] = {}
        self._ids = SeededIds(seed)
        self._timers = Timers()
        self._listening: dict[str, Host] = {}
        self._stalled: dict[_End, None] = {}
        self._serial = 0

    def add(
        self,
        name: str,
        node: NetworkNode,
        *,
        url: str | None = None,
        timers: Timers | None = None,
        perform: Callable[[Any], None] | None = None,
    ) -> Host:
        """Put a node on the network; with `url` it accepts flows there, named `NAME-1` and so on.

        `timers` is the heap of the node, `node.timers` where it is not given. `perform` takes those outputs that are no
        `FlowOutput`; without it they are kept in `heard`.
        """
        heap = timers if timers is not None else getattr(node, "timers", Timers())
        host = Host(self, name, node, heap)
        if perform is not None:
            host.perform = perform
        self.hosts[name] = host
        if url is not None:
            self._listening[url] = host
        return host

    def remove(self, host: Host) -> None:
        """End a host like a killed process: its node runs no more, its peers see their flows closed."""
        del self.hosts[host.name]
        for url in [url for url, listener in self._listening.items() if listener is host]:
            del self._listening[url]
        self.reset(host, told=False)

    def reset(self, host: Host, flow: str | None = None, *, told: bool = True) -> None:
        """Break every flow of a host, or that one; both sides are told so (the host only with `told`)."""
        for end in [each for each in host.flows.values() if flow in (None, each.flow)]:
            if not end.opened:
                self._fail(end, "connection reset")
                continue
            del host.flows[end.flow]
            if told:
                self.give(host, FlowClosed(end.flow, "connection reset"))
            assert end.peer is not None
            self._ship(end, FlowClosed(end.peer.flow, "connection reset by the peer"))

    def stall(self, host: Host, flow: str) -> None:
        """Let nothing pass on one flow, as where a NAT has forgotten it; what is sent waits for `heal`."""
        if (end := host.flows.get(flow)) is not None:
            end.stalled = True

    def freeze(self, host: Host) -> None:
        """Stop a process: it takes nothing, does nothing and its timers are late; its flows stay."""
        host.frozen = []

    def thaw(self, host: Host) -> None:
        """Let it run on; all that came meanwhile comes now, in order."""
        waiting, host.frozen = host.frozen or [], None
        for arrive in waiting:
            arrive()

    def cut(self, host: Host) -> None:
        """Pull the cable of a host: nothing arrives, nobody is told. What is sent on open flows waits, as with TCP."""
        host.cut = True

    def heal(self, host: Host) -> None:
        """Put the cable back in: what waited arrives, in order. Its flows that were stalled flow again."""
        host.cut = False
        for end in host.flows.values():
            end.stalled = False
        stalled, self._stalled = self._stalled, {}
        for end in stalled:
            kept, end.kept = sorted(end.kept, key=lambda place: place[0]), []
            for place, given in kept:
                self._ship(end, given, place)

    def give(self, host: Host, given: Any, after: float = 0.0) -> None:
        """Let a node receive something (an engine's event, a command), in its turn or after so many seconds."""

        def arrive() -> None:
            if host.frozen is not None:
                host.frozen.append(arrive)
            elif self.hosts.get(host.name) is host:
                host.node.receive(given, self.now())
                self._drain(host)

        self._timers.set(_Parcel(arrive), "due", self.now().monotonic + after)

    def now(self) -> Now:
        """The instant it is."""
        return self.clock.now()

    def run(self, seconds: float = 0.0) -> None:
        """Let that much time pass; everything that is due happens at its instant."""
        self._run(self.now().monotonic + seconds)

    def run_until(self, done: Callable[[], bool], within: float = 60.0, what: str = "a condition") -> None:
        """Let time pass until `done()`, from one event to the next; AssertionError with the ladder after `within`."""
        limit = self.now().monotonic + within
        self.run()
        while not done():
            upcoming = [at for heap in self._heaps() if (at := heap.next()) is not None and at <= limit]
            self.check(bool(upcoming), f"waited {within:g} s in vain for {what}")
            self._run(min(upcoming))

    def check(self, holds: bool, problem: str) -> None:
        """Raise AssertionError with the problem and the ladder so far, unless it holds."""
        if not holds:
            raise AssertionError(f"{problem}\n\n{self.ladder()}")

    def ladder(self, last: int = 60) -> str:
        """The last messages as a ladder."""
        return draw_ladder(self.messages[-last:])

    def drain(self) -> None:
        """Perform the outputs of all nodes."""
        for host in list(self.hosts.values()):
            self._drain(host)

    def _drain(self, host: Host) -> None:
        if host.frozen is not None:
            return
        for output in host.node.outputs():
            if isinstance(output, OpenFlow | Send | Probe | CloseFlow):
                self._perform(host, output)
            else:
                host.perform(output)

    def _run(self, until: float) -> None:
        self.clock.run(self._heaps(), until, self.drain)

    def _heaps(self) -> list[Timers]:
        heaps = [self._timers, *(host.timers for host in self.hosts.values() if host.frozen is None)]
        return list({id(heap): heap for heap in heaps}.values())

    def _perform(self, host: Host, output: FlowOutput) -> None:
        if isinstance(output, OpenFlow):
            self._open(host, output)
            return
        end = host.flows.get(output.flow)
        if end is None:
            return
        if not end.opened:
            if isinstance(output, CloseFlow):
                self._fail(end, "closed before it was open")
            return
        assert end.peer is not None
        if isinstance(output, Send):
            self._note(end, output.data)
            self._send(end, FlowReceived(end.peer.flow, output.data))
        elif isinstance(output, Probe):
            self._ship(end, FlowAlive(end.flow))
        else:
            del host.flows[end.flow]
            self.give(host, FlowClosed(end.flow, "closed by us"))
            self._ship(end, FlowClosed(end.peer.flow, "closed by the peer"))

    def _open(self, host: Host, wanted: OpenFlow) -> None:
        if wanted.flow in host.flows:
            raise AssertionError(f"{host.name} opens flow {wanted.flow} twice")
        end = _End(host, wanted.flow)
        host.flows[wanted.flow] = end
        server = self._listening.get(wanted.url)
        self._later(wanted.timeout, lambda: self._fail(end, f"{wanted.url} did not answer"))
        if server is not None:
            self._later(self.conditions.delay, lambda: self._accept(end, server))
        elif not host.cut:
            self._later(2 * self.conditions.delay, lambda: self._fail(end, f"nobody listens at {wanted.url}"))

    def _accept(self, end: _End, server: Host) -> None:
        if not end.is_current() or end.host.cut or server.cut or self.hosts.get(server.name) is not server:
            return
        if server.frozen is not None:  # the kernel takes the connection, and nobody answers on it
            return
        self._serial += 1
        there = _End(server, f"{server.name}-{self._serial}", peer=end, opened=True)
        server.flows[there.flow] = there
        end.peer = there
        here, far = f"{end.host.name}:{40_000 + self._serial}", f"{server.name}:5066"
        self._later(self.conditions.delay, lambda: self._opened(end, FlowOpened(end.flow, here, far)))
        self._hand_over(there, FlowOpened(there.flow, far, here))

    def _opened(self, end: _End, told: FlowOpened) -> None:
        if end.is_current() and not self._is_cut(end):
            end.opened = True
            self._hand_over(end, told)

    def _fail(self, end: _End, reason: str) -> None:
        if not end.is_current() or end.opened:
            return
        del end.host.flows[end.flow]
        self.give(end.host, FlowFailed(end.flow, reason))
        if end.peer is not None:
            self._ship(end, FlowClosed(end.peer.flow, "closed by the peer"))

    def _send(self, end: _End, message: FlowReceived) -> None:
        """Ship a message as a datagram would fare."""
        if self._ids.fraction() < self.conditions.loss:
            return
        self._ship(end, message)
        if self._ids.fraction() < self.conditions.duplication:
            self._ship(end, message)

    def _ship(self, end: _End, given: FlowInput, place: int | None = None) -> None:
        """Let something that `end` sent reach the other end, or itself again where it is the answer to a probe.

        `place` is that in the order of sending; None: it is sent just now.
        """
        if place is None:
            end.sent += 1
            place = end.sent
        if self._is_cut(end):
            self._keep(end, place, given)
            return
        assert end.peer is not None
        back = isinstance(given, FlowAlive)
        target = end if back else end.peer
        wait = self.conditions.delay * (2 if back else 1) + self.conditions.jitter * self._ids.fraction()
        due = max(self.now().monotonic + wait, end.last_due)
        if isinstance(given, FlowReceived) and self._ids.fraction() < self.conditions.reordering:
            due += self.conditions.held_back * self._ids.fraction()
        elif not back:
            end.last_due = due
            # Whatever arrives then is the oldest that is under way: what waited for a cut to heal is not overtaken.
            heapq.heappush(end.under_way, (place, given))
            self._later(due - self.now().monotonic, lambda: self._arrive_next(end, target))
            return
        self._later(due - self.now().monotonic, lambda: self._arrive(end, target, given, place))

    def _arrive_next(self, sender: _End, target: _End) -> None:
        place, given = heapq.heappop(sender.under_way)
        self._arrive(sender, target, given, place)

    def _arrive(self, sender: _End, target: _End, given: FlowInput, place: int) -> None:
        if self._is_cut(sender):  # pulled while it was on its way
            self._keep(sender, place, given)
            return
        if target.host.frozen is not None:
            target.host.frozen.append(lambda: self._arrive(sender, target, given, place))
            return
        self._hand_over(target, given)
        if isinstance(given, FlowClosed) and target.is_current():
            del target.host.flows[target.flow]

    def _keep(self, end: _End, place: int, given: FlowInput) -> None:
        end.kept.append((place, given))
        self._stalled[end] = None

    def _hand_over(self, end: _End, given: FlowInput) -> None:
        """Give it to the node and perform what comes of it, unless its flow or its host is gone."""
        if self.hosts.get(end.host.name) is end.host and end.is_current():
            end.host.node.receive(given, self.now())
            self._drain(end.host)

    def _is_cut(self, end: _End) -> bool:
        peer = end.peer
        return end.host.cut or end.stalled or (peer is not None and (peer.host.cut or peer.stalled))

    def _later(self, seconds: float, arrive: Callable[[], None]) -> None:
        self._timers.set(_Parcel(arrive), "due", self.now().monotonic + seconds)

    def _note(self, end: _End, data: bytes) -> None:
        assert end.peer is not None
        at = datetime.fromtimestamp(self.now().wall, UTC).strftime("%H:%M:%S.%f")[:-3]
        self.messages.append(TracedMessage(at, end.host.name, True, data, end.peer.host.name))
