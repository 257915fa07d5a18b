from __future__ import annotations

from offhook.media.audio import tone
from offhook.media.outbound import Outbound
from offhook.media.rtp import RtpPacket, parse_rtp
from offhook.media.sdp import PayloadFormat

PCMU = PayloadFormat(0, "PCMU", 8000)
OPUS = PayloadFormat(111, "opus", 48000, 2)
EVENT = PayloadFormat(101, "telephone-event", 8000)
EVENT48 = PayloadFormat(110, "telephone-event", 48000)


def _parsed(data: bytes | None) -> RtpPacket:
    assert data is not None
    packet = parse_rtp(data)
    assert packet is not None
    return packet


def test_timestamps_follow_the_ticks_and_no_audio_has_a_marker() -> None:
    outbound = Outbound(7, 65535, 0xFFFFFFFF)
    outbound.configure(PCMU, None, 100)
    packets = [_parsed(outbound.send_frame(tick, None)) for tick in (100, 101, 105)]
    assert [packet.timestamp for packet in packets] == [0xFFFFFFFF, 159, 799]
    assert [packet.sequence for packet in packets] == [65535, 0, 1]
    assert not any(packet.marker for packet in packets)
    assert {packet.ssrc for packet in packets} == {7} and packets[0].payload == b"\xff" * 160
    assert (outbound.packets, outbound.octets) == (3, 480)


def test_a_new_codec_goes_on_where_the_old_one_was() -> None:
    outbound = Outbound(7, 1, 1000)
    outbound.configure(PCMU, EVENT, 0)
    outbound.send_frame(0, tone(440, 8000, 160))
    assert outbound.level > -20 and outbound.codec == "PCMU"
    outbound.configure(OPUS, EVENT48, 10)
    first, second = (_parsed(outbound.send_frame(tick, None)) for tick in (10, 11))
    assert first.timestamp == 1000 + 10 * 160 and second.timestamp - first.timestamp == 960
    assert first.payload_type == 111
    encoder = outbound.encoder
    outbound.configure(PayloadFormat(102, "opus", 48000, 2), EVENT48, 12)
    assert outbound.encoder is encoder and _parsed(outbound.send_frame(12, None)).payload_type == 102
    outbound.expect_loss(0.2)


def test_digits_take_the_place_of_audio() -> None:
    outbound = Outbound(7, 1, 0)
    outbound.configure(PCMU, EVENT, 0)
    assert outbound.digits is not None and outbound.digits.add("1", duration_ms=100, gap_ms=40, id="x")
    first = _parsed(outbound.send_digit(5))
    assert (first.payload_type, first.marker, first.timestamp) == (101, True, 800)
    later = [outbound.send_digit(tick) for tick in range(6, 20)]
    assert sum(packet is not None for packet in later) == 6 and outbound.digits.done == ["x"]


def test_digits_that_cannot_be_sent_any_more_are_named() -> None:
    outbound = Outbound(7, 1, 0)
    outbound.configure(PCMU, EVENT, 0)
    assert outbound.digits is not None
    outbound.digits.add("123", duration_ms=100, gap_ms=40, id="x")
    assert outbound.configure(PCMU, EVENT, 1) == []  # nothing changed
    assert outbound.configure(PCMU, None, 2) == ["x"]
    assert outbound.send_digit(3) is None


def test_what_is_passed_on_keeps_its_gaps() -> None:
    outbound = Outbound(7, 10, 0)
    outbound.configure(OPUS, None, 0)
    first = _parsed(outbound.send_payload(0, b"abc"))
    outbound.skip()
    second = _parsed(outbound.send_payload(2, b"def"))
    assert (first.payload, second.payload) == (b"abc", b"def")
    assert second.sequence - first.sequence == 2 and second.timestamp - first.timestamp == 1920
