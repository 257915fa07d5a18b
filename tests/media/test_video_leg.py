"""Video in calls between two engines, over real sockets on 127.0.0.1: ours, and one that plays FreeSWITCH."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from typing import Any

import aioice.ice
import av
import numpy as np
import pytest
from aiortc import (
    AudioStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)

from offhook.media import session
from offhook.media.audio import longest_hole, tone_power
from offhook.media.engine import (
    AnswerApplied,
    AnswerCreated,
    ApplyAnswer,
    CreateAnswer,
    CreateOffer,
    Direction,
    Echo,
    EngineFailed,
    FromPeer,
    GetStats,
    MediaConnected,
    MediaLost,
    NoSink,
    OfferCreated,
    Rollback,
    SetSource,
    Stats,
    Tone,
    VideoStats,
)
from offhook.media.null import NullEngine
from offhook.media.picture import Picture, TestPicture, read_number
from offhook.media.sdp import Media, Session

OURS, THEIRS = 440.0, 1000.0
BOTH, TO_US, TO_THEM, NONE = Direction.SENDRECV, Direction.RECVONLY, Direction.SENDONLY, Direction.INACTIVE

_ids = itertools.count()


class Party:
    """A side of a call, with a screen."""

    def __init__(self, make_side: Callable[..., Any], hz: float, **arguments: Any) -> None:
        self.numbers: list[int | None] = []
        self._changed = asyncio.Event()
        self.side = make_side(default_source=Tone(hz), video_sink=self._see, **arguments)
        self.engine = self.side.engine

    def _see(self, media: str, picture: Picture) -> None:
        assert media == "m"
        self.numbers.append(read_number(picture))
        self._changed.set()

    async def sees(self, count: int) -> None:
        """So many more pictures, each of them the test picture."""
        begin = len(self.numbers)
        async with asyncio.timeout(10):
            while len(self.numbers) < begin + count:
                self._changed.clear()
                await self._changed.wait()
        assert None not in self.numbers[begin:]

    async def offer(self, video: Direction | None = None, direction: Direction = BOTH) -> str:
        event = await self.side.ask(CreateOffer(f"id{next(_ids)}", "m", direction, video))
        assert isinstance(event, OfferCreated), event
        return event.sdp

    async def answer(self, offer: str, video: Direction | None = None) -> str:
        event = await self.side.ask(CreateAnswer(f"id{next(_ids)}", "m", offer, BOTH, video))
        assert isinstance(event, AnswerCreated), event
        return event.sdp

    async def apply(self, answer: str) -> None:
        event = await self.side.ask(ApplyAnswer(f"id{next(_ids)}", "m", answer))
        assert isinstance(event, AnswerApplied), event

    async def video(self) -> VideoStats | None:
        event = await self.side.ask(GetStats(f"id{next(_ids)}", "m"))
        assert isinstance(event, Stats)
        return event.video

    async def connected(self) -> None:
        await self.side.connected()


@pytest.fixture
async def parties(make_side: Callable[..., Any]) -> AsyncIterator[tuple[Party, Party]]:
    """We, and the one that plays FreeSWITCH."""
    yield Party(make_side, OURS, codecs=("PCMU",)), Party(make_side, THEIRS, flavour="freeswitch")


async def _negotiate(one: Party, two: Party, offered: Direction | None, answered: Direction | None) -> tuple[str, str]:
    offer = await one.offer(offered)
    answer = await two.answer(offer, answered)
    await one.apply(answer)
    return offer, answer


def _sections(sdp: str) -> list[Media]:
    return Session.parse(sdp).media


@pytest.mark.parametrize("we_call", [True, False])
async def test_video_both_ways(parties: tuple[Party, Party], we_call: bool) -> None:
    us, them = parties
    offer, answer = await _negotiate(*((us, them) if we_call else (them, us)), BOTH, BOTH)
    await asyncio.gather(us.sees(10), them.sees(10))
    for text in (offer, answer):
        audio, video = _sections(text)
        assert (video.type, video.direction) == ("video", BOTH)
        assert video.port not in (0, audio.port) and video.ice_ufrag != audio.ice_ufrag
        assert "96 nack pli" in video.attributes("rtcp-fb") and "96 ccm fir" in video.attributes("rtcp-fb")
    stats = await us.video()
    assert stats is not None and stats.connected and stats.direction is BOTH
    assert stats.packets_lost == 0 and stats.frames_received >= 10 and stats.width == 320


async def test_video_is_added_and_removed_and_the_tone_goes_on(parties: tuple[Party, Party]) -> None:
    us, them = parties
    first, _ = await _negotiate(us, them, None, None)
    assert len(_sections(first)) == 1 and await us.video() is None
    await asyncio.gather(us.connected(), them.connected())
    for side, hz in ((us.side, THEIRS), (them.side, OURS)):
        async with asyncio.timeout(5):
            while tone_power(await side.hear(0.1), 16000, hz) < 0.9:
                pass
    begins = len(us.side.frames), len(them.side.frames)
    added, _ = await _negotiate(us, them, BOTH, BOTH)
    await asyncio.gather(us.sees(5), them.sees(5))
    removed, answer = await _negotiate(us, them, None, BOTH)
    assert _sections(removed)[1].direction is NONE and _sections(answer)[1].direction is NONE
    assert _sections(removed)[1].ice_ufrag == _sections(added)[1].ice_ufrag
    stats = await us.video()
    assert stats is not None and stats.direction is NONE and stats.connected
    again, _ = await _negotiate(them, us, BOTH, BOTH)  # now they want it
    assert len(_sections(again)) == 2
    await asyncio.gather(us.sees(5), them.sees(5))
    for (side, hz), begin in zip(((us.side, THEIRS), (them.side, OURS)), begins, strict=True):
        assert longest_hole(np.concatenate(side.frames[begin:]), 16000, hz) <= 40.0
        assert side.events.count(MediaConnected("m")) == 1
        assert not any(isinstance(event, MediaLost) for event in side.events)
    assert len({_sections(text)[0].ice_ufrag for text in (first, added, removed)}) == 1


async def test_nothing_is_sent_that_was_not_asked_for(parties: tuple[Party, Party]) -> None:
    us, them = parties
    _, answer = await _negotiate(them, us, BOTH, None)
    audio, video = _sections(answer)
    assert audio.port and video.rejected
    assert await us.video() is None and await them.video() is None
    await us.connected()
    offer, _ = await _negotiate(us, them, BOTH, BOTH)  # later we want it: in the line that we refused
    assert [section.type for section in _sections(offer)] == ["audio", "video"]
    await us.sees(3)


@pytest.mark.parametrize("flavours", ["us", "them"])
async def test_who_has_no_wish_keeps_what_there_is_inactive(parties: tuple[Party, Party], flavours: str) -> None:
    us, them = parties
    await _negotiate(us, them, BOTH, BOTH)
    await asyncio.gather(us.sees(2), them.sees(2))
    asks, answers = (us, them) if flavours == "us" else (them, us)
    _, answer = await _negotiate(asks, answers, BOTH, None)
    assert _sections(answer)[1].direction is NONE and _sections(answer)[1].port
    stats = await answers.video()
    assert stats is not None and stats.direction is NONE


@pytest.mark.parametrize(
    ("offered", "wished", "agreed"),
    [
        (BOTH, TO_US, TO_US),
        (TO_THEM, BOTH, TO_US),
        (TO_US, BOTH, TO_THEM),
        (TO_US, TO_US, NONE),
        (NONE, BOTH, NONE),
    ],
)
async def test_a_wish_is_cut_down_to_the_offer(
    parties: tuple[Party, Party], offered: Direction, wished: Direction, agreed: Direction
) -> None:
    us, them = parties
    _, answer = await _negotiate(us, them, offered, wished)
    assert _sections(answer)[1].direction is agreed
    ours, theirs = await us.video(), await them.video()
    assert theirs is not None and theirs.direction is agreed
    mirrored = {TO_US: TO_THEM, TO_THEM: TO_US}.get(agreed, agreed)
    assert ours is not None and ours.direction is mirrored


async def test_an_offer_without_video_is_answered_without(parties: tuple[Party, Party]) -> None:
    us, them = parties
    _, answer = await _negotiate(us, them, None, BOTH)
    assert len(_sections(answer)) == 1 and await them.video() is None


async def test_video_that_cannot_be_used_is_refused_and_the_call_goes_on(parties: tuple[Party, Party]) -> None:
    us, them = parties
    offer = await them.offer(BOTH)
    at = offer.index("m=video")
    ice = next(line for line in offer[at:].splitlines() if line.startswith("a=ice-ufrag"))
    for before, after in (("VP8", "H264"), ("RTP/SAVPF", "RTP/AVP"), (ice, "a=x"), ("a=rtcp-mux", "a=y")):
        spoiled = offer[:at] + offer[at:].replace(before, after)
        audio, video = _sections(await us.answer(spoiled, BOTH))
        assert audio.port and video.rejected
    answer = await us.answer(offer, BOTH)
    await them.apply(answer[: answer.index("m=video")])  # one m= line too few: as if it were refused
    assert await them.video() is None
    await them.apply(answer)
    await us.sees(2)


async def test_a_refused_offer_leaves_no_trace(parties: tuple[Party, Party]) -> None:
    us, them = parties
    await _negotiate(us, them, None, None)
    await us.offer(BOTH)
    us.engine.perform(Rollback("m"))
    assert len(_sections(await us.offer())) == 1
    us.engine.perform(Rollback("m"))
    await _negotiate(them, us, BOTH, BOTH)
    await us.sees(2)
    await us.offer(None)
    us.engine.perform(Rollback("m"))
    await us.sees(2)  # it was not made inactive after all


async def test_a_lost_path_of_video_ends_no_call_and_the_next_offer_has_a_new_one(parties: tuple[Party, Party]) -> None:
    us, them = parties
    first, _ = await _negotiate(us, them, BOTH, BOTH)
    await asyncio.gather(us.sees(2), them.sees(2))
    await them.engine._sessions["m"]._video._link.live.close()
    async with asyncio.timeout(5):
        while (stats := await us.video()) is not None and stats.connected:
            pass
    assert tone_power(await us.side.hear(0.2), 16000, THEIRS) > 0.9
    again, _ = await _negotiate(us, them, BOTH, BOTH)
    assert _sections(again)[1].ice_ufrag != _sections(first)[1].ice_ufrag
    assert _sections(again)[0].ice_ufrag == _sections(first)[0].ice_ufrag
    await asyncio.gather(us.sees(2), them.sees(2))
    assert not any(isinstance(event, MediaLost) for event in us.side.events)


async def test_engines_without_video_say_so(parties: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch) -> None:
    us, them = parties
    offer = await them.offer(BOTH)
    monkeypatch.setattr(session, "available", lambda: False)
    told: list[Any] = []
    null = NullEngine()
    null.start(told.append)
    for request in (CreateOffer("1", "m", video=BOTH), CreateAnswer("2", "m", offer, video=TO_US)):
        event = await us.side.ask(request)
        assert isinstance(event, EngineFailed) and event.code == "unsupported"
        null.perform(request)
        assert isinstance(told[-1], EngineFailed) and told[-1].code == "unsupported"
    assert len(_sections(await us.answer(offer))) == 2  # without the wish it can be answered
    null.perform(CreateAnswer("3", "m", offer))
    assert _sections(next(event.sdp for event in told if isinstance(event, AnswerCreated)))[1].rejected


async def test_an_echo_gives_our_picture_back(make_side: Callable[..., Any]) -> None:
    us = Party(make_side, OURS)
    them = make_side(flavour="freeswitch", default_source=Echo(), default_sink=NoSink())
    await us.apply(await _answer_as(them, "m", await us.offer(BOTH)))
    await us.sees(20)
    stats = await us.video()
    seen = [number for number in us.numbers if number is not None]
    assert stats is not None and seen == sorted(seen) and seen[-1] <= stats.frames_sent


async def _answer_as(side: Any, media: str, offer: str) -> str:
    event = await side.ask(CreateAnswer(f"id{next(_ids)}", media, offer, video=BOTH))
    assert isinstance(event, AnswerCreated), event
    return event.sdp


async def test_a_bridge_carries_video_and_what_it_asks_for(make_side: Callable[..., Any]) -> None:
    """Each sees the other's picture: the numbers tell them apart, as they did not begin together."""
    middle = make_side(flavour="freeswitch", default_sink=NoSink())
    left, right = Party(make_side, OURS), Party(make_side, THEIRS)
    middle.engine.perform(SetSource("left", FromPeer("right")))
    middle.engine.perform(SetSource("right", FromPeer("left")))
    await left.apply(await _answer_as(middle, "left", await left.offer(BOTH)))
    await left.sees(2)  # nobody is there yet: the picture of the one in the middle
    await right.apply(await _answer_as(middle, "right", await right.offer(BOTH)))
    left_stats = await left.video()
    assert left_stats is not None
    await right.sees(1)
    async with asyncio.timeout(8):
        while (right.numbers[-1] or 0) + 1 < left_stats.frames_sent:
            await right.sees(1)
    await asyncio.gather(left.sees(10), right.sees(10))
    keys = left_stats.key_frames_sent
    right.engine._sessions["m"]._video.streams._assembler.lose()
    await right.sees(3)  # it asked, the one in the middle asked, and got a key frame from the left
    now = await left.video()
    assert now is not None and now.key_frames_sent > keys
    seen = [number for number in left.numbers[-8:] if number is not None]
    assert seen == list(range(seen[0], seen[0] + 8))


