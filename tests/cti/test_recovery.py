"""By which way a call may come back."""

from __future__ import annotations

import pytest

from offhook.cti.recovery import Peer, Recovery, State, Way, ways
from offhook.sip.message import Response

NUMBER = "sip:9196@pbx;transport=ws"


def answer(*headers: tuple[str, str]) -> Response:
    response = Response(200, "OK")
    for name, value in headers:
        response.headers.add(name, value)
    return response


@pytest.mark.parametrize(
    ("transport", "target", "headers", "wanted"),
    [
        ("WS", NUMBER, [("User-Agent", "FreeSWITCH-mod_sofia/1.11.1")], (Way.REPLACE,)),
        ("WSS", NUMBER, [("User-Agent", "Offhook"), ("Supported", "timer, path, replaces")], (Way.REPLACE,)),
        ("WS", "sip:mod_sofia@pbx:5060", [], (Way.REPLACE,)),
        ("TCP", NUMBER, [("Server", "freeswitch")], (Way.REPLACE,)),
        ("UDP", NUMBER, [("User-Agent", "FreeSWITCH")], (Way.REINVITE, Way.REPLACE)),
        ("WS", NUMBER, [("Server", "Asterisk PBX 20"), ("Supported", "replaces")], (Way.REINVITE, Way.REPLACE)),
        ("WS", NUMBER, [("Server", "Something"), ("Supported", "timer")], (Way.REINVITE,)),
        ("WS", NUMBER, [("Supported", ",,;;")], (Way.REINVITE, Way.REPLACE)),
    ],
)
def test_the_ways(transport: str, target: str, headers: list[tuple[str, str]], wanted: tuple[Way, ...]) -> None:
    assert ways(Peer.read(transport, target, answer(*headers)), silent=False) == wanted


def test_without_audio_half_a_way_is_better_than_none() -> None:
    peer = Peer("WS", freeswitch=True, replaces=True)
    assert ways(peer, silent=True) == (Way.REPLACE, Way.REINVITE)


@pytest.mark.parametrize("state", list(State))
def test_what_may_be_sent_on_the_way(state: State) -> None:
    assert Recovery("r", state).blocks == (state not in (State.REINVITING, State.HOLDING))


@pytest.mark.parametrize(
    ("following", "status", "left"),
    [(False, 481, ["b", "a"]), (True, 503, ["b", "a"]), (True, 481, ["a"]), (True, 480, ["a"])],
)
def test_what_may_live_under_an_attempt(following: bool, status: int, left: list[str]) -> None:
    recovery = Recovery("r", following=following)
    for attempt in ("a", "b", "c"):
        recovery.tried(attempt)
    recovery.refuse(status)
    assert recovery.attempts == left


def test_attempts_are_few() -> None:
    recovery = Recovery("r")
    for attempt in "abcdef":
        recovery.tried(attempt)
    assert recovery.attempts == ["f", "e", "d", "c"]
