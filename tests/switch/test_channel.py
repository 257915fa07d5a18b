from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.errors import StateError
from offhook.media.engine import (
    ApplyAnswer,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineFailed,
    MediaConnected,
    MediaLost,
    Tone,
)
from offhook.sip.events import (
    AnswerReceived,
    InviteReceived,
    OfferReceived,
    Renegotiated,
    RenegotiationFailed,
    SessionEnded,
)
from offhook.switch.channel import has_video, supports
from offhook.switch.core import Hold
from offhook.switch.wording import SwitchSettings

VIDEO = "m=video 4000 RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"


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


def test_media_that_never_comes_up_ends_the_call(bench: Any) -> None:
    alice, _, bob, _ = connected(bench)
    bench.node._exchange.channels[bench.channel("1000").uuid].reached = False
    bench.engine.tell(MediaLost(bench.channel("1000").uuid, "consent"))
    bench.drain()
    assert alice.end and bob.end and not bench.node.channels()


def test_media_that_was_up_may_come_back(bench: Any) -> None:
    alice, _, bob, _ = connected(bench)
    bench.engine.tell(MediaConnected(bench.channel("1000").uuid))
    bench.engine.tell(MediaLost(bench.channel("1000").uuid, "the page is reloaded"))
    bench.drain()
    assert not alice.have(SessionEnded) and not bob.have(SessionEnded) and len(bench.node.channels()) == 2


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
    assert supports(support, "update_display") is wants


@pytest.mark.parametrize("kind", [CreateAnswer, CreateOffer, ApplyAnswer])
def test_an_engine_that_fails_ends_the_call(bench: Any, kind: Any) -> None:
    bench.failing.add(kind)
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    if bob.have(InviteReceived):
        bob.ring()
        if bob.have(InviteReceived) and not bob.have(SessionEnded):
            bob.accept()
    assert alice.end.reasons[0].text == "INCOMPATIBLE_DESTINATION"
    assert not bench.node.channels()


@pytest.mark.parametrize("offer", [True, False])
def test_an_engine_that_fails_at_a_new_offer(bench: Any, offer: bool) -> None:
    alice, hers, _, _ = connected(bench)
    bench.failing |= {CreateAnswer, CreateOffer}
    alice.agent.reinvite(hers, alice.offer(Direction.SENDONLY) if offer else None, bench.now)
    bench.drain()
    assert alice.last(RenegotiationFailed).status == 488 and len(bench.node.channels()) == 2


def test_an_engine_that_cannot_hold(bench: Any) -> None:
    _, _, bob, _ = connected(bench)
    bench.failing.add(CreateOffer)
    bench.give(Hold("1001"))
    assert not bob.have(OfferReceived) and len(bench.node.channels()) == 2


def test_who_hangs_up_while_the_engine_works(bench: Any) -> None:
    alice, hers, _, _ = connected(bench)
    channel = bench.node._exchange.channels[bench.channel("1000").uuid]
    answers: list[Any] = []
    ask = bench.node._exchange.ask
    bench.node._exchange.ask = lambda make, outcome: answers.append((make, outcome))
    channel.offer_received(alice.offer(), bench.now)
    channel.offer_received(None, bench.now)
    channel.answer_received("v=0", bench.now)
    channel.reoffer(bench.now)
    bench.node._exchange.ask = ask
    alice.hang_up(hers)
    seen = len(bench.sent)
    for make, outcome in answers:
        outcome(EngineFailed(make("x").id, channel.media, "closed", ""), bench.now)
    bench.drain()
    assert len(bench.sent) == seen


def test_held_over_a_connection_that_is_gone(bench: Any) -> None:
    alice, _, bob, _ = connected(bench)
    bob.unplug()
    bench.give(Hold("1001"))
    assert alice.end.reasons[0].text == "NORMAL_TEMPORARY_FAILURE" and not bench.node.channels()


@pytest.mark.parametrize(
    ("status", "reason"), [(408, "RECOVERY_ON_TIMER_EXPIRE"), (481, "NORMAL_TEMPORARY_FAILURE"), (500, None)]
)
def test_a_client_that_does_not_take_the_offer(bench: Any, status: int, reason: str | None) -> None:
    alice, _, bob, his = connected(bench)
    bench.give(Hold("1001"))
    bob.agent.refuse(his, status, bench.now)
    bench.drain()
    assert (alice.end.reasons[0].text if alice.have(SessionEnded) else None) == reason
    assert len(bench.node.channels()) == (0 if reason else 2)


def test_a_held_leg_hears_its_peer_come_and_go(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9196")
    bench.give(Hold("1000"))
    alice.take_offer()
    channel = bench.node._exchange.channels[bench.channel("1000").uuid]
    channel.hear_peer(bench.now)  # there is none
    assert channel.held


def test_a_hold_taken_back_before_it_is_answered(bench: Any) -> None:
    alice, hers, _, _ = connected(bench)
    alice.reoffer(hers, Direction.SENDONLY)
    session = bench.node._exchange.channels[bench.channel("1000").uuid].session
    bench.node._ua.refuse(session, 487, bench.now)
    bench.drain()
    bench.run(1.0)
    assert len(bench.node.channels()) == 2


@pytest.mark.parametrize(("answer", "has"), [(VIDEO, True), (VIDEO.replace("4000", "0"), False)])
def test_our_own_offers_keep_the_video(make_bench: Callable[..., Any], answer: str, has: bool) -> None:
    """Where the far end has taken video; else the engine would make it inactive at each refresh."""
    bench = make_bench(settings=SwitchSettings(video=True))
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", offer=alice.offer() + VIDEO)
    his = bob.accept_with(answer)
    bench.run(1.0)
    bench.give(Hold("1001"))
    bob.take_offer()
    bench.give(Hold("1001", on=False))
    bob.take_offer()
    wished = [each.video for each in bench.performed(CreateOffer)]
    assert wished[:2] == [Direction.SENDRECV, Direction.SENDONLY if has else None]
    bob.agent.reinvite(his, bob.offer() + VIDEO, bench.now)
    bench.drain()
    assert bench.performed(CreateAnswer)[-1].video is Direction.SENDRECV
    bob.agent.reinvite(his, None, bench.now)
    bench.drain()
    assert bench.performed(CreateOffer)[-1].video is Direction.SENDRECV


@pytest.mark.parametrize(
    ("description", "has"),
    [
        (VIDEO, True),
        (VIDEO.replace("VP8", "vp8"), True),
        (VIDEO.replace("VP8", "H264"), False),
        (VIDEO.replace("4000", "0"), False),
        ("m=audio 4000 RTP/SAVPF 0\r\n", False),
        ("m=video x\r\n", False),
    ],
)
def test_whether_there_is_video(description: str, has: bool) -> None:
    assert has_video(f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{description}") is has
