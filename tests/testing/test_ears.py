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


TONES = (850, 1150, 1450, 1750, 2050, 2350, 2650)


@pytest.mark.parametrize("loudness", [0.12, 1.0])
@pytest.mark.parametrize("split", [0, 100, 160])
async def test_two_packets_of_another_voice_are_told(loudness: float, split: int) -> None:
    """Wherever they begin, one of our frames is full of it; 18 dB below the others it is a leak all the same."""
    ears = Ears(TONES)
    feed(ears, 850, 1450)
    keeping = asyncio.ensure_future(ears.keep_hearing(850, 1450, seconds=5))
    await asyncio.sleep(0)
    leak = np.zeros(960)
    leak[split : split + 640] = loudness * np.concatenate([frame(1150)] * 2)
    for part in leak.reshape(3, 320):
        ears.take((frame(850, 1450) + part).astype(np.int16))
    feed(ears, 850, 1450, frames=40)
    with pytest.raises(AssertionError, match="1150"):
        await keeping


async def test_gaps_and_clicks_are_nobodys_voice() -> None:
    """Sound of the expected tones that is missing at any place in a frame, faded, or doubled."""
    ears = Ears(TONES)
    for tones in ((1450,), (850, 1450), (1450, 1750)):
        feed(ears, *tones)
        keeping = asyncio.ensure_future(ears.keep_hearing(*tones, seconds=0.1))
        await asyncio.sleep(0)
        whole = frame(*tones)
        for at in range(0, 320, 7):
            for size in range(1, 320, 5):
                cut = whole.copy()
                cut[at : at + size] = 0
                ears.take(cut)
            ears.take((whole * np.linspace(1.0, at / 320, 320)).astype(np.int16))
            ears.take(np.roll(whole, at) if at % 2 else np.concatenate((whole[at:], whole[: at * 2 + 1]))[:320])
            ears.take(np.concatenate((whole[:at], frame(*tones)[: 320 - at])))
        await keeping
        feed(ears, frames=25)


async def test_a_tone_that_swells_is_nobodys_voice() -> None:
    """Both its neighbours are there, equally: concealment does so; two voices would have half of the rest each."""
    ears = Ears((2050, 2350, 2650))
    at = np.arange(320) / RATE
    tone, other = np.cos(2 * np.pi * 2350 * at), 600.0 * np.cos(2 * np.pi * 5000 * at)
    swelling = (4000.0 * (1 + 0.3 * np.cos(2 * np.pi * 300 * at)) * tone + other).astype(np.int16)
    heard = asyncio.ensure_future(ears.keep_hearing(2350, seconds=0.2))
    for number in range(40):
        ears.take(swelling if number == 30 else frame(2350, number=number))
        await asyncio.sleep(0)
    await heard


def test_tones_between_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples"):
        Ears((440,))
