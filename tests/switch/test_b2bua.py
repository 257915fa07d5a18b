from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import (
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    Direction,
    FromPeer,
    SendDigits,
    Silence,
    Tone,
)
from offhook.sip.events import (
    AnswerReceived,
    DisplayUpdated,
    Established,
    InviteReceived,
    OfferReceived,
    Progress,
    Renegotiated,
    RequestReceived,
)
from offhook.switch.core import Originate
from offhook.switch.wording import SwitchSettings

MUSIC = Tone(523.0, 659.0)
VIDEO = "m=video 4000 RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"


def connect(bench: Any, number: str = "1001") -> tuple[Any, str, Any, str]:
    """1000 calls `number`, 1001 rings and answers."""
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call(number)
    bob.ring()
    his = bob.accept()
    return alice, hers, bob, his


def test_two_users_hear_each_other(bench: Any) -> None:
    alice, hers, bob, his = connect(bench)
    a, b = bench.channel("1000"), bench.channel("1001")
    assert (a.peer, b.peer) == (b.uuid, a.uuid)
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid) and bench.heard_by(b.uuid)[-1] == FromPeer(a.uuid)
    assert alice.have(Established) and bob.have(Established)
    alice.hang_up(hers)
    assert bob.end.reasons[0].text == "NORMAL_CLEARING"
    assert bench.node.channels() == ()


