"""The network in memory: order, conditions out of a seed, cut and heal, and exactly one end for each flow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.clock import Now, Timers
from offhook.sip.flow import (
    CloseFlow,
    FlowAlive,
    FlowClosed,
    FlowFailed,
    FlowInput,
    FlowOpened,
    FlowReceived,
    OpenFlow,
    Probe,
    Send,
)
from offhook.testing.network import Conditions, Host, Network

URL = "ws://server"


class Puppet:
    """Does what the test tells it and tells what it receives; `echo` sends every message back."""

    def __init__(self, *, echo: bool = False) -> None:
        self.timers = Timers()
        self.echo = echo
        self.got: list[tuple[float, FlowInput]] = []
        self._outputs: list[Any] = []

    def do(self, *outputs: Any) -> None:
        self._outputs += outputs

    def receive(self, given: FlowInput, now: Now) -> None:
        self.got.append((now.monotonic, given))
        self.do(given)
        if self.echo and isinstance(given, FlowReceived):
            self.do(Send(given.flow, given.data))

    def handle_timer(self, timer: str, now: Now) -> None:
        self.do(timer)

    def outputs(self) -> list[Any]:
        out, self._outputs = self._outputs, []
        return out

    def texts(self) -> list[str]:
        return [told.data.decode() for _, told in self.got if isinstance(told, FlowReceived)]


class Stage:
    """A client and a server with one flow between them."""

    def __init__(self, conditions: Conditions | None = None, *, seed: int = 0, echo: bool = False) -> None:
        self.network = Network(seed=seed, conditions=conditions)
        self.here, self.there = Puppet(), Puppet(echo=echo)
        self.client: Host = self.network.add("client", self.here)
        self.server: Host = self.network.add("server", self.there, url=URL)
        self.here.do(OpenFlow("flow", URL))
        self.client.next(FlowOpened)
        self.accepted = self.server.next(FlowOpened)

    def say(self, *texts: str) -> None:
        self.here.do(*(Send("flow", text.encode()) for text in texts))
        self.network.run()


def test_a_flow_opens_after_a_round_trip_and_addresses_match() -> None:
    stage = Stage(Conditions(delay=0.1))
    (there_at, accepted), (here_at, opened) = stage.there.got[0], stage.here.got[0]
    assert isinstance(accepted, FlowOpened)
    assert isinstance(opened, FlowOpened)
    assert there_at == pytest.approx(0.1)
    assert here_at == pytest.approx(0.2)
    assert (opened.flow, accepted.flow) == ("flow", "server-1")
    assert (opened.local, opened.remote) == (accepted.remote, accepted.local)


def test_messages_take_their_time_and_keep_their_order() -> None:
    stage = Stage(Conditions(delay=0.1, jitter=0.05), echo=True)
    start = stage.network.now().monotonic
    stage.say("one", "two", "three")
    assert stage.there.texts() == []
    stage.network.run(1.0)
    assert stage.there.texts() == stage.here.texts() == ["one", "two", "three"]
    for puppet, least, most in ((stage.there, 0.1, 0.15), (stage.here, 0.2, 0.3)):
        times = [at - start for at, told in puppet.got if isinstance(told, FlowReceived)]
        assert times == sorted(times)
        assert all(least <= time <= most for time in times)


def test_the_same_seed_runs_the_same_way() -> None:
    conditions = Conditions(delay=0.1, jitter=0.1, loss=0.3, duplication=0.3, reordering=0.3)

    def played(seed: int) -> list[tuple[float, FlowInput]]:
        stage = Stage(conditions, seed=seed, echo=True)
        stage.say(*map(str, range(50)))
        stage.network.run(5.0)
        return stage.here.got

    assert played(1) == played(1)
    assert played(1) != played(2)


@pytest.mark.parametrize(
    ("conditions", "check"),
    [
        (Conditions(loss=0.5), lambda texts: 20 < len(texts) < 80 and texts == sorted(set(texts), key=int)),
        (Conditions(loss=1.0), lambda texts: texts == []),
        (Conditions(duplication=1.0), lambda texts: len(texts) == 200 and len(set(texts)) == 100),
        (
            Conditions(delay=0.01, reordering=0.5),
            lambda texts: texts != sorted(texts, key=int) and len(set(texts)) == len(texts) == 100,
        ),
    ],
    ids=["loss", "all lost", "duplication", "reordering"],
)
def test_what_happens_to_datagrams(conditions: Conditions, check: Any) -> None:
    stage = Stage(conditions)
    stage.say(*map(str, range(100)))
    stage.network.run(5.0)
    assert check(stage.there.texts())


def test_a_probe_is_answered_after_a_round_trip() -> None:
    stage = Stage(Conditions(delay=0.1))
    start = stage.network.now().monotonic
    stage.here.do(Probe("flow"))
    stage.client.next(FlowAlive)
    assert stage.network.now().monotonic - start == pytest.approx(0.2)


def test_nobody_listens() -> None:
    stage = Stage(Conditions(delay=0.1))
    stage.here.do(OpenFlow("other", "ws://nobody"), Send("other", b"x"))
    assert "nobody listens" in stage.client.next(FlowFailed).reason


@pytest.mark.parametrize("who", ["client", "server"])
def test_opening_over_a_cut_line_times_out(who: str) -> None:
    stage = Stage()
    stage.network.cut(stage.network.hosts[who])
    start = stage.network.now().monotonic
    stage.here.do(OpenFlow("other", URL, timeout=3.0))
    assert "did not answer" in stage.client.next(FlowFailed).reason
    assert stage.network.now().monotonic - start == 3.0


def test_a_cut_while_opening_leaves_no_half_open_flow() -> None:
    stage = Stage(Conditions(delay=1.0))
    stage.here.do(OpenFlow("other", URL, timeout=3.0))
    stage.network.run(1.5)
    half = stage.server.next(FlowOpened)
    stage.network.cut(stage.client)
    stage.client.next(FlowFailed)
    stage.network.heal(stage.client)
    assert stage.server.next(FlowClosed).flow == half.flow


def test_closed_before_it_was_open() -> None:
    stage = Stage(Conditions(delay=0.1))
    stage.here.do(OpenFlow("other", URL), CloseFlow("other"))
    assert stage.client.next(FlowFailed).flow == "other"
    stage.network.run(10.0)
    assert not stage.client.heard


@pytest.mark.parametrize("closer", ["client", "server"])
def test_closing_tells_both_once_after_what_was_said(closer: str) -> None:
    stage = Stage(Conditions(delay=0.1))
    name = {"client": "flow", "server": stage.accepted.flow}[closer]
    near, far = (stage.client, stage.server) if closer == "client" else (stage.server, stage.client)
    near.node.do(Send(name, b"last"), CloseFlow(name), CloseFlow(name), Send(name, b"too late"), Probe(name))  # type: ignore[attr-defined]
    assert near.next(FlowClosed).flow == name
    assert far.next(FlowReceived).data == b"last"
    far.next(FlowClosed)
    stage.network.run(10.0)
    assert not near.heard and not far.heard


def test_what_is_sent_over_a_cut_line_comes_when_it_is_healed_in_order() -> None:
    stage = Stage(Conditions(delay=1.0))
    stage.say("in flight")
    stage.network.run(0.5)
    stage.network.cut(stage.server)
    stage.say("one", "two")
    stage.network.run(60.0)
    assert stage.there.texts() == []
    assert [type(told) for told in stage.client.heard] == []
    stage.network.heal(stage.server)
    stage.say("three")
    stage.network.run(5.0)
    assert stage.there.texts() == ["in flight", "one", "two", "three"]


def test_a_close_over_a_cut_line_is_told_when_it_is_healed() -> None:
    stage = Stage()
    stage.network.cut(stage.client)
    stage.here.do(CloseFlow("flow"))
    stage.client.next(FlowClosed)
    stage.network.run(60.0)
    assert not stage.server.heard
    stage.network.heal(stage.client)
    stage.server.next(FlowClosed)


def test_reset_breaks_every_flow_of_a_host() -> None:
    stage = Stage(Conditions(delay=0.1))
    stage.here.do(OpenFlow("second", URL))
    stage.client.next(FlowOpened)
    stage.here.do(OpenFlow("opening", URL))
    stage.network.run()
    stage.network.reset(stage.client)
    stage.network.run(10.0)
    assert [type(told) for told in stage.client.heard] == [FlowClosed, FlowClosed, FlowFailed]
    assert [type(told) for told in stage.server.heard] == [FlowOpened, FlowClosed, FlowClosed]


def test_a_removed_host_runs_no_more_and_its_peers_are_told() -> None:
    stage = Stage()
    stage.there.timers.set(stage.there, "tick", 1.0)
    stage.network.remove(stage.server)
    stage.client.next(FlowClosed)
    stage.network.give(stage.server, FlowClosed("x", "never seen"))
    stage.network.run(5.0)
    assert len(stage.there.got) == 1
    assert not stage.server.heard
    stage.here.do(OpenFlow("again", URL))
    assert "nobody listens" in stage.client.next(FlowFailed).reason


def test_timers_of_nodes_run_and_other_outputs_go_where_they_are_wanted() -> None:
    stage = Stage()
    taken: list[Any] = []
    other = Puppet()
    stage.network.add("other", other, timers=other.timers, perform=taken.append)
    other.timers.set(other, "tick", 7.0)
    stage.there.timers.set(stage.there, "tock", 5.0)
    assert stage.server.expect(str, within=10.0) == "tock"
    assert stage.network.now().monotonic == 5.0
    stage.network.run(2.0)
    assert taken == ["tick"]


def test_what_is_given_arrives_in_its_turn() -> None:
    stage = Stage()
    stage.network.give(stage.server, FlowClosed("made up", "later"), after=2.0)
    assert stage.server.next(FlowClosed).flow == "made up"
    assert stage.network.now().monotonic == 2.0


def test_waiting_in_vain_shows_the_ladder() -> None:
    stage = Stage()
    stage.say("OPTIONS sip:server SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n")
    with pytest.raises(AssertionError, match="(?s)waited 5 s in vain for client to put out FlowFailed.*OPTIONS"):
        stage.client.expect(FlowFailed, within=5.0)
    with pytest.raises(AssertionError, match="not FlowFailed"):
        stage.server.next(FlowFailed)


def test_opening_a_name_twice_is_a_bug() -> None:
    stage = Stage()
    stage.here.do(OpenFlow("flow", URL))
    with pytest.raises(AssertionError, match="twice"):
        stage.network.run()


@given(
    st.integers(0, 1000),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.lists(st.sampled_from(["say", "cut client", "heal client", "cut server", "heal server", "wait"]), max_size=40),
)
def test_a_reliable_flow_delivers_all_in_order_whatever_happens(
    seed: int, delay: float, jitter: float, steps: list[str]
) -> None:
    stage = Stage(Conditions(delay=delay, jitter=jitter), seed=seed)
    network = stage.network
    said = []
    for number, step in enumerate(steps):
        what, _, who = step.partition(" ")
        if what == "say":
            said.append(str(number))
            stage.say(str(number))
        elif what == "cut":
            network.cut(network.hosts[who])
        elif what == "heal":
            network.heal(network.hosts[who])
        else:
            network.run(0.1)
    network.heal(stage.client)
    network.heal(stage.server)
    network.run(10.0)
    assert stage.there.texts() == said
