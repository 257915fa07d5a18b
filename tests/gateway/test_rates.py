"""Rates and slowed logins, in tables that stay finite."""

from __future__ import annotations

import pytest

from offhook.clock import Now
from offhook.gateway.rates import Rates, Slowing


def at(seconds: float) -> Now:
    return Now(seconds, 0.0)


def test_a_burst_then_so_many_a_second_for_each() -> None:
    rates = Rates(2, 4.0)
    assert [rates.take("a", at(0)) for _ in range(3)] == [0.0, 0.0, 0.25]
    assert rates.take("b", at(0)) == 0.0
    assert rates.take("a", at(0.25)) == 0.0
    assert rates.take("a", at(100)) == 0.0


def test_the_table_is_finite() -> None:
    rates, slowing = Rates(1, 1.0, keys=10), Slowing(pairs=10, of_address=5)
    for number in range(1000):
        rates.take(str(number), at(0))
        slowing.refused(str(number), "1000", at(0))
    assert (len(rates), len(slowing)) == (10, 10)


def test_each_refusal_doubles_the_time_for_that_pair_alone() -> None:
    slowing, now, waits = Slowing(), 0.0, []
    for _ in range(12):
        wait = slowing.wait("a", "1000", at(now))
        waits.append(wait)
        now += wait
        slowing.refused("a", "1000", at(now))
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert slowing.wait("b", "1000", at(now)) == 0.0
    assert slowing.wait("a", "1001", at(now)) == 0.0
    slowing.proved("a", "1000")
    assert slowing.wait("a", "1000", at(now)) == 0.0


def test_an_address_cannot_push_out_what_is_held_against_it_or_against_others() -> None:
    slowing = Slowing(pairs=50, of_address=5)
    for address in ("a", "b"):
        for _ in range(8):
            slowing.refused(address, "1000", at(0))
    for number in range(1000):
        slowing.refused("a", f"z{number}", at(1))
    assert slowing.wait("a", "1000", at(1)) == slowing.wait("b", "1000", at(1)) == 31.0
    assert len(slowing) == 7
    # Where the address has its number, its further extensions wait together; those of others do not.
    assert slowing.wait("a", "z999", at(1)) == slowing.wait("a", "1001", at(1)) == Slowing.LONGEST
    assert slowing.wait("b", "1001", at(1)) == 0.0
    slowing.proved("a", "1001")
    assert slowing.wait("a", "1001", at(1)) == Slowing.LONGEST
    later = 2 + Slowing.FORGOTTEN
    assert slowing.wait("a", "1001", at(later)) == 0.0
    slowing.refused("a", "1001", at(later))
    assert len(slowing) == 1


def test_refusals_are_forgotten() -> None:
    slowing = Slowing()
    for _ in range(3):
        slowing.refused("a", "1000", at(0))
    slowing.refused("a", "1000", at(Slowing.FORGOTTEN + 1))
    assert slowing.wait("a", "1000", at(Slowing.FORGOTTEN + 1)) == 0.0


@pytest.mark.parametrize("times", [5, 5000])
def test_without_an_address_nobody_is_slowed(times: int) -> None:
    slowing = Slowing()
    for _ in range(times):
        slowing.refused("", "1000", at(0))
    assert (slowing.wait("", "1000", at(0)), len(slowing)) == (0.0, 0)
