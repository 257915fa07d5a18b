from __future__ import annotations

import random

import numpy as np
import pytest

from offhook.media.audio import Samples, frame_size, level_dbov, longest_hole, tone, tone_power
from offhook.media.codec import make_decoder
from offhook.media.dtmf import EventPayload
from offhook.media.inbound import Heard, Inbound
from offhook.media.outbound import Outbound
from offhook.media.rtp import pack_rtp
from offhook.media.sdp import PayloadFormat

CODECS = [PayloadFormat(0, "PCMU", 8000), PayloadFormat(8, "PCMA", 8000), PayloadFormat(111, "opus", 48000, 2)]
EVENT = PayloadFormat(101, "telephone-event", 8000)


def _sent(codec: PayloadFormat, seconds: float, first: int = 0) -> list[bytes]:
    outbound = Outbound(0xABC, 65500, 0xFFFFFF00)
    outbound.configure(codec, None, 0)
    assert outbound.encoder is not None
    rate = outbound.encoder.rate
    size = frame_size(rate)
    ticks = range(first, first + round(seconds * 50))
    return [outbound.send_frame(tick, tone(440, rate, size, start=tick * size)) for tick in ticks]


def _path(
    codec: PayloadFormat, *, loss: float, jitter: float, seed: int, seconds: float = 20.0, decode: bool = True
) -> tuple[list[Heard | None], Inbound, float]:
    """A tone over a path that loses and delays packets, in virtual time: what is heard, the receiver, the true loss."""
    chance = random.Random(seed)
    packets = _sent(codec, seconds)
    arriving = [
        (number * 0.02 + 0.02 + chance.random() * jitter, data)
        for number, data in enumerate(packets)
        if chance.random() >= loss
    ]
    truth = 1 - len(arriving) / len(packets)
    arriving.sort(key=lambda each: each[0])
    inbound = Inbound()
    inbound.configure({codec.payload_type: codec})
    heard = []
    for tick in range(len(packets)):
        now = tick * 0.02 + 0.003
        while arriving and arriving[0][0] <= now:
            at, data = arriving.pop(0)
            inbound.receive(data, at)
        heard.append(inbound.pull(now, decode=decode))
    return heard, inbound, truth


