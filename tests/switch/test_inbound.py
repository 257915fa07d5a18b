from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import ApplyAnswer, CreateAnswer, Echo, FromPeer
from offhook.sip.events import Established, Progress
from offhook.switch.channel import Call, State
from offhook.switch.wording import SwitchSettings


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


@pytest.fixture
def third(make_bench: Callable[..., Any]) -> Any:
    """A switch with `enable-3pcc`."""
    return make_bench(settings=SwitchSettings(enable_3pcc=True))


def test_an_invite_without_offer_is_refused(bench: Any) -> None:
    """Measured at FreeSWITCH in its stock configuration."""
    alice = bench.phone("1000")
    alice.agent.invite("sip:9196@127.0.0.1", None, bench.now)
    bench.drain()
    assert (alice.end.status, alice.end.reasons[0].text) == (480, "MANDATORY_IE_MISSING")
    assert not bench.node.channels()


def test_an_invite_without_offer_gets_one_in_the_200(third: Any) -> None:
    bench = third
    alice = bench.phone("1000")
    session = alice.agent.invite("sip:9196@127.0.0.1", None, bench.now)
    bench.drain()
    alice.take_offer()
    assert alice.have(Established) and bench.heard_by(bench.channel("1000").uuid) == [Echo()]
    assert len(bench.performed(ApplyAnswer)) == 1
    alice.hang_up(session)
    assert not bench.node.channels()


def test_who_sent_no_offer_is_rung_by_180(third: Any) -> None:
    bench = third
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.agent.invite("sip:1001@127.0.0.1", None, bench.now)
    bench.drain()
    bob.ring()
    assert [each.status for each in alice.have(Progress)] == [100, 180]
    bob.accept()
    alice.take_offer()
    a, b = bench.channel("1000").uuid, bench.channel("1001").uuid
    assert bench.heard_by(a)[-1] == FromPeer(b) and bench.heard_by(b)[-1] == FromPeer(a)
