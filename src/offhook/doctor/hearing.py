"""Which tones are in what was heard. Needs numpy, which comes with the extra `offhook[media]`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from offhook.media.audio import SILENCE_DB, level_dbov, tone_power

if TYPE_CHECKING:
    from offhook.media.engine import Frame

RATE = 16_000

HEARD_DB = -35.0
"""A tone of this level (dBov) counts as heard. Ours are sent at -18."""


def tones_in(frames: Sequence[Frame], tones: Iterable[float]) -> frozenset[float]:
    """Those of the tones (Hz) that can be heard in frames of 16 kHz; none in no frames."""
    return frozenset(hz for hz in tones if level_of(frames, hz) > HEARD_DB)


def level_of(frames: Sequence[Frame], hz: float) -> float:
    """The level of one tone in dBov; -127 for silence and where nothing was heard."""
    if not frames:
        return SILENCE_DB
    samples = np.concatenate(frames)
    share = tone_power(samples, RATE, hz)
    return max(SILENCE_DB, level_dbov(samples) + 10 * math.log10(share)) if share > 0 else SILENCE_DB


def loudness(frames: Sequence[Frame]) -> float:
    """The level of all that was heard, dBov; -127 for silence and where nothing was heard."""
    return level_dbov(np.concatenate(frames)) if frames else SILENCE_DB
