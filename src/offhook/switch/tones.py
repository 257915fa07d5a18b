"""What the switch lets callers hear: tones with a rhythm, played on one media session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from offhook.clock import Now, Timers
from offhook.media.engine import Silence, Source, Tone


@dataclass(frozen=True, slots=True)
class Sound:
    """A rhythm: each beat is a source and its seconds (None: for ever). `loops` None: again and again."""

    beats: tuple[tuple[Source, float | None], ...]
    loops: int | None = None


def steady(source: Source) -> Sound:
    """One source for ever."""
    return Sound(((source, None),))


RINGBACK = Sound(((Tone(440.0, 480.0), 2.0), (Silence(), 4.0)))
"""The North American ringing tone."""
HOLD_MUSIC = steady(Tone(523.0, 659.0))
"""Two tones at once, as the recorded FreeSWITCH played it."""
MILLIWATT = steady(Tone(1004.0))
PROMPT = Sound(((Tone(440.0), 0.3), (Silence(), 0.1)), loops=2)
"""The menu asks for digits."""
WRONG = Sound(((Tone(200.0), 0.4),), loops=1)
"""The menu did not understand."""
EARLY = Sound(((Tone(400.0, 450.0), 0.4), (Silence(), 0.2)), loops=5)
SILENCE = steady(Silence())


class Player:
    """Plays one sound at a time on a media session; the last source stays when a sound has ended."""

    def __init__(self, timers: Timers, set_source: Callable[[Source], None]) -> None:
        self._timers = timers
        self._set_source = set_source
        self._sound: Sound | None = None
        self._beat = 0
        self._left: int | None = None
        self._done: Callable[[Now], None] | None = None

    def play(self, sound: Sound, now: Now, done: Callable[[Now], None] | None = None) -> None:
        """Play `sound` instead of what played before; `done` is called when it has ended by itself."""
        if sound is self._sound and done is None and self._done is None:
            return
        self.stop()
        self._sound, self._beat, self._left, self._done = sound, 0, sound.loops, done
        self._play(now)

    def stop(self) -> None:
        """Play no further beat; what is sent now goes on until another source is set."""
        self._timers.cancel(self, "beat")
        self._sound = self._done = None

    def _play(self, now: Now) -> None:
        assert self._sound is not None
        source, seconds = self._sound.beats[self._beat]
        self._set_source(source)
        if seconds is not None:
            self._timers.set(self, "beat", now.monotonic + seconds)

    def handle_timer(self, timer: str, now: Now) -> None:
        """The beat is over: the next one, or the end."""
        assert self._sound is not None
        self._beat = (self._beat + 1) % len(self._sound.beats)
        if self._beat == 0 and self._left is not None:
            self._left -= 1
            if self._left == 0:
                done = self._done
                self.stop()
                self._set_source(Silence())
                if done is not None:
                    done(now)
                return
        self._play(now)
