"""What a program may give as audio: sources and sinks in their short forms."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from offhook.config import parse_source
from offhook.errors import ConfigError
from offhook.media.engine import (
    Echo,
    Frames,
    FrameSink,
    FromPeer,
    Mix,
    NoSink,
    Silence,
    Sink,
    Source,
    Tone,
    WavFile,
    WavSink,
)

if TYPE_CHECKING:
    from offhook.media.engine import Frame

    AudioIn = Source | str | Callable[[int], Frame | None] | AsyncIterator[Frame]
    AudioOut = Sink | str | Callable[[Frame], None]


def as_source(given: AudioIn) -> Source:
    """A source from what a program may give: a `Source`, a text as `--source` takes it, a callable from the number of a
    20 ms frame to its samples at 16 kHz (None: silence), or an async iterator of frames. Raises `ConfigError`."""
    if isinstance(given, str):
        return parse_source(given)
    if isinstance(given, Silence | Tone | WavFile | Frames | Echo | FromPeer | Mix):
        return given
    if inspect.isasyncgenfunction(given):
        raise ConfigError("source", "an async generator function is no source", "Call it, and give what it returns")
    if not callable(given) and not isinstance(given, AsyncIterator):
        remedy = "Give a text as tone:440, a Source, a function from a frame's number, or an async iterator of frames"
        raise ConfigError("source", f"{type(given).__name__} is no source", remedy)
    return Frames(given)


def as_sink(given: AudioOut) -> Sink:
    """A sink from what a program may give: a `Sink`, a WAV file's path, or a callable that gets each 20 ms frame.

    Raises `ConfigError`.
    """
    if isinstance(given, str):
        folder = os.path.dirname(given) or "."
        if not given or os.path.isdir(given) or not os.access(folder, os.W_OK):
            raise ConfigError("sink", f"{given!r} cannot be written", "Give the path of a WAV file")
        return WavSink(given)
    if isinstance(given, NoSink | WavSink | FrameSink):
        return given
    if not callable(given) or inspect.iscoroutinefunction(given):
        problem = f"{type(given).__name__} is no sink" if not callable(given) else "a coroutine function is no sink"
        raise ConfigError("sink", problem, "Give a WAV file's path, a Sink, or a function that takes a frame")
    return FrameSink(given)
