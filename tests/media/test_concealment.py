from __future__ import annotations

import numpy as np
import pytest

from offhook.media.audio import Samples, level_dbov, longest_hole, tone, tone_power
from offhook.media.concealment import Concealer, best_lag, shorten


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hz", [90.0, 133.7, 440.0, 1000.0])
def test_what_is_made_up_goes_on_where_the_tone_ended(rate: int, hz: float) -> None:
    concealer, size = Concealer(rate), rate // 50
    source = tone(hz, rate, rate)
    pieces: list[Samples] = []
    for number in range(50):
        piece = source[number * size : (number + 1) * size]
        pieces.append(concealer.conceal(size) if number % 10 == 6 else concealer.heard(piece))
    heard = np.concatenate(pieces)
    assert tone_power(heard, rate, hz) > 0.97
    jumps = np.abs(np.diff(heard.astype(int)))
    usual = np.abs(np.diff(source.astype(int))).max()
    assert jumps.max() < 2.5 * usual + 50  # no click


def test_a_long_gap_fades_to_silence() -> None:
    concealer = Concealer(8000)
    for number in range(10):
        concealer.heard(tone(440, 8000, 160, start=160 * number))
    levels = [level_dbov(concealer.conceal(160)) for _ in range(10)]
    assert levels[0] > -19.0 and levels[3] > -25.0 and levels[7] == -127.0
    assert levels == sorted(levels, reverse=True)
    back = concealer.heard(tone(440, 8000, 160))
    assert level_dbov(back) > -20.0


def test_nothing_was_heard_yet() -> None:
    concealer = Concealer(8000)
    assert not concealer.conceal(160).any()
    assert not concealer.conceal(0).any()
    assert concealer.heard(np.zeros(0, np.int16)).size == 0


def test_the_pitch_is_found() -> None:
    past = tone(200, 8000, 320).astype(float)
    assert best_lag(past, 8000) in (40, 80, 120)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_shortening_takes_a_period_out_and_leaves_the_tone(rate: int) -> None:
    size = rate // 50
    source = tone(440, rate, rate)
    pieces = [source[at : at + size] for at in range(0, rate, size)]
    short = [shorten(piece, rate) if number % 5 == 2 else piece for number, piece in enumerate(pieces)]
    for before, after in zip(pieces, short, strict=True):
        assert before is after or rate // 400 <= before.size - after.size <= rate * 75 // 10000
    heard = np.concatenate(short)
    assert heard.size < source.size and longest_hole(heard, rate, 440) == 0.0
    tiny = tone(440, rate, rate // 200)
    assert shorten(tiny, rate) is tiny
