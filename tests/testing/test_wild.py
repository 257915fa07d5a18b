"""The server that answers anything: kind, it is one with which an agent works; unkind, it says much, and reads all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from offhook.clock import Timers
from offhook.sip.events import Established, InviteReceived, Registered, RequestReceived, SessionEnded
from offhook.sip.flow import FlowReceived
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds
from offhook.testing.network import Host, Network
from offhook.testing.wild import ANSWER, OFFER, WildServer


class Pair:
    """A server, and a phone that is registered at it."""

    def __init__(self) -> None:
        self.network = Network(seed=1)
        self.server = WildServer(self.network.now)
        self.network.add("pbx", self.server, url="ws://pbx")
        timers = Timers()
        self.phone = UserAgent(Account("1000", "pbx", "1234", ("ws://pbx",)), timers=timers, ids=SeededIds(2))
        self.host: Host = self.network.add("phone", self.phone, timers=timers)
        self.phone.start(self.network.now())
        self.host.expect(Registered)

    def dial(self) -> str:
        return self.phone.invite("sip:9@pbx", OFFER, self.network.now())


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_kind_server_takes_a_call(pair: Pair) -> None:
    session = pair.dial()
    pair.host.expect(Established)
    (leg,) = pair.server.live("1000")
    assert leg.up
    pair.server.bye(leg)
    assert pair.host.expect(SessionEnded).session == session
    assert pair.server.live() == []


def test_it_calls_and_is_answered(pair: Pair) -> None:
    pair.server.call("1000", "555", [("X-Call-Id", "7")])
    invite = pair.host.expect(InviteReceived)
    assert invite.request.headers.get("X-Call-Id") == "7"
    pair.phone.accept(invite.session, ANSWER, pair.network.now())
    pair.host.expect(Established)


@pytest.mark.parametrize(
    ("act", "method"),
    [
        (lambda server, leg: server.notify(leg, 200), "NOTIFY"),
        (lambda server, leg: server.word(leg, "CONFERENCE", "x"), "INFO"),
        (lambda server, leg: server.message("1000", "{}"), "MESSAGE"),
    ],
)
def test_what_it_says_of_its_own_accord(pair: Pair, act: Callable[[WildServer, object], None], method: str) -> None:
    pair.dial()
    pair.host.expect(Established)
    act(pair.server, pair.server.legs[0])
    assert pair.host.expect(RequestReceived).request.method == method


def test_the_same_seed_says_the_same() -> None:
    said = []
    for _ in range(2):
        pair = Pair()
        pair.server.chance.seed(5)
        pair.server.kindness = 0.0
        for _ in range(8):
            pair.dial()
            pair.network.run(1)
        said.append([each.data for each in pair.network.messages])
    assert said[0] == said[1]
    assert len({data.split(b"\r\n")[0] for data in said[0] if data.startswith(b"SIP")}) > 3


def test_once_more(pair: Pair) -> None:
    before = len(pair.network.messages)
    pair.server.repeat()
    pair.network.run(0)
    assert len(pair.network.messages) == before + 1


def test_what_cannot_be_read_is_a_fault_of_the_agent(pair: Pair) -> None:
    with pytest.raises(AssertionError):
        pair.server.receive(FlowReceived("f", b"nonsense\r\n\r\n"), pair.network.now())
