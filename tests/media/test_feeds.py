from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from offhook.errors import MediaError
from offhook.media.audio import Samples, WavWriter, frame_size, read_wav, tone, tone_power
from offhook.media.engine import Echo, Frames, FrameSink, FromPeer, NoSink, Silence, Source, Tone, WavFile, WavSink
from offhook.media.feeds import Feed, HeardFeed, Library, make_feed, make_recipient
from offhook.media.inbound import Heard


class Other:
    """A session that hears."""

    def __init__(self) -> None:
        self.heard: Heard | None = None
        self.heard_number = -1
        self.heard_level = -20.0
        self.wanted = 0

    def want_samples(self) -> None:
        self.wanted += 1

    def hears(self, heard: Heard | None) -> None:
        self.heard = heard
        self.heard_number += 1


def _feed(source: Source, library: Library | None = None, own: Other | None = None) -> Feed:
    feed = make_feed(source, library or Library(), own or Other(), {"peer": own or Other()}.get)
    assert feed is not None
    return feed


def _seconds(feed: Feed, rate: int, ticks: int) -> Samples:
    frames = [feed.frame(number, rate) for number in range(ticks)]
    silence = np.zeros(frame_size(rate), np.int16)
    return np.concatenate([silence if frame is None else frame for frame in frames])


def test_silence_is_no_feed() -> None:
    assert make_feed(Silence(), Library(), Other(), lambda name: None) is None


@pytest.mark.parametrize("hz", [440.0, 437.5])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_tones(hz: float, rate: int) -> None:
    feed = _feed(Tone(hz))
    assert tone_power(_seconds(feed, rate, 120), rate, hz) > 0.999
    both = _seconds(_feed(Tone(697, second_hz=1209)), rate, 50)
    assert tone_power(both, rate, 697) > 0.45 and tone_power(both, rate, 1209) > 0.45
    feed.close()


