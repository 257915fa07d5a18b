from __future__ import annotations

from typing import Any

from offhook.media.engine import CreateAnswer
from offhook.sip.events import Established, Progress
from offhook.switch.channel import Call, State


def test_a_call_has_its_media_only_when_it_needs_it(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9486")
    alice.call("9180")
    assert not bench.performed(CreateAnswer)
    bench.run(5.1)
    assert len(bench.performed(CreateAnswer)) == 1


def test_what_a_test_sees_of_it(bench: Any) -> None:
    bench.phone("1000").call("9180")
    seen = bench.channel("1000")
    assert (seen.way, seen.state, seen.destination, seen.peer) == (Call.INBOUND, State.RINGING, "9180", None)
    bench.run(5.1)
    assert bench.channel("1000").state is State.ANSWERED


def test_an_offer_without_a_common_codec(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9196", offer="v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n")
    assert (alice.end.status, alice.end.reasons[0].text) == (488, "INCOMPATIBLE_DESTINATION")
    assert not bench.node.channels()


def test_the_same_answer_early_and_late(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9181")
    bench.run(3.5)
    early = [each.response for each in alice.have(Progress) if each.status == 183][0]
    assert early.body == alice.last(Established).response.body


def test_a_caller_with_a_session_timer_that_does_not_refresh(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    headers = [("Supported", "timer"), ("Session-Expires", "120;refresher=uac")]
    alice.call("1001", headers=headers)
    bob.accept()
    granted = alice.last(Established).response
    assert str(granted.session_expires) == "120;refresher=uac" and "timer" in granted.require
    alice.unplug()
    bench.run(109.0)
    assert not bench.node.channels()


def test_an_invite_without_offer_is_not_taken(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.agent.invite("sip:9196@127.0.0.1", None, bench.now)
    bench.drain()
    assert alice.end.status == 488 and not bench.node.channels()
