from __future__ import annotations

import asyncio
import time

import pytest

from offhook.media.pacer import PERIOD, PHASES, Pacer, Schedule
from offhook.testing.record import Record


class Ticked:
    def __init__(self) -> None:
        self.ticks: Record[tuple[int, float]] = Record()

    def tick(self, number: int, at: float) -> None:
        self.ticks.append((number, at))


def _run(schedule: Schedule, now: float, until: float, stalls: dict[float, float] | None = None) -> list[float]:
    """Drive a schedule in virtual time; when each tick really happened. `stalls`: when, and how long, nothing runs."""
    happened: list[float] = []
    waiting = sorted((stalls or {}).items())
    while True:
        now = max(now, schedule.due())
        if waiting and now >= waiting[0][0]:
            now += waiting.pop(0)[1]
            continue
        if now >= until:
            return happened
        number, at, members = schedule.take(now)
        for member in members:
            member.tick(number, at)
        happened.append(now)


def test_no_drift() -> None:
    schedule, member = Schedule(100.0), Ticked()
    schedule.add(member, 100.0)
    _run(schedule, 100.0, 160.0)
    assert [number for number, _ in member.ticks] == list(range(3000))
    assert all(at == pytest.approx(100.0 + number * PERIOD) for number, at in member.ticks)


def test_a_short_stall_is_made_up_for_without_a_burst() -> None:
    schedule, member = Schedule(0.0), Ticked()
    schedule.add(member, 0.0)
    happened = _run(schedule, 0.0, 3.0, {1.0: 0.09})
    assert [number for number, _ in member.ticks] == list(range(150))  # none left out
    gaps = [later - earlier for earlier, later in zip(happened, happened[1:], strict=False)]
    assert sum(gap < PERIOD / 2 - 1e-9 for gap in gaps) == 1  # two at once, and never three
    assert happened[-1] == pytest.approx(149 * PERIOD)  # and back on the grid


def test_a_long_stall_is_left_out() -> None:
    schedule, member = Schedule(0.0), Ticked()
    schedule.add(member, 0.0)
    happened = _run(schedule, 0.0, 3.0, {1.0: 0.75})
    numbers = [number for number, _ in member.ticks]
    assert len(numbers) == 150 - 37 and numbers[-1] == 149
    gaps = [later - earlier for earlier, later in zip(happened, happened[1:], strict=False)]
    assert sum(gap < PERIOD / 2 - 1e-9 for gap in gaps) <= 1


@pytest.mark.parametrize("lateness", [0.005, 0.012, 0.018])
def test_a_machine_that_wakes_us_late_each_time_costs_no_packet(lateness: float) -> None:
    """Cores that others hog: each wait takes so much longer."""
    schedule, member = Schedule(0.0), Ticked()
    schedule.add(member, 0.0)
    now = 0.0
    while now < 20.0:
        due = schedule.due()
        if due > now:
            now = due + lateness
        number, at, members = schedule.take(now)
        for each in members:
            each.tick(number, at)
        assert now - at <= 0.06
    assert [number for number, _ in member.ticks] == list(range(len(member.ticks)))


def test_many_members_are_spread_over_the_phases() -> None:
    schedule, members = Schedule(0.0), [Ticked() for _ in range(40)]
    for member in members:
        schedule.add(member, 0.0)
    assert len(schedule) == 40
    at_once = [len(schedule.take(schedule.due())[2]) for _ in range(PHASES)]
    assert at_once == [10] * PHASES
    for member in members:
        schedule.remove(member)
    assert len(schedule) == 0
    schedule.remove(members[0])


def test_who_comes_later_gets_the_numbers_of_now() -> None:
    schedule, member = Schedule(0.0), Ticked()
    schedule.add(member, 100.0)
    _run(schedule, 100.0, 100.1)
    assert member.ticks[0][0] == 5000 and schedule.number(100.0) == 5000


async def test_it_runs_while_there_is_somebody(caplog: pytest.LogCaptureFixture) -> None:
    pacer, member = Pacer(), Ticked()

    class Broken:
        def tick(self, number: int, at: float) -> None:
            raise RuntimeError("no")

    broken = Broken()
    pacer.add(broken)
    pacer.add(member)
    begin = time.monotonic()
    await member.ticks.reach(10)
    assert time.monotonic() - begin < 2.0
    assert "a bug" in caplog.text
    pacer.remove(member)
    pacer.remove(broken)
    (running,) = (task for task in asyncio.all_tasks() if task.get_name() == "media pacer")
    await asyncio.wait_for(running, 5)
    count = len(member.ticks)
    pacer.add(member)  # and again
    await member.ticks.reach(count + 1)
    assert member.ticks[-1][0] <= pacer.number
    await pacer.close()
    await pacer.close()
