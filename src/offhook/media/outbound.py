"""What goes out: frames, payloads and digits in, RTP packets out. No clock, no socket.

The RTP timestamp is counted from the number of the tick, so that it stands for real time whatever is sent or left out.
"""

from __future__ import annotations

from offhook.media.audio import SILENCE_DB, Samples, level_dbov
from offhook.media.codec import Encoder, make_encoder
from offhook.media.dtmf import DigitSender
from offhook.media.rtp import pack_rtp
from offhook.media.sdp import PayloadFormat

_LEVEL_EVERY = 5  # frames


class Outbound:
    """One sent stream. The marker bit is never set on audio: FreeSWITCH drops what it has buffered at each one
    (freeswitch/recovery.md, Pitfalls)."""

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.level = SILENCE_DB
        self.encoder: Encoder | None = None
        self.digits: DigitSender | None = None
        self._sequence = sequence
        self._base = timestamp
        self._base_tick = 0
        self._step = 160
        self._format: PayloadFormat | None = None
        self._event: PayloadFormat | None = None
        self._loss = 0

    def configure(self, codec: PayloadFormat, event: PayloadFormat | None, tick: int) -> list[str]:
        """What was agreed on, from this tick on. The ids of digit requests that can no longer be done."""
        dropped: list[str] = []
        if self.encoder is None or self.encoder.name.lower() != codec.name.lower():
            if self.encoder is not None:
                self._base = self.timestamp(tick)
            self._base_tick = tick
            self.encoder = make_encoder(codec.name)
            self._step = codec.clock_rate // 50
        self._format = codec
        if event is None or self.digits is None or self._event is None or event.clock_rate != self._event.clock_rate:
            dropped = self.digits.clear() if self.digits is not None else []
            self.digits = None if event is None else DigitSender(event.clock_rate)
        self._event = event
        return dropped

    @property
    def codec(self) -> str | None:
        return None if self._format is None else self._format.name

    def timestamp(self, tick: int) -> int:
        return (self._base + (tick - self._base_tick) * self._step) & 0xFFFFFFFF

    def send_digit(self, tick: int) -> bytes | None:
        """The packet of a digit that goes in place of this tick's audio, or None."""
        if self.digits is None or self._event is None:
            return None
        packet = self.digits.tick(self.timestamp(tick))
        if packet is None:
            return None
        return self._pack(self._event.payload_type, packet.timestamp, bytes(packet.payload), marker=packet.marker)

    def send_frame(self, tick: int, frame: Samples | None) -> bytes:
        """20 ms at the encoder's rate; None for silence."""
        assert self.encoder is not None and self._format is not None
        if self.packets % _LEVEL_EVERY == 0:
            self.level = SILENCE_DB if frame is None else level_dbov(frame)
        return self._pack(self._format.payload_type, self.timestamp(tick), self.encoder.encode(frame))

    def send_payload(self, tick: int, payload: bytes) -> bytes:
        """20 ms that are already encoded."""
        assert self._format is not None
        return self._pack(self._format.payload_type, self.timestamp(tick), payload)

    def skip(self) -> None:
        """A packet missing in what is passed on is to be missing at the far end too, so that it can repair it."""
        self._sequence = (self._sequence + 1) & 0xFFFF

    def expect_loss(self, share: float) -> None:
        """What the far side says it loses, 0 to 1."""
        percent = round(share * 100)
        if self.encoder is not None and percent != self._loss:
            self._loss = percent
            self.encoder.expect_loss(percent)

    def _pack(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool = False) -> bytes:
        packet = pack_rtp(payload_type, self._sequence, timestamp, self.ssrc, payload, marker=marker)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return packet