def _joined(heard: list[Heard | None]) -> tuple[Samples, int]:
    frames = [each for each in heard if each is not None and each.samples is not None]
    return np.concatenate([each.samples for each in frames if each.samples is not None]), frames[0].rate


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("seed", range(4))
def test_a_bad_path_is_not_heard_but_is_told(codec: PayloadFormat, seed: int) -> None:
    """5 % loss and 60 ms of jitter: no hole over 40 ms, loss told within a point, and the score falls."""
    heard, inbound, truth = _path(codec, loss=0.05, jitter=0.060, seed=seed)
    samples, rate = _joined(heard)
    assert longest_hole(samples[rate // 2 :], rate, 440) <= 40.0
    assert tone_power(samples[rate // 2 :], rate, 440) > 0.9
    assert abs(inbound.reception.lost / inbound.reception.expected - truth) < 0.01
    assert 0.010 < inbound.reception.jitter < 0.040
    bad = inbound.mos(0.050)
    _, good, _ = _path(codec, loss=0.0, jitter=0.002, seed=seed, seconds=5)
    clean = good.mos(0.050)
    assert bad is not None and clean is not None and clean > 4.2 and bad < clean - 0.3
    assert sum(each is None for each in heard) < 10  # from the first packet on there is always something


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_good_path_is_not_touched(codec: PayloadFormat) -> None:
    heard, inbound, _ = _path(codec, loss=0.0, jitter=0.002, seed=1, seconds=6)
    samples, rate = _joined(heard)
    decoder = make_decoder(codec.name)
    assert longest_hole(samples[rate:], rate, 440) == 0.0
    assert inbound.late == 0 and inbound.delay <= 0.06
    assert level_dbov(samples[rate:]) == pytest.approx(-18.0, abs=0.6) and decoder.rate == rate
    assert inbound.level == pytest.approx(-18.0, abs=1.0)
    assert {each.samples.size for each in heard if each is not None and each.samples is not None} == {rate // 50}


def test_packets_go_through_undecoded() -> None:
    codec = CODECS[2]
    heard, inbound, _ = _path(codec, loss=0.05, jitter=0.03, seed=3, seconds=10, decode=False)
    played = [each for each in heard if each is not None]
    assert all(each.samples is None for each in played)
    payloads = [each.payload for each in played if each.payload is not None]
    sent = [packet[12:] for packet in _sent(codec, 10)]
    assert len(payloads) > 0.9 * len(sent) and set(payloads) <= set(sent)
    assert [each for each in sent if each in set(payloads)][:20] == payloads[:20]
    lost = sum(each.lost for each in played)
    assert lost >= 0.8 * inbound.reception.lost
    assert inbound.level > -30.0  # measured now and then all the same


def test_a_digit_among_the_audio() -> None:
    inbound = Inbound()
    inbound.configure({0: CODECS[0], 101: EVENT})
    digits = []
    for number in range(20):
        payload = bytes(EventPayload(5, number >= 17, 10, 160 * min(number + 1, 18)))
        digits += inbound.receive(pack_rtp(101, number, 999, 1, payload), number * 0.02)
    assert [(each.digit, each.duration_ms) for each in digits] == [("5", 360)]
    assert inbound.expire(9.0) == [] and inbound.codec is None
    assert inbound.pull(1.0) is None  # digits are no audio
    inbound.receive(pack_rtp(101, 30, 2999, 1, bytes(EventPayload(6, False, 10, 160))), 1.0)
    assert [each.digit for each in inbound.expire(2.0)] == ["6"]


def test_a_hold_is_no_loss() -> None:
    inbound = Inbound()
    inbound.configure({0: CODECS[0]})
    for number, data in enumerate(_sent(CODECS[0], 1)):
        inbound.receive(data, number * 0.02)
    inbound.pause()
    assert inbound.pull(1.0) is None
    for number, data in enumerate(_sent(CODECS[0], 3)[100:]):
        inbound.receive(data, 2 + number * 0.02)
    assert (inbound.reception.lost, inbound.reception.received) == (0, 100)


def test_the_far_side_changes_codec_and_source() -> None:
    inbound = Inbound()
    inbound.configure({each.payload_type: each for each in CODECS})
    rates = []
    now = 0.0
    outbound = Outbound(0xABC, 1, 1)
    for part, codec in enumerate((*CODECS, CODECS[0])):
        outbound.configure(codec, None, part * 50)
        for tick in range(part * 50, part * 50 + 50):
            inbound.receive(outbound.send_frame(tick, None), now)
            got = inbound.pull(now + 0.005)
            rates.append(got.rate if got is not None else 0)
            now += 0.02
        assert inbound.codec == codec.name
    assert {8000, 16000} <= set(rates) and rates[-1] == 8000
    before = inbound.reception.received
    inbound.receive(pack_rtp(0, 7, 7, 0xDEF, b"\xff" * 160), now)  # another SSRC
    assert inbound.ssrc == 0xDEF and inbound.reception.received == before + 1


def test_payload_types_nobody_agreed_on_and_packets_that_are_none() -> None:
    inbound = Inbound()
    inbound.configure({111: CODECS[2]})
    inbound.receive(pack_rtp(13, 1, 1, 1, b"\0"), 0.0)
    inbound.receive(b"rubbish", 0.0)
    assert inbound.pull(0.1) is None and inbound.mos(None) is None
    for number in range(50):  # Opus that is none: silence, not an error
        inbound.receive(pack_rtp(111, number, number * 960, 1, b"\x4b\x31" + bytes([number]) * 5), number * 0.02)
        inbound.pull(number * 0.02 + 0.01, decode=number % 2 == 0)
    chance = random.Random(1)
    for number in range(500):
        data = bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
        inbound.receive(data, number * 0.02)
        inbound.receive(pack_rtp(111, chance.randrange(65536), chance.randrange(1 << 32), 1, data), number * 0.02)
        inbound.pull(number * 0.02 + 0.01, decode=chance.random() < 0.5)


@pytest.mark.parametrize("milliseconds", [10, 30, 40, 60])
def test_packets_of_other_lengths(milliseconds: int) -> None:
    inbound, size = Inbound(), 8 * milliseconds
    inbound.configure({0: CODECS[0]})
    outbound = make_g711(2, size)
    frames: list[Samples] = []
    next_packet = 0
    for tick in range(90):
        while next_packet * milliseconds <= tick * 20 and next_packet < len(outbound):
            inbound.receive(outbound[next_packet], next_packet * milliseconds / 1000)
            next_packet += 1
        got = inbound.pull(tick * 0.02 + 0.001)
        if got is not None and got.samples is not None:
            frames.append(got.samples)
    joined = np.concatenate(frames)
    assert {frame.size for frame in frames} == {160} and len(frames) > 80
    assert longest_hole(joined[1600:], 8000, 440) == 0.0 and tone_power(joined[1600:], 8000, 440) > 0.95


def make_g711(seconds: int, size: int) -> list[bytes]:
    """PCMU packets of `size` samples."""
    from offhook.media.codec import make_encoder

    encoder = make_encoder("PCMU")
    source = tone(440, 8000, 8000 * seconds)
    pieces = [source[at : at + size] for at in range(0, source.size - size + 1, size)]
    return [pack_rtp(0, number, number * size, 1, encoder.encode(piece)) for number, piece in enumerate(pieces)]


def test_the_length_of_a_digit_is_measured_by_its_own_clock() -> None:
    """An offer of ours has telephone-event at 48000 and at 8000; the answer decides."""
    inbound = Inbound()
    inbound.configure(
        {110: PayloadFormat(110, "telephone-event", 48000), 101: PayloadFormat(101, "telephone-event", 8000)}
    )
    for number, clock in ((101, 8000), (110, 48000)):
        payload = bytes(EventPayload(5, True, 10, clock * 160 // 1000))
        (digit,) = inbound.receive(pack_rtp(number, number, number, 1, payload), 1.0)
        assert digit.duration_ms == 160


def test_a_held_stream_has_no_level() -> None:
    inbound = Inbound()
    inbound.configure({0: CODECS[0]})
    for number, data in enumerate(_sent(CODECS[0], 1.0)):
        inbound.receive(data, number * 0.02)
        inbound.pull(number * 0.02 + 0.01)
    assert inbound.level > -30.0
    inbound.pause()
    assert inbound.level == -127.0
