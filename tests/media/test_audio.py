from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from offhook.errors import MediaError
from offhook.media.audio import (
    Resampler,
    WavWriter,
    frame_size,
    level_dbov,
    longest_hole,
    read_wav,
    resample,
    tone,
    tone_power,
)


@pytest.mark.parametrize("level", [-3.01, -18.0, -50.0])
def test_a_tone_has_its_level_and_its_pitch(level: float) -> None:
    samples = tone(440, 8000, 8000, level=level)
    assert level_dbov(samples) == pytest.approx(level, abs=0.1)
    assert tone_power(samples, 8000, 440) > 0.99
    assert tone_power(samples, 8000, 1000) < 0.01


def test_pieces_of_a_tone_fit_together() -> None:
    whole = tone(697, 16000, 3200, second_hz=1209)
    pieces = [tone(697, 16000, 320, start=320 * number, second_hz=1209) for number in range(10)]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert level_dbov(whole) == pytest.approx(-18.0, abs=0.2)
    assert tone_power(whole, 16000, 697) == pytest.approx(0.5, abs=0.05)


def test_silence_and_nothing() -> None:
    assert level_dbov(np.zeros(160, np.int16)) == level_dbov(np.zeros(0, np.int16)) == -127.0
    assert tone_power(np.zeros(160, np.int16), 8000, 440) == 0.0
    assert frame_size(48000) == 960


@pytest.mark.parametrize(
    ("have", "want"),
    [(8000, 16000), (16000, 8000), (8000, 48000), (48000, 16000), (24000, 16000), (16000, 24000), (44100, 8000)],
)
def test_resampling_keeps_the_tone_and_lets_no_alias_through(have: int, want: int) -> None:
    resampler = Resampler(have, want)
    size = have // 50
    source = tone(440, have, have)
    out = np.concatenate([resampler.feed(source[at : at + size]) for at in range(0, have, size)])
    assert out.size == want
    assert tone_power(out[want // 10 :], want, 440) > 0.999
    assert level_dbov(out[want // 10 :]) == pytest.approx(-18.0, abs=0.1)
    assert longest_hole(out[want // 10 :], want, 440) == 0.0
    if want < have:
        above = resample(tone(want * 0.7, have, have), have, want)
        assert level_dbov(above[want // 10 : -want // 10]) < -70.0


def test_resampling_gives_twenty_ms_for_twenty_ms() -> None:
    for have, want in ((8000, 16000), (16000, 8000), (16000, 24000), (48000, 8000), (8000, 44100)):
        resampler = Resampler(have, want)
        assert {resampler.feed(tone(440, have, have // 50)).size for _ in range(20)} == {want // 50}
    assert Resampler(8000, 8000).feed(tone(1, 8000, 5)).size == 5
    assert resample(np.zeros(0, np.int16), 8000, 16000).size == 0


@pytest.mark.parametrize("milliseconds", [0, 30, 60, 200])
def test_holes_are_measured(milliseconds: int) -> None:
    samples = tone(440, 8000, 16000)
    samples[4000 : 4000 + 8 * milliseconds] = 0
    assert longest_hole(samples, 8000, 440) == pytest.approx(milliseconds, abs=10)


def test_wav_files(tmp_path: Path) -> None:
    path = str(tmp_path / "a.wav")
    writer = WavWriter(path, 16000)
    source = tone(440, 16000, 16000)
    for at in range(0, 16000, 320):
        writer.write(source[at : at + 320])
    writer.close()
    samples, rate = read_wav(path)
    assert rate == 16000 and np.array_equal(samples, source)


def test_stereo_is_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([[100, 300], [-5, -7]], dtype="<i2").tobytes())
    samples, rate = read_wav(str(path))
    assert samples.tolist() == [200, -6] and rate == 8000


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x24\x00\x00\x00WAVEfmt \x00", b"not a wav file at all"])
def test_what_is_no_wav_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="bad.wav"):
        read_wav(str(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        read_wav(str(tmp_path / "none.wav"))
    with pytest.raises(MediaError):
        WavWriter(str(tmp_path / "no" / "folder.wav"), 8000)


def test_eight_bit_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "eight.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 10)
    with pytest.raises(MediaError, match="16 bit"):
        read_wav(str(path))


def test_chunks_that_contradict_each_other_and_paths_that_are_none(tmp_path: Path) -> None:
    """The module wave raises RuntimeError and ValueError for these."""
    path = tmp_path / "broken.wav"
    good = WavWriter(str(path), 8000)
    good.write(np.zeros(100, dtype=np.int16))
    good.close()
    whole = path.read_bytes()
    for at in range(4, 44):
        for value in (0, 1, 127, 255):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                read_wav(str(path))
            except MediaError:
                pass
    for path_of_none in ("a\0b", str(tmp_path)):
        with pytest.raises(MediaError):
            read_wav(path_of_none)
        with pytest.raises(MediaError):
            WavWriter(path_of_none, 8000)
