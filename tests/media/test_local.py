"""Two engines in one process over real sockets on 127.0.0.1: ours, and one that plays FreeSWITCH."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import aioice.ice
import av
import numpy as np
import pytest
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from offhook.errors import ConfigError
from offhook.media.audio import Samples, level_dbov, longest_hole, read_wav, tone, tone_power
from offhook.media.engine import (
    AnswerApplied,
    ApplyAnswer,
    AudioStats,
    CloseMedia,
    CreateAnswer,
    CreateOffer,
    DigitReceived,
    DigitsSent,
    Direction,
    Echo,
    EngineFailed,
    Frames,
    FromPeer,
    GetStats,
    MediaConnected,
    MediaLost,
    NoSink,
    Rollback,
    SendDigits,
    SetMuted,
    SetSink,
    SetSource,
    Stats,
    Tone,
    WavFile,
    WavSink,
)
from offhook.media.local import LocalEngine
from offhook.media.rtp import is_rtcp, parse_rtp
from offhook.media.sdp import Session
from offhook.media.webrtc import SecureTransport

MakeSide = Callable[..., Any]
OURS, THEIRS = 440.0, 1000.0


async def _call(make_side: MakeSide, codec: str = "PCMU", **arguments: Any) -> tuple[Any, Any]:
    """We call the one that plays FreeSWITCH; both send a tone."""
    us = make_side(codecs=(codec,), default_source=Tone(OURS), **arguments)
    them = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    await us.apply(await them.answer(await us.offer()))
    await us.connected()
    await them.connected()
    return us, them


async def _stats(side: Any, media: str = "m") -> AudioStats:
    side._asked += 1
    event = await side.ask(GetStats(f"stats{side._asked}", media))
    assert isinstance(event, Stats)
    return event.audio


def _hears(samples: Samples, hz: float) -> bool:
    return tone_power(samples, 16000, hz) > 0.9 and longest_hole(samples, 16000, hz) <= 40.0


async def _settled(side: Any, hz: float) -> None:
    """Until that tone is heard."""
    async with asyncio.timeout(5):
        while tone_power(await side.hear(0.1), 16000, hz) < 0.9:
            pass


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "opus"])
async def test_audio_both_ways(make_side: MakeSide, codec: str) -> None:
    us, them = await _call(make_side, codec)
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    here, there = await asyncio.gather(us.hear(0.6), them.hear(0.6))
    assert _hears(here, THEIRS) and _hears(there, OURS)
    assert level_dbov(here) == pytest.approx(-18.0, abs=1.0)
    stats = await _stats(us)
    assert stats.codec == codec and stats.packets_lost == 0
    assert stats.packets_received and stats.packets_sent
    assert stats.level_in_db == pytest.approx(-18.0, abs=1.0) and stats.level_out_db == pytest.approx(-18.0, abs=1.0)
    assert stats.mos is not None and stats.mos > 4.0


async def test_freeswitch_calls_us(make_side: MakeSide) -> None:
    us = make_side(default_source=Tone(OURS))
    them = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    await them.apply(await us.answer(await them.offer()))
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    assert (await _stats(us)).codec == "opus"


async def test_hold_and_retrieve(make_side: MakeSide) -> None:
    us, them = await _call(make_side)
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    before = Session.parse(await us.offer(direction=Direction.SENDONLY))
    answer = await them.answer(str(before))
    assert "a=recvonly" in answer
    await us.apply(answer)
    heard = len(us.frames)
    assert _hears(await them.hear(0.3), OURS)  # they hear us still, we hear nothing
    assert len(us.frames) == heard
    await us.apply(await them.answer(await us.offer()))
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    assert us.events.count(MediaConnected("m")) == 1  # the same ICE and DTLS all the time
    assert (await _stats(us)).packets_lost == 0  # what was not sent is no loss


async def test_they_hold_us(make_side: MakeSide) -> None:
    us, them = await _call(make_side)
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    answer = await us.answer(await them.offer(direction=Direction.SENDONLY))
    assert "a=recvonly" in answer
    await them.apply(answer)
    sent = (await _stats(us)).packets_sent
    assert _hears(await us.hear(0.3), THEIRS)
    assert (await _stats(us)).packets_sent == sent


async def test_mute(make_side: MakeSide) -> None:
    us, them = await _call(make_side)
    await _settled(them, OURS)
    us.engine.perform(SetMuted("m", True))
    async with asyncio.timeout(5):
        while level_dbov(await them.hear(0.1)) > -60.0:
            pass
    sent = (await _stats(us)).packets_sent
    us.engine.perform(SetMuted("m", False))
    await _settled(them, OURS)
    assert ((await _stats(us)).packets_sent or 0) > (sent or 0)


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_digits_both_ways(make_side: MakeSide, codec: str) -> None:
    us, them = await _call(make_side, codec)
    outcomes = await asyncio.gather(
        us.ask(SendDigits("out", "m", "19*#", duration_ms=80, gap_ms=40)),
        them.ask(SendDigits("in", "m", "AD", duration_ms=80, gap_ms=40)),
    )
    assert all(isinstance(outcome, DigitsSent) for outcome in outcomes)

    def digits(side: Any) -> str:
        return "".join(event.digit for event in side.events if isinstance(event, DigitReceived))

    await us.events.until(lambda _: digits(us) == "AD", "AD")
    await them.events.until(lambda _: digits(them) == "19*#", "19*#")
    assert {event.duration_ms for event in us.events if isinstance(event, DigitReceived)} == {80}
    assert (await _stats(them)).packets_lost == 0


async def test_no_packet_of_audio_has_a_marker(make_side: MakeSide, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    send = SecureTransport.send

    def spy(self: SecureTransport, data: bytes) -> bool:
        sent.append(data)
        return send(self, data)

    monkeypatch.setattr(SecureTransport, "send", spy)
    us, them = await _call(make_side)
    await us.ask(SendDigits("d", "m", "1", duration_ms=60, gap_ms=20))
    await them.hear(0.2)
    packets = [parse_rtp(data) for data in sent if not is_rtcp(data)]
    marked = [packet.payload_type for packet in packets if packet is not None and packet.marker]
    assert marked == [126] and len(packets) > 20  # the first packet of the digit alone


async def test_early_media_with_the_same_answer_again(make_side: MakeSide) -> None:
    us = make_side(default_source=Tone(OURS))
    them = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    answer = await them.answer(await us.offer())
    assert isinstance(await us.apply(answer), AnswerApplied)
    await _settled(us, THEIRS)
    assert isinstance(await us.apply(answer), AnswerApplied)
    assert _hears(await us.hear(0.3), THEIRS)
    assert us.events.count(MediaConnected("m")) == 1


async def test_early_media_of_one_and_the_answer_of_another(make_side: MakeSide) -> None:
    us = make_side(default_source=Tone(OURS))
    early = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    final = make_side(flavour="freeswitch", default_source=Tone(700.0), codecs=("PCMA",))
    offer = await us.offer()
    await us.apply(await early.answer(offer))
    await _settled(us, THEIRS)
    await us.apply(await final.answer(offer))
    await us.connected(times=2)
    await asyncio.gather(_settled(us, 700.0), _settled(final, OURS))


async def test_a_re_offer_with_new_ice_is_followed(make_side: MakeSide) -> None:
    """FreeSWITCH recovered, or its place was taken by another: same dialog, new ICE, new DTLS."""
    us, them = await _call(make_side)
    await _settled(us, THEIRS)
    other = make_side(flavour="freeswitch", default_source=Tone(700.0))
    first = Session.parse(await us.offer()).media[0]
    us.engine.perform(Rollback("m"))
    answer = await us.answer(await other.offer())
    again = Session.parse(answer).media[0]
    assert (again.ice_ufrag, again.port) != (first.ice_ufrag, first.port) and again.fingerprints != first.fingerprints
    assert again.ssrc == first.ssrc
    assert _hears(await us.hear(0.1), THEIRS)  # the old one until the new one is up
    await other.apply(answer)
    await us.connected(times=2)
    await asyncio.gather(_settled(us, 700.0), _settled(other, OURS))


async def test_codec_change_in_a_re_offer(make_side: MakeSide) -> None:
    us = make_side(default_source=Tone(OURS))
    them = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    await us.apply(await them.answer(await us.offer()))
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    offer = (await us.offer()).replace(" 111 0 8 ", " 0 8 ")
    await us.apply(await them.answer(offer))
    await asyncio.gather(_settled(us, THEIRS), _settled(them, OURS))
    assert (await _stats(us)).codec == (await _stats(them)).codec == "PCMU"


@pytest.mark.parametrize(("one", "two"), [("opus", "opus"), ("PCMU", "opus"), ("PCMU", "PCMA")])
async def test_a_bridge_of_two_sessions(make_side: MakeSide, one: str, two: str) -> None:
    middle = make_side(flavour="freeswitch", default_sink=NoSink())
    left = make_side(codecs=(one,), default_source=Tone(OURS))
    right = make_side(codecs=(two,), default_source=Tone(THEIRS))
    middle.engine.perform(SetSource("left", FromPeer("right")))
    middle.engine.perform(SetSource("right", FromPeer("left")))
    for name, side in (("left", left), ("right", right)):
        await side.apply(await middle.answer(await side.offer(), name))
        await side.connected()
    await asyncio.gather(_settled(left, THEIRS), _settled(right, OURS))
    here, there = await asyncio.gather(left.hear(0.6), right.hear(0.6))
    assert _hears(here, THEIRS) and _hears(there, OURS)


async def test_echo(make_side: MakeSide) -> None:
    us = make_side(default_source=Tone(OURS))
    them = make_side(flavour="freeswitch", default_source=Echo(), default_sink=NoSink())
    await us.apply(await them.answer(await us.offer()))
    await _settled(us, OURS)


async def test_files_and_callables(make_side: MakeSide, tmp_path: Path) -> None:
    us, them = await _call(make_side)
    recording = str(tmp_path / "heard.wav")
    them.engine.perform(SetSink("m", WavSink(recording)))
    us.engine.perform(SetSource("m", Frames(lambda number: tone(700, 8000, 160, start=160 * number), rate=8000)))
    await us.hear(1.2)
    them.engine.perform(SetSink("m", NoSink()))
    await them.ask(GetStats("x", "m"))
    samples, rate = read_wav(recording)
    assert rate == 16000 and samples.size > 16000 and tone_power(samples[-8000:], 16000, 700) > 0.9
    us.engine.perform(SetSource("m", WavFile(recording)))
    them.engine.perform(SetSink("m", WavSink(str(tmp_path / "no" / "such" / "folder.wav"))))
    assert isinstance(await _stats(us), AudioStats)


async def test_the_round_trip_is_measured(make_side: MakeSide) -> None:
    us, them = await _call(make_side)
    async with asyncio.timeout(8):
        while (await _stats(us)).round_trip_ms is None:
            await us.hear(0.1)
    assert 0.0 <= ((await _stats(us)).round_trip_ms or 0.0) < 200.0


async def test_failures_have_their_codes(make_side: MakeSide, freeswitch_offer: str) -> None:
    us = make_side(codecs=("PCMA",))

    async def code(request: Any) -> str:
        event = await us.ask(request)
        assert isinstance(event, EngineFailed) and event.detail
        return event.code

    assert await code(CreateAnswer("1", "a", "rubbish")) == "bad-sdp"
    assert await code(GetStats("2", "a")) == "unknown-media"  # it never came to be
    assert await code(CreateAnswer("3", "a", freeswitch_offer.replace(" 8 104", " 104"))) == "no-common-codec"
    assert await code(CreateAnswer("4", "a", freeswitch_offer.replace("RTP/SAVPF", "RTP/AVP"))) == "unsupported"
    assert await code(ApplyAnswer("5", "a", "")) == "unknown-media"
    await us.offer("m")
    assert await code(ApplyAnswer("6", "m", "v=0\r\n")) == "no-common-codec"
    assert await code(SendDigits("7", "m", "1")) == "unsupported"
    offer = await us.offer("m")  # a bad answer does not end it
    them = make_side()
    await us.apply(await them.answer(offer), "m")
    assert await code(SendDigits("8", "m", "1x")) == "unsupported"
    await us.apply(await them.answer(await us.offer(direction=Direction.INACTIVE)), "m")
    assert await code(SendDigits("9", "m", "1")) == "unsupported"


async def test_closing_ends_what_is_under_way(make_side: MakeSide) -> None:
    us, them = await _call(make_side)
    us.engine.perform(SendDigits("long", "m", "123456789"))
    us.engine.perform(GetStats("s", "m"))
    us.engine.perform(CloseMedia("m"))
    failed = await us.until(lambda event: getattr(event, "id", "") == "long")
    assert isinstance(failed, EngineFailed) and failed.code == "closed"
    assert isinstance(await us.ask(GetStats("after", "m")), EngineFailed)
    lost = await them.until(lambda event: isinstance(event, MediaLost))
    assert isinstance(lost, MediaLost) and "DTLS" in lost.reason
    count = len(us.events)
    us.engine.perform(CloseMedia("m"))
    us.engine.perform(Rollback("m"))
    assert len(us.events) == count
    await us.offer("m")  # the name is free again


async def test_an_answer_is_quick(make_side: MakeSide) -> None:
    us, them = make_side(), make_side(flavour="freeswitch")
    offers = [await them.offer(f"m{number}") for number in range(10)]
    loop = asyncio.get_running_loop()
    times = []
    for number, offer in enumerate(offers):
        begin = loop.time()
        await us.answer(offer, f"m{number}")
        times.append(loop.time() - begin)
    assert sorted(times)[5] < 0.1


async def test_what_is_set_before_the_session_exists(make_side: MakeSide) -> None:
    us = make_side()
    them = make_side(flavour="freeswitch", default_source=Tone(THEIRS))
    us.engine.perform(SetSource("m", Tone(700.0)))
    us.engine.perform(SetMuted("m", True))
    us.engine.perform(SetSink("other", NoSink()))
    us.engine.perform(SetMuted("never", True))
    us.engine.perform(CloseMedia("never"))
    await us.apply(await them.answer(await us.offer()))
    await _settled(us, THEIRS)
    assert level_dbov(await them.hear(0.2)) < -60.0
    us.engine.perform(SetMuted("m", False))
    await _settled(them, 700.0)


async def test_nothing_is_done_before_start_or_after_close() -> None:
    engine = LocalEngine(address="127.0.0.1")
    engine.perform(CreateOffer("1", "m"))
    await engine.close()
    engine.perform(CreateOffer("1", "m"))


def test_codecs_that_are_none() -> None:
    with pytest.raises(ConfigError, match="codecs"):
        LocalEngine(codecs=("speex",))
    with pytest.raises(ConfigError):
        LocalEngine(codecs=())
    LocalEngine(codecs=("OPUS", "pcmu"))


class _ToneTrack(AudioStreamTrack):
    """1000 Hz, as aiortc wants it."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    async def recv(self) -> av.AudioFrame:
        await super().recv()  # returns when the next 20 ms are due
        frame = av.AudioFrame.from_ndarray(
            tone(THEIRS, 48000, 960, start=self._at).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._at, Fraction(1, 48000)
        self._at += 960
        return frame


@pytest.mark.parametrize("we_offer", [True, False])
async def test_with_a_peer_nobody_here_wrote(
    make_side: MakeSide, monkeypatch: pytest.MonkeyPatch, we_offer: bool
) -> None:
    """aiortc's own RTCPeerConnection."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    us = make_side(default_source=Tone(OURS))
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks: list[Any] = []
    peer.on("track", tracks.append)
    peer.addTrack(_ToneTrack())
    if we_offer:
        await peer.setRemoteDescription(RTCSessionDescription(await us.offer(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await us.apply(peer.localDescription.sdp)
    else:
        await peer.setLocalDescription(await peer.createOffer())
        answer = await us.answer(peer.localDescription.sdp)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await us.connected()
    await _settled(us, THEIRS)
    heard: list[Samples] = []
    async with asyncio.timeout(8):
        while len(heard) < 50 or tone_power(np.concatenate(heard[-20:]), 48000, OURS) < 0.9:
            frame = await tracks[0].recv()
            heard.append(frame.to_ndarray().reshape(-1, 2)[:, 0].copy())
    await peer.close()
