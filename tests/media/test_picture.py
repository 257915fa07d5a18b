from __future__ import annotations

import numpy as np
import pytest

from offhook.media.picture import BAR, HEIGHT, STEP, WIDTH, TestPicture, read_number


@pytest.mark.parametrize("number", [0, 1, 2, 71, 72, 255, 4321, 65535, 65536 + 7])
def test_the_number_can_be_read(number: int) -> None:
    assert read_number(TestPicture().picture(number)) == number & 0xFFFF


def test_the_bar_moves() -> None:
    one, two = TestPicture().picture(8), TestPicture().picture(9)
    assert one.shape == (HEIGHT * 3 // 2, WIDTH) and one.dtype == np.uint8
    bright = [np.flatnonzero((picture[100:HEIGHT] == 235).all(axis=0)) for picture in (one, two)]
    assert bright[0].size == BAR and bright[1][0] - bright[0][0] == STEP


def test_other_pictures_have_none() -> None:
    picture = TestPicture().picture(77)
    assert read_number(picture[:-1]) is None
    assert read_number(np.zeros((288 * 3 // 2, 352), np.uint8)) is None
    grey = picture.copy()
    grey[:16] = 128
    assert read_number(grey) is None
    blue = picture.copy()
    blue[HEIGHT:] = 200
    assert read_number(blue) is None
    elsewhere = picture.copy()
    elsewhere[16:HEIGHT] = np.roll(picture[16:HEIGHT], 60, axis=1)
    assert read_number(elsewhere) is None


def test_noise_of_a_codec_does_not_matter() -> None:
    noise = np.random.default_rng(1).normal(0.0, 6.0, (HEIGHT * 3 // 2, WIDTH))
    noisy = np.clip(TestPicture().picture(1234) + noise, 0, 255).astype(np.uint8)
    assert read_number(noisy) == 1234
