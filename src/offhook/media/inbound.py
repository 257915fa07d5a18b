"""What comes in: RTP packets in, 20 ms frames of audio and digits out. No clock, no socket: time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from offhook.errors import MediaError
from offhook.media.audio import SILENCE_DB, Samples, frame_size, level_dbov
from offhook.media.codec import Decoder, make_decoder, packet_ms
from offhook.media.concealment import shorten
from offhook.media.dtmf import DigitReceiver, ReceivedDigit
from offhook.media.jitter import Due, JitterBuffer, Missing
from offhook.media.quality import mos
from offhook.media.rtp import Reception, parse_rtp
from offhook.media.sdp import PayloadFormat

_LEVEL_EVERY = 5  # frames
_LEVEL_BLIND = 25  # frames, where nobody wants the audio
_QUALITY_EVERY = 50  # frames: a second
_PIECES = 16
"""Packets that one frame is made of at most: a peer may pack as little as 2.5 ms."""


@dataclass(frozen=True, slots=True)
class Heard:
    """20 ms that came in: `samples` at `rate` where somebody wants them decoded, and the `payload` of `codec` where the
    20 ms are one packet as it came. `lost`: there was no packet, `samples` are made up."""

    codec: str
    rate: int
    samples: Samples | None
    payload: bytes | None
    lost: bool


class Inbound:
    """One received stream: statistics, jitter buffer, decoder, digits."""

    def __init__(self) -> None:
        self.reception = Reception(8000)
        self.ssrc: int | None = None
        self.codec: str | None = None
        self.level = SILENCE_DB
        self._formats: dict[int, PayloadFormat] = {}
        self._current: PayloadFormat | None = None
        self._decoder: Decoder | None = None
        self._buffer = JitterBuffer(8000)
        self._digits: DigitReceiver | None = None
        self._ready: list[Samples] = []
        self._ready_count = 0
        self._blind_ahead = 0.0  # seconds taken from the buffer but not yet played, while nothing is decoded
        self._late_before = 0
        self._frames = 0
        self._history: deque[tuple[int, int]] = deque(maxlen=10)  # expected and unplayed packets, a second apart

    def configure(self, formats: Mapping[int, PayloadFormat]) -> None:
        """The payload types that may come."""
        self._formats = dict(formats)

    def pause(self) -> None:
        """The stream is held: forget what is buffered, count no loss until it comes again."""
        self.reception.pause()
        self._flush()
        self.level = SILENCE_DB

    def receive(self, data: bytes, now: float) -> list[ReceivedDigit]:
        """A decrypted RTP packet that came at `now` (monotonic); the digits that ended by it."""
        packet = parse_rtp(data)
        if packet is None:
            return []
        if packet.ssrc != self.ssrc:
            self.ssrc = packet.ssrc
            self.pause()
        if not self.reception.receive(packet.sequence):
            return []
        known = self._formats.get(packet.payload_type)
        if known is None:
            return []
        if known.name.lower() == "telephone-event":
            return self._receive_event(known, packet.timestamp, packet.payload, now)
        if known != self._current:
            self._change_codec(known)
        self.reception.measure(packet.timestamp, now)
        duration = int(packet_ms(known.name, packet.payload) * known.clock_rate / 1000)
        self._buffer.put(packet.timestamp, packet.payload, duration, now)
        return []

    def expire(self, now: float) -> list[ReceivedDigit]:
        """Digits whose end was lost; for every tick."""
        return list(self._digits.expire(now)) if self._digits is not None else []

    def pull(self, now: float, *, decode: bool = True) -> Heard | None:
        """The next 20 ms, or None while there is no stream. To be called every 20 ms.

        Without `decode` packets go through as they are and cost nothing.
        """
        if self._decoder is None or self.codec is None:
            return None
        self._frames += 1
        if self._frames % _QUALITY_EVERY == 0:
            self._history.append((self.reception.expected, self.reception.lost + self.late))
        heard = self._pull_decoded(now) if decode else self._pull_blind(now)
        if heard is not None and heard.samples is not None and self._frames % _LEVEL_EVERY == 0:
            self.level = level_dbov(heard.samples)
        elif heard is None:
            self.level = SILENCE_DB
        return heard

    @property
    def late(self) -> int:
        """Packets that came too late to be played."""
        return self._late_before + self._buffer.late

    @property
    def delay(self) -> float:
        """What the jitter buffer aims at, in seconds."""
        return self._buffer.target

    def mos(self, round_trip: float | None) -> float | None:
        """Of the last ten seconds."""
        if self.codec is None or not self.reception.received:
            return None
        expected, unplayed = self.reception.expected, self.reception.lost + self.late
        before = self._history[0] if self._history else (0, 0)
        if expected - before[0] < 50:
            before = (0, 0)
        share = (unplayed - before[1]) / max(1, expected - before[0])
        return mos(self.codec, share, self.delay + 0.020 + (round_trip or 0.0) / 2)

    def _receive_event(self, known: PayloadFormat, timestamp: int, payload: bytes, now: float) -> list[ReceivedDigit]:
        if self._digits is None or self._digits.clock_rate != known.clock_rate:  # an offer of ours has two of them
            self._digits = DigitReceiver(known.clock_rate)
        return self._digits.receive(timestamp, payload, now)

    def _change_codec(self, known: PayloadFormat) -> None:
        before, self._current = self._current, known
        if before is not None and (before.name, before.clock_rate) == (known.name, known.clock_rate):
            return  # another payload type for the same
        self.codec = known.name
        self._decoder = make_decoder(known.name)
        self._ready.clear()
        self._ready_count = 0
        self._late_before += self._buffer.late
        self._buffer = JitterBuffer(known.clock_rate)
        self.reception.clock_rate = known.clock_rate

    def _flush(self) -> None:
        self._buffer.reset()
        self._ready.clear()
        self._ready_count = 0
        self._blind_ahead = 0.0

    def _pull_decoded(self, now: float) -> Heard | None:
        assert self._decoder is not None and self.codec is not None and self._current is not None
        size = frame_size(self._decoder.rate)
        payload: bytes | None = None
        pieces, lost = 0, False
        for _ in range(_PIECES):
            if self._ready_count >= size:
                break
            got = self._buffer.get(now, self._ready_count / self._decoder.rate)
            if got is None:
                break
            pieces += 1
            lost = isinstance(got, Missing)
            payload = got.payload if isinstance(got, Due) and not got.shorten and not self._ready_count else None
            samples = self._render(got)
            self._ready.append(samples)
            self._ready_count += samples.size
        if not self._ready_count:
            return None
        whole = pieces == 1 and self._ready_count == size
        return Heard(self.codec, self._decoder.rate, self._take(size), payload if whole else None, lost)

    def _render(self, got: Due | Missing) -> Samples:
        assert self._decoder is not None and self._current is not None
        clock = self._current.clock_rate
        try:
            if isinstance(got, Due):
                samples = self._decoder.decode(got.payload)
                return shorten(samples, self._decoder.rate) if got.shorten else samples
            return self._decoder.conceal(got.duration * self._decoder.rate // clock, got.following)
        except MediaError:  # a payload that is no good: as if it had not come
            return self._decoder.conceal(got.duration * self._decoder.rate // clock, None)

    def _take(self, size: int) -> Samples:
        if len(self._ready) == 1 and self._ready_count == size:
            taken = self._ready[0]
            self._ready.clear()
            self._ready_count = 0
            return taken
        joined = np.concatenate(self._ready)
        self._ready = [joined[size:]] if joined.size > size else []
        self._ready_count = max(0, joined.size - size)
        if joined.size < size:
            joined = np.concatenate((joined, np.zeros(size - joined.size, dtype=np.int16)))
        return joined[:size]

    def _pull_blind(self, now: float) -> Heard | None:
        assert self._decoder is not None and self.codec is not None and self._current is not None
        if self._ready_count:
            self._ready.clear()
            self._ready_count = 0
        payload: bytes | None = None
        pieces, lost = 0, False
        while self._blind_ahead < 0.0199 and pieces < _PIECES:
            got = self._buffer.get(now, self._blind_ahead)
            if got is None:
                break
            pieces += 1
            lost = isinstance(got, Missing)
            payload = got.payload if isinstance(got, Due) else None
            self._blind_ahead += got.duration / self._current.clock_rate
        if not pieces and self._blind_ahead <= 0.0:
            return None
        self._blind_ahead = max(0.0, self._blind_ahead - 0.020)
        whole = payload if pieces == 1 and self._blind_ahead < 0.0001 else None
        if whole is not None and self._frames % _LEVEL_BLIND == 0:
            try:
                self.level = level_dbov(self._decoder.decode(whole))
            except MediaError:
                whole = None
        return Heard(self.codec, self._decoder.rate, None, whole, lost)
