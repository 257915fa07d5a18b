"""A conference of media sessions: `Mix` as a source."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from offhook.media.audio import Samples, level_dbov, longest_hole, tone, tone_power
from offhook.media.engine import MAX_MIXED, CloseMedia, Direction, FromPeer, Mix, NoSink, SetMuted, SetSource, Tone
from offhook.media.feeds import Library, MixFeed, make_feed
from offhook.media.inbound import Heard
from offhook.media.null import NullEngine
from offhook.media.outbound import Outbound
from offhook.media.streams import AudioStreams

MakeSide = Callable[..., Any]
TONES = {"a": 440.0, "b": 1000.0, "c": 1700.0}


class Session:
    """What a mix sees of a session: a tone of its own, 20 ms a tick."""

    def __init__(self, hz: float, *, rate: int = 16000, level: float = -18.0, codec: str = "opus") -> None:
        self.heard: Heard | None = None
        self.heard_number = -1
        self.heard_level = level
        self.wanted = 0
        self._hz, self._rate, self._level, self._codec = hz, rate, level, codec

    def want_samples(self) -> None:
        self.wanted += 1

    def tick(self, number: int, *, silent: bool = False) -> None:
        size = self._rate // 50
        samples = tone(self._hz, self._rate, size, start=number * size, level=self._level)
        self.heard = None if silent else Heard(self._codec, self._rate, samples, b"as it came", False)
        self.heard_number = number


def _mixed(feed: MixFeed, others: list[Session], ticks: range, rate: int = 16000) -> Samples:
    frames = []
    for number in ticks:
        for other in others:
            other.tick(number)
        frame = feed.frame(number, rate)
        frames.append(np.zeros(rate // 50, np.int16) if frame is None else frame)
    return np.concatenate(frames)


def _mix(peers: tuple[str, ...], known: dict[str, Session], own: Session | None = None) -> MixFeed:
    feed = make_feed(Mix(peers), Library(), own or Session(0.0), known.get)
    assert isinstance(feed, MixFeed)
    return feed


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_every_peer_is_heard_whatever_its_rate(rate: int) -> None:
    known = {"a": Session(440.0, rate=8000), "b": Session(1000.0, rate=16000), "c": Session(1700.0, rate=48000)}
    heard = _mixed(_mix(("a", "b", "c"), known), list(known.values()), range(60), rate)[rate // 10 :]
    for hz in TONES.values():
        assert tone_power(heard, rate, hz) == pytest.approx(1 / 3, abs=0.03)
    assert level_dbov(heard) == pytest.approx(-18.0 + 10 * np.log10(3), abs=0.3)


def test_the_sum_is_clipped_not_wrapped() -> None:
    known = {name: Session(440.0, level=-4.0) for name in "abc"}
    heard = _mixed(_mix(("a", "b", "c"), known), list(known.values()), range(50))
    assert heard.max() == 32767 and heard.min() == -32768
    assert tone_power(heard, 16000, 440.0) > 0.9  # wrapped, it would be noise


def test_who_is_not_there_is_silence() -> None:
    known = {"a": Session(440.0), "b": Session(1000.0)}
    feed = _mix(("a", "b", "nobody"), known)
    assert feed.frame(0, 16000) is None  # nothing came yet
    known["a"].tick(1)
    known["b"].tick(1, silent=True)  # held: it receives nothing
    frame = feed.frame(1, 16000)
    assert frame is not None and tone_power(frame, 16000, 440.0) > 0.9
    assert feed.frame(2, 16000) is None  # the same 20 ms are not heard twice
    known["nobody"] = Session(1700.0)
    del known["a"]
    heard = _mixed(feed, [known["nobody"]], range(3, 53))
    assert tone_power(heard, 16000, 1700.0) > 0.99
    assert _mix((), known).frame(0, 16000) is None


def test_oneself_and_a_name_twice_change_nothing() -> None:
    own, other = Session(440.0), Session(1000.0)
    feed = _mix(("own", "a", "a"), {"own": own, "a": other}, own)
    heard = _mixed(feed, [own, other], range(50))
    assert tone_power(heard, 16000, 1000.0) > 0.999 and level_dbov(heard) == pytest.approx(-18.0, abs=0.1)
    assert not own.wanted


def test_a_mix_is_finite() -> None:
    known = {f"m{number}": Session(440.0, level=-60.0) for number in range(MAX_MIXED + 5)}
    feed = _mix(tuple(known), known)
    _mixed(feed, list(known.values()), range(2))
    assert sum(bool(each.wanted) for each in known.values()) == MAX_MIXED


def test_samples_are_asked_for_all_the_time() -> None:
    """A session decodes for a second after it was asked: a mix, and a bridge of two codecs, must not let it run out."""
    other = Session(440.0)
    for source in (Mix(("a",)), FromPeer("a")):
        feed = make_feed(source, Library(), Session(0.0), {"a": other}.get)
        assert feed is not None
        for number in range(5):
            other.tick(number)
            before = other.wanted
            assert feed.frame(number, 8000) is not None and other.wanted > before


def _streams() -> AudioStreams:
    return AudioStreams("m", Outbound(1, 1, 0), "cname", lambda event: None)


def test_whoever_stays_is_heard_without_a_break() -> None:
    known = {name: Session(hz, rate=8000) for name, hz in TONES.items()}
    streams, heard = _streams(), []
    for number in range(150):
        if number % 50 == 0:
            feed = _mix((("a", "b"), ("a", "b", "c"), ("c", "a"))[number // 50], known)
            streams.set_feed(feed)
        heard.append(_mixed(feed, list(known.values()), range(number, number + 1)))
    joined = np.concatenate(heard)
    assert longest_hole(joined, 16000, 440.0) == 0.0
    for begin, end in ((49, 51), (99, 101)):  # nothing of the change is audible: all power is in the tones
        around = np.concatenate(heard[begin - 10 : end + 10])
        steps = np.abs(np.diff(around.astype(np.int32)))
        assert steps.max() < 1.2 * np.abs(np.diff(np.concatenate(heard[60:90]).astype(np.int32))).max()


def test_nothing_is_held_of_what_is_mixed() -> None:
    known = {name: Session(hz) for name, hz in TONES.items()}
    streams = _streams()
    first = _mix(("a", "b"), known)
    streams.set_feed(first)
    streams.set_feed(_mix(("a", "c"), known))
    watched = weakref.ref(first)
    gone = weakref.ref(known.pop("a"))
    del first
    gc.collect()
    assert watched() is None and gone() is None
    streams.close()
    wanted = {name: each.wanted for name, each in known.items()}
    for number in range(3):
        streams.tick(number, number * 0.02)
    assert wanted == {name: each.wanted for name, each in known.items()}


def test_the_null_engine_takes_it() -> None:
    engine = NullEngine()
    engine.perform(SetSource("m", Mix(("a", "b"))))
    assert engine.performed[-1] == SetSource("m", Mix(("a", "b")))


# Over real sockets: three parties, the middle one plays the conference


async def _until(side: Any, right: Callable[[Samples], bool]) -> Samples:
    """The first 200 ms of which that is true."""
    async with asyncio.timeout(8):
        while True:
            heard: Samples = await side.hear(0.2)
            if right(heard):
                return heard


def _only(*names: str) -> Callable[[Samples], bool]:
    """Just these tones, as strong as each other."""

    def right(heard: Samples) -> bool:
        powers = {name: tone_power(heard, 16000, hz) for name, hz in TONES.items()}
        return all(
            abs(power - 1 / len(names)) < 0.1 if name in names else power < 0.01 for name, power in powers.items()
        )

    return right


async def _conference(make_side: MakeSide) -> tuple[Any, dict[str, Any]]:
    middle = make_side(flavour="freeswitch", default_sink=NoSink())
    parties = {}
    for (name, hz), codec in zip(TONES.items(), ("opus", "PCMU", "PCMA"), strict=True):
        side = parties[name] = make_side(codecs=(codec,), default_source=Tone(hz))
        middle.engine.perform(SetSource(name, Mix(tuple(TONES))))  # with itself, that is ignored
        await side.apply(await middle.answer(await side.offer(), name))
        await side.connected()
    return middle, parties


async def test_each_hears_all_the_others(make_side: MakeSide) -> None:
    _, parties = await _conference(make_side)
    everybody = set(TONES)
    await asyncio.gather(*(_until(side, _only(*(everybody - {name}))) for name, side in parties.items()))
    heard = await parties["b"].hear(1.5)
    for hz in (TONES["a"], TONES["c"]):
        assert longest_hole(heard, 16000, hz) <= 40.0


async def test_muted_held_and_gone_are_silence(make_side: MakeSide) -> None:
    middle, parties = await _conference(make_side)
    a, b, c = parties.values()
    await _until(a, _only("b", "c"))
    b.engine.perform(SetMuted("m", True))
    await asyncio.gather(_until(a, _only("c")), _until(c, _only("a")))
    b.engine.perform(SetMuted("m", False))
    await _until(a, _only("b", "c"))
    await c.apply(await middle.answer(await c.offer(direction=Direction.RECVONLY), "c"))
    await asyncio.gather(_until(a, _only("b")), _until(c, _only("a", "b")))
    middle.engine.perform(CloseMedia("c"))
    middle.engine.perform(CloseMedia("b"))
    await _until(a, lambda heard: level_dbov(heard) < -60.0)


async def test_a_third_joins_and_leaves_without_a_break(make_side: MakeSide) -> None:
    middle, parties = await _conference(make_side)
    a = parties["a"]
    middle.engine.perform(SetSource("a", Mix(("b",))))
    await _until(a, _only("b"))
    begin = len(a.frames)
    middle.engine.perform(SetSource("a", Mix(("b", "c"))))
    await _until(a, _only("b", "c"))
    middle.engine.perform(SetSource("a", Mix(("b",))))
    await _until(a, _only("b"))
    heard = np.concatenate(a.frames[begin:])
    assert longest_hole(heard, 16000, TONES["b"], drop_db=9.0) <= 40.0
