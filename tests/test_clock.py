"""The timer heap: order, moving, cancelling, and that one call of `fire` ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.clock import Now, Timers


class Owner:
    """Notes what fired; `then` is what it does about it."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.fired: list[tuple[str, float]] = []
        self.rearm: dict[str, float] = {}

    def handle_timer(self, timer: str, now: Now) -> None:
        assert not self.timers.is_set(self, timer)
        self.fired.append((timer, now.monotonic))
        if timer in self.rearm:
            self.timers.set(self, timer, self.rearm[timer])


def at(monotonic: float) -> Now:
    return Now(monotonic, 1_800_000_000.0 + monotonic)


def test_fires_what_is_due_earliest_first() -> None:
    timers = Timers()
    owner = Owner(timers)
    timers.set(owner, "late", 3.0)
    timers.set(owner, "early", 1.0)
    timers.set(owner, "future", 3.1)
    assert timers.next() == 1.0
    assert timers.fire(at(3.0)) == 2
    assert owner.fired == [("early", 3.0), ("late", 3.0)]
    assert timers.next() == 3.1
    assert len(timers) == 1


def test_equal_instants_fire_in_the_order_they_were_set() -> None:
    timers = Timers()
    owner = Owner(timers)
    for name in "cab":
        timers.set(owner, name, 1.0)
    timers.fire(at(1.0))
    assert [name for name, _ in owner.fired] == ["c", "a", "b"]


def test_setting_again_moves_a_timer() -> None:
    timers = Timers()
    owner = Owner(timers)
    timers.set(owner, "A", 1.0)
    timers.set(owner, "A", 5.0)
    assert timers.fire(at(4.0)) == 0
    timers.set(owner, "A", 4.5)
    assert timers.next() == 4.5
    assert timers.fire(at(9.0)) == 1


def test_cancelled_timers_do_not_fire() -> None:
    timers = Timers()
    owner = Owner(timers)
    timers.set(owner, "A", 1.0)
    timers.set(owner, "B", 2.0)
    timers.cancel(owner, "A", "never set")
    assert not timers.is_set(owner, "A")
    assert timers.is_set(owner, "B")
    assert timers.next() == 2.0
    timers.cancel(owner, "B")
    assert timers.next() is None
    assert timers.fire(at(9.0)) == 0


def test_the_same_word_of_two_owners_is_two_timers() -> None:
    timers = Timers()
    one, two = Owner(timers), Owner(timers)
    timers.set(one, "A", 1.0)
    timers.set(two, "A", 1.0)
    timers.cancel(one, "A")
    timers.fire(at(1.0))
    assert (one.fired, two.fired) == ([], [("A", 1.0)])


@pytest.mark.parametrize("instant", [0.0, 1.0], ids=["in the past", "now"])
def test_a_timer_that_is_set_again_for_now_waits_for_the_next_call(instant: float) -> None:
    timers = Timers()
    owner = Owner(timers)
    owner.rearm["A"] = instant
    timers.set(owner, "A", 1.0)
    timers.set(owner, "B", 1.0)
    assert timers.fire(at(1.0)) == 2
    assert timers.next() == instant
    assert timers.fire(at(1.0)) == 1
    assert [name for name, _ in owner.fired] == ["A", "B", "A"]


def test_an_owner_that_raises_costs_no_other_timer() -> None:
    timers = Timers()
    owner = Owner(timers)

    class Broken:
        def handle_timer(self, timer: str, now: Now) -> None:
            timers.set(owner, "set on the way", 0.0)
            raise RuntimeError("a bug")

    timers.set(Broken(), "A", 1.0)
    timers.set(owner, "B", 2.0)
    with pytest.raises(RuntimeError):
        timers.fire(at(3.0))
    assert timers.fire(at(3.0)) == 2
    assert [name for name, _ in owner.fired] == ["set on the way", "B"]


def test_a_timer_may_cancel_another_that_is_due_too() -> None:
    timers = Timers()
    owner = Owner(timers)

    class Canceller:
        def handle_timer(self, timer: str, now: Now) -> None:
            timers.cancel(owner, "B")

    timers.set(Canceller(), "A", 1.0)
    timers.set(owner, "B", 1.0)
    assert timers.fire(at(1.0)) == 1
    assert owner.fired == []


def test_moving_a_timer_for_ever_does_not_fill_the_memory() -> None:
    timers = Timers()
    owner = Owner(timers)
    for step in range(10_000):
        timers.set(owner, "silence", 20.0 + step)
    assert len(timers) == 1
    assert len(timers._heap) < 200
    assert timers.next() == 10_019.0


@given(st.lists(st.tuples(st.sampled_from("ABCDE"), st.one_of(st.none(), st.integers(0, 20))), max_size=200))
def test_behaves_like_a_plain_table(steps: list[tuple[str, int | None]]) -> None:
    timers = Timers()
    owner = Owner(timers)
    table: dict[str, int] = {}
    for name, instant in steps:
        if instant is None:
            timers.cancel(owner, name)
            table.pop(name, None)
        else:
            timers.set(owner, name, instant)
            table[name] = instant
        assert len(timers) == len(table)
        assert timers.next() == min(table.values(), default=None)
    timers.fire(at(10.0))
    assert sorted(name for name, _ in owner.fired) == sorted(name for name, due in table.items() if due <= 10)
