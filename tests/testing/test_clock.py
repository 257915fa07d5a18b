"""Virtual time jumps from deadline to deadline; seeded ids repeat themselves."""

from __future__ import annotations

import re

import pytest

from offhook.clock import Ids, Now, Timers
from offhook.testing.clock import SeededIds, VirtualClock


class Ticker:
    """A timer every `period` seconds."""

    def __init__(self, timers: Timers, period: float) -> None:
        self.timers = timers
        self.period = period
        self.ticks: list[float] = []

    def handle_timer(self, timer: str, now: Now) -> None:
        self.ticks.append(now.monotonic)
        self.timers.set(self, timer, now.monotonic + self.period)


def test_the_same_seed_gives_the_same_ids() -> None:
    one, two, other = SeededIds(7), SeededIds(7), SeededIds(8)
    ids: Ids = one
    first = [ids.token(), ids.token(32), str(ids.fraction())]
    assert first == [two.token(), two.token(32), str(two.fraction())]
    assert first[0] != other.token()


@pytest.mark.parametrize("bits", [1, 7, 32, 64, 128])
def test_tokens_are_lower_case_and_long_enough(bits: int) -> None:
    ids = SeededIds(1)
    tokens = {ids.token(bits) for _ in range(20)}
    assert all(re.fullmatch("[0-9a-z]+", token) and 4 * len(token) >= bits for token in tokens)
    if bits >= 64:
        assert len(tokens) == 20


def test_fractions_are_in_their_range() -> None:
    ids = SeededIds(3)
    assert all(0 <= ids.fraction() < 1 for _ in range(1000))


def test_both_clocks_advance_together() -> None:
    clock = VirtualClock(wall=1000.0)
    assert clock.now() == Now(0.0, 1000.0)
    assert clock.advance(2.5) == Now(2.5, 1002.5)
    with pytest.raises(ValueError):
        clock.advance(-1)


def test_run_stops_at_each_deadline_and_at_the_end() -> None:
    timers = Timers()
    clock = VirtualClock()
    ticker = Ticker(timers, 2.0)
    timers.set(ticker, "tick", 2.0)
    drained: list[float] = []
    fired = clock.run(timers, until=5.0, drain=lambda: drained.append(clock.now().monotonic))
    assert fired == 2
    assert ticker.ticks == [2.0, 4.0]
    assert drained == [0.0, 2.0, 4.0]
    assert clock.now().monotonic == 5.0


def test_run_serves_several_heaps_as_one() -> None:
    first, second = Timers(), Timers()
    clock = VirtualClock()
    one, two = Ticker(first, 2.0), Ticker(second, 3.0)
    first.set(one, "tick", 2.0)
    second.set(two, "tick", 3.0)
    assert clock.run([first, second], until=6.0) == 5
    assert (one.ticks, two.ticks) == ([2.0, 4.0, 6.0], [3.0, 6.0])


def test_overdue_timers_fire_now_and_time_never_goes_back() -> None:
    timers = Timers()
    clock = VirtualClock()
    ticker = Ticker(timers, 100.0)
    timers.set(ticker, "tick", 1.0)
    clock.advance(5.0)
    clock.run(timers, until=3.0)
    assert ticker.ticks == [5.0]
    assert clock.now().monotonic == 5.0


def test_a_standstill_is_reported() -> None:
    timers = Timers()
    ticker = Ticker(timers, 0.0)
    timers.set(ticker, "tick", 0.0)
    with pytest.raises(AssertionError, match="again and again"):
        VirtualClock().run(timers, until=1.0)
