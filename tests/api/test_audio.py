"""What a program may give as audio, and what not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from offhook.api import as_sink, as_source
from offhook.errors import ConfigError
from offhook.media.engine import Echo, Frames, FrameSink, NoSink, Tone, WavFile, WavSink

Samples = npt.NDArray[np.int16]


def test_what_audio_may_be() -> None:
    def give(number: int) -> None:
        return None

    assert as_source("tone:440") == Tone(440.0)
    assert as_source(Echo()) == Echo()
    assert as_source(give) == Frames(give)
    assert as_sink("a.wav") == WavSink("a.wav")
    assert as_sink(NoSink()) == NoSink()
    assert isinstance(as_sink(lambda frame: None), FrameSink)


@pytest.mark.parametrize("given", [5, b"tone:440", [0, 1], object()])
def test_what_audio_may_not_be(given: Any) -> None:
    async def frames() -> AsyncIterator[Samples]:
        yield np.zeros(320, dtype=np.int16)

    async def take(frame: Samples) -> None: ...

    with pytest.raises(ConfigError, match="is no source"):
        as_source(given)
    with pytest.raises(ConfigError, match="Call it"):
        as_source(frames)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no sink"):
        as_sink(given)
    with pytest.raises(ConfigError, match="coroutine"):
        as_sink(take)  # type: ignore[arg-type]
    for path in ("", "/no/such/folder/a.wav", "/"):
        with pytest.raises(ConfigError, match="cannot be written"):
            as_sink(path)
    assert as_source(WavFile("x.wav")) == WavFile("x.wav")