class _PictureTrack(VideoStreamTrack):
    """The test picture, as aiortc wants it."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    async def recv(self) -> av.VideoFrame:
        pts, base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(TestPicture().picture(self._number), format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(base)
        self._number += 1
        return frame


@pytest.mark.parametrize("we_offer", [True, False])
async def test_with_a_peer_nobody_here_wrote(
    make_side: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, we_offer: bool
) -> None:
    """aiortc's own RTCPeerConnection, its packets and its codec."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    us = Party(make_side, OURS)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks: list[Any] = []
    peer.on("track", tracks.append)
    peer.addTransceiver("audio")
    peer.addTrack(_PictureTrack())
    if we_offer:
        await peer.setRemoteDescription(RTCSessionDescription(await us.offer(BOTH), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await us.apply(peer.localDescription.sdp)
    else:
        await peer.setLocalDescription(await peer.createOffer())
        answer = await us.answer(peer.localDescription.sdp, BOTH)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await us.sees(10)
    video = next(track for track in tracks if track.kind == "video")
    async with asyncio.timeout(8):
        seen = [read_number((await video.recv()).to_ndarray(format="yuv420p")) for _ in range(10)]
    assert None not in seen and seen == sorted(seen, key=lambda number: number or 0)
    await peer.close()


async def test_with_a_peer_that_bundles(make_side: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both on one transport, which stays when video is turned off and on again."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    us = Party(make_side, OURS)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    tracks: list[Any] = []
    peer.on("track", tracks.append)
    peer.addTrack(AudioStreamTrack())
    peer.addTrack(_PictureTrack())
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    assert len({media.port for media in _sections(offer)}) == 1
    answer = await us.answer(offer, BOTH)
    assert len({media.port for media in _sections(answer)}) == 1
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await us.sees(10)
    audio, video = (next(track for track in tracks if track.kind == kind) for kind in ("audio", "video"))
    async with asyncio.timeout(8):
        seen = [read_number((await video.recv()).to_ndarray(format="yuv420p")) for _ in range(10)]
        assert None not in seen
        while True:
            frame = (await audio.recv()).to_ndarray()[0, ::2]
            if tone_power(frame, 48000, OURS) > 0.9:
                break
    for wished in (None, BOTH):
        again = await us.offer(wished)
        assert {media.port for media in _sections(again)} == {_sections(answer)[0].port}
        await us.apply(_turned(offer, wished))
    await us.sees(10)
    numbers = await us.video()
    assert numbers is not None and numbers.packets_lost == 0
    await peer.close()


def _turned(offer: str, video: Direction | None) -> str:
    """The far side's description once more, with that direction of video."""
    session = Session.parse(offer)
    session.media[1].direction = video or NONE
    for media in session.media:
        media.set("setup", "active")
    return str(session)
