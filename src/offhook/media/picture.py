"""The test picture that is sent as video, and how to tell it from another. Pure.

A bar moves to the right over a still pattern; the number of the picture stands in the top rows in black and white, in
binary, so that it can be read from what comes out of a codec at the far end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""Planar I420: `height` rows of luma, then a quarter as much of each of U and V; shape (height * 3/2, width)."""

WIDTH, HEIGHT, RATE = 320, 240, 15
BAR, STEP = 32, 4
"""Width of the bar, and how far it moves from one picture to the next."""

_BITS, _BLOCK = 16, 16
_LEFT = (WIDTH - _BITS * _BLOCK) // 2
_LIGHT, _DARK = 235, 16
_BLUENESS, _REDNESS = 96, 160


class TestPicture:
    """Pictures by their number."""

    __test__ = False  # it is no test of pytest's

    def __init__(self) -> None:
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        luma = 60 + columns // 8 + 12 * ((rows // 12 + columns // 12) % 2) + (rows * 7 + columns * 13) % 5
        blank = np.empty((HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
        blank[:HEIGHT] = luma
        blank[:_BLOCK] = _DARK
        blank[HEIGHT : HEIGHT * 5 // 4] = _BLUENESS
        blank[HEIGHT * 5 // 4 :] = _REDNESS
        self._blank: Picture = blank

    def picture(self, number: int) -> Picture:
        made = self._blank.copy()
        at = number * STEP % (WIDTH - BAR)
        made[_BLOCK:HEIGHT, at : at + BAR] = _LIGHT
        for bit in range(_BITS):
            if number >> bit & 1:
                made[:_BLOCK, _LEFT + bit * _BLOCK : _LEFT + (bit + 1) * _BLOCK] = _LIGHT
        return made


def read_number(picture: Picture) -> int | None:
    """Which one of the test pictures (modulo 65536) it is; None for any other picture."""
    if picture.shape != (HEIGHT * 3 // 2, WIDTH):
        return None
    strip = picture[2 : _BLOCK - 2, _LEFT : _LEFT + _BITS * _BLOCK].reshape(-1, _BITS, _BLOCK)[:, :, 2:-2]
    levels = strip.astype(np.float64).mean(axis=(0, 2))
    chroma = picture[HEIGHT:].astype(np.float64).reshape(2, -1).mean(axis=1)
    if np.any((levels > 80) & (levels < 170)) or abs(chroma - (_BLUENESS, _REDNESS)).max() > 12:
        return None
    number = sum(1 << bit for bit in range(_BITS) if levels[bit] > 128)
    bar = int(np.argmax(np.convolve(picture[_BLOCK * 2 : HEIGHT].mean(axis=0), np.ones(BAR), "valid")))
    candidates = (number, number + 0x10000)  # the bar goes on where the number begins anew
    return number if any(abs(bar - each * STEP % (WIDTH - BAR)) <= 3 for each in candidates) else None
