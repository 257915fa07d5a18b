"""PCM: tones, levels, resampling, WAV files, and the measurements by which tests tell what they hear.

Samples are int16 numpy arrays, mono, one dimension. Levels are dBov: the root mean square relative to that of a
full-scale square wave (RFC 6464 §3), so a full-scale sine is -3.01 and digital silence -127.
"""

from __future__ import annotations

import math
import struct
import wave
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from offhook.errors import MediaError

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

FRAME_MS = 20
SILENCE_DB = -127.0
MAX_WAV_SECONDS = 1800

_TAPS = 32
"""Taps a phase of the resampling filter, at the lower of the two rates."""


def frame_size(rate: int) -> int:
    """Samples in 20 ms."""
    return rate * FRAME_MS // 1000


def tone(
    hz: float, rate: int, count: int, *, start: int = 0, second_hz: float | None = None, level: float = -18.0
) -> Samples:
    """`count` samples of a sine from sample number `start` on, so that pieces fit together; `level` in dBov."""
    at = np.arange(start, start + count, dtype=np.float64) * (2.0 * math.pi / rate)
    wave_form = np.sin(at * hz)
    peak = 32768.0 * 10.0 ** (level / 20.0) * math.sqrt(2.0)
    if second_hz is not None:
        wave_form = (wave_form + np.sin(at * second_hz)) / math.sqrt(2.0)
    return to_samples(wave_form * peak)


def to_samples(values: Floats) -> Samples:
    """Rounded and clipped to 16 bit."""
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def level_dbov(samples: Samples) -> float:
    """The level of these samples; -127 for none at all."""
    if not samples.size:
        return SILENCE_DB
    values = samples.astype(np.float32)
    power = float(np.dot(values, values)) / samples.size
    return SILENCE_DB if power <= 0.0 else max(SILENCE_DB, 10.0 * math.log10(power / 32768.0**2))


def tone_power(samples: Samples, rate: int, hz: float) -> float:
    """How much of the power of `samples` is at `hz`: 0.0 (or silence) to 1.0 (a pure tone), by Goertzel's measure."""
    values = samples.astype(np.float64)
    total = float(np.dot(values, values))
    if total <= 0.0:
        return 0.0
    at = np.arange(values.size) * (2.0 * math.pi * hz / rate)
    real, imaginary = float(np.dot(values, np.cos(at))), float(np.dot(values, np.sin(at)))
    return min(1.0, 2.0 * (real * real + imaginary * imaginary) / (values.size * total))


def longest_hole(samples: Samples, rate: int, hz: float, *, drop_db: float = 12.0) -> float:
    """The longest stretch, in milliseconds, in which a tone of `hz` is missing or `drop_db` below its usual level.

    Looked at in windows of 10 ms every 5 ms.
    """
    window, hop = rate // 100, rate // 200
    if samples.size < window:
        return samples.size * 1000.0 / rate
    pieces = sliding_window_view(samples.astype(np.float64), window)[::hop]
    at = np.arange(window) * (2.0 * math.pi * hz / rate)
    strength = np.hypot(pieces @ np.cos(at), pieces @ np.sin(at))
    quiet = strength < np.median(strength) * 10.0 ** (-drop_db / 20.0)
    longest = run = 0
    for missing in quiet:
        run = run + 1 if missing else 0
        longest = max(longest, run)
    return longest * 5.0


class Resampler:
    """Changes the sample rate of a stream, piece by piece; a polyphase windowed-sinc filter (Kaiser, 60 dB).

    Any two rates work; the delay is half a filter, about 2 ms at 8 kHz.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        ratio = Fraction(to_rate, from_rate)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._filter = _phases(self._up, self._down)
        self._length = self._filter.shape[1]
        self._held: Floats = np.zeros(self._length - 1)
        self._position = 0  # of the next output, in 1/up of an input sample

    def feed(self, samples: Samples) -> Samples:
        """The next samples in, what they give out; in the long run to_rate/from_rate times as many."""
        if self._up == self._down:
            return samples
        held = np.concatenate((self._held, samples.astype(np.float64)))
        available = held.size - self._length + 1
        count = max(0, -(-(available * self._up - self._position) // self._down))
        at = self._position + np.arange(count) * self._down
        windows = sliding_window_view(held, self._length)
        out = np.einsum("ij,ij->i", windows[at // self._up], self._filter[at % self._up])
        self._position += count * self._down - available * self._up
        self._held = held[available:]
        return to_samples(out)


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """The whole of `samples` at another rate."""
    if from_rate == to_rate:
        return samples
    resampler = Resampler(from_rate, to_rate)
    tail = np.zeros(from_rate // 100, dtype=np.int16)
    step = from_rate * 2  # two seconds a piece keep the window matrix small
    pieces = [resampler.feed(samples[at : at + step]) for at in range(0, samples.size, step)]
    joined = np.concatenate([*pieces, resampler.feed(tail)]) if pieces else samples
    return joined[: -(-samples.size * to_rate // from_rate)]


def _phases(up: int, down: int) -> Floats:
    """The filter cut into its `up` phases, each reversed so that it can be laid over the input as it stands."""
    taps = _TAPS * max(1, -(-down // up))
    cutoff = 0.92 / max(up, down)
    count = taps * up
    at = np.arange(count) - (count - 1) / 2.0
    kernel = np.sinc(at * cutoff) * cutoff * np.kaiser(count, 5.65) * up
    phases = kernel.reshape(taps, up).T[:, ::-1]
    return np.ascontiguousarray(phases)


def read_wav(path: str) -> tuple[Samples, int]:
    """Mono samples and rate of a 16 bit PCM file (stereo is mixed); raises MediaError."""
    try:
        with open(path, "rb") as opened, wave.open(opened) as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            if width != 2 or channels not in (1, 2) or not 4000 <= rate <= 192000:
                raise MediaError(f"{path}: not a 16 bit PCM WAV file, mono or stereo")
            data = file.readframes(min(file.getnframes(), rate * MAX_WAV_SECONDS))
    # ValueError: a path with NUL in it; RuntimeError: wave at chunks whose lengths contradict each other.
    except (OSError, EOFError, ValueError, RuntimeError, wave.Error) as error:
        raise MediaError(f"{path}: cannot be read as WAV file: {error}") from error
    samples = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], dtype="<i2").astype(np.int16)
    if channels == 2:
        samples = (samples.reshape(-1, 2).astype(np.int32).sum(axis=1) // 2).astype(np.int16)
    return samples, rate


class WavWriter:
    """Writes a mono 16 bit WAV file piece by piece; raises MediaError where that fails."""

    def __init__(self, path: str, rate: int) -> None:
        try:
            self._opened = open(path, "wb")
        except (OSError, ValueError) as error:  # ValueError: NUL in the path
            raise MediaError(f"{path}: cannot be written: {error}") from error
        self._file = wave.open(self._opened, "wb")
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)

    def write(self, samples: Samples) -> None:
        try:
            self._file.writeframesraw(samples.astype("<i2").tobytes())
        except OSError as error:
            raise MediaError(f"the WAV file cannot be written: {error}") from error

    def close(self) -> None:
        try:
            try:
                self._file.close()
            finally:
                self._opened.close()
        except (OSError, struct.error) as error:  # struct.error: longer than a WAV header can say
            raise MediaError(f"the WAV file cannot be written: {error}") from error
