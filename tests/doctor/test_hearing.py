"""Which tones are heard."""

from __future__ import annotations

import numpy as np

from offhook.doctor.hearing import RATE, level_of, loudness, tones_in
from offhook.media.audio import SILENCE_DB, tone


def test_a_tone_is_heard_and_others_are_not() -> None:
    frames = np.array_split(tone(370.0, RATE, RATE // 2, second_hz=810.0), 25)
    assert tones_in(frames, (370.0, 810.0, 1250.0)) == {370.0, 810.0}
    assert abs(level_of(frames, 370.0) - level_of(frames, 810.0)) < 1
    assert loudness(frames) > -30


def test_silence_and_nothing() -> None:
    silence = [np.zeros(320, np.int16)] * 40
    assert tones_in(silence, (370.0,)) == frozenset() == tones_in([], (370.0,))
    assert level_of(silence, 370.0) == loudness([]) == level_of([], 370.0) == SILENCE_DB
