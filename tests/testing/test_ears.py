"""Ears tell tones apart, silence from sound, and a change from either."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from offhook.testing.ears import RATE, Ears

if TYPE_CHECKING:
    from offhook.media.engine import Frame


def frame(*tones: float, number: int = 0) -> Frame:
    at = (np.arange(320) + 320 * number) / RATE
    sound: Frame = np.sum([4000.0 * np.sin(2 * np.pi * hz * at) for hz in tones], axis=0).astype(np.int16)
    return sound


def feed(ears: Ears, *tones: float, frames: int = 25) -> None:
    for number in range(frames):
        ears.take(frame(*tones, number=number) if tones else np.zeros(320, dtype=np.int16))


async def test_each_tone_of_a_mixture_and_no_other() -> None:
    ears = Ears((650, 850, 1150))
    assert ears.now() == frozenset()
    feed(ears, 650, 1150)
    assert ears.now() == frozenset(
        (
            650,
            1150,
        )
    )
    await ears.hear(650, 1150)


async def test_two_calls_come_to_the_same_ears() -> None:
    ears = Ears((650, 850))
    for number in range(25):
        ears.take(frame(650, number=number))
        ears.take(np.zeros(320, dtype=np.int16))
    assert ears.now() == frozenset((650,))


async def test_a_change_is_neither() -> None:
    ears = Ears((650,))
    feed(ears, frames=15)
    feed(ears, 650, frames=10)
    assert ears.now() is None


async def test_what_is_not_heard_is_told() -> None:
    ears = Ears((650, 850))
    feed(ears, 650)
    with pytest.raises(AssertionError, match="850"):
        await ears.hear(850, seconds=0.01)


async def test_something_foreign_is_told() -> None:
    ears = Ears((650, 850))
    feed(ears, 650)
    keeping = asyncio.ensure_future(ears.keep_hearing(650, seconds=5))
    await asyncio.sleep(0)
    feed(ears, 650, 850, frames=10)
    with pytest.raises(AssertionError, match="850: 10"):
        await keeping


def test_tones_between_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples"):
        Ears((440,))
