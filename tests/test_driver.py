"""The driver feeds inputs in order and timers when due, survives bugs, and never spins."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from offhook.clock import Ids, Now, Timers
from offhook.driver import Driver, Lanes, SystemIds, system_now
from offhook.ordered import Ordered
from offhook.testing.record import Record


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class Whispered:
    text: str


class Parrot:
    """Says what it receives; `wake:N` sets a timer, `fail` raises, `whisper` has no port."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.turns = 0
        self._outputs: list[Said | Whispered] = []
        self.rearm: Callable[[str, Now], float | None] = lambda timer, now: None

    def receive(self, given: str, now: Now) -> None:
        if given == "fail":
            raise RuntimeError("the parrot has a bug")
        if given.startswith("wake:"):
            self.timers.set(self, given, now.monotonic + float(given[5:]))
        self._outputs.append(Whispered(given) if given == "whisper" else Said(given))

    def handle_timer(self, timer: str, now: Now) -> None:
        if timer == "fail":
            raise RuntimeError("the parrot has a bug in a timer")
        self._outputs.append(Said(f"{timer} is due"))
        again = self.rearm(timer, now)
        if again is not None:
            self.timers.set(self, timer, again)

    def outputs(self) -> list[Said | Whispered]:
        self.turns += 1
        out, self._outputs = self._outputs, []
        return out


class Listener:
    """A port that keeps what was said, and lets tests wait for it."""

    def __init__(self) -> None:
        self.heard: Record[str] = Record()

    def __call__(self, output: Said) -> None:
        self.heard.append(output.text)
        if output.text == "deaf":
            raise RuntimeError("the port has a bug")

    async def until(self, text: str) -> None:
        await self.heard.until(lambda heard: text in heard, text, seconds=5)


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def driver(parrot: Parrot, listener: Listener) -> AsyncIterator[Driver]:
    driver = Driver(parrot, {Said: listener})
    driver.start()
    yield driver
    await driver.stop()


async def test_inputs_are_handled_in_order(driver: Driver, listener: Listener) -> None:
    for number in range(1000):
        driver.put(str(number))
    await listener.until("999")
    assert listener.heard == [str(number) for number in range(1000)]


async def test_inputs_that_come_before_the_start_wait_for_it(parrot: Parrot, listener: Listener) -> None:
    driver = Driver(parrot, {Said: listener})
    driver.put("early")
    assert listener.heard == []
    driver.start()
    await listener.until("early")
    await driver.stop()


async def test_outputs_of_one_input_are_performed_before_the_next(parrot: Parrot) -> None:
    order: list[str] = []
    receive = parrot.receive

    def noted(given: str, now: Now) -> None:
        order.append(f"in {given}")
        receive(given, now)

    parrot.receive = noted  # type: ignore[method-assign]
    driver = Driver(parrot, {Said: lambda said: order.append(f"out {said.text}")})
    driver.start()
    driver.put("a")
    driver.put("b")
    await driver.stop()
    assert order == ["in a", "out a", "in b", "out b"]


async def test_what_a_port_puts_in_comes_after_what_waits_already(parrot: Parrot) -> None:
    heard: list[str] = []
    done = asyncio.Event()

    def echo(said: Said) -> None:
        heard.append(said.text)
        if len(said.text) < 3:
            echoing.put(said.text * 2)
        if said.text == "bbbb":
            done.set()

    echoing = Driver(parrot, {Said: echo})
    echoing.start()
    echoing.put("a")
    echoing.put("b")
    async with asyncio.timeout(5):
        await done.wait()
    await echoing.stop()
    assert heard == ["a", "b", "aa", "bb", "aaaa", "bbbb"]


async def test_timers_fire_when_due(driver: Driver, listener: Listener) -> None:
    for wait in ("wake:0.03", "wake:0.01", "wake:0.02"):
        driver.put(wait)
    await listener.until("wake:0.03 is due")
    assert listener.heard[3:] == ["wake:0.01 is due", "wake:0.02 is due", "wake:0.03 is due"]


async def test_an_input_that_brings_a_nearer_timer_shortens_the_wait(driver: Driver, listener: Listener) -> None:
    driver.put("wake:1000")
    await listener.until("wake:1000")
    driver.put("wake:0.01")
    await listener.until("wake:0.01 is due")


async def test_thousands_of_timers(driver: Driver, parrot: Parrot, listener: Listener) -> None:
    now = system_now().monotonic
    for number in range(5000):
        parrot.timers.set(parrot, f"timer {number}", now + number / 1e6)
    parrot.timers.cancel(parrot, "timer 7")
    driver.put("go")
    await listener.until("timer 4999 is due")
    assert len(listener.heard) == 1 + 4999


