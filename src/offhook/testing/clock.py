"""Virtual time and seeded chance, for tests of pure objects.

    clock = VirtualClock()
    machine = Machine(timers, ids=SeededIds(1))
    machine.receive(given, clock.now())
    clock.run(timers, until=clock.now().monotonic + 32)     # every timer up to there, each at its own instant

No time passes unless a test says so, and the same seed gives the same identifiers, in every version of Python.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from offhook.clock import Now, Timers

STANDSTILL = 10_000
"""So many rounds at one instant are taken for a loop that will not end."""


class SeededIds:
    """`offhook.clock.Ids` out of a seed: the same seed gives the same tokens and fractions in the same order."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def token(self, bits: int = 128) -> str:
        """The next token: hexadecimal digits, at least `bits` of randomness."""
        digits = (bits + 3) // 4
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def fraction(self) -> float:
        """The next number in [0, 1)."""
        return self._random.random()


class VirtualClock:
    """A clock that stands still until a test moves it. Both its times move together."""

    def __init__(self, monotonic: float = 0.0, wall: float = 1_800_000_000.0) -> None:
        self._monotonic = monotonic
        self._offset = wall - monotonic

    def now(self) -> Now:
        """The instant it is."""
        return Now(self._monotonic, self._monotonic + self._offset)

    def advance(self, seconds: float) -> Now:
        """Let time pass without looking at any timer; gives the new instant."""
        if seconds < 0:
            raise ValueError("time does not go backwards")
        self._monotonic += seconds
        return self.now()

    def run(
        self,
        timers: Timers | Sequence[Timers],
        until: float,
        drain: Callable[[], object] | None = None,
    ) -> int:
        """Jump from deadline to deadline up to the monotonic instant `until`, stay there; gives how many timers fired.

        `drain` is called first and again after each instant at which timers fired: there the test performs the outputs
        of its nodes. Several heaps are run as one, at equal instants in the order given. Timers that are overdue fire
        at the instant it is. Raises AssertionError when timers keep firing without time going on.
        """
        heaps = [timers] if isinstance(timers, Timers) else list(timers)
        fired = 0
        rounds = 0
        if drain is not None:
            drain()
        while True:
            deadlines = [at for heap in heaps if (at := heap.next()) is not None]
            if not deadlines or min(deadlines) > until:
                break
            rounds = rounds + 1 if min(deadlines) <= self._monotonic else 0
            if rounds > STANDSTILL:
                raise AssertionError(f"timers are set again and again for the instant {self._monotonic}")
            self._monotonic = max(self._monotonic, min(deadlines))
            for heap in heaps:
                fired += heap.fire(self.now())
            if drain is not None:
                drain()
        self._monotonic = max(self._monotonic, until)
        return fired
