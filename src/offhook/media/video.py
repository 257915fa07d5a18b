"""The video of one session while it runs: the test picture (or what another session receives) out, pictures in, and the
numbers of both.

Encoding and decoding are done by `Studio`, in threads, one frame of a stream after the other: the audio of all sessions
is on the loop, and must not wait for a picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from offhook.clock import Now
from offhook.errors import MediaError
from offhook.media.engine import VideoStats
from offhook.media.feedback import KeyFrameRequest, pack_request, parse_requests
from offhook.media.negotiation import VideoAgreement
from offhook.media.picture import RATE, Picture
from offhook.media.rtp import Reception, Reports, is_rtcp, pack_rtp, parse_rtp
from offhook.media.video_codec import PictureDecoder, PictureEncoder
from offhook.media.video_relay import HandOn, Shelf
from offhook.media.vp8 import CLOCK_RATE, FrameAssembler, is_key, pack
from offhook.media.webrtc import SecureTransport

logger = logging.getLogger(__name__)

Given = TypeVar("Given")
PictureSink = Callable[[str, Picture], None]
"""Gets the media session's name and each picture that comes in, on the engine's loop."""

_THREADS = 2
_MAX_UNDECODED = 8
"""Frames that may wait for the decoder; one too many costs all up to the next key frame."""
_KEY_SPACING = 0.25
"""Seconds from one key frame that was asked for to the next, however often it is asked."""
_ASK_AGAIN = 0.5
_OPENING = (0.0, 0.25, 1.0, 2.0)
"""When key frames go out unasked, in seconds from the beginning: FreeSWITCH drops the first packets while it finishes
DTLS, and asks for a key frame only with its regular reports, the first of which comes after four seconds."""
_CLOSEST = 0.001  # seconds from one frame to the next
_BEHIND = 0.5  # seconds after which what was missed is not made up for


class Studio:
    """What all video of an engine shares: the threads, and who looks at the pictures."""

    def __init__(self, sink: PictureSink | None = None) -> None:
        self.sink = sink
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], Given]) -> Given:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="video")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def show(self, media: str, picture: Picture) -> None:
        """Hand a picture on. A sink that fails is not called again."""
        if self.sink is None:
            return
        try:
            self.sink(media, picture)
        except Exception:  # the user's code: whatever it raises must not end the video
            logger.exception("a sink of pictures failed; it is not called again")
            self.sink = None

    def close(self) -> None:
        """All streams are closed: no thread has anything to do."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()


@dataclass(slots=True)
class _Sent:
    """The stream that goes out."""

    ssrc: int
    sequence: int
    base: int  # RTP timestamp at the beginning
    begin: float
    at: float = float("-inf")  # the time of the last frame
    packets: int = 0
    octets: int = 0
    frames: int = 0
    key_frames: int = 0
    key_wanted: bool = False
    key_at: float = float("-inf")
    opening: list[float] = field(default_factory=list)  # when key frames are due, though nobody asks
    fir: tuple[int, int] | None = None  # sender and number of the last FIR

    def open(self, now: float) -> None:
        """Whoever receives it may see nothing yet."""
        self.opening = [now + after for after in _OPENING]

    def wants_key(self, now: float) -> bool:
        """Whether the next frame is to be a key frame; then it is counted as one."""
        if now - self.key_at < _KEY_SPACING or not (self.key_wanted or self.opening and self.opening[0] <= now):
            return False
        self.opening = [due for due in self.opening if due > now]
        self.key_wanted, self.key_at = False, now
        return True

    def timestamp(self, at: float) -> int:
        return (self.base + int((at - self.begin) * CLOCK_RATE)) & 0xFFFFFFFF


@dataclass(slots=True)
class _Received:
    """The stream that comes in."""

    ssrc: int | None = None
    frames: int = 0
    width: int | None = None
    height: int | None = None
    asked: int = 0
    asked_at: float = float("-inf")


