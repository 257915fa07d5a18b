"""Which tones somebody hears: each who speaks has a tone of its own, so that a mixture tells who is in it.

ears = Ears((650, 850))
LocalEngine(default_sink=FrameSink(ears.take, RATE), ...)
await ears.hear(850)                  # that one, and no other

All calls of one person come to the same ears. Tones are multiples of 50 Hz: in a frame of 20 ms each of them has whole
periods, and none is taken for another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from offhook.media.engine import Frame

    Strengths = NDArray[np.float64]

RATE = 16000
GRID_HZ = 50.0
SECONDS = 0.5
"""What is looked at: the time before now."""
PRESENT, ABSENT = 20, 2
"""Of 25 frames: a tone that is in so many is heard; one that is in no more than that is not."""
GONE = 8
"""Of 25 frames: a tone that is in no more than that is gone."""
GAP_SECONDS = 30.0
LOUD = 400.0
"""The least amplitude of a tone that counts, of 32767: 20 dB below that of `Tone`."""
CLEAR = 0.25
"""The least amplitude beside the strongest tone: where sound is missing in a frame, that one spreads to the others."""
FOREIGN = 0.4
"""The least share that one other tone has of what is in a frame besides the expected ones, for it to be a voice.
A voice has all of it, two have half of it each. Sound that is missing, repeated or faded spreads over the whole band,
and an expected tone that swells or shrinks has two equal neighbours (a decoder that conceals: 0.3 each, seen).
"""


class Ears:
    """Takes frames at `RATE`, and tells which of the tones were in them. Used on one loop."""

    def __init__(self, tones: Collection[float]) -> None:
        """Raises ValueError for a tone that is no multiple of 50 Hz."""
        if any(hz % GRID_HZ for hz in tones):
            raise ValueError("tones are multiples of 50 Hz")
        self._tones = tuple(sorted(tones))
        at = 2.0 * np.pi * np.arange(RATE // 50) / RATE
        self._waves = np.array([np.exp(-1j * hz * at) for hz in self._tones])
        self._heard: deque[tuple[float, frozenset[float]]] = deque(maxlen=int(SECONDS * 50) * 8)
        self._news = asyncio.Event()
        self._expected: frozenset[float] | None = None  # while nobody else may be heard
        self._foreign: tuple[float, ...] = ()

    def take(self, frame: Frame) -> None:
        """20 ms of sound."""
        strength = 2.0 / frame.size * np.abs(self._waves[:, : frame.size] @ frame.astype(np.float64))
        least = max(LOUD, CLEAR * float(np.max(strength)))
        loud = frozenset(hz for hz, value in zip(self._tones, strength, strict=True) if value > least)
        self._heard.append((asyncio.get_running_loop().time(), loud))
        if self._expected is not None and not self._foreign:
            self._foreign = self._voices(frame, strength, self._expected)
        self._news.set()

    def count(self) -> dict[float, int]:
        """In how many frames of the last half second each tone was."""
        since = asyncio.get_running_loop().time() - SECONDS
        frames = [loud for at, loud in self._heard if at >= since]
        return {hz: sum(hz in loud for loud in frames) for hz in self._tones}

    def now(self) -> frozenset[float] | None:
        """The tones heard now; None where that is changing."""
        counted = self.count()
        if any(ABSENT < frames < PRESENT for frames in counted.values()):
            return None
        return frozenset(hz for hz, frames in counted.items() if frames >= PRESENT)

    async def hear(self, *tones: float, seconds: float = 10.0) -> None:
        """Wait until exactly these are heard. AssertionError after so many seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.now() != frozenset(tones):
            left = deadline - asyncio.get_running_loop().time()
            assert left > 0, f"not within {seconds:g} s: {sorted(tones)} Hz heard; frames of 25 now: {self.count()}"
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), min(left, SECONDS / 5))
            except TimeoutError:
                continue  # nothing comes in: that is silence, and time passes

    async def keep_hearing(self, *tones: float, seconds: float) -> None:
        """The same, and that for so many seconds no single frame has another tone; these are never gone for
        `GAP_SECONDS`.

        Every frame is looked at by itself, so nothing depends on when it comes: 40 ms of another's voice, which fill
        one frame at least, are told however loaded the machine is.
        """
        await self.hear(*tones)
        expected, clock = frozenset(tones), asyncio.get_running_loop().time
        deadline, complete = clock() + seconds, clock()
        self._expected, self._foreign = expected, ()
        while (now := clock()) < deadline:
            assert not self._foreign, f"{deadline - now:.1f} s before the end: {self._foreign} Hz in a frame"
            counted = self.count()
            if all(counted[hz] > GONE for hz in expected):
                complete = now
            assert now - complete < GAP_SECONDS, f"{deadline - now:.1f} s before the end: too little of {counted}"
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), SECONDS)
            except TimeoutError:
                continue
        assert not self._foreign, f"at the end: {self._foreign} Hz in a frame"
        self._expected = None

    def _voices(self, frame: Frame, strength: Strengths, expected: frozenset[float]) -> tuple[float, ...]:
        """The tones that are not expected and make up what is in the frame besides those that are."""
        power = {hz: float(value) ** 2 / 2.0 for hz, value in zip(self._tones, strength, strict=True)}
        rest = float(np.mean(frame.astype(np.float64) ** 2)) - sum(power[hz] for hz in expected)
        foreign = {hz: value for hz, value in power.items() if hz not in expected}
        return tuple(hz for hz, value in foreign.items() if value > max(LOUD**2 / 2.0, FOREIGN * rest))