async def test_bugs_are_logged_and_do_not_stop_it(
    driver: Driver, parrot: Parrot, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    parrot.timers.set(parrot, "fail", 0.0)
    parrot.timers.set(parrot, "after it", 0.0)
    for given in ("fail", "deaf", "whisper", "still there"):
        driver.put(given)
    await listener.until("still there")
    await listener.until("after it is due")
    assert listener.heard == ["deaf", "still there", "after it is due"]
    bugs = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert bugs == [
        "a bug: Parrot failed on str",
        "a bug: Said failed in its port",
        "a bug: Whispered has no port",
        "a bug: Parrot failed on a timer",
    ]


async def test_a_timer_that_is_always_due_starves_neither_inputs_nor_the_loop(
    driver: Driver, parrot: Parrot, listener: Listener
) -> None:
    parrot.rearm = lambda timer, now: now.monotonic
    driver.put("wake:0")
    await listener.until("wake:0 is due")
    driver.put("still there")
    await listener.until("still there")
    parrot.rearm = lambda timer, now: None


async def test_it_sleeps_when_there_is_nothing_to_do(driver: Driver, parrot: Parrot, listener: Listener) -> None:
    driver.put("wake:1000")
    await listener.until("wake:1000")
    for _ in range(10):
        await asyncio.sleep(0)  # it comes to rest
    before = parrot.turns
    for _ in range(100):
        await asyncio.sleep(0)  # turns of the loop, none of the driver
    assert parrot.turns == before


async def test_put_from_another_thread(driver: Driver, listener: Listener) -> None:
    def talk() -> None:
        for number in range(100):
            driver.put_threadsafe(str(number))

    thread = threading.Thread(target=talk)
    thread.start()
    await listener.until("99")
    thread.join()
    assert listener.heard == [str(number) for number in range(100)]


async def test_stop_handles_what_waits_and_drops_what_comes_later(parrot: Parrot, listener: Listener) -> None:
    driver = Driver(parrot, {Said: listener})
    driver.put_threadsafe("not started")
    await driver.stop()
    driver.start()
    driver.put("last")
    await driver.stop()
    driver.put("too late")
    await driver.stop()
    await asyncio.sleep(0)  # anything left would be handled now
    assert listener.heard == ["last"]
    assert [task for task in asyncio.all_tasks() if "driver" in task.get_name()] == []


def test_the_clock_of_the_machine_does_not_go_back() -> None:
    first, second = system_now(), system_now()
    assert second.monotonic >= first.monotonic
    assert first.wall > 1_700_000_000


def test_ids_of_the_machine_are_fresh() -> None:
    ids: Ids = SystemIds()
    assert len({ids.token() for _ in range(100)}) == 100
    assert len(ids.token(32)) == 8
    assert all(0 <= ids.fraction() < 1 for _ in range(100))


async def test_outputs_that_fail_do_not_stop_it(
    driver: Driver,
    parrot: Parrot,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed = asyncio.Event()

    def fail() -> list[Said | Whispered]:
        failed.set()
        raise RuntimeError("the parrot cannot speak")

    with monkeypatch.context() as patch:
        patch.setattr(parrot, "outputs", fail)
        driver.put("unheard")
        await failed.wait()
    assert "failed on its outputs" in caplog.text
    driver.put("well again")
    await listener.until("well again")


# What waits for the journal


class Slate:
    """A journal whose disk is moved by hand."""

    def __init__(self) -> None:
        self.writing: list[tuple[str, list[str], Callable[[bool], None]]] = []
        self.works = True
        self.late = 0

    def write(self, key: str, entries: Sequence[str], done: Callable[[bool], None]) -> bool:
        self.writing.append((key, list(entries), done))
        return self.works

    def went_on(self) -> None:
        self.late += 1

    def turn(self, kept: bool = True) -> None:
        """The oldest write is on the disk."""
        self.writing.pop(0)[2](kept)


def lanes(slate: Slate, patience: float = 60.0) -> tuple[Lanes, Record[str]]:
    said: Record[str] = Record()
    return Lanes(slate, said.append, patience), said


def step(key: str, *outputs: str, entries: tuple[str, ...] = ("entry",)) -> Ordered:
    return Ordered(key, entries, outputs)


async def test_what_follows_an_entry_waits_until_it_is_on_the_disk_and_others_go_on() -> None:
    slate = Slate()
    given, said = lanes(slate)
    given.put(step("a", "a1", "a2"))
    given.put(step("a", "a3", entries=()))
    given.put(step("b", "b1", entries=()))
    given.put(step("b", "b2"))
    assert said == ["b1"] and [key for key, _, _ in slate.writing] == ["a", "b"]
    slate.writing.reverse()
    slate.turn()
    assert said == ["b1", "b2"]
    slate.turn()
    assert said == ["b1", "b2", "a1", "a2", "a3"]
    assert not given._lanes


async def test_the_order_of_one_key_is_kept_whatever_the_disk_does() -> None:
    slate = Slate()
    given, said = lanes(slate)
    given.put(step("a", "1"))
    slate.works = False
    given.put(step("a", "2"))
    assert said == []
    slate.works = True
    given.put(step("a", "3"))
    slate.writing.reverse()
    slate.turn()
    assert said == []
    slate.turn()
    slate.turn()
    assert said == ["1", "2", "3"]


async def test_a_stalled_disk_is_waited_for_a_moment_alone() -> None:
    slate = Slate()
    given, said = lanes(slate, patience=0.01)
    given.put(step("a", "1"))
    given.put(step("a", "2"))
    assert said == []
    await said.reach(2)
    assert slate.late == 2
    slate.turn()
    slate.turn(False)
    assert said == ["1", "2"]


async def test_a_disk_that_takes_nothing_is_not_waited_for() -> None:
    slate = Slate()
    slate.works = False
    given, said = lanes(slate)
    given.put(step("a", "1"))
    assert said == ["1"] and not given._lanes


async def test_what_is_another_process_s_to_say_is_not_said() -> None:
    slate = Slate()
    given, said = lanes(slate)
    given.put(step("a", "ours no longer"))
    given.put(step("a", "and closed", entries=()))
    slate.turn(False)
    assert said == ["and closed"]


async def test_a_driver_that_stops_says_what_waits(listener: Listener) -> None:
    class Careful(Parrot):
        def outputs(self) -> list[Any]:
            return [Ordered("a", ("entry",), (said,)) for said in super().outputs()]

    slate = Slate()
    driver = Driver(Careful(), {Said: listener}, journal=slate)
    driver.start()
    driver.put("one")
    driver.put("two")
    await driver.stop()
    assert listener.heard == ["one", "two"] and len(slate.writing) == 2
