from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from offhook.media.engine import CreateOffer, Direction, FromPeer, Tone
from offhook.sip.events import DisplayUpdated, Established, InviteReceived, SessionEnded
from offhook.switch import acd
from offhook.switch.directory import Directory, Queue
from offhook.switch.wording import SwitchSettings

MUSIC = Tone(523.0, 659.0)


def calls(phone: Any) -> int:
    return len(phone.have(InviteReceived))


def test_the_caller_hears_music_until_the_agent_answers(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    session = alice.call("5900")
    assert alice.have(Established) and bench.channel("1000").queue == "support"
    a = bench.channel("1000").uuid
    assert bench.heard_by(a) == [MUSIC]
    bench.run(0.2)
    bob.accept()
    b = bench.channel("1001").uuid
    assert bench.heard_by(a)[-1] == FromPeer(b) and bench.heard_by(b)[-1] == FromPeer(a)
    assert bench.channel("1000").queue is None and bench.channel("1000").peer == b
    alice.hang_up(session)
    assert bob.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


def test_both_are_told_who_the_other_is(bench: Any) -> None:
    """Trace 33: it is by this that the caller learns that an agent has answered."""
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("5900")
    bench.run(0.2)
    assert not alice.have(DisplayUpdated)
    bob.accept()
    bench.run(0.1)
    assert (alice.last(DisplayUpdated).name, alice.last(DisplayUpdated).number) == ("Outbound Call", "1001")
    assert (bob.last(DisplayUpdated).name, bob.last(DisplayUpdated).number) == ("1000", "1000")


def test_what_the_agent_is_told_of_the_call(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("99887766-support", headers=[("X-Call-Variable3", "mine"), ("X-Customer", "abc")])
    bench.run(0.2)
    headers = bob.last(InviteReceived).request.headers
    assert headers.get("X-Call-Id") == bench.channel("1000").uuid
    assert headers.get("X-Destination-Number") == "99887766" and headers.get("X-Queue") == "support"
    assert headers.get("X-Queuetype") == "NAME" and headers.get("X-CallType") == "ACD"
    assert headers.get("X-Call-Variable3") == "mine" and headers.get("X-Customer") == "abc"


def test_a_consultation_of_a_queue_is_told_as_such(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    given = [
        ("X-Calltype", "CONSULT"),
        ("X-CustomerNumber", "5551234"),
        ("X-Destination-Number", "8000"),
        ("X-Customer-Dialog-Id", "dialog-1"),
    ]
    alice.call("1-support", headers=given)
    bench.run(0.2)
    headers = bob.last(InviteReceived).request.headers
    assert headers.all("X-Calltype") == ["CONSULT"] and headers.all("X-Destination-Number") == ["8000"]
    assert headers.get("X-CustomerNumber") == "5551234" and headers.get("X-Customer-Dialog-Id") == "dialog-1"


def test_an_agent_that_rejects_is_offered_the_call_again(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("5900")
    bench.run(0.2)
    bob.reject(486)
    bench.run(2.8)
    assert calls(bob) == 1
    bench.run(0.5)
    assert calls(bob) == 2
    bob.accept()
    assert bench.channel("1000").peer


def test_an_agent_that_does_not_answer_is_rung_fifteen_seconds(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    alice.call("5900")
    bench.run(0.2)
    bob.ring()
    bench.run(14.5)
    assert not bob.have(SessionEnded)
    bench.run(0.6)
    assert bob.end.reasons[0].text == "NO_ANSWER"
    bench.run(3.1)
    assert calls(bob) == 2 and bench.channel("1000").queue == "support"


def test_the_caller_gives_up(bench: Any) -> None:
    alice, bob, carol = bench.phone("1000"), bench.phone("1001"), bench.phone("1002")
    session = alice.call("5900")
    bench.run(0.2)
    bob.ring()
    alice.hang_up(session)
    assert bob.end.reasons[0].text == "ORIGINATOR_CANCEL" and not bench.node.channels()
    carol.call("5900")
    bench.run(0.2)
    assert calls(bob) == 2  # at once


def test_an_agent_rests_after_a_call(bench: Any) -> None:
    alice, bob, carol = bench.phone("1000"), bench.phone("1001"), bench.phone("1002")
    alice.call("5900")
    bench.run(0.2)
    session = bob.accept()
    carol.call("5900")
    bench.run(30.0)
    assert calls(bob) == 1 and bench.channel("1002").queue == "support"
    bob.hang_up(session)
    bench.run(1.8)
    assert calls(bob) == 1
    bench.run(0.5)
    assert calls(bob) == 2


def test_who_has_been_idle_longest_is_rung(make_bench: Callable[..., Any]) -> None:
    queue = Queue("sales", ("1001", "1002"), ring_seconds=5.0, rest_seconds=0.0)
    bench = make_bench(directory=Directory.sample().with_queues([queue]))
    alice, bob, carol = bench.phone("1000"), bench.phone("1001"), bench.phone("1002")
    alice.call("1-sales")
    bench.run(0.2)
    assert (calls(bob), calls(carol)) == (1, 0)
    bob.hang_up(bob.accept())
    alice.call("1-sales")
    bench.run(0.2)
    assert (calls(bob), calls(carol)) == (1, 1)
    carol.reject(486)
    assert (calls(bob), calls(carol)) == (2, 1)
    bench.run(5.1)
    assert calls(carol) == 2  # bob did not answer either


def test_each_agent_gets_one_call_at_a_time(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(directory=Directory.sample().with_queues([Queue("sales", ("1001", "1002"))]))
    bob, carol = bench.phone("1001"), bench.phone("1002")
    callers = [bench.phone(user) for user in ("1003", "1004", "1005")]
    for each in callers:
        each.call("1-sales")
    bench.run(0.5)
    assert (calls(bob), calls(carol)) == (1, 1)
    assert {bob.last(InviteReceived).request.from_.uri.user, carol.last(InviteReceived).request.from_.uri.user} == {
        "1003",
        "1004",
    }


def test_nobody_is_offered_its_own_call(bench: Any) -> None:
    bob = bench.phone("1001")
    bob.call("5900")
    bench.run(5.0)
    assert calls(bob) == 0


def test_an_agent_that_comes_later(bench: Any) -> None:
    bench.phone("1000").call("5900")
    bench.run(60.0)
    assert bench.channel("1000").queue == "support"
    bob = bench.phone("1001")
    bench.run(0.5)
    assert calls(bob) == 1


@pytest.mark.parametrize("number", ["1-sales", "99887766-nowhere"])
def test_an_unknown_queue(bench: Any, number: str) -> None:
    alice = bench.phone("1000")
    alice.call(number)
    assert (alice.end.status, alice.end.reasons[0].text) == (404, "UNALLOCATED_NUMBER")
    assert not bench.node.channels()


def test_a_caller_that_is_not_taken_is_forgotten_with_its_timers(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.hang_up(alice.call("5900"))
    bench.run(5.0)
    assert not bench.node.channels()
    assert bench.node._exchange.queues._callers == {"support": []}


def test_who_consults_a_queue_and_transfers_too_early(bench: Any) -> None:
    """The consultation is over, and the agent that was rung for it is rung no more; the customer waits in its place."""
    customer, agent, bob = bench.phone("1000"), bench.phone("1002"), bench.phone("1001")
    customer.call("1002")
    session = agent.accept()
    consult = agent.call("1-support")
    bench.run(0.2)
    bob.ring()
    agent.agent.refer(session, None, bench.now, replaces=consult)
    bench.drain()
    bench.run(0.5)
    assert bob.end.reasons[0].text == "ORIGINATOR_CANCEL"
    assert calls(bob) == 2 and bob.last(InviteReceived).request.from_.uri.user == "1000"


def test_a_full_queue(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acd, "MOST_CALLERS", 1)
    bench.phone("1000").call("5900")
    late = bench.phone("1002")
    late.call("5900")
    assert (late.end.status, late.end.reasons[0].text) == (503, "SERVICE_UNAVAILABLE")


def test_the_menu_leads_there(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    session = alice.call("5000")
    bench.run(2.0)
    for digit in ("3", "#"):
        alice.press(session, digit)
    bench.run(1.0)
    assert calls(bob) == 1


def test_video_is_offered_to_the_agent(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(settings=SwitchSettings(video=True))
    alice, _ = bench.phone("1000"), bench.phone("1001")
    alice.call("5900", offer=alice.offer() + "m=video 4000 RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n")
    bench.run(0.2)
    assert [each.video for each in bench.performed(CreateOffer)] == [Direction.SENDRECV]