class VideoStreams:
    """Both directions of one session's video. Runs while a transport is up and a direction is not inactive."""

    def __init__(self, media: str, studio: Studio, cname: str, seed: tuple[int, int, int]) -> None:
        """`seed`: SSRC, first sequence number and first timestamp of what is sent."""
        self.agreement: VideoAgreement | None = None
        self.transport: SecureTransport | None = None
        self._media = media
        self._studio = studio
        self._cname = cname
        self._sent = _Sent(*seed, begin=time.monotonic())
        self._received = _Received()
        self._reception = Reception(CLOCK_RATE)
        self._assembler = FrameAssembler()
        self._undecoded: deque[bytes] = deque()
        self._reports: Reports | None = None
        self._encoder: PictureEncoder | None = None
        self._decoder: PictureDecoder | None = None
        self._number = 0
        self._shelf = Shelf()
        self._hand_on: HandOn | None = None
        self._handing_on = False
        self._pace: asyncio.Task[None] | None = None
        self._resting = False  # the pace sleeps: it may be cancelled, no thread is at work for it
        self._decoding: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def ssrc(self) -> int:
        return self._sent.ssrc

    @property
    def shelf(self) -> Shelf | None:
        """What is received, for others to send; None while nothing can be."""
        receives = self.agreement is not None and self.agreement.receives
        return self._shelf if receives and self.transport is not None and self.transport.connected else None

    def hand_on(self, find: Callable[[], Shelf | None] | None) -> None:
        """Send what another session receives, wherever `find` gives its shelf, instead of the test picture."""
        self._hand_on = None if find is None else HandOn(find)

    def configure(self, agreement: VideoAgreement | None) -> None:
        """What was agreed on; None: there is no video (any more)."""
        before, self.agreement = self.agreement, agreement
        if agreement is None or not agreement.receives:
            self._reception.pause()
            self._assembler.reset()
        if agreement is not None and agreement.sends and (before is None or not before.sends):
            self._sent.open(time.monotonic())
        self._keep_pace()

    def use(self, transport: SecureTransport) -> None:
        """Send over it from now on."""
        self.transport = transport
        self._sent.open(time.monotonic())
        if self._reports is None:
            self._reports = Reports(self.ssrc, self._cname, _now())
        self._keep_pace()

    def receive(self, data: bytes, arrival: float) -> None:
        """A decrypted packet."""
        agreement = self.agreement
        if is_rtcp(data):
            if self._reports is not None:
                self._reports.receive(data, _now(), self._received.ssrc)
            for request in parse_requests(data):
                self._refresh(request)
        elif agreement is not None and agreement.receives:
            self._receive_media(agreement, data, arrival)

    def stats(self) -> VideoStats | None:
        agreement, sent, received = self.agreement, self._sent, self._received
        if agreement is None:
            return None
        return VideoStats(
            codec=agreement.codec.name,
            direction=agreement.direction,
            connected=self.transport is not None and self.transport.connected,
            frames_sent=sent.frames,
            key_frames_sent=sent.key_frames,
            frames_received=received.frames,
            packets_sent=sent.packets,
            packets_received=self._reception.received,
            packets_lost=self._reception.lost,
            key_frames_asked=received.asked,
            width=received.width,
            height=received.height,
        )

    async def close(self) -> None:
        """Ends it; no thread is at work for it when this returns."""
        self._closed = True
        self.agreement = self.transport = None
        self._undecoded.clear()
        if self._pace is not None and self._resting:
            self._pace.cancel()
        tasks = [task for task in (self._pace, self._decoding) if task is not None]
        if tasks:
            await asyncio.wait(tasks)
        self._encoder = self._decoder = None

    @property
    def _runs(self) -> bool:
        transport, agreement = self.transport, self.agreement
        return (
            not self._closed
            and transport is not None
            and transport.connected
            and agreement is not None
            and (agreement.sends or agreement.receives)
        )

    def _keep_pace(self) -> None:
        if self._runs and self._pace is None:
            self._pace = asyncio.get_running_loop().create_task(self._run(), name="video pace")

    async def _run(self) -> None:
        due = time.monotonic()
        try:
            while self._runs:
                await self._step()
                due += 1 / RATE
                behind = time.monotonic() - due
                if behind > _BEHIND:
                    due += behind
                self._resting = True
                await asyncio.sleep(max(0.0, -behind))
                self._resting = False
        except MediaError as error:
            logger.warning("video ends: %s", error)
        except Exception:  # nobody awaits this task: without it a bug would be silent until the interpreter ends
            logger.exception("a bug: video ends")
        finally:
            self._pace = None

    async def _step(self) -> None:
        """What is done at each picture's time."""
        assert self.agreement is not None
        if self.agreement.sends:
            await self._send_picture()
        transport, agreement, reports = self.transport, self.agreement, self._reports
        if transport is None or agreement is None or reports is None:  # it ended while the picture was made
            return
        now = time.monotonic()
        wanted = self._assembler.waiting or self._shelf.key_wanted
        begins = self._reception.received > 0  # before anything came there is nothing to repair
        if agreement.receives and wanted and begins and now - self._received.asked_at >= _ASK_AGAIN:
            self._ask(transport, agreement, reports)
        elif reports.due(now):
            transport.send(self._report(reports))

    async def _send_picture(self) -> None:
        now, sent = time.monotonic(), self._sent
        number, key = self._number, sent.wants_key(now)
        self._number += 1
        frames = None if self._hand_on is None else self._hand_on.frames(now, key=key)
        if frames is None:
            work = partial(self._encode, number, key or self._handing_on)
            frames = [(now, frame) for frame in await self._studio.run(work)]
            self._handing_on = False
        else:
            self._handing_on = True
        transport, agreement = self.transport, self.agreement
        if transport is not None and agreement is not None and agreement.sends:
            self._send(transport, agreement, frames)

    def _send(self, transport: SecureTransport, agreement: VideoAgreement, frames: list[tuple[float, bytes]]) -> None:
        sent = self._sent
        for at, frame in frames:
            sent.at = max(at, sent.at + _CLOSEST)  # from one source to the other no timestamp goes back
            timestamp = sent.timestamp(sent.at)
            payloads = pack(frame)
            for payload in payloads:
                last = payload is payloads[-1]
                number = agreement.codec.payload_type
                transport.send(pack_rtp(number, sent.sequence, timestamp, sent.ssrc, payload, marker=last))
                sent.sequence = (sent.sequence + 1) & 0xFFFF
                sent.packets += 1
                sent.octets += len(payload)
            sent.frames += 1
            sent.key_frames += is_key(frame)

    def _encode(self, number: int, key: bool) -> list[bytes]:
        """In a thread."""
        if self._encoder is None:
            self._encoder = PictureEncoder()
        return self._encoder.encode(number, key=key)

    def _refresh(self, request: KeyFrameRequest) -> None:
        """They ask for a key frame; for this stream, as it is the only one here."""
        if request.number is not None:
            known = (request.sender, request.number)
            if self._sent.fir == known:
                return  # the same one again
            self._sent.fir = known
        self._sent.key_wanted = True

    def _ask(self, transport: SecureTransport, agreement: VideoAgreement, reports: Reports) -> None:
        received = self._received
        received.asked_at = time.monotonic()
        if received.ssrc is None or not (agreement.pli or agreement.fir):
            return
        received.asked += 1
        number = None if agreement.pli else received.asked & 0xFF
        request = pack_request(KeyFrameRequest(self.ssrc, received.ssrc, number))
        transport.send(self._report(reports) + request)

    def _report(self, reports: Reports) -> bytes:
        sent, received = self._sent, self._received
        numbers = (sent.timestamp(time.monotonic()), sent.packets, sent.octets) if sent.packets else None
        return reports.write(_now(), sent=numbers, remote_ssrc=received.ssrc, reception=self._reception)

    def _receive_media(self, agreement: VideoAgreement, data: bytes, arrival: float) -> None:
        packet = parse_rtp(data)
        if packet is None or packet.payload_type not in agreement.receive:
            return
        if packet.ssrc != self._received.ssrc:
            self._received.ssrc = packet.ssrc
            self._reception.pause()
            self._assembler.reset()
        if not self._reception.receive(packet.sequence):
            return
        self._reception.measure(packet.timestamp, arrival)
        for frame in self._assembler.receive(packet, arrival):
            self._shelf.put(frame, arrival)
            if len(self._undecoded) >= _MAX_UNDECODED:
                self._undecoded.clear()
                self._assembler.lose()
                return
            self._undecoded.append(frame)
        if self._undecoded and self._decoding is None and not self._closed:
            self._decoding = asyncio.get_running_loop().create_task(self._decode(), name="video decoding")

    async def _decode(self) -> None:
        received = self._received
        try:
            while self._undecoded:
                frame = self._undecoded.popleft()
                if self._decoder is None:
                    self._decoder = PictureDecoder()
                decoder, shown = self._decoder, self._studio.sink is not None
                try:
                    found = await self._studio.run(partial(decoder.decode, frame, picture=shown))
                except MediaError as error:
                    logger.debug("%s: %s", self._media, error)
                    self._undecoded.clear()
                    self._assembler.lose()
                    continue
                if found is not None and not self._closed:
                    received.frames += 1
                    received.width, received.height, picture = found
                    if picture is not None:
                        self._studio.show(self._media, picture)
        finally:
            self._decoding = None


def _now() -> Now:
    return Now(time.monotonic(), time.time())
