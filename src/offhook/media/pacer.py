"""The clock of all media sessions of an engine: one task, 20 ms ticks on a grid of the monotonic clock.

The sessions are spread over four phases, 5 ms apart, so that many calls do not send all their packets at once. A tick
that is late is made up for at twice the pace at most; what is more than 100 ms late is left out. Ticks are numbered by
the grid, not by how often they happened: timestamps made from the number neither drift nor lag.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

PERIOD = 0.020
PHASES = 4
_STEP = PERIOD / PHASES
_GIVE_UP = 0.100
_CLOSEST = PERIOD / 2


class Paced(Protocol):
    """What is ticked."""

    def tick(self, number: int, at: float) -> None:
        """Tick `number`, that was due at `at` (monotonic seconds)."""
        ...


class Schedule:
    """Which tick comes next, and when. Pure."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._slot = 0
        self._members: tuple[list[Paced], ...] = tuple([] for _ in range(PHASES))
        self._last = [-PERIOD] * PHASES

    def __len__(self) -> int:
        return sum(map(len, self._members))

    def add(self, member: Paced, now: float) -> None:
        """Into the phase with the fewest members; its first tick is still to come."""
        if not len(self):
            self._slot = max(self._slot, self._slot_at(now))
        min(self._members, key=len).append(member)

    def remove(self, member: Paced) -> None:
        for members in self._members:
            if member in members:
                members.remove(member)

    def number(self, now: float) -> int:
        """The number that a tick at that time would have."""
        return self._slot_at(now) // PHASES

    def due(self) -> float:
        """When the next tick is to be, if anything is ticked."""
        while not self._members[self._slot % PHASES]:
            self._slot += 1
        return max(self._time(self._slot), self._last[self._slot % PHASES] + _CLOSEST)

    def take(self, now: float) -> tuple[int, float, list[Paced]]:
        """The tick that is due at `now`: its number, its nominal time, and who is ticked."""
        if now - self._time(self._slot) > _GIVE_UP:
            behind = (self._slot_at(now) - self._slot) // PHASES
            self._slot += behind * PHASES
        slot = self._slot
        # Counted from when it should have been: else a machine that wakes us 10 ms late each time leaves no time to
        # catch up, and packets are left out though none was 100 ms late. But from no earlier than makes two at once.
        self._last[slot % PHASES] = max(self.due(), now - _CLOSEST)
        self._slot += 1
        return slot // PHASES, self._time(slot), list(self._members[slot % PHASES])

    def _time(self, slot: int) -> float:
        return self._epoch + slot * _STEP

    def _slot_at(self, now: float) -> int:
        return max(0, int((now - self._epoch) / _STEP))


class Pacer:
    """Runs the schedule, while there is anybody to tick."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._schedule = Schedule(clock())
        self._task: asyncio.Task[None] | None = None

    @property
    def number(self) -> int:
        """The number of the tick that is now."""
        return self._schedule.number(self._clock())

    def add(self, member: Paced) -> None:
        self._schedule.add(member, self._clock())
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="media pacer")

    def remove(self, member: Paced) -> None:
        self._schedule.remove(member)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        schedule = self._schedule
        while len(schedule):
            wait = schedule.due() - self._clock()
            await asyncio.sleep(max(0.0, wait))
            now = self._clock()
            if not len(schedule) or schedule.due() > now:
                continue
            number, at, members = schedule.take(now)
            for member in members:
                try:
                    member.tick(number, at)
                except Exception:  # one clock for all sessions: a bug in one must not silence the others
                    logger.exception("a bug: a media session failed on a tick")
        self._task = None
