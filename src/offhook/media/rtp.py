"""RTP and RTCP (RFC 3550): packets as bytes, the statistics of what is received, and the reports. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from offhook.clock import Now

MAX_PACKET = 1500

_HEADER = struct.Struct("!BBHII")
_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIIII")
_EPOCH = 2208988800  # NTP counts from 1900
_SR, _RR, _SDES = 200, 201, 202
_GAP = 3000
"""A jump of the sequence number by this much is a new beginning (RFC 3550 A.1, MAX_DROPOUT)."""
_REMEMBERED = 256
"""How far back duplicates are noticed and late packets still count."""

_SENT_KEPT = 8
_DELAY_OFF = 0.1
"""A far side that measures its delay coarsely may say that much more than has passed."""

_FIRST_REPORT, _SECOND_REPORT, _INTERVAL = 0.5, 2.0, 5.0


class RtpPacket(NamedTuple):
    """What of an RTP packet is used."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """Header extension, CSRCs and padding are stripped; None for what is no RTP packet."""
    size = len(data)
    if size < 12 or size > MAX_PACKET:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first & 0xC0 != 0x80:
        return None
    at, end = 12, size
    if first & 0x3F:
        at += 4 * (first & 0x0F)
        if first & 0x10:
            if at + 4 > size:
                return None
            at += 4 + 4 * ((data[at + 2] << 8) | data[at + 3])
        if first & 0x20:
            if not data[-1]:
                return None
            end -= data[-1]
        if at > end:
            return None
    return RtpPacket(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, data[at:end])


def pack_rtp(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """Sequence and timestamp are taken modulo 2^16 and 2^32."""
    second = payload_type | 0x80 if marker else payload_type
    return _HEADER.pack(0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def is_rtcp(data: bytes) -> bool:
    """Which of the two a packet on a shared port is (RFC 5761 §4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


class Reception:
    """What RFC 3550 counts of one received stream (A.1, A.3, A.8); each sequence number counts once."""

    def __init__(self, clock_rate: int) -> None:
        self.received = 0
        self.jitter = 0.0  # seconds
        self.highest = 0  # extended sequence number
        self.clock_rate = clock_rate
        self._running = False
        self._base = 0
        self._expected_before = 0
        self._seen = 0  # bit n: sequence number highest - n was received
        self._transit: float | None = None
        self._reported = (0, 0)

    @property
    def expected(self) -> int:
        here = self.highest - self._base + 1 if self._running else 0
        return self._expected_before + here

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)

    def receive(self, sequence: int) -> bool:
        """Count a packet; False for a duplicate."""
        if not self._running:
            self._begin(sequence)
            return True
        step = (sequence - self.highest) & 0xFFFF
        if step == 0:
            return False
        if step < _GAP:
            self.highest += step
            self._seen = ((self._seen << step) | 1) & ((1 << _REMEMBERED) - 1) if step < _REMEMBERED else 1
        elif 0x10000 - step < _REMEMBERED:
            bit = 1 << (0x10000 - step)
            if self._seen & bit:
                return False
            if self.highest - (0x10000 - step) < self._base:
                self._base = self.highest - (0x10000 - step)
            self._seen |= bit
        else:
            self.pause()
            self._begin(sequence)
            return True
        self.received += 1
        return True

    def measure(self, timestamp: int, arrival: float) -> None:
        """Interarrival jitter (A.8), from packets whose timestamp moves with time."""
        transit = arrival - timestamp / self.clock_rate
        if self._transit is not None:
            wrap = 0x100000000 / self.clock_rate
            difference = abs((transit - self._transit + wrap / 2) % wrap - wrap / 2)
            if difference < 2.0:
                self.jitter += (difference - self.jitter) / 16.0
        self._transit = transit

    def pause(self) -> None:
        """The stream is held or begins anew: what is missing up to the next packet is no loss."""
        if self._running:
            self._expected_before = self.expected
            self._running = False
        self._transit = None

    def report(self) -> tuple[int, int, int, int]:
        """Loss since the last report (of 256), cumulative loss, highest sequence number, jitter in clock units."""
        expected, received = self.expected, self.received
        new = expected - self._reported[0]
        missing = new - (received - self._reported[1])
        self._reported = (expected, received)
        fraction = min(255, (missing << 8) // new) if new > 0 and missing > 0 else 0
        return (
            fraction,
            min(self.lost, 0x7FFFFF),
            self.highest & 0xFFFFFFFF,
            int(self.jitter * self.clock_rate) & 0xFFFFFFFF,
        )

    def _begin(self, sequence: int) -> None:
        self._running = True
        self._base = self.highest = sequence
        self._seen = 1
        self.received += 1


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """A reception report (RFC 3550 §6.4.1); `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int


@dataclass(frozen=True, slots=True)
class Report:
    """An SR (with `ntp`, 64 bit) or an RR."""

    ssrc: int
    ntp: int | None
    blocks: tuple[ReportBlock, ...]


def parse_rtcp(data: bytes) -> list[Report]:
    """The packets of a compound (or reduced-size, RFC 5506) packet that are used; what is malformed ends the list."""
    found: list[Report] = []
    at = 0
    while at + 8 <= len(data) <= MAX_PACKET and data[at] & 0xC0 == 0x80:
        kind, count = data[at + 1], data[at] & 0x1F
        end = at + 4 * (((data[at + 2] << 8) | data[at + 3]) + 1)
        if end > len(data):
            break
        body = data[at + 4 : end]
        if kind == _SR or kind == _RR:
            report = _parse_report(body, count, sender=kind == _SR)
            if report is None:
                break
            found.append(report)
        at = end
    return found


def _parse_report(body: bytes, count: int, *, sender: bool) -> Report | None:
    start = 24 if sender else 4
    if len(body) < start + count * 24:
        return None
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, start + 24 * index)
        lost = loss & 0xFFFFFF
        lost = lost - 0x1000000 if lost & 0x800000 else lost
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    ssrc = int.from_bytes(body[:4], "big")
    return Report(ssrc, int.from_bytes(body[4:12], "big") if sender else None, tuple(blocks))


class Reports:
    """The RTCP of one session: when to report, what, and what the far side's reports say.

    The first report goes half a second after the beginning, the second two seconds later, then one about every 5 s
    (spread by the SSRC, so that many sessions do not report in step; RFC 3550 §6.2).
    """

    def __init__(self, ssrc: int, cname: str, now: Now) -> None:
        self.round_trip: float | None = None  # seconds
        self.remote_loss: float | None = None  # share of what we sent, 0 to 1, in the far side's last interval
        self._ssrc = ssrc
        self._cname = cname.encode()[:255]
        self._spread = 0.8 + 0.4 * ((ssrc * 2654435761 & 0xFFFFFFFF) / 0x100000000)
        self._due = now.monotonic + _FIRST_REPORT * self._spread
        self._written = 0
        self._sent: dict[int, float] = {}  # our last SRs: middle 32 bits of the NTP time, sent at (monotonic)
        self._last_sr: tuple[int, float] | None = None  # middle 32 bits of the far side's NTP time, heard at

    def due(self, monotonic: float) -> bool:
        return monotonic >= self._due

    def write(
        self, now: Now, *, sent: tuple[int, int, int] | None, remote_ssrc: int | None, reception: Reception | None
    ) -> bytes:
        """A compound packet: SR (with `sent` = RTP timestamp now, packets, octets) or RR, and the CNAME."""
        self._written += 1
        interval = _SECOND_REPORT if self._written == 1 else _INTERVAL
        self._due = now.monotonic + interval * self._spread
        block = b""
        if remote_ssrc is not None and reception is not None and reception.received:
            block = self._block(now, remote_ssrc, reception)
        count = 1 if block else 0
        if sent is not None:
            ntp = _ntp(now.wall)
            self._sent[(ntp >> 16) & 0xFFFFFFFF] = now.monotonic
            if len(self._sent) > _SENT_KEPT:
                del self._sent[next(iter(self._sent))]
            body = _SENDER.pack(
                self._ssrc,
                ntp >> 32,
                ntp & 0xFFFFFFFF,
                sent[0] & 0xFFFFFFFF,
                sent[1] & 0xFFFFFFFF,
                sent[2] & 0xFFFFFFFF,
            )
            report = _packet(_SR, count, body + block)
        else:
            report = _packet(_RR, count, self._ssrc.to_bytes(4, "big") + block)
        item = self._ssrc.to_bytes(4, "big") + bytes((1, len(self._cname))) + self._cname
        return report + _packet(_SDES, 1, item + bytes(4 - len(item) % 4))

    def receive(self, data: bytes, now: Now, remote_ssrc: int | None = None) -> None:
        """Reports of the far side; where `remote_ssrc` is known, an SR of another stream (of a bundle) is not its."""
        for packet in parse_rtcp(data):
            if packet.ntp is not None and remote_ssrc in (None, packet.ssrc):
                self._last_sr = ((packet.ntp >> 16) & 0xFFFFFFFF, now.monotonic)
            for block in packet.blocks:
                if block.ssrc == self._ssrc:
                    self._learn(block, now)

    def _learn(self, block: ReportBlock, now: Now) -> None:
        self.remote_loss = block.fraction_lost / 256.0
        sent = self._sent.get(block.last_sr)
        if sent is not None:  # by the clock that nobody sets, and never by an SR that was not ours
            passed = now.monotonic - sent - block.delay / 65536.0
            if passed > -_DELAY_OFF:
                self.round_trip = max(0.0, passed)

    def _block(self, now: Now, ssrc: int, reception: Reception) -> bytes:
        fraction, lost, highest, jitter = reception.report()
        last_sr, delay = 0, 0
        if self._last_sr is not None:
            last_sr = self._last_sr[0]
            delay = min(0xFFFFFFFF, int((now.monotonic - self._last_sr[1]) * 65536))
        return _BLOCK.pack(ssrc, fraction << 24 | lost, highest, jitter, last_sr, delay)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body


def _ntp(wall: float) -> int:
    """Seconds since 1970 as 64 bit NTP time."""
    return int((wall + _EPOCH) * 4294967296) & 0xFFFFFFFFFFFFFFFF
