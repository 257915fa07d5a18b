"""VP8 by libvpx and FFmpeg, borrowed through PyAV. Slow enough to be run in a thread."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import av.video.frame
import numpy as np

from offhook.errors import MediaError
from offhook.media.picture import HEIGHT, RATE, WIDTH, Picture, TestPicture
from offhook.media.vp8 import CLOCK_RATE, is_key, picture_size

MAX_PIXELS = 1920 * 1200
"""Of a picture that is decoded: its size is what a key frame says."""
BIT_RATE = 250_000
_KEY_EVERY = 20 * RATE
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
    "undershoot-pct": "95",
}


def available() -> bool:
    """Whether this machine's PyAV can do VP8 both ways."""
    return {"libvpx", "vp8"} <= av.codecs_available


class PictureEncoder:
    """The test picture as VP8 frames. Raises MediaError where this machine's PyAV has no libvpx."""

    def __init__(self) -> None:
        try:
            context = av.CodecContext.create("libvpx", "w")
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"VP8 cannot be encoded here: {error}") from error
        context.width, context.height = WIDTH, HEIGHT
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, CLOCK_RATE)
        context.framerate = Fraction(RATE)
        context.bit_rate = BIT_RATE
        context.gop_size = _KEY_EVERY
        context.thread_count = 1
        context.options = dict(_OPTIONS)
        self._context = context
        self._picture = TestPicture()

    def encode(self, number: int, *, key: bool) -> list[bytes]:
        """The picture of that number; `key` makes it one that can be decoded alone."""
        frame = av.VideoFrame.from_ndarray(self._picture.picture(number), format="yuv420p")
        frame.pts = number * CLOCK_RATE // RATE
        frame.time_base = Fraction(1, CLOCK_RATE)
        if key:
            frame.pict_type = av.video.frame.PictureType.I
        try:
            return [bytes(packet) for packet in self._context.encode(frame)]
        except av.error.FFmpegError as error:
            raise MediaError(f"a picture could not be encoded: {error}") from error


class PictureDecoder:
    """VP8 frames of any size up to MAX_PIXELS."""

    def __init__(self) -> None:
        context = av.CodecContext.create("vp8", "r")
        context.thread_count = 1
        self._context = context

    def decode(self, frame: bytes, *, picture: bool) -> tuple[int, int, Picture | None] | None:
        """Width, height and, if asked for, the picture; None for a frame that shows none. Raises MediaError."""
        if is_key(frame):
            size = picture_size(frame)
            if size is None or size[0] * size[1] > MAX_PIXELS:
                raise MediaError("a key frame without a size, or too large")
        try:
            decoded = self._context.decode(av.Packet(frame))
            if not decoded:
                return None
            shown = decoded[-1]
            planes = np.asarray(shown.to_ndarray(format="yuv420p"), dtype=np.uint8) if picture else None
            return shown.width, shown.height, planes
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(f"a frame could not be decoded: {error}") from error
