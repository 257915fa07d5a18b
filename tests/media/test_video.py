"""Two ends of a video stream with a line between them that may lose what it likes; no sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from offhook.media.description import VP8
from offhook.media.engine import Direction, VideoStats
from offhook.media.feedback import KeyFrameRequest, pack_request, parse_requests
from offhook.media.negotiation import RemoteEnd, VideoAgreement
from offhook.media.picture import Picture, read_number
from offhook.media.rtp import is_rtcp, pack_rtp, parse_rtp
from offhook.media.video import _KEY_SPACING, _OPENING, Studio, VideoStreams, _Sent
from offhook.media.vp8 import is_key

AGREED = VideoAgreement(
    remote=RemoteEnd("ufrag", "password", ()),
    codec=VP8,
    receive=frozenset((96,)),
    direction=Direction.SENDRECV,
    pli=True,
    fir=True,
)


class End:
    """One end. `loses` says which packets that it sends do not arrive."""

    def __init__(self, name: str) -> None:
        self.numbers: list[int | None] = []
        self.sent: list[bytes] = []
        self.loses: Callable[[bytes], bool] = lambda data: False
        self.connected = True
        self.other: End | None = None
        self.studio = Studio(self._see)
        self.streams = VideoStreams(name, self.studio, name, (hash(name) & 0xFFFFFFFF, 65500, 0xFFFFFF00))
        self._changed = asyncio.Event()

    def _see(self, media: str, picture: Picture) -> None:
        self.numbers.append(read_number(picture))
        self._changed.set()

    def send(self, data: bytes) -> bool:
        """As the transport does."""
        self.sent.append(data)
        loop, other = asyncio.get_running_loop(), self.other
        if other is not None and not self.loses(data):
            loop.call_soon(lambda: other.streams.receive(data, loop.time()))
        return True

    def begin(self, agreement: VideoAgreement | None = AGREED) -> None:
        self.streams.configure(agreement)
        self.streams.use(cast(Any, self))

    async def until(self, right: Callable[[], bool]) -> None:
        """Looked at whenever a picture comes."""
        async with asyncio.timeout(8):
            while not right():
                self._changed.clear()
                await self._changed.wait()

    @property
    def stats(self) -> VideoStats:
        stats = self.streams.stats()
        assert stats is not None
        return stats

    async def close(self) -> None:
        await self.streams.close()
        self.studio.close()


@pytest.fixture
async def ends() -> Any:
    before = asyncio.all_tasks()
    one, two = End("one"), End("two")
    one.other, two.other = two, one
    yield one, two
    await one.close()
    await two.close()
    assert asyncio.all_tasks() - before == {asyncio.current_task()} - before


def _media(end: End) -> list[bytes]:
    return [data for data in end.sent if not is_rtcp(data)]


async def test_pictures_pass_both_ways(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin()
    await asyncio.gather(one.until(lambda: len(one.numbers) >= 20), two.until(lambda: len(two.numbers) >= 20))
    for end in ends:
        first = end.numbers[0]
        assert first is not None and end.numbers == list(range(first, first + len(end.numbers)))
        stats = end.stats
        assert (stats.width, stats.height, stats.codec, stats.packets_lost) == (320, 240, "VP8", 0)
        assert stats.connected and stats.frames_received >= 20 and stats.frames_sent >= 20
    packets = [parse_rtp(data) for data in _media(one)]
    stamps = [packet.timestamp for packet in packets if packet is not None and packet.marker]
    steps = [(after - before) & 0xFFFFFFFF for before, after in zip(stamps, stamps[1:], strict=False)]
    assert 5400 <= sorted(steps)[len(steps) // 2] <= 6600  # a fifteenth of a second, by the clock of 90 kHz


async def test_a_lost_packet_is_answered_by_a_key_frame(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin(replace(AGREED, direction=Direction.RECVONLY))
    await two.until(lambda: len(two.numbers) >= 8)
    lost: list[bytes] = []

    def lose_one(data: bytes) -> bool:
        if not lost and not is_rtcp(data):
            lost.append(data)
            return True
        return False

    one.loses = lose_one
    keys = one.stats.key_frames_sent
    await two.until(lambda: bool(lost) and one.stats.key_frames_sent > keys and two.stats.packets_lost == 1)
    count = len(two.numbers)
    await two.until(lambda: len(two.numbers) >= count + 5)
    assert two.stats.key_frames_asked >= 1
    assert None not in two.numbers  # no spoiled picture was ever shown
    shown = [number for number in two.numbers if number is not None]
    assert shown == sorted(shown) and shown[-1] - shown[0] + 1 > len(shown)


async def test_a_line_that_loses_much_still_shows_pictures(ends: tuple[End, End]) -> None:
    one, two = ends
    chance = random.Random(4)
    one.loses = two.loses = lambda data: chance.random() < 0.03
    one.begin()
    two.begin()
    await two.until(lambda: len(two.numbers) >= 25)
    assert None not in two.numbers and two.stats.packets_received


async def test_fir_where_pli_is_not_taken(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin(replace(AGREED, pli=False, direction=Direction.RECVONLY))
    await two.until(lambda: len(two.numbers) >= 3)
    two.streams._assembler.lose()
    count = len(two.numbers)
    await two.until(lambda: len(two.numbers) > count)
    asked = [request for data in two.sent for request in parse_requests(data)]
    assert asked and all(request.number is not None and request.ssrc == one.streams.ssrc for request in asked)


async def test_without_feedback_nothing_is_asked(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin(replace(AGREED, pli=False, fir=False, direction=Direction.RECVONLY))
    await two.until(lambda: len(two.numbers) >= 3)
    two.streams._assembler.lose()
    count = len(two.numbers)
    await two.until(lambda: len(two.numbers) > count)  # the next of those that come unasked
    assert two.stats.key_frames_asked == 0


def test_key_frames_at_the_beginning_and_when_asked_but_not_more() -> None:
    sent = _Sent(1, 2, 3, begin=0.0)
    assert not sent.wants_key(0.0)
    sent.open(10.0)
    times = [10.0 + step / 15 for step in range(60)]
    keys = [at for at in times if sent.wants_key(at)]
    assert len(keys) == len(_OPENING)
    assert all(0.0 <= key - 10.0 - due < 0.1 for key, due in zip(keys, _OPENING, strict=True))
    asked = 0
    for step in range(150):  # asked before each frame
        sent.key_wanted = True
        asked += sent.wants_key(20.0 + step / 15)
    assert asked <= 10.0 / _KEY_SPACING


async def test_a_fir_that_comes_again_is_the_same_one(ends: tuple[End, End]) -> None:
    one, _ = ends
    one.begin(replace(AGREED, direction=Direction.SENDONLY))
    request = pack_request(KeyFrameRequest(9, one.streams.ssrc, 7))
    one.streams.receive(request, 0.0)
    assert one.streams._sent.key_wanted
    one.streams._sent.key_wanted = False
    one.streams.receive(request, 0.0)
    assert not one.streams._sent.key_wanted
    one.streams.receive(pack_request(KeyFrameRequest(9, one.streams.ssrc, 8)), 0.0)
    assert one.streams._sent.key_wanted


async def test_directions_are_kept_to(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin(replace(AGREED, direction=Direction.RECVONLY))
    await two.until(lambda: len(two.numbers) >= 5)
    assert not _media(two) and not one.numbers
    two.streams.configure(replace(AGREED, direction=Direction.SENDONLY))
    await one.until(lambda: len(one.numbers) >= 5)
    seen = len(two.numbers)
    await one.until(lambda: len(one.numbers) >= 10)
    assert len(two.numbers) <= seen + 1  # one may have been on its way through the decoder
    for end in ends:
        end.streams.configure(replace(AGREED, direction=Direction.INACTIVE))
    assert one.stats.direction is Direction.INACTIVE
    while one.streams._pace is not None or two.streams._pace is not None:  # both come to rest by themselves
        await asyncio.wait([task for task in (one.streams._pace, two.streams._pace) if task is not None])
    sent = len(one.sent)
    one.streams.configure(AGREED)
    two.streams.configure(AGREED)
    count = len(two.numbers)
    await two.until(lambda: len(two.numbers) >= count + 5)
    assert any(is_key(packet.payload[1:]) for packet in map(parse_rtp, one.sent[sent:]) if packet is not None)
    one.streams.configure(None)
    assert one.streams.stats() is None


async def test_rubbish_cannot_raise(ends: tuple[End, End]) -> None:
    one, two = ends
    two.other = None
    two.begin()
    chance = random.Random(1)
    for number in range(3000):
        payload = chance.randbytes(chance.randrange(60))
        packet = pack_rtp(96, number, number * 100, 5, payload, marker=chance.random() < 0.5)
        two.streams.receive(chance.choice((packet, packet[: chance.randrange(1, 14)], chance.randbytes(20))), 0.0)
        two.streams.receive(pack_rtp(97, number, 0, 5, payload), 0.0)
    two.streams.receive(pack_rtp(96, 9000, 0, 6, b"\x10" + bytes(3) + b"\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(50)), 0.0)
    assert two.stats.frames_received == 0
    assert len(two.streams._undecoded) <= 8
    one.begin()
    await two.until(lambda: len(two.numbers) >= 3)


async def test_closing_waits_for_the_threads(ends: tuple[End, End]) -> None:
    for end in ends:
        end.begin()
    await ends[0].until(lambda: len(ends[0].numbers) >= 2)
    await ends[0].streams.close()
    sent = len(ends[0].sent)
    ends[0].streams.configure(AGREED)
    ends[0].streams.use(cast(Any, ends[0]))
    await ends[0].streams.close()
    assert len(ends[0].sent) == sent


async def test_a_transport_that_is_lost_ends_the_pace(ends: tuple[End, End]) -> None:
    one, two = ends
    one.begin()
    two.begin()
    await two.until(lambda: len(two.numbers) >= 2)
    one.connected = False
    assert one.streams._pace is not None
    await asyncio.wait([one.streams._pace], timeout=5)
    assert one.streams._pace is None and not one.stats.connected


def test_a_sink_that_fails_is_not_called_again(caplog: pytest.LogCaptureFixture) -> None:
    called = []

    def broken(media: str, picture: Picture) -> None:
        called.append(media)
        raise ValueError("no")

    studio = Studio(broken)
    for _ in range(3):
        studio.show("m", np.zeros((3, 2), np.uint8))
    assert called == ["m"] and caplog.text.count("a sink of pictures failed") == 1
    studio.close()
