from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.clock import Now
from offhook.media.rtp import Reception, Report, Reports, is_rtcp, pack_rtp, parse_rtcp, parse_rtp


def test_a_packet_there_and_back() -> None:
    data = pack_rtp(111, 65537, (1 << 32) + 5, 0xCAFE, b"abc", marker=True)
    packet = parse_rtp(data)
    assert packet == (111, True, 1, 5, 0xCAFE, b"abc")
    assert not is_rtcp(data)
    assert parse_rtp(pack_rtp(0, 1, 2, 3, b"")) == (0, False, 1, 2, 3, b"")


def test_csrc_extension_and_padding_are_stripped() -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 8, 1, 2, 3)
    data = header + b"\0" * 8 + b"\xbe\xde\x00\x01\x00\x00\x00\x00" + b"audio" + b"\0\0\x03"
    packet = parse_rtp(data)
    assert packet is not None and packet.payload == b"audio"


@given(st.binary(max_size=1600))
def test_no_bytes_can_raise(data: bytes) -> None:
    parse_rtp(data)
    parse_rtcp(data)
    Reports(1, "c", Now(0, 0)).receive(data, Now(1, 1))


@given(st.integers(0, 31), st.sampled_from([200, 201, 202, 203]), st.binary(max_size=400))
def test_nor_can_rtcp_that_is_nearly_right(count: int, kind: int, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    data = bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body
    assert isinstance(parse_rtcp(data + data), list)


def _receive(reception: Reception, sequences: list[int]) -> None:
    for sequence in sequences:
        reception.receive(sequence & 0xFFFF)


def test_loss_over_the_wrap_with_swaps_and_duplicates() -> None:
    reception = Reception(8000)
    _receive(reception, [65533, 65535, 65534, 65535, 0, 1, 3, 2, 2, 6])
    assert (reception.expected, reception.received, reception.lost) == (10, 8, 2)
    _receive(reception, [5])  # late but not lost
    assert reception.lost == 1
    assert not reception.receive(5)


def test_the_first_packets_swapped() -> None:
    reception = Reception(8000)
    _receive(reception, [101, 100, 102])
    assert (reception.expected, reception.lost) == (3, 0)


@pytest.mark.parametrize("seed", range(5))
def test_seeded_loss_is_reported_within_a_point(seed: int) -> None:
    chance = random.Random(seed)
    reception = Reception(8000)
    sent = [number for number in range(5000) if chance.random() > 0.05]
    truth = 1 - len(sent) / 5000
    order = sorted(sent, key=lambda number: number + chance.random() * 3)
    _receive(reception, [60000 + number for number in order])
    assert abs(reception.lost / reception.expected - truth) < 0.001


def test_a_hold_is_no_loss_and_a_jump_is_a_new_beginning() -> None:
    reception = Reception(8000)
    _receive(reception, list(range(10)))
    reception.pause()
    _receive(reception, list(range(500, 510)))
    assert (reception.expected, reception.lost) == (20, 0)
    _receive(reception, [20000, 20001])
    assert (reception.expected, reception.lost) == (22, 0)
    reception.pause()
    assert reception.expected == 22


def test_jitter_is_that_of_the_standard() -> None:
    reception = Reception(8000)
    for number in range(400):
        reception.measure((0xFFFFFF00 + number * 160) & 0xFFFFFFFF, number * 0.02 + (0.01 if number % 2 else 0.0))
    assert reception.jitter == pytest.approx(0.01, rel=0.01)
    steady = Reception(48000)
    for number in range(100):
        steady.measure(number * 960, number * 0.02)
    assert steady.jitter == pytest.approx(0.0, abs=1e-9)


def test_the_fraction_is_that_since_the_last_report() -> None:
    reception = Reception(8000)
    _receive(reception, [0, 1, 2, 3, 5, 6, 7])  # one of 8
    assert reception.report()[:2] == (32, 1)
    _receive(reception, [8, 9, 10, 11])
    fraction, lost, highest, _ = reception.report()
    assert (fraction, lost, highest) == (0, 1, 11)


def test_two_sides_measure_the_round_trip_and_the_loss() -> None:
    near, far = Reports(1, "near", Now(0, 1e9)), Reports(2, "far", Now(0, 1e9))
    assert not near.due(0.1) and near.due(1.0)
    heard = Reception(8000)
    _receive(heard, [0, 1, 2, 4])
    report = near.write(Now(1.0, 1e9 + 1), sent=(160, 1, 160), remote_ssrc=None, reception=None)
    assert is_rtcp(report) and not near.due(1.5)
    far.receive(report, Now(1.040, 5e8))  # 40 ms there; clocks need not agree
    reply = far.write(Now(1.240, 5e8 + 0.2), sent=None, remote_ssrc=1, reception=heard)
    near.receive(reply, Now(1.300, 1e9 + 1.3))  # 60 ms back
    assert near.round_trip == pytest.approx(0.100, abs=0.001)
    assert near.remote_loss == pytest.approx(0.2, abs=0.01)
    assert far.round_trip is None
    (sender,), (receiver,) = parse_rtcp(report), parse_rtcp(reply)
    assert sender.ntp is not None and receiver.ntp is None
    assert receiver.blocks[0].lost == 1 and receiver.blocks[0].ssrc == 1


def test_reports_come_soon_and_then_every_five_seconds() -> None:
    for ssrc in (1, 0x12345678, 0xFFFFFFFF):
        reports, times, now = Reports(ssrc, "c", Now(0, 0)), list[float](), 0.0
        while now < 30:
            if reports.due(now):
                reports.write(Now(now, now), sent=None, remote_ssrc=None, reception=None)
                times.append(now)
            now += 0.02
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        assert times[0] < 0.7 and gaps[0] < 2.5 and all(3.9 < gap < 6.1 for gap in gaps[1:])


def test_a_report_about_somebody_else_or_of_a_strange_clock_says_nothing() -> None:
    reports = Reports(1, "c", Now(0, 0))
    far = Reports(2, "far", Now(0, 0))
    heard = Reception(8000)
    _receive(heard, [0])
    reports.receive(far.write(Now(1, 1), sent=None, remote_ssrc=99, reception=heard), Now(1, 1))
    assert reports.remote_loss is None
    far.receive(reports.write(Now(1, 5000), sent=(0, 0, 0), remote_ssrc=None, reception=None), Now(1, 1))
    reports.receive(far.write(Now(2, 2), sent=None, remote_ssrc=1, reception=heard), Now(1, 4000))
    assert reports.round_trip is None and reports.remote_loss == 0.0


def test_negative_cumulative_loss_is_read() -> None:
    block = struct.pack("!IIIIII", 1, 0xFFFFFF, 0, 0, 0, 0)
    (report,) = parse_rtcp(bytes((0x81, 201, 0, 7)) + (2).to_bytes(4, "big") + block)
    assert report == Report(2, None, report.blocks) and report.blocks[0].lost == -1


def test_a_wall_clock_that_is_set_changes_no_round_trip() -> None:
    near, far = Reports(1, "near", Now(0, 1e9)), Reports(2, "far", Now(0, 1e9))
    heard = Reception(8000)
    _receive(heard, [0])
    far.receive(near.write(Now(1.0, 1e9), sent=(0, 1, 1), remote_ssrc=None, reception=None), Now(1.02, 1e9))
    near.receive(far.write(Now(1.5, 1e9), sent=None, remote_ssrc=1, reception=heard), Now(1.52, 1e9 + 7.0))
    assert near.round_trip == pytest.approx(0.04, abs=0.001)
    # A far side whose delay is a little more than what has passed: no time at all, not none measured.
    far.receive(near.write(Now(3.0, 1e9), sent=(0, 1, 1), remote_ssrc=None, reception=None), Now(3.0, 1e9))
    near.receive(far.write(Now(3.501, 1e9), sent=None, remote_ssrc=1, reception=heard), Now(3.5, 1e9))
    assert near.round_trip == 0.0


def test_the_report_of_another_stream_is_none_of_the_one_that_is_received() -> None:
    """In a bundle both streams' SRs come on one transport; what we say of one names its own last SR."""
    audio, video, ours = (Reports(ssrc, "c", Now(100.0, 0.0)) for ssrc in (1, 2, 3))
    first = audio.write(Now(100.0, 1.0), sent=(0, 1, 1), remote_ssrc=None, reception=None)
    other = video.write(Now(100.0, 2.0), sent=(0, 1, 1), remote_ssrc=None, reception=None)
    for data in (first, other):
        ours.receive(data, Now(100.0, 0.0), remote_ssrc=1)
    reception = Reception(8000)
    reception.receive(1)
    report = parse_rtcp(ours.write(Now(100.5, 0.0), sent=None, remote_ssrc=1, reception=reception))[0]
    ntp = parse_rtcp(first)[0].ntp
    assert ntp is not None and report.blocks[0].last_sr == (ntp >> 16) & 0xFFFFFFFF
