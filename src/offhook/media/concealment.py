"""Filling and shortening PCM without a sound: concealment of missing packets and the cut of one pitch period.

Concealment repeats the last pitch period, fading (after ITU-T G.711 Appendix I): full for 20 ms, nothing after 120 ms.
"""

from __future__ import annotations

import numpy as np

from offhook.media.audio import Floats, Samples, to_samples


class Concealer:
    """Knows the last 40 ms of one stream; told of all that is heard, it makes up what is not."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._size = rate * 40 // 1000
        self._past: Floats = np.zeros(self._size)
        self._period: Floats | None = None  # while concealing: the pitch period that is repeated
        self._made = 0

    def heard(self, samples: Samples) -> Samples:
        """A packet that came; its beginning is blended with what was made up before it."""
        if self._period is None:
            self._keep(samples)
            return samples
        blend = min(self._rate // 200, samples.size)
        made = self._repeat(blend)
        ramp = np.arange(1, blend + 1) / (blend + 1.0)
        joined = samples.astype(np.float64)
        joined[:blend] = made * (1.0 - ramp) + joined[:blend] * ramp
        self._period = None
        self._made = 0
        smooth = to_samples(joined)
        self._keep(smooth)
        return smooth

    def conceal(self, count: int) -> Samples:
        """`count` samples for what is missing."""
        if self._period is None:
            self._period = self._find_period()
            self._made = 0
        return to_samples(self._repeat(count))

    def _keep(self, samples: Samples) -> None:
        if samples.size >= self._size:
            self._past = samples[-self._size :].astype(np.float64)
        else:
            self._past = np.concatenate((self._past[samples.size :], samples))

    def _find_period(self) -> Floats:
        lag = best_lag(self._past, self._rate)
        period = self._past[-lag:].copy()
        # The seam of the loop: its end is blended into what came before its beginning.
        seam = max(1, lag // 4)
        ramp = np.arange(1, seam + 1) / (seam + 1.0)
        before = self._past[-lag - seam : -lag]
        period[-seam:] = period[-seam:] * (1.0 - ramp) + before * ramp
        return period

    def _repeat(self, count: int) -> Floats:
        assert self._period is not None
        at = np.arange(self._made, self._made + count)
        self._made += count
        seconds = at / self._rate
        gain = np.clip((0.120 - seconds) / 0.100, 0.0, 1.0)
        values: Floats = self._period[at % self._period.size] * gain
        return values


def best_lag(past: Floats, rate: int) -> int:
    """The lag, 2.5 to 15 ms, at which the end of `past` (40 ms) repeats best."""
    shortest, longest = rate // 400, rate * 15 // 1000
    template = past[-(rate * 20 // 1000) :]
    area = past[-(template.size + longest) : past.size - shortest]
    match = np.correlate(area, template, "valid")
    energy = np.convolve(area * area, np.ones(template.size), "valid")
    score = match / np.sqrt(energy + 1.0)
    return longest - int(np.argmax(score))


def shorten(samples: Samples, rate: int) -> Samples:
    """`samples` (10 ms at least) without one pitch period of 2.5 to 7.5 ms, cut where it is heard least."""
    shortest, longest, blend = rate // 400, rate * 75 // 10000, rate // 400
    if samples.size < longest + blend:
        return samples
    values = samples.astype(np.float64)
    head = values[:blend]
    area = values[shortest : longest + blend]
    match = np.correlate(area, head, "valid")
    energy = np.convolve(area * area, np.ones(blend), "valid")
    lag = shortest + int(np.argmax(match / np.sqrt(energy + 1.0)))
    ramp = np.arange(1, blend + 1) / (blend + 1.0)
    joined = head * (1.0 - ramp) + values[lag : lag + blend] * ramp
    return to_samples(np.concatenate((joined, values[lag + blend :])))
