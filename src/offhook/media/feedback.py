"""The RTCP messages by which a receiver of video asks for a key frame: PLI (RFC 4585 §6.3.1), FIR (RFC 5104 §4.3.1).
Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from offhook.media.rtp import MAX_PACKET

_PSFB = 206
_PLI, _FIR = 1, 4
_HEADER = struct.Struct("!BBHII")
_ENTRY = struct.Struct("!IB3x")


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """`sender` asks for a key frame of the stream `ssrc`; `number` is that of a FIR, None for a PLI. A FIR with the
    number of the last one is that one again."""

    sender: int
    ssrc: int
    number: int | None = None


def pack_request(request: KeyFrameRequest) -> bytes:
    """To be sent behind a report, in one compound packet (RFC 4585 §3.1)."""
    if request.number is None:
        return _HEADER.pack(0x80 | _PLI, _PSFB, 2, request.sender, request.ssrc)
    entry = _ENTRY.pack(request.ssrc, request.number & 0xFF)
    return _HEADER.pack(0x80 | _FIR, _PSFB, 4, request.sender, 0) + entry


def parse_requests(data: bytes) -> list[KeyFrameRequest]:
    """All in an RTCP packet; what is malformed ends the list."""
    found: list[KeyFrameRequest] = []
    at = 0
    while at + 4 <= len(data) <= MAX_PACKET and data[at] & 0xC0 == 0x80:
        kind, count = data[at + 1], data[at] & 0x1F
        end = at + 4 * (((data[at + 2] << 8) | data[at + 3]) + 1)
        if end > len(data):
            break
        if kind == _PSFB and end - at >= 12:
            _, _, _, sender, ssrc = _HEADER.unpack_from(data, at)
            if count == _PLI:
                found.append(KeyFrameRequest(sender, ssrc))
            elif count == _FIR:
                for entry in range(at + 12, end - 7, 8):
                    wanted, number = _ENTRY.unpack_from(data, entry)
                    found.append(KeyFrameRequest(sender, wanted, number))
        at = end
    return found
