from __future__ import annotations

import random

from offhook.clock import Now
from offhook.media.feedback import KeyFrameRequest, pack_request, parse_requests
from offhook.media.rtp import Reports, is_rtcp, parse_rtcp

PLI, FIR = KeyFrameRequest(1, 2), KeyFrameRequest(3, 4, 250)


def test_requests_alone_and_behind_a_report() -> None:
    report = Reports(1, "cname", Now(0.0, 0.0)).write(Now(0.0, 0.0), sent=(1, 2, 3), remote_ssrc=None, reception=None)
    for request in (PLI, FIR):
        packed = pack_request(request)
        assert is_rtcp(packed) and len(packed) % 4 == 0
        assert parse_requests(packed) == [request]
        assert parse_requests(report + packed) == [request] and len(parse_rtcp(report + packed)) == 1
    assert parse_requests(report + pack_request(PLI) + pack_request(FIR)) == [PLI, FIR]
    assert parse_requests(report) == []


def test_what_freeswitch_writes() -> None:
    """SR, PLI, FIR and SDES in one packet, as FreeSWITCH 1.11.1 sent it; its FIR names the stream twice."""
    packet = bytes.fromhex(
        "81c8000c1586f660eead7564796d6dc1000ea7590000005e0000e67e37601a64020000010000574e00000dc375645822000023d6"
        "81ce00021586f66037601a6484ce00041586f66037601a6437601a6400000000"
        "81ca000e1586f660010831353836663636300725467265655357495443482e6f7267202d2d20436f6d6520746f20436c7565436f6e"
        "2e636f6d000000"
    )
    assert parse_requests(packet) == [
        KeyFrameRequest(0x1586F660, 0x37601A64),
        KeyFrameRequest(0x1586F660, 0x37601A64, 0),
    ]


def test_malformed_packets_end_the_list() -> None:
    packed = pack_request(PLI) + pack_request(FIR)
    for size in range(len(packed)):
        assert parse_requests(packed[:size]) == ([PLI] if size >= 12 else [])
    chance = random.Random(1)
    for _ in range(20_000):
        noise = bytearray(packed)
        for _ in range(3):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        parse_requests(bytes(noise))
    assert parse_requests(b"\x81\xce\x00\x00" * 500) == []
