"""What the tests of media share: an engine with ears, and FreeSWITCH's own SDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from offhook.media.audio import Samples
from offhook.media.engine import (
    AnswerCreated,
    ApplyAnswer,
    CreateAnswer,
    CreateOffer,
    Direction,
    EngineEvent,
    EngineRequest,
    FrameSink,
    MediaConnected,
    OfferCreated,
)
from offhook.media.local import LocalEngine
from offhook.testing.record import Record

RATE = 16000


@dataclass
class Side:
    """A LocalEngine on 127.0.0.1 whose events are kept and whose media session "m" is heard."""

    engine: LocalEngine
    frames: Record[Samples]
    events: Record[EngineEvent] = field(default_factory=Record)
    _asked: int = 0

    async def until(self, wanted: Callable[[EngineEvent], bool], seconds: float = 8.0) -> EngineEvent:
        """The first event, also of those that came already, for which that is true."""
        return await self.events.first(wanted, "such event", seconds)

    async def ask(self, request: EngineRequest) -> EngineEvent:
        """Its outcome."""
        self.engine.perform(request)
        return await self.until(lambda event: getattr(event, "id", None) == getattr(request, "id", ""))

    async def offer(self, media: str = "m", direction: Direction = Direction.SENDRECV) -> str:
        self._asked += 1
        event = await self.ask(CreateOffer(f"offer{self._asked}", media, direction))
        assert isinstance(event, OfferCreated), event
        return event.sdp

    async def answer(self, offer: str, media: str = "m", direction: Direction = Direction.SENDRECV) -> str:
        self._asked += 1
        event = await self.ask(CreateAnswer(f"answer{self._asked}", media, offer, direction))
        assert isinstance(event, AnswerCreated), event
        return event.sdp

    async def apply(self, answer: str, media: str = "m") -> EngineEvent:
        self._asked += 1
        return await self.ask(ApplyAnswer(f"apply{self._asked}", media, answer))

    async def connected(self, media: str = "m", times: int = 1) -> None:
        await self.events.until(lambda events: events.count(MediaConnected(media)) >= times, f"MediaConnected {times}")

    async def hear(self, seconds: float) -> Samples:
        """The next so many seconds, at 16 kHz."""
        begin, wanted = len(self.frames), round(seconds * 50)
        await self.frames.reach(begin + wanted, seconds * 3 + 5)
        return np.concatenate(self.frames[begin : begin + wanted])


@pytest.fixture
async def make_side() -> AsyncIterator[Callable[..., Side]]:
    """Makes sides; all are closed at the end, and then no task is left."""
    before = asyncio.all_tasks()
    sides: list[Side] = []

    def make(**arguments: Any) -> Side:
        frames: Record[Samples] = Record()
        arguments.setdefault("default_sink", FrameSink(frames.append, RATE))
        side = Side(LocalEngine(address="127.0.0.1", **arguments), frames)
        side.engine.start(side.events.append)
        sides.append(side)
        return side

    yield make
    for side in sides:
        await side.engine.close()
    await asyncio.sleep(0)  # a task that is done leaves in the turn after
    assert asyncio.all_tasks() - before == {asyncio.current_task()} - before


@pytest.fixture
def freeswitch_offer() -> str:
    """What FreeSWITCH 1.11.1 offers of its own accord: audio and video (freeswitch/traces/19)."""
    return _FREESWITCH_OFFER.replace("\n", "\r\n")


@pytest.fixture
def freeswitch_answer() -> str:
    """What it answers to a browser (freeswitch/traces/02)."""
    return _FREESWITCH_ANSWER.replace("\n", "\r\n")


_FINGERPRINT = ":".join(["1B"] * 32)
_FREESWITCH_OFFER = f"""v=0
o=FreeSWITCH 1795314486 1795314487 IN IP4 127.0.0.1
s=FreeSWITCH
c=IN IP4 127.0.0.1
t=0 0
a=msid-semantic: WMS cEnA0hEKT5UYdUE1iqHWeyph4IxaQJ9A
m=audio 16412 RTP/SAVPF 102 0 8 104 101
a=rtpmap:102 opus/48000/2
a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; maxptime=40
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:104 telephone-event/48000
a=rtpmap:101 telephone-event/8000
a=fingerprint:sha-256 {_FINGERPRINT}
a=setup:actpass
a=rtcp-mux
a=rtcp:16412 IN IP4 127.0.0.1
a=ssrc:990428938 cname:KajRRNGftuJNG3YM
a=ssrc:990428938 msid:cEnA0hEKT5UYdUE1iqHWeyph4IxaQJ9A a0
a=ssrc:990428938 mslabel:cEnA0hEKT5UYdUE1iqHWeyph4IxaQJ9A
a=ssrc:990428938 label:cEnA0hEKT5UYdUE1iqHWeyph4IxaQJ9Aa0
a=ice-ufrag:oKlYwK6iDRGQrVVD
a=ice-pwd:rplkxhBGAnw51cxwKQaTEllH
a=candidate:4300323504 1 udp 2130706431 127.0.0.1 16412 typ host generation 0
a=candidate:4300323504 2 udp 2130706431 127.0.0.1 16412 typ host generation 0
a=ptime:20
m=video 20302 RTP/SAVPF 103
b=AS:3072
a=rtpmap:103 VP8/90000
a=fingerprint:sha-256 {_FINGERPRINT}
a=setup:actpass
a=rtcp-mux
a=rtcp:20302 IN IP4 127.0.0.1
a=rtcp-fb:103 ccm fir
a=ssrc:92785241 cname:KajRRNGftuJNG3YM
a=ice-ufrag:EfVGpOP3ZHX8UvMi
a=ice-pwd:khhoP2cAAAAAAAAAAAAAAAAA
a=candidate:4179170870 1 udp 2130706431 127.0.0.1 20302 typ host generation 0
a=end-of-candidates
"""
_FREESWITCH_ANSWER = f"""v=0
o=FreeSWITCH 1795314095 1795314096 IN IP4 192.0.2.2
s=FreeSWITCH
c=IN IP4 127.0.0.1
t=0 0
a=msid-semantic: WMS KUaTeCPQbDJ49zMYoC3qO7n2PsyOssXo
m=audio 17962 UDP/TLS/RTP/SAVPF 111 110
a=rtpmap:111 opus/48000/2
a=fmtp:111 useinbandfec=1; minptime=10
a=rtpmap:110 telephone-event/48000
a=ptime:20
a=fingerprint:sha-256 {_FINGERPRINT}
a=setup:active
a=rtcp-mux
a=rtcp:17962 IN IP4 127.0.0.1
a=ice-ufrag:mypqOHM87ZTshuSW
a=ice-pwd:V2hdyMgLPvA1fqFG6Sp9yqMO
a=candidate:4743461102 1 udp 2130706431 127.0.0.1 17962 typ host generation 0
a=end-of-candidates
a=ssrc:2400036977 cname:zxlzShnxqN2sv4iK
a=ssrc:2400036977 msid:KUaTeCPQbDJ49zMYoC3qO7n2PsyOssXo a0
"""
