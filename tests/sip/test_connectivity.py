from __future__ import annotations

from typing import TYPE_CHECKING

from offhook.sip.connectivity import TRANSITIONS, Input, State
from offhook.sip.events import ServerLost, ServerReached
from offhook.sip.registration import Account

if TYPE_CHECKING:
    from tests.sip.conftest import Net

THREE = Account("1001", "example.org", "secret", ("ws://a", "ws://b", "ws://c"))


def test_it_never_gives_up_and_pauses_longer_and_longer(make_net: type[Net]) -> None:
    net = make_net()
    net.reachable = False
    net.phone.start(net.now)
    net.run(3600)
    times = [at for at, _ in net.opens]
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert times[0] == 0 and 0.25 <= gaps[0] <= 0.5
    assert all(15 <= gap <= 30 for gap in gaps[8:]) and len(set(gaps)) == len(gaps)
    assert net.count("phone", ServerLost) == len(times)
    net.reachable = True
    net.run(31)
    assert net.phone.connected and net.phone.registered


def test_servers_are_tried_in_order_and_after_all_of_them_comes_the_pause(make_net: type[Net]) -> None:
    net = make_net(account=THREE)
    net.reachable = False
    net.phone.start(net.now)
    net.run(20)
    assert [url for _, url in net.opens[:7]] == ["ws://a", "ws://b", "ws://c"] * 2 + ["ws://a"]
    times = [at for at, _ in net.opens]
    assert times[2] <= 0.5 and times[3] - times[2] >= 0.25


def test_a_broken_flow_is_opened_again_at_the_first_server(make_net: type[Net]) -> None:
    net = make_net(account=THREE)
    net.reachable = False
    net.phone.start(net.now)
    net.drain()
    net.reachable = True
    net.run(1)
    assert net.take("phone", ServerReached).url == "ws://b"
    net.cut()
    assert net.take("phone", ServerLost).url == "ws://a"
    assert net.take("phone", ServerLost).url == "ws://b"
    net.run(0.5)
    assert net.opens[-1][1] == "ws://a"
    assert net.phone.registered


def test_silence_is_probed_and_a_dead_peer_noticed(net: Net) -> None:
    net.run(100)
    assert [at for at, _ in net.probes] == [20.0, 40.0, 60.0, 80.0, 100.0]
    assert net.count("phone", ServerLost) == 0
    net.swallow()
    net.run(24.9)
    assert net.count("phone", ServerLost) == 0
    net.run(0.1)
    lost = net.take("phone", ServerLost)
    assert lost.reason == "no answer from the server"
    assert not net.phone.connected and not net.phone.registered
    assert net.flow == {}


def test_what_the_server_sends_is_a_sign_of_life(net: Net) -> None:
    net.run(15)
    net.answer_phone()
    net.run(19)
    assert net.probes == []
    net.run(1)
    assert len(net.probes) == 1


def test_a_flow_that_opens_and_breaks_at_once_is_not_opened_all_the_time(make_net: type[Net]) -> None:
    net = make_net()
    net.registrar = lambda net, asked: net.cut()
    net.phone.start(net.now)
    net.run(60)
    assert 3 < len(net.opens) < 15


def test_flows_have_names_of_their_own(net: Net) -> None:
    first = next(iter(net.flow))
    net.cut()
    net.run(1)
    assert (first, next(iter(net.flow))) == ("p.1", "p.2")


def test_news_of_another_flow_are_ignored(net: Net) -> None:
    from offhook.sip.flow import FlowAlive, FlowClosed, FlowFailed, FlowOpened, FlowReceived

    for given in (
        FlowClosed("old", "x"),
        FlowFailed("old", "x"),
        FlowAlive("old"),
        FlowOpened("old", "a:1", "b:2"),
        FlowReceived("old", b"OPTIONS sip:x SIP/2.0\r\n\r\n"),
    ):
        net.give("phone", given)
    assert net.phone.registered
    assert net.sent("phone") == ["REGISTER"]


def test_starting_twice_is_starting_once(net: Net) -> None:
    net.phone.start(net.now)
    net.drain()
    assert len(net.opens) == 1


def test_it_can_be_stopped_in_every_state() -> None:
    for state in State:
        if state is not State.STOPPED:
            assert TRANSITIONS[state, Input.STOP][0] is State.STOPPED
