"""VP8 over RTP (RFC 7741): frames cut into payloads, and payloads put together into frames again. Pure.

A frame can be decoded only if all since the last key frame came: after a loss `FrameAssembler` gives nothing until the
next key frame, and says so (`waiting`), so that its owner can ask for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from offhook.media.rtp import RtpPacket

CLOCK_RATE = 90000

MAX_FRAME = 512 * 1024
"""Bytes of one frame; a longer one is dropped."""
MAX_HELD = 128
"""Packets that wait for an earlier one."""
HOLD_SECONDS = 0.15
"""So long an earlier packet is waited for."""
_GAP = 3000  # a jump of the sequence number by this much is a new beginning (RFC 3550 A.1)


class Descriptor(NamedTuple):
    """What of a payload descriptor is used (RFC 7741 §4.2): whether a frame begins here, and where its bytes are."""

    begins: bool
    size: int


def pack(frame: bytes, room: int = 1100) -> list[bytes]:
    """The payloads of a frame, of at most `room` bytes each; the last one's packet must have the marker bit."""
    step = room - 1
    pieces = [frame[at : at + step] for at in range(0, len(frame), step)]
    return [(b"\x00" if index else b"\x10") + piece for index, piece in enumerate(pieces)]


def parse_descriptor(payload: bytes) -> Descriptor | None:
    """None for a payload that holds no VP8."""
    if not payload:
        return None
    first, at = payload[0], 1
    if first & 0x80:
        if len(payload) < 2:
            return None
        extension, at = payload[1], 2
        if extension & 0x80:  # picture id, 7 or 15 bits
            at += 2 if len(payload) > at and payload[at] & 0x80 else 1
        if extension & 0x40:  # TL0PICIDX
            at += 1
        if extension & 0x30:  # TID, KEYIDX
            at += 1
    if at >= len(payload):
        return None
    return Descriptor(begins=bool(first & 0x10) and not first & 0x07, size=at)


def is_key(frame: bytes) -> bool:
    """Whether a frame can be decoded alone (RFC 6386 §9.1)."""
    return bool(frame) and not frame[0] & 0x01


def picture_size(key_frame: bytes) -> tuple[int, int] | None:
    """Width and height that a key frame names (RFC 6386 §9.1); None where it is no good."""
    if len(key_frame) < 10 or not is_key(key_frame) or key_frame[3:6] != b"\x9d\x01\x2a":
        return None
    width = (key_frame[6] | key_frame[7] << 8) & 0x3FFF
    height = (key_frame[8] | key_frame[9] << 8) & 0x3FFF
    return (width, height) if width and height else None


@dataclass(slots=True)
class _Held:
    packet: RtpPacket
    arrival: float


class FrameAssembler:
    """RTP packets of one stream in, frames out, in their order."""

    def __init__(self) -> None:
        self.waiting = True  # for a key frame: nothing can be decoded without
        self.spoiled = 0  # how often something was missing
        self._expected: int | None = None
        self._held: dict[int, _Held] = {}
        self._pieces: list[bytes] | None = None  # of the frame that is being put together; None: its beginning is lost
        self._size = 0

    def receive(self, packet: RtpPacket, now: float) -> list[bytes]:
        """The frames that are complete by this packet; `now` is its arrival (monotonic)."""
        if self._expected is None:
            self._expected = packet.sequence
        ahead = (packet.sequence - self._expected) & 0xFFFF
        if ahead >= 0x10000 - _GAP:
            return []  # late, or a duplicate
        if ahead >= _GAP:
            self._held.clear()
            self._lose(packet.sequence)
        elif ahead:
            self._held.setdefault(packet.sequence, _Held(packet, now))
            return self._give_up(now)
        return [*self._take(packet), *self._drain()]

    def lose(self) -> None:
        """What was given out could not be decoded: wait for a key frame."""
        self.spoiled += 1
        self.waiting = True

    def reset(self) -> None:
        """Another stream begins."""
        self._held.clear()
        self._expected = self._pieces = None
        self.waiting = True

    def _give_up(self, now: float) -> list[bytes]:
        """Go on without what is missing, if it was waited for long enough."""
        frames: list[bytes] = []
        while self._held and self._expected is not None:
            expected = self._expected
            nearest = min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
            oldest = min(held.arrival for held in self._held.values())
            if len(self._held) <= MAX_HELD and now - oldest < HOLD_SECONDS:
                break
            self._lose(nearest)
            frames += self._drain()
        return frames

    def _drain(self) -> list[bytes]:
        frames: list[bytes] = []
        while self._expected is not None and (held := self._held.pop(self._expected, None)) is not None:
            frames += self._take(held.packet)
        return frames

    def _lose(self, following: int) -> None:
        self._expected = following
        self._pieces = None
        self.lose()

    def _take(self, packet: RtpPacket) -> list[bytes]:
        """The next packet in order."""
        self._expected = (packet.sequence + 1) & 0xFFFF
        descriptor = parse_descriptor(packet.payload)
        if descriptor is None:
            if packet.payload:  # without any it is a probe for bandwidth
                self._pieces = None
                self.lose()
            return []
        if descriptor.begins:
            if self._pieces:  # the frame before had no end
                self.lose()
            self._pieces, self._size = [], 0
        if self._pieces is None:
            return []
        self._pieces.append(packet.payload[descriptor.size :])
        self._size += len(packet.payload) - descriptor.size
        if self._size > MAX_FRAME:
            self._pieces = None
            self.lose()
            return []
        return self._complete() if packet.marker else []

    def _complete(self) -> list[bytes]:
        frame, self._pieces = b"".join(self._pieces or ()), None
        if is_key(frame):
            self.waiting = False
        return [] if self.waiting else [frame]
