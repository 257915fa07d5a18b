from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import Direction
from offhook.sip.events import DisplayUpdated, InviteReceived, OfferReceived
from offhook.sip.parser import parse_message
from offhook.sip.style import Style
from offhook.switch.core import Originate


def answered(bench: Any, headers: Any = ()) -> tuple[Any, Any, str]:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    return alice, bob, bob.accept(headers=headers)


def test_what_the_invite_says(bench: Any) -> None:
    _, bob, _ = answered(bench)
    request = bob.last(InviteReceived).request
    assert str(request.from_).startswith('"Extension 1000" <sip:1000@127.0.0.1>')
    assert request.headers.get("Max-Forwards") == "69" and str(request.session_expires) == "120;refresher=uac"
    assert request.headers.get("Route") == "<sip:1001@127.0.0.1:40002>;transport=ws"
    assert len(request.call_id) == 36 and "@" not in request.call_id


def test_a_called_party_that_refreshes_by_itself_is_left_alone(bench: Any) -> None:
    # Our own user agent: its 200 says refresher=uas, and it sends an UPDATE every 40 s.
    alice, bob, _ = answered(bench)
    bench.run(600.0)
    assert len(bench.node.channels()) == 2 and not bob.have(OfferReceived)
    updates = [data for _, data in bench.sent if b" UPDATE\r\n" in data]
    assert len(updates) == 15 and b"Session-Expires: 120;refresher=uac\r\n" in updates[0]


@pytest.mark.parametrize("knows", [True, False])
def test_a_called_party_that_leaves_it_to_us_is_refreshed(bench: Any, knows: bool) -> None:
    """Each minute a re-INVITE with the same description and the same X-headers."""
    alice, bob = bench.phone("1000"), bench.phone("1001", style=Style(refresher=False))
    bob.knows_timers = knows
    alice.call("6001")
    bob.accept()
    bench.run(190.0)
    invites = [parse_message(data) for _, data in bench.sent if data.startswith(b"INVITE sip:1001@")]
    assert len(invites) == 4 and len(bench.node.channels()) == 2
    assert {each.text for each in invites} == {invites[0].text}
    assert {each.headers.get("X-Queue") for each in invites} == {"support"}
    assert {each.headers.get("Session-Expires") for each in invites} == {"120;refresher=uac"}


@pytest.mark.parametrize("knows", [True, False])
def test_a_called_party_that_has_held_is_refreshed_too(bench: Any, knows: bool) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001", style=Style(refresher=False))
    bob.knows_timers = knows
    alice.call("1001")
    his = bob.accept()
    bob.reoffer(his, Direction.SENDONLY)
    bench.run(62.0)
    if bob.have(OfferReceived):
        bob.take_offer()
    bench.run(1.0)
    assert len(bench.node.channels()) == 2 and bench.channel("1001").held
    assert len([data for _, data in bench.sent if data.startswith(b"INVITE sip:1001@")]) == 2


def test_a_called_party_that_is_gone_is_noticed(bench: Any) -> None:
    alice, bob, _ = answered(bench)
    bob.unplug()
    bench.run(107.0)
    assert len(bench.node.channels()) == 2
    bench.run(3.0)
    assert alice.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


def test_who_the_called_party_says_it_is(bench: Any) -> None:
    alice, _, _ = answered(bench, headers=[("P-Asserted-Identity", '"Bob PAI" <sip:1011@127.0.0.1>')])
    bench.run(0.1)
    assert (alice.last(DisplayUpdated).name, alice.last(DisplayUpdated).number) == ("Bob PAI", "1011")


def test_rubbish_in_who_it_is_harms_nothing(bench: Any) -> None:
    alice, _, _ = answered(bench, headers=[("P-Asserted-Identity", '"<<>>;;')])
    bench.run(0.1)
    assert alice.last(DisplayUpdated).number == "1001" and len(bench.node.channels()) == 2


def test_originated_by_the_server(bench: Any) -> None:
    bob = bench.phone("1001")
    bench.give(Originate("1001", (("X-Call-Id", "ext-77"),)))
    request = bob.last(InviteReceived).request
    assert request.headers.get("X-Call-Id") == "ext-77" and request.headers.get("Max-Forwards") == "70"
    assert str(request.from_).startswith('"Campaign" <sip:5551234@127.0.0.1>')
    his = bob.accept()
    assert bench.heard_by(bench.channel("1001").uuid)
    bob.hang_up(his)
    assert not bench.node.channels()


def test_originated_and_refused(bench: Any) -> None:
    bob = bench.phone("1001")
    bench.give(Originate("1001"))
    bob.reject(486)
    assert not bench.node.channels()
    bench.give(Originate("1009"))
    assert not bench.node.channels()
