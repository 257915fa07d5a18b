from __future__ import annotations

from typing import Any

import pytest

from offhook.errors import StateError
from offhook.media.engine import CloseMedia, Direction, EngineFailed, MediaLost, Tone
from offhook.sip.events import AnswerReceived, OfferReceived, Renegotiated, RenegotiationFailed
from offhook.switch.channel import wants_display
from offhook.switch.core import Hold


def connected(bench: Any) -> tuple[Any, str, Any, str]:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.ring()
    return alice, hers, bob, bob.accept()


def test_held_from_the_server(bench: Any) -> None:
    alice, _, bob, _ = connected(bench)
    bench.run(1.0)
    bench.give(Hold("1001"))
    assert "a=sendonly" in bob.last(OfferReceived).offer
    bob.take_offer()
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == Tone(523.0, 659.0)
    assert bench.channel("1001").held
    bench.give(Hold("1001"))  # it is so already
    bench.give(Hold("1001", on=False))
    assert "a=sendonly" not in bob.last(OfferReceived).offer
    bob.take_offer()
    assert not bench.channel("1001").held and not alice.have(OfferReceived)
    assert len(bob.have(OfferReceived)) == 2


def test_a_client_that_refuses_to_be_held_stays_connected(bench: Any) -> None:
    _, _, bob, his = connected(bench)
    bench.give(Hold("1001"))
    bob.agent.refuse(his, 488, bench.now)
    bench.drain()
    assert len(bench.node.channels()) == 2


def test_an_offer_that_cannot_be_used(bench: Any) -> None:
    alice, hers, _, _ = connected(bench)
    alice.agent.reinvite(hers, "v=0\r\no=- 1 9 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n", bench.now)
    bench.drain()
    assert alice.last(RenegotiationFailed).status == 488 and len(bench.node.channels()) == 2


def test_an_offer_is_asked_for(bench: Any) -> None:
    alice, hers, _, _ = connected(bench)
    alice.agent.reinvite(hers, None, bench.now)
    bench.drain()
    alice.take_offer()
    assert alice.have(Renegotiated) and len(bench.node.channels()) == 2


def test_only_a_change_of_hold_takes_its_time(bench: Any) -> None:
    alice, hers, _, _ = connected(bench)
    alice.reoffer(hers, Direction.SENDONLY)
    assert not alice.have(Renegotiated)
    bench.run(0.3)
    assert len(alice.have(Renegotiated)) == 1
    alice.reoffer(hers, Direction.INACTIVE)
    assert len(alice.have(Renegotiated)) == 2
    assert "a=inactive" in alice.last(AnswerReceived).answer


def test_hanging_up_while_a_hold_is_answered(bench: Any) -> None:
    alice, hers, bob, his = connected(bench)
    alice.reoffer(hers, Direction.SENDONLY)
    bob.hang_up(his)
    bench.run(40.0)
    assert not bench.node.channels()
    assert len(bench.performed(CloseMedia)) == 2


def test_media_that_is_lost_ends_the_call(bench: Any) -> None:
    alice, _, bob, _ = connected(bench)
    bench.engine.tell(MediaLost(bench.channel("1000").uuid, "consent"))
    bench.drain()
    assert alice.end and bob.end and not bench.node.channels()


def test_late_words_of_the_engine_are_dropped(bench: Any) -> None:
    bench.engine.tell(MediaLost("nobody", "consent"))
    bench.engine.tell(EngineFailed("x", "nobody", "closed", ""))
    bench.drain()
    assert not bench.node.channels()


def test_only_answered_channels_are_held(bench: Any) -> None:
    bench.phone("1000").call("9180")
    (channel,) = bench.node._exchange.channels.values()
    with pytest.raises(StateError):
        channel.hold(True, bench.now)


@pytest.mark.parametrize(
    ("support", "wants"),
    [(None, False), ("", False), ("send_info", False), ("update_display", True), ("send_info, update_display", True)],
)
def test_who_wants_to_be_told(support: str | None, wants: bool) -> None:
    assert wants_display(support) is wants
