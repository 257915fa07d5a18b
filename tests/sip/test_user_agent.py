"""The user agent as a whole: both sides against one another, lossy paths, and another process that goes on."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from offhook.clock import Timers
from offhook.errors import StateError
from offhook.sip.events import Established, InviteReceived, OfferReceived, Registered, RequestAnswered, SessionEnded
from offhook.sip.fields import Address
from offhook.sip.flow import FlowOpened, OpenFlow, Send
from offhook.sip.message import Message
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.sip.timers import Timing
from offhook.sip.user_agent import Account, UserAgent
from offhook.testing.clock import SeededIds, VirtualClock

if TYPE_CHECKING:
    from tests.sip.conftest import Net

TIMER = (("Supported", "timer"), ("Session-Expires", "120;refresher=uac"))


def take_over(net: Net, snapshot: dict[str, object]) -> None:
    """The phone's process dies; another one has the snapshot as JSON alone."""
    for given in [*net.flow]:
        del net.flow[given]
    net.phone = UserAgent.restore(json.loads(json.dumps(snapshot)), timers=net.timers, ids=SeededIds(77), name="q")
    net.told["phone"].clear()
    net.wire.clear()


@pytest.mark.parametrize("caller", [True, False])
def test_another_process_goes_on_with_the_snapshot_alone(make_net: type[Net], caller: bool) -> None:
    net = make_net()
    net.connect()
    session, other = net.answer_server() if caller else reversed(net.answer_phone(headers=TIMER))
    net.run(45)
    before = net.phone.session(session)
    snapshot = net.phone.snapshot(net.now)
    assert "secret" not in json.dumps(snapshot)
    take_over(net, snapshot)
    after = net.phone.session(session)
    assert (after.call_id, after.local_tag, after.remote_tag, after.remote_target) == (
        before.call_id, before.local_tag, before.remote_tag, before.remote_target,
    )  # fmt: skip
    assert (after.local_uri, after.remote_uri, after.role) == (before.local_uri, before.remote_uri, before.role)
    net.phone.start(net.now, register=False)
    net.drain()
    assert net.sent("phone") == ([] if caller else ["UPDATE"]), "a refresh that is due is made up for"
    net.phone.options(session, net.now)
    net.drain()
    assert net.take("phone", RequestAnswered).status == 200
    net.phone.hangup(session, net.now)
    net.drain()
    assert "REGISTER" not in net.sent("phone")
    ended = net.take("server", SessionEnded)
    assert (ended.session, ended.by_remote) == (other, True)
    assert not net.phone.registered
    net.run(40)
    assert (len(net.phone), len(net.server)) == (0, 0)


def test_another_process_sends_the_bye_that_did_not_leave(net: Net) -> None:
    """Killed between the record and the BYE: else the peer keeps a call that nobody has."""
    session, other = net.answer_server()
    net.phone.hangup(session, net.now)
    take_over(net, net.phone.snapshot(net.now))
    assert net.phone.sessions() == [], "it is over for who hung up"
    net.phone.start(net.now, register=False)
    net.drain()
    assert net.sent("phone") == ["BYE"]
    ended = net.take("server", SessionEnded)
    assert (ended.session, ended.by_remote) == (other, True)
    net.run(40)
    assert (len(net.phone), len(net.server)) == (0, 0)


def test_the_registration_goes_on_in_another_process(net: Net) -> None:
    first = net.requests("phone", "REGISTER")[0][1]
    take_over(net, net.phone.snapshot(net.now))
    net.phone.start(net.now)
    net.drain()
    again = net.requests("phone", "REGISTER")[0][1]
    assert (again.call_id, again.from_.tag) == (first.call_id, first.from_.tag)
    assert again.headers.get("Contact") == first.headers.get("Contact")
    assert again.cseq.number > first.cseq.number
    assert net.take("phone", Registered)


def test_only_established_sessions_are_kept(net: Net) -> None:
    net.call_server()
    net.call_phone()
    net.answer_server()
    assert len(net.phone.snapshot(net.now)["sessions"]) == 1
    assert net.server.snapshot(net.now)["account"] is None


def test_a_server_side_can_be_restored_too(net: Net) -> None:
    _, called = net.answer_server()
    restored = UserAgent.restore(
        json.loads(json.dumps(net.server.snapshot(net.now))), timers=Timers(), ids=SeededIds(3)
    )
    assert restored.session(called).state == "established"
    with pytest.raises(StateError):
        restored.reinvite(called, net.OFFER, net.now)


