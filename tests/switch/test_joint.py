from __future__ import annotations

from typing import Any

from offhook.media.engine import FromPeer, SendDigits
from offhook.sip.events import DisplayUpdated
from offhook.switch.channel import Owner
from offhook.switch.exchange import Party
from offhook.switch.joint import ATTENDED, Joint, introduction


def joint(bench: Any) -> tuple[Any, Any, Any, Any, Joint]:
    """1000 and 1001 listen to music, until they are connected."""
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("9664")
    bob.call("9664")
    bench.run(1.0)
    a, b = bench.node._exchange.channels.values()
    made = Joint(bench.node._exchange, a, b)
    made.start(bench.now)
    bench.drain()
    return alice, a, bob, b, made


def test_two_legs_hear_each_other(bench: Any) -> None:
    alice, a, bob, b, made = joint(bench)
    bench.run(10.0)
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid) and bench.heard_by(b.uuid)[-1] == FromPeer(a.uuid)
    alice.press(alice.agent.sessions()[0], "7")
    assert [(each.media, each.digits) for each in bench.performed(SendDigits)] == [(b.uuid, "7")]
    alice.hang_up(alice.agent.sessions()[0])
    assert bob.end.reasons[0].text == "NORMAL_CLEARING" and bench.node.channels() == ()


def test_each_is_told_whom_it_talks_to(bench: Any) -> None:
    alice, a, bob, b, made = joint(bench)
    made.introduce(bench.now, (a, introduction(b)), (b, Party("Customer", "555")), transferred=(b, ATTENDED))
    assert made.settling
    bench.drain()
    assert not alice.have(DisplayUpdated)
    bench.run(0.1)
    (hers,), (his,) = alice.have(DisplayUpdated), bob.have(DisplayUpdated)
    assert (hers.name, hers.number, hers.attended) == ("1001", "1001", False)
    assert (his.name, his.number, his.attended) == ("Customer", "555", True)
    assert not made.settling


def test_a_leg_that_is_taken_away_leaves_the_other_alone(bench: Any) -> None:
    alice, a, bob, b, made = joint(bench)
    made.introduce(bench.now, (a, introduction(b)))
    for leg in (a, b):
        leg.give_to(Owner(), bench.now)
    bench.run(1.0)
    assert not alice.have(DisplayUpdated) and a.peer is None
    alice.hang_up(alice.agent.sessions()[0])
    assert [each.user for each in bench.node.channels()] == ["1001"]
