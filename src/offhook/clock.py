"""Time and chance as inputs: the pure folders take both from here and never from the machine.

`Now` comes with every input, `Timers` is the one heap into which all machines of a node put their deadlines, `Ids`
makes every branch, tag, Call-ID and jitter, so that a recorded run can be replayed octet for octet.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple, Protocol


class Now(NamedTuple):
    """One instant on two clocks, both in seconds."""

    monotonic: float
    """Never jumps; for deadlines. Means nothing in another process."""
    wall: float
    """Seconds since the epoch, UTC; for events, snapshots and logs."""


class Ids(Protocol):
    """Where identifiers and chance come from."""

    def token(self, bits: int = 128) -> str:
        """A fresh token of lower-case letters and digits with at least `bits` random bits."""
        ...

    def fraction(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...


class TimerOwner(Protocol):
    """A machine that puts timers into the heap."""

    def handle_timer(self, timer: str, now: Now) -> None:
        """The timer of that name is due. It is no longer set."""
        ...


class Timers:
    """The one timer heap of a node.

    A timer is named by its owner and a word; setting it again moves it. Cancelled entries stay in the heap until they
    come up or outnumber the live ones, so setting and cancelling are O(log n) and a look at `next` is amortised O(1).
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerOwner, str]] = []
        self._live: dict[tuple[int, str], tuple[int, TimerOwner]] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._live)

    def set(self, owner: TimerOwner, timer: str, at: float) -> None:
        """(Re)arm `timer` of `owner` for the monotonic instant `at`."""
        self._serial += 1
        # The owner itself is kept with the key: its id() cannot be given to another object while the timer is set.
        self._live[(id(owner), timer)] = (self._serial, owner)
        heapq.heappush(self._heap, (at, self._serial, owner, timer))
        if len(self._heap) > 2 * len(self._live) + 64:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapq.heapify(self._heap)

    def cancel(self, owner: TimerOwner, *timers: str) -> None:
        """Forget these timers of `owner`; those that are not set are no error."""
        for timer in timers:
            self._live.pop((id(owner), timer), None)

    def is_set(self, owner: TimerOwner, timer: str) -> bool:
        return (id(owner), timer) in self._live

    def next(self) -> float | None:
        """The monotonic instant of the earliest timer, or None."""
        while self._heap:
            if self._is_live(self._heap[0]):
                return self._heap[0][0]
            heapq.heappop(self._heap)
        return None

    def _is_live(self, entry: tuple[float, int, TimerOwner, str]) -> bool:
        """Whether that entry of the heap has been neither cancelled nor moved."""
        _, serial, owner, timer = entry
        live = self._live.get((id(owner), timer))
        return live is not None and live[0] == serial

    def fire(self, now: Now) -> int:
        """Hand every timer that is due at `now` to its owner, earliest first; returns how many there were.

        A timer that is set while this goes on waits for the next call, even where it is due already: so a machine that
        sets a timer for the instant it is cannot keep the call from ending.
        """
        fired = 0
        newest = self._serial
        later = []
        try:
            while (at := self.next()) is not None and at <= now.monotonic:
                entry = heapq.heappop(self._heap)
                _, serial, owner, timer = entry
                if serial > newest:
                    later.append(entry)
                    continue
                del self._live[(id(owner), timer)]
                fired += 1
                owner.handle_timer(timer, now)
        finally:
            for entry in later:
                heapq.heappush(self._heap, entry)
        return fired
