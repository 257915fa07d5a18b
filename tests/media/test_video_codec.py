from __future__ import annotations

import random

import av
import pytest

from offhook.errors import MediaError
from offhook.media.picture import HEIGHT, WIDTH, read_number
from offhook.media.video_codec import PictureDecoder, PictureEncoder, available
from offhook.media.vp8 import MAX_FRAME, is_key, picture_size


def test_every_picture_comes_through() -> None:
    encoder, decoder = PictureEncoder(), PictureDecoder()
    sizes, keys = [], []
    for number in range(60):
        for frame in encoder.encode(number, key=number == 40):
            sizes.append(len(frame))
            if is_key(frame):
                keys.append(number)
                assert picture_size(frame) == (WIDTH, HEIGHT)
            shown = decoder.decode(frame, picture=True)
            assert shown is not None and shown[:2] == (WIDTH, HEIGHT)
            assert shown[2] is not None and read_number(shown[2]) == number
    assert len(sizes) == 60 and keys == [0, 40]
    assert max(sizes) < MAX_FRAME / 10 and sum(sizes) * 8 / 4 < 400_000  # bits a second


def test_pictures_are_made_only_where_somebody_looks() -> None:
    (frame,) = PictureEncoder().encode(0, key=False)
    assert PictureDecoder().decode(frame, picture=False) == (WIDTH, HEIGHT, None)


def test_frames_that_are_none() -> None:
    (frame,) = PictureEncoder().encode(0, key=True)
    huge = frame[:6] + (16383).to_bytes(2, "little") * 2 + frame[10:]
    for broken in (huge, frame[:9], b"\x01\x02", b"\x31" + bytes(40)):
        with pytest.raises(MediaError):
            PictureDecoder().decode(broken, picture=True)
    decoder, chance = PictureDecoder(), random.Random(3)
    for _ in range(300):  # whatever comes of them, it is nothing worse
        noise = bytearray(frame)
        for _ in range(8):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        try:
            decoder.decode(bytes(noise), picture=True)
        except MediaError:
            pass
    assert decoder.decode(frame, picture=False) is not None


def test_a_machine_without_vp8(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available()

    def none(name: str, mode: str) -> None:
        raise ValueError(name)

    monkeypatch.setattr(av.CodecContext, "create", none)
    with pytest.raises(MediaError, match="VP8"):
        PictureEncoder()
    monkeypatch.setattr(av, "codecs_available", {"vp8"})
    assert not available()
