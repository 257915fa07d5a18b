"""Plain calls, at the development switch."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.doctor.bench import Agent, Numbers
from offhook.doctor.calling import described, poor, ringing, session_timer, short_timer
from offhook.doctor.findings import Outcome, Verdict
from offhook.doctor.handset import Handset
from offhook.doctor.leg import Leg
from offhook.media.engine import AudioStats, Stats
from offhook.sip.events import RequestReceived
from offhook.sip.message import Request
from offhook.sip.parser import parse_message


async def outcome(look: Any, url: str, name: str, **options: Any) -> Outcome:
    found = await look(url, name, **options)
    made: Outcome = found[name].outcome
    return made


async def test_signalling_alone(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    names = ("echo", "audio", "hold", "video", "agent-call", "digits", "message")
    found = await look(switch.ws_url, *names, media="null")
    by_verdict = {name: found[name].outcome.verdict for name in names}
    assert by_verdict == dict.fromkeys(names, Verdict.OK) | {"audio": Verdict.CANNOT, "video": Verdict.CANNOT}
    assert "arrives is seen with audio alone" in found["digits"].outcome.seen


async def test_no_such_echo(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "echo", media="null", numbers=Numbers(echo="9404"))
    assert made.verdict is Verdict.FAILED and "404" in made.seen and "--echo" in made.remedy


async def test_what_is_no_echo(start_switch: Any, look: Any) -> None:
    switch = await start_switch()
    made = await outcome(look, switch.ws_url, "audio", numbers=Numbers(echo="9197"))  # milliwatt
    assert made.verdict is Verdict.FAILED and "does not come back" in made.seen and "--echo" in made.remedy


async def test_a_server_without_audio(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offhook.doctor.handset.LISTEN_SECONDS", 0.3)
    switch = await start_switch(media="null")
    found = await look(switch.ws_url, "audio", "agent-call")
    assert found["audio"].outcome.verdict is Verdict.FAILED
    assert "offhook_candidate_acl" in found["audio"].outcome.remedy
    assert "1000 does not hear 1001" in found["agent-call"].outcome.seen


async def test_one_agent_alone(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "agent-call", media="null", agents=(Agent("1000", "1234"),))
    assert made.verdict is Verdict.CANNOT and "--agent" in made.remedy


async def test_headers_that_do_not_pass(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offhook.doctor.calling.PASSED_ON", {"X-Other": "not what is sent"})
    monkeypatch.setattr(Handset, "dial", without_headers(Handset.dial))
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "headers", media="null")
    assert made.verdict is Verdict.FAILED and "X-Other" in made.seen and "dialplan/offhook.xml" in made.remedy


def without_headers(dial: Any) -> Any:
    async def changed(handset: Handset, number: str, **options: Any) -> Leg:
        leg: Leg = await dial(handset, number, **(options | {"headers": ()}))
        return leg

    return changed


async def test_what_cannot_be_seen(start_switch: Any, look: Any) -> None:
    switch = await start_switch(media="null")
    made = await outcome(look, switch.ws_url, "untrusted-headers", media="null")
    assert made.verdict is Verdict.CANNOT and "00_offhook.xml" in made.remedy


def test_rtp_in_words() -> None:
    good = Stats("1", "m", AudioStats("opus", 50, 50, 0, 1.5, 2.0, 4.4))
    words = "codec opus, RTP 50 sent, 50 received, 0 lost, jitter 1.5 ms, round trip 2 ms, mos 4.4"
    assert described(good) == words and poor(good) == []
    assert described(Stats("1", "m", AudioStats())) == "codec none, RTP 0 sent, 0 received, 0 lost"
    bad = Stats("1", "m", AudioStats("opus", 50, 40, 10, 55.0))
    assert "10 of 50" in poor(bad)[0] and "55 ms" in poor(bad)[1]


def request(*lines: str) -> Request:
    head = ("INVITE sip:a@b SIP/2.0", "Via: SIP/2.0/WS a;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:a@b>")
    made = parse_message("\r\n".join((*head, "Call-ID: x", "CSeq: 1 INVITE", *lines, "", "")).encode())
    assert isinstance(made, Request)
    return made


def test_session_timers_in_words() -> None:
    assert session_timer(request()) == "no session timer" and "enable-timer" in short_timer(request())[0]
    timed = request("Session-Expires: 120", "Min-SE: 90")
    assert session_timer(timed) == "session timer 120 s, at least 90 s" and short_timer(timed) == []
    assert "shorter" in short_timer(request("Session-Expires: 30"))[0]


def test_ringing_in_words() -> None:
    leg = Leg("x")
    assert ringing(leg) == "no ringing was told"
    leg.progress = [request().response(100), request().response(180)]
    assert ringing(leg) == "180 without early media"


async def test_a_server_that_has_no_name_for_lost_calls(
    start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = await start_switch(media="null")
    assert (await outcome(look, switch.ws_url, "recover", media="null")).verdict is Verdict.OK
    call = Handset.call

    async def elsewhere(handset: Handset, number: str, *rest: Any, **options: Any) -> Leg:
        return await call(handset, "9404" if number == "offhook-recover" else number, *rest, **options)

    monkeypatch.setattr(Handset, "call", elsewhere)
    made = await outcome(look, switch.ws_url, "recover", media="null")
    assert made.verdict is Verdict.FAILED and "404" in made.seen and "dialplan/offhook.xml" in made.remedy


async def test_messages_that_are_not_passed_on(start_switch: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As conf/freeswitch has it: worth a note where the dialect needs them alone."""
    monkeypatch.setattr(Handset, "wait", never(Handset.wait, RequestReceived))
    switch = await start_switch(media="null")
    for dialect, notes in (("freeswitch", 0), ("efcx", 1)):
        made = await outcome(look, switch.ws_url, "message", media="null", dialect=dialect)
        assert "not passed on" in made.seen and len(made.notes) == notes


def never(wait: Any, kind: type) -> Any:
    async def changed(handset: Handset, kinds: tuple[type, ...], timeout: float, **options: Any) -> Any:
        return None if kind in kinds else await wait(handset, kinds, timeout, **options)

    return changed