async def _ended(name: str) -> None:
    """Wait for the end of the tasks of that name; there is one at least."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == name]
    assert tasks, f"no task is there to {name}"
    _, late = await asyncio.wait(tasks, timeout=5)
    assert not late


async def _loaded(feed: Feed, rate: int) -> None:
    assert feed.frame(0, rate) is None
    await _ended("read a WAV file")
    assert feed.frame(0, rate) is not None


async def test_wav_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = str(tmp_path / "tone.wav")
    writer = WavWriter(path, 44100)
    writer.write(tone(440, 44100, 44100))
    writer.close()
    library = Library()
    looped, once = _feed(WavFile(path), library), _feed(WavFile(path, loop=False), library)
    await _loaded(looped, 8000)
    assert tone_power(_seconds(looped, 8000, 120), 8000, 440) > 0.98
    played = [once.frame(number, 8000) is not None for number in range(60)]
    assert played == [True] * 50 + [False] * 10
    missing = _feed(WavFile(str(tmp_path / "none.wav")), library)
    assert missing.frame(0, 8000) is None
    await library.close()
    assert missing.frame(1, 8000) is None
    await library.close()
    for feed in (looped, once, missing):
        feed.close()


async def test_a_file_that_cannot_be_read_is_silence_and_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library()
    path = tmp_path / "late.wav"
    feed = _feed(WavFile(str(path)), library)
    assert feed.frame(0, 8000) is None
    await _ended("read a WAV file")
    assert "silence is sent" in caplog.text
    assert feed.frame(1, 8000) is None
    writer = WavWriter(str(path), 8000)
    writer.write(tone(440, 8000, 800))
    writer.close()
    again = _feed(WavFile(str(path)), library)  # set anew: looked at anew
    await _loaded(again, 8000)
    await library.close()


def test_a_callable_is_asked_for_every_frame(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def source(number: int) -> Samples | None:
        asked.append(number)
        if number == 60:
            raise ValueError("no more")
        return None if number == 3 else tone(440, 24000, 480, start=480 * number)

    feed = _feed(Frames(source, rate=24000))
    heard = _seconds(feed, 8000, 58)
    assert asked == list(range(58)) and not heard[3 * 160 : 4 * 160].any()
    assert tone_power(heard[160 * 5 :], 8000, 440) > 0.99
    assert feed.frame(60, 8000) is None and feed.frame(61, 8000) is None and asked[-1] == 60
    assert "failed" in caplog.text
    feed.close()


async def test_an_async_iterator_is_read_ahead() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncIterator[Samples]:
        try:
            number = 0
            while True:
                yield tone(440, 16000, 320, start=320 * number)
                number += 1
        finally:
            ended.set()

    feed = _feed(Frames(source()))
    frames = []
    for _ in range(20):
        await asyncio.sleep(0)  # what reads it has its turn,
        await asyncio.sleep(0)  # and another one where its queue was full
        frames.append(feed.frame(0, 16000))
    joined = np.concatenate([frame for frame in frames if frame is not None])
    assert tone_power(joined, 16000, 440) > 0.999 and joined.size > 16 * 320
    feed.close()
    async with asyncio.timeout(5):
        await ended.wait()


async def test_an_async_iterator_that_fails_or_ends_is_silence(caplog: pytest.LogCaptureFixture) -> None:
    async def source() -> AsyncIterator[Samples]:
        yield tone(440, 16000, 100)  # too short: filled up
        raise ValueError("broken")

    feed = _feed(Frames(source()))
    await _ended("source of frames")
    assert "failed" in caplog.text
    first = feed.frame(0, 16000)
    assert first is not None and first.size == 320
    assert feed.frame(1, 16000) is None


def test_what_is_heard_is_passed_on_as_it_is_or_as_samples() -> None:
    own = Other()
    for source in (Echo(), FromPeer("peer")):
        feed = _feed(source, own=own)
        assert isinstance(feed, HeardFeed)
        own.hears(Heard("opus", 16000, None, b"packet", False))
        assert feed.passed_on("opus") == (b"packet", False)
        assert feed.passed_on("opus") == (None, False)  # once
        own.hears(Heard("opus", 16000, None, None, True))
        assert feed.passed_on("opus") == (None, True)
        own.hears(Heard("opus", 16000, None, b"packet", False))
        assert feed.passed_on("PCMU") == (None, False)
        wanted = own.wanted
        assert feed.frame(0, 8000) is None and own.wanted == wanted + 1
        own.hears(Heard("opus", 16000, tone(440, 16000, 320), b"packet", False))
        frame = feed.frame(1, 8000)
        assert frame is not None and frame.size == 160
        assert feed.frame(2, 8000) is None  # once
        own.hears(None)
        assert feed.passed_on("opus") == (None, False) and feed.frame(3, 8000) is None
        feed.close()


def test_a_peer_that_is_not_there_is_silence() -> None:
    feed = make_feed(FromPeer("nobody"), Library(), Other(), lambda name: None)
    assert isinstance(feed, HeardFeed)
    assert feed.passed_on("opus") == (None, False) and feed.frame(0, 8000) is None


def test_sinks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert make_recipient(NoSink()) is None
    frames: list[Samples] = []
    recipient = make_recipient(FrameSink(frames.append, 24000))
    assert recipient is not None
    for number in range(10):
        recipient.take(tone(440, 8000, 160, start=160 * number), 8000)
    recipient.take(None, 0)
    assert {frame.size for frame in frames} == {480} and len(frames) == 10
    recipient.close()
    recipient.take(tone(440, 8000, 160), 8000)
    assert len(frames) == 10

    path = str(tmp_path / "out.wav")
    file = make_recipient(WavSink(path))
    assert file is not None
    for number in range(50):
        file.take(tone(440, 8000, 160, start=160 * number), 8000)
    file.take(None, 0)
    file.close()
    file.close()
    file.take(None, 0)
    samples, rate = read_wav(path)
    assert rate == 16000 and samples.size == 51 * 320
    assert tone_power(samples[1000:15000], 16000, 440) > 0.99

    def broken(frame: Samples) -> None:
        raise ValueError("no")

    failing = make_recipient(FrameSink(broken))
    assert failing is not None
    failing.take(tone(440, 16000, 320), 16000)
    failing.take(tone(440, 16000, 320), 16000)
    assert caplog.text.count("a sink of frames failed") == 1
    with pytest.raises(MediaError):
        make_recipient(WavSink(str(tmp_path / "no" / "folder.wav")))


@pytest.mark.parametrize("rate", [0, -5, 49, 11025, 1_000_000])
def test_rates_that_have_no_twenty_milliseconds(rate: int) -> None:
    with pytest.raises(MediaError):
        make_feed(Frames(lambda number: None, rate), Library(), Other(), lambda name: None)
    with pytest.raises(MediaError):
        make_recipient(FrameSink(lambda frame: None, rate))


async def test_the_end_of_an_async_iterator_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def frames() -> AsyncIterator[Samples]:
        try:
            while True:
                yield np.zeros(320, dtype=np.int16)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)  # it takes some turns to tidy up
            ended.append("tidy")
            raise RuntimeError("not so tidy")

    library = Library()
    feed = _feed(Frames(frames()), library)
    await asyncio.sleep(0)  # it begins to read
    feed.close()
    await library.close()
    assert ended == ["tidy"] and "did not end well" in caplog.text
