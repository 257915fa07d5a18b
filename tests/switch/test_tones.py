from __future__ import annotations

from offhook.clock import Timers
from offhook.media.engine import Silence, Source, Tone
from offhook.switch.tones import EARLY, HOLD_MUSIC, RINGBACK, SILENCE, WRONG, Player
from offhook.testing.clock import VirtualClock

RING, PAUSE = Tone(440.0, 480.0), Silence()


class Listener:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.timers = Timers()
        self.heard: list[tuple[float, Source]] = []
        self.player = Player(self.timers, lambda source: self.heard.append((self.clock.now().monotonic, source)))


def test_ringing_has_a_rhythm() -> None:
    it = Listener()
    it.player.play(RINGBACK, it.clock.now())
    it.clock.run(it.timers, until=9.0)
    assert it.heard == [(0.0, RING), (2.0, PAUSE), (6.0, RING), (8.0, PAUSE)]
    it.player.stop()
    assert len(it.timers) == 0


def test_the_same_sound_goes_on() -> None:
    it = Listener()
    it.player.play(HOLD_MUSIC, it.clock.now())
    it.player.play(HOLD_MUSIC, it.clock.now())
    assert len(it.heard) == 1
    it.player.stop()
    it.player.play(HOLD_MUSIC, it.clock.now())
    assert len(it.heard) == 2


def test_the_end_is_told() -> None:
    it = Listener()
    ends: list[float] = []
    it.player.play(EARLY, it.clock.now(), lambda now: ends.append(now.monotonic))
    it.clock.run(it.timers, until=60.0)
    assert [round(at, 6) for at in ends] == [3.0]
    assert it.heard[-1][1] == Silence()


def test_another_sound_takes_its_place() -> None:
    it = Listener()
    ends: list[float] = []
    it.player.play(WRONG, it.clock.now(), lambda now: ends.append(now.monotonic))
    it.player.play(SILENCE, it.clock.now())
    it.clock.run(it.timers, until=60.0)
    assert ends == [] and len(it.timers) == 0
