"""Digits as RTP events (RFC 4733): one state machine that sends them, one that reads them. Pure."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = "0123456789*#ABCD"
"""Place in this string = event code (RFC 4733 §3.2)."""

MAX_WAITING = 256
"""Digits that may wait to be sent."""

TICK_MS = 20
END_PACKETS = 3
"""The last packet of an event is sent that often (RFC 4733 §2.5.1.4)."""

_LONGEST = 0xFFFF
_LOST_END = 0.2
_PAYLOAD = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class EventPayload:
    """The four octets of a telephone-event; `volume` in -dBm0, `duration` in RTP timestamp units (RFC 4733 §2.3)."""

    event: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> EventPayload | None:
        """None for what is too short to be one."""
        if len(payload) < 4:
            return None
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        return cls(event, bool(flags & 0x80), flags & 0x3F, duration)

    def __bytes__(self) -> bytes:
        return _PAYLOAD.pack(self.event, (0x80 if self.end else 0) | (self.volume & 0x3F), self.duration)


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What is to be sent in place of audio: `timestamp` is that of the (segment of the) event's beginning."""

    timestamp: int
    marker: bool
    payload: EventPayload


@dataclass(slots=True)
class _Digit:
    event: int
    ticks: int
    gap: int
    id: str | None  # told when this digit is done


class DigitSender:
    """Sends digits one after the other, one packet a 20 ms tick.

    `tick(timestamp)` is called for every 20 ms with the RTP timestamp that audio would have; while it returns a packet,
    no audio is sent. `done` names the requests whose last digit has gone out.
    """

    def __init__(self, clock_rate: int) -> None:
        self.done: list[str] = []
        self._step = clock_rate * TICK_MS // 1000
        self._waiting: deque[_Digit] = deque()
        self._now: _Digit | None = None
        self._sent = 0  # ticks of the event so far
        self._ends = 0
        self._pause = 0
        self._begin = 0
        self._duration = 0

    @property
    def busy(self) -> bool:
        return self._now is not None or bool(self._waiting)

    def add(self, digits: str, *, duration_ms: int, gap_ms: int, id: str) -> bool:
        """Queue digits; False if they cannot be: unknown characters, none at all, or too many waiting."""
        if not digits or any(digit not in DIGITS for digit in digits) or len(self._waiting) + len(digits) > MAX_WAITING:
            return False
        ticks = max(2, min(duration_ms, 10_000) // TICK_MS)
        gap = max(1, min(gap_ms, 10_000) // TICK_MS)
        for place, digit in enumerate(digits, 1):
            self._waiting.append(_Digit(DIGITS.index(digit), ticks, gap, id if place == len(digits) else None))
        return True

    def clear(self) -> list[str]:
        """Forget all that waits and is being sent; the ids of the requests that will not be done."""
        digits = [*([self._now] if self._now is not None else []), *self._waiting]
        self._waiting.clear()
        self._now = None
        return [digit.id for digit in digits if digit.id is not None]

    def tick(self, timestamp: int) -> EventPacket | None:
        """What to send instead of audio in this 20 ms, or None."""
        if self._pause:
            self._pause -= 1
            return None
        first = self._now is None
        if first:
            if not self._waiting:
                return None
            self._now = self._waiting.popleft()
            self._sent = self._ends = self._duration = 0
            self._begin = timestamp
        digit = self._now
        assert digit is not None
        if self._ends == 0:
            self._sent += 1
            if self._duration + self._step > _LONGEST:  # a new segment (RFC 4733 §2.5.1.3)
                self._begin = (self._begin + self._duration) & 0xFFFFFFFF
                self._duration = 0
            self._duration += self._step
        end = self._sent >= digit.ticks
        packet = EventPacket(self._begin, first, EventPayload(digit.event, end, 10, self._duration))
        if end:
            self._ends += 1
            if self._ends == END_PACKETS:
                self._finish(digit)
        return packet

    def _finish(self, digit: _Digit) -> None:
        self._now = None
        self._pause = digit.gap
        if digit.id is not None:
            self.done.append(digit.id)


@dataclass(frozen=True, slots=True)
class ReceivedDigit:
    """A digit that has ended."""

    digit: str
    duration_ms: int


class DigitReceiver:
    """Reads telephone-events: each digit once, at its end.

    A lost end is noticed by the next event, or by `expire` 200 ms after the last packet. Segments of a long event
    (RFC 4733 §2.5.1.3) make one digit.
    """

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self._event: int | None = None
        self._begin = 0
        self._before = 0  # duration of the segments that are over
        self._duration = 0
        self._heard = 0.0
        self._ended: deque[int] = deque(maxlen=8)  # begins of events that are over: their packets may still come

    def receive(self, timestamp: int, payload: bytes, now: float) -> list[ReceivedDigit]:
        """A packet with the payload type of telephone-event, heard at `now` (monotonic seconds)."""
        packet = EventPayload.parse(payload)
        if packet is None or packet.event >= len(DIGITS) or timestamp in self._ended:
            return []
        told: list[ReceivedDigit] = []
        if self._event is not None and timestamp != self._begin:
            if _older(timestamp, self._begin):
                return []
            if packet.event == self._event and self._continues(timestamp):
                self._before += (timestamp - self._begin) & 0xFFFFFFFF
                self._ended.append(self._begin)
                self._begin, self._duration = timestamp, 0
            else:
                told += self._finish()
        if self._event is None:
            self._event, self._begin = packet.event, timestamp
            self._before = self._duration = 0
        if packet.event != self._event:
            return told
        self._duration = max(self._duration, packet.duration)
        self._heard = now
        if packet.end:
            told += self._finish()
        return told

    def expire(self, now: float) -> Iterable[ReceivedDigit]:
        """Ends an event whose end was lost; cheap enough for every tick."""
        if self._event is not None and now - self._heard > _LOST_END:
            return self._finish()
        return ()

    def _continues(self, timestamp: int) -> bool:
        """Whether it begins about where the segment before could not go on: no digit lasts that long by accident."""
        length = (timestamp - self._begin) & 0xFFFFFFFF
        return _LONGEST - self.clock_rate // 5 <= length <= _LONGEST

    def _finish(self) -> list[ReceivedDigit]:
        event, self._event = self._event, None
        if event is None:
            return []
        self._ended.append(self._begin)
        return [ReceivedDigit(DIGITS[event], (self._before + self._duration) * 1000 // self.clock_rate)]


def _older(timestamp: int, than: int) -> bool:
    return ((timestamp - than) & 0xFFFFFFFF) > 0x7FFFFFFF
