"""The jitter buffer: takes packets as they come, gives them out in order when they are due. Pure.

It aims at a delay that covers nearly all of the jitter of the last few seconds. A packet that is missing when its time
has come is reported as missing, once; a buffer that runs empty holds still for a moment, because what is late may yet
come. The delay grows by a concealed frame and shrinks by shortening a frame, never by a jump that can be heard, unless
it is more than 200 ms off.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MAX_PACKETS = 128
"""Packets held at most; a peer that sends further ahead makes the buffer begin anew."""

_WINDOW = 250  # packets whose transit times are remembered: 5 s
_LOOK_EVERY = 10
_COVERED = 0.98  # share of the packets that the delay is to cover
_MARGIN = 0.010
_SHORTEST, _FIRST, _LONGEST = 0.030, 0.060, 0.400  # target delay, seconds
_TOO_EARLY, _TOO_LATE = 0.010, 0.040  # how far off the target before something is done
_HOPELESS = 0.200
_PAUSE = 0.100  # between two corrections
_HOLD = 0.200  # how long an empty buffer holds still before the stream counts as interrupted
_JUMP = 2.0


@dataclass(frozen=True, slots=True)
class Due:
    """A packet whose time has come; `shorten` asks for a pitch period less of it."""

    payload: bytes
    duration: int
    shorten: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Audio of `duration` that is to be made up; `following` is the payload right behind, for in-band FEC."""

    duration: int
    following: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    payload: bytes
    duration: int


class JitterBuffer:
    """One stream. Timestamps and durations are in units of `clock_rate`; times are monotonic seconds.

    `late` counts packets that came after their time, `empty` the frames made up because nothing was there.
    """

    def __init__(self, clock_rate: int) -> None:
        self.late = 0
        self.empty = 0
        self.target = _FIRST
        self._rate = clock_rate
        self._frame = clock_rate // 50
        self._held: dict[int, _Held] = {}
        self._newest: int | None = None  # extended timestamp
        self._next: int | None = None  # extended timestamp that is due next, or None before the stream runs
        self._transits: deque[float] = deque(maxlen=_WINDOW)
        self._base = 0.0  # the smallest transit
        self._since_look = 0
        self._owed = 0  # made up without moving on
        self._corrected = 0.0

    def put(self, timestamp: int, payload: bytes, duration: int, now: float) -> None:
        """A packet that came at `now`, lasting `duration`."""
        if duration <= 0:
            return
        at = self._extend(timestamp)
        transit = now - at / self._rate
        if self._transits and abs(transit - self._base) > _JUMP:
            self.reset()
            at = self._extend(timestamp)
            transit = now - at / self._rate
        self._measure(transit)
        if self._newest is None or at > self._newest:
            self._newest = at
        if self._next is not None and at < self._next:
            self.late += 1
            return
        if len(self._held) >= MAX_PACKETS:
            self._held.clear()
            self._next = None
        self._held[at] = _Held(payload, duration)

    def get(self, now: float, ahead: float) -> Due | Missing | None:
        """What is to be played when the `ahead` seconds that already wait to be played are over; None: nothing yet.

        Each call moves on; call it only when its result will be played.
        """
        if self._next is None:
            if not self._held:
                return None
            first = min(self._held)
            if self._delay(first, now, ahead) < self.target:
                return None
            self._next = first
            self._owed = 0
        delay = self._delay(self._next, now, ahead)
        if delay > self.target + _HOPELESS:
            self._catch_up(now, ahead)
        elif delay < self.target - _TOO_EARLY and self._may_correct(now) and self._held:
            self._corrected = now
            return Missing(self._frame)
        held = self._held.pop(self._next, None)
        if held is None:
            return self._missing()
        self._owed = 0
        self._next += held.duration
        shorten = delay > self.target + _TOO_LATE and self._may_correct(now)
        if shorten:
            self._corrected = now
        return Due(held.payload, held.duration, shorten)

    def reset(self) -> None:
        """A new stream, or the old one after a pause."""
        self._held.clear()
        self._transits.clear()
        self._newest = self._next = None
        self._since_look = self._owed = 0

    def _missing(self) -> Due | Missing | None:
        assert self._next is not None
        for at in [at for at in self._held if at < self._next]:  # a packet before said that it lasts longer
            del self._held[at]
            self.late += 1
        if not self._held:
            if self._owed >= _HOLD * self._rate:
                self._next = None
                return None
            self._owed += self._frame
            self.empty += 1
            return Missing(self._frame)
        following = min(self._held)
        gap = following - self._next
        if self._owed:  # what was made up already stands for what is missing
            paid = min(gap, self._owed)
            self._owed = 0
            self._next += paid
            gap -= paid
            if not gap:
                held = self._held.pop(following)
                self._next = following + held.duration
                return Due(held.payload, held.duration)
        duration = min(gap, self._frame)
        self._next += duration
        held = self._held[following]
        beside = held.payload if gap == duration else None
        return Missing(duration, beside)

    def _catch_up(self, now: float, ahead: float) -> None:
        """Far behind (the far side paused its clock, or this process stood still): drop down to the target."""
        assert self._next is not None
        over = int((self._delay(self._next, now, ahead) - self.target) * self._rate)
        self._next += over // self._frame * self._frame
        for at in [at for at in self._held if at < self._next]:
            del self._held[at]
        if self._held:  # go on at a packet, not between two
            self._next = min(self._held)

    def _delay(self, at: int, now: float, ahead: float) -> float:
        """How long after the quickest packets that timestamp is played."""
        return now + ahead - at / self._rate - self._base

    def _may_correct(self, now: float) -> bool:
        return now - self._corrected >= _PAUSE

    def _measure(self, transit: float) -> None:
        self._transits.append(transit)
        self._since_look += 1
        if len(self._transits) == 1 or transit < self._base:
            self._base = transit
        if self._since_look >= _LOOK_EVERY:
            self._since_look = 0
            ordered = sorted(self._transits)
            self._base = ordered[0]
            spread = ordered[int(_COVERED * (len(ordered) - 1))] - ordered[0] + _MARGIN
            if len(ordered) < 50:  # too few to trust: do not go below what we began with
                spread = max(spread, _FIRST)
            self.target = min(max(spread, _SHORTEST), _LONGEST)

    def _extend(self, timestamp: int) -> int:
        """The 32 bit timestamp as a number that does not wrap."""
        if self._newest is None:
            return timestamp + (1 << 32)
        step = (timestamp - self._newest) & 0xFFFFFFFF
        return self._newest + (step if step < 0x80000000 else step - 0x100000000)
