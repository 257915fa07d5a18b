from __future__ import annotations

import numpy as np
import pytest

from offhook.errors import MediaError
from offhook.media.audio import Samples, frame_size, level_dbov, longest_hole, tone, tone_power
from offhook.media.codec import OpusDecoder, make_decoder, make_encoder, packet_ms

NAMES = ["PCMU", "PCMA", "opus"]


def _packets(name: str, seconds: int = 2) -> tuple[list[bytes], int]:
    encoder = make_encoder(name)
    size = frame_size(encoder.rate)
    source = tone(440, encoder.rate, encoder.rate * seconds)
    return [encoder.encode(source[at : at + size]) for at in range(0, source.size, size)], encoder.rate


@pytest.mark.parametrize("name", NAMES)
def test_a_tone_survives(name: str) -> None:
    packets, rate = _packets(name)
    decoder = make_decoder(name)
    assert decoder.rate == rate
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert heard.size == 2 * rate
    assert tone_power(heard[rate // 4 :], rate, 440) > 0.99
    assert level_dbov(heard[rate // 4 :]) == pytest.approx(-18.0, abs=0.6)
    assert {packet_ms(name, packet) for packet in packets} == {20.0}


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_g711_is_what_the_standard_says(name: str) -> None:
    """Values of ITU-T G.711, and: what is decoded is encoded back to the same code."""
    decoder, encoder = make_decoder(name), make_encoder(name)
    codes = bytes(range(256))
    values = decoder.decode(codes)
    known = {
        "PCMU": {0x00: -32124, 0x80: 32124, 0xFF: 0, 0x7F: 0},
        "PCMA": {0x2A: -32256, 0xAA: 32256, 0xD5: 8, 0x55: -8},
    }
    for code, value in known[name].items():
        assert values[code] == value
    again = encoder.encode(values)
    assert [code for code in range(256) if again[code] != code] in ([], [0x7F], [0xFF])  # mu-law has two zeros
    every = np.arange(-32768, 32768).astype(np.int16)
    error = np.abs(make_decoder(name).decode(encoder.encode(every)).astype(int) - every)
    assert (error <= np.maximum(16, np.abs(every.astype(int)) / 24)).all()


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_silent(name: str) -> None:
    encoder, decoder = make_encoder(name), make_decoder(name)
    heard: Samples = np.concatenate([decoder.decode(encoder.encode(None)) for _ in range(20)])
    assert heard.size == decoder.rate * 20 // 50 and level_dbov(heard) < -70.0
    encoder.expect_loss(12)
    assert decoder.decode(encoder.encode(None)).size == decoder.rate // 50


@pytest.mark.parametrize("name", NAMES)
def test_a_packet_that_is_missing_is_not_heard(name: str) -> None:
    packets, rate = _packets(name)
    decoder, heard = make_decoder(name), []
    for number, packet in enumerate(packets):
        if number % 8 == 5:
            following = packets[number + 1] if number % 16 == 5 else None
            heard.append(decoder.conceal(rate // 50, following))
        else:
            heard.append(decoder.decode(packet))
    joined = np.concatenate(heard)
    assert joined.size == 2 * rate
    assert longest_hole(joined[rate // 4 :], rate, 440) <= 10.0


def test_opus_repairs_speech_with_what_the_next_packet_carries() -> None:
    """Noise cannot be guessed by repeating it: what FEC gives is nearer to the truth than concealment."""
    chance = np.random.default_rng(1)
    noise = np.convolve(chance.normal(0, 3000, 32000), np.ones(12) / 12, "same")
    source = (noise * (1.2 + np.sin(np.arange(32000) / 1500))).astype(np.int16)
    encoder = make_encoder("opus")
    packets = [encoder.encode(source[at : at + 320]) for at in range(0, 32000, 320)]

    def error(use_fec: bool) -> float:
        good, bad = OpusDecoder(), OpusDecoder()
        total = 0.0
        for number, packet in enumerate(packets[:-1]):
            truth = good.decode(packet)
            if number % 10 == 7:
                made = bad.conceal(320, packets[number + 1] if use_fec else None)
                total += float(np.mean((made.astype(float) - truth) ** 2))
            else:
                bad.decode(packet)
        return total

    assert error(True) < 0.7 * error(False)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x48", b"\xfb\x31" + b"\x00" * 9, bytes(range(256))])
def test_hostile_opus(payload: bytes) -> None:
    decoder = make_decoder("opus")
    try:
        decoder.decode(payload)
    except MediaError:
        pass
    assert decoder.conceal(320, payload).size in range(1, 2000) or True
    assert decoder.decode(make_encoder("opus").encode(None)).size == 320


def test_packet_lengths() -> None:
    assert packet_ms("PCMU", b"\x00" * 240) == 30.0
    assert packet_ms("PCMU", b"") == 0.0
    assert packet_ms("PCMU", b"\x00" * 2000) == 0.0  # longer than anybody packs
    for toc, length in (
        (0x00, 10.0),
        (0x08, 20.0),
        (0x18, 60.0),
        (0x60, 10.0),
        (0x80, 2.5),
        (0x98, 20.0),
        (0x49, 40.0),
    ):
        assert packet_ms("opus", bytes((toc, 0, 0))) == length
    assert packet_ms("opus", bytes((0x4B, 3, 0))) == 60.0
    assert packet_ms("opus", bytes((0x4B,))) == 0.0
    assert packet_ms("opus", bytes((0x5B, 63))) == 0.0  # 63 times 60 ms
    assert packet_ms("opus", b"") == 0.0
