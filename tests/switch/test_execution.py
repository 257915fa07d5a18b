from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import DigitReceived, Echo, FromPeer, SendDigits, Silence, Tone
from offhook.sip.events import Established, Progress
from offhook.switch.exchange import IvrDigits
from offhook.switch.wording import SwitchSettings


def digits(bench: Any) -> list[str]:
    return [event.digits for event in bench.events if isinstance(event, IvrDigits)]


@pytest.mark.parametrize(
    ("number", "source"), [("9196", Echo()), ("9195", Echo()), ("9197", Tone(1004.0)), ("9664", Tone(523.0, 659.0))]
)
def test_numbers_that_play(bench: Any, number: str, source: object) -> None:
    alice = bench.phone("1000")
    session = alice.call(number)
    assert alice.have(Established)
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == source
    alice.hang_up(session)
    assert bench.node.channels() == ()


def test_ringing_then_answer(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9180")
    assert [each.status for each in alice.have(Progress)] == [100, 180]
    bench.run(4.9)
    assert not alice.have(Established)
    bench.run(0.2)
    assert alice.have(Established)
    bench.run(0.5)
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == Echo()


def test_early_media_then_answer(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9181")
    assert [each.status for each in alice.have(Progress)] == [100, 183]
    bench.run(2.9)
    assert not alice.have(Established)
    bench.run(0.2)
    assert alice.have(Established) and bench.heard_by(bench.channel("1000").uuid)[-1] == Echo()


def test_ringing_for_a_minute(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("9189")
    bench.run(60.1)
    assert (alice.end.status, alice.end.reasons[0].text) == (480, "NO_ANSWER")


@pytest.mark.parametrize(("number", "seconds"), [("9199", 3.0), ("9192", 0.5)])
def test_the_server_hangs_up(bench: Any, number: str, seconds: float) -> None:
    alice = bench.phone("1000")
    alice.call(number)
    bench.run(seconds - 0.1)
    assert bench.node.channels()
    bench.run(0.2)
    assert alice.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        ("9486", 486, "USER_BUSY"),
        ("9603", 603, "CALL_REJECTED"),
        ("9404", 404, "UNALLOCATED_NUMBER"),
        ("9480", 480, "NO_ANSWER"),
        ("9503", 503, "NORMAL_TEMPORARY_FAILURE"),
        ("9408", 504, "RECOVERY_ON_TIMER_EXPIRE"),
        ("8488", 488, "INCOMPATIBLE_DESTINATION"),
        ("9302", 302, "NORMAL_UNSPECIFIED"),
        ("4999", 480, "NORMAL_CLEARING"),
    ],
)
def test_numbers_that_refuse(bench: Any, number: str, status: int, reason: str) -> None:
    alice = bench.phone("1000")
    alice.call(number)
    assert (alice.end.status, alice.end.reasons[0].text) == (status, reason)
    assert not bench.node.channels() and not bench.performed(SendDigits)


def test_the_menu_sends_digits_back_and_asks_again(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("5000")
    bench.run(1.0)
    for digit in "78#":
        alice.press(session, digit)
    assert digits(bench) == ["78"]
    assert bench.events[-1].uuid == bench.channel("1000").uuid and bench.events[-1].caller == "1000"
    assert [each.digits for each in bench.performed(SendDigits)] == ["78"]
    bench.run(1.0)
    bench.engine.tell(DigitReceived(bench.channel("1000").uuid, "1", 160))
    bench.drain()
    bench.run(3.5)
    assert digits(bench) == ["78", "1"]
    assert bench.heard_by(bench.channel("1000").uuid)[-1] == Echo()


def test_digits_that_come_too_early_are_kept(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("5000")
    for digit in "78#1#":
        alice.press(session, digit)
    assert digits(bench) == []
    bench.run(0.6)
    assert digits(bench) == ["78"]
    bench.run(0.6)
    assert digits(bench) == ["78", "1"]


def test_the_menu_hangs_up_on_9(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("5000")
    bench.run(1.0)
    alice.press(session, "9")
    bench.run(4.0)
    assert alice.end.reasons[0].text == "NORMAL_CLEARING" and not bench.node.channels()


def test_the_menu_gives_up(bench: Any) -> None:
    alice = bench.phone("1000")
    alice.call("5000")
    bench.run(24.0)
    assert digits(bench) == [""] and alice.end and not bench.node.channels()


def test_the_menu_connects_with_a_user(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    session = alice.call("5000")
    bench.run(1.0)
    for digit in "1001#":
        alice.press(session, digit)
    bench.run(0.7)
    a = bench.channel("1000").uuid
    bob.ring()
    assert bench.heard_by(a)[-1] == Tone(523.0, 659.0)
    bob.accept()
    assert bench.heard_by(a)[-1] == FromPeer(bench.channel("1001").uuid)
    alice.hang_up(session)
    assert bob.end and not bench.node.channels()


def test_a_user_whom_the_menu_cannot_reach(bench: Any) -> None:
    alice, bob = bench.phone("1000"), bench.phone("1001")
    session = alice.call("5000")
    bench.run(1.0)
    for digit in "1001#":
        alice.press(session, digit)
    bench.run(0.7)
    bob.reject(486)
    assert alice.end.reasons[0].text == "USER_BUSY" and not bench.node.channels()


def test_hanging_up_in_the_menu(bench: Any) -> None:
    alice = bench.phone("1000")
    session = alice.call("5000")
    bench.run(1.0)
    alice.press(session, "1")
    alice.hang_up(session)
    bench.run(60.0)
    assert digits(bench) == [] and bench.heard_by("") == [] and Silence() not in bench.heard_by("")


def test_a_call_that_is_gone_cannot_be_recovered(make_bench: Any) -> None:
    """As the extension offhook-recover of conf/freeswitch says; without it that is a queue of nobody."""
    statuses = []
    for by_conf in (True, False):
        alice = make_bench(settings=SwitchSettings(server_half=by_conf)).phone("1000")
        alice.call("offhook-recover")
        statuses.append(alice.end.status)
    assert statuses == [481, 404]
