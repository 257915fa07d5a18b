"""A burst at once, then so many a second, in order; and no more may wait than the limits say."""

from __future__ import annotations

import pytest

from offhook.clock import Now
from offhook.gateway.interface import Limits
from offhook.gateway.turns import Turn, Turns


def at(seconds: float) -> Now:
    return Now(seconds, 1_800_000_000.0 + seconds)


def test_after_the_burst_each_waits_its_turn() -> None:
    turns = Turns(Limits(burst=2, per_second=10.0), at(0.0), trusted=False)
    assert [turns.ask(name, 1, at(0.0)) for name in "abcd"] == [Turn.NOW, Turn.NOW, Turn.LATER, Turn.LATER]
    assert turns.next(at(0.0)) is None
    assert turns.due() == pytest.approx(0.101)
    assert turns.next(at(0.101)) == "c"
    assert turns.next(at(0.101)) is None
    assert turns.due() == pytest.approx(0.201)
    assert turns.ask("e", 1, at(0.15)) is Turn.LATER, "nobody overtakes"
    assert [turns.next(at(1.0)) for _ in range(3)] == ["d", "e", None]
    assert turns.due() is None


def test_what_is_not_used_is_saved_up_to_a_burst() -> None:
    turns = Turns(Limits(burst=2, per_second=10.0), at(0.0), trusted=False)
    assert [turns.ask("x", 1, at(60.0)) for _ in range(3)] == [Turn.NOW, Turn.NOW, Turn.LATER]


def test_so_many_may_wait_and_so_many_octets() -> None:
    turns = Turns(Limits(burst=1, per_second=1.0, waiting=3, waiting_bytes=100), at(0.0), trusted=False)
    assert [turns.ask("x", 40, at(0.0)) for _ in range(4)] == [Turn.NOW, Turn.LATER, Turn.LATER, Turn.NEVER]
    assert turns.ask("x", 20, at(0.0)) is Turn.LATER
    assert turns.ask("x", 0, at(0.0)) is Turn.NEVER
    for second in (2.0, 4.0, 6.0):
        assert turns.next(at(second)) == "x"
    assert turns.ask("x", 60, at(6.0)) is Turn.LATER, "what went is not counted any more"


def test_what_waits_may_be_dropped() -> None:
    turns = Turns(Limits(burst=1, waiting_bytes=100), at(0.0), trusted=False)
    assert [turns.ask("x", 100, at(0.0)) for _ in range(2)] == [Turn.NOW, Turn.LATER]
    turns.drop()
    assert turns.due() is None
    assert turns.ask("y", 100, at(0.0)) is Turn.LATER


def test_who_is_trusted_never_waits() -> None:
    turns = Turns(Limits(burst=1, waiting=1), at(0.0), trusted=True)
    assert {turns.ask("x", 10**6, at(0.0)) for _ in range(100)} == {Turn.NOW}