def test_the_caller_hears_ringing_as_early_media(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    assert [each.status for each in alice.have(Progress)] == [100]
    bob.ring()
    assert [each.status for each in alice.have(Progress)] == [100, 183]
    assert alice.last(AnswerReceived).early
    a = bench.channel("1000").uuid
    assert bench.heard_by(a) == [Tone(440.0, 480.0)]
    bench.run(3.0)
    assert bench.heard_by(a)[-1] == Silence()
    bob.accept()
    bench.run(10.0)
    assert bench.heard_by(a)[-1] == FromPeer(bench.channel("1001").uuid)


def test_early_media_of_the_called_party_is_passed_on(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    call = bob.last(InviteReceived)
    bob.ring(status=183, body=bob.answer_to(call.offer))
    a, b = bench.channel("1000"), bench.channel("1001")
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid)
    bob.accept()
    assert [each.status for each in alice.have(Progress)] == [100, 183]
    assert bench.heard_by(a.uuid)[-1] == FromPeer(b.uuid)


def test_headers_for_a_call_centre(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("6001", headers=[("X-Customer", "abc"), ("X-Call-Variable3", "mine")])
    headers = bob.last(InviteReceived).request.headers
    assert headers.get("X-Customer") == "abc" and headers.get("X-Queue") == "support"
    assert headers.get("X-Call-Variable3") == "mine" and headers.get("X-Call-Variable0") == "1000"
    assert headers.get("X-Call-Id") == bench.channel("1000").uuid
    bob.ring()
    assert [each.status for each in alice.have(Progress)] == [100, 180]


def test_x_headers_pass_both_ways(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", headers=[("X-There", "1")])
    assert bob.last(InviteReceived).request.headers.get("X-There") == "1"
    bob.accept(headers=[("X-Back", "2")])
    response = alice.last(Established).response
    assert response.headers.get("X-Back") == "2" and response.headers.get("X-FS-Support") == "update_display,send_info"


def test_both_are_told_whom_they_have(bench: Any) -> None:
    alice, _, bob, _ = connect(bench)
    assert not alice.have(DisplayUpdated)
    bench.run(0.06)
    assert (alice.last(DisplayUpdated).name, alice.last(DisplayUpdated).number) == ("Outbound Call", "1001")
    assert (bob.last(DisplayUpdated).name, bob.last(DisplayUpdated).number) == ("Extension 1000", "1000")


def test_a_client_may_say_who_it_is(bench: Any) -> None:
    alice, _, bob, his = connect(bench)
    bench.run(0.06)
    headers = [
        ("Content-Type", "message/update_display"),
        ("X-FS-Display-Name", "New Name"),
        ("X-FS-Display-Number", "5555"),
    ]
    bob.agent.info(his, "", "", bench.now, headers=headers)
    bench.drain()
    assert (alice.last(DisplayUpdated).name, alice.last(DisplayUpdated).number) == ("New Name", "5555")


def test_hold_is_hold_music_and_no_sip(bench: Any) -> None:
    alice, hers, bob, his = connect(bench)
    a, b = bench.channel("1000").uuid, bench.channel("1001").uuid
    bob.reoffer(his, Direction.SENDONLY)
    assert bench.heard_by(a)[-1] == MUSIC and not bob.have(Renegotiated)
    bench.run(0.3)
    assert bob.have(Renegotiated) and "a=recvonly" in bob.last(AnswerReceived).answer
    assert bench.channel("1001").held and not bench.channel("1000").held
    alice.reoffer(hers, Direction.SENDONLY)
    bench.run(0.3)
    assert bench.heard_by(b)[-1] == MUSIC
    bob.reoffer(his, Direction.SENDRECV)
    bench.run(0.3)
    assert bench.heard_by(a)[-1] == FromPeer(b) and bench.heard_by(b)[-1] == MUSIC
    alice.reoffer(hers, Direction.SENDRECV)
    bench.run(0.3)
    assert bench.heard_by(b)[-1] == FromPeer(a)
    assert not alice.have(OfferReceived) and not bob.have(OfferReceived)


def test_digits_go_over_as_telephone_events(bench: Any) -> None:
    alice, hers, bob, _ = connect(bench)
    a, b = bench.channel("1000").uuid, bench.channel("1001").uuid
    alice.press(hers, "5")
    (sent,) = bench.performed(SendDigits)
    assert (sent.media, sent.digits, sent.duration_ms) == (b, "5", 160)
    bench.engine.tell(DigitReceived(b, "#", 100))
    bench.drain()
    assert [(each.media, each.digits) for each in bench.performed(SendDigits)] == [(b, "5"), (a, "#")]
    assert not [each for each in bob.have(RequestReceived) if each.request.method == "INFO" and each.request.body]


@pytest.mark.parametrize(
    ("status", "text"),
    [(486, "USER_BUSY"), (603, "CALL_REJECTED"), (480, "NO_USER_RESPONSE"), (499, "NORMAL_UNSPECIFIED"), (408, None)],
)
def test_a_refusal_is_passed_on(bench: Any, status: int, text: str | None) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    bob.reject(status)
    assert alice.end.status == status
    assert alice.end.reasons[0].text == (text or "RECOVERY_ON_TIMER_EXPIRE")
    assert bench.node.channels() == ()


def test_the_caller_gives_up(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    hers = alice.call("1001")
    bob.ring()
    alice.hang_up(hers)
    assert bob.end.reasons[0].text == "ORIGINATOR_CANCEL" and alice.end.status == 487
    assert bench.node.channels() == ()


def test_nobody_answers(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    bench.run(20.1)
    assert (alice.end.status, alice.end.reasons[0].text) == (480, "NO_ANSWER")
    assert bob.end.reasons[0].text == "NO_ANSWER"
    assert bench.node.channels() == ()


def test_nobody_is_registered(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("1009")
    assert (alice.end.status, alice.end.reasons[0].text) == (480, "USER_NOT_REGISTERED")


def test_a_phone_is_asked_to_answer_by_itself(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("71001")
    request = bob.last(InviteReceived).request
    assert request.uri.endswith(";intercom=true")
    assert request.headers.get("Call-Info") == "<sip:127.0.0.1>;answer-after=0"
    bob.ring()
    assert [each.request.headers.get("Event") for each in bob.have(RequestReceived)][-1] == "talk"
    assert [each.status for each in alice.have(Progress)] == [100, 180]


def test_one_calls_itself(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("1000")
    alice.ring()
    alice.hang_up(session)
    assert bench.node.channels() == ()


def test_the_called_partys_connection_is_lost_while_it_rings(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    bob.unplug()
    bench.run(40.0)
    assert alice.end.status >= 400 and bench.node.channels() == ()


def test_an_originated_call_is_connected_with_a_user(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    bench.give(Originate("1000", number="1001"))
    hers = alice.accept()
    bob.ring()
    a = bench.channel("1000").uuid
    assert bench.heard_by(a)[-1] == MUSIC
    bob.accept()
    assert bench.heard_by(a)[-1] == FromPeer(bench.channel("1001").uuid)
    alice.hang_up(hers)
    assert bob.end and not bench.node.channels()


def test_an_originated_call_hears_early_media(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    bench.give(Originate("1000", number="1001"))
    alice.accept()
    bob.ring(status=183, body=bob.answer_to(bob.last(InviteReceived).offer))
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == FromPeer(bench.channel("1001").uuid)
    bob.reject(603)
    assert alice.end.reasons[0].text == "CALL_REJECTED" and not bench.node.channels()


def test_digits_of_one_who_rings_go_nowhere(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001")
    bob.ring()
    bench.engine.tell(DigitReceived(bench.channel("1000").uuid, "1", 100))
    bench.drain()
    assert not bench.performed(SendDigits)


def test_what_conf_adds_for_the_called_agent(make_bench: Any) -> None:
    bench = make_bench(settings=SwitchSettings(server_half=True))
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", headers=[("X-Calltype", "OUT"), ("X-Call-Id", "chosen by the caller")])
    given = bob.last(InviteReceived).request.headers
    assert given.all("X-Call-Id") == [bench.channel("1000").uuid]
    assert (given.get("X-Destination-Number"), given.get("X-Calltype")) == ("1001", "OUT")
    alice.call("1001", headers=[("X-Destination-Number", "800")])
    assert bob.last(InviteReceived).request.headers.all("X-Destination-Number") == ["800"]


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly"])
@pytest.mark.parametrize("taken", [VIDEO, VIDEO.replace("4000", "0"), ""])
def test_video_is_offered_to_who_is_called(make_bench: Callable[..., Any], direction: str, taken: str) -> None:
    """Measured, and trace 23: both ways, whatever the caller offers; the caller is answered by its own offer, whatever
    the called party makes of it."""
    bench = make_bench(settings=SwitchSettings(video=True))
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", offer=f"{alice.offer()}{VIDEO}a={direction}\r\n")
    b = bench.channel("1001").uuid
    (offered,) = bench.performed(CreateOffer)
    assert (offered.media, offered.video) == (b, Direction.SENDRECV)
    bob.accept_with(taken)
    (answered,) = bench.performed(CreateAnswer)
    assert answered.video is Direction.SENDRECV and alice.have(Established)
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == FromPeer(b)


@pytest.mark.parametrize("more", ["", VIDEO.replace("4000", "0"), VIDEO.replace("VP8", "H264")])
def test_no_video_is_offered_where_the_caller_has_none(make_bench: Callable[..., Any], more: str) -> None:
    bench = make_bench(settings=SwitchSettings(video=True))
    alice, _ = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", offer=alice.offer() + more)
    assert [each.video for each in bench.performed(CreateOffer)] == [None]


def test_no_video_is_offered_by_an_engine_that_has_none(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("1001", offer=alice.offer() + VIDEO)
    bob.accept()
    assert alice.have(Established)
    assert [each.video for each in bench.performed(CreateOffer | CreateAnswer)] == [None, None]


def test_video_is_offered_to_whom_a_call_with_video_is_transferred(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(settings=SwitchSettings(video=True))
    alice, bob, _ = (bench.phone(user) for user in ("1000", "1001", "1002"))
    alice.call("1001", offer=alice.offer() + VIDEO)
    his = bob.accept()
    bob.agent.refer(his, "sip:1002@127.0.0.1", bench.now)
    bench.run(0.1)
    assert [each.video for each in bench.performed(CreateOffer)] == [Direction.SENDRECV] * 2
