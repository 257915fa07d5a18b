"""Where sent audio comes from and where received audio goes: the running side of `engine.Source` and `engine.Sink`."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from offhook.errors import MediaError
from offhook.media.audio import SILENCE_DB, Resampler, Samples, WavWriter, frame_size, read_wav, resample, tone
from offhook.media.engine import (
    MAX_MIXED,
    Echo,
    Frames,
    FrameSink,
    FromPeer,
    Mix,
    NoSink,
    Sink,
    Source,
    Tone,
    WavFile,
    WavSink,
)
from offhook.media.inbound import Heard

if TYPE_CHECKING:
    from offhook.media.engine import Frame

logger = logging.getLogger(__name__)

WAV_SINK_RATE = 16000
_QUEUED = 10  # frames that an async iterator may be ahead
_KEPT_FILES = 16
_ENDING_SECONDS = 2.0
"""So long the clean-up of an async iterator is waited for."""
_LOWEST_RATE, _HIGHEST_RATE = 4000, 192_000


class Feed(Protocol):
    """Gives a session what to send."""

    def frame(self, number: int, rate: int) -> Samples | None:
        """The 20 ms of that number (counted from the feed's beginning), at that rate; None is silence."""
        ...

    def close(self) -> None: ...


class Heardable(Protocol):
    """A session whose received audio can be fed on."""

    heard: Heard | None
    heard_number: int

    @property
    def heard_level(self) -> float:
        """Of what it hears, in dBov."""
        ...

    def want_samples(self) -> None:
        """Decode for the next second, somebody needs the samples."""
        ...


class Library:
    """WAV files as samples, read outside the loop and kept (the last ones used) at the rates they are asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Samples] = OrderedDict()
        self._coming: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._broken: set[tuple[str, int]] = set()
        self._readers: set[asyncio.Task[None]] = set()

    def keep(self, reader: asyncio.Task[None]) -> None:
        """A task that reads a source; `close` waits for its end."""
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    def samples(self, path: str, rate: int) -> Samples | None:
        """None while the file is being read, or if it cannot be."""
        key = (path, rate)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        elif key not in self._coming and key not in self._broken:
            self._coming[key] = asyncio.get_running_loop().create_task(self._read(key), name="read a WAV file")
        return found

    def forget(self, path: str) -> None:
        """Read the file anew when it is asked for next, if it could not be read before."""
        self._broken = {key for key in self._broken if key[0] != path}

    async def close(self) -> None:
        tasks = [*self._coming.values(), *self._readers]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_ENDING_SECONDS)

    async def _read(self, key: tuple[str, int]) -> None:
        def read() -> Samples:
            samples, rate = read_wav(key[0])
            return resample(samples, rate, key[1])

        try:
            self._kept[key] = await asyncio.to_thread(read)
            while len(self._kept) > _KEPT_FILES:
                self._kept.popitem(last=False)
        except MediaError as error:
            self._broken.add(key)
            logger.warning("silence is sent: %s", error)
        finally:
            del self._coming[key]


def make_feed(source: Source, library: Library, own: Heardable, peer: Callable[[str], Heardable | None]) -> Feed | None:
    """The running side of a source; None is silence. Raises MediaError for frames at a rate that has no 20 ms."""
    if isinstance(source, Tone):
        return ToneFeed(source)
    if isinstance(source, WavFile):
        library.forget(source.path)
        return WavFeed(source, library)
    if isinstance(source, Frames):
        _check_rate(source.rate)
        return (
            CallFeed(source.source, source.rate)
            if callable(source.source)
            else AsyncFeed(source.source, source.rate, library.keep)
        )
    if isinstance(source, Echo):
        return HeardFeed(lambda: own)
    if isinstance(source, FromPeer):
        return HeardFeed(lambda: peer(source.media))
    if isinstance(source, Mix):
        return MixFeed(source, own, peer)
    return None


class ToneFeed:
    """One second of the tone, over and over, where that fits; else made as it goes."""

    def __init__(self, source: Tone) -> None:
        self._source = source
        self._second: Samples | None = None
        self._rate = 0

    def frame(self, number: int, rate: int) -> Samples | None:
        source, size = self._source, frame_size(rate)
        if float(source.hz).is_integer() and float(source.second_hz or 0).is_integer():
            if self._second is None or rate != self._rate:
                self._rate = rate
                self._second = tone(source.hz, rate, rate, second_hz=source.second_hz, level=source.level)
            at = number % 50 * size
            return self._second[at : at + size]
        return tone(source.hz, rate, size, start=number * size, second_hz=source.second_hz, level=source.level)

    def close(self) -> None:
        self._second = None


class WavFeed:
    """A file; silence until it is read and, if it is not looped, after its end."""

    def __init__(self, source: WavFile, library: Library) -> None:
        self._source = source
        self._library = library
        self._at = 0

    def frame(self, number: int, rate: int) -> Samples | None:
        samples, size = self._library.samples(self._source.path, rate), frame_size(rate)
        if samples is None or not samples.size:
            return None
        place = self._at * size
        if self._source.loop:
            self._at += 1
            return samples.take(range(place, place + size), mode="wrap")
        if place >= samples.size:
            return None
        self._at += 1
        return _fit(samples[place : place + size], size)

    def close(self) -> None:
        """The file stays in the library."""


class _Resampled:
    """Frames of one rate given at another."""

    def __init__(self) -> None:
        self._resampler: Resampler | None = None
        self._rates = (0, 0)

    def at(self, samples: Samples, rate: int, wanted: int) -> Samples:
        if rate == wanted:
            return samples
        if self._resampler is None or self._rates != (rate, wanted):
            self._resampler = Resampler(rate, wanted)
            self._rates = (rate, wanted)
        return _fit(self._resampler.feed(samples), frame_size(wanted))


class CallFeed:
    """A callable that is asked for every frame. One that fails is not asked again."""

    def __init__(self, source: Callable[[int], Frame | None], rate: int) -> None:
        self._source: Callable[[int], Frame | None] | None = source
        self._rate = rate
        self._resampled = _Resampled()

    def frame(self, number: int, rate: int) -> Samples | None:
        if self._source is None:
            return None
        try:
            given = self._source(number)
            if given is None:
                return None
            return self._resampled.at(_as_samples(given, frame_size(self._rate)), self._rate, rate)
        except Exception:  # the user's code: whatever it raises must not end the call, nor the tick of all others
            logger.exception("a source of frames failed; silence is sent")
            self._source = None
            return None

    def close(self) -> None:
        self._source = None


class AsyncFeed:
    """An async iterator, read a few frames ahead; silence where it does not keep up."""

    def __init__(
        self, source: AsyncIterator[Frame], rate: int, keep: Callable[[asyncio.Task[None]], None] = lambda task: None
    ) -> None:
        self._rate = rate
        self._resampled = _Resampled()
        self._queue: asyncio.Queue[Samples] = asyncio.Queue(_QUEUED)
        self._task = asyncio.get_running_loop().create_task(self._read(source), name="source of frames")
        keep(self._task)

    def frame(self, number: int, rate: int) -> Samples | None:
        if self._queue.empty():
            return None
        return self._resampled.at(self._queue.get_nowait(), self._rate, rate)

    def close(self) -> None:
        self._task.cancel()

    async def _read(self, source: AsyncIterator[Frame]) -> None:
        try:
            async for given in source:
                await self._queue.put(_as_samples(given, frame_size(self._rate)))
        except Exception:  # the user's iterator: whatever it raises must not be lost in a task that nobody awaits
            logger.exception("a source of frames failed; silence is sent")
        finally:
            end = getattr(source, "aclose", None)
            if end is not None:
                try:
                    await end()
                except Exception:  # the user's generator, while it is closed
                    logger.exception("a source of frames did not end well")


class HeardFeed:
    """What a session hears, its own (echo) or another's (bridge).

    `passed_on` gives the packet as it came where the codecs agree, else `frame` gives the samples.
    """

    def __init__(self, other: Callable[[], Heardable | None]) -> None:
        self._other = other
        self._number = -1
        self._resampled = _Resampled()

    @property
    def level(self) -> float:
        """Of what is passed on, in dBov."""
        other = self._other()
        return SILENCE_DB if other is None else other.heard_level

    def passed_on(self, codec: str) -> tuple[bytes | None, bool]:
        """The payload to send as it is, or None; and whether a packet was lost there."""
        heard = self._heard()
        if heard is None or heard.codec.lower() != codec.lower():
            return None, False
        if heard.payload is None:
            return None, heard.lost and heard.samples is None
        self._number = self._last_number()
        return heard.payload, False

    def frame(self, number: int, rate: int) -> Samples | None:
        heard, other = self._heard(), self._other()
        if other is None or heard is None:
            return None
        self._number = other.heard_number
        other.want_samples()
        if heard.samples is None:
            return None
        return self._resampled.at(heard.samples, heard.rate, rate)

    def prepare(self) -> None:
        """Samples will be asked for: there is no gap if they are decoded already by then."""
        other = self._other()
        if other is not None:
            other.want_samples()

    def close(self) -> None:
        """Nothing is held."""

    def _heard(self) -> Heard | None:
        """What was heard since the last time."""
        other = self._other()
        return None if other is None or other.heard_number == self._number else other.heard

    def _last_number(self) -> int:
        other = self._other()
        return -1 if other is None else other.heard_number


class MixFeed:
    """The sum of what several sessions hear: each as `HeardFeed` gives it, at the rate that is asked for.

    It holds a session by its name alone: one that ends is silence from then on, and nothing of it is kept alive.
    """

    def __init__(self, source: Mix, own: Heardable, peer: Callable[[str], Heardable | None]) -> None:
        names = list(dict.fromkeys(source.peers))[:MAX_MIXED]
        self._voices = {name: HeardFeed(_other_than(own, name, peer)) for name in names}
        self._prepare()

    def go_on_from(self, before: MixFeed) -> None:
        """Take over the voices that `before` has too: their resamplers are in the middle of something."""
        self._voices = {name: before._voices.get(name, voice) for name, voice in self._voices.items()}

    def frame(self, number: int, rate: int) -> Samples | None:
        self._prepare()
        frames = [voice.frame(number, rate) for voice in self._voices.values()]
        heard = [frame for frame in frames if frame is not None]
        if len(heard) < 2:
            return heard[0] if heard else None
        total = heard[0].astype(np.int32)
        for each in heard[1:]:
            total += each
        return np.clip(total, -32768, 32767).astype(np.int16)

    def close(self) -> None:
        """The voices may have gone over to another mix."""
        self._voices = {}

    def _prepare(self) -> None:
        for voice in self._voices.values():
            voice.prepare()


def _other_than(own: Heardable, name: str, peer: Callable[[str], Heardable | None]) -> Callable[[], Heardable | None]:
    def other() -> Heardable | None:
        found = peer(name)
        return None if found is own else found

    return other


class Recipient(Protocol):
    """Takes what a session receives: 20 ms a time, or None where nothing comes."""

    def take(self, samples: Samples | None, rate: int) -> None: ...

    def close(self) -> None: ...


def make_recipient(sink: Sink) -> Recipient | None:
    """The running side of a sink; None where nobody listens. Raises MediaError for a file that cannot be written,
    or frames at a rate that has no 20 ms."""
    if isinstance(sink, WavSink):
        return FileRecipient(sink.path)
    if isinstance(sink, NoSink):
        return None
    _check_rate(sink.rate)
    return CallRecipient(sink)


class FileRecipient:
    """A WAV file; silence where nothing comes, so that it keeps time."""

    def __init__(self, path: str) -> None:
        self._writer: WavWriter | None = WavWriter(path, WAV_SINK_RATE)
        self._resampled = _Resampled()
        self._silence = np.zeros(frame_size(WAV_SINK_RATE), dtype=np.int16)

    def take(self, samples: Samples | None, rate: int) -> None:
        if self._writer is None:
            return
        try:
            given = self._silence if samples is None else self._resampled.at(samples, rate, WAV_SINK_RATE)
            self._writer.write(given)
        except MediaError as error:
            logger.warning("the recording ends: %s", error)
            self.close()

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except MediaError as error:
                logger.warning("the recording is not complete: %s", error)


class CallRecipient:
    """A callable. One that fails is not called again."""

    def __init__(self, sink: FrameSink) -> None:
        self._sink: Callable[[Frame], None] | None = sink.sink
        self._rate = sink.rate
        self._resampled = _Resampled()

    def take(self, samples: Samples | None, rate: int) -> None:
        if self._sink is None or samples is None:
            return
        try:
            self._sink(self._resampled.at(samples, rate, self._rate))
        except Exception:  # the user's code: whatever it raises must not end the call, nor the tick of all others
            logger.exception("a sink of frames failed; it is not called again")
            self._sink = None

    def close(self) -> None:
        self._sink = None


def _check_rate(rate: int) -> None:
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE or rate % 50:
        raise MediaError(f"frames at {rate} Hz: the rate is {_LOWEST_RATE} to {_HIGHEST_RATE}, a multiple of 50")


def _fit(samples: Samples, size: int) -> Samples:
    """Exactly `size` samples: cut, or filled with silence."""
    if samples.size == size:
        return samples
    fitted = np.zeros(size, dtype=np.int16)
    fitted[: min(size, samples.size)] = samples[:size]
    return fitted


def _as_samples(given: Frame, size: int) -> Samples:
    """What a user's source gave, as int16 of the right size."""
    return _fit(np.asarray(given, dtype=np.int16).reshape(-1), size)