def test_a_restored_account_may_have_its_password_again(net: Net) -> None:
    account = Account("1001", "example.org", "secret", ("ws://other",))
    net.answer_server()
    agent = UserAgent.restore(net.phone.snapshot(net.now), account, timers=Timers(), ids=SeededIds(3))
    agent.start(net.now)
    assert agent.outputs() == [OpenFlow("1001.1", "ws://other", 5.0)]


@pytest.mark.parametrize("seed", range(12))
def test_calls_on_a_path_that_loses_and_repeats(make_net: type[Net], seed: int) -> None:
    """UDP, a fifth of all messages lost: every call stands in the end, and nothing is left behind."""
    chance = random.Random(seed)
    net = make_net(scheme="udp", timing=Timing(probe=30.0))
    net.connect()
    net.drop = lambda who, message: chance.random() < 0.2
    for turn in range(3):
        session = net.phone.invite("sip:9196@example.org", net.OFFER, net.now)
        net.run(20)
        called = net.take("server", InviteReceived).session
        net.server.ring(called, net.now)
        net.server.accept(called, net.ANSWER, net.now)
        net.run(31)
        assert net.take("phone", Established).session == session
        assert net.take("server", Established).session == called
        net.phone.reinvite(session, net.sdp(1, turn + 2), net.now)
        net.run(20)
        net.take("server", OfferReceived)
        net.server.answer(called, net.sdp(9, turn + 2), net.now)
        net.run(31)
        net.server.hangup(called, net.now)
        net.run(33)
        assert net.take("phone", SessionEnded).session == session
        assert net.take("server", SessionEnded).session == called
    net.drop = lambda who, message: False
    net.assert_clean()


def test_a_server_side_needs_to_be_told_where_to_go(net: Net) -> None:
    out = Address.parse("<sip:pbx@10.0.0.1>")
    with pytest.raises(StateError):
        net.server.invite("sip:x@y", None, net.now, flow=net.server_flow, from_=out)
    with pytest.raises(StateError):
        net.server.invite("sip:x@y", None, net.now, flow="nowhere", from_=out, contact=out)
    with pytest.raises(StateError):
        net.server.invite("sip:x@y", None, net.now, flow=net.server_flow, contact=out)
    for call in (net.server.start, net.server.register, net.server.stop):
        with pytest.raises(StateError):
            call(net.now)
    assert (net.server.connected, net.server.registered) == (False, False)


def test_trying_may_be_left_to_the_owner(make_net: type[Net]) -> None:
    net = make_net(server_style=Style(refresher=False, trying=False))
    net.connect()
    _, called = net.call_server()
    assert net.sent("server")[1:] == []
    net.server.ring(called, net.now, status=100)
    net.drain()
    trying = net.responses("server", "INVITE")[-1][1]
    assert (trying.status, trying.to.tag) == (100, None)


def test_the_product_is_shown() -> None:
    clock, timers = VirtualClock(), Timers()
    agent = UserAgent(
        Account("1001", "x", "y", ("ws://p",), product="Desk/1"), timers=timers, ids=SeededIds(1), name="n"
    )
    agent.start(clock.now())
    agent.outputs()
    agent.receive(FlowOpened("n.1", "a:1", "b:2"), clock.now())
    register = next(item for item in agent.outputs() if isinstance(item, Send))
    assert b"User-Agent: Desk/1\r\n" in register.data


def test_two_agents_with_the_same_seed_say_the_same(make_net: type[Net]) -> None:
    def run() -> list[bytes]:
        net = make_net()
        net.connect()
        session, _ = net.answer_server()
        net.phone.hangup(session, net.now)
        net.run(40)
        return [message.serialize() for _, _, message in net.wire]

    assert run() == run()


def message_of(data: bytes) -> Message:
    message = parse_message(data)
    assert isinstance(message, Message)
    return message


def test_every_message_of_ours_can_be_read_by_us(net: Net) -> None:
    session, _ = net.answer_server()
    net.phone.hangup(session, net.now)
    net.drain()
    for _, _, message in net.wire:
        again = message_of(message.serialize())
        again.validate()
        assert again.serialize() == message.serialize()
